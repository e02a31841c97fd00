//! One window: its pages are asked, decoded and handed to the writer, the last one with what the ledger learns.

use std::collections::{BTreeMap, HashSet};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::Result;

use super::ask::{Asked, Asker, Keep, Purpose, Story, as_fault, fault, interrupted, view};
use super::cover::{Gathered, Moment};
use super::plan::{Plan, Target, Task};
use super::read::Decoded;
use super::step::{Steps, Values};
use super::writer::{Part, Rows};
use crate::cache::Tier;
use crate::decode::BodyDecoder;
use crate::model::Table;
use crate::model::time::now;
use crate::source::{Ask, Class, Fault, Page, Turn, Verdict};
use crate::store::{Coverage, LedgerKey, State};

/// Works on windows; shared by all threads.
pub(super) struct Worker<'a> {
    pub(super) asker: &'a Asker<'a>,
    pub(super) steps: &'a Steps,
    pub(super) plan: &'a Plan,
    /// The tables an answer fills and how, the main one first.
    pub(super) decoders: &'a [(Table, BodyDecoder)],
    /// Values every row may take, such as the source.
    pub(super) given: &'a BTreeMap<String, String>,
    /// How often the same is asked again.
    pub(super) every: Option<Duration>,
}

/// How a window ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With so many rows of each symbol.
    Rows(Vec<u64>),
    /// The provider says that it does not have this range.
    Unavailable(Fault),
    /// Without an answer that can be used.
    Failed(Fault),
}

/// A request of a window, for the report.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) url: String,
    pub(super) tier: Option<Tier>,
    pub(super) story: Story,
    pub(super) rows: u64,
    pub(super) fault: Option<Fault>,
}

/// What became of a window.
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) sent: Vec<Sent>,
}

/// A window while it is worked on.
pub(super) struct Job<'a> {
    pub(super) at: usize,
    /// How often it was begun anew.
    pub(super) attempt: u32,
    /// Where the page begins, where it begins behind the window.
    pub(super) from: Option<i64>,
    pub(super) task: &'a Task,
    pub(super) targets: Vec<&'a Target>,
    pub(super) symbols: Vec<String>,
    pub(super) now: i64,
    pub(super) out: SyncSender<Part>,
    /// What is known of each symbol.
    pub(super) gathered: Vec<Gathered>,
    /// The rows of each symbol.
    pub(super) rows: Vec<u64>,
    pub(super) sent: Vec<Sent>,
    /// How many steps had been made when its values were taken.
    pub(super) made: u64,
}

impl Worker<'_> {
    /// Works on a window.
    pub(super) fn run(&self, at: usize, task: &Task, out: &SyncSender<Part>) -> Ended {
        let targets: Vec<&Target> = task.targets.iter().filter_map(|&at| self.plan.targets.get(at)).collect();
        let symbols: Vec<String> = targets.iter().map(|target| target.symbol.clone()).collect();
        let count = targets.len();
        let mut job = Job {
            at,
            attempt: 0,
            from: None,
            task,
            targets,
            symbols,
            now: now(),
            out: out.clone(),
            gathered: vec![Gathered::default(); count],
            rows: vec![0; count],
            sent: Vec::new(),
            made: 0,
        };
        // What is said of an answer may quote it, and an answer may quote the request.
        let done = self.window(&mut job).map_err(|found| self.asker.redacted(&found));
        let end = match done {
            Ok(()) => End::Rows(job.rows),
            Err(found) if found.class == Class::OutOfWindow && task.asked.is_some() => {
                self.note_unavailable(&job, found)
            }
            Err(found) => End::Failed(found),
        };
        Ended { end, sent: job.sent }
    }

    /// Asks for a window, once more where a step is to be made again.
    fn window(&self, job: &mut Job<'_>) -> Result<(), Fault> {
        match self.requests(job) {
            Err(found) if self.steps.forget(self.asker, &job.targets, (found.class, job.made)) => {
                job.attempt += 1;
                job.gathered.fill(Gathered::default());
                job.rows.fill(0);
                self.requests(job)
            }
            result => result,
        }
    }

    fn requests(&self, job: &mut Job<'_>) -> Result<(), Fault> {
        let prepared = self.steps.values(self.asker, &job.targets)?;
        job.made = prepared.made;
        let last = prepared.sets.len().saturating_sub(1);
        for (at, values) in prepared.sets.iter().enumerate() {
            self.pages(job, values, at == last)?;
        }
        if prepared.sets.is_empty() {
            // A step found nothing to ask for.
            self.hand_over(job, Vec::new(), String::new(), Some(self.coverage(job)))?;
        }
        Ok(())
    }

    fn pages(&self, job: &mut Job<'_>, values: &Values, is_last_set: bool) -> Result<(), Fault> {
        let dataset = self.asker.dataset;
        let symbols = job.symbols.clone();
        let mut ask = Ask {
            symbols: &symbols,
            window: job.task.window,
            mirror: 0,
            turn: Turn::First,
            values,
            now: job.now,
        };
        let mut seen = HashSet::from([ask.turn.to_string()]);
        let mut last = None;
        loop {
            let make = |mirror| dataset.request(&Ask { mirror, ..ask.clone() }, self.asker.secrets);
            let (shown, key) = make(0)
                .map_or_else(|_| (String::new(), String::new()), |request| (request.shown, request.key));
            job.from = if let Turn::From(from) = ask.turn { Some(from) } else { None };
            let asked = match self.asker.ask(&make, self.keep(job)) {
                Ok(asked) => asked,
                Err((found, story)) => {
                    job.sent.push(Sent {
                        url: shown,
                        tier: None,
                        story,
                        rows: 0,
                        fault: Some(found.clone()),
                    });
                    return Err(found);
                }
            };
            let page = self.page(job, &asked, values, &shown).and_then(|page| {
                let answer = view(&asked.answer);
                let told = Page { answer: &answer, rows: page.records, last: page.marks.last, seen: &seen };
                let turn = dataset.next_page(&ask, &told).map_err(|err| as_fault(&err, Class::Format))?;
                Ok((page, turn))
            });
            self.limit_life(job, &key, &page);
            let (mut page, turn) = page?;
            let stamp = page.stamp();
            if turn.is_some() && stamp.is_some() && stamp == last && !self.has_ticks() {
                return Err(fault(Class::Format, "the next page has the same rows again"));
            }
            last = stamp;
            if let Some(Turn::From(from)) = turn {
                page.end_at(from);
            }
            for (at, (gathered, rows)) in job.gathered.iter_mut().zip(&mut job.rows).enumerate() {
                let marks = page.by_target.get(at).unwrap_or(&page.marks);
                gathered.add(marks);
                *rows += marks.rows;
            }
            let coverage = (turn.is_none() && is_last_set).then(|| self.coverage(job));
            self.hand_over(job, page.rows, shown, coverage)?;
            let Some(turn) = turn else { return Ok(()) };
            seen.insert(turn.to_string());
            ask.turn = turn;
        }
    }

    /// Decodes an answer, and notes it for the report.
    fn page(&self, job: &mut Job<'_>, asked: &Asked, values: &Values, shown: &str) -> Result<Decoded, Fault> {
        let nothing = Decoded::default;
        let result = match &asked.verdict {
            Verdict::Fault(found) if found.class == Class::NoData => Ok(nothing()),
            Verdict::Fault(found) => Err(found.clone()),
            Verdict::Empty => Ok(nothing()),
            Verdict::Rows => self.decode(job, &asked.answer.body, values, shown),
        };
        let (rows, found) = match &result {
            Ok(page) => (page.marks.rows, None),
            Err(found) => (0, Some(self.asker.redacted(found))),
        };
        job.sent.push(Sent {
            url: shown.to_owned(),
            tier: asked.tier,
            story: asked.story,
            rows,
            fault: found,
        });
        result
    }

    /// Returns whether rows may share their times.
    fn has_ticks(&self) -> bool {
        self.decoders.first().is_some_and(|(table, _)| table.ticks)
    }

    /// Lets the cache forget an answer that cannot be used, and one with gaps that may be filled soon.
    fn limit_life(&self, job: &Job<'_>, key: &str, page: &Result<(Decoded, Option<Turn>), Fault>) {
        let Some(good) = self.keep(job).good.filter(|_| !self.asker.wire.is_replay()) else { return };
        match page {
            Err(found) if found.class == Class::Format => self.asker.cache.forget(key),
            Ok((page, _)) if !page.marks.void.is_empty() || page.marks.open_from.is_some() => {
                let open = self.asker.dataset.cache.open.unwrap_or(0);
                // Only an answer that came now is that young.
                let is_new = job.sent.last().is_some_and(|sent| sent.tier.is_none());
                if open < good && is_new {
                    self.asker.cache.touch(key, now().saturating_add(open));
                }
            }
            _ => {}
        }
    }

    /// How long the answers of a window are kept: one that still changes shortly, one that is past for longer.
    fn keep(&self, job: &Job<'_>) -> Keep<'_> {
        let dataset = self.asker.dataset;
        let settled = job.now.saturating_sub(dataset.settle);
        let is_closed = job.task.window.is_some_and(|window| window.stop <= settled);
        // A round that finds the answers of the one before would collect nothing.
        let shortest =
            self.every.and_then(|every| i64::try_from(every.as_micros() / 2).ok()).unwrap_or(i64::MAX);
        let open = dataset.cache.open.map(|open| open.min(shortest));
        let good = if is_closed { dataset.cache.closed } else { open };
        Keep { purpose: Purpose::Rows, good, negative: dataset.cache.negative.min(shortest), private: None }
    }

    fn coverage(&self, job: &Job<'_>) -> Vec<(LedgerKey, Coverage)> {
        let dataset = self.asker.dataset;
        let Some(asked) = job.task.asked.filter(|_| !dataset.is_snapshot()) else { return Vec::new() };
        let moment = Moment { now: job.now, settle: dataset.settle, timeframe: dataset.timeframe };
        let of = |(target, gathered): (&&Target, &Gathered)| {
            let coverage = gathered.coverage(asked, moment).into_iter();
            coverage.map(|one| (target.key.clone(), one)).collect::<Vec<_>>()
        };
        job.targets.iter().zip(&job.gathered).flat_map(of).collect()
    }

    fn note_unavailable(&self, job: &Job<'_>, found: Fault) -> End {
        let Some(span) = job.task.asked else { return End::Failed(found) };
        let coverage = Coverage { span, state: State::Unavailable, rows: 0, fetched_at: job.now };
        let all = job.targets.iter().map(|target| (target.key.clone(), coverage.clone())).collect();
        match self.hand_over(job, Vec::new(), String::new(), Some(all)) {
            Ok(()) => End::Unavailable(found),
            Err(found) => End::Failed(found),
        }
    }

    /// Hands rows to the writer, and waits while it has enough to do.
    pub(super) fn hand_over(
        &self,
        job: &Job<'_>,
        rows: Vec<Rows>,
        origin: String,
        coverage: Option<Vec<(LedgerKey, Coverage)>>,
    ) -> Result<(), Fault> {
        let target = job.task.targets.first().copied().unwrap_or(0);
        let is_last = coverage.is_some();
        let task = (job.at, job.attempt);
        let part = Part { task, target, rows, coverage: coverage.unwrap_or_default(), is_last, origin };
        self.asker.stats.rows.fetch_add(
            part.rows.iter().filter_map(|rows| rows.frame.as_ref()).map(|frame| frame.len() as u64).sum(),
            std::sync::atomic::Ordering::Relaxed,
        );
        // Only a writer that failed has hung up, and it says why.
        if job.out.send(part).is_err() { Err(interrupted()) } else { Ok(()) }
    }
}
