//! The table for terminals: columns two spaces apart, a rule under the header, the number of rows below.
//!
//! The columns are sized on the first rows, then everything streams.

use std::io::Write;

use anyhow::{Context as _, Result};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::grid::{Grid, Size};
use super::pipeline::Pipeline;
use super::{Screen, Sink};

/// Rows the columns are sized on.
const SIZED_ROWS: usize = 1_000;

/// A table whose first rows are held back until the columns are sized.
pub(super) struct Table<'a> {
    schema: SchemaRef,
    screen: Screen,
    stage: Stage<'a>,
}

enum Stage<'a> {
    Sizing { held: Vec<RecordBatch>, rows: usize, out: Option<Box<dyn Write + Send + 'a>> },
    Streaming(Pipeline<'a, Grid>),
}

impl<'a> Table<'a> {
    /// Nothing is written before the columns are sized.
    pub(super) fn new(schema: SchemaRef, out: Box<dyn Write + Send + 'a>, screen: Screen) -> Self {
        Self { schema, screen, stage: Stage::Sizing { held: Vec::new(), rows: 0, out: Some(out) } }
    }

    /// Sizes the columns on the rows held back, and writes those.
    fn stream(&mut self) -> Result<&mut Pipeline<'a, Grid>> {
        if let Stage::Sizing { held, out, .. } = &mut self.stage {
            let mut sizes = Size::of_header(&self.schema);
            let mut left = SIZED_ROWS;
            for batch in held.iter() {
                let rows = batch.num_rows().min(left);
                Size::grow(&mut sizes, &batch.slice(0, rows))?;
                left -= rows;
            }
            let grid = Grid::new(&self.schema, &sizes, self.screen);
            let out = out.take().context("cannot write the result: writing it failed before")?;
            let held = std::mem::take(held);
            let mut pipeline = Pipeline::new(grid, out);
            for batch in &held {
                pipeline.write(batch)?;
            }
            self.stage = Stage::Streaming(pipeline);
        }
        match &mut self.stage {
            Stage::Streaming(pipeline) => Ok(pipeline),
            Stage::Sizing { .. } => anyhow::bail!("cannot write the result: its columns are not sized"),
        }
    }
}

impl Sink for Table<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.stage {
            Stage::Streaming(pipeline) => pipeline.write(batch),
            Stage::Sizing { held, rows, .. } => {
                held.push(batch.clone());
                *rows += batch.num_rows();
                if *rows >= SIZED_ROWS {
                    self.stream()?;
                }
                Ok(())
            }
        }
    }

    fn finish(&mut self) -> Result<()> {
        self.stream()?.finish()
    }
}
