//! The rest that a vendor gets when it cannot be reached.
//!
//! Owns the count of failures in a row and who may try again. Deliberately
//! counts failures to connect only: what the vendor answers, and how long that
//! takes, is not its business. Invariant: while it is open, at most one
//! attempt is under way that was begun since.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::{sync::Notify, time::Instant};

use super::Timing;

/// Whether a vendor can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// As far as is known.
    #[default]
    Closed,
    /// Not now: nothing is tried for a while.
    Open,
    /// One attempt is under way to find out.
    HalfOpen,
}

/// One provider's breaker.
pub(crate) struct Breaker {
    inner: Mutex<Inner>,
    changed: Notify,
    timing: Timing,
}

#[derive(Default)]
struct Inner {
    failures: u32,
    open_until: Option<Instant>,
    probing: bool,
    rests: u32,
    last_failure: String,
}

impl Breaker {
    pub(crate) fn new(timing: Timing) -> Self {
        Self {
            inner: Mutex::default(),
            changed: Notify::new(),
            timing,
        }
    }

    pub(crate) fn state(&self) -> BreakerState {
        let inner = self.lock();
        match (inner.open_until, inner.probing) {
            (None, _) => BreakerState::Closed,
            (Some(_), true) => BreakerState::HalfOpen,
            (Some(_), false) => BreakerState::Open,
        }
    }

    /// Why it is open.
    pub(crate) fn last_failure(&self) -> String {
        self.lock().last_failure.clone()
    }

    /// Resolves when an attempt may be worth while.
    pub(crate) async fn passable(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let until = {
                let inner = self.lock();
                match inner.open_until {
                    None => return,
                    Some(_) if inner.probing => None,
                    Some(until) if until <= Instant::now() => return,
                    until => until,
                }
            };
            match until {
                Some(until) => {
                    let _ = tokio::time::timeout_at(until, changed).await;
                }
                None => changed.await,
            }
        }
    }

    /// Resolves when the vendor was found to be reachable again.
    pub(crate) async fn closed_again(&self) {
        loop {
            self.changed.notified().await;
            if self.state() == BreakerState::Closed {
                return;
            }
        }
    }

    /// Leave for one attempt, if one may be begun now.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Admission> {
        let mut inner = self.lock();
        let probe = match inner.open_until {
            None => false,
            Some(until) if !inner.probing && until <= Instant::now() => true,
            Some(_) => return None,
        };
        inner.probing |= probe;
        Some(Admission {
            breaker: Arc::clone(self),
            probe,
        })
    }

    /// Somebody else found that there are connections again: one attempt may
    /// find out at once. Where nothing waits, which is `idle`, nobody would, so
    /// it closes. Says whether it did.
    pub(crate) fn nudge(&self, idle: bool) -> bool {
        let mut inner = self.lock();
        if inner.open_until.is_none() || inner.probing {
            return false;
        }
        if idle {
            *inner = Inner::default();
        } else {
            inner.open_until = Some(Instant::now());
        }
        drop(inner);
        self.changed.notify_waiters();
        idle
    }

    fn reached(&self) -> bool {
        let mut inner = self.lock();
        inner.failures = 0;
        inner.rests = 0;
        inner.open_until.take().is_some()
    }

    fn unreachable(&self, probe: bool, detail: &str) -> Option<Duration> {
        let mut inner = self.lock();
        detail.clone_into(&mut inner.last_failure);
        inner.failures = inner.failures.saturating_add(1);
        let opens = inner.open_until.is_none() && inner.failures >= FAILURES;
        if !opens && !probe {
            return None;
        }
        let rest = FIRST_REST
            .saturating_mul(1 << inner.rests.min(10))
            .min(LONGEST_REST);
        inner.rests += 1;
        inner.open_until = Some(Instant::now() + self.timing.of(rest));
        Some(rest)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave for one attempt. Dropped without a word it says nothing about the
/// vendor.
pub(crate) struct Admission {
    breaker: Arc<Breaker>,
    probe: bool,
}

impl Admission {
    /// The vendor was reached. Says whether that is news.
    pub(crate) fn reached(self) -> bool {
        self.breaker.reached()
    }

    /// The vendor was not reached. Says for how long it is left alone, if that
    /// is news.
    pub(crate) fn unreachable(self, detail: &str) -> Option<Duration> {
        self.breaker.unreachable(self.probe, detail)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.lock().probing = false;
        }
        self.breaker.changed.notify_waiters();
    }
}

/// Failures in a row, of whichever sessions, that open it.
const FAILURES: u32 = 5;
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Arc<Breaker> {
        // A rest of no length: what follows it can be seen at once.
        Arc::new(Breaker::new(Timing {
            divided_by: u32::MAX,
        }))
    }

    fn open(breaker: &Arc<Breaker>) {
        for _ in 0..FAILURES {
            let admission = breaker.admit().expect("it is closed");
            admission.unreachable("refused");
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_starts_over() {
        let breaker = breaker();
        for _ in 0..FAILURES - 1 {
            breaker.admit().unwrap().unreachable("refused");
        }
        breaker.admit().unwrap().reached();
        for _ in 0..FAILURES - 1 {
            breaker.admit().unwrap().unreachable("refused");
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.admit().unwrap().unreachable("refused");
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn one_attempt_finds_out_and_closes_it() {
        let breaker = breaker();
        open(&breaker);
        let probe = breaker.admit().expect("the rest is over");
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.admit().is_none());
        assert!(probe.reached());
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn an_attempt_that_never_began_leaves_the_finding_out_to_the_next() {
        let breaker = breaker();
        open(&breaker);
        drop(breaker.admit().unwrap());
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn what_waits_finds_out_at_once_when_somebody_got_through() {
        let breaker = Arc::new(Breaker::new(Timing::default()));
        open(&breaker);
        assert!(breaker.admit().is_none());
        assert!(!breaker.nudge(false));
        assert_eq!(breaker.state(), BreakerState::Open);
        let probe = breaker.admit().expect("one may find out");
        assert!(!breaker.nudge(true), "it is being found out");
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        drop(probe);
        assert!(breaker.nudge(true));
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert!(!breaker.nudge(true), "no news");
    }

    #[test]
    fn rests_grow_until_the_vendor_is_reached() {
        let breaker = breaker();
        open(&breaker);
        let mut rests = Vec::new();
        for _ in 0..6 {
            rests.extend(breaker.admit().unwrap().unreachable("refused"));
        }
        assert!(rests.is_sorted(), "{rests:?}");
        assert_eq!(rests.last(), Some(&LONGEST_REST));
        breaker.admit().unwrap().reached();
        open(&breaker);
        let again = breaker.admit().unwrap().unreachable("refused");
        assert_eq!(again, Some(FIRST_REST * 2));
    }
}
