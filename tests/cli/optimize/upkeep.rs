//! The steps about the database, the journal and the cache, and the command as a whole.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::{config, optimize, try_optimize};
use crate::compress::archived::{BARS, assert_same, moved, rows};
use crate::harness::Sandbox;
use crate::sample::minute_bars;

const NOW: &str = "2024-06-01T00:00:00Z";

#[test]
fn free_pages_are_given_back_when_there_are_enough_of_them() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(40, 2_000));
    sandbox.store("bars a.csv --set timeframe=1m");
    let size = || fs::metadata(sandbox.path("barn/barn.db")).unwrap().len();
    // What an import leaves loose goes first.
    optimize(&sandbox, "--only vacuum");
    let large = size();
    optimize(&sandbox, "--only vacuum").says(&["vacuum: nothing to do"]);
    sandbox.barn(["delete", "bars", "--where", "symbol > 'SYM010'", "--yes"]).ok();
    let before = rows(&sandbox, BARS);
    optimize(&sandbox, "--only vacuum --dry-run").says(&["'barn.db' would be written anew: "]);
    optimize(&sandbox, "--only vacuum").says(&["vacuum: 'barn.db': "]);
    assert!(size() < large / 2, "{} of {large}", size());
    optimize(&sandbox, "--only vacuum").says(&["vacuum: nothing to do"]);
    assert_same(&rows(&sandbox, BARS), &before);
}

#[test]
fn a_reader_that_stays_is_not_waited_for() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(40, 2_000));
    sandbox.store("bars a.csv --set timeframe=1m");
    let reader = sandbox.sqlite();
    reader.execute_batch("BEGIN").unwrap();
    let count = |sql: &str| -> i64 { reader.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM bars_rows"), 80_000);
    sandbox.barn(["delete", "bars", "--where", "symbol > 'SYM010'", "--yes"]).ok();
    let started = std::time::Instant::now();
    let done = try_optimize(&sandbox, NOW, "").ok();
    done.says(&["note: checkpoint: a reader still needs the journal"]);
    assert!(started.elapsed() < Duration::from_secs(15));
    assert_eq!(count("SELECT count(*) FROM bars_rows"), 80_000);
    drop(reader);
    optimize(&sandbox, "");
    assert!(fs::metadata(sandbox.path("barn/barn.db")).unwrap().len() < 2_000_000);
}

/// A store with the result of a query.
fn with_result() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(40, 2_000));
    sandbox.store("bars a.csv --set timeframe=1m");
    let sum = "SELECT symbol, sum(close) AS s FROM bars GROUP BY symbol";
    sandbox.query(sum);
    sandbox.query(sum);
    sandbox
}

#[test]
fn results_of_earlier_states_are_dropped() {
    let sandbox = with_result();
    optimize(&sandbox, "--only cache").says(&["cache: nothing to do"]);
    sandbox.barn(["delete", "bars", "--where", "symbol = 'SYM001'", "--yes"]).ok();
    optimize(&sandbox, "--only cache --dry-run").says(&["old result would be dropped"]);
    optimize(&sandbox, "--only cache").says(&["old result dropped"]);
    optimize(&sandbox, "--only cache").says(&["cache: nothing to do"]);
}

#[test]
fn a_damaged_cache_is_begun_anew_and_what_is_none_of_ours_hinders_no_other_step() {
    let sandbox = with_result();
    optimize(&sandbox, "");
    let sound = sandbox.read("barn/cache.db");
    // The first page, and all but the first.
    for damaged in [0..4_096, 4_096..sound.len()] {
        let mut bytes = sound.clone();
        bytes[damaged].fill(0);
        sandbox.write("barn/cache.db", bytes);
        optimize(&sandbox, "--only cache --dry-run")
            .says(&["'cache.db' is damaged, and would be begun anew"]);
        optimize(&sandbox, "").says(&["cache: 'cache.db' was damaged, and is begun anew"]);
        optimize(&sandbox, "--only cache").says(&["cache: nothing to do"]);
    }
    sandbox.write("barn/cache.db", "the notes of somebody ".repeat(40));
    let done = try_optimize(&sandbox, "2024-06-01T00:00:00Z", "--only cache --only checkpoint").fails(1);
    done.says(&["file is not a database", "checkpoint: nothing to do", "1 problem above"]);
    assert!(sandbox.read("barn/cache.db") == "the notes of somebody ".repeat(40).as_bytes());
}

#[test]
fn steps_are_chosen_by_name() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(2, 100));
    sandbox.store("bars a.csv --set timeframe=1m");
    for time in ["00:30", "01:00"] {
        moved(&sandbox, &format!("--before 2024-01-01T{time}:00Z"));
    }
    optimize(&sandbox, "--skip compact").says(&["nothing to optimize"]);
    try_optimize(&sandbox, NOW, "--only compact --skip compact").fails(2);
    try_optimize(&sandbox, NOW, "--only polish").fails(2).says(&["polish", "compact"]);
    try_optimize(&sandbox, NOW, "--table barz").fails(2).says(&["cannot optimize table 'barz'"]);
    optimize(&sandbox, "--only compact --only stats -q").says_exactly("");
    optimize(&sandbox, "--report report.json");
    let report: serde_json::Value = serde_json::from_str(&sandbox.read_text("report.json")).unwrap();
    let steps: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps[0], "verify");
    assert_eq!(steps[steps.len() - 1], "checkpoint");
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let sandbox = Sandbox::new();
    try_optimize(&sandbox, NOW, "").fails(1).says(&["cannot open store './barn': there is none"]);
    assert!(!sandbox.path("barn").exists());
}

#[test]
fn a_second_optimize_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(2, 100));
    sandbox.store("bars a.csv --set timeframe=1m");
    optimize(&sandbox, "");
    let lock = fs::File::open(sandbox.path("barn/.optimize.lock")).unwrap();
    lock.lock().unwrap();
    try_optimize(&sandbox, NOW, "").fails(1).says(&["another process is doing it"]);
    drop(lock);
    optimize(&sandbox, "");
}

#[test]
fn a_vacuum_without_the_space_for_it_is_not_begun() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(40, 2_000));
    sandbox.store("bars a.csv --set timeframe=1m");
    sandbox.barn(["delete", "bars", "--where", "symbol > 'SYM019'", "--yes"]).ok();
    optimize(&sandbox, "--only checkpoint");
    let bytes = fs::metadata(sandbox.path("barn/barn.db")).unwrap().len();
    let lines = format!(
        "mkdir disk\nmount -t tmpfs -o size={} tmpfs disk\ncp -r barn disk/barn\n\
         if barn --store disk/barn optimize --only vacuum 2> errors; then exit 9; else echo $? > code; fi\n\
         barn --store disk/barn query 'SELECT count(*) AS n FROM bars' > n.csv\n",
        bytes + (1 << 20)
    );
    if crate::errors::mounted(&sandbox, &lines).is_none() {
        return;
    }
    assert_eq!(sandbox.read_text("code"), "1\n");
    let errors = sandbox.read_text("errors");
    assert!(errors.contains("a vacuum needs ") && errors.contains(" are left"), "{errors}");
    assert_eq!(sandbox.read_text("n.csv"), "n\n40000\n");
}

/// Returns the files of the store by their names, without what SQLite leaves while somebody reads.
fn files(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    let (mut folders, mut found) = (vec![sandbox.path("barn")], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let (name, bytes) = (path.display().to_string(), fs::read(&path).unwrap());
                if !(name.ends_with("-shm") || name.ends_with("-wal") && bytes.is_empty()) {
                    found.insert(name, bytes);
                }
            }
        }
    }
    found
}

/// A store with work for the steps that change rows and files.
fn worn() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(3, 80));
    sandbox.store("bars a.csv --set timeframe=1m");
    for time in ["00:20", "00:40"] {
        moved(&sandbox, &format!("--before 2024-01-01T{time}:00Z"));
    }
    sandbox.write("late.csv", "ts,symbol,close\n1704067200,SYM001,1.5\n");
    assert_eq!(sandbox.store("bars late.csv --set timeframe=1m").updated, 1);
    config(
        &sandbox,
        "[table.bars.retention]\n1m = \"1d\"\n\
         [rollup.bars_1h]\nfrom = \"bars\"\ntimeframe = \"1m\"\nevery = \"1h\"\ncolumns = { n = \"count(*)\" }\n",
    );
    sandbox
}

#[test]
fn a_dry_run_changes_no_byte_and_no_name() {
    let sandbox = worn();
    let before = files(&sandbox);
    for line in ["--dry-run", "--dry-run --full --repair --apply --yes"] {
        let done = try_optimize(&sandbox, "2024-01-02T01:00:00Z", line).ok();
        done.says(&["rollups: bars_1h: all ", " would go", "compact: bars: 2 files would become 1"]);
        assert!(files(&sandbox) == before, "{line}: {:?}", files(&sandbox).keys());
    }
}

#[test]
fn a_dry_run_needs_no_store_that_can_be_written() {
    let sandbox = worn();
    let lines = "mount --bind barn barn\n\
                 mount -o remount,ro,bind barn\n\
                 barn optimize --dry-run --full 2> said\n";
    if crate::errors::mounted(&sandbox, lines).is_some() {
        assert!(sandbox.read_text("said").contains("compact: bars: 2 files would become 1"));
    }
}

#[test]
fn a_dry_run_leaves_a_store_of_an_older_format_as_it_is() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("barn")).unwrap();
    let first = include_str!("../../../src/store/schema/0001_catalog.sql");
    let owner = "PRAGMA application_id = 0x6261726e; PRAGMA user_version = 1;";
    sandbox.sqlite().execute_batch(&format!("{first};{owner}")).unwrap();
    sandbox.write("barn/archive/note.txt", "");
    let before = files(&sandbox);
    optimize(&sandbox, "--dry-run --full").says(&["nothing to optimize"]);
    assert!(files(&sandbox) == before, "{:?}", files(&sandbox).keys());
    optimize(&sandbox, "");
    assert!(files(&sandbox) != before);
}
