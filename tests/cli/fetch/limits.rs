//! The limits of a provider are kept, by one process and by several, and what it says of them is believed.

use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{DAY, Stage, assert_same, at, expected};
use crate::market::{NOW, Shape};
use crate::server::{Reply, closed_port};

const SINCE: i64 = NOW - NOW % DAY - 20 * DAY;

/// Symbols with one small window each.
fn symbols(prefix: char, count: usize) -> String {
    (0..count).map(|number| format!("{prefix}{number:02} ")).collect()
}

fn range() -> String {
    format!("-t 1h --since {} --until {}", at(SINCE), at(SINCE + DAY))
}

/// Several processes share a clock only where it is the machine's.
fn with_real_clock(mut command: Command) -> Command {
    command.env_remove("BARN_NOW");
    command
}

#[test]
fn processes_share_the_limit_of_a_source() {
    let stage = Stage::with(Shape::Rows, "[[rate]]\nper = \"1s\"\nmax = 20\nburst = 1", |_| None);
    let [first, second] = ['A', 'B'].map(|prefix| {
        let line = format!("{} {} --jobs 8 --wait-lock", symbols(prefix, 20), range());
        let mut command = with_real_clock(stage.command(&line));
        // The limits lie in the store, and a report belongs to one process.
        command.args(["--report", &format!("{prefix}.json")]);
        command.spawn().unwrap()
    });
    for mut child in [first, second] {
        assert_eq!(stage.sandbox.wait(&mut child, "barn fetch"), Some(0));
    }
    assert_eq!(stage.server.count(), 40);
    let most = stage.server.most_within(Duration::from_secs(1));
    // One more for a request that was a little late on its way.
    assert!((15..=22).contains(&most), "{most} requests within a second");
}

#[test]
fn retry_after_is_waited_for_in_seconds_and_as_a_date() {
    // The machine's clock counts here, as the provider knows no other.
    let in_seconds = || "1".to_owned();
    let as_a_date = || {
        let soon = jiff::Timestamp::now() + Duration::from_millis(2_500);
        soon.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    for value in [in_seconds as fn() -> String, as_a_date] {
        let told = Mutex::new(None);
        let stage = Stage::with(Shape::Rows, "", move |seen| {
            let mut told = told.lock().unwrap();
            let is_first = told.is_none();
            told.get_or_insert(seen.at);
            is_first.then(|| Reply::new(429).header("Retry-After", &value()))
        });
        stage.fetch(&format!("AAA {}", range())).ok();
        let times: Vec<_> = stage.server.requests().iter().map(|seen| seen.at).collect();
        assert_eq!(times.len(), 2);
        let waited = times[1] - times[0];
        assert!(
            (Duration::from_millis(800)..Duration::from_secs(4)).contains(&waited),
            "{}: {waited:?}",
            value()
        );
    }
}

#[test]
fn a_ban_stops_the_whole_source() {
    let stage = Stage::with(Shape::Rows, "", |_| Some(Reply::new(418).header("Retry-After", "600")));
    let line = format!("{} {} --jobs 2", symbols('A', 20), range());
    let done = stage.fetch(&line).fails(5);
    done.says(&["418"]);
    done.check(stage.server.count() <= 2, &format!("{} requests", stage.server.count()));
    // The next process knows it too.
    stage.server.take();
    let started = Instant::now();
    stage.fetch(&line).fails(5).says(&["ban"]);
    assert_eq!(stage.server.count(), 0);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_source_that_nobody_answers_for_is_given_up() {
    let stage = Stage::new(Shape::Rows);
    stage.sandbox.write("source.toml", Shape::Rows.definition(&closed_port(), ""));
    let done = stage.fetch(&format!("{} {} --jobs 2", symbols('A', 20), range())).fails(6);
    done.says(&["'A00', 'A01', 'A02', 'A03', 'A04' and 15 more: network: gave up after 4 tries"]);
    let report = stage.report();
    // The second worker may have begun another window meanwhile; each is tried four times.
    let requests = report["stats"]["requests"].as_u64().unwrap();
    done.check((4..=12).contains(&requests), &format!("{requests} requests"));
    for symbol in report["symbols"].as_array().unwrap() {
        let end = (symbol["outcome"].as_str(), symbol["class"].as_str(), symbol["failed"].as_u64());
        assert_eq!(end, (Some("failed"), Some("network"), Some(1)), "{symbol}");
    }
    // They are asked once somebody is there.
    stage.define("");
    stage.retry("report.json").ok();
    assert_eq!(stage.server.count(), 20);
}

#[test]
fn a_source_that_answered_once_is_asked_on() {
    let stage = Stage::with(Shape::Rows, "", |seen| (seen.param("symbol") == "BBB").then(Reply::close));
    stage.fetch(&format!("AAA BBB CCC {} --jobs 1", range())).fails(3).says(&["1 of 3", "'BBB': network"]);
    assert_same(&stage.bars(), &expected(&["AAA", "CCC"], "1h", SINCE, SINCE + DAY, NOW));
}

#[test]
fn a_budget_survives_its_process() {
    let stage = Stage::with(Shape::Rows, "[[rate]]\nper = \"1d\"\nmax = 6\ncost = \"2\"", |_| None);
    stage.fetch(&format!("AAA BBB {}", range())).ok();
    // The third is still in the budget, the fourth is not.
    let done = stage.fetch(&format!("CCC DDD {} --jobs 1", range())).fails(3);
    done.says(&["'DDD'", "quota"]);
    assert_eq!(stage.server.count(), 3);
    stage.fetch(&format!("DDD {}", range())).fails(5);
    assert_eq!(stage.server.count(), 3);
    assert_same(&stage.bars(), &expected(&["AAA", "BBB", "CCC"], "1h", SINCE, SINCE + DAY, NOW));
}

#[test]
fn what_the_provider_says_is_believed_over_the_count() {
    let extra = "[[rate]]\nper = \"1d\"\nmax = 100\nremaining_header = \"X-Remaining\"";
    let stage = Stage::with(Shape::Rows, extra, |seen| {
        Some(Shape::Rows.answer(seen, NOW).header("X-Remaining", &(1 - seen.number.min(1)).to_string()))
    });
    // After the first answer one request is left, after the second none.
    let done = stage.fetch(&format!("{} {} --jobs 1", symbols('A', 5), range())).fails(3);
    assert_eq!(stage.server.count(), 2);
    done.says(&["'A04'"]);
}

#[test]
fn no_more_requests_are_under_way_than_are_allowed() {
    static UNDER_WAY: Mutex<(i32, i32)> = Mutex::new((0, 0));
    let stage = Stage::with(Shape::Rows, "[concurrency]\nmax = 3", |seen| {
        {
            let mut count = UNDER_WAY.lock().unwrap();
            count.0 += 1;
            count.1 = count.1.max(count.0);
        }
        std::thread::sleep(Duration::from_millis(30));
        UNDER_WAY.lock().unwrap().0 -= 1;
        Some(Shape::Rows.answer(seen, NOW))
    });
    stage.fetch(&format!("{} {} --jobs 16", symbols('A', 20), range())).ok();
    assert_eq!(UNDER_WAY.lock().unwrap().1, 3);
}
