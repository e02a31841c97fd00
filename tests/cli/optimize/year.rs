//! A simulated year of nights: fetch with corrections, compress, optimize. What is left must be what a store has that
//! was built in one go from the same rows: the same answers, hardly more bytes, few files, and as quick.
//!
//! Small as it stands; `BARN_TEST_YEAR=365` is the whole year of 50 symbols, and `--no-capture` shows how it grows.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::fetch::{DAY, HOUR, Stage, at};
use crate::market::{self, Bar, SETTLE, Shape};
use crate::server::{Reply, Seen};

/// Midnight before the first night: 2023-01-01.
const FIRST: i64 = 1_672_531_200;
/// When cron starts: two hours before the day's bar ends, so that one bar of each series is open.
const CRON: i64 = 22 * HOUR;
/// How far back the first fetch asks, and a refresh on one night a week.
const REFRESH: i64 = 90;

/// Files of one dataset after a night's upkeep.
const MOST_FILES: usize = 4;
/// What a year of upkeep may cost beside a store that is new.
const MOST_BYTES: f64 = 1.03;
const MOST_TIME: f64 = 1.10;
/// Below this the start of a process is what differs.
const TIME_FLOOR: Duration = Duration::from_millis(10);
/// The ledger, which a store of files has not; a year outweighs it, a month does not.
const LEDGER_BYTES: u64 = 64 << 10;

const BARS: &str = "SELECT * FROM bars ORDER BY source, symbol, timeframe, ts";

/// What is asked of both stores in the end.
const QUERIES: [&str; 3] = [
    "SELECT symbol, timeframe, avg(close) AS a, max(high) AS h, sum(volume) AS v FROM bars GROUP BY symbol, timeframe",
    "SELECT * FROM bars WHERE symbol = 'S01' AND timeframe = '1d' ORDER BY ts DESC LIMIT 20",
    "SELECT ts, avg(close) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS m \
     FROM bars WHERE timeframe = '1h' AND symbol IN ('S00', 'S01') ORDER BY symbol, ts",
];

/// How much is simulated.
#[derive(Clone, Copy)]
struct Scale {
    nights: i64,
    symbols: usize,
    /// The first of them have hourly bars too.
    hourly: usize,
}

impl Scale {
    fn of_the_environment() -> Self {
        match std::env::var("BARN_TEST_YEAR") {
            Ok(nights) => Self { nights: nights.parse().unwrap(), symbols: 50, hourly: 10 },
            Err(_) => Self { nights: 25, symbols: 8, hourly: 2 },
        }
    }

    fn is_whole(self) -> bool {
        self.nights >= 365
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("S{number:02}")).collect()
    }

    fn last(self) -> i64 {
        night(self.nights - 1)
    }
}

/// Returns the time of a night.
fn night(number: i64) -> i64 {
    FIRST + number * DAY + CRON
}

/// A series and a time.
type Key = (String, String, i64);

/// A provider that corrects what it has said before.
#[derive(Default)]
struct Provider {
    now: i64,
    /// How often a bar was corrected.
    corrected: HashMap<Key, i64>,
    /// The splits of a symbol: all before this time is adjusted.
    splits: Vec<(String, i64)>,
    /// What was said last of each bar, and whether it was final then: what a store must have.
    said: BTreeMap<Key, (Bar, bool)>,
}

impl Provider {
    /// Corrects some bars of the last days, on some nights a few of long ago, and rarely all of one symbol.
    fn correct(&mut self, number: i64, scale: Scale) {
        self.now = night(number);
        let mut random = Random((number + 1).cast_unsigned());
        let mut some = |count: u64, days: i64| {
            for _ in 0..count {
                let back = random.below(days.cast_unsigned() + 1).cast_signed();
                let (timeframe, names) =
                    if random.below(2) == 0 { ("1d", scale.symbols) } else { ("1h", scale.hourly) };
                let hour = if timeframe == "1h" { random.below(24).cast_signed() } else { 0 };
                let symbol = format!("S{:02}", random.below(names as u64));
                let ts = FIRST + (number - back) * DAY + hour * HOUR;
                *self.corrected.entry((symbol, timeframe.to_owned(), ts)).or_default() += 1;
            }
        };
        some(4, 5);
        if number % 3 == 0 {
            some(6, REFRESH - 5);
        }
        if let Some(symbol) = split(number, scale) {
            self.splits.push((symbol, self.now - DAY));
        }
    }

    fn bars(&self, symbol: &str, timeframe: &str, from: i64, to: i64) -> Vec<Bar> {
        let mut bars = market::bars(symbol, timeframe, from, to, self.now);
        for bar in &mut bars {
            let key = (symbol.to_owned(), timeframe.to_owned(), bar.ts);
            let times = self.corrected.get(&key).copied().unwrap_or(0);
            bar.volume += times * 17;
            bar.high += times;
            for _ in self.splits.iter().filter(|(name, before)| name == symbol && bar.ts < *before) {
                for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
                    *price = *price * 4 / 5;
                }
            }
        }
        bars
    }

    fn answer(&mut self, seen: &Seen) -> Reply {
        let (symbol, timeframe) = (seen.param("symbol"), seen.param("interval"));
        let (start, end) = (seen.integer("startTime") / 1_000, seen.integer("endTime") / 1_000 + 1);
        let bars = self.bars(symbol, timeframe, start, end);
        for bar in &bars {
            let is_final = bar.ts + market::seconds(timeframe) + SETTLE <= self.now;
            self.said.insert((symbol.to_owned(), timeframe.to_owned(), bar.ts), (*bar, is_final));
        }
        Reply::json(format!("[{}]", bars.iter().map(market::row).collect::<Vec<_>>().join(",")))
    }

    /// Returns all that was said last, as a file.
    fn csv(&self) -> String {
        let mut text = "source,symbol,timeframe,ts,open,high,low,close,volume,final\n".to_owned();
        for ((symbol, timeframe, ts), (bar, is_final)) in &self.said {
            let price = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);
            let (open, high, low, close) =
                (price(bar.open), price(bar.high), price(bar.low), price(bar.close));
            let (ts, volume) = (at(*ts), bar.volume);
            writeln!(text, "rows,{symbol},{timeframe},{ts},{open},{high},{low},{close},{volume},{is_final}")
                .unwrap();
        }
        text
    }
}

/// Returns the symbol whose shares are split in a night.
fn split(number: i64, scale: Scale) -> Option<String> {
    let symbol = usize::try_from(number).unwrap() / 45 % scale.symbols;
    (number % 45 == 10).then(|| format!("S{symbol:02}"))
}

/// xorshift64*, from a seed that is not zero.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound
    }
}

/// What the nights between two lines of the growth curve took, and what the store had after the last.
#[derive(Default)]
struct Growth {
    fetch: Duration,
    compress: Duration,
    optimize: Duration,
}

struct Year {
    stage: Stage,
    provider: Arc<Mutex<Provider>>,
    scale: Scale,
    growth: Growth,
    curve: String,
    /// Archived rows that a refresh corrected, as each night's upkeep found them.
    corrected: i64,
}

impl Year {
    fn new(scale: Scale) -> Self {
        let provider = Arc::new(Mutex::new(Provider::default()));
        let own = Arc::clone(&provider);
        let extra = "[window]\nmax_points = 1500\n[pagination]\nkind = \"none\"";
        let stage = Stage::with(Shape::Rows, extra, move |seen| Some(own.lock().unwrap().answer(seen)));
        stage.sandbox.write("daily.txt", Scale::names(scale.symbols).join("\n"));
        stage.sandbox.write("hourly.txt", Scale::names(scale.hourly).join("\n"));
        let curve = "| night | rows | KB | files | fetch s | compress s | optimize s |\n\
                     | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
        Self { stage, provider, scale, growth: Growth::default(), curve: curve.to_owned(), corrected: 0 }
    }

    /// What cron runs in a night.
    fn night(&mut self, number: i64) {
        self.provider.lock().unwrap().correct(number, self.scale);
        self.stage.set_clock(night(number));
        let started = Instant::now();
        let since = at(FIRST - REFRESH * DAY);
        let is_weekly = number % 7 == 6 || number + 1 == self.scale.nights;
        let more = match number {
            0 => format!("--since {since}"),
            // From midnight: what lies between it and the hour of cron would be asked and not kept.
            _ if is_weekly => {
                format!("--refresh --since {}", at(night(number) - CRON - REFRESH * DAY))
            }
            _ => String::new(),
        };
        self.stage.fetch(&format!("@daily.txt -t 1d {more}")).ok();
        self.stage.fetch(&format!("@hourly.txt -t 1h {more}")).ok();
        if let Some(symbol) = split(number, self.scale) {
            self.stage.fetch(&format!("{symbol} -t 1d --refresh --since {since}")).ok();
        }
        let fetched = Instant::now();
        if is_weekly {
            let sql = "SELECT count(*) FROM bars_corrections";
            self.corrected +=
                self.stage.sandbox.sqlite().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        }
        self.barn("barn", night(number), "compress --older-than 30d");
        let compressed = Instant::now();
        self.barn("barn", night(number), "optimize");
        self.growth.fetch += fetched - started;
        self.growth.compress += compressed - fetched;
        self.growth.optimize += compressed.elapsed();
    }

    /// Runs a command on a store at a time.
    fn barn(&self, store: &str, now: i64, line: &str) -> String {
        let arguments = ["--store", store].into_iter().chain(line.split_whitespace());
        let mut command = self.stage.sandbox.barn_command(arguments);
        command.env("BARN_NOW", at(now));
        self.stage.sandbox.run(command, None).ok().stdout()
    }

    /// Asks a store and not what it has answered before.
    fn query(&self, store: &str, sql: &str) -> String {
        let arguments = ["--store", store, "query", "--no-cache", "--format", "csv", sql];
        self.stage.sandbox.barn(arguments).ok().stdout()
    }

    /// Adds a line to the growth curve.
    fn note(&mut self, number: i64) {
        let rows = self.stage.sandbox.value("SELECT count(*) FROM bars");
        let size = Size::of(&self.stage.sandbox.path("barn"));
        let Growth { fetch, compress, optimize } = std::mem::take(&mut self.growth);
        let line = format!(
            "| {} | {rows} | {} | {} | {:.1} | {:.1} | {:.1} |",
            number + 1,
            size.bytes / 1_000,
            size.files,
            fetch.as_secs_f64(),
            compress.as_secs_f64(),
            optimize.as_secs_f64()
        );
        writeln!(self.curve, "{line}").unwrap();
    }

    /// Returns how many files the manifest has of the dataset that has most.
    fn most_files(&self) -> usize {
        let sql = "SELECT coalesce(max(files), 0) FROM \
                   (SELECT count(*) AS files FROM manifest GROUP BY table_name, dataset)";
        let files: i64 = self.stage.sandbox.sqlite().query_row(sql, [], |row| row.get(0)).unwrap();
        usize::try_from(files).unwrap()
    }

    /// Builds a store in one go from what the provider said last.
    fn build_fresh(&self) {
        self.stage.sandbox.write("year.csv", self.provider.lock().unwrap().csv());
        let now = self.scale.last();
        self.barn("fresh", now, "store bars year.csv");
        self.barn("fresh", now, "compress --older-than 30d");
    }

    /// Returns the medians of a query on both stores, asked in turn.
    fn time(&self, sql: &str) -> [Duration; 2] {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..14 {
            for (store, times) in ["barn", "fresh"].into_iter().zip(&mut times) {
                let started = Instant::now();
                self.query(store, sql);
                // The first three warm the caches of the machine.
                times.extend((round >= 3).then(|| started.elapsed()));
            }
        }
        times.map(|mut times| {
            times.sort();
            times[times.len() / 2]
        })
    }

    fn assert_small(&self) {
        let [year, fresh] = ["barn", "fresh"].map(|store| Size::of(&self.stage.sandbox.path(store)));
        eprintln!("{} bytes in {} files, fresh {} in {}", year.bytes, year.files, fresh.bytes, fresh.files);
        let datasets = 2;
        assert!(
            year.files <= MOST_FILES * datasets,
            "{} files\n{}",
            year.files,
            self.stage.sandbox.listing()
        );
        #[allow(clippy::cast_precision_loss, reason = "a ratio with three digits")]
        let ratio = year.bytes as f64 / fresh.bytes as f64;
        let is_small = year.bytes <= fresh.bytes + LEDGER_BYTES || self.scale.is_whole();
        let is_small = is_small && (ratio <= MOST_BYTES || !self.scale.is_whole());
        assert!(is_small, "{ratio:.3} times a fresh build\n{}", self.stage.sandbox.listing());
    }

    fn assert_quick(&self) {
        for sql in QUERIES {
            let [year, fresh] = self.time(sql);
            eprintln!("{year:.1?}, fresh {fresh:.1?}: {sql}");
            assert!(year <= fresh.mul_f64(MOST_TIME) + TIME_FLOOR, "{year:?}, fresh {fresh:?}: {sql}");
        }
    }
}

/// What a store takes on the disk: `barn.db` with its log, and the files of the archive.
struct Size {
    bytes: u64,
    files: usize,
}

impl Size {
    fn of(store: &Path) -> Self {
        let length = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let mut size =
            Self { bytes: length(&store.join("barn.db")) + length(&store.join("barn.db-wal")), files: 0 };
        size.add(&store.join("archive"));
        size
    }

    fn add(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.add(&path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                self.bytes += path.metadata().unwrap().len();
                self.files += 1;
            }
        }
    }
}

#[test]
fn a_year_of_nights_leaves_what_a_store_has_that_is_built_in_one_go() {
    let scale = Scale::of_the_environment();
    let mut year = Year::new(scale);
    let started = Instant::now();
    let step = (scale.nights / 12).max(1);
    for number in 0..scale.nights {
        year.night(number);
        assert!(year.most_files() <= MOST_FILES, "night {number}\n{}", year.stage.sandbox.listing());
        if (number + 1) % step == 0 || number + 1 == scale.nights {
            year.note(number);
        }
    }
    eprintln!("{}\n{:.0?} for {} nights", year.curve, started.elapsed(), scale.nights);
    assert!(year.corrected > scale.nights, "{} archived rows were corrected", year.corrected);
    year.build_fresh();
    let whole = year.query("fresh", BARS);
    assert!(whole.lines().count() > year.scale.symbols * 60, "the year is not empty");
    crate::fetch::assert_same(&year.query("barn", BARS), &whole);
    // Files that were superseded in the last night are kept for an hour, for those who read them.
    year.barn("barn", scale.last() + 2 * HOUR, "optimize");
    year.barn("fresh", scale.last() + 2 * HOUR, "optimize");
    for store in ["barn", "fresh"] {
        crate::fetch::assert_same(&year.query(store, BARS), &whole);
    }
    year.assert_small();
    if scale.is_whole() {
        year.assert_quick();
    }
}
