//! Paths into a JSON value: `a.b[0].c`, `["key with.dots"]`.

use anyhow::{Result, bail};

use crate::error::Failure;

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the value of a key.
    Key(String),
    /// To an element of an array, from 0.
    Index(usize),
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
                (Step::Key(key.to_owned()), behind)
            } else {
                let Some((number, behind)) = inside.split_once(']') else {
                    bail!(invalid("a bracket is not closed"))
                };
                let Ok(number) = number.parse() else {
                    bail!(invalid("expected a whole number in brackets"))
                };
                (Step::Index(number), behind)
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
            steps.push(Step::Key(key.to_owned()));
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
