//! Gives the columns of a file the types and the values that the table declares.
//!
//! A file holds what is smallest without losing a bit, so its types are narrower than the table's, and it
//! lacks the columns that the table was given later.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};

/// Makes adapters for the files of a table.
#[derive(Debug)]
pub(super) struct Types {
    /// What a row has in a column that its file lacks, where it is not null.
    pub(super) defaults: Vec<(String, ScalarValue)>,
}

impl PhysicalExprAdapterFactory for Types {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        Ok(Arc::new(Adapter { defaults: self.defaults.clone(), logical, physical }))
    }
}

#[derive(Debug)]
struct Adapter {
    defaults: Vec<(String, ScalarValue)>,
    logical: SchemaRef,
    physical: SchemaRef,
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        expr.transform(|part| match part.downcast_ref::<Column>() {
            Some(column) => Ok(Transformed::yes(self.column(column.name())?)),
            None => Ok(Transformed::no(part)),
        })
        .data()
    }
}

impl Adapter {
    fn column(&self, name: &str) -> Result<Arc<dyn PhysicalExpr>> {
        let logical = self.logical.field_with_name(name)?;
        let Ok(at) = self.physical.index_of(name) else {
            return self.missing(logical);
        };
        let column = Arc::new(Column::new(name, at));
        let (stored, wanted) = (self.physical.field(at).data_type(), logical.data_type());
        if stored == wanted {
            return Ok(column);
        }
        if !is_exact(stored, wanted) {
            return exec_err!("cannot read column '{name}': the file has {stored}, expected {wanted}");
        }
        Ok(Arc::new(CastExpr::new(column, wanted.clone(), None)))
    }

    fn missing(&self, field: &Field) -> Result<Arc<dyn PhysicalExpr>> {
        let value = match self.defaults.iter().find(|(column, _)| column == field.name()) {
            Some((_, value)) => value.clone(),
            None if field.is_nullable() => ScalarValue::try_new_null(field.data_type())?,
            None => return exec_err!("cannot read column '{}': the file lacks it", field.name()),
        };
        Ok(Arc::new(Literal::new(value)))
    }
}

/// Returns whether each value that was narrowed has one of the wider type, which Arrow's cast finds: a
/// decimal becomes its whole number divided once by a power of ten, as it was proven when it was written.
fn is_exact(stored: &DataType, wanted: &DataType) -> bool {
    match wanted {
        DataType::Float64 => matches!(
            stored,
            DataType::Float32
                | DataType::Int32
                | DataType::Int64
                | DataType::Decimal32(..)
                | DataType::Decimal64(..)
                | DataType::Decimal128(..)
        ),
        DataType::Int64 => *stored == DataType::Int32,
        _ => false,
    }
}
