//! One Parquet file of any rows: narrowed, encoded and proved as an archive is, in the order they come.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write;

use anyhow::{Context as _, Result, bail};
use arrow::array::ArrayRef;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::columns::Column;
use super::dataset::ColumnOutcome;
use super::encode::{Encoder, FileColumn};
use super::narrow::{Choice, Physical, Values};
use super::write::{GROUP_BYTES, GROUP_ROWS};
use crate::frame::{Cells, Frame, ParquetFile};
use crate::model::{self, ColumnType, ValueRef};

/// What is known of the values of all columns.
pub struct Facts {
    rows: usize,
    values: Vec<Values>,
}

impl Facts {
    /// Nothing is known yet.
    pub fn new(columns: &[model::Column], choice: Choice) -> Self {
        Self { rows: 0, values: columns.iter().map(|column| Values::new(column.kind, choice)).collect() }
    }

    /// Looks at the rows of a frame.
    pub fn of(columns: &[model::Column], choice: Choice, frame: &Frame) -> Self {
        let mut facts = Self::new(columns, choice);
        facts.rows = frame.len();
        for (at, values) in facts.values.iter_mut().enumerate() {
            if let Some(cells) = frame.cells(at) {
                (0..frame.len()).for_each(|row| values.add(cells.get(row)));
            }
        }
        facts
    }

    /// Adds what is known of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.values.iter_mut().zip(&other.values).for_each(|(values, other)| values.merge(other));
    }
}

/// A Parquet file on its way.
pub struct Conversion<W: Write + Send> {
    columns: Vec<model::Column>,
    facts: Facts,
    level: Option<i32>,
    stage: Stage<W>,
    building: Vec<Building>,
    rows: usize,
    /// The sums of the row groups that are written.
    groups: Vec<Group>,
}

enum Stage<W: Write + Send> {
    /// Nothing is written yet, so that a column may still have two types.
    Trying(W),
    Writing(Box<Encoder<W>>),
    /// Starting the file failed.
    Failed,
}

/// A column of the row group that is being built.
struct Building {
    /// Each type it may have, with the values as that.
    choices: Vec<(Physical, Column)>,
    /// Of all its values, as they are before they are narrowed.
    sum: DefaultHasher,
    /// The bytes of its values.
    bytes: usize,
}

/// A row group that was written.
struct Group {
    rows: usize,
    sums: Vec<u64>,
}

/// A file that was written, and what is needed to prove it.
pub struct Converted {
    /// Its rows.
    pub rows: u64,
    /// Its columns.
    pub columns: Vec<ColumnOutcome>,
    groups: Vec<Group>,
}

impl<W: Write + Send> Conversion<W> {
    /// Starts a file of these columns, whose values are all known.
    pub fn new(out: W, columns: &[model::Column], facts: Facts, level: Option<i32>) -> Self {
        let building = facts.values.iter().map(|values| Building::new(&values.choices())).collect();
        let (columns, groups) = (columns.to_vec(), Vec::new());
        Self { columns, facts, level, stage: Stage::Trying(out), building, rows: 0, groups }
    }

    /// Appends the rows of a frame.
    pub fn write(&mut self, frame: &Frame) -> Result<()> {
        /// Rows between two looks at the size of the row group.
        const STEP_ROWS: usize = 8_192;
        let mut start = 0;
        while start < frame.len() {
            let end = frame.len().min(start + STEP_ROWS).min(start + GROUP_ROWS - self.rows);
            for (at, (building, column)) in self.building.iter_mut().zip(&self.columns).enumerate() {
                building
                    .push(frame.cells(at), start..end)
                    .with_context(|| format!("cannot convert column '{}'", column.name))?;
            }
            self.rows += end - start;
            start = end;
            let bytes: usize = self.building.iter().map(|building| building.bytes).sum();
            if self.rows == GROUP_ROWS || bytes >= GROUP_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes the row group.
    fn flush(&mut self) -> Result<()> {
        let building = std::mem::take(&mut self.building);
        let sums = building.iter().map(|building| building.sum.finish()).collect();
        let choices: Vec<Vec<(Physical, ArrayRef)>> = building
            .into_iter()
            .map(|building| {
                let arrays = building.choices.into_iter().map(|(kind, column)| (kind, column.finish()));
                arrays.collect()
            })
            .collect();
        let chosen: Vec<(Physical, ArrayRef)> =
            (0..choices.len()).map(|at| self.smallest(at, &choices[at])).collect::<Result<_>>()?;
        self.start(&chosen.iter().map(|(physical, _)| *physical).collect::<Vec<_>>())?;
        let Stage::Writing(encoder) = &mut self.stage else { bail!("cannot start the Parquet file") };
        encoder.write(&chosen.iter().map(|(_, array)| array.clone()).collect::<Vec<_>>())?;
        self.groups.push(Group { rows: self.rows, sums });
        self.rows = 0;
        self.building = chosen.iter().map(|(physical, _)| Building::new(&[*physical])).collect();
        Ok(())
    }

    /// Returns the choice that takes the fewest bytes.
    fn smallest(&self, at: usize, choices: &[(Physical, ArrayRef)]) -> Result<(Physical, ArrayRef)> {
        let mut best = choices.first().context("a column has a type")?;
        let mut least = u64::MAX;
        // One of them needs no trial.
        for choice in choices.iter().filter(|_| choices.len() > 1) {
            let column = self.file_column(at, choice.0);
            let mut encoder = Encoder::new(std::io::sink(), vec![column], 0, self.level)?;
            encoder.write(std::slice::from_ref(&choice.1))?;
            let bytes = encoder.finish()?.1.iter().map(|size| size.bytes).sum();
            if bytes < least {
                (best, least) = (choice, bytes);
            }
        }
        Ok(best.clone())
    }

    fn file_column(&self, at: usize, physical: Physical) -> FileColumn {
        let has_nulls = self.facts.values[at].count < self.facts.rows as u64;
        FileColumn { name: self.columns[at].name.clone(), physical, nullable: has_nulls, is_sought: false }
    }

    /// Starts the file with these types, unless it has begun.
    fn start(&mut self, types: &[Physical]) -> Result<()> {
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Trying(out) => {
                let columns =
                    types.iter().enumerate().map(|(at, kind)| self.file_column(at, *kind)).collect();
                self.stage = Stage::Writing(Box::new(Encoder::new(out, columns, 0, self.level)?));
            }
            stage => self.stage = stage,
        }
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<(W, Converted)> {
        if self.rows > 0 {
            self.flush()?;
        }
        let types: Vec<_> =
            self.building.iter().filter_map(|building| Some(building.choices.first()?.0)).collect();
        self.start(&types)?;
        let Stage::Writing(encoder) = self.stage else { bail!("cannot start the Parquet file") };
        let (out, sizes) = encoder.finish()?;
        let outcome = |(at, column): (usize, &model::Column)| ColumnOutcome {
            name: column.name.clone(),
            kind: column.kind,
            physical: types[at],
            reason: self.facts.values[at].reason(types[at]),
            encoded: sizes[at].encoded,
            bytes: sizes[at].bytes,
        };
        let columns = self.columns.iter().enumerate().map(outcome).collect();
        let rows = self.groups.iter().map(|group| group.rows as u64).sum();
        Ok((out, Converted { rows, columns, groups: self.groups }))
    }
}

impl Building {
    fn new(types: &[Physical]) -> Self {
        let choices = types.iter().map(|physical| (*physical, Column::new(*physical))).collect();
        Self { choices, sum: DefaultHasher::new(), bytes: 0 }
    }

    fn push(&mut self, cells: Option<Cells<'_>>, rows: std::ops::Range<usize>) -> Result<()> {
        for row in rows {
            let value = cells.map_or(ValueRef::Null, |cells| cells.get(row));
            add(value, &mut self.sum);
            for (physical, column) in &mut self.choices {
                column.push(value)?;
                self.bytes += physical.width();
            }
            if let ValueRef::Text(text) = value {
                self.bytes += text.len();
            }
        }
        Ok(())
    }
}

/// Adds a value to a sum in which different values have different bytes.
fn add(value: ValueRef<'_>, sum: &mut DefaultHasher) {
    match value {
        ValueRef::Null => 0_u8.hash(sum),
        ValueRef::Double(number) => number.to_bits().hash(sum),
        ValueRef::Bigint(number) | ValueRef::Timestamp(number) => number.hash(sum),
        ValueRef::Date(days) => days.hash(sum),
        ValueRef::Boolean(flag) => [1, u8::from(flag)].hash(sum),
        ValueRef::Text(text) => text.hash(sum),
    }
}

impl Converted {
    /// Reads the file back with another Parquet implementation and proves that it has every value, bit for bit.
    pub fn verify(&self, file: &ParquetFile) -> Result<()> {
        if file.rows() as u64 != self.rows || file.columns().len() != self.columns.len() {
            bail!("it reads back with {} rows, {} were written", file.rows(), self.rows);
        }
        let mut start = 0;
        let groups: Vec<(usize, &Group)> = self
            .groups
            .iter()
            .map(|group| {
                start += group.rows;
                (start - group.rows, group)
            })
            .collect();
        groups.par_iter().map(|(start, group)| self.compare(&file.reopen()?, *start, group)).collect()
    }

    fn compare(&self, file: &ParquetFile, start: usize, group: &Group) -> Result<()> {
        let slice = file.read_back(start, group.rows)?;
        for (at, (column, expected)) in self.columns.iter().zip(&group.sums).enumerate() {
            let (cells, _) = slice.cells(at).context("a column is missing")?;
            let mut sum = DefaultHasher::new();
            (0..group.rows).for_each(|row| add(widened(cells.get(row), column.kind), &mut sum));
            if sum.finish() != *expected {
                bail!("column '{}' reads back with other values than were written", column.name);
            }
        }
        Ok(())
    }
}

/// Returns a cell of a narrowed column as the value it stands for.
#[allow(clippy::cast_precision_loss, reason = "a digit that is lost makes the sums differ")]
fn widened(cell: ValueRef<'_>, kind: ColumnType) -> ValueRef<'_> {
    match cell {
        ValueRef::Bigint(number) if kind == ColumnType::Double => ValueRef::Double(number as f64),
        cell => cell,
    }
}
