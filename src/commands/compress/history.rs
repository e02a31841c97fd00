//! `barn compress` of the store: history out of SQLite into Parquet.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::HistoryOptions;
use super::columns::{ColumnReport, lines};
use crate::archive::{Archiver, Choice, DatasetOutcome, Options, TableOutcome, estimate};
use crate::cli::Context;
use crate::commands::tables::{chosen, threads, watch};
use crate::error::Kind;
use crate::model::Table;
use crate::model::time::{MICROS_PER_DAY, format_timestamp, now};
use crate::store::{Snapshot, Store, Vacuumed};
use crate::ui::figures;

/// Days that stay hot where nothing is said.
const DEFAULT_DAYS: i64 = 30;

/// Bytes that a table without rows takes in the database: a page for its rows, one for its series and one for their
/// index.
const EMPTY_BYTES: u64 = 3 * 4_096;

/// What the command did.
#[derive(Default, serde::Serialize)]
struct Report {
    command: &'static str,
    dry_run: bool,
    /// Rows from this time on stayed.
    until: Option<String>,
    rows: u64,
    bytes_before: u64,
    bytes_after: u64,
    seconds: f64,
    tables: Vec<TableReport>,
}

#[derive(serde::Serialize)]
struct TableReport {
    table: String,
    rows: u64,
    /// Rows that may still change.
    not_final: u64,
    /// Rows that stand in the place of an archived one.
    corrections: u64,
    /// Bytes that the rows free in the database.
    bytes_before: u64,
    /// Bytes of the files.
    bytes_after: u64,
    seconds: f64,
    datasets: Vec<DatasetReport>,
}

#[derive(serde::Serialize)]
struct DatasetReport {
    dataset: String,
    version: i64,
    rows: u64,
    series: usize,
    files: usize,
    bytes: u64,
    columns: Vec<ColumnReport>,
}

/// Moves history.
pub(super) fn run(context: &Context, options: &HistoryOptions) -> Result<Option<Kind>> {
    let started = Instant::now();
    let root = &context.global.store;
    let until = if options.all {
        None
    } else {
        let days = now().saturating_sub(DEFAULT_DAYS * MICROS_PER_DAY);
        Some(options.before.or(options.older_than).unwrap_or(days))
    };
    let choice = if options.smallest { Choice::Smallest } else { Choice::Plain };
    let wanted = Options { until, level: options.level, choice };
    if !options.dry_run {
        context.metrics.begin("compress");
        context.metrics.subject(&options.table.join(" "));
    }
    // Opened to read first: a command about a store that is not there must not make one.
    let tables = chosen(&Snapshot::open(root, 1)?, &options.table, "compress")?;
    let mut report = Report {
        command: "compress",
        dry_run: options.dry_run,
        until: until.map(format_timestamp),
        ..Report::default()
    };
    if options.dry_run {
        for table in &tables {
            let snapshot = Snapshot::open(root, threads())?;
            let began = Instant::now();
            let outcome = watch(context, |watch| estimate(&snapshot, table, wanted, watch))?;
            let bytes = snapshot.bytes(&table.name)?.saturating_sub(EMPTY_BYTES);
            let bytes = share(bytes, outcome.rows(), rows(&snapshot, table)?);
            report.tables.push(table_report(table, &outcome, bytes, began.elapsed()));
        }
    } else {
        archive(context, &tables, wanted, &mut report)?;
    }
    finish(context, report, until, started.elapsed())?;
    Ok(None)
}

fn archive(context: &Context, tables: &[Table], wanted: Options, report: &mut Report) -> Result<()> {
    let root = &context.global.store;
    let mut store = Store::open(root)?;
    for table in tables {
        let began = Instant::now();
        let (size, free) = store.database_bytes()?;
        let mut archiver = Archiver::open(root, &mut store)?;
        let outcome = watch(context, |watch| archiver.table(table, wanted, watch))?;
        drop(archiver);
        let (size_after, free_after) = store.database_bytes()?;
        let bytes = (size - free).saturating_sub(size_after.saturating_sub(free_after));
        report.tables.push(table_report(table, &outcome, bytes, began.elapsed()));
    }
    if report.tables.iter().any(|table| table.rows > 0) {
        let began = Instant::now();
        if store.vacuum()? == Vacuumed::Done {
            context.ui.detail(&format!("vacuumed the store in {}", figures::duration(began.elapsed())));
        }
    }
    store.close()
}

/// Returns all rows of a table in the database.
fn rows(snapshot: &Snapshot, table: &Table) -> Result<u64> {
    let scan = crate::store::Scan { table: table.name.clone(), fields: Vec::new(), since: None, until: None };
    snapshot.series(&table.name)?.iter().map(|entry| snapshot.count(&scan, entry.id)).sum()
}

fn share(bytes: u64, part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(bytes) * u128::from(part) / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

fn table_report(table: &Table, outcome: &TableOutcome, bytes_before: u64, elapsed: Duration) -> TableReport {
    TableReport {
        table: table.name.clone(),
        rows: outcome.rows(),
        not_final: outcome.open,
        corrections: outcome.corrections,
        bytes_before,
        bytes_after: outcome.bytes(),
        seconds: elapsed.as_secs_f64(),
        datasets: outcome.datasets.iter().map(dataset_report).collect(),
    }
}

fn dataset_report(outcome: &DatasetOutcome) -> DatasetReport {
    DatasetReport {
        dataset: outcome.dataset.clone(),
        version: outcome.version,
        rows: outcome.rows,
        series: outcome.series,
        files: outcome.files,
        bytes: outcome.bytes,
        columns: outcome.columns.iter().map(ColumnReport::from).collect(),
    }
}

fn finish(context: &Context, mut report: Report, until: Option<i64>, elapsed: Duration) -> Result<()> {
    report.rows = report.tables.iter().map(|table| table.rows).sum();
    report.bytes_before = report.tables.iter().map(|table| table.bytes_before).sum();
    report.bytes_after = report.tables.iter().map(|table| table.bytes_after).sum();
    report.seconds = elapsed.as_secs_f64();
    context.metrics.add(|figures| {
        figures.workers = threads() as u64;
        figures.rows_in += report.rows;
        figures.rows_out += report.rows;
        figures.bytes_in += report.bytes_before;
        figures.bytes_out += report.bytes_after;
    });
    for table in &report.tables {
        say(context, table, report.dry_run);
    }
    if report.rows == 0 {
        let which = until.map_or_else(
            || "final".to_owned(),
            |until| format!("final and before {}", format_timestamp(until)),
        );
        context.ui.summary(&format!("nothing to compress: no row is {which} and not yet archived"));
    }
    context.report(&report)
}

#[allow(clippy::cast_precision_loss, reason = "figures with two decimals")]
fn say(context: &Context, table: &TableReport, is_dry_run: bool) {
    let ui = &context.ui;
    let stay = [
        (table.not_final, ["it may still change", "they may still change"]),
        (table.corrections, ["it corrects an archived one", "they correct archived ones"]),
    ];
    for (rows, [one, many]) in stay.into_iter().filter(|(rows, _)| *rows > 0) {
        let (verb, why) = if rows == 1 { ("stays", one) } else { ("stay", many) };
        ui.note(&format!("{}: {} {verb} in the store: {why}", table.table, figures::count(rows, "row")));
    }
    if table.rows == 0 {
        return;
    }
    let elapsed = Duration::from_secs_f64(table.seconds);
    let (verb, about) = if is_dry_run { ("would compress", "about ") } else { ("compressed", "") };
    let files: usize = table.datasets.iter().map(|dataset| dataset.files).sum();
    // A few rows free no page of the database, and no file is smaller than they were.
    let before = match table.bytes_before {
        0 => String::new(),
        bytes => format!("{} → ", figures::bytes(bytes)),
    };
    let ratio = if table.bytes_before > table.bytes_after {
        format!(", {:.1} × smaller", table.bytes_before as f64 / table.bytes_after.max(1) as f64)
    } else {
        String::new()
    };
    ui.summary(&format!(
        "{verb} {}: {} into {} in {} ({}): {before}{about}{}, {:.2} bytes a row{ratio}",
        table.table,
        figures::count(table.rows, "row"),
        figures::count(files as u64, "file"),
        figures::duration(elapsed),
        figures::rate(table.rows, elapsed),
        figures::bytes(table.bytes_after),
        table.bytes_after as f64 / table.rows as f64,
    ));
    for line in table.datasets.iter().flat_map(describe) {
        ui.summary(&line);
    }
}

/// Returns a dataset and its columns as lines of text.
fn describe(dataset: &DatasetReport) -> Vec<String> {
    let name = if dataset.dataset.is_empty() { "all" } else { &dataset.dataset };
    let mut text = vec![format!(
        "  {name}: {} of {} series",
        figures::count(dataset.rows, "row"),
        figures::thousands(dataset.series as u64)
    )];
    text.extend(lines(&dataset.columns, dataset.rows));
    text
}
