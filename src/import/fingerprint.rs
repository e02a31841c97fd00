//! What tells two contents of one path apart, known before an import begins.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use anyhow::{Context as _, Result};

use crate::decode::Block;

/// Bytes that are looked at. Of a text the first ones: a file that grew is the same one. Of a Parquet file
/// the last ones: its footer has the place, the size and the extremes of every column.
const BYTES: usize = 64 << 10;

/// Returns the fingerprint of a text by its first block.
pub(super) fn of_start(head: &[Block]) -> String {
    let start = head.first().map_or(&[][..], |block| &block.bytes);
    words(&start[..start.len().min(BYTES)])
}

/// Returns the fingerprint of a file whose end tells what is in it.
pub(super) fn of_end(mut file: &File) -> Result<String> {
    let read = |file: &mut &File| {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES as u64)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        file.rewind()?;
        std::io::Result::Ok(words(&end))
    };
    read(&mut file).context("cannot read the file")
}

fn words(bytes: &[u8]) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    format!("{:08x}", crc.sum())
}
