//! The answers in memory, bounded by their bytes.

use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::Stored;

/// What an answer of usual size takes; only sets how many places are made at once.
const USUAL_BYTES: u64 = 16 << 10;
/// Few, because an answer larger than the bound divided by them is not kept.
const SHARDS: usize = 4;
/// What an entry takes beside its texts.
const OVERHEAD: u64 = 200;

#[derive(Clone)]
struct Bytes;

impl Weighter<String, Arc<Stored>> for Bytes {
    fn weight(&self, key: &String, stored: &Arc<Stored>) -> u64 {
        let headers: usize = stored.headers.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
        OVERHEAD + (key.len() + headers + stored.body.len()) as u64
    }
}

/// The tier in memory.
pub(super) struct Memory(Cache<String, Arc<Stored>, Bytes>);

impl Memory {
    pub(super) fn new(bytes: u64) -> Self {
        let places = usize::try_from(bytes / USUAL_BYTES).unwrap_or(usize::MAX).clamp(16, 1 << 16);
        let mut options = OptionsBuilder::new();
        options.estimated_items_capacity(places).weight_capacity(bytes).shards(SHARDS);
        match options.build() {
            Ok(options) => Self(Cache::with_options(
                options,
                Bytes,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            )),
            Err(_) => Self(Cache::with_weighter(places, bytes, Bytes)),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<Stored>> {
        self.0.get(key)
    }

    pub(super) fn put(&self, key: &str, stored: Arc<Stored>) {
        self.0.insert(key.to_owned(), stored);
    }

    pub(super) fn remove(&self, key: &str) {
        self.0.remove(key);
    }
}
