//! The rows that are measured: seeded random walks, the same on every machine.

use std::fmt::Write as _;

/// 505 symbols of 1,225 days: the size of five years of the S&P 500.
pub(super) const SYMBOLS: usize = 505;
pub(super) const DAYS: i64 = 1_225;
/// 500 symbols of 10,000 minutes: what an aggregate or an export has to read.
pub(super) const MANY_SYMBOLS: usize = 500;
pub(super) const MINUTES: i64 = 10_000;

/// 2013-02-08, a Friday, in days since 1970.
const FIRST_DAY: i64 = 15_744;

/// A seeded generator (xorshift64*), so that every machine measures the same rows.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

/// Daily bars of symbols, a random walk in cents, sorted by symbol and date.
pub(super) fn daily(symbols: usize, days: i64) -> String {
    let dates: Vec<String> = (0..days).map(|day| date(FIRST_DAY + day + 2 * (day / 5))).collect();
    let mut text = "date,open,high,low,close,volume,Name\n".to_owned();
    bars(symbols, &dates, &mut text, |text, date, symbol, prices| {
        writeln!(text, "{date},{prices},S{symbol:03}").unwrap();
    });
    text
}

/// The same rows as SQL, each a transaction of its own.
pub(super) fn inserts(symbols: usize, days: i64) -> String {
    let mut text = String::new();
    for line in daily(symbols, days).lines().skip(1) {
        let (date, rest) = line.split_once(',').unwrap();
        let (prices, symbol) = rest.rsplit_once(',').unwrap();
        writeln!(text, "INSERT OR REPLACE INTO bars VALUES('{date}',{prices},'{symbol}');").unwrap();
    }
    text
}

/// Minute bars of many symbols, sorted by symbol and time.
pub(super) fn minutes() -> String {
    let times: Vec<String> = (0..MINUTES).map(|minute| (1_700_000_000 + minute * 60).to_string()).collect();
    let mut text = "ts,symbol,open,high,low,close,volume\n".to_owned();
    bars(MANY_SYMBOLS, &times, &mut text, |text, time, symbol, prices| {
        writeln!(text, "{time},S{symbol:03},{prices}").unwrap();
    });
    text
}

fn bars(symbols: usize, times: &[String], text: &mut String, row: impl Fn(&mut String, &str, usize, &str)) {
    let mut random = Random(7);
    for symbol in 0..symbols {
        let mut price = 2_000 + random.below(20_000);
        for time in times {
            price = (price + random.below(201)).saturating_sub(100).max(100);
            let (open, close) = (price + random.below(60), price + random.below(60));
            let (high, low) =
                (open.max(close) + random.below(40), open.min(close).saturating_sub(random.below(40)));
            let cents = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
            let volume = 100_000 + random.below(9_000_000);
            row(
                text,
                time,
                symbol,
                &format!("{},{},{},{},{volume}", cents(open), cents(high), cents(low), cents(close)),
            );
        }
    }
}

/// Returns a day, counted from 1970, as a date.
pub(super) fn date(days: i64) -> String {
    let mut text = Vec::new();
    barn::model::time::write_date(days, &mut text);
    String::from_utf8(text).unwrap()
}
