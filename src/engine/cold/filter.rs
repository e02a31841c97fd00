//! The conditions that choose rows inside of archived files.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _};
use datafusion::common::{HashSet, Result, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNullExpr, Literal, in_list};

use super::choose::Chosen;
use super::correct::{Corrected, Kept};
use crate::engine::hot::{Keys, Range};

/// Values that a condition lists; in longer lists DataFusion looks for no pages.
const MOST_VALUES: usize = 20;

type Expr = Arc<dyn PhysicalExpr>;

/// Makes conditions on the rows of a dataset.
pub(super) struct Conditions<'a> {
    /// The columns of its files.
    pub(super) schema: &'a Schema,
    /// The key columns: each has one value for all series that match, or is told apart in the file.
    pub(super) keys: &'a [KeyColumn],
    /// The matching series.
    pub(super) matching: &'a Keys,
}

/// A key column of a dataset.
pub(super) struct KeyColumn {
    pub(super) name: String,
    /// Whether the files have it.
    pub(super) is_stored: bool,
    /// The value of all matching series, if there is just one.
    pub(super) constant: Option<ScalarValue>,
}

impl Conditions<'_> {
    /// Returns the condition that is true for the rows of matching series, in terms of the file's columns.
    ///
    /// `condition` is what the query says of them. Values are listed where there are few, since they let whole
    /// row groups and pages be skipped that words like `upper(symbol) = 'X'` would not.
    pub(super) fn series(&self, condition: Option<&Expr>) -> Result<Option<Expr>> {
        let mut parts = Vec::new();
        let mut varies = 0;
        let mut is_listed = true;
        for (at, key) in self.keys.iter().enumerate().filter(|(_, key)| key.is_stored) {
            if let Some(value) = &key.constant {
                parts.push(self.equals(&key.name, value)?);
                continue;
            }
            varies += 1;
            match self.values(at)? {
                Some(values) => {
                    let values = values.into_iter().map(literal).collect();
                    parts.push(in_list(self.column(&key.name)?, values, &false, self.schema)?);
                }
                None => is_listed = false,
            }
        }
        // Lists of several columns would let pass every combination of them.
        if varies > 1 || !is_listed {
            parts.extend(condition.map(|condition| self.bind(condition)).transpose()?);
        }
        Ok(and(parts))
    }

    /// Returns the condition that is true for the times of a range.
    pub(super) fn times(&self, range: Range) -> Result<Option<Expr>> {
        let bound = |bound: Option<i64>, op: Operator| {
            let Some(bound) = bound else { return Ok(None) };
            let value = ScalarValue::TimestampMicrosecond(Some(bound), Some("UTC".into()));
            Ok::<_, datafusion::common::DataFusionError>(Some(binary(self.column("ts")?, op, literal(value))))
        };
        let parts = [bound(range.since, Operator::GtEq)?, bound(range.until, Operator::Lt)?];
        Ok(and(parts.into_iter().flatten().collect()))
    }

    /// Returns the condition that is true for rows that no hot row replaces.
    pub(super) fn kept(&self, chosen: &Chosen<'_>) -> Result<Expr> {
        let is_varying = |key: &KeyColumn| key.is_stored && key.constant.is_none();
        let varying: Vec<_> = self.keys.iter().enumerate().filter(|(_, key)| is_varying(key)).collect();
        let mut times: HashMap<Vec<u8>, Vec<i64>> = HashMap::new();
        for part in chosen.corrections.chunk_by(|left, right| left.0 == right.0) {
            let mut key = Vec::new();
            for (at, _) in &varying {
                super::correct::value(self.matching.column(*at), part[0].0).encode(&mut key);
            }
            times.insert(key, part.iter().map(|(_, ts)| *ts).collect());
        }
        let names = std::iter::once("ts").chain(varying.iter().map(|(_, key)| key.name.as_str()));
        let columns = names.map(|name| self.column(name)).collect::<Result<_>>()?;
        Ok(Arc::new(Kept::new(Arc::new(Corrected::new(times)), columns)))
    }

    /// Returns the values of a key column where there are few and none is null.
    fn values(&self, at: usize) -> Result<Option<Vec<ScalarValue>>> {
        let column = self.matching.column(at);
        let mut seen = HashSet::new();
        let mut values = Vec::new();
        for row in 0..column.len() {
            let value = ScalarValue::try_from_array(column, row)?;
            if value.is_null() || values.len() == MOST_VALUES && !seen.contains(&value) {
                return Ok(None);
            }
            if seen.insert(value.clone()) {
                values.push(value);
            }
        }
        Ok(Some(values))
    }

    /// Returns a condition on key columns in terms of the file's columns.
    fn bind(&self, condition: &Expr) -> Result<Expr> {
        Arc::clone(condition)
            .transform(|part| {
                let Some(column) = part.downcast_ref::<Column>() else { return Ok(Transformed::no(part)) };
                let key = self.keys.iter().find(|key| key.name == column.name());
                let bound = match key.and_then(|key| key.constant.clone()) {
                    Some(value) => literal(value),
                    None => self.column(column.name())?,
                };
                Ok(Transformed::yes(bound))
            })
            .data()
    }

    fn equals(&self, name: &str, value: &ScalarValue) -> Result<Expr> {
        let column = self.column(name)?;
        if value.is_null() {
            return Ok(Arc::new(IsNullExpr::new(column)));
        }
        Ok(binary(column, Operator::Eq, literal(value.clone())))
    }

    fn column(&self, name: &str) -> Result<Expr> {
        Ok(Arc::new(Column::new_with_schema(name, self.schema)?))
    }
}

fn literal(value: ScalarValue) -> Expr {
    Arc::new(Literal::new(value))
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Arc::new(BinaryExpr::new(left, op, right))
}

/// Returns the condition that holds where all hold.
pub(super) fn and(parts: Vec<Expr>) -> Option<Expr> {
    parts.into_iter().reduce(|left, right| binary(left, Operator::And, right))
}
