//! Between barn's cells and SQLite's.

use anyhow::{Result, bail};
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef as SqlRef};

use crate::model::{ColumnType, Value, ValueRef};

/// A cell on its way into a statement.
pub(super) struct Bind<'a>(pub(super) ValueRef<'a>);

impl rusqlite::ToSql for Bind<'_> {
    #[inline]
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            ValueRef::Null => ToSqlOutput::Owned(SqlValue::Null),
            ValueRef::Text(text) => ToSqlOutput::Borrowed(SqlRef::Text(text.as_bytes())),
            ValueRef::Double(number) => ToSqlOutput::Owned(SqlValue::Real(number)),
            ValueRef::Bigint(number) | ValueRef::Timestamp(number) => {
                ToSqlOutput::Owned(SqlValue::Integer(number))
            }
            ValueRef::Boolean(flag) => ToSqlOutput::Owned(SqlValue::Integer(i64::from(flag))),
            ValueRef::Date(days) => ToSqlOutput::Owned(SqlValue::Integer(i64::from(days))),
        })
    }
}

/// Reads a cell of SQLite as a cell of a column.
///
/// Fails where the store holds what no barn wrote, such as a text that is not UTF-8.
#[inline]
pub(super) fn read<'a>(cell: SqlRef<'a>, kind: ColumnType) -> Result<ValueRef<'a>> {
    Ok(match (cell, kind) {
        (SqlRef::Null, _) => ValueRef::Null,
        (SqlRef::Real(number), ColumnType::Double) => ValueRef::Double(number),
        (SqlRef::Integer(number), ColumnType::Bigint) => ValueRef::Bigint(number),
        (SqlRef::Integer(number), ColumnType::Timestamp) => ValueRef::Timestamp(number),
        (SqlRef::Integer(number), ColumnType::Boolean) => ValueRef::Boolean(number != 0),
        (SqlRef::Integer(number), ColumnType::Date) => ValueRef::Date(i32::try_from(number)?),
        (SqlRef::Text(bytes), ColumnType::Text) => ValueRef::Text(std::str::from_utf8(bytes)?),
        (cell, kind) => bail!("cannot read a stored {} as {kind}", cell.data_type()),
    })
}

/// Reads a cell into an owned value.
pub(super) fn read_owned(cell: SqlRef<'_>, kind: ColumnType) -> Result<Value> {
    read(cell, kind).map(ValueRef::to_value)
}
