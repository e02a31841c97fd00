//! A layout: how bytes become rows, as TOML writes it and as the command line sets it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use toml::{Table, Value};

use super::Format;
use super::entry::{At, Entry, Thousands, one_or_many, scalar_text};
use crate::error::Failure;
use crate::model::nearest;

/// How the bytes of an input become rows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "Table")]
pub struct Layout {
    /// The format; recognised by content where absent.
    pub format: Option<Format>,
    /// Whether the first line names the fields; yes where absent, unless `columns` names them.
    pub header: Option<bool>,
    /// The names of the fields, in their order.
    pub columns: Vec<String>,
    /// A pattern of the file's name; its named groups fill columns, and `date` the base date.
    pub name: Option<String>,
    /// Whether the symbol is the file's name.
    pub symbol_from_name: bool,
    /// The time zone of times without one.
    pub zone: Option<String>,
    /// The encoding of the text.
    pub encoding: Option<String>,
    /// Lines before the header or the first record.
    pub skip: usize,
    /// Lines behind the last record.
    pub footer: usize,
    /// What stands between fields; decided by the first lines where absent.
    pub delimiter: Option<char>,
    /// Which sign groups the digits of large numbers.
    pub thousands: Option<Thousands>,
    /// Words that mean null in columns that are not text, beside the usual ones.
    pub nulls: Vec<String>,
    /// Where the records of a JSON document are.
    pub root: Option<String>,
    /// The forms of the column `ts`, tried in order.
    pub time_formats: Vec<String>,
    /// For a column of the table what feeds it.
    pub map: BTreeMap<String, Entry>,
    /// For a column of the table its value in every row.
    pub set: BTreeMap<String, String>,
}

/// A layout as TOML writes it, but for the keys that [`Layout::try_from`] takes apart itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[derive(Default)]
struct Text {
    header: Option<bool>,
    columns: Vec<String>,
    name: Option<String>,
    symbol_from_name: bool,
    zone: Option<String>,
    encoding: Option<String>,
    skip: usize,
    footer: usize,
    delimiter: Option<char>,
    thousands: Option<Thousands>,
    nulls: Vec<String>,
    root: Option<String>,
    #[serde(deserialize_with = "one_or_many", alias = "time-formats")]
    time_format: Vec<String>,
}

/// The keys of a layout; a test holds them against what is read.
const KEYS: &[&str] = &[
    "format",
    "header",
    "columns",
    "name",
    "symbol-from-name",
    "zone",
    "encoding",
    "skip",
    "footer",
    "delimiter",
    "thousands",
    "nulls",
    "root",
    "time-format",
    "time-formats",
    "map",
    "set",
    "explode",
    "arms",
];

/// The keys of an entry of `[map]`.
const ENTRY_KEYS: &[&str] = &["at", "unit", "since", "divide", "format", "zone", "optional", "const"];

impl Layout {
    /// Reads a layout from TOML.
    pub fn parse(text: &str) -> Result<Self> {
        let table: Table = toml::from_str(text).context(Failure::usage("cannot read layout"))?;
        Self::from_table(table).context(Failure::usage("cannot read layout"))
    }

    /// Reads the layout `[layout.NAME]` of a configuration, if it has one.
    pub fn parse_named(text: &str, name: &str) -> Result<Option<Self>> {
        let mut config: Table = toml::from_str(text).context(Failure::usage("cannot read layout"))?;
        match config.remove("layout") {
            Some(Value::Table(mut layouts)) => match layouts.remove(name) {
                Some(Value::Table(table)) => {
                    Self::from_table(table).map(Some).context(Failure::usage("cannot read layout"))
                }
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Returns the columns that `[map]` feeds from a field of the input.
    pub fn fed_by(&self, field: &str) -> Vec<&str> {
        fn names(at: &At, field: &str) -> bool {
            match at {
                At::Name(name) => name.eq_ignore_ascii_case(field),
                At::First(several) => several.iter().any(|at| names(at, field)),
                At::Index(_) => false,
            }
        }
        let feeds = |entry: &Entry| entry.at.as_ref().is_some_and(|at| names(at, field));
        self.map.iter().filter(|(_, entry)| feeds(entry)).map(|(column, _)| column.as_str()).collect()
    }

    /// Sets the format by its word; `tsv` also sets the delimiter, `auto` leaves it to the content.
    pub fn set_format(&mut self, word: &str) -> Result<()> {
        self.format = Some(match word {
            "auto" => return Ok(()),
            "csv" => Format::Csv,
            "tsv" => {
                self.delimiter = self.delimiter.or(Some('\t'));
                Format::Csv
            }
            "ndjson" => Format::Ndjson,
            "json" => Format::Json,
            "parquet" => Format::Parquet,
            _ => bail!(Failure::usage(format!(
                "invalid format '{word}': expected auto, csv, tsv, ndjson, json or parquet"
            ))),
        });
        Ok(())
    }

    /// Sets what feeds a column, as `--map COLUMN=FIELD` says.
    pub fn map_field(&mut self, column: &str, field: &str) {
        let entry = self.map.entry(column.to_owned()).or_default();
        entry.at = Some(At::Name(field.to_owned()));
        entry.constant = None;
    }

    fn from_table(mut table: Table) -> Result<Self> {
        check_keys(table.keys(), KEYS, "layout")?;
        if let Some(later) = ["explode", "arms"].into_iter().find(|key| table.contains_key(*key)) {
            bail!("cannot use '{later}': this version of barn does not take nested records apart");
        }
        let format = table.remove("format");
        let map = table.remove("map").map(section("map")).transpose()?.unwrap_or_default();
        let set = table.remove("set").map(section("set")).transpose()?.unwrap_or_default();
        let text: Text = Value::Table(table).try_into()?;
        let mut layout = Self {
            format: None,
            header: text.header,
            columns: text.columns,
            name: text.name,
            symbol_from_name: text.symbol_from_name,
            zone: text.zone,
            encoding: text.encoding,
            skip: text.skip,
            footer: text.footer,
            delimiter: text.delimiter,
            thousands: text.thousands,
            nulls: text.nulls,
            root: text.root,
            time_formats: text.time_format,
            map: BTreeMap::new(),
            set: BTreeMap::new(),
        };
        if let Some(format) = format {
            layout.set_format(format.as_str().context("invalid format: expected a word")?)?;
        }
        for (column, entry) in map {
            let entry =
                parse_entry(entry).with_context(|| format!("cannot read column '{column}' of [map]"))?;
            layout.map.insert(column, entry);
        }
        for (column, value) in set {
            let value =
                scalar_text(value).with_context(|| format!("cannot read column '{column}' of [set]"))?;
            layout.set.insert(column, value);
        }
        Ok(layout)
    }
}

impl TryFrom<Table> for Layout {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        // Serde takes the error as text, so the causes go into it.
        Self::from_table(table).map_err(|err| format!("{err:#}"))
    }
}

fn section(name: &'static str) -> impl Fn(Value) -> Result<Table> {
    move |value| match value {
        Value::Table(table) => Ok(table),
        _ => Err(anyhow!("invalid '{name}': expected a table")),
    }
}

fn parse_entry(value: Value) -> Result<Entry> {
    let entry: Entry = match value {
        Value::Table(table) => {
            check_keys(table.keys(), ENTRY_KEYS, "entry")?;
            Value::Table(table).try_into()?
        }
        at => Entry { at: Some(at.try_into()?), ..Entry::default() },
    };
    match (&entry.at, &entry.constant) {
        (None, None) => bail!("invalid entry: expected 'at' or 'const'"),
        (Some(_), Some(_)) => bail!("invalid entry: 'at' and 'const' exclude each other"),
        _ => {}
    }
    if entry.divide == Some(0) {
        bail!("invalid divide '0': expected a whole number from 1");
    }
    if entry.since.is_some() && entry.unit.is_none() {
        bail!("invalid entry: 'since' needs 'unit', one of s, ms, us, ns");
    }
    Ok(entry)
}

fn check_keys<'a>(keys: impl Iterator<Item = &'a String>, known: &[&str], what: &str) -> Result<()> {
    for key in keys {
        if !known.contains(&key.as_str()) {
            match nearest(key, known.iter().copied()).first() {
                Some(near) => bail!("unknown key '{key}' of {what}, the nearest known key is '{near}'"),
                None => bail!("unknown key '{key}' of {what}, expected one of {}", known.join(", ")),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Since, Unit};
    use super::*;

    #[test]
    fn the_tick_layout_is_read() {
        let layout = Layout::parse(
            r#"
            format  = "csv"
            header  = false
            columns = ["at", "price"]
            name    = '(?<symbol>[a-z]+)_(?<date>\d{8})_.*'
            zone    = "America/New_York"
            [map]
            ts    = { at = "at", unit = "ms", since = "midnight" }
            price = { at = "price", divide = 10000 }
            size  = 2
            side  = ["a", 4]
            [set]
            source = "algoseek"
            strike = 12.5
            "#,
        )
        .unwrap();
        assert_eq!(layout.header, Some(false));
        assert_eq!(layout.map["ts"].unit, Some(Unit::Milli));
        assert_eq!(layout.map["ts"].since, Some(Since::Midnight));
        assert_eq!(layout.map["price"].divide, Some(10_000));
        assert_eq!(layout.map["size"].at, Some(At::Index(2)));
        assert_eq!(layout.map["side"].at, Some(At::First(vec![At::Name("a".into()), At::Index(4)])));
        assert_eq!(layout.set["strike"], "12.5");
    }

    #[test]
    fn every_known_key_is_read() {
        for key in KEYS {
            let mut outcomes = ["'csv'", "true", "1", "[]", "';'", "'comma'", "{}"]
                .iter()
                .map(|value| Layout::parse(&format!("{key} = {value}")));
            let refused = ["explode", "arms"].contains(key);
            assert_eq!(outcomes.any(|outcome| outcome.is_ok()), !refused, "{key}");
        }
        for key in ENTRY_KEYS {
            let mut outcomes = ["'s'", "'midnight'", "1", "true"].iter().map(|value| {
                let at = if *key == "at" || *key == "const" { "" } else { "at = 0, unit = 'ms'," };
                let at = if *key == "unit" { "at = 0," } else { at };
                Layout::parse(&format!("map.ts = {{ {at} {key} = {value} }}"))
            });
            assert!(outcomes.any(|outcome| outcome.is_ok()), "{key}");
        }
    }

    #[test]
    fn bad_layouts_are_refused_with_their_reason() {
        let cases = [
            ("colums = []", "unknown key 'colums' of layout, the nearest known key is 'columns'"),
            ("map.ts = { att = 1 }", "unknown key 'att' of entry, the nearest known key is 'at'"),
            ("map.ts = {}", "expected 'at' or 'const'"),
            ("map.ts = { at = 1, const = 1 }", "exclude each other"),
            ("map.ts = { at = 1, since = 'midnight' }", "'since' needs 'unit'"),
            ("map.ts = { at = 1, divide = 0 }", "invalid divide '0'"),
            ("format = 'xls'", "invalid format 'xls'"),
            ("set.a = []", "expected a text"),
            ("explode = []", "cannot use 'explode'"),
            ("skip = -1", "skip"),
        ];
        for (text, reason) in cases {
            let error = format!("{:#}", Layout::parse(text).unwrap_err());
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn tsv_is_csv_with_tabs() {
        let layout = Layout::parse("format = 'tsv'").unwrap();
        assert_eq!((layout.format, layout.delimiter), (Some(Format::Csv), Some('\t')));
    }
}
