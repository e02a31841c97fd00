//! The transaction that publishes: files come into the manifest, and their rows leave the hot store.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use rusqlite::Connection;

use super::catalog::quoted;
use super::manifest::corrections_name;
use super::publish::{Publication, Published, TRIGGERS, row_key, stop, touched_name};
use super::sums::{self, HotRows};
use super::{ArchiveFile, DatasetRecord, Digest, Snapshot};
use crate::model::{Column, Table};

/// Does all that a publish does, within a transaction.
pub(super) fn publish(
    hot: &mut HotRows<'_>,
    snapshot: &Snapshot,
    publication: &Publication<'_>,
) -> Result<Published> {
    let (connection, table) = (hot.connection, publication.table);
    check_triggers(connection, table)?;
    insert_manifest(connection, &publication.files, (table, &publication.datasets))?;
    let mut touched = touched_keys(connection, table)?;
    let mut corrected = corrected(snapshot, publication, &touched)?;
    settle_sums(hot, snapshot, publication, &corrected)?;
    if table.ticks {
        // Nothing stands in the place of a tick: what came before the snapshot is archived, and leaves.
        for (series, ts, seq) in corrected.drain(..) {
            if let Some(keys) = touched.get_mut(&series) {
                keys.remove(&(ts, seq));
            }
        }
        touched.retain(|_, keys| !keys.is_empty());
    } else {
        insert_corrections(connection, table, &corrected)?;
    }
    stop(connection, table)?;
    let deleted = if publication.is_all && touched.is_empty() {
        // Without a condition SQLite frees whole pages.
        connection.execute(&format!("DELETE FROM {}", quoted(&table.name, "_rows")), [])? as u64
    } else {
        delete(connection, snapshot, publication, &touched)?
    };
    let stayed = corrected.len() as u64;
    if deleted + stayed != publication.rows {
        bail!("{} rows were archived, but {deleted} were found to leave the store", publication.rows);
    }
    Ok(Published { deleted, touched: stayed })
}

/// Takes the archived rows out of the sums of their series.
fn settle_sums(
    hot: &mut HotRows<'_>,
    snapshot: &Snapshot,
    publication: &Publication<'_>,
    corrected: &[(i64, i64, i64)],
) -> Result<()> {
    let table = publication.table;
    for (series, sum) in &publication.series {
        hot.sums.add(&table.name, *series, sum.wrapping_neg());
    }
    for &(series, ts, seq) in corrected {
        // The archived row is counted above, and was taken out when it was written over.
        let row = (sums::one_row(table), &[ts, seq][..]);
        hot.sums.add(&table.name, series, snapshot.sum(&table.name, series, row)?);
        if table.ticks {
            let leaves = sums::sum(hot.connection, hot.stored, series, row)?;
            hot.sums.add(&table.name, series, leaves.wrapping_neg());
        }
    }
    Ok(())
}

/// Another process may have copied the table into wider columns, and the triggers are gone with the old one.
pub(super) fn check_triggers(connection: &Connection, table: &Table) -> Result<()> {
    let names = TRIGGERS.map(|(suffix, _, _)| format!("{}{suffix}", table.name));
    let count: i64 = connection.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 AND name IN (?2, ?3, ?4)",
        [format!("{}_rows", table.name).as_str(), &names[0], &names[1], &names[2]],
        |row| row.get(0),
    )?;
    if count != 3 {
        bail!("another process changed the columns of the table meanwhile; the same command again goes on");
    }
    Ok(())
}

pub(super) fn insert_manifest(
    connection: &Connection,
    files: &[(ArchiveFile, Digest)],
    (table, datasets): (&Table, &[DatasetRecord]),
) -> Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO manifest (path, table_name, dataset, version, rows, ts_min, ts_max, series_min, series_max,
                               bytes, blake3, blocks, sum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    for (file, digest) in files {
        insert.execute(rusqlite::params![
            file.path,
            file.table,
            file.dataset,
            file.version,
            i64::try_from(file.rows)?,
            file.ts_min,
            file.ts_max,
            file.series_min,
            file.series_max,
            i64::try_from(file.bytes)?,
            digest.blake3,
            digest.blocks,
            sums::of_file(file, digest)?,
        ])?;
    }
    let mut upsert = connection.prepare_cached(
        "INSERT INTO dataset VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET version = excluded.version, columns = excluded.columns",
    )?;
    for dataset in datasets {
        upsert.execute((&table.name, &dataset.dataset, dataset.version, &dataset.columns))?;
    }
    Ok(())
}

/// The keys written since the triggers were there, by series: times, with the ordinals of ticks.
pub(super) type Touched = BTreeMap<i64, BTreeSet<(i64, i64)>>;

pub(super) fn touched_keys(connection: &Connection, table: &Table) -> Result<Touched> {
    let sql = format!("SELECT {} FROM {}", row_key(table).join(", "), touched_name(&table.name));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut touched = Touched::new();
    while let Some(row) = rows.next()? {
        let seq = if table.ticks { row.get(2)? } else { 0 };
        touched.entry(row.get(0)?).or_default().insert((row.get(1)?, seq));
    }
    Ok(touched)
}

/// Returns the touched keys of rows that are in the files: those that the snapshot had.
fn corrected(
    snapshot: &Snapshot,
    publication: &Publication<'_>,
    touched: &Touched,
) -> Result<Vec<(i64, i64, i64)>> {
    let table = publication.table;
    let archived: BTreeSet<i64> = publication.series.iter().map(|(series, _)| *series).collect();
    let mut corrected = Vec::new();
    for (series, keys) in touched.iter().filter(|(series, _)| archived.contains(series)) {
        let before = |ts: &i64| publication.until.is_none_or(|until| *ts < until);
        for (ts, seq) in keys.iter().filter(|(ts, _)| before(ts)) {
            if snapshot.was_archived(table, *series, (*ts, *seq))? {
                corrected.push((*series, *ts, *seq));
            }
        }
    }
    Ok(corrected)
}

fn insert_corrections(connection: &Connection, table: &Table, keys: &[(i64, i64, i64)]) -> Result<()> {
    let mut insert = connection.prepare_cached(&format!(
        "INSERT OR IGNORE INTO {} VALUES (?1, ?2)",
        corrections_name(&table.name)
    ))?;
    keys.iter().try_for_each(|(series, ts, _)| insert.execute((series, ts)).map(drop))?;
    Ok(())
}

/// Deletes the archived rows that nobody touched.
fn delete(
    connection: &Connection,
    snapshot: &Snapshot,
    publication: &Publication<'_>,
    touched: &Touched,
) -> Result<u64> {
    let table = publication.table;
    let rows = quoted(&table.name, "_rows");
    let only_final = snapshot.final_condition(table);
    let mut range = connection
        .prepare(&format!("DELETE FROM {rows} WHERE series = ?1 AND ts BETWEEN ?2 AND ?3{only_final}"))?;
    let mut one = connection.prepare(&format!(
        "DELETE FROM {rows} WHERE series = ?1 AND ts = ?2{}",
        if table.ticks { " AND seq = ?3" } else { " AND ?3 = -1" }
    ))?;
    let last = publication.until.map_or(i64::MAX, |until| until.saturating_sub(1));
    let mut stay: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for (series, ts) in snapshot.corrections(&table.name)? {
        stay.entry(series).or_default().insert(ts);
    }
    for (series, keys) in touched {
        stay.entry(*series).or_default().extend(keys.iter().map(|(ts, _)| *ts));
    }
    let mut deleted = 0;
    for (series, _) in &publication.series {
        let mut from = i64::MIN;
        for &ts in stay.get(series).into_iter().flatten().take_while(|ts| **ts <= last) {
            if from < ts {
                deleted += range.execute((series, from, ts - 1))?;
            }
            // Of ticks of a touched time only those that were touched stay.
            if table.ticks {
                for seq in snapshot.ordinals(table, *series, ts)? {
                    if !touched.get(series).is_some_and(|keys| keys.contains(&(ts, seq))) {
                        deleted += one.execute((series, ts, seq))?;
                    }
                }
            }
            from = ts.saturating_add(1);
        }
        if from <= last {
            deleted += range.execute((series, from, last))?;
        }
    }
    Ok(deleted as u64)
}

impl Snapshot {
    /// Returns the condition that a row can no longer change, with ` AND ` before it.
    fn final_condition(&self, table: &Table) -> &'static str {
        let is_final = |at: &usize| table.values.get(*at).is_some_and(Column::is_final);
        let has_final = self.present(&table.name).is_ok_and(|present| present.iter().any(is_final));
        if has_final { " AND \"final\" = 1" } else { "" }
    }

    /// Returns whether a row was there to be archived.
    fn was_archived(&self, table: &Table, series: i64, (ts, seq): (i64, i64)) -> Result<bool> {
        let seq_condition = if table.ticks { " AND seq = ?3" } else { " AND ?3 = 0" };
        let not_corrected = if table.ticks {
            String::new()
        } else {
            format!(
                " AND NOT EXISTS (SELECT 1 FROM {} WHERE series = ?1 AND ts = ?2)",
                corrections_name(&table.name)
            )
        };
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM {} WHERE series = ?1 AND ts = ?2{seq_condition}{}{not_corrected})",
            quoted(&table.name, "_rows"),
            self.final_condition(table)
        );
        self.with(|connection| {
            Ok(connection.prepare_cached(&sql)?.query_row((series, ts, seq), |row| row.get(0))?)
        })
    }

    /// Returns the ordinals of the ticks of a time.
    fn ordinals(&self, table: &Table, series: i64, ts: i64) -> Result<Vec<i64>> {
        let sql = format!("SELECT seq FROM {} WHERE series = ?1 AND ts = ?2", quoted(&table.name, "_rows"));
        self.with(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let ordinals = statement.query_map((series, ts), |row| row.get(0))?;
            Ok(ordinals.collect::<Result<_, _>>()?)
        })
    }
}
