//! Rules of the decoder as a whole: what binds to what, what becomes a row and what a reject.

use std::collections::BTreeMap;

use super::*;
use crate::error::exit_code;
use crate::model::time::format_timestamp;
use crate::model::{BUILTIN, Table, TableText, Value, ValueRef};

fn table(name: &str) -> Table {
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
    let decoded = decoder.decode(&head[0])?;
    assert_eq!(decoded.read, decoded.frame.len() as u64 + decoded.rejects.len() as u64);
    Ok((show(table, &decoded.frame), decoded))
}

fn show(table: &Table, frame: &Frame) -> Vec<String> {
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

fn rows(table: &Table, layout_text: &str, name: &str, text: &str) -> Vec<String> {
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
    let text = "Date,Open,High,Low,Close,Volume,Name,Extra\n2013-02-08,15.07,15.12,14.63,14.75,8407500,AAL,x\n";
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
    assert_eq!(rows(&table("bars"), SET, "x", text), ["file A 1d 2024-01-01T00:00:00Z 1.0"]);
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
        ("", "date,close\n2024-01-01,1\n", "`--set symbol=SYMBOL`, `--map symbol=FIELD` or `--symbol-from-name`"),
        (SET, "Date,Time,close\n2024-01-01,10:00,1\n", "both 'Date' and 'Time' may be meant"),
        (SET, "Date,close,Close\n2024-01-01,1,2\n", "both 'close' and 'Close' may be meant"),
        ("map.close = 'las'\nset.symbol = 'A'", "ts,last\n2024-01-01,1\n", "has no field 'las', the nearest are last"),
        ("map.clos = 'last'\nset.symbol = 'A'", "ts,last\n2024-01-01,1\n", "the nearest are close"),
        ("set.clos = '1'", "ts,last\n2024-01-01,1\n", "the nearest are close"),
        ("set.volume = 'x'", "ts,last\n2024-01-01,1\n", "cannot set column 'volume' to 'x': it is no number"),
        ("set.timeframe = '5 parsecs'", "ts,last\n2024-01-01,1\n", "expected a timeframe"),
        (SET, "2024-01-01,1,2\n2024-01-02,1,2\n", "`--columns NAME1,NAME2,NAME3`"),
        (SET, "20110301 090100;133.9;134.01\n", "looks like a record"),
        (SET, "date,close\n01/02/2024,1\n", "day/month/year or month/day/year"),
        ("zone = 'Mars/Base'\nset.symbol = 'A'", "ts,close\n2024-01-01,1\n", "invalid time zone 'Mars/Base'"),
        ("name = '(?<x>.*)'", "ts,close\n2024-01-01,1\n", "cannot take from the file's name column 'x'"),
        ("name = 'y(?<symbol>.*)'", "ts,close\n2024-01-01,1\n", "does not match"),
        ("map.ts = { at = 0, unit = 'ms', since = 'midnight' }\nset.symbol = 'A'", "t\n1\n", "`--set date=2024-01-31`"),
    ];
    for (layout, text, part) in cases {
        let message = failure(&bars, layout, text);
        assert!(message.contains(part), "{layout} {text}: {message}");
    }
}

#[test]
fn cells_become_values_of_their_column() {
    let own = own_table(&["symbol text"], &["d double", "b bigint", "f boolean", "e date", "c timestamp", "t text"]);
    let layout = "set.symbol = 'A'";
    let one = |cells: &str| {
        let text = format!("ts,d,b,f,e,c,t\n2024-01-01,{cells}\n");
        let (rows, decoded) = decode(&own, &self::layout(layout), "x", &text).unwrap();
        let reason = decoded.rejects.first().map(|reject| reject.reason.clone());
        rows.first().map(|row| row["A 2024-01-01T00:00:00Z ".len()..].to_owned()).or(reason).unwrap()
    };
    let cases = [
        ("1.5,2,true,2024-06-21,2024-06-21T10:00:00Z,x", "1.5 2 true 2024-06-21 2024-06-21T10:00:00Z x"),
        (" 1.5 , 2 , true , 2024-06-21 , 2024-06-21 , x ", "1.5 2 true 2024-06-21 2024-06-21T00:00:00Z  x "),
        ("NA,N/A,null,NULL,None,NA", "∅ ∅ ∅ ∅ ∅ NA"),
        ("-,.,nan,NaN,,-", "∅ ∅ ∅ ∅ ∅ -"),
        (",,,,,", "∅ ∅ ∅ ∅ ∅ ∅"),
        (",,,,,\"\"", "∅ ∅ ∅ ∅ ∅ "),
        ("inf,12.0,1,20240621,1718964000,007", "inf 12 true 2024-06-21 2024-06-21T10:00:00Z 007"),
        ("-0.0,-9223372036854775808,FALSE,,,null", "0.0 -9223372036854775808 false ∅ ∅ null"),
        ("1e999,,,,,", "d: '1e999' is too large for a double"),
        ("9007199254740993,,,,,", "d: '9007199254740993' is a whole number that no double equals"),
        ("1,12.5,,,,", "b: '12.5' is no whole number"),
        (",9223372036854775808,,,,", "b: '9223372036854775808' does not fit 64 bits"),
        (",,maybe,,,", "f: 'maybe' is neither true nor false"),
        (",,,2024-06-21T10:00:00Z,,", "e: '2024-06-21T10:00:00Z' has a time of day where a date is expected"),
        (",,,,2024-02-30,", "c: '2024-02-30' is no date of the calendar"),
        ("\"1,5\",,,,,", "d: '1,5' is no number"),
        ("$1,,,,,", "d: '$1' is no number"),
    ];
    for (cells, expected) in cases {
        assert_eq!(one(cells), expected, "{cells}");
    }
}

#[test]
fn json_feeds_the_same_conversions() {
    let own = own_table(&["symbol text"], &["d double", "b bigint", "t text", "u text"]);
    let layout = "map.u = 'x.y[1]'";
    let text = concat!(
        "{\"symbol\":\"A\",\"ts\":\"2024-01-01\",\"d\":\"1.5\",\"b\":9007199254740993,\"t\":\"\",\"x\":{\"y\":[0,\"z\"]}}\n",
        "{\"symbol\":\"A\",\"ts\":\"2024-01-02\",\"d\":null,\"t\":null}\n",
        "\n",
        "{\"symbol\":\"A\",\"ts\":\"2024-01-03\",\"d\":true}\n",
        "{\"symbol\":\"A\",\"d\":1}\n",
        "{\"symbol\":null,\"ts\":\"2024-01-03\"}\n",
        "{\"symbol\":\n",
    );
    let (rows, decoded) = decode(&own, &self::layout(layout), "x", text).unwrap();
    assert_eq!(rows, ["A 2024-01-01T00:00:00Z 1.5 9007199254740993  z", "A 2024-01-02T00:00:00Z ∅ ∅ ∅ ∅"]);
    let reasons: Vec<_> = decoded.rejects.iter().map(|reject| (reject.line, reject.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [
            (4, "d: 'true' is no number"),
            (5, "it has no time"),
            (6, "symbol: is missing and part of the key"),
            (7, "it is no JSON record: EOF while parsing a value"),
        ]
    );
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
    let decoded = decoder.decode(&head[0]).unwrap();
    assert_eq!(
        show(&bars, &decoded.frame),
        ["file A 1d 2019-01-01T00:00:00Z 1.5 2.0 1.0 1.7 10.0", "file A 1d 2019-01-02T00:00:00Z 1.0 1.0 1.0 1.0 1.0"]
    );
}

#[test]
fn ragged_and_blank_lines_are_told_apart() {
    let text = "ts,open,close\n2024-01-01,1\n\n,,\n  ,,\n2024-01-02,1,2,,\n2024-01-03,1,2,x\n,1,2\n2024-01-04,1,2\n";
    let (rows, decoded) = decode(&table("bars"), &layout(SET), "x", text).unwrap();
    let expected = [("01", "1.0 ∅"), ("02", "1.0 2.0"), ("04", "1.0 2.0")];
    assert_eq!(rows, expected.map(|(day, values)| format!("file A 1d 2024-01-{day}T00:00:00Z {values}")));
    assert_eq!(decoded.read, 5);
    let rejects: Vec<_> =
        decoded.rejects.iter().map(|reject| (reject.line, reject.reason.as_str(), reject.text.as_str())).collect();
    assert_eq!(
        rejects,
        [
            (7, "it has 4 fields and more than the header names hold something", "2024-01-03,1,2,x"),
            (8, "it has no time", ",1,2"),
        ]
    );
}

#[test]
fn a_reject_keeps_the_start_of_its_text_and_its_line_in_later_blocks() {
    let long = "é".repeat(5_000);
    let head = [block("ts,close\n2024-01-01,1\n")];
    let decoder = Decoder::bind(
        &table("bars"),
        &layout(SET),
        &Input { format: Format::Csv, file_name: "x", head: &head },
    )
    .unwrap();
    let text = format!("2024-01-02,2\n2024-01-03,{long}\n");
    let later = Block { index: 1, first_line: 3, bytes: text.into_bytes(), ends: None };
    let decoded = decoder.decode(&later).unwrap();
    assert_eq!((decoded.frame.len(), decoded.rejects[0].line), (1, 4));
    assert!(decoded.rejects[0].text.starts_with("2024-01-03,é"));
    assert!((REJECT_BYTES - 2..=REJECT_BYTES).contains(&decoded.rejects[0].text.len()));
}

#[test]
fn invalid_text_is_rejected_alone() {
    let own = own_table(&["symbol text"], &["t text", "d double"]);
    let bytes = b"ts,symbol,t,d\n2024-01-01,A,M\xfcller,1\n2024-01-01,A,x,2\n".to_vec();
    let head = [Block { index: 0, first_line: 1, bytes, ends: None }];
    let decoder =
        Decoder::bind(&own, &layout(""), &Input { format: Format::Csv, file_name: "x", head: &head }).unwrap();
    let decoded = decoder.decode(&head[0]).unwrap();
    assert_eq!(show(&own, &decoded.frame), ["A 2024-01-01T00:00:00Z x 2.0"]);
    assert_eq!(decoded.rejects[0].reason, "t: 'M\u{fffd}ller' is no UTF-8 text");
    assert!(decoded.misfits.is_empty());
}

#[test]
fn series_keys_are_interned_and_normalized() {
    let text = "ts,symbol,expiry,strike,type,last\n\
        2024-01-01,A,20240621,100,CE,1\n\
        2024-01-01,A,20240621,100.0,Call,2\n\
        2024-01-01,A,20240621,-0.0,PUT,3\n\
        2024-01-01,A,20240621,NaN,P,4\n\
        2024-01-01,A,20240621,,P,5\n\
        2024-01-01,A,20240621,1,x,6\n";
    let (rows, decoded) = decode(&table("chain"), &layout(""), "x", text).unwrap();
    assert_eq!(decoded.frame.keys().len(), 2);
    assert_eq!(decoded.frame.series(), [0, 0, 1]);
    assert_eq!(rows[2], "file A 2024-06-21 0.0 put 2024-01-01T00:00:00Z 3.0");
    let reasons: Vec<_> = decoded.rejects.iter().map(|reject| reject.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "strike: is NaN and part of the key",
            "strike: is missing and part of the key",
            "option_type: 'x' is neither call nor put"
        ]
    );
}

#[test]
fn a_nullable_key_may_be_null() {
    let text = "ts,event,book,market,outcome,point,price\n2024-01-01,e,b,m,o,,1.5\n2024-01-01,e,b,m,o,2.5,1.5\n";
    let rows = rows(&table("odds"), "", "x", text);
    assert_eq!(rows[0], "file e b m o ∅ 2024-01-01T00:00:00Z 1.5");
    assert_eq!(rows[1], "file e b m o 2.5 2024-01-01T00:00:00Z 1.5");
}

#[test]
fn implausible_rows_are_kept_and_counted() {
    let text = "ts,open,high,low,close,volume\n2024-01-01,1,2,3,1,1\n2024-01-02,1,1,1,1,-1\n2024-01-03,1,2,1,1,\n";
    let (rows, decoded) = decode(&table("bars"), &layout(SET), "x", text).unwrap();
    assert_eq!((rows.len(), decoded.suspect), (3, 2));
}

#[test]
fn the_timeframe_of_a_row_decides_its_label() {
    let text = "ts,timeframe,symbol,close\n\
        2024-01-31T09:30:00-05:00,1d,A,1\n\
        2024-01-31T09:30:00-05:00,1m,A,2\n\
        2024-01-31T22:30:00,daily,A,3\n\
        2024-01-31T22:30:00,5 lightyears,A,4\n";
    let (rows, decoded) = decode(&table("bars"), &layout("zone = 'America/New_York'"), "x", text).unwrap();
    assert_eq!(
        rows,
        [
            "file A 1d 2024-01-31T00:00:00Z 1.0",
            "file A 1m 2024-01-31T14:30:00Z 2.0",
            "file A 1d 2024-01-31T00:00:00Z 3.0"
        ]
    );
    assert_eq!(decoded.rejects[0].reason, "timeframe: '5 lightyears' is no timeframe such as 1m or 1d");
    assert_eq!(decoded.frame.keys().len(), 2);
}

#[test]
fn daily_epochs_are_the_date_in_the_zone() {
    let text = "time,close\n1706638500,1\n1706724900,2\n";
    let in_zone = |zone: &str| rows(&table("bars"), &format!("zone = '{zone}'\n{SET}"), "x", text)[0].clone();
    assert_eq!(in_zone("UTC"), "file A 1d 2024-01-30T00:00:00Z 1.0");
    assert_eq!(in_zone("Asia/Kolkata"), "file A 1d 2024-01-30T00:00:00Z 1.0");
    assert_eq!(in_zone("Asia/Tokyo"), "file A 1d 2024-01-31T00:00:00Z 1.0");
}

#[test]
fn a_timeframe_that_is_not_given_is_detected_or_asked_for() {
    let header = "ts,close\n";
    let minutes: String = (10..50).map(|minute| format!("2024-01-31 09:{minute}:00,1\n")).collect();
    let (rows, _) = decode(&table("bars"), &layout("set.symbol = 'A'"), "x", &(header.to_owned() + &minutes)).unwrap();
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
    let rows = rows(&table("trades"), layout, "spy_20131007_trade_tick.csv", text);
    assert_eq!(rows, ["file spy 2013-10-07T08:00:00.464Z 167.41 100.0"; 2]);
}

#[test]
fn a_given_order_of_ticks_is_kept() {
    let text = "ts,seq,symbol,price\n2024-01-01,7,A,1\n2024-01-01,,A,2\n";
    let (_, decoded) = decode(&table("trades"), &layout(""), "x", text).unwrap();
    assert_eq!(decoded.rejects[0].reason, "seq: is missing and part of the key");
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
    let rows = rows(&own, layout, "x", text);
    assert_eq!(rows, ["Arsenal 2014-08-16T00:00:00Z 1.2", "Fulham 2014-08-16T00:00:00Z 1.6"]);
}

#[test]
fn thousands_and_nulls_are_what_the_layout_says() {
    let layout = format!("thousands = 'comma'\nnulls = ['n.a.']\n{SET}");
    let text = "date,open,high,volume\n2015-01-01,\"1,23,456.70\",n.a.,72928\n";
    assert_eq!(rows(&table("bars"), &layout, "x", text), ["file A 1d 2015-01-01T00:00:00Z 123456.7 ∅ 72928.0"]);
}

#[test]
fn misfits_name_the_type_that_would_hold_the_value() {
    let own = own_table(&["symbol text"], &["a bigint", "b double", "c bigint"]);
    let text = "ts,symbol,a,b,c\n2024-01-01,A,1,1,1\n2024-01-02,A,1.5,1,1\n2024-01-03,A,1,x,1\n2024-01-04,A,1,1,y\n";
    let (rows, decoded) = decode(&own, &layout(""), "x", text).unwrap();
    assert_eq!((rows.len(), decoded.rejects.len()), (1, 3));
    let misfits: Vec<_> = decoded.misfits.iter().map(|misfit| (misfit.column.as_str(), misfit.needs)).collect();
    assert_eq!(misfits, [("a", ColumnType::Double), ("b", ColumnType::Text), ("c", ColumnType::Text)]);
}

#[test]
fn columns_are_inferred_from_all_cells() {
    let text = "Date,Count,Price,Code,Big,Empty,Flag,At,Mixed,,B365>2.5\n\
        2024-01-31,1,1,007,9223372036854775808,,true,2024-01-31T09:30:00Z,1,x,1.5\n\
        2024-02-01,NA,1.5,8,1,,false,2024-02-01,a,x,inf\n";
    let head = [block(text)];
    let columns = infer(&Layout::default(), &Input { format: Format::Csv, file_name: "x", head: &head }).unwrap();
    let shown: Vec<_> = columns.iter().map(|(header, column)| format!("{header}: {} {}", column.name, column.kind)).collect();
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
    let error = infer(&Layout::default(), &Input { format: Format::Csv, file_name: "x", head: &head }).unwrap_err();
    assert!(error.to_string().contains("both 'a b' and 'a_b' become 'a_b'"), "{error}");
}

#[test]
fn hostile_bytes_do_not_panic() {
    let bars = table("bars");
    let texts = [
        "ts,close\n\"2024-01-01,1\n2,3\n".to_owned(),
        format!("ts,close\n2024-01-01,{}\n", "9".repeat(100_000)),
        format!("ts,close\n{}", ",".repeat(100_000)),
        format!("{}\n1", (0..10_000).map(|at| format!("c{at},")).collect::<String>() + "ts"),
        "ts,close\n2024-01-01,1e99999999999999999999\n".to_owned(),
        "ts\n999999999999999999999999999999\n".to_owned(),
        "{\"ts\":{\"a\":[".repeat(10_000),
        "\u{feff}".to_owned(),
        String::new(),
    ];
    for text in texts {
        // An error or rejects are both fine.
        drop(decode(&bars, &layout(SET), "x", &text));
    }
}

#[test]
fn bound_values_are_the_tables_own() {
    let value = bind::constant(&table("odds").key[5], "").unwrap();
    assert_eq!(value, Value::Null);
}
