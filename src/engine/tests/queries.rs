//! What queries answer, refuse and complain about.

use std::io::Write as _;
use std::time::Duration;

use super::*;
use crate::engine::Next;
use crate::error::exit_code;

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
        ("pairs".to_owned(), write("array.json", " [{\"a\":1},\n{\"a\":2}]")),
        ("tabbed".to_owned(), write("t.tsv", "a\tb\n1\t\"x\ny\"\n")),
    ];
    let with = |files: &[(String, std::path::PathBuf)]| {
        let mut memory = Memory::new();
        memory.add_bars("AAA", 3);
        over(Arc::new(memory), &Options { memory_bytes: None, files: files.to_vec() })
    };
    let engine = with(&files).unwrap();
    let sql = "SELECT b.symbol, sum(open * size), min(note), min(b) FROM bars b JOIN positions USING (symbol) JOIN notes USING (symbol) CROSS JOIN tabbed GROUP BY 1";
    assert_eq!(rows(&engine, sql), "AAA|6.0|x|x\ny");
    assert_eq!(rows(&engine, "SELECT sum(a) FROM pairs"), "3");
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
        over(Arc::<Memory>::clone(&memory), &Options { memory_bytes: Some(bytes), files: Vec::new() })
            .unwrap()
    };
    let sorted = "SELECT open, ts, high, low FROM bars ORDER BY open DESC";
    assert!(rows(&within(8 << 20), sorted).starts_with("299999.0"));
    let text = complaint(&within(64 << 10), "SELECT open, count(*) FROM bars GROUP BY open");
    assert!(text.starts_with("error: cannot run the query within 65536 bytes of memory\n\nhint: "), "{text}");
}

#[test]
fn the_end_is_told_from_a_wait() {
    let (engine, _) = bars();
    let mut answer = engine.query("SELECT count(*) FROM bars").unwrap();
    assert!(matches!(answer.next_within(Duration::from_mins(1)).unwrap(), Next::Batch(_)));
    assert!(matches!(answer.next_within(Duration::from_mins(1)).unwrap(), Next::End));
    assert!(answer.next_batch().unwrap().is_none());
    let mut slow =
        engine.query("SELECT count(*) FROM range(0, 100000) a CROSS JOIN range(0, 100000) b").unwrap();
    assert!(matches!(slow.next_within(Duration::from_millis(1)).unwrap(), Next::Later));
}

#[test]
fn a_wait_ends_while_every_thread_computes() {
    let mut memory = Memory::new();
    for at in 0..8 {
        memory.add_bars(&format!("S{at}"), 20_000);
    }
    let (engine, _memory) = engine(memory);
    let pairs = "SELECT count(*) FROM bars a JOIN bars b ON a.symbol = b.symbol";
    let mut slow = engine.query(pairs).unwrap();
    let began = std::time::Instant::now();
    for _ in 0..20 {
        assert!(matches!(slow.next_within(Duration::from_millis(50)).unwrap(), Next::Later));
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn long_conditions_are_planned() {
    let (engine, _) = bars();
    let many = (0..3_000).map(|at| format!("open = {at}")).collect::<Vec<_>>().join(" OR ");
    assert_eq!(rows(&engine, &format!("SELECT count(*) FROM bars WHERE {many}")), "1200");
    let list = (0..5_000).map(|at| format!("'S{at}'")).collect::<Vec<_>>().join(", ");
    assert_eq!(rows(&engine, &format!("SELECT count(*) FROM bars WHERE symbol IN ('AAA', {list})")), "400");
}

#[test]
fn the_deepest_statement_has_room_on_the_stack() {
    let (engine, _) = bars();
    let deepest = " IS NULL".repeat(4_990);
    assert_eq!(rows(&engine, &format!("SELECT count(*) FROM bars WHERE close{deepest}")), "0");
    let error = engine.query(&format!("SELECT close{deepest}{deepest}{deepest} FROM bars")).unwrap_err();
    assert_eq!(exit_code(&error), 2);
}
