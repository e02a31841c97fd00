//! Publishing: archived rows leave the hot store in the transaction that brings their files into the manifest.
//!
//! While a table is archived, triggers note the keys that any process writes. What was noted stays hot and, where
//! its key is in a file, becomes a correction: a hot row that stands in the place of the archived one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rusqlite::{Connection, ErrorCode};

use super::catalog::quoted;
use super::manifest::corrections_name;
use super::{ArchiveFile, Digest, Snapshot, Store};
use crate::model::{Column, Table};

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
    /// The series that were archived.
    pub series: Vec<i64>,
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
fn touched_name(table: &str) -> String {
    quoted(table, "_touched")
}

const TRIGGERS: [(&str, &str, &str); 3] =
    [("_on_insert", "INSERT", "new"), ("_on_update", "UPDATE", "new"), ("_on_delete", "DELETE", "old")];

impl Store {
    /// Begins to note what is written to a table.
    pub fn start_publishing(&mut self, table: &Table) -> Result<()> {
        self.change(|connection| {
            stop(connection, table)?;
            connection.execute_batch(&schema(table))?;
            connection.execute("INSERT INTO publishing VALUES (?1, '')", [&table.name])?;
            Ok(())
        })
        .with_context(|| format!("cannot prepare table '{}' for the archive", table.name))
    }

    /// Ends to note writes to a table, and forgets the files that were planned for it.
    pub fn stop_publishing(&mut self, table: &Table) -> Result<()> {
        self.change(|connection| stop(connection, table))
            .with_context(|| format!("cannot end the archiving of table '{}'", table.name))
    }

    /// Records the files that are about to get their places, so that they are found if nothing comes after.
    pub fn plan_files(&mut self, table: &Table, paths: &[&str]) -> Result<()> {
        self.change(|connection| {
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
        self.begin_patiently()?;
        let result = publish(&self.connection, snapshot, publication).with_context(cannot);
        match result {
            Ok(published) => {
                self.is_changed = true;
                self.commit()?;
                self.archived.forget();
                Ok(published)
            }
            Err(err) => {
                self.rollback()?;
                Err(err)
            }
        }
    }

    /// Returns the bytes that the database needs, and those of them that are free.
    pub fn database_bytes(&self) -> Result<(u64, u64)> {
        let number = |name: &str| -> Result<u64> {
            let value: i64 = self.connection.pragma_query_value(None, name, |row| row.get(0))?;
            Ok(u64::try_from(value)?)
        };
        let page = number("page_size")?;
        Ok((number("page_count")? * page, number("freelist_count")? * page))
    }

    /// Gives free pages back to the file system, where nobody else uses the database now.
    ///
    /// Returns whether it was done.
    pub fn vacuum(&mut self) -> Result<bool> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let done = self.connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);");
        self.connection.busy_timeout(super::open::BUSY)?;
        match done.map_err(|err| (err.sqlite_error_code(), err)) {
            Ok(()) => Ok(true),
            Err((Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull), _)) => Ok(false),
            Err((_, err)) => Err(err).context("cannot vacuum the store"),
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

    /// Runs a small change of the schema in a transaction of its own.
    fn change(&mut self, work: impl FnOnce(&Connection) -> Result<()>) -> Result<()> {
        self.begin_patiently()?;
        match work(&self.connection) {
            Ok(()) => self.commit(),
            Err(err) => {
                self.rollback()?;
                Err(err)
            }
        }
    }
}

fn is_busy(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    code == Some(ErrorCode::DatabaseBusy)
}

fn row_key(table: &Table) -> &'static [&'static str] {
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

fn stop(connection: &Connection, table: &Table) -> Result<()> {
    for (suffix, _, _) in TRIGGERS {
        connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {}", quoted(&table.name, suffix)))?;
    }
    connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", touched_name(&table.name)))?;
    connection.execute("DELETE FROM publishing WHERE table_name = ?1", [&table.name])?;
    Ok(())
}

fn publish(connection: &Connection, snapshot: &Snapshot, publication: &Publication<'_>) -> Result<Published> {
    let table = publication.table;
    check_triggers(connection, table)?;
    insert_manifest(connection, publication)?;
    let mut touched = touched_keys(connection, table)?;
    let mut corrected = corrected(snapshot, publication, &touched)?;
    if table.ticks {
        // Nothing stands in the place of a tick: what came before the snapshot is archived, and leaves.
        for (series, ts, seq) in corrected.drain(..) {
            if let Some(keys) = touched.get_mut(&series) {
                keys.remove(&(ts, seq));
            }
        }
        touched.retain(|_, keys| !keys.is_empty());
    } else {
        insert_corrections(connection, table, &corrected)?;
    }
    stop(connection, table)?;
    let deleted = if publication.is_all && touched.is_empty() {
        // Without a condition SQLite frees whole pages.
        connection.execute(&format!("DELETE FROM {}", quoted(&table.name, "_rows")), [])? as u64
    } else {
        delete(connection, snapshot, publication, &touched)?
    };
    let stayed = corrected.len() as u64;
    if deleted + stayed != publication.rows {
        bail!("{} rows were archived, but {deleted} were found to leave the store", publication.rows);
    }
    Ok(Published { deleted, touched: stayed })
}

/// Another process may have copied the table into wider columns, and the triggers are gone with the old one.
fn check_triggers(connection: &Connection, table: &Table) -> Result<()> {
    let names = TRIGGERS.map(|(suffix, _, _)| format!("{}{suffix}", table.name));
    let count: i64 = connection.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 AND name IN (?2, ?3, ?4)",
        [format!("{}_rows", table.name).as_str(), &names[0], &names[1], &names[2]],
        |row| row.get(0),
    )?;
    if count != 3 {
        bail!("another process changed the columns of the table meanwhile; the same command again goes on");
    }
    Ok(())
}

fn insert_manifest(connection: &Connection, publication: &Publication<'_>) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO manifest (path, table_name, dataset, version, rows, ts_min, ts_max, series_min, series_max,
                               bytes, blake3, blocks) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    for (file, digest) in &publication.files {
        insert.execute(rusqlite::params![
            file.path,
            file.table,
            file.dataset,
            file.version,
            i64::try_from(file.rows)?,
            file.ts_min,
            file.ts_max,
            file.series_min,
            file.series_max,
            i64::try_from(file.bytes)?,
            digest.blake3,
            digest.blocks,
        ])?;
    }
    let mut upsert = connection.prepare_cached(
        "INSERT INTO dataset VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET version = excluded.version, columns = excluded.columns",
    )?;
    for dataset in &publication.datasets {
        upsert.execute((&publication.table.name, &dataset.dataset, dataset.version, &dataset.columns))?;
    }
    Ok(())
}

/// The keys written since the triggers were there, by series: times, with the ordinals of ticks.
type Touched = BTreeMap<i64, BTreeSet<(i64, i64)>>;

fn touched_keys(connection: &Connection, table: &Table) -> Result<Touched> {
    let sql = format!("SELECT {} FROM {}", row_key(table).join(", "), touched_name(&table.name));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut touched = Touched::new();
    while let Some(row) = rows.next()? {
        let seq = if table.ticks { row.get(2)? } else { 0 };
        touched.entry(row.get(0)?).or_default().insert((row.get(1)?, seq));
    }
    Ok(touched)
}

/// Returns the touched keys of rows that are in the files: those that the snapshot had.
fn corrected(
    snapshot: &Snapshot,
    publication: &Publication<'_>,
    touched: &Touched,
) -> Result<Vec<(i64, i64, i64)>> {
    let table = publication.table;
    let archived: BTreeSet<i64> = publication.series.iter().copied().collect();
    let mut corrected = Vec::new();
    for (series, keys) in touched.iter().filter(|(series, _)| archived.contains(series)) {
        let before = |ts: &i64| publication.until.is_none_or(|until| *ts < until);
        for (ts, seq) in keys.iter().filter(|(ts, _)| before(ts)) {
            if snapshot.was_archived(table, *series, (*ts, *seq))? {
                corrected.push((*series, *ts, *seq));
            }
        }
    }
    Ok(corrected)
}

fn insert_corrections(connection: &Connection, table: &Table, keys: &[(i64, i64, i64)]) -> Result<()> {
    let mut insert = connection.prepare_cached(&format!(
        "INSERT OR IGNORE INTO {} VALUES (?1, ?2)",
        corrections_name(&table.name)
    ))?;
    keys.iter().try_for_each(|(series, ts, _)| insert.execute((series, ts)).map(drop))?;
    Ok(())
}

/// Deletes the archived rows that nobody touched.
fn delete(
    connection: &Connection,
    snapshot: &Snapshot,
    publication: &Publication<'_>,
    touched: &Touched,
) -> Result<u64> {
    let table = publication.table;
    let rows = quoted(&table.name, "_rows");
    let only_final = snapshot.final_condition(table);
    let mut range = connection
        .prepare(&format!("DELETE FROM {rows} WHERE series = ?1 AND ts BETWEEN ?2 AND ?3{only_final}"))?;
    let mut one = connection.prepare(&format!(
        "DELETE FROM {rows} WHERE series = ?1 AND ts = ?2{}",
        if table.ticks { " AND seq = ?3" } else { " AND ?3 = -1" }
    ))?;
    let last = publication.until.map_or(i64::MAX, |until| until.saturating_sub(1));
    let mut stay: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for (series, ts) in snapshot.corrections(&table.name)? {
        stay.entry(series).or_default().insert(ts);
    }
    for (series, keys) in touched {
        stay.entry(*series).or_default().extend(keys.iter().map(|(ts, _)| *ts));
    }
    let mut deleted = 0;
    for series in &publication.series {
        let mut from = i64::MIN;
        for &ts in stay.get(series).into_iter().flatten().take_while(|ts| **ts <= last) {
            if from < ts {
                deleted += range.execute((series, from, ts - 1))?;
            }
            // Of ticks of a touched time only those that were touched stay.
            if table.ticks {
                for seq in snapshot.ordinals(table, *series, ts)? {
                    if !touched.get(series).is_some_and(|keys| keys.contains(&(ts, seq))) {
                        deleted += one.execute((series, ts, seq))?;
                    }
                }
            }
            from = ts.saturating_add(1);
        }
        if from <= last {
            deleted += range.execute((series, from, last))?;
        }
    }
    Ok(deleted as u64)
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

    /// Returns the condition that a row can no longer change, with ` AND ` before it.
    fn final_condition(&self, table: &Table) -> &'static str {
        let is_final = |at: &usize| table.values.get(*at).is_some_and(Column::is_final);
        let has_final = self.present(&table.name).is_ok_and(|present| present.iter().any(is_final));
        if has_final { " AND \"final\" = 1" } else { "" }
    }

    /// Returns whether a row was there to be archived.
    fn was_archived(&self, table: &Table, series: i64, (ts, seq): (i64, i64)) -> Result<bool> {
        let seq_condition = if table.ticks { " AND seq = ?3" } else { " AND ?3 = 0" };
        let not_corrected = if table.ticks {
            String::new()
        } else {
            format!(
                " AND NOT EXISTS (SELECT 1 FROM {} WHERE series = ?1 AND ts = ?2)",
                corrections_name(&table.name)
            )
        };
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM {} WHERE series = ?1 AND ts = ?2{seq_condition}{}{not_corrected})",
            quoted(&table.name, "_rows"),
            self.final_condition(table)
        );
        self.with(|connection| {
            Ok(connection.prepare_cached(&sql)?.query_row((series, ts, seq), |row| row.get(0))?)
        })
    }

    /// Returns the ordinals of the ticks of a time.
    fn ordinals(&self, table: &Table, series: i64, ts: i64) -> Result<Vec<i64>> {
        let sql = format!("SELECT seq FROM {} WHERE series = ?1 AND ts = ?2", quoted(&table.name, "_rows"));
        self.with(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let ordinals = statement.query_map((series, ts), |row| row.get(0))?;
            Ok(ordinals.collect::<Result<_, _>>()?)
        })
    }
}
