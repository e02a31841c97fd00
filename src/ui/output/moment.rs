//! Dates, times and durations as text, with the divisions by constants that make them fast.

use datafusion::arrow::datatypes::TimeUnit;

use crate::model::time::write_date;

const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// What follows a time: `Z` where it is known to be UTC, nothing where its zone is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// The time is UTC.
    Utc,
    /// The time is of no stated zone.
    Naive,
}

/// The text of the day written last: neighbouring rows mostly lie in one day.
#[derive(Default)]
pub(super) struct Days {
    day: i64,
    text: Vec<u8>,
}

impl Days {
    /// Appends `2024-01-31`.
    pub(super) fn write(&mut self, day: i64, out: &mut Vec<u8>) {
        if day != self.day || self.text.is_empty() {
            self.text.clear();
            write_date(day, &mut self.text);
            self.day = day;
        }
        out.extend_from_slice(&self.text);
    }
}

/// Appends `2024-01-31T09:30:00Z`, with a fraction of 3, 6 or 9 digits only where there is one.
pub(super) fn write_moment(value: i64, unit: TimeUnit, zone: Zone, days: &mut Days, out: &mut Vec<u8>) {
    match unit {
        TimeUnit::Second => write_in::<1>(value, zone, days, out),
        TimeUnit::Millisecond => write_in::<1_000>(value, zone, days, out),
        TimeUnit::Microsecond => write_in::<1_000_000>(value, zone, days, out),
        TimeUnit::Nanosecond => write_in::<NANOS_PER_SECOND>(value, zone, days, out),
    }
}

fn write_in<const PER_SECOND: i64>(value: i64, zone: Zone, days: &mut Days, out: &mut Vec<u8>) {
    let per_day = SECONDS_PER_DAY * PER_SECOND;
    days.write(value.div_euclid(per_day), out);
    let rest = value.rem_euclid(per_day);
    if rest == 0 {
        out.extend_from_slice(if zone == Zone::Utc { b"T00:00:00Z" } else { b"T00:00:00" });
        return;
    }
    let mut clock = Clock::new(rest / PER_SECOND, rest % PER_SECOND * (NANOS_PER_SECOND / PER_SECOND));
    if zone == Zone::Utc {
        clock.push(b'Z');
    }
    out.extend_from_slice(clock.as_bytes());
}

/// Appends `09:30:00` for nanoseconds since midnight, with a fraction only where there is one.
pub(super) fn write_time(nanos: i64, out: &mut Vec<u8>) {
    let nanos = nanos.rem_euclid(SECONDS_PER_DAY * NANOS_PER_SECOND);
    let clock = Clock::new(nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND);
    out.extend_from_slice(clock.as_bytes().get(1..).unwrap_or_default());
}

/// Appends `1 day 02:00:00`, the days only where there are any and a fraction only where there is one.
pub(super) fn write_duration(value: i64, unit: TimeUnit, out: &mut Vec<u8>) {
    let per_second = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => NANOS_PER_SECOND,
    };
    if value < 0 {
        out.push(b'-');
    }
    let (whole, part) = (value / per_second, value % per_second);
    let days = (whole / SECONDS_PER_DAY).unsigned_abs();
    if days > 0 {
        out.extend_from_slice(itoa::Buffer::new().format(days).as_bytes());
        out.extend_from_slice(if days == 1 { b" day " } else { b" days " });
    }
    let clock = Clock::new((whole % SECONDS_PER_DAY).abs(), part.abs() * (NANOS_PER_SECOND / per_second));
    out.extend_from_slice(clock.as_bytes().get(1..).unwrap_or_default());
}

/// `T09:30:00.123456789` in a fixed place, so that it is copied at once.
struct Clock {
    text: [u8; 20],
    length: usize,
}

impl Clock {
    /// `seconds` are below a day and `nanos` below a second.
    fn new(seconds: i64, nanos: i64) -> Self {
        let seconds = u32::try_from(seconds).unwrap_or(0);
        let nanos = u32::try_from(nanos).unwrap_or(0);
        let mut text = *b"T00:00:00.000000000 ";
        let mut set = |at: usize, number: u32| {
            text[at] = digit(number / 10);
            text[at + 1] = digit(number);
        };
        set(1, seconds / 3_600);
        set(4, seconds / 60 % 60);
        set(7, seconds % 60);
        if nanos == 0 {
            return Self { text, length: 9 };
        }
        set(10, nanos / 10_000_000);
        set(12, nanos / 100_000 % 100);
        set(14, nanos / 1_000 % 100);
        set(16, nanos / 10 % 100);
        text[18] = digit(nanos);
        let length = match nanos {
            nanos if nanos % 1_000_000 == 0 => 13,
            nanos if nanos % 1_000 == 0 => 16,
            _ => 19,
        };
        Self { text, length }
    }

    fn push(&mut self, byte: u8) {
        self.text[self.length] = byte;
        self.length += 1;
    }

    fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
}

fn digit(number: u32) -> u8 {
    // Below 10 by the remainder.
    b'0' + u8::try_from(number % 10).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::format_timestamp;
    use proptest::prelude::*;

    fn moment(value: i64, unit: TimeUnit, zone: Zone) -> String {
        let mut out = Vec::new();
        write_moment(value, unit, zone, &mut Days::default(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_unit_gives_the_same_text() {
        for (value, unit) in [
            (1_706_693_400, TimeUnit::Second),
            (1_706_693_400_000, TimeUnit::Millisecond),
            (1_706_693_400_000_000, TimeUnit::Microsecond),
            (1_706_693_400_000_000_000, TimeUnit::Nanosecond),
        ] {
            assert_eq!(moment(value, unit, Zone::Utc), "2024-01-31T09:30:00Z");
            assert_eq!(moment(value, unit, Zone::Naive), "2024-01-31T09:30:00");
        }
    }

    #[test]
    fn nanoseconds_have_nine_digits_and_extremes_do_not_panic() {
        assert_eq!(moment(-1, TimeUnit::Nanosecond, Zone::Utc), "1969-12-31T23:59:59.999999999Z");
        for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
            assert!(moment(i64::MIN, unit, Zone::Utc).ends_with('Z'));
            assert!(moment(i64::MAX, unit, Zone::Utc).ends_with('Z'));
        }
    }

    #[test]
    fn durations_read_as_days_and_a_clock() {
        let cases = [
            (0, "00:00:00"),
            (60_000_000, "00:01:00"),
            (-1_500_000, "-00:00:01.500"),
            (93_600_000_000, "1 day 02:00:00"),
            (172_800_000_001, "2 days 00:00:00.000001"),
        ];
        for (micros, text) in cases {
            let mut out = Vec::new();
            write_duration(micros, TimeUnit::Microsecond, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        let mut out = Vec::new();
        write_duration(i64::MIN, TimeUnit::Nanosecond, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "-106751 days 23:47:16.854775808");
    }

    proptest! {
        #[test]
        fn microseconds_are_written_as_the_model_writes_them(micros in any::<i64>()) {
            prop_assert_eq!(moment(micros, TimeUnit::Microsecond, Zone::Utc), format_timestamp(micros));
        }
    }
}
