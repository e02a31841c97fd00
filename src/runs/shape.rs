//! The shape of a query: its text without what differs from one time it is asked to the next.

/// Returns SQL with `?` for each literal, and for a list of them behind `IN`; in lower case but for names in
/// quotes, without comments, and with one blank for several.
pub fn shape(sql: &str) -> String {
    let mut shape = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (token, length) = token(rest, first, shape.chars().next_back());
        match token {
            Token::Blank if shape.is_empty() || shape.ends_with(' ') => {}
            Token::Blank => shape.push(' '),
            Token::Literal => shape.push('?'),
            Token::Name => shape.push_str(&rest[..length]),
            Token::Other => shape.extend(rest[..length].chars().flat_map(char::to_lowercase)),
        }
        rest = &rest[length..];
    }
    let length = shape.trim_end_matches([' ', ';']).len();
    shape.truncate(length);
    without_lists(&shape)
}

/// Returns a shape with one `?` for all between the brackets behind `in`.
///
/// By hand and not by a pattern, as to make one takes longer than all else that a log entry needs.
fn without_lists(shape: &str) -> String {
    let mut text = String::with_capacity(shape.len());
    let mut rest = shape;
    while let Some(at) = rest.find('(') {
        let (before, inside) = rest.split_at(at + 1);
        text.push_str(before);
        rest = inside;
        let word = before[..at].trim_end().strip_suffix("in");
        let is_in = word.is_some_and(|word| !word.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        let end = inside.find(|c| !"?, ".contains(c)).unwrap_or(inside.len());
        if is_in && inside[..end].contains('?') && inside[end..].starts_with(')') {
            text.push('?');
            rest = &inside[end..];
        }
    }
    text + rest
}

enum Token {
    /// Blanks and comments.
    Blank,
    /// A number, or text in quotes.
    Literal,
    /// A name in quotes.
    Name,
    /// A word or a sign.
    Other,
}

/// Returns the token that a text begins with, and its bytes.
fn token(text: &str, first: char, before: Option<char>) -> (Token, usize) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let while_holds = |holds: &dyn Fn(char) -> bool| text.find(|c| !holds(c)).unwrap_or(text.len());
    let next = text[first.len_utf8()..].chars().next();
    match (first, next) {
        (c, _) if c.is_whitespace() => (Token::Blank, while_holds(&char::is_whitespace)),
        ('-', Some('-')) => (Token::Blank, text.find('\n').unwrap_or(text.len())),
        ('/', Some('*')) => (Token::Blank, text.find("*/").map_or(text.len(), |at| at + 2)),
        ('\'', _) => (Token::Literal, quoted(text, '\'')),
        ('"' | '`', _) => (Token::Name, quoted(text, first)),
        (c, next) if starts_number(c, next) && !before.is_some_and(is_word) => (Token::Literal, number(text)),
        (c, _) if is_word(c) => (Token::Other, while_holds(&is_word)),
        (c, _) => (Token::Other, c.len_utf8()),
    }
}

fn starts_number(first: char, next: Option<char>) -> bool {
    first.is_ascii_digit() || (first == '.' && next.is_some_and(|next| next.is_ascii_digit()))
}

/// Returns the bytes of a text in quotes, in which a doubled quote is one.
fn quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    text.len()
}

/// Returns the bytes of a number: digits, a point, an exponent with its sign.
fn number(text: &str) -> usize {
    let mut last = ' ';
    let mut is_part = |c: char| {
        let is_sign = matches!(c, '+' | '-') && matches!(last, 'e' | 'E');
        last = c;
        c.is_alphanumeric() || c == '.' || c == '_' || is_sign
    };
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_left_out_and_names_are_kept() {
        let cases = [
            ("SELECT  *\nFROM bars WHERE symbol='AAPL';", "select * from bars where symbol=?"),
            ("SELECT 'it''s', 1.5e-3, .5, -2, 0x1F", "select ?, ?, ?, -?, ?"),
            ("SELECT \"Open\", ma20, t2.c FROM t2", "select \"Open\", ma20, t2.c from t2"),
            ("SELECT a -- one\n, /* 'x' */ b", "select a , b"),
            ("SELECT 1 WHERE s IN ('a', 'b','c')", "select ? where s in (?)"),
            ("SELECT f(1, 2)", "select f(?, ?)"),
            ("SELECT min(1, 2), a in(1 ,2), b IN (SELECT 1)", "select min(?, ?), a in(?), b in (select ?)"),
            ("SELECT $1 + 5-3", "select $1 + ?-?"),
            ("SELECT 'open", "select ?"),
            ("", ""),
            (" ; ", ""),
            ("SELECT ÄÖ FROM \"ÄÖ\"", "select äö from \"ÄÖ\""),
        ];
        for (sql, expected) in cases {
            assert_eq!(shape(sql), expected, "{sql}");
        }
    }
}
