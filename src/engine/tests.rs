//! The engine over rows in memory.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::hot::Columns;
use super::rows::Rows;
use super::{Engine, Next, Options};
use crate::error::{exit_code, report};
use crate::model::time::{MICROS_PER_DAY, days_from_civil};
use crate::model::{BUILTIN, SeriesKey, Table, TableText, Value};
use crate::store::{Field, Resume, Scan, SeriesEntry};

/// A row: its time, its ordinal, its values.
type Line = (i64, i64, Vec<Value>);

#[derive(Default)]
struct Memory {
    tables: Vec<Table>,
    series: BTreeMap<String, Vec<(SeriesEntry, Vec<Line>)>>,
    /// The series that were read, with the times that were asked for.
    reads: Mutex<Vec<(i64, Option<i64>, Option<i64>)>>,
    breaks_at: Option<i64>,
}

impl Memory {
    fn new() -> Self {
        let texts: BTreeMap<String, TableText> = toml::from_str(BUILTIN).unwrap();
        let tables = texts.iter().map(|(name, text)| Table::parse(name, text).unwrap()).collect();
        Self { tables, ..Self::default() }
    }

    fn add(&mut self, table: &str, key: Vec<Value>, lines: Vec<Line>) {
        let known = self.series.entry(table.to_owned()).or_default();
        let id = 100 + i64::try_from(known.len()).unwrap();
        known.push((SeriesEntry { id, key: SeriesKey(key.into()) }, lines));
    }

    /// Adds daily bars from 2024-01-01 whose open counts from 0 and whose volume is missing on odd days.
    fn add_bars(&mut self, symbol: &str, rows: u32) {
        let lines = (0..rows).map(|at| {
            let mut values = vec![Value::Null; 10];
            values[0] = Value::Double(f64::from(at));
            if at % 2 == 0 {
                values[4] = Value::Double(1.0);
            }
            (day(2024, 1, 1) + i64::from(at) * MICROS_PER_DAY, 0, values)
        });
        let key = ["file", symbol, "1d"].map(|part| Value::Text(part.into()));
        self.add("bars", key.to_vec(), lines.collect());
    }

    fn of(&self, table: &str, series: i64) -> &[Line] {
        &self.series[table].iter().find(|(entry, _)| entry.id == series).unwrap().1
    }

    fn in_range<'a>(&'a self, scan: &Scan, series: i64) -> impl Iterator<Item = &'a Line> {
        let (since, until) = (scan.since, scan.until);
        let is_wanted = move |line: &&Line| {
            since.is_none_or(|since| line.0 >= since) && until.is_none_or(|until| line.0 < until)
        };
        self.of(&scan.table, series).iter().filter(is_wanted)
    }
}

impl Rows for Memory {
    fn tables(&self) -> &[Table] {
        &self.tables
    }

    fn series(&self, table: &str) -> Result<Vec<SeriesEntry>> {
        Ok(self.series.get(table).into_iter().flatten().map(|(entry, _)| entry.clone()).collect())
    }

    fn read(
        &self,
        scan: &Scan,
        series: i64,
        behind: Option<Resume>,
        columns: &mut Columns,
    ) -> Result<Option<Resume>> {
        self.reads.lock().unwrap().push((series, scan.since, scan.until));
        anyhow::ensure!(self.breaks_at != Some(series), "disk on fire");
        for line in self.in_range(scan, series) {
            if behind.is_some_and(|behind| (line.0, line.1) <= (behind.ts, behind.seq)) {
                continue;
            }
            for (at, field) in scan.fields.iter().enumerate() {
                let value = match field {
                    Field::Ts => Value::Timestamp(line.0),
                    Field::Seq => Value::Bigint(line.1),
                    Field::Value(at) => line.2[*at].clone(),
                };
                columns.push(at, value.as_ref())?;
            }
            columns.end_row();
            if columns.is_full() {
                return Ok(Some(Resume { ts: line.0, seq: line.1 }));
            }
        }
        Ok(None)
    }

    fn count(&self, scan: &Scan, series: i64) -> Result<u64> {
        Ok(self.in_range(scan, series).count() as u64)
    }

    fn extent(&self, table: &str, series: i64) -> Result<Option<(i64, i64)>> {
        let lines = self.of(table, series);
        Ok(lines.first().zip(lines.last()).map(|(first, last)| (first.0, last.0)))
    }

    fn explain(&self, scan: &Scan) -> Result<String> {
        Ok(format!("SELECT {} of {}", scan.fields.len(), scan.table))
    }
}

fn day(year: i64, month: u32, day: u32) -> i64 {
    days_from_civil(year, month, day) * MICROS_PER_DAY
}

fn engine(memory: Memory) -> (Engine, Arc<Memory>) {
    let memory = Arc::new(memory);
    (Engine::over(Arc::<Memory>::clone(&memory), &Options::default()).unwrap(), memory)
}

/// Three symbols with 400 daily bars each.
fn bars() -> (Engine, Arc<Memory>) {
    let mut memory = Memory::new();
    for symbol in ["AAA", "BBB", "CCC"] {
        memory.add_bars(symbol, 400);
    }
    engine(memory)
}

/// Returns the rows as text, cells parted by `|`, rows by line ends.
fn rows(engine: &Engine, sql: &str) -> String {
    try_rows(engine, sql).unwrap_or_else(|err| panic!("{sql}: {}", report(&err)))
}

fn try_rows(engine: &Engine, sql: &str) -> Result<String> {
    let mut answer = engine.query(sql)?;
    let mut lines = Vec::new();
    while let Some(batch) = answer.next()? {
        let options = FormatOptions::default();
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            lines.push(
                columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"),
            );
        }
    }
    Ok(lines.join("\n"))
}

fn complaint(engine: &Engine, sql: &str) -> String {
    report(&try_rows(engine, sql).expect_err(sql))
}

fn scan_line(engine: &Engine, sql: &str) -> String {
    let plan = engine.explain(sql).unwrap_or_else(|err| panic!("{sql}: {}", report(&err)));
    let line = plan.lines().find(|line| line.contains("HotScan")).unwrap_or_else(|| panic!("{sql}\n{plan}"));
    line.trim().to_owned()
}

#[test]
fn conditions_on_time_become_a_range_of_the_scan() {
    let (engine, _) = bars();
    for (condition, range) in [
        ("ts >= TIMESTAMP '2023-11-16 00:00:00'", "[2023-11-16T00:00:00Z, )"),
        ("ts >= '2023-11-16'", "[2023-11-16T00:00:00Z, )"),
        ("ts > '2023-11-16T09:30:00Z'", "[2023-11-16T09:30:00.000001Z, )"),
        ("ts < DATE '2024-01-01'", "(, 2024-01-01T00:00:00Z)"),
        ("ts <= DATE '2024-01-01'", "(, 2024-01-01T00:00:00.000001Z)"),
        ("ts = TIMESTAMP '2024-01-05'", "[2024-01-05T00:00:00Z, 2024-01-05T00:00:00.000001Z)"),
        ("ts BETWEEN '2024-01-05' AND '2024-01-06'", "[2024-01-05T00:00:00Z, 2024-01-06T00:00:00.000001Z)"),
        ("ts >= TIMESTAMP '2024-01-05 00:00:00.0000001'", "[2024-01-05T00:00:00.000001Z, )"),
        ("ts < TIMESTAMP '2024-01-05 00:00:00.0000001'", "(, 2024-01-05T00:00:00.000001Z)"),
        (
            "ts BETWEEN TIMESTAMP '2024-01-05 00:00:00.0000001' AND TIMESTAMP '2024-01-05 00:00:00.0000029'",
            "[2024-01-05T00:00:00.000001Z, 2024-01-05T00:00:00.000003Z)",
        ),
        ("'2024-01-05' <= ts AND ts < '2024-02-05'", "[2024-01-05T00:00:00Z, 2024-02-05T00:00:00Z)"),
        ("ts::date = '2024-01-05'", "[2024-01-05T00:00:00Z, 2024-01-06T00:00:00Z)"),
        ("ts >= to_timestamp('2024-01-05')", "[2024-01-05T00:00:00Z, )"),
        ("ts >= TIMESTAMP '2024-01-05 00:00:00-05:00'", "[2024-01-05T05:00:00Z, )"),
        ("ts >= DATE '2024-01-05' - INTERVAL '1 day'", "[2024-01-04T00:00:00Z, )"),
        ("ts < TIMESTAMP '9999-12-31 23:59:59.5'", "(, 9999-12-31T23:59:59.500Z)"),
        ("ts < DATE '9999-12-31'", "(, 9999-12-31T00:00:00Z)"),
        ("ts BETWEEN '0001-01-01' AND '2024-01-01'", "[0001-01-01T00:00:00Z, 2024-01-01T00:00:00.000001Z)"),
        ("ts >= '1600-01-01' AND ts < '9999-01-01'", "[1600-01-01T00:00:00Z, 9999-01-01T00:00:00Z)"),
    ] {
        let sql = format!("SELECT ts, open FROM bars WHERE {condition}");
        let plan = engine.explain(&sql).unwrap_or_else(|err| panic!("{sql}: {}", report(&err)));
        assert!(!plan.contains("FilterExec"), "{sql}\n{plan}");
        assert!(plan.contains(&format!("ts={range}, ")), "{sql}\n{plan}");
    }
    let plan = engine.explain("SELECT open FROM bars WHERE ts >= now() - INTERVAL '1 day'").unwrap();
    assert!(plan.contains("ts=[2") && !plan.contains("FilterExec"), "{plan}");
}

#[test]
fn a_time_between_two_microseconds_equals_none() {
    let (engine, _) = bars();
    let count = |condition: &str| rows(&engine, &format!("SELECT count(*) FROM bars WHERE {condition}"));
    assert_eq!(count("ts = TIMESTAMP '2024-01-05 00:00:00.0000001'"), "0");
    assert_eq!(count("ts <> TIMESTAMP '2024-01-05 00:00:00.0000001'"), "1200");
    assert_eq!(
        count("ts NOT BETWEEN TIMESTAMP '2024-01-01 00:00:00.0000001' AND TIMESTAMP '2024-01-05'"),
        "1188"
    );
}

#[test]
fn conditions_on_keys_choose_the_series_before_reading() {
    let (engine, memory) = bars();
    for (condition, series) in [
        ("symbol = 'BBB'", 1),
        ("symbol IN ('AAA', 'CCC')", 2),
        ("symbol LIKE 'B%' OR symbol > 'B'", 2),
        ("upper(symbol) = 'AAA' AND source = 'file'", 1),
        ("symbol = 'x'", 0),
        ("symbol <> NULL", 0),
        ("length(symbol || timeframe) = 5", 3),
    ] {
        let sql = format!("SELECT count(open) FROM bars WHERE {condition}");
        let plan = engine.explain(&sql).unwrap();
        assert!(!plan.contains("FilterExec"), "{sql}\n{plan}");
        assert!(plan.contains(&format!("series={series} of 3")) || series == 0, "{sql}\n{plan}");
        assert_eq!(rows(&engine, &sql), (400 * series).to_string(), "{sql}");
    }
    memory.reads.lock().unwrap().clear();
    assert_eq!(rows(&engine, "SELECT max(open) FROM bars WHERE symbol = 'BBB'"), "399.0");
    assert!(memory.reads.lock().unwrap().iter().all(|read| read.0 == 101));
}

#[test]
fn other_conditions_are_left_to_datafusion_and_hold() {
    let (engine, _) = bars();
    assert_eq!(rows(&engine, "SELECT count(*) FROM bars WHERE open > 397"), "6");
    assert_eq!(rows(&engine, "SELECT count(*) FROM bars WHERE volume IS NULL AND symbol = 'AAA'"), "200");
    assert_eq!(rows(&engine, "SELECT count(*) FROM bars WHERE ts <> '2024-01-01'"), "1197");
    assert_eq!(
        rows(&engine, "SELECT count(*) FROM bars WHERE ts < '2024-01-03' OR ts >= '2025-02-02'"),
        "12"
    );
}

#[test]
fn the_order_of_the_key_needs_no_sort() {
    let (engine, _) = bars();
    for (sql, is_sorted) in [
        ("SELECT * FROM bars ORDER BY source, symbol, timeframe, ts", true),
        ("SELECT * FROM bars ORDER BY symbol, ts", true),
        ("SELECT open FROM bars WHERE symbol = 'AAA' ORDER BY ts", true),
        ("SELECT symbol, open FROM bars ORDER BY symbol", true),
        ("SELECT * FROM bars ORDER BY ts", false),
        ("SELECT * FROM bars ORDER BY symbol DESC", false),
        ("SELECT avg(open) OVER (PARTITION BY symbol ORDER BY ts ROWS 19 PRECEDING) FROM bars", true),
    ] {
        let plan = engine.explain(sql).unwrap();
        assert_eq!(!plan.contains("SortExec"), is_sorted, "{sql}\n{plan}");
    }
}

#[test]
fn projection_and_limit_reach_the_store() {
    let (engine, memory) = bars();
    assert_eq!(
        scan_line(&engine, "SELECT close, symbol FROM bars WHERE symbol = 'AAA' LIMIT 3"),
        "HotScan: table=bars, series=1 of 3, columns=[symbol, close], limit=3, sql=SELECT 1 of bars"
    );
    assert_eq!(rows(&engine, "SELECT symbol, open FROM bars LIMIT 2"), "AAA|0.0\nAAA|1.0");
    assert_eq!(memory.reads.lock().unwrap().len(), 1);
}

#[test]
fn counting_reads_no_row() {
    let (engine, memory) = bars();
    assert_eq!(rows(&engine, "SELECT count(*) FROM bars"), "1200");
    assert_eq!(rows(&engine, "SELECT count(*) FROM bars WHERE ts < '2024-01-11' AND symbol <> 'AAA'"), "20");
    assert_eq!(
        rows(&engine, "SELECT symbol, count(*) FROM bars GROUP BY symbol ORDER BY symbol"),
        "AAA|400\nBBB|400\nCCC|400"
    );
    assert_eq!(rows(&engine, "SELECT count(*) FROM (SELECT 1 FROM bars LIMIT 7)"), "7");
    assert!(memory.reads.lock().unwrap().is_empty());
}

#[test]
fn a_long_series_is_cut_and_comes_out_in_order() {
    let mut memory = Memory::new();
    memory.add_bars("AAA", 10);
    memory.add_bars("BBB", 1_000_000);
    memory.add_bars("CCC", 10);
    let (engine, memory) = engine(memory);
    let mut answer = engine.query("SELECT symbol, ts, open FROM bars").unwrap();
    let mut seen = Vec::new();
    let mut first = None;
    while let Some(batch) = answer.next().unwrap() {
        use datafusion::arrow::array::AsArray as _;
        use datafusion::arrow::datatypes::Float64Type;
        first.get_or_insert(batch.num_rows());
        let opens = batch.column(2).as_primitive::<Float64Type>();
        seen.extend(
            batch
                .column(0)
                .as_string_view()
                .iter()
                .map(Option::unwrap)
                .map(str::to_owned)
                .zip(opens.values().iter().copied()),
        );
    }
    assert!(first.unwrap() <= 1_034, "the first batch comes soon");
    let expected = [("AAA", 10), ("BBB", 1_000_000), ("CCC", 10)];
    let expected =
        expected.iter().flat_map(|(symbol, rows)| (0..*rows).map(|at| ((*symbol).to_owned(), f64::from(at))));
    assert!(seen.iter().cloned().eq(expected));
    let reads = memory.reads.lock().unwrap();
    assert!(
        reads.iter().filter(|read| read.1.is_some()).count() > 10,
        "parts of it are read at the same time"
    );
}

#[test]
fn ticks_of_one_time_survive_every_cut() {
    let mut memory = Memory::new();
    let lines = (0..200_000).map(|at| {
        let mut values = vec![Value::Null; 4];
        values[0] = Value::Double(f64::from(at));
        (i64::from(at / 50_000), i64::from(at % 50_000), values)
    });
    let key = ["file", "SPY"].map(|part| Value::Text(part.into()));
    memory.add("trades", key.to_vec(), lines.collect());
    let (engine, _) = engine(memory);
    assert_eq!(
        rows(&engine, "SELECT count(price), count(DISTINCT price), max(seq) FROM trades"),
        "200000|200000|49999"
    );
    assert_eq!(
        rows(&engine, "SELECT seq, price FROM trades ORDER BY symbol, ts, seq LIMIT 1 OFFSET 123456"),
        "23456|123456.0"
    );
    let plan = engine.explain("SELECT seq, price FROM trades WHERE symbol = 'SPY' ORDER BY ts, seq").unwrap();
    assert!(!plan.contains("SortExec") || !plan.contains("seq"), "{plan}");
}

#[test]
fn nulls_in_a_key_are_found_and_sorted() {
    let mut memory = Memory::new();
    for point in [Value::Null, Value::Double(1.5), Value::Double(2.5)] {
        let mut key = ["file", "a-b", "book", "total", "over"].map(|part| Value::Text(part.into())).to_vec();
        key.push(point);
        memory.add(
            "odds",
            key,
            vec![(0, 0, vec![Value::Double(2.0), Value::Null, Value::Null, Value::Timestamp(7)])],
        );
    }
    let (engine, _) = engine(memory);
    assert_eq!(rows(&engine, "SELECT point FROM odds WHERE point IS NULL"), "");
    assert_eq!(rows(&engine, "SELECT count(*) FROM odds WHERE point IS NULL"), "1");
    assert_eq!(rows(&engine, "SELECT count(*) FROM odds WHERE point > 1"), "2");
    assert_eq!(rows(&engine, "SELECT coalesce(point, -1) FROM odds ORDER BY point"), "1.5\n2.5\n-1.0");
    assert_eq!(
        rows(&engine, "SELECT coalesce(point, -1) FROM odds ORDER BY point NULLS FIRST"),
        "-1.0\n1.5\n2.5"
    );
    let plan = engine.explain("SELECT point FROM odds ORDER BY point NULLS FIRST").unwrap();
    assert!(!plan.contains("SortExec"), "{plan}");
}

#[test]
fn a_join_reads_only_the_series_it_needs() {
    let (engine, memory) = bars();
    let sql = "SELECT sum(b.open * p.size) FROM (VALUES ('BBB', 2.0)) AS p(symbol, size) JOIN bars b ON b.symbol = p.symbol";
    assert_eq!(rows(&engine, sql), "159600.0");
    let reads = memory.reads.lock().unwrap();
    assert!(reads.iter().all(|read| read.0 == 101), "{reads:?}");
}

#[test]
fn the_functions_agree_with_duckdb() {
    let (engine, _) = bars();
    for (sql, expected) in [
        (
            "SELECT time_bucket('1 month', ts) AS m, first(open, ts), last(open, ts), count(*) FROM bars WHERE symbol = 'AAA' GROUP BY m ORDER BY m LIMIT 2",
            "2024-01-01T00:00:00Z|0.0|30.0|31\n2024-02-01T00:00:00Z|31.0|59.0|29",
        ),
        ("SELECT time_bucket(INTERVAL '7 days', TIMESTAMP '2024-02-29 10:00:00')", "2024-02-26T00:00:00Z"),
        ("SELECT time_bucket('1w', DATE '2024-02-29')", "2024-02-26"),
        ("SELECT time_bucket('1h', NULL), time_bucket(NULL, ts) FROM bars LIMIT 1", "|"),
        (
            "SELECT max_by(symbol, open), min_by(ts, -open) FROM bars WHERE symbol = 'CCC'",
            "CCC|2025-02-03T00:00:00Z",
        ),
        (
            "SELECT last(volume, ts), first(volume, ts), max_by(volume, open) FROM bars WHERE symbol = 'AAA' AND open BETWEEN 1 AND 3",
            "1.0|1.0|1.0",
        ),
        ("SELECT first(open, ts) FROM bars WHERE symbol = 'none'", ""),
        ("SELECT first(open, ts) FILTER (WHERE open > 5) FROM bars", "6.0"),
        (
            "SELECT max_by(ts, open) OVER (PARTITION BY symbol ORDER BY ts ROWS 1 PRECEDING)::date FROM bars ORDER BY symbol, ts LIMIT 2",
            "2024-01-01\n2024-01-02",
        ),
        (
            "SELECT first(open, ts) OVER (ORDER BY ts ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) FROM bars WHERE symbol = 'AAA' ORDER BY ts LIMIT 4",
            "\n0.0\n0.0\n1.0",
        ),
        ("SELECT last(open, ts) OVER () FROM bars LIMIT 1", "399.0"),
        ("SELECT strftime(ts, '%Y/%m'), strftime('%d', ts) FROM bars LIMIT 1", "2024/01|01"),
        ("SELECT strftime('2024-03-05 13:04:09', '%H:%M')", "13:04"),
        ("SELECT strftime(DATE '2024-03-05', '%A')", "Tuesday"),
        (
            "SELECT epoch(TIMESTAMP '1970-01-02 00:00:00.5'), epoch_ms(TIMESTAMP '1969-12-31 23:59:59.999')",
            "86400.5|-1",
        ),
        (
            "SELECT symbol FROM bars QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY ts) = 1 ORDER BY symbol",
            "AAA\nBBB\nCCC",
        ),
    ] {
        assert_eq!(rows(&engine, sql), expected, "{sql}");
    }
    assert!(
        complaint(&engine, "SELECT time_bucket('1 parsec', ts) FROM bars")
            .contains("invalid time bucket '1 parsec'")
    );
    assert!(complaint(&engine, "SELECT strftime(ts, '%Q') FROM bars").contains("unknown letter '%Q'"));
}

#[test]
fn grouping_by_a_bucket_of_an_ordered_series_needs_no_hash_of_all_groups() {
    let (engine, _) = bars();
    let sql =
        "SELECT time_bucket('1 month', ts) AS m, last(open, ts) FROM bars WHERE symbol = 'AAA' GROUP BY m";
    let plan = engine.explain(sql).unwrap();
    assert!(!plan.contains("SortExec"), "{plan}");
}

#[test]
fn unknown_names_suggest_the_nearest() {
    let (engine, _) = bars();
    for (sql, text) in [
        ("SELECT clsoe FROM bars", "error: cannot find column 'clsoe'\n\nhint: did you mean `close`?\n"),
        ("SELECT b.opne FROM bars b", "error: cannot find column 'b.opne'\n\nhint: did you mean `open`?\n"),
        (
            "SELECT open FROM bars WHERE symbol = \"AAPL\"",
            "error: cannot find column 'AAPL'\n\nhint: text stands in single quotes: `'AAPL'`\n",
        ),
        ("SELECT * FROM bar", "error: cannot find table 'bar'\n\nhint: did you mean `bars`?\n"),
        (
            "SELECT * FROM 'x.csv'",
            "error: cannot find table 'x.csv'\n\nhint: `barn info` lists the tables, `--with NAME=FILE` adds a file\n",
        ),
        (
            "WITH c AS (SELECT 1 AS a) SELECT * FROM c JOIN zzz ON true",
            "error: cannot find table 'zzz'\n\nhint: `barn info` lists the tables, `--with NAME=FILE` adds a file\n",
        ),
        ("DESCRIBE bra", "error: cannot find table 'bra'\n\nhint: did you mean `bars`?\n"),
    ] {
        assert_eq!(complaint(&engine, sql), text, "{sql}");
        assert_eq!(exit_code(&try_rows(&engine, sql).unwrap_err()), 2, "{sql}");
    }
}

#[test]
fn sql_opens_no_file() {
    let (engine, _) = bars();
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    file.write_all(b"a\n1\n").unwrap();
    let path = file.path().display();
    for sql in [
        format!("SELECT * FROM '{path}'"),
        format!("SELECT * FROM \"{path}\""),
        format!("SELECT * FROM read_csv('{path}')"),
        format!("SELECT * FROM read_csv_auto('{path}')"),
        format!("SELECT * FROM read_parquet('{path}')"),
        format!("COPY (SELECT 1) TO '{path}'"),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{path}'"),
    ] {
        assert!(try_rows(&engine, &sql).is_err(), "{sql}");
    }
    assert_eq!(std::fs::metadata(file.path()).unwrap().len(), 4);
}

#[test]
fn only_the_last_of_several_statements_is_returned() {
    let (engine, _) = bars();
    assert_eq!(rows(&engine, "SELECT 1; SELECT 2; VALUES (3), (4);"), "3\n4");
    assert!(try_rows(&engine, "SELECT 1 / 0; SELECT 2").is_err());
    assert!(rows(&engine, "SHOW TABLES").contains("bars"));
    assert!(rows(&engine, "DESCRIBE bars").starts_with("source|Utf8View|NO"));
    assert!(rows(&engine, "SHOW COLUMNS FROM bars").contains("timeframe"));
    assert!(rows(&engine, "EXPLAIN SELECT open FROM bars").contains("HotScan"));
}

#[test]
fn an_error_of_the_store_reaches_the_reader() {
    let mut memory = Memory::new();
    memory.add_bars("AAA", 10);
    memory.breaks_at = Some(100);
    let (engine, _) = engine(memory);
    assert_eq!(
        complaint(&engine, "SELECT open FROM bars"),
        "error: cannot run the query\n  caused by: disk on fire\n"
    );
    assert!(
        complaint(&engine, "SELECT symbol, max(open) FROM bars GROUP BY symbol").contains("disk on fire")
    );
}

#[test]
fn files_stand_beside_the_tables() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        let mut file = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.persist(&path).unwrap();
        path
    };
    let files = vec![
        ("positions".to_owned(), write("odd [name] 100%*.CSV", "symbol,size\nAAA,2\nBBB,3.5\n")),
        ("notes".to_owned(), write("notes.jsonl", "{\"symbol\":\"AAA\",\"note\":\"x\"}\n")),
        ("tabbed".to_owned(), write("t.tsv", "a\tb\n1\t\"x\ny\"\n")),
    ];
    let with = |files: &[(String, std::path::PathBuf)]| {
        let mut memory = Memory::new();
        memory.add_bars("AAA", 3);
        Engine::over(Arc::new(memory), &Options { memory_bytes: None, files: files.to_vec() })
    };
    let engine = with(&files).unwrap();
    let sql = "SELECT b.symbol, sum(open * size), min(note), min(b) FROM bars b JOIN positions USING (symbol) JOIN notes USING (symbol) CROSS JOIN tabbed GROUP BY 1";
    assert_eq!(rows(&engine, sql), "AAA|6.0|x|x\ny");
    let refusal = |name: &str, path: std::path::PathBuf| match with(&[(name.to_owned(), path)]) {
        Ok(_) => panic!("{name} is taken"),
        Err(err) => report(&err),
    };
    assert!(refusal("bars", files[0].1.clone()).contains("a table has this name"));
    assert!(refusal("A b", files[0].1.clone()).contains("invalid name 'A b'"));
    assert!(refusal("x", folder.path().join("none.csv")).contains("No such file"));
    assert!(refusal("x", write("x.txt", "a")).contains(".parquet"));
    assert!(refusal("x", write("x.parquet", "not parquet")).contains("cannot read file"));
    assert!(refusal("x", write("x.csv", "")).contains("cannot read file"));
}

#[test]
fn too_little_memory_ends_in_a_clear_error_or_in_files() {
    let mut memory = Memory::new();
    memory.add_bars("AAA", 300_000);
    let memory: Arc<Memory> = Arc::new(memory);
    let within = |bytes: usize| {
        Engine::over(Arc::<Memory>::clone(&memory), &Options { memory_bytes: Some(bytes), files: Vec::new() })
            .unwrap()
    };
    let sorted = "SELECT open, ts, high, low FROM bars ORDER BY open DESC";
    assert!(rows(&within(8 << 20), sorted).starts_with("299999.0"));
    let text = complaint(&within(64 << 10), "SELECT open, count(*) FROM bars GROUP BY open");
    assert!(text.starts_with("error: cannot run the query within 65536 bytes of memory\n\nhint: "), "{text}");
}

#[test]
fn an_answer_can_be_left_early() {
    let mut memory = Memory::new();
    memory.add_bars("AAA", 500_000);
    let (engine, memory) = engine(memory);
    let mut answer = engine.query("SELECT open FROM bars").unwrap();
    assert!(matches!(answer.next_within(Duration::from_secs(60)).unwrap(), Next::Batch(_)));
    drop(answer);
    drop(engine);
    std::thread::sleep(Duration::from_millis(50));
    let reads = memory.reads.lock().unwrap().len();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(memory.reads.lock().unwrap().len(), reads);
    assert!(reads < 60, "{reads}");
}

#[test]
fn the_end_is_told_from_a_wait() {
    let (engine, _) = bars();
    let mut answer = engine.query("SELECT count(*) FROM bars").unwrap();
    assert!(matches!(answer.next_within(Duration::from_secs(60)).unwrap(), Next::Batch(_)));
    assert!(matches!(answer.next_within(Duration::from_secs(60)).unwrap(), Next::End));
    assert!(answer.next().unwrap().is_none());
    let mut slow =
        engine.query("SELECT count(*) FROM range(0, 100000) a CROSS JOIN range(0, 100000) b").unwrap();
    assert!(matches!(slow.next_within(Duration::from_millis(1)).unwrap(), Next::Later));
}

#[test]
fn long_conditions_are_planned() {
    let (engine, _) = bars();
    let many = (0..3_000).map(|at| format!("open = {at}")).collect::<Vec<_>>().join(" OR ");
    assert_eq!(rows(&engine, &format!("SELECT count(*) FROM bars WHERE {many}")), "1200");
    let list = (0..5_000).map(|at| format!("'S{at}'")).collect::<Vec<_>>().join(", ");
    assert_eq!(rows(&engine, &format!("SELECT count(*) FROM bars WHERE symbol IN ('AAA', {list})")), "400");
}
