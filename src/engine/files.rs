//! Files beside the tables: `--with NAME=FILE`.

use std::io::{BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use datafusion::catalog::TableProvider as _;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::prelude::SessionContext;

use super::failure::{Stage, translate};
use crate::error::Failure;
use crate::fs;
use crate::model::validate;

/// Rows of a text file that decide the types of its columns.
const ROWS_FOR_TYPES: usize = 100_000;

/// Checks a name under which a file is to stand.
pub(super) fn check_name<'a>(name: &str, mut tables: impl Iterator<Item = &'a str>) -> Result<()> {
    if let Err(err) = validate(name) {
        return Err(anyhow!(err).context(Failure::usage(format!("cannot add a file as '{name}'"))));
    }
    if tables.any(|table| table == name) {
        bail!(Failure::usage(format!("cannot add a file as '{name}': a table has this name")));
    }
    Ok(())
}

/// Makes a file a table of the session.
pub(super) async fn register(context: &SessionContext, name: &str, file: &Path) -> Result<()> {
    let table =
        open(context, file).await.with_context(|| format!("cannot read file '{}'", file.display()))?;
    context.register_table(name, Arc::new(table)).map_err(|err| translate(err, Stage::Planning))?;
    Ok(())
}

async fn open(context: &SessionContext, file: &Path) -> Result<ListingTable> {
    // A pipe has no path of its own.
    if !file.metadata()?.is_file() {
        bail!("it is no regular file, which is read more than once");
    }
    let format = format(file)?;
    let path = file.canonicalize()?;
    let read = async {
        let url = ListingTableUrl::parse(file_url(&path))?;
        let state = context.state();
        let options = ListingOptions::new(format).with_file_extension("");
        let config = ListingTableConfig::new(url).with_listing_options(options);
        ListingTable::try_new(config.infer_schema(&state).await?)
    };
    let table = read.await.map_err(|err| translate(err, Stage::Running(None)))?;
    if table.schema().fields().is_empty() {
        bail!("it has no columns");
    }
    Ok(table)
}

fn format(file: &Path) -> Result<Arc<dyn FileFormat>> {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let text = |delimiter: u8| {
        // One reader for the whole file, so that quoted line ends are no ends of rows.
        let format = CsvFormat::default().with_has_header(true).with_newlines_in_values(true);
        Arc::new(format.with_delimiter(delimiter).with_schema_infer_max_rec(ROWS_FOR_TYPES))
    };
    Ok(match extension.to_ascii_lowercase().as_str() {
        "csv" => text(b','),
        "tsv" => text(b'\t'),
        "ndjson" | "jsonl" | "json" => {
            let format = JsonFormat::default().with_schema_infer_max_rec(ROWS_FOR_TYPES);
            Arc::new(format.with_newline_delimited(!is_array(file)?))
        }
        "parquet" => Arc::new(ParquetFormat::default()),
        _ => bail!(Failure::usage("its name ends in none of .csv, .tsv, .ndjson, .jsonl, .json, .parquet")),
    })
}

/// Returns whether a file of JSON is one array.
fn is_array(file: &Path) -> Result<bool> {
    for byte in BufReader::new(fs::open(file)?).bytes() {
        let byte = byte?;
        if !byte.is_ascii_whitespace() {
            return Ok(byte == b'[');
        }
    }
    Ok(false)
}

/// Returns the URL of an absolute path; a plain path would be taken for a pattern if it has a `*` or `[`.
fn file_url(path: &Path) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut url = "file://".to_owned();
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let digits = [byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)]));
            url.push('%');
            url.extend(digits);
        }
    }
    url
}
