//! What `barn optimize` says and reports.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::Step;
use crate::archive::Rewritten;
use crate::cli::Context;
use crate::error::{Failure, Kind};
use crate::store::Snapshot;
use crate::ui::figures;

/// What the command did.
#[derive(Serialize)]
pub(super) struct Report {
    command: &'static str,
    dry_run: bool,
    bytes_before: u64,
    bytes_after: u64,
    files_before: u64,
    files_after: u64,
    seconds: f64,
    /// Recent queries that were asked before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queries: Option<QueriesReport>,
    pub(super) steps: Vec<StepReport>,
    #[serde(skip)]
    root: std::path::PathBuf,
}

/// What recent queries took.
#[derive(Serialize)]
pub(super) struct QueriesReport {
    count: usize,
    ms_before: f64,
    ms_after: f64,
}

impl From<(usize, Duration, Duration)> for QueriesReport {
    fn from((count, before, after): (usize, Duration, Duration)) -> Self {
        let ms = |took: Duration| took.as_secs_f64() * 1_000.0;
        Self { count, ms_before: ms(before), ms_after: ms(after) }
    }
}

/// What a step did.
#[derive(Serialize)]
pub(super) struct StepReport {
    step: &'static str,
    /// What was done, or would be.
    pub(super) done: Vec<String>,
    /// What is wrong.
    pub(super) problems: Vec<String>,
    /// What can be typed about it.
    pub(super) hint: Option<String>,
    /// Milliseconds and such, beside what was done.
    pub(super) details: Vec<String>,
    pub(super) bytes_before: u64,
    pub(super) bytes_after: u64,
    pub(super) files_before: u64,
    pub(super) files_after: u64,
    pub(super) seconds: f64,
    /// Whether no other step may follow.
    #[serde(skip)]
    pub(super) is_last: bool,
}

impl StepReport {
    pub(super) fn new(step: Step) -> Self {
        Self {
            step: step.as_str(),
            done: Vec::new(),
            problems: Vec::new(),
            hint: None,
            details: Vec::new(),
            bytes_before: 0,
            bytes_after: 0,
            files_before: 0,
            files_after: 0,
            seconds: 0.0,
            is_last: false,
        }
    }

    /// Adds what became of archived files.
    pub(super) fn count(&mut self, done: &Rewritten) {
        self.files_before += done.files.0;
        self.files_after += done.files.1;
        self.bytes_before += done.bytes.0;
        self.bytes_after += done.bytes.1;
    }

    /// Says what was done; of a step that was asked for also that there was nothing to do.
    pub(super) fn say(&self, context: &Context, is_named: bool) {
        let ui = &context.ui;
        for line in &self.done {
            ui.summary(&format!("{}: {line}", self.step));
        }
        for line in &self.details {
            ui.summary(&format!("  {line}"));
        }
        if !self.problems.is_empty() {
            let count = figures::count(self.problems.len() as u64, "problem");
            ui.warnings(&format!("{}: {count}", self.step), &self.problems, self.hint.as_deref());
        } else if self.done.is_empty() && self.details.is_empty() {
            let line = format!("{}: nothing to do ({})", self.step, self.took());
            if is_named { ui.summary(&line) } else { ui.detail(&line) }
        }
    }

    /// Returns whether it found the store sound, where it is the step that looks for damage.
    pub(super) fn is_sound(&self) -> Option<bool> {
        (self.step == Step::Verify.as_str()).then_some(self.problems.is_empty())
    }

    fn took(&self) -> String {
        figures::duration(Duration::from_secs_f64(self.seconds))
    }
}

impl Report {
    pub(super) fn new(root: &Path, dry_run: bool) -> Self {
        let (bytes, files) = size(root);
        Self {
            command: "optimize",
            dry_run,
            bytes_before: bytes,
            bytes_after: bytes,
            files_before: files,
            files_after: files,
            seconds: 0.0,
            queries: None,
            steps: Vec::new(),
            root: root.to_owned(),
        }
    }

    /// Says and reports the whole.
    pub(super) fn finish(mut self, context: &Context, elapsed: Duration) -> Result<Option<Kind>> {
        self.seconds = elapsed.as_secs_f64();
        (self.bytes_after, self.files_after) = size(&self.root);
        let is_changed = self.steps.iter().any(|step| !step.done.is_empty());
        let took = figures::duration(elapsed);
        let problems: usize = self.steps.iter().map(|step| step.problems.len()).sum();
        context.ui.summary(&match (is_changed, self.dry_run) {
            (false, _) if problems > 0 => format!("nothing was changed ({took})"),
            (false, _) => format!("nothing to optimize ({took})"),
            (true, true) => format!("nothing was changed ({took})"),
            (true, false) => format!(
                "optimized in {took}: {} → {}, {} → {}",
                figures::bytes(self.bytes_before),
                figures::bytes(self.bytes_after),
                figures::count(self.files_before, "file"),
                figures::thousands(self.files_after)
            ),
        });
        if let Some(queries) = &self.queries {
            context.ui.summary(&format!(
                "recent queries asked again: {}, {:.1} ms before, {:.1} ms after",
                figures::thousands(queries.count as u64),
                queries.ms_before,
                queries.ms_after
            ));
        }
        context.metrics.add(|figures| {
            figures.workers = crate::commands::tables::threads() as u64;
            figures.bytes_in += self.bytes_before;
            figures.bytes_out += self.bytes_after;
        });
        context.report(&self)?;
        if problems > 0 {
            return Err(Failure::new(format!(
                "cannot call store '{}' sound: {} above",
                self.root.display(),
                figures::count(problems as u64, "problem")
            ))
            .into());
        }
        Ok(None)
    }
}

/// Returns the bytes of a store without the files that others took the place of, and the number of archived files.
fn size(root: &Path) -> (u64, u64) {
    // Where the manifest cannot be read the steps say so.
    let files = Snapshot::open(root, 1).and_then(|snapshot| snapshot.files(None)).unwrap_or_default();
    // What is not there takes nothing.
    let size = |name: &str| std::fs::metadata(root.join(name)).map_or(0, |about| about.len());
    let databases: u64 =
        ["barn.db", "barn.db-wal", "cache.db", "cache.db-wal", "runs.db"].map(size).iter().sum();
    let archived: u64 = files.iter().map(|file| file.bytes).sum();
    (databases + archived, files.len() as u64)
}
