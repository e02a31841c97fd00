//! Keeps comparisons with nanoseconds exact.
//!
//! DataFusion turns `CAST(ts AS nanoseconds) < literal` into `ts < literal in microseconds` and cuts off
//! the digits that do not fit (55.2, `cast_between_timestamp`), so that a row just before the literal is
//! lost. Here such a comparison is first written with a bound that has no such digits. Times that
//! nanoseconds do not reach, before 1677 and behind 2262, are compared as microseconds too.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Between, BinaryExpr, Cast, Expr, Operator, binary_expr, cast, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use super::rewrite::Rule;

/// Nanoseconds in a microsecond.
const NANOS: i64 = 1_000;

/// Rewrites comparisons of microseconds with nanoseconds.
pub(super) const EXACT_NANOS: Rule = Rule { name: "exact_nanos", rewrite };

fn rewrite(expr: Expr, _schema: &DFSchema) -> Transformed<Expr> {
    let rewritten = match &expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match compare(left, *op, right) {
            None => op.swap().and_then(|op| compare(right, op, left)),
            found => found,
        },
        Expr::Between(between) => bounds(between),
        _ => None,
    };
    rewritten.map_or_else(|| Transformed::no(expr), Transformed::yes)
}

/// Writes `BETWEEN` as two comparisons if one of them has to be rewritten.
fn bounds(Between { expr, negated, low, high }: &Between) -> Option<Expr> {
    let (above, below, join) = if *negated {
        (Operator::Lt, Operator::Gt, Operator::Or)
    } else {
        (Operator::GtEq, Operator::LtEq, Operator::And)
    };
    let (left, right) = (compare(expr, above, low), compare(expr, below, high));
    if left.is_none() && right.is_none() {
        return None;
    }
    let plain = |op: Operator, bound: &Expr| binary_expr(expr.as_ref().clone(), op, bound.clone());
    let left = left.unwrap_or_else(|| plain(above, low));
    Some(binary_expr(left, join, right.unwrap_or_else(|| plain(below, high))))
}

/// Returns `left op right` without nanoseconds, if `left` is a cast of microseconds and `right` has some.
fn compare(left: &Expr, op: Operator, right: &Expr) -> Option<Expr> {
    let Expr::Cast(Cast { expr: time, field }) = left else { return None };
    let DataType::Timestamp(TimeUnit::Nanosecond, zone) = field.data_type() else { return None };
    let time = time.as_ref().clone();
    let bound = |micros: i64| lit(ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()));
    let bound = match constant(right)? {
        Constant::Nanos(nanos) if nanos.rem_euclid(NANOS) == 0 => return None,
        Constant::Nanos(nanos) => bound(nanos.div_euclid(NANOS)),
        Constant::Micros(micros) => return Some(binary_expr(time, op, bound(micros))),
    };
    Some(match op {
        Operator::Gt | Operator::GtEq => binary_expr(time, Operator::Gt, bound),
        Operator::Lt | Operator::LtEq => binary_expr(time, Operator::LtEq, bound),
        // Never so, or always, unless the time is null.
        Operator::Eq => binary_expr(time.clone(), Operator::NotEq, time),
        Operator::NotEq => binary_expr(time.clone(), Operator::Eq, time),
        _ => return None,
    })
}

/// A time that does not depend on a row.
enum Constant {
    Nanos(i64),
    /// One that nanoseconds do not reach.
    Micros(i64),
}

/// Returns the time an expression without columns stands for.
fn constant(expr: &Expr) -> Option<Constant> {
    if expr.any_column_refs() || expr.is_volatile() {
        return None;
    }
    match evaluate(expr.clone()) {
        Ok(Expr::Literal(ScalarValue::TimestampNanosecond(Some(nanos), _), _)) => {
            Some(Constant::Nanos(nanos))
        }
        Ok(_) => None,
        Err(_) => match evaluate(expr.clone().transform_up(|part| Ok(coarsen(part))).ok()?.data) {
            Ok(Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), _), _)) => {
                Some(Constant::Micros(micros))
            }
            _ => None,
        },
    }
}

/// Computes what can be computed without a row.
pub(super) fn evaluate(expr: Expr) -> Result<Expr> {
    let context = SimplifyContext::builder().with_schema(Arc::new(DFSchema::empty())).build();
    ExprSimplifier::new(context).simplify(expr)
}

/// Casts to microseconds what is cast to nanoseconds.
fn coarsen(expr: Expr) -> Transformed<Expr> {
    if let Expr::Cast(Cast { expr: inner, field }) = &expr
        && let DataType::Timestamp(TimeUnit::Nanosecond, zone) = field.data_type()
    {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
        return Transformed::yes(cast(inner.as_ref().clone(), micros));
    }
    Transformed::no(expr)
}
