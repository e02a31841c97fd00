//! The values that are wanted of a record, found in one pass over it.

use super::path::Step;
use super::walk;

/// The slots that values go into, by the steps to them.
#[derive(Clone, Debug, Default)]
pub(super) struct Want {
    takes: Vec<usize>,
    keys: Vec<(Box<str>, Self)>,
    wild: Vec<(Step, Self)>,
    places: Vec<(usize, Self)>,
    /// The slots here and below.
    slots: Vec<usize>,
}

/// A value of a record, as a piece of its text or of what was unescaped.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Piece {
    #[default]
    Nothing,
    /// A value that is no text, in place.
    Token { start: usize, end: usize },
    /// A text without escapes, in place.
    Plain { start: usize, end: usize },
    /// A text whose escapes were resolved.
    Unescaped { start: usize, end: usize },
    /// The place of a record.
    Whole(i64),
}

/// The values of a record and of those around it, by slot.
pub(super) struct Sheet<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) pieces: Vec<Piece>,
    /// For each slot whether a value was ever there, be it null.
    pub(super) seen: Vec<bool>,
    unescaped: String,
    /// Whether a text has an escape that makes no character.
    is_bad: bool,
}

impl Want {
    /// Wants the value that steps lead to; of several the first that is not null.
    pub(super) fn add(&mut self, steps: &[Step], slot: usize) {
        self.slots.push(slot);
        match steps.split_first() {
            None => self.takes.push(slot),
            Some((Step::Key(key), rest)) => {
                child(&mut self.keys, |known| **known == **key, || key.as_str().into()).add(rest, slot);
            }
            Some((Step::Index(place), rest)) => {
                child(&mut self.places, |known| known == place, || *place).add(rest, slot);
            }
            Some((step, rest)) => {
                child(&mut self.wild, |known| known == step, || step.clone()).add(rest, slot);
            }
        }
    }

    /// Returns whether the record itself is wanted, and not only what is in it.
    pub(super) fn takes_whole(&self) -> bool {
        !self.takes.is_empty()
    }

    /// Returns the slots that the record fills.
    pub(super) fn slots(&self) -> &[usize] {
        &self.slots
    }

    fn is_leaf(&self) -> bool {
        self.slots.len() == self.takes.len()
    }
}

fn child<K>(all: &mut Vec<(K, Want)>, is_it: impl Fn(&K) -> bool, make: impl Fn() -> K) -> &mut Want {
    let place = all.iter().position(|(key, _)| is_it(key)).unwrap_or_else(|| {
        all.push((make(), Want::default()));
        all.len() - 1
    });
    &mut all[place].1
}

impl<'a> Sheet<'a> {
    /// Starts without values.
    pub(super) fn new(bytes: &'a [u8], slots: usize) -> Self {
        let (pieces, seen) = (vec![Piece::Nothing; slots], vec![false; slots]);
        Self { bytes, pieces, seen, unescaped: String::new(), is_bad: false }
    }

    /// Returns how much text was unescaped so far, for [`Sheet::forget`].
    pub(super) fn mark(&self) -> usize {
        self.unescaped.len()
    }

    /// Empties the slots of a scope, and drops what was unescaped behind a mark.
    pub(super) fn forget(&mut self, want: &Want, mark: usize) {
        self.truncate(mark);
        self.clear(want);
    }

    /// Drops what was unescaped behind a mark.
    pub(super) fn truncate(&mut self, mark: usize) {
        self.unescaped.truncate(mark);
    }

    /// Returns whether a text had an escape that makes no character.
    pub(super) fn is_bad(&self) -> bool {
        self.is_bad
    }

    /// Returns whether a text had an escape that makes no character, since this was last asked.
    pub(super) fn take_bad(&mut self) -> bool {
        std::mem::take(&mut self.is_bad)
    }

    /// Returns the start of the value in a slot, unless it is null.
    pub(super) fn start(&self, slot: usize) -> Option<usize> {
        match self.pieces.get(slot) {
            Some(Piece::Token { start, .. }) => Some(*start),
            // In front of it stands its quote.
            Some(Piece::Plain { start, .. }) => start.checked_sub(1),
            _ => None,
        }
    }

    /// Puts a text that stands nowhere in the document into a slot.
    pub(super) fn put_text(&mut self, slot: usize, text: &str) {
        let start = self.unescaped.len();
        self.unescaped.push_str(text);
        self.put(slot, Piece::Unescaped { start, end: self.unescaped.len() });
    }

    /// Puts a piece into a slot.
    pub(super) fn put(&mut self, slot: usize, piece: Piece) {
        if let (Some(place), Some(seen)) = (self.pieces.get_mut(slot), self.seen.get_mut(slot)) {
            (*place, *seen) = (piece, true);
        }
    }

    /// Returns the text of a piece; a whole number has none.
    pub(super) fn text(&self, piece: Piece) -> Option<&[u8]> {
        match piece {
            Piece::Token { start, end } | Piece::Plain { start, end } => self.bytes.get(start..end),
            Piece::Unescaped { start, end } => self.unescaped.as_bytes().get(start..end),
            Piece::Nothing | Piece::Whole(_) => None,
        }
    }

    /// Fills the slots with the values of the record that starts at a place, and returns its end.
    pub(super) fn fill(&mut self, want: &Want, at: usize) -> Option<usize> {
        let bytes = self.bytes;
        let end = match bytes.get(at)? {
            b'{' if !(want.keys.is_empty() && want.wild.is_empty()) => {
                walk::object(bytes, at, |key, value| self.entry(want, key, value))?
            }
            b'[' if !want.places.is_empty() => walk::array(bytes, at, |place, value| {
                match want.places.iter().find(|(wanted, _)| *wanted == place) {
                    Some((_, inner)) => self.fill(inner, value),
                    None => walk::skip_value(bytes, value),
                }
            })?,
            _ => walk::skip_value(bytes, at)?,
        };
        for slot in &want.takes {
            self.take(*slot, at, end);
        }
        Some(end)
    }

    /// Fills the slots that a key leads to, and returns the end of its value.
    fn entry(&mut self, want: &Want, key: &[u8], value: usize) -> Option<usize> {
        let unescaped;
        let key = if key.contains(&b'\\') {
            unescaped = walk::unescaped(key).unwrap_or_default();
            unescaped.as_bytes()
        } else {
            key
        };
        let mut end = None;
        if let Some((_, inner)) = want.keys.iter().find(|(wanted, _)| wanted.as_bytes() == key) {
            // Of a key that comes twice the last counts, with all that is in it.
            if !inner.is_leaf() {
                self.clear(inner);
            }
            end = Some(self.fill(inner, value)?);
        }
        for (step, inner) in &want.wild {
            let is_free = inner.slots.iter().all(|slot| self.pieces.get(*slot) == Some(&Piece::Nothing));
            if is_free && std::str::from_utf8(key).is_ok_and(|key| step.leads_to(key)) {
                end = Some(self.fill(inner, value)?);
            }
        }
        end.or_else(|| walk::skip_value(self.bytes, value))
    }

    /// Puts the value between two places into a slot.
    #[inline]
    pub(super) fn take(&mut self, slot: usize, start: usize, end: usize) {
        let piece = match self.bytes.get(start..end).unwrap_or_default() {
            b"null" => Piece::Nothing,
            [b'"', text @ .., b'"'] if !text.contains(&b'\\') => {
                Piece::Plain { start: start + 1, end: end - 1 }
            }
            [b'"', text @ .., b'"'] => {
                if let Some(text) = walk::unescaped(text) {
                    return self.put_text(slot, &text);
                }
                self.is_bad = true;
                Piece::Nothing
            }
            _ => Piece::Token { start, end },
        };
        self.put(slot, piece);
    }

    /// Empties the slots of a scope.
    pub(super) fn clear(&mut self, want: &Want) {
        for slot in &want.slots {
            if let Some(piece) = self.pieces.get_mut(*slot) {
                *piece = Piece::Nothing;
            }
        }
    }
}
