//! Late rows: rows that come for keys which are archived already.
//!
//! What of them is archived as it is counts as unchanged; what differs is merged with the archived row by the rule
//! for conflicts and stored hot as a whole row, which then stands in the archived one's place. All candidates of a
//! batch are looked up at once.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use rusqlite::Connection;

use super::batch::Batch;
use super::catalog::Stored;
use super::manifest::{self, ArchiveFile, Digest};
use super::ticks::ArchivedTicks;
use super::write::{NewRow, Verdict, Writer, judge};
use crate::model::{OnConflict, SeriesKey, Table, Value, ValueRef};

/// The times at which rows of a series are looked for.
pub struct Wanted<'a> {
    /// The series.
    pub key: &'a SeriesKey,
    /// The times, ascending, each once.
    pub times: Vec<i64>,
}

/// A row of the archive.
pub struct Found<'a> {
    /// The place of its series among those that were wanted.
    pub wanted: usize,
    /// Its time.
    pub ts: i64,
    /// Its ordinal, 0 where the table has none.
    pub seq: i64,
    /// Its values, one for each value column of the table.
    pub values: &'a [Value],
}

/// What a search in the archive needs to know.
pub struct Search<'a> {
    /// The table.
    pub table: &'a Table,
    /// The files that may have rows.
    pub files: &'a [ArchiveFile],
    /// Returns what proves a file.
    pub digest: &'a dyn Fn(&ArchiveFile) -> Result<Digest>,
}

/// The archive of a store, as its writer sees it.
pub trait Archive: Send {
    /// Calls `found` with each archived row of the wanted series and times, in the order of the files.
    fn find(
        &mut self,
        search: &Search<'_>,
        wanted: &[Wanted<'_>],
        found: &mut dyn FnMut(Found<'_>) -> Result<()>,
    ) -> Result<()>;
}

/// The archive and the files of the tables that were written to.
#[derive(Default)]
pub(super) struct Archived {
    pub(super) archive: Option<Box<dyn Archive>>,
    files: HashMap<String, Vec<ArchiveFile>>,
}

impl Archived {
    /// Forgets the files, which another process or this one may have changed.
    pub(super) fn forget(&mut self) {
        self.files.clear();
    }

    /// Returns whether a table has archived rows in a range of time, and makes its files known.
    fn overlaps(&mut self, connection: &Connection, table: &str, (first, last): (i64, i64)) -> Result<bool> {
        if !self.files.contains_key(table) {
            self.files.insert(table.to_owned(), manifest::files(connection, Some(table))?);
        }
        let files = self.files.get(table).map_or(&[][..], Vec::as_slice);
        Ok(files.iter().any(|file| file.ts_min <= last && first <= file.ts_max))
    }

    fn find(
        &mut self,
        connection: &Connection,
        table: &Table,
        wanted: &[Wanted<'_>],
        found: &mut dyn FnMut(Found<'_>) -> Result<()>,
    ) -> Result<()> {
        let Some(archive) = &mut self.archive else {
            bail!("cannot compare with the archived rows of table '{}': the archive is not open", table.name)
        };
        let search = Search {
            table,
            files: self.files.get(&table.name).context("the files of the table are known")?,
            digest: &|file| manifest::digest(connection, file),
        };
        archive.find(&search, wanted, found)
    }
}

/// Returns the first and last time of a batch.
fn extent(batch: &Batch<'_>) -> Option<(i64, i64)> {
    let ts = batch.frame.ts();
    ts.iter().min().copied().zip(ts.iter().max().copied())
}

impl Writer<'_> {
    /// Takes the rows that are archived as they are out of the new ones, and merges those that differ.
    ///
    /// Returns how many were unchanged and updated.
    pub(super) fn settle_late(
        &mut self,
        archived: &mut Archived,
        batch: &mut Batch<'_>,
        rule: OnConflict,
    ) -> Result<(u64, u64)> {
        let Some(extent) = extent(batch).filter(|_| !self.new.is_empty()) else { return Ok((0, 0)) };
        if !archived.overlaps(self.connection, &self.stored().table.name, extent)? {
            return Ok((0, 0));
        }
        let candidates = runs(&self.new, batch);
        let mut verdicts: HashMap<usize, Verdict> = HashMap::new();
        let wanted: Vec<Wanted<'_>> = candidates
            .iter()
            .map(|(key, rows)| Wanted {
                key,
                times: rows.iter().map(|new| batch.frame.ts()[new.row]).collect(),
            })
            .collect();
        let stored: &Stored = self.stored();
        archived.find(self.connection, &stored.table, &wanted, &mut |found| {
            let (_, rows) = &candidates[found.wanted];
            let Ok(place) = wanted[found.wanted].times.binary_search(&found.ts) else { return Ok(()) };
            let row = rows[place].row;
            let value = |column: usize| -> Result<ValueRef<'_>> {
                found.values.get(stored.present[column]).map(Value::as_ref).context("a column is missing")
            };
            verdicts.insert(row, judge(stored, batch, (row, rule), &value)?);
            Ok(())
        })?;
        drop(wanted);
        drop(candidates);
        self.take(batch, verdicts)
    }

    fn take(&mut self, batch: &mut Batch<'_>, verdicts: HashMap<usize, Verdict>) -> Result<(u64, u64)> {
        let (mut unchanged, mut updated) = (0, 0);
        let mut same: Vec<usize> = Vec::new();
        for (row, verdict) in verdicts {
            match verdict {
                Verdict::Changed(values) => {
                    batch.replace(row, values);
                    self.corrected.push(row);
                    updated += 1;
                }
                Verdict::Same | Verdict::New => {
                    same.push(row);
                    unchanged += 1;
                }
            }
        }
        same.sort_unstable();
        self.new.retain(|new| same.binary_search(&new.row).is_err());
        self.corrected.sort_unstable();
        let insert = format!(
            "INSERT OR IGNORE INTO {} VALUES (?1, ?2)",
            manifest::corrections_name(&self.stored().table.name)
        );
        let mut insert = self.prepare(&insert)?;
        for new in self.new.iter().filter(|new| self.corrected.binary_search(&new.row).is_ok()) {
            insert.execute((new.series, batch.frame.ts()[new.row]))?;
        }
        Ok((unchanged, updated))
    }

    /// Returns the archived ticks at the times of a batch.
    pub(super) fn read_archived_ticks(
        &self,
        archived: &mut Archived,
        batch: &Batch<'_>,
        numbers: &[i64],
    ) -> Result<ArchivedTicks> {
        let mut ticks = ArchivedTicks::default();
        let Some(extent) = extent(batch) else { return Ok(ticks) };
        let stored = self.stored();
        if !archived.overlaps(self.connection, &stored.table.name, extent)? {
            return Ok(ticks);
        }
        let frame = batch.frame;
        let runs = batch.runs();
        let series = |run: &std::ops::Range<usize>| frame.series()[run.start] as usize;
        let wanted: Vec<Wanted<'_>> = runs
            .iter()
            .map(|run| {
                let mut times = frame.ts()[run.clone()].to_vec();
                times.dedup();
                Wanted { key: &frame.keys()[series(run)], times }
            })
            .collect();
        archived.find(self.connection, &stored.table, &wanted, &mut |found| {
            let number = numbers[series(&runs[found.wanted])];
            ticks.add(number, stored, &found);
            Ok(())
        })?;
        Ok(ticks)
    }
}

/// Returns the new rows of each series, with its key.
fn runs<'b>(new: &[NewRow], batch: &Batch<'b>) -> Vec<(&'b SeriesKey, Vec<NewRow>)> {
    let mut runs: Vec<(&SeriesKey, Vec<NewRow>)> = Vec::new();
    let mut last = None;
    for row in new {
        let key = &batch.frame.keys()[batch.frame.series()[row.row] as usize];
        match runs.last_mut() {
            Some((_, rows)) if last == Some(row.series) => rows.push(*row),
            _ => runs.push((key, vec![*row])),
        }
        last = Some(row.series);
    }
    runs
}
