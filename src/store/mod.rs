//! The hot store `barn.db`: its schema, its catalogue of tables, writing and reading rows. No other
//! module names rusqlite for it.

mod batch;
mod catalog;
mod changes;
mod check;
mod config;
mod indexes;
mod insert;
mod late;
mod leave;
mod ledger;
mod maintain;
mod manifest;
mod open;
mod publish;
mod read;
mod reject;
mod replace;
mod rollup;
mod sums;
#[cfg(test)]
mod tests;
mod ticks;
mod value;
mod wanted;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rusqlite::Connection;

pub use batch::Input;
pub use check::{Checked, CheckedRows};
pub use config::{CONFIG, Retention, read_config, read_retention};
pub use indexes::{IndexTrial, KeepIndex};
pub use late::{Archive, Found, Search, Wanted};
pub use ledger::{Coverage, LedgerKey, State};
pub use maintain::Vacuumed;
pub use manifest::{ArchiveFile, Digest};
use open::FILE;
pub use publish::{DatasetRecord, Publication, Published};
pub use read::{Field, Resume, Row, Scan, SeriesEntry, Snapshot};
pub use reject::{Keep, Origin, StoredReject};
pub use replace::{KnownFiles, Leaving, Replaced, Replacement};
pub use rollup::{Change, MadeRollup};
pub use sums::RowHash;

use crate::frame::Frame;
use crate::model::{SeriesKey, Table};
use catalog::Catalog;
use sums::Sums;

/// A store open for writing.
pub struct Store {
    root: PathBuf,
    connection: Connection,
    catalog: Catalog,
    series: SeriesNumbers,
    /// What the open transaction changed in the sums of series.
    sums: Sums,
    /// Changes when another process has written.
    data_version: i64,
    /// Whether the open transaction changed anything.
    is_changed: bool,
    archived: late::Archived,
}

impl Store {
    /// Opens the store at `root` for writing, and makes it where there is none.
    pub fn open(root: &Path) -> Result<Self> {
        Self::with(root, open::open_writer(root)?)
    }

    /// Opens the store at `root` to look into it: nothing can be written, and no file changes.
    pub fn open_to_read(root: &Path) -> Result<Self> {
        Self::with(root, open::open_reader(root)?)
    }

    /// Opens what would be the store at `root` if it were made now: with its `barn.toml`, and without a trace.
    pub fn open_unkept(root: &Path) -> Result<Self> {
        Self::with(root, open::open_unkept(root)?)
    }

    fn with(root: &Path, connection: Connection) -> Result<Self> {
        let mut store = Self {
            root: root.to_owned(),
            connection,
            catalog: Catalog::default(),
            series: SeriesNumbers::default(),
            sums: Sums::default(),
            data_version: 0,
            is_changed: false,
            archived: late::Archived::default(),
        };
        store.reload()?;
        Ok(store)
    }

    /// Gives the writer the archive, with which late rows are compared.
    pub fn attach(&mut self, archive: Box<dyn Archive>) {
        self.archived.archive = Some(archive);
    }

    /// Returns whether there is a store at `root`.
    pub fn exists(root: &Path) -> bool {
        root.join(FILE).exists()
    }

    /// Returns a table by name, whether it has rows or not.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.catalog.get(name).map(|stored| &stored.table)
    }

    /// Returns whether rows were ever stored in a table.
    pub fn has_table(&self, name: &str) -> bool {
        self.catalog.get(name).is_some_and(|stored| stored.exists)
    }

    /// Returns whether the types of a table's columns are given, by barn or by `barn.toml`.
    pub fn is_declared(&self, name: &str) -> bool {
        self.catalog.is_declared(name)
    }

    /// Returns the names of all tables.
    pub fn table_names(&self) -> Vec<&str> {
        self.catalog.tables().map(|stored| stored.table.name.as_str()).collect()
    }

    /// Brings the journal into the database file, as far as no reader needs it, so that other programs
    /// find one small file.
    pub fn close(self) -> Result<()> {
        let cannot = || format!("cannot close store '{}'", self.root.display());
        // Nothing waits for a reader here: the next command brings the journal in.
        self.connection.busy_timeout(std::time::Duration::ZERO).with_context(cannot)?;
        let mut statement =
            self.connection.prepare("PRAGMA wal_checkpoint(TRUNCATE)").with_context(cannot)?;
        // The answer says whether a reader was in the way, which is no error.
        statement.query_row([], |_| Ok(())).with_context(cannot)
    }

    /// Reads the catalogue again and forgets what was remembered of the rows.
    fn reload(&mut self) -> Result<()> {
        self.archived.forget();
        self.sums.clear();
        let explain = |err| open::explain(err, &self.root);
        // The version first: what is written in between makes the next transaction read again.
        let version = self.read_data_version().map_err(explain)?;
        let catalog = Catalog::load(&self.connection, &self.root).map_err(explain)?;
        (self.data_version, self.catalog, self.series) = (version, catalog, SeriesNumbers::default());
        Ok(())
    }

    fn read_data_version(&self) -> Result<i64> {
        Ok(self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }
}

/// Stands for a series without rows; SQLite counts from 1.
const NO_SERIES: i64 = 0;

/// The numbers of the series met so far, by table and encoded key.
#[derive(Default)]
struct SeriesNumbers(BTreeMap<String, HashMap<Vec<u8>, i64>>);

impl SeriesNumbers {
    /// Returns the numbers of `keys`, giving new ones to new series, and whether any was new.
    fn intern(&mut self, connection: &Connection, table: &Table, frame: &Frame) -> Result<(Vec<i64>, bool)> {
        let known = self.0.entry(table.name.clone()).or_default();
        let series = catalog::quoted(&table.name, "_series");
        let mut is_new = false;
        let mut has_rows = vec![false; frame.keys().len()];
        frame.series().iter().for_each(|at| has_rows[*at as usize] = true);
        let mut numbers = Vec::with_capacity(frame.keys().len());
        for (key, has_rows) in frame.keys().iter().zip(has_rows) {
            if !has_rows {
                // All its rows were rejected.
                numbers.push(NO_SERIES);
                continue;
            }
            let encoded = key.encode();
            if let Some(&number) = known.get(&encoded) {
                numbers.push(number);
                continue;
            }
            let mut find = connection.prepare_cached(&format!(
                "SELECT {} FROM {series} WHERE {} = ?1",
                catalog::id_column(table),
                catalog::ENCODED
            ))?;
            let number = if let Some(row) = find.query([&encoded])?.next()? {
                row.get(0)?
            } else {
                is_new = true;
                insert_series(connection, table, &encoded, key)?
            };
            known.insert(encoded, number);
            numbers.push(number);
        }
        Ok((numbers, is_new))
    }
}

fn insert_series(connection: &Connection, table: &Table, encoded: &[u8], key: &SeriesKey) -> Result<i64> {
    let mut insert = connection.prepare_cached(&format!(
        "INSERT INTO {} ({}) VALUES (?1, 0{})",
        catalog::quoted(&table.name, "_series"),
        catalog::list(&format!("{}, {}", catalog::ENCODED, sums::SUM), &table.key),
        ", ?".repeat(table.key.len()),
    ))?;
    insert.raw_bind_parameter(1, encoded)?;
    for (at, value) in key.0.iter().enumerate() {
        insert.raw_bind_parameter(at + 2, value::Bind(value.as_ref()))?;
    }
    insert.raw_execute()?;
    Ok(connection.last_insert_rowid())
}
