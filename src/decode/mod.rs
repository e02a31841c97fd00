//! From bytes and a layout to rows of a table.
//!
//! An input is cut by its reader into blocks of whole records. [`Decoder::bind`] looks at the first of
//! them, decides which field feeds which column and what the times mean, and is then shared by all
//! threads: [`Decoder::decode`] turns one block into one frame, and what does not fit into rejects.

mod alias;
mod asked;
mod bind;
mod body;
mod cell;
mod clock;
mod csv;
mod decoder;
mod detect;
mod document;
mod entry;
mod fields;
mod format;
mod given;
mod http_date;
mod infer;
mod json;
mod layout;
mod moment;
mod number;
mod parquet;
mod path;
mod pattern;
mod plain;
mod plan;
mod rows;
mod shape;
mod text;
mod timeframe;
mod walk;
mod want;

use crate::frame::Frame;
use crate::model::{ColumnType, Reject};

pub use self::parquet::{ParquetDecoder, SLICE_ROWS, infer_parquet};
pub(crate) use alias::likeness;
pub use asked::moment;
pub use body::{Body, BodyDecoder, Given};
pub use csv::delimiter;
pub use decoder::Decoder;
pub use document::{Document, Found};
pub use entry::{Arms, At, Entry, Explode, Shape, Since, Thousands, Unit};
pub use format::{Format, sniff};
pub use http_date::http_date;
pub use infer::infer;
pub use layout::Layout;
pub use path::Path;
pub use plain::{PlainDecoder, PlainInput, PlainSeen, plain_parquet};

/// Whole records of an input, in UTF-8.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The place of the block in its input, from 0; block 0 holds the header line.
    pub index: u64,
    /// The line of its first record, from 1.
    pub first_line: u64,
    /// The records.
    pub bytes: Vec<u8>,
    /// Where each record ends, for JSON elements; `None` where a record is a line.
    pub ends: Option<Vec<usize>>,
}

/// What [`Decoder::bind`] looks at: the name of an input and its first blocks.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The format of the bytes.
    pub format: Format,
    /// The name of the file, without its folders.
    pub file_name: &'a str,
    /// The first blocks of the input.
    pub head: &'a [Block],
}

/// What became of a block.
pub struct Decoded {
    /// The rows that fit.
    pub frame: Frame,
    /// Records found, blank ones aside: the rows of the frame and the rejects.
    pub read: u64,
    /// Rows of the frame that break a check of the table.
    pub suspect: u64,
    /// The records that do not fit.
    pub rejects: Vec<Reject>,
    /// Value columns of the table that are too narrow for a record, each once.
    pub misfits: Vec<Misfit>,
}

/// A value column that a record does not fit, and the type that would hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The name of the column.
    pub column: String,
    /// The narrowest wider type that holds the value.
    pub needs: ColumnType,
}

/// Bytes of a rejected record that are kept: enough to recognise it.
pub const REJECT_BYTES: usize = 4_096;

#[cfg(test)]
mod tests;
