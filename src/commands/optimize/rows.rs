//! Whether the rows in the database, and its entries of archived files, are those that barn wrote.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use super::Work;
use super::report::StepReport;
use crate::error::{Failure, Kind};
use crate::model::{Table, Value};
use crate::store::{SeriesEntry, Snapshot, Store};
use crate::ui::figures;

/// Series that are listed.
const LISTED: usize = 20;

/// What was found.
#[derive(Default)]
pub(super) struct Checked {
    /// What is wrong beside rows: some that belong to no series, and the like.
    pub(super) findings: Vec<String>,
    has_new_files: bool,
    /// Tables of which series get a sum, those named here in the place of another one.
    unsummed: Vec<(String, Vec<i64>)>,
}

/// Compares the rows of the database with the sums of their series.
pub(super) fn check(work: &Work<'_>, snapshot: &Snapshot, report: &mut StepReport) -> Result<Checked> {
    let (is_accepted, stop) = (work.args.damage.accept, &*work.context.stop);
    let lines = if is_accepted { &mut report.done } else { &mut report.problems };
    let (mut found, mut differing) = (Checked::default(), 0);
    match snapshot.check_manifest()? {
        Some(findings) => found.findings = findings,
        None => found.has_new_files = true,
    }
    for table in &work.tables {
        let checked = snapshot.check_rows(&table.name, &|| go_on(stop))?;
        found.findings.extend(checked.problems);
        for entry in checked.differing.iter().take(LISTED.saturating_sub(differing)) {
            let name = name(table, entry);
            lines.push(if is_accepted {
                format!("{name}: its rows are taken as they are")
            } else {
                format!("{name}: its rows in 'barn.db' are not those that barn wrote")
            });
        }
        differing += checked.differing.len();
        let accepted = checked.differing.iter().filter(|_| is_accepted).map(|entry| entry.id);
        let accepted: Vec<i64> = accepted.collect();
        if checked.is_unsummed || !accepted.is_empty() {
            found.unsummed.push((table.name.clone(), accepted));
        }
    }
    if let Some(more) = differing.checked_sub(LISTED).filter(|more| *more > 0) {
        lines.push(format!("{} more series likewise", figures::thousands(more as u64)));
    }
    if differing > 0 && !is_accepted {
        report.hint = Some(
            "a bit of the disk changed, or another program wrote there: put 'barn.db' back from a copy, or store these \
             series again; `barn optimize --only verify --accept` then takes their rows as they are"
                .to_owned(),
        );
    }
    Ok(found)
}

impl Checked {
    /// Begins the sums of what has none, and anew those that are accepted; the snapshot is let go of before, since a store
    /// of an earlier barn may change its format.
    pub(super) fn sum(&self, work: &Work<'_>) -> Result<()> {
        if work.args.dry_run || !self.has_new_files && self.unsummed.is_empty() {
            return Ok(());
        }
        let mut store = Store::open(work.root)?;
        if self.has_new_files {
            store.sum_manifest()?;
        }
        for (table, accepted) in &self.unsummed {
            store.sum_rows(table, accepted, &|| go_on(&work.context.stop))?;
        }
        store.close()
    }
}

/// Fails where the user asked to stop.
pub(super) fn go_on(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::SeqCst) {
        return Err(Failure::new("interrupted").kind(Kind::Interrupted).into());
    }
    Ok(())
}

/// Returns the table and the key of a series: `bars source=x symbol=AAPL timeframe=1d`.
fn name(table: &Table, entry: &SeriesEntry) -> String {
    let values = table.key.iter().zip(&entry.key.0).filter(|(_, value)| **value != Value::Null);
    values.fold(table.name.clone(), |name, (column, value)| {
        format!("{name} {}={}", column.name, value.as_ref().shown())
    })
}
