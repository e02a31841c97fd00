//! A file of the archive, read only as far as its bytes are those that were published.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::layout;
use crate::error::Failure;
use crate::fs;
use crate::store::{ArchiveFile, Digest};

/// Bytes that have a hash of their own. Smaller ones make the manifest larger, larger ones make a query of a
/// few pages hash more than it reads.
pub const BLOCK_BYTES: u64 = 64 << 10;

/// Bytes of a block's hash that are kept: enough against decay, the whole file has all of its BLAKE3.
pub(super) const BLOCK_HASH_BYTES: usize = 8;

/// An open file of the archive. Every read is checked against the manifest.
#[derive(Clone, Debug)]
pub struct CheckedFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The path as the manifest has it.
    path: String,
    file: File,
    bytes: u64,
    blocks: Vec<u8>,
    /// Why the Parquet library could not read it; the library itself would only hand on the text.
    failure: Mutex<Option<anyhow::Error>>,
}

impl CheckedFile {
    /// Opens a file of the store at `root`.
    ///
    /// Fails where it is missing, no regular file, or of another size than the manifest says.
    pub fn open(root: &Path, entry: &ArchiveFile, digest: Digest) -> Result<Self> {
        let path = layout::resolve(root, &entry.path)?;
        let open = || {
            let file = fs::open_regular(&path)?;
            let bytes = file.metadata()?.len();
            if bytes != entry.bytes {
                bail!("it has {bytes} bytes, the manifest says {}", entry.bytes);
            }
            let expected = usize::try_from(bytes.div_ceil(BLOCK_BYTES))? * BLOCK_HASH_BYTES;
            if digest.blocks.len() != expected {
                bail!("the manifest has {} bytes of hashes for it, expected {expected}", digest.blocks.len());
            }
            Ok(file)
        };
        let file = open().with_context(|| damaged(&entry.path))?;
        Ok(Self(Arc::new(Inner {
            path: entry.path.clone(),
            file,
            bytes: entry.bytes,
            blocks: digest.blocks,
            failure: Mutex::default(),
        })))
    }

    /// Returns why the Parquet library failed: because of the file's bytes, or for the reason it gives.
    pub(super) fn explain(&self, other: impl Into<anyhow::Error>) -> anyhow::Error {
        let kept = self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.unwrap_or_else(|| other.into().context(damaged(&self.0.path)))
    }

    fn keep(&self, error: anyhow::Error) -> ParquetError {
        let text = error.to_string();
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        ParquetError::General(text)
    }

    /// Returns the size of the file.
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// Returns the path below the folder of the archive.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Reads a range of bytes, which lies within whole blocks that are checked.
    pub fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let inner = &*self.0;
        if range.start > range.end || range.end > inner.bytes {
            bail!(
                "cannot read bytes {} to {} of archive file '{}': it has {}",
                range.start,
                range.end,
                inner.path,
                inner.bytes
            );
        }
        let first = range.start / BLOCK_BYTES;
        let start = first * BLOCK_BYTES;
        let end = range.end.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES).min(inner.bytes);
        let mut buffer = vec![0; usize::try_from(end.saturating_sub(start))?];
        inner.file.read_exact_at(&mut buffer, start).with_context(|| damaged(&inner.path))?;
        let hashes = inner.blocks.chunks_exact(BLOCK_HASH_BYTES).skip(usize::try_from(first)?);
        let blocks = buffer.chunks(usize::try_from(BLOCK_BYTES)?);
        for (at, (block, expected)) in (first..).zip(blocks.zip(hashes)) {
            if block_hash(block) != expected {
                let place = at * BLOCK_BYTES;
                return Err(anyhow::anyhow!("the block at byte {place} is not the one that was written")
                    .context(damaged(&inner.path)));
            }
        }
        let from = usize::try_from(range.start - start)?;
        let length = usize::try_from(range.end - range.start)?;
        Ok(Bytes::from(buffer).slice(from..from + length))
    }
}

/// Reads a whole file of the store at `root` and compares it with the manifest.
///
/// Fails where it is not the one that was published.
pub fn check(root: &Path, entry: &ArchiveFile, digest: &Digest) -> Result<()> {
    /// Bytes read at a time: a whole number of blocks.
    const PIECE: u64 = 64 * BLOCK_BYTES;
    let file = CheckedFile::open(root, entry, digest.clone())?;
    let mut whole = blake3::Hasher::new();
    let mut at = 0;
    while at < file.bytes() {
        let end = at.saturating_add(PIECE).min(file.bytes());
        whole.update(&file.read(at..end)?);
        at = end;
    }
    if whole.finalize().as_bytes()[..] != digest.blake3[..] {
        return Err(
            anyhow::anyhow!("its BLAKE3 is not the one of the manifest").context(damaged(&entry.path))
        );
    }
    Ok(())
}

/// The error of a file that is not what was published.
fn damaged(path: &str) -> Failure {
    Failure::new(format!("cannot read archive file '{path}'"))
        .hint("`barn optimize --only verify --full` lists every damaged file and what can be fetched again")
}

/// Returns the hash of a block.
pub(super) fn block_hash(block: &[u8]) -> [u8; BLOCK_HASH_BYTES] {
    let mut short = [0; BLOCK_HASH_BYTES];
    short.copy_from_slice(&blake3::hash(block).as_bytes()[..BLOCK_HASH_BYTES]);
    short
}

/// Returns what a manifest would say of a file of these bytes.
#[cfg(test)]
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    let block = usize::try_from(BLOCK_BYTES).expect("a block fits into memory");
    Digest {
        blake3: blake3::hash(bytes).as_bytes().to_vec(),
        blocks: bytes.chunks(block).flat_map(block_hash).collect(),
    }
}

impl Length for CheckedFile {
    fn len(&self) -> u64 {
        self.0.bytes
    }
}

/// Reads on from a place, each block when it is wanted: the Parquet library asks for the rest of a file to read the
/// head of a page.
struct Blocks {
    file: CheckedFile,
    at: u64,
    block: Bytes,
}

impl Blocks {
    /// Reads up to the end of the block that the place lies in.
    fn fill(&mut self) -> parquet::errors::Result<()> {
        let end = (self.at - self.at % BLOCK_BYTES).saturating_add(BLOCK_BYTES).min(self.file.bytes());
        self.block = self.file.read(self.at..end).map_err(|err| self.file.keep(err))?;
        self.at = end;
        Ok(())
    }
}

impl Read for Blocks {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.block.is_empty() && self.at < self.file.bytes() {
            self.fill().map_err(std::io::Error::other)?;
        }
        let length = out.len().min(self.block.len());
        out[..length].copy_from_slice(&self.block.split_to(length));
        Ok(length)
    }
}

impl ChunkReader for CheckedFile {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let mut blocks = Blocks { file: self.clone(), at: start, block: Bytes::new() };
        blocks.fill()?;
        Ok(Box::new(blocks))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        self.read(start..start.saturating_add(length as u64)).map_err(|err| self.keep(err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_checks_the_blocks_it_comes_to_and_no_others() {
        let root = tempfile::tempdir().unwrap();
        let mut bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let (digest, name) = (digest(&bytes), "a.parquet");
        let entry = ArchiveFile {
            id: 1,
            path: name.to_owned(),
            table: String::new(),
            dataset: String::new(),
            version: 1,
            rows: 1,
            ts_min: 0,
            ts_max: 0,
            series_min: Vec::new(),
            series_max: Vec::new(),
            bytes: bytes.len() as u64,
        };
        let folder = root.path().join(layout::FOLDER);
        fs::create_folder(&folder).unwrap();
        fs::replace(&folder.join(name), &bytes, fs::Overwrite::Refuse).unwrap();
        let file = CheckedFile::open(root.path(), &entry, digest.clone()).unwrap();
        for start in [0, 1, 65_535, 65_536, 799_999, 800_000] {
            let mut read = Vec::new();
            file.get_read(start).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == bytes[usize::try_from(start).unwrap()..], "{start}");
        }
        assert!(file.get_read(800_001).is_err());
        bytes[300_000] ^= 1;
        fs::replace(&folder.join(name), &bytes, fs::Overwrite::Replace).unwrap();
        let file = CheckedFile::open(root.path(), &entry, digest).unwrap();
        let mut reader = file.get_read(10).unwrap();
        reader.read_exact(&mut vec![0; 100_000]).unwrap();
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("cannot read archive file 'a.parquet'"), "{error}");
    }
}
