//! A layout: how bytes become rows, as TOML writes it and as the command line sets it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use toml::{Table, Value};

use super::Format;
use super::body::is_from_document;
use super::entry::{Arms, At, Entry, Explode, Shape, Thousands, one_or_many, scalar_text};
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
    /// Whether the document may lack its root, and then has no records.
    pub optional: bool,
    /// How the records of a document are laid out.
    pub shape: Option<Shape>,
    /// The ways from each record of the root to the ones inside it.
    pub explode: Vec<Explode>,
    /// The keys of a record that make a row each.
    pub arms: Option<Arms>,
    /// Where a document has the time behind which its rows may still change.
    pub open_after: Option<String>,
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
    optional: bool,
    layout: Option<Shape>,
    explode: Vec<Explode>,
    arms: BTreeMap<String, Vec<String>>,
    #[serde(deserialize_with = "one_or_many", alias = "time-formats")]
    time_format: Vec<String>,
}

/// Levels of records inside each other at most; each is a call.
const DEEPEST_EXPLODE: usize = 16;

/// The keys of an entry of `[map]`.
const ENTRY_KEYS: &[&str] = &["at", "unit", "since", "divide", "format", "zone", "optional", "const"];

impl Layout {
    /// The keys of a layout in TOML; a test holds them against what is read.
    pub(crate) const KEYS: &[&str] = &[
        "format",
        "layout",
        "optional",
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

    /// Reads a layout from the keys of a TOML table.
    pub(crate) fn from_table(mut table: Table) -> Result<Self> {
        check_keys(table.keys(), Self::KEYS, "layout")?;
        let format = table.remove("format");
        let map = table.remove("map").map(section("map")).transpose()?.unwrap_or_default();
        let set = table.remove("set").map(section("set")).transpose()?.unwrap_or_default();
        let text: Text = Value::Table(table).try_into()?;
        let mut layout = Self::of(text)?;
        if let Some(format) = format {
            layout.set_format(format.as_str().context("invalid format: expected a word")?)?;
        }
        layout.check_shape()?;
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

    fn of(text: Text) -> Result<Self> {
        Ok(Self {
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
            root: text.root.and_then(|root| below_document(&root)),
            optional: text.optional,
            shape: text.layout,
            explode: text.explode,
            arms: one_arm(text.arms)?,
            open_after: None,
            time_formats: text.time_format,
            map: BTreeMap::new(),
            set: BTreeMap::new(),
        })
    }

    /// Refuses a shape that the format does not have, and takes the format from it where none is given.
    fn check_shape(&mut self) -> Result<()> {
        let is_nested = !self.explode.is_empty() || self.arms.is_some();
        match (self.shape, self.format) {
            (None, Some(Format::Csv | Format::Parquet)) | (Some(Shape::Csv), _) if is_nested => {
                bail!("cannot use 'explode' or 'arms': only JSON has records inside each other")
            }
            (Some(Shape::Csv), None) => self.format = Some(Format::Csv),
            (Some(Shape::Csv), Some(Format::Csv)) => {}
            (Some(Shape::Csv), Some(_)) => bail!("invalid layout 'csv': the format is another one"),
            (Some(_), Some(Format::Csv | Format::Parquet)) => {
                bail!("invalid layout: only JSON has objects, rows, columns or keyed records")
            }
            (_, Some(Format::Ndjson)) if self.needs_inside() => {
                bail!("invalid layout: records inside each other or columns need format 'json'")
            }
            _ => {}
        }
        if self.explode.len() > DEEPEST_EXPLODE {
            bail!("invalid explode: it has over {DEEPEST_EXPLODE} levels");
        }
        Ok(())
    }

    /// Returns whether rows are made of more than one record each.
    pub(super) fn needs_inside(&self) -> bool {
        matches!(self.shape, Some(Shape::Columns | Shape::Keyed))
            || !self.explode.is_empty()
            || self.arms.is_some()
    }

    /// Returns whether only the whole document, rather than its records one by one, can be decoded.
    pub fn needs_document(&self, format: Format) -> bool {
        fn leads_out(at: &At) -> bool {
            match at {
                At::Name(name) => {
                    name.starts_with('^')
                        || is_from_document(name)
                        || matches!(name.as_str(), "@key" | "@index" | "@value")
                }
                At::First(several) => several.iter().any(leads_out),
                At::Index(_) => false,
            }
        }
        let zone_is_path = |zone: &Option<String>| zone.as_ref().is_some_and(|zone| zone.starts_with('$'));
        let has_paths = || {
            self.root.as_ref().is_some_and(|root| root.contains('*') || root.starts_with('$'))
                || zone_is_path(&self.zone)
                || self
                    .map
                    .values()
                    .any(|entry| zone_is_path(&entry.zone) || entry.at.as_ref().is_some_and(leads_out))
        };
        match format {
            Format::Json => self.needs_inside() || has_paths(),
            // A document of one line looks like one of its records.
            Format::Ndjson => self.format.is_none() && self.needs_inside(),
            Format::Csv | Format::Parquet => false,
        }
    }
}

/// Returns a root without the `$` that stands for the document, `None` if it is the document.
fn below_document(root: &str) -> Option<String> {
    let path = root.strip_prefix('$').map_or(root, |path| path.strip_prefix('.').unwrap_or(path));
    (!path.is_empty() || root.is_empty()).then(|| path.to_owned())
}

/// Reads the one column whose values are keys.
fn one_arm(arms: BTreeMap<String, Vec<String>>) -> Result<Option<Arms>> {
    let mut arms = arms.into_iter();
    match (arms.next(), arms.next()) {
        (None, _) => Ok(None),
        (Some((column, keys)), None) if !keys.is_empty() => Ok(Some(Arms { column, keys })),
        (Some((column, _)), None) => bail!("invalid arms: column '{column}' has no keys"),
        _ => bail!(
            "invalid arms: expected one column and its keys, such as `arms = {{ option_type = [\"CE\", \"PE\"] }}`"
        ),
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
        for key in Layout::KEYS {
            let mut outcomes = ["'csv'", "true", "1", "[]", "';'", "'comma'", "{}"]
                .iter()
                .map(|value| Layout::parse(&format!("{key} = {value}")));
            assert!(outcomes.any(|outcome| outcome.is_ok()), "{key}");
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
            ("explode = [{ paht = 'a[]' }]", "unknown field `paht`"),
            ("format = 'csv'\nexplode = [{ path = 'a[]' }]", "cannot use 'explode'"),
            ("arms = { a = ['x'], b = ['y'] }", "expected one column"),
            ("arms = { a = [] }", "column 'a' has no keys"),
            ("layout = 'row'", "unknown variant `row`"),
            ("layout = 'rows'\nformat = 'csv'", "only JSON"),
            ("layout = 'csv'\nformat = 'json'", "another one"),
            ("format = 'ndjson'\nlayout = 'keyed'", "need format 'json'"),
            ("skip = -1", "skip"),
        ];
        for (text, reason) in cases {
            let error = format!("{:#}", Layout::parse(text).unwrap_err());
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_root_counts_from_the_document_with_and_without_its_sign() {
        let root = |text: &str| Layout::parse(&format!("root = '{text}'")).unwrap().root;
        assert_eq!(root("$"), None);
        assert_eq!(root("$.a[0]").as_deref(), Some("a[0]"));
        assert_eq!(root("$[\"a b\"]").as_deref(), Some("[\"a b\"]"));
        assert_eq!(root("a.b").as_deref(), Some("a.b"));
    }

    #[test]
    fn only_what_leads_out_of_a_record_needs_the_whole_document() {
        let streamed =
            ["map.ts = 't'", "root = '$.a'", "layout = 'rows'", "map.ts = '@timestamp'", "zone = 'UTC'"];
        for text in streamed {
            assert!(!Layout::parse(text).unwrap().needs_document(Format::Json), "{text}");
        }
        let whole = [
            "layout = 'columns'",
            "layout = 'keyed'",
            "explode = [{ path = 'a[]' }]",
            "arms = { option_type = ['CE'] }",
            "root = 'a.*'",
            "zone = '$.zone'",
            "map.ts = ['t', '$.t']",
            "map.ts = { at = 't', zone = '$.zone' }",
        ];
        for text in whole {
            assert!(Layout::parse(text).unwrap().needs_document(Format::Json), "{text}");
        }
        let line = |text: &str| Layout::parse(text).unwrap().needs_document(Format::Ndjson);
        assert!(line("arms = { option_type = ['CE'] }") && !line("map.ts = '$.t'"));
    }

    #[test]
    fn tsv_is_csv_with_tabs() {
        let layout = Layout::parse("format = 'tsv'").unwrap();
        assert_eq!((layout.format, layout.delimiter), (Some(Format::Csv), Some('\t')));
    }
}
