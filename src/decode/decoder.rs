//! Binding an input to a table, and decoding its blocks.

use anyhow::{Result, bail};
use rayon::prelude::*;

use super::bind::{Assignment, Otherwise};
use super::cell::{Cell, Record};
use super::detect::Evidence;
use super::fields::{Fields, Reading};
use super::plan::{Origin, Plan};
use super::rows::Rows;
use super::timeframe::{self, Spacings, Verdict};
use super::{Block, Decoded, Input, Layout};
use crate::error::Failure;
use crate::model::{Table, Timeframe, Value};

/// An input bound to a table; decodes its blocks from any thread.
pub struct Decoder {
    pub(super) bound: Bound,
    reading: Reading,
}

/// A plan and what is to be said about it.
pub(super) struct Bound {
    pub(super) plan: Plan,
    pub(super) unknown: Vec<String>,
    pub(super) notes: Vec<String>,
    file_name: String,
}

impl Decoder {
    /// Decides which field of the input feeds which column of the table, and what its times mean.
    pub fn bind(table: &Table, layout: &Layout, input: &Input<'_>) -> Result<Self> {
        Self::bind_with(table, layout, input, Otherwise::NAMES)
    }

    /// Binds as [`Decoder::bind`] does, and says what feeds the columns that the layout does not.
    pub(super) fn bind_with(
        table: &Table,
        layout: &Layout,
        input: &Input<'_>,
        otherwise: Otherwise<'_>,
    ) -> Result<Self> {
        let mut fields = Fields::of(layout, input)?;
        let mut assignment = Assignment::new(table, layout, input.file_name, &mut fields, otherwise)?;
        let undecided = assignment.undecided();
        let slots: Vec<_> = undecided.iter().flat_map(|(_, slots)| slots.iter().copied()).collect();
        let mut evidence: Vec<_> = undecided.iter().map(|(at, _)| (*at, Evidence::new())).collect();
        let scan = fields.reading(&slots);
        for block in input.head {
            if evidence.iter().all(|(_, evidence)| evidence.is_settled()) {
                break;
            }
            let mut look = Look { undecided: &undecided, evidence: &mut evidence };
            scan.each(block, &mut |record| look.at(record));
        }
        let plan = assignment.plan(evidence)?;
        let reading = fields.reading(&assignment.used());
        let Assignment { unknown, notes, .. } = assignment;
        Ok(Self { bound: Bound { plan, unknown, notes, file_name: input.file_name.to_owned() }, reading })
    }

    /// Returns the fields of the input that go nowhere.
    pub fn unknown(&self) -> &[String] {
        &self.bound.unknown
    }

    /// Returns what was decided by looking at the input.
    pub fn notes(&self) -> &[String] {
        &self.bound.notes
    }

    /// Returns whether the table wants a timeframe that neither the input nor the layout gives.
    pub fn needs_timeframe(&self) -> bool {
        self.bound.missing_timeframe().is_some()
    }

    /// Decides the timeframe by the spacing of the rows, and sets it.
    pub fn detect_timeframe(&mut self, head: &[Block]) -> Result<Timeframe> {
        let sketch = self.bound.sketch();
        let frames: Vec<_> =
            head.par_iter().map(|block| decode(&sketch, &self.reading, block).frame).collect();
        let mut spacings = Spacings::default();
        for frame in &frames {
            spacings.add(frame);
        }
        self.bound.set_timeframe(spacings.decide())
    }

    /// Decodes one block.
    pub fn decode(&self, block: &Block) -> Result<Decoded> {
        if self.needs_timeframe() {
            bail!(self.bound.no_timeframe("nothing says it"));
        }
        Ok(decode(&self.bound.plan, &self.reading, block))
    }
}

/// Decodes a block.
pub(super) fn decode(plan: &Plan, reading: &Reading, block: &Block) -> Decoded {
    /// Bytes of a short row; too small a guess only grows the columns twice.
    const ROW_BYTES: usize = 48;
    let mut rows = Rows::new(plan, block.first_line, block.bytes.len() / ROW_BYTES + 16);
    match reading {
        Reading::Csv(reading) => reading.each(block, |record| {
            rows.push(record);
            true
        }),
        Reading::Json(reading) => reading.each(block, |record| {
            match record {
                Ok(record) => rows.push(record),
                Err(malformed) => rows.push_malformed(&malformed.record, malformed.reason),
            }
            true
        }),
    }
    rows.finish()
}

impl Reading {
    /// Calls `visit` with each record of a block that can be taken apart, until it returns false.
    pub(super) fn each(&self, block: &Block, visit: &mut dyn FnMut(&dyn Cells) -> bool) {
        match self {
            Self::Csv(reading) => reading.each(block, |record| visit(record)),
            Self::Json(reading) => reading.each(block, |record| record.map_or(true, |record| visit(record))),
        }
    }
}

/// The cells of any record, for the passes whose speed does not matter.
pub(super) trait Cells {
    /// Returns the cell of a slot.
    fn cell(&self, slot: usize) -> Cell<'_>;
}

impl<R: Record> Cells for R {
    fn cell(&self, slot: usize) -> Cell<'_> {
        Record::cell(self, slot)
    }
}

/// Collects evidence for the forms of times.
pub(super) struct Look<'a> {
    pub(super) undecided: &'a [(usize, Vec<usize>)],
    pub(super) evidence: &'a mut [(usize, Evidence)],
}

impl Look<'_> {
    /// Takes a record into account; returns whether more are needed.
    pub(super) fn at(&mut self, record: &dyn Cells) -> bool {
        let mut is_settled = true;
        for ((_, slots), (_, evidence)) in self.undecided.iter().zip(self.evidence.iter_mut()) {
            if evidence.is_settled() {
                continue;
            }
            is_settled = false;
            for slot in slots {
                let number;
                let word = match record.cell(*slot) {
                    Cell::Text(text) => text.trim_ascii(),
                    Cell::Whole(whole) => {
                        number = whole.to_string();
                        number.as_bytes()
                    }
                    _ => continue,
                };
                if !super::cell::is_null_word(word, &[]) {
                    evidence.observe(word);
                }
            }
        }
        !is_settled
    }
}

impl Bound {
    /// Puts together what a typed input decided.
    pub(super) fn new(plan: Plan, assignment: Assignment<'_>, file_name: &str) -> Self {
        let Assignment { unknown, notes, .. } = assignment;
        Self { plan, unknown, notes, file_name: file_name.to_owned() }
    }

    /// A plan that nothing had to be decided for.
    pub(super) fn plain(plan: Plan, file_name: &str) -> Self {
        Self { plan, unknown: Vec::new(), notes: Vec::new(), file_name: file_name.to_owned() }
    }

    /// Returns the place of the timeframe in the key, if it is there and nothing feeds it.
    pub(super) fn missing_timeframe(&self) -> Option<usize> {
        let is_missing = |feed: &super::plan::Feed| {
            feed.column.name == timeframe::COLUMN && feed.origin == Origin::Nowhere && !feed.column.nullable
        };
        self.plan.key.iter().position(is_missing)
    }

    /// Returns a plan of keys and times only, whose times are instants.
    pub(super) fn sketch(&self) -> Plan {
        let mut plan = self.plan.clone();
        if let Some(at) = self.missing_timeframe() {
            plan.key[at].origin = Origin::Constant(Value::Text("1s".into()));
        }
        for feed in &mut plan.values {
            feed.origin = Origin::Nowhere;
        }
        plan.seq = None;
        plan
    }

    /// Sets the timeframe the spacings speak for.
    pub(super) fn set_timeframe(&mut self, verdict: Verdict) -> Result<Timeframe> {
        let timeframe = match verdict {
            Verdict::Clear(timeframe) => timeframe,
            Verdict::Unclear(timeframe, percent) => {
                bail!(self.no_timeframe(&format!("only {percent} % of the rows are {timeframe} apart")))
            }
            Verdict::Nothing => {
                bail!(self.no_timeframe("there are too few rows to tell it by their spacing"))
            }
        };
        if let Some(at) = self.missing_timeframe() {
            self.plan.key[at].origin = Origin::Constant(Value::Text(timeframe.to_string().into()));
            self.notes.push(format!("timeframe {timeframe}"));
        }
        Ok(timeframe)
    }

    pub(super) fn no_timeframe(&self, why: &str) -> Failure {
        Failure::usage(format!("cannot tell the timeframe of '{}': {why}", self.file_name))
            .hint("`--set timeframe=1d`")
    }
}
