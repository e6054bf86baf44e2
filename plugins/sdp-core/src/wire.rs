//! The JSON of SDP/1, named as `docs/sdp.md` names it.
//!
//! Owns shapes, not meaning: nothing here knows a session. Where the protocol
//! and the contract of the gateway share a shape (agents, queues, forms), the
//! contract's type is used. Reading is lenient about unknown keys and strict
//! about types; an unknown event or content kind is a value, never an error.

use kefu_plugin_api::prelude::{
    Agent, Content, EvaluationTarget, HumanEvaluation, Queue, Sender, SessionState, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::config::{Config, Leave};
pub use crate::limits::is_id;

/// A request to the vendor.
#[derive(Debug, Serialize)]
pub struct Request<'a, T> {
    /// Equals `webhook-id`.
    pub id: &'a str,
    /// When it was made; the same on every retry.
    pub ts: Timestamp,
    /// The vendor's tenant.
    pub account: &'a str,
    /// The key of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor_id: Option<&'a str>,
    /// The vendor's own id of the session, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<&'a str>,
    /// The operation's name.
    pub op: &'a str,
    /// What the operation needs.
    pub data: T,
}

/// The vendor's reply.
#[derive(Debug, Deserialize)]
pub struct Reply {
    /// 0 is success; see [`code`].
    pub code: i64,
    /// For people.
    #[serde(default)]
    pub msg: String,
    /// The operation's result.
    #[serde(default)]
    pub data: Value,
    /// What happened because of it, in order.
    #[serde(default)]
    pub events: Vec<ReplyEvent>,
}

impl Reply {
    /// The result as the operation's type; an absent one counts as `{}`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match &self.data {
            Value::Null => serde_json::from_value(Value::Object(Default::default())),
            data => T::deserialize(data),
        }
    }
}

/// An event inside a reply.
#[derive(Debug, Deserialize)]
pub struct ReplyEvent {
    /// Unique like a callback's.
    pub id: String,
    /// Its name, or a flavour's number.
    pub event: EventName,
    /// Its data.
    #[serde(default)]
    pub data: Value,
}

/// A callback of the vendor.
#[derive(Debug, Deserialize)]
pub struct Hook {
    /// Equals `webhook-id`.
    pub id: String,
    /// The vendor's tenant.
    pub account: String,
    /// The key of the session.
    pub visitor_id: String,
    /// The vendor's own id of the session.
    #[serde(default)]
    pub session_id: Option<String>,
    /// Its name, or a flavour's number.
    pub event: EventName,
    /// Its data.
    #[serde(default)]
    pub data: Value,
}

/// The name of an event. Some flavours number theirs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum EventName {
    /// `message` and the like, or a number as text.
    Text(String),
    /// A flavour's number.
    Number(i64),
}

impl EventName {
    /// The name as text.
    pub fn into_text(self) -> String {
        match self {
            Self::Text(name) => name,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Result codes that an adapter acts on.
pub mod code {
    /// Done, or done before.
    pub const OK: i64 = 0;
    /// Visitor or session unknown at the vendor.
    pub const UNKNOWN_SESSION: i64 = 4101;
    /// The session has ended at the vendor.
    pub const SESSION_ENDED: i64 = 4102;
    /// The visitor is blocked.
    pub const BLOCKED: i64 = 4204;
}

/// Reply data of `session.open`, `session.to_human`, `queue.*` and
/// `session.state`, and data of the events that announce a mode: where the
/// session stands now and all that belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// The vendor's id of the session, where it is told.
    pub session_id: Option<String>,
    /// `robot`, `queued`, `human` or `unattended`.
    pub mode: Option<Mode>,
    /// What became of a wish for a human.
    pub result: Option<ToHuman>,
    /// With whom.
    pub agent: Option<Agent>,
    /// Which place.
    pub queue: Option<Queue>,
    /// The welcome of this mode.
    pub greeting: Option<String>,
    /// How a message can be left here, where that differs from the config.
    pub leave_message: Option<Leave>,
    /// What this session allows.
    pub config: Option<Config>,
}

/// A mode of a session that the vendor can announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A robot answers.
    Robot,
    /// Waiting for an agent.
    Queued,
    /// An agent has it.
    Human,
    /// Nobody can be had now.
    Unattended,
}

impl Mode {
    /// The gateway's state of the same meaning.
    pub fn state(self) -> SessionState {
        match self {
            Self::Robot => SessionState::Robot,
            Self::Queued => SessionState::Queued,
            Self::Human => SessionState::Human,
            Self::Unattended => SessionState::Unattended,
        }
    }
}

/// What became of a wish for a human.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToHuman {
    /// An agent has taken the session.
    Connected,
    /// The visitor waits.
    Queued,
    /// Nobody can be had now.
    Unattended,
    /// An agent had it already.
    Already,
}

impl ToHuman {
    /// The mode that this leaves the session in.
    pub fn mode(self) -> Mode {
        match self {
            Self::Connected | Self::Already => Mode::Human,
            Self::Queued => Mode::Queued,
            Self::Unattended => Mode::Unattended,
        }
    }
}

/// Reply data of `session.leave`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Left {
    /// Whether the session is over at the vendor.
    pub ended: bool,
}

/// Data of the event `message`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Said {
    /// Unique per account.
    pub msg_id: String,
    /// Who said it.
    pub from: Sender,
    /// What was said.
    #[serde(deserialize_with = "content")]
    pub content: Content,
    /// Questions offered to the visitor.
    #[serde(default)]
    pub suggestions: Vec<String>,
}

/// Data of the event `session.transferred`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Transferred {
    /// Who has it now.
    pub to_agent: Agent,
    /// The vendor's new id of the session.
    #[serde(default)]
    pub new_session_id: Option<String>,
    /// The new agent's welcome.
    #[serde(default)]
    pub greeting: Option<String>,
}

/// Data of the event `evaluate.invite`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Invited {
    /// Whom to rate; the agent if absent.
    pub target: Option<EvaluationTarget>,
    /// With what form, where it differs from the config.
    pub form: Option<HumanEvaluation>,
}

/// Data of the event `session.ended`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Ended {
    /// Why; a flavour has a default.
    pub reason: Option<String>,
    /// Whether the visitor is invited to rate.
    pub evaluate: bool,
}

/// Data of the events `queue.update`, `message.recalled`, `read`, `typing` and
/// `capabilities.changed`: one key each.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// Of `queue.update`.
    pub queue: Option<Queue>,
    /// Of `message.recalled` and `read`.
    pub msg_id: Option<String>,
    /// Of `typing`.
    pub typing: Option<bool>,
    /// Of `capabilities.changed`.
    pub config: Option<Config>,
}

/// A kind that is newer than this reader is shown as the text it brings.
fn content<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Content, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let known = Content::deserialize(&value).map_err(serde::de::Error::custom)?;
    if known != Content::Unknown {
        return Ok(known);
    }
    let shown = ["fallback_text", "text"]
        .iter()
        .find_map(|key| value.get(key)?.as_str());
    Ok(shown.map_or_else(|| Content::text(Content::Unknown.to_text()), Content::text))
}
