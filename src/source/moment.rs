//! Times as providers want them written: `unix_ms`, `iso`, `strftime('%d-%b-%Y','Asia/Kolkata')`.

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::section::suggestion;
use crate::model::time::MICROS_PER_DAY;
use crate::model::time::MICROS_PER_SECOND;
use crate::model::time::civil_from_days;
use crate::model::time::is_in_range;

/// The words of [`MomentForm::parse`].
const WORDS: [&str; 9] =
    ["unix_s", "unix_ms", "unix_us", "unix_ns", "iso", "iso_ms", "date", "date_compact", "strftime('…')"];

/// How a time is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MomentForm {
    /// A number since 1970: how many make a second.
    Unix(i64),
    /// `2024-01-31T00:00:00Z`
    Iso,
    /// `2024-01-31T00:00:00.000Z`
    IsoMillis,
    /// `2024-01-31`
    Date,
    /// `20240131`
    DateCompact,
    /// As the provider's own pattern says, in a zone.
    Pattern(String, TimeZone),
}

impl MomentForm {
    /// Reads the word behind the colon of a placeholder.
    pub(super) fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "unix_s" => Self::Unix(1),
            "unix_ms" => Self::Unix(1_000),
            "unix_us" => Self::Unix(1_000_000),
            "unix_ns" => Self::Unix(1_000_000_000),
            "iso" => Self::Iso,
            "iso_ms" => Self::IsoMillis,
            "date" => Self::Date,
            "date_compact" => Self::DateCompact,
            _ => match text.strip_prefix("strftime(").and_then(|rest| rest.strip_suffix(')')) {
                Some(inside) => Self::pattern(inside).with_context(|| {
                    format!("invalid time format '{text}': expected strftime('%Y-%m-%d','Zone')")
                })?,
                None => bail!("unknown time format '{text}', {}", suggestion(text, WORDS)),
            },
        })
    }

    fn pattern(inside: &str) -> Result<Self> {
        let mut parts = Vec::new();
        let mut rest = inside.trim();
        loop {
            let quoted = rest.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
            let (part, behind) = quoted.context("a text in single quotes is missing")?;
            parts.push(part);
            rest = behind.trim_start();
            if rest.is_empty() {
                break;
            }
            rest = rest.strip_prefix(',').context("a comma is missing")?.trim_start();
        }
        let (pattern, zone) = match parts[..] {
            [pattern] => (pattern, TimeZone::UTC),
            [pattern, zone] => {
                (pattern, TimeZone::get(zone).with_context(|| format!("unknown time zone '{zone}'"))?)
            }
            _ => bail!("it has {} texts, at most 2 are expected", parts.len()),
        };
        let form = Self::Pattern(pattern.to_owned(), zone);
        form.write(0)?;
        Ok(form)
    }

    /// Writes a time; what the form cannot hold is cut off.
    pub(super) fn write(&self, micros: i64) -> Result<String> {
        if !is_in_range(micros) {
            bail!("cannot write a time outside of the years 0 to 9999");
        }
        let days = micros.div_euclid(MICROS_PER_DAY);
        let (year, month, day) = civil_from_days(days);
        let second = micros.rem_euclid(MICROS_PER_DAY) / MICROS_PER_SECOND;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        Ok(match self {
            Self::Unix(1_000_000_000) => format!("{micros}000"),
            Self::Unix(per_second) => micros.div_euclid(MICROS_PER_SECOND / per_second).to_string(),
            Self::Iso => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
            Self::IsoMillis => {
                let milli = micros.rem_euclid(MICROS_PER_SECOND) / 1_000;
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
            }
            Self::Date => format!("{year:04}-{month:02}-{day:02}"),
            Self::DateCompact => format!("{year:04}{month:02}{day:02}"),
            Self::Pattern(pattern, zone) => {
                let time = Timestamp::from_microsecond(micros).context("cannot write a time")?;
                strtime::format(pattern, &time.to_zoned(zone.clone()))
                    .with_context(|| format!("invalid pattern '{pattern}'"))?
            }
        })
    }

    /// Returns the length of what the form cannot tell apart.
    pub(super) fn unit(&self) -> i64 {
        match self {
            Self::Unix(per_second) => (MICROS_PER_SECOND / per_second).max(1),
            Self::Iso => MICROS_PER_SECOND,
            Self::IsoMillis => 1_000,
            Self::Date | Self::DateCompact => MICROS_PER_DAY,
            Self::Pattern(pattern, _) => {
                let has = |signs: &str| signs.chars().any(|sign| pattern.contains(&format!("%{sign}")));
                if has("STsfcrX") {
                    MICROS_PER_SECOND
                } else if has("MR") {
                    60 * MICROS_PER_SECOND
                } else if has("HIkl") {
                    3_600 * MICROS_PER_SECOND
                } else if has("deFDxjaA") {
                    MICROS_PER_DAY
                } else {
                    31 * MICROS_PER_DAY
                }
            }
        }
    }

    /// Writes the first time of the form that is not earlier, where the form counts seconds or less.
    pub(super) fn write_up(&self, micros: i64) -> Result<String> {
        match self.unit() {
            unit @ 1..=MICROS_PER_SECOND => self.write(micros.saturating_add(unit - 1)),
            _ => self.write(micros),
        }
    }

    /// Writes the end of a range that does not belong to it: no time before it is left out, whatever the form.
    pub(super) fn write_end(&self, micros: i64) -> Result<String> {
        self.write(micros.saturating_add(self.unit() - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-01-31T20:15:30.123456Z
    const MOMENT: i64 = 1_706_732_130_123_456;

    #[test]
    fn each_form_writes_the_same_moment() {
        let cases = [
            ("unix_s", "1706732130"),
            ("unix_ms", "1706732130123"),
            ("unix_us", "1706732130123456"),
            ("unix_ns", "1706732130123456000"),
            ("iso", "2024-01-31T20:15:30Z"),
            ("iso_ms", "2024-01-31T20:15:30.123Z"),
            ("date", "2024-01-31"),
            ("date_compact", "20240131"),
            ("strftime('%d-%b-%Y')", "31-Jan-2024"),
            ("strftime('%d-%b-%Y','Asia/Kolkata')", "01-Feb-2024"),
            ("strftime('%Y-%m %H:%M', 'America/New_York')", "2024-01 15:15"),
        ];
        for (form, text) in cases {
            assert_eq!(MomentForm::parse(form).unwrap().write(MOMENT).unwrap(), text, "{form}");
        }
        assert_eq!(MomentForm::Unix(1).write_up(MOMENT).unwrap(), "1706732131");
        assert_eq!(MomentForm::Unix(1_000).write_up(MOMENT).unwrap(), "1706732130124");
        assert_eq!(MomentForm::Unix(1).write_up(1_000_000).unwrap(), "1");
        assert_eq!(MomentForm::Unix(1_000).write(-1).unwrap(), "-1");
        let end = |form: &str, micros: i64| MomentForm::parse(form).unwrap().write_end(micros).unwrap();
        // The rows of a day that a range ends in belong to it.
        assert_eq!(end("date", MOMENT), "2024-02-01");
        assert_eq!(end("date", MICROS_PER_DAY), "1970-01-02");
        assert_eq!(end("strftime('%Y-%m-%d')", MOMENT), "2024-02-01");
        assert_eq!(end("strftime('%H:%M:%S')", MOMENT), "20:15:31");
        assert_eq!(end("unix_ms", MOMENT), "1706732130124");
    }

    #[test]
    fn other_forms_are_refused() {
        for form in [
            "",
            "unix",
            "strftime()",
            "strftime('%d",
            "strftime('%d' 'UTC')",
            "strftime('%d','Mars')",
            "strftime('%J')",
        ] {
            assert!(MomentForm::parse(form).is_err(), "{form}");
        }
        assert!(MomentForm::Iso.write(i64::MAX).is_err());
        assert!(MomentForm::Iso.write_up(i64::MAX).is_err());
        let error = MomentForm::parse("unix_sec").unwrap_err().to_string();
        assert_eq!(error, "unknown time format 'unix_sec', the nearest is 'unix_s'");
    }
}
