//! Files beside the tables (`--with`) and files for the result (`-o`).

use crate::harness::Sandbox;

const JOINED: &str = "SELECT p.symbol, p.shares * b.close AS value FROM positions p JOIN bars b ON b.symbol = p.symbol \
                      WHERE b.ts = '2024-01-09' ORDER BY p.symbol";
const VALUES: &str = "symbol,value\nAAA,1110.0\nBBB,1459.5\n";

#[test]
fn a_file_is_joined_with_a_table() {
    let sandbox = Sandbox::with_bars();
    sandbox.fixture("prices/positions.csv");
    sandbox.barn(["query", JOINED, "--with", "positions=positions.csv"]).ok().prints(VALUES);
}

#[test]
fn files_of_several_formats_are_beside_each_other() {
    let sandbox = Sandbox::with_bars();
    sandbox.write(
        "positions.ndjson",
        "{\"symbol\":\"AAA\",\"shares\":100}\n{\"symbol\":\"BBB\",\"shares\":7}\n",
    );
    sandbox.barn(["query", JOINED, "--with", "positions=positions.ndjson"]).ok().prints(VALUES);
    let all = "SELECT symbol, shares FROM positions";
    sandbox.barn(["query", all, "--with", "positions=positions.ndjson", "-o", "positions.parquet"]).ok();
    sandbox.barn(["query", JOINED, "--with", "positions=positions.parquet"]).ok().prints(VALUES);
    sandbox.write("more.csv", "symbol,sector\nAAA,metal\nBBB,wood\n");
    let sql = "SELECT m.sector, p.shares FROM positions p JOIN more m ON m.symbol = p.symbol ORDER BY 1";
    sandbox
        .barn(["query", sql, "--with", "positions=positions.parquet", "--with", "more=more.csv"])
        .ok()
        .prints("sector,shares\nmetal,100\nwood,7\n");
}

#[test]
fn a_file_beside_the_tables_is_named_well_and_exists() {
    let sandbox = Sandbox::with_bars();
    sandbox.fixture("prices/positions.csv");
    sandbox.barn(["query", "SELECT 1", "--with", "positions.csv"]).fails(2).says(&["NAME=FILE"]);
    sandbox.barn(["query", "SELECT 1", "--with", "p=missing.csv"]).fails(1).says(&["'missing.csv'"]);
    let pipe = sandbox.shell("cat positions.csv | barn query 'SELECT 1' --with p=/dev/stdin").fails(1);
    pipe.says(&["cannot read file '/dev/stdin'", "it is no regular file, which is read more than once"]);
    sandbox.barn(["query", "SELECT 1", "--with", "Not Good=positions.csv"]).fails(2).says(&["Not Good"]);
}

#[test]
fn the_format_follows_the_name_of_the_output() {
    let sandbox = Sandbox::with_bars();
    let sql = "SELECT count(*) AS n FROM bars";
    for (name, text) in [
        ("n.csv", "n\n12\n"),
        ("n.tsv", "n\n12\n"),
        ("n.json", "[\n{\"n\":12}\n]\n"),
        ("n.ndjson", "{\"n\":12}\n"),
        ("n.md", "| n |\n| ---: |\n| 12 |\n"),
    ] {
        sandbox.barn(["query", sql, "-o", name]).ok().prints("");
        assert_eq!(sandbox.read_text(name), text, "{name}");
    }
    sandbox.barn(["query", sql, "-o", "n.txt", "--format", "csv"]).ok();
    assert_eq!(sandbox.read_text("n.txt"), "n\n12\n");
    let guessed = sandbox.barn(["query", sql, "-o", "n.csv.gz"]).ok();
    guessed.says_exactly("note: 'n.csv.gz' is written as csv: its name tells no other format\n");
    sandbox.barn(["query", sql, "-o", "n"]).ok().says_exactly("");
}

#[test]
fn refuses_to_overwrite_without_force() {
    let sandbox = Sandbox::with_bars();
    sandbox.write("n.csv", "mine");
    let done = sandbox.barn(["query", "SELECT 1 AS a", "-o", "n.csv"]).fails(1);
    done.says_exactly("error: cannot write 'n.csv': it exists\n\nhint: `--force` replaces it\n");
    assert_eq!(sandbox.read_text("n.csv"), "mine");
    sandbox.barn(["query", "SELECT 1 AS a", "-o", "n.csv", "--force"]).ok();
    assert_eq!(sandbox.read_text("n.csv"), "a\n1\n");
}

#[test]
fn a_failed_query_leaves_no_file_and_the_old_one_alone() {
    let sandbox = Sandbox::with_bars();
    sandbox.write("old.csv", "mine");
    let sql = "SELECT 1 / (x - x) FROM (SELECT count(*) AS x FROM bars) AS t";
    sandbox.barn(["query", sql, "-o", "new.csv"]).fails(1);
    sandbox.barn(["query", sql, "-o", "old.csv", "--force"]).fails(1);
    assert_eq!(sandbox.read_text("old.csv"), "mine");
    let left = sandbox.listing();
    assert!(!left.contains("new.csv") && !left.contains(".barn-"), "{left}");
}

#[test]
fn an_output_in_a_folder_that_is_not_there_is_an_error() {
    let sandbox = Sandbox::with_bars();
    sandbox.barn(["query", "SELECT 1", "-o", "nowhere/n.csv"]).fails(1).says(&["'nowhere/n.csv'"]);
}
