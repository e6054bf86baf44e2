//! The gateway's decisions: no socket, no file, no clock, no thread.
//!
//! Read [`turn`] first: it is the state machine of a session, from an input to
//! everything that must be written together. [`routing`] chooses the provider
//! of a new session, [`retry`] judges attempts to reach a vendor, [`push`] says
//! what an app's own server is told and when, [`command`] checks what visitors
//! send, [`config`] what operators write. [`emoji`] turns vendors' emoticon codes
//! into Unicode and back, [`source`] says where visitors come from, [`profile`]
//! which part of what is known of a visitor a provider may have. [`session`],
//! [`log`] and [`outbox`] are the data that is kept, [`trail`] is what operators
//! see of it, [`shadow`] what another provider would have made of it; [`figures`] is what a turn means for the numbers by which providers
//! are compared; [`problem`] is every refusal that a visitor can meet.

pub mod command;
pub mod config;
pub mod difference;
pub mod emoji;
pub mod figures;
pub mod log;
pub mod migration;
pub mod outbox;
pub mod problem;
pub mod profile;
pub mod push;
pub mod retry;
pub mod routing;
pub mod session;
pub mod shadow;
pub mod source;
pub mod trail;
pub mod turn;
