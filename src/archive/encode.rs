//! Writes one Parquet file: for each column the encoding and the length of pages that are the smallest, found by
//! trying all on the first row group; columns in parallel.
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

/// Rows of a short page. A query of one day reads a page or two of each column; pages of half as many rows make
/// a file of minute bars 2 % larger.
const SHORT_PAGE_ROWS: usize = 20_000;

/// Bytes of a long page before it is compressed: what a reader has to unpack for a single value.
const LONG_PAGE_BYTES: usize = 2 << 20;

/// A long page has to save one part in so many of a row group. Pages are compressed each for itself, so those of
/// ticks, which take a bit or two a value, are 2 to 6 % smaller when they are long, and a quote file 12 % in all;
/// those of bars save under 1 % or are larger, and are short for the sake of queries.
const LONG_PAGE_GAIN: u64 = 128;

/// Rows of a row group up to which long pages need not save more than a byte: it has four short ones at most, so
/// that there is little to skip.
const LONG_PAGE_ROWS: usize = 1 << 16;

/// Bytes of a dictionary. The trial finds out whether a dictionary pays, so this only bounds memory.
const DICTIONARY_BYTES: usize = 16 << 20;

/// Distinct values for which a Bloom filter is made; it is folded to what there really are.
const BLOOM_VALUES: u64 = 10_000;

/// Rows up to which the slowest sensible level is used where the default was asked for, and every encoding is tried
/// at it: it costs milliseconds.
const SMALL_ROWS: usize = 16_384;

/// The level for small files.
const SMALL_LEVEL: i32 = 15;

/// The level at which encodings and pages are compared first, a sixth of the time of level 9.
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

/// How long the pages of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pages {
    Short,
    Long,
}

/// How the values of a column are written, in pages of which length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    encoded: Encoded,
    pages: Pages,
}

/// The forms of a column that a trial left, and what the smallest takes.
struct Tried {
    forms: Vec<Form>,
    least: u64,
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
    /// For each column the forms of which the smallest is written: several until the first row group is.
    forms: Vec<Vec<Form>>,
    /// The bytes of each column so far.
    bytes: Vec<u64>,
    /// Whether there is an index of pages and a Bloom filter: not where the first row group is a page or two, which
    /// they would only make larger. All row groups of a file have them or none, since readers want it so.
    is_indexed: bool,
}

/// At which zstd level to encode, for which row group.
#[derive(Clone, Copy)]
struct Effort {
    level: i32,
    group: usize,
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
        let (forms, bytes) = (vec![Vec::new(); columns.len()], vec![0; columns.len()]);
        let columns = Columns { schema, all: columns, level, forms, bytes, is_indexed: true };
        Ok(Self { columns, writer })
    }

    /// Adds a note to the file's footer.
    pub(super) fn note(&mut self, key: &str, value: String) {
        self.writer.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
    }

    /// Writes a row group.
    pub(super) fn write(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let group = self.writer.flushed_row_groups().len();
        if group == 0 {
            self.columns.is_indexed = arrays.first().is_some_and(|array| array.len() > SHORT_PAGE_ROWS);
        }
        let chunks = self.columns.encode_all(arrays, group)?;
        let mut row_group = self.writer.next_row_group().context("cannot start a row group")?;
        for (at, (form, mut chunk)) in chunks.into_iter().enumerate() {
            if !self.columns.is_indexed {
                let close = chunk.close_mut();
                (close.column_index, close.offset_index, close.bloom_filter) = (None, None, None);
            }
            self.columns.bytes[at] += size(&chunk);
            self.columns.forms[at] = vec![form];
            chunk
                .append_to_row_group(&mut row_group)
                .with_context(|| format!("cannot write column '{}'", self.columns.all[at].name))?;
        }
        row_group.close().context("cannot end a row group")?;
        Ok(())
    }

    /// Ends the file and returns what was written to and what each column takes.
    pub(super) fn finish(self) -> Result<(W, Vec<ColumnSize>)> {
        let encoded = |forms: &Vec<Form>| forms.first().map_or(Encoded::Plain, |form| form.encoded);
        let sizes = self.columns.forms.iter().zip(&self.columns.bytes);
        let sizes =
            sizes.map(|(forms, bytes)| ColumnSize { encoded: encoded(forms), bytes: *bytes }).collect();
        let out = self.writer.into_inner().context("cannot end the Parquet file")?;
        Ok((out, sizes))
    }
}

fn size(chunk: &ArrowColumnChunk) -> u64 {
    chunk.close().bytes_written
}

impl Columns {
    /// Encodes and compresses the columns of a row group.
    fn encode_all(&self, arrays: &[ArrayRef], group: usize) -> Result<Vec<(Form, ArrowColumnChunk)>> {
        let rows = arrays.first().map_or(0, arrow::array::Array::len);
        let level = match self.level {
            None if rows <= SMALL_ROWS => SMALL_LEVEL,
            level => level.unwrap_or(super::DEFAULT_LEVEL),
        };
        let found;
        let forms = if group == 0 {
            found = self.try_forms(arrays)?;
            &found
        } else {
            &self.forms
        };
        let encode = |at: usize| -> Result<(Form, ArrowColumnChunk)> {
            let effort = Effort { level, group };
            let encode = |form: &Form| Ok((*form, self.encode(at, &arrays[at], *form, effort)?));
            let encoded = forms[at].par_iter().map(encode).collect::<Result<Vec<_>>>()?;
            encoded.into_iter().min_by_key(|(_, chunk)| size(chunk)).context("a column has a form")
        };
        // The widest columns come last in most tables; small pieces of work keep all threads busy.
        (0..arrays.len()).into_par_iter().with_max_len(1).map(encode).collect()
    }

    /// Returns the encodings that suit a column.
    fn suited(&self, at: usize, array: &ArrayRef) -> Vec<Encoded> {
        let suits = |encoded: &Encoded| encoded.suits(self.all[at].physical);
        let most = if array.null_count() == array.len() { 1 } else { Encoded::ALL.len() };
        Encoded::ALL.into_iter().filter(suits).take(most).collect()
    }

    /// Returns for each column the forms that may be the smallest, by a trial at a low level.
    fn try_forms(&self, arrays: &[ArrayRef]) -> Result<Vec<Vec<Form>>> {
        let columns = || arrays.par_iter().with_max_len(1).enumerate();
        if arrays.first().is_none_or(|array| array.len() <= SMALL_ROWS) {
            let short = |encoded| Form { encoded, pages: Pages::Short };
            let all = columns().map(|(at, array)| self.suited(at, array).into_iter().map(short).collect());
            return Ok(all.collect());
        }
        let short: Vec<Tried> = columns()
            .map(|(at, array)| self.try_column((at, array), &self.suited(at, array), Pages::Short))
            .collect::<Result<_>>()?;
        let total: u64 = short.iter().map(|tried| tried.least).sum();
        let is_small = arrays.first().is_some_and(|array| array.len() <= LONG_PAGE_ROWS);
        let least_gain = if is_small { 1 } else { total.div_ceil(LONG_PAGE_GAIN) };
        columns()
            .zip(short)
            .map(|((at, array), short)| {
                // A column saves less than it takes.
                if array.len() <= SHORT_PAGE_ROWS || short.least <= least_gain {
                    return Ok(short.forms);
                }
                let encodings: Vec<_> = short.forms.iter().map(|form| form.encoded).collect();
                let long = self.try_column((at, array), &encodings, Pages::Long)?;
                let is_worth_it = long.least.saturating_add(least_gain) <= short.least;
                Ok(if is_worth_it { long.forms } else { short.forms })
            })
            .collect()
    }

    /// Encodes a column in several ways at a low level, and returns those that may be the smallest.
    fn try_column(
        &self,
        (at, array): (usize, &ArrayRef),
        encodings: &[Encoded],
        pages: Pages,
    ) -> Result<Tried> {
        let effort = Effort { level: TRIAL_LEVEL.min(self.level.unwrap_or(TRIAL_LEVEL)), group: 0 };
        let tried: Vec<(Form, u64)> = encodings
            .par_iter()
            .map(|encoded| {
                let form = Form { encoded: *encoded, pages };
                Ok((form, size(&self.encode(at, array, form, effort)?)))
            })
            .collect::<Result<_>>()?;
        let least = tried.iter().map(|(_, bytes)| *bytes).min().unwrap_or(0);
        // A higher level may turn a near result around, and no more than that.
        let near = tried.into_iter().filter(|(_, bytes)| *bytes <= least + least / 8);
        Ok(Tried { forms: near.map(|(form, _)| form).collect(), least })
    }

    /// Encodes and compresses a column.
    fn encode(&self, at: usize, array: &ArrayRef, form: Form, effort: Effort) -> Result<ArrowColumnChunk> {
        let cannot = || format!("cannot encode column '{}'", self.all[at].name);
        let properties = column_properties(&self.all[at], form, effort.level).with_context(cannot)?;
        let schema = Arc::new(Schema::new(vec![self.schema.field(at).clone()]));
        let parquet = ArrowSchemaConverter::new().schema_root("barn").convert(&schema)?;
        let file =
            SerializedFileWriter::new(std::io::sink(), parquet.root_schema_ptr(), Arc::new(properties))
                .with_context(cannot)?;
        let factory = ArrowRowGroupWriterFactory::new(&file, Arc::clone(&schema));
        let mut writers = factory.create_column_writers(effort.group).with_context(cannot)?;
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
        .set_dictionary_page_size_limit(DICTIONARY_BYTES);
    columns.iter().filter(|column| column.is_sought).fold(builder, |builder, column| {
        let path = ColumnPath::from(column.name.as_str());
        builder
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_max_ndv(path, BLOOM_VALUES)
    })
}

fn column_properties(column: &FileColumn, form: Form, level: i32) -> Result<WriterProperties> {
    let builder = properties(std::slice::from_ref(column))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
        .set_dictionary_enabled(form.encoded == Encoded::Dictionary);
    let builder = match form.pages {
        Pages::Short => builder.set_data_page_row_count_limit(SHORT_PAGE_ROWS),
        Pages::Long => {
            builder.set_data_page_row_count_limit(usize::MAX).set_data_page_size_limit(LONG_PAGE_BYTES)
        }
    };
    Ok(match form.encoded {
        Encoded::Delta => builder.set_encoding(Encoding::DELTA_BINARY_PACKED),
        Encoded::Plain => builder.set_encoding(Encoding::PLAIN),
        Encoded::Dictionary => builder,
    }
    .build())
}
