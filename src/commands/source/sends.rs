//! What a dataset would send for a test, against what the test expects.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use crate::decode::moment;
use crate::error::Failure;
use crate::model::{Span, time};
use crate::source::{Ask, Dataset, Gives, Secrets, Test, Turn};

/// Returns how the first request differs from what a test expects; nothing is sent.
pub(super) fn differences(test: &Test, dataset: &Dataset, symbol: &str) -> Result<Vec<String>> {
    let Some(sends) = &test.sends else { return Ok(Vec::new()) };
    let values = step_values(dataset);
    let ask = Ask {
        symbols: &[dataset.symbol(symbol)],
        window: window(test)?,
        mirror: 0,
        turn: Turn::First,
        values: &values,
        now: time::now(),
    };
    let request = dataset.request(&ask, &Secrets::empty())?;
    let mut differences = Vec::new();
    if let Some(url) = sends.url.as_ref().filter(|url| **url != request.shown) {
        differences.push(format!("expected a request to {url}, found {}", request.shown));
    }
    if let Some(body) = sends.body.as_ref().filter(|body| !is_same(body, request.body.as_deref())) {
        let found = request.body.as_deref().unwrap_or("none");
        differences.push(format!("expected the request body {body}, found {found}"));
    }
    Ok(differences)
}

/// Returns the names of what the steps bring, each standing for its value.
fn step_values(dataset: &Dataset) -> BTreeMap<String, String> {
    let names = dataset.steps.iter().filter_map(|step| match &step.gives {
        Gives::Value(name) | Gives::Each(name) => Some(name.clone()),
        _ => None,
    });
    names.chain(["symbol.lookup".to_owned()]).map(|name| (name.clone(), name)).collect()
}

fn window(test: &Test) -> Result<Option<Span>> {
    let (Some(since), Some(until)) = (&test.request.since, &test.request.until) else { return Ok(None) };
    let now = time::now();
    let span = Span::new(moment(since, now)?, moment(until, now)?);
    let span = span.with_context(|| {
        Failure::usage(format!("invalid range in [[test]]: 'until' {until} is not behind 'since' {since}"))
    })?;
    Ok(Some(span))
}

fn is_same(expected: &str, found: Option<&str>) -> bool {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    found == Some(expected)
        || found.and_then(json).is_some_and(|found| json(expected).is_some_and(|expected| found == expected))
}
