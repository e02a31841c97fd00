//! `barn runs show`: all that is known of a run.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;

use super::figures::{breakdown, named, outcome};
use super::find;
use crate::cli::Context;
use crate::commands::query;
use crate::error::{Kind, visible};
use crate::model::time::format_timestamp;
use crate::runs::{Run, Runs};

/// Show all that is known of a run; of a slow query its plan too
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn runs show 12
  barn runs show 12 --format json")]
pub(super) struct ShowArgs {
    /// Number of the run, as `barn runs list` shows it
    #[arg(value_parser = number)]
    id: i64,

    /// Lines for people, or all figures as JSON
    #[arg(
        long, help_heading = "Output", default_value = "text",
        value_parser = PossibleValuesParser::new(["text", "json"])
    )]
    format: String,
}

fn number(text: &str) -> Result<i64, String> {
    text.parse().ok().ok_or_else(|| "expected the number of a run, as `barn runs list` shows it".to_owned())
}

/// Runs the command.
pub(super) fn run(_: &Context, runs: &Runs, args: &ShowArgs) -> Result<Option<Kind>> {
    let run = find(runs, args.id)?;
    let text = if args.format == "json" {
        serde_json::to_string_pretty(&run).context("cannot show a run as JSON")?
    } else {
        lines(&run).join("\n")
    };
    query::stdout()?.write_all(format!("{text}\n").as_bytes()).context("cannot write to stdout")?;
    Ok(None)
}

fn lines(run: &Run) -> Vec<String> {
    let ended = match &run.error {
        Some(error) => format!("{} (exit code {}): {}", outcome(run), run.exit_code, visible(error)),
        None => format!("{} (exit code {})", outcome(run), run.exit_code),
    };
    let mut lines = vec![
        named("run", &run.id.to_string()),
        named("line", &visible(&run.line)),
        named("started", &format_timestamp(run.started)),
        named("machine", &visible(&format!("{}, {} cores, barn {}", run.host, run.cores, run.version))),
        named("outcome", &ended),
    ];
    lines.extend(run.label.as_ref().map(|label| named("label", &visible(label))));
    lines.extend(breakdown(run));
    for text in [&run.sql, &run.plan].into_iter().flatten() {
        lines.push(String::new());
        lines.extend(text.lines().map(visible));
    }
    lines
}
