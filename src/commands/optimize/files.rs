//! The steps that write files of the archive anew: retention and compaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::report::StepReport;
use super::{Step, Work};
use crate::archive::{Dataset, Dropped, Removal, Rewritten, find_orphans, plan_compaction};
use crate::commands::tables::watch;
use crate::decode::moment;
use crate::error::Failure;
use crate::model::time::{MICROS_PER_DAY, format_timestamp, now};
use crate::model::{Table, Value};
use crate::rollup;
use crate::store::{ArchiveFile, Retention, Snapshot, State, Store, read_retention};
use crate::ui::figures;

/// Joins small files, and brings corrections into the archive.
pub(super) fn compact(work: &Work<'_>) -> Result<StepReport> {
    let mut report = StepReport::new(Step::Compact);
    if !work.root.join(crate::archive::FOLDER).exists() {
        return Ok(report);
    }
    if work.args.dry_run {
        plan(work, &mut report)?;
        return Ok(report);
    }
    work.archive(|archiver| {
        for table in &work.tables {
            let done = watch(work.context, |watch| archiver.compact(table, watch))?;
            add(&mut report, table, &done);
        }
        let (files, bytes) = archiver.remove_orphans()?;
        say_orphans(&mut report, (files, bytes), "removed");
        Ok(())
    })?;
    Ok(report)
}

/// Says what [`compact`] would do.
fn plan(work: &Work<'_>, report: &mut StepReport) -> Result<()> {
    for table in &work.tables {
        let clusters = plan_compaction(work.root, table)?;
        let files: usize = clusters.iter().map(Vec::len).sum();
        if files > 0 {
            let bytes: u64 = clusters.iter().flatten().map(|file| file.bytes).sum();
            report.done.push(format!(
                "{}: {} would become {}, {}",
                table.name,
                figures::count(files as u64, "file"),
                clusters.len(),
                figures::bytes(bytes)
            ));
        }
    }
    let orphans = find_orphans(work.root, &Store::open_to_read(work.root)?)?;
    let bytes = orphans.iter().map(|(_, bytes)| bytes).sum();
    say_orphans(report, (orphans.len() as u64, bytes), "would be removed");
    Ok(())
}

fn say_orphans(report: &mut StepReport, (files, bytes): (u64, u64), what: &str) {
    if files > 0 {
        let count = figures::count(files, "file");
        report.done.push(format!("{count} of no table {what}, {}", figures::bytes(bytes)));
    }
}

fn add(report: &mut StepReport, table: &Table, done: &Rewritten) {
    report.count(done);
    if done.is_nothing() {
        return;
    }
    let mut text = format!(
        "{}: {} → {}, {} → {}",
        table.name,
        figures::count(done.files.0, "file"),
        figures::thousands(done.files.1),
        figures::bytes(done.bytes.0),
        figures::bytes(done.bytes.1)
    );
    for (rows, what) in [(done.corrections, "correction"), (done.dropped, "dropped row")] {
        if rows > 0 {
            text.push_str(", ");
            text.push_str(&figures::count(rows, what));
        }
    }
    report.done.push(text);
}

/// Rows of a dataset that a rule lets go.
struct Due {
    dataset: String,
    before: i64,
    /// Rows that go, and all.
    rows: (u64, u64),
}

/// Files up to this size are cut at the day; of a larger one a twentieth must be out before it is written anew.
const CUT_BYTES: u64 = 16 << 20;

/// Drops rows that are older than `barn.toml` says.
pub(super) fn retain(work: &Work<'_>) -> Result<StepReport> {
    let mut report = StepReport::new(Step::Retention);
    let rules = read_retention(work.root)?;
    for table in &work.tables {
        let rules: Vec<&Retention> = rules.iter().filter(|rule| rule.table == table.name).collect();
        if rules.is_empty() {
            continue;
        }
        for due in due(&Snapshot::open(work.root, 1)?, table, &rules)? {
            drop_rows(work, &mut report, table, &due)?;
        }
    }
    Ok(report)
}

fn drop_rows(work: &Work<'_>, report: &mut StepReport, table: &Table, due: &Due) -> Result<()> {
    let name =
        if due.dataset.is_empty() { table.name.clone() } else { format!("{} {}", table.name, due.dataset) };
    let before = format_timestamp(due.before);
    if due.rows.0 == due.rows.1 && !work.args.yes && !work.args.dry_run {
        let rows = figures::count(due.rows.1, "row");
        report.problems.push(format!("{name}: the rule would drop all {rows}, none is newer than {before}"));
        report.hint = Some("`barn optimize --only retention --yes` drops them".to_owned());
        return Ok(());
    }
    if work.args.dry_run {
        report.done.push(format!("{name}: {} before {before} would go", figures::count(due.rows.0, "row")));
        return Ok(());
    }
    let mut waiting = None;
    let removal = |snapshot: &Arc<Snapshot>| -> Result<Removal> {
        // A rollup that could not be made, or was not asked for, still needs them.
        waiting = rollup::waiting(snapshot, &table.name, due.before)?.map(str::to_owned);
        if waiting.is_some() {
            return Ok(Removal::default());
        }
        let rows = Dropped { before: Some(due.before), ..Dropped::default() };
        Ok(Removal { dataset: Some(due.dataset.clone()), rows, state: Some(State::Dropped) })
    };
    let done =
        work.archive(|archiver| watch(work.context, |watch| archiver.remove(table, removal, watch)))?;
    if let Some(rollup) = waiting {
        report.problems.push(format!("{name}: rows before {before} stay until '{rollup}' is made of them"));
        report.hint = Some("`barn optimize --only rollups` makes it".to_owned());
        return Ok(());
    }
    report.count(&done);
    report.done.push(format!("{name}: {} before {before} dropped", figures::count(done.dropped, "row")));
    Ok(())
}

/// Returns the datasets of a table that have rows which a rule lets go.
fn due(snapshot: &Snapshot, table: &Table, rules: &[&Retention]) -> Result<Vec<Due>> {
    let mut datasets: BTreeMap<String, (Option<String>, Vec<i64>)> = BTreeMap::new();
    for entry in snapshot.series(&table.name)? {
        let timeframe = table.key_index("timeframe").and_then(|at| match &entry.key.0[at] {
            Value::Text(text) => Some(text.to_string()),
            _ => None,
        });
        let folder = Dataset::of(table, &entry.key).folder(table);
        datasets.entry(folder).or_insert_with(|| (timeframe, Vec::new())).1.push(entry.id);
    }
    let files = snapshot.files(Some(&table.name))?;
    let mut found = Vec::new();
    for (dataset, (timeframe, series)) in datasets {
        let Some(before) = cutoff(rules, timeframe.as_deref())? else { continue };
        let files = || files.iter().filter(|file| file.dataset == dataset);
        let archived: u64 = files().map(|file| out(file, before)).sum();
        if archived == 0 && !is_due(snapshot, table, &series, before)? {
            continue;
        }
        let rows = snapshot.count_before(table, &series, before)?;
        let all = rows.1 + files().map(|file| file.rows).sum::<u64>();
        found.push(Due { dataset, before, rows: (rows.0 + archived, all) });
    }
    Ok(found)
}

/// Returns whether a series has a row in the database that goes.
fn is_due(snapshot: &Snapshot, table: &Table, series: &[i64], before: i64) -> Result<bool> {
    for series in series {
        if snapshot.extent(&table.name, *series)?.is_some_and(|(first, _)| first < before) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns about how many rows of a file go; none where it is large and most of it stays.
fn out(file: &ArchiveFile, before: i64) -> u64 {
    if file.ts_max < before {
        return file.rows;
    }
    let (old, span) =
        (before.saturating_sub(file.ts_min).max(0), file.ts_max.saturating_sub(file.ts_min).max(1));
    if old == 0 || (file.bytes > CUT_BYTES && old < span / 20) {
        return 0;
    }
    let share = i128::from(file.rows) * i128::from(old) / i128::from(span);
    u64::try_from(share).unwrap_or(0).clamp(1, file.rows.saturating_sub(1).max(1))
}

/// Returns the time before which the rows of a timeframe go.
pub(super) fn cutoff(rules: &[&Retention], timeframe: Option<&str>) -> Result<Option<i64>> {
    let named = rules.iter().find(|rule| rule.timeframe.is_some() && rule.timeframe.as_deref() == timeframe);
    let Some(rule) = named.or_else(|| rules.iter().find(|rule| rule.timeframe.is_none())) else {
        return Ok(None);
    };
    let before = moment(&format!("-{}", rule.keep), now()).with_context(|| {
        Failure::usage(format!("cannot keep rows of table '{}' for '{}'", rule.table, rule.keep))
            .hint("a number and a unit, such as 90d, 6mo or 2y")
    })?;
    // A rule in days is about days: a second run on the same day has nothing to do.
    let is_of_days = now().saturating_sub(before) >= 2 * MICROS_PER_DAY;
    Ok(Some(if is_of_days { before - before.rem_euclid(MICROS_PER_DAY) } else { before }))
}
