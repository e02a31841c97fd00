//! Records of CSV: lines of fields, quoted where they need it.

use std::borrow::Cow;

use csv::{ByteRecord, ReaderBuilder};

use super::cell::{Cell, Lines, Record};
use super::{Block, Layout, Thousands};

/// How the lines of a CSV input are read.
#[derive(Clone, Debug)]
pub(super) struct CsvReading {
    /// What stands between fields.
    pub(super) delimiter: u8,
    /// Whether block 0 starts with a line that is no record.
    pub(super) has_header: bool,
    /// The number of fields of the header.
    pub(super) width: usize,
}

/// Bytes the reader copies at a time; a block is larger.
const BUFFER: usize = 64 << 10;

/// A line of a block.
pub(super) struct CsvRecord<'a> {
    fields: &'a ByteRecord,
    reading: &'a CsvReading,
    bytes: &'a [u8],
    start: usize,
    end: usize,
}

impl CsvReading {
    /// Calls `visit` with each record of a block that is not blank, until it returns false.
    pub(super) fn each(&self, block: &Block, mut visit: impl FnMut(&CsvRecord<'_>) -> bool) {
        let bytes = without_mark(block);
        let mut reader = self.reader(bytes);
        let mut fields = ByteRecord::new();
        let mut is_header = self.has_header && block.index == 0;
        loop {
            let start = place(&reader);
            // Reading from memory with any number of fields cannot fail.
            if !reader.read_byte_record(&mut fields).unwrap_or(false) {
                return;
            }
            if std::mem::take(&mut is_header) || is_blank(&fields) {
                continue;
            }
            let end = place(&reader);
            if !visit(&CsvRecord { fields: &fields, reading: self, bytes, start, end }) {
                return;
            }
        }
    }

    fn reader<'a>(&self, bytes: &'a [u8]) -> csv::Reader<&'a [u8]> {
        ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .buffer_capacity(BUFFER)
            .from_reader(bytes)
    }
}

fn place(reader: &csv::Reader<&[u8]>) -> usize {
    usize::try_from(reader.position().byte()).unwrap_or(usize::MAX)
}

#[inline]
fn is_blank(fields: &ByteRecord) -> bool {
    fields.iter().all(|field| field.trim_ascii().is_empty())
}

/// Returns the bytes of a block without a byte order mark.
fn without_mark(block: &Block) -> &[u8] {
    if block.index == 0 {
        block.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&block.bytes)
    } else {
        &block.bytes
    }
}

impl Record for CsvRecord<'_> {
    #[inline]
    fn cell(&self, slot: usize) -> Cell<'_> {
        self.fields.get(slot).map_or(Cell::Null, Cell::Text)
    }

    fn is_quoted(&self, slot: usize) -> bool {
        let mut at = 0;
        let mut is_inside = false;
        let mut is_start = true;
        for &byte in line(self.bytes, self.start, self.end) {
            if at == slot && is_start {
                return byte == b'"';
            }
            is_start = false;
            if byte == b'"' {
                is_inside = !is_inside;
            } else if byte == self.reading.delimiter && !is_inside {
                at += 1;
                is_start = true;
            }
        }
        false
    }

    #[inline]
    fn excess(&self) -> Option<usize> {
        if self.fields.len() <= self.reading.width {
            return None;
        }
        let is_used = self.fields.iter().skip(self.reading.width).any(|field| !field.trim_ascii().is_empty());
        is_used.then(|| self.fields.len())
    }

    fn line(&self, lines: &mut Lines) -> u64 {
        let text = self.bytes.get(self.start..self.end).unwrap_or_default();
        // Blank lines before a record are part of what the reader took for it.
        let blank = text.iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
        lines.at(self.bytes, self.start + blank)
    }

    fn raw(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(line(self.bytes, self.start, self.end))
    }
}

/// Returns a record without the line ends around it.
fn line(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    let is_end = |b: &u8| matches!(b, b'\n' | b'\r');
    let text = bytes.get(start..end).unwrap_or_default();
    let from = text.iter().take_while(|b| is_end(b)).count();
    let behind = text.iter().rev().take_while(|b| is_end(b)).count();
    text.get(from..text.len().saturating_sub(behind)).unwrap_or_default()
}

/// Returns the fields of the first record of an input.
pub(super) fn first_record(delimiter: u8, head: &[Block]) -> Vec<String> {
    let mut names = Vec::new();
    for block in head {
        let reading = CsvReading { delimiter, has_header: false, width: usize::MAX };
        reading.each(block, |record| {
            names =
                record.fields.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
            false
        });
        if !names.is_empty() {
            break;
        }
    }
    names
}

/// Decides what stands between fields: what the first lines hold most often and equally often.
pub fn delimiter(layout: &Layout, start: &[u8]) -> u8 {
    /// Lines looked at; a preface is skipped by the layout.
    const LOOKED_AT: usize = 10;
    if let Some(sign) = layout.delimiter {
        return u8::try_from(sign).unwrap_or(b',');
    }
    let lines: Vec<_> =
        start.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(LOOKED_AT).collect();
    let count = |sign: u8, line: &[u8]| {
        let mut is_inside = false;
        line.iter()
            .filter(|b| {
                is_inside ^= **b == b'"';
                !is_inside && **b == sign
            })
            .count()
    };
    // The comma comes last and so wins a tie, unless it is the decimal point.
    let signs = if layout.thousands == Some(Thousands::Dot) { *b"|,\t;" } else { *b"|\t;," };
    let rank = |sign: &u8| {
        let first = lines.first().map_or(0, |line| count(*sign, line));
        let is_even = lines.iter().all(|line| count(*sign, line) == first);
        (first > 0, is_even, first)
    };
    signs.into_iter().max_by_key(rank).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Block {
        Block { index: 0, first_line: 1, bytes: text.as_bytes().to_vec(), ends: None }
    }

    #[test]
    fn lines_and_texts_of_records_are_exact() {
        let reading = CsvReading { delimiter: b',', has_header: true, width: 2 };
        for end in ["\n", "\r\n"] {
            let text = ["a,b", "1,\"x", "y\"", "", ",", "2,z,", "3,\"\",5", ""].join(end);
            let block = block(&text);
            let mut lines = Lines::new(1);
            let mut found = Vec::new();
            reading.each(&block, |record| {
                let raw = String::from_utf8(record.raw().into_owned()).unwrap();
                found.push((record.line(&mut lines), raw, record.excess(), record.is_quoted(1)));
                true
            });
            let expected = [
                (2, format!("1,\"x{end}y\""), None, true),
                (6, "2,z,".to_owned(), None, false),
                (7, "3,\"\",5".to_owned(), Some(3), true),
            ];
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_delimiter_is_what_the_first_lines_agree_on() {
        let cases = [
            ("a,b,c\n1,2,3\n", b','),
            ("20110301 090100;133.9;134\n", b';'),
            ("a\tb\tc\nx,y\tz\t1\n", b'\t'),
            ("a|b\n1|2\n", b'|'),
            ("a;b,c;d\n1;2;3\n", b';'),
            ("\"a;b;c\",d\n", b','),
            ("only\n1\n", b','),
        ];
        for (text, sign) in cases {
            assert_eq!(delimiter(&Layout::default(), text.as_bytes()), sign, "{text}");
        }
        let dot = Layout { thousands: Some(Thousands::Dot), ..Layout::default() };
        assert_eq!(delimiter(&dot, b"a;1,5;2,5\n"), b';');
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_name() {
        assert_eq!(first_record(b',', &[block("\u{feff}\n\n ts ,b\n")]), ["ts", "b"]);
    }
}
