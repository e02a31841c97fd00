//! The answers on the disk, shared by all processes of the machine.
//!
//! Writes of several threads go into one transaction: whoever finds nobody writing writes what all have queued.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};

use super::Stored;
use super::database::{Database, lock};
use super::pack::{Codec, LARGEST, pack, unpack};

/// How long a write waits for another process: an answer less in the cache is no loss.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes that may wait for a thread that is writing; then the next thread waits for it.
const MOST_QUEUED: usize = 8 << 20;
/// Times of use that may wait to be written.
const MOST_USES: usize = 256;
/// Bytes of a body, packed, above which SQLite would refuse it.
const LARGEST_PACKED: usize = 512 << 20;
/// How old the time of the last use may be before it is written anew.
const USE_STEP: i64 = 3_600_000_000;
/// What a row takes beside its texts and body.
const OVERHEAD: usize = 200;
/// Rows that one transaction of a sweep removes or packs at most.
const SWEEP_ROWS: usize = 64;

/// The tier on the disk.
pub(super) struct Disk {
    database: Database,
    /// The bound on the answers' bytes.
    bytes: u64,
    queue: Mutex<Queue>,
    /// Bytes written since the bound was last looked at.
    unswept: AtomicU64,
    sweeper: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Queue {
    changes: Vec<Change>,
    bytes: usize,
}

enum Change {
    Put(Box<Entry>),
    Expires { key: String, at: i64 },
    Used { key: String, at: i64 },
    Forget { key: String },
}

struct Entry {
    key: String,
    answer: Arc<Stored>,
    headers: String,
    packed: Vec<u8>,
}

impl Entry {
    fn stored(&self) -> usize {
        OVERHEAD + self.key.len() + self.headers.len() + self.packed.len()
    }
}

impl Disk {
    pub(super) fn new(root: &Path, bytes: u64) -> Self {
        Self {
            database: Database::new(root, PATIENCE, "answers are kept in memory only"),
            bytes,
            queue: Mutex::default(),
            // The first write looks at the bound: each process may only write a little.
            unswept: AtomicU64::new(bytes),
            sweeper: Mutex::default(),
        }
    }

    pub(super) fn get(&self, key: &str, now: i64) -> Option<Stored> {
        let (answer, used_at) = self.find(key)?;
        if now.abs_diff(used_at) > USE_STEP.unsigned_abs() {
            let mut queue = lock(&self.queue);
            queue.changes.push(Change::Used { key: key.to_owned(), at: now });
            // Later, with the next answer that is written.
            let is_full = queue.changes.len() >= MOST_USES;
            drop(queue);
            self.drain(if is_full { self.database.try_lock() } else { None });
        }
        Some(answer)
    }

    /// Returns an answer, and counts that as no use of it.
    pub(super) fn peek(&self, key: &str) -> Option<Stored> {
        self.find(key).map(|(answer, _)| answer)
    }

    /// Returns an answer and when it was used last.
    fn find(&self, key: &str) -> Option<(Stored, i64)> {
        let (answer, used_at) = self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT status, headers, codec, size, expires, fetched_at, used_at, body
                 FROM entries WHERE key = ?1",
            )?;
            let mut rows = statement.query([key])?;
            rows.next()?.map(|row| Ok((read_answer(row), row.get::<_, i64>(6)?))).transpose()
        })?;
        // One damaged entry says nothing of the others; it is overwritten.
        Some((answer.ok()?, used_at))
    }

    pub(super) fn put(this: &Arc<Self>, key: &str, answer: Arc<Stored>) {
        let entry = serde_json::to_string(&answer.headers).map_err(anyhow::Error::from).and_then(|headers| {
            let packed = pack(Codec::Lz4, &answer.body)?;
            Ok(Entry { key: key.to_owned(), answer, headers, packed })
        });
        let Ok(entry) = entry else { return };
        let stored = entry.stored();
        let is_huge = entry.packed.len() > LARGEST_PACKED || entry.answer.body.len() as u64 > LARGEST;
        if is_huge || stored as u64 > this.bytes / 4 {
            // It would drive out too much of the others.
            return;
        }
        this.queue(Change::Put(Box::new(entry)), stored);
        if this.unswept.load(Ordering::Relaxed) >= (this.bytes / 16).max(1) {
            Self::sweep_aside(this);
        }
    }

    pub(super) fn touch(&self, key: &str, expires: i64) {
        self.queue(Change::Expires { key: key.to_owned(), at: expires }, 0);
    }

    pub(super) fn forget(&self, key: &str) {
        if self.database.exists() {
            self.queue(Change::Forget { key: key.to_owned() }, 0);
        }
    }

    fn queue(&self, change: Change, bytes: usize) {
        let is_full = {
            let mut queue = lock(&self.queue);
            queue.changes.push(change);
            queue.bytes += bytes;
            queue.bytes > MOST_QUEUED
        };
        self.drain(if is_full { Some(self.database.lock()) } else { self.database.try_lock() });
    }

    /// Writes what is queued; without a guard another thread does.
    ///
    /// Who finds another thread writing leaves its change to that one, which looks again after it let go.
    fn drain<'a>(&'a self, mut writer: Option<MutexGuard<'a, Option<Connection>>>) {
        while let Some(mut connection) = writer {
            loop {
                let Queue { changes, bytes } = std::mem::take(&mut *lock(&self.queue));
                if changes.is_empty() {
                    break;
                }
                let written = self.database.write_with(&mut connection, |transaction| {
                    changes.iter().try_for_each(|change| write_change(transaction, change))
                });
                if written.is_ok() {
                    self.unswept.fetch_add(bytes as u64, Ordering::Relaxed);
                }
            }
            drop(connection);
            writer = if lock(&self.queue).changes.is_empty() { None } else { self.database.try_lock() };
        }
    }

    /// Writes in one transaction, and what others queued meanwhile.
    fn write<T>(&self, work: impl FnMut(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let result = self.database.write(work);
        self.drain(self.database.try_lock());
        result
    }

    /// Writes what is queued and waits for a sweep under way.
    pub(super) fn finish(&self) {
        self.drain(Some(self.database.lock()));
        let sweeper = lock(&self.sweeper).take();
        if let Some(sweeper) = sweeper {
            // What it left the next one removes.
            sweeper.join().ok();
        }
    }

    /// Sweeps in a thread of its own, unless one is at it.
    fn sweep_aside(this: &Arc<Self>) {
        let mut sweeper = lock(&this.sweeper);
        if sweeper.as_ref().is_some_and(|sweeper| !sweeper.is_finished()) {
            return;
        }
        this.unswept.store(0, Ordering::Relaxed);
        let disk = Arc::clone(this);
        let sweep = move || drop(disk.sweep());
        // Without a thread the next process sweeps.
        *sweeper = std::thread::Builder::new().name("cache".to_owned()).spawn(sweep).ok();
    }

    /// Removes what was not used for longest until an eighth of the bound is free, if the bound is passed.
    fn sweep(&self) -> Result<()> {
        let sum = |connection: &Connection| -> Result<_> {
            let sum: i64 =
                connection.query_row("SELECT coalesce(sum(stored), 0) FROM entries", [], |row| row.get(0))?;
            Ok(Some(u64::try_from(sum)?))
        };
        let total = self.database.read(sum).unwrap_or(0);
        if total <= self.bytes {
            return Ok(());
        }
        let mut excess = total - self.bytes / 8 * 7;
        while excess > 0 {
            let freed = self.write(|transaction| remove_oldest(transaction, excess))?;
            if freed == 0 {
                break;
            }
            excess = excess.saturating_sub(freed);
        }
        Ok(())
    }

    pub(super) fn recompress(&self, older_than: i64) -> Result<u64> {
        let (mut packed, mut behind) = (0, Some(0));
        while let Some(id) = behind.filter(|_| self.database.exists()) {
            let (count, last) = self.write(|transaction| recompress_some(transaction, older_than, id))?;
            packed += count;
            behind = last;
        }
        Ok(packed)
    }

    pub(super) fn warning(&self) -> Option<String> {
        self.database.warning()
    }
}

fn read_answer(row: &Row<'_>) -> Result<Stored> {
    Ok(Stored {
        status: row.get(0)?,
        headers: serde_json::from_str(row.get_ref(1)?.as_str()?)?,
        body: read_body(row, 7, (2, 3))?,
        expires: row.get(4)?,
        fetched_at: row.get(5)?,
    })
}

/// Reads the body in column `at`, with its codec and size in two others.
fn read_body(row: &Row<'_>, at: usize, (codec, size): (usize, usize)) -> Result<Vec<u8>> {
    let codec = Codec::from_number(row.get(codec)?).context("cannot unpack a body: its codec is unknown")?;
    unpack(codec, row.get_ref(at)?.as_blob()?, u64::try_from(row.get::<_, i64>(size)?)?)
}

fn write_change(transaction: &Transaction<'_>, change: &Change) -> Result<()> {
    match change {
        Change::Put(entry) => {
            let answer = &entry.answer;
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO entries
                 (key, status, headers, codec, size, stored, expires, fetched_at, used_at, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)",
            )?;
            insert.execute((
                &entry.key,
                answer.status,
                &entry.headers,
                Codec::Lz4 as i64,
                i64::try_from(answer.body.len())?,
                i64::try_from(entry.stored())?,
                answer.expires,
                answer.fetched_at,
                &entry.packed,
            ))?;
        }
        Change::Expires { key, at } => {
            transaction
                .prepare_cached("UPDATE entries SET expires = ?2 WHERE key = ?1")?
                .execute((key, at))?;
        }
        Change::Used { key, at } => {
            transaction
                .prepare_cached("UPDATE entries SET used_at = ?2 WHERE key = ?1")?
                .execute((key, at))?;
        }
        Change::Forget { key } => {
            transaction.prepare_cached("DELETE FROM entries WHERE key = ?1")?.execute([key])?;
        }
    }
    Ok(())
}

/// Removes some of what was not used for longest, no more than `excess` asks for, and returns its bytes.
fn remove_oldest(transaction: &Transaction<'_>, excess: u64) -> Result<u64> {
    let mut oldest =
        transaction.prepare_cached("SELECT id, stored FROM entries ORDER BY used_at LIMIT ?1")?;
    let mut delete = transaction.prepare_cached("DELETE FROM entries WHERE id = ?1")?;
    let mut rows = oldest.query([i64::try_from(SWEEP_ROWS)?])?;
    let (mut freed, mut ids) = (0, Vec::new());
    while freed < excess
        && let Some(row) = rows.next()?
    {
        freed += u64::try_from(row.get::<_, i64>(1)?)?.max(1);
        ids.push(row.get::<_, i64>(0)?);
    }
    drop(rows);
    for id in ids {
        delete.execute([id])?;
    }
    Ok(freed)
}

/// Packs some old bodies behind the row `id` tighter; returns how many, and the last row looked at.
fn recompress_some(transaction: &Transaction<'_>, older_than: i64, id: i64) -> Result<(u64, Option<i64>)> {
    let mut find = transaction.prepare_cached(
        "SELECT id, codec, size, body FROM entries
         WHERE id > ?1 AND codec = ?2 AND fetched_at < ?3 ORDER BY id LIMIT 1",
    )?;
    let mut update = transaction.prepare_cached(
        "UPDATE entries SET body = ?2, codec = ?3, stored = stored - length(body) + ?4 WHERE id = ?1",
    )?;
    let mut delete = transaction.prepare_cached("DELETE FROM entries WHERE id = ?1")?;
    let (mut count, mut last) = (0, id);
    for _ in 0..SWEEP_ROWS {
        let found = find
            .query_row((last, Codec::Lz4 as i64, older_than), |row| {
                Ok((row.get::<_, i64>(0)?, read_body(row, 3, (1, 2))))
            })
            .optional()?;
        let Some((id, body)) = found else { return Ok((count, None)) };
        last = id;
        if let Ok(body) = body {
            let packed = pack(Codec::Zstd, &body)?;
            update.execute((id, &packed, Codec::Zstd as i64, i64::try_from(packed.len())?))?;
            count += 1;
        } else {
            delete.execute([id])?;
        }
    }
    Ok((count, Some(last)))
}
