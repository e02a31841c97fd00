//! One cell of a record as its reader sees it, and why it may not fit a column.

use std::borrow::Cow;
use std::fmt;

/// A cell before it has the type of its column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// The record does not have it.
    Null,
    /// Text, or a token of JSON that is not null.
    Text(&'a [u8]),
    /// A whole number of a typed input.
    Whole(i64),
    /// A number of a typed input.
    Double(f64),
    /// True or false of a typed input.
    Boolean(bool),
    /// A date of a typed input, days since 1970.
    Date(i32),
    /// A time of a typed input.
    Time {
        /// Its distance from 1970.
        count: i64,
        /// How many of `count` make a second.
        per_second: i64,
        /// Whether it is in UTC; otherwise it is a local time.
        is_utc: bool,
    },
}

/// A record: cells by slot, and where it stands for the reject it may become.
pub(super) trait Record {
    /// Returns the cell of a slot.
    fn cell(&self, slot: usize) -> Cell<'_>;

    /// Returns whether an empty text is written as such, rather than as nothing.
    fn is_quoted(&self, slot: usize) -> bool;

    /// Returns the number of fields where there are more than the header has and they hold something.
    fn excess(&self) -> Option<usize>;

    /// Returns the line of its start.
    fn line(&self, lines: &mut Lines) -> u64;

    /// Returns its text.
    fn raw(&self) -> Cow<'_, [u8]>;
}

/// Counts lines as far as the last record that was asked for, so that a block is walked once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    offset: usize,
    line: u64,
}

impl Lines {
    /// Starts at the first line of a block.
    pub(super) fn new(first: u64) -> Self {
        Self { offset: 0, line: first }
    }

    /// Returns the line of a place behind the last one.
    pub(super) fn at(&mut self, bytes: &[u8], offset: usize) -> u64 {
        let between = bytes.get(self.offset..offset).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', between).count() as u64;
        self.offset = self.offset.max(offset);
        self.line
    }

    /// Returns the line that is `count` lines behind the first.
    pub(super) fn plus(&self, count: usize) -> u64 {
        self.line + count as u64
    }
}

/// Why a cell does not fit its column; as large as a word for the reason [`super::plan::Converted`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Misread {
    /// The text is no number.
    NotNumber,
    /// The number is beyond the largest double.
    TooLarge,
    /// The text is a whole number that no double equals.
    NotExact,
    /// The number has a fraction, or an exponent, where a whole one is wanted.
    NotWhole,
    /// The whole number does not fit 64 bits.
    NotBigint,
    /// The text is neither true nor false.
    NotBoolean,
    /// The text has not the form of the times of its column.
    NotTime,
    /// The text has the form of a date that does not exist.
    NoSuchDate,
    /// The time has a digit behind the microseconds.
    TooFine,
    /// The year is not within 0 to 9999.
    YearOutside,
    /// A time of day stands where only a date fits.
    TimeOfDay,
    /// The bytes are no UTF-8.
    NotText,
    /// The text is no timeframe.
    NotTimeframe,
    /// The text is neither call nor put.
    NotOptionType,
    /// A key column has no value.
    NoKey,
    /// The number is NaN in a key.
    NanKey,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNumber => "is no number",
            Self::TooLarge => "is too large for a double",
            Self::NotExact => "is a whole number that no double equals",
            Self::NotWhole => "is no whole number",
            Self::NotBigint => "does not fit 64 bits",
            Self::NotBoolean => "is neither true nor false",
            Self::NotTime => "is no time of the column's form",
            Self::NoSuchDate => "is no date of the calendar",
            Self::TooFine => "is finer than a microsecond",
            Self::YearOutside => "is outside the years 0 to 9999",
            Self::TimeOfDay => "has a time of day where a date is expected",
            Self::NotText => "is no UTF-8 text",
            Self::NotTimeframe => "is no timeframe such as 1m or 1d",
            Self::NotOptionType => "is neither call nor put",
            Self::NoKey => "is missing and part of the key",
            Self::NanKey => "is NaN and part of the key",
        })
    }
}

/// Returns whether a word stands for null in a column that is not text.
#[inline]
pub(super) fn is_null_word(word: &[u8], more: &[Box<[u8]>]) -> bool {
    let usual = match word {
        [] => true,
        [first, ..] if first.is_ascii_digit() => false,
        _ => matches!(word, b"." | b"-" | b"NA" | b"N/A" | b"null" | b"NULL" | b"None" | b"NaN" | b"nan"),
    };
    usual || (!more.is_empty() && more.iter().any(|null| **null == *word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_words_are_the_stated_ones() {
        for word in ["NA", "N/A", "null", "NULL", "None", "-", "NaN", "nan", ".", ""] {
            assert!(is_null_word(word.as_bytes(), &[]), "{word}");
        }
        for word in ["na", "0", "--", "none", "nil", "x"] {
            assert!(!is_null_word(word.as_bytes(), &[]), "{word}");
        }
        assert!(is_null_word(b"99999", &[b"99999"[..].into()]));
    }

    #[test]
    fn lines_are_counted_on_from_the_last_place() {
        let bytes = b"a\nb\nc\nd\n";
        let mut lines = Lines::new(10);
        assert_eq!([0, 2, 4, 6].map(|offset| lines.at(bytes, offset)), [10, 11, 12, 13]);
    }
}
