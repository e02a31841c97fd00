//! Windows: the ranges of time of single requests.

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use super::amount;
use super::schema::PerTimeframe;
use super::schema::WindowText;
use super::section::suggestion;
use crate::model::Span;
use crate::model::Timeframe;
use crate::model::Unit;
use crate::model::time::MICROS_PER_DAY;
use crate::model::time::MICROS_PER_SECOND;

/// Windows of one range at most; what lies behind them is asked for by the next fetch.
const MOST_WINDOWS: usize = 1_000_000;

/// Whether the end that is sent lies inside the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// The first time behind the range is sent.
    #[default]
    Exclusive,
    /// The last time inside the range is sent.
    Inclusive,
}

/// How the windows of a dataset are cut.
#[derive(Debug, Default)]
pub(super) struct Window {
    timeframe: Option<Timeframe>,
    pub(super) max_points: Option<u64>,
    /// The longest window, microseconds.
    longest: Option<i64>,
    /// The borders windows are cut at.
    align: Option<Timeframe>,
    pub(super) end: End,
    retention: Option<i64>,
    retention_points: Option<u64>,
    history: Option<i64>,
    /// How much earlier than its start a window is asked, microseconds: a bar may carry a label behind its open.
    pub(super) lead: i64,
}

impl Window {
    pub(super) fn compile(text: &WindowText, timeframe: Option<Timeframe>) -> Result<Self> {
        let section = "[window]";
        let length = |key: &str, per: &PerTimeframe| -> Result<Option<i64>> {
            per_timeframe(per, timeframe).with_context(|| format!("cannot read '{key}' in {section}"))
        };
        let align = match text.align.as_deref().unwrap_or("none") {
            "none" => None,
            "timeframe" => timeframe,
            "day" => Some(Timeframe::new(1, Unit::Day)),
            "month" => Some(Timeframe::new(1, Unit::Month)),
            word => bail!(
                "unknown align '{word}' in {section}, {}",
                suggestion(word, ["none", "timeframe", "day", "month"])
            ),
        };
        let end = match text.end.as_deref().unwrap_or("exclusive") {
            "exclusive" => End::Exclusive,
            "inclusive" => End::Inclusive,
            word => {
                bail!("unknown end '{word}' in {section}, {}", suggestion(word, ["exclusive", "inclusive"]))
            }
        };
        if text.max_points == Some(0) || text.retention_points == Some(0) {
            bail!("invalid number of points '0' in {section}: expected a whole number from 1");
        }
        let by_points = text.max_points.zip(timeframe).map(|(points, timeframe)| bars(timeframe, points));
        let by_span = length("max_span", &text.max_span)?;
        let one_bar = timeframe.map_or(1_000, Timeframe::max_micros);
        Ok(Self {
            timeframe,
            max_points: text.max_points,
            longest: [by_points, by_span].into_iter().flatten().min().map(|length| length.max(one_bar)),
            align,
            end,
            retention: length("retention", &text.retention)?,
            retention_points: text.retention_points,
            history: length("history", &text.history)?,
            lead: length("lead", &text.lead)?.unwrap_or(0),
        })
    }

    /// Returns whether long ranges are cut.
    pub(super) fn is_cut(&self) -> bool {
        self.longest.is_some()
    }

    /// Cuts a range into windows, in order; together they are the range.
    pub(super) fn cut(&self, span: Span) -> Vec<Span> {
        let mut windows = Vec::new();
        let mut start = span.start;
        while start < span.stop && windows.len() < MOST_WINDOWS {
            let stop = self.stop(start).min(span.stop);
            windows.extend(Span::new(start, stop));
            start = stop;
        }
        windows
    }

    /// Returns the end of the longest window that starts at a time.
    fn stop(&self, start: i64) -> i64 {
        let Some(longest) = self.longest else {
            // Without another bound, one request asks for one day or one month.
            let border = self.align.filter(|align| Some(*align) != self.timeframe);
            return border
                .map_or(i64::MAX, |align| align.after(align.floor(start)).max(start.saturating_add(1)));
        };
        let stop = start.saturating_add(longest);
        // A bar of a day carries its date, and opens some hours behind it: cut elsewhere it would be in neither window.
        let is_by_date = self.timeframe.is_some_and(Timeframe::is_day_or_more);
        let day = is_by_date.then(|| Timeframe::new(1, Unit::Day));
        let Some(align) = self.align.or(day) else { return stop };
        let floor = align.floor(stop);
        if floor > start { floor } else { stop }
    }

    /// Returns from when on the provider has data, if it forgets.
    pub(super) fn available_from(&self, now: i64) -> Option<i64> {
        let by_points = self.retention_points.zip(self.timeframe).map(|(points, timeframe)| {
            // The bar that is not over counts as one.
            timeframe.floor(now).saturating_sub(bars(timeframe, points - 1))
        });
        by_points.max(self.retention.map(|length| now.saturating_sub(length)))
    }

    /// Returns how far back a first fetch goes.
    pub(super) fn history(&self, table: &str) -> i64 {
        const MINUTE: i64 = 60 * MICROS_PER_SECOND;
        let default = || match self.timeframe.map(Timeframe::min_micros) {
            None if matches!(table, "trades" | "quotes") => MICROS_PER_DAY,
            Some(..MINUTE) => MICROS_PER_DAY,
            Some(MINUTE) => 7 * MICROS_PER_DAY,
            Some(length) if length < 60 * MINUTE => 30 * MICROS_PER_DAY,
            Some(length) if length < MICROS_PER_DAY => 365 * MICROS_PER_DAY,
            _ => 3_653 * MICROS_PER_DAY,
        };
        self.history.unwrap_or_else(default)
    }
}

/// Returns the length of so many bars; of months the shortest, so that never more are asked for.
fn bars(timeframe: Timeframe, count: u64) -> i64 {
    timeframe.min_micros().saturating_mul(i64::try_from(count).unwrap_or(i64::MAX))
}

fn per_timeframe(per: &PerTimeframe, timeframe: Option<Timeframe>) -> Result<Option<i64>> {
    match per {
        PerTimeframe::All(text) => amount::span(text).map(Some),
        PerTimeframe::Each(each) => {
            let mut found = None;
            for (key, text) in each {
                let (key, length) = (key.parse::<Timeframe>()?, amount::span(text)?);
                if Some(key) == timeframe {
                    found = Some(length);
                }
            }
            Ok(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::section;
    use super::*;
    use crate::model::time::days_from_civil;

    const HOUR: i64 = 3_600 * MICROS_PER_SECOND;

    fn window(text: &str, timeframe: &str) -> Result<Window> {
        let text = section::read(toml::from_str(text).unwrap(), "[window]")?;
        Window::compile(&text, timeframe.parse().ok())
    }

    fn day(year: i64, month: u32, day: u32) -> i64 {
        days_from_civil(year, month, day) * MICROS_PER_DAY
    }

    fn cut(text: &str, timeframe: &str, start: i64, stop: i64) -> Vec<(i64, i64)> {
        let spans = window(text, timeframe).unwrap().cut(Span { start, stop });
        assert!(spans.windows(2).all(|pair| pair[0].stop == pair[1].start));
        assert_eq!((spans[0].start, spans[spans.len() - 1].stop), (start, stop));
        spans.into_iter().map(|span| (span.start, span.stop)).collect()
    }

    #[test]
    fn points_cut_a_range_from_its_start() {
        let (start, stop) = (1_588_280_400_000_000, 1_593_572_400_000_000);
        let border = 1_591_880_400_000_000;
        assert_eq!(
            cut("max_points = 1000\nalign = 'timeframe'", "1h", start, stop),
            [(start, border), (border, stop)]
        );
        assert_eq!(cut("max_points = 1000", "1h", start, start + HOUR), [(start, start + HOUR)]);
        assert_eq!(cut("", "1h", start, stop), [(start, stop)]);
    }

    #[test]
    fn the_smaller_of_points_and_span_wins() {
        let text = "max_points = 1000\nmax_span = { '1h' = '2h', '1d' = '9000d' }";
        assert_eq!(cut(text, "1h", 0, 5 * HOUR), [(0, 2 * HOUR), (2 * HOUR, 4 * HOUR), (4 * HOUR, 5 * HOUR)]);
        assert_eq!(cut(text, "1d", 0, 1_001 * MICROS_PER_DAY).len(), 2);
        assert_eq!(cut("max_span = '1h'", "", 0, 2 * HOUR).len(), 2);
    }

    #[test]
    fn a_window_holds_one_bar_at_least() {
        assert_eq!(cut("max_span = '1h'", "1d", 0, 2 * MICROS_PER_DAY).len(), 2);
        assert_eq!(cut("max_points = 1", "1mo", day(2024, 1, 1), day(2024, 4, 1)).len(), 3);
    }

    #[test]
    fn months_are_cut_at_their_borders() {
        let inside = day(2024, 1, 15) + HOUR;
        assert_eq!(
            cut("align = 'month'", "1m", inside, day(2024, 4, 1) + 1),
            [
                (inside, day(2024, 2, 1)),
                (day(2024, 2, 1), day(2024, 3, 1)),
                (day(2024, 3, 1), day(2024, 4, 1)),
                (day(2024, 4, 1), day(2024, 4, 1) + 1)
            ]
        );
        assert_eq!(cut("align = 'month'", "1m", day(2023, 1, 31), day(2023, 3, 1)).len(), 2);
        // The last days of October in Europe have 25 hours; those of UTC do not.
        assert_eq!(cut("align = 'day'", "1h", day(2024, 10, 26), day(2024, 10, 29)).len(), 3);
        assert_eq!(cut("align = 'month'\nmax_span = '70d'", "1m", inside, day(2024, 4, 1)).len(), 2);
    }

    #[test]
    fn cut_points_lie_on_bars() {
        let windows = cut("max_points = 3\nalign = 'timeframe'", "1h", HOUR / 2, 8 * HOUR);
        assert_eq!(windows, [(HOUR / 2, 3 * HOUR), (3 * HOUR, 6 * HOUR), (6 * HOUR, 8 * HOUR)]);
    }

    #[test]
    fn a_hostile_range_is_bounded() {
        let window = window("max_span = '1ms'", "").unwrap();
        assert_eq!(window.cut(Span { start: i64::MIN, stop: i64::MAX }).len(), MOST_WINDOWS);
        assert_eq!(window.cut(Span { start: 1, stop: 1 }), []);
        assert_eq!(window.cut(Span { start: i64::MAX - 1, stop: i64::MAX }).len(), 1);
    }

    #[test]
    fn what_a_provider_forgets_is_known() {
        let now = day(2024, 1, 31) + HOUR / 2;
        let from = |text: &str, timeframe: &str| window(text, timeframe).unwrap().available_from(now);
        assert_eq!(from("", "1h"), None);
        assert_eq!(from("retention = { '1m' = '29d' }", "1h"), None);
        assert_eq!(from("retention = { '1h' = '29d' }", "1h"), Some(now - 29 * MICROS_PER_DAY));
        assert_eq!(from("retention_points = 720", "1h"), Some(day(2024, 1, 31) - 719 * HOUR));
        assert_eq!(from("retention = '1h'\nretention_points = 720", "1h"), Some(now - HOUR));
    }

    #[test]
    fn history_fits_the_timeframe() {
        let days =
            |text: &str, timeframe: &str| window(text, timeframe).unwrap().history("bars") / MICROS_PER_DAY;
        for (timeframe, expected) in [
            ("10s", 1),
            ("1m", 7),
            ("5m", 30),
            ("30m", 30),
            ("1h", 365),
            ("12h", 365),
            ("1d", 3_653),
            ("1w", 3_653),
            ("", 3_653),
        ] {
            assert_eq!(days("", timeframe), expected, "{timeframe}");
        }
        assert_eq!(days("history = { '1d' = '5d' }", "1d"), 5);
        assert_eq!(window("", "").unwrap().history("trades"), MICROS_PER_DAY);
    }

    #[test]
    fn bad_windows_are_refused() {
        for text in [
            "align = 'week'",
            "end = 'incl'",
            "max_points = 0",
            "max_span = 'x'",
            "max_span = { '1x' = '1d' }",
            "max_span = { '1d' = '' }",
        ] {
            assert!(window(text, "1h").is_err(), "{text}");
        }
    }
}
