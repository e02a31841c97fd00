//! Where the values of a document stand: the records inside each other, and the slots that their values go into.

use anyhow::{Result, bail};

use super::super::entry::{At, Shape};
use super::super::layout::Layout;
use super::super::path::{self, Step};
use super::super::want::Want;
use crate::error::Failure;

/// The records of a document, from the document itself to the ones that rows are made of.
#[derive(Clone, Debug)]
pub(in crate::decode) struct Places {
    pub(super) shape: Shape,
    pub(super) scopes: Vec<Scope>,
    pub(super) slots: usize,
    /// The arrays whose elements hold a value of each row, in layout `columns`.
    pub(super) elements: Vec<Elements>,
    /// The names of the fields of positional records.
    columns: Vec<String>,
}

/// An array whose elements hold a value of each row, as `px[][0]` says.
#[derive(Clone, Debug)]
pub(super) struct Elements {
    steps: Vec<Step>,
    /// The slot of the array itself.
    pub(super) slot: usize,
    /// What is wanted of each element.
    pub(super) want: Want,
}

/// A kind of record.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// The name by which the records inside lead to it.
    name: Option<String>,
    pub(super) want: Want,
    pub(super) way: Way,
    /// The slot of the key that the record is the value of.
    pub(super) key: Option<usize>,
    /// The slot of its place among its like.
    pub(super) index: Option<usize>,
}

/// How the records around lead to one.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// It is the document.
    Document,
    /// The value in a slot, or what further steps from it lead to.
    From { slot: usize, rest: Vec<Step>, is_each: bool },
    /// The values in these slots; the arm's key goes into the slot of its column.
    Arms { column: usize, arms: Vec<(String, usize)> },
}

impl Places {
    /// Lays out the records of a layout.
    pub(in crate::decode) fn of(layout: &Layout) -> Result<Self> {
        let shape = layout.shape.unwrap_or(Shape::Objects);
        let document =
            Scope { name: None, want: Want::default(), way: Way::Document, key: None, index: None };
        let columns = layout.columns.clone();
        let mut this = Self { shape, scopes: vec![document], slots: 0, elements: Vec::new(), columns };
        this.descend(layout.root.as_deref().unwrap_or("$"), None)?;
        if shape == Shape::Keyed {
            let slot = this.slot();
            // What a step of the root stands for is the key around it.
            let outer = this.scopes[1].key;
            this.scopes[0].key = this.scopes[0].key.or(outer);
            this.scopes[1].key = Some(slot);
        }
        for explode in &layout.explode {
            this.descend(&explode.path, explode.name.clone())?;
        }
        if let Some(arms) = &layout.arms {
            let column = this.slot();
            let mut ways = Vec::new();
            for key in &arms.keys {
                let slot = this.slot();
                this.innermost().want.add(&single(key)?, slot);
                ways.push((key.clone(), slot));
            }
            this.scopes.push(Scope {
                name: None,
                want: Want::default(),
                way: Way::Arms { column, arms: ways },
                key: None,
                index: None,
            });
        }
        Ok(this)
    }

    /// Returns the slot of the column that the arms stand for.
    pub(in crate::decode) fn arm(&self) -> Option<usize> {
        match self.scopes.last()?.way {
            Way::Arms { column, .. } => Some(column),
            _ => None,
        }
    }

    /// Returns the slots of what a layout's `at` leads to, the first that is not null being meant.
    pub(in crate::decode) fn find(&mut self, at: &At) -> Result<Vec<usize>> {
        let innermost = self.scopes.len() - 1;
        let name = match at {
            At::Index(place) => return Ok(vec![self.wanted(innermost, &[Step::Index(*place)])]),
            At::Name(name) => name.as_str(),
            At::First(_) => return Ok(Vec::new()),
        };
        if let Some(rest) = name.strip_prefix('^') {
            return self.around(name, rest);
        }
        if is_from_document(name) {
            return self.in_document(name).map(|slot| vec![slot]);
        }
        Ok(vec![match name {
            "@key" => self.key(0, name)?,
            "@index" => {
                let slot = self.scopes[innermost].index.unwrap_or_else(|| self.slot());
                self.scopes[innermost].index = Some(slot);
                slot
            }
            "@value" => self.wanted(innermost, &[]),
            _ => match self.columns.iter().position(|column| column == name) {
                Some(place) if self.shape == Shape::Rows => self.wanted(innermost, &[Step::Index(place)]),
                _ if self.shape == Shape::Columns => self.column(name)?,
                _ => self.wanted(innermost, &single(name)?),
            },
        }])
    }

    /// Returns the slot of a path from the document.
    pub(in crate::decode) fn in_document(&mut self, path: &str) -> Result<usize> {
        Ok(self.wanted(0, &single(path)?))
    }

    /// Returns the slots of a path in the records around the innermost one, the nearest first.
    fn around(&mut self, name: &str, path: &str) -> Result<Vec<usize>> {
        if path == "@key" {
            return Ok(vec![self.key(1, name)?]);
        }
        let innermost = self.scopes.len() - 1;
        let named = (1..innermost).rev().find_map(|scope| {
            let rest = path.strip_prefix(self.scopes[scope].name.as_deref()?)?;
            rest.starts_with(['.', '[']).then_some((scope, rest))
        });
        if let Some((scope, rest)) = named {
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            return Ok(vec![self.wanted(scope, &single(rest)?)]);
        }
        if innermost <= 1 {
            bail!(Failure::usage(format!(
                "cannot follow '{name}': there is no record around the rows, `explode` and `arms` make one"
            )));
        }
        let steps = single(path)?;
        Ok((1..innermost).rev().map(|scope| self.wanted(scope, &steps)).collect())
    }

    /// Returns the slot of the key of the nearest record that has one, or of the next such around it.
    fn key(&self, outer: usize, name: &str) -> Result<usize> {
        match self.scopes.iter().rev().filter_map(|scope| scope.key).nth(outer) {
            Some(slot) => Ok(slot),
            None => bail!(Failure::usage(format!(
                "cannot follow '{name}': its record is not the value of a key; layout 'keyed' or a path with `*` makes it one"
            ))),
        }
    }

    /// Adds the records that a path leads to from the innermost ones.
    fn descend(&mut self, path: &str, name: Option<String>) -> Result<()> {
        let steps = path::parse(path)?;
        let is_single = steps.iter().take_while(|step| step.is_single()).count();
        let (first, rest) = steps.split_at(is_single);
        let slot = self.slot();
        self.innermost().want.add(first, slot);
        let has_key = rest.iter().any(|step| matches!(step, Step::AnyBut(_) | Step::Prefix(_)));
        let key = has_key.then(|| self.slot());
        let way = Way::From { slot, rest: rest.to_vec(), is_each: rest.last() == Some(&Step::Each) };
        self.scopes.push(Scope { name, want: Want::default(), way, key, index: None });
        Ok(())
    }

    /// Returns the slot of a column, which may be made of a part of each element of an array.
    fn column(&mut self, name: &str) -> Result<usize> {
        let steps = path::parse(name)?;
        let innermost = self.scopes.len() - 1;
        let Some(each) = steps.iter().position(|step| *step == Step::Each) else {
            return Ok(self.wanted(innermost, &steps));
        };
        let (array, inside) = (&steps[..each], &steps[each + 1..]);
        if inside.contains(&Step::Each) {
            bail!(Failure::usage(format!("invalid path '{name}': a column has one `[]` at most")));
        }
        let known = self.elements.iter().position(|elements| elements.steps == array);
        let place = known.unwrap_or_else(|| {
            let slot = self.wanted(innermost, array);
            self.elements.push(Elements { steps: array.to_vec(), slot, want: Want::default() });
            self.elements.len() - 1
        });
        let slot = self.slot();
        self.elements[place].want.add(inside, slot);
        Ok(slot)
    }

    fn innermost(&mut self) -> &mut Scope {
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    fn wanted(&mut self, scope: usize, steps: &[Step]) -> usize {
        let slot = self.slot();
        self.scopes[scope].want.add(steps, slot);
        slot
    }

    fn slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }
}

/// Returns whether a layout's `at` leads from the document rather than from a record.
pub(in crate::decode) fn is_from_document(name: &str) -> bool {
    name == "$" || name.starts_with("$.") || name.starts_with("$[")
}

/// Reads a path that leads to one value.
fn single(path: &str) -> Result<Vec<Step>> {
    let steps = path::parse(path)?;
    if steps.contains(&Step::Each) {
        bail!(Failure::usage(format!(
            "invalid path '{path}': `[]` leads to several values, which `explode` makes rows of"
        )));
    }
    Ok(steps)
}
