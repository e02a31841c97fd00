//! The log of queries: the newest as they were asked.

use anyhow::Result;
use rusqlite::Transaction;

use super::database::Runs;

/// Queries that are kept.
const RECENT: u32 = 200;

/// Rows that a query removes at most; it adds one, so that any excess goes away in time.
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
    /// When it was asked, microseconds since 1970.
    pub at: i64,
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
            transaction.execute(
                "INSERT OR REPLACE INTO recent SELECT coalesce(max(id), 0) + 1, ?1, ?2, ?3 FROM recent",
                (asked.sql, i64::try_from(asked.micros).unwrap_or(i64::MAX), asked.at),
            )?;
            forget(transaction)
        })
    }

    /// Returns the newest queries, each text once, the newest first.
    pub fn recent_queries(&self, limit: u32) -> Result<Vec<RecentQuery>> {
        self.read(|connection| {
            let mut statement =
                connection.prepare("SELECT sql, micros, at FROM recent ORDER BY id DESC LIMIT ?1")?;
            let rows = statement.query_map([limit], |row| {
                Ok(RecentQuery {
                    sql: row.get(0)?,
                    micros: row.get::<_, i64>(1)?.unsigned_abs(),
                    at: row.get(2)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// Removes what is behind the newest queries, a few at a time.
fn forget(transaction: &Transaction<'_>) -> Result<()> {
    // The key is walked over the kept rows only: how many follow does not matter.
    transaction.execute(
        &format!(
            "DELETE FROM recent WHERE id IN
             (SELECT id FROM recent ORDER BY id DESC LIMIT {REMOVED} OFFSET {RECENT})"
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
        AskedQuery { sql, micros, at: 7 }
    }

    #[test]
    fn a_query_is_there_once_as_it_was_asked_last() {
        let (_folder, runs) = store();
        assert_eq!(runs.recent_queries(9).unwrap(), []);
        runs.log_query(&asked("SELECT * FROM bars WHERE symbol = 'A'", 10)).unwrap();
        runs.log_query(&asked("select *  from bars where symbol = 'B'", 30)).unwrap();
        runs.log_query(&asked("SELECT * FROM bars WHERE symbol = 'A'", 20)).unwrap();
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
                &format!("{numbers} INSERT INTO recent SELECT i, 'SELECT ' || i, 1, i FROM n"),
                [],
            )?;
            Ok(())
        };
        runs.write(fill).unwrap();
        let started = Instant::now();
        Runs::open(folder.path()).log_query(&asked("SELECT a FROM b", 1)).unwrap();
        let elapsed = started.elapsed();
        println!("a query beside {many} others is logged in {} µs", elapsed.as_micros());
        assert!(elapsed < Duration::from_millis(200), "{} ms", elapsed.as_millis());
        let sql = "SELECT count(*) FROM recent";
        let count: i64 =
            runs.read(|connection| Ok(connection.query_row(sql, [], |row| row.get(0))?)).unwrap();
        assert_eq!(count, many - 99);
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
