//! `strftime(ts, format)`: a time as text, by the letters of C.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, StringViewBuilder};
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{compute, is_text, is_time, micros_utc};
use crate::model::time::{MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_days, days_from_civil};

/// `strftime(ts, format)`
pub(super) fn strftime() -> ScalarUDF {
    ScalarUDF::new_from_impl(Strftime { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Strftime {
    signature: Signature,
}

impl ScalarUDFImpl for Strftime {
    fn name(&self) -> &'static str {
        "strftime"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The format may stand first, as in SQLite; between two texts it stands second.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [time, format] if is_time(time) && is_text(format) => Ok(vec![micros_utc(), DataType::Utf8]),
            [format, time] if is_time(time) && is_text(format) => Ok(vec![DataType::Utf8, micros_utc()]),
            _ => plan_err!("strftime takes a time and a format, as in strftime(ts, '%Y-%m-%d')"),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        compute(args.args, args.number_rows, |arrays| match arrays[0].data_type() {
            DataType::Utf8 => format_all(&arrays[1], &arrays[0]),
            _ => format_all(&arrays[0], &arrays[1]),
        })
    }
}

fn format_all(times: &ArrayRef, formats: &ArrayRef) -> Result<ArrayRef> {
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let formats = formats.as_string::<i32>();
    let mut texts = StringViewBuilder::with_capacity(times.len());
    let mut text = String::new();
    let mut parsed: Option<(&str, Vec<Piece>)> = None;
    for row in 0..times.len() {
        if times.is_null(row) || formats.is_null(row) {
            texts.append_null();
            continue;
        }
        let format = formats.value(row);
        let pieces = match &parsed {
            Some((known, pieces)) if *known == format => pieces,
            _ => &parsed.insert((format, parse(format).map_err(|text| exec_datafusion_err!("{text}"))?)).1,
        };
        text.clear();
        let time = Time::new(times.value(row));
        for piece in pieces {
            piece.write(&time, &mut text);
        }
        texts.try_append_value(&text)?;
    }
    Ok(Arc::new(texts.finish()))
}

/// A part of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Letter { letter: char, is_padded: bool },
}

/// Letters a format may have after its `%`.
const LETTERS: &str = "YmdHMSfgjaAbBhyIpwuFTDRZzs";

fn parse(format: &str) -> std::result::Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let (text, behind) = rest.split_at(at);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        let behind = &behind[1..];
        let (is_padded, behind) = match behind.strip_prefix('-') {
            Some(behind) => (false, behind),
            None => (true, behind),
        };
        match behind.chars().next() {
            Some('%') => pieces.push(Piece::Text("%")),
            Some('n') => pieces.push(Piece::Text("\n")),
            Some('t') => pieces.push(Piece::Text("\t")),
            Some(letter) if LETTERS.contains(letter) => pieces.push(Piece::Letter { letter, is_padded }),
            Some(letter) => return Err(format!("invalid format '{format}': unknown letter '%{letter}'")),
            None => return Err(format!("invalid format '{format}': it ends in '%'")),
        }
        rest = &behind[behind.chars().next().map_or(0, char::len_utf8)..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// A time, taken apart.
struct Time {
    micros: i64,
    days: i64,
    year: i64,
    month: u32,
    day: u32,
    /// Microseconds since midnight.
    clock: i64,
}

impl Time {
    fn new(micros: i64) -> Self {
        let days = micros.div_euclid(MICROS_PER_DAY);
        let (year, month, day) = civil_from_days(days);
        Self { micros, days, year, month, day, clock: micros.rem_euclid(MICROS_PER_DAY) }
    }

    fn hour(&self) -> i64 {
        self.clock / (3_600 * MICROS_PER_SECOND)
    }

    fn minute(&self) -> i64 {
        self.clock / (60 * MICROS_PER_SECOND) % 60
    }

    fn second(&self) -> i64 {
        self.clock / MICROS_PER_SECOND % 60
    }

    /// Returns the day of the week, 0 for Sunday; 1970-01-01 was a Thursday.
    fn weekday(&self) -> i64 {
        (self.days + 4).rem_euclid(7)
    }

    fn weekday_name(&self) -> &'static str {
        match self.weekday() {
            0 => "Sunday",
            1 => "Monday",
            2 => "Tuesday",
            3 => "Wednesday",
            4 => "Thursday",
            5 => "Friday",
            _ => "Saturday",
        }
    }

    fn month_name(&self) -> &'static str {
        match self.month {
            1 => "January",
            2 => "February",
            3 => "March",
            4 => "April",
            5 => "May",
            6 => "June",
            7 => "July",
            8 => "August",
            9 => "September",
            10 => "October",
            11 => "November",
            _ => "December",
        }
    }
}

impl Piece<'_> {
    fn write(self, time: &Time, out: &mut String) {
        let (letter, is_padded) = match self {
            Self::Text(text) => return out.push_str(text),
            Self::Letter { letter, is_padded } => (letter, is_padded),
        };
        let mut number = |number: i64, digits: usize| {
            let digits = if is_padded { digits } else { 1 };
            write!(out, "{number:0digits$}").expect("a String takes any text");
        };
        match letter {
            'Y' => number(time.year, 4),
            'y' => number(time.year.rem_euclid(100), 2),
            'm' => number(time.month.into(), 2),
            'd' => number(time.day.into(), 2),
            'H' => number(time.hour(), 2),
            'I' => number((time.hour() + 11) % 12 + 1, 2),
            'M' => number(time.minute(), 2),
            'S' => number(time.second(), 2),
            'f' => number(time.clock % MICROS_PER_SECOND, 6),
            'g' => number(time.clock % MICROS_PER_SECOND / 1_000, 3),
            'j' => number(time.days - days_from_civil(time.year, 1, 1) + 1, 3),
            'w' => number(time.weekday(), 1),
            'u' => number((time.weekday() + 6) % 7 + 1, 1),
            's' => number(time.micros.div_euclid(MICROS_PER_SECOND), 1),
            'a' => out.push_str(&time.weekday_name()[..3]),
            'A' => out.push_str(time.weekday_name()),
            'b' | 'h' => out.push_str(&time.month_name()[..3]),
            'B' => out.push_str(time.month_name()),
            'p' => out.push_str(if time.hour() < 12 { "AM" } else { "PM" }),
            'Z' => out.push_str("UTC"),
            'z' => out.push_str("+00"),
            composed => {
                let letters = match composed {
                    'F' => "%Y-%m-%d",
                    'T' => "%H:%M:%S",
                    'D' => "%m/%d/%y",
                    _ => "%H:%M",
                };
                for piece in parse(letters).into_iter().flatten() {
                    piece.write(time, out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(micros: i64, format: &str) -> String {
        let mut text = String::new();
        for piece in parse(format).unwrap() {
            piece.write(&Time::new(micros), &mut text);
        }
        text
    }

    #[test]
    fn each_letter_has_its_meaning() {
        let time =
            (days_from_civil(2024, 3, 5) * 86_400 + 13 * 3_600 + 4 * 60 + 9) * MICROS_PER_SECOND + 70_080;
        for (letters, text) in [
            ("%Y-%m-%d %H:%M:%S.%f", "2024-03-05 13:04:09.070080"),
            ("%j %a %A %b %B %y", "065 Tue Tuesday Mar March 24"),
            ("%I %p %%", "01 PM %"),
            ("%-d.%-m. %-I", "5.3. 1"),
            ("%F %T %D %R", "2024-03-05 13:04:09 03/05/24 13:04"),
            ("%g %w %u %Z %s", "070 2 2 UTC 1709643849"),
            ("ß%Yß", "ß2024ß"),
            ("", ""),
        ] {
            assert_eq!(format(time, letters), text, "{letters}");
        }
        assert_eq!(format(-1, "%F %T.%f %a"), "1969-12-31 23:59:59.999999 Wed");
        assert_eq!(format(0, "%I %p"), "12 AM");
    }

    #[test]
    fn other_letters_are_refused() {
        for letters in ["%Q", "abc%", "%-", "%ß"] {
            assert!(parse(letters).is_err(), "{letters}");
        }
    }
}
