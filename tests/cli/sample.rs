//! Seeded data for tests that need more rows than a fixture holds.

use std::fmt::Write as _;

/// A small generator of numbers (xorshift64*), the same on every machine.
pub(crate) struct Numbers(u64);

impl Numbers {
    /// Starts from a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// Returns minute bars as CSV with the header `ts,symbol,open,high,low,close,volume`: a random walk in
/// cents, series after series, from 2024-01-01T00:00:00Z.
pub(crate) fn minute_bars(symbols: usize, rows: usize) -> String {
    let mut numbers = Numbers::new(7);
    let mut text = String::from("ts,symbol,open,high,low,close,volume\n");
    for symbol in 0..symbols {
        let mut price = 10_000;
        for row in 0..rows {
            let open = price;
            price = (price + numbers.below(21)).saturating_sub(10).max(100);
            let high = open.max(price) + numbers.below(5);
            let low = open.min(price) - numbers.below(5);
            let (ts, volume) = (1_704_067_200 + row * 60, numbers.below(100_000));
            let cents = |price: u64| format!("{}.{:02}", price / 100, price % 100);
            let (open, high, low, close) = (cents(open), cents(high), cents(low), cents(price));
            writeln!(text, "{ts},SYM{symbol:03},{open},{high},{low},{close},{volume}").unwrap();
        }
    }
    text
}

/// Returns the lines of `text` in another order, the header aside.
pub(crate) fn shuffled(text: &str, seed: u64) -> String {
    let mut numbers = Numbers::new(seed);
    let mut lines: Vec<_> = text.lines().collect();
    for at in (2..lines.len()).rev() {
        let other = 1 + usize::try_from(numbers.below(at as u64)).unwrap();
        lines.swap(at, other);
    }
    lines.join("\n") + "\n"
}
