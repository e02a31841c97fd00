//! Bytes of any encoding become UTF-8.

use std::io::{self, Read};

use anyhow::Result;
use encoding_rs::{Decoder, DecoderResult, Encoding, REPLACEMENT, UTF_8};

use crate::error::Failure;

/// Bytes in which a NUL shows that a file is not text. A later one is one bad row and not a wrong file.
const CHECKED_BYTES: usize = 64 << 10;

/// Bytes of the longest byte order mark.
const MARK_BYTES: usize = 3;

/// Bytes of foreign encoding decoded at once; small, because UTF-8 may need three times as many.
const RAW_BYTES: usize = 64 << 10;

/// Why text could not be read.
#[derive(Debug)]
pub(super) enum TextError {
    /// The reader failed.
    Io(io::Error),
    /// The bytes that follow are not UTF-8, and no encoding was declared.
    NotUtf8,
    /// The bytes that follow are not of this encoding.
    Malformed(&'static str),
    /// A NUL near the start: this is no text.
    Binary,
}

/// Returns the encoding a layout names.
pub(super) fn encoding(label: &str) -> Result<&'static Encoding> {
    let plain: String = label.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).collect();
    Encoding::for_label(label.as_bytes())
        .or_else(|| Encoding::for_label(plain.as_bytes()))
        .filter(|encoding| *encoding != REPLACEMENT)
        .ok_or_else(|| Failure::usage(format!("cannot read encoding '{label}': it is not known")).into())
}

/// A reader of text.
pub(super) struct Text<R> {
    reader: R,
    mode: Mode,
    /// The start of a character, or of the input, that the next read completes.
    carry: Vec<u8>,
    checked: usize,
}

enum Mode {
    /// Nothing was read yet; the encoding is declared or not.
    Start(Option<&'static Encoding>),
    Utf8,
    Foreign(Box<Decoder>),
}

impl<R: Read> Text<R> {
    /// Starts reading; a byte order mark is dropped and wins over `declared`.
    pub(super) fn new(reader: R, declared: Option<&'static Encoding>) -> Self {
        Self { reader, mode: Mode::Start(declared), carry: Vec::new(), checked: 0 }
    }

    /// Reads once, about `want` bytes, and appends them to `out` as UTF-8; returns false at the end.
    ///
    /// On an error `out` ends where the bytes that are to blame begin.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>, want: usize) -> Result<bool, TextError> {
        if let Mode::Start(declared) = self.mode {
            self.start(declared)?;
        }
        let start = out.len();
        let more = match &mut self.mode {
            Mode::Foreign(decoder) => {
                let mut raw = std::mem::take(&mut self.carry);
                let more = read_once(&mut self.reader, &mut raw, want.min(RAW_BYTES))?;
                decode(decoder, &raw, !more, out)?;
                more
            }
            Mode::Start(_) | Mode::Utf8 => {
                out.append(&mut self.carry);
                let more = read_once(&mut self.reader, out, want)?;
                self.check_text(out, start)?;
                self.carry = validate(out, start, !more)?;
                return Ok(more);
            }
        };
        self.check_text(out, start)?;
        Ok(more)
    }

    /// Reads what a byte order mark needs and decides on the encoding.
    fn start(&mut self, declared: Option<&'static Encoding>) -> Result<(), TextError> {
        while self.carry.len() < MARK_BYTES {
            let missing = MARK_BYTES - self.carry.len();
            if !read_once(&mut self.reader, &mut self.carry, missing)? {
                break;
            }
        }
        let (encoding, mark) = Encoding::for_bom(&self.carry).unwrap_or((declared.unwrap_or(UTF_8), 0));
        drop(self.carry.drain(..mark));
        self.mode = if encoding == UTF_8 {
            Mode::Utf8
        } else {
            Mode::Foreign(Box::new(encoding.new_decoder_without_bom_handling()))
        };
        Ok(())
    }

    fn check_text(&mut self, out: &mut Vec<u8>, start: usize) -> Result<(), TextError> {
        let end = out.len().min(start + CHECKED_BYTES.saturating_sub(self.checked));
        self.checked += end - start;
        if let Some(at) = memchr::memchr(0, &out[start..end]) {
            out.truncate(start + at);
            return Err(TextError::Binary);
        }
        Ok(())
    }
}

/// Appends what one read gives; returns false at the end.
fn read_once(reader: &mut impl Read, out: &mut Vec<u8>, want: usize) -> Result<bool, TextError> {
    let start = out.len();
    out.resize(start + want, 0);
    let read = reader.read(&mut out[start..]);
    out.truncate(start + read.as_ref().map_or(0, |count| *count));
    match read {
        Ok(count) => Ok(count > 0),
        // A stream that is silent says so; whoever reads may have something to hand on meanwhile.
        Err(err) if err.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(err) => Err(TextError::Io(err)),
    }
}

/// Checks `out` from `start` and returns an incomplete character at its end, cut off from it.
fn validate(out: &mut Vec<u8>, start: usize, at_end: bool) -> Result<Vec<u8>, TextError> {
    let Err(err) = std::str::from_utf8(&out[start..]) else {
        return Ok(Vec::new());
    };
    let rest = out.split_off(start + err.valid_up_to());
    if err.error_len().is_some() || at_end {
        return Err(TextError::NotUtf8);
    }
    Ok(rest)
}

fn decode(decoder: &mut Decoder, raw: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), TextError> {
    let mut taken = 0;
    loop {
        let start = out.len();
        let room = decoder.max_utf8_buffer_length_without_replacement(raw.len() - taken);
        out.resize(start + room.unwrap_or(RAW_BYTES).max(16), 0);
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(&raw[taken..], &mut out[start..], last);
        out.truncate(start + written);
        taken += read;
        match result {
            DecoderResult::InputEmpty => return Ok(()),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => return Err(TextError::Malformed(decoder.encoding().name())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives at most `step` bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len());
            Read::read(&mut self.0, &mut buffer[..count])
        }
    }

    /// Reads all of `bytes`, in steps of every small size, which must not matter.
    fn read(bytes: &[u8], label: Option<&str>) -> Result<String, (String, String)> {
        let declared = label.map(|label| encoding(label).unwrap());
        let results: Vec<_> = [1, 2, 3, 4, 5, 1000]
            .into_iter()
            .map(|step| {
                let (mut text, mut out) = (Text::new(Trickle(bytes, step), declared), Vec::new());
                loop {
                    match text.fill(&mut out, step) {
                        Ok(true) => {}
                        Ok(false) => return Ok(String::from_utf8(out).unwrap()),
                        Err(err) => return Err((String::from_utf8(out).unwrap(), format!("{err:?}"))),
                    }
                }
            })
            .collect();
        assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
        results[0].clone()
    }

    #[test]
    fn utf8_is_kept_and_its_mark_dropped() {
        assert_eq!(read("a,é,€,𝄞\n".as_bytes(), None).unwrap(), "a,é,€,𝄞\n");
        assert_eq!(read(b"\xef\xbb\xbfa", None).unwrap(), "a");
        assert_eq!(read(b"\xef\xbb\xbfa", Some("latin-1")).unwrap(), "a");
        assert_eq!(read(b"", None).unwrap(), "");
        assert_eq!(read(b"\xef\xbb", None).unwrap_err().1, "NotUtf8");
    }

    #[test]
    fn utf16_is_known_by_its_mark() {
        let little: Vec<u8> = "\u{feff}a,€,𝄞".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "\u{feff}a,€,𝄞".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(read(&little, None).unwrap(), "a,€,𝄞");
        assert_eq!(read(&big, None).unwrap(), "a,€,𝄞");
        assert_eq!(read(&big[2..], Some("utf-16be")).unwrap(), "a,€,𝄞");
        assert_eq!(read(&little[..little.len() - 1], None).unwrap_err().1, "Malformed(\"UTF-16LE\")");
    }

    #[test]
    fn declared_encodings_are_decoded() {
        for label in ["latin-1", "latin1", "ISO-8859-1", "windows-1252", "cp1252"] {
            assert_eq!(read(b"M\xfcnchen \x80", Some(label)).unwrap(), "München €");
        }
        assert_eq!(read(b"\x93\xfa\x96{", Some("shift_jis")).unwrap(), "日本");
        assert_eq!(read(b"ok\x93", Some("shift_jis")).unwrap_err().1, "Malformed(\"Shift_JIS\")");
        assert!(encoding("klingon").is_err());
    }

    #[test]
    fn the_place_of_a_wrong_byte_is_kept() {
        let wrong = |text: &str, kind: &str| Err((text.to_string(), kind.to_string()));
        assert_eq!(read(b"a\nb\xfcc", None), wrong("a\nb", "NotUtf8"));
        assert_eq!(read(b"a\nb\xe2\x82", None), wrong("a\nb", "NotUtf8"));
        assert_eq!(read(b"a\nb\0\xff", None), wrong("a\nb", "Binary"));
    }
}
