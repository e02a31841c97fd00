//! A first pass over the rows: which datasets and months they fill, and which types hold their values.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Result;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::dataset::Known;
use super::layout::{Dataset, file_columns};
use super::narrow::{Choice, Values};
use super::rows::{Reader, Source};
use crate::error::go_on;
use crate::model::time::{MICROS_PER_DAY, civil_from_days, days_from_civil};
use crate::model::{Column, Table, ValueRef};
use crate::store::{RowHash, SeriesEntry};

/// A month of the calendar, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month {
    pub(super) year: i64,
    pub(super) month: u32,
}

impl Month {
    /// Returns the month of a time.
    pub(super) fn of(ts: i64) -> Self {
        let (year, month, _) = civil_from_days(ts.div_euclid(MICROS_PER_DAY));
        Self { year, month }
    }

    /// Returns its first microsecond.
    pub(super) fn start(self) -> i64 {
        days_from_civil(self.year, self.month, 1).saturating_mul(MICROS_PER_DAY)
    }

    /// Returns the month behind it.
    pub(super) fn next(self) -> Self {
        if self.month == 12 {
            Self { year: self.year + 1, month: 1 }
        } else {
            Self { year: self.year, month: self.month + 1 }
        }
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// What there is to archive of a dataset.
pub(super) struct Found {
    /// What an earlier run decided.
    pub(super) known: Known,
    /// Its series that have rows, in the order of their keys.
    pub(super) series: Vec<SeriesEntry>,
    /// The sums of the rows of each series.
    pub(super) sums: Vec<u64>,
    pub(super) rows: u64,
    pub(super) months: BTreeMap<Month, u64>,
    /// What is known of the columns of a file, in their order; of `ts` and `seq` nothing is needed.
    pub(super) columns: Vec<(Column, Values)>,
}

/// What there is to archive of a table.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) datasets: BTreeMap<Dataset, Found>,
    /// Rows that may still change.
    pub(super) open: u64,
}

/// What one series brings.
struct Part {
    rows: u64,
    open: u64,
    sum: u64,
    months: BTreeMap<Month, u64>,
    values: Vec<Values>,
}

/// Looks at all rows; `asked` says which types may be chosen.
pub(super) fn survey(
    rows: &dyn Source,
    series: Vec<SeriesEntry>,
    asked: Choice,
    (done, stop): (&AtomicU64, &AtomicBool),
) -> Result<Survey> {
    let table = rows.table();
    let mut known: BTreeMap<Dataset, Known> = BTreeMap::new();
    for entry in &series {
        if let Entry::Vacant(vacant) = known.entry(Dataset::of(table, &entry.key)) {
            let folder = vacant.key().folder(table);
            vacant.insert(Known::read(rows.snapshot(), table, &folder)?);
        }
    }
    let look = |reader: &mut dyn Reader, entry: &SeriesEntry| -> Result<Option<(Dataset, Part)>> {
        go_on(stop)?;
        let dataset = Dataset::of(table, &entry.key);
        let part = look_at((rows, reader), entry, &|column| known[&dataset].choice(column, asked))?;
        done.fetch_add(part.rows, Ordering::Relaxed);
        Ok((part.rows > 0 || part.open > 0).then_some((dataset, part)))
    };
    let parts: Vec<_> = if rows.is_seekable() {
        series.par_iter().map(|entry| look(&mut *rows.reader(), entry)).collect::<Result<_>>()?
    } else {
        let mut reader = rows.reader();
        series.iter().map(|entry| look(&mut *reader, entry)).collect::<Result<_>>()?
    };
    let (mut survey, origins) = (Survey::default(), origins(rows));
    for (entry, part) in series.into_iter().zip(parts) {
        let Some((dataset, part)) = part else { continue };
        survey.open += part.open;
        if part.rows == 0 {
            continue;
        }
        let found = match survey.datasets.entry(dataset) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(vacant) => {
                let known = known.remove(vacant.key()).unwrap_or_default();
                vacant.insert(Found::new(table, known, asked))
            }
        };
        add(found, &origins, entry, part);
    }
    Ok(survey)
}

impl Found {
    fn new(table: &Table, known: Known, asked: Choice) -> Self {
        let columns = file_columns(table).into_iter().map(|column| {
            let values = Values::new(column.kind, known.choice(&column, asked));
            (column, values)
        });
        Self {
            columns: columns.collect(),
            known,
            series: Vec::new(),
            rows: 0,
            months: BTreeMap::new(),
            sums: Vec::new(),
        }
    }
}

fn look_at(
    (rows, reader): (&dyn Source, &mut dyn Reader),
    entry: &SeriesEntry,
    choice: &dyn Fn(&Column) -> Choice,
) -> Result<Part> {
    let columns = rows.cells().iter().map(|at| &rows.table().values[*at]);
    let hash = RowHash::new(columns.clone());
    let mut part = Part {
        rows: 0,
        open: 0,
        sum: 0,
        months: BTreeMap::new(),
        values: columns.map(|column| Values::new(column.kind, choice(column))).collect(),
    };
    // Rows come in the order of time, so that a month is counted in one go.
    let (mut month, mut end, mut counted) = (Month { year: 0, month: 1 }, i64::MIN, 0_u64);
    part.open = reader.visit(entry, rows.all(), None, &mut |at, row| {
        if at.ts >= end {
            if counted > 0 {
                part.months.insert(month, counted);
            }
            month = Month::of(at.ts);
            (end, counted) = (month.next().start(), 0);
        }
        counted += 1;
        part.rows += 1;
        let hash = hash.row(at, |place| {
            let value = row.get(place)?;
            part.values[place].add(value);
            Ok(value)
        })?;
        part.sum = part.sum.wrapping_add(hash);
        Ok(ControlFlow::Continue(()))
    })?;
    if counted > 0 {
        part.months.insert(month, counted);
    }
    Ok(part)
}

/// Where the values of a column of a file come from.
enum Origin {
    /// The key column at this place.
    Key(usize),
    /// The value column at this place of a part.
    Part(usize),
    /// What stands for a value that no row has.
    Default,
    /// The order of the rows, of which nothing is asked.
    Order,
}

/// Returns the origins of the columns of a file: once for all series, since a table may have hundreds of columns.
fn origins(rows: &dyn Source) -> Vec<Origin> {
    let table = rows.table();
    let origin = |column: &Column| match (table.key_index(&column.name), table.value_index(&column.name)) {
        (Some(at), _) => Origin::Key(at),
        (None, Some(at)) => {
            let place = rows.cells().iter().position(|present| *present == at);
            place.map_or(Origin::Default, Origin::Part)
        }
        (None, None) => Origin::Order,
    };
    file_columns(table).iter().map(origin).collect()
}

fn add(found: &mut Found, origins: &[Origin], entry: SeriesEntry, part: Part) {
    found.rows += part.rows;
    for (month, rows) in part.months {
        *found.months.entry(month).or_insert(0) += rows;
    }
    for ((column, values), origin) in found.columns.iter_mut().zip(origins) {
        match *origin {
            Origin::Key(at) => values.add(entry.key.0[at].as_ref()),
            Origin::Part(place) => values.merge(&part.values[place]),
            Origin::Default if column.default.as_ref() != ValueRef::Null => values.count += part.rows,
            Origin::Default | Origin::Order => {}
        }
    }
    found.series.push(entry);
    found.sums.push(part.sum);
}
