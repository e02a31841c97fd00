//! Keeping `barn.db` small and fast: statistics, free pages, the journal.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rusqlite::{Connection, ErrorCode};

use super::{Store, open};
use crate::fs;

/// Bytes that must be free before a vacuum is worth its writing, beside their share.
const VACUUM_BYTES: u64 = 1 << 20;

/// The share of the database that must be free: the fourth part, since all the rest is written anew for it.
const VACUUM_SHARE: u64 = 4;

/// The size up to which a database is written anew for less: it takes a fraction of a second.
const SMALL_BYTES: u64 = 64 << 20;

/// The share of a small database that must be wasted: the twentieth part.
const SMALL_SHARE: u64 = 20;

/// Bytes that must be wasted in a small database.
const SMALL_WASTE: u64 = 32 << 10;

/// Pages that a vacuum leaves in a table beyond those its rows fill, a hundredth part and one: rows are not all of one
/// size, and some pages only point to others.
const SPARE_PERCENT: u64 = 1;

/// Bytes of a row from which on how full a page is says nothing: hardly more than one or two lie in it.
const LONG_ROW: u64 = 512;

/// What a vacuum writes at most, in sizes of the database that is left: a copy, and the journal of putting it back.
const VACUUM_COPIES: u64 = 2;

/// What became of free pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vacuumed {
    /// They were given back.
    Done,
    /// There are too few of them.
    NotWorth,
    /// Somebody else uses the database.
    Busy,
    /// The disk has too little space: so many bytes are needed, and so many are there.
    NoSpace(u64, u64),
}

impl Store {
    /// Brings the statistics of the planner up to date, where SQLite finds that they are not.
    pub fn refresh_statistics(&self) -> Result<()> {
        // The limit makes it a sample: no table is read whole. https://sqlite.org/lang_analyze.html#approx
        self.connection
            .execute_batch("PRAGMA analysis_limit = 400; PRAGMA optimize;")
            .context("cannot refresh the statistics of the store")
    }

    /// Brings the journal into the database file and makes it short; returns whether all of it came in.
    pub fn checkpoint(&self) -> Result<bool> {
        self.at_once(|connection| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        })
        .map(|busy| busy == 0)
        .context("cannot bring the journal into the store")
    }

    /// Returns the bytes that the database needs, and those of them that are free.
    pub fn database_bytes(&self) -> Result<(u64, u64)> {
        let number = |name: &str| -> Result<u64> {
            let value: i64 = self.connection.pragma_query_value(None, name, |row| row.get(0))?;
            Ok(u64::try_from(value)?)
        };
        let page = number("page_size")?;
        Ok((number("page_count")? * page, number("freelist_count")? * page))
    }

    /// Returns whether a vacuum is worth its writing.
    pub fn wants_vacuum(&self) -> Result<bool> {
        let (size, free) = self.database_bytes()?;
        if size > SMALL_BYTES {
            return Ok(free > VACUUM_BYTES && free > size / VACUUM_SHARE);
        }
        let waste = free + self.loose_bytes().context("cannot measure the store")?;
        Ok(waste > SMALL_WASTE && waste > size / SMALL_SHARE)
    }

    /// Returns the bytes of pages that are there only because others are not full: a row a night into each of many
    /// series splits pages, and the oldest rows leave holes.
    fn loose_bytes(&self) -> rusqlite::Result<u64> {
        let mut statement = self
            .connection
            .prepare("SELECT pgsize, unused, pageno, ncell FROM dbstat WHERE aggregate = TRUE")?;
        let mut rows = statement.query([])?;
        let mut loose = 0;
        while let Some(row) = rows.next()? {
            let number = |at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
            let (size, unused, pages, rows) = (number(0)?, number(1)?, number(2)?, number(3)?);
            let page = size / pages.max(1);
            let length = size.saturating_sub(unused).div_ceil(rows.max(1)).max(1);
            if length < LONG_ROW {
                let filled = rows.div_ceil((page / length).max(1));
                let needed = filled + filled * SPARE_PERCENT / 100 + 1;
                loose += pages.saturating_sub(needed) * page;
            }
        }
        Ok(loose)
    }

    /// Gives free pages back to the file system, where that is worth it and nobody else uses the database now.
    ///
    /// It is one transaction of SQLite in the file itself. A copy that takes its place by a rename would strand a
    /// process that has opened the old file and not yet locked it: what it writes then would be lost.
    pub fn vacuum(&mut self) -> Result<Vacuumed> {
        if !self.wants_vacuum()? {
            return Ok(Vacuumed::NotWorth);
        }
        let (size, free) = self.database_bytes()?;
        let needed = size.saturating_sub(free).saturating_mul(VACUUM_COPIES);
        if let Some(left) = fs::free_bytes(&self.root).filter(|left| *left < needed) {
            return Ok(Vacuumed::NoSpace(needed, left));
        }
        let done = self.at_once(|connection| {
            connection.execute_batch("VACUUM")?;
            fs::fault::point("vacuum.written");
            connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        });
        fs::fault::point("vacuum.done");
        match done.map_err(|err| (err.sqlite_error_code(), err)) {
            Ok(()) => Ok(Vacuumed::Done),
            Err((Some(ErrorCode::DatabaseBusy), _)) => Ok(Vacuumed::Busy),
            Err((Some(ErrorCode::DiskFull), _)) => {
                Ok(Vacuumed::NoSpace(needed, fs::free_bytes(&self.root).unwrap_or(0)))
            }
            Err((_, err)) => Err(err).context("cannot vacuum the store"),
        }
    }

    /// Does something that does not wait for anybody.
    fn at_once<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let done = work(&self.connection);
        self.connection.busy_timeout(open::BUSY)?;
        done
    }
}
