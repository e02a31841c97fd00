//! Walking over JSON that is known to be valid, without a copy of it.
//!
//! A value is named by the place it starts at. Every step is checked all the same: text that is not valid, or
//! nested too deeply, ends a walk instead of going astray.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::path::Step;

/// Values inside each other at most.
const DEEPEST: usize = 128;

/// Returns the document without what stands around it, if it is JSON.
pub(super) fn validated(body: &[u8]) -> serde_json::Result<&str> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice::<&RawValue>(body).map(RawValue::get)
}

/// Returns the first place from `at` that is no white space.
#[inline]
pub(super) fn skip_blank(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Returns the end of the value that starts at a place.
#[inline]
pub(super) fn skip_value(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => skip_text(bytes, at),
        b'{' | b'[' => skip_container(bytes, at),
        _ => {
            let mut end = at;
            while !matches!(bytes.get(end), None | Some(b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t')) {
                end += 1;
            }
            (end > at).then_some(end)
        }
    }
}

/// Returns the end of a text, behind its closing quote.
#[inline]
fn skip_text(bytes: &[u8], at: usize) -> Option<usize> {
    let mut from = at + 1;
    loop {
        let found = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
        if bytes.get(found) == Some(&b'"') {
            return Some(found + 1);
        }
        from = found + 2;
    }
}

fn skip_container(bytes: &[u8], at: usize) -> Option<usize> {
    let (mut at, mut depth) = (at, 0_usize);
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = skip_text(bytes, at)?;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > DEEPEST {
                    return None;
                }
            }
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Calls `visit` with the text of each key, between its quotes, and the start of its value; it returns the
/// value's end. Returns the end of the object.
#[inline]
pub(super) fn object<'a>(
    bytes: &'a [u8],
    at: usize,
    mut visit: impl FnMut(&'a [u8], usize) -> Option<usize>,
) -> Option<usize> {
    let mut at = skip_blank(bytes, at + 1);
    while bytes.get(at)? == &b'"' {
        let end = skip_text(bytes, at)?;
        let key = bytes.get(at + 1..end - 1)?;
        at = skip_blank(bytes, end);
        if bytes.get(at)? != &b':' {
            return None;
        }
        at = skip_blank(bytes, visit(key, skip_blank(bytes, at + 1))?);
        if bytes.get(at)? == &b',' {
            at = skip_blank(bytes, at + 1);
        }
    }
    (bytes.get(at)? == &b'}').then_some(at + 1)
}

/// Calls `visit` with the place and the start of each element; it returns the element's end. Returns the end of
/// the array.
#[inline]
pub(super) fn array(
    bytes: &[u8],
    at: usize,
    mut visit: impl FnMut(usize, usize) -> Option<usize>,
) -> Option<usize> {
    let mut at = skip_blank(bytes, at + 1);
    let mut place = 0;
    while bytes.get(at)? != &b']' {
        at = skip_blank(bytes, visit(place, at)?);
        place += 1;
        if bytes.get(at)? == &b',' {
            at = skip_blank(bytes, at + 1);
        }
    }
    Some(at + 1)
}

/// Returns a text without its escapes; `None` where they make no character.
pub(super) fn unescaped(text: &[u8]) -> Option<Cow<'_, str>> {
    if !text.contains(&b'\\') {
        return std::str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(text);
    quoted.push(b'"');
    serde_json::from_slice::<String>(&quoted).ok().map(Cow::Owned)
}

/// Calls `visit` with the start of every value that a path leads to, in the order of the document, and with the
/// last key that a step stood for; returns `None` if it does, or if the walk ends early.
///
/// Of a key that comes twice the last counts.
pub(super) fn each_match<'a>(
    bytes: &'a [u8],
    at: usize,
    steps: &[Step],
    key: Option<&'a [u8]>,
    visit: &mut dyn FnMut(usize, Option<&'a [u8]>) -> Option<()>,
) -> Option<()> {
    let Some((step, rest)) = steps.split_first() else { return visit(at, key) };
    match (step, bytes.get(at)?) {
        (Step::Key(wanted), b'{') => {
            let mut last = None;
            object(bytes, at, |name, value| {
                if unescaped(name).is_some_and(|name| name == wanted.as_str()) {
                    last = Some(value);
                }
                skip_value(bytes, value)
            })?;
            match last {
                Some(value) => each_match(bytes, value, rest, key, visit),
                None => Some(()),
            }
        }
        (Step::AnyBut(_) | Step::Prefix(_), b'{') => object(bytes, at, |name, value| {
            if unescaped(name).is_some_and(|name| step.leads_to(&name)) {
                each_match(bytes, value, rest, Some(name), visit)?;
            }
            skip_value(bytes, value)
        })
        .map(|_| ()),
        (Step::Index(_) | Step::Each, b'[') => array(bytes, at, |place, value| {
            if *step == Step::Each || *step == Step::Index(place) {
                each_match(bytes, value, rest, key, visit)?;
            }
            skip_value(bytes, value)
        })
        .map(|_| ()),
        _ => Some(()),
    }
}
