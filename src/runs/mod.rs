//! What commands did and how long it took: records in `runs.db`, their comparison with each other and with limits.
//!
//! The file may be deleted at any time, and a command never fails because of it: it is the caller who decides
//! whether an error of [`Runs`] is worth more than a detail.

mod check;
mod compare;
mod database;
mod limits;
mod line;
mod log;
mod metric;
mod metrics;
mod prometheus;
mod record;
mod usage;

pub use check::{Breach, Checked, Usual, What, check};
pub use compare::{Change, Spread, Verdict, compare};
pub use database::Runs;
pub use limits::{COMMANDS, Limit, Limits};
pub use line::Line;
pub use log::{AskedQuery, RecentQuery};
pub use metric::{Metric, Unit};
pub use metrics::{Ending, Metrics};
pub use prometheus::prometheus;
pub use record::{Figures, Filter, Latency, Run, Total};
