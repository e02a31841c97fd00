//! Others read and write while the archive is rewritten: each query sees every row once, and what is written is kept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{optimize, try_optimize};
use crate::compress::archived::{BARS, assert_same, corrections, moved, rows};
use crate::compress::concurrent::Paused;
use crate::harness::Sandbox;
use crate::sample::minute_bars;

#[test]
fn what_is_written_while_files_are_joined_is_kept() {
    let (sandbox, whole) = (Sandbox::new(), Sandbox::new());
    for folder in [&sandbox, &whole] {
        folder.write("a.csv", minute_bars(10, 6_000));
        folder.write("late.csv", "ts,symbol,close\n1704067200,SYM001,1.5\n1704067260,SYM002,2.5\n");
        folder.write(
            "b.csv",
            "ts,symbol,close\n1704067200,SYM001,7.5\n1704067320,SYM003,8.5\n1600000000,SYM001,2\n1704067380,NEW,5\n",
        );
        folder.store("bars a.csv --set timeframe=1m");
    }
    for time in ["2024-01-02", "2024-01-03", "2024-01-04"] {
        moved(&sandbox, &format!("--before {time}"));
    }
    for folder in [&sandbox, &whole] {
        assert_eq!(folder.store("bars late.csv --set timeframe=1m").updated, 2);
    }
    let paused = Paused::start(&sandbox, &["optimize", "--only", "compact"]);
    for folder in [&sandbox, &whole] {
        let stored = folder.store("bars b.csv --set timeframe=1m");
        assert_eq!((stored.updated, stored.inserted), (2, 2));
    }
    let expected = rows(&whole, BARS);
    assert_same(&rows(&sandbox, BARS), &expected);
    sandbox
        .barn(["delete", "bars", "--where", "true", "--yes"])
        .fails(1)
        .says(&["another process is doing it"]);
    assert_eq!(paused.go_on(), Some(0));
    assert_same(&rows(&sandbox, BARS), &expected);
    // The first correction was corrected again, the third is new; the second is in the file.
    let left = corrections(&sandbox, "bars");
    assert!(left == 2 || left == 0, "{left}");
    optimize(&sandbox, "");
    assert_same(&rows(&sandbox, BARS), &expected);
    assert_eq!(corrections(&sandbox, "bars"), 0);
}

#[test]
fn loops_of_everything_lose_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(5, 400));
    sandbox.store("bars a.csv --set timeframe=1m");
    let over = AtomicBool::new(false);
    let is_over = || over.load(Ordering::SeqCst);
    let stored = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 0;
            while !is_over() {
                number += 1;
                let line = format!("ts,symbol,close\n{},SYM001,{number}\n", 1_704_067_200 + number);
                sandbox.write("w.csv", line);
                let stored = sandbox.store("bars w.csv --set timeframe=1s");
                assert_eq!(stored.inserted, 1);
                sandbox.write("c.csv", format!("ts,symbol,close\n1704067200,SYM002,{number}.25\n"));
                sandbox.store("bars c.csv --set timeframe=1m");
            }
            number
        });
        let upkeep = scope.spawn(|| {
            while !is_over() {
                sandbox.barn(["compress", "--all", "-q"]).ok();
                try_optimize(&sandbox, "2024-06-01T00:00:00Z", "-q").ok();
            }
        });
        let reader = scope.spawn(|| {
            let mut last = 0;
            while !is_over() {
                let sql =
                    "SELECT count(*) AS n FROM (SELECT DISTINCT source, symbol, timeframe, ts FROM bars)";
                let now: i64 = sandbox.value(sql).parse().unwrap();
                let all: i64 = sandbox.value("SELECT count(*) AS n FROM bars").parse().unwrap();
                assert!(last <= now && now <= all, "{last} {now} {all}");
                last = now;
            }
        });
        thread::sleep(Duration::from_secs(6));
        over.store(true, Ordering::SeqCst);
        upkeep.join().unwrap();
        reader.join().unwrap();
        writer.join().unwrap()
    });
    assert!(stored > 3, "only {stored} rows were stored");
    let count = || sandbox.value("SELECT count(*) AS n FROM bars");
    assert_eq!(count(), (2_000 + stored).to_string());
    optimize(&sandbox, "");
    assert_eq!(count(), (2_000 + stored).to_string());
    let newest = sandbox.value("SELECT close FROM bars WHERE symbol = 'SYM002' AND ts = '2024-01-01'");
    assert_eq!(newest, format!("{stored}.25"));
}
