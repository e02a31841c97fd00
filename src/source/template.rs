//! Templates: texts with placeholders such as `{symbol}` and `{window.start:unix_ms}`, compiled once.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;

use super::moment::MomentForm;
use super::section::suggestion;

/// What a value in a path keeps: the unreserved characters of RFC 3986.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What a value in a query keeps: also what stands between the parts of lists and times.
const QUERY: &AsciiSet = &PATH.remove(b',').remove(b':');

/// The placeholders that every definition may use, beside options and the values of steps.
const NAMES: [&str; 10] = [
    "symbol",
    "symbol.lookup",
    "timeframe",
    "window.start",
    "window.end",
    "limit",
    "offset",
    "page",
    "cursor",
    "now",
];
/// The placeholders of a signature.
const SIGN_NAMES: [&str; 6] = ["time", "method", "path", "query", "body", "digest"];

/// What stands for a placeholder.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Slot {
    Symbol,
    Lookup,
    Timeframe,
    Start(MomentForm),
    End(MomentForm),
    Now(MomentForm),
    Limit,
    Offset,
    Page,
    Cursor,
    /// A secret by its name.
    Secret(String),
    /// A value that a step brought.
    Value(String),
    /// A part of the request that is signed, or the signature.
    Sign(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    /// An option, filled in: its value.
    Chosen(String),
    Slot(Slot),
}

/// How the values of placeholders are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As they are.
    Plain,
    /// Percent-encoded.
    Path,
    /// Escaped for a string of JSON.
    Json,
}

/// The names that a template may use.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// The options and their values.
    pub(super) options: BTreeMap<String, String>,
    /// The values that steps bring.
    pub(super) values: BTreeSet<String>,
    /// The secrets, only in `[auth]`.
    pub(super) secrets: Vec<String>,
    /// Whether it is the template of a signature.
    pub(super) signs: bool,
    /// Whether it stands in `[auth]`.
    pub(super) is_auth: bool,
}

/// A compiled template.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

/// Whether braces that hold no placeholder stand for themselves, as in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Braces {
    Doubled,
    Literal,
}

impl Template {
    /// Compiles a text in which `{{` and `}}` are braces.
    pub(super) fn parse(text: &str, names: &Names) -> Result<Self> {
        Self::compile(text, names, Braces::Doubled)
    }

    /// Compiles the text of a JSON body, whose own braces stand for themselves.
    pub(super) fn parse_json(text: &str, names: &Names) -> Result<Self> {
        Self::compile(text, names, Braces::Literal)
    }

    fn compile(text: &str, names: &Names, braces: Braces) -> Result<Self> {
        let mut template = Self::default();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, tail) = rest.split_at(at);
            template.push_text(before);
            if braces == Braces::Doubled && (tail.starts_with("{{") || tail.starts_with("}}")) {
                template.push_text(tail.get(..1).unwrap_or_default());
                rest = tail.get(2..).unwrap_or_default();
                continue;
            }
            let inside = tail.strip_prefix('{').and_then(|tail| tail.split_once('}'));
            match inside {
                Some((name, _)) if has_blanks(name, names) => bail!(
                    "invalid placeholder '{{{name}}}': it has blanks inside, and is written '{{{}}}'",
                    name.trim()
                ),
                Some((name, behind)) if braces == Braces::Doubled || is_placeholder(name) => {
                    template.pieces.push(piece(name, names)?);
                    rest = behind;
                }
                _ if braces == Braces::Literal => {
                    let (brace, behind) = tail.split_at(1);
                    template.push_text(brace);
                    rest = behind;
                }
                _ => bail!(
                    "invalid template '{text}': a brace has no partner; write {{{{ or }}}} for a brace itself"
                ),
            }
        }
        template.push_text(rest);
        Ok(template)
    }

    fn push_text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(before)) => before.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    /// Returns the placeholders that are filled with each request.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.pieces.iter().filter_map(|piece| if let Piece::Slot(slot) = piece { Some(slot) } else { None })
    }

    /// Returns whether an option stands in it.
    pub(super) fn has_option(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Chosen(_)))
    }

    /// Returns the text with placeholders left empty.
    pub(super) fn skeleton(&self) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) | Piece::Chosen(text) => text.clone(),
            Piece::Slot(_) => "{}".to_owned(),
        };
        self.pieces.iter().map(text).collect()
    }

    /// Returns the text with a digit for each placeholder, which fits into JSON inside and outside of quotes.
    pub(super) fn outline(&self) -> String {
        self.pieces.iter().map(|piece| if let Piece::Text(text) = piece { text } else { "0" }).collect()
    }

    /// Fills the placeholders.
    pub(super) fn expand(
        &self,
        encoding: Encoding,
        value: &dyn Fn(&Slot) -> Result<String>,
    ) -> Result<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Chosen(part) => text.push_str(&encode(part, encoding)),
                Piece::Slot(slot) => text.push_str(&encode(&value(slot)?, encoding)),
            }
        }
        Ok(text)
    }
}

/// Returns whether what stands between braces is meant as a placeholder and not as JSON.
fn is_placeholder(name: &str) -> bool {
    let end = name.find(':').unwrap_or(name.len());
    let word = name.get(..end).unwrap_or_default();
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// Returns whether a known placeholder has blanks around it; between braces of JSON no bare word stands.
fn has_blanks(inside: &str, names: &Names) -> bool {
    let word = inside.trim();
    let name = word.split(':').next().unwrap_or_default().trim_end();
    word != inside && (name.starts_with("env.") || known(names).any(|known| known == name))
}

fn piece(inside: &str, names: &Names) -> Result<Piece> {
    let (name, form) = match inside.split_once(':') {
        Some((name, form)) => (name, Some(form)),
        None => (inside, None),
    };
    let time = |slot: fn(MomentForm) -> Slot| -> Result<Slot> {
        let form = form.with_context(|| {
            format!("placeholder '{{{inside}}}' needs the form of the time, as in {{{name}:unix_ms}}")
        })?;
        Ok(slot(MomentForm::parse(form)?))
    };
    match name {
        "window.start" => return time(Slot::Start).map(Piece::Slot),
        "window.end" => return time(Slot::End).map(Piece::Slot),
        "now" => return time(Slot::Now).map(Piece::Slot),
        _ => {}
    }
    if let Some(form) = form.filter(|_| name.starts_with("env.") || known(names).any(|known| known == name)) {
        bail!("unknown form '{form}' of placeholder '{{{inside}}}'");
    }
    if let Some(value) = names.options.get(name) {
        return Ok(Piece::Chosen(value.clone()));
    }
    Ok(Piece::Slot(match name {
        "symbol" => Slot::Symbol,
        "symbol.lookup" => Slot::Lookup,
        "timeframe" => Slot::Timeframe,
        "limit" => Slot::Limit,
        "offset" => Slot::Offset,
        "page" => Slot::Page,
        "cursor" => Slot::Cursor,
        _ => {
            if let Some(secret) = name.strip_prefix("env.") {
                return secret_slot(secret, names).map(Piece::Slot);
            }
            match SIGN_NAMES.into_iter().find(|known| *known == name) {
                Some(part) if names.signs => Slot::Sign(part),
                _ if names.values.contains(name) => Slot::Value(name.to_owned()),
                _ => bail!("unknown placeholder '{{{inside}}}', {}", suggestion(name, known(names))),
            }
        }
    }))
}

fn secret_slot(name: &str, names: &Names) -> Result<Slot> {
    if names.secrets.iter().any(|known| known == name) {
        return Ok(Slot::Secret(name.to_owned()));
    }
    if names.is_auth {
        let listed = names.secrets.iter().map(String::as_str).chain([name]);
        let listed: Vec<_> = listed.map(|name| format!("\"{name}\"")).collect();
        bail!(
            "placeholder '{{env.{name}}}' is not one of the 'secrets' of [auth]: expected secrets = [{}]",
            listed.join(", ")
        );
    }
    if names.secrets.is_empty() {
        bail!("placeholder '{{env.{name}}}' may stand only in [auth], which names it in 'secrets'");
    }
    bail!("placeholder '{{env.{name}}}' is not one of the 'secrets' of [auth]: {}", names.secrets.join(", "))
}

fn known(names: &Names) -> impl Iterator<Item = &str> {
    let sign = SIGN_NAMES.into_iter().filter(|_| names.signs);
    let own = names.options.keys().chain(&names.values).map(String::as_str);
    NAMES.into_iter().chain(own).chain(sign)
}

/// Returns whether a name is taken by a placeholder of every definition.
pub(super) fn is_reserved(name: &str) -> bool {
    NAMES.contains(&name) || name.starts_with("env.")
}

/// Puts options in the place of `{NAME:raw}`, before a text is compiled.
pub(super) fn fill_raw(text: &str, options: &BTreeMap<String, String>) -> String {
    // One pass, so that the text of an option is not searched for options.
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('{') {
        filled.push_str(before);
        let value = tail
            .split_once('}')
            .and_then(|(inside, behind)| Some((options.get(inside.strip_suffix(":raw")?)?, behind)));
        if let Some((value, behind)) = value {
            filled.push_str(value);
            rest = behind;
        } else {
            filled.push('{');
            rest = tail;
        }
    }
    filled.push_str(rest);
    filled
}

fn encode(value: &str, encoding: Encoding) -> String {
    match encoding {
        Encoding::Plain => value.to_owned(),
        Encoding::Path => utf8_percent_encode(value, PATH).to_string(),
        Encoding::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            // The text of a JSON string has its two quotes.
            quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
        }
    }
}

/// Percent-encodes a name or a value of a query.
pub(super) fn encode_query(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            options: [("adjusted".to_owned(), "a&b".to_owned())].into(),
            values: ["crumb".to_owned()].into(),
            ..Names::default()
        }
    }

    fn fill(template: &Template, encoding: Encoding) -> String {
        let value = |slot: &Slot| match slot {
            Slot::Symbol => Ok("M&M".to_owned()),
            Slot::Value(name) => Ok(format!("\"{name}\"\n")),
            Slot::Start(form) => form.write(0),
            other => bail!("no value for {other:?}"),
        };
        template.expand(encoding, &value).unwrap()
    }

    #[test]
    fn placeholders_are_filled_and_braces_doubled() {
        let template = Template::parse("/a/{symbol}/{{x}}/{window.start:date}/{adjusted}", &names()).unwrap();
        assert_eq!(fill(&template, Encoding::Plain), "/a/M&M/{x}/1970-01-01/a&b");
        assert_eq!(fill(&template, Encoding::Path), "/a/M%26M/{x}/1970-01-01/a%26b");
        assert!(template.has_option());
        assert_eq!(template.slots().count(), 2);
    }

    #[test]
    fn braces_of_a_json_body_stand_for_themselves() {
        let text = r#"{"a":{"b":"{symbol}","c":"{crumb}"},"d":{}}"#;
        let template = Template::parse_json(text, &names()).unwrap();
        assert_eq!(fill(&template, Encoding::Json), r#"{"a":{"b":"M&M","c":"\"crumb\"\n"},"d":{}}"#);
    }

    #[test]
    fn values_keep_their_meaning_in_a_query() {
        assert_eq!(encode_query("M&M a+b=c/ü"), "M%26M%20a%2Bb%3Dc%2F%C3%BC");
        assert_eq!(encode_query("div,splits 10:00"), "div,splits%2010:00");
    }

    #[test]
    fn unknown_placeholders_name_the_nearest() {
        let cases = [
            ("{symbl}", "unknown placeholder '{symbl}', the nearest is 'symbol'"),
            ("{crum}", "unknown placeholder '{crum}', the nearest is 'crumb'"),
            (
                "{window.start}",
                "placeholder '{window.start}' needs the form of the time, as in {window.start:unix_ms}",
            ),
            ("{env.KEY}", "placeholder '{env.KEY}' may stand only in [auth], which names it in 'secrets'"),
            ("{symbol:raw}", "unknown form 'raw' of placeholder '{symbol:raw}'"),
            (
                "{window.strt:unix_ms}",
                "unknown placeholder '{window.strt:unix_ms}', the nearest is 'window.start'",
            ),
            (
                "{ symbol }",
                "invalid placeholder '{ symbol }': it has blanks inside, and is written '{symbol}'",
            ),
        ];
        for (text, error) in cases {
            assert_eq!(Template::parse(text, &names()).unwrap_err().to_string(), error, "{text}");
        }
        for text in ["{", "}", "{symbol", "a}b", "{}", "{{}"] {
            assert!(Template::parse(text, &names()).is_err(), "{text}");
        }
        let names = Names { secrets: vec!["KEY".to_owned()], ..names() };
        assert!(Template::parse("{env.OTHER}", &names).is_err());
        let body = r#"{"a":"{ window.start:unix_ms }"}"#;
        assert!(Template::parse_json(body, &names).unwrap_err().to_string().contains("blanks inside"));
        assert!(Template::parse_json(r#"{"a":"{ any }"}"#, &names).is_ok());
        let auth = Names { is_auth: true, ..Names::default() };
        let error = Template::parse("{env.KEY}", &auth).unwrap_err().to_string();
        assert!(error.ends_with("expected secrets = [\"KEY\"]"), "{error}");
        assert_eq!(
            Template::parse("{env.KEY}", &names).unwrap().slots().next(),
            Some(&Slot::Secret("KEY".to_owned()))
        );
    }

    #[test]
    fn raw_options_are_put_in_once() {
        let options = [("url".to_owned(), "https://a/{symbol}?{url:raw}".to_owned())].into();
        assert_eq!(fill_raw("{url:raw}/x{{", &options), "https://a/{symbol}?{url:raw}/x{{");
        assert_eq!(fill_raw("{other:raw}", &options), "{other:raw}");
    }
}
