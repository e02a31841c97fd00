//! Recorded answers of real providers, decoded by the built-in definitions. Skipped where `BARN_TEST_DATA` names
//! no folder.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Sandbox, gunzip, real_data, unpack};

/// The rows that a definition makes of a body, as cells of a CSV with its header.
struct Rows {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    fn texts(&self, column: &str) -> Vec<&str> {
        let at = self.header.iter().position(|name| name == column);
        let at = at.unwrap_or_else(|| panic!("no column '{column}' in {:?}", self.header));
        self.rows.iter().map(|row| row[at].as_str()).collect()
    }

    fn numbers(&self, column: &str) -> Vec<Option<f64>> {
        self.texts(column).into_iter().map(|text| text.parse().ok()).collect()
    }
}

/// Decodes a body; `options` are words of the command line.
fn decode(sandbox: &Sandbox, source: &str, body: &[u8], options: &str) -> Rows {
    sandbox.write("body", body);
    let mut arguments = vec!["source", "test", source, "--fixture", "body", "--format", "csv"];
    arguments.extend(options.split_whitespace());
    let text = sandbox.barn(arguments).ok().stdout();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    Rows { header: lines.next().unwrap_or_default(), rows: lines.collect() }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn instant(seconds: i64) -> String {
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, date) = barn::model::time::civil_from_days(day);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The recorded answers of Yahoo whose names start so: their names and bodies.
fn yahoo(sandbox: &Sandbox, start: &str) -> Option<Vec<(String, Value)>> {
    unpack(&real_data("http/yahoo_recorded.tar.gz")?, &sandbox.path("yahoo"));
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(sandbox.path("yahoo")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let named = paths.into_iter().map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    let wanted = named.filter(|(name, _)| name.starts_with(start));
    Some(
        wanted
            .map(|(name, path)| (name, json(&std::fs::read(path).unwrap())["response"]["bodyJson"].take()))
            .collect(),
    )
}

/// Checks the bars of a chart against its arrays.
fn check_chart(sandbox: &Sandbox, name: &str, body: &Value) -> usize {
    let chart = &body["chart"]["result"][0];
    let granularity = chart["meta"]["dataGranularity"].as_str().unwrap();
    let rows = decode(sandbox, "yahoo", body.to_string().as_bytes(), &format!("-t {granularity}"));
    let Some(times) = chart["timestamp"].as_array() else {
        assert_eq!(rows.rows.len(), 0, "{name}");
        return 0;
    };
    let quote = &chart["indicators"]["quote"][0];
    let has_price = |at: usize| ["open", "high", "low", "close"].iter().any(|key| quote[key][at].is_number());
    let kept: Vec<usize> = (0..times.len()).filter(|at| has_price(*at)).collect();
    assert_eq!(rows.rows.len(), kept.len(), "{name}");
    let offset = chart["meta"]["gmtoffset"].as_i64().unwrap();
    let labels: Vec<_> = kept
        .iter()
        .map(|at| (times[*at].as_i64().unwrap() + offset).div_euclid(86_400) * 86_400)
        .map(instant)
        .collect();
    assert_eq!(rows.texts("ts"), labels, "{name}: bars of a day have the date of their exchange");
    for column in ["open", "high", "low", "close", "volume"] {
        let expected: Vec<_> = kept.iter().map(|at| quote[column][*at].as_f64()).collect();
        assert_eq!(rows.numbers(column), expected, "{name}: {column}");
    }
    let adjusted = &chart["indicators"]["adjclose"][0]["adjclose"];
    if adjusted.is_array() {
        let expected: Vec<_> = kept.iter().map(|at| adjusted[*at].as_f64()).collect();
        assert_eq!(rows.numbers("adj_close"), expected, "{name}");
    }
    kept.len()
}

#[test]
fn charts_of_yahoo() {
    let sandbox = Sandbox::patient();
    let Some(charts) = yahoo(&sandbox, "chart-") else { return };
    assert_eq!(charts.len(), 21);
    let rows: usize = charts.iter().map(|(name, body)| check_chart(&sandbox, name, body)).sum();
    assert_eq!(rows, 17);
}

#[test]
fn years_of_yahoo_with_their_dividends_and_splits() {
    let sandbox = Sandbox::patient();
    let Some(charts) = yahoo(&sandbox, "historical-via-chart-") else { return };
    let rows: usize = charts.iter().map(|(name, body)| check_chart(&sandbox, name, body)).sum();
    assert_eq!(rows, 16 + 2 + 2 * 252 + 3_303);
    for (part, actions) in [("MSFT-dividends", "actions: 4 rows"), ("NVDA-split", "split_numerator")] {
        let (_, body) = charts.iter().find(|(name, _)| name.contains(part)).unwrap();
        sandbox.write("body", body.to_string());
        let done = sandbox.barn("source test yahoo --fixture body -t 1d".split(' ')).ok();
        done.check(done.stdout().contains(actions), actions);
    }
}

#[test]
fn option_chains_of_yahoo() {
    let sandbox = Sandbox::patient();
    let Some(chains) = yahoo(&sandbox, "options-") else { return };
    let mut all = 0;
    for (name, body) in &chains {
        let chain = &body["optionChain"]["result"][0];
        let options = &chain["options"][0];
        let legs = |key: &str| options[key].as_array().map_or(0, Vec::len);
        let rows = decode(&sandbox, "yahoo", body.to_string().as_bytes(), "--table chain");
        assert_eq!(rows.rows.len(), legs("calls") + legs("puts"), "{name}");
        all += rows.rows.len();
        if !rows.rows.is_empty() {
            let types = rows.texts("option_type");
            assert_eq!(types.iter().filter(|word| **word == "call").count(), legs("calls"), "{name}");
            let interest = |key: &str| {
                let legs = options[key].as_array().into_iter().flatten();
                legs.filter_map(|leg| leg["openInterest"].as_f64()).sum::<f64>()
            };
            let found: f64 = rows.numbers("open_interest").into_iter().flatten().sum();
            assert_eq!(found.to_bits(), (interest("calls") + interest("puts")).to_bits(), "{name}");
        }
    }
    assert_eq!(all, 426);
}

#[test]
fn klines_of_binance() {
    let Some(path) = real_data("http/binance_recorded.json.gz") else { return };
    let sandbox = Sandbox::patient();
    let recorded = json(&gunzip(&path));
    let routes = &recorded["routes"];
    let mut rows = 0;
    for query in routes["/api/v3/klines"]["GET"].as_array().unwrap() {
        let asked = query["queryString"].as_str().unwrap();
        let word = asked.split('&').find_map(|pair| pair.strip_prefix("interval=")).unwrap();
        let found = decode(&sandbox, "binance", query["data"].to_string().as_bytes(), &format!("-t {word}"));
        let klines = query["data"].as_array().unwrap();
        let times: Vec<_> = klines.iter().map(|kline| instant(kline[0].as_i64().unwrap() / 1_000)).collect();
        assert_eq!(found.texts("ts"), times, "{asked}");
        for (column, at) in [("open", 1), ("high", 2), ("low", 3), ("close", 4), ("volume", 5)] {
            let expected: Vec<Option<f64>> =
                klines.iter().map(|kline| kline[at].as_str().unwrap().parse().ok()).collect();
            assert_eq!(found.numbers(column), expected, "{asked}: {column}");
        }
        let trades: Vec<_> = klines.iter().map(|kline| kline[8].as_f64()).collect();
        assert_eq!(found.numbers("trades"), trades, "{asked}");
        rows += klines.len();
    }
    assert_eq!(rows, 3_396);
    let error = &routes["/dapi/v1/klines"]["GET"][0]["data"];
    sandbox.write("body", error.to_string());
    let done = sandbox.barn("source test binance --fixture body -t 1d".split(' ')).fails(1);
    done.says(&["class request", "Maximum time interval is 200 days."]);
}

#[test]
fn series_of_alpha_vantage() {
    let Some(path) = real_data("http/alphavantage_recorded.tar.gz") else { return };
    let sandbox = Sandbox::patient();
    unpack(&path, &sandbox.path("av"));
    let rows = decode(&sandbox, "alphavantage", &sandbox.read("av/mock_time_series"), "-t 1m");
    assert_eq!(rows.rows.len(), 100);
    let mut times = rows.texts("ts");
    times.sort_unstable();
    assert_eq!((times[0], times[99]), ("2017-12-18T18:17:00Z", "2017-12-18T19:56:00Z"));
    let last = rows.texts("ts").iter().position(|ts| *ts == times[99]).unwrap();
    let bar = ["open", "high", "low", "close", "volume"].map(|column| rows.numbers(column)[last]);
    assert_eq!(bar, [86.49, 86.5, 86.475, 86.5, 10_494.0].map(Some));

    let body = sandbox.read("av/mock_time_series_extended");
    let rows = decode(&sandbox, "alphavantage", &body, "-t 1m --set datatype=csv");
    assert_eq!(rows.rows.len(), 11_190);
    let mut times = rows.texts("ts");
    times.sort_unstable();
    assert_eq!((times[0], times[11_189]), ("2020-11-23T09:01:00Z", "2020-12-19T01:00:00Z"));
}

#[test]
fn aggregates_of_polygon() {
    let Some(path) = real_data("http/polygon_mocks.tar.gz") else { return };
    let sandbox = Sandbox::new();
    unpack(&path, &sandbox.path("polygon"));
    let body = sandbox.read("polygon/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04.json");
    let rows = decode(&sandbox, "polygon", &body, "-t 1d --symbol AAPL");
    assert_eq!(rows.texts("ts"), ["2005-04-01T00:00:00Z", "2005-04-04T00:00:00Z"]);
    assert_eq!(rows.texts("symbol"), ["AAPL", "AAPL"]);
    for (column, values) in [
        ("open", [1.5032, 1.4639]),
        ("close", [1.4604, 1.4675]),
        ("volume", [642_646_396.0, 578_172_308.0]),
        ("vwap", [1.469, 1.4589]),
        ("trades", [82_132.0, 65_543.0]),
    ] {
        assert_eq!(rows.numbers(column), values.map(Some), "{column}");
    }
}

#[test]
fn the_option_chain_of_the_nse() {
    let Some(path) = real_data("options/nse_banknifty_20210517.json.gz") else { return };
    let sandbox = Sandbox::new();
    let body = gunzip(&path);
    let rows = decode(&sandbox, "nse", &body, "--symbol BANKNIFTY");
    assert_eq!(rows.rows.len(), 1_891);
    assert!(rows.texts("ts").iter().all(|ts| *ts == "2021-05-17T10:00:00Z"), "15:30 in India");
    let (types, expiries) = (rows.texts("option_type"), rows.texts("expiry"));
    let interest = rows.numbers("open_interest");
    let totals = ["call", "put"].map(|word| {
        let of_word = (0..types.len()).filter(|at| types[*at] == word && expiries[*at] == "2021-05-20");
        of_word.map(|at| interest[at].unwrap()).sum::<f64>().to_string()
    });
    assert_eq!(totals, ["373551", "590495"]);
    let own = json(&body);
    let own = ["CE", "PE"].map(|leg| own["filtered"][leg]["totOI"].to_string());
    assert_eq!(totals, own, "the totals that the answer itself has");
    let at = (0..types.len())
        .find(|at| {
            types[*at] == "put"
                && expiries[*at] == "2021-06-24"
                && rows.numbers("strike")[*at] == Some(23_000.0)
        })
        .unwrap();
    let leg = ["last", "bid", "ask", "bid_size", "ask_size", "volume", "open_interest", "iv", "underlying"];
    let leg = leg.map(|column| rows.numbers(column)[at]);
    assert_eq!(leg, [22.0, 17.5, 20.0, 25.0, 25.0, 194.0, 543.0, 53.77, 33_459.25].map(Some));
}
