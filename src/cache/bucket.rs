//! The arithmetic of limits: what a window of time still allows, without clock or disk.
//!
//! A plain token bucket lets through up to its burst plus its rate times a window, so that it keeps a limit in
//! *every* window only with a rate well below the limit. Here the window itself is kept: what was taken in it,
//! by slots of 1/64 of its length. A request is granted the first time `t` at which no earlier grant lies in a
//! later slot, and at which the slots that reach behind `t - per` sum up to no more than `max - cost`.
//!
//! Why no window `(x, x + per]` holds more than `max`, wherever it begins: let `G` be the grant in it that was
//! made last, at the time `t`. Any other grant in it, at a time `a`, was made before, so it stood in its slot when
//! `G` was made. From `t <= x + per` follows `t - per <= x < a`, and `a` lies before the end of its slot: its slot
//! reaches behind `t - per`, so it was counted in the sum that `G` had to fit in. The price is that a slot frees
//! its share up to 1/64 of the window late.
//!
//! A burst below the maximum is a second, plain bucket (a virtual schedule) on top of it.

use serde::Deserialize;
use serde::Serialize;

use crate::model::time::{format_timestamp, is_in_range};

/// A limit of a provider, with what one request costs of it.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'a> {
    /// The name its state is kept under.
    pub name: &'a str,
    /// The length of its window; of no account for a budget of calendar periods.
    pub per_micros: i64,
    /// What a window or a period allows.
    pub max: f64,
    /// What may be taken at once.
    pub burst: f64,
    /// What the request takes.
    pub cost: f64,
    /// The calendar period `[start, stop)` that now lies in, where the limit is a budget of such periods.
    pub period: Option<(i64, i64)>,
}

/// Parts of a window.
const SLOTS: i64 = 64;
/// How long a request may be under way, so that the provider's count may lack it.
const UNDER_WAY: i64 = 60_000_000;
/// How far behind a clock may be before it has gone back; processes look at theirs at slightly different times.
const CLOCK_SLACK: i64 = 1_000_000;
/// What rounding of sums may add up to.
const EPSILON: f64 = 1e-9;
/// Bounds of a state that can be believed: slots, and how far they lie ahead (400 days).
const MOST_SLOTS: usize = 100_000;
const FARTHEST: i64 = 400 * 86_400_000_000;

impl Limit<'_> {
    fn window(&self) -> i64 {
        if self.period.is_some() { UNDER_WAY } else { self.per_micros.max(1) }
    }

    fn slot_width(&self) -> i64 {
        (self.window() / SLOTS).max(1)
    }

    fn slot(&self, at: i64) -> i64 {
        at.div_euclid(self.slot_width()).saturating_mul(self.slot_width())
    }

    /// Returns the time in which `amount` flows back.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "microseconds of a wait")]
    fn flow(&self, amount: f64) -> i64 {
        (amount * self.window() as f64 / self.max) as i64
    }
}

/// The state of a limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bucket {
    /// The latest clock that was seen.
    touched_at: i64,
    /// What was taken, by the start of its slot, ascending.
    slots: Vec<(i64, f64)>,
    /// When the burst is whole again.
    whole_at: i64,
    /// The start of the calendar period.
    period: i64,
    /// What was taken in the period.
    used: f64,
}

impl Bucket {
    /// Reads a state; one that cannot be is that of a limit never used.
    pub(super) fn parse(text: &str) -> Self {
        serde_json::from_str(text).ok().filter(Self::is_sane).unwrap_or_default()
    }

    pub(super) fn to_text(&self) -> String {
        // Numbers in a struct are always JSON; a NaN would come back as a state that cannot be read.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn is_sane(&self) -> bool {
        let is_amount = |amount: f64| amount.is_finite() && amount >= 0.0;
        let is_near = |time: i64| time <= self.touched_at.saturating_add(FARTHEST);
        is_in_range(self.touched_at)
            && self.slots.len() <= MOST_SLOTS
            && self.slots.is_sorted_by(|one, other| one.0 < other.0)
            && self.slots.iter().all(|slot| is_in_range(slot.0) && is_near(slot.0) && is_amount(slot.1))
            && is_in_range(self.whole_at)
            && is_near(self.whole_at)
            && is_in_range(self.period)
            && is_amount(self.used)
    }

    /// Brings the state to `now`.
    fn advance(&mut self, limit: &Limit<'_>, now: i64) {
        if self.touched_at.saturating_sub(CLOCK_SLACK) > now {
            // The clock went back: what was taken is as old as it was.
            let back = self.touched_at - now;
            self.slots.iter_mut().for_each(|slot| slot.0 -= back);
            self.whole_at -= back;
            self.touched_at = now;
        }
        self.touched_at = self.touched_at.max(now);
        let reach = limit.slot_width();
        self.slots.retain(|slot| slot.0.saturating_add(reach) > now.saturating_sub(limit.window()));
        if let Some((start, stop)) = limit.period
            && start != self.period
            // A clock that was set right at the border of two periods does not bring the budget anew.
            && self.period != stop
        {
            self.period = start;
            self.used = 0.0;
        }
    }

    /// Returns when the cost can be taken at the earliest, or why it cannot.
    fn earliest(&self, limit: &Limit<'_>, now: i64) -> Result<i64, String> {
        let Limit { name, max, cost, .. } = *limit;
        // Written so that a NaN is refused.
        if !(cost >= 0.0 && cost <= max + EPSILON) {
            return Err(format!("'{name}' allows {max}, the request costs {cost}"));
        }
        if let Some((_, stop)) = limit.period {
            if self.used + cost <= max + EPSILON {
                return Ok(now);
            }
            let again = if is_in_range(stop) { format_timestamp(stop) } else { "an unknown time".to_owned() };
            return Err(format!(
                "'{name}' allows {max}, {used} are used, and it starts again at {again}",
                used = self.used
            ));
        }
        let burst = limit.burst.max(cost).min(max);
        // Not before the latest clock: by that one older slots were forgotten.
        let mut at = now.max(self.touched_at).max(self.slots.last().map_or(now, |slot| slot.0));
        at = at.max(self.whole_at.saturating_sub(limit.flow(burst - cost)));
        let reach = limit.slot_width();
        let mut taken: f64 = self.slots.iter().map(|slot| slot.1).sum();
        for slot in &self.slots {
            let free_at = slot.0.saturating_add(reach).saturating_add(limit.window());
            if free_at > at {
                if taken + cost <= max + EPSILON {
                    break;
                }
                at = free_at;
            }
            taken -= slot.1;
        }
        Ok(at)
    }

    fn take(&mut self, limit: &Limit<'_>, at: i64) {
        self.add(limit, at, limit.cost);
        self.whole_at = self.whole_at.max(at).saturating_add(limit.flow(limit.cost));
        self.used += limit.cost;
    }

    fn add(&mut self, limit: &Limit<'_>, at: i64, amount: f64) {
        let slot = limit.slot(at);
        let place = self.slots.partition_point(|other| other.0 < slot);
        match self.slots.get_mut(place) {
            Some(same) if same.0 == slot => same.1 += amount,
            _ => self.slots.insert(place, (slot, amount)),
        }
    }

    /// Gives back what was taken for the time `at`.
    pub(super) fn refund(&mut self, limit: &Limit<'_>, at: i64) {
        let slot = limit.slot(at);
        let Some(place) = self.slots.iter().position(|other| other.0 == slot) else { return };
        let amount = limit.cost.min(self.slots[place].1);
        self.slots[place].1 -= amount;
        self.whole_at = self.whole_at.saturating_sub(limit.flow(amount));
        self.used = (self.used - amount).max(0.0);
    }

    /// Takes over what the provider says was used.
    ///
    /// It is believed at once where it counts more than we do. Where it counts less, it may not have seen what is
    /// under way, so our count only falls to its count and that.
    pub(super) fn observe(&mut self, limit: &Limit<'_>, used: f64, now: i64) {
        if !used.is_finite() || !limit.max.is_finite() {
            return;
        }
        self.advance(limit, now);
        let used = used.clamp(0.0, limit.max.max(0.0));
        let recent: f64 = self.slots.iter().filter(|slot| slot.0 <= now).map(|slot| slot.1).sum();
        if limit.period.is_some() {
            self.used = used.max(self.used.min(used + recent));
        } else if used > recent {
            self.add(limit, now, used - recent);
        }
    }
}

/// When the cost of a request may be taken from all limits, which is done, or why it may not.
pub(super) fn reserve(limits: &[Limit<'_>], buckets: &mut [Bucket], now: i64) -> Result<i64, String> {
    let mut at = now;
    for (limit, bucket) in limits.iter().zip(buckets.iter_mut()) {
        bucket.advance(limit, now);
        // A limit that allows it at one time allows it later too, as long as nobody comes between.
        at = at.max(bucket.earliest(limit, now)?);
    }
    limits.iter().zip(buckets).for_each(|(limit, bucket)| bucket.take(limit, at));
    Ok(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;
    const NOON: i64 = 1_700_000_000 * SECOND;

    fn limit(max: f64, per_micros: i64) -> Limit<'static> {
        Limit { name: "x/ip/1m", per_micros, max, burst: max, cost: 1.0, period: None }
    }

    fn budget(max: f64, start: i64, stop: i64) -> Limit<'static> {
        Limit { period: Some((start, stop)), ..limit(max, SECOND) }
    }

    fn take(bucket: &mut Bucket, limit: &Limit<'_>, now: i64) -> Result<i64, String> {
        reserve(&[*limit], std::slice::from_mut(bucket), now)
    }

    /// The most that lies in any window `(x, x + per]`.
    fn most(grants: &[(i64, f64)], per: i64) -> f64 {
        let sum = |&(end, _): &(i64, f64)| -> f64 {
            grants.iter().filter(|(at, _)| end - per < *at && *at <= end).map(|grant| grant.1).sum()
        };
        grants.iter().map(sum).fold(0.0, f64::max)
    }

    #[test]
    fn the_whole_limit_is_there_at_once_and_again_after_the_window() {
        let (limit, mut bucket) = (limit(5.0, 60 * SECOND), Bucket::default());
        let grants: Vec<i64> = (0..11).map(|_| take(&mut bucket, &limit, NOON).unwrap() - NOON).collect();
        assert_eq!(grants[..5], [0; 5]);
        let width = 60 * SECOND / 64;
        for (at, minutes) in [(5, 1), (9, 1), (10, 2)] {
            let wait = grants[at];
            assert!(wait > minutes * 60 * SECOND - 1, "{at}: {wait}");
            assert!(wait <= minutes * (60 * SECOND + width), "{at}: {wait}");
        }
    }

    #[test]
    fn a_burst_spreads_the_limit() {
        let limit = Limit { burst: 2.0, ..limit(10.0, 10 * SECOND) };
        let mut bucket = Bucket::default();
        let grants: Vec<i64> =
            (0..6).map(|_| (take(&mut bucket, &limit, NOON).unwrap() - NOON) / SECOND).collect();
        assert_eq!(grants, [0, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn who_waits_is_served_in_the_order_of_coming() {
        let (cheap, mut bucket) = (limit(10.0, SECOND), Bucket::default());
        let dear = Limit { cost: 9.0, ..cheap };
        take(&mut bucket, &dear, NOON).unwrap();
        let second = take(&mut bucket, &dear, NOON).unwrap();
        assert!(second > NOON);
        let third = take(&mut bucket, &cheap, NOON).unwrap();
        assert!(third >= second - SECOND / 64, "a small request does not pass a large one");
    }

    #[test]
    fn all_limits_grant_or_none_is_touched() {
        let limits = [limit(5.0, SECOND), budget(1.0, NOON, NOON + SECOND)];
        let mut buckets = [Bucket::default(), Bucket::default()];
        assert_eq!(reserve(&limits, &mut buckets, NOON), Ok(NOON));
        let before = buckets.clone();
        assert!(reserve(&limits, &mut buckets, NOON).is_err());
        assert_eq!(buckets, before);
    }

    #[test]
    fn what_can_never_be_paid_is_refused() {
        for cost in [6.0, f64::NAN, f64::INFINITY, -1.0] {
            let limit = Limit { cost, ..limit(5.0, SECOND) };
            assert!(take(&mut Bucket::default(), &limit, NOON).is_err(), "{cost}");
        }
        for (max, per) in
            [(f64::NAN, SECOND), (f64::INFINITY, 0), (5.0, i64::MIN), (5.0, i64::MAX), (1e-300, 1)]
        {
            let mut bucket = Bucket::default();
            for _ in 0..20 {
                drop(take(&mut bucket, &Limit { cost: 1e-300, ..limit(max, per) }, NOON));
            }
        }
    }

    #[test]
    fn a_budget_ends_with_its_period() {
        let (day, mut bucket) = (86_400 * SECOND, Bucket::default());
        let today = budget(2.0, NOON, NOON + day);
        assert!(take(&mut bucket, &today, NOON).is_ok());
        assert!(take(&mut bucket, &today, NOON + 1).is_ok());
        let why = take(&mut bucket, &today, NOON + day - 1).unwrap_err();
        assert_eq!(why, "'x/ip/1m' allows 2, 2 are used, and it starts again at 2023-11-15T22:13:20Z");
        assert!(take(&mut bucket, &budget(2.0, NOON + day, NOON + 2 * day), NOON + day).is_ok());
        assert!(take(&mut bucket, &today, NOON + day - 1).is_ok(), "the next day's count holds before it");
        assert!(take(&mut bucket, &today, NOON + day - 1).is_err());
        let last_month = budget(2.0, NOON - 30 * day, NOON - 29 * day);
        assert!(
            take(&mut bucket, &last_month, NOON - 30 * day).is_ok(),
            "a wrong clock locks nothing for ever"
        );
    }

    #[test]
    fn the_provider_is_believed() {
        let limit = limit(100.0, 60 * SECOND);
        let mut bucket = Bucket::default();
        take(&mut bucket, &limit, NOON).unwrap();
        bucket.observe(&limit, 98.0, NOON);
        assert_eq!(take(&mut bucket, &limit, NOON), Ok(NOON));
        assert_eq!(take(&mut bucket, &limit, NOON), Ok(NOON));
        assert!(take(&mut bucket, &limit, NOON).unwrap() > NOON + 59 * SECOND);
        let before = bucket.clone();
        bucket.observe(&limit, 3.0, NOON);
        bucket.observe(&limit, f64::NAN, NOON);
        assert_eq!(bucket, before, "it may not have seen what is under way");
        bucket.observe(&limit, 1e300, NOON);
        assert!(
            take(&mut bucket, &limit, NOON).unwrap() <= NOON + 122 * SECOND,
            "no more than the limit is taken"
        );
    }

    #[test]
    fn a_budget_falls_and_rises_to_the_count_of_the_provider() {
        let budget = budget(500.0, NOON, NOON + 86_400 * SECOND);
        let mut bucket = Bucket::default();
        take(&mut bucket, &Limit { cost: 50.0, ..budget }, NOON).unwrap();
        bucket.observe(&budget, 20.0, NOON + SECOND);
        assert!(take(&mut bucket, &Limit { cost: 451.0, ..budget }, NOON + SECOND).is_err());
        bucket.observe(&budget, 20.0, NOON + 70 * SECOND);
        assert!(take(&mut bucket, &Limit { cost: 481.0, ..budget }, NOON + 70 * SECOND).is_err());
        bucket.observe(&budget, 499.0, NOON + 71 * SECOND);
        assert!(take(&mut bucket, &Limit { cost: 2.0, ..budget }, NOON + 71 * SECOND).is_err());
        assert!(take(&mut bucket, &Limit { cost: 1.0, ..budget }, NOON + 71 * SECOND).is_ok());
    }

    #[test]
    fn a_refund_is_there_for_the_next() {
        let (limit, mut bucket) = (limit(1.0, 60 * SECOND), Bucket::default());
        let first = take(&mut bucket, &limit, NOON).unwrap();
        bucket.refund(&limit, first);
        bucket.refund(&limit, first);
        assert_eq!(take(&mut bucket, &limit, NOON), Ok(NOON));
        assert!(take(&mut bucket, &limit, NOON).unwrap() > NOON, "twice is not given back");
    }

    #[test]
    fn a_clock_that_goes_back_neither_frees_nor_locks() {
        let (limit, mut bucket) = (limit(2.0, 60 * SECOND), Bucket::default());
        take(&mut bucket, &limit, NOON).unwrap();
        take(&mut bucket, &limit, NOON).unwrap();
        let back = NOON - 3_600 * SECOND;
        let next = take(&mut bucket, &limit, back).unwrap();
        assert!((back + 59 * SECOND..back + 62 * SECOND).contains(&next), "{}", next - back);
    }

    #[test]
    fn a_state_that_cannot_be_believed_is_none() {
        let good = r#"{"touched_at":5,"slots":[[1,2.0]],"whole_at":0,"period":0,"used":0.0}"#;
        assert_ne!(Bucket::parse(good), Bucket::default());
        assert_eq!(Bucket::parse(good).to_text(), good);
        let bad = [
            ("2.0", "-2.0"),
            ("2.0", "1e999"),
            ("2.0", "null"),
            ("[1,2.0]", "[3,1],[1,1]"),
            ("[1,2.0]", "[9000000000000000000,1]"),
            ("\"whole_at\":0", "\"whole_at\":9223372036854775807"),
            ("\"touched_at\":5", "\"touched_at\":-9223372036854775808"),
            ("{", "[{"),
        ];
        for (from, to) in bad {
            assert_eq!(Bucket::parse(&good.replace(from, to)), Bucket::default(), "{to}");
        }
        assert_eq!(Bucket::parse(""), Bucket::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_window_holds_more_than_the_limit(
            max in 1..40_u8,
            burst in 1..40_u8,
            per in prop::sample::select(vec![1_000, SECOND, 10 * SECOND, 3_600 * SECOND]),
            arrivals in prop::collection::vec((0..1_000_i64, 1..4_u8, 0..2_000_i64), 1..300),
        ) {
            // Random steps between arrivals, random costs, clocks of processes that differ by a bit.
            let limit = Limit { burst: f64::from(burst), ..limit(f64::from(max), per) };
            let other = Limit { max: 7.0, burst: 3.0, per_micros: per / 3, ..limit };
            let mut buckets = [Bucket::default(), Bucket::default()];
            let (mut now, mut grants) = (NOON, Vec::new());
            for (step, cost, behind) in arrivals {
                now += step * per / 3_000;
                let cost = f64::from(cost.min(max));
                let limits = [Limit { cost, ..limit }, Limit { cost, ..other }];
                let at = reserve(&limits, &mut buckets, now - behind).unwrap();
                prop_assert!(at >= now - behind);
                grants.push((at, cost));
                // What another process reads is what was written.
                buckets = buckets.map(|bucket| Bucket::parse(&bucket.to_text()));
            }
            prop_assert!(most(&grants, per) <= limit.max, "{} of {max}", most(&grants, per));
            prop_assert!(most(&grants, per / 3) <= other.max, "{} of 7", most(&grants, per / 3));
        }

        #[test]
        fn those_who_wait_get_nearly_all_of_the_limit(max in 1..200_u8, burst in 1..200_u8) {
            let limit = Limit { burst: f64::from(burst), ..limit(f64::from(max), 60 * SECOND) };
            let mut bucket = Bucket::default();
            let wanted = i64::from(max) * 10;
            let last = (0..wanted).map(|_| take(&mut bucket, &limit, NOON).unwrap()).max().unwrap();
            let ideal = 10 * 60 * SECOND;
            prop_assert!(last - NOON <= ideal + ideal / 30, "{} s", (last - NOON) / SECOND);
        }
    }
}
