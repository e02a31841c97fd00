//! Importing a JSON document whole: where its records lie inside each other, or its columns are arrays.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Result, bail};

use super::fingerprint;
use super::session::{Outcome, Session};
use super::text::{Text, TextError, encoding};
use super::writer::Writer;
use crate::decode::{Block, BodyDecoder, Given};
use crate::error::{Failure, go_on};
use crate::model::time;

/// Bytes of a document: it is held in memory beside its rows.
const MAX_DOCUMENT_BYTES: usize = 1 << 30;

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

impl Session<'_> {
    /// Imports a document whose rows show only when all of it is there.
    pub(super) fn document(
        &mut self,
        name: &str,
        file_name: &str,
        stream: Box<dyn Read + '_>,
    ) -> Result<Outcome> {
        if self.brings_columns() {
            bail!(Failure::usage(
                "cannot make columns of a document whose records lie inside each other: declare the table in barn.toml"
            ));
        }
        let body = self.read_document(stream)?;
        let decoder = BodyDecoder::bind_named(&self.table()?, &self.request.layout, file_name)?;
        let mut values = BTreeMap::from([("source".to_owned(), "file".to_owned())]);
        let now = time::now();
        let mut notes = Vec::new();
        if let Some(timeframe) = decoder.detect_timeframe(&body, &Given { values: &values, now })? {
            values.insert("timeframe".to_owned(), timeframe.to_string());
            notes.push(format!("timeframe {timeframe}"));
        }
        let rows = decoder.decode(&body, &Given { values: &values, now })?.decoded;
        let content = fingerprint::of_start(&[Block { bytes: body, ..Block::default() }]);
        let mut writer = Writer::new(self, name, content)?;
        let written = writer.turn(Some(rows));
        writer.finish(written, notes)
    }

    fn read_document(&self, stream: Box<dyn Read + '_>) -> Result<Vec<u8>> {
        let declared = self.request.layout.encoding.as_deref().map(encoding).transpose()?;
        let mut text = Text::new(stream, declared);
        let mut body = Vec::new();
        while text.fill(&mut body, READ_BYTES).map_err(refused)? {
            go_on(self.stop)?;
            if body.len() > MAX_DOCUMENT_BYTES {
                bail!(Failure::new(
                    "it is over 1 GiB, and its layout needs the whole document at once; split it into several"
                ));
            }
        }
        Ok(body)
    }
}

fn refused(err: TextError) -> anyhow::Error {
    match err {
        TextError::Io(err) => err.into(),
        TextError::NotUtf8 => Failure::new("it is not valid UTF-8").into(),
        TextError::Malformed(encoding) => Failure::new(format!("it is not valid {encoding}")).into(),
        TextError::Binary => Failure::new("it has a NUL byte, so it is not text").into(),
    }
}
