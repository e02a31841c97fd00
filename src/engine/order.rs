//! Keeps the order of archived files where a limit is read from them.
//!
//! A scan of Parquet with a limit may leave out row groups, the first ones too, unless it is told that their order
//! counts. DataFusion (55.2, `limit_pushdown`) forgets to tell it below a union.

use std::sync::Arc;

use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _};

/// Tells every scan with an order and a limit that the order counts.
#[derive(Debug)]
pub(super) struct KeepOrder;

impl PhysicalOptimizerRule for KeepOrder {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let is_limited = node.downcast_ref::<DataSourceExec>().is_some_and(|scan| scan.fetch().is_some());
            let kept = if is_limited && node.output_ordering().is_some() {
                node.with_preserve_order(true)
            } else {
                None
            };
            Ok(kept.map_or_else(|| Transformed::no(node), Transformed::yes))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "keep_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
