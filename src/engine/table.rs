//! A table as DataFusion sees it: which conditions are decided here, and its hot and archived rows as one.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ToDFSchema as _};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;

use super::cold::Archive;
use super::failure::carry;
use super::hot::{self, Keys, Range};
use super::rows::Rows;
use crate::model::Table;
use crate::store::SeriesEntry;

/// A table.
pub(super) struct OneTable {
    rows: Arc<dyn Rows>,
    table: Arc<Table>,
    schema: SchemaRef,
    archive: OnceLock<Arc<Archive>>,
}

/// What a query wants of a table.
pub(super) struct Wanted {
    /// The columns, by their places in the table; all without a list.
    pub(super) projection: Option<Vec<usize>>,
    /// The times.
    pub(super) range: Range,
    /// What the key columns must satisfy.
    pub(super) condition: Option<Arc<dyn PhysicalExpr>>,
    /// All series.
    pub(super) all: Keys,
    /// Which of them satisfy it; all without one.
    pub(super) mask: Option<BooleanArray>,
    /// These.
    pub(super) matching: Keys,
    /// The number of rows that suffice.
    pub(super) limit: Option<usize>,
    /// Whether archived rows are wanted in their order.
    pub(super) is_ordered: bool,
}

impl OneTable {
    /// A table whose rows come from `rows`.
    pub(super) fn new(rows: Arc<dyn Rows>, table: &Table) -> Self {
        let schema = hot::schema(&table.columns());
        Self { rows, table: Arc::new(table.clone()), schema, archive: OnceLock::new() }
    }

    /// Returns whether the keys of a series alone decide a condition.
    fn is_about_keys(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        !columns.is_empty()
            && columns.iter().all(|column| self.table.key_index(&column.name).is_some())
            && !filter.is_volatile()
    }

    fn wanted(&self, state: &dyn Session, filters: &[Expr], series: &[SeriesEntry]) -> Result<Wanted> {
        let mut range = Range::default();
        let mut conditions = Vec::new();
        for filter in filters {
            match hot::range_of(filter) {
                Some(part) => range = range.and(part),
                None => conditions.push(filter.clone()),
            }
        }
        let all = Keys::new(&self.table, series).map_err(carry)?;
        let condition = match conjunction(conditions) {
            Some(condition) => Some(state.create_physical_expr(condition, &all.schema().to_dfschema()?)?),
            None => None,
        };
        let mask = condition.as_ref().map(|condition| all.mask(condition)).transpose()?;
        let matching = match &mask {
            Some(mask) => all.filter(mask)?,
            None => all.clone(),
        };
        let is_ordered = state.config_options().optimizer.prefer_existing_sort;
        Ok(Wanted { projection: None, range, condition, all, mask, matching, limit: None, is_ordered })
    }

    fn archive(&self, series: &[SeriesEntry]) -> anyhow::Result<Arc<Archive>> {
        if let Some(archive) = self.archive.get() {
            return Ok(Arc::clone(archive));
        }
        let archive = Arc::new(Archive::load(&self.rows, &self.table, series)?);
        Ok(Arc::clone(self.archive.get_or_init(|| archive)))
    }
}

impl std::fmt::Debug for OneTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneTable").field("table", &self.table.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for OneTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| {
            if self.is_about_keys(filter) || hot::range_of(filter).is_some() {
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
        let series = self.rows.series(&self.table.name).map_err(carry)?;
        let mut wanted = self.wanted(state, filters, &series)?;
        (wanted.projection, wanted.limit) = (projection.cloned(), limit);
        let archive = self.archive(&series).map_err(carry)?;
        let threads = state.config().target_partitions();
        let mut inputs = archive.plan(&self.table, &wanted, threads)?;
        if inputs.is_empty() || self.rows.has_rows(&self.table.name).map_err(carry)? {
            inputs.push(hot::plan(&self.rows, &self.table, &wanted)?);
        }
        UnionExec::try_new(inputs)
    }
}
