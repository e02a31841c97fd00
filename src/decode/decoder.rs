//! Binding an input to a table, and decoding its blocks.

use anyhow::{Result, bail};

use super::{Block, Decoded, Input, Layout};
use crate::model::{Column, Table, Timeframe};

/// An input bound to a table; decodes its blocks from any thread.
pub struct Decoder {
    unknown: Vec<String>,
    notes: Vec<String>,
}

impl Decoder {
    /// Decides which field of the input feeds which column of the table, and what its times mean.
    pub fn bind(_table: &Table, _layout: &Layout, _input: &Input<'_>) -> Result<Self> {
        bail!("cannot bind yet")
    }

    /// Returns the fields of the input that go nowhere.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// Returns what was decided by looking at the input.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns whether the table wants a timeframe that neither the input nor the layout gives.
    pub fn needs_timeframe(&self) -> bool {
        false
    }

    /// Decides the timeframe by the spacing of the rows, and sets it.
    pub fn detect_timeframe(&mut self, _head: &[Block]) -> Result<Timeframe> {
        bail!("cannot detect yet")
    }

    /// Decodes one block.
    pub fn decode(&self, _block: &Block) -> Result<Decoded> {
        bail!("cannot decode yet")
    }
}

/// Returns the header and the column of each field of an input, typed by its head.
pub fn infer(_layout: &Layout, _input: &Input<'_>) -> Result<Vec<(String, Column)>> {
    bail!("cannot infer yet")
}
