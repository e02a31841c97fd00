//! Where records that are lines end.
//!
//! The rule is that of the `csv` crate: a quote opens only at the start of a field, a doubled quote
//! inside is an escape, and a quote anywhere else is text. Data without quotes is passed once.

use std::collections::VecDeque;

use memchr::{memchr, memchr_iter, memrchr};

/// Finds record ends in text that grows at its end and is taken away at its start.
pub(super) struct Scanner {
    /// The delimiter of fields; `None` where quotes mean nothing.
    delimiter: Option<u8>,
    state: State,
    scanned: usize,
    /// Records held back at the end, since the last lines of the input are not wanted.
    held: usize,
    /// The last `held + 1` record ends.
    ends: VecDeque<usize>,
}

#[derive(Clone, Copy)]
enum State {
    Bare,
    Quoted,
    /// Behind a quote inside quotes, which the next byte makes an escape or the end.
    Closing,
}

impl Scanner {
    /// Starts at the beginning of a record.
    pub(super) fn new(delimiter: Option<u8>, held: usize) -> Self {
        Self { delimiter, state: State::Bare, scanned: 0, held, ends: VecDeque::new() }
    }

    /// Scans what `text` has beyond the last call; its start is the start of a record.
    pub(super) fn scan(&mut self, text: &[u8]) {
        let mut at = self.scanned;
        while at < text.len() {
            at = match self.state {
                State::Bare => self.scan_bare(text, at),
                State::Quoted => match memchr(b'"', &text[at..]) {
                    Some(offset) => {
                        self.state = State::Closing;
                        at + offset + 1
                    }
                    None => text.len(),
                },
                State::Closing if text[at] == b'"' => {
                    self.state = State::Quoted;
                    at + 1
                }
                State::Closing => {
                    self.state = State::Bare;
                    at
                }
            };
        }
        self.scanned = at;
    }

    /// Returns whether the text ends inside quotes.
    pub(super) fn is_inside_quotes(&self) -> bool {
        matches!(self.state, State::Quoted)
    }

    /// Returns where the last record that is whole ends.
    pub(super) fn last_end(&self) -> usize {
        self.ends.back().copied().unwrap_or(0)
    }

    /// Scans up to the byte behind the next quote.
    fn scan_bare(&mut self, text: &[u8], from: usize) -> usize {
        let quote = self.delimiter.and_then(|_| memchr(b'"', &text[from..])).map(|offset| from + offset);
        self.note_ends(from, &text[from..quote.unwrap_or(text.len())]);
        let Some(quote) = quote else {
            return text.len();
        };
        // A quote that closed a field cannot stand before this one: the two would be an escape.
        let before = quote.checked_sub(1).map(|before| text[before]);
        if before.is_none_or(|before| matches!(before, b'\n' | b'\r') || Some(before) == self.delimiter) {
            self.state = State::Quoted;
        }
        quote + 1
    }

    fn note_ends(&mut self, from: usize, stretch: &[u8]) {
        if self.held == 0 {
            if let Some(offset) = memrchr(b'\n', stretch) {
                self.ends.clear();
                self.ends.push_back(from + offset + 1);
            }
            return;
        }
        for offset in memchr_iter(b'\n', stretch) {
            if self.ends.len() > self.held {
                self.ends.pop_front();
            }
            self.ends.push_back(from + offset + 1);
        }
    }

    /// Returns the last place where the text may be cut, behind whole records that are not held back.
    pub(super) fn cut(&self) -> Option<usize> {
        if self.ends.len() > self.held { self.ends.front().copied() } else { None }
    }

    /// Notes that the first `count` bytes of the text, which end at a cut, were taken away.
    pub(super) fn taken(&mut self, count: usize) {
        self.scanned = self.scanned.saturating_sub(count);
        self.ends.retain_mut(|end| {
            *end = end.saturating_sub(count);
            *end > 0
        });
    }
}

/// Returns where the last `count` lines of `text` begin.
pub(super) fn last_lines(text: &[u8], count: usize) -> usize {
    let mut start = text.len();
    for _ in 0..count {
        let Some(body) = start.checked_sub(1) else {
            return 0;
        };
        start = memrchr(b'\n', &text[..body]).map_or(0, |at| at + 1);
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, delimiter: Option<u8>, held: usize) -> Option<usize> {
        let mut scanner = Scanner::new(delimiter, held);
        scanner.scan(text.as_bytes());
        scanner.cut()
    }

    #[test]
    fn quotes_hide_line_ends_only_from_the_start_of_a_field() {
        let csv = Some(b',');
        assert_eq!(cut("a\nb", csv, 0), Some(2));
        assert_eq!(cut("a\n\"b\nc", csv, 0), Some(2));
        assert_eq!(cut("a\nx,\"b\n\"\nc", csv, 0), Some(9));
        assert_eq!(cut("a\n5\"b\nc", csv, 0), Some(6));
        assert_eq!(cut("a;\"b\nc", csv, 0), Some(5));
        assert_eq!(cut("\"a\"\"\nb", csv, 0), None);
        assert_eq!(cut("\"a\"x\"\nb", csv, 0), Some(6));
        assert_eq!(cut("\"a\n", None, 0), Some(3));
    }

    #[test]
    fn records_are_held_back() {
        assert_eq!(cut("a\nb\nc\nd", None, 2), Some(2));
        assert_eq!(cut("a\nb\nc", None, 2), None);
        let mut scanner = Scanner::new(None, 1);
        scanner.scan(b"a\nb\nc\n");
        assert_eq!(scanner.cut(), Some(4));
        scanner.taken(4);
        assert_eq!(scanner.cut(), None);
        scanner.scan(b"c\nd\n");
        assert_eq!(scanner.cut(), Some(2));
    }

    #[test]
    fn the_last_lines_need_no_line_end() {
        assert_eq!(last_lines(b"a\nb\nc\n", 1), 4);
        assert_eq!(last_lines(b"a\nb\nc", 1), 4);
        assert_eq!(last_lines(b"a\nb\nc", 2), 2);
        assert_eq!(last_lines(b"a\nb\nc", 9), 0);
        assert_eq!(last_lines(b"", 1), 0);
    }
}
