//! Everything that can happen to a session, as an adapter sees it.
//!
//! One [`Event`] is one call of [`Adapter::handle`](crate::adapter::Adapter::handle).
//! An adapter ignores events it does not know: a newer host may have more.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    capability::{
        Capabilities, EndReason, Evaluation, EvaluationTarget, HumanEvaluation, Queue,
        SessionConfig, SessionState,
    },
    http::{HttpRequest, HttpResponse},
    ids::{CallId, GroupId, MessageId, TimerId},
    message::{Agent, Incoming, Message},
};

/// What happened. Tagged by `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A visitor opened a session. The adapter starts the vendor's handshake
    /// and later sets a state; until then the session is `opening` and
    /// messages wait.
    Opened {
        /// Who.
        visitor: Visitor,
        /// With what.
        client: Client,
        /// The vendor's skill group to start in, if one is wanted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupId>,
    },
    /// A visitor's message, in a kind that the capabilities allow now.
    FromVisitor {
        /// The message.
        message: Message,
    },
    /// The visitor asked for a human (转人工).
    HumanRequested {
        /// In which of the vendor's groups, if the visitor chose one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupId>,
    },
    /// The visitor rated the robot or the agent; already checked against the
    /// capabilities. May come after the session ended, while an invitation is
    /// open.
    Evaluated {
        /// The rating.
        evaluation: Evaluation,
    },
    /// The visitor left a message (留言); already checked against the form.
    LeaveMessage {
        /// Field key → value.
        fields: BTreeMap<String, String>,
    },
    /// The visitor left. Where leaving ends sessions the adapter answers with
    /// [`Effect::Close`](crate::effect::Effect::Close) in this turn.
    Exited {},
    /// The visitor is typing. Nothing of it is stored.
    Typing {},
    /// The visitor has read everything up to and including a message.
    Read {
        /// The last message from the desk that was read.
        message: MessageId,
    },
    /// The visitor's profile changed.
    ProfileChanged {
        /// The whole profile as it is now.
        visitor: Visitor,
    },
    /// Something that [`Adapter::receive`](crate::adapter::Adapter::receive)
    /// found in a callback, back in its session.
    FromProvider {
        /// What.
        event: ProviderEvent,
    },
    /// A call that this session asked for is over.
    CallFinished {
        /// Which.
        call: CallId,
        /// How.
        result: CallResult,
        /// Whether the token was renewed and the call repeated already, so
        /// that rejecting the token again would help nothing.
        #[serde(default)]
        token_renewed: bool,
    },
    /// A call with [`prepare`](crate::effect::Call::prepare) is about to be
    /// sent. Answered by one [`Effect::Attempt`](crate::effect::Effect::Attempt).
    PrepareAttempt {
        /// Which.
        call: CallId,
        /// As it rests in the outbox.
        request: HttpRequest,
        /// Counted from 1.
        attempt: u32,
    },
    /// The host needs a token it does not have. In the provider's own scope.
    /// Answered by one [`Effect::Call`](crate::effect::Effect::Call), whose
    /// answer comes back as `CallFinished` in the same scope and is answered
    /// by [`Effect::Token`](crate::effect::Effect::Token). Neither is logged or
    /// stored.
    TokenNeeded {
        /// Its name in the descriptor.
        name: String,
    },
    /// An operator tries the provider's settings before they serve. In the
    /// provider's own scope. Answered by at most one
    /// [`Effect::Call`](crate::effect::Effect::Call) that changes nothing at the
    /// vendor; its answer comes back as `CallFinished` in the same scope, under
    /// the id that the adapter chose. An answer that shows the settings to be
    /// accepted is answered by no effect and a
    /// [`note`](crate::session::Session::note) that says what the vendor said; any other by an
    /// [`AdapterError`](crate::error::AdapterError). Neither is logged or stored.
    Probe {},
    /// A timer that this session set.
    TimerFired {
        /// Which.
        timer: TimerId,
    },
    /// The host ends the session: the visitor was away for too long, or the
    /// provider is being removed. The last event of a session.
    Closing {
        /// Why.
        reason: EndReason,
    },
    /// An event that is newer than this adapter: to be ignored.
    #[serde(other)]
    Unknown,
}

/// What a vendor told in a callback, in neutral words. Tagged by `type`.
///
/// Most need no more than [`Effect::from_provider`](crate::effect::Effect::from_provider).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProviderEvent {
    /// Somebody at the desk said something.
    Message {
        /// What.
        message: Incoming,
    },
    /// The session stands elsewhere now.
    State {
        /// Where.
        state: SessionState,
        /// With whom.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<Agent>,
    },
    /// The visitor's place in the queue.
    Queue {
        /// Which.
        queue: Queue,
    },
    /// An agent took the session.
    Agent {
        /// Who.
        agent: Agent,
    },
    /// Nobody is there.
    NoAgent {},
    /// The visitor is invited to rate.
    EvaluationInvited {
        /// Whom.
        target: EvaluationTarget,
        /// With what form, where it differs from the capabilities.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        form: Option<HumanEvaluation>,
    },
    /// A message from the desk was taken back.
    Recalled {
        /// The vendor's id of the message.
        vendor_id: String,
    },
    /// Another agent took over.
    Transferred {
        /// Who.
        agent: Agent,
    },
    /// The session is over at the vendor.
    Ended {
        /// Why.
        reason: EndReason,
    },
    /// The vendor allows more or less than before.
    Capabilities {
        /// All of them as they are now.
        capabilities: Box<Capabilities>,
        /// What the app shows around the session, if that changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        config: Option<SessionConfig>,
    },
    /// A line of text from the platform itself.
    Notice {
        /// The line.
        text: String,
    },
    /// Somebody at the desk is typing.
    Typing {},
    /// An agent has read a visitor's message.
    Read {
        /// Which, where the vendor says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<MessageId>,
    },
    /// Anything else that the adapter wants to tell itself.
    Other {
        /// The adapter's name for it.
        name: String,
        /// The adapter's data.
        data: Value,
    },
    /// A kind that is newer than the reader: to be ignored.
    #[serde(other)]
    Unknown,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallResult {
    /// The vendor answered, with whatever status.
    Answered {
        /// The answer.
        response: HttpResponse,
    },
    /// It surely never reached the vendor, and the host has given up.
    NotSent {
        /// What was in the way.
        detail: String,
    },
    /// It was sent, the answer is not known, and the host has given up.
    Unknown {
        /// What was in the way.
        detail: String,
    },
}

/// The app's user who visits the desk. Field names and groups follow what
/// RongCloud's clients send; unknown fields are kept in `custom`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Visitor {
    /// As the app names its user.
    pub id: String,
    /// Name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Picture to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portrait: Option<String>,
    /// Every other profile field, in snake case, as text.
    pub fields: BTreeMap<String, String>,
    /// What the app added beyond the known fields.
    pub custom: BTreeMap<String, Value>,
}

/// The app that the visitor uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Client {
    /// `ios`, `android`, `web` or any other name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The app's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// Where the visitor came from (渠道).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}
