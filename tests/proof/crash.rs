//! Commands of all kinds on one store, killed at any moment, against a record of what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use barn::model::time::format_timestamp;

use crate::harness::Sandbox;
use crate::market::{self, KEY, KEY_NAME, NOW, Shape};
use crate::sample::Numbers;
use crate::server::Server;
use crate::{chance, times};

const DAY: i64 = 86_400;
/// The first day of all rows.
const FIRST: i64 = NOW - NOW % DAY - 400 * DAY;
/// A store is filled so far; then the next one begins.
const STEPS: u64 = 200;

/// What was said about a row: source, symbol and time, and what its close may be.
type Key = (String, String, i64);

/// What a command does to the rows.
enum Effect {
    /// Writes these, all or none.
    Rows(BTreeMap<Key, String>),
    /// Fetches days of a symbol, window by window.
    Days {
        symbol: &'static str,
        from: i64,
        to: i64,
    },
    /// Deletes these, all or none.
    Gone(BTreeSet<Key>),
    Nothing,
}

impl Effect {
    /// Whether it makes a store where there is none.
    fn writes(&self) -> bool {
        matches!(self, Self::Rows(_) | Self::Days { .. })
    }
}

/// A store and the record beside it.
struct Loop {
    folder: Sandbox,
    provider: Server,
    /// What was acknowledged.
    rows: BTreeMap<Key, String>,
    /// Symbols and days that a fetch said it has.
    days: BTreeSet<(&'static str, i64)>,
    files: u64,
}

const SYMBOLS: [&str; 3] = ["AAA", "BBB", "CCC"];

impl Loop {
    fn new() -> Self {
        let provider = Server::start(|seen| Shape::Rows.answer(seen, NOW).after(Duration::from_millis(2)));
        let folder = Sandbox::new();
        folder.write("source.toml", Shape::Rows.definition(&provider.url(), "[window]\nmax_points = 100"));
        folder.write(
            "barn/barn.toml",
            "[rollup.bars_1d]\nfrom = \"bars\"\ntimeframe = \"1h\"\nevery = \"1d\"\ncolumns = { n = \"count(*)\" }\n",
        );
        Self { folder, provider, rows: BTreeMap::new(), days: BTreeSet::new(), files: 0 }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.folder.barn_command(words);
        command.env("BARN_NOW", format_timestamp(NOW * 1_000_000)).env(KEY_NAME, KEY);
        command
    }

    /// Returns a command that chance picks, and what it does.
    fn next(&mut self, numbers: &mut Numbers) -> (Command, Effect) {
        let day = |at: u64| FIRST + i64::try_from(at).unwrap() * DAY;
        match numbers.below(if self.rows.is_empty() { 4 } else { 10 }) {
            0..=2 => self.store(numbers),
            3 | 4 => {
                let symbol = SYMBOLS[usize::try_from(numbers.below(3)).unwrap()];
                let (from, length) = (numbers.below(60), 1 + numbers.below(12));
                let (from, to) = (day(from), day(from + length));
                let (since, until) = (format_timestamp(from * 1_000_000), format_timestamp(to * 1_000_000));
                let words =
                    ["fetch", "./source.toml", symbol, "-t", "1h", "--since", &since, "--until", &until];
                (self.command(&words), Effect::Days { symbol, from, to })
            }
            5 | 6 => {
                let before = format_timestamp(day(numbers.below(80)) * 1_000_000);
                let command = match numbers.below(2) {
                    0 => self.command(&["compress", "--all"]),
                    _ => self.command(&["compress", "--before", &before]),
                };
                (command, Effect::Nothing)
            }
            7 => (self.command(&["optimize"]), Effect::Nothing),
            8 => {
                let symbol = format!("S{}", numbers.below(6));
                let line = format!("source = 'file' AND symbol = '{symbol}'");
                let gone = self.rows.keys().filter(|key| key.0 == "file" && key.1 == symbol).cloned();
                let effect = Effect::Gone(gone.collect());
                (self.command(&["delete", "bars", "--where", &line, "--yes"]), effect)
            }
            _ => {
                let sql = "SELECT symbol, count(*) FROM bars GROUP BY symbol";
                (self.command(&["query", sql]), Effect::Nothing)
            }
        }
    }

    /// A file of rows, some of which are known and get another close.
    fn store(&mut self, numbers: &mut Numbers) -> (Command, Effect) {
        self.files += 1;
        let mut text = String::from("ts,symbol,close\n");
        let mut rows = BTreeMap::new();
        for _ in 0..=numbers.below(80) {
            let (symbol, hour) = (format!("S{}", numbers.below(6)), numbers.below(300));
            let key = ("file".to_owned(), symbol, FIRST + i64::try_from(hour).unwrap() * 3_600);
            let close = format!("{}.5", self.files * 1_000 + numbers.below(1_000));
            rows.entry(key).or_insert(close);
        }
        for ((_, symbol, ts), close) in &rows {
            writeln!(text, "{ts},{symbol},{close}").unwrap();
        }
        let name = format!("f{}.csv", self.files % 4);
        self.folder.write(&name, text);
        let words = ["store", "bars", &name, "--set", "timeframe=1h", "--set", "source=file"];
        (self.command(&words), Effect::Rows(rows))
    }

    /// Writes down that a command was acknowledged.
    fn acknowledge(&mut self, effect: Effect) {
        match effect {
            Effect::Rows(rows) => self.rows.extend(rows),
            Effect::Days { symbol, from, to } => {
                for bar in market::bars(symbol, "1h", from, to, NOW) {
                    self.rows.insert(bar_key(symbol, bar.ts), close(bar.close));
                }
                self.days.extend((0..(to - from) / DAY).map(|day| (symbol, from + day * DAY)));
            }
            Effect::Gone(gone) => self.rows.retain(|key, _| !gone.contains(key)),
            Effect::Nothing => (),
        }
    }

    /// Checks the store against the record, where `under_way` may be done or not, or half where that is allowed.
    fn check_rows(&self, under_way: &Effect) {
        let Some(found) = self.found() else {
            assert!(self.rows.is_empty(), "the store is gone");
            return;
        };
        let differs = |expected: &BTreeMap<Key, String>| expected != &found;
        match under_way {
            Effect::Nothing => assert!(!differs(&self.rows), "{}", difference(&self.rows, &found)),
            Effect::Rows(rows) => {
                let mut after = self.rows.clone();
                after.extend(rows.clone());
                assert!(!differs(&self.rows) || !differs(&after), "{}", difference(&self.rows, &found));
            }
            Effect::Gone(gone) => {
                let mut after = self.rows.clone();
                after.retain(|key, _| !gone.contains(key));
                assert!(!differs(&self.rows) || !differs(&after), "{}", difference(&self.rows, &found));
            }
            Effect::Days { symbol, from, to } => {
                let mut most = self.rows.clone();
                for bar in market::bars(symbol, "1h", *from, *to, NOW) {
                    most.insert(bar_key(symbol, bar.ts), close(bar.close));
                }
                let lost = self.rows.iter().find(|(key, close)| found.get(*key) != Some(close));
                let foreign = found.iter().find(|(key, close)| most.get(*key) != Some(close));
                assert!(lost.is_none() && foreign.is_none(), "lost {lost:?}, new {foreign:?}");
            }
        }
        self.check_ledger(&found);
    }

    /// Checks that all of the store is sound, beside its rows.
    fn check(&self, under_way: &Effect) {
        self.check_rows(under_way);
        if !self.folder.path("barn/barn.db").exists() {
            return;
        }
        let verify = self.command(&["optimize", "--only", "verify", "--full"]);
        let (code, done) = self.folder.run(verify, None).any();
        let is_new = done.stderr().contains("nothing is in it yet") && self.rows.is_empty();
        done.check(code == Some(0) || is_new, "the store is not sound");
    }

    /// Checks that each row is there of what the ledger claims.
    fn check_ledger(&self, found: &BTreeMap<Key, String>) {
        let store = self.folder.sqlite();
        let sql = "SELECT symbol, start / 1000000, stop / 1000000 FROM coverage WHERE source = 'rows' AND state = 'has'";
        let Ok(mut query) = store.prepare(sql) else { return };
        let claims = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        for claim in claims {
            let (symbol, from, to): (String, i64, i64) = claim.unwrap();
            for bar in market::bars(&symbol, "1h", from, to, NOW) {
                let has = found.contains_key(&bar_key(&symbol, bar.ts));
                assert!(has, "the ledger claims {symbol} at {}", bar.ts);
            }
        }
    }

    /// Returns the rows of the store, none twice; `None` where it has not come to be.
    fn found(&self) -> Option<BTreeMap<Key, String>> {
        if !self.folder.path("barn/barn.db").exists() {
            return None;
        }
        let sql = "SELECT source, symbol, epoch(ts) AS ts, close FROM bars";
        let command = self.command(&["query", sql, "--no-cache", "--format", "csv"]);
        let (code, done) = self.folder.run(command, None).any();
        if done.stderr().contains("nothing is in it yet") {
            return None;
        }
        done.check(code == Some(0), "the rows cannot be read");
        let mut rows = BTreeMap::new();
        for line in done.stdout().lines().skip(1) {
            let [source, symbol, ts, close] = line.split(',').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let ts = ts.trim_end_matches(".0").parse().unwrap();
            let earlier = rows.insert((source.to_owned(), symbol.to_owned(), ts), close.to_owned());
            done.check(earlier.is_none(), &format!("a row is there twice: {line}"));
        }
        Some(rows)
    }
}

fn bar_key(symbol: &str, ts: i64) -> Key {
    ("rows".to_owned(), symbol.to_owned(), ts)
}

fn close(cents: i64) -> String {
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    text.strip_suffix('0').map_or_else(|| text.clone(), str::to_owned)
}

fn difference(expected: &BTreeMap<Key, String>, found: &BTreeMap<Key, String>) -> String {
    let lost: Vec<_> =
        expected.iter().filter(|(key, close)| found.get(*key) != Some(close)).take(4).collect();
    let new: Vec<_> = found.iter().filter(|(key, close)| expected.get(*key) != Some(close)).take(4).collect();
    format!("lost {lost:?}, new {new:?}")
}

/// Runs a command and kills it within `longest`; returns whether it came to its end before.
fn kill_within(mut command: Command, longest: Duration, numbers: &mut Numbers) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let moment = numbers.below(u64::try_from(longest.as_micros()).unwrap());
    thread::sleep(Duration::from_micros(moment));
    child.kill().unwrap();
    child.wait().unwrap().success()
}

/// What a row of stores went through.
#[derive(Default)]
struct Told {
    killed: u64,
    ended: u64,
    rows: usize,
}

/// Kills commands on one store after the other, so often.
fn kill(kills: u64, mut numbers: Numbers) -> Told {
    let mut told = Told::default();
    // How long a command takes, so that kills fall into its work and not behind it.
    let mut longest: BTreeMap<String, Duration> = BTreeMap::new();
    while told.killed < kills {
        let mut store = Loop::new();
        for step in 0..STEPS {
            if told.killed == kills {
                break;
            }
            let (command, effect) = store.next(&mut numbers);
            let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            let name = words[0].to_str().unwrap().to_owned();
            let limit = longest.get(&name).copied().unwrap_or(Duration::from_millis(100));
            eprintln!("{} killed, step {step}: {words:?}", told.killed);
            if kill_within(command, limit, &mut numbers) {
                told.ended += 1;
                store.acknowledge(effect);
                continue;
            }
            told.killed += 1;
            store.provider.wait_until_idle();
            store.check(&effect);
            // Where the first write was killed there may be no store to work on.
            if effect.writes() || store.folder.path("barn/barn.db").exists() {
                let again = Instant::now();
                let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
                store.folder.run(store.command(&words), None).ok();
                longest.insert(name, again.elapsed() + Duration::from_millis(5));
            }
            store.acknowledge(effect);
            store.check_rows(&Effect::Nothing);
        }
        store.check(&Effect::Nothing);
        told.rows += store.rows.len();
    }
    told
}

#[test]
fn nothing_acknowledged_is_lost_however_often_commands_are_killed() {
    let mut numbers = chance();
    let kills = times(100, 5_000);
    let started = Instant::now();
    let told = thread::scope(|scope| {
        let two = [(); 2].map(|()| {
            let numbers = Numbers::new(numbers.below(1 << 30));
            scope.spawn(move || kill(kills / 2, numbers))
        });
        two.map(|told| told.join().unwrap())
    });
    for Told { killed, ended, rows } in told {
        let seconds = started.elapsed().as_secs();
        eprintln!("{killed} killed, {ended} ended before, {rows} rows acknowledged, {seconds} s");
    }
}
