//! What the text formats write, to the byte.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};

use super::{bars, batch, nested, render, texts};
use crate::ui::output::Format;

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
