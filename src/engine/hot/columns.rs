//! Collects rows cell by cell into Arrow columns.

use std::sync::Arc;

use anyhow::{Result, bail};
use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringViewBuilder,
    TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef, TimeUnit};

use crate::model::{Column, ColumnType, Table, ValueRef};
use crate::store::Field;

/// Bytes of text after which a batch is full, whatever its rows: news carry whole articles.
const TEXT_BYTES: usize = 4 << 20;

/// Returns the Arrow type of a column.
pub(in crate::engine) fn data_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::Text => DataType::Utf8View,
        ColumnType::Double => DataType::Float64,
        ColumnType::Bigint => DataType::Int64,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// Returns the Arrow schema of columns.
pub(in crate::engine) fn schema(columns: &[Column]) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|column| ArrowField::new(&column.name, data_type(column.kind), column.nullable))
        .collect::<Vec<_>>();
    Arc::new(Schema::new(fields))
}

/// Columns that grow row by row up to a number of rows.
#[derive(Debug)]
pub(in crate::engine) struct Columns {
    builders: Vec<Builder>,
    rows: usize,
    text_bytes: usize,
    target: usize,
}

impl Columns {
    /// Empty columns for the fields of a scan, full at `target` rows.
    pub(super) fn new(table: &Table, fields: &[Field], target: usize) -> Self {
        let builders = fields.iter().map(|field| Builder::new(field_type(table, *field), target)).collect();
        Self { builders, rows: 0, text_bytes: 0, target }
    }

    /// Appends a cell to the column at place `at`.
    pub(in crate::engine) fn push(&mut self, at: usize, value: ValueRef<'_>) -> Result<()> {
        let Some(builder) = self.builders.get_mut(at) else {
            bail!("cannot read column {at} of {}", self.builders.len())
        };
        if let ValueRef::Text(text) = value {
            self.text_bytes += text.len();
        }
        builder.push(value)
    }

    /// Ends a row whose cells were pushed.
    pub(in crate::engine) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// Returns the number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns whether the rows should be passed on before more are read.
    pub(in crate::engine) fn is_full(&self) -> bool {
        self.rows >= self.target || self.text_bytes >= TEXT_BYTES
    }

    /// Returns the columns.
    pub(super) fn finish(self) -> Vec<ArrayRef> {
        self.builders.into_iter().map(Builder::finish).collect()
    }
}

/// Returns the type of a column of a scan.
fn field_type(table: &Table, field: Field) -> ColumnType {
    match field {
        Field::Ts => ColumnType::Timestamp,
        Field::Seq => ColumnType::Bigint,
        Field::Value(at) => table.values[at].kind,
    }
}

#[derive(Debug)]
enum Builder {
    Text(StringViewBuilder),
    Double(Float64Builder),
    Bigint(Int64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

impl Builder {
    fn new(kind: ColumnType, rows: usize) -> Self {
        match kind {
            ColumnType::Text => Self::Text(StringViewBuilder::with_capacity(rows)),
            ColumnType::Double => Self::Double(Float64Builder::with_capacity(rows)),
            ColumnType::Bigint => Self::Bigint(Int64Builder::with_capacity(rows)),
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            ColumnType::Date => Self::Date(Date32Builder::with_capacity(rows)),
            ColumnType::Timestamp => Self::Timestamp(
                TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(data_type(kind)),
            ),
        }
    }

    #[inline]
    fn push(&mut self, value: ValueRef<'_>) -> Result<()> {
        match (self, value) {
            (Self::Text(builder), ValueRef::Text(text)) => builder.try_append_value(text)?,
            (Self::Double(builder), ValueRef::Double(number)) => builder.append_value(number),
            (Self::Bigint(builder), ValueRef::Bigint(number)) => builder.append_value(number),
            (Self::Boolean(builder), ValueRef::Boolean(flag)) => builder.append_value(flag),
            (Self::Date(builder), ValueRef::Date(days)) => builder.append_value(days),
            (Self::Timestamp(builder), ValueRef::Timestamp(micros)) => builder.append_value(micros),
            (builder, ValueRef::Null) => builder.push_null(),
            (builder, other) => bail!("cannot read {} where {} is declared", word(other), builder.word()),
        }
        Ok(())
    }

    fn push_null(&mut self) {
        match self {
            Self::Text(builder) => builder.append_null(),
            Self::Double(builder) => builder.append_null(),
            Self::Bigint(builder) => builder.append_null(),
            Self::Boolean(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Double(_) => "a double",
            Self::Bigint(_) => "a bigint",
            Self::Boolean(_) => "a boolean",
            Self::Date(_) => "a date",
            Self::Timestamp(_) => "a timestamp",
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Double(mut builder) => Arc::new(builder.finish()),
            Self::Bigint(mut builder) => Arc::new(builder.finish()),
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::Timestamp(mut builder) => Arc::new(builder.finish()),
        }
    }
}

fn word(value: ValueRef<'_>) -> &'static str {
    match value {
        ValueRef::Null => "null",
        ValueRef::Text(_) => "text",
        ValueRef::Double(_) => "a double",
        ValueRef::Bigint(_) => "a bigint",
        ValueRef::Boolean(_) => "a boolean",
        ValueRef::Date(_) => "a date",
        ValueRef::Timestamp(_) => "a timestamp",
    }
}

/// Returns one column of values, as for the keys of series.
pub(in crate::engine) fn collect<'a>(
    kind: ColumnType,
    values: impl Iterator<Item = ValueRef<'a>>,
) -> Result<ArrayRef> {
    let mut builder = Builder::new(kind, values.size_hint().0);
    for value in values {
        builder.push(value)?;
    }
    Ok(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_type_is_an_error() {
        let error = collect(ColumnType::Double, [ValueRef::Text("x")].into_iter()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read text where a double is declared");
    }
}
