//! `barn compress`: history into Parquet, and files smaller and back.

pub(crate) mod archived;
pub(crate) mod concurrent;
mod convert;
mod crash;
mod faults;
mod files;
mod history;
mod kinds;
mod late;
mod measure;
mod programs;
mod readers;
mod realdata;
mod sets;
mod sizes;
