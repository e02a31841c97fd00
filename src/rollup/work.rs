//! Which buckets of which series have to be made again, and in which slices of time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Result;

use super::MAX_OPEN;
use super::plan::{Plan, is_one_of};
use crate::engine::Engine;
use crate::model::{ColumnType, SeriesKey, Span, Value, coalesce};
use crate::store::{MadeRollup, Snapshot};

/// The most queries for changes that lie apart: each costs some milliseconds to plan.
const MAX_CLUSTERS: usize = 16;

/// The most values of a key column that a query names; with more it reads all series.
const MAX_NAMED: usize = 200;

/// The rows that a rollup is made of.
pub(super) struct Source {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) engine: Engine,
    /// Buckets that start before keep the rows they have.
    pub(super) keep_before: Option<i64>,
}

/// What has to be made.
pub(super) struct Work {
    /// Series of the rollup by their keys, with the whole buckets that are made again, in order.
    pub(super) series: Vec<(SeriesKey, Vec<Span>)>,
    /// The spans that are asked for; outside of them the source has no rows. None begins before `kept_until` and
    /// ends behind it.
    pub(super) slices: Vec<Span>,
    pub(super) is_whole: bool,
    /// Buckets that start before keep the rows they have, and get one only where they have none.
    pub(super) kept_until: i64,
}

/// Spans by the encoded key of a series.
type Changed = BTreeMap<Vec<u8>, (SeriesKey, Vec<Span>)>;

impl Work {
    /// Finds what has to be made.
    pub(super) fn find(source: &Source, plan: &Plan<'_>, is_whole: bool) -> Result<Self> {
        let changed = if is_whole { None } else { changed(source, plan)? };
        let is_whole = changed.is_none();
        let changed = match changed {
            Some(changed) => changed,
            None => everything(source, plan)?,
        };
        let kept_until = kept_until(source, plan);
        let reach = reach(source, plan, &changed, kept_until)?;
        let parts = |span: Span| reach.iter().filter_map(move |part| span.intersect(*part));
        let mut series: Vec<(SeriesKey, Vec<Span>)> = Vec::new();
        for (key, spans) in changed.into_values() {
            series.push((key, coalesce(spans).into_iter().flat_map(parts).collect()));
        }
        series.retain(|(_, spans)| !spans.is_empty());
        let mut work = Self { series, slices: Vec::new(), is_whole, kept_until };
        work.slices = work.slices(source, plan)?;
        Ok(work)
    }

    /// Returns how many buckets are asked for at most.
    pub(super) fn buckets(&self, plan: &Plan<'_>) -> u64 {
        self.slices.iter().map(|slice| self.buckets_in(plan, *slice)).fold(0, u64::saturating_add)
    }

    fn buckets_in(&self, plan: &Plan<'_>, slice: Span) -> u64 {
        let spans = self.series.iter().flat_map(|(_, spans)| spans);
        let counts = spans.filter_map(|span| span.intersect(slice)).map(|span| plan.count(span));
        counts.fold(0, u64::saturating_add)
    }

    /// Returns spans of time with at most [`MAX_OPEN`] buckets each, as far as these lie evenly.
    fn slices(&self, source: &Source, plan: &Plan<'_>) -> Result<Vec<Span>> {
        let mut all = coalesce(self.series.iter().flat_map(|(_, spans)| spans.iter().copied()).collect());
        let total = all.iter().map(|span| self.buckets_in(plan, *span)).fold(0, u64::saturating_add);
        if total > MAX_OPEN {
            // A span may reach far beyond the rows that there are.
            let extent = extent(source, plan, Span { start: i64::MIN, stop: i64::MAX })?;
            all = all.iter().filter_map(|span| span.intersect(extent?)).collect();
        }
        let mut slices = Vec::new();
        let halves = |cluster: Span| {
            let until = self.kept_until;
            [
                Span::new(cluster.start, cluster.stop.min(until)),
                Span::new(cluster.start.max(until), cluster.stop),
            ]
        };
        for cluster in clusters(&all).into_iter().flat_map(halves).flatten() {
            let parts = self.buckets_in(plan, cluster).div_ceil(MAX_OPEN).max(1);
            let length = (cluster.micros() / i64::try_from(parts)?).max(1);
            let mut start = cluster.start;
            while start < cluster.stop {
                let end = plan.widen(Span { start, stop: start.saturating_add(length) }).stop;
                slices.push(Span { start, stop: end.min(cluster.stop) });
                start = end;
            }
        }
        Ok(slices)
    }

    /// Returns conditions that leave out series which do not change, as far as that is short.
    pub(super) fn named(&self, plan: &Plan<'_>, slice: Span) -> Vec<String> {
        if self.is_whole {
            return Vec::new();
        }
        let touched: Vec<&SeriesKey> = self
            .series
            .iter()
            .filter(|(_, spans)| spans.iter().any(|span| span.intersect(slice).is_some()))
            .map(|(key, _)| key)
            .collect();
        let columns = plan.table.key.iter().zip(plan.key_places()).enumerate();
        columns
            .filter(|(_, (column, place))| place.is_some() && column.kind == ColumnType::Text)
            .filter_map(|(at, (column, _))| {
                let mut texts = BTreeSet::new();
                for key in &touched {
                    let Value::Text(text) = &key.0[at] else { return None };
                    texts.insert(&**text);
                }
                let texts: Vec<&str> = texts.into_iter().collect();
                (texts.len() <= MAX_NAMED).then(|| is_one_of(&column.name, &texts))
            })
            .collect()
    }
}

/// Returns the buckets that changed since the rollup was made; `None` where a series that changed is gone, so that
/// nobody knows its key.
fn changed(source: &Source, plan: &Plan<'_>) -> Result<Option<Changed>> {
    let snapshot = &source.snapshot;
    let seen = snapshot.made_rollups().get(&plan.rollup.name).and_then(MadeRollup::seen);
    let Some(seen) = seen else { return Ok(None) };
    let entries = snapshot.series(plan.rollup.from())?;
    let keys: HashMap<i64, &SeriesKey> = entries.iter().map(|entry| (entry.id, &entry.key)).collect();
    let mut changed = Changed::new();
    for change in snapshot.changes(plan.rollup.from(), seen)? {
        let Some(key) = keys.get(&change.series) else { return Ok(None) };
        if let Some(key) = plan.key(key) {
            let (_, spans) = changed.entry(key.encode()).or_insert_with(|| (key, Vec::new()));
            spans.push(plan.widen(change.span));
        }
    }
    Ok(Some(changed))
}

/// Returns all time for each series of the source and of the rollup.
fn everything(source: &Source, plan: &Plan<'_>) -> Result<Changed> {
    let snapshot = &source.snapshot;
    let mut keys: Vec<SeriesKey> = Vec::new();
    keys.extend(snapshot.series(plan.rollup.from())?.iter().filter_map(|entry| plan.key(&entry.key)));
    if snapshot.tables().contains(&plan.table) {
        keys.extend(snapshot.series(&plan.table.name)?.into_iter().map(|entry| entry.key));
    }
    let all = || vec![Span { start: i64::MIN, stop: i64::MAX }];
    Ok(keys.into_iter().map(|key| (key.encode(), (key, all()))).collect())
}

/// Returns the start of the first bucket of which all rows of the source are to stay.
fn kept_until(source: &Source, plan: &Plan<'_>) -> i64 {
    let Some(cutoff) = source.keep_before else { return i64::MIN };
    let floor = plan.floor(cutoff);
    if floor == cutoff { floor } else { plan.width.after(floor).unwrap_or(i64::MAX) }
}

/// Returns the time in which buckets are made: before `kept_until` only where the source still has rows.
fn reach(source: &Source, plan: &Plan<'_>, changed: &Changed, kept_until: i64) -> Result<Vec<Span>> {
    let starts = changed.values().flat_map(|(_, spans)| spans.iter().map(|span| span.start));
    let old = match starts.min().and_then(|first| Span::new(first, kept_until)) {
        Some(old) => extent(source, plan, old)?,
        None => None,
    };
    Ok(old.into_iter().chain([Span { start: kept_until, stop: i64::MAX }]).collect())
}

/// Returns the whole buckets from the first to the last row that the source has within a span.
fn extent(source: &Source, plan: &Plan<'_>, span: Span) -> Result<Option<Span>> {
    let rows = source.engine.query(&plan.extent_sql(span))?.values()?;
    let [Value::Timestamp(first), Value::Timestamp(last)] = rows.first().map_or(&[][..], Vec::as_slice)
    else {
        return Ok(None);
    };
    Ok(Some(plan.widen(Span { start: *first, stop: last.saturating_add(1) })))
}

/// Returns few spans that cover some that lie apart: the smallest gaps are closed.
fn clusters(spans: &[Span]) -> Vec<Span> {
    let mut gaps: Vec<(i64, usize)> = spans
        .windows(2)
        .enumerate()
        .map(|(at, pair)| (pair[1].start.saturating_sub(pair[0].stop), at))
        .collect();
    gaps.sort_unstable_by(|left, right| right.cmp(left));
    gaps.truncate(MAX_CLUSTERS - 1);
    let cuts: BTreeSet<usize> = gaps.into_iter().map(|(_, at)| at).collect();
    let mut clusters: Vec<Span> = Vec::new();
    for (at, span) in spans.iter().enumerate() {
        match clusters.last_mut() {
            Some(last) if !cuts.contains(&(at.saturating_sub(1))) => last.stop = span.stop,
            _ => clusters.push(*span),
        }
    }
    clusters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_gaps_part_clusters() {
        let span = |start, stop| Span { start, stop };
        assert_eq!(clusters(&[]), []);
        assert_eq!(clusters(&[span(0, 1), span(5, 6)]), [span(0, 1), span(5, 6)]);
        let spans: Vec<_> =
            (0..40).map(|at| span(at * 10 + if at >= 20 { 1_000 } else { 0 }, at * 10 + 1_001)).collect();
        let apart: Vec<_> = (0..40_i64).map(|at| span(at * at, at * at + 1)).collect();
        let found = clusters(&apart);
        assert_eq!(found.len(), MAX_CLUSTERS);
        assert_eq!((found[0].start, found[0].stop), (0, 24 * 24 + 1));
        assert_eq!(found[MAX_CLUSTERS - 1], apart[39]);
        assert!(clusters(&coalesce(spans)).len() <= MAX_CLUSTERS);
    }
}
