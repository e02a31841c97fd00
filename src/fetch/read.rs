//! From an answer to the rows that are kept of it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::ask::fault;
use super::plan::Target;
use super::settle::{Marks, Rule};
use super::step::Values;
use super::work::{Job, Worker};
use super::writer::Rows;
use crate::decode::{Body, Given};
use crate::frame::Frame;
use crate::model::{Counts, SeriesKey, Span, Table, Value};
use crate::source::{Class, Fault, Open};

/// Rejects of an answer beyond which its form is taken to have changed, in percent of its rows.
pub const MAX_REJECTED_PERCENT: u64 = 1;

/// A page that was decoded.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) rows: Vec<Rows>,
    /// Records of the page, also those outside the window.
    pub(super) records: u64,
    pub(super) marks: Marks,
    /// The marks of each symbol of a request for several.
    pub(super) by_target: Vec<Marks>,
}

impl Decoded {
    /// Returns what tells the keys and times of the rows of the main table from those of another page; `None` where
    /// there are none.
    pub(super) fn stamp(&self) -> Option<u64> {
        let frame = self.rows.first()?.frame.as_ref().filter(|frame| !frame.is_empty())?;
        let mut hasher = DefaultHasher::new();
        frame.keys().iter().for_each(|key| key.encode().hash(&mut hasher));
        (frame.series(), frame.ts()).hash(&mut hasher);
        Some(hasher.finish())
    }

    /// Drops the rows that the next page brings again.
    pub(super) fn end_at(&mut self, from: i64) {
        for (at, rows) in self.rows.iter_mut().enumerate() {
            let Some(frame) = &mut rows.frame else { continue };
            let keep: Vec<bool> = frame.ts().iter().map(|ts| *ts < from).collect();
            let dropped = keep.iter().filter(|keep| !**keep).count() as u64;
            if dropped == 0 {
                continue;
            }
            if at == 0 {
                let open_from = self.marks.open_from.unwrap_or(i64::MAX);
                let is_final = |ts: &&i64| **ts >= from && **ts < open_from;
                self.marks.final_rows -= frame.ts().iter().filter(is_final).count() as u64;
                self.marks.rows -= dropped;
            }
            frame.retain(&keep);
            rows.counts.read -= dropped;
        }
    }
}

impl Worker<'_> {
    /// Decodes an answer, and drops and marks its rows.
    pub(super) fn decode(
        &self,
        job: &Job<'_>,
        body: &[u8],
        values: &Values,
        shown: &str,
    ) -> Result<Decoded, Fault> {
        let mut given = self.given.clone();
        given.extend(values.iter().map(|(name, value)| (name.clone(), value.clone())));
        if let [symbol] = job.symbols.as_slice() {
            given.insert("symbol".to_owned(), symbol.clone());
        }
        let mut decoded = Decoded::default();
        for (at, (table, decoder)) in self.decoders.iter().enumerate() {
            let Body { decoded: found, open_after } =
                decoder.decode(body, &Given { values: &given, now: job.now }).map_err(|err| {
                    fault(Class::Format, format!("the answer has not the form of the definition: {err:#}"))
                })?;
            let rule = self.rule(job, at == 0, open_after);
            let mut frame = found.frame;
            if at == 0 {
                decoded.records = found.read;
                if rule.is_other_unit(&frame) {
                    return Err(fault(
                        Class::Format,
                        "its times are in another unit than the definition says",
                    ));
                }
            }
            let marks = rule.apply(&mut frame, table);
            let counts = Counts {
                read: marks.rows + found.rejects.len() as u64,
                rejected: found.rejects.len() as u64,
                suspect: found.suspect,
                ..Counts::default()
            };
            let too_many = found.rejects.len() as u64 * 100 > found.read * MAX_REJECTED_PERCENT;
            let first = found.rejects.first().map(|reject| reject.reason.clone());
            if let (true, Some(first)) = (too_many, first) {
                let (rejected, read) = (found.rejects.len(), found.read);
                let rows = Rows {
                    table: at,
                    frame: None,
                    counts: Counts { read: counts.rejected, ..counts },
                    rejects: found.rejects,
                };
                self.hand_over(job, vec![rows], shown.to_owned(), None)?;
                return Err(fault(Class::Format, format!("{rejected} of {read} rows do not fit: {first}")));
            }
            if at == 0 {
                decoded.by_target = by_target(job, table, &frame, || rule.by_series(&frame, &marks));
                decoded.marks = marks;
            }
            decoded.rows.push(Rows { table: at, frame: Some(frame), counts, rejects: found.rejects });
        }
        Ok(decoded)
    }

    /// Returns the range whose rows are kept. A page that begins behind the window brings rows of the same moment
    /// again; those of bars are recognised by their time.
    pub(super) fn asked(&self, job: &Job<'_>) -> Option<Span> {
        let from = job.from.filter(|_| self.asker.dataset.timeframe.is_none());
        job.task.asked.map(|asked| Span { start: from.unwrap_or(asked.start).max(asked.start), ..asked })
    }

    fn rule<'r>(&'r self, job: &Job<'_>, is_main: bool, open_after: Option<i64>) -> Rule<'r> {
        let dataset = self.asker.dataset;
        let response = &dataset.response;
        Rule {
            asked: self.asked(job),
            timeframe: dataset.timeframe.filter(|_| is_main),
            settle: if is_main { dataset.settle } else { 0 },
            open: if is_main { &response.open } else { &Open::ByTime },
            open_after,
            needed: if is_main { &response.drop_all_null } else { &[] },
            now: job.now,
        }
    }
}

/// Returns the marks of each symbol of a request for several, nothing for a request for one.
fn by_target(
    job: &Job<'_>,
    table: &Table,
    frame: &Frame,
    by_series: impl FnOnce() -> Vec<Marks>,
) -> Vec<Marks> {
    let Some(place) = table.key_index("symbol").filter(|_| job.targets.len() > 1) else { return Vec::new() };
    let by_series = by_series();
    let of = |target: &&Target| {
        let is_own = |key: &SeriesKey| key.0.get(place) == Some(&Value::Text(target.symbol.as_str().into()));
        let at = frame.keys().iter().position(is_own);
        at.and_then(|at| by_series.get(at)).cloned().unwrap_or_default()
    };
    job.targets.iter().map(of).collect()
}
