//! Faults on purpose, so that tests can stop barn at any step and let any file operation fail.
//!
//! `BARN_KILL=NAME` ends the process at the point of that name as `kill -9` would: nothing is cleaned up.
//! `BARN_FAIL=N` lets the N-th file operation that goes through here fail for want of space, and all after it.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ends the process here if `BARN_KILL` names this point.
pub fn point(name: &str) {
    static KILL: OnceLock<Option<String>> = OnceLock::new();
    if KILL.get_or_init(|| std::env::var("BARN_KILL").ok()).as_deref() == Some(name) {
        std::process::abort();
    }
}

/// Fails if `BARN_FAIL` says that this operation does.
///
/// # Errors
/// As the operating system on a full disk.
pub fn operation() -> io::Result<()> {
    static FAIL: OnceLock<Option<u64>> = OnceLock::new();
    static DONE: AtomicU64 = AtomicU64::new(0);
    let fail = FAIL.get_or_init(|| std::env::var("BARN_FAIL").ok().and_then(|number| number.parse().ok()));
    match fail {
        Some(first) if DONE.fetch_add(1, Ordering::Relaxed) + 1 >= *first => {
            Err(io::ErrorKind::StorageFull.into())
        }
        _ => Ok(()),
    }
}
