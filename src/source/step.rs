//! The requests before the real one: a cookie, a token, a list of expiries, a table of instruments.

use std::collections::HashMap;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use super::amount;
use super::answer::Class;
use super::form::Form;
use super::form::FormText;
use super::form::split_origin;
use super::schema::LookupText;
use super::schema::StepText;
use super::section::suggestion;
use super::template::Names;
use super::template::Slot;
use super::template::is_reserved;
use crate::decode::Document;
use crate::decode::Path;

/// Values that one step may bring: more requests than a provider has expiries.
const MOST_VALUES: usize = 10_000;
/// Bytes of one value.
const LONGEST_VALUE: usize = 64 << 10;

/// A request before the real one.
#[derive(Debug)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Whether the cookies of its answer go along with later requests.
    pub keep_cookies: bool,
    /// How long its answer is good, microseconds; `None` as long as the fetch lasts.
    pub ttl: Option<i64>,
    /// The classes of the real answer on which it is made once again.
    pub refresh_on: Vec<Class>,
    /// Whether it is made for each symbol.
    pub per_symbol: bool,
    /// What its answer gives.
    pub gives: Gives,
    pub(super) form: Form,
    reads: Reads,
}

/// What the answer of a step gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gives {
    /// Nothing but cookies.
    Nothing,
    /// The value of a placeholder.
    Value(String),
    /// The values of a placeholder; the real request is made for each.
    Each(String),
    /// The rows in which `{symbol.lookup}` is found.
    Lookup,
}

impl Gives {
    /// Returns the placeholder that its values become.
    pub(super) fn name(&self) -> Option<&String> {
        match self {
            Self::Value(name) | Self::Each(name) => Some(name),
            Self::Nothing | Self::Lookup => None,
        }
    }
}

/// Where the values of a step stand in its answer.
#[derive(Debug)]
enum Reads {
    Nothing,
    Body,
    At(Path),
    Csv { matches: String, value: String },
    Json { rows: Path, matches: Path, value: Path },
}

impl Step {
    pub(super) fn compile(
        text: &StepText,
        urls: &[String],
        lookup: Option<&LookupText>,
        names: &Names,
    ) -> Result<Self> {
        ensure!(!text.name.is_empty(), "cannot read [[steps]]: 'name' is missing");
        let place = || format!("cannot read step '{}'", text.name);
        let (urls, path) = match (&text.url, &text.path) {
            (Some(url), None) => {
                split_origin(url).with_context(place)?;
                (vec![url.clone()], "")
            }
            (None, Some(path)) => (urls.to_vec(), path.as_str()),
            _ => bail!("{}: expected one of 'path' and 'url'", place()),
        };
        let form = FormText {
            method: text.method.as_deref(),
            path,
            headers: &text.headers,
            params: &text.params,
            body: text.body.as_deref(),
        };
        let form = Form::compile(&form, &urls, names).with_context(place)?;
        let (reads, gives) = reads(text, lookup).with_context(place)?;
        let keep_cookies = match text.keep.as_deref() {
            None => false,
            Some("cookies") => true,
            Some(word) => bail!("{}: unknown keep '{word}', expected cookies", place()),
        };
        let mut refresh_on = Vec::new();
        for word in &text.refresh_on {
            refresh_on.push(Class::parse(word).with_context(|| {
                format!(
                    "{}: unknown class '{word}', {}",
                    place(),
                    suggestion(word, Class::ALL.map(Class::as_str))
                )
            })?);
        }
        let per_symbol = form.slots().any(|slot| matches!(slot, Slot::Symbol | Slot::Lookup));
        Ok(Self {
            name: text.name.clone(),
            keep_cookies,
            ttl: text.ttl.as_deref().map(amount::span_or_forever).transpose().with_context(place)?,
            refresh_on,
            per_symbol,
            gives,
            form,
            reads,
        })
    }

    /// Reads the values out of the answer.
    pub fn values(&self, body: &[u8]) -> Result<Vec<String>> {
        let cannot = || format!("cannot read the answer of step '{}'", self.name);
        let values = match &self.reads {
            Reads::Body => vec![std::str::from_utf8(body).with_context(cannot)?.trim().to_owned()],
            Reads::At(path) => {
                let document = Document::new(body).with_context(|| format!("{}: it is no JSON", cannot()))?;
                let mut found = document.all(path);
                found.retain(|found| !found.is_null());
                found.truncate(MOST_VALUES);
                found.iter().map(crate::decode::Found::text).collect()
            }
            _ => return Ok(Vec::new()),
        };
        ensure!(values.iter().all(|value| value.len() <= LONGEST_VALUE), "{}: a value is too long", cannot());
        let is_one = matches!(self.gives, Gives::Value(_));
        ensure!(
            !is_one || values.iter().any(|value| !value.is_empty()),
            "{}: its value is missing",
            cannot()
        );
        Ok(values)
    }

    /// Reads the rows of a lookup: what `{symbol.lookup}` is for each symbol.
    pub fn lookup(&self, body: &[u8]) -> Result<HashMap<String, String>> {
        let cannot = || format!("cannot read the answer of step '{}'", self.name);
        match &self.reads {
            Reads::Csv { matches, value } => csv_rows(body, matches, value).with_context(cannot),
            Reads::Json { rows, matches, value } => {
                let document = Document::new(body).with_context(|| format!("{}: it is no JSON", cannot()))?;
                let mut found = HashMap::new();
                for row in document.all(rows) {
                    let Some(row) = Document::new(row.raw().as_bytes()) else { continue };
                    if let (Some(key), Some(value)) = (row.find(matches), row.find(value)) {
                        found.entry(key.text()).or_insert_with(|| value.text());
                    }
                }
                Ok(found)
            }
            _ => Ok(HashMap::new()),
        }
    }
}

fn reads(text: &StepText, lookup: Option<&LookupText>) -> Result<(Reads, Gives)> {
    let name = || -> Result<String> {
        let name = text.gives.clone().context("'as' is missing: the placeholder its value becomes")?;
        let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        ensure!(fits && !is_reserved(&name), "invalid as '{name}': expected a name of its own in lower case");
        Ok(name)
    };
    if let Some(lookup) = lookup {
        ensure!(
            text.take.is_none() && text.each.is_none(),
            "a step of a lookup takes no 'take' and no 'each'"
        );
        let reads = match text.format.as_deref().unwrap_or("csv") {
            "csv" => Reads::Csv { matches: lookup.matches.clone(), value: lookup.value.clone() },
            "json" => Reads::Json {
                rows: Path::parse("[]")?,
                matches: Path::parse(&lookup.matches)?,
                value: Path::parse(&lookup.value)?,
            },
            word => bail!("unknown format '{word}', expected csv or json"),
        };
        return Ok((reads, Gives::Lookup));
    }
    Ok(match (text.take.as_deref(), text.each.as_deref()) {
        (None, None) => (Reads::Nothing, Gives::Nothing),
        (Some("body"), None) => (Reads::Body, Gives::Value(name()?)),
        (Some(path), None) => (Reads::At(Path::parse(path)?), Gives::Value(name()?)),
        (None, Some(path)) => (Reads::At(Path::parse(path)?), Gives::Each(name()?)),
        (Some(_), Some(_)) => bail!("'take' and 'each' exclude each other"),
    })
}

/// Reads two columns of a CSV text.
fn csv_rows(body: &[u8], matches: &str, value: &str) -> Result<HashMap<String, String>> {
    let text = std::str::from_utf8(body).context("it is no UTF-8")?;
    let mut lines = text.trim_start_matches('\u{feff}').lines().filter(|line| !line.trim().is_empty());
    let header = fields(lines.next().context("it is empty")?);
    let column = |name: &str| {
        header.iter().position(|field| field == name).with_context(|| {
            format!("it has no column '{name}', {}", suggestion(name, header.iter().map(String::as_str)))
        })
    };
    let (key, value) = (column(matches)?, column(value)?);
    let mut found = HashMap::new();
    for line in lines {
        let mut row = fields(line);
        if key < row.len() && value < row.len() {
            let value = std::mem::take(&mut row[value]);
            // The first row of a symbol is the one of its main market.
            found.entry(row.swap_remove(key)).or_insert(value);
        }
    }
    Ok(found)
}

/// Splits a line of CSV; a field may be quoted.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let (mut is_quoted, mut previous) = (false, ',');
    for c in line.chars() {
        match (c, fields.last_mut()) {
            ('"', Some(field)) => {
                // A quote behind a closing one is a quote of the field.
                if !is_quoted && previous == '"' {
                    field.push('"');
                }
                is_quoted = !is_quoted;
            }
            (',', _) if !is_quoted => fields.push(String::new()),
            (c, Some(field)) => field.push(c),
            (_, None) => {}
        }
        previous = c;
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_csv_is_split() {
        assert_eq!(fields("a,\"b,c\",,\"d\"\"e\""), ["a", "b,c", "", "d\"e"]);
        assert_eq!(fields(""), [""]);
        assert_eq!(fields("\"a"), ["a"]);
    }

    #[test]
    fn rows_are_found_by_the_first_of_a_name() {
        let body = b"\xef\xbb\xbftoken,name,symbol\r\n1,\"A, B\",AB\r\n\r\n2,x,AB\r\n3,y\r\n4,z,Z\r\n";
        let rows = csv_rows(body, "symbol", "token").unwrap();
        assert_eq!((rows.len(), rows["AB"].as_str(), rows["Z"].as_str()), (2, "1", "4"));
        let error = csv_rows(body, "symbl", "token").unwrap_err().to_string();
        assert_eq!(error, "it has no column 'symbl', the nearest is 'symbol'");
        assert!(csv_rows(b"", "a", "b").is_err());
        assert!(csv_rows(b"\xff", "a", "b").is_err());
    }
}
