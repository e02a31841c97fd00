//! Documents of records: JSON and CSV, mostly well formed, with what is hard in every place.

use std::fmt::Write as _;

use super::Rng;
use super::mutate::{NUMBERS, TEXTS, pick, word};

/// Names of fields that tables, layouts and definitions know.
#[rustfmt::skip]
const FIELDS: &[&str] = &[
    "ts", "t", "time", "Date", "date", "symbol", "s", "source", "timeframe", "open", "o", "high", "low",
    "close", "c", "Adj Close", "volume", "v", "trades", "final", "price", "size", "side", "bid", "ask",
    "expiry", "strike", "option_type", "value", "title", "point", "home", "away", "commence", "data",
    "result", "records", "a b", "", "books", "legs", "CE", "PE", "last", "error", "Time Series (Daily)",
    "1. open", "4. close", "items", "id",
];

/// Returns a name of a field.
pub(super) fn field(rng: &mut Rng) -> String {
    if rng.u8(..12) == 0 { word(rng) } else { pick(rng, FIELDS).to_owned() }
}

/// Returns a JSON text of records in one of the usual shapes.
pub(super) fn json(rng: &mut Rng) -> String {
    let fields: Vec<String> = (0..rng.usize(1..9)).map(|_| field(rng)).collect();
    let rows = [0, 1, 2, 5, 40][rng.usize(..5)];
    let mut records = match rng.u8(..5) {
        0 => list(rng, rows, |rng| object(rng, &fields, value)),
        1 => list(rng, rows, |rng| list(rng, fields.len(), value)),
        2 => object(rng, &fields, |rng| list(rng, rows, cell)),
        3 => {
            let keys: Vec<String> = (0..rows).map(|_| time(rng)).collect();
            object(rng, &keys, |rng| object(rng, &fields, cell))
        }
        _ => value(rng),
    };
    for _ in 0..rng.usize(..3) {
        let key = serde_json::Value::from(field(rng)).to_string();
        let beside = object(rng, &fields, cell);
        records = match rng.u8(..4) {
            0 => format!("{{\"meta\":{beside},{key}:{records}}}"),
            1 => format!("[{records},{beside}]"),
            _ => format!("{{{key}:{records}}}"),
        };
    }
    records
}

/// Returns lines of JSON.
pub(super) fn ndjson(rng: &mut Rng) -> String {
    let fields: Vec<String> = (0..rng.usize(1..9)).map(|_| field(rng)).collect();
    (0..rng.usize(..30)).fold(String::new(), |mut text, _| {
        let line = if rng.u8(..9) == 0 { value(rng) } else { object(rng, &fields, cell) };
        text.push_str(&line.replace(['\n', '\r'], " "));
        text.push_str(["\n", "\n", "\n", "\r\n", "\n\n", " \n"][rng.usize(..6)]);
        text
    })
}

/// Returns lines of fields.
pub(super) fn csv(rng: &mut Rng) -> String {
    let separator = [",", ",", ";", "\t", "|"][rng.usize(..5)];
    let width = rng.usize(1..9);
    let header: Vec<String> = (0..width).map(|_| field(rng)).collect();
    let mut text = header.join(separator) + "\n";
    for _ in 0..rng.usize(..30) {
        let ragged = if rng.u8(..12) == 0 { rng.usize(..4) } else { 0 };
        let cells: Vec<String> = (0..width + ragged).map(|_| plain(rng)).collect();
        text.push_str(&cells.join(separator));
        text.push_str(["\n", "\n", "\n", "\r\n", "\r", "\n\n"][rng.usize(..6)]);
    }
    text
}

/// Returns the text of a time in one of the usual forms.
fn time(rng: &mut Rng) -> String {
    let (day, hour) = (rng.u8(1..29), rng.u8(..24));
    match rng.u8(..6) {
        0 => format!("2024-01-{day:02}"),
        1 => format!("2024-01-{day:02}T{hour:02}:00:00Z"),
        2 => format!("{}", 1_704_067_200 + i64::from(hour) * 3_600),
        3 => format!("{}", 1_704_067_200_000 + i64::from(hour) * 3_600_000),
        4 => format!("{day:02}/01/2024 {hour:02}:30"),
        _ => pick(rng, TEXTS).to_owned(),
    }
}

/// Returns a cell of CSV.
fn plain(rng: &mut Rng) -> String {
    match rng.u8(..10) {
        0..=2 => time(rng),
        3..=5 => format!("{}.{}", rng.i32(-200..2_000), rng.u8(..100)),
        6 => pick(rng, NUMBERS).to_owned(),
        7 => pick(rng, TEXTS).to_owned(),
        8 => format!("\"{}\"", word(rng).replace('"', "\"\"")),
        _ => ["AAPL", "BTC/USDT", "1d", "x"][rng.usize(..4)].to_owned(),
    }
}

/// Returns a scalar of JSON.
fn cell(rng: &mut Rng) -> String {
    match rng.u8(..10) {
        0..=1 => serde_json::Value::from(time(rng)).to_string(),
        2..=4 => format!("{}.{}", rng.i32(-200..2_000), rng.u8(..100)),
        5 => pick(rng, NUMBERS).to_owned(),
        6 => format!("\"{}\"", pick(rng, NUMBERS)),
        7 => serde_json::Value::from(word(rng)).to_string(),
        8 => pick(rng, &["null", "true", "false", "\"\"", "{}", "[]"]).to_owned(),
        _ => format!("{}", 1_704_067_200_000 + i64::from(rng.u16(..)) * 60_000),
    }
}

/// Returns any value of JSON, mostly flat.
fn value(rng: &mut Rng) -> String {
    match rng.u8(..16) {
        0 => {
            let count = rng.usize(..4);
            list(rng, count, value)
        }
        1 => {
            let fields: Vec<String> = (0..rng.usize(..4)).map(|_| field(rng)).collect();
            object(rng, &fields, value)
        }
        2 if rng.u8(..8) == 0 => {
            let levels = [20, 127, 128, 129, 5_000][rng.usize(..5)];
            let (open, close) = if rng.bool() { ("[", "]") } else { ("{\"a\":", "}") };
            format!("{}1{}", open.repeat(levels), close.repeat(levels))
        }
        _ => cell(rng),
    }
}

fn list(rng: &mut Rng, count: usize, mut element: impl FnMut(&mut Rng) -> String) -> String {
    let elements: Vec<String> = (0..count).map(|_| element(rng)).collect();
    format!("[{}]", elements.join(","))
}

fn object(rng: &mut Rng, keys: &[String], mut element: impl FnMut(&mut Rng) -> String) -> String {
    let mut text = String::from("{");
    for key in keys {
        if rng.u8(..20) == 0 {
            continue;
        }
        let comma = if text.len() > 1 { "," } else { "" };
        write!(text, "{comma}{}:{}", serde_json::Value::from(key.as_str()), element(rng)).unwrap();
    }
    text + "}"
}
