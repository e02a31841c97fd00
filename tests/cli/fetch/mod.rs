//! `barn fetch`, against providers of three shapes that this process plays.

mod bad;
mod crash;
mod edges;
mod kept;
mod limits;
mod plan;
mod replay;
mod run;
mod secrets;
mod sources;
mod steps;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use barn::model::time::format_timestamp;

use crate::harness::{Output, Sandbox};
use crate::market::{self, BARS, HEADER, KEY, KEY_NAME, NOW, Shape, assert_no_file_has_key, has_key};
use crate::server::{Reply, Seen, Server};

pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 86_400;

/// A provider, and a folder with its definition.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) server: Server,
    pub(crate) shape: Shape,
    now: Arc<AtomicI64>,
}

impl Stage {
    /// A provider that answers as it should.
    pub(crate) fn new(shape: Shape) -> Self {
        Self::with(shape, "", |_| None)
    }

    /// A provider that `twist` answers for where it returns something; `extra` changes the definition.
    pub(crate) fn with(
        shape: Shape,
        extra: &str,
        twist: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let now = Arc::new(AtomicI64::new(NOW));
        let clock = Arc::clone(&now);
        let server = Server::start(move |seen| {
            twist(seen).unwrap_or_else(|| shape.answer(seen, clock.load(Ordering::SeqCst)))
        });
        let stage = Self { sandbox: Sandbox::new(), server, shape, now };
        stage.define(extra);
        stage
    }

    /// Writes the definition anew.
    pub(crate) fn define(&self, extra: &str) {
        self.sandbox.write("source.toml", self.shape.definition(&self.server.url(), extra));
    }

    /// Sets the clock, of the provider and of the commands to come.
    pub(crate) fn set_clock(&self, now: i64) {
        self.now.store(now, Ordering::SeqCst);
    }

    /// Returns `barn fetch source.toml` with the words of a line behind it, not started.
    pub(crate) fn command(&self, line: &str) -> Command {
        self.with_key(&format!("--report report.json fetch ./source.toml {line}"))
    }

    /// Fetches what failed, as a report tells it.
    pub(crate) fn retry(&self, report: &str) -> Output {
        self.sandbox.run(self.with_key(&format!("fetch --retry-failed {report} --report report.json")), None)
    }

    fn with_key(&self, line: &str) -> Command {
        let mut command = self.sandbox.barn_command(line.split_whitespace());
        command
            .env(KEY_NAME, KEY)
            .env("BARN_NOW", format_timestamp(self.now.load(Ordering::SeqCst) * 1_000_000));
        command
    }

    /// Runs it.
    pub(crate) fn fetch(&self, line: &str) -> Output {
        self.sandbox.run(self.command(line), None)
    }

    /// Returns the bars of the store.
    pub(crate) fn bars(&self) -> String {
        self.sandbox.query(BARS)
    }

    /// Returns the report of the last fetch.
    pub(crate) fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.sandbox.read_text("report.json")).unwrap()
    }

    /// Returns the start and end of each window of a symbol that was asked since the last `take`.
    pub(crate) fn starts(&self, symbol: &str) -> Vec<i64> {
        let requests = self.server.requests();
        let mut starts: Vec<_> = requests
            .iter()
            .filter(|seen| self.shape.symbol(seen) == symbol)
            .map(|seen| self.shape.start(seen))
            .collect();
        starts.sort_unstable();
        starts
    }

    /// Returns what the ledger knows of a symbol: state, start and stop in seconds.
    pub(crate) fn ledger(&self, symbol: &str) -> Vec<(String, i64, i64)> {
        let store = self.sandbox.sqlite();
        let mut query = store
            .prepare(
                "SELECT state, start / 1000000, stop / 1000000 FROM coverage WHERE symbol = ? ORDER BY start",
            )
            .unwrap();
        let rows = query.query_map([symbol], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Checks that the key is nowhere: in no file that a command wrote, and in nothing that it said.
    pub(crate) fn assert_no_key(&self, said: &[&str]) {
        for text in said {
            assert!(!has_key(text.as_bytes()), "the key is in what was printed:\n{text}");
        }
        assert_no_file_has_key(&self.sandbox.path("."), None);
    }
}

/// Returns a time as an argument.
pub(crate) fn at(seconds: i64) -> String {
    format_timestamp(seconds * 1_000_000)
}

/// Returns the bars of symbols that a store has which asked for a range at `now`.
pub(crate) fn expected(symbols: &[&str], timeframe: &str, from: i64, to: i64, now: i64) -> String {
    let mut text = HEADER.to_owned();
    for symbol in symbols {
        let bars = market::bars(symbol, timeframe, from, to, now);
        text.push_str(&market::lines(symbol, timeframe, &bars, now));
    }
    text
}

/// Checks two tables, and shows the first line that differs.
#[track_caller]
pub(crate) fn assert_same(found: &str, expected: &str) {
    assert!(found == expected, "{}", crate::harness::difference(expected, found));
}
