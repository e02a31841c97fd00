//! The fields of an input: their names, and where a layout's `at` leads.

use anyhow::{Result, bail};

use super::body::Places;
use super::entry::At;
use super::json::JsonReading;
use super::layout::Layout;
use super::moment::{Form, TimeRule};
use super::path::{self, Step};
use super::shape::Shape;
use super::{Block, Format, Input, clock, csv, shape};
use crate::error::Failure;
use crate::model::{nearest, normalize};

/// The fields of an input; a slot is a place in `names`, or behind them for a path into an object.
pub(super) struct Fields<'a> {
    /// The names, in the order of the input.
    pub(super) names: Vec<String>,
    /// The paths that a layout asked for.
    paths: Vec<Vec<Step>>,
    kind: Kind<'a>,
}

/// Returns what is said behind an unknown word: the nearest names, or `others` where none is near.
pub(super) fn nearest_or(near: &[&str], others: impl FnOnce() -> String) -> String {
    match near {
        [] => others(),
        [name] => format!("the nearest is '{name}'"),
        _ => format!("the nearest are '{}'", near.join("', '")),
    }
}

enum Kind<'a> {
    Csv(csv::CsvReading),
    Objects(&'a [Block]),
    Arrays,
    Typed,
    Nested(Places),
}

/// How the blocks of an input are read.
#[derive(Clone)]
pub(super) enum Reading {
    /// As CSV.
    Csv(csv::CsvReading),
    /// As JSON.
    Json(JsonReading),
}

impl<'a> Fields<'a> {
    /// Looks at the head of an input.
    pub(super) fn of(layout: &Layout, input: &Input<'a>) -> Result<Self> {
        let (names, kind) = match input.format {
            Format::Csv => {
                let (names, reading) = of_csv(layout, input.head);
                (names, Kind::Csv(reading))
            }
            Format::Json | Format::Ndjson => {
                let shape = shape::shape(input.head);
                if shape.keys.is_empty() && shape.width > 0 {
                    (named(&layout.columns, shape.width), Kind::Arrays)
                } else {
                    (shape.keys, Kind::Objects(input.head))
                }
            }
            Format::Parquet => bail!("cannot read '{}': Parquet has no blocks", input.file_name),
        };
        Ok(Self { names, paths: Vec::new(), kind })
    }

    /// The fields of JSON records of a known shape.
    pub(super) fn of_shape(shape: Shape) -> Self {
        let (names, kind) = if shape.keys.is_empty() && shape.width > 0 {
            (named(&[], shape.width), Kind::Arrays)
        } else {
            (shape.keys, Kind::Objects(&[]))
        };
        Self { names, paths: Vec::new(), kind }
    }

    /// The columns of a typed input.
    pub(super) fn typed(names: Vec<String>) -> Self {
        Self { names, paths: Vec::new(), kind: Kind::Typed }
    }

    /// The values of a document whose records lie inside each other; they have no names.
    pub(super) fn nested(places: Places) -> Self {
        Self { names: Vec::new(), paths: Vec::new(), kind: Kind::Nested(places) }
    }

    /// Returns where the values of a document stand, if it is one.
    pub(super) fn places(&mut self) -> Option<&mut Places> {
        match &mut self.kind {
            Kind::Nested(places) => Some(places),
            _ => None,
        }
    }

    /// Refuses a first line that looks like a record, unless it is said to be a header; `is_known` says
    /// whether a name means something.
    pub(super) fn check_header(
        &self,
        layout: &Layout,
        file_name: &str,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<()> {
        if layout.header.is_some() || self.names.iter().any(|name| is_known(name)) {
            return Ok(());
        }
        if self.has_no_header() {
            let example =
                (1..=self.names.len().min(3)).map(|at| format!("NAME{at}")).collect::<Vec<_>>().join(",");
            bail!(
                Failure::usage(format!(
                    "cannot use the header of '{file_name}': its first line looks like a record: '{}'",
                    self.names.iter().take(4).cloned().collect::<Vec<_>>().join(",")
                ))
                .hint(format!("`--columns {example}` names the fields of a file without a header"))
            );
        }
        Ok(())
    }

    /// Returns whether the names look like a record of CSV.
    pub(super) fn has_no_header(&self) -> bool {
        let is_data = |name: &String| {
            let text = name.as_bytes();
            clock::iso(text).is_ok() || clock::count(text, 1).is_ok() || looks_like_compact_time(text)
        };
        matches!(&self.kind, Kind::Csv(reading) if reading.has_header) && self.names.iter().any(is_data)
    }

    /// Returns the slots of a field, none where the input does not have it.
    pub(super) fn find(&mut self, at: &At) -> Result<Vec<usize>> {
        match &mut self.kind {
            Kind::Nested(places) => places.find(at),
            _ => Ok(self.find_one(at)?.into_iter().collect()),
        }
    }

    fn find_one(&mut self, at: &At) -> Result<Option<usize>> {
        match at {
            At::Index(place) => {
                Ok((*place < self.names.len() && !matches!(self.kind, Kind::Objects(_))).then_some(*place))
            }
            At::Name(name) => self.find_name(name),
            At::First(_) => Ok(None),
        }
    }

    fn find_name(&mut self, name: &str) -> Result<Option<usize>> {
        let exact = self.names.iter().position(|known| known == name);
        let alike = || self.names.iter().position(|known| known.eq_ignore_ascii_case(name.trim()));
        let normalized = || {
            let name = normalize(name)?;
            self.names.iter().position(|known| normalize(known).as_deref() == Some(name.as_str()))
        };
        if let Some(slot) = exact.or_else(alike) {
            return Ok(Some(slot));
        }
        if let Kind::Objects(head) = self.kind {
            let path = path::parse(name)?;
            if path.len() > 1 || name.starts_with(['$', '[']) {
                if !shape::has_path(head, &path) {
                    return Ok(None);
                }
                self.paths.push(path);
                return Ok(Some(self.names.len() + self.paths.len() - 1));
            }
        }
        if let Some(slot) = normalized() {
            return Ok(Some(slot));
        }
        match name.parse() {
            Ok(place) => self.find_one(&At::Index(place)),
            Err(_) => Ok(None),
        }
    }

    /// Returns the error for a field that is not there.
    pub(super) fn missing(&self, column: &str, field: &str, file_name: &str) -> anyhow::Error {
        let near = nearest_or(&nearest(field, self.names.iter().map(String::as_str)), || self.said());
        Failure::usage(format!("cannot fill column '{column}': '{file_name}' has no field '{field}', {near}"))
            .into()
    }

    /// Returns what a message says of the names.
    pub(super) fn said(&self) -> String {
        /// Names shown at most; there may be ten thousand.
        const SHOWN: usize = 30;
        if self.names.iter().all(String::is_empty) {
            return "it has no fields".to_owned();
        }
        let mut text = self.names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        if self.names.len() > SHOWN {
            text.push_str(", …");
        }
        format!("its fields are {text}")
    }

    /// Returns how the blocks are read, for the slots in use.
    pub(super) fn reading(&self, used: &[usize]) -> Reading {
        let path_of = |slot: usize| -> Option<Vec<Step>> {
            match (&self.kind, self.names.get(slot)) {
                (Kind::Arrays, Some(_)) => Some(vec![Step::Index(slot)]),
                (_, Some(name)) => Some(vec![Step::Key(name.clone())]),
                (_, None) => self.paths.get(slot - self.names.len()).cloned(),
            }
        };
        if let Kind::Csv(reading) = &self.kind {
            return Reading::Csv(reading.clone());
        }
        let paths = used.iter().filter_map(|slot| Some((*slot, path_of(*slot)?)));
        Reading::Json(JsonReading::new(paths, self.names.len() + self.paths.len()))
    }
}

/// Returns whether a text is a time such as `20110301 090100`.
fn looks_like_compact_time(text: &[u8]) -> bool {
    let rule =
        TimeRule { form: Form::Patterns(vec![super::pattern::Pattern::with_time("%Y%m%d")]), zone: None };
    rule.read(text).is_ok()
}

/// Names for fields: those given, then their places.
fn named(columns: &[String], width: usize) -> Vec<String> {
    let rest = (columns.len()..width).map(|place| place.to_string());
    columns.iter().cloned().chain(rest).collect()
}

fn of_csv(layout: &Layout, head: &[Block]) -> (Vec<String>, csv::CsvReading) {
    let delimiter = csv::delimiter(layout, head.first().map_or(&[], |block| &block.bytes));
    let first = csv::first_record(delimiter, head);
    let has_header = layout.header.unwrap_or(layout.columns.is_empty());
    let names = match (has_header, layout.columns.is_empty()) {
        (true, true) => first
            .into_iter()
            .map(|name| name.strip_prefix('#').map_or(name.clone(), |name| name.trim().to_owned()))
            .collect(),
        (false, true) => named(&[], first.len()),
        (_, false) => layout.columns.clone(),
    };
    let width = names.len();
    (names, csv::CsvReading { delimiter, has_header, width })
}
