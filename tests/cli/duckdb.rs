//! The same SQL on the same rows gives the same answer in DuckDB. Skipped where `BARN_TEST_PYTHON` names
//! no Python.

use serde_json::Value;

use crate::harness::{Counts, Sandbox, python};
use crate::sample::{minute_bars, shuffled};

/// Answers a list of statements over `bars.csv`, as a JSON list of lists of objects.
const SCRIPT: &str = include_str!("duckdb.py");

/// Statements in words that both engines know.
const STATEMENTS: &[&str] = &[
    // moving windows
    "SELECT symbol, ts, avg(close) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS v \
     FROM bars ORDER BY symbol, ts",
    "SELECT symbol, ts, sum(volume) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 4 PRECEDING AND 1 FOLLOWING) AS v \
     FROM bars ORDER BY symbol, ts",
    "SELECT symbol, ts, max(high) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) \
     AS top, min(low) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) AS bottom \
     FROM bars ORDER BY symbol, ts",
    "SELECT symbol, ts, count(*) OVER (PARTITION BY symbol ORDER BY ts RANGE BETWEEN INTERVAL '10 minutes' PRECEDING AND \
     CURRENT ROW) AS n FROM bars ORDER BY symbol, ts",
    "SELECT symbol, ts, avg(close) OVER (PARTITION BY symbol ORDER BY ts RANGE BETWEEN INTERVAL '5 minutes' PRECEDING AND \
     INTERVAL '5 minutes' FOLLOWING) AS v FROM bars ORDER BY symbol, ts",
    "SELECT symbol, ts, first_value(close) OVER w AS a, last_value(close) OVER w AS b, nth_value(close, 2) OVER w AS c \
     FROM bars WINDOW w AS (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING) ORDER BY symbol, ts",
    "SELECT symbol, ts, lag(close, 3) OVER (PARTITION BY symbol ORDER BY ts) AS a, lead(close) OVER (PARTITION BY symbol \
     ORDER BY ts) AS b FROM bars ORDER BY symbol, ts",
    "SELECT symbol, ts, row_number() OVER (PARTITION BY symbol ORDER BY volume DESC, ts) AS n, rank() OVER (PARTITION BY \
     symbol ORDER BY open) AS r, dense_rank() OVER (PARTITION BY symbol ORDER BY open) AS d, ntile(4) OVER (PARTITION BY \
     symbol ORDER BY ts) AS q FROM bars ORDER BY symbol, ts",
    // resampling
    "SELECT symbol, time_bucket(INTERVAL '5 minutes', ts) AS bucket, max(high) AS high, min(low) AS low, \
     sum(volume) AS volume, count(*) AS n FROM bars GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT symbol, time_bucket(INTERVAL '1 hour', ts) AS bucket, sum(close * volume) / sum(volume) AS vwap \
     FROM bars GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT date_trunc('hour', ts) AS hour, avg(close) AS v, count(DISTINCT symbol) AS n FROM bars GROUP BY 1 ORDER BY 1",
    "SELECT symbol, max_by(close, volume) AS a, min_by(close, volume) AS b FROM bars GROUP BY symbol ORDER BY symbol",
    // joins
    "SELECT a.symbol AS a, b.symbol AS b, a.ts, a.close - b.close AS spread FROM bars a JOIN bars b ON a.ts = b.ts AND \
     a.symbol < b.symbol WHERE a.volume > 50000 ORDER BY 1, 2, 3",
    "SELECT a.symbol, a.ts, b.ts AS later FROM bars a LEFT JOIN bars b ON a.symbol = b.symbol AND b.ts = a.ts + INTERVAL \
     '7 minutes' AND b.close > a.close ORDER BY 1, 2",
    "SELECT symbol, ts FROM bars a WHERE NOT EXISTS (SELECT 1 FROM bars b WHERE b.symbol = a.symbol AND b.close > a.close) \
     ORDER BY 1, 2",
    "SELECT symbol, ts, close FROM bars WHERE close > (SELECT avg(close) FROM bars) AND symbol IN (SELECT symbol FROM bars \
     GROUP BY symbol HAVING min(low) < 100) ORDER BY 1, 2",
    // common table expressions and QUALIFY
    "WITH r AS (SELECT symbol, ts, close / lag(close) OVER (PARTITION BY symbol ORDER BY ts) - 1 AS r FROM bars), \
     s AS (SELECT symbol, avg(r) AS mean, stddev_samp(r) AS deviation FROM r GROUP BY symbol) \
     SELECT r.symbol, r.ts, (r.r - s.mean) / s.deviation AS z FROM r JOIN s ON s.symbol = r.symbol WHERE r.r IS NOT NULL \
     ORDER BY 1, 2",
    "SELECT symbol, ts, close FROM bars QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY ts DESC) <= 3 ORDER BY 1, 2",
    "SELECT symbol, ts, high - low AS r FROM bars QUALIFY rank() OVER (PARTITION BY symbol ORDER BY high - low DESC, ts) = 1 \
     ORDER BY 1",
    // aggregates, sets, types
    "SELECT symbol, count(*) AS n, sum(volume) AS v, avg(close) AS m, stddev_samp(close) AS s, var_pop(close) AS p, \
     corr(open, close) AS c, median(close) AS d FROM bars GROUP BY symbol ORDER BY symbol",
    "SELECT symbol, count(*) FILTER (WHERE close > open) AS up, count(*) FILTER (WHERE close < open) AS down FROM bars \
     GROUP BY symbol ORDER BY symbol",
    "SELECT symbol, time_bucket(INTERVAL '1 hour', ts) AS bucket, sum(volume) AS v FROM bars GROUP BY ROLLUP (symbol, \
     time_bucket(INTERVAL '1 hour', ts)) ORDER BY 1 NULLS FIRST, 2 NULLS FIRST",
    "SELECT symbol FROM bars WHERE close > 100 INTERSECT SELECT symbol FROM bars WHERE close < 100 ORDER BY symbol",
    "SELECT symbol, ts FROM bars WHERE volume < 1000 UNION ALL SELECT symbol, ts FROM bars WHERE volume > 99000 ORDER BY 1, 2",
    "SELECT symbol, extract(hour FROM ts) AS h, CAST(ts AS DATE) AS d, CASE WHEN close > open THEN 'up' WHEN close < open \
     THEN 'down' ELSE 'flat' END AS way, round(close, 1) AS r, abs(close - open) AS a FROM bars ORDER BY symbol, ts",
    "SELECT symbol, coalesce(nullif(close, open), 0.0) AS v, greatest(open, close) AS g, least(open, close) AS l FROM bars \
     ORDER BY symbol, ts",
    "SELECT DISTINCT symbol, upper(substr(symbol, 1, 3)) || '-' || length(symbol) AS s FROM bars WHERE symbol LIKE 'SYM%' \
     ORDER BY 1",
    "SELECT symbol, ts, close FROM bars WHERE ts >= '2024-01-01T00:30:00' AND ts < '2024-01-01T00:40:00' ORDER BY ts DESC, \
     symbol LIMIT 7 OFFSET 3",
];

/// Statements for which the two engines have different words: barn's, then DuckDB's.
const TRANSLATED: &[(&str, &str)] = &[
    (
        "SELECT symbol, time_bucket(INTERVAL '15 minutes', ts) AS bucket, first(open, ts) AS open, last(close, ts) AS close \
         FROM bars GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT symbol, time_bucket(INTERVAL '15 minutes', ts) AS bucket, arg_min(open, ts) AS open, arg_max(close, ts) AS \
         close FROM bars GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    (
        "SELECT symbol, strftime(ts, '%Y-%m-%d %H:%M') AS t, CAST(epoch(ts) AS BIGINT) AS e FROM bars ORDER BY symbol, ts",
        "SELECT symbol, strftime(ts, '%Y-%m-%d %H:%M') AS t, CAST(epoch(ts) AS BIGINT) AS e FROM bars ORDER BY symbol, ts",
    ),
];

#[test]
fn sql_agrees_with_duckdb() {
    let Some(python) = python() else { return };
    let sandbox = Sandbox::patient();
    sandbox.write("bars.csv", shuffled(&minute_bars(5, 240), 11));
    assert_eq!(sandbox.store("bars bars.csv --set timeframe=1m"), Counts::new_rows(1_200));
    let same = STATEMENTS.iter().map(|sql| (*sql, *sql));
    let pairs: Vec<_> = same.chain(TRANSLATED.iter().copied()).collect();
    let theirs: Vec<_> = pairs.iter().map(|(_, sql)| *sql).collect();
    sandbox.write("statements.json", serde_json::to_string(&theirs).unwrap());
    sandbox.write("answer.py", SCRIPT);
    let mut command = sandbox.command(&python);
    command.args(["answer.py", "bars.csv", "statements.json"]);
    let answers: Vec<Vec<Value>> = serde_json::from_str(&sandbox.run(command, None).ok().stdout()).unwrap();
    let mut faults = Vec::new();
    for ((sql, _), expected) in pairs.iter().zip(&answers) {
        assert!(!expected.is_empty(), "DuckDB has no row for {sql}");
        let text = sandbox.barn(["query", sql, "--format", "json"]).any().1.stdout();
        match serde_json::from_str::<Vec<Value>>(&text) {
            Ok(found) => faults.extend(difference(expected, &found).map(|what| format!("{sql}\n  {what}"))),
            Err(err) => faults.push(format!("{sql}\n  no answer: {err}")),
        }
    }
    assert!(faults.is_empty(), "{} of {} differ\n{}", faults.len(), pairs.len(), faults.join("\n"));
}

/// Returns the first row that differs.
fn difference(expected: &[Value], found: &[Value]) -> Option<String> {
    let rows = expected.iter().zip(found).enumerate();
    for (at, (expected, found)) in rows {
        if !is_same(expected, found) {
            return Some(format!("row {}: expected {expected}, found {found}", at + 1));
        }
    }
    (expected.len() != found.len())
        .then(|| format!("expected {} rows, found {}", expected.len(), found.len()))
}

/// Whole numbers, texts and nulls are equal; doubles too, but for the last digits of a sum, which depend on
/// the order of its terms.
fn is_same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let same =
                |(name, value): (&String, &Value)| found.get(name).is_some_and(|other| is_same(value, other));
            expected.len() == found.len() && expected.iter().all(same)
        }
        (Value::Number(expected), Value::Number(found)) => match (expected.as_f64(), found.as_f64()) {
            (Some(left), Some(right)) => (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1e-3),
            _ => expected == found,
        },
        _ => expected == found,
    }
}
