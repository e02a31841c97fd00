//! Tables that are made of others follow them.

use super::{config, optimize, try_optimize};
use crate::compress::archived::{assert_same, compress, moved, rows};
use crate::harness::Sandbox;
use crate::sample::minute_bars;

const NOW: &str = "2024-06-01T00:00:00Z";

const HOURS: &str = "[rollup.bars_1h]\nfrom = \"bars\"\ntimeframe = \"1m\"\nevery = \"1h\"\n\
                     columns = { n = \"count(*)\" }\n";

const DIRECT: &str = "
    SELECT source, symbol, time_bucket('1 hour', ts) AS ts, first(open, ts) AS open, max(high) AS high,
           min(low) AS low, last(close, ts) AS close, sum(volume) AS volume, count(*) AS n
    FROM bars WHERE timeframe = '1m' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";

const MADE: &str =
    "SELECT source, symbol, ts, open, high, low, close, volume, n FROM bars_1h ORDER BY 1, 2, 3";

fn declared() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(3, 600));
    sandbox.store("bars a.csv --set timeframe=1m");
    config(&sandbox, HOURS);
    sandbox
}

#[test]
fn a_rollup_equals_the_query_it_stands_for_whatever_happens_to_its_source() {
    let sandbox = declared();
    let check = |what: &str| {
        let done = optimize(&sandbox, "");
        done.says(&[what]);
        assert_same(&rows(&sandbox, MADE), &rows(&sandbox, DIRECT));
    };
    optimize(&sandbox, "--only rollups --dry-run").says(&["rollups: bars_1h: all ", "would be made"]);
    check("rollups: bars_1h: all ");
    optimize(&sandbox, "--only rollups").says(&["rollups: nothing to do"]);
    moved(&sandbox, "--before 2024-01-01T05:00:00Z");
    optimize(&sandbox, "--only rollups").says(&["rollups: nothing to do"]);
    sandbox.write("late.csv", "ts,symbol,high,volume\n1704067200,SYM001,1000000,7\n1704097260,SYM002,,8\n");
    assert_eq!(sandbox.store("bars late.csv --set timeframe=1m").updated, 2);
    check("rollups: bars_1h: 2 buckets of 2 series");
    sandbox
        .barn(["delete", "bars", "--where", "symbol = 'SYM001' AND ts < '2024-01-01T02:30:00Z'", "--yes"])
        .ok();
    check("rollups: bars_1h: ");
    sandbox.store("bars a.csv --set timeframe=1m --set source=other");
    sandbox.store("bars a.csv --set timeframe=5m");
    check("rollups: bars_1h: ");
    compress(&sandbox, "--all");
    check("compact: ");
    assert!(rows(&sandbox, "SELECT * FROM bars_1h LIMIT 1").contains(",1h,"));
}

#[test]
fn what_is_dropped_by_retention_stays_in_the_rollup() {
    let sandbox = declared();
    optimize(&sandbox, "");
    let before = rows(&sandbox, MADE);
    config(&sandbox, &format!("{HOURS}[table.bars.retention]\n1m = \"1d\"\n"));
    try_optimize(&sandbox, "2024-01-02T04:59:30Z", "").ok().says(&["dropped"]);
    assert_eq!(sandbox.value("SELECT min(ts) AS m FROM bars"), "2024-01-01T05:00:00Z");
    assert_same(&rows(&sandbox, MADE), &before);
}

#[test]
fn what_retention_is_about_to_drop_is_in_the_rollup_before() {
    let sandbox = declared();
    let direct = rows(&sandbox, DIRECT);
    config(&sandbox, &format!("{HOURS}[table.bars.retention]\n1m = \"1d\"\n"));
    let now = "2024-01-02T04:59:30Z";
    try_optimize(&sandbox, now, "").ok().says(&["rollups: bars_1h: all ", "dropped"]);
    assert_eq!(sandbox.value("SELECT min(ts) AS m FROM bars"), "2024-01-01T05:00:00Z");
    assert_same(&rows(&sandbox, MADE), &direct);
    // Rows as old that come later: a bucket that is new is made, one that is known stays as it is.
    let rows_of = "ts,symbol,open,high,low,close,volume\n";
    sandbox.write("old.csv", format!("{rows_of}1703980800,SYM001,1,2,1,2,5\n1704067200,SYM001,1,2,1,2,5\n"));
    sandbox.store("bars old.csv --set timeframe=1m");
    try_optimize(&sandbox, now, "").ok().says(&["rollups: bars_1h: 2 buckets", "1 row written"]);
    assert_eq!(sandbox.value("SELECT n FROM bars_1h WHERE ts < '2024-01-01'"), "1");
    let first = "SELECT n FROM bars_1h WHERE symbol = 'SYM001' AND ts = '2024-01-01'";
    assert_eq!(sandbox.value(first), "60");
    try_optimize(&sandbox, now, "--only rollups").ok().says(&["rollups: nothing to do"]);
}

#[test]
fn a_rollup_of_a_column_that_is_gone_says_so_and_others_are_made() {
    let sandbox = declared();
    config(
        &sandbox,
        &format!(
            "{HOURS}[rollup.bad]\nfrom = \"bars\"\ntimeframe = \"1m\"\nevery = \"1d\"\ncolumns = {{ x = \"max(mood)\" }}\n"
        ),
    );
    let failed = try_optimize(&sandbox, NOW, "").fails(1);
    failed.says(&["warning: rollups: 1 problem", "bad: ", "mood", "rollups: bars_1h: all "]);
    assert_same(&rows(&sandbox, MADE), &rows(&sandbox, DIRECT));
}

#[test]
fn rows_that_a_rollup_still_needs_outlive_retention() {
    let sandbox = declared();
    let bad = "[rollup.bad]\nfrom = \"bars\"\ntimeframe = \"1m\"\nevery = \"1d\"\ncolumns = { x = \"max(mood)\" }\n";
    let rule = "[table.bars.retention]\n1m = \"1d\"\n";
    config(&sandbox, &format!("{HOURS}{bad}{rule}"));
    let now = "2024-01-02T04:59:30Z";
    // One rollup cannot be made; the other one is not made when only retention is asked for.
    let stays = "stay until 'bad' is made of them";
    try_optimize(&sandbox, now, "").fails(1).says(&["warning: retention: 1 problem", stays]);
    config(&sandbox, &format!("{HOURS}{rule}"));
    sandbox.write("old.csv", "ts,symbol,open,high,low,close,volume\n1703980800,SYM001,1,2,1,2,5\n");
    assert_eq!(sandbox.store("bars old.csv --set timeframe=1m").inserted, 1);
    let direct = rows(&sandbox, DIRECT);
    try_optimize(&sandbox, now, "--only retention").fails(1).says(&["stay until 'bars_1h' is made of them"]);
    assert_same(&rows(&sandbox, DIRECT), &direct);
    try_optimize(&sandbox, now, "").ok().says(&["dropped"]);
    assert_same(&rows(&sandbox, MADE), &direct);
    assert_eq!(sandbox.value("SELECT min(ts) AS m FROM bars"), "2024-01-01T05:00:00Z");
}

#[test]
fn nothing_else_is_written_into_a_rollup() {
    let sandbox = declared();
    optimize(&sandbox, "");
    sandbox.try_store("bars_1h a.csv").fails(2).says(&["made of 'bars'"]);
    sandbox.barn(["delete", "bars_1h", "--where", "true", "--yes"]).fails(2).says(&["made of 'bars'"]);
    sandbox.barn(["compress", "--table", "bars_1h"]).fails(2).says(&["made of 'bars'"]);
    compress(&sandbox, "--all");
    assert_same(&rows(&sandbox, MADE), &rows(&sandbox, DIRECT));
}
