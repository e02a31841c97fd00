//! `barn runs`: what commands did, how long it took, and whether that is as usual.

mod check;
mod compare;
mod export;
mod figures;
mod list;
mod show;

use anyhow::{Result, bail};

use crate::cli::Context;
use crate::error::{Failure, Kind};
use crate::runs::{Filter, Run, Runs};
use crate::store::Store;

pub use figures::breakdown;

/// The most runs that are looked at: all that are kept.
const ALL: usize = 10_000;

/// List, show, compare, check and export what commands did
///
/// Each command that changes the store, and each slow query, leaves a record in runs.db: its time, memory, rows,
/// requests, latencies, cache hits and outcome. The file may be deleted; the newest 10,000 runs are kept.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn runs list --command fetch
  barn runs check")]
pub struct RunsArgs {
    #[command(subcommand)]
    command: RunsCommand,
}

#[derive(clap::Subcommand)]
#[command(disable_help_subcommand = true)]
enum RunsCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Compare(compare::CompareArgs),
    Check(check::CheckArgs),
    Export(export::ExportArgs),
}

/// Runs the command.
pub fn run(context: &Context, args: &RunsArgs) -> Result<Option<Kind>> {
    let root = &context.global.store;
    if !Store::exists(root) {
        bail!(
            Failure::new(format!("cannot open store '{}': there is none", root.display()))
                .hint("`barn store bars FILE.csv` makes one, `--store DIR` names another")
        );
    }
    let runs = Runs::open(root);
    match &args.command {
        RunsCommand::List(args) => list::run(context, &runs, args),
        RunsCommand::Show(args) => show::run(context, &runs, args),
        RunsCommand::Compare(args) => compare::run(context, &runs, args),
        RunsCommand::Check(args) => check::run(context, &runs, args),
        RunsCommand::Export(args) => export::run(context, &runs, args),
    }
}

/// Returns all runs, the newest first.
fn all(runs: &Runs) -> Result<Vec<Run>> {
    runs.list(&Filter { limit: ALL, ..Filter::default() })
}

/// Returns a run by its number.
fn find(runs: &Runs, id: i64) -> Result<Run> {
    let missing = || Failure::usage(format!("cannot find run {id}: there is none")).hint("`barn runs list`");
    Ok(runs.get(id)?.ok_or_else(missing)?)
}
