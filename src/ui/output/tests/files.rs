//! What other programs find in the files.

use std::io;
use std::io::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, DictionaryArray, DurationMicrosecondArray, Int8Array, Int64Array, NullArray, RecordBatch,
    StringViewArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::datatypes::{DataType, Int8Type};
use datafusion::arrow::ipc::reader::FileReader;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{bars, batch, bytes, nested, render};
use crate::ui::output::{Format, Screen};

fn read_parquet(batch: &RecordBatch) -> RecordBatch {
    let mut file = tempfile::tempfile().unwrap();
    let written = bytes(Format::Parquet, std::slice::from_ref(batch), Screen::default()).unwrap();
    file.write_all(&written).unwrap();
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    reader.next().unwrap().unwrap()
}

#[test]
fn parquet_holds_the_same_values() {
    let back = read_parquet(&bars());
    assert_eq!(back.schema().field(0).data_type(), &DataType::Utf8);
    for format in [Format::Csv, Format::Ndjson] {
        assert_eq!(render(format, &back), render(format, &bars()));
    }
}

#[test]
fn parquet_holds_only_types_that_every_reader_knows() {
    let given = batch([
        ("u64", Arc::new(UInt64Array::from(vec![7])) as ArrayRef),
        ("i8", Arc::new(Int8Array::from(vec![-1]))),
        ("ns", Arc::new(TimestampNanosecondArray::from(vec![-1_000]))),
        ("word", Arc::new(vec![Some("b")].into_iter().collect::<DictionaryArray<Int8Type>>())),
        ("span", Arc::new(DurationMicrosecondArray::from(vec![90_000_000]))),
        ("nothing", Arc::new(NullArray::new(1))),
    ]);
    let back = read_parquet(&given);
    let kinds: Vec<_> = back.schema().fields().iter().map(|field| field.data_type().to_string()).collect();
    assert_eq!(kinds, ["Int64", "Int32", "Timestamp(µs, \"UTC\")", "Utf8", "Utf8", "Utf8"]);
    assert_eq!(
        render(Format::Csv, &back),
        "u64,i8,ns,word,span,nothing\n7,-1,1969-12-31T23:59:59.999999Z,b,00:01:30,\n"
    );
    let lists = nested();
    assert_eq!(render(Format::Csv, &read_parquet(&lists)), render(Format::Csv, &lists));
}

#[test]
fn parquet_refuses_values_that_would_change() {
    let nanos = Arc::new(TimestampNanosecondArray::from(vec![1])) as ArrayRef;
    let huge = Arc::new(UInt64Array::from(vec![u64::MAX])) as ArrayRef;
    let far = Arc::new(TimestampSecondArray::from(vec![i64::MAX])) as ArrayRef;
    for array in [nanos, huge, far] {
        let error = bytes(Format::Parquet, &[batch([("c", array)])], Screen::default()).unwrap_err();
        assert!(error.to_string().starts_with("cannot write column 'c' of type "), "{error}");
    }
}

#[test]
fn an_arrow_file_keeps_the_types() {
    let words: DictionaryArray<Int8Type> = vec![Some("b"), None, Some("a")].into_iter().collect();
    let zoned = TimestampNanosecondArray::new(ScalarBuffer::from(vec![1, 2, 3]), None);
    let given = batch([
        (
            "view",
            Arc::new(StringViewArray::from(vec!["a text that is longer than twelve", "", "c"])) as ArrayRef,
        ),
        ("word", Arc::new(words)),
        ("ts", Arc::new(zoned)),
    ]);
    let file = bytes(Format::Arrow, &[given.clone(), given.clone()], Screen::default()).unwrap();
    let batches: Vec<_> =
        FileReader::try_new(io::Cursor::new(file), None).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.len(), 2);
    assert_eq!(batches[0].column(0), given.column(0));
    assert_eq!(batches[0].schema().field(1).data_type(), &DataType::Utf8);
    assert_eq!(render(Format::Csv, &batches[1]), render(Format::Csv, &given));
}

#[test]
fn an_arrow_file_does_not_show_what_its_rows_were_cut_from() {
    let values = Int64Array::from(vec![Some(1), Some(2), None, Some(4)]);
    let cut = batch([("a", Arc::new(values.slice(0, 2)) as ArrayRef)]);
    let whole = batch([("a", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]);
    assert_eq!(cut, whole);
    let bytes = |batch| bytes(Format::Arrow, &[batch], Screen::default()).unwrap();
    assert_eq!(bytes(cut), bytes(whole));
    let (cut, whole) = (nested().slice(0, 1), nested().slice(0, 1));
    assert_eq!(
        FileReader::try_new(io::Cursor::new(bytes(cut)), None).unwrap().next().unwrap().unwrap(),
        whole
    );
}
