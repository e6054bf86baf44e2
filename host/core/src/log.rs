//! A session's log: numbered events, as apps read them.
//!
//! Owns the event types of the visitor API and their JSON. Deliberately holds
//! no behaviour: turns append, streams read. Invariant: numbers start at 1 and
//! have no gaps, and an event never changes after it was committed.

use kefu_plugin_api::{
    capability::{
        AgentChange, Capabilities, EndReason, EvaluationTarget, HumanEvaluation, LeaveMessageRules,
        Queue, SessionConfig, SessionState,
    },
    ids::{DeskId, MessageId, ProviderId, SessionId},
    message::{Agent, Content, ContentKind, MessageStatus, Sender},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One entry of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEvent {
    /// Its number in the session.
    pub seq: u64,
    /// Its id, unique everywhere.
    pub id: String,
    /// Whose log it is.
    pub session: SessionId,
    /// What happened; written as `type` and `data` beside the other members.
    #[serde(flatten)]
    pub body: EventBody,
    /// When.
    pub at: Timestamp,
}

/// What happened, with its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum EventBody {
    /// The vendor has taken the session.
    #[serde(rename = "session.opened")]
    Opened(Box<SessionCard>),
    /// The session stands elsewhere.
    #[serde(rename = "session.state")]
    State(StateChange),
    /// The session goes on at another provider.
    #[serde(rename = "session.moved")]
    Moved(Moved),
    /// Capabilities or config changed.
    #[serde(rename = "session.capabilities")]
    Capabilities(Box<CapabilityChange>),
    /// The session is over.
    #[serde(rename = "session.ended")]
    Ended {
        /// Why.
        reason: EndReason,
    },
    /// Somebody said something.
    #[serde(rename = "message")]
    Message(LoggedMessage),
    /// How far a visitor's message got.
    #[serde(rename = "message.status")]
    Status {
        /// Which message.
        message: MessageId,
        /// How far.
        status: MessageStatus,
        /// In words, where it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A message from the desk was taken back.
    #[serde(rename = "message.recalled")]
    Recalled {
        /// Which message.
        message: MessageId,
    },
    /// The visitor's place in the queue.
    #[serde(rename = "queue")]
    Queue(Queue),
    /// Something happened to an agent.
    #[serde(rename = "agent")]
    Agent {
        /// What.
        event: AgentChange,
        /// To whom.
        agent: Agent,
    },
    /// The visitor is invited to rate.
    #[serde(rename = "evaluation.invited")]
    EvaluationInvited(Invitation),
    /// The visitor rated, or declined.
    #[serde(rename = "evaluation.submitted")]
    EvaluationSubmitted(EvaluationResult),
    /// The visitor can leave a message.
    #[serde(rename = "leave_message.offered")]
    LeaveMessageOffered(LeaveMessageRules),
    /// The visitor left a message.
    #[serde(rename = "leave_message.submitted")]
    LeaveMessageSubmitted {
        /// What was left.
        fields: BTreeMap<String, String>,
    },
}

/// A message in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedMessage {
    /// Its id in the session.
    pub id: MessageId,
    /// Who said it.
    pub from: Sender,
    /// What was said, in the form in which it is carried.
    pub content: Content,
    /// Questions to pick with one click.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<String>,
    /// The kind it had before it was converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted_from: Option<ContentKind>,
    /// In words, where something about it is not as it should be: media that
    /// could not be fetched, so that their link is the vendor's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A move of the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateChange {
    /// Where it was.
    pub from: SessionState,
    /// Where it is.
    pub to: SessionState,
    /// With whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// At which place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// Why, in the vendor's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A change of the provider, with the same id and the same log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Who served it.
    pub from: ProviderId,
    /// Who is asked to take it; for logs and support.
    pub to: ProviderId,
    /// Why.
    pub reason: MoveReason,
}

/// Why a session goes on at another provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveReason {
    /// A human is wanted, and those of another provider take over.
    Handover,
    /// The provider cannot serve it.
    Failover,
}

/// What changed of what the session can do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CapabilityChange {
    /// All of them as they are now, if one changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// All of it as it is now, if it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<SessionConfig>,
}

/// A request to rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invitation {
    /// Whom.
    pub target: EvaluationTarget,
    /// The question, for target `robot`: solved or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What can be said, for target `human`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<HumanEvaluation>,
    /// When it lapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// What the visitor answered to a request to rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EvaluationResult {
    /// Not now.
    Declined {
        /// Always true.
        declined: bool,
    },
    /// A rating.
    Rated(kefu_plugin_api::capability::Evaluation),
}

/// A session as apps see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionCard {
    /// Its id.
    pub id: SessionId,
    /// Where it was opened.
    pub desk: DeskId,
    /// Who is behind it; for logs and support.
    pub provider: ProviderId,
    /// Where it stands.
    pub state: SessionState,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What the app shows around it.
    pub config: SessionConfig,
    /// Who answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// The place in the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// Whether the visitor is here.
    pub visitor_present: bool,
    /// Messages from the desk that the visitor has not read, at most 99.
    pub unread: u32,
    /// The number of the last event.
    pub last_seq: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
}
