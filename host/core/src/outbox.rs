//! What waits to be sent: one entry per call, in the order of the session.
//!
//! Owns the entry and how it is named. Deliberately does not send: delivery
//! does, and the end of a call comes back as the input of a turn, which removes
//! the entry in the same commit. Invariant: an entry rests unsigned, without
//! token or secret.

use kefu_plugin_api::{
    effect::Call,
    event::CallResult,
    ids::{AppId, ProviderId, SessionId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// A call on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// Whose call it is.
    pub session: SessionId,
    /// Its place in the session's order, from 1.
    pub number: u64,
    /// Through which account.
    pub provider: ProviderId,
    /// The call.
    pub call: Call,
    /// When the turn asked for it.
    pub created_at: Timestamp,
    /// When to give up.
    pub deadline_at: Timestamp,
    /// Whether it belongs to a handshake after which another provider can be
    /// asked: then it is not tried for long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gives_way: bool,
    /// Media of the gateway that the request may link to; each link is signed
    /// anew at each attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
    /// The trace that the visitor's request belongs to, as `traceparent` writes
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// How an entry ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Which entry of the session.
    pub number: u64,
    /// How its call ended.
    pub result: CallResult,
    /// Whether the token was renewed and the call repeated already.
    pub token_renewed: bool,
    /// How often it was tried.
    pub attempts: u32,
}

/// Something that could not be brought to its place, kept for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Unique everywhere.
    pub id: String,
    /// Whose it is.
    pub session: SessionId,
    /// Through which account; empty for a push.
    pub provider: ProviderId,
    /// When it was given up.
    pub at: Timestamp,
    /// What was in the way.
    pub reason: String,
    /// What it was.
    pub letter: Letter,
}

/// What a dead letter was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Letter {
    /// A call that did not reach the vendor, or nobody knows.
    Call {
        /// The entry.
        entry: Box<OutboxEntry>,
    },
    /// An event of the vendor whose turn failed.
    Event {
        /// The event.
        event: Box<kefu_plugin_api::event::ProviderEvent>,
    },
    /// An event of the log that the app's own server did not take.
    Push {
        /// Whose server.
        app: AppId,
        /// The event's number in the session's log.
        seq: u64,
        /// How often it was tried.
        tries: u32,
    },
}
