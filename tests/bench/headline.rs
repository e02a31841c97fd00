//! The work that the scripts did which barn replaces, as they did it and as barn does it: the rows of the headline
//! table.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Suite;
use super::data::{DAYS, SYMBOLS, daily, inserts};
use super::fetch::{definition, fetch_with};
use super::report::{Figure, Line};
use super::run::{Program, Work, barn, clear, program, remove_database, run_once};
use super::server::Server;
use super::store::{counted, stored};

const INSERT: &str = "headline, insert 10,000 rows";
const QUERIES: &str = "headline, 10 queries at once";
const PARALLEL: &str = "headline, fetch 50 symbols";
const CACHE: &str = "headline, warm cache";
const INDEX: &str = "headline, index";
const SIZE: &str = "headline, csv against parquet";

/// How long the server of the fetches thinks: a provider that is near.
const LATENCY: Duration = Duration::from_millis(30);

const TABLE: &str = "CREATE TABLE bars(date TEXT, open REAL, high REAL, low REAL, close REAL, volume INTEGER, \
                     symbol TEXT, PRIMARY KEY(symbol, date));\n";

impl Suite {
    pub(super) fn scripts(&mut self) {
        self.insert();
        self.queries();
        self.one_by_one();
        self.warm();
        self.indexed();
        self.parquet();
    }

    /// A slower insert is felt by whoever keeps a store current with many small files.
    fn insert(&mut self) {
        if !self.wants(INSERT) {
            return;
        }
        let folder = self.folder.path().to_owned();
        fs::write(self.path("ten.csv"), daily(100, 100)).unwrap();
        let rows = inserts(100, 100);
        fs::write(self.path("ten.sql"), format!("{TABLE}{rows}")).unwrap();
        let log = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;\n";
        fs::write(self.path("log.sql"), format!("{log}{TABLE}{rows}")).unwrap();
        let store = ["-q", "store", "bars", "ten.csv", "--set", "source=x", "--set", "timeframe=1d"];
        let mut programs = vec![Program::from(("barn", barn(&folder, &store)))];
        // With a rollback journal each transaction waits for the disk, which takes most of a minute.
        let plain = sqlite(&folder, "ten.sql").map(|command| Program::from((JOURNAL, command)).once());
        programs.extend(plain);
        programs.extend(sqlite(&folder, "log.sql").map(|command| Program::from((LOG, command))));
        let programs = programs.into_iter().map(|program| program.after(|| clear(&folder)));
        self.compare(INSERT, 10_000, programs.collect(), &|name| {
            let found = if name == "barn" { stored(&folder) } else { counted(&folder.join("s.db"), "bars") };
            assert_eq!(found, 10_000, "{name}");
        });
        self.headline("10,000 rows inserted", INSERT, JOURNAL, "barn");
        self.headline("10,000 rows inserted", INSERT, LOG, "barn");
    }

    /// Slower queries at once are a team that waits for each other.
    fn queries(&mut self) {
        if !self.wants(QUERIES) {
            return;
        }
        let folder = self.folder.path().to_owned();
        self.store_daily();
        let ask = |number: usize| {
            let sql = format!(
                "SELECT symbol, avg(close) AS a, max(high) AS h FROM bars WHERE symbol LIKE 'S%{number}' GROUP BY symbol"
            );
            barn(&folder, &["query", "--no-cache", "--format", "csv", &sql])
        };
        let all = || (0..10).map(ask).collect();
        let programs = vec![
            Program::new("barn", Work::AtOnce(all())),
            Program::new("one after the other", Work::InTurn(all())),
        ];
        self.compare(QUERIES, SYMBOLS * usize::try_from(DAYS).unwrap(), programs, &|_| {});
        self.headline(
            "10 queries, each over a tenth of 618,625 bars",
            QUERIES,
            "one after the other",
            "barn",
        );
    }

    /// A slower parallel fetch makes the number of symbols the length of the night.
    fn one_by_one(&mut self) {
        if !self.wants(PARALLEL) {
            return;
        }
        let folder = self.folder.path().to_owned();
        let server = Server::start(LATENCY);
        fs::write(self.path("bench.toml"), definition(&server.url(), "1d", 365)).unwrap();
        let symbols = fifty();
        let mut one = fetch_with(&folder, &symbols, "1d", 365);
        one.args(["--jobs", "1"]);
        let commands = [("barn", fetch_with(&folder, &symbols, "1d", 365)), ("one by one", one)];
        let programs = commands.into_iter().map(|command| Program::from(command).after(|| clear(&folder)));
        self.compare(PARALLEL, 50 * 365, programs.collect(), &|name| {
            assert_eq!((server.take(), stored(&folder)), (50, 50 * 365), "{name}");
        });
        self.headline("50 symbols fetched, 30 ms an answer", PARALLEL, "one by one", "barn");
    }

    /// A slower warm cache makes a store that was lost, or one more store, cost the provider's limits again.
    fn warm(&mut self) {
        if !self.wants(CACHE) {
            return;
        }
        let folder = self.folder.path().to_owned();
        let server = Server::start(LATENCY);
        let cached =
            definition(&server.url(), "1d", 365).replace("closed = \"never\"", "closed = \"forever\"");
        fs::write(self.path("bench.toml"), cached).unwrap();
        let fetch = || Work::InTurn(vec![fetch_with(&folder, &fifty(), "1d", 365)]);
        // The cold run is before each warm one, and leaves the answers that this one finds.
        let programs = vec![
            Program::new("cold cache", fetch()).after(|| clear(&folder)),
            Program::new("barn", fetch()).after(|| remove_database(&folder.join("barn/barn.db"))),
        ];
        self.compare(CACHE, 50 * 365, programs, &|name| {
            let asked = if name == "barn" { 0 } else { 50 };
            assert_eq!((server.take(), stored(&folder)), (asked, 50 * 365), "{name}");
        });
        self.headline("50 symbols whose answers are cached", CACHE, "cold cache", "barn");
    }

    /// A slower indexed query is a day for which all contracts that ever were have to be looked into.
    fn indexed(&mut self) {
        if !self.wants(INDEX) {
            return;
        }
        let folder = self.folder.path().to_owned();
        if !barn(&folder, &["optimize", "--help"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
        {
            eprintln!("{INDEX}: left out, this barn has no `optimize`");
            return;
        }
        clear(&folder);
        fs::write(self.path("many.csv"), contracts(50_000)).unwrap();
        let day = "SELECT count(*) AS n, avg(close) AS a FROM bars \
                   WHERE ts >= TIMESTAMP '2013-06-03 00:00:00' AND ts < TIMESTAMP '2013-06-04 00:00:00'";
        for store in ["plain", "indexed"] {
            let options = ["-q", "--store", store, "store", "bars", "many.csv"];
            run_once(barn(&folder, &options).args(["--set", "source=x", "--set", "timeframe=1d"]));
            // What is indexed may depend on what is asked.
            for _ in 0..5 {
                run_once(&mut barn(&folder, &["--store", store, "query", "--no-cache", day]));
            }
        }
        run_once(&mut barn(
            &folder,
            &["-q", "--store", "indexed", "optimize", "--only", "indexes", "--apply"],
        ));
        if indexes(&folder.join("indexed/barn.db")) == indexes(&folder.join("plain/barn.db")) {
            eprintln!("{INDEX}: left out, `optimize --only indexes --apply` made no index");
            return;
        }
        let ask =
            |store: &str| barn(&folder, &["--store", store, "query", "--no-cache", "--format", "csv", day]);
        assert_eq!(printed(ask("plain")), printed(ask("indexed")));
        self.measure(INDEX, 250_000, vec![("barn", ask("indexed")), ("no index", ask("plain"))], None);
        self.headline("a day of 50,000 contracts, each of which lives for five", INDEX, "no index", "barn");
    }

    /// A larger archive fills the disk sooner.
    fn parquet(&mut self) {
        if !self.wants(SIZE) {
            return;
        }
        let folder = self.folder.path().to_owned();
        self.store_daily();
        run_once(&mut barn(&folder, &["-q", "compress", "--all"]));
        assert_eq!(stored(&folder), 0);
        let csv = fs::metadata(self.path("daily.csv")).unwrap().len();
        let figures =
            vec![Figure::of_bytes("barn", bytes(&folder.join("barn/archive"))), Figure::of_bytes("CSV", csv)];
        self.lines.push(Line { bench: SIZE, rows: SYMBOLS * usize::try_from(DAYS).unwrap(), figures });
        self.headline("618,625 daily bars on disk", SIZE, "CSV", "barn");
    }

    /// Makes a store of daily bars, all of them hot.
    fn store_daily(&self) {
        let folder = self.folder.path();
        clear(folder);
        fs::write(self.path("daily.csv"), daily(SYMBOLS, DAYS)).unwrap();
        let store = ["-q", "store", "bars", "daily.csv", "--set", "source=x", "--set", "timeframe=1d"];
        run_once(&mut barn(folder, &store));
    }
}

const JOURNAL: &str = "sqlite3, a transaction a row";
const LOG: &str = "sqlite3, a transaction a row in a WAL";

fn sqlite(folder: &Path, script: &str) -> Option<Command> {
    let (_, mut command) = program("sqlite3", &["s.db", &format!(".read {script}")])?;
    command.current_dir(folder);
    Some(command)
}

fn fifty() -> Vec<String> {
    (0..50).map(|at| format!("S{at}")).collect()
}

fn printed(mut command: Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

/// Returns a price a day of contracts that live for five days each, five hundred beginning every day.
fn contracts(count: usize) -> String {
    /// 2013-06-03, in the middle of all days.
    const MIDDLE: usize = 1_370_217_600;
    let first = MIDDLE - count / 1_000 * 86_400;
    let mut text = "ts,symbol,close\n".to_owned();
    for number in 0..count {
        for day in 0..5 {
            let ts = first + (number / 500 + day) * 86_400;
            writeln!(text, "{ts},C{number:05},{}.25", number % 97).unwrap();
        }
    }
    text
}

fn indexes(path: &Path) -> usize {
    counted(path, "sqlite_master WHERE type = 'index'")
}

/// Returns the bytes of all files below a folder.
fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() { bytes(&entry.path()) } else { metadata.len() }
        })
        .sum()
}
