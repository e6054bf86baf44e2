//! Passes committed events on to the streams that are open.
//!
//! Owns who listens to what. Deliberately keeps no events: a listener that
//! falls behind is told so and reads the log. Invariant: within one session a
//! listener gets events in the order of their numbers, or [`Signal::Lagged`].

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use kefu_plugin_api::ids::SessionId;
use tokio::sync::mpsc;

use super::VisitorKey;

/// An event of a session's log, as it is written and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Whose log it is in.
    pub session: SessionId,
    /// Its number there.
    pub seq: u64,
    /// The whole event as JSON on one line; links to the gateway's own media
    /// in it are not signed yet.
    pub json: Bytes,
    /// Whether it is the session's last: `session.ended`.
    pub last: bool,
}

/// What a listener is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// An event was committed.
    Event(StoredEvent),
    /// Somebody at the desk is typing in this session.
    Typing(SessionId),
    /// The listener was too slow: some events were not passed on and must be
    /// read from the log.
    Lagged,
}

/// An open ear. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    receiver: mpsc::Receiver<Signal>,
    lagged: Arc<std::sync::atomic::AtomicBool>,
    _place: Place,
}

impl Subscription {
    /// The next signal. Never ends by itself.
    pub async fn next(&mut self) -> Signal {
        if self.receiver.is_empty() && self.lagged.swap(false, Ordering::AcqRel) {
            return Signal::Lagged;
        }
        match self.receiver.recv().await {
            Some(signal) => signal,
            // The hub drops a sender only together with its listener.
            None => std::future::pending().await,
        }
    }
}

/// What a listener listens to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Topic {
    Session(SessionId),
    Visitor(VisitorKey),
}

/// Who listens to what.
#[derive(Clone, Debug, Default)]
pub struct Hub {
    topics: Arc<Topics>,
}

#[derive(Debug, Default)]
struct Topics {
    ears: Mutex<HashMap<Topic, Vec<Ear>>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Ear {
    number: u64,
    sender: mpsc::Sender<Signal>,
    lagged: Arc<std::sync::atomic::AtomicBool>,
}

#[derive(Debug)]
struct Place {
    topics: Weak<Topics>,
    topic: Topic,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(topics) = self.topics.upgrade() else {
            return;
        };
        let mut ears = topics.ears.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = ears.get_mut(&self.topic) {
            list.retain(|ear| ear.number != self.number);
            if list.is_empty() {
                ears.remove(&self.topic);
            }
        }
    }
}

impl Hub {
    /// Listens to one session.
    pub fn listen_to_session(&self, session: &SessionId) -> Subscription {
        self.listen(Topic::Session(session.clone()))
    }

    /// Listens to all sessions of a visitor.
    pub fn listen_to_visitor(&self, visitor: &VisitorKey) -> Subscription {
        self.listen(Topic::Visitor(visitor.clone()))
    }

    /// Passes signals of one session on.
    pub fn publish(&self, visitor: &VisitorKey, session: &SessionId, signals: &[Signal]) {
        if signals.is_empty() {
            return;
        }
        let ears = self
            .topics
            .ears
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if ears.is_empty() {
            return;
        }
        for topic in [
            Topic::Session(session.clone()),
            Topic::Visitor(visitor.clone()),
        ] {
            for ear in ears.get(&topic).into_iter().flatten() {
                for signal in signals {
                    // After the first lost signal nothing more is passed on
                    // until the listener has caught up.
                    if ear.lagged.load(Ordering::Acquire)
                        || ear.sender.try_send(signal.clone()).is_err()
                    {
                        ear.lagged.store(true, Ordering::Release);
                        break;
                    }
                }
            }
        }
    }

    fn listen(&self, topic: Topic) -> Subscription {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let lagged = Arc::default();
        let number = self.topics.next.fetch_add(1, Ordering::Relaxed);
        let ear = Ear {
            number,
            sender,
            lagged: Arc::clone(&lagged),
        };
        let mut ears = self
            .topics
            .ears
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ears.entry(topic.clone()).or_default().push(ear);
        drop(ears);
        Subscription {
            receiver,
            lagged,
            _place: Place {
                topics: Arc::downgrade(&self.topics),
                topic,
                number,
            },
        }
    }
}

/// How many signals a listener may be behind.
const BACKLOG: usize = 64;
