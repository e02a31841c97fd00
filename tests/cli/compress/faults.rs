//! The world misbehaves: full disks, folders that cannot be written, files that are gone, cut, swapped or decayed.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Stdio;

use super::archived::{
    BARS, assert_same, assert_tidy, compress, files, has_staged, hot, manifest, moved, rows,
};
use crate::harness::{Counts, Done, Sandbox};
use crate::sample::{Numbers, minute_bars};

/// Two sources of bars in the store, nothing archived.
fn stored(rows: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(2, rows));
    sandbox.store("bars a.csv --set timeframe=1m --set source=one");
    sandbox.store("bars a.csv --set timeframe=1m --set source=two");
    sandbox
}

/// The same, archived: a file for each source.
fn archived(rows: usize) -> Sandbox {
    let sandbox = stored(rows);
    assert_eq!(moved(&sandbox, "--all"), 4 * rows as u64);
    sandbox
}

/// Returns the path of the file of a source.
fn file(sandbox: &Sandbox, source: &str) -> PathBuf {
    let paths = manifest(sandbox);
    let path = paths.iter().find(|path| path.contains(&format!("source={source}/"))).unwrap();
    sandbox.path("barn/archive").join(path)
}

/// Runs a query that must fail and name the file of a source.
#[track_caller]
fn query_fails(sandbox: &Sandbox, sql: &str, source: &str) -> Done {
    let failed = sandbox.barn(["query", sql, "--no-cache"]).fails(1);
    failed.says(&[
        "cannot read archive file 'bars/source=",
        &format!("source={source}/"),
        ".parquet'",
        "hint: ",
    ]);
    failed
}

const ONE: &str = "SELECT * FROM bars WHERE source = 'one' ORDER BY symbol, ts";
const TWO: &str = "SELECT * FROM bars WHERE source = 'two' ORDER BY symbol, ts";

/// Checks what holds while the file of source `one` is damaged or gone, its rows are `before` and those of the other
/// source `two`.
#[track_caller]
fn assert_contained(sandbox: &Sandbox, two: &str) {
    query_fails(sandbox, BARS, "one");
    query_fails(sandbox, ONE, "one");
    query_fails(sandbox, "SELECT max(close) FROM bars", "one");
    assert_same(&rows(sandbox, TWO), two);
    let contents = sandbox.contents("barn");
    let line = "bars a.csv --set timeframe=1m --set source=one";
    sandbox.try_store(line).fails(1).says(&["cannot read archive file 'bars/source=one/", "hint: "]);
    sandbox.contents("barn").assert_same(&contents);
    assert_eq!(hot(sandbox, "bars"), 0);
    let same = sandbox.store("bars a.csv --set timeframe=1m --set source=two");
    assert_eq!(same.unchanged, same.read);
}

#[test]
fn a_full_disk_at_every_write() {
    let sandbox = stored(60);
    let before = rows(&sandbox, BARS);
    let mut failures = 0;
    for n in 1.. {
        let mut command = sandbox.barn_command(["compress", "--all"]);
        command.env("BARN_FAIL", n.to_string());
        let (code, done) = sandbox.run(command, None).any();
        if code == Some(0) {
            break;
        }
        failures += 1;
        done.check(code == Some(1), &format!("expected exit code 1 at operation {n}"));
        done.says(&["error: cannot ", "no storage space"]);
        // All is as it was, and cleaned up.
        assert_eq!(hot(&sandbox, "bars"), 240, "{n}");
        assert_tidy(&sandbox);
        if n % 5 == 1 {
            assert_same(&rows(&sandbox, BARS), &before);
        }
    }
    // A file is made, written, synced and renamed, twice.
    assert!(failures >= 8, "only {failures} operations could fail");
    assert_eq!(hot(&sandbox, "bars"), 0);
    assert_same(&rows(&sandbox, BARS), &before);
    assert_tidy(&sandbox);
}

#[test]
fn a_limit_on_the_size_of_files() {
    let sandbox = stored(1_000);
    let before = rows(&sandbox, BARS);
    let mut failures = 0;
    for blocks in [1, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 100_000] {
        // Signal 25 would end the process before it can say what is wrong.
        let line = format!("trap '' 25; ulimit -f {blocks}; barn compress --all");
        let (code, done) = sandbox.shell(&line).any();
        assert_same(&rows(&sandbox, BARS), &before);
        if code != Some(0) {
            failures += 1;
            done.check(code == Some(1), "expected exit code 1").says(&["error: cannot "]);
        }
    }
    assert!(failures > 2, "only {failures} limits were too small");
    compress(&sandbox, "--all");
    assert_eq!(hot(&sandbox, "bars"), 0);
    assert_same(&rows(&sandbox, BARS), &before);
    assert_tidy(&sandbox);
}

#[test]
fn something_else_in_the_place_of_the_archive() {
    for (name, is_folder) in
        [("archive", false), ("archive/bars", false), ("archive/.staging", false), ("archive/.lock", true)]
    {
        let sandbox = stored(20);
        let before = rows(&sandbox, BARS);
        let path = sandbox.path(&format!("barn/{name}"));
        if is_folder {
            fs::create_dir_all(&path).unwrap();
        } else {
            sandbox.write(&format!("barn/{name}"), "mine");
        }
        let failed = sandbox.barn(["compress", "--all"]).fails(1);
        failed.says(&["error: cannot ", &format!("barn/{name}")]);
        assert_eq!(hot(&sandbox, "bars"), 80);
        assert_same(&rows(&sandbox, BARS), &before);
        if is_folder {
            fs::remove_dir(&path).unwrap();
        } else {
            assert_eq!(fs::read(&path).unwrap(), b"mine");
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(moved(&sandbox, "--all"), 80);
        assert_same(&rows(&sandbox, BARS), &before);
        assert_tidy(&sandbox);
    }
}

#[test]
fn an_archive_that_cannot_be_written() {
    let sandbox = stored(20);
    let before = rows(&sandbox, BARS);
    let folder = sandbox.path("barn/archive");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(folder.join("probe"), "").is_ok() {
        eprintln!("skipped: permissions do not bind this user");
        return;
    }
    sandbox
        .barn(["compress", "--all"])
        .fails(1)
        .says(&["error: cannot prepare the archive", "ermission denied"]);
    assert_eq!(hot(&sandbox, "bars"), 80);
    assert_same(&rows(&sandbox, BARS), &before);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(moved(&sandbox, "--all"), 80);
}

#[test]
fn an_archive_on_another_file_system() {
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!("skipped: there is no /dev/shm");
        return;
    };
    let sandbox = stored(50);
    let before = rows(&sandbox, BARS);
    symlink(elsewhere.path(), sandbox.path("barn/archive")).unwrap();
    for point in ["write.file", "place.file"] {
        let mut command = sandbox.barn_command(["compress", "--all"]);
        command.env("BARN_KILL", point);
        assert_eq!(sandbox.run(command, None).any().0, None);
        assert_same(&rows(&sandbox, BARS), &before);
    }
    assert_eq!(moved(&sandbox, "--all"), 200);
    assert_same(&rows(&sandbox, BARS), &before);
    assert_tidy(&sandbox);
    for path in manifest(&sandbox) {
        assert!(elsewhere.path().join(&path).is_file(), "{path}");
    }
    assert_eq!(sandbox.store("bars a.csv --set timeframe=1m --set source=one"), Counts::same_rows(100));
}

#[test]
fn an_archive_that_is_gone() {
    let sandbox = archived(50);
    let two = rows(&sandbox, TWO);
    let paths = manifest(&sandbox);
    sandbox.write("new.csv", "ts,symbol,close\n1800000000,NEW,7\n");
    fs::remove_dir_all(sandbox.path("barn/archive")).unwrap();
    let failed = sandbox.barn(["query", BARS, "--no-cache"]).fails(1);
    failed.says(&["cannot read archive file 'bars/", "No such file or directory", "hint: "]);
    // What does not need the missing files is answered, stored and archived.
    sandbox.write("o.csv", "ts,symbol,value\n1,A,1\n");
    assert_eq!(sandbox.store("observations o.csv"), Counts::new_rows(1));
    assert_eq!(rows(&sandbox, "SELECT value FROM observations"), "value\n1.0\n");
    assert_eq!(sandbox.store("bars new.csv --set timeframe=1m --set source=one"), Counts::new_rows(1));
    let new = "SELECT close FROM bars WHERE ts > '2025-01-01'";
    assert_eq!(rows(&sandbox, new), "close\n7.0\n");
    assert_eq!(moved(&sandbox, "--all"), 2);
    assert_eq!(rows(&sandbox, new), "close\n7.0\n");
    query_fails(&sandbox, ONE, "one");
    assert_eq!(manifest(&sandbox).len(), 4);
    for path in &paths {
        assert!(!sandbox.path("barn/archive").join(path).exists());
    }
    query_fails(&sandbox, TWO, "two");
    assert!(two.lines().count() == 101);
}

#[test]
fn one_file_that_is_gone() {
    let sandbox = archived(50);
    let (all, two) = (rows(&sandbox, BARS), rows(&sandbox, TWO));
    let path = file(&sandbox, "one");
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_contained(&sandbox, &two);
    // Put back from a copy it is as it was.
    fs::write(&path, bytes).unwrap();
    assert_same(&rows(&sandbox, BARS), &all);
}

#[test]
fn a_file_cut_at_any_length() {
    let sandbox = archived(50);
    let (all, two) = (rows(&sandbox, BARS), rows(&sandbox, TWO));
    let path = file(&sandbox, "one");
    let bytes = fs::read(&path).unwrap();
    let mut numbers = Numbers::new(5);
    let some = (0..4).map(|_| numbers.below(bytes.len() as u64));
    for length in some.chain([0, 4, bytes.len() as u64 - 1, bytes.len() as u64 - 8]) {
        fs::write(&path, &bytes[..usize::try_from(length).unwrap()]).unwrap();
        query_fails(&sandbox, BARS, "one")
            .says(&[&format!("{length} bytes, the manifest says {}", bytes.len())]);
    }
    assert_contained(&sandbox, &two);
    fs::write(&path, [&bytes[..], b"more"].concat()).unwrap();
    assert_contained(&sandbox, &two);
    fs::write(&path, bytes).unwrap();
    assert_same(&rows(&sandbox, BARS), &all);
}

#[test]
fn one_byte_that_decayed_anywhere() {
    let sandbox = archived(50);
    let (all, two) = (rows(&sandbox, BARS), rows(&sandbox, TWO));
    let path = file(&sandbox, "one");
    let bytes = fs::read(&path).unwrap();
    let mut numbers = Numbers::new(6);
    let last = bytes.len() as u64 - 1;
    let some: Vec<u64> = (0..12).map(|_| numbers.below(last)).collect();
    for at in [0, 3, last, last - 4, last - 8].into_iter().chain(some) {
        let mut damaged = bytes.clone();
        damaged[usize::try_from(at).unwrap()] ^= 1 << numbers.below(8);
        fs::write(&path, damaged).unwrap();
        // The file is smaller than a block that is checked, so whatever is read of it meets the byte.
        query_fails(&sandbox, BARS, "one").says(&["is not the one that was written"]);
    }
    assert_contained(&sandbox, &two);
    fs::write(&path, bytes).unwrap();
    assert_same(&rows(&sandbox, BARS), &all);
}

#[test]
fn one_byte_that_decayed_in_a_large_file_gives_the_right_rows_or_an_error() {
    let sandbox = archived(16_000);
    let one = rows(&sandbox, ONE);
    let path = file(&sandbox, "one");
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 2 * 65_536, "{} bytes are too few blocks", bytes.len());
    let column = "SELECT symbol, ts, volume FROM bars WHERE source = 'one' ORDER BY symbol, ts";
    let volumes = rows(&sandbox, column);
    let mut numbers = Numbers::new(8);
    let mut failures = 0;
    for _ in 0..10 {
        let at = usize::try_from(numbers.below(bytes.len() as u64)).unwrap();
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, damaged).unwrap();
        for (sql, right) in [(ONE, &one), (column, &volumes)] {
            let (code, done) = sandbox.barn(["query", sql, "--no-cache", "--format", "csv"]).any();
            if code == Some(0) {
                assert_same(&done.stdout(), right);
            } else {
                failures += 1;
                done.check(code == Some(1), "expected exit code 1")
                    .says(&["cannot read archive file 'bars/source=one/"]);
            }
        }
    }
    assert!(failures >= 8, "only {failures} queries met the byte");
}

#[test]
fn a_file_in_the_place_of_another() {
    let sandbox = archived(50);
    let two = rows(&sandbox, TWO);
    let (one, other) = (file(&sandbox, "one"), file(&sandbox, "two"));
    let bytes = fs::read(&one).unwrap();
    fs::copy(&other, &one).unwrap();
    // Sources are no column of a file: the same rows make the same bytes, which is no damage.
    if fs::read(&other).unwrap() != bytes {
        assert_contained(&sandbox, &two);
    }
    // Of the same size, of other rows.
    let twin = Sandbox::new();
    twin.write("a.csv", minute_bars(2, 50).replace(".0", ".1"));
    twin.store("bars a.csv --set timeframe=1m --set source=one");
    moved(&twin, "--all");
    let mut foreign = fs::read(file(&twin, "one")).unwrap();
    foreign.resize(bytes.len(), 0);
    fs::write(&one, foreign).unwrap();
    assert_contained(&sandbox, &two);
    // A link is not followed, wherever it leads.
    fs::write(sandbox.path("copy.parquet"), &bytes).unwrap();
    fs::remove_file(&one).unwrap();
    symlink(sandbox.path("copy.parquet"), &one).unwrap();
    assert_contained(&sandbox, &two);
    fs::remove_file(&one).unwrap();
    fs::create_dir(&one).unwrap();
    assert_contained(&sandbox, &two);
}

#[test]
fn new_rows_are_archived_beside_a_damaged_file() {
    let sandbox = archived(50);
    fs::write(file(&sandbox, "one"), b"").unwrap();
    sandbox.write("new.csv", "ts,symbol,close\n1800000000,SYM000,7\n");
    sandbox.store("bars new.csv --set timeframe=1m --set source=one");
    assert_eq!(moved(&sandbox, "--all"), 1);
    assert_eq!(rows(&sandbox, "SELECT close FROM bars WHERE ts > '2025-01-01'"), "close\n7.0\n");
    query_fails(&sandbox, ONE, "one");
    assert_eq!(files(&sandbox).len(), 3);
}

#[test]
fn two_at_once_do_the_work_once() {
    let sandbox = stored(2_000);
    let before = rows(&sandbox, BARS);
    let mut children: Vec<_> = (0..3)
        .map(|_| {
            let mut command = sandbox.barn_command(["compress", "--all"]);
            command.stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    let mut done = 0;
    for child in &mut children {
        let code = sandbox.wait(child, "barn compress");
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
        match code {
            Some(0) => done += 1,
            code => {
                assert_eq!(code, Some(1), "{said}");
                assert!(
                    said.contains("error: cannot write to the archive of store")
                        && said.contains("another process"),
                    "{said}"
                );
            }
        }
    }
    assert!(done > 0);
    assert_eq!(hot(&sandbox, "bars"), 0);
    assert_eq!(manifest(&sandbox).len(), 2);
    assert_same(&rows(&sandbox, BARS), &before);
    assert_tidy(&sandbox);
}

#[test]
fn no_path_of_the_database_leaves_the_archive() {
    let sandbox = archived(20);
    let path = file(&sandbox, "one");
    let named = manifest(&sandbox).into_iter().find(|path| path.contains("source=one/")).unwrap();
    for place in ["precious.parquet", "barn/precious.parquet", "barn/archive/bars/precious.txt"] {
        fs::copy(&path, sandbox.path(place)).unwrap();
    }
    let absolute = sandbox.path("precious.parquet").display().to_string();
    let outside = [
        "../precious.parquet",
        "../../precious.parquet",
        &absolute,
        "bars/../../precious.parquet",
        "bars/precious.txt",
    ];
    for path in outside {
        let sql = "UPDATE manifest SET path = ?1 WHERE dataset LIKE 'source=one%'";
        assert_eq!(sandbox.sqlite().execute(sql, [path]).unwrap(), 1);
        let failed = sandbox.barn(["query", ONE, "--no-cache"]).fails(1);
        failed.says(&["it is no path of the archive"]);
        assert_eq!(rows(&sandbox, "SELECT count(*) AS n FROM bars WHERE source = 'two'"), "n\n40\n");
    }
    let sql = "UPDATE manifest SET path = ?1 WHERE dataset LIKE 'source=one%'";
    sandbox.sqlite().execute(sql, [named]).unwrap();
    // What an earlier run is said to have left is not removed there either.
    for path in outside {
        sandbox.sqlite().execute("INSERT INTO publishing VALUES ('bars', ?1)", [path]).unwrap();
        sandbox.barn(["compress", "--all"]).fails(1).says(&["it is no path of the archive"]);
        sandbox.sqlite().execute("DELETE FROM publishing", []).unwrap();
    }
    for place in ["precious.parquet", "barn/precious.parquet", "barn/archive/bars/precious.txt"] {
        assert!(sandbox.path(place).exists(), "{place}");
    }
}

#[test]
fn only_files_that_a_run_made_are_removed() {
    let sandbox = stored(20);
    // Files of somebody else in the archive's folders, and links in the staging folder.
    for place in ["archive/README.txt", "archive/bars/mine.parquet", "archive/.staging/notes.txt", "kept.csv"]
    {
        sandbox.write(&format!("barn/{place}"), "mine");
    }
    let mut command = sandbox.barn_command(["compress", "--all"]);
    command.env("BARN_KILL", "write.file");
    assert_eq!(sandbox.run(command, None).any().0, None);
    assert!(has_staged(&sandbox));
    assert_eq!(moved(&sandbox, "--all"), 80);
    assert!(!has_staged(&sandbox));
    for place in ["archive/README.txt", "archive/bars/mine.parquet", "archive/.staging/notes.txt", "kept.csv"]
    {
        assert_eq!(sandbox.read(&format!("barn/{place}")), b"mine", "{place}");
    }
    assert_eq!(rows(&sandbox, "SELECT count(*) AS n FROM bars"), "n\n80\n");
}
