//! `barn runs export`: runs for other programs.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::builder::PossibleValuesParser;

use super::all;
use crate::cli::Context;
use crate::commands::query;
use crate::error::Kind;
use crate::fs::{self, Overwrite};
use crate::runs::{Run, Runs, prometheus};

/// Export runs as JSON, or for the textfile collector of Prometheus
///
/// Of Prometheus' format there are the figures of the last run of each command, and how many runs ever ended how.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn runs export --format json -o runs.json
  barn runs export --format prometheus -o /var/lib/node_exporter/barn.prom --force")]
pub(super) struct ExportArgs {
    /// Format
    #[arg(
        long, help_heading = "Output", default_value = "json",
        value_parser = PossibleValuesParser::new(["prometheus", "json"])
    )]
    format: String,

    /// Write to a file, which appears when it is complete
    #[arg(short, long, help_heading = "Output", value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace the output file if it exists
    #[arg(short, long, help_heading = "Output", requires = "output")]
    force: bool,
}

/// Runs the command.
pub(super) fn run(context: &Context, runs: &Runs, args: &ExportArgs) -> Result<Option<Kind>> {
    let known = all(runs)?;
    let text = if args.format == "json" {
        serde_json::to_string_pretty(&known).context("cannot export runs as JSON")? + "\n"
    } else {
        let store = &context.global.store;
        let store = std::path::absolute(store).unwrap_or_else(|_| store.clone());
        prometheus(&store.to_string_lossy(), &last(known), &runs.totals()?)
    };
    match &args.output {
        Some(path) => {
            let overwrite = if args.force { Overwrite::Replace } else { Overwrite::Refuse };
            fs::replace(path, text.as_bytes(), overwrite)?;
        }
        None => query::stdout()?.write_all(text.as_bytes()).context("cannot write to stdout")?,
    }
    Ok(None)
}

/// Returns the newest run of each command.
fn last(runs: Vec<Run>) -> Vec<Run> {
    let mut commands = BTreeSet::new();
    runs.into_iter().filter(|run| commands.insert(run.command.clone())).collect()
}
