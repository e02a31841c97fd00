//! How far reading has come: numbers another thread may look at, and the meter of one input.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes read so far, as they lie on the disk, and how many there are.
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicU64,
    total: Option<u64>,
}

impl Progress {
    /// Starts at zero of `total` bytes, where that is known.
    pub fn new(total: Option<u64>) -> Self {
        Self { read: AtomicU64::new(0), total }
    }

    /// Returns the bytes read so far, before unpacking.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Returns the bytes there are, if every input has a size.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Counts bytes as read.
    pub(super) fn add(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Counts what is read of one input, into a [`Progress`] and as the measure of its expansion.
pub(super) struct Meter<'p> {
    progress: &'p Progress,
    size: Option<u64>,
    taken: Cell<u64>,
}

impl<'p> Meter<'p> {
    /// Starts an input of `size` bytes, where that is known.
    pub(super) fn new(progress: &'p Progress, size: Option<u64>) -> Self {
        Self { progress, size, taken: Cell::new(0) }
    }

    /// Returns the bytes taken from the input; reading a place twice does not count above its size.
    pub(super) fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// Leaves the counting of the input to whoever reads it.
    pub(super) fn leave(&self) {
        self.taken.set(self.size.unwrap_or(0));
    }

    /// Counts what was never read of an input that is done with.
    pub(super) fn finish(&self) {
        self.add(self.size.unwrap_or(0));
    }

    fn add(&self, bytes: u64) {
        let before = self.taken.get();
        let after = before.saturating_add(bytes).min(self.size.unwrap_or(u64::MAX));
        self.taken.set(after.max(before));
        self.progress.add(after.saturating_sub(before));
    }
}

/// A reader whose bytes are counted.
pub(super) struct Metered<'m, R> {
    inner: R,
    meter: &'m Meter<'m>,
}

impl<'m, R> Metered<'m, R> {
    /// Counts the bytes of `inner` on `meter`.
    pub(super) fn new(inner: R, meter: &'m Meter<'m>) -> Self {
        Self { inner, meter }
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.meter.add(count as u64);
        Ok(count)
    }
}

impl<R: Seek> Seek for Metered<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_input_counts_once_and_whole() {
        let progress = Progress::new(Some(10));
        let meter = Meter::new(&progress, Some(10));
        meter.add(4);
        meter.add(20);
        assert_eq!((meter.taken(), progress.read()), (10, 10));
        meter.finish();
        assert_eq!(progress.read(), 10);
    }
}
