//! Every kind of value and key goes into the archive and comes back bit for bit.

use super::archived::{BARS, TRADES, assert_same, assert_tidy, compress, hot, manifest, moved, report, rows};
use crate::harness::{Counts, Sandbox};

/// Compresses all, and checks that a query prints the same before and after and that nothing stayed hot.
#[track_caller]
fn round(sandbox: &Sandbox, table: &str, sql: &str, options: &str) {
    let before = rows(sandbox, sql);
    let count = u64::try_from(hot(sandbox, table)).unwrap();
    assert_eq!(moved(sandbox, &format!("--all {options}")), count);
    assert_eq!(hot(sandbox, table), 0);
    assert_same(&rows(sandbox, sql), &before);
    assert_tidy(sandbox);
}

/// Returns the type that a column was archived with last.
fn stored_as(report: &serde_json::Value, column: &str) -> String {
    let columns = report["tables"][0]["datasets"][0]["columns"].as_array().unwrap();
    let column = columns.iter().find(|known| known["column"] == column).unwrap();
    column["stored_as"].as_str().unwrap().to_owned()
}

const VALUES: &str = "SELECT * FROM observations ORDER BY source, symbol, ts";

/// Stores values of `observations`, one a second from `start`.
fn observe(sandbox: &Sandbox, start: i64, values: &[&str]) -> Counts {
    let mut text = String::from("ts,symbol,value\n");
    for (at, value) in (start..).zip(values) {
        text.push_str(&format!("{at},A,{value}\n"));
    }
    sandbox.write("values.csv", text);
    sandbox.store("observations values.csv")
}

#[test]
fn doubles_that_are_easily_lost_come_back() {
    for options in ["", "--smallest"] {
        for values in [
            &["inf", "-inf"][..],
            &["5e-324", "-5e-324", "2.225073858507201e-308", "1.7976931348623157e308"],
            &["0.30000000000000004", "123456789.12345678", "1.0000000000000002", "-0.1"],
            &["9007199254740992", "9223372036854775808", "-9223372036854775808", "1e300"],
            &["0", "-0.0", "0.5", "16777217", "inf"],
            &["0.1", "0.12", "99999999.99", "-1234567.891", ""],
            &["999999999999.999999999", "0.000000001"],
            &["", "", ""],
            &["1.5"],
        ] {
            let sandbox = Sandbox::new();
            observe(&sandbox, 0, values);
            round(&sandbox, "observations", VALUES, options);
            let stored = observe(&sandbox, 0, values);
            assert_eq!(stored, Counts::same_rows(values.len() as u64), "{values:?}");
        }
    }
}

#[test]
fn columns_without_a_value_come_back_and_take_one_later() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,close\n2020-01-01,\n2020-01-02,\n");
    sandbox.store("bars a.csv --set symbol=A --set timeframe=1d");
    round(&sandbox, "bars", BARS, "");
    sandbox.write("b.csv", "date,close,volume\n2020-01-02,7,\n2020-01-03,,8\n");
    let counts = sandbox.store("bars b.csv --set symbol=A --set timeframe=1d");
    assert_eq!((counts.updated, counts.inserted), (1, 1));
    assert_eq!(moved(&sandbox, "--all"), 1);
    assert_eq!(
        rows(&sandbox, "SELECT close, volume, final FROM bars ORDER BY ts"),
        "close,volume,final\n,,true\n7.0,,true\n,8.0,true\n"
    );
}

const CONFIG: &str = r#"
[table.reading]
key = ["device bigint", "day date", "level double", "room text null", "checked boolean"]
values = ["count bigint", "note text", "seen timestamp", "ok boolean", "due date", "amount double"]

[table.event]
key = ["name text"]
ticks = true
values = ["text text", "number bigint"]
"#;

/// A store with the tables above.
fn with_tables() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("barn/barn.toml", CONFIG);
    sandbox
}

const READINGS: &str = "SELECT * FROM reading ORDER BY device, day, level, room, checked, ts";

#[test]
fn tables_without_datasets_and_with_keys_of_every_type() {
    let sandbox = with_tables();
    sandbox.write(
        "a.csv",
        "ts,device,day,level,room,checked,count,note,seen,ok,due,amount\n\
         0001-01-01T00:00:00Z,-9223372036854775808,1969-12-31,-1.5,,false,9223372036854775807,a,0001-01-01,true,9999-12-31,0.1\n\
         2020-01-01T00:00:00Z,9223372036854775807,9999-12-31,inf,x,true,-9223372036854775808,,9999-12-31T23:59:59.999999Z,false,0001-01-01,\n\
         9999-12-31T23:59:59.999999Z,9223372036854775807,9999-12-31,inf,x,true,,b,,,,2\n\
         2020-01-01T00:00:00Z,0,2020-02-29,1e300,é日,true,0,\"\",2020-01-01,,,3\n",
    );
    assert_eq!(sandbox.store("reading a.csv"), Counts::new_rows(4));
    round(&sandbox, "reading", READINGS, "");
    assert!(manifest(&sandbox)[0].starts_with("reading/0001-01_9999-12-"), "{:?}", manifest(&sandbox));
    assert_eq!(sandbox.store("reading a.csv"), Counts::same_rows(4));
    for (condition, count) in [
        ("device = 9223372036854775807", "2"),
        ("room IS NULL", "1"),
        ("level > 1e299 AND day = DATE '2020-02-29'", "1"),
        ("NOT checked", "1"),
        ("ts >= '9999-12-31'", "1"),
        ("count < 0", "1"),
    ] {
        let sql = format!("SELECT count(*) AS n FROM reading WHERE {condition}");
        assert_eq!(rows(&sandbox, &sql), format!("n\n{count}\n"), "{condition}");
    }
}

#[test]
fn whole_numbers_at_both_ends_alternating() {
    let sandbox = with_tables();
    let mut text = String::from("ts,name,number\n");
    for at in 0..500 {
        let number = [i64::MIN, i64::MAX, 0, -1, i64::MIN + 1][at % 5];
        text.push_str(&format!("{at},A,{number}\n"));
    }
    sandbox.write("a.csv", text);
    assert_eq!(sandbox.store("event a.csv"), Counts::new_rows(500));
    round(&sandbox, "event", "SELECT * FROM event ORDER BY ts, seq", "");
}

#[test]
fn text_with_every_odd_character() {
    let sandbox = with_tables();
    let odd = [
        "a,b",
        "line\nend",
        "line\r\nend",
        "\r",
        "\t",
        " ",
        "'; DROP TABLE bars; --",
        "=1+1",
        "007",
        "null",
        "NaN",
        "é\u{301} 日本 \u{1f300}",
        "\u{feff}mark",
        "\u{1}\u{7f}\u{9f}",
        "\u{202e}back",
        "\u{10ffff}",
    ];
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = String::from("ts,name,text\n");
    for (at, word) in odd.iter().enumerate() {
        text.push_str(&format!("{at},{},{}\n", quoted(word), quoted(word)));
    }
    // Empty text is no null.
    text.push_str("100,\"\",\"\"\n101,x,\n");
    sandbox.write("a.csv", text);
    assert_eq!(sandbox.store("event a.csv --format csv"), Counts::new_rows(odd.len() as u64 + 2));
    round(&sandbox, "event", "SELECT * FROM event ORDER BY name, ts, seq", "");
    assert_eq!(sandbox.store("event a.csv --format csv"), Counts::same_rows(odd.len() as u64 + 2));
    let sql = "SELECT count(*) AS n FROM event WHERE text IS NULL";
    assert_eq!(rows(&sandbox, sql), "n\n1\n");
}

#[test]
fn sources_of_any_name_have_a_folder_inside_the_archive() {
    let sandbox = Sandbox::new();
    let sources = [
        "..",
        ".",
        "",
        "a/b",
        "EURUSD=X",
        "100%",
        "__EMPTY__",
        "Börse",
        "*?",
        "__HIVE_DEFAULT_PARTITION__",
        "a b",
    ];
    let mut text = String::from("ts,symbol,value,source\n");
    for (at, source) in sources.iter().enumerate() {
        text.push_str(&format!("{at},X,{at},\"{source}\"\n"));
    }
    sandbox.write("a.csv", text);
    let count = sources.len() as u64;
    assert_eq!(sandbox.store("observations a.csv --format csv"), Counts::new_rows(count));
    round(&sandbox, "observations", VALUES, "");
    let paths = manifest(&sandbox);
    assert_eq!(paths.len(), sources.len());
    for name in
        ["source=%2E%2E/", "source=__EMPTY__/", "source=a%2Fb/", "source=100%25/", "source=B%C3%B6rse/"]
    {
        assert!(
            paths.iter().any(|path| path.starts_with(&format!("observations/{name}"))),
            "{name}: {paths:?}"
        );
    }
    assert_eq!(sandbox.store("observations a.csv --format csv"), Counts::same_rows(count));
    for source in sources {
        let sql = format!("SELECT count(*) AS n FROM observations WHERE source = '{source}'");
        assert_eq!(rows(&sandbox, &sql), "n\n1\n", "{source}");
    }
}

#[test]
fn a_source_too_long_for_a_folder_fails_clearly_and_loses_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", format!("ts,symbol,value,source\n1,X,1,{}\n2,X,2,short\n", "é".repeat(100)));
    sandbox.store("observations a.csv");
    let before = rows(&sandbox, VALUES);
    for line in ["--all", "--all --dry-run", "--all"] {
        let failed = sandbox.barn(["compress"].into_iter().chain(line.split(' '))).fails(1);
        failed.says(&["cannot archive source 'éé", "has 607 bytes, at most 255 are possible"]);
        assert_eq!(hot(&sandbox, "observations"), 2);
        assert_same(&rows(&sandbox, VALUES), &before);
        assert_tidy(&sandbox);
    }
    assert_eq!(sandbox.store("observations a.csv"), Counts::same_rows(2));
    // Other tables are not kept from their turn.
    sandbox.write("b.csv", "date,close\n2020-01-01,1\n");
    sandbox.store("bars b.csv --set symbol=A --set timeframe=1d");
    assert_eq!(moved(&sandbox, "--all --table bars"), 1);
}

#[test]
fn a_key_that_is_null_is_a_key() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "odds.csv",
        "ts,event,book,market,outcome,point,price,commence\n2020-01-02,e,b,h2h,home,,1.9,2020-01-03T12:00:00Z\n\
         2020-01-03,e,b,h2h,home,,2.0,\n2020-01-02,e,b,spread,home,-1.5,1.8,\n2020-01-02,e,b,spread,home,0,1.7,\n",
    );
    let all = "SELECT * FROM odds ORDER BY event, book, market, outcome, point, ts";
    assert_eq!(sandbox.store("odds odds.csv"), Counts::new_rows(4));
    round(&sandbox, "odds", all, "");
    assert_eq!(sandbox.store("odds odds.csv"), Counts::same_rows(4));
    // A correction of a row with a null in its key replaces that row and no other.
    sandbox.write("late.csv", "ts,event,book,market,outcome,point,price\n2020-01-03,e,b,h2h,home,,2.5\n");
    assert_eq!(sandbox.store("odds late.csv").updated, 1);
    assert_eq!(
        rows(&sandbox, "SELECT point, price FROM odds ORDER BY market, point, ts"),
        "point,price\n,1.9\n,2.5\n-1.5,1.8\n0.0,1.7\n"
    );
}

#[test]
fn ticks_that_are_byte_for_byte_the_same_are_all_there() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,price,size\n1,5,1\n1,5,1\n1,5,1\n1,6,1\n2,5,1\n2,5,1\n");
    assert_eq!(sandbox.store("trades a.csv --set symbol=A"), Counts::new_rows(6));
    round(&sandbox, "trades", TRADES, "");
    assert_eq!(sandbox.store("trades a.csv --set symbol=A"), Counts::same_rows(6));
    assert_eq!(hot(&sandbox, "trades"), 0);
}

#[test]
fn one_row_and_one_series_of_many() {
    let sandbox = Sandbox::new();
    observe(&sandbox, 5, &["1.5"]);
    round(&sandbox, "observations", VALUES, "");
    let mut text = String::from("ts,symbol,value\n");
    for at in 0..300 {
        text.push_str(&format!("{},S{at:03},{at}\n", at % 7));
    }
    sandbox.write("a.csv", text);
    sandbox.store("observations a.csv");
    round(&sandbox, "observations", VALUES, "");
}

#[test]
fn later_values_that_do_not_fit_widen_the_next_version() {
    let sandbox = Sandbox::new();
    let mut start = 0;
    let mut step = |values: &[&str], expected: &str, version: i64| {
        observe(&sandbox, start, values);
        start += 1_000;
        let before = rows(&sandbox, VALUES);
        let report = report(&sandbox, "--all");
        assert_eq!(stored_as(&report, "value"), expected, "{values:?}");
        assert_eq!(report["tables"][0]["datasets"][0]["version"], version, "{values:?}");
        assert_same(&rows(&sandbox, VALUES), &before);
    };
    step(&["1", "2"], "int32", 1);
    step(&["3", ""], "int32", 1);
    step(&["1099511627776"], "int64", 2);
    step(&["1"], "int64", 2);
    step(&["0.5"], "float64", 3);
    step(&["7"], "float64", 3);
    assert_eq!(manifest(&sandbox).len(), 6);
    assert_eq!(
        rows(&sandbox, "SELECT sum(value) AS s, count(value) AS n FROM observations WHERE value > 0.7"),
        "s,n\n1099511627790.0,6\n"
    );
    // Archived with four types, each is found again.
    for (at, value) in [(0, "1"), (1_000, "3"), (2_000, "1099511627776"), (4_000, "0.5")] {
        assert_eq!(observe(&sandbox, at, &[value]), Counts::same_rows(1), "{value}");
    }
    assert_eq!(hot(&sandbox, "observations"), 0);
}

#[test]
fn columns_that_come_later_are_null_in_older_files() {
    let sandbox = with_tables();
    sandbox.write("a.csv", "ts,name,number\n1,A,1\n");
    sandbox.store("event a.csv");
    moved(&sandbox, "--all");
    sandbox.write("b.csv", "ts,name,number,extra\n2,A,2,0.5\n");
    assert_eq!(sandbox.store("event b.csv --add-columns"), Counts::new_rows(1));
    let before = rows(&sandbox, "SELECT * FROM event ORDER BY ts");
    assert_eq!(
        before,
        "name,ts,seq,text,number,extra\nA,1970-01-01T00:00:01Z,0,,1,\nA,1970-01-01T00:00:02Z,0,,2,0.5\n"
    );
    let report = report(&sandbox, "--all");
    assert_eq!(report["tables"][0]["datasets"][0]["version"], 2);
    assert_same(&rows(&sandbox, "SELECT * FROM event ORDER BY ts"), &before);
    assert_eq!(sandbox.store("event a.csv"), Counts::same_rows(1));
    assert_eq!(sandbox.store("event b.csv"), Counts::same_rows(1));
    assert_eq!(rows(&sandbox, "SELECT name FROM event WHERE extra IS NULL"), "name\nA\n");
    assert_eq!(rows(&sandbox, "SELECT number FROM event WHERE extra > 0"), "number\n2\n");
}

/// A table whose column `count` is inferred as whole numbers, archived.
fn with_whole_numbers(numbers: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut text = String::from("ts,place,count\n");
    for (at, number) in numbers.iter().enumerate() {
        text.push_str(&format!("2020-01-{:02},A,{number}\n", at + 1));
    }
    sandbox.write("whole.csv", text);
    sandbox.store("visits whole.csv --key place --time ts");
    assert_eq!(moved(&sandbox, "--all"), numbers.len() as u64);
    sandbox.write("fraction.csv", "ts,place,count\n2020-02-01,A,0.5\n");
    sandbox
}

const VISITS: &str = "SELECT ts, count FROM visits ORDER BY ts";

#[test]
fn archived_whole_numbers_become_doubles_with_their_column() {
    let sandbox = with_whole_numbers(&["1", "-7", "9007199254740992"]);
    assert_eq!(rows(&sandbox, "SELECT sum(count) AS s FROM visits"), "s\n9007199254740986\n");
    assert_eq!(sandbox.store("visits fraction.csv --add-columns"), Counts::new_rows(1));
    let expected = "ts,count\n2020-01-01T00:00:00Z,1.0\n2020-01-02T00:00:00Z,-7.0\n\
                    2020-01-03T00:00:00Z,9007199254740992.0\n2020-02-01T00:00:00Z,0.5\n";
    assert_eq!(rows(&sandbox, VISITS), expected);
    assert_eq!(rows(&sandbox, "SELECT count FROM visits WHERE count < 0"), "count\n-7.0\n");
    let counts = sandbox.store("visits whole.csv");
    assert_eq!(counts, Counts::same_rows(3));
    let report = report(&sandbox, "--all");
    assert_eq!(stored_as(&report, "count"), "float64");
    assert_eq!(rows(&sandbox, VISITS), expected);
}

#[test]
fn archived_whole_numbers_that_no_double_holds_stay_whole() {
    for number in ["9007199254740993", "-9223372036854775808", "9223372036854775807"] {
        let sandbox = with_whole_numbers(&["1", number]);
        let before = rows(&sandbox, VISITS);
        let failed = sandbox.try_store("visits fraction.csv --add-columns").fails(1);
        failed.says(&["cannot turn column 'count' into doubles", "beyond 2^53"]);
        assert_same(&rows(&sandbox, VISITS), &before);
        assert_eq!(sandbox.store("visits whole.csv"), Counts::same_rows(2));
        // In SQLite too.
        let hot = Sandbox::new();
        hot.write("whole.csv", format!("ts,place,count\n2020-01-01,A,{number}\n"));
        hot.store("visits whole.csv --key place --time ts");
        hot.write("fraction.csv", "ts,place,count\n2020-02-01,A,0.5\n");
        hot.try_store("visits fraction.csv --add-columns")
            .fails(1)
            .says(&["into doubles: it has whole numbers beyond 2^53"]);
    }
}

#[test]
fn several_datasets_each_have_types_of_their_own() {
    let sandbox = Sandbox::new();
    for (source, close) in [("a", "1"), ("b", "0.1")] {
        sandbox.write("x.csv", format!("date,close\n2020-01-01,{close}\n"));
        for timeframe in ["1d", "1w"] {
            sandbox.store(&format!(
                "bars x.csv --set symbol=A --set source={source} --set timeframe={timeframe}"
            ));
        }
    }
    let before = rows(&sandbox, BARS);
    let report = report(&sandbox, "--all");
    let datasets = report["tables"][0]["datasets"].as_array().unwrap();
    let names: Vec<_> = datasets.iter().map(|dataset| dataset["dataset"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["source=a/timeframe=1d", "source=a/timeframe=1w", "source=b/timeframe=1d", "source=b/timeframe=1w"]
    );
    assert_same(&rows(&sandbox, BARS), &before);
    assert_tidy(&sandbox);
    compress(&sandbox, "--all").says(&["nothing to compress"]);
}
