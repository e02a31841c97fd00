//! Writes the rows of a dataset and a period into one file, in constant memory.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

use anyhow::{Context as _, Result};
use arrow::array::ArrayRef;

use super::columns::{Column, constant};
use super::encode::{ColumnSize, Encoder, FileColumn};
use super::hash::Hashing;
use super::narrow::Physical;
use super::rows::{Cells, Period, Source};
use crate::error::go_on;
use crate::fs::{NewFile, fault};
use crate::model::{Value, ValueRef};
use crate::store::{Digest, Resume, SeriesEntry};

/// Rows of a row group at most. Large groups share dictionaries: 505 daily stocks take 13.55 bytes a row at
/// 122,880 and 12.25 at this; small ones skip no more, since pages are skipped too.
pub(super) const GROUP_ROWS: usize = 1 << 20;

/// Bytes of a row group before it is encoded, which bounds the memory of writers and readers.
pub(super) const GROUP_BYTES: usize = 64 << 20;

/// What a file is made of.
pub(super) struct Content<'a> {
    pub(super) rows: &'a dyn Source,
    /// The series of the dataset that have rows.
    pub(super) series: &'a [SeriesEntry],
    /// The columns of the file in their order.
    pub(super) columns: &'a [FileColumn],
    pub(super) period: Period,
    pub(super) level: Option<i32>,
}

/// Where reading goes on: in which series, behind which row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) series: usize,
    pub(super) behind: Option<Resume>,
}

/// A row group, and where its rows begin in the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) start: Place,
    pub(super) rows: usize,
}

/// A file as it was written.
pub(super) struct Written {
    pub(super) groups: Vec<Group>,
    pub(super) rows: u64,
    pub(super) ts: (i64, i64),
    /// The places of the first and the last series.
    pub(super) series: (usize, usize),
    pub(super) bytes: u64,
    pub(super) digest: Digest,
    pub(super) sizes: Vec<ColumnSize>,
}

/// Where a column of a file comes from.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    /// The key column at this place.
    Key(usize),
    Ts,
    Seq,
    /// The cell at this place of a row.
    Cell(usize),
    /// The value column at this place, which no row has.
    Absent(usize),
}

impl Content<'_> {
    /// Returns where each column comes from.
    pub(super) fn origins(&self) -> Vec<Origin> {
        let table = self.rows.table();
        let origin = |column: &FileColumn| {
            if let Some(at) = table.key_index(&column.name) {
                Origin::Key(at)
            } else if let Some(at) = table.value_index(&column.name) {
                let place = self.rows.cells().iter().position(|present| *present == at);
                place.map_or(Origin::Absent(at), Origin::Cell)
            } else if column.name == "seq" {
                Origin::Seq
            } else {
                Origin::Ts
            }
        };
        self.columns.iter().map(origin).collect()
    }

    /// Writes the file at `path`, which must not exist, and makes it durable; `None` where there are no rows.
    pub(super) fn write(
        &self,
        path: &Path,
        (done, stop): (&AtomicU64, &std::sync::atomic::AtomicBool),
    ) -> Result<Option<Written>> {
        let file = Hashing::new(NewFile::create(path)?);
        let mut encoder = self.encoder(file)?;
        let (mut groups, mut written) = (Vec::new(), Extent::default());
        // One group is read while the last is encoded; a third would only take memory.
        let (sender, receiver) = sync_channel::<Built>(0);
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || {
                self.read(&mut |built| {
                    // The writer has failed, and says why.
                    Ok(if sender.send(built).is_ok() {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    })
                })
            });
            let mut encode = || -> Result<()> {
                for built in &receiver {
                    go_on(stop)?;
                    encoder.write(&built.arrays)?;
                    fault::point("write.group");
                    done.fetch_add(built.group.rows as u64, Ordering::Relaxed);
                    written.add(&built);
                    groups.push(built.group);
                }
                Ok(())
            };
            let outcome = encode();
            drop(receiver);
            let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome.and(read)
        })?;
        let (file, sizes) = encoder.finish()?;
        let (file, bytes, digest) = file.finish();
        file.sync()?;
        let Some((ts, series)) = written.ends() else { return Ok(None) };
        let rows = groups.iter().map(|group: &Group| group.rows as u64).sum();
        Ok(Some(Written { groups, rows, ts, series, bytes, digest, sizes }))
    }

    fn encoder<W: Write + Send>(&self, out: W) -> Result<Encoder<W>> {
        let table = self.rows.table();
        let sorted =
            self.columns.iter().take_while(|column| table.value_index(&column.name).is_none()).count();
        let mut encoder = Encoder::new(out, self.columns.to_vec(), sorted, self.level)?;
        encoder.note("barn.table", table.name.clone());
        Ok(encoder)
    }

    /// Encodes the first rows in memory and returns how many they are and what their columns take.
    pub(super) fn sample(&self, rows: usize) -> Result<(u64, Vec<ColumnSize>)> {
        let mut first = None;
        self.read_groups(rows, &mut |built| {
            first = Some(built);
            Ok(ControlFlow::Break(()))
        })?;
        let first = first.context("there is no row to take a sample of")?;
        let mut encoder = self.encoder(std::io::sink())?;
        encoder.write(&first.arrays)?;
        Ok((first.group.rows as u64, encoder.finish()?.1))
    }

    fn read(&self, each: &mut dyn FnMut(Built) -> Result<ControlFlow<()>>) -> Result<()> {
        self.read_groups(GROUP_ROWS, each)
    }

    /// Reads the rows in groups of at most `most` rows.
    fn read_groups(&self, most: usize, each: &mut dyn FnMut(Built) -> Result<ControlFlow<()>>) -> Result<()> {
        let mut builder = Builder::new(self, most, Place::default());
        let (mut reader, mut is_ended) = (self.rows.reader(), false);
        for (at, entry) in self.series.iter().enumerate() {
            builder.enter(at, entry);
            reader.visit(entry, self.period, None, &mut |resume, row| {
                if builder.is_full() {
                    let place = Place { series: at, behind: builder.last_in(at) };
                    let fresh = Builder::new(self, most, place);
                    let full = std::mem::replace(&mut builder, fresh);
                    builder.enter(at, entry);
                    is_ended = each(full.finish()?)?.is_break();
                    if is_ended {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                builder.push(resume, row)?;
                Ok(ControlFlow::Continue(()))
            })?;
            if is_ended {
                return Ok(());
            }
            builder.leave()?;
        }
        if builder.rows > 0 {
            // Whether more are wanted does not matter any more.
            each(builder.finish()?).map(|_| ())?;
        }
        Ok(())
    }
}

/// A row group as it was read.
struct Built {
    arrays: Vec<ArrayRef>,
    group: Group,
    ts: (i64, i64),
    series: (usize, usize),
}

/// The times and series of what was written.
#[derive(Default)]
struct Extent(Option<((i64, i64), (usize, usize))>);

impl Extent {
    fn add(&mut self, built: &Built) {
        let (ts, series) = self.0.unwrap_or((built.ts, built.series));
        self.0 = Some((
            (ts.0.min(built.ts.0), ts.1.max(built.ts.1)),
            (series.0.min(built.series.0), series.1.max(built.series.1)),
        ));
    }

    fn ends(&self) -> Option<((i64, i64), (usize, usize))> {
        self.0
    }
}

/// Collects the rows of a row group.
struct Builder<'c> {
    content: &'c Content<'c>,
    columns: Vec<Column>,
    origins: Vec<Origin>,
    start: Place,
    most: usize,
    rows: usize,
    width: usize,
    text: usize,
    ts: (i64, i64),
    /// The first and the last series with a row.
    series: Option<(usize, usize)>,
    /// The series that is read, the rows of it that were pushed, and the last of them.
    entry: Option<(usize, &'c SeriesEntry)>,
    pending: usize,
    last: Option<Resume>,
    /// The bytes of text in its key, which each of its rows repeats.
    key_text: usize,
}

impl<'c> Builder<'c> {
    fn new(content: &'c Content<'c>, most: usize, start: Place) -> Self {
        let columns = content.columns.iter().map(|column| Column::new(column.physical)).collect();
        let width = content.columns.iter().map(|column| column.physical.width()).sum();
        Self {
            content,
            columns,
            origins: content.origins(),
            start,
            most,
            rows: 0,
            width,
            text: 0,
            ts: (i64::MAX, i64::MIN),
            series: None,
            entry: None,
            pending: 0,
            last: None,
            key_text: 0,
        }
    }

    fn enter(&mut self, at: usize, entry: &'c SeriesEntry) {
        self.entry = Some((at, entry));
        (self.pending, self.last) = (0, None);
        let text = |origin: &Origin| match origin {
            Origin::Key(place) => match &entry.key.0[*place] {
                Value::Text(text) => text.len(),
                _ => 0,
            },
            _ => 0,
        };
        self.key_text = self.origins.iter().map(text).sum();
    }

    /// Returns the last row of a series that is still being read.
    fn last_in(&self, at: usize) -> Option<Resume> {
        self.last.filter(|_| self.entry.is_some_and(|(series, _)| series == at))
    }

    fn is_full(&self) -> bool {
        // The key of the series that is read is written when it ends, and is usually short. One that is not would
        // not fit into a column: 2^31 bytes are the most.
        let has_long_key = self.pending * self.key_text >= GROUP_BYTES;
        self.rows >= self.most || self.rows * self.width + self.text >= GROUP_BYTES || has_long_key
    }

    fn push(&mut self, at: Resume, row: &dyn Cells) -> Result<()> {
        for (column, origin) in self.columns.iter_mut().zip(&self.origins) {
            let value = match *origin {
                Origin::Cell(place) => row.get(place)?,
                Origin::Ts => ValueRef::Timestamp(at.ts),
                Origin::Seq => ValueRef::Bigint(at.seq),
                Origin::Key(_) | Origin::Absent(_) => continue,
            };
            if let ValueRef::Text(text) = value {
                self.text += text.len();
            }
            column.push(value)?;
        }
        self.rows += 1;
        self.pending += 1;
        self.ts = (self.ts.0.min(at.ts), self.ts.1.max(at.ts));
        self.last = Some(at);
        Ok(())
    }

    /// Writes the key of the series that was read beside its rows.
    fn leave(&mut self) -> Result<()> {
        let Some((at, entry)) = self.entry else { return Ok(()) };
        if self.pending == 0 {
            return Ok(());
        }
        for (column, origin) in self.columns.iter_mut().zip(&self.origins) {
            if let Origin::Key(place) = origin {
                column.repeat(entry.key.0[*place].as_ref(), self.pending)?;
            }
        }
        self.text += self.key_text * self.pending;
        self.series = Some((self.series.map_or(at, |(first, _)| first), at));
        self.pending = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<Built> {
        self.leave()?;
        let table = self.content.rows.table();
        let rows = self.rows;
        let arrays = self
            .columns
            .into_iter()
            .zip(&self.origins)
            .zip(self.content.columns)
            .map(|((column, origin), file)| match origin {
                Origin::Absent(at) => constant(file.physical, &table.values[*at].default, rows),
                _ => Ok(column.finish()),
            })
            .collect::<Result<_>>()?;
        let series = self.series.context("a row group has rows")?;
        Ok(Built { arrays, group: Group { start: self.start, rows }, ts: self.ts, series })
    }
}

/// Returns whether a column's values are looked for one by one.
pub(super) fn is_sought(physical: Physical, is_key: bool) -> bool {
    is_key && physical == Physical::Text
}

#[cfg(test)]
mod tests {
    use super::super::rows::Reader;
    use super::*;
    use crate::model::{SeriesKey, Table, TableText};
    use crate::store::Snapshot;

    /// Rows that are not read.
    struct Unread(Table);

    impl Source for Unread {
        fn snapshot(&self) -> &Snapshot {
            unreachable!("nothing is read")
        }

        fn table(&self) -> &Table {
            &self.0
        }

        fn cells(&self) -> &[usize] {
            &[]
        }

        fn all(&self) -> Period {
            Period { since: None, until: None }
        }

        fn is_seekable(&self) -> bool {
            true
        }

        fn reader(&self) -> Box<dyn Reader + '_> {
            unreachable!("nothing is read")
        }
    }

    /// The values of a row without any.
    struct NoCells;

    impl Cells for NoCells {
        fn get(&self, _: usize) -> Result<ValueRef<'_>> {
            Ok(ValueRef::Null)
        }
    }

    /// Returns the rows of one series that come into a group of at most `most`, by the length of its key.
    fn rows_of_a_group(key_bytes: usize, most: usize) -> usize {
        let text = TableText { key: vec!["name text".to_owned()], ..TableText::default() };
        let rows = Unread(Table::parse("things", &text).unwrap());
        let column = |name: &str, physical| FileColumn {
            name: name.to_owned(),
            physical,
            nullable: false,
            is_sought: false,
        };
        let columns = [column("name", Physical::Text), column("ts", Physical::Timestamp)];
        let key = SeriesKey([Value::Text("k".repeat(key_bytes).into())].into());
        let series = [SeriesEntry { id: 1, key }];
        let period = rows.all();
        let content = Content { rows: &rows, series: &series, columns: &columns, period, level: None };
        let mut builder = Builder::new(&content, most, Place::default());
        builder.enter(0, &series[0]);
        let mut ts = 0;
        while !builder.is_full() {
            builder.push(Resume { ts, seq: 0 }, &NoCells).unwrap();
            ts += 1;
        }
        builder.finish().unwrap().group.rows
    }

    #[test]
    fn a_group_ends_before_the_text_of_a_long_key_is_too_much() {
        assert_eq!(rows_of_a_group(16 << 20, GROUP_ROWS), 4);
        assert_eq!(rows_of_a_group(1 << 20, GROUP_ROWS), 64);
        // Not for keys as they are.
        assert_eq!(rows_of_a_group(20, 10_000), 10_000);
    }
}
