//! What `barn query` leaves behind: an entry in the log, and where it was slow a record with its plan.

use std::time::Duration;

use crate::cli::Context;
use crate::engine::Engine;
use crate::model::time::now;
use crate::runs::{AskedQuery, Limits, Runs};

/// Keeps a query that was answered.
pub(super) fn keep(context: &Context, sql: &str, engine: Option<&Engine>) {
    let micros = u64::try_from(context.metrics.elapsed().as_micros()).unwrap_or(u64::MAX);
    let asked = AskedQuery { sql, micros, at: now() };
    // Nobody waits for the log: the rows are out already.
    if let Err(err) = Runs::open(&context.global.store).log_query(&asked) {
        context.ui.detail(&format!("cannot log this query: {err:#}"));
    }
    keep_slow(context, sql, || engine?.explain(sql).ok());
}

/// Lets a query leave a record if it took long, with its plan.
pub(super) fn keep_slow(context: &Context, sql: &str, plan: impl FnOnce() -> Option<String>) {
    if context.metrics.elapsed() >= slow(context) {
        context.metrics.begin("query");
        context.metrics.query(sql, plan());
    }
}

/// Returns from when on a query is slow.
fn slow(context: &Context) -> Duration {
    let limits = Limits::load(&context.global.store).unwrap_or_else(|err| {
        context.ui.warning(&format!("limits are not used: {err:#}"));
        Limits::default()
    });
    limits.slow()
}
