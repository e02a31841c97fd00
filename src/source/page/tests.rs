//! Tests of pages: each kind, and each way not to end.

use std::collections::BTreeMap;
use std::collections::HashSet;

use super::super::Answer;
use super::super::tests::HOUR;
use super::super::tests::dataset;
use super::*;
use crate::model::Span;

fn paged(pagination: &str) -> Dataset {
    dataset(&format!(
        "source = {{ name = 'x', base_url = 'https://a.com' }}
        request = {{ path = '/', params = {{ s = '{{symbol}}', t = '{{window.start:unix_s}}', i = '{{timeframe}}' }} }}
        timeframes = {{ 1h = 'h' }}
        pagination = {{ {pagination} }}
        window = {{ max_points = 2 }}"
    ))
}

struct Case<'a> {
    pagination: &'a str,
    turn: Turn,
    body: &'a str,
    headers: &'a [(String, String)],
    rows: u64,
    last: Option<i64>,
    seen: &'a [&'a str],
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            pagination: "",
            turn: Turn::First,
            body: "{}",
            headers: &[],
            rows: 2,
            last: Some(2 * HOUR),
            seen: &["first"],
        }
    }
}

fn next(case: Case<'_>) -> Result<Option<Turn>> {
    let dataset = paged(case.pagination);
    let values = BTreeMap::new();
    let symbols = ["A".to_owned()];
    let window = Some(Span { start: HOUR, stop: 6 * HOUR });
    let ask = Ask { symbols: &symbols, window, mirror: 0, turn: case.turn, values: &values, now: 0 };
    let answer = Answer { status: 200, headers: case.headers, body: case.body.as_bytes() };
    let seen: HashSet<String> = case.seen.iter().map(|turn| (*turn).to_owned()).collect();
    dataset.next_page(&ask, &Page { answer: &answer, rows: case.rows, last: case.last, seen: &seen })
}

fn is_format(result: Result<Option<Turn>>) -> bool {
    result.unwrap_err().downcast_ref::<Fault>().is_some_and(|fault| fault.class == Class::Format)
}

#[test]
fn one_page_is_all_without_a_kind() {
    assert_eq!(next(Case::default()).unwrap(), None);
}

#[test]
fn a_full_page_goes_on_behind_its_last_row() {
    let case = |rows, last| Case { pagination: "kind = 'last_time'", rows, last, ..Case::default() };
    assert_eq!(next(case(2, Some(2 * HOUR))).unwrap(), Some(Turn::From(3 * HOUR)));
    assert_eq!(next(case(1, Some(2 * HOUR))).unwrap(), None, "a shorter page is the last");
    assert_eq!(next(case(2, Some(5 * HOUR))).unwrap(), None, "the window is over");
    assert!(is_format(next(case(2, None))));
    assert!(is_format(next(case(2, Some(HOUR - 1)))), "it does not advance");
    let again = Case { turn: Turn::From(3 * HOUR), ..case(2, Some(2 * HOUR)) };
    assert!(is_format(next(again)));
    assert!(next(case(2, Some(i64::MAX))).is_ok());
}

#[test]
fn links_are_followed_once_and_only_home() {
    let case = |body| Case { pagination: "kind = 'next_url', path = 'next'", body, ..Case::default() };
    let url = || Turn::Url("https://a.com/?c=2".to_owned());
    assert_eq!(next(case(r#"{"next":"https://a.com/?c=2"}"#)).unwrap(), Some(url()));
    assert_eq!(next(case(r#"{"next":"/?c=2"}"#)).unwrap(), Some(url()));
    for body in [r#"{"next":null}"#, r#"{"next":""}"#, "{}", "not json"] {
        assert_eq!(next(case(body)).unwrap(), None, "{body}");
    }
    assert!(is_format(next(case(r#"{"next":"https://evil.com/"}"#))));
    assert!(is_format(next(Case {
        seen: &["first", "url https://a.com/?c=2"],
        ..case(r#"{"next":"/?c=2"}"#)
    })));
    let long = format!(r#"{{"next":"/{}"}}"#, "x".repeat(20_000));
    assert!(is_format(next(case(&long))));
}

#[test]
fn a_cursor_that_repeats_itself_ends_with_an_error() {
    let case = || Case {
        pagination: "kind = 'cursor', path = 'meta.next', param = 'c'",
        body: r#"{"meta":{"next":7}}"#,
        ..Case::default()
    };
    assert_eq!(next(case()).unwrap(), Some(Turn::Cursor("7".to_owned())));
    assert!(is_format(next(Case { seen: &["first", "cursor 7"], ..case() })));
    assert!(is_format(next(Case { turn: Turn::Cursor("7".to_owned()), ..case() })));
    assert_eq!(next(Case { body: r#"{"meta":{"next":false}}"#, ..case() }).unwrap(), None);
}

#[test]
fn offsets_count_to_the_total() {
    let case = || Case {
        pagination: "kind = 'offset', param = 'o', total = 'count'",
        body: r#"{"count":5}"#,
        ..Case::default()
    };
    assert_eq!(next(case()).unwrap(), Some(Turn::Offset(2)));
    assert_eq!(next(Case { turn: Turn::Offset(2), ..case() }).unwrap(), Some(Turn::Offset(4)));
    assert_eq!(next(Case { turn: Turn::Offset(4), rows: 1, ..case() }).unwrap(), None);
    assert_eq!(
        next(Case { turn: Turn::Offset(2), rows: 0, ..case() }).unwrap(),
        None,
        "an empty page is the last"
    );
    assert_eq!(next(Case { body: "{}", ..case() }).unwrap(), Some(Turn::Offset(2)));
    assert_eq!(next(Case { body: "{}", rows: 1, ..case() }).unwrap(), None);
    assert!(is_format(next(Case { turn: Turn::Offset(u64::MAX), body: "{}", ..case() })));
}

#[test]
fn numbers_count_pages() {
    let case = || Case { pagination: "kind = 'page', param = 'p', first = 0", ..Case::default() };
    assert_eq!(next(case()).unwrap(), Some(Turn::Number(1)));
    assert_eq!(next(Case { turn: Turn::Number(3), rows: 1, ..case() }).unwrap(), None);
    let total = || Case {
        pagination: "kind = 'page', param = 'p', total = 'pages'",
        body: r#"{"pages":"3"}"#,
        rows: 1,
        ..Case::default()
    };
    assert_eq!(next(Case { turn: Turn::Number(2), ..total() }).unwrap(), Some(Turn::Number(3)));
    assert_eq!(next(Case { turn: Turn::Number(3), ..total() }).unwrap(), None);
}

#[test]
fn the_header_names_the_next_page() {
    let case = |link: &str| {
        let headers = [("link".to_owned(), link.to_owned())];
        next(Case { pagination: "kind = 'header_link'", headers: &headers, ..Case::default() })
    };
    let found = case(r#"<https://a.com/?p=1>; rel="prev", </?p=3>; rel="next""#).unwrap();
    assert_eq!(found, Some(Turn::Url("https://a.com/?p=3".to_owned())));
    for link in ["", "<", "<>; rel=next2", r#"</?p=1>; rel="last""#, "garbage"] {
        assert_eq!(case(link).unwrap(), None, "{link}");
    }
    assert!(is_format(case("<https://evil.com/>; rel=next")));
}

#[test]
fn pages_are_bounded() {
    let case = Case {
        pagination: "kind = 'page', param = 'p', max_pages = 2",
        seen: &["first", "page 2"],
        turn: Turn::Number(2),
        ..Case::default()
    };
    assert!(is_format(next(case)));
}

#[test]
fn bad_pagination_is_refused() {
    for text in [
        "kind = 'x'",
        "kind = 'cursor'",
        "kind = 'next_url'",
        "kind = 'last_time'",
        "kind = 'page'\nsize = 0",
        "path = 'a..b'",
    ] {
        let text = super::super::section::read(toml::from_str(text).unwrap(), "[pagination]").unwrap();
        assert!(Pages::compile(text, None).is_err());
    }
}
