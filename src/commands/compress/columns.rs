//! The columns of Parquet files as `barn compress` says and reports them.

use crate::archive::ColumnOutcome;

/// A column: what it holds, how it lies in the file, and why.
#[derive(serde::Serialize)]
pub(super) struct ColumnReport {
    column: String,
    #[serde(rename = "type")]
    kind: &'static str,
    stored_as: String,
    reason: String,
    encoding: &'static str,
    bytes: u64,
}

impl From<&ColumnOutcome> for ColumnReport {
    fn from(column: &ColumnOutcome) -> Self {
        Self {
            column: column.name.clone(),
            kind: column.kind.as_str(),
            stored_as: column.physical.to_string(),
            reason: column.reason.clone(),
            encoding: column.encoded.as_str(),
            bytes: column.bytes,
        }
    }
}

/// Returns a line for each column.
#[allow(clippy::cast_precision_loss, reason = "figures with three decimals")]
pub(super) fn lines(columns: &[ColumnReport], rows: u64) -> Vec<String> {
    let width = |text: fn(&ColumnReport) -> usize| columns.iter().map(text).max().unwrap_or(0);
    let (names, types) = (width(|column| column.column.len()), width(|column| column.stored_as.len()));
    let line = |column: &ColumnReport| {
        format!(
            "    {:names$}  {:types$}  {:10}  {:>6.3} bytes a row  {}",
            column.column,
            column.stored_as,
            column.encoding,
            column.bytes as f64 / rows.max(1) as f64,
            column.reason
        )
    };
    columns.iter().map(line).collect()
}
