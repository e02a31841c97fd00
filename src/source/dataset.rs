//! A definition with its variant chosen and its options filled in: all that a fetch needs to know.

use std::collections::BTreeMap;
use std::time::Duration;

use super::answer::Answer;
use super::answer::Verdict;
use super::auth::Auth;
use super::detect::Detectors;
use super::form::Form;
use super::page::Pages;
use super::rate::Rate;
use super::step::Gives;
use super::step::Step;
use super::symbol::Symbols;
use super::template::Slot;
use super::template::Template;
use super::window::Window;
use crate::decode::Layout;
use crate::model::OnConflict;
use crate::model::Span;
use crate::model::Timeframe;

/// A definition with its variant chosen and its options filled in.
#[derive(Debug)]
pub struct Dataset {
    /// The name of the source.
    pub source: String,
    /// The table the rows go to.
    pub table: String,
    /// The length of the bars, where there are bars.
    pub timeframe: Option<Timeframe>,
    /// Names the parameters that change the data; empty where there are none.
    pub variant: String,
    /// The number of hosts that give the same answers.
    pub mirrors: usize,
    /// Other sources that may know a symbol this one does not.
    pub fallback: Vec<String>,
    /// The limits of the provider.
    pub rates: Vec<Rate>,
    /// Requests at one time at most.
    pub max_jobs: Option<usize>,
    /// How long a whole answer may take.
    pub timeout: Duration,
    /// When and how often a request is made again.
    pub retry: Retry,
    /// How long answers are good.
    pub cache: CachePolicy,
    /// How long after its end a window may still change, microseconds.
    pub settle: i64,
    /// What happens to a row whose key is stored.
    pub on_conflict: OnConflict,
    /// How the answer becomes rows.
    pub response: Response,
    /// The requests before the real one, in order.
    pub steps: Vec<Step>,
    /// Whether the source takes symbols.
    pub has_symbols: bool,
    /// Symbols one request may carry.
    pub batch: usize,
    pub(super) has_window: bool,
    /// The options and what they are set to.
    pub options: BTreeMap<String, String>,
    pub(super) timeframe_word: String,
    pub(super) ignore_params: Vec<String>,
    pub(super) follows_redirects: bool,
    pub(super) form: Form,
    pub(super) auth: Auth,
    pub(super) symbols: Symbols,
    pub(super) window: Window,
    pub(super) pages: Pages,
    pub(super) detectors: Detectors,
}

/// How an answer becomes rows.
#[derive(Debug)]
pub struct Response {
    /// The layout of the body.
    pub layout: Layout,
    /// Other tables out of the same body.
    pub extra: Vec<Extra>,
    /// Columns that a row must have one of.
    pub drop_all_null: Vec<String>,
    /// How the bar that is not over is known.
    pub open: Open,
    /// Bytes of an unpacked body at most.
    pub max_bytes: u64,
}

/// How the bar that is not over is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Its end is in the future.
    ByTime,
    /// It is the last row.
    LastRow,
    /// It is later than a time in the body.
    AfterPath,
}

/// Another table out of the same body.
#[derive(Debug)]
pub struct Extra {
    /// The name of the table.
    pub table: String,
    /// Where its rows are.
    pub layout: Layout,
}

/// When and how often a request is made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The statuses after which it is.
    pub status: Vec<u16>,
    /// Tries beside the first at most.
    pub max: u32,
    /// The wait before the first of them.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// The time all tries together may take.
    pub max_elapsed: Duration,
    /// The statuses that stop the whole source.
    pub ban_status: Vec<u16>,
}

/// How long answers are good; microseconds, `i64::MAX` for ever, `None` not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachePolicy {
    /// Of a window that may still change.
    pub open: Option<i64>,
    /// Of a window that does not change any more.
    pub closed: Option<i64>,
    /// Of the news that there is nothing.
    pub negative: i64,
    /// Whether the provider is asked if its answer has changed.
    pub conditional: bool,
}

impl Dataset {
    /// Returns the names of the query parameters that no recording tells apart: they hold secrets, or differ from
    /// time to time.
    pub fn secret_params(&self) -> Vec<String> {
        self.auth.param().map(str::to_owned).into_iter().chain(self.ignore_params.iter().cloned()).collect()
    }

    /// Returns whether what a step takes is as good as a key: it goes into a header, or into a parameter that no
    /// cache key holds.
    pub fn is_private(&self, step: &Step) -> bool {
        let Gives::Value(name) = &step.gives else { return false };
        let holds = |template: &Template| {
            template.slots().any(|slot| matches!(slot, Slot::Value(value) if value == name))
        };
        self.steps.iter().map(|step| &step.form).chain([&self.form]).any(|form| {
            let ignored = form.params.iter().filter(|(param, _)| self.ignore_params.contains(param));
            form.headers.iter().chain(ignored).any(|(_, template)| holds(template))
        })
    }

    /// Returns a symbol as it is sent to the provider.
    pub fn symbol(&self, text: &str) -> String {
        self.symbols.send(text)
    }

    /// Returns the one symbol of a source that takes none: its option `symbol`, else its name.
    pub fn only_symbol(&self) -> &str {
        let given = self.options.get("symbol").filter(|symbol| !symbol.is_empty());
        given.map_or(self.source.as_str(), String::as_str)
    }

    /// Returns whether the rows are a picture of one moment, which has no coverage.
    pub fn is_snapshot(&self) -> bool {
        matches!(self.table.as_str(), "chain" | "odds" | "quotes" | "news")
    }

    /// Returns whether a request has a range of time.
    pub fn has_window(&self) -> bool {
        self.has_window
    }

    /// Returns whether an answer may have more pages than one.
    pub fn is_paged(&self) -> bool {
        self.pages.is_paged()
    }

    /// Cuts a range into the windows of single requests, in order.
    ///
    /// A range that needs more than a million of them is cut short, for the next fetch to go on.
    pub fn windows(&self, span: Span) -> Vec<Span> {
        if self.has_window { self.window.cut(span) } else { vec![span] }
    }

    /// Returns from when on the provider has data, if it forgets.
    pub fn available_from(&self, now: i64) -> Option<i64> {
        self.window.available_from(now)
    }

    /// Returns how far back a first fetch goes, microseconds.
    pub fn history(&self) -> i64 {
        self.window.history(&self.table)
    }

    /// Decides what an answer means.
    pub fn classify(&self, answer: &Answer<'_>) -> Verdict {
        self.detectors.classify(answer)
    }
}
