//! All tests of the commands, in one binary: each runs `barn` as a user does.
#![allow(
    clippy::disallowed_methods,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, writes files of its own line by line, and says what it skips"
)]

mod harness;
mod market;
mod server;

#[path = "../bench/tests.rs"]
mod bench;
mod compress;
mod demo;
mod dialects;
mod docs;
mod duckdb;
mod errors;
mod fetch;
mod info;
mod optimize;
mod query;
mod realdata;
mod recorded;
mod replayed;
mod rollup;
mod runs;
mod sample;
mod source;
mod store;
