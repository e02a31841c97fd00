//! Answers that are kept: recordings, the cache, and what may do without the network.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{DAY, Stage, assert_same, at, expected};
use crate::market::{NOW, Shape};
use crate::server::Reply;

const SINCE: i64 = NOW - NOW % DAY - 40 * DAY;
const UNTIL: i64 = SINCE + 20 * DAY;

fn line() -> String {
    format!("AAA BBB -t 1h --since {} --until {}", at(SINCE), at(UNTIL))
}

#[test]
fn a_recorded_fetch_can_be_replayed_without_network_and_key() {
    for shape in Shape::ALL {
        let stage = Stage::new(shape);
        let done = stage.fetch(&format!("{} --record answers", line())).ok();
        stage.assert_no_key(&[&done.stdout(), done.stderr()]);
        let files: Vec<_> = fs::read_dir(stage.sandbox.path("answers")).unwrap().flatten().collect();
        assert_eq!(files.len(), stage.server.count(), "{shape:?}");
        for file in &files {
            let answer: serde_json::Value = serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap();
            for name in ["method", "url", "status", "headers", "body"] {
                assert!(answer.get(name).is_some(), "{name}: {answer}");
            }
        }
        let asked = stage.server.take().len();
        let mut command = stage.command(&format!("{} --replay answers --store other", line()));
        command.env_remove(crate::market::KEY_NAME);
        stage.sandbox.run(command, None).ok();
        assert_eq!(stage.server.count(), 0, "{shape:?}: {asked} requests were recorded");
        let rows = expected(&["AAA", "BBB"], "1h", SINCE, UNTIL, NOW);
        assert_same(&stage.sandbox.query_in("other", crate::market::BARS), &rows);
    }
}

#[test]
fn what_was_not_recorded_cannot_be_replayed() {
    let stage = Stage::new(Shape::Rows);
    stage.fetch(&format!("{} --record answers", line())).ok();
    let other = line().replace("BBB", "CCC");
    let done = stage.fetch(&format!("{other} --replay answers --store other"));
    done.fails(3).says(&["'CCC'", "no recorded answer"]);
    let done = stage.fetch(&format!("{} --replay answers --store third", other.replace("AAA ", "")));
    done.fails(1).says(&["'CCC'"]);
    stage.fetch(&format!("{} --replay nowhere --store third", line())).fails(1).says(&["nowhere"]);
    stage.sandbox.write("none/readme.txt", "");
    stage.fetch(&format!("{} --replay none --store third", line())).fails(1);
}

#[test]
fn the_cache_answers_for_another_store_and_without_network() {
    let stage = Stage::with(Shape::Rows, "[cache]\nclosed = \"forever\"\nopen = \"10s\"", |_| None);
    stage.fetch(&format!("{} --offline", line())).fails(6).says(&["'AAA'", "--offline"]);
    assert_eq!(stage.server.count(), 0);
    stage.fetch(&line()).ok();
    let asked = stage.server.take().len();
    // The rows are lost, the answers are not.
    for name in ["barn.db", "barn.db-wal", "barn.db-shm"] {
        drop(fs::remove_file(stage.sandbox.path("barn").join(name)));
    }
    stage.fetch(&format!("{} --offline", line())).ok();
    assert_eq!((stage.server.count(), asked > 2), (0, true));
    assert_same(&stage.bars(), &expected(&["AAA", "BBB"], "1h", SINCE, UNTIL, NOW));
    stage.assert_no_key(&[]);
    let report = stage.report().to_string();
    assert!(report.contains("\"disk\""), "{report}");
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let extra = "[cache]\nclosed = \"1s\"\nopen = \"1s\"\nconditional = true";
    let unchanged = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&unchanged);
    let stage = Stage::with(Shape::Columns, extra, move |seen| {
        if seen.header("if-none-match") == Some("\"v1\"") {
            counter.fetch_add(1, Ordering::SeqCst);
            return Some(Reply::new(304).header("ETag", "\"v1\""));
        }
        Some(Shape::Columns.answer(seen, NOW).header("ETag", "\"v1\""))
    });
    let line = format!("AAA -t 1h --since {} --until {}", at(SINCE), at(SINCE + DAY));
    stage.fetch(&line).ok();
    fs::remove_file(stage.sandbox.path("barn/barn.db")).unwrap();
    stage.set_clock(NOW + 60);
    stage.fetch(&line).ok();
    assert_eq!((stage.server.count(), unchanged.load(Ordering::SeqCst)), (2, 1));
    assert_same(&stage.bars(), &expected(&["AAA"], "1h", SINCE, SINCE + DAY, NOW));
}

#[test]
fn a_cache_that_cannot_be_written_is_told_and_does_no_harm() {
    for (damage, warnings) in [
        (b"this is no database".to_vec(), &["answers", "limits"][..]),
        (vec![0; 5_000], &["was damaged, and is begun anew"]),
    ] {
        let stage = Stage::with(Shape::Rows, "[cache]\nclosed = \"forever\"", |_| None);
        stage.sandbox.write("barn/cache.db", damage);
        let done = stage.fetch(&line()).ok();
        for what in warnings {
            let is_told = |line: &&str| line.starts_with("warning:") && line.contains(what);
            done.check(done.stderr().lines().filter(is_told).count() == 1, &format!("one warning of {what}"));
        }
        assert_same(&stage.bars(), &expected(&["AAA", "BBB"], "1h", SINCE, UNTIL, NOW));
    }
}

#[test]
fn only_what_failed_is_tried_again() {
    let is_healed = Arc::new(AtomicUsize::new(0));
    let flag = Arc::clone(&is_healed);
    let stage = Stage::with(Shape::Rows, "", move |seen| {
        let is_bad = seen.param("symbol").starts_with('B') && flag.load(Ordering::SeqCst) == 0;
        is_bad.then(|| Reply::new(404).body("application/json", "{}"))
    });
    let range = format!("-t 1h --since {} --until {}", at(SINCE), at(UNTIL));
    let done = stage.fetch(&format!("AAA BBB CCC BCD {range}")).fails(3);
    done.says(&["'BBB'", "'BCD'", "hint: ", "--retry-failed"]);
    fs::rename(stage.sandbox.path("report.json"), stage.sandbox.path("failed.json")).unwrap();
    is_healed.store(1, Ordering::SeqCst);
    stage.server.take();
    stage.retry("failed.json").ok();
    let mut asked: Vec<_> =
        stage.server.requests().iter().map(|seen| seen.param("symbol").to_owned()).collect();
    asked.dedup();
    asked.sort();
    asked.dedup();
    assert_eq!(asked, ["BBB", "BCD"]);
    assert_same(&stage.bars(), &expected(&["AAA", "BBB", "BCD", "CCC"], "1h", SINCE, UNTIL, NOW));
    // Now nothing is left.
    stage.retry("report.json").fails(2).says(&["nothing failed"]);
    stage.retry("none.json").fails(1).says(&["none.json"]);
    stage.sandbox.write("wrong.json", "[]");
    stage.retry("wrong.json").fails(2).says(&["wrong.json"]);
}

#[test]
fn mirrors_and_other_sources_stand_in() {
    let stage = Stage::with(Shape::Rows, "", |seen| {
        (seen.header("host").is_some_and(|host| host.starts_with("127.0.0.1"))).then(|| Reply::new(503))
    });
    let port = stage.server.url().rsplit(':').next().unwrap().to_owned();
    let mirrors = format!("[source]\nbase_url = [\"http://127.0.0.1:{port}\", \"http://localhost:{port}\"]");
    stage.sandbox.write("source.toml", Shape::Rows.definition("", &mirrors));
    stage.fetch(&line()).ok();
    assert_same(&stage.bars(), &expected(&["AAA", "BBB"], "1h", SINCE, UNTIL, NOW));
}

#[test]
fn a_row_of_another_source_keeps_its_name() {
    let bad = Stage::with(Shape::Rows, "[source]\nfallback = [\"columns\"]", |seen| {
        (seen.param("symbol") == "BBB").then(|| Reply::new(404).body("application/json", "{}"))
    });
    let good = Stage::new(Shape::Columns);
    let definition = Shape::Columns.definition(&good.server.url(), "");
    bad.sandbox.write(".home/.config/barn/sources/columns.toml", definition);
    bad.fetch(&line()).ok();
    let sources = bad.sandbox.query("SELECT DISTINCT symbol, source FROM bars ORDER BY symbol");
    assert_eq!(sources, "symbol,source\nAAA,rows\nBBB,columns\n");
    assert_same(&bad.bars(), &expected(&["AAA", "BBB"], "1h", SINCE, UNTIL, NOW));
}
