//! Cells of the columns of a file, as values of the table.

use anyhow::{Context as _, Result, bail};
use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};

use super::layout::Dataset;
use super::narrow::power;
use crate::model::{Column, ColumnType, SeriesKey, Table, Value, ValueRef};

/// Returns whether a cell is the same as the one before it.
pub(super) fn is_same(array: &ArrayRef, row: usize) -> bool {
    if array.is_null(row) || array.is_null(row - 1) {
        return array.is_null(row) && array.is_null(row - 1);
    }
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row) == array.as_string::<i32>().value(row - 1),
        _ => array.slice(row, 1).to_data() == array.slice(row - 1, 1).to_data(),
    }
}

/// Returns the key of the series of a row, whose dataset columns are in the names of its folders.
pub(super) fn key(
    table: &Table,
    dataset: &Dataset,
    columns: &[Option<&ArrayRef>],
    row: usize,
) -> Result<SeriesKey> {
    let owned = |(at, column): (usize, &Column)| {
        if let Some(array) = columns[at] {
            return cell(array, row, column.kind).map(ValueRef::to_value);
        }
        let text = dataset.values.iter().find(|(place, _)| *place == at);
        let (_, text) = text.with_context(|| format!("column '{}' is missing", column.name))?;
        Ok(Value::Text(text.as_str().into()))
    };
    let values: Vec<Value> = table.key.iter().enumerate().map(owned).collect::<Result<_>>()?;
    Ok(SeriesKey(values.into()))
}

/// Returns a cell of a narrowed column as a value of the table's column.
#[inline]
#[allow(
    clippy::cast_precision_loss,
    reason = "narrowed doubles were these whole numbers, or are divided once"
)]
pub(super) fn cell(array: &ArrayRef, row: usize, kind: ColumnType) -> Result<ValueRef<'_>> {
    if array.is_null(row) {
        return Ok(ValueRef::Null);
    }
    Ok(match (array.data_type(), kind) {
        (DataType::Utf8, ColumnType::Text) => ValueRef::Text(array.as_string::<i32>().value(row)),
        (DataType::Boolean, ColumnType::Boolean) => ValueRef::Boolean(array.as_boolean().value(row)),
        (DataType::Date32, ColumnType::Date) => ValueRef::Date(array.as_primitive::<Date32Type>().value(row)),
        (DataType::Timestamp(..), ColumnType::Timestamp) => {
            ValueRef::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        (DataType::Int32, ColumnType::Bigint) => {
            ValueRef::Bigint(i64::from(array.as_primitive::<Int32Type>().value(row)))
        }
        (DataType::Int64, ColumnType::Bigint) => {
            ValueRef::Bigint(array.as_primitive::<Int64Type>().value(row))
        }
        (DataType::Int32, ColumnType::Double) => {
            ValueRef::Double(f64::from(array.as_primitive::<Int32Type>().value(row)))
        }
        (DataType::Int64, ColumnType::Double) => {
            ValueRef::Double(array.as_primitive::<Int64Type>().value(row) as f64)
        }
        (DataType::Float32, ColumnType::Double) => {
            ValueRef::Double(f64::from(array.as_primitive::<Float32Type>().value(row)))
        }
        (DataType::Float64, ColumnType::Double) => {
            ValueRef::Double(array.as_primitive::<Float64Type>().value(row))
        }
        (DataType::Decimal128(_, scale), ColumnType::Double) => {
            let scale = u8::try_from(*scale).context("a decimal has a negative scale")?;
            ValueRef::Double(array.as_primitive::<Decimal128Type>().value(row) as f64 / power(scale))
        }
        (have, want) => bail!("cannot read a column of type {have} as {want}"),
    })
}
