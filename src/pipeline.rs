//! The ordered parallel stage between reading and writing.
//!
//! The calling thread reads, the workers of rayon work, one more thread consumes in input order. A
//! permit belongs to each block from its reading until its result is consumed, so memory is bounded and
//! no worker ever waits.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::Result;

/// Blocks beyond one for each worker: one being consumed and one waiting, so that neither end starves.
const SPARE_BLOCKS: usize = 2;

/// How long nothing may come before the consumer is told so.
const PATIENCE: Duration = Duration::from_millis(250);

enum Outcome<T> {
    Done(Result<T>),
    Panicked(Box<dyn Any + Send>),
}

/// Reads blocks, works on them in parallel, and consumes the results in input order.
///
/// `consume` is given nothing, now and then, while no result comes.
///
/// The first failure in input order is returned, after the results before it were consumed; no later
/// one is. It must not be called from a worker of rayon, which it would block.
pub(crate) fn run<B: Send, T: Send>(
    next: &mut dyn FnMut() -> Result<Option<B>>,
    work: &(dyn Fn(B) -> Result<T> + Sync),
    consume: &mut (dyn FnMut(Option<T>) -> Result<()> + Send),
) -> Result<()> {
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (permits, permitted) = channel();
        let (results, ordered) = channel();
        for _ in 0..rayon::current_num_threads() + SPARE_BLOCKS {
            if permits.send(()).is_err() {
                break;
            }
        }
        let consumer = scope.spawn(move || consume_in_order(&ordered, &permits, consume));
        // Moved in, so that the consumer sees the end even if `next` panics.
        produce(next, work, results, &permitted, &stopped);
        match consumer.join() {
            Ok(Outcome::Done(result)) => result,
            Ok(Outcome::Panicked(panic)) | Err(panic) => resume_unwind(panic),
        }
    })
}

fn produce<B: Send, T: Send>(
    next: &mut dyn FnMut() -> Result<Option<B>>,
    work: &(dyn Fn(B) -> Result<T> + Sync),
    results: Sender<(u64, Outcome<T>)>,
    permitted: &Receiver<()>,
    stopped: &AtomicBool,
) {
    rayon::in_place_scope(move |workers| {
        for place in 0_u64.. {
            // No permit comes any more once the consumer has ended.
            if permitted.recv().is_err() || stopped.load(Ordering::Relaxed) {
                return;
            }
            let block = match next() {
                Ok(Some(block)) => block,
                Ok(None) => return,
                Err(error) => {
                    send(&results, place, Outcome::Done(Err(error)), stopped);
                    return;
                }
            };
            let results = results.clone();
            workers.spawn(move |_| {
                let outcome = match catch_unwind(AssertUnwindSafe(|| work(block))) {
                    Ok(result) => Outcome::Done(result),
                    Err(panic) => Outcome::Panicked(panic),
                };
                send(&results, place, outcome, stopped);
            });
        }
    });
}

fn send<T>(results: &Sender<(u64, Outcome<T>)>, place: u64, outcome: Outcome<T>, stopped: &AtomicBool) {
    let failed = !matches!(outcome, Outcome::Done(Ok(_)));
    if results.send((place, outcome)).is_err() || failed {
        stopped.store(true, Ordering::Relaxed);
    }
}

fn consume_in_order<T>(
    ordered: &Receiver<(u64, Outcome<T>)>,
    permits: &Sender<()>,
    consume: &mut (dyn FnMut(Option<T>) -> Result<()> + Send),
) -> Outcome<()> {
    let mut early = BTreeMap::new();
    let mut place = 0_u64;
    loop {
        match ordered.recv_timeout(PATIENCE) {
            Ok((at, outcome)) => early.insert(at, outcome),
            Err(RecvTimeoutError::Disconnected) => return Outcome::Done(Ok(())),
            Err(RecvTimeoutError::Timeout) => match consume(None) {
                Ok(()) => continue,
                Err(err) => return Outcome::Done(Err(err)),
            },
        };
        while let Some(outcome) = early.remove(&place) {
            let consumed = match outcome {
                Outcome::Done(result) => result.and_then(|result| consume(Some(result))),
                Outcome::Panicked(panic) => return Outcome::Panicked(panic),
            };
            if consumed.is_err() {
                return Outcome::Done(consumed);
            }
            place += 1;
            // The reader keeps its end until this thread is done, unless it panics.
            if permits.send(()).is_err() {
                return Outcome::Done(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use std::sync::atomic::AtomicUsize;

    /// Runs the stage with a consumer that does not care for silence.
    fn run<T: Send>(
        next: &mut dyn FnMut() -> Result<Option<u64>>,
        decode: &(dyn Fn(u64) -> Result<T> + Sync),
        consume: &mut (dyn FnMut(T) -> Result<()> + Send),
    ) -> Result<()> {
        super::run(next, decode, &mut |result| result.map_or(Ok(()), &mut *consume))
    }

    /// Gives blocks 0, 1, … `count`, of which the one at `bad` cannot be read.
    fn blocks(count: u64, bad: Option<u64>) -> impl FnMut() -> Result<Option<u64>> {
        let mut index = 0;
        move || {
            if Some(index) == bad {
                bail!("read {index}");
            }
            index += 1;
            Ok((index <= count).then_some(index - 1))
        }
    }

    /// Decodes a block to its number; the earlier of two blocks takes longer.
    fn number() -> impl Fn(u64) -> Result<u64> + Sync {
        |block| {
            std::thread::sleep(Duration::from_micros(if block.is_multiple_of(2) { 300 } else { 0 }));
            Ok(block)
        }
    }

    #[test]
    fn results_come_in_input_order() {
        let mut seen = Vec::new();
        run(&mut blocks(200, None), &number(), &mut |index| {
            seen.push(index);
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_failure_in_input_order_is_returned_after_what_stands_before_it() {
        for bad in [0, 1, 7, 50] {
            let mut seen = Vec::new();
            let decode = |block: u64| {
                if block >= bad {
                    // A later block fails sooner.
                    std::thread::sleep(Duration::from_micros(if block == bad { 500 } else { 0 }));
                    bail!("decode {block}");
                }
                number()(block)
            };
            let error = run(&mut blocks(100, None), &decode, &mut |index| {
                seen.push(index);
                Ok(())
            })
            .unwrap_err();
            assert_eq!(error.to_string(), format!("decode {bad}"));
            assert_eq!(seen, (0..bad).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_reading_failure_comes_after_all_that_was_read() {
        let mut seen = 0;
        let error = run(&mut blocks(100, Some(40)), &number(), &mut |_| {
            seen += 1;
            Ok(())
        })
        .unwrap_err();
        assert_eq!((error.to_string().as_str(), seen), ("read 40", 40));
    }

    #[test]
    fn a_consumer_that_fails_ends_the_reading() {
        let mut read = blocks(u64::MAX, None);
        let error = run(&mut read, &number(), &mut |index| if index == 9 { bail!("full") } else { Ok(()) });
        assert_eq!(error.unwrap_err().to_string(), "full");
        let next = read().unwrap().unwrap();
        assert!(next <= 10 + (rayon::current_num_threads() + SPARE_BLOCKS) as u64, "{next}");
    }

    #[test]
    fn only_so_many_blocks_are_under_way() {
        let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut source = blocks(100, None);
        let mut read = || {
            let block = source();
            if matches!(block, Ok(Some(_))) {
                most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            }
            block
        };
        run(&mut read, &|block| Ok(block), &mut |_| {
            std::thread::sleep(Duration::from_micros(200));
            under_way.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
        .unwrap();
        assert!(most.load(Ordering::SeqCst) <= rayon::current_num_threads() + SPARE_BLOCKS);
    }

    #[test]
    fn panics_reach_the_caller_wherever_they_happen() {
        fn panics(action: impl FnOnce() -> Result<()>) -> String {
            let panic = catch_unwind(AssertUnwindSafe(action)).unwrap_err();
            (*panic.downcast_ref::<&str>().unwrap()).to_string()
        }
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let read = panics(|| run(&mut || panic!("reader"), &number(), &mut |_| Ok(())));
        let decode = panics(|| {
            let decode = |block: u64| if block == 3 { panic!("decoder") } else { number()(block) };
            run(&mut blocks(100, None), &decode, &mut |_| Ok(()))
        });
        let consume = panics(|| run(&mut blocks(100, None), &number(), &mut |_| panic!("consumer")));
        std::panic::set_hook(hook);
        assert_eq!([read, decode, consume], ["reader", "decoder", "consumer"]);
    }
}
