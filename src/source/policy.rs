//! How patient a source is: time limits, tries, and how long answers are good.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::amount;
use super::compile::Chosen;
use super::dataset::{CachePolicy, Retry};
use super::schema::{CacheText, RetryText};

/// How long a whole answer may take where the definition does not say.
const TIMEOUT: &str = "60s";

pub(super) fn timeout(text: Option<&str>) -> Result<Duration> {
    let micros = amount::span(text.unwrap_or(TIMEOUT)).context("cannot read 'timeout' of [request]")?;
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

pub(super) fn retry(text: &RetryText) -> Result<Retry> {
    let wait = |text: &Option<String>, default: &str| -> Result<Duration> {
        let micros = amount::span(text.as_deref().unwrap_or(default))?;
        Ok(Duration::from_micros(u64::try_from(micros).unwrap_or_default()))
    };
    Ok(Retry {
        status: text.status.clone().unwrap_or_else(|| vec![429, 500, 502, 503, 504]),
        max: text.max.unwrap_or(5),
        base: wait(&text.base, "500ms")?,
        cap: wait(&text.cap, "60s")?,
        max_elapsed: wait(&text.max_elapsed, "10m")?,
        ban_status: text.ban_status.clone().unwrap_or_else(|| vec![418]),
    })
}

pub(super) fn cache(text: &CacheText, chosen: &Chosen) -> Result<CachePolicy> {
    let ttl = |text: &Option<String>, default: &str| match text.as_deref().unwrap_or(default) {
        "never" => Ok(None),
        text => amount::span_or_forever(text).map(Some),
    };
    // How soon the next answer of a kind may differ.
    let open = match chosen.table.as_str() {
        "odds" => "30s",
        "quotes" | "news" => "1m",
        "fundamentals" => "1d",
        _ => "1h",
    };
    let open = match (&text.open, chosen.timeframe) {
        // A new bar is worth a request.
        (None, Some(timeframe)) => ttl(&None, open)?.map(|open| open.min(timeframe.min_micros())),
        _ => ttl(&text.open, open)?,
    };
    Ok(CachePolicy {
        open,
        closed: ttl(&text.closed, "forever")?,
        negative: ttl(&text.negative, "1d")?.unwrap_or_default(),
        conditional: text.conditional.unwrap_or(true),
    })
}
