//! Times as a command line writes them: `2024-01-31`, `2024-01-31T10:00`, `now`, `-30d`.

use anyhow::{Result, bail};

use super::clock;
use super::moment::{Form, Label, TimeRule, ZoneCache};
use crate::error::Failure;
use crate::model::time::{
    MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_days, days_from_civil, is_date, is_in_range,
};

/// Reads a time, microseconds UTC: a date, a local or RFC 3339 time, `now`, `today`, or a distance back such as
/// `-90m`, `-6h`, `-30d`, `-2w`, `-3mo`, `-1y`.
pub fn moment(text: &str, now: i64) -> Result<i64> {
    let found = match text.strip_prefix('-') {
        _ if text == "now" => Some(now),
        _ if text == "today" => Some(now.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY),
        Some(distance) => back(now, distance),
        None => written(text),
    };
    match found.filter(|micros| is_in_range(*micros)) {
        Some(micros) => Ok(micros),
        None => bail!(Failure::usage(format!(
            "invalid time '{text}': expected such as 2024-01-31, 2024-01-31T10:00:00Z, now, today, -30d or -6h"
        ))),
    }
}

fn written(text: &str) -> Option<i64> {
    let rule = TimeRule { form: Form::Iso, zone: None };
    let written = clock::iso(text.as_bytes()).ok()?;
    rule.resolve(written, Label::Instant, &mut ZoneCache::default()).ok()
}

fn back(now: i64, distance: &str) -> Option<i64> {
    let digits = distance.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = distance.split_at(digits);
    let count: i64 = count.parse().ok()?;
    let micros = match unit {
        "s" => MICROS_PER_SECOND,
        "m" => 60 * MICROS_PER_SECOND,
        "h" => 3_600 * MICROS_PER_SECOND,
        "d" => MICROS_PER_DAY,
        "w" => 7 * MICROS_PER_DAY,
        "mo" => return months_back(now, count),
        "y" => return months_back(now, count.checked_mul(12)?),
        _ => return None,
    };
    now.checked_sub(count.checked_mul(micros)?)
}

/// Returns the time so many months before; the 31st of a shorter month is its last day.
fn months_back(now: i64, months: i64) -> Option<i64> {
    let (year, month, mut day) = civil_from_days(now.div_euclid(MICROS_PER_DAY));
    let months = (year * 12 + i64::from(month) - 1).checked_sub(months)?;
    let (year, month) = (months.div_euclid(12), u32::try_from(months.rem_euclid(12)).ok()? + 1);
    if !is_date(year, month, 1) {
        return None;
    }
    while !is_date(year, month, day) {
        day -= 1;
    }
    Some(days_from_civil(year, month, day) * MICROS_PER_DAY + now.rem_euclid(MICROS_PER_DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::exit_code;
    use crate::model::time::format_timestamp;

    #[test]
    fn times_are_written_in_many_ways() {
        let now = moment("2024-03-31T10:30:15Z", 0).unwrap();
        let cases = [
            ("2024-01-31", "2024-01-31T00:00:00Z"),
            ("2024-01-31T10:00", "2024-01-31T10:00:00Z"),
            ("2024-01-31T10:00:00.5+05:30", "2024-01-31T04:30:00.500Z"),
            ("now", "2024-03-31T10:30:15Z"),
            ("today", "2024-03-31T00:00:00Z"),
            ("-10s", "2024-03-31T10:30:05Z"),
            ("-90m", "2024-03-31T09:00:15Z"),
            ("-6h", "2024-03-31T04:30:15Z"),
            ("-30d", "2024-03-01T10:30:15Z"),
            ("-2w", "2024-03-17T10:30:15Z"),
            ("-1mo", "2024-02-29T10:30:15Z"),
            ("-3mo", "2023-12-31T10:30:15Z"),
            ("-1y", "2023-03-31T10:30:15Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(format_timestamp(moment(text, now).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_a_usage_error() {
        let texts = [
            "",
            "-",
            "30d",
            "-d",
            "-30",
            "-3M",
            "yesterday",
            "2024-13-01",
            "-9999999999999999999d",
            "-99999y",
            "-9223372036854775807w",
        ];
        for text in texts {
            assert_eq!(exit_code(&moment(text, 0).unwrap_err()), 2, "{text}");
        }
    }
}
