//! What feeds the columns of a document whose records lie inside each other, and of any input beside its fields.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::super::entry::At;
use super::super::fields::Fields;
use super::super::layout::Layout;
use super::super::plan::Origin;
use super::{Assignment, is_time};
use crate::error::Failure;
use crate::model::Table;

/// What feeds the columns that the layout does not.
#[derive(Clone, Copy)]
pub(in crate::decode) struct Otherwise<'a> {
    /// Whether fields feed the columns that their names speak for.
    pub(in crate::decode) names: Names,
    /// Values of columns that nothing else feeds.
    pub(in crate::decode) values: Option<&'a BTreeMap<String, String>>,
}

/// Whether the names of fields mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decode) enum Names {
    Speak,
    Ignore,
}

impl Otherwise<'_> {
    /// Names, and nothing else.
    pub(in crate::decode) const NAMES: Self = Otherwise { names: Names::Speak, values: None };
}

impl<'a> Assignment<'a> {
    /// Decides what feeds each column by the layout alone, for a document that is not there yet.
    pub(in crate::decode) fn nested(
        table: &'a Table,
        layout: &'a Layout,
        file_name: &'a str,
        fields: &mut Fields<'_>,
    ) -> Result<Self> {
        let mut this = Self::empty(table, layout, file_name);
        this.take_map(fields)?;
        this.take_constants()?;
        this.take_name()?;
        this.take_arms(fields)?;
        this.take_zones(fields)?;
        Ok(this)
    }

    /// Gives the column that the arms stand for its slot.
    fn take_arms(&mut self, fields: &mut Fields<'_>) -> Result<()> {
        let (Some(arms), Some(slot)) = (&self.layout.arms, fields.places().and_then(|places| places.arm()))
        else {
            return Ok(());
        };
        let place = self.place(&arms.column, "fill by arms")?;
        let target = &mut self.targets[place];
        if target.entry.is_some() || target.origin != Origin::Nowhere {
            bail!(Failure::usage(format!(
                "cannot fill column '{}' by arms: it is also mapped or set",
                arms.column
            )));
        }
        target.origin = Origin::Slots(vec![slot]);
        Ok(())
    }

    /// Finds the zones that the document says.
    fn take_zones(&mut self, fields: &mut Fields<'_>) -> Result<()> {
        for target in &self.targets {
            if let (true, Some(name), Some(places)) =
                (is_time(target.column.kind), self.zone_name(target), fields.places())
                && name.starts_with('$')
            {
                self.zones.push((target.column.name.clone(), places.in_document(name)?));
            }
        }
        Ok(())
    }

    /// Gives the key columns and the time that nothing feeds yet their values.
    pub(super) fn take_values(&mut self, values: &BTreeMap<String, String>) -> Result<()> {
        for place in 0..self.targets.len() {
            let target = &self.targets[place];
            let request = self.requests.iter().find(|(column, _)| *column == target.column.name);
            if let Some((_, name)) = request {
                let text = values.get(name).cloned();
                text.map(|text| self.set(place, &text)).transpose()?;
                continue;
            }
            let is_wanted = self.table.key_index(&target.column.name).is_some() || target.column.name == "ts";
            if target.origin == Origin::Nowhere
                && is_wanted
                && let Some(text) = values.get(&target.column.name)
            {
                self.set(place, text)?;
            }
        }
        Ok(())
    }
}

/// Returns the name of a value of the request, as `@request.symbol`.
pub(super) fn request_name(at: &At) -> Option<&str> {
    match at {
        At::Name(name) => name.strip_prefix("@request."),
        _ => None,
    }
}
