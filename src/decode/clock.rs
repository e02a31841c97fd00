//! Dates and times of day from text: ISO 8601 as RFC 3339 and its relatives write it.

use super::cell::Misread;
use crate::model::time::{MICROS_PER_SECOND, days_from_civil, is_date};

/// A time as it is written, before a zone makes it an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The written date, days since 1970.
    pub(super) day: i64,
    /// The written time of day, microseconds.
    pub(super) micros: i64,
    /// Where that clock hangs.
    pub(super) place: Place,
}

/// Where the clock of a written time hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Only a date is written.
    DateOnly,
    /// In the zone of the column.
    Local,
    /// In UTC.
    Utc,
    /// So many seconds ahead of UTC.
    Offset(i64),
}

/// Walks over a text.
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
}

impl Cursor<'_> {
    /// Takes one byte if it is `byte`.
    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes exactly two digits.
    #[inline]
    pub(super) fn two(&mut self) -> Option<u32> {
        match self.rest {
            [tens, ones, rest @ ..] if tens.is_ascii_digit() && ones.is_ascii_digit() => {
                self.rest = rest;
                Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
            }
            _ => None,
        }
    }

    /// Takes exactly four digits.
    #[inline]
    pub(super) fn four(&mut self) -> Option<u32> {
        let start = self.rest;
        if let (Some(high), Some(low)) = (self.two(), self.two()) {
            return Some(high * 100 + low);
        }
        self.rest = start;
        None
    }

    /// Takes one or two digits.
    pub(super) fn up_to_two(&mut self) -> Option<u32> {
        if let Some(number) = self.two() {
            return Some(number);
        }
        match self.rest {
            [digit, rest @ ..] if digit.is_ascii_digit() => {
                self.rest = rest;
                Some(u32::from(digit - b'0'))
            }
            _ => None,
        }
    }

    /// Takes the digits of a fraction of a second as microseconds.
    pub(super) fn fraction(&mut self) -> Result<i64, Misread> {
        let len = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(len);
        if digits.is_empty() {
            return Err(Misread::NotTime);
        }
        let (kept, finer) = digits.split_at(len.min(6));
        if finer.iter().any(|b| *b != b'0') {
            return Err(Misread::TooFine);
        }
        self.rest = rest;
        let micros = kept.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        Ok((kept.len()..6).fold(micros, |micros, _| micros * 10))
    }

    /// Takes `09:30`, `09:30:00` or `09:30:00.5`, one digit for the hour allowed.
    #[inline]
    pub(super) fn time_of_day(&mut self) -> Result<i64, Misread> {
        let hour = self.up_to_two().ok_or(Misread::NotTime)?;
        if !self.eat(b':') {
            return Err(Misread::NotTime);
        }
        let minute = self.two().ok_or(Misread::NotTime)?;
        let second = if self.eat(b':') { self.two().ok_or(Misread::NotTime)? } else { 0 };
        let fraction = if self.eat(b'.') { self.fraction()? } else { 0 };
        micros_of_day(hour, minute, second).map(|micros| micros + fraction)
    }

    /// Takes `Z`, `UTC`, `+05:30`, `+0530` or `+05`, also behind a space; nothing is a local time.
    #[inline]
    pub(super) fn place(&mut self) -> Result<Place, Misread> {
        if self.rest.is_empty() {
            return Ok(Place::Local);
        }
        let rest = self.rest.trim_ascii_start();
        if [&b"Z"[..], b"UTC", b"GMT"].iter().any(|word| rest.eq_ignore_ascii_case(word)) {
            self.rest = &[];
            return Ok(Place::Utc);
        }
        self.rest = rest;
        self.offset().map(Place::Offset).ok_or(Misread::NotTime)
    }

    /// Takes `+05:30`, `+0530` or `+05` as seconds ahead of UTC.
    pub(super) fn offset(&mut self) -> Option<i64> {
        let sign = if self.eat(b'+') {
            1
        } else if self.eat(b'-') {
            -1
        } else {
            return None;
        };
        let hours = self.two()?;
        let minutes = if self.eat(b':') { self.two()? } else { self.two().unwrap_or(0) };
        (hours <= 18 && minutes < 60).then(|| sign * i64::from(hours * 3_600 + minutes * 60))
    }
}

/// Returns the microseconds of a time of day.
pub(super) fn micros_of_day(hour: u32, minute: u32, second: u32) -> Result<i64, Misread> {
    if hour > 23 || minute > 59 || second > 59 {
        return Err(Misread::NotTime);
    }
    Ok(i64::from(hour * 3_600 + minute * 60 + second) * MICROS_PER_SECOND)
}

/// Returns the day number of a date.
pub(super) fn day(year: u32, month: u32, day: u32) -> Result<i64, Misread> {
    if !is_date(i64::from(year), month, day) {
        return Err(Misread::NoSuchDate);
    }
    Ok(days_from_civil(i64::from(year), month, day))
}

/// Reads `2024-01-31`, or that with a time of day and an offset behind `T` or a space.
#[inline]
pub(super) fn iso(text: &[u8]) -> Result<Written, Misread> {
    let mut cursor = Cursor { rest: text };
    let year = cursor.four();
    let dashes = (cursor.eat(b'-'), cursor.two(), cursor.eat(b'-'), cursor.two());
    let (Some(year), (true, Some(month), true, Some(date))) = (year, dashes) else {
        return Err(Misread::NotTime);
    };
    let day = day(year, month, date)?;
    if cursor.rest.is_empty() {
        return Ok(Written { day, micros: 0, place: Place::DateOnly });
    }
    if !(cursor.eat(b'T') || cursor.eat(b' ') || cursor.eat(b't')) {
        return Err(Misread::NotTime);
    }
    let micros = cursor.time_of_day()?;
    let place = cursor.place()?;
    if cursor.rest.is_empty() { Ok(Written { day, micros, place }) } else { Err(Misread::NotTime) }
}

/// Reads `20240131`.
pub(super) fn compact(text: &[u8]) -> Result<Written, Misread> {
    let mut cursor = Cursor { rest: text };
    let (Some(year), Some(month), Some(date), true) =
        (cursor.four(), cursor.two(), cursor.two(), cursor.rest.is_empty())
    else {
        return Err(Misread::NotTime);
    };
    Ok(Written { day: day(year, month, date)?, micros: 0, place: Place::DateOnly })
}

/// Reads a number of which `per_second` make a second, as microseconds.
pub(super) fn count(text: &[u8], per_second: i64) -> Result<i64, Misread> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (whole, fraction) = match memchr::memchr(b'.', digits) {
        Some(point) => (digits.get(..point).unwrap_or_default(), digits.get(point + 1..).unwrap_or_default()),
        None => (digits, &b""[..]),
    };
    let zeros = fraction.iter().rev().take_while(|b| **b == b'0').count();
    let fraction = fraction.get(..fraction.len() - zeros).unwrap_or_default();
    let all = || whole.iter().chain(fraction);
    if whole.is_empty() || !all().all(u8::is_ascii_digit) {
        return Err(Misread::NotTime);
    }
    if whole.len() > 20 {
        return Err(Misread::YearOutside);
    }
    // A fraction of nanoseconds, or over 9 digits of a second, ends below a microsecond.
    if fraction.len() > 9 {
        return Err(Misread::TooFine);
    }
    let number = all().fold(0_i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    let scale = fraction.iter().fold(i128::from(per_second), |scale, _| scale * 10);
    let number = if is_negative { -number } else { number };
    scaled(number, scale)
}

/// Returns the microseconds of a number of which `per_second` make a second.
pub(super) fn scaled(number: i128, per_second: i128) -> Result<i64, Misread> {
    let micros = number.checked_mul(i128::from(MICROS_PER_SECOND)).ok_or(Misread::YearOutside)?;
    if micros % per_second != 0 {
        return Err(Misread::TooFine);
    }
    let Ok(micros) = i64::try_from(micros / per_second) else { return Err(Misread::YearOutside) };
    Ok(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> Result<(i64, Place), Misread> {
        iso(text.as_bytes()).map(|written| (written.micros, written.place))
    }

    #[test]
    fn iso_times_are_read() {
        let half_past_nine = 34_200_000_000;
        let cases = [
            ("2024-01-31", (0, Place::DateOnly)),
            ("2024-01-31 09:30", (half_past_nine, Place::Local)),
            ("2024-01-31T09:30:00", (half_past_nine, Place::Local)),
            ("2024-01-31t09:30:00z", (half_past_nine, Place::Utc)),
            ("2024-01-31 09:30:00.5 UTC", (half_past_nine + 500_000, Place::Utc)),
            ("2024-01-31T09:30:00.123456000Z", (half_past_nine + 123_456, Place::Utc)),
            ("2024-01-31T09:30:00+05:30", (half_past_nine, Place::Offset(19_800))),
            ("2024-01-31T09:30:00+0530", (half_past_nine, Place::Offset(19_800))),
            ("2024-01-31T09:30:00-05", (half_past_nine, Place::Offset(-18_000))),
            ("2024-01-31 09:30:00 +0530", (half_past_nine, Place::Offset(19_800))),
        ];
        for (text, expected) in cases {
            assert_eq!(micros(text), Ok(expected), "{text}");
            assert_eq!(iso(text.as_bytes()).unwrap().day, 19_753, "{text}");
        }
    }

    #[test]
    fn bad_iso_times_are_refused_with_their_reason() {
        let cases = [
            ("2024-02-30", Misread::NoSuchDate),
            ("2024-13-01", Misread::NoSuchDate),
            ("2024-01-31T24:00", Misread::NotTime),
            ("2024-01-31T09:60", Misread::NotTime),
            ("2024-01-31T09:30:00.1234567Z", Misread::TooFine),
            ("2024-01-31T09:30x", Misread::NotTime),
            ("2024-01-31T", Misread::NotTime),
            ("2024-1-3", Misread::NotTime),
            ("12024-01-31", Misread::NotTime),
            ("-001-01-31", Misread::NotTime),
            ("2024-01-31T09:30+19:00", Misread::NotTime),
            ("", Misread::NotTime),
        ];
        for (text, reason) in cases {
            assert_eq!(micros(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn counts_keep_their_fraction_to_the_microsecond() {
        let cases = [
            ("1315922016", 1, Ok(1_315_922_016_000_000)),
            ("1315922016.5", 1, Ok(1_315_922_016_500_000)),
            ("1315922016.000000000", 1, Ok(1_315_922_016_000_000)),
            ("-1", 1_000, Ok(-1_000)),
            ("1500", 1_000_000_000, Err(Misread::TooFine)),
            ("2000", 1_000_000_000, Ok(2)),
            ("1.0000001", 1, Err(Misread::TooFine)),
            ("1e9", 1, Err(Misread::NotTime)),
            ("", 1, Err(Misread::NotTime)),
            ("99999999999999999999", 1, Err(Misread::YearOutside)),
        ];
        for (text, per_second, expected) in cases {
            assert_eq!(count(text.as_bytes(), per_second), expected, "{text}");
        }
    }
}
