//! Properties of the whole binary: whatever rows go in, in whatever order and batches, the same rows come
//! out. `PROPTEST_CASES` sets how many cases each property is tried on.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking and prepares files of its own"
)]

#[path = "../cli/harness.rs"]
#[allow(dead_code, clippy::print_stderr, reason = "the command tests use the rest")]
mod harness;

mod archive;
mod fuzz;
mod rollup;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use harness::{Counts, Sandbox};

/// Cases of each property where the environment does not say; a case is some ten processes.
const CASES: u32 = 30;

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() }
}

/// A row of `bars` as the tests make it: the key, then close and volume.
#[derive(Clone, Debug)]
struct Bar {
    symbol: String,
    minute: i64,
    close: Option<f64>,
    volume: Option<f64>,
}

/// Doubles that are easily lost: subnormals, infinities, seventeen digits, huge and tiny ones.
fn nasty_double() -> impl Strategy<Value = f64> {
    let known = prop_oneof![
        Just(5e-324),
        Just(-5e-324),
        Just(2.225_073_858_507_201e-308),
        Just(f64::MIN_POSITIVE),
        Just(f64::MAX),
        Just(f64::MIN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(0.1 + 0.2),
        Just(1e16),
        Just(9_007_199_254_740_993.0),
        Just(0.0),
        Just(-0.0),
        Just(1e-5),
    ];
    let bits =
        any::<u64>().prop_map(f64::from_bits).prop_filter("NaN is no value", |number| !number.is_nan());
    prop_oneof![known, bits, (-1_000_000i32..1_000_000).prop_map(|cents| f64::from(cents) / 100.0)]
}

/// Text that CSV gets wrong: separators, quotes, line ends, blanks, words that look like numbers or nulls.
fn nasty_text() -> impl Strategy<Value = String> {
    let known = prop_oneof![
        Just(String::new()),
        Just(" ".to_owned()),
        Just("\"".to_owned()),
        Just("\"\"".to_owned()),
        Just("a,b".to_owned()),
        Just("line\nend".to_owned()),
        Just("line\r\nend".to_owned()),
        Just("\r".to_owned()),
        Just("\t".to_owned()),
        Just("NA".to_owned()),
        Just("null".to_owned()),
        Just("-".to_owned()),
        Just("NaN".to_owned()),
        Just("007".to_owned()),
        Just("1e5".to_owned()),
        Just("true".to_owned()),
        Just("2024-01-01".to_owned()),
        Just("\u{feff}mark".to_owned()),
        Just("'; DROP TABLE bars; --".to_owned()),
        Just("=1+1".to_owned()),
        Just("é\u{301} 日本 \u{1f300}".to_owned()),
    ];
    let any_text = proptest::collection::vec(any::<char>().prop_filter("no NUL", |c| *c != '\0'), 0..12)
        .prop_map(|chars| chars.into_iter().collect());
    prop_oneof![known, any_text]
}

fn bars() -> impl Strategy<Value = Vec<Bar>> {
    let bar = (
        "[A-C]",
        0i64..40,
        proptest::option::weighted(0.9, nasty_double()),
        proptest::option::of(0.0..1e9f64),
    )
        .prop_map(|(symbol, minute, close, volume)| Bar { symbol, minute, close, volume });
    proptest::collection::vec(bar, 1..120)
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:?}"))
}

fn csv(bars: &[Bar]) -> String {
    let mut text = String::from("ts,symbol,close,volume\n");
    for bar in bars {
        let (ts, close, volume) = (bar.minute * 60, number(bar.close), number(bar.volume));
        writeln!(text, "{ts},{},{close},{volume}", bar.symbol).unwrap();
    }
    text
}

/// What a query prints of the bars: sorted by their key, the last of each key, without the sign of zero.
fn expected(bars: &[Bar]) -> String {
    let rows: BTreeMap<_, _> = bars.iter().map(|bar| ((bar.symbol.clone(), bar.minute), bar)).collect();
    let mut text = String::from("symbol,ts,close,volume\n");
    for ((symbol, minute), bar) in rows {
        let unsigned = |value: Option<f64>| number(value.map(|value| value + 0.0));
        let (close, volume) = (unsigned(bar.close), unsigned(bar.volume));
        writeln!(text, "{symbol},1970-01-01T00:{minute:02}:00Z,{close},{volume}").unwrap();
    }
    text
}

const QUERY: &str = "SELECT symbol, ts, close, volume FROM bars ORDER BY symbol, ts";

/// Quotes a field as the strictest writer does; only a missing value has no quotes.
fn field(text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| format!("\"{}\"", text.replace('"', "\"\"")))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_stored_is_queried_sorted_and_without_duplicates(bars in bars(), rows in 1usize..150) {
        let sandbox = Sandbox::new();
        sandbox.write("a.csv", csv(&bars));
        // Nulls apart, which the rule replaces by the row of an earlier batch, the last row of a key wins.
        let line = format!("bars a.csv --set timeframe=1m --on-conflict replace --transaction-rows {rows}");
        let counts = sandbox.store(&line);
        prop_assert_eq!(counts.read, bars.len() as u64);
        prop_assert_eq!(counts.rejected, 0);
        let found = sandbox.query(QUERY);
        prop_assert_eq!(&found, &expected(&bars));
        let stored = found.lines().count() as u64 - 1;
        prop_assert_eq!(counts.inserted, stored);

        // In one transaction a second time changes nothing, whatever is repeated inside.
        let again = sandbox.store("bars a.csv --set timeframe=1m --on-conflict replace");
        prop_assert_eq!((again.inserted, again.updated, again.unchanged), (0, 0, stored));
        prop_assert_eq!(sandbox.query(QUERY), found);
    }

    #[test]
    fn csv_goes_round_without_a_changed_byte(
        rows in proptest::collection::vec((nasty_text(), proptest::option::of(nasty_text()), 0u32..50), 1..40)
    ) {
        let sandbox = Sandbox::new();
        let mut text = String::from("ts,symbol,title,url\n");
        for (symbol, title, second) in &rows {
            writeln!(text, "{second},{},{},", field(Some(symbol)), field(title.as_deref())).unwrap();
        }
        sandbox.write("a.csv", &text);
        let counts = sandbox.store("news a.csv --format csv");
        prop_assert_eq!(counts, Counts::new_rows(rows.len() as u64));
        let all = "SELECT * FROM news ORDER BY source, symbol, ts, seq";
        let first = sandbox.barn(["query", all, "--format", "csv"]).ok();
        sandbox.write("b.csv", first.bytes());
        let counts = sandbox.store_in("other", "news b.csv --format csv");
        prop_assert_eq!(counts, Counts::new_rows(rows.len() as u64));
        let second = sandbox.barn(["--store", "other", "query", all, "--format", "csv"]).ok();
        prop_assert_eq!(second.stdout(), first.stdout());
        prop_assert_eq!(sandbox.store("news b.csv --format csv"), Counts::same_rows(rows.len() as u64));
    }

    #[test]
    fn every_format_brings_every_double_back(values in proptest::collection::vec(nasty_double(), 1..60)) {
        let sandbox = Sandbox::new();
        let mut text = String::from("ts,symbol,value\n");
        for (at, value) in values.iter().enumerate() {
            writeln!(text, "{at},A,{value:?}").unwrap();
        }
        sandbox.write("a.csv", text);
        prop_assert_eq!(sandbox.store("observations a.csv"), Counts::new_rows(values.len() as u64));
        let all = "SELECT * FROM observations ORDER BY ts";
        let printed = sandbox.query(all);
        for (line, value) in printed.lines().skip(1).zip(&values) {
            let expected = format!("{:?}", value + 0.0);
            prop_assert_eq!(line.rsplit(',').next(), Some(expected.as_str()));
        }
        for format in ["csv", "tsv", "ndjson", "json", "parquet"] {
            let name = format!("out.{format}");
            sandbox.barn(["query", all, "-o", &name]).ok();
            let counts = sandbox.store_in(format, &format!("observations {name}"));
            prop_assert_eq!(counts, Counts::new_rows(values.len() as u64), "{}", format);
            prop_assert_eq!(&sandbox.query_in(format, all), &printed, "{}", format);
        }
    }

    #[test]
    fn ticks_are_a_multiset(ticks in proptest::collection::vec((0u32..4, 0u32..3), 1..80), rows in 1usize..100) {
        let sandbox = Sandbox::new();
        let mut text = String::from("ts,price\n");
        for (second, price) in &ticks {
            writeln!(text, "{second},{price}").unwrap();
        }
        sandbox.write("a.csv", text);
        let line = format!("trades a.csv --set symbol=A --transaction-rows {rows}");
        prop_assert_eq!(sandbox.store(&line), Counts::new_rows(ticks.len() as u64));
        prop_assert_eq!(sandbox.store(&line), Counts::same_rows(ticks.len() as u64));
        prop_assert_eq!(sandbox.store("trades a.csv --set symbol=A"), Counts::same_rows(ticks.len() as u64));
        let mut sorted: Vec<_> = ticks.clone();
        sorted.sort_unstable();
        let mut expected = String::from("ts,price\n");
        for (second, price) in sorted {
            writeln!(expected, "1970-01-01T00:00:{second:02}Z,{price}.0").unwrap();
        }
        prop_assert_eq!(sandbox.query("SELECT ts, price FROM trades ORDER BY ts, price"), expected);
    }
}
