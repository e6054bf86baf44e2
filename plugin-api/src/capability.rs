//! What a provider can carry, as data.
//!
//! An adapter declares its capabilities once in the [`Descriptor`] and may
//! narrow or widen them per session with
//! [`Effect::Capabilities`] when the vendor's answer says so. The host acts on
//! them: it refuses, converts or passes on, and tells the app. An adapter
//! never pretends: what it declares `full` it must carry whole.
//!
//! [`Descriptor`]: crate::descriptor::Descriptor
//! [`Effect::Capabilities`]: crate::effect::Effect::Capabilities

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ids::GroupId,
    message::{Agent, ContentKind},
};

/// Where a session stands.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// The vendor has not taken it yet.
    #[default]
    Opening,
    /// A robot answers.
    Robot,
    /// Waiting for an agent.
    Queued,
    /// An agent answers.
    Human,
    /// Nobody is there; a message may be left if the provider can.
    Unattended,
    /// Over.
    Ended,
}

impl SessionState {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Robot => "robot",
            Self::Queued => "queued",
            Self::Human => "human",
            Self::Unattended => "unattended",
            Self::Ended => "ended",
        }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The visitor left, and leaving ends sessions at this provider.
    Visitor,
    /// An agent closed it.
    Agent,
    /// The robot closed it.
    Robot,
    /// Nobody said anything for too long.
    Idle,
    /// The visitor waited too long in the queue.
    QueueTimeout,
    /// The provider has blocked this visitor.
    Blocked,
    /// The provider could not open or keep it.
    ProviderError,
    /// It went on elsewhere.
    Transferred,
}

impl EndReason {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Agent => "agent",
            Self::Robot => "robot",
            Self::Idle => "idle",
            Self::QueueTimeout => "queue_timeout",
            Self::Blocked => "blocked",
            Self::ProviderError => "provider_error",
            Self::Transferred => "transferred",
        }
    }
}

/// How well a kind of content is carried.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Not at all: the app is told before anything is stored.
    #[default]
    Rejected,
    /// As text, with something lost; the log says so.
    Converted,
    /// Whole.
    Full,
}

/// Kind of content → how well it is carried. A kind that is missing is
/// rejected.
pub type Kinds = BTreeMap<ContentKind, Level>;

/// Everything a provider can do in a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Capabilities {
    /// What a visitor can send while a robot answers. Empty: no robot.
    pub robot: Kinds,
    /// What a visitor can send while an agent answers.
    pub human: Kinds,
    /// Whether a visitor can ask for a human (转人工).
    pub to_human: bool,
    /// Whether a session can return from an agent to the robot. No provider
    /// known can.
    pub back_to_robot: bool,
    /// Skill groups the visitor can choose from.
    pub groups: Vec<Group>,
    /// States besides `robot` and `human` in which messages are taken:
    /// `queued`, `unattended`.
    pub messages_while: Vec<SessionState>,
    /// Leaving a message (留言).
    pub leave_message: LeaveMessageRules,
    /// Rating (评价).
    pub evaluation: EvaluationRules,
    /// What a visitor's leaving does to the session.
    pub exit: Exit,
    /// How emoji of the vendor's agents arrive.
    pub emoji: EmojiForm,
    /// Forms of voice that the vendor takes where it takes voice whole, by
    /// their short names (`mp3`, `wav`, `amr`, `aac`, `m4a`, `ogg`, `webm`).
    /// Voice in another form is converted if the operator has set up a
    /// converter, and goes as a link otherwise. Empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub voice_formats: Vec<String>,
    /// Which profile fields the vendor takes; others are not sent to it.
    pub visitor_fields: Vec<String>,
}

impl Capabilities {
    /// Declares a kind for robot and agent alike.
    #[must_use]
    pub fn both(self, kind: ContentKind, level: Level) -> Self {
        self.robot(kind, level).human(kind, level)
    }

    /// Declares a kind for the time a robot answers.
    #[must_use]
    pub fn robot(mut self, kind: ContentKind, level: Level) -> Self {
        self.robot.insert(kind, level);
        self
    }

    /// Declares a kind for the time an agent answers.
    #[must_use]
    pub fn human(mut self, kind: ContentKind, level: Level) -> Self {
        self.human.insert(kind, level);
        self
    }

    /// Declares which forms of voice the vendor takes.
    #[must_use]
    pub fn voice_formats(mut self, formats: &[&str]) -> Self {
        self.voice_formats = formats.iter().map(|&format| format.to_owned()).collect();
        self
    }

    /// Whether the vendor takes voice of this form, where it takes voice.
    pub fn takes_voice(&self, format: &str) -> bool {
        let mut formats = self.voice_formats.iter();
        self.voice_formats.is_empty() || formats.any(|one| one.eq_ignore_ascii_case(format))
    }

    /// How well a kind is carried in a state. While waiting, what the agent
    /// will see decides.
    pub fn level(&self, state: SessionState, kind: ContentKind) -> Level {
        let kinds = match state {
            SessionState::Robot => &self.robot,
            SessionState::Human => &self.human,
            SessionState::Queued | SessionState::Unattended
                if self.messages_while.contains(&state) =>
            {
                &self.human
            }
            SessionState::Opening => {
                let level = |kinds: &Kinds| kinds.get(&kind).copied().unwrap_or_default();
                return level(&self.robot).max(level(&self.human));
            }
            SessionState::Queued | SessionState::Unattended | SessionState::Ended => {
                return Level::Rejected;
            }
        };
        kinds.get(&kind).copied().unwrap_or_default()
    }
}

/// A skill group (技能组).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// The vendor's id.
    pub id: GroupId,
    /// Name to show.
    pub name: String,
    /// Whether somebody is there.
    pub online: bool,
}

/// Whether and how a visitor can leave a message (留言).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LeaveMessageRules {
    /// Not at all, on a page of the vendor, or in a form of the app.
    pub kind: LeaveMessageKind,
    /// States in which it is offered: `unattended`, `queued`.
    pub when: Vec<SessionState>,
    /// The vendor's page, for kind `page`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The form's fields, for kind `form`.
    pub fields: Vec<FormField>,
}

/// How a message is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaveMessageKind {
    /// It cannot be.
    #[default]
    None,
    /// On a page of the vendor.
    Page,
    /// In a form that the app shows.
    Form,
}

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FormField {
    /// Key under which the value is sent.
    pub key: String,
    /// Caption.
    pub label: String,
    /// Whether it must be filled.
    #[serde(default)]
    pub required: bool,
    /// Whether it may have several lines.
    #[serde(default)]
    pub multiline: bool,
    /// What the value must look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// At most so many characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// What a form's value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// A telephone number.
    Phone,
    /// An e-mail address.
    Email,
}

/// Whether, when and how a session can be rated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EvaluationRules {
    /// Rating the robot.
    pub robot: RobotEvaluation,
    /// Rating the agent; absent where it cannot be rated.
    pub human: Option<HumanEvaluation>,
    /// The question to ask about the robot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub robot_prompt: Option<String>,
    /// Who may start a rating of the agent.
    pub by: Vec<EvaluationStart>,
    /// A rating at exit is asked for only after so many seconds with the
    /// provider.
    pub after_seconds: u64,
}

/// Rating the robot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RobotEvaluation {
    /// It cannot be rated.
    #[default]
    None,
    /// Solved: yes or no.
    YesNo,
}

/// What can be said about an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HumanEvaluation {
    /// One to five stars.
    pub stars: bool,
    /// Captions of one to five stars, worst first; empty or five.
    pub labels: Vec<String>,
    /// Whether "was it solved" is asked.
    pub resolved: bool,
    /// Tags to choose from.
    pub tags: Vec<String>,
    /// Whether a text may be added.
    pub comment: bool,
}

/// Who starts a rating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationStart {
    /// The visitor, at any time.
    Visitor,
    /// The agent, by an invitation.
    Agent,
    /// The gateway, when the visitor leaves or the agent ends the session.
    Exit,
}

/// What a visitor's leaving does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// The session ends at once.
    #[default]
    Ends,
    /// It stays open, and the agent may still write.
    Keeps,
}

/// How emoji arrive from the vendor's agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmojiForm {
    /// As Unicode.
    #[default]
    Native,
    /// As short codes or pictures, shown as text.
    Text,
}

/// What an app shows around a session; the vendor's returned conditions
/// (返回的配置条件) that are not capabilities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SessionConfig {
    /// The company behind the desk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<Badge>,
    /// The robot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub robot: Option<Badge>,
    /// A notice bar (通告).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// Reminders when nobody says anything.
    pub idle: IdleReminders,
    /// Whether the provider has blocked this visitor.
    pub blocked: bool,
}

/// A name with a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Badge {
    /// Name to show.
    pub name: String,
    /// Picture to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
}

/// A line of text above the conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// The text.
    pub text: String,
    /// What a click opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Reminders of both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IdleReminders {
    /// Shown when the visitor stays silent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor: Option<IdleReminder>,
    /// Shown when the agent stays silent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<IdleReminder>,
}

/// One reminder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdleReminder {
    /// Silence before it is shown, in seconds.
    pub after_seconds: u64,
    /// What is shown.
    pub text: String,
}

/// A place in the vendor's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Queue {
    /// The visitor's place, counted from 1.
    pub position: u32,
    /// How many are before the visitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u32>,
    /// The vendor's estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
}

/// What happened to an agent in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentChange {
    /// Took the session.
    Joined,
    /// Left it.
    Left,
    /// Took it over from another.
    Transferred,
}

/// Who is rated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationTarget {
    /// The robot.
    Robot,
    /// The agent.
    Human,
}

/// A visitor's rating.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evaluation {
    /// Who is rated.
    pub target: EvaluationTarget,
    /// Whether the matter was solved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<bool>,
    /// One to five.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stars: Option<u8>,
    /// Chosen tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it answers an invitation.
    #[serde(default)]
    pub invited: bool,
}

/// Who talks to whom, for one line in a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentEvent {
    /// What happened.
    pub event: AgentChange,
    /// To whom.
    pub agent: Agent,
}
