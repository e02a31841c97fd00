//! What each format writes, to the byte.

use std::io;
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Date64Array, Decimal128Array, Decimal256Array,
    DictionaryArray, DurationMicrosecondArray, FixedSizeBinaryArray, Float16Array, Float32Array,
    Float64Array, Int8Array, Int64Array, IntervalMonthDayNanoArray, ListArray, MapBuilder, NullArray,
    RecordBatch, StringArray, StringBuilder, StringViewArray, StructArray, Time32SecondArray,
    Time64NanosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray, TimestampSecondArray,
    UInt8Array, UInt64Array,
};
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::datatypes::{Field, Float64Type, Int8Type, Int64Type, IntervalMonthDayNano, i256};
use datafusion::arrow::ipc::reader::FileReader;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::error::is_broken_pipe;

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

#[test]
fn csv_is_as_promised() {
    assert_eq!(
        render(Format::Csv, &bars()),
        "symbol,ts,close,volume,final,day\n\
         AAA,2024-01-31T00:00:00Z,1.0,-9223372036854775808,true,2024-01-31\n\
         \"\",2024-01-31T09:30:00.500Z,1e16,,false,1969-12-31\n\
         ,,-inf,7,,\n"
    );
    assert_eq!(
        render(Format::Csv, &texts()),
        "text\nplain\n\"a,b\"\n\"say \"\"hi\"\"\"\n\"two\nlines\"\ntab\there\n\"cr\r\"\n\"\u{feff}bom\"\n pad \na|b\\<\n"
    );
}

#[test]
fn tsv_quotes_tabs_and_not_commas() {
    assert_eq!(
        render(Format::Tsv, &texts()),
        "text\nplain\na,b\n\"say \"\"hi\"\"\"\n\"two\nlines\"\n\"tab\there\"\n\"cr\r\"\n\"\u{feff}bom\"\n pad \na|b\\<\n"
    );
    let first = render(Format::Tsv, &bars()).lines().take(2).collect::<Vec<_>>().join("\n");
    let row = "AAA\t2024-01-31T00:00:00Z\t1.0\t-9223372036854775808\ttrue\t2024-01-31";
    assert_eq!(first, format!("symbol\tts\tclose\tvolume\tfinal\tday\n{row}"));
}

#[test]
fn json_is_one_array_and_loses_nothing() {
    let text = render(Format::Json, &bars());
    assert_eq!(
        text,
        r#"[
{"symbol":"AAA","ts":"2024-01-31T00:00:00Z","close":1.0,"volume":-9223372036854775808,"final":true,"day":"2024-01-31"},
{"symbol":"","ts":"2024-01-31T09:30:00.500Z","close":1e16,"volume":null,"final":false,"day":"1969-12-31"},
{"symbol":null,"ts":null,"close":"-inf","volume":7,"final":null,"day":null}
]
"#
    );
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
}

#[test]
fn ndjson_escapes_what_json_forbids() {
    let controls = batch([("a\"b", Arc::new(StringArray::from(vec!["\"\\\n\r\t\u{1}é€"])) as ArrayRef)]);
    let text = render(Format::Ndjson, &controls);
    assert_eq!(text, "{\"a\\\"b\":\"\\\"\\\\\\n\\r\\t\\u0001é€\"}\n");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["a\"b"], "\"\\\n\r\t\u{1}é€");
}

#[test]
fn markdown_escapes_what_ends_a_cell() {
    assert_eq!(
        render(Format::Markdown, &texts()),
        "| text |\n| --- |\n| plain |\n| a,b |\n| say \"hi\" |\n| two<br>lines |\n| tab here |\n| cr<br> |\n\
         | \u{feff}bom |\n|  pad  |\n| a\\|b\\\\\\< |\n"
    );
    let head = render(Format::Markdown, &bars());
    assert!(head.starts_with(
        "| symbol | ts | close | volume | final | day |\n| --- | --- | ---: | ---: | --- | --- |\n"
    ));
    assert!(head.ends_with("| NULL | NULL | -inf | 7 | NULL | NULL |\n"));
}

#[test]
fn a_table_aligns_numbers_to_the_right() {
    assert_eq!(
        render(Format::Table, &bars()),
        "\
symbol  ts                        close                volume  final  day
──────  ────────────────────────  ─────  ────────────────────  ─────  ──────────
AAA     2024-01-31T00:00:00Z        1.0  -9223372036854775808  true   2024-01-31
        2024-01-31T09:30:00.500Z   1e16                  NULL  false  1969-12-31
NULL    NULL                       -inf                     7  NULL   NULL
(3 rows)
"
    );
}

#[test]
fn an_empty_result_still_has_its_header() {
    let empty = bars().slice(0, 0);
    assert_eq!(render(Format::Csv, &empty), "symbol,ts,close,volume,final,day\n");
    assert_eq!(render(Format::Json, &empty), "[]\n");
    assert_eq!(render(Format::Ndjson, &empty), "");
    assert_eq!(
        render(Format::Table, &empty),
        "symbol  ts  close  volume  final  day\n──────  ──  ─────  ──────  ─────  ───\n(0 rows)\n"
    );
}

#[test]
fn a_table_cuts_text_before_it_hides_columns() {
    let long = batch([
        (
            "note",
            Arc::new(StringArray::from(vec!["a text that is far too long for a narrow screen"])) as ArrayRef,
        ),
        ("n", Arc::new(Int64Array::from(vec![1]))),
    ]);
    assert_eq!(
        on_screen(&long, 24),
        "note                   n\n─────────────────────  ─\na text that is far t…  1\n(1 row)\n"
    );
}

#[test]
fn a_table_hides_columns_from_the_middle() {
    let number = || Arc::new(Int64Array::from(vec![1_000_000])) as ArrayRef;
    let wide = batch([("a", number()), ("b", number()), ("c", number()), ("d", number()), ("e", number())]);
    assert_eq!(
        on_screen(&wide, 30),
        "      a        b  …        e\n\
         ───────  ───────  ─  ───────\n\
         1000000  1000000  …  1000000\n\
         (1 row, 2 of 5 columns hidden)\n"
    );
    assert_eq!(on_screen(&wide, 1).lines().nth(2), Some("1000000  …"));
    assert!(on_screen(&wide, 43).ends_with("(1 row)\n"));
}

#[test]
fn a_table_measures_what_the_eye_sees_and_shows_no_control_characters() {
    let texts = vec!["日本", "e\u{301}", "a\x1b[2Jb\nc"];
    let seen = batch([
        ("t", Arc::new(StringArray::from(texts)) as ArrayRef),
        ("n", Arc::new(Int64Array::from(vec![1, 2, 3]))),
    ]);
    assert_eq!(
        render(Format::Table, &seen),
        "t         n\n────────  ─\n日本      1\ne\u{301}         2\na\u{fffd}[2Jb c  3\n(3 rows)\n"
    );
}

#[test]
fn colour_is_used_only_where_allowed() {
    let screen = Screen { width: None, color: true };
    let one = batch([("n", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef)]);
    let text = String::from_utf8(bytes(Format::Table, &[one], screen).unwrap()).unwrap();
    assert_eq!(
        text,
        "   \x1b[1mn\x1b[0m\n\x1b[2m────\x1b[0m\n   1\n\x1b[2mNULL\x1b[0m\n\x1b[2m(2 rows)\x1b[0m\n"
    );
}

#[test]
fn text_after_the_sized_rows_is_cut_to_its_column() {
    let first = StringArray::from(vec!["short"; 1_000]);
    let later = StringArray::from(vec!["much longer than before"]);
    let batches = [batch([("t", Arc::new(first) as ArrayRef)]), batch([("t", Arc::new(later) as ArrayRef)])];
    let text = String::from_utf8(bytes(Format::Table, &batches, Screen::default()).unwrap()).unwrap();
    assert!(text.ends_with("short\nmuch…\n(1,001 rows)\n"), "{text}");
}

#[test]
fn numbers_of_every_type_are_written() {
    assert_eq!(cells(Arc::new(Int8Array::from(vec![-128, 127]))), "-128 | 127");
    assert_eq!(cells(Arc::new(UInt8Array::from(vec![255]))), "255");
    assert_eq!(cells(Arc::new(UInt64Array::from(vec![u64::MAX]))), "18446744073709551615");
    assert_eq!(cells(Arc::new(Float32Array::from(vec![0.1, 1e16, f32::NAN]))), "0.1 | 1e16 | NaN");
    let half = Float32Array::from(vec![0.5, 1.0]);
    let half = datafusion::arrow::compute::cast(&half, &DataType::Float16).unwrap();
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
    let large = datafusion::arrow::array::LargeStringArray::from(vec!["x"]);
    assert_eq!(cells(Arc::new(large)), "x");
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
    let mut map = MapBuilder::new(None, StringBuilder::new(), datafusion::arrow::array::Int64Builder::new());
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

#[test]
fn nested_values_are_json_in_every_format() {
    assert_eq!(
        render(Format::Ndjson, &nested()),
        r#"{"list":[1,null],"nan":["NaN"],"row":{"day":"1970-01-01","name":"a\"b"},"map":{"k":1}}
{"list":[],"nan":["NaN"],"row":{"day":null,"name":""},"map":{}}
{"list":null,"nan":["NaN"],"row":{"day":"1970-01-02","name":"c"},"map":null}
"#
    );
    assert_eq!(
        render(Format::Tsv, &nested()).lines().nth(2).unwrap(),
        "[]\t\"[\"\"NaN\"\"]\"\t\"{\"\"day\"\":null,\"\"name\"\":\"\"\"\"}\"\t{}"
    );
    let tail = nested().slice(1, 2);
    assert_eq!(
        render(Format::Ndjson, &tail),
        render(Format::Ndjson, &nested()).split_inclusive('\n').skip(1).collect::<String>()
    );
}

#[test]
fn equal_names_are_numbered_where_a_reader_would_drop_one() {
    let one = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let same = batch([("x", one()), ("x", one()), ("x_2", one()), ("x", one())]);
    assert_eq!(unique_names(&same.schema()), ["x", "x_3", "x_2", "x_4"]);
    assert_eq!(render(Format::Csv, &same), "x,x,x_2,x\n1,1,1,1\n");
}

#[test]
fn many_batches_come_out_in_order() {
    let numbers: Vec<i64> = (0..100_000).collect();
    let batches: Vec<_> = numbers
        .chunks(997)
        .map(|part| batch([("n", Arc::new(Int64Array::from(part.to_vec())) as ArrayRef)]))
        .collect();
    for (format, expected) in [
        (Format::Csv, "n\n".to_owned() + &numbers.iter().map(|n| format!("{n}\n")).collect::<String>()),
        (Format::Ndjson, numbers.iter().map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>()),
    ] {
        assert!(bytes(format, &batches, Screen::default()).unwrap() == expected.into_bytes());
    }
    let json = bytes(Format::Json, &batches, Screen::default()).unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
    assert!(rows.iter().zip(&numbers).all(|(row, n)| row["n"] == *n) && rows.len() == numbers.len());
}

#[test]
fn the_first_batch_is_written_before_the_second_is_asked_for() {
    let out = Shared::default();
    let mut sink = sink(Format::Csv, bars().schema(), Box::new(out.clone()), &Screen::default()).unwrap();
    sink.write(&bars()).unwrap();
    assert_eq!(out.0.lock().unwrap().split(|byte| *byte == b'\n').count(), 5);
}

#[test]
fn a_reader_that_went_away_is_a_broken_pipe_in_every_format() {
    for format in Format::ALL {
        let screen = Screen::default();
        let result = sink(format, bars().schema(), Box::new(Closed), &screen).and_then(|mut sink| {
            sink.write(&bars())?;
            sink.finish()
        });
        assert!(is_broken_pipe(&result.unwrap_err()), "{format}");
    }
}

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
fn every_word_is_a_format_and_another_names_the_words() {
    for word in Format::WORDS {
        assert_eq!(word.parse::<Format>().unwrap().to_string(), word);
    }
    assert_eq!(
        "xml".parse::<Format>().unwrap_err().to_string(),
        "unknown format 'xml', expected one of table, csv, tsv, json, ndjson, parquet, arrow, markdown"
    );
}

#[test]
fn extensions_stand_for_formats() {
    let cases = [
        ("a.csv", Some(Format::Csv)),
        ("a.b.JSONL", Some(Format::Ndjson)),
        ("x/y.feather", Some(Format::Arrow)),
        ("README.md", Some(Format::Markdown)),
        ("a.txt", None),
        (".csv", None),
    ];
    for (path, format) in cases {
        assert_eq!(Format::from_extension(Path::new(path)), format);
    }
}
