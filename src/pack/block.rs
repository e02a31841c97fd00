//! One block becomes one frame (of gzip: one member), and a whole frame one block again.

use std::io::{self, Cursor, ErrorKind, Read as _, Write};

use anyhow::Result;
use flate2::{Compression, GzBuilder};
use lz4_flex::frame::{BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::Watch;
use super::codec::Codec;
use super::frame::{MEMBER_ID, MEMBER_SIZE_AT};
use super::spare::Spares;

/// Bytes packed between two looks for Ctrl-C: a quarter of a second at the slowest level.
const STEP_BYTES: usize = 256 << 10;

/// The last level of zstd at which a block is packed at once, without a look for Ctrl-C: half a second.
const LAST_FAST_LEVEL: i32 = 9;

/// A codec and how hard it tries.
#[derive(Clone, Copy, Debug)]
pub struct Packing {
    codec: Codec,
    level: i32,
}

impl Packing {
    /// Chooses a codec and one of its levels.
    ///
    /// Fails with a usage error if the codec has no such level.
    pub fn new(codec: Codec, level: Option<i32>) -> Result<Self> {
        Ok(Self { codec, level: codec.level(level)? })
    }

    /// Returns the codec.
    pub fn codec(self) -> Codec {
        self.codec
    }

    /// Returns the bytes of a block.
    ///
    /// Frames of their own cost a codec what it would have found in the block before: gzip looks back 32 KiB, lz4
    /// 64 KiB, zstd 2 MiB at level 3, 8 MiB at level 19 and 128 MiB at level 22.
    pub(super) fn block_bytes(self) -> usize {
        match (self.codec, self.level) {
            (Codec::Gzip, _) => 1 << 20,
            (Codec::Lz4, _) => 4 << 20,
            (Codec::Zstd, ..=12) => 8 << 20,
            (Codec::Zstd, 13..=19) => 32 << 20,
            (Codec::Zstd, _) => 64 << 20,
        }
    }
}

/// Packs blocks, on any thread.
pub(super) struct Packer {
    packing: Packing,
    zstd: Spares<zstd::bulk::Compressor<'static>>,
    lz4: Spares<FrameEncoder<Vec<u8>>>,
    pub(super) buffers: Spares<Vec<u8>>,
}

impl Packer {
    pub(super) fn new(packing: Packing) -> Self {
        Self { packing, zstd: Spares::new(), lz4: Spares::new(), buffers: Spares::new() }
    }

    /// Packs a block.
    pub(super) fn pack(&self, block: &[u8], watch: &Watch<'_>) -> Result<Vec<u8>> {
        // A third is what price files shrink to at most; the rest grows as it must.
        let packed = self.buffers.buffer(block.len() / 3 + 64);
        match self.packing.codec {
            Codec::Zstd if self.packing.level <= LAST_FAST_LEVEL => self.zstd_at_once(block, packed),
            Codec::Zstd => {
                let mut encoder = zstd::Encoder::new(packed, self.packing.level)?;
                encoder.include_checksum(true)?;
                encoder.set_pledged_src_size(Some(block.len() as u64))?;
                feed(&mut encoder, block, watch)?;
                Ok(encoder.finish()?)
            }
            Codec::Lz4 => self.lz4(block, packed),
            Codec::Gzip => {
                let mut extra = MEMBER_ID.to_vec();
                extra.extend_from_slice(&[0; 4]);
                extra.extend_from_slice(&u32::try_from(block.len())?.to_le_bytes());
                let level = Compression::new(u32::try_from(self.packing.level)?);
                let mut encoder = GzBuilder::new().extra(extra).write(packed, level);
                feed(&mut encoder, block, watch)?;
                let mut packed = encoder.finish()?;
                let size = u32::try_from(packed.len())?.to_le_bytes();
                packed[MEMBER_SIZE_AT..MEMBER_SIZE_AT + size.len()].copy_from_slice(&size);
                Ok(packed)
            }
        }
    }

    fn zstd_at_once(&self, block: &[u8], mut packed: Vec<u8>) -> Result<Vec<u8>> {
        let mut compressor = if let Some(spare) = self.zstd.take() {
            spare
        } else {
            let mut new = zstd::bulk::Compressor::new(self.packing.level)?;
            new.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
            new
        };
        packed.reserve(zstd::zstd_safe::compress_bound(block.len()));
        compressor.compress_to_buffer(block, &mut packed)?;
        self.zstd.give(compressor);
        Ok(packed)
    }

    fn lz4(&self, block: &[u8], packed: Vec<u8>) -> Result<Vec<u8>> {
        // The size is a part of what an encoder is made for.
        let is_full = block.len() == self.packing.block_bytes();
        let info = FrameInfo::new()
            .block_size(BlockSize::Max1MB)
            .content_size(Some(block.len() as u64))
            .content_checksum(true);
        let spare = self.lz4.take().filter(|_| is_full);
        let mut encoder = spare.unwrap_or_else(|| FrameEncoder::with_frame_info(info, Vec::new()));
        *encoder.get_mut() = packed;
        encoder.write_all(block)?;
        encoder.try_finish()?;
        let packed = std::mem::take(encoder.get_mut());
        if is_full {
            self.lz4.give(encoder);
        }
        Ok(packed)
    }
}

fn feed(encoder: &mut impl Write, block: &[u8], watch: &Watch<'_>) -> Result<()> {
    for step in block.chunks(STEP_BYTES) {
        watch.check()?;
        encoder.write_all(step)?;
    }
    Ok(())
}

/// Unpacks frames, on any thread.
pub(super) struct Unpacker {
    zstd: Spares<zstd::bulk::Decompressor<'static>>,
    lz4: Spares<FrameDecoder<Cursor<Vec<u8>>>>,
    pub(super) buffers: Spares<Vec<u8>>,
}

impl Unpacker {
    pub(super) fn new() -> Self {
        Self { zstd: Spares::new(), lz4: Spares::new(), buffers: Spares::new() }
    }

    /// Unpacks the bytes of exactly one frame, of which `size` bytes must come.
    pub(super) fn unpack(&self, codec: Codec, frame: Vec<u8>, size: usize) -> io::Result<Vec<u8>> {
        let mut block = self.buffers.buffer(size);
        let rest = match codec {
            Codec::Zstd => {
                block.reserve_exact(size);
                let mut decompressor = self.zstd.take().map_or_else(zstd::bulk::Decompressor::new, Ok)?;
                decompressor.decompress_to_buffer(&frame, &mut block)?;
                self.zstd.give(decompressor);
                self.buffers.give(frame);
                0
            }
            Codec::Lz4 => {
                let spare = self.lz4.take();
                let mut decoder = spare.unwrap_or_else(|| FrameDecoder::new(Cursor::default()));
                *decoder.get_mut() = Cursor::new(frame);
                read_whole(&mut decoder, size, &mut block)?;
                self.buffers.give(std::mem::take(decoder.get_mut()).into_inner());
                self.lz4.give(decoder);
                0
            }
            Codec::Gzip => {
                let mut decoder = flate2::bufread::GzDecoder::new(&*frame);
                read_whole(&mut decoder, size, &mut block)?;
                let rest = decoder.into_inner().len();
                self.buffers.give(frame);
                rest
            }
        };
        if block.len() != size || rest > 0 {
            return Err(io::Error::new(ErrorKind::InvalidData, "it has not the size it should have"));
        }
        Ok(block)
    }
}

/// Reads to the end, but at most one byte more than there should be.
fn read_whole(decoder: &mut impl io::Read, size: usize, block: &mut Vec<u8>) -> io::Result<()> {
    block.reserve_exact(size);
    decoder.take(size as u64 + 1).read_to_end(block)?;
    Ok(())
}
