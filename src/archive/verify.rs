//! Reads a file back with another Parquet implementation than the one that wrote it, and compares every value
//! with the store, bit for bit.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, bail};

use super::compress::threads;
use super::rows::{Cells as Stored, Reader};
use super::write::{Content, Group, Origin, Written};
use crate::error::go_on;
use crate::frame::{Cells, ParquetFile};
use crate::fs;
use crate::model::{Value, ValueRef};
use crate::store::Resume;

/// Compares a file with the rows it was written from.
pub(super) fn verify(content: &Content<'_>, path: &Path, written: &Written, stop: &AtomicBool) -> Result<()> {
    let cannot = || format!("cannot verify archive file '{}'", path.display());
    let file = ParquetFile::of(fs::open(path)?).with_context(cannot)?;
    if file.rows() as u64 != written.rows {
        bail!("{}: it has {} rows, {} were written", cannot(), file.rows(), written.rows);
    }
    let names: Vec<&str> = file.columns().iter().map(|column| column.name.as_str()).collect();
    if names != content.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>() {
        bail!("{}: its columns are {}", cannot(), names.join(", "));
    }
    let mut start = 0;
    let groups: Vec<(usize, Group)> = written
        .groups
        .iter()
        .map(|group| {
            start += group.rows;
            (start - group.rows, *group)
        })
        .collect();
    let compare = |reader: &mut dyn Reader, (start, group): &(usize, Group)| {
        go_on(stop)?;
        compare((content, reader), &file.reopen()?, *start, *group)
    };
    if !content.rows.is_seekable() {
        let mut reader = content.rows.reader();
        return groups.iter().try_for_each(|group| compare(&mut *reader, group)).with_context(cannot);
    }
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            compare(&mut *content.rows.reader(), group).inspect_err(|_| {
                // The others end too.
                next.store(groups.len(), Ordering::Relaxed);
            })?;
        }
        Ok(())
    };
    // Not on rayon's threads: one that waits there for polars takes the next group up meanwhile, and holds more and
    // more of the file.
    let outcomes: Vec<Result<()>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads().min(groups.len())).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|outcome| outcome.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    outcomes.into_iter().collect::<Result<()>>().with_context(cannot)
}

fn compare(
    (content, reader): (&Content<'_>, &mut dyn Reader),
    file: &ParquetFile,
    start: usize,
    group: Group,
) -> Result<()> {
    let slice = file.read_back(start, group.rows)?;
    let cells: Vec<Cells<'_>> = (0..content.columns.len())
        .map(|at| slice.cells(at).map(|(cells, _)| cells).context("a column is missing"))
        .collect::<Result<_>>()?;
    let origins = content.origins();
    let mut row = 0;
    let mut behind = group.start.behind;
    for entry in &content.series[group.start.series.min(content.series.len())..] {
        if row == group.rows {
            break;
        }
        let key = &entry.key.0;
        reader.visit(entry, content.period, behind.take(), &mut |at, stored| {
            if row == group.rows {
                return Ok(ControlFlow::Break(()));
            }
            for ((cells, origin), column) in cells.iter().zip(&origins).zip(content.columns) {
                let expected = expected(content, *origin, key, at, stored)?;
                let found = cells.get(row);
                if !is_same(found, expected) {
                    bail!(
                        "row {} of column '{}' reads back as {}, the store has {}",
                        start + row,
                        column.name,
                        found.shown(),
                        expected.shown()
                    );
                }
            }
            row += 1;
            Ok(ControlFlow::Continue(()))
        })?;
    }
    if row != group.rows {
        bail!("it has {} rows from {start} on, the store has {row}", group.rows);
    }
    Ok(())
}

#[inline]
fn expected<'v>(
    content: &'v Content<'_>,
    origin: Origin,
    key: &'v [Value],
    at: Resume,
    row: &'v dyn Stored,
) -> Result<ValueRef<'v>> {
    Ok(match origin {
        Origin::Cell(place) => row.get(place)?,
        Origin::Ts => ValueRef::Timestamp(at.ts),
        Origin::Seq => ValueRef::Bigint(at.seq),
        Origin::Key(place) => key[place].as_ref(),
        Origin::Absent(place) => content.rows.table().values[place].default.as_ref(),
    })
}

/// Returns whether a cell of a narrowed column stands for a value.
#[inline]
#[allow(clippy::cast_precision_loss, reason = "a digit that is lost makes the bits differ")]
fn is_same(found: ValueRef<'_>, expected: ValueRef<'_>) -> bool {
    match (found, expected) {
        (ValueRef::Double(found), ValueRef::Double(expected)) => found.to_bits() == expected.to_bits(),
        (ValueRef::Bigint(found), ValueRef::Double(expected)) => {
            (found as f64).to_bits() == expected.to_bits()
        }
        (found, expected) => found == expected,
    }
}
