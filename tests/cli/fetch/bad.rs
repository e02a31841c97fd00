//! What providers answer when they should not: every fault ends in a class, an exit code and words that name the
//! symbol; the other symbols are fetched, and nothing wrong is stored.

use std::sync::LazyLock;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{DAY, HOUR, Stage, assert_same, at, expected};
use crate::harness::gzip;
use crate::market::{self, Bar, KEY, NOW, Shape};
use crate::server::{Reply, Seen, Server, closed_port};

const SINCE: i64 = NOW - NOW % DAY - 20 * DAY;
const UNTIL: i64 = SINCE + 2 * DAY;

/// A limit for bodies, so that a bomb need not be large.
const EXTRA: &str = "[response]\nmax_bytes = \"1MiB\"";

/// How a fetch of the bad symbol ends.
enum Ends {
    /// With all its rows.
    Well,
    /// In this class, with these words.
    In(&'static str, &'static str),
}

/// A fault and what becomes of it.
struct Case {
    name: &'static str,
    reply: fn(Shape, &Seen) -> Reply,
    ends: Ends,
}

fn case(
    name: &'static str,
    reply: fn(Shape, &Seen) -> Reply,
    class: &'static str,
    says: &'static str,
) -> Case {
    Case { name, reply, ends: Ends::In(class, says) }
}

fn well(name: &'static str, reply: fn(Shape, &Seen) -> Reply) -> Case {
    Case { name, reply, ends: Ends::Well }
}

/// Returns the exit code of a fetch whose every symbol failed in a class.
fn exit_code(class: &str) -> i32 {
    match class {
        "auth" | "plan" => 4,
        "rate_limited" | "quota" | "banned" => 5,
        "network" | "transient" => 6,
        "format" => 7,
        _ => 1,
    }
}

fn asked(shape: Shape, seen: &Seen) -> Vec<Bar> {
    market::bars(&shape.symbol(seen), "1h", shape.start(seen), UNTIL, NOW)
}

/// Returns the body in which a provider sends bars.
fn body(shape: Shape, bars: &[Bar]) -> String {
    match shape {
        Shape::Rows => format!("[{}]", bars.iter().map(market::row).collect::<Vec<_>>().join(",")),
        Shape::Columns => market::chart("BAD", bars),
        Shape::Objects => market::results(bars, None),
    }
}

/// Returns the body that would be right.
fn right(shape: Shape, seen: &Seen) -> String {
    body(shape, &asked(shape, seen))
}

/// Returns the right body with the first opening price replaced by another text.
fn with_price(shape: Shape, seen: &Seen, text: &[u8]) -> Vec<u8> {
    let body = right(shape, seen).into_bytes();
    let before: &[u8] = match shape {
        Shape::Rows => b"000,",
        Shape::Columns => b"\"open\":[",
        Shape::Objects => b"\"o\":",
    };
    let from = memchr::memmem::find(&body, before).unwrap() + before.len();
    let to = from + body[from..].iter().position(|byte| b",]}".contains(byte)).unwrap();
    [&body[..from], text, &body[to..]].concat()
}

fn words(shape: Shape, not_found: bool) -> Reply {
    Reply::json(match (shape, not_found) {
        (Shape::Rows, true) => r#"{"code":-1121,"msg":"No data found for this, says the provider"}"#,
        (Shape::Rows, false) => r#"{"code":-1,"msg":"Too wide a \u001b[31mrange, says the provider"}"#,
        (Shape::Columns, true) => {
            r#"{"chart":{"result":null,"error":{"description":"No data found for this, says the provider"}}}"#
        }
        (Shape::Columns, false) => {
            r#"{"chart":{"result":null,"error":{"description":"Too wide a \u001b[31mrange, says the provider"}}}"#
        }
        (Shape::Objects, true) => r#"{"status":"ERROR","error":"Unknown ticker, says the provider"}"#,
        (Shape::Objects, false) => {
            r#"{"status":"ERROR","error":"Too wide a \u001b[31mrange, says the provider"}"#
        }
    })
}

fn status(status: u16) -> Reply {
    Reply::new(status).body("application/json", "{\"detail\":\"no\"}")
}

/// Eight megabytes that are eight kilobytes on the way.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| gzip(&[b' '; 8 << 20]));

/// Answers that are wrong in themselves.
fn bodies() -> Vec<Case> {
    vec![
        case("200 with an error", |shape, _| words(shape, true), "not_found", "says the provider"),
        case("200 with another error", |shape, _| words(shape, false), "request", "says the provider"),
        case(
            "200 with HTML",
            |_, _| Reply::new(200).body("text/html", "<html>Will be right back</html>"),
            "format",
            "web page",
        ),
        case("200 with HTML that says it is JSON", |_, _| Reply::json("<html>"), "format", ""),
        case("200 and nothing", |_, _| Reply::json(""), "format", "empty"),
        case("JSON that ends early", |shape, seen| Reply::json(&right(shape, seen)[..900]), "format", ""),
        case(
            "a body that ends early",
            |shape, seen| Reply::json(right(shape, seen)).cut(900),
            "network",
            "cut short",
        ),
        case(
            "a Content-Length that is too large",
            |shape, seen| Reply::json(right(shape, seen)).claiming(1 << 20),
            "network",
            "cut short",
        ),
        case(
            "a Content-Length that is too small",
            |shape, seen| Reply::json(right(shape, seen)).claiming(900),
            "format",
            "",
        ),
        case(
            "a gzip bomb",
            |_, _| Reply::json(BOMB.clone()).header("Content-Encoding", "gzip"),
            "format",
            "1048576",
        ),
        case(
            "gzip that is none",
            |shape, seen| Reply::json(right(shape, seen)).header("Content-Encoding", "gzip"),
            "format",
            "unpack",
        ),
        case(
            "an encoding nobody asked for",
            |_, _| Reply::json("x").header("Content-Encoding", "compress"),
            "format",
            "compress",
        ),
    ]
}

/// Values that are wrong.
fn values() -> Vec<Case> {
    vec![
        case(
            "invalid UTF-8",
            |shape, seen| Reply::json(with_price(shape, seen, b"\"\xff\xfe\"")),
            "format",
            "",
        ),
        case("NaN", |shape, seen| Reply::json(with_price(shape, seen, b"NaN")), "format", ""),
        case("1e999", |shape, seen| Reply::json(with_price(shape, seen, b"1e999")), "format", ""),
        case(
            "ten levels",
            |shape, seen| Reply::json(with_price(shape, seen, b"[[[[[[[[[[1]]]]]]]]]]")),
            "format",
            "",
        ),
        case("a hundred thousand levels", |_, _| Reply::json("[".repeat(100_000)), "format", ""),
        case(
            "times in another unit",
            |shape, seen| {
                let mut bars = asked(shape, seen);
                let text = body(shape, &bars);
                Reply::json(match shape {
                    // Seconds where milliseconds are expected, and the other way round.
                    Shape::Rows => text.replace("000,\"", ",\""),
                    Shape::Objects => text.replace("000,\"o\"", ",\"o\""),
                    Shape::Columns => {
                        for bar in &mut bars {
                            bar.ts *= 1_000;
                        }
                        body(shape, &bars)
                    }
                })
            },
            "format",
            "",
        ),
    ]
}

/// Answers that are only unusual.
fn unusual() -> Vec<Case> {
    vec![
        well("numbers in other clothes", |shape, seen| {
            let text = right(shape, seen);
            Reply::json(match shape {
                // Texts become numbers, and numbers texts.
                Shape::Rows => text.replace('"', ""),
                Shape::Columns | Shape::Objects => {
                    let pattern = regex::Regex::new(r"[\d.]+\d").unwrap();
                    pattern.replace_all(&text, "\"$0\"").into_owned()
                }
            })
        }),
        well("keys that come twice", |shape, seen| {
            let text = right(shape, seen);
            Reply::json(match shape {
                Shape::Rows => text,
                Shape::Columns => {
                    let times: Vec<_> = asked(shape, seen).iter().map(|bar| bar.ts.to_string()).collect();
                    let again = format!("\"timestamp\":[{}],\"indicators\"", times.join(","));
                    text.replace("\"indicators\"", &again)
                }
                Shape::Objects => regex::Regex::new(r#""o":([\d.]+)"#)
                    .unwrap()
                    .replace_all(&text, "\"o\":$1,\"o\":$1")
                    .into_owned(),
            })
        }),
        well("rows in no order", |shape, seen| {
            let mut bars = asked(shape, seen);
            bars.reverse();
            bars.swap(3, 17);
            Reply::json(body(shape, &bars))
        }),
        well("rows that come twice", |shape, seen| {
            let bars = asked(shape, seen);
            Reply::json(body(shape, &[bars.clone(), bars].concat()))
        }),
        well("chunks", |shape, seen| Reply::json(right(shape, seen)).chunked(7)),
        well("gzip", |shape, seen| Reply::json(right(shape, seen)).gzip()),
    ]
}

/// Statuses and connections.
fn statuses() -> Vec<Case> {
    vec![
        case("400", |_, _| status(400), "request", "400"),
        case("401", |_, _| status(401), "auth", "401"),
        case("403", |_, _| status(403), "auth", "403"),
        case("404", |_, _| status(404), "not_found", "404"),
        case("429 for ever", |_, _| status(429), "rate_limited", "429"),
        case("451", |_, _| status(451), "geo", "451"),
        case("503 for ever", |_, _| status(503), "transient", "503"),
        case("a loop", |_, seen| Reply::redirect(301, &seen.target), "format", "redirects"),
        case("a connection that ends", |_, _| Reply::close(), "network", ""),
        case(
            "a connection that is reset",
            |shape, seen| Reply::json(right(shape, seen)).reset(900),
            "network",
            "",
        ),
    ]
}

/// Plays a case: beside a good symbol, and alone.
fn play(shape: Shape, case: &Case) {
    let name = format!("{shape:?}: {}", case.name);
    // Only shown where the test fails.
    eprintln!("{name}");
    let reply = case.reply;
    let stage = Stage::with(shape, EXTRA, move |seen| {
        (shape.symbol(seen) == "BAD" && shape.knows(seen)).then(|| reply(shape, seen))
    });
    let range = format!("-t 1h --since {} --until {}", at(SINCE), at(UNTIL));
    let output = stage.fetch(&format!("BAD GOOD {range}"));
    let Ends::In(class, says) = case.ends else {
        output.ok();
        assert_same(&stage.bars(), &expected(&["BAD", "GOOD"], "1h", SINCE, UNTIL, NOW));
        return;
    };
    let done = output.fails(3);
    done.says(&["'BAD'", says]);
    done.check(!done.stderr().contains("'GOOD'"), &name);
    // Rows beside what was wrong may be kept, but they are right.
    let good = expected(&["GOOD"], "1h", SINCE, UNTIL, NOW);
    let both = expected(&["BAD", "GOOD"], "1h", SINCE, UNTIL, NOW);
    let bars = stage.bars();
    done.check(good.lines().all(|line| bars.lines().any(|found| found == line)), &name);
    done.check(bars.lines().all(|found| both.lines().any(|line| found == line)), &name);
    done.check(stage.ledger("BAD").is_empty(), &name);
    let report = stage.report().to_string();
    done.check(report.contains(&format!("\"{class}\"")), &format!("{name}: '{class}' in {report}"));
    let alone = stage.fetch(&format!("BAD {range}"));
    let alone = alone.fails(exit_code(class));
    alone.says(&["'BAD'", &format!("from '{}'", shape.name())]);
    stage.assert_no_key(&[&done.stdout(), done.stderr(), alone.stderr()]);
}

fn play_all(cases: &[Case]) {
    for shape in Shape::ALL {
        for case in cases {
            play(shape, case);
        }
    }
}

#[test]
fn wrong_bodies_end_in_a_class_and_store_nothing() {
    play_all(&bodies());
}

#[test]
fn wrong_values_end_in_a_class_and_store_nothing() {
    play_all(&values());
}

#[test]
fn unusual_answers_are_read() {
    play_all(&unusual());
}

#[test]
fn wrong_statuses_and_connections_end_in_a_class() {
    play_all(&statuses());
}

#[test]
fn a_slow_drip_ends_at_the_time_limit() {
    for shape in Shape::ALL {
        let extra = "[request]\ntimeout = \"300ms\"\n[retry]\nmax = 0";
        let stage = Stage::with(shape, extra, move |seen| {
            let is_bad = shape.symbol(seen) == "BAD";
            is_bad.then(|| Reply::json(right(shape, seen)).drip(Duration::from_millis(20)))
        });
        let started = Instant::now();
        let done = stage.fetch(&format!("BAD GOOD -t 1h --since {} --until {}", at(SINCE), at(UNTIL)));
        done.fails(3).says(&["'BAD'", "timed out"]);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert_same(&stage.bars(), &expected(&["GOOD"], "1h", SINCE, UNTIL, NOW));
    }
}

#[test]
fn a_million_rows_in_one_body_are_no_harm() {
    for shape in Shape::ALL {
        let stage = Stage::with(shape, "", move |seen| {
            let bars = asked(shape, seen);
            let first = bars[0];
            // A row for every second before the window.
            let others = (1..=1_000_000).map(|number| Bar { ts: SINCE - number, ..first });
            Some(Reply::json(body(shape, &bars.iter().copied().chain(others).collect::<Vec<_>>())))
        });
        let range = format!("-t 1h --since {} --until {}", at(SINCE), at(UNTIL));
        stage.fetch(&format!("AAA {range}")).ok();
        assert_same(&stage.bars(), &expected(&["AAA"], "1h", SINCE, UNTIL, NOW));
    }
}

#[test]
fn a_failure_that_passes_is_tried_again() {
    for shape in Shape::ALL {
        for failure in [500, 502, 429] {
            let left = Mutex::new(2);
            let stage = Stage::with(shape, "", move |_| {
                let mut left = left.lock().unwrap();
                *left -= 1;
                (*left >= 0).then(|| status(failure))
            });
            stage.fetch(&format!("AAA -t 1h --since {} --until {}", at(SINCE), at(UNTIL))).ok();
            assert_eq!(stage.server.count(), 3, "{shape:?}: {failure}");
            assert_same(&stage.bars(), &expected(&["AAA"], "1h", SINCE, UNTIL, NOW));
        }
    }
}

#[test]
fn nobody_there_is_a_fault_of_the_network() {
    let talks_plainly = Server::start(|_| Reply::new(200));
    let cases = [
        (closed_port(), "connect"),
        (talks_plainly.url().replace("http:", "https:"), "TLS"),
        ("http://no-such-host.invalid".to_owned(), ""),
    ];
    for shape in Shape::ALL {
        for (url, says) in &cases {
            let stage = Stage::new(shape);
            stage.sandbox.write("source.toml", shape.definition(url, ""));
            let line = format!("AAA BBB -t 1h --since {} --until {}", at(SINCE), at(UNTIL));
            let done = stage.fetch(&line).fails(6);
            done.says(&["'AAA'", "'BBB'"]);
            let is_said = done.stderr().to_lowercase().contains(&says.to_lowercase());
            done.check(is_said, &format!("expected '{says}' for {url}"));
            stage.assert_no_key(&[done.stderr()]);
        }
    }
}

#[test]
fn the_key_goes_nowhere_else() {
    for shape in Shape::ALL {
        for (status, what) in
            [(301, "redirect"), (302, "redirect"), (307, "redirect"), (0, "next_url"), (1, "step")]
        {
            let other = Server::start(|_| Reply::json("{\"token\":\"t\"}"));
            let elsewhere = other.url();
            let step = format!(
                "[[steps]]\nname = \"elsewhere\"\nurl = \"{elsewhere}/token\"\ntake = \"$.token\"\nas = \"token\""
            );
            let target = format!("{elsewhere}/v2/aggs/BAD/1h/0/1?cursor=1");
            let is_step = what == "step";
            let stage = Stage::with(shape, if is_step { &step } else { "" }, move |seen| {
                if shape.symbol(seen) != "BAD" || is_step {
                    return None;
                }
                let bars = asked(shape, seen);
                Some(match shape {
                    Shape::Objects if status == 0 => Reply::json(market::results(&bars, Some(&target))),
                    _ if status == 0 => return None,
                    _ => Reply::redirect(status, &target),
                })
            });
            let line = format!("BAD GOOD -t 1h --since {} --until {}", at(SINCE), at(UNTIL));
            let output = stage.fetch(&line);
            if is_step || (status == 0 && shape != Shape::Objects) {
                output.ok();
            } else {
                output.fails(3).says(&["'BAD'"]);
                assert_eq!(other.count(), 0, "{shape:?}: {what}: {:?}", other.requests());
            }
            for seen in other.requests() {
                assert!(!format!("{seen:?}").contains(KEY), "{shape:?}: {what}: {seen:?}");
                assert!(seen.header("authorization").is_none() && seen.header("x-key").is_none(), "{seen:?}");
            }
        }
    }
}

#[test]
fn a_cursor_that_repeats_itself_ends_with_an_error() {
    let stage = Stage::with(Shape::Objects, "", |seen| {
        let host = seen.header("host").unwrap();
        let here = format!("http://{host}{}?cursor={}000", seen.path, SINCE + 5 * HOUR);
        Some(Reply::json(market::results(&asked(Shape::Objects, seen), Some(&here))))
    });
    let done = stage.fetch(&format!("AAA -t 1h --since {} --until {}", at(SINCE), at(UNTIL))).fails(7);
    done.says(&["'AAA'"]);
    done.check(stage.server.count() <= 3, &format!("{} requests", stage.server.count()));
    assert!(stage.ledger("AAA").is_empty());
}
