//! What a set takes in the archive, and what the same rows take when others write them.

use std::collections::BTreeMap;
use std::path::Path;

use super::sets::Stored;
use crate::harness::Sandbox;

/// Writes rows as others do.
const SCRIPT: &str = include_str!("sizes.py");

/// The programs of `sizes.py`.
pub(super) const PROGRAMS: [&str; 3] = ["pyarrow", "polars", "duckdb"];

/// The head of the table whose lines [`Sizes::line`] returns.
pub(super) const HEAD: &str = "| set | rows | barn | barn --smallest | pyarrow | polars | duckdb |\n\
                               | --- | ---: | ---: | ---: | ---: | ---: | ---: |";

/// The bytes that a set takes.
pub(super) struct Sizes {
    pub(super) name: &'static str,
    pub(super) rows: u64,
    pub(super) plain: u64,
    pub(super) smallest: u64,
    /// For each program what the same rows and columns take at zstd 9; empty without a Python.
    pub(super) peers: BTreeMap<String, u64>,
}

impl Sizes {
    /// Archives a set with one table plainly, and as small as it gets.
    pub(super) fn of((set, sandbox, loads): &Stored, python: Option<&Path>) -> Self {
        let [(table, order)] = set.tables else { panic!("{} has several tables", set.name) };
        copy(&sandbox.path("barn"), &sandbox.path("smallest"));
        sandbox.barn(["compress", "--all"]).ok();
        sandbox.barn(["--store", "smallest", "compress", "--all", "--smallest"]).ok();
        Self {
            name: set.name,
            rows: loads.iter().map(|(_, counts)| counts.inserted).sum(),
            plain: archived(&sandbox.path("barn/archive")),
            smallest: archived(&sandbox.path("smallest/archive")),
            peers: python.map(|python| write_by_others(sandbox, python, (table, order))).unwrap_or_default(),
        }
    }

    /// Returns the bytes a row.
    #[allow(clippy::cast_precision_loss, reason = "a figure with three digits")]
    pub(super) fn a_row(&self, bytes: u64) -> f64 {
        bytes as f64 / self.rows as f64
    }

    /// Returns the line of a table.
    pub(super) fn line(&self) -> String {
        let ours = [self.plain, self.smallest].map(|bytes| format!("{:.2}", self.a_row(bytes)));
        let peer =
            |program: &&str| self.peers.get(*program).map(|bytes| format!("{:.2}", self.a_row(*bytes)));
        let theirs = PROGRAMS.iter().map(|program| peer(program).unwrap_or_default());
        let cells: Vec<String> = ours.into_iter().chain(theirs).collect();
        format!("| {} | {} | {} |", self.name, self.rows, cells.join(" | "))
    }
}

/// Copies a folder with all that is in it.
pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Returns the bytes of the Parquet files below a folder.
fn archived(folder: &Path) -> u64 {
    let size = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        match path.extension() {
            Some(extension) if extension == "parquet" => path.metadata().unwrap().len(),
            _ if path.is_dir() => archived(&path),
            _ => 0,
        }
    };
    std::fs::read_dir(folder).unwrap().map(size).sum()
}

/// Lets others write barn's own answer: the same rows in the same order, without the columns of the folders.
fn write_by_others(sandbox: &Sandbox, python: &Path, (table, order): (&str, &str)) -> BTreeMap<String, u64> {
    sandbox.write("sizes.py", SCRIPT);
    let sql = format!("SELECT * FROM {table} ORDER BY {order}");
    sandbox.barn(["query", &sql, "--no-cache", "-o", "rows.parquet"]).ok();
    let columns: Vec<_> = order.split(", ").filter(|key| ["source", "timeframe"].contains(key)).collect();
    let mut command = sandbox.command(python);
    command.args(["sizes.py", "rows.parquet", &columns.join(",")]);
    serde_json::from_str(&sandbox.run(command, None).ok().stdout()).unwrap()
}
