//! Rows on their way into files: where they come from, and those that the database has.

use std::collections::HashMap;
use std::ops::ControlFlow;

use anyhow::Result;

use crate::model::{Table, ValueRef};
use crate::store::{Field, Resume, Row, Scan, SeriesEntry, Snapshot};

/// The values of a row.
pub(super) trait Cells {
    /// Returns the value at a place of [`Source::cells`].
    fn get(&self, at: usize) -> Result<ValueRef<'_>>;
}

impl Cells for Row<'_> {
    #[inline]
    fn get(&self, at: usize) -> Result<ValueRef<'_>> {
        Row::get(self, at)
    }
}

/// What is done with each row.
pub(super) type Visit<'v> = &'v mut dyn FnMut(Resume, &dyn Cells) -> Result<ControlFlow<()>>;

/// Where the rows of files come from.
pub(super) trait Source: Sync {
    /// The state of the store that they belong to.
    fn snapshot(&self) -> &Snapshot;

    /// Their table.
    fn table(&self) -> &Table;

    /// The value columns that a row has cells for, as places in [`Table::values`].
    fn cells(&self) -> &[usize];

    /// The period of all rows.
    fn all(&self) -> Period;

    /// Whether a reader may begin anywhere without reading what is before.
    fn is_seekable(&self) -> bool;

    /// Returns a reader of its own.
    fn reader(&self) -> Box<dyn Reader + '_>;
}

/// Reads rows series by series.
pub(super) trait Reader {
    /// Calls `visit` with the rows of a series, in the order (ts, seq), until it breaks; returns how many rows
    /// were passed over because they may still change.
    ///
    /// A row at which it broke comes again.
    fn visit(
        &mut self,
        series: &SeriesEntry,
        period: Period,
        behind: Option<Resume>,
        visit: Visit<'_>,
    ) -> Result<u64>;
}

/// The rows of a table that can no longer change, before a time; those that correct an archived row stay.
pub(super) struct Rows<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) table: &'s Table,
    /// The value columns that any hot row has, as places in [`Table::values`]; a row's cells are in this order.
    pub(super) present: Vec<usize>,
    /// The place of `final` among the cells.
    is_final: Option<usize>,
    /// The times of the rows that stay, by series, ascending.
    corrections: HashMap<i64, Vec<i64>>,
    /// The first time that stays.
    pub(super) until: Option<i64>,
}

/// A half-open range of time within which rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) since: Option<i64>,
    pub(super) until: Option<i64>,
}

impl<'s> Rows<'s> {
    /// The rows of `table` before `until`.
    pub(super) fn new(snapshot: &'s Snapshot, table: &'s Table, until: Option<i64>) -> Result<Self> {
        let present = snapshot.present(&table.name)?;
        let mut corrections: HashMap<i64, Vec<i64>> = HashMap::new();
        for (series, ts) in snapshot.corrections(&table.name)? {
            corrections.entry(series).or_default().push(ts);
        }
        let is_final = present.iter().position(|at| table.values[*at].is_final());
        Ok(Self { snapshot, table, present, is_final, corrections, until })
    }

    /// Returns how many rows correct an archived one.
    pub(super) fn corrections(&self) -> u64 {
        self.corrections.values().map(|times| times.len() as u64).sum()
    }
}

impl Source for Rows<'_> {
    fn snapshot(&self) -> &Snapshot {
        self.snapshot
    }

    fn table(&self) -> &Table {
        self.table
    }

    fn cells(&self) -> &[usize] {
        &self.present
    }

    fn all(&self) -> Period {
        Period { since: None, until: self.until }
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn reader(&self) -> Box<dyn Reader + '_> {
        Box::new(RowReader(self))
    }
}

/// Reads rows of the database.
struct RowReader<'r>(&'r Rows<'r>);

impl Reader for RowReader<'_> {
    fn visit(
        &mut self,
        series: &SeriesEntry,
        period: Period,
        behind: Option<Resume>,
        visit: Visit<'_>,
    ) -> Result<u64> {
        let rows = self.0;
        let scan = Scan {
            table: rows.table.name.clone(),
            fields: rows.present.iter().map(|at| Field::Value(*at)).collect(),
            since: period.since,
            until: period.until,
        };
        let corrections = rows.corrections.get(&series.id);
        let mut open = 0;
        rows.snapshot.scan(&scan, series.id, behind, &mut |row| {
            let at = row.resume()?;
            if let Some(place) = rows.is_final
                && row.get(place)? != ValueRef::Boolean(true)
            {
                open += 1;
                return Ok(ControlFlow::Continue(()));
            }
            if corrections.is_some_and(|times| times.binary_search(&at.ts).is_ok()) {
                return Ok(ControlFlow::Continue(()));
            }
            visit(at, row)
        })?;
        Ok(open)
    }
}
