//! Whether the rows in the database, and its entries of archived files, are those that barn wrote.

use anyhow::Result;

use super::Work;
use super::report::StepReport;
use crate::error::go_on;
use crate::model::{Table, Value};
use crate::store::{SeriesEntry, Snapshot, Store};
use crate::ui::figures;

/// Series that are listed.
const LISTED: usize = 20;

/// What was found.
#[derive(Default)]
pub(super) struct CheckedDatabase {
    /// What is wrong beside rows: some that belong to no series, and the like.
    pub(super) damage: Vec<String>,
    /// Whether entries of archived files have no sum yet.
    is_unsummed: bool,
    /// Tables of which series get a sum, those named here in the place of another one.
    tables: Vec<(String, Vec<i64>)>,
    /// What is accepted, in words.
    accepted: Vec<String>,
}

/// Compares the rows of the database with the sums of their series, and the entries of archived files with theirs.
pub(super) fn check(
    work: &Work<'_>,
    snapshot: &Snapshot,
    report: &mut StepReport,
) -> Result<CheckedDatabase> {
    let (is_accepted, stop) = (work.args.damage.accept, &*work.context.stop);
    let mut found = CheckedDatabase::default();
    let (files, is_unsummed) = snapshot.check_manifest()?;
    found.is_unsummed = is_unsummed;
    let files = files.into_iter().map(|path| format!("'{path}', its entry in the manifest"));
    if is_accepted {
        found.accepted.extend(files);
    } else {
        found.damage.extend(files.map(|entry| format!("{entry} is not the one that barn wrote")));
    }
    // Tables that are made of others too, which no other step takes up.
    let is_wanted = |table: &&Table| work.args.table.is_empty() || work.args.table.contains(&table.name);
    let mut differing = Vec::new();
    for table in snapshot.tables().iter().filter(is_wanted) {
        let checked = snapshot.check_rows(&table.name, &|| Ok(go_on(stop)?))?;
        found.damage.extend(checked.damage);
        report.problems.extend(checked.problems);
        differing.extend(checked.differing.iter().map(|entry| name(table, entry)));
        let anew: Vec<i64> = checked.differing.iter().filter(|_| is_accepted).map(|entry| entry.id).collect();
        if checked.is_unsummed || !anew.is_empty() {
            found.tables.push((table.name.clone(), anew));
        }
    }
    if !is_accepted && !differing.is_empty() {
        report.hint = Some(
            "a bit of the disk changed, or another program wrote there: put 'barn.db' back from a copy, or store these \
             series again; `barn optimize --only verify --accept` then takes their rows as they are, and makes rollups \
             anew"
                .to_owned(),
        );
    }
    let more = differing.len().saturating_sub(LISTED);
    let rest = (more > 0).then(|| format!("{} more series", figures::thousands(more as u64)));
    let names = differing.into_iter().take(LISTED).chain(rest);
    if is_accepted {
        found.accepted.extend(names);
        return Ok(found);
    }
    let words = |name| format!("{name}: its rows in 'barn.db' are not those that barn wrote");
    report.problems.extend(names.map(words));
    Ok(found)
}

impl CheckedDatabase {
    /// Begins the sums of what has none, and anew those that are accepted; the snapshot is let go of before, since a
    /// store of an earlier barn may change its format.
    pub(super) fn sum(&self, work: &Work<'_>, report: &mut StepReport) {
        let is_dry_run = work.args.dry_run;
        let summed = if is_dry_run { Ok(()) } else { self.write(work) };
        let taken = if is_dry_run { "would be taken" } else { "taken" };
        match summed {
            Ok(()) => {
                report.done.extend(self.accepted.iter().map(|what| format!("{what}: {taken} as it is")));
            }
            // What was found besides is said too.
            Err(err) => report.problems.push(format!("{err:#}")),
        }
    }

    fn write(&self, work: &Work<'_>) -> Result<()> {
        let has_all = work.args.damage.accept;
        if !self.is_unsummed && !has_all && self.tables.is_empty() {
            return Ok(());
        }
        let mut store = Store::open(work.root)?;
        store.sum_manifest(has_all)?;
        for (table, anew) in &self.tables {
            store.sum_rows(table, anew, &|| Ok(go_on(&work.context.stop)?))?;
        }
        store.close()
    }
}

/// Returns the table and the key of a series: `bars source=x symbol=AAPL timeframe=1d`.
fn name(table: &Table, entry: &SeriesEntry) -> String {
    let values = table.key.iter().zip(&entry.key.0).filter(|(_, value)| **value != Value::Null);
    values.fold(table.name.clone(), |name, (column, value)| {
        format!("{name} {}={}", column.name, value.as_ref().shown())
    })
}
