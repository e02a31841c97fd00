//! The one writer: rows and what the ledger learns from them go into the store in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::error::Failure;
use crate::frame::Frame;
use crate::model::time::now;
use crate::model::{Counts, OnConflict, Reject, Span, Table, subtract};
use crate::store::{Coverage, Input, Keep, LedgerKey, Origin, State, Store};

/// The longest time rows wait for their commit while others come.
const COMMIT: Duration = Duration::from_millis(250);

/// How long nothing may come before rows are committed, so that small answers do not sync the disk one by one.
const REST: Duration = Duration::from_millis(25);

/// Rows of a transaction.
const COMMIT_ROWS: u64 = 500_000;

/// What a page brings.
pub(super) struct Part {
    /// The window it belongs to, and how often that was begun anew: what came before is then no part of it.
    pub(super) task: (usize, u32),
    /// The symbol it is counted for.
    pub(super) target: usize,
    /// Its rows.
    pub(super) rows: Vec<Rows>,
    /// What the ledger learns; only beside the last page of a window.
    pub(super) coverage: Vec<(LedgerKey, Coverage)>,
    /// Whether the window is complete.
    pub(super) is_last: bool,
    /// The request, for rejects.
    pub(super) origin: String,
}

/// Rows of one table.
pub(super) struct Rows {
    /// The place of the table in the tables of the writer.
    pub(super) table: usize,
    /// The rows that are kept.
    pub(super) frame: Option<Frame>,
    /// What was counted while they were decoded.
    pub(super) counts: Counts,
    /// What could not be decoded.
    pub(super) rejects: Vec<Reject>,
}

/// A window of a request, and which try of it.
type Attempt = (usize, u32);

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// By the place of the symbol, and by window and attempt.
    counts: Mutex<BTreeMap<(usize, Attempt), Counts>>,
    /// Why rows of a symbol were not taken.
    pub(super) refused: Mutex<BTreeMap<usize, String>>,
}

impl Written {
    /// Returns what became of the rows of each symbol.
    pub(super) fn by_target(&self) -> BTreeMap<usize, Counts> {
        let mut windows: BTreeMap<(usize, usize), Counts> = BTreeMap::new();
        for ((target, (window, _)), counts) in lock(&self.counts).iter() {
            let known = windows.entry((*target, *window)).or_default();
            *known = begun_anew(*known, *counts);
        }
        let mut targets: BTreeMap<usize, Counts> = BTreeMap::new();
        for ((target, _), counts) in windows {
            *targets.entry(target).or_default() += counts;
        }
        targets
    }
}

/// Returns the counts of a window that was begun anew: the rows that were stored before come again, as unchanged ones.
fn begun_anew(before: Counts, after: Counts) -> Counts {
    if after == Counts::default() {
        return before;
    }
    let inserted = before.inserted.min(after.unchanged);
    let updated = before.updated.min(after.unchanged - inserted);
    Counts {
        // Those that did not come again are stored all the same.
        read: after.read + (before.inserted - inserted) + (before.updated - updated),
        inserted: after.inserted + before.inserted,
        updated: after.updated + before.updated,
        unchanged: after.unchanged - inserted - updated,
        ..after
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes what the workers bring.
pub(super) struct Writer<'a> {
    store: &'a mut Store,
    tables: &'a [Table],
    rule: OnConflict,
    written: &'a Written,
    inputs: HashMap<((usize, u32), usize), Input>,
    /// Windows whose rows cannot be taken.
    refused: HashSet<(usize, u32)>,
    /// What the open transaction has, as in [`Written`].
    open: BTreeMap<(usize, (usize, u32)), Counts>,
    open_rows: u64,
    rejects: Vec<(usize, String, Vec<Reject>)>,
    began: Instant,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        store: &'a mut Store,
        tables: &'a [Table],
        rule: OnConflict,
        written: &'a Written,
    ) -> Self {
        Self {
            store,
            tables,
            rule,
            written,
            inputs: HashMap::new(),
            refused: HashSet::new(),
            open: BTreeMap::new(),
            open_rows: 0,
            rejects: Vec::new(),
            began: Instant::now(),
        }
    }

    /// Writes parts until no worker is left; sets `stop` where that fails, so that they end.
    pub(super) fn run(mut self, parts: &Receiver<Part>, stop: &AtomicBool) -> Result<()> {
        let result = self.write_all(parts);
        if result.is_err() {
            stop.store(true, Ordering::SeqCst);
            self.store.rollback().ok();
        }
        result
    }

    fn write_all(&mut self, parts: &Receiver<Part>) -> Result<()> {
        loop {
            let wait = if self.store.is_in_transaction() { REST } else { Duration::from_secs(1) };
            match parts.recv_timeout(wait) {
                Ok(part) => self.write(part)?,
                Err(RecvTimeoutError::Timeout) if self.store.is_in_transaction() => self.commit()?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.commit(),
            }
            let is_due = self.open_rows >= COMMIT_ROWS || self.began.elapsed() >= COMMIT;
            if self.store.is_in_transaction() && is_due {
                self.commit()?;
            }
        }
    }

    fn write(&mut self, part: Part) -> Result<()> {
        if !self.store.is_in_transaction() {
            self.store.begin()?;
            self.began = Instant::now();
            for table in self.tables {
                self.store.define(table)?;
            }
        }
        if self.refused.contains(&part.task) {
            return Ok(());
        }
        let total = self.open.entry((part.target, part.task)).or_default();
        for rows in part.rows {
            let table = self.tables.get(rows.table).context("a part names a table")?;
            let mut counts = rows.counts;
            if let Some(frame) = rows.frame.filter(|frame| !frame.is_empty()) {
                let input = self
                    .inputs
                    .entry((part.task, rows.table))
                    .or_insert_with(|| Input::new(&table.name, self.rule));
                self.open_rows += frame.len() as u64;
                match self.store.write(input, frame) {
                    Ok(written) => counts += written,
                    // What the store says of ticks is about their order, and that is the provider's doing.
                    Err(err) if table.ticks && err.downcast_ref::<Failure>().is_some() => {
                        self.refused.insert(part.task);
                        let mut refused = lock(&self.written.refused);
                        refused.entry(part.target).or_insert_with(|| format!("{err:#}"));
                        return Ok(());
                    }
                    Err(err) => return Err(err),
                }
            }
            *total += counts;
            if !rows.rejects.is_empty() {
                self.rejects.push((rows.table, part.origin.clone(), rows.rejects));
            }
        }
        for (key, coverage) in &part.coverage {
            self.cover(key, coverage)?;
        }
        if part.is_last {
            self.inputs.retain(|((task, _), _), _| *task != part.task.0);
        }
        Ok(())
    }

    fn cover(&mut self, key: &LedgerKey, coverage: &Coverage) -> Result<()> {
        if coverage.state != State::Unavailable {
            return self.store.cover(key, coverage);
        }
        // What is stored stays known, also where the provider has let go of it.
        let known = self.store.coverage(key)?;
        let known = known.iter().filter(|known| known.state != State::Unavailable);
        let known: Vec<Span> = known.map(|known| known.span).collect();
        for span in subtract(coverage.span, &known) {
            self.store.cover(key, &Coverage { span, ..coverage.clone() })?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if self.store.is_in_transaction() {
            // With the rows: what the ledger calls stored is not asked for again.
            for (table, path, rejects) in std::mem::take(&mut self.rejects) {
                let table = self.tables.get(table).context("a part names a table")?;
                let origin = Origin { table: &table.name, path: &path, content: "fetch" };
                self.store.keep_rejects(origin, &rejects, Keep::Replace, now())?;
            }
            self.store.commit()?;
        }
        self.open_rows = 0;
        let mut written = lock(&self.written.counts);
        for (window, counts) in std::mem::take(&mut self.open) {
            *written.entry(window).or_default() += counts;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_window_that_is_begun_anew_are_counted_once() {
        let counts = |read, inserted, unchanged| Counts { read, inserted, unchanged, ..Counts::default() };
        let written = Written::default();
        let all = [
            ((0, (0, 0)), counts(100, 90, 10)),
            ((0, (0, 1)), counts(150, 50, 100)),
            // Nothing of the second attempt, and less than before.
            ((0, (1, 0)), counts(7, 7, 0)),
            ((0, (1, 1)), Counts::default()),
            ((1, (2, 0)), counts(9, 5, 4)),
            ((1, (2, 1)), counts(3, 0, 3)),
        ];
        lock(&written.counts).extend(all);
        let expected = [(0, counts(157, 147, 10)), (1, counts(5, 5, 0))];
        assert_eq!(written.by_target(), BTreeMap::from(expected));
    }
}
