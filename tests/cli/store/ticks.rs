//! Ticks are a multiset: equal rows of one time are all real, and storing them again adds none.

use crate::harness::{Counts, Sandbox};

const QUERY: &str = "SELECT ts, seq, price, size FROM trades ORDER BY ts, seq";

fn file(sandbox: &Sandbox, name: &str, rows: &[&str]) {
    sandbox.write(name, format!("ts,price,size\n{}\n", rows.join("\n")));
}

#[test]
fn equal_rows_are_all_kept_and_not_doubled() {
    let sandbox = Sandbox::new();
    file(&sandbox, "a.csv", &["1000,5,1", "1000,5,1", "1000,6,1", "2000,5,1"]);
    assert_eq!(sandbox.store("trades a.csv --set symbol=A"), Counts::new_rows(4));
    assert_eq!(
        sandbox.query(QUERY),
        "ts,seq,price,size\n1970-01-01T00:16:40Z,0,5.0,1.0\n1970-01-01T00:16:40Z,1,5.0,1.0\n\
         1970-01-01T00:16:40Z,2,6.0,1.0\n1970-01-01T00:33:20Z,0,5.0,1.0\n"
    );
    let before = sandbox.contents("barn");
    assert_eq!(sandbox.store("trades a.csv --set symbol=A"), Counts::same_rows(4));
    sandbox.contents("barn").assert_same(&before);
}

#[test]
fn the_larger_count_of_equal_rows_is_kept() {
    let sandbox = Sandbox::new();
    file(&sandbox, "two.csv", &["1000,5,1", "1000,5,1"]);
    file(&sandbox, "three.csv", &["1000,5,1", "1000,5,1", "1000,5,1"]);
    file(&sandbox, "one.csv", &["1000,5,1"]);
    assert_eq!(sandbox.store("trades two.csv --set symbol=A"), Counts::new_rows(2));
    let counts = sandbox.store("trades three.csv --set symbol=A");
    assert_eq!(counts, Counts { read: 3, inserted: 1, unchanged: 2, ..Counts::default() });
    assert_eq!(sandbox.store("trades one.csv --set symbol=A"), Counts::same_rows(1));
    assert_eq!(sandbox.value("SELECT count(*) FROM trades"), "3");
    assert_eq!(sandbox.query("SELECT seq FROM trades ORDER BY seq"), "seq\n0\n1\n2\n");
}

#[test]
fn each_file_counts_for_itself() {
    let sandbox = Sandbox::new();
    file(&sandbox, "a.csv", &["1000,5,1"]);
    file(&sandbox, "b.csv", &["1000,5,1", "1000,7,1"]);
    let counts = sandbox.store("trades a.csv b.csv --set symbol=A");
    assert_eq!(counts, Counts { read: 3, inserted: 2, unchanged: 1, ..Counts::default() });
}

#[test]
fn ticks_are_never_updated() {
    let sandbox = Sandbox::new();
    file(&sandbox, "a.csv", &["1000,5,1"]);
    file(&sandbox, "b.csv", &["1000,5,2"]);
    sandbox.store("trades a.csv --set symbol=A");
    assert_eq!(sandbox.store("trades b.csv --set symbol=A --on-conflict replace"), Counts::new_rows(1));
    assert_eq!(sandbox.query("SELECT seq, size FROM trades ORDER BY seq"), "seq,size\n0,1.0\n1,2.0\n");
}

#[test]
fn a_trade_id_is_the_identity() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,price,size,trade_id\n1000,5,1,x\n1000,5,1,y\n2000,5,1,z\n");
    assert_eq!(sandbox.store("trades a.csv --set symbol=A"), Counts::new_rows(3));
    sandbox.write("b.csv", "ts,price,size,trade_id\n1000,5,1,y\n1000,5,1,w\n2000,5,1,z\n");
    let counts = sandbox.store("trades b.csv --set symbol=A");
    assert_eq!(counts, Counts { read: 3, inserted: 1, unchanged: 2, ..Counts::default() });
    assert_eq!(sandbox.query("SELECT trade_id FROM trades ORDER BY ts, seq"), "trade_id\nx\ny\nw\nz\n");
}

#[test]
fn the_multiset_holds_over_the_border_of_a_batch() {
    let sandbox = Sandbox::new();
    let rows = vec!["1000,5,1"; 25];
    file(&sandbox, "a.csv", &rows);
    assert_eq!(sandbox.store("trades a.csv --set symbol=A --transaction-rows 10"), Counts::new_rows(25));
    assert_eq!(sandbox.store("trades a.csv --set symbol=A --transaction-rows 7"), Counts::same_rows(25));
}

#[test]
fn one_sided_quotes_are_kept() {
    let sandbox = Sandbox::new();
    sandbox.fixture("ticks/eurusd_20240102_quote.csv");
    let options = "quotes eurusd_20240102_quote.csv --map ts=at --set symbol=EURUSD";
    assert_eq!(sandbox.store(options), Counts::new_rows(4));
    assert_eq!(sandbox.store(options), Counts::same_rows(4));
    assert_eq!(
        sandbox.query("SELECT ts, seq, bid, bid_size, ask, ask_size FROM quotes ORDER BY ts, seq"),
        "ts,seq,bid,bid_size,ask,ask_size\n\
         2024-01-02T09:30:00.125Z,0,1.09541,1000000.0,1.09543,1500000.0\n\
         2024-01-02T09:30:00.125Z,1,1.09541,1000000.0,1.09543,1500000.0\n\
         2024-01-02T09:30:01Z,0,1.09542,500000.0,,\n\
         2024-01-02T09:30:02.000001Z,0,,,1.09544,2000000.0\n"
    );
}
