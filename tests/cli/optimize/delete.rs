//! `barn delete`: rows go from the database, the archive and the ledger in one step.

use crate::compress::archived::{BARS, assert_same, corrections, hot, manifest, moved, rows};
use crate::fetch::{DAY, Stage, at};
use crate::harness::{Counts, Done, Sandbox};
use crate::market::{NOW, Shape};
use crate::sample::minute_bars;

fn delete(sandbox: &Sandbox, table: &str, condition: &str) -> Done {
    sandbox.barn(["delete", table, "--where", condition, "--yes"]).ok()
}

/// Bars of which half are archived, in two datasets, with two corrections.
fn half_archived() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(3, 100));
    sandbox.store("bars a.csv --set timeframe=1m");
    sandbox.store("bars a.csv --set timeframe=1m --set source=wrong");
    moved(&sandbox, "--before 2024-01-01T00:50:00Z");
    sandbox.write("late.csv", "ts,symbol,close\n1704067200,SYM001,1.5\n1704067260,SYM002,2.5\n");
    assert_eq!(sandbox.store("bars late.csv --set timeframe=1m").updated, 2);
    sandbox
}

#[test]
fn rows_go_wherever_they_are_and_no_other_does() {
    for condition in [
        "source = 'wrong'",
        "symbol = 'SYM001'",
        "ts < '2024-01-01T00:10:00Z'",
        "symbol = 'SYM001' AND ts = '2024-01-01T00:00:00Z' OR close > 100",
        "close > 1 -- most of them",
        "close IS NULL",
        "true",
    ] {
        let sandbox = half_archived();
        let left =
            format!("SELECT * FROM bars WHERE NOT coalesce((\n{condition}\n), false) ORDER BY 1, 2, 3, ts");
        let count = format!("SELECT count(*) AS n FROM bars WHERE (\n{condition}\n)");
        let (left, count) = (rows(&sandbox, &left), sandbox.value(&count));
        let dry = sandbox.barn(["delete", "bars", "--where", condition, "--dry-run"]).ok();
        dry.says(&[&format!("would delete {count} row")]);
        delete(&sandbox, "bars", condition).says(&[&format!("deleted {count} row")]);
        assert_same(&rows(&sandbox, "SELECT * FROM bars ORDER BY 1, 2, 3, ts"), &left);
        delete(&sandbox, "bars", condition).says(&["deleted 0 rows"]);
        assert_same(&rows(&sandbox, "SELECT * FROM bars ORDER BY 1, 2, 3, ts"), &left);
    }
}

#[test]
fn a_condition_may_ask_the_table_itself() {
    let sandbox = half_archived();
    delete(&sandbox, "bars", "ts IN (SELECT max(ts) FROM bars)").says(&["deleted 6 rows of 6 series"]);
    assert_eq!(sandbox.value("SELECT max(ts) AS m FROM bars"), "2024-01-01T01:38:00Z");
}

#[test]
fn a_wrong_import_is_undone() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(3, 100));
    sandbox.store("bars a.csv --set timeframe=1m");
    moved(&sandbox, "--all");
    let (before, files) = (rows(&sandbox, BARS), manifest(&sandbox));
    sandbox.store("bars a.csv --set timeframe=1m --set source=wrong");
    moved(&sandbox, "--all");
    delete(&sandbox, "bars", "source = 'wrong'")
        .says(&["deleted 300 rows of 3 series", "1 archived file rewritten"]);
    assert_same(&rows(&sandbox, BARS), &before);
    assert_eq!(manifest(&sandbox), files);
    assert_eq!(sandbox.store("bars a.csv --set timeframe=1m --set source=wrong"), Counts::new_rows(300));
}

#[test]
fn corrections_and_what_they_correct_go_together() {
    let sandbox = half_archived();
    assert_eq!(corrections(&sandbox, "bars"), 2);
    delete(&sandbox, "bars", "symbol = 'SYM001' AND close = 1.5").says(&["deleted "]);
    assert_eq!(corrections(&sandbox, "bars"), 1);
    let gone =
        "SELECT count(*) AS n FROM bars WHERE source = 'file' AND symbol = 'SYM001' AND ts = '2024-01-01'";
    assert_eq!(sandbox.value(gone), "0");
}

#[test]
fn ticks_go_one_by_one() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,price,size\n1000,5,1\n1000,5,1\n1000,6,1\n2000,5,1\n");
    sandbox.store("trades a.csv --set symbol=A");
    moved(&sandbox, "--before 1970-01-01T00:20:00Z");
    delete(&sandbox, "trades", "price = 5 AND seq = 1");
    assert_eq!(
        rows(&sandbox, "SELECT price, seq FROM trades ORDER BY ts, seq"),
        "price,seq\n5.0,0\n6.0,2\n5.0,0\n"
    );
}

#[test]
fn what_is_gone_is_fetched_again() {
    let stage = Stage::new(Shape::Rows);
    let since = NOW - NOW % DAY - 20 * DAY;
    let line = format!("AAA BBB -t 1h --since {} --until {}", at(since), at(since + 2 * DAY));
    stage.fetch(&line).ok();
    let before = stage.bars();
    moved(&stage.sandbox, "--all");
    let condition =
        format!("symbol = 'AAA' AND ts >= '{}' AND ts < '{}'", at(since + DAY), at(since + DAY + 7_200));
    delete(&stage.sandbox, "bars", &condition);
    assert!(stage.bars().len() < before.len());
    stage.server.take();
    stage.fetch(&line).ok();
    assert_eq!((stage.starts("AAA").len(), stage.starts("BBB").len()), (1, 0));
    assert_same(&stage.bars(), &before);
}

#[test]
fn nothing_is_deleted_without_being_sure() {
    let sandbox = half_archived();
    let before = (sandbox.contents("barn"), hot(&sandbox, "bars"));
    sandbox.barn(["delete", "bars", "--where", "true"]).fails(2).says(&["<--yes|--dry-run>"]);
    sandbox.barn(["delete", "bars"]).fails(2).says(&["--where"]);
    let failed = sandbox.barn(["delete", "bars", "--where", "clos > 1", "--yes"]).fails(2);
    failed.says(&["cannot use 'clos > 1' as a condition", "cannot find column 'clos'"]);
    sandbox.barn(["delete", "bars", "--where", "true); DROP TABLE bars; --", "--yes"]).fails(2);
    sandbox
        .barn(["delete", "barz", "--where", "true", "--yes"])
        .fails(2)
        .says(&["cannot delete table 'barz'"]);
    sandbox.contents("barn").assert_same(&before.0);
    assert_eq!(hot(&sandbox, "bars"), before.1);
}
