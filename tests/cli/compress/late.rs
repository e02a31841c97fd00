//! Rows that come for keys which are archived already: by `store` and by `fetch`, under each rule for conflicts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::archived::{
    BARS, TRADES, assert_same, assert_tidy, compress, corrections, hot, manifest, moved, report, rows,
};
use crate::fetch::{DAY, HOUR, Stage, at, expected};
use crate::harness::{Counts, Sandbox};
use crate::market::{self, NOW, Shape};
use crate::sample::{minute_bars, shuffled};
use crate::server::Reply;

const OPTIONS: &str = "--set symbol=A --set timeframe=1d";
const HEADER: &str = "date,open,close,volume";
const SHOWN: &str = "SELECT open, close, volume FROM bars ORDER BY ts";

/// A store with three archived bars; of the second the volume is not known.
fn archived() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("first.csv", format!("{HEADER}\n2020-01-01,1,2,10\n2020-01-02,3,4,\n2020-01-03,5,6,30\n"));
    assert_eq!(sandbox.store(&format!("bars first.csv {OPTIONS}")), Counts::new_rows(3));
    assert_eq!(moved(&sandbox, "--all"), 3);
    sandbox
}

/// Stores late rows.
fn late(sandbox: &Sandbox, lines: &str, more: &str) -> Counts {
    sandbox.write("late.csv", format!("{HEADER}\n{lines}\n"));
    sandbox.store(&format!("bars late.csv {OPTIONS} {more}"))
}

fn counts(inserted: u64, updated: u64, unchanged: u64) -> Counts {
    Counts { read: inserted + updated + unchanged, inserted, updated, unchanged, ..Counts::default() }
}

#[test]
fn what_is_archived_as_it_is_changes_nothing() {
    for rule in ["keep-known", "replace", "ignore", "fail"] {
        let sandbox = archived();
        let before = (sandbox.contents("barn"), rows(&sandbox, BARS));
        let stored = sandbox.store(&format!("bars first.csv {OPTIONS} --on-conflict {rule}"));
        assert_eq!(stored, Counts::same_rows(3), "{rule}");
        sandbox.contents("barn").assert_same(&before.0);
        assert_same(&rows(&sandbox, BARS), &before.1);
    }
}

#[test]
fn each_rule_decides_between_the_archived_and_the_late_row() {
    // The open of the second bar is missing now, its close differs, its volume is known.
    let second = "2020-01-02,,4.5,20";
    for (rule, stored, shown) in [
        ("keep-known", counts(0, 1, 0), "3.0,4.5,20.0"),
        ("replace", counts(0, 1, 0), ",4.5,20.0"),
        ("ignore", counts(0, 0, 1), "3.0,4.0,"),
    ] {
        let sandbox = archived();
        let line = format!("--on-conflict {rule}");
        assert_eq!(late(&sandbox, second, &line), stored, "{rule}");
        let expected = format!("open,close,volume\n1.0,2.0,10.0\n{shown}\n5.0,6.0,30.0\n");
        assert_eq!(rows(&sandbox, SHOWN), expected, "{rule}");
        assert_eq!(hot(&sandbox, "bars"), i64::from(rule != "ignore"), "{rule}");
        // A second time there is nothing to change, before and after another run.
        assert_eq!(late(&sandbox, second, &line), Counts::same_rows(1), "{rule}");
        compress(&sandbox, "--all").says(&["nothing to compress"]);
        assert_eq!(late(&sandbox, second, &line), Counts::same_rows(1), "{rule}");
        assert_eq!(rows(&sandbox, SHOWN), expected, "{rule}");
    }
}

#[test]
fn fail_stops_at_a_value_that_differs_and_stores_nothing() {
    let sandbox = archived();
    let before = (sandbox.contents("barn"), rows(&sandbox, BARS));
    sandbox.write("late.csv", format!("{HEADER}\n2020-02-01,1,1,1\n2020-01-02,3,4.5,\n"));
    let failed = sandbox.try_store(&format!("bars late.csv {OPTIONS} --on-conflict fail")).fails(1);
    failed.says(&["late.csv", "2020-01-02", "close 4.5", "the store 4.0", "hint: "]);
    assert_same(&rows(&sandbox, BARS), &before.1);
    assert_eq!(hot(&sandbox, "bars"), 0);
    // A value that is missing differs from none.
    assert_eq!(late(&sandbox, "2020-01-01,,2,", "--on-conflict fail"), Counts::same_rows(1));
}

#[test]
fn new_rows_between_archived_ones_are_new_and_go_with_the_next_run() {
    let sandbox = archived();
    sandbox.write("before.csv", "date,open,close\n2020-01-01,1,2\n2020-01-02,3,4\n2019-12-31,7,8\n");
    assert_eq!(sandbox.store(&format!("bars before.csv {OPTIONS}")), counts(1, 0, 2));
    sandbox.write("other.csv", "date,open,close\n2020-01-02,9,9\n");
    assert_eq!(sandbox.store("bars other.csv --set symbol=B --set timeframe=1d"), Counts::new_rows(1));
    assert_eq!(late(&sandbox, "2020-01-03,5,6.5,30", ""), counts(0, 1, 0));
    let before = rows(&sandbox, BARS);
    assert_eq!(before.lines().count(), 6);
    let report = report(&sandbox, "--all");
    assert_eq!((&report["rows"], &report["tables"][0]["corrections"]), (&2.into(), &1.into()));
    assert_eq!((hot(&sandbox, "bars"), corrections(&sandbox, "bars")), (1, 1));
    assert_same(&rows(&sandbox, BARS), &before);
    assert_tidy(&sandbox);
    assert_eq!(sandbox.store(&format!("bars before.csv {OPTIONS}")), Counts::same_rows(3));
}

#[test]
fn a_correction_is_corrected_again_and_back() {
    let sandbox = archived();
    let close = |sandbox: &Sandbox| rows(sandbox, "SELECT close FROM bars WHERE ts = '2020-01-02'");
    for (line, value) in [("2020-01-02,3,5,", "5.0"), ("2020-01-02,3,6,", "6.0"), ("2020-01-02,3,4,", "4.0")]
    {
        assert_eq!(late(&sandbox, line, ""), counts(0, 1, 0), "{line}");
        assert_eq!(late(&sandbox, line, ""), Counts::same_rows(1), "{line}");
        assert_eq!(close(&sandbox), format!("close\n{value}\n"));
        compress(&sandbox, "--all").says(&["nothing to compress", "1 row stays in the store: it corrects"]);
        assert_eq!(close(&sandbox), format!("close\n{value}\n"));
    }
    assert_eq!(rows(&sandbox, "SELECT count(*) AS n, sum(close) AS s FROM bars"), "n,s\n3,12.0\n");
    assert_eq!((hot(&sandbox, "bars"), corrections(&sandbox, "bars")), (1, 1));
}

#[test]
fn a_row_that_may_change_again_comes_back_and_stays_hot() {
    let sandbox = archived();
    sandbox.write("late.csv", "date,close,final\n2020-01-02,4.5,false\n");
    assert_eq!(sandbox.store(&format!("bars late.csv {OPTIONS}")), counts(0, 1, 0));
    let before = rows(&sandbox, BARS);
    assert!(before.contains("2020-01-02T00:00:00Z,3.0,,,4.5,,,,,,false\n"), "{before}");
    compress(&sandbox, "--all").says(&["nothing to compress"]);
    assert_same(&rows(&sandbox, BARS), &before);
    sandbox.write("late.csv", "date,close,final\n2020-01-02,4.75,true\n");
    assert_eq!(sandbox.store(&format!("bars late.csv {OPTIONS}")), counts(0, 1, 0));
    let before = rows(&sandbox, BARS);
    compress(&sandbox, "--all").says(&["nothing to compress"]);
    assert_same(&rows(&sandbox, BARS), &before);
}

#[test]
fn one_key_several_times_in_one_input_is_one_correction() {
    let sandbox = archived();
    let stored = late(&sandbox, "2020-01-02,3,5,\n2020-01-02,3,6,\n2020-01-02,,,7", "");
    assert_eq!((stored.updated, stored.repeated), (1, 2));
    assert_eq!(rows(&sandbox, SHOWN), "open,close,volume\n1.0,2.0,10.0\n3.0,6.0,7.0\n5.0,6.0,30.0\n");
    // Batch after batch, each against what the one before left.
    sandbox.write("late.csv", format!("{HEADER}\n2020-01-01,1,9,\n2020-01-01,,,11\n2020-01-01,2,,\n"));
    let stored = sandbox.store(&format!("bars late.csv {OPTIONS} --transaction-rows 1"));
    assert_eq!(stored.read, 3);
    assert_eq!(rows(&sandbox, SHOWN), "open,close,volume\n2.0,9.0,11.0\n3.0,6.0,7.0\n5.0,6.0,30.0\n");
    assert_eq!((hot(&sandbox, "bars"), corrections(&sandbox, "bars")), (2, 2));
}

#[test]
fn a_column_that_the_archive_does_not_have_is_corrected_into_it() {
    let sandbox = archived();
    sandbox.write("late.csv", "date,vwap,trades\n2020-01-02,3.25,9223372036854775807\n");
    assert_eq!(sandbox.store(&format!("bars late.csv {OPTIONS}")), counts(0, 1, 0));
    assert_eq!(
        rows(&sandbox, "SELECT open, vwap, trades FROM bars ORDER BY ts"),
        "open,vwap,trades\n1.0,,\n3.0,3.25,9223372036854775807\n5.0,,\n"
    );
}

#[test]
fn thousands_of_late_rows_of_many_series_in_any_order() {
    let sandbox = Sandbox::new();
    let text = minute_bars(20, 300);
    sandbox.write("a.csv", &text);
    sandbox.store("bars a.csv --set timeframe=1m");
    // Two files: the first hours, then the rest.
    assert_eq!(moved(&sandbox, "--before 2024-01-01T02:00:00Z"), 20 * 120);
    assert_eq!(moved(&sandbox, "--all"), 20 * 180);
    assert_eq!(manifest(&sandbox).len(), 2);
    sandbox.write("b.csv", shuffled(&text, 5));
    let before = sandbox.contents("barn");
    for line in ["b.csv", "b.csv --transaction-rows 700"] {
        assert_eq!(sandbox.store(&format!("bars {line} --set timeframe=1m")), Counts::same_rows(6_000));
    }
    sandbox.contents("barn").assert_same(&before);
    // Every seventh row differs.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in lines.iter_mut().skip(1).step_by(7) {
        let at = line.rfind(',').unwrap();
        line.replace_range(at.., ",123456789.5");
    }
    let changed = lines.iter().filter(|line| line.ends_with(",123456789.5")).count() as u64;
    sandbox.write("c.csv", shuffled(&(lines.join("\n") + "\n"), 9));
    assert_eq!(sandbox.store("bars c.csv --set timeframe=1m"), counts(0, changed, 6_000 - changed));
    let whole = Sandbox::new();
    whole.write("c.csv", lines.join("\n") + "\n");
    whole.store("bars c.csv --set timeframe=1m");
    assert_same(&rows(&sandbox, BARS), &rows(&whole, BARS));
    assert_eq!(corrections(&sandbox, "bars"), changed.cast_signed());
    compress(&sandbox, "--all").says(&["nothing to compress"]);
    assert_eq!(sandbox.store("bars b.csv --set timeframe=1m"), counts(0, changed, 6_000 - changed));
    assert_eq!(rows(&sandbox, "SELECT count(*) AS n FROM bars"), "n\n6000\n");
}

#[test]
fn several_files_and_transactions_of_late_rows() {
    let sandbox = archived();
    for (name, line) in [("x", "2020-01-01,1,2,10"), ("y", "2020-01-02,3,4.5,"), ("z", "2020-01-04,1,1,1")] {
        sandbox.write(&format!("folder/{name}.csv"), format!("{HEADER}\n{line}\n"));
    }
    assert_eq!(sandbox.store(&format!("bars folder {OPTIONS}")), counts(1, 1, 1));
    assert_eq!(sandbox.store(&format!("bars folder {OPTIONS}")), Counts::same_rows(3));
}

#[test]
fn late_ticks_are_counted_with_the_archived_ones() {
    let sandbox = Sandbox::new();
    let ticks = |name: &str, lines: &[&str]| {
        sandbox.write(name, format!("ts,price,size\n{}\n", lines.join("\n")));
        sandbox.store(&format!("trades {name} --set symbol=A"))
    };
    assert_eq!(ticks("a.csv", &["1000,5,1", "1000,5,1", "1000,6,1", "2000,5,1"]), Counts::new_rows(4));
    assert_eq!(moved(&sandbox, "--all"), 4);
    assert_eq!(ticks("b.csv", &["1000,5,1"]), Counts::same_rows(1));
    // Three of a kind: two are archived, the third is new and numbered behind all of its time.
    assert_eq!(ticks("c.csv", &["1000,5,1", "1000,5,1", "1000,5,1", "1000,7,1"]), counts(2, 0, 2));
    let expected = "price,seq\n5.0,0\n5.0,1\n6.0,2\n5.0,3\n7.0,4\n5.0,0\n";
    let all = "SELECT price, seq FROM trades ORDER BY ts, seq";
    assert_eq!(rows(&sandbox, all), expected);
    assert_eq!(ticks("c.csv", &["1000,5,1", "1000,5,1", "1000,5,1", "1000,7,1"]), Counts::same_rows(4));
    assert_eq!(moved(&sandbox, "--all"), 2);
    assert_eq!(rows(&sandbox, all), expected);
    // Now some are in one file and some in another, and one is hot.
    assert_eq!(ticks("d.csv", &["1000,5,1", "1000,5,1", "1000,5,1", "1000,5,1"]), counts(1, 0, 3));
    assert_eq!(ticks("d.csv", &["1000,5,1", "1000,5,1", "1000,5,1", "1000,5,1"]), Counts::same_rows(4));
    assert_eq!(rows(&sandbox, "SELECT count(*) AS n, max(seq) AS m FROM trades"), "n,m\n7,5\n");
    assert_eq!(hot(&sandbox, "trades"), 1);
}

#[test]
fn a_trade_id_is_the_identity_of_an_archived_tick_too() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,price,trade_id\n1000,5,x\n1000,5,y\n");
    assert_eq!(sandbox.store("trades a.csv --set symbol=A"), Counts::new_rows(2));
    moved(&sandbox, "--all");
    let before = rows(&sandbox, TRADES);
    sandbox.write("b.csv", "ts,price,trade_id\n1000,6,x\n1000,5,z\n1000,5,y\n");
    assert_eq!(sandbox.store("trades b.csv --set symbol=A"), counts(1, 0, 2));
    assert_eq!(rows(&sandbox, "SELECT trade_id FROM trades ORDER BY seq"), "trade_id\nx\ny\nz\n");
    assert_same(&rows(&sandbox, "SELECT * FROM trades WHERE trade_id <> 'z' ORDER BY seq"), &before);
}

#[test]
fn a_fetch_of_archived_bars_again_changes_nothing_and_corrects_what_the_provider_corrected() {
    let since = NOW - NOW % DAY - 20 * DAY;
    let is_corrected = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_corrected);
    let wrong = since + 5 * HOUR;
    let stage = Stage::with(Shape::Rows, "", move |seen| {
        let (start, end) = (seen.integer("startTime") / 1_000, seen.integer("endTime") / 1_000 + 1);
        let mut bars = market::bars("AAA", "1h", start, end, NOW);
        if !flag.load(Ordering::SeqCst) {
            bars.iter_mut().filter(|bar| bar.ts == wrong).for_each(|bar| bar.volume += 1_000);
        }
        let lines: Vec<_> = bars.iter().map(market::row).collect();
        Some(Reply::json(format!("[{}]", lines.join(","))))
    });
    let line = format!("AAA -t 1h --since {} --until {}", at(since), at(since + 2 * DAY));
    stage.fetch(&line).ok();
    let before = stage.bars();
    let archived = moved(&stage.sandbox, "--all");
    assert_eq!(archived, before.lines().count() as u64 - 1);
    assert_same(&stage.bars(), &before);
    stage.server.take();
    // All is in the ledger still.
    stage.fetch(&line).ok();
    assert_eq!(stage.server.count(), 0);
    stage.fetch(&format!("{line} --refresh")).ok();
    assert!(stage.server.count() > 0);
    let counts = stage.report();
    assert_eq!((&counts["unchanged"], &counts["inserted"]), (&archived.into(), &0.into()), "{counts}");
    assert_eq!(hot(&stage.sandbox, "bars"), 0);
    is_corrected.store(true, Ordering::SeqCst);
    stage.fetch(&format!("{line} --refresh")).ok();
    let counts = stage.report();
    assert_eq!((&counts["updated"], &counts["unchanged"]), (&1.into(), &(archived - 1).into()), "{counts}");
    assert_eq!((hot(&stage.sandbox, "bars"), corrections(&stage.sandbox, "bars")), (1, 1));
    assert_same(&stage.bars(), &expected(&["AAA"], "1h", since, since + 2 * DAY, NOW));
}
