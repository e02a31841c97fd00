//! A store that decays: any byte changed, any file cut at any page. It is found out or does no harm; rows are never
//! other rows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::Sandbox;
use crate::sample::{Numbers, minute_bars};
use crate::scenes::copy;
use crate::{chance, times};

const BARS: &str = "SELECT * FROM bars ORDER BY source, symbol, timeframe, ts";
const PAGE: u64 = 4_096;

/// A store with hot rows, archived rows, a journal that was not brought in, a cache and records.
fn sound() -> (Sandbox, String) {
    let folder = Sandbox::new();
    folder.write("a.csv", minute_bars(3, 200));
    folder.store("bars a.csv --set timeframe=1m");
    folder.barn(["compress", "--before", "2024-01-01T02:00:00Z"]).ok();
    folder.write(
        "late.csv",
        "ts,symbol,close\n1704067200,SYM001,1.5\n1704067260,SYM002,2.5\n1804067260,NEW,2.5\n",
    );
    // A reader that stays keeps the journal.
    let reader = folder.sqlite();
    reader.execute_batch("BEGIN").unwrap();
    let count: i64 = reader.query_row("SELECT count(*) FROM bars_rows", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 240);
    folder.store("bars late.csv --set timeframe=1m");
    let rows = folder.query(BARS);
    let copied = Sandbox::new();
    copy(&folder.path("barn"), &copied.path("barn"));
    assert!(copied.path("barn/barn.db-wal").exists());
    (copied, rows)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if fs::metadata(&path).unwrap().len() > 0 && !path.to_str().unwrap().ends_with("-shm") {
            found.push(path);
        }
    }
}

/// Returns the files of a store with their bytes, so that bytes can be chosen among all of them.
fn parts(folder: &Sandbox) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    files(&folder.path("barn"), &mut found);
    found.sort();
    found.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// Checks what is said of a store of which a part is damaged.
fn check(folder: &Sandbox, part: &Path, what: &str, rows: &str, seen: &mut Seen) {
    let damaged = Sandbox::new();
    copy(&folder.path("barn"), &damaged.path("barn"));
    let name = part.file_name().unwrap().to_str().unwrap();
    // From the kept result where there is one, and from the rows.
    for more in [&[][..], &["--no-cache"]] {
        let (code, done) = damaged.barn([&["query", BARS, "--format", "csv"], more].concat()).any();
        match code {
            Some(0) if done.stdout() == rows => seen.right += 1,
            Some(0) => {
                let found = done.stdout();
                let differs = found.lines().filter(|line| !is_line(rows, line)).count();
                // A journal ends where its sums end: what was written behind that is taken back, as behind a power
                // cut. Rows of the database are compared with the sums of their series.
                let is_harmless = match name {
                    "barn.db-wal" => found.lines().all(|line| is_line(rows, line) || line.contains("SYM00")),
                    "barn.db" => {
                        let (code, verified) = damaged.barn(["optimize", "--only", "verify"]).any();
                        verified
                            .check(code == Some(1), &format!("{what}: {differs} other rows are not found"));
                        archived(rows).all(|line| is_line(&found, line))
                    }
                    _ => false,
                };
                done.check(is_harmless, &format!("{what}: {differs} other rows"));
                *seen.other.entry(name.to_owned()).or_default() += 1;
            }
            // What the catalogue says of a table may be what a user could have got wrong.
            Some(1 | 2) => {
                done.check(done.stderr().contains("error: cannot "), "no error is printed");
                seen.refused += 1;
            }
            code => drop(done.check(false, &format!("{what}: exit code {code:?}"))),
        }
    }
    seen.turns += 1;
    // Whatever else is done to it ends, and does not panic.
    if seen.turns.is_multiple_of(7) {
        for words in [&["info"][..], &["compress", "--all"], &["optimize"], &["runs", "list"]] {
            let (code, done) = damaged.barn(words).any();
            done.check(matches!(code, Some(0..=3)), &format!("{what}: exit code {code:?}"));
        }
    }
}

fn is_line(text: &str, line: &str) -> bool {
    text.lines().any(|other| other == line)
}

/// Returns the rows that are archived and have no correction.
fn archived(rows: &str) -> impl Iterator<Item = &str> {
    let is_corrected = |line: &&str| line.contains(",1.5,") || line.contains(",2.5,");
    rows.lines()
        .filter(|line| line.contains("T00:") || line.contains("T01:"))
        .filter(move |line| !is_corrected(line))
}

#[derive(Debug, Default)]
struct Seen {
    turns: u64,
    right: u64,
    refused: u64,
    /// By the file that was damaged.
    other: BTreeMap<String, u64>,
}

#[test]
fn any_byte_that_changed_is_found_or_does_no_harm() {
    let (folder, rows) = sound();
    let parts = parts(&folder);
    let mut numbers = chance();
    let mut seen = Seen::default();
    for turn in 0..times(60, 6_000) {
        // Each file in turn, so that the small ones have their share.
        let (path, bytes) = &parts[usize::try_from(turn % parts.len() as u64).unwrap()];
        let mut damaged = bytes.clone();
        let at = usize::try_from(numbers.below(bytes.len() as u64)).unwrap();
        damaged[at] ^= 1 << numbers.below(8);
        fs::write(path, damaged).unwrap();
        let what = format!("{} at {at}", path.file_name().unwrap().display());
        check(&folder, path, &what, &rows, &mut seen);
        fs::write(path, bytes).unwrap();
    }
    eprintln!("{seen:?}");
}

#[test]
fn any_file_that_was_cut_is_found_or_does_no_harm() {
    let (folder, rows) = sound();
    let mut seen = Seen::default();
    let mut numbers = Numbers::new(3);
    for (path, bytes) in parts(&folder) {
        let pages = (bytes.len() as u64).div_ceil(PAGE);
        for page in 0..pages {
            if times(0, 1) == 0 && pages > 8 && numbers.below(pages) > 8 {
                continue;
            }
            let length = usize::try_from(page * PAGE).unwrap();
            fs::write(&path, &bytes[..length]).unwrap();
            let what = format!("{} cut at {length}", path.file_name().unwrap().display());
            check(&folder, &path, &what, &rows, &mut seen);
        }
        fs::write(&path, bytes).unwrap();
    }
    eprintln!("{seen:?}");
}
