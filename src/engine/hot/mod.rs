//! The rows of a table that lie in SQLite: which series are read, in which times, and how.

mod columns;
mod exec;
mod keys;
mod layout;
mod range;
mod read;
mod work;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::physical_plan::ExecutionPlan;

#[cfg(test)]
pub(super) use columns::collect;
pub(super) use columns::{Columns, data_type, schema};
use exec::HotScan;
pub use exec::TableScan;
pub(super) use exec::scans;
pub(super) use keys::Keys;
use layout::Layout;
pub(super) use range::{Range, of as range_of};

use super::rows::Rows;
use super::table::Wanted;
use crate::model::Table;

/// Plans to read what is wanted of the hot rows of a table.
pub(super) fn plan(
    rows: &Arc<dyn Rows>,
    table: &Arc<Table>,
    wanted: &Wanted,
) -> Result<Arc<dyn ExecutionPlan>> {
    let layout = Layout::new(table, wanted.projection.as_ref())?;
    let keys = (wanted.matching.clone(), wanted.all.len());
    let scan = HotScan::new(Arc::clone(rows), Arc::clone(table), layout, keys, (wanted.range, wanted.limit))?;
    Ok(Arc::new(scan))
}
