//! The rows of an answer as barn's values, a batch at a time.

use anyhow::{Context as _, Result, bail};
use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, FieldRef};

use super::answer::Answer;
use super::hot::data_type;
use crate::error::Failure;
use crate::model::{ColumnType, Value, ValueRef};

/// Some rows of an answer.
pub struct Values {
    columns: Vec<ArrayRef>,
    rows: usize,
}

impl Values {
    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Returns the number of columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Returns a cell.
    pub fn get(&self, column: usize, row: usize) -> ValueRef<'_> {
        super::cold::cell(&self.columns[column], row)
    }
}

impl Answer {
    /// Returns the names of the columns, and the types of a table that takes them.
    ///
    /// Fails for a column that no table can have.
    pub fn columns(&self) -> Result<Vec<(String, ColumnType)>> {
        let column = |field: &FieldRef| {
            let Some(kind) = kind(field.data_type()) else {
                bail!(Failure::usage(format!(
                    "cannot keep column '{}': it is {}, expected text, numbers, booleans, dates or times",
                    field.name(),
                    field.data_type()
                )));
            };
            Ok((field.name().clone(), kind))
        };
        self.schema.fields().iter().map(column).collect()
    }

    /// Reads all rows as values, for results that are known to be small.
    pub fn values(mut self) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        while let Some(values) = self.next_values()? {
            for row in 0..values.len() {
                rows.push((0..values.width()).map(|column| values.get(column, row).to_value()).collect());
            }
        }
        Ok(rows)
    }

    /// Waits for the next rows, as values of the types that [`Answer::columns`] gives.
    pub fn next_values(&mut self) -> Result<Option<Values>> {
        let Some(batch) = self.next_batch()? else { return Ok(None) };
        // What does not fit fails; it must not become nothing.
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let column = |array: &ArrayRef| -> Result<ArrayRef> {
            let kind = kind(array.data_type()).context("a column of the answer has no type of a table")?;
            Ok(cast_with_options(array, &data_type(kind), &options)?)
        };
        let columns = batch.columns().iter().map(column).collect::<Result<_>>();
        Ok(Some(Values { columns: columns.context("cannot read the answer")?, rows: batch.num_rows() }))
    }
}

/// Returns the type of a table's column that holds all values of an Arrow type.
fn kind(of: &DataType) -> Option<ColumnType> {
    Some(match of {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::Text,
        DataType::Boolean => ColumnType::Boolean,
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Timestamp(..) => ColumnType::Timestamp,
        DataType::Dictionary(_, values) => return kind(values),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => ColumnType::Double,
        other if other.is_integer() => ColumnType::Bigint,
        other if other.is_floating() => ColumnType::Double,
        _ => return None,
    })
}
