//! `barn runs compare`: two runs or groups of them side by side.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::figures::shown;
use super::{all, find};
use crate::cli::Context;
use crate::commands::{info, query};
use crate::error::{Failure, Kind};
use crate::model::{ColumnType, Value};
use crate::runs::{Change, Filter, Run, Runs, compare};
use crate::ui::output::{Format, Listing};

/// Compare two runs, or two groups of them with a label
///
/// Groups are compared by their medians, command by command. The noise is how far such a figure may be off by chance:
/// the scaled median distance from the median of a group, or of earlier runs with the same command line.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn runs compare 12 15
  barn runs compare before after --format csv")]
pub(super) struct CompareArgs {
    /// Number of a run, or a label
    #[arg(value_name = "A")]
    before: String,

    /// Number of another run, or another label
    #[arg(value_name = "B")]
    after: String,

    /// Format of the list [default: table on a terminal, else csv]
    #[arg(
        long, help_heading = "Output",
        value_parser = PossibleValuesParser::new(Format::WORDS).try_map(|word| word.parse::<Format>())
    )]
    format: Option<Format>,
}

/// Runs the command.
pub(super) fn run(context: &Context, runs: &Runs, args: &CompareArgs) -> Result<Option<Kind>> {
    let (before, after) = (group(runs, &args.before)?, group(runs, &args.after)?);
    let commands = |runs: &[Run]| runs.iter().map(|run| run.command.clone()).collect::<BTreeSet<_>>();
    let common: Vec<String> = commands(&before).intersection(&commands(&after)).cloned().collect();
    if common.is_empty() {
        bail!(Failure::usage(format!(
            "cannot compare '{}' with '{}': they have no command in common",
            args.before, args.after
        )));
    }
    tell_machines(context, &before, &after);
    let known = all(runs)?;
    let others: Vec<&Run> = known.iter().filter(|run| run.exit_code == 0).collect();
    let format = args.format.unwrap_or_else(query::default_format);
    let is_for_people = matches!(format, Format::Table | Format::Markdown);
    let mut listing = listing(is_for_people);
    let mut is_noise_known = true;
    for command in &common {
        let of = |runs: &'_ [Run]| -> Vec<usize> {
            (0..runs.len()).filter(|&at| runs[at].command == *command).collect()
        };
        let before: Vec<&Run> = of(&before).into_iter().map(|at| &before[at]).collect();
        let after: Vec<&Run> = of(&after).into_iter().map(|at| &after[at]).collect();
        for change in compare(&before, &after, &others) {
            is_noise_known &= change.percent.is_none() || change.noise_percent.is_some();
            listing.push(row(command, &change, is_for_people));
        }
    }
    info::print(context, &listing, format)?;
    if !is_noise_known {
        context.ui.note("the noise is not known: there are fewer than 3 earlier runs like these");
    }
    Ok(None)
}

/// Returns the run of a number, or the runs with a label.
fn group(runs: &Runs, name: &str) -> Result<Vec<Run>> {
    if let Ok(id) = name.parse() {
        return Ok(vec![find(runs, id)?]);
    }
    let group = runs.list(&Filter { label: Some(name), limit: super::ALL, ..Filter::default() })?;
    if group.is_empty() {
        bail!(
            Failure::usage(format!("cannot find runs with label '{name}': there are none"))
                .hint(format!("`barn --label {name} COMMAND …` names a run so"))
        );
    }
    Ok(group)
}

/// Says where the runs are not of one machine.
fn tell_machines(context: &Context, before: &[Run], after: &[Run]) {
    let machines = |runs: &[Run]| {
        let names = runs.iter().map(|run| format!("'{}' ({} cores)", run.host, run.cores));
        names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
    };
    let (before, after) = (machines(before), machines(after));
    if before != after {
        context.ui.warning(&format!(
            "the runs are from different machines, {before} and {after}: the change is not of barn alone"
        ));
    }
}

fn listing(is_for_people: bool) -> Listing {
    use ColumnType::{Double, Text};
    if is_for_people {
        let columns = ["command", "figure", "a", "b", "change", "noise", "verdict"];
        return Listing::new(&columns.map(|name| (name, Text)));
    }
    Listing::new(&[
        ("command", Text),
        ("figure", Text),
        ("unit", Text),
        ("a", Double),
        ("b", Double),
        ("change_percent", Double),
        ("noise_percent", Double),
        ("verdict", Text),
    ])
}

fn row(command: &str, change: &Change, is_for_people: bool) -> Vec<Value> {
    let text = |text: &str| Value::Text(text.into());
    let verdict = change.verdict.map_or(Value::Null, |verdict| text(verdict.as_str()));
    let mut row = vec![text(command), text(change.metric.as_str())];
    let unit = change.metric.unit();
    if is_for_people {
        let figure = |value: Option<f64>| value.map_or(Value::Null, |value| text(&shown(value, unit)));
        let percent = |value: f64, sign: &str| text(&format!("{sign}{value:.1} %"));
        row.extend([figure(change.before), figure(change.after)]);
        let sign = if change.percent.is_some_and(|percent| percent > 0.0) { "+" } else { "" };
        row.push(change.percent.map_or(Value::Null, |value| percent(value, sign)));
        row.push(change.noise_percent.map_or(Value::Null, |value| percent(value, "±")));
    } else {
        let figure = |value: Option<f64>, digits: f64| {
            value.map_or(Value::Null, |value| Value::Double((value * digits).round() / digits))
        };
        row.push(text(unit.as_str()));
        row.extend([figure(change.before, 1e6), figure(change.after, 1e6)]);
        row.extend([figure(change.percent, 10.0), figure(change.noise_percent, 10.0)]);
    }
    row.push(verdict);
    row
}
