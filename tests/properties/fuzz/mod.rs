//! Hostile inputs, made from seeds: whatever bytes, definitions, statements and manifests come, barn answers or
//! says what is wrong.
//!
//! Each target runs for two seconds on the same inputs every time; `BARN_TEST_FUZZ=600` makes that ten minutes
//! on new ones, and `BARN_TEST_SEED=N` repeats the one input that a failure names.
#![allow(clippy::print_stderr, reason = "long runs say how many inputs they tried")]

mod decode;
mod define;
mod document;
mod manifest;
mod mutate;
mod path;
mod sql;
mod text;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub(super) use fastrand::Rng;

/// How long a target runs where the environment does not say.
const SHORT: Duration = Duration::from_secs(2);
/// How long one input may take: the slowest takes a twentieth, in the development build beside another.
const SLOWEST: Duration = Duration::from_secs(5);
/// After which an input hangs, so that nothing but the end of the process stops it.
const HANGS: Duration = Duration::from_mins(1);
/// Memory of the process that no small input can be worth.
const MOST_MEMORY: u64 = 4 << 30;
/// Different failures after which a long run ends.
const MOST_FOUND: usize = 40;

/// Bytes that are shown as text.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Tries inputs until the time is over: `make` builds one from a seed, `check` panics where barn is wrong.
pub(super) fn run<I: fmt::Debug>(name: &str, make: impl Fn(&mut Rng) -> I, mut check: impl FnMut(&I)) {
    let read = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = read("BARN_TEST_SEED") {
        let input = make(&mut Rng::with_seed(seed));
        eprintln!("{name}: seed {seed}:\n{input:#?}");
        return check(&input);
    }
    listen();
    let long = read("BARN_TEST_FUZZ").map(Duration::from_secs);
    let first = if long.is_some() { Rng::new().u64(..) >> 16 } else { 0 };
    let guard = Guard::start(name);
    let started = Instant::now();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut seed = first;
    while started.elapsed() < long.unwrap_or(SHORT) && found.len() < MOST_FOUND {
        let input = make(&mut Rng::with_seed(seed));
        guard.begin(seed);
        if let Err(words) = attempt(|| check(&input)) {
            // Lengths and places in inputs make no other failure.
            let kind = words.chars().filter(|c| !c.is_ascii_digit()).take(100).collect();
            let told = || format!("BARN_TEST_SEED={seed}: {words}\n{}", cut(&format!("{input:?}")));
            found.entry(kind).or_insert_with(told);
            if long.is_none() {
                break;
            }
        }
        seed += 1;
    }
    guard.end();
    TRIES.set(false);
    RUNNING.fetch_sub(1, Ordering::SeqCst);
    if long.is_some() {
        let (count, seconds) = (seed - first, started.elapsed().as_secs_f64());
        let found = found.len();
        eprintln!("{name}: {count} inputs in {seconds:.0} s, seeds from {first}: {found} failures");
    }
    let found: Vec<String> = found.into_values().collect();
    assert!(found.is_empty(), "{name}: {} failures\n{}", found.len(), found.join("\n\n"));
}

/// Runs a check; an error is the words of its panic, or says that it took too long.
fn attempt(check: impl FnOnce()) -> Result<(), String> {
    heard();
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(check));
    let taken = started.elapsed();
    match outcome {
        Err(payload) => Err(heard().unwrap_or_else(|| words(&*payload))),
        Ok(()) if taken > SLOWEST => Err(format!("too slow: at most {} s", SLOWEST.as_secs())),
        Ok(()) => Ok(()),
    }
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(6_000).map_or(text, |(at, _)| &text[..at])
}

thread_local! {
    /// What the last panic of this thread said, and where.
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What the last panic of a thread that belongs to no test said.
static ELSEWHERE: Mutex<Option<String>> = Mutex::new(None);

/// Targets that run now.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Takes note of panics instead of printing them, on threads that try inputs and on those that work for them.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let told = format!("panicked at {place}: {}", words(info.payload()));
            if TRIES.get() {
                HEARD.with(|heard| *heard.borrow_mut() = Some(told));
            } else if RUNNING.load(Ordering::SeqCst) > 0
                && thread::current().name().is_none_or(|name| name == "engine")
            {
                *ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
            } else {
                usual(info);
            }
        }));
    });
    TRIES.set(true);
    RUNNING.fetch_add(1, Ordering::SeqCst);
}

thread_local! {
    /// Whether this thread tries inputs.
    static TRIES: Cell<bool> = const { Cell::new(false) };
}

/// Returns what the last panic said, once.
pub(super) fn heard() -> Option<String> {
    let elsewhere = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner).take();
    HEARD.with(|heard| heard.borrow_mut().take()).or(elsewhere)
}

/// Ends the process where an input takes for ever or too much memory, and leaves its seed behind.
struct Guard {
    seed: Arc<AtomicU64>,
    since: Arc<Mutex<Instant>>,
    is_over: Arc<AtomicBool>,
    /// What says which input ended the process, should it end at once.
    note: (std::path::PathBuf, File),
}

impl Guard {
    fn start(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("barn-fuzz-{name}-{}", std::process::id()));
        let note = (path.clone(), File::create(&path).unwrap());
        let guard = Self {
            seed: Arc::default(),
            since: Arc::new(Mutex::new(Instant::now())),
            is_over: Arc::default(),
            note,
        };
        let (seed, since) = (Arc::clone(&guard.seed), Arc::clone(&guard.since));
        let (is_over, name) = (Arc::clone(&guard.is_over), name.to_owned());
        thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
                let taken = since.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
                let bytes = memory();
                if taken > HANGS || bytes > MOST_MEMORY {
                    let seed = seed.load(Ordering::Relaxed);
                    eprintln!("{name}: BARN_TEST_SEED={seed} took {taken:?} and {} MiB", bytes >> 20);
                    std::process::abort();
                }
            }
        });
        guard
    }

    fn begin(&self, seed: u64) {
        self.seed.store(seed, Ordering::Relaxed);
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.note.1.write_all_at(format!("BARN_TEST_SEED={seed:020}\n").as_bytes(), 0).unwrap();
    }

    fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        std::fs::remove_file(&self.note.0).unwrap();
    }
}

/// Returns the memory that the process holds.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}
