//! Notes of what a writer changes in tables that rollups are made of.

use anyhow::Result;
use rusqlite::Connection;

use super::batch::Batch;
use super::write::Writer;
use crate::model::Span;
use crate::model::time::MICROS_PER_DAY;

/// A gap between two changed rows of a series that parts two notes: what lies between is not aggregated again.
const GAP: i64 = 7 * MICROS_PER_DAY;

/// The most notes of a series in a batch: sparse rows, such as a correction a month, become one from here on.
const MAX_SPANS: usize = 64;

impl Writer<'_> {
    /// Returns the spans within which rows of each series were inserted or updated.
    pub(super) fn changes(&self, batch: &Batch<'_>) -> Vec<(i64, Span)> {
        let ts = batch.frame.ts();
        let new = self.new.iter().map(|new| (new.series, ts[new.row]));
        let mut rows: Vec<(i64, i64)> = new.chain(self.updated.iter().copied()).collect();
        rows.sort_unstable();
        spans(&rows)
    }
}

/// Returns the spans of changed rows, which come in the order of their series and times.
fn spans(rows: &[(i64, i64)]) -> Vec<(i64, Span)> {
    let mut spans: Vec<(i64, Span)> = Vec::new();
    let mut count = 0;
    for &(series, ts) in rows {
        let stop = ts.saturating_add(1);
        match spans.last_mut() {
            Some((last, span))
                if *last == series && (count >= MAX_SPANS || ts.saturating_sub(span.stop) < GAP) =>
            {
                span.stop = stop;
            }
            last => {
                count = if last.is_some_and(|(last, _)| *last == series) { count + 1 } else { 1 };
                spans.push((series, Span { start: ts, stop }));
            }
        }
    }
    spans
}

/// Notes changes, each as one with those that are near, so that there are few however long nobody asks for them.
///
/// A note that grows gets a new number: a rollup that is being made has read the old one.
pub(super) fn note(connection: &Connection, table: &str, changes: &[(i64, Span)]) -> Result<()> {
    let mut take = connection.prepare_cached(
        "DELETE FROM changes WHERE table_name = ?1 AND series = ?2 AND start < ?4 AND stop > ?3
         RETURNING start, stop",
    )?;
    let mut insert = connection
        .prepare_cached("INSERT INTO changes (table_name, series, start, stop) VALUES (?1, ?2, ?3, ?4)")?;
    for (series, span) in changes {
        let mut merged = *span;
        let (from, until) = (span.start.saturating_sub(GAP), span.stop.saturating_add(GAP));
        let mut near = take.query((table, series, from, until))?;
        while let Some(row) = near.next()? {
            merged.start = merged.start.min(row.get(0)?);
            merged.stop = merged.stop.max(row.get(1)?);
        }
        drop(near);
        insert.execute((table, series, merged.start, merged.stop))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_far_apart_are_noted_apart_up_to_a_number() {
        let span = |start, stop| Span { start, stop };
        let rows = [(1, 0), (1, 5), (1, GAP + 6), (2, GAP + 6), (2, 3 * GAP)];
        assert_eq!(
            spans(&rows),
            [
                (1, span(0, 6)),
                (1, span(GAP + 6, GAP + 7)),
                (2, span(GAP + 6, GAP + 7)),
                (2, span(3 * GAP, 3 * GAP + 1))
            ]
        );
        let sparse: Vec<_> = (0..1_000).map(|at| (7, at * 2 * GAP)).collect();
        let spans = spans(&sparse);
        assert_eq!(spans.len(), MAX_SPANS);
        assert_eq!(spans.last().unwrap().1.stop, 999 * 2 * GAP + 1);
    }
}
