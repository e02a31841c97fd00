//! Other programs read the archive, with the values that barn itself gives. Skipped where `BARN_TEST_DATA` names
//! no folder or `BARN_TEST_PYTHON` no Python.

use std::path::Path;

use super::measure::copy;
use super::sets::{Set, test_each_set};
use crate::harness::{Sandbox, python};

/// Compares an archive with an answer, and the same with Spark.
const SCRIPT: &str = include_str!("readers.py");
const SPARK: &str = include_str!("spark.py");

/// Archives a set plainly, and as small as it gets, and lets a script read both.
fn read_by(script: &str, name: &str) {
    let Some(python) = python() else { return };
    let Some((set, sandbox, _)) = Set::stored(name) else { return };
    sandbox.write("readers.py", SCRIPT);
    sandbox.write("spark.py", SPARK);
    copy(&sandbox.path("barn"), &sandbox.path("smallest"));
    sandbox.barn(["compress", "--all"]).ok();
    sandbox.barn(["--store", "smallest", "compress", "--all", "--smallest"]).ok();
    for store in ["barn", "smallest"] {
        for (table, order) in set.tables {
            compare(&sandbox, (&python, script), (store, table, order));
        }
    }
}

fn compare(sandbox: &Sandbox, (python, script): (&Path, &str), (store, table, order): (&str, &str, &str)) {
    let answer = format!("{store}-{table}.parquet");
    let sql = format!("SELECT * FROM {table} ORDER BY {order}");
    sandbox.barn(["--store", store, "query", &sql, "--no-cache", "-o", &answer]).ok();
    let keys: Vec<_> = order.split(", ").map(|key| key.split(' ').next().unwrap()).collect();
    let mut command = sandbox.command(python);
    command.args([script, &format!("{store}/archive/{table}"), &answer, &keys.join(",")]);
    let said = sandbox.run(command, None).ok().stdout();
    eprintln!("{store}/{table}: {}", said.trim());
}

fn check(name: &str) {
    read_by("readers.py", name);
}

test_each_set!(check);

/// Ticks, bars and options, with every type a file has.
#[test]
fn spark_reads_the_same() {
    let Some(python) = python() else { return };
    let sandbox = Sandbox::patient();
    let mut has_spark = sandbox.command(&python);
    has_spark.args(["-c", "import pyspark, shutil, sys; sys.exit(shutil.which('java') is None)"]);
    if sandbox.run(has_spark, None).any().0 != Some(0) {
        eprintln!("skipped: there is no Java, or no pyspark beside '{}'", python.display());
        return;
    }
    for name in ["bac_trades", "spy_minutes", "aapl_options"] {
        read_by("spark.py", name);
    }
}
