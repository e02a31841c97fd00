//! `barn delete`: takes rows out of a table, wherever they are.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Error, Result, bail};

use super::tables::{chosen, threads, watch};
use crate::archive::{Archiver, Dropped, Removal};
use crate::cli::Context;
use crate::engine::{Engine, Options};
use crate::error::{Failure, Kind, exit_code};
use crate::model::{SeriesKey, Table, ValueRef};
use crate::store::{Snapshot, Store};
use crate::ui::figures;

/// Take rows out of a table, in the database and in the archive
///
/// Undoes a wrong import: rows, archived files and what the ledger says of them change in one step, so that a fetch
/// asks again for what is gone. Rows that others write meanwhile stay.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("way").args(["yes", "dry_run"]).required(true)))]
#[command(after_help = "Examples:
  barn delete bars --where \"source = 'kaggle' AND symbol = 'AAPL'\" --dry-run
  barn delete trades --where \"ts < '2020-01-01'\" --yes")]
pub struct DeleteArgs {
    /// Table
    table: String,

    /// Which rows: a condition as behind WHERE
    #[arg(long = "where", value_name = "SQL")]
    condition: String,

    /// Do it; without this nothing is deleted
    #[arg(long)]
    yes: bool,

    /// Say how many rows would go, and delete nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// What the command did.
#[derive(serde::Serialize)]
struct Report {
    command: &'static str,
    table: String,
    dry_run: bool,
    rows: u64,
    series: usize,
    files_rewritten: u64,
    seconds: f64,
}

/// Runs the command.
pub fn run(context: &Context, args: &DeleteArgs) -> Result<Option<Kind>> {
    let started = Instant::now();
    let root = &context.global.store;
    let snapshot = Arc::new(Snapshot::open(root, threads())?);
    if !args.dry_run {
        context.metrics.begin("delete");
        context.metrics.subject(&args.table);
    }
    let table = chosen(&snapshot, std::slice::from_ref(&args.table), "delete")?.remove(0);
    let mut report = Report {
        command: "delete",
        table: table.name.clone(),
        dry_run: args.dry_run,
        rows: 0,
        series: 0,
        files_rewritten: 0,
        seconds: 0.0,
    };
    if args.dry_run {
        let keys = find(&snapshot, &table, &args.condition)?;
        report.series = keys.len();
        report.rows = keys.values().map(|keys| keys.len() as u64).sum();
    } else {
        // Before anything is written.
        check(&snapshot, &table, &args.condition)?;
        drop(snapshot);
        let mut store = Store::open(root)?;
        let mut archiver = Archiver::open(root, &mut store)?;
        let series = &mut report.series;
        // The rows are looked for once nobody else archives, and what others write is noted.
        let removal = |snapshot: &Arc<Snapshot>| -> Result<Removal> {
            let keys = find(snapshot, &table, &args.condition)?;
            *series = keys.len();
            Ok(Removal { rows: Dropped { before: None, keys }, ..Removal::default() })
        };
        let done = watch(context, |watch| archiver.remove(&table, removal, watch))?;
        (report.rows, report.files_rewritten) = (done.dropped, done.files.0);
        drop(archiver);
        store.close()?;
    }
    context.metrics.add(|figures| {
        figures.workers = threads() as u64;
        figures.rows_out += report.rows;
    });
    report.seconds = started.elapsed().as_secs_f64();
    let verb = if args.dry_run { "would delete" } else { "deleted" };
    let files = match report.files_rewritten {
        0 => String::new(),
        files => format!(", {} rewritten", figures::count(files, "archived file")),
    };
    context.ui.summary(&format!(
        "{verb} {} of {} series from {}{files} in {}",
        figures::count(report.rows, "row"),
        figures::thousands(report.series as u64),
        table.name,
        figures::duration(started.elapsed())
    ));
    context.report(&report)?;
    Ok(None)
}

/// Fails where a condition is none that the rows of a table can be asked.
fn check(snapshot: &Arc<Snapshot>, table: &Table, condition: &str) -> Result<()> {
    let engine = Engine::new(Arc::clone(snapshot), &Options::default())?;
    engine.scans(&query(table, condition)).map(drop).map_err(|err| blame(err, condition))
}

/// Returns the query for the keys, times and ordinals of the rows that meet a condition.
fn query(table: &Table, condition: &str) -> String {
    let mut columns: Vec<String> = table.key.iter().map(|column| format!("\"{}\"", column.name)).collect();
    columns.push("ts".to_owned());
    columns.extend(table.ticks.then(|| "seq".to_owned()));
    // On lines of their own, so that a comment at the end of the condition ends there.
    format!("SELECT {} FROM \"{}\" WHERE (\n{condition}\n)", columns.join(", "), table.name)
}

/// Says that the condition is to blame, where it is and not the disk.
fn blame(error: Error, condition: &str) -> Error {
    if exit_code(&error) == Kind::Usage.code() {
        return error.context(Failure::usage(format!("cannot use '{condition}' as a condition")));
    }
    error
}

/// Returns the times and ordinals of the rows that meet a condition, by series.
fn find(
    snapshot: &Arc<Snapshot>,
    table: &Table,
    condition: &str,
) -> Result<HashMap<i64, BTreeSet<(i64, i64)>>> {
    let numbers: HashMap<Vec<u8>, i64> =
        snapshot.series(&table.name)?.into_iter().map(|entry| (entry.key.encode(), entry.id)).collect();
    let engine = Engine::new(Arc::clone(snapshot), &Options::default())?;
    let mut keys: HashMap<i64, BTreeSet<(i64, i64)>> = HashMap::new();
    let width = table.key.len();
    let mut answer = engine.query(&query(table, condition)).map_err(|err| blame(err, condition))?;
    while let Some(values) = answer.next_values()? {
        for row in 0..values.len() {
            let key = (0..width).map(|column| values.get(column, row).to_value()).collect();
            let number = numbers.get(&SeriesKey(key).encode()).context("a row has an unknown series")?;
            let seq = if table.ticks { values.get(width + 1, row) } else { ValueRef::Bigint(0) };
            let (ValueRef::Timestamp(ts), ValueRef::Bigint(seq)) = (values.get(width, row), seq) else {
                bail!("a row has no time");
            };
            keys.entry(*number).or_default().insert((ts, seq));
        }
    }
    Ok(keys)
}
