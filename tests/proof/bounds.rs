//! Stores that are large in one direction: rows, series, files, columns. Each command stays within a GiB; the figures
//! of the long form are in the README.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

use crate::harness::Sandbox;
use crate::sample::Numbers;
use crate::times;

/// What every command may have of memory.
const MOST_BYTES: i64 = 1 << 30;

/// Runs commands one after the other, and says how long each took and what the largest had so far.
struct Measured {
    folder: Sandbox,
    peak: i64,
}

impl Measured {
    fn new() -> Self {
        Self { folder: Sandbox::new(), peak: 0 }
    }

    /// Runs `barn` while `write` feeds its input; returns what it printed.
    fn run(&mut self, words: &[&str], write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send) -> String {
        let started = Instant::now();
        let mut command = self.folder.barn_command(words);
        command.stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = BufWriter::with_capacity(1 << 20, child.stdin.take().unwrap());
        let output = thread::scope(|scope| {
            scope.spawn(move || {
                // A command that fails, or reads no input, has closed it.
                drop(write(&mut input).and_then(|()| input.flush()));
            });
            child.wait_with_output().unwrap()
        });
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() * 1_024;
        let seconds = started.elapsed().as_secs_f64();
        let shown = if peak > self.peak { format!("{} MiB", peak >> 20) } else { "no more".to_owned() };
        eprintln!("{seconds:8.2} s, {shown:>8}: {}", words.join(" "));
        self.peak = peak;
        assert!(peak < MOST_BYTES, "{words:?} had {} MiB", peak >> 20);
        String::from_utf8(output.stdout).unwrap()
    }

    fn barn(&mut self, line: &str) -> String {
        self.run(&line.split_whitespace().collect::<Vec<_>>(), |_| Ok(()))
    }

    fn query(&mut self, sql: &str) -> String {
        self.run(&["query", sql, "--no-cache", "--format", "csv"], |_| Ok(()))
    }
}

/// Writes bars of many series, a series after the other, `step` seconds apart.
fn write_bars(to: &mut dyn Write, series: u64, rows: u64, step: u64) -> io::Result<()> {
    let mut numbers = Numbers::new(7);
    writeln!(to, "ts,symbol,open,high,low,close,volume")?;
    for symbol in 0..series {
        let mut price = 10_000;
        for row in 0..rows {
            let open = price;
            price = (price + numbers.below(21)).saturating_sub(10).max(100);
            let (high, low) = (open.max(price) + numbers.below(5), open.min(price) - numbers.below(5));
            let (ts, volume) = (1_600_000_000 + row * step, numbers.below(100_000));
            write!(to, "{ts},S{symbol:06}")?;
            for price in [open, high, low, price] {
                write!(to, ",{}.{:02}", price / 100, price % 100)?;
            }
            writeln!(to, ",{volume}")?;
        }
    }
    Ok(())
}

const STORE: [&str; 6] = ["store", "bars", "-", "--set", "timeframe=1s", "-q"];

#[test]
fn many_rows() {
    let (series, rows) = (times(20, 500), times(10_000, 100_000));
    let mut barn = Measured::new();
    barn.run(&STORE, |to| write_bars(to, series, rows, 1));
    let count = format!("n\n{}\n", series * rows);
    assert_eq!(barn.query("SELECT count(*) AS n FROM bars"), count);
    barn.barn("compress --all");
    assert_eq!(barn.query("SELECT count(*) AS n FROM bars"), count);
    for sql in [
        "SELECT symbol, sum(volume) AS v, max(high) AS h FROM bars GROUP BY symbol ORDER BY 1",
        "SELECT * FROM bars WHERE symbol = 'S000007' AND ts >= '2020-09-13 13:00:00' AND ts < '2020-09-13 14:00:00'",
        "SELECT symbol, time_bucket('1 hour', ts) AS t, first(open, ts) AS o, last(close, ts) AS c FROM bars GROUP BY 1, 2",
        "SELECT symbol, ts, close FROM bars ORDER BY close DESC, symbol, ts LIMIT 10",
    ] {
        barn.query(sql);
    }
    barn.barn("optimize");
}

#[test]
fn many_series() {
    let series = times(2_000, 100_000);
    let mut barn = Measured::new();
    barn.run(&STORE, |to| write_bars(to, series, 10, 60));
    barn.run(&STORE, |to| write_bars(to, series, 10, 60));
    let count = format!("n,s\n{},{series}\n", series * 10);
    let sql = "SELECT count(*) AS n, count(DISTINCT symbol) AS s FROM bars";
    assert_eq!(barn.query(sql), count);
    barn.query("SELECT * FROM bars WHERE symbol = 'S000007'");
    barn.barn("compress --all");
    assert_eq!(barn.query(sql), count);
    barn.query("SELECT * FROM bars WHERE symbol = 'S000007'");
    barn.barn("info");
    barn.barn("optimize");
}

#[test]
fn many_files() {
    let sources = times(100, 10_000);
    let mut barn = Measured::new();
    barn.run(&["store", "bars", "-", "--set", "timeframe=1m", "-q"], |to| {
        writeln!(to, "ts,source,symbol,close")?;
        for source in 0..sources {
            for row in 0..10 {
                writeln!(to, "{},s{source:05},A,{source}.{row}", 1_600_000_000 + row * 60)?;
            }
        }
        Ok(())
    });
    barn.barn("compress --all");
    let files: i64 =
        barn.folder.sqlite().query_row("SELECT count(*) FROM manifest", [], |row| row.get(0)).unwrap();
    assert_eq!(files.unsigned_abs(), sources);
    let count = format!("n\n{}\n", sources * 10);
    assert_eq!(barn.query("SELECT count(*) AS n FROM bars WHERE close >= 0"), count);
    barn.query("SELECT * FROM bars WHERE source = 's00007'");
    barn.barn("optimize");
    barn.barn("optimize --only verify --full");
}

#[test]
fn many_columns() {
    let (columns, rows) = (200, times(2_000, 200_000));
    let mut barn = Measured::new();
    barn.run(&["store", "wide", "-", "--key", "symbol", "--time", "ts", "-q"], |to| {
        let mut line = String::from("ts,symbol");
        (0..columns).for_each(|column| write!(line, ",c{column}").unwrap());
        writeln!(to, "{line}")?;
        for row in 0..rows {
            line.clear();
            write!(line, "{},A", 1_600_000_000 + row).unwrap();
            (0..columns).for_each(|column| write!(line, ",{}.5", row * 7 + column).unwrap());
            writeln!(to, "{line}")?;
        }
        Ok(())
    });
    let sql = "SELECT count(*) AS n, sum(c0) AS a, sum(c199) AS z FROM wide";
    let sums = barn.query(sql);
    barn.barn("compress --all");
    assert_eq!(barn.query(sql), sums);
    barn.query("SELECT * FROM wide ORDER BY c100 DESC LIMIT 3");
    barn.barn("optimize");
}
