//! Finds archived rows by series and time, many at once: only row groups that can have them are looked at, of
//! those the key columns, then the times of the series that are wanted, then the rows themselves.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use arrow::array::{ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection, RowSelector,
};
use parquet::file::metadata::{PageIndexPolicy, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::cell::{cell, is_same, key};
use super::file::CheckedFile;
use super::layout::Dataset;
use crate::model::{Column, ColumnType, Table, Value, ValueRef};
use crate::store::{Archive, ArchiveFile, Found, Search, Store, Wanted};

/// Files that are kept open; a batch of a provider's newest rows touches one or two.
const OPEN_FILES: usize = 8;

/// Rows that are read at a time.
const READ_ROWS: usize = 8_192;

/// Opens a store for writing, with its archive.
pub fn open_store(root: &Path) -> Result<Store> {
    let mut store = Store::open(root)?;
    store.attach(Box::new(Lookup { root: root.to_owned(), open: Vec::new() }));
    Ok(store)
}

/// The archive as the writer of a store asks it.
struct Lookup {
    root: PathBuf,
    /// The files used last, the newest at the end.
    open: Vec<Open>,
}

/// A file that is open for looking up rows.
struct Open {
    path: String,
    file: CheckedFile,
    metadata: ArrowReaderMetadata,
    /// For each row group its series, once they are known.
    series: HashMap<usize, Vec<Run>>,
}

/// A series within a row group.
struct Run {
    key: Vec<u8>,
    start: usize,
    rows: usize,
}

impl Archive for Lookup {
    fn find(
        &mut self,
        search: &Search<'_>,
        wanted: &[Wanted<'_>],
        found: &mut dyn FnMut(Found<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut by_dataset: BTreeMap<String, HashMap<Vec<u8>, usize>> = BTreeMap::new();
        for (at, wanted) in wanted.iter().enumerate() {
            let folder = Dataset::of(search.table, wanted.key).folder(search.table);
            by_dataset.entry(folder).or_default().insert(wanted.key.encode(), at);
        }
        for file in search.files {
            let Some(keys) = by_dataset.get(&file.dataset) else { continue };
            let span = span(wanted, keys);
            if span.is_none_or(|(first, last)| last < file.ts_min || file.ts_max < first) {
                continue;
            }
            let open = self.open(search, file)?;
            for group in 0..open.metadata.metadata().num_row_groups() {
                open.find(search, (file, group), (wanted, keys), found)?;
            }
        }
        Ok(())
    }
}

/// Returns the first and last wanted time of some series.
fn span(wanted: &[Wanted<'_>], keys: &HashMap<Vec<u8>, usize>) -> Option<(i64, i64)> {
    let times = |at: &usize| wanted.get(*at).map_or(&[][..], |wanted| &wanted.times);
    let first = keys.values().filter_map(|at| times(at).first()).min();
    let last = keys.values().filter_map(|at| times(at).last()).max();
    first.copied().zip(last.copied())
}

impl Lookup {
    fn open(&mut self, search: &Search<'_>, entry: &ArchiveFile) -> Result<&mut Open> {
        if let Some(at) = self.open.iter().position(|open| open.path == entry.path) {
            let open = self.open.remove(at);
            self.open.push(open);
        } else {
            let file = CheckedFile::open(&self.root, entry, (search.digest)(entry)?)?;
            let options = ArrowReaderOptions::new()
                .with_skip_arrow_metadata(true)
                .with_page_index_policy(PageIndexPolicy::Optional);
            let metadata = ArrowReaderMetadata::load(&file, options).map_err(|err| file.explain(err))?;
            if self.open.len() >= OPEN_FILES {
                self.open.remove(0);
            }
            self.open.push(Open { path: entry.path.clone(), file, metadata, series: HashMap::new() });
        }
        self.open.last_mut().context("a file was opened")
    }
}

impl Open {
    /// Finds the rows of one row group.
    fn find(
        &mut self,
        search: &Search<'_>,
        (entry, group): (&ArchiveFile, usize),
        (wanted, keys): (&[Wanted<'_>], &HashMap<Vec<u8>, usize>),
        found: &mut dyn FnMut(Found<'_>) -> Result<()>,
    ) -> Result<()> {
        let table = search.table;
        let Some((first, last)) = span(wanted, keys) else { return Ok(()) };
        if !may_have(self.metadata.metadata().row_group(group), (first, last)) {
            return Ok(());
        }
        self.learn(table, &entry.dataset, group)?;
        let runs: Vec<(usize, &Run)> =
            self.series[&group].iter().filter_map(|run| Some((*keys.get(&run.key)?, run))).collect();
        if runs.is_empty() {
            return Ok(());
        }
        let rows = self.rows_at(group, &runs, wanted)?;
        if rows.is_empty() {
            return Ok(());
        }
        self.read(table, group, &rows, found)
    }

    /// Reads which series a row group has.
    fn learn(&mut self, table: &Table, dataset: &str, group: usize) -> Result<()> {
        if self.series.contains_key(&group) {
            return Ok(());
        }
        let dataset = Dataset::parse(table, dataset)?;
        let names: Vec<&str> = table.key.iter().map(|column| column.name.as_str()).collect();
        let mut runs: Vec<Run> = Vec::new();
        let mut start = 0;
        for batch in self.reader(group, None, &names)? {
            let batch = batch.map_err(|err| self.file.explain(err))?;
            let columns: Vec<Option<&ArrayRef>> =
                table.key.iter().map(|column| batch.column_by_name(&column.name)).collect();
            for row in 0..batch.num_rows() {
                // Most rows have the key of the row before; only where it changes is it read.
                let is_same = row > 0 && columns.iter().flatten().all(|column| is_same(column, row));
                if let (true, Some(run)) = (is_same, runs.last_mut()) {
                    run.rows += 1;
                    continue;
                }
                let key = key(table, &dataset, &columns, row)?.encode();
                match runs.last_mut() {
                    Some(run) if run.key == key => run.rows += 1,
                    _ => runs.push(Run { key, start: start + row, rows: 1 }),
                }
            }
            start += batch.num_rows();
        }
        // Without a key column in the file the whole group is one series.
        if runs.is_empty() {
            let rows = usize::try_from(self.metadata.metadata().row_group(group).num_rows())?;
            let columns = vec![None; table.key.len()];
            runs.push(Run { key: key(table, &dataset, &columns, 0)?.encode(), start: 0, rows });
        }
        self.series.insert(group, runs);
        Ok(())
    }

    /// Returns the rows of some series that have a wanted time, with the places of the series, ascending.
    fn rows_at(
        &self,
        group: usize,
        runs: &[(usize, &Run)],
        wanted: &[Wanted<'_>],
    ) -> Result<Vec<(usize, usize)>> {
        let selection = selection(runs.iter().map(|(_, run)| run.start..run.start + run.rows));
        let mut runs = runs.iter();
        let mut run = runs.next();
        let mut at = run.map_or(0, |(_, run)| run.start);
        let mut rows = Vec::new();
        for batch in self.reader(group, Some(selection), &["ts"])? {
            let batch = batch.map_err(|err| self.file.explain(err))?;
            let times = batch.column(0).as_primitive_opt::<TimestampMicrosecondType>();
            for ts in times.context("column 'ts' has another type")?.values() {
                let Some((place, current)) = run else { bail!("it has more rows than its key columns") };
                if wanted[*place].times.binary_search(ts).is_ok() {
                    rows.push((at, *place));
                }
                at += 1;
                if at == current.start + current.rows {
                    run = runs.next();
                    at = run.map_or(0, |(_, run)| run.start);
                }
            }
        }
        Ok(rows)
    }

    /// Reads whole rows.
    fn read(
        &self,
        table: &Table,
        group: usize,
        rows: &[(usize, usize)],
        found: &mut dyn FnMut(Found<'_>) -> Result<()>,
    ) -> Result<()> {
        let selection = selection(rows.iter().map(|(row, _)| *row..row + 1));
        let mut names: Vec<&str> = table.values.iter().map(|column| column.name.as_str()).collect();
        names.extend(["ts", "seq"]);
        let mut rows = rows.iter();
        for batch in self.reader(group, Some(selection), &names)? {
            let batch = batch.map_err(|err| self.file.explain(err))?;
            let columns: Vec<Option<&ArrayRef>> =
                table.values.iter().map(|column| batch.column_by_name(&column.name)).collect();
            for row in 0..batch.num_rows() {
                let (_, wanted) = rows.next().context("it has more rows than were selected")?;
                let owned = |(column, array): (&Column, Option<&ArrayRef>)| match array {
                    Some(array) => cell(array, row, column.kind).map(ValueRef::to_value),
                    // The column came into the table later.
                    None => Ok(column.default.clone()),
                };
                let values: Vec<Value> =
                    table.values.iter().zip(columns.iter().copied()).map(owned).collect::<Result<_>>()?;
                let (ts, seq) = (whole(&batch, "ts", row)?, whole(&batch, "seq", row)?);
                found(Found {
                    wanted: *wanted,
                    ts: ts.context("a row has no time")?,
                    seq: seq.unwrap_or(0),
                    values: &values,
                })?;
            }
        }
        Ok(())
    }

    fn reader(
        &self,
        group: usize,
        selection: Option<RowSelection>,
        names: &[&str],
    ) -> Result<ParquetRecordBatchReader> {
        let schema = self.metadata.parquet_schema();
        let has = |name: &&str| schema.columns().iter().any(|column| column.name() == *name);
        let mask = ProjectionMask::columns(schema, names.iter().copied().filter(has));
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone())
                .with_row_groups(vec![group])
                .with_projection(mask)
                .with_batch_size(READ_ROWS);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        builder.build().map_err(|err| self.file.explain(err))
    }
}

/// Returns whether a row group may have a row within some times.
fn may_have(group: &RowGroupMetaData, (first, last): (i64, i64)) -> bool {
    let column = group.columns().iter().find(|column| column.column_descr().name() == "ts");
    match column.and_then(|column| column.statistics()) {
        Some(Statistics::Int64(times)) => match (times.min_opt(), times.max_opt()) {
            (Some(min), Some(max)) => *min <= last && first <= *max,
            _ => true,
        },
        _ => true,
    }
}

/// Returns a selection of ascending ranges of rows.
fn selection(ranges: impl Iterator<Item = std::ops::Range<usize>>) -> RowSelection {
    let mut selectors: Vec<RowSelector> = Vec::new();
    let mut end = 0;
    for range in ranges {
        if range.start > end {
            selectors.push(RowSelector::skip(range.start - end));
        }
        match selectors.last_mut() {
            Some(last) if !last.skip => last.row_count += range.len(),
            _ => selectors.push(RowSelector::select(range.len())),
        }
        end = range.end;
    }
    RowSelection::from(selectors)
}

fn whole(batch: &RecordBatch, name: &str, row: usize) -> Result<Option<i64>> {
    let Some(array) = batch.column_by_name(name) else { return Ok(None) };
    let kind = if name == "ts" { ColumnType::Timestamp } else { ColumnType::Bigint };
    Ok(match cell(array, row, kind)? {
        ValueRef::Bigint(number) | ValueRef::Timestamp(number) => Some(number),
        _ => None,
    })
}
