//! The limits of providers and their bans, shared by all processes of the machine.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;
use rusqlite::{OptionalExtension as _, Transaction};

use super::bucket::{self, Bucket, Limit};
use super::database::{Database, lock};

/// How long a reservation waits for other processes, whose transactions take a moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a request may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It may be made now; its cost is taken.
    Now,
    /// It may be made at this time; its cost is taken already: sleep, then go, without asking again.
    ///
    /// So those who wait are served in the order they came, and no one starves.
    At(i64),
    /// It may not be made within the period; nothing is taken. The text says why, and until when.
    Never(String),
}

/// The limits and bans, for all threads.
///
/// `now` is the time of the machine: processes whose clocks differ do not see each other's requests in the same
/// window.
pub struct Limits {
    database: Database,
    /// What was last seen, for the time that the database cannot be used.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    buckets: HashMap<String, Bucket>,
    bans: HashMap<String, i64>,
}

impl Limits {
    /// Makes the limits over `cache.db` in the folder `root`; without a disk they hold in this process only.
    pub fn open(root: &Path) -> Self {
        Self {
            database: Database::new(root, PATIENCE, "limits hold in this process only"),
            known: Mutex::default(),
        }
    }

    /// Takes the cost of a request from all its limits, or from none.
    pub fn reserve(&self, limits: &[Limit<'_>], now: i64) -> Grant {
        if limits.is_empty() {
            return Grant::Now;
        }
        match self.change(limits, |buckets| bucket::reserve(limits, buckets, now)) {
            Ok(at) if at <= now => Grant::Now,
            Ok(at) => Grant::At(at),
            Err(why) => Grant::Never(why),
        }
    }

    /// Gives back what [`Limits::reserve`] took for a request that was not made; `at` is the time it was granted.
    pub fn refund(&self, limits: &[Limit<'_>], at: i64) {
        self.change(limits, |buckets| {
            limits.iter().zip(buckets).for_each(|(limit, bucket)| bucket.refund(limit, at));
        });
    }

    /// Takes over what the provider says of a limit.
    ///
    /// What it counts more than we do is taken off at once. What it counts less may be under way still: a budget of
    /// calendar periods gets back what is older than a minute, a sliding window frees itself.
    pub fn observe(&self, limit: &Limit<'_>, used: Option<f64>, remaining: Option<f64>, now: i64) {
        let used = remaining.map(|remaining| limit.max - remaining).or(used);
        let Some(used) = used.filter(|used| used.is_finite()) else { return };
        self.change(&[*limit], |buckets| {
            for bucket in buckets {
                bucket.observe(limit, used, now);
            }
        });
    }

    /// Stops a source until a time; an earlier stop that lasts longer stays.
    pub fn ban(&self, source: &str, until: i64) {
        let mut known = lock(&self.known);
        let ban = known.bans.entry(source.to_owned()).or_insert(until);
        *ban = until.max(*ban);
        // What others are not told holds in this process.
        self.database
            .write(|transaction| {
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO bans VALUES (?1, ?2)
                     ON CONFLICT (source) DO UPDATE SET until = max(until, excluded.until)",
                )?;
                Ok(insert.execute((source, until))?)
            })
            .ok();
    }

    /// Returns until when a source is stopped.
    pub fn banned(&self, source: &str, now: i64) -> Option<i64> {
        let known = lock(&self.known).bans.get(source).copied();
        let stored = self.database.read(|connection| {
            let mut find = connection.prepare_cached("SELECT until FROM bans WHERE source = ?1")?;
            Ok(find.query_row([source], |row| row.get(0)).optional()?)
        });
        known.max(stored).filter(|until| *until > now)
    }

    /// Returns one sentence on why the limits hold in this process only, the first time it is asked after that.
    pub fn warning(&self) -> Option<String> {
        self.database.warning()
    }

    /// Changes the states of limits in one transaction; in memory where the database cannot be used.
    fn change<T>(&self, limits: &[Limit<'_>], change: impl Fn(&mut [Bucket]) -> T) -> T {
        let mut known = lock(&self.known);
        let written = self.database.write(|transaction| {
            let mut buckets = limits
                .iter()
                .map(|limit| read_bucket(transaction, limit.name))
                .collect::<Result<Vec<_>>>()?;
            let before = buckets.clone();
            let result = change(&mut buckets);
            for ((limit, bucket), _) in
                limits.iter().zip(&buckets).zip(&before).filter(|((_, bucket), before)| bucket != before)
            {
                write_bucket(transaction, limit.name, bucket)?;
            }
            Ok((result, buckets))
        });
        let (result, buckets) = written.unwrap_or_else(|_| {
            let find = |limit: &Limit<'_>| known.buckets.get(limit.name).cloned().unwrap_or_default();
            let mut buckets: Vec<Bucket> = limits.iter().map(find).collect();
            (change(&mut buckets), buckets)
        });
        known.buckets.extend(limits.iter().map(|limit| limit.name.to_owned()).zip(buckets));
        result
    }
}

fn read_bucket(transaction: &Transaction<'_>, name: &str) -> Result<Bucket> {
    let mut find = transaction.prepare_cached("SELECT state FROM limits WHERE name = ?1")?;
    let state = find.query_row([name], |row| row.get::<_, String>(0)).optional()?;
    Ok(state.map(|state| Bucket::parse(&state)).unwrap_or_default())
}

fn write_bucket(transaction: &Transaction<'_>, name: &str, bucket: &Bucket) -> Result<()> {
    let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO limits VALUES (?1, ?2)")?;
    insert.execute((name, bucket.to_text()))?;
    Ok(())
}
