//! The step that brings tables which are made of others up to date.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::report::StepReport;
use super::{Step, Work, files};
use crate::commands::tables::watch;
use crate::rollup::{self, Options, RollupOutcome};
use crate::store::{Retention, Snapshot, read_retention};
use crate::ui::figures;

/// Makes what is not up to date.
pub(super) fn run(work: &Work<'_>) -> Result<StepReport> {
    let mut report = StepReport::new(Step::Rollups);
    let snapshot = Snapshot::open(work.root, 1)?;
    if rollup::pending(&snapshot)? == 0 {
        return Ok(report);
    }
    let options = Options { keep_before: cutoffs(work, &snapshot)? };
    drop(snapshot);
    let outcomes = watch(work.context, |watch| {
        if work.args.dry_run {
            rollup::estimate(work.root, &options, watch)
        } else {
            rollup::refresh(work.root, &options, watch)
        }
    })?;
    for outcome in outcomes {
        match &outcome.error {
            Some(err) => report.problems.push(format!("{}: {err:#}", outcome.name)),
            None => report.done.extend(describe(&outcome, work.args.dry_run)),
        }
    }
    Ok(report)
}

fn describe(outcome: &RollupOutcome, is_dry_run: bool) -> Option<String> {
    if outcome.buckets == 0 && outcome.deleted == 0 {
        return None;
    }
    let buckets = figures::count(outcome.buckets, "bucket");
    let whole = if outcome.is_whole { "all " } else { "" };
    if is_dry_run {
        return Some(format!(
            "{}: {whole}{buckets} of {} series would be made",
            outcome.name, outcome.series
        ));
    }
    Some(format!(
        "{}: {whole}{buckets} of {} series made in {}: {} written, {} deleted",
        outcome.name,
        figures::thousands(outcome.series as u64),
        figures::duration(Duration::from_secs_f64(outcome.seconds)),
        figures::count(outcome.written, "row"),
        figures::thousands(outcome.deleted)
    ))
}

/// Returns for each rollup the time before which rows of its source are dropped: what was made of them stays.
fn cutoffs(work: &Work<'_>, snapshot: &Snapshot) -> Result<BTreeMap<String, i64>> {
    let rules = read_retention(work.root)?;
    let mut cutoffs = BTreeMap::new();
    for (name, rollup) in snapshot.rollups() {
        let rules: Vec<&Retention> = rules.iter().filter(|rule| rule.table == rollup.from()).collect();
        if let Some(before) = files::cutoff(&rules, rollup.text.timeframe.as_deref())? {
            cutoffs.insert(name.clone(), before);
        }
    }
    Ok(cutoffs)
}
