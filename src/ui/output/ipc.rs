//! An Arrow IPC file: the types of the result unchanged, only dictionaries become their values, since the
//! file format allows one dictionary a column and batches bring their own.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use datafusion::arrow::array::{
    Array as _, ArrayData, ArrayRef, RecordBatch, RecordBatchOptions, make_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::FileWriter;

use super::{Sink, unique_names};

/// An Arrow IPC file being written.
pub(super) struct Ipc<'a> {
    schema: SchemaRef,
    writer: FileWriter<BufWriter<Box<dyn Write + Send + 'a>>>,
}

impl<'a> Ipc<'a> {
    /// Writes the head of the file.
    pub(super) fn new(schema: &SchemaRef, out: Box<dyn Write + Send + 'a>) -> Result<Self> {
        let field = |(field, name): (&FieldRef, String)| match field.data_type() {
            DataType::Dictionary(_, values) => Field::new(name, values.as_ref().clone(), field.is_nullable()),
            _ => field.as_ref().clone().with_name(name),
        };
        let fields: Vec<Field> = schema.fields().iter().zip(unique_names(schema)).map(field).collect();
        let schema = Arc::new(Schema::new(fields));
        let writer = FileWriter::try_new_buffered(out, &schema).context("cannot write the Arrow file")?;
        Ok(Self { schema, writer })
    }
}

/// Takes the mask of nulls from an array that has none: such a mask, cut from a longer one, is written with bits
/// that belong to nobody, and equal results should be equal files.
fn plain(array: ArrayRef) -> Result<ArrayRef, ArrowError> {
    fn is_plain(data: &ArrayData) -> bool {
        data.nulls().is_none_or(|nulls| nulls.null_count() > 0) && data.child_data().iter().all(is_plain)
    }
    fn strip(data: &ArrayData) -> Result<ArrayData, ArrowError> {
        let children = data.child_data().iter().map(strip).collect::<Result<Vec<_>, _>>()?;
        let nulls = data.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
        data.clone().into_builder().nulls(nulls).child_data(children).build()
    }
    let data = array.to_data();
    if is_plain(&data) { Ok(array) } else { Ok(make_array(strip(&data)?)) }
}

impl Sink for Ipc<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = self.schema.fields().iter().zip(batch.columns());
        let columns = columns
            .map(|(field, array)| {
                let array = if field.data_type() == array.data_type() {
                    Ok(Arc::clone(array))
                } else {
                    cast(array, field.data_type())
                };
                array
                    .and_then(plain)
                    .with_context(|| format!("cannot write column '{}' to an Arrow file", field.name()))
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .context("cannot write the Arrow file")?;
        self.writer.write(&batch).context("cannot write the Arrow file")
    }

    fn finish(&mut self) -> Result<()> {
        self.writer.finish().context("cannot write the Arrow file")?;
        self.writer.get_mut().flush().context("cannot write the Arrow file")
    }
}
