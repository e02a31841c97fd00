//! The length of a bar: a number and a unit, as in `1m`, `4h`, `1d`, `1mo`.

use std::fmt;
use std::str::FromStr;

use super::time::{MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_days, days_from_civil};

/// The unit of a timeframe. Case matters: `m` is a minute, `mo` a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
    /// `d`
    Day,
    /// `w`
    Week,
    /// `mo`
    Month,
    /// `y`
    Year,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
            Self::Day => "d",
            Self::Week => "w",
            Self::Month => "mo",
            Self::Year => "y",
        }
    }
}

/// The length of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timeframe {
    count: u32,
    unit: Unit,
}

/// Why a text is no timeframe.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidTimeframe(String);

impl fmt::Display for InvalidTimeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidTimeframe {}

impl Timeframe {
    /// A timeframe of `count` units; `count` is at least 1.
    pub fn new(count: u32, unit: Unit) -> Self {
        Self { count: count.max(1), unit }
    }

    /// Returns the timeframe whose bars lie `micros` apart, in the largest unit that divides it.
    ///
    /// 28 to 31 days is a month, 365 or 366 days a year. `None` for what is no whole number of seconds.
    pub fn from_spacing(micros: i64) -> Option<Self> {
        if micros <= 0 || micros % MICROS_PER_SECOND != 0 {
            return None;
        }
        let seconds = micros / MICROS_PER_SECOND;
        let exact = |unit_seconds: i64| (seconds % unit_seconds == 0).then(|| seconds / unit_seconds);
        let (count, unit) = match exact(86_400) {
            Some(28..=31) => (1, Unit::Month),
            Some(89..=92) => (3, Unit::Month),
            Some(365 | 366) => (1, Unit::Year),
            Some(days) if days % 7 == 0 => (days / 7, Unit::Week),
            Some(days) => (days, Unit::Day),
            None => match (exact(3_600), exact(60)) {
                (Some(hours), _) => (hours, Unit::Hour),
                (None, Some(minutes)) => (minutes, Unit::Minute),
                (None, None) => (seconds, Unit::Second),
            },
        };
        Some(Self::new(u32::try_from(count).ok()?, unit))
    }

    /// Returns the shortest length in microseconds: a month counts 28 days, a year 365.
    pub fn min_micros(self) -> i64 {
        let unit = match self.unit {
            Unit::Second => MICROS_PER_SECOND,
            Unit::Minute => 60 * MICROS_PER_SECOND,
            Unit::Hour => 3_600 * MICROS_PER_SECOND,
            Unit::Day => MICROS_PER_DAY,
            Unit::Week => 7 * MICROS_PER_DAY,
            Unit::Month => 28 * MICROS_PER_DAY,
            Unit::Year => 365 * MICROS_PER_DAY,
        };
        unit.saturating_mul(i64::from(self.count))
    }

    /// Returns the longest length in microseconds: a month counts 31 days, a year 366.
    pub fn max_micros(self) -> i64 {
        let unit = match self.unit {
            Unit::Month => 31 * MICROS_PER_DAY,
            Unit::Year => 366 * MICROS_PER_DAY,
            _ => return self.min_micros(),
        };
        unit.saturating_mul(i64::from(self.count))
    }

    /// Returns the start of the bar that a time lies in.
    ///
    /// Weeks start on Monday, months and years with the calendar's; counts of them are counted from year 0,
    /// all else from 1970.
    pub fn floor(self, micros: i64) -> i64 {
        match self.months() {
            Some(months) => {
                let (year, month, _) = civil_from_days(micros.div_euclid(MICROS_PER_DAY));
                let whole = (year * 12 + i64::from(month) - 1).div_euclid(months) * months;
                month_start(whole)
            }
            None if self.unit == Unit::Week => {
                // 1970-01-05 was the first Monday.
                let monday = 4 * MICROS_PER_DAY;
                let whole = micros.saturating_sub(monday).div_euclid(self.min_micros());
                whole.saturating_mul(self.min_micros()).saturating_add(monday)
            }
            None => micros.div_euclid(self.min_micros()).saturating_mul(self.min_micros()),
        }
    }

    /// Returns the time one bar behind another: its end where it is the start of a bar.
    pub fn after(self, micros: i64) -> i64 {
        let Some(months) = self.months() else { return micros.saturating_add(self.min_micros()) };
        let (year, month, day) = civil_from_days(micros.div_euclid(MICROS_PER_DAY));
        let into = i64::from(day - 1) * MICROS_PER_DAY + micros.rem_euclid(MICROS_PER_DAY);
        let start = year * 12 + i64::from(month) - 1;
        // The 31st plus a month is the last day of a shorter one.
        let last = month_start(start + months + 1).saturating_sub(1);
        month_start(start + months).saturating_add(into).min(last)
    }

    fn months(self) -> Option<i64> {
        match self.unit {
            Unit::Month => Some(i64::from(self.count)),
            Unit::Year => Some(i64::from(self.count) * 12),
            _ => None,
        }
    }

    /// Returns whether a bar lasts a day or more, so that it is labelled by its date.
    pub fn is_day_or_more(self) -> bool {
        self.unit >= Unit::Day
    }

    /// Returns the spacing above which two neighbouring bars have a gap between them: 5 bars, and for
    /// bars of a day or more at least 4 days (a long weekend is no gap).
    pub fn gap_micros(self) -> i64 {
        let five = self.max_micros().saturating_mul(5);
        if self.is_day_or_more() { five.max(4 * MICROS_PER_DAY) } else { five }
    }
}

/// Returns when a month starts that is counted from January of year 0.
fn month_start(months: i64) -> i64 {
    let month = u32::try_from(months.rem_euclid(12)).unwrap_or(0) + 1;
    days_from_civil(months.div_euclid(12), month, 1).saturating_mul(MICROS_PER_DAY)
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.as_str())
    }
}

impl FromStr for Timeframe {
    type Err = InvalidTimeframe;

    fn from_str(text: &str) -> Result<Self, InvalidTimeframe> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let invalid = |why: &str| InvalidTimeframe(format!("invalid timeframe '{text}': {why}"));
        let unit = match unit {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            "d" => Unit::Day,
            "w" => Unit::Week,
            "mo" => Unit::Month,
            "y" => Unit::Year,
            "" => return Err(invalid("expected a number and a unit, as in 1d")),
            other => {
                return Err(invalid(&format!("unknown unit '{other}', expected s, m, h, d, w, mo or y")));
            }
        };
        match number.parse() {
            Ok(count) if count > 0 && !number.starts_with('0') => Ok(Self { count, unit }),
            _ => Err(invalid("expected a whole number from 1 before the unit")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_displayed_parses_to_the_same() {
        for text in ["1s", "5m", "15m", "1h", "4h", "1d", "1w", "1mo", "3mo", "1y"] {
            assert_eq!(text.parse::<Timeframe>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "m", "1", "0d", "01d", "1M", "1D", "-1d", "1minute", "99999999999s"] {
            assert!(text.parse::<Timeframe>().is_err(), "{text}");
        }
        assert_eq!(
            "5minutes".parse::<Timeframe>().unwrap_err().to_string(),
            "invalid timeframe '5minutes': unknown unit 'minutes', expected s, m, h, d, w, mo or y"
        );
    }

    #[test]
    fn a_spacing_names_its_timeframe() {
        let cases = [(1, "1s"), (60, "1m"), (900, "15m"), (3_600, "1h"), (86_400, "1d"), (7 * 86_400, "1w")];
        let months = [28, 29, 30, 31].map(|days| (days * 86_400, "1mo"));
        for (seconds, text) in cases.into_iter().chain(months).chain([(365 * 86_400, "1y")]) {
            let timeframe = Timeframe::from_spacing(seconds * MICROS_PER_SECOND).unwrap();
            assert_eq!(timeframe.to_string(), text, "{seconds} s");
        }
        assert_eq!(Timeframe::from_spacing(0), None);
        assert_eq!(Timeframe::from_spacing(1_500_000), None);
    }

    #[test]
    fn bars_start_and_end_where_the_calendar_says() {
        let day = |year, month, day| days_from_civil(year, month, day) * MICROS_PER_DAY;
        let cases = [
            ("1d", day(2024, 2, 29), day(2024, 3, 1)),
            ("1w", day(2024, 2, 26), day(2024, 3, 4)),
            ("1mo", day(2024, 2, 1), day(2024, 3, 1)),
            ("3mo", day(2024, 1, 1), day(2024, 4, 1)),
            ("1y", day(2024, 1, 1), day(2025, 1, 1)),
            ("4h", day(2024, 2, 29) + 8 * 3_600_000_000, day(2024, 2, 29) + 12 * 3_600_000_000),
        ];
        for (text, start, stop) in cases {
            let timeframe: Timeframe = text.parse().unwrap();
            let inside = day(2024, 2, 29) + 9 * 3_600_000_000;
            assert_eq!(timeframe.floor(inside), start, "{text}");
            assert_eq!(timeframe.floor(start), start, "{text}");
            assert_eq!(timeframe.after(start), stop, "{text}");
        }
        let month: Timeframe = "1mo".parse().unwrap();
        assert_eq!(month.floor(day(1969, 12, 31)), day(1969, 12, 1));
        assert!(month.after(day(2024, 1, 31)) < day(2024, 3, 1));
    }

    #[test]
    fn the_longest_timeframes_end_where_time_does() {
        for text in ["4294967295s", "4294967295d", "4294967295w", "4294967295mo", "4294967295y"] {
            let timeframe: Timeframe = text.parse().unwrap();
            for at in [i64::MIN, -1, 0, 1, i64::MAX] {
                assert!(timeframe.floor(at) <= at.max(i64::MIN + 4 * MICROS_PER_DAY), "{text} {at}");
                assert!(timeframe.after(at) > at || at == i64::MAX, "{text} {at}");
            }
        }
    }

    #[test]
    fn a_long_weekend_is_no_gap_in_daily_bars() {
        let day: Timeframe = "1d".parse().unwrap();
        assert_eq!(day.gap_micros(), 5 * MICROS_PER_DAY);
        let hour: Timeframe = "1h".parse().unwrap();
        assert_eq!(hour.gap_micros(), 5 * 3_600 * MICROS_PER_SECOND);
    }
}
