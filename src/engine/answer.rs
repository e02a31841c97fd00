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

/// Batches computed ahead while the reader writes the last one.
const AHEAD: usize = 2;

/// Threads that compute; they end when the last answer and the engine are dropped.
#[derive(Debug)]
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    /// Starts as many threads as there are cores.
    pub(super) fn start(cores: usize) -> Result<Self> {
        /// Long conditions make deep trees, which DataFusion walks recursively; only pages used cost memory.
        const STACK_BYTES: usize = 64 << 20;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores)
            .thread_stack_size(STACK_BYTES)
            .thread_name("engine")
            .enable_time()
            .build()
            .context("cannot start the threads of the query engine")?;
        Ok(Self(Some(runtime)))
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
        self.0.as_ref().expect("only `drop` takes the runtime")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        /// Time for tasks to notice that nobody listens and to remove their temporary files.
        const PATIENCE: Duration = Duration::from_millis(200);
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(PATIENCE);
        }
    }
}

/// The rows of a query. Dropping it stops the work.
#[derive(Debug)]
pub struct Answer {
    /// The columns.
    pub schema: SchemaRef,
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
        Self { schema, batches, driver: Some(driver), threads: Arc::clone(threads) }
    }

    /// Waits for the next rows; none are left after `None` or an error.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        match self.batches.blocking_recv() {
            Some(batch) => batch.map(Some),
            None => self.end().map(|()| None),
        }
    }

    /// Waits for the next rows, but not longer than `patience`.
    pub fn next_within(&mut self, patience: Duration) -> Result<Next> {
        let threads = Arc::clone(&self.threads);
        let waiting = async { timeout(patience, self.batches.recv()).await };
        match threads.runtime().block_on(waiting) {
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

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}
