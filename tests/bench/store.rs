//! Starting, storing and asking, on rows that are all hot.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::Suite;
use super::data::{DAYS, MANY_SYMBOLS, MINUTES, SYMBOLS, daily, minutes};
use super::report::{Figure, Line};
use super::run::{Program, Run, barn, clear, cpu_of_children, program, run_once};

const POINT: &str = "SELECT * FROM bars WHERE symbol = 'S250' AND ts >= '2014-03-03' AND ts < '2014-03-04'";

/// The same table in sqlite3, and what fills it from the CSV.
const DIRECT: &str = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE bars(date TEXT, open REAL, \
                      high REAL, low REAL, close REAL, volume INTEGER, symbol TEXT, PRIMARY KEY(symbol, date)) \
                      WITHOUT ROWID;\n.mode csv\n.import --skip 1 daily.csv bars\n";

/// The same in DuckDB.
const KEYED: &str = "CREATE TABLE bars(date DATE, open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume BIGINT, \
                     symbol VARCHAR, PRIMARY KEY(symbol, date)); \
                     INSERT OR REPLACE INTO bars SELECT * FROM read_csv('daily.csv', header=true);";

impl Suite {
    /// A slower start is felt in every command of a shell loop.
    pub(super) fn start(&mut self) {
        let mut commands = vec![("barn", barn(self.folder.path(), &["--version"]))];
        commands.extend(program("sqlite3", &[":memory:", "SELECT 1"]));
        commands.extend(program("duckdb", &["-c", "SELECT 1"]));
        self.measure("start", 0, commands, None);
    }

    /// A slower import is a longer night; a slower duplicate makes people afraid to run it again.
    pub(super) fn import(&mut self) {
        if !self.wants_any(&["import", "import again", "point query"]) {
            return;
        }
        let rows = SYMBOLS * usize::try_from(DAYS).unwrap();
        fs::write(self.path("daily.csv"), daily(SYMBOLS, DAYS)).unwrap();
        fs::write(self.path("direct.sql"), DIRECT).unwrap();
        let folder = self.folder.path().to_owned();
        let store = ["-q", "store", "bars", "daily.csv", "--set", "source=x", "--set", "timeframe=1d"];
        let mut commands = vec![("barn", barn(&folder, &store))];
        commands.extend(program("sqlite3", &["s.db", ".read direct.sql"]));
        commands.extend(program("duckdb", &["d.db", "-c", KEYED]));
        for (_, command) in &mut commands {
            command.current_dir(&folder);
        }
        let programs = commands.into_iter().map(|command| Program::from(command).after(|| clear(&folder)));
        self.compare("import", rows, programs.collect(), &|name| match name {
            "barn" => assert_eq!(stored(&folder), rows),
            "sqlite3" => assert_eq!(counted(&folder.join("s.db"), "bars"), rows),
            _ => assert!(folder.join("d.db").exists()),
        });
        clear(&folder);
        run_once(&mut barn(&folder, &store));
        let bytes = fs::metadata(folder.join("barn/barn.db")).unwrap().len();
        self.measure("import again", rows, vec![("barn", barn(&folder, &store))], None);
        if let Some(line) = self.lines.last_mut().filter(|line| line.bench == "import again") {
            line.figures[0].bytes = bytes;
        }
        self.measure(
            "point query",
            rows,
            vec![("barn", barn(&folder, &["query", "--no-cache", POINT]))],
            None,
        );
    }

    /// Slower queries are waited for at the terminal.
    pub(super) fn query(&mut self) {
        if !self.wants_any(&["aggregate", "csv out", "csv out, ordered", "first row"]) {
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
        assert_eq!(stored(&folder), rows);
        let ask = |sql: &str| vec![("barn", barn(&folder, &["query", "--no-cache", "--format", "csv", sql]))];
        let columns = "SELECT symbol, ts, open, high, low, close, volume FROM bars";
        let aggregate =
            "SELECT symbol, avg(close), max(high), min(low), sum(volume) FROM bars GROUP BY symbol";
        self.measure("aggregate", rows, ask(aggregate), None);
        self.measure("csv out", rows, ask(columns), None);
        let ordered = format!("{columns} ORDER BY source, symbol, timeframe, ts");
        self.measure("csv out, ordered", rows, ask(&ordered), None);
        if self.wants("first row") {
            let runs = (0..self.options.runs).map(|_| first_row(&folder, &ordered)).collect();
            let figure = Figure { runs, ..Figure::new("barn") };
            self.lines.push(Line { bench: "first row", rows: 0, figures: vec![figure] });
        }
    }
}

/// Returns how many hot bars a store has.
pub(super) fn stored(folder: &Path) -> usize {
    counted(&folder.join("barn/barn.db"), "bars_rows")
}

/// Returns how many rows a table of an SQLite file has.
pub(super) fn counted(path: &Path, table: &str) -> usize {
    // A connection that may write would take the log into the file when it closes.
    let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let count: i64 = store.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
    usize::try_from(count).unwrap()
}

/// Takes the time from the start of a process to the first row of its output.
fn first_row(folder: &Path, sql: &str) -> Run {
    let (cpu, start) = (cpu_of_children(), Instant::now());
    let mut command = barn(folder, &["query", "--no-cache", "--format", "csv", sql]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut bytes = [0; 4_096];
    let mut out = child.stdout.take().unwrap();
    let mut lines = 0;
    // The header and the first row.
    while lines < 2 {
        let count = out.read(&mut bytes).unwrap();
        assert!(count > 0, "the output ended early");
        lines += String::from_utf8_lossy(&bytes[..count]).matches('\n').count();
    }
    let wall: Duration = start.elapsed();
    drop(out);
    child.wait().unwrap();
    Run { wall, cpu: cpu_of_children().saturating_sub(cpu), peak_mb: 0.0 }
}
