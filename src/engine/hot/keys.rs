//! The series of a table as an Arrow batch, so that any condition on key columns is decided by
//! DataFusion itself before a row is read.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use datafusion::arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array,
};
use datafusion::arrow::compute::kernels::cmp::not_distinct;
use datafusion::arrow::compute::{filter_record_batch, prep_null_mask_filter, take, take_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;

use super::columns;
use crate::model::Table;
use crate::store::SeriesEntry;

/// Some series of a table, in the order of their keys.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Keys {
    /// Their numbers in the store.
    pub(in crate::engine) ids: Arc<[i64]>,
    /// Their key columns, a row a series.
    batch: RecordBatch,
}

impl Keys {
    /// Collects the series of a table.
    pub(in crate::engine) fn new(table: &Table, series: &[SeriesEntry]) -> Result<Self> {
        let collect = |at: usize| {
            let column = &table.key[at];
            let values = series.iter().map(|entry| entry.key.0[at].as_ref());
            columns::collect(column.kind, values)
                .with_context(|| format!("cannot read column '{}' of table '{}'", column.name, table.name))
        };
        let arrays = (0..table.key.len()).map(collect).collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(columns::schema(&table.key), arrays)?;
        Ok(Self { ids: series.iter().map(|entry| entry.id).collect(), batch })
    }

    /// Returns the number of series.
    pub(in crate::engine) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns the series for which `condition` is true; its columns are found by their names.
    pub(super) fn matching(&self, condition: &Arc<dyn PhysicalExpr>) -> datafusion::common::Result<Self> {
        self.filter(&self.mask(condition)?)
    }

    /// Returns for each series whether `condition` is true.
    pub(in crate::engine) fn mask(
        &self,
        condition: &Arc<dyn PhysicalExpr>,
    ) -> datafusion::common::Result<BooleanArray> {
        let condition = self.bind(condition)?;
        let mask = condition.evaluate(&self.batch)?.into_array(self.len())?;
        let mask = as_boolean_array(&mask)?;
        // A condition that is null does not hold.
        Ok(if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() })
    }

    /// Returns the series whose place in `mask` is true.
    pub(in crate::engine) fn filter(&self, mask: &BooleanArray) -> datafusion::common::Result<Self> {
        let kept = self.ids.iter().zip(mask.values()).filter(|(_, keep)| *keep).map(|(id, _)| *id);
        Ok(Self { ids: kept.collect(), batch: filter_record_batch(&self.batch, mask)? })
    }

    /// Returns the series at these places.
    pub(in crate::engine) fn take(&self, places: &[usize]) -> Result<Self> {
        let ids = places.iter().map(|place| self.ids[*place]).collect();
        let rows = places.iter().map(|place| u32::try_from(*place)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { ids, batch: take_record_batch(&self.batch, &UInt32Array::from(rows))? })
    }

    /// Returns a key column.
    pub(in crate::engine) fn column(&self, at: usize) -> &ArrayRef {
        self.batch.column(at)
    }

    /// Returns whether key columns alone decide a condition.
    pub(super) fn decide(&self, condition: &Arc<dyn PhysicalExpr>) -> bool {
        let columns = collect_columns(condition);
        !columns.is_empty()
            && columns.iter().all(|column| self.batch.schema_ref().index_of(column.name()).is_ok())
    }

    fn bind(&self, condition: &Arc<dyn PhysicalExpr>) -> datafusion::common::Result<Arc<dyn PhysicalExpr>> {
        let schema = self.batch.schema();
        let bound = Arc::clone(condition).transform(|part| {
            use datafusion::common::tree_node::Transformed;
            match (part.as_ref() as &dyn std::any::Any).downcast_ref::<Column>() {
                Some(column) => {
                    let bound = Column::new_with_schema(column.name(), &schema)?;
                    Ok(Transformed::yes(Arc::new(bound) as Arc<dyn PhysicalExpr>))
                }
                None => Ok(Transformed::no(part)),
            }
        })?;
        Ok(bound.data)
    }

    /// Returns the value all series have in a key column, if there is just one.
    pub(in crate::engine) fn constant(&self, at: usize) -> Option<ScalarValue> {
        let column = self.batch.column(at);
        let first = ScalarValue::try_from_array(column, 0).ok()?;
        let same = not_distinct(column, &first.to_scalar().ok()?).ok()?;
        (same.true_count() == self.len()).then_some(first)
    }

    /// Returns whether a key column is null in some series.
    pub(in crate::engine) fn has_nulls(&self, at: usize) -> bool {
        self.batch.column(at).null_count() > 0
    }

    /// Returns a run of series with text of its own, so that a batch does not keep all keys alive.
    pub(super) fn slice(&self, first: usize, len: usize) -> Run {
        let compact = |column: &ArrayRef| match column.as_string_view_opt() {
            Some(text) => Arc::new(text.slice(first, len).gc()) as ArrayRef,
            None => column.slice(first, len),
        };
        Run { first, columns: self.batch.columns().iter().map(compact).collect() }
    }

    /// Returns the schema of the key columns.
    pub(in crate::engine) fn schema(&self) -> SchemaRef {
        self.batch.schema()
    }
}

/// The keys of neighbouring series.
#[derive(Debug)]
pub(super) struct Run {
    first: usize,
    columns: Vec<ArrayRef>,
}

impl Run {
    /// Returns a key column in which each series of `counts` fills as many rows as it says.
    pub(super) fn repeat(&self, at: usize, counts: &[(usize, usize)]) -> Result<ArrayRef> {
        let mut places = Vec::with_capacity(counts.iter().map(|(_, rows)| rows).sum());
        for (series, rows) in counts {
            let place = u32::try_from(series - self.first).context("cannot number the series of a batch")?;
            places.extend(std::iter::repeat_n(place, *rows));
        }
        Ok(take(&self.columns[at], &UInt32Array::from(places), None)?)
    }
}

/// Returns a batch that has only a number of rows.
pub(super) fn only_rows(schema: &SchemaRef, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), Vec::new(), &options)?)
}
