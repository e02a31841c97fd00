//! Rows of any kind into one Parquet file, which holds them all, in their order, bit for bit.

use std::fs;
use std::process::Command;

use crate::harness::{Sandbox, gzip, python};

/// The rows of a Parquet file as barn's CSV, in their order.
fn read(sandbox: &Sandbox, name: &str) -> String {
    // One thread, so that the order is the file's.
    let with = format!("p={name}");
    sandbox.barn(["query", "--with", &with, "SELECT * FROM p", "--format", "csv"]).ok().stdout()
}

/// Makes a store, so that there is something to query.
fn sandbox() -> Sandbox {
    Sandbox::with_bars()
}

#[test]
fn every_value_arrives_as_it_was() {
    let sandbox = sandbox();
    let csv = "Name,price,size,b,day,ts,large,fine,neg,52wH\n\
               a,1.5,1,true,2024-01-02,2024-01-02T00:00:00Z,9223372036854775807,x,-0.0,NA\n\
               \"b,\"\"q\"\"\",NaN,2,false,1969-12-31,2024-01-02T05:00:00.000001+05:00,-9223372036854775808,,inf,\n\
               \"\",0.1,,,,,0,\"\",5e-324,\n";
    sandbox.write("a.csv", csv);
    let done = sandbox.barn(["compress", "a.csv", "-o", "a.parquet", "--report", "r.json"]).ok();
    done.says(&["converted 'a.csv' into 'a.parquet': 3 rows of 10 columns", "bytes a row", "name", "c_52wh"]);
    assert_eq!(
        read(&sandbox, "a.parquet"),
        "name,price,size,b,day,ts,large,fine,neg,c_52wh\n\
         a,1.5,1,true,2024-01-02,2024-01-02T00:00:00Z,9223372036854775807,x,0.0,\n\
         \"b,\"\"q\"\"\",,2,false,1969-12-31,2024-01-02T00:00:00.000001Z,-9223372036854775808,,inf,\n\
         \"\",0.1,,,,,0,\"\",5e-324,\n"
    );
    let report: serde_json::Value = serde_json::from_str(&sandbox.read_text("r.json")).unwrap();
    assert_eq!((&report["direction"], &report["rows"]), (&"convert".into(), &3.into()));
    let column = |name: &str| {
        let columns = report["columns"].as_array().unwrap();
        columns.iter().find(|column| column["column"] == name).unwrap().clone()
    };
    let size = column("size");
    assert_eq!((&size["type"], &size["stored_as"]), (&"bigint".into(), &"int32".into()));
    assert_eq!(size["reason"], "up to 2");
    assert!(size["bytes"].as_u64().unwrap() > 0 && size["encoding"].is_string());
    assert_eq!(column("large")["stored_as"], "int64");
    assert_eq!(column("ts")["type"], "timestamp");
    assert_eq!(report["bytes_read"], csv.len());
    assert_eq!(report["bytes_written"], sandbox.read("a.parquet").len());
}

#[test]
fn types_come_from_the_last_row_too() {
    let sandbox = sandbox();
    let mut csv = String::from("a,b,c,d\n");
    for row in 0..400_000 {
        csv.push_str(&format!("{row},{row},2024-01-02,{row}\n"));
    }
    csv.push_str("0.5,x,2024-01-02T10:00:00Z,18446744073709551616\n");
    sandbox.write("a.csv", &csv);
    sandbox.barn(["compress", "a.csv", "-o", "a.parquet"]).ok();
    let lines = read(&sandbox, "a.parquet");
    assert_eq!(lines.lines().count(), 400_002);
    let sql = "SELECT arrow_typeof(a) AS a, arrow_typeof(b) AS b, arrow_typeof(c) AS c, arrow_typeof(d) AS d \
               FROM p LIMIT 1";
    let kinds = sandbox.barn(["query", "--with", "p=a.parquet", sql, "--format", "csv"]).ok().stdout();
    assert!(kinds.contains("Float64") || kinds.contains("Float32"), "{kinds}");
    assert_eq!(kinds.matches("Utf8").count(), 2, "{kinds}");
    assert!(kinds.contains("Timestamp"), "{kinds}");
    let last =
        sandbox.barn(["query", "--with", "p=a.parquet", "SELECT * FROM p WHERE b = 'x'", "--format", "csv"]);
    last.ok().prints("a,b,c,d\n0.5,x,2024-01-02T10:00:00Z,18446744073709551616\n");
}

#[test]
fn all_formats_give_the_same_file() {
    let sandbox = sandbox();
    let csv = "a,b,c\n1,x,0.25\n2,,1.5\n-3,z,\n";
    let ndjson = "{\"a\":1,\"b\":\"x\",\"c\":0.25}\n{\"a\":2,\"c\":1.5}\n{\"a\":-3,\"b\":\"z\",\"c\":null}\n";
    sandbox.write("a.csv", csv);
    sandbox.write("b.tsv", csv.replace(',', "\t"));
    sandbox.write("c.csv.gz", gzip(csv.as_bytes()));
    sandbox.write("d.ndjson", ndjson);
    sandbox.write("e.json", format!("[{}]", ndjson.trim().replace('\n', ",\n")));
    sandbox.barn(["compress", "a.csv", "-o", "a.zst"]).ok();
    sandbox.barn(["compress", "a.csv", "-o", "first.parquet"]).ok();
    let expected = sandbox.read("first.parquet");
    for name in ["b.tsv", "c.csv.gz", "d.ndjson", "e.json", "a.zst", "first.parquet"] {
        sandbox.barn(["compress", name, "-o", "out.parquet"]).ok();
        assert!(sandbox.read("out.parquet") == expected, "{name}");
        fs::remove_file(sandbox.path("out.parquet")).unwrap();
    }
    sandbox.barn_reading(csv, ["compress", "-", "-o", "out.parquet"]).ok();
    assert!(sandbox.read("out.parquet") == expected);
    assert_eq!(read(&sandbox, "out.parquet"), csv);
    // Nothing is left of what came through the pipe.
    assert_eq!(fs::read_dir(sandbox.path(".tmp")).unwrap().count(), 0);
}

#[test]
fn decimals_are_taken_where_they_are_smaller_and_asked_for() {
    let sandbox = sandbox();
    let mut csv = String::from("price\n");
    let mut random = 1_u64;
    for _ in 0..50_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        csv.push_str(&format!("{}.{:02}\n", 100 + (random >> 60), (random >> 40) % 100));
    }
    sandbox.write("a.csv", &csv);
    sandbox.barn(["compress", "a.csv", "-o", "a.parquet"]).ok().says(&["float64"]);
    sandbox.barn(["compress", "a.csv", "-o", "b.parquet", "--smallest"]).ok().says(&["decimal(9,2)"]);
    assert!(sandbox.read("b.parquet").len() < sandbox.read("a.parquet").len());
    let sum = |name: &str| {
        let sql = "SELECT sum(CAST(price AS DOUBLE)) AS s FROM p";
        sandbox.barn(["query", "--with", &format!("p={name}"), sql, "--format", "csv"]).ok().stdout()
    };
    assert_eq!(sum("a.parquet"), sum("b.parquet"));
}

#[test]
fn other_programs_read_the_file() {
    let Some(python) = python() else { return };
    let sandbox = sandbox();
    sandbox.write("a.csv", "s,p,n,b,d,t\nx,1.5,1,true,2024-01-02,2024-01-02T10:00:00Z\n,0.1,,,,\n");
    sandbox.barn(["compress", "a.csv", "-o", "a.parquet"]).ok();
    let script = "import duckdb, polars, pyarrow.parquet as parquet\n\
                  rows = parquet.read_table('a.parquet').to_pylist()\n\
                  assert rows == polars.read_parquet('a.parquet').to_dicts(), rows\n\
                  assert duckdb.sql(\"SELECT count(*), sum(p) FROM 'a.parquet'\").fetchall() == [(2, 1.6)]\n\
                  assert rows[0]['s'] == 'x' and rows[0]['p'] == 1.5 and rows[1]['n'] is None, rows\n";
    let mut command = Command::new(python);
    command.current_dir(sandbox.path("")).args(["-c", script]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_no_table_is_refused_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("empty", "");
    sandbox.write("excess.csv", "a,b\n1,2\n3,4,5\n");
    sandbox.write("headless.csv", "2024-01-02,1\n2024-01-03,2\n");
    sandbox.write("twice.csv", "a,A\n1,2\n");
    sandbox.write("cut.json", "[{\"a\":1},{\"a\":");
    sandbox.write("binary", [0, 1, 2, 3, 0xff]);
    sandbox.write("bad.gz", &gzip(b"a\n1\n")[..20]);
    for (name, code, said) in [
        ("empty", 1, "it has no columns"),
        ("excess.csv", 1, "line 3: it has 3 fields"),
        ("headless.csv", 2, "its first line looks like a record"),
        ("twice.csv", 2, "both 'a' and 'A' become 'a'"),
        ("cut.json", 1, "cannot convert 'cut.json'"),
        ("binary", 1, "cannot convert 'binary'"),
        ("bad.gz", 1, "its gzip data is cut off"),
        ("missing", 1, "No such file"),
    ] {
        sandbox.barn(["compress", name, "-o", "out.parquet"]).fails(code).says(&[said]);
        assert!(!sandbox.path("out.parquet").exists(), "{name}");
    }
    sandbox.barn(["compress", "twice.csv", "-o", "x.parquet", "--codec", "lz4"]).fails(2).says(&["--codec"]);
    sandbox.write("good.csv", "a\n1\n");
    sandbox.write("out.parquet", "mine");
    sandbox.barn(["compress", "good.csv", "-o", "out.parquet"]).fails(1).says(&["it exists"]);
    assert_eq!(sandbox.read_text("out.parquet"), "mine");
    sandbox.barn(["compress", "good.csv", "-o", "out.parquet", "--force"]).ok();
    sandbox.write("header.csv", "a,b\n");
    sandbox.barn(["compress", "header.csv", "-o", "header.parquet"]).ok().says(&["0 rows of 2 columns"]);
    let hidden = fs::read_dir(sandbox.path(""))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".barn-"));
    assert_eq!(hidden.count(), 0);
}
