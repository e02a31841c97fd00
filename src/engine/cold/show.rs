//! Shows people how archived files are read: which of how many, and what of them is skipped.

use std::sync::Arc;

use super::file::Files;

/// Where a file in a plan comes from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) reader: Arc<Files>,
    pub(super) table: String,
    /// The number of all files of the table.
    pub(super) all: usize,
}

/// Returns a plan as text, a line a step.
pub(in crate::engine) fn show(plan: &Arc<dyn datafusion::physical_plan::ExecutionPlan>) -> String {
    datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string()
}
