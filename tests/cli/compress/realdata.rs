//! Real market data is the same in the archive as in the store, and what is archived is known. Skipped where
//! `BARN_TEST_DATA` names no folder.

use std::path::Path;
use std::time::SystemTime;

use super::sets::{BARS, CHAIN, Set, test_each_set};
use crate::harness::{Sandbox, gunzip, real_data};
use crate::replayed::{fetch, json_of, record};

/// Returns all rows of the tables as CSV, in the order of their full keys.
fn rows(sandbox: &Sandbox, tables: &[(&str, &str)]) -> Vec<Vec<u8>> {
    let read = |(table, order): &(&str, &str)| {
        let sql = format!("SELECT * FROM {table} ORDER BY {order}");
        sandbox.barn(["query", &sql, "--no-cache", "--format", "csv"]).ok().bytes().to_vec()
    };
    tables.iter().map(read).collect()
}

/// Returns the name, the bytes and the time of each file below a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>, SystemTime)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let modified = path.metadata().unwrap().modified().unwrap();
            found.push((path.display().to_string(), std::fs::read(&path).unwrap(), modified));
        }
    }
    found.sort();
    found
}

/// Checks that a table has no row in SQLite.
fn assert_none_is_hot(sandbox: &Sandbox, table: &str) {
    let sql = format!("SELECT count(*) FROM \"{table}_rows\"");
    let hot: i64 = sandbox.sqlite().query_row(&sql, [], |row| row.get(0)).unwrap();
    assert_eq!(hot, 0, "{table}");
}

/// Checks that two outputs are the same bytes, and says where they are not.
fn assert_same(before: &[Vec<u8>], after: &[Vec<u8>], tables: &[(&str, &str)]) {
    for ((before, after), (table, _)) in before.iter().zip(after).zip(tables) {
        let mut lines =
            before.split(|byte| *byte == b'\n').zip(after.split(|byte| *byte == b'\n')).enumerate();
        if let Some((at, (before, after))) = lines.find(|(_, (before, after))| before != after) {
            let text = String::from_utf8_lossy;
            panic!("{table}, line {}:\n  before: {}\n  after:  {}", at + 1, text(before), text(after));
        }
        assert_eq!(before.len(), after.len(), "{table}");
    }
}

/// Stores a set, archives it whole, and stores it again.
fn check(name: &str) {
    let Some((set, sandbox, loads)) = Set::stored(name) else { return };
    let before = rows(&sandbox, set.tables);
    sandbox.barn(["compress", "--all"]).ok();
    let archive = files(&sandbox.path("barn/archive"));
    assert!(archive.iter().any(|(name, ..)| name.ends_with(".parquet")), "{name}");
    assert_same(&before, &rows(&sandbox, set.tables), set.tables);

    for (load, first) in &loads {
        let again = load.run(&sandbox);
        assert_eq!((again.read, again.rejected), (first.read, first.rejected), "{name}");
        let updated = if set.agrees { 0 } else { again.updated };
        assert_eq!((again.inserted, again.updated), (0, updated), "{name}: {again:?}");
    }
    sandbox.barn(["compress", "--all"]).ok().says(&["nothing to compress"]);
    assert!(files(&sandbox.path("barn/archive")) == archive, "{name}: the archive changed");
    for (table, _) in set.tables.iter().filter(|_| set.agrees) {
        assert_none_is_hot(&sandbox, table);
    }
    assert_same(&before, &rows(&sandbox, set.tables), set.tables);
}

test_each_set!(check);

/// Records the answers of Binance, fetches two spans of them, and archives what came.
#[test]
fn what_was_fetched_is_archived_and_not_asked_for_again() {
    let Some(path) = real_data("http/binance_recorded.json.gz") else { return };
    let sandbox = Sandbox::patient();
    for query in json_of(&gunzip(&path))["routes"]["/api/v3/klines"]["GET"].as_array().unwrap() {
        let url = format!("https://api.binance.com/api/v3/klines?{}", query["queryString"].as_str().unwrap());
        record(&sandbox, &url, "application/json", &query["data"].to_string());
    }
    let asked = [
        "binance BTC/USDT -t 1h --since 2020-04-30T21:00:00Z --until 2020-07-01T03:00:00Z",
        "binance BTCUSDT ETHBTC -t 1d --since 2019-01-01 --until 2020-01-01",
    ];
    for line in &asked {
        fetch(&sandbox, line);
    }
    fetched_is_archived(&sandbox, &asked, BARS, 1_467 + 2 * 365);
}

/// A snapshot has no coverage, so the same answer is asked for again, and is known.
#[test]
fn a_chain_that_was_fetched_is_archived_and_known() {
    let Some(path) = real_data("options/nse_banknifty_20210517.json.gz") else { return };
    let sandbox = Sandbox::patient();
    let host = "https://www.nseindia.com";
    record(&sandbox, &format!("{host}/option-chain"), "text/html", "<html></html>");
    let info = format!("{host}/api/option-chain-contract-info?symbol=BANKNIFTY");
    record(&sandbox, &info, "application/json", "{\"expiryDates\":[\"20-May-2021\"]}");
    let chain = format!("{host}/api/option-chain-v3?type=Indices&symbol=BANKNIFTY&expiry=20-May-2021");
    record(&sandbox, &chain, "application/json", &String::from_utf8(gunzip(&path)).unwrap());
    let asked = ["nse BANKNIFTY"];
    fetch(&sandbox, asked[0]);
    fetched_is_archived(&sandbox, &asked, CHAIN, 1_891);
}

fn fetched_is_archived(sandbox: &Sandbox, asked: &[&str], table: (&str, &str), count: usize) {
    let before = rows(sandbox, &[table]);
    assert_eq!(String::from_utf8_lossy(&before[0]).lines().count(), count + 1);
    sandbox.barn(["compress", "--all"]).ok();
    assert_none_is_hot(sandbox, table.0);
    let archive = files(&sandbox.path("barn/archive"));
    assert_same(&before, &rows(sandbox, &[table]), &[table]);
    for line in asked {
        fetch(sandbox, line);
        fetch(sandbox, &format!("{line} --refresh"));
    }
    assert_none_is_hot(sandbox, table.0);
    assert!(files(&sandbox.path("barn/archive")) == archive, "the archive changed");
    assert_same(&before, &rows(sandbox, &[table]), &[table]);
}
