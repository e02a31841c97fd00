//! What `barn fetch` says and reports, and how it ends.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use serde::{Deserialize, Serialize};

use super::Asked;
use super::rounds::interrupted;
use crate::cli::Context;
use crate::decode::moment;
use crate::error::{self, Failure, Kind, exit_code};
use crate::fetch::{Fetcher, Outcome, RequestReport, Round, Stats, SymbolEnd, Wanted};
use crate::fs;
use crate::model::Counts;
use crate::model::time::{format_timestamp, now};
use crate::runs::Metrics;
use crate::source::{Choice, Class};
use crate::ui::figures;

/// The largest report that is read.
const MAX_REPORT_BYTES: u64 = 1 << 30;

/// Failures that are said one by one.
const SAID: usize = 20;

/// What a report says of the whole.
#[derive(Serialize)]
struct Report<'a> {
    command: &'static str,
    #[serde(flatten)]
    header: Header,
    exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    counts: Counts,
    seconds: f64,
    stats: Figures,
    symbols: Vec<SymbolReport>,
    requests: &'a [RequestReport],
}

/// What was asked, enough to ask it again.
#[derive(Default, Deserialize, Serialize)]
struct Header {
    source: String,
    table: String,
    #[serde(default)]
    timeframe: Option<String>,
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    options: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Figures {
    requests: u64,
    retries: u64,
    memory_hits: u64,
    disk_hits: u64,
    revalidated: u64,
    waited_seconds: f64,
}

/// What a report says of a symbol.
#[derive(Serialize)]
struct SymbolReport {
    symbol: String,
    sent: String,
    source: String,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    windows: u64,
    failed: u64,
    #[serde(flatten)]
    counts: Counts,
}

/// The parts of a report that a repetition needs.
#[derive(Deserialize)]
struct Earlier {
    #[serde(flatten)]
    header: Header,
    symbols: Vec<EarlierSymbol>,
}

#[derive(Deserialize)]
struct EarlierSymbol {
    symbol: String,
    outcome: String,
}

/// Reads what failed from the report of an earlier fetch.
pub(super) fn read(path: &Path) -> Result<Asked> {
    let cannot = || Failure::usage(format!("cannot use report '{}'", path.display()));
    let text = fs::read_text(path, MAX_REPORT_BYTES)?;
    let earlier: Earlier =
        serde_json::from_str(&text).context("it is no report of `barn fetch`").with_context(cannot)?;
    let is_left = |symbol: &EarlierSymbol| matches!(symbol.outcome.as_str(), "failed" | "unfinished");
    let symbols: Vec<String> =
        earlier.symbols.into_iter().filter(is_left).map(|symbol| symbol.symbol).collect();
    if symbols.is_empty() {
        return Err(anyhow!("nothing failed in it")).with_context(cannot);
    }
    let header = earlier.header;
    let time = |text: &Option<String>| text.as_ref().map(|text| moment(text, now())).transpose();
    let wanted = Wanted {
        symbols,
        since: time(&header.since).with_context(cannot)?,
        until: time(&header.until).with_context(cannot)?,
        ..Wanted::default()
    };
    let timeframe = header.timeframe.map(|text| text.parse()).transpose().with_context(cannot)?;
    let choice = Choice { table: Some(header.table), timeframe, options: header.options };
    Ok(Asked { source: header.source, wanted, choice })
}

/// A round in words.
pub(super) struct Told {
    round: Round,
    sources: Vec<String>,
    stats: Stats,
    elapsed: Duration,
    source: String,
    table: String,
}

impl Told {
    pub(super) fn new(
        fetcher: &Fetcher<'_>,
        round: Round,
        sources: Vec<String>,
        stats: Stats,
        elapsed: Duration,
    ) -> Self {
        let dataset = fetcher.dataset();
        Self { round, sources, stats, elapsed, source: dataset.source.clone(), table: dataset.table.clone() }
    }

    /// Counts what was done, for the record of the run.
    pub(super) fn count(&self, metrics: &Metrics) {
        let (counts, stats) = (&self.round.counts, &self.stats);
        metrics.add(|figures| {
            figures.rows_in += counts.read;
            figures.rows_out += counts.inserted + counts.updated;
            figures.bytes_in += Stats::get(&stats.bytes);
            figures.requests += Stats::get(&stats.requests);
            figures.retries += Stats::get(&stats.retries);
            figures.waited_micros += Stats::get(&stats.waited_micros);
            figures.memory_hits += Stats::get(&stats.memory_hits);
            figures.disk_hits += Stats::get(&stats.disk_hits);
        });
        stats.latencies().into_iter().for_each(|micros| metrics.latency(u64::from(micros)));
    }

    /// Says and reports what was done, and returns how the command ends.
    pub(super) fn finish(self, context: &Context, asked: &Asked) -> Result<Option<Kind>> {
        let symbols = &self.round.symbols;
        let failed: Vec<&SymbolEnd> =
            symbols.iter().filter(|symbol| symbol.outcome == Outcome::Failed).collect();
        if failed.len() < symbols.len() || self.round.counts.read > 0 {
            context.ui.summary(&self.summary());
        }
        let is_left = symbols.iter().any(|symbol| symbol.outcome == Outcome::Unfinished);
        let result = match failed.len() {
            _ if context.is_stopped() && is_left => {
                Err(interrupted(Stats::get(&self.stats.done), Stats::get(&self.stats.total)))
            }
            0 => Ok(None),
            all if all == symbols.len() => Err(self.error(&failed)),
            _ => Ok(Some(Kind::Partial)),
        };
        self.report(context, asked, &result)?;
        self.warn(context);
        if matches!(result, Ok(Some(_))) {
            let all = figures::count(symbols.len() as u64, "symbol");
            let head = format!("{} of {all} were not fetched", failed.len());
            let retry =
                |path: &Path| format!("`barn fetch --retry-failed {}` tries only these", path.display());
            context.ui.warnings(&head, &grouped(&failed), context.report_path().map(retry).as_deref());
        }
        result
    }

    /// Says what went well and is still worth a look.
    fn warn(&self, context: &Context) {
        if self.round.counts.rejected > 0 {
            let rejected = figures::count(self.round.counts.rejected, "row");
            context.ui.warning(&format!("{rejected} did not fit; `barn info rejects` lists them"));
        }
        let is_refused = |symbol: &&SymbolEnd| symbol.outcome != Outcome::Failed && symbol.fault.is_some();
        let refused: Vec<&SymbolEnd> = self.round.symbols.iter().filter(is_refused).collect();
        if !refused.is_empty() {
            let count = figures::count(refused.len() as u64, "symbol");
            let head = format!("'{}' does not have the whole range of {count}", self.source);
            context.ui.warnings(&head, &grouped(&refused), None);
        }
    }

    /// Returns the error of a fetch in which every symbol failed.
    fn error(&self, failed: &[&SymbolEnd]) -> anyhow::Error {
        let mut classes: Vec<Option<Class>> =
            failed.iter().map(|symbol| symbol.fault.as_ref().map(|fault| fault.class)).collect();
        classes.dedup_by_key(|class| class.map(kind));
        let kind = match classes.as_slice() {
            [Some(class)] => kind(*class),
            _ => Kind::Failed,
        };
        let what = match failed {
            [symbol] => format!("'{}'", symbol.name),
            _ => format!("any of {}", figures::count(failed.len() as u64, "symbol")),
        };
        let mut lines = grouped(failed).into_iter().rev();
        let mut error = anyhow!(lines.next().unwrap_or_default());
        for line in lines {
            error = error.context(line);
        }
        error.context(Failure::new(format!("cannot fetch {what} from '{}'", self.source)).kind(kind))
    }

    fn report(&self, context: &Context, asked: &Asked, result: &Result<Option<Kind>>) -> Result<()> {
        let symbols = self.round.symbols.iter().zip(&self.sources).map(|(end, source)| SymbolReport {
            symbol: end.name.clone(),
            sent: end.symbol.clone(),
            source: source.clone(),
            outcome: end.outcome,
            class: end.fault.as_ref().map(|fault| fault.class.as_str()),
            message: end.fault.as_ref().map(|fault| fault.message.clone()),
            windows: end.windows,
            failed: end.failed,
            counts: end.counts,
        });
        context.report(&Report {
            command: "fetch",
            header: header(asked, &self.table),
            exit_code: match result {
                Ok(kind) => kind.map_or(0, Kind::code),
                Err(err) => exit_code(err),
            },
            error: result.as_ref().err().map(error::report),
            counts: self.round.counts,
            seconds: self.elapsed.as_secs_f64(),
            stats: Figures {
                requests: Stats::get(&self.stats.requests),
                retries: Stats::get(&self.stats.retries),
                memory_hits: Stats::get(&self.stats.memory_hits),
                disk_hits: Stats::get(&self.stats.disk_hits),
                revalidated: Stats::get(&self.stats.revalidated),
                waited_seconds: Duration::from_micros(Stats::get(&self.stats.waited_micros)).as_secs_f64(),
            },
            symbols: symbols.collect(),
            requests: &self.round.requests,
        })
    }

    fn summary(&self) -> String {
        let counts = &self.round.counts;
        let requests = Stats::get(&self.stats.requests);
        let mut rows = vec![
            format!("{} read", figures::count(counts.read, "row")),
            format!("{} inserted", figures::thousands(counts.inserted)),
        ];
        let more = [
            ("updated", counts.updated),
            ("unchanged", counts.unchanged),
            ("repeated", counts.repeated),
            ("rejected", counts.rejected),
            ("suspect", counts.suspect),
        ];
        let more = more.into_iter().filter(|(_, count)| *count > 0);
        rows.extend(more.map(|(word, count)| format!("{} {word}", figures::thousands(count))));
        let mut parts = vec![format!(
            "fetched into {} from {}: {}, {} in {}: {}",
            self.table,
            self.source,
            figures::count(self.round.symbols.len() as u64, "symbol"),
            figures::count(requests, "request"),
            figures::duration(self.elapsed),
            rows.join(", ")
        )];
        let is_covered = |symbol: &&SymbolEnd| symbol.outcome == Outcome::Covered;
        let covered = self.round.symbols.iter().filter(is_covered).count() as u64;
        if covered > 0 {
            parts.push(format!("{} covered already", figures::count(covered, "symbol")));
        }
        let hits = Stats::get(&self.stats.memory_hits) + Stats::get(&self.stats.disk_hits);
        if hits > 0 {
            let share = hits * 100 / (hits + requests).max(1);
            parts.push(format!("{} cached ({share} %)", figures::count(hits, "answer")));
        }
        let retries = Stats::get(&self.stats.retries);
        if retries > 0 {
            parts.push(format!("tried again {}", figures::count(retries, "time")));
        }
        let waited = Duration::from_micros(Stats::get(&self.stats.waited_micros));
        if waited > Duration::from_millis(10) {
            parts.push(format!("waited {} for limits and new tries", figures::duration(waited)));
        }
        parts.join("; ")
    }
}

fn header(asked: &Asked, table: &str) -> Header {
    // A path leads to the same file from everywhere.
    let path = Path::new(&asked.source);
    let path = path.is_file().then(|| std::path::absolute(path).ok()).flatten();
    Header {
        source: path.map_or_else(|| asked.source.clone(), |path| path.to_string_lossy().into_owned()),
        table: table.to_owned(),
        timeframe: asked.choice.timeframe.map(|timeframe| timeframe.to_string()),
        since: asked.wanted.since.map(format_timestamp),
        until: asked.wanted.until.map(format_timestamp),
        options: asked.choice.options.clone(),
    }
}

/// Returns the exit of a class of fault that every symbol has.
fn kind(class: Class) -> Kind {
    match class {
        Class::Auth | Class::Plan => Kind::Authentication,
        Class::Quota | Class::RateLimited | Class::Banned => Kind::Quota,
        Class::Network | Class::Transient => Kind::Network,
        Class::Format => Kind::Format,
        Class::NotFound | Class::OutOfWindow | Class::NoData | Class::Request | Class::Geo => Kind::Failed,
    }
}

/// Returns a line for each different fault, with the symbols it concerns.
fn grouped(failed: &[&SymbolEnd]) -> Vec<String> {
    /// Symbols named in a line.
    const NAMED: usize = 5;
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for symbol in failed {
        let Some(fault) = &symbol.fault else { continue };
        let words = format!("{}: {}", fault.class.as_str(), fault.message);
        match groups.iter_mut().find(|(known, _)| *known == words) {
            Some((_, names)) => names.push(&symbol.name),
            None => groups.push((words, vec![&symbol.name])),
        }
    }
    let hidden = groups.len().saturating_sub(SAID);
    let line = |(words, names): &(String, Vec<&str>)| {
        let named: Vec<_> = names.iter().take(NAMED).map(|name| format!("'{name}'")).collect();
        let more = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}: {words}", named.join(", "))
    };
    let mut lines: Vec<String> = groups.iter().take(SAID).map(line).collect();
    if hidden > 0 {
        lines.push(format!("and {hidden} more"));
    }
    lines
}
