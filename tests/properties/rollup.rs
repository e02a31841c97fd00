//! Rollups against the query that defines them: whatever is stored, corrected, deleted and compressed, and whenever
//! they are made again in between, each equals the same query over its source.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use barn::archive::{Archiver, Watch, open_store};
use barn::engine::{Engine, Options as EngineOptions};
use barn::error::{exit_code, report};
use barn::frame::{ColumnBuilder, Frame, FrameColumns};
use barn::model::{ColumnType, OnConflict, SeriesKey, Span, Table, Value, ValueRef};
use barn::rollup::{KILL_POINTS, Options, RollupOutcome, estimate, pending, refresh};
use barn::store::{Input, Snapshot, Store};
use proptest::prelude::*;

/// Cases where the environment does not say; one takes a third of a second.
const CASES: u32 = 32;

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() }
}

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1_440 * MINUTE;
/// 2024-01-28 00:00 UTC, a Sunday near the end of a month.
const START: i64 = 1_706_400_000_000_000;
const STEPS: i64 = 160;

/// The time of a step: eleven minutes each, and each fortieth is followed by some days without rows.
fn time(step: i64) -> i64 {
    START + step * 11 * MINUTE + step / 40 * 3 * DAY
}

const SYMBOLS: [&str; 3] = ["A", "B'C", "Ü"];
const TIMEFRAMES: [&str; 2] = ["1m", "1d"];

/// Symbol, timeframe and step.
type Key = (usize, usize, i64);

fn key() -> impl Strategy<Value = Key> {
    (0..SYMBOLS.len(), prop_oneof![4 => Just(0_usize), 1 => Just(1)], 0..STEPS)
}

/// A bar; what is added up is a small whole number.
#[derive(Clone, Debug)]
struct Bar {
    prices: [Option<f64>; 4],
    volume: Option<f64>,
    vwap: Option<f64>,
    trades: Option<i64>,
    is_final: bool,
}

fn bar() -> impl Strategy<Value = Bar> {
    let price = || proptest::option::weighted(0.8, super::nasty_double().prop_map(|number| number + 0.0));
    let whole = |most: i32| proptest::option::weighted(0.8, (0..most).prop_map(f64::from));
    let prices = [price(), price(), price(), price()];
    let trades = proptest::option::weighted(0.6, 0..9_i64);
    (prices, whole(6), whole(50), trades, proptest::bool::weighted(0.9))
        .prop_map(|(prices, volume, vwap, trades, is_final)| Bar { prices, volume, vwap, trades, is_final })
}

/// What happens to the store.
#[derive(Clone, Debug)]
enum Step {
    Bars {
        rows: Vec<(Key, Bar)>,
        rule: OnConflict,
    },
    Ticks(Vec<(usize, i64, u8)>),
    Compress(Option<i64>),
    Delete {
        symbol: usize,
        since: i64,
        steps: i64,
    },
    /// Another definition of a rollup.
    Redefine(usize),
    /// The writer's rows and their notes are taken back.
    Rollback(Vec<(Key, Bar)>),
    Refresh,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let rule = prop_oneof![3 => Just(OnConflict::KeepKnown), 2 => Just(OnConflict::Replace), 1 => Just(OnConflict::Ignore)];
    let rows = |most| proptest::collection::vec((key(), bar()), 1..most);
    let ticks = proptest::collection::vec((0..2_usize, 0..STEPS, 0..4_u8), 1..30);
    prop_oneof![
        6 => (rows(40), rule).prop_map(|(rows, rule)| Step::Bars { rows, rule }),
        2 => ticks.prop_map(Step::Ticks),
        2 => proptest::option::weighted(0.7, 0..STEPS).prop_map(Step::Compress),
        2 => (0..SYMBOLS.len(), 0..STEPS, 1..60_i64)
            .prop_map(|(symbol, since, steps)| Step::Delete { symbol, since, steps }),
        1 => (0..DEFINITIONS.len()).prop_map(Step::Redefine),
        1 => rows(10).prop_map(Step::Rollback),
        5 => Just(Step::Refresh),
        1 => Just(Step::Reopen),
    ]
}

/// The rollups that stay, and the queries they equal, keys first.
const ROLLUPS: &str = r#"
[rollup.bars_1h]
from = "bars"
timeframe = "1m"
every = "1h"
columns = { n = "count(*)", mean = "avg(volume)", late = "max(ts) -- a comment" }

[rollup.bars_1mo]
from = "bars_1h"
timeframe = "1h"
every = "1mo"

[rollup.ticks]
from = "trades"
every = "1w"
"#;

const QUERIES: &[(&str, &str)] = &[
    (
        "bars_1h",
        "SELECT source, symbol, '1h' AS timeframe, time_bucket('1h', ts) AS ts, first(open, ts), max(high), min(low),
                last(close, ts), sum(volume), last(adj_close, ts), sum(vwap * volume) / nullif(sum(volume) FILTER (WHERE vwap IS NOT NULL), 0),
                sum(trades), last(open_interest, ts), bool_and(final), max(ts), avg(volume), count(*)
         FROM bars WHERE timeframe = '1m' GROUP BY source, symbol, time_bucket('1h', ts)",
    ),
    (
        "bars_1mo",
        "SELECT source, symbol, '1mo' AS timeframe, time_bucket('1mo', ts) AS ts, first(open, ts), max(high), min(low),
                last(close, ts), sum(volume), last(adj_close, ts), sum(vwap * volume) / nullif(sum(volume) FILTER (WHERE vwap IS NOT NULL), 0),
                sum(trades), last(open_interest, ts), bool_and(final)
         FROM bars_1h GROUP BY source, symbol, time_bucket('1mo', ts)",
    ),
    (
        "ticks",
        "SELECT source, symbol, time_bucket('1w', ts) AS ts, min_by(price, CAST(ts AS BIGINT) * 1000 + seq), max(price),
                min(price), max_by(price, CAST(ts AS BIGINT) * 1000 + seq), sum(size), count(*)
         FROM trades GROUP BY source, symbol, time_bucket('1w', ts)",
    ),
];

/// Definitions of one more rollup, of which one is in force.
const DEFINITIONS: [(&str, &str); 3] = [
    (
        "from = 'bars'\ntimeframe = '1m'\nevery = '1d'\nwhere = \"volume > 2 OR symbol = 'B''C'\"",
        "SELECT source, symbol, '1d' AS timeframe, time_bucket('1d', ts) AS ts, first(open, ts), max(high), min(low),
                last(close, ts), sum(volume), last(adj_close, ts), sum(vwap * volume) / nullif(sum(volume) FILTER (WHERE vwap IS NOT NULL), 0),
                sum(trades), last(open_interest, ts), bool_and(final)
         FROM bars WHERE timeframe = '1m' AND (volume > 2 OR symbol = 'B''C') GROUP BY source, symbol, time_bucket('1d', ts)",
    ),
    (
        "from = 'bars'\ntimeframe = '1m'\nevery = '1d'\nwhere = 'volume > 4'",
        "SELECT source, symbol, '1d' AS timeframe, time_bucket('1d', ts) AS ts, first(open, ts), max(high), min(low),
                last(close, ts), sum(volume), last(adj_close, ts), sum(vwap * volume) / nullif(sum(volume) FILTER (WHERE vwap IS NOT NULL), 0),
                sum(trades), last(open_interest, ts), bool_and(final)
         FROM bars WHERE timeframe = '1m' AND (volume > 4) GROUP BY source, symbol, time_bucket('1d', ts)",
    ),
    (
        "from = 'trades'\nevery = '3h'\ncolumns = { open = 'count(DISTINCT price)', day = 'CAST(max(ts) AS DATE)' }",
        "SELECT source, symbol, time_bucket('3h', ts) AS ts, count(DISTINCT price), max(price), min(price),
                max_by(price, CAST(ts AS BIGINT) * 1000 + seq), sum(size), count(*), CAST(max(ts) AS DATE)
         FROM trades GROUP BY source, symbol, time_bucket('3h', ts)",
    ),
];

/// Stands in a child process for the folder of the store that it refreshes.
const CHILD: &str = "BARN_TEST_ROLLUP";

fn folder() -> tempfile::TempDir {
    // Every transaction waits for the disk, where it is one.
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn declare(root: &Path, text: &str) {
    std::fs::write(root.join("barn.toml"), text).unwrap();
}

/// Makes rollups; none may fail.
fn make(root: &Path) -> Vec<RollupOutcome> {
    let outcomes = tried(root, &Options::default());
    for outcome in &outcomes {
        assert!(outcome.error.is_none(), "{:#}", outcome.error.as_ref().unwrap());
    }
    outcomes
}

fn tried(root: &Path, options: &Options) -> Vec<RollupOutcome> {
    refresh(root, options, Watch { done: &AtomicU64::new(0), stop: &AtomicBool::new(false) }).unwrap()
}

/// Returns how many rollups are not up to date.
fn stale(root: &Path) -> usize {
    pending(&Snapshot::open(root, 1).unwrap()).unwrap()
}

fn outcome<'o>(outcomes: &'o [RollupOutcome], name: &str) -> &'o RollupOutcome {
    outcomes.iter().find(|outcome| outcome.name == name).unwrap()
}

/// Returns the sorted rows of a query as text; as a store keeps them, without NaN and −0.0.
fn query(root: &Path, sql: &str) -> Vec<String> {
    let engine = Engine::new(Arc::new(Snapshot::open(root, 2).unwrap()), &EngineOptions::default()).unwrap();
    let mut answer = engine.query(sql).unwrap();
    let width = answer.schema.fields().len();
    let mut lines = Vec::new();
    while let Some(values) = answer.next_values().unwrap() {
        for row in 0..values.len() {
            let cell = |at: usize| match values.get(at, row) {
                ValueRef::Double(number) if number.is_nan() => "null".to_owned(),
                ValueRef::Double(number) => (number + 0.0).to_bits().to_string(),
                value => value.shown(),
            };
            lines.push((0..width).map(cell).collect::<Vec<_>>().join("|"));
        }
    }
    lines.sort();
    lines
}

/// The rows of `bars` as a frame.
fn bars_frame(table: &Table, rows: &[(Key, Bar)]) -> Frame {
    let mut series = Vec::new();
    let mut keys: Vec<(usize, usize)> = Vec::new();
    for ((symbol, timeframe, _), _) in rows {
        let at = keys.iter().position(|key| *key == (*symbol, *timeframe)).unwrap_or_else(|| {
            keys.push((*symbol, *timeframe));
            keys.len() - 1
        });
        series.push(u32::try_from(at).unwrap());
    }
    let mut values: Vec<Option<ColumnBuilder>> = table.values.iter().map(|_| None).collect();
    let mut column = |name: &str, kind, cell: &dyn Fn(&Bar) -> ValueRef<'static>| {
        let mut builder = ColumnBuilder::new(kind, rows.len());
        for (_, bar) in rows {
            builder.push(cell(bar));
        }
        values[table.value_index(name).unwrap()] = Some(builder);
    };
    let double = |cell: Option<f64>| cell.map_or(ValueRef::Null, ValueRef::Double);
    for (at, name) in ["open", "high", "low", "close"].into_iter().enumerate() {
        column(name, ColumnType::Double, &|bar| double(bar.prices[at]));
    }
    column("volume", ColumnType::Double, &|bar| double(bar.volume));
    column("vwap", ColumnType::Double, &|bar| double(bar.vwap));
    column("trades", ColumnType::Bigint, &|bar| bar.trades.map_or(ValueRef::Null, ValueRef::Bigint));
    column("final", ColumnType::Boolean, &|bar| ValueRef::Boolean(bar.is_final));
    let text = |text: &str| Value::Text(text.into());
    let key = |(symbol, timeframe): &(usize, usize)| {
        SeriesKey([text("x"), text(SYMBOLS[*symbol]), text(TIMEFRAMES[*timeframe])].into())
    };
    let ts = rows.iter().map(|((_, _, step), _)| time(*step)).collect();
    Frame::new(FrameColumns { keys: keys.iter().map(key).collect(), series, ts, seq: None, values })
}

fn ticks_frame(table: &Table, ticks: &[(usize, i64, u8)]) -> Frame {
    let mut values: Vec<Option<ColumnBuilder>> = table.values.iter().map(|_| None).collect();
    for name in ["price", "size"] {
        let mut builder = ColumnBuilder::new(ColumnType::Double, ticks.len());
        for (_, _, number) in ticks {
            builder.push(ValueRef::Double(f64::from(*number)));
        }
        values[table.value_index(name).unwrap()] = Some(builder);
    }
    let text = |text: &str| Value::Text(text.into());
    Frame::new(FrameColumns {
        keys: SYMBOLS.iter().map(|symbol| SeriesKey([text("x"), text(symbol)].into())).collect(),
        series: ticks.iter().map(|(symbol, _, _)| u32::try_from(*symbol).unwrap()).collect(),
        ts: ticks.iter().map(|(_, step, _)| time(*step)).collect(),
        seq: None,
        values,
    })
}

/// A store with rollups.
struct Rolled {
    folder: tempfile::TempDir,
    store: Option<Store>,
    definition: usize,
}

impl Rolled {
    fn new() -> Self {
        let folder = folder();
        let mut rolled = Self { store: Some(open_store(folder.path()).unwrap()), folder, definition: 0 };
        rolled.declare();
        rolled
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn declare(&mut self) {
        let (definition, _) = DEFINITIONS[self.definition];
        declare(self.root(), &format!("{ROLLUPS}\n[rollup.changing]\n{definition}\n"));
    }

    fn write(&mut self, table: &str, rule: OnConflict, frame: impl Fn(&Table) -> Frame) {
        let store = self.store.as_mut().unwrap();
        let table = store.table(table).unwrap().clone();
        store.begin().unwrap();
        store.define(&table).unwrap();
        store.write(&mut Input::new(&table.name, rule), frame(&table)).unwrap();
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Bars { rows, rule } => {
                self.write("bars", *rule, |table| bars_frame(table, rows));
                self.store.as_mut().unwrap().commit().unwrap();
            }
            Step::Rollback(rows) => {
                self.write("bars", OnConflict::Replace, |table| bars_frame(table, rows));
                self.store.as_mut().unwrap().rollback().unwrap();
            }
            Step::Ticks(ticks) => {
                self.write("trades", OnConflict::KeepKnown, |table| ticks_frame(table, ticks));
                self.store.as_mut().unwrap().commit().unwrap();
            }
            Step::Compress(until) => self.compress(until.map(time)),
            Step::Delete { symbol, since, steps } => self.delete(SYMBOLS[*symbol], *since, since + steps),
            Step::Redefine(definition) => {
                self.definition = *definition;
                self.declare();
            }
            Step::Refresh => self.check(),
            Step::Reopen => self.store = Some(open_store(self.root()).unwrap()),
        }
    }

    /// Archives as another process would.
    fn compress(&self, until: Option<i64>) {
        let mut store = Store::open(self.root()).unwrap();
        let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        for name in ["bars", "trades"] {
            let table = store.table(name).unwrap().clone();
            let mut archiver = Archiver::open(self.root(), &mut store).unwrap();
            let options = barn::archive::Options { until, ..Default::default() };
            archiver.table(&table, options, Watch { done: &done, stop: &stop }).unwrap();
        }
    }

    /// Deletes hot rows of a symbol, and notes it.
    fn delete(&mut self, symbol: &str, since: i64, until: i64) {
        let snapshot = Snapshot::open(self.root(), 1).unwrap();
        let connection = rusqlite::Connection::open(self.root().join("barn.db")).unwrap();
        let span = Span { start: time(since), stop: time(until) };
        for entry in snapshot.series("bars").unwrap() {
            if entry.key.0[1] == Value::Text(symbol.into()) {
                connection
                    .execute(
                        "DELETE FROM bars_rows WHERE series = ?1 AND ts >= ?2 AND ts < ?3",
                        (entry.id, span.start, span.stop),
                    )
                    .unwrap();
                let store = self.store.as_mut().unwrap();
                store.begin().unwrap();
                store.note_change("bars", entry.id, span).unwrap();
                store.commit().unwrap();
            }
        }
    }

    /// Makes the rollups and compares all with their queries.
    fn check(&self) {
        let root = self.root();
        make(root);
        let changing = ("changing", DEFINITIONS[self.definition].1);
        for (name, sql) in QUERIES.iter().chain([&changing]) {
            assert_eq!(query(root, &format!("SELECT * FROM {name}")), query(root, sql), "{name}");
        }
        assert_eq!(stale(root), 0);
        assert_eq!(make(root).len(), 0);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_rollup_is_the_query_that_defines_it(steps in proptest::collection::vec(step(), 1..16)) {
        let mut rolled = Rolled::new();
        for step in &steps {
            rolled.take(step);
        }
        rolled.check();
    }
}

/// Rows of a symbol at some steps, all alike.
fn rows(symbol: usize, steps: std::ops::Range<i64>, price: f64) -> Step {
    let bar = Bar {
        prices: [Some(price); 4],
        volume: Some(2.0),
        vwap: Some(price.trunc()),
        trades: Some(1),
        is_final: true,
    };
    let rows = steps.map(|step| ((symbol, 0, step), bar.clone())).collect();
    Step::Bars { rows, rule: OnConflict::Replace }
}

#[test]
fn only_buckets_that_changed_are_made_again() {
    let mut rolled = Rolled::new();
    rolled.take(&rows(0, 0..160, 1.5));
    rolled.take(&rows(1, 0..160, 2.5));
    let first = make(rolled.root());
    let hours = outcome(&first, "bars_1h");
    assert!(hours.is_whole);
    let all = hours.written;
    assert_eq!((hours.buckets, hours.series, hours.deleted), (all, 2, 0));
    rolled.take(&rows(1, 7..8, 9.5));
    assert_eq!(stale(rolled.root()), 3, "the hours, their months, and the days");
    let again = make(rolled.root());
    let hours = outcome(&again, "bars_1h");
    assert_eq!((hours.is_whole, hours.buckets, hours.written, hours.series), (false, 1, 1, 1));
    let months = outcome(&again, "bars_1mo");
    assert_eq!((months.is_whole, months.written, months.series), (false, 1, 1));
    assert!(again.iter().all(|outcome| outcome.name != "ticks"));
    rolled.check();
}

#[test]
fn where_nothing_changed_nothing_is_written() {
    let mut rolled = Rolled::new();
    rolled.take(&rows(0, 0..50, 1.5));
    make(rolled.root());
    let version = |rolled: &Rolled| Snapshot::open(rolled.root(), 1).unwrap().version().unwrap().to_vec();
    let before = version(&rolled);
    rolled.take(&rows(0, 0..50, 1.5));
    assert_eq!((stale(rolled.root()), make(rolled.root()).len()), (0, 0));
    assert_eq!(version(&rolled), before);
    // What leaves for the archive does not change.
    rolled.take(&Step::Compress(None));
    assert_eq!(stale(rolled.root()), 0);
}

#[test]
fn a_bucket_without_rows_is_deleted() {
    let mut rolled = Rolled::new();
    rolled.take(&rows(0, 0..80, 1.5));
    rolled.take(&rows(1, 0..10, 1.5));
    make(rolled.root());
    rolled.delete(SYMBOLS[0], 0, 40);
    let outcomes = make(rolled.root());
    let hours = outcome(&outcomes, "bars_1h");
    assert!(hours.deleted > 5 && hours.written == 0, "{hours:?}");
    rolled.check();
    // Longer than any history.
    let id = Snapshot::open(rolled.root(), 1).unwrap().series("bars").unwrap()[1].id;
    let connection = rusqlite::Connection::open(rolled.root().join("barn.db")).unwrap();
    connection.execute("DELETE FROM bars_rows WHERE series = ?1", [id]).unwrap();
    let store = rolled.store.as_mut().unwrap();
    store.begin().unwrap();
    store.note_change("bars", id, Span { start: i64::MIN, stop: i64::MAX }).unwrap();
    store.commit().unwrap();
    make(rolled.root());
    assert_eq!(query(rolled.root(), "SELECT DISTINCT symbol FROM bars_1h"), ["A"]);
    rolled.check();
}

#[test]
fn a_series_that_is_gone_has_its_rollup_made_whole() {
    let mut rolled = Rolled::new();
    rolled.take(&rows(0, 0..20, 1.5));
    rolled.take(&rows(1, 0..20, 1.5));
    make(rolled.root());
    let store = rolled.store.as_mut().unwrap();
    store.begin().unwrap();
    store.note_change("bars", 2, Span { start: START, stop: START + DAY }).unwrap();
    store.commit().unwrap();
    let connection = rusqlite::Connection::open(rolled.root().join("barn.db")).unwrap();
    connection
        .execute_batch("DELETE FROM bars_rows WHERE series = 2; DELETE FROM bars_series WHERE id = 2")
        .unwrap();
    let outcomes = make(rolled.root());
    assert!(outcome(&outcomes, "bars_1h").is_whole);
    assert_eq!(query(rolled.root(), "SELECT DISTINCT symbol FROM bars_1h"), ["A"]);
    rolled.check();
}

#[test]
fn buckets_of_a_past_that_was_dropped_stay() {
    let mut rolled = Rolled::new();
    rolled.take(&rows(0, 0..100, 1.5));
    make(rolled.root());
    let before = query(rolled.root(), "SELECT * FROM bars_1h");
    rolled.delete(SYMBOLS[0], 0, 35);
    let keep_before = ["bars_1h", "bars_1mo"].map(|name| (name.to_owned(), time(35))).into();
    tried(rolled.root(), &Options { keep_before });
    assert_eq!(query(rolled.root(), "SELECT * FROM bars_1h"), before);
    assert_eq!(stale(rolled.root()), 0);
}

#[test]
fn an_estimate_changes_nothing() {
    let mut rolled = Rolled::new();
    rolled.take(&rows(0, 0..50, 1.5));
    let watched = |root: &Path| {
        let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        estimate(root, &Options::default(), Watch { done: &done, stop: &stop }).unwrap()
    };
    let version = |rolled: &Rolled| Snapshot::open(rolled.root(), 1).unwrap().version().unwrap().to_vec();
    let before = version(&rolled);
    let outcomes = watched(rolled.root());
    assert!(outcome(&outcomes, "bars_1h").is_whole);
    assert_eq!(version(&rolled), before);
    make(rolled.root());
    rolled.take(&rows(0, 3..4, 2.5));
    let outcomes = watched(rolled.root());
    let hours = outcome(&outcomes, "bars_1h");
    assert_eq!((hours.is_whole, hours.buckets, hours.series, hours.written), (false, 1, 1, 0));
    assert_eq!(stale(rolled.root()), 3);
}

/// Returns the error that opening a store with this `barn.toml` ends with.
fn refused(text: &str) -> String {
    let mut rolled = Rolled::new();
    rolled.take(&rows(0, 0..2, 1.5));
    let key = Table::parse(
        "mine",
        &barn::model::TableText { key: vec!["k text".to_owned()], ..barn::model::TableText::default() },
    );
    let store = rolled.store.as_mut().unwrap();
    store.begin().unwrap();
    store.define(&key.unwrap()).unwrap();
    store.commit().unwrap();
    declare(rolled.root(), text);
    let error = Snapshot::open(rolled.root(), 1).err().unwrap();
    assert_eq!(exit_code(&error), 2, "{error:#}");
    format!("{error:#}")
}

#[test]
fn bad_declarations_are_usage_errors() {
    for (text, words) in [
        ("[rollup.r]\nfrom = 'bars'\n", "missing field `every`"),
        ("[rollup.r]\nfrom = 'bars'\nevery = '1hour'", "rollup 'r': invalid timeframe '1hour'"),
        ("[rollup.r]\nfrom = 'bars'\nevery = '1h'\nby = 'x'", "unknown field `by`"),
        ("[rollup.R]\nfrom = 'bars'\nevery = '1h'", "rollup 'R': invalid name 'R'"),
        (
            "[rollup.a]\nfrom = 'b'\nevery = '1h'\n[rollup.b]\nfrom = 'a'\nevery = '1d'",
            "rollups are made of each other: 'a', 'b'",
        ),
        ("[rollup.bars]\nfrom = 'trades'\nevery = '1h'", "there is a table of that name"),
        ("[rollup.mine]\nfrom = 'trades'\nevery = '1h'", "there is a table of that name"),
        (
            "[table.t]\nkey = ['k text']\n[rollup.t]\nfrom = 'bars'\nevery = '1h'",
            "there is a table of that name",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(words), "{text}\n{error}");
    }
}

#[test]
fn a_rollup_that_cannot_be_made_leaves_the_others() {
    let mut rolled = Rolled::new();
    rolled.take(&rows(0, 0..20, 1.5));
    let cases = [
        (
            "from = 'bars'\ntimeframe = '1m'\nevery = '1h'\ncolumns = { x = 'max(gone)' }",
            "cannot find column 'gone'",
        ),
        ("from = 'bars'\ntimeframe = '1m'\nevery = '1h'\nwhere = 'clsoe > 1'", "did you mean `close`?"),
        ("from = 'bars'\ntimeframe = '1m'\nevery = '1h'\ncolumns = { x = 'foo(close)' }", "foo"),
        ("from = 'bars'\ntimeframe = '1m'\nevery = '1h'\ncolumns = { x = 'close' }", "close"),
        ("from = 'bars'\ntimeframe = '1m'\nevery = '1h'\nwhere = 'ts > now()'", "such as the time of day"),
        ("from = 'bars'\nevery = '1h'", "`timeframe = \"1m\"` in [rollup.changing]"),
        ("from = 'trades'\ntimeframe = '1m'\nevery = '1h'", "leave `timeframe` out"),
        ("from = 'nobody'\nevery = '1h'", "cannot find table 'nobody'"),
        ("from = 'observations'\nevery = '1h'", "no column that a rule is known for"),
        (
            "from = 'bars'\ntimeframe = '1m'\nevery = '1h'\ncolumns = { symbol = 'count(*)' }",
            "column 'symbol' is part of the key already",
        ),
        (
            "from = 'bars'\ntimeframe = '1m'\nevery = '1h'\ncolumns = { x = 'array_agg(close)' }",
            "cannot keep column 'x'",
        ),
    ];
    for (definition, words) in cases {
        declare(rolled.root(), &format!("{ROLLUPS}\n[rollup.changing]\n{definition}\n"));
        let outcomes = tried(rolled.root(), &Options::default());
        let failed = outcome(&outcomes, "changing").error.as_ref().unwrap();
        let text = report(failed);
        assert!(text.starts_with("error: cannot make rollup 'changing'\n  caused by: "), "{text}");
        assert!(text.contains(words), "{definition}\n{text}");
        assert_eq!(stale(rolled.root()), 1);
        let others = outcomes.iter().filter(|outcome| outcome.name != "changing");
        others.for_each(|outcome| assert!(outcome.error.is_none()));
    }
    rolled.declare();
    rolled.check();
}

/// Stores a row of a table `q`, whose values are doubles, all 1.
fn add(store: &mut Store, ts: i64) {
    let q = store.table("q").unwrap().clone();
    let mut values = Vec::new();
    for _ in &q.values {
        let mut column = ColumnBuilder::new(ColumnType::Double, 1);
        column.push(ValueRef::Double(1.0));
        values.push(Some(column));
    }
    let keys = vec![SeriesKey([Value::Text("k".into())].into())];
    let frame = Frame::new(FrameColumns { keys, series: vec![0], ts: vec![ts], seq: None, values });
    store.begin().unwrap();
    store.define(&q).unwrap();
    store.write(&mut Input::new("q", OnConflict::KeepKnown), frame).unwrap();
    store.commit().unwrap();
}

#[test]
fn a_rollup_of_a_source_that_grows_keeps_its_past() {
    let table = |values: &str| {
        format!("[table.q]\nkey = ['k text']\nvalues = [{values}]\n[rollup.q_1d]\nfrom = 'q'\nevery = '1d'\n")
    };
    let folder = folder();
    let root = folder.path();
    declare(root, &table("'close double'"));
    let mut store = open_store(root).unwrap();
    add(&mut store, START);
    make(root);
    let connection = rusqlite::Connection::open(root.join("barn.db")).unwrap();
    connection.execute("DELETE FROM q_rows", []).unwrap();
    declare(root, &table("'open double', 'close double'"));
    let mut store = open_store(root).unwrap();
    add(&mut store, START + DAY);
    let keep_before = [("q_1d".to_owned(), START + DAY)].into();
    let outcomes = tried(root, &Options { keep_before });
    assert!(outcome(&outcomes, "q_1d").is_whole);
    let one = 1.0_f64.to_bits();
    assert_eq!(
        query(root, "SELECT ts, close, open FROM q_1d"),
        [format!("2024-01-28T00:00:00Z|{one}|null"), format!("2024-01-29T00:00:00Z|{one}|{one}")]
    );
    assert_eq!(make(root).len(), 0);
}

#[test]
fn a_long_history_is_made_in_several_transactions() {
    const STEPS: i64 = 210_000;
    let rollup = "[rollup.long]\nfrom = 'bars'\ntimeframe = '1m'\nevery = '5m'\n";
    let columns = "columns = { n = 'count(*)' }\n";
    let mut rolled = Rolled::new();
    declare(rolled.root(), &format!("{rollup}{columns}"));
    rolled.take(&rows(0, 0..STEPS, 1.5));
    let same = |rolled: &Rolled| {
        let rollup = query(rolled.root(), "SELECT symbol, ts, high, volume, n FROM long");
        let direct =
            "SELECT symbol, time_bucket('5m', ts), max(high), sum(volume), count(*) FROM bars GROUP BY 1, 2";
        assert!(rollup == query(rolled.root(), direct));
        rollup.len() as u64
    };
    let outcomes = make(rolled.root());
    assert_eq!(outcome(&outcomes, "long").written, same(&rolled));
    // Both ends change, and with them all in between is looked at again.
    rolled.delete(SYMBOLS[0], 0, STEPS / 2);
    rolled.take(&rows(0, STEPS - 1..STEPS, 2.5));
    let outcomes = make(rolled.root());
    let long = outcome(&outcomes, "long");
    assert_eq!((long.is_whole, long.deleted, long.written), (false, STEPS.unsigned_abs() / 2, 1));
    same(&rolled);
}

#[test]
fn a_rollup_whose_column_is_gone_keeps_its_rows() {
    let table = |values: &str, rollup: &str| {
        format!(
            "[table.q]\nkey = ['k text']\nvalues = [{values}]\n[rollup.q_1d]\nfrom = 'q'\nevery = '1d'\n{rollup}"
        )
    };
    let folder = folder();
    let root = folder.path();
    declare(root, &table("'a double', 'b double'", "columns = { b = 'max(b)' }"));
    let mut store = open_store(root).unwrap();
    add(&mut store, START);
    make(root);
    let before = query(root, "SELECT * FROM q_1d");
    assert_eq!(before.len(), 1);
    // A column is gone with its declaration and its place in the catalogue of the store.
    drop(store);
    let connection = rusqlite::Connection::open(root.join("barn.db")).unwrap();
    connection
        .execute(
            "UPDATE catalog SET definition = replace(definition, ',\"b double\"', '') WHERE name = 'q'",
            [],
        )
        .unwrap();
    declare(root, &table("'a double'", "columns = { b = 'max(b)' }"));
    let mut store = open_store(root).unwrap();
    add(&mut store, START + DAY);
    let outcomes = tried(root, &Options::default());
    let text = report(outcome(&outcomes, "q_1d").error.as_ref().unwrap());
    assert!(
        text.starts_with("error: cannot make rollup 'q_1d'\n  caused by: cannot find column 'b'"),
        "{text}"
    );
    assert_eq!(query(root, "SELECT * FROM q_1d"), before);
    declare(root, &table("'a double'", "columns = { a = 'max(a)' }"));
    make(root);
    assert_eq!(query(root, "SELECT * FROM q_1d").len(), 2);
}

#[test]
fn a_rollup_is_no_table_to_store_in() {
    let mut rolled = Rolled::new();
    rolled.take(&rows(0, 0..5, 1.5));
    let check = |store: &mut Store| {
        let error = store.check_writable("bars_1h").unwrap_err();
        assert_eq!(error.to_string(), "cannot write to table 'bars_1h': it is made of 'bars'");
        let bars = store.table("bars").unwrap().clone();
        store.begin().unwrap();
        assert!(store.define(&Table { name: "bars_1h".to_owned(), ..bars }).is_err());
        store.rollback().unwrap();
    };
    check(&mut open_store(rolled.root()).unwrap());
    make(rolled.root());
    // A rollup that is no longer declared stays what it was made as.
    declare(rolled.root(), "");
    check(&mut open_store(rolled.root()).unwrap());
    assert_eq!(stale(rolled.root()), 4);
    make(rolled.root());
    assert_eq!(stale(rolled.root()), 0);
    rolled.store = Some(open_store(rolled.root()).unwrap());
    rolled.take(&rows(0, 3..9, 4.5));
    let noted: i64 = rusqlite::Connection::open(rolled.root().join("barn.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM changes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(noted, 0, "nobody needs it");
    rolled.declare();
    rolled.check();
}

#[test]
fn a_writer_from_before_the_declaration_is_not_missed() {
    let folder = folder();
    let mut rolled = Rolled { store: Some(open_store(folder.path()).unwrap()), folder, definition: 0 };
    rolled.take(&rows(0, 0..20, 1.5));
    rolled.declare();
    make(rolled.root());
    // This writer was opened when there was no rollup.
    rolled.take(&rows(0, 10..30, 2.5));
    assert_eq!(stale(rolled.root()), 3);
    rolled.check();
}

#[test]
fn what_is_written_meanwhile_is_left_to_the_next_time() {
    let mut rolled = Rolled::new();
    rolled.take(&rows(0, 0..20, 1.5));
    make(rolled.root());
    for price in 2..6 {
        rolled.take(&rows(0, 0..20, f64::from(price)));
        std::thread::scope(|scope| {
            let root = rolled.folder.path().to_owned();
            let maker = scope.spawn(move || drop(make(&root)));
            let mut store = open_store(rolled.folder.path()).unwrap();
            let table = store.table("bars").unwrap().clone();
            for step in 0..20 {
                let Step::Bars { rows, rule } = rows(1, step..step + 3, f64::from(price)) else { return };
                store.begin().unwrap();
                store.write(&mut Input::new("bars", rule), bars_frame(&table, &rows)).unwrap();
                store.commit().unwrap();
            }
            maker.join().unwrap();
        });
        rolled.check();
    }
}

/// Refreshes the store that the environment names; with none it is an empty test.
#[test]
fn in_a_child_process() {
    if let Ok(root) = std::env::var(CHILD) {
        make(Path::new(&root));
    }
}

#[test]
fn a_refresh_that_dies_is_done_again() {
    for point in KILL_POINTS {
        let mut rolled = Rolled::new();
        rolled.take(&rows(0, 0..60, 1.5));
        for symbol in [1, 2] {
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "rollup::in_a_child_process"])
                .env(CHILD, rolled.root())
                .env("BARN_KILL", point)
                .output()
                .unwrap()
                .status;
            // The second time there is nothing to start.
            let dies = symbol == 1 || *point != "rollup.started";
            assert_eq!(status.code().is_none(), dies, "{point}: {status}");
            rolled.check();
            rolled.take(&rows(symbol, 20..70, 2.5));
        }
        rolled.check();
    }
}
