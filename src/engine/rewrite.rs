//! What the rules that rewrite expressions share: the walk over a plan.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeContainer as _};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, GroupingSet, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

/// A rule that rewrites parts of expressions, with the columns they may name.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) rewrite: fn(Expr, &DFSchema) -> Transformed<Expr>,
}

impl AnalyzerRule for Rule {
    fn name(&self) -> &str {
        self.name
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        each_part(plan, self.rewrite)
    }
}

/// Rewrites every part of every expression, inner ones first; the names of columns that come out stay.
fn each_part(plan: LogicalPlan, rewrite: fn(Expr, &DFSchema) -> Transformed<Expr>) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let schema = merge_schema(&node.inputs());
        let each = |expr: Expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|part| Ok(rewrite(part, &schema)))?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        };
        node.map_expressions(|expr| match expr {
            // A set of groups is no column: each of its parts is one.
            Expr::GroupingSet(set) => Ok(match set {
                GroupingSet::Rollup(parts) => parts.map_elements(each)?.update_data(GroupingSet::Rollup),
                GroupingSet::Cube(parts) => parts.map_elements(each)?.update_data(GroupingSet::Cube),
                GroupingSet::GroupingSets(sets) => {
                    sets.map_elements(each)?.update_data(GroupingSet::GroupingSets)
                }
            }
            .update_data(Expr::GroupingSet)),
            expr => each(expr),
        })
    })
    .map(|plan| plan.data)
}
