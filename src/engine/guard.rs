//! Parses SQL and lets only statements pass that read.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use anyhow::{Result, bail};
use datafusion::common::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{self, Visit as _, Visitor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::Failure;

/// Signs and keywords between two commas: each may put all before it one level deeper, and DataFusion (55.2) walks the
/// levels by calls in each other: of the costliest, such as `::int`, 5,000 take some 64 MiB of stack. 3,000 conditions
/// have 9,000 parts.
const MOST_PARTS: usize = 10_000;

/// Splits `sql` into statements.
///
/// A syntax error, a statement that does more than read, and a text without a statement are usage errors.
pub(super) fn parse(sql: &str) -> Result<VecDeque<Statement>> {
    check_depth(sql)?;
    let statements = match DFParserBuilder::new(sql).build().and_then(|mut parser| parser.parse_statements())
    {
        Ok(statements) => statements,
        Err(err) => bail!(Failure::usage(format!("cannot parse the query: {}", syntax(&err)))),
    };
    if statements.is_empty() {
        bail!(Failure::usage("cannot run an empty query").hint("`barn query \"SHOW TABLES\"`"));
    }
    for statement in &statements {
        if let Some(word) = refused(statement) {
            bail!(
                Failure::usage(format!("cannot run '{word}': queries only read"))
                    .hint("`barn store TABLE FILE` adds rows")
            );
        }
        if let Some(Unheard { words, hint }) = unheard(statement) {
            bail!(Failure::usage(format!("cannot run '{words}': it is not supported")).hint(hint));
        }
    }
    Ok(statements)
}

/// Refuses a text whose parts may lie in each other too deeply, before anything walks them.
fn check_depth(sql: &str) -> Result<()> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize();
    let (mut levels, mut here) = (Vec::new(), Level::default());
    let mut parts = 0_usize;
    // What is no token the parser tells with its place.
    for token in tokens.unwrap_or_default() {
        match token {
            Token::Whitespace(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_) => {}
            Token::Word(word) if word.keyword == Keyword::NoKeyword => {}
            Token::Comma | Token::SemiColon => {
                parts -= here.parts;
                here = Level { parts: 0, most: here.most.max(here.parts) };
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                parts -= here.parts;
                let inside = here.most.max(here.parts);
                here = levels.pop().unwrap_or_default();
                here.parts += inside;
                parts += inside;
            }
            token => {
                here.parts += 1;
                parts += 1;
                if matches!(token, Token::LParen | Token::LBracket | Token::LBrace) {
                    levels.push(std::mem::take(&mut here));
                }
            }
        }
        if parts > MOST_PARTS {
            bail!(
                Failure::usage(format!("cannot run the query: it has a part with over {MOST_PARTS} parts"))
                    .hint("`column IN (…)` takes any number of values")
            );
        }
    }
    Ok(())
}

/// What stands between two brackets.
#[derive(Default)]
struct Level {
    /// Parts since the last comma.
    parts: usize,
    /// The most parts between two commas before it.
    most: usize,
}

/// Returns what the parser says, with `at line 1, column 8` at its end where it knows the place.
fn syntax(error: &DataFusionError) -> String {
    let text = match error.find_root() {
        DataFusionError::SQL(error, _) => match error.as_ref() {
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.clone(),
            ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
        },
        other => other.strip_backtrace(),
    };
    let text =
        text.strip_prefix("Expected: ").map_or_else(|| text.clone(), |rest| format!("expected {rest}"));
    match text.split_once(" at Line: ") {
        Some((what, place)) => format!("{what} at line {}", place.replace("Column: ", "column ")),
        None => text,
    }
}

/// Returns the first word of a statement that does more than read.
fn refused(statement: &Statement) -> Option<String> {
    match statement {
        Statement::Statement(statement) => refused_inside(statement),
        Statement::Explain(explain) => refused(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => {
            Some(first_word(&statement.to_string()))
        }
    }
}

/// Looks at nested statements too, as in `WITH x AS (…) INSERT INTO …`.
fn refused_inside(statement: &ast::Statement) -> Option<String> {
    let found = ast::visit_statements(statement, |nested: &ast::Statement| {
        if only_reads(nested) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(first_word(&nested.to_string()))
        }
    });
    match found {
        ControlFlow::Break(word) => Some(word),
        ControlFlow::Continue(()) => None,
    }
}

fn only_reads(statement: &ast::Statement) -> bool {
    match statement {
        ast::Statement::Query(query) => !selects_into(&query.body),
        ast::Statement::Explain { .. }
        | ast::Statement::ExplainTable { .. }
        | ast::Statement::ShowTables { .. }
        | ast::Statement::ShowColumns { .. }
        | ast::Statement::ShowFunctions { .. }
        | ast::Statement::ShowVariable { .. }
        | ast::Statement::ShowCreate { .. } => true,
        _ => false,
    }
}

/// Returns whether a query is `SELECT … INTO table`; deeper ones are refused when they are planned.
fn selects_into(body: &ast::SetExpr) -> bool {
    match body {
        ast::SetExpr::Select(select) => select.into.is_some(),
        ast::SetExpr::SetOperation { left, right, .. } => selects_into(left) || selects_into(right),
        _ => false,
    }
}

/// Words that are parsed and then passed over (DataFusion 55.2) or misread, so that the answer would be to
/// another question.
struct Unheard {
    words: &'static str,
    hint: &'static str,
}

/// Finds such words in a statement.
fn unheard(statement: &Statement) -> Option<Unheard> {
    let statement = match statement {
        Statement::Statement(statement) => statement,
        Statement::Explain(explain) => return unheard(&explain.statement),
        _ => return None,
    };
    match statement.visit(&mut Search) {
        ControlFlow::Break(found) => Some(found),
        ControlFlow::Continue(()) => None,
    }
}

struct Search;

impl Visitor for Search {
    type Break = Unheard;

    fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<Unheard> {
        bag(&query.body).map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }

    fn pre_visit_select(&mut self, select: &ast::Select) -> ControlFlow<Unheard> {
        match &select.group_by {
            ast::GroupByExpr::All(more) | ast::GroupByExpr::Expressions(_, more) if !more.is_empty() => {
                ControlFlow::Break(Unheard { words: "GROUP BY … WITH", hint: "`GROUP BY ROLLUP (a, b)`" })
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, table: &ast::TableFactor) -> ControlFlow<Unheard> {
        match table {
            ast::TableFactor::Table { sample: Some(_), .. }
            | ast::TableFactor::Derived { sample: Some(_), .. } => {
                ControlFlow::Break(Unheard { words: "TABLESAMPLE", hint: "`ORDER BY random() LIMIT 100`" })
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<Unheard> {
        match expr {
            // It would look for the pattern anywhere in the text.
            ast::Expr::SimilarTo { .. } => {
                ControlFlow::Break(Unheard { words: "SIMILAR TO", hint: "`symbol ~ '^(AAPL|MSFT)$'`" })
            }
            // sqlparser (0.62) takes all that follows for the right side.
            ast::Expr::IsDistinctFrom(_, right) | ast::Expr::IsNotDistinctFrom(_, right) if joins(right) => {
                ControlFlow::Break(Unheard {
                    words: "IS DISTINCT FROM … AND",
                    hint: "`(a IS DISTINCT FROM b) AND c`",
                })
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Returns whether an expression is made of conditions.
fn joins(expr: &ast::Expr) -> bool {
    use ast::BinaryOperator::{And, Or, Xor};
    matches!(expr, ast::Expr::BinaryOp { op: And | Or | Xor, .. })
}

/// Returns the first set operation that has to count equal rows, and would not.
fn bag(body: &ast::SetExpr) -> Option<Unheard> {
    let ast::SetExpr::SetOperation { left, op, set_quantifier, right } = body else { return None };
    let words = match op {
        ast::SetOperator::Except | ast::SetOperator::Minus => "EXCEPT ALL",
        ast::SetOperator::Intersect => "INTERSECT ALL",
        ast::SetOperator::Union => return bag(left).or_else(|| bag(right)),
    };
    if matches!(set_quantifier, ast::SetQuantifier::All | ast::SetQuantifier::AllByName) {
        return Some(Unheard { words, hint: "`row_number() OVER (PARTITION BY a, b)` numbers equal rows" });
    }
    bag(left).or_else(|| bag(right))
}

fn first_word(text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or_default();
    if word.eq_ignore_ascii_case("SELECT") { "SELECT INTO".to_owned() } else { word.to_uppercase() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::exit_code;

    fn message(sql: &str) -> String {
        let error = parse(sql).expect_err(sql);
        assert_eq!(exit_code(&error), 2, "{sql}");
        error.to_string()
    }

    #[test]
    fn statements_that_read_pass() {
        for sql in [
            "SELECT 1",
            "select 1; values (1), (2);",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "SHOW TABLES",
            "SHOW COLUMNS FROM bars",
            "DESCRIBE bars",
            "DESCRIBE SELECT 1",
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "SELECT symbol, row_number() OVER (ORDER BY ts) AS n FROM bars QUALIFY n = 1",
            "SELECT first(close, ts), last(close, ts) FROM bars",
            "SELECT * FROM 'x.csv'",
        ] {
            assert!(parse(sql).is_ok(), "{sql}");
        }
    }

    #[test]
    fn statements_that_do_more_are_refused_by_their_name() {
        for (sql, word) in [
            ("INSERT INTO bars VALUES (1)", "INSERT"),
            ("WITH a AS (SELECT 1) INSERT INTO bars SELECT * FROM a", "INSERT"),
            ("UPDATE bars SET open = 1", "UPDATE"),
            ("DELETE FROM bars", "DELETE"),
            ("DROP TABLE bars", "DROP"),
            ("CREATE TABLE t (a INT)", "CREATE"),
            ("CREATE VIEW v AS SELECT 1", "CREATE"),
            ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'x.csv'", "CREATE"),
            ("COPY bars TO 'x.csv'", "COPY"),
            ("EXPLAIN COPY (SELECT 1) TO 'x.csv'", "COPY"),
            ("EXPLAIN ANALYZE INSERT INTO bars VALUES (1)", "INSERT"),
            ("SET a = 1", "SET"),
            ("RESET a", "RESET"),
            ("BEGIN", "BEGIN"),
            ("COMMIT", "COMMIT"),
            ("SELECT 1; DROP TABLE bars", "DROP"),
            ("SELECT 1 AS a INTO t", "SELECT INTO"),
            ("TRUNCATE TABLE bars", "TRUNCATE"),
            ("ATTACH DATABASE 'x' AS y", "ATTACH"),
            ("PREPARE a AS SELECT 1", "PREPARE"),
        ] {
            assert_eq!(message(sql), format!("cannot run '{word}': queries only read"), "{sql}");
        }
    }

    #[test]
    fn words_that_would_be_passed_over_are_refused() {
        for (sql, words) in [
            ("SELECT a FROM t EXCEPT ALL SELECT a FROM u", "EXCEPT ALL"),
            ("SELECT 1 UNION (SELECT a FROM t INTERSECT ALL SELECT a FROM u)", "INTERSECT ALL"),
            ("WITH x AS (SELECT 1 EXCEPT ALL SELECT 2) SELECT * FROM x", "EXCEPT ALL"),
            ("EXPLAIN SELECT a FROM t WHERE a NOT SIMILAR TO 'x'", "SIMILAR TO"),
            ("SELECT a IS NOT DISTINCT FROM b OR c FROM t", "IS DISTINCT FROM … AND"),
            ("SELECT a FROM t TABLESAMPLE 10 ROWS", "TABLESAMPLE"),
            ("SELECT a FROM t GROUP BY a WITH ROLLUP", "GROUP BY … WITH"),
        ] {
            assert_eq!(message(sql), format!("cannot run '{words}': it is not supported"), "{sql}");
        }
        for sql in [
            "SELECT 1 EXCEPT SELECT 2",
            "SELECT 1 UNION ALL SELECT 1 INTERSECT SELECT 1",
            "SELECT (a IS DISTINCT FROM b) OR c IS DISTINCT FROM (d AND e) FROM t",
        ] {
            assert!(parse(sql).is_ok(), "{sql}");
        }
    }

    #[test]
    fn a_syntax_error_names_its_place() {
        assert_eq!(
            message("SELECT a FROM b c d"),
            "cannot parse the query: expected end of statement, found: d at line 1, column 19"
        );
        assert_eq!(
            message("SELECT\n 'abc"),
            "cannot parse the query: Unterminated string literal at line 2, column 2"
        );
        let deep = format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500));
        assert_eq!(message(&deep), "cannot parse the query: it is nested too deeply");
    }

    #[test]
    fn what_no_stack_holds_is_refused() {
        let refused = "cannot run the query: it has a part with over 10000 parts";
        for part in
            ["+1", " OR close > 1", "::int", " IS NULL", "[1]", " UNION ALL SELECT 1", "||(1)", "+(1+(2))"]
        {
            assert_eq!(message(&format!("SELECT close{}", part.repeat(60_000))), refused, "{part}");
            assert!(parse(&format!("SELECT close{} FROM bars", part.repeat(50))).is_ok(), "{part}");
        }
        for open in ["(", "[", "{", "abs(", "(1, (2), ("] {
            assert_eq!(message(&format!("SELECT {}", open.repeat(60_000))), refused, "{open}");
        }
        // Lists are as long as anyone likes.
        let values = "(-1, 'a', now()), ".repeat(60_000);
        assert!(parse(&format!("VALUES {values} (1, 'b', now())")).is_ok());
        let values = "-1,".repeat(60_000);
        assert!(parse(&format!("SELECT 1 WHERE 1 IN ({values} 1) AND 2 NOT IN ({values} 1)")).is_ok());
        assert!(parse(&"SELECT 1;".repeat(6_000)).is_ok());
    }

    #[test]
    fn an_empty_query_is_an_error() {
        for sql in ["", "  ", ";;", "-- nothing"] {
            assert_eq!(message(sql), "cannot run an empty query", "{sql}");
        }
    }
}
