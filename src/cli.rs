//! The command line: what is common to all commands, and the way into them.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};

use crate::commands::{
    completions, compress, delete, demo, fetch, info, optimize, query, runs, source, store,
};
use crate::error::{self, Kind};
use crate::fs::{self, Overwrite};
use crate::runs::{Ending, Line, Metrics, Runs};
use crate::ui::{ColorChoice, Ui, Volume, figures};

/// Keeps market history: fetches and stores bars, ticks, option chains and odds, and answers SQL
#[derive(Parser)]
#[command(
    name = "barn",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "Examples:
  barn fetch binance BTC/USDT -t 1h --since 2024-01-01
  barn query \"SELECT symbol, max(high) FROM bars GROUP BY symbol ORDER BY symbol\""
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,

    #[command(subcommand)]
    command: Command,
}

/// What every command knows.
#[derive(Args, Clone)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Folder of the store
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "BARN_STORE",
        default_value = "./barn",
        hide_env_values = true
    )]
    pub store: PathBuf,

    /// Say nothing but errors
    #[arg(short, long, global = true)]
    quiet: bool,

    /// Say more
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,

    /// When to use colors
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        value_parser = PossibleValuesParser::new(ColorChoice::WORDS).try_map(|word| word.parse::<ColorChoice>())
    )]
    pub color: ColorChoice,

    /// Write what was done, as JSON, to a file
    #[arg(long, global = true, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Print how long each part took, and what the command used
    #[arg(long, global = true)]
    timing: bool,

    /// Name the group of runs that this one belongs to, for `barn runs compare`
    #[arg(long, global = true, value_name = "NAME")]
    label: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Fetch(Box<fetch::FetchArgs>),
    Source(source::SourceArgs),
    Store(Box<store::StoreArgs>),
    Compress(compress::CompressArgs),
    Query(query::QueryArgs),
    Optimize(optimize::OptimizeArgs),
    Delete(delete::DeleteArgs),
    Info(info::InfoArgs),
    Runs(runs::RunsArgs),
    Completions(completions::CompletionsArgs),
}

/// What a command runs with.
pub struct Context {
    /// The global options.
    pub global: Global,
    /// Where words go.
    pub ui: Ui,
    /// Set when the user asks to stop.
    pub stop: Arc<AtomicBool>,
    /// What the command did, for the record of the run.
    pub metrics: Metrics,
    /// Whether the command has written its report.
    has_reported: Cell<bool>,
}

/// The report of a command that has none of its own, or failed before it had.
#[derive(serde::Serialize)]
struct ShortReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    exit_code: u8,
}

impl Context {
    /// Returns whether the user asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Returns where the report goes.
    pub fn report_path(&self) -> Option<&std::path::Path> {
        self.global.report.as_deref()
    }

    /// Returns the name of the group of runs that this one belongs to.
    pub fn label(&self) -> Option<&str> {
        self.global.label.as_deref()
    }

    /// Writes the report of a command, if one is wanted.
    pub fn report(&self, report: &impl serde::Serialize) -> Result<()> {
        let Some(path) = &self.global.report else { return Ok(()) };
        self.has_reported.set(true);
        let mut text = serde_json::to_vec_pretty(report).context("cannot write the report")?;
        text.push(b'\n');
        fs::replace(path, &text, Overwrite::Replace)
    }

    /// Prints where the time went, if that is wanted.
    pub fn timing(&self, parts: &[(&str, std::time::Duration)]) {
        if self.global.timing {
            for (part, elapsed) in parts {
                self.ui.note(&format!("{part} took {}", figures::duration(*elapsed)));
            }
        }
    }

    /// Keeps the record of a run that ended, if its command leaves one, and prints what it used, if that is wanted.
    pub fn record(&self, result: &Result<Option<Kind>>) {
        if !self.global.timing && !self.metrics.is_recorded() {
            return;
        }
        let (exit_code, error) = match result {
            Ok(kind) => (kind.map_or(0, Kind::code), None),
            Err(err) => (error::exit_code(err), first_line(err)),
        };
        let line = Line::new(std::env::args_os().skip(1));
        let label = self.label();
        let run = self.metrics.finish(Ending { line, label, exit_code, error });
        if self.global.timing {
            self.ui.summary_lines(&runs::breakdown(&run));
        }
        if self.metrics.is_recorded()
            && let Err(err) = Runs::open(&self.global.store).put(&run)
        {
            self.ui.detail(&format!("cannot keep a record of this run: {err:#}"));
        }
    }
}

/// Returns what an error says first.
fn first_line(err: &anyhow::Error) -> Option<String> {
    let report = error::report(err);
    report.lines().next().map(|line| line.trim_start_matches("error: ").to_owned())
}

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    match Cli::try_parse_from(with_help(std::env::args_os().collect())) {
        Ok(cli) => run(cli),
        Err(err) => usage(&err),
    }
}

/// Reads `help COMMAND` as `COMMAND --help`: a command of that name would stand in every list and completion.
fn with_help(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|word| word == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    arguments
}

/// Prints what the parser has to say: help and version on stdout, errors on stderr.
fn usage(err: &clap::Error) -> ExitCode {
    let code = if err.use_stderr() { Kind::Usage.code() } else { 0 };
    match err.print() {
        Err(err) if err.kind() != std::io::ErrorKind::BrokenPipe => {
            let err = anyhow::Error::new(err).context("cannot write the help");
            Ui::new(Volume::Normal, ColorChoice::Auto).error(&err);
            ExitCode::from(Kind::Failed.code())
        }
        _ => ExitCode::from(code),
    }
}

fn run(cli: Cli) -> ExitCode {
    let started = Instant::now();
    let volume = match (cli.global.quiet, cli.global.verbose) {
        (true, _) => Volume::Quiet,
        (_, true) => Volume::Verbose,
        _ => Volume::Normal,
    };
    let ui = Ui::new(volume, cli.global.color);
    let stop = Arc::new(AtomicBool::new(false));
    let context = Context {
        global: cli.global,
        ui,
        stop: Arc::clone(&stop),
        metrics: Metrics::default(),
        has_reported: Cell::new(false),
    };
    let result = catch_signals(stop).and_then(|()| match cli.command {
        Command::Fetch(args) => fetch::run(&context, &args),
        Command::Store(args) => store::run(&context, &args),
        Command::Compress(args) => compress::run(&context, &args),
        Command::Query(args) => query::run(&context, &args),
        Command::Optimize(args) => optimize::run(&context, &args),
        Command::Delete(args) => delete::run(&context, &args),
        Command::Info(args) => info::run(&context, &args),
        Command::Demo(args) => demo::run(&context, &args),
        Command::Source(args) => source::run(&context, &args),
        Command::Runs(args) => runs::run(&context, &args),
        Command::Completions(args) => completions::run(&args),
    });
    context.timing(&[("all", started.elapsed())]);
    context.record(&result);
    end(&context, result)
}

/// Says why a command failed, writes the report that it did not write itself, and returns its exit code.
fn end(context: &Context, result: Result<Option<Kind>>) -> ExitCode {
    let (mut exit_code, error) = match result {
        Ok(kind) => (kind.map_or(0, Kind::code), None),
        Err(err) => {
            context.ui.error(&err);
            (error::exit_code(&err), Some(error::report(&err)))
        }
    };
    if !context.has_reported.get()
        && let Err(err) = context.report(&ShortReport { error, exit_code })
    {
        context.ui.error(&err);
        // What went wrong before says more.
        if exit_code == 0 {
            exit_code = error::exit_code(&err);
        }
    }
    ExitCode::from(exit_code)
}

/// The first Ctrl-C asks the command to stop, the second one does not ask.
fn catch_signals(stop: Arc<AtomicBool>) -> Result<()> {
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::SeqCst) {
            #[allow(clippy::exit, reason = "the user insists, and a store is safe to leave at any point")]
            std::process::exit(i32::from(Kind::Interrupted.code()));
        }
    })
    .context("cannot listen for Ctrl-C")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_of_all_commands_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
