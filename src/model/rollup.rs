//! Rollups: tables that are made of others by aggregation, as `barn.toml` declares them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::name::validate;
use super::timeframe::Timeframe;

/// A rollup as `barn.toml` and the store write it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct RollupText {
    /// The table it is made of.
    pub from: String,
    /// The length of a bucket, such as `1h`.
    pub every: String,
    /// Of a table whose key has a timeframe, the one that is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeframe: Option<String>,
    /// A condition in SQL that rows of the source must meet.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Columns and the aggregates in SQL that make them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
}

/// A table that is made of another: one row for each series and bucket of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// The name of the table, valid by [`validate`].
    pub name: String,
    /// What is declared, timeframes in their one spelling.
    pub text: RollupText,
    /// The length of a bucket.
    pub every: Timeframe,
}

/// Why a rollup is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct RollupError(String);

impl fmt::Display for RollupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RollupError {}

impl Rollup {
    /// Builds a rollup from its text.
    pub fn parse(name: &str, text: &RollupText) -> Result<Self, RollupError> {
        let fault = |why: String| RollupError(format!("rollup '{name}': {why}"));
        validate(name).map_err(|err| fault(err.to_string()))?;
        validate(&text.from).map_err(|err| fault(err.to_string()))?;
        let timeframe = |word: &str| word.parse::<Timeframe>().map_err(|err| fault(err.to_string()));
        let every = timeframe(&text.every)?;
        let taken = text.timeframe.as_deref().map(timeframe).transpose()?;
        for column in text.columns.keys() {
            validate(column).map_err(|err| fault(err.to_string()))?;
        }
        let mut parts = text.columns.values().chain(&text.condition);
        if let Some(part) = parts.find(|part| has_query(part)) {
            return Err(fault(format!("'{part}' has a query inside, a rollup reads only its source")));
        }
        let text = RollupText {
            every: every.to_string(),
            timeframe: taken.map(|taken| taken.to_string()),
            ..text.clone()
        };
        Ok(Self { name: name.to_owned(), text, every })
    }

    /// Returns the table it is made of.
    pub fn from(&self) -> &str {
        &self.text.from
    }

    /// Returns the text that two rollups have in common exactly if they are declared alike.
    pub fn definition(&self) -> String {
        serde_json::to_string(&self.text).expect("texts are JSON")
    }

    /// Returns rollups in an order in which each comes behind those it is made of.
    ///
    /// Fails where one is made of itself.
    pub fn in_order(rollups: &BTreeMap<String, Self>) -> Result<Vec<&Self>, RollupError> {
        let mut order: Vec<&Self> = Vec::with_capacity(rollups.len());
        let mut left: BTreeSet<&str> = rollups.keys().map(String::as_str).collect();
        while !left.is_empty() {
            let ready: Vec<&Self> = rollups
                .values()
                .filter(|one| left.contains(&*one.name) && !left.contains(one.from()))
                .collect();
            if ready.is_empty() {
                let names: Vec<_> = left.iter().map(|name| format!("'{name}'")).collect();
                return Err(RollupError(format!("rollups are made of each other: {}", names.join(", "))));
            }
            for one in ready {
                left.remove(one.name.as_str());
                order.push(one);
            }
        }
        Ok(order)
    }
}

/// Returns whether SQL has the word SELECT outside of quotes.
fn has_query(sql: &str) -> bool {
    let mut quote = None;
    let bare: String = sql
        .chars()
        .map(|c| match quote {
            Some(open) => {
                if c == open {
                    quote = None;
                }
                ' '
            }
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                ' '
            }
            None => c.to_ascii_lowercase(),
        })
        .collect();
    bare.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == "select")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(from: &str, every: &str) -> RollupText {
        RollupText { from: from.to_owned(), every: every.to_owned(), ..RollupText::default() }
    }

    fn message(name: &str, text: &RollupText) -> String {
        Rollup::parse(name, text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_declared_alike_has_one_definition() {
        let one = "from = 'bars'\nevery = '1h'\nwhere = 'volume > 0'\ncolumns = { b = 'max(close)', a = 'count(*)' }";
        let other = "columns = { a = 'count(*)', b = 'max(close)' }\nwhere = 'volume > 0'\nevery = '1h'\nfrom = 'bars'";
        let definition = |toml: &str| {
            let text: RollupText = toml::from_str(toml).unwrap();
            Rollup::parse("r", &text).unwrap().definition()
        };
        assert_eq!(definition(one), definition(other));
        assert_ne!(definition(one), definition("from = 'bars'\nevery = '1h'"));
    }

    #[test]
    fn bad_definitions_are_refused() {
        assert!(message("Bars", &text("bars", "1h")).contains("invalid name 'Bars'"));
        assert!(message("r", &text("a b", "1h")).contains("invalid name 'a b'"));
        assert!(message("r", &text("bars", "1hour")).contains("unknown unit 'hour'"));
        let timeframe = RollupText { timeframe: Some("x".to_owned()), ..text("bars", "1h") };
        assert!(message("r", &timeframe).contains("invalid timeframe 'x'"));
        let column =
            RollupText { columns: [("right".into(), "count(*)".into())].into(), ..text("bars", "1h") };
        assert!(message("r", &column).contains("reserved word"));
        let query = RollupText { condition: Some("close > (Select 1)".to_owned()), ..text("bars", "1h") };
        assert!(message("r", &query).contains("has a query inside"));
        let quoted = RollupText { condition: Some("symbol <> 'select'".to_owned()), ..text("bars", "1h") };
        assert!(Rollup::parse("r", &quoted).is_ok());
        assert!(toml::from_str::<RollupText>("from = 'bars'\nevery = '1h'\nevry = 1").is_err());
    }

    #[test]
    fn each_comes_behind_what_it_is_made_of_and_a_circle_is_refused() {
        let rollups = |pairs: &[(&str, &str)]| -> BTreeMap<String, Rollup> {
            pairs
                .iter()
                .map(|(name, from)| ((*name).into(), Rollup::parse(name, &text(from, "1h")).unwrap()))
                .collect()
        };
        let chain = rollups(&[("a", "b"), ("b", "c"), ("c", "bars"), ("d", "bars")]);
        let order: Vec<_> = Rollup::in_order(&chain).unwrap().iter().map(|one| one.name.as_str()).collect();
        assert_eq!(order, ["c", "d", "b", "a"]);
        for circle in [&[("a", "a")][..], &[("a", "b"), ("b", "a"), ("c", "bars")]] {
            let error = Rollup::in_order(&rollups(circle)).unwrap_err().to_string();
            assert!(error.starts_with("rollups are made of each other: 'a'"), "{error}");
        }
    }
}
