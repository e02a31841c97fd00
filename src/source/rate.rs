//! The limits of a provider: what a request costs, and when a budget starts again.

use std::collections::BTreeMap;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use jiff::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::amount;
use super::schema::RateText;
use super::section::suggestion;
use crate::model::time::MICROS_PER_DAY;

/// What decides whose requests are counted together.
const SCOPES: [&str; 3] = ["ip", "key", "host"];

/// A limit of a provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// The name its state is kept under by all processes.
    pub name: String,
    /// The time it counts, microseconds.
    pub per_micros: i64,
    /// What may be spent in that time.
    pub max: f64,
    /// What may be spent at once.
    pub burst: f64,
    /// What one request spends.
    pub cost: f64,
    /// When the count starts again, for limits of a day or a month.
    pub calendar: Option<Reset>,
    /// The header that tells what is spent.
    pub used_header: Option<String>,
    /// The header that tells what is left.
    pub remaining_header: Option<String>,
}

/// When a limit of a day or a month starts again.
#[derive(Clone, Debug, PartialEq)]
pub struct Reset {
    is_monthly: bool,
    at: Time,
    zone: TimeZone,
}

/// Reads a limit of a source; `host` is the first host of its requests.
pub(super) fn compile(
    text: RateText,
    source: &str,
    host: &str,
    options: &BTreeMap<String, String>,
) -> Result<Rate> {
    let per_micros = amount::span(&text.per).context("cannot read 'per' of [[rate]]")?;
    ensure!(
        text.max > 0.0 && text.max.is_finite(),
        "invalid max '{}' in [[rate]]: expected a number above 0",
        text.max
    );
    let burst = text.burst.unwrap_or(text.max);
    ensure!(
        burst > 0.0 && burst.is_finite(),
        "invalid burst '{burst}' in [[rate]]: expected a number above 0"
    );
    let cost = match &text.cost {
        None => 1.0,
        Some(expression) => cost(&expression.0, options)?,
    };
    let scope = text.scope.as_deref().unwrap_or("ip");
    ensure!(SCOPES.contains(&scope), "unknown scope '{scope}' in [[rate]], {}", suggestion(scope, SCOPES));
    let whose = if scope == "host" { host } else { source };
    let calendar = match (text.per.as_str(), text.reset.as_deref()) {
        ("1d" | "1mo", reset) => Some(Reset::parse(text.per == "1mo", reset.unwrap_or("00:00"))?),
        (_, None) => None,
        (per, Some(_)) => {
            bail!("invalid 'reset' in [[rate]]: it is for a per of 1d or 1mo, and per is '{per}'")
        }
    };
    Ok(Rate {
        name: format!("{whose}/{scope}/{}", text.per),
        per_micros,
        max: text.max,
        burst: burst.min(text.max),
        cost,
        calendar,
        used_header: text.used_header,
        remaining_header: text.remaining_header,
    })
}

/// Computes a sum of products of numbers and `len(OPTION)`.
fn cost(expression: &str, options: &BTreeMap<String, String>) -> Result<f64> {
    let factor = |word: &str| -> Result<f64> {
        let word = word.trim();
        if let Some(name) = word.strip_prefix("len(").and_then(|rest| rest.strip_suffix(')')) {
            let value = options.get(name.trim()).with_context(|| {
                format!("unknown option '{name}', {}", suggestion(name, options.keys().map(String::as_str)))
            })?;
            let parts = value.split(',').filter(|part| !part.trim().is_empty()).count();
            return Ok(f64::from(u32::try_from(parts).unwrap_or(u32::MAX)));
        }
        match word.parse::<f64>() {
            Ok(number) if number >= 0.0 && number.is_finite() => Ok(number),
            _ => bail!("'{word}' is neither a number nor len(OPTION)"),
        }
    };
    let mut sum = 0.0;
    for product in expression.split('+') {
        let mut all = 1.0;
        for word in product.split('*') {
            all *= factor(word).with_context(|| format!("invalid cost '{expression}' in [[rate]]"))?;
        }
        sum += all;
    }
    ensure!(f64::is_finite(sum), "invalid cost '{expression}' in [[rate]]: it is too large");
    Ok(sum)
}

impl Reset {
    /// Reads `00:00 America/New_York`; without a zone it is UTC.
    fn parse(is_monthly: bool, text: &str) -> Result<Self> {
        let (at, zone) = text.split_once(' ').unwrap_or((text, "UTC"));
        let invalid =
            || format!("invalid reset '{text}' in [[rate]]: expected a time and a zone, as in 00:00 UTC");
        let (hour, minute) = at.split_once(':').with_context(invalid)?;
        let at = Time::new(hour.parse().with_context(invalid)?, minute.parse().with_context(invalid)?, 0, 0)
            .with_context(invalid)?;
        let zone = TimeZone::get(zone.trim()).with_context(invalid)?;
        Ok(Self { is_monthly, at, zone })
    }

    /// Returns the period that a time lies in: its start and its end.
    pub fn period(&self, now: i64) -> (i64, i64) {
        let day = now.div_euclid(MICROS_PER_DAY).saturating_mul(MICROS_PER_DAY);
        // Outside of the years that a calendar has, days of UTC do.
        self.calendar_period(now).unwrap_or((day, day.saturating_add(MICROS_PER_DAY)))
    }

    fn calendar_period(&self, now: i64) -> Option<(i64, i64)> {
        let moment = |date: Date| -> Option<i64> {
            let zoned = date.to_datetime(self.at).to_zoned(self.zone.clone()).ok()?;
            Some(zoned.timestamp().as_microsecond())
        };
        let step = if self.is_monthly { 1.month() } else { 1.day() };
        let today = Timestamp::from_microsecond(now).ok()?.to_zoned(self.zone.clone()).date();
        let mut date = if self.is_monthly { today.first_of_month() } else { today };
        if moment(date)? > now {
            date = date.checked_sub(step).ok()?;
        }
        Some((moment(date)?, moment(date.checked_add(step).ok()?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::section;
    use super::*;

    fn rate(text: &str) -> Result<Rate> {
        let options = [
            ("markets".to_owned(), "h2h, spreads,".to_owned()),
            ("regions".to_owned(), "uk,us,eu".to_owned()),
        ];
        compile(
            section::read(toml::from_str(text).unwrap(), "[[rate]]")?,
            "odds",
            "api.odds.com",
            &options.into(),
        )
    }

    #[test]
    fn a_cost_is_computed_from_options() {
        let cost = |text: &str| rate(&format!("per = '1m'\nmax = 100\ncost = {text}")).map(|rate| rate.cost);
        for (text, value) in [
            ("2", 2.0),
            ("'2.5'", 2.5),
            ("'len(markets)*len(regions)'", 6.0),
            ("'10*len( regions )+1'", 31.0),
        ] {
            assert!((cost(text).unwrap() - value).abs() < 1e-9, "{text}");
        }
        for text in ["''", "'len(x)'", "'-1'", "'1e999'", "'1**2'", "'len(markets'", "'inf'", "'1e308*1e308'"]
        {
            assert!(cost(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_tells_whose_requests_are_counted() {
        assert_eq!(rate("per = '1m'\nmax = 5").unwrap().name, "odds/ip/1m");
        assert_eq!(rate("per = '1m'\nmax = 5\nscope = 'host'").unwrap().name, "api.odds.com/host/1m");
        for text in [
            "per = '1m'",
            "per = ''\nmax = 1",
            "per = '1m'\nmax = nan",
            "per = '1m'\nmax = 1\nscope = 'x'",
            "per = '1m'\nmax = 1\nreset = '00:00 UTC'",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_of_new_york_has_23_hours_in_march() {
        let reset = rate("per = '1d'\nmax = 25\nreset = '00:00 America/New_York'").unwrap().calendar.unwrap();
        // 2024-03-10T12:00:00Z; the clocks went forward that night.
        let (start, stop) = reset.period(1_710_072_000_000_000);
        assert_eq!((start, stop), (1_710_046_800_000_000, 1_710_129_600_000_000));
        assert_eq!(reset.period(start), (start, stop));
        assert_eq!(reset.period(start - 1).1, start);
        assert_eq!(stop - start, 23 * 3_600_000_000);
    }

    #[test]
    fn months_follow_the_calendar() {
        let reset = rate("per = '1mo'\nmax = 500").unwrap().calendar.unwrap();
        // February 2024.
        assert_eq!(reset.period(1_707_000_000_000_000), (1_706_745_600_000_000, 1_709_251_200_000_000));
        let late = rate("per = '1mo'\nmax = 500\nreset = '06:00 UTC'").unwrap().calendar.unwrap();
        assert_eq!(late.period(1_706_745_600_000_000).1, 1_706_745_600_000_000 + 6 * 3_600_000_000);
        assert!(reset.period(i64::MAX).0 > 0);
        assert!(reset.period(i64::MIN).1 < 0);
    }
}
