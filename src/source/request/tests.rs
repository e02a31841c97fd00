//! Tests of requests: what they carry, and what is shown of them.

use std::collections::BTreeMap;

use super::super::tests::HOUR;
use super::super::tests::dataset;
use super::super::tests::words;
use super::*;
use crate::model::Span;

const SECRET: &str = "s3/cr t&";

/// A source with a key in its query, behind two hosts.
fn keyed(more: &str) -> Dataset {
    dataset(&format!(
        r#"
        source = {{ name = "x", base_url = ["https://a.com/v1", "https://b.com"] }}
        auth = {{ kind = "query", param = "apikey", value = "{{env.KEY}}", secrets = ["KEY"] }}
        {more}"#
    ))
}

fn plain(request: &str) -> Dataset {
    dataset(&format!("source = {{ name = 'x', base_url = 'https://a.com' }}\n{request}"))
}

fn secrets() -> Secrets {
    Secrets::of([("KEY".to_owned(), SECRET.to_owned())].into())
}

fn build_at(dataset: &Dataset, symbols: &[&str], turn: Turn, mirror: usize) -> Result<Request> {
    let symbols: Vec<_> = symbols.iter().map(|symbol| (*symbol).to_owned()).collect();
    let values: BTreeMap<_, _> = [("crumb".to_owned(), "c/1".to_owned())].into();
    let window = Some(Span { start: HOUR, stop: 3 * HOUR });
    dataset.request(&Ask { symbols: &symbols, window, mirror, turn, values: &values, now: 0 }, &secrets())
}

fn build(dataset: &Dataset, symbol: &str) -> Result<Request> {
    build_at(dataset, &[symbol], Turn::First, 0)
}

#[test]
fn values_are_percent_encoded_in_path_and_query() {
    let dataset = plain(
        "request = { path = '/chart/{symbol}/x', params = { s = '{symbol}', q = 'a,b', none = '{cursor}' } }",
    );
    let request = build(&dataset, "M&M").unwrap();
    assert_eq!(request.url, "https://a.com/chart/M%26M/x?q=a,b&s=M%26M");
    assert_eq!(
        build(&dataset, "a/b?c#d e").unwrap().url,
        "https://a.com/chart/a%2Fb%3Fc%23d%20e/x?q=a,b&s=a%2Fb%3Fc%23d%20e"
    );
    assert!(build(&dataset, "..").is_err());
    assert!(words(&build_at(&dataset, &[], Turn::First, 0).unwrap_err()).contains("no symbol"));
}

#[test]
fn a_json_body_is_escaped_and_part_of_the_key() {
    let dataset = plain(r#"request = { method = "POST", path = "/q", body = '{"s":{"name":"{symbol}"}}' }"#);
    let request = build(&dataset, "a\"b").unwrap();
    assert_eq!(request.body.as_deref(), Some(r#"{"s":{"name":"a\"b"}}"#));
    assert_eq!(request.headers, [("Content-Type".to_owned(), "application/json".to_owned())]);
    assert_eq!(request.key, "POST https://a.com/q\n{\"s\":{\"name\":\"a\\\"b\"}}");
    assert_eq!(request.url, "https://a.com/q");
}

#[test]
fn headers_take_no_line_ends() {
    let dataset = plain("request = { path = '/', headers = { X-Symbol = '{symbol}' } }");
    assert_eq!(build(&dataset, "A").unwrap().headers, [("X-Symbol".to_owned(), "A".to_owned())]);
    for symbol in ["A\r\nX: y", "A\n", "A\0"] {
        let error = words(&build(&dataset, symbol).unwrap_err());
        assert!(error.contains("'X-Symbol'") && !error.contains("X: y"), "{error}");
    }
}

#[test]
fn a_secret_is_sent_and_never_shown() {
    let dataset = keyed(
        "request = { path = '/q/{symbol}', params = { to = '{now:date}', crumb = '{crumb}' } }
        cache = { ignore_params = ['crumb'] }
        steps = [{ name = 'crumb', path = '/crumb', take = 'body', as = 'crumb' }]",
    );
    let request = build(&dataset, "B").unwrap();
    assert_eq!(request.url, "https://a.com/v1/q/B?crumb=c%2F1&to=1970-01-01&apikey=s3%2Fcr%20t%26");
    assert_eq!(request.shown, "https://a.com/v1/q/B?to=1970-01-01");
    assert_eq!(request.key, "GET https://a.com/v1/q/B?to=1970-01-01");
    assert!(request.has_credentials && !request.follows_redirects);
    assert!(!format!("{request:?}").contains("s3"));
    // A symbol that is the key itself.
    let request = build(&dataset, SECRET).unwrap();
    assert_eq!(request.shown, "https://a.com/v1/q/[secret]?to=1970-01-01");
    assert!(!request.key.contains("s3"));
}

#[test]
fn without_secrets_requests_carry_none() {
    let dataset = keyed("request = { path = '/q' }");
    let values = BTreeMap::new();
    let ask = Ask { symbols: &[], window: None, mirror: 0, turn: Turn::First, values: &values, now: 0 };
    let request = dataset.request(&ask, &Secrets::empty()).unwrap();
    assert_eq!((request.url.as_str(), request.has_credentials), ("https://a.com/v1/q", false));
    // Loaded, but not the one that is needed.
    assert_eq!(crate::error::exit_code(&dataset.request(&ask, &Secrets::of([].into())).unwrap_err()), 4);
}

#[test]
fn a_link_within_the_source_gets_the_key_again() {
    let dataset = keyed("request = { path = '/q' }\npagination = { kind = 'next_url', path = 'next' }");
    let link = |url: &str| build_at(&dataset, &["B"], Turn::Url(url.to_owned()), 0);
    for url in ["https://a.com/v1/q?cursor=2", "/v1/q?cursor=2", "https://a.com/v1/q?cursor=2&apikey=old"] {
        let request = link(url).unwrap();
        assert_eq!(request.url, "https://a.com/v1/q?cursor=2&apikey=s3%2Fcr%20t%26");
        assert_eq!(request.shown, "https://a.com/v1/q?cursor=2");
    }
    assert!(link("https://b.com/x").is_ok(), "another of its hosts");
    for url in [
        "https://evil.com/q",
        "//evil.com/q",
        "http://a.com/q",
        "https://a.com:8443/q",
        "https://u@a.com/q",
        "javascript:x",
        "https://a.com.evil.com/",
    ] {
        let error = link(url).unwrap_err();
        assert!(error.downcast_ref::<Fault>().is_some_and(|fault| fault.class == Class::Format), "{url}");
    }
}

#[test]
fn mirrors_take_turns() {
    let dataset = keyed("request = { path = '/q' }");
    let url = |mirror| build_at(&dataset, &["B"], Turn::First, mirror).unwrap().shown;
    assert_eq!([url(0), url(1), url(2)], ["https://a.com/v1/q", "https://b.com/q", "https://a.com/v1/q"]);
}

#[test]
fn a_step_elsewhere_gets_no_credentials() {
    let dataset = keyed(
        "request = { path = '/q', params = { c = '{crumb}' } }
        steps = [
            { name = 'here', path = '/login', keep = 'cookies', ttl = '5m', refresh_on = ['auth'] },
            { name = 'there', url = 'https://other.com/crumb?s={symbol}', take = '$.token', as = 'crumb' },
        ]",
    );
    let symbols = ["B&".to_owned()];
    let values = BTreeMap::new();
    let ask = Ask { symbols: &symbols, window: None, mirror: 0, turn: Turn::First, values: &values, now: 0 };
    let request = |at: usize| dataset.step_request(&dataset.steps[at], &ask, &secrets()).unwrap();
    assert!(request(0).has_credentials && request(0).url.contains("apikey=s3"));
    assert_eq!(
        (request(1).url.as_str(), request(1).has_credentials),
        ("https://other.com/crumb?s=B%26", false)
    );
    let (here, there) = (&dataset.steps[0], &dataset.steps[1]);
    assert!(here.keep_cookies && !here.per_symbol && there.per_symbol);
    assert_eq!((here.ttl, here.refresh_on.as_slice()), (Some(300_000_000), &[Class::Auth][..]));
    assert_eq!(there.values(br#"{"token":"abc"}"#).unwrap(), ["abc"]);
    assert!(there.values(br#"{"token":null}"#).is_err());
    assert!(there.values(b"<html>").is_err());
    // The real request needs what the step brings.
    assert!(words(&dataset.request(&ask, &secrets()).unwrap_err()).contains("'crumb'"));
}

#[test]
fn the_end_is_sent_as_the_provider_counts() {
    let end = |end: &str, form: &str| {
        let text = format!(
            "request = {{ path = '/', params = {{ e = '{{window.end:{form}}}' }} }}\nwindow = {{ end = '{end}' }}"
        );
        build(&plain(&text), "A").unwrap().url.split("e=").nth(1).unwrap().to_owned()
    };
    assert_eq!(end("exclusive", "unix_s"), "10800");
    assert_eq!(end("inclusive", "unix_s"), "10799");
    assert_eq!(end("inclusive", "unix_ms"), "10799999");
    assert_eq!(end("inclusive", "date"), "1970-01-01");
    assert_eq!(end("inclusive", "iso"), "1970-01-01T02:59:59Z");
}

#[test]
fn turns_stand_in_their_parameter() {
    let paged = |kind: &str| {
        plain(&format!(
            "request = {{ path = '/', params = {{ s = '{{symbol}}' }} }}\npagination = {{ kind = '{kind}', param = 'p', path = 'next' }}"
        ))
    };
    let url = |kind: &str, turn: Turn| build_at(&paged(kind), &["A"], turn, 0).unwrap().url;
    assert_eq!(url("cursor", Turn::Cursor("a&b".to_owned())), "https://a.com/?s=A&p=a%26b");
    assert_eq!(url("offset", Turn::Offset(100)), "https://a.com/?s=A&p=100");
    assert_eq!(url("page", Turn::Number(2)), "https://a.com/?s=A&p=2");
    assert_eq!(url("page", Turn::First), "https://a.com/?s=A");
    let placed = plain("request = { path = '/{page}/{offset}', params = { c = '{cursor}' } }");
    assert_eq!(build(&placed, "A").unwrap().url, "https://a.com/1/0");
    let from = plain(
        "request = { path = '/', params = { s = '{window.start:unix_s}' } }\npagination = { kind = 'last_time', size = 5 }",
    );
    // Rows that are no bars may share their second with rows of the page before.
    assert_eq!(build_at(&from, &["A"], Turn::From(7_000_001), 0).unwrap().url, "https://a.com/?s=7");
}

#[test]
fn several_symbols_go_in_one_request() {
    let dataset = plain(
        "request = { path = '/', params = { s = '{symbol}' } }\nsymbols = { batch = 3, separator = ';' }",
    );
    assert_eq!(build_at(&dataset, &["A", "B"], Turn::First, 0).unwrap().url, "https://a.com/?s=A%3BB");
    assert_eq!(dataset.batch, 3);
}

#[test]
fn a_url_of_the_user_may_hold_placeholders() {
    let definition = super::super::tests::parse(
        "source = { name = 'csv-url', base_url = '{url:raw}' }\nrequest = { redirects = 'follow' }\noptions = { url = { required = true } }",
    )
    .unwrap();
    let choice = |url: &str| super::super::Choice {
        options: [("url".to_owned(), url.to_owned())].into(),
        ..super::super::Choice::default()
    };
    let dataset =
        definition.dataset(&choice("https://h.com/d/{symbol}.csv?from={window.start:date}&x=1#top")).unwrap();
    let request = build(&dataset, "A B").unwrap();
    assert_eq!(request.url, "https://h.com/d/A%20B.csv?from=1970-01-01&x=1");
    assert!(request.follows_redirects && dataset.has_window());
    let other = definition.dataset(&choice("https://h.com/e/{symbol}.csv")).unwrap();
    assert_ne!(other.variant, dataset.variant);
    for url in
        ["ftp://h.com", "https://{symbol}.com", "https://h.com/{env.HOME}", "https://h.com/{symbl}", "x"]
    {
        assert_eq!(crate::error::exit_code(&definition.dataset(&choice(url)).unwrap_err()), 2, "{url}");
    }
    assert!(
        words(&definition.dataset(&super::super::Choice::default()).unwrap_err())
            .contains("needs option 'url'")
    );
}
