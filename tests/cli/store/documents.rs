//! JSON documents whose records lie inside each other, read by a layout.

use crate::harness::{Counts, Sandbox, gzip, real_data};

const CHAIN_LAYOUT: &str = r#"
format = "json"
root = "records.data"
arms = { option_type = ["CE", "PE"] }
zone = "Asia/Kolkata"

[map]
ts = { at = "$.records.timestamp", format = "%d-%b-%Y %H:%M:%S" }
symbol = { at = "underlying" }
strike = { at = "^strikePrice" }
expiry = { at = ["expiryDate", "^expiryDate"], format = "%d-%b-%Y" }
last = { at = "lastPrice" }
open_interest = { at = "openInterest" }
underlying = { at = "$.records.underlyingValue" }
"#;

#[test]
fn an_option_chain_has_a_row_for_each_side_of_a_strike() {
    let sandbox = Sandbox::new();
    sandbox.write("chain.toml", CHAIN_LAYOUT);
    let body = r#"{"records": {"timestamp": "17-May-2021 15:30:00", "underlyingValue": 33459.25, "data": [
        {"strikePrice": 33000, "expiryDate": "20-May-2021",
         "CE": {"underlying": "BANKNIFTY", "lastPrice": 610.5, "openInterest": 12.5},
         "PE": {"underlying": "BANKNIFTY", "lastPrice": 150, "openInterest": 40}},
        {"strikePrice": 33100, "expiryDate": "20-May-2021",
         "PE": {"underlying": "BANKNIFTY", "lastPrice": 180, "openInterest": 7}}]}}"#;
    sandbox.write("chain.json.gz", gzip(body.as_bytes()));
    assert_eq!(sandbox.store("chain chain.json.gz --as chain.toml --set source=nse"), Counts::new_rows(3));
    assert_eq!(
        sandbox.query(
            "SELECT source, symbol, expiry, strike, option_type, ts, last, open_interest, underlying FROM chain
             ORDER BY strike, option_type"
        ),
        "source,symbol,expiry,strike,option_type,ts,last,open_interest,underlying\n\
         nse,BANKNIFTY,2021-05-20,33000.0,call,2021-05-17T10:00:00Z,610.5,12.5,33459.25\n\
         nse,BANKNIFTY,2021-05-20,33000.0,put,2021-05-17T10:00:00Z,150.0,40.0,33459.25\n\
         nse,BANKNIFTY,2021-05-20,33100.0,put,2021-05-17T10:00:00Z,180.0,7.0,33459.25\n"
    );
}

#[test]
fn arrays_that_are_columns_are_bars_of_the_timeframe_they_show() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "chart.toml",
        "layout = 'columns'\nroot = 'chart'\nzone = '$.chart.zone'\nsymbol-from-name = true\n\
         map = { ts = { at = 't', unit = 's' }, close = 'c' }\n",
    );
    let body = r#"{"chart": {"zone": "America/New_York", "t": [1577975400, 1578061800, 1578148200, 1578234600],
        "c": [75.5, null, 74.25, 1e999]}}"#;
    sandbox.write("AAPL.json", body);
    let counts = sandbox.store("bars AAPL.json --as chart.toml --max-bad 1");
    assert_eq!(counts, Counts { read: 4, rejected: 1, ..Counts::new_rows(3) });
    assert_eq!(
        sandbox.query("SELECT source, symbol, timeframe, ts, close FROM bars ORDER BY ts"),
        "source,symbol,timeframe,ts,close\n\
         file,AAPL,1d,2020-01-02T00:00:00Z,75.5\n\
         file,AAPL,1d,2020-01-03T00:00:00Z,\n\
         file,AAPL,1d,2020-01-04T00:00:00Z,74.25\n"
    );
}

#[test]
fn a_document_that_has_not_the_form_is_refused_and_stores_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("chain.toml", CHAIN_LAYOUT);
    for (body, reason) in [
        ("{\"records\": {\"data\": [", "no JSON document"),
        ("{\"records\": {}}", "nothing is at 'records.data'"),
        ("{\"records\": {\"data\": 5}}", "a single value instead of an array"),
        ("{\"records\": {\"data\": [{\"CE\": {\"lastPrice\": 1}}]}}", "no record has"),
    ] {
        sandbox.write("chain.json", body);
        sandbox.try_store("chain chain.json --as chain.toml").fails(1).says(&[reason]);
    }
    let output = sandbox.try_store("own chain.json --as chain.toml --key symbol --time ts");
    output.fails(2).says(&["declare the table"]);
}

#[test]
fn the_recorded_chain_of_an_exchange_has_the_totals_that_it_says_itself() {
    let Some(path) = real_data("options/nse_banknifty_20210517.json.gz") else { return };
    let sandbox = Sandbox::patient();
    sandbox.write("chain.toml", CHAIN_LAYOUT);
    let mut command =
        sandbox.barn_command(["--report", ".report.json", "store", "chain", "--as", "chain.toml"]);
    command.arg(&path);
    sandbox.run(command, None).ok();
    assert_eq!(sandbox.report(".report.json"), Counts::new_rows(1_891));
    assert_eq!(
        sandbox.query(
            "SELECT option_type, CAST(sum(open_interest) AS BIGINT) AS total FROM chain
             WHERE expiry = (SELECT min(expiry) FROM chain) GROUP BY 1 ORDER BY 1"
        ),
        "option_type,total\ncall,373551\nput,590495\n"
    );
}
