//! Time as barn keeps it: microseconds since 1970 in UTC, dates as days since 1970.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a day.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// 0000-01-01, the first day a four-digit year can write.
pub const MIN_DAY: i64 = -719_528;
/// 9999-12-31, the last day a four-digit year can write.
pub const MAX_DAY: i64 = 2_932_896;

/// Returns the time now, microseconds since 1970 in UTC.
///
/// The environment variable `BARN_NOW` (a time such as `2024-06-01T00:00:00Z`) sets the clock that barn sees when
/// its process starts, so that what depends on the time of day can be repeated.
pub fn now() -> i64 {
    // The machine's clock and not one that counts from the start: that stands still while the machine sleeps.
    static AHEAD: OnceLock<i64> = OnceLock::new();
    // Read once, so that the first answer is the time that is set and not a microsecond more.
    let clock = wall_clock();
    let ahead = AHEAD.get_or_init(|| {
        let set = std::env::var("BARN_NOW").ok().and_then(|text| parse_timestamp(&text));
        set.map_or(0, |set| set.saturating_sub(clock))
    });
    clock.saturating_add(*ahead)
}

/// Returns the time of the machine's clock, which several processes have in common.
pub fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Reads `2024-01-31T09:30:00Z`, as [`format_timestamp`] writes it without a fraction.
fn parse_timestamp(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let is_shaped = text.len() == 20 && text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    let (year, month, day) = (i64::from(number(0, 4)?), number(5, 7)?, number(8, 10)?);
    let seconds = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    (is_shaped && is_date(year, month, day))
        .then(|| days_from_civil(year, month, day) * MICROS_PER_DAY + i64::from(seconds) * MICROS_PER_SECOND)
}

/// Returns the days from 1970-01-01 to a date of the proleptic Gregorian calendar.
///
/// The day and month are not checked; see [`is_date`]. Source: H. Hinnant,
/// <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Returns the year, month and day of a day number; the inverse of [`days_from_civil`].
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    // Both are within 1..=31 by construction.
    (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

/// Returns whether the date exists and its year has four digits.
pub fn is_date(year: i64, month: u32, day: u32) -> bool {
    if !(0..=9_999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
        return false;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    day <= last
}

/// Returns whether a time lies within the years 0 to 9999.
pub fn is_in_range(micros: i64) -> bool {
    (MIN_DAY..=MAX_DAY).contains(&micros.div_euclid(MICROS_PER_DAY))
}

/// Appends `2024-01-31`.
pub fn write_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    if (0..=9_999).contains(&year) {
        // Two digits at a time; the year fits by the check above.
        let year = u32::try_from(year).unwrap_or(0);
        push_two(year / 100, out);
        push_two(year % 100, out);
    } else {
        out.extend_from_slice(format!("{year:+05}").as_bytes());
    }
    out.push(b'-');
    push_two(month, out);
    out.push(b'-');
    push_two(day, out);
}

/// Appends `2024-01-31T09:30:00Z`, with a fraction of 3 or 6 digits only when there is one.
pub fn write_timestamp(micros: i64, out: &mut Vec<u8>) {
    write_date(micros.div_euclid(MICROS_PER_DAY), out);
    write_time_of_day(micros.rem_euclid(MICROS_PER_DAY), out);
    out.push(b'Z');
}

/// Appends `T09:30:00`, with a fraction only when there is one.
pub fn write_time_of_day(micros: i64, out: &mut Vec<u8>) {
    if micros == 0 {
        out.extend_from_slice(b"T00:00:00");
        return;
    }
    let seconds = u32::try_from(micros / MICROS_PER_SECOND).unwrap_or(0);
    let fraction = u32::try_from(micros % MICROS_PER_SECOND).unwrap_or(0);
    out.push(b'T');
    push_two(seconds / 3_600, out);
    out.push(b':');
    push_two(seconds / 60 % 60, out);
    out.push(b':');
    push_two(seconds % 60, out);
    if fraction != 0 {
        out.push(b'.');
        push_two(fraction / 10_000, out);
        if fraction % 1_000 == 0 {
            out.push(b'0' + u8::try_from(fraction / 1_000 % 10).unwrap_or(0));
        } else {
            push_two(fraction / 100 % 100, out);
            push_two(fraction % 100, out);
        }
    }
}

/// Returns a time as `2024-01-31T09:30:00Z`.
pub fn format_timestamp(micros: i64) -> String {
    let mut text = Vec::with_capacity(24);
    write_timestamp(micros, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn push_two(number: u32, out: &mut Vec<u8>) {
    let digit = |n: u32| b'0' + u8::try_from(n % 10).unwrap_or(0);
    out.extend_from_slice(&[digit(number / 10), digit(number)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree_over_ten_thousand_years() {
        let (mut year, mut month, mut day) = (0, 1, 1);
        for days in MIN_DAY..=MAX_DAY {
            assert_eq!(civil_from_days(days), (year, month, day));
            assert_eq!(days_from_civil(year, month, day), days);
            assert!(is_date(year, month, day));
            day += 1;
            if !is_date(year, month, day) {
                (month, day) = (month + 1, 1);
            }
            if month == 13 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }

    #[test]
    fn fractions_are_written_only_where_there_is_one() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (1_500_000, "1970-01-01T00:00:01.500Z"),
            (1, "1970-01-01T00:00:00.000001Z"),
            (253_402_300_799_000_000, "9999-12-31T23:59:59Z"),
        ];
        for (micros, text) in cases {
            assert_eq!(format_timestamp(micros), text);
        }
    }
}
