//! Reading Parquet files a slice of rows at a time.
//!
//! The reader panics on some damaged files; such a panic becomes an error here.

use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context as _, Result, bail};
use polars::prelude::{
    DataFrame, DataType, FileMetadataRef, ParquetReader, SerReader as _, Series, TimeUnit as PolarsUnit,
};

use super::Cells;
use crate::model::ColumnType;

/// An open Parquet file.
pub struct ParquetFile {
    file: File,
    metadata: FileMetadataRef,
    columns: Vec<ParquetColumn>,
    rows: usize,
}

/// A column of a Parquet file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParquetColumn {
    /// The name.
    pub name: String,
    /// The type its cells are read as; `None` for what no table holds, as lists.
    pub kind: Option<ColumnType>,
}

/// How the numbers of a column of times are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeUnit {
    /// How many make a second.
    pub per_second: i64,
    /// Whether they count in UTC; otherwise they are local times.
    pub is_utc: bool,
}

/// Some rows of some columns of a file.
pub struct ParquetSlice {
    columns: Vec<(Series, Option<TimeUnit>)>,
    rows: usize,
}

impl ParquetFile {
    /// Reads the metadata of an open file.
    pub fn of(file: File) -> Result<Self> {
        let (metadata, rows, empty) = guarded(|| {
            let mut reader = ParquetReader::new(BufReader::new(&file));
            let metadata = reader.get_metadata()?.clone();
            let rows = reader.num_rows()?;
            // No row at all still says which types there are.
            Ok((metadata, rows, reader.with_slice(Some((0, 0))).finish()?))
        })?;
        let columns = empty.columns().iter().map(|column| ParquetColumn {
            name: column.name().to_string(),
            kind: target(column.dtype()).map(|(_, kind)| kind),
        });
        let columns = columns.collect();
        Ok(Self { file, metadata, columns, rows })
    }

    /// Returns another handle of the open file, for another thread.
    pub fn reopen(&self) -> Result<Self> {
        let file = self.file.try_clone().context("cannot read the file")?;
        Ok(Self { file, metadata: self.metadata.clone(), columns: self.columns.clone(), rows: self.rows })
    }

    /// Returns the number of rows the file claims to have.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the columns.
    pub fn columns(&self) -> &[ParquetColumn] {
        &self.columns
    }

    /// Reads the columns at some places, in their order, from row `start` on, at most `count` rows.
    pub fn read(&self, places: &[usize], start: usize, count: usize) -> Result<ParquetSlice> {
        self.read_as(places, (start, count), Decimals::AsText)
    }

    /// Reads all columns with decimals as the doubles they stand for, as an archive is read back.
    pub fn read_back(&self, start: usize, count: usize) -> Result<ParquetSlice> {
        let places: Vec<usize> = (0..self.columns.len()).collect();
        self.read_as(&places, (start, count), Decimals::AsDoubles)
    }

    fn read_as(
        &self,
        places: &[usize],
        (start, count): (usize, usize),
        decimals: Decimals,
    ) -> Result<ParquetSlice> {
        let names: Vec<_> =
            places.iter().filter_map(|at| Some(self.columns.get(*at)?.name.clone())).collect();
        let expected = count.min(self.rows.saturating_sub(start));
        if names.is_empty() || expected == 0 {
            return Ok(ParquetSlice { columns: Vec::new(), rows: expected });
        }
        let columns = guarded(|| {
            let mut reader = ParquetReader::new(BufReader::new(&self.file));
            reader.set_metadata(self.metadata.clone());
            let frame = reader
                .with_slice(Some((start, expected)))
                .with_columns(Some(names.clone()))
                .set_rechunk(true)
                .finish()?;
            names.iter().map(|name| column(&frame, name, decimals)).collect::<Result<Vec<_>>>()
        })?;
        if let Some((short, _)) = columns.iter().find(|(series, _)| series.len() != expected) {
            bail!("expected {expected} rows of column '{}', found {}", short.name(), short.len());
        }
        Ok(ParquetSlice { columns, rows: expected })
    }
}

impl ParquetSlice {
    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Returns the cells of the column at a place of those that were asked for.
    ///
    /// Times are the numbers the file holds; their [`TimeUnit`] comes with them.
    pub fn cells(&self, at: usize) -> Option<(Cells<'_>, Option<TimeUnit>)> {
        self.columns.get(at).map(|(series, unit)| (Cells::of(series), *unit))
    }
}

/// How decimals are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decimals {
    /// With all their digits.
    AsText,
    /// As the doubles nearest to them.
    AsDoubles,
}

fn column(frame: &DataFrame, name: &str, decimals: Decimals) -> Result<(Series, Option<TimeUnit>)> {
    let series = frame.column(name)?.as_materialized_series();
    if decimals == Decimals::AsDoubles && matches!(series.dtype(), DataType::Decimal(..)) {
        return Ok((series.rechunk(), None));
    }
    let Some((dtype, _)) = target(series.dtype()) else {
        bail!("column '{name}' has a type no table holds: {}", series.dtype());
    };
    let unit = match series.dtype() {
        DataType::Datetime(unit, zone) => {
            let per_second = match unit {
                PolarsUnit::Milliseconds => 1_000,
                PolarsUnit::Microseconds => 1_000_000,
                PolarsUnit::Nanoseconds => 1_000_000_000,
            };
            Some(TimeUnit { per_second, is_utc: zone.is_some() })
        }
        _ => None,
    };
    let series = if *series.dtype() == dtype { series.clone() } else { series.strict_cast(&dtype)? };
    Ok((series.rechunk(), unit))
}

/// Returns the type a column is read as, without losing a digit, and what that is in a table.
fn target(dtype: &DataType) -> Option<(DataType, ColumnType)> {
    Some(match dtype {
        DataType::Boolean => (DataType::Boolean, ColumnType::Boolean),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            (DataType::Int64, ColumnType::Bigint)
        }
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => (DataType::Int64, ColumnType::Bigint),
        DataType::Float32 | DataType::Float64 => (DataType::Float64, ColumnType::Double),
        DataType::Date => (DataType::Date, ColumnType::Date),
        DataType::Datetime(..) => (dtype.clone(), ColumnType::Timestamp),
        // Their text reads back to the nearest double, or to all their digits.
        DataType::Decimal(..) => (DataType::String, ColumnType::Double),
        DataType::UInt64 => (DataType::String, ColumnType::Bigint),
        DataType::String
        | DataType::Binary
        | DataType::Null
        | DataType::Categorical(..)
        | DataType::Enum(..) => (DataType::String, ColumnType::Text),
        _ => return None,
    })
}

/// Runs a reader of polars; its panics become errors.
fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(outcome) => outcome,
        Err(payload) => {
            let words = payload.downcast_ref::<String>().map(String::as_str);
            let words =
                words.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no reason is known");
            bail!("the file is damaged: {words}")
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::ValueRef;
    use polars::prelude::{IntoColumn as _, NamedFrom as _, ParquetWriter};
    use std::io::{Seek as _, Write as _};

    /// Writes a file of the types other programs write, with 300 rows.
    pub(crate) fn sample() -> File {
        let rows = 300;
        let whole: Vec<i32> = (0..rows).collect();
        let nanos: Vec<i64> = (0..i64::from(rows)).map(|at| at * 60_000_000_000).collect();
        let small = Series::new("small".into(), &whole).cast(&DataType::Int16).unwrap();
        let large: Vec<u64> = (0..300).map(|at| u64::MAX - at).collect();
        let decimal =
            Series::new("price".into(), vec!["12.34"; 300]).cast(&DataType::Decimal(10, 2)).unwrap();
        let time =
            Series::new("ts".into(), nanos).cast(&DataType::Datetime(PolarsUnit::Nanoseconds, None)).unwrap();
        let text = Series::new("symbol".into(), vec![Some("A"); 300]);
        let float = Series::new("close".into(), vec![Some(0.5_f32); 300]);
        let list = Series::new("list".into(), vec![Series::new("".into(), [1_i64]); 300]);
        let all = [time, text, small, Series::new("large".into(), large), decimal, float, list];
        let mut frame = DataFrame::new(300, all.into_iter().map(Series::into_column).collect()).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        ParquetWriter::new(&mut file).with_row_group_size(Some(100)).finish(&mut frame).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn slices_cross_row_groups_and_keep_every_digit() {
        let file = ParquetFile::of(sample()).unwrap();
        assert_eq!(file.rows(), 300);
        let kinds: Vec<_> = file.columns().iter().map(|column| column.kind).collect();
        assert_eq!(kinds[6], None);
        assert_eq!(kinds[2], Some(ColumnType::Bigint));
        let slice = file.read(&[0, 2, 3, 4, 5], 90, 20).unwrap();
        let cell = |at: usize| slice.cells(at).unwrap().0.get(11);
        assert_eq!(slice.len(), 20);
        assert_eq!(cell(0), ValueRef::Timestamp(101 * 60_000_000_000));
        assert_eq!(slice.cells(0).unwrap().1, Some(TimeUnit { per_second: 1_000_000_000, is_utc: false }));
        assert_eq!(cell(1), ValueRef::Bigint(101));
        assert_eq!(cell(2), ValueRef::Text("18446744073709551514"));
        assert_eq!(cell(3), ValueRef::Text("12.34"));
        assert_eq!(cell(4), ValueRef::Double(0.5));
        assert!(file.read(&[6], 0, 1).is_err());
        assert_eq!(file.read(&[0], 300, 10).unwrap().len(), 0);
    }

    #[test]
    fn damaged_files_are_errors() {
        let mut sample = sample();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut sample, &mut bytes).unwrap();
        let read = |bytes: &[u8]| -> Result<()> {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file.rewind().unwrap();
            let file = ParquetFile::of(file)?;
            file.read(&[0, 1, 2, 3, 4, 5], 0, file.rows()).map(drop)
        };
        read(&bytes).unwrap();
        for len in (0..bytes.len()).step_by(97) {
            assert!(read(&bytes[..len]).is_err(), "{len} bytes");
        }
        for at in (0..bytes.len()).step_by(53) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            // Harmless or an error, never a panic.
            drop(read(&damaged));
        }
    }
}
