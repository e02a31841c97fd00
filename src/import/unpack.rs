//! What bytes are, by their content, and unpacking them with a bound.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::rc::Rc;

use super::progress::Meter;
use crate::error::Failure;
use crate::pack::{Codec, FREE_BYTES, MOST_EXPANSION, cut_off, explain};

/// Where tar says that it is tar.
const TAR_MAGIC_AT: usize = 257;
const TAR_MAGIC: &[u8] = b"ustar";

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// None of the following, so text of some kind.
    Plain,
    Packed(Codec),
    Tar,
    Zip,
    Parquet,
    /// What barn does not read, with its name.
    Foreign(&'static str),
    /// The first bytes of a magic number and nothing else.
    CutOff,
}

const MAGIC: &[(&[u8], Kind)] = &[
    (Codec::Gzip.magic(), Kind::Packed(Codec::Gzip)),
    (Codec::Zstd.magic(), Kind::Packed(Codec::Zstd)),
    (Codec::Lz4.magic(), Kind::Packed(Codec::Lz4)),
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (b"PAR1", Kind::Parquet),
    (b"\xfd7zXZ\0", Kind::Foreign("an xz file")),
    (b"7z\xbc\xaf\x27\x1c", Kind::Foreign("a 7z archive")),
    (b"Rar!\x1a\x07", Kind::Foreign("a rar archive")),
    (b"SQLite format 3\0", Kind::Foreign("an SQLite database")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind::Foreign("an old Excel workbook")),
    (b"ARROW1\0\0", Kind::Foreign("an Arrow file")),
    (b"%PDF-", Kind::Foreign("a PDF document")),
];

/// Returns what `reader` holds, and a reader of all of it.
///
/// No more is read than deciding needs, so that a slow pipe of text is recognised by its first line.
pub(super) fn sniff<'a>(mut reader: Box<dyn Read + 'a>) -> io::Result<(Kind, Box<dyn Read + 'a>)> {
    let mut head = Vec::new();
    let kind = loop {
        if let Some(kind) = recognise(&head) {
            break kind;
        }
        let mut buffer = [0; 512];
        match reader.read(&mut buffer) {
            Ok(0) if is_cut_off(&head) => break Kind::CutOff,
            Ok(0) => break Kind::Plain,
            Ok(count) => head.extend_from_slice(&buffer[..count]),
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    };
    Ok((kind, Box::new(Cursor::new(head).chain(reader))))
}

/// Returns what begins with `head`, `None` if more of it must be seen.
fn recognise(head: &[u8]) -> Option<Kind> {
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(*kind);
    }
    if head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
        return Some(Kind::Foreign("a bzip2 file"));
    }
    if let Some(place) = head.get(TAR_MAGIC_AT..TAR_MAGIC_AT + TAR_MAGIC.len()) {
        return Some(if place == TAR_MAGIC { Kind::Tar } else { Kind::Plain });
    }
    // The names at the start of a tar have no line ends.
    head.contains(&b'\n').then_some(Kind::Plain)
}

/// Returns whether a whole input is the start of a magic number, and not by chance a short text.
fn is_cut_off(head: &[u8]) -> bool {
    head.iter().any(|byte| !matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
        && MAGIC.iter().any(|(magic, _)| magic.starts_with(head))
}

/// Returns a reader of what is packed in `reader`.
pub(super) fn unpack<'a>(codec: Codec, reader: Box<dyn Read + 'a>) -> io::Result<Box<dyn Read + 'a>> {
    let what = codec.name();
    Ok(match codec {
        Codec::Gzip => Box::new(Explained::new(flate2::read::MultiGzDecoder::new(reader), what)),
        Codec::Zstd => Box::new(Explained::new(zstd::stream::read::Decoder::new(reader)?, what)),
        Codec::Lz4 => Box::new(Explained::new(Lz4::new(reader), what)),
    })
}

/// A reader that says what is wrong in the words of the user.
pub(super) struct Explained<R> {
    inner: R,
    what: &'static str,
}

impl<R> Explained<R> {
    /// Wraps the unpacking of what is called `what`.
    pub(super) fn new(inner: R, what: &'static str) -> Self {
        Self { inner, what }
    }
}

impl<R: Read> Read for Explained<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|err| explain(err, self.what))
    }
}

/// Frames of lz4, of which the decoder takes a missing rest for the end.
struct Lz4<R: Read> {
    decoder: lz4_flex::frame::FrameDecoder<Watched<BufReader<R>>>,
    watch: Rc<Watch>,
}

impl<R: Read> Lz4<R> {
    fn new(reader: R) -> Self {
        let (reader, watch) = Watched::new(BufReader::new(reader));
        Self { decoder: lz4_flex::frame::FrameDecoder::new(reader), watch }
    }
}

impl<R: Read> Read for Lz4<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            // A whole frame ends without asking for more; the end may only be met where a frame could begin.
            let taken = self.watch.taken.replace(0);
            if self.watch.ended.get() {
                return if taken == 0 { Ok(0) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        }
    }
}

/// What a [`Watched`] reader has seen.
#[derive(Default)]
pub(super) struct Watch {
    /// Whether the end was met.
    pub(super) ended: Cell<bool>,
    taken: Cell<u64>,
}

/// A reader of which another can tell whether its end was met.
pub(super) struct Watched<R> {
    inner: R,
    watch: Rc<Watch>,
}

impl<R> Watched<R> {
    /// Returns the reader and what it sees.
    pub(super) fn new(inner: R) -> (Self, Rc<Watch>) {
        let watch = Rc::new(Watch::default());
        (Self { inner, watch: Rc::clone(&watch) }, watch)
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.watch.taken.set(self.watch.taken.get() + count as u64);
        self.watch.ended.set(count == 0 && !buffer.is_empty());
        Ok(count)
    }
}

/// A reader that ends where an input has grown beyond all measure.
pub(super) struct Bounded<'m, R> {
    inner: R,
    meter: &'m Meter<'m>,
    given: &'m Cell<u64>,
}

impl<'m, R> Bounded<'m, R> {
    /// Compares what all readers of `given` gave with what `meter` took.
    pub(super) fn new(inner: R, meter: &'m Meter<'m>, given: &'m Cell<u64>) -> Self {
        Self { inner, meter, given }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let given = self.given.get().saturating_add(count as u64);
        self.given.set(given);
        if given > FREE_BYTES && given > self.meter.taken().saturating_mul(MOST_EXPANSION) {
            return Err(io::Error::other(Failure::new(format!(
                "it unpacks to more than {MOST_EXPANSION} times its size"
            ))));
        }
        Ok(count)
    }
}

/// A reader of which the length is known.
pub(super) struct Exact<R> {
    inner: R,
    left: u64,
    what: &'static str,
}

impl<R> Exact<R> {
    /// Expects `length` bytes of what is called `what`.
    pub(super) fn new(inner: R, length: u64, what: &'static str) -> Self {
        Self { inner, left: length, what }
    }
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() && self.left > 0 {
            return Err(cut_off(self.what));
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}
