//! Tidying `cache.db` up: what nobody will ask for goes, old bodies are packed tighter, the file gets shorter.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rusqlite::Connection;

use super::Cache;
use super::database::{Damage, Database, FILE};
use super::pack::Codec;
use crate::fs;

/// How long an answer stays that has expired: until then its provider may say that it still holds.
const EXPIRED: i64 = 30 * 86_400_000_000;

/// How old an answer is before its body is packed tighter, which takes ten times as long as the first time.
const OLD: i64 = 7 * 86_400_000_000;

/// Bytes that must be free, beside a quarter of the file, before it is worth writing the rest anew.
const VACUUM_BYTES: i64 = 1 << 20;

/// How long a write waits for another process.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be tidied up.
pub struct Tidy<'a> {
    /// The time.
    pub now: i64,
    /// Forget the answers whose key matches this pattern of `*`, `?` and `[…]` too.
    pub pattern: Option<&'a str>,
    /// What names the state of the store: results of others go.
    pub version: Option<&'a [u8]>,
    /// Only say what would be done.
    pub is_dry_run: bool,
}

/// What became of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Answers that are gone because they expired long ago, or because of the pattern.
    pub answers: u64,
    /// Results of queries that are gone.
    pub results: u64,
    /// Bodies that are packed tighter.
    pub repacked: u64,
    /// Whether the file is damaged, so that all of it goes.
    pub is_damaged: bool,
    /// Whether another process was at work on it for so long that the next time has to do.
    pub is_busy: bool,
    /// Bytes of the file before and after.
    pub bytes: (u64, u64),
}

/// Tidies up the cache of the store at `root`; nothing where there is none.
pub fn tidy(root: &Path, tidy: &Tidy<'_>) -> Result<Tidied> {
    let database = Database::new(root, PATIENCE, "the cache stays as it is");
    if !database.exists() {
        return Ok(Tidied::default());
    }
    let bytes = file_bytes(root);
    let mut tidied = database.read(|connection| count(connection, tidy).map(Some)).unwrap_or_default();
    tidied.bytes = (bytes, bytes);
    tidied.is_damaged = database.damage() == Damage::Found;
    if tidy.is_dry_run {
        return Ok(tidied);
    }
    match work(root, &database, tidy, &mut tidied) {
        Err(err) if Database::is_busy(&err) => tidied.is_busy = true,
        done => done?,
    }
    tidied.is_damaged = database.damage() == Damage::Mended;
    tidied.bytes.1 = file_bytes(root);
    Ok(tidied)
}

fn work(root: &Path, database: &Database, tidy: &Tidy<'_>, tidied: &mut Tidied) -> Result<()> {
    if tidied.answers + tidied.results > 0 {
        database.write(|transaction| remove(transaction, tidy))?;
    }
    if tidied.repacked > 0 {
        let cache = Cache::open(root, 0, u64::MAX);
        tidied.repacked = cache.recompress(tidy.now.saturating_sub(OLD))?;
    }
    database.shrink(VACUUM_BYTES)
}

/// The conditions of what goes.
const GONE: &str = "expires < ?1 OR (?2 IS NOT NULL AND key GLOB ?2)";
const OUTDATED: &str = "?1 IS NOT NULL AND version <> ?1";

fn count(connection: &Connection, tidy: &Tidy<'_>) -> Result<Tidied> {
    let number = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| -> Result<u64> {
        let count: i64 = connection.query_row(sql, parameters, |row| row.get(0))?;
        Ok(count.unsigned_abs())
    };
    let expired = tidy.now.saturating_sub(EXPIRED);
    let has_results = connection.table_exists(None, "results")?;
    let outdated = format!("SELECT count(*) FROM results WHERE {OUTDATED}");
    Ok(Tidied {
        answers: number(&format!("SELECT count(*) FROM entries WHERE {GONE}"), &[&expired, &tidy.pattern])?,
        results: if has_results { number(&outdated, &[&tidy.version])? } else { 0 },
        repacked: number(
            "SELECT count(*) FROM entries WHERE codec = ?1 AND fetched_at < ?2",
            &[&(Codec::Lz4 as i64), &tidy.now.saturating_sub(OLD)],
        )?,
        ..Tidied::default()
    })
}

fn remove(connection: &Connection, tidy: &Tidy<'_>) -> Result<()> {
    let expired = tidy.now.saturating_sub(EXPIRED);
    connection.execute(&format!("DELETE FROM entries WHERE {GONE}"), (expired, tidy.pattern))?;
    connection
        .execute(&format!("DELETE FROM results WHERE {OUTDATED}"), [tidy.version])
        .context("cannot remove old results")?;
    fs::fault::point("cache.removed");
    Ok(())
}

fn file_bytes(root: &Path) -> u64 {
    let size = |name: &str| std::fs::metadata(root.join(name)).map_or(0, |about| about.len());
    size(FILE) + size(&format!("{FILE}-wal"))
}
