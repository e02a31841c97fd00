//! What the providers of the demo know: prices from a seed, the same on every machine and day.

use crate::model::time;

/// The clock of the demo, in the middle of an hour.
pub(super) const NOW: &str = "2024-06-01T12:30:00Z";
/// The same in seconds since 1970.
const NOW_SECONDS: i64 = 1_717_245_000;

/// The first bar of the exchange: 2024-05-01.
const FIRST_HOUR: i64 = 1_714_521_600;
/// The hours in which the exchange was down, counted from its first one.
const OUTAGE: std::ops::Range<usize> = 300..304;
/// The day on which the chart service has nothing but nulls, and the one without a volume.
const NULL_DAYS: [usize; 2] = [40, 41];
/// The days, counted from the first one, of the dividend and of the split.
const EVENT_DAYS: [usize; 2] = [30, 60];

/// Numbers from a seed (xorshift64*).
struct Numbers(u64);

impl Numbers {
    /// Returns a number below a bound.
    fn below(&mut self, bound: i64) -> i64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        i64::try_from(number).unwrap_or(0) % bound
    }
}

/// A bar: its begin in seconds, its prices in cents.
struct Bar {
    ts: i64,
    prices: [i64; 4],
    volume: i64,
}

/// Returns bars at these times: a walk whose steps are at most a hundredth of the price.
fn walk(seed: u64, start: i64, times: impl Iterator<Item = i64>) -> Vec<Bar> {
    let mut numbers = Numbers(seed);
    let mut price = start;
    times
        .map(|ts| {
            let open = price;
            price += numbers.below(open / 50) - open / 100;
            let (high, low) = (open.max(price), open.min(price));
            let prices = [open, high + numbers.below(open / 200), low - numbers.below(open / 200), price];
            Bar { ts, prices, volume: 1_000 + numbers.below(90_000) }
        })
        .collect()
}

/// Returns the days from one date to before another that are no Saturday and no Sunday.
fn weekdays(from: i64, to: i64) -> impl Iterator<Item = i64> {
    // 1970-01-01 was a Thursday.
    (from..to).filter(|day| !matches!((day + 4).rem_euclid(7), 0 | 6))
}

fn decimal(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The bars of both providers.
pub(super) struct Market {
    hours: Vec<Bar>,
    days: Vec<Bar>,
}

impl Market {
    /// Computes the bars.
    pub(super) fn new() -> Self {
        let hours = (FIRST_HOUR..=NOW_SECONDS).step_by(3_600);
        let mut hours = walk(11, 6_000_000, hours);
        hours.drain(OUTAGE);
        let first = time::days_from_civil(2024, 1, 2);
        let summer = time::days_from_civil(2024, 3, 10);
        // The session begins at 9:30 in New York.
        let open = |day: i64| day * 86_400 + if day < summer { 52_200 } else { 48_600 };
        let days = walk(12, 18_000, weekdays(first, NOW_SECONDS / 86_400).map(open));
        Self { hours, days }
    }

    /// Answers as an exchange does: arrays of texts, both ends inclusive, cut silently at the limit.
    pub(super) fn rows(&self, start_ms: i64, end_ms: i64, limit: usize) -> String {
        let asked = self.hours.iter().filter(|bar| (start_ms..=end_ms).contains(&(bar.ts * 1_000)));
        let rows = asked.take(limit).map(|bar| {
            let [open, high, low, close] = bar.prices.map(decimal);
            format!("[{}000,\"{open}\",\"{high}\",\"{low}\",\"{close}\",\"{}\"]", bar.ts, bar.volume)
        });
        format!("[{}]", rows.collect::<Vec<_>>().join(","))
    }

    /// Answers as a chart service does: columns beside each other, with nulls, and events keyed by time.
    pub(super) fn columns(&self, start: i64, end: i64) -> String {
        let asked = || self.days.iter().enumerate().filter(|(_, bar)| (start..end).contains(&bar.ts));
        let list = |value: &dyn Fn(usize, &Bar) -> String| {
            asked().map(|(at, bar)| value(at, bar)).collect::<Vec<_>>().join(",")
        };
        let price = |field: usize| {
            list(&|at, bar: &Bar| {
                if at == NULL_DAYS[0] { "null".to_owned() } else { decimal(bar.prices[field]) }
            })
        };
        let volume = list(&|at, bar| {
            if NULL_DAYS.contains(&at) { "null".to_owned() } else { bar.volume.to_string() }
        });
        let event = |day: usize, fields: &str| {
            let there = asked().find(|(at, _)| *at == day);
            there.map_or_else(String::new, |(_, bar)| format!("\"{0}\":{{{fields},\"date\":{0}}}", bar.ts))
        };
        let timestamps = list(&|_, bar| bar.ts.to_string());
        if timestamps.is_empty() {
            return r#"{"chart":{"result":[{"indicators":{"quote":[{}]}}],"error":null}}"#.to_owned();
        }
        format!(
            r#"{{"chart":{{"result":[{{"meta":{{"symbol":"ACME","currency":"USD"}},"timestamp":[{timestamps}],"#,
        ) + &format!(
            r#""events":{{"dividends":{{{}}},"splits":{{{}}}}},"#,
            event(EVENT_DAYS[0], r#""amount":0.24"#),
            event(EVENT_DAYS[1], r#""numerator":2,"denominator":1,"splitRatio":"2:1""#),
        ) + &format!(
            r#""indicators":{{"quote":[{{"open":[{}],"high":[{}],"low":[{}],"close":[{}],"volume":[{volume}]}}]}}}}],"error":null}}}}"#,
            price(0),
            price(1),
            price(2),
            price(3),
        )
    }
}

/// Returns a file of daily bars such as a spreadsheet writes.
pub(super) fn csv() -> String {
    let days = weekdays(time::days_from_civil(2023, 11, 1), time::days_from_civil(2024, 1, 1));
    let mut lines = vec!["Date,Symbol,Open,High,Low,Close,Volume\n".to_owned()];
    for bar in walk(13, 17_000, days.map(|day| day * 86_400)) {
        let date = time::format_timestamp(bar.ts * time::MICROS_PER_SECOND);
        let date = date.split('T').next().unwrap_or_default();
        let [open, high, low, close] = bar.prices.map(decimal);
        lines.push(format!("{date},ACME,{open},{high},{low},{close},{}\n", bar.volume));
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(rows: &serde_json::Value) -> Vec<i64> {
        rows.as_array().unwrap().iter().map(|row| row[0].as_i64().unwrap()).collect()
    }

    #[test]
    fn the_exchange_has_two_pages_a_hole_and_an_open_bar() {
        let market = Market::new();
        let page = |start: i64| -> serde_json::Value {
            serde_json::from_str(&market.rows(start, NOW_SECONDS * 1_000, 500)).unwrap()
        };
        let first = times(&page(FIRST_HOUR * 1_000));
        let second = times(&page(first[499] + 3_600_000));
        assert_eq!((first.len(), second.len()), (500, 31 * 24 + 13 - 4 - 500));
        let holes: Vec<_> = first.windows(2).filter(|two| two[1] - two[0] != 3_600_000).collect();
        assert_eq!(holes.len(), 1);
        assert_eq!(holes[0][1] - holes[0][0], 5 * 3_600_000);
        assert!(second.last().unwrap() + 3_600_000 > NOW_SECONDS * 1_000);
    }

    #[test]
    fn the_chart_has_nulls_a_split_and_a_dividend() {
        let market = Market::new();
        let chart: serde_json::Value = serde_json::from_str(&market.columns(0, NOW_SECONDS)).unwrap();
        let result = &chart["chart"]["result"][0];
        let quote = &result["indicators"]["quote"][0];
        let nulls =
            |name: &str| quote[name].as_array().unwrap().iter().filter(|value| value.is_null()).count();
        assert_eq!((nulls("open"), nulls("close"), nulls("volume")), (1, 1, 2));
        let days = result["timestamp"].as_array().unwrap().len();
        assert_eq!((days, quote["low"].as_array().unwrap().len()), (109, 109));
        assert_eq!(result["events"]["dividends"].as_object().unwrap().len(), 1);
        assert_eq!(result["events"]["splits"].as_object().unwrap().len(), 1);
        let nothing: serde_json::Value = serde_json::from_str(&market.columns(0, 9)).unwrap();
        assert!(nothing["chart"]["result"][0].get("timestamp").is_none());
    }

    #[test]
    fn prices_are_plausible() {
        let market = Market::new();
        for bar in market.hours.iter().chain(&market.days) {
            let [open, high, low, close] = bar.prices;
            assert!(low > 0 && low <= open.min(close) && high >= open.max(close) && bar.volume > 0);
        }
        assert_eq!(csv().lines().count(), 1 + 43);
    }
}
