//! Long results: they stream, end early when nobody reads, and stay within their memory.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::harness::Sandbox;
use crate::sample::minute_bars;

/// 2,000 bars; joined with themselves they are 4 million rows, far more than a pipe holds.
fn with_many_rows() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(4, 500));
    sandbox.store("bars a.csv --set timeframe=1m");
    sandbox
}

const MANY: &str = "SELECT a.symbol, a.ts, b.close FROM bars a CROSS JOIN bars b";

#[test]
fn a_reader_that_leaves_early_ends_the_query_quietly() {
    let sandbox = with_many_rows();
    for format in ["csv", "tsv", "json", "ndjson", "markdown", "table"] {
        let line = format!(
            "{{ barn query '{MANY}' --format {format} 2> errors; echo $? > code; }} | head -1 > first"
        );
        sandbox.shell(&line).ok();
        assert_eq!(sandbox.read_text("code"), "0\n", "{format}: {}", sandbox.read_text("errors"));
        assert_eq!(sandbox.read_text("errors"), "", "{format}");
        assert_eq!(sandbox.read_text("first").lines().count(), 1, "{format}");
    }
}

#[test]
fn the_first_rows_come_before_the_last_are_made() {
    let sandbox = with_many_rows();
    // 8 billion rows: whoever collects them all never prints the first.
    let sql = "SELECT a.ts, b.close FROM bars a CROSS JOIN bars b CROSS JOIN bars c";
    let mut child = sandbox.barn_command(["query", sql]).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ts,close");
    assert!(lines.next().unwrap().unwrap().contains('T'));
    drop(lines);
    assert_eq!(sandbox.wait(&mut child, sql), Some(0));
}

#[test]
fn rows_come_in_the_order_that_is_asked_for() {
    let sandbox = with_many_rows();
    let text = sandbox.query("SELECT symbol, ts, close FROM bars ORDER BY symbol, ts");
    let rows: Vec<_> = text.lines().skip(1).map(|line| line.rsplit_once(',').unwrap().0).collect();
    assert_eq!(rows.len(), 2_000);
    assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
    let text = sandbox.query("SELECT symbol, ts FROM bars ORDER BY ts DESC, symbol DESC");
    let rows: Vec<_> = text.lines().skip(1).map(|line| line.split_once(',').unwrap()).collect();
    assert!(rows.windows(2).all(|pair| (pair[0].1, pair[0].0) > (pair[1].1, pair[1].0)));
}

#[test]
fn a_sort_larger_than_its_memory_spills() {
    let sandbox = with_many_rows();
    let sql = format!(
        "SELECT count(*) AS n, max(r) AS m FROM (SELECT close, row_number() OVER (ORDER BY close, ts) AS r FROM ({MANY}))"
    );
    sandbox.barn(["query", &sql, "--memory", "100MiB"]).ok().prints("n,m\n4000000,4000000\n");
    let left: Vec<_> = std::fs::read_dir(sandbox.path(".tmp")).unwrap().collect();
    assert!(left.is_empty(), "files are left in the temporary folder: {left:?}");
}

#[test]
fn too_little_memory_is_an_error_that_says_so() {
    let sandbox = with_many_rows();
    let sql = format!("SELECT array_agg(close) FROM ({MANY})");
    let done = sandbox.barn(["query", &sql, "--memory", "4MiB"]).fails(1);
    done.says(&["memory", "--memory"]);
}

#[test]
fn a_limit_of_memory_that_is_none_is_a_usage_error() {
    let sandbox = Sandbox::with_bars();
    for limit in ["lots", "-1", "0", "2 XB", ""] {
        let limit = format!("--memory={limit}");
        sandbox.barn(["query", "SELECT 1", &limit]).fails(2).says(&["--memory"]);
    }
    for limit in ["64MiB", "1GiB", "2GB", "100000000"] {
        sandbox.barn(["query", "SELECT 1 AS a", "--memory", limit]).ok().prints("a\n1\n");
    }
}

#[test]
fn a_query_while_rows_are_written_sees_whole_transactions() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(20, 1_000));
    sandbox.store("bars a.csv --set source=first --set timeframe=1m");
    let arguments = "store bars a.csv --set source=second --set timeframe=1m";
    let mut child = sandbox
        .barn_command(arguments.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        let count = sandbox.value("SELECT count(*) FROM bars");
        assert!(count == "20000" || count == "40000", "{count}");
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(sandbox.value("SELECT count(*) FROM bars"), "40000");
}
