//! Fetching: a plan of windows, asked in parallel within the provider's limits, written by one writer together
//! with what the ledger learns.

mod ask;
mod attempt;
mod client;
mod cover;
mod estimate;
mod gate;
mod jar;
mod limit;
mod link;
mod plan;
mod read;
mod round;
mod settle;
mod stats;
mod step;
mod wire;
mod work;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

pub use ask::Mode;
pub use estimate::{Credit, Estimate};
pub use plan::{Ledger, Order, Plan, Wanted};
pub use read::MAX_REJECTED_PERCENT;
pub use round::{Outcome, RequestReport, Requests, Round, SymbolEnd};
pub use settle::{Marks, Rule};
pub use stats::Stats;

use crate::cache::{Cache, Limits};
use crate::decode::BodyDecoder;
use crate::error::Failure;
use crate::model::Table;
use crate::source::{Dataset, Secrets};
use crate::store::Store;
use gate::Gate;
use jar::Jar;
use step::Steps;
use wire::Wire;

/// Bytes of answers that are remembered while a command runs.
const MEMORY_BYTES: u64 = 32 << 20;

/// Bytes of answers on disk.
const DISK_BYTES: u64 = 2 << 30;

/// What all sources of a command share.
pub struct Shared {
    /// The answers that are known.
    pub cache: Cache,
    /// The limits of the providers.
    pub limits: Limits,
}

impl Shared {
    /// Opens what the store in the folder `root` keeps of answers and limits.
    pub fn open(root: &Path) -> Self {
        Self { cache: Cache::open(root, MEMORY_BYTES, DISK_BYTES), limits: Limits::open(root) }
    }
}

/// How a command fetches.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Requests under way at once at most, if the user says so.
    pub jobs: Option<usize>,
    /// Whether the cache and the network are used.
    pub mode: Mode,
    /// A folder of recorded answers that stand in for the network.
    pub replay: Option<PathBuf>,
    /// A folder that answers are saved in.
    pub record: Option<PathBuf>,
    /// How often the same is asked again.
    pub every: Option<Duration>,
}

/// A source that is ready to be asked; keeps its connections, cookies and pace from round to round.
pub struct Fetcher<'a> {
    dataset: &'a Dataset,
    shared: &'a Shared,
    mode: Mode,
    every: Option<Duration>,
    wire: Wire,
    secrets: Secrets,
    secret_params: Vec<String>,
    /// The tables an answer fills and how, the main one first.
    decoders: Vec<(Table, BodyDecoder)>,
    tables: Vec<Table>,
    given: BTreeMap<String, String>,
    pool: ThreadPool,
    jobs: usize,
    gate: Gate,
    jar: Jar,
    steps: Steps,
}

impl<'a> Fetcher<'a> {
    /// Gets a source ready. `secrets` are the names of the environment variables it may read.
    ///
    /// Fails if a secret is missing, a table does not exist, or the recordings cannot be read.
    pub fn new(
        dataset: &'a Dataset,
        secrets: &[&str],
        store: &Store,
        shared: &'a Shared,
        setup: &Setup,
    ) -> Result<Self> {
        let jobs = jobs(dataset, setup);
        let secret_params = dataset.secret_params();
        let wire = match &setup.replay {
            Some(folder) => Wire::replay(folder, &secret_params)?,
            None => Wire::network(jobs, setup.record.as_deref().filter(|_| setup.mode != Mode::Plan))?,
        };
        // What makes no request needs no key.
        let is_local = setup.replay.is_some() || matches!(setup.mode, Mode::Offline | Mode::Plan);
        let secrets = if is_local { Secrets::empty() } else { Secrets::load(secrets)? };
        let mut decoders = Vec::new();
        let extra = dataset.response.extra.iter().map(|extra| (&extra.table, &extra.layout));
        for (name, layout) in std::iter::once((&dataset.table, &dataset.response.layout)).chain(extra) {
            store.check_writable(name)?;
            let table = store.table(name).cloned().with_context(|| unknown_table(&dataset.source, name))?;
            let decoder = BodyDecoder::bind(&table, layout)
                .with_context(|| Failure::usage(format!("cannot use source '{}'", dataset.source)))?;
            decoders.push((table, decoder));
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(jobs)
            .thread_name(|at| format!("fetch {at}"))
            .build()
            .context("cannot start the workers")?;
        Ok(Self {
            dataset,
            shared,
            mode: setup.mode,
            every: setup.every,
            wire,
            secrets,
            secret_params,
            tables: decoders.iter().map(|(table, _)| table.clone()).collect(),
            decoders,
            given: given(dataset),
            pool,
            jobs,
            gate: Gate::new(jobs),
            jar: Jar::default(),
            steps: Steps::default(),
        })
    }

    /// Returns how many requests may be under way at once.
    pub fn jobs(&self) -> usize {
        self.jobs
    }

    /// Returns what the source is asked for.
    pub fn dataset(&self) -> &Dataset {
        self.dataset
    }
}

fn unknown_table(source: &str, table: &str) -> Failure {
    Failure::usage(format!("cannot fetch from '{source}': the store has no table '{table}'"))
        .hint("`[table.NAME]` in barn.toml declares one")
}

/// Values that rows may take without the answer saying them.
fn given(dataset: &Dataset) -> BTreeMap<String, String> {
    let mut given = dataset.options.clone();
    given.insert("source".to_owned(), dataset.source.clone());
    if let Some(timeframe) = dataset.timeframe {
        given.insert("timeframe".to_owned(), timeframe.to_string());
    }
    given
}

/// Returns how many requests may be under way: as the user says, else twice the cores, at least 8; never more than
/// the provider bears.
fn jobs(dataset: &Dataset, setup: &Setup) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = setup.jobs.unwrap_or((cores * 2).max(8));
    wanted.min(dataset.max_jobs.unwrap_or(usize::MAX)).max(1)
}
