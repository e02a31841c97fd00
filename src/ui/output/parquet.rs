//! A Parquet file that pyarrow, `DuckDB`, polars and Spark read alike: text, 32- and 64-bit signed integers,
//! floats, decimals, booleans, dates, UTC timestamps in microseconds, and lists and structs of these.
//!
//! Narrow and unsigned integers become wider signed ones, a zoneless time is taken for UTC, a time of day, a
//! duration and an interval become text. A value that would change on the way is an error.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use datafusion::arrow::array::{Array as _, ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use super::cells::{Column, Plain};
use super::{Sink, unique_names};
use crate::error::Failure;

/// Bytes of a row group while it is encoded: what a result may take of the memory.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// A Parquet file being written.
pub(super) struct Parquet<'a> {
    schema: SchemaRef,
    writer: ArrowWriter<Box<dyn Write + Send + 'a>>,
}

impl<'a> Parquet<'a> {
    /// Writes the head of the file.
    pub(super) fn new(schema: &SchemaRef, out: Box<dyn Write + Send + 'a>) -> Result<Self> {
        let field = |(field, name): (&FieldRef, String)| Field::new(name, legal(field.data_type()), true);
        let fields: Vec<Field> = schema.fields().iter().zip(unique_names(schema)).map(field).collect();
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(out, Arc::clone(&schema), options)
            .context("cannot write the Parquet file")?;
        Ok(Self { schema, writer })
    }
}

impl Sink for Parquet<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = self.schema.fields().iter().zip(batch.columns());
        let columns = columns
            .map(|(field, array)| {
                convert(array, field.data_type()).with_context(|| {
                    let message = format!(
                        "cannot write column '{}' of type {} to Parquet",
                        field.name(),
                        array.data_type()
                    );
                    Failure::new(message).hint("`--format arrow` keeps every type as it is")
                })
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .context("cannot write the Parquet file")?;
        self.writer.write(&batch).context("cannot write the Parquet file")
    }

    fn finish(&mut self) -> Result<()> {
        self.writer.finish().context("cannot write the Parquet file")?;
        self.writer.inner_mut().flush().context("cannot write the Parquet file")
    }
}

/// Returns the type that stands for `kind` in a file everybody reads.
fn legal(kind: &DataType) -> DataType {
    let within = |field: &FieldRef| Arc::new(Field::new(field.name(), legal(field.data_type()), true));
    match kind {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal256(_, scale) => DataType::Decimal128(38, *scale),
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Dictionary(_, values) => legal(values),
        DataType::RunEndEncoded(_, values) => legal(values.data_type()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(within(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(within).collect()),
        DataType::Boolean
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Binary
        | DataType::Date32 => kind.clone(),
        // Text of every kind, and what has no type of its own in all readers.
        _ => DataType::Utf8,
    }
}

/// Returns the same values as another type, or an error where one would change.
fn convert(array: &ArrayRef, kind: &DataType) -> Result<ArrayRef> {
    let from = array.data_type();
    if from == kind {
        return Ok(Arc::clone(array));
    }
    if kind == &DataType::Utf8 && !from.is_string() && !matches!(from, DataType::Dictionary(..)) {
        return text(array);
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let converted = cast_with_options(array, kind, &options)?;
    if may_lose(from) {
        let back = cast_with_options(&converted, from, &options)?;
        if back.to_data() != array.to_data() {
            anyhow::bail!("a value is finer than {kind} can hold");
        }
    }
    Ok(converted)
}

/// Returns whether values of the type can lose digits without the cast failing.
fn may_lose(kind: &DataType) -> bool {
    match kind {
        DataType::Timestamp(TimeUnit::Nanosecond, _) | DataType::Date64 => true,
        DataType::Dictionary(_, values) => may_lose(values),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            may_lose(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().any(|field| may_lose(field.data_type())),
        _ => false,
    }
}

fn text(array: &ArrayRef) -> Result<ArrayRef> {
    let mut column = Column::new(array)?;
    let mut cell = Vec::new();
    let mut texts = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        cell.clear();
        column.write(row, &Plain, &mut cell);
        texts.push((!column.is_null(row)).then(|| String::from_utf8_lossy(&cell).into_owned()));
    }
    Ok(Arc::new(StringArray::from(texts)))
}
