//! From a written time to UTC: the form of a column's times, and its zone.
//!
//! A local time that the zone's clocks skip moves forward by the length of the gap; one that they show
//! twice is the earlier. A date without a time of day is 00:00 UTC whatever the zone, and so is the
//! label of a bar of a day or more.

use anyhow::{Context as _, Result};
use jiff::civil;
use jiff::tz::TimeZone;

use super::cell::Misread;
use super::clock::{self, Place, Written};
use super::pattern::Pattern;
use crate::error::Failure;
use crate::model::time::{MAX_DAY, MICROS_PER_DAY, MICROS_PER_SECOND, MIN_DAY, civil_from_days, is_in_range};

/// The form of the times of a column.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// ISO 8601.
    Iso,
    /// `20240131`.
    Compact,
    /// A number since 1970 of which so many make a second.
    Epoch(i64),
    /// A number since midnight of a day of which so many make a second.
    Midnight {
        /// The base date, days since 1970.
        day: i64,
        /// How many make a second.
        per_second: i64,
    },
    /// One of these, tried in order.
    Patterns(Vec<Pattern>),
}

/// How the times of a column become UTC.
#[derive(Clone, Debug)]
pub(super) struct TimeRule {
    /// The form of the text.
    pub(super) form: Form,
    /// The zone of local times; UTC where absent.
    pub(super) zone: Option<TimeZone>,
}

/// What a time stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// An instant.
    Instant,
    /// The date of a bar of a day or more.
    Date,
}

/// The last local day that was looked up; times of one day come together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ZoneCache {
    day: Option<i64>,
    /// How far the zone is ahead of UTC all that day; `None` where its clocks change.
    ahead: Option<i64>,
}

/// Looks up a time zone by its name; UTC needs no rules and is `None`.
pub(super) fn zone(name: &str) -> Result<Option<TimeZone>> {
    if ["UTC", "Z", "GMT", "Etc/UTC"].iter().any(|utc| utc.eq_ignore_ascii_case(name)) {
        return Ok(None);
    }
    let written = format!("2000-01-01T00:00{name}");
    if let Ok(Written { place: Place::Offset(seconds), .. }) = clock::iso(written.as_bytes()) {
        let seconds = i32::try_from(seconds).unwrap_or(0);
        return Ok(jiff::tz::Offset::from_seconds(seconds).map(|offset| Some(TimeZone::fixed(offset)))?);
    }
    TimeZone::get(name).map(Some).with_context(|| {
        Failure::usage(format!("invalid time zone '{name}': expected a name such as 'America/New_York'"))
    })
}

impl TimeRule {
    /// Reads a time as it is written.
    #[inline]
    pub(super) fn read(&self, text: &[u8]) -> Result<Written, Misread> {
        match &self.form {
            Form::Iso => clock::iso(text),
            Form::Compact => clock::compact(text),
            Form::Epoch(per_second) => clock::count(text, *per_second).map(utc),
            Form::Midnight { day, per_second } => {
                let micros = clock::count(text, *per_second)?;
                let day = day + micros.div_euclid(MICROS_PER_DAY);
                Ok(Written { day, micros: micros.rem_euclid(MICROS_PER_DAY), place: Place::Local })
            }
            Form::Patterns(patterns) => {
                let mut reason = Misread::NotTime;
                for pattern in patterns {
                    match pattern.parse(text) {
                        Err(Misread::NotTime) => {}
                        Err(other) => reason = other,
                        written => return written,
                    }
                }
                Err(reason)
            }
        }
    }

    /// Turns a written time into microseconds since 1970 in UTC.
    #[inline]
    pub(super) fn resolve(
        &self,
        written: Written,
        label: Label,
        cache: &mut ZoneCache,
    ) -> Result<i64, Misread> {
        let Written { day, micros, place } = written;
        // A day comes from the dates of other programs and from counts, and may be any.
        if !(MIN_DAY - 1..=MAX_DAY + 1).contains(&day) {
            return Err(Misread::YearOutside);
        }
        let wall = day * MICROS_PER_DAY + micros;
        let micros = match (place, label, &self.zone) {
            (Place::DateOnly, ..)
            | (Place::Local | Place::Offset(_), Label::Date, _)
            | (Place::Utc, Label::Date, None) => day * MICROS_PER_DAY,
            (Place::Utc, Label::Date, Some(zone)) => local_day(zone, wall)? * MICROS_PER_DAY,
            (Place::Utc, Label::Instant, _) | (Place::Local, Label::Instant, None) => wall,
            (Place::Offset(seconds), Label::Instant, _) => wall - seconds * MICROS_PER_SECOND,
            (Place::Local, Label::Instant, Some(zone)) => cache.instant(zone, day, micros)?,
        };
        if is_in_range(micros) { Ok(micros) } else { Err(Misread::YearOutside) }
    }
}

/// Takes an instant apart.
pub(super) fn utc(micros: i64) -> Written {
    Written {
        day: micros.div_euclid(MICROS_PER_DAY),
        micros: micros.rem_euclid(MICROS_PER_DAY),
        place: Place::Utc,
    }
}

impl ZoneCache {
    #[inline]
    fn instant(&mut self, zone: &TimeZone, day: i64, micros: i64) -> Result<i64, Misread> {
        if self.day != Some(day) {
            self.ahead = steady_offset(zone, day);
            self.day = Some(day);
        }
        match self.ahead {
            Some(ahead) => Ok(day * MICROS_PER_DAY + micros - ahead),
            None => to_instant(zone, day, micros).ok_or(Misread::YearOutside),
        }
    }
}

/// Returns how far a zone is ahead of UTC, if that is so for the whole of a local day.
fn steady_offset(zone: &TimeZone, day: i64) -> Option<i64> {
    let start = to_instant(zone, day, 0)?;
    let ahead = day * MICROS_PER_DAY - start;
    let first = jiff::Timestamp::from_microsecond(start).ok()?;
    let is_changing = zone.to_datetime(first) != local(day, 0)?
        || zone
            .following(first)
            .next()
            .is_some_and(|next| next.timestamp().as_microsecond() < start + 2 * MICROS_PER_DAY);
    (!is_changing).then_some(ahead)
}

fn to_instant(zone: &TimeZone, day: i64, micros: i64) -> Option<i64> {
    let instant = zone.to_ambiguous_timestamp(local(day, micros)?).compatible().ok()?;
    Some(instant.as_microsecond())
}

fn local(day: i64, micros: i64) -> Option<civil::DateTime> {
    let (year, month, date) = civil_from_days(day);
    let date =
        civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(date).ok()?)
            .ok()?;
    let span = jiff::SignedDuration::from_micros(micros);
    date.at(0, 0, 0, 0).checked_add(span).ok()
}

fn local_day(zone: &TimeZone, micros: i64) -> Result<i64, Misread> {
    let Ok(instant) = jiff::Timestamp::from_microsecond(micros) else { return Err(Misread::YearOutside) };
    let ahead = i64::from(zone.to_offset(instant).seconds()) * MICROS_PER_SECOND;
    Ok((micros + ahead).div_euclid(MICROS_PER_DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::format_timestamp;

    fn convert(zone_name: &str, label: Label, texts: &[&str]) -> Vec<String> {
        let rule = TimeRule { form: Form::Iso, zone: zone(zone_name).unwrap() };
        let mut cache = ZoneCache::default();
        let mut one = |text: &&str| {
            let written = rule.read(text.as_bytes()).unwrap();
            format_timestamp(rule.resolve(written, label, &mut cache).unwrap())
        };
        texts.iter().map(&mut one).collect()
    }

    #[test]
    fn a_skipped_time_moves_forward_and_a_doubled_one_is_the_earlier() {
        let texts = [
            "2024-03-09 12:00",
            "2024-03-10 01:59",
            "2024-03-10 02:30",
            "2024-03-10 03:00",
            "2024-11-03 01:30",
            "2024-11-03 02:00",
        ];
        let expected = [
            "2024-03-09T17:00:00Z",
            "2024-03-10T06:59:00Z",
            "2024-03-10T07:30:00Z",
            "2024-03-10T07:00:00Z",
            "2024-11-03T05:30:00Z",
            "2024-11-03T07:00:00Z",
        ];
        assert_eq!(convert("America/New_York", Label::Instant, &texts), expected);
    }

    #[test]
    fn clocks_that_change_at_midnight_are_no_exception() {
        // Brazil skipped from midnight to 01:00 on that day.
        let texts = ["2018-11-04 00:30", "2018-11-04 12:00"];
        let expected = ["2018-11-04T03:30:00Z", "2018-11-04T14:00:00Z"];
        assert_eq!(convert("America/Sao_Paulo", Label::Instant, &texts), expected);
    }

    #[test]
    fn a_bare_date_is_midnight_utc_whatever_the_zone() {
        assert_eq!(convert("Asia/Kolkata", Label::Instant, &["2024-01-31"]), ["2024-01-31T00:00:00Z"]);
        assert_eq!(convert("+05:30", Label::Instant, &["2024-01-31 09:15"]), ["2024-01-31T03:45:00Z"]);
    }

    #[test]
    fn bars_of_a_day_are_labelled_by_the_written_date() {
        let texts = ["2024-01-31T00:00:00-05:00", "2024-01-31 16:00", "2024-01-31T18:30:00Z"];
        let expected = ["2024-01-31T00:00:00Z", "2024-01-31T00:00:00Z", "2024-02-01T00:00:00Z"];
        assert_eq!(convert("Asia/Kolkata", Label::Date, &texts), expected);
        assert_eq!(convert("UTC", Label::Date, &["2024-01-31T18:30:00Z"]), ["2024-01-31T00:00:00Z"]);
    }

    #[test]
    fn counts_since_midnight_are_local_times() {
        let form = Form::Midnight { day: 15_985, per_second: 1_000 };
        let rule = TimeRule { form, zone: zone("America/New_York").unwrap() };
        let written = rule.read(b"14400464").unwrap();
        let micros = rule.resolve(written, Label::Instant, &mut ZoneCache::default()).unwrap();
        assert_eq!(format_timestamp(micros), "2013-10-07T08:00:00.464Z");
    }

    #[test]
    fn days_that_no_year_has_are_not_wrapped_around() {
        let rule = TimeRule { form: Form::Iso, zone: None };
        // So many days are 2^64 microseconds and a few hours.
        for day in [213_503_982, i64::from(i32::MAX), i64::from(i32::MIN), MAX_DAY + 2, MIN_DAY - 2] {
            for place in [Place::DateOnly, Place::Local, Place::Utc, Place::Offset(3_600)] {
                for label in [Label::Instant, Label::Date] {
                    let written = Written { day, micros: 0, place };
                    let resolved = rule.resolve(written, label, &mut ZoneCache::default());
                    assert_eq!(resolved, Err(Misread::YearOutside), "{written:?}");
                }
            }
        }
    }

    #[test]
    fn years_beyond_four_digits_are_refused() {
        let rule = TimeRule { form: Form::Epoch(1), zone: None };
        let mut cache = ZoneCache::default();
        for text in ["253402300800", "-62167219201"] {
            let written = rule.read(text.as_bytes()).unwrap();
            assert_eq!(rule.resolve(written, Label::Instant, &mut cache), Err(Misread::YearOutside));
        }
        assert!(zone("Mars/Olympus").is_err());
    }
}
