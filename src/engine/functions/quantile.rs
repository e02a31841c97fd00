//! `percentile_cont` and `quantile_cont` of doubles, to the last digit.
//!
//! DataFusion (55.2) cuts the place between two rows to whole millionths. What it collects is right: here
//! its accumulators are asked for their values in the place of their result.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, Float64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, FieldRef, Float64Type, Schema};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::percentile_cont::percentile_cont_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Documentation, EmitTo, GroupsAccumulator,
    Signature,
};

/// The function, in the place of DataFusion's.
pub(super) fn quantile() -> AggregateUDF {
    AggregateUDF::new_from_impl(Quantile { inner: percentile_cont_udaf() })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Quantile {
    inner: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Quantile {
    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let share = share(&args);
        let inner = self.inner.accumulator(args)?;
        Ok(match share {
            Some(share) => Box::new(One { inner, share }),
            None => inner,
        })
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let share = share(&args);
        let inner = self.inner.create_groups_accumulator(args)?;
        Ok(match share {
            Some(share) => Box::new(Many { inner, share }),
            None => inner,
        })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        self.inner.simplify()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner.supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// Returns which share of the rows lies below the result; `None` for what is left to DataFusion: other types,
/// distinct values, and shares that it refuses.
fn share(args: &AccumulatorArgs<'_>) -> Option<f64> {
    if args.is_distinct || args.expr_fields.first()?.data_type() != &DataType::Float64 {
        return None;
    }
    let batch = RecordBatch::new_empty(Arc::new(Schema::empty()));
    let is_descending = args.order_bys.first().is_some_and(|sort| sort.options.descending);
    match args.exprs.get(1)?.evaluate(&batch).ok()? {
        ColumnarValue::Scalar(ScalarValue::Float64(Some(share))) if is_descending => Some(1.0 - share),
        ColumnarValue::Scalar(ScalarValue::Float64(share)) => share,
        _ => None,
    }
}

/// Returns the value at a place of the sorted numbers, in proportion between the two around it.
fn value(mut numbers: Vec<f64>, share: f64) -> Option<f64> {
    let last = numbers.len().checked_sub(1)?;
    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    let place = share * last as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is at most 1")]
    let below = (place.floor() as usize).min(last);
    let (_, lower, above) = numbers.select_nth_unstable_by(below, f64::total_cmp);
    let upper = above.iter().copied().min_by(f64::total_cmp);
    // Two equal infinities have no difference.
    let upper = upper.filter(|upper| *lower < *upper && place.fract() > 0.0);
    Some(upper.map_or(*lower, |upper| *lower + (upper - *lower) * place.fract()))
}

/// The rows of one group, or of a window.
#[derive(Debug)]
struct One {
    inner: Box<dyn Accumulator>,
    share: f64,
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let state = self.inner.state()?;
        let [ScalarValue::List(list)] = state.as_slice() else {
            return internal_err!("a quantile has a list of values as its state");
        };
        let values = list.value(0);
        let result = value(values.as_primitive::<Float64Type>().values().to_vec(), self.share);
        // The state was taken out, and a window goes on.
        self.inner.update_batch(&[values])?;
        Ok(ScalarValue::Float64(result))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.inner.size()
    }
}

/// The rows of many groups.
struct Many {
    inner: Box<dyn GroupsAccumulator>,
    share: f64,
}

impl GroupsAccumulator for Many {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.inner.update_batch(values, groups, filter, total)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.inner.merge_batch(values, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, filter)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let state = self.inner.state(emit_to)?;
        let lists = state[0].as_list::<i32>();
        let result = |group: usize| {
            value(lists.value(group).as_primitive::<Float64Type>().values().to_vec(), self.share)
        };
        Ok(Arc::new((0..lists.len()).map(result).collect::<Float64Array>()))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.inner.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_between_two_rows() {
        let numbers = || vec![4.0, 1.0, 3.0, 2.0];
        for (share, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 2.5), (1.0, 4.0)] {
            assert_eq!(value(numbers(), share), Some(expected), "{share}");
        }
        assert_eq!(value(vec![0.0, 3e7], 1.0 / 3.0), Some(1e7));
        assert_eq!(value(vec![f64::INFINITY; 2], 0.5), Some(f64::INFINITY));
        assert_eq!(value(Vec::new(), 0.5), None);
    }
}
