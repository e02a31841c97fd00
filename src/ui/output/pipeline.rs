//! Text formats in parallel: batches are formatted on the thread pool while the next ones are read, and
//! written in order.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use datafusion::arrow::array::RecordBatch;

use super::Sink;

/// Batches formatted ahead of the one that is written. Two cores are busy with two; the others even out
/// batches of different cost.
const IN_FLIGHT: usize = 4;
/// Rows formatted in one piece: the size of `DataFusion`'s own batches.
const PIECE_ROWS: usize = 8_192;
/// Cells formatted in one piece, so that ten thousand columns do not fill the memory.
const PIECE_CELLS: usize = 262_144;
/// The largest buffer kept for the next piece.
const LARGEST_SPARE: usize = 8 << 20;
/// A source slower than this gains nothing from overlap, and its rows should appear at once.
const SLOW: Duration = Duration::from_millis(10);

/// A text format: what stands before, for and after the rows.
pub(super) trait Layout: Send + Sync + 'static {
    /// Appends what stands before the rows.
    fn head(&self, out: &mut Vec<u8>);

    /// Appends the rows of a batch; `start` rows were there before it.
    fn rows(&self, batch: &RecordBatch, start: u64, out: &mut Vec<u8>) -> Result<()>;

    /// Appends what stands after all `rows`.
    fn tail(&self, _rows: u64, _out: &mut Vec<u8>) {}
}

/// Writes batches in a text format.
pub(super) struct Pipeline<'a, L> {
    layout: Arc<L>,
    out: Box<dyn Write + Send + 'a>,
    /// Pieces on the thread pool, the oldest in front.
    queue: VecDeque<Receiver<Result<Vec<u8>>>>,
    spare: Vec<Vec<u8>>,
    rows: u64,
    /// When the last piece came; none before the first.
    last: Option<Instant>,
}

impl<'a, L: Layout> Pipeline<'a, L> {
    /// Nothing is written before the first batch.
    pub(super) fn new(layout: L, out: Box<dyn Write + Send + 'a>) -> Self {
        let layout = Arc::new(layout);
        Self { layout, out, queue: VecDeque::new(), spare: Vec::new(), rows: 0, last: None }
    }

    fn push(&mut self, piece: RecordBatch) -> Result<()> {
        self.write_ready()?;
        let start = self.rows;
        self.rows += piece.num_rows() as u64;
        let mut buffer = self.spare.pop().unwrap_or_default();
        if self.queue.is_empty() && self.is_urgent() {
            if self.last.is_none() {
                self.layout.head(&mut buffer);
            }
            self.layout.rows(&piece, start, &mut buffer)?;
            self.emit(buffer)?;
        } else {
            if self.queue.len() >= IN_FLIGHT {
                self.write_front()?;
            }
            let (sender, receiver) = sync_channel(1);
            let layout = Arc::clone(&self.layout);
            rayon::spawn(move || {
                let result = layout.rows(&piece, start, &mut buffer).map(|()| buffer);
                // Nobody listens after an error elsewhere, and then the piece is not wanted.
                drop(sender.send(result));
            });
            self.queue.push_back(receiver);
        }
        self.last = Some(Instant::now());
        Ok(())
    }

    /// Returns whether the next piece should be written before the caller goes on. A thread of the pool
    /// must not wait for the pool.
    fn is_urgent(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() > SLOW) || rayon::current_thread_index().is_some()
    }

    fn write_ready(&mut self) -> Result<()> {
        while let Some(front) = self.queue.front() {
            match front.try_recv() {
                Err(TryRecvError::Empty) => break,
                result => {
                    self.queue.pop_front();
                    self.emit(result.context("cannot format the result")??)?;
                }
            }
        }
        Ok(())
    }

    fn write_front(&mut self) -> Result<()> {
        if let Some(front) = self.queue.pop_front() {
            self.emit(front.recv().context("cannot format the result")??)?;
        }
        Ok(())
    }

    fn emit(&mut self, mut buffer: Vec<u8>) -> Result<()> {
        self.out.write_all(&buffer).and_then(|()| self.out.flush()).context("cannot write the result")?;
        if buffer.capacity() <= LARGEST_SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
        Ok(())
    }
}

impl<L: Layout> Sink for Pipeline<'_, L> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let step = (PIECE_CELLS / batch.num_columns().max(1)).clamp(1, PIECE_ROWS);
        for start in (0..batch.num_rows()).step_by(step) {
            self.push(batch.slice(start, step.min(batch.num_rows() - start)))?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        while !self.queue.is_empty() {
            self.write_front()?;
        }
        let mut buffer = Vec::new();
        if self.last.is_none() {
            self.layout.head(&mut buffer);
        }
        self.layout.tail(self.rows, &mut buffer);
        self.emit(buffer)
    }
}
