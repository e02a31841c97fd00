//! Batches to write, and places to write them to.

mod files;
mod stream;
mod table;
mod text;
mod types;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, Int64Builder, ListArray, MapBuilder,
    RecordBatch, StringArray, StringBuilder, StringViewArray, StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};

use super::{Format, Screen, sink};

/// A writer that a test can look into.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Closed;

impl Write for Closed {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    let fields = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

fn bytes(format: Format, batches: &[RecordBatch], screen: Screen) -> Result<Vec<u8>> {
    let out = Shared::default();
    let mut sink = sink(format, batches[0].schema(), Box::new(out.clone()), &screen)?;
    for batch in batches {
        sink.write(batch)?;
    }
    sink.finish()?;
    Ok(std::mem::take(&mut *out.0.lock().unwrap()))
}

fn render(format: Format, batch: &RecordBatch) -> String {
    String::from_utf8(bytes(format, std::slice::from_ref(batch), Screen::default()).unwrap()).unwrap()
}

fn on_screen(batch: &RecordBatch, width: usize) -> String {
    let screen = Screen { width: Some(width), color: false };
    String::from_utf8(bytes(Format::Table, std::slice::from_ref(batch), screen).unwrap()).unwrap()
}

/// The cells of one column as CSV has them, without the header.
fn cells(array: ArrayRef) -> String {
    let text = render(Format::Csv, &batch([("c", array)]));
    text.strip_prefix("c\n").unwrap().trim_end().replace('\n', " | ")
}

fn bars() -> RecordBatch {
    let ts = [Some(1_706_659_200_000_000), Some(1_706_693_400_500_000), None];
    batch([
        ("symbol", Arc::new(StringViewArray::from(vec![Some("AAA"), Some(""), None])) as ArrayRef),
        ("ts", Arc::new(TimestampMicrosecondArray::from(ts.to_vec()).with_timezone("UTC"))),
        ("close", Arc::new(Float64Array::from(vec![Some(1.0), Some(1e16), Some(f64::NEG_INFINITY)]))),
        ("volume", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(7)]))),
        ("final", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(19_753), Some(-1), None]))),
    ])
}

fn texts() -> RecordBatch {
    let texts =
        ["plain", "a,b", "say \"hi\"", "two\nlines", "tab\there", "cr\r", "\u{feff}bom", " pad ", "a|b\\<"];
    batch([("text", Arc::new(StringArray::from(texts.to_vec())) as ArrayRef)])
}

fn nested() -> RecordBatch {
    let lists = vec![Some(vec![Some(1), None]), Some(vec![]), None];
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(lists);
    let doubles = ListArray::from_iter_primitive::<Float64Type, _, _>(vec![Some(vec![Some(f64::NAN)]); 3]);
    let field = |name: &str, kind: &DataType| Arc::new(Field::new(name, kind.clone(), true));
    let days = Arc::new(Date32Array::from(vec![Some(0), None, Some(1)])) as ArrayRef;
    let names = Arc::new(StringArray::from(vec!["a\"b", "", "c"])) as ArrayRef;
    let row = StructArray::from(vec![
        (field("day", days.data_type()), days),
        (field("name", names.data_type()), names),
    ]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("k");
    map.values().append_value(1);
    map.append(true).unwrap();
    map.append(true).unwrap();
    map.append(false).unwrap();
    batch([
        ("list", Arc::new(list) as ArrayRef),
        ("nan", Arc::new(doubles)),
        ("row", Arc::new(row)),
        ("map", Arc::new(map.finish())),
    ])
}
