//! Sums, averages, variances and correlations of doubles over a moving window, without drift.
//!
//! DataFusion subtracts the rows that leave a window from a running sum: rounding errors stay in it for
//! ever, and after an infinity every later window is NaN. Here a window is two stacks (the sums of the rows
//! that leave next, and the rows that came since), so that nothing is ever subtracted, and sums carry their
//! rounding error along (Knuth's two-sum). Variances and the like are in [`super::moments`].
//!
//! Everything else is DataFusion's own function, but for sums of whole numbers ([`super::whole`]) and for the
//! correlation of groups: there DataFusion (55.2) adds up squares of the numbers themselves, so that of prices around
//! 40,000 six digits are right and of larger ones none. One group alone is computed from means, and so are all here.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _};
use datafusion::arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::correlation::corr_udaf;
use datafusion::functions_aggregate::covariance::{covar_pop_udaf, covar_samp_udaf};
use datafusion::functions_aggregate::stddev::{stddev_pop_udaf, stddev_udaf};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::functions_aggregate::variance::{var_pop_udaf, var_samp_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature,
};

use super::moments::{Measure, Moments, Of};
use super::whole::{Distinct, Groups, Total, widen_args, widen_state};

/// The functions, in the place of DataFusion's.
pub(super) fn all() -> [AggregateUDF; 9] {
    [
        (sum_udaf(), Kind::Sum),
        (avg_udaf(), Kind::Average),
        (var_samp_udaf(), Kind::Moments(Measure::Variance(Of::Sample))),
        (var_pop_udaf(), Kind::Moments(Measure::Variance(Of::Population))),
        (stddev_udaf(), Kind::Moments(Measure::Deviation(Of::Sample))),
        (stddev_pop_udaf(), Kind::Moments(Measure::Deviation(Of::Population))),
        (covar_samp_udaf(), Kind::Moments(Measure::Covariance(Of::Sample))),
        (covar_pop_udaf(), Kind::Moments(Measure::Covariance(Of::Population))),
        (corr_udaf(), Kind::Moments(Measure::Correlation)),
    ]
    .map(|(inner, kind)| AggregateUDF::new_from_impl(Sliding { inner, kind }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Sum,
    Average,
    Moments(Measure),
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sliding {
    inner: Arc<AggregateUDF>,
    kind: Kind,
}

impl Sliding {
    /// Returns the type of a sum of whole numbers, `None` for all else.
    fn whole(&self, result: &FieldRef) -> Option<DataType> {
        let kind = result.data_type();
        (self.kind == Kind::Sum && kind.is_integer()).then(|| kind.clone())
    }
}

impl AggregateUDFImpl for Sliding {
    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if let Some(kind) = self.whole(&args.return_field) {
            return Ok(Box::new(Total::new(kind, args.is_distinct)));
        }
        let is_double = args.expr_fields.iter().all(|field| field.data_type() == &DataType::Float64);
        if !is_double || args.is_distinct {
            return self.inner.create_sliding_accumulator(args);
        }
        match self.kind {
            Kind::Moments(measure) => Ok(Box::new(Moments::new(measure))),
            kind => Ok(Box::new(Window { kind, ..Window::default() })),
        }
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

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if let Some(kind) = self.whole(&args.return_field) {
            if args.is_distinct {
                return Ok(Box::new(Distinct { kind, sum: self.inner.accumulator(widen_args(args))? }));
            }
            return Ok(Box::new(Total::new(kind, false)));
        }
        self.inner.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(if self.whole(&args.return_field).is_some() {
            widen_state(args)
        } else {
            args
        })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.kind != Kind::Moments(Measure::Correlation) && self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        if let Some(kind) = self.whole(&args.return_field) {
            let sums = self.inner.create_groups_accumulator(widen_args(args))?;
            return Ok(Box::new(Groups { kind, sums }));
        }
        self.inner.create_groups_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn set_monotonicity(&self, kind: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(kind)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// A sum and the rounding error it carries.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    fn plus(self, number: f64, error: f64) -> Self {
        let high = self.high + number;
        if !high.is_finite() {
            return Self { high, low: 0.0 };
        }
        let part = high - self.high;
        let lost = (self.high - (high - part)) + (number - part);
        Self { high, low: self.low + error + lost }
    }

    fn value(self) -> f64 {
        if self.high.is_finite() { self.high + self.low } else { self.high }
    }
}

/// The rows of a window, oldest first: those in `leaving` from its end, then those in `arrived`.
#[derive(Debug)]
struct Window {
    kind: Kind,
    /// For each row the sum of it and of the rows of this stack that came after it.
    leaving: Vec<Sum>,
    arrived: Vec<f64>,
    arrived_sum: Sum,
}

impl Default for Window {
    fn default() -> Self {
        Self { kind: Kind::Sum, leaving: Vec::new(), arrived: Vec::new(), arrived_sum: Sum::default() }
    }
}

impl Window {
    fn push(&mut self, number: f64) {
        self.arrived.push(number);
        self.arrived_sum = self.arrived_sum.plus(number, 0.0);
    }

    fn pop(&mut self) {
        if self.leaving.is_empty() {
            let mut sum = Sum::default();
            for number in self.arrived.drain(..).rev() {
                sum = sum.plus(number, 0.0);
                self.leaving.push(sum);
            }
            self.arrived_sum = Sum::default();
        }
        self.leaving.pop();
    }

    fn len(&self) -> usize {
        self.leaving.len() + self.arrived.len()
    }

    fn sum(&self) -> f64 {
        let older = self.leaving.last().copied().unwrap_or_default();
        older.plus(self.arrived_sum.high, self.arrived_sum.low).value()
    }
}

impl Accumulator for Window {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for number in values[0].as_primitive::<Float64Type>().iter().flatten() {
            self.push(number);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        // Rows leave in the order they came.
        for _ in 0..values[0].len() - values[0].null_count() {
            self.pop();
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        #[allow(clippy::cast_precision_loss, reason = "a window has far fewer than 2^53 rows")]
        let rows = self.len() as f64;
        Ok(ScalarValue::Float64(match self.kind {
            _ if self.len() == 0 => None,
            Kind::Average => Some(self.sum() / rows),
            _ => Some(self.sum()),
        }))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.leaving.capacity() * size_of::<Sum>()
            + self.arrived.capacity() * size_of::<f64>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        datafusion::common::internal_err!("a window has no state to merge")
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        datafusion::common::internal_err!("windows are not merged")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The averages of windows of three.
    fn averages(numbers: &[f64]) -> Vec<f64> {
        let mut window = Window { kind: Kind::Average, ..Window::default() };
        let mut averages = Vec::new();
        for &number in numbers {
            window.push(number);
            if window.len() > 3 {
                window.pop();
            }
            #[allow(clippy::cast_precision_loss, reason = "three")]
            averages.push(window.sum() / window.len() as f64);
        }
        averages
    }

    #[test]
    fn a_large_number_leaves_nothing_behind() {
        assert_eq!(averages(&[1e17, 1.0, 2.0, 3.0, 4.0])[3..], [2.0, 3.0]);
        let after = averages(&[f64::INFINITY, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(after, [f64::INFINITY, f64::INFINITY, f64::INFINITY, 2.0, 3.0]);
        assert!(averages(&[f64::INFINITY, f64::NEG_INFINITY])[1].is_nan());
    }

    #[test]
    fn a_long_walk_stays_exact() {
        let mut window = Window::default();
        for at in 0..100_000_u32 {
            window.push(f64::from(at % 1_000) + 0.1);
            if window.len() > 20 {
                window.pop();
            }
        }
        // 980.1 + … + 999.1, correctly rounded.
        assert_eq!(window.sum().to_bits(), 19_792.0_f64.to_bits());
    }
}
