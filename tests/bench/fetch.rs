//! Fetching from a server on loopback, beside programs that only fetch.
//!
//! A slower fetch is a longer night, and one that grows with its answers does not end it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Suite;
use super::data::date;
use super::run::{Program, barn, clear, program, run_once};
use super::server::Server;
use super::store::stored;

/// 2013-01-01, the first bar of every symbol.
const FIRST: i64 = 1_356_998_400;

pub(super) fn definition(url: &str, timeframe: &str, points: usize) -> String {
    let step = if timeframe == "1d" { 86_400 } else { 60 };
    format!(
        "schema = 1
[source]
name = \"bench\"
base_url = \"{url}\"
[request]
path = \"/bars\"
params = {{ symbol = \"{{symbol}}\", from = \"{{window.start:unix_s}}\", to = \"{{window.end:unix_s}}\", step = \"{step}\" }}
[timeframes]
\"{timeframe}\" = \"{timeframe}\"
[window]
max_points = {points}
[cache]
open = \"never\"
closed = \"never\"
[response]
layout = \"rows\"
map = {{ ts = {{ at = 0, unit = \"s\" }}, open = {{ at = 1 }}, high = {{ at = 2 }}, low = {{ at = 3 }}, close = {{ at = 4 }}, volume = {{ at = 5 }} }}
[store]
table = \"bars\"
"
    )
}

/// The URLs of the windows that barn asks for.
fn urls(base: &str, symbols: usize, windows: usize, days: usize) -> Vec<String> {
    let seconds = i64::try_from(days).unwrap() * 86_400;
    let windows = 0..i64::try_from(windows).unwrap();
    let one = |symbol: usize| {
        windows.clone().map(move |window| {
            let from = FIRST + window * seconds;
            format!("{base}/bars?symbol=S{symbol}&from={from}&to={}&step=86400", from + seconds)
        })
    };
    (0..symbols).flat_map(one).collect()
}

impl Suite {
    pub(super) fn fetch(&mut self) {
        let many: Vec<String> = (0..50).map(|at| format!("S{at}")).collect();
        let one = vec!["S0".to_owned()];
        // 200 answers that take 100 ms each, by 32 workers: 0.7 s at best.
        self.fetch_case("fetch 200 x 100 ms", &one, ("1d", 10, 200), Duration::from_millis(100));
        self.fetch_case("fetch 4,000 small answers", &many, ("1d", 10, 80), Duration::ZERO);
        self.fetch_case("fetch 50 x 10 years", &many, ("1d", 3_650, 1), Duration::ZERO);
        self.fetch_case("fetch 5 M rows", &many, ("1m", 1_000, 100), Duration::ZERO);
        self.covered(&many);
    }

    /// Fetches so many windows of so many bars for each symbol.
    fn fetch_case(
        &mut self,
        bench: &'static str,
        symbols: &[String],
        (timeframe, points, windows): (&str, usize, usize),
        latency: Duration,
    ) {
        if !self.wants(bench) {
            return;
        }
        let folder = self.folder.path().to_owned();
        let server = Server::start(latency);
        fs::write(self.path("bench.toml"), definition(&server.url(), timeframe, points)).unwrap();
        let mut commands = vec![("barn", fetch(&folder, symbols, timeframe, points * windows))];
        if timeframe == "1d" {
            let urls = urls(&server.url(), symbols.len(), windows, points);
            fs::write(self.path("urls.txt"), urls.join("\n")).unwrap();
            let config: Vec<String> =
                urls.iter().map(|url| format!("url = \"{url}\"\noutput = \"/dev/null\"")).collect();
            fs::write(self.path("curl.txt"), config.join("\n")).unwrap();
            fs::write(self.path("fetch.py"), AIOHTTP).unwrap();
            let parallel = ["-s", "--parallel", "--parallel-max", "32", "-K", "curl.txt"];
            commands.extend(program("curl", &parallel));
            commands.extend(aiohttp());
            for (_, command) in &mut commands {
                command.current_dir(&folder);
            }
        }
        let rows = symbols.len() * points * windows;
        let programs = commands.into_iter().map(|command| Program::from(command).after(|| clear(&folder)));
        self.compare(bench, rows, programs.collect(), &|name| {
            assert!(name != "barn" || stored(&folder) == rows, "{} of {rows} bars", stored(&folder));
        });
    }

    /// A fetch that has nothing to do is what cron runs most nights.
    fn covered(&mut self, symbols: &[String]) {
        if !self.wants("fetch covered") {
            return;
        }
        let folder = self.folder.path().to_owned();
        let server = Server::start(Duration::ZERO);
        fs::write(self.path("bench.toml"), definition(&server.url(), "1d", 3_650)).unwrap();
        clear(&folder);
        run_once(&mut fetch(&folder, symbols, "1d", 3_650));
        // Without a server it would fail if it asked.
        drop(server);
        let covered = vec![("barn", fetch(&folder, symbols, "1d", 3_650))];
        self.measure("fetch covered", 0, covered, None);
    }
}

/// Returns a fetch of so many bars of each symbol, 32 at once.
fn fetch(folder: &Path, symbols: &[String], timeframe: &str, bars: usize) -> Command {
    let mut command = fetch_with(folder, symbols, timeframe, bars);
    command.args(["--jobs", "32"]);
    command
}

/// The same with as many at once as barn finds right.
pub(super) fn fetch_with(folder: &Path, symbols: &[String], timeframe: &str, bars: usize) -> Command {
    let seconds = if timeframe == "1d" { 86_400 } else { 60 };
    let until = FIRST + seconds * i64::try_from(bars).unwrap();
    let time = |seconds: i64| {
        let day = date(seconds.div_euclid(86_400));
        let rest = seconds.rem_euclid(86_400);
        format!("{day}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
    };
    let (since, until) = (time(FIRST), time(until));
    let mut arguments =
        vec!["-q", "fetch", "./bench.toml", "-t", timeframe, "--since", &since, "--until", &until];
    arguments.extend(symbols.iter().map(String::as_str));
    barn(folder, &arguments)
}

/// Fetches and parses, and stores nothing.
const AIOHTTP: &str = "import asyncio, sys, aiohttp
async def main():
    urls = open('urls.txt').read().split()
    queue = asyncio.Queue()
    for url in urls: queue.put_nowait(url)
    rows = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=32)) as session:
        async def work():
            nonlocal rows
            while not queue.empty():
                async with session.get(queue.get_nowait()) as answer:
                    rows += len(await answer.json())
        await asyncio.gather(*(work() for _ in range(32)))
    assert rows > 0
asyncio.run(main())
";

fn aiohttp() -> Option<(&'static str, Command)> {
    let python = std::env::var_os("BARN_TEST_PYTHON")?;
    let has_it = Command::new(&python).args(["-c", "import aiohttp"]).stderr(Stdio::null()).status();
    let mut command = Command::new(&python);
    command.arg("fetch.py");
    has_it.is_ok_and(|status| status.success()).then_some(("aiohttp", command))
}
