//! Deciding the form of a column's times by its head.

use anyhow::{Result, bail};

use super::cell::Misread;
use super::clock;
use super::moment::Form;
use super::pattern::Pattern;
use crate::error::{Failure, visible};

/// Cells after which a form that has no rival is taken without reading the rest of the head.
const ENOUGH: u64 = 1_000;

/// Forms told apart by trying; within one, the first that fits counts.
const FAMILIES: &[(&str, &[&str])] = &[
    ("day/month/year", &["%d/%m/%Y", "%d/%m/%y", "%d-%m-%Y"]),
    ("month/day/year", &["%m/%d/%Y", "%m/%d/%y", "%m-%d-%Y"]),
    ("year/month/day", &["%Y/%m/%d"]),
    ("day.month.year", &["%d.%m.%Y", "%d.%m.%y"]),
    (
        "day, name of the month, year",
        &["%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %b, %Y", "%d/%b/%Y", "%d%b%Y", "%a, %d %b %Y", "%d-%b-%Y"],
    ),
    ("name of the month, day, year", &["%b %d, %Y", "%b %d %Y", "%b-%d-%Y", "%a, %b %d, %Y"]),
    ("yearmonthday and a time of day", &["%Y%m%d"]),
];

/// Places in [`FAMILIES`] that the same text may fit.
const DAY_FIRST: usize = 0;
const MONTH_FIRST: usize = 1;

/// What the cells of a column speak for.
pub(super) struct Evidence {
    families: Vec<Vec<Pattern>>,
    hits: Vec<u64>,
    cells: u64,
    iso: u64,
    numbers: u64,
    /// Of the numbers those that are a plausible `20240131`.
    compact: u64,
    /// The largest distance of a number from 0.
    largest: f64,
    odd: Option<String>,
}

impl Evidence {
    /// Starts without any.
    pub(super) fn new() -> Self {
        let compile = |(_, formats): &(&str, &[&str])| {
            formats.iter().map(|format| Pattern::with_time(format)).collect()
        };
        let families: Vec<_> = FAMILIES.iter().map(compile).collect();
        let hits = vec![0; families.len()];
        Self { families, hits, cells: 0, iso: 0, numbers: 0, compact: 0, largest: 0.0, odd: None }
    }

    /// Takes a cell that is not null into account.
    pub(super) fn observe(&mut self, text: &[u8]) {
        self.cells += 1;
        // A date that does not exist still has the form.
        let has_form = |outcome: Result<_, Misread>| outcome != Err(Misread::NotTime);
        if has_form(clock::iso(text)) {
            self.iso += 1;
            return;
        }
        if clock::count(text, 1) != Err(Misread::NotTime) {
            self.numbers += 1;
            let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
            self.largest = self.largest.max(number.unwrap_or(0.0).abs());
            let is_date = clock::compact(text).is_ok_and(|date| PLAUSIBLE.contains(&date.day));
            self.compact += u64::from(is_date);
            return;
        }
        let mut is_known = false;
        for (family, hits) in self.families.iter().zip(&mut self.hits) {
            let fits = family.iter().any(|pattern| pattern.parse(text).is_ok());
            *hits += u64::from(fits);
            is_known |= fits;
        }
        if !is_known && self.odd.is_none() {
            self.odd = Some(String::from_utf8_lossy(text.get(..40).unwrap_or(text)).into_owned());
        }
    }

    /// Returns whether more cells cannot change the decision.
    pub(super) fn is_settled(&self) -> bool {
        self.cells >= ENOUGH
            && self.numbers == 0
            && self.hits.get(DAY_FIRST) == self.hits.get(MONTH_FIRST)
            && self.hits.get(DAY_FIRST) == Some(&0)
    }

    /// Decides, and says how; `column` is for the error.
    pub(super) fn decide(mut self, column: &str) -> Result<(Form, Option<&'static str>)> {
        let best = (0..self.hits.len()).max_by_key(|&at| (self.hits[at], std::cmp::Reverse(at))).unwrap_or(0);
        let most = self.hits[best];
        if self.cells == 0 || (self.iso > 0 && self.iso >= self.numbers && self.iso >= most) {
            return Ok((Form::Iso, None));
        }
        if self.numbers > 0 && self.numbers >= most {
            return Ok(self.number_form());
        }
        if most == 0 {
            let odd = visible(&self.odd.unwrap_or_default());
            bail!(
                Failure::usage(format!(
                    "cannot read the times of '{column}': '{odd}' has no form barn knows"
                ))
                .hint("`--time-format '%d.%m.%Y %H:%M'` tells the form")
            );
        }
        let is_rival = best == DAY_FIRST || best == MONTH_FIRST;
        if is_rival && self.hits[DAY_FIRST] == self.hits[MONTH_FIRST] {
            bail!(
                Failure::usage(format!(
                    "cannot read the times of '{column}': they may be day/month/year or month/day/year"
                ))
                .hint("`--time-format '%d/%m/%Y'` or `--time-format '%m/%d/%Y'` tells which")
            );
        }
        Ok((Form::Patterns(self.families.swap_remove(best)), Some(FAMILIES[best].0)))
    }

    fn number_form(&self) -> (Form, Option<&'static str>) {
        if self.compact == self.numbers {
            return (Form::Compact, Some("dates written yearmonthday"));
        }
        // Between 1966 and 5138 each unit has its own magnitude.
        let (per_second, words) = match self.largest {
            size if size < 1e11 => (1, "seconds since 1970"),
            size if size < 1e14 => (1_000, "milliseconds since 1970"),
            size if size < 1e17 => (1_000_000, "microseconds since 1970"),
            _ => (1_000_000_000, "nanoseconds since 1970"),
        };
        (Form::Epoch(per_second), Some(words))
    }
}

/// Days on which an eight-digit number is taken for a date: 1800-01-01 to 2199-12-31.
const PLAUSIBLE: std::ops::RangeInclusive<i64> = -62_091..=84_005;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::days_from_civil;

    fn decide(cells: &[&str]) -> Result<(Form, Option<&'static str>)> {
        let mut evidence = Evidence::new();
        for cell in cells {
            evidence.observe(cell.as_bytes());
        }
        evidence.decide("Date")
    }

    #[test]
    fn the_plausible_days_are_four_centuries() {
        assert_eq!(PLAUSIBLE, days_from_civil(1800, 1, 1)..=days_from_civil(2199, 12, 31));
    }

    #[test]
    fn numbers_are_told_apart_by_the_largest() {
        let cases: [(&[&str], &str); 8] = [
            (&["0", "1315922016"], "seconds since 1970"),
            (&["-2208988800"], "seconds since 1970"),
            (&["1315922016.5"], "seconds since 1970"),
            (&["5", "1315922016000"], "milliseconds since 1970"),
            (&["1315922016000000"], "microseconds since 1970"),
            (&["1315922016000000000"], "nanoseconds since 1970"),
            (&["20240131", "19991231"], "dates written yearmonthday"),
            (&["20240131", "20240132"], "seconds since 1970"),
        ];
        for (cells, words) in cases {
            assert_eq!(decide(cells).unwrap().1, Some(words), "{cells:?}");
        }
    }

    #[test]
    fn texts_are_told_apart_by_what_fits() {
        let cases: [(&[&str], Option<&str>); 13] = [
            (&[], None),
            (&["2024-01-31"], None),
            (&["2024-01-31T09:30:00Z", "bad", "2024-01-32"], None),
            (&["01/02/2024", "13/02/2024"], Some("day/month/year")),
            (&["01/02/24", "2/13/24 09:30"], Some("month/day/year")),
            (&["16/08/14", "17/08/2014"], Some("day/month/year")),
            (&["2024/01/31 09:30:00.5"], Some("year/month/day")),
            (&["31.01.2024 09:30"], Some("day.month.year")),
            (&["31-Dec-10", "bad"], Some("day, name of the month, year")),
            (&["05-Aug-2025 13:59:23"], Some("day, name of the month, year")),
            (&["Jan 31, 2024"], Some("name of the month, day, year")),
            (&["20140623 220000"], Some("yearmonthday and a time of day")),
            (&["20140623 22:00:00"], Some("yearmonthday and a time of day")),
        ];
        for (cells, words) in cases {
            assert_eq!(decide(cells).unwrap().1, words, "{cells:?}");
        }
    }

    #[test]
    fn an_undecided_day_and_month_is_refused() {
        for cells in [&["01/02/2024"][..], &["13/01/2024", "01/13/2024"]] {
            let error = decide(cells).unwrap_err();
            assert!(error.to_string().contains("day/month/year or month/day/year"), "{error}");
        }
        assert!(decide(&["tomorrow"]).unwrap_err().to_string().contains("'tomorrow' has no form"));
    }
}
