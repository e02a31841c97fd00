//! Reading a section of a definition into its type, with errors that name the section and the nearest key.

use std::fmt;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::Error as _;
use serde::de::Visitor;
use toml::Table;
use toml::Value;

use crate::model::nearest;

/// Reads a section; `section` is how errors call it, as in `[window]`.
pub(super) fn read<T: DeserializeOwned>(table: Table, section: &str) -> Result<T> {
    check_keys(&table, &fields::<T>(), section)?;
    Value::Table(table).try_into().with_context(|| format!("cannot read {section}"))
}

/// Takes a section out of a definition.
pub(super) fn take(table: &mut Table, key: &str) -> Result<Option<Table>> {
    match table.remove(key) {
        None => Ok(None),
        Some(Value::Table(section)) => Ok(Some(section)),
        Some(_) => bail!("invalid '{key}': expected a table [{key}]"),
    }
}

/// Takes a list of sections out of a definition.
pub(super) fn take_list(table: &mut Table, key: &str) -> Result<Vec<Table>> {
    let Some(value) = table.remove(key) else { return Ok(Vec::new()) };
    let tables: Option<Vec<_>> = match value {
        Value::Array(values) => values
            .into_iter()
            .map(|value| if let Value::Table(table) = value { Some(table) } else { None })
            .collect(),
        _ => None,
    };
    tables.with_context(|| format!("invalid '{key}': expected tables [[{key}]]"))
}

/// Refuses keys that are not known.
pub(super) fn check_keys(table: &Table, known: &[&str], section: &str) -> Result<()> {
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => bail!("unknown key '{key}' in {section}, {}", suggestion(key, known.iter().copied())),
    }
}

/// Returns what is said behind an unknown word: the nearest known one, else all of them.
pub(super) fn suggestion<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    match nearest(word, known.iter().copied()).first() {
        Some(near) => format!("the nearest is '{near}'"),
        None if known.is_empty() => "none is known".to_owned(),
        None => format!("expected one of {}", known.join(", ")),
    }
}

/// Returns the names of the fields of a type, as serde knows them.
pub(super) fn fields<T: DeserializeOwned>() -> Vec<&'static str> {
    let mut names: &'static [&'static str] = &[];
    // The error is the answer: a type is asked for nothing but its fields.
    drop(T::deserialize(Fields(&mut names)));
    names.to_vec()
}

struct Fields<'a>(&'a mut &'static [&'static str]);

impl<'de> serde::Deserializer<'de> for Fields<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(Self::Error::custom("only the fields are read"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A text, a number, or true or false, kept as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct Scalar(pub(super) String);

impl TryFrom<Value> for Scalar {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        Ok(Self(match value {
            Value::String(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            Value::Datetime(time) => time.to_string(),
            Value::Array(_) | Value::Table(_) => return Err("expected a text, a number, true or false"),
        }))
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One value or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(super) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Window {
        max_points: Option<u64>,
        end: String,
    }

    #[test]
    fn an_unknown_key_names_its_section_and_the_nearest() {
        let table = toml::from_str("max_point = 1").unwrap();
        assert_eq!(
            read::<Window>(table, "[window]").unwrap_err().to_string(),
            "unknown key 'max_point' in [window], the nearest is 'max_points'"
        );
        let table = toml::from_str("zzz = 1").unwrap();
        assert_eq!(
            read::<Window>(table, "[window]").unwrap_err().to_string(),
            "unknown key 'zzz' in [window], expected one of max_points, end"
        );
        let table = toml::from_str("max_points = 5\nend = 'x'").unwrap();
        let window: Window = read(table, "[window]").unwrap();
        assert_eq!((window.max_points, window.end.as_str()), (Some(5), "x"));
    }

    #[test]
    fn a_value_of_another_type_names_its_key() {
        let table = toml::from_str("max_points = 'many'").unwrap();
        let error = format!("{:#}", read::<Window>(table, "[window]").unwrap_err());
        assert!(error.contains("[window]") && error.contains("max_points"), "{error}");
    }
}
