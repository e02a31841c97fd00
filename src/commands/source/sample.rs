//! What can be seen in a sample answer: its format, its layout, its columns.

mod field;
mod pages;
mod walk;

use anyhow::{Result, bail};

pub(super) use field::{Field, TimeForm};
pub(super) use pages::NextPage;

use super::decoded;
use super::new::ASKED;
use crate::decode::{self, Layout, likeness};
use crate::error::Failure;
use crate::model::{ColumnType, Table, normalize};

/// Tables in the order in which they win a tie.
const ORDER: [&str; 9] =
    ["bars", "quotes", "trades", "chain", "odds", "observations", "actions", "fundamentals", "news"];

/// What a sample seems to be.
pub(super) struct Sample {
    /// The format of the body.
    pub(super) format: &'static str,
    /// The layout of its records.
    pub(super) layout: &'static str,
    /// Where they are.
    pub(super) root: String,
    /// The number of records.
    pub(super) records: usize,
    /// The table they fit best.
    pub(super) table: Table,
    /// For columns of the table the field that feeds each.
    pub(super) columns: Vec<(String, Field)>,
    /// The fields that feed no column.
    pub(super) unused: Vec<String>,
    /// What else is worth knowing.
    pub(super) notes: Vec<String>,
    /// What leads to the next page.
    pub(super) next_page: Option<NextPage>,
}

/// Records of one layout somewhere in a sample.
pub(super) struct Candidate {
    format: &'static str,
    layout: &'static str,
    root: String,
    records: usize,
    fields: Vec<Field>,
    notes: Vec<String>,
}

/// Looks at a sample; `table` is where its rows go, if that is known.
pub(super) fn look(bytes: &[u8], table: Option<&str>) -> Result<Sample> {
    let document = serde_json::from_slice(bytes);
    let candidates = match &document {
        Ok(value) => walk::candidates(value),
        Err(_) if is_ndjson(bytes) => walk::lines(bytes),
        Err(err) if matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) => {
            bail!("{err}");
        }
        // A compressed file is none, though it may have commas.
        Err(_) if bytes.contains(&0) => Vec::new(),
        Err(_) => csv(bytes).into_iter().collect(),
    };
    let names: Vec<&str> = match table {
        Some(name) => vec![name],
        None => ORDER.to_vec(),
    };
    let mut best: Option<(Rank, Sample)> = None;
    for candidate in candidates {
        for name in &names {
            let sample = assign(&candidate, decoded::table(name)?);
            let rank = rank(&sample);
            if best.as_ref().is_none_or(|(known, _)| rank > *known) {
                best = Some((rank, sample));
            }
        }
    }
    match best {
        Some((_, mut sample)) => {
            if let Ok(document) = &document {
                sample.next_page = pages::next_page(document, &sample.root, sample.layout);
            }
            Ok(sample)
        }
        None => bail!(Failure::new(
            "the sample holds no records: neither JSON objects or arrays nor lines of CSV"
        )),
    }
}

fn is_ndjson(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    lines
        .next()
        .is_some_and(|line| serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(line).is_ok())
}

/// The columns that are fed, whether the time is, the records, and how near they are to the root.
type Rank = (usize, bool, usize, std::cmp::Reverse<usize>);

fn rank(sample: &Sample) -> Rank {
    let has_time = sample.columns.iter().any(|(column, _)| column == "ts");
    let distance = sample.columns.iter().map(|(_, field)| field.at.len()).sum();
    (sample.columns.len(), has_time, sample.records, std::cmp::Reverse(distance))
}

/// Gives each column of the table the field that is likest to it.
fn assign(candidate: &Candidate, table: Table) -> Sample {
    let mut free: Vec<&Field> = candidate.fields.iter().collect();
    let mut columns = Vec::new();
    let mut notes = candidate.notes.clone();
    for column in table.columns().into_iter().filter(|column| !ASKED.contains(&column.name.as_str())) {
        let is_time = matches!(column.kind, ColumnType::Timestamp | ColumnType::Date);
        let speaks = |field: &&Field| {
            let name = normalize(&field.name)?;
            likeness(&column.name, &name).filter(|_| !is_time || field.time().is_some())
        };
        let named = (0..free.len()).filter_map(|at| Some((speaks(&free[at])?, at)));
        // Of equals the first field.
        let named = named.max_by_key(|(likeness, at)| (*likeness, std::cmp::Reverse(*at))).map(|(_, at)| at);
        let by_value = || free.iter().position(|field| field.time().is_some());
        let place = if column.name == "ts" { named.or_else(by_value) } else { named };
        if let Some(at) = place {
            columns.push((column.name.clone(), free.remove(at).clone()));
        }
    }
    if candidate.layout == "rows" && table.name == "bars" {
        notes.extend(by_place(&mut columns, &mut free));
    }
    Sample {
        format: candidate.format,
        layout: candidate.layout,
        root: candidate.root.clone(),
        records: candidate.records,
        table,
        columns,
        unused: free.into_iter().map(|field| field.at.clone()).collect(),
        notes,
        next_page: None,
    }
}

/// Tells the prices of bars without names by their size: no other is above the high or below the low.
fn by_place(columns: &mut Vec<(String, Field)>, free: &mut Vec<&Field>) -> Option<String> {
    let numbers: Vec<&Field> = free.iter().copied().filter(|field| field.is_number()).collect();
    let prices = numbers.get(..4)?;
    let leads = |field: &&Field, sign: f64| {
        let others = || prices.iter().filter(|other| other.at != field.at);
        field.numbers().enumerate().all(|(row, number)| {
            others().all(|other| other.numbers().nth(row).is_none_or(|other| number * sign >= other * sign))
        })
    };
    let high = *prices.iter().find(|field| leads(field, 1.0))?;
    let low = *prices.iter().find(|field| field.at != high.at && leads(field, -1.0))?;
    let mut between = prices.iter().filter(|field| field.at != high.at && field.at != low.at);
    let (open, close) = (*between.next()?, *between.next()?);
    let mut named = vec![("open", open), ("high", high), ("low", low), ("close", close)];
    named.extend(numbers.get(4).map(|volume| ("volume", *volume)));
    free.retain(|field| !named.iter().any(|(_, used)| used.at == field.at));
    columns.extend(named.into_iter().map(|(column, field)| (column.to_owned(), field.clone())));
    Some("high and low are the places whose numbers are the largest and the smallest; open, close and volume are taken in their order".to_owned())
}

/// Looks at lines of CSV with a header.
fn csv(bytes: &[u8]) -> Option<Candidate> {
    /// Lines looked at.
    const LOOKED_AT: usize = 50;
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let sign = char::from(decode::delimiter(&Layout::default(), text.as_bytes()));
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let header = split(lines.next()?, sign);
    if header.len() < 2 {
        return None;
    }
    let mut fields: Vec<Field> = header.iter().map(|name| Field::new(name, name)).collect();
    let mut records = 0;
    for line in lines {
        records += 1;
        if records <= LOOKED_AT {
            for (field, cell) in fields.iter_mut().zip(split(line, sign)) {
                field.see(&cell);
            }
        }
    }
    Some(Candidate { format: "csv", layout: "csv", root: String::new(), records, fields, notes: Vec::new() })
}

/// Splits a line at the signs that stand outside quotes.
fn split(line: &str, sign: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_inside = false;
    for c in line.chars() {
        match cells.last_mut() {
            _ if c == '"' => is_inside = !is_inside,
            _ if c == sign && !is_inside => cells.push(String::new()),
            Some(cell) => cell.push(c),
            None => {}
        }
    }
    cells.into_iter().map(|cell| cell.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> (String, String, Vec<String>) {
        let sample = look(text.as_bytes(), None).unwrap();
        let columns = sample.columns.iter().map(|(column, field)| {
            let form = field.time().filter(|_| column == "ts").map(|form| format!(" {form:?}"));
            format!("{column}={}{}", field.at, form.unwrap_or_default())
        });
        let columns = columns.collect();
        (format!("{} {} {}", sample.format, sample.layout, sample.table.name), sample.root, columns)
    }

    #[test]
    fn each_layout_is_seen() {
        let cases = [
            (
                r#"{"status":"OK","results":[{"v":1.0,"vw":1.4,"o":1.5,"c":1.4,"h":1.6,"l":1.3,"t":1112331600000,"n":3}]}"#,
                "json objects bars",
                "results",
                "ts=t Unit(\"ms\")",
            ),
            (
                "[[1620000060, 56581.26, 56671.17, 56619.48, 56651.77, 10.3],[1620000000, 1, 9, 5, 6, 2]]",
                "json rows bars",
                "$",
                "ts=0 Unit(\"s\")",
            ),
            (
                r#"{"chart":{"result":[{"timestamp":[1626701400,1626787800],"indicators":{"quote":[{"open":[1,2],"high":[2,3],"low":[1,1],"close":[1,2]}]}}]}}"#,
                "json columns bars",
                "chart.result[0]",
                "ts=timestamp Unit(\"s\")",
            ),
            (
                r#"{"Meta Data":{"6. Time Zone":"US/Eastern"},"Time Series (1min)":{"2023-01-31 19:59:00":{"1. open":"134.8","4. close":"1"}}}"#,
                "json keyed bars",
                "[\"Time Series (1min)\"]",
                "ts=@key Iso",
            ),
            (
                "Date;Open;High;Low;Close\n31-Jan-2024;1;2;1;2\n",
                "csv csv bars",
                "",
                "ts=Date Pattern(\"%d-%b-%Y\")",
            ),
            (
                "{\"date\":\"2024-01-31\",\"value\":\"1.5\"}\n{\"date\":\"2024-02-01\",\"value\":\"2\"}\n",
                "ndjson objects observations",
                "",
                "ts=date Iso",
            ),
        ];
        for (text, what, root, ts) in cases {
            let (found, place, columns) = seen(text);
            assert_eq!((found.as_str(), place.as_str()), (what, root), "{text}");
            assert_eq!(columns.first().map(String::as_str), Some(ts), "{columns:?}");
        }
    }

    #[test]
    fn prices_without_names_are_told_by_their_size() {
        let columns = seen("[[1620000060, 56581.26, 56671.17, 56619.48, 56651.77, 10.3]]").2;
        assert_eq!(columns[1..], ["open=3", "high=2", "low=1", "close=4", "volume=5"]);
    }

    #[test]
    fn samples_without_records_are_refused() {
        for text in ["", "{}", "[]", "7", "one\ntwo\n", "{\"a\":", "<html></html>"] {
            assert!(look(text.as_bytes(), None).is_err(), "{text}");
        }
        assert!(look(b"[[1]]", Some("nothing")).is_err());
    }
}
