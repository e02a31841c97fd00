//! Reading rows: one snapshot of the store, shared by several connections.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rusqlite::Connection;

use super::catalog::{Catalog, Stored, id_column, list, quoted};
use super::value::{read, read_owned};
use super::{FILE, open, sums};
use crate::model::{ColumnType, SeriesKey, Table, Value, ValueRef};

/// A consistent view of the store. All reads through it see the same rows, from any thread, until it is
/// dropped.
pub struct Snapshot {
    root: PathBuf,
    pub(super) catalog: Catalog,
    tables: Vec<Table>,
    /// The state that every connection of the view looks at.
    generation: i64,
    version: Option<Vec<u8>>,
    pool: Mutex<Pool>,
    returned: Condvar,
}

struct Pool {
    idle: Vec<Connection>,
    open: usize,
    max: usize,
}

/// A series of a table.
#[derive(Clone, Debug)]
pub struct SeriesEntry {
    /// Its number in the store.
    pub id: i64,
    /// The values of its key columns.
    pub key: SeriesKey,
}

/// A column of a scan that is not part of the series key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The time.
    Ts,
    /// The ordinal of ticks.
    Seq,
    /// The value column at this place of [`Table::values`].
    Value(usize),
}

/// What a scan returns of each series: which columns, which half-open time range `[since, until)`.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The table.
    pub table: String,
    /// The columns, in the order [`Row::get`] counts them.
    pub fields: Vec<Field>,
    /// The first time wanted.
    pub since: Option<i64>,
    /// The first time no longer wanted.
    pub until: Option<i64>,
}

/// Where a scan of a series goes on: behind the row with this time and ordinal (0 where there is none).
#[derive(Clone, Copy, Debug)]
pub struct Resume {
    /// The time of the last row read.
    pub ts: i64,
    /// The ordinal of the last row read.
    pub seq: i64,
}

/// A row during a scan.
pub struct Row<'a> {
    cells: &'a rusqlite::Row<'a>,
    places: &'a [Place],
    ticks: bool,
}

/// Where a field of a scan stands in the answer of SQLite.
struct Place {
    /// `None` for a column that no row has brought a value for.
    index: Option<usize>,
    kind: ColumnType,
    default: Value,
}

impl Row<'_> {
    /// Returns the cell of the scan's field at place `at`.
    #[inline]
    pub fn get(&self, at: usize) -> Result<ValueRef<'_>> {
        let place = &self.places[at];
        match place.index {
            Some(index) => read(self.cells.get_ref(index)?, place.kind),
            None => Ok(place.default.as_ref()),
        }
    }

    /// Returns where a later scan goes on behind this row.
    pub fn resume(&self) -> Result<Resume> {
        Ok(Resume { ts: self.cells.get(0)?, seq: if self.ticks { self.cells.get(1)? } else { 0 } })
    }
}

impl Snapshot {
    /// Opens a view of the store at `root` with up to `connections` readers.
    pub fn open(root: &Path, connections: usize) -> Result<Self> {
        let (connection, generation) = begin(root)?;
        let catalog = Catalog::load(&connection, root).map_err(|err| open::explain(err, root))?;
        let tables = catalog.tables().map(|stored| stored.table.clone()).collect();
        let version = version(&connection, generation).map_err(|err| open::explain(err, root))?;
        let pool = Pool { idle: vec![connection], open: 1, max: connections.max(1) };
        Ok(Self {
            root: root.to_owned(),
            catalog,
            tables,
            generation,
            version,
            pool: Mutex::new(pool),
            returned: Condvar::new(),
        })
    }

    /// Returns the folder of the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns what names the state of all rows, in the archive too: no other state has the same name, not even one
    /// of another store at the same place.
    ///
    /// `None` where there is no such name, because an earlier barn wrote the store last.
    pub fn version(&self) -> Option<&[u8]> {
        self.version.as_deref()
    }

    /// Returns all tables: built-in, of `barn.toml`, and made by `store`; also those without rows.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Returns the value columns that any row of a table has brought a value for, as places in [`Table::values`].
    pub fn present(&self, table: &str) -> Result<Vec<usize>> {
        Ok(self.stored(table)?.present.clone())
    }

    /// Returns the series of a table in the order of their keys (column by column, nulls first).
    pub fn series(&self, table: &str) -> Result<Vec<SeriesEntry>> {
        let stored = self.stored(table)?;
        if !stored.exists {
            return Ok(Vec::new());
        }
        let (key, series) = (&stored.table.key, quoted(table, "_series"));
        let order: Vec<_> = key.iter().map(|column| quoted(&column.name, "")).collect();
        let columns = list(id_column(&stored.table), key);
        let sql = format!("SELECT {columns} FROM {series} ORDER BY {}", order.join(", "));
        self.with(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                let columns = stored.table.key.iter().enumerate();
                let key = columns
                    .map(|(at, column)| read_owned(row.get_ref(at + 1)?, column.kind))
                    .collect::<Result<_>>()?;
                entries.push(SeriesEntry { id: row.get(0)?, key: SeriesKey(key) });
            }
            Ok(entries)
        })
    }

    /// Calls `visit` with the rows of one series, in the order (ts, seq), until it breaks.
    ///
    /// A connection is held meanwhile, so `visit` must not wait for another scan.
    pub fn scan(
        &self,
        scan: &Scan,
        series: i64,
        behind: Option<Resume>,
        visit: &mut dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let stored = self.stored(&scan.table)?;
        if !stored.exists {
            return Ok(());
        }
        let ticks = stored.table.ticks;
        let (sql, places) = select(stored, scan, ticks && behind.is_some());
        let (first, last) = bounds(scan);
        self.with(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = match behind {
                Some(at) if ticks => statement.query((series, at.ts.max(first), last, at.ts, at.seq))?,
                Some(at) => statement.query((series, at.ts.saturating_add(1).max(first), last))?,
                None => statement.query((series, first, last))?,
            };
            while let Some(row) = rows.next()? {
                if visit(&Row { cells: row, places: &places, ticks })?.is_break() {
                    break;
                }
            }
            Ok(())
        })
        .with_context(|| format!("cannot read table '{}'", scan.table))
    }

    /// Returns the number of rows of one series in the scan's time range.
    pub fn count(&self, scan: &Scan, series: i64) -> Result<u64> {
        if !self.stored(&scan.table)?.exists {
            return Ok(0);
        }
        let (first, last) = bounds(scan);
        let sql = format!(
            "SELECT count(*) FROM {} WHERE series = ?1 AND ts BETWEEN ?2 AND ?3",
            quoted(&scan.table, "_rows")
        );
        self.with(|connection| {
            let count: i64 =
                connection.prepare_cached(&sql)?.query_row((series, first, last), |row| row.get(0))?;
            Ok(u64::try_from(count)?)
        })
    }

    /// Returns how many rows of some series are before a time, and how many there are.
    pub fn count_before(&self, table: &Table, series: &[i64], before: i64) -> Result<(u64, u64)> {
        let scan = Scan { table: table.name.clone(), fields: Vec::new(), since: None, until: None };
        let old = Scan { until: Some(before), ..scan.clone() };
        let sum = |scan: &Scan| series.iter().map(|id| self.count(scan, *id)).sum::<Result<u64>>();
        Ok((sum(&old)?, sum(&scan)?))
    }

    /// Returns the first and last time of a series, `None` where it has no rows.
    pub fn extent(&self, table: &str, series: i64) -> Result<Option<(i64, i64)>> {
        if !self.stored(table)?.exists {
            return Ok(None);
        }
        let rows = quoted(table, "_rows");
        // Two look-ups at the ends of the index; min and max in one statement would read all rows.
        let sql = format!(
            "SELECT (SELECT min(ts) FROM {rows} WHERE series = ?1), (SELECT max(ts) FROM {rows} WHERE series = ?1)"
        );
        self.with(|connection| {
            let extent: (Option<i64>, Option<i64>) =
                connection.prepare_cached(&sql)?.query_row([series], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(extent.0.zip(extent.1))
        })
    }

    /// Returns whether a table has a row in the database.
    pub fn has_rows(&self, table: &str) -> Result<bool> {
        if !self.stored(table)?.exists {
            return Ok(false);
        }
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", quoted(table, "_rows"));
        self.with(|connection| Ok(connection.prepare_cached(&sql)?.query_row([], |row| row.get(0))?))
    }

    /// Returns the SQL text of a scan, as `query --explain` shows it.
    pub fn explain(&self, scan: &Scan) -> Result<String> {
        Ok(select(self.stored(&scan.table)?, scan, false).0)
    }

    /// Returns the bytes that a table takes in the database file.
    pub fn bytes(&self, table: &str) -> Result<u64> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT coalesce(sum(pgsize), 0) FROM dbstat
                 WHERE aggregate = TRUE AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name IN (?1, ?2))",
            )?;
            let names = [format!("{table}_rows"), format!("{table}_series")];
            let bytes: i64 = statement.query_row(names, |row| row.get(0))?;
            Ok(u64::try_from(bytes)?)
        })
    }

    /// Returns the sum of the rows of a series that meet a condition; see [`super::sums`].
    pub(super) fn sum(&self, table: &str, series: i64, rows: (&str, &[i64])) -> Result<u64> {
        let stored = self.stored(table)?;
        self.with(|connection| sums::sum(connection, stored, series, rows))
    }

    /// Runs `work` with one of the connections; waits where all are in use.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let connection = self.take();
        // Given back after a panic too: others may wait for it.
        let result = catch_unwind(AssertUnwindSafe(|| work(&connection)));
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).idle.push(connection);
        self.returned.notify_one();
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn take(&self) -> Connection {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = pool.idle.pop() {
                return connection;
            }
            if pool.open < pool.max {
                // One that looks at a later state, because somebody wrote meanwhile, is of no use.
                if let Ok((connection, generation)) = begin(&self.root)
                    && generation == self.generation
                {
                    pool.open += 1;
                    return connection;
                }
                pool.max = pool.open;
            }
            pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn stored(&self, table: &str) -> Result<&Stored> {
        self.catalog.get(table).with_context(|| format!("cannot find table '{table}'"))
    }
}

/// Opens a connection in a read transaction and returns the state it looks at.
fn begin(root: &Path) -> Result<(Connection, i64)> {
    let connection = open::open_reader(root)?;
    connection
        .execute_batch("BEGIN")
        .and_then(|()| connection.query_row("SELECT generation FROM state", [], |row| row.get(0)))
        .with_context(|| format!("cannot read '{}'", root.join(FILE).display()))
        .map(|generation| (connection, generation))
}

/// Returns the name of the state that a connection looks at.
fn version(connection: &Connection, generation: i64) -> Result<Option<Vec<u8>>> {
    if open::user_version(connection)? < open::ARCHIVE_VERSION {
        return Ok(None);
    }
    let mut version: Vec<u8> = connection.query_row("SELECT identity FROM state", [], |row| row.get(0))?;
    if version.is_empty() {
        return Ok(None);
    }
    version.extend(generation.to_le_bytes());
    Ok(Some(version))
}

/// Returns the inclusive bounds of a scan's time range.
fn bounds(scan: &Scan) -> (i64, i64) {
    let first = scan.since.unwrap_or(i64::MIN);
    match scan.until.map(|until| until.checked_sub(1)) {
        None => (first, i64::MAX),
        Some(Some(last)) => (first, last),
        // Nothing is before the first time there is.
        Some(None) => (1, 0),
    }
}

fn select(stored: &Stored, scan: &Scan, resumes: bool) -> (String, Vec<Place>) {
    let key = if stored.table.ticks { "ts, seq" } else { "ts" };
    let mut columns = key.to_owned();
    let mut next = if stored.table.ticks { 2 } else { 1 };
    let places = scan
        .fields
        .iter()
        .map(|field| match *field {
            Field::Ts => Place { index: Some(0), kind: ColumnType::Timestamp, default: Value::Null },
            Field::Seq => Place { index: Some(1), kind: ColumnType::Bigint, default: Value::Null },
            Field::Value(at) => {
                let column = &stored.table.values[at];
                let index = stored.present.contains(&at).then(|| {
                    columns.push_str(", ");
                    columns.push_str(&quoted(&column.name, ""));
                    next += 1;
                    next - 1
                });
                Place { index, kind: column.kind, default: column.default.clone() }
            }
        })
        .collect();
    let behind = if resumes { " AND (ts, seq) > (?4, ?5)" } else { "" };
    let rows = quoted(&stored.table.name, "_rows");
    let sql = format!(
        "SELECT {columns} FROM {rows} WHERE series = ?1 AND ts BETWEEN ?2 AND ?3{behind} ORDER BY {key}"
    );
    (sql, places)
}
