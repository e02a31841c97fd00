//! Measures whole commands on seeded data, beside their peers in the same run.
//!
//! `cargo bench` runs all, `cargo bench -- import` those whose name contains the word, `cargo bench -- headline` the
//! work of the scripts that barn replaces. `--runs N` sets how often each command runs, `--csv` prints lines instead
//! of tables, `--report FILE` writes a Markdown report. `--save NAME` keeps all figures below the folder where cargo
//! builds, `--against NAME` compares with them and flags what has changed by more than the noise of the runs. The
//! programs run in turn (A B C A B C …) and the median counts. sqlite3 takes part if it is installed, duckdb if it is
//! on the PATH or beside the interpreter that `BARN_TEST_PYTHON` names, curl and aiohttp likewise.
//! `cargo bench -- size --data FOLDER` takes the sizes of real market data, beside pyarrow, polars and DuckDB where
//! `BARN_TEST_PYTHON` has them.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark is a program of its own"
)]

mod archive;
mod baseline;
mod data;
mod fetch;
mod headline;
mod report;
mod run;
mod server;
mod size;
mod store;

// The sets of real data and how they are stored: what the tests of the archive run on.
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../cli/dialects.rs"]
mod dialects;
#[allow(dead_code, clippy::print_stderr, clippy::format_push_string, reason = "the tests use more of it")]
#[path = "../cli/harness.rs"]
mod harness;
#[path = "../cli/compress/measure.rs"]
mod measure;
#[allow(dead_code, unused_imports, unused_macros, reason = "the tests use more of it")]
#[path = "../cli/compress/sets.rs"]
mod sets;

use std::fs;
use std::path::PathBuf;

use baseline::Baseline;
use report::{Headline, Line};

const USAGE: &str = "usage: cargo bench -- [WORD]… [--runs N] [--csv] [--report FILE] [--save NAME] [--against NAME] \
                     [--data FOLDER]";

struct Suite {
    folder: tempfile::TempDir,
    options: Options,
    lines: Vec<Line>,
    headlines: Vec<Headline>,
    sizes: Vec<measure::Sizes>,
}

/// What was asked for.
struct Options {
    words: Vec<String>,
    runs: usize,
    csv: bool,
    report: Option<PathBuf>,
    save: Option<String>,
    against: Option<String>,
    /// The folder of the real market data.
    data: Option<PathBuf>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Err(message) = Options::parse(&arguments).and_then(bench) {
        eprintln!("error: {message}");
        std::process::exit(2);
    }
}

fn bench(options: Options) -> Result<(), String> {
    let folder = report::baselines();
    // Looked at first: a name that is wrong is not told after ten minutes.
    if let Some(name) = &options.save {
        baseline::path(&folder, name)?;
    }
    let against = match &options.against {
        Some(name) => Some((Baseline::load(&folder, name)?, name.clone())),
        None => None,
    };
    let mut suite = Suite {
        folder: tempfile::tempdir().unwrap(),
        options,
        lines: Vec::new(),
        headlines: Vec::new(),
        sizes: Vec::new(),
    };
    suite.run();
    let now = suite.baseline();
    let comparison = against.map_or_else(String::new, |(old, name)| now.comparison(&old, &name));
    if suite.options.csv {
        suite.print_csv();
        eprint!("{comparison}");
    } else {
        print!("{}", suite.tables());
        print!("{}{comparison}", if comparison.is_empty() { "" } else { "\n" });
    }
    if let Some(path) = &suite.options.report {
        fs::write(path, suite.report(&comparison))
            .map_err(|err| format!("cannot write report '{}'\n  caused by: {err}", path.display()))?;
    }
    if let Some(name) = &suite.options.save {
        eprintln!("saved '{}'", now.save(&folder, name)?.display());
    }
    Ok(())
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let data = std::env::var_os("BARN_TEST_DATA").map(PathBuf::from);
        let mut options =
            Self { words: Vec::new(), runs: 5, csv: false, report: None, save: None, against: None, data };
        // `cargo bench` adds a word of its own.
        let mut arguments = arguments.iter().filter(|argument| *argument != "--bench");
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next().filter(|value| !value.starts_with("--"));
                value.cloned().ok_or_else(|| format!("'{argument}' needs a value\n\n{USAGE}"))
            };
            match argument.as_str() {
                "--csv" => options.csv = true,
                "--runs" => options.runs = count(&value()?)?,
                "--report" => options.report = Some(value()?.into()),
                "--save" => options.save = Some(value()?),
                "--against" => options.against = Some(value()?),
                "--data" => options.data = Some(value()?.into()),
                _ if argument.starts_with('-') => {
                    return Err(format!("unexpected argument '{argument}'\n\n{USAGE}"));
                }
                _ => options.words.push(argument.clone()),
            }
        }
        Ok(options)
    }
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| format!("invalid value '{text}' for '--runs': expected a number of 1 or more"))
}

impl Suite {
    fn run(&mut self) {
        self.start();
        self.import();
        self.query();
        self.archive();
        self.fetch();
        self.scripts();
        self.size();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn wants(&self, bench: &str) -> bool {
        self.options.words.is_empty() || self.options.words.iter().any(|word| bench.contains(word.as_str()))
    }

    fn wants_any(&self, benches: &[&str]) -> bool {
        benches.iter().any(|bench| self.wants(bench))
    }
}
