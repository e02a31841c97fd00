//! Which rows of an answer are kept, and which of them are final.

use crate::frame::Frame;
use crate::model::{Span, Table, Timeframe};
use crate::source::Open;

/// What decides about rows.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The range whose rows are kept; all where absent.
    pub asked: Option<Span>,
    /// The length of a bar, where rows are bars.
    pub timeframe: Option<Timeframe>,
    /// How long the provider may still change a row behind its end.
    pub settle: i64,
    /// Which rows are still open.
    pub open: &'a Open,
    /// What the answer says the last closed row is.
    pub open_after: Option<i64>,
    /// Columns of which a row needs one.
    pub needed: &'a [String],
    /// The time now.
    pub now: i64,
}

/// What the rows of an answer say about the range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Rows kept.
    pub rows: u64,
    /// The greatest time of all rows, also of those not kept.
    pub last: Option<i64>,
    /// Where the last final row ends.
    pub final_stop: Option<i64>,
    /// Rows that are final.
    pub final_rows: u64,
    /// The first time that is not settled.
    pub open_from: Option<i64>,
    /// Slots whose rows had no values.
    pub void: Vec<Span>,
}

impl Rule<'_> {
    /// Drops the rows that do not belong, and marks those that may still change.
    pub fn apply(&self, frame: &mut Frame, table: &Table) -> Marks {
        let ts = frame.ts().to_vec();
        let needed: Vec<usize> = self.needed.iter().filter_map(|name| table.value_index(name)).collect();
        let greatest = ts.iter().copied().max();
        let stray = self.stray(&ts);
        let mut marks = Marks { last: greatest, ..Marks::default() };
        let (mut keep, mut is_final) = (Vec::with_capacity(ts.len()), Vec::with_capacity(ts.len()));
        for (row, &at) in ts.iter().enumerate() {
            let is_asked = self.asked.is_none_or(|asked| asked.contains(at)) && stray != Some(at);
            let is_void =
                is_asked && !needed.is_empty() && needed.iter().all(|&at| frame.is_null_at(at, row));
            keep.push(is_asked && !is_void);
            if is_void {
                marks.void.extend(Span::new(at, self.end(at)));
            }
            if !is_asked || is_void {
                continue;
            }
            let settled = self.is_settled(at, greatest);
            is_final.push(settled);
            self.count(&mut marks, at, settled);
        }
        if keep.iter().any(|keep| !keep) {
            frame.retain(&keep);
        }
        if let Some(at) = table.value_index("final")
            && is_final.iter().any(|is_final| !is_final)
        {
            frame.set_booleans(at, &is_final);
        }
        marks
    }

    /// Returns the marks of the rows that `apply` left, by the place of their series in the keys. A slot without
    /// values may be anybody's.
    pub fn by_series(&self, frame: &Frame, all: &Marks) -> Vec<Marks> {
        let none = Marks { last: all.last, void: all.void.clone(), ..Marks::default() };
        let mut marks = vec![none; frame.keys().len()];
        for (&series, &at) in frame.series().iter().zip(frame.ts()) {
            if let Some(marks) = marks.get_mut(series as usize) {
                self.count(marks, at, self.is_settled(at, all.last));
            }
        }
        marks
    }

    fn is_settled(&self, at: i64, greatest: Option<i64>) -> bool {
        !self.is_open(at, greatest) && self.end(at).saturating_add(self.settle) <= self.now
    }

    fn count(&self, marks: &mut Marks, at: i64, is_settled: bool) {
        marks.rows += 1;
        if is_settled {
            marks.final_rows += 1;
            marks.final_stop = marks.final_stop.max(Some(self.end(at)));
        } else {
            marks.open_from = Some(marks.open_from.map_or(at, |first| first.min(at)));
        }
    }

    /// Returns whether the rows look as if their times were read in another unit than they are in.
    pub fn is_other_unit(&self, frame: &Frame) -> bool {
        let Some(asked) = self.asked else { return false };
        let ts = frame.ts();
        let wide = Span {
            start: asked.start.saturating_sub(asked.micros()),
            stop: asked.stop.saturating_add(asked.micros()),
        };
        !ts.is_empty()
            && ts.iter().all(|&at| !asked.contains(at))
            && ts.iter().any(|&at| {
                [1_000, 1_000_000, 1_000_000_000].iter().any(|&factor: &i64| {
                    at.checked_mul(factor).is_some_and(|at| wide.contains(at)) || wide.contains(at / factor)
                })
            })
    }

    fn end(&self, at: i64) -> i64 {
        self.timeframe.map_or(at.saturating_add(1), |timeframe| timeframe.after(at))
    }

    fn is_open(&self, at: i64, greatest: Option<i64>) -> bool {
        match self.open {
            Open::ByTime => self.timeframe.is_some() && self.end(at) > self.now,
            // The last row of a range that is long past is a row like the others.
            Open::LastRow => {
                Some(at) == greatest
                    && self
                        .asked
                        .is_none_or(|asked| self.end(asked.stop).saturating_add(self.settle) > self.now)
            }
            Open::AfterPath => self.open_after.is_some_and(|last| at > last),
        }
    }

    /// Returns the time of the newest row if it stands between the places where the others do: a price of the
    /// moment that some providers append to their bars.
    fn stray(&self, ts: &[i64]) -> Option<i64> {
        let timeframe = self.timeframe.filter(|timeframe| !timeframe.is_day_or_more())?;
        let step = timeframe.min_micros();
        let newest = ts.iter().copied().max()?;
        let mut others = ts.iter().copied().filter(|&at| at != newest);
        let place = others.next()?.rem_euclid(step);
        let is_grid = others.all(|at| at.rem_euclid(step) == place);
        (is_grid && newest.rem_euclid(step) != place && self.end(newest) > self.now).then_some(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{ColumnBuilder, FrameColumns};
    use crate::model::{ColumnType, SeriesKey, TableText, Value, ValueRef};

    const MINUTE: i64 = 60_000_000;

    fn table() -> Table {
        let text: std::collections::BTreeMap<String, TableText> =
            toml::from_str(crate::model::BUILTIN).unwrap();
        Table::parse("bars", &text["bars"]).unwrap()
    }

    /// Bars at minutes; a negative one has no value.
    fn frame(table: &Table, minutes: &[f64]) -> Frame {
        let mut close = ColumnBuilder::new(ColumnType::Double, minutes.len());
        for minute in minutes {
            close.push(if *minute < 0.0 { ValueRef::Null } else { ValueRef::Double(*minute) });
        }
        let mut values: Vec<Option<ColumnBuilder>> = table.values.iter().map(|_| None).collect();
        values[table.value_index("close").unwrap()] = Some(close);
        #[allow(clippy::cast_possible_truncation, reason = "small numbers")]
        let ts = minutes.iter().map(|minute| (minute.abs() * 60e6) as i64).collect();
        Frame::new(FrameColumns {
            keys: vec![SeriesKey([Value::Null].into())],
            series: vec![0; minutes.len()],
            ts,
            seq: None,
            values,
        })
    }

    fn rule(needed: &[String]) -> Rule<'_> {
        Rule {
            asked: Some(Span { start: MINUTE, stop: 9 * MINUTE }),
            timeframe: "1m".parse().ok(),
            settle: 0,
            open: &Open::ByTime,
            open_after: None,
            needed,
            now: 6 * MINUTE,
        }
    }

    #[test]
    fn rows_outside_are_dropped_and_open_ones_are_marked() {
        let table = table();
        let mut frame = frame(&table, &[0.0, 1.0, 2.0, 5.0, 6.0, 9.0]);
        let marks = rule(&[]).apply(&mut frame, &table);
        assert_eq!(frame.ts(), [1, 2, 5, 6].map(|minute| minute * MINUTE));
        let last = table.value_index("final").unwrap();
        let flags: Vec<_> = (0..4).map(|row| frame.cells(last).unwrap().get(row)).collect();
        assert_eq!(flags, [true, true, true, false].map(ValueRef::Boolean));
        assert_eq!((marks.rows, marks.final_rows, marks.last), (4, 3, Some(9 * MINUTE)));
        assert_eq!((marks.final_stop, marks.open_from), (Some(6 * MINUTE), Some(6 * MINUTE)));
    }

    #[test]
    fn settling_rows_are_not_final() {
        let table = table();
        let mut frame = frame(&table, &[1.0, 2.0, 3.0]);
        let marks = Rule { settle: 3 * MINUTE, ..rule(&[]) }.apply(&mut frame, &table);
        assert_eq!((marks.final_rows, marks.final_stop), (2, Some(3 * MINUTE)));
        assert_eq!(marks.open_from, Some(3 * MINUTE));
    }

    #[test]
    fn a_row_without_values_leaves_its_slot() {
        let table = table();
        let mut frame = frame(&table, &[1.0, -2.0, 3.0]);
        let marks = rule(&["open".to_owned(), "close".to_owned()]).apply(&mut frame, &table);
        assert_eq!(frame.len(), 2);
        assert_eq!(marks.void, [Span { start: 2 * MINUTE, stop: 3 * MINUTE }]);
    }

    #[test]
    fn a_price_of_the_moment_beside_the_bars_is_dropped() {
        let table = table();
        let mut live = frame(&table, &[3.0, 4.0, 5.0, 5.5]);
        rule(&[]).apply(&mut live, &table);
        assert_eq!(live.ts(), [3, 4, 5].map(|minute| minute * MINUTE));
        // In the past it may be a bar of another session.
        let mut past = frame(&table, &[1.0, 2.0, 3.5]);
        rule(&[]).apply(&mut past, &table);
        assert_eq!(past.len(), 3);
    }

    #[test]
    fn times_in_another_unit_are_recognised() {
        let table = table();
        let day = 86_400_000_000;
        let asked = Some(Span { start: 19_000 * day, stop: 19_010 * day });
        let rule = Rule { asked, ..rule(&[]) };
        let at = |ts: i64| {
            #[allow(clippy::cast_precision_loss, reason = "whole minutes")]
            let minute = ts as f64 / 60e6;
            frame(&table, &[minute])
        };
        assert!(rule.is_other_unit(&at(19_005 * day / 1_000)));
        assert!(!rule.is_other_unit(&at(19_005 * day)));
        assert!(!rule.is_other_unit(&at(18_000 * day)));
    }
}
