//! Words of command lines and cells: timeframes, times, numbers, names, paths into JSON.

use std::collections::BTreeMap;

use barn::decode::{Block, Decoder, Document, Format, Input, Layout, Path, http_date, moment};
use barn::model::time::{MAX_DAY, MICROS_PER_DAY, MIN_DAY, format_timestamp, is_in_range};
use barn::model::{
    Column, ColumnType, Rollup, RollupText, Span, Table, TableText, Timeframe, ValueRef, coalesce, normalize,
    subtract, validate,
};

use super::mutate::{self, NUMBERS, pick, word};
use super::{Rng, document, run};

/// Words that start times and lengths.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "1s", "5m", "4h", "1d", "1w", "1mo", "3mo", "1y", "now", "today", "-30d", "-6h", "-2w", "-3mo", "-1y",
    "2024-01-31", "2024-01-31T10:00", "2024-01-31T10:00:00.123456Z", "20240131",
    "2024-01-31 10:00:00+05:30", "s", "m", "d", "mo", "y", "-", "T", "Z", "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
];

fn wording(rng: &mut Rng) -> String {
    match rng.u8(..4) {
        0 => format!("{}{}", pick(rng, NUMBERS), pick(rng, &["s", "m", "h", "d", "w", "mo", "y", "M", ""])),
        1 => format!("-{}{}", pick(rng, NUMBERS), pick(rng, &["s", "m", "h", "d", "w", "mo", "y"])),
        2 => word(rng),
        _ => mutate::one_of(rng, WORDS, WORDS),
    }
}

/// A time that barn keeps.
fn time(rng: &mut Rng) -> i64 {
    match rng.u8(..4) {
        0 => MIN_DAY * MICROS_PER_DAY,
        1 => (MAX_DAY + 1) * MICROS_PER_DAY - 1,
        _ => rng.i64(MIN_DAY * MICROS_PER_DAY..(MAX_DAY + 1) * MICROS_PER_DAY),
    }
}

#[test]
fn any_timeframe_is_read_back_and_counts() {
    let make = |rng: &mut Rng| (wording(rng), time(rng));
    run("timeframe", make, |(text, time)| {
        let Ok(timeframe) = text.parse::<Timeframe>() else { return };
        assert_eq!(timeframe.to_string(), *text);
        assert!(timeframe.min_micros() <= timeframe.max_micros() && timeframe.min_micros() > 0);
        assert!(timeframe.gap_micros() >= timeframe.max_micros());
        let (start, after) = (timeframe.floor(*time), timeframe.after(*time));
        assert!(start <= *time, "{start}");
        assert!(after > *time, "{after}");
        assert!(timeframe.after(start) > *time, "{start} to {}", timeframe.after(start));
    });
}

#[test]
fn any_time_is_read_back_or_refused() {
    let make = |rng: &mut Rng| (wording(rng), time(rng));
    run("time", make, |(text, time)| {
        if let Ok(found) = moment(text, *time) {
            assert!(is_in_range(found), "{found}");
        }
        std::hint::black_box(http_date(text));
        assert_eq!(moment(&format_timestamp(*time), 0).unwrap(), *time);
    });
}

fn table(column: ColumnType) -> Table {
    let text = TableText { key: vec!["symbol text".to_owned()], ..TableText::default() };
    let mut table = Table::parse("t", &text).unwrap();
    table.values.push(Column::value("value", column));
    table
}

/// Decodes one cell of CSV.
fn cell(text: &str, kind: ColumnType, layout: &str) -> Option<String> {
    let quoted = text.replace('"', "\"\"");
    let bytes = format!("ts,symbol,value\n2024-01-02,A,\"{quoted}\"\n").into_bytes();
    let head = [Block { index: 0, first_line: 1, bytes, ends: None }];
    let layout = Layout::parse(layout).unwrap();
    let input = Input { format: Format::Csv, file_name: "x", head: &head };
    let decoded = Decoder::bind(&table(kind), &layout, &input).ok()?.decode(&head[0]).unwrap();
    let cells = decoded.frame.cells(0).unwrap();
    (decoded.frame.len() == 1).then(|| match cells.get(0) {
        ValueRef::Double(number) => format!("{number:?}"),
        other => other.shown(),
    })
}

#[test]
fn any_number_is_the_one_that_is_written() {
    let make = |rng: &mut Rng| match rng.u8(..5) {
        0 => pick(rng, NUMBERS).to_owned(),
        1 => format!("{:?}", f64::from_bits(rng.u64(..))),
        2 => format!("{:e}", f64::from_bits(rng.u64(..))),
        3 => format!("{}{}", rng.u64(..), ".".repeat(rng.usize(..2)) + &rng.u64(..).to_string()),
        _ => mutate::one_of(rng, NUMBERS, NUMBERS),
    };
    run("number", make, |text| {
        let read = cell(text, ColumnType::Double, "");
        let digits = text.trim_ascii().bytes().filter(u8::is_ascii_digit).count();
        let is_plain = text.trim_ascii().bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        if let (Some(read), Ok(exact)) = (&read, text.trim_ascii().parse::<f64>())
            && is_plain
            && digits > 0
        {
            assert_eq!(*read, format!("{:?}", exact + 0.0), "{text}");
        }
        if let (Some(read), Ok(exact)) =
            (cell(text, ColumnType::Bigint, ""), text.trim_ascii().parse::<i64>())
        {
            assert_eq!(read, exact.to_string());
        }
        for kind in [ColumnType::Text, ColumnType::Date, ColumnType::Timestamp, ColumnType::Boolean] {
            drop(cell(text, kind, ""));
        }
        for layout in
            ["thousands = 'comma'", "thousands = 'dot'", "[map]\nvalue = { at = 'value', divide = 10000 }"]
        {
            drop(cell(text, ColumnType::Double, layout));
            drop(cell(text, ColumnType::Bigint, layout));
        }
    });
}

#[test]
fn any_header_becomes_a_valid_name() {
    run("name", word, |header| {
        if let Some(name) = normalize(header) {
            validate(&name).unwrap();
            assert_eq!(normalize(&name).as_deref(), Some(name.as_str()));
        }
    });
}

#[test]
fn any_declaration_is_a_table_or_refused() {
    const PARTS: &[&str] = &[
        "source text",
        "symbol text null",
        "a double",
        "b bigint",
        "c boolean true",
        "d date",
        "high >= low",
    ];
    let make = |rng: &mut Rng| {
        let mut list = || (0..rng.usize(..4)).map(|_| mutate::one_of(rng, PARTS, PARTS)).collect::<Vec<_>>();
        (list(), list(), list())
    };
    run("table", make, |(key, values, checks)| {
        let text =
            TableText { key: key.clone(), ticks: false, values: values.clone(), checks: checks.clone() };
        if let Ok(table) = Table::parse("t", &text) {
            assert_eq!(Table::parse("t", &table.to_text()).unwrap().to_text(), table.to_text());
        }
    });
}

#[test]
fn any_rollup_is_read_or_refused() {
    let make = |rng: &mut Rng| {
        let text = "from = 'bars'\ntimeframe = '1m'\nevery = '1h'\nwhere = 'volume > 0'\ncolumns = { n = 'count(*)' }";
        mutate::text(rng, text, "every = '1mo'", WORDS)
    };
    run("rollup", make, |text| {
        let Ok(text) = toml::from_str::<RollupText>(text) else { return };
        if let Ok(rollup) = Rollup::parse("r", &text) {
            drop(Rollup::in_order(&BTreeMap::from([("r".to_owned(), rollup)])));
        }
    });
}

#[test]
fn any_path_leads_into_any_document() {
    const PATHS: &[&str] =
        &["a.b[0]", "[\"key with.dots\"]", "$", "*", "*!last", "Time Series*", "x[]", "px[][0]", "$.a.b"];
    let make = |rng: &mut Rng| {
        let path = mutate::one_of(rng, PATHS, PATHS);
        (path, document::json(rng))
    };
    run("json-path", make, |(path, body)| {
        let (Ok(path), Some(document)) = (Path::parse(path), Document::new(body.as_bytes())) else { return };
        let all = document.all(&path);
        assert_eq!(
            document.find(&path).map(|found| found.raw().to_owned()),
            all.first().map(|found| found.raw().to_owned())
        );
        for found in all {
            assert!(body.contains(found.raw()));
            drop(found.text());
        }
    });
}

#[test]
fn spans_that_are_cut_are_whole_again() {
    let make = |rng: &mut Rng| {
        let mut span = || {
            let (a, b) = (rng.i64(-50..50), rng.i64(1..40));
            Span { start: a, stop: a + b }
        };
        let whole = span();
        (whole, (0..6).map(|_| span()).collect::<Vec<_>>())
    };
    run("span", make, |(whole, cuts)| {
        let left = subtract(*whole, cuts);
        let inside = |spans: &[Span], at: i64| spans.iter().any(|span| span.contains(at));
        for at in -60..100 {
            assert_eq!(inside(&left, at), whole.contains(at) && !inside(cuts, at), "{at}");
            assert_eq!(inside(&coalesce(cuts.clone()), at), inside(cuts, at), "{at}");
        }
    });
}
