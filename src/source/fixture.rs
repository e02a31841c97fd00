//! Answers kept with a definition, and what must come out of them.

use std::collections::BTreeMap;

use anyhow::Result;
use anyhow::ensure;
use toml::Table;

use super::answer::Class;
use super::schema::SendsText;
use super::schema::TestRequestText;
use super::schema::TestText;
use super::section;
use super::section::Scalar;
use super::section::suggestion;

/// An answer kept with a definition, and what must come out of it.
#[derive(Clone, Debug)]
pub struct Test {
    /// A file with the body, beside the definition.
    pub fixture: Option<String>,
    /// The body itself.
    pub body: Option<String>,
    /// What was asked.
    pub request: TestRequest,
    /// The status of the answer.
    pub status: u16,
    /// The headers of the answer.
    pub headers: Vec<(String, String)>,
    /// The rows it has.
    pub rows: Option<u64>,
    /// The time of its first row.
    pub first: Option<String>,
    /// The time of its last row.
    pub last: Option<String>,
    /// The class of its fault.
    pub class: Option<String>,
    /// The rows of other tables.
    pub extra: BTreeMap<String, u64>,
    /// Rows whose cells must equal.
    pub values: Vec<Table>,
    /// What the dataset sends for the request.
    pub sends: Option<Sends>,
}

/// What a test expects of the first request, without secrets.
#[derive(Clone, Debug)]
pub struct Sends {
    /// The URL.
    pub url: Option<String>,
    /// The body; where it is JSON, its blanks and the order of its keys mean nothing.
    pub body: Option<String>,
}

/// What the answer of a test was asked with.
#[derive(Clone, Debug, Default)]
pub struct TestRequest {
    /// The symbol.
    pub symbol: Option<String>,
    /// The length of the bars.
    pub timeframe: Option<String>,
    /// The table.
    pub table: Option<String>,
    /// The start of the window.
    pub since: Option<String>,
    /// The end of the window.
    pub until: Option<String>,
    /// The options.
    pub set: BTreeMap<String, String>,
}

impl Test {
    pub(super) fn read(table: Table) -> Result<Self> {
        let text: TestText = section::read(table, "[[test]]")?;
        let request: TestRequestText = section::read(text.request, "'request' of [[test]]")?;
        ensure!(
            text.fixture.is_some() != text.body.is_some(),
            "cannot read [[test]]: expected one of 'fixture' and 'body'"
        );
        if let Some(class) = &text.class {
            let near = || suggestion(class, Class::ALL.map(Class::as_str));
            ensure!(Class::parse(class).is_some(), "unknown class '{class}' in [[test]], {}", near());
        }
        let sends = text.sends.map(|table| section::read::<SendsText>(table, "'sends' of [[test]]"));
        let sends = sends.transpose()?.map(|text| Sends { url: text.url, body: text.body });
        let words = |map: BTreeMap<String, Scalar>| map.into_iter().map(|(name, value)| (name, value.0));
        Ok(Self {
            fixture: text.fixture,
            body: text.body,
            request: TestRequest {
                symbol: request.symbol,
                timeframe: request.timeframe,
                table: request.table,
                since: request.since.map(|time| time.0),
                until: request.until.map(|time| time.0),
                set: words(request.set).collect(),
            },
            status: text.status.unwrap_or(200),
            headers: words(text.headers).collect(),
            rows: text.rows,
            first: text.first.map(|time| time.0),
            last: text.last.map(|time| time.0),
            class: text.class,
            extra: text.extra,
            values: text.values,
            sends,
        })
    }
}
