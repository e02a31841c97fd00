//! What `barn store` says and reports of its inputs.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;

use super::tables::threads;
use crate::cli::Context;
use crate::error::{Kind, exit_code, report, visible};
use crate::import::{Mode, Outcome};
use crate::model::Counts;
use crate::runs::Metrics;
use crate::ui::figures;

/// What became of the whole command.
#[derive(Default, serde::Serialize)]
struct Report {
    command: &'static str,
    table: String,
    #[serde(flatten)]
    counts: Counts,
    series: usize,
    seconds: f64,
    inputs: Vec<InputReport>,
}

/// What became of one file.
#[derive(serde::Serialize)]
struct InputReport {
    name: String,
    #[serde(flatten)]
    counts: Counts,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Adds up what became of the inputs.
#[derive(Default)]
pub(super) struct Tally {
    counts: Counts,
    series: HashSet<i64>,
    inputs: Vec<InputReport>,
    /// What failed, by the name of the input.
    errors: Vec<(String, anyhow::Error)>,
    writing: Duration,
}

impl Tally {
    /// Adds what became of an input.
    pub(super) fn add(&mut self, name: &str, result: Result<Outcome>) {
        let mut input = InputReport {
            name: name.to_owned(),
            counts: Counts::default(),
            notes: Vec::new(),
            warnings: Vec::new(),
            error: None,
        };
        match result {
            Ok(outcome) => {
                self.counts += outcome.counts;
                self.series.extend(outcome.series);
                self.writing += outcome.writing;
                input.counts = outcome.counts;
                if let Some(err) = outcome.error {
                    input.error = Some(report(&err));
                    self.errors.push((name.to_owned(), err));
                }
                input.notes = outcome.notes;
                input.warnings = outcome.warnings;
            }
            Err(err) => {
                input.error = Some(report(&err));
                self.errors.push((name.to_owned(), err));
            }
        }
        self.inputs.push(input);
    }

    /// Counts what was done with so many bytes, for the record of the run.
    pub(super) fn count(&self, metrics: &Metrics, bytes: u64) {
        metrics.add(|figures| {
            figures.workers = threads() as u64;
            figures.rows_in += self.counts.read;
            figures.rows_out += self.counts.inserted + self.counts.updated;
            figures.bytes_in += bytes;
        });
    }

    /// Returns the time spent writing.
    pub(super) fn writing(&self) -> Duration {
        self.writing
    }

    /// Says and reports what was done, and returns how the command ends.
    pub(super) fn finish(
        mut self,
        context: &Context,
        table: &str,
        mode: Mode,
        elapsed: Duration,
    ) -> Result<Option<Kind>> {
        self.say_once(context, |input| &input.notes, crate::ui::Ui::note);
        self.say_once(context, |input| &input.warnings, crate::ui::Ui::warning);
        let inputs = self.inputs.len();
        if self.errors.len() < inputs || self.counts.read > 0 {
            context.ui.summary(&self.summary(table, mode, elapsed));
        }
        context.report(&Report {
            command: "store",
            table: table.to_owned(),
            counts: self.counts,
            series: self.series.len(),
            seconds: elapsed.as_secs_f64(),
            inputs: std::mem::take(&mut self.inputs),
        })?;
        match (self.errors.len(), inputs) {
            (0, _) => Ok(None),
            (1, 1) => Err(self.errors.remove(0).1),
            (failed, inputs) => {
                let is_usage = self.errors.iter().all(|(_, err)| exit_code(err) == Kind::Usage.code());
                let kind = match (failed < inputs, is_usage) {
                    (true, _) => Kind::Partial,
                    (false, true) => Kind::Usage,
                    (false, false) => Kind::Failed,
                };
                for err in grouped(self.errors) {
                    context.ui.error(&err);
                }
                Ok(Some(kind))
            }
        }
    }

    /// Says a text that several inputs have in common once.
    fn say_once(
        &self,
        context: &Context,
        texts: impl Fn(&InputReport) -> &Vec<String>,
        say: impl Fn(&crate::ui::Ui, &str),
    ) {
        let mut said: Vec<(&str, &str, u64)> = Vec::new();
        for input in &self.inputs {
            for text in texts(input) {
                match said.iter_mut().find(|(other, _, _)| other == text) {
                    Some((_, _, count)) => *count += 1,
                    None => said.push((text, &input.name, 1)),
                }
            }
        }
        for (text, name, count) in said {
            let others = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            say(&context.ui, &format!("'{name}'{others}: {text}"));
        }
    }

    fn summary(&self, table: &str, mode: Mode, elapsed: Duration) -> String {
        let counts = &self.counts;
        let verb = match mode {
            Mode::Store => "stored into",
            Mode::DryRun => "would store into",
        };
        let rate = if elapsed > Duration::from_millis(100) {
            format!(" ({})", figures::rate(counts.read, elapsed))
        } else {
            String::new()
        };
        let text = format!(
            "{verb} {}: {} read, {} in {}{rate}: ",
            table,
            figures::count(counts.read, "row"),
            match self.series.len() {
                1 => "1 series".to_owned(),
                series => format!("{} series", figures::thousands(series as u64)),
            },
            figures::duration(elapsed)
        );
        let parts: Vec<String> = [
            ("inserted", counts.inserted),
            ("updated", counts.updated),
            ("unchanged", counts.unchanged),
            ("repeated", counts.repeated),
            ("rejected", counts.rejected),
            ("suspect", counts.suspect),
        ]
        .into_iter()
        .filter(|(word, count)| *count > 0 || *word == "inserted")
        .map(|(word, count)| format!("{} {word}", figures::thousands(count)))
        .collect();
        text + &parts.join(", ")
    }
}

/// Inputs that failed in the same way.
struct Group {
    /// What is said of each, but for its name.
    words: String,
    names: Vec<String>,
    /// The error of the first.
    error: anyhow::Error,
}

/// Returns an error for each way in which inputs failed; one that several have in common names the first of them.
fn grouped(errors: Vec<(String, anyhow::Error)>) -> Vec<anyhow::Error> {
    let mut groups: Vec<Group> = Vec::new();
    for (name, error) in errors {
        let words = nameless(&report(&error), &name);
        match groups.iter_mut().find(|group| group.words == words) {
            Some(group) => group.names.push(name),
            None => groups.push(Group { words, names: vec![name], error }),
        }
    }
    groups.into_iter().map(Group::into_error).collect()
}

impl Group {
    fn into_error(self) -> anyhow::Error {
        /// Inputs that are named.
        const NAMED: usize = 3;
        let count = self.names.len();
        if count == 1 {
            return self.error;
        }
        let named: Vec<_> = self.names.iter().take(NAMED).map(|name| format!("'{name}'")).collect();
        let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
        let inputs = figures::thousands(count as u64);
        self.error.context(format!("cannot store {inputs} inputs: {}{more}", named.join(", ")))
    }
}

/// Returns what is said of an input without its name, which may be the path or the last part of it.
fn nameless(words: &str, name: &str) -> String {
    let last = name.rsplit(['/', ':']).next().unwrap_or(name);
    [name, last]
        .iter()
        .fold(words.to_owned(), |words, name| words.replace(&format!("'{}'", visible(name)), "''"))
}
