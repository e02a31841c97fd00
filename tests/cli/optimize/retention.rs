//! Rows that `barn.toml` lets go.

use super::{config, optimize, try_optimize};
use crate::compress::archived::{assert_same, hot, manifest, moved, rows};
use crate::fetch::{DAY, Stage, at};
use crate::harness::Sandbox;
use crate::market::{NOW, Shape};

/// Daily and hourly bars of some months before the clock of the tests.
fn months() -> Sandbox {
    let sandbox = Sandbox::new();
    for timeframe in ["1d", "1h"] {
        for (month, more) in [("01", "A"), ("02", "A"), ("03", "A"), ("04", "A"), ("05", "B")] {
            let lines: String =
                (1..=28).map(|day| format!("2024-{month}-{day:02},{more},{day}.5,{month}\n")).collect();
            sandbox.write("a.csv", format!("date,symbol,close,volume\n{lines}"));
            sandbox.store(&format!("bars a.csv --set timeframe={timeframe}"));
            if month < "04" {
                moved(&sandbox, "--all");
            }
        }
    }
    sandbox
}

const SPAN: &str = "SELECT timeframe, min(ts) AS first, count(*) AS n FROM bars GROUP BY 1 ORDER BY 1";

#[test]
fn old_rows_go_from_the_database_and_the_archive() {
    let sandbox = months();
    config(&sandbox, "[table.bars.retention]\n1h = \"100d\"\n");
    let before = rows(&sandbox, "SELECT * FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts");
    optimize(&sandbox, "--only retention --dry-run").says(&["bars source=file/timeframe=1h", "would go"]);
    assert_eq!(sandbox.value("SELECT count(*) AS n FROM bars"), "280");
    let done = optimize(&sandbox, "--only retention");
    done.says(&["retention: bars source=file/timeframe=1h: 49 rows before 2024-02-22T00:00:00Z dropped"]);
    let expected = "timeframe,first,n\n1d,2024-01-01T00:00:00Z,140\n1h,2024-02-22T00:00:00Z,91\n";
    assert_eq!(rows(&sandbox, SPAN), expected);
    assert_same(&rows(&sandbox, "SELECT * FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts"), &before);
    let files = manifest(&sandbox);
    optimize(&sandbox, "--only retention").says(&["retention: nothing to do"]);
    assert_eq!(manifest(&sandbox), files);
    try_optimize(&sandbox, "2024-06-11T00:00:00Z", "").ok();
    assert_eq!(sandbox.value("SELECT min(ts) AS m FROM bars WHERE timeframe = '1h'"), "2024-03-03T00:00:00Z");
}

#[test]
fn a_rule_for_all_holds_where_no_other_does() {
    let sandbox = months();
    config(&sandbox, "[table.bars.retention]\nall = \"40d\"\n1d = \"2y\"\n");
    optimize(&sandbox, "");
    let expected = "timeframe,first,n\n1d,2024-01-01T00:00:00Z,140\n1h,2024-04-22T00:00:00Z,35\n";
    assert_eq!(rows(&sandbox, SPAN), expected);
}

#[test]
fn a_rule_that_would_drop_everything_asks() {
    let sandbox = months();
    config(&sandbox, "[table.bars.retention]\n1h = \"1d\"\n");
    let failed = try_optimize(&sandbox, "2024-06-01T00:00:00Z", "").fails(1);
    failed.says(&["would drop all 140 rows", "hint: `barn optimize --only retention --yes`"]);
    assert_eq!(sandbox.value("SELECT count(*) AS n FROM bars"), "280");
    optimize(&sandbox, "--only retention --yes").says(&["140 rows"]);
    assert_eq!(sandbox.value("SELECT count(*) AS n FROM bars"), "140");
    assert_eq!(hot(&sandbox, "bars"), 0);
}

#[test]
fn a_bad_rule_says_what_is_expected() {
    let sandbox = months();
    for (text, words) in [
        ("[table.bars.retention]\n1h = \"soon\"\n", "for 'soon'"),
        ("[table.bars.retention]\n1h = 5\n", "retention"),
        ("[table.bars]\nretention = 5\n", "retention"),
    ] {
        config(&sandbox, text);
        try_optimize(&sandbox, "2024-06-01T00:00:00Z", "--only retention").fails(2).says(&[words]);
    }
}

#[test]
fn a_fetch_does_not_bring_back_what_was_dropped() {
    let stage = Stage::new(Shape::Rows);
    let since = NOW - NOW % DAY - 20 * DAY;
    let line = format!("AAA -t 1h --since {} --until {}", at(since), at(since + 10 * DAY));
    stage.fetch(&line).ok();
    moved(&stage.sandbox, &format!("--before {}", at(since + 3 * DAY)));
    config(&stage.sandbox, "[table.bars.retention]\n1h = \"15d\"\n");
    try_optimize(&stage.sandbox, &at(NOW), "--only retention").ok();
    let first = stage.sandbox.value("SELECT min(ts) AS m FROM bars");
    assert_eq!(first, at(NOW - NOW % DAY - 15 * DAY));
    assert_eq!(stage.ledger("AAA")[0].0, "dropped");
    stage.server.take();
    stage.fetch(&line).ok();
    stage.fetch(&format!("{line} --refresh")).ok();
    assert_eq!(stage.sandbox.value("SELECT min(ts) AS m FROM bars"), first);
}
