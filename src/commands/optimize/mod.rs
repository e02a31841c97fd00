//! `barn optimize`: everything that keeps a store sound, small and fast, in an order that is safe.

mod cache;
mod database;
mod files;
mod indexes;
mod replay;
mod report;
mod rollups;
mod rows;
mod verify;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::archive::Archiver;
use crate::cli::Context;
use crate::commands::tables::chosen;
use crate::error::{Failure, Kind, go_on};
use crate::fs::{self, Locking};
use crate::model::Table;
use crate::runs::Runs;
use crate::store::{Snapshot, Store};
use report::{Report, StepReport};

/// What is remembered of the state that was found sound.
const VERIFIED: &str = "verified";

/// Keep the store sound, small and fast
///
/// Runs the steps below in this order, each beside others who read and write; what was done before a crash or Ctrl-C
/// stays done, and the same command again does the rest. Steps with nothing to do cost next to nothing.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn optimize --dry-run
  barn optimize --only verify --full")]
pub struct OptimizeArgs {
    /// Only this table; may be repeated
    #[arg(long)]
    table: Vec<String>,

    /// Only this step; may be repeated
    #[arg(long, help_heading = "Steps", value_name = "STEP", conflicts_with = "skip")]
    only: Vec<Step>,

    /// Not this step; may be repeated
    #[arg(long, help_heading = "Steps", value_name = "STEP")]
    skip: Vec<Step>,

    #[command(flatten)]
    how: HowOptions,

    #[command(flatten)]
    damage: DamageOptions,

    /// Forget the answers of the cache whose key matches this pattern
    #[arg(long = "match", help_heading = "Steps", value_name = "GLOB")]
    pattern: Option<String>,

    /// Let a retention rule drop all rows of a table
    #[arg(long, help_heading = "Steps")]
    yes: bool,

    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// How far the steps go.
#[derive(clap::Args)]
struct HowOptions {
    /// Check every byte and every row, and measure recent queries before and after
    #[arg(long, help_heading = "Steps")]
    full: bool,

    /// Make the indexes that help, and drop those that nobody uses
    #[arg(long, help_heading = "Steps")]
    apply: bool,
}

/// What is done about damage.
#[derive(clap::Args)]
struct DamageOptions {
    /// Fetch again what is damaged, where its source has it
    #[arg(long, help_heading = "Steps")]
    repair: bool,

    /// Take rows of the database as they are that are not those barn wrote
    #[arg(long, help_heading = "Steps")]
    accept: bool,
}

/// A step, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Step {
    /// Look for damage
    Verify,
    /// Bring tables that are made of others up to date
    Rollups,
    /// Drop rows that are older than barn.toml says
    Retention,
    /// Join small files of the archive, and bring corrections into it
    Compact,
    /// Propose indexes for the queries that were asked
    Indexes,
    /// Refresh the statistics of the database
    Stats,
    /// Drop old answers and results, and pack the others tighter
    Cache,
    /// Give free pages back to the disk
    Vacuum,
    /// Bring the journal into the database
    Checkpoint,
}

impl Step {
    fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Rollups => "rollups",
            Self::Retention => "retention",
            Self::Compact => "compact",
            Self::Indexes => "indexes",
            Self::Stats => "stats",
            Self::Cache => "cache",
            Self::Vacuum => "vacuum",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// What the steps work with.
struct Work<'a> {
    context: &'a Context,
    args: &'a OptimizeArgs,
    root: &'a Path,
    tables: Vec<Table>,
}

impl Work<'_> {
    fn is_named(&self, step: Step) -> bool {
        self.args.only.contains(&step)
    }

    /// Returns the state of the store that was found sound last.
    fn verified(&self) -> Option<String> {
        Runs::open(self.root).get_meta(VERIFIED).ok().flatten()
    }

    /// Remembers the state of the store that was found sound; where that fails, it is checked again.
    fn remember_verified(&self, version: &str) {
        Runs::open(self.root).put_meta(VERIFIED, version).ok();
    }

    /// Works on the archive; nobody else does meanwhile.
    fn archive<T>(&self, work: impl FnOnce(&mut Archiver<'_>) -> Result<T>) -> Result<T> {
        let mut store = Store::open(self.root)?;
        let done = work(&mut Archiver::open(self.root, &mut store)?)?;
        store.close()?;
        Ok(done)
    }
}

/// Runs the command.
pub fn run(context: &Context, args: &OptimizeArgs) -> Result<Option<Kind>> {
    let started = Instant::now();
    let root = context.global.store.as_path();
    // Opened to read first: a command about a store that is not there must not make one.
    let tables = chosen(&Snapshot::open(root, 1)?, &args.table, "optimize")?;
    // What changes nothing is in nobody's way, and may find a store that it cannot write to.
    let _lock = (!args.dry_run).then(|| lock(root)).transpose()?;
    let work = Work { context, args, root, tables };
    if !args.dry_run {
        context.metrics.begin("optimize");
        context.metrics.subject(&args.table.join(" "));
    }
    let mut report = Report::new(root, args.dry_run);
    let before = if args.how.full { replay::recent(&work) } else { Vec::new() };
    for step in Step::value_variants() {
        let is_wanted = if args.only.is_empty() { !args.skip.contains(step) } else { work.is_named(*step) };
        if !is_wanted {
            continue;
        }
        go_on(&context.stop)?;
        let began = Instant::now();
        let mut done =
            run_step(&work, *step).with_context(|| format!("cannot finish step '{}'", step.as_str()))?;
        done.seconds = began.elapsed().as_secs_f64();
        done.say(context, work.is_named(*step));
        let is_last = done.is_last;
        report.steps.push(done);
        if is_last {
            break;
        }
    }
    match report.steps.first().and_then(StepReport::is_sound) {
        Some(false) if !args.dry_run => verify::forget(&work),
        Some(true) if !args.dry_run && args.table.is_empty() => verify::remember(&work)?,
        _ => {}
    }
    report.queries = replay::again(&work, &before).map(Into::into);
    report.finish(context, started.elapsed())
}

fn run_step(work: &Work<'_>, step: Step) -> Result<StepReport> {
    match step {
        Step::Verify => verify::run(work),
        Step::Rollups => rollups::run(work),
        Step::Retention => files::retain(work),
        Step::Compact => files::compact(work),
        Step::Indexes => indexes::run(work),
        Step::Stats => database::statistics(work),
        Step::Cache => cache::run(work),
        Step::Vacuum => database::vacuum(work),
        Step::Checkpoint => database::checkpoint(work),
    }
}

/// Keeps a second `optimize` of the same store away.
fn lock(root: &Path) -> Result<std::fs::File> {
    match fs::lock(&root.join(".optimize.lock"), Locking::Try)? {
        Some(lock) => Ok(lock),
        None => bail!(Failure::new(format!(
            "cannot optimize store '{}': another process is doing it",
            root.display()
        ))),
    }
}
