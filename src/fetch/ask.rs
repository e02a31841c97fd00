//! One request: from the cache, or from the provider within its limits, again where that helps, and what the answer
//! means.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::attempt::{Attempt, Next};
use super::gate::Gate;
use super::jar::Jar;
use super::stats::Stats;
use super::wire::Wire;
use crate::cache::{Cache, Limits, Lookup, Stored, Tier};
use crate::model::time::now;
use crate::source::{Answer, Class, Dataset, Fault, Request, Secrets, Step, Verdict};

/// Whether the cache and the network are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Both.
    #[default]
    Normal,
    /// Nothing is taken from the cache.
    Refresh,
    /// Nothing is taken from the network.
    Offline,
    /// Nothing is asked at all: a plan is made.
    Plan,
}

/// Asks a provider; shared by all workers of a source.
pub(super) struct Asker<'a> {
    /// What to ask how.
    pub(super) dataset: &'a Dataset,
    /// Where answers come from.
    pub(super) wire: &'a Wire,
    /// The answers that are known.
    pub(super) cache: &'a Cache,
    /// The limits of the source, shared by all processes.
    pub(super) limits: &'a Limits,
    /// The keys.
    pub(super) secrets: &'a Secrets,
    /// Names of query parameters that hold secrets.
    pub(super) secret_params: &'a [String],
    /// Whether the cache and the network are used.
    pub(super) mode: Mode,
    /// How many requests may be under way.
    pub(super) gate: &'a Gate,
    /// Cookies of the steps.
    pub(super) jar: &'a Jar,
    /// What is counted.
    pub(super) stats: &'a Stats,
    /// Set when the user asks to stop.
    pub(super) stop: &'a AtomicBool,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For rows: the definition says what its answer means.
    Rows,
    /// For what a step brings: its status says whether it went well.
    Step,
    /// For cookies alone: every answer will do.
    Cookies,
}

/// For how long an answer is kept: as far as the definition says, for one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep<'a> {
    /// What the request is for.
    pub(super) purpose: Purpose,
    /// Microseconds a good answer is fresh; `None` where it is not kept.
    pub(super) good: Option<i64>,
    /// Microseconds that nothing is known to be there.
    pub(super) negative: i64,
    /// The step whose answer holds what no recording may hold.
    pub(super) private: Option<&'a Step>,
}

/// An answer and how it came.
pub(super) struct Asked {
    /// The answer.
    pub(super) answer: Arc<Stored>,
    /// What it means.
    pub(super) verdict: Verdict,
    /// The tier of the cache it came from; `None` from the provider.
    pub(super) tier: Option<Tier>,
    /// How it came, for the report.
    pub(super) story: Story,
}

/// What a request took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Story {
    /// The last status, 0 where there was none.
    pub(super) status: u16,
    /// Tries beyond the first.
    pub(super) retries: u32,
    /// The time of the last try.
    pub(super) latency: Duration,
    /// The time spent waiting for limits.
    pub(super) waited: Duration,
    /// Whether the provider said that what is cached still holds.
    pub(super) revalidated: bool,
}

impl Asker<'_> {
    /// Returns the answer to the request that `make` makes for a mirror.
    ///
    /// Beside the fault that remains comes what the tries took.
    pub(super) fn ask(
        &self,
        make: &dyn Fn(usize) -> anyhow::Result<Request>,
        keep: Keep<'_>,
    ) -> Result<Asked, (Fault, Story)> {
        let fail = |fault| (fault, Story::default());
        let request = make(0).map_err(|err| fail(as_fault(&err, Class::Request)))?;
        let is_cached = keep.good.is_some() && !self.wire.is_replay();
        // Of identical requests one goes out and the others find its answer.
        let _flight = is_cached.then(|| self.cache.flight(&request.key));
        let mut known = None;
        if is_cached && self.mode != Mode::Refresh {
            match self.cache.get(&request.key, now()) {
                Lookup::Fresh(stored, tier) => return Ok(self.recall(stored, tier)),
                Lookup::Stale(stored) => known = Some(stored),
                Lookup::Missing => {}
            }
        }
        if self.mode == Mode::Offline {
            return Err(fail(fault(
                Class::Network,
                "it is not in the cache, and '--offline' forbids the network",
            )));
        }
        let known = known.as_ref().filter(|_| self.dataset.cache.conditional);
        self.ask_network(make, &request.key, keep, known)
    }

    fn recall(&self, stored: Arc<Stored>, tier: Tier) -> Asked {
        self.stats.hit(tier);
        let verdict = self.dataset.classify(&view(&stored));
        let story = Story { status: stored.status, ..Story::default() };
        Asked { answer: stored, verdict, tier: Some(tier), story }
    }

    fn ask_network(
        &self,
        make: &dyn Fn(usize) -> anyhow::Result<Request>,
        key: &str,
        keep: Keep<'_>,
        known: Option<&Arc<Stored>>,
    ) -> Result<Asked, (Fault, Story)> {
        let started = Instant::now();
        let retry = &self.dataset.retry;
        let mut story = Story::default();
        let tries = if self.wire.is_replay() { 0 } else { retry.max };
        loop {
            let mirror = story.retries as usize % self.dataset.mirrors.max(1);
            let request = match make(mirror) {
                // The answer is looked for under the first host, whoever gives it.
                Ok(request) => Request { key: key.to_owned(), ..request },
                Err(err) => return Err((as_fault(&err, Class::Request), story)),
            };
            match (Attempt { asker: self, request, keep, known }).run(&mut story) {
                Next::Done(asked) => return Ok(*asked),
                Next::GiveUp(fault) => return Err((self.redacted(&fault), story)),
                Next::Again { fault, wait } => {
                    // Another mirror needs no rest, unless the provider wants one.
                    let is_fresh_mirror = wait.is_none()
                        && fault.class != Class::RateLimited
                        && mirror + 1 < self.dataset.mirrors;
                    let backoff = if is_fresh_mirror { Duration::ZERO } else { self.backoff(story.retries) };
                    let wait = wait.unwrap_or(backoff);
                    if story.retries >= tries || started.elapsed() + wait > retry.max_elapsed {
                        return Err((self.redacted(&give_up(fault, story.retries)), story));
                    }
                    self.stats.retried();
                    story.retries += 1;
                    let started = Instant::now();
                    let is_over = pause(wait, self.stop);
                    self.stats.waited(started.elapsed());
                    story.waited += started.elapsed();
                    if !is_over {
                        return Err((interrupted(), story));
                    }
                }
            }
        }
    }

    /// Returns how long to wait before a try: twice as long each time, and never all at once.
    fn backoff(&self, retries: u32) -> Duration {
        let retry = &self.dataset.retry;
        let full = retry.base.saturating_mul(1 << retries.min(16)).min(retry.cap);
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Returns a fault without secrets.
    pub(super) fn redacted(&self, fault: &Fault) -> Fault {
        Fault { class: fault.class, message: self.secrets.redact(&fault.message) }
    }
}

/// Looks at a stored answer as at a fresh one.
pub(super) fn view(stored: &Stored) -> Answer<'_> {
    Answer { status: stored.status, headers: &stored.headers, body: &stored.body }
}

/// Waits; returns false if asked to stop meanwhile.
pub(super) fn pause(wait: Duration, stop: &AtomicBool) -> bool {
    const LOOK: Duration = Duration::from_millis(50);
    let until = Instant::now() + wait;
    while !stop.load(Ordering::Relaxed) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LOOK));
    }
    false
}

/// Makes a fault.
pub(super) fn fault(class: Class, message: impl Into<String>) -> Fault {
    Fault { class, message: message.into() }
}

/// The fault of a request that the user stopped.
pub(super) fn interrupted() -> Fault {
    fault(Class::Network, "interrupted")
}

/// The fault an error holds, else one of a class.
pub(super) fn as_fault(err: &anyhow::Error, class: Class) -> Fault {
    err.downcast_ref::<Fault>().cloned().unwrap_or_else(|| fault(class, format!("{err:#}")))
}

fn give_up(mut fault: Fault, retries: u32) -> Fault {
    if retries > 0 {
        fault.message = format!("gave up after {} tries: {}", retries + 1, fault.message);
    }
    fault
}
