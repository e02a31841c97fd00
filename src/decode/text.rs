//! The text of a body, as [`Block`](super::Block)s have it: in UTF-8, without the lines that are no records.

use anyhow::{Context as _, Result, bail};
use encoding_rs::Encoding;

use super::Layout;
use crate::error::Failure;

/// Returns the lines of a body without those that the layout skips.
pub(super) fn lines(layout: &Layout, body: &[u8]) -> Result<Vec<u8>> {
    let mut text = match &layout.encoding {
        Some(label) => {
            let encoding = Encoding::for_label(label.as_bytes()).with_context(|| {
                Failure::usage(format!("cannot read encoding '{label}': it is not known"))
            })?;
            let (text, _, is_damaged) = encoding.decode(body);
            if is_damaged {
                bail!("cannot read the answer: it is not in encoding '{label}'");
            }
            text.into_owned().into_bytes()
        }
        None => body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).to_vec(),
    };
    for _ in 0..layout.footer {
        if text.is_empty() {
            break;
        }
        let end = text.trim_ascii_end().len();
        let start = memchr::memrchr(b'\n', text.get(..end).unwrap_or_default());
        text.truncate(start.map_or(0, |start| start + 1));
    }
    let mut skipped = 0;
    for _ in 0..layout.skip {
        if skipped == text.len() {
            break;
        }
        let rest = text.get(skipped..).unwrap_or_default();
        skipped = memchr::memchr(b'\n', rest).map_or(text.len(), |end| skipped + end + 1);
    }
    drop(text.drain(..skipped));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_records_are_left_out() {
        let layout = Layout { skip: 2, footer: 1, ..Layout::default() };
        let text = |body: &[u8]| String::from_utf8(lines(&layout, body).unwrap()).unwrap();
        assert_eq!(text(b"a\nb\nx,y\n1,2\ntotal 1\n\n"), "x,y\n1,2\n");
        assert_eq!(text(b"a\nb"), "");
        assert_eq!(text(b""), "");
        // More than there are takes no longer than all there are.
        let layout = Layout { skip: usize::MAX, footer: usize::MAX, ..Layout::default() };
        assert_eq!(lines(&layout, b"a\nb\nc\n").unwrap(), b"");
        let layout = Layout { skip: usize::MAX, ..Layout::default() };
        assert_eq!(lines(&layout, b"a\nb\nc\n").unwrap(), b"");
    }

    #[test]
    fn a_body_of_another_encoding_is_read() {
        let layout = Layout { encoding: Some("latin1".into()), ..Layout::default() };
        assert_eq!(lines(&layout, b"\xe9\n").unwrap(), "é\n".as_bytes());
        let layout = Layout { encoding: Some("klingon".into()), ..Layout::default() };
        assert!(lines(&layout, b"").is_err());
    }
}
