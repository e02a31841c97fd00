//! `barn store`: files and streams into a table.

use std::collections::HashSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::tally::Tally;
use crate::archive::open_store;
use crate::cli::Context;
use crate::decode::Layout;
use crate::error::{Failure, Kind};
use crate::fs;
use crate::import::{Fields, Limits, MaxBad, Progress, Request, Session, Source, expand};
use crate::model::{OnConflict, normalize};
use crate::store::{CONFIG, Store, read_config};
use crate::ui;

/// The largest layout that is read.
const MAX_LAYOUT_BYTES: u64 = 1 << 20;

/// Store files or a stream in a table
///
/// Reads CSV, TSV, NDJSON, JSON and Parquet, also compressed (gzip, zstd, lz4) and inside zip and tar;
/// what a file is, its content says. Storing the same again changes nothing.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn store bars prices.csv.gz --set source=kaggle --set timeframe=1d
  barn store trades ticks/ --as ticks.toml --set source=lean")]
pub struct StoreArgs {
    /// Table: bars, quotes, trades, chain, odds, observations, …, or your own
    table: String,

    /// Files, folders, or - for stdin
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true)]
    files: Vec<String>,

    /// Format of the input, instead of what its content says
    #[arg(
        long, help_heading = "Reading", default_value = "auto",
        value_parser = ["auto", "csv", "tsv", "ndjson", "json", "parquet"]
    )]
    format: String,

    /// Where the records of a JSON document are, such as chart.result
    #[arg(long, help_heading = "Reading", value_name = "PATH")]
    root: Option<String>,

    /// Layout: a TOML file, or the name of a [layout.NAME] in barn.toml
    #[arg(long = "as", help_heading = "Reading", value_name = "LAYOUT")]
    layout: Option<String>,

    /// Names of the fields of files without a header
    #[arg(long, help_heading = "Reading", value_name = "A,B,…", value_delimiter = ',')]
    columns: Vec<String>,

    /// Form of the times, such as %d/%m/%Y
    #[arg(long, help_heading = "Reading", value_name = "FORMAT")]
    time_format: Option<String>,

    /// Time zone of times without one, such as `America/New_York` [default: UTC]
    ///
    /// A local time that does not exist moves forward, one that exists twice is the earlier.
    #[arg(long, help_heading = "Reading", value_name = "ZONE")]
    tz: Option<String>,

    /// Take a column of the table from a field of the input
    #[arg(long, help_heading = "Columns", value_name = "COLUMN=FIELD", value_parser = pair)]
    map: Vec<(String, String)>,

    /// Set a column to one value in every row
    #[arg(long, help_heading = "Columns", value_name = "COLUMN=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,

    /// Take the symbol from the name of the file
    #[arg(long, help_heading = "Columns")]
    symbol_from_name: bool,

    /// Add fields that the table has no column for
    #[arg(long, help_heading = "Columns")]
    add_columns: bool,

    /// Fields that name a series, for a table that does not exist yet
    #[arg(long, help_heading = "Columns", value_name = "A,B,…", value_delimiter = ',')]
    key: Vec<String>,

    /// Field with the time, for a table that does not exist yet
    #[arg(long, help_heading = "Columns", value_name = "FIELD")]
    time: Option<String>,

    /// What happens to a row whose key is stored already
    ///
    /// keep-known takes new values but never replaces a value by nothing, replace takes the new row whole,
    /// ignore keeps the stored row, fail stops at a differing value.
    #[arg(
        long, help_heading = "Rows", value_name = "RULE", default_value = "keep-known",
        value_parser = PossibleValuesParser::new(OnConflict::WORDS).try_map(|word| word.parse::<OnConflict>())
    )]
    on_conflict: OnConflict,

    /// Rows of a transaction that may be rejected: a number, or a share such as 1%
    #[arg(long, help_heading = "Rows", value_name = "N|P%", default_value = "1%", value_parser = max_bad)]
    max_bad: MaxBad,

    /// Rows after which a transaction ends
    #[arg(
        long, help_heading = "Rows", value_name = "N", default_value_t = 5_000_000,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    transaction_rows: u64,

    /// Say what would be stored, and store nothing
    #[arg(long, help_heading = "Rows")]
    dry_run: bool,
}

/// Reads `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() => Ok((left.to_owned(), right.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn max_bad(text: &str) -> Result<MaxBad, String> {
    let limit = match text.strip_suffix('%') {
        Some(share) => share.parse().ok().filter(|share| (0.0..=100.0).contains(share)).map(MaxBad::Percent),
        None => text.parse().ok().map(MaxBad::Rows),
    };
    limit.ok_or_else(|| "expected a number of rows, or a share from 0% to 100%".to_owned())
}

/// Runs the command.
pub fn run(context: &Context, args: &StoreArgs) -> Result<Option<Kind>> {
    let started = Instant::now();
    if !args.dry_run {
        context.metrics.begin("store");
        context.metrics.subject(&args.table);
    }
    let mut tally = Tally::default();
    if args.files == ["-"] && std::io::stdin().is_terminal() {
        context.ui.note("rows are read from the terminal until Ctrl-D; `barn store TABLE FILE` reads a file");
    }
    let sources = open_all(context, &args.files, &mut tally)?;
    let total = sources.iter().map(Source::size).sum();
    let request = request(&context.global.store, args)?;
    let root = &context.global.store;
    let is_unkept = args.dry_run && !Store::exists(root);
    let mut store = if is_unkept { Store::open_unkept(root)? } else { open_store(root)? };
    let progress = Progress::new(total);
    let rows = AtomicU64::new(0);
    let mut session = Session::new(&mut store, request, &context.stop, &progress, &rows)?;
    let result = watch(context, &progress, &rows, || {
        for source in &sources {
            match session.import(source, &mut |name, result| tally.add(name, result)) {
                Err(err) if context.is_stopped() => return Err(err),
                Err(err) => tally.add(&source.name(), Err(err)),
                Ok(()) => {}
            }
        }
        Ok(())
    });
    drop(session);
    let closed = store.close();
    tally.count(&context.metrics, progress.read());
    context.timing(&[("writing", tally.writing())]);
    let kind = tally.finish(context, &args.table, args.dry_run.into(), started.elapsed())?;
    result.and(closed)?;
    Ok(kind)
}

/// Finds the inputs. One that is not there is an error of its own beside others, and the whole error alone.
fn open_all(context: &Context, files: &[String], tally: &mut Tally) -> Result<Vec<Source>> {
    if let [file] = files {
        return expand(std::slice::from_ref(file), &context.stop);
    }
    if files.iter().filter(|file| *file == "-").count() > 1 {
        return Err(Failure::usage("cannot read stdin twice").into());
    }
    let mut sources = Vec::new();
    for file in files {
        match expand(std::slice::from_ref(file), &context.stop) {
            Ok(found) => sources.extend(found),
            Err(err) => tally.add(file, Err(err)),
        }
    }
    Ok(sources)
}

fn request(root: &Path, args: &StoreArgs) -> Result<Request> {
    let mut layout = match &args.layout {
        Some(name) => read_layout(root, name)?,
        None => Layout::default(),
    };
    if args.format != "auto" {
        layout.set_format(&args.format)?;
    }
    layout.root = args.root.clone().or(layout.root);
    layout.zone = args.tz.clone().or(layout.zone);
    layout.symbol_from_name |= args.symbol_from_name;
    layout.time_formats.extend(args.time_format.clone());
    if !args.columns.is_empty() {
        layout.columns.clone_from(&args.columns);
        layout.header = Some(false);
    }
    refuse_twice("--map", &args.map)?;
    refuse_twice("--set", &args.set)?;
    for (column, field) in &args.map {
        layout.map_field(column, field);
    }
    if let Some(field) = &args.time {
        layout.map_field("ts", field);
    }
    layout.set.extend(args.set.iter().cloned());
    let key = args.key.iter().map(|field| normalize(field).unwrap_or_else(|| field.clone())).collect();
    if !args.key.is_empty() && args.time.is_none() && !layout.map.contains_key("ts") {
        return Err(Failure::usage("cannot make a table without a time: '--time' names its field").into());
    }
    Ok(Request {
        table: args.table.clone(),
        layout,
        rule: args.on_conflict,
        limits: Limits { max_bad: args.max_bad, transaction_rows: args.transaction_rows },
        unknown_fields: if args.add_columns { Fields::Add } else { Fields::Ignore },
        key,
        mode: args.dry_run.into(),
    })
}

fn refuse_twice(flag: &str, pairs: &[(String, String)]) -> Result<()> {
    let mut columns = HashSet::new();
    match pairs.iter().find(|(column, _)| !columns.insert(column)) {
        Some((column, _)) => {
            Err(Failure::usage(format!("cannot use '{flag}' for column '{column}' twice")).into())
        }
        None => Ok(()),
    }
}

/// Reads a layout from a file, or from `[layout.NAME]` of `barn.toml`.
fn read_layout(root: &Path, name: &str) -> Result<Layout> {
    let path = PathBuf::from(name);
    let config = root.join(CONFIG);
    if !path.exists() {
        let text = read_config(root)?.unwrap_or_default();
        if let Some(layout) = Layout::parse_named(&text, name).with_context(|| cannot_use(&config))? {
            return Ok(layout);
        }
        return Err(Failure::usage(format!(
            "cannot use layout '{name}': there is no such file, and no [layout.{name}] in '{}'",
            config.display()
        ))
        .into());
    }
    Layout::parse(&fs::read_text(&path, MAX_LAYOUT_BYTES)?).with_context(|| cannot_use(&path))
}

fn cannot_use(path: &Path) -> Failure {
    Failure::usage(format!("cannot use layout '{}'", path.display()))
}

/// Runs `work` while another thread shows how far it is.
fn watch<T>(context: &Context, progress: &Progress, rows: &AtomicU64, work: impl FnOnce() -> T) -> T {
    let tell = |line: &ui::Progress| {
        line.update(rows.load(Ordering::Relaxed), progress.read(), progress.total());
    };
    context.ui.progress().watch(tell, work)
}
