//! What the operating system knows of this process and its machine.

use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::fs;

/// Bytes of a file of the kernel at most.
const MAX_BYTES: u64 = 1 << 16;

/// The unit in which the system counts what it writes: a sector, whatever the disk has.
const SECTOR: u64 = 512;

/// What this process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) cpu: Duration,
    pub(super) written_bytes: u64,
    /// Time in which something on the machine waited for a free core, since its start; 0 where it does not say.
    pub(super) stalled: Duration,
}

impl Usage {
    pub(super) fn now() -> Self {
        let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Self::default() };
        Self {
            cpu: duration(usage.user_time()) + duration(usage.system_time()),
            written_bytes: u64::try_from(usage.block_writes()).unwrap_or(0) * SECTOR,
            stalled: stalled(),
        }
    }
}

fn duration(time: TimeVal) -> Duration {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or(0))
}

/// Returns the most memory that this process had.
pub(super) fn peak_memory() -> u64 {
    // Not `ru_maxrss` first: on Linux it begins with what the process had that started this one.
    let status = read("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.trim().trim_end_matches("kB").trim_end().parse().ok());
    let bytes = kilobytes.map(|kilobytes: u64| kilobytes << 10);
    let maximum = || {
        let maximum = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
        // Linux counts in kilobytes, macOS in bytes.
        u64::try_from(maximum).unwrap_or(0) << if cfg!(target_os = "macos") { 0 } else { 10 }
    };
    bytes.unwrap_or_else(maximum)
}

/// Reads the first total of `/proc/pressure/cpu`: `some avg10=0.00 avg60=0.00 avg300=0.00 total=6466947503`.
fn stalled() -> Duration {
    let text = read("/proc/pressure/cpu").unwrap_or_default();
    let total = text.lines().next().and_then(|line| line.rsplit_once("total=")?.1.parse().ok());
    Duration::from_micros(total.unwrap_or(0))
}

/// Returns the name of this machine.
pub(super) fn host() -> String {
    let name = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname"));
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "?".to_owned())
}

/// Returns the number of cores that this process may use.
pub(super) fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

fn read(path: &str) -> Option<String> {
    fs::read_text(Path::new(path), MAX_BYTES).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_memory_are_seen() {
        let before = Usage::now().cpu;
        let mut sum = 0_u64;
        while Usage::now().cpu < before + Duration::from_millis(20) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(peak_memory() > 1 << 20);
        assert!(!host().is_empty() && cores() > 0);
    }
}
