//! The cookies of a source: taken from the answers of its steps, sent along to the hosts they are for.

use std::sync::{Mutex, PoisonError};

use super::client::Reply;
use super::link::host_of;
use crate::source::Request;

/// Cookies that are remembered, the latest: a server that names each anew must not fill memory and headers.
const MAX_COOKIES: usize = 100;

/// Cookies of one source; nothing of them is kept on disk.
#[derive(Debug, Default)]
pub(super) struct Jar {
    cookies: Mutex<Vec<Cookie>>,
}

#[derive(Clone, Debug)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// Whether hosts below the domain get it too.
    below: bool,
}

impl Jar {
    /// Adds the cookies for the host of a request.
    pub(super) fn add_to(&self, request: &mut Request) {
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(host) = host_of(&request.url).filter(|_| !cookies.is_empty()) else { return };
        let pairs: Vec<String> = cookies
            .iter()
            .filter(|cookie| cookie.is_for(&host))
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("cookie"));
        if !pairs.is_empty() {
            request.headers.push(("cookie".to_owned(), pairs.join("; ")));
        }
    }

    /// Takes the cookies of an answer.
    pub(super) fn take(&self, request: &Request, reply: &Reply) {
        let Some(host) = host_of(&request.url) else { return };
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, value) in reply.headers.iter().filter(|(name, _)| name == "set-cookie") {
            if let Some(cookie) = Cookie::parse(value, &host) {
                cookies.retain(|known| known.name != cookie.name || known.domain != cookie.domain);
                if cookies.len() >= MAX_COOKIES {
                    cookies.remove(0);
                }
                cookies.push(cookie);
            }
        }
    }

    /// Forgets all cookies.
    pub(super) fn clear(&self) {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Cookie {
    /// Reads a `Set-Cookie` of a host; a domain that the host does not lie in is refused.
    fn parse(text: &str, host: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let is_plain = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if name.is_empty() || !is_plain(name) || !is_plain(value) {
            return None;
        }
        let mut cookie =
            Self { name: name.to_owned(), value: value.to_owned(), domain: host.to_owned(), below: false };
        for part in parts {
            let Some((key, value)) = part.split_once('=') else { continue };
            if key.eq_ignore_ascii_case("domain") {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                // One label, such as `com`, would be everybody's.
                if !domain.contains('.') || !lies_in(host, &domain) {
                    return None;
                }
                cookie.domain = domain;
                cookie.below = true;
            }
        }
        Some(cookie)
    }

    fn is_for(&self, host: &str) -> bool {
        if self.below { lies_in(host, &self.domain) } else { host == self.domain }
    }
}

fn lies_in(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_names_each_cookie_anew_fills_no_memory() {
        let request = Request {
            method: "GET".to_owned(),
            url: "https://a.example/".to_owned(),
            headers: Vec::new(),
            body: None,
            shown: String::new(),
            key: String::new(),
            has_credentials: false,
            follows_redirects: false,
        };
        let jar = Jar::default();
        for number in 0..1_000 {
            let headers = vec![("set-cookie".to_owned(), format!("c{number}=1"))];
            jar.take(&request, &Reply { headers, ..Reply::default() });
        }
        let mut next = request;
        jar.add_to(&mut next);
        let sent = &next.headers[0].1;
        assert!(sent.ends_with("; c999=1") && sent.matches('=').count() == MAX_COOKIES, "{sent}");
    }

    #[test]
    fn cookies_go_only_where_they_are_for() {
        let cookie = |text: &str| Cookie::parse(text, "fc.data.example");
        let own = cookie("a=1; Path=/; HttpOnly").unwrap();
        assert!(
            own.is_for("fc.data.example") && !own.is_for("x.data.example") && !own.is_for("data.example")
        );
        let wide = cookie("a=1; Domain=.data.example").unwrap();
        assert!(wide.is_for("query.data.example") && !wide.is_for("otherdata.example"));
        for refused in ["a=1; Domain=example", "a=1; Domain=other.example", "=1", "a", "a=\u{1}"] {
            assert!(cookie(refused).is_none(), "{refused}");
        }
    }
}
