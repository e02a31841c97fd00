//! The edges of windows and pages: no row is lost at them, and none comes twice.

use std::fmt::Write as _;

use super::{DAY, Stage, at};
use crate::market::{NOW, Shape};
use crate::server::{Reply, Seen};

/// 2024-01-01T00:00:00Z.
const DAY_ONE: i64 = 1_704_067_200;

/// A provider of trades whose times are finer than what it is asked by, several of them at once.
fn trades(prints: &'static [(i64, i64)]) -> Stage {
    let stage = Stage::with(Shape::Rows, "", move |seen: &Seen| {
        let (from, to) = (seen.integer("from"), seen.integer("to"));
        let rows: Vec<_> = prints
            .iter()
            .enumerate()
            .filter(|(_, (micros, _))| (from * 1_000..=to * 1_000).contains(&(DAY_ONE * 1_000_000 + micros)))
            .take(4)
            .map(|(_, (micros, price))| format!("[{},{price},1]", DAY_ONE * 1_000_000 + micros))
            .collect();
        Some(Reply::json(format!("[{}]", rows.join(","))))
    });
    let text = r#"
schema = 1
[source]
name = "prints"
base_url = "URL"
[request]
path = "/trades/{symbol}"
params = { from = "{window.start:unix_ms}", to = "{window.end:unix_ms}" }
[window]
end = "exclusive"
[pagination]
kind = "last_time"
size = 4
[response]
layout = "rows"
root = "$"
empty_when = ["$ == []"]
[response.map]
ts = { at = 0, unit = "us" }
price = { at = 1 }
size = { at = 2 }
[store]
table = "trades"
settle = "1h"
"#;
    stage.sandbox.write("source.toml", text.replace("URL", &stage.server.url()));
    stage
}

fn stored(stage: &Stage) -> String {
    stage.sandbox.query("SELECT ts, price FROM trades ORDER BY ts, seq")
}

#[test]
fn trades_of_one_moment_are_whole_where_a_page_ends_between_them() {
    // A page ends between two prints of one time, and another between two of one millisecond.
    const PRINTS: &[(i64, i64)] = &[
        (1_000, 1),
        (2_000, 2),
        (3_000, 3),
        (5_000, 4),
        (5_000, 4),
        (5_000, 4),
        (6_100, 5),
        (6_200, 6),
        (6_300, 7),
        (9_000, 8),
    ];
    let stage = trades(PRINTS);
    let line = format!("AAA --since {} --until {}", at(DAY_ONE), at(DAY_ONE + DAY));
    stage.fetch(&line).ok();
    let mut expected = "ts,price\n".to_owned();
    for (micros, price) in PRINTS {
        let ts = barn::model::time::format_timestamp(DAY_ONE * 1_000_000 + micros);
        writeln!(expected, "{ts},{price}.0").unwrap();
    }
    assert_eq!(stored(&stage), expected);
    stage.fetch(&format!("{line} --refresh")).ok();
    assert_eq!(stored(&stage), expected);
    let report = stage.report();
    assert_eq!(report["read"], 10, "{report}");
}

#[test]
fn more_trades_of_one_moment_than_a_page_holds_end_with_an_error() {
    const PRINTS: &[(i64, i64)] = &[(1_000, 1), (2_000, 1), (2_000, 2), (2_000, 3), (2_000, 4), (2_000, 5)];
    let stage = trades(PRINTS);
    let line = format!("AAA --since {} --until {}", at(DAY_ONE), at(DAY_ONE + DAY));
    stage.fetch(&line).fails(7).says(&["2024-01-01T00:00:00.002Z"]);
    assert_eq!(stage.ledger("AAA"), []);
}

#[test]
fn days_whose_bars_open_later_are_not_lost_between_windows() {
    let stage = Stage::with(Shape::Rows, "[window]\nmax_span = \"100h\"\nlead = \"1d\"", |seen| {
        let (from, to) = (seen.integer("startTime") / 1_000, seen.integer("endTime") / 1_000);
        // Bars that open at 14:30 and are labelled by their day.
        let opens = (0..200).map(|day| DAY_ONE - 100 * DAY + day * DAY + 52_200);
        let rows: Vec<_> = opens
            .filter(|open| (from..=to).contains(open))
            .map(|open| format!("[{},1,1,1,1,1]", open * 1_000))
            .collect();
        Some(Reply::json(format!("[{}]", rows.join(","))))
    });
    let noon = |day: i64| at(DAY_ONE + day * DAY + DAY / 2);
    stage.fetch(&format!("AAA -t 1d --since {} --until {}", noon(0), noon(20))).ok();
    stage.fetch(&format!("AAA -t 1d --since {} --until {}", noon(20), noon(40))).ok();
    let days = stage.sandbox.value("SELECT count(*) FROM bars");
    assert_eq!(days, "40");
    assert_eq!(stage.ledger("AAA"), [("have".to_owned(), DAY_ONE + DAY, DAY_ONE + 41 * DAY)]);
}

#[test]
fn the_last_row_is_open_only_where_the_window_reaches_the_present() {
    let stage = Stage::with(Shape::Rows, "[response]\nopen_when = \"last_row\"", |_| None);
    let since = NOW - NOW % DAY - 40 * DAY;
    let line = format!("AAA -t 1h --since {} --until {}", at(since), at(since + 30 * DAY));
    stage.fetch(&line).ok();
    assert_eq!(stage.sandbox.value("SELECT count(*) FROM bars WHERE NOT final"), "0");
    stage.server.take();
    stage.fetch(&line).ok();
    assert_eq!(stage.server.count(), 0);
}

#[test]
fn a_step_that_needs_what_a_symbol_brought_is_made_for_each_symbol() {
    let extra = r#"
[request]
path = "/bars/{code}"
[[steps]]
name = "id"
path = "/id/{symbol}"
take = "id"
as = "id"
[[steps]]
name = "code"
path = "/code/{id}"
take = "code"
as = "code"
"#;
    let stage = Stage::with(Shape::Rows, extra, |seen| {
        let last = seen.path.rsplit('/').next()?;
        match seen.path.split('/').nth(1)? {
            "id" => Some(Reply::json(format!("{{\"id\":\"{last}1\"}}"))),
            "code" => Some(Reply::json(format!("{{\"code\":\"{last}2\"}}"))),
            _ => None,
        }
    });
    let since = NOW - NOW % DAY - 20 * DAY;
    let line = format!("AAA BBB -t 1h --since {} --until {}", at(since), at(since + DAY));
    stage.fetch(&line).ok();
    for seen in stage.server.requests().iter().filter(|seen| seen.path.starts_with("/bars")) {
        assert_eq!(seen.path, format!("/bars/{}12", seen.param("symbol")));
    }
}

/// Trades behind a cursor, and a step that is made again.
const CURSOR: &str = r#"
schema = 1
[source]
name = "prints"
base_url = "URL"
[request]
path = "/trades/{symbol}"
params = { from = "{window.start:unix_ms}", to = "{window.end:unix_ms}" }
[window]
end = "exclusive"
[pagination]
kind = "cursor"
path = "next"
param = "after"
[[steps]]
name = "token"
path = "/token"
keep = "cookies"
refresh_on = ["auth"]
[response]
layout = "rows"
root = "rows"
[response.map]
ts = { at = 0, unit = "us" }
price = { at = 1 }
size = { at = 2 }
[store]
table = "trades"
"#;

#[test]
fn trades_that_are_asked_again_after_a_step_do_not_come_twice() {
    const PRINTS: &[(i64, i64)] = &[(1_000, 1), (2_000, 2), (3_000, 3), (4_000, 4), (5_000, 5), (6_000, 6)];
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let stage = Stage::with(Shape::Rows, "", move |seen| {
        if seen.path == "/token" {
            return Some(Reply::json("{}").header("Set-Cookie", "a=b"));
        }
        if seen.param("after") == "3" && is_first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            return Some(Reply::new(401));
        }
        let after: usize = seen.param("after").parse().unwrap_or(0);
        let rows: Vec<_> = PRINTS[after..]
            .iter()
            .take(3)
            .map(|(micros, price)| format!("[{},{price},1]", DAY_ONE * 1_000_000 + micros))
            .collect();
        let next = if after == 0 { "\"3\"" } else { "null" };
        Some(Reply::json(format!("{{\"next\":{next},\"rows\":[{}]}}", rows.join(","))))
    });
    stage.sandbox.write("source.toml", CURSOR.replace("URL", &stage.server.url()));
    stage.fetch(&format!("AAA --since {} --until {} --refresh", at(DAY_ONE), at(DAY_ONE + DAY))).ok();
    assert_eq!(stage.sandbox.value("SELECT count(*) FROM trades"), "6");
}

#[test]
fn trades_in_disorder_fail_their_symbol_and_no_other() {
    let stage = Stage::with(Shape::Rows, "", |seen| {
        let is_bad = seen.path.ends_with("BAD");
        let (times, next) = match (seen.param("after"), is_bad) {
            ("", _) => ([100, 200], "\"1\""),
            ("1", true) => ([500, 600], "\"2\""),
            (_, true) => ([150, 550], "null"),
            (_, false) => ([300, 400], "null"),
        };
        let rows = times.map(|at| format!("[{},1,1]", DAY_ONE * 1_000_000 + at));
        Some(match seen.path.as_str() {
            "/token" => Reply::json("{}"),
            _ => Reply::json(format!("{{\"next\":{next},\"rows\":[{}]}}", rows.join(","))),
        })
    });
    stage.sandbox.write("source.toml", CURSOR.replace("URL", &stage.server.url()));
    let line = format!("BAD AAA --since {} --until {}", at(DAY_ONE), at(DAY_ONE + DAY));
    stage.fetch(&line).fails(3).says(&["'BAD'", "order of time"]);
    assert_eq!(stage.ledger("BAD"), []);
    assert_eq!(stage.sandbox.value("SELECT count(*) FROM trades WHERE symbol = 'AAA'"), "4");
}
