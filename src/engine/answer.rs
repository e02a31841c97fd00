//! The rows of a query as they come.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt as _;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::failure::{Stage, translate};
use super::kept::{self, Keeper, Kept};

/// Batches computed ahead while the reader writes the last one.
const AHEAD: usize = 2;

/// Threads that compute; they end when the last answer and the engine are dropped.
#[derive(Debug)]
pub(super) struct Threads {
    /// Only `drop` takes it.
    workers: Option<Runtime>,
    /// What a reader waits by: the clock of the workers stands still while all of them compute.
    clock: Runtime,
}

impl Threads {
    /// Starts as many threads as there are cores.
    pub(super) fn start(cores: usize) -> Result<Self> {
        /// Long conditions make deep trees, which DataFusion walks recursively; only pages used cost memory. The
        /// deepest that `guard` lets pass take half of it.
        const STACK_BYTES: usize = 128 << 20;
        let cannot = "cannot start the threads of the query engine";
        let workers = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores)
            .thread_stack_size(STACK_BYTES)
            .thread_name("engine")
            .enable_time()
            .build()
            .context(cannot)?;
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().context(cannot)?;
        Ok(Self { workers: Some(workers), clock })
    }

    /// Runs `work` on one of the threads and waits for it.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let runtime = self.runtime();
        runtime.block_on(runtime.spawn(work)).context("cannot run the query: its thread ended early")?
    }

    fn runtime(&self) -> &Runtime {
        self.workers.as_ref().expect("only `drop` takes the runtime")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        /// Time for tasks to notice that nobody listens and to remove their temporary files.
        const PATIENCE: Duration = Duration::from_millis(200);
        if let Some(runtime) = self.workers.take() {
            runtime.shutdown_timeout(PATIENCE);
        }
    }
}

/// The rows of a query. Dropping it stops the work.
#[derive(Debug)]
pub struct Answer {
    /// The columns.
    pub schema: SchemaRef,
    rows: Rows,
    /// Whether the same query of the same rows gives the same answer.
    is_repeatable: bool,
    /// The copy, while one is made.
    keeper: Option<Keeper>,
}

/// Where the rows come from.
#[derive(Debug)]
enum Rows {
    Computed(Computed),
    Kept(std::vec::IntoIter<RecordBatch>),
}

/// Rows that threads compute.
#[derive(Debug)]
struct Computed {
    batches: Receiver<Result<RecordBatch>>,
    /// Nothing more is asked of it once it ended.
    driver: Option<JoinHandle<()>>,
    threads: Arc<Threads>,
}

/// What there was to read within a time.
#[derive(Debug)]
pub enum Next {
    /// Rows.
    Batch(RecordBatch),
    /// There are no more rows.
    End,
    /// The time ran out; there may be rows later.
    Later,
}

impl Answer {
    /// Starts to read a stream of batches.
    pub(super) fn start(
        threads: &Arc<Threads>,
        mut stream: SendableRecordBatchStream,
        memory_bytes: Option<usize>,
    ) -> Self {
        let schema = stream.schema();
        let (sender, batches) = channel(AHEAD);
        let driver = threads.runtime().spawn(async move {
            while let Some(batch) = stream.next().await {
                let batch = match batch {
                    Ok(batch) if batch.num_rows() == 0 => continue,
                    Ok(batch) => Ok(batch),
                    Err(err) => Err(translate(err, Stage::Running(memory_bytes))),
                };
                let is_last = batch.is_err();
                if sender.send(batch).await.is_err() || is_last {
                    break;
                }
            }
        });
        let rows = Computed { batches, driver: Some(driver), threads: Arc::clone(threads) };
        Self { schema, rows: Rows::Computed(rows), is_repeatable: false, keeper: None }
    }

    /// An answer that was kept before.
    pub fn again(kept: &Kept) -> Result<Self> {
        let (schema, batches) = kept::read(kept)?;
        Ok(Self { schema, rows: Rows::Kept(batches.into_iter()), is_repeatable: false, keeper: None })
    }

    pub(super) fn repeatable(self, is_repeatable: bool) -> Self {
        Self { is_repeatable, ..self }
    }

    /// Returns whether the same query of the same rows gives the same answer.
    pub fn is_repeatable(&self) -> bool {
        self.is_repeatable
    }

    /// Makes a copy of all rows from here on, if the same query would give them again.
    pub fn keep(&mut self) {
        self.keeper = self.is_repeatable.then(|| Keeper::new(&self.schema)).flatten();
    }

    /// Returns the copy of an answer that was read to its end; `None` where it became too large.
    pub fn into_kept(self) -> Option<Kept> {
        let has_ended = match &self.rows {
            Rows::Computed(rows) => rows.driver.is_none(),
            Rows::Kept(_) => false,
        };
        self.keeper.filter(|_| has_ended)?.finish()
    }

    /// Waits for the next rows; none are left after `None` or an error.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let next = match &mut self.rows {
            Rows::Computed(rows) => rows.next_batch()?,
            Rows::Kept(batches) => batches.next(),
        };
        if let Some(batch) = &next {
            self.copy(batch);
        }
        Ok(next)
    }

    /// Waits for the next rows, but not longer than `patience`.
    pub fn next_within(&mut self, patience: Duration) -> Result<Next> {
        let next = match &mut self.rows {
            Rows::Computed(rows) => rows.next_within(patience)?,
            Rows::Kept(batches) => batches.next().map_or(Next::End, Next::Batch),
        };
        if let Next::Batch(batch) = &next {
            self.copy(batch);
        }
        Ok(next)
    }

    fn copy(&mut self, batch: &RecordBatch) {
        self.keeper = self.keeper.take().and_then(|keeper| keeper.add(batch));
    }
}

impl Computed {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        match self.batches.blocking_recv() {
            Some(batch) => batch.map(Some),
            None => self.end().map(|()| None),
        }
    }

    fn next_within(&mut self, patience: Duration) -> Result<Next> {
        let threads = Arc::clone(&self.threads);
        let waiting = async { timeout(patience, self.batches.recv()).await };
        match threads.clock.block_on(waiting) {
            Ok(Some(batch)) => batch.map(Next::Batch),
            Ok(None) => self.end().map(|()| Next::End),
            Err(_elapsed) => Ok(Next::Later),
        }
    }

    /// Tells the end of the rows from the end of the thread that computed them.
    fn end(&mut self) -> Result<()> {
        let Some(driver) = self.driver.take() else { return Ok(()) };
        self.threads
            .runtime()
            .block_on(driver)
            .map_err(|err| anyhow!(err).context("cannot run the query: its thread ended early"))
    }
}

impl Drop for Computed {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}
