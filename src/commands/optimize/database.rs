//! The steps about `barn.db` itself: statistics, free pages, the journal.

use anyhow::Result;

use super::report::StepReport;
use super::{Step, Work, verify};
use crate::runs::Runs;
use crate::store::{Snapshot, Store, Vacuumed};
use crate::ui::figures;

/// What is remembered of the state that needs no vacuum.
const SEEN: &str = "vacuum.seen";

/// Refreshes the statistics; SQLite knows whether they are out of date.
pub(super) fn statistics(work: &Work<'_>) -> Result<StepReport> {
    if !work.args.dry_run {
        let store = Store::open(work.root)?;
        store.refresh_statistics()?;
        store.close()?;
    }
    Ok(StepReport::new(Step::Stats))
}

/// Gives free pages back.
pub(super) fn vacuum(work: &Work<'_>) -> Result<StepReport> {
    let mut report = StepReport::new(Step::Vacuum);
    let runs = Runs::open(work.root);
    let version = Snapshot::open(work.root, 1)?.version().map(verify::hex);
    let seen = runs.get_meta(SEEN).ok().flatten();
    if !work.is_named(Step::Vacuum) && version.is_some() && seen == version {
        return Ok(report);
    }
    let open = if work.args.dry_run { Store::open_to_read } else { Store::open };
    let mut store = open(work.root)?;
    let (before, free) = store.database_bytes()?;
    (report.bytes_before, report.bytes_after) = (before, before);
    if work.args.dry_run {
        if store.wants_vacuum()? {
            let (free, all) = (figures::bytes(free), figures::bytes(before));
            report
                .done
                .push(format!("'barn.db' would be written anew: {free} of {all} are free, others loose"));
        }
        return Ok(report);
    }
    match store.vacuum()? {
        Vacuumed::NotWorth => remember(&runs, version.as_deref()),
        Vacuumed::Done => {
            remember(&runs, version.as_deref());
            report.bytes_after = store.database_bytes()?.0;
            report.done.push(format!(
                "'barn.db': {} → {}",
                figures::bytes(before),
                figures::bytes(report.bytes_after)
            ));
        }
        Vacuumed::Busy => {
            work.context.ui.note("vacuum: somebody else uses the database; the next run tries again");
        }
        Vacuumed::NoSpace(needed, left) => report.problems.push(format!(
            "a vacuum needs {} on the disk, {} are left",
            figures::bytes(needed),
            figures::bytes(left)
        )),
    }
    store.close()?;
    Ok(report)
}

/// Remembers the state that needs no vacuum; where that fails, it is looked at again.
fn remember(runs: &Runs, version: Option<&str>) {
    if let Some(version) = version {
        runs.put_meta(SEEN, version).ok();
    }
}

/// Brings the journal in.
pub(super) fn checkpoint(work: &Work<'_>) -> Result<StepReport> {
    let report = StepReport::new(Step::Checkpoint);
    if !work.args.dry_run && !Store::open(work.root)?.checkpoint()? {
        work.context.ui.note("checkpoint: a reader still needs the journal; the next run tries again");
    }
    Ok(report)
}
