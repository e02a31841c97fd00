//! Functions analysts expect, and the constructions that market data needs.

use crate::harness::Sandbox;

fn with_minutes() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.fixture("prices/minutes.csv");
    sandbox.store("bars minutes.csv --set timeframe=1m");
    sandbox
}

#[test]
fn bars_are_resampled_by_time_bucket_first_and_last() {
    let sandbox = with_minutes();
    let sql = "SELECT time_bucket(INTERVAL '5 minutes', ts) AS bucket, first(open, ts) AS open, max(high) AS high, \
               min(low) AS low, last(close, ts) AS close, sum(volume) AS volume FROM bars GROUP BY 1 ORDER BY 1";
    assert_eq!(
        sandbox.query(sql),
        "bucket,open,high,low,close,volume\n\
         2024-01-02T09:30:00Z,10.0,10.1,9.99,10.05,665.0\n\
         2024-01-02T09:35:00Z,10.05,10.15,10.04,10.1,675.0\n"
    );
}

#[test]
fn time_buckets_of_other_lengths_begin_at_their_multiples() {
    let sandbox = with_minutes();
    for (interval, buckets) in
        [("1 minute", 10), ("3 minutes", 4), ("1 hour", 1), ("1 day", 1), ("30 seconds", 10)]
    {
        let sql = format!("SELECT DISTINCT time_bucket(INTERVAL '{interval}', ts) FROM bars");
        assert_eq!(sandbox.query(&sql).lines().count() - 1, buckets, "{interval}");
    }
    let day = "SELECT DISTINCT time_bucket(INTERVAL '1 day', ts) FROM bars";
    assert_eq!(sandbox.value(day), "2024-01-02T00:00:00Z");
}

#[test]
fn a_time_bucket_before_1970_begins_before_its_time() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,symbol,value\n1969-12-31T23:59:59Z,A,1\n");
    sandbox.store("observations a.csv");
    let sql = "SELECT time_bucket(INTERVAL '5 minutes', ts) FROM observations";
    assert_eq!(sandbox.value(sql), "1969-12-31T23:55:00Z");
}

#[test]
fn first_and_last_go_by_time_and_not_by_the_order_of_rows() {
    let sandbox = with_minutes();
    let sql = "SELECT first(close, ts), last(close, ts) FROM (SELECT * FROM bars ORDER BY close)";
    let values = sandbox.query(sql);
    assert_eq!(values.lines().nth(1), Some("10.02,10.1"));
}

#[test]
fn the_value_at_the_largest_and_smallest_of_another() {
    let sandbox = with_minutes();
    let sql =
        "SELECT max_by(ts, high) AS top, min_by(ts, low) AS bottom, max_by(symbol, volume) AS s FROM bars";
    assert_eq!(sandbox.query(sql), "top,bottom,s\n2024-01-02T09:36:00Z,2024-01-02T09:30:00Z,AAA\n");
}

#[test]
fn functions_of_groups_pass_over_nulls_and_empty_groups() {
    let sandbox = Sandbox::with_bars();
    let sql = "SELECT first(open, ts), last(volume, ts), max_by(close, open) FROM bars WHERE symbol = 'none'";
    assert_eq!(sandbox.query(sql).lines().nth(1), Some(",,"));
    let sql = "SELECT max_by(close, open) FROM bars WHERE symbol = 'BBB'";
    assert_eq!(sandbox.value(sql), "208.5");
}

#[test]
fn times_are_formatted_and_counted() {
    let sandbox = with_minutes();
    assert_eq!(
        sandbox.value("SELECT strftime(ts, '%Y/%m/%d %H:%M:%S') FROM bars ORDER BY ts LIMIT 1"),
        "2024/01/02 09:30:00"
    );
    let epoch: f64 = sandbox.value("SELECT epoch(ts) FROM bars ORDER BY ts LIMIT 1").parse().unwrap();
    assert!((epoch - 1_704_187_800.0).abs() < 1e-9, "{epoch}");
}

#[test]
fn a_moving_average_moves() {
    let sandbox = Sandbox::with_bars();
    let sql = "SELECT ts, avg(close) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) \
               AS m FROM bars WHERE symbol = 'AAA' ORDER BY ts LIMIT 3";
    let text = sandbox.query(sql);
    let means: Vec<f64> =
        text.lines().skip(1).map(|line| line.split_once(',').unwrap().1.parse().unwrap()).collect();
    for (mean, expected) in means.iter().zip([10.2, 10.5, 10.65]) {
        assert!((mean - expected).abs() < 1e-12, "{text}");
    }
}

#[test]
fn rows_are_picked_by_qualify() {
    let sandbox = Sandbox::with_bars();
    let sql = "SELECT symbol, ts, close FROM bars \
               QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY ts DESC) = 1 ORDER BY symbol";
    assert_eq!(
        sandbox.query(sql),
        "symbol,ts,close\nAAA,2024-01-09T00:00:00Z,11.1\nBBB,2024-01-09T00:00:00Z,208.5\n"
    );
}

#[test]
fn subqueries_joins_and_windows_work_together() {
    let sandbox = Sandbox::with_bars();
    let sql = "WITH r AS (SELECT symbol, ts, close / lag(close) OVER (PARTITION BY symbol ORDER BY ts) - 1 AS r FROM bars) \
               SELECT a.ts FROM r a JOIN r b ON a.ts = b.ts AND a.symbol = 'AAA' AND b.symbol = 'BBB' \
               WHERE a.r > 0 AND b.r > (SELECT avg(r) FROM r) ORDER BY a.ts";
    assert_eq!(sandbox.query(sql), "ts\n2024-01-08T00:00:00Z\n");
}

#[test]
fn whole_numbers_that_do_not_fit_are_refused_and_do_not_wrap() {
    let sandbox = Sandbox::with_bars();
    let most = "9223372036854775807";
    let refused = |sql: &str| {
        let done = sandbox.barn(["query", sql]).fails(1);
        done.says(&["error: cannot run the query"]);
        let is_said = ["does not fit its type", "a sum of whole numbers is beyond 64 bits"];
        done.check(is_said.iter().any(|said| done.stderr().contains(said)), sql);
    };
    for sql in
        ["{} + 1", "-2 - {}", "{} * 2", "CAST({} AS BIGINT) + 1", "CAST(2147483647 AS INT) + CAST(1 AS INT)"]
    {
        refused(&format!("SELECT {} AS a", sql.replace("{}", most)));
    }
    let numbers =
        format!("(VALUES ('a', 1, {most}), ('a', 2, 1), ('b', 3, -5), ('a', 4, -7)) AS t (g, n, x)");
    for sql in [
        "SELECT x + n AS a FROM {}",
        "SELECT n FROM {} WHERE x * (n + 1) > 3",
        "SELECT sum(x) FILTER (WHERE n < 3) AS a FROM {}",
        "SELECT sum(DISTINCT x) FILTER (WHERE n < 3) AS a FROM {}",
        "SELECT g, sum(x) FILTER (WHERE n < 3) AS a FROM {} GROUP BY g",
        "SELECT sum(x) OVER (ORDER BY n) AS a FROM {}",
        "SELECT sum(DISTINCT x) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS a FROM {}",
        "SELECT -(-x - 1) AS a FROM {}",
        "SELECT sum(x) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS a FROM {}",
    ] {
        refused(&sql.replace("{}", &numbers));
    }
    // Only the result must fit.
    let sums =
        format!("SELECT g, sum(x) AS a, sum(DISTINCT x) AS b, sum(x - n) AS c FROM {numbers} GROUP BY g");
    let windows = format!("SELECT sum(x) OVER (ORDER BY n DESC) AS a FROM {numbers} ORDER BY n");
    let most: i128 = most.parse().unwrap();
    let expected = format!("g,a,b,c\na,{0},{0},{1}\nb,-5,-5,-8\n", most - 6, most - 13);
    assert_eq!(sandbox.query(&format!("{sums} ORDER BY g")), expected);
    assert_eq!(sandbox.query(&windows), format!("a\n{}\n-11\n-12\n-7\n", most - 11));
    assert_eq!(sandbox.query("SELECT CAST(7 AS SMALLINT) * 3 - 1 AS a, NULL + 1 AS b"), "a,b\n20,\n");
}
