//! Sums, differences and products of whole numbers that do not wrap.
//!
//! DataFusion (55.2) computes them in the bits of their operands, so that `9223372036854775807 + 1` is a large negative
//! number. It has operators that fail, but no way to ask for them in SQL. Here they are functions that do.

use std::sync::Arc;

use datafusion::arrow::compute::kernels::numeric::{add, mul, sub};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable as _, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast, lit,
};
use datafusion::physical_expr_common::datum::apply;

use super::rewrite::Rule;

/// Rewrites the operators between whole numbers.
pub(super) const EXACT_WHOLE: Rule = Rule { name: "exact_whole", rewrite };

fn rewrite(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        // The right one first: in a long chain that is the short one.
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if is_checked(op)
                && is_whole(&right, schema)
                && is_whole(&left, schema)
                && cases(&left).max(cases(&right)) <= MOST_CASES =>
        {
            checked(op, *left, *right)
        }
        Expr::Negative(inner) if !matches!(*inner, Expr::Literal(..)) => match zero(&inner, schema) {
            Some(zero) => checked(Operator::Minus, lit(zero), *inner),
            None => Transformed::no(Expr::Negative(inner)),
        },
        expr => Transformed::no(expr),
    }
}

/// Returns the zero of a whole number that has a sign.
fn zero(expr: &Expr, schema: &DFSchema) -> Option<ScalarValue> {
    let kind = expr.get_type(schema).ok()?;
    if kind.is_signed_integer() { ScalarValue::new_zero(&kind).ok() } else { None }
}

fn checked(op: Operator, left: Expr, right: Expr) -> Transformed<Expr> {
    let function = Arc::new(ScalarUDF::new_from_impl(Checked::new(op)));
    Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![left, right])))
}

/// How many CASE may lie in one another below an operator that is checked: DataFusion asks each for its type twice, and
/// so doubles its time with each of them that lies in a function.
const MOST_CASES: usize = 8;

/// Returns how many CASE lie in one another.
fn cases(expr: &Expr) -> usize {
    let mut most = 0;
    let below = expr.apply_children(|child| {
        most = most.max(cases(child));
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(below.is_ok(), "nothing fails there");
    most + usize::from(matches!(expr, Expr::Case(_)))
}

/// Lets the difference of two numbers without a sign have one, as in `row_number() - row_number()`; before types are
/// made to fit.
pub(super) const SIGNED_DIFFERENCES: Rule = Rule { name: "signed_differences", rewrite: sign };

fn sign(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right })
            if is_unsigned(&right, schema) && is_unsigned(&left, schema) =>
        {
            Transformed::yes(cast(*left, DataType::Int64) - cast(*right, DataType::Int64))
        }
        expr => Transformed::no(expr),
    }
}

fn is_unsigned(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|kind| kind.is_unsigned_integer())
}

fn is_checked(op: Operator) -> bool {
    matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply)
}

fn is_whole(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::ScalarFunction(function) if function.func.inner().downcast_ref::<Checked>().is_some() => true,
        expr => expr.get_type(schema).is_ok_and(|kind| kind.is_integer()),
    }
}

/// An operator that fails where its result does not fit.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Operator,
    signature: Signature,
}

impl Checked {
    fn new(op: Operator) -> Self {
        Self { op, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &'static str {
        match self.op {
            Operator::Plus => "add",
            Operator::Minus => "subtract",
            _ => "multiply",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("the type comes with the field")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let is_nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), args.arg_fields[0].data_type().clone(), is_nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (left, right) = (&args.args[0], &args.args[1]);
        match self.op {
            Operator::Plus => apply(left, right, add),
            Operator::Minus => apply(left, right, sub),
            _ => apply(left, right, mul),
        }
    }
}
