//! The same command again changes nothing, whenever the one before it ended.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::{Counts, Sandbox};
use crate::sample::minute_bars;

#[test]
fn storing_twice_writes_no_page() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(20, 500));
    assert_eq!(sandbox.store("bars a.csv --set timeframe=1m"), Counts::new_rows(10_000));
    let before = sandbox.contents("barn");
    let rows = sandbox.query("SELECT * FROM bars ORDER BY symbol, ts");
    assert_eq!(sandbox.store("bars a.csv --set timeframe=1m"), Counts::same_rows(10_000));
    sandbox.contents("barn").assert_same(&before);
    assert!(sandbox.query("SELECT * FROM bars ORDER BY symbol, ts") == rows);
}

#[test]
fn transactions_of_any_size_store_the_same() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(4, 250));
    let sql = "SELECT * FROM bars ORDER BY symbol, ts";
    sandbox.store_in("whole", "bars a.csv --set timeframe=1m");
    for rows in [1, 7, 999, 1_000, 1_001] {
        let store = format!("by-{rows}");
        let counts =
            sandbox.store_in(&store, &format!("bars a.csv --set timeframe=1m --transaction-rows {rows}"));
        assert_eq!(counts, Counts::new_rows(1_000), "{rows}");
        assert!(sandbox.query_in(&store, sql) == sandbox.query_in("whole", sql), "{rows}");
    }
}

#[test]
fn a_late_bad_transaction_keeps_the_earlier_ones_and_says_so() {
    let sandbox = Sandbox::new();
    // More than one block of the reader, so that several transactions are behind the bad one.
    let mut text = minute_bars(30, 10_000);
    for _ in 0..20_000 {
        text.push_str("never,SYM000,1,1,1,1,1\n");
    }
    sandbox.write("a.csv", text);
    let done = sandbox.try_store("bars a.csv --set timeframe=1m --transaction-rows 1000").fails(1);
    let kept = sandbox.value("SELECT count(*) FROM bars");
    let rows: u64 = kept.parse().unwrap();
    done.check(rows > 0 && rows <= 300_000, &format!("{rows} rows stay"));
    let words = done.stderr().replace(',', "");
    done.check(words.contains(&kept), &format!("expected how far it got: {kept} rows"));
}

#[test]
fn rows_of_one_file_are_all_there_or_none() {
    let sandbox = Sandbox::new();
    let mut text = minute_bars(1, 100);
    for _ in 0..50 {
        text.push_str("never,SYM000,1,1,1,1,1\n");
    }
    sandbox.write("a.csv", text);
    sandbox.try_store("bars a.csv --set timeframe=1m").fails(1).says(&["a.csv"]);
    assert_eq!(sandbox.value("SELECT count(*) FROM bars"), "0");
}

#[test]
fn an_interrupt_rolls_back_says_so_and_can_be_repeated() {
    let sandbox = Sandbox::new();
    let text = minute_bars(10, 5_000);
    let mut command =
        sandbox.barn_command("store bars - --set timeframe=1m --transaction-rows 20000".split(' '));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // A pipe holds 64 KiB, so when all but that is written the command is reading; then it waits for more.
    pipe.write_all(&text.as_bytes()[..text.len() - 10]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let killed = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(killed.success());
    let code = sandbox.wait(&mut child, "barn store bars -");
    drop(pipe);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("interrupt"), "{stderr}");
    let kept: u64 = sandbox.value("SELECT count(*) FROM bars").parse().unwrap();
    assert_eq!(kept % 20_000, 0, "only whole transactions stay");
    sandbox.barn_reading(text.as_bytes(), "--report r.json store bars - --set timeframe=1m".split(' ')).ok();
    let counts = sandbox.report("r.json");
    assert_eq!(
        counts,
        Counts { read: 50_000, inserted: 50_000 - kept, unchanged: kept, ..Counts::default() }
    );
}

#[test]
fn a_killed_store_opens_again_and_the_same_command_completes() {
    let sandbox = Sandbox::new();
    let text = minute_bars(10, 5_000);
    sandbox.write("a.csv", &text);
    for wait_ms in [5, 30, 80, 150] {
        let mut command =
            sandbox.barn_command("store bars a.csv --set timeframe=1m --transaction-rows 4000".split(' '));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait_ms));
        // It may have ended by itself; both ways are fine.
        drop(child.kill());
        child.wait().unwrap();
    }
    let counts = sandbox.store("bars a.csv --set timeframe=1m");
    assert_eq!(counts.inserted + counts.unchanged, 50_000);
    let whole = Sandbox::new();
    whole.write("a.csv", &text);
    whole.store("bars a.csv --set timeframe=1m");
    let sql = "SELECT * FROM bars ORDER BY symbol, ts";
    assert!(sandbox.query(sql) == whole.query(sql));
}

#[test]
fn writers_wait_for_each_other() {
    for _ in 0..5 {
        let sandbox = Sandbox::new();
        sandbox.write("a.csv", minute_bars(3, 500));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| sandbox.try_store("bars a.csv --set timeframe=1m").ok());
            }
        });
        assert_eq!(sandbox.value("SELECT count(*) FROM bars"), "1500");
    }
}
