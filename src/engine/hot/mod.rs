//! A table of the hot store as DataFusion sees it: which conditions are decided here, and how it is read.

mod columns;
mod exec;
mod keys;
mod layout;
mod range;
mod read;
mod work;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ToDFSchema as _};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

pub(super) use columns::Columns;
use exec::HotScan;
use keys::Keys;
use layout::Layout;
use range::Range;

use super::failure::carry;
use super::rows::Rows;
use crate::model::Table;

/// A table of the hot store.
pub(super) struct HotTable {
    rows: Arc<dyn Rows>,
    table: Arc<Table>,
    schema: SchemaRef,
}

impl HotTable {
    /// A table whose rows come from `rows`.
    pub(super) fn new(rows: Arc<dyn Rows>, table: &Table) -> Self {
        Self { rows, table: Arc::new(table.clone()), schema: columns::schema(&table.columns()) }
    }

    /// Returns whether the keys of a series alone decide a condition.
    fn is_about_keys(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        !columns.is_empty()
            && columns.iter().all(|column| self.table.key_index(&column.name).is_some())
            && !filter.is_volatile()
    }

    fn keys(&self) -> anyhow::Result<Keys> {
        Keys::new(&self.table, &self.rows.series(&self.table.name)?)
    }
}

impl std::fmt::Debug for HotTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HotTable").field("table", &self.table.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for HotTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| {
            if self.is_about_keys(filter) || range::of(filter).is_some() {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut range = Range::default();
        let mut conditions = Vec::new();
        for filter in filters {
            match range::of(filter) {
                Some(part) => range = range.and(part),
                None => conditions.push(filter.clone()),
            }
        }
        let keys = self.keys().map_err(carry)?;
        let all = keys.len();
        let keys = match conjunction(conditions) {
            Some(condition) => {
                let schema = keys.schema().to_dfschema()?;
                keys.matching(&state.create_physical_expr(condition, &schema)?)?
            }
            None => keys,
        };
        let layout = Layout::new(&self.table, projection)?;
        let scan = HotScan::new(
            Arc::clone(&self.rows),
            Arc::clone(&self.table),
            layout,
            (keys, all),
            (range, limit),
        )?;
        Ok(Arc::new(scan))
    }
}
