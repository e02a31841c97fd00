//! Files of the archive that become one, corrections that come into them, and what is left over.

use std::time::{Duration, SystemTime};

use super::{optimize, try_optimize};
use crate::compress::archived::{
    BARS, TRADES, assert_same, assert_tidy, compress, corrections, files, hot, manifest, moved, rows,
};
use crate::harness::{Counts, Sandbox};
use crate::sample::minute_bars;

/// A time at which files that others took the place of are gone.
const LATER: &str = "2024-06-01T02:00:00Z";

/// A store whose bars were archived in ten nights.
fn nightly() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(3, 600));
    sandbox.store("bars a.csv --set timeframe=1m");
    for hour in 1..=10 {
        assert_eq!(moved(&sandbox, &format!("--before 2024-01-01T{hour:02}:00:00Z")), 180);
    }
    assert_eq!((manifest(&sandbox).len(), hot(&sandbox, "bars")), (10, 0));
    sandbox
}

#[test]
fn files_of_many_nights_become_one_that_is_as_small_as_one_made_at_once() {
    let sandbox = nightly();
    let before = rows(&sandbox, BARS);
    let old = manifest(&sandbox);
    optimize(&sandbox, "--dry-run").says(&["compact: bars: 10 files would become 1", "nothing was changed"]);
    assert_eq!(manifest(&sandbox), old);
    optimize(&sandbox, "").says(&["compact: bars: 10 files → 1, ", "optimized in "]);
    assert_same(&rows(&sandbox, BARS), &before);
    let new = manifest(&sandbox);
    assert_eq!(new.len(), 1);
    // Queries that began before may still read the old ones, for an hour.
    assert_eq!(files(&sandbox).len(), 11);
    try_optimize(&sandbox, LATER, "--only compact").ok();
    assert_tidy(&sandbox);
    assert_eq!(manifest(&sandbox), new);
    assert_same(&rows(&sandbox, BARS), &before);
    assert_eq!(sandbox.store("bars a.csv --set timeframe=1m"), Counts::same_rows(1_800));
    let whole = Sandbox::new();
    whole.write("a.csv", sandbox.read("a.csv"));
    whole.store("bars a.csv --set timeframe=1m");
    compress(&whole, "--all");
    let size = |sandbox: &Sandbox| {
        std::fs::metadata(sandbox.path(&format!("barn/archive/{}", manifest(sandbox)[0]))).unwrap().len()
    };
    assert_eq!(size(&sandbox), size(&whole));
}

#[test]
fn a_second_run_changes_nothing_and_takes_no_time() {
    let sandbox = nightly();
    optimize(&sandbox, "");
    try_optimize(&sandbox, LATER, "").ok();
    let before = sandbox.contents("barn/archive");
    let generation = || -> i64 {
        sandbox.sqlite().query_row("SELECT generation FROM state", [], |row| row.get(0)).unwrap()
    };
    let first = generation();
    try_optimize(&sandbox, LATER, "").ok().says(&["nothing to optimize"]);
    sandbox.contents("barn/archive").assert_same(&before);
    assert_eq!(generation(), first);
}

#[test]
fn corrections_come_into_the_files_they_correct_and_into_no_other() {
    let sandbox = nightly();
    optimize(&sandbox, "");
    sandbox.write("b.csv", minute_bars(2, 100));
    sandbox.store("bars b.csv --set timeframe=1m --set source=other");
    compress(&sandbox, "--all");
    let untouched: Vec<String> =
        manifest(&sandbox).into_iter().filter(|path| path.contains("source=other")).collect();
    sandbox.write("late.csv", "ts,symbol,close,volume\n1704067200,SYM001,1.5,7\n1704067260,SYM002,,1e300\n");
    assert_eq!(sandbox.store("bars late.csv --set timeframe=1m").updated, 2);
    let before = rows(&sandbox, BARS);
    assert_eq!(corrections(&sandbox, "bars"), 2);
    optimize(&sandbox, "").says(&["compact: bars: 1 file → 1, ", "2 corrections"]);
    assert_same(&rows(&sandbox, BARS), &before);
    assert_eq!((hot(&sandbox, "bars"), corrections(&sandbox, "bars")), (0, 0));
    assert!(manifest(&sandbox).contains(&untouched[0]));
    assert_eq!(sandbox.store("bars late.csv --set timeframe=1m"), Counts::same_rows(2));
}

#[test]
fn what_may_still_change_stays_hot() {
    let sandbox = nightly();
    sandbox.write("late.csv", "ts,symbol,close,final\n1704067200,SYM001,1.5,false\n");
    sandbox.store("bars late.csv --set timeframe=1m");
    let before = rows(&sandbox, BARS);
    optimize(&sandbox, "");
    assert_same(&rows(&sandbox, BARS), &before);
    assert_eq!((hot(&sandbox, "bars"), corrections(&sandbox, "bars")), (1, 1));
}

#[test]
fn files_of_older_column_types_are_widened() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,symbol,close,volume\n1000,A,1.5,7\n");
    sandbox.store("bars a.csv --set timeframe=1m");
    moved(&sandbox, "--all");
    sandbox.write("b.csv", "ts,symbol,close,volume\n2000,A,0.1,3000000000.5\n");
    sandbox.store("bars b.csv --set timeframe=1m");
    moved(&sandbox, "--all");
    let before = rows(&sandbox, BARS);
    optimize(&sandbox, "").says(&["2 files → 1"]);
    assert_same(&rows(&sandbox, BARS), &before);
    let versions = "SELECT count(*) FROM manifest m JOIN dataset d USING (table_name, dataset, version)";
    let current: i64 = sandbox.sqlite().query_row(versions, [], |row| row.get(0)).unwrap();
    assert_eq!(current, 1);
}

#[test]
fn ticks_keep_their_number_and_order() {
    let sandbox = Sandbox::new();
    for (name, lines) in
        [("a", "1000,5,1\n1000,5,1\n2000,6,1"), ("b", "1000,5,1\n1000,5,1\n1000,5,1\n500,1,1")]
    {
        sandbox.write(&format!("{name}.csv"), format!("ts,price,size\n{lines}\n"));
        sandbox.store(&format!("trades {name}.csv --set symbol=A"));
        moved(&sandbox, "--all");
    }
    let before = rows(&sandbox, TRADES);
    optimize(&sandbox, "").says(&["trades: 2 files → 1"]);
    assert_same(&rows(&sandbox, TRADES), &before);
    assert_eq!(sandbox.store("trades b.csv --set symbol=A"), Counts::same_rows(4));
}

#[test]
fn a_column_that_came_later_is_in_the_joined_file() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,symbol,close\n1000,A,1.5\n1000,B,2.5\n");
    sandbox.store("bars a.csv --set timeframe=1m");
    moved(&sandbox, "--all");
    sandbox.write("b.csv", "ts,symbol,close,mood\n2000,A,0.1,up\n2000,C,0.1,\n");
    sandbox.store("bars b.csv --set timeframe=1m --add-columns");
    moved(&sandbox, "--all");
    let before = rows(&sandbox, BARS);
    optimize(&sandbox, "");
    assert_same(&rows(&sandbox, BARS), &before);
    assert_eq!(manifest(&sandbox).len(), 1);
}

#[test]
fn files_that_nobody_names_are_removed_when_they_are_old_and_ours() {
    let sandbox = nightly();
    let orphan =
        "barn/archive/bars/source=file/timeframe=1m/2020-01_2020-12-0123456789abcdef0123456789abcdef.parquet";
    let mine = "barn/archive/bars/source=file/timeframe=1m/mine.parquet";
    for name in [orphan, mine] {
        sandbox.write(name, "x");
    }
    optimize(&sandbox, "--only compact");
    assert!(sandbox.path(orphan).exists(), "it may be on its way");
    let file = std::fs::File::options().write(true).open(sandbox.path(orphan)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(2)).unwrap();
    optimize(&sandbox, "--only compact --dry-run").says(&["1 file of no table would be removed"]);
    optimize(&sandbox, "--only compact").says(&["1 file of no table removed"]);
    assert!(!sandbox.path(orphan).exists());
    assert!(sandbox.path(mine).exists());
}

#[test]
fn nothing_is_removed_where_database_and_folder_do_not_belong_together() {
    let sandbox = nightly();
    let orphan = "barn/archive/bars/2020-01_2020-12-0123456789abcdef0123456789abcdef.parquet";
    sandbox.write(orphan, "x");
    let file = std::fs::File::options().write(true).open(sandbox.path(orphan)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(2)).unwrap();
    optimize(&sandbox, "--only vacuum");
    std::fs::remove_file(sandbox.path(&format!("barn/archive/{}", manifest(&sandbox)[0]))).unwrap();
    let failed = try_optimize(&sandbox, "2024-06-01T00:00:00Z", "--only compact").fails(1);
    failed.says(&["cannot finish step 'compact'", "cannot read archive file"]);
    assert!(sandbox.path(orphan).exists());
}

#[test]
fn a_damaged_file_is_not_written_anew() {
    let sandbox = nightly();
    let path = format!("barn/archive/{}", manifest(&sandbox)[4]);
    let mut bytes = sandbox.read(&path);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    sandbox.write(&path, bytes);
    let before = manifest(&sandbox);
    try_optimize(&sandbox, "2024-06-01T00:00:00Z", "--only compact")
        .fails(1)
        .says(&["cannot read archive file"]);
    assert_eq!(manifest(&sandbox), before);
    assert_tidy(&sandbox);
}
