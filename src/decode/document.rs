//! A JSON document looked into by paths: for what a provider says beside its rows.

use super::path::Path;
use super::walk;

/// A JSON document.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    text: &'a str,
}

/// A value of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    raw: &'a str,
}

impl<'a> Document<'a> {
    /// Looks at a body; `None` if it is no JSON.
    pub fn new(body: &'a [u8]) -> Option<Self> {
        walk::validated(body).ok().map(|text| Self { text })
    }

    /// Returns the first value that a path leads to.
    pub fn find(&self, path: &Path) -> Option<Found<'a>> {
        let mut first = None;
        self.each(path, &mut |found| {
            first = Some(found);
            None
        });
        first
    }

    /// Returns every value that a path leads to, in the order of the document.
    pub fn all(&self, path: &Path) -> Vec<Found<'a>> {
        let mut all = Vec::new();
        self.each(path, &mut |found| {
            all.push(found);
            Some(())
        });
        all
    }

    fn each(&self, path: &Path, visit: &mut dyn FnMut(Found<'a>) -> Option<()>) {
        let bytes = self.text.as_bytes();
        // What is nested too deeply counts as absent, like all that is not there.
        let _end = walk::each_match(bytes, 0, path.steps(), None, &mut |at, _| {
            visit(Found { raw: self.text.get(at..walk::skip_value(bytes, at)?)? })
        });
    }
}

impl<'a> Found<'a> {
    /// Returns the value as JSON writes it.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Returns the value as words: a text without its quotes and escapes, all else as JSON writes it.
    pub fn text(&self) -> String {
        let inside = self.raw.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let text = inside.and_then(|text| walk::unescaped(text.as_bytes()));
        text.map_or_else(|| self.raw.to_owned(), std::borrow::Cow::into_owned)
    }

    /// Returns whether the value is null.
    pub fn is_null(&self) -> bool {
        self.raw == "null"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(body: &str, path: &str) -> Vec<String> {
        let document = Document::new(body.as_bytes()).unwrap();
        document.all(&Path::parse(path).unwrap()).iter().map(Found::text).collect()
    }

    #[test]
    fn paths_lead_to_values() {
        let body = r#" {"error": ["EQuery:Unknown \"pair\""], "result": {"A": [1.10, {"x": null}], "last": 7, "B": []},
            "n": 9007199254740993, "n": 1e999} "#;
        assert_eq!(all(body, "error[0]"), ["EQuery:Unknown \"pair\""]);
        assert_eq!(all(body, "result.*!last"), ["[1.10, {\"x\": null}]", "[]"]);
        assert_eq!(all(body, "result.*[0]"), ["1.10"]);
        assert_eq!(all(body, "result.*[].x"), ["null"]);
        assert_eq!(all(body, "$.n"), ["1e999"], "the last of two");
        assert_eq!(all(body, "nothing.here[3]"), Vec::<String>::new());
        assert_eq!(all("[]", "$"), ["[]"]);
        let document = Document::new(body.as_bytes()).unwrap();
        let found = |path: &str| document.find(&Path::parse(path).unwrap());
        assert!(found("result.A[1].x").unwrap().is_null());
        assert_eq!(found("result.l*").unwrap().raw(), "7");
        assert_eq!(found("error").unwrap().raw(), "[\"EQuery:Unknown \\\"pair\\\"\"]");
        assert!(found("result.A.x").is_none());
    }

    #[test]
    fn hostile_documents_are_no_json_or_hold_nothing() {
        let bodies: [&[u8]; 7] =
            [b"", b"{", b"<html>", b"{\"a\":NaN}", b"{\"a\":\"\xff\"}", b"{} x", b"[1,]"];
        for body in bodies {
            assert!(Document::new(body).is_none(), "{body:?}");
        }
        let deep = format!("{{\"a\":{}{},\"b\":1}}", "[".repeat(100_000), "]".repeat(100_000));
        let document = Document::new(deep.as_bytes()).unwrap();
        assert!(document.find(&Path::parse("b").unwrap()).is_none());
        assert!(Document::new(b"\xef\xbb\xbf{}").is_some(), "a byte order mark is no part of it");
        assert_eq!(all("{\"a\":\"\\ud800\"}", "a"), ["\"\\ud800\""], "half a character stays as it is");
    }
}
