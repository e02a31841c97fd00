//! A store with an archive against an ordered map: whatever is stored, corrected and compressed in whatever order,
//! queries and counts are those of the map.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use barn::archive::{Archiver, Choice, Dropped, Removal, Rewritten, Watch, open_store};
use barn::engine::Engine;
use barn::frame::{ColumnBuilder, Frame, FrameColumns};
use barn::model::{ColumnType, Counts, OnConflict, SeriesKey, Table, Value, ValueRef};
use barn::store::{Input, Snapshot, Store};
use proptest::prelude::*;

use super::nasty_double;

/// Cases where the environment does not say; one takes a tenth of a second.
const CASES: u32 = 200;

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::default() }
}

const SOURCES: [&str; 2] = ["one", "t/wo"];
const SYMBOLS: [&str; 3] = ["A", "B", "Ü "];

/// The time of a step: seventeen days each, so that months and years go by.
fn time(step: i64) -> i64 {
    1_690_000_000_000_000 + step * 17 * 86_400_000_000
}

/// Source, symbol and step.
type Key = (usize, usize, i64);

fn key() -> impl Strategy<Value = Key> {
    (0..SOURCES.len(), 0..SYMBOLS.len(), 0..24_i64)
}

#[derive(Clone, Debug, PartialEq)]
struct Bar {
    close: Option<f64>,
    trades: Option<i64>,
    is_final: bool,
}

fn bar() -> impl Strategy<Value = Bar> {
    let close = prop_oneof![
        3 => (0..5_i32).prop_map(f64::from),
        3 => (0..100_000_i32).prop_map(|cents| f64::from(cents) / 100.0),
        1 => Just(1_099_511_627_776.0),
        1 => Just(0.5),
        2 => nasty_double().prop_map(|number| number + 0.0),
    ];
    let trades = prop_oneof![4 => 0..4_i64, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let (close, trades) = (proptest::option::weighted(0.8, close), proptest::option::weighted(0.5, trades));
    (close, trades, proptest::bool::weighted(0.9)).prop_map(|(close, trades, is_final)| Bar {
        close,
        trades,
        is_final,
    })
}

/// What happens to the store.
#[derive(Clone, Debug)]
enum Step {
    Bars { rows: Vec<(Key, Bar)>, rule: OnConflict, chunk: usize },
    Ticks(Vec<(Key, u8)>),
    Compress { until: Option<i64>, choice: Choice },
    Compact,
    Remove { symbol: usize, since: i64, until: i64 },
    Expire(i64),
    Query { symbol: usize, since: i64, until: i64, least: f64 },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let rule = prop_oneof![
        3 => Just(OnConflict::KeepKnown),
        2 => Just(OnConflict::Replace),
        1 => Just(OnConflict::Ignore),
        1 => Just(OnConflict::Fail),
    ];
    let bars = proptest::collection::vec((key(), bar()), 1..40);
    let ticks = proptest::collection::vec(((0..2_usize, 0..2_usize, 0..5_i64), 0..3_u8), 1..30);
    let choice = prop_oneof![Just(Choice::Plain), Just(Choice::Smallest)];
    prop_oneof![
        5 => (bars, rule, 1..60_usize).prop_map(|(rows, rule, chunk)| Step::Bars { rows, rule, chunk }),
        2 => ticks.prop_map(Step::Ticks),
        4 => (proptest::option::weighted(0.6, 0..25_i64), choice)
            .prop_map(|(until, choice)| Step::Compress { until, choice }),
        2 => (0..SYMBOLS.len(), 0..24_i64, 0..26_i64, 0..4_i32)
            .prop_map(|(symbol, since, until, least)| Step::Query { symbol, since, until, least: f64::from(least) }),
        3 => Just(Step::Compact),
        1 => (0..SYMBOLS.len(), 0..24_i64, 0..26_i64)
            .prop_map(|(symbol, since, until)| Step::Remove { symbol, since, until }),
        1 => (0..8_i64).prop_map(Step::Expire),
        1 => Just(Step::Reopen),
    ]
}

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Hot,
    Archived,
    /// In both; the hot one counts.
    Corrected,
}

/// The store as an ordered map.
#[derive(Clone, Default)]
struct Model {
    bars: BTreeMap<Key, (Bar, Place)>,
    /// For each tick how many are hot and how many are archived.
    ticks: BTreeMap<(Key, u8), (u64, u64)>,
}

/// Returns the row that is left of an earlier and a later one; `None` where the rule is to fail.
fn merge(earlier: &Bar, later: &Bar, rule: OnConflict) -> Option<Bar> {
    match rule {
        OnConflict::Ignore => Some(earlier.clone()),
        OnConflict::Replace => Some(later.clone()),
        OnConflict::KeepKnown | OnConflict::Fail => {
            let close = later.close.or(earlier.close);
            let trades = later.trades.or(earlier.trades);
            let merged = Bar { close, trades, is_final: later.is_final };
            (rule == OnConflict::KeepKnown || merged == *earlier).then_some(merged)
        }
    }
}

impl Model {
    /// Stores a batch; `None` where the rule is to fail.
    fn store(&mut self, rows: &[(Key, Bar)], rule: OnConflict) -> Option<Counts> {
        let mut batch: BTreeMap<Key, Bar> = BTreeMap::new();
        let mut counts = Counts::default();
        for (key, bar) in rows {
            let bar = match batch.get(key) {
                Some(earlier) => {
                    counts.repeated += 1;
                    merge(earlier, bar, rule)?
                }
                None => bar.clone(),
            };
            batch.insert(*key, bar);
        }
        for (key, bar) in batch {
            match self.bars.get_mut(&key) {
                None => {
                    self.bars.insert(key, (bar, Place::Hot));
                    counts.inserted += 1;
                }
                Some((known, place)) => {
                    let merged = merge(known, &bar, rule)?;
                    if merged == *known {
                        counts.unchanged += 1;
                    } else {
                        *known = merged;
                        if *place == Place::Archived {
                            *place = Place::Corrected;
                        }
                        counts.updated += 1;
                    }
                }
            }
        }
        Some(counts)
    }

    fn store_ticks(&mut self, ticks: &[(Key, u8)]) -> Counts {
        let mut came: BTreeMap<(Key, u8), u64> = BTreeMap::new();
        for tick in ticks {
            *came.entry(*tick).or_default() += 1;
        }
        let mut counts = Counts::default();
        for (tick, count) in came {
            let (hot, archived) = self.ticks.entry(tick).or_default();
            let new = count.saturating_sub(*hot + *archived);
            *hot += new;
            counts.inserted += new;
            counts.unchanged += count - new;
        }
        counts
    }

    /// Archives and returns how many bars and ticks left.
    fn compress(&mut self, until: Option<i64>) -> (u64, u64) {
        let is_before = |step: i64| until.is_none_or(|until| step < until);
        let (mut bars, mut moved) = (0, 0);
        for ((_, _, step), (bar, place)) in &mut self.bars {
            if *place == Place::Hot && bar.is_final && is_before(*step) {
                *place = Place::Archived;
                bars += 1;
            }
        }
        for (((_, _, step), _), (hot, archived)) in &mut self.ticks {
            if is_before(*step) {
                moved += *hot;
                *archived += std::mem::take(hot);
            }
        }
        (bars, moved)
    }

    fn lines<'m>(&'m self, keep: impl Fn(&Key, &Bar) -> bool + 'm) -> Vec<String> {
        let kept = self.bars.iter().filter(|(key, (bar, _))| keep(key, bar));
        kept.map(|(key, (bar, _))| {
            format!(
                "{}|{}|{}|{:?}|{:?}|{}",
                SOURCES[key.0],
                SYMBOLS[key.1],
                time(key.2),
                bar.close,
                bar.trades,
                bar.is_final
            )
        })
        .collect()
    }

    fn tick_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for ((key, price), (hot, archived)) in &self.ticks {
            for _ in 0..hot + archived {
                let (source, symbol, ts) = (SOURCES[key.0], SYMBOLS[key.1], time(key.2));
                lines.push(format!("{source}|{symbol}|{ts}|{:?}", Some(f64::from(*price))));
            }
        }
        lines
    }
}

/// The distinct keys of rows, and for each row the place of its key.
fn keys<'r>(table: &Table, rows: impl Iterator<Item = &'r Key>) -> (Vec<SeriesKey>, Vec<u32>) {
    let mut known: Vec<(usize, usize)> = Vec::new();
    let places = rows.map(|key| {
        let series = (key.0, key.1);
        let at = known.iter().position(|other| *other == series).unwrap_or_else(|| {
            known.push(series);
            known.len() - 1
        });
        u32::try_from(at).unwrap()
    });
    let places = places.collect();
    let key = |(source, symbol): &(usize, usize)| {
        let text = |name: &str| match name {
            "source" => SOURCES[*source],
            "symbol" => SYMBOLS[*symbol],
            _ => "1m",
        };
        SeriesKey(table.key.iter().map(|column| Value::Text(text(&column.name).into())).collect())
    };
    (known.iter().map(key).collect(), places)
}

fn bars_frame(table: &Table, rows: &[(Key, Bar)]) -> Frame {
    let (keys, series) = keys(table, rows.iter().map(|(key, _)| key));
    let mut values: Vec<Option<ColumnBuilder>> = table.values.iter().map(|_| None).collect();
    let mut column = |name: &str, kind, cell: &dyn Fn(&Bar) -> ValueRef<'static>| {
        let mut builder = ColumnBuilder::new(kind, rows.len());
        for (_, bar) in rows {
            builder.push(cell(bar));
        }
        values[table.value_index(name).unwrap()] = Some(builder);
    };
    column("close", ColumnType::Double, &|bar| bar.close.map_or(ValueRef::Null, ValueRef::Double));
    column("trades", ColumnType::Bigint, &|bar| bar.trades.map_or(ValueRef::Null, ValueRef::Bigint));
    column("final", ColumnType::Boolean, &|bar| ValueRef::Boolean(bar.is_final));
    let ts = rows.iter().map(|(key, _)| time(key.2)).collect();
    Frame::new(FrameColumns { keys, series, ts, seq: None, values })
}

fn ticks_frame(table: &Table, ticks: &[(Key, u8)]) -> Frame {
    let (keys, series) = keys(table, ticks.iter().map(|(key, _)| key));
    let mut values: Vec<Option<ColumnBuilder>> = table.values.iter().map(|_| None).collect();
    let mut builder = ColumnBuilder::new(ColumnType::Double, ticks.len());
    for (_, price) in ticks {
        builder.push(ValueRef::Double(f64::from(*price)));
    }
    values[table.value_index("price").unwrap()] = Some(builder);
    let ts = ticks.iter().map(|(key, _)| time(key.2)).collect();
    Frame::new(FrameColumns { keys, series, ts, seq: None, values })
}

/// Writes frames in one transaction.
fn write(store: &mut Store, table: &Table, rule: OnConflict, frames: Vec<Frame>) -> anyhow::Result<Counts> {
    let mut input = Input::new(&table.name, rule);
    let mut counts = Counts::default();
    store.begin()?;
    store.define(table)?;
    for frame in frames {
        match store.write(&mut input, frame) {
            Ok(written) => counts += written,
            Err(err) => {
                store.rollback()?;
                return Err(err);
            }
        }
    }
    store.commit()?;
    Ok(counts)
}

/// Archives a table as another process would, and returns how many rows left.
fn compress(root: &Path, table: &Table, options: barn::archive::Options) -> u64 {
    let mut store = Store::open(root).unwrap();
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut archiver = Archiver::open(root, &mut store).unwrap();
    let outcome = archiver.table(table, options, Watch { done: &done, stop: &stop }).unwrap();
    assert_eq!(outcome.rows(), outcome.published.deleted);
    outcome.rows()
}

/// Works on the archive as another process would.
fn archiver(
    root: &Path,
    work: impl FnOnce(&mut Archiver<'_>, Watch<'_>) -> anyhow::Result<Rewritten>,
) -> Rewritten {
    let mut store = Store::open(root).unwrap();
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    work(&mut Archiver::open(root, &mut store).unwrap(), Watch { done: &done, stop: &stop }).unwrap()
}

/// Returns the rows of a query, cells parted by `|`.
fn query(root: &Path, sql: &str) -> Vec<String> {
    let snapshot = Arc::new(Snapshot::open(root, 2).unwrap());
    let engine = Engine::new(snapshot, &barn::engine::Options::default()).unwrap();
    let mut answer = engine.query(sql).unwrap();
    let mut lines = Vec::new();
    while let Some(batch) = answer.next_batch().unwrap() {
        lines.extend((0..batch.num_rows()).map(|row| line(&batch, row)));
    }
    lines
}

fn line(batch: &RecordBatch, row: usize) -> String {
    let cells: Vec<_> = batch.columns().iter().map(|column| cell(column, row)).collect();
    cells.join("|")
}

fn cell(column: &ArrayRef, row: usize) -> String {
    let is_there = !column.is_null(row);
    if let Some(numbers) = column.as_primitive_opt::<Float64Type>() {
        return format!("{:?}", is_there.then(|| numbers.value(row)));
    }
    if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
        return format!("{:?}", is_there.then(|| numbers.value(row)));
    }
    if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return times.value(row).to_string();
    }
    ArrayFormatter::try_new(column, &FormatOptions::default()).unwrap().value(row).to_string()
}

const BARS: &str = "SELECT source, symbol, ts, close, trades, final FROM bars";
const ORDER: &str = "ORDER BY source, symbol, ts";

/// A store beside its model.
struct Both {
    folder: tempfile::TempDir,
    store: Option<Store>,
    model: Model,
    bars: Table,
    trades: Table,
}

impl Both {
    fn new() -> Self {
        // Every transaction waits for the disk, where it is one.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let store = open_store(folder.path()).unwrap();
        let table = |name: &str| store.table(name).unwrap().clone();
        let (bars, trades) = (table("bars"), table("trades"));
        Self { folder, store: Some(store), model: Model::default(), bars, trades }
    }

    fn take(&mut self, step: &Step) {
        let root = self.folder.path().to_owned();
        match step {
            Step::Bars { rows, rule, chunk } => self.store_bars(rows, *rule, *chunk),
            Step::Ticks(ticks) => {
                let expected = self.model.store_ticks(ticks);
                let frame = ticks_frame(&self.trades, ticks);
                let store = self.store.as_mut().unwrap();
                let counts = write(store, &self.trades, OnConflict::KeepKnown, vec![frame]).unwrap();
                assert_eq!(counts, expected);
            }
            Step::Compress { until, choice } => {
                let options =
                    barn::archive::Options { until: until.map(time), choice: *choice, ..Default::default() };
                let expected = self.model.compress(*until);
                let moved = (compress(&root, &self.bars, options), compress(&root, &self.trades, options));
                assert_eq!(moved, expected);
                self.check();
            }
            Step::Compact => self.compact(&root),
            Step::Remove { symbol, since, until } => {
                let is_gone = |key: &Key| key.1 == *symbol && (*since..*until).contains(&key.2);
                self.remove(&root, is_gone);
            }
            Step::Expire(before) => self.expire(&root, *before),
            Step::Query { symbol, since, until, least } => {
                let sql = format!(
                    "{BARS} WHERE symbol = '{}' AND ts >= to_timestamp_micros({}) AND ts < to_timestamp_micros({})
                     AND close >= {least:?} {ORDER}",
                    SYMBOLS[*symbol],
                    time(*since),
                    time(*until)
                );
                let expected = self.model.lines(|key, bar| {
                    key.1 == *symbol
                        && (*since..*until).contains(&key.2)
                        && bar.close.is_some_and(|close| close >= *least)
                });
                assert_eq!(query(&root, &sql), expected, "{sql}");
            }
            Step::Reopen => {
                self.store = None;
                self.store = Some(open_store(&root).unwrap());
            }
        }
    }

    fn compact(&mut self, root: &Path) {
        for (bar, place) in self.model.bars.values_mut() {
            if *place == Place::Corrected && bar.is_final {
                *place = Place::Archived;
            }
        }
        for table in [&self.bars, &self.trades] {
            archiver(root, |archiver, watch| archiver.compact(table, watch));
            let again = archiver(root, |archiver, watch| archiver.compact(table, watch));
            assert!(again.is_nothing(), "{again:?}");
        }
        self.check();
    }

    /// Takes all bars before a step out.
    fn expire(&mut self, root: &Path, before: i64) {
        let gone = self.model.bars.keys().filter(|key| key.2 < before).count();
        self.model.bars.retain(|key, _| key.2 >= before);
        let rows = Dropped { before: Some(time(before)), ..Dropped::default() };
        let removal = Removal { rows, ..Removal::default() };
        let done = archiver(root, |archiver, watch| archiver.remove(&self.bars, |_| Ok(removal), watch));
        assert_eq!(done.dropped, gone as u64);
        self.check();
    }

    /// Takes bars out, wherever they are.
    fn remove(&mut self, root: &Path, is_gone: impl Fn(&Key) -> bool) {
        let mut rows = Dropped::default();
        let series = Snapshot::open(root, 1).unwrap().series("bars").unwrap();
        for key in self.model.bars.keys().filter(|key| is_gone(key)) {
            let (keys, _) = keys(&self.bars, [key].into_iter());
            let entry = series.iter().find(|entry| entry.key == keys[0]).unwrap();
            rows.keys.entry(entry.id).or_default().insert((time(key.2), 0));
        }
        let gone: usize = rows.keys.values().map(std::collections::BTreeSet::len).sum();
        self.model.bars.retain(|key, _| !is_gone(key));
        let removal = Removal { rows, ..Removal::default() };
        let done = archiver(root, |archiver, watch| archiver.remove(&self.bars, |_| Ok(removal), watch));
        assert_eq!(done.dropped, gone as u64);
        self.check();
    }

    fn store_bars(&mut self, rows: &[(Key, Bar)], rule: OnConflict, chunk: usize) {
        let mut rows = rows.to_vec();
        if rule == OnConflict::Fail {
            // Whether a key twice in an input fails is another property.
            let mut seen = Vec::new();
            rows.retain(|(key, _)| {
                !seen.contains(key) && {
                    seen.push(*key);
                    true
                }
            });
        }
        let mut model = self.model.clone();
        let mut expected = Some(Counts::default());
        for chunk in rows.chunks(chunk) {
            let counts = model.store(chunk, rule);
            expected = expected.zip(counts).map(|(mut sum, counts)| {
                sum += counts;
                sum
            });
            if expected.is_none() {
                break;
            }
        }
        let frames = rows.chunks(chunk).map(|rows| bars_frame(&self.bars, rows)).collect();
        let written = write(self.store.as_mut().unwrap(), &self.bars, rule, frames);
        match (written, expected) {
            (Ok(written), Some(expected)) => {
                assert_eq!(written, expected);
                self.model = model;
            }
            (Err(err), None) => assert!(format!("{err:#}").contains("the store "), "{err:#}"),
            (Ok(written), None) => panic!("expected a conflict, it wrote {written:?}"),
            (Err(err), Some(_)) => panic!("{err:#}"),
        }
    }

    /// Compares all rows.
    fn check(&self) {
        let root = self.folder.path();
        assert_eq!(query(root, &format!("{BARS} {ORDER}")), self.model.lines(|_, _| true));
        let count = |rows: usize| [format!("Some({rows})")];
        assert_eq!(query(root, "SELECT count(*) FROM bars"), count(self.model.bars.len()));
        let ticks = "SELECT source, symbol, ts, price FROM trades ORDER BY source, symbol, ts, price";
        let expected = self.model.tick_lines();
        assert_eq!(query(root, ticks), expected);
        let distinct = "SELECT count(*) FROM (SELECT DISTINCT source, symbol, ts, seq FROM trades)";
        assert_eq!(query(root, distinct), count(expected.len()));
        let snapshot = Snapshot::open(root, 1).unwrap();
        for table in ["bars", "trades"] {
            let checked = snapshot.check_rows(table, &|| Ok(())).unwrap();
            assert_eq!(checked.damage.len() + checked.problems.len() + checked.differing.len(), 0, "{table}");
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_store_with_an_archive_is_an_ordered_map(steps in proptest::collection::vec(step(), 1..14)) {
        let mut both = Both::new();
        for step in &steps {
            both.take(step);
        }
        both.check();
        both.take(&Step::Compress { until: None, choice: Choice::Plain });
        both.take(&Step::Reopen);
        both.check();
    }
}
