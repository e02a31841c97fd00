//! Whether the newest runs are as runs like them used to be, and within their limits.
//!
//! **Like a run** are the earlier successful ones of the same machine with the same command line, or, where fewer
//! than five have it, of the same command on the same source and table. Of these only runs that did about as much,
//! from half to twice the requests (without requests: rows), say what a run should take; a run unlike all others is
//! judged by its latency and the limits alone.
//!
//! A figure is **unusual** if it is beyond the median by four times the noise, and by a share and an amount that
//! matter, and beyond all but a twentieth of the others. The last keeps a machine quiet on which one run in ten is
//! delayed; so does it that time in which the machine had no free core is no fault of a run.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::Spread;
use super::limits::Limits;
use super::metric::{Metric, float};
use super::record::Run;
use crate::model::time::MICROS_PER_DAY;

/// Runs without which nothing is usual.
const FEWEST: usize = 5;

/// The newest runs that say what is usual.
const HISTORY: usize = 50;

/// Before the newest run of all: work that nobody has done for a week is no news.
const RECENT_MICROS: i64 = 7 * MICROS_PER_DAY;

/// Times the noise.
const NOISES: f64 = 4.0;

/// The exit code of a command line that is wrong, and of a run that the user stopped.
const USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;

/// What is compared with its history, the share of the median, and the amount, by which it must be beyond.
const JUDGED: [(Metric, f64, f64); 4] = [
    // A process is easily delayed so long by another one.
    (Metric::Wall, 0.5, 0.05),
    // Of few requests it is the slowest one.
    (Metric::P99, 1.0, 0.1),
    (Metric::Memory, 0.5, 33_554_432.0),
    (Metric::CacheHit, 0.2, 20.0),
];

/// What is usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// The median.
    pub median: f64,
    /// How far others are from it.
    pub noise: f64,
}

/// What is wrong with a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// It failed.
    Failed,
    /// A figure is unusual, or beyond its limit.
    Figure {
        /// Which.
        metric: Metric,
        /// How much it is.
        value: f64,
        /// How much it is else, where that is known.
        usual: Option<Usual>,
        /// How much it may be, where that is said.
        limit: Option<f64>,
    },
}

/// A run that is not as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Breach<'a> {
    /// The run.
    pub run: &'a Run,
    /// What is wrong with it.
    pub what: What,
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Checked<'a> {
    /// All that is wrong, the newest run first.
    pub breaches: Vec<Breach<'a>>,
    /// Runs that were judged.
    pub runs: usize,
    /// Those of them with too few others to say what is usual.
    pub unknown: usize,
    /// Runs from other machines, which say nothing of this one.
    pub elsewhere: usize,
}

/// Judges the newest `last` runs of each kind of work. `runs` are all there are, the newest first.
pub fn check<'a>(runs: &'a [Run], limits: &Limits, last: usize) -> Checked<'a> {
    let mut checked = Checked::default();
    let Some(newest) = runs.first() else { return checked };
    let is_here = |run: &&Run| (&run.host, run.cores) == (&newest.host, newest.cores);
    checked.elsewhere = runs.iter().filter(|run| !is_here(run)).count();
    let here: Vec<&Run> = runs.iter().filter(is_here).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for run in &here {
        *counts.entry(&run.kind).or_default() += 1;
    }
    let mut judged: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (at, run) in here.iter().enumerate() {
        let is_own_kind = counts.get(run.kind.as_str()).is_some_and(|count| *count > FEWEST);
        let group = (run.command.as_str(), if is_own_kind { &run.kind } else { &run.subject }.as_str());
        let earlier = &here[at + 1..];
        let is_old = run.started < newest.started.saturating_sub(RECENT_MICROS);
        if is_old || !is_judged(run, earlier) || judged.get(&group).is_some_and(|count| *count >= last) {
            continue;
        }
        *judged.entry(group).or_default() += 1;
        checked.runs += 1;
        if run.exit_code != 0 {
            checked.breaches.push(Breach { run, what: What::Failed });
            continue;
        }
        let history = history(run, earlier);
        checked.unknown += usize::from(history.len() < FEWEST);
        let figures = judge(run, &history, limits).into_iter();
        checked.breaches.extend(figures.map(|what| Breach { run, what }));
    }
    checked
}

/// Returns whether a run tells something: not one that the user stopped or mistyped.
fn is_judged(run: &Run, earlier: &[&Run]) -> bool {
    match run.exit_code {
        INTERRUPTED => false,
        // What worked before was not mistyped.
        USAGE => earlier.iter().any(|other| other.kind == run.kind && other.exit_code == 0),
        _ => true,
    }
}

/// Returns the runs like a run.
fn history<'a>(run: &Run, earlier: &[&'a Run]) -> Vec<&'a Run> {
    let successes = || earlier.iter().copied().filter(|other| other.exit_code == 0);
    let same: Vec<&Run> = successes().filter(|other| other.kind == run.kind).take(HISTORY).collect();
    if same.len() >= FEWEST {
        return same;
    }
    let is_near = |other: &&Run| (&other.command, &other.subject) == (&run.command, &run.subject);
    successes().filter(is_near).take(HISTORY).collect()
}

/// Returns how much a run had to do.
fn work(run: &Run) -> u64 {
    let figures = &run.figures;
    if figures.requests > 0 { figures.requests } else { figures.rows_in.max(figures.rows_out) }
}

fn judge(run: &Run, history: &[&Run], limits: &Limits) -> Vec<What> {
    let did_as_much = |other: &&Run| {
        let (own, other) = (work(run), work(other));
        own <= other.saturating_mul(2) && other <= own.saturating_mul(2)
    };
    let alike: Vec<&Run> = history.iter().copied().filter(did_as_much).collect();
    let limited: BTreeMap<&str, f64> = limits
        .of(&run.command)
        .iter()
        .filter(|limit| limit.metric.of(run).is_some_and(|value| limit.is_broken(value)))
        .map(|limit| (limit.metric.as_str(), limit.bound))
        .collect();
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for (metric, share, amount) in JUDGED {
        // How long an answer takes does not depend on how many there are.
        let others = if metric == Metric::P99 { history } else { &alike };
        let values: Vec<f64> = others.iter().filter_map(|other| metric.of(other)).collect();
        let Some(value) = metric.of(run) else { continue };
        let usual = usual(values.clone());
        let limit = limited.get(metric.as_str()).copied();
        let is_unusual = usual.is_some_and(|usual| {
            is_unusual(metric, value, &values, usual, (share, amount))
                && !is_excused(metric, run, value, usual)
        });
        if is_unusual || limit.is_some() {
            told.insert(metric.as_str());
            found.push(What::Figure { metric, value, usual, limit });
        }
    }
    for limit in limits.of(&run.command).iter().filter(|limit| !told.contains(limit.metric.as_str())) {
        if let (Some(value), Some(bound)) = (limit.metric.of(run), limited.get(limit.metric.as_str())) {
            let values = alike.iter().filter_map(|other| limit.metric.of(other)).collect();
            let (metric, limit) = (limit.metric, Some(*bound));
            found.push(What::Figure { metric, value, usual: usual(values), limit });
        }
    }
    found
}

fn usual(values: Vec<f64>) -> Option<Usual> {
    let is_enough = values.len() >= FEWEST;
    let spread = Spread::of(values).filter(|_| is_enough)?;
    Some(Usual { median: spread.median, noise: spread.noise })
}

fn is_unusual(metric: Metric, value: f64, others: &[f64], usual: Usual, (share, amount): (f64, f64)) -> bool {
    let margin = (NOISES * usual.noise).max(share * usual.median).max(amount);
    let is_gain = metric.is_gain();
    let is_far = if is_gain { value < usual.median - margin } else { value > usual.median + margin };
    let as_far = |other: &&f64| if is_gain { **other <= value } else { **other >= value };
    is_far && others.iter().filter(as_far).count() * 20 <= others.len()
}

/// Returns whether the machine was so busy with something else that a run may have taken so long for that.
fn is_excused(metric: Metric, run: &Run, value: f64, usual: Usual) -> bool {
    // What a run's own threads wait for each other is in it too, so that it excuses no work of its own.
    let others = run.stalled_micros.saturating_sub(run.cpu_micros);
    metric == Metric::Wall && value - float(others) / 1e6 <= usual.median + usual.noise
}

#[cfg(test)]
mod tests {
    use super::super::record::{Figures, Latency};
    use super::*;

    fn run(id: i64, wall_millis: u64) -> Run {
        Run {
            id,
            command: "fetch".to_owned(),
            kind: "barn fetch x A".to_owned(),
            subject: "x bars 1h".to_owned(),
            started: id,
            wall_micros: wall_millis * 1_000,
            figures: Figures { requests: 10, ..Figures::default() },
            ..Run::default()
        }
    }

    /// Runs of these times, the newest first.
    fn history(walls: &[u64]) -> Vec<Run> {
        let ids = (1..).zip(walls);
        let mut runs: Vec<Run> = ids.map(|(id, wall)| run(id, *wall)).collect();
        runs.reverse();
        runs
    }

    fn lines(runs: &[Run], limits: &Limits) -> Vec<String> {
        let checked = check(runs, limits, 1);
        let line = |breach: &Breach<'_>| match breach.what {
            What::Failed => format!("#{} failed", breach.run.id),
            What::Figure { metric, limit, .. } => {
                let limit = if limit.is_some() { " limit" } else { "" };
                format!("#{} {}{limit}", breach.run.id, metric.as_str())
            }
        };
        checked.breaches.iter().map(line).collect()
    }

    #[test]
    fn three_times_as_slow_is_told_and_normal_is_not() {
        let none = Limits::default();
        assert_eq!(lines(&history(&[300, 310, 290, 305, 300, 900]), &none), ["#6 wall"]);
        assert_eq!(lines(&history(&[300, 310, 290, 305, 300, 330]), &none), Vec::<String>::new());
        // Too few others, and less than another process delays one.
        assert_eq!(lines(&history(&[300, 310, 900]), &none), Vec::<String>::new());
        assert_eq!(lines(&history(&[10, 10, 10, 10, 10, 50]), &none), Vec::<String>::new());
        // A twentieth of the others took as long.
        let mut walls = [100; 40];
        walls[7] = 500;
        walls[20] = 500;
        walls[30] = 500;
        walls[39] = 500;
        assert_eq!(lines(&history(&walls), &none), Vec::<String>::new());
    }

    #[test]
    fn a_busy_machine_is_no_fault_of_a_run() {
        let mut runs = history(&[300, 310, 290, 305, 300, 900]);
        runs[0].stalled_micros = 650_000;
        assert_eq!(lines(&runs, &Limits::default()), Vec::<String>::new());
        runs[0].cpu_micros = 600_000;
        assert_eq!(lines(&runs, &Limits::default()), ["#6 wall"]);
    }

    #[test]
    fn a_run_with_other_work_is_judged_by_its_latency() {
        let with = |p99_millis: u64| {
            let mut runs = history(&[300, 310, 290, 305, 300, 9_000]);
            let latency = |millis: u64| Latency { p99_micros: millis * 1_000, ..Latency::default() };
            for run in &mut runs {
                run.latency = Some(latency(100));
            }
            runs[0].figures.requests = 300;
            runs[0].latency = Some(latency(p99_millis));
            lines(&runs, &Limits::default())
        };
        assert_eq!(with(110), Vec::<String>::new());
        assert_eq!(with(310), ["#6 p99"]);
    }

    #[test]
    fn limits_hold_without_a_history() {
        let folder = tempfile::tempdir().unwrap();
        let text = b"[limits.fetch]\nwall = \"200ms\"\ncpu = \"1s\"\ncache_hit = \"80%\"";
        let path = folder.path().join("barn.toml");
        crate::fs::replace(&path, text, crate::fs::Overwrite::Refuse).unwrap();
        let limits = Limits::load(folder.path()).unwrap();
        assert_eq!(lines(&history(&[300]), &limits), ["#1 wall limit", "#1 cache_hit limit"]);
    }

    #[test]
    fn failures_are_told_unless_the_user_made_them() {
        let with = |exit_code: u8, kind: &str| {
            let mut runs = history(&[300, 300]);
            runs[0].exit_code = exit_code;
            kind.clone_into(&mut runs[0].kind);
            lines(&runs, &Limits::default())
        };
        assert_eq!(with(6, "barn fetch x A"), ["#2 failed"]);
        assert_eq!(with(130, "barn fetch x A"), Vec::<String>::new());
        assert_eq!(with(2, "barn fetch x AA"), Vec::<String>::new());
        assert_eq!(with(2, "barn fetch x A"), ["#2 failed"]);
    }

    #[test]
    fn runs_of_another_machine_say_nothing() {
        let mut runs = history(&[300, 310, 290, 305, 300, 900]);
        runs[1..].iter_mut().for_each(|run| "fast".clone_into(&mut run.host));
        let checked = check(&runs, &Limits::default(), 1);
        assert_eq!((checked.breaches.len(), checked.elsewhere, checked.unknown), (0, 5, 1));
    }
}
