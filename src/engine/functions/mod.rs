//! Functions analysts expect and DataFusion lacks, named and defined as in DuckDB.

mod bucket;
mod epoch;
mod extreme;
mod moments;
mod quantile;
mod sliding;
mod strftime;
mod whole;
mod width;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::math::signum;
use datafusion::logical_expr::ColumnarValue;
use datafusion::prelude::SessionContext;

pub use width::Width;

/// Makes the functions known to a session.
pub(super) fn register(context: &SessionContext) {
    for function in [bucket::time_bucket(), epoch::epoch(), epoch::epoch_ms(), strftime::strftime()] {
        context.register_udf(function);
    }
    context.register_udf(signum().as_ref().clone().with_aliases(["sign"]));
    for function in extreme::all().into_iter().chain(sliding::all()).chain([quantile::quantile()]) {
        context.register_udaf(function);
    }
}

/// Returns the type of the column `ts`, in which the functions take times.
fn micros_utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Returns whether a value of this type names a time, be it as text.
fn is_time(kind: &DataType) -> bool {
    matches!(kind, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64) || is_text(kind)
}

/// Returns whether a value of this type is text, or a null without a type.
fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
}

/// Computes arrays and gives back a single value where all arguments were.
fn compute(
    args: Vec<ColumnarValue>,
    rows: usize,
    work: impl FnOnce(&[ArrayRef]) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    let is_single = args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let rows = if is_single { 1 } else { rows };
    let arrays = args.into_iter().map(|arg| arg.into_array(rows)).collect::<Result<Vec<_>>>()?;
    let result = work(&arrays)?;
    if is_single {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
    }
    Ok(ColumnarValue::Array(result))
}
