//! What is remembered between fetches, and what must not be: answers in the cache, ranges in the ledger, limits.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{DAY, HOUR, Stage, assert_same, at, expected};
use crate::market::{self, NOW, Shape};
use crate::server::Reply;

const SINCE: i64 = NOW - NOW % DAY - 20 * DAY;

fn range() -> String {
    format!("-t 1h --since {} --until {}", at(SINCE), at(SINCE + DAY))
}

#[test]
fn an_answer_that_cannot_be_read_is_not_kept() {
    // The last one has its times in seconds.
    for broken in ["[[1,2", "[[\"x\",1,2,3,4,5]]", &format!("[[{SINCE},1,2,3,4,5]]")] {
        let broken = broken.to_owned();
        let stage = Stage::with(Shape::Rows, "", move |seen| {
            (seen.number == 0).then(|| Reply::json(broken.clone()).header("ETag", "\"1\""))
        });
        stage.fetch(&format!("AAA {}", range())).fails(7);
        stage.fetch(&format!("AAA {}", range())).ok();
        assert_same(&stage.bars(), &expected(&["AAA"], "1h", SINCE, SINCE + DAY, NOW));
    }
}

#[test]
fn a_slot_without_values_is_asked_of_the_provider_each_time() {
    let is_there = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_there);
    let missing = SINCE + 5 * HOUR;
    let stage = Stage::with(Shape::Columns, "", move |seen| {
        let (start, stop) = (Shape::Columns.start(seen), seen.integer("period2"));
        let bars = market::bars("AAA", "1h", start, stop, NOW);
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
    let line = format!("AAA {}", range());
    stage.fetch(&line).ok();
    // The same small window twice: it is long past, and still not what will be there.
    stage.fetch(&line).ok();
    is_there.store(true, Ordering::SeqCst);
    stage.set_clock(NOW + 2 * HOUR);
    stage.fetch(&line).ok();
    assert_same(&stage.bars(), &expected(&["AAA"], "1h", SINCE, SINCE + DAY, NOW));
}

#[test]
fn no_data_yet_is_not_no_data_for_a_day() {
    let extra = "[[error]]\nwhen = { path = \"code\", equals = \"-7\" }\nclass = \"no_data\"";
    let stage = Stage::with(Shape::Rows, extra, |seen| {
        (seen.number == 0).then(|| Reply::json(r#"{"code":-7,"msg":"no data"}"#))
    });
    let line = format!("AAA -t 1h --since {} --until {}", at(NOW - 30 * 60), at(NOW));
    stage.fetch(&line).ok();
    stage.set_clock(NOW + 5 * HOUR);
    stage.fetch(&line).ok();
    assert_eq!(stage.sandbox.value("SELECT count(*) FROM bars"), "1");
}

#[test]
fn what_is_stored_stays_known_where_the_provider_has_let_go_of_it() {
    let is_gone = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_gone);
    let extra = "[[error]]\nwhen = { path = \"code\", equals = \"-7\" }\nclass = \"out_of_window\"";
    let stage = Stage::with(Shape::Rows, extra, move |_| {
        flag.load(Ordering::SeqCst).then(|| Reply::json(r#"{"code":-7,"msg":"too old"}"#))
    });
    stage.fetch(&format!("AAA {}", range())).ok();
    let known = stage.ledger("AAA");
    is_gone.store(true, Ordering::SeqCst);
    let wider = format!("-t 1h --since {} --until {}", at(SINCE - DAY), at(SINCE + DAY));
    stage.fetch(&format!("AAA {wider} --refresh")).any();
    let unavailable = ("unavailable".to_owned(), SINCE - DAY, SINCE);
    assert_eq!(stage.ledger("AAA"), [vec![unavailable], known].concat());
}

#[test]
fn a_dry_run_leaves_the_store_as_it_is() {
    let stage = Stage::new(Shape::Rows);
    let line = format!("AAA {}", range());
    stage.fetch(&line).ok();
    let files = || {
        let mut files: Vec<_> = fs::read_dir(stage.sandbox.path("barn"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.to_string_lossy().ends_with("-shm"))
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = files();
    stage.set_clock(NOW + 5 * HOUR);
    stage
        .fetch(&format!("AAA {} --refresh --dry-run --record answers", range()))
        .ok()
        .says(&["1 answer cached"]);
    let after = files();
    let names = |files: &[(std::path::PathBuf, Vec<u8>)]| {
        files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&before), names(&after));
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        assert!(before == after, "a dry run wrote to {}", path.display());
    }
    assert!(!stage.sandbox.path("answers").exists());
    // A store that is a folder with a configuration only stays one.
    stage.sandbox.write("other/barn.toml", "");
    stage.fetch(&format!("{line} --dry-run --store other")).ok();
    assert_eq!(fs::read_dir(stage.sandbox.path("other")).unwrap().count(), 1);
}

#[test]
fn a_replay_does_not_touch_the_limits() {
    let extra = "[[rate]]\nper = \"1d\"\nmax = 100\nremaining_header = \"X-Remaining\"";
    let stage = Stage::with(Shape::Rows, extra, |seen| {
        let left = if seen.param("symbol") == "AAA" { "0" } else { "50" };
        Some(Shape::Rows.answer(seen, NOW).header("X-Remaining", left))
    });
    stage.fetch(&format!("AAA {} --record answers", range())).ok();
    stage.fetch(&format!("AAA {} --replay answers --store other", range())).ok();
    stage.fetch(&format!("BBB {} --store other", range())).ok();
}

#[test]
fn a_replay_does_not_wait() {
    let stage = Stage::new(Shape::Rows);
    stage.fetch(&format!("AAA {} --record answers", range())).ok();
    let name = fs::read_dir(stage.sandbox.path("answers")).unwrap().next().unwrap().unwrap().path();
    let mut answer: serde_json::Value = serde_json::from_slice(&fs::read(&name).unwrap()).unwrap();
    answer["status"] = 429.into();
    answer["headers"]["retry-after"] = "4".into();
    stage.sandbox.write(name.to_str().unwrap(), answer.to_string());
    let started = std::time::Instant::now();
    stage.fetch(&format!("AAA BBB {} --replay answers --store other --jobs 1", range())).any();
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn a_link_with_the_key_is_not_kept() {
    let url = Arc::new(std::sync::OnceLock::<String>::new());
    let own = Arc::clone(&url);
    let extra = "[pagination]\nkind = \"header_link\"";
    let stage = Stage::with(Shape::Rows, extra, move |seen| {
        let answer = Shape::Rows.answer(seen, NOW);
        let is_first = !seen.target.contains("page=2");
        Some(if is_first {
            answer.header("Link", &format!("<{}{}&page=2>; rel=\"next\"", own.get()?, seen.target))
        } else {
            answer
        })
    });
    url.set(stage.server.url()).unwrap();
    let done = stage.fetch(&format!("AAA {}", range())).ok();
    assert_eq!(stage.server.count(), 2);
    stage.assert_no_key(&[done.stderr()]);
    // Its pages are found again without a request.
    stage.server.take();
    stage.fetch(&format!("AAA {} --offline --store barn --refresh", range())).any();
}

#[test]
fn a_store_that_failed_once_is_written_again() {
    let stage = Stage::new(Shape::Rows);
    stage.fetch(&format!("AAA {}", range())).ok();
    let store = stage.sandbox.sqlite();
    store
        .execute_batch("CREATE TRIGGER no BEFORE INSERT ON wanted BEGIN SELECT RAISE(ABORT, 'no'); END")
        .unwrap();
    stage.server.take();
    let mut child =
        stage.command(&format!("BBB -t 1h --since {} --every 1s", at(NOW - DAY))).spawn().unwrap();
    thread::sleep(Duration::from_millis(1_300));
    assert_eq!(stage.server.count(), 0);
    store.execute_batch("DROP TRIGGER no").unwrap();
    for _ in 0..100 {
        thread::sleep(Duration::from_millis(40));
        if stage.server.count() > 0 {
            break;
        }
    }
    stage.sandbox.shell(&format!("kill -TERM {}", child.id())).ok();
    stage.sandbox.wait(&mut child, "barn fetch --every");
    assert!(stage.server.count() > 0, "no round after the one that failed");
}

#[test]
fn a_fallback_that_cannot_be_used_does_not_hide_what_was_fetched() {
    let stage = Stage::with(Shape::Rows, "[source]\nfallback = [\"nowhere\"]", |seen| {
        (seen.param("symbol") == "BAD").then(|| Reply::json(r#"{"code":-1121,"msg":"Invalid symbol."}"#))
    });
    stage.fetch(&format!("AAA BAD {}", range())).fails(3).says(&["'nowhere'", "Invalid symbol."]);
    assert_eq!(stage.report()["symbols"].as_array().unwrap().len(), 2);
}

#[test]
fn a_request_that_was_not_made_costs_nothing() {
    let extra = "[[rate]]\nper = \"1d\"\nmax = 3\n[retry]\nmax_elapsed = \"2m\"";
    let stage = Stage::with(Shape::Rows, extra, |seen| match (seen.number, seen.param("symbol")) {
        (0, _) => Some(Reply::new(429).header("Retry-After", "60")),
        (1, _) => Some(Shape::Rows.answer(seen, NOW).after(Duration::from_millis(400))),
        _ => None,
    });
    let mut child = stage.command(&format!("AAA BBB CCC {} --jobs 2", range())).spawn().unwrap();
    thread::sleep(Duration::from_millis(1_200));
    stage.sandbox.shell(&format!("kill -INT {}", child.id())).ok();
    assert_eq!(stage.sandbox.wait(&mut child, "barn fetch"), Some(130));
    // The second may have been held back too.
    assert!((1..=2).contains(&stage.server.count()));
    stage.fetch(&format!("CCC {}", range())).ok();
}

#[test]
fn steps_are_made_again_once_for_all_who_miss_them() {
    let warmed = Arc::new(AtomicUsize::new(0));
    let (count, old) = (Arc::clone(&warmed), Arc::new(AtomicI64::new(0)));
    let extra = "[[steps]]\nname = \"warm\"\npath = \"/warm\"\nkeep = \"cookies\"\nrefresh_on = [\"auth\"]";
    let stage = Stage::with(Shape::Rows, extra, move |seen| {
        if seen.path == "/warm" {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            return Some(Reply::json("{}").header("Set-Cookie", &format!("sid={number}")));
        }
        if seen.header("cookie") == Some("sid=1") {
            // One learns of it at once, the others when it is mended.
            let late = 100 + old.fetch_add(1, Ordering::SeqCst) * 200;
            return Some(Reply::new(401).after(Duration::from_millis(late.cast_unsigned())));
        }
        None
    });
    stage.fetch(&format!("AAA BBB CCC {} --jobs 3", range())).ok();
    assert_eq!(warmed.load(Ordering::SeqCst), 2);
}

#[test]
fn a_plan_that_would_fill_the_memory_is_refused() {
    let stage = Stage::new(Shape::Rows);
    let done = stage.fetch("AAA BBB CCC DDD -t 1m --since 0001-01-01 --until 2024-01-01").fails(2);
    done.says(&["--since"]);
    assert_eq!(stage.server.count(), 0);
}
