//! Rows that could not be stored: kept with their file, line, reason and text.

use anyhow::{Context as _, Result};
use rusqlite::Connection;

use super::{Snapshot, Store};
use crate::model::Reject;

/// Where rejects come from.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The table they were meant for.
    pub table: &'a str,
    /// The file or stream.
    pub path: &'a str,
    /// What tells two contents of one path apart.
    pub content: &'a str,
}

/// What happens to the rejects that were kept before of the same path and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// They go.
    Replace,
    /// They stay.
    Append,
}

/// A reject as it was kept.
#[derive(Clone, Debug)]
pub struct StoredReject {
    /// The table it was meant for.
    pub table: String,
    /// The file or stream it came from.
    pub path: String,
    /// The row.
    pub reject: Reject,
    /// When it was kept, microseconds UTC.
    pub at: i64,
}

impl Store {
    /// Keeps the rejects of an input: with the rows of the transaction that is open, else in one of their own. Writes
    /// nothing where there is nothing to keep or to replace.
    pub fn keep_rejects(
        &mut self,
        origin: Origin<'_>,
        rejects: &[Reject],
        keep: Keep,
        at: i64,
    ) -> Result<()> {
        let cannot = || format!("cannot keep the rejects of '{}'", origin.path);
        let is_done = match keep {
            Keep::Replace => self.has_same(origin, rejects).with_context(cannot)?,
            Keep::Append => rejects.is_empty(),
        };
        if is_done {
            return Ok(());
        }
        if self.is_in_transaction() {
            return write(&self.connection, origin, rejects, (keep, at)).with_context(cannot);
        }
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .with_context(cannot)?;
        write(&transaction, origin, rejects, (keep, at)).with_context(cannot)?;
        transaction.commit().with_context(cannot)
    }

    /// Returns whether just these rejects are kept already.
    fn has_same(&self, origin: Origin<'_>, rejects: &[Reject]) -> Result<bool> {
        let mut kept = self.connection.prepare_cached(
            "SELECT line, reason, raw FROM rejects WHERE table_name = ?1 AND path = ?2 AND content = ?3 ORDER BY id",
        )?;
        let mut rows = kept.query((origin.table, origin.path, origin.content))?;
        for reject in rejects {
            let Some(row) = rows.next()? else { return Ok(false) };
            let line: i64 = row.get(0)?;
            let (reason, text): (String, String) = (row.get(1)?, row.get(2)?);
            if u64::try_from(line)? != reject.line || reason != reject.reason || text != reject.text {
                return Ok(false);
            }
        }
        Ok(rows.next()?.is_none())
    }
}

fn write(
    connection: &Connection,
    origin: Origin<'_>,
    rejects: &[Reject],
    (keep, at): (Keep, i64),
) -> Result<()> {
    let Origin { table, path, content } = origin;
    if keep == Keep::Replace {
        let delete = "DELETE FROM rejects WHERE table_name = ?1 AND path = ?2 AND content = ?3";
        connection.execute(delete, (table, path, content))?;
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO rejects (table_name, path, content, line, reason, raw, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for reject in rejects {
        let line = i64::try_from(reject.line)?;
        insert.execute((table, path, content, line, &reject.reason, &reject.text, at))?;
    }
    Ok(())
}

impl Snapshot {
    /// Calls `visit` with the kept rejects, in the order of their tables, files and lines.
    pub fn rejects(&self, visit: &mut dyn FnMut(&StoredReject) -> Result<()>) -> Result<()> {
        self.with(|connection| {
            let mut statement = connection.prepare(
                "SELECT table_name, path, line, reason, raw, at FROM rejects ORDER BY table_name, path, content, line, id",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let line: i64 = row.get(2)?;
                visit(&StoredReject {
                    table: row.get(0)?,
                    path: row.get(1)?,
                    reject: Reject { line: u64::try_from(line)?, reason: row.get(3)?, text: row.get(4)? },
                    at: row.get(5)?,
                })?;
            }
            Ok(())
        })
    }
}
