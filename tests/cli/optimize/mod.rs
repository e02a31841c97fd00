//! `barn optimize`: the upkeep of a store.

mod year;
