//! Keeps `IN (SELECT …)` null where SQL has it null.
//!
//! As a condition of its own, or after `NOT`, it becomes a join that knows of nulls. Within another condition
//! DataFusion (55.2) makes a column of it that is true or false, so that `x NOT IN (…) OR y` holds where the
//! subquery has a null. There it is first written as a `CASE` that says when it is null.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, exists, lit, not, when,
};
use datafusion::optimizer::AnalyzerRule;

/// Rewrites `IN (SELECT …)` within other conditions.
#[derive(Debug)]
pub(super) struct ExactMembers;

impl AnalyzerRule for ExactMembers {
    fn name(&self) -> &'static str {
        "exact_members"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let LogicalPlan::Filter(filter) = &node else { return Ok(Transformed::no(node)) };
            let schema = Arc::clone(filter.input.schema());
            node.map_expressions(|predicate| rewrite(predicate, &schema))
        })
        .map(|plan| plan.data)
    }
}

fn rewrite(predicate: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let mut is_new = false;
    let mut parts = Vec::new();
    for part in split_conjunction_owned(predicate) {
        let is_alone = match &part {
            Expr::InSubquery(_) => true,
            Expr::Not(inner) => matches!(inner.as_ref(), Expr::InSubquery(_)),
            _ => false,
        };
        if is_alone {
            parts.push(part);
            continue;
        }
        let part = part.transform_up(|expr| member(expr, schema))?;
        is_new |= part.transformed;
        parts.push(part.data);
    }
    let predicate = conjunction(parts).unwrap_or_else(|| lit(true));
    Ok(Transformed::new_transformed(predicate, is_new))
}

/// Writes one `IN (SELECT …)` as a CASE, if it can be null.
///
/// A subquery that depends on the row outside is left as it is.
fn member(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::InSubquery(InSubquery { expr: value, subquery, negated }) = &expr else {
        return Ok(Transformed::no(expr));
    };
    if !subquery.outer_ref_columns.is_empty() {
        return Ok(Transformed::no(expr));
    }
    let rows = &subquery.subquery;
    let mut unknown = Vec::new();
    let (table, field) = rows.schema().qualified_field(0);
    if field.is_nullable() {
        let column = Expr::Column(Column::from((table, field)));
        let nulls = LogicalPlanBuilder::from(Arc::clone(rows)).filter(column.is_null())?.build()?;
        unknown.push(exists(Arc::new(nulls)));
    }
    if value.nullable(schema)? {
        unknown.push(value.as_ref().clone().is_null().and(exists(Arc::clone(rows))));
    }
    let Some(unknown) = unknown.into_iter().reduce(Expr::or) else { return Ok(Transformed::no(expr)) };
    let found = InSubquery { expr: value.clone(), subquery: subquery.clone(), negated: false };
    let null = lit(ScalarValue::Boolean(None));
    let is_member = when(Expr::InSubquery(found), lit(true)).when(unknown, null).otherwise(lit(false))?;
    Ok(Transformed::yes(if *negated { not(is_member) } else { is_member }))
}
