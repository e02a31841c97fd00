//! The engine over rows in memory.

mod cold;
mod damage;
mod files;
mod queries;
mod random;
mod results;
mod scans;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::hot::Columns;
use super::rows::Rows;
use super::{Engine, Options};
use crate::archive::CheckedFile;
use crate::error::report;
use crate::model::time::{MICROS_PER_DAY, days_from_civil};
use crate::model::{BUILTIN, ColumnType, SeriesKey, Table, TableText, Value};
use crate::store::{ArchiveFile, Field, Resume, Scan, SeriesEntry};

/// A row: its time, its ordinal, its values.
type Line = (i64, i64, Vec<Value>);

/// A series that was read, and the times that were asked for.
type Read = (i64, Option<i64>, Option<i64>);

#[derive(Default)]
struct Memory {
    tables: Vec<Table>,
    series: BTreeMap<String, Vec<(SeriesEntry, Vec<Line>)>>,
    reads: Mutex<Vec<Read>>,
    breaks_at: Option<i64>,
    archive: files::Folder,
    /// By table, the series and times of rows that stand in the place of archived ones.
    corrections: BTreeMap<String, Vec<(i64, i64)>>,
}

impl Memory {
    fn new() -> Self {
        let texts: BTreeMap<String, TableText> = toml::from_str(BUILTIN).unwrap();
        let tables = texts.iter().map(|(name, text)| Table::parse(name, text).unwrap()).collect();
        Self { tables, ..Self::default() }
    }

    fn add(&mut self, table: &str, key: Vec<Value>, lines: Vec<Line>) {
        let known = self.series.entry(table.to_owned()).or_default();
        let id = 100 + i64::try_from(known.len()).unwrap();
        known.push((SeriesEntry { id, key: SeriesKey(key.into()) }, lines));
    }

    /// Adds daily bars from 2024-01-01 whose open counts from 0 and whose volume is missing on odd days.
    fn add_bars(&mut self, symbol: &str, rows: u32) {
        let lines = (0..rows).map(|at| {
            let mut values = vec![Value::Null; 10];
            values[0] = Value::Double(f64::from(at));
            if at % 2 == 0 {
                values[4] = Value::Double(1.0);
            }
            (day(2024, 1, 1) + i64::from(at) * MICROS_PER_DAY, 0, values)
        });
        let key = ["file", symbol, "1d"].map(|part| Value::Text(part.into()));
        self.add("bars", key.to_vec(), lines.collect());
    }

    fn of(&self, table: &str, series: i64) -> &[Line] {
        &self.series[table].iter().find(|(entry, _)| entry.id == series).unwrap().1
    }

    fn in_range<'a>(&'a self, scan: &Scan, series: i64) -> impl Iterator<Item = &'a Line> {
        let (since, until) = (scan.since, scan.until);
        let is_wanted = move |line: &&Line| {
            since.is_none_or(|since| line.0 >= since) && until.is_none_or(|until| line.0 < until)
        };
        self.of(&scan.table, series).iter().filter(is_wanted)
    }
}

impl Rows for Memory {
    fn tables(&self) -> &[Table] {
        &self.tables
    }

    fn series(&self, table: &str) -> Result<Vec<SeriesEntry>> {
        Ok(self.series.get(table).into_iter().flatten().map(|(entry, _)| entry.clone()).collect())
    }

    fn read(
        &self,
        scan: &Scan,
        series: i64,
        behind: Option<Resume>,
        columns: &mut Columns,
    ) -> Result<Option<Resume>> {
        self.reads.lock().unwrap().push((series, scan.since, scan.until));
        anyhow::ensure!(self.breaks_at != Some(series), "disk on fire");
        for line in self.in_range(scan, series) {
            if behind.is_some_and(|behind| (line.0, line.1) <= (behind.ts, behind.seq)) {
                continue;
            }
            for (at, field) in scan.fields.iter().enumerate() {
                let value = match field {
                    Field::Ts => Value::Timestamp(line.0),
                    Field::Seq => Value::Bigint(line.1),
                    Field::Value(at) => line.2[*at].clone(),
                };
                columns.push(at, value.as_ref())?;
            }
            columns.end_row();
            if columns.is_full() {
                return Ok(Some(Resume { ts: line.0, seq: line.1 }));
            }
        }
        Ok(None)
    }

    fn count(&self, scan: &Scan, series: i64) -> Result<u64> {
        Ok(self.in_range(scan, series).count() as u64)
    }

    fn extent(&self, table: &str, series: i64) -> Result<Option<(i64, i64)>> {
        let lines = self.of(table, series);
        Ok(lines.first().zip(lines.last()).map(|(first, last)| (first.0, last.0)))
    }

    fn explain(&self, scan: &Scan) -> Result<String> {
        Ok(format!("SELECT {} of {}", scan.fields.len(), scan.table))
    }

    fn has_rows(&self, table: &str) -> Result<bool> {
        Ok(self.series.get(table).into_iter().flatten().any(|(_, lines)| !lines.is_empty()))
    }

    fn files(&self, table: &str) -> Result<Vec<ArchiveFile>> {
        Ok(self.archive.of(table))
    }

    fn corrections(&self, table: &str) -> Result<Vec<(i64, i64)>> {
        Ok(self.corrections.get(table).cloned().unwrap_or_default())
    }

    fn open(&self, file: &ArchiveFile) -> Result<CheckedFile> {
        self.archive.open(file)
    }
}

fn day(year: i64, month: u32, day: u32) -> i64 {
    days_from_civil(year, month, day) * MICROS_PER_DAY
}

fn over(memory: Arc<Memory>, options: &Options) -> Result<Engine> {
    let rows: Arc<dyn Rows> = memory;
    Engine::over(&rows, options)
}

fn engine(memory: Memory) -> (Engine, Arc<Memory>) {
    let memory = Arc::new(memory);
    (over(Arc::<Memory>::clone(&memory), &Options::default()).unwrap(), memory)
}

/// Three symbols with 400 daily bars each.
fn bars() -> (Engine, Arc<Memory>) {
    let mut memory = Memory::new();
    for symbol in ["AAA", "BBB", "CCC"] {
        memory.add_bars(symbol, 400);
    }
    engine(memory)
}

/// Returns the rows as text, cells parted by `|`, rows by line ends.
fn rows(engine: &Engine, sql: &str) -> String {
    try_rows(engine, sql).unwrap_or_else(|err| panic!("{sql}: {}", report(&err)))
}

fn try_rows(engine: &Engine, sql: &str) -> Result<String> {
    let mut answer = engine.query(sql)?;
    let mut lines = Vec::new();
    while let Some(batch) = answer.next_batch()? {
        let options = FormatOptions::default();
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            lines.push(
                columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"),
            );
        }
    }
    Ok(lines.join("\n"))
}

fn complaint(engine: &Engine, sql: &str) -> String {
    report(&try_rows(engine, sql).expect_err(sql))
}

fn scan_line(engine: &Engine, sql: &str) -> String {
    let plan = engine.explain(sql).unwrap_or_else(|err| panic!("{sql}: {}", report(&err)));
    let line = plan.lines().find(|line| line.contains("HotScan")).unwrap_or_else(|| panic!("{sql}\n{plan}"));
    line.trim().to_owned()
}
