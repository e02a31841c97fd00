//! The promises under faults: processes that are killed, disks that fail, fill up and forget, files that decay, and
//! everything at once on one store.
//!
//! Each test has a short form, and a long one where `BARN_TEST_LONG` is set. What is left to chance comes from a
//! seed, `BARN_TEST_SEED`, which a failure names.
#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, prepares files of its own, and says how far it came"
)]

#[path = "../cli/harness.rs"]
#[allow(dead_code, reason = "the command tests use the rest")]
mod harness;
#[path = "../cli/market.rs"]
#[allow(dead_code, reason = "the command tests use the rest")]
mod market;
#[path = "../cli/sample.rs"]
#[allow(dead_code, reason = "the command tests use the rest")]
mod sample;
#[path = "../cli/server.rs"]
#[allow(dead_code, reason = "the command tests use the rest")]
mod server;

mod bounds;
mod crash;
mod decay;
mod disk;
mod faults;
mod points;
mod power;
mod scenes;
mod secrets;
mod together;

/// Returns the long number where `BARN_TEST_LONG` is set, else the short one.
fn times(short: u64, long: u64) -> u64 {
    if std::env::var_os("BARN_TEST_LONG").is_some() { long } else { short }
}

/// Returns the numbers that a test leaves to chance, and says which they are.
fn chance() -> sample::Numbers {
    let seed = std::env::var("BARN_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    eprintln!("seed {seed}");
    sample::Numbers::new(seed)
}
