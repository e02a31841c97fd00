//! Any bytes, smaller, and back: zstd, lz4 and gzip as their own programs write and read them.
//!
//! An input is cut into blocks, and each block becomes a frame (of gzip: a member) of its own, which says how
//! large it is. All cores pack and unpack, memory is bounded, and to every other program the result is one file.

mod block;
mod codec;
mod feed;
mod frame;
mod spare;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail};

use self::block::{Packer, Unpacker};
use self::frame::{Content, Pieces};
use crate::error::{Failure, go_on};
use crate::pipeline;

pub use self::block::Packing;
pub use self::codec::{Codec, UnknownCodec};
pub(crate) use self::codec::{cut_off, explain};

/// Unpacked bytes below which no expansion is too much.
pub(crate) const FREE_BYTES: u64 = 100 << 20;

/// How many times its packed size an input may have. The most that gzip can do is 1,032; price files reach 20.
pub(crate) const MOST_EXPANSION: u64 = 1_000;

/// Where the bytes go, in order; called from another thread.
pub type Output<'a> = dyn FnMut(&[u8]) -> Result<()> + Send + 'a;

/// What whoever waits sees and says.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Set to stop the work.
    pub stop: &'a AtomicBool,
    /// The bytes of the input that were read until now.
    pub read: &'a AtomicU64,
}

impl Watch<'_> {
    /// Fails once the work is to stop.
    fn check(&self) -> Result<()> {
        Ok(go_on(self.stop)?)
    }
}

/// Bytes in and out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The bytes of the input.
    pub read: u64,
    /// The bytes of the output.
    pub written: u64,
}

/// Whether an input may unpack to more than 1,000 times its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expansion {
    /// It is an error, from 100 MiB on.
    Bounded,
    /// It may be what it likes.
    Free,
}

/// Packs all of `input`.
///
/// An empty input becomes one empty frame.
pub fn pack(
    packing: Packing,
    input: &mut dyn Read,
    output: &mut Output<'_>,
    watch: Watch<'_>,
) -> Result<Sizes> {
    let worker = Packer::new(packing);
    let mut sizes = Sizes::default();
    let mut is_first = true;
    pipeline::run(
        &mut || {
            let mut block = worker.buffers.buffer(packing.block_bytes());
            read_block(input, packing.block_bytes(), &mut block, watch)?;
            sizes.read += block.len() as u64;
            watch.read.store(sizes.read, Ordering::Relaxed);
            let is_wanted = std::mem::take(&mut is_first) || !block.is_empty();
            Ok(is_wanted.then_some(block))
        },
        &|block| {
            let packed = worker.pack(&block, &watch)?;
            worker.buffers.give(block);
            Ok(packed)
        },
        &mut |packed: Option<Vec<u8>>| {
            let Some(packed) = packed else { return watch.check() };
            sizes.written += packed.len() as u64;
            output(&packed)?;
            worker.buffers.give(packed);
            Ok(())
        },
    )?;
    Ok(sizes)
}

/// Reads a block, which is shorter only at the end of the input.
fn read_block(input: &mut dyn Read, bytes: usize, block: &mut Vec<u8>, watch: Watch<'_>) -> Result<()> {
    watch.check()?;
    input.take(bytes as u64).read_to_end(block).context("cannot read it")?;
    // A stream that was stopped ends as if its input did.
    watch.check()
}

/// Unpacks all of `input`, and returns the codec it was packed with.
///
/// What follows the last frame, and a frame that is not whole or not what its checksum says, is an error; what was
/// written until then is not the whole.
pub fn unpack<'a>(
    expected: Option<Codec>,
    expansion: Expansion,
    input: Box<dyn Read + 'a>,
    output: &mut Output<'_>,
    watch: Watch<'_>,
) -> Result<(Codec, Sizes)> {
    let worker = Unpacker::new();
    let pieces = Pieces::new(input, expected, &worker.buffers);
    // A stream that was stopped ends early, whatever that was taken for.
    watch.check()?;
    let mut pieces = pieces?;
    let mut sizes = Sizes::default();
    pipeline::run(
        &mut || {
            watch.check()?;
            let piece = pieces.next();
            watch.check()?;
            let piece = piece?;
            sizes.read = pieces.taken();
            watch.read.store(sizes.read, Ordering::Relaxed);
            Ok(piece)
        },
        &|piece| match piece.content {
            Content::Frame(codec, frame, size) => {
                let block = worker.unpack(codec, frame, size);
                Ok((block.map_err(|err| explain(err, codec.name()))?, piece.taken))
            }
            Content::Plain(bytes) => Ok((bytes, piece.taken)),
        },
        &mut |unpacked: Option<(Vec<u8>, u64)>| {
            watch.check()?;
            let Some((block, taken)) = unpacked else { return Ok(()) };
            sizes.written += block.len() as u64;
            if expansion == Expansion::Bounded
                && sizes.written > FREE_BYTES
                && sizes.written > taken.saturating_mul(MOST_EXPANSION)
            {
                bail!(
                    Failure::new(format!("it unpacks to more than {MOST_EXPANSION} times its size"))
                        .hint("`--force` unpacks it all the same")
                );
            }
            output(&block)?;
            worker.buffers.give(block);
            Ok(())
        },
    )?;
    Ok((pieces.codec(), sizes))
}
