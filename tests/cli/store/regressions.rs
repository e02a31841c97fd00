//! What was wrong once, one test each.

use crate::harness::{Counts, Sandbox};

#[test]
fn a_fraction_in_a_declared_column_left_a_store_that_did_not_open() {
    let sandbox = Sandbox::new();
    sandbox.write("w.csv", "symbol,date,close,trades\nA,2024-01-01,1,5\nA,2024-01-02,1,1.5\n");
    let counts = sandbox.store("bars w.csv --set timeframe=1d --add-columns --max-bad 1");
    assert_eq!(counts, Counts { read: 2, inserted: 1, rejected: 1, ..Counts::default() });
    assert_eq!(sandbox.query("SELECT trades FROM bars"), "trades\n5\n");
}

#[test]
fn a_fraction_in_a_later_file_was_rejected() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,who,goals\n2024-01-01,A,1\n");
    sandbox.write("b.csv", "date,who,goals\n2024-01-02,A,1.5\n");
    let counts = sandbox.store("games a.csv b.csv --key who --time date --add-columns");
    assert_eq!(counts, Counts::new_rows(2));
    assert_eq!(sandbox.query("SELECT goals FROM games ORDER BY ts"), "goals\n1.0\n1.5\n");
}

#[test]
fn a_column_of_barn_toml_was_lost_with_the_file() {
    let sandbox = Sandbox::new();
    let declare = |values: &str| {
        sandbox.write("barn/barn.toml", format!("[table.q]\nkey = [\"k text\"]\nvalues = [{values}]\n"));
    };
    declare("\"a bigint\"");
    sandbox.write("1.csv", "k,ts,a\nx,2024-01-01,1\n");
    sandbox.store("q 1.csv");
    declare("\"a bigint\", \"b bigint\"");
    sandbox.write("2.csv", "k,ts,a,b\nx,2024-01-02,1,2\n");
    sandbox.store("q 2.csv");
    sandbox.write("barn/barn.toml", "");
    assert_eq!(sandbox.query("SELECT b FROM q ORDER BY ts"), "b\n\n2\n");
}

#[test]
fn a_series_of_which_every_row_was_rejected_was_counted() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "symbol,ts,close\nA,2024-01-01,1\nGHOST,none,1\n");
    sandbox.barn("store bars a.csv --set timeframe=1d --max-bad 1".split(' ')).ok().says(&["1 series"]);
    assert!(!sandbox.barn(["info", "bars"]).ok().stdout().contains("GHOST"));
}

#[test]
fn the_rule_fail_let_a_contradiction_within_a_file_pass() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "symbol,ts,close\nA,2024-01-01,1\nA,2024-01-01,2\n");
    let done = sandbox.try_store("bars a.csv --set timeframe=1d --on-conflict fail").fails(1);
    done.says(&["symbol=A", "with other values"]);
    assert_eq!(sandbox.value("SELECT count(*) FROM bars"), "0");
}

#[test]
fn an_unclosed_quote_swallowed_the_rest_of_the_file() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "symbol,ts,close\nA,2024-01-01,1\n\"A,2024-01-02,1\nA,2024-01-03,1\n");
    sandbox.try_store("bars a.csv --set timeframe=1d").fails(1).says(&["line 3", "never closed"]);
}

#[test]
fn what_was_stored_before_an_error_was_not_reported() {
    let sandbox = Sandbox::new();
    let mut text = "symbol,ts,close\n".to_owned();
    for at in 0..700_000 {
        let close = if at > 650_000 { "bad" } else { "1" };
        text += &format!("A,{},{close}\n", 1_700_000_000 + at * 60);
    }
    sandbox.write("a.csv", &text);
    let line = "store bars a.csv --set timeframe=1m --transaction-rows 1000 --report r.json";
    sandbox.barn(line.split(' ')).fails(1).says(&["are stored, the rest is not"]);
    let stored = sandbox.value("SELECT count(*) FROM bars");
    assert_eq!(sandbox.report("r.json").inserted.to_string(), stored);
    // The rejects of an input that failed are not kept twice.
    let rejects = || sandbox.barn(["info", "rejects", "--format", "csv"]).ok().stdout().lines().count();
    let before = rejects();
    sandbox.barn(line.split(' ')).fails(1).says(&["are stored, the rest is not"]);
    assert_eq!(rejects(), before);
}

#[test]
fn a_report_of_yesterday_survived_a_failure_of_today() {
    let sandbox = Sandbox::new();
    sandbox.write("r.json", "yesterday");
    sandbox.barn("store bars missing.csv --report r.json".split(' ')).fails(1).says(&["missing.csv"]);
    let report = sandbox.read_text("r.json");
    assert!(report.contains("missing.csv") && report.contains("\"exit_code\": 1"), "{report}");
}

#[test]
fn an_output_that_is_no_file_was_replaced_by_one() {
    let sandbox = Sandbox::with_bars();
    let done = sandbox
        .shell("mkfifo pipe; cat pipe > seen & barn query 'SELECT 1 AS one' -o pipe; wait; test -p pipe")
        .ok();
    done.prints("");
    assert_eq!(sandbox.read_text("seen"), "one\n1\n");
}

#[test]
fn a_stored_row_waited_for_a_reader() {
    let sandbox = Sandbox::with_bars();
    let started = std::time::Instant::now();
    // The reader holds its view of the store while it waits for somebody to read from it.
    let line = "mkfifo pipe; barn query \"SELECT a.* FROM bars a, bars b, bars c, bars d, bars e\" > pipe & \
                exec 3< pipe; read -r first <&3; barn store bars bars.csv --set timeframe=1h -q; code=$?; exec 3<&-; exit $code";
    drop(sandbox.shell(line).ok());
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn rows_of_a_silent_stream_were_not_committed() {
    let sandbox = Sandbox::new();
    let line = "(echo symbol,ts,close; for d in 1 2 3 4; do echo A,2024-01-0$d,1; sleep 0.7; done; sleep 3) | \
                barn store bars - --set timeframe=1d -q & sleep 4.5; barn query 'SELECT count(*) > 0 AS any FROM bars'; wait";
    sandbox.shell(line).ok().prints("any\ntrue\n");
}
