//! The way from the root of a JSON document to its records, as `--root` and layouts write it.

use anyhow::{Result, bail};

use crate::error::Failure;

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the value of a key.
    Key(String),
    /// To an element of an array, from 0.
    Index(u64),
}

/// Returns the steps of a path such as `chart.result[0]` or `["Time Series"]`.
///
/// Between brackets stand a number, or a key in double quotes with the escapes of JSON.
pub(super) fn parse(path: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let step = if let Some(inside) = rest.strip_prefix('[') {
            bracket(inside)
        } else {
            // A dot stands between steps, not before the first one.
            let start = if steps.is_empty() { Some(rest) } else { rest.strip_prefix('.') };
            start.and_then(plain)
        };
        let Some((step, behind)) = step else {
            bail!(Failure::usage(format!(
                "cannot read path '{path}': expected a key or a bracket at '{rest}'"
            )));
        };
        steps.push(step);
        rest = behind;
    }
    if steps.is_empty() {
        bail!(Failure::usage("cannot read path '': it is empty"));
    }
    Ok(steps)
}

/// Returns a key without quotes and what stands behind it.
fn plain(text: &str) -> Option<(Step, &str)> {
    let end = text.find(['.', '[', ']', '"']).unwrap_or(text.len());
    let (key, behind) = text.split_at(end);
    (!key.is_empty()).then(|| (Step::Key(key.into()), behind))
}

/// Returns the step whose opening bracket was taken, and what stands behind it.
fn bracket(inside: &str) -> Option<(Step, &str)> {
    if !inside.starts_with('"') {
        let (number, behind) = inside.split_once(']')?;
        return Some((Step::Index(number.parse().ok()?), behind));
    }
    let mut keys = serde_json::Deserializer::from_str(inside).into_iter::<String>();
    let key = keys.next()?.ok()?;
    let behind = inside.get(keys.byte_offset()..)?.strip_prefix(']')?;
    Some((Step::Key(key), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> Step {
        Step::Key(key.into())
    }

    #[test]
    fn paths_are_dotted_and_bracketed() {
        assert_eq!(parse("data").unwrap(), [key("data")]);
        assert_eq!(parse("records.data").unwrap(), [key("records"), key("data")]);
        assert_eq!(parse("chart.result[0]").unwrap(), [key("chart"), key("result"), Step::Index(0)]);
        assert_eq!(parse(r#"["Time Series (1.0)"]"#).unwrap(), [key("Time Series (1.0)")]);
        assert_eq!(
            parse(r#"a["b\"]"][2].c d"#).unwrap(),
            [key("a"), key("b\"]"), Step::Index(2), key("c d")]
        );
    }

    #[test]
    fn wrong_paths_are_refused() {
        for path in
            ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a]", "a[\"b]", "[0]a", "a\"b\""]
        {
            assert!(parse(path).is_err(), "{path}");
        }
    }
}
