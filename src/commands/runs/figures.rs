//! The figures of runs, for people.

use std::time::Duration;

use crate::runs::{Metric, Run, Unit};
use crate::ui::figures;

/// Columns of the names of figures.
const NAME_WIDTH: usize = 12;

/// Returns a figure with its unit.
pub(super) fn shown(value: f64, unit: Unit) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "figures are never negative")]
    let whole = value.round() as u64;
    match unit {
        Unit::Seconds => figures::duration(Duration::try_from_secs_f64(value).unwrap_or_default()),
        Unit::Bytes => figures::bytes(whole),
        Unit::Percent => format!("{value:.0} %"),
        Unit::Count => figures::thousands(whole),
        Unit::PerSecond => figures::rate(whole, Duration::from_secs(1)),
    }
}

/// Returns the figure of a run with its unit, where it has one.
fn of(run: &Run, metric: Metric) -> Option<String> {
    metric.of(run).map(|value| shown(value, metric.unit()))
}

/// Returns what a run used and did as lines of text.
pub fn breakdown(run: &Run) -> Vec<String> {
    let part = |metric: Metric, before: &str, after: &str| {
        of(run, metric).map(|figure| format!("{before}{figure}{after}"))
    };
    let workers = format!(" of {}", figures::count(run.figures.workers, "worker"));
    let lines = [
        ("wall", vec![part(Metric::Wall, "", "")]),
        ("cpu", vec![part(Metric::Cpu, "", ""), part(Metric::Efficiency, "", &workers)]),
        ("peak memory", vec![part(Metric::Memory, "", "")]),
        ("disk writes", vec![part(Metric::DiskWrites, "", " waited"), part(Metric::Written, "", "")]),
        (
            "rows",
            vec![
                part(Metric::RowsIn, "", " in"),
                part(Metric::RowsOut, "", " out"),
                part(Metric::RowsPerSecond, "", ""),
            ],
        ),
        ("bytes", vec![part(Metric::BytesIn, "", " in"), part(Metric::BytesOut, "", " out")]),
        (
            "requests",
            vec![
                part(Metric::Requests, "", ""),
                part(Metric::Retries, "", " tried again"),
                part(Metric::Waited, "", " waited"),
            ],
        ),
        (
            "latency",
            vec![
                part(Metric::P50, "p50 ", ""),
                part(Metric::P90, "p90 ", ""),
                part(Metric::P99, "p99 ", ""),
                part(Metric::Max, "max ", ""),
            ],
        ),
        (
            "cache hits",
            vec![
                part(Metric::MemoryHits, "", " from memory"),
                part(Metric::DiskHits, "", " from disk"),
                part(Metric::CacheHit, "", " of all answers"),
            ],
        ),
    ];
    let line = |(name, parts): (&str, Vec<Option<String>>)| {
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("{name:NAME_WIDTH$}  {}", parts.join(", ")))
    };
    lines.into_iter().filter_map(line).collect()
}

/// Returns a line of text with a name before it.
pub(super) fn named(name: &str, text: &str) -> String {
    format!("{name:NAME_WIDTH$}  {text}")
}

/// Returns the word for how a run ended.
pub(super) fn outcome(run: &Run) -> &'static str {
    match run.exit_code {
        0 => "done",
        1 => "failed",
        2 => "usage",
        3 => "partial",
        4 => "authentication",
        5 => "quota",
        6 => "network",
        7 => "format",
        130 => "interrupted",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::{Figures, Latency};

    #[test]
    fn a_run_is_broken_down_into_what_it_did() {
        let figures = Figures {
            workers: 2,
            rows_in: 1_000,
            rows_out: 900,
            requests: 3,
            retries: 1,
            disk_hits: 1,
            ..Figures::default()
        };
        let latency = Latency { p50_micros: 1_500, p90_micros: 2_000, p99_micros: 3_000, max_micros: 3_100 };
        let run = Run {
            wall_micros: 2_000_000,
            cpu_micros: 1_000_000,
            memory_bytes: 12_300_000,
            figures,
            latency: Some(latency),
            ..Run::default()
        };
        let expected = [
            "wall          2.00 s",
            "cpu           1.00 s, 25 % of 2 workers",
            "peak memory   12.3 MB",
            "disk writes   0.00 ms waited, 0 bytes",
            "rows          1,000 in, 900 out, 500 rows/s",
            "requests      3, 1 tried again",
            "latency       p50 1.50 ms, p90 2.00 ms, p99 3.00 ms, max 3.10 ms",
            "cache hits    1 from disk, 25 % of all answers",
        ];
        assert_eq!(breakdown(&run), expected);
    }
}
