//! What `barn.toml`, the file a user may put into the folder of a store, says of its tables.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::error::Failure;
use crate::fs;
use crate::model::{Rollup, RollupText, Table, TableText};

/// The name of the file.
pub const CONFIG: &str = "barn.toml";

/// The largest `barn.toml` that is read.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Stands for all timeframes in a rule about how long rows are kept.
const ALL: &str = "all";

/// What `barn.toml` may say.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    table: BTreeMap<String, toml::Table>,
    /// Read by `store --as`; here only so that the key is known.
    #[serde(default)]
    layout: toml::Table,
    /// Read by `fetch @NAME`; here only so that the key is known.
    #[serde(default)]
    symbols: toml::Table,
    /// Read by `runs check`; here only so that the key is known.
    #[serde(default)]
    limits: toml::Table,
    #[serde(default)]
    rollup: BTreeMap<String, RollupText>,
}

/// The tables of `barn.toml`.
#[derive(Default)]
pub(super) struct Config {
    /// Tables that rows are stored in.
    pub(super) tables: BTreeMap<String, TableText>,
    /// Tables that are made of others; none of itself.
    pub(super) rollups: BTreeMap<String, Rollup>,
    /// How long rows are kept.
    retention: Vec<Retention>,
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

/// Returns the text of the `barn.toml` of the store at `root`, `None` where there is none.
pub fn read_config(root: &Path) -> Result<Option<String>> {
    let path = root.join(CONFIG);
    if path.exists() { fs::read_text(&path, MAX_CONFIG_BYTES).map(Some) } else { Ok(None) }
}

/// Reads the `barn.toml` of the store at `root`, if there is one.
pub(super) fn read(root: &Path) -> Result<Config> {
    let Some(text) = read_config(root)? else { return Ok(Config::default()) };
    let cannot = || Failure::usage(format!("cannot use '{}'", root.join(CONFIG).display()));
    let text: Text = toml::from_str(&text).with_context(cannot)?;
    drop((text.layout, text.symbols, text.limits));
    let mut config = Config::default();
    for (name, mut table) in text.table {
        if let Some(rules) = table.remove("retention") {
            config.retention.extend(retention(&name, rules).with_context(cannot)?);
            // What is said about a built-in table, or about one that `store` made.
            if table.is_empty() {
                continue;
            }
        }
        let table: TableText =
            table.try_into().with_context(|| format!("cannot read [table.{name}]")).with_context(cannot)?;
        Table::parse(&name, &table).with_context(cannot)?;
        config.tables.insert(name, table);
    }
    for (name, rollup) in &text.rollup {
        config.rollups.insert(name.clone(), Rollup::parse(name, rollup).with_context(cannot)?);
    }
    Rollup::in_order(&config.rollups).with_context(cannot)?;
    Ok(config)
}

/// Returns the rules of `barn.toml` for how long rows are kept, by table and timeframe.
pub fn read_retention(root: &Path) -> Result<Vec<Retention>> {
    Ok(read(root)?.retention)
}

fn retention(table: &str, rules: toml::Value) -> Result<Vec<Retention>> {
    let rules: BTreeMap<String, String> =
        rules.try_into().with_context(|| format!("cannot read [table.{table}.retention]"))?;
    let rule = |(timeframe, keep): (String, String)| Retention {
        table: table.to_owned(),
        timeframe: (timeframe != ALL).then_some(timeframe),
        keep,
    };
    Ok(rules.into_iter().map(rule).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_config(folder.path()).unwrap(), None);
        let write =
            |text: &[u8]| fs::replace(&folder.path().join(CONFIG), text, fs::Overwrite::Replace).unwrap();
        write(b"# nothing\n");
        assert_eq!(read_config(folder.path()).unwrap().as_deref(), Some("# nothing\n"));
        write(&vec![b'#'; 1 << 20]);
        assert!(read(folder.path()).is_ok());
        write(&vec![b'#'; (1 << 20) + 1]);
        let error = read(folder.path()).err().unwrap().to_string();
        assert!(error.ends_with("it has more than 1048576 bytes"), "{error}");
    }
}
