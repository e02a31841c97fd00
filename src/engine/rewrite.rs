//! What the rules that rewrite expressions share: the walk over a plan.

use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Rewrites every part of every expression, inner ones first, with the columns it may name; the names of columns that
/// come out stay.
pub(super) fn each_part(
    plan: LogicalPlan,
    rewrite: impl Fn(Expr, &DFSchema) -> Transformed<Expr>,
) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let schema = merge_schema(&node.inputs());
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|part| Ok(rewrite(part, &schema)))?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })
    })
    .map(|plan| plan.data)
}
