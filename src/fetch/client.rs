//! The network: one pool of connections, bounded time, bounded bodies. No other file opens a connection.
//!
//! Redirects are answers here: whether one is followed decides who knows where credentials may go. What is
//! returned of an error never holds the URL, which may hold a key.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::http::Response;
use ureq::{Agent, Body, Error};

use crate::source::Request;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Bytes of all headers of an answer.
const MAX_HEADER_BYTES: usize = 256 << 10;

/// An answer as it came, unpacked.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: u16,
    /// The headers, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// The body, unpacked.
    pub(super) body: Vec<u8>,
    /// How long it took.
    pub(super) elapsed: Duration,
}

impl Reply {
    /// Returns the value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// What an answer may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of an unpacked body.
    pub(super) max_bytes: u64,
    /// Time for the whole of it: a server that drips must not hold a worker for ever.
    pub(super) timeout: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The network: another try may help.
    Network(String),
    /// The answer itself: another try gets the same.
    Answer(String),
    /// This machine: a file that is not there or cannot be written.
    Local(String),
}

/// Sends requests over pooled connections; shared by all workers.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
}

impl Client {
    /// Makes a client for so many requests at once.
    pub(super) fn new(jobs: usize) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .max_response_header_size(MAX_HEADER_BYTES)
            .max_idle_connections(jobs)
            .max_idle_connections_per_host(jobs)
            .user_agent(concat!("barn/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: Agent::new_with_config(config) }
    }

    /// Sends a request and reads the whole answer.
    pub(super) fn send(&self, request: &Request, bounds: Bounds) -> Result<Reply, Trouble> {
        let started = Instant::now();
        let response = self.call(request, bounds.timeout).map_err(|err| trouble(&err))?;
        let (parts, body) = response.into_parts();
        let headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let mut reply = Reply { status: parts.status.as_u16(), headers, ..Reply::default() };
        let encoding = reply.header("content-encoding").unwrap_or("identity").trim().to_ascii_lowercase();
        reply.body = read(body, &encoding, bounds.max_bytes)?;
        reply.elapsed = started.elapsed();
        Ok(reply)
    }

    fn call(&self, request: &Request, timeout: Duration) -> Result<Response<Body>, Error> {
        let has_header =
            |wanted: &str| request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let mut headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if !has_header("accept-encoding") {
            headers.push(("accept-encoding", "gzip, br"));
        }
        if request.method == "POST" {
            let post = self.agent.post(&request.url).config().timeout_global(Some(timeout)).build();
            let post = headers.iter().fold(post, |post, (name, value)| post.header(*name, *value));
            return post.send(request.body.as_deref().unwrap_or_default());
        }
        let get = self.agent.get(&request.url).config().timeout_global(Some(timeout)).build();
        let get = headers.iter().fold(get, |get, (name, value)| get.header(*name, *value));
        match &request.body {
            // One provider wants a body with GET.
            Some(body) => get.force_send_body().send(body),
            None => get.call(),
        }
    }
}

fn read(body: Body, encoding: &str, max_bytes: u64) -> Result<Vec<u8>, Trouble> {
    // The packed bytes are bounded too: a provider's own limit is on what it sends.
    let reader = body.into_with_config().limit(max_bytes).reader();
    match encoding {
        "" | "identity" => read_bounded(reader, max_bytes),
        "gzip" | "x-gzip" => read_bounded(flate2::read::MultiGzDecoder::new(reader), max_bytes),
        "deflate" => read_bounded(flate2::read::ZlibDecoder::new(reader), max_bytes),
        "br" => read_bounded(brotli_decompressor::Decompressor::new(reader, 64 << 10), max_bytes),
        other => {
            Err(Trouble::Answer(format!("its content-encoding is '{other}', expected gzip, deflate or br")))
        }
    }
}

fn read_bounded(reader: impl Read, max_bytes: u64) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    match reader.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > max_bytes => {
            Err(Trouble::Answer(format!("its body has over {max_bytes} bytes unpacked")))
        }
        Ok(_) => Ok(bytes),
        Err(err) => Err(broken_body(err)),
    }
}

fn broken_body(err: std::io::Error) -> Trouble {
    match err.downcast::<Error>() {
        Ok(Error::BodyExceedsLimit(bytes)) => Trouble::Answer(format!("its body has over {bytes} bytes")),
        Ok(err) => trouble(&err),
        Err(err)
            if matches!(err.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput) =>
        {
            Trouble::Answer(format!("its body cannot be unpacked: {err}"))
        }
        Err(err) => Trouble::Network(format!("the answer was cut short: {err}")),
    }
}

/// Says what went wrong without the URL, as some of these errors print it.
fn trouble(err: &Error) -> Trouble {
    Trouble::Network(match err {
        Error::Timeout(which) => format!("timed out ({which})"),
        Error::HostNotFound => "cannot find the host".to_owned(),
        Error::ConnectionFailed => "cannot connect".to_owned(),
        Error::Io(err) => match err.kind() {
            std::io::ErrorKind::UnexpectedEof => "the answer was cut short".to_owned(),
            // Nothing between the socket and the body reads data but TLS.
            std::io::ErrorKind::InvalidData => format!("TLS: {err}"),
            _ => err.to_string(),
        },
        Error::Tls(why) => format!("TLS: {why}"),
        Error::Rustls(err) => format!("TLS: {err}"),
        Error::Protocol(err) => return Trouble::Network(format!("the answer is no HTTP: {err}")),
        Error::BadUri(_) => return Trouble::Answer("the URL is not valid".to_owned()),
        Error::Http(err) => return Trouble::Answer(err.to_string()),
        Error::LargeResponseHeader(bytes, _) => {
            return Trouble::Answer(format!(
                "its headers have {bytes} bytes, at most {MAX_HEADER_BYTES} are read"
            ));
        }
        other => other.to_string(),
    })
}
