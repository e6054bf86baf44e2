//! What became of a session's messages, for operators.
//!
//! Owns the values of a trail and of a line in the list of sessions, and how a
//! trail is put together from what is on disk. Deliberately reads nothing and
//! guesses nothing: a step that left no trace is not there. Invariant: of what
//! was said, only kind, length, sender and ids are in these values.

mod assemble;

use kefu_plugin_api::{
    capability::{AgentChange, EndReason, Queue, SessionState},
    event::{CallResult, Client},
    ids::{AppId, ConversationId, DeskId, GroupId, MessageId, ProviderId, SessionId},
    message::{ContentKind, MessageStatus, SenderKind},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

pub use self::assemble::{Found, LaneFound, LogRow, UnsentFound, assemble};
use crate::{
    log::Moved,
    outbox::{Finished, OutboxEntry},
    session::Record,
};

/// A session in a list: where it stands, and nothing of what was said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionSummary {
    /// Its id.
    pub id: SessionId,
    /// The tenant.
    pub app: AppId,
    /// Where it was opened.
    pub desk: DeskId,
    /// Whom it is with now.
    pub provider: ProviderId,
    /// The visitor's id in the app.
    pub visitor: String,
    /// Where it stands.
    pub state: SessionState,
    /// The vendor's group it opened in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// With what it was opened.
    pub client: Client,
    /// The vendor's id of the agent who answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The place in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// Whether the visitor is here.
    pub visitor_present: bool,
    /// Messages from the desk that the visitor has not read, at most 99.
    pub unread: usize,
    /// The visitor's messages that wait for the handshake.
    pub waiting_messages: usize,
    /// Calls to the vendor that are not over.
    pub open_calls: usize,
    /// The number of the last event of its log.
    pub last_seq: u64,
    /// The name under which the vendor's callbacks find it.
    pub conversation: ConversationId,
    /// The vendor's own id of it, once named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor_session: Option<String>,
    /// The version of the adapter that wrote its state; empty before the first
    /// call.
    pub adapter_version: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When visitor or desk last did something.
    pub active_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
}

impl SessionSummary {
    /// The line of a session.
    pub fn of(record: &Record) -> Self {
        Self {
            id: record.id.clone(),
            app: record.app.clone(),
            desk: record.desk.clone(),
            provider: record.provider.clone(),
            visitor: record.visitor.id.clone(),
            state: record.state,
            group: record.group.clone(),
            client: record.client.clone(),
            agent: record.agent.as_ref().and_then(|agent| agent.id.clone()),
            queue: record.queue,
            visitor_present: record.visitor_present,
            unread: record.unread.len(),
            waiting_messages: record.waiting.len(),
            open_calls: record.open_calls.len(),
            last_seq: record.last_seq,
            conversation: record.conversation.clone(),
            vendor_session: record.vendor_session.clone(),
            adapter_version: record.state_version.clone(),
            opened_at: record.opened_at,
            active_at: record.active_at,
            ended_at: record.ended_at,
            end_reason: record.end_reason,
        }
    }
}

/// How a call ended: kept beside the first event of the turn that its end was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEnd {
    /// Its place in the session's order.
    pub number: u64,
    /// Through which account.
    pub provider: ProviderId,
    /// The visitor's message that it carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// When it was put into the outbox.
    pub asked_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// How the last try ended.
    pub outcome: CallOutcome,
    /// The status of the vendor's answer, of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl CallEnd {
    /// The end of an entry of the outbox.
    pub fn of(entry: &OutboxEntry, finished: &Finished) -> Self {
        let (outcome, status) = match &finished.result {
            CallResult::Answered { response } => (CallOutcome::Answered, Some(response.status)),
            CallResult::NotSent { .. } => (CallOutcome::NotSent, None),
            // Whatever else a call comes to, nobody knows that it arrived.
            _ => (CallOutcome::Unknown, None),
        };
        Self {
            number: entry.number,
            provider: entry.provider.clone(),
            message: entry.call.message.clone(),
            asked_at: entry.created_at,
            tries: finished.attempts,
            outcome,
            status,
        }
    }
}

/// How the last try of a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// The vendor answered, whatever it said.
    Answered,
    /// It surely did not reach the vendor.
    NotSent,
    /// It was sent, and no answer came.
    Unknown,
}

/// What became of a session's messages.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trail {
    /// The session as it stands.
    pub session: SessionSummary,
    /// Its log, in order: each message with its steps, and what happened to the
    /// session in between.
    pub entries: Vec<TrailEntry>,
    /// Calls that are not over, in order.
    pub calls: Vec<WaitingCall>,
    /// What was given up of this session and is kept for people.
    pub dead_letters: Vec<TrailLetter>,
    /// What the app's own server is still to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<WaitingPush>,
    /// Where the next piece begins; absent after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrailEntry {
    /// Its number.
    pub seq: u64,
    /// When it was stored.
    pub at: Timestamp,
    /// What it is, as the visitor API names it.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is told of it.
    #[serde(flatten)]
    pub what: Happened,
}

/// What is told of an entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Happened {
    /// Somebody said something.
    Message(Box<MessageTrail>),
    /// The vendor took the session.
    Opened {
        /// Which provider.
        provider: ProviderId,
        /// Where it stood then.
        state: SessionState,
    },
    /// The session stands elsewhere.
    State {
        /// Where it was.
        from: SessionState,
        /// Where it is.
        to: SessionState,
    },
    /// It goes on at another provider.
    Moved(Moved),
    /// It is over.
    Ended {
        /// Why.
        reason: EndReason,
    },
    /// How far a message got that is in another piece of the trail.
    Status {
        /// Which message.
        message: MessageId,
        /// How far.
        status: MessageStatus,
        /// In words, where it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A message of another piece was taken back.
    Recalled {
        /// Which message.
        message: MessageId,
    },
    /// Something happened to an agent.
    Agent {
        /// What.
        event: AgentChange,
        /// The vendor's id of the agent.
        #[serde(skip_serializing_if = "Option::is_none")]
        agent: Option<String>,
    },
    /// The place in the queue.
    Queue(Queue),
    /// Anything else: that it happened is all that is told.
    Other {},
}

/// A message and its steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MessageTrail {
    /// Its id in the session.
    pub id: MessageId,
    /// Which side said it.
    pub from: SenderKind,
    /// The id of whoever said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// What kind it is.
    pub content: ContentKind,
    /// How many characters its words have; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// The kind it had before it was converted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converted_from: Option<ContentKind>,
    /// What happened to it, in order.
    pub steps: Vec<Step>,
}

/// One step of a message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// When; absent where only that it holds is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What.
    #[serde(flatten)]
    pub what: StepKind,
}

/// What happened to a message.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum StepKind {
    /// The gateway took it: from the visitor's app, or from the vendor.
    Accepted {},
    /// It is on disk. The answer to whoever brought it came after that.
    Stored {},
    /// It was put into the outbox.
    Asked {
        /// The call, by its place in the session's order.
        call: u64,
        /// For whom.
        provider: ProviderId,
    },
    /// It is in the outbox still.
    Waits {
        /// The call.
        call: u64,
        /// Whether it may have been sent already; known of calls that must not
        /// reach the vendor twice.
        attempted: bool,
        /// When it is given up.
        until: Timestamp,
    },
    /// Its call is over.
    Sent {
        /// The call.
        call: u64,
        /// To whom.
        provider: ProviderId,
        /// How often it was tried.
        tries: u32,
        /// How the last try ended.
        outcome: CallOutcome,
        /// The status of the vendor's answer, of HTTP.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
    },
    /// What is known of its arrival: the vendor's answer.
    Answer {
        /// How far it got.
        status: MessageStatus,
        /// In words, where it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// It was taken back.
    Recalled {},
    /// How it stands with the app's own server.
    Push {
        /// How.
        state: PushState,
        /// How often it was tried, as far as it is the next one.
        #[serde(skip_serializing_if = "Option::is_none")]
        tries: Option<u32>,
        /// When it may be tried again.
        #[serde(skip_serializing_if = "Option::is_none")]
        due: Option<Timestamp>,
    },
    /// It was given up and is kept for people.
    GivenUp {
        /// The dead letter.
        letter: String,
        /// What was in the way.
        reason: String,
    },
}

/// How it stands with a push to an app's own server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PushState {
    /// It is still to be told.
    Waits,
    /// It is over: the server took it, or it was not to be told any more.
    Over,
    /// It was given up.
    GivenUp,
}

/// A call that is not over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WaitingCall {
    /// Its place in the session's order.
    pub number: u64,
    /// For whom.
    pub provider: ProviderId,
    /// The visitor's message that it carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// Since when.
    pub since: Timestamp,
    /// When it is given up.
    pub until: Timestamp,
    /// Whether it may have been sent already; known of calls that must not
    /// reach the vendor twice.
    pub attempted: bool,
}

/// Something that was given up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrailLetter {
    /// The dead letter's id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// `call`, `event` or `push`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What was in the way.
    pub reason: String,
    /// Of a call: its place in the session's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
    /// Of a push: the event's number in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// What an app's own server is still to be told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WaitingPush {
    /// The number up to which everything is over.
    pub after: u64,
    /// The last number that is to be told.
    pub last: u64,
    /// How often the next one was tried.
    pub tries: u32,
    /// When it may be tried.
    pub due: Timestamp,
    /// Since when it has not got on.
    pub since: Timestamp,
}
