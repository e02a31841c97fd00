//! Values that stand in no record: in the layout, on the command line, in the name of the file.

use std::borrow::Cow;

use anyhow::{Result, bail};

use super::cell::{Cell, Lines, Record};
use super::clock;
use super::detect::Evidence;
use super::moment::{Form, TimeRule, ZoneCache};
use super::number::NumberRule;
use super::plan::{Converted, Feed, Origin, Rule};
use super::timeframe;
use crate::error::Failure;
use crate::model::{Column, ColumnType, Value};

/// Reads the date that times of day count from.
pub(super) fn base_day(text: &str) -> Result<i64> {
    let text = text.as_bytes();
    match clock::compact(text).or_else(|_| clock::iso(text)) {
        Ok(written) => Ok(written.day),
        Err(why) => bail!(Failure::usage(format!(
            "invalid base date '{}': it {why}, expected 2024-01-31 or 20240131",
            String::from_utf8_lossy(text)
        ))),
    }
}

/// A text that stands in no input.
struct Given<'a>(&'a str);

impl Record for Given<'_> {
    fn cell(&self, _slot: usize) -> Cell<'_> {
        Cell::Text(self.0.as_bytes())
    }

    fn is_quoted(&self, _slot: usize) -> bool {
        true
    }

    fn excess(&self) -> Option<usize> {
        None
    }

    fn line(&self, lines: &mut Lines) -> u64 {
        lines.plus(0)
    }

    fn raw(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_bytes())
    }
}

/// Reads the value a column has in every row.
pub(super) fn constant(column: &Column, text: &str) -> Result<Value> {
    let invalid =
        |why: String| Failure::usage(format!("cannot set column '{}' to '{text}': {why}", column.name));
    let form = if matches!(column.kind, ColumnType::Date | ColumnType::Timestamp) {
        let mut evidence = Evidence::new();
        evidence.observe(text.as_bytes());
        evidence.decide(&column.name)?.0
    } else {
        Form::Iso
    };
    let rule = Rule::of(column.kind, NumberRule::default(), TimeRule { form, zone: None });
    let feed = Feed { column: column.clone(), origin: Origin::Slots(vec![0]), rule, nulls: Box::default() };
    let record = Given(text);
    let value = match feed.convert(&record, &mut ZoneCache::default()) {
        Ok(Converted::Null) if !column.nullable => bail!(invalid("a key needs a value".to_owned())),
        Ok(converted) => converted.value(&record, &mut String::new()).to_value(),
        Err(unfit) => bail!(invalid(format!("it {}", unfit.why))),
    };
    match &value {
        Value::Text(word) if column.name == timeframe::COLUMN => match timeframe::from_word(word) {
            Some(timeframe) => Ok(Value::Text(timeframe.to_string().into())),
            None => bail!(invalid("expected a timeframe such as 1m or 1d".to_owned())),
        },
        _ => Ok(value),
    }
}

/// Returns the symbol a file's name stands for: without the endings of formats, percent-decoded.
pub(super) fn symbol_of(file_name: &str) -> String {
    const ENDINGS: [&str; 10] =
        [".csv", ".gz", ".zst", ".lz4", ".json", ".ndjson", ".jsonl", ".tsv", ".txt", ".parquet"];
    let mut stem = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| {
        let at = stem.len().checked_sub(ending.len())?;
        stem.get(at..).filter(|tail| tail.eq_ignore_ascii_case(ending)).and(stem.get(..at))
    }) {
        stem = shorter;
    }
    let mut bytes = Vec::with_capacity(stem.len());
    let mut rest = stem.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |b: u8| char::from(b).to_digit(16);
        let code = match (first, tail) {
            (b'%', [high, low, ..]) => {
                digit(*high).zip(digit(*low)).and_then(|(h, l)| u8::try_from(h * 16 + l).ok())
            }
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| stem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_the_stem_of_the_name() {
        let cases = [
            ("BRK.B.csv.gz", "BRK.B"),
            ("M%26M.csv", "M&M"),
            ("BAJAJ-AUTO.csv", "BAJAJ-AUTO"),
            ("a/b/AAPL.CSV.ZST", "AAPL"),
            ("x.parquet", "x"),
            ("100%.csv", "100%"),
            ("%ff.csv", "%ff"),
            ("archive.tar", "archive.tar"),
        ];
        for (name, symbol) in cases {
            assert_eq!(symbol_of(name), symbol, "{name}");
        }
    }
}
