//! Sums of whole numbers that do not wrap.
//!
//! DataFusion (55.2) adds up in the 64 bits of its result, so that a sum beyond them comes out as another number. Here
//! sums have 128 bits on their way, and one that does not fit in the end is refused: groups are added up by
//! DataFusion's own accumulators, as decimals without a scale, all rows and windows by one of ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, Decimal128Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, FieldRef, Int64Type, UInt64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

/// What a sum is on its way.
const WIDE: DataType = DataType::Decimal128(38, 0);

/// Returns the arguments of a sum of decimals in the place of one of whole numbers.
pub(super) fn widen_args(mut args: AccumulatorArgs<'_>) -> AccumulatorArgs<'_> {
    args.return_field = widen_field(&args.return_field);
    args
}

/// Returns the arguments of the state of such a sum.
pub(super) fn widen_state(mut args: StateFieldsArgs<'_>) -> StateFieldsArgs<'_> {
    args.return_field = widen_field(&args.return_field);
    args
}

fn widen_field(field: &FieldRef) -> FieldRef {
    field.as_ref().clone().with_data_type(WIDE).into()
}

/// Each of these numbers fits, so that none is looked at as `cast` does it.
fn widen(values: &[ArrayRef]) -> Result<[ArrayRef; 1]> {
    let wide: Decimal128Array = match values[0].data_type() {
        DataType::Int64 => values[0].as_primitive::<Int64Type>().unary(i128::from),
        DataType::UInt64 => values[0].as_primitive::<UInt64Type>().unary(i128::from),
        _ => return Ok([cast(&values[0], &WIDE)?]),
    };
    Ok([Arc::new(wide.with_data_type(WIDE))])
}

fn narrow(sums: &ArrayRef, kind: &DataType) -> Result<ArrayRef> {
    let narrow = cast(sums, kind)?;
    if narrow.null_count() > sums.null_count() {
        return exec_err!(
            "a sum of whole numbers is beyond 64 bits; \
             sum(CAST(x AS DOUBLE)) and sum(CAST(x AS DECIMAL(38, 0))) hold it"
        );
    }
    Ok(narrow)
}

/// Sums of decimals, one a group, that take and give whole numbers.
pub(super) struct Groups {
    /// The type of the result.
    pub(super) kind: DataType,
    pub(super) sums: Box<dyn GroupsAccumulator>,
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sums.update_batch(&widen(values)?, groups, filter, total)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        narrow(&self.sums.evaluate(emit)?, &self.kind)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.sums.state(emit)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.sums.merge_batch(states, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.sums.convert_to_state(&widen(values)?, filter)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.sums.size()
    }
}

/// The sum of the rows seen, or of those in a window.
#[derive(Debug)]
pub(super) struct Total {
    /// The type of the result.
    kind: DataType,
    sum: i128,
    rows: u64,
    /// How often each number is among them, where each counts once.
    distinct: Option<BTreeMap<i128, u64>>,
}

impl Total {
    pub(super) fn new(kind: DataType, is_distinct: bool) -> Self {
        Self { kind, sum: 0, rows: 0, distinct: is_distinct.then(BTreeMap::new) }
    }

    fn add(&mut self, number: i128) {
        self.rows += 1;
        if let Some(distinct) = &mut self.distinct {
            let count = distinct.entry(number).or_insert(0);
            *count += 1;
            if *count > 1 {
                return;
            }
        }
        self.sum += number;
    }

    fn remove(&mut self, number: i128) {
        self.rows -= 1;
        if let Some(distinct) = &mut self.distinct
            && let Some(count) = distinct.get_mut(&number)
        {
            *count -= 1;
            if *count > 0 {
                return;
            }
            distinct.remove(&number);
        }
        self.sum -= number;
    }

    fn each(&mut self, values: &ArrayRef, work: fn(&mut Self, i128)) {
        if let Some(values) = values.as_primitive_opt::<Int64Type>() {
            values.iter().flatten().for_each(|number| work(self, number.into()));
        } else {
            values.as_primitive::<UInt64Type>().iter().flatten().for_each(|number| work(self, number.into()));
        }
    }
}

impl Accumulator for Total {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.each(&values[0], Self::add);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.each(&values[0], Self::remove);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.rows == 0 {
            return ScalarValue::try_from(&self.kind);
        }
        if let (DataType::Int64, Ok(sum)) = (&self.kind, i64::try_from(self.sum)) {
            return Ok(ScalarValue::Int64(Some(sum)));
        }
        let sum = ScalarValue::Decimal128(Some(self.sum), 38, 0).to_array()?;
        ScalarValue::try_from_array(&narrow(&sum, &self.kind)?, 0)
    }

    fn size(&self) -> usize {
        let entries = self.distinct.as_ref().map_or(0, BTreeMap::len);
        size_of::<Self>() + entries * 2 * size_of::<(i128, u64)>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal128((self.rows > 0).then_some(self.sum), 38, 0)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for sum in states[0].as_primitive::<Decimal128Type>().iter().flatten() {
            self.rows += 1;
            self.sum += sum;
        }
        Ok(())
    }
}

/// A sum of different decimals that takes and gives whole numbers.
#[derive(Debug)]
pub(super) struct Distinct {
    /// The type of the result.
    pub(super) kind: DataType,
    pub(super) sum: Box<dyn Accumulator>,
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.sum.update_batch(&widen(values)?)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&narrow(&self.sum.evaluate()?.to_array()?, &self.kind)?, 0)
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
