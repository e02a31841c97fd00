//! The same key again: the four rules, and how rows are counted under each.

use crate::harness::{Counts, Sandbox};

const OPTIONS: &str = "--set symbol=A --set timeframe=1d";
const HEADER: &str = "date,open,high,low,close,volume";

/// A store with one bar whose volume is not known.
fn with_one_bar() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("first.csv", format!("{HEADER}\n2024-01-02,1,3,0.5,2,\n"));
    assert_eq!(sandbox.store(&format!("bars first.csv {OPTIONS}")), Counts::new_rows(1));
    // The open is missing now, the close differs, the volume is known.
    sandbox.write("second.csv", format!("{HEADER}\n2024-01-02,,3,0.5,2.5,7\n"));
    sandbox
}

fn bar(sandbox: &Sandbox) -> String {
    sandbox.query("SELECT open, high, low, close, volume FROM bars").lines().nth(1).unwrap().to_owned()
}

#[test]
fn keep_known_takes_new_values_and_keeps_known_ones() {
    let sandbox = with_one_bar();
    let counts = sandbox.store(&format!("bars second.csv {OPTIONS}"));
    assert_eq!(counts, Counts { read: 1, updated: 1, ..Counts::default() });
    assert_eq!(bar(&sandbox), "1.0,3.0,0.5,2.5,7.0");
    let again = sandbox.store(&format!("bars second.csv {OPTIONS} --on-conflict keep-known"));
    assert_eq!(again, Counts::same_rows(1));
}

#[test]
fn replace_writes_missing_values_too() {
    let sandbox = with_one_bar();
    let counts = sandbox.store(&format!("bars second.csv {OPTIONS} --on-conflict replace"));
    assert_eq!(counts, Counts { read: 1, updated: 1, ..Counts::default() });
    assert_eq!(bar(&sandbox), ",3.0,0.5,2.5,7.0");
    let again = sandbox.store(&format!("bars second.csv {OPTIONS} --on-conflict replace"));
    assert_eq!(again, Counts::same_rows(1));
}

#[test]
fn ignore_keeps_the_stored_row() {
    let sandbox = with_one_bar();
    let counts = sandbox.store(&format!("bars second.csv {OPTIONS} --on-conflict ignore"));
    assert_eq!(counts, Counts::same_rows(1));
    assert_eq!(bar(&sandbox), "1.0,3.0,0.5,2.0,");
}

#[test]
fn fail_stops_at_a_differing_value_and_stores_nothing() {
    let sandbox = with_one_bar();
    sandbox.write("second.csv", format!("{HEADER}\n2024-01-01,1,3,0.5,2,\n2024-01-02,1,3,0.5,2.5,\n"));
    let done = sandbox.try_store(&format!("bars second.csv {OPTIONS} --on-conflict fail")).fails(1);
    done.says(&["second.csv", "2024-01-02"]);
    assert_eq!(bar(&sandbox), "1.0,3.0,0.5,2.0,");
    assert_eq!(sandbox.value("SELECT count(*) FROM bars"), "1");
}

#[test]
fn fail_lets_the_same_row_pass() {
    let sandbox = with_one_bar();
    let counts = sandbox.store(&format!("bars first.csv {OPTIONS} --on-conflict fail"));
    assert_eq!(counts, Counts::same_rows(1));
}

#[test]
fn another_word_is_a_usage_error_that_lists_the_four() {
    let sandbox = with_one_bar();
    let done = sandbox.try_store(&format!("bars first.csv {OPTIONS} --on-conflict overwrite")).fails(2);
    done.says(&["'overwrite'", "keep-known", "replace", "ignore", "fail"]);
}

#[test]
fn a_key_that_comes_again_is_repeated_and_the_last_row_wins() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.csv",
        format!("{HEADER}\n2024-01-02,1,3,0.5,2,5\n2024-01-03,1,3,0.5,2,5\n2024-01-02,1,3,0.5,2.5,6\n"),
    );
    let counts = sandbox.store(&format!("bars a.csv {OPTIONS}"));
    assert_eq!(counts, Counts { read: 3, inserted: 2, repeated: 1, ..Counts::default() });
    assert_eq!(sandbox.value("SELECT close FROM bars WHERE ts = '2024-01-02'"), "2.5");
    let again = sandbox.store(&format!("bars a.csv {OPTIONS}"));
    assert_eq!(again, Counts { read: 3, unchanged: 2, repeated: 1, ..Counts::default() });
}

#[test]
fn one_key_with_different_values_in_an_input_is_warned_about() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", format!("{HEADER}\n2024-01-02,1,3,0.5,2,5\n2024-01-02,1,3,0.5,2.5,5\n"));
    sandbox.try_store(&format!("bars a.csv {OPTIONS}")).ok().says(&["warning: "]);
}

#[test]
fn one_row_twice_in_an_input_is_not_warned_about() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", format!("{HEADER}\n2024-01-02,1,3,0.5,2,5\n2024-01-02,1,3,0.5,2,5\n"));
    let done = sandbox.try_store(&format!("bars a.csv {OPTIONS}")).ok();
    done.check(!done.stderr().contains("warning: "), "expected no warning");
}

#[test]
fn the_summary_names_every_count() {
    let sandbox = with_one_bar();
    let done = sandbox.try_store(&format!("bars second.csv {OPTIONS}")).ok();
    done.prints("").says(&["read", "updated"]);
    let quiet = sandbox
        .barn(["-q", "store", "bars", "second.csv", "--set", "symbol=A", "--set", "timeframe=1d"])
        .ok();
    quiet.prints("").says_exactly("");
}

#[test]
fn a_null_in_a_key_is_one_series_where_it_is_allowed() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "odds.csv",
        "ts,event,book,market,outcome,point,price\n2024-01-02,e,b,h2h,home,,1.9\n2024-01-03,e,b,h2h,home,,2.0\n\
         2024-01-02,e,b,spread,home,-1.5,1.8\n",
    );
    assert_eq!(sandbox.store("odds odds.csv"), Counts::new_rows(3));
    assert_eq!(sandbox.store("odds odds.csv"), Counts::same_rows(3));
    assert_eq!(
        sandbox.query("SELECT market, point, count(*) AS n FROM odds GROUP BY 1, 2 ORDER BY 1"),
        "market,point,n\nh2h,,2\nspread,-1.5,1\n"
    );
    let series: i64 =
        sandbox.sqlite().query_row("SELECT count(*) FROM odds_series", [], |row| row.get(0)).unwrap();
    assert_eq!(series, 2);
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let sandbox = Sandbox::new();
    let text = crate::sample::minute_bars(5, 300);
    sandbox.write("a.csv", &text);
    sandbox.write("b.csv", crate::sample::shuffled(&text, 3));
    assert_eq!(sandbox.store_in("a", "bars a.csv --set timeframe=1m"), Counts::new_rows(1_500));
    assert_eq!(sandbox.store_in("b", "bars b.csv --set timeframe=1m"), Counts::new_rows(1_500));
    let sql = "SELECT * FROM bars ORDER BY symbol, ts";
    assert!(sandbox.query_in("a", sql) == sandbox.query_in("b", sql));
    assert_eq!(sandbox.store_in("a", "bars b.csv --set timeframe=1m"), Counts::same_rows(1_500));
}
