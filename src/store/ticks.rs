//! Writing ticks: a multiset a time. Identical trades are real, so what counts is how many there are.

use std::collections::HashMap;
use std::ops::Range;

use anyhow::{Result, bail};

use super::batch::Batch;
use super::catalog::{Stored, quoted};
use super::late::Found;
use super::value::read;
use super::write::{NewRow, Writer};
use crate::error::Failure;
use crate::model::{Counts, Table, Value, ValueRef};

/// The column that, where it has a value, names a tick: the same name is the same tick.
const IDENTITY: &str = "trade_id";

/// What an input has brought so far, as far as later batches may bring more of it.
///
/// Batches of one input cut it anywhere, also between two identical ticks. For each series the counts of
/// the last batch are kept: an input in time order, upwards or downwards, or one that jumps back less than
/// a batch, is counted exactly; any other is refused.
#[derive(Default)]
pub(super) struct Seen(HashMap<i64, SeenSeries>);

struct SeenSeries {
    /// The times met so far.
    first: i64,
    last: i64,
    /// The times whose counts are known.
    known: Range<i64>,
    /// How often each tick came, by its time and identity.
    counts: HashMap<Vec<u8>, u64>,
}

impl Seen {
    /// Returns how often the ticks of a series in `first..=last` came before in this input.
    fn enter(&mut self, series: i64, first: i64, last: i64) -> Result<&mut HashMap<Vec<u8>, u64>> {
        let seen = self.0.entry(series).or_insert_with(|| SeenSeries {
            first,
            last,
            known: first..last.saturating_add(1),
            counts: HashMap::new(),
        });
        let overlaps_below = first < seen.known.start && last >= seen.first;
        let overlaps_above = last >= seen.known.end && first <= seen.last;
        if (overlaps_below && seen.first < seen.known.start)
            || (overlaps_above && seen.last >= seen.known.end)
        {
            bail!(
                Failure::new("its ticks are not in the order of time, and identical ones can not be counted")
                    .hint("`sort` the file by time, or store the parts apart")
            );
        }
        if last < seen.known.start || first >= seen.known.end {
            seen.counts.clear();
        } else {
            seen.counts.retain(|key, _| (first..=last).contains(&time_of(key)));
        }
        seen.known = first..last.saturating_add(1);
        seen.first = seen.first.min(first);
        seen.last = seen.last.max(last);
        Ok(&mut seen.counts)
    }
}

/// Returns the bytes that identify a tick within its series, the time first.
fn identify<'v>(
    ts: i64,
    table: &Table,
    cells: impl Fn(usize) -> ValueRef<'v>,
    columns: &[usize],
) -> (Vec<u8>, bool) {
    let mut bytes = ts.to_be_bytes().to_vec();
    let name = columns.iter().position(|&at| table.values[at].name == IDENTITY);
    if let Some(id) = name.map(&cells)
        && id != ValueRef::Null
    {
        bytes.push(1);
        id.encode(&mut bytes);
        return (bytes, true);
    }
    bytes.push(0);
    for (column, &at) in columns.iter().enumerate() {
        let cell = cells(column);
        // A column that came into the table only now must not change the ticks from before.
        if cell != table.values[at].default.as_ref() {
            bytes.extend_from_slice(&(at as u64).to_be_bytes());
            cell.encode(&mut bytes);
        }
    }
    (bytes, false)
}

fn time_of(key: &[u8]) -> i64 {
    key.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

impl Writer<'_> {
    /// Writes a run of ticks of one series: of each identical tick the store then has the larger of the
    /// stored count and the count in this input.
    pub(super) fn write_ticks(
        &mut self,
        (series, run): (i64, Range<usize>),
        batch: &Batch<'_>,
        archived: &ArchivedTicks,
        seen: &mut Seen,
    ) -> Result<Counts> {
        let ts = batch.frame.ts();
        let (first, last) = (ts[run.start], ts[run.end - 1]);
        let seen = seen.enter(series, first, last)?;
        let is_new = !self.has_rows(series, first, last)?;
        let mut counts = Counts::default();
        let mut start = run.start;
        while start < run.end {
            let time = ts[start];
            let end = start + ts[start..run.end].partition_point(|&ts| ts == time);
            let mut stored = if is_new { StoredTicks::default() } else { self.read_ticks(series, time)? };
            if let Some(ticks) = archived.0.get(&(series, time)) {
                stored.next = stored.next.max(ticks.next);
                ticks
                    .counts
                    .iter()
                    .for_each(|(key, count)| *stored.counts.entry(key.clone()).or_insert(0) += count);
            }
            let mut next = stored.next;
            for row in start..end {
                let (key, is_named) =
                    identify(time, batch.table, |column| batch.cell(row, column), &self.stored().present);
                let had = stored.counts.get(&key).copied().unwrap_or(0);
                let came = seen.entry(key).or_insert(0);
                *came += 1;
                if is_named && *came > 1 {
                    counts.repeated += 1;
                } else if *came <= had {
                    // One of the stored ticks is this one.
                    counts.unchanged += 1;
                } else {
                    self.new.push(NewRow { series, row, seq: Some(next) });
                    next += 1;
                }
            }
            start = end;
        }
        Ok(counts)
    }

    fn has_rows(&self, series: i64, first: i64, last: i64) -> Result<bool> {
        let table = quoted(&self.stored().table.name, "_rows");
        let mut any = self.prepare(&format!(
            "SELECT EXISTS (SELECT 1 FROM {table} WHERE series = ?1 AND ts BETWEEN ?2 AND ?3)"
        ))?;
        Ok(any.query_row((series, first, last), |row| row.get(0))?)
    }

    fn read_ticks(&self, series: i64, ts: i64) -> Result<StoredTicks> {
        let table = quoted(&self.stored().table.name, "_rows");
        let mut all = self.prepare(&format!(
            "SELECT {} FROM {table} WHERE series = ?1 AND ts = ?2",
            self.stored().value_list("seq")
        ))?;
        let mut ticks = StoredTicks::default();
        let mut rows = all.query((series, ts))?;
        let (table, present) = (&self.stored().table, &self.stored().present);
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            ticks.next = ticks.next.max(seq + 1);
            let cells = present
                .iter()
                .enumerate()
                .map(|(column, &at)| read(row.get_ref(column + 1)?, table.values[at].kind))
                .collect::<Result<Vec<_>>>()?;
            *ticks.counts.entry(identify(ts, table, |column| cells[column], present).0).or_insert(0) += 1;
        }
        Ok(ticks)
    }
}

/// The stored ticks of one series and time.
#[derive(Default)]
struct StoredTicks {
    counts: HashMap<Vec<u8>, u64>,
    /// The ordinal of the next tick.
    next: i64,
}

/// The archived ticks at the times of a batch, by series and time.
#[derive(Default)]
pub(super) struct ArchivedTicks(HashMap<(i64, i64), StoredTicks>);

impl ArchivedTicks {
    /// Adds a tick of a series.
    pub(super) fn add(&mut self, series: i64, stored: &Stored, found: &Found<'_>) {
        let ticks = self.0.entry((series, found.ts)).or_default();
        ticks.next = ticks.next.max(found.seq.saturating_add(1));
        let cell =
            |column: usize| found.values.get(stored.present[column]).map_or(ValueRef::Null, Value::as_ref);
        *ticks.counts.entry(identify(found.ts, &stored.table, cell, &stored.present).0).or_insert(0) += 1;
    }
}
