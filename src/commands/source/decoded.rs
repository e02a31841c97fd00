//! An answer decoded as a fetch would, for a look at its rows.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context as _, Result, bail};

use crate::decode::{BodyDecoder, Decoded, Given, Layout};
use crate::error::Failure;
use crate::fetch::Rule;
use crate::frame::Frame;
use crate::model::{self, ColumnType, SeriesKey, Table, TableText, Value, nearest};
use crate::source::Dataset;
use crate::ui::figures;
use crate::ui::output::Listing;

/// The rows of an answer that go to one table.
pub(super) struct Part {
    /// The table.
    pub(super) table: Table,
    /// The rows, and what did not fit.
    pub(super) decoded: Decoded,
}

/// Returns a built-in table.
pub(super) fn table(name: &str) -> Result<Table> {
    let mut tables: BTreeMap<String, TableText> =
        toml::from_str(model::BUILTIN).context("cannot read the built-in tables")?;
    if let Some(text) = tables.remove(name) {
        return Ok(Table::parse(name, &text)?);
    }
    let near = nearest(name, tables.keys().map(String::as_str));
    let (which, near) = if near.is_empty() {
        ("known tables", tables.keys().map(String::as_str).collect())
    } else {
        ("nearest known tables", near)
    };
    bail!(Failure::usage(format!("unknown table '{name}', the {which} are {}", near.join(", "))))
}

/// Says how many keys the rows of the main table have, if fewer than rows: of equals only one is stored.
pub(super) fn shared_keys(parts: &[Part]) -> Option<String> {
    let main = &parts.first()?.table;
    let of_main = || parts.iter().filter(|part| part.table.name == main.name);
    // Ticks are told apart by their order.
    if main.ticks {
        return None;
    }
    let frames = || of_main().map(|part| &part.decoded.frame);
    let keys: HashSet<_> = frames()
        .flat_map(|frame| {
            let encoded: Vec<_> = frame.keys().iter().map(SeriesKey::encode).collect();
            let keyed = |(series, ts): (&u32, &i64)| Some((encoded.get(*series as usize)?.clone(), *ts));
            frame.series().iter().zip(frame.ts()).filter_map(keyed).collect::<Vec<_>>()
        })
        .collect();
    let rows: usize = frames().map(Frame::len).sum();
    (keys.len() < rows).then(|| {
        let (all, keys) = (figures::count(rows as u64, "row"), figures::count(keys.len() as u64, "key"));
        format!("rows share a key: {all}, {keys}")
    })
}

/// Decodes the tables of an answer, the main one first.
pub(super) fn decode(dataset: &Dataset, body: &[u8], given: &Given<'_>) -> Result<Vec<Part>> {
    let response = &dataset.response;
    let (mut main, open_after) = part(&dataset.table, &response.layout, body, given)?;
    let rule = Rule {
        asked: None,
        timeframe: dataset.timeframe,
        settle: dataset.settle,
        open: &response.open,
        open_after,
        needed: &response.drop_all_null,
        now: given.now,
    };
    rule.apply(&mut main.decoded.frame, &main.table);
    let mut parts = vec![main];
    for extra in &response.extra {
        parts.push(part(&extra.table, &extra.layout, body, given)?.0);
    }
    Ok(parts)
}

fn part(name: &str, layout: &Layout, body: &[u8], given: &Given<'_>) -> Result<(Part, Option<i64>)> {
    let table = table(name)?;
    let body = BodyDecoder::bind(&table, layout)?.decode(body, given)?;
    Ok((Part { table, decoded: body.decoded }, body.open_after))
}

impl Part {
    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.decoded.frame.len()
    }

    /// Returns the times of the first and the last row.
    pub(super) fn extent(&self) -> Option<(i64, i64)> {
        let times = self.decoded.frame.ts();
        Some((*times.iter().min()?, *times.iter().max()?))
    }

    /// Returns a cell by the name of its column.
    pub(super) fn cell(&self, row: usize, column: &str) -> Option<Value> {
        let frame = &self.decoded.frame;
        if column == "ts" {
            return frame.ts().get(row).copied().map(Value::Timestamp);
        }
        if let Some(at) = self.table.key_index(column) {
            let key = frame.keys().get(*frame.series().get(row)? as usize)?;
            return key.0.get(at).cloned();
        }
        let at = self.table.value_index(column)?;
        Some(frame.cells(at).map_or(Value::Null, |cells| cells.get(row).to_value()))
    }
}

/// Returns the first rows of parts of one table as a list, without the columns that have no value at all.
pub(super) fn listing(parts: &[&Part], most: usize) -> Listing {
    let Some(first) = parts.first() else { return Listing::new(&[]) };
    let has_value = |name: &str| {
        parts.iter().any(|part| {
            let cells = part.table.value_index(name).and_then(|at| part.decoded.frame.cells(at));
            cells.is_some_and(|cells| !cells.is_all_null())
        })
    };
    let is_shown = |name: &str| name == "ts" || first.table.key_index(name).is_some() || has_value(name);
    let columns = first.table.columns();
    let shown: Vec<(&str, ColumnType)> = columns
        .iter()
        .map(|column| (column.name.as_str(), column.kind))
        .filter(|(name, _)| is_shown(name))
        .collect();
    let mut listing = Listing::new(&shown);
    let rows = parts.iter().flat_map(|part| (0..part.len()).map(move |row| (part, row)));
    for (part, row) in rows.take(most) {
        listing.push(shown.iter().map(|(name, _)| part.cell(row, name).unwrap_or(Value::Null)).collect());
    }
    listing
}
