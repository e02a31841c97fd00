//! How a table's columns share the width of the screen, and its lines.

use anyhow::Result;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::cells::{Column, Dialect};
use super::pipeline::Layout;
use super::{Screen, is_number};
use crate::ui::figures;

/// Text is cut to this many columns of the screen even where there is no screen to fit.
const WIDEST_TEXT: usize = 200;
/// Text is cut down to this before a column is hidden: a time or a symbol is still whole.
const NARROWEST_TEXT: usize = 16;
/// Between two columns.
const GAP: usize = 2;

/// The widths a column asks for.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    header: usize,
    cells: usize,
}

impl Size {
    /// Returns the widths of columns without rows.
    pub(super) fn of_header(schema: &Schema) -> Vec<Self> {
        let width = |name: &str| {
            let mut text = Vec::new();
            Visible.text(name, &mut text);
            width_of(&text)
        };
        schema.fields().iter().map(|field| Self { header: width(field.name()), cells: 0 }).collect()
    }

    /// Widens the columns to what the rows of a batch ask for.
    pub(super) fn grow(sizes: &mut [Self], batch: &RecordBatch) -> Result<()> {
        let mut cell = Vec::new();
        for (size, array) in sizes.iter_mut().zip(batch.columns()) {
            let mut column = Column::new(array)?;
            for row in 0..batch.num_rows() {
                cell.clear();
                column.write(row, &Visible, &mut cell);
                size.cells = size.cells.max(width_of(&cell));
            }
        }
        Ok(())
    }

    /// Returns the width when text is cut to `longest`; a number is never cut, since it would read as
    /// another one.
    fn fit(self, kind: &DataType, longest: usize) -> usize {
        let header = self.header.min(longest);
        header.max(if is_text(kind) { self.cells.min(longest) } else { self.cells })
    }
}

/// A column of the table, or the `…` that stands for the hidden ones.
struct Lane {
    place: Option<usize>,
    name: String,
    width: usize,
    is_number: bool,
    is_text: bool,
}

/// The lines of a table.
pub(super) struct Grid {
    lanes: Vec<Lane>,
    columns: usize,
    color: bool,
}

impl Grid {
    /// Shares the screen among the columns: text is cut first, then columns are hidden from the middle.
    pub(super) fn new(schema: &Schema, sizes: &[Size], screen: Screen) -> Self {
        let kinds = || schema.fields().iter().map(|field| field.data_type()).zip(sizes);
        let room = screen.width.unwrap_or(usize::MAX);
        let widths = |longest| kinds().map(|(kind, size)| size.fit(kind, longest)).collect::<Vec<_>>();
        let total = |widths: &[usize]| widths.iter().map(|width| width + GAP).sum::<usize>();
        let fits = |longest: &usize| total(&widths(*longest)) <= room.saturating_add(GAP);
        let longest = (NARROWEST_TEXT..=WIDEST_TEXT).rev().find(fits).unwrap_or(NARROWEST_TEXT);
        let widths = widths(longest);
        let shown = shown(&widths, room);
        let mut lanes = Vec::new();
        for (place, (field, width)) in schema.fields().iter().zip(&widths).enumerate() {
            let hidden = place >= shown.0 && place < widths.len() - shown.1;
            if hidden && place > shown.0 {
                continue;
            }
            lanes.push(Lane {
                place: (!hidden).then_some(place),
                name: if hidden { "…".to_owned() } else { field.name().clone() },
                width: if hidden { 1 } else { *width },
                is_number: !hidden && is_number(field.data_type()),
                is_text: !hidden && is_text(field.data_type()),
            });
        }
        Self { lanes, columns: widths.len(), color: screen.color }
    }

    fn hidden(&self) -> usize {
        self.columns - self.lanes.iter().filter(|lane| lane.place.is_some()).count()
    }

    /// Appends text in the style `code`, where colour is allowed.
    fn paint(&self, code: &str, text: &[u8], out: &mut Vec<u8>) {
        if self.color && !code.is_empty() && !text.is_empty() {
            out.extend_from_slice(format!("\x1b[{code}m").as_bytes());
            out.extend_from_slice(text);
            out.extend_from_slice(b"\x1b[0m");
        } else {
            out.extend_from_slice(text);
        }
    }

    fn line(&self, out: &mut Vec<u8>, mut cell: impl FnMut(&Lane, &mut Vec<u8>)) {
        for (at, lane) in self.lanes.iter().enumerate() {
            cell(lane, out);
            if at + 1 < self.lanes.len() {
                pad(GAP, out);
            }
        }
        while out.last() == Some(&b' ') {
            out.pop();
        }
        out.push(b'\n');
    }

    fn put(&self, lane: &Lane, text: &mut Vec<u8>, code: &str, out: &mut Vec<u8>) {
        let mut width = width_of(text);
        if width > lane.width && lane.is_text {
            width = cut(text, lane.width);
        }
        let space = lane.width.saturating_sub(width);
        if lane.is_number {
            pad(space, out);
        }
        self.paint(code, text, out);
        if !lane.is_number {
            pad(space, out);
        }
    }
}

/// Returns how many columns to show from the left and from the right; all of them, or as many as leave
/// room for the `…` between, taken in turn from both ends.
fn shown(widths: &[usize], room: usize) -> (usize, usize) {
    let total: usize = widths.iter().map(|width| width + GAP).sum();
    if total <= room.saturating_add(GAP) {
        return (widths.len(), 0);
    }
    // The `…` takes one column and its gap; the first column is shown however wide it is.
    let mut left = room.saturating_sub(1);
    let (mut first, mut last) = (0, 0);
    while first + last < widths.len() {
        let from_left = first <= last;
        let width = GAP + if from_left { widths[first] } else { widths[widths.len() - 1 - last] };
        if width > left && first > 0 {
            break;
        }
        left = left.saturating_sub(width);
        if from_left { first += 1 } else { last += 1 }
    }
    (first, last)
}

impl Layout for Grid {
    fn head(&self, out: &mut Vec<u8>) {
        self.line(out, |lane, out| {
            let mut name = Vec::new();
            Visible.text(&lane.name, &mut name);
            if width_of(&name) > lane.width {
                cut(&mut name, lane.width);
            }
            self.put(lane, &mut name, "1", out);
        });
        self.line(out, |lane, out| self.paint("2", "─".repeat(lane.width).as_bytes(), out));
    }

    fn rows(&self, batch: &RecordBatch, _start: u64, out: &mut Vec<u8>) -> Result<()> {
        let resolve = |lane: &Lane| lane.place.map(|place| Column::new(batch.column(place))).transpose();
        let mut columns = self.lanes.iter().map(resolve).collect::<Result<Vec<_>>>()?;
        let mut cell = Vec::new();
        for row in 0..batch.num_rows() {
            let mut next = columns.iter_mut();
            self.line(out, |lane, out| {
                cell.clear();
                let code = if let Some(Some(column)) = next.next() {
                    column.write(row, &Visible, &mut cell);
                    if column.is_null(row) { "2" } else { "" }
                } else {
                    cell.extend_from_slice("…".as_bytes());
                    "2"
                };
                self.put(lane, &mut cell, code, out);
            });
        }
        Ok(())
    }

    fn tail(&self, rows: u64, out: &mut Vec<u8>) {
        let rows = figures::count(rows, "row");
        let text = match self.hidden() {
            0 => format!("({rows})"),
            hidden => format!("({rows}, {hidden} of {} columns hidden)", self.columns),
        };
        self.paint("2", text.as_bytes(), out);
        out.push(b'\n');
    }
}

/// Text that cannot steer the terminal, by the rules of [`crate::error::visible`].
struct Visible;

impl Dialect for Visible {
    fn null(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"NULL");
    }

    fn text(&self, text: &str, out: &mut Vec<u8>) {
        if !text.chars().any(char::is_control) {
            out.extend_from_slice(text.as_bytes());
            return;
        }
        for c in text.chars() {
            let c = match c {
                '\n' | '\t' => ' ',
                c if c.is_control() => '\u{fffd}',
                c => c,
            };
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// Returns whether values of the type may be cut.
fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_text(values),
        kind => {
            kind.is_string()
                || kind.is_binary()
                || kind.is_nested()
                || matches!(kind, DataType::FixedSizeBinary(_))
        }
    }
}

fn pad(width: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + width, b' ');
}

fn width_of(text: &[u8]) -> usize {
    if text.is_ascii() { text.len() } else { String::from_utf8_lossy(text).width() }
}

/// Cuts text to `width` columns of the screen, the last of them `…`; returns the width it has then.
fn cut(text: &mut Vec<u8>, width: usize) -> usize {
    let whole = String::from_utf8_lossy(text).into_owned();
    text.clear();
    let mut taken = 0;
    for c in whole.chars() {
        let wide = c.width().unwrap_or(0);
        if taken + wide + 1 > width {
            break;
        }
        text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        taken += wide;
    }
    text.extend_from_slice("…".as_bytes());
    taken + 1
}
