//! CSV and TSV: RFC 4180 with LF, one header line always, NULL as nothing and empty text as `""`.

use anyhow::Result;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use memchr::memchr_iter;

use super::cells::{Dialect, columns};
use super::pipeline::Layout;

/// Rows as lines of fields.
pub(super) struct Csv {
    schema: SchemaRef,
    fields: Fields,
}

impl Csv {
    /// Fields separated by commas.
    pub(super) fn commas(schema: SchemaRef) -> Self {
        Self { schema, fields: Fields { delimiter: b',' } }
    }

    /// Fields separated by tabs.
    pub(super) fn tabs(schema: SchemaRef) -> Self {
        Self { schema, fields: Fields { delimiter: b'\t' } }
    }
}

impl Layout for Csv {
    fn head(&self, out: &mut Vec<u8>) {
        for (place, field) in self.schema.fields().iter().enumerate() {
            if place > 0 {
                out.push(self.fields.delimiter);
            }
            self.fields.text(field.name(), out);
        }
        out.push(b'\n');
    }

    fn rows(&self, batch: &RecordBatch, _start: u64, out: &mut Vec<u8>) -> Result<()> {
        let mut columns = columns(batch)?;
        for row in 0..batch.num_rows() {
            for (place, column) in columns.iter_mut().enumerate() {
                if place > 0 {
                    out.push(self.fields.delimiter);
                }
                column.write(row, &self.fields, out);
            }
            out.push(b'\n');
        }
        Ok(())
    }
}

struct Fields {
    delimiter: u8,
}

impl Dialect for Fields {
    fn null(&self, _out: &mut Vec<u8>) {}

    fn text(&self, text: &str, out: &mut Vec<u8>) {
        // A leading byte order mark would be taken for the file's own.
        if text.is_empty() || self.has_special(text.as_bytes()) || text.starts_with('\u{feff}') {
            quote(text.as_bytes(), out);
        } else {
            out.extend_from_slice(text.as_bytes());
        }
    }
}

impl Fields {
    // The whole text is looked at without a branch per byte, which the compiler turns into vector
    // instructions; fields are short, and a call of memchr costs more than they do.
    #[expect(clippy::needless_bitwise_bool, reason = "`||` would branch at every byte")]
    fn has_special(&self, text: &[u8]) -> bool {
        let is_special =
            |byte: u8| (byte == self.delimiter) | (byte == b'"') | (byte == b'\n') | (byte == b'\r');
        text.iter().fold(false, |found, byte| found | is_special(*byte))
    }
}

fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut start = 0;
    for at in memchr_iter(b'"', text) {
        out.extend_from_slice(&text[start..=at]);
        out.push(b'"');
        start = at + 1;
    }
    out.extend_from_slice(&text[start..]);
    out.push(b'"');
}
