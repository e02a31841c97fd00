//! `first(x, ts)`, `last(x, ts)`, `min_by(x, y)`, `max_by(x, y)`: the `x` of the row whose second
//! argument is least or greatest. Rows in which either is null are ignored, as in DuckDB.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility};

/// The four functions.
pub(super) fn all() -> [AggregateUDF; 4] {
    [
        ("first", None, End::Least),
        ("last", None, End::Greatest),
        ("min_by", Some("arg_min"), End::Least),
        ("max_by", Some("arg_max"), End::Greatest),
    ]
    .map(|(name, alias, end)| {
        let signature = Signature::user_defined(Volatility::Immutable);
        let aliases = alias.map(str::to_owned).into_iter().collect();
        AggregateUDF::new_from_impl(Extreme { name, aliases, end, signature })
    })
}

/// Which row is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    Least,
    Greatest,
}

impl End {
    /// Returns whether `left` is nearer to this end than `right`.
    fn prefers(self, left: &ScalarValue, right: &ScalarValue) -> bool {
        let wanted = match self {
            Self::Least => Ordering::Less,
            Self::Greatest => Ordering::Greater,
        };
        left.partial_cmp(right) == Some(wanted)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    name: &'static str,
    /// Not by `with_aliases`, whose wrapper (DataFusion 55.2) hides the accumulator of moving windows.
    aliases: Vec<String>,
    end: End,
    signature: Signature,
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.len() != 2 {
            return plan_err!(
                "{} takes a value and what it is ordered by, found {} arguments",
                self.name,
                types.len()
            );
        }
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    /// Outside of windows DataFusion's own `first_value` does the work: it is fast over many groups.
    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        let is_ascending = self.end == End::Least;
        Some(Box::new(move |function, _| {
            let AggregateFunctionParams { mut args, distinct, filter, null_treatment, .. } = function.params;
            args.truncate(2);
            let known = args.iter().cloned().map(Expr::is_not_null).reduce(Expr::and);
            let filter = filter.map(|filter| *filter).into_iter().chain(known).reduce(Expr::and);
            let order_by = args.pop().map(|by| by.sort(is_ascending, false)).into_iter().collect();
            let filter = filter.map(Box::new);
            Ok(Expr::AggregateFunction(AggregateFunction {
                func: first_value_udaf(),
                params: AggregateFunctionParams { args, distinct, filter, order_by, null_treatment },
            }))
        }))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.rows(&args, Keep::Best)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.rows(&args, Keep::Frame)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |part: &str, of: &FieldRef| {
            Arc::new(Field::new(format!("{}[{part}]", args.name), of.data_type().clone(), true))
        };
        Ok(vec![field("value", &args.input_fields[0]), field("by", &args.input_fields[1])])
    }
}

impl Extreme {
    fn rows(&self, args: &AccumulatorArgs, keep: Keep) -> Result<Box<dyn Accumulator>> {
        let nothing = [&args.expr_fields[0], &args.expr_fields[1]]
            .map(|field| ScalarValue::try_from(field.data_type()));
        let [value, by] = nothing;
        let nothing = Candidate { row: 0, value: value?, by: by? };
        Ok(Box::new(Candidates { end: self.end, keep, rows: VecDeque::new(), added: 0, removed: 0, nothing }))
    }
}

/// What has to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// The best row: rows are only added.
    Best,
    /// Also rows that become the best when better ones leave the frame of a window.
    Frame,
}

#[derive(Clone, Debug)]
struct Candidate {
    row: usize,
    value: ScalarValue,
    by: ScalarValue,
}

/// Rows that are or may become the best, the best first, in the order in which they came.
#[derive(Debug)]
struct Candidates {
    end: End,
    keep: Keep,
    rows: VecDeque<Candidate>,
    added: usize,
    removed: usize,
    /// The nulls that stand for no row.
    nothing: Candidate,
}

impl Candidates {
    fn best(&self) -> &Candidate {
        self.rows.front().unwrap_or(&self.nothing)
    }

    fn add(&mut self, value: &ArrayRef, by: &ArrayRef, at: usize) -> Result<()> {
        let row = self.added;
        self.added += 1;
        if value.is_null(at) || by.is_null(at) {
            return Ok(());
        }
        let by = ScalarValue::try_from_array(by, at)?;
        // Who came earlier and is worse leaves no later than this one, so it is never wanted again.
        while self.rows.back().is_some_and(|last| self.end.prefers(&by, &last.by)) {
            self.rows.pop_back();
        }
        if self.keep == Keep::Frame || self.rows.is_empty() {
            // Compacted, or each row would keep its whole batch alive.
            let value = ScalarValue::try_from_array(value, at)?.compacted();
            self.rows.push_back(Candidate { row, value, by: by.compacted() });
        }
        Ok(())
    }
}

impl Accumulator for Candidates {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for at in 0..values[0].len() {
            self.add(&values[0], &values[1], at)?;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.removed += values[0].len();
        while self.rows.front().is_some_and(|first| first.row < self.removed) {
            self.rows.pop_front();
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        self.keep == Keep::Frame
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let best = self.best();
        Ok(vec![best.value.clone(), best.by.clone()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.best().value.clone())
    }

    fn size(&self) -> usize {
        let rows = self.rows.iter().map(|row| row.value.size() + row.by.size() + size_of::<usize>());
        size_of_val(self) + rows.sum::<usize>()
    }
}
