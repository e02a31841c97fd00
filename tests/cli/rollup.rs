//! Rollups as the commands see them: tables to query, not to store in, and never archived.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};

use barn::archive::Watch;
use barn::rollup::{Options, refresh};

use crate::harness::{Counts, Sandbox};

const CONFIG: &str = "[rollup.bars_1h]\nfrom = \"bars\"\ntimeframe = \"1m\"\nevery = \"1h\"\n";

/// A store with a rollup of four bars in two hours.
fn rolled() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("barn/barn.toml", CONFIG);
    sandbox.write(
        "bars.csv",
        "ts,open,high,low,close,volume\n2024-01-02T09:58:00Z,1,2,1,2,10\n2024-01-02T09:59:00Z,2,5,2,3,20\n\
         2024-01-02T10:00:00Z,3,4,1,2,30\n2024-01-02T10:01:00Z,2,3,2,3,40\n",
    );
    let stored = sandbox.store("bars bars.csv --set source=x --set symbol=A --set timeframe=1m");
    assert_eq!(stored, Counts::new_rows(4));
    make(&sandbox.path("barn"));
    sandbox
}

fn make(root: &Path) {
    let watch = Watch { done: &AtomicU64::new(0), stop: &AtomicBool::new(false) };
    for outcome in refresh(root, &Options::default(), watch).unwrap() {
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
    }
}

const SHOWN: &str = "symbol,timeframe,ts,open,high,low,close,volume\nA,1h,2024-01-02T09:00:00Z,1.0,5.0,1.0,3.0,30.0\n\
                     A,1h,2024-01-02T10:00:00Z,3.0,4.0,1.0,3.0,70.0\n";

#[test]
fn a_rollup_is_queried_like_any_table() {
    let sandbox = rolled();
    let sql = "SELECT symbol, timeframe, ts, open, high, low, close, volume FROM bars_1h ORDER BY ts";
    assert_eq!(sandbox.query(sql), SHOWN);
    let info = sandbox.barn(["info", "--format", "csv"]).ok();
    assert!(info.stdout().lines().any(|line| line.starts_with("bars_1h,")), "{}", info.stdout());
    // Archived bars are aggregated like others, and the rollup itself stays.
    sandbox.barn(["compress", "--all"]).ok();
    assert_eq!(sandbox.value("SELECT count(*) FROM bars_1h"), "2");
    let hot: i64 =
        sandbox.sqlite().query_row("SELECT count(*) FROM bars_1h_rows", [], |row| row.get(0)).unwrap();
    assert_eq!(hot, 2);
    sandbox.write("late.csv", "ts,high\n2024-01-02T09:59:00Z,9\n");
    sandbox.store("bars late.csv --set source=x --set symbol=A --set timeframe=1m");
    make(&sandbox.path("barn"));
    assert_eq!(sandbox.query(sql), SHOWN.replace("1.0,5.0", "1.0,9.0"));
}

#[test]
fn nothing_is_stored_in_a_rollup_and_it_is_not_compressed() {
    let sandbox = rolled();
    let refused = "cannot write to table 'bars_1h': it is made of 'bars'";
    sandbox
        .try_store("bars_1h bars.csv --set source=x --set symbol=A --set timeframe=1m")
        .fails(2)
        .says(&[refused]);
    sandbox
        .barn(["store", "bars_1h", "bars.csv", "--key", "symbol", "--time", "ts"])
        .fails(2)
        .says(&[refused]);
    let compress = ["compress", "--all", "--table", "bars_1h"];
    let stays = "cannot compress table 'bars_1h': it is made of 'bars', and stays in the store";
    sandbox.barn(compress).fails(2).says(&[stays]);
}

#[test]
fn a_bad_declaration_is_the_users_to_mend() {
    let sandbox = rolled();
    sandbox.write("barn/barn.toml", format!("{CONFIG}[rollup.bars]\nfrom = \"trades\"\nevery = \"1h\"\n"));
    let words = "cannot use rollup 'bars' of 'barn.toml': there is a table of that name";
    sandbox.barn(["query", "SELECT 1"]).fails(2).says(&[words]);
    sandbox.write("barn/barn.toml", "[rollup.a]\nfrom = \"a\"\nevery = \"1h\"\n");
    sandbox.barn(["query", "SELECT 1"]).fails(2).says(&["rollups are made of each other: 'a'"]);
}
