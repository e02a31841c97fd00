//! URLs: where they lead, and which redirects are followed.

use anyhow::{Context as _, Result, bail};
use url::{Url, form_urlencoded};

use crate::source::Request;

/// Returns the host of a URL.
pub(super) fn host_of(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_ascii_lowercase)
}

/// Takes path and query of a URL apart; one without a host is a path.
pub(super) fn path_and_query(url: &str) -> Result<(String, Vec<(String, String)>)> {
    let base = Url::parse("http://localhost/").context("cannot read a URL")?;
    let url = base.join(url).with_context(|| format!("cannot read URL '{url}'"))?;
    let query = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    // `=F` and `%3DF` are one path; signs that mean something in a form are kept out of its rules.
    let path = url.path().replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let path = form_urlencoded::parse(path.as_bytes()).map(|(path, _)| path.into_owned()).collect();
    Ok((path, query))
}

/// Returns the request that a redirect of this status leads to.
///
/// A POST becomes a GET without a body unless the status says that it stays one, as in browsers and curl.
///
/// Fails if it leads to another origin, unless the definition allows that; then nothing that the request carries
/// goes along.
pub(super) fn follow(request: &Request, status: u16, location: &str) -> Result<Request> {
    let from = Url::parse(&request.url).context("cannot read the URL of the request")?;
    let to = from.join(location).with_context(|| format!("cannot read its location '{location}'"))?;
    let mut next = request.clone();
    if status == 303 || (matches!(status, 301 | 302) && request.method == "POST") {
        "GET".clone_into(&mut next.method);
        next.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        next.body = None;
    }
    if from.origin() == to.origin() {
        next.url = to.to_string();
        return Ok(next);
    }
    let place = to.origin().ascii_serialization();
    if !request.follows_redirects || request.has_credentials {
        bail!("it leads to another origin, '{place}'");
    }
    if from.scheme() == "https" && to.scheme() != "https" {
        bail!("it leads from https to '{place}'");
    }
    next.url = to.to_string();
    next.headers.clear();
    next.body = None;
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str) -> Request {
        Request {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: vec![("accept".to_owned(), "text/csv".to_owned())],
            body: None,
            shown: url.to_owned(),
            key: url.to_owned(),
            has_credentials: false,
            follows_redirects: false,
        }
    }

    #[test]
    fn redirects_stay_with_their_origin_unless_allowed() {
        let asked = request("https://a.example/x?y=1");
        assert_eq!(follow(&asked, 302, "/z").unwrap().url, "https://a.example/z");
        for location in ["https://b.example/", "http://a.example/", "https://a.example:8443/", "//b.example/"]
        {
            assert!(follow(&asked, 302, location).is_err(), "{location}");
        }
        let free = Request { follows_redirects: true, ..asked.clone() };
        let led = follow(&free, 302, "https://b.example/f.csv").unwrap();
        assert_eq!((led.url.as_str(), led.headers.len()), ("https://b.example/f.csv", 0));
        assert!(follow(&free, 302, "http://b.example/").is_err());
        assert!(follow(&Request { has_credentials: true, ..free }, 302, "https://b.example/").is_err());
    }

    #[test]
    fn a_post_is_led_to_a_get_unless_the_status_keeps_it() {
        let asked = Request {
            method: "POST".to_owned(),
            headers: vec![
                ("Accept".to_owned(), "text/csv".to_owned()),
                ("Content-Type".to_owned(), "application/json".to_owned()),
            ],
            body: Some("{}".into()),
            ..request("https://a.example/x")
        };
        for status in [301, 302, 303] {
            let led = follow(&asked, status, "/y").unwrap();
            assert_eq!((led.method.as_str(), led.body.is_some(), led.headers.len()), ("GET", false, 1));
        }
        for status in [307, 308] {
            let led = follow(&asked, status, "/y").unwrap();
            assert_eq!((led.method.as_str(), led.body.is_some(), led.headers.len()), ("POST", true, 2));
        }
    }
}
