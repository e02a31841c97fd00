//! Bodies in the shapes of real providers, and hostile ones.

use super::super::tests::{show, table};
use super::*;
use crate::error::report;

/// 2024-06-01T00:00:00.5Z.
const NOW: i64 = 1_717_200_000_500_000;

fn run(name: &str, layout: &str, body: &str, given: &[(&str, &str)]) -> Result<(Vec<String>, Body)> {
    let table = table(name);
    let layout = Layout::parse(layout)?;
    let mut values: BTreeMap<String, String> =
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    values.insert("source".to_owned(), "s".to_owned());
    let body =
        BodyDecoder::bind(&table, &layout)?.decode(body.as_bytes(), &Given { values: &values, now: NOW })?;
    let decoded = &body.decoded;
    assert_eq!(decoded.read, decoded.frame.len() as u64 + decoded.rejects.len() as u64);
    Ok((show(&table, &decoded.frame), body))
}

fn bars(layout: &str, body: &str, timeframe: &str) -> Vec<String> {
    run("bars", layout, body, &[("symbol", "A"), ("timeframe", timeframe)]).unwrap().0
}

fn failure(layout: &str, body: &str) -> String {
    report(&run("bars", layout, body, &[("symbol", "A"), ("timeframe", "1d")]).err().expect("it is refused"))
}

const YAHOO: &str = r#"
    layout = "columns"
    root = "chart.result[0]"
    zone = "$.chart.result[0].meta.exchangeTimezoneName"
    [map]
    ts = { at = "timestamp", unit = "s" }
    open = { at = "indicators.quote[0].open" }
    close = { at = "indicators.quote[0].close" }
    volume = { at = "indicators.quote[0].volume" }
    adj_close = { at = "indicators.adjclose[0].adjclose", optional = true }
"#;

const YAHOO_BODY: &str = r#"{"chart":{"result":[{"meta":{"currency":"USD","symbol":"AAPL","exchangeTimezoneName":
    "America/New_York"},"timestamp":[1577975400,1578061800, 1578321000],
    "events":{"dividends":{"1581085800":{"amount":0.1925,"date":1581085800},"1588944600":{"amount":0.205,"date":1588944600}},
        "splits":{"1598880600":{"date":1598880600,"numerator":4.0,"denominator":1.0,"splitRatio":"4:1"}}},
    "indicators":{"quote":[{"close":[75.0875015258789,null,74.94999694824219],"open":[74.05999755859375,null,73.44750213623047],
        "volume":[135480400,146322800,null]}],"adjclose":[{"adjclose":[72.7,72.0,72.6]}]}}],"error":null}}"#;

#[test]
fn columns_of_a_chart_are_rows_of_the_exchange_s_days() {
    assert_eq!(
        bars(YAHOO, YAHOO_BODY, "1d"),
        [
            "s A 1d 2020-01-02T00:00:00Z 74.05999755859375 75.0875015258789 135480400.0 72.7",
            "s A 1d 2020-01-03T00:00:00Z ∅ ∅ 146322800.0 72.0",
            "s A 1d 2020-01-06T00:00:00Z 73.44750213623047 74.94999694824219 ∅ 72.6",
        ]
    );
    let hours = bars(YAHOO, &YAHOO_BODY.replace("adjclose", "other"), "1h");
    assert_eq!(hours[0], "s A 1h 2020-01-02T14:30:00Z 74.05999755859375 75.0875015258789 135480400.0 ∅");
}

#[test]
fn columns_of_different_lengths_are_refused() {
    let error = failure(YAHOO, &YAHOO_BODY.replace("146322800,", ""));
    assert!(error.contains("some have 2 values and others more"), "{error}");
    let error = failure(YAHOO, &YAHOO_BODY.replace("\"close\":", "\"klose\":"));
    assert!(error.contains("no record has 'indicators.quote[0].close'"), "{error}");
    let error = failure(YAHOO, &YAHOO_BODY.replace("America/New_York", "Mars/Olympus"));
    assert!(error.contains("time zone 'Mars/Olympus'"), "{error}");
    let error = failure(YAHOO, "{\"chart\":{\"result\":null,\"error\":{}}}");
    assert!(error.contains("nothing is at 'chart.result[0]'"), "{error}");
}

#[test]
fn events_are_values_of_keys() {
    let layout = r#"
        layout = "keyed"
        optional = true
        root = "chart.result[0].events.dividends"
        map = { ts = { at = "date", unit = "s" }, value = { at = "amount" }, kind = { const = "dividend" } }
    "#;
    let rows = run("actions", layout, YAHOO_BODY, &[("symbol", "A")]).unwrap().0;
    assert_eq!(rows, ["s A dividend 2020-02-07T14:30:00Z 0.1925", "s A dividend 2020-05-08T13:30:00Z 0.205"]);
    let by_key = layout.replace("at = \"date\"", "at = \"@key\"");
    assert_eq!(run("actions", &by_key, YAHOO_BODY, &[("symbol", "A")]).unwrap().0, rows);
    let none = run("actions", layout, "{\"chart\":{\"result\":[{}]}}", &[("symbol", "A")]).unwrap();
    assert_eq!(none.1.decoded.read, 0);
}

const BINANCE: &str =
    "layout = 'rows'\nmap = { ts = { at = 0, unit = 'ms' }, open = { at = 1 }, high = 2, low = 3,
    close = 4, volume = 5, trades = { at = 8, optional = true } }";

#[test]
fn rows_are_known_by_their_places() {
    let body = r#"[[1588280400000,"8620.00000000","8640.10","8600.01","8630.5","120.000001",1588283999999,"1.0",4321,"0"],
        [1588284000000,"8630.5","8640","8600","8610.25","99",1588287599999,"1.0",12,"0"]]"#;
    assert_eq!(
        bars(BINANCE, body, "1h"),
        [
            "s A 1h 2020-04-30T21:00:00Z 8620.0 8640.1 8600.01 8630.5 120.000001 4321",
            "s A 1h 2020-04-30T22:00:00Z 8630.5 8640.0 8600.0 8610.25 99.0 12",
        ]
    );
    assert_eq!(bars(BINANCE, "[]", "1h"), [""; 0]);
    let error = failure(BINANCE, r#"{"code":-1121,"msg":"Invalid symbol."}"#);
    assert!(error.contains("an object instead of an array"), "{error}");
    let error = failure(
        "layout = 'objects'\nroot = 'd'\nmap = { ts = 't', close = 'c' }",
        r#"{"d":[{"time":1,"c":2}]}"#,
    );
    assert!(error.contains("no record has 't'; one has time, c"), "{error}");
}

#[test]
fn descending_rows_of_another_order_are_read() {
    let layout = "layout = 'rows'\ncolumns = ['time', 'low', 'high', 'open', 'close', 'volume']
        map = { ts = { at = 'time', unit = 's' }, low = 'low', high = 'high', close = 'close' }";
    let body = "[[1609459320,1.5,2.5,2,2.25,7],[1609459260,1,2,1.5,1.75,3.5]]";
    assert_eq!(
        bars(layout, body, "1m"),
        ["s A 1m 2021-01-01T00:02:00Z 2.5 1.5 2.25", "s A 1m 2021-01-01T00:01:00Z 2.0 1.0 1.75"]
    );
}

#[test]
fn a_key_that_nobody_knows_holds_the_rows() {
    let table = table("bars");
    let mut layout = Layout::parse(
        "layout = 'rows'\nroot = 'result.*!last'\nmap = { ts = { at = 0, unit = 's' }, close = 4 }",
    )
    .unwrap();
    layout.open_after = Some("$.result.last".into());
    let values = [("source", "s"), ("symbol", "A"), ("timeframe", "1h")];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let decoder = BodyDecoder::bind(&table, &layout).unwrap();
    let body = br#"{"error":[],"result":{"XXBTZUSD":[[1609459200,"1","2","1","1.5","1","1",3],
        [1609462800,"1","2","1","1.6","1","1",3]],"last":1609459200}}"#;
    let body = decoder.decode(body, &Given { values: &values, now: NOW }).unwrap();
    assert_eq!(
        show(&table, &body.decoded.frame),
        ["s A 1h 2021-01-01T00:00:00Z 1.5", "s A 1h 2021-01-01T01:00:00Z 1.6"]
    );
    assert_eq!(body.open_after.map(format_timestamp).as_deref(), Some("2021-01-01T00:00:00Z"));
    let error =
        decoder.decode(br#"{"error":["EQuery"]}"#, &Given { values: &values, now: NOW }).err().unwrap();
    assert!(report(&error).contains("nothing is at 'result.*!last'"));
}

#[test]
fn times_are_keys_in_a_zone_that_the_document_says() {
    let layout = r#"
        layout = "keyed"
        root = '["Time Series*"]'
        zone = '$["Meta Data"]["6. Time Zone"]'
        [map]
        ts = { at = "@key" }
        open = { at = '["1. open"]' }
        volume = { at = '["5. volume"]' }
    "#;
    let body = r#"{"Meta Data":{"1. Information":"x","6. Time Zone":"US/Eastern"},"Time Series (1min)":{
        "2023-01-31 19:59:00":{"1. open":"135.1000","5. volume":"1299"},"2023-01-31 19:58:00":{"1. open":"135.0","5. volume":"7"}}}"#;
    let expected = ["s A 1m 2023-02-01T00:59:00Z 135.1 1299.0", "s A 1m 2023-02-01T00:58:00Z 135.0 7.0"];
    assert_eq!(bars(layout, body, "1m"), expected);
    // The zone may stand behind the rows.
    let (meta, rows) = body.split_once(",\"Time Series").unwrap();
    let turned = format!("{{\"Time Series{},{}}}", rows.strip_suffix('}').unwrap(), &meta[1..]);
    assert_eq!(bars(layout, &turned, "1m"), expected);
    let error = failure(layout, r#"{"Note": "Thank you for using us"}"#);
    assert!(error.contains("nothing is at"), "{error}");
}

#[test]
fn objects_give_what_their_keys_say_and_numbers_keep_their_digits() {
    let layout = "layout = 'objects'\nroot = 'results'
        map = { ts = { at = 't', unit = 'ms' }, open = 'o', close = ['c', 'close'], trades = { at = 'n', optional = true } }";
    let body = r#"{"ticker":"AAPL","results":[{"v":1.0,"o":0.1,"c":0.30000000000000004,"t":1577941200000,"n":9007199254740993},
        {"o":"1e3","close":5e-324,"t":1578027600000}],"status":"OK"}"#;
    assert_eq!(
        bars(layout, body, "1h"),
        [
            "s A 1h 2020-01-02T05:00:00Z 0.1 0.30000000000000004 9007199254740993",
            "s A 1h 2020-01-03T05:00:00Z 1000.0 5e-324 ∅",
        ]
    );
    // Without a map the names speak, and the unit is seen.
    let guessed =
        run("bars", "root = 'results'", &body.replace("close", "c"), &[("symbol", "A"), ("timeframe", "1h")])
            .unwrap();
    assert_eq!(guessed.0[0], "s A 1h 2020-01-02T05:00:00Z 0.1 0.30000000000000004 1.0 9007199254740993");
}

#[test]
fn a_dot_is_no_value() {
    let layout = "root = 'observations'\nmap = { ts = 'date', value = 'value' }";
    let body = r#"{"count":2,"observations":[{"realtime_start":"2024-01-01","date":"2023-12-29","value":"3.88"},
        {"date":"2024-01-01","value":"."}]}"#;
    let rows = run("observations", layout, body, &[("symbol", "DGS10")]).unwrap().0;
    assert_eq!(rows, ["s DGS10 2023-12-29T00:00:00Z 3.88", "s DGS10 2024-01-01T00:00:00Z ∅"]);
}

const ODDS: &str = r#"
    layout = "objects"
    explode = [ { path = "bookmakers[]", as = "b" }, { path = "markets[]", as = "m" }, { path = "outcomes[]", as = "o" } ]
    [map]
    event = { at = "^id" }
    commence = { at = "^commence_time" }
    home = { at = "^home_team" }
    away = { at = "^away_team" }
    book = { at = "^b.key" }
    market = { at = "^m.key" }
    ts = { at = ["^m.last_update", "^b.last_update"] }
    outcome = { at = "name" }
    price = { at = "price" }
    point = { at = "point", optional = true }
"#;

#[test]
fn records_inside_records_carry_down_what_is_around_them() {
    let body = r#"[{"bookmakers":[{"key":"onexbet","last_update":"2023-10-10T12:10:29Z","markets":[
            {"key":"h2h","last_update":null,"outcomes":[{"name":"Draw \u00e9","price":3.1},{"name":"B","price":"1.5"}]},
            {"key":"totals","last_update":"2023-10-10T12:11:00Z","outcomes":[{"name":"Over","price":1.9,"point":2.5}]}]},
            {"key":"empty","markets":[]},{"key":"none"}],
        "id":"e1","commence_time":"2023-10-11T23:00:00Z","home_team":"H","away_team":"A"},
        {"id":"e2","commence_time":"2023-10-12T23:00:00Z","home_team":"H2","away_team":"A2","bookmakers":[]}]"#;
    let rows = run("odds", ODDS, body, &[]).unwrap().0;
    assert_eq!(
        rows,
        [
            "s e1 onexbet h2h Draw é ∅ 2023-10-10T12:10:29Z 3.1 H A 2023-10-11T23:00:00Z",
            "s e1 onexbet h2h B ∅ 2023-10-10T12:10:29Z 1.5 H A 2023-10-11T23:00:00Z",
            "s e1 onexbet totals Over 2.5 2023-10-10T12:11:00Z 1.9 H A 2023-10-11T23:00:00Z",
        ]
    );
}

const NSE: &str = r#"
    root = "records.data"
    arms = { option_type = ["CE", "PE"] }
    [map]
    ts = { at = "$.records.timestamp", format = "%d-%b-%Y %H:%M:%S", zone = "Asia/Kolkata" }
    strike = { at = "^strikePrice" }
    expiry = { at = ["expiryDate", "^expiryDate", "^expiryDates"], format = "%d-%b-%Y" }
    bid = { at = ["buyPrice1", "bidprice"] }
    open_interest = { at = "openInterest" }
    underlying = { at = "$.records.underlyingValue", optional = true }
"#;

#[test]
fn each_arm_that_is_there_is_a_row() {
    let body = r#"{"records":{"data":[{"strikePrice":18000,"expiryDate":"30-Sep-2021","PE":{"expiryDate":"30-Sep-2021",
        "openInterest":92.666,"bidprice":0.6}},{"strikePrice":18500,"expiryDates":"30-Sep-2021","PE":{"openInterest":2,"bidprice":1},
        "CE":{"openInterest":3,"buyPrice1":7}},{"strikePrice":1,"expiryDate":"30-Sep-2021","CE":null}],
        "timestamp":"17-May-2021 15:30:00","underlyingValue":33459.25}}"#;
    let rows = run("chain", NSE, body, &[("symbol", "BANKNIFTY")]).unwrap().0;
    assert_eq!(
        rows,
        [
            "s BANKNIFTY 2021-09-30 18000.0 put 2021-05-17T10:00:00Z 0.6 92.666 33459.25",
            "s BANKNIFTY 2021-09-30 18500.0 call 2021-05-17T10:00:00Z 7.0 3.0 33459.25",
            "s BANKNIFTY 2021-09-30 18500.0 put 2021-05-17T10:00:00Z 1.0 2.0 33459.25",
        ]
    );
}

#[test]
fn arms_may_be_lists_and_a_snapshot_has_the_time_of_its_request() {
    let layout = r#"
        root = "optionChain.result[0].options[0]"
        arms = { option_type = ["calls", "puts"] }
        [map]
        expiry = { at = "^expirationDate", unit = "s" }
        strike = { at = "strike" }
        symbol = { at = "@request.asked" }
        last = { at = "lastPrice" }
    "#;
    let body = r#"{"optionChain":{"result":[{"options":[{"calls":[{"strike":100,"lastPrice":1.5},{"strike":110,"lastPrice":0.5}],
        "puts":[{"strike":100,"lastPrice":2}],"expirationDate":1718928000}]}]}}"#;
    let rows = run("chain", layout, body, &[("asked", "AAPL")]).unwrap().0;
    assert_eq!(
        rows,
        [
            "s AAPL 2024-06-21 100.0 call 2024-06-01T00:00:00Z 1.5",
            "s AAPL 2024-06-21 110.0 call 2024-06-01T00:00:00Z 0.5",
            "s AAPL 2024-06-21 100.0 put 2024-06-01T00:00:00Z 2.0",
        ]
    );
}

#[test]
fn columns_may_stand_at_the_top_beside_words() {
    let layout = "layout = 'columns'\nmap = { ts = { at = 't', unit = 's' }, close = 'c', volume = 'v' }";
    let body = r#"{"c":[1.5,2.5],"s":"ok","t":[1609459200,1609545600],"v":3}"#;
    let expected = ["s A 1d 2021-01-01T00:00:00Z 1.5 3.0", "s A 1d 2021-01-02T00:00:00Z 2.5 3.0"];
    assert_eq!(bars(layout, body, "1d"), expected);
    assert_eq!(bars(layout, r#"{"c":[],"t":[],"v":[]}"#, "1d"), [""; 0]);
    assert!(failure(layout, r#"{"s":"no_data"}"#).contains("no record has 'c'; one has s"));
}

#[test]
fn a_column_may_be_a_part_of_each_element() {
    let layout = "layout = 'columns'\nmap = { ts = 't[].at', open = 'px[][0]', close = 'px[][3]', volume = { at = 'v', optional = true } }";
    let body = r#"{"t":[{"at":"2024-01-02"},{"at":"2024-01-03"}],"px":[["1.0","2.0","0.5","1.5"],["2.\u0030",null,1,2.5]],"v":[7,8]}"#;
    let expected = ["s A 1d 2024-01-02T00:00:00Z 1.0 1.5 7.0", "s A 1d 2024-01-03T00:00:00Z 2.0 2.5 8.0"];
    assert_eq!(bars(layout, body, "1d"), expected);
    // What an element lacks is null, and not that of the one before.
    let short = bars(layout, &body.replace("null,1,2.5", "null"), "1d");
    assert_eq!(short[1], "s A 1d 2024-01-03T00:00:00Z 2.0 ∅ 8.0");
    assert_eq!(bars(layout, r#"{"t":[],"px":[],"v":[]}"#, "1d"), [""; 0]);
    let error = failure(layout, &body.replace("[7,8]", "[7]"));
    assert!(error.contains("some have 1 values and others more"), "{error}");
    let error = failure(layout, &body.replace("\"px\"", "\"prices\""));
    assert!(error.contains("no record has 'px[][3]'; one has t, prices, v"), "{error}");
    for (path, words) in [("px[][][0]", "one `[]` at most"), ("px[][x]", "whole number")] {
        assert!(failure(&layout.replace("px[][0]", path), body).contains(words), "{path}");
    }
    let rejected =
        run("bars", layout, &body.replace("2024-01-03", "soon"), &[("symbol", "A"), ("timeframe", "1d")]);
    let reject = &rejected.unwrap().1.decoded.rejects[0];
    assert!(
        reject.text.contains("{\"at\":\"soon\"}") && !reject.text.contains("2024-01-02"),
        "{}",
        reject.text
    );
}

#[test]
fn keys_of_several_levels_and_places_are_columns() {
    let layout = "layout = 'keyed'\nroot = 'bars.*'
        map = { ts = '@key', symbol = '^@key', close = '@value', trades = '@index' }";
    let body = r#"{"bars":{"A\u0042":{"2024-01-01":1.5,"2024-01-02":2.5},"C":{"2024-01-01":7}}}"#;
    let rows = run("bars", layout, body, &[("timeframe", "1d")]).unwrap().0;
    assert_eq!(
        rows,
        [
            "s AB 1d 2024-01-01T00:00:00Z 1.5 0",
            "s AB 1d 2024-01-02T00:00:00Z 2.5 1",
            "s C 1d 2024-01-01T00:00:00Z 7.0 0",
        ]
    );
}

#[test]
fn csv_is_read_by_its_header() {
    let body = "KEY,TIME_PERIOD,OBS_VALUE,CURRENCY\r\nEXR,2024-01-02,1.0956,USD\r\nEXR,2024-01-03,,USD\r\n";
    let layout = "layout = 'csv'\nmap = { ts = 'TIME_PERIOD', value = 'OBS_VALUE' }";
    let rows = run("observations", layout, body, &[("symbol", "EUR")]).unwrap().0;
    assert_eq!(rows, ["s EUR 2024-01-02T00:00:00Z 1.0956", "s EUR 2024-01-03T00:00:00Z ∅"]);
    let guessed = "Date,Open,High,Low,Close,Volume\n2024-01-02,1,2,0.5,1.5,7\n";
    assert_eq!(bars("layout = 'csv'", guessed, "1d"), ["s A 1d 2024-01-02T00:00:00Z 1.0 2.0 0.5 1.5 7.0"]);
    let error = failure(layout.replace("value =", "close =").as_str(), "<html><body>Blocked</body></html>\n");
    assert!(error.contains("no field"), "{error}");
}

#[test]
fn hostile_values_are_rejects() {
    let body = r#"[{"t":1,"c":1e999},{"t":2,"c":1,"c":"2.5"},{"t":3,"c":"x"},{"t":"NaN","c":1},5,null,"x",[1],
        {"t":4,"c":"\ud800"},{"t":9999999999999999999,"c":1},{"t":5,"c":"nan"},{"t":6,"c":{"a":[]}},{"t":7,"c":true}]"#;
    let layout = "map = { ts = { at = 't', unit = 's' }, close = 'c' }";
    let (rows, body) = run("bars", layout, body, &[("symbol", "A"), ("timeframe", "1s")]).unwrap();
    assert_eq!(rows, ["s A 1s 1970-01-01T00:00:02Z 2.5", "s A 1s 1970-01-01T00:00:05Z ∅"]);
    assert_eq!(body.decoded.rejects.len(), 11);
    assert_eq!(body.decoded.rejects[0].text, "{\"t\":1,\"c\":1e999}");
    assert_eq!(body.decoded.rejects.last().unwrap().line, 2);
}

#[test]
fn what_is_no_document_is_refused() {
    let whole = r#"[[1588280400000,"1","2","1","1.5","7"]]"#;
    assert_eq!(bars(BINANCE, whole, "1h").len(), 1);
    for end in 0..whole.len() {
        assert!(failure(BINANCE, &whole[..end]).contains("no JSON"), "{end}");
    }
    for body in ["<html></html>", "[NaN]", "[[1,]]", "[] []"] {
        assert!(failure(BINANCE, body).contains("no JSON"), "{body}");
    }
    let deep = format!("[[1588280400000,{}{}]]", "[".repeat(100_000), "]".repeat(100_000));
    assert!(failure(BINANCE, &deep).contains("over 128 levels"));
    let levels = "{\"a\":".repeat(10) + "[[1588280400000,1,1,1,1,1]]" + &"}".repeat(10);
    let layout = BINANCE.replace("layout", &format!("root = '{}a'\nlayout", "a.".repeat(9)));
    assert_eq!(bars(&layout, &levels, "1h").len(), 1);
}

#[test]
fn layouts_that_lead_nowhere_are_usage_errors() {
    let cases = [
        ("map = { ts = '^t' }", "no record around"),
        ("map = { ts = '@key' }", "not the value of a key"),
        ("map = { ts = 'a[].t' }", "`explode` makes rows"),
        ("map = { tss = 't' }", "no such column"),
        ("layout = 'columns'\nmap = { close = 'c' }", "cannot find the time"),
        ("arms = { close = ['a'] }\nmap = { ts = 't', close = 'c' }", "also mapped"),
    ];
    for (layout, reason) in cases {
        let error = run("bars", layout, "[]", &[]).err().expect(layout);
        assert_eq!(crate::error::exit_code(&error), 2, "{layout}");
        assert!(report(&error).contains(reason), "{layout}: {}", report(&error));
    }
}
