//! The width of a bucket of time: a number of months, or a fixed length.

use datafusion::arrow::datatypes::IntervalMonthDayNano;

use crate::model::time::{MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_days, days_from_civil};

/// The width of a bucket of `time_bucket`; always above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Calendar months.
    Months(i64),
    /// Microseconds.
    Micros(i64),
}

/// 2000-01-03 00:00 UTC, a Monday, where a bucket of fixed length starts (as in DuckDB).
const ORIGIN: i64 = 10_959 * MICROS_PER_DAY;
/// January 2000 in months since year 0, where a bucket of months starts.
const MONTH_ORIGIN: i64 = 2_000 * 12;

impl Width {
    /// Reads SQL's interval.
    pub(super) fn from_interval(interval: IntervalMonthDayNano) -> Result<Self, String> {
        let days = i64::from(interval.days).checked_mul(MICROS_PER_DAY);
        if interval.nanoseconds % 1_000 != 0 {
            return Err("a time bucket has no nanoseconds".to_owned());
        }
        let micros = days.and_then(|days| days.checked_add(interval.nanoseconds / 1_000));
        Self::new(i64::from(interval.months), micros)
    }

    /// Reads `5 minutes`, `1h`, `1 hour 30 minutes`, `1mo`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid = || {
            format!("invalid time bucket '{text}': expected a number and a unit, as in '5 minutes' or '1h'")
        };
        let (mut months, mut micros) = (0i64, Some(0i64));
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(invalid());
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, behind) = rest.split_at(digits);
            let behind = behind.trim_start();
            let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, behind) = behind.split_at(letters);
            rest = behind.trim_start();
            let number: i64 = number.parse().map_err(|err| format!("{}: {err}", invalid()))?;
            match Self::unit(unit).ok_or_else(invalid)? {
                Self::Months(unit) => months = months.saturating_add(unit.saturating_mul(number)),
                Self::Micros(unit) => {
                    micros = micros.and_then(|sum| sum.checked_add(unit.checked_mul(number)?));
                }
            }
        }
        Self::new(months, micros)
    }

    /// Reads the unit of a timeframe, where `m` is a minute, or a word.
    fn unit(word: &str) -> Option<Self> {
        let singular = word.strip_suffix('s').filter(|word| word.len() > 1).unwrap_or(word);
        Some(match singular.to_ascii_lowercase().as_str() {
            // A capital M is a month to some and a minute to others.
            "m" if singular == "M" => return None,
            "microsecond" | "us" | "u" => Self::Micros(1),
            "millisecond" | "ms" => Self::Micros(1_000),
            "s" | "sec" | "second" => Self::Micros(MICROS_PER_SECOND),
            "m" | "min" | "minute" => Self::Micros(60 * MICROS_PER_SECOND),
            "h" | "hr" | "hour" => Self::Micros(3_600 * MICROS_PER_SECOND),
            "d" | "day" => Self::Micros(MICROS_PER_DAY),
            "w" | "week" => Self::Micros(7 * MICROS_PER_DAY),
            "mo" | "mon" | "month" => Self::Months(1),
            "quarter" => Self::Months(3),
            "y" | "year" => Self::Months(12),
            _ => return None,
        })
    }

    /// Returns the end of the bucket that starts at a time, `None` where that is no 64-bit number.
    pub fn after(self, start: i64) -> Option<i64> {
        match self {
            Self::Micros(width) => start.checked_add(width),
            Self::Months(width) => {
                let (year, month, _) = civil_from_days(start.div_euclid(MICROS_PER_DAY));
                let end = (year * 12 + i64::from(month) - 1).checked_add(width)?;
                let month = u32::try_from(end.rem_euclid(12)).ok()? + 1;
                days_from_civil(end.div_euclid(12), month, 1).checked_mul(MICROS_PER_DAY)
            }
        }
    }

    fn new(months: i64, micros: Option<i64>) -> Result<Self, String> {
        match (months, micros) {
            (_, None) => Err("the time bucket is too wide".to_owned()),
            (1.., Some(0)) => Ok(Self::Months(months)),
            (0, Some(micros @ 1..)) => Ok(Self::Micros(micros)),
            (1.., Some(_)) => Err("a time bucket has months or a fixed length, not both".to_owned()),
            _ => Err("a time bucket is wider than zero".to_owned()),
        }
    }

    /// Returns the start of the bucket a time falls into, `None` where that is no 64-bit number.
    pub fn floor(self, micros: i64) -> Option<i64> {
        match self {
            Self::Micros(width) => {
                let from_origin = i128::from(micros) - i128::from(ORIGIN);
                let width = i128::from(width);
                i64::try_from(from_origin.div_euclid(width) * width + i128::from(ORIGIN)).ok()
            }
            Self::Months(width) => {
                let (year, month, _) = civil_from_days(micros.div_euclid(MICROS_PER_DAY));
                let months = (year * 12 + i64::from(month) - 1) - MONTH_ORIGIN;
                let start = months.div_euclid(width).checked_mul(width)? + MONTH_ORIGIN;
                let month = u32::try_from(start.rem_euclid(12)).ok()? + 1;
                days_from_civil(start.div_euclid(12), month, 1).checked_mul(MICROS_PER_DAY)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::format_timestamp;

    const MINUTE: i64 = 60 * MICROS_PER_SECOND;

    #[test]
    fn texts_and_timeframes_name_a_width() {
        for (text, width) in [
            ("5 minutes", Width::Micros(5 * MINUTE)),
            ("5m", Width::Micros(5 * MINUTE)),
            ("15min", Width::Micros(15 * MINUTE)),
            ("1h", Width::Micros(60 * MINUTE)),
            ("1 hour 30 minutes", Width::Micros(90 * MINUTE)),
            ("1 DAY", Width::Micros(MICROS_PER_DAY)),
            ("2w", Width::Micros(14 * MICROS_PER_DAY)),
            ("250ms", Width::Micros(250_000)),
            ("1s", Width::Micros(MICROS_PER_SECOND)),
            ("1mo", Width::Months(1)),
            ("1 month", Width::Months(1)),
            ("1 quarter", Width::Months(3)),
            ("2 years", Width::Months(24)),
        ] {
            assert_eq!(Width::parse(text), Ok(width), "{text}");
        }
    }

    #[test]
    fn other_widths_are_refused() {
        for text in
            ["", "5", "m", "-5m", "5 parsecs", "1M", "0m", "1 month 1 day", "99999999999999d", "5m,", "1.5h"]
        {
            assert!(Width::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn buckets_start_on_mondays_midnights_and_first_days() {
        let at = |days: i64, minutes: i64| days * MICROS_PER_DAY + minutes * MINUTE;
        let day = days_from_civil(2024, 2, 29);
        for (width, micros, start) in [
            ("5m", at(day, 9 * 60 + 34), "2024-02-29T09:30:00Z"),
            ("1d", at(day, 1), "2024-02-29T00:00:00Z"),
            ("1w", at(day, 0), "2024-02-26T00:00:00Z"),
            ("2w", at(day + 5, 0), "2024-02-26T00:00:00Z"),
            ("7h", at(day, 0), "2024-02-28T22:00:00Z"),
            ("1mo", at(day, 1), "2024-02-01T00:00:00Z"),
            ("3mo", at(day, 0), "2024-01-01T00:00:00Z"),
            ("5y", at(day, 0), "2020-01-01T00:00:00Z"),
            ("1h", -1, "1969-12-31T23:00:00Z"),
            ("1mo", -1, "1969-12-01T00:00:00Z"),
        ] {
            let floor = Width::parse(width).unwrap().floor(micros).unwrap();
            assert_eq!(format_timestamp(floor), start, "{width}");
            let end = Width::parse(width).unwrap().after(floor).unwrap();
            assert!(floor <= micros && micros < end, "{width}");
            assert_eq!(Width::parse(width).unwrap().floor(end), Some(end), "{width}");
        }
        assert_eq!(Width::parse("1w").unwrap().floor(i64::MIN), None);
    }
}
