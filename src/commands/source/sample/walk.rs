//! Finding records in a JSON sample.

use serde_json::{Map, Value};

use super::Candidate;
use super::field::{Field, form};

/// Objects and arrays inside each other that are looked into.
const DEEPEST: usize = 6;
/// Levels of objects inside a record whose fields are seen.
const DEEPEST_FIELD: usize = 3;
/// Records that are looked at.
const LOOKED_AT: usize = 50;

/// Returns all that may be the records of a document, the outer ones first.
pub(super) fn candidates(document: &Value) -> Vec<Candidate> {
    let mut found = Vec::new();
    visit(document, "", 0, &mut found);
    for candidate in &mut found {
        if candidate.root.is_empty() {
            "$".clone_into(&mut candidate.root);
        }
    }
    found
}

/// Looks at lines that are an object each.
pub(super) fn lines(bytes: &[u8]) -> Vec<Candidate> {
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let records: Vec<Value> = lines.collect();
    let mut candidate = objects(&records, "");
    candidate.format = "ndjson";
    vec![candidate]
}

fn visit(value: &Value, path: &str, depth: usize, found: &mut Vec<Candidate>) {
    if depth > DEEPEST {
        return;
    }
    match value {
        Value::Array(elements) => {
            if !elements.is_empty() && elements.iter().all(Value::is_object) {
                found.push(objects(elements, path));
            }
            let is_row = |element: &Value| {
                element.as_array().is_some_and(|cells| cells.len() > 1 && cells.iter().all(is_scalar))
            };
            if !elements.is_empty() && elements.iter().all(is_row) {
                found.push(rows(elements, path));
            }
            // One element is a wrapping, several are records.
            if let [only] = elements.as_slice() {
                visit(only, &format!("{path}[0]"), depth + 1, found);
            }
        }
        Value::Object(object) => {
            found.extend(keyed(object, path));
            found.extend(columns(object, path));
            for (key, value) in object {
                if let Some(path) = join(path, key) {
                    visit(value, &path, depth + 1, found);
                }
            }
        }
        _ => {}
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

/// Returns the path to a key; none for keys that would mean something else there.
pub(super) fn join(path: &str, key: &str) -> Option<String> {
    let is_plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if key.is_empty() || key.contains('"') || key.starts_with('*') || key.ends_with('*') {
        None
    } else if !is_plain {
        Some(format!("{path}[\"{key}\"]"))
    } else if path.is_empty() {
        Some(key.to_owned())
    } else {
        Some(format!("{path}.{key}"))
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn candidate(layout: &'static str, root: &str, records: usize, fields: Vec<Field>) -> Candidate {
    Candidate { format: "json", layout, root: root.to_owned(), records, fields, notes: Vec::new() }
}

fn objects(elements: &[Value], root: &str) -> Candidate {
    let mut fields = Vec::new();
    let mut nested = Vec::new();
    for element in elements.iter().take(LOOKED_AT) {
        see_record(element, "", 0, &mut Seen { fields: &mut fields, nested: &mut nested });
    }
    let mut candidate = candidate("objects", root, elements.len(), fields);
    candidate.notes = nested
        .iter()
        .map(|path| format!("there are records inside each record: explode = [{{ path = \"{path}[]\" }}]"))
        .collect();
    candidate
}

/// The fields of records, and the paths to records inside them.
struct Seen<'a> {
    fields: &'a mut Vec<Field>,
    nested: &'a mut Vec<String>,
}

fn see_record(record: &Value, path: &str, depth: usize, seen: &mut Seen<'_>) {
    let Value::Object(object) = record else { return };
    for (key, value) in object {
        let Some(path) = join(path, key) else { continue };
        match value {
            Value::Object(_) if depth < DEEPEST_FIELD => see_record(value, &path, depth + 1, seen),
            Value::Array(elements) if elements.iter().any(Value::is_object) => {
                seen.nested.retain(|known| *known != path);
                seen.nested.push(path);
            }
            value if is_scalar(value) => see(seen.fields, &path, key, value),
            _ => {}
        }
    }
}

fn see(fields: &mut Vec<Field>, at: &str, name: &str, value: &Value) {
    let place = fields.iter().position(|field| field.at == at).unwrap_or_else(|| {
        fields.push(Field::new(at, name));
        fields.len() - 1
    });
    fields[place].see(&text(value));
}

fn rows(elements: &[Value], root: &str) -> Candidate {
    let mut fields = Vec::new();
    for element in elements.iter().take(LOOKED_AT) {
        for (place, cell) in element.as_array().into_iter().flatten().enumerate() {
            see(&mut fields, &place.to_string(), "", cell);
        }
    }
    candidate("rows", root, elements.len(), fields)
}

/// Records whose keys are times.
fn keyed(object: &Map<String, Value>, root: &str) -> Option<Candidate> {
    let is_record = |(key, value): (&String, &Value)| value.is_object() && form(key).is_some();
    if object.is_empty() || !object.iter().all(is_record) {
        return None;
    }
    let mut keys = Field::new("@key", "ts");
    let mut fields = Vec::new();
    for (key, record) in object.iter().take(LOOKED_AT) {
        keys.see(key);
        see_record(record, "", 0, &mut Seen { fields: &mut fields, nested: &mut Vec::new() });
    }
    fields.insert(0, keys);
    Some(candidate("keyed", root, object.len(), fields))
}

/// Arrays of one length, each a column.
fn columns(object: &Map<String, Value>, root: &str) -> Option<Candidate> {
    let mut arrays = Vec::new();
    collect(object, "", 0, &mut arrays);
    let count = |length: usize| arrays.iter().filter(|(_, _, cells)| cells.len() == length).count();
    let length = arrays
        .iter()
        .map(|(_, _, cells)| cells.len())
        .filter(|length| *length > 0)
        .max_by_key(|length| count(*length))?;
    if count(length) < 2 {
        return None;
    }
    let mut fields = Vec::new();
    for (at, name, cells) in arrays.iter().filter(|(_, _, cells)| cells.len() == length) {
        let mut field = Field::new(at, name);
        cells.iter().take(LOOKED_AT).for_each(|cell| field.see(&text(cell)));
        fields.push(field);
    }
    Some(candidate("columns", root, length, fields))
}

/// Collects the arrays of plain values in an object: their paths, names and values.
fn collect<'v>(
    object: &'v Map<String, Value>,
    path: &str,
    depth: usize,
    arrays: &mut Vec<(String, String, &'v Vec<Value>)>,
) {
    for (key, value) in object {
        let Some(path) = join(path, key) else { continue };
        match value {
            Value::Array(cells) if !cells.is_empty() && cells.iter().all(is_scalar) => {
                arrays.push((path, key.clone(), cells));
            }
            Value::Array(elements) => {
                if let [Value::Object(only)] = elements.as_slice()
                    && depth < DEEPEST_FIELD
                {
                    collect(only, &format!("{path}[0]"), depth + 1, arrays);
                }
            }
            Value::Object(inner) if depth < DEEPEST_FIELD => collect(inner, &path, depth + 1, arrays),
            _ => {}
        }
    }
}
