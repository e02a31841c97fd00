//! Statements: each is answered or refused, nothing is written, and nothing panics.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barn::engine::{Engine, Next, Options};
use barn::error::report;
use barn::store::Snapshot;
use regex::Regex;

use super::mutate::{self, pick};
use super::{Rng, heard, run};
use crate::harness::Sandbox;

/// How long the rows of a statement are read; a join of everything with everything has no end.
const PATIENCE: Duration = Duration::from_millis(500);

/// Words of SQL, of the tables, and of the functions that are barn's own.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "HAVING", "LIMIT", "OFFSET", "QUALIFY", "WITH",
    "RECURSIVE", "AS", "UNION", "UNION ALL", "INTERSECT", "EXCEPT", "JOIN", "LEFT JOIN", "FULL JOIN",
    "CROSS JOIN", "LATERAL", "USING", "ON", "DISTINCT", "ON CONFLICT", "VALUES", "INSERT INTO bars",
    "UPDATE bars SET", "DELETE FROM bars", "DROP TABLE bars", "CREATE TABLE x AS", "CREATE EXTERNAL TABLE",
    "COPY", "TO '/tmp/x'", "SET", "RESET", "EXPLAIN", "EXPLAIN ANALYZE", "SHOW TABLES", "DESCRIBE",
    "PREPARE", "EXECUTE", "BEGIN", "ATTACH", "PRAGMA", "ANALYZE", "bars", "trades", "quotes",
    "information_schema.tables", "information_schema.df_settings", "bars_rows", "sqlite_master", "symbol",
    "ts", "open", "high", "low", "close", "volume", "timeframe", "source", "final", "*", "count(*)",
    "sum(close)", "avg(close)", "max(ts)", "first(close, ts)", "last(close, ts)", "max_by(symbol, close)",
    "min_by(close, ts)", "time_bucket('1h', ts)", "time_bucket('1mo', ts)", "strftime(ts, '%Y-%m-%d')",
    "strftime(ts, '%')", "epoch(ts)", "epoch_ms(ts)", "OVER (PARTITION BY symbol ORDER BY ts)", "OVER ()",
    "ROWS 2 PRECEDING", "ROWS BETWEEN 1 PRECEDING AND 3 FOLLOWING",
    "RANGE BETWEEN INTERVAL '1 day' PRECEDING AND CURRENT ROW", "GROUPS 1 PRECEDING", "UNBOUNDED PRECEDING",
    "FILTER (WHERE close > 1)", "WITHIN GROUP (ORDER BY close)", "CASE", "WHEN", "THEN", "ELSE", "END",
    "CAST(close AS BIGINT)", "::text", "::timestamp", "::date", "::decimal(38,10)", "::interval",
    "::boolean", "INTERVAL '1 day'", "INTERVAL '-9999999 years'", "DATE '2024-01-02'",
    "TIMESTAMP '2024-01-02T00:00:00Z'", "NULL", "TRUE", "IS NULL", "IS NOT NULL", "IN ('AAA')",
    "IN (SELECT symbol FROM bars)", "EXISTS (SELECT 1)", "BETWEEN 1 AND 2", "LIKE 'A%'", "ILIKE",
    "SIMILAR TO", "~", "||", "+", "-", "*", "/", "%", "=", "<>", "<=", ">", "AND", "OR", "NOT", "(", ")",
    ",", ";", "--", "/*", "*/", "'", "\"", "$1", "?", ":x", "[1]", "{a: 1}", "unnest([1,2])",
    "array_agg(close)", "substr(symbol, -1, 9)", "repeat(symbol, 3)", "lpad(symbol, 5, 'x')",
    "split_part(symbol, 'A', -1)", "regexp_replace(symbol, '(', '')", "date_trunc('week', ts)",
    "date_part('year', ts)", "to_timestamp(9e18)", "date_bin(INTERVAL '0 s', ts)", "now()", "random()",
    "power(2, 1e9)", "log(0)", "round(close, 99)", "abs(-9223372036854775808)", "1 / 0", "1 % 0",
    "-9223372036854775808 / -1", "-9223372036854775808 % -1", "sum(trades)", "lag(close, 3)",
    "lead(close, -1)", "ntile(0)", "nth_value(close, 0)", "row_number()",
    "approx_percentile_cont(close, 2)", "generate_series(1, 5)", "range(1, 5)", "chr(0)", "chr(1114112)",
    "ascii('')", "translate(symbol, 'A', '')",
];

/// Statements of many kinds.
const STATEMENTS: &[&str] = &[
    "SELECT * FROM bars",
    "SELECT symbol, count(*), sum(volume), first(close, ts), last(close, ts) FROM bars GROUP BY symbol ORDER BY 1",
    "SELECT time_bucket('1w', ts) AS week, max(high) FROM bars WHERE ts >= '2024-01-03' GROUP BY week ORDER BY week",
    "WITH x AS (SELECT symbol, close, lag(close) OVER (PARTITION BY symbol ORDER BY ts) AS before FROM bars) SELECT * FROM x WHERE before > close",
    "SELECT a.symbol, b.close FROM bars a JOIN bars b ON a.symbol = b.symbol AND a.ts = b.ts WHERE a.close > 10",
    "SELECT ts, symbol, avg(close) OVER (PARTITION BY symbol ORDER BY ts ROWS 2 PRECEDING) FROM bars LIMIT 4",
    "SELECT symbol FROM bars QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY ts DESC) = 1",
    "EXPLAIN SELECT * FROM bars WHERE symbol = 'AAA'",
    "SELECT strftime(ts, '%d-%b-%Y %H:%M'), epoch(ts), epoch_ms(ts), max_by(symbol, close) FROM bars GROUP BY ts",
    "SELECT CASE WHEN close > 10 THEN 'a' ELSE 'b' END, CAST(volume AS BIGINT), close::decimal(20,2) FROM bars",
    "VALUES (1, 'a'), (2, NULL)",
    "SHOW TABLES; SELECT table_name FROM information_schema.tables",
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n",
    "SELECT stddev(close) OVER w, corr(open, close) OVER w FROM bars WINDOW w AS (ORDER BY ts ROWS BETWEEN 3 PRECEDING AND 1 FOLLOWING)",
    "SELECT price, size FROM trades WHERE symbol = 'spy' ORDER BY ts, seq",
];

/// Collects the statements of the words for users and of the tests.
fn statements() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let quoted = Regex::new(r#""((?:SELECT|WITH|EXPLAIN|SHOW|VALUES|DESCRIBE)\b[^"{}]*)""#).unwrap();
    let mut found: Vec<String> = STATEMENTS.iter().map(|text| (*text).to_owned()).collect();
    let folders = ["tests/cli/query", "src/engine/tests", "src/engine/functions"];
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(root.join(folder)).ok()).flatten();
    for path in files.map(|entry| entry.unwrap().path()).chain([root.join("README.md")]) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        found.extend(quoted.captures_iter(&text).map(|found| found[1].replace("\\n", "\n")));
    }
    found.sort();
    found.dedup();
    found
}

fn statement(rng: &mut Rng, known: &[String]) -> String {
    let (text, other) = (&known[rng.usize(..known.len())], &known[rng.usize(..known.len())]);
    match rng.u8(..12) {
        0 => (0..rng.usize(1..20)).map(|_| pick(rng, WORDS).to_owned() + " ").collect(),
        1 => mutate::word(rng),
        2 => deep(rng),
        3 => text.clone(),
        _ => mutate::text(rng, text, other, WORDS),
    }
}

/// Returns a statement whose parts lie in each other, or follow each other, many times.
fn deep(rng: &mut Rng) -> String {
    // DataFusion plans conditions in the square of their number; what is too many is refused at once.
    let count = [30, 60, 300, 20_000, 100_000][rng.usize(..5)];
    match rng.u8(..10) {
        0 => format!("SELECT {}1{}", "(".repeat(count), ")".repeat(count)),
        1 => format!("SELECT 1{}", "+1".repeat(count)),
        2 => format!("SELECT * FROM bars WHERE symbol = 'A'{}", " OR close > 3".repeat(count)),
        3 => format!("SELECT {}1", "- ".repeat(count)),
        4 => format!("SELECT {}TRUE", "NOT ".repeat(count)),
        5 => format!("{}SELECT 1{}", "SELECT * FROM (".repeat(count), ")".repeat(count)),
        6 => format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(if count == 300 { 60 } else { count })),
        7 => format!("SELECT {}1{}", "abs(".repeat(count), ")".repeat(count)),
        8 => format!("SELECT {}", vec!["CASE WHEN close > 1 THEN 1 ELSE"; count].join(" ")),
        _ => format!("SELECT * FROM bars WHERE close IN ({}1)", "1,".repeat(count.min(20_000))),
    }
}

/// An engine over a store with hot and archived rows.
struct Target {
    sandbox: Sandbox,
    engine: Engine,
}

impl Target {
    fn new() -> Self {
        let sandbox = Sandbox::with_bars();
        sandbox.barn(["compress", "--all", "-q"]).ok();
        sandbox.fixture("ticks/spy_20240102_trade.csv");
        sandbox.fixture("layouts/ticks.toml");
        sandbox.store("trades spy_20240102_trade.csv --as ticks.toml");
        sandbox.write(
            "more.csv",
            "ts,symbol,open,high,low,close,volume\n2024-01-03,AAA,1,2,0.5,1.5,7\n2024-02-01,C,1,1,1,1,1\n",
        );
        sandbox.store("bars more.csv --set source=test --set timeframe=1d");
        let engine = engine(&sandbox);
        Self { sandbox, engine }
    }

    /// Runs a statement and reads its rows; panics of other threads are ours too.
    fn try_statement(&mut self, sql: &str) {
        let started = Instant::now();
        let outcome = self.engine.query(sql).and_then(|mut answer| {
            loop {
                match answer.next_within(Duration::from_millis(100))? {
                    Next::End => return Ok(true),
                    _ if started.elapsed() > PATIENCE => return Ok(false),
                    Next::Batch(_) | Next::Later => {}
                }
            }
        });
        if let Some(panic) = heard() {
            panic!("{panic}");
        }
        match outcome {
            Ok(true) => {}
            // Whatever still runs must not slow the next one.
            Ok(false) => self.engine = engine(&self.sandbox),
            Err(err) => {
                let text = report(&err);
                let is_said = text.strip_prefix("error: ").is_some_and(|text| !text.trim().is_empty());
                assert!(is_said && !text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
                assert!(!format!("{err:#}").contains("its thread ended early"), "{text}");
            }
        }
    }
}

fn engine(sandbox: &Sandbox) -> Engine {
    let snapshot = Arc::new(Snapshot::open(&sandbox.path("barn"), 2).unwrap());
    Engine::new(snapshot, &Options { memory_bytes: Some(256 << 20), files: Vec::new() }).unwrap()
}

#[test]
fn any_statement_is_answered_or_refused() {
    let known = statements();
    let mut target = Target::new();
    let (before, files) = (target.sandbox.contents("barn"), target.sandbox.listing());
    run(
        "sql",
        |rng| statement(rng, &known),
        |sql| {
            target.try_statement(sql);
            if sql.len().is_multiple_of(4) {
                drop((target.engine.explain(sql), target.engine.scans(sql)));
            }
            target.sandbox.contents("barn").assert_same(&before);
            assert_eq!(target.sandbox.listing(), files, "files came or went");
        },
    );
}
