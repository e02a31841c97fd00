//! How many requests are under way at once: as many as the provider bears.
//!
//! Between one and the upper bound the number grows by one for each round of good answers, and halves when the
//! provider says that it is too much; slow answers hold it back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a waiting worker looks whether it is asked to stop.
const LOOK: Duration = Duration::from_millis(50);

/// How much slower than the fastest answers the recent ones may be before the number shrinks; a provider under
/// load answers late before it refuses.
const SLOW: u32 = 4;

/// Answers faster than this are never slow: a scheduler's hiccup is no sign of load.
const QUICK: Duration = Duration::from_millis(250);

/// Admits requests.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    max: usize,
}

#[derive(Debug)]
struct State {
    /// How many may be inside.
    open: usize,
    inside: usize,
    /// Good answers since the number last changed.
    good: usize,
    /// Nobody enters before.
    held: Option<Instant>,
    fastest: Duration,
    recent: Duration,
}

/// How a request ended, for the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// With an answer, after a while.
    Good(Duration),
    /// The provider said, or showed, that it is too much.
    TooMuch,
    /// Neither.
    Other,
}

impl Gate {
    /// A gate for at most `max` requests at once.
    pub(super) fn new(max: usize) -> Self {
        let max = max.max(1);
        let state = State {
            open: max,
            inside: 0,
            good: 0,
            held: None,
            fastest: Duration::MAX,
            recent: Duration::ZERO,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), max }
    }

    /// Waits until a request may start; returns false if asked to stop before.
    pub(super) fn enter(&self, stop: &AtomicBool) -> bool {
        let mut state = self.lock();
        loop {
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            let now = Instant::now();
            let held = state.held.map(|until| until.saturating_duration_since(now));
            let wait = match held {
                Some(left) if left > Duration::ZERO => left.min(LOOK),
                _ if state.inside < state.open => {
                    state.inside += 1;
                    return true;
                }
                _ => LOOK,
            };
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets the next request in, and learns from how this one ended.
    pub(super) fn leave(&self, sign: Sign) {
        let mut state = self.lock();
        state.inside = state.inside.saturating_sub(1);
        match sign {
            Sign::Good(elapsed) => state.learn(elapsed, self.max),
            Sign::TooMuch => {
                state.open = (state.open / 2).max(1);
                state.good = 0;
            }
            Sign::Other => {}
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Keeps every request back for a while.
    pub(super) fn hold(&self, wait: Duration) {
        let mut state = self.lock();
        let until = Instant::now() + wait;
        state.held = Some(state.held.map_or(until, |held| held.max(until)));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn learn(&mut self, elapsed: Duration, max: usize) {
        self.fastest = self.fastest.min(elapsed);
        self.recent = if self.recent == Duration::ZERO { elapsed } else { (self.recent * 7 + elapsed) / 8 };
        self.good += 1;
        if self.good < self.open {
            return;
        }
        self.good = 0;
        if self.recent > QUICK && self.recent > self.fastest * SLOW {
            self.open = (self.open * 3 / 4).max(1);
        } else {
            self.open = (self.open + 1).min(max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(gate: &Gate, sign: Sign) {
        assert!(gate.enter(&AtomicBool::new(false)));
        gate.leave(sign);
    }

    #[test]
    fn a_refusal_halves_the_number_and_good_answers_bring_it_back() {
        let gate = Gate::new(8);
        turn(&gate, Sign::TooMuch);
        turn(&gate, Sign::TooMuch);
        assert_eq!(gate.lock().open, 2);
        (0..2).for_each(|_| turn(&gate, Sign::Good(Duration::from_millis(10))));
        assert_eq!(gate.lock().open, 3);
        (0..200).for_each(|_| turn(&gate, Sign::Good(Duration::from_millis(10))));
        assert_eq!(gate.lock().open, 8);
        (0..9).for_each(|_| turn(&gate, Sign::TooMuch));
        assert_eq!(gate.lock().open, 1);
    }

    #[test]
    fn answers_that_become_slow_shrink_it() {
        let gate = Gate::new(8);
        (0..8).for_each(|_| turn(&gate, Sign::Good(Duration::from_millis(20))));
        (0..64).for_each(|_| turn(&gate, Sign::Good(Duration::from_secs(2))));
        assert!(gate.lock().open < 4, "{}", gate.lock().open);
    }

    #[test]
    fn a_full_gate_waits_and_a_stop_ends_the_wait() {
        let gate = Gate::new(1);
        assert!(gate.enter(&AtomicBool::new(false)));
        assert!(!gate.enter(&AtomicBool::new(true)));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.enter(&AtomicBool::new(false)));
            gate.leave(Sign::Other);
            assert!(waiting.join().unwrap());
        });
    }

    #[test]
    fn nobody_enters_while_it_is_held() {
        let gate = Gate::new(4);
        let start = Instant::now();
        gate.hold(Duration::from_millis(80));
        turn(&gate, Sign::Other);
        assert!(start.elapsed() >= Duration::from_millis(80));
    }
}
