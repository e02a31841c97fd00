//! What the engine reads from: tables, their series, pieces of a series' rows, and archived files.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use anyhow::Result;

use super::hot::Columns;
use crate::archive::CheckedFile;
use crate::model::Table;
use crate::store::{ArchiveFile, Resume, Scan, SeriesEntry, Snapshot};

/// A source of rows; a [`Snapshot`], or in tests a few rows in memory.
pub(super) trait Rows: Send + Sync + 'static {
    /// Returns all tables.
    fn tables(&self) -> &[Table];

    /// Returns the series of a table in the order of their keys, nulls first.
    fn series(&self, table: &str) -> Result<Vec<SeriesEntry>>;

    /// Appends rows of a series, in the order (ts, seq), until `columns` is full.
    ///
    /// Returns where to go on, or nothing when the series has no more rows.
    fn read(
        &self,
        scan: &Scan,
        series: i64,
        behind: Option<Resume>,
        columns: &mut Columns,
    ) -> Result<Option<Resume>>;

    /// Returns the number of rows of a series in the scan's time range.
    fn count(&self, scan: &Scan, series: i64) -> Result<u64>;

    /// Returns the first and last time of a series.
    fn extent(&self, table: &str, series: i64) -> Result<Option<(i64, i64)>>;

    /// Returns the series that have rows from `first` to `last`, where an index says so with at most `most` entries
    /// looked at.
    fn series_within(
        &self,
        _table: &str,
        (_first, _last): (i64, i64),
        _most: usize,
    ) -> Result<Option<BTreeSet<i64>>> {
        Ok(None)
    }

    /// Returns the SQL text of a scan.
    fn explain(&self, scan: &Scan) -> Result<String>;

    /// Returns whether a table has a hot row.
    fn has_rows(&self, table: &str) -> Result<bool>;

    /// Returns the archived files of a table.
    fn files(&self, table: &str) -> Result<Vec<ArchiveFile>>;

    /// Returns the series and times of the hot rows that stand in the place of archived ones, in order.
    fn corrections(&self, table: &str) -> Result<Vec<(i64, i64)>>;

    /// Opens an archived file.
    fn open(&self, file: &ArchiveFile) -> Result<CheckedFile>;
}

impl Rows for Snapshot {
    fn tables(&self) -> &[Table] {
        self.tables()
    }

    fn series(&self, table: &str) -> Result<Vec<SeriesEntry>> {
        self.series(table)
    }

    fn read(
        &self,
        scan: &Scan,
        series: i64,
        behind: Option<Resume>,
        columns: &mut Columns,
    ) -> Result<Option<Resume>> {
        let mut resume = None;
        self.scan(scan, series, behind, &mut |row| {
            for at in 0..scan.fields.len() {
                columns.push(at, row.get(at)?)?;
            }
            columns.end_row();
            if columns.is_full() {
                resume = Some(row.resume()?);
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(resume)
    }

    fn count(&self, scan: &Scan, series: i64) -> Result<u64> {
        self.count(scan, series)
    }

    fn extent(&self, table: &str, series: i64) -> Result<Option<(i64, i64)>> {
        self.extent(table, series)
    }

    fn series_within(&self, table: &str, range: (i64, i64), most: usize) -> Result<Option<BTreeSet<i64>>> {
        self.series_within(table, range, most)
    }

    fn explain(&self, scan: &Scan) -> Result<String> {
        self.explain(scan)
    }

    fn has_rows(&self, table: &str) -> Result<bool> {
        self.has_rows(table)
    }

    fn files(&self, table: &str) -> Result<Vec<ArchiveFile>> {
        self.files(Some(table))
    }

    fn corrections(&self, table: &str) -> Result<Vec<(i64, i64)>> {
        self.corrections(table)
    }

    fn open(&self, file: &ArchiveFile) -> Result<CheckedFile> {
        CheckedFile::open(self.root(), file, self.digest(file)?)
    }
}
