//! The files in a source: itself, what is packed in it, or the members of an archive.
//!
//! What a file is, its content says and never its name. Members stream; only what must be read from its
//! end is kept meanwhile: what comes through a pipe in a temporary file without a name, a zip that is
//! itself a member in memory.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};

use anyhow::{Context as _, Error, Result, bail};
use zip::ZipArchive;
use zip::result::ZipError;

use super::input::{Opened, Source};
use super::progress::{Meter, Metered, Progress};
use super::unpack::{Bounded, Exact, Explained, Kind, Watched, sniff, unpack};
use crate::error::{self, Failure, exit_code};
use crate::pack::{cut_off, explain};

/// Archives around a file, at most.
const DEEPEST: usize = 2;

/// The largest zip that is read as a member of another archive. Its directory stands at its end, and without
/// it deleted files and links look like any other, and sizes may be missing, so all of it is held. The zips
/// that vendors put in archives hold a day of a symbol; the largest seen has 3 MiB.
const MAX_HELD_BYTES: u64 = 256 << 20;

/// A file to read rows from.
pub(super) struct Member<'a> {
    /// The name to show, such as `x.zip:AAPL.csv` or `x.tar.gz:in/y.zip:AAPL.csv`.
    pub name: String,
    /// The last component of its path.
    pub file_name: String,
    /// What is in it.
    pub content: Content<'a>,
}

/// The content of a [`Member`].
pub(super) enum Content<'a> {
    /// Text, or what is taken for it.
    Stream(Box<dyn Read + 'a>),
    /// A Parquet file.
    File(File),
}

/// Calls `each` for every file in `source`.
///
/// Folders, links, and hidden members of archives are passed over. Archives may hold archives, but these no
/// further ones; what unpacks to over 1,000 times its size and 100 MiB is refused.
pub(super) fn visit(
    source: &Source,
    progress: &Progress,
    each: &mut dyn FnMut(Member<'_>) -> Result<()>,
) -> Result<()> {
    let meter = Meter::new(progress, source.size());
    let given = Given::default();
    let mut visit = Visit { meter: &meter, given: &given, each };
    let visited = match source.open()? {
        Opened::File(file) => visit.file(source, file),
        Opened::Stream(reader) => visit.item(Item::top(source, Box::new(Metered::new(reader, &meter)))),
    };
    match visited {
        // A stream that is stopped ends early, whatever that was taken for.
        Err(err) if source.is_stopped() && exit_code(&err) != error::Kind::Interrupted.code() => {
            return Err(err.context(Failure::interrupted()));
        }
        visited => visited?,
    }
    meter.finish();
    Ok(())
}

/// The bytes that came out of each layer, by the number of archives around it.
type Given = [Layer; DEEPEST + 1];

#[derive(Default)]
struct Layer {
    members: Cell<u64>,
    unpacked: Cell<u64>,
}

struct Visit<'v> {
    meter: &'v Meter<'v>,
    given: &'v Given,
    each: &'v mut dyn FnMut(Member<'_>) -> Result<()>,
}

/// Something to look into.
struct Item<'a> {
    name: String,
    file_name: String,
    reader: Box<dyn Read + 'a>,
    /// How many archives it lies in.
    depth: usize,
    is_packed: bool,
}

impl<'a> Item<'a> {
    fn top(source: &Source, reader: Box<dyn Read + 'a>) -> Self {
        Self { name: source.name(), file_name: source.file_name(), reader, depth: 0, is_packed: false }
    }

    fn member((archive, depth): (&str, usize), path: &str, reader: Box<dyn Read + 'a>) -> Self {
        Self {
            name: format!("{archive}:{path}"),
            file_name: components(path).last().unwrap_or(path).to_owned(),
            reader,
            depth: depth + 1,
            is_packed: false,
        }
    }
}

impl Visit<'_> {
    fn file(&mut self, source: &Source, mut file: File) -> Result<()> {
        let context = || format!("cannot read '{}'", source.name());
        let (kind, _) = sniff(Box::new(&file)).with_context(context)?;
        file.rewind().with_context(context)?;
        match kind {
            Kind::Parquet => self.parquet(source.name(), source.file_name(), file),
            Kind::Zip => self.zip(&source.name(), 0, BufReader::new(Metered::new(file, self.meter))),
            _ => self.item(Item::top(source, Box::new(Metered::new(file, self.meter)))),
        }
    }

    fn item(&mut self, item: Item<'_>) -> Result<()> {
        let Item { name, file_name, reader, depth, is_packed } = item;
        let context = || format!("cannot read '{name}'");
        let (kind, reader) = sniff(reader).with_context(context)?;
        match kind {
            Kind::Plain => (self.each)(Member { name, file_name, content: Content::Stream(reader) }),
            Kind::Packed(codec) if !is_packed => {
                let reader = unpack(codec, reader).with_context(context)?;
                let reader = Box::new(Bounded::new(reader, self.meter, &self.given[depth].unpacked));
                self.item(Item { name, file_name, reader, depth, is_packed: true })
            }
            Kind::Tar if depth < DEEPEST => self.tar(&name, depth, reader),
            Kind::Zip if depth == 0 => {
                let file = spool(reader).with_context(context)?;
                self.zip(&name, depth, BufReader::new(file))
            }
            Kind::Zip if depth < DEEPEST => {
                let bytes = hold(reader, MAX_HELD_BYTES).with_context(context)?;
                self.zip(&name, depth, Cursor::new(bytes))
            }
            Kind::Parquet if depth == 0 && !is_packed => {
                let file = spool(reader).with_context(context)?;
                self.parquet(name, file_name, file)
            }
            kind => Err(refuse(&name, kind)),
        }
    }

    fn parquet(&mut self, name: String, file_name: String, file: File) -> Result<()> {
        self.meter.leave();
        (self.each)(Member { name, file_name, content: Content::File(file) })
    }

    fn tar(&mut self, name: &str, depth: usize, reader: Box<dyn Read + '_>) -> Result<()> {
        let context = || format!("cannot read '{name}'");
        let (reader, watch) = Watched::new(reader);
        let mut archive = tar::Archive::new(reader);
        // tar has no error kind of its own for what ends too early.
        let why = |err| if watch.ended.get() { cut_off("tar") } else { explain(err, "tar") };
        for entry in archive.entries().map_err(why).with_context(context)? {
            let entry = entry.map_err(why).with_context(context)?;
            let kind = entry.header().entry_type();
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if !(kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()) || is_hidden(&path) {
                continue;
            }
            let size = entry.size();
            let reader = Exact::new(Explained::new(entry, "tar"), size, "tar");
            let reader = Box::new(Bounded::new(reader, self.meter, &self.given[depth + 1].members));
            self.item(Item::member((name, depth), &path, reader))?;
        }
        if watch.ended.get() {
            return Err(cut_off("tar")).with_context(context);
        }
        // What is behind the last member belongs to the check sum of what the archive is packed in.
        io::copy(&mut archive.into_inner(), &mut io::sink()).with_context(context)?;
        Ok(())
    }

    fn zip(&mut self, name: &str, depth: usize, reader: impl Read + Seek) -> Result<()> {
        let context = || format!("cannot read '{name}'");
        let mut archive = ZipArchive::new(reader).map_err(zip_error).with_context(context)?;
        if archive.index_for_name("[Content_Types].xml").is_some() {
            return Err(refuse(name, Kind::Foreign("an Excel workbook or another office document")));
        }
        if archive.has_duplicate_names() {
            bail!(Failure::new(format!("cannot read '{name}': two of its files have one name")));
        }
        for index in 0..archive.len() {
            let entry = archive.by_index_data(index).map_err(zip_error).with_context(context)?;
            let path = String::from_utf8_lossy(entry.name_raw()).into_owned();
            if entry.is_dir() || entry.is_symlink() || is_hidden(&path) {
                continue;
            }
            if entry.encrypted() {
                bail!(Failure::new(format!("cannot read '{name}:{path}': it is encrypted")));
            }
            let entry = archive
                .by_index(index)
                .map_err(zip_error)
                .with_context(|| format!("cannot read '{name}:{path}'"))?;
            let reader =
                Bounded::new(Explained::new(entry, "zip"), self.meter, &self.given[depth + 1].members);
            self.item(Item::member((name, depth), &path, Box::new(reader)))?;
        }
        Ok(())
    }
}

/// Keeps what must be read from its end.
fn spool(mut reader: Box<dyn Read + '_>) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut reader, &mut file)?;
    file.rewind()?;
    Ok(file)
}

/// Keeps a member that must be read from its end, which may not touch the disk.
fn hold(reader: Box<dyn Read + '_>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(Failure::new(format!(
            "it is a zip of over {} MiB in an archive, which must be unpacked first",
            limit >> 20
        ))));
    }
    Ok(bytes)
}

fn refuse(name: &str, kind: Kind) -> Error {
    let why = match kind {
        Kind::Tar | Kind::Zip => "it is an archive in an archive in an archive, and only two are unpacked",
        Kind::Packed(_) => "it is packed twice, and only one level is unpacked",
        Kind::Parquet => "it is a Parquet file in an archive or packed, which must be unpacked first",
        Kind::CutOff => "it is cut off",
        Kind::Plain => "it is no archive",
        Kind::Foreign(what) => {
            return Failure::new(format!("cannot read '{name}': it is {what}, which barn does not read"))
                .into();
        }
    };
    Failure::new(format!("cannot read '{name}': {why}")).into()
}

fn zip_error(err: ZipError) -> Error {
    match err {
        ZipError::Io(err) => explain(err, "zip").into(),
        // What is looked for first stands at the end.
        ZipError::InvalidArchive(_) => Error::new(err).context("it is cut off or damaged"),
        err => err.into(),
    }
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | ".."))
}

fn is_hidden(path: &str) -> bool {
    components(path).any(|part| part.starts_with('.') || part == "__MACOSX")
}

#[cfg(test)]
mod tests;
