//! What is measured while a command runs, and the record that is made of it.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::line::{Line, hide};
use super::record::{Figures, Latency, Run};
use super::usage::{self, Usage};
use crate::fs;
use crate::model::time::{now, wall_clock};

/// The longest latency that is told from longer ones: an hour.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// Digits of a latency that are kept: 190 kB, made with the first latency.
const DIGITS: u8 = 3;

/// Where a run begins.
#[derive(Clone, Copy)]
struct Start {
    instant: Instant,
    /// By the machine's clock: the one that barn sees is set when a command first asks for it.
    clock: i64,
    usage: Usage,
    writing: Duration,
}

impl Start {
    fn now() -> Self {
        Self { instant: Instant::now(), clock: wall_clock(), usage: Usage::now(), writing: fs::write_time() }
    }
}

/// A command's own figures; the command adds to them, and says whether they are worth a record.
pub struct Metrics {
    start: Cell<Start>,
    command: Cell<Option<&'static str>>,
    subject: RefCell<String>,
    figures: Cell<Figures>,
    latencies: RefCell<Option<Histogram<u64>>>,
    /// The SQL and the plan of a query that is worth a record.
    query: RefCell<(Option<String>, Option<String>)>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            start: Cell::new(Start::now()),
            command: Cell::default(),
            subject: RefCell::default(),
            figures: Cell::default(),
            latencies: RefCell::default(),
            query: RefCell::default(),
        }
    }
}

/// How a run ended, and what it is known by.
#[derive(Clone, Debug, Default)]
pub struct Ending<'a> {
    /// The command line.
    pub line: Line,
    /// The name of the group it belongs to.
    pub label: Option<&'a str>,
    /// How it ended.
    pub exit_code: u8,
    /// Why it failed.
    pub error: Option<String>,
}

impl Metrics {
    /// Says that this run leaves a record under the name of a command.
    pub fn begin(&self, command: &'static str) {
        self.command.set(Some(command));
    }

    /// Says that this run leaves no record after all.
    pub fn cancel(&self) {
        self.command.set(None);
    }

    /// Returns whether this run leaves a record.
    pub fn is_recorded(&self) -> bool {
        self.command.get().is_some()
    }

    /// Begins another run of the same command.
    pub fn restart(&self) {
        self.start.set(Start::now());
        self.figures.set(Figures::default());
        *self.latencies.borrow_mut() = None;
    }

    /// Says what the command works on: its table, for a fetch source, table and timeframe.
    pub fn subject(&self, subject: &str) {
        subject.clone_into(&mut self.subject.borrow_mut());
    }

    /// Adds to what the command did.
    pub fn add(&self, add: impl FnOnce(&mut Figures)) {
        let mut figures = self.figures.get();
        add(&mut figures);
        self.figures.set(figures);
    }

    /// Counts an answer that took so many microseconds.
    pub fn latency(&self, micros: u64) {
        let mut latencies = self.latencies.borrow_mut();
        if latencies.is_none() {
            *latencies = Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS).ok();
        }
        if let Some(latencies) = &mut *latencies {
            latencies.saturating_record(micros.max(1));
        }
    }

    /// Keeps the text of a query, and its plan where there is one, with the record.
    pub fn query(&self, sql: &str, plan: Option<String>) {
        *self.query.borrow_mut() = (Some(sql.to_owned()), plan);
    }

    /// Returns how long the run has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.start.get().instant.elapsed()
    }

    /// Makes the record of what was measured up to now.
    pub fn finish(&self, ending: Ending<'_>) -> Run {
        let start = self.start.get();
        let (wall, usage) = (start.instant.elapsed(), Usage::now());
        let latency = self.latencies.borrow().as_ref().map(|latencies| Latency {
            p50_micros: latencies.value_at_quantile(0.5),
            p90_micros: latencies.value_at_quantile(0.9),
            p99_micros: latencies.value_at_quantile(0.99),
            max_micros: latencies.max(),
        });
        let (sql, plan) = self.query.borrow().clone();
        Run {
            id: 0,
            command: self.command.get().unwrap_or_default().to_owned(),
            line: ending.line.text,
            kind: ending.line.kind,
            subject: hide(&self.subject.borrow()),
            label: ending.label.map(ToOwned::to_owned),
            host: usage::host(),
            cores: usage::cores(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: start.clock.saturating_add(now().saturating_sub(wall_clock())),
            exit_code: ending.exit_code,
            error: ending.error.map(|error| hide(&error)),
            wall_micros: micros(wall),
            cpu_micros: micros(usage.cpu.saturating_sub(start.usage.cpu)),
            stalled_micros: micros(usage.stalled.saturating_sub(start.usage.stalled).min(wall)),
            memory_bytes: usage::peak_memory(),
            disk_micros: micros(fs::write_time().saturating_sub(start.writing)),
            written_bytes: usage.written_bytes.saturating_sub(start.usage.written_bytes),
            figures: self.figures.get(),
            latency,
            sql,
            plan,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_what_the_command_told() {
        let metrics = Metrics::default();
        assert!(!metrics.is_recorded());
        metrics.begin("fetch");
        metrics.subject("http://a/?apikey=Canary");
        assert_eq!(metrics.finish(Ending::default()).subject, "http://a/?apikey=***");
        metrics.subject("binance bars 1h");
        metrics.add(|figures| figures.rows_in += 2);
        metrics.add(|figures| figures.rows_in += 3);
        (1..=100).for_each(|at| metrics.latency(at * 1_000));
        metrics.latency(u64::MAX);
        let error = Some("cannot ask http://a:b@c/".to_owned());
        let run = metrics.finish(Ending { label: Some("x"), exit_code: 6, error, ..Ending::default() });
        assert_eq!((run.command.as_str(), run.subject.as_str()), ("fetch", "binance bars 1h"));
        assert_eq!((run.figures.rows_in, run.exit_code, run.label.as_deref()), (5, 6, Some("x")));
        assert_eq!(run.error.as_deref(), Some("cannot ask http://***@c/"));
        let latency = run.latency.unwrap();
        assert!((50_000..=51_100).contains(&latency.p50_micros), "{}", latency.p50_micros);
        assert!((99_000..=101_000).contains(&latency.p99_micros), "{}", latency.p99_micros);
        assert!(latency.max_micros >= LONGEST_MICROS);
        metrics.restart();
        let run = metrics.finish(Ending::default());
        assert_eq!((run.figures, run.latency), (Figures::default(), None));
    }
}
