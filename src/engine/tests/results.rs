//! Which answers may be given again, and that they come again as they were.

use super::*;
use crate::engine::{Answer, Kept};

fn kept(engine: &Engine, sql: &str) -> Option<Kept> {
    let mut answer = engine.query(sql).unwrap_or_else(|err| panic!("{sql}: {}", report(&err)));
    answer.keep();
    while answer.next_batch().unwrap().is_some() {}
    answer.into_kept()
}

#[test]
fn a_query_of_rows_and_constants_may_be_given_again() {
    let (engine, _) = bars();
    for sql in [
        "SELECT * FROM bars",
        "SELECT count(*) FROM public.bars",
        "SELECT 1",
        "VALUES (1, 'a'), (2, 'b')",
        "WITH a AS (SELECT max(open) AS m FROM bars) SELECT * FROM a, trades",
        "SELECT symbol FROM bars WHERE open = (SELECT max(open) FROM bars)",
        "SELECT time_bucket('1 month', ts) AS m, first(open, ts), last(open, ts) FROM bars GROUP BY m",
        "SELECT row_number() OVER (PARTITION BY symbol ORDER BY ts) FROM bars",
        "SELECT strftime(ts, '%Y'), upper(symbol), to_timestamp('2024-01-01') FROM bars",
        "SELECT a.symbol FROM bars a JOIN bars b ON a.ts = b.ts AND abs(a.open) > 1 ORDER BY a.open, 1 LIMIT 3",
        "SELECT 1 UNION ALL SELECT 2",
        "SELECT DISTINCT ON (symbol) symbol, ts FROM bars ORDER BY symbol, ts",
        "SELECT unnest([1, 2, 3])",
    ] {
        assert!(kept(&engine, sql).is_some(), "{sql}");
    }
}

#[test]
fn a_query_that_depends_on_more_may_not() {
    let (engine, _) = bars();
    for sql in [
        "SELECT now()",
        "SELECT current_timestamp",
        "SELECT current_date",
        "SELECT today()",
        "SELECT current_time",
        "SELECT random()",
        "SELECT uuid()",
        "SELECT count(*) FROM bars WHERE ts < now()",
        "SELECT count(*) FROM bars WHERE ts < now() - INTERVAL '30 days'",
        "SELECT max(open + random()) FROM bars",
        "SELECT symbol FROM bars ORDER BY random() LIMIT 1",
        "SELECT symbol FROM bars GROUP BY symbol, current_date",
        "SELECT symbol FROM bars GROUP BY symbol HAVING max(ts) < now()",
        "SELECT sum(open) OVER (ORDER BY random()) FROM bars",
        "SELECT a.symbol FROM bars a JOIN bars b ON a.ts = b.ts AND a.ts < now() LIMIT 1",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM bars WHERE ts < now())",
        "SELECT (SELECT max(ts) FROM bars WHERE ts < now())",
        "SELECT 1 WHERE 1 IN (SELECT CAST(random() * 2 AS INT))",
        "WITH a AS (SELECT random() AS r) SELECT r FROM a",
        "SELECT 1 UNION ALL SELECT CAST(random() AS INT)",
        "SELECT CASE WHEN true THEN 1 ELSE random() END",
        "SELECT symbol FROM bars WHERE ts < coalesce(NULL, now()) LIMIT 1",
        "VALUES (random())",
        "SELECT unnest([random()])",
        "SELECT DISTINCT ON (symbol) random() FROM bars ORDER BY symbol, now()",
        "SELECT table_name FROM information_schema.tables",
        "SELECT count(*) FROM bars, information_schema.columns",
        "SELECT * FROM generate_series(1, 3)",
        "SHOW TABLES",
        "DESCRIBE bars",
        "EXPLAIN SELECT 1",
    ] {
        assert_eq!(kept(&engine, sql), None, "{sql}");
    }
}

#[test]
fn an_answer_comes_again_as_it_was() {
    let (engine, _) = bars();
    for sql in [
        "SELECT * FROM bars ORDER BY symbol, ts",
        "SELECT * FROM bars WHERE symbol = 'none'",
        "SELECT ts, open, volume FROM bars ORDER BY symbol DESC, ts LIMIT 5 OFFSET 3",
        "SELECT a.symbol, b.symbol, a.ts AS \"Ts\" FROM bars a JOIN bars b ON a.ts = b.ts ORDER BY 3, 1, 2 LIMIT 9",
        "SELECT 1 AS a, NULL AS b, 'x' AS \"A\", true AS c, 1.5 AS d, CAST(1.25 AS DECIMAL(10, 2)) AS e",
        "SELECT 'NaN'::double, 'inf'::double, -0.0, 5e-324, 9223372036854775807, '1969-12-31T23:59:59.999999Z'::timestamp",
        "SELECT INTERVAL '1 month 2 days', DATE '2024-02-29', TIME '10:11:12', X'00ff', arrow_cast(1, 'UInt8')",
        "SELECT [1, NULL, 3], [[1], NULL, []], struct(1 AS a, 'b' AS \"B\"), map(['k'], [1])",
        "SELECT arrow_cast(symbol, 'Dictionary(Int32, Utf8)') FROM bars ORDER BY symbol",
        "SELECT array_agg(DISTINCT symbol ORDER BY symbol), avg(volume) FROM bars",
        "SELECT symbol || ' and a text longer than the twelve bytes of a view' FROM bars ORDER BY 1",
    ] {
        let mut first = engine.query(sql).unwrap_or_else(|err| panic!("{sql}: {}", report(&err)));
        first.keep();
        let mut batches = Vec::new();
        while let Some(batch) = first.next_batch().unwrap() {
            batches.push(batch);
        }
        let schema = Arc::clone(&first.schema);
        let kept = first.into_kept().unwrap_or_else(|| panic!("{sql}"));
        assert_eq!(kept.rows, batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(), "{sql}");
        let mut again = Answer::again(&kept).unwrap();
        assert_eq!(again.schema, schema, "{sql}");
        for batch in batches {
            assert_eq!(again.next_batch().unwrap().as_ref(), Some(&batch), "{sql}");
        }
        assert!(again.next_batch().unwrap().is_none(), "{sql}");
    }
}

#[test]
fn an_answer_that_was_not_read_to_its_end_is_not_kept() {
    let (engine, _) = bars();
    let mut answer = engine.query("SELECT * FROM bars").unwrap();
    answer.keep();
    assert!(answer.next_batch().unwrap().is_some());
    assert_eq!(answer.into_kept(), None);
    let mut answer = engine.query("SELECT 1 / (open - open)::int FROM bars").unwrap();
    answer.keep();
    assert!(answer.next_batch().is_err());
    assert_eq!(answer.into_kept(), None);
    // What comes from a cache does not go there again.
    let mut again = Answer::again(&kept(&engine, "SELECT 1").unwrap()).unwrap();
    again.keep();
    while again.next_batch().unwrap().is_some() {}
    assert_eq!(again.into_kept(), None);
}

#[test]
fn an_answer_that_nobody_wants_to_keep_is_not_kept() {
    let (engine, _) = bars();
    let mut answer = engine.query("SELECT 1").unwrap();
    while answer.next_batch().unwrap().is_some() {}
    assert_eq!(answer.into_kept(), None);
}

#[test]
fn a_large_answer_is_not_kept() {
    let (engine, _) = bars();
    // 1,440,000 rows of 16 bytes; then one row of about as many.
    let sql = "SELECT a.open, b.open FROM bars a CROSS JOIN bars b";
    assert_eq!(kept(&engine, sql), None);
    assert_eq!(
        kept(&engine, &format!("SELECT array_agg(o * 2 + p) FROM ({sql}) AS t (o, p) , (VALUES (1), (2))")),
        None
    );
    assert!(kept(&engine, &format!("{sql} LIMIT 1000")).is_some());
}

#[test]
fn a_copy_cut_short_is_no_answer() {
    let (engine, _) = bars();
    let whole = kept(&engine, "SELECT symbol, count(*) FROM bars GROUP BY symbol ORDER BY symbol").unwrap();
    for length in 0..whole.body.len() {
        let cut = Kept { rows: whole.rows, body: whole.body[..length].to_vec() };
        if let Ok(mut answer) = Answer::again(&cut) {
            // Only the mark of the end is missing.
            assert_eq!(answer.next_batch().unwrap().unwrap().num_rows(), 3, "{length}");
        }
    }
    assert!(Answer::again(&Kept { rows: 2, ..whole }).is_err());
}
