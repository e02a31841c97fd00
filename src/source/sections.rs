//! The sections of a definition, read from TOML with one of its variants in place.

use std::collections::BTreeMap;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use toml::Table;
use toml::Value;

use super::schema::AuthText;
use super::schema::CacheText;
use super::schema::ConcurrencyText;
use super::schema::ErrorText;
use super::schema::LookupText;
use super::schema::OptionText;
use super::schema::PaginationText;
use super::schema::RateText;
use super::schema::RequestText;
use super::schema::RetryText;
use super::schema::SourceText;
use super::schema::StepText;
use super::schema::StoreText;
use super::schema::SymbolsText;
use super::schema::WindowText;
use super::section;
use super::section::Scalar;
use super::template::is_reserved;
use crate::model::Timeframe;

/// The sections that a variant may replace.
pub(super) const REPLACEABLE: [&str; 16] = [
    "source",
    "request",
    "options",
    "symbols",
    "timeframes",
    "auth",
    "window",
    "pagination",
    "rate",
    "concurrency",
    "retry",
    "response",
    "error",
    "steps",
    "cache",
    "store",
];

/// The sections of a definition.
#[derive(Clone, Debug)]
pub(super) struct Sections {
    pub(super) source: SourceText,
    pub(super) request: RequestText,
    /// The options and their defaults; `None` for one that must be given.
    pub(super) options: BTreeMap<String, Option<String>>,
    pub(super) symbols: SymbolsText,
    pub(super) lookup: Option<LookupText>,
    /// Our timeframes and the provider's words.
    pub(super) timeframes: Vec<(Timeframe, String)>,
    pub(super) auth: AuthText,
    pub(super) window: Option<WindowText>,
    pub(super) pagination: PaginationText,
    pub(super) rates: Vec<RateText>,
    pub(super) concurrency: ConcurrencyText,
    pub(super) retry: RetryText,
    pub(super) response: Table,
    pub(super) errors: Vec<ErrorText>,
    pub(super) steps: Vec<StepText>,
    pub(super) cache: CacheText,
    pub(super) store: StoreText,
}

impl Sections {
    /// Reads the sections out of a definition whose other keys are taken out.
    pub(super) fn read(mut table: Table) -> Result<Self> {
        let table = &mut table;
        let mut symbols: SymbolsText = one(table, "symbols")?;
        let lookup = symbols.lookup.take();
        Ok(Self {
            source: one(table, "source")?,
            request: one(table, "request")?,
            options: options(section::take(table, "options")?.unwrap_or_default(), symbols.none)?,
            lookup: lookup.map(|lookup| section::read(lookup, "'lookup' of [symbols]")).transpose()?,
            symbols,
            timeframes: timeframes(section::take(table, "timeframes")?.unwrap_or_default())?,
            auth: one(table, "auth")?,
            window: section::take(table, "window")?
                .map(|text| section::read(text, "[window]"))
                .transpose()?,
            pagination: one(table, "pagination")?,
            rates: many(table, "rate")?,
            concurrency: one(table, "concurrency")?,
            retry: one(table, "retry")?,
            response: section::take(table, "response")?.unwrap_or_default(),
            errors: many(table, "error")?,
            steps: many(table, "steps")?,
            cache: one(table, "cache")?,
            store: one(table, "store")?,
        })
    }

    /// Returns the table the rows go to where none is chosen.
    pub(super) fn table(&self) -> &str {
        self.store.table.as_deref().unwrap_or("bars")
    }
}

fn one<T: serde::de::DeserializeOwned>(table: &mut Table, key: &str) -> Result<T> {
    section::read(section::take(table, key)?.unwrap_or_default(), &format!("[{key}]"))
}

fn many<T: serde::de::DeserializeOwned>(table: &mut Table, key: &str) -> Result<Vec<T>> {
    let tables = section::take_list(table, key)?;
    tables.into_iter().map(|table| section::read(table, &format!("[[{key}]]"))).collect()
}

fn options(table: Table, may_be_symbol: bool) -> Result<BTreeMap<String, Option<String>>> {
    let mut options = BTreeMap::new();
    for (name, value) in table {
        let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !fits || (is_reserved(&name) && !(may_be_symbol && name == "symbol")) {
            bail!("invalid option '{name}' in [options]: expected a name of its own in lower case");
        }
        let value = match value {
            Value::Table(text) => {
                let text: OptionText = section::read(text, &format!("option '{name}' of [options]"))?;
                match text.default {
                    Some(_) if text.required => {
                        bail!("invalid option '{name}' in [options]: a required one has no default")
                    }
                    Some(default) => Some(default.0),
                    None => (!text.required).then(String::new),
                }
            }
            value => {
                let value = Scalar::try_from(value).map_err(anyhow::Error::msg);
                Some(value.with_context(|| format!("cannot read option '{name}' of [options]"))?.0)
            }
        };
        options.insert(name, value);
    }
    Ok(options)
}

fn timeframes(table: Table) -> Result<Vec<(Timeframe, String)>> {
    let mut timeframes = Vec::new();
    for (ours, theirs) in table {
        let cannot = || "cannot read [timeframes]";
        let timeframe: Timeframe = ours.parse().with_context(cannot)?;
        timeframes
            .push((timeframe, Scalar::try_from(theirs).map_err(anyhow::Error::msg).with_context(cannot)?.0));
    }
    timeframes.sort_by_key(|(timeframe, _)| timeframe.min_micros());
    Ok(timeframes)
}
