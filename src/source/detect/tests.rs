//! Tests of what answers mean.

use super::super::tests::dataset;
use super::super::tests::parse;
use super::*;

fn verdict(more: &str, status: u16, kind: &str, body: &str) -> Verdict {
    let dataset = dataset(&format!(
        "source = {{ name = 'x', base_url = 'https://a.com' }}\nrequest = {{ path = '/{{symbol}}' }}\n{more}"
    ));
    let headers =
        [("Content-Type".to_owned(), kind.to_owned()), ("X-Why".to_owned(), "plan limit".to_owned())];
    dataset.classify(&Answer { status, headers: &headers, body: body.as_bytes() })
}

fn class(more: &str, status: u16, body: &str) -> (Class, String) {
    match verdict(more, status, "application/json; charset=utf-8", body) {
        Verdict::Fault(fault) => (fault.class, fault.message),
        other => panic!("{other:?}"),
    }
}

const JSON: &str = "response = { layout = 'objects' }\n";

#[test]
fn an_error_is_found_in_an_answer_that_calls_itself_fine() {
    let kraken = "
        [[error]]
        when = { path = 'error[0]', matches = 'Rate limit' }
        class = 'rate_limited'
        message = 'error[0]'
        [[error]]
        when = { path = 'error[0]' }
        class = 'request'
        message = 'error[0]'";
    assert_eq!(
        class(kraken, 200, r#"{"error":["EAPI:Rate limit exceeded"]}"#),
        (Class::RateLimited, "EAPI:Rate limit exceeded".to_owned())
    );
    assert_eq!(
        class(kraken, 200, r#"{"error":["EQuery:Unknown asset pair"],"result":null}"#),
        (Class::Request, "EQuery:Unknown asset pair".to_owned())
    );
    assert_eq!(verdict(kraken, 200, "application/json", r#"{"error":[],"result":{}}"#), Verdict::Rows);
}

#[test]
fn all_conditions_must_hold() {
    let text = "
        [[error]]
        when = { status = 400, path = 'code', equals = -1121 }
        class = 'not_found'
        message = 'msg'
        [[error]]
        when = { header = 'x-why', matches = 'plan' }
        class = 'plan'";
    assert_eq!(
        class(text, 400, r#"{"code":-1121,"msg":"Invalid symbol."}"#),
        (Class::NotFound, "Invalid symbol.".to_owned())
    );
    assert_eq!(class(text, 400, r#"{"code":-1}"#), (Class::Plan, "plan limit".to_owned()));
    assert_eq!(class(text, 404, r#"{"code":-1121}"#).0, Class::Plan);
    let body = "error = [{ when = { body = 'Will be (right) back' }, class = 'transient' }]";
    assert_eq!(
        class(body, 200, "<p>Will be right back</p>"),
        (Class::Transient, "Will be right back".to_owned())
    );
}

#[test]
fn statuses_have_their_classes() {
    for (status, expected) in [
        (401, Class::Auth),
        (403, Class::Auth),
        (404, Class::NotFound),
        (410, Class::NotFound),
        (418, Class::Banned),
        (429, Class::RateLimited),
        (451, Class::Geo),
        (422, Class::Request),
        (500, Class::Transient),
        (503, Class::Transient),
        (302, Class::Format),
        (100, Class::Format),
    ] {
        let (found, message) = class(JSON, status, r#"{"msg":"sorry"}"#);
        assert_eq!(found, expected, "{status}");
        assert_eq!(message, format!("server answered {status}: '{{\"msg\":\"sorry\"}}'"));
    }
    assert_eq!(class("retry = { ban_status = [403] }", 403, "").0, Class::Banned);
    assert_eq!(class(JSON, 500, "").1, "server answered 500");
}

#[test]
fn what_is_not_of_the_form_is_quoted() {
    for (body, message) in [
        ("", "the answer is empty"),
        ("  \n", "the answer is empty"),
        (
            "\u{feff}<!DOCTYPE html><title>Just a moment...</title>",
            "the answer is a web page: 'Just a moment...'",
        ),
        ("<html><body><p>Will be <b>back</b>", "the answer is a web page: 'Will be back'"),
        ("No data", "expected an answer in JSON, found 'No data'"),
    ] {
        assert_eq!(class(JSON, 200, body), (Class::Format, message.to_owned()));
    }
    let csv = "response = { format = 'csv' }";
    assert_eq!(class(csv, 200, "{\"Note\":\"x\"}").1, "expected an answer in CSV, found '{\"Note\":\"x\"}'");
    assert_eq!(verdict(csv, 200, "text/csv", "a,b\n1,2\n"), Verdict::Rows);
    let (_, long) = class(JSON, 200, &"x".repeat(5_000));
    assert!(long.len() < 200, "{long}");
    assert!(!class(JSON, 500, "a\u{1b}[2Jb").1.contains('\u{1b}'));
}

#[test]
fn another_content_type_is_another_format() {
    let text = "response = { layout = 'objects', expect = ['application/json', 'text/plain'] }";
    assert_eq!(verdict(text, 200, "TEXT/plain; charset=utf-8", "[1]"), Verdict::Rows);
    let Verdict::Fault(fault) = verdict(text, 200, "text/csv", "[1]") else { panic!("no fault") };
    assert_eq!(fault.class, Class::Format);
    assert_eq!(
        fault.message,
        "expected an answer of type application/json or text/plain, found text/csv: '[1]'"
    );
}

#[test]
fn nothing_is_told_from_an_error() {
    let empty = |condition: &str, body: &str| {
        verdict(&format!("response = {{ layout = 'objects', empty_when = ['{condition}'] }}"), 200, "", body)
            == Verdict::Empty
    };
    assert!(empty("$ == []", " [ ] "));
    assert!(!empty("$ == []", "[1]"));
    assert!(empty("!chart.result[0].timestamp", r#"{"chart":{"result":[{"meta":1}]}}"#));
    assert!(!empty("!chart.result[0].timestamp", r#"{"chart":{"result":[{"timestamp":[1]}]}}"#));
    assert!(empty("s == \"no_data\"", r#"{"s":"no_data"}"#));
    assert!(empty("s != \"ok\"", r#"{"s":"no"}"#));
    assert!(empty("nothing", r#"{"nothing":1}"#));
    assert!(!empty("nothing", r#"{"nothing":null}"#));
    assert_eq!(verdict(JSON, 204, "", ""), Verdict::Empty);
    for text in ["", "!", "a ==", "a == x", "a..b", "== 1"] {
        assert!(Condition::parse(text).is_err(), "{text}");
    }
}

#[test]
fn bad_detectors_are_refused() {
    for (when, class) in [
        ("{}", "request"),
        ("{ status = 400 }", "requets"),
        ("{ matches = 'x' }", "request"),
        ("{ path = 'a..b' }", "request"),
        ("{ body = '(' }", "request"),
        ("{ body = '(a{1000}){1000}' }", "request"),
        ("{ stat = 400 }", "request"),
        ("{ status = 70000 }", "request"),
    ] {
        let text = format!(
            "source = {{ name = 'x', base_url = 'https://a.com' }}\nerror = [{{ when = {when}, class = '{class}' }}]"
        );
        assert!(parse(&text).is_err(), "{when}");
    }
}

#[test]
fn conditions_of_no_known_form_are_refused() {
    for text in [
        "$.data = []",
        "data is empty",
        "len(data) == 0",
        "data > 1",
        "!data == []",
        "",
        "!",
        "a == [",
        "== 1",
    ] {
        let error = format!("{:#}", Condition::parse(text).expect_err(text));
        assert!(
            error.contains("expected \"PATH == JSON\", \"PATH != JSON\", \"PATH\" or \"!PATH\""),
            "{error}"
        );
    }
    for text in
        ["$ == []", "a.b[0] != null", "a", "!a.*!last", "[\"Time Series (Daily)\"]", "a == \"b == c\""]
    {
        assert!(Condition::parse(text).is_ok(), "{text}");
    }
}
