//! `barn runs check`: whether the newest runs are as usual and within their limits.

use std::io::Write as _;

use anyhow::{Context as _, Result};

use super::all;
use super::figures::{outcome, shown};
use crate::cli::Context;
use crate::commands::query;
use crate::error::{Kind, visible};
use crate::runs::{Breach, Limits, Metric, Runs, What, check};
use crate::ui::{Volume, figures};

/// Check the newest runs against earlier ones like them, and against the limits in barn.toml
///
/// Prints a line for each run that failed, for each figure (time, slowest answers, memory, cache hits) that is far from
/// the median of up to 50 earlier runs, at least 5, and for each that is beyond its limit in [limits.COMMAND]; then the
/// exit code is 1. Prints nothing where all is well.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn runs check
  barn runs check --last 7 | mail -E -s 'barn is slow' me")]
pub(super) struct CheckArgs {
    /// Check so many of the newest runs of each kind of work
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    last: u16,
}

/// Runs the command.
pub(super) fn run(context: &Context, runs: &Runs, args: &CheckArgs) -> Result<Option<Kind>> {
    let limits = Limits::load(&context.global.store)?;
    let runs = all(runs)?;
    let checked = check(&runs, &limits, usize::from(args.last));
    let lines: Vec<String> = checked.breaches.iter().map(|breach| line(breach) + "\n").collect();
    query::stdout()?.write_all(lines.concat().as_bytes()).context("cannot write to stdout")?;
    // Where nobody watches, silence means that all is well: cron mails whatever is said.
    if context.ui.is_watched() || context.ui.volume() == Volume::Verbose {
        let parts = [
            (checked.runs, "checked"),
            (checked.unknown, "too few others to say what is usual for"),
            (checked.elsewhere, "left out, as from other machines,"),
        ];
        let parts = parts.into_iter().filter(|(count, word)| *count > 0 || *word == "checked");
        let part = |(count, words): (usize, &str)| format!("{words} {}", figures::count(count as u64, "run"));
        context.ui.note(&parts.map(part).collect::<Vec<_>>().join("; "));
    }
    Ok((!lines.is_empty()).then_some(Kind::Failed))
}

/// Returns what is wrong as a line of text.
fn line(breach: &Breach<'_>) -> String {
    let run = breach.run;
    let subject =
        if run.subject.is_empty() { String::new() } else { format!(" ({})", visible(&run.subject)) };
    let head = format!("{} #{}{subject}", run.command, run.id);
    match breach.what {
        What::Failed => {
            let why = run.error.as_deref().map(|error| format!(": {}", visible(error))).unwrap_or_default();
            format!("{head}: {}, exit code {}{why}", outcome(run), run.exit_code)
        }
        What::Figure { metric, value, usual, limit } => {
            let figure = |value: f64| shown(value, metric.unit());
            let usual =
                usual.map(|usual| format!(", usually {} ± {}", figure(usual.median), figure(usual.noise)));
            let limit = limit.map(|limit| format!(" (limit {})", figure(limit)));
            let (usual, limit) = (usual.unwrap_or_default(), limit.unwrap_or_default());
            format!("{head}: {} {}{usual}{limit}", words(metric), figure(value))
        }
    }
}

fn words(metric: Metric) -> String {
    metric.as_str().replace('_', " ")
}
