//! Bytes of every format through every layout: each record is a row or a reject, and nothing panics.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use barn::archive::{Choice, Conversion, Facts, open_store};
use barn::decode::{
    Block, BodyDecoder, Decoded, Decoder, Format, Given, Input, Layout, ParquetDecoder, PlainInput,
    PlainSeen, plain_parquet, sniff,
};
use barn::frame::ParquetFile;
use barn::import::{self, Limits, MaxBad, Mode, Progress, Request, Session};
use barn::model::time::is_in_range;
use barn::model::{BUILTIN, OnConflict, Table, TableText};
use tempfile::TempDir;

use super::mutate::pick;
use super::{Bytes, Rng, document, mutate, run};

/// Layouts of every shape, over the fields that `document` makes.
const LAYOUTS: &[&str] = &[
    "",
    "format = 'csv'",
    "format = 'csv'\nheader = false\ncolumns = ['ts', 'symbol', 'close', 'volume']",
    "format = 'csv'\ndelimiter = ';'\nthousands = 'dot'\nnulls = ['x', '-']\nskip = 1\nfooter = 1",
    "encoding = 'windows-1252'\nthousands = 'comma'",
    "format = 'ndjson'",
    "format = 'ndjson'\n[map]\nts = 't'\nclose = ['c', 'close', 4]",
    "layout = 'objects'\nroot = 'data'",
    "layout = 'objects'\nroot = '$'\n[map]\nts = { at = 't', unit = 'ms' }\nclose = 'c'\nopen = { at = 'o', optional = true }",
    "layout = 'rows'\nroot = 'result.*!last'\n[map]\nts = { at = 0, unit = 's' }\nopen = { at = 1, divide = 10000 }\nclose = 2",
    "layout = 'rows'\n[map]\nts = [0, 1]\nclose = { at = -1 }\nsymbol = '@request.symbol'",
    "layout = 'columns'\n[map]\nts = 't'\nclose = 'c'\nvolume = { at = 'v', optional = true }",
    "layout = 'columns'\nroot = 'data.result'\n[map]\nts = '[][0]'\nclose = '[][1]'",
    "layout = 'keyed'\nroot = 'Time Series*'\nzone = 'America/New_York'\n[map]\nts = '@key'\nopen = '1. open'\nclose = { at = '4. close', divide = 7 }",
    "layout = 'keyed'\n[map]\nts = { at = '@key', unit = 'ms', since = 'midnight' }\nclose = '@value'",
    "layout = 'objects'\nroot = 'records'\nexplode = [{ path = 'books[]', as = 'b' }, { path = 'legs[]' }]\n[map]\nts = '^time'\nprice = 'price'\nbook = '@index'",
    "layout = 'objects'\nroot = 'data[]'\narms = { option_type = ['CE', 'PE'] }\n[map]\nts = { at = '$.time', format = '%d-%b-%Y %H:%M:%S', zone = 'Asia/Kolkata' }\nstrike = '^strike'\nexpiry = 'expiry'\nlast = 'last'",
    "root = '*'\n[map]\nts = 'time'\nvalue = { at = 'value' }\nsymbol = '^s'",
    "time-format = ['%d/%m/%Y %H:%M', '%s']\nzone = 'Europe/Berlin'\nsymbol-from-name = true",
    "name = '(?<symbol>[a-z]+)_(?<date>\\d{8})'\n[map]\nts = { at = 'ts', unit = 'ms', since = 'midnight' }",
    "[set]\nsource = 'x'\ntimeframe = '1d'\nsymbol = 'Ü'\n[map]\nclose = { const = 1.5 }",
    include_str!("../../../fixtures/layouts/indian.toml"),
    include_str!("../../../fixtures/layouts/ticks.toml"),
];

/// Words of layouts.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "format", "csv", "ndjson", "json", "parquet", "layout", "objects", "rows", "columns", "keyed", "root",
    "'$'", "'*'", "'a[]'", "'^a'", "'$.a'", "'@key'", "'@index'", "'@value'", "'@request.symbol'", "map",
    "set", "at", "unit", "s", "ms", "us", "ns", "since", "midnight", "divide", "zone", "optional", "const",
    "explode", "arms", "skip", "footer", "header", "true", "false", "delimiter", "encoding", "'utf-16le'",
    "'shift_jis'", "thousands", "nulls", "name", "'(?<date>.*)'", "time-format", "'%Y%m%d'", "'%s'", "'%f'",
    "'%'", "[", "]",
];

/// Files that are read whole, as the seeds of damaged ones.
const FILES: &[&[u8]] = &[
    include_bytes!("../../../fixtures/prices/bars.csv"),
    include_bytes!("../../../fixtures/prices/bars.json"),
    include_bytes!("../../../fixtures/prices/bars.ndjson"),
    include_bytes!("../../../fixtures/prices/indian.csv"),
    include_bytes!("../../../fixtures/prices/minutes.csv"),
    include_bytes!("../../../fixtures/ticks/eurusd_20240102_quote.csv"),
    include_bytes!("../../../fixtures/ticks/spy_20240102_trade.csv"),
    br#"{"error":[],"result":{"XX":[[1688666400,"30306.1","30306.2","30305.7","30305.7","30306.1","3.39",23],[1688670000,"1","2","0.5","1","1","1.5",12]],"last":1688670000}}"#,
    br#"{"t":[1704067200,1704153600,1704240000],"c":[1.5,null,2],"v":[100,"200",3],"s":"ok"}"#,
    br#"{"Meta":{"zone":"US/Eastern"},"Time Series (Daily)":{"2024-01-02":{"1. open":"1.0","4. close":"2"},"2024-01-03":{"1. open":"3","4. close":"x"}}}"#,
    br#"{"time":"05-Aug-2025 13:59:23","data":[{"strike":55000,"expiry":"28-08-2025","CE":{"strike":55000,"last":820.15},"PE":{"last":310.4}},{"strike":1,"CE":{"last":0}}]}"#,
    br#"{"records":[{"time":"2024-01-02","books":[{"id":"a","legs":[{"price":1.5},{"price":2}]},{"id":"b","legs":[]}]}]}"#,
];

/// Names of files, which layouts look at.
const NAMES: &[&str] =
    &["a.csv", "spy_20240102_trade.csv", "x.json", "AAPL.csv.gz", "été 2024.ndjson", "b.parquet"];

#[derive(Debug)]
struct Case {
    table: &'static str,
    layout: String,
    name: &'static str,
    bytes: Bytes,
}

fn tables() -> BTreeMap<String, Table> {
    let texts: BTreeMap<String, TableText> = toml::from_str(BUILTIN).unwrap();
    texts.iter().map(|(name, text)| (name.clone(), Table::parse(name, text).unwrap())).collect()
}

fn table_name(rng: &mut Rng) -> &'static str {
    const NAMES: &[&str] =
        &["quotes", "trades", "chain", "odds", "observations", "actions", "fundamentals", "news"];
    if rng.bool() { "bars" } else { pick(rng, NAMES) }
}

fn layout_text(rng: &mut Rng) -> String {
    if rng.u8(..3) == 0 { mutate::one_of(rng, LAYOUTS, WORDS) } else { pick(rng, LAYOUTS).to_owned() }
}

/// Returns text of some format, or what was one.
fn body(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = match rng.u8(..10) {
        0..=2 => FILES[rng.usize(..FILES.len())].to_vec(),
        3..=5 => document::json(rng).into_bytes(),
        6 | 7 => document::csv(rng).into_bytes(),
        8 => document::ndjson(rng).into_bytes(),
        _ => (0..rng.usize(..200)).map(|_| rng.u8(..)).collect(),
    };
    if rng.u8(..3) > 0 {
        let other = FILES[rng.usize(..FILES.len())];
        mutate::bytes(rng, &mut bytes, other);
    }
    bytes
}

fn case(rng: &mut Rng) -> Case {
    let (table, layout) = (table_name(rng), layout_text(rng));
    Case { table, layout, name: pick(rng, NAMES), bytes: Bytes(body(rng)) }
}

/// Checks that each record that was read is a row or a reject.
fn accounted(decoded: &Decoded) {
    let (rows, rejects) = (decoded.frame.len(), decoded.rejects.len());
    assert_eq!(decoded.read, (rows + rejects) as u64, "{rows} rows and {rejects} rejects");
    assert!(decoded.frame.ts().iter().all(|ts| is_in_range(*ts)), "a time out of range");
    assert!(decoded.suspect <= rows as u64);
}

fn given() -> BTreeMap<String, String> {
    [("symbol", "AAA"), ("source", "test"), ("timeframe", "1d")].map(|(k, v)| (k.into(), v.into())).into()
}

#[test]
fn any_body_becomes_rows_and_rejects() {
    let tables = tables();
    run("body", case, |case| {
        let Ok(layout) = Layout::parse(&case.layout) else { return };
        let Ok(decoder) = BodyDecoder::bind_named(&tables[case.table], &layout, case.name) else { return };
        let values = given();
        for values in [&values, &BTreeMap::new()] {
            let given = Given { values, now: 1_704_067_200_000_000 };
            drop(decoder.detect_timeframe(&case.bytes.0, &given));
            if let Ok(body) = decoder.decode(&case.bytes.0, &given) {
                accounted(&body.decoded);
            }
        }
    });
}

#[test]
fn any_block_becomes_rows_and_rejects() {
    let tables = tables();
    run("block", case, |case| {
        let Ok(layout) = Layout::parse(&case.layout) else { return };
        let text = String::from_utf8_lossy(&case.bytes.0).into_owned();
        let found = layout.format.or_else(|| sniff(text.as_bytes(), case.name).ok());
        let Some(format) = found.filter(|format| matches!(format, Format::Csv | Format::Ndjson)) else {
            return;
        };
        let block = |index, text: &str| Block { index, first_line: 1, bytes: text.into(), ends: None };
        let cut = if format == Format::Ndjson {
            text[..text.floor_char_boundary(text.len() / 2)].rfind('\n')
        } else {
            None
        };
        let (first, second) = text.split_at(cut.map_or(text.len(), |at| at + 1));
        let head = [block(0, first), block(1, second)];
        plain(format, case.name, &head);
        let input = Input { format, file_name: case.name, head: &head };
        let Ok(mut decoder) = Decoder::bind(&tables[case.table], &layout, &input) else { return };
        if decoder.needs_timeframe() && decoder.detect_timeframe(&head).is_err() {
            return;
        }
        for block in &head {
            if let Ok(decoded) = decoder.decode(block) {
                accounted(&decoded);
            }
        }
    });
}

/// Reads blocks as `compress` does, without a table.
fn plain(format: Format, name: &str, head: &[Block]) {
    let Ok(input) = PlainInput::new(format, name, &head[0]) else { return };
    let mut seen = PlainSeen::default();
    for block in head {
        seen.add(input.look(block));
    }
    let Ok(decoder) = input.decoder(&seen) else { return };
    for block in head {
        accounted(&decoder.decode(block));
    }
}

/// A store that files are imported into, made anew from time to time.
struct Stores {
    folder: TempDir,
    used: usize,
}

impl Stores {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), used: 0 }
    }

    /// Imports a file; what is read is counted as one of what may become of it.
    fn import(&mut self, case: &Case) {
        self.used += 1;
        if self.used.is_multiple_of(200) {
            self.folder = tempfile::tempdir().unwrap();
        }
        let Ok(layout) = Layout::parse(&case.layout) else { return };
        let file = self.folder.path().join(case.name);
        std::fs::write(&file, &case.bytes.0).unwrap();
        let mut store = open_store(&self.folder.path().join("barn")).unwrap();
        let request = Request {
            table: case.table.to_owned(),
            layout,
            rule: [OnConflict::KeepKnown, OnConflict::Replace, OnConflict::Ignore][self.used % 3],
            limits: Limits { max_bad: MaxBad::Percent(100.0), transaction_rows: 7 },
            unknown_fields: if self.used.is_multiple_of(11) {
                import::Fields::Add
            } else {
                import::Fields::Ignore
            },
            key: Vec::new(),
            mode: Mode::from(self.used.is_multiple_of(5)),
        };
        let (stop, progress, rows) =
            (Arc::new(AtomicBool::new(false)), Progress::default(), AtomicU64::new(0));
        let sources = import::expand(&[file.display().to_string()], &stop).unwrap();
        let mut session = Session::new(&mut store, request, &stop, &progress, &rows).unwrap();
        for source in &sources {
            let outcome = session.import(source, &mut |_, result| {
                let Ok(outcome) = result else { return };
                let counts = outcome.counts;
                let parts = counts.inserted + counts.updated + counts.unchanged + counts.repeated;
                assert_eq!(counts.read, parts + counts.rejected, "{counts:?}");
            });
            drop(outcome);
        }
    }
}

/// Packs bytes as files come.
fn packed(rng: &mut Rng, bytes: Vec<u8>) -> Vec<u8> {
    match rng.u8(..12) {
        0 => crate::harness::gzip(&bytes),
        1 => zstd::encode_all(bytes.as_slice(), 1).unwrap(),
        2 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(&bytes).unwrap();
            encoder.finish().unwrap()
        }
        3 => {
            let mut archive = tar::Builder::new(Vec::new());
            for name in ["a.csv", "in/b.json"] {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
            }
            archive.into_inner().unwrap()
        }
        4 => {
            let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
            for name in ["a.csv", "in/b.json"] {
                archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
                archive.write_all(&bytes).unwrap();
            }
            archive.finish().unwrap().into_inner()
        }
        _ => bytes,
    }
}

#[test]
fn any_file_is_stored_or_refused_whole() {
    let mut stores = Stores::new();
    let make = |rng: &mut Rng| {
        let mut case = case(rng);
        let mut bytes = packed(rng, case.bytes.0);
        if rng.u8(..4) == 0 {
            mutate::bytes(rng, &mut bytes, FILES[0]);
        }
        if rng.bool() {
            case.layout = ["", "[set]\ntimeframe = '1d'\nsymbol = 'A'"][rng.usize(..2)].to_owned();
        }
        case.bytes = Bytes(bytes);
        case
    };
    run("file", make, |case| stores.import(case));
}

/// Returns Parquet files of several types, as barn writes them and as others do.
fn parquet_files() -> Vec<Vec<u8>> {
    let text = "ts,symbol,close,volume,d,b,x\n".to_owned()
        + &(0..40).fold(String::new(), |text, at| {
            let (minute, close) = (at % 60, f64::from(at) / 4.0);
            text + &format!("2024-01-02T00:{minute:02}:00Z,A{at},{close},{at},2024-01-02,true,é\n")
        });
    let block = Block { index: 0, first_line: 1, bytes: text.into(), ends: None };
    let input = PlainInput::new(Format::Csv, "x", &block).unwrap();
    let decoder = input.decoder(&input.look(&block)).unwrap();
    let frame = decoder.decode(&block).frame;
    let ours = [Choice::Plain, Choice::Smallest].map(|choice| {
        let facts = Facts::of(decoder.columns(), choice, &frame);
        let mut conversion = Conversion::new(Vec::new(), decoder.columns(), facts, Some(1));
        conversion.write(&frame).unwrap();
        conversion.finish().unwrap().0
    });
    ours.into_iter().chain([foreign()]).collect()
}

/// Returns a file of types that only others write.
fn foreign() -> Vec<u8> {
    use arrow::array::{
        ArrayRef, Decimal128Array, Int8Array, Int32Array, ListArray, RecordBatch, StringArray, StructArray,
        TimestampNanosecondArray, UInt64Array,
    };
    use arrow::datatypes::{Int8Type, Int32Type};
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None, Some(vec![])]);
    let words: arrow::array::DictionaryArray<Int8Type> = ["a", "b", "a"].into_iter().collect();
    let whole: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let inside = StructArray::try_from(vec![("n", Arc::clone(&whole))]).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "ts",
            Arc::new(TimestampNanosecondArray::from(vec![0, 1_000, 2_000]).with_timezone("Europe/Berlin")),
        ),
        ("symbol", Arc::new(words)),
        ("close", Arc::new(Decimal128Array::from(vec![1, 2, 3]).with_precision_and_scale(30, 10).unwrap())),
        ("trades", Arc::new(UInt64Array::from(vec![u64::MAX, 0, 1]))),
        ("small", Arc::new(Int8Array::from(vec![Some(-1), None, Some(1)]))),
        ("source", Arc::new(StringArray::from(vec![Some("x"), None, Some("é")]))),
        ("list", Arc::new(list)),
        ("inside", Arc::new(inside)),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn any_parquet_file_becomes_rows_and_rejects() {
    let (tables, files) = (tables(), parquet_files());
    let mut stores = Stores::new();
    let make = |rng: &mut Rng| {
        let mut bytes = files[rng.usize(..files.len())].clone();
        let other = &files[rng.usize(..files.len())];
        // The end says where everything lies; damage to pages alone is found by their checksums at best.
        let from = if rng.bool() { bytes.len() / 2 } else { 0 };
        let mut tail = bytes.split_off(from);
        mutate::bytes(rng, &mut tail, other);
        bytes.extend(tail);
        let (table, layout) = (table_name(rng), "[set]\nsymbol = 'A'\ntimeframe = '1d'".to_owned());
        Case { table, layout, name: "b.parquet", bytes: Bytes(bytes) }
    };
    run("parquet", make, |case| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&case.bytes.0).unwrap();
        if let Ok(file) = ParquetFile::of(file) {
            let layout = Layout::parse(&case.layout).unwrap();
            let read = file.reopen().and_then(|file| plain_parquet(file, case.name));
            slices(read.map(|(decoder, _)| decoder));
            slices(ParquetDecoder::bind(&tables[case.table], &layout, file, case.name));
        }
        stores.import(case);
    });
}

fn slices(decoder: anyhow::Result<ParquetDecoder>) {
    /// A damaged file may claim any number of rows.
    const MOST: u64 = 20;
    let Ok(mut decoder) = decoder else { return };
    if decoder.needs_timeframe() && decoder.detect_timeframe().is_err() {
        return;
    }
    for slice in 0..decoder.slices().min(MOST) {
        if let Ok(decoded) = decoder.decode(slice) {
            accounted(&decoded);
        }
    }
}
