//! Single flight: of several threads that want one answer, one asks.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};

/// The keys that somebody asks for.
#[derive(Default)]
pub(super) struct Flights {
    keys: Mutex<HashSet<String>>,
    landed: Condvar,
}

impl Flights {
    pub(super) fn take(&self, key: &str) -> Flight<'_> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        while keys.contains(key) {
            keys = self.landed.wait(keys).unwrap_or_else(PoisonError::into_inner);
        }
        keys.insert(key.to_owned());
        Flight { flights: self, key: key.to_owned() }
    }
}

/// The right to ask for a key, until it is dropped.
#[must_use = "others may ask as soon as it is dropped"]
pub struct Flight<'a> {
    flights: &'a Flights,
    key: String,
}

// Also where the holder panics, so that the others go on.
impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.flights.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        self.flights.landed.notify_all();
    }
}
