//! barn keeps market history: it fetches, stores, compresses and queries bars, ticks, option chains and
//! odds. This library does the work; [`commands`] is the part that talks.

pub mod archive;
pub mod cache;
pub mod cli;
pub mod commands;
pub mod decode;
pub mod engine;
pub mod error;
pub mod fetch;
pub mod frame;
pub mod fs;
pub mod import;
pub mod model;
pub mod pack;
mod pipeline;
pub mod rollup;
pub mod runs;
pub mod source;
pub mod store;
pub mod ui;
