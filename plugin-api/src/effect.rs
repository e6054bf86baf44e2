//! Everything an adapter may ask the host to do.
//!
//! Effects are carried out in order after the turn is durable. Their results
//! come back as events, never as return values. A transition that the state
//! machine does not allow is a fault of the adapter and fails the turn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    capability::{
        AgentChange, Capabilities, EndReason, EvaluationTarget, HumanEvaluation, LeaveMessageRules,
        Queue, SessionConfig, SessionState,
    },
    event::ProviderEvent,
    http::HttpRequest,
    ids::{CallId, MessageId, TimerId},
    message::{Agent, Content, Incoming, MessageStatus, Sender, SenderKind},
    secret::{Secret, exposed},
};

/// What the host shall do. Tagged by `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// Send a request to the vendor, after everything this session asked for
    /// earlier. Its end comes back as `CallFinished`.
    Call {
        /// What to send.
        call: Call,
    },
    /// Show the visitor a message.
    Deliver {
        /// The message.
        message: Incoming,
    },
    /// Move the session. The first move out of `opening` means that the
    /// vendor has taken the session.
    SetState {
        /// Where to.
        state: SessionState,
        /// With whom, for `human`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<Agent>,
        /// Why, in the vendor's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Tell the visitor the place in the queue.
    Queue {
        /// Which.
        queue: Queue,
    },
    /// Tell the visitor about an agent. `joined` also moves a waiting session
    /// to `human`.
    Agent {
        /// What happened.
        event: AgentChange,
        /// To whom.
        agent: Agent,
    },
    /// Invite the visitor to rate.
    Invite {
        /// Whom.
        target: EvaluationTarget,
        /// With what form, where it differs from the capabilities.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        form: Option<HumanEvaluation>,
    },
    /// Offer the visitor to leave a message.
    OfferLeaveMessage {
        /// How, where it differs from the capabilities.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        form: Option<LeaveMessageRules>,
    },
    /// Replace the session's capabilities, its config, or both.
    Capabilities {
        /// All of them as they are now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capabilities: Option<Box<Capabilities>>,
        /// All of it as it is now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        config: Option<SessionConfig>,
    },
    /// Say how far a visitor's message got.
    Status {
        /// Which.
        message: MessageId,
        /// How far.
        status: MessageStatus,
        /// In words, where it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Take a message from the desk back.
    Recall {
        /// The vendor's id of the message.
        vendor_id: String,
    },
    /// Show that somebody at the desk is typing. Not stored.
    Typing {},
    /// Fire a timer once. The same id replaces.
    SetTimer {
        /// Which.
        timer: TimerId,
        /// From now, in milliseconds.
        after_ms: u64,
    },
    /// Forget a timer; nothing happens if there is none.
    CancelTimer {
        /// Which.
        timer: TimerId,
    },
    /// Remember the vendor's own id of this session: callbacks that carry it
    /// find this session and no later one of the same visitor.
    Name {
        /// The vendor's id.
        vendor_session: String,
    },
    /// Keep a token. Only in the provider's scope.
    Token {
        /// Its name in the descriptor.
        name: String,
        /// The token.
        #[serde(with = "exposed")]
        #[schemars(with = "Secret")]
        value: Secret,
        /// How long the vendor honours it.
        expires_in_seconds: u64,
    },
    /// The vendor did not accept the token: renew it once for everybody and
    /// repeat this call once. Only in answer to `CallFinished`, and alone.
    TokenRejected {
        /// Its name in the descriptor.
        name: String,
    },
    /// Send the call in this form, once. Only in answer to `PrepareAttempt`.
    /// Never stored.
    Attempt {
        /// What to send.
        request: HttpRequest,
    },
    /// End the session. Calls asked for before are still sent.
    Close {
        /// Why.
        reason: EndReason,
    },
}

impl Effect {
    /// Calls the vendor once or more often: the vendor drops repeats, or a
    /// repeat does no harm.
    pub fn call(id: impl Into<CallId>, request: HttpRequest) -> Self {
        Self::Call {
            call: Call::new(id, request).repeatable(),
        }
    }

    /// Moves the session.
    pub fn state(state: SessionState) -> Self {
        Self::SetState {
            state,
            agent: None,
            reason: None,
        }
    }

    /// Shows a message from the desk.
    pub fn deliver(message: Incoming) -> Self {
        Self::Deliver { message }
    }

    /// Shows a line of the robot.
    pub fn robot_says(text: impl Into<String>) -> Self {
        Self::deliver(Incoming::new(
            Sender::of(SenderKind::Robot),
            Content::text(text),
        ))
    }

    /// Says that the vendor took a visitor's message.
    pub fn delivered(message: MessageId) -> Self {
        Self::Status {
            message,
            status: MessageStatus::Delivered,
            detail: None,
        }
    }

    /// Says that a visitor's message was lost, and why.
    pub fn failed(message: MessageId, detail: impl Into<String>) -> Self {
        Self::Status {
            message,
            status: MessageStatus::Failed,
            detail: Some(detail.into()),
        }
    }

    /// The plain translation of what a vendor told: what an adapter without a
    /// rule of its own answers to [`Event::FromProvider`](crate::event::Event::FromProvider).
    pub fn from_provider(event: ProviderEvent) -> Vec<Self> {
        match event {
            ProviderEvent::Message { message } => vec![Self::Deliver { message }],
            ProviderEvent::State { state, agent } => vec![Self::SetState {
                state,
                agent,
                reason: None,
            }],
            ProviderEvent::Queue { queue } => vec![Self::Queue { queue }],
            ProviderEvent::Agent { agent } => vec![Self::Agent {
                event: AgentChange::Joined,
                agent,
            }],
            ProviderEvent::NoAgent {} => {
                vec![
                    Self::state(SessionState::Unattended),
                    Self::OfferLeaveMessage { form: None },
                ]
            }
            ProviderEvent::EvaluationInvited { target, form } => {
                vec![Self::Invite { target, form }]
            }
            ProviderEvent::Recalled { vendor_id } => vec![Self::Recall { vendor_id }],
            ProviderEvent::Transferred { agent } => {
                vec![Self::Agent {
                    event: AgentChange::Transferred,
                    agent,
                }]
            }
            ProviderEvent::Ended { reason } => vec![Self::Close { reason }],
            ProviderEvent::Capabilities {
                capabilities,
                config,
            } => {
                vec![Self::Capabilities {
                    capabilities: Some(capabilities),
                    config,
                }]
            }
            ProviderEvent::Notice { text } => vec![Self::deliver(Incoming::new(
                Sender::of(SenderKind::System),
                Content::text(text),
            ))],
            ProviderEvent::Typing {} => vec![Self::Typing {}],
            ProviderEvent::Read {
                message: Some(message),
            } => {
                vec![Self::Status {
                    message,
                    status: MessageStatus::Read,
                    detail: None,
                }]
            }
            ProviderEvent::Read { message: None }
            | ProviderEvent::Other { .. }
            | ProviderEvent::Unknown => Vec::new(),
        }
    }
}

/// A request with its rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Call {
    /// By which its end is recognised. Unique among this session's open calls.
    pub id: CallId,
    /// What to send.
    pub request: HttpRequest,
    /// Whether the same call may reach the vendor twice without harm. If not,
    /// it is repeated only when it surely did not reach the vendor.
    #[serde(default)]
    pub repeatable: bool,
    /// The visitor's message that it carries: the host tells its fate when the
    /// call fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// How long to keep trying, from the turn that asked for it. Absent: the
    /// provider's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Whether each attempt goes through `PrepareAttempt` first.
    #[serde(default)]
    pub prepare: bool,
}

impl Call {
    /// A call that must not reach the vendor twice.
    pub fn new(id: impl Into<CallId>, request: HttpRequest) -> Self {
        Self {
            id: id.into(),
            request,
            repeatable: false,
            message: None,
            deadline_ms: None,
            prepare: false,
        }
    }

    /// The same call, free to be repeated.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// The same call, carrying a visitor's message.
    #[must_use]
    pub fn carrying(mut self, message: MessageId) -> Self {
        self.message = Some(message);
        self
    }

    /// The same call, given up after a while.
    #[must_use]
    pub fn within_ms(mut self, deadline_ms: u64) -> Self {
        self.deadline_ms = Some(deadline_ms);
        self
    }
}

impl From<Call> for Effect {
    fn from(call: Call) -> Self {
        Self::Call { call }
    }
}
