//! Inserting the rows that are new, many at a time.

use anyhow::Result;
use rusqlite::CachedStatement;

use super::Resume;
use super::batch::Batch;
use super::catalog::{Stored, quoted};
use super::sums::RowHash;
use super::value::Bind;
use super::write::{NewRow, Writer};
use crate::model::ValueRef;

/// Rows of one INSERT statement: above 50 the measured rate no longer grows.
const ROWS_PER_INSERT: usize = 50;

/// SQLite's limit on the parameters of a statement.
const MAX_PARAMETERS: usize = 32_766;

/// The statement that inserts rows.
struct Insert {
    /// It without its `VALUES` rows.
    head: String,
    row: String,
    many: usize,
}

impl Insert {
    fn new(stored: &Stored) -> Self {
        let key = stored.row_key();
        let width = key.split(',').count() + stored.present.len();
        Self {
            // FAIL, not the default ABORT: that keeps a copy of every page a statement touches, to undo a
            // statement of which some rows went in. Here the whole transaction is taken back.
            head: format!(
                "INSERT OR FAIL INTO {} ({}) VALUES ",
                quoted(&stored.table.name, "_rows"),
                stored.value_list(key)
            ),
            row: format!("(?{})", ",?".repeat(width - 1)),
            many: ROWS_PER_INSERT.min(MAX_PARAMETERS / width),
        }
    }

    /// Inserts rows, and adds them to the sums of their series.
    fn rows(&self, writer: &mut Writer<'_>, batch: &Batch<'_>, rows: &[NewRow]) -> Result<()> {
        let table = &writer.stored().table.name;
        let (many, rest) = rows.split_at(rows.len() - rows.len() % self.many);
        for (rows, count) in [(many, self.many), (rest, 1)] {
            if rows.is_empty() {
                continue;
            }
            let sql = format!("{}{}{}", self.head, self.row, format!(",{}", self.row).repeat(count - 1));
            let mut statement = writer.prepare(&sql)?;
            for rows in rows.chunks(count) {
                let mut parameter = 0;
                for rows in rows.chunk_by(|one, other| one.series == other.series) {
                    let sum = bind((&mut statement, &mut parameter), batch, rows, &writer.hash)?;
                    writer.sums.add(table, rows[0].series, sum);
                }
                statement.raw_execute()?;
            }
        }
        Ok(())
    }
}

impl Writer<'_> {
    /// Inserts the new rows and returns how many there were.
    pub(super) fn insert_new(&mut self, batch: &Batch<'_>) -> Result<u64> {
        let (new, insert) = (std::mem::take(&mut self.new), Insert::new(self.stored()));
        let (head, tail) = new.split_at(new.len() - tail_length(new.len()));
        insert.rows(self, batch, tail)?;
        insert.rows(self, batch, head)?;
        self.new = new;
        Ok(self.new.len() as u64)
    }
}

/// Returns how many of the last rows are inserted first.
///
/// Rows in ascending order leave SQLite's pages 11 % empty (63.1 bytes a row of daily bars): a full last page
/// is split with its two left neighbours only. A few pages of later rows behind it let it balance to both
/// sides: 60.7 to 61.9 bytes on four files. Of 30 to 8,000 rows, 800 was the best on all of them; in a small
/// batch the tail is not worth it.
fn tail_length(rows: usize) -> usize {
    const TAIL: usize = 800;
    if rows >= 8 * TAIL { TAIL } else { 0 }
}

/// Binds rows of one series to the parameters behind the last one, and returns their sum.
fn bind(
    (statement, parameter): (&mut CachedStatement<'_>, &mut usize),
    batch: &Batch<'_>,
    rows: &[NewRow],
    hash: &RowHash,
) -> Result<u64> {
    let mut bind = |value: ValueRef<'_>| {
        *parameter += 1;
        statement.raw_bind_parameter(*parameter, Bind(value))
    };
    let mut sum = 0_u64;
    for new in rows {
        let at = Resume { ts: batch.frame.ts()[new.row], seq: new.seq.unwrap_or(0) };
        bind(ValueRef::Bigint(new.series))?;
        bind(ValueRef::Bigint(at.ts))?;
        if new.seq.is_some() {
            bind(ValueRef::Bigint(at.seq))?;
        }
        let row = hash.row(at, |column| {
            let value = batch.cell(new.row, column);
            bind(value)?;
            Ok(value)
        })?;
        sum = sum.wrapping_add(row);
    }
    Ok(sum)
}
