//! `barn source`: the definitions, without the network.

use std::path::Path;

use crate::harness::Sandbox;

fn builtin() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/source/builtin");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> =
        names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// A small definition of a source whose bars are objects under `data`.
const MINE: &str = r#"schema = 1
[source]
name = "mine"
title = "Mine"
base_url = "https://example.com"
[request]
path = "/bars/{symbol}"
params = { from = "{window.start:date}", to = "{window.end:date}" }
[timeframes]
"1d" = "1d"
[window]
end = "exclusive"
[response]
format = "json"
layout = "objects"
root = "data"
[response.map]
ts = { at = "t" }
close = { at = "c" }
[[error]]
when = { path = "error" }
class = "quota"
message = "error"
[store]
table = "bars"
"#;

#[test]
fn every_built_in_definition_passes_its_tests_and_its_check() {
    let sandbox = Sandbox::new();
    let names = builtin();
    assert_eq!(names.len(), 13);
    for name in names {
        let done = sandbox.barn(["source", "test", &name]).ok();
        done.says(&[&format!("{name}: "), "tests passed"]);
        let tests = done.stdout().lines().count();
        done.check(tests >= 3, "expected rows, an empty answer and an error");
        let done = sandbox.barn(["source", "check", &name]).ok();
        done.says_exactly("");
        done.check(done.stdout().contains(&format!("source     {name}: ")), "expected its name");
    }
}

#[test]
fn the_list_has_every_source_and_its_keys() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.barn_command(["source", "list", "--format", "csv"]);
    command.env("KITE_API_KEY", "abc123");
    let list = sandbox.run(command, None).ok().stdout();
    let names: Vec<_> = list.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(names, builtin());
    assert!(list.contains("\"KITE_API_KEY (set), KITE_ACCESS_TOKEN (not set)\""), "{list}");
    assert!(!list.contains("abc123"), "{list}");
    let kraken = list.lines().find(|line| line.starts_with("kraken")).unwrap();
    assert_eq!(kraken, "kraken,\"\",bars,1m 5m 15m 30m 1h 4h 1d 1w 15d,Kraken spot bars,built in");
}

#[test]
fn a_file_of_the_user_wins_and_a_broken_one_hides_nothing() {
    let sandbox = Sandbox::new();
    let folder = ".home/.config/barn/sources";
    sandbox.write(&format!("{folder}/kraken.toml"), MINE.replace("\"mine\"", "\"kraken\""));
    sandbox.write(&format!("{folder}/broken.toml"), "schema = 1\n[sauce]\n");
    let done = sandbox.barn(["source", "list", "--format", "csv"]).ok();
    let list = done.stdout();
    let kraken = list.lines().find(|line| line.starts_with("kraken")).unwrap();
    assert!(kraken.contains("Mine") && kraken.contains("kraken.toml"), "{kraken}");
    assert!(list.contains("yahoo,"), "{list}");
    done.says(&["warning: ", "broken", "sauce"]);
    assert_eq!(
        sandbox.barn(["source", "show", "kraken"]).ok().stdout(),
        MINE.replace("\"mine\"", "\"kraken\"")
    );
}

#[test]
fn a_definition_is_shown_as_it_is() {
    let sandbox = Sandbox::new();
    let text = include_str!("../../src/source/builtin/nse.toml");
    sandbox.barn(["source", "show", "nse"]).ok().prints(text);
    sandbox.barn(["source", "show", "nsee"]).fails(2).says(&["error: ", "'nsee'", "nse"]);
    sandbox.write("mine.toml", MINE);
    let done = sandbox.barn(["source", "check", "mine"]).fails(2);
    done.says(&["unknown source 'mine'", "`./mine.toml` is a file here"]);
    sandbox.write("mine.txt", MINE);
    let done = sandbox.barn(["source", "check", "mine.txt"]).fails(2);
    done.says(&["unknown source 'mine.txt'", "`./mine.txt` is a file here"]);
}

#[test]
fn check_says_what_a_definition_does_and_what_is_wrong_with_it() {
    let sandbox = Sandbox::new();
    sandbox.write("mine.toml", MINE);
    let done = sandbox.barn(["source", "check", "./mine.toml"]).ok();
    for line in [
        "source     mine: Mine",
        "contacts   https://example.com",
        "stores     bars",
        "reads      nothing",
        "rates      none",
        "windows    end exclusive",
        "pages      none",
        "auth       none",
        "settle     1d, below a day 1h (not given)",
        "cache      open by table, one bar at most; closed forever; negative 1d",
    ] {
        done.check(done.stdout().contains(line), &format!("expected '{line}'"));
    }
    for (from, to, words) in [
        ("path = \"/bars", "pth = \"/bars", "nearest is 'path'"),
        ("close = {", "closse = {", "close"),
        ("\"{window.start:date}\"", "\"{window.strt:date}\"", "window.strt"),
        ("class = \"quota\"", "class = \"quotta\"", "quota"),
        ("table = \"bars\"", "table = \"bras\"", "bars"),
        ("root = ", "empty_when = \"data = []\"\nroot = ", "expected \"PATH == JSON\""),
        ("root = ", "order = \"up\"\nroot = ", "unknown order 'up'"),
        ("{symbol}", "{ symbol }", "blanks"),
        ("[source]", "[options]", "[source] is missing"),
        ("[store]", "[auth]\nkind = \"bearer\"\nvalue = \"{env.X}\"\n[store]", "expected secrets = [\"X\"]"),
        ("[store]", "[[test]]\nbody = \"\"\nclass = \"quotta\"\n[store]", "the nearest is 'quota'"),
    ] {
        assert!(MINE.contains(from), "{from}");
        sandbox.write("bad.toml", MINE.replace(from, to));
        sandbox.barn(["source", "check", "./bad.toml"]).fails(2).says(&["error: cannot ", "bad.toml", words]);
    }
    sandbox.barn(["source", "check", "./none.toml"]).fails(1).says(&["none.toml"]);
}

#[test]
fn tests_say_both_values_where_they_fail() {
    let sandbox = Sandbox::new();
    let tests = r#"
[[test]]
body = '{"data":[{"t":"2024-01-02","c":1.5},{"t":"2024-01-03","c":2.5}]}'
rows = 2
first = "2024-01-02"
values = [{ ts = "2024-01-03", close = 2.5 }]
[[test]]
body = '{"data":[{"t":"2024-01-02","c":1.5}]}'
rows = 2
first = "2024-01-01"
values = [{ ts = "2024-01-02", close = 2.5 }, { ts = "2024-01-09" }]
[[test]]
body = '{"error":"too many"}'
class = "auth"
[[test]]
body = '{"data":[]}'
class = "quota"
[[test]]
body = '{"error":"too many"}'
rows = 1
[[test]]
body = '{"data":[{"t":"yesterday","c":1.5}]}'
rows = 0
[[test]]
fixture = "answer.json"
rows = 1
"#;
    sandbox.write("mine.toml", format!("{MINE}{tests}"));
    sandbox.write("answer.json", "{\"data\":[{\"t\":\"2024-01-02\",\"c\":1.5}]}");
    let done = sandbox.barn(["source", "test", "./mine.toml"]).fails(1);
    done.says(&["error: cannot pass the tests of 'mine': 5 of 7 failed"]);
    let lines: Vec<_> = done.stdout().lines().map(str::to_owned).collect();
    for (line, words) in [
        (0, &["ok     1 "][..]),
        (
            1,
            &[
                "FAILED 2 ",
                "expected 2 rows, found 1",
                "expected first 2024-01-01T00:00:00Z, found 2024-01-02T00:00:00Z",
            ],
        ),
        (1, &["expected close 2.5, found 1.5", "found no row with ts = \"2024-01-09\""]),
        (2, &["FAILED 3 ", "expected class auth, found quota (too many)"]),
        (3, &["FAILED 4 ", "expected class quota, found 0 rows"]),
        (4, &["FAILED 5 ", "expected rows, found class quota (too many)"]),
        (5, &["FAILED 6 ", "is rejected", "yesterday"]),
        (6, &["ok     7 "]),
    ] {
        for word in words {
            done.check(lines[line].contains(word), &format!("expected '{word}' in '{}'", lines[line]));
        }
    }
}

#[test]
fn a_test_says_what_is_sent() {
    let sandbox = Sandbox::new();
    let test = |sends: &str| {
        format!(
            "{MINE}[[test]]\nrequest = {{ symbol = \"A&B\", since = \"2024-01-02\", until = \"2024-01-04\" }}\n\
             sends = {{ {sends} }}\nbody = '{{\"data\":[]}}'\nrows = 0\n"
        )
    };
    let url = "https://example.com/bars/A%26B?from=2024-01-02&to=2024-01-04";
    sandbox.write("mine.toml", test(&format!("url = \"{url}\"")));
    sandbox.barn(["source", "test", "./mine.toml"]).ok();
    sandbox.write("mine.toml", test("url = \"https://example.com/bars/\", body = \"{}\""));
    let done = sandbox.barn(["source", "test", "./mine.toml"]).fails(1);
    for words in [
        &format!("expected a request to https://example.com/bars/, found {url}"),
        "request body {}, found none",
    ] {
        done.check(done.stdout().contains(words), words);
    }
    // The blanks and the order of a JSON body mean nothing.
    let post = |body: &str| {
        test("body = '{\"b\": 1, \"a\": \"A&B\"}'")
            .replace("path = \"/bars", &format!("method = \"POST\"\nbody = '{body}'\npath = \"/bars"))
    };
    sandbox.write("mine.toml", post("{\"a\":\"{symbol}\",\"b\":1}"));
    sandbox.barn(["source", "test", "./mine.toml"]).ok();
    sandbox.write("mine.toml", post("{{\"a\":\"{symbol}\",\"b\":1}}"));
    sandbox.barn(["source", "test", "./mine.toml"]).fails(2).says(&["'body'", "not doubled"]);
}

#[test]
fn a_body_is_shown_as_the_rows_it_gives() {
    let sandbox = Sandbox::new();
    sandbox.write("mine.toml", MINE);
    sandbox.write("body", r#"{"data":[{"t":"2024-01-02","c":1.5},{"t":"nonsense","c":2.5}]}"#);
    let done = sandbox.barn("source test ./mine.toml --fixture body --symbol ABC".split(' ')).fails(1);
    done.says(&[
        "cannot take rows from 'body': 1 of 2 records of bars do not fit, and a fetch accepts 1 % at most",
    ]);
    let text = done.stdout();
    for words in
        ["bars: 1 row, 2024-01-02T00:00:00Z to 2024-01-02T00:00:00Z", "ABC", "1.5", "1 reject", "nonsense"]
    {
        done.check(text.contains(words), &format!("expected '{words}'"));
    }
    let csv =
        sandbox.barn("source test ./mine.toml --fixture body --symbol ABC --format csv".split(' ')).fails(1);
    csv.prints("source,symbol,timeframe,ts,close\nmine,ABC,1d,2024-01-02T00:00:00Z,1.5\n");
    sandbox.write("body", "{\"error\":\"spent\"}");
    sandbox.barn("source test ./mine.toml --fixture body".split(' ')).fails(1).says(&["class quota: spent"]);
    sandbox.write("body", "<html>");
    sandbox
        .barn("source test ./mine.toml --fixture body".split(' '))
        .fails(1)
        .says(&["its form differs from the definition: "]);
    sandbox.write("body", r#"{"data":[{"time":"2024-01-02","c":1.5}]}"#);
    let done = sandbox.barn("source test ./mine.toml --fixture body".split(' ')).fails(1);
    done.says(&["differs from the definition: cannot fill column 'ts': no record has 't'; one has time, c"]);
    sandbox.write("body", r#"{"data":[{"t":"2024-01-02","c":1.5},{"t":"2024-01-02","c":2.5}]}"#);
    let done = sandbox.barn("source test ./mine.toml --fixture body".split(' ')).ok();
    done.says(&["warning: rows share a key: 2 rows, 1 key"]);
}

#[test]
fn a_new_definition_passes_its_check_for_every_table() {
    let sandbox = Sandbox::new();
    for table in
        ["bars", "quotes", "trades", "chain", "odds", "observations", "fundamentals", "actions", "news"]
    {
        let name = format!("my-{table}");
        let done = sandbox.barn(["source", "new", &name, "--table", table]).ok();
        done.says(&[&format!("wrote {name}.toml")]);
        let done = sandbox.barn(["source", "check", &format!("./{name}.toml")]).ok();
        done.check(done.stdout().contains(&format!("stores     {table}\n")), table);
        done.says(&["warning: ", "lines still marked with <--", "'api.example.com' is no provider"]);
    }
    let before = sandbox.read("my-bars.toml");
    sandbox.barn(["source", "new", "my-bars", "--table", "odds"]).fails(1).says(&["my-bars.toml", "--force"]);
    assert_eq!(sandbox.read("my-bars.toml"), before);
    sandbox.barn(["source", "new", "my-bars", "--table", "odds", "--force"]).ok();
    assert_ne!(sandbox.read("my-bars.toml"), before);
    sandbox.barn(["source", "new", "My Bars"]).fails(2).says(&["invalid name 'My Bars'"]);
    sandbox.barn(["source", "new", "x", "--table", "barz"]).fails(2).says(&["unknown table 'barz'", "bars"]);
}

#[test]
fn a_definition_made_of_a_sample_reads_the_sample() {
    let sandbox = Sandbox::new();
    let samples = [
        (
            "objects",
            r#"{"status":"ok","page":{"items":[{"time":1704153600000,"o":"1.5","h":2,"l":1,"c":1.75,"v":10,"x":"?"},
            {"time":1704240000000,"o":"1.75","h":3,"l":1,"c":2.5,"v":20,"x":"?"}]}}"#,
        ),
        ("rows", "{\"candles\":[[1704153600,1.0,2.0,1.5,1.75,10],[1704240000,1.0,3.0,1.75,2.5,20]]}"),
        (
            "columns",
            r#"{"s":"ok","t":[1704153600,1704240000],"o":[1.5,1.75],"h":[2,3],"l":[1,1],"c":[1.75,2.5],"v":[10,20]}"#,
        ),
        (
            "keyed",
            r#"{"Meta Data":{"2. Symbol":"A"},"Time Series (Daily)":{
            "2024-01-03":{"1. open":"1.75","2. high":"3","3. low":"1","4. close":"2.5","5. volume":"20"},
            "2024-01-02":{"1. open":"1.5","2. high":"2","3. low":"1","4. close":"1.75","5. volume":"10"}}}"#,
        ),
        (
            "csv",
            "Date;Open;High;Low;Close;Volume\n02-Jan-2024;1.5;2;1;1.75;10\n03-Jan-2024;1.75;3;1;2.5;20\n",
        ),
        (
            "ndjson",
            "{\"d\":{\"date\":\"2024-01-02\"},\"open\":1.5,\"high\":2,\"low\":1,\"close\":1.75,\"volume\":10}\n\
             {\"d\":{\"date\":\"2024-01-03\"},\"open\":1.75,\"high\":3,\"low\":1,\"close\":2.5,\"volume\":20}\n",
        ),
    ];
    for (name, sample) in samples {
        sandbox.write("sample", sample);
        let done = sandbox.barn(["source", "new", name, "--from", "sample"]).ok();
        done.says(&["the definition makes 2 rows of the 2 records"]);
        sandbox.barn(["source", "check", &format!("./{name}.toml")]).ok();
        let line = format!("source test ./{name}.toml --fixture sample --symbol A --format csv");
        let text = sandbox.barn(line.split(' ')).ok().stdout();
        let mut rows: Vec<_> = text.lines().skip(1).collect();
        rows.sort_unstable();
        let expected = [
            format!("{name},A,1d,2024-01-02T00:00:00Z,1.5,2.0,1.0,1.75,10.0"),
            format!("{name},A,1d,2024-01-03T00:00:00Z,1.75,3.0,1.0,2.5,20.0"),
        ];
        done.check(rows == expected, &format!("{text}\n{}", sandbox.read_text(&format!("{name}.toml"))));
    }
    let text = sandbox.read_text("objects.toml");
    for words in ["root = \"page.items\"", "unit = \"ms\"", "# Feeds nothing: x", "# guessed by its size"] {
        assert!(text.contains(words), "expected '{words}' in\n{text}");
    }
}

#[test]
fn a_sample_shows_its_timeframe_and_its_next_page() {
    let sandbox = Sandbox::new();
    let times = ["09:30", "10:00", "10:30", "11:00", "11:30", "12:00"];
    let bars = times.map(|time| format!("{{\"date\":\"2024-01-02T{time}:00Z\",\"close\":1.5}}")).join(",");
    sandbox.write("json", format!("{{\"meta\":{{\"cursor\":\"MjA=\"}},\"data\":[{bars}]}}"));
    let lines = times.map(|time| format!("2024-01-02T{time}:00Z,1.5\n")).concat();
    sandbox.write("csv", format!("date,close\n{lines}"));
    for sample in ["json", "csv"] {
        let done = sandbox.barn(["source", "new", sample, "--from", sample]).ok();
        done.says(&["the definition makes 6 rows of the 6 records of the sample"]);
        done.check(!done.stderr().contains("key"), "each row has its own key");
        let text = sandbox.read_text(&format!("{sample}.toml"));
        for words in ["\"30m\" = \"30m\"  # <-- theirs", "timeframe = \"30m\" }"] {
            done.check(text.contains(words), &format!("expected '{words}' in\n{text}"));
        }
        let pages = "[pagination]\nkind = \"cursor\"\npath = \"meta.cursor\"\nparam = \"cursor\"  # <--";
        done.check(text.contains(pages) == (sample == "json"), &text);
    }
    let linked = format!("{{\"links\":{{\"next\":\"/bars?page=2\"}},\"data\":[{bars},{bars}]}}");
    sandbox.write("links", linked);
    let done = sandbox.barn(["source", "new", "links", "--from", "links"]).ok();
    done.says(&["makes 12 rows", "rows share a key: 12 rows, 6 keys"]);
    let text = sandbox.read_text("links.toml");
    done.check(text.contains("kind = \"next_url\"\npath = \"links.next\"\n"), &text);
}

#[test]
fn a_table_that_is_none_is_not_blamed_on_the_sample() {
    let sandbox = Sandbox::new();
    sandbox.write("sample", "{\"data\":[{\"date\":\"2024-01-02\",\"close\":1.5}]}");
    let done = sandbox.barn(["source", "new", "x", "--from", "sample", "--table", "unknown"]).fails(2);
    done.says(&["unknown table 'unknown'", "actions, bars, chain", "trades"]);
    done.check(!done.stderr().contains("sample"), "the sample is good");
}

#[test]
fn samples_without_records_are_refused() {
    let sandbox = Sandbox::new();
    let packed = "\u{1f}\0a,b,c\nd,e,f\ng,h,i\n";
    for (sample, words) in
        [("{}", "no records"), ("{\"a\":", "EOF"), ("", "no records"), (packed, "no records")]
    {
        sandbox.write("sample", sample);
        let done = sandbox.barn(["source", "new", "mine", "--from", "sample"]).fails(1);
        done.says(&["cannot read sample 'sample'", words]);
    }
    assert!(!sandbox.path("mine.toml").exists());
}
