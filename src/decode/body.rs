//! Decoding a whole document: the answer of a provider, or a file whose records lie inside each other.

mod nested;
mod places;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

pub(super) use self::places::{Places, is_from_document};

use self::nested::Nested;
use super::bind::{Assignment, Names, Otherwise};
use super::entry::Shape;
use super::fields::Fields;
use super::given::constant;
use super::json::{JsonRecord, TOO_DEEP};
use super::layout::Layout;
use super::moment::{self, Label, ZoneCache};
use super::plan::{Origin, Plan, Rule};
use super::rows::{Rows, is_day_or_more};
use super::timeframe::{self, Spacings, Verdict};
use super::want::Sheet;
use super::{Block, Decoded, Decoder, Format, Input, text, walk};
use crate::error::{Failure, visible};
use crate::model::time::{MICROS_PER_SECOND, format_timestamp};
use crate::model::{Table, Timeframe, Value};

/// What is known about a body without looking at it.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// Values of columns that the body does not say, such as the symbol that was asked for.
    pub values: &'a BTreeMap<String, String>,
    /// The time of the request, microseconds UTC: that of rows which have none of their own.
    pub now: i64,
}

/// What became of a body.
pub struct Body {
    /// Its rows.
    pub decoded: Decoded,
    /// The time behind which its rows may still change, where it says one.
    pub open_after: Option<i64>,
}

/// A layout bound to a table; decodes bodies from any thread.
pub struct BodyDecoder {
    table: Table,
    layout: Layout,
    form: Form,
}

/// What the layout leaves to each body.
enum Form {
    /// The records of a document, their columns decided.
    Nested(Box<Bound>),
    /// Records one behind the other, which say their fields themselves.
    Records(Format),
}

/// The columns of a document.
struct Bound {
    plan: Plan,
    places: Places,
    required: Vec<(String, Vec<usize>)>,
    zones: Vec<(String, usize)>,
    requests: Vec<(String, String)>,
    open_after: Option<usize>,
}

/// The name of a body in messages.
const ANSWER: &str = "the answer";

impl BodyDecoder {
    /// Decides what feeds each column; only a body of CSV, or of objects without `[map]`, is looked at for names.
    pub fn bind(table: &Table, layout: &Layout) -> Result<Self> {
        Self::bind_named(table, layout, ANSWER)
    }

    /// Decides what feeds each column of a file of this name.
    pub fn bind_named(table: &Table, layout: &Layout, file_name: &str) -> Result<Self> {
        let format = layout.format.unwrap_or(Format::Json);
        let is_plain = layout.shape.is_none_or(|shape| shape == Shape::Objects) && layout.map.is_empty();
        let form = match format {
            Format::Parquet => bail!(Failure::usage("cannot decode an answer as Parquet")),
            Format::Json if !is_plain || layout.needs_inside() => {
                Form::Nested(Box::new(Bound::new(table, layout, file_name)?))
            }
            format => Form::Records(format),
        };
        Ok(Self { table: table.clone(), layout: layout.clone(), form })
    }

    /// Decodes a body.
    ///
    /// Fails if it has not the form that the layout says.
    pub fn decode(&self, body: &[u8], given: &Given<'_>) -> Result<Body> {
        match &self.form {
            Form::Nested(bound) => bound.decode(&self.layout, body, given),
            Form::Records(format) => {
                let block = self.block(*format, body)?;
                let decoded = self.bind_block(*format, &block, given)?.decode(&block)?;
                Ok(Body { decoded, open_after: None })
            }
        }
    }

    /// Returns the timeframe that the spacing of the rows speaks for, if the table has one that nothing says.
    pub fn detect_timeframe(&self, body: &[u8], given: &Given<'_>) -> Result<Option<Timeframe>> {
        let layout = &self.layout;
        let is_missing = |feed: &super::plan::Feed| {
            feed.column.name == timeframe::COLUMN && feed.origin == Origin::Nowhere
        };
        let is_open = match &self.form {
            Form::Nested(bound) => bound.plan.key.iter().any(is_missing),
            Form::Records(_) => {
                let is_said =
                    layout.map.contains_key(timeframe::COLUMN) || layout.set.contains_key(timeframe::COLUMN);
                // Without a map the names of the fields may say it.
                has_timeframe(&self.table) && !layout.map.is_empty() && !is_said
            }
        };
        if !is_open || given.values.contains_key(timeframe::COLUMN) {
            return Ok(None);
        }
        let mut values = given.values.clone();
        values.insert(timeframe::COLUMN.to_owned(), "1s".to_owned());
        let sketch = self.decode(body, &Given { values: &values, now: given.now })?;
        let mut spacings = Spacings::default();
        spacings.add(&sketch.decoded.frame);
        Ok(match spacings.decide() {
            Verdict::Clear(timeframe) => Some(timeframe),
            Verdict::Unclear(..) | Verdict::Nothing => None,
        })
    }

    fn bind_block(&self, format: Format, block: &Block, given: &Given<'_>) -> Result<Decoder> {
        let names = if self.layout.map.is_empty() { Names::Speak } else { Names::Ignore };
        let mut values = given.values.clone();
        if !has_timeframe(&self.table) {
            values.insert("ts".to_owned(), format_timestamp(floor_second(given.now)));
        }
        let input = Input { format, file_name: ANSWER, head: std::slice::from_ref(block) };
        let otherwise = Otherwise { names, values: Some(&values) };
        Decoder::bind_with(&self.table, &self.layout, &input, otherwise)
    }

    /// Returns the records of a body one behind the other.
    fn block(&self, format: Format, body: &[u8]) -> Result<Block> {
        if format != Format::Json {
            let bytes = text::lines(&self.layout, body)?;
            return Ok(Block { index: 0, first_line: 1 + self.layout.skip as u64, bytes, ends: None });
        }
        let document = validated(body)?.as_bytes();
        let mut block = Block { index: 0, first_line: 1, bytes: Vec::new(), ends: Some(Vec::new()) };
        let root = super::path::parse(self.layout.root.as_deref().unwrap_or("$"))?;
        let mut has_root = false;
        let done = walk::each_match(document, 0, &root, None, &mut |at, _| {
            has_root = true;
            let mut one = |at: usize| {
                let end = walk::skip_value(document, at)?;
                block.bytes.extend_from_slice(document.get(at..end)?);
                block.bytes.push(b'\n');
                block.ends.get_or_insert_default().push(block.bytes.len());
                Some(end)
            };
            match document.get(at)? {
                b'[' => walk::array(document, at, |_, at| one(at)).map(|_| ()),
                _ => one(at).map(|_| ()),
            }
        });
        done.context(TOO_DEEP)?;
        check_root(has_root, &self.layout)?;
        Ok(block)
    }
}

impl Bound {
    fn new(table: &Table, layout: &Layout, file_name: &str) -> Result<Self> {
        let mut fields = Fields::nested(Places::of(layout)?);
        let mut assignment = Assignment::nested(table, layout, file_name, &mut fields)?;
        let plan = assignment.plan(Vec::new())?;
        let Assignment { required, zones, requests, .. } = assignment;
        let places = fields.places().context("a document has places")?;
        let open_after = layout.open_after.as_ref();
        let open_after = open_after.map(|path| places.in_document(path)).transpose()?;
        let places = places.clone();
        let this = Self { plan, places, required, zones, requests, open_after };
        if this.plan.ts.origin == Origin::Nowhere && (has_timeframe(table) || file_name != ANSWER) {
            bail!(
                Failure::usage(format!("cannot find the time of {file_name}: nothing feeds column 'ts'"))
                    .hint("`ts = { at = \"PATH\" }` in the layout's [map]")
            );
        }
        Ok(this)
    }

    fn decode(&self, layout: &Layout, body: &[u8], given: &Given<'_>) -> Result<Body> {
        let bytes = validated(body)?.as_bytes();
        let mut sheet = Sheet::new(bytes, self.places.slots);
        let document = self.places.scopes.first().context("a document has a scope")?;
        sheet.fill(&document.want, 0).context(TOO_DEEP)?;
        let plan = self.plan(&sheet, given)?;
        let open_after = self.open_after.map(|slot| open_after(&plan, &sheet, slot)).transpose()?.flatten();
        let mut rows = Rows::new(&plan, 1, room(bytes.len()));
        let has_root = Nested::new(&self.places, &mut sheet, &mut rows).run()?;
        check_root(has_root, layout)?;
        if rows.read() > 0 || (has_root && self.places.shape == Shape::Columns) {
            self.check_required(&sheet, layout)?;
        }
        Ok(Body { decoded: rows.finish(), open_after })
    }

    /// Returns the plan for one body: with its zones, and with what the request says.
    fn plan(&self, sheet: &Sheet<'_>, given: &Given<'_>) -> Result<Plan> {
        let mut plan = self.plan.clone();
        let is_bars = has_timeframe(&plan.table);
        let (key, values) = (plan.key.iter_mut(), plan.values.iter_mut());
        for feed in key.chain(values).chain([&mut plan.ts]) {
            let name = feed.column.name.as_str();
            if let Some((_, slot)) = self.zones.iter().find(|(column, _)| column == name) {
                let piece = sheet.pieces.get(*slot).copied().unwrap_or_default();
                // Without records there need not be a zone, and no time is read.
                if let (Some(zone), Rule::Date(rule) | Rule::Timestamp(rule)) =
                    (sheet.text(piece), &mut feed.rule)
                {
                    let zone = String::from_utf8_lossy(zone);
                    rule.zone = moment::zone(&zone).context("cannot use the time zone of the answer")?;
                }
            }
            let request = self.requests.iter().find(|(column, _)| column == name);
            let wanted = request.map_or(name, |(_, wanted)| wanted.as_str());
            if feed.origin != Origin::Nowhere {
                continue;
            }
            let is_key = plan.table.key_index(name).is_some();
            match given.values.get(wanted) {
                Some(text) if is_key || request.is_some() => {
                    feed.origin = Origin::Constant(constant(&feed.column, text)?);
                }
                _ if name == "ts" && !is_bars => {
                    feed.origin = Origin::Constant(Value::Timestamp(floor_second(given.now)));
                }
                _ if feed.column.nullable => {}
                _ => bail!(unfed(name)),
            }
        }
        Ok(plan)
    }

    /// Refuses a body in which no record has a field that the layout does not call optional.
    fn check_required(&self, sheet: &Sheet<'_>, layout: &Layout) -> Result<()> {
        let is_seen = |slot: &usize| sheet.seen.get(*slot) == Some(&true);
        let missing = self.required.iter().find(|(_, slots)| !slots.iter().any(is_seen));
        if let Some((column, _)) = missing {
            let at = layout.map.get(column).and_then(|entry| entry.at.as_ref());
            let at = at.map(ToString::to_string).unwrap_or_default();
            let has =
                first_keys(sheet.bytes, layout).map_or_else(String::new, |has| format!("; one has {has}"));
            bail!("cannot fill column '{column}': no record has {at}{has}");
        }
        Ok(())
    }
}

/// Returns what the first record of a document has: the names of its fields, or how many there are.
fn first_keys(bytes: &[u8], layout: &Layout) -> Option<String> {
    /// Names shown at most.
    const SHOWN: usize = 20;
    let first_of = |at: usize, path: &str| {
        let mut found = None;
        walk::each_match(bytes, at, &super::path::parse(path).ok()?, None, &mut |at, _| {
            found = found.or(Some(at));
            Some(())
        })?;
        let at = found?;
        let mut first = None;
        match bytes.get(at)? {
            b'[' if bytes.get(walk::skip_blank(bytes, at + 1)) != Some(&b']') => {
                Some(walk::skip_blank(bytes, at + 1))
            }
            b'{' if layout.shape == Some(Shape::Keyed) && layout.explode.is_empty() => {
                walk::object(bytes, at, |_, at| {
                    first = first.or(Some(at));
                    walk::skip_value(bytes, at)
                })?;
                first
            }
            _ => Some(at),
        }
    };
    let mut at = first_of(0, layout.root.as_deref().unwrap_or("$"))?;
    for explode in &layout.explode {
        at = first_of(at, &explode.path)?;
    }
    let (mut names, mut count) = (Vec::new(), 0_usize);
    match bytes.get(at)? {
        b'{' => {
            walk::object(bytes, at, |key, at| {
                count += 1;
                if count <= SHOWN {
                    names.push(walk::unescaped(key)?.into_owned());
                }
                walk::skip_value(bytes, at)
            })?;
        }
        b'[' => {
            walk::array(bytes, at, |_, at| {
                count += 1;
                walk::skip_value(bytes, at)
            })?;
            return Some(format!("the places 0 to {}", count.checked_sub(1)?));
        }
        _ => return None,
    }
    if count > SHOWN {
        names.push("…".to_owned());
    }
    (!names.is_empty()).then(|| visible(&names.join(", ")))
}

/// Returns the time behind which rows may still change, read as the times of the rows are.
fn open_after(plan: &Plan, sheet: &Sheet<'_>, slot: usize) -> Result<Option<i64>> {
    let mut feed = plan.ts.clone();
    feed.origin = Origin::Slots(vec![slot]);
    let is_day = plan.key.iter().any(|feed| match &feed.origin {
        Origin::Constant(value) => feed.column.name == timeframe::COLUMN && is_day_or_more(value),
        _ => false,
    });
    let label = if is_day { Label::Date } else { Label::Instant };
    let read = match feed.convert_time(&JsonRecord { sheet, start: 0, end: 0 }) {
        Ok(Some((written, rule))) => rule.resolve(written, label, &mut ZoneCache::default()).map(Some),
        Ok(None) => Ok(None),
        Err(unfit) => Err(unfit.why),
    };
    read.or_else(|why| bail!("cannot read the time of the last finished row: it {why}"))
}

fn validated(body: &[u8]) -> Result<&str> {
    walk::validated(body).context("cannot read the answer: it is no JSON document")
}

fn check_root(has_root: bool, layout: &Layout) -> Result<()> {
    if !has_root && !layout.optional {
        bail!("cannot find the records: nothing is at '{}'", layout.root.as_deref().unwrap_or("$"));
    }
    Ok(())
}

fn unfed(name: &str) -> Failure {
    let failure = Failure::usage(format!("cannot fill key column '{name}': nothing says it"));
    match name {
        timeframe::COLUMN => failure.hint("`--set timeframe=1d`"),
        _ => failure.hint(format!("`--set {name}=VALUE` or `--map {name}=PATH`")),
    }
}

fn has_timeframe(table: &Table) -> bool {
    table.key_index(timeframe::COLUMN).is_some()
}

fn floor_second(micros: i64) -> i64 {
    micros.div_euclid(MICROS_PER_SECOND) * MICROS_PER_SECOND
}

/// Returns for how many rows there is room at first; too small a guess only grows the columns twice.
fn room(bytes: usize) -> usize {
    const ROW_BYTES: usize = 64;
    const MOST: usize = 1 << 16;
    (bytes / ROW_BYTES).min(MOST) + 16
}

#[cfg(test)]
mod tests;
