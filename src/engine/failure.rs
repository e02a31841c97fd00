//! Turns DataFusion's errors into barn's.

use std::sync::{Mutex, PoisonError};

use anyhow::{Error, anyhow};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::parquet::errors::ParquetError;

use crate::error::Failure;
use crate::model::nearest;

/// An error of the store on its way through DataFusion, which may share it among several threads: the first
/// that meets it takes it.
#[derive(Debug)]
struct Carried {
    text: String,
    error: Mutex<Option<Error>>,
}

impl Carried {
    fn new(error: Error) -> Self {
        Self { text: format!("{error:#}"), error: Mutex::new(Some(error)) }
    }

    fn take(&self) -> Error {
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        error.unwrap_or_else(|| anyhow!("{}", self.text))
    }
}

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Carried {}

/// Wraps an error so that DataFusion carries it to the reader of the answer.
pub(super) fn carry(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(Carried::new(error)))
}

/// Wraps an error so that the Parquet library carries it.
pub(super) fn carry_parquet(error: Error) -> ParquetError {
    ParquetError::External(Box::new(Carried::new(error)))
}

/// Returns the error that the Parquet library carried, or its own.
pub(super) fn uncarry(error: ParquetError) -> Error {
    let error = DataFusionError::from(error);
    carried(&error).unwrap_or_else(|| anyhow!("{}", plain(&error)))
}

/// Finds an error of the store.
fn carried(error: &DataFusionError) -> Option<Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(carried) = error.downcast_ref::<Carried>() {
            return Some(carried.take());
        }
        cause = error.source();
    }
    None
}

/// What a query was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its text was turned into a plan; what goes wrong there is the user's to mend.
    Planning,
    /// Its rows were computed, within so many bytes.
    Running(Option<usize>),
}

/// Returns barn's form of an error.
pub(super) fn translate(error: DataFusionError, stage: Stage) -> Error {
    if let Some(error) = carried(&error) {
        return error.context("cannot run the query");
    }
    match error {
        DataFusionError::External(error) => anyhow!(error).context("cannot run the query"),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            translate(*inner, stage)
        }
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => translate(first, stage),
            None => anyhow!("cannot run the query"),
        },
        other => explain(&other, stage),
    }
}

fn explain(error: &DataFusionError, stage: Stage) -> Error {
    let root = error.find_root();
    match (root, stage) {
        (DataFusionError::SchemaError(schema, _), _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => unknown_column(field, valid_fields).into(),
            other => anyhow!("{other}").context(Failure::usage("cannot plan the query")),
        },
        (DataFusionError::ResourcesExhausted(_), Stage::Running(Some(bytes))) => out_of_memory(bytes).into(),
        (DataFusionError::Plan(text) | DataFusionError::NotImplemented(text), _) => {
            anyhow!("{}", first_part(text)).context(Failure::usage("cannot plan the query"))
        }
        (other, Stage::Planning) => {
            anyhow!("{}", plain(other)).context(Failure::usage("cannot plan the query"))
        }
        (other, Stage::Running(_)) => anyhow!("{}", plain(other)).context("cannot run the query"),
    }
}

/// Returns the words of an error without DataFusion's own headings.
fn plain(error: &DataFusionError) -> String {
    match error {
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::ArithmeticOverflow(text) => {
                let what = text.trim_start_matches("Overflow happened on: ");
                format!(
                    "{what} does not fit its type; CAST(x AS BIGINT), DECIMAL(38, 0) and DOUBLE are wider"
                )
            }
            error => error.to_string(),
        },
        DataFusionError::Execution(text)
        | DataFusionError::Configuration(text)
        | DataFusionError::ResourcesExhausted(text)
        | DataFusionError::Internal(text) => first_part(text).to_owned(),
        other => other.strip_backtrace(),
    }
}

fn first_part(text: &str) -> &str {
    text.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or(text).trim_end()
}

fn out_of_memory(bytes: usize) -> Failure {
    const MIB: usize = 1 << 20;
    let have =
        if bytes.is_multiple_of(MIB) { format!("{} MiB", bytes / MIB) } else { format!("{bytes} bytes") };
    let more = bytes.saturating_mul(4).div_ceil(MIB);
    Failure::new(format!("cannot run the query within {have} of memory"))
        .hint(format!("raise the limit with `--memory {more}MiB`"))
}

/// An error for a column nobody has, with the nearest one that exists.
fn unknown_column(field: &Column, valid: &[Column]) -> Failure {
    let failure = Failure::usage(format!("cannot find column '{}'", field.flat_name()));
    if let Some(near) = nearest(&field.name, valid.iter().map(|column| column.name.as_str())).first() {
        return failure.hint(format!("did you mean `{near}`?"));
    }
    // Only a quoted name keeps its capitals and blanks.
    if field.name.contains(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_') {
        return failure.hint(format!("text stands in single quotes: `'{}'`", field.name));
    }
    match &field.relation {
        Some(table) => failure.hint(format!("`barn query \"DESCRIBE {table}\"` lists its columns")),
        None => failure,
    }
}

/// An error for a table nobody has, with the nearest one that exists.
pub(super) fn unknown_table<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let failure = Failure::usage(format!("cannot find table '{name}'"));
    match nearest(name, known).first() {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("`barn info` lists the tables, `--with NAME=FILE` adds a file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{exit_code, report};

    #[test]
    fn an_error_of_the_store_keeps_its_kind_and_hint() {
        let error = carry(Failure::usage("cannot read").hint("`x`").into());
        let back = translate(DataFusionError::Context("x".to_owned(), Box::new(error)), Stage::Running(None));
        assert_eq!(exit_code(&back), 2);
        assert_eq!(report(&back), "error: cannot run the query\n  caused by: cannot read\n\nhint: `x`\n");
    }

    #[test]
    fn too_little_memory_says_how_much_there_was() {
        let error = DataFusionError::ResourcesExhausted("long story".to_owned());
        assert_eq!(
            report(&translate(error, Stage::Running(Some(64 << 20)))),
            "error: cannot run the query within 64 MiB of memory\n\nhint: raise the limit with `--memory 256MiB`\n"
        );
    }
}
