//! Leaves out archived rows in whose place a hot row stands.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, Schema, TimestampMicrosecondType,
};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use crate::model::ValueRef;

/// Bits of the quick set for each time: one in sixteen rows that nobody corrected is looked at twice.
const BITS_A_TIME: usize = 16;

/// The rows of a dataset that hot ones replace.
#[derive(Debug)]
pub(super) struct Corrected {
    /// Has the bit of every time in it, found by [`Corrected::bit`].
    quick: Vec<u64>,
    shift: u32,
    /// The times of each series, in order, by the encoded values of its key columns.
    times: HashMap<Vec<u8>, Vec<i64>>,
}

impl Corrected {
    /// Collects the replaced rows: the values of the key columns that tell series apart, and the times.
    pub(super) fn new(times: HashMap<Vec<u8>, Vec<i64>>) -> Self {
        let count: usize = times.values().map(Vec::len).sum();
        let bits = (count * BITS_A_TIME).next_power_of_two().clamp(1 << 10, 1 << 28);
        let mut corrected =
            Self { quick: vec![0; bits / 64], shift: u64::BITS - bits.trailing_zeros(), times };
        let mut quick = std::mem::take(&mut corrected.quick);
        for ts in corrected.times.values().flatten() {
            let (word, bit) = corrected.bit(*ts);
            quick[word] |= bit;
        }
        Self { quick, ..corrected }
    }

    fn bit(&self, ts: i64) -> (usize, u64) {
        let hash = ts.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift;
        let word = usize::try_from(hash / 64).unwrap_or(0);
        (word, 1 << (hash % 64))
    }

    fn may_have(&self, ts: i64) -> bool {
        let (word, bit) = self.bit(ts);
        self.quick[word] & bit != 0
    }

    fn has(&self, key: &[u8], ts: i64) -> bool {
        self.times.get(key).is_some_and(|times| times.binary_search(&ts).is_ok())
    }
}

/// Is true for the rows that are no replaced ones.
#[derive(Debug)]
pub(super) struct Kept {
    corrected: Arc<Corrected>,
    /// The time, then the key columns that tell series apart.
    columns: Vec<Arc<dyn PhysicalExpr>>,
}

impl Kept {
    /// A condition on a time and key columns.
    pub(super) fn new(corrected: Arc<Corrected>, columns: Vec<Arc<dyn PhysicalExpr>>) -> Self {
        Self { corrected, columns }
    }
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not corrected")
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.corrected, &other.corrected) && self.columns == other.columns
    }
}

impl Eq for Kept {}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.corrected).hash(state);
        self.columns.hash(state);
    }
}

impl PhysicalExpr for Kept {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _schema: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let arrays = self.columns.iter().map(|column| column.evaluate(batch)?.into_array(rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let Some((times, keys)) = arrays.split_first() else {
            return internal_err!("a correction has a time");
        };
        let Some(times) = times.as_primitive_opt::<TimestampMicrosecondType>() else {
            return internal_err!("a correction has a time in microseconds");
        };
        let mut key = Vec::new();
        let keep = BooleanBuffer::collect_bool(rows, |row| {
            let ts = times.value(row);
            if !self.corrected.may_have(ts) {
                return true;
            }
            key.clear();
            for column in keys {
                value(column, row).encode(&mut key);
            }
            !self.corrected.has(&key, ts)
        });
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::new(keep, None))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.columns.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        columns: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self { corrected: Arc::clone(&self.corrected), columns }))
    }

    fn fmt_sql(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// Returns a cell of a key column.
pub(in crate::engine) fn value(column: &ArrayRef, row: usize) -> ValueRef<'_> {
    if column.is_null(row) {
        return ValueRef::Null;
    }
    match column.data_type() {
        DataType::Utf8View => ValueRef::Text(column.as_string_view().value(row)),
        DataType::Float64 => ValueRef::Double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => ValueRef::Bigint(column.as_primitive::<Int64Type>().value(row)),
        DataType::Boolean => ValueRef::Boolean(column.as_boolean().value(row)),
        DataType::Date32 => ValueRef::Date(column.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(..) => {
            ValueRef::Timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        _ => ValueRef::Null,
    }
}
