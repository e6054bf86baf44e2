//! What leaves for one provider at the same time, and how often.
//!
//! Owns the pause, the limits of concurrency and rate, and the breaker of one
//! provider. Deliberately knows nothing of what is sent. Invariant: sessions
//! pass in the order in which they came, and each has one request at most, so
//! that no session can keep others out.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kefu_core::config::ProviderLimits;
use kefu_plugin_api::ids::ProviderId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

use super::{
    DeliveryStatus, Timing,
    breaker::{Admission, Breaker},
};
use crate::health::Health;

/// One provider's gate.
pub(super) struct Gate {
    provider: ProviderId,
    health: Health,
    held: watch::Sender<bool>,
    bounds: Mutex<Arc<Bounds>>,
    breaker: Arc<Breaker>,
    entries: AtomicUsize,
    under_way: AtomicUsize,
}

impl Gate {
    pub(super) fn new(provider: ProviderId, timing: Timing, health: Health) -> Self {
        Self {
            provider,
            health,
            held: watch::channel(false).0,
            bounds: Mutex::new(Arc::new(Bounds::new(0, 0))),
            breaker: Arc::new(Breaker::new(timing)),
            entries: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
        }
    }

    pub(super) fn hold(&self, held: bool) {
        if self.held.send_replace(held) != held {
            tracing::info!(provider = %self.provider, held, "delivery held or resumed");
        }
    }

    /// Resolves when nothing is held.
    pub(super) async fn opened(&self) {
        // The sender is `self`'s own.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
    }

    /// Resolves when the vendor was found to be reachable again.
    pub(super) async fn reachable_again(&self) {
        self.breaker.closed_again().await;
    }

    /// The vendor was reached by somebody else.
    pub(super) fn nudge(&self) {
        let idle = self.entries.load(Ordering::Relaxed) == 0;
        if self.breaker.nudge(idle) {
            self.health.breaker_closed(&self.provider);
        }
    }

    /// Waits for leave for one request.
    ///
    /// # Errors
    /// The vendor cannot be reached, and that did not change within the time.
    pub(super) async fn pass(
        self: &Arc<Self>,
        limits: &ProviderLimits,
        patience: Duration,
    ) -> Result<Pass, String> {
        let until = Instant::now() + patience;
        loop {
            let passable = tokio::time::timeout_at(until, self.breaker.passable()).await;
            if passable.is_err() {
                return Err(self.breaker.last_failure());
            }
            let bounds = self.bounds(limits);
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&bounds.permits).acquire_owned().await else {
                continue;
            };
            bounds.turn().await;
            if let Some(admission) = self.breaker.admit() {
                self.under_way.fetch_add(1, Ordering::Relaxed);
                return Ok(Pass {
                    gate: Arc::clone(self),
                    admission: Some(admission),
                    _permit: permit,
                });
            }
        }
    }

    pub(super) fn entered(&self) {
        self.entries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn left(&self) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn status(&self) -> DeliveryStatus {
        DeliveryStatus {
            breaker: self.breaker.state(),
            held: *self.held.borrow(),
            entries: self.entries.load(Ordering::Relaxed),
            under_way: self.under_way.load(Ordering::Relaxed),
        }
    }

    /// The bounds as they are configured now. After a change those before
    /// still count for requests that hold them.
    fn bounds(&self, limits: &ProviderLimits) -> Arc<Bounds> {
        let mut bounds = self.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        if bounds.concurrency != limits.concurrency
            || bounds.requests_per_second != limits.requests_per_second
        {
            *bounds = Arc::new(Bounds::new(limits.concurrency, limits.requests_per_second));
        }
        Arc::clone(&bounds)
    }
}

/// Leave for one request. Its place is free again when it is dropped.
pub(super) struct Pass {
    gate: Arc<Gate>,
    admission: Option<Admission>,
    _permit: OwnedSemaphorePermit,
}

impl Pass {
    /// The vendor was reached, whatever it said.
    pub(super) fn reached(&mut self) {
        let Some(admission) = self.admission.take() else {
            return;
        };
        if admission.reached() {
            self.gate.health.breaker_closed(&self.gate.provider);
            tracing::info!(provider = %self.gate.provider, "vendor can be reached again");
        }
    }

    /// There was no connection.
    pub(super) fn unreachable(&mut self, detail: &str) {
        let Some(admission) = self.admission.take() else {
            return;
        };
        if let Some(rest) = admission.unreachable(detail) {
            let rest_ms = rest.as_millis();
            self.gate.health.breaker_opened(&self.gate.provider, detail);
            tracing::warn!(provider = %self.gate.provider, rest_ms, detail, "vendor cannot be reached");
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Bounds {
    concurrency: u32,
    requests_per_second: u32,
    permits: Arc<Semaphore>,
    /// When the next request may leave.
    next: Mutex<Instant>,
}

impl Bounds {
    fn new(concurrency: u32, requests_per_second: u32) -> Self {
        Self {
            concurrency,
            requests_per_second,
            permits: Arc::new(Semaphore::new(concurrency as usize)),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for a place in the stream of requests.
    async fn turn(&self) {
        if self.requests_per_second > 0 {
            tokio::time::sleep_until(self.reserve(Instant::now())).await;
        }
    }

    fn reserve(&self, now: Instant) -> Instant {
        let interval = Duration::from_secs(1) / self.requests_per_second.max(1);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        // After a quiet time a few may leave together.
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let place = (*next).max(earliest);
        *next = place + interval;
        place
    }
}

/// How much of the rate may be used at once.
const BURST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_leave_at_the_configured_rate_but_for_a_small_burst() {
        let bounds = Bounds::new(1, 50);
        let now = Instant::now() + Duration::from_secs(60);
        let places: Vec<_> = (0..150).map(|_| bounds.reserve(now)).collect();
        let at_once = places.iter().filter(|&&place| place <= now).count();
        assert!((5..=6).contains(&at_once), "{at_once}");
        let last = *places.last().expect("150 places");
        assert!(last >= now + Duration::from_millis(2_800));
        assert!(last <= now + Duration::from_secs(3));
    }

    #[test]
    fn changed_limits_hold_for_what_comes_after() {
        let gate = Gate::new("p".into(), Timing::default(), Health::default());
        let mut limits = ProviderLimits {
            requests_per_second: 0,
            concurrency: 2,
            timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            max_response: 1,
            deadline: Duration::from_secs(1),
            memory: 1,
        };
        let before = gate.bounds(&limits);
        assert!(Arc::ptr_eq(&before, &gate.bounds(&limits)));
        limits.concurrency = 5;
        assert_eq!(gate.bounds(&limits).permits.available_permits(), 5);
    }
}
