//! Records of JSON: an object or an array each.
//!
//! Values stay the tokens they were written as until a column asks for them, so that numbers keep their
//! digits.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Block;
use super::cell::{Cell, Lines, Record};
use super::path::Step;
use super::want::{Piece, Sheet, Want};

/// Where the values of a JSON record stand.
#[derive(Clone, Debug, Default)]
pub(super) struct JsonReading {
    want: Want,
    slots: usize,
}

/// A record of a block.
pub(super) struct JsonRecord<'s> {
    pub(super) sheet: &'s Sheet<'s>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A record that is no JSON, or neither an object nor an array.
pub(super) struct Malformed<'a> {
    /// The record.
    pub(super) record: JsonRecord<'a>,
    /// Why.
    pub(super) reason: String,
}

/// A key of an object, borrowed unless it has escapes.
#[derive(Deserialize)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl JsonReading {
    /// Reads the values at `paths`, the slot of each being its place.
    pub(super) fn new(paths: impl IntoIterator<Item = (usize, Vec<Step>)>, slots: usize) -> Self {
        let mut want = Want::default();
        for (slot, steps) in paths {
            want.add(&steps, slot);
        }
        Self { want, slots }
    }

    /// Calls `visit` with each record of a block that is not blank, until it returns false.
    pub(super) fn each(
        &self,
        block: &Block,
        mut visit: impl FnMut(Result<&JsonRecord<'_>, Malformed<'_>>) -> bool,
    ) {
        let mut sheet = Sheet::new(&block.bytes, self.slots);
        each_text(block, |start, end| {
            sheet.forget(&self.want, 0);
            let outcome = self.fill(&mut sheet, start, end);
            let record = JsonRecord { sheet: &sheet, start, end };
            match outcome {
                Ok(()) => visit(Ok(&record)),
                Err(reason) => {
                    visit(Err(Malformed { reason: format!("it is no JSON record: {reason}"), record }))
                }
            }
        });
    }

    fn fill(&self, sheet: &mut Sheet<'_>, start: usize, end: usize) -> Result<(), String> {
        let text = sheet.bytes.get(start..end).unwrap_or_default();
        if let Err(err) = serde_json::from_slice::<&RawValue>(text) {
            // The place counts from the record, whose line is told anyway.
            let reason = err.to_string();
            return Err(reason.split(" at line ").next().unwrap_or_default().to_owned());
        }
        if !matches!(text, [b'{' | b'[', ..]) {
            return Err(NO_RECORD.to_owned());
        }
        if sheet.fill(&self.want, start).is_none() {
            return Err(TOO_DEEP.to_owned());
        }
        if sheet.take_bad() { Err(HALF_CHARACTER.to_owned()) } else { Ok(()) }
    }
}

/// Why a value is no record.
pub(super) const NO_RECORD: &str = "expected an object or an array";
pub(super) const TOO_DEEP: &str = "its values lie over 128 levels inside each other";
pub(super) const HALF_CHARACTER: &str = "a text of it has an escape that makes no character";

/// Calls `visit` with start and end of each record that is not blank, until it returns false.
pub(super) fn each_text(block: &Block, mut visit: impl FnMut(usize, usize) -> bool) {
    let bytes = &block.bytes;
    let mut start = 0;
    let mut one = |end: usize| {
        let text = bytes.get(start..end).unwrap_or_default();
        let blank = text.len() - text.trim_ascii_start().len();
        let (from, to) =
            (start + blank, end - (text.len() - text.trim_ascii_end().len()).min(text.len() - blank));
        start = end;
        from >= to || visit(from, to)
    };
    if let Some(ends) = &block.ends {
        ends.iter().all(|end| one(*end));
    } else {
        let lines = memchr::memchr_iter(b'\n', bytes).map(|end| end + 1);
        let last = (bytes.last() != Some(&b'\n')).then_some(bytes.len());
        lines.chain(last).all(&mut one);
    }
}

impl Record for JsonRecord<'_> {
    #[inline]
    fn cell(&self, slot: usize) -> Cell<'_> {
        match self.sheet.pieces.get(slot) {
            None | Some(Piece::Nothing) => Cell::Null,
            Some(Piece::Whole(place)) => Cell::Whole(*place),
            Some(piece) => self.sheet.text(*piece).map_or(Cell::Null, Cell::Text),
        }
    }

    fn is_quoted(&self, _slot: usize) -> bool {
        true
    }

    fn excess(&self) -> Option<usize> {
        None
    }

    fn line(&self, lines: &mut Lines) -> u64 {
        lines.at(self.sheet.bytes, self.start)
    }

    fn raw(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.sheet.bytes.get(self.start..self.end).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::path;
    use super::*;

    fn read(paths: &[&str], text: &str) -> Vec<Result<Vec<Option<String>>, String>> {
        let block = Block { index: 0, first_line: 1, bytes: text.as_bytes().to_vec(), ends: None };
        let steps = paths.iter().map(|path| path::parse(path).unwrap()).enumerate();
        let mut records = Vec::new();
        JsonReading::new(steps, paths.len()).each(&block, |record| {
            records.push(match record {
                Ok(record) => Ok((0..paths.len())
                    .map(|slot| match record.cell(slot) {
                        Cell::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
                        _ => None,
                    })
                    .collect()),
                Err(malformed) => Err(malformed.reason),
            });
            true
        });
        records
    }

    fn row(cells: &[Option<&str>]) -> Vec<Option<String>> {
        cells.iter().map(|cell| cell.map(str::to_owned)).collect()
    }

    #[test]
    fn values_keep_their_digits_and_paths_lead_to_them() {
        let text = "{\"a\":1.10,\"b\":{\"c\":[null,\"x\\u00e9\\n\"],\"d e\":true},\"a\":9007199254740993}\n";
        let records = read(&["a", "b.c[1]", "b[\"d e\"]", "b.c[0]", "z", "b.c"], text);
        let list = "[null,\"x\\u00e9\\n\"]";
        let expected = [Some("9007199254740993"), Some("xé\n"), Some("true"), None, None, Some(list)];
        assert_eq!(records, [Ok(row(&expected))]);
    }

    #[test]
    fn arrays_are_records_too() {
        assert_eq!(
            read(&["[0]", "[2]"], "[1,\"a\",\"b\"]\n\n[2]"),
            [Ok(row(&[Some("1"), Some("b")])), Ok(row(&[Some("2"), None]))]
        );
    }

    #[test]
    fn broken_records_are_told_and_the_next_one_is_read() {
        let deep = "[".repeat(100_000);
        let text = format!("{{\"a\":\n5\n{{\"a\":1}} x\n{{\"a\":{deep}\n{{\"a\":2}}\n{{\"b\":\"\\ud800\"}}");
        let records = read(&["a", "b"], &text);
        assert_eq!(records.len(), 6);
        assert!(records[..4].iter().all(Result::is_err));
        assert_eq!(records[4], Ok(row(&[Some("2"), None])));
        assert!(records[5].is_err());
    }

    #[test]
    fn elements_may_span_lines() {
        let bytes = b"{\n\"a\":1}\n{\"a\":2}\n".to_vec();
        let block = Block { index: 0, first_line: 5, bytes, ends: Some(vec![9, 17]) };
        let mut lines = Lines::new(5);
        let mut found = Vec::new();
        let reading = JsonReading::new([(0, path::parse("a").unwrap())], 1);
        reading.each(&block, |record| {
            found.push(record.ok().unwrap().line(&mut lines));
            true
        });
        assert_eq!(found, [5, 7]);
        assert_eq!(super::super::shape::shape(&[block]).keys, ["a"]);
    }
}
