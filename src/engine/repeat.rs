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

/// Changes where the same question gets another answer than before, so that what was kept is not given again.
const ANSWERS: &str = "3";

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
    for part in [format!("{:?}", snapshot.tables()).as_str(), env!("CARGO_PKG_VERSION"), ANSWERS] {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        query(one).expect(one) == query(other).expect(other)
    }

    #[test]
    fn blanks_comments_and_the_case_of_keywords_and_functions_do_not_matter() {
        let plain = "SELECT symbol, count(*) AS n FROM bars WHERE close > 1.5 GROUP BY symbol";
        for other in [
            "select symbol, COUNT(*) as n from bars where close > 1.5 group by symbol;",
            "SELECT symbol,count( * )n FROM bars\n\tWHERE close>1.5 GROUP BY symbol",
            "-- how many\nSELECT symbol, /* of each */ count(*) AS n FROM bars WHERE close > 1.5 GROUP BY symbol",
        ] {
            assert!(same(plain, other), "{other}");
        }
        assert!(same("VALUES (1), (2)", "values (1),(2)"));
        assert!(same("WITH a AS (SELECT 1) SELECT * FROM a", "with a as (select 1) select * from a"));
        assert!(same("SELECT 'a'", "SELECT 'a'--b"));
    }

    #[test]
    fn literals_names_and_whatever_else_is_said_do_matter() {
        let all = [
            "SELECT 'a'",
            "SELECT 'A'",
            "SELECT 'a '",
            "SELECT ' a'",
            "SELECT 'a' AS a",
            "SELECT 'a' AS \"a\"",
            "SELECT 'a' AS \"A\"",
            "SELECT \"a\"",
            "SELECT 'a''b'",
            "SELECT 'a''''b'",
            "SELECT 'a\\''b'",
            "SELECT 'a\\''''b'",
            "SELECT 'a--b'",
            "SELECT 'a', 'b'",
            "SELECT 'a,b'",
            "SELECT DISTINCT 'a'",
            "SELECT 1",
            "SELECT 1.0",
            "SELECT 1.00",
            "SELECT -1",
            "SELECT 1 LIMIT 1",
            "SELECT 1 LIMIT 11",
            "SELECT 1 ORDER BY 1",
            "SELECT 1 ORDER BY 1 DESC",
            "SELECT 1 UNION SELECT 2",
            "SELECT 1 UNION ALL SELECT 2",
            "SELECT \"COUNT\"(*) FROM t",
            "SELECT count(*) FROM t",
            "SELECT count(DISTINCT a) FROM t",
            "SELECT s.foo['B'] FROM t",
            "SELECT s.foo['b'] FROM t",
            "SELECT struct(1 AS A)",
            "SELECT struct(1 AS a)",
            "SELECT a FROM t JOIN u USING (a)",
            "SELECT a FROM t LEFT JOIN u USING (a)",
            "SELECT INTERVAL '1 day'",
            "SELECT INTERVAL '1' DAY",
            "VALUES (1)",
        ];
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                assert!(!same(one, other), "{one} and {other}");
            }
        }
    }

    #[test]
    fn only_a_single_query_has_a_result_to_keep() {
        for sql in [
            "",
            "SELECT",
            "SELECT 1; SELECT 1",
            "SHOW TABLES",
            "DESCRIBE bars",
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "INSERT INTO bars VALUES (1)",
            "SELECT 1 AS a INTO b",
        ] {
            assert_eq!(query(sql), None, "{sql}");
        }
        let long = |length: usize| format!("SELECT '{}'", "a".repeat(length));
        assert!(query(&long(10_000)).is_some());
        assert_eq!(query(&long(20_000)), None);
    }

    #[test]
    fn a_deep_query_does_not_end_the_stack() {
        let sum = format!("SELECT {}1", "1+".repeat((LONGEST - 10) / 2));
        // The stack of a main thread.
        let deep = move || query(&sum).is_some();
        let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(deep).unwrap();
        assert!(thread.join().unwrap());
    }
}
