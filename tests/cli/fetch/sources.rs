//! What a definition can say: each of its abilities, seen from the provider.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{DAY, HOUR, Stage, assert_same, at, expected};
use crate::market::{self, NOW, Shape};
use crate::server::{Reply, Seen, closed_port};

const SINCE: i64 = NOW - NOW % DAY - 20 * DAY;
const UNTIL: i64 = SINCE + 2 * DAY;

/// What a provider says to a request.
type Answer = fn(&Seen) -> Reply;

/// A provider without a key, of one object a bar.
const MADE: &str = r#"
schema = 1

[source]
name = "made"
title = "Made up"

[request]
path = "/bars"
params = { symbol = "{symbol}", from = "{window.start:unix_s}", to = "{window.end:unix_s}" }

[timeframes]
"1h" = "hour"
"1d" = "day"

[window]
max_points = 1000

[retry]
max = 0

[response]
layout = "objects"
root = "bars"
empty_when = ["$.bars == []"]

[response.map]
ts = { at = "t", unit = "s" }
close = { at = "c" }

[cache]
open = "never"
closed = "never"

[store]
table = "bars"
settle = "2h"
"#;

/// A provider of bars that a handler answers for, with a definition of which `extra` changes something.
fn made(extra: &str, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Stage {
    made_without("", extra, answer)
}

/// The same without the lines of the definition that begin with `without`.
fn made_without(
    without: &str,
    extra: &str,
    answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> Stage {
    let stage = Stage::with(Shape::Rows, "", move |seen| Some(answer(seen)));
    let is_kept = |line: &&str| without.is_empty() || !line.starts_with(without);
    let text = MADE.lines().filter(is_kept).collect::<Vec<_>>().join("\n");
    stage.sandbox.write("source.toml", market::definition(&text, &stage.server.url(), extra));
    stage
}

/// Returns the hours of a range as objects; a bar closes at the number of its hour.
fn hours(symbol: &str, from: i64, to: i64) -> Vec<String> {
    let first = from.div_euclid(HOUR) + i64::from(from.rem_euclid(HOUR) != 0);
    let numbers = (first..).take_while(|number| number * HOUR < to.min(NOW));
    numbers.map(|number| format!("{{\"s\":\"{symbol}\",\"t\":{},\"c\":{number}}}", number * HOUR)).collect()
}

fn body(bars: &[String]) -> String {
    format!("{{\"bars\":[{}]}}", bars.join(","))
}

/// Returns the answer to a request as the definition makes it.
fn answer(seen: &Seen) -> Reply {
    Reply::json(body(&hours(seen.param("symbol"), seen.integer("from"), seen.integer("to"))))
}

fn line(symbols: &str) -> String {
    format!("{symbols} -t 1h --since {} --until {}", at(SINCE), at(UNTIL))
}

/// Checks that the store has all hours of a range of these symbols, with the right prices.
#[track_caller]
fn assert_hours(stage: &Stage, symbols: &[&str], from: i64, to: i64) {
    let found =
        stage.sandbox.query("SELECT symbol, epoch(ts) AS seconds, close FROM bars ORDER BY symbol, ts");
    let mut lines = "symbol,seconds,close\n".to_owned();
    for symbol in symbols {
        for number in from / HOUR..to / HOUR {
            lines.push_str(&format!("{symbol},{}.0,{number}.0\n", number * HOUR));
        }
    }
    assert_same(&found, &lines);
}

fn params(stage: &Stage, name: &str) -> Vec<String> {
    let mut params: Vec<_> = stage.server.requests().iter().map(|seen| seen.param(name).to_owned()).collect();
    params.sort();
    params
}

#[test]
fn another_mirror_answers_at_once() {
    let stage = made("", answer);
    let extra = format!(
        "[source]\nbase_url = [\"{}\", \"{}\"]\n[retry]\nmax = 2\nbase = \"20s\"\ncap = \"20s\"",
        closed_port(),
        stage.server.url()
    );
    stage.sandbox.write("source.toml", market::definition(MADE, "", &extra));
    let started = Instant::now();
    stage.fetch(&line("AAA BBB")).ok();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(stage.server.count(), 2);
    assert_hours(&stage, &["AAA", "BBB"], SINCE, UNTIL);
    let report = stage.report();
    assert!(report["requests"].as_array().unwrap().iter().all(|request| request["retries"] == 1), "{report}");
}

#[test]
fn a_symbol_that_another_source_has_is_done() {
    let other = Stage::new(Shape::Columns);
    let stage = made("[source]\nfallback = [\"columns\"]", |seen| match seen.param("symbol") {
        "AAA" => answer(seen),
        _ => Reply::new(404).body("application/json", "{}"),
    });
    let definition = Shape::Columns.definition(&other.server.url(), "");
    stage.sandbox.write(".home/.config/barn/sources/columns.toml", definition);
    stage.fetch(&line("AAA BBB")).ok();
    assert!(other.server.requests().iter().all(|seen| Shape::Columns.symbol(seen) == "BBB"));
    let sources = stage.sandbox.query("SELECT DISTINCT symbol, source FROM bars ORDER BY symbol");
    assert_eq!(sources, "symbol,source\nAAA,made\nBBB,columns\n");
    let report = stage.report();
    let ends: Vec<_> = report["symbols"].as_array().unwrap().iter().collect();
    assert_eq!((&ends[0]["source"], &ends[0]["outcome"]), (&"made".into(), &"stored".into()), "{report}");
    assert_eq!((&ends[1]["source"], &ends[1]["outcome"]), (&"columns".into(), &"stored".into()), "{report}");
    // What it stored is asked no more, wherever it came from.
    other.server.take();
    stage.fetch(&line("AAA BBB")).ok();
    assert_eq!(other.server.count(), 0);
    let bars = stage.sandbox.query(&market::BARS.replace("ORDER", "WHERE symbol = 'BBB' ORDER"));
    assert_same(&bars, &expected(&["BBB"], "1h", SINCE, UNTIL, NOW));
}

#[test]
fn one_request_carries_several_symbols() {
    let extra = "[symbols]\nbatch = 3\n[response.map]\nsymbol = { at = \"s\" }";
    let stage = made(extra, |seen| {
        let (from, to) = (seen.integer("from"), seen.integer("to"));
        let symbols = seen.param("symbol").split(',');
        Reply::json(body(&symbols.flat_map(|symbol| hours(symbol, from, to)).collect::<Vec<_>>()))
    });
    let symbols = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG"];
    stage.fetch(&line(&symbols.join(" "))).ok();
    assert_eq!(params(&stage, "symbol"), ["AAA,BBB,CCC", "DDD,EEE,FFF", "GGG"]);
    assert_hours(&stage, &symbols, SINCE, UNTIL);
    for symbol in symbols {
        assert_eq!(stage.ledger(symbol), [("have".to_owned(), SINCE, UNTIL)], "{symbol}");
    }
    stage.server.take();
    // Only those that miss the same go together.
    stage.fetch(&line("AAA HHH CCC III")).ok();
    assert_eq!(params(&stage, "symbol"), ["HHH,III"]);
}

#[test]
fn a_symbol_that_a_request_for_several_does_not_bring_is_empty() {
    let extra = "[symbols]\nbatch = 2\n[response.map]\nsymbol = { at = \"s\" }";
    let stage =
        made(extra, |seen| Reply::json(body(&hours("AAA", seen.integer("from"), seen.integer("to")))));
    stage.fetch(&line("AAA BBB")).ok();
    assert_hours(&stage, &["AAA"], SINCE, UNTIL);
    assert_eq!(stage.ledger("AAA"), [("have".to_owned(), SINCE, UNTIL)]);
    assert_eq!(stage.ledger("BBB"), [("empty".to_owned(), SINCE, UNTIL)]);
    let report = stage.report();
    assert_eq!(report["symbols"][0]["outcome"], "stored", "{report}");
    assert_eq!(report["symbols"][1]["outcome"], "empty", "{report}");
    assert_eq!(report["symbols"][0]["inserted"], 48, "{report}");
}

#[test]
fn variants_stand_in_by_table_timeframe_and_option() {
    let extra = r#"
[options]
feed = "slow"
[[variant]]
when = { timeframe = ["1d"] }
[variant.request]
path = "/daily"
params = { symbol = "{symbol}", from = "{window.start:unix_s}", to = "{window.end:unix_s}" }
[[variant]]
when = { option = { feed = "fast" } }
[variant.request]
path = "/fast"
params = { symbol = "{symbol}", from = "{window.start:unix_s}", to = "{window.end:unix_s}" }
[[variant]]
when = { table = "actions" }
[variant.window]
[variant.request]
path = "/actions"
params = { symbol = "{symbol}" }
[variant.response]
layout = "objects"
root = "bars"
map = { ts = { at = "t", unit = "s" }, value = { at = "c" }, kind = { const = "dividend" } }
[variant.store]
table = "actions"
"#;
    let stage = made(extra, |seen| match seen.path.as_str() {
        "/actions" => Reply::json(body(&hours("AAA", SINCE, SINCE + 3 * HOUR))),
        "/daily" => Reply::json(format!("{{\"bars\":[{{\"t\":{SINCE},\"c\":1}}]}}")),
        _ => answer(seen),
    });
    let range = format!("--since {} --until {}", at(SINCE), at(UNTIL));
    let cases = [
        (format!("AAA -t 1h {range}"), "/bars"),
        (format!("AAA -t 1d {range}"), "/daily"),
        (format!("AAA -t 1h --set feed=fast {range}"), "/fast"),
        (format!("AAA --table actions -t 1h {range}"), "/actions"),
    ];
    for (line, path) in &cases {
        stage.server.take();
        stage.fetch(line).ok();
        let paths: Vec<_> = stage.server.requests().into_iter().map(|seen| seen.path).collect();
        assert_eq!(paths, [*path], "{line}");
    }
    assert_eq!(stage.sandbox.value("SELECT count(*) FROM actions WHERE kind = 'dividend'"), "3");
    stage.fetch(&format!("AAA -t 1h --set fed=fast {range}")).fails(2).says(&["'fed'", "'feed'"]);
}

#[test]
fn an_option_may_be_required() {
    let stage = made("[options]\nfeed = { required = true }\n[request.params]\nfeed = \"{feed}\"", answer);
    stage.fetch(&line("AAA")).fails(2).says(&["'feed'", "--set feed="]);
    assert_eq!(stage.server.count(), 0);
    stage.fetch(&format!("{} --set feed=x&y", line("AAA"))).ok();
    assert_eq!(params(&stage, "feed"), ["x&y"]);
    // Another value is another series in the ledger.
    stage.server.take();
    stage.fetch(&format!("{} --set feed=x&y", line("AAA"))).ok();
    assert_eq!(stage.server.count(), 0);
    stage.fetch(&format!("{} --set feed=z", line("AAA"))).ok();
    assert_eq!(stage.server.count(), 1);
}

/// Answers what a JSON body asks for.
fn answer_body(seen: &Seen) -> Reply {
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(&seen.body) else { return Reply::new(400) };
    let number = |name: &str| body["range"][name].as_i64().unwrap();
    let name = body["symbol"].as_str().unwrap().replace('"', "\\\"");
    Reply::json(self::body(&hours(&name, number("from"), number("to"))))
}

#[test]
fn a_body_is_sent_with_post_and_with_get() {
    for method in ["POST", "GET"] {
        let extra = format!(
            "[request]\nmethod = \"{method}\"\nparams = {{ v = \"1\" }}\nbody = '{}'\n[cache]\nclosed = \"forever\"\n\
             [response.map]\nsymbol = {{ at = \"s\" }}",
            r#"{"symbol":"{symbol}","range":{"from":{window.start:unix_s},"to":{window.end:unix_s}}}"#
        );
        let stage = made_without("params = ", &extra, answer_body);
        let line = line("AAA A\"B");
        stage.fetch(&format!("{line} --record answers")).ok();
        let requests = stage.server.requests();
        assert_eq!(requests.len(), 2);
        for seen in &requests {
            assert_eq!((seen.method.as_str(), seen.target.as_str()), (method, "/bars?v=1"));
            assert_eq!(seen.header("content-type"), Some("application/json"));
        }
        let sums = "SELECT symbol, count(*) AS n FROM bars GROUP BY symbol ORDER BY symbol";
        let rows = stage.sandbox.query(sums);
        assert_eq!(rows, "symbol,n\n\"A\"\"B\",48\nAAA,48\n", "{method}");
        // Requests that differ in their body alone are told apart, also where they are recorded.
        stage.fetch(&format!("{line} --replay answers --store other")).ok();
        assert_eq!(stage.sandbox.query_in("other", sums), rows, "{method}");
        assert_eq!(stage.server.count(), 2);
    }
}

/// Answers with ten bars of those asked for, from the one with this number on, and how many there are.
fn ten(seen: &Seen, from: usize) -> (Vec<String>, usize) {
    let all = hours(seen.param("symbol"), seen.integer("from"), seen.integer("to"));
    (all.iter().skip(from).take(10).cloned().collect(), all.len())
}

#[test]
fn pages_are_turned_by_offset_page_cursor_and_link() {
    let offset = |seen: &Seen| {
        let (bars, total) = ten(seen, seen.param("start").parse().unwrap_or(0));
        Reply::json(format!("{{\"total\":{total},\"bars\":[{}]}}", bars.join(",")))
    };
    let page = |seen: &Seen| {
        let number: usize = seen.param("page").parse().unwrap();
        Reply::json(body(&ten(seen, (number - 1) * 10).0))
    };
    let cursor = |seen: &Seen| {
        let from = seen.param("after").strip_prefix("c/").map_or(0, |text| text.parse().unwrap());
        let (bars, total) = ten(seen, from);
        let next = if from + 10 < total { format!("\"c/{}\"", from + 10) } else { "null".to_owned() };
        Reply::json(format!("{{\"meta\":{{\"next\":{next}}},\"bars\":[{}]}}", bars.join(",")))
    };
    let link = |seen: &Seen| {
        let from: usize = seen.param("skip").parse().unwrap_or(0);
        let (bars, total) = ten(seen, from);
        let reply = Reply::json(body(&bars));
        if from + 10 >= total {
            return reply.header("Link", "</bars?skip=0>; rel=\"first\"");
        }
        let query: Vec<_> =
            ["symbol", "from", "to"].map(|name| format!("{name}={}", seen.param(name))).into();
        let next = format!("/bars?{}&skip={}", query.join("&"), from + 10);
        reply.header("Link", &format!("</bars>; rel=\"first\", <{next}>; rel=\"next\""))
    };
    let cases: [(&str, Answer); 6] = [
        ("kind = \"offset\"\nparam = \"start\"\nsize = 10\ntotal = \"total\"", offset),
        ("kind = \"offset\"\nparam = \"start\"\nsize = 10", offset),
        ("kind = \"page\"\nsize = 10\n[request.params]\npage = \"{page}\"", page),
        ("kind = \"cursor\"\npath = \"meta.next\"\nparam = \"after\"", cursor),
        ("kind = \"cursor\"\npath = \"$.meta.next\"\n[request.params]\nafter = \"{cursor}\"", cursor),
        ("kind = \"header_link\"", link),
    ];
    for (text, answer) in cases {
        let stage = made(&format!("[pagination]\n{text}"), answer);
        stage.fetch(&line("AAA")).ok();
        assert_eq!(stage.server.count(), 5, "{text}: {:?}", stage.server.requests());
        assert_hours(&stage, &["AAA"], SINCE, UNTIL);
        assert_eq!(stage.ledger("AAA"), [("have".to_owned(), SINCE, UNTIL)]);
    }
}

#[test]
fn the_end_of_a_window_is_sent_as_the_provider_means_it() {
    for (end, day) in [("exclusive", "2024-03-11"), ("inclusive", "2024-03-10")] {
        let extra = format!(
            "[window]\nend = \"{end}\"\n[request.params]\nfrom = \"{{window.start:date}}\"\nto = \"{{window.end:date}}\""
        );
        let stage = made(&extra, |_| Reply::json("{\"bars\":[]}"));
        stage.fetch("AAA -t 1d --since 2024-03-01 --until 2024-03-11").ok();
        assert_eq!(
            (params(&stage, "from"), params(&stage, "to")),
            (vec!["2024-03-01".to_owned()], vec![day.to_owned()])
        );
    }
}

#[test]
fn what_the_provider_lets_go_stays_a_hole_and_the_fetch_goes_on_behind_it() {
    let stage = made("[window]\nretention_points = 48\nhistory = \"10d\"", answer);
    stage.fetch("AAA -t 1h").ok().says(&["warning: 'made' keeps nothing before 2024-05-30T13:00:00Z"]);
    // The hour that is not over counts as one.
    let kept = NOW - NOW % HOUR - 47 * HOUR;
    let ledger = stage.ledger("AAA");
    assert_eq!(ledger[0], ("unavailable".to_owned(), NOW - 10 * DAY, kept), "{ledger:?}");
    assert_eq!(params(&stage, "from"), [kept.to_string()]);
    let known = ledger.last().unwrap().2;
    // Five days later only two of them are there.
    let later = NOW + 5 * DAY;
    stage.set_clock(later);
    stage.server.take();
    stage.fetch("AAA -t 1h").ok();
    let kept = later - later % HOUR - 47 * HOUR;
    assert_eq!(params(&stage, "from"), [kept.to_string()]);
    let ledger = stage.ledger("AAA");
    assert_eq!(ledger[2], ("unavailable".to_owned(), known, kept), "{ledger:?}");
    stage.server.take();
    let done = stage.fetch(&format!("AAA -t 1h --since {}", at(NOW - 10 * DAY))).ok();
    done.check(!done.stderr().contains("warning"), "what is known is not told again");
    let asked: Vec<_> = params(&stage, "from").iter().map(|text| text.parse::<i64>().unwrap()).collect();
    assert!(asked.iter().all(|from| *from > kept), "{asked:?}, kept from {kept}, {ledger:?}");
}

#[test]
fn a_range_that_the_provider_refuses_is_not_asked_again() {
    let extra = "[[error]]\nwhen = { path = \"error\", matches = \"last 10 days\" }\nclass = \"out_of_window\"\nmessage = \"error\"";
    let stage =
        made(extra, |_| Reply::new(422).body("application/json", "{\"error\":\"only the last 10 days\"}"));
    stage.fetch(&line("AAA")).ok().says(&["warning: ", "'AAA'", "only the last 10 days"]);
    assert_eq!(stage.report()["symbols"][0]["outcome"], "unavailable");
    assert_eq!(stage.ledger("AAA"), [("unavailable".to_owned(), SINCE, UNTIL)]);
    assert_eq!(stage.server.take().len(), 1);
    stage.fetch(&line("AAA")).ok();
    assert_eq!(stage.server.count(), 0);
}

#[test]
fn windows_are_whole_months_where_the_provider_knows_no_other() {
    let extra = "[window]\nalign = \"month\"\n[request.params]\nmonth = \"{window.start:strftime('%Y-%m')}\"";
    let months = |seen: &Seen| {
        let start: jiff::civil::Date = format!("{}-01", seen.param("month")).parse().unwrap();
        let seconds = |date: jiff::civil::Date| date.in_tz("UTC").unwrap().timestamp().as_second();
        Reply::json(body(&hours("AAA", seconds(start), seconds(start + jiff::Span::new().months(1)))))
    };
    // 1000 hours would cut each month in two.
    let stage = made_without("max_points", extra, months);
    stage.fetch("AAA -t 1h --since 2024-01-15 --until 2024-03-10").ok();
    assert_eq!(params(&stage, "month"), ["2024-01", "2024-02", "2024-03"]);
    let (from, to) = (1_705_276_800, 1_710_028_800);
    assert_hours(&stage, &["AAA"], from, to);
    assert_eq!(stage.ledger("AAA"), [("have".to_owned(), from, to)]);
}

#[test]
fn a_body_may_fill_another_table_too() {
    let extra = "[[response.extra]]\ntable = \"actions\"\nlayout = \"objects\"\nroot = \"splits\"\noptional = true\n\
                 map = { ts = { at = \"t\", unit = \"s\" }, value = { at = \"v\" }, kind = { const = \"split\" } }";
    let stage = made(extra, |seen| {
        let bars = hours("AAA", seen.integer("from"), seen.integer("to")).join(",");
        let (inside, outside) = (SINCE + HOUR, UNTIL + HOUR);
        Reply::json(match seen.param("symbol") {
            "AAA" => format!(
                "{{\"bars\":[{bars}],\"splits\":[{{\"t\":{inside},\"v\":2.5}},{{\"t\":{outside},\"v\":9}}]}}"
            ),
            _ => format!("{{\"bars\":[{bars}]}}"),
        })
    });
    stage.fetch(&line("AAA BBB")).ok();
    assert_hours(&stage, &["AAA", "BBB"], SINCE, UNTIL);
    let query = "SELECT source, symbol, kind, epoch(ts) AS seconds, value AS factor FROM actions";
    let expected = format!("source,symbol,kind,seconds,factor\nmade,AAA,split,{}.0,2.5\n", SINCE + HOUR);
    assert_eq!(stage.sandbox.query(query), expected);
}

#[test]
fn a_bar_without_values_stays_open() {
    let is_there = Arc::new(AtomicUsize::new(0));
    let flag = Arc::clone(&is_there);
    let hole = SINCE + 10 * HOUR;
    let stage = made("[response]\ndrop_all_null = [\"open\", \"close\"]", move |seen| {
        let mut bars = hours("AAA", seen.integer("from"), seen.integer("to"));
        if flag.load(Ordering::SeqCst) == 0 {
            let at = bars.iter().position(|bar| bar.contains(&hole.to_string())).unwrap();
            bars[at] = format!("{{\"t\":{hole},\"c\":null}}");
        }
        Reply::json(body(&bars))
    });
    stage.fetch(&line("AAA")).ok();
    let have = |from, to| ("have".to_owned(), from, to);
    assert_eq!(stage.ledger("AAA"), [have(SINCE, hole), have(hole + HOUR, UNTIL)]);
    assert_eq!(stage.sandbox.value("SELECT count(*) FROM bars"), "47");
    is_there.store(1, Ordering::SeqCst);
    stage.server.take();
    stage.fetch(&line("AAA")).ok();
    assert_eq!(params(&stage, "from"), [hole.to_string()]);
    assert_eq!(stage.ledger("AAA"), [have(SINCE, UNTIL)]);
    assert_hours(&stage, &["AAA"], SINCE, UNTIL);
}

#[test]
fn an_answer_that_still_holds_is_not_sent_again() {
    for (name, asks) in [("ETag", "if-none-match"), ("Last-Modified", "if-modified-since")] {
        let value = "Wed, 01 May 2024 00:00:00 GMT";
        let stage = made("[cache]\nopen = \"1s\"\nclosed = \"1s\"", move |seen| {
            let is_known = seen.header(asks) == Some(value);
            if is_known { Reply::new(304) } else { answer(seen) }.header(name, value)
        });
        // The open bar makes the second fetch ask for the same.
        let line = format!("AAA -t 1h --since {} --until {}", at(NOW - NOW % HOUR), at(NOW));
        stage.fetch(&line).ok();
        let before = stage.bars();
        stage.set_clock(NOW + 60);
        stage.fetch(&line).ok();
        let report = stage.report();
        assert_eq!(report["requests"][0]["cache"], "revalidated", "{name}: {report}");
        assert_eq!(report["stats"]["revalidated"], 1, "{report}");
        assert_same(&stage.bars(), &before);
    }
}

#[test]
fn identical_requests_go_out_once() {
    for (closed, count) in [("forever", 1), ("never", 3)] {
        let extra = format!(
            "[request.params]\nsymbol = \"all\"\n[response.map]\nsymbol = {{ at = \"s\" }}\n[cache]\nclosed = \"{closed}\""
        );
        let stage = made(&extra, |seen| {
            let (from, to) = (seen.integer("from"), seen.integer("to"));
            let all: Vec<_> =
                ["AAA", "BBB", "CCC"].iter().flat_map(|symbol| hours(symbol, from, to)).collect();
            Reply::json(body(&all)).after(Duration::from_millis(150))
        });
        stage.fetch(&format!("{} --jobs 3", line("AAA BBB CCC"))).ok();
        assert_eq!(stage.server.count(), count, "{closed}");
        assert_hours(&stage, &["AAA", "BBB", "CCC"], SINCE, UNTIL);
    }
}

#[test]
fn bodies_and_times_have_limits() {
    let stage = made("[response]\nmax_bytes = \"1KiB\"", answer);
    stage.fetch(&line("AAA")).fails(7).says(&["'AAA'", "1024 bytes"]);
    let stage = made("[request]\ntimeout = \"200ms\"", |seen| answer(seen).after(Duration::from_secs(4)));
    let started = Instant::now();
    stage.fetch(&line("AAA BBB")).fails(6).says(&["'AAA'", "timed out"]);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}
