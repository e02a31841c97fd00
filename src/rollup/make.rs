//! Makes buckets: slices of the source are aggregated, then what differs is written.
//!
//! The writer's transaction begins when the engine is done with what it writes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering;

use anyhow::{Result, bail};

use super::plan::Plan;
use super::work::{Source, Work};
use super::{MAX_OPEN, RollupOutcome};
use crate::archive::Watch;
use crate::engine::Values;
use crate::error::go_on;
use crate::frame::{ColumnBuilder, Frame, FrameColumns};
use crate::fs::fault;
use crate::model::{OnConflict, SeriesKey, Span, ValueRef, subtract};
use crate::store::{Input, Store};

/// The new rows of a slice.
struct Made {
    slice: Span,
    frames: Vec<Frame>,
    /// The buckets that have a row, by the place of their series and their start.
    buckets: HashSet<(usize, i64)>,
}

/// Makes the buckets of one rollup.
pub(super) struct Maker<'a> {
    pub(super) store: &'a mut Store,
    pub(super) source: &'a Source,
    pub(super) plan: &'a Plan<'a>,
    pub(super) work: &'a Work,
    pub(super) watch: Watch<'a>,
    pub(super) outcome: &'a mut RollupOutcome,
}

impl Maker<'_> {
    /// Makes all buckets, and records that the rollup has seen the change `last`.
    pub(super) fn run(mut self, last: i64) -> Result<()> {
        let places: HashMap<Vec<u8>, usize> =
            self.work.series.iter().enumerate().map(|(at, (key, _))| (key.encode(), at)).collect();
        let (mut open, mut rows) = (Vec::new(), 0);
        for slice in &self.work.slices {
            let made = self.aggregate(*slice, &places)?;
            rows += made.buckets.len() as u64;
            open.push(made);
            if rows >= MAX_OPEN {
                self.commit(std::mem::take(&mut open), None)?;
                rows = 0;
            }
        }
        fault::point("rollup.answered");
        self.commit(open, Some(last))?;
        fault::point("rollup.committed");
        Ok(())
    }

    /// Asks for the buckets of a slice.
    fn aggregate(&mut self, slice: Span, places: &HashMap<Vec<u8>, usize>) -> Result<Made> {
        let sql = self.plan.sql(Some(slice), &self.work.named(self.plan, slice));
        let mut answer = self.source.engine.query(&sql)?;
        let mut made = Made { slice, frames: Vec::new(), buckets: HashSet::new() };
        while let Some(values) = answer.next_values()? {
            go_on(self.watch.stop)?;
            self.watch.done.fetch_add(values.len() as u64, Ordering::Relaxed);
            let frame = self.frame(&values, places, &mut made.buckets)?;
            if !frame.is_empty() {
                made.frames.push(frame);
            }
        }
        self.outcome.buckets += made.buckets.len() as u64;
        Ok(made)
    }

    /// Returns the rows of an answer whose buckets changed.
    fn frame(
        &self,
        values: &Values,
        places: &HashMap<Vec<u8>, usize>,
        buckets: &mut HashSet<(usize, i64)>,
    ) -> Result<Frame> {
        let table = &self.plan.table;
        let (key_places, every) = (self.plan.key_places(), self.plan.every());
        let first = key_places.iter().flatten().count() + 1;
        let mut builders: Vec<ColumnBuilder> =
            table.values.iter().map(|column| ColumnBuilder::new(column.kind, values.len())).collect();
        let (mut keys, mut series, mut ts): (Vec<SeriesKey>, Vec<u32>, Vec<i64>) = Default::default();
        let mut known: BTreeMap<usize, u32> = BTreeMap::new();
        let mut encoded = Vec::new();
        for row in 0..values.len() {
            encoded.clear();
            for place in &key_places {
                place.map_or(every.as_ref(), |place| values.get(place, row)).encode(&mut encoded);
            }
            let ValueRef::Timestamp(start) = values.get(first - 1, row) else {
                bail!("a bucket has no time")
            };
            let Some(&place) = places.get(&encoded) else { continue };
            let (key, spans) = &self.work.series[place];
            if !is_in(spans, start) {
                continue;
            }
            buckets.insert((place, start));
            series.push(*known.entry(place).or_insert_with(|| {
                keys.push(key.clone());
                u32::try_from(keys.len() - 1).unwrap_or(u32::MAX)
            }));
            ts.push(start);
            for (at, builder) in builders.iter_mut().enumerate() {
                builder.push(values.get(first + at, row));
            }
        }
        let values = builders.into_iter().map(Some).collect();
        Ok(Frame::new(FrameColumns { keys, series, ts, seq: None, values }))
    }

    /// Writes new rows and deletes those without a bucket, in one transaction.
    ///
    /// With the last change that was seen, this is the last one of the rollup.
    fn commit(&mut self, made: Vec<Made>, last: Option<i64>) -> Result<()> {
        self.store.begin()?;
        let result = self.write(made).and_then(|()| match last {
            Some(last) => {
                self.clear()?;
                self.store.finish_rollup(self.plan.rollup, last)
            }
            None => Ok(()),
        });
        match result {
            Ok(()) => self.store.commit(),
            Err(err) => {
                self.store.rollback()?;
                Err(err)
            }
        }
    }

    fn write(&mut self, made: Vec<Made>) -> Result<()> {
        let mut replacing = Input::new(&self.plan.table.name, OnConflict::Replace);
        let mut adding = Input::new(&self.plan.table.name, OnConflict::Ignore);
        for Made { slice, frames, buckets } in made {
            let is_kept = slice.stop <= self.work.kept_until;
            for (place, (key, spans)) in self.work.series.iter().enumerate().filter(|_| !is_kept) {
                for span in spans.iter().filter_map(|span| span.intersect(slice)) {
                    let keep = |ts: i64| buckets.contains(&(place, ts));
                    self.outcome.deleted +=
                        self.store.delete_rollup_rows(&self.plan.table.name, key, span, &keep)?;
                }
            }
            let input = if is_kept { &mut adding } else { &mut replacing };
            for frame in frames {
                let counts = self.store.write(input, frame)?;
                self.outcome.written += counts.inserted + counts.updated;
            }
        }
        Ok(())
    }

    /// Deletes the rows of buckets where the source has no rows at all.
    fn clear(&mut self) -> Result<()> {
        for (key, spans) in &self.work.series {
            for span in spans.iter().flat_map(|span| subtract(*span, &self.work.slices)) {
                let Some(span) = Span::new(span.start.max(self.work.kept_until), span.stop) else { continue };
                self.outcome.deleted +=
                    self.store.delete_rollup_rows(&self.plan.table.name, key, span, &|_| false)?;
            }
        }
        Ok(())
    }
}

/// Returns whether a time lies in one of some spans, which are in order.
fn is_in(spans: &[Span], time: i64) -> bool {
    let behind = spans.partition_point(|span| span.start <= time);
    behind.checked_sub(1).and_then(|at| spans.get(at)).is_some_and(|span| span.contains(time))
}
