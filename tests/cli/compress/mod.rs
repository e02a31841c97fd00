//! `barn compress`.

mod convert;
mod files;
mod programs;
