//! What is asked of a provider, and the request that asks it.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fmt;

use super::answer::Answer;
use crate::model::Span;

/// What one request is to bring.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The symbols as they are sent, several only where the source takes a batch.
    pub symbols: &'a [String],
    /// The range of time, where the source has one.
    pub window: Option<Span>,
    /// Which of the mirrors is asked, from 0; numbers above the last start again.
    pub mirror: usize,
    /// Which page.
    pub turn: Turn,
    /// What the steps brought, by the names of their `as`, and `symbol.lookup`.
    pub values: &'a BTreeMap<String, String>,
    /// The time of the request.
    pub now: i64,
}

/// Which page of an answer is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// The first.
    #[default]
    First,
    /// The one that starts at a time.
    From(i64),
    /// The one at a URL.
    Url(String),
    /// The one behind a cursor.
    Cursor(String),
    /// The one behind so many records.
    Offset(u64),
    /// The one of a number.
    Number(u64),
}

/// Two turns are the same page exactly when their texts are equal.
impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("first"),
            Self::From(micros) => write!(f, "from {micros}"),
            Self::Url(url) => write!(f, "url {url}"),
            Self::Cursor(cursor) => write!(f, "cursor {cursor}"),
            Self::Offset(records) => write!(f, "offset {records}"),
            Self::Number(number) => write!(f, "page {number}"),
        }
    }
}

/// A page that was read.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The answer.
    pub answer: &'a Answer<'a>,
    /// The rows it had, also those outside the window.
    pub rows: u64,
    /// The latest time of its rows.
    pub last: Option<i64>,
    /// The texts of the turns made so far, this one included.
    pub seen: &'a HashSet<String>,
}

/// A request that can be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method of HTTP.
    pub method: String,
    /// The URL, which may hold a secret.
    pub url: String,
    /// Names and values of the headers, which may hold a secret.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<String>,
    /// The URL without secrets, for logs, reports, recordings and rejects.
    pub shown: String,
    /// What the answer is cached under: equal for requests that ask the same, without secrets.
    pub key: String,
    /// Whether it carries a secret, so that it must not follow a redirect.
    pub has_credentials: bool,
    /// Whether redirects to other origins are followed.
    pub follows_redirects: bool,
}

/// Shows what holds no secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}
