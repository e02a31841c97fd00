//! How every Arrow type is written.

use std::sync::Arc;

use datafusion::arrow::array::{
    BinaryArray, Date64Array, Decimal128Array, Decimal256Array, DictionaryArray, DurationMicrosecondArray,
    FixedSizeBinaryArray, Float16Array, Float32Array, Int8Array, IntervalMonthDayNanoArray, LargeStringArray,
    NullArray, Time32SecondArray, Time64NanosecondArray, TimestampNanosecondArray, TimestampSecondArray,
    UInt8Array, UInt64Array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int8Type, IntervalMonthDayNano, i256};

use super::cells;
#[test]
fn numbers_of_every_type_are_written() {
    assert_eq!(cells(Arc::new(Int8Array::from(vec![-128, 127]))), "-128 | 127");
    assert_eq!(cells(Arc::new(UInt8Array::from(vec![255]))), "255");
    assert_eq!(cells(Arc::new(UInt64Array::from(vec![u64::MAX]))), "18446744073709551615");
    assert_eq!(cells(Arc::new(Float32Array::from(vec![0.1, 1e16, f32::NAN]))), "0.1 | 1e16 | NaN");
    let half = Float32Array::from(vec![0.5, 1.0]);
    let half = cast(&half, &DataType::Float16).unwrap();
    assert!(half.as_any().is::<Float16Array>());
    assert_eq!(cells(half), "0.5 | 1.0");
    let decimal = Decimal128Array::from(vec![-12_345, 5, 0]).with_precision_and_scale(10, 2).unwrap();
    assert_eq!(cells(Arc::new(decimal)), "-123.45 | 0.05 | 0.00");
    let decimal = Decimal256Array::from(vec![i256::from(7)]).with_precision_and_scale(40, -2).unwrap();
    assert_eq!(cells(Arc::new(decimal)), "700");
    assert_eq!(cells(Arc::new(NullArray::new(2))), "");
}

#[test]
fn times_of_every_type_are_written() {
    assert_eq!(cells(Arc::new(Date64Array::from(vec![-1, 86_400_000]))), "1969-12-31 | 1970-01-02");
    assert_eq!(cells(Arc::new(Time32SecondArray::from(vec![34_200]))), "09:30:00");
    assert_eq!(cells(Arc::new(Time64NanosecondArray::from(vec![1]))), "00:00:00.000000001");
    assert_eq!(cells(Arc::new(TimestampSecondArray::from(vec![0]))), "1970-01-01T00:00:00");
    let zoned = TimestampNanosecondArray::from(vec![-1]).with_timezone("America/New_York");
    assert_eq!(cells(Arc::new(zoned)), "1969-12-31T23:59:59.999999999Z");
    assert_eq!(cells(Arc::new(DurationMicrosecondArray::from(vec![90_000_000]))), "00:01:30");
    let interval = IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(1, 2, 3_000_000_000)]);
    assert_eq!(cells(Arc::new(interval)), "1 mons 2 days 3.000000000 secs");
}

#[test]
fn texts_and_bytes_of_every_type_are_written() {
    assert_eq!(cells(Arc::new(BinaryArray::from(vec![&b"\x00\xffa"[..]]))), "00ff61");
    let fixed = FixedSizeBinaryArray::try_from_iter([[1_u8, 2]].iter()).unwrap();
    assert_eq!(cells(Arc::new(fixed)), "0102");
    let words: DictionaryArray<Int8Type> = vec![Some("b"), None, Some("a,b")].into_iter().collect();
    assert_eq!(cells(Arc::new(words)), "b |  | \"a,b\"");
    let large = LargeStringArray::from(vec!["x"]);
    assert_eq!(cells(Arc::new(large)), "x");
}
