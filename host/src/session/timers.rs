//! Brings sessions back when something is due.
//!
//! Owns one thread and a heap of times. Deliberately keeps nothing that is not
//! also in the store: a timer is part of its session's record, and what stands
//! here is only a reminder. A reminder too many does no harm.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use kefu_plugin_api::{ids::SessionId, time::Timestamp};

use super::clock;

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    /// A session has to look at its timers.
    Session(SessionId),
    /// The first waiting event of a session is to be tried again.
    Inbox(SessionId),
}

/// Reminders. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Timers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    heap: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    due: BinaryHeap<Reverse<(Timestamp, Wake)>>,
    stopped: bool,
}

impl Timers {
    /// Starts the thread, which calls `wake` for everything that is due.
    pub(super) fn start(&self, wake: impl Fn(Wake) + Send + 'static) -> std::io::Result<()> {
        let shared = Arc::clone(&self.0);
        thread::Builder::new()
            .name("session-timers".into())
            .spawn(move || {
                while let Some(due) = shared.wait() {
                    wake(due);
                }
            })
            .map(drop)
    }

    /// Reminds at a time.
    pub(super) fn remind(&self, at: Timestamp, wake: Wake) {
        let mut state = self.0.lock();
        let first = state
            .due
            .peek()
            .is_none_or(|Reverse((earliest, _))| at < *earliest);
        state.due.push(Reverse((at, wake)));
        if first {
            self.0.changed.notify_one();
        }
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn wait(&self) -> Option<Wake> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            let now = clock::now();
            let wait_ms = match state.due.peek() {
                Some(Reverse((at, _))) if *at <= now => {
                    return state.due.pop().map(|Reverse((_, wake))| wake);
                }
                Some(Reverse((at, _))) => at.since_ms(now),
                None => i64::MAX,
            };
            // Woken at least once a minute: the wall clock may be set.
            let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0).min(60_000));
            state = self
                .changed
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
