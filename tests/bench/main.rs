//! Measures whole commands on seeded data, beside their peers in the same run.
//!
//! `cargo bench` runs all, `cargo bench -- import` those whose name contains the word, `--runs N` sets how
//! often each command runs, `--csv` prints `date,commit,machine,bench,rows,median_ns,bytes` lines instead of
//! the table. The programs run in turn (A B C A B C …) and the median counts. sqlite3 takes part if it is
//! installed, duckdb if it is on the PATH or beside the interpreter that `BARN_TEST_PYTHON` names, curl and aiohttp
//! likewise. `cargo bench -- size --data FOLDER` takes the sizes of real market data, beside pyarrow, polars and
//! DuckDB where `BARN_TEST_PYTHON` has them.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark is a program of its own"
)]

mod archive;
mod fetch;
mod size;

// The sets of real data and how they are stored: what the tests of the archive run on.
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../cli/dialects.rs"]
mod dialects;
#[allow(dead_code, clippy::print_stderr, clippy::format_push_string, reason = "the tests use more of it")]
#[path = "../cli/harness.rs"]
mod harness;
#[path = "../cli/compress/measure.rs"]
mod measure;
#[allow(dead_code, unused_imports, unused_macros, reason = "the tests use more of it")]
#[path = "../cli/compress/sets.rs"]
mod sets;

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const BARN: &str = env!("CARGO_BIN_EXE_barn");

/// 505 symbols of 1,225 days: the size of five years of the S&P 500.
const SYMBOLS: usize = 505;
const DAYS: i64 = 1_225;
/// 500 symbols of 10,000 minutes: what an aggregate or an export has to read.
const MANY_SYMBOLS: usize = 500;
const MINUTES: i64 = 10_000;

/// What one program did.
struct Figure {
    program: String,
    wall: Duration,
    peak_mb: f64,
}

/// One line of the table.
struct Line {
    bench: &'static str,
    rows: usize,
    bytes: u64,
    figures: Vec<Figure>,
}

struct Suite {
    folder: tempfile::TempDir,
    words: Vec<String>,
    runs: usize,
    lines: Vec<Line>,
    /// The folder of the real market data.
    data: Option<PathBuf>,
    sizes: Vec<measure::Sizes>,
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut words, mut runs, mut csv) = (Vec::new(), 5, false);
    let mut data = std::env::var_os("BARN_TEST_DATA").map(PathBuf::from);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--csv" => csv = true,
            "--runs" => runs = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(runs),
            "--data" => data = arguments.next().map(PathBuf::from),
            _ => words.push(argument),
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut suite = Suite { folder, words, runs, lines: Vec::new(), data, sizes: Vec::new() };
    suite.start();
    suite.import();
    suite.query();
    suite.archive();
    suite.fetch();
    suite.size();
    if csv {
        suite.print_csv();
        suite.print_sizes_csv();
    } else {
        suite.print_table();
        suite.print_sizes();
    }
}

impl Suite {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn wants(&self, bench: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| bench.contains(word.as_str()))
    }

    /// Runs commands in turn; `before` prepares a folder for each run.
    fn measure(
        &mut self,
        bench: &'static str,
        rows: usize,
        commands: Vec<(&str, Command)>,
        before: impl Fn(),
    ) {
        if !self.wants(bench) {
            return;
        }
        let mut walls: Vec<(String, Vec<Duration>, f64)> =
            commands.iter().map(|(program, _)| ((*program).to_owned(), Vec::new(), 0.0)).collect();
        let mut commands: Vec<Command> = commands.into_iter().map(|(_, command)| command).collect();
        for run in 0..=self.runs {
            for (at, command) in commands.iter_mut().enumerate() {
                before();
                let (wall, peak_mb) = run_once(command);
                // The first round warms the caches of the machine.
                if run > 0 {
                    walls[at].1.push(wall);
                    walls[at].2 = walls[at].2.max(peak_mb);
                }
            }
        }
        let figures = walls
            .into_iter()
            .map(|(program, mut walls, peak_mb)| {
                walls.sort();
                Figure { program, wall: walls[walls.len() / 2], peak_mb }
            })
            .collect();
        self.lines.push(Line { bench, rows, bytes: 0, figures });
    }

    /// A slower start is felt in every command of a shell loop.
    fn start(&mut self) {
        let mut commands = vec![("barn", barn(self.folder.path(), &["--version"]))];
        commands.extend(program("sqlite3", &[":memory:", "SELECT 1"]));
        commands.extend(program("duckdb", &["-c", "SELECT 1"]));
        self.measure("start", 0, commands, || {});
    }

    /// A slower import is a longer night; a slower duplicate makes people afraid to run it again.
    fn import(&mut self) {
        if !self.wants("import") && !self.wants("import again") {
            return;
        }
        let rows = SYMBOLS * usize::try_from(DAYS).unwrap();
        fs::write(self.path("daily.csv"), daily()).unwrap();
        let folder = self.folder.path().to_owned();
        let store = ["-q", "store", "bars", "daily.csv", "--set", "source=x", "--set", "timeframe=1d"];
        let direct = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE bars(date TEXT, open REAL, high REAL, \
                      low REAL, close REAL, volume INTEGER, symbol TEXT, PRIMARY KEY(symbol, date)) WITHOUT ROWID;\n\
                      .mode csv\n.import --skip 1 daily.csv bars\n";
        fs::write(self.path("direct.sql"), direct).unwrap();
        let keyed = "CREATE TABLE bars(date DATE, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume BIGINT, \
                     symbol VARCHAR, PRIMARY KEY(symbol, date)); \
                     INSERT OR REPLACE INTO bars SELECT * FROM read_csv('daily.csv', header=true);";
        let mut commands = vec![("barn", barn(&folder, &store))];
        commands.extend(program("sqlite3", &["s.db", ".read direct.sql"]));
        commands.extend(program("duckdb", &["d.db", "-c", keyed]));
        for (_, command) in &mut commands {
            command.current_dir(&folder);
        }
        self.measure("import", rows, commands, || clear(&folder));
        clear(&folder);
        run_once(&mut barn(&folder, &store));
        let bytes = fs::metadata(folder.join("barn/barn.db")).unwrap().len();
        self.measure("import again", rows, vec![("barn", barn(&folder, &store))], || {});
        if let Some(line) = self.lines.last_mut().filter(|line| line.bench == "import again") {
            line.bytes = bytes;
        }
        self.measure("point query", rows, vec![("barn", barn(&folder, &["query", POINT]))], || {});
    }

    /// Slower queries are waited for at the terminal.
    fn query(&mut self) {
        if !["aggregate", "csv out", "csv out, ordered", "first row"].iter().any(|bench| self.wants(bench)) {
            return;
        }
        let rows = MANY_SYMBOLS * usize::try_from(MINUTES).unwrap();
        let folder = self.folder.path().to_owned();
        clear(&folder);
        fs::write(self.path("minutes.csv"), minutes()).unwrap();
        run_once(&mut barn(
            &folder,
            &["-q", "store", "bars", "minutes.csv", "--set", "source=x", "--set", "timeframe=1m"],
        ));
        let ask = |sql: &str| ("barn", barn(&folder, &["query", "--format", "csv", sql]));
        let columns = "SELECT symbol, ts, open, high, low, close, volume FROM bars";
        let aggregate =
            "SELECT symbol, avg(close), max(high), min(low), sum(volume) FROM bars GROUP BY symbol";
        self.measure("aggregate", rows, vec![ask(aggregate)], || {});
        self.measure("csv out", rows, vec![ask(columns)], || {});
        let ordered = format!("{columns} ORDER BY source, symbol, timeframe, ts");
        self.measure("csv out, ordered", rows, vec![ask(&ordered)], || {});
        if self.wants("first row") {
            let mut walls: Vec<Duration> = (0..self.runs).map(|_| first_row(&folder, &ordered)).collect();
            walls.sort();
            let figure = Figure { program: "barn".to_owned(), wall: walls[walls.len() / 2], peak_mb: 0.0 };
            self.lines.push(Line { bench: "first row", rows: 0, bytes: 0, figures: vec![figure] });
        }
    }

    fn print_table(&self) {
        if self.lines.is_empty() {
            return;
        }
        println!("| bench | program | median | rows/s | peak MB | against barn |");
        println!("| --- | --- | ---: | ---: | ---: | ---: |");
        for line in &self.lines {
            let base = line.figures[0].wall.as_secs_f64();
            for figure in &line.figures {
                let wall = figure.wall.as_secs_f64();
                #[allow(clippy::cast_precision_loss, reason = "a figure with two digits")]
                let rate = if line.rows == 0 {
                    String::new()
                } else {
                    format!("{:.2} M", line.rows as f64 / wall / 1e6)
                };
                println!(
                    "| {} | {} | {:.1} ms | {rate} | {:.0} | {:.2}x |",
                    line.bench,
                    figure.program,
                    wall * 1e3,
                    figure.peak_mb,
                    wall / base
                );
            }
            if line.bytes > 0 {
                #[allow(clippy::cast_precision_loss, reason = "a figure with two digits")]
                let per_row = line.bytes as f64 / line.rows as f64;
                println!("| bytes a row, hot | barn | {per_row:.1} | | | |");
            }
        }
    }

    fn print_csv(&self) {
        let date = output("date", &["-u", "+%Y-%m-%d"]);
        let commit = output("git", &["rev-parse", "--short", "HEAD"]);
        let machine = output("uname", &["-m"]);
        println!("date,commit,machine,bench,rows,median_ns,bytes");
        for line in &self.lines {
            for figure in &line.figures {
                let name = format!("{} ({})", line.bench, figure.program);
                println!(
                    "{date},{commit},{machine},\"{name}\",{},{},{}",
                    line.rows,
                    figure.wall.as_nanos(),
                    line.bytes
                );
            }
        }
    }
}

const POINT: &str = "SELECT * FROM bars WHERE symbol = 'S250' AND ts >= '2014-03-03' AND ts < '2014-03-04'";

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn barn(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BARN);
    command.current_dir(folder).env("BARN_STORE", "barn").args(arguments);
    command
}

/// Returns a peer, if it is installed.
fn program(name: &'static str, arguments: &[&str]) -> Option<(&'static str, Command)> {
    let beside = std::env::var_os("BARN_TEST_PYTHON")
        .and_then(|python| Some(Path::new(&python).parent()?.join(name)))
        .filter(|path| path.exists());
    let mut command = Command::new(beside.unwrap_or_else(|| name.into()));
    let answers = Command::new(command.get_program()).arg("--version").stdout(Stdio::null()).status();
    command.args(arguments);
    answers.is_ok_and(|status| status.success()).then_some((name, command))
}

fn clear(folder: &Path) {
    for name in ["s.db", "s.db-wal", "s.db-shm", "d.db", "d.db.wal"] {
        fs::remove_file(folder.join(name)).ok();
    }
    fs::remove_dir_all(folder.join("barn")).ok();
}

/// Runs a command and returns its wall time and its peak memory.
fn run_once(command: &mut Command) -> (Duration, f64) {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak_mb = 0.0_f64;
    loop {
        if let Some(code) = child.try_wait().unwrap() {
            let wall = start.elapsed();
            assert!(code.success(), "{command:?}: {code}");
            return (wall, peak_mb);
        }
        if let Some(peak) = fs::read_to_string(&status).ok().and_then(|text| peak(&text)) {
            peak_mb = peak_mb.max(peak);
        }
        std::thread::sleep(Duration::from_micros(300));
    }
}

fn peak(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kilobytes| kilobytes / 1e3)
}

/// Returns the time from the start of a process to the first row of its output.
fn first_row(folder: &Path, sql: &str) -> Duration {
    let start = Instant::now();
    let mut child = barn(folder, &["query", "--format", "csv", sql]).stdout(Stdio::piped()).spawn().unwrap();
    let mut bytes = [0; 4_096];
    let mut out = child.stdout.take().unwrap();
    let mut lines = 0;
    // The header and the first row.
    while lines < 2 {
        let count = out.read(&mut bytes).unwrap();
        assert!(count > 0, "the output ended early");
        lines += String::from_utf8_lossy(&bytes[..count]).matches('\n').count();
    }
    let wall = start.elapsed();
    drop(out);
    child.wait().unwrap();
    wall
}

/// A seeded generator (xorshift64*), so that every machine measures the same rows.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

/// Daily bars of many symbols, a random walk in cents.
fn daily() -> String {
    let dates: Vec<String> = (0..DAYS).map(|day| date(15_744 + day + 2 * (day / 5))).collect();
    let mut text = "date,open,high,low,close,volume,Name\n".to_owned();
    bars(SYMBOLS, &dates, &mut text, |text, date, symbol, prices| {
        writeln!(text, "{date},{prices},S{symbol:03}").unwrap();
    });
    text
}

/// Minute bars of many symbols, sorted by symbol and time.
fn minutes() -> String {
    let times: Vec<String> = (0..MINUTES).map(|minute| (1_700_000_000 + minute * 60).to_string()).collect();
    let mut text = "ts,symbol,open,high,low,close,volume\n".to_owned();
    bars(MANY_SYMBOLS, &times, &mut text, |text, time, symbol, prices| {
        writeln!(text, "{time},S{symbol:03},{prices}").unwrap();
    });
    text
}

fn bars(symbols: usize, times: &[String], text: &mut String, row: impl Fn(&mut String, &str, usize, &str)) {
    let mut random = Random(7);
    for symbol in 0..symbols {
        let mut price = 2_000 + random.below(20_000);
        for time in times {
            price = (price + random.below(201)).saturating_sub(100).max(100);
            let (open, close) = (price + random.below(60), price + random.below(60));
            let (high, low) =
                (open.max(close) + random.below(40), open.min(close).saturating_sub(random.below(40)));
            let cents = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
            let volume = 100_000 + random.below(9_000_000);
            row(
                text,
                time,
                symbol,
                &format!("{},{},{},{},{volume}", cents(open), cents(high), cents(low), cents(close)),
            );
        }
    }
}

fn date(days: i64) -> String {
    let mut text = Vec::new();
    barn::model::time::write_date(days, &mut text);
    String::from_utf8(text).unwrap()
}
