//! Sums of whole numbers that do not wrap.
//!
//! DataFusion (55.2) adds up in the 64 bits of its result, so that a sum beyond them comes out as another number. Here
//! its own accumulators add up decimals without a scale, which have 128 bits, and a sum that does not fit is refused.

use datafusion::arrow::array::{Array as _, ArrayRef, BooleanArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

/// What is added up.
const WIDE: DataType = DataType::Decimal128(38, 0);

/// The arguments of a sum of decimals in the place of one of whole numbers.
pub(super) fn wide(mut args: AccumulatorArgs<'_>) -> AccumulatorArgs<'_> {
    args.return_field = wide_field(&args.return_field);
    args
}

/// The arguments of the state of such a sum.
pub(super) fn wide_state(mut args: StateFieldsArgs<'_>) -> StateFieldsArgs<'_> {
    args.return_field = wide_field(&args.return_field);
    args
}

fn wide_field(field: &FieldRef) -> FieldRef {
    field.as_ref().clone().with_data_type(WIDE).into()
}

/// A sum of decimals that takes and gives whole numbers.
#[derive(Debug)]
pub(super) struct Whole<A: ?Sized> {
    /// The type of the result.
    kind: DataType,
    sum: Box<A>,
}

impl<A: ?Sized> Whole<A> {
    pub(super) fn new(kind: DataType, sum: Box<A>) -> Self {
        Self { kind, sum }
    }

    fn narrow(&self, sums: &ArrayRef) -> Result<ArrayRef> {
        let narrow = cast(sums, &self.kind)?;
        if narrow.null_count() > sums.null_count() {
            return exec_err!(
                "a sum of whole numbers is beyond 64 bits; \
                 sum(CAST(x AS DOUBLE)) and sum(CAST(x AS DECIMAL(38, 0))) hold it"
            );
        }
        Ok(narrow)
    }
}

fn widen(values: &[ArrayRef]) -> Result<[ArrayRef; 1]> {
    Ok([cast(&values[0], &WIDE)?])
}

impl Accumulator for Whole<dyn Accumulator> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.sum.update_batch(&widen(values)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.sum.retract_batch(&widen(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.sum.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.sum.evaluate()?.to_array()?;
        ScalarValue::try_from_array(&self.narrow(&sum)?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.sum.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.sum.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.sum.merge_batch(states)
    }
}

impl GroupsAccumulator for Whole<dyn GroupsAccumulator> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sum.update_batch(&widen(values)?, groups, filter, total)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let sums = self.sum.evaluate(emit)?;
        self.narrow(&sums)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.sum.state(emit)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.sum.merge_batch(states, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.sum.convert_to_state(&widen(values)?, filter)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.sum.size()
    }
}
