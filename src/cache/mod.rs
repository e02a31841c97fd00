//! What is remembered beside the rows: for a fetch the answers, in memory over `cache.db`, and the limits of the
//! providers, shared by all processes; for a query its results. Nothing here fails a command: what the disk
//! cannot do is told once.

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

/// The answers of providers: memory over disk, shared by all threads.
pub struct Cache {
    memory: Memory,
    disk: Arc<Disk>,
    flights: Flights,
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
        }
    }

    /// Returns what the cache has for a key.
    pub fn get(&self, key: &str, now: i64) -> Lookup {
        let remembered = self.memory.get(key);
        if let Some(stored) = &remembered
            && stored.is_fresh(now)
        {
            return Lookup::Fresh(Arc::clone(stored), Tier::Memory);
        }
        // Also behind a stale one: another process may have asked again.
        let found = self.disk.get(key, now).map(Arc::new);
        if let Some(stored) = &found {
            self.memory.put(key, Arc::clone(stored));
            if stored.is_fresh(now) {
                return Lookup::Fresh(Arc::clone(stored), Tier::Disk);
            }
        }
        found.or(remembered).map_or(Lookup::Missing, Lookup::Stale)
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
