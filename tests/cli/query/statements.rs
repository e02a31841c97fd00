//! What may be asked: one statement or several, from an argument, a file or a pipe; never a write.

use crate::harness::Sandbox;

#[test]
fn sql_comes_from_an_argument_a_file_or_standard_input() {
    let sandbox = Sandbox::with_bars();
    let (sql, csv) = ("SELECT count(*) AS n FROM bars", "n\n12\n");
    sandbox.barn(["query", sql]).ok().prints(csv);
    sandbox.barn_reading(sql, ["query", "-"]).ok().prints(csv);
    sandbox.write("n.sql", format!("-- how many\n{sql};\n"));
    sandbox.barn(["query", "--file", "n.sql"]).ok().prints(csv);
}

#[test]
fn sql_from_two_places_or_none_is_a_usage_error() {
    let sandbox = Sandbox::with_bars();
    sandbox.write("n.sql", "SELECT 1");
    sandbox.barn(["query", "SELECT 1", "--file", "n.sql"]).fails(2);
    sandbox.barn(["query"]).fails(2);
    sandbox.barn(["query", ""]).fails(2);
    sandbox.barn(["query", "--file", "missing.sql"]).fails(1).says(&["'missing.sql'"]);
}

#[test]
fn several_statements_print_only_the_last_result() {
    let sandbox = Sandbox::with_bars();
    sandbox.barn(["query", "SELECT 1 AS a; SELECT 2 AS b; SELECT 3 AS c;"]).ok().prints("c\n3\n");
}

#[test]
fn statements_that_read_are_answered() {
    let sandbox = Sandbox::with_bars();
    sandbox.barn(["query", "VALUES (1), (2)"]).ok();
    sandbox.barn(["query", "WITH a AS (SELECT 7 AS x) SELECT x FROM a"]).ok().prints("x\n7\n");
    for (sql, part) in [
        ("SHOW TABLES", "bars"),
        ("DESCRIBE bars", "close"),
        ("SHOW COLUMNS FROM bars", "close"),
        ("EXPLAIN SELECT * FROM bars", "bars"),
    ] {
        let done = sandbox.barn(["query", sql]).ok();
        done.check(done.stdout().contains(part), &format!("expected '{part}'"));
    }
}

#[test]
fn statements_that_write_are_refused_and_change_nothing() {
    let sandbox = Sandbox::with_bars();
    sandbox.write("x.csv", "a\n1\n");
    let before = sandbox.contents("barn");
    for sql in [
        "INSERT INTO bars VALUES (1)",
        "DELETE FROM bars",
        "UPDATE bars SET close = 0",
        "DROP TABLE bars",
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'x.csv'",
        "COPY bars TO 'y.csv'",
        "SELECT 1; DROP TABLE bars",
        "EXPLAIN ANALYZE INSERT INTO bars VALUES (1)",
        "SET datafusion.execution.batch_size = 1",
        "BEGIN",
    ] {
        let done = sandbox.barn(["query", sql]).fails(2);
        done.prints("").says(&["error: cannot "]);
    }
    sandbox.contents("barn").assert_same(&before);
    assert!(!sandbox.path("y.csv").exists());
}

#[test]
fn sql_opens_no_file() {
    let sandbox = Sandbox::with_bars();
    sandbox.write("x.csv", "secret\n1\n");
    sandbox.barn(["query", "SELECT 1 AS a", "-o", "x.parquet"]).ok();
    for sql in [
        "SELECT * FROM 'x.csv'",
        "SELECT * FROM \"x.csv\"",
        "SELECT * FROM 'x.parquet'",
        "SELECT * FROM read_csv('x.csv')",
        "SELECT * FROM read_parquet('x.parquet')",
        "SELECT * FROM parquet_metadata('x.parquet')",
    ] {
        let done = sandbox.barn(["query", sql]).fails(2);
        done.check(!done.stderr().contains("secret"), "the file was read");
    }
}

#[test]
fn a_query_writes_nothing_to_the_store() {
    let sandbox = Sandbox::with_bars();
    let before = sandbox.contents("barn");
    sandbox.query("SELECT * FROM bars");
    sandbox.contents("barn").assert_same(&before);
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let sandbox = Sandbox::with_bars();
    sandbox.barn(["query", "SELECT clsoe FROM bars"]).fails(2).says(&["'clsoe'", "hint: ", "`close`"]);
    sandbox.barn(["query", "SELECT b.sybmol FROM bars b"]).fails(2).says(&["sybmol", "hint: ", "symbol"]);
    sandbox.barn(["query", "SELECT * FROM bras"]).fails(2).says(&["'bras'", "hint: ", "`bars`"]);
    let done = sandbox.barn(["query", "SELECT * FROM zzzz"]).fails(2);
    done.says(&["'zzzz'"]).check(!done.stderr().contains("`bars`"), "nothing looks like it");
}

#[test]
fn a_syntax_error_names_its_place() {
    let sandbox = Sandbox::with_bars();
    sandbox.barn(["query", "SELECT close\nFROM bars ORDER ts"]).fails(2).prints("").says(&["line 2"]);
}

#[test]
fn an_empty_table_is_a_header_and_no_error() {
    let sandbox = Sandbox::with_bars();
    let header = "source,symbol,ts,seq,price,size,side,trade_id\n";
    sandbox.barn(["query", "SELECT * FROM trades"]).ok().prints(header);
    sandbox.barn(["query", "SELECT count(*) AS n, max(price) AS m FROM trades"]).ok().prints("n,m\n0,\n");
}

#[test]
fn an_error_while_rows_are_made_is_exit_code_1() {
    let sandbox = Sandbox::with_bars();
    let done =
        sandbox.barn(["query", "SELECT 1 / (trades - trades) FROM (SELECT 1 AS trades) AS t"]).fails(1);
    done.says(&["error: cannot "]);
}

#[test]
fn columns_come_in_the_order_of_the_table() {
    let sandbox = Sandbox::with_bars();
    for (table, columns) in [
        ("quotes", "source,symbol,ts,seq,bid,bid_size,ask,ask_size,last,last_size"),
        (
            "chain",
            "source,symbol,expiry,strike,option_type,ts,last,bid,ask,bid_size,ask_size,volume,open_interest,iv,\
             underlying,delta,gamma,theta,vega",
        ),
        ("odds", "source,event,book,market,outcome,point,ts,price,home,away,commence"),
        ("observations", "source,symbol,ts,value"),
        ("fundamentals", "source,symbol,item,period,ts,value,text"),
        ("actions", "source,symbol,kind,ts,value"),
        ("news", "source,symbol,ts,seq,title,url,publisher"),
    ] {
        assert_eq!(sandbox.query(&format!("SELECT * FROM {table}")), format!("{columns}\n"));
    }
}

#[test]
fn time_is_compared_with_text_dates_and_timestamps() {
    let sandbox = Sandbox::with_bars();
    for condition in [
        "ts >= '2024-01-08'",
        "ts >= '2024-01-08T00:00:00Z'",
        "ts > TIMESTAMP '2024-01-05 12:00:00'",
        "ts >= DATE '2024-01-08'",
        "ts BETWEEN '2024-01-08' AND '2024-01-09'",
        "CAST(ts AS DATE) >= '2024-01-08'",
        "date_trunc('day', ts) >= '2024-01-08'",
        "NOT ts < '2024-01-08'",
    ] {
        let sql = format!("SELECT count(*) FROM bars WHERE {condition}");
        assert_eq!(sandbox.value(&sql), "4", "{condition}");
    }
}

#[test]
fn filters_on_keys_and_values_agree_with_what_is_stored() {
    let sandbox = Sandbox::with_bars();
    for (condition, rows) in [
        ("symbol = 'AAA'", "6"),
        ("symbol <> 'AAA'", "6"),
        ("symbol IN ('AAA', 'CCC')", "6"),
        ("symbol LIKE 'B%'", "6"),
        ("symbol > 'AAA' AND ts = '2024-01-04'", "1"),
        ("upper(symbol) = 'AAA' OR close > 208", "8"),
        ("volume IS NULL", "1"),
        ("open IS NOT NULL AND symbol = 'BBB'", "5"),
        ("symbol = 'AAA' AND symbol = 'BBB'", "0"),
        ("symbol = 'aaa'", "0"),
        ("ts < '1900-01-01'", "0"),
        ("ts >= '2024-01-09' AND ts < '2024-01-09'", "0"),
        ("final", "12"),
        ("timeframe = '1d' AND close BETWEEN 10.5 AND 10.8", "3"),
    ] {
        let sql = format!("SELECT count(*) FROM bars WHERE {condition}");
        assert_eq!(sandbox.value(&sql), rows, "{condition}");
        // The same rows are counted when they are read.
        let read = sandbox.query(&format!("SELECT symbol, ts, close FROM bars WHERE {condition}"));
        assert_eq!((read.lines().count() - 1).to_string(), rows, "{condition}");
    }
}

#[test]
fn the_plan_shows_what_the_store_is_asked() {
    let sandbox = Sandbox::with_bars();
    let sql = "SELECT ts, close FROM bars WHERE symbol = 'AAA' AND ts >= '2024-01-04' LIMIT 2";
    let done = sandbox.barn(["query", sql, "--explain"]).ok();
    let plan = done.stdout() + done.stderr();
    for part in
        ["bars_rows", "series=1 of 2", "ts=[2024-01-04T00:00:00Z, )", "columns=[ts, close]", "limit=2"]
    {
        done.check(plan.contains(part), &format!("expected '{part}' in the plan"));
    }
    let is_projected = !plan.lines().any(|line| line.contains("bars_rows") && line.contains("volume"));
    done.check(is_projected, "a column nobody asked for is read");
}
