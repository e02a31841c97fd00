//! What a provider answered, and what it means.

use std::fmt;

/// An answer as it came over the network.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status of HTTP.
    pub status: u16,
    /// Names and values of the headers; names in any case.
    pub headers: &'a [(String, String)],
    /// The unpacked body.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// Returns the value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// What an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is said to hold rows.
    Rows,
    /// It says that there are none.
    Empty,
    /// It is an error, whatever its status says.
    Fault(Fault),
}

/// Why there are no rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What to do about it.
    pub class: Class,
    /// The provider's own words, without control characters; secrets are not yet removed.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Too many requests in a short time; later ones are answered.
    RateLimited,
    /// The budget of a day or a month is spent.
    Quota,
    /// The key or the session is not accepted.
    Auth,
    /// The key is good and its plan does not include this.
    Plan,
    /// There is no such symbol.
    NotFound,
    /// The range lies outside what the provider keeps.
    OutOfWindow,
    /// There is nothing in the range.
    NoData,
    /// The request itself is wrong.
    Request,
    /// The provider does not talk to us for a while.
    Banned,
    /// The provider does not serve this country.
    Geo,
    /// It may work when tried again.
    Transient,
    /// The answer does not have the form that the definition describes.
    Format,
    /// There was no answer.
    Network,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 13] = [
        Self::RateLimited,
        Self::Quota,
        Self::Auth,
        Self::Plan,
        Self::NotFound,
        Self::OutOfWindow,
        Self::NoData,
        Self::Request,
        Self::Banned,
        Self::Geo,
        Self::Transient,
        Self::Format,
        Self::Network,
    ];

    /// Returns the word of definitions and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Quota => "quota",
            Self::Auth => "auth",
            Self::Plan => "plan",
            Self::NotFound => "not_found",
            Self::OutOfWindow => "out_of_window",
            Self::NoData => "no_data",
            Self::Request => "request",
            Self::Banned => "banned",
            Self::Geo => "geo",
            Self::Transient => "transient",
            Self::Format => "format",
            Self::Network => "network",
        }
    }

    /// Returns the class of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
