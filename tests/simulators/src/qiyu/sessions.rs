//! Numbers of sessions: the vendor counts them, and a visitor has a newest one.
//!
//! Owns nothing else. Invariant: numbers only grow, until a reset.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The first number, as in the vendor's examples.
const FIRST: u64 = 62_927;

#[derive(Default)]
pub(super) struct Sessions(Mutex<Numbers>);

#[derive(Default)]
struct Numbers {
    given: u64,
    newest: HashMap<String, u64>,
}

impl Sessions {
    /// A new session of the visitor; the one before it, and its own number.
    pub(super) fn begin(&self, visitor: &str) -> (Option<u64>, u64) {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = FIRST + numbers.given;
        numbers.given += 1;
        (numbers.newest.insert(visitor.to_owned(), number), number)
    }

    /// The visitor's newest session.
    pub(super) fn newest(&self, visitor: &str) -> Option<u64> {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.newest.get(visitor).copied()
    }

    /// Forgets everybody.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Numbers::default();
    }
}
