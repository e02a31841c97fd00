//! Files of the archive that take the place of others, and rows that go, in one transaction.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::{Context as _, Result, bail};

use super::leave::{self, Touched};
use super::ledger::LedgerKey;
use super::manifest::{corrections_name, has_table};
use super::sums::{self, HotRows};
use super::{ArchiveFile, Coverage, DatasetRecord, Digest, State, Store};
use crate::model::time::now;
use crate::model::{Span, Table};

/// What a replacement makes true.
pub struct Replacement<'a> {
    /// The table, to which writes are noted since before its files were read.
    pub table: &'a Table,
    /// Files that leave the manifest.
    pub old: Vec<&'a ArchiveFile>,
    /// Files that come for them, which lie at their places.
    pub new: Vec<(ArchiveFile, Digest)>,
    /// How the columns of their datasets lie.
    pub datasets: Vec<DatasetRecord>,
    /// Hot rows, by series and time, that are in the files now.
    pub merged: Vec<(i64, i64)>,
    /// Hot rows, by series and time, that correct no archived row.
    pub unmarked: Vec<(i64, i64)>,
    /// Hot rows that go.
    pub leaving: Leaving<'a>,
    /// Series, and times within which rows go with the old files.
    pub changed: Vec<(i64, Span)>,
    /// Ranges of the ledger in which rows go.
    pub ledger: Vec<(LedgerKey, Span)>,
    /// What the ledger says of them then; `None` for nothing.
    pub state: Option<State>,
}

/// Hot rows that go.
pub enum Leaving<'a> {
    /// By series, these times and ordinals.
    Keys(&'a HashMap<i64, BTreeSet<(i64, i64)>>),
    /// All before a time.
    Before {
        /// Of these series.
        series: Vec<i64>,
        /// The first time that stays.
        before: i64,
    },
}

/// What became of hot rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Rows that are in files now.
    pub merged: u64,
    /// Rows that are gone.
    pub dropped: u64,
}

/// The files that the database knows, by their paths below the folder of the archive.
pub struct KnownFiles {
    /// Those of the manifest.
    pub manifest: Vec<String>,
    /// Those, and the ones that come or go.
    pub all: HashSet<String>,
}

impl Store {
    /// Lets files take the place of others, and rows go. What others wrote meanwhile stays.
    ///
    /// Fails, and changes nothing, where an old file is not in the manifest any more.
    pub fn replace(&mut self, replacement: &Replacement<'_>) -> Result<Replaced> {
        let table = &replacement.table.name;
        self.in_transaction(|store| {
            let replaced = replace(&mut store.hot_rows(table)?, replacement)
                .with_context(|| format!("cannot replace archived files of table '{table}'"))?;
            for (key, span) in &replacement.ledger {
                match replacement.state {
                    Some(state) => {
                        let coverage = Coverage { span: *span, state, rows: 0, fetched_at: now() };
                        store.cover(key, &coverage)?;
                    }
                    None => store.uncover(key, *span)?,
                }
            }
            if let Leaving::Keys(keys) = &replacement.leaving {
                for (series, keys) in *keys {
                    let ends = keys.first().zip(keys.last());
                    let span = ends.and_then(|(first, last)| Span::new(first.0, last.0.saturating_add(1)));
                    span.map_or(Ok(()), |span| store.note_change(table, *series, span))?;
                }
            }
            for (series, span) in &replacement.changed {
                store.note_change(table, *series, *span)?;
            }
            store.is_changed = true;
            Ok(replaced)
        })
    }

    /// Returns the files that others took the place of before a time; never one of the manifest, whatever a damaged
    /// database says.
    pub fn superseded(&self, before: i64) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare(
            "SELECT path FROM superseded WHERE at <= ?1 AND path NOT IN (SELECT path FROM manifest)",
        )?;
        let paths = statement.query_map([before], |row| row.get(0))?.collect::<Result<_, _>>();
        paths.context("cannot read the manifest of the archive")
    }

    /// Forgets files that are gone.
    pub fn forget_superseded(&mut self, paths: &[String]) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        self.in_transaction(|store| {
            let mut delete = store.connection.prepare_cached("DELETE FROM superseded WHERE path = ?1")?;
            paths.iter().try_for_each(|path| delete.execute([path]).map(drop))?;
            Ok(())
        })
        .context("cannot forget files of the archive")
    }

    /// Returns the files that the database knows.
    pub fn known_files(&self) -> Result<KnownFiles> {
        let read = |table: &str| -> Result<Vec<String>> {
            // A store of an older format that is only read has none.
            if !has_table(&self.connection, table)? {
                return Ok(Vec::new());
            }
            let mut statement = self.connection.prepare(&format!("SELECT path FROM {table}"))?;
            let paths = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>();
            paths.context("cannot read the manifest of the archive")
        };
        let manifest = read("manifest")?;
        let mut all: HashSet<String> = manifest.iter().cloned().collect();
        all.extend(read("superseded")?);
        all.extend(read("publishing")?);
        Ok(KnownFiles { manifest, all })
    }
}

fn replace(hot: &mut HotRows<'_>, replacement: &Replacement<'_>) -> Result<Replaced> {
    let (connection, table) = (hot.connection, replacement.table);
    leave::check_triggers(connection, table)?;
    let mut delete = connection.prepare_cached("DELETE FROM manifest WHERE id = ?1 AND path = ?2")?;
    let mut bury = connection.prepare_cached("INSERT INTO superseded VALUES (?1, ?2)")?;
    for file in &replacement.old {
        if delete.execute((file.id, &file.path))? != 1 {
            bail!("'{}' is not in the manifest any more", file.path);
        }
        bury.execute((&file.path, now()))?;
    }
    leave::insert_manifest(connection, &replacement.new, (table, &replacement.datasets))?;
    let mut forget =
        connection.prepare_cached("DELETE FROM publishing WHERE table_name = ?1 AND path <> ''")?;
    forget.execute([&table.name])?;
    let touched = leave::touched_keys(connection, table)?;
    let mut replaced = Replaced::default();
    if !table.ticks && has_table(connection, &format!("{}_corrections", table.name))? {
        replaced.merged = settle(hot, &replacement.merged, Some(&touched))?;
        settle(hot, &replacement.unmarked, None)?;
    }
    replaced.dropped = drop_rows(hot, &replacement.leaving, &touched)?;
    Ok(replaced)
}

/// Takes the marks from hot rows that correct archived ones, and the rows too where what was `touched` is given.
fn settle(hot: &mut HotRows<'_>, keys: &[(i64, i64)], touched: Option<&Touched>) -> Result<u64> {
    let name = corrections_name(&hot.stored.table.name);
    let mut unmark =
        hot.connection.prepare_cached(&format!("DELETE FROM {name} WHERE series = ?1 AND ts = ?2"))?;
    let mut rows = 0;
    for (series, ts) in keys {
        let is_touched = |touched: &Touched| touched.get(series).is_some_and(|keys| keys.contains(&(*ts, 0)));
        if touched.is_some_and(is_touched) {
            continue;
        }
        unmark.execute((series, ts))?;
        if touched.is_some() {
            rows += hot.delete(*series, ("ts = ?2", &[*ts]))?;
        }
    }
    Ok(rows)
}

fn drop_rows(hot: &mut HotRows<'_>, leaving: &Leaving<'_>, touched: &Touched) -> Result<u64> {
    let (connection, table) = (hot.connection, &hot.stored.table);
    let has_marks = !table.ticks && has_table(connection, &format!("{}_corrections", table.name))?;
    let unmark = |condition: &str| {
        let sql = format!("DELETE FROM {} WHERE series = ?1 AND {condition}", corrections_name(&table.name));
        has_marks.then(|| connection.prepare_cached(&sql)).transpose()
    };
    let (mut dropped, mut corrected) = (0_u64, 0);
    match leaving {
        Leaving::Before { series, before } => {
            let mut unmark = unmark("ts < ?2")?;
            for series in series {
                dropped += hot.delete(*series, ("ts < ?2", &[*before]))?;
                if let Some(unmark) = &mut unmark {
                    corrected += unmark.execute((series, before))? as u64;
                }
            }
        }
        Leaving::Keys(keys) => {
            let condition = sums::one_row(table);
            let mut unmark = unmark("ts = ?2")?;
            for (series, keys) in *keys {
                let stays = touched.get(series);
                for (ts, seq) in keys.iter().filter(|key| stays.is_none_or(|stays| !stays.contains(key))) {
                    dropped += hot.delete(*series, (condition, &[*ts, *seq]))?;
                    if let Some(unmark) = &mut unmark {
                        corrected += unmark.execute((series, ts))? as u64;
                    }
                }
            }
        }
    }
    // A correction and the row it corrects are one row, which the archive counts.
    Ok(dropped.saturating_sub(corrected))
}
