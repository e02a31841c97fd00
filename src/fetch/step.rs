//! The requests before the real one, and what they bring along.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ask::{Asker, Keep, Purpose, fault};
use super::plan::Target;
use crate::model::time::now;
use crate::source::{Ask, Class, Fault, Gives, Step, Turn, Verdict};

/// What steps brought, by their place and, for a step of symbols, by these.
#[derive(Default)]
pub(super) struct Steps {
    slots: Mutex<HashMap<(usize, Vec<String>), Slot>>,
    /// How many steps were made so far.
    made: AtomicU64,
}

/// Locked while its step is made, so that many workers make it once.
type Slot = Arc<Mutex<Option<Known>>>;

#[derive(Clone)]
struct Known {
    /// How many steps had been made with this one.
    number: u64,
    until: i64,
    brought: Brought,
}

/// What a step brought.
#[derive(Clone)]
enum Brought {
    Values(Vec<String>),
    Lookup(Arc<HashMap<String, String>>),
}

/// Values of placeholders.
pub(super) type Values = BTreeMap<String, String>;

/// What the steps brought for some symbols.
pub(super) struct Prepared {
    /// One set for each request that is to be made.
    pub(super) sets: Vec<Values>,
    /// How many steps had been made: what was made later is not blamed for what goes wrong with these.
    pub(super) made: u64,
}

impl Steps {
    /// Makes the steps that are due for some symbols, and returns the values for each of the real requests.
    pub(super) fn values(&self, asker: &Asker<'_>, targets: &[&Target]) -> Result<Prepared, Fault> {
        let mut sets = vec![Values::new()];
        let mut made = 0;
        for (at, step) in asker.dataset.steps.iter().enumerate() {
            let slot = self.slot(at, step, targets);
            let mut memory = lock(&slot);
            let known = if let Some(known) = memory.as_ref().filter(|known| now() < known.until) {
                known.clone()
            } else {
                let brought = make(asker, step, targets, &sets.first().cloned().unwrap_or_default())?;
                let until = step.ttl.map_or(i64::MAX, |ttl| now().saturating_add(ttl));
                let number = self.made.fetch_add(1, Ordering::SeqCst) + 1;
                memory.insert(Known { number, until, brought }).clone()
            };
            drop(memory);
            made = made.max(known.number);
            sets = apply(sets, step, &known.brought, targets)?;
        }
        Ok(Prepared { sets, made })
    }

    /// Forgets the steps of some symbols that are made again on a class of fault, but for those that another worker
    /// has made since `made`; returns whether there is one.
    pub(super) fn forget(&self, asker: &Asker<'_>, targets: &[&Target], (class, made): (Class, u64)) -> bool {
        let mut is_any = false;
        for (at, step) in asker.dataset.steps.iter().enumerate() {
            if !step.refresh_on.contains(&class) {
                continue;
            }
            is_any = true;
            let slot = self.slot(at, step, targets);
            // Locked also while the cookies go, which are those of the next one from here on.
            let mut memory = lock(&slot);
            if memory.take_if(|known| known.number <= made).is_some() && step.keep_cookies {
                asker.jar.clear();
            }
        }
        is_any
    }

    /// Forgets what is good for one round: the steps of symbols that do not say for how long.
    pub(super) fn begin_round(&self, steps: &[Step]) {
        let is_lasting = |step: &Step| !step.per_symbol || step.ttl.is_some();
        lock(&self.slots).retain(|(at, _), _| steps.get(*at).is_some_and(is_lasting));
    }

    fn slot(&self, at: usize, step: &Step, targets: &[&Target]) -> Slot {
        let symbols = targets.iter().filter(|_| step.per_symbol).map(|target| target.symbol.clone());
        Arc::clone(lock(&self.slots).entry((at, symbols.collect())).or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make(asker: &Asker<'_>, step: &Step, targets: &[&Target], known: &Values) -> Result<Brought, Fault> {
    let symbols: Vec<String> = targets.iter().map(|target| target.symbol.clone()).collect();
    let ask =
        Ask { symbols: &symbols, window: None, mirror: 0, turn: Turn::First, values: known, now: now() };
    let make = |mirror| asker.dataset.step_request(step, &Ask { mirror, ..ask.clone() }, asker.secrets);
    let named = |found: Fault| Fault { message: format!("step '{}': {}", step.name, found.message), ..found };
    let is_for_cookies = step.keep_cookies && step.gives == Gives::Nothing;
    let purpose = if is_for_cookies { Purpose::Cookies } else { Purpose::Step };
    let private = asker.dataset.is_private(step).then_some(step);
    let keep = Keep { purpose, good: None, negative: 0, private };
    let came = asker.ask(&make, keep).map_err(|(found, _)| named(found))?;
    if let Verdict::Fault(found) = came.verdict {
        return Err(named(found));
    }
    let form = |err: anyhow::Error| fault(Class::Format, format!("step '{}': {err:#}", step.name));
    match step.gives {
        Gives::Lookup => step.lookup(&came.answer.body).map(Arc::new).map(Brought::Lookup).map_err(form),
        Gives::Nothing => Ok(Brought::Values(Vec::new())),
        Gives::Value(_) | Gives::Each(_) => step.values(&came.answer.body).map(Brought::Values).map_err(form),
    }
}

/// Adds what a step brought to the values; several of them multiply the sets.
fn apply(
    sets: Vec<Values>,
    step: &Step,
    brought: &Brought,
    targets: &[&Target],
) -> Result<Vec<Values>, Fault> {
    let with = |set: &Values, name: &str, value: &str| {
        let mut set = set.clone();
        set.insert(name.to_owned(), value.to_owned());
        set
    };
    match (&step.gives, brought) {
        (Gives::Value(name) | Gives::Each(name), Brought::Values(values)) => {
            Ok(sets.iter().flat_map(|set| values.iter().map(move |value| with(set, name, value))).collect())
        }
        (Gives::Lookup, Brought::Lookup(lookup)) => {
            let mut found = Vec::with_capacity(targets.len());
            for target in targets {
                let Some(value) = lookup.get(&target.symbol) else {
                    let why = format!("step '{}' knows no symbol '{}'", step.name, target.symbol);
                    return Err(fault(Class::NotFound, why));
                };
                found.push(value.as_str());
            }
            Ok(sets.iter().map(|set| with(set, "symbol.lookup", &found.join(","))).collect())
        }
        _ => Ok(sets),
    }
}
