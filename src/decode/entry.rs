//! The words of a layout: what feeds a column, and how its numbers are written.

use std::fmt;

use anyhow::{Result, bail};
use serde::Deserialize;
use toml::Value;

/// The sign between groups of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thousands {
    /// `1,234.5`, and the Indian `1,23,456.7`.
    Comma,
    /// `1.234,5`.
    Dot,
}

/// The unit of a number that is a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Unit {
    /// Seconds.
    #[serde(rename = "s")]
    Second,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milli,
    /// Microseconds.
    #[serde(rename = "us")]
    Micro,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nano,
}

impl Unit {
    /// Returns how many make a second.
    pub fn per_second(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Milli => 1_000,
            Self::Micro => 1_000_000,
            Self::Nano => 1_000_000_000,
        }
    }
}

/// How the records of a document are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Each record is an object.
    Objects,
    /// Each record is an array, its values known by their places.
    Rows,
    /// Each column is an array; the values of one place are a record.
    Columns,
    /// Each record is the value of a key that is part of it, such as its time.
    Keyed,
    /// Each record is a line.
    Csv,
}

/// Values inside a record that are records themselves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explode {
    /// The path from the outer record to the inner ones.
    pub path: String,
    /// The name by which paths such as `^name.key` lead to a value of the inner record.
    #[serde(default, rename = "as")]
    pub name: Option<String>,
}

/// Keys of a record whose values are records, the key being the value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arms {
    /// The column.
    pub column: String,
    /// The keys; any may be absent.
    pub keys: Vec<String>,
}

/// Where a value stands in a record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum At {
    /// In the field of this place, from 0.
    Index(usize),
    /// In the field of this name, or at this path: of the record, `^path` of the nearest record around it that
    /// has it, `^name.path` of the one of that name, `$.path` of the document. `@key` is the key of the record,
    /// `@index` its place, `@value` the record itself, `@request.NAME` a value of the request.
    Name(String),
    /// In the first of several that is there and not empty.
    First(Vec<Self>),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(place) => write!(f, "'{place}'"),
            Self::Name(name) => write!(f, "'{name}'"),
            Self::First(several) => {
                for (place, at) in several.iter().enumerate() {
                    let between = if place == 0 { "" } else { " or " };
                    write!(f, "{between}{at}")?;
                }
                Ok(())
            }
        }
    }
}

/// What feeds a column.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where the value stands; absent only beside `const`.
    pub at: Option<At>,
    /// The unit of a number that is a time.
    pub unit: Option<Unit>,
    /// What a number that is a time counts from.
    pub since: Option<Since>,
    /// What a number is divided by.
    pub divide: Option<u64>,
    /// The forms of a time, tried in order.
    #[serde(default, rename = "format", deserialize_with = "one_or_many")]
    pub formats: Vec<String>,
    /// The time zone of times without one.
    pub zone: Option<String>,
    /// Whether the input may lack the field.
    #[serde(default)]
    pub optional: bool,
    /// The value in every row.
    #[serde(default, rename = "const", deserialize_with = "scalar")]
    pub constant: Option<String>,
}

/// What a number that is a time counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Since {
    /// Midnight of the base date, in the zone.
    Midnight,
}

/// Reads a text or a list of texts.
pub(super) fn one_or_many<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of texts")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}

/// Reads a text, a number, or true or false as text.
pub(super) fn scalar<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    scalar_text(value).map(Some).map_err(serde::de::Error::custom)
}

/// Returns a text, a number, or true or false as text.
pub(super) fn scalar_text(value: Value) -> Result<String> {
    Ok(match value {
        Value::String(text) => text,
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(_) | Value::Table(_) => bail!("expected a text, a number, true or false"),
    })
}
