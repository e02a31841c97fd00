//! Damage is found, named, and fetched again where its source has it.

use std::process::Command;

use super::{optimize, try_optimize};
use crate::compress::archived::{assert_same, manifest, moved};
use crate::fetch::{DAY, HOUR, Stage, at};
use crate::harness::{Output, Sandbox};
use crate::market::{NOW, Shape};
use crate::sample::minute_bars;

const CLOCK: &str = "2024-06-01T00:00:00Z";

fn verify(sandbox: &Sandbox, more: &str) -> Output {
    try_optimize(sandbox, CLOCK, &format!("--only verify {more}"))
}

fn archived() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(3, 600));
    sandbox.store("bars a.csv --set timeframe=1m");
    moved(&sandbox, "--before 2024-01-01T05:00:00Z");
    sandbox
}

fn flip(sandbox: &Sandbox, path: &str) {
    let mut bytes = sandbox.read(path);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    sandbox.write(path, bytes);
}

#[test]
fn a_sound_store_is_called_so() {
    let sandbox = archived();
    verify(&sandbox, "").ok().says(&["checked the database and presence and size of 1 file"]);
    verify(&sandbox, "--full").ok().says(&["checked the database and every byte of 1 file"]);
}

#[test]
fn a_changed_byte_is_found_by_the_full_check_and_a_missing_file_by_each() {
    let sandbox = archived();
    let path = format!("barn/archive/{}", manifest(&sandbox)[0]);
    flip(&sandbox, &path);
    verify(&sandbox, "").ok();
    let failed = verify(&sandbox, "--full").fails(1);
    failed.says(&["warning: verify: 1 problem", "cannot be fetched again: put it back from a copy"]);
    failed.says(&["cannot call store './barn' sound: 1 problem"]);
    std::fs::remove_file(sandbox.path(&path)).unwrap();
    verify(&sandbox, "").fails(1).says(&["No such file", "1 problem"]);
}

/// Damages the page that leads to all rows of a table of the database.
fn damage(sandbox: &Sandbox, table: &str) {
    optimize(sandbox, "--only checkpoint");
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page: i64 = sandbox.sqlite().query_row(root, [table], |row| row.get(0)).unwrap();
    let start = (usize::try_from(page).unwrap() - 1) * 4_096;
    let mut bytes = sandbox.read("barn/barn.db");
    bytes[start..start + 8].fill(0xFF);
    sandbox.write("barn/barn.db", bytes);
}

#[test]
fn nothing_is_done_because_of_a_database_that_is_damaged() {
    for table in ["bars_rows", "manifest"] {
        let sandbox = archived();
        sandbox.write("barn/barn.toml", "[table.bars.retention]\n1m = \"1d\"\n");
        damage(&sandbox, table);
        verify(&sandbox, "").fails(1).says(&["'barn.db': ", "sqlite3 './barn/barn.db' .recover"]);
        let before = sandbox.read("barn/barn.db");
        let done = try_optimize(&sandbox, CLOCK, "--yes --repair --report optimize.json").fails(1);
        done.says(&["cannot call store './barn' sound", "no other step follows"]);
        let report: serde_json::Value = serde_json::from_slice(&sandbox.read("optimize.json")).unwrap();
        assert_eq!(report["steps"].as_array().unwrap().len(), 1, "{report}");
        assert!(sandbox.read("barn/barn.db") == before);
        // It is not the fault of the condition.
        let words = ["delete", "bars", "--where", "close > 3", "--dry-run"];
        sandbox.barn(words).fails(1).says(&["malformed"]);
    }
}

#[test]
fn a_changed_bit_in_a_row_of_the_database_is_found_by_each_check() {
    let sandbox = archived();
    try_optimize(&sandbox, CLOCK, "").ok();
    optimize(&sandbox, "--only vacuum --only checkpoint");
    // 5h to 10h are hot; the eight bytes of one price.
    let price: f64 = sandbox
        .sqlite()
        .query_row("SELECT close FROM bars_hot WHERE symbol = 'SYM001' ORDER BY ts LIMIT 1", [], |row| {
            row.get(0)
        })
        .unwrap();
    let mut bytes = sandbox.read("barn/barn.db");
    let places: Vec<_> =
        (0..bytes.len() - 8).filter(|at| bytes[*at..*at + 8] == price.to_be_bytes()).collect();
    bytes[places[0] + 7] ^= 1;
    sandbox.write("barn/barn.db", bytes);
    let words = "symbol=SYM00";
    for more in ["", "--full", "--table bars"] {
        let failed = verify(&sandbox, more).fails(1);
        failed.says(&["bars source=", words, "its rows in 'barn.db' are not those that barn wrote"]);
        failed.says(&["hint: ", "`barn optimize --only verify --accept` then takes their rows as they are"]);
    }
    // Nothing was written since, and what was found is not forgotten.
    try_optimize(&sandbox, CLOCK, "").fails(1).says(&["not those that barn wrote"]);
    sandbox.write("t.csv", "ts,symbol,price\n1704067200,A,1.5\n");
    sandbox.store("trades t.csv");
    verify(&sandbox, "--table trades").ok();
    // The other steps go on, and it stays found when rows are stored or leave for the archive.
    let all = try_optimize(&sandbox, CLOCK, "").fails(1);
    all.says(&["cannot call store './barn' sound: 1 problem"]);
    moved(&sandbox, "--all");
    verify(&sandbox, "").fails(1).says(&["not those that barn wrote"]);
    verify(&sandbox, "--accept --dry-run").ok().says(&["taken as it is"]);
    verify(&sandbox, "").fails(1);
    verify(&sandbox, "--accept").ok().says(&[words, "taken as it is"]);
    verify(&sandbox, "--full").ok();
}

#[test]
fn a_store_of_an_earlier_barn_gets_its_sums() {
    let sandbox = archived();
    sandbox
        .sqlite()
        .execute_batch(
            "ALTER TABLE bars_series DROP COLUMN _sum; ALTER TABLE manifest DROP COLUMN sum;
             PRAGMA user_version = 4",
        )
        .unwrap();
    // What changes nothing brings it to no other format.
    try_optimize(&sandbox, CLOCK, "--only verify --dry-run").ok();
    let format =
        || sandbox.sqlite().pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(format(), 4);
    verify(&sandbox, "").ok();
    assert!(format() > 4);
    sandbox.sqlite().execute_batch("UPDATE bars_rows SET close = close + 1 WHERE series = 2").unwrap();
    verify(&sandbox, "").fails(1).says(&["symbol=SYM001", "not those that barn wrote"]);
    sandbox.sqlite().execute_batch("UPDATE manifest SET ts_max = ts_max - 64").unwrap();
    verify(&sandbox, "")
        .fails(1)
        .says(&["its entry in the manifest is not the one that barn wrote", "no other step"]);
    verify(&sandbox, "--accept").ok().says(&["its entry in the manifest: taken as it is"]);
    verify(&sandbox, "").ok();
}

#[test]
fn a_changed_bit_in_a_rollup_is_found_and_it_is_made_again() {
    let sandbox = archived();
    let rollup = "from = \"bars\"\ntimeframe = \"1m\"\nevery = \"1h\"\ncolumns = { n = \"count(*)\" }\n";
    sandbox.write("barn/barn.toml", format!("[rollup.bars_1h]\n{rollup}"));
    try_optimize(&sandbox, CLOCK, "").ok();
    let rows = sandbox.query("SELECT * FROM bars_1h ORDER BY symbol, ts");
    sandbox.sqlite().execute_batch("UPDATE bars_1h_rows SET n = n + 64 WHERE series = 2").unwrap();
    verify(&sandbox, "").fails(1).says(&["bars_1h source=", "not those that barn wrote"]);
    verify(&sandbox, "--accept").ok();
    try_optimize(&sandbox, CLOCK, "").ok();
    assert_same(&sandbox.query("SELECT * FROM bars_1h ORDER BY symbol, ts"), &rows);
    verify(&sandbox, "--full").ok();
}

#[test]
fn a_text_that_is_none_any_more_is_a_row_that_barn_did_not_write() {
    let sandbox = Sandbox::new();
    sandbox.write("n.csv", "ts,symbol,note\n1704067200,A,abc\n1704067200,B,abd\n");
    sandbox.store("notes n.csv --key symbol --time ts");
    sandbox
        .sqlite()
        .execute_batch("UPDATE notes_rows SET note = CAST(x'E26263' AS TEXT) WHERE series = 1")
        .unwrap();
    verify(&sandbox, "").fails(1).says(&["notes symbol=A", "not those that barn wrote"]);
    verify(&sandbox, "--accept").ok().says(&["notes symbol=A: taken as it is"]);
    verify(&sandbox, "").ok();
}

/// A store with hourly bars of two symbols, of which the older file of two is damaged.
struct Damaged {
    stage: Stage,
    /// The words that fetch its rows, and the rows.
    line: String,
    before: String,
    /// The file, below the folder of the archive.
    path: String,
}

impl Damaged {
    fn new(config: &str) -> Self {
        let stage = Stage::new(Shape::Rows);
        let folder = ".home/.config/barn/sources/rows.toml";
        stage.sandbox.write(folder, stage.sandbox.read("source.toml"));
        let since = NOW - NOW % DAY - 20 * DAY;
        let line = format!("AAA BBB -t 1h --since {} --until {}", at(since), at(since + 4 * DAY));
        stage.fetch(&line).ok();
        let before = stage.bars();
        moved(&stage.sandbox, &format!("--before {}", at(since + 2 * DAY)));
        moved(&stage.sandbox, "--all");
        stage.sandbox.write("barn/barn.toml", config);
        let path = manifest(&stage.sandbox)[0].clone();
        let damaged = Self { stage, line, before, path };
        damaged.run(NOW, "--only rollups").ok();
        flip(&damaged.stage.sandbox, &format!("barn/archive/{}", damaged.path));
        damaged
    }

    /// Returns `barn optimize` at a time, not started.
    fn command(&self, now: i64, line: &str) -> Command {
        let mut command =
            self.stage.sandbox.barn_command(["optimize"].into_iter().chain(line.split_whitespace()));
        command.env(crate::market::KEY_NAME, crate::market::KEY).env("BARN_NOW", at(now));
        command
    }

    fn run(&self, now: i64, line: &str) -> Output {
        self.stage.sandbox.run(self.command(now, line), None)
    }

    fn is_kept(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap();
        self.stage.sandbox.path(&format!("barn/archive/.damaged/{name}")).exists()
    }

    fn changes(&self) -> i64 {
        let sql = "SELECT count(*) FROM changes WHERE table_name = 'bars'";
        self.stage.sandbox.sqlite().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

#[test]
fn a_damaged_file_is_fetched_again() {
    let damaged = Damaged::new("");
    let (stage, run) = (&damaged.stage, |line: &str| damaged.run(NOW, line));
    let failed = run("--only verify --full").fails(1);
    failed.says(&["can be fetched again", "hint: `barn optimize --only verify --repair`"]);
    assert_eq!(manifest(&stage.sandbox).len(), 2);
    stage.server.take();
    run("--only verify --full --repair").ok().says(&[" rows fetched again"]);
    assert!(stage.server.count() > 0);
    assert_same(&stage.bars(), &damaged.before);
    assert!(!manifest(&stage.sandbox).contains(&damaged.path));
    assert!(damaged.is_kept());
    run("--only verify --full").ok();
    stage.server.take();
    stage.fetch(&damaged.line).ok();
    assert_eq!(stage.server.count(), 0);
}

#[test]
fn a_repair_that_dies_keeps_the_damaged_file_and_tells_rollups_of_its_rows() {
    let rollup = "[rollup.bars_1d]\nfrom = \"bars\"\ntimeframe = \"1h\"\nevery = \"1d\"\n\
                  columns = { n = \"count(*)\" }\n";
    for (point, changes) in [("aside.renamed", 0), ("aside.published", 2)] {
        let damaged = Damaged::new(rollup);
        assert_eq!(damaged.changes(), 0);
        let mut command = damaged.command(NOW, "--only verify --full --repair");
        command.env("BARN_KILL", point);
        assert_eq!(damaged.stage.sandbox.run(command, None).any().0, None, "{point}");
        assert!(damaged.is_kept(), "{point}");
        assert_eq!(damaged.changes(), changes, "{point}");
        damaged.run(NOW, "--only verify --full --repair").ok();
        damaged.stage.fetch(&damaged.line).ok();
        assert_same(&damaged.stage.bars(), &damaged.before);
        damaged.run(NOW + 2 * HOUR, "--only compact").ok();
        assert!(damaged.is_kept(), "{point}");
        assert_same(&damaged.stage.bars(), &damaged.before);
    }
}

#[test]
fn a_ledger_that_claims_what_is_not_there_is_found() {
    let stage = Stage::new(Shape::Rows);
    let since = NOW - NOW % DAY - 20 * DAY;
    stage.fetch(&format!("AAA -t 1h --since {} --until {}", at(since), at(since + 4 * DAY))).ok();
    verify(&stage.sandbox, "--full").ok();
    stage.sandbox.sqlite().execute_batch("DELETE FROM bars_rows WHERE ts % 7200000000 = 0").unwrap();
    let failed = verify(&stage.sandbox, "--full").fails(1);
    failed.says(&["the ledger claims 93 rows, there are 46", "symbol=AAA", "not those that barn wrote"]);
}
