//! One value of every kind that crosses the boundary.
//!
//! Owns the samples behind the golden files of the wire, the conformance
//! suite and anybody's own tests. Each variant comes with everything filled in
//! and, where fields are optional, once more without them (`…_bare`).
//! Invariant: a variant without a sample does not compile here.

mod http;
mod values;

use std::collections::BTreeMap;

use serde_json::json;

use self::{
    http::request,
    values::{agent, client, config, human_evaluation, incoming, message, queue, visitor},
};
pub use self::{
    http::{call_results, callback, dedupes, errors, open_error, parts, receipt, rejects, stamps},
    values::{capabilities, conditional_descriptor, contents, descriptor, view},
};
use crate::{
    capability::{AgentChange, EndReason, Evaluation, EvaluationTarget, SessionState},
    effect::{Call, Effect},
    event::{CallResult, Client, Event, ProviderEvent, Visitor},
    http::{HttpRequest, HttpResponse},
    message::{Content, Incoming, MessageStatus, Sender, SenderKind},
    time::Timestamp,
};

/// A sample with its name.
pub type Named<T> = (&'static str, T);

/// Every event.
pub fn events() -> Vec<Named<Event>> {
    let samples = vec![
        (
            "opened",
            Event::Opened {
                visitor: visitor(),
                client: client(),
                group: Some("service".into()),
            },
        ),
        (
            "opened_bare",
            Event::Opened {
                visitor: Visitor::default(),
                client: Client::default(),
                group: None,
            },
        ),
        ("from_visitor", Event::FromVisitor { message: message() }),
        (
            "human_requested",
            Event::HumanRequested {
                group: Some("service".into()),
            },
        ),
        (
            "human_requested_bare",
            Event::HumanRequested { group: None },
        ),
        (
            "evaluated",
            Event::Evaluated {
                evaluation: Evaluation {
                    target: EvaluationTarget::Human,
                    resolved: Some(true),
                    stars: Some(5),
                    tags: vec!["quick".into()],
                    comment: Some("谢谢".into()),
                    invited: true,
                },
            },
        ),
        (
            "evaluated_bare",
            Event::Evaluated {
                evaluation: Evaluation {
                    target: EvaluationTarget::Robot,
                    resolved: None,
                    stars: None,
                    tags: Vec::new(),
                    comment: None,
                    invited: false,
                },
            },
        ),
        (
            "leave_message",
            Event::LeaveMessage {
                fields: BTreeMap::from([("phone".into(), "13800000000".into())]),
            },
        ),
        ("exited", Event::Exited {}),
        ("typing", Event::Typing {}),
        (
            "read",
            Event::Read {
                message: "message-1".into(),
            },
        ),
        (
            "profile_changed",
            Event::ProfileChanged { visitor: visitor() },
        ),
        (
            "from_provider",
            Event::FromProvider {
                event: ProviderEvent::Notice {
                    text: "the desk closes at six".into(),
                },
            },
        ),
        (
            "call_finished",
            Event::CallFinished {
                call: "send-1".into(),
                result: CallResult::Answered {
                    response: HttpResponse {
                        status: 200,
                        headers: vec![("content-type".into(), "application/json".into())],
                        body: br#"{"ok":true}"#.to_vec(),
                    },
                },
                token_renewed: true,
            },
        ),
        (
            "prepare_attempt",
            Event::PrepareAttempt {
                call: "send-1".into(),
                request: request(),
                attempt: 2,
            },
        ),
        (
            "token_needed",
            Event::TokenNeeded {
                name: "access".into(),
            },
        ),
        ("probe", Event::Probe {}),
        (
            "timer_fired",
            Event::TimerFired {
                timer: "poll".into(),
            },
        ),
        (
            "closing",
            Event::Closing {
                reason: EndReason::Idle,
            },
        ),
        ("unknown", Event::Unknown),
    ];
    for (_, sample) in &samples {
        // A new variant needs a sample above and an arm here.
        match sample {
            Event::Opened { .. }
            | Event::FromVisitor { .. }
            | Event::HumanRequested { .. }
            | Event::Evaluated { .. }
            | Event::LeaveMessage { .. }
            | Event::Exited {}
            | Event::Typing {}
            | Event::Read { .. }
            | Event::ProfileChanged { .. }
            | Event::FromProvider { .. }
            | Event::CallFinished { .. }
            | Event::PrepareAttempt { .. }
            | Event::TokenNeeded { .. }
            | Event::Probe {}
            | Event::TimerFired { .. }
            | Event::Closing { .. }
            | Event::Unknown => {}
        }
    }
    samples
}

/// Every event of a vendor.
pub fn provider_events() -> Vec<Named<ProviderEvent>> {
    let samples = vec![
        (
            "message",
            ProviderEvent::Message {
                message: incoming(),
            },
        ),
        (
            "state",
            ProviderEvent::State {
                state: SessionState::Human,
                agent: Some(agent()),
            },
        ),
        (
            "state_bare",
            ProviderEvent::State {
                state: SessionState::Queued,
                agent: None,
            },
        ),
        ("queue", ProviderEvent::Queue { queue: queue() }),
        ("agent", ProviderEvent::Agent { agent: agent() }),
        ("no_agent", ProviderEvent::NoAgent {}),
        (
            "evaluation_invited",
            ProviderEvent::EvaluationInvited {
                target: EvaluationTarget::Human,
                form: Some(human_evaluation()),
            },
        ),
        (
            "evaluation_invited_bare",
            ProviderEvent::EvaluationInvited {
                target: EvaluationTarget::Robot,
                form: None,
            },
        ),
        (
            "recalled",
            ProviderEvent::Recalled {
                vendor_id: "V-1".into(),
            },
        ),
        ("transferred", ProviderEvent::Transferred { agent: agent() }),
        (
            "ended",
            ProviderEvent::Ended {
                reason: EndReason::Agent,
            },
        ),
        (
            "capabilities",
            ProviderEvent::Capabilities {
                capabilities: Box::new(capabilities()),
                config: Some(config()),
            },
        ),
        (
            "capabilities_bare",
            ProviderEvent::Capabilities {
                capabilities: Box::default(),
                config: None,
            },
        ),
        (
            "notice",
            ProviderEvent::Notice {
                text: "the desk closes at six".into(),
            },
        ),
        ("typing", ProviderEvent::Typing {}),
        (
            "read",
            ProviderEvent::Read {
                message: Some("message-1".into()),
            },
        ),
        ("read_bare", ProviderEvent::Read { message: None }),
        (
            "other",
            ProviderEvent::Other {
                name: "order_paid".into(),
                data: json!({"order": "42", "cents": 1999}),
            },
        ),
        ("unknown", ProviderEvent::Unknown),
    ];
    for (_, sample) in &samples {
        match sample {
            ProviderEvent::Message { .. }
            | ProviderEvent::State { .. }
            | ProviderEvent::Queue { .. }
            | ProviderEvent::Agent { .. }
            | ProviderEvent::NoAgent {}
            | ProviderEvent::EvaluationInvited { .. }
            | ProviderEvent::Recalled { .. }
            | ProviderEvent::Transferred { .. }
            | ProviderEvent::Ended { .. }
            | ProviderEvent::Capabilities { .. }
            | ProviderEvent::Notice { .. }
            | ProviderEvent::Typing {}
            | ProviderEvent::Read { .. }
            | ProviderEvent::Other { .. }
            | ProviderEvent::Unknown => {}
        }
    }
    samples
}

/// Every effect.
pub fn effects() -> Vec<Named<Effect>> {
    let samples = vec![
        (
            "call",
            Effect::Call {
                call: Call {
                    deadline_ms: Some(30_000),
                    prepare: true,
                    ..Call::new("send-1", request())
                        .repeatable()
                        .carrying("message-1".into())
                },
            },
        ),
        (
            "call_bare",
            Effect::Call {
                call: Call::new("send-2", HttpRequest::get("https://vendor.example/")),
            },
        ),
        (
            "deliver",
            Effect::Deliver {
                message: incoming(),
            },
        ),
        (
            "deliver_bare",
            Effect::deliver(Incoming::new(
                Sender::of(SenderKind::System),
                Content::text("welcome"),
            )),
        ),
        (
            "set_state",
            Effect::SetState {
                state: SessionState::Human,
                agent: Some(agent()),
                reason: Some("assigned".into()),
            },
        ),
        ("set_state_bare", Effect::state(SessionState::Robot)),
        ("queue", Effect::Queue { queue: queue() }),
        (
            "agent",
            Effect::Agent {
                event: AgentChange::Joined,
                agent: agent(),
            },
        ),
        (
            "invite",
            Effect::Invite {
                target: EvaluationTarget::Human,
                form: Some(human_evaluation()),
            },
        ),
        (
            "invite_bare",
            Effect::Invite {
                target: EvaluationTarget::Robot,
                form: None,
            },
        ),
        (
            "offer_leave_message",
            Effect::OfferLeaveMessage {
                form: Some(capabilities().leave_message),
            },
        ),
        (
            "offer_leave_message_bare",
            Effect::OfferLeaveMessage { form: None },
        ),
        (
            "capabilities",
            Effect::Capabilities {
                capabilities: Some(Box::new(capabilities())),
                config: Some(config()),
            },
        ),
        (
            "capabilities_bare",
            Effect::Capabilities {
                capabilities: None,
                config: None,
            },
        ),
        (
            "status",
            Effect::Status {
                message: "message-1".into(),
                status: MessageStatus::Failed,
                detail: Some("too long for the vendor".into()),
            },
        ),
        ("status_bare", Effect::delivered("message-1".into())),
        (
            "recall",
            Effect::Recall {
                vendor_id: "V-1".into(),
            },
        ),
        ("typing", Effect::Typing {}),
        (
            "set_timer",
            Effect::SetTimer {
                timer: "poll".into(),
                after_ms: 1_500,
            },
        ),
        (
            "cancel_timer",
            Effect::CancelTimer {
                timer: "poll".into(),
            },
        ),
        (
            "name",
            Effect::Name {
                vendor_session: "S-1001".into(),
            },
        ),
        (
            "token",
            Effect::Token {
                name: "access".into(),
                value: "a-token-of-the-vendor".into(),
                expires_in_seconds: 86_400,
            },
        ),
        (
            "token_rejected",
            Effect::TokenRejected {
                name: "access".into(),
            },
        ),
        ("attempt", Effect::Attempt { request: request() }),
        (
            "close",
            Effect::Close {
                reason: EndReason::Visitor,
            },
        ),
    ];
    for (_, sample) in &samples {
        match sample {
            Effect::Call { .. }
            | Effect::Deliver { .. }
            | Effect::SetState { .. }
            | Effect::Queue { .. }
            | Effect::Agent { .. }
            | Effect::Invite { .. }
            | Effect::OfferLeaveMessage { .. }
            | Effect::Capabilities { .. }
            | Effect::Status { .. }
            | Effect::Recall { .. }
            | Effect::Typing {}
            | Effect::SetTimer { .. }
            | Effect::CancelTimer { .. }
            | Effect::Name { .. }
            | Effect::Token { .. }
            | Effect::TokenRejected { .. }
            | Effect::Attempt { .. }
            | Effect::Close { .. } => {}
        }
    }
    samples
}

const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_042);
