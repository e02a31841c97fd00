//! The rows of a document whose records lie inside each other.
//!
//! Each record is passed over once, filling its slots and noting where the records inside it are; those of the
//! records around it stay filled meanwhile.

use std::borrow::Cow;

use anyhow::{Context as _, Result, anyhow, bail};

use super::super::cell::{Cell, Lines, Record};
use super::super::entry::Shape;
use super::super::json::{HALF_CHARACTER, JsonRecord, NO_RECORD, TOO_DEEP};
use super::super::rows::Rows;
use super::super::walk;
use super::super::want::{Piece, Sheet, Want};
use super::places::{Places, Scope, Way};

/// A pass over a document.
pub(super) struct Nested<'a, 'r, 'p> {
    places: &'a Places,
    sheet: &'r mut Sheet<'a>,
    rows: &'r mut Rows<'p>,
    /// How much text was unescaped in front of the records of each scope.
    marks: Vec<usize>,
    has_root: bool,
    error: Option<anyhow::Error>,
}

/// A record that was come to.
#[derive(Clone, Copy)]
struct Place<'a> {
    at: usize,
    index: usize,
    key: Option<&'a [u8]>,
}

/// An array that is a column, and how far it was read.
struct Column<'a> {
    slot: usize,
    at: usize,
    /// What is wanted of each element, where the element itself is not.
    inside: Option<&'a Want>,
    /// The bounds of the current element.
    element: (usize, usize),
}

impl<'a, 'r, 'p> Nested<'a, 'r, 'p> {
    /// Starts with the slots of the document filled.
    pub(super) fn new(places: &'a Places, sheet: &'r mut Sheet<'a>, rows: &'r mut Rows<'p>) -> Self {
        let marks = vec![sheet.mark(); places.scopes.len()];
        Self { places, sheet, rows, marks, has_root: false, error: None }
    }

    /// Makes rows of all records; returns whether the root is there.
    pub(super) fn run(mut self) -> Result<bool> {
        let done = self.inside(1);
        match self.error {
            Some(error) => Err(error),
            None => done.map(|()| self.has_root).context(TOO_DEEP),
        }
    }

    /// Takes the records of a scope that the current one of the scope around it has.
    fn inside(&mut self, scope: usize) -> Option<()> {
        let places = self.places;
        match &places.scopes.get(scope)?.way {
            Way::Document => Some(()),
            Way::Arms { column, arms } => {
                for (key, slot) in arms {
                    if let Some(start) = self.sheet.start(*slot) {
                        self.sheet.put_text(*column, key);
                        self.values(scope, start, false)?;
                    }
                }
                Some(())
            }
            Way::From { slot, rest, is_each } => {
                let Some(start) = self.sheet.start(*slot) else { return Some(()) };
                let bytes = self.sheet.bytes;
                let outer = if scope == 1 && places.shape == Shape::Keyed { 0 } else { scope };
                let key_slot = places.scopes.get(outer)?.key;
                walk::each_match(bytes, start, rest, None, &mut |at, key| {
                    if let (Some(slot), Some(key)) = (key_slot, key) {
                        self.key(slot, key);
                    }
                    self.values(scope, at, *is_each)
                })
            }
        }
    }

    /// Takes a value as a record, or the records that it holds.
    fn values(&mut self, scope: usize, at: usize, is_record: bool) -> Option<()> {
        if let Some(mark) = self.marks.get_mut(scope) {
            *mark = self.sheet.mark();
        }
        let bytes = self.sheet.bytes;
        self.has_root = true;
        let is_keyed = scope == 1 && self.places.shape == Shape::Keyed;
        match bytes.get(at)? {
            b'{' if is_keyed => {
                let mut index = 0;
                walk::object(bytes, at, |key, at| {
                    index += 1;
                    self.record(scope, Place { at, index: index - 1, key: Some(key) })
                })
                .map(|_| ())
            }
            b'[' if !is_record && !is_keyed => {
                walk::array(bytes, at, |index, at| self.record(scope, Place { at, index, key: None }))
                    .map(|_| ())
            }
            b'{' if self.places.shape != Shape::Rows || is_record => {
                self.record(scope, Place { at, index: 0, key: None }).map(|_| ())
            }
            b'[' if is_record => self.record(scope, Place { at, index: 0, key: None }).map(|_| ()),
            b'n' => Some(()),
            _ if scope > 1 => self.reject(at, NO_RECORD).map(|_| ()),
            first => {
                let wanted = if is_keyed { "an object" } else { "an array" };
                let found = match first {
                    b'{' => "an object",
                    b'[' => "an array",
                    _ => "a single value",
                };
                self.fail(anyhow!("cannot find the records: at their root is {found} instead of {wanted}"))
            }
        }
    }

    /// Takes a record, and returns its end.
    fn record(&mut self, scope: usize, place: Place<'a>) -> Option<usize> {
        let places = self.places;
        let kind: &'a Scope = places.scopes.get(scope)?;
        self.sheet.forget(&kind.want, *self.marks.get(scope)?);
        if let (Some(slot), Some(key)) = (kind.key, place.key) {
            self.key(slot, key);
        }
        if let Some(slot) = kind.index {
            self.sheet.put(slot, Piece::Whole(i64::try_from(place.index).ok()?));
        }
        let is_container = matches!(self.sheet.bytes.get(place.at), Some(b'{' | b'['));
        if !is_container && !kind.want.takes_whole() {
            return self.reject(place.at, NO_RECORD);
        }
        let end = self.sheet.fill(&kind.want, place.at)?;
        if self.sheet.take_bad() {
            return self.reject(place.at, HALF_CHARACTER);
        }
        if scope + 1 < places.scopes.len() {
            self.inside(scope + 1)?;
        } else if places.shape == Shape::Columns {
            if let Err(error) = self.columns() {
                return self.fail(error);
            }
        } else {
            self.rows.push(&JsonRecord { sheet: self.sheet, start: place.at, end });
        }
        Some(end)
    }

    /// Makes rows of the arrays that the current record has in its slots; what is no array is in every row.
    fn columns(&mut self) -> Result<()> {
        let bytes = self.sheet.bytes;
        let scope = self.places.scopes.last().context("a document has records")?;
        let is_array = |slot: &usize| self.sheet.start(*slot).filter(|at| bytes.get(*at) == Some(&b'['));
        let mut columns = Vec::new();
        for slot in scope.want.slots() {
            if let Some(at) = is_array(slot) {
                let elements = self.places.elements.iter().find(|elements| elements.slot == *slot);
                let inside = elements.map(|elements| &elements.want);
                columns.push(Column {
                    slot: *slot,
                    at: walk::skip_blank(bytes, at + 1),
                    inside,
                    element: (0, 0),
                });
            }
        }
        self.start_elements(&columns);
        if columns.is_empty() && scope.want.slots().iter().any(|slot| self.sheet.start(*slot).is_some()) {
            bail!("cannot find the columns: no path of [map] leads to an array");
        }
        let mark = self.sheet.mark();
        for index in 0_i64.. {
            let ended = columns.iter().filter(|column| bytes.get(column.at) == Some(&b']')).count();
            if ended == columns.len() {
                break;
            }
            if ended > 0 {
                bail!("cannot join the columns: some have {index} values and others more");
            }
            if let Some(slot) = scope.index {
                self.sheet.put(slot, Piece::Whole(index));
            }
            self.sheet.truncate(mark);
            for column in &mut columns {
                let end = walk::skip_value(bytes, column.at).context(TOO_DEEP)?;
                column.element = (column.at, end);
                if let Some(inside) = column.inside {
                    self.sheet.clear(inside);
                    self.sheet.fill(inside, column.at).context(TOO_DEEP)?;
                } else {
                    self.sheet.take(column.slot, column.at, end);
                }
                column.at = walk::skip_blank(bytes, end);
                if bytes.get(column.at) == Some(&b',') {
                    column.at = walk::skip_blank(bytes, column.at + 1);
                }
            }
            let row = Row { record: JsonRecord { sheet: self.sheet, start: 0, end: 0 }, columns: &columns };
            if row.record.sheet.is_bad() {
                self.rows.push_malformed(&row, HALF_CHARACTER.to_owned());
                self.sheet.take_bad();
            } else {
                self.rows.push(&row);
            }
        }
        Ok(())
    }

    /// Empties what is wanted of elements; an array without elements has all that is wanted of them.
    fn start_elements(&mut self, columns: &[Column<'_>]) {
        for elements in &self.places.elements {
            self.sheet.clear(&elements.want);
        }
        for column in columns.iter().filter(|column| self.sheet.bytes.get(column.at) == Some(&b']')) {
            for slot in column.inside.map(Want::slots).unwrap_or_default() {
                self.sheet.put(*slot, Piece::Nothing);
            }
        }
    }

    fn key(&mut self, slot: usize, key: &'a [u8]) {
        let bytes = self.sheet.bytes;
        // A key is a piece of the document, so that its place there is the distance of the two.
        let start = (key.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
        self.sheet.take(slot, start.wrapping_sub(1), start.wrapping_add(key.len() + 1));
    }

    /// Puts a value aside that is no record, and returns its end.
    fn reject(&mut self, at: usize, reason: &str) -> Option<usize> {
        let end = walk::skip_value(self.sheet.bytes, at)?;
        let record = JsonRecord { sheet: self.sheet, start: at, end };
        self.rows.push_malformed(&record, format!("it is no record: {reason}"));
        Some(end)
    }

    /// Ends the pass.
    fn fail<T>(&mut self, error: anyhow::Error) -> Option<T> {
        self.error = Some(error);
        None
    }
}

/// The values of one place in several arrays.
struct Row<'s> {
    record: JsonRecord<'s>,
    columns: &'s [Column<'s>],
}

impl Record for Row<'_> {
    #[inline]
    fn cell(&self, slot: usize) -> Cell<'_> {
        self.record.cell(slot)
    }

    fn is_quoted(&self, slot: usize) -> bool {
        self.record.is_quoted(slot)
    }

    fn excess(&self) -> Option<usize> {
        None
    }

    fn line(&self, lines: &mut Lines) -> u64 {
        match self.columns.first().map(|column| column.element.0) {
            Some(start) => lines.at(self.record.sheet.bytes, start),
            None => lines.plus(0),
        }
    }

    fn raw(&self) -> Cow<'_, [u8]> {
        let mut text = vec![b'['];
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            let sheet = &self.record.sheet;
            let piece = sheet.pieces.get(column.slot).copied().unwrap_or_default();
            let whole = || sheet.bytes.get(column.element.0..column.element.1);
            let part = if column.inside.is_some() { whole() } else { sheet.text(piece) };
            text.extend_from_slice(part.unwrap_or(b"null"));
        }
        text.push(b']');
        Cow::Owned(text)
    }
}
