//! Which tables a store has, and how each lies in SQLite.
//!
//! A table `T` is `T_series` (one row a series), `T_rows` (the rows, clustered by series and time), and
//! the view `T_hot` that joins both for any SQLite tool. A value column comes into `T_rows` with its first
//! value that is not its default: absent columns cost no byte and no time, and SQLite adds a column without
//! touching a row.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rusqlite::Connection;

use super::config::{self, CONFIG};
use super::indexes::{has_index, index_sql};
use super::manifest;
use super::rollup::Rollups;
use super::sums::SUM;
use crate::error::Failure;
use crate::model::{BUILTIN, Column, ColumnType, Table, TableText, Value};

/// The most columns of a table: SQLite allows 2,000, and one statement 32,766 parameters.
const MAX_COLUMNS: usize = 1_900;

/// Up to here a double is every whole number.
pub(super) const EXACT: u64 = 1 << 53;

/// The tables of a store by name.
#[derive(Default)]
pub(super) struct Catalog {
    tables: BTreeMap<String, Stored>,
    /// The names of the built-in tables and of those in `barn.toml`.
    declared: BTreeSet<String>,
    /// The tables that are made of others.
    pub(super) rollups: Rollups,
}

/// A table and how it lies in SQLite.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) table: Table,
    /// Whether it exists in SQLite.
    pub(super) exists: bool,
    /// Whether its entry in the catalogue and its view have all its columns.
    is_recorded: bool,
    /// The value columns that exist in SQLite, as places in [`Table::values`], in physical order.
    pub(super) present: Vec<usize>,
}

impl Catalog {
    /// Reads the built-in tables, those of `barn.toml`, and those the store has.
    pub(super) fn load(connection: &Connection, root: &Path) -> Result<Self> {
        let mut catalog = Self::default();
        let builtin: BTreeMap<String, TableText> = toml::from_str(BUILTIN)?;
        let config = config::read(root)?;
        for (name, text) in builtin.into_iter().chain(config.tables) {
            if catalog.tables.contains_key(&name) {
                bail!("cannot use table '{name}' of '{CONFIG}': it is built in");
            }
            catalog.insert(Table::parse(&name, &text)?);
            catalog.declared.insert(name);
        }
        let mut statement = connection.prepare_cached("SELECT name, definition FROM catalog")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (name, definition): (String, String) = (row.get(0)?, row.get(1)?);
            let damaged = || format!("cannot read the catalogue entry of table '{name}'");
            let table = Table::parse(&name, &serde_json::from_str(&definition).with_context(damaged)?)
                .with_context(damaged)?;
            let extended = extend(table.clone(), catalog.get(&name).map(|known| &known.table))?;
            let is_recorded = extended == table;
            catalog.tables.insert(name, Stored { is_recorded, ..Stored::load(connection, extended)? });
        }
        catalog.rollups = Rollups::load(connection, config.rollups)?;
        catalog.rollups.refuse_collision(|name| catalog.tables.contains_key(name))?;
        Ok(catalog)
    }

    /// Forgets a table that was dropped.
    pub(super) fn remove(&mut self, name: &str) {
        self.tables.remove(name);
    }

    pub(super) fn is_declared(&self, name: &str) -> bool {
        self.declared.contains(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Stored> {
        self.tables.get(name)
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &Stored> {
        self.tables.values()
    }

    fn insert(&mut self, table: Table) {
        self.tables.insert(
            table.name.clone(),
            Stored { table, exists: false, is_recorded: false, present: Vec::new() },
        );
    }

    /// Makes sure that the table exists in SQLite and has at least the columns of `table`.
    pub(super) fn define(&mut self, connection: &Connection, table: &Table) -> Result<()> {
        let mut stored = match self.tables.get(&table.name) {
            Some(stored) => stored.clone(),
            None => Stored { table: table.clone(), exists: false, is_recorded: false, present: Vec::new() },
        };
        if stored.exists {
            stored.widen(connection, table)?;
            let extended = extend(stored.table.clone(), Some(table))?;
            stored.is_recorded &= extended == stored.table;
            stored.table = extended;
        } else {
            stored.table = table.clone();
        }
        // A frame names columns by their place; another process may have given the places to others.
        let has_places = stored.table.values.len() >= table.values.len()
            && stored
                .table
                .values
                .iter()
                .zip(&table.values)
                .all(|(have, want)| have.name == want.name && have.kind == want.kind);
        if !has_places {
            bail!("another process changed its columns meanwhile; the same command again goes on");
        }
        if !stored.is_recorded {
            stored.create(connection)?;
        }
        self.tables.insert(table.name.clone(), stored);
        Ok(())
    }

    /// Adds value columns, given by place, to `T_rows`.
    pub(super) fn add_physical(
        &mut self,
        connection: &Connection,
        name: &str,
        places: &[usize],
    ) -> Result<()> {
        let stored =
            self.tables.get_mut(name).context("cannot add a column to a table that is not defined")?;
        for &place in places {
            let column = &stored.table.values[place];
            connection.execute_batch(&format!(
                "ALTER TABLE {} ADD COLUMN {} {}{}",
                quoted(name, "_rows"),
                quoted(&column.name, ""),
                sqlite_type(column.kind),
                default(column),
            ))?;
            stored.present.push(place);
        }
        connection.execute_batch(&stored.view())?;
        Ok(())
    }
}

/// Adds to `table` the value columns that `other` has besides.
fn extend(mut table: Table, other: Option<&Table>) -> Result<Table> {
    let Some(other) = other else { return Ok(table) };
    if table.key != other.key || table.ticks != other.ticks {
        bail!(
            Failure::usage(format!("cannot use table '{}': the store has it with another key", table.name))
                .hint(format!("`barn info {}` shows it", table.name))
        );
    }
    for column in &other.values {
        match table.value_index(&column.name) {
            None => table.values.push(column.clone()),
            // The store may have widened the column since it was declared.
            Some(at) if (table.values[at].kind, column.kind) == (ColumnType::Double, ColumnType::Bigint) => {}
            Some(at) if table.values[at].kind != column.kind => bail!(Failure::usage(format!(
                "cannot use column '{}' of table '{}' as {}: the store has it as {}",
                column.name, table.name, column.kind, table.values[at].kind
            ))),
            Some(_) => {}
        }
    }
    Ok(table)
}

impl Stored {
    fn load(connection: &Connection, table: Table) -> Result<Self> {
        let mut statement = connection.prepare_cached("SELECT name FROM pragma_table_info(?1)")?;
        let names: Vec<String> = statement
            .query_map([format!("{}_rows", table.name)], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let present = names.iter().filter_map(|name| table.value_index(name)).collect();
        Ok(Self { table, exists: true, is_recorded: true, present })
    }

    fn create(&mut self, connection: &Connection) -> Result<()> {
        let table = &self.table;
        if table.columns().len() > MAX_COLUMNS {
            bail!(Failure::usage(format!(
                "cannot make table '{}' with {} columns: at most {MAX_COLUMNS} are possible",
                table.name,
                table.columns().len()
            )));
        }
        let definition = serde_json::to_string(&table.to_text())?;
        connection.execute(
            "INSERT INTO catalog VALUES (?1, ?2) ON CONFLICT DO UPDATE SET definition = excluded.definition",
            [&table.name, &definition],
        )?;
        if !self.exists {
            connection.execute_batch(&self.schema())?;
            self.exists = true;
        }
        connection.execute_batch(&self.view())?;
        self.is_recorded = true;
        Ok(())
    }

    /// Turns whole numbers into doubles where `wanted` has the column so.
    ///
    /// Fails where a stored number would lose a digit.
    fn widen(&mut self, connection: &Connection, wanted: &Table) -> Result<()> {
        for at in 0..self.table.values.len() {
            let column = &self.table.values[at];
            let is_wider = column.kind == ColumnType::Bigint
                && wanted
                    .values
                    .iter()
                    .any(|other| other.name == column.name && other.kind == ColumnType::Double);
            if !is_wider {
                continue;
            }
            self.refuse_inexact(connection, at)?;
            self.table.values[at].kind = ColumnType::Double;
            self.is_recorded = false;
            if self.present.contains(&at) {
                self.rebuild(connection)
                    .with_context(|| format!("cannot widen column '{}'", self.table.values[at].name))?;
            }
        }
        Ok(())
    }

    fn refuse_inexact(&self, connection: &Connection, at: usize) -> Result<()> {
        let column = &self.table.values[at].name;
        let mut is_inexact = manifest::largest_whole(connection, &self.table.name, column)? > EXACT;
        if self.present.contains(&at) {
            // Not `abs`, which fails at the smallest number.
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM {} WHERE {} NOT BETWEEN -{EXACT} AND {EXACT})",
                quoted(&self.table.name, "_rows"),
                quoted(column, "")
            );
            is_inexact |= connection.query_row(&sql, [], |row| row.get::<_, bool>(0))?;
        }
        if is_inexact {
            bail!("cannot turn column '{column}' into doubles: it has whole numbers beyond 2^53");
        }
        Ok(())
    }

    /// Copies `T_rows` into columns of the types that they now have.
    fn rebuild(&self, connection: &Connection) -> Result<()> {
        let name = &self.table.name;
        // It goes with the old rows.
        let index = if has_index(connection, name)? { index_sql(name) } else { String::new() };
        let columns: Vec<_> = self
            .present
            .iter()
            .map(|&at| &self.table.values[at])
            .map(|column| {
                format!(", {} {}{}", quoted(&column.name, ""), sqlite_type(column.kind), default(column))
            })
            .collect();
        let (view, rows, old) = (quoted(name, "_hot"), quoted(name, "_rows"), quoted(name, "_old"));
        connection.execute_batch(&format!(
            "DROP VIEW {view}; ALTER TABLE {rows} RENAME TO {old}; {};
             INSERT INTO {rows} SELECT * FROM {old}; DROP TABLE {old}; {index} {}",
            self.rows_schema(&columns.concat()),
            self.view()
        ))?;
        Ok(())
    }

    fn schema(&self) -> String {
        let keys: Vec<_> = self
            .table
            .key
            .iter()
            .map(|column| {
                let null = if column.nullable { "" } else { " NOT NULL" };
                format!("{} {}{null}", quoted(&column.name, ""), sqlite_type(column.kind))
            })
            .collect();
        format!(
            "CREATE TABLE {series} ({id} INTEGER NOT NULL PRIMARY KEY, {ENCODED} BLOB NOT NULL UNIQUE, {keys}, {SUM} INTEGER) STRICT; {}",
            self.rows_schema(""),
            series = quoted(&self.table.name, "_series"),
            id = id_column(&self.table),
            keys = keys.join(", "),
        )
    }

    fn rows_schema(&self, values: &str) -> String {
        let seq = if self.table.ticks { ", seq INTEGER NOT NULL" } else { "" };
        format!(
            "CREATE TABLE {} (series INTEGER NOT NULL, ts INTEGER NOT NULL{seq}{values}, PRIMARY KEY ({}))
             STRICT, WITHOUT ROWID",
            quoted(&self.table.name, "_rows"),
            self.row_key(),
        )
    }

    fn view(&self) -> String {
        let mut columns: Vec<String> =
            self.table.key.iter().map(|column| format!("s.{}", quoted(&column.name, ""))).collect();
        columns.push("r.ts".to_owned());
        if self.table.ticks {
            columns.push("r.seq".to_owned());
        }
        for (at, column) in self.table.values.iter().enumerate() {
            let name = quoted(&column.name, "");
            columns.push(match &column.default {
                _ if self.present.contains(&at) => format!("r.{name}"),
                Value::Boolean(true) => format!("1 AS {name}"),
                _ => format!("NULL AS {name}"),
            });
        }
        format!(
            "DROP VIEW IF EXISTS {view}; CREATE VIEW {view} AS SELECT {columns} FROM {rows} r JOIN {series} s ON s.{id} = r.series;",
            view = quoted(&self.table.name, "_hot"),
            columns = columns.join(", "),
            rows = quoted(&self.table.name, "_rows"),
            series = quoted(&self.table.name, "_series"),
            id = id_column(&self.table),
        )
    }

    /// Returns the columns of `T_rows` that identify a row.
    pub(super) fn row_key(&self) -> &'static str {
        if self.table.ticks { "series, ts, seq" } else { "series, ts" }
    }

    /// Returns a column of `T_rows` and the present value columns as a select list.
    pub(super) fn value_list(&self, first: &str) -> String {
        list(first, self.present.iter().map(|&at| &self.table.values[at]))
    }
}

/// The column of `T_series` with the bytes that identify a series; no name of a user begins with `_`.
pub(super) const ENCODED: &str = "_key";

/// Returns the column of `T_series` with the number of the series: `id`, unless the key has one of that name.
pub(super) fn id_column(table: &Table) -> &'static str {
    if table.key_index("id").is_some() { "_id" } else { "id" }
}

/// Returns a name quoted for SQL; names are validated, the quotes are a second line of defence.
pub(super) fn quoted(name: &str, suffix: &str) -> String {
    format!("\"{}{suffix}\"", name.replace('"', "\"\""))
}

fn default(column: &Column) -> &'static str {
    if column.default == Value::Boolean(true) { " DEFAULT 1" } else { "" }
}

fn sqlite_type(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Text => "TEXT",
        ColumnType::Double => "REAL",
        ColumnType::Bigint | ColumnType::Boolean | ColumnType::Date | ColumnType::Timestamp => "INTEGER",
    }
}

/// Returns a select list: what comes first, then the names of columns.
pub(super) fn list<'c>(first: &str, columns: impl IntoIterator<Item = &'c Column>) -> String {
    let names = columns.into_iter().map(|column| quoted(&column.name, ""));
    std::iter::once(first.to_owned()).chain(names).collect::<Vec<_>>().join(", ")
}
