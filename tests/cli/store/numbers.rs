//! Numbers and missing values: nothing is rounded, guessed or dropped in silence.

use crate::harness::{Counts, Sandbox};

/// Stores `value` as a double and returns how a query prints it.
fn double(values: &[&str]) -> Vec<String> {
    let sandbox = Sandbox::new();
    let rows: String =
        values.iter().enumerate().map(|(at, value)| format!("{},A,{value}\n", 1_704_067_200 + at)).collect();
    sandbox.write("a.csv", format!("ts,symbol,value\n{rows}"));
    assert_eq!(sandbox.store("observations a.csv"), Counts::new_rows(values.len() as u64));
    let text = sandbox.query("SELECT ts, value FROM observations ORDER BY ts");
    text.lines().skip(1).map(|line| line.split_once(',').unwrap().1.to_owned()).collect()
}

#[test]
fn doubles_come_back_in_their_shortest_form() {
    let cases = [
        ("1", "1.0"),
        ("1.50", "1.5"),
        (" 2.25 ", "2.25"),
        ("+3", "3.0"),
        (".5", "0.5"),
        ("0.1", "0.1"),
        ("1e16", "1e16"),
        ("10000000000000000", "1e16"),
        ("1234567890123456", "1234567890123456.0"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("5e-324", "5e-324"),
        ("2.2250738585072011e-308", "2.225073858507201e-308"),
        ("1.7976931348623157e308", "1.7976931348623157e308"),
        ("-1.7976931348623157E+308", "-1.7976931348623157e308"),
        ("inf", "inf"),
        ("-inf", "-inf"),
        ("-0.0", "0.0"),
        ("0.00001", "1e-5"),
        ("123456789.123456789", "123456789.12345679"),
    ];
    let found = double(&cases.map(|(value, _)| value));
    assert_eq!(found, cases.map(|(_, printed)| printed));
}

#[test]
fn null_words_are_missing_values_in_columns_of_numbers() {
    let words = ["", "NA", "null", "NULL", "-", "NaN", "nan"];
    assert_eq!(double(&words), words.map(|_| ""));
}

#[test]
fn null_words_are_text_in_columns_of_text() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.csv",
        "ts,symbol,title,publisher\n2024-01-01,NA,null,-\n2024-01-02,007,NaN,\n2024-01-03,NA,\"\",007\n",
    );
    assert_eq!(sandbox.store("news a.csv"), Counts::new_rows(3));
    assert_eq!(
        sandbox.query("SELECT symbol, title, publisher FROM news ORDER BY ts"),
        "symbol,title,publisher\nNA,null,-\n007,NaN,\nNA,\"\",007\n"
    );
}

#[test]
fn thousands_separators_are_read_only_where_the_layout_says_so() {
    let sandbox = Sandbox::new();
    sandbox.fixture("prices/indian.csv");
    sandbox.fixture("layouts/indian.toml");
    let options = "--set symbol=RELIANCE --set timeframe=1d";
    let failed = sandbox.try_store(&format!("bars indian.csv {options}"));
    failed.fails(1).says(&["--max-bad"]);
    let counts = sandbox.store(&format!("bars indian.csv --as indian.toml {options}"));
    assert_eq!(counts, Counts::new_rows(3));
    assert_eq!(
        sandbox.query("SELECT open, high, low, close, volume, trades FROM bars ORDER BY ts LIMIT 1"),
        "open,high,low,close,volume,trades\n1319.0,1322.5,1316.25,1319.55,1456204.0,16777\n"
    );
}

#[test]
fn the_other_convention_of_thousands_is_read_too() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date;close;volume\n2024-01-02;1.319,55;1.456.204\n");
    sandbox.write(
        "a.toml",
        "format = \"csv\"\ndelimiter = \";\"\nthousands = \"dot\"\n[map]\nts = { at = \"date\" }\n\
         close = { at = \"close\" }\nvolume = { at = \"volume\" }\n",
    );
    sandbox.store("bars a.csv --as a.toml --set symbol=DAX --set timeframe=1d");
    assert_eq!(sandbox.query("SELECT close, volume FROM bars"), "close,volume\n1319.55,1456204.0\n");
}

#[test]
fn whole_numbers_keep_every_digit() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.csv",
        "date,symbol,trades\n2024-01-01,A,9223372036854775807\n2024-01-02,A,-9223372036854775808\n2024-01-03,A,9007199254740993\n",
    );
    assert_eq!(sandbox.store("bars a.csv --set timeframe=1d"), Counts::new_rows(3));
    assert_eq!(
        sandbox.query("SELECT trades FROM bars ORDER BY ts"),
        "trades\n9223372036854775807\n-9223372036854775808\n9007199254740993\n"
    );
}

#[test]
fn a_whole_number_that_does_not_fit_is_rejected() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.csv",
        "date,symbol,trades\n2024-01-01,A,9223372036854775808\n2024-01-02,A,1.5\n2024-01-03,A,1\n",
    );
    let counts = sandbox.store("bars a.csv --set timeframe=1d --max-bad 2");
    assert_eq!(counts, Counts { read: 3, inserted: 1, rejected: 2, ..Counts::default() });
    let rejects = sandbox.barn(["info", "rejects", "--format", "csv"]).ok().stdout();
    assert!(rejects.contains("9223372036854775808"), "{rejects}");
}

#[test]
fn what_is_no_number_is_rejected() {
    let sandbox = Sandbox::new();
    let bad = ["1,5", "$5", "5%", "0x10", "1_000", "five", "1e", "--5", "infinit", "1 000"];
    let rows: String = bad.iter().map(|value| format!("2024-01-01,A,\"{value}\"\n")).collect();
    sandbox.write("a.csv", format!("date,symbol,value\n{rows}"));
    let counts = sandbox.store("observations a.csv --max-bad 100%");
    assert_eq!(counts, Counts { read: 10, rejected: 10, ..Counts::default() });
}

#[test]
fn booleans_and_dates_are_typed() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.csv",
        "date,symbol,close,final\n2024-01-01,A,1,false\n2024-01-02,A,1,true\n2024-01-03,A,1,\n",
    );
    sandbox.store("bars a.csv --set timeframe=1d");
    assert_eq!(
        sandbox.query("SELECT final FROM bars WHERE ts < '2024-01-03' ORDER BY ts"),
        "final\nfalse\ntrue\n"
    );
    sandbox.write(
        "chain.csv",
        "ts,symbol,expiry,strike,option_type,last\n2024-01-02T15:00:00Z,AAPL,2024-06-21,150,call,5\n",
    );
    sandbox.store("chain chain.csv");
    assert_eq!(
        sandbox.query("SELECT expiry, strike, option_type FROM chain"),
        "expiry,strike,option_type\n2024-06-21,150.0,call\n"
    );
}
