//! What the records of a JSON input look like.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};

use super::Block;
use super::cell::{Cell, Record as _};
use super::json::{JsonReading, Key, each_text};
use super::path::Step;

/// What the records of a head have at their top.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// The keys of objects, in the order they come.
    pub(super) keys: Vec<String>,
    /// The longest array.
    pub(super) width: usize,
}

/// Looks at the records of a head.
pub(super) fn shape(head: &[Block]) -> Shape {
    /// Records looked at: their keys seldom differ, and all are looked at once more when read.
    const ENOUGH: usize = 10_000;
    shape_of(head, ENOUGH)
}

/// Looks at all records of a block.
pub(super) fn whole_shape(block: &Block) -> Shape {
    shape_of(std::slice::from_ref(block), usize::MAX)
}

fn shape_of(head: &[Block], enough: usize) -> Shape {
    struct Look<'a>(&'a mut Shape, &'a mut HashSet<String>);
    impl<'de> Visitor<'de> for Look<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object or an array")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some((Key(key), _)) = map.next_entry::<Key<'_>, serde::de::IgnoredAny>()? {
                if !self.1.contains(key.as_ref()) {
                    self.1.insert(key.to_string());
                    self.0.keys.push(key.into_owned());
                }
            }
            Ok(())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
            let mut width = 0;
            while elements.next_element::<serde::de::IgnoredAny>()?.is_some() {
                width += 1;
            }
            self.0.width = self.0.width.max(width);
            Ok(())
        }
    }
    let (mut shape, mut known, mut seen) = (Shape::default(), HashSet::new(), 0);
    for block in head {
        each_text(block, |start, end| {
            let text = block.bytes.get(start..end).unwrap_or_default();
            // A record that is no JSON is told when it is read.
            if serde_json::Deserializer::from_slice(text)
                .deserialize_any(Look(&mut shape, &mut known))
                .is_ok()
            {
                seen += 1;
            }
            seen < enough
        });
        if seen >= enough {
            break;
        }
    }
    shape
}

/// Returns whether some record of a head has a value at a path.
pub(super) fn has_path(head: &[Block], path: &[Step]) -> bool {
    let reading = JsonReading::new([(0, path.to_vec())], 1);
    let mut is_there = false;
    for block in head {
        reading.each(block, |record| {
            is_there = record.is_ok_and(|record| record.cell(0) != Cell::Null);
            !is_there
        });
        if is_there {
            break;
        }
    }
    is_there
}
