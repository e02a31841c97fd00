//! How long this process has waited until the disk had what was written.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// For the whole process: what waits is deep below the commands.
static MICROS: AtomicU64 = AtomicU64::new(0);

/// Runs what makes bytes durable, and counts how long that takes.
pub fn writing<T>(work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    MICROS.fetch_add(u64::try_from(started.elapsed().as_micros()).unwrap_or(0), Ordering::Relaxed);
    result
}

/// Returns how long all that took so far, summed over the threads.
pub fn write_time() -> Duration {
    Duration::from_micros(MICROS.load(Ordering::Relaxed))
}
