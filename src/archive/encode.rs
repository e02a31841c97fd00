//! Writes one Parquet file: for each column the encoding that is the smallest, found by trying all on the first
//! row group; columns in parallel.
//!
//! Encodings are those that every reader of the last ten years has: plain, dictionary, and for whole numbers
//! differences (`DELTA_BINARY_PACKED`). `BYTE_STREAM_SPLIT` is left out: it made no measured column smaller than
//! the best of the others, and Spark before 4.0 does not read it in its fast path.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::{Array as _, ArrayRef};
use arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelIterator as _, IntoParallelRefIterator as _,
    ParallelIterator as _,
};

use super::narrow::Physical;

/// Rows of a page. A query of one day reads a page or two of each column; pages of half as many rows make a
/// file of minute bars 2 % larger.
pub(super) const PAGE_ROWS: usize = 20_000;

/// Bytes of a dictionary. The trial finds out whether a dictionary pays, so this only bounds memory.
const DICTIONARY_BYTES: usize = 16 << 20;

/// Distinct values for which a Bloom filter is made; it is folded to what there really are.
const BLOOM_VALUES: u64 = 10_000;

/// Rows up to which the slowest sensible level is used where the default was asked for: it costs milliseconds.
const SMALL_ROWS: usize = 16_384;

/// The level for small files.
const SMALL_LEVEL: i32 = 15;

/// The level at which encodings are compared first, a sixth of the time of level 9.
const TRIAL_LEVEL: i32 = 2;

/// A column of a file.
#[derive(Clone, Debug)]
pub(super) struct FileColumn {
    pub(super) name: String,
    pub(super) physical: Physical,
    pub(super) nullable: bool,
    /// Whether queries look for single values, so that a Bloom filter pays.
    pub(super) is_sought: bool,
}

/// How the values of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// One after the other.
    Plain,
    /// As places in a list of the distinct ones.
    Dictionary,
    /// As differences, packed into as few bits as they need.
    Delta,
}

impl Encoded {
    const ALL: [Self; 3] = [Self::Plain, Self::Dictionary, Self::Delta];

    fn suits(self, physical: Physical) -> bool {
        match self {
            Self::Plain => true,
            Self::Dictionary => physical != Physical::Boolean,
            Self::Delta => matches!(
                physical,
                Physical::Int32
                    | Physical::Int64
                    | Physical::Date
                    | Physical::Timestamp
                    | Physical::Decimal9(_)
                    | Physical::Decimal18(_)
            ),
        }
    }

    /// Returns the word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Dictionary => "dictionary",
            Self::Delta => "delta",
        }
    }
}

/// What a column takes in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnSize {
    pub(super) encoded: Encoded,
    pub(super) bytes: u64,
}

/// A Parquet file that is being written.
pub(super) struct Encoder<W: Write + Send> {
    columns: Columns,
    writer: SerializedFileWriter<W>,
}

/// The columns of a file, and how they are encoded.
struct Columns {
    schema: SchemaRef,
    all: Vec<FileColumn>,
    level: Option<i32>,
    /// For each column its encoding, once it is found.
    chosen: Vec<Option<ColumnSize>>,
}

impl<W: Write + Send> Encoder<W> {
    /// Starts a file. `sorted` columns from the first on are the order of its rows.
    pub(super) fn new(out: W, columns: Vec<FileColumn>, sorted: usize, level: Option<i32>) -> Result<Self> {
        let fields: Vec<Field> = columns
            .iter()
            .map(|column| Field::new(&column.name, column.physical.arrow(), column.nullable))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let sorting = (0..sorted).map(|at| {
            Ok(SortingColumn { column_idx: i32::try_from(at)?, descending: false, nulls_first: true })
        });
        let properties = properties(&columns)
            .set_sorting_columns(
                Some(sorting.collect::<Result<_>>()?).filter(|order: &Vec<_>| !order.is_empty()),
            )
            .build();
        let parquet = ArrowSchemaConverter::new().schema_root("barn").convert(&schema)?;
        let writer = SerializedFileWriter::new(out, parquet.root_schema_ptr(), Arc::new(properties))
            .context("cannot start the Parquet file")?;
        let chosen = vec![None; columns.len()];
        Ok(Self { columns: Columns { schema, all: columns, level, chosen }, writer })
    }

    /// Adds a note to the file's footer.
    pub(super) fn note(&mut self, key: &str, value: String) {
        self.writer.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
    }

    /// Writes a row group.
    pub(super) fn write(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let chunks = self.columns.encode_all(arrays, self.writer.flushed_row_groups().len())?;
        let mut row_group = self.writer.next_row_group().context("cannot start a row group")?;
        for (at, (encoded, chunk)) in chunks.into_iter().enumerate() {
            let bytes = chunk.close().bytes_written;
            let before = self.columns.chosen[at].map_or(0, |size| size.bytes);
            self.columns.chosen[at] = Some(ColumnSize { encoded, bytes: before + bytes });
            chunk
                .append_to_row_group(&mut row_group)
                .with_context(|| format!("cannot write column '{}'", self.columns.all[at].name))?;
        }
        row_group.close().context("cannot end a row group")?;
        Ok(())
    }

    /// Ends the file and returns what was written to and what each column takes.
    pub(super) fn finish(self) -> Result<(W, Vec<ColumnSize>)> {
        let nothing = ColumnSize { encoded: Encoded::Plain, bytes: 0 };
        let sizes = self.columns.chosen.iter().map(|size| size.unwrap_or(nothing)).collect();
        let out = self.writer.into_inner().context("cannot end the Parquet file")?;
        Ok((out, sizes))
    }
}

impl Columns {
    /// Encodes and compresses the columns of a row group.
    fn encode_all(&self, arrays: &[ArrayRef], group: usize) -> Result<Vec<(Encoded, ArrowColumnChunk)>> {
        let rows = arrays.first().map_or(0, arrow::array::Array::len);
        let level = match self.level {
            None if rows <= SMALL_ROWS => SMALL_LEVEL,
            level => level.unwrap_or(super::DEFAULT_LEVEL),
        };
        (0..arrays.len())
            .into_par_iter()
            // The widest columns come last in most tables; small pieces of work keep all threads busy.
            .with_max_len(1)
            .map(|at| match self.chosen[at] {
                Some(size) => Ok((size.encoded, self.encode(at, &arrays[at], size.encoded, (level, group))?)),
                None => self.smallest(at, &arrays[at], (level, group)),
            })
            .collect()
    }

    /// Encodes a column in each way that suits it and returns the smallest.
    fn smallest(
        &self,
        at: usize,
        array: &ArrayRef,
        (level, group): (i32, usize),
    ) -> Result<(Encoded, ArrowColumnChunk)> {
        let suited: Vec<Encoded> =
            Encoded::ALL.into_iter().filter(|encoded| encoded.suits(self.all[at].physical)).collect();
        let try_all = |encodings: &[Encoded], level: i32| -> Result<Vec<(Encoded, ArrowColumnChunk)>> {
            encodings
                .par_iter()
                .map(|encoded| Ok((*encoded, self.encode(at, array, *encoded, (level, group))?)))
                .collect()
        };
        let size = |chunk: &ArrowColumnChunk| chunk.close().bytes_written;
        let mut left = suited;
        if left.len() > 1 && level > TRIAL_LEVEL && array.null_count() < array.len() {
            let tried = try_all(&left, TRIAL_LEVEL)?;
            let least = tried.iter().map(|(_, chunk)| size(chunk)).min().unwrap_or(0);
            // A higher level may turn a near result around, and no more than that.
            left = tried
                .iter()
                .filter(|(_, chunk)| size(chunk) <= least + least / 8)
                .map(|(encoded, _)| *encoded)
                .collect();
        } else if array.null_count() == array.len() {
            left.truncate(1);
        }
        let tried = try_all(&left, level)?;
        tried.into_iter().min_by_key(|(_, chunk)| size(chunk)).context("a column has an encoding")
    }

    /// Encodes and compresses a column.
    fn encode(
        &self,
        at: usize,
        array: &ArrayRef,
        encoded: Encoded,
        (level, group): (i32, usize),
    ) -> Result<ArrowColumnChunk> {
        let cannot = || format!("cannot encode column '{}'", self.all[at].name);
        let properties = column_properties(&self.all[at], encoded, level).with_context(cannot)?;
        let schema = Arc::new(Schema::new(vec![self.schema.field(at).clone()]));
        let parquet = ArrowSchemaConverter::new().schema_root("barn").convert(&schema)?;
        let file =
            SerializedFileWriter::new(std::io::sink(), parquet.root_schema_ptr(), Arc::new(properties))
                .with_context(cannot)?;
        let factory = ArrowRowGroupWriterFactory::new(&file, Arc::clone(&schema));
        let mut writers = factory.create_column_writers(group).with_context(cannot)?;
        let mut writer = writers.pop().with_context(cannot)?;
        for leaf in compute_leaves(schema.field(0), array).with_context(cannot)? {
            writer.write(&leaf).with_context(cannot)?;
        }
        writer.close().with_context(cannot)
    }
}

fn properties(columns: &[FileColumn]) -> parquet::file::properties::WriterPropertiesBuilder {
    let builder = WriterProperties::builder()
        .set_created_by(format!("barn {}", env!("CARGO_PKG_VERSION")))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES);
    columns.iter().filter(|column| column.is_sought).fold(builder, |builder, column| {
        let path = ColumnPath::from(column.name.as_str());
        builder
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_max_ndv(path, BLOOM_VALUES)
    })
}

fn column_properties(column: &FileColumn, encoded: Encoded, level: i32) -> Result<WriterProperties> {
    let builder = properties(std::slice::from_ref(column))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
        .set_dictionary_enabled(encoded == Encoded::Dictionary);
    Ok(match encoded {
        Encoded::Delta => builder.set_encoding(Encoding::DELTA_BINARY_PACKED),
        Encoded::Plain => builder.set_encoding(Encoding::PLAIN),
        Encoded::Dictionary => builder,
    }
    .build())
}
