//! The record of a run, how it is kept, and for how long.

use anyhow::{Context as _, Result};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, Transaction, params_from_iter};
use serde::Serialize;

use super::database::Runs;

/// Runs that are kept: a run a minute for a week.
const KEPT: i64 = 10_000;

/// Older runs that a new one removes at most. It adds one, so that any excess goes away in time, and no command
/// waits for that.
const REMOVED: i64 = 100;

/// What a run did, as its command counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Threads that could work at once.
    pub workers: u64,
    /// Rows read.
    pub rows_in: u64,
    /// Rows written, to the store or as a result.
    pub rows_out: u64,
    /// Bytes read: of files, or of answers unpacked.
    pub bytes_in: u64,
    /// Bytes written, where the command knows.
    pub bytes_out: u64,
    /// Requests that went out.
    pub requests: u64,
    /// Tries beyond the first.
    pub retries: u64,
    /// Time spent waiting for limits, summed over the workers.
    pub waited_micros: u64,
    /// Answers from memory.
    pub memory_hits: u64,
    /// Answers from the disk.
    pub disk_hits: u64,
}

/// How long the answers took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half of them took at most so long.
    pub p50_micros: u64,
    /// Nine of ten took at most so long.
    pub p90_micros: u64,
    /// All but one of a hundred took at most so long.
    pub p99_micros: u64,
    /// The slowest.
    pub max_micros: u64,
}

/// A run of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its number in the store, 0 before it is kept.
    pub id: i64,
    /// The command.
    pub command: String,
    /// The command line, without secrets.
    pub line: String,
    /// The line without what does not change the work, such as a label.
    #[serde(skip)]
    pub kind: String,
    /// What it worked on: for a fetch source, table and timeframe, else the table.
    pub subject: String,
    /// The name of the group it belongs to.
    pub label: Option<String>,
    /// The machine.
    pub host: String,
    /// Its cores.
    pub cores: u64,
    /// The version of barn.
    pub version: String,
    /// When it began, microseconds since 1970.
    pub started: i64,
    /// How it ended.
    pub exit_code: u8,
    /// The first line of the error.
    pub error: Option<String>,
    /// How long it took.
    pub wall_micros: u64,
    /// Processor time of all threads.
    pub cpu_micros: u64,
    /// How much of the time something on the machine waited for a free core.
    pub stalled_micros: u64,
    /// The most memory it had.
    pub memory_bytes: u64,
    /// Time in which it waited until the disk had what was written.
    pub disk_micros: u64,
    /// Bytes that it wrote to disks, by the count of the operating system.
    pub written_bytes: u64,
    /// What it did.
    #[serde(flatten)]
    pub figures: Figures,
    /// How long the answers took, where there were any.
    #[serde(flatten)]
    pub latency: Option<Latency>,
    /// The SQL of a slow query.
    pub sql: Option<String>,
    /// The plan of a slow query.
    pub plan: Option<String>,
}

/// Which runs are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Only of this command.
    pub command: Option<&'a str>,
    /// Only with this label.
    pub label: Option<&'a str>,
    /// At most so many, the newest.
    pub limit: usize,
}

/// How many runs of a command ever ended in a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// The command.
    pub command: String,
    /// How they ended.
    pub exit_code: u8,
    /// How many.
    pub runs: u64,
}

const COLUMNS: &str = "id, command, line, kind, subject, label, host, cores, version, started, exit_code, error, \
     wall, cpu, stalled, memory, disk, written, workers, rows_in, rows_out, bytes_in, bytes_out, requests, retries, \
     waited, memory_hits, disk_hits, p50, p90, p99, max, sql, plan";

impl Runs {
    /// Keeps a run, forgets the oldest ones, and returns its number.
    pub fn put(&self, run: &Run) -> Result<i64> {
        self.write(|transaction| {
            insert(transaction, run)?;
            let id = transaction.last_insert_rowid();
            transaction.execute(
                "INSERT INTO total VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET runs = runs + 1",
                (&run.command, run.exit_code),
            )?;
            transaction.execute(
                "DELETE FROM run WHERE id IN (SELECT id FROM run WHERE id <= ?1 ORDER BY id LIMIT ?2)",
                (id - KEPT, REMOVED),
            )?;
            Ok(id)
        })
    }

    /// Returns the runs that are wanted, the newest first.
    pub fn list(&self, filter: &Filter<'_>) -> Result<Vec<Run>> {
        self.read(|connection| {
            let conditions = [("command", filter.command), ("label", filter.label)];
            let conditions = conditions.into_iter().filter_map(|(name, value)| Some((name, value?)));
            let (conditions, values): (Vec<String>, Vec<&str>) =
                conditions.map(|(name, value)| (format!("AND {name} = ?"), value)).unzip();
            let (conditions, limit) = (conditions.join(" "), filter.limit);
            let sql =
                format!("SELECT {COLUMNS} FROM run WHERE true {conditions} ORDER BY id DESC LIMIT {limit}");
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(params_from_iter(values), read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Returns a run by its number.
    pub fn get(&self, id: i64) -> Result<Option<Run>> {
        self.read(|connection| one(connection, id))
    }

    /// Returns how many runs ever ended how.
    pub fn totals(&self) -> Result<Vec<Total>> {
        self.read(|connection| {
            let mut statement =
                connection.prepare("SELECT command, exit_code, runs FROM total ORDER BY 1, 2")?;
            let rows = statement.query_map([], |row| {
                Ok(Total { command: row.get(0)?, exit_code: row.get(1)?, runs: number(row, 2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn one(connection: &Connection, id: i64) -> Result<Option<Run>> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM run WHERE id = ?1"))?;
    Ok(statement.query_row([id], read).optional()?)
}

fn insert(transaction: &Transaction<'_>, run: &Run) -> Result<()> {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (figures, latency) = (&run.figures, run.latency);
    let numbers = [
        run.wall_micros,
        run.cpu_micros,
        run.stalled_micros,
        run.memory_bytes,
        run.disk_micros,
        run.written_bytes,
        figures.workers,
        figures.rows_in,
        figures.rows_out,
        figures.bytes_in,
        figures.bytes_out,
        figures.requests,
        figures.retries,
        figures.waited_micros,
        figures.memory_hits,
        figures.disk_hits,
    ]
    .map(whole);
    let latencies = [
        latency.map(|latency| whole(latency.p50_micros)),
        latency.map(|latency| whole(latency.p90_micros)),
        latency.map(|latency| whole(latency.p99_micros)),
        latency.map(|latency| whole(latency.max_micros)),
    ];
    let cores = whole(run.cores);
    let mut values: Vec<&dyn ToSql> = vec![
        &run.command,
        &run.line,
        &run.kind,
        &run.subject,
        &run.label,
        &run.host,
        &cores,
        &run.version,
        &run.started,
        &run.exit_code,
        &run.error,
    ];
    values.extend(numbers.iter().map(|number| number as &dyn ToSql));
    values.extend(latencies.iter().map(|number| number as &dyn ToSql));
    values.extend([&run.sql as &dyn ToSql, &run.plan]);
    let places = vec!["?"; values.len()].join(", ");
    let sql = format!("INSERT INTO run VALUES (NULL, {places})");
    transaction.execute(&sql, params_from_iter(values)).context("cannot keep the record of a run")?;
    Ok(())
}

fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Run> {
    let figures = Figures {
        workers: number(row, 18)?,
        rows_in: number(row, 19)?,
        rows_out: number(row, 20)?,
        bytes_in: number(row, 21)?,
        bytes_out: number(row, 22)?,
        requests: number(row, 23)?,
        retries: number(row, 24)?,
        waited_micros: number(row, 25)?,
        memory_hits: number(row, 26)?,
        disk_hits: number(row, 27)?,
    };
    let has_latency = row.get::<_, Option<i64>>(28)?.is_some();
    let latency = || {
        Ok::<_, rusqlite::Error>(Latency {
            p50_micros: number(row, 28)?,
            p90_micros: number(row, 29)?,
            p99_micros: number(row, 30)?,
            max_micros: number(row, 31)?,
        })
    };
    Ok(Run {
        id: row.get(0)?,
        command: row.get(1)?,
        line: row.get(2)?,
        kind: row.get(3)?,
        subject: row.get(4)?,
        label: row.get(5)?,
        host: row.get(6)?,
        cores: number(row, 7)?,
        version: row.get(8)?,
        started: row.get(9)?,
        exit_code: row.get(10)?,
        error: row.get(11)?,
        wall_micros: number(row, 12)?,
        cpu_micros: number(row, 13)?,
        stalled_micros: number(row, 14)?,
        memory_bytes: number(row, 15)?,
        disk_micros: number(row, 16)?,
        written_bytes: number(row, 17)?,
        figures,
        latency: has_latency.then(latency).transpose()?,
        sql: row.get(32)?,
        plan: row.get(33)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::database::tests::store;
    use super::*;

    fn run(command: &str) -> Run {
        Run {
            command: command.to_owned(),
            line: format!("barn {command}"),
            label: Some("before".to_owned()),
            wall_micros: 7,
            exit_code: 3,
            figures: Figures { workers: 2, disk_hits: 9, ..Figures::default() },
            ..Run::default()
        }
    }

    #[test]
    fn a_run_comes_back_as_it_was_put() {
        let (_folder, runs) = store();
        let latency = Latency { p50_micros: 1, p90_micros: 2, p99_micros: 3, max_micros: 4 };
        let plan = Some("Scan".to_owned());
        let whole = Run { latency: Some(latency), plan, sql: Some("SELECT 1".to_owned()), ..run("query") };
        let id = runs.put(&whole).unwrap();
        assert_eq!(runs.get(id).unwrap(), Some(Run { id, ..whole }));
        let id = runs.put(&run("fetch")).unwrap();
        let fetches = runs.list(&Filter { command: Some("fetch"), label: Some("before"), limit: 9 }).unwrap();
        assert_eq!(fetches, [Run { id, ..run("fetch") }]);
        assert_eq!(runs.list(&Filter { limit: 1, ..Filter::default() }).unwrap(), fetches);
        assert_eq!(runs.totals().unwrap().len(), 2);
        assert_eq!(runs.get(99).unwrap(), None);
    }

    #[test]
    fn old_runs_go_in_small_steps_and_totals_stay() {
        let (_folder, runs) = store();
        runs.put(&run("store")).unwrap();
        let many = 50_000;
        runs.write(|transaction| {
            transaction.execute(
                &format!(
                    "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {many})
                     INSERT INTO run SELECT n.i, {} FROM run, n",
                    COLUMNS.trim_start_matches("id, ")
                ),
                [],
            )?;
            Ok(())
        })
        .unwrap();
        let count = || -> i64 {
            let sql = "SELECT count(*) FROM run";
            runs.read(|connection| Ok(connection.query_row(sql, [], |row| row.get(0))?)).unwrap()
        };
        assert_eq!(count(), many);
        runs.put(&run("store")).unwrap();
        assert_eq!(count(), many + 1 - REMOVED);
        assert_eq!(runs.totals().unwrap()[0].runs, 2);
    }

    #[test]
    fn a_record_takes_less_than_two_milliseconds() {
        let (folder, runs) = store();
        runs.put(&run("store")).unwrap();
        let mut times: Vec<Duration> = (0..50)
            .map(|_| {
                let started = Instant::now();
                Runs::open(folder.path()).put(&run("store")).unwrap();
                started.elapsed()
            })
            .collect();
        times.sort();
        println!("a record takes {} µs, at most {} µs", times[25].as_micros(), times[49].as_micros());
        // Four times the bound, as others may be busy on the machine.
        assert!(times[25] < Duration::from_millis(8), "{} µs", times[25].as_micros());
    }
}
