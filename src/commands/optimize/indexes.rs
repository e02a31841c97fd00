//! The step that looks at the queries that were asked, and proposes the indexes that help them.
//!
//! Rows lie in the order of series and time, so that every question about some series is answered by one look into
//! each of them. What that does not help are questions about a time without a series, of a table with many: those are
//! what an index is tried for, on the queries themselves, and proposed only where it is measured to help.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;

use super::report::StepReport;
use super::{Step, Work};
use crate::commands::tables::threads;
use crate::engine::{Engine, Options};
use crate::model::Table;
use crate::runs::{RecentQuery, Runs};
use crate::store::{KeepIndex, Snapshot, Store};
use crate::ui::figures;

/// Queries that are looked at: those the log keeps whole.
const QUERIES: u32 = 200;

/// Microseconds below which no query is worth an index, which every writer pays for.
const SLOW_MICROS: u64 = 10_000;

/// Series from which on a look into each is worth sparing.
const MANY_SERIES: usize = 256;

/// Different times that an index is tried with.
const TIMES: usize = 8;

/// How many times as fast the rows must be found.
const LEAST: u32 = 5;

/// Queries that must be in the log before an index that none of them uses is dropped.
const ENOUGH: usize = 20;

/// What was remembered of the newest query that was looked at.
const SEEN: &str = "indexes.seen";

/// The times that were asked of tables without a series.
type Asked = BTreeMap<String, BTreeSet<(i64, i64)>>;

/// Proposes indexes, and makes them where that is asked for.
pub(super) fn run(work: &Work<'_>) -> Result<StepReport> {
    let mut report = StepReport::new(Step::Indexes);
    let runs = Runs::open(work.root);
    // Without a log nothing is known of the queries.
    let Ok(recent) = runs.recent_queries(QUERIES) else { return Ok(report) };
    let newest = recent.iter().map(|query| query.at).max().unwrap_or(0).to_string();
    let seen = runs.get_meta(SEEN).ok().flatten();
    if recent.is_empty() || seen.as_ref() == Some(&newest) && !work.is_named(Step::Indexes) {
        return Ok(report);
    }
    let snapshot = Arc::new(Snapshot::open(work.root, threads())?);
    let indexed: Vec<&Table> = indexed(work, &snapshot)?;
    let asked = asked(&snapshot, &recent, &indexed)?;
    drop(snapshot);
    for table in &work.tables {
        let times = asked.get(&table.name);
        match (indexed.contains(&table), times) {
            (false, Some(times)) => propose(work, &mut report, table, times)?,
            (true, None) if recent.len() >= ENOUGH => drop_unused(work, &mut report, table, recent.len())?,
            _ => {}
        }
    }
    if !work.args.dry_run {
        // What cannot be remembered is looked at again.
        runs.put_meta(SEEN, &newest).ok();
    }
    Ok(report)
}

fn indexed<'w>(work: &'w Work<'_>, snapshot: &Snapshot) -> Result<Vec<&'w Table>> {
    let mut indexed = Vec::new();
    for table in &work.tables {
        if snapshot.has_time_index(&table.name)? {
            indexed.push(table);
        }
    }
    Ok(indexed)
}

/// Returns the times that slow queries asked of tables with many series without saying which, and that any asked of
/// tables that have an index.
fn asked(snapshot: &Arc<Snapshot>, recent: &[RecentQuery], indexed: &[&Table]) -> Result<Asked> {
    let engine = Engine::new(Arc::clone(snapshot), &Options::default())?;
    let mut asked = Asked::new();
    for query in recent {
        let uses_index = |table: &&&Table| query.sql.contains(&table.name);
        if query.micros < SLOW_MICROS && !indexed.iter().any(|table| uses_index(&table)) {
            continue;
        }
        // A query of a table or a file that is gone says nothing any more.
        for scan in engine.scans(&query.sql).unwrap_or_default() {
            let is_bounded = scan.since.is_some() || scan.until.is_some();
            if is_bounded && scan.series.0 == scan.series.1 && scan.series.1 >= MANY_SERIES {
                let until = scan.until.map_or(i64::MAX, |until| until.saturating_sub(1));
                let times = asked.entry(scan.table).or_default();
                if times.len() < TIMES {
                    times.insert((scan.since.unwrap_or(i64::MIN), until));
                }
            }
        }
    }
    Ok(asked)
}

fn propose(
    work: &Work<'_>,
    report: &mut StepReport,
    table: &Table,
    times: &BTreeSet<(i64, i64)>,
) -> Result<()> {
    let ranges: Vec<(i64, i64)> = times.iter().copied().collect();
    let what = format!("an index on the time of {}", table.name);
    if work.args.dry_run {
        let count = figures::count(ranges.len() as u64, "time");
        report.details.push(format!("{what} would be tried: {count} asked without a series"));
        return Ok(());
    }
    let keep = if work.args.how.apply { KeepIndex::Yes } else { KeepIndex::No };
    let mut store = Store::open(work.root)?;
    let trial = store.try_time_index(table, &ranges, (LEAST, keep))?;
    store.close()?;
    if !trial.helps(LEAST) {
        work.context.ui.detail(&format!("{what} was tried and does not help"));
        return Ok(());
    }
    let factor = trial.without.as_secs_f64() / trial.with.as_secs_f64().max(1e-9);
    let took = format!("{} → {}", figures::duration(trial.without), figures::duration(trial.with));
    if trial.is_kept {
        report
            .done
            .push(format!("{what} was made: rows of a time are found {factor:.1} times as fast ({took})"));
    } else {
        report.details.push(format!(
            "{what} would find the rows of a time {factor:.1} times as fast ({took}); \
             `barn optimize --only indexes --apply` makes it"
        ));
    }
    report.details.push(format!("before: {}", trial.plan_without));
    report.details.push(format!("after:  {}", trial.plan_with));
    Ok(())
}

fn drop_unused(work: &Work<'_>, report: &mut StepReport, table: &Table, queries: usize) -> Result<()> {
    let what = format!("the index on the time of {}", table.name);
    let why = format!("none of the last {queries} queries uses it");
    if !work.args.how.apply || work.args.dry_run {
        report
            .details
            .push(format!("{what} could go, {why}; `barn optimize --only indexes --apply` drops it"));
        return Ok(());
    }
    let mut store = Store::open(work.root)?;
    store.drop_time_index(table)?;
    store.close()?;
    report.done.push(format!("{what} was dropped, {why}"));
    Ok(())
}
