//! The step about `cache.db`.

use anyhow::Result;

use super::report::StepReport;
use super::{Step, Work};
use crate::cache::{Tidy, tidy};
use crate::model::time::now;
use crate::store::Snapshot;
use crate::ui::figures;

/// Drops what nobody will ask for, and packs the rest tighter.
pub(super) fn run(work: &Work<'_>) -> Result<StepReport> {
    let mut report = StepReport::new(Step::Cache);
    let version = Snapshot::open(work.root, 1)?.version().map(<[u8]>::to_vec);
    let how = Tidy {
        now: now(),
        pattern: work.args.pattern.as_deref(),
        version: version.as_deref(),
        is_dry_run: work.args.dry_run,
    };
    let tidied = match tidy(work.root, &how) {
        Ok(tidied) => tidied,
        Err(err) => {
            // What it holds can be had again: no other step waits for it.
            report.problems.push(format!("{err:#}"));
            return Ok(report);
        }
    };
    if tidied.is_busy {
        work.context.ui.note("cache: another process is at work on it; the next run tries again");
        return Ok(report);
    }
    if tidied.is_damaged {
        let what = if work.args.dry_run {
            "is damaged, and would be begun anew"
        } else {
            "was damaged, and is begun anew"
        };
        report.done.push(format!("'cache.db' {what}"));
    }
    (report.bytes_before, report.bytes_after) = tidied.bytes;
    let parts: Vec<String> = [
        (tidied.answers, "old answer", "dropped"),
        (tidied.results, "old result", "dropped"),
        (tidied.repacked, "answer", "packed tighter"),
    ]
    .into_iter()
    .filter(|(count, _, _)| *count > 0)
    .map(|(count, what, done)| {
        let done = if work.args.dry_run { format!("would be {done}") } else { done.to_owned() };
        format!("{} {done}", figures::count(count, what))
    })
    .collect();
    if !parts.is_empty() {
        report.done.push(format!(
            "{}, {} → {}",
            parts.join(", "),
            figures::bytes(tidied.bytes.0),
            figures::bytes(tidied.bytes.1)
        ));
    }
    Ok(report)
}
