//! Reading Parquet files a slice of rows at a time.

/// An open Parquet file.
pub struct ParquetFile;
