//! The hot store `barn.db`: its schema, its catalogue of tables, writing and reading rows. No other
//! module names rusqlite for it.

mod read;

pub use read::{Field, Resume, Row, Scan, SeriesEntry, Snapshot};
