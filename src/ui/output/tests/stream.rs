//! What holds for every format: order, the first row at once, a closed pipe, names.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};

use super::{Closed, Shared, bars, batch, bytes, render};
use crate::error::is_broken_pipe;
use crate::ui::output::{Format, Screen, sink, unique_names};

#[test]
fn equal_names_are_numbered_where_a_reader_would_drop_one() {
    let one = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let same = batch([("x", one()), ("x", one()), ("x_2", one()), ("x", one())]);
    assert_eq!(unique_names(&same.schema()), ["x", "x_3", "x_2", "x_4"]);
    assert_eq!(render(Format::Csv, &same), "x,x,x_2,x\n1,1,1,1\n");
}

#[test]
fn many_batches_come_out_in_order() {
    let numbers: Vec<i64> = (0..100_000).collect();
    let lines =
        |line: &dyn Fn(i64) -> String| numbers.iter().fold(String::new(), |text, n| text + &line(*n) + "\n");
    let batches: Vec<_> = numbers
        .chunks(997)
        .map(|part| batch([("n", Arc::new(Int64Array::from(part.to_vec())) as ArrayRef)]))
        .collect();
    for (format, expected) in [
        (Format::Csv, "n\n".to_owned() + &lines(&|n| n.to_string())),
        (Format::Ndjson, lines(&|n| format!("{{\"n\":{n}}}"))),
    ] {
        assert!(bytes(format, &batches, Screen::default()).unwrap() == expected.into_bytes());
    }
    let json = bytes(Format::Json, &batches, Screen::default()).unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
    assert!(rows.iter().zip(&numbers).all(|(row, n)| row["n"] == *n) && rows.len() == numbers.len());
}

#[test]
fn the_first_batch_is_written_before_the_second_is_asked_for() {
    let out = Shared::default();
    let mut sink = sink(Format::Csv, bars().schema(), Box::new(out.clone()), &Screen::default()).unwrap();
    sink.write(&bars()).unwrap();
    assert_eq!(out.0.lock().unwrap().split(|byte| *byte == b'\n').count(), 5);
}

#[test]
fn a_reader_that_went_away_is_a_broken_pipe_in_every_format() {
    for format in Format::ALL {
        let screen = Screen::default();
        let result = sink(format, bars().schema(), Box::new(Closed), &screen).and_then(|mut sink| {
            sink.write(&bars())?;
            sink.finish()
        });
        assert!(is_broken_pipe(&result.unwrap_err()), "{format}");
    }
}

#[test]
fn every_word_is_a_format_and_another_names_the_words() {
    for word in Format::WORDS {
        assert_eq!(word.parse::<Format>().unwrap().to_string(), word);
    }
    assert_eq!(
        "xml".parse::<Format>().unwrap_err().to_string(),
        "unknown format 'xml', expected one of table, csv, tsv, json, ndjson, parquet, arrow, markdown"
    );
}

#[test]
fn extensions_stand_for_formats() {
    let cases = [
        ("a.csv", Some(Format::Csv)),
        ("a.b.JSONL", Some(Format::Ndjson)),
        ("x/y.feather", Some(Format::Arrow)),
        ("README.md", Some(Format::Markdown)),
        ("a.txt", None),
        (".csv", None),
    ];
    for (path, format) in cases {
        assert_eq!(Format::from_extension(Path::new(path)), format);
    }
}
