//! How much one visitor may ask for at a time.
//!
//! Owns the request budget and the number of open streams of every visitor.
//! Deliberately reads no clock: moments come in as arguments. Invariant: what
//! is kept is bounded by the visitors of the last seconds and the streams that
//! are open.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kefu_core::problem::{Problem, Slug};

use crate::session::VisitorKey;

/// The budgets of all visitors. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budgets(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    requests: Mutex<Requests>,
    streams: Mutex<HashMap<VisitorKey, u32>>,
}

/// For each visitor the moment at which the budget is whole again.
#[derive(Debug, Default)]
struct Requests {
    whole_at: HashMap<VisitorKey, Instant>,
    sweep_at: usize,
}

impl Budgets {
    /// Takes one request out of a visitor's budget of `per_second`, of which
    /// `burst` may come at once. `per_second` 0 is no limit.
    ///
    /// # Errors
    /// `rate-limited`, with the seconds to wait.
    pub(crate) fn take_request(
        &self,
        who: &VisitorKey,
        per_second: u32,
        burst: u32,
        now: Instant,
    ) -> Result<(), Problem> {
        if per_second == 0 {
            return Ok(());
        }
        let each = Duration::from_secs(1) / per_second;
        let most = each * burst.max(1);
        let mut requests = lock(&self.0.requests);
        requests.forget_whole(now);
        let whole_at = requests.whole_at.get(who).map_or(now, |at| (*at).max(now));
        let after = whole_at + each;
        let debt = after.duration_since(now);
        if debt > most {
            return Err(limited(
                format!("more than {per_second} requests a second"),
                debt.saturating_sub(most),
            ));
        }
        match requests.whole_at.get_mut(who) {
            Some(at) => *at = after,
            None => {
                requests.whole_at.insert(who.clone(), after);
            }
        }
        Ok(())
    }

    /// Takes one of the streams that a visitor may hold open; it is given back
    /// when the value is dropped.
    ///
    /// # Errors
    /// `rate-limited` if all are taken.
    pub(crate) fn take_stream(&self, who: &VisitorKey, most: u32) -> Result<StreamPlace, Problem> {
        let mut streams = lock(&self.0.streams);
        let open = streams.get(who).copied().unwrap_or(0);
        if open >= most {
            return Err(limited(
                format!("{open} event streams of this visitor are open; at most {most} may be"),
                STREAM_WAIT,
            ));
        }
        streams.insert(who.clone(), open + 1);
        drop(streams);
        Ok(StreamPlace {
            budgets: Arc::clone(&self.0),
            who: who.clone(),
        })
    }
}

impl Requests {
    /// Drops visitors whose budget is whole, whenever their number doubled.
    fn forget_whole(&mut self, now: Instant) {
        if self.whole_at.len() < self.sweep_at.max(SWEEP_FROM) {
            return;
        }
        self.whole_at.retain(|_, whole_at| *whole_at > now);
        self.sweep_at = self.whole_at.len() * 2;
    }
}

/// A stream that a visitor holds open.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    budgets: Arc<Inner>,
    who: VisitorKey,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut streams = lock(&self.budgets.streams);
        match streams.get_mut(&self.who) {
            Some(open) if *open > 1 => *open -= 1,
            _ => {
                streams.remove(&self.who);
            }
        }
    }
}

fn limited(detail: String, wait: Duration) -> Problem {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    Problem {
        retry_after_seconds: Some(u64::try_from(seconds).unwrap_or(u64::MAX)),
        ..Problem::new(Slug::RateLimited, detail)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SWEEP_FROM: usize = 1_024;
const STREAM_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_served_and_then_the_rate_holds() {
        let budgets = Budgets::default();
        let who = visitor(1);
        let start = Instant::now();
        let take = |after_ms| {
            let now = start + Duration::from_millis(after_ms);
            budgets.take_request(&who, 10, 3, now)
        };
        assert!((0..3).all(|_| take(0).is_ok()));
        let refused = take(0).unwrap_err();
        assert_eq!(refused.slug, Slug::RateLimited);
        assert_eq!(refused.retry_after_seconds, Some(1));
        assert!(take(99).is_err());
        assert!(take(100).is_ok());
        assert!(take(100).is_err());
        // After a pause the whole burst is there again, and no more.
        assert!((0..3).all(|_| take(5_000).is_ok()));
        assert!(take(5_000).is_err());
    }

    #[test]
    fn visitors_do_not_share_a_budget() {
        let budgets = Budgets::default();
        let now = Instant::now();
        assert!(budgets.take_request(&visitor(1), 1, 1, now).is_ok());
        assert!(budgets.take_request(&visitor(1), 1, 1, now).is_err());
        assert!(budgets.take_request(&visitor(2), 1, 1, now).is_ok());
    }

    #[test]
    fn no_rate_is_no_limit() {
        let budgets = Budgets::default();
        let now = Instant::now();
        assert!((0..10_000).all(|_| budgets.take_request(&visitor(1), 0, 1, now).is_ok()));
        assert!(lock(&budgets.0.requests).whole_at.is_empty());
    }

    #[test]
    fn visitors_who_are_gone_are_forgotten() {
        let budgets = Budgets::default();
        let start = Instant::now();
        for number in 0..10_000 {
            let now = start + Duration::from_secs(number);
            budgets.take_request(&visitor(number), 10, 10, now).unwrap();
        }
        assert!(lock(&budgets.0.requests).whole_at.len() <= SWEEP_FROM);
    }

    #[test]
    fn a_stream_place_comes_back_when_the_stream_ends() {
        let budgets = Budgets::default();
        let who = visitor(1);
        let first = budgets.take_stream(&who, 2).unwrap();
        let second = budgets.take_stream(&who, 2).unwrap();
        assert!(budgets.take_stream(&who, 2).is_err());
        assert!(budgets.take_stream(&visitor(2), 2).is_ok());
        drop(first);
        let third = budgets.take_stream(&who, 2).unwrap();
        drop((second, third));
        assert!(lock(&budgets.0.streams).is_empty());
    }

    fn visitor(number: u64) -> VisitorKey {
        VisitorKey {
            app: "demo".into(),
            visitor: format!("v{number}"),
        }
    }
}
