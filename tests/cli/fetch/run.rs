//! Fetches that go on, wait for each other, and say what they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{DAY, Stage, assert_same, at, expected};
use crate::market::{NOW, Shape};
use crate::server::Reply;

const SINCE: i64 = NOW - NOW % DAY - 20 * DAY;

fn range() -> String {
    format!("-t 1h --since {} --until {}", at(SINCE), at(SINCE + DAY))
}

#[test]
fn rounds_go_on_until_they_are_asked_to_end() {
    let is_bad = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_bad);
    let stage = Stage::with(Shape::Rows, "", move |_| flag.load(Ordering::SeqCst).then(|| Reply::new(404)));
    for signal in ["TERM", "INT"] {
        stage.server.take();
        // Bars that are not final make every round ask.
        let line = format!("AAA -t 1h --since {} --every 1s", at(NOW - DAY));
        let mut child = stage.command(&line).spawn().unwrap();
        let wait_for = |count: usize| {
            let started = Instant::now();
            while stage.server.count() < count {
                assert!(started.elapsed() < Duration::from_secs(10), "no round {count}");
                thread::sleep(Duration::from_millis(5));
            }
        };
        wait_for(2);
        // A round that fails does not end it.
        is_bad.store(true, Ordering::SeqCst);
        wait_for(3);
        is_bad.store(false, Ordering::SeqCst);
        wait_for(4);
        stage.sandbox.shell(&format!("kill -{signal} {}", child.id())).ok();
        let code = stage.sandbox.wait(&mut child, "barn fetch --every");
        assert!(matches!(code, Some(0 | 130)), "{signal}: {code:?}");
        // The first round is at once, the others keep to the clock.
        let times: Vec<_> = stage.server.requests().iter().map(|seen| seen.at).collect();
        for two in times[1..].windows(2) {
            // A round may miss a turn on a busy machine, but it never comes between two.
            let pause = (two[1] - two[0]).as_secs_f64();
            assert!(pause > 0.7 && (pause - pause.round()).abs() < 0.35, "{pause}");
        }
    }
    assert_same(&stage.bars(), &expected(&["AAA"], "1h", NOW - DAY, NOW, NOW));
}

#[test]
fn a_second_fetch_waits_or_gives_way() {
    let stage = Stage::with(Shape::Rows, "", |seen| {
        let is_slow = seen.param("symbol") == "SLOW";
        is_slow.then(|| Shape::Rows.answer(seen, NOW).after(Duration::from_millis(1_500)))
    });
    let mut first = stage.command(&format!("SLOW {}", range())).spawn().unwrap();
    while stage.server.count() == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    let started = Instant::now();
    let done = stage.fetch(&format!("AAA {} --skip-if-running", range())).ok();
    done.check(started.elapsed() < Duration::from_secs(1), "it gives way at once");
    done.check(stage.server.count() == 1, "it asks nothing");
    let done = stage.fetch(&format!("AAA {} --wait-lock", range())).ok();
    done.check(started.elapsed() > Duration::from_millis(1_200), "it waits for the other");
    assert_eq!(stage.sandbox.wait(&mut first, "barn fetch"), Some(0));
    assert_same(&stage.bars(), &expected(&["AAA", "SLOW"], "1h", SINCE, SINCE + DAY, NOW));
}

#[test]
fn a_summary_and_a_report_tell_what_was_done() {
    let stage = Stage::new(Shape::Rows);
    let done = stage.fetch(&format!("AAA BBB {}", range())).ok();
    done.check(done.stdout().is_empty(), "nothing on standard output");
    let rows = expected(&["AAA", "BBB"], "1h", SINCE, SINCE + DAY, NOW).lines().count() - 1;
    done.says(&[&format!("{rows} rows"), "2 requests", "2 symbols"]);
    let report = stage.report();
    assert_eq!(report["command"], "fetch");
    let requests = report["requests"].as_array().unwrap_or_else(|| panic!("no requests in {report}"));
    assert_eq!(requests.len(), 2);
    for request in requests {
        for name in ["url", "since", "until", "status", "outcome", "latency_ms", "retries", "cache", "rows"] {
            assert!(request.get(name).is_some(), "no '{name}' in {request}");
        }
        assert_eq!((request["status"].as_i64(), request["outcome"].as_str()), (Some(200), Some("rows")));
    }
    stage.assert_no_key(&[done.stderr()]);
    let done = stage.fetch(&format!("AAA BBB {} -q", range())).ok();
    done.says_exactly("");
}

#[test]
fn failures_are_grouped_by_what_the_provider_said() {
    let stage = Stage::with(Shape::Rows, "", |seen| {
        let is_bad = seen.param("symbol").starts_with('B');
        is_bad.then(|| Reply::json(r#"{"code":-1121,"msg":"Invalid symbol."}"#))
    });
    let symbols: String = (0..30).map(|number| format!("B{number:02} ")).collect();
    let done = stage.fetch(&format!("AAA {symbols} {}", range())).fails(3);
    let lines = done.stderr().lines().filter(|line| line.contains("Invalid symbol.")).count();
    done.check(lines <= 3, &format!("{lines} lines say the same"));
    done.says(&["30 of 31", "'B00'"]);
}

#[test]
fn a_source_that_is_not_there_and_a_key_that_is_not_set_are_told() {
    let stage = Stage::new(Shape::Objects);
    let done = stage.sandbox.barn(["fetch", "binanse", "AAA", "-t", "1h"]).fails(2);
    done.says(&["'binanse'", "binance"]);
    stage.sandbox.barn(["fetch", "./none.toml", "AAA", "-t", "1h"]).fails(1).says(&["none.toml"]);
    let mut command = stage.command(&format!("AAA {}", range()));
    command.env_remove(crate::market::KEY_NAME);
    stage.sandbox.run(command, None).fails(4).says(&["MARKET_KEY"]);
    assert_eq!(stage.server.count(), 0);
}

#[test]
fn a_dry_run_without_the_key_plans_and_warns() {
    let stage = Stage::new(Shape::Objects);
    let dry_run = |more: &str| {
        let mut command = stage.command(&format!("AAA {} --dry-run {more}", range()));
        command.env_remove(crate::market::KEY_NAME);
        stage.sandbox.run(command, None).ok()
    };
    let done = dry_run("");
    done.says(&["warning: the fetch itself would fail: cannot read secret 'MARKET_KEY'", "would make "]);
    done.check(done.stdout().contains("AAA"), "the plan is printed");
    // What asks nobody needs none.
    let done = dry_run("--offline");
    done.check(!done.stderr().contains("MARKET_KEY"), "a warning of a key that is not needed");
    assert_eq!(stage.server.count(), 0);
}

#[test]
fn processes_that_make_a_store_at_once_do_not_stand_in_each_others_way() {
    let stage = Stage::new(Shape::Rows);
    for round in 0..20 {
        let start = |symbol: &str| {
            let line = format!("{symbol} {} --store new{round} --report {symbol}.json", range());
            stage.command(&line).spawn().unwrap()
        };
        for mut child in ["AAA", "BBB", "CCC"].map(start) {
            assert_eq!(stage.sandbox.wait(&mut child, "barn fetch"), Some(0));
        }
    }
}

#[test]
fn rounds_keep_their_connection_and_their_memory() {
    let stage = Stage::new(Shape::Rows);
    let line = format!("AAA -t 1h --since {} --every 1s --jobs 1", at(NOW - DAY));
    let mut child = stage.command(&line).spawn().unwrap();
    let memory_after = |rounds: usize| {
        let started = Instant::now();
        while stage.server.count() < rounds {
            assert!(started.elapsed() < Duration::from_secs(15), "no round {rounds}");
            thread::sleep(Duration::from_millis(5));
        }
        // The rows of the round are stored meanwhile.
        thread::sleep(Duration::from_millis(200));
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    let (early, late) = (memory_after(2), memory_after(7));
    stage.sandbox.shell(&format!("kill -TERM {}", child.id())).ok();
    stage.sandbox.wait(&mut child, "barn fetch --every");
    assert!(late <= early + 3 * 1_024, "{early} kB after two rounds, {late} kB after seven");
    assert_eq!(stage.server.connections(), 1);
}

#[test]
fn what_is_covered_makes_no_request() {
    let stage = Stage::new(Shape::Rows);
    let symbols: String = (0..50).map(|number| format!("S{number:02} ")).collect();
    let line = format!("{symbols} {}", range());
    stage.fetch(&line).ok();
    assert_eq!(stage.server.take().len(), 50);
    let started = Instant::now();
    let done = stage.fetch(&line).ok();
    // Forty milliseconds are promised; this is for a busy machine and a slower build.
    done.check(started.elapsed() < Duration::from_secs(1), &format!("{:?}", started.elapsed()));
    done.check(stage.server.connections() <= 50 && stage.server.count() == 0, "it asks nothing");
    let report = stage.report();
    assert!(report["symbols"].as_array().unwrap().iter().all(|symbol| symbol["outcome"] == "covered"));
}
