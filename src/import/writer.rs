//! The writing end of an import: transactions, rejects, and the limits on them.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::session::{Fields, Mode, Outcome, Session, interrupted};
use crate::decode::{Decoded, Misfit};
use crate::error::{Failure, visible};
use crate::model::{Counts, Reject, Table};
use crate::store;

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
    /// Rejects of what is committed, and of the open transaction.
    kept: Vec<Reject>,
    rejects: Vec<Reject>,
    reject_bytes: usize,
    writing: Duration,
}

impl<'a, 's> Writer<'a, 's> {
    pub(super) fn new(session: &'a mut Session<'s>, name: &str, commit: Commit) -> Result<Self> {
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
            kept: Vec::new(),
            rejects: Vec::new(),
            reject_bytes: 0,
            writing: Duration::ZERO,
        })
    }

    /// Writes a decoded block.
    pub(super) fn consume(&mut self, decoded: Decoded) -> Result<()> {
        if self.session.stop.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(interrupted());
        }
        self.refuse_misfits(&decoded.misfits)?;
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
        let may_change_table = self.session.request.unknown_fields == Fields::Add;
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
        match self.session.request.mode {
            Mode::Store => self.session.store.commit()?,
            Mode::DryRun => self.session.store.rollback()?,
        }
        self.writing += start.elapsed();
        self.committed += self.open;
        self.open = Counts::default();
        self.kept.append(&mut self.rejects);
        self.reject_bytes = 0;
        Ok(())
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
    pub(super) fn finish(mut self, result: Result<()>, content: &str, notes: Vec<String>) -> Result<Outcome> {
        let result =
            result.and_then(|()| if self.session.store.is_in_transaction() { self.commit() } else { Ok(()) });
        if result.is_err() {
            self.session.store.rollback()?;
        }
        let is_widening = result.as_ref().is_err_and(anyhow::Error::is::<Widen>);
        if self.session.request.mode == Mode::Store && !is_widening {
            self.kept.append(&mut self.rejects);
            let origin = store::Origin { table: &self.table.name, path: &self.name, content };
            self.session.store.keep_rejects(origin, &self.kept, now())?;
        }
        if let Err(err) = result {
            return Err(self.say_how_far(err));
        }
        let mut warnings = Vec::new();
        if let Some((rows, example)) = self.input.differing() {
            warnings.push(format!(
                "{rows} rows give a key that another row gave with other values, such as {example}"
            ));
        }
        Ok(Outcome {
            counts: self.committed,
            series: self.input.series().clone(),
            notes,
            warnings,
            writing: self.writing,
        })
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

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
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
