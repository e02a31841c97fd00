//! The columns of an input whose table does not exist yet.

use anyhow::{Result, bail};

use super::cell::{Cell, is_null_word};
use super::clock::{self, Place};
use super::fields::{Fields, Reading};
use super::layout::Layout;
use super::number::{self, NumberRule};
use super::{Block, Input, cell};
use crate::error::Failure;
use crate::model::{Column, ColumnType, normalize};

/// Returns the header and the column of each field of an input, typed by its head.
///
/// A field without a name is left out. A column is `bigint`, `double`, `boolean`, `date` or `timestamp` if
/// all its cells are, else `text`; one without a value is `double`.
pub fn infer(layout: &Layout, input: &Input<'_>) -> Result<Vec<(String, Column)>> {
    let fields = Fields::of(layout, input)?;
    fields.check_header(layout, input.file_name, |_| false)?;
    let mut guesses: Vec<Guess> = fields.names.iter().map(|_| Guess::new(layout)).collect();
    let slots: Vec<_> = (0..fields.names.len()).collect();
    let reading = fields.reading(&slots);
    for block in input.head {
        observe(&mut guesses, &reading, block);
    }
    columns(&fields.names, guesses.iter().map(Guess::kind), input.file_name)
}

/// Takes the cells of a block into account; a guess belongs to each slot.
pub(super) fn observe(guesses: &mut [Guess], reading: &Reading, block: &Block) {
    reading.each(block, &mut |record| {
        for (slot, guess) in guesses.iter_mut().enumerate() {
            if let Cell::Text(text) = record.cell(slot) {
                guess.observe(text.trim_ascii());
            }
        }
        true
    });
}

/// Names the columns; two headers of one name are refused.
pub(super) fn columns(
    headers: &[String],
    kinds: impl Iterator<Item = ColumnType>,
    file_name: &str,
) -> Result<Vec<(String, Column)>> {
    let mut columns: Vec<(String, Column)> = Vec::with_capacity(headers.len());
    let mut places = std::collections::HashMap::new();
    for (header, kind) in headers.iter().zip(kinds) {
        let Some(name) = normalize(header) else { continue };
        if let Some(first) = places.insert(name.clone(), header) {
            bail!(
                Failure::usage(format!(
                    "cannot name the columns of '{file_name}': both '{first}' and '{header}' become '{name}'"
                ))
                .hint("`--columns A,B,…` with `header = true` in a layout renames them")
            );
        }
        columns.push((header.clone(), Column::value(&name, kind)));
    }
    Ok(columns)
}

/// What the cells of a field can all be.
pub(super) struct Guess {
    number: NumberRule,
    nulls: Box<[Box<[u8]>]>,
    is_seen: bool,
    /// Whether a time has more digits than a timestamp keeps.
    is_too_fine: bool,
    can_be: [bool; 5],
}

const KINDS: [ColumnType; 5] =
    [ColumnType::Bigint, ColumnType::Double, ColumnType::Boolean, ColumnType::Date, ColumnType::Timestamp];

impl Guess {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            number: NumberRule { thousands: layout.thousands, divide: None },
            nulls: layout.nulls.iter().map(|word| word.as_bytes().into()).collect(),
            is_seen: false,
            is_too_fine: false,
            can_be: [true; 5],
        }
    }

    fn observe(&mut self, word: &[u8]) {
        if is_null_word(word, &self.nulls) {
            return;
        }
        self.is_seen = true;
        for (kind, can_be) in KINDS.iter().zip(&mut self.can_be) {
            *can_be = *can_be && fits(*kind, word, self.number);
        }
        if self.can_be == [false, false, false, false, true] {
            self.is_too_fine |= clock::iso(word) == Err(cell::Misread::TooFine);
        }
    }

    /// Adds what is known of other cells of the field.
    pub(super) fn merge(&mut self, other: &Self) {
        self.is_seen |= other.is_seen;
        self.is_too_fine |= other.is_too_fine;
        self.can_be.iter_mut().zip(other.can_be).for_each(|(can_be, other)| *can_be &= other);
    }

    /// Returns whether the field has a value.
    pub(super) fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// Returns the type that keeps every cell whole.
    pub(super) fn exact_kind(&self) -> ColumnType {
        match self.kind() {
            ColumnType::Timestamp if self.is_too_fine => ColumnType::Text,
            kind => kind,
        }
    }

    fn kind(&self) -> ColumnType {
        if !self.is_seen {
            return ColumnType::Double;
        }
        let fitting = KINDS.iter().zip(self.can_be).find(|(_, can_be)| *can_be);
        fitting.map_or(ColumnType::Text, |(kind, _)| *kind)
    }
}

fn fits(kind: ColumnType, word: &[u8], rule: NumberRule) -> bool {
    let is_code = matches!(word, [b'0', b'0'..=b'9', ..] | [b'-' | b'+', b'0', b'0'..=b'9', ..]);
    let is_beyond = || number::bigint(word, rule) == Err(cell::Misread::NotBigint);
    match kind {
        ColumnType::Bigint => !is_code && !word.contains(&b'.') && number::bigint(word, rule).is_ok(),
        // A whole number beyond 64 bits is an identifier rather than a measure.
        ColumnType::Double => !is_code && number::double(word, rule).is_ok() && !is_beyond(),
        ColumnType::Boolean => matches!(word, b"true" | b"false" | b"True" | b"False" | b"TRUE" | b"FALSE"),
        ColumnType::Date => clock::iso(word).is_ok_and(|written| written.place == Place::DateOnly),
        ColumnType::Timestamp => clock::iso(word).is_ok() || clock::iso(word) == Err(cell::Misread::TooFine),
        ColumnType::Text => true,
    }
}
