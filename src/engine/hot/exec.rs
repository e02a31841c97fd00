//! The step of a plan that reads a table of the hot store.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{collect_columns, split_conjunction};
use datafusion::physical_expr_common::physical_expr::snapshot_physical_expr;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};

use super::keys::Keys;
use super::layout::Layout;
use super::range::Range;
use super::read::{self, Job};
use crate::engine::failure::carry;
use crate::engine::rows::Rows;
use crate::model::Table;
use crate::store::Scan;

/// Series that are looked into one by one rather than asking an index which of them have rows.
const FEW_SERIES: usize = 64;

/// Reads some series of a table in a time range, in the order of the store.
#[derive(Clone)]
pub(super) struct HotScan {
    pub(super) rows: Arc<dyn Rows>,
    pub(super) table: Arc<Table>,
    pub(super) layout: Layout,
    /// The series that match.
    pub(super) keys: Keys,
    /// The number of all series of the table.
    pub(super) all: usize,
    pub(super) range: Range,
    pub(super) limit: Option<usize>,
    properties: Arc<PlanProperties>,
    /// Conditions that joins find out while they run; they only spare reading.
    dynamic: Vec<Arc<dyn PhysicalExpr>>,
}

impl HotScan {
    /// A scan of `keys` out of `all` series.
    pub(super) fn new(
        rows: Arc<dyn Rows>,
        table: Arc<Table>,
        layout: Layout,
        (keys, all): (Keys, usize),
        (range, limit): (Range, Option<usize>),
    ) -> Result<Self> {
        let properties = PlanProperties::new(
            layout.properties(&table, &keys)?,
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        let properties = Arc::new(properties);
        Ok(Self { rows, table, layout, keys, all, range, limit, properties, dynamic: Vec::new() })
    }

    fn scan(&self) -> Scan {
        Scan {
            table: self.table.name.clone(),
            fields: self.layout.fields.clone(),
            since: self.range.since,
            until: self.range.until,
        }
    }

    fn job(self, threads: usize) -> anyhow::Result<Job> {
        let keys = narrow(self.keys, &self.dynamic);
        let Self { rows, table, layout, range, limit, .. } = self;
        let keys = within(rows.as_ref(), &table, keys, range)?;
        Ok(Job { rows, table, layout, keys, range, limit, threads })
    }
}

/// Returns the series that have rows in the range, where an index says so sooner than a look into each.
fn within(rows: &dyn Rows, table: &Table, keys: Keys, range: Range) -> anyhow::Result<Keys> {
    if range.is_open() || keys.len() < FEW_SERIES {
        return Ok(keys);
    }
    let range =
        (range.since.unwrap_or(i64::MIN), range.until.map_or(i64::MAX, |until| until.saturating_sub(1)));
    // An entry of the index is read in a tenth of the time of a look into a series.
    match rows.series_within(&table.name, range, keys.len().saturating_mul(4))? {
        Some(series) => {
            let has = |place: &usize| series.contains(&keys.ids[*place]);
            let places: Vec<usize> = (0..keys.len()).filter(has).collect();
            keys.take(&places)
        }
        None => Ok(keys),
    }
}

/// Returns the series that the parts of `conditions` about key columns leave.
fn narrow(mut keys: Keys, conditions: &[Arc<dyn PhysicalExpr>]) -> Keys {
    for condition in conditions {
        let Ok(now) = snapshot_physical_expr(Arc::clone(condition)) else { continue };
        for part in split_conjunction(&now) {
            if keys.decide(part)
                && let Ok(left) = keys.matching(part)
            {
                keys = left;
            }
        }
    }
    keys
}

impl std::fmt::Debug for HotScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HotScan").field("table", &self.table.name).finish_non_exhaustive()
    }
}

impl DisplayAs for HotScan {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HotScan: table={}, series={} of {}", self.table.name, self.keys.len(), self.all)?;
        if !self.range.is_open() {
            write!(f, ", ts={}", self.range)?;
        }
        let columns =
            self.layout.schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>();
        write!(f, ", columns=[{}]", columns.join(", "))?;
        if let Some(limit) = self.limit {
            write!(f, ", limit={limit}")?;
        }
        if !self.dynamic.is_empty() {
            f.write_str(", series narrowed by the join")?;
        }
        match self.rows.explain(&self.scan()) {
            Ok(sql) => write!(f, ", sql={sql}"),
            Err(err) => write!(f, ", {err}"),
        }
    }
}

#[async_trait]
impl ExecutionPlan for HotScan {
    fn name(&self) -> &'static str {
        "HotScan"
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
        if children.is_empty() { Ok(self) } else { internal_err!("a scan has no children") }
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for condition in &self.dynamic {
            if f(condition)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let threads = context.session_config().target_partitions();
        let scan = self.clone();
        // A join has found out its conditions when it first asks for a row.
        Ok(make_cooperative(read::stream(move || scan.job(threads).map_err(carry), &self.layout)))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self { limit, ..self.clone() }))
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let is_about_keys = |condition: &Arc<dyn PhysicalExpr>| {
            collect_columns(condition).iter().any(|column| self.table.key_index(column.name()).is_some())
        };
        let dynamic: Vec<_> = match phase {
            FilterPushdownPhase::Pre => Vec::new(),
            FilterPushdownPhase::Post => {
                let filters = result.parent_filters.iter().map(|parent| &parent.filter);
                filters.filter(|filter| is_about_keys(filter)).cloned().collect()
            }
        };
        let unsupported = FilterPushdownPropagation::all_unsupported(result);
        if dynamic.is_empty() {
            return Ok(unsupported);
        }
        Ok(unsupported.with_updated_node(Arc::new(Self { dynamic, ..self.clone() })))
    }
}

/// What a query reads of the hot rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableScan {
    /// The table.
    pub table: String,
    /// The series that are looked into, and all there are.
    pub series: (usize, usize),
    /// The first time wanted.
    pub since: Option<i64>,
    /// The first time no longer wanted.
    pub until: Option<i64>,
}

/// Returns what a plan reads of hot rows.
pub(in crate::engine) fn scans(plan: &Arc<dyn ExecutionPlan>) -> Vec<TableScan> {
    let mut found: Vec<TableScan> = plan.children().into_iter().flat_map(scans).collect();
    if let Some(scan) = (plan.as_ref() as &dyn std::any::Any).downcast_ref::<HotScan>() {
        found.push(TableScan {
            table: scan.table.name.clone(),
            series: (scan.keys.len(), scan.all),
            since: scan.range.since,
            until: scan.range.until,
        });
    }
    found
}
