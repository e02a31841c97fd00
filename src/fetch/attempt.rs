//! One try of a request: within the limits, through the gate, along its redirects, to what its answer means.

use std::sync::Arc;
use std::time::Duration;

use super::ask::{Asked, Asker, Keep, Purpose, Story, fault, interrupted, view};
use super::client::{Bounds, Reply, Trouble};
use super::gate::Sign;
use super::limit;
use super::link::follow;
use super::wire::Private;
use crate::cache::Stored;
use crate::model::time::{now, wall_clock};
use crate::source::{Answer, Class, Fault, Request, Verdict};

/// Redirects that are followed: more are a loop.
const MAX_REDIRECTS: usize = 5;

/// How long a source rests that banned us without saying for how long.
const BAN: Duration = Duration::from_mins(2);

/// The longest ban that is believed: it holds for every later run too.
const LONGEST_BAN: Duration = Duration::from_hours(24 * 30);

/// Headers that are kept with an answer.
const KEPT: [&str; 4] = ["content-type", "etag", "last-modified", "link"];

/// What is to be done after a try.
pub(super) enum Next {
    /// The answer can be used, if only to say that nothing is there.
    Done(Box<Asked>),
    /// Another try may help, after a time that the provider asks for.
    Again { fault: Fault, wait: Option<Duration> },
    /// Another try gets the same.
    GiveUp(Fault),
}

/// A try.
pub(super) struct Attempt<'a> {
    pub(super) asker: &'a Asker<'a>,
    pub(super) request: Request,
    pub(super) keep: Keep<'a>,
    /// The answer that is known and too old.
    pub(super) known: Option<&'a Arc<Stored>>,
}

impl Attempt<'_> {
    /// Tries once.
    pub(super) fn run(mut self, story: &mut Story) -> Next {
        let asker = self.asker;
        let source = &asker.dataset.source;
        if let Some(until) = asker.limits.banned(source, wall_clock()).filter(|_| !asker.wire.is_replay()) {
            return Next::GiveUp(limit::banned(source, until));
        }
        self.add_validators();
        let mut granted = None;
        if !asker.wire.is_replay() {
            match limit::wait(asker.limits, asker.dataset, asker.stop) {
                Ok((waited, at)) => {
                    asker.stats.waited(waited);
                    story.waited += waited;
                    granted = Some(at);
                }
                Err(fault) => return Next::GiveUp(fault),
            }
        }
        if !asker.gate.enter(asker.stop) {
            if let Some(at) = granted {
                limit::give_back(asker.limits, asker.dataset, at);
            }
            return Next::GiveUp(interrupted());
        }
        asker.stats.requested();
        match self.exchange() {
            Ok(reply) => {
                story.status = reply.status;
                story.latency = reply.elapsed;
                asker.stats.answered(reply.body.len(), reply.elapsed);
                if !asker.wire.is_replay() {
                    limit::observe(asker.limits, asker.dataset, &reply);
                }
                self.judge(reply, story)
            }
            Err(fault) => {
                asker.gate.leave(Sign::Other);
                match fault.class {
                    Class::Network => Next::Again { fault, wait: None },
                    _ => Next::GiveUp(fault),
                }
            }
        }
    }

    /// Lets the provider say that what is known still holds.
    fn add_validators(&mut self) {
        let Some(known) = self.known else { return };
        for (name, validator) in [("etag", "if-none-match"), ("last-modified", "if-modified-since")] {
            let value = known.headers.iter().find(|(header, _)| header == name);
            self.request.headers.extend(value.map(|(_, value)| (validator.to_owned(), value.clone())));
        }
    }

    /// Decides what a reply means, and lets the next request through the gate.
    fn judge(&self, reply: Reply, story: &mut Story) -> Next {
        let asker = self.asker;
        if let (304, Some(known)) = (reply.status, self.known) {
            asker.gate.leave(Sign::Good(reply.elapsed));
            asker.stats.revalidated();
            story.revalidated = true;
            asker.cache.touch(&self.request.key, expiry(self.keep.good.unwrap_or(0)));
            let verdict = asker.dataset.classify(&view(known));
            return Next::Done(Box::new(Asked {
                answer: Arc::clone(known),
                verdict,
                tier: None,
                story: *story,
            }));
        }
        let answer = Answer { status: reply.status, headers: &reply.headers, body: &reply.body };
        let verdict = match self.keep.purpose {
            Purpose::Cookies => Verdict::Rows,
            Purpose::Step if (200..300).contains(&reply.status) => Verdict::Rows,
            _ => asker.dataset.classify(&answer),
        };
        match verdict {
            Verdict::Fault(found) => self.judge_fault(found, reply, story),
            verdict => {
                asker.gate.leave(Sign::Good(reply.elapsed));
                self.accept(reply, verdict, story)
            }
        }
    }

    fn judge_fault(&self, found: Fault, reply: Reply, story: &Story) -> Next {
        let asker = self.asker;
        // What is recorded happened long ago: nobody waits for it.
        let after = limit::retry_after(&reply, wall_clock()).filter(|_| !asker.wire.is_replay());
        match found.class {
            Class::Banned => {
                asker.gate.leave(Sign::TooMuch);
                let rest = after.unwrap_or(BAN).min(LONGEST_BAN);
                let rest = i64::try_from(rest.as_micros()).unwrap_or(i64::MAX);
                if !asker.wire.is_replay() {
                    asker.limits.ban(&asker.dataset.source, wall_clock().saturating_add(rest));
                }
                Next::GiveUp(found)
            }
            Class::RateLimited | Class::Transient => {
                asker.gate.leave(Sign::TooMuch);
                if let Some(wait) = after {
                    asker.gate.hold(wait.min(asker.dataset.retry.max_elapsed));
                }
                Next::Again { fault: found, wait: after }
            }
            Class::Request if asker.dataset.retry.status.contains(&reply.status) => {
                asker.gate.leave(Sign::Other);
                Next::Again { fault: found, wait: after }
            }
            Class::NotFound | Class::NoData | Class::OutOfWindow => {
                asker.gate.leave(Sign::Good(reply.elapsed));
                self.accept(reply, Verdict::Fault(asker.redacted(&found)), story)
            }
            _ => {
                asker.gate.leave(Sign::Other);
                Next::GiveUp(found)
            }
        }
    }

    /// Keeps an answer in the cache for as long as it is good.
    fn accept(&self, reply: Reply, verdict: Verdict, story: &Story) -> Next {
        let good = match &verdict {
            // There may be data later, which is as soon as an answer with rows would change.
            Verdict::Fault(found) if found.class == Class::NoData => {
                self.keep.good.map(|good| good.min(self.keep.negative))
            }
            Verdict::Fault(_) => self.keep.good.map(|_| self.keep.negative),
            _ => self.keep.good,
        };
        let mut headers = reply.headers;
        headers.retain(|(name, _)| KEPT.contains(&name.as_str()));
        // A link to the next page may quote the key.
        for (_, value) in &mut headers {
            *value = self.asker.secrets.redact(value);
        }
        let expires = expiry(good.unwrap_or(0));
        let stored = Stored { status: reply.status, headers, body: reply.body, expires, fetched_at: now() };
        let answer = Arc::new(stored);
        if good.is_some_and(|good| good > 0) && !self.asker.wire.is_replay() {
            self.asker.cache.put(&self.request.key, Arc::clone(&answer));
        }
        Next::Done(Box::new(Asked { answer, verdict, tier: None, story: *story }))
    }

    /// Sends the request and follows its redirects as far as they may be followed.
    fn exchange(&self) -> Result<Reply, Fault> {
        let Asker { dataset, secrets, .. } = self.asker;
        let bounds = Bounds { max_bytes: dataset.response.max_bytes, timeout: dataset.timeout };
        let mut request = self.request.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.asker.jar.add_to(&mut request);
            let private = Private { params: self.asker.secret_params, secrets, step: self.keep.private };
            let reply = match self.asker.wire.send(&request, bounds, private) {
                Ok(reply) => reply,
                Err(Trouble::Network(why)) => return Err(fault(Class::Network, secrets.redact(&why))),
                Err(Trouble::Answer(why)) => return Err(fault(Class::Format, secrets.redact(&why))),
                Err(Trouble::Local(why)) => return Err(fault(Class::Request, secrets.redact(&why))),
            };
            // Who makes no step for cookies wants none.
            if dataset.steps.iter().any(|step| step.keep_cookies) {
                self.asker.jar.take(&request, &reply);
            }
            let is_redirect = matches!(reply.status, 301 | 302 | 303 | 307 | 308);
            let Some(location) = reply.header("location").filter(|_| is_redirect) else { return Ok(reply) };
            request = follow(&request, reply.status, location).map_err(|err| {
                fault(Class::Format, secrets.redact(&format!("cannot follow its redirect: {err:#}")))
            })?;
        }
        Err(fault(Class::Format, format!("it redirects over {MAX_REDIRECTS} times")))
    }
}

fn expiry(keep: i64) -> i64 {
    now().saturating_add(keep)
}
