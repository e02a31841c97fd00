//! The records of rollups: which there are, by which definition each was made, and up to which change.
//!
//! What is noted hangs on the store alone and not on `barn.toml`, which may change at any time: a rollup is entered
//! before the first look at its source, and every transaction that begins after that notes what it changes.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use rusqlite::Connection;

use super::catalog::{Catalog, ENCODED, id_column, quoted};
use super::config::CONFIG;
use super::manifest::{corrections_name, has_table};
use super::{Snapshot, Store, changes};
use crate::error::Failure;
use crate::model::{Column, ColumnType, Rollup, SeriesKey, Span, Table};

/// Stands for the last change seen where not all buckets were made yet.
const UNMADE: i64 = -1;

/// Stands for it where the rollup is no longer declared: its rows stay, nothing is noted for it.
const RETIRED: i64 = -2;

/// A rollup that was made, or is about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeRollup {
    /// The definition it is made by, as [`Rollup::definition`] writes it.
    pub definition: String,
    /// The table it is made of.
    pub from: String,
    seen: i64,
}

impl MadeRollup {
    /// Returns the last change that went into it; `None` where it has to be made whole.
    pub fn seen(&self) -> Option<i64> {
        (self.seen > UNMADE).then_some(self.seen)
    }

    /// Returns whether it is no longer declared, and this is known.
    pub fn is_retired(&self) -> bool {
        self.seen == RETIRED
    }
}

/// What is needed here of a definition.
#[derive(serde::Deserialize)]
struct Definition {
    from: String,
}

/// The rollups of a store.
#[derive(Default)]
pub(super) struct Rollups {
    declared: BTreeMap<String, Rollup>,
    made: BTreeMap<String, MadeRollup>,
}

impl Rollups {
    pub(super) fn load(connection: &Connection, declared: BTreeMap<String, Rollup>) -> Result<Self> {
        Ok(Self { declared, made: read(connection)? })
    }

    /// Refuses a declared rollup that has the name of a table which is none.
    pub(super) fn refuse_collision(&self, is_table: impl Fn(&str) -> bool) -> Result<()> {
        match self.declared.keys().find(|name| is_table(name) && !self.made.contains_key(*name)) {
            Some(name) => Err(Failure::usage(format!(
                "cannot use rollup '{name}' of '{CONFIG}': there is a table of that name"
            ))
            .into()),
            None => Ok(()),
        }
    }

    /// Returns whether changes of a table are noted.
    pub(super) fn is_source(&self, table: &str) -> bool {
        self.made.values().any(|made| made.from == table && made.seen != RETIRED)
    }

    /// Returns what a table is made of, if it is made of another.
    fn source_of(&self, table: &str) -> Option<&str> {
        let declared = self.declared.get(table).map(Rollup::from);
        declared.or_else(|| self.made.get(table).map(|made| made.from.as_str()))
    }

    /// Returns the last change of a table that no rollup needs any more.
    fn used(&self, table: &str) -> i64 {
        let of_table = self.made.values().filter(|made| made.from == table && made.seen != RETIRED);
        of_table.map(|made| made.seen).min().unwrap_or(i64::MAX)
    }
}

fn read(connection: &Connection) -> Result<BTreeMap<String, MadeRollup>> {
    let mut made = BTreeMap::new();
    // A store of an older format that cannot be written has none.
    if !has_table(connection, "rollup")? {
        return Ok(made);
    }
    let mut statement = connection.prepare_cached("SELECT name, definition, seen FROM rollup")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (name, definition): (String, String) = (row.get(0)?, row.get(1)?);
        let Definition { from } = serde_json::from_str(&definition)
            .with_context(|| format!("cannot read the definition of rollup '{name}'"))?;
        made.insert(name, MadeRollup { definition, from, seen: row.get(2)? });
    }
    Ok(made)
}

impl Store {
    /// Fails for a table that is made of another: its rows come from there alone.
    pub fn check_writable(&self, table: &str) -> Result<()> {
        match self.rollup_source(table) {
            Some(source) => {
                Err(Failure::usage(format!("cannot write to table '{table}': it is made of '{source}'"))
                    .into())
            }
            None => Ok(()),
        }
    }

    /// Returns what a table is made of, if it is made of another.
    pub fn rollup_source(&self, table: &str) -> Option<&str> {
        self.catalog.rollups.source_of(table)
    }

    /// Enters a rollup that is about to be made whole, and gives it a table of these columns; within a transaction.
    ///
    /// Rows that were made by another definition, or do not fit the columns, are deleted. What is written from here on
    /// is noted.
    pub fn start_rollup(&mut self, rollup: &Rollup, table: &Table) -> Result<()> {
        let Self { connection, catalog, series, sums, .. } = self;
        let name = rollup.name.as_str();
        let known = catalog.rollups.made.get(name);
        let is_same = known.is_some_and(|known| known.definition == rollup.definition());
        let fits = catalog.get(name).map(|stored| fits(&stored.table, table));
        if fits == Some(false) {
            drop_table(connection, name)?;
            sums.forget(name);
            catalog.remove(name);
            series.0.remove(name);
        } else if fits == Some(true) && !is_same {
            connection.execute(&format!("DELETE FROM {}", quoted(name, "_rows")), [])?;
            sums.empty(connection, name)?;
        }
        if fits == Some(false) || !is_same {
            forget_dependents(connection, &catalog.rollups, name)?;
        }
        self.is_changed = true;
        catalog.define(connection, table)?;
        connection.execute(
            "INSERT INTO rollup VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET definition = excluded.definition, seen = excluded.seen",
            (name, rollup.definition(), UNMADE),
        )?;
        catalog.rollups.made = read(connection)?;
        Ok(())
    }

    /// Records the last change that went into a rollup, and forgets changes that nobody needs any more; within a
    /// transaction.
    pub fn finish_rollup(&mut self, rollup: &Rollup, seen: i64) -> Result<()> {
        self.connection.execute("UPDATE rollup SET seen = ?2 WHERE name = ?1", (&rollup.name, seen))?;
        self.forget_used(rollup.from())
    }

    /// Ends to note changes for rollups that are no longer declared; within a transaction.
    pub fn retire_rollups(&mut self) -> Result<()> {
        let rollups = &self.catalog.rollups;
        let gone = rollups.made.iter().filter(|(name, _)| !rollups.declared.contains_key(*name));
        let gone: Vec<_> = gone.map(|(name, made)| (name.clone(), made.from.clone())).collect();
        for (name, from) in gone {
            self.connection.execute("UPDATE rollup SET seen = ?2 WHERE name = ?1", (&name, RETIRED))?;
            self.forget_used(&from)?;
        }
        Ok(())
    }

    /// Has a rollup made whole again.
    pub(super) fn unmake_rollup(&mut self, name: &str) -> Result<()> {
        let sql = "UPDATE rollup SET seen = ?2 WHERE name = ?1 AND seen > ?2";
        self.connection.execute(sql, (name, UNMADE))?;
        self.catalog.rollups.made = read(&self.connection)?;
        Ok(())
    }

    fn forget_used(&mut self, source: &str) -> Result<()> {
        self.catalog.rollups.made = read(&self.connection)?;
        let used = self.catalog.rollups.used(source);
        self.connection.execute("DELETE FROM changes WHERE table_name = ?1 AND id <= ?2", (source, used))?;
        Ok(())
    }

    /// Notes that rows of a series of a table were changed or deleted within a span; within a transaction.
    ///
    /// [`Store::write`] does so by itself. Rows that only move into the archive do not change. Tables that no rollup
    /// is made of are passed over.
    pub fn note_change(&mut self, table: &str, series: i64, span: Span) -> Result<()> {
        if self.catalog.rollups.is_source(table) {
            changes::note(&self.connection, table, &[(series, span)])?;
        }
        Ok(())
    }

    /// Deletes the rows of a rollup's series within a span whose times are not to be kept; within a transaction.
    ///
    /// Returns how many there were.
    pub fn delete_rollup_rows(
        &mut self,
        table: &str,
        key: &SeriesKey,
        span: Span,
        keep: &dyn Fn(i64) -> bool,
    ) -> Result<u64> {
        let Some(series) = find_series(&self.connection, &self.catalog, table, key)? else { return Ok(0) };
        let rows = quoted(table, "_rows");
        let times: Vec<i64> = {
            let sql = format!("SELECT ts FROM {rows} WHERE series = ?1 AND ts >= ?2 AND ts < ?3");
            let mut statement = self.connection.prepare_cached(&sql)?;
            let times = statement.query_map((series, span.start, span.stop), |row| row.get(0))?;
            times
                .filter(|ts| ts.as_ref().is_ok_and(|ts| !keep(*ts)) || ts.is_err())
                .collect::<Result<_, _>>()?
        };
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return Ok(0) };
        let mut hot = self.hot_rows(table)?;
        times.iter().try_for_each(|ts| hot.delete(series, ("ts = ?2", &[*ts])).map(drop))?;
        self.is_changed = true;
        self.note_change(table, series, Span { start: *first, stop: last.saturating_add(1) })?;
        Ok(times.len() as u64)
    }
}

fn find_series(
    connection: &Connection,
    catalog: &Catalog,
    table: &str,
    key: &SeriesKey,
) -> Result<Option<i64>> {
    let Some(stored) = catalog.get(table).filter(|stored| stored.exists) else { return Ok(None) };
    let mut find = connection.prepare_cached(&format!(
        "SELECT {} FROM {} WHERE {ENCODED} = ?1",
        id_column(&stored.table),
        quoted(table, "_series")
    ))?;
    let mut rows = find.query([key.encode()])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

/// Returns whether the rows of a table stay what they are when it gets the columns of another: more of them, or
/// doubles for whole numbers.
fn fits(stored: &Table, wanted: &Table) -> bool {
    let is_kept = |(stored, wanted): (&Column, &Column)| {
        let is_wider = (stored.kind, wanted.kind) == (ColumnType::Bigint, ColumnType::Double);
        stored.name == wanted.name && (stored.kind == wanted.kind || is_wider)
    };
    stored.key == wanted.key
        && stored.values.len() <= wanted.values.len()
        && stored.values.iter().zip(&wanted.values).all(is_kept)
}

fn drop_table(connection: &Connection, name: &str) -> Result<()> {
    let archived: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM manifest WHERE table_name = ?1)",
        [name],
        |row| row.get(0),
    )?;
    if archived {
        bail!("table '{name}' has rows in the archive, and a rollup has none there");
    }
    connection.execute_batch(&format!(
        "DROP VIEW IF EXISTS {}; DROP TABLE IF EXISTS {}; DROP TABLE IF EXISTS {}; DROP TABLE IF EXISTS {}",
        quoted(name, "_hot"),
        quoted(name, "_rows"),
        quoted(name, "_series"),
        corrections_name(name),
    ))?;
    connection.execute("DELETE FROM catalog WHERE name = ?1", [name])?;
    Ok(())
}

/// Has the rollups that are made of a table made whole again.
fn forget_dependents(connection: &Connection, rollups: &Rollups, name: &str) -> Result<()> {
    for (other, _) in rollups.made.iter().filter(|(_, made)| made.from == name && made.seen > UNMADE) {
        connection.execute("UPDATE rollup SET seen = ?2 WHERE name = ?1", (other, UNMADE))?;
    }
    Ok(())
}

/// Rows of a series that changed within a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The number of the series.
    pub series: i64,
    /// From the first row that changed to behind the last.
    pub span: Span,
}

impl Snapshot {
    /// Returns the rollups that `barn.toml` declares.
    pub fn rollups(&self) -> &BTreeMap<String, Rollup> {
        &self.catalog.rollups.declared
    }

    /// Returns the rollups that were made, or are about to be.
    pub fn made_rollups(&self) -> &BTreeMap<String, MadeRollup> {
        &self.catalog.rollups.made
    }

    /// Returns what a table is made of, if it is made of another.
    pub fn rollup_source(&self, table: &str) -> Option<&str> {
        self.catalog.rollups.source_of(table)
    }

    /// Returns whether a table changed behind the change `seen`.
    pub fn has_changes(&self, table: &str, seen: i64) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM changes WHERE table_name = ?1 AND id > ?2)";
        self.with(|connection| {
            Ok(connection.prepare_cached(sql)?.query_row((table, seen), |row| row.get(0))?)
        })
    }

    /// Returns what changed in a table behind the change `seen`.
    pub fn changes(&self, table: &str, seen: i64) -> Result<Vec<Change>> {
        let sql = "SELECT series, start, stop FROM changes WHERE table_name = ?1 AND id > ?2";
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let changes = statement.query_map((table, seen), |row| {
                Ok(Change { series: row.get(0)?, span: Span { start: row.get(1)?, stop: row.get(2)? } })
            })?;
            Ok(changes.collect::<Result<_, _>>()?)
        })
        .with_context(|| format!("cannot read what changed in table '{table}'"))
    }

    /// Returns the number of the last change of all tables, 0 where nothing is noted.
    pub fn last_change(&self) -> Result<i64> {
        let sql = "SELECT coalesce(max(id), 0) FROM changes";
        self.with(|connection| Ok(connection.query_row(sql, [], |row| row.get(0))?))
    }
}
