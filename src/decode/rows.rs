//! Assembling the rows of a block: keys are interned, values pushed, what does not fit put aside.

use std::collections::HashMap;

use super::cell::{Cell, Lines, Misread, Record};
use super::moment::{Label, ZoneCache};
use super::plan::{Converted, Feed, Origin, Plan, Rule, Unfit, typed_text};
use super::timeframe;
use super::{Decoded, Misfit, REJECT_BYTES};
use crate::error::visible;
use crate::frame::{ColumnBuilder, Frame, FrameColumns};
use crate::model::Reject;
use crate::model::{ColumnType, SeriesKey, Timeframe, Value, ValueRef};

/// The rows of a block while it is read.
pub(super) struct Rows<'p> {
    plan: &'p Plan,
    keys: Keys<'p>,
    series: Vec<u32>,
    ts: Vec<i64>,
    seq: Option<Vec<i64>>,
    values: Vec<Option<ColumnBuilder>>,
    /// The places of the value columns that have slots.
    fed: Vec<usize>,
    /// The row that is being converted: nothing is pushed before all of it fits.
    row: Vec<Converted>,
    text: String,
    cache: ZoneCache,
    lines: Lines,
    read: u64,
    suspect: u64,
    rejects: Vec<Reject>,
    misfits: Vec<Misfit>,
}

impl<'p> Rows<'p> {
    /// Starts a block whose first record stands on a line, with room for some rows.
    pub(super) fn new(plan: &'p Plan, first_line: u64, room: usize) -> Self {
        let builder = |feed: &Feed| {
            (feed.origin != Origin::Nowhere).then(|| ColumnBuilder::new(feed.column.kind, room))
        };
        let is_fed = |at: &usize| matches!(plan.values[*at].origin, Origin::Slots(_));
        let fed = (0..plan.values.len()).filter(is_fed).collect();
        let is_ordered = plan.seq.as_ref().is_some_and(|feed| feed.origin != Origin::Nowhere);
        Self {
            plan,
            keys: Keys::new(plan),
            series: Vec::with_capacity(room),
            ts: Vec::with_capacity(room),
            seq: is_ordered.then(Vec::new),
            values: plan.values.iter().map(builder).collect(),
            fed,
            row: plan.values.iter().map(|_| Converted::Null).collect(),
            text: String::new(),
            cache: ZoneCache::default(),
            lines: Lines::new(first_line),
            read: 0,
            suspect: 0,
            rejects: Vec::new(),
            misfits: Vec::new(),
        }
    }

    /// Takes a record: as a row, or as a reject.
    #[inline]
    pub(super) fn push(&mut self, record: &impl Record) {
        self.read += 1;
        if let Err(reason) = self.try_push(record) {
            self.reject(record, reason);
        }
    }

    /// Takes a record that could not even be taken apart.
    pub(super) fn push_malformed(&mut self, record: &impl Record, reason: String) {
        self.read += 1;
        self.reject(record, reason);
    }

    /// Returns the number of records so far.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Ends the block.
    pub(super) fn finish(mut self) -> Decoded {
        let rows = self.ts.len();
        for (feed, builder) in self.plan.values.iter().zip(&mut self.values) {
            if let (Origin::Constant(value), Some(builder)) = (&feed.origin, builder) {
                (0..rows).for_each(|_| builder.push(value.as_ref()));
            }
        }
        let frame = Frame::new(FrameColumns {
            keys: self.keys.list,
            series: self.series,
            ts: self.ts,
            seq: self.seq,
            values: self.values,
        });
        Decoded {
            frame,
            read: self.read,
            suspect: self.suspect,
            rejects: self.rejects,
            misfits: self.misfits,
        }
    }

    #[inline]
    fn try_push(&mut self, record: &impl Record) -> Result<(), String> {
        if let Some(fields) = record.excess() {
            return Err(format!("it has {fields} fields and more than the header names hold something"));
        }
        let series = self.keys.of(record)?;
        let ts = self.time(record, self.keys.label(series))?;
        let seq = match (&self.plan.seq, &self.seq) {
            (Some(feed), Some(_)) => Some(ordinal(feed, record)?),
            _ => None,
        };
        let plan = self.plan;
        for &at in &self.fed {
            let feed = &plan.values[at];
            match feed.convert(record, &mut self.cache) {
                Ok(value) => self.row[at] = value,
                Err(unfit) => {
                    self.note_misfit(feed, record, unfit);
                    return Err(reason(feed, record, unfit));
                }
            }
        }
        self.append(record, series, ts, seq);
        Ok(())
    }

    #[inline]
    fn append(&mut self, record: &impl Record, series: u32, ts: i64, seq: Option<i64>) {
        let row = &self.row;
        let constants = &self.plan.values;
        let is_suspect = !self.plan.table.checks.is_empty()
            && self.plan.table.is_suspect(|at| {
                match (row.get(at), constants.get(at).map(|feed| &feed.origin)) {
                    (_, Some(Origin::Constant(value))) => value.as_ref(),
                    (Some(value), _) => value.number(),
                    _ => ValueRef::Null,
                }
            });
        self.suspect += u64::from(is_suspect);
        self.series.push(series);
        self.ts.push(ts);
        if let (Some(all), Some(seq)) = (&mut self.seq, seq) {
            all.push(seq);
        }
        for &at in &self.fed {
            if let Some(builder) = &mut self.values[at] {
                builder.push(self.row[at].value(record, &mut self.text));
            }
        }
    }

    #[inline]
    fn time(&mut self, record: &impl Record, label: Label) -> Result<i64, String> {
        let feed = &self.plan.ts;
        if let Origin::Constant(Value::Timestamp(micros)) = feed.origin {
            return Ok(micros);
        }
        match feed.convert_time(record) {
            Ok(Some((written, rule))) => rule.resolve(written, label, &mut self.cache).map_err(|why| {
                let slot = first_slot(feed);
                reason(feed, record, Unfit { slot, why })
            }),
            Ok(None) => Err("it has no time".to_owned()),
            Err(unfit) => Err(reason(feed, record, unfit)),
        }
    }

    #[cold]
    fn reject(&mut self, record: &impl Record, reason: String) {
        let raw = record.raw();
        let cut = raw.get(..REJECT_BYTES).unwrap_or(&raw);
        let mut text = String::from_utf8_lossy(cut).into_owned();
        // Half a character at the cut is no part of the record.
        if cut.len() < raw.len() {
            text.truncate(text.trim_end_matches('\u{fffd}').len());
        }
        let line = record.line(&mut self.lines);
        self.rejects.push(Reject { line, reason, text });
    }

    #[cold]
    fn note_misfit(&mut self, feed: &Feed, record: &impl Record, unfit: Unfit) {
        let needs = match (&feed.rule, unfit.why) {
            (_, Misread::NotText) | (Rule::Text, _) => return,
            (_, Misread::NotBigint) => ColumnType::Text,
            (Rule::Bigint(rule), _) if is_double(record.cell(unfit.slot), *rule) => ColumnType::Double,
            _ => ColumnType::Text,
        };
        match self.misfits.iter_mut().find(|misfit| misfit.column == feed.column.name) {
            Some(misfit) if needs == ColumnType::Text => misfit.needs = needs,
            Some(_) => {}
            None => self.misfits.push(Misfit { column: feed.column.name.clone(), needs }),
        }
    }
}

fn is_double(cell: Cell<'_>, rule: super::number::NumberRule) -> bool {
    super::number::double(typed_text(cell).trim().as_bytes(), rule).is_ok()
}

fn first_slot(feed: &Feed) -> usize {
    match &feed.origin {
        Origin::Slots(slots) => slots.first().copied().unwrap_or(0),
        _ => 0,
    }
}

fn ordinal(feed: &Feed, record: &impl Record) -> Result<i64, String> {
    match feed.convert(record, &mut ZoneCache::default()) {
        Ok(Converted::Bigint(number)) => Ok(number),
        Ok(_) => match &feed.origin {
            Origin::Constant(Value::Bigint(number)) => Ok(*number),
            _ => Err(format!("{}: {}", feed.column.name, Misread::NoKey)),
        },
        Err(unfit) => Err(reason(feed, record, unfit)),
    }
}

/// Says which column a cell does not fit, the cell, and why.
#[cold]
fn reason(feed: &Feed, record: &impl Record, unfit: Unfit) -> String {
    /// Characters of a value that are quoted.
    const QUOTED: usize = 60;
    let text = typed_text(record.cell(unfit.slot));
    let mut value: String = text.chars().take(QUOTED).collect();
    if value.len() < text.len() {
        value.push('…');
    }
    format!("{}: '{}' {}", feed.column.name, visible(&value), unfit.why)
}

/// The series keys of a block, found again by the bytes they were made of.
struct Keys<'p> {
    plan: &'p Plan,
    slots: Vec<usize>,
    list: Vec<SeriesKey>,
    labels: Vec<Label>,
    by_value: HashMap<Vec<u8>, u32>,
    by_cells: HashMap<Box<[u8]>, u32>,
    cells: Vec<u8>,
    last_cells: Vec<u8>,
    last: Option<u32>,
}

impl<'p> Keys<'p> {
    fn new(plan: &'p Plan) -> Self {
        let slots = plan.key.iter().flat_map(|feed| match &feed.origin {
            Origin::Slots(slots) => slots.as_slice(),
            _ => &[],
        });
        Self {
            plan,
            slots: slots.copied().collect(),
            list: Vec::new(),
            labels: Vec::new(),
            by_value: HashMap::new(),
            by_cells: HashMap::new(),
            cells: Vec::new(),
            last_cells: Vec::new(),
            last: None,
        }
    }

    fn label(&self, series: u32) -> Label {
        self.labels.get(series as usize).copied().unwrap_or(Label::Instant)
    }

    /// Returns the place of the key of a record.
    #[inline]
    fn of(&mut self, record: &impl Record) -> Result<u32, String> {
        if self.slots.is_empty()
            && let Some(last) = self.last
        {
            return Ok(last);
        }
        self.cells.clear();
        for &slot in &self.slots {
            encode(record.cell(slot), &mut self.cells);
        }
        if let Some(last) = self.last
            && self.cells == self.last_cells
        {
            return Ok(last);
        }
        let series = match self.by_cells.get(self.cells.as_slice()) {
            Some(series) => *series,
            None => self.intern(record)?,
        };
        std::mem::swap(&mut self.cells, &mut self.last_cells);
        self.last = Some(series);
        Ok(series)
    }

    fn intern(&mut self, record: &impl Record) -> Result<u32, String> {
        let key: Result<Box<[Value]>, String> =
            self.plan.key.iter().map(|feed| key_value(feed, record)).collect();
        let key = SeriesKey(key?);
        let fresh =
            u32::try_from(self.list.len()).map_err(|err| format!("the block has too many series: {err}"))?;
        let series = *self.by_value.entry(key.encode()).or_insert(fresh);
        if series == fresh {
            let timeframe = self.plan.key.iter().position(|feed| feed.column.name == timeframe::COLUMN);
            let is_day = timeframe.and_then(|at| key.0.get(at)).is_some_and(is_day_or_more);
            self.labels.push(if is_day { Label::Date } else { Label::Instant });
            self.list.push(key);
        }
        self.by_cells.insert(self.cells.as_slice().into(), series);
        Ok(series)
    }
}

/// Returns whether the value of the key column of timeframes is a day or more.
pub(super) fn is_day_or_more(timeframe: &Value) -> bool {
    match timeframe {
        Value::Text(text) => text.parse::<Timeframe>().is_ok_and(Timeframe::is_day_or_more),
        _ => false,
    }
}

fn key_value(feed: &Feed, record: &impl Record) -> Result<Value, String> {
    let value = match &feed.origin {
        Origin::Constant(value) => value.clone(),
        Origin::Nowhere => Value::Null,
        Origin::Slots(slots) => {
            let converted = feed
                .convert(record, &mut ZoneCache::default())
                .map_err(|unfit| reason(feed, record, unfit))?;
            let value = converted.value(record, &mut String::new()).to_value();
            if value == Value::Null {
                let is_nan = |slot: &usize| is_nan(record.cell(*slot));
                if matches!(feed.rule, Rule::Double(_)) && slots.iter().any(is_nan) {
                    return Err(format!("{}: {}", feed.column.name, Misread::NanKey));
                }
            }
            value
        }
    };
    let fail = |why: Misread, text: &str| format!("{}: '{}' {why}", feed.column.name, visible(text));
    match value {
        Value::Null if !feed.column.nullable => Err(format!("{}: {}", feed.column.name, Misread::NoKey)),
        // −0.0 and 0.0 are one value.
        Value::Double(number) => Ok(Value::Double(number + 0.0)),
        Value::Text(text) if feed.column.name == timeframe::COLUMN => match timeframe::from_word(&text) {
            Some(timeframe) => Ok(Value::Text(timeframe.to_string().into())),
            None => Err(fail(Misread::NotTimeframe, &text)),
        },
        Value::Text(text) if feed.column.name == "option_type" => match option_type(&text) {
            Some(word) => Ok(Value::Text(word.into())),
            None => Err(fail(Misread::NotOptionType, &text)),
        },
        value => Ok(value),
    }
}

fn is_nan(cell: Cell<'_>) -> bool {
    match cell {
        Cell::Double(number) => number.is_nan(),
        Cell::Text(text) => text.trim_ascii().eq_ignore_ascii_case(b"nan"),
        _ => false,
    }
}

fn option_type(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "call" | "calls" | "c" | "ce" => Some("call"),
        "put" | "puts" | "p" | "pe" => Some("put"),
        _ => None,
    }
}

/// Appends a form in which different cells have different bytes.
#[inline]
fn encode(cell: Cell<'_>, out: &mut Vec<u8>) {
    let mut number = |tag: u8, bytes: [u8; 8]| {
        out.push(tag);
        out.extend_from_slice(&bytes);
    };
    match cell {
        Cell::Null => out.push(0),
        Cell::Text(text) => {
            number(1, (text.len() as u64).to_le_bytes());
            out.extend_from_slice(text);
        }
        Cell::Whole(whole) => number(2, whole.to_le_bytes()),
        Cell::Double(double) => number(3, double.to_bits().to_le_bytes()),
        Cell::Boolean(flag) => number(4, u64::from(flag).to_le_bytes()),
        Cell::Date(day) => number(5, i64::from(day).to_le_bytes()),
        Cell::Time { count, .. } => number(6, count.to_le_bytes()),
    }
}
