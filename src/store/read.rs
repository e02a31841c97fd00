//! Reading rows: one snapshot of the store, shared by several connections.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;

use crate::model::{SeriesKey, Table, ValueRef};

/// A consistent view of the store. All reads through it see the same rows, from any thread, until it is
/// dropped.
pub struct Snapshot {}

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
    _row: &'a (),
}

impl Row<'_> {
    /// Returns the cell of the scan's field at place `at`.
    pub fn get(&self, _at: usize) -> Result<ValueRef<'_>> {
        todo!()
    }

    /// Returns where a later scan goes on behind this row.
    pub fn resume(&self) -> Result<Resume> {
        todo!()
    }
}

impl Snapshot {
    /// Opens a view of the store at `root` with up to `connections` readers.
    pub fn open(_root: &Path, _connections: usize) -> Result<Self> {
        todo!()
    }

    /// Returns all tables: built-in, of `barn.toml`, and made by `store`; also those without rows.
    pub fn tables(&self) -> &[Table] {
        todo!()
    }

    /// Returns the series of a table in the order of their keys (column by column, nulls first).
    pub fn series(&self, _table: &str) -> Result<Vec<SeriesEntry>> {
        todo!()
    }

    /// Calls `visit` with the rows of one series, in the order (ts, seq), until it breaks.
    ///
    /// A connection is held meanwhile, so `visit` must not wait for another scan.
    pub fn scan(
        &self,
        _scan: &Scan,
        _series: i64,
        _behind: Option<Resume>,
        _visit: &mut dyn FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        todo!()
    }

    /// Returns the number of rows of one series in the scan's time range.
    pub fn count(&self, _scan: &Scan, _series: i64) -> Result<u64> {
        todo!()
    }

    /// Returns the first and last time of a series, `None` where it has no rows.
    pub fn extent(&self, _table: &str, _series: i64) -> Result<Option<(i64, i64)>> {
        todo!()
    }

    /// Returns the SQL text of a scan, as `query --explain` shows it.
    pub fn explain(&self, _scan: &Scan) -> String {
        todo!()
    }
}
