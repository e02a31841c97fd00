//! The series of a table: their ranges, their gaps, and what was asked of their sources.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Result;

use super::{number, text};
use crate::engine::{Engine, Options};
use crate::model::{ColumnType, SeriesKey, Span, Table, Timeframe, Value, coalesce};
use crate::store::{LedgerKey, SeriesEntry, Snapshot};
use crate::ui::output::Listing;

/// The ranges that the ledger of a table covers, by what they are about.
pub(super) fn asked(snapshot: &Snapshot, table: &str) -> Result<BTreeMap<LedgerKey, Vec<Span>>> {
    let mut asked: BTreeMap<LedgerKey, Vec<Span>> = BTreeMap::new();
    for (key, coverage) in snapshot.coverages(Some(table))? {
        asked.entry(key).or_default().push(coverage.span);
    }
    for spans in asked.values_mut() {
        *spans = coalesce(std::mem::take(spans));
    }
    Ok(asked)
}

/// What was asked of each source: a hole is history never asked for between two ranges of one symbol.
pub(super) fn coverage(asked: &BTreeMap<LedgerKey, Vec<Span>>) -> Listing {
    let mut listing = Listing::new(&[
        ("source", ColumnType::Text),
        ("timeframe", ColumnType::Text),
        ("symbols", ColumnType::Bigint),
        ("ranges", ColumnType::Bigint),
        ("holes", ColumnType::Bigint),
    ]);
    let mut sums: BTreeMap<(&str, &str), (BTreeSet<&str>, u64, u64)> = BTreeMap::new();
    for (key, spans) in asked {
        let (symbols, ranges, holes) = sums.entry((&key.source, &key.timeframe)).or_default();
        symbols.insert(&key.symbol);
        *ranges += spans.len() as u64;
        *holes += spans.len() as u64 - 1;
    }
    for ((source, timeframe), (symbols, ranges, holes)) in sums {
        let timeframe = if timeframe.is_empty() { Value::Null } else { text(timeframe) };
        listing.push(vec![
            text(source),
            timeframe,
            number(symbols.len() as u64),
            number(ranges),
            number(holes),
        ]);
    }
    listing
}

/// Counts the holes in what was asked, by what the ledger calls a series.
fn holes(asked: &BTreeMap<LedgerKey, Vec<Span>>) -> HashMap<[String; 3], u64> {
    let mut holes = HashMap::new();
    for (key, spans) in asked {
        *holes.entry(key.series()).or_default() += spans.len() as u64 - 1;
    }
    holes
}

/// The series of a table with their ranges and gaps, and with the holes in the ledger where it has any range.
pub(super) fn series(
    snapshot: &Arc<Snapshot>,
    table: &Table,
    asked: &BTreeMap<LedgerKey, Vec<Span>>,
) -> Result<Listing> {
    let mut heads: Vec<(&str, ColumnType)> =
        table.key.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    heads.push(("rows", ColumnType::Bigint));
    heads.push(("first", ColumnType::Timestamp));
    heads.push(("last", ColumnType::Timestamp));
    let timeframe = table.key_index("timeframe");
    if timeframe.is_some() {
        heads.push(("gaps", ColumnType::Bigint));
    }
    if !asked.is_empty() {
        heads.push(("holes", ColumnType::Bigint));
    }
    let mut listing = Listing::new(&heads);
    let holes = holes(asked);
    let entries = snapshot.series(&table.name)?;
    let mut walks = walk(snapshot, table, &entries)?;
    for entry in entries {
        let mut row = entry.key.0.to_vec();
        let walk = walks.remove(&entry.key.encode());
        row.extend(walk.unwrap_or_else(|| vec![number(0), Value::Null, Value::Null, number(0)]));
        if step(table, &entry).is_none() {
            row.pop();
            row.extend(timeframe.map(|_| Value::Null));
        }
        if !asked.is_empty() {
            let key = LedgerKey::series_of(table, &entry.key);
            row.push(holes.get(&key).map_or(Value::Null, |holes| number(*holes)));
        }
        listing.push(row);
    }
    Ok(listing)
}

/// Returns the timeframe of a series, if it is one.
fn step(table: &Table, entry: &SeriesEntry) -> Option<Timeframe> {
    match &entry.key.0[table.key_index("timeframe")?] {
        Value::Text(word) => word.parse().ok(),
        _ => None,
    }
}

/// Returns for the encoded key of each series that has rows their number, the first and last time, and the gaps.
fn walk(
    snapshot: &Arc<Snapshot>,
    table: &Table,
    entries: &[SeriesEntry],
) -> Result<HashMap<Vec<u8>, Vec<Value>>> {
    let keys: Vec<String> = table.key.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let keys = keys.join(", ");
    // A word that is a timeframe has no quote in it.
    let word = |entry: &SeriesEntry| match entry.key.0.get(table.key_index("timeframe")?) {
        Some(Value::Text(word)) => Some(word.to_string()),
        _ => None,
    };
    let limits: BTreeMap<String, i64> =
        entries.iter().filter_map(|entry| Some((word(entry)?, step(table, entry)?.gap_micros()))).collect();
    let cases: Vec<String> =
        limits.iter().map(|(word, micros)| format!("WHEN '{word}' THEN {micros}")).collect();
    let limit = match cases.as_slice() {
        [] => "NULL".to_owned(),
        cases => format!("CASE timeframe {} END", cases.join(" ")),
    };
    let sql = format!(
        "SELECT {keys}, count(*), min(ts), max(ts), count(*) FILTER (WHERE step > {limit}) FROM
         (SELECT {keys}, ts, CAST(ts AS BIGINT) - lag(CAST(ts AS BIGINT)) OVER (PARTITION BY {keys} ORDER BY ts)
          AS step FROM \"{}\") GROUP BY {keys}",
        table.name
    );
    let mut walks = HashMap::new();
    for mut row in Engine::new(Arc::clone(snapshot), &Options::default())?.query(&sql)?.values()? {
        let walk = row.split_off(table.key.len());
        walks.insert(SeriesKey(row.into()).encode(), walk);
    }
    Ok(walks)
}
