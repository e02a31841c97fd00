//! The formats of an input, and recognising them by content.

use anyhow::{Result, bail};

use crate::error::Failure;

/// A format of files and streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lines of fields; TSV is this with another delimiter.
    Csv,
    /// A JSON value a line.
    Ndjson,
    /// A JSON document with an array of records in it.
    Json,
    /// Parquet.
    Parquet,
}

/// Bytes looked at; a header of 10,000 columns still leaves room for records.
const SNIFFED: usize = 256 << 10;

/// Recognises the format of an input by its first bytes; the name is for the error.
pub fn sniff(head: &[u8], name: &str) -> Result<Format> {
    if head.starts_with(b"PAR1") {
        return Ok(Format::Parquet);
    }
    let head = &head[..head.len().min(SNIFFED)];
    // Two-byte encodings hold zero bytes and say so by their first two.
    let is_utf16 = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    if !is_utf16 && !is_text(head) {
        bail!(Failure::new(format!("cannot read '{name}': it is not text, and no format barn knows")));
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    Ok(match text.first() {
        Some(b'{') if starts_with_object_line(text) => Format::Ndjson,
        Some(b'{' | b'[') => Format::Json,
        _ => Format::Csv,
    })
}

/// Latin-1 is text too, so that bytes above 127 count only against the control characters beside them.
fn is_text(head: &[u8]) -> bool {
    let strange = head.iter().filter(|&&b| (b < 0x20 && !b"\t\n\r\x0c".contains(&b)) || b == 0x7f).count();
    !head.contains(&0) && strange * 20 <= head.len()
}

/// Returns whether the first line holds whole objects, so that each line is a record.
fn starts_with_object_line(text: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b'\n', text) else {
        // One line: a record of NDJSON, unless it is longer than what is looked at.
        return is_object(text);
    };
    let more = text.get(end..).unwrap_or_default().trim_ascii_start();
    is_object(text.get(..end).unwrap_or_default()) && (more.is_empty() || more.starts_with(b"{"))
}

fn is_object(line: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(line.trim_ascii()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_recognised_by_content() {
        let cases: [(&[u8], Format); 10] = [
            (b"PAR1\x15\x04", Format::Parquet),
            (b"ts,open\n1,2\n", Format::Csv),
            (b"", Format::Csv),
            (b"\xef\xbb\xbf {\"a\":1}\n{\"a\":2}\n", Format::Ndjson),
            (b"{\"a\":1}", Format::Ndjson),
            (b"{\"a\":1}\n\n", Format::Ndjson),
            (b"{\n \"a\": [1]\n}", Format::Json),
            (b"{\"a\":[{\"b\":1},", Format::Json),
            (b" \n[\n{}]", Format::Json),
            (b"Div,Date\nE0,M\xfcller\n", Format::Csv),
        ];
        for (head, format) in cases {
            assert_eq!(sniff(head, "x").unwrap(), format, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn what_is_not_text_is_refused() {
        for head in [&b"\x7fELF\x02\x01\x01\x00\x00"[..], b"\x89PNG\r\n\x1a\n\x01\x02\x03\x04"] {
            let error = sniff(head, "x.csv").unwrap_err();
            assert!(error.to_string().contains("'x.csv': it is not text"), "{error}");
        }
    }
}
