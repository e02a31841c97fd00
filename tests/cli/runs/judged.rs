//! Runs compared with each other, with their history and with limits, and given to other programs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::records;
use crate::fetch::{DAY, Stage, at};
use crate::harness::Sandbox;
use crate::market::{NOW, Shape};

const STORE: &str = "bars bars.csv --set source=test --set timeframe=1d";

/// A provider whose answers take as many milliseconds as the counter says.
fn slow_stage() -> (Stage, Arc<AtomicU64>) {
    let delay = Arc::new(AtomicU64::new(0));
    let millis = Arc::clone(&delay);
    let stage = Stage::with(Shape::Rows, "", move |seen| {
        let delay = Duration::from_millis(millis.load(Ordering::SeqCst));
        Some(Shape::Rows.answer(seen, NOW).after(delay))
    });
    (stage, delay)
}

fn line() -> String {
    format!("AAA -t 1h --since {} --until {} --refresh", at(NOW - 20 * DAY), at(NOW - 19 * DAY))
}

#[test]
fn a_fetch_three_times_as_slow_is_caught() {
    let (stage, delay) = slow_stage();
    delay.store(300, Ordering::SeqCst);
    for _ in 0..6 {
        stage.fetch(&line()).ok();
    }
    stage.sandbox.barn(["runs", "check"]).ok().prints("").says_exactly("");
    delay.store(900, Ordering::SeqCst);
    stage.fetch(&line()).ok();
    let (code, done) = stage.sandbox.barn(["runs", "check"]).any();
    done.check(code == Some(1), "it is caught");
    let text = done.stdout();
    let told =
        text.lines().find(|line| line.starts_with("fetch #7 (rows bars 1h): p99 ")).unwrap_or_default();
    // A busy machine adds some to what the provider takes.
    let millis: Vec<f64> =
        told.split(" ms").filter_map(|part| part.rsplit(' ').next()?.parse().ok()).collect();
    done.check(told.contains(" ms, usually ") && millis.len() == 3, "its latency is told, and what is usual");
    done.check((900.0..1_000.0).contains(&millis[0]), "it is as long as it was");
    done.check((300.0..400.0).contains(&millis[1]), "and as long as it was before");
    delay.store(300, Ordering::SeqCst);
    stage.fetch(&line()).ok();
    stage.sandbox.barn(["runs", "check"]).ok().prints("");
}

#[test]
fn a_hundred_normal_runs_are_quiet() {
    let sandbox = Sandbox::with_bars();
    for _ in 0..100 {
        sandbox.try_store(STORE).ok();
    }
    // Each of them against those before it.
    sandbox.barn(["runs", "check", "--last", "100"]).ok().prints("").says_exactly("");
    sandbox.barn(["runs", "check", "-v"]).ok().says(&["note: checked 1 run"]);
}

#[test]
fn failures_and_limits_are_told_one_a_line() {
    let sandbox = Sandbox::with_bars();
    let limits = "[limits.store]\nwall = \"1us\"\nmemory = \"1kB\"\nrows_per_second = 1\n";
    sandbox.write("barn/barn.toml", limits);
    let (code, done) = sandbox.barn(["runs", "check"]).any();
    let text = done.stdout();
    let lines: Vec<&str> = text.lines().collect();
    done.check(code == Some(1) && lines.len() == 2, "two limits are broken");
    done.check(lines[0].starts_with("store #1 (bars): wall "), "the time");
    done.check(lines[0].ends_with(" (limit 0.00 ms)"), "its limit");
    done.check(lines[1].starts_with("store #1 (bars): memory "), "the memory");
    sandbox.write("barn/barn.toml", "");
    sandbox.barn(["runs", "check"]).ok().prints("");
    sandbox.try_store("bars missing.csv").fails(1);
    let (code, done) = sandbox.barn(["runs", "check"]).any();
    done.check(code == Some(1), "a failure");
    done.check(done.stdout().starts_with("store #2 (bars): failed, exit code 1: cannot "), "the failure");
}

#[test]
fn limits_that_are_wrong_are_named() {
    let sandbox = Sandbox::with_bars();
    sandbox.write("barn/barn.toml", "[limits.fetch]\nwal = \"1s\"\n");
    sandbox.barn(["runs", "check"]).fails(2).says(&[
        "error: cannot use './barn/barn.toml'",
        "[limits.fetch] wal",
        "did you mean 'wall'?",
    ]);
}

#[test]
fn groups_are_compared_by_their_medians() {
    let (stage, delay) = slow_stage();
    for (label, millis) in [("before", 50), ("after", 400)] {
        delay.store(millis, Ordering::SeqCst);
        for _ in 0..3 {
            stage.fetch(&format!("{} --label {label}", line())).ok();
        }
    }
    let text = stage.sandbox.barn(["runs", "compare", "before", "after"]).ok().stdout();
    let line = text.lines().find(|line| line.starts_with("fetch,wall,")).unwrap();
    assert!(line.ends_with(",slower"), "{text}");
    let line = text.lines().find(|line| line.starts_with("fetch,requests,")).unwrap();
    assert_eq!(line, "fetch,requests,count,1.0,1.0,0.0,0.0,within noise", "{text}");
    let done = stage.sandbox.barn(["runs", "compare", "1", "4", "--format", "table"]).ok();
    done.check(done.stdout().contains("slower") && done.stdout().contains(" %"), "two runs");
    records(&stage.sandbox).execute("UPDATE run SET host = 'other', cores = 96 WHERE id < 4", []).unwrap();
    let done = stage.sandbox.barn(["runs", "compare", "before", "after"]).ok();
    done.says(&["warning: the runs are from different machines, 'other' (96 cores) and '"]);
    done.check(!done.stdout().is_empty(), "they are compared all the same");
    stage.sandbox.barn(["runs", "compare", "before", "none"]).fails(2).says(&["label 'none'", "hint: "]);
    stage.sandbox.barn(["runs", "compare", "1", "99"]).fails(2).says(&["cannot find run 99"]);
}

#[test]
fn runs_are_exported_for_other_programs() {
    let sandbox = Sandbox::with_bars();
    sandbox.try_store("bars missing.csv").fails(1);
    let text = sandbox.barn(["runs", "export", "--format", "prometheus"]).ok().stdout();
    let name = regex::Regex::new(r"^[a-z_]+\{([a-z_]+=\x22[^\x22]*\x22,?)+\} [0-9.e+-]+$").unwrap();
    for line in text.lines() {
        assert!(line.starts_with("# HELP ") || line.starts_with("# TYPE ") || name.is_match(line), "{line}");
    }
    assert!(text.contains("barn_run_exit_code{command=\"store\",store=\"/"), "{text}");
    assert!(text.contains("barn_runs_total{command=\"store\",exit_code=\"1\","), "{text}");
    sandbox.barn(["runs", "export", "-o", "runs.json"]).ok();
    sandbox.barn(["runs", "export", "-o", "runs.json"]).fails(1).says(&["it exists", "`--force`"]);
    sandbox.barn(["runs", "export", "-o", "runs.json", "--force"]).ok();
    let runs: serde_json::Value = serde_json::from_slice(&sandbox.read("runs.json")).unwrap();
    assert_eq!(runs.as_array().map(Vec::len), Some(2));
}

#[test]
fn every_help_of_a_part_ends_with_examples() {
    let sandbox = Sandbox::new();
    for part in ["list", "show", "compare", "check", "export"] {
        let help = sandbox.barn(["runs", part, "--help"]).ok().stdout();
        let (_, examples) = help.rsplit_once("Examples:\n").unwrap();
        assert_eq!(examples.lines().filter(|line| line.contains("barn runs")).count(), 2, "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}
