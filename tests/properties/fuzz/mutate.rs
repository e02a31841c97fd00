//! Small damages to bytes and texts.

use super::Rng;

/// Numbers at the edges of what types hold.
#[rustfmt::skip]
pub(super) const NUMBERS: &[&str] = &[
    "0", "-0", "1", "-1", "00", "1e0", "0.1", ".5", "5.", "1e-400", "1e400", "-1e308", "1e22", "4.9e-324",
    "127", "128", "255", "256", "32768", "65535", "65536", "2147483647", "2147483648", "-2147483649",
    "4294967295", "4294967296", "9007199254740993", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
    "99999999999999999999999999999999999999", "1704067200", "1704067200000", "1704067200000000",
    "1704067200000000000", "253402300799", "253402300800", "-62167219200", "-62167219201", "NaN", "inf",
    "-Infinity", "0x10", "1_000", "1,000", "1.000,5",
];

/// Texts that parsers get wrong.
#[rustfmt::skip]
pub(super) const TEXTS: &[&str] = &[
    "", " ", "\0", "\u{feff}", "\u{202e}", "é\u{301}", "日本", "\u{1f300}", "\u{10ffff}", "ß", "İ", "\u{85}",
    "\"", "'", "''", "\"\"", "\\", "\\u0000", "\\ud800", "`", ",", ";", ":", "\t", "\r", "\r\n", "\n",
    "\n\n", "{", "}", "[", "]", "(", ")", "{}", "[]", "()", "{{", "}}", "/*", "*/", "--", "//", "#", "$",
    "$$", "^", "@", "*", "%", "%2e%2e", "%00", "%zz", "..", "../", "/", "//x", "?", "&", "=", "|", "!", "~",
    "null", "true", "false", "NULL", "NA", "2024-01-02", "2024-01-02T03:04:05Z", "2024-02-30", "0000-01-01",
    "9999-12-31T23:59:59.999999Z", "10000-01-01", "-0001-01-01", "24:00:00", "02/01/2024",
    "2024-03-10T02:30:00", "2024-01-02T03:04:05.1234567+14:00", "Europe/Berlin", "../../etc/passwd",
    "https://evil.invalid/x", "http://[::1", "//evil.invalid/", "\\\\evil.invalid\\",
    "https://u:p@evil.invalid/",
];

/// Bytes that a repetition adds at most.
const LONGEST: usize = 16 << 10;

/// Returns an element of a list.
pub(super) fn pick<'a, T: ?Sized>(rng: &mut Rng, list: &[&'a T]) -> &'a T {
    list[rng.usize(..list.len())]
}

/// Damages bytes in up to eight places.
pub(super) fn bytes(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..rng.usize(1..=8) {
        damage(rng, bytes, other);
    }
}

fn damage(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = rng.usize(..=bytes.len());
    let end = (at + rng.usize(..=16)).min(bytes.len());
    match rng.u8(..11) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
        2 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'\n', b','][rng.usize(..8)],
        3 => drop(bytes.drain(at..end)),
        4 => {
            let copy = bytes[at..end].to_vec();
            let to = rng.usize(..=bytes.len());
            bytes.splice(to..to, copy);
        }
        5 => {
            let end = (at + rng.usize(..=200)).min(bytes.len());
            let copy = bytes[at..end].repeat(rng.usize(1..=20));
            bytes.splice(at..at, copy);
        }
        6 if rng.u8(..4) == 0 => bytes.truncate(at),
        7 if !other.is_empty() => {
            let from = rng.usize(..other.len());
            let to = (from + rng.usize(..=64)).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        8 => drop(bytes.splice(at..at, pick(rng, TEXTS).bytes())),
        9 => {
            let start = bytes[..at].iter().rposition(|b| !is_digit(*b)).map_or(0, |before| before + 1);
            let end = bytes[at..].iter().position(|b| !is_digit(*b)).map_or(bytes.len(), |more| at + more);
            bytes.splice(start..end, pick(rng, NUMBERS).bytes());
        }
        _ => bytes.insert(at, rng.u8(..)),
    }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || b".-+eE".contains(&byte)
}

/// Splits a text into words, runs of blanks and single signs.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let class = |c: char| if c.is_alphanumeric() || c == '_' { 0 } else { 1 + i32::from(c.is_whitespace()) };
    let mut tokens: Vec<String> = Vec::new();
    let mut last = 1;
    for c in text.chars() {
        match tokens.last_mut() {
            Some(token) if class(c) == last && last != 1 => token.push(c),
            _ => tokens.push(c.into()),
        }
        last = class(c);
    }
    tokens
}

/// Changes a text of a list by others of it and by words.
pub(super) fn one_of(rng: &mut Rng, texts: &[&str], words: &[&str]) -> String {
    let (one, other) = (pick(rng, texts), pick(rng, texts));
    text(rng, one, other, words)
}

/// Changes the words of a text in up to six places, by words of its own, of another text and of a list.
pub(super) fn text(rng: &mut Rng, text: &str, other: &str, words: &[&str]) -> String {
    let (mut all, other) = (tokens(text), tokens(other));
    for _ in 0..rng.usize(1..=6) {
        change(rng, &mut all, &other, words);
    }
    all.concat()
}

fn change(rng: &mut Rng, all: &mut Vec<String>, other: &[String], words: &[&str]) {
    let at = rng.usize(..=all.len());
    let end = (at + rng.usize(..=6)).min(all.len());
    match rng.u8(..12) {
        0 => drop(all.drain(at..end)),
        1 => {
            let copy = all[at..end].to_vec();
            let to = rng.usize(..=all.len());
            all.splice(to..to, copy);
        }
        2 if !all.is_empty() => {
            let (left, right) = (rng.usize(..all.len()), rng.usize(..all.len()));
            all.swap(left, right);
        }
        3 | 4 if at < all.len() && !words.is_empty() => pick(rng, words).clone_into(&mut all[at]),
        5 if !words.is_empty() => all.insert(at, format!(" {} ", pick(rng, words))),
        6 => {
            let place = (at..all.len()).find(|at| all[*at].starts_with(|c: char| c.is_ascii_digit()));
            let place = place.unwrap_or(at);
            let end = (place + 1).min(all.len());
            all.splice(place..end, [pick(rng, NUMBERS).to_owned()]);
        }
        7 if !other.is_empty() => {
            let from = rng.usize(..other.len());
            let to = (from + rng.usize(..=12)).min(other.len());
            all.splice(at..end, other[from..to].iter().cloned());
        }
        8 => all.insert(at, pick(rng, TEXTS).to_owned()),
        9 if rng.u8(..3) == 0 => nest(rng, all, at),
        10 if rng.u8(..4) == 0 => all.truncate(at),
        11 if rng.u8(..4) == 0 => {
            let copy = all[at..end].concat();
            let times = [2, 50, 2_000][rng.usize(..3)];
            all.insert(at, copy.repeat(times.min(LONGEST / copy.len().max(1))));
        }
        _ => all.insert(at, rng.char(..).into()),
    }
}

/// Puts many brackets around a word.
fn nest(rng: &mut Rng, all: &mut Vec<String>, at: usize) {
    let levels = [3, 40, 130, 3_000][rng.usize(..4)];
    let (open, close) = [("(", ")"), ("[", "]"), ("{", "}"), ("-(", ")"), ("[[", "]]")][rng.usize(..5)];
    let end = (at + 1).min(all.len());
    all.insert(end, close.repeat(levels));
    all.insert(at, open.repeat(levels));
}

/// Returns a text of a few letters and of what parsers get wrong.
pub(super) fn word(rng: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..rng.usize(..4) {
        match rng.u8(..6) {
            0 => text.push_str(pick(rng, TEXTS)),
            1 => text.push_str(pick(rng, NUMBERS)),
            2 => text.push(rng.char(..)),
            3 => text.extend(std::iter::repeat_n(rng.alphanumeric(), rng.usize(..300))),
            _ => text.push(rng.alphanumeric()),
        }
    }
    text
}
