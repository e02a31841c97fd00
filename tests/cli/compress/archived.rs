//! What the tests of the archive share: commands on it, and what must hold of it whatever happened.

use std::fs;
use std::path::Path;

use crate::harness::{Done, Sandbox};

/// All bars in the order of their key.
pub(crate) const BARS: &str = "SELECT * FROM bars ORDER BY source, symbol, timeframe, ts";

/// All trades in the order of their key.
pub(crate) const TRADES: &str = "SELECT * FROM trades ORDER BY source, symbol, ts, seq";

/// Compresses with the words of a line as arguments.
pub(crate) fn compress(sandbox: &Sandbox, line: &str) -> Done {
    sandbox.barn(["compress"].into_iter().chain(line.split_whitespace())).ok()
}

/// Compresses and returns the report.
pub(crate) fn report(sandbox: &Sandbox, line: &str) -> serde_json::Value {
    compress(sandbox, &format!("--report .report.json {line}"));
    serde_json::from_str(&sandbox.read_text(".report.json")).unwrap()
}

/// Compresses and returns how many rows were archived.
pub(crate) fn moved(sandbox: &Sandbox, line: &str) -> u64 {
    report(sandbox, line)["rows"].as_u64().unwrap()
}

/// Returns the CSV of a query that is answered from the rows, not from an earlier answer.
pub(crate) fn rows(sandbox: &Sandbox, sql: &str) -> String {
    sandbox.barn(["query", sql, "--no-cache", "--format", "csv"]).ok().stdout()
}

/// Returns the number of rows that SQLite has of a table.
pub(crate) fn hot(sandbox: &Sandbox, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}_rows");
    sandbox.sqlite().query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// Returns the number of hot rows that stand in the place of an archived one.
pub(crate) fn corrections(sandbox: &Sandbox, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}_corrections");
    sandbox.sqlite().query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// Returns the paths that the manifest names, sorted.
pub(crate) fn manifest(sandbox: &Sandbox) -> Vec<String> {
    let store = sandbox.sqlite();
    let mut query = store.prepare("SELECT path FROM manifest ORDER BY path").unwrap();
    let paths = query.query_map([], |row| row.get(0)).unwrap();
    paths.map(Result::unwrap).collect()
}

/// Returns the paths of all files in the archive, hidden ones too, sorted; nothing where there is no archive.
pub(crate) fn files(sandbox: &Sandbox) -> Vec<String> {
    let root = sandbox.path("barn/archive");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.retain(|path| path != ".lock");
    found.sort();
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// Returns whether a file is being written, or was when its writer ended.
pub(crate) fn has_staged(sandbox: &Sandbox) -> bool {
    files(sandbox).iter().any(|path| path.starts_with(".staging/") && path != ".staging/notes.txt")
}

/// Checks that the archive has the files of the manifest and no other.
#[track_caller]
pub(crate) fn assert_tidy(sandbox: &Sandbox) {
    assert_eq!(files(sandbox), manifest(sandbox));
}

/// Checks two tables, and shows the first line that differs.
#[track_caller]
pub(crate) fn assert_same(found: &str, expected: &str) {
    assert!(found == expected, "{}", crate::harness::difference(expected, found));
}
