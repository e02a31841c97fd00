//! Chooses the files that a query reads, by what the manifest says of their times and series.

use datafusion::common::Result;

use super::{Entry, Folder};
use crate::engine::failure::carry;
use crate::engine::hot::{Keys, Range};
use crate::engine::table::Wanted;

/// What a query reads of a dataset.
pub(super) struct Chosen<'a> {
    pub(super) dataset: &'a Folder,
    /// The series of the dataset that match.
    pub(super) keys: Keys,
    /// Files of whose rows all are wanted.
    pub(super) whole: Vec<Entry>,
    /// Files some of whose rows may not be wanted.
    pub(super) partial: Vec<Entry>,
    /// Files that have rows which hot ones replace.
    pub(super) corrected: Vec<Entry>,
    /// These rows: the place of the series among `keys`, and the time.
    pub(super) corrections: Vec<(usize, i64)>,
}

/// Returns the files of a dataset that may have wanted rows, nothing where there are none.
pub(super) fn choose<'a>(
    dataset: &'a Folder,
    wanted: &Wanted,
    corrections: &[(usize, i64)],
) -> Result<Option<Chosen<'a>>> {
    let is_wanted = |place: &usize| wanted.mask.as_ref().is_none_or(|mask| mask.value(*place));
    let series: Vec<usize> = dataset.series.iter().copied().filter(is_wanted).collect();
    if wanted.range.is_empty() || series.is_empty() {
        return Ok(None);
    }
    let keys = wanted.all.take(&series).map_err(carry)?;
    let corrections = corrections.iter().filter(|(_, ts)| has(wanted.range, *ts));
    let corrections = corrections.filter_map(|(place, ts)| Some((series.binary_search(place).ok()?, *ts)));
    let corrections = corrections.collect();
    let (whole, partial, corrected) = (Vec::new(), Vec::new(), Vec::new());
    let mut chosen = Chosen { dataset, keys, whole, partial, corrected, corrections };
    for entry in &dataset.files {
        let wanted_here = between(&series, entry);
        if wanted_here.is_empty() || !overlaps(wanted.range, entry) {
            continue;
        }
        if chosen.corrections_touch(entry, wanted_here.start, wanted_here.end) {
            chosen.corrected.push(entry.clone());
        } else if is_inside(wanted.range, entry) && wanted_here.len() == between(&dataset.series, entry).len()
        {
            chosen.whole.push(entry.clone());
        } else {
            chosen.partial.push(entry.clone());
        }
    }
    let is_empty = chosen.whole.is_empty() && chosen.partial.is_empty() && chosen.corrected.is_empty();
    Ok((!is_empty).then_some(chosen))
}

impl Chosen<'_> {
    /// Returns whether a row of these series of the file is replaced.
    fn corrections_touch(&self, entry: &Entry, first: usize, end: usize) -> bool {
        let from = self.corrections.partition_point(|(series, _)| *series < first);
        let until = self.corrections.partition_point(|(series, _)| *series < end);
        let times = entry.file.ts_min..=entry.file.ts_max;
        self.corrections[from..until].iter().any(|(_, ts)| times.contains(ts))
    }
}

/// Returns where the series that a file may have lie in a list of places.
fn between(series: &[usize], entry: &Entry) -> std::ops::Range<usize> {
    let first = series.partition_point(|place| *place < entry.first);
    first..series.partition_point(|place| *place <= entry.last).max(first)
}

fn has(range: Range, ts: i64) -> bool {
    range.since.is_none_or(|since| ts >= since) && range.until.is_none_or(|until| ts < until)
}

fn overlaps(range: Range, entry: &Entry) -> bool {
    range.since.is_none_or(|since| entry.file.ts_max >= since)
        && range.until.is_none_or(|until| entry.file.ts_min < until)
}

fn is_inside(range: Range, entry: &Entry) -> bool {
    has(range, entry.file.ts_min) && has(range, entry.file.ts_max)
}
