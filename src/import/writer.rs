//! The writing end of an import: transactions, rejects, and the limits on them.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::session::{Fields, Mode, Outcome, Session};
use crate::decode::{Decoded, Misfit};
use crate::error::{Failure, go_on, visible};
use crate::model::{Counts, Reject, Table, time};
use crate::store::{self, Keep};

/// The longest time rows of a stream wait for their commit.
const STREAM_COMMIT: Duration = Duration::from_secs(1);

/// Bytes of rejects that are held until their transaction ends; beyond, it ends early.
const MAX_REJECT_BYTES: usize = 64 << 20;

/// When an input is refused, and when it is committed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many rejects a transaction may have.
    pub max_bad: MaxBad,
    /// Rows after which a transaction ends.
    pub transaction_rows: u64,
}

/// When the transactions of an input end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commit {
    /// After so many rows as the limits say.
    ByRows,
    /// Also after a second: nobody knows when a stream goes on.
    ByTime,
}

/// How many rejects a transaction may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxBad {
    /// At most so many rows.
    Rows(u64),
    /// At most this share of its rows, in percent.
    Percent(f64),
}

impl MaxBad {
    fn allows(self, counts: &Counts) -> bool {
        match self {
            Self::Rows(rows) => counts.rejected <= rows,
            #[allow(clippy::cast_precision_loss, reason = "a share of counts far below 2^53")]
            Self::Percent(percent) => counts.rejected as f64 * 100.0 <= percent * counts.read as f64,
        }
    }
}

impl fmt::Display for MaxBad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => write!(f, "{rows} rows"),
            Self::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

/// Stops an import whose inferred columns turn out too narrow, so that it starts again with wider ones.
#[derive(Debug)]
pub(super) struct Widen {
    pub(super) misfits: Vec<Misfit>,
}

impl fmt::Display for Widen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<_> =
            self.misfits.iter().map(|misfit| format!("'{}' needs {}", misfit.column, misfit.needs)).collect();
        write!(f, "column {}", columns.join(", "))
    }
}

impl std::error::Error for Widen {}

/// Writes what the decoders of one input return.
pub(super) struct Writer<'a, 's> {
    session: &'a mut Session<'s>,
    name: String,
    commit: Commit,
    table: Table,
    input: store::Input,
    /// What is committed, and what the open transaction has.
    committed: Counts,
    open: Counts,
    started: Instant,
    /// Rejects of the open transaction.
    rejects: Vec<Reject>,
    /// What tells this content of the path from another, and how its rejects are kept.
    content: String,
    keep: Keep,
    /// Whether any field of the input is a value of the table.
    has_values: bool,
    /// The first reject in words.
    example: Option<String>,
    reject_bytes: usize,
    writing: Duration,
}

impl<'a, 's> Writer<'a, 's> {
    pub(super) fn new(session: &'a mut Session<'s>, name: &str, content: String) -> Result<Self> {
        let commit = session.commit;
        let table = session.table()?;
        let input = store::Input::new(&table.name, session.request.rule);
        Ok(Self {
            session,
            name: name.to_owned(),
            commit,
            table,
            input,
            committed: Counts::default(),
            open: Counts::default(),
            started: Instant::now(),
            rejects: Vec::new(),
            content,
            keep: Keep::Replace,
            has_values: false,
            example: None,
            reject_bytes: 0,
            writing: Duration::ZERO,
        })
    }

    /// Writes a decoded block, or ends the transaction of a stream from which none comes.
    pub(super) fn turn(&mut self, decoded: Option<Decoded>) -> Result<()> {
        match decoded {
            Some(decoded) => self.consume(decoded),
            None => self.rest(),
        }
    }

    fn consume(&mut self, decoded: Decoded) -> Result<()> {
        go_on(self.session.stop)?;
        self.refuse_misfits(&decoded.misfits)?;
        self.has_values |= (0..self.table.values.len()).any(|at| decoded.frame.cells(at).is_some());
        let start = Instant::now();
        if !self.session.store.is_in_transaction() {
            self.session.store.begin()?;
            self.started = start;
            self.session.store.define(&self.table)?;
        }
        let mut counts = self.session.store.write(&mut self.input, decoded.frame)?;
        self.writing += start.elapsed();
        counts.read = decoded.read;
        counts.suspect = decoded.suspect;
        counts.rejected = decoded.rejects.len() as u64;
        self.open += counts;
        self.session.rows.fetch_add(counts.read, std::sync::atomic::Ordering::Relaxed);
        self.reject_bytes +=
            decoded.rejects.iter().map(|reject| reject.text.len() + reject.reason.len()).sum::<usize>();
        self.rejects.extend(decoded.rejects);
        let is_due = self.open.read >= self.session.request.limits.transaction_rows
            || self.reject_bytes > MAX_REJECT_BYTES
            || self.commit == Commit::ByTime && self.started.elapsed() >= STREAM_COMMIT;
        if is_due { self.commit() } else { Ok(()) }
    }

    /// An input that is still one transaction starts again with wider columns, where that helps.
    fn refuse_misfits(&self, misfits: &[Misfit]) -> Result<()> {
        // A stream can not be read again: what does not fit is a reject.
        if self.commit == Commit::ByTime {
            return Ok(());
        }
        let may_change_table = self.session.request.unknown_fields == Fields::Add
            && !self.session.store.is_declared(&self.table.name);
        let misfits = self.session.columns.can_widen(misfits, may_change_table);
        if misfits.is_empty() || self.committed.read > 0 {
            return Ok(());
        }
        Err(Widen { misfits }.into())
    }

    fn commit(&mut self) -> Result<()> {
        let max_bad = self.session.request.limits.max_bad;
        if !max_bad.allows(&self.open) {
            return Err(self.too_many_rejects(max_bad));
        }
        let start = Instant::now();
        // With the rows: nobody reads these lines again once the rows beside them are stored.
        self.keep_rejects()?;
        match self.session.request.mode {
            Mode::Store => self.session.store.commit()?,
            Mode::DryRun => self.session.store.rollback()?,
        }
        self.writing += start.elapsed();
        self.committed += self.open;
        self.open = Counts::default();
        self.reject_bytes = 0;
        self.forget_rejects();
        Ok(())
    }

    /// Keeps the rejects of a transaction: the first ones in the place of those from an earlier import of the same.
    ///
    /// They are at hand until they are forgotten, since a transaction that fails takes them back with its rows.
    fn keep_rejects(&mut self) -> Result<()> {
        if self.session.request.mode == Mode::DryRun {
            return Ok(());
        }
        if let Some(first) = self.rejects.first() {
            self.example.get_or_insert_with(|| format!("line {}: {}", first.line, first.reason));
        }
        let origin = store::Origin { table: &self.table.name, path: &self.name, content: &self.content };
        self.session.store.keep_rejects(origin, &self.rejects, self.keep, time::now())
    }

    /// Forgets the rejects that are kept for good.
    fn forget_rejects(&mut self) {
        self.rejects.clear();
        if self.session.request.mode == Mode::Store {
            self.keep = Keep::Append;
        }
    }

    /// Commits the rows of a stream that is silent.
    fn rest(&mut self) -> Result<()> {
        let is_due = self.commit == Commit::ByTime && self.session.store.is_in_transaction();
        if is_due && self.started.elapsed() >= STREAM_COMMIT { self.commit() } else { Ok(()) }
    }

    fn too_many_rejects(&self, max_bad: MaxBad) -> anyhow::Error {
        let example = self
            .rejects
            .first()
            .map_or(String::new(), |reject| format!("; line {}: {}", reject.line, visible(&reject.reason)));
        Failure::new(format!(
            "{} of {} rows were rejected, at most {max_bad} may be{example}",
            self.open.rejected, self.open.read
        ))
        .hint("`barn info rejects` lists them, `--max-bad` allows more")
        .into()
    }

    /// Ends the input: commits what is open, or takes it back where `result` is an error, and keeps the
    /// rejects of both.
    ///
    /// An error comes beside the counts where some of the input is stored.
    pub(super) fn finish(mut self, result: Result<()>, notes: Vec<String>) -> Result<Outcome> {
        let mut result =
            result.and_then(|()| if self.session.store.is_in_transaction() { self.commit() } else { Ok(()) });
        if let Err(err) = &result {
            let is_widening = err.is::<Widen>();
            let undone = self.session.store.rollback();
            let kept = if is_widening { Ok(()) } else { self.keep_rejects() };
            // The first error says why; these follow from it.
            result = result.and(undone).and(kept);
        } else if self.keep == Keep::Replace {
            // Not even one transaction: what was kept of an earlier import is out of date.
            result = self.keep_rejects();
        }
        let error = match result {
            Err(err) if self.committed.read == 0 => return Err(self.say_how_far(err)),
            Err(err) => Some(self.say_how_far(err)),
            Ok(()) => None,
        };
        Ok(Outcome {
            counts: self.committed,
            series: self.input.series().clone(),
            notes,
            warnings: self.warnings(),
            writing: self.writing,
            error,
        })
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.has_values && self.committed.read > self.committed.rejected {
            warnings.push(format!(
                "none of its fields is a value of {}: its rows have a key and a time only, `--map COLUMN=FIELD` names fields",
                self.table.name
            ));
        }
        if let Some((rows, example)) = self.input.differing() {
            warnings.push(format!(
                "{rows} rows give a key that another row gave with other values, such as {example}"
            ));
        }
        if let Some(example) = &self.example {
            warnings.push(format!(
                "{} rows were rejected, such as {example}; `barn info rejects` lists them",
                self.committed.rejected
            ));
        }
        warnings
    }

    fn say_how_far(&self, err: anyhow::Error) -> anyhow::Error {
        if err.is::<Widen>() {
            return err;
        }
        if self.committed.read == 0 {
            let is_interrupted = self.session.stop.load(std::sync::atomic::Ordering::SeqCst);
            return if is_interrupted { err.context("nothing of it is stored") } else { err };
        }
        err.context(format!(
            "its first {} rows are stored, the rest is not; the same command again goes on",
            self.committed.read
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_rejects_is_judged_exactly() {
        let counts = |read, rejected| Counts { read, rejected, ..Counts::default() };
        assert!(MaxBad::Percent(1.0).allows(&counts(100, 1)));
        assert!(!MaxBad::Percent(1.0).allows(&counts(100, 2)));
        assert!(!MaxBad::Percent(0.0).allows(&counts(1_000_000, 1)));
        assert!(MaxBad::Percent(100.0).allows(&counts(5, 5)));
        assert!(MaxBad::Rows(2).allows(&counts(2, 2)));
        assert!(!MaxBad::Rows(2).allows(&counts(2_000_000, 3)));
    }
}
