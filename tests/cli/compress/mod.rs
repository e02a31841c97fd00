//! `barn compress`.

mod convert;
mod files;
mod measure;
mod programs;
mod readers;
mod realdata;
mod sets;
mod sizes;
