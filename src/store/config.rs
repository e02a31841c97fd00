//! `barn.toml`: what a user says about the tables of a store.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::error::Failure;
use crate::fs;
use crate::model::{Table, TableText};

/// The name of the file a user may put into the folder of a store.
pub const CONFIG: &str = "barn.toml";

/// The largest `barn.toml` that is read.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Stands for all timeframes in a rule about how long rows are kept.
const ALL: &str = "all";

/// What `barn.toml` may say.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    table: BTreeMap<String, toml::Table>,
    /// Read by `store --as`; here only so that the key is known.
    #[serde(default, rename = "layout")]
    _layout: toml::Table,
    /// Read by `fetch @NAME`; here only so that the key is known.
    #[serde(default, rename = "symbols")]
    _symbols: toml::Table,
    /// Read by `runs check`; here only so that the key is known.
    #[serde(default, rename = "limits")]
    _limits: toml::Table,
    /// Tables that are made of others.
    #[serde(default, rename = "rollup")]
    _rollup: toml::Table,
}

/// How long the rows of a table are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The table.
    pub table: String,
    /// The timeframe of the rows, `None` for all that no other rule names.
    pub timeframe: Option<String>,
    /// How long, as a number and a unit.
    pub keep: String,
}

/// Returns the tables that `barn.toml` declares.
pub(super) fn read_config(root: &Path) -> Result<BTreeMap<String, TableText>> {
    let cannot = || Failure::usage(format!("cannot use '{}'", root.join(CONFIG).display()));
    let mut tables = BTreeMap::new();
    for (name, mut text) in read(root)?.table {
        // What is said about a built-in table, or one that was made by `store`.
        if text.remove("retention").is_some() && text.is_empty() {
            continue;
        }
        let text: TableText = text.try_into().with_context(cannot)?;
        Table::parse(&name, &text).with_context(cannot)?;
        tables.insert(name, text);
    }
    Ok(tables)
}

/// Returns the rules of `barn.toml` for how long rows are kept, by table and timeframe.
pub fn read_retention(root: &Path) -> Result<Vec<Retention>> {
    let cannot = || Failure::usage(format!("cannot use '{}'", root.join(CONFIG).display()));
    let mut rules = Vec::new();
    for (table, mut text) in read(root)?.table {
        let Some(retention) = text.remove("retention") else { continue };
        let entries: BTreeMap<String, String> = retention
            .try_into()
            .with_context(|| format!("cannot read [table.{table}.retention]"))
            .with_context(cannot)?;
        for (timeframe, keep) in entries {
            let timeframe = (timeframe != ALL).then_some(timeframe);
            rules.push(Retention { table: table.clone(), timeframe, keep });
        }
    }
    Ok(rules)
}

fn read(root: &Path) -> Result<Config> {
    let path = root.join(CONFIG);
    if !path.exists() {
        return Ok(Config::default());
    }
    let cannot = || Failure::usage(format!("cannot use '{}'", path.display()));
    let config: Config = toml::from_str(&fs::read_text(&path, MAX_CONFIG_BYTES)?).with_context(cannot)?;
    Ok(config)
}
