//! Tables of the user's own: declared in `barn.toml`, or made by the first input.

use crate::harness::{Counts, Sandbox};

const TRIPS: &str = "\
when,city,riders,fare,cheap,day,note
2024-01-02T08:00:00Z,Bern,10,2.50,true,2024-01-02,first
2024-01-02T09:00:00Z,Bern,12,3,false,2024-01-02,
2024-01-02T08:00:00Z,Zug,7,,true,2024-01-02,007
";

#[test]
fn a_table_is_made_from_its_key_and_time() {
    let sandbox = Sandbox::new();
    sandbox.write("trips.csv", TRIPS);
    assert_eq!(sandbox.store("trips trips.csv --key city --time when"), Counts::new_rows(3));
    assert_eq!(
        sandbox.query("SELECT * FROM trips ORDER BY city, ts"),
        "city,ts,riders,fare,cheap,day,note\n\
         Bern,2024-01-02T08:00:00Z,10,2.5,true,2024-01-02,first\n\
         Bern,2024-01-02T09:00:00Z,12,3.0,false,2024-01-02,\n\
         Zug,2024-01-02T08:00:00Z,7,,true,2024-01-02,007\n"
    );
}

#[test]
fn a_made_table_is_known_the_next_time() {
    let sandbox = Sandbox::new();
    sandbox.write("trips.csv", TRIPS);
    sandbox.store("trips trips.csv --key city --time when");
    let before = sandbox.contents("barn");
    assert_eq!(sandbox.store("trips trips.csv --key city --time when"), Counts::same_rows(3));
    sandbox.contents("barn").assert_same(&before);
}

#[test]
fn an_unknown_table_without_a_key_is_refused_with_the_way_to_make_it() {
    let sandbox = Sandbox::new();
    sandbox.write("trips.csv", TRIPS);
    sandbox.try_store("trips trips.csv").fails(2).says(&["'trips'", "--key", "--time"]);
    sandbox.try_store("brs trips.csv").fails(2).says(&["'brs'"]);
}

#[test]
fn a_key_that_is_no_field_suggests_one_that_is() {
    let sandbox = Sandbox::new();
    sandbox.write("trips.csv", TRIPS);
    for (key, hint) in
        [("cty", "did you mean `city`?"), ("x", "`--key` with some of city, riders, fare, cheap, day, note")]
    {
        let expected = format!(
            "error: cannot store 'trips.csv'\n  \
             caused by: cannot make table 'trips': its input has no field '{key}'\n\nhint: {hint}\n"
        );
        let line = format!("trips trips.csv --key {key} --time when");
        sandbox.try_store(&line).fails(2).says_exactly(&expected);
    }
}

#[test]
fn foreign_headers_become_names_that_need_no_quotes() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "Date,Home Team,B365>2.5,AS,52wh,interval\n2024-01-02,X,1.9,3,4,5\n");
    sandbox.store("games a.csv --key home_team --time Date");
    assert_eq!(
        sandbox.query("SELECT home_team, b365_gt_2_5, as_, c_52wh, interval_ FROM games"),
        "home_team,b365_gt_2_5,as_,c_52wh,interval_\nX,1.9,3,4,5\n"
    );
}

#[test]
fn two_headers_that_become_one_name_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,city,a-b,a.b\n2024-01-02,X,1,2\n");
    let (code, done) = sandbox.try_store("games a.csv --key city --time date").any();
    done.check(matches!(code, Some(1 | 2)), "expected a refusal").says(&["a-b", "a.b"]);
}

#[test]
fn a_column_is_as_wide_as_its_values() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.csv",
        "date,city,whole,number,words,big,code\n2024-01-01,X,1,1,1,1,1\n2024-01-02,X,2,2.5,x,9223372036854775808,001\n",
    );
    sandbox.store("games a.csv --key city --time date");
    let types =
        sandbox.query("SELECT arrow_typeof(whole) AS a, arrow_typeof(number) AS b FROM games LIMIT 1");
    assert_eq!(types, "a,b\nInt64,Float64\n");
    assert_eq!(sandbox.query("SELECT words FROM games ORDER BY ts"), "words\n1\nx\n");
    // A whole number over 64 bits is not made a float that has lost digits.
    let big = sandbox.query("SELECT big FROM games ORDER BY ts DESC LIMIT 1");
    assert!(big.ends_with("\n9223372036854775808\n"), "{big}");
}

#[test]
fn a_later_misfit_in_the_same_transaction_widens_the_column() {
    let sandbox = Sandbox::patient();
    // The types are decided on the first 64 MiB; the filler makes the misfits come behind them.
    let mut text = String::from("date,city,value,name,filler\n");
    let filler = "f".repeat(1_000);
    let rows = 70 * 1_024;
    for at in 0..rows {
        text += &format!("{},X,{at},{at},{filler}\n", 1_704_067_200 + at);
    }
    text += "1804067200,X,0.5,word,\n";
    sandbox.write("a.csv", text);
    assert_eq!(sandbox.store("games a.csv --key city --time date"), Counts::new_rows(rows + 1));
    assert_eq!(
        sandbox.query("SELECT value, name FROM games ORDER BY ts DESC LIMIT 2"),
        format!("value,name\n0.5,word\n{}.0,{}\n", rows - 1, rows - 1)
    );
}

#[test]
fn a_misfit_in_a_table_that_is_made_is_rejected_with_a_hint() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "date,city,value\n2024-01-01,X,1\n2024-01-02,X,2\n");
    sandbox.store("games a.csv --key city --time date");
    sandbox.write("b.csv", "date,city,value\n2024-01-03,X,many\n2024-01-04,X,5\n");
    let counts = sandbox.store("games b.csv --key city --time date --max-bad 1");
    assert_eq!(counts, Counts { read: 2, inserted: 1, rejected: 1, ..Counts::default() });
}

#[test]
fn a_table_is_declared_in_the_settings_of_the_store() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "barn/barn.toml",
        "[table.greeks]\nkey = [\"symbol text\"]\nvalues = [\"delta double\", \"days bigint\"]\nchecks = [\"delta <= 1\"]\n",
    );
    sandbox.write("a.csv", "ts,symbol,delta,days\n2024-01-02,X,0.5,30\n2024-01-03,X,1.5,29\n");
    let counts = sandbox.store("greeks a.csv");
    assert_eq!(counts, Counts { suspect: 1, ..Counts::new_rows(2) });
    assert_eq!(
        sandbox.query("SELECT * FROM greeks ORDER BY ts"),
        "symbol,ts,delta,days\nX,2024-01-02T00:00:00Z,0.5,30\nX,2024-01-03T00:00:00Z,1.5,29\n"
    );
}

#[test]
fn a_declared_table_of_ticks_has_an_ordinal() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "barn/barn.toml",
        "[table.fills]\nkey = [\"account text\"]\nticks = true\nvalues = [\"price double\"]\n",
    );
    sandbox.write("a.csv", "ts,account,price\n2024-01-02,X,1\n2024-01-02,X,1\n");
    assert_eq!(sandbox.store("fills a.csv"), Counts::new_rows(2));
    assert_eq!(sandbox.query("SELECT seq FROM fills ORDER BY seq"), "seq\n0\n1\n");
}

#[test]
fn a_bad_declaration_is_a_usage_error_that_names_it() {
    for (text, named) in [
        ("[table.greeks]\nkey = [\"symbol word\"]\n", "symbol word"),
        ("[table.greeks]\nkey = []\n", "greeks"),
        ("[table.Greeks]\nkey = [\"symbol text\"]\n", "Greeks"),
        ("[table.greeks]\nkeys = [\"symbol text\"]\n", "keys"),
        ("[table.greeks\n", "barn.toml"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("barn/barn.toml", text);
        sandbox.write("a.csv", "ts,symbol,delta\n2024-01-02,X,0.5\n");
        sandbox.try_store("greeks a.csv").fails(2).says(&[named]);
    }
}

#[test]
fn the_name_of_a_table_must_be_usable_unquoted() {
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "ts,symbol,delta\n2024-01-02,X,0.5\n");
    for name in ["Trips", "2024", "a-b", "select", "a;b", "x\"y", "é"] {
        sandbox
            .barn(["store", name, "a.csv", "--key", "symbol", "--time", "ts"])
            .fails(2)
            .says(&["invalid name"]);
    }
    let done = sandbox.try_store("range a.csv --key symbol --time ts").fails(2);
    done.says(&["'range': it is a reserved word of SQL\n\nhint: another name, such as `range_`\n"]);
}

#[test]
fn columns_named_like_those_of_the_file_on_disk_work_or_are_refused() {
    for (name, key) in
        [("id", "id"), ("series", "series"), ("rowid", "rowid"), ("id", "city"), ("series", "city")]
    {
        let sandbox = Sandbox::new();
        sandbox.write("a.csv", format!("date,city,{name},value\n2024-01-01,X,Y,1\n2024-01-02,X,Y,2\n"));
        let (code, done) = sandbox.barn(["store", "games", "a.csv", "--key", key, "--time", "date"]).any();
        if code == Some(0) {
            // Such a name may get a '_' at its end; the values are all there.
            let text = sandbox.query("SELECT * FROM games ORDER BY ts");
            let mut cells: Vec<_> = text.lines().last().unwrap().split(',').collect();
            cells.sort_unstable();
            assert_eq!(cells, ["2", "2024-01-02T00:00:00Z", "X", "Y"], "{name} beside key {key}");
        } else {
            done.check(code == Some(2), &format!("{name} beside key {key}: {code:?}"))
                .says(&[&format!("'{name}'")]);
        }
    }
}

#[test]
fn any_sqlite_tool_reads_the_rows_with_their_keys() {
    let sandbox = Sandbox::with_bars();
    let store = sandbox.sqlite();
    let row: (String, String, f64) = store
        .query_row(
            "SELECT symbol, timeframe, close FROM bars_hot WHERE symbol = 'BBB' ORDER BY ts LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(row, ("BBB".to_owned(), "1d".to_owned(), 203.0));
    let schema: String = store
        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'bars_rows'", [], |row| row.get(0))
        .unwrap();
    assert!(schema.contains("WITHOUT ROWID") && schema.contains("STRICT"), "{schema}");
    let series: i64 = store.query_row("SELECT count(*) FROM bars_series", [], |row| row.get(0)).unwrap();
    assert_eq!(series, 2);
}
