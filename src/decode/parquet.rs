//! Decoding Parquet files a slice of rows at a time.

use anyhow::{Result, bail};

use super::{Decoded, Layout};
use crate::frame::ParquetFile;
use crate::model::{Column, Table, Timeframe};

/// A Parquet file bound to a table.
pub struct ParquetDecoder {
    unknown: Vec<String>,
    notes: Vec<String>,
}

impl ParquetDecoder {
    /// Decides which column of the file feeds which column of the table.
    pub fn bind(_table: &Table, _layout: &Layout, _file: ParquetFile, _file_name: &str) -> Result<Self> {
        bail!("cannot bind yet")
    }

    /// Returns the columns of the file that go nowhere.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// Returns what was decided by looking at the file.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns whether the table wants a timeframe that neither the file nor the layout gives.
    pub fn needs_timeframe(&self) -> bool {
        false
    }

    /// Decides the timeframe by the spacing of the first rows, and sets it.
    pub fn detect_timeframe(&mut self) -> Result<Timeframe> {
        bail!("cannot detect yet")
    }

    /// Decodes the next slice of rows; `None` behind the last one.
    pub fn next_slice(&mut self) -> Result<Option<Decoded>> {
        bail!("cannot decode yet")
    }
}

/// Returns the name and the column of each column of a file.
pub fn infer_parquet(_layout: &Layout, _file: &mut ParquetFile) -> Result<Vec<(String, Column)>> {
    bail!("cannot infer yet")
}
