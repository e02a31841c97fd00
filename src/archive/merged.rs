//! The rows of several files of a dataset as one sorted stream, with the hot rows that correct them in their places
//! and without those that are to go.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use arrow::array::{ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::PageIndexPolicy;

use super::cell::{cell, is_same, key};
use super::file::CheckedFile;
use super::layout::Dataset;
use super::rows::{Cells, Period, Reader, Source, Visit};
use crate::model::{Table, Value, ValueRef};
use crate::store::{ArchiveFile, Field, Resume, Scan, SeriesEntry, Snapshot};

/// Rows that are decoded at a time.
const READ_ROWS: usize = 8_192;

/// Rows that go.
#[derive(Debug, Default)]
pub struct Dropped {
    /// All of the dataset before this time.
    pub before: Option<i64>,
    /// By series, these times and ordinals (0 where the table has none).
    pub keys: HashMap<i64, BTreeSet<(i64, i64)>>,
}

impl Dropped {
    /// Returns whether no row goes.
    pub(super) fn is_nothing(&self) -> bool {
        self.before.is_none() && self.keys.is_empty()
    }

    fn has(&self, series: i64, at: Resume) -> bool {
        self.before.is_some_and(|before| at.ts < before)
            || self.keys.get(&series).is_some_and(|keys| keys.contains(&(at.ts, at.seq)))
    }
}

/// Hot rows in the place of archived ones, by series, in the order of time; without values where the row is gone.
pub(super) type Corrected = HashMap<i64, Vec<(i64, Option<Vec<Value>>)>>;

/// Reads the hot rows at the marked times that can no longer change.
pub(super) fn read_corrected(snapshot: &Snapshot, table: &Table) -> Result<Corrected> {
    let mut corrected = Corrected::new();
    let is_final = table.values.iter().position(crate::model::Column::is_final);
    for (series, ts) in snapshot.corrections(&table.name)? {
        let scan = Scan {
            table: table.name.clone(),
            fields: (0..table.values.len()).map(Field::Value).collect(),
            since: Some(ts),
            until: ts.checked_add(1),
        };
        let mut row: Option<Vec<Value>> = None;
        snapshot.scan(&scan, series, None, &mut |cells| {
            let values = (0..table.values.len()).map(|at| cells.get(at).map(ValueRef::to_value));
            row = Some(values.collect::<Result<_>>()?);
            Ok(ControlFlow::Break(()))
        })?;
        let is_open = |row: &Vec<Value>| is_final.is_some_and(|at| row[at] != Value::Boolean(true));
        if !row.as_ref().is_some_and(is_open) {
            corrected.entry(series).or_default().push((ts, row));
        }
    }
    Ok(corrected)
}

/// The rows of some files.
pub(super) struct Merged<'s> {
    snapshot: &'s Snapshot,
    table: &'s Table,
    dataset: Dataset,
    cells: Vec<usize>,
    files: Vec<OpenFile>,
    /// The series of the dataset in their order.
    series: Vec<SeriesEntry>,
    /// Their places by encoded key, and by number.
    places: HashMap<Vec<u8>, usize>,
    numbers: HashMap<i64, usize>,
    corrected: Corrected,
    dropped: &'s Dropped,
}

struct OpenFile {
    entry: ArchiveFile,
    file: CheckedFile,
    metadata: ArrowReaderMetadata,
}

impl<'s> Merged<'s> {
    /// The rows of `files`, all of one dataset of the table, with `corrected` rows in their places.
    pub(super) fn open(
        (snapshot, table): (&'s Snapshot, &'s Table),
        files: &[ArchiveFile],
        corrected: Corrected,
        dropped: &'s Dropped,
    ) -> Result<Self> {
        let folder = files.first().map(|file| file.dataset.as_str()).unwrap_or_default();
        let dataset = Dataset::parse(table, folder)?;
        let is_inside = |entry: &SeriesEntry| Dataset::of(table, &entry.key) == dataset;
        let series: Vec<_> = snapshot.series(&table.name)?.into_iter().filter(is_inside).collect();
        let places = series.iter().enumerate().map(|(at, entry)| (entry.key.encode(), at)).collect();
        let numbers = series.iter().enumerate().map(|(at, entry)| (entry.id, at)).collect();
        let open = |entry: &ArchiveFile| OpenFile::open(snapshot, entry);
        let files: Vec<OpenFile> = files.iter().map(open).collect::<Result<_>>()?;
        let is_hot = !corrected.is_empty();
        let hot = snapshot.present(&table.name)?;
        let is_there = |at: &usize| {
            let name = &table.values[*at].name;
            is_hot && hot.contains(at) || files.iter().any(|file| file.has(name))
        };
        let cells = (0..table.values.len()).filter(is_there).collect();
        Ok(Self { snapshot, table, dataset, cells, files, series, places, numbers, corrected, dropped })
    }

    /// Returns the series of the dataset, whether the files have rows of them or not.
    pub(super) fn series(&self) -> &[SeriesEntry] {
        &self.series
    }
}

impl OpenFile {
    fn open(snapshot: &Snapshot, entry: &ArchiveFile) -> Result<Self> {
        let root: &Path = snapshot.root();
        let file = CheckedFile::open(root, entry, snapshot.digest(entry)?)?;
        let options = ArrowReaderOptions::new()
            .with_skip_arrow_metadata(true)
            .with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(|err| file.explain(err))?;
        Ok(Self { entry: entry.clone(), file, metadata })
    }

    fn has(&self, name: &str) -> bool {
        self.metadata.parquet_schema().columns().iter().any(|column| column.name() == name)
    }
}

impl Source for Merged<'_> {
    fn snapshot(&self) -> &Snapshot {
        self.snapshot
    }

    fn table(&self) -> &Table {
        self.table
    }

    fn cells(&self) -> &[usize] {
        &self.cells
    }

    fn all(&self) -> Period {
        Period { since: None, until: None }
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn reader(&self) -> Box<dyn Reader + '_> {
        Box::new(Stream { source: self, cursors: None, place: 0 })
    }
}

/// Where a row stands: the place of its series, its time, its ordinal.
type At = (usize, i64, i64);

/// The rows of all files, once from the first to the last.
struct Stream<'m> {
    source: &'m Merged<'m>,
    /// Opened with the first row that is wanted.
    cursors: Option<Vec<Cursor<'m>>>,
    place: usize,
}

impl Stream<'_> {
    fn open(&mut self) -> Result<()> {
        if self.cursors.is_none() {
            let cursors = self.source.files.iter().map(|file| Cursor::open(self.source, file));
            self.cursors = Some(cursors.collect::<Result<_>>()?);
        }
        Ok(())
    }

    /// Returns the cursor with the first row of a series, and where that is.
    fn first(&mut self, place: usize) -> Result<Option<(usize, At)>> {
        let mut first: Option<(usize, At)> = None;
        for (number, cursor) in self.cursors.iter_mut().flatten().enumerate() {
            while cursor.at.is_some_and(|at| at.0 < place) {
                cursor.advance()?;
            }
            let Some(at) = cursor.at.filter(|at| at.0 == place) else { continue };
            if first.is_none_or(|(_, best)| at < best) {
                first = Some((number, at));
            }
        }
        Ok(first)
    }

    /// Goes behind a row in all files.
    fn pass(&mut self, at: At) -> Result<()> {
        for cursor in self.cursors.iter_mut().flatten() {
            if cursor.at == Some(at) {
                cursor.advance()?;
            }
        }
        Ok(())
    }
}

impl Reader for Stream<'_> {
    fn visit(
        &mut self,
        series: &SeriesEntry,
        period: Period,
        behind: Option<Resume>,
        visit: Visit<'_>,
    ) -> Result<u64> {
        let source = self.source;
        let place = *source.numbers.get(&series.id).context("a series is of another dataset")?;
        if place < self.place {
            bail!("cannot read the rows of files backwards");
        }
        self.place = place;
        self.open()?;
        let is_wanted = |at: Resume| {
            behind.is_none_or(|behind| (at.ts, at.seq) > (behind.ts, behind.seq))
                && period.since.is_none_or(|since| at.ts >= since)
                && period.until.is_none_or(|until| at.ts < until)
                && !source.dropped.has(series.id, at)
        };
        let corrected = source.corrected.get(&series.id).map_or(&[][..], Vec::as_slice);
        let mut corrected = corrected.iter().peekable();
        loop {
            let archived = self.first(place)?;
            let hot = corrected.peek().filter(|(ts, _)| archived.is_none_or(|(_, at)| *ts <= at.1));
            let (at, row): (Resume, Option<&dyn Cells>) = match (hot, archived) {
                (Some((ts, row)), _) => {
                    let row = row.as_ref().map(|values| HotRow { source, values });
                    let at = Resume { ts: *ts, seq: 0 };
                    if let Some(row) = row.filter(|_| is_wanted(at))
                        && visit(at, &row)?.is_break()
                    {
                        return Ok(0);
                    }
                    (at, None)
                }
                (None, Some((number, (_, ts, seq)))) => {
                    let cursor = self.cursors.as_ref().and_then(|cursors| cursors.get(number));
                    (Resume { ts, seq }, cursor.map(|cursor| cursor as &dyn Cells))
                }
                (None, None) => return Ok(0),
            };
            if let Some(row) = row.filter(|_| is_wanted(at))
                && visit(at, row)?.is_break()
            {
                return Ok(0);
            }
            if corrected.next_if(|(ts, _)| *ts == at.ts).is_some() {
                self.pass((place, at.ts, 0))?;
            } else {
                self.pass((place, at.ts, at.seq))?;
            }
        }
    }
}

/// A hot row in the place of an archived one.
struct HotRow<'r> {
    source: &'r Merged<'r>,
    values: &'r [Value],
}

impl Cells for HotRow<'_> {
    fn get(&self, at: usize) -> Result<ValueRef<'_>> {
        Ok(self.values[self.source.cells[at]].as_ref())
    }
}

/// A place in a file.
struct Cursor<'m> {
    source: &'m Merged<'m>,
    file: &'m OpenFile,
    reader: ParquetRecordBatchReader,
    batch: Option<Columns>,
    row: usize,
    /// The row that is next, `None` behind the last one.
    at: Option<At>,
}

/// The columns of a batch.
struct Columns {
    rows: usize,
    keys: Vec<Option<ArrayRef>>,
    ts: ArrayRef,
    seq: Option<ArrayRef>,
    cells: Vec<Option<ArrayRef>>,
}

impl<'m> Cursor<'m> {
    fn open(source: &'m Merged<'m>, file: &'m OpenFile) -> Result<Self> {
        let reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file.file.clone(), file.metadata.clone())
                .with_projection(ProjectionMask::all())
                .with_batch_size(READ_ROWS)
                .build()
                .map_err(|err| file.file.explain(err))?;
        let mut cursor = Self { source, file, reader, batch: None, row: 0, at: None };
        cursor.read()?;
        Ok(cursor)
    }

    fn advance(&mut self) -> Result<()> {
        self.row += 1;
        if self.batch.as_ref().is_none_or(|batch| self.row >= batch.rows) {
            return self.read();
        }
        self.settle()
    }

    /// Reads the next rows.
    fn read(&mut self) -> Result<()> {
        (self.row, self.at) = (0, None);
        let Some(batch) = self.reader.next() else {
            self.batch = None;
            return Ok(());
        };
        let batch = batch.map_err(|err| self.file.file.explain(err))?;
        self.batch = Some(Columns::new(self.source, &batch).with_context(|| self.cannot())?);
        if batch.num_rows() == 0 { self.read() } else { self.settle() }
    }

    /// Finds out where the row is.
    fn settle(&mut self) -> Result<()> {
        let Some(batch) = &self.batch else { return Ok(()) };
        let row = self.row;
        let place = match self.at {
            Some((place, _, _)) if batch.keys.iter().flatten().all(|keys| is_same(keys, row)) => place,
            _ => {
                let keys: Vec<Option<&ArrayRef>> = batch.keys.iter().map(Option::as_ref).collect();
                let key = key(self.source.table, &self.source.dataset, &keys, row)?;
                let place = self.source.places.get(&key.encode()).copied();
                place.context("it has a series that the store does not").with_context(|| self.cannot())?
            }
        };
        let ts = batch.ts.as_primitive::<TimestampMicrosecondType>().value(row);
        let seq = batch.seq.as_ref().map_or(0, |seq| i64::from(seq.as_primitive::<Int32Type>().value(row)));
        self.at = Some((place, ts, seq));
        Ok(())
    }

    fn cannot(&self) -> String {
        format!("cannot read archive file '{}'", self.file.entry.path)
    }
}

impl Columns {
    fn new(source: &Merged<'_>, batch: &RecordBatch) -> Result<Self> {
        let column = |name: &str| batch.column_by_name(name).cloned();
        let table = source.table;
        let ts = column("ts").context("it has no column 'ts'")?;
        ts.as_primitive_opt::<TimestampMicrosecondType>().context("column 'ts' has another type")?;
        let seq = table.ticks.then(|| column("seq").context("it has no column 'seq'")).transpose()?;
        if let Some(seq) = &seq {
            seq.as_primitive_opt::<Int32Type>().context("column 'seq' has another type")?;
        }
        Ok(Self {
            rows: batch.num_rows(),
            keys: table.key.iter().map(|key| column(&key.name)).collect(),
            ts,
            seq,
            cells: source.cells.iter().map(|at| column(&table.values[*at].name)).collect(),
        })
    }
}

impl Cells for Cursor<'_> {
    #[inline]
    fn get(&self, at: usize) -> Result<ValueRef<'_>> {
        let column = &self.source.table.values[self.source.cells[at]];
        match self.batch.as_ref().and_then(|batch| batch.cells[at].as_ref()) {
            Some(array) => cell(array, self.row, column.kind),
            // The column came into the table later.
            None => Ok(column.default.as_ref()),
        }
    }
}
