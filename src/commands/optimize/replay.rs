//! The store's own recent queries, asked again before and after, so that it shows what the upkeep was good for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Work;
use crate::commands::tables::threads;
use crate::engine::{Engine, Options};
use crate::runs::Runs;
use crate::store::Snapshot;

/// Queries that are asked again at most.
const QUERIES: u32 = 20;

/// The time after which no further query is asked.
const PATIENCE: Duration = Duration::from_secs(10);

/// Queries, and how long each took.
pub(super) type Replayed = Vec<(String, Duration)>;

/// Asks recent queries again.
pub(super) fn recent(work: &Work<'_>) -> Replayed {
    let queries = Runs::open(work.root).recent_queries(QUERIES).unwrap_or_default();
    let mut replayed = Replayed::new();
    let started = Instant::now();
    for query in queries {
        if started.elapsed() > PATIENCE || replayed.iter().any(|(sql, _)| *sql == query.sql) {
            continue;
        }
        if let Ok(took) = ask(work, &query.sql) {
            replayed.push((query.sql, took));
        }
    }
    replayed
}

/// Asks the same queries once more, and returns how long they took before and now.
pub(super) fn again(work: &Work<'_>, before: &Replayed) -> Option<(usize, Duration, Duration)> {
    let mut sums = (0, Duration::ZERO, Duration::ZERO);
    for (sql, took) in before {
        if let Ok(now) = ask(work, sql) {
            sums = (sums.0 + 1, sums.1 + *took, sums.2 + now);
        }
    }
    (sums.0 > 0).then_some(sums)
}

/// Answers a query twice, and returns the time of the second answer: the first one fills the caches.
fn ask(work: &Work<'_>, sql: &str) -> Result<Duration> {
    let mut took = Duration::ZERO;
    for _ in 0..2 {
        let started = Instant::now();
        let snapshot = Arc::new(Snapshot::open(work.root, threads())?);
        let mut answer = Engine::new(snapshot, &Options::default())?.query(sql)?;
        while answer.next_batch()?.is_some() {}
        took = started.elapsed();
    }
    Ok(took)
}
