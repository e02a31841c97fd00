//! Real market files, as vendors ship them. Skipped where `BARN_TEST_DATA` names no folder.

use std::path::Path;

use crate::dialects::DIALECTS;
use crate::dialects::Outcome::{Refused, Rows};
use crate::harness::{Counts, Done, Sandbox, gunzip, real_data, unpack};

/// Stores these files with the words of a line as options, and returns what was printed and the counts.
fn store(sandbox: &Sandbox, table: &str, files: &[&Path], options: &[&str]) -> (Done, Counts) {
    let mut command = sandbox.barn_command(["--report", ".report.json", "store", table]);
    command.args(files).args(options);
    let done = sandbox.run(command, None).ok();
    (done, sandbox.report(".report.json"))
}

#[test]
fn five_years_of_the_sp500() {
    let Some(path) = real_data("daily/sp500_5yr_all.csv.gz") else { return };
    let sandbox = Sandbox::patient();
    let options = ["--set", "source=kaggle", "--set", "timeframe=1d"];
    let (done, counts) = store(&sandbox, "bars", &[&path], &options);
    assert_eq!(counts, Counts { suspect: 12, ..Counts::new_rows(619_040) });
    let words = done.stderr().replace(',', "");
    done.check(words.contains("619040") && words.contains("505 series"), "expected the rows and the series");
    for (sql, value) in [
        ("SELECT count(*) FROM bars", "619040"),
        ("SELECT count(DISTINCT symbol) FROM bars", "505"),
        ("SELECT CAST(sum(volume) AS BIGINT) FROM bars", "2675381554793"),
        ("SELECT max(high) FROM bars", "2067.99"),
        ("SELECT min(low) FROM bars", "1.5"),
        ("SELECT count(open) FROM bars", "619029"),
    ] {
        assert_eq!(sandbox.value(sql), value, "{sql}");
    }
    let average = "SELECT m FROM (SELECT ts, avg(close) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 19 PRECEDING \
                   AND CURRENT ROW) AS m FROM bars WHERE symbol = 'AAPL') WHERE ts = '2018-02-07'";
    let average: f64 = sandbox.value(average).parse().unwrap();
    assert!((average - 171.0125).abs() < 1e-9, "{average}");
    let suspects = sandbox.barn(["info", "suspects", "--format", "csv"]).ok().stdout();
    assert_eq!(suspects.lines().count(), 13, "{suspects}");
    assert!(suspects.contains("AOS") && suspects.contains("2014-05-19"), "{suspects}");

    let before = sandbox.contents("barn");
    let (_, again) = store(&sandbox, "bars", &[&path], &options);
    assert_eq!((again.read, again.unchanged), (619_040, 619_040));
    sandbox.contents("barn").assert_same(&before);
    let bytes = sandbox.read("barn/barn.db").len();
    assert!(bytes <= 62 * 619_040, "{bytes} bytes are over 62 a row");
}

#[test]
fn a_pipe_into_a_second_store_gives_the_same_csv() {
    let Some(path) = real_data("daily/sp500_5yr_all.csv.gz") else { return };
    let sandbox = Sandbox::patient();
    store(&sandbox, "bars", &[&path], &["--set", "source=kaggle", "--set", "timeframe=1d"]);
    let all = "SELECT * FROM bars ORDER BY source, symbol, timeframe, ts";
    sandbox.shell(&format!("barn query '{all}' --format csv | barn --store other store bars -")).ok();
    let first = sandbox.barn(["query", all, "--format", "csv"]).ok();
    let second = sandbox.barn(["--store", "other", "query", all, "--format", "csv"]).ok();
    first.check(first.bytes() == second.bytes(), "the CSV of the second store differs");
    assert_eq!(first.stdout().lines().count(), 619_041);
}

#[test]
fn fifty_indian_stocks_in_one_command() {
    let Some(path) = real_data("daily/nifty50_nse.tar.gz") else { return };
    let sandbox = Sandbox::patient();
    unpack(&path, &sandbox.path("nse"));
    sandbox.write(
        "nse.toml",
        "format = \"csv\"\nthousands = \"comma\"\n[map]\nts = { at = \"date\" }\nopen = { at = \"open\" }\n\
         high = { at = \"high\" }\nlow = { at = \"low\" }\nclose = { at = \"close\" }\nvwap = { at = \"vwap\" }\n\
         volume = { at = \"volume\" }\ntrades = { at = \"no_of_trades\" }\n",
    );
    let options = ["--symbol-from-name", "--as", "nse.toml", "--set", "source=nse", "--set", "timeframe=1d"];
    let (_, counts) = store(&sandbox, "bars", &[Path::new("nse")], &options);
    assert_eq!(counts, Counts::new_rows(85_305));
    for (sql, value) in [
        ("SELECT count(DISTINCT symbol) FROM bars", "50"),
        ("SELECT count(*) FROM bars WHERE symbol = 'M&M'", "1734"),
        ("SELECT count(*) FROM bars WHERE symbol = 'BAJAJ-AUTO'", "1734"),
        ("SELECT CAST(sum(volume) AS BIGINT) FROM bars", "483551177127"),
        ("SELECT sum(trades) FROM bars", "6529460070"),
        ("SELECT max(high) FROM bars", "33480.0"),
    ] {
        assert_eq!(sandbox.value(sql), value, "{sql}");
    }
    // The archive they came in is as good as its files.
    let (_, again) = store(&sandbox, "bars", &[&path], &options);
    assert_eq!(again, Counts::same_rows(85_305));
}

#[test]
fn a_quarter_of_a_million_trades_are_all_kept() {
    let Some(path) = real_data("ticks/spy_20131007_trade_tick.csv.gz") else { return };
    let sandbox = Sandbox::patient();
    sandbox.fixture("layouts/ticks.toml");
    let options = ["--as", "ticks.toml", "--set", "source=lean"];
    let (_, counts) = store(&sandbox, "trades", &[&path], &options);
    assert_eq!(counts, Counts::new_rows(250_601));
    let (_, again) = store(&sandbox, "trades", &[&path], &options);
    assert_eq!(again, Counts::same_rows(250_601));
    assert_eq!(
        sandbox.query(
            "SELECT symbol, count(*) AS n, CAST(sum(size) AS BIGINT) AS size, min(price) AS low, max(price) AS high, \
             min(ts) AS first FROM trades GROUP BY symbol"
        ),
        "symbol,n,size,low,high,first\nspy,250601,97062721,167.01,168.9,2013-10-07T08:00:00.464Z\n"
    );
    // A price is the double nearest to its decimal, so it prints with at most four digits.
    let longest = "SELECT max(length(CAST(CAST(price AS DECIMAL(18, 4)) AS VARCHAR))), \
                   count(*) FILTER (WHERE CAST(CAST(price AS DECIMAL(18, 4)) AS DOUBLE) <> price) AS off FROM trades";
    assert_eq!(sandbox.query(longest).lines().nth(1), Some("8,0"));
}

#[test]
fn forex_quotes_with_crossed_sides() {
    let Some(path) = real_data("ticks/eurusd_fxcm_20140501_tick.csv.gz") else { return };
    let sandbox = Sandbox::patient();
    sandbox.write(
        "forex.toml",
        "format = \"csv\"\nheader = false\ncolumns = [\"at\", \"bid\", \"ask\"]\nzone = \"America/New_York\"\n\
         name = '(?<symbol>[a-z]+)_fxcm_(?<date>\\d{8})_.*'\n[map]\n\
         ts = { at = \"at\", unit = \"ms\", since = \"midnight\" }\nbid = { at = \"bid\" }\nask = { at = \"ask\" }\n",
    );
    let (_, counts) = store(&sandbox, "quotes", &[&path], &["--as", "forex.toml"]);
    assert_eq!((counts.read, counts.inserted), (51_053, 51_053));
    let first = sandbox.query("SELECT symbol, ts, bid, ask FROM quotes ORDER BY ts, seq LIMIT 1");
    assert_eq!(first, "symbol,ts,bid,ask\neurusd,2014-05-01T04:00:01.787Z,1.38727,1.38729\n");
}

#[test]
fn the_volatility_index_has_no_volume() {
    let Some(path) = real_data("daily/vix-daily.csv.gz") else { return };
    let sandbox = Sandbox::patient();
    let options = ["--set", "symbol=VIX", "--set", "timeframe=1d"];
    let (_, counts) = store(&sandbox, "bars", &[&path], &options);
    assert_eq!(counts, Counts { suspect: 47, ..Counts::new_rows(9_235) });
    assert_eq!(
        sandbox.query("SELECT min(ts) AS a, max(ts) AS b, count(volume) AS n FROM bars"),
        "a,b,n\n1990-01-02T00:00:00Z,2026-07-23T00:00:00Z,0\n"
    );
}

#[test]
fn a_monthly_series_since_1871() {
    let Some(path) = real_data("daily/sp500_shiller_monthly.csv.gz") else { return };
    let sandbox = Sandbox::patient();
    let options = ["--map", "value=SP500", "--set", "symbol=SP500"];
    let (_, counts) = store(&sandbox, "observations", &[&path], &options);
    assert_eq!(counts, Counts::new_rows(1_866));
    assert_eq!(
        sandbox.query(
            "SELECT min(ts) AS a, max(ts) AS b, max(value) AS m FROM observations WHERE ts < '2000-01-01'"
        ),
        "a,b,m\n1871-01-01T00:00:00Z,1999-12-01T00:00:00Z,1428.68\n"
    );
    // As bars the timeframe is found by the length of months.
    let options = ["--map", "close=SP500", "--set", "symbol=SP500"];
    let (done, counts) = store(&sandbox, "bars", &[&path], &options);
    done.says(&["1mo"]);
    assert_eq!(counts.inserted, 1_866);
}

#[test]
fn per_symbol_files_with_empty_cells() {
    let Some(path) = real_data("daily/sp500_5yr_20symbols.tar.gz") else { return };
    let sandbox = Sandbox::patient();
    let (_, counts) = store(&sandbox, "bars", &[&path], &["--set", "timeframe=1d"]);
    assert_eq!(counts.read, counts.inserted);
    assert_eq!(sandbox.value("SELECT count(DISTINCT symbol) FROM bars"), "20");
    assert_eq!(sandbox.value("SELECT count(*) FROM bars WHERE open IS NULL"), "11");
}

#[test]
fn every_dialect_of_csv_loads_or_is_refused_for_a_reason() {
    let Some(path) = real_data("dirty/pyalgotrade_csv_dialects.tar.gz") else { return };
    let sandbox = Sandbox::patient();
    unpack(&path, &sandbox.path("csv"));
    let count = std::fs::read_dir(sandbox.path("csv")).unwrap().count();
    assert_eq!(count, DIALECTS.len());
    for (name, table, options, outcome) in DIALECTS {
        let mut command = sandbox.barn_command(["--store", name, "--report", ".report.json", "store", table]);
        command.arg(sandbox.path("csv").join(name)).args(*options);
        let output = sandbox.run(command, None);
        match outcome {
            Rows(rows) => {
                output.ok();
                let counts = sandbox.report(".report.json");
                assert_eq!((counts.read, counts.inserted), (*rows, *rows), "{name}");
            }
            Refused(part) => {
                output.fails(2).says(&[name, part, "hint: "]);
            }
        }
    }
    let sql = "SELECT ts, open, close FROM bars ORDER BY ts DESC LIMIT 2";
    assert_eq!(
        sandbox.query_in("orcl-2010-googlefinance-malformed.csv", sql),
        "ts,open,close\n2010-12-31T00:00:00Z,31.22,31.3\n2010-12-30T00:00:00Z,,31.29\n"
    );
    let sql = "SELECT ts, adj_close FROM bars ORDER BY ts DESC LIMIT 1";
    assert_eq!(
        sandbox.query_in("WIKI-ORCL-2000-quandl.csv", sql),
        "ts,adj_close\n2000-12-29T00:00:00Z,26.46449896098733\n"
    );
    let sql = "SELECT ts FROM trades ORDER BY ts LIMIT 1";
    assert_eq!(sandbox.query_in("trades-mgtox-usd-2013-01-01.csv", sql), "ts\n2013-01-01T00:04:19.486096Z\n");
}

#[test]
fn all_english_football_is_one_table_of_the_users_own() {
    let Some(path) = real_data("odds/football_data_england.tar.gz") else { return };
    let sandbox = Sandbox::patient();
    sandbox.write(
        "football.toml",
        "format = \"csv\"\nencoding = \"latin-1\"\ntime-format = [\"%d/%m/%y\", \"%d/%m/%Y\"]\n",
    );
    let options =
        ["--key", "div,hometeam,awayteam", "--time", "Date", "--as", "football.toml", "--add-columns"];
    let (_, counts) = store(&sandbox, "matches", &[&path], &options);
    assert_eq!(counts.read, 64_138);
    assert!(counts.rejected < 642, "{counts:?}");
    let stored: u64 = sandbox.value("SELECT count(*) FROM matches").parse().unwrap();
    assert_eq!(stored, counts.inserted);
    // 228 matches of 2013 come in two files.
    assert!(stored + counts.rejected >= 63_910, "{counts:?}");
    for (sql, value) in [
        ("SELECT min(ts) FROM matches", "1993-08-14T00:00:00Z"),
        ("SELECT count(*) FROM matches WHERE b365_gt_2_5 IS NOT NULL AND ts < '2000-01-01'", "0"),
        (
            "SELECT fthg FROM matches WHERE hometeam = 'Arsenal' AND awayteam = 'Coventry' AND ts = '1993-08-14'",
            "0",
        ),
        (
            "SELECT ftr FROM matches WHERE hometeam = 'Liverpool' AND awayteam = 'Burnley' AND ts = '2021-01-21'",
            "A",
        ),
    ] {
        assert_eq!(sandbox.value(sql), value, "{sql}");
    }
    let (_, again) = store(&sandbox, "matches", &[&path], &options);
    assert_eq!((again.inserted, again.rejected), (0, counts.rejected));
}

#[test]
fn a_wide_table_of_prices_is_a_table_of_the_users_own() {
    let Some(path) = real_data("portfolio/stock_prices_wide.csv.gz") else { return };
    let sandbox = Sandbox::patient();
    let header = gunzip(&path).split(|byte| *byte == b'\n').next().unwrap().to_vec();
    let header = String::from_utf8(header).unwrap();
    let time = header.split(',').next().unwrap();
    let options = ["--key", "portfolio", "--time", time, "--set", "portfolio=all"];
    let (_, counts) = store(&sandbox, "wide", &[&path], &options);
    assert_eq!(counts, Counts::new_rows(7_126));
}
