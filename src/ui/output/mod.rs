//! Results as text and files, one file a format; all of them stream.

mod cells;
mod csv;
mod grid;
mod ipc;
mod json;
mod listing;
mod markdown;
mod moment;
mod number;
mod parquet;
mod pipeline;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use anyhow::Result;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};

use self::csv::Csv;
use self::ipc::Ipc;
use self::json::Objects;
pub use self::listing::Listing;
use self::markdown::Markdown;
use self::parquet::Parquet;
use self::pipeline::Pipeline;
use self::table::Table;

/// The form results are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Aligned columns for a terminal.
    Table,
    /// Fields separated by commas.
    Csv,
    /// Fields separated by tabs.
    Tsv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC file.
    Arrow,
    /// A GitHub table.
    Markdown,
}

impl Format {
    /// The words of all formats, as a user types them.
    pub const WORDS: [&'static str; 8] =
        ["table", "csv", "tsv", "json", "ndjson", "parquet", "arrow", "markdown"];

    const ALL: [Self; 8] = [
        Self::Table,
        Self::Csv,
        Self::Tsv,
        Self::Json,
        Self::Ndjson,
        Self::Parquet,
        Self::Arrow,
        Self::Markdown,
    ];

    /// Returns the format that the extension of a file's name stands for.
    pub fn from_extension(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "json" => Some(Self::Json),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "parquet" => Some(Self::Parquet),
            "arrow" | "feather" => Some(Self::Arrow),
            "md" => Some(Self::Markdown),
            _ => None,
        }
    }

    /// Returns the word a user types for it.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// Returns whether the output is bytes that a terminal cannot show.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        let mut all = Self::ALL.into_iter();
        all.find(|format| format.as_str() == word).ok_or_else(|| UnknownFormat(word.to_owned()))
    }
}

/// A word that is no [`Format`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFormat(String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown format '{}', expected one of {}", self.0, Format::WORDS.join(", "))
    }
}

impl std::error::Error for UnknownFormat {}

/// Where table output appears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// The columns of the terminal; `None` where it is not one, and then nothing is made to fit.
    pub width: Option<usize>,
    /// Whether colour is allowed.
    pub color: bool,
}

/// A destination of results.
pub trait Sink {
    /// Writes the rows of a batch, which has the schema the sink was made for.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes all that is still held back and what ends the format; without it the output is incomplete.
    fn finish(&mut self) -> Result<()>;
}

/// Returns a sink that writes a format to `out`, in whole formatted batches.
///
/// The first batch is written at once. A reader that went away is an [`std::io::Error`] of kind
/// `BrokenPipe` in the chain of the error.
pub fn sink<'a>(
    format: Format,
    schema: SchemaRef,
    out: Box<dyn Write + Send + 'a>,
    screen: &Screen,
) -> Result<Box<dyn Sink + 'a>> {
    Ok(match format {
        Format::Table => Box::new(Table::new(schema, out, *screen)),
        Format::Csv => Box::new(Pipeline::new(Csv::commas(schema), out)),
        Format::Tsv => Box::new(Pipeline::new(Csv::tabs(schema), out)),
        Format::Json => Box::new(Pipeline::new(Objects::array(&schema), out)),
        Format::Ndjson => Box::new(Pipeline::new(Objects::lines(&schema), out)),
        Format::Markdown => Box::new(Pipeline::new(Markdown::new(schema), out)),
        Format::Parquet => Box::new(Parquet::new(&schema, out)?),
        Format::Arrow => Box::new(Ipc::new(&schema, out)?),
    })
}

/// Returns whether values of the type are aligned as numbers.
fn is_number(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_number(values),
        kind => kind.is_numeric(),
    }
}

/// Returns the names of the columns, with `_2` and so on after a name that was there before: a join gives
/// equal names, and most readers keep only one column of each.
fn unique_names(schema: &Schema) -> Vec<String> {
    let given: HashSet<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut names = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let count = counts.entry(field.name()).or_default();
        *count += 1;
        let mut name = field.name().clone();
        while *count > 1 && given.contains(name.as_str()) {
            name = format!("{}_{count}", field.name());
            if given.contains(name.as_str()) {
                *count += 1;
            }
        }
        names.push(name);
    }
    names
}
