//! The commands: one file each with its arguments and its run.

mod asked;
pub mod completions;
pub mod compress;
pub mod delete;
pub mod demo;
pub mod fetch;
pub mod info;
pub mod optimize;
pub mod query;
pub mod runs;
pub mod source;
pub mod store;
mod tables;
mod tally;
