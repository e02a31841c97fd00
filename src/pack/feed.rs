//! A reader that can be looked into before it is read.

use std::io::{self, BufRead, Read};

/// Bytes read at once: enough that a call of the system costs little beside its bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// The rest of an input.
pub(super) struct Feed<'a> {
    inner: Box<dyn Read + 'a>,
    buffer: Vec<u8>,
    start: usize,
    read: u64,
    is_starved: bool,
}

impl<'a> Feed<'a> {
    pub(super) fn new(inner: Box<dyn Read + 'a>) -> Self {
        Self { inner, buffer: Vec::new(), start: 0, read: 0, is_starved: false }
    }

    /// Returns the bytes taken until now.
    pub(super) fn taken(&self) -> u64 {
        self.read - self.ahead().len() as u64
    }

    /// Returns whether somebody wanted to read on at the end.
    pub(super) fn is_starved(&self) -> bool {
        self.is_starved
    }

    fn ahead(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Returns the next bytes without taking them, fewer only at the end.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.ahead().len() < count && self.fill()? {}
        Ok(&self.ahead()[..count.min(self.ahead().len())])
    }

    /// Takes exactly `count` bytes, and appends them.
    ///
    /// Memory grows with what is there, not with what is asked for.
    pub(super) fn take(&mut self, count: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let taken = Read::take(&mut *self, count).read_to_end(into)?;
        if (taken as u64) < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Takes exactly `count` bytes, and forgets them.
    pub(super) fn skip(&mut self, count: u64) -> io::Result<()> {
        let taken = io::copy(&mut Read::take(&mut *self, count), &mut io::sink())?;
        if taken < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Reads once; returns false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        drop(self.buffer.drain(..self.start));
        self.start = 0;
        loop {
            let before = self.buffer.len();
            self.buffer.resize(before + CHUNK_BYTES, 0);
            let result = self.inner.read(&mut self.buffer[before..]);
            self.buffer.truncate(before + result.as_ref().map_or(0, |count| *count));
            match result {
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    let count = result?;
                    self.read += count as u64;
                    return Ok(count > 0);
                }
            }
        }
    }
}

impl Read for Feed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead().is_empty() && buffer.len() >= CHUNK_BYTES {
            let count = self.inner.read(buffer)?;
            self.read += count as u64;
            self.is_starved |= count == 0;
            return Ok(count);
        }
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Feed<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.ahead().is_empty() && !self.fill()? {
            self.is_starved = true;
        }
        Ok(self.ahead())
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
    }
}
