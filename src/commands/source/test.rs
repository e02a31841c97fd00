//! `barn source test`: a definition against kept answers, without the network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::decoded::{self, Part};
use super::{say, sends};
use crate::cli::Context;
use crate::decode::{Given, moment};
use crate::error::{Failure, Kind, visible};
use crate::fetch::MAX_REJECTED_PERCENT;
use crate::fs;
use crate::model::time::{self, format_timestamp};
use crate::model::{Timeframe, Value};
use crate::source::{self, Answer, Choice, Class, Dataset, Definition, Fault, Test, TestRequest, Verdict};
use crate::ui::figures;
use crate::ui::output::Format;

/// Rows of each table that are shown of a fixture.
const SHOWN_ROWS: usize = 5;
/// Rejects that are shown of a fixture.
const SHOWN_REJECTS: usize = 5;
/// Run the tests of a definition, or decode one answer with it; makes no request
///
/// Without --fixture the [[test]] blocks of the definition are run. With it the rows that the body gives are shown.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn source test binance
  barn source test ./mine.toml --fixture answer.json -t 1d")]
pub(super) struct TestArgs {
    /// A source, or the path of a file
    #[arg(value_name = "NAME|FILE")]
    source: String,

    /// The body of an answer
    #[arg(long, value_name = "FILE")]
    fixture: Option<PathBuf>,

    /// The table to fill from the fixture [default: the first of the source]
    #[arg(long, requires = "fixture")]
    table: Option<String>,

    /// Timeframe of the bars in the fixture
    #[arg(short, long, visible_alias = "interval", requires = "fixture")]
    timeframe: Option<Timeframe>,

    /// The symbol the fixture is about
    #[arg(long, requires = "fixture", default_value = "SYMBOL")]
    symbol: String,

    /// Set an option of the source
    #[arg(long, value_name = "NAME=VALUE", requires = "fixture", value_parser = pair)]
    set: Vec<(String, String)>,

    /// Write all rows of the table in this format, instead of showing the first
    #[arg(
        long, help_heading = "Output", requires = "fixture",
        value_parser = PossibleValuesParser::new(Format::WORDS).try_map(|word| word.parse::<Format>())
    )]
    format: Option<Format>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs the command.
pub(super) fn run(context: &Context, args: &TestArgs) -> Result<Option<Kind>> {
    let definition = source::load(&args.source)?;
    match &args.fixture {
        Some(path) => look(context, args, &definition, path),
        None => run_tests(context, &definition),
    }
}

fn run_tests(context: &Context, definition: &Definition) -> Result<Option<Kind>> {
    let tests = definition.tests();
    let mut failed = 0;
    for (at, test) in (1..).zip(tests) {
        let name = test_name(test);
        let differences = run_test(definition, test).unwrap_or_else(|err| vec![format!("{err:#}")]);
        if differences.is_empty() {
            say(&format!("ok     {at} {name}\n"))?;
        } else {
            failed += 1;
            say(&format!("FAILED {at} {name}: {}\n", visible(&differences.join("; "))))?;
        }
    }
    if tests.is_empty() {
        context.ui.warning(&format!("definition '{}' has no tests", definition.origin()));
    }
    if failed > 0 {
        bail!(Failure::new(format!(
            "cannot pass the tests of '{}': {failed} of {} failed",
            definition.name(),
            tests.len()
        )));
    }
    context.ui.summary(&format!(
        "{}: {} passed",
        definition.name(),
        figures::count(tests.len() as u64, "test")
    ));
    Ok(None)
}

fn test_name(test: &Test) -> String {
    let TestRequest { symbol, timeframe, table, set, .. } = &test.request;
    let mut words: Vec<String> = [table, symbol, timeframe].into_iter().flatten().cloned().collect();
    words.extend(set.iter().map(|(name, value)| format!("{name}={value}")));
    match (&test.class, test.rows, &test.fixture) {
        (Some(class), _, _) => words.push(format!("is {class}")),
        (None, Some(rows), _) => words.push(format!("has {}", figures::count(rows, "row"))),
        (None, None, Some(fixture)) => words.push(fixture.clone()),
        (None, None, None) => {}
    }
    words.join(" ")
}

/// Returns what differs from what the test expects.
fn run_test(definition: &Definition, test: &Test) -> Result<Vec<String>> {
    let timeframe = test.request.timeframe.as_deref().map(str::parse).transpose()?;
    let choice = Choice { table: test.request.table.clone(), timeframe, options: test.request.set.clone() };
    let dataset = definition.dataset(&choice)?;
    let symbol = test.request.symbol.clone().unwrap_or_else(|| definition.name().to_owned());
    let body = match (&test.body, &test.fixture) {
        (Some(body), _) => body.clone().into_bytes(),
        (None, Some(name)) => read(&beside(definition, name), dataset.response.max_bytes)?,
        (None, None) => bail!("the test has neither 'body' nor 'fixture'"),
    };
    let answer = Answer { status: test.status, headers: &test.headers, body: &body };
    let mut differences = sends::differences(test, &dataset, &symbol)?;
    differences.extend(compare(test, &outcome(definition, &dataset, &symbol, &answer))?);
    Ok(differences)
}

/// What an answer means.
pub(super) enum Outcome {
    /// These rows.
    Rows(Vec<Part>),
    /// An error.
    Fault(Fault),
}

pub(super) fn outcome(
    definition: &Definition,
    dataset: &Dataset,
    symbol: &str,
    answer: &Answer<'_>,
) -> Outcome {
    let mut values: BTreeMap<String, String> = definition
        .options()
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    values.insert("source".to_owned(), dataset.source.clone());
    values.insert("symbol".to_owned(), dataset.symbol(symbol));
    if let Some(timeframe) = dataset.timeframe {
        values.insert("timeframe".to_owned(), timeframe.to_string());
    }
    let given = Given { values: &values, now: time::now() };
    match dataset.classify(answer) {
        Verdict::Fault(fault) => Outcome::Fault(fault),
        Verdict::Empty => Outcome::Rows(Vec::new()),
        Verdict::Rows => match decoded::decode(dataset, answer.body, &given) {
            Ok(parts) => Outcome::Rows(parts),
            Err(err) => Outcome::Fault(Fault { class: Class::Format, message: format!("{err:#}") }),
        },
    }
}

fn compare(test: &Test, outcome: &Outcome) -> Result<Vec<String>> {
    let parts = match (outcome, &test.class) {
        (Outcome::Fault(fault), Some(class)) if fault.class.as_str() == class => return Ok(Vec::new()),
        (Outcome::Fault(fault), Some(class)) => {
            return Ok(vec![format!("expected class {class}, found {} ({fault})", fault.class)]);
        }
        (Outcome::Fault(fault), None) => {
            return Ok(vec![format!("expected rows, found class {} ({fault})", fault.class)]);
        }
        (Outcome::Rows(parts), Some(class)) => {
            let rows = parts.iter().map(Part::len).sum::<usize>() as u64;
            return Ok(vec![format!("expected class {class}, found {}", figures::count(rows, "row"))]);
        }
        (Outcome::Rows(parts), None) => parts,
    };
    let mut differences = Vec::new();
    let main: Vec<&Part> = parts.first().map_or_else(Vec::new, |first| of_table(parts, &first.table.name));
    let rows = main.iter().map(|part| part.len()).sum::<usize>() as u64;
    if let Some(expected) = test.rows.filter(|expected| *expected != rows) {
        differences.push(format!("expected {}, found {rows}", figures::count(expected, "row")));
    }
    let extents = || main.iter().filter_map(|part| part.extent());
    differences.extend(differs("first", test.first.as_ref(), extents().map(|(first, _)| first).min())?);
    differences.extend(differs("last", test.last.as_ref(), extents().map(|(_, last)| last).max())?);
    for (table, expected) in &test.extra {
        let found = of_table(parts, table).iter().map(|part| part.len()).sum::<usize>() as u64;
        if found != *expected {
            differences
                .push(format!("expected {} of {table}, found {found}", figures::count(*expected, "row")));
        }
    }
    for wanted in &test.values {
        differences.extend(row_differs(&main, wanted));
    }
    let rejects = parts.iter().flat_map(|part| &part.decoded.rejects);
    differences
        .extend(rejects.map(|reject| format!("record {} is rejected: {}", reject.line, reject.reason)));
    Ok(differences)
}

fn of_table<'p>(parts: &'p [Part], table: &str) -> Vec<&'p Part> {
    parts.iter().filter(|part| part.table.name == table).collect()
}

fn differs(what: &str, expected: Option<&String>, found: Option<i64>) -> Result<Option<String>> {
    let Some(expected) = expected else { return Ok(None) };
    let expected = moment(expected, time::now())?;
    let shown = found.map_or_else(|| "no row".to_owned(), format_timestamp);
    let words = format!("expected {what} {}, found {shown}", format_timestamp(expected));
    Ok((Some(expected) != found).then_some(words))
}

/// Looks for the row with the time and the keys that are wanted; returns how the nearest one differs.
fn row_differs(parts: &[&Part], wanted: &toml::Table) -> Option<String> {
    let mut nearest: Option<String> = None;
    for part in parts {
        for row in 0..part.len() {
            let differences: Vec<(&str, String)> = wanted
                .iter()
                .filter_map(|(column, value)| {
                    Some((column.as_str(), cell_differs(part, row, column, value)?))
                })
                .collect();
            if differences.is_empty() {
                return None;
            }
            let is_key = |column: &str| column == "ts" || part.table.key_index(column).is_some();
            if !differences.iter().any(|(column, _)| is_key(column)) {
                let words = differences.into_iter().map(|(_, words)| words).collect::<Vec<_>>().join(", ");
                nearest.get_or_insert(words);
            }
        }
    }
    Some(
        nearest.unwrap_or_else(|| {
            format!("found no row with {}", wanted.to_string().trim().replace('\n', ", "))
        }),
    )
}

fn cell_differs(part: &Part, row: usize, column: &str, wanted: &toml::Value) -> Option<String> {
    let Some(found) = part.cell(row, column) else {
        return Some(format!("table '{}' has no column '{column}'", part.table.name));
    };
    let is_same = match (&found, wanted) {
        (Value::Double(found), toml::Value::Float(wanted)) => found.to_bits() == wanted.to_bits(),
        #[allow(clippy::cast_precision_loss, reason = "a whole number in a test is small")]
        (Value::Double(found), toml::Value::Integer(wanted)) => found.to_bits() == (*wanted as f64).to_bits(),
        (Value::Bigint(found), toml::Value::Integer(wanted)) => found == wanted,
        (Value::Boolean(found), toml::Value::Boolean(wanted)) => found == wanted,
        (Value::Timestamp(found), toml::Value::String(wanted)) => {
            moment(wanted, 0).is_ok_and(|wanted| wanted == *found)
        }
        (found, toml::Value::String(wanted)) => shown(found) == *wanted,
        _ => false,
    };
    let wanted = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
    (!is_same).then(|| format!("expected {column} {wanted}, found {}", shown(&found)))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Text(text) => text.to_string(),
        Value::Double(number) => format!("{number:?}"),
        Value::Bigint(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Date(days) => {
            let mut text = Vec::new();
            time::write_date(i64::from(*days), &mut text);
            String::from_utf8_lossy(&text).into_owned()
        }
        Value::Timestamp(micros) => format_timestamp(*micros),
    }
}

/// Shows what an answer gives.
fn look(context: &Context, args: &TestArgs, definition: &Definition, path: &Path) -> Result<Option<Kind>> {
    let choice = Choice {
        table: args.table.clone(),
        timeframe: args.timeframe,
        options: args.set.iter().cloned().collect(),
    };
    let dataset = definition.dataset(&choice)?;
    let body = read(path, dataset.response.max_bytes)?;
    let answer = Answer { status: 200, headers: &[], body: &body };
    let parts = match outcome(definition, &dataset, &args.symbol, &answer) {
        Outcome::Fault(fault) => {
            let what = match fault.class {
                Class::Format => "its form differs from the definition".to_owned(),
                class => format!("it is an error of class {class}"),
            };
            bail!(Failure::new(format!(
                "cannot take rows from '{}': {what}: {}",
                path.display(),
                fault.message
            )))
        }
        Outcome::Rows(parts) => parts,
    };
    match args.format {
        Some(format) => write(context, &parts, format)?,
        None => show(context, &dataset, &parts)?,
    }
    if let Some(words) = decoded::shared_keys(&parts) {
        context.ui.warning(&format!("{words}; of rows with one key one is stored"));
    }
    for part in &parts {
        let (rejected, read) = (part.decoded.rejects.len() as u64, part.decoded.read);
        if rejected * 100 > read * MAX_REJECTED_PERCENT {
            bail!(Failure::new(format!(
                "cannot take rows from '{}': {rejected} of {} of {} do not fit, and a fetch accepts \
                 {MAX_REJECTED_PERCENT} % at most",
                path.display(),
                figures::count(read, "record"),
                part.table.name
            )));
        }
    }
    Ok(None)
}

/// Prints the counts, the first rows and the rejects of each table.
fn show(context: &Context, dataset: &Dataset, parts: &[Part]) -> Result<()> {
    if parts.is_empty() {
        return say(&format!("{}: 0 rows, the answer says that there are none\n", dataset.table));
    }
    for part in parts {
        let rows = figures::count(part.len() as u64, "row");
        let extent = part.extent().map_or_else(String::new, |(first, last)| {
            format!(", {} to {}", format_timestamp(first), format_timestamp(last))
        });
        say(&format!("{}: {rows}{extent}\n", part.table.name))?;
        if part.len() > 0 {
            super::print(context, &decoded::listing(&[part], SHOWN_ROWS), Format::Table)?;
        }
        let rejects = &part.decoded.rejects;
        if !rejects.is_empty() {
            say(&format!("{}\n", figures::count(rejects.len() as u64, "reject")))?;
        }
        for reject in rejects.iter().take(SHOWN_REJECTS) {
            say(&format!(
                "  record {}: {}: {}\n",
                reject.line,
                visible(&reject.reason),
                visible(&reject.text)
            ))?;
        }
    }
    Ok(())
}

/// Writes all rows of the main table.
fn write(context: &Context, parts: &[Part], format: Format) -> Result<()> {
    let Some(first) = parts.first() else { return Ok(()) };
    let listing = decoded::listing(&of_table(parts, &first.table.name), usize::MAX);
    super::print(context, &listing, format)
}

/// Returns the path of a file that lies beside a definition.
fn beside(definition: &Definition, name: &str) -> PathBuf {
    Path::new(definition.origin()).with_file_name(name)
}

pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let mut body = Vec::new();
    fs::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut body)
        .with_context(|| format!("cannot read '{}'", path.display()))?;
    if body.len() as u64 > limit {
        bail!(Failure::new(format!("cannot read '{}': it has over {limit} bytes", path.display())));
    }
    Ok(body)
}
