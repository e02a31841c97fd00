//! What `barn fetch --dry-run` says.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;

use crate::cli::Context;
use crate::commands::{info, query};
use crate::error::Kind;
use crate::fetch::{Estimate, Fetcher, Plan};
use crate::model::{ColumnType, Value};
use crate::ui::figures;
use crate::ui::output::Listing;

/// How many pages an answer has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pages {
    One,
    /// Only the answers say.
    Unknown,
}

/// Prints what a plan would ask, and what it would cost.
pub(super) fn run(context: &Context, fetcher: &Fetcher<'_>, plan: &Plan) -> Result<Option<Kind>> {
    let estimate = fetcher.estimate(plan)?;
    let columns = [
        ("symbol", ColumnType::Text),
        ("since", ColumnType::Timestamp),
        ("until", ColumnType::Timestamp),
        ("requests", ColumnType::Bigint),
    ];
    let mut listing = Listing::new(&columns);
    for (at, target) in plan.targets.iter().enumerate() {
        let tasks = plan.tasks.iter().filter(|task| task.targets.contains(&at));
        let spans: Vec<_> = tasks.map(|task| task.asked).collect();
        let time = |micros: Option<i64>| micros.map_or(Value::Null, Value::Timestamp);
        listing.push(vec![
            Value::Text(target.name.as_str().into()),
            time(spans.iter().flatten().map(|span| span.start).min()),
            time(spans.iter().flatten().map(|span| span.stop).max()),
            Value::Bigint(i64::try_from(spans.len())?),
        ]);
    }
    info::print(context, &listing, query::default_format())?;
    let pages = if fetcher.dataset().is_paged() { Pages::Unknown } else { Pages::One };
    context.ui.summary(&planned(&estimate, plan, pages));
    context.report(&estimate)?;
    Ok(None)
}

fn planned(estimate: &Estimate, plan: &Plan, pages: Pages) -> String {
    let span = |seconds: f64| figures::duration(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
    let least = if pages == Pages::Unknown { "at least " } else { "" };
    let requests = figures::count(estimate.requests - estimate.cached, "request");
    let mut making = vec![format!("would make {least}{requests}")];
    for credit in &estimate.credits {
        // As the definition says it: the name of a limit ends with its span.
        let per = credit.name.rsplit('/').next().unwrap_or_default();
        making.push(format!("{} credits of a limit of {} in {per}", credit.cost, credit.max));
    }
    if estimate.seconds > 0.0 {
        making.push(format!("{least}{} at the limits", span(estimate.seconds)));
    }
    let busy: HashSet<usize> = plan.tasks.iter().flat_map(|task| task.targets.iter().copied()).collect();
    let covered = plan.targets.len().saturating_sub(busy.len());
    let mut parts = vec![
        making.join(", "),
        format!("{} cached", figures::count(estimate.cached, "answer")),
        format!("{covered} of {} covered", figures::count(plan.targets.len() as u64, "symbol")),
    ];
    if !plan.unavailable.is_empty() {
        let ranges = figures::count(plan.unavailable.len() as u64, "range");
        parts.push(format!("{ranges} out of the provider's reach"));
    }
    parts.join("; ")
}
