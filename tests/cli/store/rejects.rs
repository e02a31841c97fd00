//! Rows that cannot be stored are kept with their reason; too many of them undo a transaction.

use crate::harness::{Counts, Sandbox};

const OPTIONS: &str = "--set symbol=A --set timeframe=1m";

/// Minute bars with this many good rows and these lines at their end.
fn bars(good: usize, bad: &[&str]) -> String {
    let mut text = String::from("ts,close\n");
    for at in 0..good {
        text += &format!("{},1.5\n", 1_704_067_200 + at * 60);
    }
    for line in bad {
        text += line;
        text.push('\n');
    }
    text
}

fn rejects(sandbox: &Sandbox) -> String {
    sandbox.barn(["info", "rejects", "--format", "csv"]).ok().stdout()
}

#[test]
fn a_bad_row_is_kept_with_file_line_reason_and_text() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", bars(200, &["1704153600,high"]));
    let done = sandbox.barn("--report r.json store bars a.csv".split(' ').chain(OPTIONS.split(' '))).ok();
    done.says(&["rejected"]);
    let counts = sandbox.report("r.json");
    assert_eq!(counts, Counts { read: 201, inserted: 200, rejected: 1, ..Counts::default() });
    let rejects = rejects(&sandbox);
    let line = rejects.lines().nth(1).unwrap();
    for part in ["a.csv", "202", "close", "1704153600,high"] {
        assert!(line.contains(part), "expected '{part}' in {rejects}");
    }
}

#[test]
fn every_kind_of_bad_row_is_rejected() {
    for (line, reason) in [
        ("1704153600,1.5,extra", "more fields than the header"),
        ("1704153600,high", "a value that does not fit"),
        (",1.5", "no time"),
        ("2024-99-01,1.5", "a time that is none"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("a.csv", bars(200, &[line]));
        let counts = sandbox.store(&format!("bars a.csv {OPTIONS}"));
        assert_eq!(counts.rejected, 1, "{reason}");
        assert!(rejects(&sandbox).contains(line.trim_end()), "{reason}");
    }
}

#[test]
fn a_row_without_a_key_is_rejected() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,symbol,close\n1704067200,A,1\n1704067260,,2\n1704067320,\"\",3\n");
    let counts = sandbox.store("bars a.csv --set timeframe=1m --max-bad 2");
    // An empty text is a text; only a null is no key.
    assert_eq!(counts, Counts { read: 3, inserted: 2, rejected: 1, ..Counts::default() });
}

#[test]
fn short_and_blank_rows_are_no_rejects() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,close,volume\n1704067200,1\n\n1704067260,2,3,,\n,,\n1704067320\n");
    assert_eq!(sandbox.store(&format!("bars a.csv {OPTIONS}")), Counts::new_rows(3));
    assert_eq!(
        sandbox.query("SELECT close, volume FROM bars ORDER BY ts"),
        "close,volume\n1.0,\n2.0,3.0\n,\n"
    );
}

#[test]
fn the_line_of_a_reject_counts_quoted_line_ends() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,symbol,title\n2024-01-01,A,\"one\ntwo\nthree\"\n\nnever,A,bad\n");
    let counts = sandbox.store("news a.csv --max-bad 1");
    assert_eq!(counts, Counts { read: 2, inserted: 1, rejected: 1, ..Counts::default() });
    let rejects = rejects(&sandbox);
    assert!(rejects.contains(",6,"), "{rejects}");
}

#[test]
fn too_many_bad_rows_undo_the_transaction_but_not_the_list_of_rejects() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", bars(50, &["1704153600,high"]));
    let done = sandbox.try_store(&format!("bars a.csv {OPTIONS}")).fails(1);
    done.says(&["a.csv", "--max-bad"]);
    assert_eq!(sandbox.value("SELECT count(*) FROM bars"), "0");
    assert!(rejects(&sandbox).contains("high"));
}

#[test]
fn a_file_that_is_undone_leaves_the_others() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", bars(10, &[]));
    sandbox.write("b.csv", bars(50, &["1704153600,high"]));
    sandbox.try_store(&format!("bars a.csv b.csv {OPTIONS}")).fails(3).says(&["b.csv"]);
    assert_eq!(sandbox.value("SELECT count(*) FROM bars"), "10");
}

#[test]
fn the_limit_is_a_number_or_a_share() {
    let text = bars(8, &["1704153600,high", "1704153600,low"]);
    for (limit, passes) in
        [("2", true), ("1", false), ("20%", true), ("19%", false), ("100%", true), ("0", false)]
    {
        let sandbox = Sandbox::new();
        sandbox.write("a.csv", &text);
        let (code, done) = sandbox.try_store(&format!("bars a.csv {OPTIONS} --max-bad {limit}")).any();
        done.check(code == Some(i32::from(!passes)), &format!("--max-bad {limit}: {code:?}"));
    }
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", &text);
    for limit in ["many", "-1", "101%", ""] {
        let mut arguments: Vec<_> = "store bars a.csv".split(' ').chain(OPTIONS.split(' ')).collect();
        let limit = format!("--max-bad={limit}");
        arguments.push(&limit);
        sandbox.barn(arguments).fails(2);
    }
}

#[test]
fn the_same_file_again_replaces_its_rejects() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", bars(200, &["1704153600,high"]));
    sandbox.store(&format!("bars a.csv {OPTIONS}"));
    let before = rejects(&sandbox);
    let again = sandbox.store(&format!("bars a.csv {OPTIONS}"));
    assert_eq!(again, Counts { read: 201, unchanged: 200, rejected: 1, ..Counts::default() });
    assert_eq!(rejects(&sandbox).lines().count(), before.lines().count());
}

#[test]
fn rejects_are_kept_in_one_step_with_the_rows_beside_them() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", bars(200, &["1704153600,high"]));
    let store = || sandbox.barn_command("store bars a.csv".split(' ').chain(OPTIONS.split(' ')));
    for (point, rows) in [("commit.started", 0), ("commit.done", 200)] {
        let mut command = store();
        command.env("BARN_KILL", point);
        assert_eq!(sandbox.run(command, None).any().0, None, "{point}");
        assert_eq!(sandbox.query("SELECT count(*) AS n FROM bars"), format!("n\n{rows}\n"), "{point}");
        assert_eq!(rejects(&sandbox).lines().count(), if rows == 0 { 1 } else { 2 }, "{point}");
    }
    sandbox.run(store(), None).ok();
    assert_eq!(rejects(&sandbox).lines().count(), 2);
}

#[test]
fn a_store_without_rejects_lists_none() {
    let sandbox = Sandbox::with_bars();
    assert_eq!(rejects(&sandbox).lines().count(), 1);
}

#[test]
fn bytes_that_are_no_text_name_their_line_and_the_way_to_read_them() {
    let sandbox = Sandbox::new();
    let mut bytes = b"ts,symbol,title\n2024-01-01,A,good\n2024-01-02,A,".to_vec();
    bytes.extend_from_slice(b"caf\xe9\x1b[2J\n");
    sandbox.write("a.csv", bytes);
    sandbox.try_store("news a.csv").fails(1).says(&["a.csv", "line 3", "UTF-8", "hint: ", "encoding"]);
    assert_eq!(sandbox.value("SELECT count(*) FROM news"), "0");
    sandbox.write("western.toml", "encoding = \"latin-1\"\n");
    assert_eq!(sandbox.store("news a.csv --as western.toml"), Counts::new_rows(2));
    assert_eq!(sandbox.value("SELECT title FROM news WHERE ts = '2024-01-02'"), "caf\u{e9}\u{1b}[2J");
    let done = sandbox.barn(["query", "SELECT title FROM news", "--format", "table"]).ok();
    done.check(!done.stdout().contains('\u{1b}'), "an escape sequence reaches the terminal");
}

#[test]
fn implausible_rows_are_stored_and_listed() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.csv",
        "ts,open,high,low,close,volume\n60,1,2,1,1,1\n120,1,1,2,1,1\n180,5,2,1,1,1\n240,1,2,1,0.5,1\n300,1,2,1,1,-1\n360,,,,1,\n",
    );
    let counts = sandbox.store(&format!("bars a.csv {OPTIONS}"));
    assert_eq!(counts, Counts { suspect: 4, ..Counts::new_rows(6) });
    let suspects = sandbox.barn(["info", "suspects", "--format", "csv"]).ok().stdout();
    assert_eq!(suspects.lines().count(), 5, "{suspects}");
    assert!(
        suspects.contains("1970-01-01T00:02:00Z") && !suspects.contains("1970-01-01T00:01:00Z"),
        "{suspects}"
    );
    // They are no worse the second time.
    let again = sandbox.store(&format!("bars a.csv {OPTIONS}"));
    assert_eq!((again.unchanged, again.rejected), (6, 0));
}

#[test]
fn rejects_of_json_are_told_by_line_too() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.ndjson",
        "{\"ts\":60,\"close\":1}\n{\"ts\":120,\"close\":\"x\"}\n{\"ts\":180,\n{\"ts\":240,\"close\":[1]}\n",
    );
    let counts = sandbox.store(&format!("bars a.ndjson {OPTIONS} --max-bad 3"));
    assert_eq!(counts, Counts { read: 4, inserted: 1, rejected: 3, ..Counts::default() });
    let rejects = rejects(&sandbox);
    for part in [",2,", ",3,", ",4,"] {
        assert!(rejects.contains(part), "expected '{part}' in {rejects}");
    }
}
