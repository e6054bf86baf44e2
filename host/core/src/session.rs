//! The session's record: everything the gateway remembers of one visit.
//!
//! Owns the record and how it is born; `seen` is how apps, adapters and
//! operators see it. Deliberately decides
//! nothing: [`turn`](crate::turn) does. Invariant: a record is written whole in
//! the commit of a turn, together with what the turn caused.

use std::collections::BTreeMap;

use kefu_plugin_api::{
    capability::{
        Capabilities, EndReason, EvaluationTarget, HumanEvaluation, LeaveMessageRules, Queue,
        SessionConfig, SessionState,
    },
    descriptor::KeyedBy,
    event::{Client, Visitor},
    ids::{
        AppId, CallId, ConversationId, DeskId, GroupId, MessageId, ProviderId, SessionId, TimerId,
    },
    message::{Agent, Content, ContentKind},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

mod bytes;
mod moves;
mod seen;
mod service;
mod silence;

pub use self::{
    moves::{Handover, LeftBehind, MAX_MOVES, Moves},
    service::Service,
    silence::{Quiet, Side, Silence},
};

/// One visit at a desk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its id; begins with its shard.
    pub id: SessionId,
    /// Counted up by every commit.
    pub version: u64,
    /// The tenant.
    pub app: AppId,
    /// Where it was opened.
    pub desk: DeskId,
    /// Who opened it, with profile.
    pub visitor: Visitor,
    /// With what.
    pub client: Client,
    /// Whom it is pinned to.
    pub provider: ProviderId,
    /// The vendor's group it opens in.
    pub group: Option<GroupId>,
    /// Who is asked next if the provider does not take it.
    pub fallbacks: Vec<Fallback>,
    /// The name under which callbacks find it.
    pub conversation: ConversationId,
    /// The vendor's own id of it, once named.
    pub vendor_session: Option<String>,
    /// Where it stands.
    pub state: SessionState,
    /// What it can do, in the adapter's words.
    pub capabilities: Capabilities,
    /// Whether a table makes Unicode of the vendor's emoticon codes.
    #[serde(default)]
    pub emoji_converted: bool,
    /// What the app shows around it.
    pub config: SessionConfig,
    /// Who answers.
    pub agent: Option<Agent>,
    /// The place in the queue.
    pub queue: Option<Queue>,
    /// Whether an agent has answered in it: from then on there is no way back
    /// to the robot.
    pub had_human: bool,
    /// When a robot or an agent first served it.
    pub served_since: Option<Timestamp>,
    /// What its present provider is measured by.
    #[serde(default)]
    pub service: Service,
    /// Whether the visitor is here.
    pub visitor_present: bool,
    /// Numbers of the desk's messages that the visitor has not read, the
    /// newest 99.
    pub unread: Vec<u64>,
    /// The desk's last message.
    pub last_desk_message: Option<MessageId>,
    /// The number of the last event.
    pub last_seq: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When the visitor or the desk last did something; timers and the ends of
    /// calls do not count.
    pub active_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// What the adapter remembers.
    #[serde(with = "bytes")]
    pub adapter_state: Vec<u8>,
    /// Which version of the adapter wrote it.
    pub state_version: String,
    /// Messages that wait for the handshake.
    pub waiting: Vec<Waiting>,
    /// A wish for a human that waits for the handshake.
    pub human_wanted: Option<HumanWish>,
    /// Whether a changed profile waits for the handshake.
    pub profile_waits: bool,
    /// What is known about rating.
    pub rating: Rating,
    /// A form offered for this session only.
    pub leave_form: Option<LeaveMessageRules>,
    /// The number of the last outbox entry.
    pub last_entry: u64,
    /// Calls that have not finished.
    pub open_calls: Vec<OpenCall>,
    /// When which timer fires.
    pub timers: BTreeMap<TimerKey, Timestamp>,
    /// How often in a row the adapter failed on one of its timers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timer_failures: BTreeMap<TimerId, u32>,
    /// Who keeps the other side waiting.
    #[serde(default, skip_serializing_if = "Silence::is_broken")]
    pub silence: Silence,
    /// Media of messages that the adapter was told of and may send later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_media: Vec<HeldMedia>,
    /// What the visitor sent while opening and the vendor got as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub converted_late: BTreeMap<MessageId, ContentKind>,
    /// The only profile fields that the operator lets this provider have;
    /// absent: those that its adapter declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_fields: Option<Vec<String>>,
    /// Whether the gateway opened it itself, to see whether the vendor answers:
    /// no visitor, no app and no figure is to know of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
    /// Who takes over where a human is wanted; absent: this provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
    /// What is known about moves to other providers.
    #[serde(default, skip_serializing_if = "Moves::is_none")]
    pub moves: Moves,
    /// Messages that the adapter was told of, and neither sent nor settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<MessageId>,
}

/// Media of a message that the adapter was told of and may send later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldMedia {
    /// The message.
    pub message: MessageId,
    /// Media of the gateway that it links to.
    pub media: Vec<String>,
}

/// A message that waits for the handshake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// Its id in the log.
    pub id: MessageId,
    /// What it carries.
    pub content: Content,
    /// The kind it had, where nobody at this provider carries that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted_from: Option<ContentKind>,
    /// Media of the gateway that it links to.
    pub media: Vec<String>,
    /// The trace that its request belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// A wish for a human that waits for the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HumanWish {
    /// The vendor's group, if the visitor chose one.
    pub group: Option<GroupId>,
}

/// A provider that is asked if the one before does not take the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// Whom.
    pub provider: ProviderId,
    /// In which of its groups.
    pub group: Option<GroupId>,
    /// Who takes over there where a human is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
}

/// A call that has not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// The adapter's name for it.
    pub id: CallId,
    /// Its outbox entry.
    pub number: u64,
    /// The visitor's message that it carries.
    pub message: Option<MessageId>,
}

/// What is known about rating in this session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rating {
    /// The open invitation.
    pub invited: Option<Invited>,
    /// Whether the robot was rated.
    pub robot_done: bool,
    /// Whether the agent was rated.
    pub human_done: bool,
    /// Whom the visitor did not want to rate: not asked again at the end.
    pub declined: Vec<EvaluationTarget>,
    /// Whether the visitor's leaving waits for the rating.
    pub exit_waits: bool,
}

/// An open invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// Whom to rate.
    pub target: EvaluationTarget,
    /// With what form, where it differs from the capabilities.
    pub form: Option<HumanEvaluation>,
}

/// Whose timer it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum TimerKey {
    /// The window for a rating closes.
    RatingWindow,
    /// The session may have been idle for too long.
    Idle,
    /// One side may have been silent for too long.
    Silence(Side),
    /// A human should have been asked for by now.
    Human,
    /// One of the adapter's.
    Adapter(TimerId),
}

impl From<TimerKey> for String {
    fn from(key: TimerKey) -> Self {
        match key {
            TimerKey::RatingWindow => "rating".into(),
            TimerKey::Idle => "idle".into(),
            TimerKey::Human => "human".into(),
            TimerKey::Silence(Side::Visitor) => "visitor_silence".into(),
            TimerKey::Silence(Side::Agent) => "agent_silence".into(),
            TimerKey::Adapter(id) => format!("adapter:{id}"),
        }
    }
}

impl From<String> for TimerKey {
    fn from(key: String) -> Self {
        match (key.as_str(), key.strip_prefix("adapter:")) {
            (_, Some(id)) => Self::Adapter(id.into()),
            ("rating", None) => Self::RatingWindow,
            ("human", None) => Self::Human,
            ("visitor_silence", None) => Self::Silence(Side::Visitor),
            ("agent_silence", None) => Self::Silence(Side::Agent),
            (_, None) => Self::Idle,
        }
    }
}

/// What is known when a session is opened.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The session's id, from [`session_id`].
    pub id: SessionId,
    /// The tenant.
    pub app: AppId,
    /// Where.
    pub desk: DeskId,
    /// Who.
    pub visitor: Visitor,
    /// With what.
    pub client: Client,
    /// The group that the app asked for, by the desk's name for it.
    pub asked_group: Option<String>,
    /// Whom to ask, in this order; the first is asked at once.
    pub order: Vec<Fallback>,
    /// Whether the gateway opens it itself.
    pub synthetic: bool,
    /// When.
    pub now: Timestamp,
}

impl Record {
    /// A session that nobody has taken yet. `None` if there is nobody to ask.
    pub fn open(opening: Opening) -> Option<Self> {
        let mut order = opening.order.into_iter();
        let first = order.next()?;
        Some(Self {
            id: opening.id,
            version: 0,
            app: opening.app,
            desk: opening.desk,
            visitor: opening.visitor,
            client: opening.client,
            provider: first.provider,
            group: first.group,
            fallbacks: order.collect(),
            conversation: ConversationId::default(),
            vendor_session: None,
            state: SessionState::Opening,
            capabilities: Capabilities::default(),
            emoji_converted: false,
            config: SessionConfig::default(),
            agent: None,
            queue: None,
            had_human: false,
            served_since: None,
            service: Service::default(),
            visitor_present: true,
            unread: Vec::new(),
            last_desk_message: None,
            last_seq: 0,
            opened_at: opening.now,
            active_at: opening.now,
            ended_at: None,
            end_reason: None,
            adapter_state: Vec::new(),
            state_version: String::new(),
            waiting: Vec::new(),
            human_wanted: None,
            profile_waits: false,
            rating: Rating::default(),
            leave_form: None,
            last_entry: 0,
            open_calls: Vec::new(),
            timers: BTreeMap::new(),
            timer_failures: BTreeMap::new(),
            silence: Silence::default(),
            held_media: Vec::new(),
            converted_late: BTreeMap::new(),
            allowed_fields: None,
            synthetic: opening.synthetic,
            handover: first.handover,
            moves: Moves {
                asked_group: opening.asked_group,
                ..Moves::default()
            },
            held: Vec::new(),
        })
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.values().min().copied()
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.state == SessionState::Ended
    }
}

/// The shard of a visitor: whatever belongs to one visitor lives together.
pub fn shard(app: &str, visitor: &str) -> u16 {
    let digest = Sha256::new()
        .chain_update(app)
        .chain_update([0])
        .chain_update(visitor)
        .finalize();
    u16::from_be_bytes([digest[0], digest[1]])
}

/// A session's id: the visitor's shard in four hexadecimal digits, then a
/// UUIDv7.
pub fn session_id(app: &str, visitor: &str, now: Timestamp, random: [u8; 10]) -> SessionId {
    // Times before 1970 do not occur; a negative one would only spoil order.
    let millis = u64::try_from(now.unix_ms()).unwrap_or(0);
    let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    SessionId::new(format!("{:04x}{}", shard(app, visitor), uuid.simple()))
}

/// The name under which a vendor's callbacks find a visitor's session: stable
/// across visits, opaque to the vendor.
pub fn conversation_id(
    app: &AppId,
    desk: &DeskId,
    visitor: &str,
    provider: &ProviderId,
    keyed_by: KeyedBy,
) -> ConversationId {
    let desk = match keyed_by {
        KeyedBy::Conversation => desk.as_str(),
        KeyedBy::Visitor => "",
    };
    let mut digest = Sha256::new();
    for part in [app.as_str(), desk, visitor, provider.as_str()] {
        digest.update(part);
        digest.update([0]);
    }
    let digest = digest.finalize();
    ConversationId::new(
        digest[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>(),
    )
}

/// The id of a message that the vendor gave an id: the same for the same
/// message, so that a recall finds it.
pub fn desk_message_id(session: &SessionId, vendor_id: &str) -> MessageId {
    let digest = Sha256::new()
        .chain_update(session.as_str())
        .chain_update([0])
        .chain_update(vendor_id)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    MessageId::new(
        uuid::Builder::from_custom_bytes(bytes)
            .into_uuid()
            .to_string(),
    )
}
