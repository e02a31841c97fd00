//! All tests of the commands, in one binary: each runs `barn` as a user does.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, prepares files of its own, and says what it skips"
)]

mod harness;

mod docs;
mod duckdb;
mod errors;
mod info;
mod query;
mod realdata;
mod sample;
mod store;
