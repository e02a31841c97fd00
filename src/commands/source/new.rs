//! `barn source new`: a definition to start from.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::decoded::{self, Part};
use super::sample::{self, Field, NextPage, Sample, TimeForm};
use super::test::{self, Outcome};
use crate::cli::Context;
use crate::decode::{BodyDecoder, Given};
use crate::error::{Failure, Kind};
use crate::fs::{self, Overwrite};
use crate::model::{ColumnType, Table, Timeframe, Unit, time};
use crate::source::{Answer, Choice, Definition};
use crate::ui::figures;

/// Bytes of a sample at most.
const LARGEST_SAMPLE: u64 = 64 << 20;
/// Columns that the request says, or nobody.
pub(super) const ASKED: [&str; 5] = ["source", "symbol", "timeframe", "seq", "final"];

/// Write a definition to start from
///
/// With a sample answer, saved from a browser or with curl, the format, the layout, the columns and the unit of the
/// times are filled in as far as they can be seen; comments say what was guessed.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn source new mine
  barn source new mine --from answer.json --table bars")]
pub(super) struct NewArgs {
    /// Name of the source: small letters, digits and hyphens
    #[arg(value_name = "NAME")]
    name: String,

    /// An answer of the provider: JSON, NDJSON or CSV
    #[arg(long, value_name = "SAMPLE")]
    from: Option<PathBuf>,

    /// The table the rows go to [default: the one the sample fits best, else bars]
    #[arg(long)]
    table: Option<String>,

    /// The file to write [default: NAME.toml]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace the file
    #[arg(short, long)]
    force: bool,
}

/// Runs the command.
pub(super) fn run(context: &Context, args: &NewArgs) -> Result<Option<Kind>> {
    check_name(&args.name)?;
    // A sample is not to blame for a table that is none.
    args.table.as_deref().map(decoded::table).transpose()?;
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.toml", args.name)));
    let overwrite = if args.force { Overwrite::Replace } else { Overwrite::Refuse };
    let mut text = Text::new(&args.name);
    let mut rows = None;
    match &args.from {
        Some(from) => {
            let body = test::read(from, LARGEST_SAMPLE)?;
            let sample = sample::look(&body, args.table.as_deref())
                .with_context(|| format!("cannot read sample '{}'", from.display()))?;
            let origin = path.display().to_string();
            text.of_sample(&sample, from);
            if let Some(timeframe) = spacing(&Definition::parse(&text.words, &origin)?, &sample, &body)? {
                text = Text { timeframe, ..Text::new(&args.name) };
                text.of_sample(&sample, from);
            }
            let definition = Definition::parse(&text.words, &origin)?;
            rows = Some(try_out(&definition, &sample, &body)?);
        }
        None => text.of_table(&decoded::table(args.table.as_deref().unwrap_or("bars"))?),
    }
    Definition::parse(&text.words, &path.display().to_string())?;
    fs::replace(&path, text.words.as_bytes(), overwrite)?;
    if let Some(words) = rows {
        context.ui.note(&words);
    }
    context.ui.summary(&format!("wrote {}; what to fill in is marked there with <--", path.display()));
    Ok(None)
}

fn check_name(name: &str) -> Result<()> {
    let is_good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !is_good {
        bail!(Failure::usage(format!(
            "invalid name '{name}': expected small letters, digits and hyphens, a letter first"
        )));
    }
    Ok(())
}

/// Returns the timeframe that the times of the sample speak for.
fn spacing(definition: &Definition, sample: &Sample, body: &[u8]) -> Result<Option<Timeframe>> {
    if sample.table.key_index("timeframe").is_none() {
        return Ok(None);
    }
    let dataset = definition.dataset(&Choice::default())?;
    let words = [("source", "sample"), ("symbol", "SYMBOL")];
    let values = words.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let decoder = BodyDecoder::bind(&sample.table, &dataset.response.layout)?;
    // What cannot be decoded yet says nothing about its times; trying it out says why.
    Ok(decoder.detect_timeframe(body, &Given { values: &values, now: time::now() }).unwrap_or_default())
}

/// Decodes the sample with the definition made of it, and says what came out.
fn try_out(definition: &Definition, sample: &Sample, body: &[u8]) -> Result<String> {
    let timeframe =
        sample.table.key_index("timeframe").and_then(|_| definition.timeframes().first().copied());
    let dataset = definition.dataset(&Choice { timeframe, ..Choice::default() })?;
    let answer = Answer { status: 200, headers: &[], body };
    let records = figures::count(sample.records as u64, "record");
    Ok(match test::outcome(definition, &dataset, "SYMBOL", &answer) {
        Outcome::Rows(parts) => {
            let rows = figures::count(parts.iter().map(Part::len).sum::<usize>() as u64, "row");
            let rejects = parts.iter().flat_map(|part| &part.decoded.rejects).next();
            let why = rejects.map_or_else(String::new, |reject| format!("; rejected: {}", reject.reason));
            let shared = decoded::shared_keys(&parts).map_or_else(String::new, |words| format!("; {words}"));
            format!("the definition makes {rows} of the {records} of the sample{shared}{why}")
        }
        Outcome::Fault(fault) => format!("the definition cannot read the sample yet: {}", fault.message),
    })
}

/// The definition on its way.
struct Text<'a> {
    name: &'a str,
    words: String,
    timeframe: Timeframe,
}

impl<'a> Text<'a> {
    fn new(name: &'a str) -> Self {
        Self { name, words: String::new(), timeframe: Timeframe::new(1, Unit::Day) }
    }

    /// Writes the definition for a table, the answer unknown.
    fn of_table(&mut self, table: &Table) {
        self.head(table, None);
        self.words.push_str(include_str!("template/response.toml"));
        let columns = table.columns();
        for column in
            columns.iter().filter(|column| column.name != "ts" && !ASKED.contains(&column.name.as_str()))
        {
            let is_value = table.value_index(&column.name).is_some();
            let optional = if is_value { ", optional = true" } else { "" };
            let mark = if is_value { "" } else { "   # <--" };
            self.line(&format!("{0} = {{ at = \"{0}\"{optional} }}{mark}", column.name));
        }
        self.tail(table);
    }

    /// Writes the definition for what a sample shows.
    fn of_sample(&mut self, sample: &Sample, from: &Path) {
        self.head(&sample.table, sample.next_page.as_ref());
        let name = from.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        self.line(&comment(&format!(
            "Guessed from {name}: {} as {}, table {}.",
            figures::count(sample.records as u64, "record"),
            sample.layout,
            sample.table.name
        )));
        for note in &sample.notes {
            self.line(&comment(&format!("Guessed: {note}.")));
        }
        self.line("[response]");
        self.line(&format!("format = \"{}\"", sample.format));
        self.line(&format!("layout = \"{}\"", sample.layout));
        if sample.format == "json" {
            self.line(&format!("root = {}", quoted(&sample.root)));
        }
        self.line("# zone = \"America/New_York\"   # of times that name none; UTC without it");
        self.line("");
        self.line("[response.map]");
        for column in sample.table.columns() {
            self.column(sample, &column.name, column.kind);
        }
        if !sample.unused.is_empty() {
            self.line(&comment(&format!("Feeds nothing: {}", sample.unused.join(", "))));
        }
        self.tail(&sample.table);
        self.test(sample, &name);
    }

    fn column(&mut self, sample: &Sample, name: &str, kind: ColumnType) {
        if ASKED.contains(&name) {
            return;
        }
        let is_key = name == "ts" || sample.table.key_index(name).is_some();
        let Some((_, field)) = sample.columns.iter().find(|(column, _)| column == name) else {
            let is_snapshot = name == "ts" && sample.table.name != "bars";
            if is_key && !is_snapshot {
                self.line(&format!("{name} = {{ at = \"{name}\" }}   # <-- not found in the sample"));
            } else if is_snapshot {
                self.line("# ts = { at = \"time\" }   # not found in the sample: the time of the request");
            }
            return;
        };
        let is_time = matches!(kind, ColumnType::Timestamp | ColumnType::Date);
        let time = field.time().filter(|_| is_time);
        let form = match time {
            Some(TimeForm::Unit(unit)) => format!(", unit = \"{unit}\""),
            Some(TimeForm::Pattern(pattern)) => format!(", format = \"{pattern}\""),
            Some(TimeForm::Iso) | None => String::new(),
        };
        let doubt = match time {
            Some(TimeForm::Pattern("%d/%m/%Y")) => "   # <-- or is it %m/%d/%Y?",
            Some(TimeForm::Unit(_)) => "   # guessed by its size",
            _ => "",
        };
        let optional = if is_key { "" } else { ", optional = true" };
        self.line(&format!("{name} = {{ at = {}{form}{optional} }}{doubt}", at(sample, field)));
    }

    /// Writes what a request needs.
    fn head(&mut self, table: &Table, next: Option<&NextPage>) {
        self.words.push_str(&include_str!("template/request.toml").replace("NAME", self.name));
        if table.key_index("timeframe").is_some() {
            let timeframe = self.timeframe.to_string();
            self.words.push_str(&include_str!("template/timeframes.toml").replace("TIMEFRAME", &timeframe));
        }
        let pagination = next.map_or_else(|| include_str!("template/pagination.toml").to_owned(), pagination);
        self.words.push_str(&include_str!("template/limits.toml").replace("PAGINATION\n", &pagination));
    }

    /// Writes what stands behind the columns.
    fn tail(&mut self, table: &Table) {
        self.words.push_str(&include_str!("template/errors.toml").replace("TABLE", &table.name));
    }

    /// Writes a test of the sample, for a definition that lies beside it.
    fn test(&mut self, sample: &Sample, name: &str) {
        let has_timeframe = sample.table.key_index("timeframe").is_some();
        let timeframe = format!(", timeframe = \"{}\"", self.timeframe);
        let timeframe = if has_timeframe { timeframe.as_str() } else { "" };
        self.line("");
        self.line("# `barn source test FILE` decodes the sample where it lies beside this file.");
        self.line("# [[test]]");
        self.line(&comment(&format!("fixture = {}", quoted(name))));
        self.line(&format!("# request = {{ symbol = \"SYMBOL\"{timeframe} }}"));
        self.line(&format!("# rows = {}", sample.records));
    }

    fn line(&mut self, line: &str) {
        self.words.push_str(line);
        self.words.push('\n');
    }
}

/// Returns the section that follows what the sample says about its next page.
fn pagination(next: &NextPage) -> String {
    let path = quoted(&next.path);
    match next.param {
        None => format!("# Seen in the sample.\n[pagination]\nkind = \"next_url\"\npath = {path}\n"),
        Some(param) => format!(
            "# Seen in the sample.\n[pagination]\nkind = \"cursor\"\npath = {path}\n\
             param = \"{param}\"  # <-- the parameter that takes it; without one, put {{cursor}} into the body\n"
        ),
    }
}

/// Returns a text as one comment line, whatever is in it.
fn comment(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("# {clean}")
}

/// Returns a text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Returns where a field stands, as TOML writes it.
fn at(sample: &Sample, field: &Field) -> String {
    if sample.layout == "rows" { field.at.clone() } else { quoted(&field.at) }
}
