//! The limits of runs, `[limits.COMMAND]` in `barn.toml`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::metric::Metric;
use crate::error::Failure;
use crate::model::nearest;
use crate::store::{CONFIG, read_config};

/// The commands that leave records.
pub const COMMANDS: [&str; 6] = ["fetch", "store", "compress", "optimize", "delete", "query"];

/// The figures that can be limited.
const LIMITED: [Metric; 9] = [
    Metric::Wall,
    Metric::Cpu,
    Metric::Memory,
    Metric::P50,
    Metric::P90,
    Metric::P99,
    Metric::Max,
    Metric::CacheHit,
    Metric::RowsPerSecond,
];

/// The key for how long a query may take before it is kept.
const SLOW: &str = "slow";

/// How long a query may take before it is kept, where nothing is said.
const DEFAULT_SLOW: Duration = Duration::from_secs(1);

/// A bound on a figure: the most it may be, or the least where more is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The figure.
    pub metric: Metric,
    /// The bound, in the figure's unit.
    pub bound: f64,
}

impl Limit {
    /// Returns whether a figure is on the wrong side.
    pub fn is_broken(&self, value: f64) -> bool {
        if self.metric.is_gain() { value < self.bound } else { value > self.bound }
    }
}

/// The limits of all commands.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    by_command: BTreeMap<String, Vec<Limit>>,
    slow: Option<Duration>,
}

impl Limits {
    /// Reads the limits of the store in the folder `root`; none where it has no `barn.toml`.
    pub fn load(root: &Path) -> Result<Self> {
        let Some(text) = read_config(root)? else { return Ok(Self::default()) };
        let cannot = || Failure::usage(format!("cannot use '{}'", root.join(CONFIG).display()));
        Self::parse(&text).with_context(cannot)
    }

    fn parse(text: &str) -> Result<Self> {
        let config: toml::Table = toml::from_str(text)?;
        let mut limits = Self::default();
        let Some(tables) = config.get("limits") else { return Ok(limits) };
        let tables = tables.as_table().context("'limits' is no table, expected [limits.COMMAND]")?;
        for (command, table) in tables {
            known(command, &COMMANDS).context("unknown command in [limits]")?;
            let table = table.as_table().with_context(|| format!("'limits.{command}' is no table"))?;
            for (key, value) in table {
                let place = || format!("[limits.{command}] {key}");
                if command == "query" && key == SLOW {
                    let seconds = duration(value).with_context(place)?;
                    limits.slow = Some(Duration::try_from_secs_f64(seconds).with_context(place)?);
                } else {
                    let limit = limit(command, key, value).with_context(place)?;
                    limits.by_command.entry(command.clone()).or_default().push(limit);
                }
            }
        }
        Ok(limits)
    }

    /// Returns the limits of a command.
    pub fn of(&self, command: &str) -> &[Limit] {
        self.by_command.get(command).map_or(&[], Vec::as_slice)
    }

    /// Returns how long a query may take before it is kept.
    pub fn slow(&self) -> Duration {
        self.slow.unwrap_or(DEFAULT_SLOW)
    }
}

fn limit(command: &str, key: &str, value: &toml::Value) -> Result<Limit> {
    let mut names: Vec<&str> = LIMITED.map(Metric::as_str).to_vec();
    if command == "query" {
        names.push(SLOW);
    }
    known(key, &names)?;
    let metric = LIMITED.into_iter().find(|metric| metric.as_str() == key).context("it is unknown")?;
    let bound = match metric {
        Metric::Memory => bytes(value),
        Metric::CacheHit => percent(value),
        Metric::RowsPerSecond => rate(value),
        _ => duration(value),
    }?;
    Ok(Limit { metric, bound })
}

fn known(name: &str, names: &[&str]) -> Result<()> {
    if names.contains(&name) {
        return Ok(());
    }
    let near = nearest(name, names.iter().copied());
    let near = near.first().map(|near| format!(" (did you mean '{near}'?)")).unwrap_or_default();
    bail!("unknown key '{name}'{near}, expected one of {}", names.join(", "))
}

/// Returns the number and the unit of a text such as `1.5 s`.
fn measure(value: &toml::Value) -> Option<(f64, &str)> {
    let text = value.as_str()?.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    Some((number.parse().ok()?, unit.trim()))
}

fn expected(what: &str, value: &toml::Value) -> anyhow::Error {
    anyhow!("expected {what}, found {value}")
}

fn duration(value: &toml::Value) -> Result<f64> {
    let seconds = measure(value).and_then(|(number, unit)| {
        let factor = match unit {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        Some(number * factor)
    });
    seconds.ok_or_else(|| expected("a duration such as \"800ms\", \"30s\" or \"2m\"", value))
}

fn bytes(value: &toml::Value) -> Result<f64> {
    let size = measure(value).and_then(|(number, unit)| {
        let factor = match unit {
            "B" => 1.0,
            "kB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "KiB" => 1_024.0,
            "MiB" => 1_048_576.0,
            "GiB" => 1_073_741_824.0,
            _ => return None,
        };
        Some(number * factor)
    });
    size.ok_or_else(|| expected("a size such as \"512MiB\" or \"2GB\"", value))
}

fn percent(value: &toml::Value) -> Result<f64> {
    let share = measure(value).filter(|(share, unit)| *unit == "%" && *share <= 100.0);
    share.map(|(share, _)| share).ok_or_else(|| expected("a share such as \"80%\"", value))
}

fn rate(value: &toml::Value) -> Result<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a bound is no count")]
    let rate = value.as_integer().map(|rate| rate as f64).or_else(|| value.as_float());
    rate.filter(|rate| *rate >= 0.0).ok_or_else(|| expected("a number of rows such as 100000", value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_their_units() {
        let text = "[limits.fetch]\nwall = \"30s\"\np99 = \"800ms\"\ncache_hit = \"80%\"\nmemory = \"512MiB\"\n\
                    rows_per_second = 1000\n[limits.query]\nslow = \"250 ms\"\n[table.x]\nkey = [\"a\"]";
        let limits = Limits::parse(text).unwrap();
        let bound = |metric| limits.of("fetch").iter().find(|limit| limit.metric == metric).unwrap().bound;
        assert_eq!((bound(Metric::Wall), bound(Metric::P99)), (30.0, 0.8));
        assert_eq!((bound(Metric::CacheHit), bound(Metric::Memory)), (80.0, 536_870_912.0));
        assert!(bound(Metric::RowsPerSecond) > 999.0);
        assert_eq!(limits.slow(), Duration::from_millis(250));
        assert!(limits.of("store").is_empty());
        assert_eq!(Limits::parse("").unwrap().slow(), DEFAULT_SLOW);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("[limits.fetch]\nwal = \"1s\"", "[limits.fetch] wal: unknown key 'wal' (did you mean 'wall'?)"),
            ("[limits.fetch]\nwall = 30", "[limits.fetch] wall: expected a duration such as \"800ms\""),
            ("[limits.fetch]\nwall = \"30\"", "found \"30\""),
            ("[limits.fetch]\ncache_hit = \"180%\"", "expected a share such as \"80%\""),
            ("[limits.fetch]\nmemory = \"5\"", "expected a size"),
            ("[limits.store]\nslow = \"1s\"", "unknown key 'slow'"),
            ("[limits.ftch]\nwall = \"1s\"", "unknown command in [limits]: unknown key 'ftch'"),
            ("limits = 3", "'limits' is no table"),
        ];
        for (text, expected) in cases {
            let error = format!("{:#}", Limits::parse(text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_limit_is_broken_on_its_own_side() {
        let wall = Limit { metric: Metric::Wall, bound: 1.0 };
        let hits = Limit { metric: Metric::CacheHit, bound: 80.0 };
        assert!(wall.is_broken(1.1) && !wall.is_broken(1.0));
        assert!(hits.is_broken(79.0) && !hits.is_broken(80.0));
    }
}
