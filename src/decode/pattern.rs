//! Times of a form that is given as with `strptime`: `%d/%m/%y`.

use anyhow::{Context as _, Result, bail};

use super::cell::Misread;
use super::clock::{Cursor, Place, Written, day, micros_of_day};
use crate::error::Failure;
use crate::model::time::MICROS_PER_DAY;

/// A compiled form of a time.
///
/// The usual directives are read here: a year of `%Y` has exactly four digits, so that `%Y` and `%y` can
/// stand in one list. A form with others is left to jiff.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// What follows what.
    Tokens(Vec<Token>),
    /// A form jiff reads.
    Other(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Literal(u8),
    Space,
    Year,
    ShortYear,
    Month,
    MonthName,
    Weekday,
    Day,
    Hour,
    HalfDayHour,
    Meridiem,
    Minute,
    Second,
    /// A fraction without its point.
    Fraction,
    /// A point and a fraction, or nothing.
    MaybeFraction,
    Offset,
    Utc,
    /// Nothing, or a space, comma or `T` and a time of day.
    MaybeTime,
}

const MONTHS: [&[u8]; 12] = [
    b"january",
    b"february",
    b"march",
    b"april",
    b"may",
    b"june",
    b"july",
    b"august",
    b"september",
    b"october",
    b"november",
    b"december",
];

/// The parts of a time while it is read.
#[derive(Default)]
struct Parts {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: u32,
    is_afternoon: Option<bool>,
    minute: u32,
    second: u32,
    fraction: i64,
    has_time: bool,
    place: Option<Place>,
}

impl Pattern {
    /// Compiles a form.
    pub(super) fn compile(format: &str) -> Result<Self> {
        let invalid = || Failure::usage(format!("invalid time format '{format}'"));
        if let Some(tokens) = compile(format) {
            if !tokens.iter().any(|token| matches!(token, Token::Year | Token::ShortYear)) {
                bail!(Failure::usage(format!(
                    "invalid time format '{format}': it has no year, '%Y' or '%y'"
                )));
            }
            return Ok(Self::Tokens(tokens));
        }
        // Writing the epoch shows whether jiff knows all the directives.
        jiff::fmt::strtime::format(format, &jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC))
            .with_context(invalid)?;
        Ok(Self::Other(format.to_owned()))
    }

    /// A known form, that a time of day may follow.
    pub(super) fn with_time(format: &str) -> Self {
        let mut tokens = compile(format).expect("the forms of this program hold only its own directives");
        tokens.push(Token::MaybeTime);
        Self::Tokens(tokens)
    }

    /// Reads a time.
    pub(super) fn parse(&self, text: &[u8]) -> Result<Written, Misread> {
        match self {
            Self::Tokens(tokens) => read(tokens, text),
            Self::Other(format) => read_with_jiff(format, text),
        }
    }
}

fn compile(format: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut bytes = format.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            let token = if byte.is_ascii_whitespace() { Token::Space } else { Token::Literal(byte) };
            tokens.push(token);
            continue;
        }
        let time = [Token::Hour, Token::Literal(b':'), Token::Minute];
        let seconds = [Token::Literal(b':'), Token::Second];
        tokens.push(match bytes.next()? {
            b'Y' => Token::Year,
            b'y' => Token::ShortYear,
            b'm' => Token::Month,
            b'b' | b'B' | b'h' => Token::MonthName,
            b'a' | b'A' => Token::Weekday,
            b'd' | b'e' => Token::Day,
            b'H' | b'k' => Token::Hour,
            b'I' | b'l' => Token::HalfDayHour,
            b'p' | b'P' => Token::Meridiem,
            b'M' => Token::Minute,
            b'S' => Token::Second,
            b'f' => Token::Fraction,
            b'.' if bytes.next()? == b'f' => Token::MaybeFraction,
            b'z' => Token::Offset,
            b':' if bytes.next()? == b'z' => Token::Offset,
            b'Z' => Token::Utc,
            b'%' => Token::Literal(b'%'),
            b'F' => {
                let dash = Token::Literal(b'-');
                tokens.extend([Token::Year, dash, Token::Month, dash, Token::Day]);
                continue;
            }
            b'R' => {
                tokens.extend(time);
                continue;
            }
            b'T' => {
                tokens.extend(time.into_iter().chain(seconds));
                continue;
            }
            _ => return None,
        });
    }
    Some(tokens)
}

fn read(tokens: &[Token], text: &[u8]) -> Result<Written, Misread> {
    let mut cursor = Cursor { rest: text };
    let mut parts = Parts::default();
    for token in tokens {
        step(*token, &mut cursor, &mut parts)?;
    }
    if !cursor.rest.is_empty() {
        return Err(Misread::NotTime);
    }
    parts.finish()
}

fn step(token: Token, cursor: &mut Cursor<'_>, parts: &mut Parts) -> Result<(), Misread> {
    let number = |found: Option<u32>| found.ok_or(Misread::NotTime);
    match token {
        Token::Literal(byte) if cursor.eat(byte) => {}
        Token::Literal(_) => return Err(Misread::NotTime),
        Token::Space => {
            let rest = cursor.rest.trim_ascii_start();
            if rest.len() == cursor.rest.len() {
                return Err(Misread::NotTime);
            }
            cursor.rest = rest;
        }
        Token::Year => parts.year = Some(number(cursor.four())?),
        Token::ShortYear => {
            let year = number(cursor.two())?;
            parts.year = Some(if year < 69 { 2_000 + year } else { 1_900 + year });
        }
        Token::Month => parts.month = Some(number(cursor.up_to_two())?),
        Token::MonthName => parts.month = Some(number(month_name(cursor))?),
        Token::Weekday => {
            let letters = cursor.rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
            cursor.rest = cursor.rest.get(letters.max(1)..).ok_or(Misread::NotTime)?;
        }
        Token::Day => parts.day = Some(number(cursor.up_to_two())?),
        _ => return step_of_day(token, cursor, parts),
    }
    Ok(())
}

fn step_of_day(token: Token, cursor: &mut Cursor<'_>, parts: &mut Parts) -> Result<(), Misread> {
    let number = |found: Option<u32>| found.ok_or(Misread::NotTime);
    match token {
        Token::Hour => {
            parts.hour = number(cursor.up_to_two())?;
            parts.has_time = true;
        }
        Token::HalfDayHour => {
            parts.hour = number(cursor.up_to_two())?;
            parts.has_time = true;
            parts.is_afternoon = parts.is_afternoon.or(Some(false));
        }
        Token::Meridiem => {
            let (word, rest) = cursor.rest.split_at_checked(2).ok_or(Misread::NotTime)?;
            let is_afternoon = word.eq_ignore_ascii_case(b"pm");
            if !is_afternoon && !word.eq_ignore_ascii_case(b"am") {
                return Err(Misread::NotTime);
            }
            parts.is_afternoon = Some(is_afternoon);
            cursor.rest = rest;
        }
        Token::Minute => parts.minute = number(cursor.two())?,
        Token::Second => parts.second = number(cursor.two())?,
        Token::Fraction => parts.fraction = cursor.fraction()?,
        Token::MaybeFraction => {
            if cursor.eat(b'.') {
                parts.fraction = cursor.fraction()?;
            }
        }
        Token::Offset => {
            let place = if cursor.eat(b'Z') || cursor.eat(b'z') { Some(Place::Utc) } else { None };
            parts.place = Some(match place {
                Some(place) => place,
                None => Place::Offset(cursor.offset().ok_or(Misread::NotTime)?),
            });
        }
        Token::Utc => match cursor.place()? {
            Place::Utc => parts.place = Some(Place::Utc),
            _ => return Err(Misread::NotTime),
        },
        _ => return maybe_time(cursor, parts),
    }
    Ok(())
}

fn maybe_time(cursor: &mut Cursor<'_>, parts: &mut Parts) -> Result<(), Misread> {
    if cursor.rest.is_empty() {
        return Ok(());
    }
    if cursor.eat(b',') || cursor.eat(b';') {
        cursor.rest = cursor.rest.trim_ascii_start();
    } else if !cursor.eat(b' ') && !cursor.eat(b'T') {
        return Err(Misread::NotTime);
    }
    let start = cursor.rest;
    let micros = match cursor.time_of_day() {
        Ok(micros) => micros,
        Err(Misread::NotTime) => {
            // `220000` and `2200`
            cursor.rest = start;
            let (Some(hour), Some(minute)) = (cursor.two(), cursor.two()) else {
                return Err(Misread::NotTime);
            };
            micros_of_day(hour, minute, cursor.two().unwrap_or(0))?
        }
        Err(other) => return Err(other),
    };
    parts.has_time = true;
    parts.fraction = micros;
    parts.place = Some(cursor.place()?);
    Ok(())
}

/// Takes the name of a month, whole or its first three letters.
fn month_name(cursor: &mut Cursor<'_>) -> Option<u32> {
    let letters = cursor.rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let (word, rest) = cursor.rest.split_at(letters);
    let is_name = |name: &&[u8]| {
        word.eq_ignore_ascii_case(name) || name.get(..3).is_some_and(|short| word.eq_ignore_ascii_case(short))
    };
    // The United States write Sept.
    let place = match MONTHS.iter().position(is_name) {
        None if word.eq_ignore_ascii_case(b"sept") => Some(8),
        place => place,
    };
    cursor.rest = rest;
    u32::try_from(place? + 1).ok()
}

impl Parts {
    fn finish(self) -> Result<Written, Misread> {
        let year = self.year.ok_or(Misread::NotTime)?;
        // A form without them names a month or a year by its first day.
        let day = day(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?;
        let hour = match self.is_afternoon {
            None => self.hour,
            Some(_) if !(1..=12).contains(&self.hour) => return Err(Misread::NotTime),
            Some(is_afternoon) => self.hour % 12 + if is_afternoon { 12 } else { 0 },
        };
        let micros = micros_of_day(hour, self.minute, self.second)? + self.fraction;
        let place = match self.place {
            Some(place) => place,
            None if self.has_time => Place::Local,
            None => Place::DateOnly,
        };
        Ok(Written { day, micros, place })
    }
}

fn read_with_jiff(format: &str, text: &[u8]) -> Result<Written, Misread> {
    let parsed = jiff::fmt::strtime::BrokenDownTime::parse(format, text);
    let Ok(parsed) = parsed else { return Err(Misread::NotTime) };
    let written = |micros: i64, place| Written {
        day: micros.div_euclid(MICROS_PER_DAY),
        micros: micros.rem_euclid(MICROS_PER_DAY),
        place,
    };
    let fine = |nanos: i128| {
        if nanos % 1_000 != 0 {
            return Err(Misread::TooFine);
        }
        let Ok(micros) = i64::try_from(nanos / 1_000) else { return Err(Misread::YearOutside) };
        Ok(micros)
    };
    if let Ok(instant) = parsed.to_timestamp() {
        return Ok(written(fine(instant.as_nanosecond())?, Place::Utc));
    }
    let (local, place) = match (parsed.to_datetime(), parsed.to_date()) {
        (Ok(local), _) if parsed.hour().is_some() => (local, Place::Local),
        (_, Ok(date)) => (date.at(0, 0, 0, 0), Place::DateOnly),
        _ => return Err(Misread::NotTime),
    };
    match local.to_zoned(jiff::tz::TimeZone::UTC) {
        Ok(zoned) => Ok(written(fine(zoned.timestamp().as_nanosecond())?, place)),
        Err(_) => Err(Misread::YearOutside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::format_timestamp;

    fn parse(format: &str, text: &str) -> Result<(String, Place), Misread> {
        let written = Pattern::compile(format).unwrap().parse(text.as_bytes())?;
        Ok((format_timestamp(written.day * MICROS_PER_DAY + written.micros), written.place))
    }

    #[test]
    fn times_of_a_form_are_read() {
        let cases = [
            ("%d/%m/%y", "16/08/14", "2014-08-16T00:00:00Z", Place::DateOnly),
            ("%d/%m/%y", "1/1/69", "1969-01-01T00:00:00Z", Place::DateOnly),
            ("%d/%m/%y", "01/01/68", "2068-01-01T00:00:00Z", Place::DateOnly),
            ("%d/%m/%Y", "16/08/2014", "2014-08-16T00:00:00Z", Place::DateOnly),
            ("%d-%b-%y", "31-Dec-10", "2010-12-31T00:00:00Z", Place::DateOnly),
            ("%B %d, %Y", "January 31, 2024", "2024-01-31T00:00:00Z", Place::DateOnly),
            ("%b %e %Y", "jan  1 2024", "2024-01-01T00:00:00Z", Place::DateOnly),
            ("%Y%m%d %H%M%S", "20140623 220000", "2014-06-23T22:00:00Z", Place::Local),
            ("%m/%d/%Y %I:%M %p", "1/2/2024 12:30 AM", "2024-01-02T00:30:00Z", Place::Local),
            ("%m/%d/%Y %I:%M:%S%p", "1/2/2024 01:30:05pm", "2024-01-02T13:30:05Z", Place::Local),
            (
                "%Y-%m-%dT%H:%M:%S.%f%z",
                "2024-01-31T09:30:00.250+0530",
                "2024-01-31T09:30:00.250Z",
                Place::Offset(19_800),
            ),
            ("%F %T%.f", "2024-01-31 09:30:00", "2024-01-31T09:30:00Z", Place::Local),
            ("%Y-%m", "2024-03", "2024-03-01T00:00:00Z", Place::DateOnly),
            ("%s", "1315922016", "2011-09-13T13:53:36Z", Place::Utc),
            ("%Y-%j", "2024-060", "2024-02-29T00:00:00Z", Place::DateOnly),
        ];
        for (format, text, time, place) in cases {
            assert_eq!(parse(format, text), Ok((time.to_owned(), place)), "{format} {text}");
        }
    }

    #[test]
    fn a_two_digit_year_does_not_swallow_four_digits_nor_the_reverse() {
        assert_eq!(parse("%d/%m/%y", "16/08/2014"), Err(Misread::NotTime));
        assert_eq!(parse("%d/%m/%Y", "16/08/14"), Err(Misread::NotTime));
    }

    #[test]
    fn what_does_not_fit_a_form_is_refused() {
        let cases = [
            ("%d/%m/%y", "31/02/14", Misread::NoSuchDate),
            ("%d/%m/%y", "31-01-14", Misread::NotTime),
            ("%d-%b-%y", "31-Foo-10", Misread::NotTime),
            ("%F %I:%M %p", "2024-01-01 13:00 PM", Misread::NotTime),
            ("%F %H:%M", "2024-01-01 24:00", Misread::NotTime),
            ("%F %T.%f", "2024-01-01 09:30:00.1234567", Misread::TooFine),
        ];
        for (format, text, reason) in cases {
            assert_eq!(parse(format, text), Err(reason), "{format} {text}");
        }
        assert!(Pattern::compile("%d/%m").is_err());
        assert!(Pattern::compile("%Y %!").is_err());
    }
}
