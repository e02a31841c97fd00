//! What has to be asked: the ranges that are wanted, without what the ledger covers, cut into the windows of the
//! provider.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::error::Failure;
use crate::model::time::MICROS_PER_DAY;
use crate::model::{Span, Timeframe, coalesce, subtract};
use crate::source::Dataset;
use crate::store::{Coverage, LedgerKey, State, Store};

/// How long it is believed that the provider does not have a range.
const UNAVAILABLE: i64 = 30 * MICROS_PER_DAY;

/// Windows of a plan: more would fill the memory, and take days.
const MOST_TASKS: usize = 1_000_000;

/// What the user wants.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The symbols, as written.
    pub symbols: Vec<String>,
    /// From when; behind the last final row where absent.
    pub since: Option<i64>,
    /// Until when; now where absent.
    pub until: Option<i64>,
    /// Which windows come first.
    pub order: Order,
    /// Whether what the ledger covers is asked again.
    pub ledger: Ledger,
}

impl Wanted {
    /// Returns the ranges to ask for: as the user says, else from the last final row on, and with it what earlier
    /// fetches wanted and did not get.
    fn spans(&self, (known, earlier): (&[Coverage], &[Span]), dataset: &Dataset, now: i64) -> Vec<Span> {
        let label = |at| first_label(dataset, at);
        let until = self.until.map_or(now, |until| label(until).min(now));
        if let Some(since) = self.since {
            return Span::new(label(since), until).into_iter().collect();
        }
        let has = known.iter().filter(|coverage| coverage.state == State::Have);
        let last = has.map(|coverage| coverage.span.stop).max();
        let since = last.unwrap_or_else(|| label(now.saturating_sub(dataset.history())));
        let before = earlier.iter().filter_map(|span| Span::new(span.start, span.stop.min(until)));
        coalesce(before.chain(Span::new(since, until)).collect())
    }
}

/// Returns the first time from `at` on that a row may have: a bar of a day or more is labelled by its date, and what
/// ends in the middle of a day would be asked without the bar that opens behind it.
fn first_label(dataset: &Dataset, at: i64) -> i64 {
    match dataset.timeframe {
        Some(timeframe) if timeframe.is_day_or_more() => {
            at.saturating_add(MICROS_PER_DAY - 1).div_euclid(MICROS_PER_DAY).saturating_mul(MICROS_PER_DAY)
        }
        _ => at,
    }
}

/// Which windows come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Symbol by symbol, oldest first.
    #[default]
    OldestFirst,
    /// The newest of all symbols first, for a user who watches.
    NewestFirst,
}

/// Whether the ledger counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ledger {
    /// What it covers is not asked again.
    #[default]
    Believe,
    /// Everything is asked.
    Ignore,
}

/// A symbol of a plan.
#[derive(Clone, Debug)]
pub struct Target {
    /// As the user wrote it.
    pub name: String,
    /// As the provider writes it.
    pub symbol: String,
    /// Its place in the ledger.
    pub key: LedgerKey,
}

/// One window to ask for; its pages are asked one after the other.
#[derive(Clone, Debug)]
pub struct Task {
    /// The symbols, by their place in [`Plan::targets`].
    pub targets: Vec<usize>,
    /// The range to send; `None` where a request has none.
    pub window: Option<Span>,
    /// The range whose rows are kept and covered; `None` for snapshots.
    pub asked: Option<Span>,
}

/// What has to be asked.
#[derive(Debug, Default)]
pub struct Plan {
    /// The symbols.
    pub targets: Vec<Target>,
    /// The windows, in the order they are asked.
    pub tasks: Vec<Task>,
    /// What the provider keeps no longer, to be written into the ledger.
    pub unavailable: Vec<(LedgerKey, Span)>,
    /// What is wanted, so that a fetch without a range goes on with what this one does not bring.
    pub wanted: Vec<(LedgerKey, Vec<Span>)>,
}

impl Plan {
    /// Decides what has to be asked at a time.
    pub fn new(store: &Store, dataset: &Dataset, wanted: &Wanted, now: i64) -> Result<Self> {
        if let (Some(since), Some(until)) = (wanted.since, wanted.until)
            && since >= until
        {
            bail!(Failure::usage("cannot fetch an empty range: '--since' is not before '--until'"));
        }
        if wanted.since.is_some_and(|since| since > now) {
            bail!(Failure::usage("cannot fetch from the future: '--since' is not before now"));
        }
        let mut plan = Self { targets: targets(dataset, wanted), ..Self::default() };
        let mut groups: BTreeMap<Vec<Span>, Vec<usize>> = BTreeMap::new();
        for at in 0..plan.targets.len() {
            if dataset.is_snapshot() {
                groups.entry(Vec::new()).or_default().push(at);
                continue;
            }
            let key = plan.targets[at].key.clone();
            let known = store.coverage(&key)?;
            let earlier = store.wanted(&key)?;
            let asked = wanted.spans((&known, &earlier), dataset, now);
            let missing = plan.missing(&key, &known, &asked, (dataset, wanted.ledger, now));
            if !missing.is_empty() {
                plan.wanted.push((key, asked));
                groups.entry(missing).or_default().push(at);
            }
        }
        for (missing, targets) in groups {
            for targets in targets.chunks(dataset.batch.max(1)) {
                plan.add(dataset, targets, &missing);
                if plan.tasks.len() > MOST_TASKS {
                    bail!(Failure::usage(format!(
                        "cannot plan over {MOST_TASKS} windows: a later '--since', a longer timeframe or fewer symbols make it less"
                    )));
                }
            }
        }
        plan.sort(wanted.order);
        Ok(plan)
    }

    /// Returns what is not known of the ranges asked, and notes what is out of reach.
    fn missing(
        &mut self,
        key: &LedgerKey,
        known: &[Coverage],
        asked: &[Span],
        (dataset, ledger, now): (&Dataset, Ledger, i64),
    ) -> Vec<Span> {
        let counts = |coverage: &&Coverage| match (ledger, coverage.state) {
            (Ledger::Ignore, State::Dropped) => true,
            (Ledger::Ignore, _) => false,
            (Ledger::Believe, State::Unavailable) => now.saturating_sub(coverage.fetched_at) < UNAVAILABLE,
            (Ledger::Believe, _) => true,
        };
        let covered: Vec<Span> = known.iter().filter(counts).map(|coverage| coverage.span).collect();
        let missing = asked.iter().flat_map(|asked| subtract(*asked, &covered));
        let Some(start) = dataset.available_from(now) else { return missing.collect() };
        // What is stored stays known, also where the provider has let go of it.
        let all: Vec<Span> = known.iter().map(|coverage| coverage.span).collect();
        let mut reachable = Vec::new();
        for span in missing {
            let gone = Span::new(span.start, span.stop.min(start));
            let gone = gone.map(|gone| subtract(gone, &all)).unwrap_or_default();
            self.unavailable.extend(gone.into_iter().map(|gone| (key.clone(), gone)));
            reachable.extend(Span::new(span.start.max(start), span.stop));
        }
        reachable
    }

    fn add(&mut self, dataset: &Dataset, targets: &[usize], missing: &[Span]) {
        let mut push = |window, asked| {
            self.tasks.push(Task { targets: targets.to_vec(), window, asked });
        };
        match (missing.first(), missing.last()) {
            (Some(first), Some(last)) if !dataset.has_window() => {
                // The answer is all there is, so one is enough for all holes.
                push(None, Span::new(first.start, last.stop));
            }
            (None, _) | (_, None) => push(None, None),
            _ => {
                for span in missing {
                    for window in dataset.windows(*span) {
                        push(Some(window), window.intersect(*span));
                    }
                }
            }
        }
    }

    fn sort(&mut self, order: Order) {
        let tasks = &mut self.tasks;
        match order {
            Order::OldestFirst => tasks.sort_by_key(|task| (task.targets.first().copied(), task.window)),
            Order::NewestFirst => {
                tasks.sort_by_key(|task| std::cmp::Reverse(task.window.map(|window| window.stop)));
            }
        }
    }
}

fn targets(dataset: &Dataset, wanted: &Wanted) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::with_capacity(wanted.symbols.len());
    let mut seen = std::collections::HashSet::new();
    for name in &wanted.symbols {
        let symbol = dataset.symbol(name);
        // Two spellings of one symbol are one series.
        if seen.insert(symbol.clone()) {
            let key = LedgerKey {
                table: dataset.table.clone(),
                source: dataset.source.clone(),
                variant: dataset.variant.clone(),
                symbol: symbol.clone(),
                timeframe: dataset
                    .timeframe
                    .map_or(String::new(), |timeframe: Timeframe| timeframe.to_string()),
            };
            targets.push(Target { name: name.clone(), symbol, key });
        }
    }
    targets
}
