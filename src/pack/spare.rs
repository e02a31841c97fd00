//! Buffers and contexts that are used again: fresh memory costs the system more than zstd needs to fill it.

use std::sync::{Mutex, PoisonError};

/// Things that nobody uses at the moment.
pub(super) struct Spares<T>(Mutex<Vec<T>>);

impl<T> Spares<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Takes one, if there is one.
    pub(super) fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Gives one back.
    pub(super) fn give(&self, spare: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(spare);
    }
}

impl Spares<Vec<u8>> {
    /// Takes an empty buffer, or makes one that can hold so many bytes.
    pub(super) fn buffer(&self, bytes: usize) -> Vec<u8> {
        let mut buffer = self.take().unwrap_or_else(|| Vec::with_capacity(bytes));
        buffer.clear();
        buffer
    }
}
