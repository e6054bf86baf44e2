//! What is asked of sessions, and what is answered.

use std::time::Duration;

use kefu_core::{log::SessionCard, turn::Reply};
use kefu_plugin_api::{
    event::{Client, Visitor},
    ids::{AppId, DeskId, ProviderId},
};

use super::hub::StoredEvent;

/// A visitor of an app: whom a token names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VisitorKey {
    /// The tenant.
    pub app: AppId,
    /// The visitor, as the app names its user.
    pub visitor: String,
}

/// A request that may come twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// What the client sent.
    pub key: String,
    /// Method and path that it was sent to.
    pub target: String,
    /// SHA-256 of the body.
    pub body: [u8; 32],
}

/// A wish to open a session.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// Who.
    pub who: VisitorKey,
    /// Where.
    pub desk: DeskId,
    /// The desk's name of a group.
    pub group: Option<String>,
    /// The profile; its id is the visitor's.
    pub visitor: Visitor,
    /// With what.
    pub client: Client,
    /// For a request that may come twice.
    pub key: Option<IdempotencyKey>,
    /// How long to wait for the vendor's handshake.
    pub wait: Option<Duration>,
    /// The trace that it belongs to, as `traceparent` writes it.
    pub trace: Option<String>,
    /// For a session of the gateway's own: the one provider to ask, whatever
    /// the routes say.
    pub only: Option<ProviderId>,
}

/// A session that is open now.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The session.
    pub card: SessionCard,
    /// Whether it was created by this request or its first sending; false for
    /// a session that was open already.
    pub created: bool,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replied {
    /// What was taken.
    pub reply: Reply,
}

/// A piece of a session's log.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// The events, in order.
    pub events: Vec<StoredEvent>,
    /// The number of the session's last event.
    pub last_seq: u64,
    /// Whether the session is over.
    pub ended: bool,
}

/// What to answer a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackAnswer {
    /// The adapter's answer; everything in the callback is durable.
    Answer {
        /// Status.
        status: u16,
        /// Headers, names in lower case.
        headers: Vec<(String, String)>,
        /// Body.
        body: Vec<u8>,
    },
    /// There is no such provider: 404.
    UnknownProvider,
    /// It does not prove where it comes from: 401.
    NotAuthentic(String),
    /// It cannot be read: 400.
    Malformed(String),
    /// The adapter or the store cannot take it now: 503, the vendor repeats.
    Unavailable(String),
}

/// What became of the end of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settling {
    /// Its turn is durable.
    Done,
    /// The token was not accepted: renew it and repeat the call.
    RenewToken(String),
    /// It cannot be taken now; try again later.
    Later(String),
}
