//! An index on the time of a table's rows, for tables of many series that are asked by time alone.
//!
//! Rows lie in the order of series and time, so that a query of a time without a series looks into each series. With
//! the index it looks only into those that have a row then.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rusqlite::{Connection, OptionalExtension as _};

use super::catalog::quoted;
use super::{Snapshot, Store, manifest};
use crate::model::Table;

/// How often a look is measured; the fastest counts.
const TRIES: usize = 3;

/// What an index would do, or did.
#[derive(Clone, Debug)]
pub struct IndexTrial {
    /// The time that finding the rows takes without it.
    pub without: Duration,
    /// The time with it.
    pub with: Duration,
    /// How SQLite finds them without it.
    pub plan_without: String,
    /// How SQLite finds them with it.
    pub plan_with: String,
    /// Whether the index is there now.
    pub is_kept: bool,
}

fn index_name(table: &str) -> String {
    quoted(table, "_by_ts")
}

pub(super) fn has_index(connection: &Connection, table: &str) -> Result<bool> {
    manifest::has(connection, "index", &format!("{table}_by_ts"))
}

/// Returns the statement that makes the index.
pub(super) fn index_sql(table: &str) -> String {
    format!("CREATE INDEX {} ON {} (ts);", index_name(table), quoted(table, "_rows"))
}

/// Returns the statement that finds the series with rows in a time.
fn series_sql(table: &str) -> String {
    format!(
        "SELECT series FROM {} INDEXED BY {} WHERE ts BETWEEN ?1 AND ?2 LIMIT ?3",
        quoted(table, "_rows"),
        index_name(table)
    )
}

/// Returns the statement that looks into one series.
fn rows_sql(table: &str) -> String {
    format!("SELECT count(*) FROM {} WHERE series = ?1 AND ts BETWEEN ?2 AND ?3", quoted(table, "_rows"))
}

impl Snapshot {
    /// Returns whether a table has an index on time.
    pub fn has_time_index(&self, table: &str) -> Result<bool> {
        self.with(|connection| has_index(connection, table))
    }

    /// Returns the series that have rows from `first` to `last`, where an index says so with at most `most` entries
    /// looked at.
    pub fn series_within(
        &self,
        table: &str,
        (first, last): (i64, i64),
        most: usize,
    ) -> Result<Option<BTreeSet<i64>>> {
        self.with(|connection| {
            if !has_index(connection, table)? {
                return Ok(None);
            }
            series_within(connection, table, (first, last), most)
        })
        .with_context(|| format!("cannot read table '{table}'"))
    }
}

fn series_within(
    connection: &Connection,
    table: &str,
    (first, last): (i64, i64),
    most: usize,
) -> Result<Option<BTreeSet<i64>>> {
    let mut statement = connection.prepare_cached(&series_sql(table))?;
    let mut rows = statement.query((first, last, i64::try_from(most)?))?;
    let (mut series, mut entries) = (BTreeSet::new(), 0);
    while let Some(row) = rows.next()? {
        entries += 1;
        series.insert(row.get(0)?);
    }
    Ok((entries < most).then_some(series))
}

impl Store {
    /// Makes an index on the time of a table, measures what finding the rows of some times takes without it and with
    /// it, and takes it back unless it makes that at least `least` times as fast and `keep` says so.
    pub fn try_time_index(
        &mut self,
        table: &Table,
        ranges: &[(i64, i64)],
        (least, keep): (u32, KeepIndex),
    ) -> Result<IndexTrial> {
        let cannot = || format!("cannot try an index on table '{}'", table.name);
        self.begin()?;
        let tried = try_index(&self.connection, table, ranges).with_context(cannot);
        match tried {
            Ok(mut trial) if keep == KeepIndex::Yes && trial.helps(least) => {
                self.commit()?;
                trial.is_kept = true;
                Ok(trial)
            }
            tried => {
                self.rollback()?;
                tried
            }
        }
    }

    /// Removes the index on the time of a table.
    pub fn drop_time_index(&mut self, table: &Table) -> Result<()> {
        let sql = format!("DROP INDEX IF EXISTS {}", index_name(&table.name));
        self.in_transaction(|store| Ok(store.connection.execute_batch(&sql)?))
            .with_context(|| format!("cannot drop the index of table '{}'", table.name))
    }
}

/// Whether an index that helps stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepIndex {
    /// It stays.
    Yes,
    /// It is only measured.
    No,
}

impl IndexTrial {
    /// Returns whether the index makes it at least so many times as fast.
    pub fn helps(&self, least: u32) -> bool {
        self.with.saturating_mul(least) <= self.without
    }
}

fn try_index(connection: &Connection, table: &Table, ranges: &[(i64, i64)]) -> Result<IndexTrial> {
    let all = all_series(connection, table)?;
    let without = fastest(|| look(connection, table, ranges, &|_| Ok(all.clone())))?;
    let plan_without = plan(connection, &rows_sql(&table.name))?;
    connection.execute_batch(&index_sql(&table.name))?;
    let found =
        |range| Ok(series_within(connection, &table.name, range, usize::MAX >> 1)?.unwrap_or_default());
    let with = fastest(|| look(connection, table, ranges, &found))?;
    let plan_with = plan(connection, &series_sql(&table.name))?;
    Ok(IndexTrial { without, with, plan_without, plan_with, is_kept: false })
}

fn all_series(connection: &Connection, table: &Table) -> Result<BTreeSet<i64>> {
    let id = super::catalog::id_column(table);
    let mut statement =
        connection.prepare(&format!("SELECT {id} FROM {}", quoted(&table.name, "_series")))?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Looks for the rows of each time in the series that may have them.
fn look(
    connection: &Connection,
    table: &Table,
    ranges: &[(i64, i64)],
    series: &dyn Fn((i64, i64)) -> Result<BTreeSet<i64>>,
) -> Result<()> {
    let mut count = connection.prepare_cached(&rows_sql(&table.name))?;
    for &(first, last) in ranges {
        for series in series((first, last))? {
            count.query_row((series, first, last), |row| row.get::<_, i64>(0))?;
        }
    }
    Ok(())
}

fn fastest(work: impl Fn() -> Result<()>) -> Result<Duration> {
    let mut fastest = Duration::MAX;
    for _ in 0..TRIES {
        let started = Instant::now();
        work()?;
        fastest = fastest.min(started.elapsed());
    }
    Ok(fastest)
}

/// Returns how SQLite runs a statement, in its own words.
fn plan(connection: &Connection, sql: &str) -> Result<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let detail = statement.query_row([0, 0, 0], |row| row.get(3)).optional()?;
    Ok(detail.unwrap_or_default())
}
