//! Results that are kept and given again: the same bytes, never an old answer, and never in the way.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::harness::Sandbox;
use crate::sample::minute_bars;

/// A table of one row that takes long enough to make for a result to be worth keeping: the largest of 62,208 sums,
/// where the store has the twelve bars of the sandbox.
const SLOW: &str = "(SELECT max(sin(a.open) + b.open + c.open - d.open + e.more) AS slow \
                    FROM bars a, bars b, bars c, bars d, (VALUES (1), (2), (3)) AS e (more)) AS s";

/// A query whose result is kept.
fn kept() -> String {
    format!("SELECT symbol, ts, open, volume, final, slow FROM bars, {SLOW} ORDER BY symbol DESC, ts")
}

/// What a query printed, and whether its rows were those of an earlier one.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    bytes: Vec<u8>,
    cached: bool,
}

/// Runs a query with more arguments behind it.
fn ask(sandbox: &Sandbox, sql: &str, more: &[&str]) -> Asked {
    let arguments = ["--report", "r.json", "query", sql];
    let bytes = sandbox.barn(arguments.iter().chain(more)).ok().bytes().to_vec();
    let report: serde_json::Value = serde_json::from_slice(&sandbox.read("r.json")).unwrap();
    Asked { bytes, cached: report["cached"].as_bool().unwrap() }
}

/// Checks that a query is answered anew, and then from the cache with the same bytes; returns these.
fn is_kept(sandbox: &Sandbox, sql: &str) -> Vec<u8> {
    let first = ask(sandbox, sql, &[]);
    assert!(!first.cached, "{sql}");
    let again = ask(sandbox, sql, &[]);
    assert_eq!(again, Asked { cached: true, bytes: first.bytes.clone() }, "{sql}");
    first.bytes
}

/// Returns the number of results that are kept.
fn count(sandbox: &Sandbox) -> i64 {
    let path = sandbox.path("barn/cache.db");
    if !path.exists() {
        return 0;
    }
    let database = rusqlite::Connection::open(path).unwrap();
    database.query_row("SELECT count(*) FROM results", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_result_comes_again_with_the_same_bytes_in_every_format() {
    let sandbox = Sandbox::with_bars();
    for (at, format) in
        ["csv", "tsv", "json", "ndjson", "parquet", "arrow", "table", "markdown"].iter().enumerate()
    {
        // A query of its own for each, so that each is computed once.
        let sql = kept().replacen("SELECT", &format!("SELECT {at} AS at,"), 1);
        let first = ask(&sandbox, &sql, &["--format", format]);
        assert!(!first.cached && !first.bytes.is_empty(), "{format}");
        let again = ask(&sandbox, &sql, &["--format", format]);
        assert_eq!(again, Asked { cached: true, bytes: first.bytes.clone() }, "{format}");
        let name = format!("out.{format}");
        assert!(ask(&sandbox, &sql, &["--format", format, "-o", &name]).cached);
        assert_eq!(sandbox.read(&name), first.bytes, "{format}");
        let anew = ask(&sandbox, &sql, &["--format", format, "--no-cache"]);
        assert_eq!(anew, Asked { cached: false, bytes: first.bytes }, "{format}");
    }
}

#[test]
fn odd_schemas_and_empty_results_come_again_too() {
    let sandbox = Sandbox::with_bars();
    for sql in [
        "SELECT a.symbol, b.symbol, b.ts, b.ts AS \"Ts\", slow FROM bars a JOIN bars b USING (ts), S ORDER BY 1, 2, 3",
        "SELECT symbol, ts FROM bars, S WHERE slow < 0",
        "SELECT [1, NULL] AS l, struct(1 AS a, 'B' AS \"B\") AS s, NULL AS n, open, volume FROM bars, S \
         ORDER BY slow, ts, open LIMIT 3 OFFSET 2",
        "SELECT 'NaN'::double, '-inf'::double, 5e-324, 9223372036854775807, CAST(1.25 AS DECIMAL(9, 2)), slow FROM S",
    ] {
        let sql = sql.replace(" S ", &format!(" {SLOW} ")).replace("FROM S", &format!("FROM {SLOW}"));
        for format in ["csv", "parquet", "arrow"] {
            let anew = ask(&sandbox, &sql, &["--format", format, "--no-cache"]);
            ask(&sandbox, &sql, &["--format", "ndjson"]);
            let again = ask(&sandbox, &sql, &["--format", format]);
            assert_eq!(again, Asked { cached: true, bytes: anew.bytes }, "{sql}");
        }
    }
}

#[test]
fn one_more_row_is_seen_and_an_import_that_changes_nothing_is_not() {
    let sandbox = Sandbox::with_bars();
    let sql = format!("SELECT count(*) AS n, max(slow) > 0 AS slow FROM bars, {SLOW}");
    assert_eq!(is_kept(&sandbox, &sql), b"n,slow\n12,true\n");
    sandbox.store("bars bars.csv --set source=test --set timeframe=1d");
    assert!(ask(&sandbox, &sql, &[]).cached, "nothing has changed");
    sandbox.write("one.csv", "symbol,ts,open\nCCC,2024-01-02,1\n");
    sandbox.store("bars one.csv --set source=test --set timeframe=1d");
    assert_eq!(is_kept(&sandbox, &sql), b"n,slow\n13,true\n");
    sandbox.write("one.csv", "symbol,ts,open\nCCC,2024-01-02,2\n");
    sandbox.store("bars one.csv --set source=test --set timeframe=1d");
    assert!(!ask(&sandbox, &sql, &[]).cached, "a value has changed");
}

#[test]
fn a_store_made_anew_or_put_back_does_not_get_the_results_of_another() {
    let sandbox = Sandbox::with_bars();
    let sql = format!("SELECT max(open) AS m, max(slow) IS NULL AS slow FROM bars, {SLOW}");
    let put_back = |name: &str| {
        for end in ["-wal", "-shm"] {
            drop(fs::remove_file(sandbox.path(&format!("barn/barn.db{end}"))));
        }
        fs::copy(sandbox.path(name), sandbox.path("barn/barn.db")).unwrap();
    };
    let store = |open: u32| {
        sandbox.write("one.csv", format!("symbol,ts,open\nCCC,2024-01-02,{open}\n"));
        sandbox.store("bars one.csv --set source=test --set timeframe=1d");
    };
    let first = is_kept(&sandbox, &sql);
    fs::copy(sandbox.path("barn/barn.db"), sandbox.path("first.db")).unwrap();
    store(1_000);
    assert_eq!(is_kept(&sandbox, &sql), b"m,slow\n1000.0,false\n");
    // The same number of transactions on the same store, with other rows.
    put_back("first.db");
    assert_eq!(ask(&sandbox, &sql, &[]), Asked { bytes: first, cached: true }, "it is what it was");
    store(2_000);
    assert_eq!(is_kept(&sandbox, &sql), b"m,slow\n2000.0,false\n");
    // Another store in the same place.
    for end in ["", "-wal", "-shm"] {
        drop(fs::remove_file(sandbox.path(&format!("barn/barn.db{end}"))));
    }
    sandbox.store("bars bars.csv --set source=test --set timeframe=1d");
    store(4_000);
    assert_eq!(is_kept(&sandbox, &sql), b"m,slow\n4000.0,false\n");
}

#[test]
fn blanks_comments_and_case_do_not_matter_but_literals_do() {
    let sandbox = Sandbox::with_bars();
    let sql = format!(
        "SELECT 'a b' AS t, count(*) AS n, min(slow) > 0 AS slow FROM bars, {SLOW} WHERE symbol = 'AAA'"
    );
    is_kept(&sandbox, &sql);
    for same in [
        sql.replace("SELECT", "select").replace("FROM", "From").replace("count", "COUNT"),
        sql.replace(' ', "\n  ").replace("a\n  b", "a b"),
        format!(" -- a comment\n{sql} -- and another\n;"),
        sql.replace("count(*)", "count ( /* all */ * )"),
    ] {
        assert!(ask(&sandbox, &same, &[]).cached, "{same}");
    }
    sandbox.write("q.sql", &sql);
    let done = sandbox.barn(["query", "--file", "q.sql", "-v"]).ok();
    done.says(&["from the result cache"]);
    for (other, printed) in [
        (sql.replace("a b", "a  b"), "t,n,slow\na  b,6,true\n"),
        (sql.replace("a b", "A b"), "t,n,slow\nA b,6,true\n"),
        (sql.replace("AS t", "AS \"T\""), "T,n,slow\na b,6,true\n"),
        (sql.replace("a b", "a''b"), "t,n,slow\na'b,6,true\n"),
        (sql.replace("a b", "a''''b"), "t,n,slow\na''b,6,true\n"),
    ] {
        assert_eq!(String::from_utf8(is_kept(&sandbox, &other)).unwrap(), printed, "{other}");
    }
}

#[test]
fn what_changes_by_itself_is_never_kept() {
    let sandbox = Sandbox::with_bars();
    sandbox.fixture("prices/positions.csv");
    let with = &["--with", "p=positions.csv"][..];
    for (sql, more) in [
        (format!("SELECT now() > '2000-01-01' AS a, slow FROM {SLOW}"), &[][..]),
        (format!("SELECT count(*), max(slow) FROM bars, {SLOW} WHERE ts < now()"), &[]),
        (format!("SELECT random() < 2 AS a, slow FROM {SLOW}"), &[]),
        (format!("SELECT count(*), max(slow) FROM information_schema.tables, {SLOW}"), &[]),
        (format!("SELECT value, slow FROM generate_series(1, 3), {SLOW}"), &[]),
        (format!("SELECT 1; SELECT slow FROM {SLOW}"), &[]),
        (format!("EXPLAIN SELECT slow FROM {SLOW}"), &[]),
        (format!("EXPLAIN ANALYZE SELECT slow FROM {SLOW}"), &[]),
        (format!("SELECT count(*), max(slow) FROM p, {SLOW}"), with),
        (format!("SELECT slow FROM {SLOW}"), with),
        (format!("SELECT slow FROM {SLOW}"), &["--no-cache"]),
    ] {
        for _ in 0..2 {
            assert!(!ask(&sandbox, &sql, more).cached, "{sql}");
        }
        assert_eq!(count(&sandbox), 0, "{sql}");
    }
    let sql = format!("SELECT slow FROM {SLOW}");
    sandbox.barn(["query", &sql, "--explain"]).ok();
    assert_eq!(count(&sandbox), 0);
    assert!(!sandbox.path("barn/cache.db").exists());
    // Neither is a result looked for.
    is_kept(&sandbox, &sql);
    assert!(!ask(&sandbox, &sql, &["--no-cache"]).cached);
    assert!(!ask(&sandbox, &sql, with).cached);
    let plan = sandbox.barn(["query", &sql, "--explain"]).ok().stdout();
    assert!(plan.contains("bars_rows"), "{plan}");
}

#[test]
fn a_large_result_is_not_kept_and_neither_is_one_that_broke_off() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", minute_bars(4, 500));
    sandbox.store("bars a.csv --set timeframe=1m");
    let many = "SELECT a.ts, b.close FROM bars a CROSS JOIN bars b";
    // 2 million rows of 16 bytes.
    let large = format!("{many} LIMIT 2000000");
    for _ in 0..2 {
        assert!(!ask(&sandbox, &large, &["-o", "large.csv", "--force"]).cached);
    }
    // Far more than a pipe holds, and small enough to be kept.
    let small = format!("{many} ORDER BY 1, 2 LIMIT 100000");
    sandbox.shell(&format!("barn query '{small}' | head -1 > first")).ok();
    assert_eq!(sandbox.read_text("first"), "ts,close\n");
    sandbox.barn(["query", &format!("SELECT 1 / (open - open)::int FROM ({many}) AS t (ts, open)")]).fails(1);
    sandbox.barn(["query", &small, "-o", "first"]).fails(1);
    let endless = format!("SELECT t.close FROM ({many}) AS t CROSS JOIN bars c");
    let mut child = sandbox.barn_command(["query", &endless]).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "close");
    sandbox.shell(&format!("kill -INT {}", child.id())).ok();
    assert!(lines.by_ref().all(|line| line.is_ok()));
    assert_eq!(sandbox.wait(&mut child, &endless), Some(130));
    assert_eq!(count(&sandbox), 0);
    is_kept(&sandbox, &small);
    assert_eq!(count(&sandbox), 1);
}

#[test]
fn a_damaged_result_is_computed_again() {
    let sandbox = Sandbox::with_bars();
    let sql = kept();
    let bytes = is_kept(&sandbox, &sql);
    let database = rusqlite::Connection::open(sandbox.path("barn/cache.db")).unwrap();
    database.execute("UPDATE results SET body = zeroblob(length(body))", []).unwrap();
    assert_eq!(ask(&sandbox, &sql, &[]), Asked { bytes: bytes.clone(), cached: false });
    assert_eq!(ask(&sandbox, &sql, &[]), Asked { bytes, cached: true });
}

#[test]
fn a_cache_that_cannot_be_used_is_in_nobodys_way() {
    let sandbox = Sandbox::with_bars();
    let sql = kept();
    let expected = ask(&sandbox, &sql, &["--no-cache"]).bytes;
    let is_answered = |why: &str| {
        for _ in 0..2 {
            let done = sandbox.barn(["query", &sql]).ok();
            assert!(done.bytes() == expected);
            done.says_exactly("");
        }
        sandbox.barn(["query", &sql, "-v"]).ok().says(&["cache.db", why]);
    };
    sandbox.write("barn/cache.db", "not a database, and longer than the header of one ".repeat(40));
    is_answered("not a database");
    fs::remove_file(sandbox.path("barn/cache.db")).unwrap();
    fs::create_dir(sandbox.path("barn/cache.db")).unwrap();
    is_answered("unable to open");
    fs::remove_dir(sandbox.path("barn/cache.db")).unwrap();
    // Deleted, it is made again.
    is_kept(&sandbox, &sql);
    let size = fs::metadata(sandbox.path("barn/cache.db")).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(sandbox.path("barn/cache.db")).unwrap();
    file.set_len(size / 2).unwrap();
    // Damaged, it is begun anew.
    let anew = format!("{sql} LIMIT 3");
    sandbox.barn(["query", &anew, "-v"]).ok().says(&["cache.db' was damaged, and is begun anew"]);
    is_kept(&sandbox, &sql);
    assert!(ask(&sandbox, &anew, &[]).cached);
    let other = rusqlite::Connection::open(sandbox.path("barn/cache.db")).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE held (a)").unwrap();
    is_answered("locked");
}

#[test]
fn a_store_on_a_read_only_disk_gives_results_and_keeps_none() {
    let sandbox = Sandbox::with_bars();
    let sql = kept();
    let expected = is_kept(&sandbox, &sql);
    let other = format!("{sql} LIMIT 3");
    sandbox.write("sql", &sql);
    sandbox.write("other", &other);
    sandbox.write(
        ".script",
        "mount --bind barn barn\n\
         mount -o remount,ro,bind barn\n\
         barn query --file sql > 1.csv 2> errors\n\
         barn query --file other > 2.csv 2>> errors\n\
         barn query --file other > 3.csv 2>> errors\n",
    );
    let (code, _) = sandbox.shell("unshare -m sh -e .script").any();
    if code != Some(0) {
        eprintln!("skipped: this user cannot mount");
        return;
    }
    assert_eq!(sandbox.read("1.csv"), expected);
    assert_eq!(sandbox.read_text("errors"), "");
    let first: String = String::from_utf8(expected).unwrap().split_inclusive('\n').take(4).collect();
    assert_eq!(sandbox.read_text("2.csv"), first);
    assert_eq!(sandbox.read_text("3.csv"), first);
    assert_eq!(count(&sandbox), 1);
}

#[test]
fn processes_at_once_give_the_same_answers() {
    let sandbox = Sandbox::with_bars();
    let sql = kept();
    let expected = ask(&sandbox, &sql, &["--no-cache"]).bytes;
    for _ in 0..3 {
        let children: Vec<_> = (0..4)
            .map(|_| sandbox.barn_command(["query", &sql]).stderr(Stdio::null()).spawn().unwrap())
            .collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            assert!(output.stdout == expected);
        }
    }
    assert!(ask(&sandbox, &sql, &[]).cached);
    assert_eq!(count(&sandbox), 1);
}

#[test]
fn a_table_of_barn_toml_with_one_more_column_is_seen() {
    let sandbox = Sandbox::with_bars();
    let table = |values: &str| format!("[table.q]\nkey = [\"k text\"]\nvalues = [{values}]\n");
    sandbox.write("barn/barn.toml", table("\"a double\""));
    let sql = format!("SELECT q.*, s.n FROM (SELECT count(slow) AS n FROM {SLOW}) AS s LEFT JOIN q ON true");
    assert_eq!(is_kept(&sandbox, &sql), b"k,ts,a,n\n,,,1\n");
    sandbox.write("barn/barn.toml", table("\"a double\", \"b double\""));
    assert_eq!(is_kept(&sandbox, &sql), b"k,ts,a,b,n\n,,,,1\n");
    sandbox.write("barn/barn.toml", table("\"a bigint\", \"b double\""));
    assert!(!ask(&sandbox, &sql, &[]).cached, "a type has changed");
}

#[test]
fn the_time_that_is_set_does_not_matter() {
    let sandbox = Sandbox::with_bars();
    let sql = kept();
    is_kept(&sandbox, &sql);
    for now in ["1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z"] {
        let mut command = sandbox.barn_command(["query", &sql, "-v"]);
        command.env("BARN_NOW", now);
        sandbox.run(command, None).ok().says(&["12 rows from the result cache in "]);
    }
}
