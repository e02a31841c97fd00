//! Packing bodies: lz4 while they are young, zstd when they are old. Both carry a checksum.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, bail, ensure};
use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};

/// Bodies above this are not read: none that large is ever written.
pub(super) const LARGEST: u64 = 1 << 30;
/// The level of zstd: bodies are packed with it once.
const LEVEL: i32 = 9;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Lz4 = 1,
    Zstd = 2,
}

impl Codec {
    pub(super) fn from_number(number: i64) -> Option<Self> {
        [Self::Lz4, Self::Zstd].into_iter().find(|codec| *codec as i64 == number)
    }
}

pub(super) fn pack(codec: Codec, body: &[u8]) -> Result<Vec<u8>> {
    let pack = || -> Result<_> {
        match codec {
            Codec::Lz4 => {
                let info = FrameInfo::new().content_checksum(true);
                let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
                encoder.write_all(body)?;
                Ok(encoder.finish()?)
            }
            Codec::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
                encoder.include_checksum(true)?;
                encoder.write_all(body)?;
                Ok(encoder.finish()?)
            }
        }
    };
    pack().context("cannot pack a body")
}

/// Unpacks a body of `size` bytes, and no more.
pub(super) fn unpack(codec: Codec, packed: &[u8], size: u64) -> Result<Vec<u8>> {
    ensure!(size <= LARGEST, "cannot unpack a body of {size} bytes");
    let mut body = Vec::new();
    // One byte more than there should be shows that there is more, and makes the checksum be read.
    match codec {
        Codec::Lz4 => FrameDecoder::new(packed).take(size + 1).read_to_end(&mut body),
        Codec::Zstd => {
            zstd::Decoder::new(packed).and_then(|decoder| decoder.take(size + 1).read_to_end(&mut body))
        }
    }
    .context("cannot unpack a body")?;
    if body.len() as u64 != size {
        bail!("cannot unpack a body: it has not the {size} bytes it should have");
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [Codec; 2] = [Codec::Lz4, Codec::Zstd];

    #[test]
    fn what_is_packed_comes_back() {
        let long: Vec<u8> = (0..300_000_u32).map(|at| (at / 7 % 251) as u8).collect();
        for codec in CODECS {
            for body in [&b""[..], b"a", &long] {
                let packed = pack(codec, body).unwrap();
                assert_eq!(unpack(codec, &packed, body.len() as u64).unwrap(), body);
                assert!(unpack(codec, &packed, body.len() as u64 + 1).is_err());
            }
            assert!(unpack(codec, &pack(codec, &long).unwrap(), 5).is_err(), "no more is unpacked than told");
        }
    }

    #[test]
    fn a_changed_or_missing_byte_is_noticed() {
        let body: Vec<u8> = br#"{"close":[1.5,2.5]}"#.repeat(4);
        for codec in CODECS {
            let packed = pack(codec, &body).unwrap();
            for at in 0..packed.len() {
                let cut = unpack(codec, &packed[..at], body.len() as u64);
                assert!(cut.is_err() || cut.unwrap() == body, "{codec:?} cut at {at}");
                for flip in [1_u8, 0x80] {
                    let mut packed = packed.clone();
                    packed[at] ^= flip;
                    if let Ok(other) = unpack(codec, &packed, body.len() as u64) {
                        assert_eq!(other, body, "{codec:?} changed at {at}");
                    }
                }
            }
        }
    }
}
