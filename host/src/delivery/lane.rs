//! The calls of one session, one after the other.
//!
//! Owns what waits in memory and the task that works it off. Deliberately
//! looks at no call: that is [`journey`](super::journey). Invariants: a session
//! has at most one lane, a lane one call under way, and calls leave in the
//! order of their numbers; a lane that has nothing to do costs nothing, because
//! it does not exist.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use kefu_core::outbox::OutboxEntry;
use kefu_plugin_api::ids::SessionId;
use tokio::sync::Notify;

use super::{Shared, Stopping, journey};

/// Every lane that has something to do.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Mutex<HashMap<SessionId, Lane>>,
    entries: AtomicUsize,
    one_ended: Notify,
}

struct Lane {
    under_way: u64,
    waiting: VecDeque<Queued>,
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
        let Some(lane) = lanes.get_mut(&queued.entry.session) else {
            let lane = Lane {
                under_way: number,
                waiting: VecDeque::new(),
            };
            lanes.insert(queued.entry.session.clone(), lane);
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

    /// The lane's next call; without one the lane is gone.
    fn next(&self, session: &SessionId) -> Option<Queued> {
        let mut lanes = self.lock();
        self.entries.fetch_sub(1, Ordering::Relaxed);
        let lane = lanes.get_mut(session)?;
        if let Some(queued) = lane.waiting.pop_front() {
            lane.under_way = queued.entry.number;
            return Some(queued);
        }
        lanes.remove(session);
        drop(lanes);
        self.one_ended.notify_waiters();
        None
    }

    fn abandon(&self, session: &SessionId) {
        self.lock().remove(session);
        self.one_ended.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Lane>> {
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
    let session = first.entry.session.clone();
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
        let order: Vec<_> = std::iter::from_fn(|| lanes.next(&"s".into()))
            .map(|queued| queued.entry.number)
            .collect();
        assert_eq!(order, [5, 7, 9]);
        assert_eq!(lanes.depth(), 0);
        assert!(matches!(lanes.add(queued(10)), Added::Starts(_)));
    }
}
