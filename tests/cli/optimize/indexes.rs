//! Indexes are proposed where the queries that were asked are measured to gain by them, and nowhere else.

use std::fmt::Write as _;

use super::optimize;
use crate::compress::archived::{assert_same, rows};
use crate::harness::Sandbox;

const DAY: &str =
    "SELECT symbol, close FROM bars WHERE ts >= '2024-01-21' AND ts < '2024-01-22' ORDER BY symbol";

/// Twenty thousand series, each of which lives for five of the days.
fn many_series() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut text = "date,symbol,close\n".to_owned();
    for series in 0..20_000 {
        for day in 0..5 {
            let date = 1_704_067_200 + (series / 200 + day) * 86_400;
            writeln!(text, "{date},S{series:05},{}.5", series % 97).unwrap();
        }
    }
    sandbox.write("a.csv", text);
    sandbox.store("bars a.csv --set timeframe=1d");
    sandbox
}

fn has_index(sandbox: &Sandbox) -> bool {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name = 'bars_by_ts'";
    sandbox.sqlite().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() == 1
}

/// Returns how many times as fast an index is said to be.
fn factor(said: &str) -> f64 {
    let text = said.split(" times as fast").next().unwrap();
    text.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_time_of_many_series_gets_an_index_that_makes_it_five_times_as_fast() {
    let sandbox = many_series();
    optimize(&sandbox, "--only indexes").says(&["indexes: nothing to do"]);
    let expected = rows(&sandbox, DAY);
    assert_eq!(expected.lines().count(), 1_001);
    optimize(&sandbox, "--only indexes --dry-run").says(&["would be tried: 1 time asked without a series"]);
    assert!(!has_index(&sandbox));
    let said = optimize(&sandbox, "--only indexes");
    said.says(&[
        "`barn optimize --only indexes --apply` makes it",
        "before: SEARCH bars_rows USING PRIMARY KEY",
    ]);
    said.says(&["after:  SEARCH bars_rows USING COVERING INDEX bars_by_ts"]);
    assert!(factor(said.stderr()) >= 5.0, "{}", said.stderr());
    assert!(!has_index(&sandbox), "it was only tried");
    let said = optimize(&sandbox, "--only indexes --apply");
    said.says(&["an index on the time of bars was made"]);
    assert!(factor(said.stderr()) >= 5.0, "{}", said.stderr());
    assert!(has_index(&sandbox));
    assert_same(&rows(&sandbox, DAY), &expected);
    let all = "SELECT count(*) AS n, sum(close) AS s FROM bars WHERE ts >= '2024-01-03'";
    let count = sandbox.value("SELECT count(*) AS n FROM bars WHERE ts >= '2024-01-03'");
    assert!(rows(&sandbox, all).contains(&format!("\n{count},")));
    optimize(&sandbox, "--only indexes --apply").says(&["indexes: nothing to do"]);
    // Rows come and go beside it.
    sandbox.write("b.csv", "date,symbol,close\n2024-01-21,S00001,7.25\n");
    sandbox.store("bars b.csv --set timeframe=1d");
    assert_eq!(rows(&sandbox, DAY).lines().count(), 1_002);
    sandbox.barn(["delete", "bars", "--where", "symbol = 'S00001'", "--yes"]).ok();
    assert_same(&rows(&sandbox, DAY), &expected);
}

#[test]
fn questions_about_a_series_get_none() {
    let sandbox = many_series();
    for symbol in ["S00001", "S00777", "S12345"] {
        rows(&sandbox, &format!("SELECT * FROM bars WHERE symbol = '{symbol}' AND ts >= '2024-01-02'"));
        rows(&sandbox, &format!("SELECT max(close) FROM bars WHERE symbol = '{symbol}'"));
    }
    rows(&sandbox, "SELECT count(*) FROM bars");
    optimize(&sandbox, "--only indexes --apply").says(&["indexes: nothing to do"]);
    assert!(!has_index(&sandbox));
}

#[test]
fn an_index_that_nobody_uses_is_dropped() {
    let sandbox = Sandbox::with_bars();
    sandbox.sqlite().execute_batch("CREATE INDEX bars_by_ts ON bars_rows (ts)").unwrap();
    for at in 0..20 {
        assert!(has_index(&sandbox));
        optimize(&sandbox, "--only indexes --apply");
        rows(&sandbox, &format!("SELECT {at} FROM bars WHERE symbol = 'AAA'"));
    }
    optimize(&sandbox, "--only indexes").says(&["could go, none of the last 20 queries uses it"]);
    assert!(has_index(&sandbox));
    optimize(&sandbox, "--only indexes --apply").says(&["was dropped"]);
    assert!(!has_index(&sandbox));
}
