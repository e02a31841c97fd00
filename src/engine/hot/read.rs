//! Reads the tasks of a scan and gives its rows as one stream.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use tokio::sync::mpsc::Receiver;

use super::columns::Columns;
use super::keys::{Keys, Run, only_rows};
use super::layout::{Layout, Origin};
use super::range::Range;
use super::work::{BATCH_ROWS, Message, Progress, Queue, Stop, TASK_BATCHES, Task, cuts, divide, task};
use crate::engine::failure::carry;
use crate::engine::rows::Rows;
use crate::model::Table;
use crate::store::{Resume, Scan};

/// Rows of the first batch, so that a long result shows its first row at once; it doubles from there.
const FIRST_ROWS: usize = 1_024;

/// All that reading a scan takes.
pub(super) struct Job {
    pub(super) rows: Arc<dyn Rows>,
    pub(super) table: Arc<Table>,
    pub(super) layout: Layout,
    pub(super) keys: Keys,
    pub(super) range: Range,
    pub(super) limit: Option<usize>,
    pub(super) threads: usize,
}

impl Job {
    /// Returns the scan of a range as the store takes it.
    pub(super) fn scan(&self, range: Range) -> Scan {
        Scan {
            table: self.table.name.clone(),
            fields: self.layout.fields.clone(),
            since: range.since,
            until: range.until,
        }
    }

    /// Returns the limit if it is small: a second thread would only read what nobody wants.
    fn few_rows(&self) -> Option<usize> {
        self.limit.filter(|limit| *limit <= BATCH_ROWS)
    }

    /// Starts to read and returns the rows.
    fn start(self) -> Reader {
        let threads = if self.few_rows().is_some() { 1 } else { self.threads };
        let (tasks, receivers) = divide(self.keys.len(), self.range, threads);
        let queue = Arc::new(Queue::new(tasks));
        let left = self.limit;
        let job = Arc::new(self);
        for _ in 0..threads {
            let (job, queue) = (Arc::clone(&job), Arc::clone(&queue));
            // Its end shows in the channels, so nobody waits for the thread.
            drop(tokio::task::spawn_blocking(move || work(&job, &queue)));
        }
        Reader { receivers: receivers.into(), left, _stop: Stop(queue) }
    }
}

/// Returns the rows of a job; reading starts when the first is asked for.
pub(super) fn stream(
    job: impl FnOnce() -> datafusion::common::Result<Job> + Send + 'static,
    layout: &Layout,
) -> SendableRecordBatchStream {
    enum State<J> {
        Waiting(J),
        Reading(Reader),
        Failed,
    }
    let batches = stream::unfold(State::Waiting(job), |state| async move {
        let mut reader = match state {
            State::Waiting(job) => match job() {
                Ok(job) => job.start(),
                Err(err) => return Some((Err(err), State::Failed)),
            },
            State::Reading(reader) => reader,
            State::Failed => return None,
        };
        match reader.next().await? {
            Ok(batch) => Some((Ok(batch), State::Reading(reader))),
            Err(err) => Some((Err(err), State::Failed)),
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&layout.schema), batches))
}

/// Gathers the rows of all tasks in their order.
struct Reader {
    receivers: VecDeque<Receiver<Message>>,
    left: Option<usize>,
    _stop: Stop,
}

impl Reader {
    async fn next(&mut self) -> Option<datafusion::common::Result<RecordBatch>> {
        while self.left != Some(0) {
            let receiver = self.receivers.front_mut()?;
            match receiver.recv().await {
                Some(Message::Batch(Ok(batch))) => return Some(Ok(self.cut(batch))),
                Some(Message::Batch(Err(err))) => return Some(Err(err)),
                Some(Message::End(rest)) => {
                    self.receivers.pop_front();
                    for receiver in rest.into_iter().rev() {
                        self.receivers.push_front(receiver);
                    }
                }
                None => {
                    let text = "cannot read the store: a reading thread ended early";
                    return Some(Err(DataFusionError::Execution(text.to_owned())));
                }
            }
        }
        None
    }

    fn cut(&mut self, batch: RecordBatch) -> RecordBatch {
        let Some(left) = &mut self.left else { return batch };
        let rows = batch.num_rows().min(*left);
        *left -= rows;
        batch.slice(0, rows)
    }
}

/// Reads tasks until there are none.
fn work(job: &Job, queue: &Queue) {
    let mut read = 0;
    while let Some(task) = queue.take() {
        let sender = task.sender.clone();
        let mut part = Part::new(job, queue, task);
        let (rest, end) = match part.read() {
            Ok(rest) => {
                let (tasks, receivers) = rest.into_iter().unzip();
                (tasks, Message::End(receivers))
            }
            Err(err) => (Vec::new(), Message::Batch(Err(carry(err)))),
        };
        queue.end(rest);
        read += part.read;
        // Without a receiver nobody wants the rows any more.
        let is_gone = sender.blocking_send(end).is_err();
        if is_gone || job.few_rows().is_some_and(|limit| read >= limit) {
            queue.stop();
        }
    }
}

/// A task while it is read.
struct Part<'a> {
    job: &'a Job,
    queue: &'a Queue,
    task: Task,
    keys: Run,
    columns: Columns,
    /// The series of the rows in `columns`, with how many each has.
    counts: Vec<(usize, usize)>,
    target: usize,
    read: usize,
}

impl<'a> Part<'a> {
    fn new(job: &'a Job, queue: &'a Queue, task: Task) -> Self {
        let is_first = task.first == 0 && task.behind.is_none() && task.range == job.range;
        let target = if is_first { FIRST_ROWS } else { BATCH_ROWS }.min(job.limit.unwrap_or(usize::MAX));
        let keys = job.keys.slice(task.first, task.len);
        let columns = Columns::new(&job.table, &job.layout.fields, target);
        Self { job, queue, task, keys, columns, counts: Vec::new(), target, read: 0 }
    }

    /// Reads the task up to its share and returns what is left as tasks.
    fn read(&mut self) -> Result<Vec<(Task, Receiver<Message>)>> {
        if self.job.layout.fields.is_empty() {
            self.count()?;
            return Ok(Vec::new());
        }
        let scan = self.job.scan(self.task.range);
        let mut behind = self.task.behind;
        for series in self.task.first..self.task.first + self.task.len {
            let before = self.read;
            while let Some(at) = self.fill(&scan, series, behind)? {
                behind = Some(at);
                if self.is_done() {
                    return Ok(Vec::new());
                }
                if self.read >= BATCH_ROWS * TASK_BATCHES {
                    return self.rest(series, at, self.read - before);
                }
            }
            behind = None;
        }
        self.send()?;
        Ok(Vec::new())
    }

    /// Reads a piece of a series and returns where to go on if it has more rows.
    fn fill(&mut self, scan: &Scan, series: usize, behind: Option<Resume>) -> Result<Option<Resume>> {
        let before = self.columns.rows();
        let id = self.job.keys.ids[series];
        let resume = self.job.rows.read(scan, id, behind, &mut self.columns)?;
        let rows = self.columns.rows() - before;
        if rows > 0 {
            self.counts.push((series, rows));
            self.read += rows;
        }
        if self.columns.is_full() {
            self.send()?;
        }
        Ok(resume)
    }

    /// Returns whether nobody wants more rows of this task.
    fn is_done(&self) -> bool {
        self.queue.is_stopped() || self.job.limit.is_some_and(|limit| self.read >= limit)
    }

    /// Sends the rows collected so far.
    fn send(&mut self) -> Result<()> {
        self.target = (self.target * 2).min(BATCH_ROWS);
        let fresh = Columns::new(&self.job.table, &self.job.layout.fields, self.target);
        let columns = std::mem::replace(&mut self.columns, fresh);
        let counts = std::mem::take(&mut self.counts);
        let rows = columns.rows();
        if rows == 0 {
            return Ok(());
        }
        self.emit(&columns.finish(), &counts, rows)
    }

    fn emit(&self, fields: &[ArrayRef], counts: &[(usize, usize)], rows: usize) -> Result<()> {
        let schema = &self.job.layout.schema;
        let batch = if schema.fields().is_empty() {
            only_rows(schema, rows)?
        } else {
            let column = |origin: &Origin| match origin {
                Origin::Key(at) => self.keys.repeat(*at, counts),
                Origin::Field(at) => Ok(Arc::clone(&fields[*at])),
            };
            let arrays = self.job.layout.origins.iter().map(column).collect::<Result<Vec<_>>>()?;
            RecordBatch::try_new(Arc::clone(schema), arrays)?
        };
        if self.task.sender.blocking_send(Message::Batch(Ok(batch))).is_err() {
            self.queue.stop();
        }
        Ok(())
    }

    /// Sends rows that consist of keys alone: the store only counts them.
    fn count(&self) -> Result<()> {
        let scan = self.job.scan(self.task.range);
        for series in self.task.first..self.task.first + self.task.len {
            let rows = self.job.rows.count(&scan, self.job.keys.ids[series])?;
            let mut left = usize::try_from(rows).context("cannot count the rows of a series")?;
            if let (true, 1..) = (self.job.layout.schema.fields().is_empty(), left) {
                self.emit(&[], &[], left)?;
                left = 0;
            }
            while left > 0 && !self.queue.is_stopped() {
                let rows = left.min(BATCH_ROWS);
                self.emit(&[], &[(series, rows)], rows)?;
                left -= rows;
            }
        }
        Ok(())
    }

    /// Returns what is left of the task behind row `at` of a series of which `rows` were read.
    fn rest(&self, series: usize, at: Resume, rows: usize) -> Result<Vec<(Task, Receiver<Message>)>> {
        let mut rest = Vec::new();
        let mut range = self.task.range;
        let mut behind = Some(at);
        if let Some(progress) = self.progress(series, at, rows)? {
            for cut in cuts(&progress) {
                rest.push(task(series, 1, Range { since: range.since, until: Some(cut) }, behind));
                (range.since, behind) = (Some(cut), None);
            }
        }
        rest.push(task(series, 1, range, behind));
        let next = series + 1;
        let end = self.task.first + self.task.len;
        if next < end {
            rest.push(task(next, end - next, self.task.range, None));
        }
        Ok(rest)
    }

    fn progress(&self, series: usize, at: Resume, rows: usize) -> Result<Option<Progress>> {
        let Some((first, last)) = self.job.rows.extent(&self.job.table.name, self.job.keys.ids[series])?
        else {
            return Ok(None);
        };
        let start = match self.task.behind {
            Some(behind) if series == self.task.first => behind.ts,
            _ => first.max(self.task.range.since.unwrap_or(first)),
        };
        let last = self.task.range.until.map_or(last, |until| last.min(until.saturating_sub(1)));
        Ok(Some(Progress { rows, start, at, last }))
    }
}
