//! The timeframe of bars: the words of others for it, and deciding it by the spacing of rows.

use std::collections::HashMap;

use crate::frame::Frame;
use crate::model::time::MICROS_PER_DAY;
use crate::model::{Timeframe, Unit};

/// The key column that holds a timeframe.
pub(super) const COLUMN: &str = "timeframe";

/// Returns the timeframe a word names: `1m`, `5min`, `daily`, `1D`, `1wk`.
pub(super) fn from_word(word: &str) -> Option<Timeframe> {
    let word = word.trim();
    if let Ok(timeframe) = word.parse() {
        return Some(timeframe);
    }
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let (number, name) = word.split_at(digits);
    let count = if number.is_empty() { 1 } else { number.parse().ok().filter(|count| *count > 0)? };
    let name = name.trim_start_matches([' ', '_', '-']);
    // Exchanges write a month as 1M; everywhere else case does not matter.
    if name == "M" && !number.is_empty() {
        return Some(Timeframe::new(count, Unit::Month));
    }
    let lower = name.to_ascii_lowercase();
    let unit = match lower.as_str() {
        "s" | "sec" | "second" | "seconds" if !number.is_empty() || lower.len() > 1 => Unit::Second,
        "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hour" | "hours" | "hourly" if !number.is_empty() || lower.len() > 1 => Unit::Hour,
        "d" | "day" | "days" | "daily" => Unit::Day,
        "w" | "wk" | "week" | "weeks" | "weekly" => Unit::Week,
        "mo" | "mth" | "mon" | "month" | "months" | "monthly" => Unit::Month,
        "y" | "yr" | "year" | "years" | "yearly" => Unit::Year,
        _ => return None,
    };
    Some(Timeframe::new(count, unit))
}

/// The times of each series of a head.
#[derive(Default)]
pub(super) struct Spacings {
    times: HashMap<Vec<u8>, Vec<i64>>,
}

/// What the spacings of a head speak for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// At least nine in ten agree.
    Clear(Timeframe),
    /// The most frequent one has only this share, in percent.
    Unclear(Timeframe, u64),
    /// No series has two times, or they are no whole seconds apart.
    Nothing,
}

impl Spacings {
    /// Takes the rows of a frame into account.
    pub(super) fn add(&mut self, frame: &Frame) {
        let encoded: Vec<_> = frame.keys().iter().map(crate::model::SeriesKey::encode).collect();
        for (series, ts) in frame.series().iter().zip(frame.ts()) {
            let Some(key) = encoded.get(*series as usize) else { continue };
            match self.times.get_mut(key) {
                Some(times) => times.push(*ts),
                None => {
                    self.times.insert(key.clone(), vec![*ts]);
                }
            }
        }
    }

    /// Decides the timeframe.
    ///
    /// The closed hours of a market are no spacing: of bars under a day only those within one day count,
    /// and of daily bars a weekend agrees.
    pub(super) fn decide(mut self) -> Verdict {
        for times in self.times.values_mut() {
            times.sort_unstable();
            times.dedup();
        }
        let pairs = || self.times.values().flat_map(|times| times.windows(2)).map(|pair| (pair[0], pair[1]));
        let mut counts: HashMap<Timeframe, u64> = HashMap::new();
        for (from, to) in pairs() {
            if let Some(timeframe) = Timeframe::from_spacing(to - from) {
                *counts.entry(timeframe).or_default() += 1;
            }
        }
        let rank =
            |(timeframe, count): &(&Timeframe, &u64)| (**count, std::cmp::Reverse(timeframe.min_micros()));
        let Some((&timeframe, _)) = counts.iter().max_by_key(rank) else { return Verdict::Nothing };
        let (mut all, mut agreeing) = (0_u64, 0_u64);
        for (from, to) in pairs() {
            let agrees =
                Timeframe::from_spacing(to - from) == Some(timeframe) || is_weekend(timeframe, from, to);
            let is_closed = !timeframe.is_day_or_more()
                && to - from > timeframe.max_micros()
                && from.div_euclid(MICROS_PER_DAY) != to.div_euclid(MICROS_PER_DAY);
            if agrees || !is_closed {
                all += 1;
                agreeing += u64::from(agrees);
            }
        }
        if agreeing * 10 >= all * 9 {
            Verdict::Clear(timeframe)
        } else {
            Verdict::Unclear(timeframe, agreeing * 100 / all)
        }
    }
}

/// Returns whether only days of a weekend, Friday to Sunday, lie between two daily bars.
fn is_weekend(timeframe: Timeframe, from: i64, to: i64) -> bool {
    if timeframe != Timeframe::new(1, Unit::Day)
        || to - from > 4 * MICROS_PER_DAY
        || (to - from) % MICROS_PER_DAY != 0
    {
        return false;
    }
    let (first, last) = (from.div_euclid(MICROS_PER_DAY) + 1, to.div_euclid(MICROS_PER_DAY));
    // 1970-01-01 was a Thursday, so that 1, 2 and 3 are Friday, Saturday and Sunday.
    (first..last).all(|day| (1..=3).contains(&day.rem_euclid(7)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn decide(series: &[Vec<i64>]) -> Verdict {
        let times =
            series.iter().enumerate().map(|(at, times)| (vec![u8::try_from(at).unwrap()], times.clone()));
        Spacings { times: times.collect() }.decide()
    }

    #[test]
    fn words_of_others_name_timeframes() {
        let cases = [
            ("1m", "1m"),
            ("5min", "5m"),
            ("1 minute", "1m"),
            ("daily", "1d"),
            ("1D", "1d"),
            ("1wk", "1w"),
            ("1M", "1mo"),
            ("1month", "1mo"),
            ("4H", "4h"),
            ("60m", "60m"),
            ("1hour", "1h"),
            ("day", "1d"),
        ];
        for (word, timeframe) in cases {
            assert_eq!(from_word(word).unwrap().to_string(), timeframe, "{word}");
        }
        for word in ["", "0d", "M", "fortnight", "-1d", "s"] {
            assert_eq!(from_word(word), None, "{word}");
        }
    }

    #[test]
    fn a_week_of_daily_bars_is_daily() {
        // From Monday 2024-01-01.
        let days = (19_723..19_823).filter(|day: &i64| !(2..=3).contains(&day.rem_euclid(7)));
        let times = days.map(|day| day * MICROS_PER_DAY).rev().collect();
        assert_eq!(decide(&[times]), Verdict::Clear(Timeframe::new(1, Unit::Day)));
    }

    #[test]
    fn nights_do_not_count_among_minutes_and_hours() {
        let session = |day: i64| (0..7).map(move |hour| day * MICROS_PER_DAY + (14 + hour) * 60 * MINUTE);
        assert_eq!(
            decide(&[(0..10).flat_map(session).collect()]),
            Verdict::Clear(Timeframe::new(1, Unit::Hour))
        );
        let sparse = (0..100).map(|at| at * MINUTE * if at % 2 == 0 { 1 } else { 3 }).collect();
        assert!(matches!(decide(&[sparse]), Verdict::Unclear(..)));
    }

    #[test]
    fn months_and_nothing_are_told() {
        let months = [0, 31, 59, 90, 120, 151, 181].map(|day| day * MICROS_PER_DAY).to_vec();
        assert_eq!(decide(&[months]), Verdict::Clear(Timeframe::new(1, Unit::Month)));
        assert_eq!(decide(&[vec![5], vec![7, 7]]), Verdict::Nothing);
    }
}
