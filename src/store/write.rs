//! Writing a batch: read the stored rows of its range, compare, write only what differs.
//!
//! Measured faster than an upsert a row, new rows and duplicates alike, and a duplicate import writes no
//! page.

use std::ops::Range;

use anyhow::{Context as _, Result, bail};
use rusqlite::{CachedStatement, Connection};

use super::batch::{self, Batch, Input};
use super::catalog::{Stored, quoted};
use super::sums::{RowHash, Sums};
use super::ticks::ArchivedTicks;
use super::value::{Bind, read};
use super::{NO_SERIES, Resume, Store, changes, open};
use crate::error::Failure;
use crate::frame::Frame;
use crate::fs;
use crate::model::{Counts, OnConflict, Table, Value, ValueRef};

/// Writing happens in a transaction: [`Store::begin`], then [`Store::commit`] or [`Store::rollback`]. A store
/// dropped in between has rolled back.
impl Store {
    /// Starts a transaction; waits for another writer.
    pub fn begin(&mut self) -> Result<()> {
        self.connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(|err| open::explain(err.into(), &self.root))?;
        self.is_changed = false;
        self.sums.clear();
        let known = self.data_version;
        self.read_data_version()
            .and_then(|version| if version == known { Ok(()) } else { self.reload() })
            .inspect_err(|_| self.abandon())
    }

    /// Ends a transaction that came to nothing; where that fails too, the first error says why.
    fn abandon(&mut self) {
        if self.is_in_transaction() {
            self.connection.execute_batch("ROLLBACK").ok();
        }
        self.sums.clear();
        // No version of SQLite's: what it added to the catalogue is gone with it, so the next one reads all again.
        self.data_version = -1;
    }

    /// Returns whether a transaction is open. A full disk ends one by itself.
    pub fn is_in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Makes the transaction permanent, and durable against a power cut. A commit that fails has rolled back.
    pub fn commit(&mut self) -> Result<()> {
        // A number alone comes again when an earlier copy of the file is put back and written to.
        let sql = if self.is_changed {
            "UPDATE state SET generation = generation + 1, identity = randomblob(16); COMMIT"
        } else {
            "COMMIT"
        };
        fs::fault::point("commit.started");
        let Self { connection, catalog, sums, .. } = self;
        sums.write(connection, catalog)
            .and_then(|()| Ok(fs::writing(|| connection.execute_batch(sql))?))
            .inspect_err(|_| self.abandon())
            .with_context(|| format!("cannot commit to store '{}'", self.root.display()))?;
        fs::fault::point("commit.done");
        Ok(())
    }

    /// Takes back what the transaction did.
    pub fn rollback(&mut self) -> Result<()> {
        // A full disk has rolled back already.
        if self.is_in_transaction() {
            self.connection
                .execute_batch("ROLLBACK")
                .with_context(|| format!("cannot roll back in store '{}'", self.root.display()))?;
        }
        // What the transaction added to the catalogue is gone with it.
        self.reload()
    }

    /// Makes sure that the table exists with at least the columns of `table`; within a transaction.
    ///
    /// Fails for a table that is made of another.
    pub fn define(&mut self, table: &Table) -> Result<()> {
        self.check_writable(&table.name)?;
        let before = self.connection.total_changes();
        self.catalog
            .define(&self.connection, table)
            .with_context(|| format!("cannot make table '{}'", table.name))?;
        self.is_changed |= self.connection.total_changes() != before;
        Ok(())
    }

    /// Writes a frame into the table of `input` and counts what became of its rows; within a transaction.
    pub fn write(&mut self, input: &mut Input, mut frame: Frame) -> Result<Counts> {
        let name = input.table.clone();
        let cannot = || format!("cannot write to table '{name}'");
        let Self { connection, catalog, series, archived, sums, .. } = self;
        let stored = catalog.get(&name).with_context(|| format!("table '{name}' is not defined"))?;
        let (numbers, is_new) = series.intern(connection, &stored.table, &frame).with_context(cannot)?;
        input.series.extend(numbers.iter().filter(|number| **number != NO_SERIES));
        let missing = batch::missing_columns(stored, &frame);
        if !missing.is_empty() {
            catalog.add_physical(connection, &name, &missing).with_context(cannot)?;
        }
        let stored = catalog.get(&name).with_context(cannot)?;
        frame.sort(&numbers);
        let mut batch = Batch::new(&stored.table, &stored.present, &frame);
        let mut writer = Writer::new(connection, stored, sums);
        let mut counts = Counts::default();
        let archived_ticks = if stored.table.ticks {
            writer.read_archived_ticks(archived, &batch, &numbers).with_context(cannot)?
        } else {
            ArchivedTicks::default()
        };
        for run in batch.runs() {
            let number = numbers[frame.series()[run.start] as usize];
            counts += if stored.table.ticks {
                writer.write_ticks((number, run), &batch, &archived_ticks, &mut input.seen)
            } else {
                writer.write_rows(number, &mut batch, run, input)
            }
            .with_context(cannot)?;
        }
        if !stored.table.ticks {
            let (unchanged, updated) =
                writer.settle_late(archived, &mut batch, input.rule).with_context(cannot)?;
            counts.unchanged += unchanged;
            counts.updated += updated;
        }
        counts.inserted = writer.insert_new(&batch).with_context(cannot)? - writer.corrected.len() as u64;
        if catalog.rollups.is_source(&name) {
            changes::note(connection, &name, &writer.changes(&batch)).with_context(cannot)?;
        }
        self.is_changed |= is_new || !missing.is_empty() || counts.inserted + counts.updated > 0;
        Ok(counts)
    }
}

/// What is to be done with a row.
pub(super) enum Verdict {
    New,
    Same,
    /// The stored row becomes this one.
    Changed(Vec<Value>),
}

/// A row that is not stored yet.
#[derive(Clone, Copy)]
pub(super) struct NewRow {
    pub(super) series: i64,
    /// Its place in the batch.
    pub(super) row: usize,
    /// Its ordinal, for ticks.
    pub(super) seq: Option<i64>,
}

/// Writes a batch into a table.
pub(super) struct Writer<'c> {
    pub(super) connection: &'c Connection,
    stored: &'c Stored,
    /// Rows that are not stored yet, in key order.
    pub(super) new: Vec<NewRow>,
    /// Those of them that stand in the place of an archived row, by their places in the batch.
    pub(super) corrected: Vec<usize>,
    /// The series and times of rows that were updated.
    pub(super) updated: Vec<(i64, i64)>,
    pub(super) hash: RowHash,
    pub(super) sums: &'c mut Sums,
}

impl<'c> Writer<'c> {
    fn new(connection: &'c Connection, stored: &'c Stored, sums: &'c mut Sums) -> Self {
        Self {
            connection,
            stored,
            new: Vec::new(),
            corrected: Vec::new(),
            updated: Vec::new(),
            hash: RowHash::of_stored(stored),
            sums,
        }
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'c>> {
        Ok(self.connection.prepare_cached(sql)?)
    }

    pub(super) fn stored(&self) -> &'c Stored {
        self.stored
    }

    /// Writes a run of rows of one series.
    fn write_rows(
        &mut self,
        series: i64,
        batch: &mut Batch<'_>,
        run: Range<usize>,
        input: &mut Input,
    ) -> Result<Counts> {
        let length = run.len();
        let rows = batch.fold(run, input)?;
        let verdicts = self.compare(series, batch, &rows, input.rule)?;
        let mut counts = Counts { repeated: (length - rows.len()) as u64, ..Counts::default() };
        let name = &self.stored.table.name;
        for (&row, (verdict, before)) in rows.iter().zip(verdicts) {
            match verdict {
                Verdict::New => self.new.push(NewRow { series, row, seq: None }),
                Verdict::Same => counts.unchanged += 1,
                Verdict::Changed(values) => {
                    let ts = batch.frame.ts()[row];
                    self.update(series, ts, &values)?;
                    let after = self.hash.row(Resume { ts, seq: 0 }, |cell| Ok(values[cell].as_ref()))?;
                    self.sums.add(name, series, after.wrapping_sub(before));
                    self.updated.push((series, ts));
                    counts.updated += 1;
                }
            }
        }
        Ok(counts)
    }

    /// Compares rows with the stored ones; reads a range where it is dense and row by row where it is not.
    ///
    /// Beside what becomes of a row stands the hash of the stored one where that is changed.
    fn compare(
        &self,
        series: i64,
        batch: &Batch<'_>,
        rows: &[usize],
        rule: OnConflict,
    ) -> Result<Vec<(Verdict, u64)>> {
        let ts = batch.frame.ts();
        let mut verdicts: Vec<_> = rows.iter().map(|_| (Verdict::New, 0)).collect();
        let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { return Ok(verdicts) };
        // Eight stored rows for each new one; beyond that single look-ups read less.
        let limit = 8 * rows.len() + 64;
        let table = quoted(&self.stored.table.name, "_rows");
        let columns = self.stored.value_list("ts");
        let mut range = self.prepare(&format!(
            "SELECT {columns} FROM {table} WHERE series = ?1 AND ts BETWEEN ?2 AND ?3 ORDER BY ts LIMIT ?4"
        ))?;
        let mut found = range.query((series, ts[first], ts[last], i64::try_from(limit)?))?;
        let (mut at, mut read_rows) = (0, 0);
        while let Some(row) = found.next()? {
            let read_until: i64 = row.get(0)?;
            read_rows += 1;
            while at < rows.len() && ts[rows[at]] < read_until {
                at += 1;
            }
            if at < rows.len() && ts[rows[at]] == read_until {
                verdicts[at] = self.judge(batch, (rows[at], rule), row)?;
                at += 1;
            }
        }
        if read_rows == limit {
            let mut single =
                self.prepare(&format!("SELECT {columns} FROM {table} WHERE series = ?1 AND ts = ?2"))?;
            for at in at..rows.len() {
                if let Some(row) = single.query((series, ts[rows[at]]))?.next()? {
                    verdicts[at] = self.judge(batch, (rows[at], rule), row)?;
                }
            }
        }
        Ok(verdicts)
    }

    fn judge(
        &self,
        batch: &Batch<'_>,
        row: (usize, OnConflict),
        cells: &rusqlite::Row<'_>,
    ) -> Result<(Verdict, u64)> {
        let values = &self.stored.table.values;
        let stored =
            |column: usize| read(cells.get_ref(column + 1)?, values[self.stored.present[column]].kind);
        let verdict = judge(self.stored, batch, row, &stored)?;
        let before = match verdict {
            Verdict::Changed(_) => self.hash.row(Resume { ts: cells.get(0)?, seq: 0 }, stored)?,
            Verdict::New | Verdict::Same => 0,
        };
        Ok((verdict, before))
    }

    fn update(&self, series: i64, ts: i64, values: &[Value]) -> Result<()> {
        let names = self.stored.present.iter().map(|&at| quoted(&self.stored.table.values[at].name, ""));
        let columns: Vec<_> = names.zip(3..).map(|(name, place)| format!("{name} = ?{place}")).collect();
        let mut update = self.prepare(&format!(
            "UPDATE {} SET {} WHERE series = ?1 AND ts = ?2",
            quoted(&self.stored.table.name, "_rows"),
            columns.join(", ")
        ))?;
        update.raw_bind_parameter(1, series)?;
        update.raw_bind_parameter(2, ts)?;
        for (place, value) in values.iter().enumerate() {
            update.raw_bind_parameter(place + 3, Bind(value.as_ref()))?;
        }
        update.raw_execute()?;
        Ok(())
    }
}

/// Decides what becomes of a row of the batch whose key is stored; `old` gives the stored values by physical column.
pub(super) fn judge<'v>(
    stored: &Stored,
    batch: &Batch<'_>,
    (at, rule): (usize, OnConflict),
    old: &dyn Fn(usize) -> Result<ValueRef<'v>>,
) -> Result<Verdict> {
    if rule == OnConflict::Ignore {
        return Ok(Verdict::Same);
    }
    let mut is_changed = false;
    for column in 0..batch.width() {
        let (old, new) = (old(column)?, batch.cell(at, column));
        let differs = old != new && (rule == OnConflict::Replace || new != ValueRef::Null);
        if differs && rule == OnConflict::Fail {
            let name = &stored.table.values[stored.present[column]].name;
            bail!(
                Failure::new(format!(
                    "{}: the input has {name} {}, the store {}",
                    batch.name_row(at),
                    new.shown(),
                    old.shown()
                ))
                .hint("`--on-conflict keep-known` takes the new values")
            );
        }
        is_changed |= differs;
    }
    if !is_changed {
        return Ok(Verdict::Same);
    }
    let merged = (0..batch.width())
        .map(|column| {
            let new = batch.cell(at, column);
            let keeps_old = rule == OnConflict::KeepKnown && new == ValueRef::Null;
            Ok(if keeps_old { old(column)? } else { new }.to_value())
        })
        .collect::<Result<_>>()?;
    Ok(Verdict::Changed(merged))
}
