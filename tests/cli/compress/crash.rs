//! A process that archives and dies, at each step: every row is there once, and the same command completes.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use barn::archive::KILL_POINTS;

use super::archived::{
    BARS, TRADES, assert_same, assert_tidy, compress, corrections, hot, manifest, moved, rows,
};
use crate::harness::{Counts, Sandbox};
use crate::sample::{Numbers, minute_bars};

/// Trades of which many are the same.
fn trades() -> String {
    let lines = (0..200).map(|at| format!("{},{},1\n", at / 7, at % 3));
    format!("ts,price,size\n{}", lines.collect::<String>())
}

const TABLES: [(&str, &str, &str); 2] =
    [("bars", "bars.csv --set timeframe=1m", BARS), ("trades", "trades.csv --set symbol=A", TRADES)];

/// A folder with two tables, two datasets in one of them, and a copy of its database for each case.
struct Template {
    sandbox: Sandbox,
    bars: u64,
}

impl Template {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("bars.csv", minute_bars(3, 80));
        sandbox.write("trades.csv", trades());
        sandbox.store("bars bars.csv --set timeframe=1h");
        sandbox.store("bars bars.csv --set timeframe=1m");
        sandbox.store("trades trades.csv --set symbol=A");
        Self { sandbox, bars: 240 }
    }

    fn copy(&self) -> Sandbox {
        let copy = Sandbox::new();
        for name in ["bars.csv", "trades.csv", "barn/barn.db"] {
            copy.write(name, self.sandbox.read(name));
        }
        copy
    }

    /// Stores the same rows again, which changes nothing.
    #[track_caller]
    fn store_again(&self, sandbox: &Sandbox) {
        for (table, line, _) in TABLES {
            let count = if table == "bars" { self.bars } else { 200 };
            assert_eq!(sandbox.store(&format!("{table} {line}")), Counts::same_rows(count));
        }
    }
}

/// Compresses until the process dies at a point.
#[track_caller]
fn die(sandbox: &Sandbox, point: &str, line: &str) {
    let mut command = sandbox.barn_command(["compress"].into_iter().chain(line.split_whitespace()));
    command.env("BARN_KILL", point);
    let (code, done) = sandbox.run(command, None).any();
    done.check(code.is_none(), &format!("expected to die at '{point}'"));
}

#[test]
fn at_every_point_of_the_protocol() {
    let template = Template::new();
    for (table, _, _) in TABLES {
        for point in KILL_POINTS {
            let sandbox = template.copy();
            let before = TABLES.map(|(_, _, sql)| rows(&sandbox, sql));
            let check = || {
                for ((_, _, sql), before) in TABLES.iter().zip(&before) {
                    assert_same(&rows(&sandbox, sql), before);
                }
            };
            die(&sandbox, point, &format!("--all --table {table}"));
            check();
            template.store_again(&sandbox);
            check();
            compress(&sandbox, "--all");
            check();
            assert_eq!((hot(&sandbox, "bars"), hot(&sandbox, "trades")), (0, 0), "{point}");
            assert_eq!(manifest(&sandbox).len(), 3, "{point}");
            assert_tidy(&sandbox);
            template.store_again(&sandbox);
            compress(&sandbox, "--all").says(&["nothing to compress"]);
        }
    }
}

#[test]
fn at_one_point_after_the_other_in_the_same_store() {
    let template = Template::new();
    let sandbox = template.copy();
    let before = TABLES.map(|(_, _, sql)| rows(&sandbox, sql));
    // Behind the publication there would be nothing left to die with.
    let all = KILL_POINTS.iter().filter(|point| !matches!(**point, "compress.published" | "compress.end"));
    for point in all.clone().chain(all.clone().rev()) {
        die(&sandbox, point, "--all");
    }
    for ((_, _, sql), before) in TABLES.iter().zip(&before) {
        assert_same(&rows(&sandbox, sql), before);
    }
    assert_eq!(moved(&sandbox, "--all"), 2 * template.bars + 200);
    assert_tidy(&sandbox);
    for ((_, _, sql), before) in TABLES.iter().zip(&before) {
        assert_same(&rows(&sandbox, sql), before);
    }
}

#[test]
fn rows_written_between_the_death_and_the_next_run_are_kept() {
    let template = Template::new();
    let changed =
        "ts,symbol,close,volume\n1704067200,SYM001,1.5,7\n1704067260,SYM002,,8\n1600000000,SYM001,2,2\n";
    let ticks = "ts,price,size\n0,0,1\n0,0,1\n0,0,1\n0,0,1\n0,9,1\n1,0.5,1\n";
    let write = |sandbox: &Sandbox| {
        sandbox.write("changed.csv", changed);
        sandbox.write("ticks.csv", ticks);
        let stored = sandbox.store("bars changed.csv --set timeframe=1m");
        assert_eq!((stored.updated, stored.inserted), (2, 1));
        assert_eq!(sandbox.store("trades ticks.csv --set symbol=A").inserted, 3);
    };
    let expected = template.copy();
    write(&expected);
    let expected = TABLES.map(|(_, _, sql)| rows(&expected, sql));
    for point in KILL_POINTS {
        let sandbox = template.copy();
        die(&sandbox, point, "--all --table bars");
        die(&sandbox, point, "--all --table trades");
        write(&sandbox);
        let check = || {
            for ((_, _, sql), expected) in TABLES.iter().zip(&expected) {
                assert_same(&rows(&sandbox, sql), expected);
            }
        };
        check();
        compress(&sandbox, "--all");
        check();
        let is_published = matches!(*point, "compress.published" | "compress.end");
        let stayed = if is_published { 2 } else { 0 };
        assert_eq!((hot(&sandbox, "bars"), hot(&sandbox, "trades")), (stayed, 0), "{point}");
        assert_eq!(corrections(&sandbox, "bars"), stayed, "{point}");
        assert_tidy(&sandbox);
    }
}

#[test]
fn at_any_moment_tens_of_times() {
    let sandbox = Sandbox::new();
    let whole = Sandbox::new();
    let mut numbers = Numbers::new(11);
    let (mut rounds, mut killed, mut stored) = (0, 0, 0);
    let mut longest = Duration::from_millis(300);
    while killed < 30 {
        rounds += 1;
        assert!(rounds < 200, "only {killed} of {rounds} runs were killed at work");
        if stored == 0 || hot(&sandbox, "bars") == 0 {
            // More rows, in the middle of the archived times, at a source of their own.
            stored += 1;
            for folder in [&sandbox, &whole] {
                folder.write("a.csv", minute_bars(4, 1_000));
                folder.store(&format!("bars a.csv --set timeframe=1m --set source=s{stored}"));
            }
        }
        let mut command = sandbox.barn_command(["compress", "--all"]);
        let started = Instant::now();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_micros(numbers.below(u64::try_from(longest.as_micros()).unwrap())));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            longest = longest.min(started.elapsed());
        } else {
            killed += 1;
        }
        let sql = "SELECT count(*) AS n, count(DISTINCT source || symbol || ts) AS d FROM bars";
        assert_eq!(rows(&sandbox, sql), format!("n,d\n{0},{0}\n", stored * 4_000));
    }
    assert_same(&rows(&sandbox, BARS), &rows(&whole, BARS));
    compress(&sandbox, "--all");
    assert_eq!(hot(&sandbox, "bars"), 0);
    assert_same(&rows(&sandbox, BARS), &rows(&whole, BARS));
    assert_tidy(&sandbox);
}

#[test]
fn an_interrupt_cleans_up_and_says_so() {
    for signal in ["INT", "TERM"] {
        let sandbox = Sandbox::new();
        sandbox.write("a.csv", minute_bars(20, 4_000));
        sandbox.store("bars a.csv --set timeframe=1m");
        let before = rows(&sandbox, BARS);
        let mut child = sandbox.barn_command(["compress", "--all"]).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while super::archived::files(&sandbox).is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        sandbox.shell(&format!("kill -{signal} {}", child.id())).ok();
        assert_eq!(sandbox.wait(&mut child, "barn compress"), Some(130), "{signal}");
        assert_eq!(hot(&sandbox, "bars"), 80_000);
        assert_tidy(&sandbox);
        assert_same(&rows(&sandbox, BARS), &before);
    }
}
