//! Progress of long work, on stderr: nothing for the first second, then rows, rate and bytes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::figures;

/// Work shorter than this shows no progress.
const PATIENCE: Duration = Duration::from_secs(1);
/// Milliseconds between two changes of the line: as often as an eye follows.
const STEP_MS: u64 = 100;

/// Whether progress may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Nothing is shown.
    Hidden,
    /// A line on the terminal that stderr is.
    Terminal,
}

/// The progress of one piece of work.
///
/// Any thread may update it. The line is cleared by [`Progress::finish`], or when it is dropped.
pub struct Progress {
    show: Show,
    started: Instant,
    bar: OnceLock<ProgressBar>,
    /// When the line last changed, in milliseconds since the start.
    changed_ms: AtomicU64,
}

impl Progress {
    /// Starts the clock.
    pub fn new(show: Show) -> Self {
        Self { show, started: Instant::now(), bar: OnceLock::new(), changed_ms: AtomicU64::new(0) }
    }

    /// Runs `work` while another thread tells how far it is, as `tell` says it; clears the line at the end.
    pub fn watch<T>(&self, tell: impl Fn(&Self) + Sync, work: impl FnOnce() -> T) -> T {
        /// How often the counters are looked at.
        const INTERVAL: Duration = Duration::from_millis(100);
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    tell(self);
                    std::thread::park_timeout(INTERVAL);
                }
                self.finish();
            });
            let _end = End { is_done: &is_done, watcher: watcher.thread() };
            work()
        })
    }

    /// Tells how far the work is: all rows and bytes until now, and all bytes there will be, where known.
    pub fn update(&self, rows: u64, bytes: u64, total: Option<u64>) {
        let Some(elapsed) = self.due() else { return };
        let bar = self.bar.get_or_init(|| start(total));
        if let Some(total) = total {
            bar.set_length(total.max(bytes));
        }
        bar.set_position(bytes);
        bar.set_message(line(rows, bytes, total, elapsed));
    }

    /// Tells how far work on bytes is: those until now, and all there will be, where known.
    pub fn bytes(&self, bytes: u64, total: Option<u64>) {
        let Some(elapsed) = self.due() else { return };
        let bar = self.bar.get_or_init(|| start(total));
        bar.set_position(bytes);
        let all = total.map_or_else(String::new, |total| format!(" of {}", figures::bytes(total)));
        bar.set_message(format!("{}{all}  {}", figures::bytes(bytes), figures::byte_rate(bytes, elapsed)));
    }

    /// Tells how far work is whose steps are not bytes: those done, all of them, and the rest in words.
    pub fn tell(&self, done: u64, total: u64, words: impl FnOnce(Duration) -> String) {
        let Some(elapsed) = self.due() else { return };
        let bar = self.bar.get_or_init(|| start(Some(total)));
        bar.set_length(total.max(done));
        bar.set_position(done);
        bar.set_message(words(elapsed));
    }

    /// Returns the time since the start if the line is to change now.
    fn due(&self) -> Option<Duration> {
        let elapsed = self.started.elapsed();
        let now_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let changed_ms = self.changed_ms.load(Ordering::Relaxed);
        if self.show == Show::Hidden || elapsed < PATIENCE || now_ms.saturating_sub(changed_ms) < STEP_MS {
            return None;
        }
        self.changed_ms.store(now_ms, Ordering::Relaxed);
        Some(elapsed)
    }

    /// Clears the line.
    pub fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Ends the thread that watches some work, also where the work panics: else the scope would wait for it for ever.
struct End<'a> {
    is_done: &'a AtomicBool,
    watcher: &'a Thread,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::Relaxed);
        self.watcher.unpark();
    }
}

fn start(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let template =
        if total.is_some() { "[{bar:12}] {percent:>3} %  {wide_msg}" } else { "{spinner} {wide_msg}" };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(STEP_MS));
    bar
}

fn line(rows: u64, bytes: u64, total: Option<u64>, elapsed: Duration) -> String {
    let line = format!("{}  {}", figures::count(rows, "row"), figures::rate(rows, elapsed));
    match total {
        Some(total) => format!("{line}  {} of {}", figures::bytes(bytes), figures::bytes(total)),
        None if bytes > 0 => format!("{line}  {}", figures::bytes(bytes)),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_shows_what_is_known() {
        let elapsed = Duration::from_secs(2);
        assert_eq!(
            line(2_400_000, 12_300_000, Some(40_000_000), elapsed),
            "2,400,000 rows  1.20 M rows/s  12.3 MB of 40.0 MB"
        );
        assert_eq!(line(1, 50_000, None, elapsed), "1 row  0 rows/s  50.0 kB");
        assert_eq!(line(10, 0, None, elapsed), "10 rows  5 rows/s");
    }

    #[test]
    fn short_and_hidden_work_shows_nothing() {
        for show in [Show::Hidden, Show::Terminal] {
            let progress = Progress::new(show);
            progress.update(1, 1, Some(2));
            assert!(progress.bar.get().is_none());
            progress.finish();
        }
    }

    #[test]
    fn a_panic_in_the_work_reaches_the_caller() {
        let watched: fn() -> u32 = || Progress::new(Show::Hidden).watch(|_| (), || panic!("work"));
        assert!(std::panic::catch_unwind(watched).is_err());
    }
}
