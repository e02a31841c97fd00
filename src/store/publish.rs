//! Publishing: archived rows leave the hot store in the transaction that brings their files into the manifest.
//!
//! While a table is archived, triggers note the keys that any process writes. What was noted stays hot and, where
//! its key is in a file, becomes a correction: a hot row that stands in the place of the archived one.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rusqlite::{Connection, ErrorCode};

use super::catalog::quoted;
use super::manifest::corrections_name;
use super::{ArchiveFile, Digest, Snapshot, Store, leave};
use crate::model::Table;

/// The longest wait for another writer: a transaction of five million rows takes some seconds, one after the other
/// may keep us out for a while.
const PATIENCE: Duration = Duration::from_mins(10);

/// How the columns of a dataset lie in its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetRecord {
    /// The folders of the dataset.
    pub dataset: String,
    /// Grows with each change of a column's type.
    pub version: i64,
    /// The columns, as the archive writes them.
    pub columns: String,
}

/// What a publish makes true.
pub struct Publication<'a> {
    /// The table.
    pub table: &'a Table,
    /// The files, which lie at their places.
    pub files: Vec<(ArchiveFile, Digest)>,
    /// Their datasets.
    pub datasets: Vec<DatasetRecord>,
    /// The series that were archived, and the sums of their rows that were.
    pub series: Vec<(i64, u64)>,
    /// The first time that was not archived.
    pub until: Option<i64>,
    /// The rows in the files.
    pub rows: u64,
    /// Whether these were all rows of the table.
    pub is_all: bool,
}

/// What became of the archived rows in the hot store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Rows that left the hot store.
    pub deleted: u64,
    /// Rows that were written meanwhile and stay.
    pub touched: u64,
}

/// The names of what notes writes to a table.
pub(super) fn touched_name(table: &str) -> String {
    quoted(table, "_touched")
}

pub(super) const TRIGGERS: [(&str, &str, &str); 3] =
    [("_on_insert", "INSERT", "new"), ("_on_update", "UPDATE", "new"), ("_on_delete", "DELETE", "old")];

impl Store {
    /// Begins to note what is written to a table.
    pub fn start_publishing(&mut self, table: &Table) -> Result<()> {
        self.in_transaction(|store| {
            let connection = &store.connection;
            stop(connection, table)?;
            connection.execute_batch(&schema(table))?;
            connection.execute("INSERT INTO publishing VALUES (?1, '')", [&table.name])?;
            Ok(())
        })
        .with_context(|| format!("cannot prepare table '{}' for the archive", table.name))
    }

    /// Ends to note writes to a table, and forgets the files that were planned for it.
    pub fn stop_publishing(&mut self, table: &Table) -> Result<()> {
        self.in_transaction(|store| stop(&store.connection, table))
            .with_context(|| format!("cannot end the archiving of table '{}'", table.name))
    }

    /// Records the files that are about to get their places, so that they are found if nothing comes after.
    pub fn plan_files(&mut self, table: &Table, paths: &[&str]) -> Result<()> {
        self.in_transaction(|store| {
            let connection = &store.connection;
            let mut insert = connection.prepare_cached("INSERT INTO publishing VALUES (?1, ?2)")?;
            paths.iter().try_for_each(|path| insert.execute([&table.name, *path]).map(drop))?;
            Ok(())
        })
        .context("cannot record the files of the archive")
    }

    /// Returns the files that an earlier process planned and did not publish.
    pub fn unpublished(&self) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare(
            "SELECT path FROM publishing WHERE path <> '' AND path NOT IN (SELECT path FROM manifest)",
        )?;
        let paths = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>();
        paths.context("cannot read the manifest of the archive")
    }

    /// Forgets what an earlier process left when it was stopped.
    pub fn forget_unpublished(&mut self) -> Result<()> {
        let left: Vec<String> = {
            let mut statement = self.connection.prepare("SELECT DISTINCT table_name FROM publishing")?;
            statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        for name in left {
            if let Some(table) = self.table(&name).cloned() {
                self.stop_publishing(&table)?;
            }
        }
        Ok(())
    }

    /// Brings files into the manifest and takes their rows out of the hot store, in one durable transaction.
    ///
    /// Fails, and changes nothing, where the rows are not those that were archived.
    pub fn publish(&mut self, snapshot: &Snapshot, publication: &Publication<'_>) -> Result<Published> {
        let cannot = || format!("cannot publish the archive of table '{}'", publication.table.name);
        self.in_transaction(|store| {
            store.is_changed = true;
            let mut hot = store.hot_rows(&publication.table.name)?;
            leave::publish(&mut hot, snapshot, publication).with_context(cannot)
        })
    }

    /// Runs a change of the archive in a transaction of its own.
    pub(super) fn in_transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.begin_patiently()?;
        match work(self) {
            Ok(done) => {
                self.commit()?;
                self.archived.forget();
                Ok(done)
            }
            Err(err) => {
                self.rollback()?;
                Err(err)
            }
        }
    }

    /// Starts a transaction, however long another writer takes for a large file: what was archived meanwhile is worth
    /// the wait.
    fn begin_patiently(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            match self.begin() {
                Err(err) if is_busy(&err) && started.elapsed() < PATIENCE => {}
                result => return result,
            }
        }
    }
}

fn is_busy(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    code == Some(ErrorCode::DatabaseBusy)
}

pub(super) fn row_key(table: &Table) -> &'static [&'static str] {
    if table.ticks { &["series", "ts", "seq"] } else { &["series", "ts"] }
}

fn schema(table: &Table) -> String {
    let keys = row_key(table);
    let columns: Vec<_> = keys.iter().map(|key| format!("{key} INTEGER NOT NULL")).collect();
    let touched = touched_name(&table.name);
    let mut sql = format!(
        "CREATE TABLE {touched} ({}, PRIMARY KEY ({})) STRICT, WITHOUT ROWID;",
        columns.join(", "),
        keys.join(", ")
    );
    if !table.ticks {
        sql.push_str(&corrections_schema(&table.name));
    }
    for (suffix, event, row) in TRIGGERS {
        let values: Vec<_> = keys.iter().map(|key| format!("{row}.{key}")).collect();
        let same: Vec<_> = keys.iter().map(|key| format!("{key} = {row}.{key}")).collect();
        // Not OR IGNORE: within a trigger the rule of the statement that fired it would count.
        let trigger = format!(
            "CREATE TRIGGER {} AFTER {event} ON {} BEGIN
                 INSERT INTO {touched} SELECT {} WHERE NOT EXISTS (SELECT 1 FROM {touched} WHERE {});
             END;",
            quoted(&table.name, suffix),
            quoted(&table.name, "_rows"),
            values.join(", "),
            same.join(" AND ")
        );
        sql.push_str(&trigger);
    }
    sql
}

fn corrections_schema(table: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (series INTEGER NOT NULL, ts INTEGER NOT NULL, PRIMARY KEY (series, ts))
         STRICT, WITHOUT ROWID;",
        corrections_name(table)
    )
}

pub(super) fn stop(connection: &Connection, table: &Table) -> Result<()> {
    for (suffix, _, _) in TRIGGERS {
        connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {}", quoted(&table.name, suffix)))?;
    }
    connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", touched_name(&table.name)))?;
    connection.execute("DELETE FROM publishing WHERE table_name = ?1", [&table.name])?;
    Ok(())
}

impl Snapshot {
    /// Returns how the columns of a dataset lie in its newest files.
    pub fn dataset(&self, table: &str, dataset: &str) -> Result<Option<DatasetRecord>> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT version, columns FROM dataset WHERE table_name = ?1 AND dataset = ?2",
            )?;
            let mut rows = statement.query([table, dataset])?;
            Ok(match rows.next()? {
                Some(row) => Some(DatasetRecord {
                    dataset: dataset.to_owned(),
                    version: row.get(0)?,
                    columns: row.get(1)?,
                }),
                None => None,
            })
        })
        .with_context(|| format!("cannot read the dataset '{dataset}' of table '{table}'"))
    }
}
