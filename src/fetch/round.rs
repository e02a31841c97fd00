//! One round: a plan is worked off, and what became of each symbol is told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::Fetcher;
use super::ask::Asker;
use super::plan::Plan;
use super::stats::{Contact, Stats};
use super::work::{End, Ended, Sent, Worker};
use super::writer::{Part, Writer, Written};
use crate::cache::Tier;
use crate::model::time::{format_timestamp, now};
use crate::model::{Counts, Span};
use crate::source::{Class, Fault};
use crate::store::{Coverage, State, Store};

/// Faults of the key, one after the other and none of another kind between, after which asking on is impolite.
const MAX_AUTH_FAULTS: usize = 5;

/// Requests that a report lists.
const MAX_REQUESTS: usize = 200_000;

/// Whether single requests are remembered for a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requests {
    /// They are not.
    Forget,
    /// They are.
    Keep,
}

/// What became of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Its rows are stored.
    Stored,
    /// The provider has none in the range.
    Empty,
    /// Nothing was missing.
    Covered,
    /// The provider does not have the range.
    Unavailable,
    /// Some of it could not be fetched.
    Failed,
    /// The user stopped before it was done.
    Unfinished,
}

/// What became of a symbol.
#[derive(Clone, Debug)]
pub struct SymbolEnd {
    /// As the user wrote it.
    pub name: String,
    /// As the provider writes it.
    pub symbol: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed, or why it is not whole.
    pub fault: Option<Fault>,
    /// What became of its rows.
    pub counts: Counts,
    /// Windows that were asked.
    pub windows: u64,
    /// Windows that failed.
    pub failed: u64,
}

/// A request, as a report tells it.
#[derive(Clone, Debug, Serialize)]
pub struct RequestReport {
    symbol: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    status: u16,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    latency_ms: f64,
    waited_ms: f64,
    retries: u32,
    cache: &'static str,
    rows: u64,
}

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Round {
    /// The symbols, in the order of the plan.
    pub symbols: Vec<SymbolEnd>,
    /// The requests, as far as they are kept.
    pub requests: Vec<RequestReport>,
    /// What became of all rows.
    pub counts: Counts,
}

/// What the workers of a round share.
struct Tally<'a> {
    plan: &'a Plan,
    requests: Requests,
    /// Where the counters stood when the round began; the sources before it share them.
    before: Contact,
    state: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// The next window.
    next: usize,
    by_target: BTreeMap<usize, TargetTally>,
    requests: Vec<RequestReport>,
    /// Why no more is asked.
    halted: Option<Fault>,
    auth_faults: usize,
}

#[derive(Default)]
struct TargetTally {
    rows: u64,
    done: u64,
    failed: u64,
    unavailable: u64,
    fault: Option<Fault>,
    /// The provider's words on what it does not have.
    refused: Option<Fault>,
}

impl Fetcher<'_> {
    /// Works off a plan; what was stored stays, whatever comes later.
    ///
    /// Fails only where the store cannot be written: what a provider does is told by the symbols.
    pub fn run(
        &self,
        store: &mut Store,
        plan: &Plan,
        stats: &Stats,
        watch: (&AtomicBool, Requests),
    ) -> Result<Round> {
        let (stop, requests) = watch;
        note(store, plan)?;
        stats.total.fetch_add(plan.tasks.len() as u64, Ordering::Relaxed);
        let tally = Tally { plan, requests, before: stats.contact(), state: Mutex::default() };
        let written = Written::default();
        if !plan.tasks.is_empty() {
            self.work(store, &tally, &written, (stats, stop))?;
        }
        Ok(tally.finish(written, stop.load(Ordering::SeqCst)))
    }

    fn work(
        &self,
        store: &mut Store,
        tally: &Tally<'_>,
        written: &Written,
        watch: (&Stats, &AtomicBool),
    ) -> Result<()> {
        let (stats, stop) = watch;
        // A writer that fails ends the workers, though nobody asked to stop.
        let broken = AtomicBool::new(false);
        let asker = self.asker(stats, stop);
        self.steps.begin_round(&self.dataset.steps);
        let worker = Worker {
            asker: &asker,
            steps: &self.steps,
            plan: tally.plan,
            decoders: &self.decoders,
            given: &self.given,
            every: self.every,
        };
        let (out, parts) = sync_channel(self.jobs * 2);
        let writer = Writer::new(store, &self.tables, self.dataset.on_conflict, written);
        std::thread::scope(|scope| {
            let writing = scope.spawn({
                let broken = &broken;
                move || writer.run(&parts, broken)
            });
            self.pool.scope(|scope| {
                for _ in 0..self.jobs.min(tally.plan.tasks.len()) {
                    let out = out.clone();
                    scope.spawn({
                        let (worker, broken) = (&worker, &broken);
                        move |_| tally.work(worker, &out, broken)
                    });
                }
            });
            drop(out);
            writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn asker<'s>(&'s self, stats: &'s Stats, stop: &'s AtomicBool) -> Asker<'s> {
        Asker {
            dataset: self.dataset,
            wire: &self.wire,
            cache: &self.shared.cache,
            limits: &self.shared.limits,
            secrets: &self.secrets,
            secret_params: &self.secret_params,
            mode: self.mode,
            gate: &self.gate,
            jar: &self.jar,
            stats,
            stop,
        }
    }
}

impl Tally<'_> {
    /// Takes windows and works on them until none is left.
    fn work(&self, worker: &Worker<'_>, out: &SyncSender<Part>, broken: &AtomicBool) {
        let stats = worker.asker.stats;
        loop {
            if worker.asker.stop.load(Ordering::SeqCst) || broken.load(Ordering::SeqCst) {
                return;
            }
            let Some(at) = self.next() else { return };
            let ended = worker.run(at, &self.plan.tasks[at], out);
            if !worker.asker.stop.load(Ordering::SeqCst) || !matches!(ended.end, End::Failed(_)) {
                self.add(at, &ended, stats.contact());
                stats.done.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<usize> {
        let mut state = self.lock();
        let at = state.next;
        if at >= self.plan.tasks.len() || state.halted.is_some() {
            return None;
        }
        state.next += 1;
        Some(at)
    }

    fn add(&self, at: usize, ended: &Ended, contact: Contact) {
        let task = &self.plan.tasks[at];
        let mut state = self.lock();
        if self.requests == Requests::Keep && state.requests.len() < MAX_REQUESTS {
            let symbols = task.targets.iter().filter_map(|&at| self.plan.targets.get(at));
            let symbol = symbols.map(|target| target.name.as_str()).collect::<Vec<_>>().join(",");
            state.requests.extend(ended.sent.iter().map(|sent| sent.report(&symbol, task.window)));
        }
        if let End::Failed(fault) = &ended.end {
            match fault.class {
                Class::Banned | Class::Quota => state.halted = Some(fault.clone()),
                // What nobody answered to, however often it was asked, the other windows need not try too.
                Class::Network if contact.is_silent_since(self.before) => state.halted = Some(fault.clone()),
                Class::Auth => state.auth_faults += 1,
                _ => state.auth_faults = 0,
            }
            if state.auth_faults >= MAX_AUTH_FAULTS {
                state.halted = Some(fault.clone());
            }
        } else {
            state.auth_faults = 0;
        }
        for (at, target) in task.targets.iter().enumerate() {
            let tally = state.by_target.entry(*target).or_default();
            tally.done += 1;
            match &ended.end {
                End::Rows(rows) => tally.rows += rows.get(at).copied().unwrap_or(0),
                End::Unavailable(fault) => {
                    tally.unavailable += 1;
                    tally.refused.get_or_insert_with(|| fault.clone());
                }
                End::Failed(fault) => {
                    tally.failed += 1;
                    tally.fault.get_or_insert_with(|| fault.clone());
                }
            }
        }
    }

    fn finish(self, written: Written, is_stopped: bool) -> Round {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut counts = written.by_target();
        let mut refused = written.refused.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut windows: BTreeMap<usize, u64> = BTreeMap::new();
        for target in self.plan.tasks.iter().flat_map(|task| &task.targets) {
            *windows.entry(*target).or_default() += 1;
        }
        let mut round = Round { requests: std::mem::take(&mut state.requests), ..Round::default() };
        for (at, target) in self.plan.targets.iter().enumerate() {
            let windows = windows.get(&at).copied().unwrap_or(0);
            let mut tally = state.by_target.remove(&at).unwrap_or_default();
            if let Some(halted) = state.halted.as_ref().filter(|_| tally.done < windows) {
                tally.fault.get_or_insert_with(|| halted.clone());
                tally.failed += windows - tally.done;
                tally.done = windows;
            }
            if let Some(message) = refused.remove(&at) {
                tally.fault.get_or_insert(Fault { class: Class::Format, message });
                tally.failed += 1;
            }
            let counts = counts.remove(&at).unwrap_or_default();
            round.counts += counts;
            let outcome = match (&tally, windows) {
                (TargetTally { fault: Some(_), .. }, _) => Outcome::Failed,
                (TargetTally { done, .. }, windows) if *done < windows && is_stopped => Outcome::Unfinished,
                (_, 0) => Outcome::Covered,
                (TargetTally { rows: 1.., .. }, _) => Outcome::Stored,
                (TargetTally { unavailable: 1.., .. }, _) => Outcome::Unavailable,
                _ => Outcome::Empty,
            };
            round.symbols.push(SymbolEnd {
                name: target.name.clone(),
                symbol: target.symbol.clone(),
                outcome,
                fault: tally.fault.or(tally.refused),
                counts,
                windows,
                failed: tally.failed,
            });
        }
        round
    }
}

/// Writes down what is wanted, and what the provider keeps no longer, before anything is asked.
fn note(store: &mut Store, plan: &Plan) -> Result<()> {
    if plan.unavailable.is_empty() && plan.wanted.is_empty() {
        return Ok(());
    }
    store.begin()?;
    let written = write_note(store, plan).and_then(|()| store.commit());
    if written.is_err() {
        // The next round begins a transaction of its own.
        store.rollback().ok();
    }
    written
}

fn write_note(store: &mut Store, plan: &Plan) -> Result<()> {
    for (key, spans) in &plan.wanted {
        store.want(key, spans)?;
    }
    for (key, span) in &plan.unavailable {
        let coverage = Coverage { span: *span, state: State::Unavailable, rows: 0, fetched_at: now() };
        store.cover(key, &coverage)?;
    }
    Ok(())
}

impl Sent {
    fn report(&self, symbol: &str, window: Option<Span>) -> RequestReport {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1_000.0;
        let outcome = match &self.fault {
            Some(fault) => fault.class.as_str(),
            None if self.rows > 0 => "rows",
            None => "empty",
        };
        RequestReport {
            symbol: symbol.to_owned(),
            url: self.url.clone(),
            since: window.map(|window| format_timestamp(window.start)),
            until: window.map(|window| format_timestamp(window.stop)),
            status: self.story.status,
            outcome: outcome.to_owned(),
            message: self.fault.as_ref().map(|fault| fault.message.clone()),
            latency_ms: milliseconds(self.story.latency),
            waited_ms: milliseconds(self.story.waited),
            retries: self.story.retries,
            cache: match self.tier {
                Some(Tier::Memory) => "memory",
                Some(Tier::Disk) => "disk",
                None if self.story.revalidated => "revalidated",
                None => "miss",
            },
            rows: self.rows,
        }
    }
}
