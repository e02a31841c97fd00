//! Writes the files of one dataset into the staging folder and proves them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};

use anyhow::{Context as _, Result};

use super::encode::{ColumnSize, Encoded, FileColumn};
use super::layout::Dataset;
use super::narrow::{Choice, Physical, Values};
use super::plan::{ONE_FILE_ROWS, periods};
use super::rows::{Period, Source};
use super::survey::{Found, Month};
use super::verify::verify;
use super::write::{Content, Written, is_sought};
use crate::fs::fault;
use crate::model::{Column, ColumnType, Table};
use crate::store::{ArchiveFile, DatasetRecord, Digest, Snapshot};

/// Rows that stand for all of a dataset where its size is estimated, and where decimals are tried.
const SAMPLE_ROWS: usize = 122_880;

/// How a column lies in the files of a dataset, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
struct ColumnRecord {
    name: String,
    physical: Physical,
    /// The largest magnitude of a whole number.
    whole: u64,
}

/// What became of a column.
#[derive(Clone, Debug)]
pub struct ColumnOutcome {
    /// Its name.
    pub name: String,
    /// Its type in the table.
    pub kind: ColumnType,
    /// Its type in the file.
    pub physical: Physical,
    /// Why that was chosen, in words.
    pub reason: String,
    /// Its encoding in the last file.
    pub encoded: Encoded,
    /// Its bytes in all files that were written.
    pub bytes: u64,
}

/// What became of a dataset.
#[derive(Clone, Debug)]
pub struct DatasetOutcome {
    /// Its folders; empty where the table has no dataset columns.
    pub dataset: String,
    /// The version of its column types.
    pub version: i64,
    /// Its rows that were archived.
    pub rows: u64,
    /// The series they belong to.
    pub series: usize,
    /// The files that were written.
    pub files: usize,
    /// Their bytes; an estimate for a dry run.
    pub bytes: u64,
    /// The columns of the files.
    pub columns: Vec<ColumnOutcome>,
}

/// A file in the staging folder.
pub(super) struct Staged {
    pub(super) path: PathBuf,
    pub(super) entry: ArchiveFile,
    pub(super) digest: Digest,
}

/// A dataset that is ready to be published.
pub(super) struct Prepared {
    pub(super) files: Vec<Staged>,
    pub(super) record: DatasetRecord,
    pub(super) outcome: DatasetOutcome,
}

/// A dataset on its way into files.
pub(super) struct Work<'a> {
    pub(super) rows: &'a dyn Source,
    pub(super) dataset: &'a Dataset,
    pub(super) found: &'a Found,
    pub(super) level: Option<i32>,
    pub(super) staging: &'a Path,
    pub(super) done: &'a AtomicU64,
    pub(super) stop: &'a AtomicBool,
}

/// The types of a dataset's columns, of which an earlier run may have decided.
#[derive(Default)]
pub(super) struct Known(Option<(i64, Vec<ColumnRecord>)>);

impl Known {
    /// Reads what the store knows of a dataset.
    pub(super) fn read(snapshot: &Snapshot, table: &Table, folder: &str) -> Result<Self> {
        let Some(record) = snapshot.dataset(&table.name, folder)? else { return Ok(Self(None)) };
        let columns = serde_json::from_str(&record.columns)
            .with_context(|| format!("cannot read the column types of dataset '{folder}'"))?;
        Ok(Self(Some((record.version, columns))))
    }

    fn column(&self, name: &str) -> Option<&ColumnRecord> {
        self.0.as_ref()?.1.iter().find(|column| column.name == name)
    }

    /// Returns which types may be chosen for a column: those that were asked for, and decimals where it has them.
    pub(super) fn choice(&self, column: &Column, asked: Choice) -> Choice {
        match self.column(&column.name).map(|column| column.physical) {
            Some(Physical::Decimal9(_) | Physical::Decimal18(_)) => Choice::Smallest,
            _ => asked,
        }
    }
}

impl Work<'_> {
    /// Writes and proves the files: one, one a year, or one a month.
    pub(super) fn prepare(&self) -> Result<Prepared> {
        let columns = self.columns(&self.found.known)?;
        let content = self.content(&columns, self.rows.all());
        let bytes_a_row = if self.found.rows > ONE_FILE_ROWS { bytes_a_row(&content)? } else { 0.0 };
        self.write(&columns, &periods(self.found, self.rows.all(), bytes_a_row))
    }

    /// Writes and proves a file for each of these periods.
    pub(super) fn prepare_as(&self, periods: &[Period]) -> Result<Prepared> {
        self.write(&self.columns(&self.found.known)?, periods)
    }

    fn write(&self, columns: &[FileColumn], periods: &[Period]) -> Result<Prepared> {
        let known = &self.found.known;
        let folder = self.dataset.folder(self.rows.table());
        let record = self.record(known, columns, &folder)?;
        let mut files = Vec::new();
        let mut sizes: Option<Vec<ColumnSize>> = None;
        for period in periods {
            let content = self.content(columns, *period);
            let id = format!("{:032x}", fastrand::u128(..));
            let path = self.staging.join(format!("{id}.tmp"));
            let Some(written) = content.write(&path, (self.done, self.stop))? else {
                crate::fs::remove(&path)?;
                continue;
            };
            fault::point("write.file");
            verify(&content, &path, &written, self.stop)?;
            fault::point("verify.file");
            sizes = Some(match sizes {
                None => written.sizes.clone(),
                Some(before) => before.iter().zip(&written.sizes).map(add).collect(),
            });
            let entry = self.entry(&folder, &id, &written, record.version);
            files.push(Staged { path, entry, digest: written.digest });
        }
        let mut outcome = self.outcome(columns, sizes.as_deref(), &record);
        outcome.files = files.len();
        outcome.bytes = files.iter().map(|file| file.entry.bytes).sum();
        Ok(Prepared { files, record, outcome })
    }

    /// Says what [`Work::prepare`] would do, with an estimate of the bytes.
    pub(super) fn estimate(&self) -> Result<DatasetOutcome> {
        let known = &self.found.known;
        let columns = self.columns(known)?;
        let content = self.content(&columns, self.rows.all());
        let (rows, sizes) = content.sample(SAMPLE_ROWS)?;
        let scale = |bytes: u64| {
            u64::try_from(u128::from(bytes) * u128::from(self.found.rows) / u128::from(rows.max(1)))
                .unwrap_or(u64::MAX)
        };
        let sizes: Vec<_> =
            sizes.into_iter().map(|size| ColumnSize { bytes: scale(size.bytes), ..size }).collect();
        let record = self.record(known, &columns, &self.dataset.folder(self.rows.table()))?;
        let mut outcome = self.outcome(&columns, Some(&sizes), &record);
        outcome.bytes = sizes.iter().map(|size| size.bytes).sum();
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let bytes_a_row = outcome.bytes as f64 / self.found.rows.max(1) as f64;
        outcome.files = periods(self.found, self.rows.all(), bytes_a_row).len();
        Ok(outcome)
    }

    fn content<'c>(&'c self, columns: &'c [FileColumn], period: Period) -> Content<'c> {
        Content { rows: self.rows, series: &self.found.series, columns, period, level: self.level }
    }

    /// Returns the columns with their types.
    fn columns(&self, known: &Known) -> Result<Vec<FileColumn>> {
        let file_column = |(column, _): &(Column, Values), physical| FileColumn {
            name: column.name.clone(),
            physical,
            nullable: column.nullable,
            is_sought: is_sought(physical, self.rows.table().key_index(&column.name).is_some()),
        };
        let choices: Vec<Vec<Physical>> = self
            .found
            .columns
            .iter()
            .map(|(column, values)| match column.name.as_str() {
                // Known without looking: each has its type in every table.
                "ts" => vec![Physical::Timestamp],
                "seq" => vec![Physical::Int32],
                name => match known.column(name) {
                    Some(known) => vec![values.widen(known.physical)],
                    None => values.choices(),
                },
            })
            .collect();
        let with = |last: bool| -> Vec<FileColumn> {
            let pick = |choices: &Vec<Physical>| if last { choices[choices.len() - 1] } else { choices[0] };
            self.found
                .columns
                .iter()
                .zip(&choices)
                .map(|(column, all)| file_column(column, pick(all)))
                .collect()
        };
        let plain = with(false);
        if choices.iter().all(|choices| choices.len() == 1) {
            return Ok(plain);
        }
        let decimal = with(true);
        let size = |columns: &[FileColumn]| self.content(columns, self.rows.all()).sample(SAMPLE_ROWS);
        let (plain_sizes, decimal_sizes) = (size(&plain)?.1, size(&decimal)?.1);
        let smaller = plain.into_iter().zip(decimal).zip(plain_sizes.iter().zip(&decimal_sizes));
        Ok(smaller
            .map(|((plain, decimal), (a, b))| if b.bytes < a.bytes { decimal } else { plain })
            .collect())
    }

    fn record(&self, known: &Known, columns: &[FileColumn], folder: &str) -> Result<DatasetRecord> {
        let whole = |name: &str| {
            let values = self.found.columns.iter().find(|(column, _)| column.name == name);
            let before = known.column(name).map_or(0, |column| column.whole);
            values.map_or(0, |(_, values)| values.largest_whole()).max(before)
        };
        let records: Vec<_> = columns
            .iter()
            .map(|column| ColumnRecord {
                name: column.name.clone(),
                physical: column.physical,
                whole: whole(&column.name),
            })
            .collect();
        let types = |records: &[ColumnRecord]| -> Vec<(String, Physical)> {
            records.iter().map(|column| (column.name.clone(), column.physical)).collect()
        };
        let version = match &known.0 {
            None => 1,
            Some((version, before)) if types(before) == types(&records) => *version,
            Some((version, _)) => version + 1,
        };
        Ok(DatasetRecord { dataset: folder.to_owned(), version, columns: serde_json::to_string(&records)? })
    }

    fn entry(&self, folder: &str, id: &str, written: &Written, version: i64) -> ArchiveFile {
        let table = &self.rows.table().name;
        let months = (Month::of(written.ts.0), Month::of(written.ts.1));
        let name = format!("{}_{}-{id}.parquet", months.0, months.1);
        let path = [table.as_str(), folder, &name].into_iter().filter(|part| !part.is_empty());
        let key = |at: usize| self.found.series[at].key.encode();
        ArchiveFile {
            id: 0,
            path: path.collect::<Vec<_>>().join("/"),
            table: table.clone(),
            dataset: folder.to_owned(),
            version,
            rows: written.rows,
            ts_min: written.ts.0,
            ts_max: written.ts.1,
            series_min: key(written.series.0),
            series_max: key(written.series.1),
            bytes: written.bytes,
        }
    }

    fn outcome(
        &self,
        columns: &[FileColumn],
        sizes: Option<&[ColumnSize]>,
        record: &DatasetRecord,
    ) -> DatasetOutcome {
        let nothing = ColumnSize { encoded: Encoded::Plain, bytes: 0 };
        let columns = columns
            .iter()
            .zip(&self.found.columns)
            .enumerate()
            .map(|(at, (file, (column, values)))| {
                let size = sizes.map_or(nothing, |sizes| sizes[at]);
                ColumnOutcome {
                    name: file.name.clone(),
                    kind: column.kind,
                    physical: file.physical,
                    reason: match file.name.as_str() {
                        "ts" | "seq" => "as it is".to_owned(),
                        _ => values.reason(file.physical),
                    },
                    encoded: size.encoded,
                    bytes: size.bytes,
                }
            })
            .collect();
        DatasetOutcome {
            dataset: record.dataset.clone(),
            version: record.version,
            rows: self.found.rows,
            series: self.found.series.len(),
            files: 0,
            bytes: 0,
            columns,
        }
    }
}

fn add((before, now): (&ColumnSize, &ColumnSize)) -> ColumnSize {
    ColumnSize { encoded: now.encoded, bytes: before.bytes + now.bytes }
}

#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn bytes_a_row(content: &Content<'_>) -> Result<f64> {
    let (rows, sizes) = content.sample(SAMPLE_ROWS)?;
    Ok(sizes.iter().map(|size| size.bytes).sum::<u64>() as f64 / rows.max(1) as f64)
}
