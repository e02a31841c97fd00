//! `epoch(ts)`: seconds since 1970 as a double; `epoch_ms(ts)`: milliseconds as a bigint.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray as _};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{compute, is_time, micros_utc};

/// `epoch(ts)`
pub(super) fn epoch() -> ScalarUDF {
    ScalarUDF::new_from_impl(Epoch::new(Unit::Seconds))
}

/// `epoch_ms(ts)`
pub(super) fn epoch_ms() -> ScalarUDF {
    ScalarUDF::new_from_impl(Epoch::new(Unit::Millis))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unit {
    Seconds,
    Millis,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Epoch {
    unit: Unit,
    signature: Signature,
}

impl Epoch {
    fn new(unit: Unit) -> Self {
        Self { unit, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Epoch {
    fn name(&self) -> &str {
        match self.unit {
            Unit::Seconds => "epoch",
            Unit::Millis => "epoch_ms",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [only] if is_time(only) => Ok(vec![micros_utc()]),
            _ => plan_err!("{} takes one timestamp or date", self.name()),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(match self.unit {
            Unit::Seconds => DataType::Float64,
            Unit::Millis => DataType::Int64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let unit = self.unit;
        compute(args.args, args.number_rows, move |arrays| {
            let times = arrays[0].as_primitive::<TimestampMicrosecondType>();
            Ok(match unit {
                #[allow(
                    clippy::cast_precision_loss,
                    reason = "2^53 microseconds reach the year 2255; DuckDB rounds too"
                )]
                Unit::Seconds => {
                    Arc::new(times.unary::<_, Float64Type>(|micros| micros as f64 / 1e6)) as ArrayRef
                }
                Unit::Millis => Arc::new(times.unary::<_, Int64Type>(|micros| micros.div_euclid(1_000))),
            })
        })
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(inputs[0].sort_properties)
    }
}
