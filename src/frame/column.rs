//! Building a column cell by cell, and reading it by slice.

use polars::prelude::{
    BooleanChunkedBuilder, ChunkedBuilder as _, DataType, Float64Type, Int32Type, Int64Type, IntoSeries as _,
    PrimitiveChunkedBuilder, Series, StringChunkedBuilder,
};
use polars_arrow::array::{Array as _, Utf8ViewArray};
use polars_arrow::bitmap::Bitmap;

use crate::model::{ColumnType, ValueRef};

/// A column that grows a cell at a time.
pub struct ColumnBuilder {
    kind: ColumnType,
    cells: Growing,
}

enum Growing {
    Text(StringChunkedBuilder),
    Double(PrimitiveChunkedBuilder<Float64Type>),
    Whole(PrimitiveChunkedBuilder<Int64Type>),
    Date(PrimitiveChunkedBuilder<Int32Type>),
    Boolean(BooleanChunkedBuilder),
}

impl ColumnBuilder {
    /// A column of `kind` with room for `rows` cells.
    pub fn new(kind: ColumnType, rows: usize) -> Self {
        let name = || "".into();
        let cells = match kind {
            ColumnType::Text => Growing::Text(StringChunkedBuilder::new(name(), rows)),
            ColumnType::Double => Growing::Double(PrimitiveChunkedBuilder::new(name(), rows)),
            ColumnType::Bigint | ColumnType::Timestamp => {
                Growing::Whole(PrimitiveChunkedBuilder::new(name(), rows))
            }
            ColumnType::Date => Growing::Date(PrimitiveChunkedBuilder::new(name(), rows)),
            ColumnType::Boolean => Growing::Boolean(BooleanChunkedBuilder::new(name(), rows)),
        };
        Self { kind, cells }
    }

    /// Returns the type of the column.
    pub fn kind(&self) -> ColumnType {
        self.kind
    }

    /// Appends a cell.
    ///
    /// NaN becomes null and −0.0 becomes 0.0, here and nowhere else. A value of another type than the
    /// column's becomes null; decoders convert before they push.
    pub fn push(&mut self, value: ValueRef<'_>) {
        match (&mut self.cells, value) {
            (Growing::Double(cells), ValueRef::Double(number)) if !number.is_nan() => {
                cells.append_value(number + 0.0);
            }
            (Growing::Text(cells), ValueRef::Text(text)) => cells.append_value(text),
            (Growing::Whole(cells), ValueRef::Bigint(number) | ValueRef::Timestamp(number)) => {
                cells.append_value(number);
            }
            (Growing::Date(cells), ValueRef::Date(days)) => cells.append_value(days),
            (Growing::Boolean(cells), ValueRef::Boolean(flag)) => cells.append_value(flag),
            (Growing::Text(cells), _) => cells.append_null(),
            (Growing::Double(cells), _) => cells.append_null(),
            (Growing::Whole(cells), _) => cells.append_null(),
            (Growing::Date(cells), _) => cells.append_null(),
            (Growing::Boolean(cells), _) => cells.append_null(),
        }
    }

    pub(super) fn finish(self, name: &str) -> Series {
        let series = match self.cells {
            Growing::Text(cells) => cells.finish().into_series(),
            Growing::Double(cells) => cells.finish().into_series(),
            Growing::Whole(cells) => cells.finish().into_series(),
            Growing::Date(cells) => cells.finish().into_series(),
            Growing::Boolean(cells) => cells.finish().into_series(),
        };
        // The physical numbers are kept; only the label says what they mean.
        let series = match self.kind {
            ColumnType::Date => series.cast(&DataType::Date),
            ColumnType::Timestamp => {
                series.cast(&DataType::Datetime(polars::prelude::TimeUnit::Microseconds, None))
            }
            _ => Ok(series),
        };
        series.expect("a label fits its physical type").with_name(name.into())
    }
}

/// The cells of a column, read by place.
#[derive(Clone, Copy)]
pub struct Cells<'a> {
    data: Data<'a>,
    valid: Option<&'a Bitmap>,
}

#[derive(Clone, Copy)]
enum Data<'a> {
    Text(&'a Utf8ViewArray),
    Double(&'a [f64]),
    Bigint(&'a [i64]),
    Timestamp(&'a [i64]),
    Date(&'a [i32]),
    Boolean(&'a Bitmap),
    /// Whole numbers, and the power of ten they are divided by.
    Decimal(&'a [i128], f64),
    Nothing,
}

impl<'a> Cells<'a> {
    pub(super) fn of(series: &'a Series) -> Self {
        macro_rules! first {
            ($column:expr) => {
                match $column.ok().and_then(|column| column.downcast_iter().next()) {
                    Some(array) => array,
                    None => return Self { data: Data::Nothing, valid: None },
                }
            };
        }
        match series.dtype() {
            DataType::String => {
                let array = first!(series.str());
                Self { data: Data::Text(array), valid: array.validity() }
            }
            DataType::Float64 => {
                let array = first!(series.f64());
                Self { data: Data::Double(array.values()), valid: array.validity() }
            }
            DataType::Int64 => {
                let array = first!(series.i64());
                Self { data: Data::Bigint(array.values()), valid: array.validity() }
            }
            DataType::Datetime(..) => {
                let array = first!(series.datetime().map(polars::prelude::Logical::physical));
                Self { data: Data::Timestamp(array.values()), valid: array.validity() }
            }
            DataType::Date => {
                let array = first!(series.date().map(polars::prelude::Logical::physical));
                Self { data: Data::Date(array.values()), valid: array.validity() }
            }
            DataType::Decimal(_, scale) => {
                let array = first!(series.decimal().map(polars::prelude::Logical::physical));
                let divisor = 10_f64.powi(i32::try_from(*scale).unwrap_or(i32::MAX));
                Self { data: Data::Decimal(array.values(), divisor), valid: array.validity() }
            }
            DataType::Boolean => {
                let array = first!(series.bool());
                Self { data: Data::Boolean(array.values()), valid: array.validity() }
            }
            _ => Self { data: Data::Nothing, valid: None },
        }
    }

    /// Returns the cell at a place.
    #[inline]
    pub fn get(&self, at: usize) -> ValueRef<'a> {
        if self.valid.is_some_and(|valid| !valid.get_bit(at)) {
            return ValueRef::Null;
        }
        match self.data {
            Data::Text(cells) => ValueRef::Text(cells.value(at)),
            Data::Double(cells) => ValueRef::Double(cells[at]),
            Data::Bigint(cells) => ValueRef::Bigint(cells[at]),
            Data::Timestamp(cells) => ValueRef::Timestamp(cells[at]),
            Data::Date(cells) => ValueRef::Date(cells[at]),
            Data::Boolean(cells) => ValueRef::Boolean(cells.get_bit(at)),
            // One correctly rounded division of exact doubles: below 2^53 and ten to at most 22.
            #[allow(clippy::cast_precision_loss, reason = "decimals of an archive have at most 18 digits")]
            Data::Decimal(cells, divisor) => ValueRef::Double(cells[at] as f64 / divisor),
            Data::Nothing => ValueRef::Null,
        }
    }

    /// Returns whether every cell is null.
    pub fn is_all_null(&self) -> bool {
        match self.data {
            Data::Nothing => true,
            _ => self.valid.is_some_and(|valid| valid.unset_bits() == valid.len()),
        }
    }
}
