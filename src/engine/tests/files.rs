//! Archived files for tests: written plainly, with the types and columns a test asks for.

#![allow(clippy::disallowed_methods, reason = "tests make the files that are read")]

use std::fs;
use std::path::PathBuf;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use tempfile::TempDir;

use super::*;
use crate::archive::{Dataset, FOLDER, digest};
use crate::engine::hot::collect;
use crate::store::Digest;

/// The archive of a store in memory.
#[derive(Default)]
pub(super) struct Folder {
    root: Option<TempDir>,
    files: Vec<(ArchiveFile, Digest)>,
    /// The files that were opened.
    pub(super) opened: Mutex<Vec<String>>,
}

impl Folder {
    pub(super) fn of(&self, table: &str) -> Vec<ArchiveFile> {
        let files = self.files.iter().map(|(file, _)| file).filter(|file| file.table == table);
        let mut files: Vec<_> = files.cloned().collect();
        files.sort_by(|left, right| {
            (&left.dataset, left.ts_min, left.id).cmp(&(&right.dataset, right.ts_min, right.id))
        });
        files
    }

    pub(super) fn open(&self, file: &ArchiveFile) -> Result<CheckedFile> {
        self.opened.lock().unwrap().push(file.path.clone());
        let (_, digest) = self.files.iter().find(|(known, _)| known.id == file.id).unwrap();
        CheckedFile::open(self.root.as_ref().unwrap().path(), file, digest.clone())
    }

    /// Returns where a file lies.
    pub(super) fn path(&self, at: usize) -> PathBuf {
        self.root.as_ref().unwrap().path().join(FOLDER).join(&self.files[at].0.path)
    }

    /// Returns the number of files opened since the last call.
    pub(super) fn take_opened(&self) -> usize {
        let mut opened = self.opened.lock().unwrap();
        opened.sort();
        opened.dedup();
        std::mem::take(&mut *opened).len()
    }
}

/// How a file is written.
#[derive(Clone)]
pub(super) struct Form {
    /// Types other than the table's, by the names of the columns.
    pub(super) types: Vec<(&'static str, DataType)>,
    /// Columns that it lacks.
    pub(super) lacks: Vec<&'static str>,
    /// Rows of a group and of a page.
    pub(super) group_rows: usize,
    pub(super) page_rows: usize,
}

impl Default for Form {
    fn default() -> Self {
        Self { types: Vec::new(), lacks: Vec::new(), group_rows: 1_000, page_rows: 100 }
    }
}

/// An archived row: its series, its time, its ordinal, its values.
pub(super) type Archived = (Vec<Value>, i64, i64, Vec<Value>);

impl Memory {
    /// Archives rows of one dataset, which are in the order of their keys, and makes their series known.
    pub(super) fn add_file(&mut self, table: &str, rows: &[Archived], form: &Form) {
        for row in rows {
            self.ensure_series(table, &row.0);
        }
        let table = self.tables.iter().find(|known| known.name == table).unwrap().clone();
        let key = |row: &Archived| SeriesKey(row.0.clone().into());
        let dataset = Dataset::of(&table, &key(&rows[0]));
        let bytes = encode(&table, rows, form);
        let root = self.archive.root.get_or_insert_with(|| TempDir::new().unwrap());
        let id = i64::try_from(self.archive.files.len()).unwrap() + 1;
        let folder = format!("{}/{}", table.name, dataset.folder(&table));
        let path = format!("{}/{id}.parquet", folder.trim_end_matches('/'));
        let place = root.path().join(FOLDER).join(&path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, &bytes).unwrap();
        let file = ArchiveFile {
            id,
            path,
            table: table.name.clone(),
            dataset: dataset.folder(&table),
            version: 1,
            rows: rows.len() as u64,
            ts_min: rows.iter().map(|row| row.1).min().unwrap(),
            ts_max: rows.iter().map(|row| row.1).max().unwrap(),
            series_min: key(&rows[0]).encode(),
            series_max: key(&rows[rows.len() - 1]).encode(),
            bytes: bytes.len() as u64,
        };
        self.archive.files.push((file, digest(&bytes)));
    }

    /// Adds a series without rows, unless it is known, and keeps all in the order of their keys.
    pub(super) fn ensure_series(&mut self, table: &str, key: &[Value]) -> i64 {
        let known = self.series.entry(table.to_owned()).or_default();
        if let Some((entry, _)) = known.iter().find(|(entry, _)| *entry.key.0 == *key) {
            return entry.id;
        }
        let id = 100 + i64::try_from(known.len()).unwrap();
        known.push((SeriesEntry { id, key: SeriesKey(key.into()) }, Vec::new()));
        known.sort_by(|left, right| compare(&left.0.key.0, &right.0.key.0));
        id
    }

    /// Adds a hot row; one that stands in the place of an archived row is a correction.
    pub(super) fn add_row(&mut self, table: &str, row: &Archived, is_correction: bool) {
        let id = self.ensure_series(table, &row.0);
        let series = self.series.get_mut(table).unwrap();
        let (_, lines) = series.iter_mut().find(|(entry, _)| entry.id == id).unwrap();
        lines.push((row.1, row.2, row.3.clone()));
        lines.sort_by_key(|line| (line.0, line.1));
        if is_correction {
            let corrections = self.corrections.entry(table.to_owned()).or_default();
            corrections.push((id, row.1));
            corrections.sort_unstable();
        }
    }
}

/// Compares keys as the store sorts them: nulls first, text by its bytes.
pub(super) fn compare(left: &[Value], right: &[Value]) -> std::cmp::Ordering {
    let one = |(left, right): (&Value, &Value)| match (left, right) {
        (Value::Null, Value::Null) => std::cmp::Ordering::Equal,
        (Value::Null, _) => std::cmp::Ordering::Less,
        (_, Value::Null) => std::cmp::Ordering::Greater,
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Double(left), Value::Double(right)) => left.total_cmp(right),
        (Value::Date(left), Value::Date(right)) => left.cmp(right),
        (Value::Bigint(left), Value::Bigint(right)) => left.cmp(right),
        other => panic!("{other:?}"),
    };
    left.iter().zip(right).map(one).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
}

fn encode(table: &Table, rows: &[Archived], form: &Form) -> Vec<u8> {
    let folders = Dataset::columns(table);
    let (mut fields, mut arrays): (Vec<ArrowField>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (at, column) in table.columns().into_iter().enumerate() {
        if folders.contains(&at) || form.lacks.contains(&column.name.as_str()) {
            continue;
        }
        let cells = rows.iter().map(|row| cell(table, row, at));
        let cells: Vec<Value> = cells.collect();
        let array = collect(column.kind, cells.iter().map(Value::as_ref)).unwrap();
        let stored = form.types.iter().find(|(name, _)| *name == column.name);
        let stored = match (stored, array.data_type()) {
            (Some((_, stored)), _) => stored.clone(),
            (None, DataType::Utf8View) => DataType::Utf8,
            (None, other) => other.clone(),
        };
        let array = cast(&array, &stored).unwrap();
        fields.push(ArrowField::new(&column.name, stored, array.null_count() > 0));
        arrays.push(array);
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(form.group_rows))
        .set_data_page_row_count_limit(form.page_rows)
        .set_write_batch_size(form.page_rows)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_bloom_filter_enabled(true)
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn cell(table: &Table, row: &Archived, at: usize) -> Value {
    let keys = table.key.len();
    match at {
        at if at < keys => row.0[at].clone(),
        at if at == keys => Value::Timestamp(row.1),
        at if table.ticks && at == keys + 1 => Value::Bigint(row.2),
        at => row.3[at - keys - 1 - usize::from(table.ticks)].clone(),
    }
}
