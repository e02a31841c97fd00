//! What a fetch counts while it runs, for whoever watches and for the summary.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::cache::Tier;

/// Latencies that are remembered, of a round of a million requests and more the first.
const MAX_LATENCIES: usize = 1 << 20;

/// How far a provider was heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contact {
    answers: u64,
    retries: u64,
}

impl Contact {
    /// Returns whether requests were made again since then and none of all was answered.
    pub(super) fn is_silent_since(self, before: Self) -> bool {
        self.answers == before.answers && self.retries > before.retries
    }
}

/// Counters that every worker adds to.
#[derive(Debug, Default)]
pub struct Stats {
    /// Windows that are done.
    pub done: AtomicU64,
    /// Windows in all.
    pub total: AtomicU64,
    /// Requests that went out.
    pub requests: AtomicU64,
    /// Answers that came, whatever they said.
    answers: AtomicU64,
    /// Tries beyond the first.
    pub retries: AtomicU64,
    /// Rows that came.
    pub rows: AtomicU64,
    /// Answers from memory.
    pub memory_hits: AtomicU64,
    /// Answers from disk.
    pub disk_hits: AtomicU64,
    /// Answers that the provider said still hold.
    pub revalidated: AtomicU64,
    /// Microseconds spent waiting for limits.
    pub waited_micros: AtomicU64,
    /// Bytes of the answers, unpacked.
    pub bytes: AtomicU64,
    /// How long each answer took.
    latencies_micros: Mutex<Vec<u32>>,
}

impl Stats {
    /// Counts an answer from the cache.
    pub fn hit(&self, tier: Tier) {
        match tier {
            Tier::Memory => &self.memory_hits,
            Tier::Disk => &self.disk_hits,
        }
        .fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request.
    pub fn requested(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer to a request.
    pub fn answered(&self, bytes: usize, latency: Duration) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let mut latencies = self.latencies_micros.lock().unwrap_or_else(PoisonError::into_inner);
        if latencies.len() < MAX_LATENCIES {
            latencies.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        }
    }

    /// Returns how far the provider was heard of.
    pub(super) fn contact(&self) -> Contact {
        Contact { answers: Self::get(&self.answers), retries: Self::get(&self.retries) }
    }

    /// Returns how long each answer took, in microseconds.
    pub fn latencies(&self) -> Vec<u32> {
        self.latencies_micros.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts another try.
    pub fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer that still holds.
    pub fn revalidated(&self) {
        self.revalidated.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a wait.
    pub fn waited(&self, wait: Duration) {
        self.waited_micros.fetch_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns a counter.
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}
