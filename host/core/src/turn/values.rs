//! What goes into a turn and what comes out of it.

use std::sync::Arc;

use kefu_plugin_api::{
    capability::EndReason,
    descriptor::Descriptor,
    event::ProviderEvent,
    ids::{MessageId, ProviderId, SessionId},
    time::Timestamp,
};

use crate::{
    command::Command,
    emoji::EmojiTable,
    log::LogEvent,
    outbox::{Finished, OutboxEntry},
    session::{Fallback, Record},
};

/// What comes to a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// It was just created.
    Open,
    /// The visitor asks for something.
    Command(Command),
    /// A vendor told something.
    Provider {
        /// Which vendor's adapter read it: after a hand-over while opening it
        /// may be one that has nothing to do with the session any more.
        from: ProviderId,
        /// What.
        event: ProviderEvent,
    },
    /// A call is over.
    Finished(Finished),
    /// A call that was given up is asked for again.
    Replay(Box<OutboxEntry>),
    /// It is time to look at the timers.
    Timers,
    /// The provider that it is bound to cannot serve: it is opened elsewhere if
    /// it waits for somebody.
    Reopen {
        /// Which provider; one that it has left already changes nothing.
        from: ProviderId,
        /// Whom to ask instead, in this order.
        order: Vec<Fallback>,
    },
    /// The gateway ends it.
    Close(EndReason),
}

/// What a turn knows besides the session.
pub struct Context<'a> {
    /// Now.
    pub now: Timestamp,
    /// The turn's randomness.
    pub seed: u64,
    /// The providers that can take calls.
    pub providers: &'a dyn Providers,
    /// What the sessions' logs say.
    pub log: &'a dyn Log,
    /// The trace that the input belongs to, as `traceparent` writes it.
    pub trace: Option<&'a str>,
}

/// What a turn asks about what is in its session's log already.
pub trait Log {
    /// Where a message stands; `None` if it is not there.
    fn said(&self, session: &SessionId, message: &MessageId) -> Option<Said>;

    /// The log after a number, as it was committed.
    fn since(&self, session: &SessionId, after: u64) -> Vec<LogEvent>;

    /// Whether a link in a log leads to media that the gateway keeps for the
    /// session's visitor.
    fn is_own_media(&self, url: &str) -> bool;
}

/// A message in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The numbers of its entries: more than one where the vendor repeats
    /// itself.
    pub seqs: Vec<u64>,
    /// Whether it was taken back.
    pub recalled: bool,
}

/// What a turn asks about providers.
pub trait Providers {
    /// What is known of a provider; `None` if it cannot take calls now.
    fn facts(&self, provider: &ProviderId) -> Option<ProviderFacts>;

    /// Whether a provider takes new sessions now.
    fn takes_sessions(&self, provider: &ProviderId) -> bool {
        self.facts(provider).is_some()
    }

    /// Whether the visitor of this session has another one open with a
    /// provider.
    fn has_other_session(&self, provider: &ProviderId, record: &Record) -> bool;
}

/// What a turn needs to know of a provider.
#[derive(Clone, Debug)]
pub struct ProviderFacts {
    /// What its adapter says about itself.
    pub descriptor: Arc<Descriptor>,
    /// How long a session may lie idle.
    pub max_idle_ms: i64,
    /// How long a call is tried, unless it says otherwise.
    pub deadline_ms: i64,
    /// Where the vendor calls back.
    pub callback_url: Arc<str>,
    /// The table between its emoticon codes and Unicode.
    pub emoji: Option<Arc<EmojiTable>>,
    /// The only profile fields that it may have; absent: those that its
    /// adapter declares.
    pub visitor_fields: Option<Arc<[String]>>,
}

/// Everything that a turn caused.
#[derive(Debug)]
pub struct Outcome {
    /// The session as it is now.
    pub record: Record,
    /// New entries of its log.
    pub events: Vec<LogEvent>,
    /// New calls.
    pub calls: Vec<OutboxEntry>,
    /// Numbers of calls that are over, those that were taken back included.
    pub finished: Vec<u64>,
    /// Numbers of calls that must not be sent any more, if they are not under
    /// way.
    pub withdrawn: Vec<u64>,
    /// Names under which callbacks shall find it.
    pub names: Vec<Name>,
    /// Whether somebody at the desk is typing.
    pub typing: bool,
    /// Lines for operators.
    pub notes: Vec<String>,
    /// What the visitor is answered.
    pub reply: Reply,
    /// The token that was not accepted: the call stays where it is and is
    /// repeated with a new one.
    pub renew_token: Option<String>,
    /// How many messages were taken back that the log does not have.
    pub unknown_recalls: u32,
    /// What the log does not tell of who was asked and what was sent.
    pub missed: Missed,
    /// Whether the session may be written only if it is its visitor's only open
    /// one with its provider.
    pub alone: bool,
    /// Whether there is anything to write.
    pub changed: bool,
}

/// What a turn tried in vain, beyond what its log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Providers that were asked to take the session and did not.
    pub not_taken: Vec<ProviderId>,
    /// Messages that failed before anybody tried to send them.
    pub not_sent: Vec<MessageId>,
}

/// A name under which a vendor's callbacks find a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Of which provider.
    pub provider: ProviderId,
    /// Whose name it is.
    pub key: NameKey,
}

/// Who gave a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameKey {
    /// The gateway: a conversation, whose newest session is meant.
    Conversation(String),
    /// The vendor: this session and no other.
    Vendor(String),
}

/// What a visitor is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It was taken.
    Accepted,
    /// It was taken as this entry of the log.
    Message {
        /// The message.
        id: MessageId,
        /// The entry.
        seq: u64,
    },
}

/// An adapter asked for something that the session does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the adapter asked for something impossible: {0}")]
pub struct Violation(pub String);
