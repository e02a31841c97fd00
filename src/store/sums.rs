//! The sums of the hot rows of each series, by which a bit is found that changed and breaks nothing SQLite looks at.
//!
//! The sum of a series is that of the hashes of its rows, so that it is the same in whatever order they come and go. It
//! is kept by the transactions that change them, from what they write and not from what is in the file afterwards.
//! Series of a store that an earlier barn made have none until somebody looks.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result};
use rusqlite::types::ValueRef as SqlRef;
use rusqlite::{Connection, params_from_iter};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::catalog::{Catalog, EXACT, Stored, id_column, quoted};
use super::{ArchiveFile, Digest, Resume, Store};
use crate::model::{Column, Table, ValueRef};

/// The column of `T_series` with the sum.
pub(super) const SUM: &str = "_sum";

/// The condition that takes all rows of a series, with its bounds.
pub(super) const ALL_ROWS: (&str, &[i64]) = ("TRUE", &[]);

/// The bits of a sum that are kept: two of them fit into a whole number of SQLite's without a carry.
const MASK: u64 = (1 << 62) - 1;

/// Hashes the rows of a table by the names and values of their cells, those that have their default left out: columns
/// that come into a table later, and whole numbers that become doubles, do not change it.
pub struct RowHash {
    /// One for each column.
    seeds: Vec<u64>,
    /// What cells without any but their default add up to.
    defaults: u64,
}

impl RowHash {
    /// A hash of rows that have cells of these columns.
    pub fn new<'t>(columns: impl IntoIterator<Item = &'t Column>) -> Self {
        let mut hash = Self { seeds: Vec::new(), defaults: 0 };
        for column in columns {
            let seed = xxh3_64_with_seed(column.name.as_bytes(), 0);
            hash.seeds.push(seed);
            hash.defaults = hash.defaults.wrapping_add(cell(seed, column.default.as_ref()));
        }
        hash
    }

    /// A hash of the rows of a table as it is in the database.
    pub(super) fn of_stored(stored: &Stored) -> Self {
        Self::new(stored.present.iter().map(|&at| &stored.table.values[at]))
    }

    /// Returns the hash of a row by its time and ordinal; `value` gives its values, each once and in their order.
    #[inline]
    pub fn row<'v>(&self, at: Resume, mut value: impl FnMut(usize) -> Result<ValueRef<'v>>) -> Result<u64> {
        self.cells(at, |place, seed| Ok(cell(seed, value(place)?)))
    }

    #[inline]
    fn cells(&self, at: Resume, mut cell: impl FnMut(usize, u64) -> Result<u64>) -> Result<u64> {
        let mut cells = 0_u64;
        for (place, seed) in self.seeds.iter().enumerate() {
            cells = cells.wrapping_add(cell(place, *seed)?);
        }
        let mut key = [0; 16];
        key[..8].copy_from_slice(&at.ts.to_le_bytes());
        key[8..].copy_from_slice(&at.seq.to_le_bytes());
        Ok(xxh3_64_with_seed(&key, cells.wrapping_sub(self.defaults)))
    }
}

#[inline]
fn cell(seed: u64, value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Null => 0,
        ValueRef::Text(text) => xxh3_64_with_seed(text.as_bytes(), seed),
        ValueRef::Double(number) => double(seed, number),
        ValueRef::Bigint(number) | ValueRef::Timestamp(number) => whole(seed, number),
        ValueRef::Boolean(flag) => whole(seed, i64::from(flag)),
        ValueRef::Date(days) => whole(seed, i64::from(days)),
    }
}

/// The same of what is in the file, be it a value of the column or not.
#[inline]
fn stored_cell(seed: u64, cell: SqlRef<'_>) -> u64 {
    match cell {
        SqlRef::Null => 0,
        SqlRef::Integer(number) => whole(seed, number),
        SqlRef::Real(number) => double(seed, number),
        SqlRef::Text(bytes) => xxh3_64_with_seed(bytes, seed),
        SqlRef::Blob(bytes) => xxh3_64_with_seed(bytes, !seed),
    }
}

#[inline]
fn double(seed: u64, number: f64) -> u64 {
    // SQLite keeps no sign of a zero.
    xxh3_64_with_seed(&(number + 0.0).to_le_bytes(), seed)
}

#[inline]
#[allow(clippy::cast_precision_loss, reason = "only where none is lost")]
fn whole(seed: u64, number: i64) -> u64 {
    if number.unsigned_abs() <= EXACT {
        double(seed, number as f64)
    } else {
        xxh3_64_with_seed(&number.to_le_bytes(), !seed)
    }
}

/// What a transaction changed in the sums of series, by table and series.
#[derive(Default)]
pub(super) struct Sums(BTreeMap<String, HashMap<i64, u64>>);

impl Sums {
    /// Adds to the sum of a series.
    pub(super) fn add(&mut self, table: &str, series: i64, sum: u64) {
        let of_table = match self.0.get_mut(table) {
            Some(of_table) => of_table,
            None => self.0.entry(table.to_owned()).or_default(),
        };
        let before = of_table.entry(series).or_default();
        *before = before.wrapping_add(sum);
    }

    /// Forgets what was added: the transaction has come to nothing.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets the sums of a table, which has no rows any more.
    pub(super) fn empty(&mut self, connection: &Connection, table: &str) -> Result<()> {
        self.0.remove(table);
        connection.execute(&format!("UPDATE {} SET {SUM} = 0", quoted(table, "_series")), [])?;
        Ok(())
    }

    /// Forgets what was added to the sums of a table that is dropped.
    pub(super) fn forget(&mut self, table: &str) {
        self.0.remove(table);
    }

    /// Writes what was added; within the transaction that changed the rows. A sum that is not known stays so.
    pub(super) fn write(&mut self, connection: &Connection, catalog: &Catalog) -> Result<()> {
        for (table, sums) in std::mem::take(&mut self.0) {
            let stored = catalog.get(&table).with_context(|| format!("table '{table}' is not defined"))?;
            let mut update = connection.prepare_cached(&format!(
                "UPDATE {} SET {SUM} = ({SUM} + ?2) & {MASK} WHERE {} = ?1",
                quoted(&table, "_series"),
                id_column(&stored.table)
            ))?;
            let mut sums: Vec<_> = sums.into_iter().filter(|(_, sum)| sum & MASK != 0).collect();
            sums.sort_unstable();
            for (series, sum) in sums {
                update.execute((series, i64::try_from(sum & MASK)?))?;
            }
        }
        Ok(())
    }
}

/// Returns the sum of an entry of the manifest, as it is kept.
pub(super) fn of_file(file: &ArchiveFile, digest: &Digest) -> Result<i64> {
    let mut bytes = Vec::with_capacity(256 + digest.blocks.len());
    let parts = [file.path.as_bytes(), file.table.as_bytes(), file.dataset.as_bytes(), &file.series_min];
    for part in parts.into_iter().chain([&file.series_max[..], &digest.blake3, &digest.blocks]) {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    for number in [file.version, file.ts_min, file.ts_max] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for number in [file.rows, file.bytes] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    kept(xxh3_64_with_seed(&bytes, 0))
}

/// Makes room for the sums of the tables and files of an earlier barn.
pub(super) fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("ALTER TABLE manifest ADD COLUMN sum INTEGER")?;
    let mut statement = connection.prepare("SELECT name FROM catalog")?;
    let names: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    names.iter().try_for_each(|name| {
        connection.execute_batch(&format!("ALTER TABLE {} ADD COLUMN {SUM} INTEGER", quoted(name, "_series")))
    })
}

/// Returns the sum of the rows of a series that meet a condition on `ts` and `seq`, with `bounds` as its parameters from
/// the second on, as they are in the file.
pub(super) fn sum(
    connection: &Connection,
    stored: &Stored,
    series: i64,
    (condition, bounds): (&str, &[i64]),
) -> Result<u64> {
    let table = &stored.table;
    let key = if table.ticks { "ts, seq" } else { "ts, 0" };
    let mut select = connection.prepare_cached(&format!(
        "SELECT {} FROM {} WHERE series = ?1 AND {condition}",
        stored.value_list(key),
        quoted(&table.name, "_rows")
    ))?;
    let hash = RowHash::of_stored(stored);
    let mut rows = select.query(params_from_iter(std::iter::once(&series).chain(bounds)))?;
    let mut sum = 0_u64;
    while let Some(row) = rows.next()? {
        let at = Resume { ts: row.get(0)?, seq: row.get(1)? };
        let row = hash.cells(at, |place, seed| Ok(stored_cell(seed, row.get_ref(place + 2)?)))?;
        sum = sum.wrapping_add(row);
    }
    Ok(sum)
}

/// Returns the condition that takes one row of a series, by its time and its ordinal, which is 0 where there is none.
pub(super) fn one_row(table: &Table) -> &'static str {
    if table.ticks { "ts = ?2 AND seq = ?3" } else { "ts = ?2 AND ?3 = 0" }
}

/// Returns a sum as it is kept.
pub(super) fn kept(rows: u64) -> Result<i64> {
    Ok(i64::try_from(rows & MASK)?)
}

/// The hot rows of a table within a transaction.
pub(super) struct HotRows<'s> {
    pub(super) connection: &'s Connection,
    pub(super) stored: &'s Stored,
    pub(super) sums: &'s mut Sums,
}

impl Store {
    /// Returns the hot rows of a table, to be deleted within a transaction.
    pub(super) fn hot_rows(&mut self, table: &str) -> Result<HotRows<'_>> {
        let Self { connection, catalog, sums, .. } = self;
        let stored = catalog.get(table).with_context(|| format!("cannot find table '{table}'"))?;
        Ok(HotRows { connection, stored, sums })
    }
}

impl HotRows<'_> {
    /// Deletes the rows of a series that meet a condition, with `bounds` as its parameters from the second on, and returns
    /// how many there were.
    pub(super) fn delete(&mut self, series: i64, (condition, bounds): (&str, &[i64])) -> Result<u64> {
        let name = &self.stored.table.name;
        let gone = sum(self.connection, self.stored, series, (condition, bounds))?;
        let mut delete = self.connection.prepare_cached(&format!(
            "DELETE FROM {} WHERE series = ?1 AND {condition}",
            quoted(name, "_rows")
        ))?;
        let rows = delete.execute(params_from_iter(std::iter::once(&series).chain(bounds)))?;
        self.sums.add(name, series, gone.wrapping_neg());
        Ok(rows as u64)
    }
}
