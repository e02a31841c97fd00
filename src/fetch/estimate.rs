//! What a plan would cost, before anything is asked.

use anyhow::Result;
use serde::Serialize;

use super::Fetcher;
use super::plan::Plan;
use crate::model::time::now;
use crate::source::{Ask, Turn};

/// What a plan would cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Estimate {
    /// Windows to ask for; more requests where a window has several pages.
    pub requests: u64,
    /// Answers that the cache has.
    pub cached: u64,
    /// For each limit its name, what the requests take of it, and how much it allows in which time.
    pub credits: Vec<Credit>,
    /// Seconds that the limits make the requests take.
    pub seconds: f64,
    /// The first request of each window, as far as it is known before the answers to steps.
    pub urls: Vec<String>,
}

/// What requests take of a limit.
#[derive(Clone, Debug, Serialize)]
pub struct Credit {
    /// The limit.
    pub name: String,
    /// What they take.
    pub cost: f64,
    /// What it allows.
    pub max: f64,
    /// In how many seconds.
    pub per_seconds: f64,
}

impl Fetcher<'_> {
    /// Returns what a plan costs; makes no request.
    pub fn estimate(&self, plan: &Plan) -> Result<Estimate> {
        let mut estimate = Estimate::default();
        let values = std::collections::BTreeMap::new();
        let at = now();
        for task in &plan.tasks {
            let symbols: Vec<String> = task
                .targets
                .iter()
                .filter_map(|&at| plan.targets.get(at))
                .map(|target| target.symbol.clone())
                .collect();
            let ask = Ask {
                symbols: &symbols,
                window: task.window,
                mirror: 0,
                turn: Turn::First,
                values: &values,
                now: at,
            };
            estimate.requests += 1;
            // What a step brings is not known yet.
            if !self.dataset.steps.iter().any(|step| step.gives != crate::source::Gives::Nothing) {
                let request = self.dataset.request(&ask, &self.secrets)?;
                if self.shared.cache.has(&request.key, at) {
                    estimate.cached += 1;
                }
                estimate.urls.push(request.shown);
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "a count of requests far below 2^53")]
        let going_out = (estimate.requests - estimate.cached) as f64;
        for rate in &self.dataset.rates {
            let cost = rate.cost * going_out;
            #[allow(clippy::cast_precision_loss, reason = "a span of time far below 2^53 microseconds")]
            let per_seconds = rate.per_micros as f64 / 1e6;
            // The first ones of a full bucket go out at once.
            let seconds = (cost - rate.burst).max(0.0) * per_seconds / rate.max;
            estimate.seconds = estimate.seconds.max(seconds);
            estimate.credits.push(Credit { name: rate.name.clone(), cost, max: rate.max, per_seconds });
        }
        Ok(estimate)
    }
}
