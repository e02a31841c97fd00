//! The ledger: which ranges of time were asked of a source, and what came of it.

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, ToSql};

use super::{Snapshot, Store, open};
use crate::model::time::MICROS_PER_DAY;
use crate::model::{SeriesKey, Span, Table, Value};

/// The first format of the store that has a ledger.
const SINCE_FORMAT: usize = 2;

/// What a range of the ledger is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerKey {
    /// The table.
    pub table: String,
    /// The source.
    pub source: String,
    /// The hash of the parameters that change the data, empty where there are none.
    pub variant: String,
    /// The symbol as sent to the provider.
    pub symbol: String,
    /// The timeframe, empty for data without one.
    pub timeframe: String,
}

impl LedgerKey {
    /// Returns the source, symbol and timeframe that it is about.
    pub fn series(&self) -> [String; 3] {
        [&self.source, &self.symbol, &self.timeframe].map(String::clone)
    }

    /// Returns what the ledger calls a series: its source, symbol and timeframe, each empty where its key has none.
    pub fn series_of(table: &Table, key: &SeriesKey) -> [String; 3] {
        ["source", "symbol", "timeframe"].map(|name| match table.key_index(name).map(|at| &key.0[at]) {
            Some(Value::Text(text)) => text.to_string(),
            _ => String::new(),
        })
    }
}

/// What is known of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Its rows are stored and final.
    Have,
    /// The provider has no rows there.
    Empty,
    /// It lies outside what the provider keeps; holds for 30 days.
    Unavailable,
    /// Its rows were stored once and dropped since.
    Dropped,
}

impl State {
    const ALL: [Self; 4] = [Self::Have, Self::Empty, Self::Unavailable, Self::Dropped];

    /// Returns the word the ledger writes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Have => "have",
            Self::Empty => "empty",
            Self::Unavailable => "unavailable",
            Self::Dropped => "dropped",
        }
    }
}

/// A range of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The times it covers.
    pub span: Span,
    /// What is known of them.
    pub state: State,
    /// The rows that came; an estimate where a part of the range was asked again.
    pub rows: u64,
    /// When it was asked last.
    pub fetched_at: i64,
}

impl Coverage {
    /// Returns whether two ranges that touch are one.
    fn joins(&self, next: &Self) -> bool {
        let day = |coverage: &Self| coverage.fetched_at.div_euclid(MICROS_PER_DAY);
        self.span.stop == next.span.start
            && self.state == next.state
            // It expires by its day, so that days stay apart.
            && (self.state != State::Unavailable || day(self) == day(next))
    }

    /// Returns the part inside `span` with its share of the rows: which rows lie where is not known.
    fn part(&self, span: Option<Span>) -> Option<Self> {
        let span = span?;
        let length = |span: Span| i128::from(span.stop) - i128::from(span.start);
        let whole = length(self.span);
        let rows = (i128::from(self.rows) * length(span) + whole / 2) / whole;
        Some(Self { span, rows: u64::try_from(rows).unwrap_or(self.rows), ..*self })
    }
}

const COLUMNS: &str = "start, stop, state, rows, fetched_at";
pub(super) const WHERE_KEY: &str =
    "table_name = ?1 AND source = ?2 AND variant = ?3 AND symbol = ?4 AND timeframe = ?5";

impl Store {
    /// Returns what the ledger knows of a key, ordered by time and never overlapping.
    pub fn coverage(&self, key: &LedgerKey) -> Result<Vec<Coverage>> {
        let sql = format!("SELECT {COLUMNS} FROM coverage WHERE {WHERE_KEY} ORDER BY start");
        let read = || -> Result<_> {
            let mut found = Vec::new();
            if !self.has_ledger()? {
                return Ok(found);
            }
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query(parameters(key))?;
            while let Some(row) = rows.next()? {
                found.push(read_coverage(row, 0)?);
            }
            Ok(found)
        };
        read().with_context(|| self.cannot_read_ledger())
    }

    /// Writes a range into the ledger in the place of what it overlaps; within a transaction.
    ///
    /// Ranges of one state that touch become one, whose rows add up and whose time is the newer. What is cut
    /// off an older range takes its share of the rows by length.
    pub fn cover(&mut self, key: &LedgerKey, coverage: &Coverage) -> Result<()> {
        ensure!(self.is_in_transaction(), "cannot write to the ledger outside of a transaction");
        let old = touched(&self.connection, key, coverage.span).with_context(|| self.cannot_read_ledger())?;
        let new = replace(&old, coverage);
        let cannot = || format!("cannot write to the ledger of store '{}'", self.root.display());
        self.is_changed |= write(&self.connection, key, &old, &new).with_context(cannot)?;
        Ok(())
    }

    /// Forgets what the ledger knows of a range, so that it is asked again; within a transaction.
    pub fn uncover(&mut self, key: &LedgerKey, span: Span) -> Result<()> {
        ensure!(self.is_in_transaction(), "cannot write to the ledger outside of a transaction");
        let old = touched(&self.connection, key, span).with_context(|| self.cannot_read_ledger())?;
        let outside = |range: &Coverage| {
            let left = range.part(Span::new(range.span.start, range.span.stop.min(span.start)));
            let right = range.part(Span::new(range.span.start.max(span.stop), range.span.stop));
            left.into_iter().chain(right)
        };
        let new: Vec<Coverage> = old.iter().flat_map(outside).collect();
        let cannot = || format!("cannot write to the ledger of store '{}'", self.root.display());
        self.is_changed |= write(&self.connection, key, &old, &new).with_context(cannot)?;
        Ok(())
    }

    /// Returns whether the store has a ledger: one of an older barn, opened to be read, has none.
    pub(super) fn has_ledger(&self) -> Result<bool> {
        Ok(open::user_version(&self.connection)? >= SINCE_FORMAT)
    }

    pub(super) fn cannot_read_ledger(&self) -> String {
        format!("cannot read the ledger of store '{}'", self.root.display())
    }
}

impl Snapshot {
    /// Returns what the ledger knows, of one table or of all, ordered by key and time.
    pub fn coverages(&self, table: Option<&str>) -> Result<Vec<(LedgerKey, Coverage)>> {
        let sql = format!(
            "SELECT table_name, source, variant, symbol, timeframe, {COLUMNS} FROM coverage
             WHERE ?1 IS NULL OR table_name = ?1
             ORDER BY table_name, source, variant, symbol, timeframe, start"
        );
        self.with(|connection| {
            let mut found = Vec::new();
            if open::user_version(connection)? < SINCE_FORMAT {
                return Ok(found);
            }
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([table])?;
            while let Some(row) = rows.next()? {
                let key = LedgerKey {
                    table: row.get(0)?,
                    source: row.get(1)?,
                    variant: row.get(2)?,
                    symbol: row.get(3)?,
                    timeframe: row.get(4)?,
                };
                found.push((key, read_coverage(row, 5)?));
            }
            Ok(found)
        })
        .context("cannot read the ledger")
    }
}

pub(super) fn parameters(key: &LedgerKey) -> [&dyn ToSql; 5] {
    [&key.table, &key.source, &key.variant, &key.symbol, &key.timeframe]
}

fn read_coverage(row: &rusqlite::Row<'_>, at: usize) -> Result<Coverage> {
    let (start, stop): (i64, i64) = (row.get(at)?, row.get(at + 1)?);
    let word: String = row.get(at + 2)?;
    let state = State::ALL.into_iter().find(|state| state.as_str() == word);
    Ok(Coverage {
        span: Span::new(start, stop).with_context(|| format!("the range from {start} to {stop} is empty"))?,
        state: state.with_context(|| format!("there is no state '{word}'"))?,
        rows: u64::try_from(row.get::<_, i64>(at + 3)?).context("a number of rows is negative")?,
        fetched_at: row.get(at + 4)?,
    })
}

/// Returns the ranges that overlap or touch `span`, in order.
fn touched(connection: &Connection, key: &LedgerKey, span: Span) -> Result<Vec<Coverage>> {
    // Backwards from the end, so that the read stops at the first range that lies before.
    let sql = format!("SELECT {COLUMNS} FROM coverage WHERE {WHERE_KEY} AND start <= ?6 ORDER BY start DESC");
    let mut statement = connection.prepare_cached(&sql)?;
    let [table, source, variant, symbol, timeframe] = parameters(key);
    let mut rows = statement.query([table, source, variant, symbol, timeframe, &span.stop])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let coverage = read_coverage(row, 0)?;
        if coverage.span.stop < span.start {
            break;
        }
        found.push(coverage);
    }
    found.reverse();
    Ok(found)
}

/// Returns the ranges that stand in the place of `old` when `new` is written over them.
fn replace(old: &[Coverage], new: &Coverage) -> Vec<Coverage> {
    let left = |range: &Coverage| Span::new(range.span.start, range.span.stop.min(new.span.start));
    let right = |range: &Coverage| Span::new(range.span.start.max(new.span.stop), range.span.stop);
    let before = old.iter().filter_map(|range| range.part(left(range)));
    let behind = old.iter().filter_map(|range| range.part(right(range)));
    let mut joined: Vec<Coverage> = Vec::with_capacity(old.len() + 2);
    for range in before.chain([new.clone()]).chain(behind) {
        match joined.last_mut() {
            Some(last) if last.joins(&range) => {
                last.span.stop = range.span.stop;
                last.rows = last.rows.saturating_add(range.rows);
                last.fetched_at = last.fetched_at.max(range.fetched_at);
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// Makes `new` of the stored ranges `old`, and returns whether they differ.
fn write(connection: &Connection, key: &LedgerKey, old: &[Coverage], new: &[Coverage]) -> Result<bool> {
    let [table, source, variant, symbol, timeframe] = parameters(key);
    let mut delete =
        connection.prepare_cached(&format!("DELETE FROM coverage WHERE {WHERE_KEY} AND start = ?6"))?;
    let gone = old.iter().filter(|range| !new.contains(range));
    let mut is_changed = false;
    for range in gone {
        delete.execute([table, source, variant, symbol, timeframe, &range.span.start])?;
        is_changed = true;
    }
    let mut insert =
        connection.prepare_cached("INSERT INTO coverage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    for range in new.iter().filter(|range| !old.contains(range)) {
        let Span { start, stop } = range.span;
        let rows = i64::try_from(range.rows).context("there are too many rows")?;
        let state = range.state.as_str();
        insert.execute([
            table,
            source,
            variant,
            symbol,
            timeframe,
            &start,
            &stop,
            &state,
            &rows,
            &range.fetched_at,
        ])?;
        is_changed = true;
    }
    Ok(is_changed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(symbol: &str) -> LedgerKey {
        let [table, source, timeframe] = ["bars", "x", "1d"].map(str::to_owned);
        LedgerKey { table, source, variant: String::new(), symbol: symbol.to_owned(), timeframe }
    }

    fn range(start: i64, stop: i64, state: State, rows: u64, fetched_at: i64) -> Coverage {
        Coverage { span: Span { start, stop }, state, rows, fetched_at }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    fn cover(store: &mut Store, symbol: &str, ranges: &[Coverage]) -> Vec<Coverage> {
        store.begin().unwrap();
        for range in ranges {
            store.cover(&key(symbol), range).unwrap();
        }
        store.commit().unwrap();
        store.coverage(&key(symbol)).unwrap()
    }

    fn generation(store: &Store) -> i64 {
        store.connection.query_row("SELECT generation FROM state", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn ranges_of_one_state_that_touch_become_one() {
        let (_folder, mut store) = store();
        let found = cover(
            &mut store,
            "a",
            &[
                range(0, 10, State::Have, 5, 1),
                range(20, 30, State::Have, 4, 9),
                range(10, 20, State::Have, 3, 2),
                range(30, 40, State::Empty, 0, 2),
            ],
        );
        assert_eq!(found, [range(0, 30, State::Have, 12, 9), range(30, 40, State::Empty, 0, 2)]);
        assert_eq!(store.coverage(&key("b")).unwrap(), []);
    }

    #[test]
    fn a_new_range_replaces_what_it_overlaps() {
        let (_folder, mut store) = store();
        let found = cover(
            &mut store,
            "a",
            &[
                range(0, 100, State::Have, 100, 1),
                range(40, 60, State::Dropped, 7, 2),
                range(90, 120, State::Empty, 0, 3),
            ],
        );
        let expected = [
            range(0, 40, State::Have, 40, 1),
            range(40, 60, State::Dropped, 7, 2),
            range(60, 90, State::Have, 30, 1),
            range(90, 120, State::Empty, 0, 3),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn asking_a_part_again_does_not_make_rows_more() {
        let (_folder, mut store) = store();
        let whole = range(0, 100, State::Have, 100, 1);
        let parts: Vec<_> =
            (0..10).rev().map(|at| range(at * 10, at * 10 + 10, State::Have, 10, 5)).collect();
        let found = cover(&mut store, "a", &[vec![whole], parts].concat());
        assert_eq!(found, [range(0, 100, State::Have, 100, 5)]);
    }

    #[test]
    fn what_is_forgotten_was_never_asked() {
        let (_folder, mut store) = store();
        cover(&mut store, "a", &[range(0, 100, State::Have, 100, 1), range(100, 120, State::Empty, 0, 1)]);
        store.begin().unwrap();
        store.uncover(&key("a"), Span { start: 40, stop: 110 }).unwrap();
        store.commit().unwrap();
        let expected = [range(0, 40, State::Have, 40, 1), range(110, 120, State::Empty, 0, 1)];
        assert_eq!(store.coverage(&key("a")).unwrap(), expected);
    }

    #[test]
    fn the_unavailable_of_two_days_stay_apart() {
        let (_folder, mut store) = store();
        let day = MICROS_PER_DAY;
        let found = cover(
            &mut store,
            "a",
            &[
                range(0, 10, State::Unavailable, 0, day),
                range(10, 20, State::Unavailable, 0, 2 * day - 1),
                range(20, 30, State::Unavailable, 0, 2 * day),
            ],
        );
        let expected =
            [range(0, 20, State::Unavailable, 0, 2 * day - 1), range(20, 30, State::Unavailable, 0, 2 * day)];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_generation_grows_only_when_something_changed() {
        let (_folder, mut store) = store();
        let before = generation(&store);
        cover(&mut store, "a", &[range(0, 10, State::Have, 5, 1)]);
        assert_eq!(generation(&store), before + 1);
        cover(&mut store, "a", &[range(0, 10, State::Have, 5, 1)]);
        assert_eq!(generation(&store), before + 1);
    }

    #[test]
    fn a_transaction_taken_back_leaves_the_ledger_as_it_was() {
        let (_folder, mut store) = store();
        assert!(store.cover(&key("a"), &range(0, 10, State::Have, 1, 1)).is_err());
        let before = cover(&mut store, "a", &[range(0, 10, State::Have, 1, 1)]);
        store.begin().unwrap();
        store.cover(&key("a"), &range(5, 30, State::Empty, 0, 2)).unwrap();
        store.rollback().unwrap();
        assert_eq!(store.coverage(&key("a")).unwrap(), before);
    }

    #[test]
    fn the_ends_of_time_are_ranges_too() {
        let (_folder, mut store) = store();
        let found = cover(
            &mut store,
            "a",
            &[range(i64::MIN, i64::MAX, State::Have, 1 << 40, 1), range(0, 1, State::Have, 1, i64::MIN)],
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].span, Span { start: i64::MIN, stop: i64::MAX });
        store.begin().unwrap();
        let error = store.cover(&key("a"), &range(0, 1, State::Empty, u64::MAX, 1)).unwrap_err();
        assert!(format!("{error:#}").contains("too many rows"), "{error:#}");
    }

    #[test]
    fn a_snapshot_lists_the_ledger_of_a_table() {
        let (folder, mut store) = store();
        let ranges = cover(&mut store, "b", &[range(0, 10, State::Have, 5, 1)]);
        cover(&mut store, "a", &[range(0, 10, State::Empty, 0, 1), range(20, 30, State::Have, 5, 1)]);
        let other = LedgerKey { table: "observations".to_owned(), ..key("c") };
        store.begin().unwrap();
        store.cover(&other, &ranges[0]).unwrap();
        store.commit().unwrap();
        let snapshot = Snapshot::open(folder.path(), 1).unwrap();
        let symbols = |table| -> Vec<_> {
            snapshot.coverages(table).unwrap().into_iter().map(|(key, _)| key.symbol).collect()
        };
        assert_eq!(symbols(Some("bars")), ["a", "a", "b"]);
        assert_eq!(symbols(None), ["a", "a", "b", "c"]);
        assert_eq!(snapshot.coverages(Some("bars")).unwrap()[2], (key("b"), ranges[0].clone()));
    }

    #[test]
    fn a_store_without_a_ledger_is_read_and_gets_one_when_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("barn.db")).unwrap();
        connection.execute_batch(include_str!("schema/0001_catalog.sql")).unwrap();
        connection.execute_batch("PRAGMA application_id = 0x6261726e; PRAGMA user_version = 1").unwrap();
        drop(connection);
        let snapshot = Snapshot::open(folder.path(), 1).unwrap();
        assert_eq!(snapshot.coverages(None).unwrap(), []);
        assert!(snapshot.series("bars").unwrap().is_empty());
        drop(snapshot);
        let mut store = Store::open(folder.path()).unwrap();
        cover(&mut store, "a", &[range(0, 10, State::Have, 5, 1)]);
        assert_eq!(Snapshot::open(folder.path(), 1).unwrap().coverages(None).unwrap().len(), 1);
    }

    #[test]
    fn fifty_keys_are_read_in_a_moment() {
        let (_folder, mut store) = store();
        let days = |symbol: i64| {
            (0..20).map(move |at| range(at * 20 + symbol % 3, at * 20 + 10, State::Have, 5, at)).collect()
        };
        for symbol in 0..200 {
            let ranges: Vec<_> = days(symbol);
            cover(&mut store, &format!("s{symbol}"), &ranges);
        }
        let start = std::time::Instant::now();
        let found: usize = (0..50).map(|at| store.coverage(&key(&format!("s{at}"))).unwrap().len()).sum();
        let took = start.elapsed();
        assert_eq!(found, 1_000);
        // Well under 5 ms alone; a machine busy with other tests gets four times that.
        assert!(took.as_millis() < 20, "{took:?}");
    }

    fn any_range() -> impl Strategy<Value = Coverage> {
        let state = prop::sample::select(State::ALL.to_vec());
        (0..40_i64, 1..15_i64, state, 0..3_i64).prop_map(|(start, length, state, day)| {
            range(start, start + length, state, length.unsigned_abs(), day * MICROS_PER_DAY)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn the_ledger_agrees_with_a_table_of_every_microsecond(
            ranges in prop::collection::vec(any_range(), 1..25)
        ) {
            let (_folder, mut store) = store();
            let mut model: Vec<Option<State>> = vec![None; 60];
            store.begin().unwrap();
            for range in &ranges {
                store.cover(&key("a"), range).unwrap();
                for at in range.span.start..range.span.stop {
                    model[usize::try_from(at).unwrap()] = Some(range.state);
                }
                let found = store.coverage(&key("a")).unwrap();
                let at = |time: i64| {
                    found.iter().find(|range| range.span.contains(time)).map(|range| range.state)
                };
                let known: Vec<_> = (0..60).map(at).collect();
                prop_assert_eq!(&known, &model);
                for pair in found.windows(2) {
                    prop_assert!(pair[0].span.stop <= pair[1].span.start, "{:?} overlap", pair);
                    prop_assert!(!pair[0].joins(&pair[1]), "{:?} should be one", pair);
                }
            }
        }
    }
}
