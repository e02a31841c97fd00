//! Compares spans of time by their length.
//!
//! DataFusion (55.2) casts the difference of two times to an interval where it meets one, and compares
//! intervals part by part: months, then days, then nanoseconds. A difference has nanoseconds alone, so that
//! four days would be less than `INTERVAL '3 days'`. Here a constant interval in a comparison is first
//! written in nanoseconds alone, with 30 days a month, as `PostgreSQL` and DuckDB compare them.

use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{
    Between, BinaryExpr, Cast, Expr, ExprSchemable as _, Operator, binary_expr, lit,
};

use super::nanos::evaluate;
use super::rewrite::Rule;

/// Nanoseconds in a day.
const DAY: i128 = 86_400_000_000_000;

/// Rewrites comparisons of intervals.
pub(super) const EXACT_SPANS: Rule = Rule { name: "exact_spans", rewrite };

fn rewrite(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let rewritten = match &expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
            flat(left, schema).zip(flat(right, schema)).map(|(left, right)| binary_expr(left, *op, right))
        }
        Expr::Between(between) => bounds(between, schema),
        _ => None,
    };
    rewritten.map_or_else(|| Transformed::no(expr), Transformed::yes)
}

fn compares(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

fn bounds(Between { expr, negated, low, high }: &Between, schema: &DFSchema) -> Option<Expr> {
    Some(Expr::Between(Between {
        expr: Box::new(flat(expr, schema)?),
        negated: *negated,
        low: Box::new(flat(low, schema)?),
        high: Box::new(flat(high, schema)?),
    }))
}

/// Returns an interval of nanoseconds alone, `None` where `expr` may have other parts.
fn flat(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    if expr.get_type(schema).ok()? != interval {
        return None;
    }
    if let Some(interval) = constant(expr) {
        return Some(lit(ScalarValue::IntervalMonthDayNano(Some(nanoseconds(interval)))));
    }
    let Expr::Cast(Cast { expr: inner, .. }) = expr else { return None };
    matches!(inner.get_type(schema), Ok(DataType::Duration(_))).then(|| expr.clone())
}

/// Returns the interval an expression without columns stands for.
fn constant(expr: &Expr) -> Option<IntervalMonthDayNano> {
    if expr.any_column_refs() || expr.is_volatile() {
        return None;
    }
    match evaluate(expr.clone()) {
        Ok(Expr::Literal(ScalarValue::IntervalMonthDayNano(interval), _)) => interval,
        _ => None,
    }
}

/// Returns an interval of the same length; one beyond 292 years is cut there, where no difference reaches.
fn nanoseconds(interval: IntervalMonthDayNano) -> IntervalMonthDayNano {
    let days = i128::from(interval.months) * 30 + i128::from(interval.days);
    let total = days * DAY + i128::from(interval.nanoseconds);
    let limit = if total < 0 { i64::MIN } else { i64::MAX };
    IntervalMonthDayNano::new(0, 0, i64::try_from(total).unwrap_or(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_as_long_as_its_parts() {
        let length =
            |months, days, nanos| nanoseconds(IntervalMonthDayNano::new(months, days, nanos)).nanoseconds;
        assert_eq!(length(0, 3, 5), 3 * 86_400_000_000_000 + 5);
        assert_eq!(length(1, 0, 0), length(0, 30, 0));
        assert_eq!(length(0, 1, -1), 86_399_999_999_999);
        assert_eq!((length(i32::MAX, 0, 0), length(i32::MIN, 0, 0)), (i64::MAX, i64::MIN));
    }
}
