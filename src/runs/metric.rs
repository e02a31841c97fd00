//! The figures of a run that are shown, compared and limited.

use super::record::{Latency, Run};

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share of a hundred.
    Percent,
    /// Things.
    Count,
    /// Things a second.
    PerSecond,
}

impl Unit {
    /// Returns its name, as it stands beside a number.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Percent => "percent",
            Self::Count => "count",
            Self::PerSecond => "per second",
        }
    }
}

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// How long it took.
    Wall,
    /// Processor time.
    Cpu,
    /// Processor time, as a share of what its workers could have used.
    Efficiency,
    /// The most memory it had.
    Memory,
    /// Time in which it waited for the disk to have what was written.
    DiskWrites,
    /// Bytes written to disks.
    Written,
    /// Rows read.
    RowsIn,
    /// Rows written.
    RowsOut,
    /// Rows read, or written if they are more, a second.
    RowsPerSecond,
    /// Bytes read.
    BytesIn,
    /// Bytes written.
    BytesOut,
    /// Requests.
    Requests,
    /// Half of the answers took at most so long.
    P50,
    /// Nine of ten answers took at most so long.
    P90,
    /// All but one of a hundred answers took at most so long.
    P99,
    /// The slowest answer.
    Max,
    /// Tries beyond the first.
    Retries,
    /// Time spent waiting for limits.
    Waited,
    /// Answers from memory.
    MemoryHits,
    /// Answers from the disk.
    DiskHits,
    /// Answers that were known, of all.
    CacheHit,
}

impl Metric {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 21] = [
        Self::Wall,
        Self::Cpu,
        Self::Efficiency,
        Self::Memory,
        Self::DiskWrites,
        Self::Written,
        Self::RowsIn,
        Self::RowsOut,
        Self::RowsPerSecond,
        Self::BytesIn,
        Self::BytesOut,
        Self::Requests,
        Self::P50,
        Self::P90,
        Self::P99,
        Self::Max,
        Self::Retries,
        Self::Waited,
        Self::MemoryHits,
        Self::DiskHits,
        Self::CacheHit,
    ];

    /// Returns its name, which is also its key in `barn.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
            Self::Efficiency => "efficiency",
            Self::Memory => "memory",
            Self::DiskWrites => "disk_writes",
            Self::Written => "written",
            Self::RowsIn => "rows_in",
            Self::RowsOut => "rows_out",
            Self::RowsPerSecond => "rows_per_second",
            Self::BytesIn => "bytes_in",
            Self::BytesOut => "bytes_out",
            Self::Requests => "requests",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::Max => "max",
            Self::Retries => "retries",
            Self::Waited => "waited",
            Self::MemoryHits => "memory_hits",
            Self::DiskHits => "disk_hits",
            Self::CacheHit => "cache_hit",
        }
    }

    /// Returns what it counts.
    pub fn unit(self) -> Unit {
        match self {
            Self::Memory | Self::Written | Self::BytesIn | Self::BytesOut => Unit::Bytes,
            Self::Efficiency | Self::CacheHit => Unit::Percent,
            Self::RowsPerSecond => Unit::PerSecond,
            Self::RowsIn
            | Self::RowsOut
            | Self::Requests
            | Self::Retries
            | Self::MemoryHits
            | Self::DiskHits => Unit::Count,
            Self::Wall
            | Self::Cpu
            | Self::DiskWrites
            | Self::Waited
            | Self::P50
            | Self::P90
            | Self::P99
            | Self::Max => Unit::Seconds,
        }
    }

    /// Returns whether a larger figure is the better one.
    pub fn is_gain(self) -> bool {
        matches!(self, Self::RowsPerSecond | Self::CacheHit | Self::Efficiency)
    }

    /// Returns the figure of a run, `None` where it has none.
    pub fn of(self, run: &Run) -> Option<f64> {
        let figures = &run.figures;
        let latency = |of: fn(&Latency) -> u64| run.latency.as_ref().map(|latency| seconds(of(latency)));
        let counted = |number: u64| (number > 0).then(|| float(number));
        match self {
            Self::Wall => Some(seconds(run.wall_micros)),
            Self::Cpu => Some(seconds(run.cpu_micros)),
            Self::Efficiency => share(run.cpu_micros, run.wall_micros.saturating_mul(figures.workers)),
            Self::Memory => Some(float(run.memory_bytes)),
            Self::DiskWrites => Some(seconds(run.disk_micros)),
            Self::Written => Some(float(run.written_bytes)),
            Self::RowsIn => counted(figures.rows_in),
            Self::RowsOut => counted(figures.rows_out),
            Self::RowsPerSecond => {
                let rows = counted(figures.rows_in.max(figures.rows_out))?;
                (run.wall_micros > 0).then(|| rows / seconds(run.wall_micros))
            }
            Self::BytesIn => counted(figures.bytes_in),
            Self::BytesOut => counted(figures.bytes_out),
            Self::Requests => counted(figures.requests),
            Self::P50 => latency(|latency| latency.p50_micros),
            Self::P90 => latency(|latency| latency.p90_micros),
            Self::P99 => latency(|latency| latency.p99_micros),
            Self::Max => latency(|latency| latency.max_micros),
            Self::Retries => counted(figures.retries),
            Self::Waited => (figures.waited_micros > 0).then(|| seconds(figures.waited_micros)),
            Self::MemoryHits => counted(figures.memory_hits),
            Self::DiskHits => counted(figures.disk_hits),
            Self::CacheHit => {
                let hits = figures.memory_hits.saturating_add(figures.disk_hits);
                share(hits, hits.saturating_add(figures.requests))
            }
        }
    }
}

/// Returns a count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "figures are shown with a few digits")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

fn seconds(micros: u64) -> f64 {
    float(micros) / 1e6
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| float(part) * 100.0 / float(whole))
}

#[cfg(test)]
mod tests {
    use super::super::record::Figures;
    use super::*;

    #[test]
    fn shares_and_rates_have_no_figure_where_nothing_was_done() {
        let idle = Run { wall_micros: 1_000_000, ..Run::default() };
        assert_eq!((Metric::CacheHit.of(&idle), Metric::RowsPerSecond.of(&idle)), (None, None));
        assert_eq!((Metric::Efficiency.of(&idle), Metric::P99.of(&idle)), (None, None));
        let figures = Figures { rows_in: 10, requests: 1, disk_hits: 3, workers: 2, ..Figures::default() };
        let busy = Run { wall_micros: 2_000_000, cpu_micros: 1_000_000, figures, ..Run::default() };
        assert_eq!((Metric::CacheHit.of(&busy), Metric::RowsPerSecond.of(&busy)), (Some(75.0), Some(5.0)));
        assert_eq!(Metric::Efficiency.of(&busy), Some(25.0));
    }

    #[test]
    fn names_are_different() {
        let mut names = Metric::ALL.map(Metric::as_str).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
    }
}
