//! Bytes and a layout become frames.

/// Whole records of one input, as the decoder takes them.
pub struct Block {
    /// Its place in its input, from 0.
    pub index: u64,
    /// The line its first byte stands on, from 1.
    pub first_line: u64,
    /// The records.
    pub bytes: Vec<u8>,
    /// Of JSON elements the end of each record; `None` where records are lines.
    pub ends: Option<Vec<usize>>,
}
