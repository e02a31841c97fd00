//! What is remembered beside the rows: for a fetch the answers, in memory over `cache.db`, and the limits of the
//! providers, shared by all processes; for a query its results. Nothing here fails a command: what the disk
//! cannot do is counted and told once.

mod bucket;
mod database;
mod disk;
mod flight;
mod limits;
mod memory;
mod pack;
mod results;
#[cfg(test)]
mod tests;
mod tidy;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

pub use bucket::Limit;
pub use flight::Flight;
pub use limits::{Grant, Limits};
pub use results::{Question, Results, StoredResult};
pub use tidy::{Tidied, Tidy, tidy};

use disk::Disk;
use flight::Flights;
use memory::Memory;

/// An answer of a provider, as the cache keeps it; a refusal is one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The HTTP status.
    pub status: u16,
    /// The headers worth keeping.
    pub headers: Vec<(String, String)>,
    /// The unpacked body.
    pub body: Vec<u8>,
    /// When it is no longer fresh; `i64::MAX` for never.
    pub expires: i64,
    /// When it was received.
    pub fetched_at: i64,
}

/// How far the clocks of two processes may differ before an answer from the future is taken for one of a clock
/// that went back.
const CLOCK_SLACK: i64 = 60_000_000;

impl Stored {
    fn is_fresh(&self, now: i64) -> bool {
        let is_from_future = self.fetched_at.saturating_sub(CLOCK_SLACK) > now;
        self.expires == i64::MAX || (now < self.expires && !is_from_future)
    }
}

/// Where an answer was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// In the memory of this process.
    Memory,
    /// In `cache.db`.
    Disk,
}

/// What the cache has for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// An answer that may be used.
    Fresh(Arc<Stored>, Tier),
    /// An answer past its time, of use for a conditional request.
    Stale(Arc<Stored>),
    /// Nothing.
    Missing,
}

/// What a cache did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Fresh answers from memory.
    pub memory_hits: u64,
    /// Fresh answers from the disk.
    pub disk_hits: u64,
    /// Answers that were there and too old.
    pub stale: u64,
    /// Look-ups that found nothing.
    pub misses: u64,
    /// Answers written to the disk.
    pub writes: u64,
    /// Reads and writes that the disk failed.
    pub failures: u64,
    /// Bytes of the fresh answers.
    pub bytes: u64,
}

/// The answers of providers: memory over disk, shared by all threads.
pub struct Cache {
    memory: Memory,
    disk: Arc<Disk>,
    flights: Flights,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    memory_hits: AtomicU64,
    disk_hits: AtomicU64,
    stale: AtomicU64,
    misses: AtomicU64,
    bytes: AtomicU64,
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Cache {
    /// Makes a cache over `cache.db` in the folder `root`, with bounds on both tiers.
    ///
    /// The file is opened when it is first needed, and made at the first write.
    pub fn open(root: &Path, memory_bytes: u64, disk_bytes: u64) -> Self {
        Self {
            memory: Memory::new(memory_bytes),
            disk: Arc::new(Disk::new(root, disk_bytes)),
            flights: Flights::default(),
            counts: Counts::default(),
        }
    }

    /// Returns what the cache has for a key.
    pub fn get(&self, key: &str, now: i64) -> Lookup {
        let remembered = self.memory.get(key);
        if let Some(stored) = &remembered
            && stored.is_fresh(now)
        {
            add(&self.counts.memory_hits, 1);
            add(&self.counts.bytes, stored.body.len() as u64);
            return Lookup::Fresh(Arc::clone(stored), Tier::Memory);
        }
        // Also behind a stale one: another process may have asked again.
        let found = self.disk.get(key, now).map(Arc::new);
        if let Some(stored) = &found {
            self.memory.put(key, Arc::clone(stored));
            if stored.is_fresh(now) {
                add(&self.counts.disk_hits, 1);
                add(&self.counts.bytes, stored.body.len() as u64);
                return Lookup::Fresh(Arc::clone(stored), Tier::Disk);
            }
        }
        let Some(stored) = found.or(remembered) else {
            add(&self.counts.misses, 1);
            return Lookup::Missing;
        };
        add(&self.counts.stale, 1);
        Lookup::Stale(stored)
    }

    /// Keeps an answer.
    pub fn put(&self, key: &str, stored: impl Into<Arc<Stored>>) {
        let stored = stored.into();
        self.memory.put(key, Arc::clone(&stored));
        Disk::put(&self.disk, key, stored);
    }

    /// Gives an answer a new life: the provider said that it has not changed.
    pub fn touch(&self, key: &str, expires: i64) {
        if let Some(stored) = self.memory.get(key) {
            let stored = Stored { expires, ..Stored::clone(&stored) };
            self.memory.put(key, Arc::new(stored));
        }
        self.disk.touch(key, expires);
    }

    /// Forgets an answer: it turned out to be of no use.
    pub fn forget(&self, key: &str) {
        self.memory.remove(key);
        self.disk.forget(key);
    }

    /// Returns whether the cache has a fresh answer, and leaves no trace of having looked.
    pub fn has(&self, key: &str, now: i64) -> bool {
        let known = self.memory.get(key).or_else(|| self.disk.peek(key).map(Arc::new));
        known.is_some_and(|stored| stored.is_fresh(now))
    }

    /// Packs the bodies received before `older_than` tighter, and returns how many.
    pub fn recompress(&self, older_than: i64) -> Result<u64> {
        self.disk.recompress(older_than)
    }

    /// Waits until nobody else asks for this key, and keeps others from it until the guard is dropped.
    ///
    /// A thread that holds a key must not ask for it again.
    pub fn flight(&self, key: &str) -> Flight<'_> {
        self.flights.take(key)
    }

    /// Returns what the cache did so far.
    pub fn figures(&self) -> Figures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Figures {
            memory_hits: read(&self.counts.memory_hits),
            disk_hits: read(&self.counts.disk_hits),
            stale: read(&self.counts.stale),
            misses: read(&self.counts.misses),
            writes: self.disk.writes(),
            failures: self.disk.failures(),
            bytes: read(&self.counts.bytes),
        }
    }

    /// Returns one sentence on why the disk cannot be used, the first time it is asked after it failed.
    pub fn warning(&self) -> Option<String> {
        self.disk.warning()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.disk.finish();
    }
}
