//! barn keeps market history: it fetches, stores, compresses and queries bars, ticks, option chains and
//! odds. This library does the work; [`commands`] is the part that talks.

pub mod decode;
pub mod error;
pub mod frame;
pub mod fs;
pub mod model;
pub mod store;
