//! The limits of a provider: waiting for them, and believing what its answers say of them.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::ask::{fault, interrupted, pause};
use super::client::Reply;
use crate::cache::{Grant, Limit, Limits};
use crate::decode::http_date;
use crate::model::time::{format_timestamp, wall_clock};
use crate::source::{Class, Dataset, Fault, Rate};

/// Waits longer than this are not sat out: the next run goes on.
const PATIENCE: Duration = Duration::from_mins(15);

/// Waits until the limits of a source allow one more request, and returns how long that took and the time it was
/// granted for.
///
/// Fails with [`Class::Quota`] where a budget is used up for longer than a command should hang.
pub(super) fn wait(limits: &Limits, dataset: &Dataset, stop: &AtomicBool) -> Result<(Duration, i64), Fault> {
    let at = wall_clock();
    if dataset.rates.is_empty() {
        return Ok((Duration::ZERO, at));
    }
    let wanted: Vec<Limit<'_>> = dataset.rates.iter().map(|rate| limit(rate, at)).collect();
    let until = match limits.reserve(&wanted, at) {
        Grant::Now => return Ok((Duration::ZERO, at)),
        Grant::At(until) => until,
        Grant::Never(why) => return Err(fault(Class::Quota, why)),
    };
    let wait = Duration::from_micros(u64::try_from(until.saturating_sub(at)).unwrap_or(0));
    if wait > PATIENCE {
        limits.refund(&wanted, until);
        return Err(fault(
            Class::Quota,
            format!("the limit allows the next request at {}", format_timestamp(until)),
        ));
    }
    if pause(wait, stop) {
        return Ok((wait, until));
    }
    limits.refund(&wanted, until);
    Err(interrupted())
}

/// Gives back what [`wait`] was granted, for a request that is not made.
pub(super) fn give_back(limits: &Limits, dataset: &Dataset, at: i64) {
    if !dataset.rates.is_empty() {
        let wanted: Vec<Limit<'_>> = dataset.rates.iter().map(|rate| limit(rate, at)).collect();
        limits.refund(&wanted, at);
    }
}

/// Takes over what an answer says of the limits.
pub(super) fn observe(limits: &Limits, dataset: &Dataset, reply: &Reply) {
    let at = wall_clock();
    for rate in &dataset.rates {
        let number = |header: &Option<String>| reply.header(header.as_deref()?)?.trim().parse::<f64>().ok();
        let (used, remaining) = (number(&rate.used_header), number(&rate.remaining_header));
        if used.is_some() || remaining.is_some() {
            limits.observe(&limit(rate, at), used, remaining, at);
        }
    }
}

/// Returns how long the provider asks to wait: `Retry-After` in seconds or as a date.
///
/// None where that is no time at all: then it is for us to be polite.
pub(super) fn retry_after(reply: &Reply, now: i64) -> Option<Duration> {
    let text = reply.header("retry-after")?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than there are numbers are a very long time too.
        Duration::from_secs(text.parse::<u32>().unwrap_or(u32::MAX).into())
    } else {
        Duration::from_micros(u64::try_from(http_date(text)?.saturating_sub(now)).unwrap_or(0))
    };
    Some(wait).filter(|wait| !wait.is_zero())
}

/// Returns the fault of a source that is banned.
pub(super) fn banned(source: &str, until: i64) -> Fault {
    fault(Class::Banned, format!("'{source}' has banned this machine until {}", format_timestamp(until)))
}

/// Returns a rate as the limits count it.
pub(super) fn limit(rate: &Rate, now: i64) -> Limit<'_> {
    Limit {
        name: &rate.name,
        per_micros: rate.per_micros,
        max: rate.max,
        burst: rate.burst,
        cost: rate.cost,
        period: rate.calendar.as_ref().map(|calendar| calendar.period(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_read_whatever_it_is() {
        let after = |text: &str| {
            let headers = vec![("retry-after".to_owned(), text.to_owned())];
            retry_after(&Reply { headers, ..Reply::default() }, 0).map(|wait| wait.as_secs())
        };
        assert_eq!(after(" 7 "), Some(7));
        assert_eq!(after("99999999999999999999"), Some(u32::MAX.into()));
        assert_eq!(after("Thu, 01 Jan 1970 00:01:00 GMT"), Some(60));
        for nothing in ["0", "", "soon", "-1", "Wed, 31 Dec 1969 23:59:00 GMT"] {
            assert_eq!(after(nothing), None, "{nothing}");
        }
    }
}
