//! `barn compress FILE -o OUT.parquet`: rows of any kind into one Parquet file.

use std::fs::{File, Metadata};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::CompressArgs;
use super::columns::{ColumnReport, lines};
use super::files;
use crate::archive::{Choice, Conversion, Converted, Facts};
use crate::cli::Context;
use crate::error::{Failure, Kind};
use crate::frame::ParquetFile;
use crate::import::{Plain, Progress, Source};
use crate::ui;
use crate::ui::figures;

/// What became of the file.
#[derive(serde::Serialize)]
struct Report {
    command: &'static str,
    direction: &'static str,
    input: String,
    output: String,
    rows: u64,
    bytes_read: u64,
    bytes_written: u64,
    mb_per_second: f64,
    seconds: f64,
    columns: Vec<ColumnReport>,
}

/// Converts a file.
pub(super) fn run(
    context: &Context,
    args: &CompressArgs,
    input: &Path,
    output: &Path,
) -> Result<Option<Kind>> {
    let started = Instant::now();
    if args.file.codec.is_some() {
        return Err(Failure::usage("cannot use '--codec' with Parquet: it is written with zstd").into());
    }
    let (source, known) = files::source(context, args, input)?;
    let mut draft = files::draft(args, output, known.as_ref())?;
    let name = output.display().to_string();
    let (converted, bytes_read) = convert(context, args, source, draft.file())?;
    let cannot = || format!("cannot write '{name}'");
    let bytes_written = draft.file().metadata().with_context(cannot)?.len();
    converted.verify(&ParquetFile::of(draft.reopen()?)?).with_context(cannot)?;
    draft.publish()?;
    let bytes_read = known.as_ref().map_or(bytes_read, Metadata::len);
    finish(context, (input, name), &converted, (bytes_read, bytes_written), started.elapsed())?;
    Ok(None)
}

/// Reads all rows three times: for their types, for the narrowest of these, and to write them.
fn convert(
    context: &Context,
    args: &CompressArgs,
    source: Source,
    out: &mut File,
) -> Result<(Converted, u64)> {
    let choice = if args.history.smallest { Choice::Smallest } else { Choice::Plain };
    let progress = Progress::new(source.size().map(|size| size * 3));
    watched(context, &progress, || {
        let plain = Plain::open(source, &progress, &context.stop)?;
        let bytes_read = progress.read();
        let columns = plain.columns();
        let mut facts = Facts::new(columns, choice);
        plain.each(&progress, &|frame| Ok(Facts::of(columns, choice, &frame)), &mut |part| {
            facts.merge(&part);
            Ok(())
        })?;
        let mut conversion = Conversion::new(BufWriter::new(out), columns, facts, args.history.level);
        plain.each(&progress, &Ok, &mut |frame| conversion.write(&frame))?;
        let (mut out, converted) = conversion.finish()?;
        out.flush().context("cannot write the Parquet file")?;
        Ok((converted, bytes_read))
    })
}

/// Runs `work` while another thread shows how far it is.
fn watched<T>(context: &Context, progress: &Progress, work: impl FnOnce() -> T) -> T {
    let tell = |line: &ui::Progress| line.bytes(progress.read(), progress.total());
    context.ui.progress().watch(tell, work)
}

#[allow(clippy::cast_precision_loss, reason = "figures with two decimals")]
fn finish(
    context: &Context,
    (input, output): (&Path, String),
    converted: &Converted,
    (bytes_read, bytes_written): (u64, u64),
    elapsed: Duration,
) -> Result<()> {
    let report = Report {
        command: "compress",
        direction: "convert",
        input: input.display().to_string(),
        output,
        rows: converted.rows,
        bytes_read,
        bytes_written,
        mb_per_second: bytes_read as f64 / 1e6 / elapsed.as_secs_f64().max(1e-9),
        seconds: elapsed.as_secs_f64(),
        columns: converted.columns.iter().map(ColumnReport::from).collect(),
    };
    context.ui.summary(&format!(
        "converted '{}' into '{}': {} of {} in {} ({}): {} to {}, {:.2} bytes a row",
        report.input,
        report.output,
        figures::count(report.rows, "row"),
        figures::count(report.columns.len() as u64, "column"),
        figures::duration(elapsed),
        figures::rate(report.rows, elapsed),
        figures::bytes(bytes_read),
        figures::bytes(bytes_written),
        bytes_written as f64 / report.rows.max(1) as f64,
    ));
    for line in lines(&report.columns, report.rows) {
        context.ui.summary(&line);
    }
    context.report(&report)
}
