//! What a rollup has without being told: the columns of bars, each by the rule that makes a long bar of short ones.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::error::Failure;
use crate::model::{Rollup, Table};

/// A column of a rollup.
pub(super) struct Aggregate {
    pub(super) name: String,
    /// The aggregate in SQL.
    pub(super) sql: String,
}

/// Rules for bars: the column, the columns of the source that it takes, the aggregate.
const BARS: &[(&str, &[&str], &str)] = &[
    ("open", &["open"], "first(open, ts)"),
    ("high", &["high"], "max(high)"),
    ("low", &["low"], "min(low)"),
    ("close", &["close"], "last(close, ts)"),
    ("volume", &["volume"], "sum(volume)"),
    ("adj_close", &["adj_close"], "last(adj_close, ts)"),
    (
        "vwap",
        &["vwap", "volume"],
        "sum(vwap * volume) / nullif(sum(volume) FILTER (WHERE vwap IS NOT NULL), 0)",
    ),
    ("trades", &["trades"], "sum(trades)"),
    ("open_interest", &["open_interest"], "last(open_interest, ts)"),
    ("final", &["final"], "bool_and(final)"),
];

/// Rules for prices one by one. The first and the last of a time are those of the ordinal.
const PRICES: &[(&str, &[&str], &str)] = &[
    ("open", &["price"], "first_value(price ORDER BY {order}) FILTER (WHERE price IS NOT NULL)"),
    ("high", &["price"], "max(price)"),
    ("low", &["price"], "min(price)"),
    ("close", &["price"], "last_value(price ORDER BY {order}) FILTER (WHERE price IS NOT NULL)"),
    ("volume", &["size"], "sum(size)"),
    ("trades", &["price"], "count(price)"),
];

/// Returns the columns of a rollup: by the rules, and as declared.
pub(super) fn aggregates(rollup: &Rollup, source: &Table) -> Result<Vec<Aggregate>> {
    let has = |name: &&str| source.value_index(name).is_some();
    let rules = if has(&"price") && !has(&"close") { PRICES } else { BARS };
    let order = if source.ticks { "ts, seq" } else { "ts" };
    let mut declared: BTreeMap<&str, &str> =
        rollup.text.columns.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect();
    let mut aggregates: Vec<Aggregate> = rules
        .iter()
        .filter(|(_, needs, _)| needs.iter().all(has))
        .map(|(name, _, sql)| {
            let sql = declared.remove(name).map_or_else(|| sql.replace("{order}", order), str::to_owned);
            Aggregate { name: (*name).to_owned(), sql }
        })
        .collect();
    let others =
        declared.into_iter().map(|(name, sql)| Aggregate { name: name.to_owned(), sql: sql.to_owned() });
    aggregates.extend(others);
    if aggregates.is_empty() {
        bail!(
            Failure::usage(format!("table '{}' has no column that a rule is known for", source.name)).hint(
                format!("`columns = {{ n = \"count(*)\" }}` in [rollup.{}] says what is kept", rollup.name)
            )
        );
    }
    Ok(aggregates)
}
