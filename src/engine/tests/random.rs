//! Rows that are archived, hot or both, at random, answer as the same rows do when all are hot.
#![allow(clippy::cast_precision_loss, reason = "numbers of tests are those a double has")]

use datafusion::arrow::datatypes::DataType;

use super::files::{Archived, Form, compare};
use super::*;

/// A generator of numbers that a seed repeats.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one_in(&mut self, cases: u64) -> bool {
        self.below(cases) == 0
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn keys(table: &str, chance: &mut Chance) -> Vec<Vec<Value>> {
    let sources = &["a", "b=/%"][..=usize::from(chance.one_in(2))];
    let mut keys = Vec::new();
    for source in sources {
        match table {
            "bars" => {
                for symbol in ["AAA", "BBB", "Bö", "CCC"] {
                    for timeframe in &["1d", "1m"][..=usize::from(chance.one_in(2))] {
                        keys.push(vec![text(source), text(symbol), text(timeframe)]);
                    }
                }
            }
            "odds" => {
                for outcome in ["over", "under"] {
                    for point in [Value::Null, Value::Double(-1.5), Value::Double(2.5)] {
                        keys.push(vec![text(source), text("e"), text("b"), text("m"), text(outcome), point]);
                    }
                }
            }
            "chain" => {
                for expiry in [1, 20] {
                    for strike in [10.0, 12.5] {
                        for side in ["call", "put"] {
                            let (expiry, strike) = (Value::Date(expiry), Value::Double(strike));
                            keys.push(vec![text(source), text("X"), expiry, strike, text(side)]);
                        }
                    }
                }
            }
            _ => keys.extend(["AAA", "BBB"].map(|symbol| vec![text(source), text(symbol)])),
        }
    }
    keys.retain(|_| !chance.one_in(5));
    keys.sort_by(|left, right| compare(left, right));
    keys
}

fn values(table: &Table, chance: &mut Chance) -> Vec<Value> {
    let value = |column: &crate::model::Column| {
        let number = chance.below(64);
        match column.kind {
            _ if number < 6 => Value::Null,
            ColumnType::Double => Value::Double(number as f64 / 4.0),
            ColumnType::Bigint => Value::Bigint(number.cast_signed()),
            ColumnType::Boolean => Value::Boolean(number.is_multiple_of(2)),
            ColumnType::Text => Value::Text(format!("t{}", number % 7).into()),
            ColumnType::Date => Value::Date(7),
            ColumnType::Timestamp => Value::Timestamp(number.cast_signed()),
        }
    };
    table.values.iter().map(value).collect()
}

/// Returns all rows, in the order of their keys.
fn all_rows(table: &Table, chance: &mut Chance) -> Vec<Archived> {
    let mut rows = Vec::new();
    for key in keys(&table.name, chance) {
        let mut ts = -(chance.below(4).cast_signed());
        let mut seq = 0;
        for _ in 0..chance.below(60) {
            if table.ticks && chance.one_in(3) {
                seq += 1;
            } else {
                (ts, seq) = (ts + 1 + chance.below(3).cast_signed(), 0);
            }
            rows.push((key.clone(), ts * MICROS_PER_DAY, seq, values(table, chance)));
        }
    }
    rows
}

fn form(table: &Table, chance: &mut Chance) -> Form {
    let mut form =
        Form { group_rows: 8 + usize::from(chance.one_in(2)) * 60, page_rows: 4, ..Form::default() };
    let narrow = [DataType::Float32, DataType::Decimal128(9, 2), DataType::Decimal128(18, 3)];
    for name in ["open", "high", "low", "close", "volume", "price", "bid", "strike", "point"] {
        form.types.push((name, narrow[usize::try_from(chance.below(3)).unwrap()].clone()));
    }
    form.types.retain(|(name, _)| table.columns().iter().any(|column| column.name == *name));
    form.types.push(("trades", DataType::Int32));
    form
}

/// Writes archived rows into files: cut by series, by time, or both.
fn archive(memory: &mut Memory, table: &Table, rows: &[Archived], chance: &mut Chance) {
    let folder = |row: &Archived| {
        let is_folder =
            |(at, _): &(usize, &Value)| matches!(table.key[*at].name.as_str(), "source" | "timeframe");
        row.0.iter().enumerate().filter(is_folder).map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let mut folders: Vec<_> = rows.iter().map(folder).collect();
    folders.sort_by(|left, right| compare(left, right));
    folders.dedup();
    for name in folders {
        let own: Vec<_> = rows.iter().filter(|row| folder(row) == name).cloned().collect();
        let by_series = chance.below(3).cast_signed() + 1;
        let by_time = chance.below(3).cast_signed() * 20 + 10;
        let mut parts: BTreeMap<(i64, i64), Vec<Archived>> = BTreeMap::new();
        let mut known: Vec<Vec<Value>> = Vec::new();
        for row in own {
            let place = known.iter().position(|key| *key == row.0).unwrap_or_else(|| {
                known.push(row.0.clone());
                known.len() - 1
            });
            let series = i64::try_from(place).unwrap() / by_series;
            parts.entry((series, row.1 / MICROS_PER_DAY / by_time)).or_default().push(row);
        }
        for part in parts.values() {
            memory.add_file(&table.name, part, &form(table, chance));
        }
    }
}

/// Returns two engines that have the same rows: one all of them hot, one some of them archived.
fn engines(name: &str, seed: u64) -> (Engine, Engine) {
    let mut chance = Chance(seed);
    let (mut plain, mut mixed) = (Memory::new(), Memory::new());
    let table = plain.tables.iter().find(|table| table.name == name).unwrap().clone();
    let mut archived = Vec::new();
    let hot_share = 1 + chance.below(6);
    for row in all_rows(&table, &mut chance) {
        plain.add_row(name, &row, false);
        mixed.ensure_series(name, &row.0);
        if chance.one_in(hot_share) && hot_share < 6 {
            mixed.add_row(name, &row, false);
        } else if !table.ticks && chance.one_in(9) {
            let old = (row.0.clone(), row.1, row.2, values(&table, &mut chance));
            archived.push(old);
            mixed.add_row(name, &row, true);
        } else {
            archived.push(row);
        }
    }
    archive(&mut mixed, &table, &archived, &mut chance);
    (engine(plain).0, engine(mixed).0)
}

/// Returns the rows, those of an order that the query does not ask for in one of their own.
fn answer(engine: &Engine, sql: &str) -> Vec<String> {
    let mut lines: Vec<_> = rows(engine, sql).split('\n').map(str::to_owned).collect();
    if !sql.contains("ORDER BY") || sql.contains("OVER") {
        lines.sort();
    }
    lines
}

fn compare_all(table: &str, seeds: std::ops::Range<u64>, queries: &[&str]) {
    for seed in seeds {
        let (plain, mixed) = engines(table, seed);
        for sql in queries {
            assert_eq!(
                answer(&mixed, sql),
                answer(&plain, sql),
                "seed {seed}: {sql}\n{}",
                mixed.explain(sql).unwrap()
            );
        }
    }
}

#[test]
fn bars_answer_alike() {
    compare_all(
        "bars",
        0..25,
        &[
            "SELECT * FROM bars",
            "SELECT count(*), count(open), sum(open), min(ts), max(ts) FROM bars",
            "SELECT source, timeframe, count(*) FROM bars GROUP BY 1, 2",
            "SELECT * FROM bars WHERE symbol = 'BBB'",
            "SELECT open, ts FROM bars WHERE symbol IN ('AAA', 'Bö') AND ts >= '1970-01-10'",
            "SELECT close FROM bars WHERE symbol LIKE 'B%' AND ts BETWEEN '1970-01-08' AND '1970-02-02'",
            "SELECT symbol, close FROM bars WHERE symbol = 'AAA' OR timeframe = '1m' AND source = 'a'",
            "SELECT symbol, close FROM bars WHERE upper(symbol) = 'AAA' AND ts < '1970-01-20'",
            "SELECT ts, high - low FROM bars WHERE high > 3 AND volume IS NOT NULL",
            "SELECT count(*) FROM bars WHERE open = 2.25 OR trades = 9 OR NOT final",
            "SELECT symbol, ts, volume FROM bars WHERE volume IS NULL AND ts::date > DATE '1970-01-12'",
            "SELECT * FROM bars ORDER BY source, symbol, timeframe, ts",
            "SELECT source, symbol, timeframe, ts, open FROM bars ORDER BY symbol, ts, source, timeframe LIMIT 7",
            "SELECT ts, source, symbol, timeframe FROM bars ORDER BY ts DESC, source, symbol, timeframe LIMIT 9",
            "SELECT ts, open FROM bars WHERE symbol = 'AAA' AND source = 'a' AND timeframe = '1d' ORDER BY ts",
            "SELECT symbol, avg(open) OVER (PARTITION BY source, symbol, timeframe ORDER BY ts ROWS 3 PRECEDING) FROM bars",
            "SELECT symbol, ts, lag(close) OVER (PARTITION BY symbol ORDER BY ts, source, timeframe) FROM bars",
            "SELECT max(high - low) AS r, symbol FROM bars GROUP BY symbol ORDER BY r DESC, symbol LIMIT 3",
            "SELECT a.ts, a.open, b.open FROM bars a JOIN bars b ON a.symbol = b.symbol AND a.ts = b.ts AND a.source = b.source AND a.timeframe = b.timeframe WHERE b.open > 5",
            "SELECT count(*) FROM (SELECT 1 FROM bars LIMIT 11)",
            "SELECT symbol, first(open, ts), last(close, ts) FROM bars WHERE source = 'a' AND timeframe = '1d' GROUP BY symbol",
            "SELECT count(*) FROM bars WHERE ts >= '1970-01-05'",
            "SELECT count(*) FROM bars WHERE symbol = (SELECT max(symbol) FROM bars)",
        ],
    );
}

#[test]
fn keys_of_several_columns_and_nulls_answer_alike() {
    compare_all(
        "odds",
        0..25,
        &[
            "SELECT * FROM odds",
            "SELECT * FROM odds ORDER BY source, event, book, market, outcome, point NULLS FIRST, ts",
            "SELECT * FROM odds ORDER BY source, event, book, market, outcome, point, ts",
            "SELECT price FROM odds WHERE point IS NULL",
            "SELECT price, point FROM odds WHERE point > 0 ORDER BY source, outcome, point, ts",
            "SELECT price, outcome FROM odds WHERE outcome = 'over' AND point IS NULL OR point < 0",
            "SELECT count(*), outcome FROM odds WHERE coalesce(point, 0) < 1 GROUP BY outcome",
            "SELECT ts, price FROM odds WHERE outcome = 'under' AND source = 'a' ORDER BY point NULLS FIRST, ts",
        ],
    );
    compare_all(
        "chain",
        0..15,
        &[
            "SELECT * FROM chain",
            "SELECT * FROM chain ORDER BY source, symbol, expiry, strike, option_type, ts",
            "SELECT bid FROM chain WHERE strike = 12.5 AND option_type = 'put'",
            "SELECT bid, ask FROM chain WHERE expiry > DATE '1970-01-05' AND (strike < 11 OR option_type = 'call')",
            "SELECT strike, expiry, max(bid) FROM chain GROUP BY strike, expiry ORDER BY 1, 2",
        ],
    );
}

#[test]
fn ticks_answer_alike() {
    compare_all(
        "trades",
        0..25,
        &[
            "SELECT * FROM trades",
            "SELECT * FROM trades ORDER BY source, symbol, ts, seq",
            "SELECT ts, seq, price FROM trades WHERE symbol = 'AAA' AND source = 'a' ORDER BY ts, seq LIMIT 20",
            "SELECT symbol, count(*), sum(size), max(seq) FROM trades GROUP BY symbol",
            "SELECT price FROM trades WHERE seq > 0 AND ts > '1970-01-04'",
            "SELECT price, side, trade_id FROM trades WHERE price > 3 AND side IN ('t1', 't2')",
            "SELECT symbol, price - lag(price) OVER (PARTITION BY source, symbol ORDER BY ts, seq) FROM trades",
        ],
    );
}
