//! Decoding Parquet files a slice of rows at a time.

use std::borrow::Cow;

use anyhow::{Context as _, Result, bail};

use super::bind::{Assignment, Otherwise};
use super::cell::{Cell, Lines, Record};
use super::decoder::{Bound, Look};
use super::detect::Evidence;
use super::fields::Fields;
use super::plan::{Plan, typed_text};
use super::rows::Rows;
use super::timeframe::Spacings;
use super::{Decoded, Layout, infer};
use crate::frame::{Cells, ParquetFile, ParquetSlice, TimeUnit};
use crate::model::{Column, ColumnType, Table, Timeframe, ValueRef};

/// Rows of a slice: what one row group of most writers holds, and a few MiB.
pub const SLICE_ROWS: usize = 131_072;

/// Slices looked at to decide the form of times and the timeframe; 8 million times are 64 MiB.
const HEAD_SLICES: usize = 64;

/// A Parquet file bound to a table; decodes its slices from any thread.
pub struct ParquetDecoder {
    bound: Bound,
    file: ParquetFile,
    file_name: String,
    /// For each slot in use its place in the file.
    used: Vec<usize>,
    key_used: Vec<usize>,
    unknown: Vec<String>,
}

impl ParquetDecoder {
    /// Decides which column of the file feeds which column of the table.
    pub fn bind(table: &Table, layout: &Layout, file: ParquetFile, file_name: &str) -> Result<Self> {
        let mut fields = Fields::typed(names(&file));
        let mut assignment = Assignment::new(table, layout, file_name, &mut fields, Otherwise::NAMES)?;
        let places = readable(&file);
        let at = |slot: &usize| places.get(*slot).copied();
        let undecided = assignment.undecided();
        let mut evidence: Vec<_> = undecided.iter().map(|(at, _)| (*at, Evidence::new())).collect();
        let slots: Vec<_> = undecided.iter().flat_map(|(_, slots)| slots.iter().filter_map(at)).collect();
        let undecided: Vec<_> = undecided
            .iter()
            .map(|(target, slots)| (*target, slots.iter().filter_map(at).collect()))
            .collect();
        for start in (0..file.rows()).step_by(SLICE_ROWS).take(HEAD_SLICES) {
            if evidence.iter().all(|(_, evidence)| evidence.is_settled()) || is_typed(&file, &slots) {
                break;
            }
            let slice = read(&file, &slots, start, file_name)?;
            let mut look = Look { undecided: &undecided, evidence: &mut evidence };
            each(&slice, &places_of(&file, &slots), &[], |record| look.at(record));
        }
        let plan = assignment.plan(evidence)?;
        let used: Vec<_> = assignment.used().iter().filter_map(at).collect();
        let unknown = assignment.unknown.iter().cloned().chain(unreadable(&file)).collect();
        let bound = Bound::new(plan, assignment, file_name);
        let key_used = slots_of(&bound.sketch()).iter().filter_map(at).collect();
        Ok(Self { bound, file, file_name: file_name.to_owned(), used, key_used, unknown })
    }

    /// Reads all columns of a file, each of which feeds the column in the same place of the plan.
    pub(super) fn plain(plan: Plan, file: ParquetFile, file_name: &str) -> Self {
        let used = readable(&file);
        let bound = Bound::plain(plan, file_name);
        Self { bound, file, file_name: file_name.to_owned(), used, key_used: Vec::new(), unknown: Vec::new() }
    }

    /// Returns the columns of the file that go nowhere.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// Returns what was decided by looking at the file.
    pub fn notes(&self) -> &[String] {
        &self.bound.notes
    }

    /// Returns whether the table wants a timeframe that neither the file nor the layout gives.
    pub fn needs_timeframe(&self) -> bool {
        self.bound.missing_timeframe().is_some()
    }

    /// Decides the timeframe by the spacing of the first rows, and sets it.
    pub fn detect_timeframe(&mut self) -> Result<Timeframe> {
        let sketch = self.bound.sketch();
        let mut spacings = Spacings::default();
        for slice in 0..self.slices().min(HEAD_SLICES as u64 / 4) {
            spacings.add(&self.decode_with(&sketch, &self.key_used, slice)?.frame);
        }
        self.bound.set_timeframe(spacings.decide())
    }

    /// Returns the number of slices of [`SLICE_ROWS`] rows.
    pub fn slices(&self) -> u64 {
        self.file.rows().div_ceil(SLICE_ROWS) as u64
    }

    /// Decodes one slice, counted from 0.
    pub fn decode(&self, slice: u64) -> Result<Decoded> {
        if self.needs_timeframe() {
            bail!(self.bound.no_timeframe("nothing says it"));
        }
        self.decode_with(&self.bound.plan, &self.used, slice)
    }

    fn decode_with(&self, plan: &Plan, used: &[usize], slice: u64) -> Result<Decoded> {
        let start = usize::try_from(slice).unwrap_or(usize::MAX).saturating_mul(SLICE_ROWS);
        let slice = read(&self.file, used, start, &self.file_name)?;
        let names: Vec<_> = used.iter().map(|at| self.file.columns()[*at].name.as_str()).collect();
        let mut rows = Rows::new(plan, start as u64 + 1, slice.len());
        // The slots of a plan count the readable columns only.
        let places = slot_places(&self.file, used);
        each(&slice, &places, &names, |record| {
            rows.push(record);
            true
        });
        Ok(rows.finish())
    }
}

/// Returns the name and the column of each column of a file that a table can hold.
pub fn infer_parquet(_layout: &Layout, file: &ParquetFile, file_name: &str) -> Result<Vec<(String, Column)>> {
    let kinds = file.columns().iter().filter_map(|column| column.kind);
    infer::columns(&names(file), kinds, file_name)
}

fn names(file: &ParquetFile) -> Vec<String> {
    file.columns().iter().filter(|column| column.kind.is_some()).map(|column| column.name.clone()).collect()
}

/// Returns the places of the columns that can be read; the slots of a plan count these.
fn readable(file: &ParquetFile) -> Vec<usize> {
    (0..file.columns().len()).filter(|at| file.columns()[*at].kind.is_some()).collect()
}

fn unreadable(file: &ParquetFile) -> impl Iterator<Item = String> + '_ {
    file.columns().iter().filter(|column| column.kind.is_none()).map(|column| column.name.clone())
}

/// Returns whether all these columns are dates and times by their type.
fn is_typed(file: &ParquetFile, places: &[usize]) -> bool {
    let kind = |at: &usize| file.columns().get(*at).and_then(|column| column.kind);
    places.iter().all(|at| matches!(kind(at), Some(ColumnType::Date | ColumnType::Timestamp)))
}

/// Returns for each place of a file where it stands among `used`.
fn places_of(file: &ParquetFile, used: &[usize]) -> Vec<Option<usize>> {
    (0..file.columns().len()).map(|at| used.iter().position(|place| *place == at)).collect()
}

/// Returns for each slot where it stands among `used`.
fn slot_places(file: &ParquetFile, used: &[usize]) -> Vec<Option<usize>> {
    readable(file).iter().map(|at| used.iter().position(|place| place == at)).collect()
}

fn slots_of(plan: &Plan) -> Vec<usize> {
    let feeds = plan.key.iter().chain([&plan.ts]);
    let slots = feeds.flat_map(|feed| match &feed.origin {
        super::plan::Origin::Slots(slots) => slots.as_slice(),
        _ => &[],
    });
    let mut slots: Vec<_> = slots.copied().collect();
    slots.sort_unstable();
    slots.dedup();
    slots
}

fn read(file: &ParquetFile, places: &[usize], start: usize, file_name: &str) -> Result<ParquetSlice> {
    file.read(places, start, SLICE_ROWS)
        .with_context(|| format!("cannot read rows {} on of '{file_name}'", start + 1))
}

/// A row of a slice.
struct Row<'a> {
    columns: &'a [(Cells<'a>, Option<TimeUnit>)],
    places: &'a [Option<usize>],
    names: &'a [&'a str],
    at: usize,
}

fn each(
    slice: &ParquetSlice,
    places: &[Option<usize>],
    names: &[&str],
    mut visit: impl FnMut(&Row<'_>) -> bool,
) {
    let columns: Vec<_> = (0..).map_while(|at| slice.cells(at)).collect();
    for at in 0..slice.len() {
        if !visit(&Row { columns: &columns, places, names, at }) {
            return;
        }
    }
}

impl Row<'_> {
    fn at_place(&self, place: usize) -> Cell<'_> {
        let Some((cells, unit)) = self.columns.get(place) else { return Cell::Null };
        match (cells.get(self.at), unit) {
            (ValueRef::Null, _) => Cell::Null,
            (ValueRef::Text(text), _) => Cell::Text(text.as_bytes()),
            (ValueRef::Double(number), _) => Cell::Double(number),
            (ValueRef::Bigint(number), _) => Cell::Whole(number),
            (ValueRef::Boolean(flag), _) => Cell::Boolean(flag),
            (ValueRef::Date(day), _) => Cell::Date(day),
            (ValueRef::Timestamp(count), Some(TimeUnit { per_second, is_utc })) => {
                Cell::Time { count, per_second: *per_second, is_utc: *is_utc }
            }
            (ValueRef::Timestamp(count), None) => Cell::Time { count, per_second: 1_000_000, is_utc: true },
        }
    }
}

impl Record for Row<'_> {
    #[inline]
    fn cell(&self, slot: usize) -> Cell<'_> {
        match self.places.get(slot) {
            Some(Some(place)) => self.at_place(*place),
            _ => Cell::Null,
        }
    }

    fn is_quoted(&self, _slot: usize) -> bool {
        true
    }

    fn excess(&self) -> Option<usize> {
        None
    }

    fn line(&self, lines: &mut Lines) -> u64 {
        lines.plus(self.at)
    }

    fn raw(&self) -> Cow<'_, [u8]> {
        let cells: Vec<_> = self
            .names
            .iter()
            .enumerate()
            .map(|(place, name)| format!("{name}={}", typed_text(self.at_place(place))))
            .collect();
        Cow::Owned(cells.join(", ").into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::sample_parquet;
    use crate::model::TableText;

    fn table(values: &[&str]) -> Table {
        let list = |columns: &[&str]| columns.iter().map(ToString::to_string).collect();
        let text = TableText { key: list(&["symbol text"]), values: list(values), ..TableText::default() };
        Table::parse("own", &text).unwrap()
    }

    #[test]
    fn typed_columns_feed_columns_of_other_types() {
        let file = ParquetFile::of(sample_parquet()).unwrap();
        let own = table(&["small double", "large text", "price double", "close double"]);
        let decoder = ParquetDecoder::bind(&own, &Layout::default(), file, "x.parquet").unwrap();
        assert_eq!(decoder.unknown(), ["list"]);
        assert_eq!(decoder.slices(), 1);
        let done = decoder.decode(0).unwrap();
        assert_eq!((done.read, done.frame.len()), (300, 300));
        let cell = |at: usize| done.frame.cells(at).unwrap().get(2);
        assert_eq!(done.frame.ts()[2], 120_000_000);
        assert_eq!(cell(0), ValueRef::Double(2.0));
        assert_eq!(cell(1), ValueRef::Text("18446744073709551613"));
        assert_eq!(cell(2), ValueRef::Double(12.34));
        assert_eq!(cell(3), ValueRef::Double(0.5));
    }

    #[test]
    fn rows_that_do_not_fit_are_rejected_by_number() {
        let file = ParquetFile::of(sample_parquet()).unwrap();
        let decoder = ParquetDecoder::bind(&table(&["large bigint"]), &Layout::default(), file, "x").unwrap();
        let done = decoder.decode(0).unwrap();
        assert_eq!((done.frame.len(), done.rejects.len()), (0, 300));
        let reject = &done.rejects[1];
        assert_eq!(
            (reject.line, reject.reason.as_str()),
            (2, "large: '18446744073709551614' does not fit 64 bits")
        );
        assert_eq!(reject.text, "ts=1970-01-01T00:01:00Z, symbol=A, large=18446744073709551614");
    }

    #[test]
    fn columns_are_inferred_from_their_types() {
        let file = ParquetFile::of(sample_parquet()).unwrap();
        let columns = infer_parquet(&Layout::default(), &file, "x").unwrap();
        let shown: Vec<_> =
            columns.iter().map(|(_, column)| format!("{} {}", column.name, column.kind)).collect();
        let expected =
            ["ts timestamp", "symbol text", "small bigint", "large bigint", "price double", "close double"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn whole_numbers_as_times_are_decided_by_magnitude() {
        let file = ParquetFile::of(sample_parquet()).unwrap();
        let layout = Layout::parse("map.ts = 'small'").unwrap();
        let decoder = ParquetDecoder::bind(&table(&["close double"]), &layout, file, "x").unwrap();
        assert_eq!(decoder.notes(), ["ts: seconds since 1970"]);
        assert_eq!(decoder.decode(0).unwrap().frame.ts()[7], 7_000_000);
    }
}
