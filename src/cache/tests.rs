//! What the cache and the limits promise, alone, together and on broken disks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::*;

const SECOND: i64 = 1_000_000;
const NOON: i64 = 1_700_000_000 * SECOND;
const MEMORY: u64 = 8 << 20;
const DISK: u64 = 64 << 20;

fn answer(body: &[u8], expires: i64) -> Stored {
    Stored {
        status: 200,
        headers: vec![("etag".to_owned(), "\"a\"".to_owned())],
        body: body.to_vec(),
        expires,
        fetched_at: NOON,
    }
}

fn open(folder: &Path) -> Cache {
    Cache::open(folder, MEMORY, DISK)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn database(folder: &Path) -> Connection {
    Connection::open(folder.join("cache.db")).unwrap()
}

fn tier(lookup: &Lookup) -> &'static str {
    match lookup {
        Lookup::Fresh(_, Tier::Memory) => "memory",
        Lookup::Fresh(_, Tier::Disk) => "disk",
        Lookup::Stale(_) => "stale",
        Lookup::Missing => "missing",
    }
}

/// Fails unless the cache works in memory, and says once why not on the disk.
fn works_in_memory_only(folder: &Path, why: &str) {
    let cache = open(folder);
    assert_eq!(cache.get("a", NOON), Lookup::Missing);
    cache.put("a", answer(b"body", i64::MAX));
    assert_eq!(tier(&cache.get("a", NOON)), "memory");
    let warning = cache.warning().expect("a warning");
    assert!(warning.contains("cache.db") && warning.contains(why), "{warning}");
    assert!(!warning.contains('\n'), "{warning}");
    assert_eq!(cache.warning(), None, "it is said once");
    let limits = Limits::open(folder);
    let limit = Limit { name: "x", per_micros: SECOND, max: 1.0, burst: 1.0, cost: 1.0, period: None };
    assert_eq!(limits.reserve(&[limit], NOON), Grant::Now);
    assert!(matches!(limits.reserve(&[limit], NOON), Grant::At(_)), "the limit holds without a disk");
    limits.ban("x", NOON + 5);
    assert_eq!(limits.banned("x", NOON), Some(NOON + 5));
    assert!(limits.warning().unwrap().contains(why));
}

#[test]
fn an_answer_is_found_in_memory_and_by_the_next_process_on_the_disk() {
    let folder = folder();
    let cache = open(folder.path());
    assert_eq!(cache.get("a", NOON), Lookup::Missing);
    assert!(!folder.path().join("cache.db").exists(), "looking makes no file");
    cache.put("a", answer(b"body", NOON + 10));
    assert_eq!(tier(&cache.get("a", NOON)), "memory");
    let other = open(folder.path());
    let expected = Lookup::Fresh(Arc::new(answer(b"body", NOON + 10)), Tier::Disk);
    assert_eq!(other.get("a", NOON), expected);
    assert_eq!(tier(&other.get("a", NOON)), "memory");
    assert_eq!(tier(&other.get("a", NOON + 10)), "stale");
    assert_eq!((cache.warning(), other.warning()), (None, None));
}

#[test]
fn a_refusal_is_kept_with_its_status() {
    let folder = folder();
    open(folder.path()).put("a", Stored { status: 404, ..answer(b"", i64::MAX) });
    let Lookup::Fresh(found, _) = open(folder.path()).get("a", NOON) else { panic!("it is missing") };
    assert_eq!((found.status, found.body.len()), (404, 0));
}

#[test]
fn an_answer_that_has_not_changed_lives_on() {
    let folder = folder();
    let cache = open(folder.path());
    cache.put("a", answer(b"body", NOON + 10));
    cache.touch("a", NOON + 100);
    assert_eq!(tier(&cache.get("a", NOON + 50)), "memory");
    assert_eq!(tier(&open(folder.path()).get("a", NOON + 50)), "disk");
}

#[test]
fn what_another_process_asked_anew_is_found_behind_a_stale_answer() {
    let folder = folder();
    let cache = open(folder.path());
    cache.put("a", answer(b"old", NOON + 10));
    open(folder.path()).put("a", answer(b"new", NOON + 100));
    let Lookup::Fresh(found, Tier::Disk) = cache.get("a", NOON + 20) else { panic!("it is stale") };
    assert_eq!(found.body, b"new");
}

#[test]
fn an_answer_from_the_future_is_stale_unless_it_never_ends() {
    let folder = folder();
    let cache = open(folder.path());
    cache.put("short", answer(b"a", NOON + 10 * SECOND));
    cache.put("ever", answer(b"a", i64::MAX));
    let yesterday = NOON - 86_400 * SECOND;
    assert_eq!(tier(&cache.get("short", yesterday)), "stale");
    assert_eq!(tier(&cache.get("ever", yesterday)), "memory");
    assert_eq!(tier(&cache.get("short", NOON - SECOND)), "memory");
}

#[test]
fn answers_are_forgotten_by_pattern() {
    let folder = folder();
    let cache = open(folder.path());
    for key in ["GET https://a/1", "GET https://a/2", "GET https://b/1"] {
        cache.put(key, answer(b"a", i64::MAX));
    }
    drop(cache);
    let forget = Tidy { now: NOON, pattern: Some("*//a/*"), version: None, is_dry_run: false };
    let tidied = tidy(folder.path(), &forget).unwrap();
    assert_eq!((tidied.answers, tidied.results, tidied.repacked), (2, 0, 0));
    let cache = open(folder.path());
    assert_eq!(tier(&cache.get("GET https://a/1", NOON)), "missing");
    assert_eq!(tier(&cache.get("GET https://b/1", NOON)), "disk");
    assert_eq!(tidy(&folder.path().join("none"), &forget).unwrap(), Tidied::default());
}

#[test]
fn memory_and_disk_stay_within_their_bounds() {
    let folder = folder();
    let body: Vec<u8> = (0..20_000_u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let cache = Cache::open(folder.path(), 200_000, 2_000_000);
    for at in 0..60 {
        cache.put(&format!("k{at:02}"), Stored { fetched_at: NOON + at, ..answer(&body, i64::MAX) });
    }
    drop(cache);
    // The sweep of a new process, and what it leaves.
    let cache = Cache::open(folder.path(), 0, 2_000_000);
    cache.put("last", Stored { fetched_at: NOON + 99, ..answer(&body, i64::MAX) });
    drop(cache);
    let (sum, rows, oldest): (i64, i64, String) = database(folder.path())
        .query_row("SELECT sum(length(body)), count(*), min(key) FROM entries", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert!((1_500_000..=2_000_000).contains(&sum), "{sum} bytes in {rows} rows");
    assert!(oldest.as_str() > "k30", "the oldest went first, '{oldest}' is left");
    let cache = Cache::open(folder.path(), 0, 2_000_000);
    assert_eq!(tier(&cache.get("last", NOON)), "disk");
    assert_eq!(tier(&cache.get("last", NOON)), "disk", "a bound of nothing keeps nothing in memory");
}

#[test]
fn what_was_used_lately_outlives_what_came_later() {
    let folder = folder();
    let body: Vec<u8> = (0..20_000_u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let put = |cache: &Cache, at: i64| {
        cache.put(&format!("k{at}"), Stored { fetched_at: NOON + at, ..answer(&body, i64::MAX) });
    };
    let cache = open(folder.path());
    (0..20).for_each(|at| put(&cache, at));
    drop(cache);
    assert_eq!(tier(&open(folder.path()).get("k0", NOON + 86_400 * SECOND)), "disk");
    let cache = Cache::open(folder.path(), MEMORY, 1_000_000);
    put(&cache, 20);
    drop(cache);
    let cache = open(folder.path());
    assert_eq!((tier(&cache.get("k0", NOON)), tier(&cache.get("k1", NOON))), ("disk", "missing"));
}

#[test]
fn old_bodies_are_packed_tighter_and_read_the_same() {
    let folder = folder();
    let cache = open(folder.path());
    let body: Vec<u8> =
        (0..5_000).flat_map(|at| format!("[{at},\"{}\"],", at * 37 % 1_009).into_bytes()).collect();
    for at in 0..100 {
        cache.put(&format!("k{at}"), Stored { fetched_at: NOON + at, ..answer(&body, i64::MAX) });
    }
    let length = |key: &str| -> i64 {
        let sql = "SELECT length(body) FROM entries WHERE key = ?1";
        database(folder.path()).query_row(sql, [key], |row| row.get(0)).unwrap()
    };
    let before = length("k0");
    assert_eq!(cache.recompress(NOON + 90).unwrap(), 90);
    assert_eq!(cache.recompress(NOON + 90).unwrap(), 0);
    assert!(length("k0") < before * 3 / 4, "{before} became {}", length("k0"));
    assert_eq!(length("k90"), before);
    for key in ["k0", "k90"] {
        let Lookup::Fresh(found, Tier::Disk) = open(folder.path()).get(key, NOON) else { panic!("no {key}") };
        assert_eq!(found.body, body);
    }
}

#[test]
fn one_asks_and_the_others_wait_for_its_answer() {
    let folder = folder();
    let (cache, asked) = (open(folder.path()), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let _flight = cache.flight("a");
                if cache.get("a", NOON) == Lookup::Missing {
                    asked.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(20));
                    cache.put("a", answer(b"body", i64::MAX));
                }
            });
        }
    });
    assert_eq!(asked.into_inner(), 1);
}

#[test]
fn a_holder_that_panics_lets_the_others_go_on() {
    let folder = folder();
    let cache = open(folder.path());
    let flight = cache.flight("b");
    thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let _flight = cache.flight("a");
            panic!("on purpose");
        });
        assert!(holder.join().is_err());
        scope.spawn(|| drop(cache.flight("a"))).join().unwrap();
    });
    drop(flight);
    drop(cache.flight("b"));
}

#[test]
fn many_threads_write_and_read_everything() {
    let folder = folder();
    let cache = open(folder.path());
    thread::scope(|scope| {
        for worker in 0..32 {
            let cache = &cache;
            scope.spawn(move || {
                for at in 0..40 {
                    let key = format!("{worker} {at}");
                    cache.put(&key, answer(key.as_bytes(), i64::MAX));
                    assert!(matches!(cache.get(&key, NOON), Lookup::Fresh(..)));
                }
            });
        }
    });
    assert_eq!(cache.warning(), None);
    drop(cache);
    let count = "SELECT count(*) FROM entries";
    let kept: i64 = database(folder.path()).query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 32 * 40);
    let cache = open(folder.path());
    thread::scope(|scope| {
        for worker in 0..32 {
            let cache = &cache;
            scope.spawn(move || {
                for at in 0..40 {
                    let key = format!("{worker} {at}");
                    let found = cache.get(&key, NOON);
                    let Lookup::Fresh(found, Tier::Disk) = found else { panic!("no '{key}'") };
                    assert_eq!(found.body, key.as_bytes());
                }
            });
        }
    });
}

#[test]
fn hits_are_quick() {
    let folder = folder();
    let body: Vec<u8> = (0..10_000).flat_map(|at| format!("{:010}", at * 7_919).into_bytes()).collect();
    let cache = open(folder.path());
    for at in 0..50 {
        cache.put(&format!("k{at}"), answer(&body, i64::MAX));
    }
    drop(cache);
    let cache = open(folder.path());
    // Of many answers memory may have dropped some, of the last one it has not.
    // The median: that of a thread which had to wait for a processor says nothing.
    let median = |tier_name: &str, key: &dyn Fn(usize) -> String| {
        let mut times = [Duration::ZERO; 50];
        for (at, time) in times.iter_mut().enumerate() {
            let key = key(at);
            let start = Instant::now();
            let found = cache.get(&key, NOON);
            *time = start.elapsed();
            assert_eq!(tier(&found), tier_name);
        }
        times.sort_unstable();
        times[25]
    };
    let (disk, memory) = (median("disk", &|at| format!("k{at}")), median("memory", &|_| "k49".to_owned()));
    // The bounds are 1 ms and 10 µs; other tests run beside this one.
    assert!(disk < Duration::from_millis(4), "{disk:?}");
    assert!(memory < Duration::from_micros(40), "{memory:?}");
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let folder = folder();
    let text = "not a database, and longer than the header of one ".repeat(40);
    crate::fs::replace(&folder.path().join("cache.db"), text.as_bytes(), crate::fs::Overwrite::Refuse)
        .unwrap();
    works_in_memory_only(folder.path(), "not a database");
    assert_eq!(crate::fs::read_text(&folder.path().join("cache.db"), 10_000).unwrap(), text);
}

#[test]
fn databases_of_others_are_left_alone() {
    let cases = [
        ("CREATE TABLE entries (key TEXT)", "another program"),
        ("PRAGMA application_id = 7", "another program"),
        ("PRAGMA application_id = 0x62617263; PRAGMA user_version = 9", "format 9"),
        ("PRAGMA application_id = 0x62617263; PRAGMA user_version = 1", "no such table"),
    ];
    for (sql, why) in cases {
        let folder = folder();
        database(folder.path()).execute_batch(sql).unwrap();
        works_in_memory_only(folder.path(), why);
    }
}

#[test]
fn a_damaged_file_is_begun_anew_beside_others_that_have_it_open() {
    let folder = folder();
    let path = folder.path().join("cache.db");
    let body = (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>();
    open(folder.path()).put("a", answer(&body, i64::MAX));
    database(folder.path()).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut sound = Vec::new();
    std::io::Read::read_to_end(&mut crate::fs::open(&path).unwrap(), &mut sound).unwrap();
    // What a power cut may leave: pages that never came to the disk.
    let half = sound[..sound.len() / 2].to_vec();
    let mut headless = sound.clone();
    headless[..4_096].fill(0);
    let mut rootless = sound.clone();
    rootless[4_096..].fill(0);
    for damaged in [half, headless, rootless, vec![0; 5_000]] {
        crate::fs::replace(&path, &damaged, crate::fs::Overwrite::Replace).unwrap();
        let other = database(folder.path());
        other.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0)).ok();
        let cache = open(folder.path());
        assert_ne!(tier(&cache.get("a", NOON)), "disk");
        cache.put("b", answer(b"b", i64::MAX));
        let warning = cache.warning().expect("a warning");
        assert!(warning.contains("cache.db' was damaged, and is begun anew"), "{warning}");
        let limits = Limits::open(folder.path());
        limits.ban("x", NOON + 5);
        assert_eq!(limits.warning(), None);
        drop(cache);
        let next = open(folder.path());
        assert_eq!((tier(&next.get("a", NOON)), tier(&next.get("b", NOON))), ("missing", "disk"));
        assert_eq!(next.warning(), None);
        other.query_row("SELECT until FROM bans", [], |row| row.get::<_, i64>(0)).unwrap();
    }
}

#[test]
fn a_damaged_file_of_another_program_is_left_alone() {
    let folder = folder();
    let path = folder.path().join("cache.db");
    database(folder.path())
        .execute_batch(
            "PRAGMA application_id = 7; CREATE TABLE notes (a); INSERT INTO notes VALUES (zeroblob(9999))",
        )
        .unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut crate::fs::open(&path).unwrap(), &mut bytes).unwrap();
    bytes.truncate(bytes.len() / 2);
    crate::fs::replace(&path, &bytes, crate::fs::Overwrite::Replace).unwrap();
    works_in_memory_only(folder.path(), "malformed");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), bytes.len() as u64);
}

#[test]
fn a_folder_in_the_place_of_the_file_is_no_obstacle() {
    let folder = folder();
    crate::fs::create_folder(&folder.path().join("cache.db")).unwrap();
    works_in_memory_only(folder.path(), "unable to open");
}

#[test]
fn a_file_in_the_place_of_the_folder_is_no_obstacle() {
    let folder = folder();
    let file = folder.path().join("store");
    crate::fs::replace(&file, b"", crate::fs::Overwrite::Refuse).unwrap();
    let cache = open(&file);
    cache.put("a", answer(b"a", i64::MAX));
    assert_eq!(tier(&cache.get("a", NOON)), "memory");
    assert!(cache.warning().is_some());
}

#[test]
fn a_full_disk_keeps_what_it_has() {
    let folder = folder();
    let cache = open(folder.path());
    cache.put("a", answer(b"a", i64::MAX));
    drop(cache);
    // Refuses every write as a full disk does.
    database(folder.path())
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(FAIL, 'full'); END")
        .unwrap();
    let cache = open(folder.path());
    cache.put("b", answer(b"b", i64::MAX));
    assert_eq!(tier(&cache.get("b", NOON)), "memory");
    assert_eq!(tier(&cache.get("a", NOON)), "disk", "reading goes on");
    assert!(cache.warning().unwrap().contains("full"));
}

#[test]
fn a_database_locked_for_long_costs_one_wait() {
    let folder = folder();
    open(folder.path()).put("a", answer(b"a", i64::MAX));
    let other = database(folder.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let cache = open(folder.path());
    let start = Instant::now();
    for at in 0..20 {
        cache.put(&format!("k{at}"), answer(b"b", i64::MAX));
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(tier(&cache.get("a", NOON)), "disk");
    assert!(cache.warning().unwrap().contains("another process has locked it"));
}

#[test]
fn a_damaged_entry_is_missing_and_is_put_anew() {
    let damages = [
        "body = x'00'",
        "body = x''",
        "codec = 9",
        "size = 1",
        "size = -1",
        "size = 9223372036854775807",
        "headers = '{'",
        "headers = ''",
        "status = -1",
        "status = 70000",
    ];
    for damage in damages {
        let folder = folder();
        let cache = open(folder.path());
        cache.put("a", answer(b"body", i64::MAX));
        cache.put("b", answer(b"body", i64::MAX));
        database(folder.path()).execute(&format!("UPDATE entries SET {damage} WHERE key = 'a'"), []).unwrap();
        let cache = open(folder.path());
        assert_eq!(cache.get("a", NOON), Lookup::Missing, "{damage}");
        assert_eq!(tier(&cache.get("b", NOON)), "disk", "{damage}");
        cache.put("a", answer(b"new", i64::MAX));
        assert_eq!(tier(&open(folder.path()).get("a", NOON)), "disk", "{damage}");
    }
}

#[test]
fn no_changed_byte_of_the_file_does_more_than_miss() {
    let folder = folder();
    let body = br#"{"close":[1.5,2.5,3.5]}"#.repeat(20);
    for key in ["a", "b", "c"] {
        open(folder.path()).put(key, answer(&body, i64::MAX));
    }
    let path = folder.path().join("cache.db");
    database(folder.path()).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut crate::fs::open(&path).unwrap(), &mut bytes).unwrap();
    for at in (0..bytes.len()).step_by(61) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        let folder = tempfile::tempdir().unwrap();
        crate::fs::replace(&folder.path().join("cache.db"), &damaged, crate::fs::Overwrite::Refuse).unwrap();
        let cache = open(folder.path());
        for key in ["a", "b", "c"] {
            if let Lookup::Fresh(found, _) = cache.get(key, NOON) {
                assert_eq!(found.body, body, "byte {at}");
            }
        }
        cache.put("d", answer(b"d", i64::MAX));
        assert_eq!(tier(&cache.get("d", NOON)), "memory");
    }
}

fn limit(name: &str, max: f64, per_micros: i64) -> Limit<'_> {
    Limit { name, per_micros, max, burst: max, cost: 1.0, period: None }
}

#[test]
fn two_processes_share_a_limit() {
    let folder = folder();
    let (one, two) = (Limits::open(folder.path()), Limits::open(folder.path()));
    let limit = limit("x", 3.0, SECOND);
    assert_eq!(one.reserve(&[limit], NOON), Grant::Now);
    assert_eq!(two.reserve(&[limit], NOON), Grant::Now);
    assert_eq!(one.reserve(&[limit], NOON), Grant::Now);
    let Grant::At(first) = two.reserve(&[limit], NOON) else { panic!("four of three") };
    assert!(first > NOON + SECOND - 1, "{}", first - NOON);
    one.refund(&[limit], NOON);
    assert!(matches!(one.reserve(&[limit], first), Grant::Now));
    assert_eq!(one.reserve(&[], NOON), Grant::Now);
    assert_eq!((one.warning(), two.warning()), (None, None));
}

#[test]
fn threads_of_several_processes_never_pass_the_limit() {
    const PER: i64 = 200_000;
    let folder = folder();
    let grants = Mutex::new(Vec::new());
    let start = Instant::now();
    let processes: Vec<Limits> = (0..3).map(|_| Limits::open(folder.path())).collect();
    thread::scope(|scope| {
        for worker in 0..12 {
            let (limits, grants) = (&processes[worker % 3], &grants);
            scope.spawn(move || {
                for _ in 0..10 {
                    let now = NOON + i64::try_from(start.elapsed().as_micros()).unwrap();
                    let limits_of_request = [limit("x", 20.0, PER), limit("y", 1_000.0, SECOND)];
                    let at = match limits.reserve(&limits_of_request, now) {
                        Grant::Now => now,
                        Grant::At(at) => {
                            thread::sleep(Duration::from_micros(u64::try_from(at - now).unwrap()));
                            at
                        }
                        Grant::Never(why) => panic!("{why}"),
                    };
                    grants.lock().unwrap().push(at);
                }
            });
        }
    });
    let grants = grants.into_inner().unwrap();
    assert_eq!(grants.len(), 120);
    for end in &grants {
        let window = grants.iter().filter(|at| end - PER < **at && *at <= end).count();
        assert!(window <= 20, "{window} in one window");
    }
    // 6 windows of 20, the first at once.
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn budgets_and_bans_survive_the_process() {
    let folder = folder();
    let day = 86_400 * SECOND;
    let budget = Limit { period: Some((NOON, NOON + day)), ..limit("x/key/1d", 10.0, day) };
    let limits = Limits::open(folder.path());
    for _ in 0..4 {
        assert_eq!(limits.reserve(&[budget], NOON), Grant::Now);
    }
    limits.ban("x", NOON + 60 * SECOND);
    limits.ban("x", NOON + 5 * SECOND);
    drop(limits);
    let limits = Limits::open(folder.path());
    assert_eq!(limits.banned("x", NOON), Some(NOON + 60 * SECOND));
    assert_eq!(limits.banned("x", NOON + 60 * SECOND), None);
    assert_eq!(limits.banned("y", NOON), None);
    limits.observe(&budget, None, Some(1.0), NOON);
    assert_eq!(limits.reserve(&[budget], NOON), Grant::Now);
    let Grant::Never(why) = limits.reserve(&[budget], NOON) else { panic!("eleven of ten") };
    assert!(why.contains("x/key/1d") && why.contains("2023-11-15T22:13:20Z"), "{why}");
    limits.observe(&budget, Some(f64::INFINITY), None, NOON);
    limits.observe(&budget, Some(0.0), Some(-1e300), NOON);
    assert!(matches!(limits.reserve(&[budget], NOON), Grant::Never(_)));
}

#[test]
fn a_state_of_a_limit_that_cannot_be_read_is_begun_anew() {
    for state in ["", "{}", "[]", "\u{0}", "{\"slots\":[[0,1e308],[1,1e308]]}"] {
        let folder = folder();
        let limits = Limits::open(folder.path());
        assert_eq!(limits.reserve(&[limit("x", 1.0, SECOND)], NOON), Grant::Now);
        database(folder.path()).execute("UPDATE limits SET state = ?1", [state]).unwrap();
        assert_eq!(limits.reserve(&[limit("x", 1.0, SECOND)], NOON), Grant::Now, "{state}");
        assert!(matches!(limits.reserve(&[limit("x", 1.0, SECOND)], NOON), Grant::At(_)), "{state}");
    }
}

#[test]
fn the_limits_go_on_from_what_they_knew_when_the_disk_fails() {
    let folder = folder();
    let limits = Limits::open(folder.path());
    assert_eq!(limits.reserve(&[limit("x", 2.0, SECOND)], NOON), Grant::Now);
    database(folder.path()).execute_batch("DROP TABLE limits").unwrap();
    assert_eq!(limits.reserve(&[limit("x", 2.0, SECOND)], NOON), Grant::Now);
    assert!(matches!(limits.reserve(&[limit("x", 2.0, SECOND)], NOON), Grant::At(_)));
    assert!(limits.warning().unwrap().contains("in this process only"));
    assert_eq!(limits.warning(), None);
}
