//! A frame as the writer sees it: its rows in key order, one row a key, cell by cell.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use anyhow::{Result, bail};

use crate::error::Failure;
use crate::frame::{Cells, Frame};
use crate::model::{OnConflict, Table, Value, ValueRef};

use super::catalog::Stored;
use super::ticks::Seen;

/// One input (a file, a stream, a fetched window) on its way into a table.
pub struct Input {
    pub(super) table: String,
    pub(super) rule: OnConflict,
    /// What came before in this input, for ticks.
    pub(super) seen: Seen,
    pub(super) series: HashSet<i64>,
    /// Rows that gave one key two different values within a batch.
    differing: u64,
    example: Option<String>,
}

impl Input {
    /// An input for a table.
    pub fn new(table: &str, rule: OnConflict) -> Self {
        Self {
            table: table.to_owned(),
            rule,
            seen: Seen::default(),
            series: HashSet::new(),
            differing: 0,
            example: None,
        }
    }

    /// Returns the numbers of the series that rows came for.
    pub fn series(&self) -> &HashSet<i64> {
        &self.series
    }

    /// Returns how many rows contradicted another row of the input, and the first such key in words.
    pub fn differing(&self) -> Option<(u64, &str)> {
        self.example.as_deref().map(|example| (self.differing, example))
    }
}

/// The rows of a frame, sorted, with the columns that exist in SQLite.
pub(super) struct Batch<'f> {
    pub(super) table: &'f Table,
    pub(super) frame: &'f Frame,
    /// For each physical column its cells in the frame, and what stands for an absent or null one.
    columns: Vec<(Option<Cells<'f>>, &'f Value)>,
    /// Rows made of several input rows of one key, by the place of the last one.
    folded: HashMap<usize, Vec<Value>>,
}

impl<'f> Batch<'f> {
    pub(super) fn new(table: &'f Table, present: &[usize], frame: &'f Frame) -> Self {
        let columns = present.iter().map(|&at| (frame.cells(at), &table.values[at].default)).collect();
        Self { table, frame, columns, folded: HashMap::new() }
    }

    /// Returns how many columns a row has.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Returns a cell by row and physical column.
    #[inline]
    pub(super) fn cell(&self, row: usize, column: usize) -> ValueRef<'_> {
        if !self.folded.is_empty()
            && let Some(values) = self.folded.get(&row)
        {
            return values[column].as_ref();
        }
        let (cells, default) = &self.columns[column];
        match cells.map_or(ValueRef::Null, |cells| cells.get(row)) {
            ValueRef::Null => default.as_ref(),
            value => value,
        }
    }

    /// Puts other values in the place of a row's, one for each physical column.
    pub(super) fn replace(&mut self, row: usize, values: Vec<Value>) {
        self.folded.insert(row, values);
    }

    /// Returns the runs of rows with one series.
    pub(super) fn runs(&self) -> Vec<Range<usize>> {
        let series = self.frame.series();
        let mut runs = Vec::new();
        let mut start = 0;
        for at in 1..=series.len() {
            if at == series.len() || series[at] != series[start] {
                runs.push(start..at);
                start = at;
            }
        }
        runs
    }

    /// Returns the rows of a run that are left when rows of one key become one, by the rule that decides
    /// between an earlier and a later row. Counts contradictions in `input`.
    ///
    /// Fails where the rule is to fail at a difference.
    pub(super) fn fold(&mut self, run: Range<usize>, input: &mut Input) -> Result<Vec<usize>> {
        let ts = self.frame.ts();
        let mut rows: Vec<usize> = Vec::with_capacity(run.len());
        for at in run {
            match rows.last() {
                Some(&last) if ts[last] == ts[at] => {
                    let (row, differs) = self.fold_pair(last, at, input.rule);
                    if differs && input.rule == OnConflict::Fail {
                        bail!(Failure::new(format!(
                            "{}: the input has it twice, with other values",
                            self.name_row(at)
                        )));
                    }
                    if differs {
                        input.differing += 1;
                        if input.example.is_none() {
                            input.example = Some(self.name_row(at));
                        }
                    }
                    rows.pop();
                    rows.push(at);
                    self.folded.insert(at, row);
                }
                _ => rows.push(at),
            }
        }
        Ok(rows)
    }

    fn fold_pair(&self, earlier: usize, later: usize, rule: OnConflict) -> (Vec<Value>, bool) {
        let mut differs = false;
        let row = (0..self.width())
            .map(|column| {
                let (old, new) = (self.cell(earlier, column), self.cell(later, column));
                differs |= old != new && new != ValueRef::Null && old != ValueRef::Null;
                match rule {
                    OnConflict::Ignore => old,
                    OnConflict::KeepKnown | OnConflict::Fail if new == ValueRef::Null => old,
                    _ => new,
                }
                .to_value()
            })
            .collect();
        (row, differs)
    }

    /// Returns the key of a row in words: `source=x, symbol=AAPL, ts=2024-01-31T00:00:00Z`.
    pub(super) fn name_row(&self, row: usize) -> String {
        let key = &self.frame.keys()[self.frame.series()[row] as usize];
        let values = self.table.key.iter().zip(&key.0);
        let mut words: Vec<_> =
            values.map(|(column, value)| format!("{}={}", column.name, value.as_ref().shown())).collect();
        words.push(format!("ts={}", ValueRef::Timestamp(self.frame.ts()[row]).shown()));
        words.join(", ")
    }
}

/// Returns the value columns that `frame` is the first to bring anything but the default for.
pub(super) fn missing_columns(stored: &Stored, frame: &Frame) -> Vec<usize> {
    (0..stored.table.values.len())
        .filter(|at| !stored.present.contains(at))
        .filter(|&at| {
            let default = stored.table.values[at].default.as_ref();
            frame.cells(at).is_some_and(|cells| {
                !cells.is_all_null()
                    && (0..frame.len())
                        .map(|row| cells.get(row))
                        .any(|cell| cell != ValueRef::Null && cell != default)
            })
        })
        .collect()
}
