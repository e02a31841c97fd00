//! The cells of a batch as text: each column is resolved once to its type, so that writing a cell decides
//! nothing about types.

use anyhow::{Context as _, Result};
use datafusion::arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, LargeBinaryArray, LargeStringArray, RecordBatch,
    StringArray, StringViewArray,
};
use datafusion::arrow::buffer::{NullBuffer, ScalarBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Date64Type, FieldRef, Float32Type, Float64Type, Int64Type, IntervalUnit,
    Time64NanosecondType, TimeUnit, UInt64Type,
};

use super::json::{Json, write_string};
use super::moment::{Days, Zone, write_duration, write_moment, write_time};
use super::number::{write_double, write_integer, write_single};

/// What the formats write differently.
pub(super) trait Dialect {
    /// Appends a missing value.
    fn null(&self, out: &mut Vec<u8>);

    /// Appends text that may hold anything.
    fn text(&self, text: &str, out: &mut Vec<u8>);

    /// Appends a list, map or struct that is already JSON.
    fn nested(&self, json: &str, out: &mut Vec<u8>) {
        self.text(json, out);
    }

    /// Appends what stands before and after a word that needs no escaping, such as a date.
    fn fence(&self, _out: &mut Vec<u8>) {}
}

/// A column of one batch.
pub(super) struct Column {
    nulls: Option<NullBuffer>,
    cells: Cells,
}

enum Cells {
    Null,
    Boolean(BooleanArray),
    Integer(ScalarBuffer<i64>),
    Unsigned(ScalarBuffer<u64>),
    Single(ScalarBuffer<f32>),
    Double(ScalarBuffer<f64>),
    /// Numbers that are text already.
    Decimal(StringArray),
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Binary(LargeBinaryArray),
    Date(ScalarBuffer<i64>, Days),
    Moment(ScalarBuffer<i64>, TimeUnit, Zone, Days),
    /// Nanoseconds since midnight.
    Time(ScalarBuffer<i64>),
    Duration(ScalarBuffer<i64>, TimeUnit),
    /// Words that need no escaping.
    Word(StringArray),
    List(Vec<usize>, Box<Column>),
    Map(Vec<usize>, Box<Column>, Box<Column>),
    Struct(Vec<(String, Column)>),
}

/// Resolves the columns of a batch.
pub(super) fn columns(batch: &RecordBatch) -> Result<Vec<Column>> {
    let column = |(field, array): (&FieldRef, &ArrayRef)| {
        Column::new(array).with_context(|| {
            format!("cannot write column '{}' of type {} as text", field.name(), field.data_type())
        })
    };
    batch.schema_ref().fields().iter().zip(batch.columns()).map(column).collect()
}

impl Column {
    /// Resolves one column.
    pub(super) fn new(array: &ArrayRef) -> Result<Self> {
        if let DataType::Dictionary(_, values) = array.data_type() {
            return Self::new(&cast(array, values)?);
        }
        if let DataType::RunEndEncoded(_, values) = array.data_type() {
            return Self::new(&cast(array, values.data_type())?);
        }
        Ok(Self { nulls: array.logical_nulls(), cells: Cells::new(array)? })
    }

    /// Returns whether the cell has no value.
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the cell of a row.
    pub(super) fn write(&mut self, row: usize, dialect: &impl Dialect, out: &mut Vec<u8>) {
        if self.is_null(row) {
            return dialect.null(out);
        }
        match &mut self.cells {
            Cells::Null => dialect.null(out),
            Cells::Boolean(values) => {
                out.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
            }
            Cells::Integer(values) => write_integer(values[row], out),
            Cells::Unsigned(values) => write_integer(values[row], out),
            Cells::Double(values) if values[row].is_finite() => write_double(values[row], out),
            Cells::Double(values) => fenced(dialect, out, |out| write_double(values[row], out)),
            Cells::Single(values) if values[row].is_finite() => write_single(values[row], out),
            Cells::Single(values) => fenced(dialect, out, |out| write_single(values[row], out)),
            Cells::Decimal(values) => out.extend_from_slice(values.value(row).as_bytes()),
            Cells::Text(values) => dialect.text(values.value(row), out),
            Cells::LargeText(values) => dialect.text(values.value(row), out),
            Cells::TextView(values) => dialect.text(values.value(row), out),
            Cells::Date(values, days) => fenced(dialect, out, |out| days.write(values[row], out)),
            Cells::Moment(values, unit, zone, days) => {
                fenced(dialect, out, |out| write_moment(values[row], *unit, *zone, days, out));
            }
            Cells::Time(values) => fenced(dialect, out, |out| write_time(values[row], out)),
            Cells::Duration(values, unit) => {
                fenced(dialect, out, |out| write_duration(values[row], *unit, out));
            }
            Cells::Binary(values) => fenced(dialect, out, |out| write_hex(values.value(row), out)),
            Cells::Word(values) => {
                fenced(dialect, out, |out| out.extend_from_slice(values.value(row).as_bytes()));
            }
            nested @ (Cells::List(..) | Cells::Map(..) | Cells::Struct(_)) => {
                let mut json = Vec::new();
                nested.write_nested(row, &mut json);
                dialect.nested(&String::from_utf8_lossy(&json), out);
            }
        }
    }
}

fn fenced(dialect: &impl Dialect, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    dialect.fence(out);
    write(out);
    dialect.fence(out);
}

fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

impl Cells {
    fn new(array: &ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().values().clone()),
            DataType::Float64 => Self::Double(array.as_primitive::<Float64Type>().values().clone()),
            DataType::Float16 | DataType::Float32 => {
                let singles = cast(array, &DataType::Float32)?;
                Self::Single(singles.as_primitive::<Float32Type>().values().clone())
            }
            kind if kind.is_integer() => Self::Integer(integers(array)?),
            kind if kind.is_decimal() => Self::Decimal(cast(array, &DataType::Utf8)?.as_string().clone()),
            DataType::Utf8 => Self::Text(array.as_string().clone()),
            DataType::LargeUtf8 => Self::LargeText(array.as_string().clone()),
            DataType::Utf8View => Self::TextView(array.as_string_view().clone()),
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => {
                Self::Binary(cast(array, &DataType::LargeBinary)?.as_binary().clone())
            }
            DataType::Date32 => {
                let days = array.as_primitive::<Date32Type>().values();
                Self::Date(days.iter().map(|day| i64::from(*day)).collect(), Days::default())
            }
            DataType::Date64 => {
                let millis = array.as_primitive::<Date64Type>().values();
                Self::Date(
                    millis.iter().map(|millis| millis.div_euclid(86_400_000)).collect(),
                    Days::default(),
                )
            }
            DataType::Timestamp(unit, zone) => {
                let zone = if zone.is_some() { Zone::Utc } else { Zone::Naive };
                Self::Moment(integers(array)?, *unit, zone, Days::default())
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                let nanos = cast(array, &DataType::Time64(TimeUnit::Nanosecond))?;
                Self::Time(nanos.as_primitive::<Time64NanosecondType>().values().clone())
            }
            DataType::Duration(unit) => Self::Duration(integers(array)?, *unit),
            DataType::Interval(
                IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano,
            ) => Self::Word(cast(array, &DataType::Utf8)?.as_string().clone()),
            _ => Self::new_nested(array)?,
        })
    }

    fn new_nested(array: &ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Self::List(offsets(list.value_offsets())?, Box::new(Column::new(list.values())?))
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                Self::List(offsets(list.value_offsets())?, Box::new(Column::new(list.values())?))
            }
            DataType::FixedSizeList(item, _) | DataType::ListView(item) | DataType::LargeListView(item) => {
                return Self::new_nested(&cast(array, &DataType::LargeList(item.clone()))?);
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let (keys, values) = (Column::new(map.keys())?, Column::new(map.values())?);
                Self::Map(offsets(map.value_offsets())?, Box::new(keys), Box::new(values))
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns().iter().map(Column::new);
                let names = fields.iter().map(|field| field.name().clone());
                Self::Struct(
                    names.zip(columns).map(|(name, column)| Ok((name, column?))).collect::<Result<_>>()?,
                )
            }
            _ => anyhow::bail!("this type has no text form"),
        })
    }

    /// Appends a list, map or struct as JSON.
    fn write_nested(&mut self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::List(offsets, items) => {
                out.push(b'[');
                for at in offsets[row]..offsets[row + 1] {
                    separate(out, b'[');
                    items.write(at, &Json, out);
                }
                out.push(b']');
            }
            Self::Map(offsets, keys, values) => {
                out.push(b'{');
                for at in offsets[row]..offsets[row + 1] {
                    separate(out, b'{');
                    let mut key = Vec::new();
                    keys.write(at, &Plain, &mut key);
                    write_string(&String::from_utf8_lossy(&key), out);
                    out.push(b':');
                    values.write(at, &Json, out);
                }
                out.push(b'}');
            }
            Self::Struct(fields) => {
                out.push(b'{');
                for (name, column) in fields {
                    separate(out, b'{');
                    write_string(name, out);
                    out.push(b':');
                    column.write(row, &Json, out);
                }
                out.push(b'}');
            }
            _ => {}
        }
    }
}

/// Appends a comma unless the list or object was just opened.
fn separate(out: &mut Vec<u8>, open: u8) {
    if out.last() != Some(&open) {
        out.push(b',');
    }
}

/// Text as it is.
pub(super) struct Plain;

impl Dialect for Plain {
    fn null(&self, _out: &mut Vec<u8>) {}

    fn text(&self, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(text.as_bytes());
    }
}

fn integers(array: &ArrayRef) -> Result<ScalarBuffer<i64>> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().values().clone())
}

fn offsets<T: Copy + TryInto<usize, Error = std::num::TryFromIntError>>(offsets: &[T]) -> Result<Vec<usize>> {
    offsets.iter().map(|offset| Ok((*offset).try_into()?)).collect()
}
