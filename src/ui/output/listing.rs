//! A small result made by barn itself, in the form of a query's.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{Field, Schema};

use crate::model::{ColumnType, Value};

/// Rows with named, typed columns.
pub struct Listing {
    columns: Vec<(String, ColumnType)>,
    rows: Vec<Vec<Value>>,
}

impl Listing {
    /// An empty list.
    pub fn new(columns: &[(&str, ColumnType)]) -> Self {
        Self {
            columns: columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; a value of another type than its column's, or a missing one, is shown as null.
    pub fn push(&mut self, row: Vec<Value>) {
        self.rows.push(row);
    }

    /// Returns the list in the form that sinks write.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let arrays: Vec<ArrayRef> = (0..self.columns.len()).map(|at| self.array(at)).collect();
        let fields: Vec<Field> = self
            .columns
            .iter()
            .zip(&arrays)
            .map(|((name, _), array)| Field::new(name, array.data_type().clone(), true))
            .collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).context("cannot make a list")
    }

    fn array(&self, at: usize) -> ArrayRef {
        macro_rules! collect {
            ($array:ty, $variant:ident, $take:expr) => {
                self.rows
                    .iter()
                    .map(|row| match row.get(at) {
                        Some(Value::$variant(value)) => Some($take(value)),
                        _ => None,
                    })
                    .collect::<$array>()
            };
        }
        match self.columns[at].1 {
            ColumnType::Text => Arc::new(collect!(StringArray, Text, |text: &Box<str>| text.to_string())),
            ColumnType::Double => Arc::new(collect!(Float64Array, Double, |number: &f64| *number)),
            ColumnType::Bigint => Arc::new(collect!(Int64Array, Bigint, |number: &i64| *number)),
            ColumnType::Boolean => Arc::new(collect!(BooleanArray, Boolean, |flag: &bool| *flag)),
            ColumnType::Date => Arc::new(collect!(Date32Array, Date, |days: &i32| *days)),
            ColumnType::Timestamp => Arc::new(
                collect!(TimestampMicrosecondArray, Timestamp, |micros: &i64| *micros).with_timezone("UTC"),
            ),
        }
    }
}
