//! Definitions of sources and layouts: each is refused with its reason or works, and no secret goes astray.

use std::collections::{BTreeMap, HashSet};

use barn::decode::{BodyDecoder, Given, Layout};
use barn::model::time::{MAX_DAY, MICROS_PER_DAY, MIN_DAY};
use barn::model::{BUILTIN, Span, Table, TableText};
use barn::source::{self, Answer, Ask, Choice, Dataset, Definition, Page, Request, Secrets, Turn};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use toml::Value;
use url::Url;

use super::mutate::{self, NUMBERS, TEXTS, pick, word};
use super::{Rng, document, run};

/// The name of the secret of every definition: a variable that is always set, to a long value with `/` and `:`.
const SECRET: &str = "PATH";

/// What stands in texts of definitions.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "{symbol}", "{symbol.lookup}", "{timeframe}", "{window.start:unix_ms}", "{window.end:iso}",
    "{now:date}", "{window.start:strftime('%d-%b-%Y','Asia/Kolkata')}", "{now:strftime('%')}", "{limit}",
    "{offset}", "{page}", "{cursor}", "{env.PATH}", "{env.HOME}", "{time}", "{method}", "{path}", "{query}",
    "{body}", "{digest}", "{expiry}", "{", "}", "{{", "}}", "{}", "https://evil.invalid",
    "https://api.example.com/v1?x={symbol}", "@evil.invalid", "/../x", "//evil.invalid/x", "?a=b", "#x",
    "\\\\evil.invalid", "last_time", "next_url", "cursor", "offset", "page", "header_link", "query",
    "header", "bearer", "basic", "sign", "none", "objects", "rows", "columns", "keyed", "csv", "1m", "1d",
    "1mo", "30s", "forever", "never", "rate_limited", "auth", "no_data", "hmac-sha256", "sha256", "base64",
    "len(markets)*len(regions)", "00:00 America/New_York", "ts > $.last", "$.a == []", "!a", "last_row",
    "exclusive", "inclusive", "ip", "key", "host", "unix_s", "unix_ms", "iso", "bars", "chain", "odds",
    "POST", "GET", "cookies", "body", "expiries[]", "follow", "(?<a>x", "(a+)+$", "^EService",
];

/// Names of sections and keys, some in the wrong place.
#[rustfmt::skip]
const KEYS: &[&str] = &[
    "schema", "source", "name", "base_url", "fallback", "request", "method", "path", "params", "headers",
    "body", "timeout", "redirects", "options", "required", "auth", "kind", "value", "param", "user",
    "password", "algo", "key", "message", "time_header", "time_format", "secrets", "symbols", "case",
    "replace", "prefix", "suffix", "map", "batch", "separator", "lookup", "none", "window", "max_points",
    "max_span", "retention", "retention_points", "history", "end", "align", "lead", "pagination", "size",
    "total", "first", "max_pages", "rate", "per", "max", "burst", "cost", "scope", "reset", "concurrency",
    "retry", "base", "cap", "response", "layout", "root", "expect", "empty_when", "open_when",
    "drop_all_null", "max_bytes", "extra", "table", "error", "when", "class", "steps", "url", "keep",
    "take", "each", "as", "ttl", "refresh_on", "cache", "open", "closed", "negative", "conditional",
    "ignore_params", "store", "on_conflict", "settle", "variant", "test", "timeframes", "1d", "1m",
];

/// A definition with every kind of credentials and pages, beside the built-in ones.
const OWN: &str = r#"
schema = 1
[source]
name = "mine"
base_url = ["https://api.example.com/v1/", "https://mirror.example.com"]
[request]
method = "POST"
path = "/candles/{symbol}/{timeframe}"
params = { from = "{window.start:unix_ms}", to = "{window.end:iso}", token = "{token}" }
headers = { X-Of = "{symbol}" }
body = '{"s": "{symbol}", "n": {limit}, "c": "{cursor}"}'
[options]
market = "h2h"
host = "https://files.example.com"
[auth]
kind = "sign"
algo = "hmac-sha256"
key = "{env.PATH}"
message = "{time}{method}{path}?{query}{body}{env.PATH}"
name = "X-Sign"
value = "token {digest}"
headers = { X-Key = "{env.PATH}" }
secrets = ["PATH"]
[symbols]
case = "upper"
replace = { "/" = "" }
[timeframes]
"1h" = "60"
"1d" = "D"
"1mo" = "M"
[window]
max_points = 500
align = "month"
lead = "1d"
[pagination]
kind = "cursor"
path = "next"
size = 500
[[rate]]
per = "1d"
max = 100
reset = "09:15 Asia/Kolkata"
[[steps]]
name = "token"
path = "/token?of={market}"
take = "token"
as = "token"
ttl = "1h"
[[steps]]
name = "elsewhere"
url = "https://other.example.org/list.csv"
keep = "cookies"
[response]
layout = "rows"
root = "data"
map = { ts = { at = 0, unit = "ms" }, close = { at = 4 } }
empty_when = ["$.data == []"]
[[error]]
when = { path = "error.code", matches = "^E" }
class = "request"
message = "error.text"
[store]
table = "bars"
"#;

#[derive(Debug)]
struct Case {
    text: String,
    /// Decides what is asked.
    seed: u64,
}

/// Returns the built-in definitions, their secrets named as one that is set.
fn definitions() -> Vec<String> {
    let mut texts = vec![OWN.to_owned()];
    for entry in source::list().unwrap() {
        let mut text = source::text(&entry.name).unwrap();
        for secret in Definition::parse(&text, "x").unwrap().secrets() {
            text = text.replace(secret, SECRET);
        }
        Definition::parse(&text, "x").unwrap();
        texts.push(text);
    }
    texts
}

fn case(rng: &mut Rng, texts: &[String]) -> Case {
    let (text, other) = (&texts[rng.usize(..texts.len())], &texts[rng.usize(..texts.len())]);
    let text = match rng.u8(..4) {
        0 => mutate::text(rng, text, other, WORDS),
        1 => text.clone(),
        _ => {
            let mut tree: Value = toml::from_str::<toml::Table>(text).unwrap().into();
            let other: Value = toml::from_str::<toml::Table>(other).unwrap().into();
            for _ in 0..rng.usize(1..5) {
                graft(rng, &mut tree, &other);
            }
            toml::to_string(&tree).unwrap_or_default()
        }
    };
    Case { text, seed: rng.u64(..) }
}

/// Changes one place of a tree, or takes it from another.
fn graft(rng: &mut Rng, tree: &mut Value, other: &Value) {
    match tree {
        Value::Table(table) if !table.is_empty() && rng.u8(..7) > 0 => {
            let at = rng.usize(..table.len());
            let (name, below) = table.iter_mut().nth(at).unwrap();
            let other = other.get(name).cloned().unwrap_or_else(|| other.clone());
            graft(rng, below, &other);
        }
        Value::Table(table) => {
            let keys: Vec<String> = table.keys().cloned().collect();
            match (rng.u8(..4), other, keys.is_empty()) {
                (0, _, false) => drop(table.remove(&keys[rng.usize(..keys.len())])),
                (1, Value::Table(more), _) if !more.is_empty() => {
                    let (name, value) = more.iter().nth(rng.usize(..more.len())).unwrap();
                    table.insert(name.clone(), value.clone());
                }
                (2, _, false) => {
                    let value = table.remove(&keys[rng.usize(..keys.len())]).unwrap();
                    table.insert(pick(rng, KEYS).to_owned(), value);
                }
                _ => drop(table.insert(pick(rng, KEYS).to_owned(), scalar(rng))),
            }
        }
        Value::Array(list) if !list.is_empty() && rng.bool() => {
            let at = rng.usize(..list.len());
            match rng.u8(..4) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                _ => graft(rng, &mut list[at], other),
            }
        }
        Value::String(text) if rng.u8(..3) > 0 => {
            let other = pick(rng, WORDS);
            *text = mutate::text(rng, text, other, WORDS);
        }
        place if rng.u8(..4) == 0 => *place = other.clone(),
        place => *place = scalar(rng),
    }
}

fn scalar(rng: &mut Rng) -> Value {
    match rng.u8(..8) {
        0 => Value::Integer(pick(rng, NUMBERS).parse().unwrap_or(-1)),
        1 => Value::Float(pick(rng, NUMBERS).parse().unwrap_or(0.5)),
        2 => Value::Boolean(rng.bool()),
        3 => Value::Array(vec![pick(rng, WORDS).into()]),
        4 => Value::Table([(pick(rng, KEYS).to_owned(), pick(rng, WORDS).into())].into_iter().collect()),
        5 => word(rng).into(),
        _ => pick(rng, WORDS).into(),
    }
}

/// What every request of a definition is held against.
struct Rules {
    secret: String,
    /// Where secrets may go: the origins of each `base_url`, and those that options give.
    origins: HashSet<String>,
}

impl Rules {
    fn of(text: &str, options: &BTreeMap<String, String>) -> Self {
        let mut origins = HashSet::new();
        let tree: toml::Table = toml::from_str(text).unwrap();
        collect(&Value::Table(tree.clone()), &mut origins);
        let defaults =
            tree.get("options").and_then(Value::as_table).into_iter().flat_map(toml::Table::values);
        let defaults = defaults.filter_map(|value| value.as_str().map(str::to_owned));
        for text in options.values().cloned().chain(defaults) {
            origins.extend(Url::parse(&text).map(|url| url.origin().ascii_serialization()));
        }
        Self { secret: std::env::var(SECRET).unwrap().trim().to_owned(), origins }
    }

    /// Whether the secret stands in a text, as it is or encoded.
    fn is_in(&self, text: &str) -> bool {
        let encoded = utf8_percent_encode(&self.secret, NON_ALPHANUMERIC).to_string();
        let decoded = percent_decode_str(text).decode_utf8_lossy();
        text.contains(&self.secret) || text.contains(&encoded) || decoded.contains(&self.secret)
    }

    fn check(&self, request: &Request) {
        let url = Url::parse(&request.url).unwrap();
        let origin = url.origin().ascii_serialization();
        let headers = request.headers.iter().any(|(name, value)| self.is_in(name) || self.is_in(value));
        let body = request.body.as_deref().is_some_and(|body| self.is_in(body));
        if headers || body || self.is_in(&request.url) || request.has_credentials {
            assert!(self.origins.contains(&origin), "a secret goes to {origin}");
            assert!(request.has_credentials, "a secret is no credential");
            assert!(!request.follows_redirects, "a secret follows redirects");
        }
        assert!(matches!(url.scheme(), "http" | "https") && url.username().is_empty());
        for shown in [&request.shown, &request.key, &format!("{request:?}")] {
            assert!(!self.is_in(shown), "a secret is shown in '{shown}'");
        }
        let is_clean = |text: &str| !text.chars().any(char::is_control);
        assert!(
            request.headers.iter().all(|(name, value)| is_clean(name) && is_clean(value)),
            "control character"
        );
    }

    fn error(&self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        assert!(!text.is_empty() && !self.is_in(&text), "{text}");
    }
}

/// Collects the origins of every `base_url`.
fn collect(tree: &Value, origins: &mut HashSet<String>) {
    match tree {
        Value::Table(table) => {
            for (name, value) in table {
                if name == "base_url" {
                    let texts = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                    let urls = texts.iter().filter_map(Value::as_str).filter_map(|text| {
                        let end = text.find('{').unwrap_or(text.len());
                        Url::parse(&text[..end]).ok()
                    });
                    origins.extend(urls.map(|url| url.origin().ascii_serialization()));
                }
                collect(value, origins);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, origins)),
        _ => {}
    }
}

fn moment(rng: &mut Rng) -> i64 {
    match rng.u8(..6) {
        0 => MIN_DAY * MICROS_PER_DAY,
        1 => (MAX_DAY + 1) * MICROS_PER_DAY - 1,
        2 => rng.i64(MIN_DAY * MICROS_PER_DAY..MAX_DAY * MICROS_PER_DAY),
        _ => 1_700_000_000_000_000 + i64::from(rng.u32(..)) * 10_000,
    }
}

/// What a provider's answer may bring into the next request.
fn hostile(rng: &mut Rng) -> String {
    match rng.u8(..4) {
        0 => pick(rng, WORDS).to_owned(),
        1 => pick(rng, TEXTS).to_owned(),
        2 => format!("https://api.example.com/{}?{}={}", word(rng), word(rng), pick(rng, TEXTS)),
        _ => word(rng),
    }
}

fn turn(rng: &mut Rng) -> Turn {
    match rng.u8(..8) {
        0 => Turn::From(moment(rng)),
        1 | 2 => Turn::Url(hostile(rng)),
        3 => Turn::Cursor(hostile(rng)),
        4 => Turn::Offset([0, 1, u64::MAX][rng.usize(..3)]),
        5 => Turn::Number([0, 1, u64::MAX][rng.usize(..3)]),
        _ => Turn::First,
    }
}

/// Asks a definition all that a fetch asks it.
fn ask(rng: &mut Rng, text: &str, tables: &BTreeMap<String, Table>) {
    let definition = match Definition::parse(text, "mine.toml") {
        Ok(definition) => definition,
        Err(err) => {
            return assert!(format!("{err:#}").starts_with("cannot read source definition 'mine.toml': "));
        }
    };
    drop((definition.facts(), definition.warnings().len(), definition.origins().len()));
    let (known, timeframes) = (definition.tables(), definition.timeframes());
    let mut options = BTreeMap::new();
    for (name, default) in definition.options() {
        if default.is_none() || rng.u8(..4) == 0 {
            options.insert(name.to_owned(), hostile(rng));
        }
    }
    let rules = Rules::of(text, &options);
    let choice = Choice {
        table: rng.bool().then(|| known[rng.usize(..known.len())].clone()),
        timeframe: (!timeframes.is_empty() && rng.bool()).then(|| timeframes[rng.usize(..timeframes.len())]),
        options,
    };
    let dataset = match definition.dataset(&choice) {
        Ok(dataset) => dataset,
        Err(err) => return rules.error(&err),
    };
    let declared = definition.secrets();
    let Ok(secrets) = Secrets::load(&declared) else { return };
    requests(rng, &dataset, &rules, &secrets);
    answers(rng, &dataset, &rules, tables);
}

fn requests(rng: &mut Rng, dataset: &Dataset, rules: &Rules, secrets: &Secrets) {
    let mut values = BTreeMap::from([("symbol.lookup".to_owned(), hostile(rng))]);
    for step in &dataset.steps {
        if let source::Gives::Value(name) | source::Gives::Each(name) = &step.gives {
            values.insert(name.clone(), hostile(rng));
        }
    }
    let start = moment(rng);
    let stop = moment(rng).min(start.saturating_add(40 * MICROS_PER_DAY)).max(start + 1);
    let windows = dataset.windows(Span { start, stop });
    assert!(windows.iter().all(|window| window.start < window.stop), "{windows:?}");
    drop((dataset.available_from(start), dataset.history(), dataset.secret_params()));
    for rate in &dataset.rates {
        let period = rate.calendar.as_ref().map(|reset| reset.period(start));
        assert!(period.is_none_or(|(from, to)| from <= start && start < to), "{period:?}");
    }
    for at in 0..4 {
        let symbols = [dataset.symbol(&if at == 0 { "BTC/USDT".to_owned() } else { hostile(rng) })];
        let window = windows.get(rng.usize(..windows.len().max(1))).copied();
        let ask = Ask { symbols: &symbols, window, mirror: at, turn: turn(rng), values: &values, now: start };
        match dataset.request(&ask, secrets) {
            Ok(request) => rules.check(&request),
            Err(err) => rules.error(&err),
        }
        for step in &dataset.steps {
            std::hint::black_box(dataset.is_private(step));
            match dataset.step_request(step, &ask, secrets) {
                Ok(request) => rules.check(&request),
                Err(err) => rules.error(&err),
            }
        }
    }
}

fn answers(rng: &mut Rng, dataset: &Dataset, rules: &Rules, tables: &BTreeMap<String, Table>) {
    let body = if rng.u8(..4) == 0 { hostile(rng) } else { document::json(rng) };
    let link = format!("<{}>; rel=\"next\"", hostile(rng));
    let headers = [("Link", link), ("Content-Type", hostile(rng)), ("X-Used", hostile(rng))];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    let status = [200, 200, 404, 429, 500, 0, 65_535][rng.usize(..7)];
    let answer = Answer { status, headers: &headers, body: body.as_bytes() };
    drop(dataset.classify(&answer));
    let (symbols, values, seen) = (["A".to_owned()], BTreeMap::new(), HashSet::from(["first".to_owned()]));
    let window = Some(Span { start: 0, stop: moment(rng).max(1) });
    let ask = Ask { symbols: &symbols, window, mirror: 0, turn: turn(rng), values: &values, now: 0 };
    let page = Page {
        answer: &answer,
        rows: [0, 1, 500, u64::MAX][rng.usize(..4)],
        last: Some(moment(rng)),
        seen: &seen,
    };
    if let Err(err) = dataset.next_page(&ask, &page) {
        rules.error(&err);
    }
    for step in &dataset.steps {
        drop((step.values(body.as_bytes()), step.lookup(body.as_bytes())));
    }
    let extra = dataset.response.extra.iter().map(|extra| (&extra.table, &extra.layout));
    for (table, layout) in extra.chain([(&dataset.table, &dataset.response.layout)]) {
        let Some(table) = tables.get(table) else { continue };
        let Ok(decoder) = BodyDecoder::bind(table, layout) else { continue };
        let given = [("symbol", "A"), ("source", "x"), ("timeframe", "1d")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        drop(decoder.decode(body.as_bytes(), &Given { values: &given, now: 0 }));
    }
}

#[test]
fn any_definition_is_refused_or_keeps_its_secrets() {
    let texts = definitions();
    let known: BTreeMap<String, TableText> = toml::from_str(BUILTIN).unwrap();
    let tables = known.iter().map(|(name, text)| (name.clone(), Table::parse(name, text).unwrap())).collect();
    run(
        "definition",
        |rng| case(rng, &texts),
        |case| {
            ask(&mut Rng::with_seed(case.seed), &case.text, &tables);
        },
    );
}

#[test]
fn any_layout_is_refused_or_read() {
    let texts = definitions();
    run(
        "layout",
        |rng| case(rng, &texts),
        |case| {
            let Ok(tree) = toml::from_str::<toml::Table>(&case.text) else { return };
            let Some(layout) = tree.get("response") else { return };
            let mut rng = Rng::with_seed(case.seed);
            let text = toml::to_string(layout).unwrap_or_default();
            for _ in 0..4 {
                let text = mutate::text(&mut rng, &text, "map = { ts = '@key' }", WORDS);
                if let Err(err) = Layout::parse(&text) {
                    assert!(format!("{err:#}").starts_with("cannot read layout: "), "{err:#}");
                }
            }
        },
    );
}
