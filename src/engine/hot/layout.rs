//! What a scan returns: which columns of a table, where each comes from, and in which order the rows are.

use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::physical_expr::equivalence::EquivalenceProperties;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{AcrossPartitions, ConstExpr, PhysicalExpr, PhysicalSortExpr};

use super::columns;
use super::keys::Keys;
use crate::model::Table;
use crate::store::Field;

/// Where an output column comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The key column at this place.
    Key(usize),
    /// The field at this place of the scan.
    Field(usize),
}

/// The columns a scan returns.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Their schema.
    pub(super) schema: SchemaRef,
    /// Where each comes from.
    pub(super) origins: Vec<Origin>,
    /// The fields to read from the store.
    pub(super) fields: Vec<Field>,
    /// The place of each of the table's columns among them.
    places: Vec<Option<usize>>,
}

impl Layout {
    /// The columns at the places `projection` of the table, all without one.
    pub(super) fn new(table: &Table, projection: Option<&Vec<usize>>) -> Result<Self> {
        let all = columns::schema(&table.columns());
        let projection: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..all.fields().len()).collect());
        let mut layout = Self {
            schema: Arc::new(all.project(&projection)?),
            origins: Vec::with_capacity(projection.len()),
            fields: Vec::new(),
            places: vec![None; all.fields().len()],
        };
        let keys = table.key.len();
        let times = keys + 1 + usize::from(table.ticks);
        for (place, at) in projection.into_iter().enumerate() {
            layout.places[at] = Some(place);
            let field = match at {
                at if at < keys => {
                    layout.origins.push(Origin::Key(at));
                    continue;
                }
                at if at == keys => Field::Ts,
                at if at < times => Field::Seq,
                at => Field::Value(at - times),
            };
            layout.origins.push(Origin::Field(layout.fields.len()));
            layout.fields.push(field);
        }
        Ok(layout)
    }

    /// Returns what is known of the rows of `keys`: key columns with one value, and the order.
    pub(super) fn properties(&self, table: &Table, keys: &Keys) -> Result<EquivalenceProperties> {
        let mut properties = EquivalenceProperties::new(Arc::clone(&self.schema));
        if keys.len() == 0 {
            return Ok(properties);
        }
        let mut ordering = Vec::new();
        let mut constants = Vec::new();
        let mut is_ordered = true;
        for at in 0..table.key.len() {
            let column = self.column(at);
            match (keys.constant(at), column) {
                (Some(value), Some(column)) => {
                    constants.push(ConstExpr::new(column, AcrossPartitions::Uniform(Some(value))));
                }
                (Some(_), None) => {}
                (None, Some(column)) if is_ordered => {
                    ordering.push(ascending(column, keys.has_nulls(at)));
                }
                // Rows are not in the order of what follows a column nobody sees.
                (None, _) => is_ordered = false,
            }
        }
        let times = table.key.len()..=table.key.len() + usize::from(table.ticks);
        for column in times.map_while(|at| self.column(at)).take_while(|_| is_ordered) {
            ordering.push(ascending(column, false));
        }
        properties.add_constants(constants)?;
        if !ordering.is_empty() {
            properties.add_ordering(ordering);
        }
        Ok(properties)
    }

    fn column(&self, at: usize) -> Option<Arc<dyn PhysicalExpr>> {
        let place = self.places[at]?;
        Some(Arc::new(Column::new(self.schema.field(place).name(), place)))
    }
}

/// SQL's `ORDER BY` puts nulls last; the store has them first, which only shows where there are some.
fn ascending(column: Arc<dyn PhysicalExpr>, nulls_first: bool) -> PhysicalSortExpr {
    PhysicalSortExpr::new(column, SortOptions { descending: false, nulls_first })
}
