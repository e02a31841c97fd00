//! `barn info`: what a store has.

mod series;

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use self::series::{asked, coverage, series};
use super::query;
use super::tables::threads;
use crate::archive;
use crate::cli::Context;
use crate::engine::{Engine, Options};
use crate::error::{Failure, Kind, go_on};
use crate::model::{ColumnType, Table, Value};
use crate::store::{Scan, Snapshot};
use crate::ui::figures;
use crate::ui::output::{Format, Listing, sink};

/// Show what the store has
///
/// Without an argument: its tables. With a table: its columns, and its series with their ranges and gaps. A
/// gap is a spacing of more than 5 bars, for bars of a day or more of at least 4 days. A hole is history that was
/// never asked of a source, between two ranges that were.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn info
  barn info bars --format csv")]
pub struct InfoArgs {
    /// A table, or rejects (rows that could not be stored), or suspects (rows with implausible values), or archive
    /// (its files, each of which is read and checked)
    #[arg(value_name = "TABLE|rejects|suspects|archive")]
    subject: Option<String>,

    /// Format of the list [default: table on a terminal, else csv]
    #[arg(
        long, help_heading = "Output",
        value_parser = PossibleValuesParser::new(Format::WORDS).try_map(|word| word.parse::<Format>())
    )]
    format: Option<Format>,
}

/// Runs the command.
pub fn run(context: &Context, args: &InfoArgs) -> Result<Option<Kind>> {
    let snapshot = Arc::new(Snapshot::open(&context.global.store, threads())?);
    let format = args.format.unwrap_or_else(query::default_format);
    match args.subject.as_deref() {
        None => print(context, &tables(&snapshot)?, format),
        Some("rejects") => print(context, &rejects(&snapshot)?, format),
        Some("suspects") => suspects(context, snapshot, format),
        Some("archive") => return archive(context, &snapshot, format),
        Some(name) => {
            let table = find(&snapshot, name)?;
            // One list a stream: the columns are for people, programs ask DESCRIBE.
            if matches!(format, Format::Table | Format::Markdown) {
                print(context, &columns(table), format)?;
                query::stdout()?.write_all(b"\n").context("cannot write to stdout")?;
            }
            let asked = asked(&snapshot, name)?;
            print(context, &series(&snapshot, table, &asked)?, format)?;
            if !asked.is_empty() && matches!(format, Format::Table | Format::Markdown) {
                query::stdout()?.write_all(b"\n").context("cannot write to stdout")?;
                print(context, &coverage(&asked), format)?;
            }
            Ok(())
        }
    }?;
    Ok(None)
}

fn find<'s>(snapshot: &'s Snapshot, name: &str) -> Result<&'s Table> {
    snapshot.tables().iter().find(|table| table.name == name).ok_or_else(|| {
        let tables = snapshot.tables().iter().map(|table| table.name.as_str());
        let names = tables.chain(["archive", "rejects", "suspects"]);
        let failure = Failure::usage(format!("cannot show table '{name}': there is none"));
        match crate::model::nearest(name, names).first() {
            Some(near) => failure.hint(format!("`barn info {near}`")),
            None => failure.hint("`barn info` lists the tables"),
        }
        .into()
    })
}

/// Prints a list to stdout.
pub(super) fn print(context: &Context, listing: &Listing, format: Format) -> Result<()> {
    let batch = listing.to_batch()?;
    let mut sink = sink(format, batch.schema(), Box::new(query::stdout()?), &query::screen(context))?;
    sink.write(&batch)?;
    sink.finish()
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into().into())
}

fn number(number: u64) -> Value {
    Value::Bigint(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Lists the files of the archive, each of whose bytes is read and checked.
fn archive(context: &Context, snapshot: &Snapshot, format: Format) -> Result<Option<Kind>> {
    let mut listing = Listing::new(&[
        ("table", ColumnType::Text),
        ("file", ColumnType::Text),
        ("rows", ColumnType::Bigint),
        ("first", ColumnType::Timestamp),
        ("last", ColumnType::Timestamp),
        ("bytes", ColumnType::Bigint),
        ("state", ColumnType::Text),
    ]);
    let mut damaged = 0;
    for file in snapshot.files(None)? {
        go_on(&context.stop)?;
        let state = match archive::check(&context.global.store, &file, &snapshot.digest(&file)?) {
            Ok(()) => "ok".to_owned(),
            Err(err) => {
                damaged += 1;
                format!("{:#}", err.root_cause())
            }
        };
        listing.push(vec![
            text(&file.table),
            text(&file.path),
            number(file.rows),
            Value::Timestamp(file.ts_min),
            Value::Timestamp(file.ts_max),
            number(file.bytes),
            text(state),
        ]);
    }
    print(context, &listing, format)?;
    if damaged > 0 {
        let files = figures::count(damaged, "file");
        return Err(Failure::new(format!("cannot trust the archive: {files} damaged or missing")).into());
    }
    Ok(None)
}

/// The tables that have series.
fn tables(snapshot: &Snapshot) -> Result<Listing> {
    let mut listing = Listing::new(&[
        ("table", ColumnType::Text),
        ("series", ColumnType::Bigint),
        ("rows", ColumnType::Bigint),
        ("archived", ColumnType::Bigint),
        ("first", ColumnType::Timestamp),
        ("last", ColumnType::Timestamp),
        ("bytes", ColumnType::Bigint),
        ("bytes_a_row", ColumnType::Double),
    ]);
    for table in snapshot.tables() {
        let entries = snapshot.series(&table.name)?;
        if entries.is_empty() {
            continue;
        }
        let files = snapshot.files(Some(&table.name))?;
        let scan = Scan { table: table.name.clone(), fields: Vec::new(), since: None, until: None };
        let (mut rows, mut first, mut last) = (0, None, None);
        for entry in &entries {
            rows += snapshot.count(&scan, entry.id)?;
            if let Some((from, to)) = snapshot.extent(&table.name, entry.id)? {
                first = Some(first.map_or(from, |first: i64| first.min(from)));
                last = Some(last.map_or(to, |last: i64| last.max(to)));
            }
        }
        for file in &files {
            first = Some(first.map_or(file.ts_min, |first| first.min(file.ts_min)));
            last = Some(last.map_or(file.ts_max, |last| last.max(file.ts_max)));
        }
        let archived: u64 = files.iter().map(|file| file.rows).sum();
        // A correction is a hot row in the place of an archived one.
        rows += archived - (snapshot.corrections(&table.name)?.len() as u64).min(archived);
        let bytes = snapshot.bytes(&table.name)? + files.iter().map(|file| file.bytes).sum::<u64>();
        #[allow(clippy::cast_precision_loss, reason = "a figure with one decimal")]
        let per_row = (bytes as f64 / rows.max(1) as f64 * 10.0).round() / 10.0;
        listing.push(vec![
            text(&table.name),
            number(entries.len() as u64),
            number(rows),
            number(archived),
            first.map_or(Value::Null, Value::Timestamp),
            last.map_or(Value::Null, Value::Timestamp),
            number(bytes),
            Value::Double(per_row),
        ]);
    }
    Ok(listing)
}

fn columns(table: &Table) -> Listing {
    let mut listing =
        Listing::new(&[("column", ColumnType::Text), ("type", ColumnType::Text), ("role", ColumnType::Text)]);
    for column in table.columns() {
        let role = match column.name.as_str() {
            name if table.key_index(name).is_some() => "series key",
            "ts" => "time",
            "seq" if table.ticks => "ordinal",
            _ => "value",
        };
        listing.push(vec![text(&column.name), text(column.kind.as_str()), text(role)]);
    }
    listing
}

fn rejects(snapshot: &Snapshot) -> Result<Listing> {
    let mut listing = Listing::new(&[
        ("table", ColumnType::Text),
        ("file", ColumnType::Text),
        ("line", ColumnType::Bigint),
        ("reason", ColumnType::Text),
        ("text", ColumnType::Text),
        ("stored_at", ColumnType::Timestamp),
    ]);
    snapshot.rejects(&mut |stored| {
        listing.push(vec![
            text(&stored.table),
            text(&stored.path),
            number(stored.reject.line),
            text(&stored.reject.reason),
            text(&stored.reject.text),
            Value::Timestamp(stored.at),
        ]);
        Ok(())
    })?;
    Ok(listing)
}

/// Lists the rows that break a check of their table, with the checks they break.
fn suspects(context: &Context, snapshot: Arc<Snapshot>, format: Format) -> Result<()> {
    let parts: Vec<String> =
        snapshot.tables().iter().filter(|table| !table.checks.is_empty()).map(suspects_of).collect();
    let sql = format!("{} ORDER BY 1, 2, 3", parts.join(" UNION ALL "));
    let engine = Engine::new(snapshot, &Options::default())?;
    let rows = query::write(
        context,
        &mut engine.query(&sql)?,
        format,
        Box::new(query::stdout()?),
        query::screen(context),
    )?
    .0;
    context.ui.detail(&figures::count(rows, "suspect row"));
    Ok(())
}

fn suspects_of(table: &Table) -> String {
    let keys: Vec<String> =
        table.key.iter().map(|column| format!("'{0}=' || \"{0}\"", column.name)).collect();
    let reasons: Vec<String> = table
        .checks
        .iter()
        .map(|check| {
            let rule = table.check_text(check);
            let left = &table.values[check.column].name;
            let shown = match check.bound {
                crate::model::Bound::Column(at) => {
                    format!("'{left} ' || \"{left}\" || ', {0} ' || \"{0}\"", table.values[at].name)
                }
                crate::model::Bound::Number(_) => format!("'{left} ' || \"{left}\""),
            };
            format!("CASE WHEN NOT ({rule}) THEN 'not {rule}: ' || {shown} END")
        })
        .collect();
    let broken: Vec<String> =
        table.checks.iter().map(|check| format!("NOT ({})", table.check_text(check))).collect();
    format!(
        "SELECT '{}' AS \"table\", concat_ws(', ', {}) AS series, ts, concat_ws('; ', {}) AS reason FROM {} WHERE {}",
        table.name,
        keys.join(", "),
        reasons.join(", "),
        table.name,
        broken.join(" OR ")
    )
}
