//! The commands: one file each with its arguments and its run.

pub mod completions;
pub mod info;
pub mod query;
pub mod store;
mod tally;
