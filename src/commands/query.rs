//! `barn query`: SQL over the store.

use std::fs::File;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::asked;
use super::tables::threads;
use crate::cache::{Question, Results, StoredResult};
use crate::cli::Context;
use crate::engine::{Answer, Engine, Kept, Next, Options, identify};
use crate::error::{Failure, Kind, go_on};
use crate::fs::{self, Draft, Overwrite};
use crate::store::Snapshot;
use crate::ui::figures;
use crate::ui::output::{Format, Screen, sink};

/// The longest SQL text that is read from a file or stdin.
const MAX_SQL_BYTES: u64 = 16 << 20;

/// The bound on the results that are kept, packed.
const RESULT_BYTES: u64 = 64 << 20;

/// Results that took less are not kept: to write one takes 2 to 4 ms, which every query would pay and few get back.
const WORTH: Duration = Duration::from_millis(10);

/// How often a running query looks for Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(50);

/// The functions that DataFusion does not have, and what else the help says at length.
const LONG_ABOUT: &str = "\
Ask SQL of the store

Standard SQL with window functions, as DataFusion runs it; queries only read. Without ORDER BY the order of the \
rows is not specified. Beside DataFusion's functions there are time_bucket(interval, ts), strftime(ts, format), \
epoch(ts) and epoch_ms(ts), and first(x, ts), last(x, ts), max_by(x, y) and min_by(x, y), which pass over nulls.";

/// Ask SQL of the store
#[derive(clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = "Examples:
  barn query \"SELECT * FROM bars WHERE symbol = 'AAPL' AND ts >= '2018-01-01' ORDER BY ts\"
  barn query --with p=positions.csv \"SELECT * FROM p JOIN bars USING (symbol)\" -o out.parquet")]
pub struct QueryArgs {
    /// SQL, or - for stdin
    #[arg(value_name = "SQL|-", required_unless_present = "file")]
    sql: Option<String>,

    /// Read the SQL from a file; of several statements the last result is printed
    #[arg(long, help_heading = "Asking", value_name = "FILE", conflicts_with = "sql")]
    file: Option<PathBuf>,

    /// Put a CSV, NDJSON or Parquet file beside the tables
    #[arg(long, help_heading = "Asking", value_name = "NAME=FILE", value_parser = file_table)]
    with: Vec<(String, PathBuf)>,

    /// Show the plan instead of the result
    #[arg(long, help_heading = "Asking")]
    explain: bool,

    /// Memory the query may use before it spills to disk, such as 2GiB
    #[arg(long, help_heading = "Asking", value_name = "SIZE", value_parser = size)]
    memory: Option<usize>,

    /// Compute the result even where an earlier one is kept, and keep none
    #[arg(long, help_heading = "Asking")]
    no_cache: bool,

    /// Format of the result [default: by the name of the output, else table on a terminal, else csv]
    #[arg(
        long, help_heading = "Output",
        value_parser = PossibleValuesParser::new(Format::WORDS).try_map(|word| word.parse::<Format>())
    )]
    format: Option<Format>,

    /// Write the result to a file
    #[arg(short, long, help_heading = "Output", value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace the output file if it exists
    #[arg(short, long, help_heading = "Output", requires = "output")]
    force: bool,
}

fn file_table(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), path.into())),
        _ => Err("expected NAME=FILE".to_owned()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: usize = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        other => return Err(format!("unknown unit '{other}', expected KiB, MiB, GiB, kB, MB or GB")),
    };
    let bytes = number.parse().ok().and_then(|number: usize| number.checked_mul(factor));
    bytes.filter(|&bytes| bytes > 0).ok_or_else(|| "expected a number and a unit, as in 2GiB".to_owned())
}

/// What the command did.
#[derive(serde::Serialize)]
struct Report {
    command: &'static str,
    sql: String,
    rows: u64,
    /// Whether the rows are those of an earlier run.
    cached: bool,
    first_row_seconds: Option<f64>,
    seconds: f64,
}

/// Runs the command.
pub fn run(context: &Context, args: &QueryArgs) -> Result<Option<Kind>> {
    let sql = read_sql(args)?;
    let result = ask(context, args, &sql);
    if result.is_err() {
        asked::keep_slow(context, &sql, || None);
    }
    result
}

fn ask(context: &Context, args: &QueryArgs, sql: &str) -> Result<Option<Kind>> {
    let started = Instant::now();
    let snapshot = Arc::new(Snapshot::open(&context.global.store, threads())?);
    if args.explain {
        let plan = engine(args, snapshot)?.explain(sql)?;
        stdout()?.write_all(plan.as_bytes()).context("cannot write to stdout")?;
        return Ok(None);
    }
    let shelf = Shelf::new(context, args, &snapshot, sql);
    let kept = shelf.as_ref().and_then(Shelf::find);
    let (opened, cached) = (started.elapsed(), kept.is_some());
    let mut made = None;
    let mut answer = match kept {
        Some(answer) => answer,
        None => made.insert(engine(args, snapshot)?).query(sql)?,
    };
    if shelf.is_some() {
        answer.keep();
    }
    let planned = started.elapsed();
    let (rows, first) = write_result(context, args, &mut answer)?;
    let ran = started.elapsed();
    if let Some(shelf) = shelf {
        if ran.saturating_sub(opened) >= WORTH {
            shelf.put(answer);
        }
        shelf.results.warning().iter().for_each(|warning| context.ui.detail(warning));
    }
    let first = first.map(|first| first - started);
    context.timing(&[
        ("opening", opened),
        ("planning", planned.saturating_sub(opened)),
        ("running", ran.saturating_sub(planned)),
    ]);
    context.timing(&first.map(|first| ("the first row", first)).into_iter().collect::<Vec<_>>());
    let from = if cached { " from the result cache" } else { "" };
    context.ui.detail(&format!("{}{from} in {}", figures::count(rows, "row"), figures::duration(ran)));
    let first_row_seconds = first.map(|first| first.as_secs_f64());
    let seconds = started.elapsed().as_secs_f64();
    context.metrics.add(|figures| {
        figures.workers = threads() as u64;
        figures.rows_out += rows;
        figures.disk_hits += u64::from(cached);
    });
    asked::keep(context, sql, made.as_ref());
    context.report(&Report {
        command: "query",
        sql: sql.to_owned(),
        rows,
        cached,
        first_row_seconds,
        seconds,
    })?;
    Ok(None)
}

fn engine(args: &QueryArgs, snapshot: Arc<Snapshot>) -> Result<Engine> {
    Engine::new(snapshot, &Options { memory_bytes: args.memory, files: args.with.clone() })
}

/// The place of this query's result among those that are kept.
struct Shelf {
    results: Results,
    question: Question,
}

impl Shelf {
    /// `None` where no result may be kept or given again.
    fn new(context: &Context, args: &QueryArgs, snapshot: &Snapshot, sql: &str) -> Option<Self> {
        if args.no_cache || !args.with.is_empty() {
            return None;
        }
        let version = snapshot.version()?.to_owned();
        let question = Question { version, text: identify(snapshot, sql)? };
        Some(Self { results: Results::open(&context.global.store, RESULT_BYTES), question })
    }

    fn find(&self) -> Option<Answer> {
        let StoredResult { rows, body } = self.results.get(&self.question)?;
        let answer = Answer::again(&Kept { rows, body });
        if answer.is_err() {
            self.results.remove(&self.question);
        }
        answer.ok()
    }

    /// Keeps the rows of an answer that was written to its end.
    fn put(&self, answer: Answer) {
        if let Some(Kept { rows, body }) = answer.into_kept() {
            self.results.put(&self.question, &StoredResult { rows, body });
        }
    }
}

fn read_sql(args: &QueryArgs) -> Result<String> {
    match (&args.file, args.sql.as_deref()) {
        (Some(path), _) => fs::read_text(path, MAX_SQL_BYTES),
        (None, Some("-")) => fs::read_all_text(std::io::stdin().lock(), "SQL from stdin", MAX_SQL_BYTES),
        (None, sql) => Ok(sql.unwrap_or_default().to_owned()),
    }
}

/// Returns the format of results that go to stdout.
pub(super) fn default_format() -> Format {
    if std::io::stdout().is_terminal() { Format::Table } else { Format::Csv }
}

/// Returns what there is to know of the terminal that stdout may be.
pub(super) fn screen(context: &Context) -> Screen {
    let width = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    Screen { width: width.map(|(width, _)| usize::from(width.0)), color: context.global.color.on_stdout() }
}

/// Returns stdout without its line buffer: results come in large pieces.
pub(super) fn stdout() -> Result<File> {
    use std::os::fd::AsFd as _;
    let owned = std::io::stdout().as_fd().try_clone_to_owned().context("cannot write to stdout")?;
    Ok(File::from(owned))
}

/// Writes an answer to where the arguments say.
fn write_result(context: &Context, args: &QueryArgs, answer: &mut Answer) -> Result<(u64, Option<Instant>)> {
    if let Some(path) = &args.output {
        return write_file(context, args, answer, path);
    }
    let format = args.format.unwrap_or_else(default_format);
    if std::io::stdout().is_terminal() && format.is_binary() {
        return Err(Failure::usage(format!("cannot show {} on a terminal", format.as_str()))
            .hint("`-o FILE` writes it to a file")
            .into());
    }
    write(context, answer, format, Box::new(stdout()?), screen(context))
}

fn write_file(
    context: &Context,
    args: &QueryArgs,
    answer: &mut Answer,
    path: &Path,
) -> Result<(u64, Option<Instant>)> {
    let format = args.format.or_else(|| Format::from_extension(path)).unwrap_or_else(|| {
        if path.extension().is_some() {
            let name = path.display();
            context.ui.note(&format!("'{name}' is written as csv: its name tells no other format"));
        }
        Format::Csv
    });
    let overwrite = if args.force { Overwrite::Replace } else { Overwrite::Refuse };
    let mut draft = Draft::new(path, overwrite)?;
    let written = write(context, answer, format, Box::new(draft.file()), Screen::default())
        .with_context(|| format!("cannot write '{}'", path.display()))?;
    draft.publish()?;
    Ok(written)
}

/// Writes an answer and returns its rows and the time of the first one.
pub(super) fn write<'a>(
    context: &Context,
    answer: &mut Answer,
    format: Format,
    out: Box<dyn Write + Send + 'a>,
    screen: Screen,
) -> Result<(u64, Option<Instant>)> {
    let mut sink = sink(format, Arc::clone(&answer.schema), out, &screen)?;
    let (mut rows, mut first) = (0, None);
    loop {
        go_on(&context.stop)?;
        match answer.next_within(PATIENCE)? {
            Next::Batch(batch) => {
                rows += batch.num_rows() as u64;
                sink.write(&batch)?;
                if rows > 0 {
                    first.get_or_insert_with(Instant::now);
                }
            }
            Next::Later => {}
            Next::End => break,
        }
    }
    sink.finish()?;
    Ok((rows, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("64m"), Ok(64 << 20));
        assert_eq!(size("1000"), Ok(1_000));
        assert_eq!(size("5 MB"), Ok(5_000_000));
        for bad in ["", "GiB", "0", "1.5GiB", "-1", "99999999999999999999G", "1x"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
