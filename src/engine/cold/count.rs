//! Rows of which nobody wants a column: the manifest knows how many there are, so no file is opened.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::Schema;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::equivalence::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::stream;

/// Rows of a batch, DataFusion's own size.
const BATCH_ROWS: usize = 8_192;

/// Rows without columns.
#[derive(Debug)]
pub(super) struct ColdCount {
    files: usize,
    rows: usize,
    properties: Arc<PlanProperties>,
}

impl ColdCount {
    /// The rows of so many files.
    pub(super) fn new(files: usize, rows: usize) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(Schema::empty())),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { files, rows, properties: Arc::new(properties) }
    }
}

impl DisplayAs for ColdCount {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ColdCount: files={}, rows={}, none read", self.files, self.rows)
    }
}

impl ExecutionPlan for ColdCount {
    fn name(&self) -> &'static str {
        "ColdCount"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a count has no children") }
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, _partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let rows = self.rows;
        let batch = {
            let schema = Arc::clone(&schema);
            move |start: usize| {
                let options = RecordBatchOptions::new().with_row_count(Some(BATCH_ROWS.min(rows - start)));
                Ok(RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &options)?)
            }
        };
        let batches = stream::iter((0..rows).step_by(BATCH_ROWS).map(batch));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn partition_statistics(&self, _partition: Option<usize>) -> Result<Arc<Statistics>> {
        let unknown = Statistics::new_unknown(&Schema::empty());
        Ok(Arc::new(Statistics { num_rows: Precision::Exact(self.rows), ..unknown }))
    }
}
