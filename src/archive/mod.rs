//! History in Parquet: where its files lie, how they are written, published and checked. Only this module
//! names the `parquet` and `arrow` crates.
//!
//! A *dataset* is a table and one value of each of its dataset columns (bars: `source` and `timeframe`;
//! others: `source`). All files of a dataset lie in one folder; a file holds the columns of the table except
//! the dataset columns, in the order of [`crate::model::Table::columns`], its rows in the order of the
//! series key (nulls first), `ts` and `seq`.

mod file;
mod layout;

pub use file::{BLOCK_BYTES, CheckedFile};
pub use layout::{Dataset, FOLDER};
