//! The output formats, to the byte.

use std::fs;

use crate::harness::{Counts, Sandbox, python};

/// Values that formats get wrong, in a table that has every type.
fn with_nasty_values() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "barn/barn.toml",
        "[table.nasty]\nkey = [\"nr bigint\"]\n\
         values = [\"number double\", \"word text\", \"flag boolean\", \"day date\", \"moment timestamp\"]\n",
    );
    sandbox.write(
        "nasty.csv",
        "ts,nr,number,word,flag,day,moment\n\
         0,1,1.5,plain,true,2024-01-31,2024-01-31T09:30:00.5Z\n\
         0,2,inf,\"\",false,1969-12-31,1969-12-31T23:59:59.000001Z\n\
         0,3,,,,,\n\
         0,4,1e16,\"a \"\"b\"\", c|d\ne\",true,9999-12-31,9999-12-31T00:00:00Z\n\
         0,-9223372036854775808,-5e-324,\"tab\there \\ é <b>\",,,\n",
    );
    assert_eq!(sandbox.store("nasty nasty.csv"), Counts::new_rows(5));
    sandbox
}

const SQL: &str = "SELECT nr, number, word, flag, day, moment FROM nasty ORDER BY nr";

fn print(sandbox: &Sandbox, format: &str) -> String {
    sandbox.barn(["query", SQL, "--format", format]).ok().stdout()
}

#[test]
fn csv() {
    let sandbox = with_nasty_values();
    sandbox.barn(["query", SQL]).ok().prints(
        "nr,number,word,flag,day,moment\n\
         -9223372036854775808,-5e-324,tab\there \\ é <b>,,,\n\
         1,1.5,plain,true,2024-01-31,2024-01-31T09:30:00.500Z\n\
         2,inf,\"\",false,1969-12-31,1969-12-31T23:59:59.000001Z\n\
         3,,,,,\n\
         4,1e16,\"a \"\"b\"\", c|d\ne\",true,9999-12-31,9999-12-31T00:00:00Z\n",
    );
}

#[test]
fn tsv() {
    let sandbox = with_nasty_values();
    sandbox.barn(["query", SQL, "--format", "tsv"]).ok().prints(
        "nr\tnumber\tword\tflag\tday\tmoment\n\
         -9223372036854775808\t-5e-324\t\"tab\there \\ é <b>\"\t\t\t\n\
         1\t1.5\tplain\ttrue\t2024-01-31\t2024-01-31T09:30:00.500Z\n\
         2\tinf\t\"\"\tfalse\t1969-12-31\t1969-12-31T23:59:59.000001Z\n\
         3\t\t\t\t\t\n\
         4\t1e16\t\"a \"\"b\"\", c|d\ne\"\ttrue\t9999-12-31\t9999-12-31T00:00:00Z\n",
    );
}

/// The rows as JSON objects, one a line.
const OBJECTS: &str = r#"{"nr":-9223372036854775808,"number":-5e-324,"word":"tab\there \\ é <b>","flag":null,"day":null,"moment":null}
{"nr":1,"number":1.5,"word":"plain","flag":true,"day":"2024-01-31","moment":"2024-01-31T09:30:00.500Z"}
{"nr":2,"number":"inf","word":"","flag":false,"day":"1969-12-31","moment":"1969-12-31T23:59:59.000001Z"}
{"nr":3,"number":null,"word":null,"flag":null,"day":null,"moment":null}
{"nr":4,"number":1e16,"word":"a \"b\", c|d\ne","flag":true,"day":"9999-12-31","moment":"9999-12-31T00:00:00Z"}
"#;

#[test]
fn ndjson() {
    let sandbox = with_nasty_values();
    sandbox.barn(["query", SQL, "--format", "ndjson"]).ok().prints(OBJECTS);
}

#[test]
fn json() {
    let sandbox = with_nasty_values();
    let lines: Vec<_> = OBJECTS.lines().collect();
    let text = print(&sandbox, "json");
    assert_eq!(text, format!("[\n{}\n]\n", lines.join(",\n")));
    let parsed: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed.len(), 5);
    let none =
        sandbox.barn(["query", "SELECT nr FROM nasty WHERE nr = 99", "--format", "json"]).ok().stdout();
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&none).unwrap().len(), 0);
}

#[test]
fn markdown() {
    let sandbox = with_nasty_values();
    sandbox.barn(["query", SQL, "--format", "markdown"]).ok().prints(
        "| nr | number | word | flag | day | moment |\n\
         | ---: | ---: | --- | --- | --- | --- |\n\
         | -9223372036854775808 | -5e-324 | tab here \\\\ é \\<b> | NULL | NULL | NULL |\n\
         | 1 | 1.5 | plain | true | 2024-01-31 | 2024-01-31T09:30:00.500Z |\n\
         | 2 | inf |  | false | 1969-12-31 | 1969-12-31T23:59:59.000001Z |\n\
         | 3 | NULL | NULL | NULL | NULL | NULL |\n\
         | 4 | 1e16 | a \"b\", c\\|d<br>e | true | 9999-12-31 | 9999-12-31T00:00:00Z |\n",
    );
}

#[test]
fn table_shows_every_value() {
    let sandbox = with_nasty_values();
    let text = print(&sandbox, "table");
    for part in ["number", "1e16", "inf", "2024-01-31", "2024-01-31T09:30:00.500Z", "plain"] {
        assert!(text.contains(part), "expected '{part}' in\n{text}");
    }
    let is_safe = !text.chars().any(|c| c.is_control() && c != '\n');
    assert!(is_safe, "control characters reach the terminal:\n{text}");
}

#[test]
fn text_formats_are_stored_again_without_loss() {
    let sandbox = with_nasty_values();
    let all = "SELECT * FROM nasty ORDER BY nr";
    fs::create_dir_all(sandbox.path("other")).unwrap();
    fs::copy(sandbox.path("barn/barn.toml"), sandbox.path("other/barn.toml")).unwrap();
    for format in ["csv", "tsv", "ndjson", "json", "parquet"] {
        let name = format!("out.{format}");
        sandbox.barn(["query", all, "-o", &name]).ok().prints("");
        let first = sandbox.store_in("other", &format!("nasty {name}"));
        assert_eq!(first.inserted + first.unchanged, 5, "{format}");
        assert_eq!(sandbox.query_in("other", all), sandbox.query(all), "{format}");
        if format != "csv" {
            assert_eq!(first, Counts::same_rows(5), "{format}");
        }
    }
}

#[test]
fn parquet_and_arrow_open_elsewhere_with_the_same_values() {
    let Some(python) = python() else { return };
    let sandbox = with_nasty_values();
    sandbox.barn(["query", SQL, "-o", "out.parquet"]).ok();
    sandbox.barn(["query", SQL, "-o", "out.arrow"]).ok();
    sandbox.write("check.py", include_str!("read_back.py"));
    for name in ["out.parquet", "out.arrow"] {
        let mut command = sandbox.command(&python);
        command.args(["check.py", name]);
        sandbox.run(command, None).ok().prints(
            "nr int64, number double, word string, flag bool, day date32[day], moment timestamp[us, tz=UTC]\n\
             -9223372036854775808 -5e-324 'tab\\there \\\\ é <b>' None None None\n\
             1 1.5 'plain' True 2024-01-31 2024-01-31T09:30:00.500000+00:00\n\
             2 inf '' False 1969-12-31 1969-12-31T23:59:59.000001+00:00\n\
             3 None None None None None\n\
             4 1e+16 'a \"b\", c|d\\ne' True 9999-12-31 9999-12-31T00:00:00+00:00\n",
        );
    }
}

#[test]
fn binary_formats_go_to_a_pipe_too() {
    let sandbox = Sandbox::with_bars();
    let sql = "SELECT * FROM bars ORDER BY symbol, ts";
    let parquet = sandbox.barn(["query", sql, "--format", "parquet"]).ok();
    parquet.check(parquet.bytes().starts_with(b"PAR1"), "expected a Parquet file");
    let arrow = sandbox.barn(["query", sql, "--format", "arrow"]).ok();
    arrow.check(arrow.bytes().len() > 500, "expected Arrow data");
}

#[test]
fn an_unknown_format_is_a_usage_error_that_lists_the_known_ones() {
    let sandbox = Sandbox::with_bars();
    let done = sandbox.barn(["query", "SELECT 1", "--format", "xlsx"]).fails(2);
    done.says(&["'xlsx'", "csv", "tsv", "json", "ndjson", "parquet", "arrow", "markdown", "table"]);
}
