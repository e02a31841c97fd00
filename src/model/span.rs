//! Half-open ranges of time, and arithmetic on sets of them.

/// The times from `start` up to, and without, `stop`; microseconds UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first time inside.
    pub start: i64,
    /// The first time behind.
    pub stop: i64,
}

impl Span {
    /// Returns the span from `start` to `stop`, `None` if nothing lies between.
    pub fn new(start: i64, stop: i64) -> Option<Self> {
        (start < stop).then_some(Self { start, stop })
    }

    /// Returns whether a time lies inside.
    pub fn contains(self, time: i64) -> bool {
        self.start <= time && time < self.stop
    }

    /// Returns what two spans have in common.
    pub fn intersect(self, other: Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.stop.min(other.stop))
    }

    /// Returns the length in microseconds.
    pub fn micros(self) -> i64 {
        self.stop.saturating_sub(self.start)
    }
}

/// Returns spans in order, with those that touch or overlap made one.
pub fn coalesce(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start <= last.stop => last.stop = last.stop.max(span.stop),
            _ => merged.push(span),
        }
    }
    merged
}

/// Returns what is left of a span without the parts that `cuts` cover, in order.
pub fn subtract(whole: Span, cuts: &[Span]) -> Vec<Span> {
    let mut left = Vec::new();
    let mut start = whole.start;
    for cut in coalesce(cuts.to_vec()) {
        left.extend(Span::new(start, cut.start.min(whole.stop)));
        start = start.max(cut.stop);
    }
    left.extend(Span::new(start, whole.stop));
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: i64, stop: i64) -> Span {
        Span { start, stop }
    }

    #[test]
    fn what_touches_becomes_one() {
        assert_eq!(coalesce(vec![span(5, 7), span(0, 2), span(2, 3), span(6, 9)]), [span(0, 3), span(5, 9)]);
    }

    #[test]
    fn what_is_covered_is_cut_out() {
        assert_eq!(subtract(span(0, 10), &[span(8, 20), span(2, 3), span(-5, 0)]), [span(0, 2), span(3, 8)]);
        assert_eq!(subtract(span(0, 10), &[span(-1, 11)]), []);
        assert_eq!(subtract(span(0, 10), &[span(10, 12)]), [span(0, 10)]);
        assert_eq!(subtract(span(0, 10), &[span(20, 30)]), [span(0, 10)]);
    }
}
