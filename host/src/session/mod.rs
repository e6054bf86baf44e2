//! The session engine: one turn at a time per session, many sessions at once.
//!
//! Owns the sessions that are in memory, the threads that run turns, and the
//! streams of what was committed. Deliberately decides nothing about sessions
//! (`kefu_core::turn` does) and speaks no HTTP (`edge` and `delivery` do).
//! Invariant: nobody is answered and nothing leaves before the turn is durable.
//!
//! - [`engine`] is the door: what the edge asks of sessions.
//! - `dispatcher` finds or starts a session's slot and keeps its inputs in order.
//! - `worker` runs turns on threads of its own, away from the I/O runtime.
//! - `timers` brings sessions back when something is due.
//! - [`hub`] passes committed events on to open streams.

mod clock;
mod dispatcher;
pub mod engine;
pub mod hub;
mod timers;
mod worker;

pub use engine::{
    CallbackAnswer, Engine, EventPage, IdempotencyKey, OpenRequest, Opened, Parts, Replied,
    Settling, VisitorKey,
};
pub use hub::{Signal, StoredEvent, Subscription};
