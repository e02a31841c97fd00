//! Everything at once on one store: rows never go away, a file that is stored is seen whole or not at all, and nobody
//! is told that a database is locked.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use barn::model::time::format_timestamp;

use crate::harness::{Done, Sandbox};
use crate::market::{self, KEY, KEY_NAME, NOW, Shape};
use crate::server::Server;
use crate::times;

const DAY: i64 = 86_400;
/// Rows of a file.
const PART: u64 = 40;
const FIRST: i64 = NOW - NOW % DAY - 300 * DAY;

struct Scene {
    folder: Sandbox,
    _provider: Server,
    over: AtomicBool,
    ran: AtomicU64,
}

impl Scene {
    /// Runs a command; another one at the archive, or at the upkeep, may be in its way and is named then.
    fn run(&self, words: &[&str]) -> Option<Done> {
        let mut command = self.folder.barn_command(words);
        command.env("BARN_NOW", format_timestamp(NOW * 1_000_000)).env(KEY_NAME, KEY);
        let (code, done) = self.folder.run(command, None).any();
        self.ran.fetch_add(1, Ordering::SeqCst);
        let said = done.stderr().to_lowercase();
        done.check(!said.contains("locked") && !said.contains("busy"), "a lock reaches the user");
        if code == Some(1) && said.contains("another process is doing it") {
            return None;
        }
        done.check(code == Some(0), &format!("exit code {code:?}"));
        Some(done)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Stores one file after the other, each a symbol of its own; returns how many.
    fn store(&self) -> u64 {
        let mut number = 0;
        while !self.is_over() {
            let mut text = String::from("ts,symbol,close,volume\n");
            for row in 0..PART {
                writeln!(text, "{},F{number},{}.25,{row}", FIRST + i64::try_from(row).unwrap() * 60, number)
                    .unwrap();
            }
            self.folder.write("part.csv", text);
            let words = ["store", "bars", "part.csv", "--set", "timeframe=1m", "--set", "source=file"];
            assert!(self.run(&words).is_some());
            number += 1;
        }
        number
    }

    /// Fetches day after day of a symbol; returns how many days.
    fn fetch(&self, symbol: &str) -> i64 {
        let mut days = 0;
        while !self.is_over() {
            let (from, to) = (FIRST, FIRST + (days + 1) * DAY);
            let (since, until) = (format_timestamp(from * 1_000_000), format_timestamp(to * 1_000_000));
            let words = ["fetch", "./source.toml", symbol, "-t", "1h", "--since", &since, "--until", &until];
            assert!(self.run(&words).is_some());
            days += 1;
            if days == 250 {
                break;
            }
        }
        days
    }

    /// Asks for what there is: counts never go down, no file is there by half, no row twice.
    fn query(&self, reader: usize) -> u64 {
        let (mut last, mut asked) = (0, 0);
        while !self.is_over() {
            let sql = "SELECT count(*) AS n, count(DISTINCT source || symbol || timeframe || CAST(ts AS VARCHAR)) AS d FROM bars";
            let cache: &[&str] = if reader.is_multiple_of(2) { &["--no-cache"] } else { &[] };
            let counted = self.run(&[&["query", sql, "--format", "csv"], cache].concat()).unwrap();
            let text = counted.stdout();
            let (count, distinct) = text.lines().nth(1).unwrap().split_once(',').unwrap();
            counted.check(count == distinct, "a row is there twice");
            let count: u64 = count.parse().unwrap();
            counted.check(count >= last, &format!("there were {last} rows before"));
            last = count;
            let sql = format!(
                "SELECT symbol, count(*) AS n FROM bars WHERE source = 'file' GROUP BY symbol HAVING count(*) <> {PART}"
            );
            let halves = self.run(&["query", &sql, "--no-cache", "--format", "csv"]).unwrap();
            halves.check(halves.stdout() == "symbol,n\n", "a file is there by half");
            asked += 2;
        }
        asked
    }

    fn upkeep(&self, words: &[&str]) -> u64 {
        let mut done = 0;
        while !self.is_over() {
            done += u64::from(self.run(words).is_some());
            thread::sleep(Duration::from_millis(20));
        }
        done
    }
}

#[test]
fn fetches_stores_upkeep_and_queries_at_once() {
    let provider = Server::start(|seen| Shape::Rows.answer(seen, NOW));
    let folder = Sandbox::patient();
    folder.write("source.toml", Shape::Rows.definition(&provider.url(), ""));
    folder.write("first.csv", "ts,symbol,close\n1,FIRST,1\n");
    folder.store("bars first.csv --set timeframe=1m --set source=first");
    let scene = Scene { folder, _provider: provider, over: AtomicBool::new(false), ran: AtomicU64::new(0) };
    let everyone = &scene;
    let (files, days, compressed, optimized, asked) = thread::scope(|scope| {
        let fetches = ["AAA", "BBB"].map(|symbol| scope.spawn(move || (symbol, everyone.fetch(symbol))));
        let store = scope.spawn(|| scene.store());
        let compress = scope.spawn(|| scene.upkeep(&["compress", "--all"]));
        let optimize = scope.spawn(|| scene.upkeep(&["optimize"]));
        let queries: Vec<_> = (0..8).map(|reader| scope.spawn(move || everyone.query(reader))).collect();
        let length = Duration::from_secs(times(30, 600));
        let until = std::time::Instant::now() + length;
        while std::time::Instant::now() < until && !queries.iter().any(thread::ScopedJoinHandle::is_finished)
        {
            thread::sleep(Duration::from_millis(100));
        }
        scene.over.store(true, Ordering::SeqCst);
        let asked: u64 = queries.into_iter().map(|query| query.join().unwrap()).sum();
        let days = fetches.map(|fetch| fetch.join().unwrap());
        (store.join().unwrap(), days, compress.join().unwrap(), optimize.join().unwrap(), asked)
    });
    let fetched = days
        .iter()
        .map(|(symbol, days)| market::bars(symbol, "1h", FIRST, FIRST + days * DAY, NOW).len() as u64);
    let expected = 1 + files * PART + fetched.sum::<u64>();
    assert_eq!(scene.folder.value("SELECT count(*) AS n FROM bars"), expected.to_string());
    scene.run(&["optimize", "--only", "verify", "--full"]).unwrap();
    assert!(
        files > 2 && compressed > 0 && optimized > 0 && asked > 8,
        "{files} {compressed} {optimized} {asked}"
    );
    let ran = scene.ran.load(Ordering::SeqCst);
    eprintln!(
        "{ran} commands: {files} files, {days:?} days, {compressed} compressed, {optimized} optimized, {asked} queries"
    );
}
