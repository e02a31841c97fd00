//! A stream of bytes cut into blocks of whole records.

use std::io::{self, Read};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use memchr::{memchr, memchr_iter};

use super::elements::Splitter;
use super::lines::{Scanner, last_lines};
use super::text::{Text, TextError, encoding};
use crate::decode::Block;
use crate::error::Failure;

/// Bytes of a block: some 60,000 bars. As many blocks as workers, and two, are in memory at once.
pub(super) const BLOCK_BYTES: usize = 4 << 20;

/// Bytes of one record. A daily bar has 50, a whole option chain as one JSON object under 4 MiB; beyond
/// this a file has no line ends, or a quote was never closed.
pub(super) const MAX_RECORD_BYTES: usize = 16 << 20;

/// Bytes read at once: the largest that stays in the second-level cache until it is scanned.
const READ_BYTES: usize = 256 << 10;

/// Bytes in which the kind of line ends must show, and that [`read_start`] returns at most.
const START_BYTES: usize = 64 << 10;

/// How long a slow pipe may fill a block before what it holds is handed out.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where records end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// At every line end.
    Lines,
    /// At line ends outside of quotes.
    Csv {
        /// The byte between fields, behind which a quote opens.
        delimiter: u8,
    },
    /// At the ends of JSON values.
    Elements {
        /// Where they are in the document, such as `chart.result[0]`; `None` for its top.
        root: Option<String>,
    },
}

/// How bytes become records.
#[derive(Clone, Debug)]
pub(super) struct BlockOptions {
    /// The encoding a layout declares, such as `latin-1`; else UTF-8, or what a byte order mark says.
    pub encoding: Option<String>,
    /// Leading lines to drop.
    pub skip: usize,
    /// Trailing lines to drop, except with [`Cut::Elements`].
    pub footer: usize,
    /// Where records end.
    pub cut: Cut,
}

/// Reads blocks of whole records.
pub(super) struct BlockReader<'a> {
    text: Text<Box<dyn Read + 'a>>,
    skip: usize,
    footer: usize,
    block_bytes: usize,
    stop: &'a AtomicBool,
    cutter: Cutter,
    line_ends: LineEnds,
    /// Text that was read and not yet handed out.
    pending: Vec<u8>,
    /// The line on which `pending` begins.
    line: u64,
    index: u64,
    /// When the block being filled was begun.
    begun: Option<Instant>,
    at_end: bool,
}

enum Cutter {
    Lines(Scanner),
    Elements(Box<Splitter>),
}

#[derive(PartialEq, Eq)]
enum LineEnds {
    Unknown,
    LineFeed,
    /// As files of old Macs have them; they are turned into line feeds.
    CarriageReturn,
}

impl<'a> BlockReader<'a> {
    /// Starts reading; once `stop` is set it ends as if the input did.
    pub(super) fn new(
        reader: Box<dyn Read + 'a>,
        options: BlockOptions,
        stop: &'a AtomicBool,
    ) -> Result<Self> {
        let declared = options.encoding.as_deref().map(encoding).transpose()?;
        let cutter = match options.cut {
            Cut::Lines => Cutter::Lines(Scanner::new(None, options.footer)),
            Cut::Csv { delimiter } => Cutter::Lines(Scanner::new(Some(delimiter), options.footer)),
            Cut::Elements { root } => Cutter::Elements(Box::new(Splitter::new(root.as_deref())?)),
        };
        Ok(Self {
            text: Text::new(reader, declared),
            skip: options.skip,
            footer: options.footer,
            block_bytes: BLOCK_BYTES,
            stop,
            cutter,
            line_ends: LineEnds::Unknown,
            pending: Vec::new(),
            line: 1,
            index: 0,
            begun: None,
            at_end: false,
        })
    }

    /// Returns the next block, `None` at the end or when stopped.
    pub(super) fn next_block(&mut self) -> Result<Option<Block>> {
        while !self.is_stopped() {
            self.settle();
            if let Some(block) = self.whole_block()? {
                return Ok(Some(block));
            }
            if self.at_end {
                return self.last_block();
            }
            self.fill()?;
        }
        Ok(None)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn is_late(&self) -> bool {
        self.begun.is_some_and(|begun| begun.elapsed() > PATIENCE)
    }

    fn fill(&mut self) -> Result<()> {
        let room = self.block_bytes.saturating_sub(self.pending.len());
        let want = if room == 0 { READ_BYTES } else { room.min(READ_BYTES) };
        if self.pending.capacity() == 0 && matches!(self.cutter, Cutter::Lines(_)) {
            // Room for the whole block at once: growing by doubling would hold twice of it.
            self.pending.reserve(self.block_bytes + READ_BYTES);
        }
        self.begun.get_or_insert_with(Instant::now);
        match self.text.fill(&mut self.pending, want.min(self.block_bytes).max(1)) {
            Ok(more) => self.at_end = !more,
            Err(err) => return Err(self.text_error(err)),
        }
        Ok(())
    }

    fn text_error(&self, err: TextError) -> Error {
        let line = self.line + count_lines(&self.pending);
        match err {
            TextError::Io(err) => err.into(),
            TextError::NotUtf8 => Failure::new(format!("line {line} is not valid UTF-8"))
                .hint("`encoding = \"latin-1\"` in the file given to `--as` reads western European text")
                .into(),
            TextError::Malformed(encoding) => {
                Failure::new(format!("line {line} is not valid {encoding}")).into()
            }
            TextError::Binary => {
                Failure::new(format!("line {line} has a NUL byte, so it is not text")).into()
            }
        }
    }

    /// Decides on the line ends and drops the lines that are not wanted.
    fn settle(&mut self) {
        let decided = self.at_end || self.pending.len() >= START_BYTES;
        if self.line_ends == LineEnds::Unknown {
            if memchr(b'\n', &self.pending).is_some() {
                self.line_ends = LineEnds::LineFeed;
            } else if decided && memchr(b'\r', &self.pending).is_some() {
                self.line_ends = LineEnds::CarriageReturn;
            } else if decided {
                self.line_ends = LineEnds::LineFeed;
            }
        }
        if self.line_ends == LineEnds::CarriageReturn {
            for byte in self.pending.iter_mut().filter(|byte| **byte == b'\r') {
                *byte = b'\n';
            }
        }
        if self.line_ends != LineEnds::Unknown && self.skip > 0 {
            self.skip();
        }
    }

    fn skip(&mut self) {
        let mut end = 0;
        while self.skip > 0 {
            let Some(offset) = memchr(b'\n', &self.pending[end..]) else {
                // The rest of the line goes too, however long it is.
                end = self.pending.len();
                break;
            };
            end += offset + 1;
            self.skip -= 1;
            self.line += 1;
        }
        drop(self.pending.drain(..end));
    }

    /// Returns a block if one is full, or late.
    fn whole_block(&mut self) -> Result<Option<Block>> {
        if self.line_ends == LineEnds::Unknown || self.skip > 0 {
            return Ok(None);
        }
        let late = self.is_late();
        let cut = match &mut self.cutter {
            Cutter::Elements(splitter) => {
                self.line = splitter.feed(&self.pending, self.line)?;
                self.pending.clear();
                let full = splitter.len() >= self.block_bytes || late;
                return Ok(if full { self.elements() } else { None });
            }
            Cutter::Lines(scanner) => {
                scanner.scan(&self.pending);
                scanner.cut()
            }
        };
        self.check_length(cut.unwrap_or(0))?;
        let full = self.pending.len() >= self.block_bytes || late;
        Ok(cut.filter(|_| full).map(|cut| self.take(cut)))
    }

    fn check_length(&self, start: usize) -> Result<()> {
        if self.pending.len() - start <= MAX_RECORD_BYTES {
            return Ok(());
        }
        let line = self.line + count_lines(&self.pending[..start]);
        let limit = MAX_RECORD_BYTES >> 20;
        let what = if self.footer > 0 { "the record with the footer" } else { "the record" };
        Err(Failure::new(format!("{what} at line {line} is longer than {limit} MiB")).into())
    }

    /// Returns what is left at the end of the input.
    fn last_block(&mut self) -> Result<Option<Block>> {
        match &mut self.cutter {
            Cutter::Elements(splitter) => {
                splitter.finish()?;
                return Ok(self.elements());
            }
            Cutter::Lines(scanner) => {
                if scanner.is_inside_quotes() {
                    let line = self.line + count_lines(&self.pending[..scanner.last_end()]);
                    return Err(Failure::new(format!(
                        "a quote in the record at line {line} is never closed"
                    ))
                    .into());
                }
                let end = last_lines(&self.pending, mem::take(&mut self.footer));
                self.pending.truncate(end);
            }
        }
        Ok(if self.pending.is_empty() { None } else { Some(self.take(self.pending.len())) })
    }

    fn elements(&mut self) -> Option<Block> {
        let Cutter::Elements(splitter) = &mut self.cutter else {
            return None;
        };
        let records = splitter.take()?;
        self.begun = None;
        self.index += 1;
        Some(Block {
            index: self.index - 1,
            first_line: records.first_line,
            bytes: records.bytes,
            ends: Some(records.ends),
        })
    }

    fn take(&mut self, cut: usize) -> Block {
        let room = if self.at_end { 0 } else { self.block_bytes + READ_BYTES };
        let mut rest = Vec::with_capacity(room);
        rest.extend_from_slice(&self.pending[cut..]);
        self.pending.truncate(cut);
        let bytes = mem::replace(&mut self.pending, rest);
        if let Cutter::Lines(scanner) = &mut self.cutter {
            scanner.taken(cut);
        }
        let block = Block { index: self.index, first_line: self.line, bytes, ends: None };
        self.line += count_lines(&block.bytes);
        self.index += 1;
        self.begun = if self.pending.is_empty() { None } else { Some(Instant::now()) };
        block
    }
}

/// Reads the start of an input, from which its format can be told: 64 KiB, or all there is, or the lines
/// that a slow pipe gave in a second.
pub(super) fn read_start(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let (begun, mut start) = (Instant::now(), vec![0; START_BYTES]);
    let mut length = 0;
    while length < START_BYTES && !(begun.elapsed() > PATIENCE && start[..length].contains(&b'\n')) {
        match reader.read(&mut start[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    start.truncate(length);
    Ok(start)
}

fn count_lines(text: &[u8]) -> u64 {
    memchr_iter(b'\n', text).count() as u64
}

#[cfg(test)]
mod tests;
