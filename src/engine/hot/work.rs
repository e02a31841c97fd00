//! Divides a scan into tasks that threads read at the same time.
//!
//! Tasks are taken from the front of one queue. Nobody knows how many rows a series has before it is
//! read, so a task that has read its share stops and puts what is left, cut by time into further
//! tasks, at the front. Each task has a channel of its own; the reader of the scan empties them in the
//! order of the tasks, so rows come out in the order of the store whoever read them. A channel holds
//! the whole share of a task, so that no thread waits for another's.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::range::Range;
use crate::store::Resume;

/// Rows of all but the first batches, DataFusion's own size.
pub(super) const BATCH_ROWS: usize = 8_192;

/// Batches of a task: 65,536 rows take some 20 ms to read, so threads neither starve nor wait.
pub(super) const TASK_BATCHES: usize = 8;

/// Batches of a task beyond its share: the growing ones at the start of a scan, and its end.
const SMALL_BATCHES: usize = 4;

/// Series a task has at most: 64 that have no more than some hundred rows share batches.
const TASK_SERIES: usize = 64;

/// Tasks a series is cut into at most at a time; each can be cut again.
const MOST_CUTS: usize = 64;

/// What a task hands to the reader of the scan.
pub(super) enum Message {
    /// Rows.
    Batch(Result<RecordBatch>),
    /// The task has come to its end; what it left are these tasks.
    End(Vec<Receiver<Self>>),
}

/// A part of a scan.
pub(super) struct Task {
    /// The place of its first series among the keys.
    pub(super) first: usize,
    /// The number of its series.
    pub(super) len: usize,
    /// The times it reads.
    pub(super) range: Range,
    /// The row of the first series behind which it starts.
    pub(super) behind: Option<Resume>,
    /// Where its rows go.
    pub(super) sender: Sender<Message>,
}

/// The tasks nobody has taken.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    /// Threads that read a task, each of which may leave further ones.
    busy: usize,
    stopped: bool,
}

impl Queue {
    /// A queue of tasks.
    pub(super) fn new(tasks: Vec<Task>) -> Self {
        Self {
            state: Mutex::new(State { tasks: tasks.into(), busy: 0, stopped: false }),
            changed: Condvar::new(),
        }
    }

    /// Takes the first task; waits while there is none but another thread may leave some.
    pub(super) fn take(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(task) = state.tasks.pop_front() {
                state.busy += 1;
                return Some(task);
            }
            if state.busy == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends a task that was taken and puts what it left before all others.
    pub(super) fn end(&self, rest: Vec<Task>) {
        let mut state = self.lock();
        state.busy -= 1;
        for task in rest.into_iter().rev() {
            state.tasks.push_front(task);
        }
        self.changed.notify_all();
    }

    /// Lets no further task be taken.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.tasks.clear();
        self.changed.notify_all();
    }

    /// Returns whether nobody wants more rows.
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a task and the end of the channel its rows come from.
pub(super) fn task(
    first: usize,
    len: usize,
    range: Range,
    behind: Option<Resume>,
) -> (Task, Receiver<Message>) {
    let (sender, receiver) = channel(TASK_BATCHES + SMALL_BATCHES);
    (Task { first, len, range, behind, sender }, receiver)
}

/// Divides `series` series among `threads` threads.
pub(super) fn divide(series: usize, range: Range, threads: usize) -> (Vec<Task>, Vec<Receiver<Message>>) {
    if range.is_empty() {
        return (Vec::new(), Vec::new());
    }
    // Eight tasks a thread even out series of different lengths.
    let len = (series / (threads.max(1) * 8)).clamp(1, TASK_SERIES);
    (0..series).step_by(len).map(|first| task(first, len.min(series - first), range, None)).unzip()
}

/// What is known of a series of which a part was read.
pub(super) struct Progress {
    /// The rows read.
    pub(super) rows: usize,
    /// The time of the first row read.
    pub(super) start: i64,
    /// The last row read.
    pub(super) at: Resume,
    /// The last time of the series that is wanted.
    pub(super) last: i64,
}

/// Returns the times at which the rest of a series is cut so that each part has about a task's rows.
pub(super) fn cuts(progress: &Progress) -> Vec<i64> {
    let passed = i128::from(progress.at.ts) - i128::from(progress.start);
    let left = i128::from(progress.last) - i128::from(progress.at.ts);
    if passed <= 0 || left <= 0 {
        return Vec::new();
    }
    // Where rows become denser or rarer a part is cut again or too small: both only cost a little time.
    let rows_left = i128::try_from(progress.rows).unwrap_or(0).saturating_mul(left) / passed;
    let task_rows = i128::try_from(BATCH_ROWS * TASK_BATCHES).unwrap_or(i128::MAX);
    let parts = (rows_left / task_rows).clamp(1, i128::try_from(MOST_CUTS).unwrap_or(1));
    let at = |part: i128| i64::try_from(i128::from(progress.at.ts) + left * part / parts).ok();
    let mut cuts: Vec<i64> = (1..parts).filter_map(at).filter(|cut| *cut > progress.at.ts).collect();
    cuts.dedup();
    cuts
}

/// Stops the threads of a scan when its reader is gone.
pub(super) struct Stop(pub(super) Arc<Queue>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(rows: usize, start: i64, at: i64, last: i64) -> Progress {
        Progress { rows, start, at: Resume { ts: at, seq: 0 }, last }
    }

    #[test]
    fn the_rest_of_a_series_is_cut_by_the_rows_it_should_have() {
        assert_eq!(cuts(&progress(65_536, 0, 100, 400)), [200, 300]);
        assert!(cuts(&progress(65_536, 0, 100, 150)).is_empty());
        assert!(cuts(&progress(65_536, 100, 100, 400)).is_empty());
        assert!(cuts(&progress(65_536, 0, 400, 400)).is_empty());
        assert_eq!(cuts(&progress(usize::MAX, i64::MIN, 0, i64::MAX)).len(), MOST_CUTS - 1);
        assert_eq!(cuts(&progress(65_536, 0, 1, 3)), [2]);
    }

    #[test]
    fn tasks_cover_every_series_once_and_in_order() {
        for series in [0, 1, 2, 17, 505, 100_000] {
            let (tasks, receivers) = divide(series, Range::default(), 2);
            assert_eq!(tasks.len(), receivers.len());
            let mut next = 0;
            for task in &tasks {
                assert_eq!(task.first, next);
                next += task.len;
            }
            assert_eq!(next, series);
        }
    }
}
