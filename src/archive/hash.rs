//! Hashes a file while it is written: as a whole, and block by block.

use std::io::Write;

use super::file::{BLOCK_BYTES, block_hash};
use crate::fs::NewFile;
use crate::store::Digest;

/// Hashes a file while it is written.
pub(super) struct Hashing {
    file: NewFile,
    whole: blake3::Hasher,
    block: Vec<u8>,
    blocks: Vec<u8>,
    bytes: u64,
}

impl Hashing {
    /// Starts with an empty file.
    pub(super) fn new(file: NewFile) -> Self {
        Self { file, whole: blake3::Hasher::new(), block: Vec::new(), blocks: Vec::new(), bytes: 0 }
    }

    /// Returns the file, its size, and its hashes.
    pub(super) fn finish(mut self) -> (NewFile, u64, Digest) {
        if !self.block.is_empty() {
            self.blocks.extend_from_slice(&block_hash(&self.block));
        }
        let blake3 = self.whole.finalize().as_bytes().to_vec();
        (self.file, self.bytes, Digest { blake3, blocks: self.blocks })
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        let mut rest = &bytes[..written];
        self.bytes += written as u64;
        self.whole.update(rest);
        let size = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(rest.len().min(size - self.block.len()));
            self.block.extend_from_slice(head);
            if self.block.len() == size {
                self.blocks.extend_from_slice(&block_hash(&self.block));
                self.block.clear();
            }
            rest = tail;
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
