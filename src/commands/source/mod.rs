//! `barn source`: the definitions of sources, built in and the user's own.

mod decoded;
mod new;
mod sample;
mod sends;
mod test;

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::query;
use crate::cli::Context;
use crate::decode::BodyDecoder;
use crate::error::{Failure, Kind, visible};
use crate::model::{ColumnType, Timeframe, Value};
use crate::source::{self, Choice, Definition, Secrets};
use crate::ui::figures;
use crate::ui::output::{Format, Listing, sink};

/// List, show, check, test and write definitions of sources
///
/// A definition is a TOML file that says how to ask a provider and what its answers mean. The built-in ones can be
/// shown, copied and changed; a file NAME.toml in ~/.config/barn/sources stands in the place of a built-in NAME.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn source list
  barn source new mine --from answer.json")]
pub struct SourceArgs {
    #[command(subcommand)]
    command: SourceCommand,
}

#[derive(clap::Subcommand)]
#[command(disable_help_subcommand = true)]
enum SourceCommand {
    List(ListArgs),
    Show(ShowArgs),
    Check(CheckArgs),
    Test(test::TestArgs),
    New(new::NewArgs),
}

/// List the sources, what they bring, and the keys they need
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn source list
  barn source list --format json")]
struct ListArgs {
    /// Format of the list [default: table on a terminal, else csv]
    #[arg(
        long, help_heading = "Output",
        value_parser = PossibleValuesParser::new(Format::WORDS).try_map(|word| word.parse::<Format>())
    )]
    format: Option<Format>,
}

/// Print the definition of a source
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn source show kraken
  barn source show kraken > mine.toml")]
struct ShowArgs {
    /// A source, or the path of a file
    #[arg(value_name = "NAME|FILE")]
    source: String,
}

/// Check a definition, and print what it would contact, read and store
#[derive(clap::Args)]
#[command(after_help = "Examples:
  barn source check ./mine.toml
  barn source check binance")]
struct CheckArgs {
    /// A source, or the path of a file
    #[arg(value_name = "NAME|FILE")]
    source: String,
}

/// Runs the command.
pub fn run(context: &Context, args: &SourceArgs) -> Result<Option<Kind>> {
    match &args.command {
        SourceCommand::List(args) => list(context, args),
        SourceCommand::Show(args) => show(args),
        SourceCommand::Check(args) => check(context, args),
        SourceCommand::Test(args) => test::run(context, args),
        SourceCommand::New(args) => new::run(context, args),
    }
}

fn list(context: &Context, args: &ListArgs) -> Result<Option<Kind>> {
    let columns = ["name", "keys", "tables", "timeframes", "title", "origin"];
    let mut listing = Listing::new(&columns.map(|name| (name, ColumnType::Text)));
    for entry in source::list()? {
        let (tables, timeframes, keys) = match source::load(&entry.name) {
            Ok(definition) => {
                (definition.tables().join(" "), words(&definition.timeframes()), keys(&definition))
            }
            // One broken file must not hide the others.
            Err(err) => {
                context.ui.warning(&format!("{err:#}"));
                Default::default()
            }
        };
        let row = [entry.name, keys, tables, timeframes, entry.title, entry.origin];
        listing.push(row.map(|cell| Value::Text(cell.into())).into());
    }
    print(context, &listing, args.format.unwrap_or_else(query::default_format))?;
    Ok(None)
}

fn show(args: &ShowArgs) -> Result<Option<Kind>> {
    say(&source::text(&args.source)?)?;
    Ok(None)
}

fn check(context: &Context, args: &CheckArgs) -> Result<Option<Kind>> {
    let definition = source::load(&args.source)?;
    bind_all(&definition)
        .with_context(|| Failure::usage(format!("cannot use definition '{}'", definition.origin())))?;
    for warning in definition.warnings() {
        context.ui.warning(warning);
    }
    for words in unfinished(&source::text(&args.source)?) {
        context.ui.warning(&words);
    }
    let or_none = |text: String| if text.is_empty() { "nothing".to_owned() } else { text };
    let options: Vec<String> =
        definition.options().iter().map(|(name, value)| option(name, *value)).collect();
    let mut lines = vec![
        ("source", format!("{}: {}", definition.name(), definition.title())),
        ("file", definition.origin().to_owned()),
        ("contacts", definition.origins().join(", ")),
        ("reads", or_none(keys(&definition))),
        ("stores", definition.tables().join(", ")),
        ("timeframes", or_none(words(&definition.timeframes()))),
        ("options", or_none(options.join(", "))),
        ("tests", definition.tests().len().to_string()),
    ];
    lines.extend(definition.facts());
    let lines = lines.into_iter().map(|(name, text)| format!("{name:<11}{}\n", visible(&text)));
    say(&lines.collect::<String>())?;
    Ok(None)
}

/// Says what of a new definition was not looked at yet.
fn unfinished(text: &str) -> Vec<String> {
    let marks: Vec<_> = (1..).zip(text.lines()).filter(|(_, line)| line.contains("# <--")).collect();
    let mut words = Vec::new();
    if let Some((first, _)) = marks.first() {
        let lines = figures::count(marks.len() as u64, "line");
        words.push(format!("{lines} still marked with <--, the first is line {first}"));
    }
    if text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("api.example.com")) {
        words.push("'api.example.com' is no provider; base_url in [source] names it".to_owned());
    }
    words
}

fn option(name: &str, value: Option<&str>) -> String {
    value.map_or_else(|| format!("{name} (required)"), |value| format!("{name}={value}"))
}

/// Binds the layouts of every table and timeframe to their tables, so that a column that is none is found here
/// and not in the middle of a fetch.
fn bind_all(definition: &Definition) -> Result<()> {
    for table in definition.tables() {
        let timeframes = definition.timeframes().into_iter().map(Some).chain([None]);
        for timeframe in timeframes {
            let choice = Choice { table: Some(table.clone()), timeframe, options: required(definition) };
            let dataset = match definition.dataset(&choice) {
                Ok(dataset) => dataset,
                // Bars without a timeframe are no dataset, and a chain has none.
                Err(_) if timeframe.is_none() || table != definition.tables()[0] => continue,
                Err(err) => return Err(err),
            };
            BodyDecoder::bind(&decoded::table(&dataset.table)?, &dataset.response.layout)?;
            for extra in &dataset.response.extra {
                BodyDecoder::bind(&decoded::table(&extra.table)?, &extra.layout)?;
            }
        }
    }
    Ok(())
}

/// Returns a value for each option that must be given.
fn required(definition: &Definition) -> BTreeMap<String, String> {
    let options = definition.options().into_iter().filter(|(_, value)| value.is_none());
    // What must be given is a URL more often than not, and what is none may stand in one.
    options.map(|(name, _)| (name.to_owned(), "https://example.com".to_owned())).collect()
}

/// Returns the environment names a definition reads, and whether they have a value.
fn keys(definition: &Definition) -> String {
    let shown = |name: &str| {
        let is_set = Secrets::load(&[name]).is_ok();
        format!("{name} ({})", if is_set { "set" } else { "not set" })
    };
    definition.secrets().into_iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn words(timeframes: &[Timeframe]) -> String {
    timeframes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn print(context: &Context, listing: &Listing, format: Format) -> Result<()> {
    let batch = listing.to_batch()?;
    let mut sink = sink(format, batch.schema(), Box::new(query::stdout()?), &query::screen(context))?;
    sink.write(&batch)?;
    sink.finish()
}

/// Prints to stdout.
fn say(text: &str) -> Result<()> {
    query::stdout()?.write_all(text.as_bytes()).context("cannot write to stdout")
}
