//! Where frames end, without unpacking them, so that several can be unpacked at once.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::{self, ErrorKind, Read};

use anyhow::{Result, bail};

use super::codec::{Codec, cut_off, explain};
use super::feed::Feed;
use super::spare::Spares;
use crate::error::Failure;

/// What stands in the header of a gzip member that was written here: the length of the extra field, then a
/// subfield `BN` of 8 bytes with the size of the member and of what is packed in it. Others pass over it.
pub(super) const MEMBER_ID: &[u8] = b"BN\x08\x00";
/// Where the size of a member stands in it.
pub(super) const MEMBER_SIZE_AT: usize = MEMBER_HEAD.len() + MEMBER_ID.len();
/// The fixed part of a header: only an extra field, no time; the two bytes before its length are the level's hint
/// and the system.
const MEMBER_HEAD: [u8; 12] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0, 12, 0];

/// Unpacked bytes of a frame up to which it is unpacked as a whole: the largest block that is packed here.
const LARGEST_BLOCK: u64 = 64 << 20;
/// Packed bytes of such a frame; one that grows beyond cannot be honest about its size.
const LARGEST_FRAME: u64 = 2 * LARGEST_BLOCK;
/// The window of zstd that is allowed: what its own program allows, and level 22 needs.
const LARGEST_WINDOW: u64 = 128 << 20;
/// Unpacked bytes of a frame that is unpacked while it is read.
const PIECE_BYTES: usize = 1 << 20;
/// The longest header of a zstd frame.
const ZSTD_HEAD_BYTES: usize = 18;

/// A piece of an input.
pub(super) struct Piece {
    pub(super) content: Content,
    /// The bytes of the input up to the end of this piece.
    pub(super) taken: u64,
}

pub(super) enum Content {
    /// A whole frame, and the size of what is in it.
    Frame(Codec, Vec<u8>, usize),
    /// Bytes of a frame that was too large, or not honest enough, to be taken as a whole.
    Plain(Vec<u8>),
}

/// Cuts an input into pieces.
pub(super) struct Pieces<'a> {
    /// `None` only after the end or an error.
    state: Option<State<'a>>,
    codec: Codec,
    /// The bytes of the input that were taken until now.
    taken: u64,
    buffers: &'a Spares<Vec<u8>>,
}

enum State<'a> {
    Between(Feed<'a>),
    Inside(Inside<'a>),
}

/// The unpacking of one frame while it is read.
enum Inside<'a> {
    Zstd(zstd::Decoder<'static, Feed<'a>>),
    Lz4(Box<lz4_flex::frame::FrameDecoder<Feed<'a>>>),
    Gzip(Box<flate2::bufread::GzDecoder<Feed<'a>>>),
}

impl<'a> Pieces<'a> {
    /// Looks at the start of an input; `buffers` are for its pieces.
    ///
    /// Fails if it is of no codec, or of another one than `expected`.
    pub(super) fn new(
        input: Box<dyn Read + 'a>,
        expected: Option<Codec>,
        buffers: &'a Spares<Vec<u8>>,
    ) -> Result<Self> {
        let mut feed = Feed::new(input);
        while skip_skippable(&mut feed).map_err(|err| explain(err, Codec::Zstd.name()))? {}
        let head = feed.peek(4)?;
        match (recognise(head), expected) {
            (None, _) if head.is_empty() => bail!(Failure::new("it is empty")),
            (None, _) => bail!(Failure::new("it is neither zstd, lz4 nor gzip")),
            (Some(codec), Some(expected)) if codec != expected => {
                bail!(Failure::new(format!("it is {codec} and not {expected}")))
            }
            (Some(codec), _) => Ok(Self { state: Some(State::Between(feed)), codec, taken: 0, buffers }),
        }
    }

    /// Returns the codec of the input.
    pub(super) fn codec(&self) -> Codec {
        self.codec
    }

    /// Returns the bytes of the input that were taken until now.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Returns the next piece.
    pub(super) fn next(&mut self) -> Result<Option<Piece>> {
        Ok(self.advance().map_err(|err| explain(err, self.codec.name()))?)
    }

    fn advance(&mut self) -> io::Result<Option<Piece>> {
        let codec = self.codec;
        loop {
            match self.state.take() {
                None => return Ok(None),
                Some(State::Between(mut feed)) => {
                    self.taken = feed.taken();
                    if codec != Codec::Gzip && skip_skippable(&mut feed)? {
                        self.state = Some(State::Between(feed));
                        continue;
                    }
                    match recognise(feed.peek(4)?) {
                        _ if feed.peek(1)?.is_empty() => return Ok(None),
                        Some(found) if found == codec => {}
                        _ => return Err(trailing(codec)),
                    }
                    if let Some(size) = known_size(codec, &mut feed)? {
                        let mut frame = self.buffers.buffer(0);
                        take_frame(codec, &mut feed, &mut frame)?;
                        self.taken = feed.taken();
                        self.state = Some(State::Between(feed));
                        let content = Content::Frame(codec, frame, size);
                        return Ok(Some(Piece { content, taken: self.taken }));
                    }
                    self.state = Some(State::Inside(Inside::new(codec, feed)?));
                }
                Some(State::Inside(mut inside)) => {
                    let mut bytes = self.buffers.buffer(PIECE_BYTES);
                    let count = inside.read_piece(&mut bytes)?;
                    self.taken = inside.feed().taken();
                    self.state = Some(if count < PIECE_BYTES {
                        State::Between(inside.into_feed()?)
                    } else {
                        State::Inside(inside)
                    });
                    return Ok(Some(Piece { content: Content::Plain(bytes), taken: self.taken }));
                }
            }
        }
    }
}

impl<'a> Inside<'a> {
    fn new(codec: Codec, feed: Feed<'a>) -> io::Result<Self> {
        Ok(match codec {
            Codec::Zstd => Self::Zstd(zstd::Decoder::with_buffer(feed)?.single_frame()),
            Codec::Lz4 => Self::Lz4(Box::new(lz4_flex::frame::FrameDecoder::new(feed))),
            Codec::Gzip => Self::Gzip(Box::new(flate2::bufread::GzDecoder::new(feed))),
        })
    }

    /// Appends up to [`PIECE_BYTES`]; fewer only at the end of the frame.
    fn read_piece(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let limit = PIECE_BYTES as u64;
        match self {
            Self::Zstd(decoder) => decoder.take(limit).read_to_end(bytes),
            Self::Lz4(decoder) => decoder.take(limit).read_to_end(bytes),
            Self::Gzip(decoder) => decoder.take(limit).read_to_end(bytes),
        }
    }

    fn feed(&self) -> &Feed<'a> {
        match self {
            Self::Zstd(decoder) => decoder.get_ref(),
            Self::Lz4(decoder) => decoder.get_ref(),
            Self::Gzip(decoder) => decoder.get_ref(),
        }
    }

    fn into_feed(self) -> io::Result<Feed<'a>> {
        match self {
            Self::Zstd(decoder) => Ok(decoder.finish()),
            Self::Gzip(decoder) => Ok(decoder.into_inner()),
            Self::Lz4(decoder) => {
                // The decoder takes a missing rest for the end; a whole frame ends without asking for more.
                let feed = decoder.into_inner();
                if feed.is_starved() { Err(cut_off(Codec::Lz4.name())) } else { Ok(feed) }
            }
        }
    }
}

fn recognise(head: &[u8]) -> Option<Codec> {
    Codec::ALL.into_iter().find(|codec| head.starts_with(codec.magic()))
}

/// Skips a frame that holds nothing, as zstd and lz4 allow; returns whether there was one.
fn skip_skippable(feed: &mut Feed<'_>) -> io::Result<bool> {
    let [0x50..=0x5f, 0x2a, 0x4d, 0x18, size @ ..] = feed.peek(8)? else { return Ok(false) };
    let size = little_endian(Some(size)).unwrap_or(0);
    // Where the size itself is cut off, so is this.
    feed.skip(8)?;
    feed.skip(size)?;
    Ok(true)
}

/// Returns the unpacked size of the frame that follows, if it says so and may be taken as a whole.
fn known_size(codec: Codec, feed: &mut Feed<'_>) -> io::Result<Option<usize>> {
    let size = match codec {
        Codec::Zstd => {
            let head = ZstdHead::read(feed.peek(ZSTD_HEAD_BYTES)?)?;
            // What has no window of its own is as large as its window.
            let window = head.window.or(head.content).unwrap_or(0);
            if window > LARGEST_WINDOW {
                return Err(io::Error::other(Failure::new(format!(
                    "its zstd data needs a window of {window} bytes, at most {LARGEST_WINDOW} are given"
                ))));
            }
            head.content
        }
        Codec::Lz4 => match feed.peek(14)? {
            [_, _, _, _, flags, _, size @ ..] if flags & 0x08 != 0 => little_endian(size.get(..8)),
            _ => None,
        },
        Codec::Gzip => member(feed.peek(MEMBER_SIZE_AT.saturating_add(8))?).map(|(_, size)| size),
    };
    Ok(size.filter(|size| *size <= LARGEST_BLOCK).and_then(|size| usize::try_from(size).ok()))
}

/// Takes the bytes of the frame that follows, whose size is known.
fn take_frame(codec: Codec, feed: &mut Feed<'_>, frame: &mut Vec<u8>) -> io::Result<()> {
    match codec {
        Codec::Zstd => take_zstd(feed, frame),
        Codec::Lz4 => take_lz4(feed, frame),
        Codec::Gzip => {
            let (size, _) = member(feed.peek(MEMBER_SIZE_AT.saturating_add(8))?).unwrap_or_default();
            if size > LARGEST_FRAME {
                return Err(too_large());
            }
            feed.take(size, frame)
        }
    }
}

/// The sizes of a gzip member that was written here: packed and unpacked.
fn member(head: &[u8]) -> Option<(u64, u64)> {
    let (fixed, rest) = head.split_at_checked(MEMBER_HEAD.len())?;
    let is_ours = fixed.iter().zip(MEMBER_HEAD).enumerate();
    // Bytes 8 and 9 tell of the level and the system.
    let is_ours = is_ours.into_iter().all(|(at, (found, wanted))| matches!(at, 8 | 9) || *found == wanted);
    let sizes = rest.strip_prefix(MEMBER_ID).filter(|_| is_ours)?;
    Some((little_endian(sizes.get(..4))?, little_endian(sizes.get(4..8))?))
}

/// What the header of a zstd frame says.
struct ZstdHead {
    /// Bytes of the header, its magic number included.
    bytes: u64,
    window: Option<u64>,
    content: Option<u64>,
    has_checksum: bool,
}

impl ZstdHead {
    /// Reads a header as RFC 8878, section 3.1.1.1 describes it.
    fn read(head: &[u8]) -> io::Result<Self> {
        let missing = || io::Error::from(ErrorKind::UnexpectedEof);
        let flags = *head.get(4).ok_or_else(missing)?;
        let is_single = flags & 0x20 != 0;
        let mut at = 5_usize;
        let mut next = |count: usize| {
            let bytes = head.get(at..at.saturating_add(count));
            at = at.saturating_add(count);
            bytes.ok_or_else(missing)
        };
        let window = match next(usize::from(!is_single))? {
            [window] => {
                let base = 1_u64 << (10 + u32::from(window >> 3));
                Some(base.saturating_add((base / 8).saturating_mul(u64::from(window & 7))))
            }
            _ => None,
        };
        next(match flags & 3 {
            0 => 0,
            1 => 1,
            2 => 2,
            _ => 4,
        })?;
        let content = match (flags >> 6, is_single) {
            (0, false) => None,
            (0, true) => little_endian(Some(next(1)?)),
            (1, _) => little_endian(Some(next(2)?)).map(|size| size.saturating_add(256)),
            (2, _) => little_endian(Some(next(4)?)),
            _ => little_endian(Some(next(8)?)),
        };
        Ok(Self { bytes: at as u64, window, content, has_checksum: flags & 4 != 0 })
    }
}

fn take_zstd(feed: &mut Feed<'_>, frame: &mut Vec<u8>) -> io::Result<()> {
    let head = ZstdHead::read(feed.peek(ZSTD_HEAD_BYTES)?)?;
    feed.take(head.bytes, frame)?;
    loop {
        let block = little_endian(Some(feed.peek(3)?)).unwrap_or(0);
        feed.take(3, frame)?;
        let (is_last, kind, size) = (block & 1 == 1, block >> 1 & 3, block >> 3);
        // One repeated byte has only its length, and no kind is 3.
        feed.take(if kind == 1 { 1 } else { size }, frame)?;
        if frame.len() as u64 > LARGEST_FRAME {
            return Err(too_large());
        }
        if is_last {
            return feed.take(if head.has_checksum { 4 } else { 0 }, frame);
        }
    }
}

fn take_lz4(feed: &mut Feed<'_>, frame: &mut Vec<u8>) -> io::Result<()> {
    let flags = feed.peek(5)?.last().copied().unwrap_or(0);
    let dictionary = if flags & 1 != 0 { 4 } else { 0 };
    // The magic number, flags, block size, content size and the header's checksum.
    feed.take(15_u64.saturating_add(dictionary), frame)?;
    loop {
        let size = little_endian(Some(feed.peek(4)?)).unwrap_or(0) & 0x7fff_ffff;
        feed.take(4, frame)?;
        if size == 0 {
            return feed.take(if flags & 0x04 != 0 { 4 } else { 0 }, frame);
        }
        if (frame.len() as u64).saturating_add(size) > LARGEST_FRAME {
            return Err(too_large());
        }
        feed.take(size, frame)?;
        feed.take(if flags & 0x10 != 0 { 4 } else { 0 }, frame)?;
    }
}

fn little_endian(bytes: Option<&[u8]>) -> Option<u64> {
    Some(bytes?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn too_large() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "it is larger than it says")
}

fn trailing(codec: Codec) -> io::Error {
    io::Error::other(Failure::new(format!("there is something else behind its {codec} data")))
}
