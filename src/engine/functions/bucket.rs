//! `time_bucket(width, ts)`: the start of the bucket a time falls into.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, PrimitiveArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::width::Width;
use super::{compute, is_text, is_time, micros_utc};

/// `time_bucket(width, ts)`
pub(super) fn time_bucket() -> ScalarUDF {
    ScalarUDF::new_from_impl(TimeBucket { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeBucket {
    signature: Signature,
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &'static str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [width, time] = types else {
            return plan_err!("time_bucket takes a width and a time, found {} arguments", types.len());
        };
        let width = match width {
            DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
            text if is_text(text) => DataType::Utf8,
            other => return plan_err!("time_bucket takes a width such as '5 minutes', found {other}"),
        };
        match time {
            DataType::Date32 => Ok(vec![width, DataType::Date32]),
            time if is_time(time) => Ok(vec![width, micros_utc()]),
            other => plan_err!("time_bucket takes a timestamp or a date, found {other}"),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[1].clone())
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let times = args.args.split_off(1);
        let width = match &args.args[0] {
            ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(interval))) => {
                Width::from_interval(*interval)
            }
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))) => Width::parse(text),
            ColumnarValue::Scalar(_) => {
                return Ok(ColumnarValue::Scalar(ScalarValue::try_from(args.return_field.data_type())?));
            }
            ColumnarValue::Array(_) => Err("the width of a time bucket is one for all rows".to_owned()),
        };
        match width {
            Ok(width) => compute(times, args.number_rows, |arrays| buckets(width, &arrays[0])),
            Err(text) => exec_err!("{text}"),
        }
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(match inputs[0].sort_properties {
            SortProperties::Singleton => inputs[1].sort_properties,
            _ => SortProperties::Unordered,
        })
    }
}

fn buckets(width: Width, times: &ArrayRef) -> Result<ArrayRef> {
    let micros = cast(times, &micros_utc())?;
    let micros = micros.as_primitive::<TimestampMicrosecondType>();
    let starts: PrimitiveArray<TimestampMicrosecondType> = micros.unary_opt(|micros| width.floor(micros));
    if starts.null_count() > micros.null_count() {
        return exec_err!("the start of a time bucket is out of range");
    }
    let starts: ArrayRef = Arc::new(starts.with_timezone("UTC"));
    Ok(cast(&starts, times.data_type())?)
}
