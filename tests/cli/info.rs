//! `barn info`: what a store holds.

use crate::harness::Sandbox;

fn info(sandbox: &Sandbox, arguments: &[&str]) -> String {
    sandbox.barn(["info"].iter().chain(arguments).chain(&["--format", "csv"])).ok().stdout()
}

/// Returns the value in the column of this name, in the only line that begins with `first`.
fn cell(text: &str, first: &str, column: &str) -> String {
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let at = header
        .iter()
        .position(|name| *name == column)
        .unwrap_or_else(|| panic!("no column '{column}':\n{text}"));
    let rows: Vec<_> = lines.filter(|line| line[0] == first).collect();
    assert_eq!(rows.len(), 1, "{text}");
    rows[0][at].to_owned()
}

#[test]
fn tables_are_listed_with_series_range_rows_and_bytes() {
    let sandbox = Sandbox::with_bars();
    let text = info(&sandbox, &[]);
    assert_eq!(cell(&text, "bars", "series"), "2");
    assert_eq!(cell(&text, "bars", "rows"), "12");
    assert_eq!(cell(&text, "bars", "first"), "2024-01-02T00:00:00Z");
    assert_eq!(cell(&text, "bars", "last"), "2024-01-09T00:00:00Z");
    let bytes: u64 = cell(&text, "bars", "bytes").parse().unwrap();
    assert!(bytes > 500, "{text}");
}

#[test]
fn a_table_is_shown_with_its_columns_and_series() {
    let sandbox = Sandbox::with_bars();
    let text = sandbox.barn(["info", "bars", "--format", "table"]).ok().stdout();
    for part in ["symbol", "close", "double", "AAA", "BBB", "2024-01-02", "2024-01-09"] {
        assert!(text.contains(part), "expected '{part}' in\n{text}");
    }
}

#[test]
fn gaps_are_counted() {
    let sandbox = Sandbox::new();
    // Gaps are over five steps: one of six minutes, one of a day; a step of five minutes is none.
    sandbox.write("a.csv", "ts,symbol,close\n0,A,1\n60,A,1\n420,A,1\n720,A,1\n87120,A,1\n0,B,1\n60,B,1\n");
    sandbox.store("bars a.csv --set timeframe=1m");
    let text = sandbox.barn(["info", "bars", "--format", "csv"]).ok().stdout();
    let gaps = |symbol: &str| {
        let header: Vec<_> = text.lines().find(|line| line.contains("gaps")).unwrap().split(',').collect();
        let at = header.iter().position(|name| *name == "gaps").unwrap();
        let row = text.lines().find(|line| line.split(',').any(|cell| cell == symbol)).unwrap();
        row.split(',').nth(at).unwrap().to_owned()
    };
    assert_eq!((gaps("A"), gaps("B")), ("2".to_owned(), "0".to_owned()), "{text}");
}

#[test]
fn a_long_weekend_is_no_gap() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.csv",
        "date,symbol,close\n2024-01-12,A,1\n2024-01-16,A,1\n2024-01-22,A,1\n2024-02-01,A,1\n",
    );
    sandbox.store("bars a.csv --set timeframe=1d");
    let text = sandbox.barn(["info", "bars", "--format", "json"]).ok().stdout();
    assert!(text.contains("\"gaps\":2"), "{text}");
}

#[test]
fn an_empty_store_and_unused_tables_are_no_error() {
    let sandbox = Sandbox::with_bars();
    sandbox.barn(["info", "trades"]).ok();
    sandbox.barn(["info", "suspects"]).ok();
    sandbox.barn(["info", "rejects"]).ok();
}

#[test]
fn every_format_is_known() {
    let sandbox = Sandbox::with_bars();
    for format in ["table", "csv", "tsv", "json", "ndjson", "markdown"] {
        let done = sandbox.barn(["info", "--format", format]).ok();
        done.check(done.stdout().contains("bars"), format);
    }
}

#[test]
fn reading_a_store_changes_nothing() {
    let sandbox = Sandbox::with_bars();
    let before = sandbox.contents("barn");
    info(&sandbox, &[]);
    sandbox.barn(["info", "bars"]).ok();
    sandbox.contents("barn").assert_same(&before);
}

#[test]
fn the_store_is_named_by_a_flag_or_the_environment() {
    let sandbox = Sandbox::new();
    sandbox.fixture("prices/bars.csv");
    sandbox.store_in("here/there", "bars bars.csv --set timeframe=1d");
    assert_eq!(sandbox.query_in("here/there", "SELECT count(*) AS n FROM bars"), "n\n12\n");
    let mut command = sandbox.barn_command(["query", "SELECT count(*) AS n FROM bars"]);
    command.env("BARN_STORE", "here/there");
    sandbox.run(command, None).ok().prints("n\n12\n");
    // Global flags stand on either side of the command.
    sandbox.barn(["query", "SELECT count(*) AS n FROM bars", "--store", "here/there"]).ok().prints("n\n12\n");
}

#[test]
fn holes_in_what_was_asked_are_counted_apart_from_gaps() {
    let sandbox = Sandbox::with_bars();
    assert!(!info(&sandbox, &["bars"]).contains("holes"), "nothing was asked of a source");
    let (source, timeframe): (String, String) = sandbox
        .sqlite()
        .query_row("SELECT source, timeframe FROM bars_series LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    // Two ranges with a hole between them, and one state after another, which is none.
    for (symbol, start, stop, state) in
        [("AAA", 0, 10, "have"), ("AAA", 10, 20, "empty"), ("AAA", 30, 40, "have"), ("CCC", 0, 5, "have")]
    {
        sandbox
            .sqlite()
            .execute(
                "INSERT INTO coverage VALUES ('bars', ?1, '', ?2, ?3, ?4, ?5, ?6, 0, 0)",
                (&source, symbol, &timeframe, start, stop, state),
            )
            .unwrap();
    }
    let text = info(&sandbox, &["bars"]);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let at = lines[0].iter().position(|name| *name == "holes").unwrap();
    let of = |symbol: &str| lines.iter().find(|line| line.contains(&symbol)).unwrap()[at];
    assert_eq!((of("AAA"), of("BBB")), ("1", ""), "{text}");
    let text = sandbox.barn(["info", "bars", "--format", "markdown"]).ok().stdout();
    let last = text.lines().last().unwrap();
    let cells: Vec<&str> = last.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells, [source.as_str(), timeframe.as_str(), "2", "3", "1"], "{text}");
}

#[test]
fn a_command_that_only_shows_reports_how_it_ended() {
    let sandbox = Sandbox::with_bars();
    for line in ["info", "source list", "runs list", "runs check", "completions bash"] {
        sandbox.barn(line.split(' ').chain(["--report", "report.json"])).ok();
        let report: serde_json::Value = serde_json::from_str(&sandbox.read_text("report.json")).unwrap();
        assert_eq!(report, serde_json::json!({ "exit_code": 0 }), "{line}");
        sandbox.write("report.json", "");
    }
    sandbox.barn(["info", "barz", "--report", "report.json"]).fails(2);
    assert!(sandbox.read_text("report.json").contains("\"exit_code\": 2"));
    // One that cannot be written is no success.
    sandbox.barn(["info", "--report", "none/report.json"]).fails(1).says(&["none/report.json"]);
}

#[test]
fn a_word_that_is_no_table_suggests_one_that_is() {
    let sandbox = Sandbox::with_bars();
    for (word, near) in [("barz", "bars"), ("reject", "rejects"), ("archiv", "archive")] {
        let expected =
            format!("error: cannot show table '{word}': there is none\n\nhint: `barn info {near}`\n");
        sandbox.barn(["info", word]).fails(2).says_exactly(&expected);
    }
}
