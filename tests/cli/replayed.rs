//! Recorded answers of real providers, fetched into a store through the built-in definitions. Skipped where
//! `BARN_TEST_DATA` names no folder.

use serde_json::{Value, json};

use crate::harness::{Done, Sandbox, gunzip, real_data, unpack};

/// Writes one answer as `--record` does.
pub(crate) fn record(sandbox: &Sandbox, url: &str, content_type: &str, body: &str) {
    let place = std::fs::read_dir(sandbox.path("replay")).map_or(0, Iterator::count);
    let recording = json!({
        "method": "GET", "url": url, "status": 200, "headers": { "content-type": content_type }, "body": body
    });
    sandbox.write(&format!("replay/{place:03}.json"), recording.to_string());
}

/// Fetches from the recorded answers.
pub(crate) fn fetch(sandbox: &Sandbox, line: &str) -> Done {
    let mut command = sandbox.barn_command(["fetch", "--replay", "replay"]);
    command.args(line.split(' ')).env("POLYGON_API_KEY", "s3cret").env("ALPHAVANTAGE_API_KEY", "s3cret");
    let done = sandbox.run(command, None).ok();
    done.check(!done.stderr().contains("s3cret"), "a key is shown");
    done
}

pub(crate) fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn two_pages_of_binance_with_their_hole() {
    let Some(path) = real_data("http/binance_recorded.json.gz") else { return };
    let sandbox = Sandbox::patient();
    for query in json_of(&gunzip(&path))["routes"]["/api/v3/klines"]["GET"].as_array().unwrap() {
        let url = format!("https://api.binance.com/api/v3/klines?{}", query["queryString"].as_str().unwrap());
        record(&sandbox, &url, "application/json", &query["data"].to_string());
    }
    let hours = "binance BTC/USDT -t 1h --since 2020-04-30T21:00:00Z --until 2020-07-01T03:00:00Z";
    fetch(&sandbox, hours).says(&["2 requests"]);
    assert_eq!(
        sandbox.query(
            "SELECT count(*) AS n, min(ts) AS first, max(ts) AS last, bool_and(final) AS final FROM bars"
        ),
        "n,first,last,final\n1467,2020-04-30T21:00:00Z,2020-07-01T02:00:00Z,true\n"
    );
    let widest = "SELECT ts, ts - lag(ts) OVER (ORDER BY ts) AS step FROM bars";
    let widest = format!("SELECT count(*) FROM ({widest}) WHERE step > INTERVAL '1 hour'");
    assert_eq!(sandbox.value(&widest), "1", "the outage is a hole");
    let before = sandbox.contents("barn");
    fetch(&sandbox, hours).says(&["0 requests"]);
    sandbox.contents("barn").assert_same(&before);

    fetch(&sandbox, "binance BTCUSDT ETHBTC -t 1d --since 2019-01-01 --until 2020-01-01");
    assert_eq!(
        sandbox.query("SELECT symbol, count(*) AS n, max(ts) AS last FROM bars WHERE timeframe = '1d' GROUP BY 1 ORDER BY 1"),
        "symbol,n,last\nBTCUSDT,365,2019-12-31T00:00:00Z\nETHBTC,365,2019-12-31T00:00:00Z\n"
    );
}

#[test]
fn a_day_of_many_listings_of_yahoo() {
    let Some(path) = real_data("http/yahoo_recorded.tar.gz") else { return };
    let sandbox = Sandbox::patient();
    unpack(&path, &sandbox.path("yahoo"));
    let mut symbols = Vec::new();
    for entry in std::fs::read_dir(sandbox.path("yahoo")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let symbol =
            name.strip_prefix("chart-").and_then(|rest| rest.strip_suffix("-2020-01-01-to-2020-01-03.json"));
        let Some(symbol) = symbol else { continue };
        let body = json_of(&sandbox.read(&format!("yahoo/{name}")))["response"]["bodyJson"].take();
        let query = "period1=1577750400&period2=1578009600&interval=1d&includePrePost=false&events=div,splits,capitalGains";
        let url = format!("https://query1.finance.yahoo.com/v8/finance/chart/{symbol}?{query}");
        record(&sandbox, &url, "application/json", &body.to_string());
        symbols.push(symbol.to_owned());
    }
    assert_eq!(symbols.len(), 16);
    fetch(&sandbox, &format!("yahoo {} -t 1d --since 2020-01-01 --until 2020-01-03", symbols.join(" ")));
    assert_eq!(
        sandbox.query("SELECT count(*) AS n, count(DISTINCT symbol) AS symbols, min(ts) AS first, max(ts) AS last FROM bars"),
        "n,symbols,first,last\n16,16,2020-01-02T00:00:00Z,2020-01-02T00:00:00Z\n"
    );
    assert_eq!(sandbox.value("SELECT close FROM bars WHERE symbol = 'AAPL'"), "75.0875015258789");
}

#[test]
fn months_of_alpha_vantage() {
    let Some(path) = real_data("http/alphavantage_recorded.tar.gz") else { return };
    let sandbox = Sandbox::patient();
    unpack(&path, &sandbox.path("av"));
    let url = |symbol: &str, month: &str, datatype: &str| {
        format!(
            "https://www.alphavantage.co/query?function=TIME_SERIES_INTRADAY&symbol={symbol}&interval=1min&month={month}\
             &outputsize=full&adjusted=true&extended_hours=false&datatype={datatype}"
        )
    };
    let body = sandbox.read_text("av/mock_time_series");
    record(&sandbox, &url("MSFT", "2017-12", "json"), "application/json", &body);
    fetch(&sandbox, "alphavantage MSFT -t 1m --since 2017-12-01 --until 2018-01-01").says(&["1 request"]);
    let body = sandbox.read_text("av/mock_time_series_extended");
    for month in ["2020-11", "2020-12"] {
        record(&sandbox, &url("IBM", month, "csv"), "application/x-download", &body);
    }
    fetch(&sandbox, "alphavantage IBM -t 1m --set datatype=csv --since 2020-11-01 --until 2021-01-01");
    assert_eq!(
        sandbox.query(
            "SELECT symbol, count(*) AS n, min(ts) AS first, max(ts) AS last FROM bars GROUP BY 1 ORDER BY 1"
        ),
        "symbol,n,first,last\nIBM,11190,2020-11-23T09:01:00Z,2020-12-19T01:00:00Z\n\
         MSFT,100,2017-12-18T18:17:00Z,2017-12-18T19:56:00Z\n"
    );
}

#[test]
fn days_of_polygon() {
    let Some(path) = real_data("http/polygon_mocks.tar.gz") else { return };
    let sandbox = Sandbox::new();
    unpack(&path, &sandbox.path("polygon"));
    let place = "v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04";
    let url = format!("https://api.massive.com/{place}?adjusted=true&sort=asc&limit=50000");
    record(&sandbox, &url, "application/json", &sandbox.read_text(&format!("polygon/{place}.json")));
    fetch(&sandbox, "polygon AAPL -t 1d --since 2005-04-01 --until 2005-04-05");
    assert_eq!(
        sandbox.query("SELECT ts, open, close, vwap, trades FROM bars ORDER BY ts"),
        "ts,open,close,vwap,trades\n2005-04-01T00:00:00Z,1.5032,1.4604,1.469,82132\n\
         2005-04-04T00:00:00Z,1.4639,1.4675,1.4589,65543\n"
    );
}

#[test]
fn a_chain_of_the_nse_with_its_steps() {
    let Some(path) = real_data("options/nse_banknifty_20210517.json.gz") else { return };
    let sandbox = Sandbox::new();
    let body = String::from_utf8(gunzip(&path)).unwrap();
    let host = "https://www.nseindia.com";
    record(&sandbox, &format!("{host}/option-chain"), "text/html", "<html></html>");
    let info = format!("{host}/api/option-chain-contract-info?symbol=BANKNIFTY");
    record(&sandbox, &info, "application/json", "{\"expiryDates\":[\"20-May-2021\"]}");
    let chain = format!("{host}/api/option-chain-v3?type=Indices&symbol=BANKNIFTY&expiry=20-May-2021");
    record(&sandbox, &chain, "application/json", &body);
    fetch(&sandbox, "nse BANKNIFTY");
    assert_eq!(
        sandbox.query(
            "SELECT option_type, count(*) AS n, sum(open_interest) FILTER (WHERE expiry = '2021-05-20') AS interest \
             FROM chain GROUP BY 1 ORDER BY 1"
        )
        .lines()
        .skip(1)
        .map(|line| line.rsplit_once(',').unwrap().1)
        .collect::<Vec<_>>(),
        ["373551.0", "590495.0"]
    );
    assert_eq!(sandbox.value("SELECT count(*) FROM chain"), "1891");
}
