//! Where the files of the archive lie: `archive/bars/source=binance/timeframe=1m/2024-01_2024-12-<id>.parquet`.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::fs;
use crate::model::{Column, ColumnType, SeriesKey, Table, Value};

/// The folder of the archive in the folder of a store.
pub const FOLDER: &str = "archive";

/// The columns that make datasets, in the order of their folders, where the table's key has them as text.
const DATASET_COLUMNS: [&str; 2] = ["source", "timeframe"];

/// What a value may have in the name of a folder without being escaped.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// What other readers take for a missing value; an empty text is escaped to this.
const EMPTY: &str = "__EMPTY__";

/// Bytes that the name of a folder has at most, in every file system that is in use.
const MAX_NAME_BYTES: usize = 255;

/// How long a file that nobody names is left alone: it may be on its way.
const ORPHAN_AGE: Duration = Duration::from_hours(1);

/// A dataset: the values of its columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dataset {
    /// The place of each dataset column in the table's key, and its value.
    pub values: Vec<(usize, String)>,
}

impl Dataset {
    /// Returns the places of a table's dataset columns in its key.
    pub fn columns(table: &Table) -> Vec<usize> {
        let is_plain = |at: &usize| {
            let column = &table.key[*at];
            column.kind == ColumnType::Text && !column.nullable
        };
        DATASET_COLUMNS.iter().filter_map(|name| table.key_index(name)).filter(is_plain).collect()
    }

    /// Returns the dataset of a series.
    pub fn of(table: &Table, key: &SeriesKey) -> Self {
        let value = |at: usize| match &key.0[at] {
            Value::Text(text) => (at, text.to_string()),
            _ => (at, String::new()),
        };
        Self { values: Self::columns(table).into_iter().map(value).collect() }
    }

    /// Returns its folders below the folder of its table, `/` between them; empty without dataset columns.
    pub fn folder(&self, table: &Table) -> String {
        let part = |(at, value): &(usize, String)| format!("{}={}", table.key[*at].name, escape(value));
        self.values.iter().map(part).collect::<Vec<_>>().join("/")
    }

    /// Fails where a value is too long for the name of a folder.
    pub(super) fn check(&self, table: &Table) -> Result<()> {
        for (at, value) in &self.values {
            let name = &table.key[*at].name;
            let bytes = name.len() + 1 + escape(value).len();
            if bytes > MAX_NAME_BYTES {
                bail!(
                    "cannot archive {name} '{value}': the name of its folder has {bytes} bytes, \
                     at most {MAX_NAME_BYTES} are possible"
                );
            }
        }
        Ok(())
    }

    /// Reads the folders that [`Dataset::folder`] writes.
    pub fn parse(table: &Table, folder: &str) -> Result<Self> {
        let columns = Self::columns(table);
        let parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        if parts.len() != columns.len() {
            bail!(
                "cannot read dataset '{folder}': expected {} folders, found {}",
                columns.len(),
                parts.len()
            );
        }
        let value = |(at, part): (usize, &str)| match part.split_once('=') {
            Some((name, value)) if name == table.key[at].name => Ok((at, unescape(value)?)),
            _ => bail!("cannot read dataset '{folder}': '{part}' is not '{}=…'", table.key[at].name),
        };
        Ok(Self { values: columns.into_iter().zip(parts).map(value).collect::<Result<_>>()? })
    }
}

/// Returns the columns that a file of a table has, in their order: all but the dataset columns.
pub(super) fn file_columns(table: &Table) -> Vec<Column> {
    let datasets = Dataset::columns(table);
    let is_inside = |column: &Column| table.key_index(&column.name).is_none_or(|at| !datasets.contains(&at));
    table.columns().into_iter().filter(is_inside).collect()
}

fn escape(value: &str) -> String {
    match value {
        "" => EMPTY.to_owned(),
        // Names that a file system or a reader of Hive folders takes for something else.
        "." | ".." | EMPTY | "__HIVE_DEFAULT_PARTITION__" => {
            utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
        }
        value => utf8_percent_encode(value, PLAIN).to_string(),
    }
}

fn unescape(text: &str) -> Result<String> {
    if text == EMPTY {
        return Ok(String::new());
    }
    Ok(percent_decode_str(text).decode_utf8()?.into_owned())
}

/// Returns the path of a file of the archive.
///
/// Fails where the manifest names a place outside of the archive.
pub(super) fn resolve(root: &Path, path: &str) -> Result<PathBuf> {
    let relative = Path::new(path);
    let is_inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if !is_inside || relative.extension().is_none_or(|extension| extension != "parquet") {
        bail!("cannot use archive file '{path}': it is no path of the archive");
    }
    Ok(root.join(FOLDER).join(relative))
}

/// Returns the files of the archive that look like ours, are not known, and have been there for an hour, with their
/// sizes.
pub(super) fn orphans(root: &Path, known: &HashSet<String>) -> Result<Vec<(PathBuf, u64)>> {
    let archive = root.join(FOLDER);
    let (mut folders, mut found) = (vec![archive.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::list(&folder)? {
            let about = std::fs::symlink_metadata(&path)
                .with_context(|| format!("cannot look at '{}'", path.display()))?;
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if about.is_dir() && !name.starts_with('.') {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(&archive).ok().and_then(Path::to_str).unwrap_or_default();
            let age = about.modified().ok().and_then(|then| then.elapsed().ok());
            let is_old = age.is_some_and(|age| age >= ORPHAN_AGE);
            if about.is_file() && is_old && is_ours(name) && !known.contains(below) {
                found.push((path, about.len()));
            }
        }
    }
    Ok(found)
}

/// Returns whether a file has a name as [`Dataset`]s give it: two months and 32 hexadecimal digits.
fn is_ours(name: &str) -> bool {
    let Some((months, id)) = name.strip_suffix(".parquet").and_then(|stem| stem.rsplit_once('-')) else {
        return false;
    };
    let is_month =
        |text: &str| text.len() >= 7 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    id.len() == 32
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && months.split_once('_').is_some_and(|(first, last)| is_month(first) && is_month(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TableText;

    fn bars() -> Table {
        let text = TableText {
            key: ["source text", "symbol text", "timeframe text"].map(str::to_owned).into(),
            values: vec!["close double".to_owned()],
            ..TableText::default()
        };
        Table::parse("bars", &text).unwrap()
    }

    #[test]
    fn a_dataset_is_its_folders() {
        let table = bars();
        for (source, folder) in [
            ("binance", "source=binance/timeframe=1m"),
            ("EURUSD=X", "source=EURUSD%3DX/timeframe=1m"),
            ("a/b %", "source=a%2Fb%20%25/timeframe=1m"),
            ("..", "source=%2E%2E/timeframe=1m"),
            ("", "source=__EMPTY__/timeframe=1m"),
            ("__EMPTY__", "source=%5F%5FEMPTY%5F%5F/timeframe=1m"),
            ("Börse", "source=B%C3%B6rse/timeframe=1m"),
        ] {
            let key = SeriesKey([source, "X", "1m"].map(|text| Value::Text(text.into())).into());
            let dataset = Dataset::of(&table, &key);
            assert_eq!(dataset.folder(&table), folder);
            assert_eq!(Dataset::parse(&table, folder).unwrap(), dataset);
        }
        for bad in [
            "",
            "source=x",
            "source=x/symbol=y",
            "a=b/c=d",
            "source=x/timeframe=1m/y=z",
            "source=%FF/timeframe=1m",
        ] {
            assert!(Dataset::parse(&table, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_has_to_fit_into_a_name() {
        let table = bars();
        for (source, fits) in [("x".repeat(248), true), ("x".repeat(249), false), ("é".repeat(42), false)] {
            let key = SeriesKey([source.as_str(), "X", "1m"].map(|text| Value::Text(text.into())).into());
            assert_eq!(Dataset::of(&table, &key).check(&table).is_ok(), fits, "{source}");
        }
    }

    #[test]
    fn only_names_of_ours_are_ours() {
        let id = "0123456789abcdef0123456789abcdef";
        assert!(is_ours(&format!("2024-01_2024-12-{id}.parquet")));
        assert!(is_ours(&format!("-001-01_12024-12-{id}.parquet")));
        for name in ["x.parquet", "2024-01_2024-12-1.parquet", "2024-01_2024-12.parquet", ""] {
            assert!(!is_ours(name), "{name}");
        }
        assert!(!is_ours(&format!("2024-01_2024-12-{id}.csv")));
        assert!(!is_ours(&format!("prices_2024-{id}.parquet")));
    }

    #[test]
    fn no_path_leaves_the_archive() {
        let root = Path::new("store");
        assert_eq!(resolve(root, "bars/x.parquet").unwrap(), Path::new("store/archive/bars/x.parquet"));
        for bad in ["../x.parquet", "/etc/x.parquet", "bars/../../x.parquet", "bars/x", "", "./x.parquet"] {
            assert!(resolve(root, bad).is_err(), "{bad}");
        }
    }
}
