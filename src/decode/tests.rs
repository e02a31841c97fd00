//! Rules of the decoder as a whole; here what binds to what.

mod rows;

use std::collections::BTreeMap;

use super::*;
use crate::error::exit_code;
use crate::model::time::format_timestamp;
use crate::model::{BUILTIN, Table, TableText, Value, ValueRef};

pub(super) fn table(name: &str) -> Table {
    let texts: BTreeMap<String, TableText> = toml::from_str(BUILTIN).unwrap();
    Table::parse(name, &texts[name]).unwrap()
}

fn own_table(key: &[&str], values: &[&str]) -> Table {
    let list = |columns: &[&str]| columns.iter().map(ToString::to_string).collect();
    let text = TableText { key: list(key), values: list(values), ..TableText::default() };
    Table::parse("own", &text).unwrap()
}

fn block(text: &str) -> Block {
    Block { index: 0, first_line: 1, bytes: text.as_bytes().to_vec(), ends: None }
}

fn layout(text: &str) -> Layout {
    Layout::parse(text).unwrap()
}

/// The rows of a text as lines: key, time, values that are there.
fn decode(table: &Table, layout: &Layout, name: &str, text: &str) -> anyhow::Result<(Vec<String>, Decoded)> {
    let head = [block(text)];
    let format = match layout.format {
        Some(format) => format,
        None => sniff(text.as_bytes(), name)?,
    };
    let mut decoder = Decoder::bind(table, layout, &Input { format, file_name: name, head: &head })?;
    if decoder.needs_timeframe() {
        decoder.detect_timeframe(&head)?;
    }
    let done = decoder.decode(&head[0])?;
    assert_eq!(done.read, done.frame.len() as u64 + done.rejects.len() as u64);
    Ok((show(table, &done.frame), done))
}

pub(super) fn show(table: &Table, frame: &Frame) -> Vec<String> {
    let one = |value: ValueRef<'_>| match value {
        ValueRef::Null => "∅".to_owned(),
        ValueRef::Text(text) => text.to_owned(),
        ValueRef::Double(number) => format!("{number:?}"),
        ValueRef::Bigint(number) => number.to_string(),
        ValueRef::Boolean(flag) => flag.to_string(),
        ValueRef::Date(days) => format_timestamp(i64::from(days) * 86_400_000_000)[..10].to_owned(),
        ValueRef::Timestamp(micros) => format_timestamp(micros),
    };
    (0..frame.len())
        .map(|row| {
            let key = &frame.keys()[frame.series()[row] as usize];
            let mut cells: Vec<_> = key.0.iter().map(|value| one(value.as_ref())).collect();
            cells.push(format_timestamp(frame.ts()[row]));
            for at in 0..table.values.len() {
                cells.extend(frame.cells(at).map(|column| one(column.get(row))));
            }
            cells.join(" ")
        })
        .collect()
}

fn lines(table: &Table, layout_text: &str, name: &str, text: &str) -> Vec<String> {
    decode(table, &layout(layout_text), name, text).unwrap().0
}

fn failure(table: &Table, layout_text: &str, text: &str) -> String {
    let error = decode(table, &layout(layout_text), "x.csv", text).err().expect("it is refused");
    assert_eq!(exit_code(&error), 2, "{error:#}");
    crate::error::report(&error)
}

const SET: &str = "set = { symbol = 'A', timeframe = '1d' }";

#[test]
fn well_known_headers_feed_their_columns() {
    let text =
        "Date,Open,High,Low,Close,Volume,Name,Extra\n2013-02-08,15.07,15.12,14.63,14.75,8407500,AAL,x\n";
    let (rows, _) = decode(&table("bars"), &layout("set.timeframe = '1d'"), "x.csv", text).unwrap();
    assert_eq!(rows, ["file AAL 1d 2013-02-08T00:00:00Z 15.07 15.12 14.63 14.75 8407500.0"]);
    let head = [block(text)];
    let input = Input { format: Format::Csv, file_name: "x.csv", head: &head };
    let decoder = Decoder::bind(&table("bars"), &layout(""), &input).unwrap();
    assert_eq!(decoder.unknown(), ["Extra"]);
    assert!(decoder.needs_timeframe());
}

#[test]
fn flags_go_before_names() {
    let text = "ts,date,close,last\n2024-01-01,2023-01-01,1,2\n";
    assert_eq!(lines(&table("bars"), SET, "x", text), ["file A 1d 2024-01-01T00:00:00Z 1.0"]);
    let mut mapped = layout(SET);
    mapped.map_field("close", "LAST");
    mapped.map_field("ts", "date");
    mapped.symbol_from_name = true;
    mapped.set.remove("symbol");
    let (rows, _) = decode(&table("bars"), &mapped, "M%26M.csv.gz", text).unwrap();
    assert_eq!(rows, ["file M&M 1d 2023-01-01T00:00:00Z 2.0"]);
}

#[test]
fn what_does_not_bind_is_refused_with_names() {
    let bars = table("bars");
    let cases = [
        (SET, "a,b\nx,1\n", "its fields are a, b"),
        (SET, "a,b\nx,1\n", "`--map ts=FIELD`"),
        ("map.close = 'foo'\nset.symbol = 'A'", "ts,last\n2024-01-01,1\n", "its fields are ts, last"),
        (
            "",
            "date,close\n2024-01-01,1\n",
            "`--set symbol=SYMBOL`, `--map symbol=FIELD` or `--symbol-from-name`",
        ),
        (SET, "Date,Time,close\n2024-01-01,10:00,1\n", "both 'Date' and 'Time' may be meant"),
        (SET, "Date,close,Close\n2024-01-01,1,2\n", "both 'close' and 'Close' may be meant"),
        (
            "map.close = 'las'\nset.symbol = 'A'",
            "ts,last\n2024-01-01,1\n",
            "has no field 'las', the nearest is 'last'",
        ),
        ("map.clos = 'last'\nset.symbol = 'A'", "ts,last\n2024-01-01,1\n", "the nearest is 'close'"),
        ("set.clos = '1'", "ts,last\n2024-01-01,1\n", "the nearest is 'close'"),
        ("set.volume = 'x'", "ts,last\n2024-01-01,1\n", "cannot set column 'volume' to 'x': it is no number"),
        ("set.timeframe = '5 parsecs'", "ts,last\n2024-01-01,1\n", "expected a timeframe"),
        (SET, "2024-01-01,1,2\n2024-01-02,1,2\n", "`--columns NAME1,NAME2,NAME3`"),
        (SET, "20110301 090100;133.9;134.01\n", "looks like a record"),
        (SET, "date,close\n01/02/2024,1\n", "day/month/year or month/day/year"),
        ("zone = 'Mars/Base'\nset.symbol = 'A'", "ts,close\n2024-01-01,1\n", "invalid time zone 'Mars/Base'"),
        ("name = '(?<x>.*)'", "ts,close\n2024-01-01,1\n", "cannot take from the file's name column 'x'"),
        ("name = 'y(?<symbol>.*)'", "ts,close\n2024-01-01,1\n", "does not match"),
        (
            "map.ts = { at = 0, unit = 'ms', since = 'midnight' }\nset.symbol = 'A'",
            "t\n1\n",
            "`--set date=2024-01-31`",
        ),
    ];
    for (layout, text, part) in cases {
        let message = failure(&bars, layout, text);
        assert!(message.contains(part), "{layout} {text}: {message}");
    }
}

#[test]
fn arrays_bind_by_place_and_elements_may_span_lines() {
    let text = "[1546300800000,\"1.5\",\"2\",\n\"1\",\"1.7\",\"10\",9]\n[1546387200000,\"1\",\"1\",\"1\",\"1\",\"1\",9]\n";
    let first = text.find("]\n").unwrap() + 2;
    let input = Block { index: 0, first_line: 2, bytes: text.into(), ends: Some(vec![first, text.len()]) };
    let head = [input];
    let bars = table("bars");
    let layout = layout(&format!("columns = ['t','o','h','l','c','v']\n{SET}"));
    let decoder =
        Decoder::bind(&bars, &layout, &Input { format: Format::Json, file_name: "x", head: &head }).unwrap();
    assert_eq!(decoder.notes(), ["ts: milliseconds since 1970"]);
    assert_eq!(decoder.unknown(), ["6"]);
    let done = decoder.decode(&head[0]).unwrap();
    assert_eq!(
        show(&bars, &done.frame),
        [
            "file A 1d 2019-01-01T00:00:00Z 1.5 2.0 1.0 1.7 10.0",
            "file A 1d 2019-01-02T00:00:00Z 1.0 1.0 1.0 1.0 1.0"
        ]
    );
}

#[test]
fn the_timeframe_of_a_row_decides_its_label() {
    let text = "ts,timeframe,symbol,close\n\
        2024-01-31T09:30:00-05:00,1d,A,1\n\
        2024-01-31T09:30:00-05:00,1m,A,2\n\
        2024-01-31T22:30:00,daily,A,3\n\
        2024-01-31T22:30:00,5 lightyears,A,4\n";
    let (rows, done) = decode(&table("bars"), &layout("zone = 'America/New_York'"), "x", text).unwrap();
    assert_eq!(
        rows,
        [
            "file A 1d 2024-01-31T00:00:00Z 1.0",
            "file A 1m 2024-01-31T14:30:00Z 2.0",
            "file A 1d 2024-01-31T00:00:00Z 3.0"
        ]
    );
    assert_eq!(done.rejects[0].reason, "timeframe: '5 lightyears' is no timeframe such as 1m or 1d");
    assert_eq!(done.frame.keys().len(), 2);
}

#[test]
fn daily_epochs_are_the_date_in_the_zone() {
    let text = "time,close\n1706638500,1\n1706724900,2\n";
    let in_zone =
        |zone: &str| lines(&table("bars"), &format!("zone = '{zone}'\n{SET}"), "x", text)[0].clone();
    assert_eq!(in_zone("UTC"), "file A 1d 2024-01-30T00:00:00Z 1.0");
    assert_eq!(in_zone("Asia/Kolkata"), "file A 1d 2024-01-30T00:00:00Z 1.0");
    assert_eq!(in_zone("Asia/Tokyo"), "file A 1d 2024-01-31T00:00:00Z 1.0");
}

#[test]
fn a_timeframe_that_is_not_given_is_detected_or_asked_for() {
    let header = "ts,close\n";
    let minutes: Vec<_> = (10..50).map(|minute| format!("2024-01-31 09:{minute}:00,1\n")).collect();
    let (rows, _) =
        decode(&table("bars"), &layout("set.symbol = 'A'"), "x", &(header.to_owned() + &minutes.concat()))
            .unwrap();
    assert_eq!(rows[0], "file A 1m 2024-01-31T09:10:00Z 1.0");
    let message = failure(&table("bars"), "set.symbol = 'A'", "ts,close\n2024-01-31,1\n");
    assert!(message.contains("hint: `--set timeframe=1d`"), "{message}");
    let input = [block("ts,close\n2024-01-31,1\n")];
    let input = Input { format: Format::Csv, file_name: "x", head: &input };
    let decoder = Decoder::bind(&table("bars"), &layout("set.symbol = 'A'"), &input).unwrap();
    assert_eq!(exit_code(&decoder.decode(&input.head[0]).err().unwrap()), 2);
}

#[test]
fn the_tick_layout_gives_exact_prices_and_times() {
    let layout = r#"
        header  = false
        columns = ["at", "price", "size", "exchange", "condition", "suspicious"]
        name    = '(?<symbol>[a-z]+)_(?<date>\d{8})_.*'
        zone    = "America/New_York"
        [map]
        ts    = { at = "at", unit = "ms", since = "midnight" }
        price = { at = "price", divide = 10000 }
        size  = { at = "size" }
    "#;
    let text = "14400464,1674100,100,P,20002000,0\n14400464,1674100,100,P,20002000,0\n";
    let rows = lines(&table("trades"), layout, "spy_20131007_trade_tick.csv", text);
    assert_eq!(rows, ["file spy 2013-10-07T08:00:00.464Z 167.41 100.0"; 2]);
}

#[test]
fn a_given_order_of_ticks_is_kept() {
    let text = "ts,seq,symbol,price\n2024-01-01,7,A,1\n2024-01-01,,A,2\n";
    let (_, done) = decode(&table("trades"), &layout(""), "x", text).unwrap();
    assert_eq!(done.rejects[0].reason, "seq: is missing and part of the key");
}

#[test]
fn several_forms_and_fields_may_feed_one_column() {
    let own = own_table(&["game text"], &["home double", "pick double"]);
    let layout = r#"
        [map]
        ts = { at = "Date", format = ["%d/%m/%y", "%d/%m/%Y"] }
        game = "HomeTeam"
        home = ["B365H", "GBH"]
        pick = { at = "BbMx>2.5", optional = true }
    "#;
    let text = "Div,Date,HomeTeam,GBH,B365H\nE0,16/08/14,Arsenal,1.2,\nE0,16/08/2014,Fulham,1.5,1.6\n";
    let rows = lines(&own, layout, "x", text);
    assert_eq!(rows, ["Arsenal 2014-08-16T00:00:00Z 1.2", "Fulham 2014-08-16T00:00:00Z 1.6"]);
}

#[test]
fn columns_are_inferred_from_all_cells() {
    let text = "Date,Count,Price,Code,Big,Empty,Flag,At,Mixed,,B365>2.5\n\
        2024-01-31,1,1,007,9223372036854775808,,true,2024-01-31T09:30:00Z,1,x,1.5\n\
        2024-02-01,NA,1.5,8,1,,false,2024-02-01,a,x,inf\n";
    let head = [block(text)];
    let columns =
        infer(&Layout::default(), &Input { format: Format::Csv, file_name: "x", head: &head }).unwrap();
    let shown: Vec<_> =
        columns.iter().map(|(header, column)| format!("{header}: {} {}", column.name, column.kind)).collect();
    assert_eq!(
        shown,
        [
            "Date: date date",
            "Count: count bigint",
            "Price: price double",
            "Code: code text",
            "Big: big text",
            "Empty: empty double",
            "Flag: flag boolean",
            "At: at timestamp",
            "Mixed: mixed text",
            "B365>2.5: b365_gt_2_5 double",
        ]
    );
    let head = [block("a b,a_b\n1,2\n")];
    let error =
        infer(&Layout::default(), &Input { format: Format::Csv, file_name: "x", head: &head }).unwrap_err();
    assert!(error.to_string().contains("both 'a b' and 'a_b' become 'a_b'"), "{error}");
}

#[test]
fn bound_values_are_the_tables_own() {
    let value = given::constant(&table("odds").key[5], "").unwrap();
    assert_eq!(value, Value::Null);
}
