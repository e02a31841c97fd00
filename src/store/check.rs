//! Whether `barn.db` is what barn wrote: what SQLite looks at, and what it does not.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _};

use super::catalog::{ENCODED, Stored, id_column, list, quoted};
use super::manifest::{self, corrections_name, has_table};
use super::sums::{self, ALL_ROWS, SUM};
use super::value::read_owned;
use super::{FILE, SeriesEntry, Snapshot, Store, open};
use crate::model::{SeriesKey, Table};

/// Findings of a check that are listed.
const FINDINGS: usize = 20;

/// How long sums of an older store are made at a time, a long series aside, and how long others have then for theirs.
const SUMMING: Duration = Duration::from_millis(200);

/// How much of the database is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Its pages and rows.
    Quick,
    /// Its indexes too.
    Full,
}

/// What is known of the hot rows of a table.
#[derive(Default)]
pub struct CheckedRows {
    /// Keys of series that changed, and rows of none: whatever is read of the table may be wrong.
    pub damage: Vec<String>,
    /// Corrections of rows that are not there.
    pub problems: Vec<String>,
    /// Series whose rows are not those that barn wrote.
    pub differing: Vec<SeriesEntry>,
    /// Whether there are series that have no sum yet.
    pub is_unsummed: bool,
}

/// A series with its sum.
struct Entry {
    series: SeriesEntry,
    sum: Option<i64>,
}

impl Store {
    /// Checks the database and returns what is wrong with it, in the words of SQLite.
    pub fn check(&self, checked: Checked) -> Result<Vec<String>> {
        let pragma = match checked {
            Checked::Quick => "quick_check",
            Checked::Full => "integrity_check",
        };
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare(&format!("PRAGMA {pragma}({FINDINGS})"))?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        match read() {
            // SQLite puts what it found in several lines behind the name of the database.
            Ok(found) => Ok(found
                .iter()
                .flat_map(|text| text.lines())
                .filter(|line| *line != "ok" && !line.starts_with("*** "))
                .take(FINDINGS)
                .map(str::to_owned)
                .collect()),
            Err(err) if err.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                Ok(vec![err.to_string()])
            }
            Err(err) => Err(err).with_context(|| format!("cannot check '{FILE}'")),
        }
    }

    /// Sums the entries of the manifest that have no sum yet, or all as they are now.
    pub fn sum_manifest(&mut self, has_all: bool) -> Result<()> {
        self.in_transaction(|store| {
            let mut set = store
                .connection
                .prepare_cached("UPDATE manifest SET sum = ?2 WHERE id = ?1 AND (?3 OR sum IS NULL)")?;
            for file in manifest::files(&store.connection, None)? {
                let sum = sums::of_file(&file, &manifest::digest(&store.connection, &file)?)?;
                set.execute((file.id, sum, has_all))?;
            }
            Ok(())
        })
        .context("cannot sum the manifest of the archive")
    }

    /// Sums the rows of the series of a table that have no sum yet, and those of the series `anew` as they are now;
    /// `go_on` is asked between them. A rollup with such series is to be made whole again.
    pub fn sum_rows(&mut self, table: &str, anew: &[i64], go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        let Some(stored) = self.catalog.get(table) else { return Ok(()) };
        let (id, series) = (id_column(&stored.table), quoted(table, "_series"));
        let set = format!("UPDATE {series} SET {SUM} = ?2 WHERE {id} = ?1");
        let forget = |store: &mut Self| {
            let mut set = store.connection.prepare_cached(&set)?;
            anew.iter().try_for_each(|series| set.execute((series, None::<i64>)).map(drop))?;
            drop(set);
            if anew.is_empty() { Ok(()) } else { store.unmake_rollup(table) }
        };
        let find =
            format!("SELECT {id} FROM {series} WHERE {SUM} IS NULL AND {id} > ?1 ORDER BY {id} LIMIT 1");
        let mut last = i64::MIN;
        let mut some = |store: &mut Self| {
            let hot = store.hot_rows(table)?;
            let (mut find, started) = (hot.connection.prepare_cached(&find)?, Instant::now());
            while started.elapsed() < SUMMING {
                let Some(series) = find.query_row([last], |row| row.get(0)).optional()? else {
                    return Ok(true);
                };
                let sum = sums::kept(sums::sum(hot.connection, hot.stored, series, ALL_ROWS)?)?;
                hot.connection.prepare_cached(&set)?.execute((series, sum))?;
                last = series;
            }
            Ok(false)
        };
        let mut sum_all = || -> Result<()> {
            self.in_transaction(forget)?;
            while !self.in_transaction(&mut some)? {
                go_on()?;
                // SQLite does not queue writers: one that waits looks again up to ten times a second.
                std::thread::sleep(SUMMING);
            }
            Ok(())
        };
        sum_all().with_context(|| format!("cannot sum the rows of table '{table}'"))
    }
}

impl Snapshot {
    /// Compares the entries of the manifest with their sums; returns the paths of those that differ, and whether one has
    /// none yet.
    pub fn check_manifest(&self) -> Result<(Vec<String>, bool)> {
        self.with(|connection| {
            let (mut differing, mut is_unsummed) = (Vec::new(), false);
            if open::user_version(connection)? < open::SUMS_VERSION {
                return Ok((differing, true));
            }
            let mut sum = connection.prepare_cached("SELECT sum FROM manifest WHERE id = ?1")?;
            for file in manifest::files(connection, None)? {
                let kept: Option<i64> = sum.query_row([file.id], |row| row.get(0))?;
                is_unsummed |= kept.is_none();
                let expected = sums::of_file(&file, &manifest::digest(connection, &file)?)?;
                if kept.is_some_and(|kept| kept != expected) {
                    differing.push(file.path);
                }
            }
            Ok((differing, is_unsummed))
        })
        .context("cannot check the manifest of the archive")
    }

    /// Compares the hot rows of a table with the sums of their series, and what else SQLite does not compare; `go_on` is
    /// asked before each series.
    pub fn check_rows(&self, table: &str, go_on: &(dyn Fn() -> Result<()> + Sync)) -> Result<CheckedRows> {
        let stored = self.stored(table)?;
        if !stored.exists {
            return Ok(CheckedRows::default());
        }
        let cannot = || format!("cannot check the rows of table '{table}'");
        let mut checked = CheckedRows::default();
        let entries =
            self.with(|connection| entries(connection, stored, &mut checked)).with_context(cannot)?;
        let differs = |entry: &Entry| -> Result<Option<SeriesEntry>> {
            let Some(kept) = entry.sum else { return Ok(None) };
            go_on()?;
            let rows = self.sum(table, entry.series.id, ALL_ROWS).with_context(cannot)?;
            Ok((kept != sums::kept(rows)?).then(|| entry.series.clone()))
        };
        let differing: Vec<Option<_>> = entries.par_iter().map(differs).collect::<Result<_>>()?;
        checked.differing = differing.into_iter().flatten().collect();
        Ok(checked)
    }
}

/// Returns the series of a table, and says what is wrong with them and what hangs on them.
fn entries(connection: &Connection, stored: &Stored, checked: &mut CheckedRows) -> Result<Vec<Entry>> {
    let (table, name) = (&stored.table, &stored.table.name);
    let sum = if open::user_version(connection)? < open::SUMS_VERSION { "NULL" } else { SUM };
    let mut statement = connection.prepare(&format!(
        "SELECT {} FROM {} ORDER BY {}",
        list(&format!("{}, {ENCODED}, {sum}", id_column(table)), &table.key),
        quoted(name, "_series"),
        id_column(table)
    ))?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, encoded, sum): (i64, Vec<u8>, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let columns = table.key.iter().enumerate();
        let key: Result<_> =
            columns.map(|(at, column)| read_owned(row.get_ref(at + 3)?, column.kind)).collect();
        match key.map(SeriesKey) {
            Ok(key) if key.encode() == encoded => {
                checked.is_unsummed |= sum.is_none();
                entries.push(Entry { series: SeriesEntry { id, key }, sum });
            }
            _ => checked
                .damage
                .push(format!("the key of series {id} in '{name}_series' is not its `{ENCODED}`")),
        }
    }
    lost(connection, table, checked)?;
    Ok(entries)
}

/// Looks for rows that belong to no series, and corrections that are none.
fn lost(connection: &Connection, table: &Table, checked: &mut CheckedRows) -> Result<()> {
    let (name, rows) = (&table.name, quoted(&table.name, "_rows"));
    let numbers = |sql: &str| -> Result<Vec<i64>> {
        let mut statement = connection.prepare(sql)?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    };
    // From one series to the next, each by a look-up.
    let homeless = numbers(&format!(
        "WITH RECURSIVE found(series) AS (
             SELECT min(series) FROM {rows}
             UNION ALL SELECT (SELECT min(series) FROM {rows} WHERE series > found.series) FROM found
             WHERE found.series IS NOT NULL)
         SELECT series FROM found
         WHERE series IS NOT NULL AND series NOT IN (SELECT {} FROM {}) LIMIT {FINDINGS}",
        id_column(table),
        quoted(name, "_series")
    ))?;
    let words = |number| format!("'{name}_rows' has rows of series {number}, which '{name}_series' has not");
    checked.damage.extend(homeless.into_iter().map(words));
    if has_table(connection, &format!("{name}_corrections"))? {
        let loose = numbers(&format!(
            "SELECT series FROM {} c WHERE NOT EXISTS
                 (SELECT 1 FROM {rows} r WHERE r.series = c.series AND r.ts = c.ts) LIMIT {FINDINGS}",
            corrections_name(name)
        ))?;
        let words = |number| {
            format!("'{name}_corrections' names a row of series {number}, which '{name}_rows' has not")
        };
        checked.problems.extend(loose.into_iter().map(words));
    }
    Ok(())
}
