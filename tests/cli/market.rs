//! A provider that does not exist: seeded bars with holes, the three shapes in which providers send them, and
//! the definitions that read these shapes.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use barn::model::time::format_timestamp;

use crate::server::{Reply, Seen};

/// The clock of tests that fetch: 2024-06-01T12:30:00Z, in the middle of an hour and of a day.
pub(crate) const NOW: i64 = 1_717_245_000;

/// For so many seconds behind its end the providers may still change a bar.
pub(crate) const SETTLE: i64 = 7_200;

/// Before this time nothing was traded: 2020-01-01T00:00:00Z.
const LISTED: i64 = 1_577_836_800;

/// A bar: times in seconds, prices in cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) ts: i64,
    pub(crate) open: i64,
    pub(crate) high: i64,
    pub(crate) low: i64,
    pub(crate) close: i64,
    pub(crate) volume: i64,
    /// It ends after the clock's time: what is said of it will change.
    pub(crate) is_open: bool,
}

/// Returns the seconds of a timeframe.
pub(crate) fn seconds(timeframe: &str) -> i64 {
    match timeframe {
        "1m" => 60,
        "1h" => 3_600,
        "1d" => 86_400,
        _ => panic!("no timeframe '{timeframe}' here"),
    }
}

/// Returns the bars that begin at `from` or later and before `to`, as they are known at `now`.
///
/// Three in a hundred are missing, in one hole a hundred. At its first moment a bar is known.
pub(crate) fn bars(symbol: &str, timeframe: &str, from: i64, to: i64, now: i64) -> Vec<Bar> {
    let step = seconds(timeframe);
    let seed = symbol
        .bytes()
        .chain(timeframe.bytes())
        .fold(7, |sum: u64, byte| (sum * 31 + u64::from(byte)) % (1 << 40));
    let first = from.max(LISTED).div_euclid(step) + i64::from(from.max(LISTED).rem_euclid(step) != 0);
    let behind = to.min(now + 1);
    let numbers = (first..).take_while(|number| number * step < behind);
    let there = numbers.filter(|number| (number + (seed % 100).cast_signed()).rem_euclid(100) >= 3);
    there.map(|number| bar(seed, number, step, now)).collect()
}

fn bar(seed: u64, number: i64, step: i64, now: i64) -> Bar {
    let price = |number: i64| 10_000 + (mixed(seed, number) % 2_000).cast_signed();
    let (open, close) = (price(number), price(number + 1));
    let (ts, volume) = (number * step, (mixed(seed + 1, number) % 100_000).cast_signed() + 2);
    let (high, low) = (open.max(close) + volume % 7, open.min(close) - volume % 5);
    let whole = Bar { ts, open, high, low, close, volume, is_open: false };
    // Half of what there will be.
    let half = Bar { high: open, low: open, close: open, volume: volume / 2, is_open: true, ..whole };
    if ts + step > now { half } else { whole }
}

/// The finalizer of splitmix64.
fn mixed(seed: u64, number: i64) -> u64 {
    let mut z = seed.wrapping_add(number.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The lines that [`BARS`] gives for a series, asked at `now`.
pub(crate) fn lines(symbol: &str, timeframe: &str, bars: &[Bar], now: i64) -> String {
    let mut text = String::new();
    for bar in bars {
        let price = |cents: i64| decimal(cents).strip_suffix('0').map_or(decimal(cents), String::from);
        let ts = format_timestamp(bar.ts * 1_000_000);
        let (open, high, low, close) = (price(bar.open), price(bar.high), price(bar.low), price(bar.close));
        let (volume, is_final) = (bar.volume, bar.ts + seconds(timeframe) + SETTLE <= now);
        writeln!(text, "{symbol},{ts},{open},{high},{low},{close},{volume}.0,{is_final}").unwrap();
    }
    text
}

fn decimal(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The query whose answer `lines` computes, and its first line.
pub(crate) const BARS: &str =
    "SELECT symbol, ts, open, high, low, close, volume, final FROM bars ORDER BY symbol, ts";
pub(crate) const HEADER: &str = "symbol,ts,open,high,low,close,volume,final\n";

/// The form of a provider's answers; its source has the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Arrays of arrays, both ends of a window inclusive, cut silently at `limit`.
    Rows,
    /// Arrays side by side in one document.
    Columns,
    /// Objects, with the address of the next page.
    Objects,
}

/// What the sources read from the environment, and what stands there.
pub(crate) const KEY_NAME: &str = "MARKET_KEY";
pub(crate) const KEY: &str = "s3cr3t-Canary+/=";

/// Returns whether bytes hold the key, also in the forms it has in a URL or in base64.
pub(crate) fn has_key(bytes: &[u8]) -> bool {
    // The middle of the key is the same in a URL; its base64 depends on where it stands.
    let base64 = ["czNjcjN0LUNhbmFye", "MzY3IzdC1DYW5hcn", "zM2NyM3QtQ2FuYXJ5"];
    let mut forms = vec!["s3cr3t-Canary".as_bytes()];
    forms.extend(base64.iter().map(|form| form.as_bytes()));
    forms.iter().any(|form| memchr::memmem::find(bytes, form).is_some())
}

impl Shape {
    pub(crate) const ALL: [Self; 3] = [Self::Rows, Self::Columns, Self::Objects];

    /// Returns the name of the source.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Columns => "columns",
            Self::Objects => "objects",
        }
    }

    /// Returns the symbol that a request is about.
    pub(crate) fn symbol(self, seen: &Seen) -> String {
        match self {
            Self::Rows => seen.param("symbol").to_owned(),
            Self::Columns => seen.path.rsplit('/').next().unwrap_or_default().to_owned(),
            Self::Objects => seen.path.split('/').nth(3).unwrap_or_default().to_owned(),
        }
    }

    /// Returns the time, in seconds, at which the window of a request begins.
    pub(crate) fn start(self, seen: &Seen) -> i64 {
        match self {
            Self::Rows => seen.integer("startTime") / 1_000,
            Self::Columns => seen.integer("period1"),
            Self::Objects => seen.path.split('/').nth(5).unwrap().parse::<i64>().unwrap() / 1_000,
        }
    }

    /// Returns whether a request has the key, in the place where the provider looks for it.
    pub(crate) fn knows(self, seen: &Seen) -> bool {
        match self {
            Self::Rows => seen.param("apikey") == KEY,
            Self::Columns => seen.header("x-key") == Some(KEY),
            Self::Objects => seen.header("authorization") == Some(&format!("Bearer {KEY}")),
        }
    }

    /// Answers a request as the provider does when the clock stands at `now`.
    pub(crate) fn answer(self, seen: &Seen, now: i64) -> Reply {
        if !self.knows(seen) {
            return Reply::new(401).body("application/json", "{\"error\":\"no key\"}");
        }
        match self {
            Self::Rows => rows(seen, now),
            Self::Columns => columns(seen, now),
            Self::Objects => objects(seen, now),
        }
    }

    /// Returns the definition of the source, with what `extra` says in the place of what stands there.
    pub(crate) fn definition(self, base_url: &str, extra: &str) -> String {
        let text = match self {
            Self::Rows => ROWS,
            Self::Columns => COLUMNS,
            Self::Objects => OBJECTS,
        };
        definition(&format!("{COMMON}{text}"), base_url, extra)
    }
}

/// Returns a definition with what `extra` says in the place of what stands there.
pub(crate) fn definition(text: &str, base_url: &str, extra: &str) -> String {
    let mut table: toml::Table = toml::from_str(text).unwrap();
    let source = table["source"].as_table_mut().unwrap();
    source.insert("base_url".to_owned(), base_url.into());
    merge(&mut table, toml::from_str(extra).unwrap_or_else(|err| panic!("{err}: {extra}")));
    toml::to_string(&table).unwrap()
}

fn merge(table: &mut toml::Table, extra: toml::Table) {
    for (key, value) in extra {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(extra)) => merge(inner, extra),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

/// What the three have in common: a quick retry, so that tests are quick.
const COMMON: &str = r#"
schema = 1

[timeframes]
"1m" = "1m"
"1h" = "1h"
"1d" = "1d"

[retry]
max = 3
base = "10ms"
cap = "50ms"
max_elapsed = "5s"

[store]
table = "bars"
settle = "2h"
"#;

const ROWS: &str = r#"
[source]
name = "rows"
title = "Bars as arrays"

[request]
path = "/api/v3/klines"

[request.params]
symbol = "{symbol}"
interval = "{timeframe}"
startTime = "{window.start:unix_ms}"
endTime = "{window.end:unix_ms}"
limit = "{limit}"

[symbols]
case = "upper"
replace = { "/" = "" }

[auth]
kind = "query"
param = "apikey"
value = "{env.MARKET_KEY}"
secrets = ["MARKET_KEY"]

[window]
max_points = 400
end = "inclusive"

[pagination]
kind = "last_time"
size = 100

[response]
expect = ["application/json"]
layout = "rows"
root = "$"
empty_when = ["$ == []"]

[response.map]
ts = { at = 0, unit = "ms" }
open = { at = 1 }
high = { at = 2 }
low = { at = 3 }
close = { at = 4 }
volume = { at = 5 }

[[error]]
when = { path = "code", equals = "-1121" }
class = "not_found"
message = "msg"

[[error]]
when = { path = "code" }
class = "request"
message = "msg"
"#;

const COLUMNS: &str = r#"
[source]
name = "columns"
title = "Bars as columns"

[request]
path = "/v8/finance/chart/{symbol}"
params = { period1 = "{window.start:unix_s}", period2 = "{window.end:unix_s}", interval = "{timeframe}" }

[auth]
kind = "header"
name = "X-Key"
value = "{env.MARKET_KEY}"
secrets = ["MARKET_KEY"]

[window]
max_points = 400
end = "exclusive"

[response]
expect = ["application/json"]
layout = "columns"
root = "chart.result[0]"
empty_when = ["!chart.result[0].timestamp"]
drop_all_null = ["open", "high", "low", "close"]

[response.map]
ts = { at = "timestamp", unit = "s" }
open = { at = "indicators.quote[0].open" }
high = { at = "indicators.quote[0].high" }
low = { at = "indicators.quote[0].low" }
close = { at = "indicators.quote[0].close" }
volume = { at = "indicators.quote[0].volume" }

[[error]]
when = { path = "chart.error.description", matches = "No data found" }
class = "not_found"
message = "chart.error.description"

[[error]]
when = { path = "chart.error.description" }
class = "request"
message = "chart.error.description"
"#;

const OBJECTS: &str = r#"
[source]
name = "objects"
title = "Bars as objects"

[request]
path = "/v2/aggs/{symbol}/{timeframe}/{window.start:unix_ms}/{window.end:unix_ms}"
params = { limit = "{limit}" }

[auth]
kind = "bearer"
value = "{env.MARKET_KEY}"
secrets = ["MARKET_KEY"]

[window]
max_points = 400
end = "inclusive"

[pagination]
kind = "next_url"
path = "next_url"
size = 100

[response]
expect = ["application/json"]
layout = "objects"
root = "results"
empty_when = ["!results"]

[response.map]
ts = { at = "t", unit = "ms" }
open = { at = "o" }
high = { at = "h" }
low = { at = "l" }
close = { at = "c" }
volume = { at = "v" }

[[error]]
when = { path = "error", matches = "Unknown" }
class = "not_found"
message = "error"

[[error]]
when = { path = "error" }
class = "request"
message = "error"
"#;

fn rows(seen: &Seen, now: i64) -> Reply {
    let (start, end) = (seen.integer("startTime"), seen.integer("endTime"));
    let limit = usize::try_from(seen.integer("limit")).unwrap();
    let mut bars =
        bars(seen.param("symbol"), seen.param("interval"), ceil_seconds(start), end / 1_000 + 1, now);
    bars.truncate(limit);
    let rows: Vec<_> = bars.iter().map(row).collect();
    Reply::json(format!("[{}]", rows.join(",")))
}

/// Returns a bar as the provider of rows writes it.
pub(crate) fn row(bar: &Bar) -> String {
    let price = |cents: i64| format!("\"{}.{:02}000000\"", cents / 100, cents % 100);
    let (open, high, low, close) = (price(bar.open), price(bar.high), price(bar.low), price(bar.close));
    format!("[{}000,{open},{high},{low},{close},\"{}.0\",0,\"0\"]", bar.ts, bar.volume)
}

fn columns(seen: &Seen, now: i64) -> Reply {
    let symbol = Shape::Columns.symbol(seen);
    let (start, end) = (seen.integer("period1"), seen.integer("period2"));
    let bars = bars(&symbol, seen.param("interval"), start, end, now);
    Reply::json(chart(&symbol, &bars))
}

/// Returns the document of the provider of columns.
pub(crate) fn chart(symbol: &str, bars: &[Bar]) -> String {
    let meta = format!("\"meta\":{{\"symbol\":\"{symbol}\",\"currency\":\"USD\"}}");
    if bars.is_empty() {
        return format!(
            "{{\"chart\":{{\"result\":[{{{meta},\"indicators\":{{\"quote\":[{{}}]}}}}],\"error\":null}}}}"
        );
    }
    let list = |value: &dyn Fn(&Bar) -> String| bars.iter().map(value).collect::<Vec<_>>().join(",");
    format!(
        "{{\"chart\":{{\"result\":[{{{meta},\"timestamp\":[{}],\"indicators\":{{\"quote\":[{{\"open\":[{}],\
         \"high\":[{}],\"low\":[{}],\"close\":[{}],\"volume\":[{}]}}]}}}}],\"error\":null}}}}",
        list(&|bar| bar.ts.to_string()),
        list(&|bar| decimal(bar.open)),
        list(&|bar| decimal(bar.high)),
        list(&|bar| decimal(bar.low)),
        list(&|bar| decimal(bar.close)),
        list(&|bar| bar.volume.to_string()),
    )
}

fn objects(seen: &Seen, now: i64) -> Reply {
    let parts: Vec<_> = seen.path.split('/').collect();
    let [_, _, _, symbol, timeframe, start, end] = parts[..] else { return Reply::new(404) };
    let (start, end): (i64, i64) = (start.parse().unwrap(), end.parse().unwrap());
    let start = if seen.param("cursor").is_empty() { start } else { seen.integer("cursor") };
    let bars = bars(symbol, timeframe, ceil_seconds(start), end / 1_000 + 1, now);
    let limit = usize::try_from(seen.integer("limit")).unwrap();
    let next = bars.get(limit).map(|bar| {
        let host = seen.header("host").unwrap_or_default();
        format!("http://{host}{}?limit={limit}&cursor={}000", seen.path, bar.ts)
    });
    Reply::json(results(&bars[..bars.len().min(limit)], next.as_deref()))
}

/// Returns the document of the provider of objects.
pub(crate) fn results(bars: &[Bar], next: Option<&str>) -> String {
    let result = |bar: &Bar| {
        let (open, high, low, close) =
            (decimal(bar.open), decimal(bar.high), decimal(bar.low), decimal(bar.close));
        format!(
            "{{\"t\":{}000,\"o\":{open},\"h\":{high},\"l\":{low},\"c\":{close},\"v\":{}}}",
            bar.ts, bar.volume
        )
    };
    let results: Vec<_> = bars.iter().map(result).collect();
    let results =
        if results.is_empty() { String::new() } else { format!(",\"results\":[{}]", results.join(",")) };
    let next = next.map_or_else(String::new, |next| format!(",\"next_url\":\"{next}\""));
    format!("{{\"status\":\"OK\",\"resultsCount\":{}{results}{next}}}", bars.len())
}

fn ceil_seconds(millis: i64) -> i64 {
    -(-millis).div_euclid(1_000)
}

mod tests {
    use super::*;

    #[test]
    fn bars_are_the_same_however_they_are_asked_for() {
        let whole = bars("AAA", "1h", NOW - 86_400 * 30, NOW + 86_400, NOW);
        let middle = NOW - 86_400 * 11 + 17;
        let halves =
            [bars("AAA", "1h", NOW - 86_400 * 30, middle, NOW), bars("AAA", "1h", middle, NOW + 86_400, NOW)];
        assert_eq!(whole, halves.concat());
        assert_eq!(whole.iter().filter(|bar| bar.is_open).count(), 1);
        assert_eq!(whole.last().unwrap().ts, NOW - 1_800);
        let holes: Vec<_> =
            whole.windows(2).map(|two| two[1].ts - two[0].ts).filter(|step| *step != 3_600).collect();
        assert!((6..=8).contains(&holes.len()) && holes.iter().all(|step| *step == 4 * 3_600), "{holes:?}");
        assert!(
            whole.iter().all(|bar| bar.low <= bar.open.min(bar.close) && bar.high >= bar.open.max(bar.close))
        );
        assert_ne!(bars("BBB", "1h", NOW - 86_400, NOW, NOW), bars("AAA", "1h", NOW - 86_400, NOW, NOW));
    }

    #[test]
    fn an_open_bar_is_another_one_when_it_has_ended() {
        let open = *bars("AAA", "1h", NOW - 3_600, NOW, NOW).last().unwrap();
        let ended = *bars("AAA", "1h", NOW - 3_600, NOW, NOW + 1_800).last().unwrap();
        assert_eq!((open.ts, open.open, open.is_open, ended.is_open), (ended.ts, ended.open, true, false));
        assert!(open.volume < ended.volume);
    }

    #[test]
    fn extra_settings_take_the_place_of_the_usual_ones() {
        let text = Shape::Rows.definition("http://h", "[window]\nmax_points = 7\n[cache]\nopen = \"1s\"");
        let table: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(table["window"]["max_points"].as_integer(), Some(7));
        assert_eq!(table["window"]["end"].as_str(), Some("inclusive"));
        assert_eq!(table["cache"]["open"].as_str(), Some("1s"));
        assert_eq!(table["source"]["base_url"].as_str(), Some("http://h"));
    }
}

/// Checks that the key is in no file of a folder but the ones of a name, in which it is meant to be.
#[track_caller]
pub(crate) fn assert_no_file_has_key(folder: &Path, except: Option<&str>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            assert_no_file_has_key(&path, except);
        } else if except.is_none_or(|name| path.file_name().is_none_or(|found| found != name)) {
            assert!(!has_key(&fs::read(&path).unwrap()), "the key is in '{}'", path.display());
        }
    }
}
