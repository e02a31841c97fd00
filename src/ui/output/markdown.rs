//! A GitHub table, for issues and notes: not padded, so that it streams.

use anyhow::Result;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::cells::{Dialect, columns};
use super::is_number;
use super::pipeline::Layout;

/// Rows as lines of a GitHub table.
pub(super) struct Markdown {
    schema: SchemaRef,
}

impl Markdown {
    /// A table with the columns of `schema`.
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema }
    }
}

impl Layout for Markdown {
    fn head(&self, out: &mut Vec<u8>) {
        out.push(b'|');
        for field in self.schema.fields() {
            out.push(b' ');
            Escaped.text(field.name(), out);
            out.extend_from_slice(b" |");
        }
        out.extend_from_slice(b"\n|");
        for field in self.schema.fields() {
            out.extend_from_slice(if is_number(field.data_type()) { b" ---: |" } else { b" --- |" });
        }
        out.push(b'\n');
    }

    fn rows(&self, batch: &RecordBatch, _start: u64, out: &mut Vec<u8>) -> Result<()> {
        let mut columns = columns(batch)?;
        for row in 0..batch.num_rows() {
            out.push(b'|');
            for column in &mut columns {
                out.push(b' ');
                column.write(row, &Escaped, out);
                out.extend_from_slice(b" |");
            }
            out.push(b'\n');
        }
        Ok(())
    }
}

struct Escaped;

impl Dialect for Escaped {
    fn null(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"NULL");
    }

    fn text(&self, text: &str, out: &mut Vec<u8>) {
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                // A bare `<` may begin a tag, which hides what follows.
                '|' | '\\' | '<' => out.extend_from_slice(&[b'\\', c as u8]),
                '\r' if rest.peek() == Some(&'\n') => {}
                '\n' | '\r' => out.extend_from_slice(b"<br>"),
                '\t' => out.push(b' '),
                c if c.is_control() => out.extend_from_slice("\u{fffd}".as_bytes()),
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
}
