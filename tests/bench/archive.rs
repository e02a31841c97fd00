//! The archive: moving minute bars into it, and asking it, beside duckdb on the same Parquet files.

use std::fs;
use std::path::Path;

use super::Suite;
use super::data::{MANY_SYMBOLS, MINUTES, minutes};
use super::run::{Program, Work, barn, clear, program, remove_database, run_once};

/// The last minutes of the bars that stay hot in the benches of hot and archived rows together.
const BORDER: &str = "2023-11-21T12:00:00Z";

/// A query whose result is known already.
const REPEATED: &str = "headline, repeated query";

const QUERIES: [(&str, &str); 5] = [
    (
        "archived, point",
        "SELECT * FROM bars WHERE symbol = 'S250' AND ts >= TIMESTAMP '2023-11-16 00:00:00' AND ts < TIMESTAMP '2023-11-17 00:00:00'",
    ),
    ("archived, count", "SELECT count(*) AS n FROM bars"),
    (
        "archived, aggregate",
        "SELECT symbol, avg(close) AS a, max(high) AS h, min(low) AS l, sum(volume) AS v FROM bars GROUP BY symbol",
    ),
    (
        "archived, one day",
        "SELECT symbol, max(high) AS h FROM bars WHERE ts >= TIMESTAMP '2023-11-16 00:00:00' AND ts < TIMESTAMP '2023-11-17 00:00:00' GROUP BY symbol",
    ),
    (
        "archived, moving average",
        "SELECT ts, avg(close) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 19 PRECEDING AND CURRENT ROW) AS m FROM bars WHERE symbol = 'S123' ORDER BY ts",
    ),
];

impl Suite {
    /// A slower archive makes a longer night; slower archived queries make people keep everything hot.
    pub(super) fn archive(&mut self) {
        let others = ["compress", "hot and archived, aggregate", REPEATED];
        if !QUERIES.iter().map(|(bench, _)| *bench).chain(others).any(|bench| self.wants(bench)) {
            return;
        }
        let rows = MANY_SYMBOLS * usize::try_from(MINUTES).unwrap();
        let folder = self.folder.path().to_owned();
        clear(&folder);
        fs::write(self.path("minutes.csv"), minutes()).unwrap();
        let store = ["-q", "store", "bars", "minutes.csv", "--set", "source=x", "--set", "timeframe=1m"];
        run_once(&mut barn(&folder, &store));
        let hot = folder.join("hot");
        fs::rename(folder.join("barn"), &hot).unwrap();
        let fresh = || {
            fs::remove_dir_all(folder.join("barn")).ok();
            fs::create_dir(folder.join("barn")).unwrap();
            fs::copy(hot.join("barn.db"), folder.join("barn/barn.db")).unwrap();
        };
        let ask = |sql: &str| barn(&folder, &["query", "--no-cache", "--format", "csv", sql]);
        let compress = ["-q", "compress", "--all"];
        self.measure("compress", rows, vec![("barn", barn(&folder, &compress))], Some(&fresh));
        fresh();
        run_once(&mut barn(&folder, &compress));
        for (bench, sql) in QUERIES {
            let view = format!(
                "SET threads=2; CREATE VIEW bars AS SELECT * FROM read_parquet('barn/archive/bars/**/*.parquet', hive_partitioning=true); {sql}"
            );
            let mut commands = vec![("barn", ask(sql))];
            commands.extend(program("duckdb", &["-csv", "-c", &view]));
            for (_, command) in &mut commands {
                command.current_dir(&folder);
            }
            self.measure(bench, rows, commands, None);
        }
        let (_, aggregate) = QUERIES[2];
        self.repeated(&folder, rows, aggregate);
        fresh();
        run_once(&mut barn(&folder, &["-q", "compress", "--before", BORDER]));
        self.measure("hot and archived, aggregate", rows, vec![("barn", ask(aggregate))], None);
    }

    /// A slower repetition makes a dashboard that refreshes itself a load.
    fn repeated(&mut self, folder: &Path, rows: usize, sql: &str) {
        let ask = || Work::InTurn(vec![barn(folder, &["query", "--format", "csv", sql])]);
        let forget = || remove_database(&folder.join("barn/cache.db"));
        // The first time is before each second one, so that there is always something to find.
        let programs = vec![Program::new("first time", ask()).after(forget), Program::new("barn", ask())];
        self.compare(REPEATED, rows, programs, &|_| {});
        self.headline("the same query again, over 5 million rows", REPEATED, "first time", "barn");
    }
}
