//! What moves and what stays: cutoffs, final rows, tables, dry runs, the summary and the report.

use super::archived::{BARS, assert_same, assert_tidy, compress, files, hot, manifest, moved, report, rows};
use crate::harness::Sandbox;
use crate::sample::minute_bars;

/// Daily bars of one symbol on these dates.
fn daily(sandbox: &Sandbox, dates: &[&str]) {
    let mut text = String::from("date,close\n");
    for (at, date) in dates.iter().enumerate() {
        text.push_str(&format!("{date},{}\n", at + 1));
    }
    sandbox.write("daily.csv", text);
    sandbox.store("bars daily.csv --set symbol=A --set timeframe=1d");
}

/// Returns the dates that are still in SQLite.
fn hot_dates(sandbox: &Sandbox) -> Vec<String> {
    let store = sandbox.sqlite();
    let mut query =
        store.prepare("SELECT date(ts / 1000000, 'unixepoch') FROM bars_rows ORDER BY ts").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

const DATES: [&str; 5] = ["2023-05-31", "2024-04-30", "2024-05-01", "2024-05-02", "2024-05-31"];

#[test]
fn rows_before_the_cutoff_move_and_those_at_it_stay() {
    // It is 2024-06-01.
    for (line, stay) in [
        ("", &["2024-05-02", "2024-05-31"][..]),
        ("--older-than 30d", &["2024-05-02", "2024-05-31"]),
        ("--older-than 31d", &["2024-05-01", "2024-05-02", "2024-05-31"]),
        ("--older-than 1mo", &["2024-05-01", "2024-05-02", "2024-05-31"]),
        ("--older-than 1y", &["2024-04-30", "2024-05-01", "2024-05-02", "2024-05-31"]),
        ("--before 2024-05-01", &["2024-05-01", "2024-05-02", "2024-05-31"]),
        ("--before 2024-05-01T00:00:00.000001Z", &["2024-05-02", "2024-05-31"]),
        ("--before -1d", &["2024-05-31"]),
        ("--older-than 0d", &[]),
        ("--all", &[]),
    ] {
        let sandbox = Sandbox::new();
        daily(&sandbox, &DATES);
        let before = rows(&sandbox, BARS);
        assert_eq!(moved(&sandbox, line), (DATES.len() - stay.len()) as u64, "{line}");
        assert_eq!(hot_dates(&sandbox), stay, "{line}");
        assert_same(&rows(&sandbox, BARS), &before);
        assert_tidy(&sandbox);
    }
}

#[test]
fn cutoffs_that_mean_nothing_or_contradict_each_other_are_refused() {
    let sandbox = Sandbox::with_bars();
    let before = sandbox.contents("barn");
    for line in [
        "--older-than 30",
        "--older-than now",
        "--older-than -30d",
        "--before yesterday",
        "--all --older-than 1d",
        "--all --before now",
        "--older-than 1d --before now",
        "--level 0",
        "--level 23",
        "--level high",
    ] {
        sandbox.barn(["compress"].into_iter().chain(line.split(' '))).fails(2);
    }
    sandbox.contents("barn").assert_same(&before);
}

#[test]
fn rows_that_may_still_change_stay_whatever_their_age() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,close,final\n2020-01-01,1,true\n2020-01-02,2,false\n2020-01-03,3,true\n");
    sandbox.store("bars a.csv --set symbol=A --set timeframe=1d");
    let before = rows(&sandbox, BARS);
    let done = compress(&sandbox, "--all");
    done.says(&["compressed bars: 2 rows into 1 file", "note: bars: 1 row stays in the store: it may still"]);
    assert_eq!(hot_dates(&sandbox), ["2020-01-02"]);
    assert_same(&rows(&sandbox, BARS), &before);
    // It is final now.
    sandbox.write("b.csv", "date,close,final\n2020-01-02,2.5,true\n");
    assert_eq!(sandbox.store("bars b.csv --set symbol=A --set timeframe=1d").updated, 1);
    assert_eq!(moved(&sandbox, "--all"), 1);
    assert_eq!(hot(&sandbox, "bars"), 0);
    assert_eq!(rows(&sandbox, "SELECT close FROM bars ORDER BY ts"), "close\n1.0\n2.5\n3.0\n");
    assert_tidy(&sandbox);
}

#[test]
fn a_table_without_a_final_row_keeps_all() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,close\n2020-01-01,1\n2020-01-02,2\n");
    sandbox.store("bars a.csv --set symbol=A --set timeframe=1d --set final=false");
    let before = rows(&sandbox, BARS);
    compress(&sandbox, "--all").says(&["nothing to compress", "note: bars: 2 rows stay in the store"]);
    assert_eq!((hot(&sandbox, "bars"), files(&sandbox)), (2, Vec::new()));
    assert_same(&rows(&sandbox, BARS), &before);
}

#[test]
fn the_second_run_has_nothing_to_do_and_writes_nothing() {
    let sandbox = Sandbox::with_bars();
    let before = rows(&sandbox, BARS);
    assert_eq!(moved(&sandbox, "--all"), 12);
    let (names, shown) = (files(&sandbox), rows(&sandbox, BARS));
    assert_same(&shown, &before);
    for line in ["--all", "", "--all --smallest", "--before 1990-01-01"] {
        compress(&sandbox, line).says(&["nothing to compress"]).prints("");
        assert_eq!(report(&sandbox, line)["rows"], 0);
        assert_eq!(files(&sandbox), names);
    }
    assert_same(&rows(&sandbox, BARS), &before);
}

#[test]
fn only_the_tables_that_are_asked_for_move() {
    let sandbox = Sandbox::with_bars();
    for (table, name) in [("trades", "price"), ("observations", "value"), ("actions", "value")] {
        sandbox
            .write("a.csv", format!("ts,symbol,kind,{name}\n2020-01-01,A,split,1\n2020-01-02,A,split,2\n"));
        sandbox.store(&format!("{table} a.csv --add-columns"));
    }
    assert_eq!(moved(&sandbox, "--all --table trades --table actions"), 4);
    let left = ["bars", "trades", "observations", "actions"].map(|table| hot(&sandbox, table));
    assert_eq!(left, [12, 0, 2, 0]);
    // A table that is asked for and has no row at all is no error.
    compress(&sandbox, "--all --table quotes").says(&["nothing to compress"]);
    let report = report(&sandbox, "--all");
    let names: Vec<_> = report["tables"].as_array().unwrap().iter().map(|table| &table["table"]).collect();
    assert_eq!(names, ["actions", "bars", "observations", "trades"]);
    assert_eq!(report["rows"], 14);
    for table in ["bars", "trades", "observations", "actions"] {
        assert_eq!(hot(&sandbox, table), 0, "{table}");
    }
    assert_tidy(&sandbox);
}

#[test]
fn an_unknown_table_is_refused_with_the_nearest_one() {
    let sandbox = Sandbox::with_bars();
    let before = sandbox.contents("barn");
    let failed = sandbox.barn(["compress", "--all", "--table", "bras"]).fails(2);
    failed.says(&["cannot compress table 'bras'", "hint: `barn compress --table bars`"]);
    let failed = sandbox.barn(["compress", "--all", "--table", "bars", "--table", "zzz\u{1b}[1m"]).fails(2);
    failed.says(&["cannot compress table 'zzz", "hint: `barn info`"]);
    sandbox.contents("barn").assert_same(&before);
    assert_eq!(hot(&sandbox, "bars"), 12);
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let sandbox = Sandbox::new();
    for line in ["--all", "--all --dry-run", ""] {
        let failed = sandbox.barn(["compress"].into_iter().chain(line.split_whitespace())).fails(1);
        failed.says(&["cannot open store './barn': there is none", "hint: "]);
        assert!(!sandbox.path("barn").exists());
    }
}

#[test]
fn an_empty_store_has_nothing_to_compress() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,close\n");
    sandbox.store("bars a.csv --set symbol=A --set timeframe=1d");
    compress(&sandbox, "--all").says(&["nothing to compress: no row is final and not yet archived"]);
    compress(&sandbox, "").says(&["no row is final and before 2024-05-02T00:00:00Z and not yet archived"]);
    assert_eq!(files(&sandbox), Vec::<String>::new());
}

#[test]
fn a_dry_run_says_what_would_move_and_changes_no_byte() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(5, 2_000));
    sandbox.store("bars a.csv --set timeframe=1m");
    let before = (sandbox.contents("barn"), sandbox.listing());
    let said = compress(&sandbox, "--all --dry-run");
    said.says(&["would compress bars: 10,000 rows into 1 file", "→ about ", "bytes a row"]).prints("");
    sandbox.contents("barn").assert_same(&before.0);
    assert_eq!(sandbox.listing(), before.1);
    let planned = report(&sandbox, "--all --dry-run");
    assert_eq!((&planned["dry_run"], &planned["rows"]), (&true.into(), &10_000.into()));
    assert_eq!((hot(&sandbox, "bars"), files(&sandbox)), (10_000, Vec::new()));
    // What it says is what happens.
    let done = report(&sandbox, "--all");
    let bytes = |report: &serde_json::Value| report["bytes_after"].as_f64().unwrap();
    let ratio = bytes(&planned) / bytes(&done);
    assert!((0.7..1.3).contains(&ratio), "{} bytes were planned, {} came", bytes(&planned), bytes(&done));
    let types = |report: &serde_json::Value| {
        let columns = report["tables"][0]["datasets"][0]["columns"].as_array().unwrap().clone();
        columns.iter().map(|column| column["stored_as"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(types(&planned), types(&done));
}

#[test]
fn the_report_and_the_summary_tell_what_was_done() {
    let sandbox = Sandbox::with_bars();
    // So few rows free no page: neither promises any.
    let planned = compress(&sandbox, "--all --dry-run");
    planned.says(&["would compress bars: 12 rows into 1 file", ": about "]);
    let said = compress(&sandbox, "--all --report r.json");
    for done in [&planned, &said] {
        done.check(!done.stderr().contains('→') && !done.stderr().contains("column types"), "the summary");
    }
    let report: serde_json::Value = serde_json::from_str(&sandbox.read_text("r.json")).unwrap();
    assert_eq!((&report["command"], &report["rows"]), (&"compress".into(), &12.into()));
    assert_eq!((&report["dry_run"], &report["until"]), (&false.into(), &serde_json::Value::Null));
    let table = &report["tables"][0];
    assert_eq!((&table["table"], &table["rows"]), (&"bars".into(), &12.into()));
    assert_eq!((&table["not_final"], &table["corrections"]), (&0.into(), &0.into()));
    let dataset = &table["datasets"][0];
    assert_eq!(dataset["dataset"], "source=test/timeframe=1d");
    assert_eq!((&dataset["version"], &dataset["rows"]), (&1.into(), &12.into()));
    assert_eq!((&dataset["series"], &dataset["files"]), (&2.into(), &1.into()));
    let size = std::fs::metadata(sandbox.path("barn/archive").join(&manifest(&sandbox)[0])).unwrap().len();
    assert_eq!((&dataset["bytes"], &table["bytes_after"]), (&size.into(), &size.into()));
    let column = |name: &str| {
        let columns = dataset["columns"].as_array().unwrap();
        columns.iter().find(|column| column["column"] == name).unwrap_or_else(|| panic!("{name}")).clone()
    };
    for (name, kind, stored_as, reason) in [
        ("symbol", "text", "text", "as it is"),
        ("ts", "timestamp", "timestamp", "as it is"),
        ("volume", "double", "int32", "all whole, up to 2000"),
        ("close", "double", "float64", "some values need all 64 bits"),
        ("trades", "bigint", "int64", "no value yet"),
        ("final", "boolean", "boolean", "as it is"),
    ] {
        let column = column(name);
        let words = ["type", "stored_as", "reason"].map(|field| column[field].as_str().unwrap().to_owned());
        assert_eq!(words, [kind, stored_as, reason], "{name}");
        said.says(&[name, stored_as, reason]);
    }
    said.says(&["compressed bars: 12 rows into 1 file", "source=test/timeframe=1d: 12 rows of 2 series"]);
    sandbox.store("bars bars.csv --set source=test --set timeframe=1d");
    assert_eq!(hot(&sandbox, "bars"), 0);
}

#[test]
fn the_level_changes_the_size_and_nothing_else() {
    let sizes: Vec<u64> = ["1", "9", "19"]
        .into_iter()
        .map(|level| {
            let sandbox = Sandbox::new();
            sandbox.write("a.csv", minute_bars(3, 2_000));
            sandbox.store("bars a.csv --set timeframe=1m");
            let before = rows(&sandbox, BARS);
            let size = report(&sandbox, &format!("--all --level {level}"))["bytes_after"].as_u64().unwrap();
            assert_same(&rows(&sandbox, BARS), &before);
            size
        })
        .collect();
    assert!(sizes[0] > sizes[1] && sizes[1] >= sizes[2], "{sizes:?}");
}

#[test]
fn smallest_writes_decimals_where_they_are_smaller_and_keeps_every_bit() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(3, 3_000));
    sandbox.store("bars a.csv --set timeframe=1m");
    let before = rows(&sandbox, BARS);
    let report = report(&sandbox, "--all --smallest");
    let columns = report["tables"][0]["datasets"][0]["columns"].as_array().unwrap();
    let close = columns.iter().find(|column| column["column"] == "close").unwrap();
    assert_eq!(close["stored_as"], "decimal(9,2)");
    assert_same(&rows(&sandbox, BARS), &before);
    // Values that no decimal holds widen the column; the old file stays as it is.
    sandbox.write("b.csv", "ts,symbol,close\n1800000000,SYM000,0.1234567890123\n");
    sandbox.store("bars b.csv --set timeframe=1m");
    let before = rows(&sandbox, BARS);
    assert_eq!(moved(&sandbox, "--all"), 1);
    assert_same(&rows(&sandbox, BARS), &before);
    assert_eq!(manifest(&sandbox).len(), 2);
    assert_eq!(rows(&sandbox, "SELECT close FROM bars WHERE close < 1"), "close\n0.1234567890123\n");
}

#[test]
fn a_clock_that_jumps_back_moves_nothing_and_harms_nothing() {
    let sandbox = Sandbox::new();
    daily(&sandbox, &DATES);
    assert_eq!(moved(&sandbox, ""), 3);
    let before = rows(&sandbox, BARS);
    let mut command = sandbox.barn_command(["compress"]);
    command.env("BARN_NOW", "1999-12-31T23:59:59Z");
    sandbox.run(command, None).ok().says(&["nothing to compress"]);
    assert_same(&rows(&sandbox, BARS), &before);
    assert_eq!(moved(&sandbox, "--older-than 1d"), 1);
    assert_same(&rows(&sandbox, BARS), &before);
    assert_tidy(&sandbox);
}
