//! What a rollup is made by: the query of a bucket, and the table that takes its rows.

use anyhow::{Context as _, Result, anyhow, bail};

use super::rules::{Aggregate, aggregates};
use crate::engine::{Engine, Width};
use crate::error::Failure;
use crate::model::time::MICROS_PER_SECOND;
use crate::model::{Rollup, SeriesKey, Span, Table, TableText, Value, nearest};
use crate::store::Snapshot;

/// The key column whose value in a rollup is the length of a bucket.
const TIMEFRAME: &str = "timeframe";

/// A rollup and its source, as a snapshot of the store has it.
pub(super) struct Plan<'r> {
    pub(super) rollup: &'r Rollup,
    /// The table that takes the rows.
    pub(super) table: Table,
    pub(super) width: Width,
    /// The place of the timeframe in the key.
    timeframe: Option<usize>,
    /// The query up to its conditions.
    select: String,
    /// The conditions that all rows must meet.
    conditions: Vec<String>,
    group_by: String,
}

impl<'r> Plan<'r> {
    /// Plans a rollup.
    ///
    /// Fails where its source, or a column or function of its aggregates, is gone.
    pub(super) fn new(engine: &Engine, snapshot: &Snapshot, rollup: &'r Rollup) -> Result<Self> {
        let source = source(snapshot, rollup.from())?;
        let timeframe = source.key_index(TIMEFRAME);
        let mut conditions = timeframe_condition(rollup, timeframe)?;
        // The line ends behind it: it may have a comment.
        conditions.extend(rollup.text.condition.iter().map(|condition| format!("({condition}\n)")));
        let width = Width::parse(&rollup.text.every).map_err(|text| anyhow!("{text}"))?;
        let keys = source.key.iter().filter(|column| column.name != TIMEFRAME);
        let mut columns: Vec<String> = keys.map(|column| quoted(&column.name)).collect();
        let bucket = format!("time_bucket('{}', ts)", rollup.text.every);
        let group_by =
            columns.iter().map(String::as_str).chain([bucket.as_str()]).collect::<Vec<_>>().join(", ");
        columns.push(format!("{bucket} AS ts"));
        let grouped = columns.len();
        let mut aggregates = aggregates(rollup, &source)?;
        if let Some(one) =
            aggregates.iter().find(|one| one.name == "ts" || source.key_index(&one.name).is_some())
        {
            bail!(Failure::usage(format!("column '{}' is part of the key already", one.name)));
        }
        keep_order(&mut aggregates, snapshot, rollup, &source);
        columns.extend(
            aggregates.iter().map(|Aggregate { name, sql }| format!("({sql}\n) AS {}", quoted(name))),
        );
        let select = format!("SELECT {} FROM {}", columns.join(", "), quoted(&source.name));
        let mut plan = Self { rollup, table: source, width, timeframe, select, conditions, group_by };
        plan.table = plan.target(engine, grouped)?;
        Ok(plan)
    }

    /// Returns the table that takes the rows, with the types that the engine gives them.
    fn target(&self, engine: &Engine, grouped: usize) -> Result<Table> {
        let answer = engine.query(&format!("{} LIMIT 0", self.sql(None, &[])))?;
        if !answer.is_repeatable() {
            bail!(Failure::usage(
                "its columns hang on more than the rows of its source, such as the time of day"
            ));
        }
        let columns = answer.columns()?;
        let values = columns.get(grouped..).context("the query has the columns of its key")?;
        let text = TableText {
            key: self.table.to_text().key,
            values: values.iter().map(|(name, kind)| format!("{name} {kind}")).collect(),
            ..TableText::default()
        };
        Table::parse(&self.rollup.name, &text).context(Failure::usage("its columns make no table"))
    }

    /// Returns the query for the buckets of a span, with more conditions.
    pub(super) fn sql(&self, span: Option<Span>, more: &[String]) -> String {
        let range = span.map(range).unwrap_or_default();
        let conditions: Vec<&str> =
            self.conditions.iter().chain(&range).chain(more).map(String::as_str).collect();
        format!("{}{} GROUP BY {}", self.select, filter(&conditions), self.group_by)
    }

    /// Returns the query for the first and the last time that the source has within a span.
    pub(super) fn extent_sql(&self, span: Span) -> String {
        let range = range(span);
        let timeframe = self.timeframe.and(self.conditions.first());
        let conditions: Vec<&str> = timeframe.into_iter().chain(&range).map(String::as_str).collect();
        let source = quoted(self.rollup.from());
        format!("SELECT min(ts), max(ts) FROM {source}{}", filter(&conditions))
    }

    /// Returns the key that a series of the source has in the rollup, `None` for one that is not taken.
    pub(super) fn key(&self, source: &SeriesKey) -> Option<SeriesKey> {
        let Some(at) = self.timeframe else { return Some(source.clone()) };
        let is_taken = match &source.0[at] {
            Value::Text(text) => Some(&**text) == self.rollup.text.timeframe.as_deref(),
            _ => false,
        };
        is_taken.then(|| {
            let mut key = source.clone();
            key.0[at] = self.every();
            key
        })
    }

    /// Returns for each key column its place in the answer; none where it is [`Plan::every`].
    pub(super) fn key_places(&self) -> Vec<Option<usize>> {
        let mut next = 0..;
        (0..self.table.key.len())
            .map(|at| if Some(at) == self.timeframe { None } else { next.next() })
            .collect()
    }

    /// Returns the value of the key column `timeframe`.
    pub(super) fn every(&self) -> Value {
        Value::Text(self.rollup.text.every.as_str().into())
    }

    /// Returns the start of the bucket of a time.
    pub(super) fn floor(&self, time: i64) -> i64 {
        self.width.floor(time).unwrap_or(i64::MIN)
    }

    /// Returns the whole buckets that a span touches.
    pub(super) fn widen(&self, span: Span) -> Span {
        let last = self.width.floor(span.stop.saturating_sub(1));
        let stop = last.and_then(|start| self.width.after(start)).unwrap_or(i64::MAX);
        Span { start: self.floor(span.start), stop }
    }

    /// Returns about how many buckets a span has.
    pub(super) fn count(&self, span: Span) -> u64 {
        let width = self.rollup.every.min_micros().max(MICROS_PER_SECOND);
        u64::try_from(span.micros() / width).unwrap_or(0).max(1)
    }
}

fn source(snapshot: &Snapshot, name: &str) -> Result<Table> {
    if let Some(table) = snapshot.tables().iter().find(|table| table.name == name) {
        return Ok(table.clone());
    }
    let failure = Failure::usage(format!("cannot find table '{name}'"));
    Err(match nearest(name, snapshot.tables().iter().map(|table| table.name.as_str())).first() {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("`barn info` lists the tables"),
    }
    .into())
}

/// Puts the columns that the rollup's table has before new ones, so that it can keep its rows.
fn keep_order(aggregates: &mut [Aggregate], snapshot: &Snapshot, rollup: &Rollup, source: &Table) {
    let Some(stored) = snapshot.tables().iter().find(|table| table.name == rollup.name) else { return };
    let has_all = stored.values.iter().all(|column| aggregates.iter().any(|one| one.name == column.name));
    if has_all && stored.key == source.key {
        aggregates.sort_by_key(|one| stored.value_index(&one.name).unwrap_or(usize::MAX));
    }
}

/// Returns the condition that only one timeframe is taken, as a list that is empty where the source has none.
fn timeframe_condition(rollup: &Rollup, at: Option<usize>) -> Result<Vec<String>> {
    let Rollup { name, text, .. } = rollup;
    match (&text.timeframe, at) {
        (Some(taken), Some(_)) => Ok(vec![format!("{TIMEFRAME} = {}", literal(taken))]),
        (None, None) => Ok(Vec::new()),
        (Some(_), None) => {
            bail!(
                Failure::usage(format!("table '{}' has no timeframe in its key", text.from))
                    .hint(format!("leave `timeframe` out of [rollup.{name}]"))
            )
        }
        (None, Some(_)) => bail!(
            Failure::usage(format!("table '{}' has several timeframes, and the rollup takes one", text.from))
                .hint(format!("`timeframe = \"1m\"` in [rollup.{name}] takes its bars of a minute"))
        ),
    }
}

fn filter(conditions: &[&str]) -> String {
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
}

/// Returns the conditions that a time lies in a span.
fn range(span: Span) -> Vec<String> {
    let mut range = Vec::new();
    if span.start > i64::MIN {
        range.push(format!("ts >= to_timestamp_micros({})", span.start));
    }
    if span.stop < i64::MAX {
        range.push(format!("ts < to_timestamp_micros({})", span.stop));
    }
    range
}

/// Returns the condition that a key column has one of some texts.
pub(super) fn is_one_of(column: &str, texts: &[&str]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| literal(text)).collect();
    format!("{} IN ({})", quoted(column), texts.join(", "))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
