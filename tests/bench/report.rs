//! The figures as a table, as CSV lines and as a Markdown report.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::Suite;
use super::baseline::{Baseline, Machine, Timing};
use super::run::{BARN, Run, output};

/// What one program did, or left behind.
pub(super) struct Figure {
    pub(super) program: String,
    /// None where only bytes are compared.
    pub(super) runs: Vec<Run>,
    /// What the rows take, where that is measured.
    pub(super) bytes: u64,
}

/// The programs of one bench; the others are compared with the first.
pub(super) struct Line {
    pub(super) bench: &'static str,
    pub(super) rows: usize,
    pub(super) figures: Vec<Figure>,
}

/// A row of the table of what the scripts did and what barn does.
pub(super) struct Headline {
    work: &'static str,
    theirs: String,
    ours: String,
    factor: f64,
    command: String,
}

impl Figure {
    pub(super) fn new(program: &str) -> Self {
        Self { program: program.to_owned(), runs: Vec::new(), bytes: 0 }
    }

    pub(super) fn of_bytes(program: &str, bytes: u64) -> Self {
        Self { bytes, ..Self::new(program) }
    }

    fn walls(&self) -> Vec<Duration> {
        self.runs.iter().map(|run| run.wall).collect()
    }

    fn wall(&self) -> Duration {
        middle(self.walls())
    }

    fn cpu(&self) -> Duration {
        middle(self.runs.iter().map(|run| run.cpu).collect())
    }

    fn peak_mb(&self) -> f64 {
        self.runs.iter().map(|run| run.peak_mb).fold(0.0, f64::max)
    }

    fn shown(&self) -> String {
        if self.runs.is_empty() { megabytes(self.bytes) } else { milliseconds(self.wall()) }
    }

    #[allow(clippy::cast_precision_loss, reason = "a figure with two digits")]
    fn size(&self) -> f64 {
        if self.runs.is_empty() { self.bytes as f64 } else { self.wall().as_secs_f64() }
    }

    fn timing(&self, bench: &str) -> Timing {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Timing {
            bench: bench.to_owned(),
            program: self.program.clone(),
            walls_ns: self.runs.iter().map(|run| nanos(run.wall)).collect(),
            cpu_ns: self.runs.iter().map(|run| nanos(run.cpu)).collect(),
            peak_kb: kilobytes(self.peak_mb()),
        }
    }
}

impl Suite {
    /// Notes what the last bench says about the scripts that barn replaces, where both sides were measured.
    pub(super) fn headline(&mut self, work: &'static str, bench: &str, theirs: &str, ours: &str) {
        let Some(line) = self.lines.last().filter(|line| line.bench == bench) else { return };
        let figure = |name: &str| line.figures.iter().find(|figure| figure.program == name);
        let (Some(theirs), Some(ours)) = (figure(theirs), figure(ours)) else { return };
        self.headlines.push(Headline {
            work,
            theirs: format!("{}: {}", theirs.program, theirs.shown()),
            ours: ours.shown(),
            factor: theirs.size() / ours.size(),
            command: format!("cargo bench -- '{bench}'"),
        });
    }

    /// Returns all figures, to be saved or compared.
    pub(super) fn baseline(&self) -> Baseline {
        let timings = self.lines.iter().flat_map(|line| {
            let measured = line.figures.iter().filter(|figure| !figure.runs.is_empty());
            measured.map(|figure| figure.timing(line.bench))
        });
        Baseline::new(today(), commit(), timings.collect())
    }

    pub(super) fn print_csv(&self) {
        println!("date,commit,machine,bench,rows,median_ns,bytes,min_ns,max_ns,cpu_ns,peak_kb");
        let (date, commit, machine) = (today(), commit(), output("uname", &["-m"]));
        for line in &self.lines {
            for figure in &line.figures {
                let (bench, program, rows, bytes) = (line.bench, &figure.program, line.rows, figure.bytes);
                let mut walls = figure.walls();
                walls.sort();
                let nanos = |time: Option<&Duration>| {
                    time.map_or_else(String::new, |time| time.as_nanos().to_string())
                };
                let (median, cpu) = (figure.wall(), figure.cpu());
                let has_run = !figure.runs.is_empty();
                println!(
                    "{date},{commit},{machine},\"{bench} ({program})\",{rows},{},{bytes},{},{},{},{}",
                    nanos(has_run.then_some(&median)),
                    nanos(walls.first()),
                    nanos(walls.last()),
                    nanos(has_run.then_some(&cpu)),
                    kilobytes(figure.peak_mb())
                );
            }
        }
        self.print_sizes_csv(&format!("{date},{commit},{machine}"));
    }

    /// Returns what is printed at the end, in Markdown.
    pub(super) fn tables(&self) -> String {
        let parts = [self.table(), self.headline_table(), self.sizes_table()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// Returns the whole report, in Markdown.
    pub(super) fn report(&self, comparison: &str) -> String {
        let (machine, runs) = (Machine::here(), self.options.runs);
        let mut text = format!(
            "# Benchmarks of barn\n\n{}, commit {}, on {machine}.\n\nMedians of {runs} whole-process runs, taken in turn; \
             CPU is the time of all cores in user and system mode,\npeak MB the most memory that a run had.\n\n{}",
            today(),
            commit(),
            self.tables()
        );
        if !comparison.is_empty() {
            write!(text, "\n{comparison}").unwrap();
        }
        text
    }

    fn table(&self) -> String {
        if self.lines.is_empty() {
            return String::new();
        }
        let mut text =
            "| bench | program | median | min–max | rows/s | CPU | peak MB | against the first |\n\
                        | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
                .to_owned();
        for line in &self.lines {
            for figure in line.figures.iter().filter(|figure| !figure.runs.is_empty()) {
                text.push_str(&row(line, figure));
            }
            for figure in line.figures.iter().filter(|figure| figure.bytes > 0) {
                #[allow(clippy::cast_precision_loss, reason = "a figure with two digits")]
                let per_row = figure.bytes as f64 / line.rows as f64;
                let (bench, program) = (line.bench, &figure.program);
                writeln!(text, "| {bench}, bytes a row | {program} | {per_row:.1} | | | | | |").unwrap();
            }
        }
        text
    }

    fn headline_table(&self) -> String {
        if self.headlines.is_empty() {
            return String::new();
        }
        let mut text =
            "What the scripts did, and what barn does:\n\n| work | theirs | barn | factor | command |\n\
                        | --- | --- | ---: | ---: | --- |\n"
                .to_owned();
        for Headline { work, theirs, ours, factor, command } in &self.headlines {
            writeln!(text, "| {work} | {theirs} | {ours} | {factor:.1}x | `{command}` |").unwrap();
        }
        text
    }
}

fn row(line: &Line, figure: &Figure) -> String {
    let wall = figure.wall().as_secs_f64();
    let base = line.figures[0].wall().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "a figure with two digits")]
    let rate = if line.rows == 0 { String::new() } else { format!("{:.2} M", line.rows as f64 / wall / 1e6) };
    let peak = figure.peak_mb();
    let peak = if peak > 0.0 { format!("{peak:.0}") } else { String::new() };
    let walls = figure.walls();
    let ends =
        (walls.iter().min().copied().unwrap_or_default(), walls.iter().max().copied().unwrap_or_default());
    format!(
        "| {} | {} | {} | {:.1}–{:.1} | {rate} | {} | {peak} | {:.2}x |\n",
        line.bench,
        figure.program,
        milliseconds(figure.wall()),
        ends.0.as_secs_f64() * 1e3,
        ends.1.as_secs_f64() * 1e3,
        milliseconds(figure.cpu()),
        wall / base
    )
}

/// Returns the folder of saved baselines: below the one where cargo builds.
pub(super) fn baselines() -> PathBuf {
    let built = PathBuf::from(BARN).parent().and_then(|path| path.parent()).map(PathBuf::from);
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).or(built);
    target.unwrap_or_default().join("barn-bench")
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

#[allow(clippy::cast_precision_loss, reason = "a figure with two digits")]
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a peak is far below 2^53 bytes")]
fn kilobytes(megabytes: f64) -> u64 {
    (megabytes * 1e3) as u64
}

fn today() -> String {
    output("date", &["-u", "+%Y-%m-%d"])
}

fn commit() -> String {
    output("git", &["rev-parse", "--short", "HEAD"])
}
