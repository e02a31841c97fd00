//! What tells two contents of one path apart.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use anyhow::{Context as _, Result};

/// Bytes at the end of a Parquet file that tell it from another: its footer has the place, the size and
/// the extremes of every column.
const END_BYTES: u64 = 64 << 10;

/// Grows over the bytes of an input.
#[derive(Default)]
pub(super) struct Fingerprint {
    crc: flate2::Crc,
    bytes: u64,
}

impl Fingerprint {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Returns the fingerprint in words: the length and a CRC-32.
    pub(super) fn finish(&self) -> String {
        format!("{}-{:08x}", self.bytes, self.crc.sum())
    }
}

/// Returns the fingerprint of a file whose end tells what is in it.
pub(super) fn of_end(mut file: &File) -> Result<String> {
    let read = |file: &mut &File| {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(END_BYTES)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        file.rewind()?;
        let mut fingerprint = Fingerprint { bytes: length, ..Fingerprint::default() };
        fingerprint.crc.update(&end);
        std::io::Result::Ok(fingerprint.finish())
    };
    read(&mut file).context("cannot read the file")
}
