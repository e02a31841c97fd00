//! Whether `barn.db` is what barn wrote: what SQLite looks at, and what it does not.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _};

use super::catalog::{ENCODED, Stored, id_column, list, quoted};
use super::manifest::{self, corrections_name, has_table};
use super::sums::{self, SUM};
use super::value::read_owned;
use super::{FILE, SeriesEntry, Snapshot, Store, open};
use crate::model::SeriesKey;

/// Findings of a check that are listed.
const FINDINGS: usize = 20;

/// How long others wait for the sums of an older store's series at a time, a long series aside.
const SUMMING: Duration = Duration::from_millis(500);

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
    /// What is wrong with its series and its corrections.
    pub problems: Vec<String>,
    /// Series whose rows are not those that barn wrote.
    pub differing: Vec<SeriesEntry>,
    /// Whether there are series that have no sum yet.
    pub is_unsummed: bool,
}

/// A series as the database has it.
struct Entry {
    series: SeriesEntry,
    encoded: Vec<u8>,
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

    /// Sums the entries of the manifest that have no sum yet.
    pub fn sum_manifest(&mut self) -> Result<()> {
        self.in_transaction(|store| {
            let mut set = store
                .connection
                .prepare_cached("UPDATE manifest SET sum = ?2 WHERE id = ?1 AND sum IS NULL")?;
            for file in manifest::files(&store.connection, None)? {
                let sum = sums::of_file(&file, &manifest::digest(&store.connection, &file)?)?;
                set.execute((file.id, sum))?;
            }
            Ok(())
        })
        .context("cannot sum the manifest of the archive")
    }

    /// Sums the rows of the series of a table that have no sum yet, and those of the series `anew` as they are now;
    /// `go_on` is asked between them.
    pub fn sum_rows(&mut self, table: &str, anew: &[i64], go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        let (Some(stored), series) = (self.catalog.get(table), quoted(table, "_series")) else {
            return Ok(());
        };
        let id = id_column(&stored.table);
        let find = format!("SELECT {id} FROM {series} WHERE {SUM} IS NULL LIMIT 1");
        let set = format!("UPDATE {series} SET {SUM} = ?2 WHERE {id} = ?1");
        self.in_transaction(|store| {
            let mut set = store.connection.prepare_cached(&set)?;
            anew.iter().try_for_each(|series| set.execute((series, None::<i64>)).map(drop))?;
            Ok(())
        })
        .and_then(|()| {
            let mut is_done = false;
            while !is_done {
                go_on()?;
                is_done = self.in_transaction(|store| {
                    let hot = store.hot_rows(table)?;
                    let (mut find, started) = (hot.connection.prepare_cached(&find)?, Instant::now());
                    while started.elapsed() < SUMMING {
                        let Some(series) = find.query_row([], |row| row.get(0)).optional()? else {
                            return Ok(true);
                        };
                        let sum = sums::kept(sums::sum(hot.connection, hot.stored, series, ("TRUE", &[]))?)?;
                        hot.connection.prepare_cached(&set)?.execute((series, sum))?;
                    }
                    Ok(false)
                })?;
            }
            Ok(())
        })
        .with_context(|| format!("cannot sum the rows of table '{table}'"))
    }
}

impl Snapshot {
    /// Compares the entries of the manifest with their sums; `None` where one has none yet.
    pub fn check_manifest(&self) -> Result<Option<Vec<String>>> {
        self.with(|connection| {
            if open::user_version(connection)? < open::SUMS_VERSION {
                return Ok(None);
            }
            let mut sum = connection.prepare_cached("SELECT sum FROM manifest WHERE id = ?1")?;
            let mut problems = Vec::new();
            for file in manifest::files(connection, None)? {
                let Some(kept) = sum.query_row([file.id], |row| row.get::<_, Option<i64>>(0))? else {
                    return Ok(None);
                };
                if kept != sums::of_file(&file, &manifest::digest(connection, &file)?)? {
                    problems.push(format!(
                        "'{}': its entry in the manifest is not the one that barn wrote",
                        file.path
                    ));
                }
            }
            Ok(Some(problems))
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
        let has_sums = self.with(|connection| Ok(open::user_version(connection)? >= open::SUMS_VERSION))?;
        let cannot = || format!("cannot check the rows of table '{table}'");
        let entries = self.with(|connection| entries(connection, stored, has_sums)).with_context(cannot)?;
        let mut checked = CheckedRows {
            problems: self.with(|connection| lost(connection, stored)).with_context(cannot)?,
            is_unsummed: entries.iter().any(|entry| entry.sum.is_none()),
            ..CheckedRows::default()
        };
        for entry in entries.iter().filter(|entry| entry.series.key.encode() != entry.encoded) {
            let number = entry.series.id;
            checked.problems.push(format!("series {number} of '{table}_series' has two names"));
        }
        let differs = |entry: &Entry| -> Result<Option<SeriesEntry>> {
            let Some(kept) = entry.sum else { return Ok(None) };
            go_on()?;
            let rows = self.sum(table, entry.series.id, ("TRUE", &[])).with_context(cannot)?;
            Ok((!sums::is_sum(kept, rows)).then(|| entry.series.clone()))
        };
        let differing: Vec<Option<_>> = entries.par_iter().map(differs).collect::<Result<_>>()?;
        checked.differing = differing.into_iter().flatten().collect();
        Ok(checked)
    }
}

fn entries(connection: &Connection, stored: &Stored, has_sums: bool) -> Result<Vec<Entry>> {
    let table = &stored.table;
    let sum = if has_sums { SUM } else { "NULL" };
    let mut statement = connection.prepare(&format!(
        "SELECT {} FROM {} ORDER BY {}",
        list(&format!("{}, {ENCODED}, {sum}", id_column(table)), &table.key),
        quoted(&table.name, "_series"),
        id_column(table)
    ))?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let columns = table.key.iter().enumerate();
        let key = columns
            .map(|(at, column)| read_owned(row.get_ref(at + 3)?, column.kind))
            .collect::<Result<_>>()?;
        let series = SeriesEntry { id: row.get(0)?, key: SeriesKey(key) };
        entries.push(Entry { series, encoded: row.get(1)?, sum: row.get(2)? });
    }
    Ok(entries)
}

/// Returns the rows that belong to no series, and the corrections that are none.
fn lost(connection: &Connection, stored: &Stored) -> Result<Vec<String>> {
    let table = &stored.table;
    let (rows, series) = (quoted(&table.name, "_rows"), quoted(&table.name, "_series"));
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
         WHERE series IS NOT NULL AND series NOT IN (SELECT {} FROM {series}) LIMIT {FINDINGS}",
        id_column(table)
    ))?;
    let name = &table.name;
    let mut problems: Vec<String> = homeless
        .iter()
        .map(|number| format!("'{name}_rows' has rows of series {number}, which '{name}_series' has not"))
        .collect();
    if has_table(connection, &format!("{name}_corrections"))? {
        let loose = numbers(&format!(
            "SELECT series FROM {} c WHERE NOT EXISTS
                 (SELECT 1 FROM {rows} r WHERE r.series = c.series AND r.ts = c.ts) LIMIT {FINDINGS}",
            corrections_name(name)
        ))?;
        problems.extend(loose.iter().map(|number| {
            format!("'{name}_corrections' names a row of series {number}, which '{name}_rows' has not")
        }));
    }
    Ok(problems)
}
