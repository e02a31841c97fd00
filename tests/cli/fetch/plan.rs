//! What is asked, and what is not: the ledger, windows, bars that are not final.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{DAY, HOUR, Stage, assert_same, at, expected};
use crate::market::{self, NOW, Shape};
use crate::server::Reply;

/// A range that ends long before the clock: all of it is final.
const SINCE: i64 = NOW - NOW % DAY - 40 * DAY;
const UNTIL: i64 = SINCE + 30 * DAY;

fn range(from: i64, to: i64) -> String {
    format!("-t 1h --since {} --until {}", at(from), at(to))
}

#[test]
fn a_range_arrives_whole_and_is_asked_once() {
    for shape in Shape::ALL {
        let stage = Stage::new(shape);
        let line = format!("AAA BBB {}", range(SINCE, UNTIL));
        stage.fetch(&line).ok();
        // 720 hours in windows of 400; where pages have 100, a window has several.
        let windows = 2 * 2;
        assert!(stage.server.count() >= windows, "{shape:?}: {} requests", stage.server.count());
        let rows = expected(&["AAA", "BBB"], "1h", SINCE, UNTIL, NOW);
        assert_same(&stage.bars(), &rows);
        assert_eq!(stage.ledger("AAA"), [("have".to_owned(), SINCE, UNTIL)]);
        stage.server.take();
        let done = stage.fetch(&line).ok();
        done.check(stage.server.count() == 0, &format!("{shape:?}: {:?}", stage.server.requests()));
        assert_same(&stage.bars(), &rows);
    }
}

#[test]
fn holes_are_filled_at_the_start_in_the_middle_and_at_the_end() {
    let stage = Stage::new(Shape::Rows);
    let day = |number: i64| SINCE + number * DAY;
    stage.fetch(&format!("AAA {}", range(day(2), day(5)))).ok();
    stage.fetch(&format!("AAA {}", range(day(8), day(9)))).ok();
    stage.server.take();
    stage.fetch(&format!("AAA {}", range(day(0), day(12)))).ok();
    assert_eq!(stage.starts("AAA"), [day(0), day(5), day(9)]);
    let ends: Vec<_> = stage.server.requests().iter().map(|seen| seen.integer("endTime") / 1_000).collect();
    for (request, end) in stage.server.requests().iter().zip(&ends) {
        let start = Shape::Rows.start(request);
        let stop =
            [day(2), day(8), day(12)][[day(0), day(5), day(9)].iter().position(|at| *at == start).unwrap()];
        assert!((stop - HOUR..stop).contains(end), "from {} to {}", at(start), at(*end));
    }
    assert_same(&stage.bars(), &expected(&["AAA"], "1h", day(0), day(12), NOW));
    assert_eq!(stage.ledger("AAA"), [("have".to_owned(), day(0), day(12))]);
}

#[test]
fn a_dry_run_asks_nothing_and_says_what_it_would() {
    let stage =
        Stage::with(Shape::Rows, "[[rate]]\nper = \"1m\"\nmax = 60\nburst = 1\ncost = \"2\"", |_| None);
    let line = format!("AAA BBB {}", range(SINCE, UNTIL));
    let done = stage.fetch(&format!("{line} --dry-run")).ok();
    let said = done.stdout() + done.stderr();
    done.check(stage.server.count() == 0, "a dry run makes no request");
    // Two windows for each symbol; a cost of 2 with 60 a minute is two seconds a request.
    done.check(said.contains('4') && said.contains("request"), "the number of requests");
    done.says(&["8 credits of a limit of 60 in 1m"]);
    let report = stage.report().to_string();
    done.check(report.contains("\"requests\":4") || report.contains("\"requests\": 4"), &report);
    stage.assert_no_key(&[&said]);
}

#[test]
fn a_dry_run_reads_barn_toml_as_a_fetch_does() {
    let stage = Stage::new(Shape::Rows);
    let line = format!("AAA {}", range(SINCE, UNTIL));
    stage.sandbox.write("barn/barn.toml", "[symbols]\nmine = [\"AAA\"]\n[tabel.mine]\n");
    let said = stage.fetch(&format!("{line} --dry-run")).fails(2).stderr().to_owned();
    assert!(
        said.starts_with("error: cannot open store './barn'\n  caused by: cannot use './barn/barn.toml'\n")
    );
    assert!(!stage.sandbox.path("barn/barn.db").exists());
    stage.fetch(&line).fails(2).says_exactly(&said);
    assert_eq!(stage.server.count(), 0);
}

#[test]
fn what_the_provider_keeps_no_longer_is_not_asked() {
    let stage = Stage::with(Shape::Rows, "[window]\nretention = \"20d\"", |_| None);
    let line = format!("AAA -t 1h --since {} --until {}", at(SINCE), at(UNTIL));
    stage.fetch(&line).ok();
    let kept = NOW - 20 * DAY;
    assert!(stage.starts("AAA").iter().all(|start| *start >= kept - HOUR), "{:?}", stage.starts("AAA"));
    let ledger = stage.ledger("AAA");
    assert_eq!((ledger[0].0.as_str(), ledger[0].1), ("unavailable", SINCE), "{ledger:?}");
    assert!((ledger[0].2 - kept).abs() <= HOUR, "{ledger:?}");
    stage.server.take();
    stage.fetch(&line).ok();
    assert_eq!(stage.server.count(), 0);
}

#[test]
fn a_range_without_rows_is_known_to_be_empty() {
    for shape in Shape::ALL {
        let stage = Stage::new(shape);
        // Before anything was listed.
        let (from, to) = (1_546_300_800, 1_546_300_800 + 10 * DAY);
        let line = format!("AAA {}", range(from, to));
        stage.fetch(&line).ok();
        assert_eq!(stage.ledger("AAA"), [("empty".to_owned(), from, to)], "{shape:?}");
        assert_same(&stage.bars(), market::HEADER);
        stage.server.take();
        stage.fetch(&line).ok();
        assert_eq!(stage.server.count(), 0, "{shape:?}");
    }
}

#[test]
fn symbols_come_from_a_list_of_barn_toml() {
    let stage = Stage::new(Shape::Rows);
    stage.sandbox.write("barn/barn.toml", "[symbols]\nmine = [\"AAA\", \"BBB\"]\n");
    let range = range(SINCE, SINCE + DAY);
    stage.fetch(&format!("@mine {range} --dry-run")).ok();
    stage.fetch(&format!("@mine {range}")).ok();
    assert_same(&stage.bars(), &expected(&["AAA", "BBB"], "1h", SINCE, SINCE + DAY, NOW));
    stage.fetch(&format!("@mien {range}")).fails(2).says(&["`@mine`"]);
}

#[test]
fn symbols_come_from_arguments_stdin_and_files() {
    let stage = Stage::new(Shape::Rows);
    stage.sandbox.write("list.txt", "BBB\n# a remark\n\n  CCC\n");
    let range = range(SINCE, SINCE + DAY);
    let line = format!("aaa - @list.txt AAA {range}");
    stage.sandbox.run(stage.command(&line), Some(b"DDD\nbbb\n".to_vec())).ok();
    assert_same(&stage.bars(), &expected(&["AAA", "BBB", "CCC", "DDD"], "1h", SINCE, SINCE + DAY, NOW));
    // Two spellings are one series.
    assert_eq!(stage.server.count(), 4);
    let done = stage.fetch(&format!("@none.txt {range}"));
    done.fails(2).says(&["none.txt"]);
}

#[test]
fn bars_that_are_not_final_are_asked_again_and_replaced() {
    for shape in Shape::ALL {
        let stage = Stage::new(shape);
        let since = NOW - 2 * DAY;
        stage.fetch(&format!("AAA -t 1h --since {}", at(since))).ok();
        let start = since - since.rem_euclid(HOUR) + HOUR;
        assert_same(&stage.bars(), &expected(&["AAA"], "1h", start, NOW, NOW));
        let open = stage.sandbox.value("SELECT count(*) FROM bars WHERE NOT final");
        assert!(["2", "3"].contains(&open.as_str()), "{open} bars are not final");
        stage.server.take();
        let later = NOW + 5 * HOUR;
        stage.set_clock(later);
        // Without a start: behind the last final row.
        stage.fetch("AAA -t 1h").ok();
        assert_same(&stage.bars(), &expected(&["AAA"], "1h", start, later, later));
        let last_final = stage.starts("AAA")[0];
        assert!((NOW - 6 * HOUR..NOW).contains(&last_final), "{shape:?}: asked from {}", at(last_final));
    }
}

#[test]
fn a_null_never_takes_the_place_of_a_value() {
    let is_second = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_second);
    let stage = Stage::with(Shape::Columns, "", move |seen| {
        let answer = Shape::Columns;
        let bars = market::bars("AAA", "1h", answer.start(seen), seen.integer("period2"), NOW);
        let text = market::chart("AAA", &bars);
        // The volume of every bar becomes null, and so does all of the last one.
        let volume = text.find("\"volume\":[").unwrap();
        let nulls = vec!["null"; bars.len()].join(",");
        let text = format!("{}\"volume\":[{nulls}]}}]}}}}],\"error\":null}}}}", &text[..volume]);
        flag.load(Ordering::SeqCst).then(|| Reply::json(text))
    });
    let line = format!("AAA -t 1h --since {}", at(NOW - DAY));
    stage.fetch(&line).ok();
    let before = stage.bars();
    is_second.store(true, Ordering::SeqCst);
    stage.server.take();
    stage.fetch(&line).ok();
    assert!(stage.server.count() > 0);
    assert_same(&stage.bars(), &before);
}

#[test]
fn a_bar_of_nulls_is_not_stored_and_asked_again() {
    let is_there = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_there);
    let missing = SINCE + 5 * HOUR;
    let stage = Stage::with(Shape::Columns, "", move |seen| {
        let bars = market::bars("AAA", "1h", Shape::Columns.start(seen), seen.integer("period2"), NOW);
        let at = bars.iter().position(|bar| bar.ts == missing)?;
        if flag.load(Ordering::SeqCst) {
            return None;
        }
        let mut chart: serde_json::Value = serde_json::from_str(&market::chart("AAA", &bars)).unwrap();
        let quote = &mut chart["chart"]["result"][0]["indicators"]["quote"][0];
        for name in ["open", "high", "low", "close"] {
            quote[name][at] = serde_json::Value::Null;
        }
        Some(Reply::json(chart.to_string()))
    });
    let whole = expected(&["AAA"], "1h", SINCE, SINCE + DAY, NOW);
    assert!(whole.contains(&at(missing)), "the bar is in a hole of the market");
    let line = format!("AAA {}", range(SINCE, SINCE + DAY));
    stage.fetch(&line).ok();
    let without: String =
        whole.lines().filter(|line| !line.contains(&at(missing))).map(|line| format!("{line}\n")).collect();
    assert_same(&stage.bars(), &without);
    is_there.store(true, Ordering::SeqCst);
    stage.server.take();
    stage.fetch(&line).ok();
    assert_eq!(stage.starts("AAA"), [missing]);
    assert_same(&stage.bars(), &whole);
}

#[test]
fn rows_outside_the_window_are_dropped() {
    for shape in Shape::ALL {
        let stage = Stage::with(shape, "[pagination]\nkind = \"none\"", move |seen| {
            // Whatever is asked, the provider sends ten days around it.
            let start = shape.start(seen);
            let bars = market::bars("AAA", "1h", start - 5 * DAY, start + 5 * DAY, NOW);
            Some(Reply::json(match shape {
                Shape::Rows => {
                    format!("[{}]", bars.iter().map(market::row).collect::<Vec<_>>().join(","))
                }
                Shape::Columns => market::chart("AAA", &bars),
                Shape::Objects => market::results(&bars, None),
            }))
        });
        stage.fetch(&format!("AAA {}", range(SINCE, SINCE + DAY))).ok();
        assert_same(&stage.bars(), &expected(&["AAA"], "1h", SINCE, SINCE + DAY, NOW));
    }
}

#[test]
fn a_page_that_does_not_advance_ends_with_an_error() {
    let stage = Stage::with(Shape::Rows, "", |_| {
        let bars = market::bars("AAA", "1h", SINCE, SINCE + 110 * HOUR, NOW);
        let rows: Vec<_> = bars.iter().take(100).map(market::row).collect();
        Some(Reply::json(format!("[{}]", rows.join(","))))
    });
    let done = stage.fetch(&format!("AAA {}", range(SINCE, SINCE + 10 * DAY))).fails(7);
    done.says(&["AAA"]);
    done.check(stage.server.count() <= 3, &format!("{} requests", stage.server.count()));
    assert!(stage.ledger("AAA").is_empty(), "{:?}", stage.ledger("AAA"));
}

#[test]
fn pages_that_share_a_row_and_rows_in_any_order_are_one_series() {
    let stage = Stage::with(Shape::Rows, "", |seen| {
        // Every page begins with the row before it, and is upside down.
        let (start, end) = (seen.integer("startTime") / 1_000, seen.integer("endTime") / 1_000 + 1);
        let mut bars = market::bars("AAA", "1h", start - HOUR, end, NOW);
        bars.truncate(100);
        bars.reverse();
        Some(Reply::json(format!("[{}]", bars.iter().map(market::row).collect::<Vec<_>>().join(","))))
    });
    stage.fetch(&format!("AAA {}", range(SINCE, UNTIL))).ok();
    assert_same(&stage.bars(), &expected(&["AAA"], "1h", SINCE, UNTIL, NOW));
}

#[test]
fn a_refresh_asks_for_all_again_and_takes_what_changed() {
    let round = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&round);
    let stage = Stage::with(Shape::Rows, "[cache]\nclosed = \"forever\"", move |seen| {
        let (start, end) = (seen.integer("startTime") / 1_000, seen.integer("endTime") / 1_000 + 1);
        let mut bars = market::bars("AAA", "1h", start, end, NOW);
        bars.truncate(100);
        for bar in &mut bars {
            bar.volume += i64::try_from(counter.load(Ordering::SeqCst)).unwrap();
        }
        Some(Reply::json(format!("[{}]", bars.iter().map(market::row).collect::<Vec<_>>().join(","))))
    });
    let line = format!("AAA {}", range(SINCE, SINCE + 2 * DAY));
    stage.fetch(&line).ok();
    let volume =
        || stage.sandbox.value("SELECT CAST(sum(volume) AS BIGINT) FROM bars").parse::<usize>().unwrap();
    let rows: usize = stage.sandbox.value("SELECT count(*) FROM bars").parse().unwrap();
    let before = volume();
    round.store(1, Ordering::SeqCst);
    stage.server.take();
    stage.fetch(&format!("{line} --refresh")).ok();
    assert_eq!(stage.server.count(), 1);
    assert_eq!(volume(), before + rows);
}

#[test]
fn a_range_that_ends_before_it_begins_is_a_mistake() {
    let stage = Stage::new(Shape::Rows);
    stage.fetch(&format!("AAA {}", range(UNTIL, SINCE))).fails(2).says(&["--since", "--until"]);
    stage.fetch("AAA -t 7h").fails(2).says(&["7h"]);
    stage.fetch("-t 1h").fails(2);
    assert_eq!(stage.server.count(), 0);
}
