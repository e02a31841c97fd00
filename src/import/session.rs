//! Importing: each input is opened, bound to the table, decoded in parallel, and written in order.

use std::fs::File;
use std::io::{Cursor, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail};

use super::archive::{Content, Member, visit};
use super::block::{BlockOptions, BlockReader, Cut, read_start};
use super::columns::NewColumns;
use super::fingerprint;
use super::input::Source;
use super::progress::Progress;
use super::writer::{Commit, Limits, Widen, Writer};
use crate::decode::{
    Block, Decoder, Format, Input, Layout, ParquetDecoder, delimiter, infer, infer_parquet, sniff,
};
use crate::error::{Failure, go_on};
use crate::frame::ParquetFile;
use crate::model::{Column, Counts, OnConflict, Table, nearest};
use crate::pipeline;
use crate::store::Store;

/// Bytes of an input that decide its timeframe, and the types of a table made from it.
const HEAD_BYTES: usize = 64 << 20;

/// What is to be imported how.
pub struct Request {
    /// The name of the table.
    pub table: String,
    /// How bytes become rows.
    pub layout: Layout,
    /// The rule for keys that are stored already.
    pub rule: OnConflict,
    /// When an input is refused, and when it is committed.
    pub limits: Limits,
    /// What happens to fields that the table has no column for.
    pub unknown_fields: Fields,
    /// The fields that key a table which does not exist yet.
    pub key: Vec<String>,
    /// Whether anything is kept.
    pub mode: Mode,
}

/// What happens to fields that the table has no column for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// They are named once and left out.
    Ignore,
    /// They become columns.
    Add,
}

/// Whether an import keeps anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Rows are stored.
    Store,
    /// Rows are counted, and taken back.
    DryRun,
}

impl From<bool> for Mode {
    /// Returns the mode for the flag `--dry-run`.
    fn from(is_dry_run: bool) -> Self {
        if is_dry_run { Self::DryRun } else { Self::Store }
    }
}

/// What became of one input.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What became of its rows.
    pub counts: Counts,
    /// The numbers of its series.
    pub series: std::collections::HashSet<i64>,
    /// What was decided by looking at it, and what was left out.
    pub notes: Vec<String>,
    /// What the user should look at.
    pub warnings: Vec<String>,
    /// Time spent writing.
    pub writing: std::time::Duration,
    /// Why the rest of it is not stored, where only a part is.
    pub error: Option<anyhow::Error>,
}

/// An import into one table.
pub struct Session<'s> {
    pub(super) store: &'s mut Store,
    pub(super) request: Request,
    pub(super) stop: &'s AtomicBool,
    pub(super) progress: &'s Progress,
    /// Rows written, for whoever watches.
    pub(super) rows: &'s AtomicU64,
    /// What the current input brings into the table.
    pub(super) columns: NewColumns,
    /// When the transactions of the current source end.
    pub(super) commit: Commit,
}

impl<'s> Session<'s> {
    /// Starts an import.
    ///
    /// Fails if there is no such table and no key to make one from.
    pub fn new(
        store: &'s mut Store,
        request: Request,
        stop: &'s AtomicBool,
        progress: &'s Progress,
        rows: &'s AtomicU64,
    ) -> Result<Self> {
        store.check_writable(&request.table)?;
        match store.table(&request.table) {
            None if request.key.is_empty() => Err(unknown_table(store, &request.table)),
            Some(_) if !request.key.is_empty() => check_key(store, &request),
            _ => Ok(()),
        }?;
        Ok(Self {
            store,
            request,
            stop,
            progress,
            rows,
            columns: NewColumns::default(),
            commit: Commit::ByRows,
        })
    }

    /// Imports a file or stream, and every file inside an archive.
    ///
    /// `each` is told what became of each of them.
    pub fn import(&mut self, source: &Source, each: &mut dyn FnMut(&str, Result<Outcome>)) -> Result<()> {
        // Members that are done: opening an archive again passes over them.
        let mut done = 0;
        self.columns.clear();
        self.commit = if source.path().is_some() { Commit::ByRows } else { Commit::ByTime };
        loop {
            let mut place = 0;
            let visited = visit(source, self.progress, &mut |member| {
                place += 1;
                if place <= done {
                    return Ok(());
                }
                let name = member.name.clone();
                let result = self.member(member);
                match result {
                    Err(err) if err.is::<Widen>() || self.is_stopped() => return Err(err),
                    Ok(mut outcome) if outcome.error.is_some() && self.is_stopped() => {
                        let error = outcome.error.take();
                        each(&name, Ok(outcome));
                        return error.map_or(Ok(()), Err);
                    }
                    result => each(&name, result),
                }
                self.columns.clear();
                done += 1;
                Ok(())
            });
            match visited {
                Err(err) => match err.downcast::<Widen>() {
                    // Only a file asks for it: a stream could not be read again.
                    Ok(widen) => self.columns.widen(&widen.misfits),
                    Err(err) => return Err(err),
                },
                Ok(()) => return Ok(()),
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn member(&mut self, member: Member<'_>) -> Result<Outcome> {
        let name = member.name.clone();
        match member.content {
            Content::File(file) => self.parquet(&name, &member.file_name, file),
            Content::Stream(stream) => self.stream(&name, &member.file_name, stream),
        }
        .with_context(|| format!("cannot store '{name}'"))
    }

    fn stream(&mut self, name: &str, file_name: &str, mut stream: Box<dyn Read + '_>) -> Result<Outcome> {
        let layout = &self.request.layout;
        let start = read_start(&mut stream)?;
        let mut options = BlockOptions {
            encoding: layout.encoding.clone(),
            skip: layout.skip,
            footer: layout.footer,
            cut: Cut::Lines,
        };
        let text = start_text(&start, &options, self.stop);
        let format = match layout.format {
            Some(format) => format,
            None => sniff(&text, file_name)?,
        };
        if layout.needs_document(format) {
            return self.document(name, file_name, Box::new(Cursor::new(start).chain(stream)));
        }
        options.cut = cut(&self.request.layout, format, &text)?;
        let mut reader = BlockReader::new(Box::new(Cursor::new(start).chain(stream)), options, self.stop)?;
        let mut head = Vec::new();
        extend_head(&mut reader, &mut head, 1)?;
        refuse_stopped(Ok(()), self.stop)?;
        // What the first block does not settle, such as a timeframe or the order of day and month, the
        // whole head may.
        let first = if self.brings_columns() { None } else { self.bind(format, file_name, &head).ok() };
        let decoder = if let Some(decoder) = first.filter(|decoder| !decoder.needs_timeframe()) {
            decoder
        } else {
            extend_head(&mut reader, &mut head, HEAD_BYTES)?;
            refuse_stopped(Ok(()), self.stop)?;
            self.bind_whole(format, file_name, &head)?
        };
        self.run(name, &decoder, head, reader)
    }

    /// Binds an input by all of its head, with the columns that it brings and the timeframe that it shows.
    fn bind_whole(&mut self, format: Format, file_name: &str, head: &[Block]) -> Result<Decoder> {
        if self.brings_columns() {
            let mut fields = infer(&self.request.layout, &Input { format, file_name, head })?;
            if self.store.table(&self.request.table).is_some() {
                // Of a table that is there, only what no column takes is new.
                let unknown = self.bind(format, file_name, head)?.unknown().to_vec();
                fields.retain(|(header, _)| unknown.contains(header));
            }
            self.learn(&fields);
        }
        let mut decoder = self.bind(format, file_name, head)?;
        if decoder.needs_timeframe() {
            decoder.detect_timeframe(head)?;
        }
        Ok(decoder)
    }

    /// Whether the input's own fields decide columns of the table.
    pub(super) fn brings_columns(&self) -> bool {
        self.request.unknown_fields == Fields::Add || self.store.table(&self.request.table).is_none()
    }

    fn run(
        &mut self,
        name: &str,
        decoder: &Decoder,
        head: Vec<Block>,
        mut reader: BlockReader<'_>,
    ) -> Result<Outcome> {
        let mut notes = decoder.notes().to_vec();
        note_unknown(decoder.unknown(), &mut notes);
        let content = fingerprint::of_start(&head);
        let mut head = head.into_iter();
        let stop = self.stop;
        let mut writer = Writer::new(self, name, content)?;
        let result = pipeline::run(
            &mut || match head.next() {
                Some(block) => Ok(Some(block)),
                None => reader.next_block(),
            },
            &|block| decoder.decode(&block),
            &mut |decoded| writer.turn(decoded),
        );
        writer.finish(refuse_stopped(result, stop), notes)
    }

    fn parquet(&mut self, name: &str, file_name: &str, file: File) -> Result<Outcome> {
        let fingerprint = fingerprint::of_end(&file)?;
        let size = file.metadata()?.len();
        let file = ParquetFile::of(file)?;
        if self.brings_columns() {
            let mut fields = infer_parquet(&self.request.layout, &file, file_name)?;
            if let Some(table) = self.store.table(&self.request.table) {
                let known = ParquetDecoder::bind(table, &self.request.layout, file.reopen()?, file_name)?;
                fields.retain(|(header, _)| known.unknown().contains(header));
            }
            self.learn(&fields);
        }
        let mut decoder = ParquetDecoder::bind(&self.table()?, &self.request.layout, file, file_name)?;
        if decoder.needs_timeframe() {
            decoder.detect_timeframe()?;
        }
        let mut notes = decoder.notes().to_vec();
        note_unknown(decoder.unknown(), &mut notes);
        let stop = self.stop;
        let mut slices = 0..decoder.slices();
        let (progress, bytes) = (self.progress, size / decoder.slices().max(1));
        let mut writer = Writer::new(self, name, fingerprint)?;
        let result = pipeline::run(
            // A block stands for its slice; the decoder reads that from the file.
            &mut || {
                let slice = slices.next().filter(|_| !stop.load(Ordering::SeqCst));
                Ok(slice.map(|index| {
                    progress.add(bytes);
                    Block { index, ..Block::default() }
                }))
            },
            &|block| decoder.decode(block.index),
            &mut |decoded| writer.turn(decoded),
        );
        writer.finish(refuse_stopped(result, stop), notes)
    }

    fn bind(&self, format: Format, file_name: &str, head: &[Block]) -> Result<Decoder> {
        Decoder::bind(&self.table()?, &self.request.layout, &Input { format, file_name, head })
    }

    /// Returns the table with the columns that the current input adds or widens.
    pub(super) fn table(&self) -> Result<Table> {
        let Request { table: name, key, .. } = &self.request;
        let table = match self.store.table(name) {
            Some(table) => table.clone(),
            None => self.columns.new_table(name, key)?,
        };
        Ok(self.columns.apply(table))
    }

    fn learn(&mut self, fields: &[(String, Column)]) {
        self.columns.learn(&self.request.layout, fields, self.store.table(&self.request.table));
    }
}

/// Returns the start of an input as the reader will see it: in UTF-8, behind the skipped lines.
pub(super) fn start_text(start: &[u8], options: &BlockOptions, stop: &AtomicBool) -> Vec<u8> {
    let lines =
        BlockReader::new(Box::new(start), options.clone(), stop).and_then(|mut reader| reader.next_block());
    // What is no text may still be told by its bytes.
    lines.ok().flatten().map_or_else(|| start.to_vec(), |block| block.bytes)
}

/// Returns where the records of an input end.
pub(super) fn cut(layout: &Layout, format: Format, start: &[u8]) -> Result<Cut> {
    Ok(match format {
        Format::Ndjson => Cut::Lines,
        Format::Json => Cut::Elements { root: layout.root.clone() },
        Format::Csv => Cut::Csv { delimiter: delimiter(layout, start) },
        Format::Parquet => bail!(Failure::usage("it is not a Parquet file")),
    })
}

/// Reads blocks until the head has `bytes`, or all there is.
fn extend_head(reader: &mut BlockReader<'_>, head: &mut Vec<Block>, bytes: usize) -> Result<()> {
    while head.iter().map(|block| block.bytes.len()).sum::<usize>() < bytes {
        match reader.next_block()? {
            Some(block) => head.push(block),
            None => break,
        }
    }
    Ok(())
}

fn note_unknown(unknown: &[String], notes: &mut Vec<String>) {
    /// Fields named in a note; a file with thousands must not fill the screen.
    const NAMED: usize = 12;
    if unknown.is_empty() {
        return;
    }
    let names: Vec<_> = unknown.iter().take(NAMED).map(|name| format!("'{name}'")).collect();
    let more = match unknown.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    notes.push(format!("no column for {}{more}: left out, `--add-columns` adds them", names.join(", ")));
}

fn unknown_table(store: &Store, name: &str) -> anyhow::Error {
    let failure = Failure::usage(format!("cannot store into table '{name}': there is none"));
    match nearest(name, store.table_names()).first() {
        Some(near) => failure.hint(format!("`barn store {near}` stores into the table of that name")),
        None => failure.hint(format!("`barn store {name} FILE --key COLUMN --time COLUMN` makes it")),
    }
    .into()
}

fn check_key(store: &Store, request: &Request) -> Result<()> {
    let table = store.table(&request.table).context("cannot find the table")?;
    let names: Vec<&str> = table.key.iter().map(|column| column.name.as_str()).collect();
    if names != request.key {
        bail!(
            Failure::usage(format!(
                "cannot store into table '{}' with key {}: its key is {}",
                request.table,
                request.key.join(", "),
                names.join(", ")
            ))
            .hint("leave out `--key`, or choose another table")
        );
    }
    Ok(())
}

/// A reader that is stopped ends as if its input did; what it read must not be taken for the whole.
pub(super) fn refuse_stopped(result: Result<()>, stop: &AtomicBool) -> Result<()> {
    result.and_then(|()| Ok(go_on(stop)?))
}
