//! Which queries give the same rows whenever they are asked of the same store, and what tells one from another.

use std::hash::{Hash as _, Hasher};
use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Result, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;

use super::guard;
use crate::store::Snapshot;

/// The longest SQL text whose result is worth keeping. It also bounds how deep the tree of a text can be that is
/// walked here on the caller's stack.
const LONGEST: usize = 16 << 10;

/// Returns what the answer to a query depends on besides the rows: the query, the tables, this program.
///
/// Texts that differ in blanks, comments and the case of keywords and functions give the same. `None` for what is
/// no single SELECT, VALUES or WITH query.
pub fn identify(snapshot: &Snapshot, sql: &str) -> Option<Vec<u8>> {
    let mut identity = Bytes(query(sql)?);
    // The text has the names and types of all columns, and what they hold where there is no value.
    for part in [format!("{:?}", snapshot.tables()).as_str(), env!("CARGO_PKG_VERSION")] {
        part.hash(&mut identity);
    }
    Some(identity.0)
}

/// Returns bytes that two queries have in common exactly if they are parsed to the same tree.
fn query(sql: &str) -> Option<Vec<u8>> {
    if sql.len() > LONGEST {
        return None;
    }
    let mut statements = guard::parse(sql).ok()?;
    let Some(Statement::Statement(mut statement)) = statements.pop_front() else { return None };
    if !statements.is_empty() || !matches!(*statement, ast::Statement::Query(_)) {
        return None;
    }
    let lowered = ast::visit_expressions_mut(&mut *statement, |expr: &mut ast::Expr| {
        lower_function(expr);
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(lowered.is_continue());
    // Not the tree printed as text: sqlparser prints some different texts in quotes alike (0.62). Its hash takes in
    // all of the tree but the places in the text.
    let mut bytes = Bytes::default();
    statement.hash(&mut bytes);
    Some(bytes.0)
}

/// Writes the name of a function as DataFusion looks it up. Other names stay as they are: not all that stand where
/// a column may stand are looked up like one.
fn lower_function(expr: &mut ast::Expr) {
    if let ast::Expr::Function(function) = expr
        && let [ast::ObjectNamePart::Identifier(name)] = &mut function.name.0[..]
        && name.quote_style.is_none()
    {
        name.value.make_ascii_lowercase();
    }
}

/// Collects what is hashed instead of hashing it.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// Returns whether a plan, as it is before anything is computed ahead, reads nothing but these tables, and has no
/// function whose value depends on more than its arguments.
pub(super) fn is_repeatable(plan: &LogicalPlan, tables: &[String]) -> bool {
    let mut is_repeatable = true;
    let visited = plan.apply_with_subqueries(|node| {
        is_repeatable &= reads_only(node, tables);
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                is_repeatable &= is_constant(part);
                go_on(is_repeatable)
            })
        })?;
        go_on(is_repeatable)
    });
    visited.is_ok() && is_repeatable
}

#[allow(clippy::unnecessary_wraps, reason = "the walks want it so")]
fn go_on(is_repeatable: bool) -> Result<TreeNodeRecursion> {
    Ok(if is_repeatable { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
}

/// Returns whether a node of a plan is of a kind that is known to give the same rows for the same input.
fn reads_only(node: &LogicalPlan, tables: &[String]) -> bool {
    match node {
        LogicalPlan::TableScan(scan) => is_ours(&scan.table_name, tables),
        LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => false,
        _ => true,
    }
}

fn is_ours(name: &TableReference, tables: &[String]) -> bool {
    matches!(name.catalog(), None | Some("datafusion"))
        && matches!(name.schema(), None | Some("public"))
        && tables.iter().any(|table| table == name.table())
}

fn is_constant(expr: &Expr) -> bool {
    let volatility = match expr {
        Expr::ScalarFunction(call) => call.func.signature().volatility,
        Expr::HigherOrderFunction(call) => call.func.signature().volatility,
        Expr::AggregateFunction(call) => call.func.signature().volatility,
        Expr::WindowFunction(call) => call.fun.signature().volatility,
        Expr::ScalarVariable(..) | Expr::Placeholder(_) => return false,
        _ => return true,
    };
    volatility == Volatility::Immutable
}
