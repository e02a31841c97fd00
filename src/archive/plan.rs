//! Which files a dataset becomes: one, one a year, or one a month.

use std::collections::BTreeMap;

use super::rows::Period;
use super::survey::{Found, Month};

/// Bytes up to which a dataset is one file.
const ONE_FILE_BYTES: f64 = 64e6;

/// Bytes from which on a year is a file a month.
const YEAR_BYTES: f64 = 256e6;

/// Rows up to which no dataset is larger than one file: the widest rows measured take under 32 bytes.
pub(super) const ONE_FILE_ROWS: u64 = 2_000_000;

/// Returns the periods of the files, in order and without a gap between two.
#[allow(clippy::cast_precision_loss, reason = "an estimate")]
pub(super) fn periods(found: &Found, all: Period, bytes_a_row: f64) -> Vec<Period> {
    if found.rows as f64 * bytes_a_row <= ONE_FILE_BYTES {
        return vec![all];
    }
    let mut years: BTreeMap<i64, u64> = BTreeMap::new();
    for (month, rows) in &found.months {
        *years.entry(month.year).or_insert(0) += rows;
    }
    let mut starts = Vec::new();
    for (year, rows) in years {
        if rows as f64 * bytes_a_row <= YEAR_BYTES {
            starts.push(Month { year, month: 1 });
        } else {
            starts.extend(found.months.keys().filter(|month| month.year == year));
        }
    }
    let behind = starts.iter().skip(1).map(|month| Some(month.start())).chain([all.until]);
    let mut periods: Vec<Period> = starts
        .iter()
        .zip(behind)
        .map(|(month, until)| Period { since: Some(month.start()), until })
        .collect();
    if let Some(first) = periods.first_mut() {
        first.since = None;
    }
    periods
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::dataset::Known;

    fn found(months: &[(i64, u32, u64)]) -> Found {
        let months: BTreeMap<Month, u64> =
            months.iter().map(|(year, month, rows)| (Month { year: *year, month: *month }, *rows)).collect();
        Found {
            known: Known::default(),
            series: Vec::new(),
            sums: Vec::new(),
            rows: months.values().sum(),
            months,
            columns: Vec::new(),
        }
    }

    #[test]
    fn a_dataset_is_cut_by_year_and_a_large_year_by_month() {
        let all = Period { since: None, until: Some(i64::MAX) };
        let small = found(&[(2023, 1, 1_000_000), (2024, 2, 1_000_000)]);
        assert_eq!(periods(&small, all, 10.0), [all]);
        let years = found(&[(2023, 1, 10_000_000), (2024, 2, 10_000_000)]);
        let border = Month { year: 2024, month: 1 }.start();
        assert_eq!(
            periods(&years, all, 10.0),
            [Period { since: None, until: Some(border) }, Period { since: Some(border), until: all.until }]
        );
        let months = found(&[(2023, 5, 1_000_000), (2024, 2, 20_000_000), (2024, 4, 20_000_000)]);
        let starts: Vec<_> = periods(&months, all, 10.0).iter().map(|period| period.since).collect();
        let start = |month| Some(Month { year: 2024, month }.start());
        assert_eq!(starts, [None, start(2), start(4)]);
    }
}
