//! The requests before the real one: cookies, tokens, lists, tables of instruments.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{DAY, Stage, assert_same, at, expected};
use crate::market::{self, NOW, Shape};
use crate::server::{Reply, Seen};

const SINCE: i64 = NOW - NOW % DAY - 20 * DAY;
const UNTIL: i64 = SINCE + DAY;

/// What no file and no message may hold.
const TOKEN: &str = "tok-Canary-4711";

fn line(symbols: &str) -> String {
    format!("{symbols} -t 1h --since {} --until {}", at(SINCE), at(UNTIL))
}

fn rows(symbols: &[&str]) -> String {
    expected(symbols, "1h", SINCE, UNTIL, NOW)
}

/// Returns how many requests had a path.
fn count(stage: &Stage, path: &str) -> usize {
    stage.server.requests().iter().filter(|seen| seen.path == path).count()
}

fn denied() -> Reply {
    Reply::new(401).body("application/json", "{\"error\":\"no session\"}")
}

/// A step that brings a cookie, from a page that is not there.
const WELCOME: &str =
    "[[steps]]\nname = \"welcome\"\npath = \"/welcome\"\nkeep = \"cookies\"\nrefresh_on = [\"auth\"]";

fn welcome(session: usize) -> Reply {
    let page = Reply::new(404).body("text/html", "<html>not here</html>");
    page.header("Set-Cookie", &format!("sid={session}; Path=/; HttpOnly"))
}

fn session(seen: &Seen) -> Option<usize> {
    seen.header("cookie")?.strip_prefix("sid=")?.parse().ok()
}

#[test]
fn cookies_of_a_page_go_along_even_where_it_is_not_found() {
    let stage = Stage::with(Shape::Rows, WELCOME, |seen| match seen.path.as_str() {
        "/welcome" => Some(welcome(1)),
        _ => (session(seen) != Some(1)).then(denied),
    });
    stage.fetch(&line("AAA BBB CCC")).ok();
    assert_eq!((count(&stage, "/welcome"), stage.server.count()), (1, 4));
    assert_same(&stage.bars(), &rows(&["AAA", "BBB", "CCC"]));
}

#[test]
fn a_session_that_ends_is_renewed_once_whoever_notices() {
    let sessions = Arc::new(AtomicUsize::new(0));
    let opened = Arc::clone(&sessions);
    let stage = Stage::with(Shape::Rows, WELCOME, move |seen| {
        if seen.path == "/welcome" {
            return Some(welcome(opened.fetch_add(1, Ordering::SeqCst) + 1).after(Duration::from_millis(60)));
        }
        // The first session is none from the beginning, and not all hear of it at once.
        let wait = Duration::from_millis(if seen.param("symbol") < "DDD" { 10 } else { 40 });
        let is_good = session(seen).is_some_and(|session| session > 1);
        Some(if is_good { Shape::Rows.answer(seen, NOW) } else { denied() }.after(wait))
    });
    let symbols = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF"];
    stage.fetch(&format!("{} --jobs 6", line(&symbols.join(" ")))).ok();
    assert_eq!(sessions.load(Ordering::SeqCst), 2, "{:?}", stage.server.requests());
    assert_same(&stage.bars(), &rows(&symbols));
}

#[test]
fn a_step_is_made_again_once_and_no_more() {
    let stage = Stage::with(Shape::Rows, WELCOME, |seen| match seen.path.as_str() {
        "/welcome" => Some(welcome(1)),
        _ => Some(denied()),
    });
    stage.fetch(&line("AAA")).fails(4).says(&["'AAA'"]);
    assert_eq!((count(&stage, "/welcome"), stage.server.count()), (2, 4));
    // A class that is not named does not make it again.
    let stage = Stage::with(Shape::Rows, &WELCOME.replace("auth", "plan"), |seen| match seen.path.as_str() {
        "/welcome" => Some(welcome(1)),
        _ => Some(denied()),
    });
    stage.fetch(&line("AAA")).fails(4);
    assert_eq!((count(&stage, "/welcome"), stage.server.count()), (1, 2));
}

#[test]
fn a_token_is_taken_and_told_to_nobody() {
    for (take, body) in
        [("$.data.token", format!("{{\"data\":{{\"token\":\"{TOKEN}\"}}}}")), ("body", format!("{TOKEN}\n"))]
    {
        let extra = format!(
            "[request.params]\ncrumb = \"{{crumb}}\"\n[cache]\nclosed = \"forever\"\nignore_params = [\"crumb\"]\n\
             [[steps]]\nname = \"token\"\npath = \"/token\"\ntake = \"{take}\"\nas = \"crumb\""
        );
        let stage = Stage::with(Shape::Rows, &extra, move |seen| match seen.path.as_str() {
            "/token" => Some(Reply::new(200).body("text/plain", body.clone())),
            _ => (seen.param("crumb") != TOKEN).then(denied),
        });
        let done = stage.fetch(&format!("{} -v --record answers", line("AAA BBB"))).ok();
        assert_eq!((count(&stage, "/token"), stage.server.count()), (1, 3), "{take}");
        assert_same(&stage.bars(), &rows(&["AAA", "BBB"]));
        done.check(!(done.stdout() + done.stderr()).contains(TOKEN), "the token is printed");
        assert_no_token(&stage.sandbox.path("."));
        // Recordings without the token are as good.
        stage.fetch(&format!("{} --replay answers --store other", line("AAA BBB"))).ok();
        assert_same(&stage.sandbox.query_in("other", market::BARS), &rows(&["AAA", "BBB"]));
    }
}

/// Checks that the token is in no file of a folder.
fn assert_no_token(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_no_token(&path);
        } else if !path.is_symlink() {
            let bytes = std::fs::read(&path).unwrap();
            let has_token = memchr::memmem::find(&bytes, TOKEN.as_bytes()).is_some();
            assert!(!has_token, "the token is in '{}'", path.display());
        }
    }
}

#[test]
fn an_answer_without_the_token_is_a_fault_of_its_form() {
    let extra = "[request.params]\ncrumb = \"{crumb}\"\n\
                 [[steps]]\nname = \"token\"\npath = \"/token\"\ntake = \"$.token\"\nas = \"crumb\"";
    for body in ["{}", "{\"token\":null}", "{\"token\":\"\"}", "no JSON"] {
        let stage =
            Stage::with(Shape::Rows, extra, move |seen| (seen.path == "/token").then(|| Reply::json(body)));
        stage.fetch(&line("AAA")).fails(7).says(&["'AAA'", "step 'token'"]);
        assert_eq!(count(&stage, "/token"), stage.server.count(), "{body}");
    }
    let stage = Stage::with(Shape::Rows, extra, |seen| {
        (seen.path == "/token").then(|| Reply::new(404).body("application/json", "{}"))
    });
    stage.fetch(&line("AAA")).fails(1).says(&["'AAA'", "step 'token'"]);
}

/// A step that lists the parts of a symbol, each of which is a request.
const PARTS: &str = "[request.params]\npart = \"{part}\"\n[[steps]]\nname = \"parts\"\npath = \"/parts\"\n\
                     params = { symbol = \"{symbol}\" }\neach = \"parts[]\"\nas = \"part\"";

/// Every third bar of the window.
fn part(seen: &Seen) -> Reply {
    let number: usize = seen.param("part").parse().unwrap();
    let (from, to) = (seen.integer("startTime") / 1_000, seen.integer("endTime") / 1_000 + 1);
    let bars = market::bars(seen.param("symbol"), "1h", from, to, NOW);
    let bars: Vec<_> = bars.iter().skip(number).step_by(3).map(market::row).collect();
    Reply::json(format!("[{}]", bars.join(",")))
}

#[test]
fn a_request_is_made_for_each_value_of_a_list_that_is_asked_once_a_symbol() {
    // Two windows a symbol.
    let stage = Stage::with(Shape::Rows, &format!("[window]\nmax_points = 12\n{PARTS}"), |seen| {
        Some(match (seen.path.as_str(), seen.param("symbol")) {
            ("/parts", "NONE") => Reply::json("{\"parts\":[]}"),
            ("/parts", _) => Reply::json("{\"parts\":[\"0\",1,\"2\"]}"),
            _ => part(seen),
        })
    });
    stage.fetch(&line("AAA BBB NONE")).ok();
    assert_eq!((count(&stage, "/parts"), stage.server.count()), (3, 3 + 2 * 2 * 3));
    assert_same(&stage.bars(), &rows(&["AAA", "BBB"]));
    for symbol in ["AAA", "BBB", "NONE"] {
        let ledger = stage.ledger(symbol);
        assert_eq!((ledger[0].1, ledger.last().unwrap().2), (SINCE, UNTIL), "{symbol}: {ledger:?}");
    }
    stage.server.take();
    stage.fetch(&line("AAA BBB NONE")).ok();
    assert_eq!(stage.server.count(), 0);
}

#[test]
fn a_list_is_asked_anew_in_each_round() {
    let stage = Stage::with(Shape::Rows, PARTS, |seen| {
        Some(if seen.path == "/parts" { Reply::json("{\"parts\":[0]}") } else { part(seen) })
    });
    let command = format!("AAA -t 1h --since {} --every 1s", at(NOW - DAY));
    let mut child = stage.command(&command).spawn().unwrap();
    let started = Instant::now();
    while stage.server.count() < 6 {
        assert!(started.elapsed() < Duration::from_secs(10), "no third round");
        std::thread::sleep(Duration::from_millis(5));
    }
    stage.sandbox.shell(&format!("kill -TERM {}", child.id())).ok();
    stage.sandbox.wait(&mut child, "barn fetch --every");
    let paths: Vec<_> = stage.server.requests().into_iter().take(6).map(|seen| seen.path).collect();
    assert!(paths.chunks(2).all(|round| round[0] == "/parts" && round[1] != "/parts"), "{paths:?}");
}

#[test]
fn a_list_of_which_a_part_fails_is_not_covered() {
    let is_healed = Arc::new(AtomicUsize::new(0));
    let flag = Arc::clone(&is_healed);
    let stage = Stage::with(Shape::Rows, PARTS, move |seen| {
        Some(match (seen.path.as_str(), seen.param("part")) {
            ("/parts", _) => Reply::json("{\"parts\":[0,1,2]}"),
            (_, "1") if flag.load(Ordering::SeqCst) == 0 => Reply::new(403).body("application/json", "{}"),
            _ => part(seen),
        })
    });
    stage.fetch(&line("AAA")).fails(4);
    assert!(stage.ledger("AAA").is_empty(), "{:?}", stage.ledger("AAA"));
    is_healed.store(1, Ordering::SeqCst);
    stage.fetch(&line("AAA")).ok();
    assert_same(&stage.bars(), &rows(&["AAA"]));
}

#[test]
fn what_a_step_brought_is_good_for_its_time() {
    for (ttl, counts) in [("1h", 1..=1), ("150ms", 2..=4)] {
        let extra = format!(
            "[request.params]\ncrumb = \"{{crumb}}\"\n[[steps]]\nname = \"token\"\npath = \"/token\"\n\
             take = \"body\"\nas = \"crumb\"\nttl = \"{ttl}\""
        );
        let stage = Stage::with(Shape::Rows, &extra, |seen| {
            Some(if seen.path == "/token" {
                Reply::new(200).body("text/plain", "t")
            } else {
                Shape::Rows.answer(seen, NOW).after(Duration::from_millis(100))
            })
        });
        let mut command = stage.command(&format!("{} --jobs 1", line("AAA BBB CCC DDD")));
        // Only the machine's clock goes on.
        command.env_remove("BARN_NOW");
        stage.sandbox.run(command, None).ok();
        let count = count(&stage, "/token");
        assert!(counts.contains(&count), "{ttl}: {count} times");
    }
}

const LOOKUP: &str = "[symbols]\nlookup = { step = \"instruments\", match = \"name\", value = \"id\" }\n\
                      [request.params]\nsymbol = \"{symbol.lookup}\"\n\
                      [[steps]]\nname = \"instruments\"\npath = \"/instruments\"\nformat = \"csv\"";

#[test]
fn symbols_are_looked_up_in_a_table_of_the_provider() {
    let stage = Stage::with(Shape::Rows, LOOKUP, |seen| {
        if seen.path == "/instruments" {
            let table = "id,exchange,\"name\"\r\n11,X,AAA\r\n22,X,\"BBB\"\r\n33,X,AAA\r\n";
            return Some(Reply::new(200).body("text/csv", table));
        }
        let name = match seen.param("symbol") {
            "11" => "AAA",
            "22" => "BBB",
            _ => return Some(Reply::new(404)),
        };
        let bars = market::bars(name, "1h", SINCE, UNTIL, NOW);
        Some(Reply::json(format!("[{}]", bars.iter().map(market::row).collect::<Vec<_>>().join(","))))
    });
    let done = stage.fetch(&line("aaa ZZZ BBB")).fails(3);
    done.says(&["'ZZZ'", "not_found", "step 'instruments' knows no symbol 'ZZZ'"]);
    assert_eq!((count(&stage, "/instruments"), stage.server.count()), (1, 3));
    assert_same(&stage.bars(), &rows(&["AAA", "BBB"]));
    stage.fetch(&line("ZZZ")).fails(1).says(&["'ZZZ'"]);
}

#[test]
fn a_table_without_the_column_is_a_fault_of_its_form() {
    let stage =
        Stage::with(Shape::Rows, LOOKUP, |_| Some(Reply::new(200).body("text/csv", "id,nam\n11,AAA\n")));
    stage.fetch(&line("AAA")).fails(7).says(&["'AAA'", "no column 'name'", "'nam'"]);
    assert_eq!(stage.server.count(), 1);
}
