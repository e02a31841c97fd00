//! Results of queries in `cache.db`: which one answers a question, and which ones go when there are too many.
//!
//! What a result looks like is the business of the caller. A damaged one is as good as none, and it is removed.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Row, Transaction};

use super::database::Database;
use super::pack::{Codec, pack, unpack};

/// How long a query waits for another process: no result is worth more than computing most of them takes.
const PATIENCE: Duration = Duration::from_millis(10);
/// Bytes of a result, packed, above which it would drive out too much of the others.
const LARGEST_PACKED: usize = 4 << 20;
/// What an entry counts for beside its body: about a page of SQLite, which also bounds their number.
const OVERHEAD: usize = 4 << 10;

/// What was asked, and of which rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Names the state of the rows; no other state has the same, not even one of another store.
    pub version: Vec<u8>,
    /// All else that decides the answer.
    pub text: Vec<u8>,
}

impl Question {
    fn key(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.version.len() as u64).to_le_bytes());
        hasher.update(&self.version).update(&self.text);
        hasher.finalize().into()
    }
}

/// A result as the cache keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResult {
    /// Its number of rows.
    pub rows: u64,
    /// The rows, in the caller's form.
    pub body: Vec<u8>,
}

/// The results of queries, shared by all processes.
pub struct Results {
    database: Database,
    /// The bound on their bytes.
    bytes: u64,
}

/// What stands in the database under a key.
struct Found {
    result: StoredResult,
    /// Whether it was used last of all.
    is_newest: bool,
}

impl Results {
    /// Makes the cache over `cache.db` in the folder `root`, bounded to `bytes`.
    ///
    /// The file is opened when it is first needed, and made at the first write.
    pub fn open(root: &Path, bytes: u64) -> Self {
        Self { database: Database::new(root, PATIENCE, "results of queries are not kept"), bytes }
    }

    /// Returns the result that answers a question.
    pub fn get(&self, question: &Question) -> Option<StoredResult> {
        let key = question.key();
        let found = self.database.read(|connection| {
            if !connection.table_exists(None, "results")? {
                return Ok(None);
            }
            let mut find = connection.prepare_cached(
                "SELECT rows, size, checksum, used = (SELECT max(used) FROM results), body
                 FROM results WHERE key = ?1",
            )?;
            let mut rows = find.query([&key[..]])?;
            Ok(rows.next()?.map(|row| read_result(row, &key)))
        })?;
        let Ok(Found { result, is_newest }) = found else {
            self.remove(question);
            return None;
        };
        if !is_newest {
            self.write(|transaction| {
                let mut touch = transaction.prepare_cached(
                    "UPDATE results SET used = (SELECT max(used) FROM results) + 1 WHERE key = ?1",
                )?;
                touch.execute([&key[..]])?;
                Ok(())
            });
        }
        Some(result)
    }

    /// Keeps a result, unless it is too large.
    pub fn put(&self, question: &Question, result: &StoredResult) {
        let Ok(packed) = pack(Codec::Lz4, &result.body) else { return };
        if packed.len() > LARGEST_PACKED || (packed.len() + OVERHEAD) as u64 > self.bytes {
            return;
        }
        let key = question.key();
        self.write(|transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO results (key, version, rows, size, stored, used, checksum, body)
                 SELECT ?1, ?2, ?3, ?4, ?5, coalesce(max(used), 0) + 1, ?6, ?7 FROM results",
            )?;
            let (rows, size) = (i64::try_from(result.rows)?, i64::try_from(result.body.len())?);
            let checksum = checksum(&key, (rows, size), &packed);
            let stored = i64::try_from(packed.len() + OVERHEAD)?;
            insert.execute((&key[..], &question.version, rows, size, stored, &checksum[..], &packed))?;
            evict(transaction, &question.version, self.bytes)
        });
    }

    /// Removes the result that answers a question: it turned out to be of no use.
    pub fn remove(&self, question: &Question) {
        let key = question.key();
        self.write(|transaction| {
            transaction.prepare_cached("DELETE FROM results WHERE key = ?1")?.execute([&key[..]])?;
            Ok(())
        });
    }

    /// Returns one sentence on why the disk cannot be used, the first time it is asked after it failed.
    pub fn warning(&self) -> Option<String> {
        self.database.warning()
    }

    fn write(&self, work: impl FnMut(&Transaction<'_>) -> Result<()>) {
        // What is not kept is computed again, and the database tells why.
        self.database.write(work).ok();
    }
}

fn checksum(key: &[u8; 32], (rows, size): (i64, i64), packed: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key).update(&rows.to_le_bytes()).update(&size.to_le_bytes()).update(packed);
    hasher.finalize().into()
}

fn read_result(row: &Row<'_>, key: &[u8; 32]) -> Result<Found> {
    let (rows, size): (i64, i64) = (row.get(0)?, row.get(1)?);
    let packed = row.get_ref(4)?.as_blob()?;
    // Before anything is unpacked: what is unpacked then is what was packed here.
    let is_whole = row.get_ref(2)?.as_blob()? == &checksum(key, (rows, size), packed)[..];
    ensure!(is_whole, "cannot read a result: it is damaged");
    let body = unpack(Codec::Lz4, packed, u64::try_from(size)?)?;
    Ok(Found { result: StoredResult { rows: u64::try_from(rows)?, body }, is_newest: row.get(3)? })
}

/// Removes results until the rest is within `bytes`: first those of other versions, which nobody asks for any
/// more, then what was not used for longest.
fn evict(transaction: &Transaction<'_>, version: &[u8], bytes: u64) -> Result<()> {
    let mut sum = transaction.prepare_cached("SELECT sum(stored) FROM results")?;
    let total = u64::try_from(sum.query_row([], |row| row.get::<_, i64>(0))?)?;
    let mut excess = total.saturating_sub(bytes);
    if excess == 0 {
        return Ok(());
    }
    let mut oldest =
        transaction.prepare_cached("SELECT id, stored FROM results ORDER BY version = ?1, used")?;
    let mut rows = oldest.query([version])?;
    let mut ids = Vec::new();
    while excess > 0 {
        let row = rows.next()?.context("cannot bound the results: their sizes are wrong")?;
        excess = excess.saturating_sub(u64::try_from(row.get::<_, i64>(1)?)?);
        ids.push(row.get::<_, i64>(0)?);
    }
    drop(rows);
    let mut delete = transaction.prepare_cached("DELETE FROM results WHERE id = ?1")?;
    for id in ids {
        delete.execute([id])?;
    }
    Ok(())
}
