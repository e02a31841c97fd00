//! The archived rows of a table: which files a query reads, and how.

mod adapt;
mod choose;
mod correct;
mod count;
mod file;
mod filter;
mod plan;
mod show;

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use datafusion::physical_plan::ExecutionPlan;

use super::rows::Rows;
use super::table::Wanted;
use crate::archive::Dataset;
use crate::model::{SeriesKey, Table, Value};
use crate::store::{ArchiveFile, SeriesEntry};
pub(super) use correct::value as cell;
use file::Files;
pub(super) use show::show;

/// The files of a table, as one snapshot of the store has them.
pub(super) struct Archive {
    reader: Arc<Files>,
    /// The number of all files.
    all: usize,
    datasets: Vec<Folder>,
    /// The places of series among all, and times, of rows that hot ones replace; in order.
    corrections: Vec<(usize, i64)>,
}

/// A dataset that has files.
struct Folder {
    name: String,
    /// The places of its series among all, in order.
    series: Vec<usize>,
    files: Vec<Entry>,
}

/// A file of a dataset.
#[derive(Clone)]
struct Entry {
    file: Arc<ArchiveFile>,
    /// The places of its first and its last series among all.
    first: usize,
    last: usize,
}

impl Archive {
    /// Reads the manifest of a table with these series.
    pub(super) fn load(rows: &Arc<dyn Rows>, table: &Table, series: &[SeriesEntry]) -> Result<Self> {
        let files: Vec<_> = rows.files(&table.name)?.into_iter().map(Arc::new).collect();
        let reader = Arc::new(Files::new(Arc::clone(rows)));
        let all = files.len();
        let mut archive = Self { reader, all, datasets: Vec::new(), corrections: Vec::new() };
        if files.is_empty() {
            return Ok(archive);
        }
        let places = places(&files, series);
        let place = |file: &ArchiveFile, key: &[u8]| {
            let place = places.get(key).copied().flatten();
            place.with_context(|| format!("cannot find the series of archive file '{}'", file.path))
        };
        for file in &files {
            let (first, last) = (place(file, &file.series_min)?, place(file, &file.series_max)?);
            if archive.datasets.last().is_none_or(|dataset| dataset.name != file.dataset) {
                archive.datasets.push(Folder::new(table, &file.dataset, series)?);
            }
            if let Some(dataset) = archive.datasets.last_mut() {
                dataset.files.push(Entry { file: Arc::clone(file), first, last });
            }
        }
        let ids: HashMap<i64, usize> =
            series.iter().enumerate().map(|(place, entry)| (entry.id, place)).collect();
        let corrections = rows.corrections(&table.name)?;
        archive.corrections = corrections.iter().filter_map(|(id, ts)| Some((*ids.get(id)?, *ts))).collect();
        archive.corrections.sort_unstable();
        Ok(archive)
    }

    /// Plans to read what is wanted of the archived rows; nothing where no file has any.
    pub(super) fn plan(
        &self,
        table: &Table,
        wanted: &Wanted,
        threads: usize,
    ) -> datafusion::common::Result<Vec<Arc<dyn ExecutionPlan>>> {
        let mut inputs = Vec::new();
        for dataset in &self.datasets {
            if let Some(chosen) = choose::choose(dataset, wanted, &self.corrections)? {
                inputs.extend(plan::Scan::new(self, table, wanted, &chosen)?.plans(&chosen, threads)?);
            }
        }
        Ok(inputs)
    }
}

/// Returns the places of the series that the manifest names.
fn places<'a>(files: &'a [Arc<ArchiveFile>], series: &[SeriesEntry]) -> HashMap<&'a [u8], Option<usize>> {
    let named = files.iter().flat_map(|file| [file.series_min.as_slice(), file.series_max.as_slice()]);
    let mut places: HashMap<&[u8], Option<usize>> = named.map(|key| (key, None)).collect();
    let mut key = Vec::new();
    for (place, entry) in series.iter().enumerate() {
        key.clear();
        entry.key.0.iter().for_each(|value| value.as_ref().encode(&mut key));
        if let Some(found) = places.get_mut(key.as_slice()) {
            *found = Some(place);
        }
    }
    places
}

impl Folder {
    fn new(table: &Table, name: &str, series: &[SeriesEntry]) -> Result<Self> {
        let dataset = Dataset::parse(table, name)?;
        let has = |key: &SeriesKey| {
            dataset.values.iter().all(|(at, text)| matches!(&key.0[*at], Value::Text(own) if **own == **text))
        };
        let series = series.iter().enumerate().filter(|(_, entry)| has(&entry.key));
        Ok(Self {
            name: name.to_owned(),
            series: series.map(|(place, _)| place).collect(),
            files: Vec::new(),
        })
    }
}
