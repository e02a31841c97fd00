//! Tables: the key that names a series, the time column `ts`, for ticks the ordinal `seq`, and values.

use std::fmt;

use super::name::{InvalidName, validate};
use super::value::{Value, ValueRef};

/// The TOML text of the built-in tables.
pub const BUILTIN: &str = include_str!("tables.toml");

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// An IEEE 754 double.
    Double,
    /// A 64-bit whole number.
    Bigint,
    /// True or false.
    Boolean,
    /// A date without a time of day.
    Date,
    /// A time in UTC, microseconds.
    Timestamp,
}

impl ColumnType {
    /// Returns the word used in table definitions and shown to users.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Double => "double",
            Self::Bigint => "bigint",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Text, Self::Double, Self::Bigint, Self::Boolean, Self::Date, Self::Timestamp]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name, valid by [`validate`].
    pub name: String,
    /// The type.
    pub kind: ColumnType,
    /// Whether a null is allowed; always so for values, by declaration for keys.
    pub nullable: bool,
    /// What a row has where its input does not have the column; null but for `final`.
    pub default: Value,
}

impl Column {
    /// A value column.
    pub fn value(name: &str, kind: ColumnType) -> Self {
        Self { name: name.to_owned(), kind, nullable: true, default: Value::Null }
    }

    /// Returns whether this is the column that says whether a row can no longer change.
    pub fn is_final(&self) -> bool {
        self.name == "final" && self.kind == ColumnType::Boolean
    }

    fn text(&self) -> String {
        let default = if self.default == Value::Boolean(true) { " true" } else { "" };
        format!("{} {}{default}", self.name, self.kind)
    }
}

/// A comparison in a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<=`
    AtMost,
    /// `>=`
    AtLeast,
}

/// The right side of a check.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// Another value column, by its place in [`Table::values`].
    Column(usize),
    /// A constant.
    Number(f64),
}

/// What plausible rows satisfy: a value column compared with another or with a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The left side, by its place in [`Table::values`].
    pub column: usize,
    /// The comparison.
    pub operator: Operator,
    /// The right side.
    pub bound: Bound,
}

impl Check {
    /// Returns whether the comparison holds; one with a null does.
    pub fn holds(&self, value: impl Fn(usize) -> Option<f64>) -> bool {
        let bound = match self.bound {
            Bound::Column(at) => value(at),
            Bound::Number(number) => Some(number),
        };
        match (value(self.column), bound) {
            (Some(left), Some(right)) => match self.operator {
                Operator::AtMost => left <= right,
                Operator::AtLeast => left >= right,
            },
            _ => true,
        }
    }
}

/// A table: its name, its key columns, and its value columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The name, valid by [`validate`].
    pub name: String,
    /// The columns whose values name a series.
    pub key: Vec<Column>,
    /// Whether rows are ticks: several may share a time and are told apart by `seq`.
    pub ticks: bool,
    /// The value columns.
    pub values: Vec<Column>,
    /// What plausible rows satisfy.
    pub checks: Vec<Check>,
}

/// A table as TOML and the catalogue write it: columns as `name type`, key columns also `name type null`,
/// values also `name boolean true` where true stands for an absent value.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct TableText {
    /// Key columns.
    pub key: Vec<String>,
    /// Whether rows are ticks.
    #[serde(default)]
    pub ticks: bool,
    /// Value columns.
    #[serde(default)]
    pub values: Vec<String>,
    /// Checks such as `high >= low`.
    #[serde(default)]
    pub checks: Vec<String>,
}

/// Why a table definition is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct TableError(String);

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TableError {}

impl From<InvalidName> for TableError {
    fn from(error: InvalidName) -> Self {
        Self(error.to_string())
    }
}

impl Table {
    /// Builds a table from its text.
    pub fn parse(name: &str, text: &TableText) -> Result<Self, TableError> {
        validate(name)?;
        let key = text.key.iter().map(|column| parse_column(column, true)).collect::<Result<Vec<_>, _>>()?;
        let values =
            text.values.iter().map(|column| parse_column(column, false)).collect::<Result<Vec<_>, _>>()?;
        if key.is_empty() {
            return Err(TableError(format!("table '{name}' has no key column")));
        }
        let mut table = Self { name: name.to_owned(), key, ticks: text.ticks, values, checks: Vec::new() };
        let mut names: Vec<_> = table.columns().into_iter().map(|column| column.name).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        if names.len() < count {
            return Err(TableError(format!("table '{name}' has two columns of one name")));
        }
        table.checks = text.checks.iter().map(|check| table.parse_check(check)).collect::<Result<_, _>>()?;
        Ok(table)
    }

    /// Returns the text [`Table::parse`] reads.
    pub fn to_text(&self) -> TableText {
        TableText {
            key: self
                .key
                .iter()
                .map(|column| column.text() + if column.nullable { " null" } else { "" })
                .collect(),
            ticks: self.ticks,
            values: self.values.iter().map(Column::text).collect(),
            checks: self.checks.iter().map(|check| self.check_text(check)).collect(),
        }
    }

    /// Returns all columns in the order queries show them: key, `ts`, `seq`, values.
    pub fn columns(&self) -> Vec<Column> {
        let mut columns = self.key.clone();
        columns.push(Column { nullable: false, ..Column::value("ts", ColumnType::Timestamp) });
        if self.ticks {
            columns.push(Column { nullable: false, ..Column::value("seq", ColumnType::Bigint) });
        }
        columns.extend(self.values.iter().cloned());
        columns
    }

    /// Returns the place of a value column.
    pub fn value_index(&self, name: &str) -> Option<usize> {
        self.values.iter().position(|column| column.name == name)
    }

    /// Returns the place of a key column.
    pub fn key_index(&self, name: &str) -> Option<usize> {
        self.key.iter().position(|column| column.name == name)
    }

    /// Returns whether a row breaks one of the checks.
    pub fn is_suspect<'a>(&self, value: impl Fn(usize) -> ValueRef<'a>) -> bool {
        let number = |at: usize| match value(at) {
            ValueRef::Double(number) => Some(number),
            #[allow(clippy::cast_precision_loss, reason = "a check compares magnitudes, not digits")]
            ValueRef::Bigint(number) => Some(number as f64),
            _ => None,
        };
        self.checks.iter().any(|check| !check.holds(number))
    }

    /// Returns a check as it is written, such as `high >= low`.
    pub fn check_text(&self, check: &Check) -> String {
        let operator = match check.operator {
            Operator::AtMost => "<=",
            Operator::AtLeast => ">=",
        };
        let bound = match check.bound {
            Bound::Column(at) => self.values[at].name.clone(),
            Bound::Number(number) => number.to_string(),
        };
        format!("{} {operator} {bound}", self.values[check.column].name)
    }

    fn parse_check(&self, text: &str) -> Result<Check, TableError> {
        let invalid = || {
            TableError(format!("invalid check '{text}': expected 'column >= column' or 'column <= number'"))
        };
        let words: Vec<_> = text.split_whitespace().collect();
        let [column, operator, bound] = words[..] else { return Err(invalid()) };
        let operator = match operator {
            "<=" => Operator::AtMost,
            ">=" => Operator::AtLeast,
            _ => return Err(invalid()),
        };
        let bound = match (self.value_index(bound), bound.parse()) {
            (Some(at), _) => Bound::Column(at),
            (None, Ok(number)) => Bound::Number(number),
            (None, Err(_)) => return Err(invalid()),
        };
        Ok(Check { column: self.value_index(column).ok_or_else(invalid)?, operator, bound })
    }
}

fn parse_column(text: &str, is_key: bool) -> Result<Column, TableError> {
    let words: Vec<_> = text.split_whitespace().collect();
    let (name, kind, nullable) = match words[..] {
        [name, kind] => (name, kind, !is_key),
        [name, kind, "null"] if is_key => (name, kind, true),
        [name, "boolean", "true"] if !is_key => (name, "boolean", true),
        _ => return Err(TableError(format!("invalid column '{text}': expected 'name type'"))),
    };
    validate(name)?;
    let kind = ColumnType::parse(kind).ok_or_else(|| {
        TableError(format!(
            "invalid column '{text}': unknown type '{kind}', expected text, double, bigint, boolean, date or timestamp"
        ))
    })?;
    let default = if words.last() == Some(&"true") { Value::Boolean(true) } else { Value::Null };
    Ok(Column { name: name.to_owned(), kind, nullable, default })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_built_in_tables_parse_and_keep_their_text() {
        let texts: BTreeMap<String, TableText> = toml::from_str(BUILTIN).unwrap();
        assert_eq!(texts.len(), 9);
        for (name, text) in &texts {
            let table = Table::parse(name, text).unwrap();
            assert_eq!(table.to_text(), *text, "{name}");
        }
    }

    #[test]
    fn bad_definitions_are_refused() {
        let text = |key: &[&str], values: &[&str], checks: &[&str]| TableText {
            key: key.iter().map(ToString::to_string).collect(),
            ticks: false,
            values: values.iter().map(ToString::to_string).collect(),
            checks: checks.iter().map(ToString::to_string).collect(),
        };
        for bad in [
            text(&[], &["a double"], &[]),
            text(&["a"], &[], &[]),
            text(&["a number"], &[], &[]),
            text(&["a text"], &["a double"], &[]),
            text(&["a text"], &["ts double"], &[]),
            text(&["a text"], &["right double"], &[]),
            text(&["a text"], &["b double null"], &[]),
            text(&["a text"], &["b double"], &["b > 1"]),
            text(&["a text"], &["b double"], &["c >= b"]),
        ] {
            assert!(Table::parse("t", &bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_high_below_the_low_is_suspect_and_a_null_is_not() {
        let texts: BTreeMap<String, TableText> = toml::from_str(BUILTIN).unwrap();
        let bars = Table::parse("bars", &texts["bars"]).unwrap();
        let row = |high: ValueRef<'static>| {
            bars.is_suspect(|at| match bars.values[at].name.as_str() {
                "high" => high,
                "low" => ValueRef::Double(2.0),
                _ => ValueRef::Null,
            })
        };
        assert!(row(ValueRef::Double(1.0)));
        assert!(!row(ValueRef::Double(2.0)));
        assert!(!row(ValueRef::Null));
    }
}
