//! `barn store`: what goes in, in which form, and what becomes of it.

mod conflicts;
mod documents;
mod inferred;
mod inputs;
mod mapping;
mod numbers;
mod regressions;
mod rejects;
mod repeat;
mod ticks;
mod time;
