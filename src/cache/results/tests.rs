//! What the cache of results promises, also on broken disks.

use std::time::Instant;

use rusqlite::Connection;

use super::*;

const BYTES: u64 = 2 << 20;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn open(folder: &Path) -> Results {
    Results::open(folder, BYTES)
}

fn database(folder: &Path) -> Connection {
    Connection::open(folder.join("cache.db")).unwrap()
}

fn question(version: &str, text: &str) -> Question {
    Question { version: version.into(), text: text.into() }
}

fn result(body: &[u8]) -> StoredResult {
    StoredResult { rows: 3, body: body.to_vec() }
}

/// Bytes that no codec makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn count(folder: &Path) -> i64 {
    database(folder).query_row("SELECT count(*) FROM results", [], |row| row.get(0)).unwrap()
}

/// Returns which of some questions have a result, in a look that leaves no trace.
fn known(folder: &Path, questions: &[Question]) -> Vec<bool> {
    let database = database(folder);
    let mut find = database.prepare("SELECT 1 FROM results WHERE key = ?1").unwrap();
    questions.iter().map(|question| find.exists([&question.key()[..]]).unwrap()).collect()
}

#[test]
fn a_result_answers_its_question_and_no_other() {
    let folder = folder();
    let results = open(folder.path());
    let asked = question("1", "a");
    assert_eq!(results.get(&asked), None);
    assert!(!folder.path().join("cache.db").exists(), "a look makes no file");
    for body in [&b""[..], b"rows", &noise(100_000)] {
        results.put(&asked, &result(body));
        for results in [&results, &open(folder.path())] {
            assert_eq!(results.get(&asked), Some(result(body)));
            for other in [question("2", "a"), question("1", "b"), question("", "1a"), question("1a", "")] {
                assert_eq!(results.get(&other), None);
            }
        }
    }
    assert_eq!(count(folder.path()), 1);
    assert_eq!(results.warning(), None);
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let folder = folder();
    let results = open(folder.path());
    let questions: Vec<_> = (0..30).map(|at| question("1", &at.to_string())).collect();
    for question in &questions {
        results.put(question, &result(&noise(100_000)));
        assert!(results.get(&questions[0]).is_some(), "it is used all the time");
    }
    let known = known(folder.path(), &questions);
    let kept = known.iter().filter(|known| **known).count();
    // Each takes a little more than its bytes.
    assert_eq!(kept, 20);
    assert!(known[0] && known[11..].iter().all(|known| *known), "{known:?}");
    let size = std::fs::metadata(folder.path().join("cache.db")).unwrap().len();
    assert!(size < BYTES * 2, "{size}");
}

#[test]
fn results_of_earlier_versions_go_before_all_others() {
    let folder = folder();
    let results = open(folder.path());
    let (old, new): (Vec<_>, Vec<_>) =
        (0..20).map(|at| (question("1", &at.to_string()), question("2", &at.to_string()))).unzip();
    results.put(&new[0], &result(&noise(100_000)));
    for question in &old[..15] {
        results.put(question, &result(&noise(100_000)));
    }
    for question in &new[1..] {
        results.put(question, &result(&noise(100_000)));
    }
    assert_eq!(known(folder.path(), &new), [true; 20]);
    assert_eq!(known(folder.path(), &old), [false; 20]);
}

#[test]
fn small_results_are_bounded_in_number() {
    let folder = folder();
    let results = Results::open(folder.path(), 100 * OVERHEAD as u64);
    for at in 0..150 {
        results.put(&question("1", &at.to_string()), &result(b"x"));
    }
    assert!((90..=100).contains(&count(folder.path())), "{}", count(folder.path()));
}

#[test]
fn a_large_result_is_not_kept() {
    let folder = folder();
    let results = Results::open(folder.path(), 64 << 20);
    results.put(&question("1", "a"), &result(&noise(LARGEST_PACKED + 1)));
    assert_eq!(results.get(&question("1", "a")), None);
    results.put(&question("1", "b"), &result(&vec![0; 16 << 20]));
    assert_eq!(results.get(&question("1", "b")), Some(result(&vec![0; 16 << 20])));
    let small = open(folder.path());
    small.put(&question("1", "c"), &result(&noise(3 << 20)));
    assert_eq!(small.get(&question("1", "c")), None);
    assert_eq!(count(folder.path()), 1);
}

#[test]
fn a_damaged_result_is_none_and_goes() {
    for damage in [
        "body = x'00'",
        "body = x''",
        "body = (SELECT body FROM results ORDER BY id DESC LIMIT 1)",
        "size = 1",
        "size = -1",
        "size = 9223372036854775807",
        "rows = 4",
        "rows = -1",
        "checksum = x''",
        "checksum = zeroblob(32)",
        "checksum = (SELECT checksum FROM results ORDER BY id DESC LIMIT 1)",
    ] {
        let folder = folder();
        let results = open(folder.path());
        let (one, other) = (question("1", "a"), question("1", "b"));
        results.put(&one, &result(b"body"));
        results.put(&other, &result(b"other"));
        database(folder.path()).execute(&format!("UPDATE results SET {damage} WHERE id = 1"), []).unwrap();
        assert_eq!(open(folder.path()).get(&one), None, "{damage}");
        assert_eq!(known(folder.path(), &[one.clone(), other.clone()]), [false, true], "{damage}");
        assert_eq!(results.get(&other), Some(result(b"other")), "{damage}");
        results.put(&one, &result(b"new"));
        assert_eq!(results.get(&one), Some(result(b"new")), "{damage}");
    }
}

#[test]
fn no_changed_byte_is_given_out() {
    let folder = folder();
    let results = open(folder.path());
    let asked = question("1", "a");
    let body = b"some rows, some rows, some more rows".repeat(3);
    results.put(&asked, &result(&body));
    let database = database(folder.path());
    let packed: Vec<u8> = database.query_row("SELECT body FROM results", [], |row| row.get(0)).unwrap();
    for at in 0..packed.len() {
        let mut changed = packed.clone();
        changed[at] ^= 0x10;
        results.put(&asked, &result(&body));
        database.execute("UPDATE results SET body = ?1", [&changed]).unwrap();
        assert_eq!(results.get(&asked), None, "{at}");
    }
}

#[test]
fn a_file_of_the_first_format_keeps_what_it_has() {
    let folder = folder();
    database(folder.path())
        .execute_batch(concat!(
            include_str!("../schema.sql"),
            "PRAGMA application_id = 0x62617263; PRAGMA user_version = 1;
             INSERT INTO bans VALUES ('s', 9);"
        ))
        .unwrap();
    let results = open(folder.path());
    assert_eq!(results.get(&question("1", "a")), None);
    assert_eq!(results.warning(), None);
    results.put(&question("1", "a"), &result(b"rows"));
    assert_eq!(open(folder.path()).get(&question("1", "a")), Some(result(b"rows")));
    assert_eq!(results.warning(), None);
    let database = database(folder.path());
    let version: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let until: i64 = database.query_row("SELECT until FROM bans", [], |row| row.get(0)).unwrap();
    assert_eq!((version, until), (2, 9));
}

/// Fails unless the cache has nothing, takes nothing, says why, and leaves the file alone.
fn is_of_no_use(folder: &Path, why: &str) {
    let before = std::fs::metadata(folder.join("cache.db")).unwrap().len();
    let results = open(folder);
    let start = Instant::now();
    for _ in 0..5 {
        assert_eq!(results.get(&question("1", "a")), None);
        results.put(&question("1", "a"), &result(b"rows"));
    }
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    let warning = results.warning().expect("a warning");
    assert!(warning.contains("cache.db") && warning.contains(why), "{warning}");
    assert_eq!(std::fs::metadata(folder.join("cache.db")).unwrap().len(), before);
}

#[test]
fn files_of_others_are_left_alone() {
    let text = "not a database, and longer than the header of one ".repeat(40);
    let other = folder();
    crate::fs::replace(&other.path().join("cache.db"), text.as_bytes(), crate::fs::Overwrite::Refuse)
        .unwrap();
    is_of_no_use(other.path(), "not a database");
    for (sql, why) in [
        ("CREATE TABLE results (key TEXT)", "another program"),
        ("PRAGMA application_id = 0x62617263; PRAGMA user_version = 9", "format 9"),
    ] {
        let folder = folder();
        database(folder.path()).execute_batch(sql).unwrap();
        is_of_no_use(folder.path(), why);
    }
}

#[test]
fn nobody_waits_for_a_cache_that_is_locked() {
    let folder = folder();
    open(folder.path()).put(&question("1", "b"), &result(b"rows"));
    let other = database(folder.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    is_of_no_use(folder.path(), "locked");
    assert_eq!(open(folder.path()).get(&question("1", "b")), Some(result(b"rows")), "reading goes on");
}

#[test]
fn a_full_disk_keeps_what_it_has() {
    let folder = folder();
    open(folder.path()).put(&question("1", "a"), &result(b"rows"));
    // Refuses every write as a full disk does.
    database(folder.path())
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON results BEGIN SELECT RAISE(FAIL, 'full'); END")
        .unwrap();
    let results = open(folder.path());
    results.put(&question("1", "b"), &result(b"rows"));
    assert!(results.warning().unwrap().contains("full"));
    assert_eq!(results.get(&question("1", "a")), Some(result(b"rows")));
    assert_eq!(results.get(&question("1", "b")), None);
}

#[test]
fn several_processes_share_the_results() {
    let folder = folder();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let path = folder.path();
            scope.spawn(move || {
                for at in 0..30 {
                    let results = open(path);
                    let asked = question("1", &((at + worker) % 10).to_string());
                    let body = noise(1_000 + (at + worker) % 10);
                    if let Some(found) = results.get(&asked) {
                        assert_eq!(found, result(&body));
                    }
                    results.put(&asked, &result(&body));
                }
            });
        }
    });
    assert!(count(folder.path()) <= 10);
    assert!(count(folder.path()) > 0);
}
