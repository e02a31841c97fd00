//! Saved figures, and what has changed since: only what is beyond the noise of the runs themselves is flagged.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The form of the file; another number is another form.
const SCHEMA: u32 = 1;

/// A change is beyond the noise from so many standard deviations of the noisier side on.
const DEVIATIONS: f64 = 3.0;
/// The standard deviation of a normal distribution is so many times its median absolute deviation.
const SCALE: f64 = 1.4826;
/// Smaller changes are not worth a look, however quiet the machine is.
const SMALLEST: f64 = 0.05;
/// With fewer runs the noise is not known.
const FEWEST_RUNS: usize = 3;

/// Where figures come from. They can be compared where all but the kernel is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) host: String,
    pub(super) kernel: String,
}

/// The runs of one program in one bench.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Timing {
    pub(super) bench: String,
    pub(super) program: String,
    pub(super) walls_ns: Vec<u64>,
    pub(super) cpu_ns: Vec<u64>,
    pub(super) peak_kb: u64,
}

/// All figures of a run of the suite.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) schema: u32,
    pub(super) date: String,
    pub(super) commit: String,
    pub(super) machine: Machine,
    pub(super) timings: Vec<Timing>,
}

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Slower,
    Faster,
    /// No more than the runs differ among themselves, or too little to matter.
    WithinNoise,
    /// Fewer runs than it takes to know the noise.
    TooFewRuns,
    /// The baseline does not have it.
    New,
    /// The baseline was made elsewhere.
    NotComparable,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Slower => "**slower**",
            Self::Faster => "**faster**",
            Self::WithinNoise => "within noise",
            Self::TooFewRuns => "too few runs",
            Self::New => "new",
            Self::NotComparable => "another machine",
        }
    }
}

impl Machine {
    /// Returns the machine this runs on.
    pub(super) fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let cpus = read("/proc/cpuinfo");
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name"));
        Self {
            cpu: model.map_or("", |text| text.trim_start_matches([' ', '\t', ':'])).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            host: read("/proc/sys/kernel/hostname"),
            kernel: read("/proc/sys/kernel/osrelease"),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        (&self.cpu, self.cores, &self.host) == (&other.cpu, other.cores, &other.host)
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}, {} cores, Linux {}, host '{}'", self.cpu, self.cores, self.kernel, self.host)
    }
}

impl Baseline {
    pub(super) fn new(date: String, commit: String, timings: Vec<Timing>) -> Self {
        Self { schema: SCHEMA, date, commit, machine: Machine::here(), timings }
    }

    /// Reads what was saved under a name.
    pub(super) fn load(folder: &Path, name: &str) -> Result<Self, String> {
        let path = path(folder, name)?;
        let cause = |cause: &dyn std::fmt::Display| {
            format!("cannot read baseline '{name}'\n  caused by: '{}': {cause}", path.display())
        };
        let text = fs::read_to_string(&path).map_err(|err| {
            let known = known(folder);
            let hint = if known.is_empty() {
                format!("`--save {name}` makes it")
            } else {
                format!("`--against {}`", known.join("` or `--against "))
            };
            format!("{}\n\nhint: {hint}", cause(&err))
        })?;
        let baseline: Self = serde_json::from_str(&text).map_err(|err| cause(&err))?;
        if baseline.schema == SCHEMA {
            return Ok(baseline);
        }
        Err(cause(&format!("its form is {}, expected {SCHEMA}", baseline.schema)))
    }

    /// Saves the figures under a name, and returns the path.
    pub(super) fn save(&self, folder: &Path, name: &str) -> Result<PathBuf, String> {
        let path = path(folder, name)?;
        let text = serde_json::to_string_pretty(self).map_err(|err| err.to_string())?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text + "\n"))
            .map_err(|err| format!("cannot write baseline '{}'\n  caused by: {err}", path.display()))?;
        Ok(path)
    }

    /// Returns what became of each figure since `old`.
    pub(super) fn since(&self, old: &Self) -> Vec<(&Timing, Option<f64>, Verdict)> {
        let is_comparable = self.machine.is_like(&old.machine);
        let judge = |new| {
            let before = old.timings.iter().find(|old| old.is_for(new));
            let change = before.and_then(|before| before.change_to(new));
            let verdict = match before {
                None => Verdict::New,
                Some(_) if !is_comparable => Verdict::NotComparable,
                Some(before) => before.judge(new),
            };
            (new, change, verdict)
        };
        self.timings.iter().map(judge).collect()
    }

    /// Returns the comparison with `old`, called `name`, in Markdown.
    pub(super) fn comparison(&self, old: &Self, name: &str) -> String {
        let mut text = format!("Against '{name}' (commit {}, {}):\n", old.commit, old.date);
        let machine = &old.machine;
        if !self.machine.is_like(machine) {
            writeln!(
                text,
                "\nnote: '{name}' is from another machine, so that no change is flagged\n  then: {machine}\n  now:  {}",
                self.machine
            )
            .unwrap();
        } else if machine.kernel != self.machine.kernel {
            let now = &self.machine.kernel;
            writeln!(text, "\nnote: the kernel was {} then and is {now} now", machine.kernel).unwrap();
        }
        text.push_str(
            "\n| bench | program | then | now | change | |\n| --- | --- | ---: | ---: | ---: | --- |\n",
        );
        for (timing, change, verdict) in self.since(old) {
            let then = old.timings.iter().find(|old| old.is_for(timing)).map(Timing::shown);
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                timing.bench,
                timing.program,
                then.unwrap_or_default(),
                timing.shown(),
                change.map_or_else(String::new, |change| format!("{:+.1} %", change * 100.0)),
                verdict.word()
            )
            .unwrap();
        }
        text
    }
}

impl Timing {
    fn is_for(&self, other: &Self) -> bool {
        (&self.bench, &self.program) == (&other.bench, &other.program)
    }

    /// Returns the median and the median absolute deviation, in nanoseconds.
    fn spread(&self) -> Option<(f64, f64)> {
        #[allow(clippy::cast_precision_loss, reason = "2^53 nanoseconds are 104 days")]
        let walls: Vec<f64> = self.walls_ns.iter().map(|wall| *wall as f64).collect();
        let middle = median(&walls)?;
        let distances: Vec<f64> = walls.iter().map(|wall| (wall - middle).abs()).collect();
        Some((middle, median(&distances)?))
    }

    fn change_to(&self, new: &Self) -> Option<f64> {
        Some(new.spread()?.0 / self.spread()?.0 - 1.0)
    }

    fn judge(&self, new: &Self) -> Verdict {
        let is_short = self.walls_ns.len().min(new.walls_ns.len()) < FEWEST_RUNS;
        let (Some(old), Some(new), false) = (self.spread(), new.spread(), is_short) else {
            return Verdict::TooFewRuns;
        };
        let noise = DEVIATIONS * SCALE * old.1.max(new.1);
        let change = new.0 - old.0;
        if change.abs() <= noise || change.abs() <= SMALLEST * old.0 {
            Verdict::WithinNoise
        } else if change > 0.0 {
            Verdict::Slower
        } else {
            Verdict::Faster
        }
    }

    fn shown(&self) -> String {
        self.spread().map_or_else(String::new, |(middle, noise)| {
            format!("{:.1} ± {:.1} ms", middle / 1e6, noise * SCALE / 1e6)
        })
    }
}

/// Returns the middle of values, of an even number the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let high = *sorted.get(middle)?;
    Some(if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[middle - 1], high) } else { high })
}

/// Returns where a baseline is, if its name can be one of a file.
pub(super) fn path(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(is_name) {
        return Err(format!("'{name}' is no name of a baseline: expected letters, digits, '-', '_' and '.'"));
    }
    Ok(folder.join(format!("{name}.json")))
}

/// Returns the names in a folder.
fn known(folder: &Path) -> Vec<String> {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let paths = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let mut names: Vec<String> =
        paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}
