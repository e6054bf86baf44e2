//! A vendor that takes connections and serves nobody.
//!
//! Owns the count of what became of attempts in the last seconds, and the rest
//! that follows where nearly all of them failed. For choosing providers only:
//! delivery goes on trying what it has. Invariant: after a rest one session at a
//! time finds out, and any attempt that is answered, of whichever session, ends
//! it.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// What became of one vendor's attempts.
#[derive(Default)]
pub(super) struct Refusals {
    /// The last seconds in which something was tried, oldest first.
    seconds: VecDeque<Second>,
    rest: Option<Rest>,
    /// Rests in a row.
    rests: u32,
}

struct Second {
    since: Instant,
    tried: u32,
    failed: u32,
    /// Sessions among the failures, the first few.
    whose: Vec<u64>,
}

struct Rest {
    until: Instant,
    why: String,
    /// When the session was let through that finds out.
    trial: Option<Instant>,
}

impl Refusals {
    /// What is wrong, until an attempt is answered after the rest.
    pub(super) fn reason(&self) -> Option<&str> {
        self.rest.as_ref().map(|rest| rest.why.as_str())
    }

    /// Whether a session may open there now: nothing is wrong, or it is the one
    /// that finds out.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        let out = |begun: Instant| now.saturating_duration_since(begun) < TRIAL;
        self.rest
            .as_ref()
            .is_none_or(|rest| now >= rest.until && !rest.trial.is_some_and(out))
    }

    /// A session is being opened: if the rest is over, it finds out.
    pub(super) fn taken(&mut self, now: Instant) {
        if let Some(rest) = self.rest.as_mut().filter(|rest| now >= rest.until) {
            rest.trial = Some(now);
        }
    }

    /// An attempt of a session is over.
    pub(super) fn tried(&mut self, session: u64, failed: bool, now: Instant) {
        if let Some(rest) = &self.rest {
            if now < rest.until {
                return;
            }
            if !failed {
                *self = Self::default();
                return;
            }
            let why = rest.why.clone();
            return self.rest_again(why, now);
        }
        self.count(session, failed, now);
        let tried: u32 = self.seconds.iter().map(|one| one.tried).sum();
        let failed: u32 = self.seconds.iter().map(|one| one.failed).sum();
        if tried >= ENOUGH
            && self.concerns_several()
            && u64::from(failed) * 100 >= u64::from(tried) * NEARLY_ALL
        {
            let window = WINDOW.as_secs();
            let why = format!("{failed} of {tried} attempts failed within {window} s");
            self.rest_again(why, now);
        }
    }

    /// One visitor whose messages break the vendor is no outage.
    fn concerns_several(&self) -> bool {
        let mut whose: Vec<u64> = self
            .seconds
            .iter()
            .flat_map(|one| &one.whose)
            .copied()
            .collect();
        whose.sort_unstable();
        whose.dedup();
        whose.len() >= SEVERAL
    }

    fn count(&mut self, session: u64, failed: bool, now: Instant) {
        let age = |one: &Second| now.saturating_duration_since(one.since);
        while self.seconds.front().is_some_and(|one| age(one) >= WINDOW) {
            self.seconds.pop_front();
        }
        if self.seconds.back().is_none_or(|one| age(one) >= SECOND) {
            self.seconds.push_back(Second {
                since: now,
                tried: 0,
                failed: 0,
                whose: Vec::new(),
            });
        }
        if let Some(second) = self.seconds.back_mut() {
            second.tried += 1;
            second.failed += u32::from(failed);
            if failed && second.whose.len() < SEVERAL && !second.whose.contains(&session) {
                second.whose.push(session);
            }
        }
    }

    fn rest_again(&mut self, why: String, now: Instant) {
        let rest = FIRST_REST
            .saturating_mul(1 << self.rests.min(10))
            .min(LONGEST_REST);
        self.rests += 1;
        self.seconds.clear();
        self.rest = Some(Rest {
            until: now + rest,
            why,
            trial: None,
        });
    }
}

/// Over which time attempts are counted.
const WINDOW: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
/// Fewer attempts say nothing.
const ENOUGH: u32 = 10;
/// Failures of fewer sessions say nothing of the vendor.
const SEVERAL: usize = 3;
/// In percent.
const NEARLY_ALL: u64 = 90;
const FIRST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How long the session that finds out is waited for.
const TRIAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(refusals: &mut Refusals, now: Instant) {
        for session in 0..ENOUGH {
            refusals.tried(session.into(), true, now);
        }
        assert!(!refusals.may_try(now));
    }

    #[test]
    fn nine_in_ten_of_enough_attempts_are_an_outage_and_fewer_are_not() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        for attempt in 0..40 {
            refusals.tried(attempt, attempt % 5 != 0, now);
        }
        assert!(refusals.may_try(now));
        let mut refusals = Refusals::default();
        for attempt in 0..ENOUGH {
            assert!(refusals.may_try(now));
            refusals.tried(attempt.into(), attempt != 0, now);
        }
        assert_eq!(
            refusals.reason(),
            Some("9 of 10 attempts failed within 10 s")
        );
    }

    #[test]
    fn one_visitor_whom_the_vendor_cannot_serve_is_no_outage() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        for attempt in 0..100_u64 {
            refusals.tried(attempt % 2, true, now);
        }
        assert!(refusals.may_try(now), "two are not several");
        refusals.tried(2, true, now);
        assert!(!refusals.may_try(now));
    }

    #[test]
    fn attempts_of_long_ago_do_not_count() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        for second in 0..60 {
            // Seven in any ten seconds.
            if second % 10 < 7 {
                refusals.tried(second.into(), true, now + SECOND * second);
            }
        }
        assert!(refusals.may_try(now + SECOND * 60));
    }

    #[test]
    fn after_the_rest_one_session_finds_out() {
        let begun = Instant::now();
        let mut refusals = Refusals::default();
        refused(&mut refusals, begun);
        let over = begun + FIRST_REST;
        refusals.tried(0, false, begun + SECOND);
        assert!(!refusals.may_try(begun + SECOND));
        assert!(refusals.may_try(over));
        refusals.taken(over);
        assert!(!refusals.may_try(over), "one at a time");
        assert!(refusals.may_try(over + TRIAL), "it never ended");
        refusals.tried(0, true, over);
        assert!(!refusals.may_try(over + FIRST_REST), "rests grow");
        let over = over + FIRST_REST * 2;
        assert!(refusals.may_try(over));
        refusals.taken(over);
        assert!(refusals.reason().is_some());
        refusals.tried(0, false, over);
        assert!(refusals.may_try(over));
        assert_eq!(refusals.reason(), None);
        refused(&mut refusals, over);
        assert!(refusals.may_try(over + FIRST_REST), "it starts over");
    }

    #[test]
    fn rests_end_at_a_minute() {
        let mut now = Instant::now();
        let mut refusals = Refusals::default();
        refused(&mut refusals, now);
        for _ in 0..40 {
            now += LONGEST_REST;
            assert!(refusals.may_try(now));
            refusals.tried(0, true, now);
        }
    }
}
