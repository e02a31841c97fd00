//! Which files of a table are written anew: small ones together, those that hot rows correct, and those whose column
//! types are older than the dataset's.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;

use super::merged::Corrected;
use crate::model::Table;
use crate::store::{ArchiveFile, SeriesEntry, Snapshot};

/// Files below this size are joined with their neighbours whenever there is something to join: to write one anew takes
/// about a second.
const SMALL_BYTES: u64 = 16 << 20;

/// A larger file is joined with what is newer once that has grown to the fourth part of it, so that a row is written
/// anew only a few times in its life.
const SHARE: u64 = 4;

/// The size of files beyond which none is joined: what a dataset in one file has at most.
const FULL_BYTES: u64 = 64 << 20;

/// Files that become one.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// In the order of their times.
    pub(super) files: Vec<ArchiveFile>,
    /// The rows that correct them.
    pub(super) corrected: Corrected,
}

/// What is to be done with the files of a table.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) clusters: Vec<Cluster>,
    /// Marks of rows that stand in the place of no archived one.
    pub(super) unmarked: Vec<(i64, i64)>,
}

/// The places of series in the order of their keys, by which files say what they have.
struct Order {
    places: HashMap<Vec<u8>, usize>,
    numbers: HashMap<i64, (usize, String)>,
}

impl Order {
    fn new(table: &Table, series: &[SeriesEntry]) -> Self {
        let dataset = |entry: &SeriesEntry| super::Dataset::of(table, &entry.key).folder(table);
        Self {
            places: series.iter().enumerate().map(|(at, entry)| (entry.key.encode(), at)).collect(),
            numbers: series.iter().enumerate().map(|(at, entry)| (entry.id, (at, dataset(entry)))).collect(),
        }
    }

    /// Returns whether a file may have a row.
    fn may_have(&self, file: &ArchiveFile, (series, ts): (i64, i64)) -> bool {
        let Some((place, dataset)) = self.numbers.get(&series) else { return false };
        let first = self.places.get(&file.series_min).copied().unwrap_or(0);
        let last = self.places.get(&file.series_max).copied().unwrap_or(usize::MAX);
        file.dataset == *dataset
            && (file.ts_min..=file.ts_max).contains(&ts)
            && (first..=last).contains(place)
    }
}

/// Returns the series of which a file may have rows.
pub(super) fn series_of(snapshot: &Snapshot, table: &Table, file: &ArchiveFile) -> Result<Vec<i64>> {
    let series = snapshot.series(&table.name)?;
    let order = Order::new(table, &series);
    let ids = series.iter().map(|entry| entry.id);
    Ok(ids.filter(|id| order.may_have(file, (*id, file.ts_min))).collect())
}

/// Plans the compaction of a table.
pub(super) fn plan(snapshot: &Snapshot, table: &Table, corrected: Corrected) -> Result<Work> {
    let order = Order::new(table, &snapshot.series(&table.name)?);
    let mut datasets: BTreeMap<String, Vec<ArchiveFile>> = BTreeMap::new();
    for file in snapshot.files(Some(&table.name))? {
        datasets.entry(file.dataset.clone()).or_default().push(file);
    }
    let (mut work, mut corrections) = (Work::default(), Vec::new());
    for (series, rows) in corrected {
        corrections.extend(rows.into_iter().map(|(ts, row)| (series, ts, row)));
    }
    for (dataset, files) in datasets {
        let version = snapshot.dataset(&table.name, &dataset)?.map_or(0, |record| record.version);
        let mut clusters = join(files);
        for (series, ts, _) in &corrections {
            unite(&mut clusters, |file| order.may_have(file, (*series, *ts)));
        }
        let (mut has, mut left) = (vec![Corrected::new(); clusters.len()], Vec::new());
        for (series, ts, row) in corrections {
            let is_there =
                |files: &Vec<ArchiveFile>| files.iter().any(|file| order.may_have(file, (series, ts)));
            match clusters.iter().position(is_there) {
                Some(at) => has[at].entry(series).or_default().push((ts, row)),
                None => left.push((series, ts, row)),
            }
        }
        corrections = left;
        for (files, mut corrected) in clusters.into_iter().zip(has) {
            let is_old = files.iter().any(|file| file.version < version);
            if files.len() > 1 || is_old || !corrected.is_empty() {
                for rows in corrected.values_mut() {
                    rows.sort_by_key(|(ts, _)| *ts);
                }
                work.clusters.push(Cluster { files, corrected });
            }
        }
    }
    work.unmarked = corrections.into_iter().map(|(series, ts, _)| (series, ts)).collect();
    Ok(work)
}

/// Returns which files become one, in the order of their times; `files` come in it.
fn join(files: Vec<ArchiveFile>) -> Vec<Vec<ArchiveFile>> {
    let mut clusters: Vec<(u64, Vec<ArchiveFile>)> = Vec::new();
    for file in files.into_iter().rev() {
        match clusters.last_mut() {
            Some((bytes, cluster)) if joins(file.bytes, *bytes) => {
                *bytes += file.bytes;
                cluster.push(file);
            }
            _ => clusters.push((file.bytes, vec![file])),
        }
    }
    let oldest_first = |(_, mut files): (u64, Vec<ArchiveFile>)| {
        files.reverse();
        files
    };
    clusters.into_iter().rev().map(oldest_first).collect()
}

/// Returns whether a file is joined with newer ones that have so many bytes.
fn joins(bytes: u64, newer: u64) -> bool {
    bytes + newer <= FULL_BYTES && (bytes < SMALL_BYTES || newer * SHARE >= bytes)
}

/// Makes one cluster of those that have a file of this kind.
fn unite(clusters: &mut Vec<Vec<ArchiveFile>>, has: impl Fn(&ArchiveFile) -> bool) {
    let mut with = clusters.iter().enumerate().filter(|(_, files)| files.iter().any(&has)).map(|(at, _)| at);
    let (Some(first), others) = (with.next(), with.collect::<Vec<_>>()) else { return };
    for at in others.into_iter().rev() {
        let files = clusters.remove(at);
        clusters[first].extend(files);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(sizes: &[u64]) -> Vec<ArchiveFile> {
        let file = |(at, bytes): (usize, &u64)| {
            let ts = i64::try_from(at).unwrap();
            ArchiveFile {
                id: ts,
                path: String::new(),
                table: String::new(),
                dataset: String::new(),
                version: 1,
                rows: 1,
                ts_min: ts,
                ts_max: ts,
                series_min: Vec::new(),
                series_max: Vec::new(),
                bytes: *bytes,
            }
        };
        sizes.iter().enumerate().map(file).collect()
    }

    fn joined(megabytes: &[u64]) -> Vec<Vec<u64>> {
        let sizes: Vec<u64> = megabytes.iter().map(|size| size << 20).collect();
        let shown = |files: Vec<ArchiveFile>| files.iter().map(|file| file.bytes >> 20).collect();
        join(files(&sizes)).into_iter().map(shown).collect()
    }

    #[test]
    fn small_files_become_one_and_large_ones_wait() {
        assert_eq!(joined(&[1, 1, 1]), [[1, 1, 1]]);
        assert_eq!(joined(&[60]), [[60]]);
        assert_eq!(joined(&[40, 1, 2]), [vec![40], vec![1, 2]]);
        assert_eq!(joined(&[40, 6, 5]), [[40, 6, 5]]);
        assert_eq!(joined(&[70, 20, 1]), [vec![70], vec![20], vec![1]]);
        assert_eq!(joined(&[60, 10]), [[60], [10]]);
    }

    #[test]
    fn what_was_joined_stays() {
        let mut sizes = vec![3, 70, 2, 30, 9, 9, 9, 25, 1, 1];
        for _ in 0..8 {
            sizes = joined(&sizes).iter().map(|files| files.iter().sum()).collect();
        }
        assert_eq!(joined(&sizes).len(), sizes.len());
    }

    #[test]
    fn files_with_one_key_are_written_together() {
        let mut clusters: Vec<_> = files(&[1, 2, 3, 4]).into_iter().map(|file| vec![file]).collect();
        unite(&mut clusters, |file| file.id == 1 || file.id == 3);
        let ids: Vec<Vec<i64>> =
            clusters.iter().map(|files| files.iter().map(|file| file.id).collect()).collect();
        assert_eq!(ids, [vec![0], vec![1, 3], vec![2]]);
        unite(&mut clusters, |_| false);
        assert_eq!(clusters.len(), 3);
    }
}
