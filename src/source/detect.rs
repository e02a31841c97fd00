//! What an answer means: errors are looked for first, also in answers that call themselves fine.

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use regex::Regex;
use regex::RegexBuilder;
use serde_json::Value;

use super::answer::Answer;
use super::answer::Class;
use super::answer::Fault;
use super::answer::Verdict;
use super::schema::ErrorText;
use super::schema::WhenText;
use super::section;
use super::section::suggestion;
use crate::decode::Document;
use crate::decode::Path;
use crate::error::visible;

/// Bytes of a body that patterns look at: errors are short, and come first.
const PATTERN_BYTES: usize = 64 << 10;
/// Bytes of a compiled pattern.
const PATTERN_SIZE: usize = 1 << 20;
/// Characters of a body that a message quotes.
const QUOTE: usize = 120;
/// Bytes of JSON that are compared with a literal of a definition.
const LITERAL_BYTES: usize = 64 << 10;

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// An error that a provider is known for.
#[derive(Debug)]
pub(super) struct Detector {
    status: Vec<u16>,
    path: Option<Path>,
    equals: Option<String>,
    matches: Option<Regex>,
    body: Option<Regex>,
    header: Option<String>,
    class: Class,
    message: Option<Path>,
}

/// A statement about a document that is true or not.
#[derive(Debug)]
pub(super) struct Condition {
    path: Path,
    wants: Want,
}

#[derive(Debug)]
enum Want {
    Present,
    Absent,
    Equal(Value),
    Different(Value),
}

/// What decides the meaning of an answer.
#[derive(Debug, Default)]
pub(super) struct Detectors {
    pub(super) errors: Vec<Detector>,
    pub(super) empty_when: Vec<Condition>,
    /// Content types of good answers; any where it is empty.
    pub(super) expect: Vec<String>,
    /// Whether good answers are CSV, or JSON; `None` for what they may both be.
    pub(super) is_csv: Option<bool>,
    pub(super) ban_status: Vec<u16>,
}

/// A document that is parsed once, and only where something looks into it.
struct Lazy<'a> {
    body: &'a [u8],
    document: std::cell::OnceCell<Option<Document<'a>>>,
}

impl<'a> Lazy<'a> {
    fn get(&self) -> Option<&Document<'a>> {
        self.document.get_or_init(|| Document::new(self.body)).as_ref()
    }

    fn text(&self, path: &Path) -> Option<String> {
        self.get()?.find(path).filter(|found| !found.is_null()).map(|found| found.text())
    }
}

impl Detector {
    pub(super) fn compile(text: ErrorText) -> Result<Self> {
        let place = "[[error]]";
        let when: WhenText = section::read(text.when, "'when' of [[error]]")?;
        let class = Class::parse(&text.class).with_context(|| {
            let near = suggestion(&text.class, Class::ALL.map(Class::as_str));
            format!("unknown class '{}' in {place}, {near}", text.class)
        })?;
        let path = |key: &str, path: Option<&str>| {
            path.map(Path::parse).transpose().with_context(|| format!("cannot read '{key}' of {place}"))
        };
        let detector = Self {
            status: when.status.into_vec(),
            path: path("path", when.path.as_deref())?,
            equals: when.equals.map(|scalar| scalar.0),
            matches: when.matches.as_deref().map(pattern).transpose()?,
            body: when.body.as_deref().map(pattern).transpose()?,
            header: when.header,
            class,
            message: path("message", text.message.as_deref())?,
        };
        let has_value = detector.path.is_some() || detector.header.is_some();
        ensure!(
            has_value || (detector.equals.is_none() && detector.matches.is_none()),
            "cannot read 'when' of {place}: 'equals' and 'matches' are about a 'path' or a 'header'"
        );
        ensure!(
            has_value || !detector.status.is_empty() || detector.body.is_some(),
            "cannot read 'when' of {place}: it has no condition"
        );
        Ok(detector)
    }

    /// Returns the provider's words if the error is there.
    fn find(&self, answer: &Answer<'_>, document: &Lazy<'_>) -> Option<String> {
        if !self.status.is_empty() && !self.status.contains(&answer.status) {
            return None;
        }
        let mut words = None;
        if let Some(name) = &self.header {
            let value = answer.header(name)?;
            if self.path.is_none() {
                words = Some(self.accept(value)?);
            }
        }
        if let Some(pattern) = &self.body {
            words = Some(pattern.find(&head(answer.body))?.as_str().to_owned());
        }
        if let Some(path) = &self.path {
            words = Some(self.accept(&document.text(path)?)?);
        }
        let message = self.message.as_ref().and_then(|path| document.text(path));
        let words = message.or(words).filter(|words| !words.trim().is_empty());
        Some(words.unwrap_or_else(|| said(answer)))
    }

    fn accept(&self, value: &str) -> Option<String> {
        let fits = self.equals.as_ref().is_none_or(|wanted| wanted == value)
            && self.matches.as_ref().is_none_or(|pattern| pattern.is_match(value));
        fits.then(|| value.to_owned())
    }
}

impl Condition {
    /// Reads `PATH == JSON`, `PATH != JSON`, `PATH` or `!PATH`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let invalid = || {
            format!(
                "invalid condition '{text}' in 'empty_when' of [response]: expected \"PATH == JSON\", \
                 \"PATH != JSON\", \"PATH\" or \"!PATH\""
            )
        };
        let literal = |json: &str| serde_json::from_str(json.trim()).with_context(invalid);
        let (path, wants) = if let Some((path, json)) = text.split_once("==") {
            (path, Want::Equal(literal(json)?))
        } else if let Some((path, json)) = text.split_once("!=") {
            (path, Want::Different(literal(json)?))
        } else if let Some(path) = text.trim().strip_prefix('!') {
            (path, Want::Absent)
        } else {
            (text, Want::Present)
        };
        ensure!(is_plain(path.trim()), "{}", invalid());
        Ok(Self { path: Path::parse(path.trim()).with_context(invalid)?, wants })
    }

    fn holds(&self, document: &Document<'_>) -> bool {
        let found = document.find(&self.path);
        let equals = |wanted: &Value| match found {
            None => wanted.is_null(),
            Some(found) if found.raw().len() > LITERAL_BYTES => false,
            Some(found) => serde_json::from_str::<Value>(found.raw()).is_ok_and(|value| value == *wanted),
        };
        match &self.wants {
            Want::Present => found.is_some_and(|found| !found.is_null()),
            Want::Absent => found.is_none_or(|found| found.is_null()),
            Want::Equal(wanted) => equals(wanted),
            Want::Different(wanted) => !equals(wanted),
        }
    }
}

/// Returns whether a text is a path and no other condition; what keys have else stands in quotes.
fn is_plain(path: &str) -> bool {
    let mut quote = None;
    let is_out_of_place = |c: char| {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => return false,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => return c.is_whitespace() || "=<>~&|()".contains(c),
        }
        false
    };
    !path.is_empty() && !path.starts_with('!') && !path.contains(is_out_of_place)
}

impl Detectors {
    /// Decides what an answer means.
    pub(super) fn classify(&self, answer: &Answer<'_>) -> Verdict {
        let document = Lazy { body: answer.body, document: std::cell::OnceCell::new() };
        for error in &self.errors {
            if let Some(words) = error.find(answer, &document) {
                return fault(error.class, &words);
            }
        }
        if !(200..300).contains(&answer.status) {
            return fault(self.class_of(answer.status), &said(answer));
        }
        if answer.status == 204 {
            return Verdict::Empty;
        }
        if let Some(fault) = self.misfit(answer) {
            return fault;
        }
        // Without the look into the document no body is read twice.
        if !self.empty_when.is_empty()
            && let Some(document) = document.get()
            && self.empty_when.iter().any(|condition| condition.holds(document))
        {
            return Verdict::Empty;
        }
        Verdict::Rows
    }

    fn class_of(&self, status: u16) -> Class {
        match status {
            status if self.ban_status.contains(&status) => Class::Banned,
            401 | 403 => Class::Auth,
            404 | 410 => Class::NotFound,
            418 => Class::Banned,
            429 => Class::RateLimited,
            451 => Class::Geo,
            400..=499 => Class::Request,
            500..=599 => Class::Transient,
            _ => Class::Format,
        }
    }

    /// Returns the fault of an answer that is not of the kind the definition describes.
    fn misfit(&self, answer: &Answer<'_>) -> Option<Verdict> {
        let start = answer.body.strip_prefix(MARK).unwrap_or(answer.body).trim_ascii_start();
        let quote = excerpt(answer.body);
        let Some(first) = start.first() else {
            return Some(fault(Class::Format, "the answer is empty"));
        };
        if *first == b'<' {
            return Some(fault(Class::Format, &format!("the answer is a web page: '{quote}'")));
        }
        if let Some(kind) = answer.header("content-type").filter(|_| !self.expect.is_empty()) {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            if !self.expect.iter().any(|expected| expected.eq_ignore_ascii_case(kind)) {
                let expected = self.expect.join(" or ");
                return Some(fault(
                    Class::Format,
                    &format!("expected an answer of type {expected}, found {kind}: '{quote}'"),
                ));
            }
        }
        let is_json = matches!(*first, b'{' | b'[');
        self.is_csv.filter(|is_csv| *is_csv == is_json).map(|is_csv| {
            let expected = if is_csv { "CSV" } else { "JSON" };
            fault(Class::Format, &format!("expected an answer in {expected}, found '{quote}'"))
        })
    }
}

fn fault(class: Class, words: &str) -> Verdict {
    Verdict::Fault(Fault { class, message: visible(words.trim()) })
}

pub(super) fn pattern(text: &str) -> Result<Regex> {
    let built = RegexBuilder::new(text).size_limit(PATTERN_SIZE).build();
    match built {
        Ok(pattern) => Ok(pattern),
        Err(regex::Error::CompiledTooBig(_)) => bail!("invalid pattern '{text}': it is too large"),
        Err(err) => Err(err).with_context(|| format!("invalid pattern '{text}'")),
    }
}

/// Returns the start of a body as text.
fn head(body: &[u8]) -> std::borrow::Cow<'_, str> {
    let body = body.strip_prefix(MARK).unwrap_or(body);
    String::from_utf8_lossy(body.get(..PATTERN_BYTES).unwrap_or(body))
}

/// Returns the status and the provider's words.
fn said(answer: &Answer<'_>) -> String {
    let quote = excerpt(answer.body);
    let words = if quote.is_empty() { String::new() } else { format!(": '{quote}'") };
    format!("server answered {}{words}", answer.status)
}

/// Returns the title of a web page, else the first text of a body.
fn excerpt(body: &[u8]) -> String {
    let text = head(body);
    let text = if text.trim_start().starts_with('<') { page_text(&text) } else { text.into_owned() };
    let words: Vec<_> = text.split_whitespace().take(QUOTE).collect();
    let words = words.join(" ");
    match words.char_indices().nth(QUOTE) {
        Some((at, _)) => format!("{}…", words.get(..at).unwrap_or_default()),
        None => words,
    }
}

fn page_text(page: &str) -> String {
    let lower = page.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|at| {
        let start = at + lower.get(at..)?.find('>')? + 1;
        let stop = start + lower.get(start..)?.find('<')?;
        page.get(start..stop).filter(|title| !title.trim().is_empty())
    });
    if let Some(title) = title {
        return title.to_owned();
    }
    let (mut text, mut is_tag) = (String::new(), false);
    for c in page.chars() {
        match c {
            '<' => is_tag = true,
            '>' => {
                is_tag = false;
                text.push(' ');
            }
            c if !is_tag => text.push(c),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests;
