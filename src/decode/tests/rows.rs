//! What becomes a row, and what a reject.

use super::*;

#[test]
fn cells_become_values_of_their_column() {
    let own = own_table(
        &["symbol text"],
        &["d double", "b bigint", "f boolean", "e date", "c timestamp", "t text"],
    );
    let layout = "set.symbol = 'A'";
    let one = |cells: &str| {
        let text = format!("ts,d,b,f,e,c,t\n2024-01-01,{cells}\n");
        let (rows, done) = decode(&own, &self::layout(layout), "x", &text).unwrap();
        let reason = done.rejects.first().map(|reject| reject.reason.clone());
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
    let (rows, done) = decode(&own, &self::layout(layout), "x", text).unwrap();
    assert_eq!(rows, ["A 2024-01-01T00:00:00Z 1.5 9007199254740993  z", "A 2024-01-02T00:00:00Z ∅ ∅ ∅ ∅"]);
    let reasons: Vec<_> = done.rejects.iter().map(|reject| (reject.line, reject.reason.as_str())).collect();
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
fn ragged_and_blank_lines_are_told_apart() {
    let text =
        "ts,open,close\n2024-01-01,1\n\n,,\n  ,,\n2024-01-02,1,2,,\n2024-01-03,1,2,x\n,1,2\n2024-01-04,1,2\n";
    let (rows, done) = decode(&table("bars"), &layout(SET), "x", text).unwrap();
    let expected = [("01", "1.0 ∅"), ("02", "1.0 2.0"), ("04", "1.0 2.0")];
    assert_eq!(rows, expected.map(|(day, values)| format!("file A 1d 2024-01-{day}T00:00:00Z {values}")));
    assert_eq!(done.read, 5);
    let rejects: Vec<_> = done
        .rejects
        .iter()
        .map(|reject| (reject.line, reject.reason.as_str(), reject.text.as_str()))
        .collect();
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
    let done = decoder.decode(&later).unwrap();
    assert_eq!((done.frame.len(), done.rejects[0].line), (1, 4));
    assert!(done.rejects[0].text.starts_with("2024-01-03,é"));
    assert!((REJECT_BYTES - 2..=REJECT_BYTES).contains(&done.rejects[0].text.len()));
}

#[test]
fn invalid_text_is_rejected_alone() {
    let own = own_table(&["symbol text"], &["t text", "d double"]);
    let bytes = b"ts,symbol,t,d\n2024-01-01,A,M\xfcller,1\n2024-01-01,A,x,2\n".to_vec();
    let head = [Block { index: 0, first_line: 1, bytes, ends: None }];
    let decoder =
        Decoder::bind(&own, &layout(""), &Input { format: Format::Csv, file_name: "x", head: &head })
            .unwrap();
    let done = decoder.decode(&head[0]).unwrap();
    assert_eq!(show(&own, &done.frame), ["A 2024-01-01T00:00:00Z x 2.0"]);
    assert_eq!(done.rejects[0].reason, "t: 'M\u{fffd}ller' is no UTF-8 text");
    assert!(done.misfits.is_empty());
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
    let (rows, done) = decode(&table("chain"), &layout(""), "x", text).unwrap();
    assert_eq!(done.frame.keys().len(), 2);
    assert_eq!(done.frame.series(), [0, 0, 1]);
    assert_eq!(rows[2], "file A 2024-06-21 0.0 put 2024-01-01T00:00:00Z 3.0");
    let reasons: Vec<_> = done.rejects.iter().map(|reject| reject.reason.as_str()).collect();
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
    let text =
        "ts,event,book,market,outcome,point,price\n2024-01-01,e,b,m,o,,1.5\n2024-01-01,e,b,m,o,2.5,1.5\n";
    let rows = lines(&table("odds"), "", "x", text);
    assert_eq!(rows[0], "file e b m o ∅ 2024-01-01T00:00:00Z 1.5");
    assert_eq!(rows[1], "file e b m o 2.5 2024-01-01T00:00:00Z 1.5");
}

#[test]
fn implausible_rows_are_kept_and_counted() {
    let text =
        "ts,open,high,low,close,volume\n2024-01-01,1,2,3,1,1\n2024-01-02,1,1,1,1,-1\n2024-01-03,1,2,1,1,\n";
    let (rows, done) = decode(&table("bars"), &layout(SET), "x", text).unwrap();
    assert_eq!((rows.len(), done.suspect), (3, 2));
}

#[test]
fn misfits_name_the_type_that_would_hold_the_value() {
    let own = own_table(&["symbol text"], &["a bigint", "b double", "c bigint"]);
    let text =
        "ts,symbol,a,b,c\n2024-01-01,A,1,1,1\n2024-01-02,A,1.5,1,1\n2024-01-03,A,1,x,1\n2024-01-04,A,1,1,y\n";
    let (rows, done) = decode(&own, &layout(""), "x", text).unwrap();
    assert_eq!((rows.len(), done.rejects.len()), (1, 3));
    let misfits: Vec<_> = done.misfits.iter().map(|misfit| (misfit.column.as_str(), misfit.needs)).collect();
    assert_eq!(misfits, [("a", ColumnType::Double), ("b", ColumnType::Text), ("c", ColumnType::Text)]);
}

#[test]
fn hostile_bytes_do_not_panic() {
    let bars = table("bars");
    let texts = [
        "ts,close\n\"2024-01-01,1\n2,3\n".to_owned(),
        format!("ts,close\n2024-01-01,{}\n", "9".repeat(100_000)),
        format!("ts,close\n{}", ",".repeat(100_000)),
        (0..10_000).map(|at| format!("c{at}")).collect::<Vec<_>>().join(",") + ",ts\n1",
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
fn thousands_and_nulls_are_what_the_layout_says() {
    let layout = format!("thousands = 'comma'\nnulls = ['n.a.']\n{SET}");
    let text = "date,open,high,volume\n2015-01-01,\"1,23,456.70\",n.a.,72928\n";
    assert_eq!(
        lines(&table("bars"), &layout, "x", text),
        ["file A 1d 2015-01-01T00:00:00Z 123456.7 ∅ 72928.0"]
    );
}
