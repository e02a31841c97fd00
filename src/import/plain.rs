//! Reading an input as it is, for a conversion: passes over all of its rows, in their order.

use std::io::{self, Cursor, Read};
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result, bail};

use super::archive::{Content, Member, visit};
use super::block::{BlockOptions, BlockReader, Cut, read_start};
use super::input::{Opened, Source};
use super::progress::Progress;
use super::session::{cut, refuse_stopped, start_text};
use crate::decode::{
    Block, Decoded, Format, Layout, PlainDecoder, PlainInput, PlainSeen, plain_parquet, sniff,
};
use crate::error::Failure;
use crate::frame::{Frame, ParquetFile};
use crate::model::Column;
use crate::pipeline;

/// An input that is read several times, always alike.
pub struct Plain<'s> {
    source: Source,
    /// What came through a pipe, as long as it is read.
    _kept: Option<tempfile::NamedTempFile>,
    stop: &'s AtomicBool,
    columns: Vec<Column>,
    /// The decoder of text; Parquet has its own.
    text: Option<PlainDecoder>,
}

impl<'s> Plain<'s> {
    /// Looks at all of an input to find the types of its columns.
    ///
    /// Fails if it holds several files.
    pub fn open(source: Source, progress: &Progress, stop: &'s AtomicBool) -> Result<Self> {
        let (source, kept) = keep(source)?;
        let mut plain = Self { source, _kept: kept, stop, columns: Vec::new(), text: None };
        let mut found = None;
        plain.pass(progress, &mut |member| {
            found = Some(match member.content {
                Content::File(file) => (plain_parquet(ParquetFile::of(file)?, &member.file_name)?.1, None),
                Content::Stream(stream) => {
                    let decoder = survey(stream, &member.file_name, stop)?;
                    (decoder.columns().to_vec(), Some(decoder))
                }
            });
            Ok(())
        })?;
        (plain.columns, plain.text) = found.context("it holds no file")?;
        Ok(plain)
    }

    /// Returns the columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Decodes all rows in parallel, gives them to `work` there, and the results to `consume` in input order.
    ///
    /// Fails at the first record that is none.
    pub fn each<T: Send>(
        &self,
        progress: &Progress,
        work: &(dyn Fn(Frame) -> Result<T> + Sync),
        consume: &mut (dyn FnMut(T) -> Result<()> + Send),
    ) -> Result<()> {
        self.pass(progress, &mut |member| {
            let mut consume = |result: Option<T>| result.map_or(Ok(()), &mut *consume);
            let result = match (member.content, &self.text) {
                (Content::Stream(stream), Some(decoder)) => {
                    let (_, mut reader) = blocks(stream, &member.file_name, self.stop)?;
                    let work = |block: Block| work(whole(decoder.decode(&block))?);
                    pipeline::run(&mut || reader.next_block(), &work, &mut consume)
                }
                (Content::File(file), None) => {
                    let (decoder, _) = plain_parquet(ParquetFile::of(file)?, &member.file_name)?;
                    let mut slices = 0..decoder.slices();
                    let work = |slice: u64| work(whole(decoder.decode(slice)?)?);
                    let is_stopped = || self.stop.load(std::sync::atomic::Ordering::SeqCst);
                    pipeline::run(&mut || Ok(slices.next().filter(|_| !is_stopped())), &work, &mut consume)
                }
                _ => bail!("it changed while it was read"),
            };
            refuse_stopped(result, self.stop)
        })
    }

    /// Calls `each` with the one file of the input.
    fn pass(&self, progress: &Progress, each: &mut dyn FnMut(Member<'_>) -> Result<()>) -> Result<()> {
        let mut count = 0;
        visit(&self.source, progress, &mut |member| {
            count += 1;
            if count > 1 {
                bail!(Failure::new("it holds several files, and one Parquet file takes one"));
            }
            each(member)
        })
    }
}

/// Keeps what can be read only once in a temporary file.
fn keep(source: Source) -> Result<(Source, Option<tempfile::NamedTempFile>)> {
    let mut stream = match source.open()? {
        Opened::File(_) => return Ok((source, None)),
        Opened::Stream(stream) => stream,
    };
    let mut file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    io::copy(&mut stream, &mut file).context("cannot keep it in a temporary file")?;
    Ok((source.kept(file.path()), Some(file)))
}

/// Starts reading the blocks of a text.
fn blocks<'a>(
    mut stream: Box<dyn Read + 'a>,
    file_name: &str,
    stop: &'a AtomicBool,
) -> Result<(Format, BlockReader<'a>)> {
    let start = read_start(&mut stream)?;
    let mut options = BlockOptions { encoding: None, skip: 0, footer: 0, cut: Cut::Lines };
    let text = start_text(&start, &options, stop);
    let format = sniff(&text, file_name)?;
    options.cut = cut(&Layout::default(), format, &text)?;
    Ok((format, BlockReader::new(Box::new(Cursor::new(start).chain(stream)), options, stop)?))
}

/// Finds the types of the fields of a text.
fn survey(stream: Box<dyn Read + '_>, file_name: &str, stop: &AtomicBool) -> Result<PlainDecoder> {
    let (format, mut reader) = blocks(stream, file_name, stop)?;
    let mut first = reader.next_block()?;
    let input = PlainInput::new(format, file_name, &first.clone().unwrap_or_default())?;
    let mut seen = PlainSeen::default();
    let result = pipeline::run(
        &mut || first.take().map_or_else(|| reader.next_block(), |block| Ok(Some(block))),
        &|block| Ok(input.look(&block)),
        &mut |part| {
            seen.add(part.unwrap_or_default());
            Ok(())
        },
    );
    refuse_stopped(result, stop)?;
    input.decoder(&seen)
}

/// Returns the rows of a block, all of which must be some.
fn whole(decoded: Decoded) -> Result<Frame> {
    match decoded.rejects.first() {
        Some(reject) => bail!(Failure::new(format!("line {}: {}", reject.line, reject.reason))),
        None => Ok(decoded.frame),
    }
}
