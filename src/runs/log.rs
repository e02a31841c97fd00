//! The log of queries: all by their shape, and the newest as they were asked.

use anyhow::Result;
use rusqlite::Transaction;

use super::database::Runs;
use super::shape::shape;

/// Shapes that are kept; those not asked for longest go.
const SHAPES: u32 = 10_000;

/// Queries that are kept as they were asked.
const RECENT: u32 = 200;

/// Rows that a query removes at most; it adds one of each, so that any excess goes away in time.
const REMOVED: u32 = 100;

/// Bytes of SQL above which a query is not kept: nobody asks it often.
const LONGEST: usize = 16 << 10;

/// A query that was answered.
#[derive(Clone, Copy, Debug)]
pub struct AskedQuery<'a> {
    /// Its text.
    pub sql: &'a str,
    /// How long it took.
    pub micros: u64,
    /// The rows of its answer.
    pub rows: u64,
    /// When it was asked, microseconds since 1970.
    pub at: i64,
    /// What else is known of it, as JSON.
    pub facts: Option<&'a str>,
}

/// All queries that differ only in their literals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Their text with `?` for each literal.
    pub text: String,
    /// How many there were.
    pub count: u64,
    /// How long they took together.
    pub total_micros: u64,
    /// The slowest.
    pub max_micros: u64,
    /// The rows of their answers.
    pub rows: u64,
    /// When the last was asked.
    pub last: i64,
    /// What else was known of the last, as JSON.
    pub facts: Option<String>,
}

/// A query as it was asked last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentQuery {
    /// Its text.
    pub sql: String,
    /// How long it took.
    pub micros: u64,
    /// When it was asked.
    pub at: i64,
}

impl Runs {
    /// Keeps a query in the log.
    pub fn log_query(&self, asked: &AskedQuery<'_>) -> Result<()> {
        if asked.sql.len() > LONGEST {
            return Ok(());
        }
        self.write(|transaction| {
            let micros = whole(asked.micros);
            transaction.execute(
                "INSERT OR REPLACE INTO recent SELECT coalesce(max(id), 0) + 1, ?1, ?2, ?3 FROM recent",
                (asked.sql, micros, asked.at),
            )?;
            forget(transaction, "recent", "id", RECENT)?;
            let shape = shape(asked.sql);
            let known = transaction.execute(
                "UPDATE query SET count = count + 1, total = total + ?2, slowest = max(slowest, ?2),
                 rows = rows + ?3, last = ?4, facts = coalesce(?5, facts) WHERE shape = ?1",
                (&shape, micros, whole(asked.rows), asked.at, asked.facts),
            )?;
            if known == 0 {
                transaction.execute(
                    "INSERT INTO query VALUES (NULL, ?1, 1, ?2, ?2, ?3, ?4, ?5)",
                    (&shape, micros, whole(asked.rows), asked.at, asked.facts),
                )?;
                forget(transaction, "query", "last", SHAPES)?;
            }
            Ok(())
        })
    }

    /// Returns the newest queries, each text once, the newest first.
    pub fn recent_queries(&self, limit: u32) -> Result<Vec<RecentQuery>> {
        self.read(|connection| {
            let mut statement =
                connection.prepare("SELECT sql, micros, at FROM recent ORDER BY id DESC LIMIT ?1")?;
            let rows = statement.query_map([limit], |row| {
                Ok(RecentQuery { sql: row.get(0)?, micros: count(row, 1)?, at: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Returns the shapes of all queries, those first that took the most time together.
    pub fn shapes(&self) -> Result<Vec<Shape>> {
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT shape, count, total, slowest, rows, last, facts FROM query
                 WHERE id IN (SELECT id FROM query ORDER BY last DESC LIMIT ?1) ORDER BY total DESC",
            )?;
            let rows = statement.query_map([SHAPES], |row| {
                Ok(Shape {
                    text: row.get(0)?,
                    count: count(row, 1)?,
                    total_micros: count(row, 2)?,
                    max_micros: count(row, 3)?,
                    rows: count(row, 4)?,
                    last: row.get(5)?,
                    facts: row.get(6)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0))
}

/// Removes what is behind the first `kept` rows in the falling order of an indexed column, a few at a time.
fn forget(transaction: &Transaction<'_>, table: &str, order: &str, kept: u32) -> Result<()> {
    // The index is walked over the kept rows only: how many follow does not matter.
    transaction.execute(
        &format!(
            "DELETE FROM {table} WHERE id IN
             (SELECT id FROM {table} ORDER BY {order} DESC LIMIT {REMOVED} OFFSET {kept})"
        ),
        [],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::database::tests::store;
    use super::*;

    fn asked(sql: &str, micros: u64) -> AskedQuery<'_> {
        AskedQuery { sql, micros, rows: 3, at: whole(micros), facts: None }
    }

    #[test]
    fn queries_of_one_shape_are_one_row() {
        let (_folder, runs) = store();
        assert_eq!(runs.shapes().unwrap(), []);
        runs.log_query(&asked("SELECT * FROM bars WHERE symbol = 'A'", 10)).unwrap();
        let facts = Some("{\"table\":\"bars\"}");
        runs.log_query(&AskedQuery { facts, ..asked("select *  from bars where symbol = 'B'", 30) }).unwrap();
        runs.log_query(&asked("SELECT * FROM bars WHERE symbol = 'A'", 20)).unwrap();
        let expected = Shape {
            text: "select * from bars where symbol = ?".to_owned(),
            count: 3,
            total_micros: 60,
            max_micros: 30,
            rows: 9,
            last: 20,
            facts: facts.map(ToOwned::to_owned),
        };
        assert_eq!(runs.shapes().unwrap(), [expected]);
        let recent = runs.recent_queries(9).unwrap();
        let texts: Vec<_> = recent.iter().map(|query| (query.sql.as_str(), query.micros)).collect();
        assert_eq!(
            texts,
            [("SELECT * FROM bars WHERE symbol = 'A'", 20), ("select *  from bars where symbol = 'B'", 30)]
        );
        assert_eq!(runs.recent_queries(1).unwrap().len(), 1);
    }

    #[test]
    fn a_long_log_stalls_no_query_and_shrinks() {
        let (folder, runs) = store();
        runs.log_query(&asked("SELECT 1", 1)).unwrap();
        let many: i64 = 300_000;
        let fill = |transaction: &Transaction<'_>| {
            let numbers =
                format!("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {many})");
            transaction.execute(
                &format!("{numbers} INSERT INTO query SELECT i, 'select ' || i, 1, 1, 1, 1, i, NULL FROM n"),
                [],
            )?;
            transaction.execute(
                &format!("{numbers} INSERT INTO recent SELECT i, 'SELECT ' || i, 1, i FROM n"),
                [],
            )?;
            Ok(())
        };
        runs.write(fill).unwrap();
        let started = Instant::now();
        Runs::open(folder.path()).log_query(&asked("SELECT a FROM b", 400_000)).unwrap();
        let elapsed = started.elapsed();
        println!("a query beside {many} others is logged in {} µs", elapsed.as_micros());
        assert!(elapsed < Duration::from_millis(200), "{} ms", elapsed.as_millis());
        let count = |table: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table}");
            runs.read(|connection| Ok(connection.query_row(&sql, [], |row| row.get(0))?)).unwrap()
        };
        assert_eq!((count("query"), count("recent")), (many - 99, many - 99));
        assert_eq!(runs.shapes().unwrap().len(), SHAPES as usize);
        assert_eq!(runs.recent_queries(RECENT).unwrap()[0].sql, "SELECT a FROM b");
    }

    #[test]
    fn very_long_texts_are_not_kept() {
        let (_folder, runs) = store();
        let sql = format!("SELECT '{}'", "x".repeat(LONGEST));
        runs.log_query(&asked(&sql, 1)).unwrap();
        assert_eq!(runs.recent_queries(9).unwrap(), []);
    }
}
