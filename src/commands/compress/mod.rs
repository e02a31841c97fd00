//! `barn compress`: history of the store into Parquet, or any file smaller and back.

mod columns;
mod convert;
mod files;
mod history;
mod tally;

use std::path::PathBuf;

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use crate::cli::Context;
use crate::decode::moment;
use crate::error::Kind;
use crate::model::time::now;
use crate::pack::Codec;

/// Compress history of the store into Parquet, or any file
///
/// Without FILE, final rows older than 30 days move from SQLite into Parquet files in the store's archive folder;
/// a query sees both as one table. With FILE, each file is compressed into a new one beside it with zstd, lz4 or
/// gzip, on all cores, or decompressed with -d; the file itself stays.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn compress --table bars --older-than 1y --dry-run
  barn compress prices.csv ticks.csv --codec zstd --level 9")]
pub struct CompressArgs {
    /// Files to compress; - is stdin to stdout
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    history: HistoryOptions,

    #[command(flatten)]
    file: FileOptions,
}

/// What history moves, and how it is written.
#[derive(clap::Args)]
pub(super) struct HistoryOptions {
    /// Only this table; may be repeated
    #[arg(long, help_heading = "History", conflicts_with = "files")]
    table: Vec<String>,

    /// Move rows that are older, such as 30d, 6mo or 1y [default: 30d]
    #[arg(long, help_heading = "History", value_name = "SPAN", conflicts_with = "files", value_parser = age)]
    older_than: Option<i64>,

    /// Move rows before a time: 2024-01-31, 2024-01-31T09:30:00Z, -30d
    #[arg(
        long, help_heading = "History", value_name = "TIME", allow_hyphen_values = true,
        conflicts_with_all = ["files", "older_than"], value_parser = time
    )]
    before: Option<i64>,

    /// Move all final rows
    #[arg(long, help_heading = "History", conflicts_with_all = ["files", "older_than", "before"])]
    all: bool,

    /// Say what would move, and move nothing
    #[arg(long, help_heading = "History", conflicts_with = "files")]
    dry_run: bool,

    /// Write exact decimals too, where they are smaller
    #[arg(long, help_heading = "Size")]
    smallest: bool,

    /// How hard to try: zstd 1 to 22 [default: 9 for Parquet, 3 for a file], gzip 1 to 9 [default: 6]
    #[arg(
        long, help_heading = "Size", value_name = "N", conflicts_with = "decompress",
        value_parser = clap::value_parser!(i32).range(1..=22)
    )]
    level: Option<i32>,
}

/// What becomes of files.
#[derive(clap::Args)]
struct FileOptions {
    /// Decompress: what a file is, its content says
    #[arg(short, long, help_heading = "Files", requires = "files")]
    decompress: bool,

    /// Codec [default: by the name of the output, else zstd]
    #[arg(
        long, help_heading = "Files", requires = "files",
        value_parser = PossibleValuesParser::new(Codec::WORDS).try_map(|word| word.parse::<Codec>())
    )]
    codec: Option<Codec>,

    /// Write to this file, of one input; - is stdout, and OUT.parquet converts CSV, JSON or NDJSON
    #[arg(short, long, help_heading = "Files", value_name = "OUT", requires = "files")]
    output: Option<PathBuf>,

    /// Replace files that exist, follow links, and decompress to more than 1,000 times the size
    #[arg(short, long, help_heading = "Files", requires = "files")]
    force: bool,
}

/// Reads a time as microseconds UTC.
fn time(text: &str) -> Result<i64, String> {
    moment(text, now()).map_err(|err| err.to_string())
}

/// Reads a distance from now, such as `30d`, as the microseconds UTC it leads back to.
fn age(text: &str) -> Result<i64, String> {
    let age = moment(&format!("-{text}"), now()).ok();
    age.ok_or_else(|| "expected a number and a unit, such as 30d, 6mo or 1y".to_owned())
}

/// Runs the command.
pub fn run(context: &Context, args: &CompressArgs) -> Result<Option<Kind>> {
    if args.files.is_empty() { history::run(context, &args.history) } else { files::run(context, args) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::MICROS_PER_DAY;

    #[test]
    fn ages_are_distances_and_no_times() {
        let now = now();
        assert!(age("0d").is_ok_and(|then| then - now < MICROS_PER_DAY));
        for bad in ["", "30", "d", "-30d", "now", "2024-01-31"] {
            assert!(age(bad).is_err(), "{bad}");
        }
        assert_eq!(time("2024-01-31"), Ok(1_706_659_200_000_000));
    }
}
