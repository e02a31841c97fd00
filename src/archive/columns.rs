//! A row group before it is encoded: columns of narrowed values, built row by row.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use arrow::array::{
    ArrayRef, BooleanArray, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder, new_null_array,
};

use super::narrow::{Physical, unscaled};
use crate::model::{Value, ValueRef};

/// A column that grows a value at a time.
pub(super) struct Column {
    physical: Physical,
    cells: Cells,
}

enum Cells {
    Text(StringBuilder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u8),
}

impl Column {
    /// An empty column.
    pub(super) fn new(physical: Physical) -> Self {
        let cells = match physical {
            Physical::Text => Cells::Text(StringBuilder::new()),
            Physical::Boolean => Cells::Boolean(BooleanBuilder::new()),
            Physical::Date => Cells::Date(Date32Builder::new()),
            Physical::Timestamp => {
                Cells::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(physical.arrow()))
            }
            Physical::Int32 => Cells::Int32(Int32Builder::new()),
            Physical::Int64 => Cells::Int64(Int64Builder::new()),
            Physical::Float32 => Cells::Float32(Float32Builder::new()),
            Physical::Float64 => Cells::Float64(Float64Builder::new()),
            Physical::Decimal9(scale) | Physical::Decimal18(scale) => {
                Cells::Decimal(Decimal128Builder::new().with_data_type(physical.arrow()), scale)
            }
        };
        Self { physical, cells }
    }

    /// Appends a value.
    ///
    /// Fails where the type does not hold it, which the survey of all values rules out.
    #[inline]
    pub(super) fn push(&mut self, value: ValueRef<'_>) -> Result<()> {
        match (&mut self.cells, value) {
            (Cells::Text(cells), ValueRef::Text(text)) => cells.append_value(text),
            (Cells::Boolean(cells), ValueRef::Boolean(flag)) => cells.append_value(flag),
            (Cells::Date(cells), ValueRef::Date(days)) => cells.append_value(days),
            (Cells::Timestamp(cells), ValueRef::Timestamp(micros)) => cells.append_value(micros),
            (Cells::Int32(cells), ValueRef::Bigint(number)) => cells.append_value(i32::try_from(number)?),
            (Cells::Int64(cells), ValueRef::Bigint(number)) => cells.append_value(number),
            (Cells::Float64(cells), ValueRef::Double(number)) => cells.append_value(number),
            (_, ValueRef::Double(number)) => self.push_double(number)?,
            (_, ValueRef::Null) => self.push_null(),
            _ => bail!("cannot keep a value of another type as {}", self.physical),
        }
        Ok(())
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::float_cmp,
        reason = "a cast that loses anything is found here"
    )]
    fn push_double(&mut self, number: f64) -> Result<()> {
        let is_held = match &mut self.cells {
            Cells::Int32(cells) => {
                cells.append_value(number as i32);
                f64::from(number as i32) == number
            }
            Cells::Int64(cells) => {
                cells.append_value(number as i64);
                number as i64 as f64 == number && number as i64 != i64::MAX
            }
            Cells::Float32(cells) => {
                cells.append_value(number as f32);
                f64::from(number as f32) == number
            }
            Cells::Decimal(cells, scale) => match unscaled(number, *scale) {
                Some(whole) => {
                    cells.append_value(i128::from(whole));
                    true
                }
                None => false,
            },
            _ => false,
        };
        if !is_held {
            bail!("cannot keep {number} as {}", self.physical);
        }
        Ok(())
    }

    fn push_null(&mut self) {
        match &mut self.cells {
            Cells::Text(cells) => cells.append_null(),
            Cells::Boolean(cells) => cells.append_null(),
            Cells::Date(cells) => cells.append_null(),
            Cells::Timestamp(cells) => cells.append_null(),
            Cells::Int32(cells) => cells.append_null(),
            Cells::Int64(cells) => cells.append_null(),
            Cells::Float32(cells) => cells.append_null(),
            Cells::Float64(cells) => cells.append_null(),
            Cells::Decimal(cells, _) => cells.append_null(),
        }
    }

    /// Appends one value `rows` times, as the key of a series.
    pub(super) fn repeat(&mut self, value: ValueRef<'_>, rows: usize) -> Result<()> {
        (0..rows).try_for_each(|_| self.push(value))
    }

    /// Returns the column.
    pub(super) fn finish(self) -> ArrayRef {
        match self.cells {
            Cells::Text(mut cells) => Arc::new(cells.finish()),
            Cells::Boolean(mut cells) => Arc::new(cells.finish()),
            Cells::Date(mut cells) => Arc::new(cells.finish()),
            Cells::Timestamp(mut cells) => Arc::new(cells.finish()),
            Cells::Int32(mut cells) => Arc::new(cells.finish()),
            Cells::Int64(mut cells) => Arc::new(cells.finish()),
            Cells::Float32(mut cells) => Arc::new(cells.finish()),
            Cells::Float64(mut cells) => Arc::new(cells.finish()),
            Cells::Decimal(mut cells, _) => Arc::new(cells.finish()),
        }
    }
}

/// Returns a column that no row has a value of its own for.
pub(super) fn constant(physical: Physical, value: &Value, rows: usize) -> Result<ArrayRef> {
    match value {
        Value::Null => Ok(new_null_array(&physical.arrow(), rows)),
        Value::Boolean(flag) => Ok(Arc::new(BooleanArray::from(vec![*flag; rows]))),
        _ => None.context("cannot fill a column with this value"),
    }
}
