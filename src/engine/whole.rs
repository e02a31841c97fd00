//! Sums, differences and products of whole numbers that do not wrap.
//!
//! DataFusion (55.2) computes them in the bits of their operands, so that `9223372036854775807 + 1` is a large negative
//! number. It has operators that fail, but no way to ask for them in SQL. Here they are functions that do.

use std::sync::Arc;

use datafusion::arrow::compute::kernels::numeric::{add, mul, sub};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable as _, LogicalPlan, Operator, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

use super::rewrite::each_part;

/// Rewrites the operators between whole numbers.
#[derive(Debug)]
pub(super) struct ExactWhole;

impl AnalyzerRule for ExactWhole {
    fn name(&self) -> &'static str {
        "exact_whole"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        each_part(plan, rewrite)
    }
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        // The right one first: in a long chain that is the short one.
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if is_checked(op) && is_whole(&right, schema) && is_whole(&left, schema) =>
        {
            let function = ScalarUDF::new_from_impl(Checked::new(op));
            let args = vec![*left, *right];
            Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), args)))
        }
        expr => Transformed::no(expr),
    }
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
