//! `barn runs list`: the newest runs.

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::figures::outcome;
use crate::cli::Context;
use crate::commands::{info, query};
use crate::error::Kind;
use crate::model::{ColumnType, Value};
use crate::runs::{COMMANDS, Filter, Metric, Run, Runs};
use crate::ui::output::{Format, Listing};

/// List the newest runs; with --label those of a group
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn runs list --command fetch --limit 5
  barn runs list --slow")]
pub(super) struct ListArgs {
    /// Only queries slower than `[limits.query] slow` in barn.toml (1 s where it says nothing)
    #[arg(long, help_heading = "Which", conflicts_with = "command")]
    slow: bool,

    /// Only runs of this command
    #[arg(long, help_heading = "Which", value_parser = PossibleValuesParser::new(COMMANDS))]
    command: Option<String>,

    /// At most so many
    #[arg(long, help_heading = "Which", value_name = "N", default_value_t = 20)]
    limit: usize,

    /// Format of the list [default: table on a terminal, else csv]
    #[arg(
        long, help_heading = "Output",
        value_parser = PossibleValuesParser::new(Format::WORDS).try_map(|word| word.parse::<Format>())
    )]
    format: Option<Format>,
}

/// A column of the list.
struct Column {
    name: &'static str,
    kind: ColumnType,
    value: fn(&Run) -> Value,
}

const COLUMNS: &[Column] = &[
    Column { name: "id", kind: ColumnType::Bigint, value: |run| Value::Bigint(run.id) },
    Column { name: "started", kind: ColumnType::Timestamp, value: |run| Value::Timestamp(run.started) },
    Column { name: "command", kind: ColumnType::Text, value: |run| text(&run.command) },
    Column { name: "outcome", kind: ColumnType::Text, value: |run| text(outcome(run)) },
    Column { name: "wall_seconds", kind: ColumnType::Double, value: |run| rounded(run, Metric::Wall) },
    Column { name: "cpu_seconds", kind: ColumnType::Double, value: |run| rounded(run, Metric::Cpu) },
    Column { name: "memory_bytes", kind: ColumnType::Bigint, value: |run| number(run.memory_bytes) },
    Column { name: "rows_in", kind: ColumnType::Bigint, value: |run| number(run.figures.rows_in) },
    Column { name: "rows_out", kind: ColumnType::Bigint, value: |run| number(run.figures.rows_out) },
    Column { name: "requests", kind: ColumnType::Bigint, value: |run| number(run.figures.requests) },
    Column { name: "p99_seconds", kind: ColumnType::Double, value: |run| rounded(run, Metric::P99) },
    Column {
        name: "cache_hit_percent",
        kind: ColumnType::Double,
        value: |run| rounded(run, Metric::CacheHit),
    },
    Column {
        name: "label",
        kind: ColumnType::Text,
        value: |run| run.label.as_deref().map_or(Value::Null, text),
    },
    Column { name: "line", kind: ColumnType::Text, value: |run| text(&run.line) },
];

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn number(number: u64) -> Value {
    Value::Bigint(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Returns a figure with a thousandth of its unit.
fn rounded(run: &Run, metric: Metric) -> Value {
    metric.of(run).map_or(Value::Null, |value| Value::Double((value * 1e3).round() / 1e3))
}

/// Runs the command.
pub(super) fn run(context: &Context, runs: &Runs, args: &ListArgs) -> Result<Option<Kind>> {
    let command = if args.slow { Some("query") } else { args.command.as_deref() };
    let filter = Filter { command, label: context.label(), limit: args.limit };
    print(context, &runs.list(&filter)?, args.format.unwrap_or_else(query::default_format))?;
    Ok(None)
}

/// Prints runs as a list.
pub(super) fn print(context: &Context, runs: &[Run], format: Format) -> Result<()> {
    let columns: Vec<_> = COLUMNS.iter().map(|column| (column.name, column.kind)).collect();
    let mut listing = Listing::new(&columns);
    for run in runs {
        listing.push(COLUMNS.iter().map(|column| (column.value)(run)).collect());
    }
    info::print(context, &listing, format)
}
