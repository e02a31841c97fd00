//! What `barn compress FILE…` says and reports of its files.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::files::{Direction, STREAM};
use crate::cli::Context;
use crate::error::{Kind, report};
use crate::pack::{Codec, Sizes};
use crate::ui::figures;

/// What became of one file.
pub(super) struct Done {
    pub(super) output: String,
    pub(super) codec: Codec,
    pub(super) sizes: Sizes,
    pub(super) elapsed: Duration,
}

/// What became of the whole command.
#[derive(serde::Serialize)]
struct Report {
    command: &'static str,
    direction: &'static str,
    seconds: f64,
    files: Vec<FileReport>,
}

#[derive(serde::Serialize)]
struct FileReport {
    input: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    done: Option<DoneReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(serde::Serialize)]
struct DoneReport {
    output: String,
    codec: &'static str,
    bytes_read: u64,
    bytes_written: u64,
    /// How many times smaller the packed side is.
    ratio: f64,
    /// Bytes of the unpacked side.
    mb_per_second: f64,
    seconds: f64,
}

/// Adds up what became of the files.
pub(super) struct Tally {
    direction: Direction,
    started: Instant,
    sizes: Sizes,
    files: Vec<FileReport>,
    errors: Vec<anyhow::Error>,
}

impl Tally {
    /// Starts the clock.
    pub(super) fn new(direction: Direction) -> Self {
        Self { direction, started: Instant::now(), sizes: Sizes::default(), files: vec![], errors: vec![] }
    }

    /// Adds and says what became of a file.
    pub(super) fn add(&mut self, context: &Context, input: String, result: Result<Done>) {
        let (done, error) = match result {
            Ok(done) => {
                let figures = self.figures(done.sizes, done.elapsed);
                let verb = self.direction.verb();
                let (input, output) = (place(&input, "stdin"), place(&done.output, "stdout"));
                context.ui.summary(&format!("{verb}ed {input} into {output}: {figures}"));
                self.sizes.read += done.sizes.read;
                self.sizes.written += done.sizes.written;
                (Some(self.report(done)), None)
            }
            Err(err) => {
                let text = report(&err);
                self.errors.push(err);
                (None, Some(text))
            }
        };
        self.files.push(FileReport { input, done, error });
    }

    fn report(&self, done: Done) -> DoneReport {
        let (unpacked, ratio) = self.measure(done.sizes);
        let seconds = done.elapsed.as_secs_f64();
        DoneReport {
            output: done.output,
            codec: done.codec.name(),
            bytes_read: done.sizes.read,
            bytes_written: done.sizes.written,
            ratio,
            mb_per_second: megabytes(unpacked) / seconds.max(1e-9),
            seconds,
        }
    }

    /// Returns the bytes of the unpacked side, and how many times smaller the packed one is.
    fn measure(&self, sizes: Sizes) -> (u64, f64) {
        let (unpacked, packed) = match self.direction {
            Direction::Compress(_) => (sizes.read, sizes.written),
            Direction::Decompress(_) => (sizes.written, sizes.read),
        };
        (unpacked, megabytes(unpacked) / megabytes(packed.max(1)))
    }

    fn figures(&self, sizes: Sizes, elapsed: Duration) -> String {
        let (unpacked, ratio) = self.measure(sizes);
        format!(
            "{} to {} (ratio {ratio:.2}), {}",
            figures::bytes(sizes.read),
            figures::bytes(sizes.written),
            figures::byte_rate(unpacked, elapsed)
        )
    }

    /// Reports what was done, and returns how the command ends.
    pub(super) fn finish(mut self, context: &Context) -> Result<Option<Kind>> {
        let elapsed = self.started.elapsed();
        let (files, failed) = (self.files.len(), self.errors.len());
        if files - failed > 1 {
            let count = figures::count((files - failed) as u64, "file");
            let figures = self.figures(self.sizes, elapsed);
            context.ui.summary(&format!("{}ed {count}: {figures}", self.direction.verb()));
        }
        context.report(&Report {
            command: "compress",
            direction: self.direction.verb(),
            seconds: elapsed.as_secs_f64(),
            files: std::mem::take(&mut self.files),
        })?;
        match self.errors.pop() {
            None => Ok(None),
            Some(err) if files == 1 => Err(err),
            Some(err) => {
                self.errors.iter().for_each(|err| context.ui.error(err));
                if context.is_stopped() {
                    return Err(err);
                }
                context.ui.error(&err);
                Ok(Some(if failed < files { Kind::Partial } else { Kind::Failed }))
            }
        }
    }
}

/// Names a file in quotes, or the stream that stands in its place.
fn place(path: &str, stream: &str) -> String {
    if path == STREAM { stream.to_owned() } else { format!("'{path}'") }
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
