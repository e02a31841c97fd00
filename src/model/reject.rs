//! A row that could not be stored.

/// A record that could not be typed or keyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The line of its start, from 1; for Parquet its row.
    pub line: u64,
    /// Why it does not fit.
    pub reason: String,
    /// Its text, cut where it is long.
    pub text: String,
}
