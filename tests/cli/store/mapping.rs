//! Which field of an input becomes which column.

use crate::harness::{Counts, Sandbox};

const ORDERED: &str =
    "SELECT source, symbol, timeframe, ts, close, adj_close, volume FROM bars ORDER BY symbol, ts";

#[test]
fn well_known_headers_are_matched_in_any_case() {
    let sandbox = Sandbox::new();
    sandbox
        .write("a.csv", "DATE,Ticker,OPEN,High,low,Close,Adj Close,Vol.\n2024-01-02,AAA,1,2,1,1.5,1.25,7\n");
    assert_eq!(sandbox.store("bars a.csv --set timeframe=1d"), Counts::new_rows(1));
    sandbox.write("b.csv", "timestamp,name,close,Adj. Close,VOLUME\n2024-01-02T00:00:00Z,BBB,2,1.5,8\n");
    assert_eq!(sandbox.store("bars b.csv --set timeframe=1d"), Counts::new_rows(1));
    assert_eq!(
        sandbox.query(ORDERED),
        "source,symbol,timeframe,ts,close,adj_close,volume\n\
         file,AAA,1d,2024-01-02T00:00:00Z,1.5,1.25,7.0\n\
         file,BBB,1d,2024-01-02T00:00:00Z,2.0,1.5,8.0\n"
    );
}

#[test]
fn a_mapping_overrides_the_header() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,symbol,close,settle\n2024-01-02,AAA,1,9\n");
    sandbox.store("bars a.csv --set timeframe=1d --map close=settle");
    assert_eq!(sandbox.value("SELECT close FROM bars"), "9.0");
}

#[test]
fn a_mapping_to_a_field_that_is_not_there_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,symbol,close\n2024-01-02,AAA,1\n");
    let output = sandbox.try_store("bars a.csv --set timeframe=1d --map close=setle");
    output.fails(2).says(&["'setle'"]);
    let output = sandbox.try_store("bars a.csv --set timeframe=1d --map clsoe=close");
    output.fails(2).says(&["'clsoe'"]);
}

#[test]
fn a_constant_is_set_in_every_row() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,close\n2024-01-02,1\n2024-01-03,2\n");
    sandbox.store("bars a.csv --set symbol=AAA --set source=mine --set timeframe=1d --set volume=5");
    assert_eq!(
        sandbox.query("SELECT source, symbol, volume, count(*) AS n FROM bars GROUP BY 1, 2, 3"),
        "source,symbol,volume,n\nmine,AAA,5.0,2\n"
    );
}

#[test]
fn a_constant_that_does_not_fit_its_column_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,close\n2024-01-02,1\n");
    for (constants, named) in [
        ("--set timeframe=1d --set volume=many", "'many'"),
        ("--set timeframe=1d --set volum=5", "'volum'"),
        ("--set timeframe=often", "'often'"),
        ("--set timeframe=1d --set timeframe=1h", "'timeframe'"),
    ] {
        sandbox.try_store(&format!("bars a.csv --set symbol=A {constants}")).fails(2).says(&[named]);
    }
}

#[test]
fn the_symbol_comes_from_the_name_of_the_file() {
    let sandbox = Sandbox::new();
    for name in ["BRK.B.csv", "M%26M.csv", "BAJAJ-AUTO.csv"] {
        sandbox.write(name, "date,close\n2024-01-02,1\n");
    }
    sandbox.write("C.csv.gz", crate::harness::gzip(b"date,close\n2024-01-02,1\n"));
    let files = "BRK.B.csv M%26M.csv BAJAJ-AUTO.csv C.csv.gz";
    assert_eq!(
        sandbox.store(&format!("bars {files} --symbol-from-name --set timeframe=1d")),
        Counts::new_rows(4)
    );
    assert_eq!(
        sandbox.query("SELECT symbol FROM bars ORDER BY symbol"),
        "symbol\nBAJAJ-AUTO\nBRK.B\nC\nM&M\n"
    );
}

#[test]
fn files_without_a_header_are_named_by_their_columns() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "1315922016,5.8,1\n1315922024,5.83,3\n");
    sandbox.store("trades a.csv --columns ts,price,size --set symbol=BTCUSD");
    assert_eq!(
        sandbox.query("SELECT * FROM trades ORDER BY ts, seq"),
        "source,symbol,ts,seq,price,size,side,trade_id\n\
         file,BTCUSD,2011-09-13T13:53:36Z,0,5.8,1.0,,\n\
         file,BTCUSD,2011-09-13T13:53:44Z,0,5.83,3.0,,\n"
    );
}

#[test]
fn a_layout_gives_tick_files_their_exact_prices() {
    let sandbox = Sandbox::new();
    sandbox.fixture("ticks/spy_20240102_trade.csv");
    sandbox.fixture("layouts/ticks.toml");
    assert_eq!(
        sandbox.store("trades spy_20240102_trade.csv --as ticks.toml --set source=lean"),
        Counts::new_rows(5)
    );
    assert_eq!(
        sandbox.query("SELECT symbol, ts, seq, price, size FROM trades ORDER BY ts, seq"),
        "symbol,ts,seq,price,size\n\
         spy,2024-01-02T14:30:00Z,0,472.71,100.0\n\
         spy,2024-01-02T14:30:00Z,1,472.71,100.0\n\
         spy,2024-01-02T14:30:00Z,2,472.72,300.0\n\
         spy,2024-01-02T14:30:00.125Z,0,472.715,1.0\n\
         spy,2024-01-02T14:30:01.003Z,0,472.69,250.0\n"
    );
}

#[test]
fn a_layout_of_the_store_is_known_by_its_name() {
    let sandbox = Sandbox::new();
    sandbox.fixture("ticks/spy_20240102_trade.csv");
    sandbox.fixture("layouts/ticks.toml");
    let layout = sandbox.read_text("ticks.toml").replace("[map]", "[layout.lean.map]");
    sandbox.write("barn/barn.toml", format!("[layout.lean]\n{layout}"));
    assert_eq!(sandbox.store("trades spy_20240102_trade.csv --as lean"), Counts::new_rows(5));
    let output = sandbox.try_store("trades spy_20240102_trade.csv --as laen");
    output.fails(2).says(&["'laen'"]);
}

#[test]
fn a_layout_with_an_unknown_word_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,close\n2024-01-02,1\n");
    sandbox.write("bad.toml", "format = \"csv\"\nthousand = \",\"\n");
    let output = sandbox.try_store("bars a.csv --as bad.toml --set symbol=A --set timeframe=1d");
    output.fails(2).says(&["bad.toml", "thousand"]);
}

#[test]
fn extra_fields_are_named_once_and_ignored() {
    let sandbox = Sandbox::new();
    sandbox
        .write("a.csv", "date,symbol,close,Split Ratio,Mood\n2024-01-02,A,1,2,good\n2024-01-03,A,2,1,bad\n");
    let done = sandbox.try_store("bars a.csv --set timeframe=1d").ok();
    for field in ["Split Ratio", "Mood"] {
        done.check(done.stderr().matches(field).count() == 1, &format!("expected '{field}' once"));
    }
    assert!(!sandbox.query("SELECT * FROM bars").contains("mood"));
}

#[test]
fn extra_fields_become_columns_on_request() {
    let sandbox = Sandbox::with_bars();
    sandbox.write(
        "a.csv",
        "date,symbol,close,Split Ratio,Mood,Rank,B365>2.5\n2024-01-02,CCC,1,0.5,good,3,1.9\n2024-01-03,CCC,2,1,,4,\n",
    );
    let counts = sandbox.store("bars a.csv --set source=test --set timeframe=1d --add-columns");
    assert_eq!(counts, Counts::new_rows(2));
    let added = "split_ratio, mood, rank, b365_gt_2_5";
    assert_eq!(
        sandbox.query(&format!(
            "SELECT symbol, {added} FROM bars WHERE symbol >= 'BBB' AND ts < '2024-01-04' ORDER BY symbol, ts"
        )),
        "symbol,split_ratio,mood,rank,b365_gt_2_5\nBBB,,,,\nBBB,,,,\nCCC,0.5,good,3,1.9\nCCC,1.0,,4,\n"
    );
    let again = sandbox.store("bars a.csv --set source=test --set timeframe=1d --add-columns");
    assert_eq!(again, Counts::same_rows(2));
}

#[test]
fn an_added_column_that_becomes_another_one_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,symbol,close,a-b,a.b\n2024-01-02,A,1,2,3\n");
    let (code, done) = sandbox.try_store("bars a.csv --set timeframe=1d --add-columns").any();
    done.check(matches!(code, Some(1 | 2)), "expected a refusal").says(&["a-b", "a.b"]);
}

#[test]
fn the_timeframe_is_found_and_said() {
    let sandbox = Sandbox::new();
    sandbox.fixture("prices/minutes.csv");
    let done = sandbox.try_store("bars minutes.csv").ok();
    done.says(&["1m"]);
    assert_eq!(sandbox.value("SELECT DISTINCT timeframe FROM bars"), "1m");
}

#[test]
fn months_of_different_lengths_are_one_timeframe() {
    let sandbox = Sandbox::new();
    let rows: String =
        (1..=24).map(|at| format!("{}-{:02}-01,1\n", 1871 + (at - 1) / 12, (at - 1) % 12 + 1)).collect();
    sandbox.write("a.csv", format!("date,close\n{rows}"));
    sandbox.try_store("bars a.csv --set symbol=SP").ok().says(&["1mo"]);
    assert_eq!(sandbox.value("SELECT DISTINCT timeframe FROM bars"), "1mo");
}

#[test]
fn a_timeframe_that_is_not_clear_must_be_given() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.csv",
        "date,symbol,close\n2024-01-01,A,1\n2024-01-02,A,1\n2024-01-08,A,1\n2024-02-20,A,1\n",
    );
    sandbox.try_store("bars a.csv").fails(2).says(&["timeframe", "--set timeframe="]);
    assert_eq!(sandbox.store("bars a.csv --set timeframe=1d"), Counts::new_rows(4));
}

#[test]
fn the_words_of_providers_are_timeframes() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,symbol,interval,close\n2024-01-01,A,1day,1\n2024-01-02,A,daily,2\n");
    sandbox.store("bars a.csv --map timeframe=interval");
    assert_eq!(sandbox.value("SELECT DISTINCT timeframe FROM bars"), "1d");
}

#[test]
fn a_dry_run_counts_and_stores_nothing() {
    let sandbox = Sandbox::with_bars();
    sandbox.write("a.csv", "date,symbol,close\n2024-01-02,NEW,1\n");
    let before = sandbox.contents("barn");
    assert_eq!(sandbox.store("bars a.csv --set timeframe=1d --dry-run"), Counts::new_rows(1));
    sandbox.contents("barn").assert_same(&before);
}

#[test]
fn a_dry_run_makes_no_store_where_there_is_only_its_barn_toml() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,symbol,close\n2024-01-02,NEW,1\n");
    sandbox.write("barn/barn.toml", "[table.mine]\nkey = [\"symbol text\"]\nvalues = [\"close double\"]\n");
    let only = sandbox.listing();
    let dry_run = || sandbox.barn(["store", "mine", "a.csv", "--dry-run"]);
    dry_run().ok().says(&["would store into mine: 1 row read, 1 series", "1 inserted"]);
    assert_eq!(sandbox.listing(), only);
    // What is wrong there is told as a real run tells it.
    sandbox.write("barn/barn.toml", "[table.bars]\nkey = [\"symbol text\"]\nvalues = [\"close double\"]\n");
    let only = sandbox.listing();
    let said = dry_run().fails(1).stderr().to_owned();
    assert_eq!(sandbox.listing(), only);
    sandbox.barn(["store", "mine", "a.csv"]).fails(1).says_exactly(&said);
}
