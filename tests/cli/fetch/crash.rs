//! A fetch that dies: what is in the store stays, what is not is asked again, and nothing else.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use super::{DAY, Stage, assert_same, at, expected};
use crate::market::{NOW, Shape};
use crate::sample::Numbers;

const SINCE: i64 = NOW - NOW % DAY - 90 * DAY;
const UNTIL: i64 = SINCE + 75 * DAY;
const SYMBOLS: [&str; 4] = ["AAA", "BBB", "CCC", "DDD"];
const KILLS: usize = 50;
/// Windows of a symbol: 75 days in stretches of 50 hours.
const WINDOWS: usize = 36;

/// A provider that takes its time, so that there is time to die in.
fn stage() -> Stage {
    // One page for each window, 36 windows a symbol.
    let extra = "[window]\nmax_points = 50\n[pagination]\nkind = \"none\"\n[concurrency]\nmax = 2";
    Stage::with(Shape::Rows, extra, |seen| {
        Some(Shape::Rows.answer(seen, NOW).after(Duration::from_millis(50)))
    })
}

fn line() -> String {
    format!("{} -t 1h --since {} --until {}", SYMBOLS.join(" "), at(SINCE), at(UNTIL))
}

#[test]
fn a_fetch_that_is_killed_fifty_times_ends_as_one_that_was_not() {
    let stage = stage();
    let mut numbers = Numbers::new(3);
    let mut asked: BTreeMap<(&str, i64), usize> = BTreeMap::new();
    // How often a window was under way, or not yet stored, when a fetch was killed.
    let mut lost: BTreeMap<(&str, i64), usize> = BTreeMap::new();
    let mut rounds_with_requests = 0;
    for _ in 0..KILLS {
        let known: Vec<_> = SYMBOLS.map(|symbol| ledger(&stage, symbol)).into();
        let mut child = stage.command(&line()).spawn().unwrap();
        thread::sleep(Duration::from_millis(15 + numbers.below(160)));
        child.kill().unwrap();
        child.wait().unwrap();
        stage.server.wait_until_idle();
        rounds_with_requests += usize::from(stage.server.count() > 0);
        for (symbol, known) in SYMBOLS.into_iter().zip(&known) {
            let is_in = |known: &[(String, i64, i64)], at| {
                known.iter().any(|(_, from, to)| (*from..*to).contains(&at))
            };
            let stored = ledger(&stage, symbol);
            for start in stage.starts(symbol) {
                // What the ledger had is not asked again.
                assert!(!is_in(known, start), "{symbol}: asked again from {}, known {known:?}", at(start));
                *asked.entry((symbol, start)).or_default() += 1;
                if !is_in(&stored, start) {
                    *lost.entry((symbol, start)).or_default() += 1;
                }
            }
        }
        stage.server.take();
    }
    stage.fetch(&line()).ok();
    assert_same(&stage.bars(), &expected(&SYMBOLS, "1h", SINCE, UNTIL, NOW));
    for symbol in SYMBOLS {
        for start in stage.starts(symbol) {
            *asked.entry((symbol, start)).or_default() += 1;
        }
    }
    // Each window was asked once, and once more at most for each kill that took it: its answer may be in the cache.
    assert_eq!(asked.len(), SYMBOLS.len() * WINDOWS);
    for (window, count) in &asked {
        let kills = lost.get(window).copied().unwrap_or(0);
        assert!((1..=1 + kills).contains(count), "{window:?}: asked {count} times, {kills} kills took it");
    }
    // A kill takes the two that are under way, and those whose rows wait for their commit.
    let lost: usize = lost.values().sum();
    assert!(lost <= rounds_with_requests * 6, "{lost} windows were lost in {rounds_with_requests} kills");
    assert!(rounds_with_requests > 20, "only {rounds_with_requests} rounds were killed at work");
    stage.server.take();
    stage.fetch(&line()).ok();
    assert_eq!(stage.server.count(), 0);
}

/// Returns what the ledger knows; nothing, where there is no store yet.
fn ledger(stage: &Stage, symbol: &str) -> Vec<(String, i64, i64)> {
    let has_store = stage.sandbox.path("barn/barn.db").exists();
    let has_table = |name: &str| {
        let count = stage.sandbox.sqlite().query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name = ?",
            [name],
            |row| row.get::<_, i64>(0),
        );
        count.is_ok_and(|count| count > 0)
    };
    if has_store && has_table("coverage") { stage.ledger(symbol) } else { Vec::new() }
}

#[test]
fn an_interrupted_fetch_keeps_what_it_has_and_goes_on() {
    let stage = stage();
    for signal in ["INT", "TERM"] {
        let before = windows(&stage);
        stage.server.take();
        let mut child = stage.command(&line()).spawn().unwrap();
        while stage.server.count() < 12 {
            thread::sleep(Duration::from_millis(2));
        }
        stage.sandbox.shell(&format!("kill -{signal} {}", child.id())).ok();
        assert_eq!(stage.sandbox.wait(&mut child, "barn fetch"), Some(130));
        // What was under way is finished: every answer that was asked for is stored.
        assert_eq!(windows(&stage) - before, stage.server.count(), "{signal}");
    }
    assert!(windows(&stage) < 100);
    stage.fetch(&line()).ok();
    assert_same(&stage.bars(), &expected(&SYMBOLS, "1h", SINCE, UNTIL, NOW));
}

/// Returns how many windows of 50 hours the ledger has.
fn windows(stage: &Stage) -> usize {
    let known = SYMBOLS.iter().flat_map(|symbol| ledger(stage, symbol));
    let hours: i64 = known.map(|(_, from, to)| (to - from) / 3_600).sum();
    usize::try_from(hours / 50).unwrap()
}
