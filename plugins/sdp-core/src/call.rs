//! Requests to the vendor: their names, their envelope, their signature.
//!
//! Owns the id of a call, which is also the envelope's `id` and the
//! `webhook-id`. It says what the call was for, so that its end can be
//! recognised without the session having to remember anything.

use std::fmt;

use kefu_plugin_api::prelude::{Call, HttpRequest, MessageId, Session, Stamp};
use serde::Serialize;

use crate::{flavour::Account, state::State, wire::Request};

/// An operation that this adapter asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A visitor arrives.
    Open,
    /// A visitor's message.
    Send,
    /// A human is wanted.
    ToHuman,
    /// The profile changed.
    Update,
    /// A message for later.
    LeaveMessage,
    /// A rating.
    Evaluate,
    /// The visitor leaves, or the gateway closes.
    Leave,
    /// The visitor is typing.
    Typing,
    /// The visitor has read.
    Read,
    /// Which place in the queue.
    QueryQueue,
    /// The visitor waits no longer.
    CancelQueue,
    /// Where the session stands at the vendor.
    State,
    /// Which groups there are.
    Groups,
    /// What the account allows.
    Capabilities,
    /// Whether the vendor works.
    Health,
}

impl Op {
    const ALL: [Self; 15] = [
        Self::Open,
        Self::Send,
        Self::ToHuman,
        Self::Update,
        Self::LeaveMessage,
        Self::Evaluate,
        Self::Leave,
        Self::Typing,
        Self::Read,
        Self::QueryQueue,
        Self::CancelQueue,
        Self::State,
        Self::Groups,
        Self::Capabilities,
        Self::Health,
    ];

    /// The operation's name in SDP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "session.open",
            Self::Send => "message.send",
            Self::ToHuman => "session.to_human",
            Self::Update => "visitor.update",
            Self::LeaveMessage => "leave.submit",
            Self::Evaluate => "evaluate.submit",
            Self::Leave => "session.leave",
            Self::Typing => "typing",
            Self::Read => "read",
            Self::QueryQueue => "queue.query",
            Self::CancelQueue => "queue.cancel",
            Self::State => "session.state",
            Self::Groups => "groups.list",
            Self::Capabilities => "capabilities",
            Self::Health => "health",
        }
    }

    /// Whether it asks about the account and not about a visitor.
    pub(crate) const fn of_account(self) -> bool {
        matches!(self, Self::Groups | Self::Capabilities | Self::Health)
    }

    /// Whether the gateway asks it of its own accord: a visitor must not wait
    /// for its end.
    pub(crate) const fn inquires(self) -> bool {
        self.of_account() || matches!(self, Self::QueryQueue | Self::State)
    }

    /// Whether it is sent once and then forgotten, whatever comes of it.
    const fn fleeting(self) -> bool {
        matches!(self, Self::Typing | Self::Read)
    }
}

/// What the id of a call says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallName {
    /// What it was for.
    pub op: Op,
    /// Makes it unique.
    pub unique: String,
    /// The visitor's message that it carries.
    pub message: Option<MessageId>,
}

impl CallName {
    /// Reads the id of a call that this adapter made.
    pub fn read(id: &str) -> Option<Self> {
        let mut parts = id.splitn(3, ':');
        let (op, unique, message) = (parts.next()?, parts.next()?, parts.next());
        let op = Op::ALL.into_iter().find(|known| known.as_str() == op)?;
        Some(Self {
            op,
            unique: unique.to_owned(),
            message: message.map(MessageId::from),
        })
    }
}

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.op.as_str(), self.unique)?;
        match &self.message {
            Some(message) => write!(f, ":{message}"),
            None => Ok(()),
        }
    }
}

/// Words a call. SDP makes every operation repeatable: its `id` is the
/// idempotency key.
pub fn call(
    account: &Account,
    session: &mut Session<State>,
    op: Op,
    message: Option<MessageId>,
    data: impl Serialize,
) -> Call {
    let name = CallName {
        op,
        unique: session.fresh_id(),
        message,
    };
    let id = name.to_string();
    let envelope = Request {
        id: &id,
        ts: session.now(),
        account: &account.name,
        visitor_id: Some(session.conversation().as_str()).filter(|_| !op.of_account()),
        session_id: session
            .state
            .session_id
            .as_deref()
            .filter(|_| !op.of_account()),
        op: op.as_str(),
        data,
    };
    let url = format!("{}/sdp/v1/{}", account.base_url, op.as_str());
    let request = HttpRequest::post_json(url, &envelope).with_stamp(Stamp::StandardWebhooks {
        setting: account.signing_setting.into(),
    });
    let call = Call::new(id.clone(), request);
    match name.message {
        Some(message) => call.repeatable().carrying(message),
        None if op.fleeting() => call.within_ms(FLEETING_MS),
        None if op == Op::Open => call.repeatable().within_ms(OPENING_MS),
        None if op.inquires() => call.repeatable().within_ms(INQUIRY_MS),
        None => call.repeatable(),
    }
}

/// How long a visitor waits for a vendor that cannot be reached, before the
/// next provider of the desk is asked.
const OPENING_MS: u64 = 120_000;
/// A question of the gateway's own must not hold up what a visitor wants.
const INQUIRY_MS: u64 = 10_000;
/// News of somebody typing is worth nothing later.
const FLEETING_MS: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_says_what_the_call_was_for() {
        let name = CallName {
            op: Op::Send,
            unique: "0a".into(),
            message: Some("m:1".into()),
        };
        assert_eq!(name.to_string(), "message.send:0a:m:1");
        assert_eq!(CallName::read("message.send:0a:m:1"), Some(name));
        let plain = CallName {
            op: Op::Leave,
            unique: "0b".into(),
            message: None,
        };
        assert_eq!(CallName::read(&plain.to_string()), Some(plain));
    }

    #[test]
    fn a_foreign_call_id_is_not_ours() {
        for id in ["", "message.send", "session.dance:0a", ":0a"] {
            assert_eq!(CallName::read(id), None, "{id}");
        }
    }
}
