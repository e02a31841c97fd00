//! An input as it is: each of its fields a column, without a table, a key or a time.
//!
//! The types come from all of its cells, so that every record fits but one that is no record. They are those that
//! [`super::infer()`] gives a new table, except that a time finer than a microsecond stays text.

use anyhow::{Result, bail};

use super::decoder::decode;
use super::fields::{Fields, Reading};
use super::infer::{self, Guess};
use super::moment::{Form, TimeRule};
use super::number::NumberRule;
use super::parquet::{ParquetDecoder, infer_parquet};
use super::plan::{Feed, Origin, Plan, Rule};
use super::{Block, Decoded, Format, Input, Layout, shape};
use crate::error::Failure;
use crate::frame::ParquetFile;
use crate::model::{Column, ColumnType, Table, Value, normalize};

/// How the fields of an input are found.
pub struct PlainInput {
    file_name: String,
    layout: Layout,
    /// The fields and their reading of CSV; JSON has those of each block.
    csv: Option<(Vec<String>, Reading)>,
}

/// What was seen of the fields of an input, or of a part of it.
#[derive(Default)]
pub struct PlainSeen {
    fields: Vec<(String, Guess)>,
    has_objects: bool,
    has_arrays: bool,
}

/// Decodes the blocks of an input from any thread.
pub struct PlainDecoder {
    plan: Plan,
    reading: Reading,
}

impl PlainInput {
    /// Looks at the first block of an input.
    pub fn new(format: Format, file_name: &str, first: &Block) -> Result<Self> {
        let layout = Layout::default();
        let input = Input { format, file_name, head: std::slice::from_ref(first) };
        let csv = if format == Format::Csv {
            let fields = Fields::of(&layout, &input)?;
            if fields.has_no_header() {
                bail!(Failure::usage(format!(
                    "cannot use the header of '{file_name}': its first line looks like a record"
                )));
            }
            let slots: Vec<_> = (0..fields.names.len()).collect();
            let reading = fields.reading(&slots);
            Some((fields.names, reading))
        } else {
            None
        };
        Ok(Self { file_name: file_name.to_owned(), layout, csv })
    }

    /// Looks at a block.
    pub fn look(&self, block: &Block) -> PlainSeen {
        if let Some((names, reading)) = &self.csv {
            return PlainSeen { fields: self.guess(names, reading, block), ..PlainSeen::default() };
        }
        let shape = shape::whole_shape(block);
        let (has_objects, has_arrays) = (!shape.keys.is_empty(), shape.width > 0);
        let fields = Fields::of_shape(shape);
        let slots: Vec<_> = (0..fields.names.len()).collect();
        let guesses = self.guess(&fields.names, &fields.reading(&slots), block);
        PlainSeen { fields: guesses, has_objects, has_arrays }
    }

    fn guess(&self, names: &[String], reading: &Reading, block: &Block) -> Vec<(String, Guess)> {
        let mut guesses: Vec<Guess> = names.iter().map(|_| Guess::new(&self.layout)).collect();
        infer::observe(&mut guesses, reading, block);
        names.iter().cloned().zip(guesses).collect()
    }

    /// Returns the decoder for the fields that all blocks have.
    pub fn decoder(&self, seen: &PlainSeen) -> Result<PlainDecoder> {
        if seen.has_objects && seen.has_arrays {
            bail!(Failure::new("some of its records are objects and some are arrays"));
        }
        let keys: Vec<String> = seen.fields.iter().map(|(name, _)| name.clone()).collect();
        let kept = seen.fields.iter().enumerate().filter_map(|(slot, (name, guess))| {
            // A field without a name is an index that pandas wrote, or nothing behind a last comma.
            let is_named = normalize(name).is_some();
            let header = if is_named { name.clone() } else { format!("column_{}", slot + 1) };
            (is_named || guess.is_seen()).then_some((slot, header, guess.exact_kind()))
        });
        let kept: Vec<_> = kept.collect();
        let headers: Vec<String> = kept.iter().map(|(_, header, _)| header.clone()).collect();
        let columns = infer::columns(&headers, kept.iter().map(|(_, _, kind)| *kind), &self.file_name)?;
        let number = NumberRule { thousands: self.layout.thousands, divide: None };
        let feeds =
            columns.into_iter().zip(&kept).map(|((_, column), (slot, ..))| feed(column, *slot, number));
        let plan = plan(feeds.collect())?;
        let reading = if let Some((_, reading)) = &self.csv {
            reading.clone()
        } else {
            let width = if seen.has_arrays { keys.len() } else { 0 };
            let keys = if seen.has_arrays { Vec::new() } else { keys };
            let slots: Vec<_> = kept.iter().map(|(slot, ..)| *slot).collect();
            Fields::of_shape(shape::Shape { keys, width }).reading(&slots)
        };
        Ok(PlainDecoder { plan, reading })
    }
}

impl PlainSeen {
    /// Adds what was seen of the part of the input that follows.
    pub fn add(&mut self, next: Self) {
        self.has_objects |= next.has_objects;
        self.has_arrays |= next.has_arrays;
        for (at, (name, guess)) in next.fields.into_iter().enumerate() {
            // The same fields come in the same places, but for the keys of JSON.
            let is_at = |at: usize| self.fields.get(at).is_some_and(|(known, _)| *known == name);
            let place =
                if is_at(at) { Some(at) } else { self.fields.iter().position(|(known, _)| *known == name) };
            match place.and_then(|place| self.fields.get_mut(place)) {
                Some((_, known)) => known.merge(&guess),
                None => self.fields.push((name, guess)),
            }
        }
    }
}

impl PlainDecoder {
    /// Returns the columns.
    pub fn columns(&self) -> &[Column] {
        &self.plan.table.values
    }

    /// Decodes one block.
    pub fn decode(&self, block: &Block) -> Decoded {
        decode(&self.plan, &self.reading, block)
    }
}

/// Returns the decoder of all columns of a Parquet file, and the columns.
///
/// Fails if one of them holds lists or structs.
pub fn plain_parquet(file: ParquetFile, file_name: &str) -> Result<(ParquetDecoder, Vec<Column>)> {
    if let Some(column) = file.columns().iter().find(|column| column.kind.is_none()) {
        bail!(Failure::new(format!("column '{}' holds neither numbers, times nor text", column.name)));
    }
    let columns = infer_parquet(&Layout::default(), &file, file_name)?;
    let number = NumberRule { thousands: None, divide: None };
    let feeds = columns.into_iter().enumerate().map(|(slot, (_, column))| feed(column, slot, number));
    let plan = plan(feeds.collect())?;
    let columns = plan.table.values.clone();
    Ok((ParquetDecoder::plain(plan, file, file_name), columns))
}

fn feed(column: Column, slot: usize, number: NumberRule) -> Feed {
    let time = TimeRule { form: Form::Iso, zone: None };
    let rule = Rule::of(column.kind, number, time);
    Feed { column, origin: Origin::Slots(vec![slot]), rule, nulls: Box::default() }
}

/// Returns the plan of a table of these columns, all of whose rows are of one series and one time.
fn plan(values: Vec<Feed>) -> Result<Plan> {
    if values.is_empty() {
        bail!(Failure::new("it has no columns"));
    }
    let columns = values.iter().map(|feed| feed.column.clone()).collect();
    let table =
        Table { name: "plain".to_owned(), key: vec![], ticks: false, values: columns, checks: vec![] };
    let ts = Feed {
        column: Column::value("ts", ColumnType::Timestamp),
        origin: Origin::Constant(Value::Timestamp(0)),
        rule: Rule::Timestamp(TimeRule { form: Form::Iso, zone: None }),
        nulls: Box::default(),
    };
    Ok(Plan { table, key: vec![], ts, seq: None, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ValueRef;

    fn block(index: u64, text: &str) -> Block {
        Block { index, first_line: 1, bytes: text.as_bytes().to_vec(), ends: None }
    }

    type Types = Vec<(String, ColumnType)>;

    /// Decodes blocks by what all of them hold.
    fn decoded(format: Format, texts: &[&str]) -> Result<(Types, Vec<Decoded>)> {
        let blocks: Vec<_> = (0..).zip(texts).map(|(at, text)| block(at, text)).collect();
        let input = PlainInput::new(format, "x", &blocks[0])?;
        let mut seen = PlainSeen::default();
        for block in &blocks {
            seen.add(input.look(block));
        }
        let decoder = input.decoder(&seen)?;
        let columns = decoder.columns().iter().map(|column| (column.name.clone(), column.kind)).collect();
        Ok((columns, blocks.iter().map(|block| decoder.decode(block)).collect()))
    }

    fn kinds(format: Format, texts: &[&str]) -> Vec<ColumnType> {
        decoded(format, texts).unwrap().0.into_iter().map(|(_, kind)| kind).collect()
    }

    #[test]
    fn types_come_from_all_blocks() {
        use ColumnType::{Bigint, Boolean, Date, Double, Text, Timestamp};
        let first = "a,b,c,d,e,f,g\n1,1,2024-01-02,true,1,2024-01-02,2024-01-02T00:00:00Z\n";
        assert_eq!(kinds(Format::Csv, &[first]), [Bigint, Bigint, Date, Boolean, Bigint, Date, Timestamp]);
        let next = "2,1.5,2024-01-03T10:00,x,9223372036854775808,,2024-01-02T00:00:00.0000001Z\n";
        assert_eq!(kinds(Format::Csv, &[first, next]), [Bigint, Double, Timestamp, Text, Text, Date, Text]);
        let (_, blocks) = decoded(Format::Csv, &[first, next]).unwrap();
        assert!(blocks.iter().all(|block| block.rejects.is_empty() && block.frame.len() == 1));
        assert_eq!(blocks[1].frame.cells(4).unwrap().get(0), ValueRef::Text("9223372036854775808"));
        assert_eq!(blocks[1].frame.cells(5).unwrap().get(0), ValueRef::Null);
    }

    #[test]
    fn keys_of_json_may_come_late() {
        let (columns, blocks) =
            decoded(Format::Ndjson, &["{\"b\":1,\"a\":\"x\"}\n", "{\"a\":null,\"Last Price\":2.5}\n"])
                .unwrap();
        let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "a", "last_price"]);
        assert_eq!(blocks[0].frame.cells(2).unwrap().get(0), ValueRef::Null);
        assert_eq!(blocks[1].frame.cells(2).unwrap().get(0), ValueRef::Double(2.5));
        let (columns, blocks) = decoded(Format::Ndjson, &["[1,2]\n", "[3,4,\"x\"]\n"]).unwrap();
        assert_eq!(columns.len(), 3);
        assert_eq!(blocks[1].frame.cells(2).unwrap().get(0), ValueRef::Text("x"));
        assert!(decoded(Format::Ndjson, &["[1,2]\n", "{\"a\":1}\n"]).is_err());
    }

    #[test]
    fn what_is_no_record_is_rejected() {
        let (_, blocks) = decoded(Format::Csv, &["a,b\n1,2\n3,4,5\n"]).unwrap();
        assert_eq!(blocks[0].rejects.len(), 1);
        let (_, blocks) = decoded(Format::Ndjson, &["{\"a\":1}\n{\"a\":\n"]).unwrap();
        assert_eq!(blocks[0].rejects.len(), 1);
        assert!(decoded(Format::Csv, &["2024-01-02,1\n2024-01-03,2\n"]).is_err(), "there is no header");
        assert!(decoded(Format::Csv, &["a,A\n1,2\n"]).is_err(), "two columns have one name");
        assert!(decoded(Format::Csv, &[""]).is_err());
        let (columns, blocks) = decoded(Format::Csv, &[",a,\n7,1,\n"]).unwrap();
        let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["column_1", "a"], "an index keeps its values, a last comma has none");
        assert_eq!(blocks[0].frame.cells(0).unwrap().get(0), ValueRef::Bigint(7));
    }
}
