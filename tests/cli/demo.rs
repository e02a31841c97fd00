//! `barn demo`: the first command of a new user.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::Sandbox;

/// Returns how many files and folders the demo left behind.
fn left_behind(sandbox: &Sandbox) -> usize {
    fs::read_dir(sandbox.path(".tmp")).unwrap().count() + usize::from(sandbox.path("barn").exists())
}

#[test]
fn the_demo_runs_without_anything_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    // What a user has set leads it nowhere else.
    let mut command = sandbox.barn_command(["demo", "--report", "demo.json"]);
    command.env("BARN_STORE", "elsewhere").env("http_proxy", "http://127.0.0.1:1");
    let started = Instant::now();
    let done = sandbox.run(command, None).ok();
    // Three seconds, on a machine that does nothing else.
    done.check(started.elapsed() < Duration::from_secs(20), &format!("took {:?}", started.elapsed()));
    let stdout = done.stdout();
    let shown: Vec<_> = stdout.lines().filter_map(|line| line.strip_prefix("$ barn ")).collect();
    for verb in
        ["fetch exchange.toml", "fetch chart.toml", "store bars acme-2023.csv", "query \"SELECT", "info bars"]
    {
        done.check(shown.iter().any(|line| line.starts_with(verb)), verb);
    }
    // Two pages with a hole of four hours and an open bar; a day of nulls that is left out; a file.
    for row in ["exchange,BTCUSDT,753,2024-06-01T12", "chart,ACME,108,", "file,ACME,43,2023-12-29"] {
        done.check(stdout.contains(row), row);
    }
    done.check(stdout.contains("dividend,0.24") && stdout.contains("split,2.0"), "the actions");
    done.check(stdout.contains("#   barn query"), "what comes next");
    done.check(left_behind(&sandbox) == 0 && !sandbox.path("elsewhere").exists(), "something is left");
    let report: serde_json::Value = serde_json::from_str(&sandbox.read_text("demo.json")).unwrap();
    assert_eq!(report["steps"].as_array().unwrap().len(), shown.len());
}

#[test]
fn the_demo_prints_the_same_every_time() {
    let sandbox = Sandbox::new();
    let [first, second] = [(); 2].map(|()| {
        let stdout = sandbox.barn(["demo"]).ok().stdout();
        stdout.lines().filter(|line| !line.starts_with("# That took")).map(String::from).collect::<Vec<_>>()
    });
    assert_eq!(first, second);
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let sandbox = Sandbox::new();
    for pause in [20, 60, 120] {
        let mut child = sandbox.barn_command(["demo"]).spawn().unwrap();
        thread::sleep(Duration::from_millis(pause));
        sandbox.shell(&format!("kill -INT {}", child.id())).ok();
        let started = Instant::now();
        let code = sandbox.wait(&mut child, "barn demo");
        // The signal may come before anybody listens, or after the end.
        assert!(matches!(code, Some(130 | 0) | None), "{code:?}");
        assert!(started.elapsed() < Duration::from_secs(5));
        assert!(code.is_none() || left_behind(&sandbox) == 0, "{}", sandbox.listing());
    }
}

#[test]
fn a_demo_whose_reader_goes_away_ends_without_an_error() {
    let sandbox = Sandbox::new();
    let done = sandbox.shell("barn demo | head -1").ok();
    done.check(!done.stderr().contains("error"), "a closed pipe is no error");
    done.check(done.stdout().starts_with("# "), "the first line");
    assert_eq!(left_behind(&sandbox), 0);
}
