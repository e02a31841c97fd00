//! Rounds of a fetch: one, or one after the other by the clock; what a source does not give, its fallbacks may.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Asked;
use super::report::Told;
use crate::cli::Context;
use crate::error::{Failure, Kind};
use crate::fetch::{Fetcher, Outcome, Plan, Requests, Round, Setup, Shared, Stats, Wanted};
use crate::model::time::{format_timestamp, now};
use crate::source::{self, Choice};
use crate::store::Store;
use crate::ui::{Progress, figures};

/// What every round has in common.
pub(super) struct Rounds<'a> {
    pub(super) context: &'a Context,
    pub(super) fetcher: &'a Fetcher<'a>,
    pub(super) shared: &'a Shared,
    pub(super) setup: &'a Setup,
    pub(super) asked: &'a Asked,
}

impl Rounds<'_> {
    /// Fetches once.
    pub(super) fn once(&self, store: &mut Store) -> Result<Option<Kind>> {
        self.finish(self.round(store)?)
    }

    fn finish(&self, told: Told) -> Result<Option<Kind>> {
        told.count(&self.context.metrics);
        told.finish(self.context, self.asked)
    }

    /// Fetches at every multiple of a span of the clock until asked to stop. A round that fails is told, and the
    /// next one comes.
    pub(super) fn every(&self, store: &mut Store, every: Duration) -> Result<Option<Kind>> {
        let step = i64::try_from(every.as_micros()).unwrap_or(i64::MAX);
        loop {
            self.context.metrics.restart();
            let result = self.round(store).and_then(|told| self.finish(told));
            // Each round is a run of its own: the command may go on for months.
            self.context.record(&result);
            if self.context.is_stopped() {
                self.context.metrics.cancel();
                return Ok(None);
            }
            if let Err(err) = result {
                self.context.ui.error(&err);
            }
            // A round that took longer has missed its turns; they are not made up for.
            let next = now().div_euclid(step).saturating_add(1).saturating_mul(step);
            self.context.ui.detail(&format!("next round at {}", format_timestamp(next)));
            while now() < next {
                if self.context.is_stopped() {
                    return Ok(None);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    fn round(&self, store: &mut Store) -> Result<Told> {
        let started = Instant::now();
        let stats = Stats::default();
        self.context.metrics.add(|figures| figures.workers = self.fetcher.jobs() as u64);
        let mut round = self.run(self.fetcher, store, &self.asked.wanted, &stats)?;
        let mut sources = vec![self.fetcher.dataset().source.clone(); round.symbols.len()];
        for name in &self.fetcher.dataset().fallback {
            if self.context.is_stopped() {
                break;
            }
            self.fall_back(store, name, (&mut round, &mut sources), &stats)?;
        }
        Ok(Told::new(self.fetcher, round, sources, stats, started.elapsed()))
    }

    fn run(&self, fetcher: &Fetcher<'_>, store: &mut Store, wanted: &Wanted, stats: &Stats) -> Result<Round> {
        let plan = Plan::new(store, fetcher.dataset(), wanted, now())?;
        self.tell_unavailable(fetcher, &plan);
        let requests = if self.context.report_path().is_some() { Requests::Keep } else { Requests::Forget };
        let source = &fetcher.dataset().source;
        let (stop, ui) = (&self.context.stop, self.context.ui);
        let is_told = AtomicBool::new(false);
        let tell = |line: &Progress| {
            if !stop.load(Ordering::Relaxed) {
                let (done, total) = (Stats::get(&stats.done), Stats::get(&stats.total));
                line.tell(done, total, |elapsed| progress(source, plan.targets.len(), stats, elapsed));
            } else if !is_told.swap(true, Ordering::Relaxed) {
                line.finish();
                ui.note("waiting for the requests under way, Ctrl-C again ends at once");
            }
        };
        ui.progress().watch(tell, || fetcher.run(store, &plan, stats, (&self.context.stop, requests)))
    }

    /// Says what is not asked, as the provider does not keep it; once, as the ledger knows it from then on.
    fn tell_unavailable(&self, fetcher: &Fetcher<'_>, plan: &Plan) {
        let Some(from) = fetcher.dataset().available_from(now()).filter(|_| !plan.unavailable.is_empty())
        else {
            return;
        };
        let mut symbols: Vec<&str> = plan.unavailable.iter().map(|(key, _)| key.symbol.as_str()).collect();
        symbols.dedup();
        let count = figures::count(symbols.len() as u64, "symbol");
        let (source, from) = (&fetcher.dataset().source, format_timestamp(from));
        self.context.ui.warning(&format!(
            "'{source}' keeps nothing before {from}: what {count} lack there is not asked"
        ));
    }

    /// Asks another source for the symbols that failed; their rows carry its name.
    fn fall_back(
        &self,
        store: &mut Store,
        name: &str,
        known: (&mut Round, &mut [String]),
        stats: &Stats,
    ) -> Result<()> {
        let (round, sources) = known;
        let failed: Vec<usize> = (0..round.symbols.len())
            .filter(|&at| round.symbols.get(at).is_some_and(|symbol| symbol.outcome == Outcome::Failed))
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        // Options are the first source's own.
        let choice = Choice { options: std::collections::BTreeMap::new(), ..self.asked.choice.clone() };
        // One that cannot be asked takes nothing from what the others brought.
        let load = || -> Result<_> {
            let definition = source::load(name)?;
            let dataset = definition.dataset(&choice)?;
            Ok((definition, dataset))
        };
        let cannot = |err: &anyhow::Error| {
            self.context.ui.warning(&format!("cannot fall back to '{name}': {err:#}"));
        };
        let (definition, dataset) = match load() {
            Ok(loaded) => loaded,
            Err(err) => {
                cannot(&err);
                return Ok(());
            }
        };
        let fetcher = match Fetcher::new(&dataset, &definition.secrets(), store, self.shared, self.setup) {
            Ok(fetcher) => fetcher,
            Err(err) => {
                cannot(&err);
                return Ok(());
            }
        };
        let symbols = failed.iter().filter_map(|&at| round.symbols.get(at)).map(|symbol| symbol.name.clone());
        let wanted = Wanted { symbols: symbols.collect(), ..self.asked.wanted.clone() };
        let mut other = self.run(&fetcher, store, &wanted, stats)?;
        round.counts += other.counts;
        round.requests.append(&mut other.requests);
        for end in other.symbols.into_iter().filter(|end| end.outcome != Outcome::Failed) {
            if let Some(at) = round.symbols.iter().position(|symbol| symbol.name == end.name) {
                round.symbols[at] = end;
                sources[at].clone_from(&dataset.source);
            }
        }
        Ok(())
    }
}

/// The words of the progress line.
fn progress(source: &str, symbols: usize, stats: &Stats, elapsed: Duration) -> String {
    let rows = Stats::get(&stats.rows);
    let (done, total) = (Stats::get(&stats.done), Stats::get(&stats.total));
    let mut words = vec![
        source.to_owned(),
        figures::count(symbols as u64, "symbol"),
        figures::count(Stats::get(&stats.requests), "request"),
        figures::count(rows, "row"),
        figures::rate(rows, elapsed),
    ];
    let hits = Stats::get(&stats.memory_hits) + Stats::get(&stats.disk_hits);
    if hits > 0 {
        words.push(format!("{} cached", figures::thousands(hits)));
    }
    let waited = Duration::from_micros(Stats::get(&stats.waited_micros));
    if waited > Duration::from_millis(100) {
        words.push(format!("{} waited", figures::duration(waited)));
    }
    if done > 0 && total > done {
        let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let left = elapsed.mul_f64(number(total - done) / number(done));
        words.push(format!("{} left", figures::duration(left)));
    }
    words.join("  ")
}

/// The error of a fetch that the user stopped.
pub(super) fn interrupted(done: u64, total: u64) -> anyhow::Error {
    Failure::new(format!("interrupted: {done} of {total} windows are done, the same command again goes on"))
        .kind(Kind::Interrupted)
        .into()
}
