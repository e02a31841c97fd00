//! `barn compress FILE…`: each file into one beside it, or back.

use std::fs::{File, Metadata};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::CompressArgs;
use super::convert;
use super::tally::{Done, Tally};
use crate::cli::Context;
use crate::commands::query::stdout;
use crate::error::{Failure, Kind, is_broken_pipe};
use crate::fs::{Draft, Overwrite};
use crate::import::{self, Source};
use crate::pack::{self, Codec, Expansion, Packing, Watch};
use crate::ui;

/// What stands for stdin and stdout.
pub(super) const STREAM: &str = "-";

/// What becomes of each file.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    /// It is packed.
    Compress(Packing),
    /// It is unpacked, and must be of this codec.
    Decompress(Option<Codec>),
}

impl Direction {
    fn of(args: &CompressArgs) -> Result<Self> {
        let file = &args.file;
        if file.decompress {
            return Ok(Self::Decompress(file.codec));
        }
        let by_name = || file.output.as_deref().and_then(Codec::from_extension);
        let codec = file.codec.or_else(by_name).unwrap_or(Codec::Zstd);
        Ok(Self::Compress(Packing::new(codec, args.history.level)?))
    }

    /// Returns the word for it.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Compress(_) => "compress",
            Self::Decompress(_) => "decompress",
        }
    }
}

/// Where bytes go.
enum Target {
    Stdout,
    File(PathBuf),
}

/// Compresses or decompresses files.
pub(super) fn run(context: &Context, args: &CompressArgs) -> Result<Option<Kind>> {
    check(args)?;
    if let ([input], Some(output)) = (args.files.as_slice(), &args.file.output)
        && is_parquet(args)
    {
        return convert::run(context, args, input, output)
            .with_context(|| format!("cannot convert '{}'", input.display()));
    }
    let direction = Direction::of(args)?;
    let mut tally = Tally::new(direction);
    for path in &args.files {
        let input = path.display().to_string();
        let result = one(context, args, direction, path)
            .with_context(|| format!("cannot {} '{input}'", direction.verb()));
        match result {
            Err(err) if is_broken_pipe(&err) => return Err(err),
            result => tally.add(context, input, result),
        }
        if context.is_stopped() {
            break;
        }
    }
    tally.finish(context)
}

/// Refuses what cannot be meant.
fn check(args: &CompressArgs) -> Result<()> {
    let usage = |text: &str| Err(Failure::usage(text.to_owned()).into());
    if args.file.output.is_some() && args.files.len() > 1 {
        return usage("cannot write several files into one: '--output' takes one input");
    }
    if args.files.iter().filter(|path| path.as_os_str() == STREAM).count() > 1 {
        return usage("cannot read stdin twice");
    }
    if args.history.smallest && !is_parquet(args) {
        return usage("cannot use '--smallest' with a codec: it is for Parquet");
    }
    Ok(())
}

/// Returns whether the output is to be a Parquet file.
fn is_parquet(args: &CompressArgs) -> bool {
    let extension = args.file.output.as_deref().and_then(Path::extension);
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")) && !args.file.decompress
}

/// Does one file.
fn one(context: &Context, args: &CompressArgs, direction: Direction, path: &Path) -> Result<Done> {
    let started = Instant::now();
    let (source, known) = source(context, args, path)?;
    let input = source.reader()?;
    let target = target(args, direction, path)?;
    let read = AtomicU64::new(0);
    let watch = Watch { stop: &context.stop, read: &read };
    let work = |output: &mut pack::Output<'_>| match direction {
        Direction::Compress(packing) => {
            let mut input = input;
            Ok((packing.codec(), pack::pack(packing, &mut *input, output, watch)?))
        }
        Direction::Decompress(expected) => {
            let expansion = if args.file.force { Expansion::Free } else { Expansion::Bounded };
            pack::unpack(expected, expansion, input, output, watch)
        }
    };
    let total = known.as_ref().map(Metadata::len);
    let (name, (codec, sizes)) = match target {
        Target::Stdout => {
            let mut out = stdout()?;
            (STREAM.to_owned(), watched(context, &read, total, || work(&mut writer(&mut out, "stdout")))?)
        }
        Target::File(path) => {
            let name = path.display().to_string();
            let mut draft = draft(args, &path, known.as_ref())?;
            let shown = format!("'{name}'");
            let done = watched(context, &read, total, || work(&mut writer(draft.file(), &shown)))?;
            known.iter().try_for_each(|known| draft.keep_time(known))?;
            draft.publish()?;
            (name, done)
        }
    };
    Ok(Done { output: name, codec, sizes, elapsed: started.elapsed() })
}

fn writer<'a>(file: &'a mut File, name: &'a str) -> impl FnMut(&[u8]) -> Result<()> + Send + 'a {
    move |bytes| file.write_all(bytes).with_context(|| format!("cannot write {name}"))
}

/// Starts an output that may be read by those who may read the input.
pub(super) fn draft(args: &CompressArgs, path: &Path, input: Option<&Metadata>) -> Result<Draft> {
    refuse_link(path)?;
    refuse_itself(path, input)?;
    let overwrite = if args.file.force { Overwrite::Replace } else { Overwrite::Refuse };
    let mut draft = Draft::new(path, overwrite)?;
    // Before there is anything to read in it.
    input.iter().try_for_each(|input| draft.keep_mode(input))?;
    Ok(draft)
}

/// Finds an input, and returns what is known of it if it is a file.
///
/// What is no file, or is one only through a link, takes `--force`.
pub(super) fn source(
    context: &Context,
    args: &CompressArgs,
    path: &Path,
) -> Result<(Source, Option<Metadata>)> {
    let text = path.to_str().context("its name is not UTF-8")?.to_owned();
    let stdin = text == STREAM;
    if !stdin {
        let metadata = std::fs::symlink_metadata(path)?;
        if metadata.is_dir() || (!metadata.is_file() && !args.file.force) {
            let what = match metadata.file_type() {
                kind if kind.is_dir() => "a folder",
                kind if kind.is_symlink() => "a link",
                _ => "no regular file",
            };
            let failure = Failure::new(format!("it is {what}"));
            bail!(if metadata.is_dir() { failure } else { failure.hint("`--force` reads it all the same") });
        }
    }
    let source = import::expand(&[text], &context.stop)?.pop().context("it is a folder")?;
    let known = source.path().map(std::fs::metadata).transpose()?;
    Ok((source, known))
}

/// Returns where the bytes of an input go.
fn target(args: &CompressArgs, direction: Direction, input: &Path) -> Result<Target> {
    let target = match &args.file.output {
        Some(path) if path.as_os_str() == STREAM => Target::Stdout,
        Some(path) => Target::File(path.clone()),
        None if input.as_os_str() == STREAM => Target::Stdout,
        None => Target::File(match direction {
            Direction::Compress(packing) => {
                let mut name = input.as_os_str().to_owned();
                name.push(".");
                name.push(packing.codec().extension());
                name.into()
            }
            Direction::Decompress(_) => stripped(input).with_context(|| {
                Failure::usage("its name does not say what to call the result").hint("`-o OUT` names it")
            })?,
        }),
    };
    if matches!((&target, direction), (Target::Stdout, Direction::Compress(_)))
        && std::io::stdout().is_terminal()
    {
        bail!(
            Failure::usage("cannot show compressed data on a terminal").hint("`-o FILE` writes it to a file")
        );
    }
    Ok(target)
}

/// Returns the name of what a packed file holds.
fn stripped(path: &Path) -> Option<PathBuf> {
    if Codec::from_extension(path).is_some() {
        return Some(path.with_extension(""));
    }
    let is_tar = path.extension()?.to_str().is_some_and(|extension| {
        ["tgz", "tzst", "tlz4"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    });
    is_tar.then(|| path.with_extension("tar"))
}

/// Refuses to write through a link to a file, or over one; a link such as `/dev/stdout` leads to no file.
fn refuse_link(path: &Path) -> Result<()> {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    if is_link && std::fs::metadata(path).map_or(true, |metadata| metadata.is_file()) {
        bail!("cannot write '{}': it is a link", path.display());
    }
    Ok(())
}

/// Refuses to write an input over itself.
fn refuse_itself(path: &Path, input: Option<&Metadata>) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let place = |metadata: &Metadata| (metadata.dev(), metadata.ino());
    let output = std::fs::metadata(path).ok();
    if output.is_some() && output.as_ref().map(place) == input.map(place) {
        bail!(Failure::usage(format!("cannot write '{}': it is the input", path.display())));
    }
    Ok(())
}

/// Runs `work` while another thread shows how far it is.
fn watched<T>(context: &Context, read: &AtomicU64, total: Option<u64>, work: impl FnOnce() -> T) -> T {
    let tell = |line: &ui::Progress| line.bytes(read.load(Ordering::Relaxed), total);
    context.ui.progress().watch(tell, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_what_is_inside_lacks_the_extension() {
        let cases = [
            ("a/x.csv.zst", Some("a/x.csv")),
            ("x.csv.GZ", Some("x.csv")),
            ("x.lz4", Some("x")),
            ("x.tgz", Some("x.tar")),
            ("x.csv", None),
            ("zst", None),
            (".zst", None),
        ];
        for (name, expected) in cases {
            assert_eq!(stripped(Path::new(name)), expected.map(PathBuf::from), "{name}");
        }
    }
}
