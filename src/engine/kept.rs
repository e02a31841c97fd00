//! The rows of an answer as bytes, for a cache: an Arrow IPC stream, which keeps the types, the names and the
//! batches as they are.

use datafusion::arrow::array::{Array as _, ArrayData, RecordBatch};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;

use anyhow::{Context as _, Result, ensure};

/// Bytes above which no copy is kept: it would hardly be packed into the 4 MiB that a cache takes, and to make it
/// costs memory and time.
const LARGEST: usize = 16 << 20;

/// The rows of an answer, to be given again later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The number of rows.
    pub rows: u64,
    /// Their bytes.
    pub body: Vec<u8>,
}

/// A copy of an answer that grows while the answer is read.
pub(super) struct Keeper {
    rows: u64,
    writer: StreamWriter<Vec<u8>>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Keeper {
    pub(super) fn new(schema: &SchemaRef) -> Option<Self> {
        StreamWriter::try_new(Vec::new(), schema).ok().map(|writer| Self { rows: 0, writer })
    }

    /// Adds the rows of a batch; `None` where the copy has become too large.
    pub(super) fn add(mut self, batch: &RecordBatch) -> Option<Self> {
        let bytes: usize = batch.columns().iter().map(|column| written(&column.to_data())).sum();
        if self.writer.get_ref().len().saturating_add(bytes) > LARGEST {
            return None;
        }
        self.writer.write(batch).ok()?;
        self.rows += batch.num_rows() as u64;
        Some(self)
    }

    pub(super) fn finish(self) -> Option<Kept> {
        Some(Kept { rows: self.rows, body: self.writer.into_inner().ok()? })
    }
}

/// Returns about how many bytes an array takes when it is written.
fn written(data: &ArrayData) -> usize {
    let size = data.get_slice_memory_size().unwrap_or_else(|_| data.get_buffer_memory_size());
    size.saturating_add(viewed(data))
}

/// Returns the bytes of the texts behind views, of which a part of an array keeps all.
fn viewed(data: &ArrayData) -> usize {
    let own: usize = match data.data_type() {
        DataType::Utf8View | DataType::BinaryView => data.buffers().iter().skip(1).map(Buffer::len).sum(),
        _ => 0,
    };
    own + data.child_data().iter().map(viewed).sum::<usize>()
}

/// Returns the columns and rows of a copy, all of them or none.
pub(super) fn read(kept: &Kept) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let read = || -> std::result::Result<_, ArrowError> {
        let reader = StreamReader::try_new(&kept.body[..], None)?;
        let schema = reader.schema();
        Ok((schema, reader.collect::<std::result::Result<Vec<_>, _>>()?))
    };
    let (schema, batches) = read().context("cannot read a kept result")?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    ensure!(rows as u64 == kept.rows, "cannot read a kept result: it has {rows} of {} rows", kept.rows);
    Ok((schema, batches))
}
