//! The session engine: one turn at a time per session, many sessions at once.
//!
//! Owns the sessions that are in memory, the threads that run turns, and the
//! streams of what was committed. Deliberately decides nothing about sessions
//! (`kefu_core::turn` does) and speaks no HTTP (`edge` and `delivery` do).
//! Invariant: nobody is answered and nothing leaves before the turn is durable.
//!
//! - [`engine`] is the door: what the edge asks of sessions.
//! - `dispatcher` finds or starts a session's `slot`, which keeps its inputs in
//!   order; `rota` says whose turn it is, so that no provider keeps the others
//!   waiting.
//! - `worker` has the threads, away from the I/O runtime; `turns` is what they
//!   run, `commit` what they come to, `replay` what of a turn is kept while it
//!   waits for another provider.
//! - `inbound` holds messages back until the media in them are fetched.
//! - `watchdog` looks after calls that do not return.
//! - `following` tells whoever follows sessions after the fact.
//! - `tally` counts what came from where.
//! - `timers` brings sessions back when something is due.
//! - [`hub`] passes committed events on to open streams.

mod clock;
mod commit;
mod dispatcher;
pub mod engine;
mod facts;
mod following;
pub mod hub;
mod inbound;
mod replay;
mod request;
mod rota;
mod slot;
mod tally;
mod timers;
mod turns;
mod watchdog;
mod worker;

pub use engine::{Engine, Failing, Parts};
pub(crate) use facts::facts_of;
pub use following::Follower;
pub use hub::{Signal, StoredEvent, Subscription};
pub use inbound::{KeptMedia, MediaFetcher, Settled, Wanted, WantedLink};
pub use request::{
    CallbackAnswer, EventPage, IdempotencyKey, OpenRequest, Opened, Replied, Settling, VisitorKey,
};

#[cfg(test)]
mod tests;
