//! Records of JSON: an object or an array each.
//!
//! Values stay the tokens they were written as until a column asks for them, so that numbers keep their
//! digits.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Block;
use super::cell::{Cell, Lines, Record};
use super::path::Step;

/// Where the values of a JSON record stand.
#[derive(Clone, Debug, Default)]
pub(super) struct JsonReading {
    keys: HashMap<String, Vec<(usize, Vec<Step>)>>,
    places: HashMap<usize, Vec<(usize, Vec<Step>)>>,
    slots: usize,
}

/// A value of a record, as a piece of its text or of what was unescaped.
#[derive(Clone, Copy, Debug, Default)]
enum Piece {
    #[default]
    Nothing,
    Token {
        start: usize,
        end: usize,
    },
    /// A text without escapes, in place.
    Plain {
        start: usize,
        end: usize,
    },
    /// A text whose escapes were resolved.
    Unescaped {
        start: usize,
        end: usize,
    },
}

/// A record of a block.
pub(super) struct JsonRecord<'a> {
    bytes: &'a [u8],
    start: usize,
    end: usize,
    pieces: &'a [Piece],
    unescaped: &'a str,
}

/// A record that is no JSON, or neither an object nor an array.
pub(super) struct Malformed<'a> {
    /// The record.
    pub(super) record: JsonRecord<'a>,
    /// Why.
    pub(super) reason: String,
}

impl JsonReading {
    /// Reads the values at `paths`, the slot of each being its place.
    pub(super) fn new(paths: impl IntoIterator<Item = (usize, Vec<Step>)>, slots: usize) -> Self {
        let mut reading = Self { slots, ..Self::default() };
        for (slot, path) in paths {
            let mut steps = path.into_iter();
            match steps.next() {
                Some(Step::Key(key)) => reading.keys.entry(key).or_default().push((slot, steps.collect())),
                Some(Step::Index(place)) => {
                    reading.places.entry(place).or_default().push((slot, steps.collect()));
                }
                None => {}
            }
        }
        reading
    }

    /// Calls `visit` with each record of a block that is not blank, until it returns false.
    pub(super) fn each(
        &self,
        block: &Block,
        mut visit: impl FnMut(Result<&JsonRecord<'_>, Malformed<'_>>) -> bool,
    ) {
        let mut pieces = vec![Piece::Nothing; self.slots];
        let mut unescaped = String::new();
        each_text(block, |start, end| {
            let bytes = &block.bytes;
            pieces.fill(Piece::Nothing);
            unescaped.clear();
            let text = bytes.get(start..end).unwrap_or_default();
            let filler = Filler { reading: self, pieces: &mut pieces, unescaped: &mut unescaped, bytes };
            let mut parser = serde_json::Deserializer::from_slice(text);
            let outcome = parser.deserialize_any(filler).and_then(|()| parser.end());
            let record = JsonRecord { bytes, start, end, pieces: &pieces, unescaped: &unescaped };
            match outcome {
                Ok(()) => visit(Ok(&record)),
                Err(err) => {
                    // The place counts from the record, whose line is told anyway.
                    let reason = err.to_string();
                    let reason = reason.split(" at line ").next().unwrap_or_default();
                    visit(Err(Malformed { reason: format!("it is no JSON record: {reason}"), record }))
                }
            }
        });
    }
}

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
    fn cell(&self, slot: usize) -> Cell<'_> {
        match self.pieces.get(slot) {
            None | Some(Piece::Nothing) => Cell::Null,
            Some(Piece::Token { start, end } | Piece::Plain { start, end }) => {
                Cell::Text(self.bytes.get(*start..*end).unwrap_or_default())
            }
            Some(Piece::Unescaped { start, end }) => {
                Cell::Text(self.unescaped.as_bytes().get(*start..*end).unwrap_or_default())
            }
        }
    }

    fn is_quoted(&self, _slot: usize) -> bool {
        true
    }

    fn excess(&self) -> Option<usize> {
        None
    }

    fn line(&self, lines: &mut Lines) -> u64 {
        lines.at(self.bytes, self.start)
    }

    fn raw(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.bytes.get(self.start..self.end).unwrap_or_default())
    }
}

/// Puts the wanted values of a record into their slots.
struct Filler<'a> {
    reading: &'a JsonReading,
    pieces: &'a mut [Piece],
    unescaped: &'a mut String,
    bytes: &'a [u8],
}

/// A key of an object, borrowed unless it has escapes.
#[derive(Deserialize)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl<'de> Visitor<'de> for Filler<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            if let Some(wanted) = self.reading.keys.get(key.as_ref()) {
                self.fill(wanted, value).map_err(serde::de::Error::custom)?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let mut place = 0;
        while let Some(value) = elements.next_element::<&RawValue>()? {
            if let Some(wanted) = self.reading.places.get(&place) {
                self.fill(wanted, value).map_err(serde::de::Error::custom)?;
            }
            place += 1;
        }
        Ok(())
    }
}

impl Filler<'_> {
    fn fill(&mut self, wanted: &[(usize, Vec<Step>)], value: &RawValue) -> Result<(), serde_json::Error> {
        for (slot, steps) in wanted {
            let piece = match descend(value, steps) {
                Some(value) => self.piece(value.get())?,
                None => Piece::Nothing,
            };
            if let Some(place) = self.pieces.get_mut(*slot) {
                *place = piece;
            }
        }
        Ok(())
    }

    fn piece(&mut self, token: &str) -> Result<Piece, serde_json::Error> {
        // A raw value borrows from the block, so that its place there is the distance of the two.
        let start = (token.as_ptr() as usize).wrapping_sub(self.bytes.as_ptr() as usize);
        let end = start.wrapping_add(token.len());
        Ok(match token.as_bytes() {
            b"null" => Piece::Nothing,
            [b'"', text @ .., b'"'] if !text.contains(&b'\\') => {
                Piece::Plain { start: start + 1, end: end - 1 }
            }
            [b'"', ..] => {
                let text: String = serde_json::from_str(token)?;
                let start = self.unescaped.len();
                self.unescaped.push_str(&text);
                Piece::Unescaped { start, end: self.unescaped.len() }
            }
            _ => Piece::Token { start, end },
        })
    }
}

/// Follows the steps of a path; of a key that comes twice the last counts.
fn descend<'a>(value: &'a RawValue, steps: &[Step]) -> Option<&'a RawValue> {
    let Some((step, rest)) = steps.split_first() else { return Some(value) };
    let inner = match step {
        Step::Key(key) => {
            let object: HashMap<Key<'_>, &RawValue> = serde_json::from_str(value.get()).ok()?;
            *object.get(key.as_str())?
        }
        Step::Index(place) => {
            let array: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            *array.get(*place)?
        }
    };
    descend(inner, rest)
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Key<'_> {}

impl std::hash::Hash for Key<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl std::borrow::Borrow<str> for Key<'_> {
    fn borrow(&self) -> &str {
        &self.0
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
