//! Archived files that are not what was published: found where they are read, and nowhere else.
#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "tests damage the files that are read"
)]

use std::fs;
use std::path::Path;

use datafusion::parquet::file::metadata::ParquetMetaDataReader;

use super::cold::bars_of;
use super::files::Form;
use super::*;
use crate::error::exit_code;

/// Two files of so many rows that a symbol fills blocks of its own.
fn two() -> Memory {
    let mut memory = Memory::new();
    let form = Form { group_rows: 20_000, page_rows: 5_000, ..Form::default() };
    let mut rows = bars_of("x", &["AAA", "BBB"], 0..40_000);
    for (at, row) in rows.iter_mut().enumerate() {
        // Numbers that do not pack, so that pages are larger than blocks.
        row.3[1] = Value::Double((at as f64).sin());
        row.3[2] = Value::Double((at as f64).cos());
    }
    memory.add_file("bars", &rows, &form);
    memory.add_file("bars", &bars_of("y", &["ZZZ"], 0..10), &form);
    memory
}

/// Returns where the middle of a column of a row group lies.
fn place(path: &Path, group: usize, column: usize) -> usize {
    let file = fs::File::open(path).unwrap();
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    let chunk = metadata.row_group(group).column(column);
    let (start, length) = chunk.byte_range();
    usize::try_from(start + length / 2).unwrap()
}

fn complain(engine: &Engine, sql: &str) -> String {
    let error = try_rows(engine, sql).expect_err(sql);
    assert_eq!(exit_code(&error), 1);
    report(&error)
}

const NAMED: &str = "cannot read archive file 'bars/source=x/timeframe=1d/1.parquet'";

#[test]
fn a_flipped_byte_is_found_in_what_is_read_and_only_there() {
    let memory = two();
    let path = memory.archive.path(0);
    let whole = fs::read(&path).unwrap();
    let mut broken = whole.clone();
    // The highs of the first symbol.
    broken[place(&path, 0, 3)] ^= 1;
    fs::write(&path, &broken).unwrap();
    let (engine, _) = engine(memory);
    for sql in [
        "SELECT * FROM bars",
        "SELECT sum(high) FROM bars WHERE symbol = 'AAA'",
        "SELECT symbol, max(high) FROM bars GROUP BY symbol",
        "SELECT * FROM bars ORDER BY high LIMIT 3",
        "SELECT count(*) FROM bars a JOIN bars b ON a.ts = b.ts AND a.symbol = b.symbol WHERE a.high + b.high > 3",
    ] {
        let text = complain(&engine, sql);
        assert!(text.contains(NAMED) && text.contains("is not the one that was written"), "{sql}: {text}");
        assert!(text.contains("hint: `barn optimize --only verify --full`"), "{sql}: {text}");
    }
    assert_eq!(
        rows(&engine, "SELECT count(high) FROM bars WHERE symbol = 'BBB' AND ts >= '2100-01-01'"),
        "12241"
    );
    assert_eq!(rows(&engine, "SELECT count(*), sum(open) FROM bars WHERE source = 'y'"), "10|45.0");
    assert_eq!(rows(&engine, "SELECT count(*) FROM bars"), "80010");
}

#[test]
fn every_kind_of_damage_is_named() {
    let memory = two();
    let path = memory.archive.path(0);
    let whole = fs::read(&path).unwrap();
    let (engine, _) = engine(memory);
    let mut footer = whole.clone();
    let end = footer.len() - 1_000;
    footer[end] ^= 0x80;
    for (bytes, cause) in [
        (Some(whole[..whole.len() - 1].to_vec()), "the manifest says"),
        (Some(Vec::new()), "it has 0 bytes"),
        (Some(footer), "is not the one that was written"),
        (Some(vec![0; whole.len()]), "is not the one that was written"),
        (None, ""),
    ] {
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let text = complain(&engine, "SELECT open FROM bars");
        assert!(text.contains(NAMED) && text.contains(cause), "{text}");
        assert_eq!(rows(&engine, "SELECT count(open) FROM bars WHERE symbol = 'ZZZ'"), "10");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(rows(&engine, "SELECT count(open) FROM bars"), "80010");
}
