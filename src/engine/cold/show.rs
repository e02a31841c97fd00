//! Shows people how archived files are read: which of how many, and how much of them is skipped.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::memory::DataSourceExec;
use datafusion::datasource::physical_plan::parquet::{
    PagePruningAccessPlanFilter, ParquetAccessPlan, RowGroupAccess, RowGroupAccessPlanFilter,
    apply_file_schema_type_coercions,
};
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileSource as _, ParquetFileMetrics, ParquetSource,
};
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::simplifier::PhysicalExprSimplifier;
use datafusion::physical_expr_common::physical_expr::fmt_sql;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _, displayable};

use super::file::Files;
use crate::store::ArchiveFile;

/// Where a file in a plan comes from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) reader: Arc<Files>,
    pub(super) table: String,
    /// The number of all files of the table.
    pub(super) all: usize,
}

/// Returns a plan as text, a line a step.
pub(in crate::engine) fn show(plan: &Arc<dyn ExecutionPlan>) -> Result<String> {
    let mut text = String::new();
    append(plan, 0, &mut text)?;
    Ok(text)
}

fn append(plan: &Arc<dyn ExecutionPlan>, depth: usize, text: &mut String) -> Result<()> {
    text.push_str(&"  ".repeat(depth));
    match cold_scan(plan)? {
        Some(line) => {
            text.push_str(&line);
            text.push('\n');
        }
        None => text.push_str(&displayable(plan.as_ref()).one_line().to_string()),
    }
    plan.children().into_iter().try_for_each(|child| append(child, depth + 1, text))
}

/// Returns the line of a step that reads archived files.
fn cold_scan(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<String>> {
    let Some(exec) = plan.downcast_ref::<DataSourceExec>() else { return Ok(None) };
    let Some((config, source)) = exec.downcast_to_file_source::<ParquetSource>() else { return Ok(None) };
    let mut files = BTreeMap::new();
    let mut origin = None;
    for file in config.file_groups.iter().flat_map(FileGroup::iter) {
        let Some(entry) = file.extension::<Arc<ArchiveFile>>() else { return Ok(None) };
        files.insert(entry.id, entry);
        origin = file.extension::<Origin>();
    }
    let Some(origin) = origin else { return Ok(None) };
    let mut read = Read { groups: 0, all_groups: 0, rows: 0, all_rows: 0 };
    let predicate = source.filter();
    for entry in files.values() {
        match &predicate {
            Some(predicate) => read.count(entry, origin, (config, predicate))?,
            None => read.all_rows += entry.rows,
        }
    }
    let mut line =
        vec![format!("ColdScan: table={}", origin.table), format!("files={} of {}", files.len(), origin.all)];
    match predicate {
        Some(_) => line.extend([
            format!("row_groups={} of {}", read.groups, read.all_groups),
            format!("rows={} of {}", read.rows, read.all_rows),
        ]),
        None => line.push(format!("rows={}", read.all_rows)),
    }
    let schema = plan.schema();
    let columns: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    line.push(format!("columns=[{}]", columns.join(", ")));
    line.extend(plan.output_ordering().map(|order| format!("order=[{order}]")));
    line.extend(config.limit.map(|limit| format!("limit={limit}")));
    line.extend(source.filter().map(|predicate| format!("where={}", fmt_sql(predicate.as_ref()))));
    Ok(Some(line.join(", ")))
}

/// What is read of how much.
struct Read {
    groups: usize,
    all_groups: usize,
    rows: u64,
    all_rows: u64,
}

impl Read {
    /// Adds what is read of a file where `predicate` must hold: what the reader will find out, too.
    fn count(
        &mut self,
        entry: &Arc<ArchiveFile>,
        origin: &Origin,
        (config, predicate): (&FileScanConfig, &Arc<dyn PhysicalExpr>),
    ) -> Result<()> {
        let metadata = origin.reader.reader(entry).page_index()?;
        let plan = access(&metadata, config, predicate)
            .with_context(|| format!("cannot explain what is read of '{}'", entry.path))?;
        for (group, access) in metadata.row_groups().iter().zip(plan.inner()) {
            let rows = match access {
                RowGroupAccess::Skip => 0,
                RowGroupAccess::Scan => group.num_rows().unsigned_abs(),
                RowGroupAccess::Selection(selection) => selection.row_count() as u64,
            };
            self.all_groups += 1;
            self.groups += usize::from(access.should_scan());
            self.rows += rows;
            self.all_rows += group.num_rows().unsigned_abs();
        }
        Ok(())
    }
}

/// Returns the row groups and pages that may have rows for which `predicate` holds.
fn access(
    metadata: &ParquetMetaData,
    config: &FileScanConfig,
    predicate: &Arc<dyn PhysicalExpr>,
) -> Result<ParquetAccessPlan> {
    let columns = metadata.file_metadata().schema_descr();
    let logical = config.file_schema();
    let stored = parquet_to_arrow_schema(columns, None)?;
    let schema: SchemaRef = Arc::new(apply_file_schema_type_coercions(logical, &stored).unwrap_or(stored));
    let adapter = config.expr_adapter_factory.as_ref().context("cannot find the types of the table")?;
    let adapter = adapter.create(Arc::clone(logical), Arc::clone(&schema))?;
    let predicate = PhysicalExprSimplifier::new(&schema).simplify(adapter.rewrite(Arc::clone(predicate))?)?;
    let metrics = ParquetFileMetrics::new(0, "", &ExecutionPlanMetricsSet::new());
    let all = ParquetAccessPlan::new_all(metadata.num_row_groups());
    // What cannot be told from statistics is read.
    let pruning = PruningPredicateBuilder::new().with_file_schema(Arc::clone(&schema));
    let Some(pruning) = pruning.build(Arc::clone(&predicate)) else { return Ok(all) };
    let mut groups = RowGroupAccessPlanFilter::new(all);
    groups.prune_by_statistics(&schema, columns, metadata.row_groups(), &pruning, &metrics);
    let pages = PagePruningAccessPlanFilter::new(&predicate, Arc::clone(&schema));
    Ok(pages.prune_plan_with_page_index(groups.build(), &schema, columns, metadata, &metrics))
}
