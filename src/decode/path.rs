//! Paths into a JSON value: `a.b[0].c`, `["key with.dots"]`, `result.*!last`, `items[].id`.

use std::fmt;

use anyhow::{Result, bail};

use crate::error::Failure;

/// A way into a JSON value.
///
/// Steps are keys and places in arrays: `a.b[0]`, `["key with.dots"]`. `*` is every key, `*!last` every key but
/// that one, `Time Series*` every key that starts so, `[]` every element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    text: String,
    steps: Vec<Step>,
}

impl Path {
    /// Reads a path; a leading `$` stands for the value it starts from.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self { text: text.to_owned(), steps: parse(text)? })
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the value of a key.
    Key(String),
    /// To an element of an array, from 0.
    Index(usize),
    /// To the value of every key but these.
    AnyBut(Vec<String>),
    /// To the value of every key that starts so.
    Prefix(String),
    /// To every element of an array.
    Each,
}

impl Step {
    /// Reads a key, which may stand for several.
    fn key(text: &str) -> Self {
        if let Some(rest) = text.strip_prefix('*')
            && (rest.is_empty() || rest.starts_with('!'))
        {
            return Self::AnyBut(rest.split('!').skip(1).map(str::to_owned).collect());
        }
        match text.strip_suffix('*') {
            Some(start) => Self::Prefix(start.to_owned()),
            None => Self::Key(text.to_owned()),
        }
    }

    /// Returns whether the step leads to one value at most.
    pub(super) fn is_single(&self) -> bool {
        matches!(self, Self::Key(_) | Self::Index(_))
    }

    /// Returns whether the step leads to the value of a key.
    pub(super) fn leads_to(&self, key: &str) -> bool {
        match self {
            Self::Key(wanted) => wanted == key,
            Self::AnyBut(others) => others.iter().all(|other| other != key),
            Self::Prefix(start) => key.starts_with(start.as_str()),
            Self::Index(_) | Self::Each => false,
        }
    }
}

/// Steps at most; no provider nests deeper, and each step is a call.
const DEEPEST: usize = 128;

/// Reads a path.
pub(super) fn parse(text: &str) -> Result<Vec<Step>> {
    let invalid = |why: &str| Failure::usage(format!("invalid path '{text}': {why}"));
    let mut steps = Vec::new();
    let mut rest = text.strip_prefix("$").unwrap_or(text);
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let quote = inside.chars().next().filter(|c| ['"', '\''].contains(c));
            let (step, behind) = if let Some(quote) = quote {
                let inside = inside.get(1..).unwrap_or_default();
                let Some((key, behind)) = inside.split_once(&format!("{quote}]")) else {
                    bail!(invalid("a quote is not closed"));
                };
                (Step::key(key), behind)
            } else {
                let Some((number, behind)) = inside.split_once(']') else {
                    bail!(invalid("a bracket is not closed"))
                };
                match number.parse() {
                    _ if number.is_empty() => (Step::Each, behind),
                    Ok(number) => (Step::Index(number), behind),
                    Err(_) => bail!(invalid("expected a whole number in brackets")),
                }
            };
            steps.push(step);
            rest = behind;
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, behind) = rest.split_at(end);
            if key.is_empty() {
                bail!(invalid("a key is empty"));
            }
            steps.push(Step::key(key));
            rest = behind;
        }
        if steps.len() > DEEPEST {
            bail!(invalid("it has over 128 steps"));
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let key = |key: &str| Step::Key(key.to_owned());
        let cases = [
            ("a", vec![key("a")]),
            ("$.a.b[0].c", vec![key("a"), key("b"), Step::Index(0), key("c")]),
            ("[2]", vec![Step::Index(2)]),
            ("[\"1. open\"]", vec![key("1. open")]),
            ("a['b.c'][1]", vec![key("a"), key("b.c"), Step::Index(1)]),
            ("$", vec![]),
            ("result.*!last", vec![key("result"), Step::AnyBut(vec!["last".into()])]),
            ("*.a", vec![Step::AnyBut(vec![]), key("a")]),
            ("[\"Time Series*\"][0]", vec![Step::Prefix("Time Series".into()), Step::Index(0)]),
            ("a[].b", vec![key("a"), Step::Each, key("b")]),
        ];
        for (text, steps) in cases {
            assert_eq!(parse(text).unwrap(), steps, "{text}");
        }
        for text in ["a..b", "a[", "a[x]", "a[\"b", "a.", "a[-1]"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"a.".repeat(200)).is_err());
    }
}
