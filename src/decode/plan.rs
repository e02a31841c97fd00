//! What feeds each column of a table, and the conversion of one cell.

use super::cell::{Cell, Misread, Record, is_null_word};
use super::clock::{self, Place, Written};
use super::moment::{Label, TimeRule, ZoneCache, utc};
use super::number::{self, NumberRule};
use crate::model::time::{MICROS_PER_DAY, format_timestamp, write_date};
use crate::model::{Column, ColumnType, Table, Value, ValueRef};

/// The columns of a table and what feeds them.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) table: Table,
    pub(super) key: Vec<Feed>,
    pub(super) ts: Feed,
    pub(super) seq: Option<Feed>,
    /// One for each value column of the table.
    pub(super) values: Vec<Feed>,
}

/// What feeds a column.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) column: Column,
    pub(super) origin: Origin,
    pub(super) rule: Rule,
    /// Words that mean null beside the usual ones.
    pub(super) nulls: Box<[Box<[u8]>]>,
}

/// Where the values of a column come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Origin {
    /// Nowhere: the column is null.
    Nowhere,
    /// The same value in every row.
    Constant(Value),
    /// The first of these slots that is not null.
    Slots(Vec<usize>),
}

/// How a cell becomes a value.
#[derive(Clone)]
pub(super) enum Rule {
    Text,
    Double(NumberRule),
    Bigint(NumberRule),
    Boolean,
    Date(TimeRule),
    Timestamp(TimeRule),
}

/// A converted cell; texts stay in their record.
///
/// All payloads have the size of a word: copies of smaller ones go byte by byte and stall the pipeline (a
/// fifth of the time of a CSV of bars).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Converted {
    Null,
    Double(f64),
    Bigint(i64),
    /// 0 or 1.
    Boolean(u64),
    Date(i64),
    Timestamp(i64),
    /// The text of this slot.
    Slot(usize),
}

impl Converted {
    /// Returns the value; a text is taken from the record, one of a typed value by way of `text`.
    #[inline]
    pub(super) fn value<'a>(self, record: &'a impl Record, text: &'a mut String) -> ValueRef<'a> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Double(number) => ValueRef::Double(number),
            Self::Bigint(number) => ValueRef::Bigint(number),
            Self::Boolean(flag) => ValueRef::Boolean(flag != 0),
            Self::Date(days) => i32::try_from(days).map_or(ValueRef::Null, ValueRef::Date),
            Self::Timestamp(micros) => ValueRef::Timestamp(micros),
            Self::Slot(slot) => match record.cell(slot) {
                // Checked when it was converted, and too short for that to matter twice.
                Cell::Text(text) => std::str::from_utf8(text).map_or(ValueRef::Null, ValueRef::Text),
                cell => {
                    text.clear();
                    text.push_str(&typed_text(cell));
                    ValueRef::Text(text)
                }
            },
        }
    }

    /// Returns the value where it is a number, for the checks of a table.
    #[inline]
    pub(super) fn number(self) -> ValueRef<'static> {
        match self {
            Self::Double(number) => ValueRef::Double(number),
            Self::Bigint(number) => ValueRef::Bigint(number),
            _ => ValueRef::Null,
        }
    }
}

/// A cell that does not fit: its slot and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unfit {
    pub(super) slot: usize,
    pub(super) why: Misread,
}

impl Feed {
    /// Returns the value of a record.
    #[inline]
    pub(super) fn convert(&self, record: &impl Record, cache: &mut ZoneCache) -> Result<Converted, Unfit> {
        let Origin::Slots(slots) = &self.origin else { return Ok(Converted::Null) };
        for &slot in slots {
            match self.convert_slot(record, slot, cache) {
                Ok(Converted::Null) => {}
                Ok(value) => return Ok(value),
                Err(why) => return Err(Unfit { slot, why }),
            }
        }
        Ok(Converted::Null)
    }

    /// Returns the time of a record as it is written; only for columns of times.
    pub(super) fn convert_time(&self, record: &impl Record) -> Result<Option<(Written, &TimeRule)>, Unfit> {
        let (Origin::Slots(slots), Rule::Date(rule) | Rule::Timestamp(rule)) = (&self.origin, &self.rule)
        else {
            return Ok(None);
        };
        for &slot in slots {
            match self.written(rule, record.cell(slot)) {
                Ok(None) => {}
                Ok(Some(written)) => return Ok(Some((written, rule))),
                Err(why) => return Err(Unfit { slot, why }),
            }
        }
        Ok(None)
    }

    #[inline]
    fn convert_slot(
        &self,
        record: &impl Record,
        slot: usize,
        cache: &mut ZoneCache,
    ) -> Result<Converted, Misread> {
        let cell = record.cell(slot);
        match (&self.rule, cell) {
            (_, Cell::Null) => Ok(Converted::Null),
            (Rule::Date(rule), _) => match self.written(rule, cell)? {
                None => Ok(Converted::Null),
                Some(written) => date(rule, written),
            },
            (Rule::Timestamp(rule), _) => match self.written(rule, cell)? {
                None => Ok(Converted::Null),
                Some(written) => rule.resolve(written, Label::Instant, cache).map(Converted::Timestamp),
            },
            (Rule::Text, Cell::Text(text)) => convert_text(text, record, slot),
            (_, Cell::Text(text)) => self.convert_word(text.trim_ascii()),
            (Rule::Double(rule), Cell::Double(number)) => Ok(Converted::Double(divided(number, *rule))),
            (Rule::Text, _) => Ok(Converted::Slot(slot)),
            (Rule::Boolean, Cell::Boolean(flag)) => Ok(Converted::Boolean(u64::from(flag))),
            // What is left meets as text: whole numbers as doubles, fractions as whole numbers, and so on.
            _ => self.convert_word(typed_text(cell).as_bytes()),
        }
    }

    #[inline]
    fn convert_word(&self, word: &[u8]) -> Result<Converted, Misread> {
        if is_null_word(word, &self.nulls) {
            return Ok(Converted::Null);
        }
        match &self.rule {
            Rule::Double(rule) => Ok(number::double(word, *rule)?.map_or(Converted::Null, Converted::Double)),
            Rule::Bigint(rule) => number::bigint(word, *rule).map(Converted::Bigint),
            _ => boolean(word).map(|flag| Converted::Boolean(u64::from(flag))),
        }
    }

    #[inline]
    fn written(&self, rule: &TimeRule, cell: Cell<'_>) -> Result<Option<Written>, Misread> {
        let text;
        let word = match cell {
            Cell::Null => return Ok(None),
            Cell::Text(text) => text.trim_ascii(),
            Cell::Date(day) => {
                return Ok(Some(Written { day: i64::from(day), micros: 0, place: Place::DateOnly }));
            }
            Cell::Time { count, per_second, is_utc } => {
                let written = utc(clock::scaled(i128::from(count), i128::from(per_second))?);
                let place = if is_utc { Place::Utc } else { Place::Local };
                return Ok(Some(Written { place, ..written }));
            }
            _ => {
                text = typed_text(cell);
                text.as_bytes()
            }
        };
        if is_null_word(word, &self.nulls) {
            return Ok(None);
        }
        rule.read(word).map(Some)
    }
}

fn convert_text(text: &[u8], record: &impl Record, slot: usize) -> Result<Converted, Misread> {
    if text.is_empty() && !record.is_quoted(slot) {
        return Ok(Converted::Null);
    }
    if !text.is_ascii() && std::str::from_utf8(text).is_err() {
        return Err(Misread::NotText);
    }
    Ok(Converted::Slot(slot))
}

/// A date may be written with a midnight: of its own clock, of UTC, or of the zone.
fn date(rule: &TimeRule, written: Written) -> Result<Converted, Misread> {
    let label = if written.place == Place::Utc && written.micros == 0 { Label::Instant } else { Label::Date };
    let micros = rule.resolve(written, label, &mut ZoneCache::default())?;
    if written.micros != 0 {
        let midnight = Written { day: micros.div_euclid(MICROS_PER_DAY), micros: 0, place: Place::Local };
        let wall = written.day * MICROS_PER_DAY + written.micros;
        let start = rule.resolve(midnight, Label::Instant, &mut ZoneCache::default())?;
        if written.place != Place::Utc || start != wall {
            return Err(Misread::TimeOfDay);
        }
    }
    Ok(Converted::Date(micros.div_euclid(MICROS_PER_DAY)))
}

fn boolean(word: &[u8]) -> Result<bool, Misread> {
    match word {
        b"true" | b"1" | b"True" | b"TRUE" => Ok(true),
        b"false" | b"0" | b"False" | b"FALSE" => Ok(false),
        _ => Err(Misread::NotBoolean),
    }
}

fn divided(number: f64, rule: NumberRule) -> f64 {
    #[allow(
        clippy::cast_precision_loss,
        reason = "a divisor is a small whole number; one division rounds once"
    )]
    rule.divide.map_or(number, |divisor| number / divisor as f64)
}

/// Returns a typed value as the text that reads back to it.
pub(super) fn typed_text(cell: Cell<'_>) -> Box<str> {
    match cell {
        Cell::Null => "".into(),
        Cell::Text(text) => String::from_utf8_lossy(text).into(),
        Cell::Whole(number) => number.to_string().into(),
        Cell::Double(number) => format!("{number:?}").into(),
        Cell::Boolean(flag) => flag.to_string().into(),
        Cell::Date(day) => {
            let mut text = Vec::new();
            write_date(i64::from(day), &mut text);
            String::from_utf8_lossy(&text).into()
        }
        Cell::Time { count, per_second, .. } => {
            match clock::scaled(i128::from(count), i128::from(per_second)) {
                Ok(micros) => format_timestamp(micros).into(),
                Err(_) => count.to_string().into(),
            }
        }
    }
}

impl Rule {
    /// Returns how a column of a type is read without anything being said about it.
    pub(super) fn of(kind: ColumnType, number: NumberRule, time: TimeRule) -> Self {
        match kind {
            ColumnType::Text => Self::Text,
            ColumnType::Double => Self::Double(number),
            ColumnType::Bigint => Self::Bigint(number),
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Date => Self::Date(time),
            ColumnType::Timestamp => Self::Timestamp(time),
        }
    }
}
