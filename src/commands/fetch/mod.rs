//! `barn fetch`: history from a provider into the store.

mod dry_run;
mod report;
mod rounds;
mod symbols;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::archive::open_store;
use crate::cli::Context;
use crate::decode::moment;
use crate::error::{Failure, Kind};
use crate::fetch::{Fetcher, Ledger, Mode, Order, Plan, Setup, Shared, Wanted};
use crate::fs::{self, Locking};
use crate::model::Timeframe;
use crate::model::time::now;
use crate::source::{self, Choice, Dataset, Definition, Secrets};
use crate::store::Store;

/// How often a fetch that waits for another one looks whether that has ended.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Fetch history from a provider into the store
///
/// Only what is missing is asked: the store remembers what it has, what the provider does not have, and what was
/// never asked. Rows that may still change (the open bar, the provider's settling time) are marked final = false and
/// asked again.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(clap::Args, Default)]
#[command(after_help = "Examples:
  barn fetch binance BTCUSDT ETHUSDT -t 1h --since 2024-01-01
  barn fetch yahoo @symbols.txt -t 1d --since -10y --report run.json")]
pub struct FetchArgs {
    /// Source: a name that `barn source list` shows, or a definition file
    #[arg(required_unless_present = "retry_failed")]
    source: Option<String>,

    /// Symbols; - reads them from stdin, @FILE from a file, @NAME from a list in barn.toml
    #[arg(value_name = "SYMBOL")]
    symbols: Vec<String>,

    /// Length of a bar, such as 1m, 1h or 1d
    #[arg(short, long, visible_alias = "interval", help_heading = "What", value_name = "TIMEFRAME")]
    timeframe: Option<Timeframe>,

    /// Start: 2024-01-31, 2024-01-31T09:30:00Z, -30d [default: behind the last final row]
    #[arg(long, help_heading = "What", value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,

    /// End, not included [default: now]
    #[arg(long, help_heading = "What", value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,

    /// Table, where the source fills several
    #[arg(long, help_heading = "What")]
    table: Option<String>,

    /// Change an option of the source, as `barn source check` lists them
    #[arg(long, help_heading = "What", value_name = "NAME=VALUE", value_parser = super::store::pair)]
    set: Vec<(String, String)>,

    /// Fetch what failed in an earlier run, from its report
    #[arg(long, help_heading = "What", value_name = "FILE", conflicts_with_all = ["source", "symbols"])]
    retry_failed: Option<PathBuf>,

    /// Ask again what the store and the cache have
    #[arg(long, help_heading = "How", conflicts_with = "offline")]
    refresh: bool,

    /// Make no request; only answers in the cache are used
    #[arg(long, help_heading = "How")]
    offline: bool,

    /// Requests at once at most [default: twice the cores, at least 8]
    #[arg(long, help_heading = "How", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,

    /// Say what would be asked, and ask nothing
    #[arg(long, help_heading = "How")]
    dry_run: bool,

    /// Go on fetching, a round each 30s, 5m or 1h of the clock, until Ctrl-C or SIGTERM
    #[arg(long, help_heading = "How", value_name = "SPAN", value_parser = span, conflicts_with_all = ["dry_run", "replay"])]
    every: Option<Duration>,

    /// Wait while another fetch from this source runs
    #[arg(long, help_heading = "How", conflicts_with = "skip_if_running")]
    wait_lock: bool,

    /// Do nothing if another fetch from this source runs
    #[arg(long, help_heading = "How")]
    skip_if_running: bool,

    /// Save each answer, without secrets, as a file in a folder
    #[arg(long, help_heading = "How", value_name = "DIR", conflicts_with = "replay")]
    record: Option<PathBuf>,

    /// Take the answers from files that --record saved
    #[arg(long, help_heading = "How", value_name = "DIR", conflicts_with = "offline")]
    replay: Option<PathBuf>,
}

fn span(text: &str) -> Result<Duration, String> {
    let timeframe: Timeframe = text.parse().map_err(|err: crate::model::InvalidTimeframe| err.to_string())?;
    u64::try_from(timeframe.min_micros()).map(Duration::from_micros).map_err(|err| err.to_string())
}

/// What a fetch is to do, from the command line or an earlier report.
struct Asked {
    source: String,
    wanted: Wanted,
    choice: Choice,
}

/// What is fetched once more.
pub(super) struct Again {
    pub(super) source: String,
    pub(super) table: String,
    /// Empty for data without one.
    pub(super) timeframe: String,
    pub(super) symbols: Vec<String>,
    pub(super) since: String,
    pub(super) until: String,
}

/// Fetches a range once more, as a command of its own would.
pub(super) fn again(context: &Context, again: Again) -> Result<Option<Kind>> {
    let args = FetchArgs {
        source: Some(again.source),
        symbols: again.symbols,
        timeframe: again.timeframe.parse().ok(),
        since: Some(again.since),
        until: Some(again.until),
        table: Some(again.table),
        ..FetchArgs::default()
    };
    run(context, &args)
}

/// Runs the command.
pub fn run(context: &Context, args: &FetchArgs) -> Result<Option<Kind>> {
    if !args.dry_run {
        context.metrics.begin("fetch");
    }
    let mut asked = asked(context, args)?;
    context.metrics.subject(&asked.source);
    let definition = source::load(&asked.source)?;
    choose_timeframe(&definition, &mut asked.choice)?;
    let dataset = definition.dataset(&asked.choice)?;
    check_symbols(&dataset, &mut asked.wanted)?;
    context.metrics.subject(&subject(&dataset));
    let (root, setup) = (&context.global.store, setup(args));
    if args.dry_run {
        if !args.offline && args.replay.is_none() {
            warn_of_keys(context, &definition);
        }
        return dry_run(context, &definition, &dataset, (&asked, &setup));
    }
    let mut store = open_store(root)?;
    let lock = lock(context, args, &root.join(format!(".fetch-{}.lock", dataset.source)))?;
    if lock.is_none() && args.skip_if_running {
        context.metrics.cancel();
        context.ui.note(&format!("another fetch from '{}' is running: nothing was done", dataset.source));
        return Ok(None);
    }
    let shared = Shared::open(root);
    let fetcher = Fetcher::new(&dataset, &definition.secrets(), &store, &shared, &setup)?;
    let rounds = rounds::Rounds { context, fetcher: &fetcher, shared: &shared, setup: &setup, asked: &asked };
    let result = match args.every {
        Some(every) => rounds.every(&mut store, every),
        None => rounds.once(&mut store),
    };
    let closed = store.close();
    for warning in shared.cache.warning().into_iter().chain(shared.limits.warning()) {
        context.ui.warning(&warning);
    }
    let kind = result?;
    closed.map(|()| kind)
}

/// Names what a fetch works on, by which runs that do the same are known.
fn subject(dataset: &Dataset) -> String {
    let timeframe = dataset.timeframe.map(|timeframe| format!(" {timeframe}")).unwrap_or_default();
    format!("{} {}{timeframe}", dataset.source, dataset.table)
}

/// Says what would end the fetch before its first request: a plan needs no key.
fn warn_of_keys(context: &Context, definition: &Definition) {
    if let Err(err) = Secrets::load(&definition.secrets()) {
        context.ui.warning(&format!("the fetch itself would fail: {err:#}"));
    }
}

/// Says what would be asked; changes nothing, also where there is no store yet.
fn dry_run(
    context: &Context,
    definition: &Definition,
    dataset: &Dataset,
    (asked, setup): (&Asked, &Setup),
) -> Result<Option<Kind>> {
    let root = &context.global.store;
    let store = if Store::exists(root) { Store::open_to_read(root)? } else { Store::open_unkept(root)? };
    let shared = Shared::open(root);
    let fetcher = Fetcher::new(dataset, &definition.secrets(), &store, &shared, setup)?;
    let plan = Plan::new(&store, dataset, &asked.wanted, now())?;
    dry_run::run(context, &fetcher, &plan)
}

/// Takes the lock of a source: alone, if the user wants that, else beside the others. `None` if another has it.
fn lock(context: &Context, args: &FetchArgs, path: &Path) -> Result<Option<File>> {
    let locking = if args.wait_lock || args.skip_if_running { Locking::Try } else { Locking::Shared };
    loop {
        let taken = fs::lock(path, locking)?;
        if taken.is_some() || !args.wait_lock {
            return Ok(taken);
        }
        if context.is_stopped() {
            bail!(
                Failure::new("interrupted: another fetch has not ended yet, and nothing was done")
                    .kind(Kind::Interrupted)
            );
        }
        std::thread::sleep(LOCK_PAUSE);
    }
}

fn asked(context: &Context, args: &FetchArgs) -> Result<Asked> {
    let time = |text: &Option<String>| text.as_ref().map(|text| moment(text, now())).transpose();
    let is_watched = context.ui.is_watched();
    let mut asked = match (&args.retry_failed, &args.source) {
        (Some(path), _) => report::read(path)?,
        (None, Some(source)) => Asked {
            source: source.clone(),
            wanted: Wanted::default(),
            choice: Choice { table: None, timeframe: None, options: BTreeMap::new() },
        },
        (None, None) => bail!(Failure::usage("cannot fetch without a source").hint("`barn source list`")),
    };
    let wanted = &mut asked.wanted;
    wanted.symbols.extend(symbols::gather(&context.global.store, &args.symbols)?);
    wanted.since = time(&args.since).context(Failure::usage("invalid value for '--since'"))?.or(wanted.since);
    wanted.until = time(&args.until).context(Failure::usage("invalid value for '--until'"))?.or(wanted.until);
    wanted.order = if is_watched { Order::NewestFirst } else { Order::OldestFirst };
    wanted.ledger = if args.refresh { Ledger::Ignore } else { Ledger::Believe };
    let choice = &mut asked.choice;
    choice.table = args.table.clone().or(choice.table.take());
    choice.timeframe = args.timeframe.or(choice.timeframe);
    choice.options.extend(args.set.iter().cloned());
    Ok(asked)
}

/// Without a timeframe it is the day, or the only one there is.
fn choose_timeframe(definition: &Definition, choice: &mut Choice) -> Result<()> {
    let known = definition.timeframes();
    if choice.timeframe.is_some() || known.is_empty() {
        return Ok(());
    }
    let day = known.iter().find(|timeframe| timeframe.to_string() == "1d");
    choice.timeframe = day.or(known.first().filter(|_| known.len() == 1)).copied();
    if choice.timeframe.is_none() {
        let words: Vec<_> = known.iter().map(ToString::to_string).collect();
        bail!(
            Failure::usage(format!("cannot fetch from '{}' without a timeframe", definition.name()))
                .hint(format!("`--timeframe` with one of {}", words.join(", ")))
        );
    }
    Ok(())
}

fn check_symbols(dataset: &Dataset, wanted: &mut Wanted) -> Result<()> {
    match (dataset.has_symbols, wanted.symbols.is_empty()) {
        (true, true) => bail!(
            Failure::usage(format!("cannot fetch from '{}' without a symbol", dataset.source))
                .hint("`barn fetch SOURCE SYMBOL…`, or `@FILE` with one symbol a line")
        ),
        (false, false) => {
            bail!(Failure::usage(format!("cannot fetch symbols from '{}': it takes none", dataset.source)))
        }
        // Something has to name the one series in the ledger.
        (false, true) => wanted.symbols.push(dataset.only_symbol().to_owned()),
        (true, false) => {}
    }
    Ok(())
}

fn setup(args: &FetchArgs) -> Setup {
    // What failed may be remembered as not there; who tries again wants to ask.
    let mode = match (args.refresh || args.retry_failed.is_some(), args.offline) {
        (true, _) => Mode::Refresh,
        (_, true) => Mode::Offline,
        _ => Mode::Normal,
    };
    let mode = if args.dry_run { Mode::Plan } else { mode };
    Setup {
        jobs: args.jobs.map(usize::from),
        mode,
        replay: args.replay.clone(),
        record: args.record.clone(),
        every: args.every,
    }
}
