//! First replies, given again to repeats.
//!
//! Owns the memory of `webhook-id`s, bounded: the newest ids are kept, far more
//! than any test sends. Invariant: two calls with one id are never carried out
//! twice, not even when they arrive together, as long as the id is remembered.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use hyper::StatusCode;

use crate::platform::Reply;

/// How many ids are remembered.
const KEPT: usize = 200_000;

#[derive(Default)]
pub(super) struct Replies(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    replies: HashMap<String, Reply>,
    order: VecDeque<String>,
}

impl Replies {
    /// The remembered reply to `id`, or that of `work`, which is then remembered.
    pub(super) fn first_or(&self, id: &str, work: impl FnOnce() -> Reply) -> Reply {
        // Held while working: a second call with this id waits for the first.
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = memory.replies.get(id) {
            let mut again = first.clone();
            again.repeat = true;
            again.processed = false;
            return again;
        }
        let reply = work();
        if reply.status == StatusCode::OK {
            if memory.order.len() >= KEPT
                && let Some(oldest) = memory.order.pop_front()
            {
                memory.replies.remove(&oldest);
            }
            memory.order.push_back(id.to_owned());
            memory.replies.insert(id.to_owned(), reply.clone());
        }
        reply
    }

    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Memory::default();
    }
}
