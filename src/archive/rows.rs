//! The rows that are to be archived, as one snapshot of the store has them.

use std::collections::HashMap;
use std::ops::ControlFlow;

use anyhow::Result;

use crate::model::{Table, ValueRef};
use crate::store::{Field, Resume, Row, Scan, Snapshot};

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

    /// Returns the period of all rows.
    pub(super) fn all(&self) -> Period {
        Period { since: None, until: self.until }
    }

    /// Returns how many rows correct an archived one.
    pub(super) fn corrections(&self) -> u64 {
        self.corrections.values().map(|times| times.len() as u64).sum()
    }

    /// Calls `visit` with the rows of a series, in the order (ts, seq), until it breaks; returns how many rows
    /// were passed over because they may still change.
    pub(super) fn visit(
        &self,
        series: i64,
        period: Period,
        behind: Option<Resume>,
        visit: &mut dyn FnMut(Resume, &Row<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<u64> {
        let scan = Scan {
            table: self.table.name.clone(),
            fields: self.present.iter().map(|at| Field::Value(*at)).collect(),
            since: period.since,
            until: period.until,
        };
        let corrections = self.corrections.get(&series);
        let mut open = 0;
        self.snapshot.scan(&scan, series, behind, &mut |row| {
            let at = row.resume()?;
            if let Some(place) = self.is_final
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
