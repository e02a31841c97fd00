//! Keeps rollups up to date: only buckets whose source changed are aggregated again.
//!
//! A rollup has one row for each series and bucket of its source that has a row there, as
//! `SELECT …, time_bucket(every, ts), … GROUP BY …` over the source gives it when it is made. Writers note what they
//! change (see `store`), a refresh expands these spans to whole buckets and replaces exactly those. Aggregates that
//! do not hang on the order of rows (first, last, min, max, count, sums of whole numbers below 2^53) equal the
//! direct query bit for bit; sums of fractions are added in an order that the engine chooses, here as there, and may
//! differ in their last digit. NaN is stored as null and −0.0 as 0.0, as everywhere.
//!
//! **What a reader sees.** A refresh of up to [`MAX_OPEN`] buckets is one transaction. A larger one, such as the
//! first of a long history, is several: a reader meanwhile sees some buckets made anew and others not. What was seen
//! of the changes is recorded in the last one, so a refresh that dies is done again and ends with the same rows. A
//! rollup whose definition changed is emptied first; one whose source gained a column, or has doubles where it had
//! whole numbers, is made whole over its old rows, so that buckets before [`Options::keep_before`] stay.

mod make;
mod plan;
mod rules;
mod work;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::archive::{Watch, open_store};
use crate::engine::{Engine, Options as EngineOptions};
use crate::error::{Failure, go_on};
use crate::fs::{self, Locking};
use crate::model::Rollup;
use crate::store::{MadeRollup, Snapshot, Store};
use make::Maker;
use plan::Plan;
use work::{Source, Work};

/// The names of the points at which tests end the process, in their order.
pub const KILL_POINTS: &[&str] = &["rollup.started", "rollup.answered", "rollup.committed"];

/// Buckets that are made before they are written: some 100 bytes each.
pub const MAX_OPEN: u64 = 200_000;

/// The lock that the process which makes rollups holds.
const LOCK: &str = ".rollup.lock";

/// What a refresh leaves alone.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// For a rollup the time before which the rows it is made of go on purpose: buckets that start earlier keep their
    /// rows, and those that have none yet are made of what is still there.
    pub keep_before: BTreeMap<String, i64>,
}

/// What became of a rollup.
#[derive(Debug, Default)]
pub struct RollupOutcome {
    /// Its name.
    pub name: String,
    /// Whether all buckets were made, because it is new, or its definition or its columns changed.
    pub is_whole: bool,
    /// Buckets that were aggregated; where nothing is written, how many would be at most.
    pub buckets: u64,
    /// Rows that were inserted or changed.
    pub written: u64,
    /// Rows that were deleted, because their bucket has no rows any more.
    pub deleted: u64,
    /// The series with such buckets.
    pub series: usize,
    /// The time it took.
    pub seconds: f64,
    /// Why it was not made; its old rows stay.
    pub error: Option<anyhow::Error>,
}

/// Returns how many rollups are not up to date, or no longer declared and still noted for.
///
/// A rollup that is made of one of these counts too. This looks at no rows.
pub fn pending(snapshot: &Snapshot) -> Result<usize> {
    let declared = snapshot.rollups();
    let mut stale: Vec<&str> = Vec::new();
    for rollup in Rollup::in_order(declared)? {
        if stale.contains(&rollup.from()) || seen(snapshot, rollup)?.is_none() {
            stale.push(&rollup.name);
        }
    }
    let gone = snapshot.made_rollups().iter();
    let gone = gone.filter(|(name, made)| !declared.contains_key(*name) && !made.is_retired()).count();
    Ok(stale.len() + gone)
}

/// Returns a rollup that has not taken yet what it needs of the rows of a table before a time; these must stay.
pub fn waiting<'s>(snapshot: &'s Snapshot, table: &str, before: i64) -> Result<Option<&'s str>> {
    for rollup in snapshot.rollups().values().filter(|rollup| rollup.from() == table) {
        let made = snapshot.made_rollups().get(&rollup.name);
        let made = made.filter(|made| made.from == table && made.definition == rollup.definition());
        let is_waiting = match made.and_then(MadeRollup::seen) {
            Some(seen) => snapshot.changes(table, seen)?.iter().any(|change| change.span.start < before),
            None => true,
        };
        if is_waiting {
            return Ok(Some(&rollup.name));
        }
    }
    Ok(None)
}

/// Returns the last change that went into a rollup which is up to date.
fn seen(snapshot: &Snapshot, rollup: &Rollup) -> Result<Option<i64>> {
    let Some(made) = snapshot.made_rollups().get(&rollup.name) else { return Ok(None) };
    match made.seen() {
        Some(seen)
            if made.definition == rollup.definition() && !snapshot.has_changes(&made.from, seen)? =>
        {
            Ok(Some(seen))
        }
        _ => Ok(None),
    }
}

/// Brings all rollups of the store at `root` up to date, those first that others are made of.
///
/// Returns what became of those that were not; one that fails does not keep others from being made. What others
/// write meanwhile is left to the next refresh. Fails where another process makes rollups of the same store.
pub fn refresh(root: &Path, options: &Options, watch: Watch<'_>) -> Result<Vec<RollupOutcome>> {
    let snapshot = Snapshot::open(root, 1)?;
    if pending(&snapshot)? == 0 {
        return Ok(Vec::new());
    }
    drop(snapshot);
    let Some(_lock) = fs::lock(&root.join(LOCK), Locking::Try)? else {
        bail!(Failure::new(format!(
            "cannot make rollups of store '{}': another process is doing it",
            root.display()
        )));
    };
    let mut store = open_store(root)?;
    store.begin()?;
    store.retire_rollups()?;
    store.commit()?;
    // Not those of the first look: `barn.toml` may have changed since.
    let declared = Snapshot::open(root, 1)?.rollups().clone();
    let mut outcomes = Vec::new();
    for rollup in Rollup::in_order(&declared)? {
        let mut refresh = Refresh { root, store: &mut store, options, watch };
        outcomes.extend(each(rollup, watch, |outcome| refresh.make(rollup, outcome))?);
    }
    store.close()?;
    Ok(outcomes)
}

/// Says what [`refresh`] would do, and changes nothing.
///
/// What a rollup would have to follow of another one that is made of the same changes is not known before.
pub fn estimate(root: &Path, options: &Options, watch: Watch<'_>) -> Result<Vec<RollupOutcome>> {
    let declared = Snapshot::open(root, 1)?.rollups().clone();
    let mut outcomes = Vec::new();
    for rollup in Rollup::in_order(&declared)? {
        outcomes.extend(each(rollup, watch, |outcome| {
            let Some((plan, source)) = prepare(root, rollup, options)? else { return Ok(false) };
            let is_whole = is_whole(&source.snapshot, &plan);
            let work = Work::find(&source, &plan, is_whole)?;
            (outcome.is_whole, outcome.buckets) = (work.is_whole, work.buckets(&plan));
            outcome.series = work.series.len();
            Ok(true)
        })?);
    }
    Ok(outcomes)
}

/// Runs the work for a rollup; nothing comes of one that is up to date.
fn each(
    rollup: &Rollup,
    watch: Watch<'_>,
    work: impl FnOnce(&mut RollupOutcome) -> Result<bool>,
) -> Result<Option<RollupOutcome>> {
    go_on(watch.stop)?;
    let started = Instant::now();
    let mut outcome = RollupOutcome { name: rollup.name.clone(), ..RollupOutcome::default() };
    match work(&mut outcome) {
        Ok(false) => return Ok(None),
        Ok(true) => {}
        Err(err) => {
            go_on(watch.stop)?;
            outcome.error = Some(err.context(format!("cannot make rollup '{}'", rollup.name)));
        }
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    Ok(Some(outcome))
}

/// Looks at a rollup and its source; nothing comes of one that is up to date.
fn prepare<'r>(root: &Path, rollup: &'r Rollup, options: &Options) -> Result<Option<(Plan<'r>, Source)>> {
    let snapshot = Arc::new(Snapshot::open(root, threads())?);
    if seen(&snapshot, rollup)?.is_some() {
        return Ok(None);
    }
    let engine = Engine::new(Arc::clone(&snapshot), &EngineOptions::default())?;
    let plan = Plan::new(&engine, &snapshot, rollup)?;
    let keep_before = options.keep_before.get(&rollup.name).copied();
    Ok(Some((plan, Source { snapshot, engine, keep_before })))
}

/// Returns whether all buckets have to be made.
fn is_whole(snapshot: &Snapshot, plan: &Plan<'_>) -> bool {
    let made = snapshot.made_rollups().get(&plan.rollup.name);
    let table = snapshot.tables().iter().find(|table| table.name == plan.rollup.name);
    let is_same = made.is_some_and(|made| {
        made.definition == plan.rollup.definition() && made.seen().is_some() && table == Some(&plan.table)
    });
    !is_same
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A refresh on its way.
struct Refresh<'a> {
    root: &'a Path,
    store: &'a mut Store,
    options: &'a Options,
    watch: Watch<'a>,
}

impl Refresh<'_> {
    /// Makes a rollup, unless it is up to date.
    fn make(&mut self, rollup: &Rollup, outcome: &mut RollupOutcome) -> Result<bool> {
        let Some((mut plan, mut source)) = prepare(self.root, rollup, self.options)? else {
            return Ok(false);
        };
        let is_whole = is_whole(&source.snapshot, &plan);
        if is_whole {
            self.start(&plan)?;
            fs::fault::point("rollup.started");
            // What was written before the rollup was entered is not noted, so the look at it comes after.
            let Some(again) = prepare(self.root, rollup, self.options)? else { return Ok(false) };
            if again.0.table != plan.table {
                bail!("another process changed the columns of '{}' meanwhile", rollup.from());
            }
            (plan, source) = again;
        }
        let last = source.snapshot.last_change()?;
        let work = Work::find(&source, &plan, is_whole)?;
        (outcome.is_whole, outcome.series) = (work.is_whole, work.series.len());
        let seen = source.snapshot.made_rollups().get(&rollup.name).and_then(MadeRollup::seen);
        let last = last.max(seen.unwrap_or(0));
        Maker { store: self.store, source: &source, plan: &plan, work: &work, watch: self.watch, outcome }
            .run(last)?;
        Ok(true)
    }

    fn start(&mut self, plan: &Plan<'_>) -> Result<()> {
        self.store.begin()?;
        match self.store.start_rollup(plan.rollup, &plan.table) {
            Ok(()) => self.store.commit(),
            Err(err) => {
                self.store.rollback()?;
                Err(err)
            }
        }
    }
}
