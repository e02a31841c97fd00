//! What the store promises, on small batches.

use std::ops::ControlFlow;

use super::sums::ALL_ROWS;
use super::*;
use crate::frame::{ColumnBuilder, FrameColumns};
use crate::model::{Column, ColumnType, Counts, OnConflict, Value, ValueRef};

/// A row of `bars` for symbol `s`: time, close, volume.
type Bar = (&'static str, i64, Option<f64>, Option<f64>);

fn key(table: &Table, symbol: &str) -> SeriesKey {
    SeriesKey(
        table
            .key
            .iter()
            .map(|column| Value::Text(if column.name == "symbol" { symbol } else { "x" }.into()))
            .collect(),
    )
}

fn frame(table: &Table, names: [&str; 2], rows: &[Bar]) -> Frame {
    let mut symbols: Vec<&str> = rows.iter().map(|row| row.0).collect();
    symbols.sort_unstable();
    symbols.dedup();
    let mut values: Vec<Option<ColumnBuilder>> = table.values.iter().map(|_| None).collect();
    for (at, name) in names.iter().enumerate() {
        let mut column = ColumnBuilder::new(ColumnType::Double, rows.len());
        for row in rows {
            let cell = if at == 0 { row.2 } else { row.3 };
            column.push(cell.map_or(ValueRef::Null, ValueRef::Double));
        }
        values[table.value_index(name).unwrap()] = Some(column);
    }
    Frame::new(FrameColumns {
        keys: symbols.iter().map(|symbol| key(table, symbol)).collect(),
        series: rows
            .iter()
            .map(|row| u32::try_from(symbols.iter().position(|s| *s == row.0).unwrap()).unwrap())
            .collect(),
        ts: rows.iter().map(|row| row.1).collect(),
        seq: None,
        values,
    })
}

fn write(store: &mut Store, table: &str, rule: OnConflict, batches: &[&[Bar]]) -> Result<Counts> {
    let table = store.table(table).unwrap().clone();
    let names = if table.ticks { ["price", "size"] } else { ["close", "volume"] };
    let mut input = Input::new(&table.name, rule);
    let mut counts = Counts::default();
    store.begin()?;
    store.define(&table)?;
    for rows in batches {
        counts += store.write(&mut input, frame(&table, names, rows))?;
    }
    store.commit()?;
    Ok(counts)
}

/// All rows of a table as `symbol ts [seq] value value`, in key order; the sums of the series are theirs.
fn dump(root: &Path, table: &str) -> Vec<String> {
    let snapshot = Snapshot::open(root, 1).unwrap();
    assert!(differing(&snapshot, table).is_empty());
    let definition = snapshot.tables().iter().find(|other| other.name == table).unwrap().clone();
    let names = if definition.ticks { ["price", "size"] } else { ["close", "volume"] };
    let mut fields = vec![Field::Ts];
    if definition.ticks {
        fields.push(Field::Seq);
    }
    fields.extend(names.map(|name| Field::Value(definition.value_index(name).unwrap())));
    let scan = Scan { table: table.to_owned(), fields, since: None, until: None };
    let mut lines = Vec::new();
    for entry in snapshot.series(table).unwrap() {
        let symbol = entry.key.0[1].as_ref().shown();
        snapshot
            .scan(&scan, entry.id, None, &mut |row| {
                let mut line = symbol.clone();
                for at in 0..scan.fields.len() {
                    line.push(' ');
                    line.push_str(&match row.get(at)? {
                        ValueRef::Timestamp(micros) => micros.to_string(),
                        value => value.shown(),
                    });
                }
                lines.push(line);
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
    }
    lines
}

/// Returns the symbols of the series whose rows are not those that were written.
fn differing(snapshot: &Snapshot, table: &str) -> Vec<String> {
    let checked = snapshot.check_rows(table, &|| Ok(())).unwrap();
    assert_eq!([checked.damage, checked.problems].concat(), [""; 0]);
    checked.differing.iter().map(|entry| entry.key.0[1].as_ref().shown()).collect()
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

const FIRST: &[Bar] =
    &[("b", 2, Some(2.0), None), ("a", 1, Some(1.0), Some(10.0)), ("b", 1, Some(1.5), Some(5.0))];

#[test]
fn rows_come_back_sorted_and_a_second_time_changes_nothing() {
    let (folder, mut store) = store();
    let counts = write(&mut store, "bars", OnConflict::KeepKnown, &[FIRST]).unwrap();
    assert_eq!(counts, Counts { inserted: 3, ..Counts::default() });
    let rows = ["a 1 1.0 10.0", "b 1 1.5 5.0", "b 2 2.0 null"];
    assert_eq!(dump(folder.path(), "bars"), rows);
    let journal = || std::fs::metadata(folder.path().join("barn.db-wal")).unwrap().len();
    let before = journal();
    let again = write(&mut store, "bars", OnConflict::KeepKnown, &[FIRST]).unwrap();
    assert_eq!(again, Counts { unchanged: 3, ..Counts::default() });
    assert_eq!(dump(folder.path(), "bars"), rows);
    assert_eq!(journal(), before, "a duplicate writes no page");
}

#[test]
fn each_rule_decides_between_stored_and_new() {
    let new: &[Bar] = &[("b", 1, Some(9.0), None), ("b", 2, Some(2.0), Some(7.0)), ("b", 3, None, None)];
    let cases = [
        (OnConflict::KeepKnown, (2, 0), ["b 1 9.0 5.0", "b 2 2.0 7.0", "b 3 null null"]),
        (OnConflict::Replace, (2, 0), ["b 1 9.0 null", "b 2 2.0 7.0", "b 3 null null"]),
        (OnConflict::Ignore, (0, 2), ["b 1 1.5 5.0", "b 2 2.0 null", "b 3 null null"]),
    ];
    for (rule, (updated, unchanged), rows) in cases {
        let (folder, mut store) = store();
        write(&mut store, "bars", rule, &[FIRST]).unwrap();
        let counts = write(&mut store, "bars", rule, &[new]).unwrap();
        assert_eq!(counts, Counts { inserted: 1, updated, unchanged, ..Counts::default() }, "{rule:?}");
        assert_eq!(dump(folder.path(), "bars")[1..], rows, "{rule:?}");
    }
}

#[test]
fn the_rule_fail_stops_at_a_differing_value_and_changes_nothing() {
    let (folder, mut store) = store();
    write(&mut store, "bars", OnConflict::Fail, &[FIRST]).unwrap();
    let error =
        write(&mut store, "bars", OnConflict::Fail, &[&[("c", 1, None, None), ("b", 1, Some(9.0), None)]]);
    let error = format!("{:#}", error.unwrap_err());
    assert!(error.contains("symbol=b, timeframe=x, ts=1970-01-01T00:00:00.000001Z"), "{error}");
    assert!(error.contains("the input has close 9.0, the store 1.5"), "{error}");
    store.rollback().unwrap();
    assert_eq!(dump(folder.path(), "bars").len(), 3);
    let same = write(&mut store, "bars", OnConflict::Fail, &[FIRST]).unwrap();
    assert_eq!(same.unchanged, 3);
}

#[test]
fn rows_of_one_key_in_a_batch_become_one_and_the_last_wins() {
    let (folder, mut store) = store();
    let twice: &[Bar] =
        &[("a", 1, Some(1.0), Some(3.0)), ("a", 1, Some(2.0), None), ("a", 1, Some(2.0), None)];
    let table = store.table("bars").unwrap().clone();
    let mut input = Input::new("bars", OnConflict::KeepKnown);
    store.begin().unwrap();
    store.define(&table).unwrap();
    let counts = store.write(&mut input, frame(&table, ["close", "volume"], twice)).unwrap();
    store.commit().unwrap();
    assert_eq!(counts, Counts { inserted: 1, repeated: 2, ..Counts::default() });
    assert_eq!(dump(folder.path(), "bars"), ["a 1 2.0 3.0"]);
    let (rows, example) = input.differing().unwrap();
    assert_eq!((rows, example), (1, "source=x, symbol=a, timeframe=x, ts=1970-01-01T00:00:00.000001Z"));
}

#[test]
fn a_sparse_correction_of_a_long_series_is_found_row_by_row() {
    let (folder, mut store) = store();
    let long: Vec<Bar> = (0..5_000).map(|ts| ("a", ts, Some(1.0), None)).collect();
    write(&mut store, "bars", OnConflict::KeepKnown, &[&long]).unwrap();
    let sparse: Vec<Bar> =
        (0..50).map(|at| ("a", at * 150, Some(if at % 2 == 0 { 1.0 } else { 2.0 }), None)).collect();
    let counts = write(&mut store, "bars", OnConflict::KeepKnown, &[&sparse]).unwrap();
    // 34 of the 50 times are below 5,000.
    assert_eq!(counts, Counts { inserted: 16, updated: 17, unchanged: 17, ..Counts::default() });
    assert_eq!(dump(folder.path(), "bars").iter().filter(|row| row.contains(" 2.0")).count(), 25);
}

#[test]
fn identical_ticks_are_counted_however_the_input_is_cut() {
    let tick = |ts, price| ("a", ts, Some(price), Some(1.0));
    let ticks: Vec<Bar> =
        vec![tick(1, 1.0), tick(1, 1.0), tick(1, 2.0), tick(1, 1.0), tick(2, 1.0), tick(2, 1.0)];
    let rows = [
        "a 1 0 1.0 1.0",
        "a 1 1 1.0 1.0",
        "a 1 2 2.0 1.0",
        "a 1 3 1.0 1.0",
        "a 2 0 1.0 1.0",
        "a 2 1 1.0 1.0",
    ];
    for cut in 0..=ticks.len() {
        let (folder, mut store) = store();
        let (head, tail) = ticks.split_at(cut);
        let batches: Vec<&[Bar]> = [head, tail].into_iter().filter(|batch| !batch.is_empty()).collect();
        for (inserted, unchanged) in [(6, 0), (0, 6)] {
            let counts = write(&mut store, "trades", OnConflict::KeepKnown, &batches).unwrap();
            assert_eq!(counts, Counts { inserted, unchanged, ..Counts::default() }, "cut at {cut}");
            assert_eq!(dump(folder.path(), "trades"), rows, "cut at {cut}");
        }
        let more: Vec<Bar> = vec![tick(1, 1.0); 4];
        let counts = write(&mut store, "trades", OnConflict::KeepKnown, &[&more]).unwrap();
        assert_eq!(counts, Counts { inserted: 1, unchanged: 3, ..Counts::default() });
    }
}

#[test]
fn ticks_that_jump_back_over_batches_are_refused() {
    let (_folder, mut store) = store();
    let batch = |from: i64| -> Vec<Bar> { (from..from + 10).map(|ts| ("a", ts, Some(1.0), None)).collect() };
    let descending = write(&mut store, "trades", OnConflict::KeepKnown, &[&batch(40), &batch(20), &batch(0)]);
    assert_eq!(descending.unwrap().inserted, 30);
    let error =
        write(&mut store, "trades", OnConflict::KeepKnown, &[&batch(0), &batch(20), &batch(5)]).unwrap_err();
    assert!(format!("{error:#}").contains("not in the order of time"), "{error:#}");
    store.rollback().unwrap();
}

#[test]
fn a_column_takes_space_only_once_it_has_a_value() {
    let (folder, mut store) = store();
    write(&mut store, "bars", OnConflict::KeepKnown, &[&[("a", 1, Some(1.0), None)]]).unwrap();
    let connection = Connection::open(folder.path().join("barn.db")).unwrap();
    let columns = || -> String {
        connection
            .query_row("SELECT group_concat(name, ' ') FROM pragma_table_info('bars_rows')", [], |row| {
                row.get(0)
            })
            .unwrap()
    };
    assert_eq!(columns(), "series ts close");
    write(&mut store, "bars", OnConflict::KeepKnown, &[&[("a", 2, None, Some(5.0))]]).unwrap();
    assert_eq!(columns(), "series ts close volume");
    let seen: (String, f64, bool, Option<f64>) = connection
        .query_row("SELECT symbol, volume, final, open FROM bars_hot WHERE ts = 2", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    assert_eq!(seen, ("a".to_owned(), 5.0, true, None));
}

#[test]
fn a_rolled_back_table_can_be_made_again() {
    let (folder, mut store) = store();
    let mut table = store.table("bars").unwrap().clone();
    table.name = "mine".to_owned();
    table.values.push(Column::value("extra", ColumnType::Double));
    for ends in [Store::rollback, Store::commit] {
        store.begin().unwrap();
        assert!(store.table("mine").is_none());
        store.define(&table).unwrap();
        let rows = frame(&table, ["close", "extra"], FIRST);
        store.write(&mut Input::new("mine", OnConflict::KeepKnown), rows).unwrap();
        ends(&mut store).unwrap();
    }
    assert_eq!(Snapshot::open(folder.path(), 1).unwrap().series("mine").unwrap().len(), 2);
}

#[test]
fn a_snapshot_does_not_see_later_rows_from_any_of_its_connections() {
    let (folder, mut store) = store();
    write(&mut store, "bars", OnConflict::KeepKnown, &[FIRST]).unwrap();
    let snapshot = Snapshot::open(folder.path(), 2).unwrap();
    write(&mut store, "bars", OnConflict::KeepKnown, &[&[("a", 5, Some(1.0), None)]]).unwrap();
    let scan = Scan { table: "bars".to_owned(), fields: Vec::new(), since: None, until: None };
    let id = snapshot.series("bars").unwrap()[0].id;
    // The outer count holds the first connection, so that the inner one needs another.
    let counts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| snapshot.count(&scan, id).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(counts, [1; 4]);
}

#[test]
fn other_databases_and_newer_stores_are_refused() {
    let refused = |prepare: &str| {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("barn.db")).unwrap();
        connection.execute_batch(prepare).unwrap();
        drop(connection);
        let before = std::fs::metadata(folder.path().join("barn.db")).unwrap().len();
        let error = Store::open(folder.path()).err().unwrap();
        assert_eq!(std::fs::metadata(folder.path().join("barn.db")).unwrap().len(), before);
        format!("{error:#}")
    };
    assert!(refused("CREATE TABLE t (a)").contains("a database of another program"));
    let newer = refused("PRAGMA application_id = 0x6261726e; PRAGMA user_version = 99");
    assert!(newer.contains("format 99 of a newer barn"), "{newer}");
}

#[test]
fn a_file_that_is_no_database_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    crate::fs::replace(&folder.path().join("barn.db"), &[7; 5_000], crate::fs::Overwrite::Replace).unwrap();
    for error in [Store::open(folder.path()).err(), Snapshot::open(folder.path(), 1).err()] {
        let error = format!("{:#}", error.unwrap());
        assert!(error.contains("'barn.db' is no database"), "{error}");
    }
}

#[test]
fn ticks_that_come_between_the_triggers_and_the_snapshot_leave_with_the_others() {
    let (folder, mut store) = store();
    let table = store.table("trades").unwrap().clone();
    write(&mut store, "trades", OnConflict::KeepKnown, &[&[("a", 1, Some(1.0), None)]]).unwrap();
    store.start_publishing(&table).unwrap();
    let mut other = Store::open(folder.path()).unwrap();
    write(&mut other, "trades", OnConflict::KeepKnown, &[&[("a", 2, Some(2.0), None)]]).unwrap();
    let snapshot = Snapshot::open(folder.path(), 1).unwrap();
    write(&mut other, "trades", OnConflict::KeepKnown, &[&[("a", 2, Some(3.0), None)]]).unwrap();
    let series = snapshot.series("trades").unwrap();
    let publication = Publication {
        table: &table,
        files: Vec::new(),
        datasets: Vec::new(),
        series: series
            .iter()
            .map(|entry| (entry.id, snapshot.sum("trades", entry.id, ALL_ROWS).unwrap()))
            .collect(),
        until: None,
        rows: 2,
        is_all: true,
    };
    let published = store.publish(&snapshot, &publication).unwrap();
    assert_eq!(published, Published { deleted: 2, touched: 0 });
    // The files have the two that the snapshot saw; only the later one stays.
    assert_eq!(dump(folder.path(), "trades"), ["a 2 1 3.0 null"]);
}

#[test]
fn what_changes_in_the_source_of_a_rollup_is_noted_and_nothing_else() {
    let (folder, mut store) = store();
    let noted = |folder: &tempfile::TempDir| {
        let snapshot = Snapshot::open(folder.path(), 1).unwrap();
        let changes = snapshot.changes("bars", 0).unwrap().into_iter();
        let mut changes: Vec<_> =
            changes.map(|change| (change.series, change.span.start, change.span.stop)).collect();
        changes.sort_unstable();
        changes
    };
    write(&mut store, "bars", OnConflict::KeepKnown, &[FIRST]).unwrap();
    assert_eq!(noted(&folder), [], "no rollup is made of it");
    let text: crate::model::RollupText = toml::from_str("from = 'bars'\nevery = '1h'").unwrap();
    let rollup = crate::model::Rollup::parse("r", &text).unwrap();
    let table = Table { name: "r".to_owned(), ..store.table("bars").unwrap().clone() };
    store.begin().unwrap();
    store.start_rollup(&rollup, &table).unwrap();
    store.commit().unwrap();
    write(&mut store, "bars", OnConflict::KeepKnown, &[FIRST]).unwrap();
    assert_eq!(noted(&folder), [], "nothing changed");
    let day = crate::model::time::MICROS_PER_DAY;
    // Symbol `a` was the first to be met.
    let rows: &[Bar] =
        &[("b", 1, Some(9.0), None), ("b", 2, Some(2.0), None), ("a", 9 * day, Some(1.0), None)];
    write(&mut store, "bars", OnConflict::KeepKnown, &[rows]).unwrap();
    assert_eq!(noted(&folder), [(1, 9 * day, 9 * day + 1), (2, 1, 2)]);
    // Near a note it grows, far from it there is another.
    let rows: &[Bar] = &[("b", day, Some(9.0), None), ("b", 20 * day, Some(2.0), None)];
    write(&mut store, "bars", OnConflict::KeepKnown, &[rows]).unwrap();
    assert_eq!(noted(&folder), [(1, 9 * day, 9 * day + 1), (2, 1, day + 1), (2, 20 * day, 20 * day + 1)]);
    store.begin().unwrap();
    store.finish_rollup(&rollup, 100).unwrap();
    store.commit().unwrap();
    assert_eq!(noted(&folder), []);
}

#[test]
fn a_panic_while_rows_are_read_gives_the_connection_back() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path()).unwrap();
    let snapshot = Snapshot::open(folder.path(), 1).unwrap();
    let read = || snapshot.with(|_| -> Result<()> { panic!("on purpose") });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).is_err());
    assert!(snapshot.series("bars").unwrap().is_empty());
    assert!(!snapshot.has_rows("bars").unwrap());
    assert!(snapshot.bytes("bars").is_ok());
}

#[test]
fn an_index_on_time_stays_where_a_column_gets_wider() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let values = vec![Column::value("close", ColumnType::Bigint)];
    let bars = store.table("bars").unwrap().clone();
    let narrow = Table { name: "things".to_owned(), values, checks: Vec::new(), ..bars };
    store.begin().unwrap();
    store.define(&narrow).unwrap();
    let Store { catalog, connection, .. } = &mut store;
    catalog.add_physical(connection, "things", &[0]).unwrap();
    connection.execute_batch("CREATE INDEX things_by_ts ON things_rows (ts)").unwrap();
    store.commit().unwrap();
    let mut wide = narrow;
    wide.values[0].kind = ColumnType::Double;
    store.begin().unwrap();
    store.define(&wide).unwrap();
    store.commit().unwrap();
    let snapshot = Snapshot::open(folder.path(), 1).unwrap();
    let known = snapshot.tables().iter().find(|table| table.name == "things").unwrap();
    assert_eq!(known.values, wide.values);
    assert!(snapshot.has_time_index("things").unwrap());
}

#[test]
fn a_transaction_that_cannot_begin_or_end_leaves_none_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    write(&mut store, "bars", OnConflict::KeepKnown, &[&[("A", 1, Some(1.0), None)]]).unwrap();
    let other = Connection::open(folder.path().join("barn.db")).unwrap();
    let sound: String = other.query_row("SELECT definition FROM catalog", [], |row| row.get(0)).unwrap();
    other.execute("UPDATE catalog SET definition = '{'", []).unwrap();
    store.begin().unwrap_err();
    assert!(!store.is_in_transaction());
    other.execute("UPDATE catalog SET definition = ?1", [sound]).unwrap();
    let no = "CREATE TEMP TRIGGER no BEFORE UPDATE ON state BEGIN SELECT raise(FAIL, 'no'); END";
    store.connection.execute_batch(no).unwrap();
    let row = ("NEW", 2, Some(1.0), None);
    let failed = write(&mut store, "bars", OnConflict::KeepKnown, &[&[row]]).unwrap_err();
    assert!(format!("{failed:#}").contains("cannot commit"), "{failed:#}");
    assert!(!store.is_in_transaction());
    store.connection.execute_batch("DROP TRIGGER no").unwrap();
    // The number that the series got is gone with the transaction.
    let counts =
        write(&mut store, "bars", OnConflict::KeepKnown, &[&[("B", 1, Some(1.0), None), row]]).unwrap();
    assert_eq!(counts.inserted, 2);
    let sql =
        "SELECT count(*) FROM bars_rows AS r JOIN bars_series AS s ON s.id = r.series WHERE s.symbol = 'NEW'";
    let rows: i64 = other.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn a_row_that_is_not_what_was_written_is_found_until_it_is_accepted() {
    let changes = [
        "UPDATE bars_rows SET close = 1.0000000000000002 WHERE close = 1.0",
        "UPDATE bars_rows SET ts = 3 WHERE close = 1.0",
        "UPDATE bars_rows SET volume = NULL WHERE close = 1.0",
        "UPDATE bars_rows SET close = volume, volume = close WHERE close = 1.0",
        "DELETE FROM bars_rows WHERE close = 1.0",
        "INSERT INTO bars_rows (series, ts) SELECT series, 9 FROM bars_rows WHERE close = 1.0",
        "UPDATE bars_series SET _sum = _sum + 1 WHERE symbol = 'a'",
        "UPDATE bars_series SET _sum = -1 - _sum WHERE symbol = 'a'",
    ];
    for change in changes {
        let (folder, mut store) = store();
        write(&mut store, "bars", OnConflict::KeepKnown, &[FIRST]).unwrap();
        store.connection.execute_batch(change).unwrap();
        let snapshot = || Snapshot::open(folder.path(), 1).unwrap();
        assert_eq!(differing(&snapshot(), "bars"), ["a"], "{change}");
        // What is written properly neither hides nor mends it.
        write(&mut store, "bars", OnConflict::Replace, &[&[("a", 1, Some(4.0), None), ("a", 7, None, None)]])
            .unwrap();
        assert_eq!(differing(&snapshot(), "bars"), ["a"], "{change}");
        let series = snapshot().series("bars").unwrap()[0].id;
        store.sum_rows("bars", &[series], &|| Ok(())).unwrap();
        dump(folder.path(), "bars");
    }
}

#[test]
fn sums_hold_however_columns_come_and_widen() {
    let (folder, mut store) = store();
    let values =
        vec![Column::value("close", ColumnType::Bigint), Column::value("volume", ColumnType::Double)];
    let bars = store.table("bars").unwrap().clone();
    let narrow = Table { name: "things".to_owned(), values, checks: Vec::new(), ..bars };
    let whole = |numbers: &[i64]| {
        let mut column = ColumnBuilder::new(ColumnType::Bigint, numbers.len());
        for number in numbers {
            column.push(ValueRef::Bigint(*number));
        }
        column
    };
    store.begin().unwrap();
    store.define(&narrow).unwrap();
    let frame = Frame::new(FrameColumns {
        keys: vec![key(&narrow, "a")],
        series: vec![0; 4],
        ts: vec![1, 2, 3, 4],
        seq: None,
        values: vec![Some(whole(&[0, -1, 1 << 53, -(1 << 53)])), None],
    });
    let mut input = Input::new("things", OnConflict::KeepKnown);
    store.write(&mut input, frame).unwrap();
    // Within the same transaction and in a later one.
    let mut wide = narrow;
    wide.values[0].kind = ColumnType::Double;
    store.define(&wide).unwrap();
    store.commit().unwrap();
    let rows: &[Bar] = &[("a", 2, Some(-0.0), Some(f64::INFINITY)), ("a", 9, Some(0.1), Some(5e-324))];
    store.begin().unwrap();
    store.write(&mut input, self::frame(&wide, ["close", "volume"], rows)).unwrap();
    store.commit().unwrap();
    assert_eq!(dump(folder.path(), "things").len(), 5);
}

#[test]
fn series_of_an_older_store_get_their_sums_when_somebody_asks() {
    let (folder, mut store) = store();
    write(&mut store, "bars", OnConflict::KeepKnown, &[FIRST]).unwrap();
    store
        .connection
        .execute_batch("ALTER TABLE bars_series DROP COLUMN _sum; ALTER TABLE manifest DROP COLUMN sum; PRAGMA user_version = 4")
        .unwrap();
    let is_unsummed =
        |root: &Path| Snapshot::open(root, 1).unwrap().check_rows("bars", &|| Ok(())).unwrap().is_unsummed;
    assert!(is_unsummed(folder.path()));
    drop(store);
    let mut store = Store::open(folder.path()).unwrap();
    // A new series has one at once.
    write(&mut store, "bars", OnConflict::Replace, &[&[("a", 1, Some(4.0), None), ("c", 1, None, None)]])
        .unwrap();
    let sums = || {
        let sql = "SELECT count(_sum) FROM bars_series";
        store.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(sums(), 1);
    assert!(is_unsummed(folder.path()));
    store.sum_rows("bars", &[], &|| Ok(())).unwrap();
    assert!(!is_unsummed(folder.path()));
    dump(folder.path(), "bars");
    store.connection.execute_batch("UPDATE bars_rows SET close = 5.0 WHERE close = 4.0").unwrap();
    assert_eq!(differing(&Snapshot::open(folder.path(), 1).unwrap(), "bars"), ["a"]);
}

#[test]
fn what_no_constraint_of_sqlite_keeps_together_is_compared() {
    let changes = [
        (
            "UPDATE bars_series SET symbol = 'q' WHERE symbol = 'a'",
            "the key of series 1 in 'bars_series' is not its `_key`",
        ),
        ("UPDATE bars_series SET id = 77 WHERE symbol = 'a'", "'bars_rows' has rows of series 1, which"),
        (
            "CREATE TABLE bars_corrections (series INTEGER, ts INTEGER); INSERT INTO bars_corrections VALUES (1, 2)",
            "'bars_corrections' names a row of series 1, which 'bars_rows' has not",
        ),
    ];
    for (change, words) in changes {
        let (folder, mut store) = store();
        write(&mut store, "bars", OnConflict::KeepKnown, &[FIRST]).unwrap();
        store.connection.execute_batch(change).unwrap();
        let snapshot = Snapshot::open(folder.path(), 1).unwrap();
        let checked = snapshot.check_rows("bars", &|| Ok(())).unwrap();
        let problems = [checked.damage, checked.problems].concat();
        assert!(problems.len() == 1 && problems[0].starts_with(words), "{change}: {problems:?}");
    }
}
