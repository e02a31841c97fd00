//! A command line as a record keeps it: without secrets, and without what does not change the work.

use std::ffi::OsString;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// Bytes of a line that are kept: a screen full.
const LONGEST: usize = 4 << 10;

/// Parts of the names of secrets.
const SECRET: [&str; 7] = ["key", "token", "secret", "passw", "auth", "credential", "signature"];

/// Global flags that do not change what a command does, and whether a value follows.
const ASIDE: [(&str, Value); 9] = [
    ("--label", Value::Follows),
    ("--report", Value::Follows),
    ("--store", Value::Follows),
    ("--color", Value::Follows),
    ("--timing", Value::None),
    ("--quiet", Value::None),
    ("--verbose", Value::None),
    ("-q", Value::None),
    ("-v", Value::None),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    None,
    Follows,
}

/// A command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// All of it.
    pub text: String,
    /// Without what does not change the work.
    pub kind: String,
}

impl Line {
    /// Takes the arguments behind the name of the program.
    pub fn new(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let words: Vec<String> =
            arguments.into_iter().map(|argument| hide(&argument.to_string_lossy())).collect();
        let mut kind = Vec::new();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            match ASIDE.iter().find(|(flag, _)| flag == word) {
                Some((_, Value::Follows)) => drop(rest.next()),
                Some((_, Value::None)) => {}
                None if ASIDE.iter().any(|(flag, _)| is_assigned(word, flag)) => {}
                None => kind.push(word.clone()),
            }
        }
        Self { text: joined(&words), kind: joined(&kind) }
    }
}

fn is_assigned(word: &str, flag: &str) -> bool {
    word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='))
}

fn joined(words: &[String]) -> String {
    let quoted: Vec<String> =
        std::iter::once("barn".to_owned()).chain(words.iter().map(|word| quoted(word))).collect();
    cut(quoted.join(" "))
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+*~".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Returns a text without the secrets of URLs, and of `NAME=VALUE` where the name says that it is one.
///
/// By hand and not by patterns, as to make them takes longer than all else that a record needs.
pub(super) fn hide(text: &str) -> String {
    let pair = text.rsplit_once("--set=").map_or(("", text), |(_, pair)| ("--set=", pair));
    if let (flag, Some((name, _))) = (pair.0, pair.1.split_once('='))
        && is_name(name)
        && is_secret(name)
    {
        return format!("{flag}{name}={HIDDEN}");
    }
    hide_parameters(&hide_users(text))
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || "'\"".contains(c)
}

/// Hides what stands before the host of a URL.
fn hide_users(text: &str) -> String {
    let (mut hidden, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("://") {
        let (before, behind) = rest.split_at(at + 3);
        hidden.push_str(before);
        let end = behind.find(|c| ends_word(c) || "/?#".contains(c)).unwrap_or(behind.len());
        let user = behind[..end].rfind('@');
        hidden.push_str(user.map_or("", |_| HIDDEN));
        rest = &behind[user.unwrap_or(0)..];
    }
    hidden + rest
}

/// Hides the values of the parameters of a URL whose names say that they are secrets.
fn hide_parameters(text: &str) -> String {
    let is_mark = |c: char| "?&#;".contains(c);
    let (mut hidden, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(is_mark) {
        let (before, behind) = rest.split_at(at + 1);
        hidden.push_str(before);
        rest = behind;
        let end = behind.find(|c| c == '=' || ends_word(c) || is_mark(c)).unwrap_or(behind.len());
        let (name, value) = behind.split_at(end);
        if value.starts_with('=') && is_secret(name) {
            hidden += name;
            hidden += "=";
            hidden += HIDDEN;
            let length = value.find(|c| ends_word(c) || "&#".contains(c)).unwrap_or(value.len());
            rest = &value[length..];
        }
    }
    hidden + rest
}

fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    !name.is_empty() && !name.starts_with('-') && name.chars().all(is_part)
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Line {
        Line::new(words.iter().map(OsString::from))
    }

    #[test]
    fn secrets_are_hidden() {
        let cases = [
            ("apikey=Canary", "apikey=***"),
            ("--set=api_token=Canary", "--set=api_token=***"),
            ("PASSWORD=a=b", "PASSWORD=***"),
            ("exchange=nyse", "exchange=nyse"),
            ("https://me:Canary@host/a?b=1", "https://***@host/a?b=1"),
            ("http://host/a?symbol=B&apiKey=Canary&c=2", "http://host/a?symbol=B&apiKey=***&c=2"),
            ("cannot ask 'https://h/?a&token=Canary' of", "cannot ask 'https://h/?a&token=***' of"),
            ("a://b://c@d?key", "a://b://***@d?key"),
            ("SELECT a FROM b WHERE key=5", "SELECT a FROM b WHERE key=5"),
            ("--key=symbol", "--key=symbol"),
        ];
        for (given, expected) in cases {
            assert_eq!(hide(given), expected);
        }
    }

    #[test]
    fn a_line_is_one_that_a_shell_takes() {
        let line = line(&["query", "SELECT 'a'", "", "-o", "x.csv"]);
        assert_eq!(line.text, r"barn query 'SELECT '\''a'\''' '' -o x.csv");
    }

    #[test]
    fn what_does_not_change_the_work_is_no_part_of_its_kind() {
        let line = line(&["--label", "a", "-v", "fetch", "x", "--report=r.json", "--jobs", "2", "--timing"]);
        assert_eq!(line.kind, "barn fetch x --jobs 2");
        assert_eq!(line.text, "barn --label a -v fetch x --report=r.json --jobs 2 --timing");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let line = line(&[&"é".repeat(5_000)]);
        assert!(line.text.len() <= LONGEST + 3 && line.text.ends_with("é…"));
    }
}
