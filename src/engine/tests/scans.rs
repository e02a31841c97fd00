//! What of a query reaches the store, and in which order rows come back.

use std::time::Duration;

use super::*;
use crate::engine::Next;

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
fn conditions_with_subqueries_hold() {
    let (engine, _) = bars();
    for (condition, count) in [
        ("symbol = (SELECT max(symbol) FROM bars)", "400"),
        ("symbol IN (SELECT symbol FROM bars WHERE open = 5 AND symbol < 'C')", "800"),
        ("symbol NOT IN (SELECT 'AAA')", "800"),
        ("ts = (SELECT max(ts) FROM bars)", "3"),
        ("ts > (SELECT max(ts) FROM bars b WHERE b.symbol = bars.symbol) - INTERVAL '2 days'", "6"),
        ("EXISTS (SELECT 1 FROM bars b WHERE b.symbol > bars.symbol)", "800"),
        ("symbol = (SELECT 'BBB') AND source = (SELECT 'file')", "400"),
        ("random() < 2 AND symbol = 'AAA' AND (symbol = 'AAA') = (random() < 2)", "400"),
    ] {
        let sql = format!("SELECT count(*) FROM bars WHERE {condition}");
        assert_eq!(rows(&engine, &sql), count, "{sql}");
    }
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
    while let Some(batch) = answer.next_batch().unwrap() {
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
fn an_answer_can_be_left_early() {
    let mut memory = Memory::new();
    memory.add_bars("AAA", 500_000);
    let (engine, memory) = engine(memory);
    let mut answer = engine.query("SELECT open FROM bars").unwrap();
    assert!(matches!(answer.next_within(Duration::from_mins(1)).unwrap(), Next::Batch(_)));
    drop(answer);
    drop(engine);
    std::thread::sleep(Duration::from_millis(50));
    let reads = memory.reads.lock().unwrap().len();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(memory.reads.lock().unwrap().len(), reads);
    assert!(reads < 60, "{reads}");
}
