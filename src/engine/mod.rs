//! SQL over the store: the only module that names DataFusion.
//!
//! A query sees the tables of one [`Snapshot`] and the files given beside them, nothing else: SQL text
//! opens no file and changes nothing.

mod answer;
mod cold;
mod failure;
mod files;
mod functions;
mod grouping;
mod guard;
mod hot;
mod kept;
mod members;
mod minutes;
mod nanos;
mod order;
mod repeat;
mod rewrite;
mod rows;
mod spans;
mod table;
#[cfg(test)]
mod tests;
mod values;
mod whole;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::dataframe::DataFrame;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::Analyzer;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::resolve::resolve_table_references;

use answer::Threads;
pub use answer::{Answer, Next};
use failure::{Stage, translate, unknown_table};
pub use functions::Width;
pub use hot::TableScan;
pub use kept::Kept;
pub use repeat::identify;
use rows::Rows;
use table::OneTable;
pub use values::Values;

use crate::error::Failure;
use crate::store::Snapshot;

/// What a query may use besides the store.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The memory for sorting, grouping and joining; without a limit, as much as it takes.
    pub memory_bytes: Option<usize>,
    /// Names and files that stand beside the tables.
    pub files: Vec<(String, PathBuf)>,
}

/// Runs SQL over one snapshot of the store.
pub struct Engine {
    session: Session,
    threads: Arc<Threads>,
}

/// What it takes to plan and start a query; a copy goes to the thread that does.
#[derive(Clone)]
struct Session {
    context: SessionContext,
    /// The tables, and behind them the files.
    names: Arc<[String]>,
    tables: usize,
    memory_bytes: Option<usize>,
}

impl Engine {
    /// An engine over the tables of `snapshot` and the files of `options`.
    pub fn new(snapshot: Arc<Snapshot>, options: &Options) -> Result<Self> {
        let rows: Arc<dyn Rows> = snapshot;
        Self::over(&rows, options)
    }

    fn over(rows: &Arc<dyn Rows>, options: &Options) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let context = context(cores, options.memory_bytes).map_err(|err| translate(err, Stage::Planning))?;
        let mut names = Vec::with_capacity(rows.tables().len() + options.files.len());
        for table in rows.tables() {
            let provider = OneTable::new(Arc::clone(rows), table);
            context
                .register_table(&table.name, Arc::new(provider))
                .map_err(|err| translate(err, Stage::Planning))?;
            names.push(table.name.clone());
        }
        let (threads, tables) = (Threads::start(cores)?, names.len());
        for (name, file) in &options.files {
            files::check_name(name, names.iter().map(String::as_str))?;
            let (context, table, file) = (context.clone(), name.clone(), file.clone());
            threads.run(async move { files::register(&context, &table, &file).await })?;
            names.push(name.clone());
        }
        let session = Session { context, names: names.into(), tables, memory_bytes: options.memory_bytes };
        Ok(Self { session, threads: Arc::new(threads) })
    }

    /// Runs all statements of `sql` and returns the rows of the last.
    pub fn query(&self, sql: &str) -> Result<Answer> {
        let mut statements = guard::parse(sql)?;
        let last = statements.pop_back().context("cannot run an empty query")?;
        for statement in statements {
            let mut answer = self.start(statement)?;
            while answer.next_batch()?.is_some() {}
        }
        self.start(last)
    }

    /// Returns the plan of the last statement of `sql` for people to read.
    pub fn explain(&self, sql: &str) -> Result<String> {
        let last = guard::parse(sql)?.pop_back().context("cannot explain an empty query")?;
        let session = self.session.clone();
        self.threads.run(async move {
            let frame = session.plan(last).await?;
            let plan = frame.create_physical_plan().await.map_err(|err| translate(err, Stage::Planning))?;
            cold::show(&plan)
        })
    }

    /// Returns what the last statement of `sql` reads of each table, without running it.
    pub fn scans(&self, sql: &str) -> Result<Vec<TableScan>> {
        let last = guard::parse(sql)?.pop_back().context("cannot plan an empty query")?;
        let session = self.session.clone();
        self.threads.run(async move {
            let frame = session.plan(last).await?;
            let plan = frame.create_physical_plan().await.map_err(|err| translate(err, Stage::Planning))?;
            Ok(hot::scans(&plan))
        })
    }

    fn start(&self, statement: Statement) -> Result<Answer> {
        let session = self.session.clone();
        let memory_bytes = session.memory_bytes;
        let (stream, is_repeatable) = self.threads.run(async move {
            let frame = session.plan(statement).await?;
            let is_repeatable = repeat::is_repeatable(frame.logical_plan(), &session.names[..session.tables]);
            let stream =
                frame.execute_stream().await.map_err(|err| translate(err, Stage::Running(memory_bytes)))?;
            Ok((stream, is_repeatable))
        })?;
        Ok(Answer::start(&self.threads, stream, memory_bytes).repeatable(is_repeatable))
    }
}

impl Session {
    async fn plan(&self, statement: Statement) -> Result<DataFrame> {
        self.check_tables(&statement)?;
        let planning = |err| translate(err, Stage::Planning);
        let plan = self.context.state().statement_to_plan(statement).await.map_err(planning)?;
        only_reads(&plan)?;
        let mut state = self.context.state();
        // Archived files are sorted, so windows merge them; sorting them again would take memory for all rows. A scan
        // of archived files says its order only where this is set.
        state.config_mut().options_mut().optimizer.prefer_existing_sort = keeps_order(&plan)?;
        Ok(DataFrame::new(state, plan))
    }

    /// DataFusion has no typed error for an unknown table.
    fn check_tables(&self, statement: &Statement) -> Result<()> {
        let (tables, _) =
            resolve_table_references(statement, true).map_err(|err| translate(err, Stage::Planning))?;
        let state = self.context.state();
        for table in tables {
            let name = table.table();
            let is_ours = matches!(table.schema(), None | Some("public"));
            if is_ours
                && !self.names.iter().any(|known| known == name)
                && !state.table_functions().contains_key(name)
            {
                bail!(unknown_table(name, self.names.iter().map(String::as_str)));
            }
        }
        Ok(())
    }
}

/// Returns whether the rows of a plan are better read in their order: for windows and for rows as they are.
///
/// Groups are not: DataFusion (55.2) makes ordered ones on one core.
fn keeps_order(plan: &LogicalPlan) -> Result<bool> {
    let (mut has_window, mut has_groups) = (false, false);
    plan.apply_with_subqueries(|node| {
        has_window |= matches!(node, LogicalPlan::Window(_));
        has_groups |= matches!(node, LogicalPlan::Aggregate(_));
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(|err| translate(err, Stage::Planning))?;
    Ok(has_window || !has_groups)
}

/// Refuses a plan that would change something, should its text have passed.
fn only_reads(plan: &LogicalPlan) -> Result<()> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    match options.verify_plan(plan) {
        Ok(()) => Ok(()),
        Err(err) => Err(translate(err, Stage::Planning)
            .context(Failure::usage("cannot run the query: queries only read"))),
    }
}

fn context(cores: usize, memory_bytes: Option<usize>) -> datafusion::common::Result<SessionContext> {
    let mut config = SessionConfig::new().with_target_partitions(cores).with_information_schema(true);
    config.options_mut().execution.time_zone = Some("UTC".to_owned());
    let mut environment = RuntimeEnvBuilder::new();
    if let Some(bytes) = memory_bytes {
        environment = environment.with_memory_pool(Arc::new(FairSpillPool::new(bytes)));
        // Each sort sets this aside for merging what it spilled; the usual 10 MiB would be all there is.
        let merging = bytes / (8 * cores.max(1));
        let execution = &mut config.options_mut().execution;
        execution.sort_spill_reservation_bytes = execution.sort_spill_reservation_bytes.min(merging);
    }
    let mut analysis = Analyzer::new().rules;
    analysis.insert(0, Arc::new(whole::SIGNED_DIFFERENCES));
    let mut rules = PhysicalOptimizer::new().rules;
    rules.insert(0, Arc::new(grouping::ForgetOrder));
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(environment.build_arc()?)
        .with_default_features()
        .with_analyzer_rules(analysis)
        .with_analyzer_rule(Arc::new(minutes::WHOLE_MINUTES))
        .with_analyzer_rule(Arc::new(nanos::EXACT_NANOS))
        .with_analyzer_rule(Arc::new(spans::EXACT_SPANS))
        .with_analyzer_rule(Arc::new(members::ExactMembers))
        .with_analyzer_rule(Arc::new(whole::EXACT_WHOLE))
        .with_physical_optimizer_rules(rules)
        .with_physical_optimizer_rule(Arc::new(order::KeepOrder))
        .build();
    let context = SessionContext::new_with_state(state);
    functions::register(&context);
    Ok(context)
}
