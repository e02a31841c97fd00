//! What archived rows take, against fixed limits and beside others who write the same rows. Skipped where
//! `BARN_TEST_DATA` names no folder.

use super::measure::{HEAD, Sizes};
use super::sets::Set;
use crate::harness::python;

/// A set, and the bytes a row it takes at most, plainly and as small as it gets.
type Limit = (&'static str, f64, f64);

/// A limit that nothing reaches.
const NONE: f64 = f64::INFINITY;

/// Checks a set against its limits, and beside others where it has 100,000 rows.
fn check((name, plain_limit, smallest_limit): Limit) {
    let Some(stored) = Set::stored(name) else { return };
    let sizes = Sizes::of(&stored, python().as_deref());
    eprintln!("{HEAD}\n{}", sizes.line());
    let (plain, smallest) = (sizes.a_row(sizes.plain), sizes.a_row(sizes.smallest));
    assert!(plain <= plain_limit, "{name}: {plain:.3} bytes a row, at most {plain_limit}");
    assert!(smallest <= smallest_limit, "{name}: {smallest:.3} bytes a row, at most {smallest_limit}");
    assert!(smallest <= plain, "{name}: {smallest:.3} bytes a row, plainly {plain:.3}");
    let best = sizes.peers.values().copied().min().unwrap_or(u64::MAX);
    if sizes.rows >= 100_000 {
        let others = &sizes.peers;
        assert!(sizes.plain <= best, "{name}: {} bytes, others {others:?}", sizes.plain);
        assert!(sizes.smallest < best, "{name}: {} bytes, others {others:?}", sizes.smallest);
    }
}

#[test]
fn daily_bars() {
    check(("sp500", 12.5, 11.5));
}

#[test]
fn minute_bars() {
    check(("spy_minutes", 8.6, NONE));
}

#[test]
fn second_bars() {
    check(("forex_seconds", 4.7, NONE));
}

#[test]
fn trades() {
    check(("spy_trades", 2.2, NONE));
    check(("bac_trades", 2.6, NONE));
}

#[test]
fn quotes() {
    check(("aig_quotes", NONE, NONE));
}

#[test]
fn forex_quotes() {
    check(("forex_ticks", NONE, NONE));
}

#[test]
fn option_quotes() {
    check(("goog_options", NONE, NONE));
}
