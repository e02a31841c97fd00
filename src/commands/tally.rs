//! What `barn store` says and reports of its inputs.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;

use super::tables::threads;
use crate::cli::Context;
use crate::error::{Kind, report};
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
    errors: Vec<anyhow::Error>,
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
                    self.errors.push(err);
                }
                input.notes = outcome.notes;
                input.warnings = outcome.warnings;
            }
            Err(err) => {
                input.error = Some(report(&err));
                self.errors.push(err);
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
            (1, 1) => Err(self.errors.remove(0)),
            (failed, inputs) => {
                self.errors.iter().for_each(|err| context.ui.error(err));
                Ok(Some(if failed < inputs { Kind::Partial } else { Kind::Failed }))
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
