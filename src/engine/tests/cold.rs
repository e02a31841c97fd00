//! Which archived files are read, how much of them, and what comes out.
#![allow(clippy::cast_precision_loss, reason = "numbers of tests are those a double has")]

use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};

use super::files::{Archived, Form};
use super::*;

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// Returns a bar of a day in 2024 whose open is the number of the day.
pub(super) fn bar(source: &str, symbol: &str, timeframe: &str, at: u32) -> Archived {
    let mut values = vec![Value::Null; 10];
    values[0] = Value::Double(f64::from(at));
    values[9] = Value::Boolean(true);
    let key = [source, symbol, timeframe].map(text).to_vec();
    (key, day(2024, 1, 1) + i64::from(at) * MICROS_PER_DAY, 0, values)
}

/// Returns daily bars of symbols, in their order.
pub(super) fn bars_of(source: &str, symbols: &[&str], days: std::ops::Range<u32>) -> Vec<Archived> {
    symbols.iter().flat_map(|symbol| days.clone().map(|at| bar(source, symbol, "1d", at))).collect()
}

/// Four files: two years of three symbols, the first in two files, and one of another source; and a few hot rows.
fn years() -> Memory {
    let mut memory = Memory::new();
    memory.add_file("bars", &bars_of("x", &["AAA", "BBB"], 0..366), &Form::default());
    memory.add_file("bars", &bars_of("x", &["CCC"], 0..366), &Form::default());
    memory.add_file("bars", &bars_of("x", &["AAA", "BBB", "CCC"], 366..731), &Form::default());
    memory.add_file("bars", &bars_of("y", &["AAA", "ZZZ"], 0..10), &Form::default());
    for row in bars_of("x", &["AAA", "BBB", "CCC"], 731..741) {
        memory.add_row("bars", &row, false);
    }
    memory
}

/// Returns the lines of a plan about archived files.
fn cold_lines(engine: &Engine, sql: &str) -> Vec<String> {
    let plan = engine.explain(sql).unwrap_or_else(|err| panic!("{sql}: {}", report(&err)));
    plan.lines().map(str::trim).filter(|line| line.starts_with("Cold")).map(str::to_owned).collect()
}

#[test]
fn only_files_that_may_have_a_row_are_opened() {
    let (engine, memory) = engine(years());
    for (condition, files, rows) in [
        ("true", 4, 2_243),
        ("symbol = 'AAA'", 3, 751),
        ("symbol = 'CCC'", 2, 741),
        ("symbol IN ('ZZZ', 'none')", 1, 10),
        ("symbol LIKE 'Z%' OR source = 'y'", 1, 20),
        ("symbol > 'BBB' AND source = 'x' AND ts < '2024-02-01'", 1, 31),
        ("source = 'y'", 1, 20),
        ("ts >= '2026-01-01'", 0, 30),
        ("ts >= '2025-12-31'", 1, 33),
        ("ts = '2024-03-01'", 2, 3),
        ("upper(symbol) = 'BBB' AND ts >= '2025-01-01'", 1, 375),
        ("(symbol = 'CCC' OR symbol = 'ZZZ') AND timeframe = '1d'", 3, 751),
        ("symbol = 'none'", 0, 0),
        ("timeframe = '1m'", 0, 0),
        ("ts > '2025-01-01' AND ts < '2025-01-01'", 0, 0),
    ] {
        let sql = format!("SELECT count(open) FROM bars WHERE {condition}");
        memory.archive.take_opened();
        assert_eq!(super::rows(&engine, &sql), rows.to_string(), "{sql}\n{}", engine.explain(&sql).unwrap());
        memory.archive.take_opened();
        super::rows(&engine, &sql);
        assert_eq!(memory.archive.take_opened(), files, "{sql}\n{}", engine.explain(&sql).unwrap());
    }
}

#[test]
fn without_archived_files_a_plan_is_the_one_of_hot_rows() {
    let (engine, _) = engine(years());
    let plan = engine.explain("SELECT ts FROM trades WHERE symbol = 'AAA' ORDER BY ts").unwrap();
    assert!(!plan.contains("Cold") && !plan.contains("Union"), "{plan}");
    let plan = engine.explain("SELECT ts FROM bars WHERE ts >= '2026-01-01'").unwrap();
    assert!(!plan.contains("Cold") && !plan.contains("Union"), "{plan}");
}

#[test]
fn a_plan_says_what_is_read_of_how_much() {
    let (engine, _) = engine(years());
    assert_eq!(
        cold_lines(
            &engine,
            "SELECT ts, open FROM bars WHERE symbol = 'BBB' AND ts >= '2025-02-01' AND ts < '2025-02-02'"
        ),
        [
            "ColdScan: table=bars, files=1 of 4, row_groups=1 of 2, rows=200 of 1095, columns=[ts, open, symbol], \
          order=[ts@0 ASC NULLS LAST], where=symbol = BBB AND ts >= 1738368000000000 AND ts < 1738454400000000"
        ]
    );
    let lines = cold_lines(&engine, "SELECT open FROM bars WHERE source = 'y'");
    assert_eq!(lines, ["ColdScan: table=bars, files=1 of 4, rows=20, columns=[open]"]);
}

#[test]
fn counting_opens_no_file() {
    let (engine, memory) = engine(years());
    assert_eq!(rows(&engine, "SELECT count(*) FROM bars"), "2243");
    assert_eq!(rows(&engine, "SELECT count(*) FROM bars WHERE source = 'x' AND ts >= '2025-01-01'"), "1125");
    assert_eq!(rows(&engine, "SELECT source, count(*) FROM bars GROUP BY source ORDER BY 1"), "x|2223\ny|20");
    assert_eq!(rows(&engine, "SELECT count(*) FROM (SELECT 1 FROM bars LIMIT 1700)"), "1700");
    assert_eq!(memory.archive.take_opened(), 0);
}

#[test]
fn the_order_of_the_key_needs_no_sort() {
    let (engine, _) = engine(years());
    for (sql, is_sorted) in [
        ("SELECT * FROM bars ORDER BY source, symbol, timeframe, ts", true),
        ("SELECT * FROM bars WHERE source = 'x' ORDER BY symbol, ts", true),
        ("SELECT symbol, open FROM bars WHERE source = 'x' ORDER BY symbol, ts LIMIT 5", true),
        ("SELECT open FROM bars WHERE symbol = 'AAA' AND source = 'x' ORDER BY ts", true),
        ("SELECT open FROM bars WHERE symbol = 'BBB' ORDER BY source, ts", true),
        (
            "SELECT open, ts FROM bars WHERE symbol = 'AAA' AND source = 'x' AND timeframe = '1d' AND ts >= '2024-05-05' ORDER BY ts",
            true,
        ),
        (
            "SELECT symbol, avg(open) OVER (PARTITION BY symbol ORDER BY ts ROWS 19 PRECEDING) FROM bars WHERE source = 'x'",
            true,
        ),
        ("SELECT * FROM bars ORDER BY ts", false),
        ("SELECT * FROM bars ORDER BY symbol, ts", false),
    ] {
        let plan = engine.explain(sql).unwrap();
        assert_eq!(!plan.contains("SortExec"), is_sorted, "{sql}\n{plan}");
    }
    assert_eq!(
        rows(
            &engine,
            "SELECT symbol, open FROM bars WHERE source = 'x' AND ts BETWEEN '2024-12-31' AND '2025-01-01' ORDER BY symbol, ts"
        ),
        "AAA|365.0\nAAA|366.0\nBBB|365.0\nBBB|366.0\nCCC|365.0\nCCC|366.0"
    );
    let opens: Vec<_> = (0..741).map(|at| format!("{at}.0")).collect();
    assert_eq!(rows(&engine, "SELECT open FROM bars WHERE symbol = 'CCC' ORDER BY ts"), opens.join("\n"));
}

#[test]
fn a_hot_row_stands_in_the_place_of_an_archived_one() {
    let mut memory = years();
    let mut right = [("AAA", 0), ("BBB", 365), ("CCC", 0), ("CCC", 365), ("AAA", 366), ("CCC", 730)];
    for (symbol, at) in right {
        let mut row = bar("x", symbol, "1d", at);
        row.3[0] = Value::Double(-f64::from(at) - 1.0);
        memory.add_row("bars", &row, true);
    }
    right.sort_by_key(|(symbol, at)| (*symbol, *at));
    let (engine, _) = engine(memory);
    let expected: Vec<_> = right.iter().map(|(symbol, at)| format!("{symbol}|-{}.0", at + 1)).collect();
    assert_eq!(
        rows(&engine, "SELECT symbol, open FROM bars WHERE open < 0 ORDER BY symbol, ts"),
        expected.join("\n")
    );
    assert_eq!(rows(&engine, "SELECT count(*), count(DISTINCT (source, symbol, ts)) FROM bars"), "2243|2243");
    assert_eq!(
        rows(&engine, "SELECT open FROM bars WHERE symbol = 'AAA' AND ts = '2024-01-01' AND source = 'x'"),
        "-1.0"
    );
    assert_eq!(rows(&engine, "SELECT min(open), count(*) FROM bars WHERE symbol = 'BBB'"), "-366.0|741");
    // Those of other series or times cost nothing.
    for (condition, is_touched) in [
        ("symbol = 'BBB' AND ts < '2024-12-31'", false),
        ("symbol = 'BBB' AND ts <= '2024-12-31'", true),
        ("source = 'y'", false),
        ("symbol = 'AAA' AND ts > '2024-01-01' AND ts < '2025-01-01'", false),
    ] {
        let lines = cold_lines(&engine, &format!("SELECT open FROM bars WHERE {condition}"));
        assert_eq!(
            lines.iter().any(|line| line.contains("not corrected")),
            is_touched,
            "{condition}: {lines:?}"
        );
    }
}

#[test]
fn many_corrections_leave_each_row_once() {
    let mut memory = Memory::new();
    memory.add_file("bars", &bars_of("x", &["AAA", "BBB", "CCC"], 0..4_000), &Form::default());
    for at in (0..4_000).filter(|at| at % 3 != 0) {
        let mut row = bar("x", "BBB", "1d", at);
        row.3[0] = Value::Double(f64::from(at) + 0.5);
        memory.add_row("bars", &row, true);
    }
    let (engine, _) = engine(memory);
    assert_eq!(
        rows(
            &engine,
            "SELECT symbol, count(*), count(DISTINCT ts), sum(open) FROM bars GROUP BY symbol ORDER BY symbol"
        ),
        "AAA|4000|4000|7998000.0\nBBB|4000|4000|7999333.0\nCCC|4000|4000|7998000.0"
    );
}

/// Returns the bits of the only column of a query.
fn bits(engine: &Engine, sql: &str) -> Vec<u64> {
    let mut answer = engine.query(sql).unwrap();
    let mut bits = Vec::new();
    while let Some(batch) = answer.next_batch().unwrap() {
        bits.extend(
            batch.column(0).as_primitive::<Float64Type>().values().iter().map(|value| value.to_bits()),
        );
    }
    bits
}

#[test]
fn narrowed_numbers_come_back_bit_for_bit() {
    let whole = [0_i64, 1, -1, 2_147_483_647, -2_147_483_648, 99_999];
    let long = [9_007_199_254_740_993_i64, 999_999_999_999_999_999, -123_456_789_012_345_678, 3, 7, 1];
    let cases: [(DataType, Vec<f64>); 7] = [
        (DataType::Int32, whole.iter().map(|number| *number as f64).collect()),
        (DataType::Int64, long.iter().map(|number| *number as f64).collect()),
        (
            DataType::Float32,
            vec![
                0.1_f32.into(),
                f32::MAX.into(),
                f32::MIN_POSITIVE.into(),
                f64::INFINITY,
                f64::NEG_INFINITY,
                1e-45_f32.into(),
            ],
        ),
        (DataType::Float64, vec![0.1, f64::MAX, 5e-324, f64::INFINITY, -1.0 / 3.0, 1e300]),
        (DataType::Decimal128(9, 2), whole.iter().map(|number| *number as f64 / 100.0).take(3).collect()),
        (
            DataType::Decimal128(18, 5),
            [1_234_567, -5, 100_001].iter().map(|number| f64::from(*number) / 100_000.0).collect(),
        ),
        (DataType::Decimal128(18, 0), whole.iter().map(|number| *number as f64).collect()),
    ];
    for (stored, numbers) in cases {
        let mut memory = Memory::new();
        let mut rows = bars_of("x", &["AAA"], 0..u32::try_from(numbers.len()).unwrap());
        for (row, number) in rows.iter_mut().zip(&numbers) {
            row.3[0] = Value::Double(*number);
        }
        memory.add_file("bars", &rows, &Form { types: vec![("open", stored.clone())], ..Form::default() });
        let (engine, _) = engine(memory);
        let expected: Vec<_> = numbers.iter().map(|number| number.to_bits()).collect();
        assert_eq!(bits(&engine, "SELECT open FROM bars ORDER BY ts"), expected, "{stored}");
        for number in &numbers {
            let number = format!("{number:?}").replace("inf", "'inf'::double").replace("-'", "-1 * '");
            let sql = format!("SELECT count(*) FROM bars WHERE open = {number}");
            assert_eq!(super::rows(&engine, &sql), "1", "{stored}: {sql}");
        }
    }
}

#[test]
fn a_decimal_is_its_whole_number_divided_once() {
    use datafusion::arrow::array::{ArrayRef, Decimal128Array};
    use datafusion::arrow::compute::cast;
    let mut seed = 1_u64;
    for scale in 0..=18 {
        let mut number = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i128::from(seed % 999_999_999_999_999_999) >> (seed % 50)
        };
        let numbers: Vec<i128> =
            (0..2_000).map(|at| if at % 2 == 0 { number() } else { -number() }).collect();
        let array = Decimal128Array::from(numbers.clone()).with_precision_and_scale(18, scale).unwrap();
        let doubles = cast(&(Arc::new(array) as ArrayRef), &DataType::Float64).unwrap();
        let power: f64 = format!("1e{scale}").parse().unwrap();
        for (double, number) in doubles.as_primitive::<Float64Type>().values().iter().zip(numbers) {
            let whole = i64::try_from(number).unwrap() as f64;
            assert_eq!(double.to_bits(), (whole / power).to_bits(), "{number} at {scale}");
        }
    }
}

#[test]
fn columns_that_a_file_lacks_have_their_default() {
    let mut memory = Memory::new();
    let lacks = vec!["final", "volume", "trades"];
    memory.add_file("bars", &bars_of("x", &["AAA"], 0..10), &Form { lacks, ..Form::default() });
    let mut rest = bars_of("x", &["AAA"], 10..15);
    for row in &mut rest {
        (row.3[4], row.3[9]) = (Value::Double(2.0), Value::Boolean(false));
        row.3[7] = Value::Bigint(i64::from(i32::MIN));
    }
    let types = vec![("trades", DataType::Int32), ("volume", DataType::Int32)];
    memory.add_file("bars", &rest, &Form { types, ..Form::default() });
    let (engine, _) = engine(memory);
    assert_eq!(
        rows(&engine, "SELECT final, volume, trades, count(*) FROM bars GROUP BY 1, 2, 3 ORDER BY 1"),
        "false|2.0|-2147483648|5\ntrue|||10"
    );
    for (condition, count) in [
        ("final", 10),
        ("NOT final", 5),
        ("volume IS NULL", 10),
        ("volume > 1", 5),
        ("trades = -2147483648", 5),
        ("trades < 9223372036854775807 OR final", 15),
        ("coalesce(trades, 1) = 1 AND final IS NOT DISTINCT FROM true", 10),
    ] {
        assert_eq!(
            rows(&engine, &format!("SELECT count(*) FROM bars WHERE {condition}")),
            count.to_string(),
            "{condition}"
        );
    }
}

#[test]
fn text_and_types_are_those_of_hot_rows() {
    let (engine, _) = engine(years());
    let mut answer =
        engine.query("SELECT symbol, open, trades, ts, final FROM bars WHERE ts < '2025-01-01'").unwrap();
    let batch = answer.next_batch().unwrap().unwrap();
    assert_eq!(*batch.column(0).data_type(), DataType::Utf8View);
    assert!(batch.column(1).as_primitive_opt::<Float64Type>().is_some());
    assert!(batch.column(2).as_primitive_opt::<Int64Type>().is_some());
    assert_eq!(batch.schema().field(3).data_type().to_string(), "Timestamp(µs, \"UTC\")");
}

#[test]
fn a_file_of_another_type_is_an_error() {
    let mut memory = Memory::new();
    let types = vec![("open", DataType::Utf8)];
    memory.add_file("bars", &bars_of("x", &["AAA"], 0..10), &Form { types, ..Form::default() });
    let (engine, _) = engine(memory);
    assert_eq!(
        complaint(&engine, "SELECT open FROM bars"),
        "error: cannot run the query\n  caused by: cannot read column 'open': the file has Utf8, expected Float64\n"
    );
    assert_eq!(rows(&engine, "SELECT count(ts) FROM bars"), "10");
}

#[test]
fn a_join_and_the_largest_rows_are_found() {
    let (engine, _) = engine(years());
    assert_eq!(
        rows(
            &engine,
            "SELECT b.symbol, sum(b.open * p.size) FROM (VALUES ('BBB', 2.0)) AS p(symbol, size) JOIN bars b ON b.symbol = p.symbol GROUP BY 1"
        ),
        "BBB|548340.0"
    );
    assert_eq!(
        rows(
            &engine,
            "SELECT symbol, open FROM bars WHERE ts < '2026-01-01' ORDER BY open DESC, symbol LIMIT 4"
        ),
        "AAA|730.0\nBBB|730.0\nCCC|730.0\nAAA|729.0"
    );
}

#[test]
fn a_query_keeps_within_its_memory() {
    let mut memory = Memory::new();
    memory.add_file(
        "bars",
        &bars_of("x", &["AAA", "BBB"], 0..20_000),
        &Form { group_rows: 5_000, ..Form::default() },
    );
    let options = Options { memory_bytes: Some(8 << 20), ..Options::default() };
    let engine = over(Arc::new(memory), &options).unwrap();
    let sql = "SELECT open FROM bars ORDER BY open DESC, symbol OFFSET 39998";
    assert_eq!(rows(&engine, sql), "0.0\n0.0");
}
