//! Two runs, or two groups of them, side by side.

use super::metric::Metric;
use super::record::Run;

/// Makes the median of absolute deviations an estimate of the standard deviation.
const MAD_SCALE: f64 = 1.4826;

/// Runs from which on their own spread is taken for their noise.
const FEWEST: usize = 3;

/// Changes in percent below which nobody should care, however small the noise.
const SMALLEST: f64 = 2.0;

/// Changes in percent that are believed where the noise is not known.
const UNKNOWN: f64 = 10.0;

/// The middle of figures, and how far they lie around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The median distance from it, scaled to a standard deviation.
    pub noise: f64,
}

impl Spread {
    /// Returns the spread of figures, `None` without any.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        let median = median(&mut values)?;
        let mut distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        Some(Self { median, noise: median_or_zero(&mut distances) * MAD_SCALE })
    }
}

fn median_or_zero(values: &mut [f64]) -> f64 {
    median(values).unwrap_or(0.0)
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 0 => Some(values[middle - 1].midpoint(values[middle])),
        _ => Some(values[middle]),
    }
}

/// What a change means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not told from noise.
    WithinNoise,
    /// It takes longer, or does less a second.
    Slower,
    /// It takes less time, or does more a second.
    Faster,
    /// It is more.
    More,
    /// It is less.
    Less,
}

impl Verdict {
    /// Returns the words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WithinNoise => "within noise",
            Self::Slower => "slower",
            Self::Faster => "faster",
            Self::More => "more",
            Self::Less => "less",
        }
    }

    fn new(metric: Metric, is_more: bool) -> Self {
        use super::metric::Unit;
        match (metric.unit(), is_more) {
            (Unit::Seconds, true) | (Unit::PerSecond, false) => Self::Slower,
            (Unit::Seconds, false) | (Unit::PerSecond, true) => Self::Faster,
            (_, true) => Self::More,
            (_, false) => Self::Less,
        }
    }
}

/// How a figure differs between two groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The figure.
    pub metric: Metric,
    /// The median of the first group, where it has the figure.
    pub before: Option<f64>,
    /// The median of the second group, where it has the figure.
    pub after: Option<f64>,
    /// From the first to the second, of a hundred.
    pub percent: Option<f64>,
    /// How far such a figure may be off by chance, of a hundred, where that is known.
    pub noise_percent: Option<f64>,
    /// What the change means, where there is one.
    pub verdict: Option<Verdict>,
}

/// Compares two groups of runs of a command figure by figure. `others` are all runs that succeeded: the spread of
/// those like a run is the noise where its group is too small to have one.
pub fn compare(before: &[&Run], after: &[&Run], others: &[&Run]) -> Vec<Change> {
    let change = |metric: Metric| {
        let spread = |runs: &[&Run]| Spread::of(runs.iter().filter_map(|run| metric.of(run)).collect());
        let (left, right) = (spread(before), spread(after));
        if left.is_none() && right.is_none() {
            return None;
        }
        let (mut percent, mut noise_percent) = (None, None);
        if let (Some(left), Some(right)) = (left, right)
            && left.median.abs() > 0.0
        {
            percent = Some((right.median - left.median) * 100.0 / left.median);
            let noise = |own: Spread, runs: &[&Run]| {
                if runs.len() >= FEWEST {
                    return Some(own.noise);
                }
                let like = others.iter().copied().filter(|other| runs.iter().any(|run| is_like(other, run)));
                let like: Vec<&Run> = like.collect();
                spread(&like).filter(|_| like.len() >= FEWEST).map(|others| others.noise)
            };
            let both = noise(left, before).zip(noise(right, after));
            noise_percent = both
                .map(|(left_noise, right_noise)| left_noise.hypot(right_noise) * 100.0 / left.median.abs());
        }
        let verdict = percent.map(|percent: f64| {
            let bound = noise_percent.map_or(UNKNOWN, |noise| noise.max(SMALLEST));
            if percent.abs() <= bound { Verdict::WithinNoise } else { Verdict::new(metric, percent > 0.0) }
        });
        let (before, after) = (left.map(|left| left.median), right.map(|right| right.median));
        Some(Change { metric, before, after, percent, noise_percent, verdict })
    };
    Metric::ALL.into_iter().filter_map(change).collect()
}

/// Returns whether a run says how far another may be off by chance: an earlier one of the same work and group. A later
/// one may be of another time, with which it is to be compared.
fn is_like(other: &Run, run: &Run) -> bool {
    other.id < run.id && (&other.kind, &other.label, &other.host) == (&run.kind, &run.label, &run.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(id: i64, walls: &[u64]) -> Vec<Run> {
        walls.iter().map(|wall| Run { id, wall_micros: wall * 1_000, ..Run::default() }).collect()
    }

    fn wall(before: &[u64], after: &[u64], others: &[u64]) -> Change {
        let (before, after, others) = (runs(2, before), runs(3, after), runs(1, others));
        let all = |runs: &'static [Run]| runs.iter().collect::<Vec<_>>();
        // Leaked, so that the references live as long as the comparison.
        let changes = compare(&all(before.leak()), &all(after.leak()), &all(others.leak()));
        changes.into_iter().find(|change| change.metric == Metric::Wall).unwrap()
    }

    #[test]
    fn the_median_and_its_noise_bear_an_outlier() {
        let spread = Spread::of(vec![10.0, 11.0, 9.0, 10.0, 900.0]).unwrap();
        assert_eq!(spread, Spread { median: 10.0, noise: MAD_SCALE });
        assert_eq!(Spread::of(vec![1.0, 3.0]), Some(Spread { median: 2.0, noise: MAD_SCALE }));
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn a_change_beyond_the_noise_is_told() {
        let change = wall(&[100, 101, 99], &[300, 303, 297], &[]);
        assert_eq!(change.verdict, Some(Verdict::Slower));
        assert!((change.percent.unwrap() - 200.0).abs() < 1e-9);
        assert_eq!(wall(&[300, 303, 297], &[100, 101, 99], &[]).verdict, Some(Verdict::Faster));
        let noisy = wall(&[100, 150, 60, 90], &[110, 160, 70, 95], &[]);
        assert_eq!(noisy.verdict, Some(Verdict::WithinNoise));
        assert!(noisy.noise_percent.unwrap() > 10.0);
    }

    #[test]
    fn single_runs_have_the_noise_of_their_kind_if_any() {
        assert_eq!(wall(&[100], &[108], &[]).verdict, Some(Verdict::WithinNoise));
        assert_eq!(wall(&[100], &[108], &[]).noise_percent, None);
        assert_eq!(wall(&[100], &[108], &[100, 101, 102, 100]).verdict, Some(Verdict::Slower));
        assert_eq!(wall(&[100], &[108], &[100, 120, 80, 110]).verdict, Some(Verdict::WithinNoise));
    }
}
