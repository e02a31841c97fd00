//! Other commands while history is archived: each query sees every row once, and what is written meanwhile is kept.

use std::collections::BTreeMap;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::archived::{
    BARS, TRADES, assert_same, assert_tidy, compress, corrections, has_staged, hot, manifest, moved, rows,
};
use crate::fetch::{DAY, Stage, at, expected};
use crate::harness::{Counts, Sandbox};
use crate::market::{NOW, Shape};
use crate::sample::minute_bars;

/// A command on the archive that stands still between its snapshot and its publication.
pub(crate) struct Paused<'s> {
    sandbox: &'s Sandbox,
    child: Child,
}

impl<'s> Paused<'s> {
    /// Starts `barn` with these arguments and stops it as soon as it writes a file.
    pub(crate) fn start(sandbox: &'s Sandbox, arguments: &[&str]) -> Self {
        let before = manifest(sandbox);
        let child = sandbox.barn_command(arguments).spawn().unwrap();
        let paused = Self { sandbox, child };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !has_staged(sandbox) {
            assert!(Instant::now() < deadline, "no file is written");
            thread::sleep(Duration::from_millis(1));
        }
        paused.signal("STOP");
        assert!(has_staged(sandbox), "it was too fast to be stopped");
        assert_eq!(manifest(sandbox), before, "it was too fast to be stopped");
        paused
    }

    fn signal(&self, name: &str) {
        self.sandbox.shell(&format!("kill -{name} {}", self.child.id())).ok();
    }

    /// Lets it go on to its end.
    pub(crate) fn go_on(mut self) -> Option<i32> {
        self.signal("CONT");
        self.sandbox.wait(&mut self.child, "barn on the archive")
    }
}

#[test]
fn what_is_written_between_the_snapshot_and_the_publication_is_kept() {
    let sandbox = Sandbox::new();
    let whole = Sandbox::new();
    for folder in [&sandbox, &whole] {
        folder.write("a.csv", minute_bars(10, 6_000));
        // An update, an update to the same values, a row before, between and behind, a new series, an open row.
        folder.write(
            "b.csv",
            "ts,symbol,close,final\n1704067200,SYM001,1.5,true\n1704067260,SYM002,,true\n1600000000,SYM001,2,true\n\
             1704067201,SYM003,3,true\n1900000000,SYM003,4,true\n1704067200,NEW,5,true\n1704067320,SYM009,6,false\n",
        );
        folder.store("bars a.csv --set timeframe=1m");
    }
    let paused = Paused::start(&sandbox, &["compress", "--all"]);
    for folder in [&sandbox, &whole] {
        let stored = folder.store("bars b.csv --set timeframe=1m");
        assert_eq!((stored.updated, stored.unchanged, stored.inserted), (2, 1, 4));
    }
    let expected = rows(&whole, BARS);
    assert_same(&rows(&sandbox, BARS), &expected);
    // Nobody else archives meanwhile.
    let refused = sandbox.barn(["compress", "--all"]).fails(1);
    refused.says(&["cannot write to the archive of store './barn': another process is doing it"]);
    assert_eq!(paused.go_on(), Some(0));
    assert_same(&rows(&sandbox, BARS), &expected);
    assert_eq!((hot(&sandbox, "bars"), corrections(&sandbox, "bars")), (6, 2));
    assert_tidy(&sandbox);
    assert_eq!(moved(&sandbox, "--all"), 4);
    assert_same(&rows(&sandbox, BARS), &expected);
    assert_eq!((hot(&sandbox, "bars"), corrections(&sandbox, "bars")), (2, 2));
    assert_tidy(&sandbox);
}

#[test]
fn ticks_that_come_between_the_snapshot_and_the_publication_are_kept() {
    let sandbox = Sandbox::new();
    let whole = Sandbox::new();
    let lines: String = (0..60_000).map(|at| format!("{},{},1\n", at / 3, at % 2)).collect();
    for folder in [&sandbox, &whole] {
        folder.write("a.csv", format!("ts,price,size\n{lines}"));
        folder.write("b.csv", "ts,price,size\n5,0,1\n5,0,1\n5,0,1\n5,0,1\n6,7,1\n700000,1,1\n");
        folder.store("trades a.csv --set symbol=A");
    }
    let paused = Paused::start(&sandbox, &["compress", "--all"]);
    let stored = [&sandbox, &whole].map(|folder| folder.store("trades b.csv --set symbol=A"));
    assert_eq!(stored[0], stored[1]);
    assert_eq!(paused.go_on(), Some(0));
    let expected = rows(&whole, TRADES);
    assert_same(&rows(&sandbox, TRADES), &expected);
    assert_eq!(hot(&sandbox, "trades").unsigned_abs(), stored[0].inserted);
    compress(&sandbox, "--all");
    assert_eq!(hot(&sandbox, "trades"), 0);
    assert_same(&rows(&sandbox, TRADES), &expected);
    assert_eq!(sandbox.store("trades b.csv --set symbol=A"), Counts::same_rows(6));
}

#[test]
fn a_column_that_widens_meanwhile_ends_the_run_and_the_next_one_goes_on() {
    let sandbox = Sandbox::new();
    let lines: String = (0..60_000).map(|at| format!("{at},A,{}\n", at * 7 % 1_000)).collect();
    sandbox.write("a.csv", format!("ts,place,count\n{lines}"));
    sandbox.store("visits a.csv --key place --time ts");
    let paused = Paused::start(&sandbox, &["compress", "--all"]);
    sandbox.write("b.csv", "ts,place,count\n70000,A,0.5\n");
    assert_eq!(sandbox.store("visits b.csv --add-columns"), Counts::new_rows(1));
    let sql = "SELECT * FROM visits ORDER BY place, ts";
    let before = rows(&sandbox, sql);
    assert_eq!(paused.go_on(), Some(1));
    assert_same(&rows(&sandbox, sql), &before);
    assert_tidy(&sandbox);
    assert_eq!(moved(&sandbox, "--all"), 60_001);
    assert_same(&rows(&sandbox, sql), &before);
}

#[test]
fn a_table_that_gets_columns_before_its_turn_is_archived_with_them() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(10, 6_000));
    sandbox.store("bars a.csv --set timeframe=1m");
    sandbox.write("b.csv", "ts,place,count\n1,A,1\n2,A,2\n");
    sandbox.store("visits b.csv --key place --time ts");
    let paused = Paused::start(&sandbox, &["compress", "--all"]);
    sandbox.write("c.csv", "ts,place,count,more\n3,A,0.5,x\n4,A,4,y\n");
    assert_eq!(sandbox.store("visits c.csv --add-columns"), Counts::new_rows(2));
    let sql = "SELECT * FROM visits ORDER BY place, ts";
    let before = rows(&sandbox, sql);
    assert_eq!(paused.go_on(), Some(0));
    assert_eq!((hot(&sandbox, "bars"), hot(&sandbox, "visits")), (0, 0));
    assert_same(&rows(&sandbox, sql), &before);
    assert_tidy(&sandbox);
}

/// Says that it is done when it goes, also where a check fails, so that nobody works on forever.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs commands until the others are done, and counts those that ended.
fn until_done(is_done: &AtomicBool, ended: &AtomicU64, mut step: impl FnMut()) {
    let _done = Done(is_done);
    while !is_done.load(Ordering::SeqCst) {
        step();
        ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// Returns whether the others have run commands enough, which takes longer on a busy machine, or one of them failed.
fn is_enough(is_done: &AtomicBool, ended: &[&AtomicU64]) -> bool {
    is_done.load(Ordering::SeqCst) || ended.iter().all(|ended| ended.load(Ordering::SeqCst) > 2)
}

#[test]
fn writers_and_readers_at_work_all_the_time() {
    const SERIES: usize = 6;
    const ROWS: usize = 500;
    let sandbox = &Sandbox::new();
    let is_done = AtomicBool::new(false);
    let (answers, runs) = (AtomicU64::new(0), AtomicU64::new(0));
    sandbox.write("a.csv", minute_bars(SERIES, ROWS));
    sandbox.store("bars a.csv --set timeframe=1m");
    let base = SERIES * ROWS;
    let mut expected: BTreeMap<(String, u64), u64> = BTreeMap::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut last = 0;
            until_done(&is_done, &answers, || {
                // One row a key, and the rows of the beginning are always there.
                let sql = "SELECT count(*) AS n, count(DISTINCT symbol || ts) AS d,
                           sum(CASE WHEN ts >= '2024-01-01' THEN 1 ELSE 0 END) AS b FROM bars";
                let text = rows(sandbox, sql);
                let cells: Vec<&str> = text.lines().nth(1).unwrap().split(',').collect();
                assert_eq!(cells[0], cells[1], "{text}");
                assert_eq!(cells[2], base.to_string(), "{text}");
                let count: u64 = cells[0].parse().unwrap();
                assert!(count >= last, "{text}");
                last = count;
            });
        });
        scope.spawn(|| until_done(&is_done, &runs, || drop(compress(sandbox, "--all"))));
        let _done = Done(&is_done);
        // Each round updates a row of the beginning and one from the round before, and adds two.
        for round in 0_u64.. {
            if round >= 25 && is_enough(&is_done, &[&answers, &runs]) {
                break;
            }
            let lines = [
                ("SYM001".to_owned(), 1_704_067_200 + 60 * (round % 5), round + 2),
                ("SYM002".to_owned(), 1_600_000_000 + round, round + 1),
                ("SYM002".to_owned(), 1_600_000_000 + round.saturating_sub(1), round + 100),
                (format!("NEW{round}"), 1_600_000_000, round + 1),
            ];
            let mut text = String::from("ts,symbol,volume\n");
            for (symbol, ts, volume) in lines {
                text.push_str(&format!("{ts},{symbol},{volume}\n"));
                expected.insert((symbol, ts), volume);
            }
            sandbox.write("round.csv", text);
            sandbox.store("bars round.csv --set timeframe=1m");
        }
    });
    let check = || {
        for ((symbol, ts), volume) in &expected {
            let sql =
                format!("SELECT volume FROM bars WHERE symbol = '{symbol}' AND ts = to_timestamp({ts})");
            assert_eq!(rows(sandbox, &sql), format!("volume\n{volume}.0\n"), "{symbol} {ts}");
        }
    };
    compress(sandbox, "--all");
    check();
    let new = expected.keys().filter(|(_, ts)| *ts < 1_704_067_200).count();
    assert_eq!(rows(sandbox, "SELECT count(*) AS n FROM bars"), format!("n\n{}\n", base + new));
    assert_tidy(sandbox);
}

#[test]
fn a_fetch_while_history_is_archived() {
    let since = NOW - NOW % DAY - 60 * DAY;
    let extra = "[window]\nmax_points = 50\n[pagination]\nkind = \"none\"\n[concurrency]\nmax = 2";
    let stage = Stage::with(Shape::Rows, extra, |seen| {
        Some(Shape::Rows.answer(seen, NOW).after(Duration::from_millis(30)))
    });
    let until = since + 50 * DAY;
    let line = format!("AAA BBB -t 1h --since {} --until {}", at(since), at(until));
    // A store that another process is just making cannot be read yet.
    stage.fetch(&format!("AAA -t 1h --since {} --until {}", at(since), at(since + DAY))).ok();
    let (is_done, runs) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| until_done(&is_done, &runs, || drop(compress(&stage.sandbox, "--all"))));
        let _done = Done(&is_done);
        stage.fetch(&line).ok();
        loop {
            stage.fetch(&format!("{line} --refresh")).ok();
            if is_enough(&is_done, &[&runs]) {
                break;
            }
        }
    });
    let report = stage.report();
    assert!(report["read"].as_u64().unwrap() > 2_000, "{report}");
    assert_eq!(report["read"], report["unchanged"], "{report}");
    assert_same(&stage.bars(), &expected(&["AAA", "BBB"], "1h", since, until, NOW));
    compress(&stage.sandbox, "--all");
    assert_eq!(hot(&stage.sandbox, "bars"), 0);
    assert_same(&stage.bars(), &expected(&["AAA", "BBB"], "1h", since, until, NOW));
    assert_tidy(&stage.sandbox);
}
