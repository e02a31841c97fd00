//! The manifest: which Parquet files belong to the store, how the columns of each dataset lie in them, and
//! which hot rows stand in the place of an archived one.

use anyhow::{Context as _, Result};
use rusqlite::{Connection, Row as SqlRow};

use super::catalog::quoted;
use super::{Snapshot, open};

/// A Parquet file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFile {
    /// Its number in the manifest; 0 before it is published.
    pub id: i64,
    /// Its path below the folder `archive`.
    pub path: String,
    /// The table whose rows it holds.
    pub table: String,
    /// The folders of its dataset, such as `source=binance/timeframe=1m`; empty where the table has none.
    pub dataset: String,
    /// The version of the dataset's column types that it was written with.
    pub version: i64,
    /// The number of rows, at least one.
    pub rows: u64,
    /// The time of the earliest row.
    pub ts_min: i64,
    /// The time of the latest row.
    pub ts_max: i64,
    /// The first series in the order of the keys, encoded by [`crate::model::SeriesKey::encode`].
    pub series_min: Vec<u8>,
    /// The last series.
    pub series_max: Vec<u8>,
    /// The size of the file.
    pub bytes: u64,
}

/// What proves that a file is the one that was published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// The BLAKE3 of the whole file.
    pub blake3: Vec<u8>,
    /// The first eight bytes of the BLAKE3 of each 64 KiB.
    pub blocks: Vec<u8>,
}

const FILE_COLUMNS: &str =
    "id, path, table_name, dataset, version, rows, ts_min, ts_max, series_min, series_max, bytes";

fn file(row: &SqlRow<'_>) -> rusqlite::Result<ArchiveFile> {
    Ok(ArchiveFile {
        id: row.get(0)?,
        path: row.get(1)?,
        table: row.get(2)?,
        dataset: row.get(3)?,
        version: row.get(4)?,
        rows: row.get::<_, i64>(5)?.unsigned_abs(),
        ts_min: row.get(6)?,
        ts_max: row.get(7)?,
        series_min: row.get(8)?,
        series_max: row.get(9)?,
        bytes: row.get::<_, i64>(10)?.unsigned_abs(),
    })
}

/// Returns the files of a table, or of all, in the order of their datasets and times.
pub(super) fn files(connection: &Connection, table: Option<&str>) -> Result<Vec<ArchiveFile>> {
    // A store of an older format that cannot be written has none.
    if open::user_version(connection)? < open::ARCHIVE_VERSION {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {FILE_COLUMNS} FROM manifest WHERE ?1 IS NULL OR table_name = ?1
         ORDER BY table_name, dataset, ts_min, id"
    ))?;
    let files = statement.query_map([table], file)?.collect::<Result<_, _>>();
    files.context("cannot read the manifest of the archive")
}

/// Returns what proves that a file is the one that was published.
pub(super) fn digest(connection: &Connection, file: &ArchiveFile) -> Result<Digest> {
    let mut statement = connection.prepare_cached("SELECT blake3, blocks FROM manifest WHERE id = ?1")?;
    statement
        .query_row([file.id], |row| Ok(Digest { blake3: row.get(0)?, blocks: row.get(1)? }))
        .with_context(|| format!("cannot find '{}' in the manifest of the archive", file.path))
}

/// What is needed here of how a column lies in a dataset.
#[derive(serde::Deserialize)]
struct Whole {
    name: String,
    whole: u64,
}

/// Returns the largest magnitude of a whole number in an archived column.
pub(super) fn largest_whole(connection: &Connection, table: &str, column: &str) -> Result<u64> {
    let mut statement = connection.prepare_cached("SELECT columns FROM dataset WHERE table_name = ?1")?;
    let mut rows = statement.query([table])?;
    let mut largest = 0;
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        let columns: Vec<Whole> = serde_json::from_str(&text)
            .with_context(|| format!("cannot read the column types of table '{table}'"))?;
        let own = columns.iter().filter(|known| known.name == column).map(|known| known.whole);
        largest = own.fold(largest, u64::max);
    }
    Ok(largest)
}

/// Returns the name of the table with the keys of hot rows that stand in the place of archived ones.
pub(super) fn corrections_name(table: &str) -> String {
    quoted(table, "_corrections")
}

/// Returns whether there is a table of that name in the database.
pub(super) fn has_table(connection: &Connection, name: &str) -> Result<bool> {
    has(connection, "table", name)
}

/// Returns whether there is something of a kind, such as `index`, and of that name in the database.
pub(super) fn has(connection: &Connection, kind: &str, name: &str) -> Result<bool> {
    let mut statement = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = ?1 AND name = ?2)")?;
    Ok(statement.query_row([kind, name], |row| row.get(0))?)
}

impl Snapshot {
    /// Returns the archived files of a table, or of all tables, in the order of their datasets and times.
    pub fn files(&self, table: Option<&str>) -> Result<Vec<ArchiveFile>> {
        self.with(|connection| files(connection, table))
    }

    /// Returns what proves that a file is the one that was published.
    pub fn digest(&self, file: &ArchiveFile) -> Result<Digest> {
        self.with(|connection| digest(connection, file))
    }

    /// Returns the series and times of the hot rows that stand in the place of an archived one, in order.
    pub fn corrections(&self, table: &str) -> Result<Vec<(i64, i64)>> {
        self.with(|connection| {
            if !has_table(connection, &format!("{table}_corrections"))? {
                return Ok(Vec::new());
            }
            let sql = format!("SELECT series, ts FROM {} ORDER BY series, ts", corrections_name(table));
            let mut statement = connection.prepare_cached(&sql)?;
            let keys = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(keys.collect::<Result<_, _>>()?)
        })
        .with_context(|| format!("cannot read the corrections of table '{table}'"))
    }
}
