//! `barn runs`: which commands leave a record, what is in it, and what is done with it.

mod judged;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::fetch::{DAY, Stage, at};
use crate::harness::Sandbox;
use crate::market::{NOW, Shape};

/// Returns the rows of `barn runs list` as columns and cells, the newest run first.
fn list(sandbox: &Sandbox, more: &[&str]) -> Vec<serde_json::Map<String, serde_json::Value>> {
    let arguments = ["runs", "list", "--format", "json"];
    let text = sandbox.barn(arguments.iter().chain(more)).ok().stdout();
    serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}: {text}"))
}

fn records(sandbox: &Sandbox) -> rusqlite::Connection {
    rusqlite::Connection::open(sandbox.path("barn/runs.db")).unwrap()
}

/// Returns `barn runs show ID --format json`.
fn show(sandbox: &Sandbox, id: i64) -> serde_json::Value {
    let text = sandbox.barn(["runs", "show", &id.to_string(), "--format", "json"]).ok().stdout();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn commands_that_change_the_store_leave_a_record_and_others_none() {
    let sandbox = Sandbox::with_bars();
    sandbox.barn(["--label", "night", "compress", "--all"]).ok();
    for line in [
        "info",
        "source list",
        "compress --all --dry-run",
        "store bars bars.csv --set source=test --set timeframe=1d --dry-run",
        "runs list",
    ] {
        sandbox.barn(line.split(' ')).ok();
    }
    sandbox.query("SELECT count(*) AS n FROM bars");
    let runs = list(&sandbox, &[]);
    assert_eq!(runs.len(), 2, "{runs:?}");
    let (compress, store) = (&runs[0], &runs[1]);
    assert_eq!((store["command"].as_str(), store["rows_in"].as_i64()), (Some("store"), Some(12)));
    assert_eq!((store["rows_out"].as_i64(), store["outcome"].as_str()), (Some(12), Some("done")));
    let started = store["started"].as_str().unwrap();
    assert!(
        started.starts_with("2024-06-01T00:00:0") || started.starts_with("2024-05-31T23:59:5"),
        "{started}"
    );
    let line =
        "barn --store barn --report .report.json store bars bars.csv --set source=test --set timeframe=1d";
    assert_eq!(store["line"], line);
    assert_eq!((compress["command"].as_str(), compress["label"].as_str()), (Some("compress"), Some("night")));
    let whole = show(&sandbox, compress["id"].as_i64().unwrap());
    for name in ["wall_micros", "cpu_micros", "memory_bytes", "disk_micros", "cores", "workers", "rows_in"] {
        assert!(whole[name].as_u64().unwrap() > 0, "{name} in {whole}");
    }
    assert_eq!(list(&sandbox, &["--command", "store"]).len(), 1);
    assert_eq!(list(&sandbox, &["--limit", "1"]).len(), 1);
    assert_eq!(list(&sandbox, &["--label", "night"]).len(), 1);
}

#[test]
fn a_fetch_is_recorded_with_requests_and_latencies() {
    let stage = Stage::new(Shape::Rows);
    let line = format!("AAA BBB -t 1h --since {} --until {}", at(NOW - 20 * DAY), at(NOW - 19 * DAY));
    stage.fetch(&line).ok();
    let done = stage.fetch(&format!("{line} --refresh --timing")).ok();
    done.says(&["all took", "wall ", "peak memory ", "requests      2", "latency       p50 "]);
    let run = show(&stage.sandbox, 1);
    assert_eq!((run["requests"].as_i64(), run["exit_code"].as_i64()), (Some(2), Some(0)));
    assert_eq!(run["subject"], "rows bars 1h");
    for name in ["p50_micros", "p99_micros", "max_micros", "bytes_in", "rows_in", "rows_out", "workers"] {
        assert!(run[name].as_u64().unwrap() > 0, "{name} in {run}");
    }
    let done = stage.sandbox.barn(["runs", "show", "1"]).ok();
    done.check(done.stdout().contains("outcome       done (exit code 0)\n"), "the outcome");
    let wrong = stage.sandbox.barn(["runs", "show", "x"]).fails(2);
    wrong.says(&["invalid value 'x' for '<ID>': expected the number of a run, as `barn runs list` shows it"]);
    stage.assert_no_key(&[&done.stdout()]);
}

#[test]
fn each_round_of_a_fetch_is_a_run() {
    let stage = Stage::new(Shape::Rows);
    let mut child =
        stage.command(&format!("AAA -t 1h --since {} --every 1s", at(NOW - DAY))).spawn().unwrap();
    while stage.server.count() < 3 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    stage.sandbox.shell(&format!("kill -TERM {}", child.id())).ok();
    stage.sandbox.wait(&mut child, "barn fetch --every");
    let runs = list(&stage.sandbox, &[]);
    assert!((2..=4).contains(&runs.len()), "{runs:?}");
    assert!(runs.iter().all(|run| run["requests"].as_i64() == Some(1)), "{runs:?}");
}

#[test]
fn secrets_on_the_command_line_are_in_no_record() {
    let sandbox = Sandbox::with_bars();
    for line in [
        "store bars bars.csv --set api_token=Canary7",
        "fetch ./none.toml --set apikey=Canary7 A",
        "fetch https://me:Canary7@host/x.toml A",
        "fetch https://host/x.toml?apikey=Canary7&a=b A",
    ] {
        let done = sandbox.barn(line.split(' ')).any().1;
        drop(done);
    }
    let runs = list(&sandbox, &[]);
    assert_eq!(runs.len(), 5);
    assert!(
        runs[3]["line"].as_str().unwrap().ends_with("--set 'api_token=***'")
            || runs[3]["line"].as_str().unwrap().ends_with("--set api_token=***")
    );
    assert!(memchr::memmem::find(&sandbox.read("barn/runs.db"), b"Canary7").is_none());
}

#[test]
fn a_command_that_fails_is_recorded_but_makes_no_store() {
    let sandbox = Sandbox::new();
    sandbox.try_store("bars missing.csv").fails(1);
    assert!(!sandbox.path("barn").exists());
    sandbox.barn(["runs", "list"]).fails(1).says(&["cannot open store './barn': there is none", "hint: "]);
    let sandbox = Sandbox::with_bars();
    sandbox.try_store("bars missing.csv").fails(1);
    assert_eq!(list(&sandbox, &[])[0]["outcome"], "failed");
    let run = show(&sandbox, 2);
    assert!(run["error"].as_str().unwrap().starts_with("cannot "), "{run}");
}

#[test]
fn damaged_records_hinder_no_command() {
    let sandbox = Sandbox::with_bars();
    sandbox.write("barn/runs.db", [7; 5_000]);
    let counts = sandbox.store("bars bars.csv --set source=test --set timeframe=1d");
    assert_eq!(counts.unchanged, 12);
    let sql = "SELECT count(*) AS n FROM bars";
    sandbox.barn(["query", sql]).ok().says_exactly("").prints("n\n12\n");
    sandbox.barn(["query", sql, "-v"]).ok().says(&["cannot log this query: cannot use run records"]);
    let done = sandbox.barn(["runs", "list"]).fails(1);
    done.says(&[
        "error: cannot use run records './barn/runs.db'",
        "hint: `rm './barn/runs.db'` forgets them",
    ]);
    fs::remove_file(sandbox.path("barn/runs.db")).unwrap();
    assert_eq!(list(&sandbox, &[]).len(), 0);
    sandbox.store("bars bars.csv --set source=test --set timeframe=1d");
    assert_eq!(list(&sandbox, &[]).len(), 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_queried_without_a_log() {
    let sandbox = Sandbox::with_bars();
    fs::remove_file(sandbox.path("barn/runs.db")).unwrap();
    let set =
        |mode: u32| fs::set_permissions(sandbox.path("barn"), fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    let is_bound = fs::write(sandbox.path("barn/probe"), "").is_err();
    sandbox.barn(["query", "SELECT count(*) AS n FROM bars"]).ok().prints("n\n12\n").says_exactly("");
    if is_bound {
        assert!(!sandbox.path("barn/runs.db").exists());
    } else {
        eprintln!("skipped: permissions do not bind this user");
    }
    set(0o755);
}

#[test]
fn slow_queries_are_kept_with_their_plan() {
    let sandbox = Sandbox::with_bars();
    let sql = "SELECT symbol, max(high) AS top FROM bars WHERE symbol = 'AAA' GROUP BY symbol";
    sandbox.query(sql);
    assert_eq!(list(&sandbox, &["--slow"]).len(), 0);
    sandbox.write("barn/barn.toml", "[limits.query]\nslow = \"1us\"\n");
    sandbox.barn(["query", sql, "--no-cache"]).ok();
    let runs = list(&sandbox, &["--slow"]);
    assert_eq!((runs.len(), runs[0]["rows_out"].as_i64()), (1, Some(1)), "{runs:?}");
    let run = show(&sandbox, runs[0]["id"].as_i64().unwrap());
    assert_eq!(run["sql"], sql);
    assert!(run["plan"].as_str().unwrap().contains("bars"), "{run}");
    sandbox.write("barn/barn.toml", "[limits.query]\nslow = 1\n");
    let done = sandbox.barn(["query", sql]).ok();
    done.says(&["warning: limits are not used", "[limits.query] slow: expected a duration"]);
}

#[test]
fn every_query_that_was_answered_is_in_the_log_once() {
    let sandbox = Sandbox::with_bars();
    for symbol in ["AAA", "BBB", "AAA"] {
        sandbox.query(&format!("SELECT count(*) AS n FROM bars WHERE symbol = '{symbol}'"));
    }
    sandbox.barn(["query", "SELECT nothing FROM bars"]).fails(2);
    let recent = "SELECT count(*) FROM recent";
    let recent: i64 = records(&sandbox).query_row(recent, [], |row| row.get(0)).unwrap();
    assert_eq!(recent, 2);
}

#[test]
fn a_long_log_stalls_nothing() {
    let sandbox = Sandbox::with_bars();
    records(&sandbox)
        .execute_batch(
            "BEGIN;
             WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
             INSERT INTO recent SELECT i, 'SELECT ' || i, 1, i FROM n;
             CREATE TEMP TABLE one AS SELECT * FROM run;
             WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
             INSERT INTO run SELECT n.i, command, line, kind, subject, label, host, cores, version, started,
                 exit_code, error, wall, cpu, stalled, memory, disk, written, workers, rows_in, rows_out, bytes_in,
                 bytes_out, requests, retries, waited, memory_hits, disk_hits, p50, p90, p99, max, sql, plan
             FROM one, n;
             COMMIT;",
        )
        .unwrap();
    sandbox.query("SELECT 1 AS a");
    sandbox.store("bars bars.csv --set source=test --set timeframe=1d");
    assert_eq!(list(&sandbox, &[])[0]["id"], 200_001);
    sandbox.barn(["runs", "check"]).ok().prints("");
    let left = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        records(&sandbox).query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((left("run"), left("recent")), (199_901, 199_900));
}
