//! Inputs of every kind hold the same rows, however they are written and packed.

use std::io::Write as _;
use std::path::Path;

use crate::harness::{Counts, Sandbox, gzip};

const BARS: &str = include_str!("../../../fixtures/prices/bars.csv");
const OPTIONS: &str = "--set source=test --set timeframe=1d";

/// The bars of the fixture, as a query prints them.
const STORED: &str = "\
source,symbol,timeframe,ts,open,high,low,close,volume,adj_close,vwap,trades,open_interest,final
test,AAA,1d,2024-01-02T00:00:00Z,10.0,10.5,9.8,10.2,1000.0,,,,,true
test,AAA,1d,2024-01-03T00:00:00Z,10.2,10.9,10.1,10.8,1500.0,,,,,true
test,AAA,1d,2024-01-04T00:00:00Z,10.8,11.0,10.4,10.5,1200.0,,,,,true
test,AAA,1d,2024-01-05T00:00:00Z,10.5,10.6,10.0,10.1,900.0,,,,,true
test,AAA,1d,2024-01-08T00:00:00Z,10.1,10.7,10.1,10.6,1100.0,,,,,true
test,AAA,1d,2024-01-09T00:00:00Z,10.6,11.2,10.5,11.1,2000.0,,,,,true
test,BBB,1d,2024-01-02T00:00:00Z,200.0,204.5,198.25,203.0,50.0,,,,,true
test,BBB,1d,2024-01-03T00:00:00Z,203.0,203.5,197.0,198.0,75.0,,,,,true
test,BBB,1d,2024-01-04T00:00:00Z,,,,199.0,,,,,,true
test,BBB,1d,2024-01-05T00:00:00Z,199.0,201.0,198.5,200.5,60.0,,,,,true
test,BBB,1d,2024-01-08T00:00:00Z,200.5,210.0,200.0,209.75,120.0,,,,,true
test,BBB,1d,2024-01-09T00:00:00Z,209.75,212.0,208.0,208.5,80.0,,,,,true
";

fn all(sandbox: &Sandbox) -> String {
    sandbox.query("SELECT * FROM bars ORDER BY source, symbol, timeframe, ts")
}

/// Checks that the file of this name, with these bytes, gives the bars of the fixture.
fn holds_the_bars(name: &str, bytes: impl AsRef<[u8]>, options: &str) {
    let sandbox = Sandbox::new();
    sandbox.write(name, bytes);
    let counts = sandbox.store(&format!("bars {name} {OPTIONS} {options}"));
    assert_eq!(counts, Counts::new_rows(12), "{name}");
    assert_eq!(all(&sandbox), STORED, "{name}");
}

/// The lines of the fixture in two halves, each with the header.
fn halves() -> [String; 2] {
    let lines: Vec<_> = BARS.lines().collect();
    [1..7, 7..13].map(|range| format!("{}\n{}\n", lines[0], lines[range].join("\n")))
}

#[test]
fn csv() {
    holds_the_bars("bars.csv", BARS, "");
}

#[test]
fn csv_with_a_byte_order_mark() {
    holds_the_bars("bars.csv", format!("\u{feff}{BARS}"), "");
}

#[test]
fn csv_with_carriage_returns_and_without_a_last_line_end() {
    holds_the_bars("bars.csv", BARS.trim_end().replace('\n', "\r\n"), "");
}

#[test]
fn csv_with_quoted_fields_and_blank_lines() {
    let quoted =
        BARS.replace("Name", "\"Name\"").replace(",AAA", ",\"AAA\"").replace("AAA\"\n2", "AAA\"\n\n2");
    holds_the_bars("bars.csv", quoted, "");
}

#[test]
fn tsv_by_its_name_and_by_a_flag() {
    holds_the_bars("bars.tsv", BARS.replace(',', "\t"), "");
    holds_the_bars("bars.txt", BARS.replace(',', "\t"), "--format tsv");
}

#[test]
fn ndjson() {
    let text = include_str!("../../../fixtures/prices/bars.ndjson");
    holds_the_bars("bars.ndjson", text, "");
    holds_the_bars("bars.dat", text, "--format ndjson");
}

#[test]
fn json_at_its_root_and_below_one() {
    let text = include_str!("../../../fixtures/prices/bars.json");
    holds_the_bars("answer.json", text, "--root data.bars");
    let (start, end) = (text.find('[').unwrap(), text.rfind(']').unwrap());
    holds_the_bars("bars.json", &text[start..=end], "");
}

#[test]
fn parquet() {
    let sandbox = Sandbox::with_bars();
    sandbox.barn(["query", "SELECT * FROM bars", "-o", "bars.parquet"]).ok();
    assert_eq!(sandbox.store_in("other", "bars bars.parquet"), Counts::new_rows(12));
    assert_eq!(
        sandbox.query_in("other", "SELECT * FROM bars ORDER BY source, symbol, timeframe, ts"),
        STORED
    );
}

#[test]
fn parquet_is_known_by_its_content() {
    let sandbox = Sandbox::with_bars();
    sandbox.barn(["query", "SELECT * FROM bars", "-o", "bars.parquet"]).ok();
    sandbox.write("bars.dat", sandbox.read("bars.parquet"));
    assert_eq!(sandbox.store("bars bars.dat"), Counts::same_rows(12));
}

#[test]
fn standard_input() {
    let sandbox = Sandbox::new();
    let arguments = "--report r.json store bars - --set source=test --set timeframe=1d";
    sandbox.barn_reading(BARS, arguments.split(' ')).ok();
    assert_eq!(sandbox.report("r.json"), Counts::new_rows(12));
    assert_eq!(all(&sandbox), STORED);
    let packed = gzip(include_bytes!("../../../fixtures/prices/bars.ndjson"));
    sandbox.barn_reading(packed, format!("{arguments} --format ndjson").split(' ')).ok();
    assert_eq!(sandbox.report("r.json"), Counts::same_rows(12));
}

#[test]
fn a_folder_means_its_files() {
    let sandbox = Sandbox::new();
    let [first, second] = halves();
    sandbox.write("data/first.csv", first);
    sandbox.write("data/second.csv.gz", gzip(second.as_bytes()));
    assert_eq!(sandbox.store(&format!("bars data {OPTIONS}")), Counts::new_rows(12));
    assert_eq!(all(&sandbox), STORED);
}

#[test]
fn several_files_in_one_command() {
    let sandbox = Sandbox::new();
    let [first, second] = halves();
    sandbox.write("first.csv", first);
    sandbox.write("second.csv", second);
    assert_eq!(sandbox.store(&format!("bars first.csv second.csv {OPTIONS}")), Counts::new_rows(12));
    assert_eq!(all(&sandbox), STORED);
}

#[test]
fn one_bad_file_of_several_is_exit_code_3_and_the_others_are_stored() {
    let sandbox = Sandbox::new();
    sandbox.write("good.csv", BARS);
    let output = sandbox.try_store(&format!("bars missing.csv good.csv {OPTIONS}"));
    output.fails(3).says(&["missing.csv"]);
    assert_eq!(all(&sandbox), STORED);
}

#[test]
fn packed_files_are_known_by_their_content() {
    let zstd = zstd::encode_all(BARS.as_bytes(), 3).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(BARS.as_bytes()).unwrap();
    let lz4 = lz4.finish().unwrap();
    for (suffix, bytes) in [("gz", gzip(BARS.as_bytes())), ("zst", zstd), ("lz4", lz4)] {
        holds_the_bars(&format!("bars.csv.{suffix}"), &bytes, "");
        holds_the_bars("bars.csv", &bytes, "");
        holds_the_bars("bars", &bytes, "--format csv");
    }
}

#[test]
fn gzip_in_several_members_is_read_to_its_end() {
    let (first, second) = BARS.as_bytes().split_at(200);
    holds_the_bars("bars.csv.gz", [gzip(first), gzip(second)].concat(), "");
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    gzip(&archive.into_inner().unwrap())
}

#[test]
fn every_file_inside_a_zip_and_a_tar_is_read() {
    let [first, second] = halves();
    let files: [(&str, &[u8]); 2] = [("a/first.csv", first.as_bytes()), ("second.csv", second.as_bytes())];
    holds_the_bars("bars.zip", zip(&files), "");
    holds_the_bars("bars.tar.gz", tar_gz(&files), "");
    holds_the_bars("bars.dat", zip(&files), "--format csv");
    holds_the_bars("bars.tgz", tar_gz(&files), "");
}

#[test]
fn an_archive_in_an_archive_is_read_one_level_deep() {
    let [first, second] = halves();
    let inner = zip(&[("first.csv", first.as_bytes())]);
    let packed = gzip(second.as_bytes());
    holds_the_bars("bars.tar.gz", tar_gz(&[("inner.zip", &inner), ("second.csv.gz", &packed)]), "");
}

#[test]
fn a_path_out_of_an_archive_writes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("in/bars.zip", zip(&[("../../escaped.csv", BARS.as_bytes())]));
    let (_, done) = sandbox.try_store(&format!("bars in/bars.zip {OPTIONS}")).any();
    done.check(!sandbox.path("escaped.csv").exists(), "a member of the archive was written");
    assert!(!Path::new(&sandbox.path("in/escaped.csv")).exists());
}

#[test]
fn a_symbolic_link_in_a_folder_is_not_followed() {
    let sandbox = Sandbox::new();
    sandbox.write("outside.csv", BARS);
    sandbox.write("data/first.csv", &halves()[0]);
    std::os::unix::fs::symlink(sandbox.path("outside.csv"), sandbox.path("data/link.csv")).unwrap();
    let (_, done) = sandbox.try_store(&format!("bars data {OPTIONS}")).any();
    done.check(sandbox.value("SELECT count(*) FROM bars") == "6", "expected the six rows of the plain file");
}

#[test]
fn text_fields_keep_line_ends_and_quotes() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "news.csv",
        "ts,symbol,title,url\n2024-01-02,AAA,\"says \"\"hm\"\",\nand more\",\n2024-01-03,AAA,\"\",x\n",
    );
    assert_eq!(sandbox.store("news news.csv"), Counts::new_rows(2));
    assert_eq!(
        sandbox.query("SELECT ts, title, url, publisher FROM news ORDER BY ts"),
        "ts,title,url,publisher\n2024-01-02T00:00:00Z,\"says \"\"hm\"\",\nand more\",,\n2024-01-03T00:00:00Z,\"\",x,\n"
    );
}

#[test]
fn an_input_of_a_header_alone_stores_nothing_and_is_no_error() {
    let sandbox = Sandbox::new();
    sandbox.write("bars.csv", "date,close,symbol\n");
    assert_eq!(sandbox.store(&format!("bars bars.csv {OPTIONS}")), Counts::default());
}

#[test]
fn an_input_without_fields_is_named_so() {
    let sandbox = Sandbox::new();
    sandbox.write("empty.csv", "");
    let failed = sandbox.barn(["store", "bars", "empty.csv"]).fails(2);
    failed.says(&["cannot fill key column 'symbol' from 'empty.csv': it has no fields"]);
}

#[test]
fn inputs_that_fail_in_the_same_way_are_told_once() {
    let sandbox = Sandbox::new();
    for name in ["a", "b", "c", "d", "e"] {
        sandbox.write(&format!("in/{name}.csv"), "date,symbol,close\n2024-01-02,A,1\n");
    }
    // Each is a mistake of usage, and so are all.
    let done = sandbox.try_store("bars in/a.csv in/b.csv in/c.csv in/d.csv in/e.csv").fails(2);
    done.says_exactly(
        "error: cannot store 5 inputs: 'in/a.csv', 'in/b.csv', 'in/c.csv' and 2 more\n  \
         caused by: cannot store 'in/a.csv'\n  \
         caused by: cannot tell the timeframe of 'a.csv': there are too few rows to tell it by their spacing\n\n\
         hint: `--set timeframe=1d`\n",
    );
    // What differs is told apart.
    let done = sandbox.try_store("bars in/a.csv in/b.csv none.csv").fails(1);
    done.says(&["error: cannot store 2 inputs: 'in/a.csv', 'in/b.csv'\n", "error: cannot open 'none.csv'\n"]);
    let done = sandbox.try_store("bars in/a.csv in/b.csv none.csv --set timeframe=1d").fails(3);
    done.check(!done.stderr().contains("inputs"), "one that failed is told as it is");
}
