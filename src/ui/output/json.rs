//! JSON and NDJSON: one object a row.
//!
//! JSON has no infinities and no NaN; they are written as the strings `"inf"`, `"-inf"` and `"NaN"`,
//! because null would lose them. Times, dates and binary are the strings that CSV has, decimals are
//! numbers with all their digits.

use anyhow::Result;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::cells::{Dialect, columns};
use super::pipeline::Layout;
use super::unique_names;

/// Rows as JSON objects.
pub(super) struct Objects {
    /// `"name":` for each column.
    keys: Vec<Vec<u8>>,
    frame: Frame,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    Array,
    Lines,
}

impl Objects {
    /// One array of objects.
    pub(super) fn array(schema: &SchemaRef) -> Self {
        Self { keys: keys(schema), frame: Frame::Array }
    }

    /// One object a line.
    pub(super) fn lines(schema: &SchemaRef) -> Self {
        Self { keys: keys(schema), frame: Frame::Lines }
    }
}

fn keys(schema: &SchemaRef) -> Vec<Vec<u8>> {
    let key = |name: String| {
        let mut key = Vec::new();
        write_string(&name, &mut key);
        key.push(b':');
        key
    };
    unique_names(schema).into_iter().map(key).collect()
}

impl Layout for Objects {
    fn head(&self, out: &mut Vec<u8>) {
        if self.frame == Frame::Array {
            out.push(b'[');
        }
    }

    fn rows(&self, batch: &RecordBatch, start: u64, out: &mut Vec<u8>) -> Result<()> {
        let mut columns = columns(batch)?;
        for row in 0..batch.num_rows() {
            if self.frame == Frame::Array {
                out.extend_from_slice(if start == 0 && row == 0 { b"\n" } else { b",\n" });
            }
            out.push(b'{');
            for (place, (key, column)) in self.keys.iter().zip(&mut columns).enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(key);
                column.write(row, &Json, out);
            }
            out.push(b'}');
            if self.frame == Frame::Lines {
                out.push(b'\n');
            }
        }
        Ok(())
    }

    fn tail(&self, rows: u64, out: &mut Vec<u8>) {
        if self.frame == Frame::Array {
            out.extend_from_slice(if rows == 0 { b"]\n" } else { b"\n]\n" });
        }
    }
}

/// Values as JSON.
pub(super) struct Json;

impl Dialect for Json {
    fn null(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"null");
    }

    fn text(&self, text: &str, out: &mut Vec<u8>) {
        write_string(text, out);
    }

    fn nested(&self, json: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(json.as_bytes());
    }

    fn fence(&self, out: &mut Vec<u8>) {
        out.push(b'"');
    }
}

/// Appends text as a JSON string.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[start..at]);
        start = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}
