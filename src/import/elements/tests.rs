//! Documents are fed in pieces of every size, which must not matter.

use super::*;

/// Returns the records with their lines, or what is wrong with the document.
fn split(document: &str, root: Option<&str>) -> Result<Vec<(u64, String)>, String> {
    let results: Vec<_> = (1..=document.len().max(1)).map(|size| split_in(document, root, size)).collect();
    assert!(results.iter().all(|result| *result == results[0]), "{document}: {results:?}");
    results[0].clone()
}

fn split_in(document: &str, root: Option<&str>, size: usize) -> Result<Vec<(u64, String)>, String> {
    let mut splitter = Splitter::new(root).unwrap();
    let mut found = Vec::new();
    let mut line = 1;
    let result = document.as_bytes().chunks(size).try_for_each(|piece| {
        line = splitter.feed(piece, line)?;
        found.extend(splitter.take());
        anyhow::Ok(())
    });
    result.and_then(|()| splitter.finish()).map_err(|err| err.to_string())?;
    let mut records = Vec::new();
    for part in found {
        let mut start = 0;
        for end in part.ends {
            let line = part.first_line + memchr_iter(b'\n', &part.bytes[..start]).count() as u64;
            let record = std::str::from_utf8(&part.bytes[start..end]).unwrap();
            records.push((line, record.trim_end().to_owned()));
            start = end;
        }
        assert_eq!(start, part.bytes.len());
    }
    Ok(records)
}

fn values(document: &str, root: Option<&str>) -> Vec<String> {
    split(document, root).unwrap().into_iter().map(|(_, record)| record).collect()
}

fn fails(document: &str, root: Option<&str>) -> String {
    split(document, root).unwrap_err()
}

#[test]
fn the_top_is_an_array_or_objects() {
    assert_eq!(
        values("[1, 2.5e-3 ,\"a,]\\\"\" , null,[],{}]", None),
        ["1", "2.5e-3", "\"a,]\\\"\"", "null", "[]", "{}"]
    );
    assert_eq!(values(" [ ] ", None), [""; 0]);
    assert_eq!(values("{\"a\": [1, 2]}", None), ["{\"a\": [1, 2]}"]);
    assert_eq!(values("{\"a\":1}{\"a\":2}\n{\"a\":3}\n", None), ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]);
    assert_eq!(values(" \n ", None), [""; 0]);
}

#[test]
fn the_root_is_found_by_its_path() {
    let chart = r#"{"x": {"result": [9]}, "chart": {"error": null, "result": [{"q": [7, 8]}, {"q": [1]}]}, "z": "]"}"#;
    assert_eq!(values(chart, Some("chart.result")), [r#"{"q": [7, 8]}"#, r#"{"q": [1]}"#]);
    assert_eq!(values(chart, Some("chart.result[0]")), [r#"{"q": [7, 8]}"#]);
    assert_eq!(values(chart, Some("chart.result[0].q")), ["7", "8"]);
    assert_eq!(values(chart, Some("chart.result[1].q")), ["1"]);
    assert_eq!(values(r#"{"Time Series": {"2024": {}}}"#, Some(r#"["Time Series"]"#)), [r#"{"2024": {}}"#]);
    assert_eq!(values("[[1], [2, 3]]", Some("[1]")), ["2", "3"]);
    assert_eq!(values(r#"{"d\u0061t\u0061": [1]}"#, Some("data")), ["1"]);
    assert_eq!(values(r#"{"data": [1], "data": [2]}"#, Some("data")), ["1"]);
    assert_eq!(values(r#"{"data": 1, "b": {"data": [2]}}"#, Some("b.data")), ["2"]);
}

#[test]
fn a_root_that_is_not_there_is_an_error() {
    assert_eq!(fails("{\"a\": {\"c\": 1}}", Some("a.b")), "the document has no value at 'a.b'");
    assert_eq!(fails("{\"a\": [[1]]}", Some("a[1]")), "the document has no value at 'a[1]'");
    assert_eq!(fails("{\"a\": [1]}", Some("[0]")), "the document has no value at '[0]'");
    assert_eq!(fails("", Some("a")), "the document has no value at 'a'");
    assert_eq!(fails("{\"a\": 1}", Some("a")), "the value at 'a' is neither an array nor an object");
    assert_eq!(fails("{\"a\": null}", Some("a")), "the value at 'a' is neither an array nor an object");
    assert_eq!(fails(" 17", None), "the document is neither an array nor an object");
}

#[test]
fn records_know_their_lines() {
    let document = "\n[\n {\n \"a\": 1\n },\n\n 2, 3,\n\n[4]\n]\n";
    let lines: Vec<_> = split(document, None).unwrap().into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [3, 7, 7, 9]);
}

#[test]
fn a_cut_document_is_an_error_at_every_length() {
    for (document, root) in [
        (r#"[{"a": [1, "x\"y"]}, 22, "é"]"#, None),
        (r#"{"a": [1, "x\"y"]}"#, None),
        (r#"{"k": {"data": [1, {"b": true}]}, "z": 5}"#, Some("k.data")),
    ] {
        for length in 1..document.len() {
            let Some(part) = document.get(..length) else { continue };
            let error = fails(part, root);
            assert!(error.contains("cut off"), "{part}: {error}");
        }
    }
}

#[test]
fn what_is_no_json_is_named_with_its_line() {
    assert_eq!(fails("[1]\n x", None), "line 2: expected nothing behind the document, found 'x'");
    assert_eq!(fails("[1] [2]", None), "line 1: expected nothing behind the document, found '['");
    assert_eq!(fails("{\"a\":[1]}{}", Some("a")), "line 1: expected nothing behind the document, found '{'");
    assert_eq!(fails("[1\n2]", None), "line 2: expected ',' or ']', found '2'");
    assert_eq!(fails("[1,]", None), "line 1: expected a value, found ']'");
    assert_eq!(fails("[,1]", None), "line 1: expected a value or ']', found ','");
    assert_eq!(fails("{1}", None), "line 1: expected a key or '}', found '1'");
    assert_eq!(fails("{\"a\":1,}", None), "line 1: expected a key, found '}'");
    assert_eq!(fails("{\"a\" 1}", None), "line 1: expected ':', found '1'");
    assert_eq!(fails("[1}", None), "line 1: expected ',' or ']', found '}'");
    assert_eq!(fails("{\"a\":1]", None), "line 1: expected ',' or '}', found ']'");
    assert_eq!(fails("<html>", None), "line 1: expected a value, found '<'");
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(split_in(&nested(MAX_DEPTH), None, 7).unwrap().len(), 1);
    let error = split_in(&nested(MAX_DEPTH + 1), None, 7).unwrap_err();
    assert_eq!(error, "line 1: the document is more than 128 levels deep");
}
