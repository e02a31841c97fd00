//! The same SQL on the same rows gives the same answer in DuckDB, but for what `statements.sql` says differs.
//! Skipped where `BARN_TEST_PYTHON` names no Python.

use serde_json::Value;

use crate::harness::{Counts, Sandbox, python};
use crate::sample::{minute_bars, shuffled};

/// Answers a list of statements over the same files, as a JSON list of lists of objects.
const SCRIPT: &str = include_str!("duckdb.py");
/// What is asked; its first lines say how it is written.
const STATEMENTS: &str = include_str!("statements.sql");

/// What is asked, and of which the answers are compared.
struct Statement {
    ours: String,
    theirs: String,
    differs: bool,
}

impl Statement {
    /// Reads the lines of one; comments alone are none.
    fn parse(block: &str) -> Option<Self> {
        let (comments, sql): (Vec<_>, Vec<_>) = block.lines().partition(|line| line.starts_with("--"));
        let ours = sql.join("\n").trim().trim_end_matches(';').to_owned();
        let theirs =
            comments.iter().find_map(|line| line.strip_prefix("-- duckdb: ")).unwrap_or(&ours).to_owned();
        let differs = comments.iter().any(|line| line.starts_with("-- differs: "));
        (!ours.is_empty()).then_some(Self { ours, theirs, differs })
    }
}

#[test]
fn sql_agrees_with_duckdb() {
    let Some(python) = python() else { return };
    let statements: Vec<_> = STATEMENTS.split(";\n\n").filter_map(Statement::parse).collect();
    assert!(statements.len() > 300, "{} statements", statements.len());
    let sandbox = half_archived();
    let theirs: Vec<_> = statements.iter().map(|statement| &statement.theirs).collect();
    sandbox.write("statements.json", serde_json::to_string(&theirs).unwrap());
    sandbox.write("answer.py", SCRIPT);
    let mut command = sandbox.command(&python);
    command.args(["answer.py", "statements.json"]);
    let answers: Vec<Value> = serde_json::from_str(&sandbox.run(command, None).ok().stdout()).unwrap();
    assert_eq!(answers.len(), statements.len());
    let mut faults = Vec::new();
    for (Statement { ours, differs, .. }, expected) in statements.iter().zip(&answers) {
        match (difference(expected, &answer(&sandbox, ours)), differs) {
            (Some(what), false) => faults.push(format!("{ours}\n  {what}")),
            (None, true) => faults.push(format!("{ours}\n  differs no longer")),
            (None, false) if expected.as_array().is_some_and(Vec::is_empty) => {
                faults.push(format!("{ours}\n  has no rows to compare"));
            }
            _ => {}
        }
    }
    assert!(faults.is_empty(), "{} of {} are wrong\n{}", faults.len(), answers.len(), faults.join("\n"));
}

/// A store of four tables' rows, the older ones archived, and some of these corrected.
fn half_archived() -> Sandbox {
    let sandbox = Sandbox::patient();
    sandbox.write("minutes.csv", shuffled(&minute_bars(5, 240), 11));
    for name in ["bars", "bars_late", "trades", "notes", "notes_late", "holdings"] {
        sandbox.fixture(&format!("sql/{name}.csv"));
    }
    assert_eq!(sandbox.store("bars minutes.csv --set timeframe=1m"), Counts::new_rows(1_200));
    assert_eq!(sandbox.store("bars bars.csv").inserted, 103);
    assert_eq!(sandbox.store("trades trades.csv"), Counts::new_rows(130));
    assert_eq!(sandbox.store("notes notes.csv --key symbol --time ts"), Counts::new_rows(20));
    sandbox.barn(["compress", "--before", "2024-01-01T02:00:00Z"]).ok();
    assert_eq!(sandbox.store("bars bars_late.csv").updated, 2);
    assert_eq!(sandbox.store("notes notes_late.csv").updated, 2);
    let info = sandbox.barn(["info"]).ok();
    for part in ["\nbars,9,1303,653,", "\nnotes,3,20,9,", "\ntrades,3,130,80,"] {
        info.check(info.stdout().contains(part), &format!("expected '{part}'"));
    }
    sandbox
}

/// Returns barn's rows, or what it says where it has none.
fn answer(sandbox: &Sandbox, sql: &str) -> Value {
    let arguments = ["query", sql, "--with", "holdings=holdings.csv", "--no-cache", "--format", "json"];
    let (code, done) = sandbox.barn(arguments).any();
    if code != Some(0) {
        return serde_json::json!({ "error": done.stderr() });
    }
    serde_json::from_str(&done.stdout()).unwrap_or_else(|err| panic!("{sql}\n{err}\n{}", done.stdout()))
}

/// Returns what is not as expected: who has no answer, the first row that differs, or the number of rows.
fn difference(expected: &Value, found: &Value) -> Option<String> {
    let (Value::Array(expected), Value::Array(found)) = (expected, found) else {
        return Some(format!("expected {expected}, found {found}"));
    };
    let mut rows = expected.iter().zip(found).enumerate();
    let row = rows.find(|(_, (expected, found))| !is_same(expected, found));
    if let Some((at, (expected, found))) = row {
        return Some(format!("row {}: expected {expected}, found {found}", at + 1));
    }
    (expected.len() != found.len())
        .then(|| format!("expected {} rows, found {}", expected.len(), found.len()))
}

/// All is equal, but for the last digits of a double: those of a sum depend on the order of its terms.
fn is_same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let same =
                |(name, value): (&String, &Value)| found.get(name).is_some_and(|other| is_same(value, other));
            expected.len() == found.len() && expected.iter().all(same)
        }
        (Value::Array(expected), Value::Array(found)) => {
            let mut items = expected.iter().zip(found);
            expected.len() == found.len() && items.all(|(expected, found)| is_same(expected, found))
        }
        (Value::Number(left), Value::Number(right)) if left.is_f64() && right.is_f64() => {
            let (left, right) = (left.as_f64().unwrap_or_default(), right.as_f64().unwrap_or_default());
            (left - right).abs() <= 1e-12 * left.abs().max(right.abs())
        }
        _ => expected == found,
    }
}
