//! What is packed comes back, and what is not whole never does.

use std::io::{self, Read, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64};

use anyhow::Result;

use super::{Codec, Expansion, Packing, Sizes, Watch, pack, unpack};

fn packed(packing: Packing, bytes: &[u8]) -> Vec<u8> {
    let (stop, read, mut packed) = (AtomicBool::new(false), AtomicU64::new(0), Vec::new());
    let watch = Watch { stop: &stop, read: &read };
    let mut output = |bytes: &[u8]| {
        packed.extend_from_slice(bytes);
        Ok(())
    };
    let sizes = pack(packing, &mut &*bytes, &mut output, watch).unwrap();
    assert_eq!(sizes, Sizes { read: bytes.len() as u64, written: packed.len() as u64 });
    packed
}

/// A reader that gives its bytes in pieces of odd lengths.
struct Drops<'a>(&'a [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = (self.1 * 5 + 1) % 1_013;
        let count = (self.1 % 400 + 1).min(buffer.len());
        self.0.read(&mut buffer[..count])
    }
}

fn unpacked(input: &[u8], expansion: Expansion) -> Result<(Codec, Vec<u8>)> {
    let (stop, read, mut unpacked) = (AtomicBool::new(false), AtomicU64::new(0), Vec::new());
    let watch = Watch { stop: &stop, read: &read };
    let mut output = |bytes: &[u8]| {
        unpacked.extend_from_slice(bytes);
        Ok(())
    };
    let reader: Box<dyn Read> =
        if input.len() < 100_000 { Box::new(Drops(input, 1)) } else { Box::new(input) };
    let (codec, sizes) = unpack(None, expansion, reader, &mut output, watch)?;
    assert_eq!(sizes, Sizes { read: input.len() as u64, written: unpacked.len() as u64 });
    Ok((codec, unpacked))
}

fn fails(input: &[u8]) -> String {
    format!("{:#}", unpacked(input, Expansion::Bounded).map(|(_, bytes)| bytes.len()).unwrap_err())
}

fn packings() -> [Packing; 5] {
    [
        Packing::new(Codec::Zstd, None).unwrap(),
        Packing::new(Codec::Zstd, Some(19)).unwrap(),
        Packing::new(Codec::Lz4, None).unwrap(),
        Packing::new(Codec::Gzip, None).unwrap(),
        Packing::new(Codec::Gzip, Some(1)).unwrap(),
    ]
}

/// Rows like those of a price file.
fn rows(bytes: usize) -> Vec<u8> {
    let mut random = 1_u64;
    let mut rows = Vec::with_capacity(bytes + 100);
    for row in 0_u64.. {
        if rows.len() >= bytes {
            break;
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let price = 10_000 + (random >> 50);
        writeln!(rows, "2024-01-02T{:06}Z,AAPL,{}.{:02},{}", row, price / 100, price % 100, random >> 54)
            .unwrap();
    }
    rows.truncate(bytes);
    rows
}

/// Bytes without any order.
fn noise(bytes: usize) -> Vec<u8> {
    let mut random = 9_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// Packs as a program does that says nothing of sizes and does not cut its input.
fn foreign(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    match codec {
        Codec::Zstd => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new()
                .content_checksum(true)
                .block_mode(lz4_flex::frame::BlockMode::Linked);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Gzip => {
            let level = flate2::Compression::default();
            let mut encoder = flate2::GzBuilder::new().filename("x.csv").write(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

#[test]
fn what_is_packed_comes_back() {
    for packing in packings() {
        let block = packing.block_bytes();
        let lengths = [0, 1, 1_000, block - 1, block, block + 1, 2 * block + 12_345];
        for length in lengths.into_iter().filter(|length| *length < 20 << 20) {
            for bytes in [rows(length), noise(length), vec![0; length]] {
                let packed = packed(packing, &bytes);
                let (codec, found) = unpacked(&packed, Expansion::Free).unwrap();
                assert_eq!(codec, packing.codec());
                assert!(found == bytes, "{packing:?} of {length} bytes");
            }
        }
    }
}

#[test]
fn frames_of_others_come_back_also_one_behind_the_other() {
    let (long, short) = (rows(3 << 20), rows(100));
    for codec in Codec::ALL {
        let ours = packed(Packing::new(codec, None).unwrap(), &short);
        for parts in [
            vec![(foreign(codec, &long), &long)],
            vec![(foreign(codec, &short), &short), (ours.clone(), &short), (foreign(codec, &long), &long)],
            vec![(ours.clone(), &short), (foreign(codec, b""), &vec![]), (ours.clone(), &short)],
        ] {
            let input: Vec<u8> = parts.iter().flat_map(|(packed, _)| packed.clone()).collect();
            let expected: Vec<u8> = parts.iter().flat_map(|(_, bytes)| (*bytes).clone()).collect();
            let (found, bytes) = unpacked(&input, Expansion::Bounded).unwrap();
            assert!(found == codec && bytes == expected, "{codec}");
        }
    }
}

#[test]
fn frames_that_hold_nothing_are_passed_over() {
    let bytes = rows(1_000);
    let skippable = b"\x5a\x2a\x4d\x18\x03\0\0\0abc";
    for codec in [Codec::Zstd, Codec::Lz4] {
        let packed = packed(Packing::new(codec, None).unwrap(), &bytes);
        let input = [&skippable[..], &packed, skippable, &packed, skippable].concat();
        assert_eq!(unpacked(&input, Expansion::Bounded).unwrap(), (codec, bytes.repeat(2)));
        for cut in 1..skippable.len() {
            assert!(fails(&input[..input.len() - cut]).contains("data"), "cut by {cut}");
        }
    }
}

#[test]
fn a_missing_rest_is_noticed_at_every_length() {
    let bytes = rows(1_000);
    for codec in Codec::ALL {
        let packing = Packing::new(codec, None).unwrap();
        for packed in [packed(packing, &bytes), foreign(codec, &bytes)] {
            let twice = packed.repeat(2);
            for length in (0..twice.len()).filter(|length| *length != packed.len()) {
                let error = fails(&twice[..length]);
                let known = ["is empty", "neither", "cut off", "something else"];
                assert!(known.iter().any(|known| error.contains(known)), "{codec} {length}: {error}");
            }
        }
    }
}

#[test]
fn a_changed_byte_is_noticed_or_harmless() {
    let bytes = rows(1_000);
    for codec in Codec::ALL {
        let packing = Packing::new(codec, None).unwrap();
        for packed in [packed(packing, &bytes), foreign(codec, &bytes)] {
            for at in 0..packed.len() {
                for flip in [1, 0x80] {
                    let mut changed = packed.clone();
                    changed[at] ^= flip;
                    if let Ok((_, found)) = unpacked(&changed, Expansion::Bounded) {
                        assert!(found == bytes, "{codec}: byte {at} changed by {flip:#x}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_follows_is_an_error() {
    for codec in Codec::ALL {
        let packed = packed(Packing::new(codec, None).unwrap(), b"abc");
        let other = if codec == Codec::Gzip { Codec::Zstd } else { Codec::Gzip };
        for rest in [&b"\0"[..], b"garbage", &foreign(other, b"x")] {
            let error = fails(&[&packed[..], rest].concat());
            assert_eq!(error, format!("there is something else behind its {codec} data"));
        }
    }
}

#[test]
fn noise_is_refused_and_never_trusted() {
    for codec in Codec::ALL {
        for seed in 0..2_000 {
            let noise = &noise(seed + 200)[seed..];
            let input = [codec.magic(), noise].concat();
            assert!(!fails(&input).is_empty());
        }
    }
    assert_eq!(fails(b""), "it is empty");
    assert_eq!(fails(b"open,high\n1,2\n"), "it is neither zstd, lz4 nor gzip");
}

#[test]
fn sizes_that_lie_allocate_nothing() {
    // A single segment of 64 MiB, then a block that is not there; a window of 2 GiB.
    let huge = [Codec::Zstd.magic(), b"\xa4\0\0\0\x04", b"\xfd\xff\xff"].concat();
    assert_eq!(fails(&huge), "its zstd data is cut off");
    let wide = [Codec::Zstd.magic(), b"\x04\xa8", b"\x01\0\0"].concat();
    assert!(fails(&wide).contains("needs a window of 2147483648 bytes"), "{}", fails(&wide));
    let mut member = packed(Packing::new(Codec::Gzip, None).unwrap(), &rows(1_000));
    let size = member.len();
    for wrong in [0, 1, size - 1, size + 1, u32::MAX as usize] {
        member[16..20].copy_from_slice(&u32::try_from(wrong).unwrap().to_le_bytes());
        assert!(fails(&member).contains("gzip data is"), "{wrong}: {}", fails(&member));
    }
}

#[test]
fn expansion_has_a_bound() {
    let zeros = vec![0; 101 << 20];
    for packed in [packed(packings()[0], &zeros), foreign(Codec::Zstd, &zeros)] {
        assert_eq!(fails(&packed), "it unpacks to more than 1000 times its size");
        assert!(unpacked(&packed, Expansion::Free).unwrap().1 == zeros);
    }
}

#[test]
fn work_that_is_stopped_ends() {
    for stopped in [true, false] {
        let (stop, read) = (AtomicBool::new(stopped), AtomicU64::new(0));
        let watch = Watch { stop: &stop, read: &read };
        let bytes = rows(10_000);
        let result = pack(packings()[0], &mut &*bytes, &mut |_| Ok(()), watch);
        assert_eq!(result.is_err(), stopped);
        let packed = packed(packings()[0], &bytes);
        let result = unpack(None, Expansion::Bounded, Box::new(&*packed), &mut |_| Ok(()), watch);
        assert_eq!(result.map_err(|err| err.to_string()).err(), stopped.then(|| "interrupted".to_owned()));
    }
}
