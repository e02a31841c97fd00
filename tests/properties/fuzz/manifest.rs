//! A database that somebody changed: commands say what is wrong, and remove nothing outside the archive.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use anyhow::{Result, ensure};
use barn::archive::{Archiver, Options, Watch, check, open_store};
use barn::engine::Engine;
use barn::store::{Snapshot, Store};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::mutate::{self, NUMBERS, pick, word};
use super::{Rng, heard, run};
use crate::harness::Sandbox;

/// What a path in the manifest may try, and other texts of its columns.
#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "../../outside.parquet", "../outside.parquet", "/etc/hostname", "bars/../../../outside.parquet", "",
    ".", "..", "bars", "bars/", "BARS/x.parquet", "bars/source=test/timeframe=1d/none.parquet",
    "bars\\x.parquet", "trades/x.parquet", "news", "nothing", "source=test/timeframe=1d",
    "source=../timeframe=1d", "source=/timeframe=", "timeframe=1d", "[]", "{}", "null",
    "[{\"name\":\"close\"}]", "[{\"name\":\"close\",\"physical\":\"int8\",\"whole\":1}]", "close", "1d",
    "\0",
];

/// Numbers at the edges.
#[rustfmt::skip]
const WHOLE: &[i64] = &[
    0, 1, -1, 2, 12, 255, 65_536, 1 << 31, 1 << 32, 1 << 40, 1 << 53, 1 << 62, i64::MAX, i64::MIN, i64::MAX - 1,
    1_704_067_200_000_000, -62_167_219_200_000_000, 253_402_300_799_999_999,
];

#[derive(Debug)]
struct Case {
    changes: Vec<Change>,
}

/// A cell of a table, chosen by numbers, and what it becomes.
#[derive(Debug)]
struct Change {
    /// Whether the table loses its types and checks before.
    is_loose: bool,
    table: usize,
    row: i64,
    column: usize,
    value: Cell,
}

#[derive(Debug)]
enum Cell {
    Is(Value),
    /// The old value, damaged.
    Damaged(u64),
    /// The row is gone.
    Gone,
    /// The row is there twice, the second time with this in the column.
    Twice(Value),
}

fn value(rng: &mut Rng) -> Value {
    match rng.u8(..9) {
        0 => Value::Null,
        1..=3 => Value::Integer(WHOLE[rng.usize(..WHOLE.len())]),
        4 => Value::Real(pick(rng, NUMBERS).parse().unwrap_or(0.5)),
        5 | 6 => Value::Text(pick(rng, TEXTS).to_owned()),
        7 => Value::Text(word(rng)),
        _ => Value::Blob((0..rng.usize(..70)).map(|_| rng.u8(..)).collect()),
    }
}

fn case(rng: &mut Rng) -> Case {
    let change = |rng: &mut Rng| Change {
        is_loose: rng.bool(),
        // The manifest and its datasets come first.
        table: if rng.u8(..3) > 0 { rng.usize(..2) } else { rng.usize(..64) },
        row: rng.i64(..64),
        column: rng.usize(..64),
        value: match rng.u8(..8) {
            0 | 1 => Cell::Damaged(rng.u64(..)),
            2 => Cell::Gone,
            3 => Cell::Twice(value(rng)),
            _ => Cell::Is(value(rng)),
        },
    };
    Case { changes: (0..rng.usize(1..4)).map(|_| change(rng)).collect() }
}

/// Makes a change; one that the database refuses is none.
fn apply(database: &Connection, change: &Change) -> rusqlite::Result<()> {
    let mut names: Vec<String> = vec!["manifest".to_owned(), "dataset".to_owned()];
    let mut all = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let all = all.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    names.extend(all.into_iter().filter(|name| !name.starts_with("sqlite_")));
    let table = &names[change.table % names.len()];
    if change.is_loose {
        database.execute_batch(&format!(
            "CREATE TABLE loose AS SELECT * FROM \"{table}\"; DROP TABLE \"{table}\"; ALTER TABLE loose RENAME TO \"{table}\";"
        ))?;
    }
    let statement = database.prepare(&format!("SELECT * FROM \"{table}\""))?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let column = &columns[change.column % columns.len()];
    let count: i64 =
        database.query_row(&format!("SELECT count(*) FROM \"{table}\""), [], |row| row.get(0))?;
    let Some(row) = change.row.checked_rem(count) else { return Ok(()) };
    let list = format!("\"{}\"", columns.join("\",\""));
    let which = format!("({list}) = (SELECT {list} FROM \"{table}\" LIMIT 1 OFFSET {row})");
    let set = format!("UPDATE \"{table}\" SET \"{column}\" = ?1 WHERE {which}");
    match &change.value {
        Cell::Is(value) => database.execute(&set, [value])?,
        Cell::Gone => database.execute(&format!("DELETE FROM \"{table}\" WHERE {which}"), [])?,
        Cell::Twice(value) => {
            let cells = list.replace(&format!("\"{column}\""), "?1");
            database.execute(
                &format!("INSERT INTO \"{table}\" SELECT {cells} FROM \"{table}\" WHERE {which}"),
                [value],
            )?
        }
        Cell::Damaged(seed) => {
            let old = format!("SELECT \"{column}\" FROM \"{table}\" WHERE {which}");
            let old: Value = database.query_row(&old, [], |row| row.get(0))?;
            database.execute(&set, [damaged(old, &mut Rng::with_seed(*seed))])?
        }
    };
    Ok(())
}

fn damaged(value: Value, rng: &mut Rng) -> Value {
    match value {
        Value::Text(text) => Value::Text(mutate::text(rng, &text, "[{\"name\":\"x\"}]", TEXTS)),
        Value::Blob(mut bytes) => {
            mutate::bytes(rng, &mut bytes, b"AAA");
            Value::Blob(bytes)
        }
        Value::Integer(number) => Value::Integer(number.wrapping_add([1, -1, 1 << 40][rng.usize(..3)])),
        other => other,
    }
}

/// Makes a store with archived files of two datasets, corrections, and a ledger.
fn seed() -> Sandbox {
    let sandbox = Sandbox::with_bars();
    sandbox.fixture("prices/minutes.csv");
    sandbox.store("bars minutes.csv --set source=other --set timeframe=1m");
    sandbox.barn(["compress", "--all", "-q"]).ok();
    sandbox.write(
        "late.csv",
        "ts,symbol,open,high,low,close,volume\n2024-01-03,AAA,1,2,0.5,1.5,7\n2024-02-01,C,1,1,1,1,1\n",
    );
    sandbox.store("bars late.csv --set source=test --set timeframe=1d");
    // Files that others took the place of, and rows that stand in the place of archived ones.
    sandbox.barn(["optimize", "-q"]).ok();
    sandbox.write("later.csv", "ts,symbol,open,high,low,close,volume\n2024-01-04,AAA,1,2,0.5,1.5,7\n");
    sandbox.store("bars later.csv --set source=test --set timeframe=1d");
    sandbox
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The commands that look at the manifest or change it.
const COMMANDS: &[&[&str]] = &[
    &["query", "SELECT symbol, count(*), sum(close), max(ts) FROM bars GROUP BY symbol", "--no-cache"],
    &["optimize", "--only", "verify", "--full"],
    &["store", "bars", "late.csv", "--set", "source=test", "--set", "timeframe=1d"],
    &["compress", "--all"],
    &["info", "archive"],
    &["optimize"],
    &["delete", "bars", "--where", "symbol = 'AAA'", "--yes"],
    &["query", "SELECT * FROM bars ORDER BY symbol, ts"],
];

/// Files beside the archive, which nothing may touch.
const OUTSIDE: &[&str] = &["outside.parquet", "barn/outside.parquet", "archive.parquet"];

/// Puts the store back as it was, and makes the changes.
fn prepare(sandbox: &Sandbox, case: &Case) {
    let store = sandbox.path("barn");
    drop(std::fs::remove_dir_all(&store));
    copy(&sandbox.path("seed"), &store);
    for name in OUTSIDE {
        sandbox.write(name, "PAR1 of somebody else");
    }
    let database = sandbox.sqlite();
    for change in &case.changes {
        drop(apply(&database, change));
    }
}

fn check_outside(sandbox: &Sandbox) {
    for name in OUTSIDE {
        assert_eq!(sandbox.read_text(name), "PAR1 of somebody else", "{name}");
    }
}

fn seeded() -> Sandbox {
    let sandbox = seed();
    std::fs::rename(sandbox.path("barn"), sandbox.path("seed")).unwrap();
    sandbox
}

#[test]
fn commands_say_what_is_wrong_with_a_changed_database() {
    let sandbox = seeded();
    let make = |rng: &mut Rng| {
        let commands: Vec<usize> = (0..3).map(|_| rng.usize(..COMMANDS.len())).collect();
        (case(rng), commands)
    };
    run("commands", make, |(case, commands)| {
        prepare(&sandbox, case);
        for at in commands {
            let (code, done) = sandbox.barn(COMMANDS[*at]).any();
            done.check(matches!(code, Some(0..=3)), &format!("exit code {code:?}"));
            let is_said = done.stderr().lines().any(|line| line.starts_with("error: "));
            done.check(is_said || matches!(code, Some(0 | 3)), "an error without words");
        }
        check_outside(&sandbox);
    });
}

#[test]
fn a_changed_database_removes_nothing_outside() {
    let sandbox = seeded();
    let root = sandbox.path("barn");
    run("manifest", case, |case| {
        prepare(&sandbox, case);
        for step in [verify, query, compress, compact] {
            if let Err(err) = step(&root) {
                let text = format!("{err:#}");
                assert!(!text.is_empty() && !text.contains("its thread ended early"), "{text}");
            }
            if let Some(panic) = heard() {
                panic!("{panic}");
            }
        }
        check_outside(&sandbox);
    });
}

fn verify(root: &Path) -> Result<()> {
    let snapshot = Snapshot::open(root, 2)?;
    for file in snapshot.files(None)? {
        drop(check(root, &file, &snapshot.digest(&file)?));
    }
    Ok(())
}

fn query(root: &Path) -> Result<()> {
    let engine = Engine::new(Arc::new(Snapshot::open(root, 2)?), &barn::engine::Options::default())?;
    for sql in [
        "SELECT * FROM bars ORDER BY symbol, ts",
        "SELECT symbol, count(*), sum(close), max(ts) FROM bars WHERE ts >= '2024-01-03' GROUP BY symbol",
        "SELECT close FROM bars WHERE symbol = 'AAA' AND timeframe = '1d' ORDER BY ts DESC LIMIT 1",
    ] {
        let mut answer = engine.query(sql)?;
        let mut rows = 0;
        while let Some(batch) = answer.next_batch()? {
            rows += batch.num_rows();
            ensure!(rows < 1_000_000, "more rows than there are");
        }
    }
    Ok(())
}

fn compress(root: &Path) -> Result<()> {
    let mut store = open_store(root)?;
    let tables: Vec<_> = ["bars", "trades"].iter().filter_map(|name| store.table(name).cloned()).collect();
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut archiver = Archiver::open(root, &mut store)?;
    for table in &tables {
        archiver.table(table, Options::default(), Watch { done: &done, stop: &stop })?;
    }
    Ok(())
}

fn compact(root: &Path) -> Result<()> {
    let mut store = Store::open(root)?;
    let tables: Vec<_> = ["bars", "trades"].iter().filter_map(|name| store.table(name).cloned()).collect();
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut archiver = Archiver::open(root, &mut store)?;
    for table in &tables {
        archiver.compact(table, Watch { done: &done, stop: &stop })?;
    }
    archiver.remove_orphans()?;
    Ok(())
}
