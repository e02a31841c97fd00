//! Rows that are to go: which files may have them, which hot rows go with them, and what the ledger forgets.

use std::collections::BTreeMap;

use anyhow::Result;

use super::layout::Dataset;
use super::merged::Dropped;
use crate::model::{SeriesKey, Span, Table};
use crate::store::{ArchiveFile, Leaving, LedgerKey, SeriesEntry, Snapshot, State};

/// Rows of a table that are to go.
#[derive(Debug, Default)]
pub struct Removal {
    /// The folders of the only dataset they are of; `None` for all.
    pub dataset: Option<String>,
    /// Which rows.
    pub rows: Dropped,
    /// What the ledger says of the time they were in from then on: `None` for nothing, so that it is asked again.
    pub state: Option<State>,
}

/// Returns the first and last time of the rows that are named, by the folders of their datasets.
pub(super) fn extents(
    snapshot: &Snapshot,
    table: &Table,
    dropped: &Dropped,
) -> Result<BTreeMap<String, (i64, i64)>> {
    let named = named(snapshot, table, dropped)?;
    Ok(joined(named.into_iter().map(|(key, extent)| (Dataset::of(table, &key).folder(table), extent))))
}

/// Returns the first and last time of all that have one name.
fn joined<K: Ord>(named: impl Iterator<Item = (K, (i64, i64))>) -> BTreeMap<K, (i64, i64)> {
    let mut joined: BTreeMap<K, (i64, i64)> = BTreeMap::new();
    for (name, (first, last)) in named {
        let extent = joined.entry(name).or_insert((first, last));
        *extent = (extent.0.min(first), extent.1.max(last));
    }
    joined
}

/// Returns the series that have named rows, with the first and last time of these.
fn named(snapshot: &Snapshot, table: &Table, dropped: &Dropped) -> Result<Vec<(SeriesKey, (i64, i64))>> {
    if dropped.keys.is_empty() {
        return Ok(Vec::new());
    }
    let ends = |entry: SeriesEntry| {
        let keys = dropped.keys.get(&entry.id)?;
        Some((entry.key, (keys.first()?.0, keys.last()?.0)))
    };
    Ok(snapshot.series(&table.name)?.into_iter().filter_map(ends).collect())
}

/// Returns whether a file may have rows that go.
pub(super) fn may_lose(
    file: &ArchiveFile,
    dropped: &Dropped,
    extents: &BTreeMap<String, (i64, i64)>,
) -> bool {
    let is_old = dropped.before.is_some_and(|before| file.ts_min < before);
    let overlaps = |(first, last): &(i64, i64)| file.ts_min <= *last && *first <= file.ts_max;
    is_old || extents.get(&file.dataset).is_some_and(overlaps)
}

/// Returns which rows leave the database.
pub(super) fn leaving<'r>(snapshot: &Snapshot, table: &Table, removal: &'r Removal) -> Result<Leaving<'r>> {
    let Some(before) = removal.rows.before else { return Ok(Leaving::Keys(&removal.rows.keys)) };
    let is_inside = |entry: &SeriesEntry| {
        let dataset = Dataset::of(table, &entry.key).folder(table);
        removal.dataset.as_ref().is_none_or(|wanted| dataset == *wanted)
    };
    let series = snapshot.series(&table.name)?.into_iter().filter(is_inside).map(|entry| entry.id);
    Ok(Leaving::Before { series: series.collect(), before })
}

/// Returns the ranges of the ledger in which rows go.
pub(super) fn ledger(
    snapshot: &Snapshot,
    table: &Table,
    removal: &Removal,
) -> Result<Vec<(LedgerKey, Span)>> {
    let mut ranges = Vec::new();
    let named = named(snapshot, table, &removal.rows)?;
    // Several series may be one to the ledger, such as the dividends and the splits of a symbol.
    let named = joined(named.into_iter().map(|(key, extent)| (LedgerKey::series_of(table, &key), extent)));
    for (key, coverage) in snapshot.coverages(Some(&table.name))? {
        let span = match removal.rows.before {
            Some(before) if removal.dataset.as_ref().is_none_or(|dataset| is_of(table, dataset, &key)) => {
                Span::new(coverage.span.start, coverage.span.stop.min(before))
            }
            Some(_) => None,
            None => named.get(&key.series()).and_then(|(first, last)| {
                let (start, stop) = (coverage.span.start, coverage.span.stop);
                Span::new(start.max(*first), stop.min(last.saturating_add(1)))
            }),
        };
        ranges.extend(span.map(|span| (key, span)));
    }
    Ok(ranges)
}

/// Returns whether an entry of the ledger is about a dataset.
fn is_of(table: &Table, dataset: &str, key: &LedgerKey) -> bool {
    let Ok(dataset) = Dataset::parse(table, dataset) else { return false };
    dataset.values.iter().all(|(at, value)| match table.key[*at].name.as_str() {
        "source" => *value == key.source,
        "timeframe" => *value == key.timeframe,
        _ => true,
    })
}
