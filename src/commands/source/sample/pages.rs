//! Finding in a JSON sample what leads to the next page.

use serde_json::Value;

use super::walk::join;

/// Objects and arrays inside each other that are looked into.
const DEEPEST: usize = 6;
/// Keys whose value is a link.
const LINKS: [&str; 6] = ["next_url", "nexturl", "next", "next_page_url", "nextpageurl", "next_link"];
/// Keys whose value is a cursor, and the parameter that mostly takes it.
const CURSORS: [(&str, &str); 5] = [
    ("cursor", "cursor"),
    ("next_cursor", "cursor"),
    ("next_page_token", "page_token"),
    ("nextPageToken", "pageToken"),
    ("continuation", "continuation"),
];

/// What leads to the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct NextPage {
    /// Where it stands.
    pub(in super::super) path: String,
    /// The parameter that probably takes a cursor; none for a link.
    pub(in super::super) param: Option<&'static str>,
}

/// Returns what leads to the next page, a link before a cursor; `root` is where the records are.
pub(super) fn next_page(document: &Value, root: &str, layout: &str) -> Option<NextPage> {
    let mut found = Vec::new();
    // Columns lie beside such a key, records of other layouts are looked into for none.
    let records = if layout == "columns" { None } else { Some(root.trim_start_matches('$')) };
    visit(document, "", 0, &mut Search { records, found: &mut found });
    found.sort_by_key(|page: &NextPage| page.param.is_some());
    found.into_iter().next()
}

struct Search<'a> {
    records: Option<&'a str>,
    found: &'a mut Vec<NextPage>,
}

fn visit(value: &Value, path: &str, depth: usize, search: &mut Search<'_>) {
    if depth > DEEPEST || search.records == Some(path) {
        return;
    }
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let Some(path) = join(path, key) else { continue };
                search.found.extend(lead(&path, key, value));
                visit(value, &path, depth + 1, search);
            }
        }
        Value::Array(elements) => {
            if let [only] = elements.as_slice() {
                visit(only, &format!("{path}[0]"), depth + 1, search);
            }
        }
        _ => {}
    }
}

/// Returns what a key at a path leads to, if it is the next page.
fn lead(path: &str, key: &str, value: &Value) -> Option<NextPage> {
    let is_link = LINKS.contains(&key.to_ascii_lowercase().as_str());
    let param = match value {
        // On the last page there is nothing.
        Value::String(text) if is_link => {
            let is_url = text.is_empty() || text.contains("://") || text.starts_with(['/', '?']);
            is_url.then_some(None)
        }
        Value::Null if is_link => Some(None),
        Value::String(_) | Value::Null | Value::Number(_) => {
            CURSORS.iter().find(|(known, _)| *known == key).map(|(_, param)| Some(*param))
        }
        _ => None,
    };
    Some(NextPage { path: path.to_owned(), param: param? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_cursors_are_found_outside_of_the_records() {
        let rows = r#""d":[{"t":1,"cursor":"a"}]"#;
        let cases = [
            (r#""next_url":"https://a.com/2""#, Some(("next_url", None))),
            (r#""links":{"self":"/1","next":"/2"}"#, Some(("links.next", None))),
            (r#""next_page_url":null"#, Some(("next_page_url", None))),
            (r#""cursor":"a","next":"https://a.com/2""#, Some(("next", None))),
            (r#""meta":{"page":{"next_cursor":"a"}}"#, Some(("meta.page.next_cursor", Some("cursor")))),
            (r#""next_page_token":null"#, Some(("next_page_token", Some("page_token")))),
            (r#""nextPageToken":"a""#, Some(("nextPageToken", Some("pageToken")))),
            (r#""x":[{"continuation":7}]"#, Some(("x[0].continuation", Some("continuation")))),
            (r#""next":3"#, None),
            (r#""next":"AAPL""#, None),
            (r#""s":"ok""#, None),
        ];
        for (text, expected) in cases {
            let document = serde_json::from_str(&format!("{{{rows},{text}}}")).unwrap();
            let found = next_page(&document, "d", "objects");
            let found = found.as_ref().map(|page| (page.path.as_str(), page.param));
            assert_eq!(found, expected, "{text}");
        }
        let columns = serde_json::from_str(r#"{"t":[1],"c":[2],"next_cursor":"a"}"#).unwrap();
        assert!(next_page(&columns, "$", "columns").is_some());
        assert_eq!(next_page(&columns, "$", "objects"), None);
    }
}
