//! What an answered range means for the ledger.

use super::settle::Marks;
use crate::model::{Span, Timeframe, subtract};
use crate::store::{Coverage, State};

/// What is known of a range after its last page.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    final_stop: Option<i64>,
    final_rows: u64,
    open_from: Option<i64>,
    void: Vec<Span>,
}

/// When a range was asked, and when its rows are final.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The time of the request.
    pub(super) now: i64,
    /// How long rows may still change.
    pub(super) settle: i64,
    /// The length of a bar.
    pub(super) timeframe: Option<Timeframe>,
}

impl Gathered {
    /// Adds the marks of a page.
    pub(super) fn add(&mut self, marks: &Marks) {
        self.final_stop = self.final_stop.max(marks.final_stop);
        self.final_rows += marks.final_rows;
        self.open_from = match (self.open_from, marks.open_from) {
            (Some(left), Some(right)) => Some(left.min(right)),
            (left, right) => left.or(right),
        };
        self.void.extend(&marks.void);
    }

    /// Returns what the ledger learns: `have` to the end of the last final row, `empty` from there as far as
    /// rows could not come any more. A slot whose row had no values stays open.
    pub(super) fn coverage(&self, asked: Span, moment: Moment) -> Vec<Coverage> {
        let Moment { now, settle, timeframe } = moment;
        let settled = now.saturating_sub(settle);
        let settled = timeframe.map_or(settled, |timeframe| timeframe.floor(settled));
        let have_stop = self.final_stop.map_or(asked.start, |stop| stop.min(asked.stop));
        // The last row of a page may be open though there is a page behind it.
        let have_stop = have_stop.min(self.open_from.unwrap_or(i64::MAX).max(asked.start));
        let first_open = self.open_from.into_iter().chain(self.void.iter().map(|span| span.start)).min();
        let empty_stop = asked.stop.min(settled).min(first_open.unwrap_or(i64::MAX).max(have_stop));
        let mut coverage = Vec::new();
        let mut add = |span: Option<Span>, state, rows: u64| {
            let mut rows = rows;
            for span in span.map(|span| subtract(span, &self.void)).unwrap_or_default() {
                coverage.push(Coverage { span, state, rows, fetched_at: now });
                rows = 0;
            }
        };
        add(Span::new(asked.start, have_stop), State::Have, self.final_rows);
        add(Span::new(have_stop, empty_stop), State::Empty, 0);
        coverage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn moment(now: i64, settle: i64) -> Moment {
        Moment { now, settle, timeframe: "1h".parse().ok() }
    }

    fn spans(gathered: &Gathered, asked: Span, moment: Moment) -> Vec<(i64, i64, State)> {
        let coverage = gathered.coverage(asked, moment);
        coverage.iter().map(|one| (one.span.start / HOUR, one.span.stop / HOUR, one.state)).collect()
    }

    #[test]
    fn the_ledger_has_what_is_final_and_knows_what_stayed_empty() {
        let asked = Span { start: 0, stop: 10 * HOUR };
        let mut gathered = Gathered::default();
        assert_eq!(spans(&gathered, asked, moment(100 * HOUR, 0)), [(0, 10, State::Empty)]);
        assert_eq!(spans(&gathered, asked, moment(12 * HOUR, 5 * HOUR)), [(0, 7, State::Empty)]);
        assert_eq!(spans(&gathered, asked, moment(12 * HOUR, 50 * HOUR)), []);
        gathered.add(&Marks { final_stop: Some(6 * HOUR), final_rows: 6, ..Marks::default() });
        assert_eq!(
            spans(&gathered, asked, moment(100 * HOUR, 0)),
            [(0, 6, State::Have), (6, 10, State::Empty)]
        );
        gathered.add(&Marks { open_from: Some(7 * HOUR), ..Marks::default() });
        assert_eq!(
            spans(&gathered, asked, moment(100 * HOUR, 0)),
            [(0, 6, State::Have), (6, 7, State::Empty)]
        );
    }

    #[test]
    fn what_lies_behind_an_open_row_is_not_had() {
        let asked = Span { start: 0, stop: 10 * HOUR };
        let mut gathered = Gathered { final_stop: Some(9 * HOUR), ..Gathered::default() };
        gathered.add(&Marks { open_from: Some(4 * HOUR), ..Marks::default() });
        assert_eq!(spans(&gathered, asked, moment(100 * HOUR, 0)), [(0, 4, State::Have)]);
    }

    #[test]
    fn a_slot_without_values_stays_open() {
        let asked = Span { start: 0, stop: 4 * HOUR };
        let void = vec![Span { start: HOUR, stop: 2 * HOUR }];
        let gathered = Gathered { final_stop: Some(4 * HOUR), final_rows: 3, open_from: None, void };
        assert_eq!(spans(&gathered, asked, moment(9 * HOUR, 0)), [(0, 1, State::Have), (2, 4, State::Have)]);
    }
}
