//! Plans how the chosen files of a dataset are read.

use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::stats::Precision;
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExecBuilder;
use datafusion::physical_plan::projection::ProjectionExec;

use super::adapt::Types;
use super::choose::Chosen;
use super::count::ColdCount;
use super::file::Factory;
use super::filter::{Conditions, KeyColumn, and};
use super::show::Origin;
use super::{Archive, Entry};
use crate::archive::Dataset;
use crate::engine::failure::carry;
use crate::engine::hot;
use crate::engine::table::Wanted;
use crate::model::{Column as TableColumn, Table, Value};

/// Streams that are merged at most to keep an order, each with an open file.
const MOST_STREAMS: usize = 256;

/// Bytes that streams read at the same time may hold, and what one holds: some columns of a row group.
const MOST_STREAM_BYTES: u64 = 256 << 20;
const STREAM_BYTES: u64 = 8 << 20;

/// Bytes of a part of a file: a smaller one takes longer to open than to read.
const PART_BYTES: u64 = 4 << 20;

/// How the files of a dataset become rows of the table.
pub(super) struct Scan<'a> {
    archive: &'a Archive,
    table: &'a Table,
    wanted: &'a Wanted,
    /// The columns that the files have, in their order and of the table's types.
    schema: SchemaRef,
    /// Where each column of the table comes from.
    sources: Vec<Source>,
    keys: Vec<KeyColumn>,
    order: Option<LexOrdering>,
}

/// Where a column of the table comes from.
enum Source {
    /// All wanted rows have this value.
    Constant(ScalarValue),
    /// The column at this place of the files.
    File(usize),
}

impl<'a> Scan<'a> {
    /// Describes the files that were chosen.
    pub(super) fn new(
        archive: &'a Archive,
        table: &'a Table,
        wanted: &'a Wanted,
        chosen: &Chosen<'_>,
    ) -> Result<Self> {
        let folders = Dataset::columns(table);
        let mut stored: Vec<TableColumn> = Vec::new();
        let (mut sources, mut keys) = (Vec::new(), Vec::new());
        for (at, column) in table.columns().into_iter().enumerate() {
            let is_stored = !folders.contains(&at);
            let constant = (at < table.key.len()).then(|| chosen.keys.constant(at)).flatten();
            if at < table.key.len() {
                keys.push(KeyColumn { name: column.name.clone(), is_stored, constant: constant.clone() });
            }
            // A union wants columns that are nullable in all of its inputs or in none.
            sources.push(match constant.filter(|_| !column.nullable) {
                Some(value) => Source::Constant(value),
                None => Source::File(stored.len()),
            });
            if is_stored {
                stored.push(column);
            }
        }
        let schema = hot::schema(&stored);
        let order = if wanted.is_ordered { order(table, wanted, chosen, &schema)? } else { None };
        Ok(Self { archive, table, wanted, schema, sources, keys, order })
    }

    /// Returns the plans whose rows together are those of the files.
    pub(super) fn plans(&self, chosen: &Chosen<'_>, threads: usize) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let conditions = Conditions { schema: &self.schema, keys: &self.keys, matching: &chosen.keys };
        let is_every_series = chosen.keys.len() == chosen.dataset.series.len();
        let series = if is_every_series { None } else { self.wanted.condition.as_ref() };
        let series = match series {
            Some(_) => conditions.series(series)?,
            None => None,
        };
        let wanted: Vec<_> = series.into_iter().chain(conditions.times(self.wanted.range)?).collect();
        let mut plans = Vec::new();
        if !chosen.whole.is_empty() {
            plans.push(self.plan(&chosen.whole, None, threads)?);
        }
        if !chosen.partial.is_empty() {
            plans.push(self.plan(&chosen.partial, and(wanted.clone()), threads)?);
        }
        if !chosen.corrected.is_empty() {
            let kept = conditions.kept(chosen)?;
            let condition = and(wanted.into_iter().chain([kept]).collect());
            plans.push(self.plan(&chosen.corrected, condition, threads)?);
        }
        Ok(plans)
    }

    /// Plans to read files, only the rows for which `condition` is true.
    fn plan(
        &self,
        files: &[Entry],
        condition: Option<Arc<dyn PhysicalExpr>>,
        threads: usize,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted = self.columns();
        let stored = |at: &usize| match self.sources[*at] {
            Source::File(place) => Some(place),
            Source::Constant(_) => None,
        };
        let mut columns: Vec<usize> = wanted.iter().filter_map(stored).collect();
        let shown = columns.len();
        let plan: Arc<dyn ExecutionPlan> = match condition {
            None if columns.is_empty() => count(files)?,
            None => self.source(files, columns, threads)?,
            Some(condition) => {
                for column in datafusion::physical_expr::utils::collect_columns(&condition) {
                    if !columns.contains(&column.index()) {
                        columns.push(column.index());
                    }
                }
                let source = self.source(files, columns, threads)?;
                let schema = source.schema();
                let condition = datafusion::physical_expr::utils::reassign_expr_columns(condition, &schema)?;
                let filter = FilterExecBuilder::new(condition, source);
                Arc::new(filter.apply_projection(Some((0..shown).collect()))?.build()?)
            }
        };
        self.fill(plan, &wanted)
    }

    /// Returns the places of the wanted columns in the table.
    fn columns(&self) -> Vec<usize> {
        self.wanted.projection.clone().unwrap_or_else(|| (0..self.sources.len()).collect())
    }

    /// Adds the columns that have one value.
    fn fill(&self, plan: Arc<dyn ExecutionPlan>, wanted: &[usize]) -> Result<Arc<dyn ExecutionPlan>> {
        if wanted.iter().all(|at| matches!(self.sources[*at], Source::File(_))) {
            return Ok(plan);
        }
        let columns = self.table.columns();
        let mut next = 0;
        let expressions = wanted.iter().map(|at| {
            let name = columns[*at].name.clone();
            let expr: Arc<dyn PhysicalExpr> = match &self.sources[*at] {
                Source::Constant(value) => Arc::new(Literal::new(value.clone())),
                Source::File(_) => {
                    next += 1;
                    Arc::new(Column::new(&name, next - 1))
                }
            };
            ProjectionExpr { expr, alias: name }
        });
        let expressions: Vec<_> = expressions.collect();
        Ok(Arc::new(ProjectionExec::try_new(expressions, plan)?))
    }

    /// Plans to read columns of files.
    fn source(&self, files: &[Entry], columns: Vec<usize>, threads: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let factory = Factory(Arc::clone(&self.archive.reader));
        let source = ParquetSource::new(Arc::clone(&self.schema))
            .with_table_parquet_options(TableParquetOptions::default())
            .with_parquet_file_reader_factory(Arc::new(factory));
        let groups = self.groups(files, threads);
        let order = self.order.clone().filter(|_| groups.iter().all(|group| group.len() == 1));
        let rows: u64 = files.iter().map(|entry| entry.file.rows).sum();
        let statistics = Statistics {
            num_rows: Precision::Exact(usize::try_from(rows).unwrap_or(usize::MAX)),
            ..Statistics::new_unknown(&self.schema)
        };
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_output_ordering(order.into_iter().collect())
            .with_expr_adapter(Some(Arc::new(self.types())))
            .with_statistics(statistics)
            .with_projection_indices(Some(columns))?;
        Ok(DataSourceExec::from_data_source(config.build()))
    }

    /// Divides files among streams, each in the order of the keys.
    fn groups(&self, files: &[Entry], threads: usize) -> Vec<FileGroup> {
        let bytes: u64 = files.iter().map(|entry| entry.file.bytes).sum();
        let share = bytes.div_ceil(threads.max(1) as u64).max(PART_BYTES);
        let parts = files.iter().flat_map(|entry| self.parts(entry, entry.file.bytes.div_ceil(share)));
        let parts: Vec<_> = parts.collect();
        let held: u64 = parts.iter().map(|part| part.effective_size().min(STREAM_BYTES)).sum();
        let is_ordered = parts.len() <= MOST_STREAMS && held <= MOST_STREAM_BYTES;
        let streams = if is_ordered { parts.len() } else { threads.max(1) };
        let mut groups = vec![FileGroup::default(); streams];
        for (at, part) in parts.into_iter().enumerate() {
            groups[at % streams].push(part);
        }
        groups
    }

    /// Cuts a file into parts by the places of its row groups.
    fn parts(&self, entry: &Entry, parts: u64) -> Vec<PartitionedFile> {
        let file = &entry.file;
        let all = PartitionedFile::new(file.path.clone(), file.bytes)
            .with_extension(Arc::clone(file))
            .with_extension(Origin {
                reader: Arc::clone(&self.archive.reader),
                table: self.table.name.clone(),
                all: self.archive.all,
            });
        if parts <= 1 {
            return vec![all];
        }
        let place = |part: u64| i64::try_from(file.bytes / parts * part).unwrap_or(i64::MAX);
        let end = |part: u64| {
            if part + 1 == parts { i64::try_from(file.bytes).unwrap_or(i64::MAX) } else { place(part + 1) }
        };
        (0..parts).map(|part| all.clone().with_range(place(part), end(part))).collect()
    }

    fn types(&self) -> Types {
        let default = |column: &TableColumn| match column.default {
            Value::Boolean(flag) => Some((column.name.clone(), ScalarValue::Boolean(Some(flag)))),
            _ => None,
        };
        Types { defaults: self.table.values.iter().filter_map(default).collect() }
    }
}

/// Returns the order of the rows in each file of a dataset.
fn order(
    table: &Table,
    wanted: &Wanted,
    chosen: &Chosen<'_>,
    schema: &SchemaRef,
) -> Result<Option<LexOrdering>> {
    let members = wanted.all.take(&chosen.dataset.series).map_err(carry)?;
    let mut order = Vec::new();
    for (at, column) in table.key.iter().enumerate().filter(|(at, _)| members.constant(*at).is_none()) {
        // The hot rows say where the nulls of matching series lie; the files have those of all.
        let nulls_first = wanted.matching.has_nulls(at);
        if members.has_nulls(at) && !nulls_first {
            return Ok(None);
        }
        order.push((column.name.as_str(), nulls_first));
    }
    order.push(("ts", false));
    if table.ticks {
        order.push(("seq", false));
    }
    let sort = |(name, nulls_first): (&str, bool)| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new_with_schema(name, schema)?);
        Ok(PhysicalSortExpr::new(column, SortOptions { descending: false, nulls_first }))
    };
    let order = order.into_iter().map(sort).collect::<Result<Vec<_>>>()?;
    Ok(LexOrdering::new(order))
}

/// Plans rows without columns.
fn count(files: &[Entry]) -> Result<Arc<dyn ExecutionPlan>> {
    let rows: u64 = files.iter().map(|entry| entry.file.rows).sum();
    match usize::try_from(rows) {
        Ok(rows) => Ok(Arc::new(ColdCount::new(files.len(), rows))),
        Err(err) => Err(carry(anyhow::Error::from(err).context("cannot count the archived rows"))),
    }
}
