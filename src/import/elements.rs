//! The records of a JSON document, one after the other, without holding the document.
//!
//! Only the structure is checked here, as far as finding the ends of values needs it; the records
//! themselves are parsed by the decoder.

use std::mem;

use anyhow::{Result, anyhow, bail};
use memchr::{memchr_iter, memchr2};

use super::block::MAX_RECORD_BYTES;
use super::json_path::{self, Step};
use crate::error::{Failure, visible};

/// Containers inside each other; as deep as `serde_json` follows, which parses the records.
const MAX_DEPTH: usize = 128;

/// Bytes of a key that is compared with the path; no longer key is looked for.
const MAX_KEY_BYTES: usize = 4096;

/// Records as the splitter found them.
pub(super) struct Records {
    /// The line of the first one.
    pub(super) first_line: u64,
    /// Their bytes, each with the line ends behind it, so that lines can be counted on.
    pub(super) bytes: Vec<u8>,
    /// Where each ends.
    pub(super) ends: Vec<usize>,
}

/// Splits a document that is fed to it piece by piece.
pub(super) struct Splitter {
    root: Option<String>,
    path: Vec<Step>,
    token: Token,
    expect: Expect,
    open: Vec<Container>,
    /// Leading containers of `open` that lie on the path.
    on_path: usize,
    /// The raw key being read, where it may be the next step.
    key: Option<Vec<u8>>,
    is_next_step: bool,
    target: Target,
    has_value: bool,
    /// Where the record that is being read begins in the piece.
    copied: Option<usize>,
    records: Records,
    record_line: u64,
    line: u64,
    /// The place in the piece up to which `line` counts.
    counted: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    None,
    Text,
    Escape,
    Word,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

#[derive(Clone, Copy)]
enum Container {
    Object,
    /// With the number of elements begun.
    Array(u64),
}

/// Which values are records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// Not found yet.
    Sought,
    /// All values below so many containers, until the innermost of them is closed.
    Elements(usize),
    /// One value below so many containers.
    Single(usize),
    /// Every value outside of any container.
    Documents,
    /// All were read.
    Passed,
}

impl Splitter {
    /// Starts a document whose records are at `root`, else at its top.
    pub(super) fn new(root: Option<&str>) -> Result<Self> {
        Ok(Self {
            root: root.map(str::to_owned),
            path: root.map(json_path::parse).transpose()?.unwrap_or_default(),
            token: Token::None,
            expect: Expect::Value,
            open: Vec::new(),
            on_path: 0,
            key: None,
            is_next_step: false,
            target: Target::Sought,
            has_value: false,
            copied: None,
            records: Records { first_line: 1, bytes: Vec::new(), ends: Vec::new() },
            record_line: 1,
            line: 1,
            counted: 0,
        })
    }

    /// Returns the bytes of the records found and of the one being read.
    pub(super) fn len(&self) -> usize {
        self.records.bytes.len()
    }

    /// Returns the whole records found since the last call, if there are any.
    pub(super) fn take(&mut self) -> Option<Records> {
        let end = *self.records.ends.last()?;
        let rest = Records {
            first_line: self.record_line,
            bytes: self.records.bytes.split_off(end),
            ends: Vec::new(),
        };
        Some(mem::replace(&mut self.records, rest))
    }

    /// Reads the next piece of the document, which begins on `line`; returns the line it ends on.
    pub(super) fn feed(&mut self, piece: &[u8], line: u64) -> Result<u64> {
        (self.line, self.counted) = (line, 0);
        let mut at = 0;
        while at < piece.len() {
            at = self.step(piece, at)?;
        }
        if let Some(from) = self.copied {
            self.copy(&piece[from..])?;
            self.copied = Some(0);
        }
        self.count_lines(piece, piece.len());
        Ok(self.line)
    }

    /// Checks that the document is whole.
    pub(super) fn finish(&mut self) -> Result<()> {
        if !self.open.is_empty() || matches!(self.token, Token::Text | Token::Escape) {
            bail!("line {}: the document is cut off", self.line);
        }
        match (&self.root, self.target) {
            (Some(root), Target::Sought) => {
                bail!(Failure::new(format!("the document has no value at '{root}'")))
            }
            _ => Ok(()),
        }
    }

    fn step(&mut self, piece: &[u8], at: usize) -> Result<usize> {
        match self.token {
            Token::None => {
                self.begin(piece, at)?;
                Ok(at + 1)
            }
            Token::Text => self.text(piece, at),
            Token::Escape => {
                self.note_key(&piece[at..=at]);
                self.token = Token::Text;
                Ok(at + 1)
            }
            Token::Word => {
                let end = piece[at..].iter().position(|byte| !is_word(*byte)).map(|offset| at + offset);
                if let Some(end) = end {
                    self.token = Token::None;
                    self.end_value(piece, end)?;
                }
                Ok(end.unwrap_or(piece.len()))
            }
        }
    }

    fn text(&mut self, piece: &[u8], at: usize) -> Result<usize> {
        let Some(offset) = memchr2(b'"', b'\\', &piece[at..]) else {
            self.note_key(&piece[at..]);
            return Ok(piece.len());
        };
        let end = at + offset + 1;
        self.note_key(&piece[at..end]);
        if piece[end - 1] == b'\\' {
            self.token = Token::Escape;
            return Ok(end);
        }
        self.token = Token::None;
        if self.expect == Expect::Colon {
            self.is_next_step = self.key.take().is_some_and(|raw| {
                let key = serde_json::from_slice::<String>(&raw);
                matches!((key, self.path.get(self.open.len() - 1)),
                    (Ok(key), Some(Step::Key(wanted))) if key == *wanted)
            });
        } else {
            self.end_value(piece, end)?;
        }
        Ok(end)
    }

    fn note_key(&mut self, raw: &[u8]) {
        if let Some(key) = &mut self.key {
            key.extend_from_slice(&raw[..raw.len().min(MAX_KEY_BYTES.saturating_sub(key.len()))]);
        }
    }

    /// Takes a byte outside of texts and words.
    fn begin(&mut self, piece: &[u8], at: usize) -> Result<()> {
        let byte = piece[at];
        match (self.expect, byte) {
            (_, b'\n') => self.keep_line_end(),
            (_, b' ' | b'\t' | b'\r') => {}
            (Expect::Value | Expect::ValueOrEnd, b'{' | b'[' | b'"') => self.begin_value(piece, at)?,
            (Expect::Value | Expect::ValueOrEnd, byte) if is_word(byte) => self.begin_value(piece, at)?,
            (Expect::Key | Expect::KeyOrEnd, b'"') => {
                let sought = self.target == Target::Sought && self.on_path == self.open.len();
                self.key = sought.then(|| vec![b'"']);
                self.token = Token::Text;
                self.expect = Expect::Colon;
            }
            (Expect::Colon, b':') => self.expect = Expect::Value,
            (Expect::CommaOrEnd, b',') => {
                self.expect = match self.open.last() {
                    Some(Container::Object) => Expect::Key,
                    _ => Expect::Value,
                };
            }
            (Expect::KeyOrEnd | Expect::CommaOrEnd, b'}')
                if matches!(self.open.last(), Some(Container::Object)) =>
            {
                self.close(piece, at)?;
            }
            (Expect::ValueOrEnd | Expect::CommaOrEnd, b']')
                if matches!(self.open.last(), Some(Container::Array(_))) =>
            {
                self.close(piece, at)?;
            }
            _ => return Err(self.unexpected(piece, at)),
        }
        Ok(())
    }

    fn unexpected(&mut self, piece: &[u8], at: usize) -> anyhow::Error {
        self.count_lines(piece, at);
        let found = piece[at..].utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
        let found = visible(&found.unwrap_or(char::REPLACEMENT_CHARACTER).to_string());
        let expected = match self.expect {
            Expect::Value if self.open.is_empty() && self.has_value => "nothing behind the document",
            Expect::Value => "a value",
            Expect::ValueOrEnd => "a value or ']'",
            Expect::Key => "a key",
            Expect::KeyOrEnd => "a key or '}'",
            Expect::Colon => "':'",
            Expect::CommaOrEnd if matches!(self.open.last(), Some(Container::Object)) => "',' or '}'",
            Expect::CommaOrEnd => "',' or ']'",
        };
        anyhow!("line {}: expected {expected}, found '{found}'", self.line)
    }

    fn begin_value(&mut self, piece: &[u8], at: usize) -> Result<()> {
        let byte = piece[at];
        let depth = self.open.len();
        let documents = self.target == Target::Documents;
        if depth == 0 && self.has_value && !(documents && byte == b'{') {
            return Err(self.unexpected(piece, at));
        }
        if depth == MAX_DEPTH && matches!(byte, b'{' | b'[') {
            self.count_lines(piece, at);
            bail!("line {}: the document is more than {MAX_DEPTH} levels deep", self.line);
        }
        self.has_value = true;
        let is_next_element =
            match (self.open.last_mut(), depth.checked_sub(1).and_then(|at| self.path.get(at))) {
                (Some(Container::Array(count)), step) => {
                    *count += 1;
                    matches!(step, Some(Step::Index(wanted)) if *wanted == *count - 1)
                }
                _ => false,
            };
        let is_step = mem::take(&mut self.is_next_step) || is_next_element || depth == 0;
        if self.target == Target::Sought && is_step && self.on_path == depth {
            if depth == self.path.len() {
                self.target = self.aim(byte, depth)?;
            } else if matches!(byte, b'{' | b'[') {
                self.on_path = depth + 1;
            }
        }
        if self.is_record(depth) {
            self.begin_record(piece, at);
        }
        match byte {
            b'{' => {
                self.open.push(Container::Object);
                self.expect = Expect::KeyOrEnd;
            }
            b'[' => {
                self.open.push(Container::Array(0));
                self.expect = Expect::ValueOrEnd;
            }
            b'"' => self.token = Token::Text,
            _ => self.token = Token::Word,
        }
        Ok(())
    }

    /// Returns what the value at the end of the path, which begins with `byte`, makes records.
    fn aim(&self, byte: u8, depth: usize) -> Result<Target> {
        match (byte, &self.root) {
            (b'[', _) => Ok(Target::Elements(depth + 1)),
            (b'{', Some(_)) => Ok(Target::Single(depth)),
            (b'{', None) => Ok(Target::Documents),
            (_, root) => {
                let place = root
                    .as_ref()
                    .map_or_else(|| "the document".into(), |root| format!("the value at '{root}'"));
                bail!(Failure::new(format!("{place} is neither an array nor an object")))
            }
        }
    }

    fn is_record(&self, depth: usize) -> bool {
        match self.target {
            Target::Elements(at) | Target::Single(at) => at == depth,
            Target::Documents => depth == 0,
            Target::Sought | Target::Passed => false,
        }
    }

    fn begin_record(&mut self, piece: &[u8], at: usize) {
        self.count_lines(piece, at);
        self.record_line = self.line;
        if self.records.ends.is_empty() {
            self.records.first_line = self.line;
        }
        self.copied = Some(at);
    }

    fn close(&mut self, piece: &[u8], at: usize) -> Result<()> {
        self.open.pop();
        self.on_path = self.on_path.min(self.open.len());
        if self.target == Target::Elements(self.open.len() + 1) {
            self.target = Target::Passed;
        }
        self.end_value(piece, at + 1)
    }

    fn end_value(&mut self, piece: &[u8], end: usize) -> Result<()> {
        let depth = self.open.len();
        self.expect = if depth == 0 { Expect::Value } else { Expect::CommaOrEnd };
        if self.is_record(depth)
            && let Some(from) = self.copied.take()
        {
            self.copy(&piece[from..end])?;
            self.records.ends.push(self.records.bytes.len());
            if matches!(self.target, Target::Single(_)) {
                self.target = Target::Passed;
            }
        }
        Ok(())
    }

    fn copy(&mut self, bytes: &[u8]) -> Result<()> {
        self.records.bytes.extend_from_slice(bytes);
        let start = self.records.ends.last().copied().unwrap_or(0);
        if self.records.bytes.len() - start > MAX_RECORD_BYTES {
            bail!("the record at line {} is longer than {} MiB", self.record_line, MAX_RECORD_BYTES >> 20);
        }
        Ok(())
    }

    /// Keeps a line end between records, so that whoever counts the lines of the records is right.
    fn keep_line_end(&mut self) {
        let between = self.copied.is_none() && self.target != Target::Passed;
        if between && let Some(end) = self.records.ends.last_mut() {
            self.records.bytes.push(b'\n');
            *end += 1;
        }
    }

    fn count_lines(&mut self, piece: &[u8], to: usize) {
        self.line += memchr_iter(b'\n', &piece[self.counted..to]).count() as u64;
        self.counted = to;
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

#[cfg(test)]
mod tests;
