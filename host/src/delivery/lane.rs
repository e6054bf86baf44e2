//! The calls of one session to one provider, one after the other.
//!
//! Owns what waits in memory and the task that works it off. Deliberately
//! looks at no call: that is [`journey`](super::journey). Invariants: a session
//! has at most one lane at a provider, a lane one call under way, and calls
//! leave in the order of their numbers; after a move what is left for the
//! provider before holds nobody up; a call that was taken back is not begun; a
//! lane that has nothing to do costs nothing, because it does not exist.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use kefu_core::outbox::OutboxEntry;
use kefu_plugin_api::ids::{ProviderId, SessionId};
use tokio::sync::Notify;

use super::{Shared, Stopping, journey};

/// Every lane that has something to do.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Mutex<HashMap<Key, Lane>>,
    entries: AtomicUsize,
    /// Calls that were taken back and are still here; mostly none.
    withdrawn: AtomicUsize,
    one_ended: Notify,
}

/// Whose calls, and to whom.
type Key = (SessionId, ProviderId);

struct Lane {
    under_way: u64,
    waiting: VecDeque<Queued>,
    /// Numbers that were taken back while they were here.
    withdrawn: BTreeSet<u64>,
}

fn key(entry: &OutboxEntry) -> Key {
    (entry.session.clone(), entry.provider.clone())
}

/// A call that waits for those before it.
pub(super) struct Queued {
    /// The call. Boxed, because a lane's queue may be long.
    pub(super) entry: Box<OutboxEntry>,
    /// Whether it may have been sent before the gateway stopped.
    pub(super) attempted: bool,
}

impl Lanes {
    /// Calls that have not ended.
    pub(super) fn depth(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Resolves when no lane is left.
    pub(super) async fn ended(&self) {
        loop {
            let ended = self.one_ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.lock().is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Puts a call into its session's lane. Gives it back if it is the lane's
    /// first, whose task must then be started; drops it if it is there already.
    fn add(&self, queued: Queued) -> Added {
        let mut lanes = self.lock();
        let number = queued.entry.number;
        let key = key(&queued.entry);
        let Some(lane) = lanes.get_mut(&key) else {
            let lane = Lane {
                under_way: number,
                waiting: VecDeque::new(),
                withdrawn: BTreeSet::new(),
            };
            lanes.insert(key, lane);
            self.entries.fetch_add(1, Ordering::Relaxed);
            return Added::Starts(queued);
        };
        match lane
            .waiting
            .binary_search_by_key(&number, |waiting| waiting.entry.number)
        {
            Err(place) if number != lane.under_way => lane.waiting.insert(place, queued),
            _ => return Added::Already,
        }
        self.entries.fetch_add(1, Ordering::Relaxed);
        Added::Waits
    }

    /// Takes calls back: those that have not begun do not, and whoever travels
    /// with one is told when it asks.
    pub(super) fn withdraw(&self, session: &SessionId, provider: &ProviderId, numbers: &[u64]) {
        let mut lanes = self.lock();
        if let Some(lane) = lanes.get_mut(&(session.clone(), provider.clone())) {
            let here = |number: &u64| {
                lane.under_way == *number
                    || lane.waiting.iter().any(|it| it.entry.number == *number)
            };
            let taken: Vec<_> = numbers.iter().copied().filter(here).collect();
            let before = lane.withdrawn.len();
            lane.withdrawn.extend(taken);
            let more = lane.withdrawn.len() - before;
            self.withdrawn.fetch_add(more, Ordering::Release);
        }
    }

    /// Whether a call under way was taken back.
    pub(super) fn is_withdrawn(&self, entry: &OutboxEntry) -> bool {
        if self.withdrawn.load(Ordering::Acquire) == 0 {
            return false;
        }
        let lanes = self.lock();
        let lane = lanes.get(&key(entry));
        lane.is_some_and(|lane| lane.withdrawn.contains(&entry.number))
    }

    /// The lane's next call; without one the lane is gone.
    fn next(&self, session: &Key) -> Option<Queued> {
        let mut lanes = self.lock();
        self.entries.fetch_sub(1, Ordering::Relaxed);
        let lane = lanes.get_mut(session)?;
        if lane.withdrawn.remove(&lane.under_way) {
            self.withdrawn.fetch_sub(1, Ordering::Release);
        }
        if let Some(queued) = lane.waiting.pop_front() {
            lane.under_way = queued.entry.number;
            return Some(queued);
        }
        lanes.remove(session);
        drop(lanes);
        self.one_ended.notify_waiters();
        None
    }

    fn abandon(&self, session: &Key) {
        if let Some(lane) = self.lock().remove(session) {
            let left = lane.withdrawn.len();
            self.withdrawn.fetch_sub(left, Ordering::Release);
        }
        self.one_ended.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Added {
    /// It is the first of its lane.
    Starts(Queued),
    /// Others are before it.
    Waits,
    /// It was there already.
    Already,
}

/// Puts a call into its session's lane.
pub(super) fn enqueue(shared: &Arc<Shared>, entry: OutboxEntry, attempted: bool) {
    if *shared.stopping.borrow() {
        // It is durable, and found again at the next start.
        return;
    }
    let gate = shared.gate(&entry.provider);
    let queued = Queued {
        entry: Box::new(entry),
        attempted,
    };
    match shared.lanes.add(queued) {
        Added::Starts(first) => {
            gate.entered();
            let lane = work_off(Arc::clone(shared), first);
            shared.parts.runtime.spawn(lane);
        }
        Added::Waits => gate.entered(),
        Added::Already => {}
    }
}

async fn work_off(shared: Arc<Shared>, first: Queued) {
    let session = key(&first.entry);
    let mut next = Some(first);
    while let Some(queued) = next {
        let gate = shared.gate(&queued.entry.provider);
        match journey::travel(&shared, &gate, queued).await {
            Ok(()) => gate.left(),
            Err(Stopping) => return shared.lanes.abandon(&session),
        }
        next = shared.lanes.next(&session);
    }
}

#[cfg(test)]
mod tests {
    use kefu_plugin_api::{effect::Call, http::HttpRequest, time::Timestamp};

    use super::*;

    fn queued(number: u64) -> Queued {
        let entry = OutboxEntry {
            session: "s".into(),
            number,
            provider: "p".into(),
            call: Call::new("c", HttpRequest::get("http://vendor/")),
            created_at: Timestamp::default(),
            deadline_at: Timestamp::default(),
            gives_way: false,
            media: Vec::new(),
            trace: None,
        };
        Queued {
            entry: Box::new(entry),
            attempted: false,
        }
    }

    #[test]
    fn a_lane_is_ordered_by_number_and_holds_each_call_once() {
        let lanes = Lanes::default();
        assert!(matches!(lanes.add(queued(3)), Added::Starts(_)));
        assert!(matches!(lanes.add(queued(3)), Added::Already));
        for number in [7, 5, 9, 5, 7] {
            lanes.add(queued(number));
        }
        assert_eq!(lanes.depth(), 4);
        let order: Vec<_> = std::iter::from_fn(|| lanes.next(&of("p")))
            .map(|queued| queued.entry.number)
            .collect();
        assert_eq!(order, [5, 7, 9]);
        assert_eq!(lanes.depth(), 0);
        assert!(matches!(lanes.add(queued(10)), Added::Starts(_)));
    }

    #[test]
    fn what_is_left_for_one_provider_holds_up_no_other() {
        let lanes = Lanes::default();
        assert!(matches!(lanes.add(queued(1)), Added::Starts(_)));
        assert!(matches!(lanes.add(queued(2)), Added::Waits));
        let mut elsewhere = queued(3);
        elsewhere.entry.provider = "q".into();
        assert!(matches!(lanes.add(elsewhere), Added::Starts(_)));
        assert!(lanes.next(&of("q")).is_none());
        assert_eq!(lanes.depth(), 2);
    }

    #[test]
    fn a_call_that_was_taken_back_is_known_until_its_turn_is_over() {
        let lanes = Lanes::default();
        let entries: Vec<_> = (1..=3).map(|number| queued(number).entry).collect();
        for number in 1..=3 {
            lanes.add(queued(number));
        }
        lanes.withdraw(&"s".into(), &"p".into(), &[1, 3, 9]);
        lanes.withdraw(&"s".into(), &"q".into(), &[2]);
        let withdrawn = |lanes: &Lanes| {
            let all = entries.iter().map(|entry| lanes.is_withdrawn(entry));
            all.collect::<Vec<_>>()
        };
        assert_eq!(withdrawn(&lanes), [true, false, true]);
        lanes.next(&of("p"));
        assert_eq!(withdrawn(&lanes), [false, false, true]);
    }

    fn of(provider: &str) -> Key {
        ("s".into(), provider.into())
    }
}
