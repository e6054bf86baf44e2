//! One value of every kind that crosses the boundary.
//!
//! Owns the samples behind the golden files of the wire, the conformance
//! suite and anybody's own tests. Each variant comes with everything filled in
//! and, where fields are optional, once more without them (`…_bare`).
//! Invariant: a variant without a sample does not compile here.

use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::json;

use crate::{
    adapter::{Dedupe, Receipt, Received},
    capability::{
        AgentChange, Badge, Capabilities, EmojiForm, EndReason, Evaluation, EvaluationRules,
        EvaluationStart, EvaluationTarget, Exit, FormField, Group, HumanEvaluation, IdleReminder,
        IdleReminders, LeaveMessageKind, LeaveMessageRules, Level, Notice, Queue, RobotEvaluation,
        SessionConfig, SessionState, Verify,
    },
    descriptor::{Descriptor, KeyedBy},
    effect::{Call, Effect},
    error::{AdapterError, FaultKind, OpenError, Reject},
    event::{CallResult, Client, Event, ProviderEvent, Visitor},
    http::{
        Algorithm, Callback, Encoding, HttpRequest, HttpResponse, Part, Place, Stamp, TimeUnit,
    },
    message::{Agent, Content, ContentKind, Incoming, Message, MessageStatus, Sender, SenderKind},
    session::{Scope, SessionView},
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

/// Every kind of content.
pub fn contents() -> Vec<Named<Content>> {
    let url = "https://media.example/1";
    let samples = vec![
        ("text", Content::text("你好 👋")),
        (
            "image",
            Content::Image {
                url: url.into(),
                thumbnail: Some(format!("{url}/small")),
                width: Some(640),
                height: Some(480),
            },
        ),
        (
            "image_bare",
            Content::Image {
                url: url.into(),
                thumbnail: None,
                width: None,
                height: None,
            },
        ),
        (
            "voice",
            Content::Voice {
                url: url.into(),
                duration_ms: 1_500,
                format: "amr".into(),
            },
        ),
        (
            "location",
            Content::Location {
                latitude: 39.9087,
                longitude: 116.3975,
                label: "天安门".into(),
            },
        ),
        (
            "rich",
            Content::Rich {
                title: "Order 42".into(),
                summary: "on its way".into(),
                image_url: Some(url.into()),
                url: "https://shop.example/42".into(),
            },
        ),
        (
            "rich_bare",
            Content::Rich {
                title: "Order 42".into(),
                summary: String::new(),
                image_url: None,
                url: "https://shop.example/42".into(),
            },
        ),
        (
            "video",
            Content::Video {
                url: url.into(),
                duration_ms: 9_000,
                thumbnail: Some(format!("{url}/still")),
            },
        ),
        (
            "file",
            Content::File {
                url: url.into(),
                name: "invoice.pdf".into(),
                size: 5_000_000_000,
            },
        ),
        (
            "emoji",
            Content::Emoji {
                code: "[wx_smile]".into(),
                text: "🙂".into(),
            },
        ),
        (
            "custom",
            Content::Custom {
                name: "product".into(),
                payload: json!({"sku": "A-1", "price": 19.99, "tags": ["new", null, true]}),
                fallback_text: "Product A-1".into(),
            },
        ),
        ("unknown", Content::Unknown),
    ];
    for (_, sample) in &samples {
        match sample {
            Content::Text { .. }
            | Content::Image { .. }
            | Content::Voice { .. }
            | Content::Location { .. }
            | Content::Rich { .. }
            | Content::Video { .. }
            | Content::File { .. }
            | Content::Emoji { .. }
            | Content::Custom { .. }
            | Content::Unknown => {}
        }
    }
    samples
}

/// Every end of a call.
pub fn call_results() -> Vec<Named<CallResult>> {
    let samples = vec![
        (
            "answered",
            CallResult::Answered {
                response: HttpResponse {
                    status: 502,
                    headers: Vec::new(),
                    body: vec![0, 159, 146, 150, 255],
                },
            },
        ),
        (
            "not_sent",
            CallResult::NotSent {
                detail: "connection refused".into(),
            },
        ),
        (
            "unknown",
            CallResult::Unknown {
                detail: "no answer within 10 s".into(),
            },
        ),
    ];
    for (_, sample) in &samples {
        match sample {
            CallResult::Answered { .. }
            | CallResult::NotSent { .. }
            | CallResult::Unknown { .. } => {}
        }
    }
    samples
}

/// Every stamp, with every part, place, unit, algorithm and encoding.
pub fn stamps() -> Vec<Named<Stamp>> {
    let samples = vec![
        (
            "token",
            Stamp::Token {
                name: "access".into(),
                place: Place::header("authorization"),
                prefix: "Bearer ".into(),
            },
        ),
        (
            "secret",
            Stamp::Secret {
                setting: "app_key".into(),
                place: Place::query("key"),
            },
        ),
        (
            "time",
            Stamp::Time {
                unit: TimeUnit::Milliseconds,
                place: Place::header("timestamp"),
            },
        ),
        (
            "nonce",
            Stamp::Nonce {
                place: Place::header("nonce"),
            },
        ),
        (
            "digest",
            Stamp::Digest {
                algorithm: Algorithm::HmacSha256,
                key: Some("app_key".into()),
                parts: parts(),
                encoding: Encoding::Base64,
                place: Place::header("signature"),
            },
        ),
        (
            "digest_bare",
            Stamp::Digest {
                algorithm: Algorithm::Md5,
                key: None,
                parts: Vec::new(),
                encoding: Encoding::Hex,
                place: Place::query("sign"),
            },
        ),
        (
            "standard_webhooks",
            Stamp::StandardWebhooks {
                setting: "secret".into(),
            },
        ),
    ];
    for (_, sample) in &samples {
        match sample {
            Stamp::Token { .. }
            | Stamp::Secret { .. }
            | Stamp::Time { .. }
            | Stamp::Nonce { .. }
            | Stamp::Digest { .. }
            | Stamp::StandardWebhooks { .. } => {}
        }
    }
    samples
}

/// Every part of a digest.
pub fn parts() -> Vec<Part> {
    let samples = vec![
        Part::Text {
            text: "app-1".into(),
        },
        Part::Secret {
            setting: "app_key".into(),
        },
        Part::Time {
            unit: TimeUnit::Seconds,
        },
        Part::Nonce {},
        Part::Body {},
        Part::BodyDigest {
            algorithm: Algorithm::Sha256,
        },
        Part::BodyDigest {
            algorithm: Algorithm::Sha1,
        },
    ];
    for sample in &samples {
        match sample {
            Part::Text { .. }
            | Part::Secret { .. }
            | Part::Time { .. }
            | Part::Nonce {}
            | Part::Body {}
            | Part::BodyDigest { .. } => {}
        }
    }
    samples
}

/// Every dedupe rule.
pub fn dedupes() -> Vec<Named<Dedupe>> {
    let samples = vec![
        ("key", Dedupe::Key { key: "E-1".into() }),
        ("body", Dedupe::Body { within_seconds: 60 }),
        (
            "unkeyable",
            Dedupe::Unkeyable {
                reason: "the vendor gives typing no id".into(),
            },
        ),
    ];
    for (_, sample) in &samples {
        match sample {
            Dedupe::Key { .. } | Dedupe::Body { .. } | Dedupe::Unkeyable { .. } => {}
        }
    }
    samples
}

/// Every refusal of a callback.
pub fn rejects() -> Vec<Named<Reject>> {
    let samples = vec![
        ("unauthenticated", Reject::unauthenticated("no signature")),
        ("malformed", Reject::malformed("expected value at line 1")),
    ];
    for (_, sample) in &samples {
        match sample {
            Reject::Unauthenticated { .. } | Reject::Malformed { .. } => {}
        }
    }
    samples
}

/// Every kind of failed turn.
pub fn errors() -> Vec<Named<AdapterError>> {
    let kinds = [
        ("vendor", FaultKind::Vendor),
        ("internal", FaultKind::Internal),
        ("panic", FaultKind::Panic),
        ("state", FaultKind::State),
        ("wire", FaultKind::Wire),
        ("closed", FaultKind::Closed),
        ("unknown", FaultKind::Unknown),
    ];
    let named = kinds.map(|(name, kind)| {
        match kind {
            FaultKind::Vendor
            | FaultKind::Internal
            | FaultKind::Panic
            | FaultKind::State
            | FaultKind::Wire
            | FaultKind::Closed
            | FaultKind::Unknown => {}
        }
        let detail = format!("an example of {name}");
        (name, AdapterError { kind, detail })
    });
    named.into()
}

/// Settings that cannot be used.
pub fn open_error() -> OpenError {
    OpenError::setting("base_url", "`ftp://x` must be an http or https URL")
}

/// A callback with everything in it.
pub fn callback() -> Callback {
    Callback {
        method: "POST".into(),
        path: "/secret-segment".into(),
        query: "a=1&b=%20".into(),
        headers: vec![("x-key".into(), "k".into())],
        body: vec![b'{', 0, 255, b'}'],
        peer: Some(SocketAddr::from(([203, 0, 113, 7], 443)).into()),
        received_at: NOW,
    }
}

/// What a callback may mean, with every dedupe rule.
pub fn receipt() -> Receipt {
    let events = dedupes().into_iter().map(|(_, dedupe)| Received {
        conversation: "conversation-1".into(),
        vendor_session: Some("S-1001".into()),
        dedupe,
        event: ProviderEvent::Typing {},
    });
    Receipt {
        events: events.collect(),
        ..Receipt::json(&json!({"code": 0}))
    }
}

/// A session, told whole.
pub fn view() -> SessionView {
    SessionView {
        scope: Scope::Session,
        id: "session-1".into(),
        provider: "provider".into(),
        app: "demo".into(),
        desk: "support".into(),
        visitor: "visitor-1".into(),
        client: client(),
        conversation: "conversation-1".into(),
        vendor_session: Some("S-1001".into()),
        standing: SessionState::Human,
        now: NOW,
        seed: 7,
        callback_url: "https://gateway.example/v1/callbacks/provider".into(),
    }
}

/// An adapter that declares something of everything.
pub fn descriptor() -> Descriptor {
    Descriptor::new("sample", "1.2.3")
        .with_capabilities(capabilities())
        .reaches_setting("base_url")
        .keeps_token("access", &["app_id", "app_key"])
        .callbacks(KeyedBy::Visitor, "Standard Webhooks")
}

/// Capabilities with nothing left at its default.
pub fn capabilities() -> Capabilities {
    let kinds = ContentKind::ALL
        .into_iter()
        .fold(Capabilities::default(), |kinds, kind| {
            kinds.robot(kind, Level::Converted).human(kind, Level::Full)
        })
        .both(ContentKind::Custom, Level::Rejected);
    Capabilities {
        to_human: true,
        back_to_robot: true,
        groups: vec![Group {
            id: "service".into(),
            name: "售后".into(),
            online: true,
        }],
        messages_while: vec![SessionState::Queued, SessionState::Unattended],
        leave_message: LeaveMessageRules {
            kind: LeaveMessageKind::Form,
            when: vec![SessionState::Unattended],
            url: Some("https://vendor.example/leave".into()),
            fields: vec![FormField {
                key: "phone".into(),
                label: "电话".into(),
                required: true,
                multiline: true,
                verify: Some(Verify::Phone),
                max: Some(11),
            }],
        },
        evaluation: EvaluationRules {
            robot: RobotEvaluation::YesNo,
            human: Some(human_evaluation()),
            robot_prompt: Some("Did that help?".into()),
            by: vec![
                EvaluationStart::Visitor,
                EvaluationStart::Agent,
                EvaluationStart::Exit,
            ],
            after_seconds: 60,
        },
        exit: Exit::Keeps,
        emoji: EmojiForm::Text,
        visitor_fields: vec!["nick_name".into()],
        ..kinds
    }
}

fn human_evaluation() -> HumanEvaluation {
    HumanEvaluation {
        stars: true,
        labels: ["bad", "poor", "fair", "good", "great"]
            .map(str::to_owned)
            .into(),
        resolved: true,
        tags: vec!["quick".into()],
        comment: true,
    }
}

fn config() -> SessionConfig {
    let reminder = |after_seconds| {
        Some(IdleReminder {
            after_seconds,
            text: "still there?".into(),
        })
    };
    SessionConfig {
        company: Some(Badge {
            name: "Acme".into(),
            icon: Some("https://acme.example/icon".into()),
        }),
        robot: Some(Badge {
            name: "小助手".into(),
            icon: None,
        }),
        notice: Some(Notice {
            text: "holiday hours".into(),
            url: Some("https://acme.example/hours".into()),
        }),
        idle: IdleReminders {
            visitor: reminder(300),
            agent: reminder(600),
        },
        blocked: true,
    }
}

fn visitor() -> Visitor {
    Visitor {
        id: "visitor-1".into(),
        name: Some("小明".into()),
        portrait: Some("https://app.example/p".into()),
        fields: BTreeMap::from([("nick_name".into(), "Ming".into())]),
        custom: BTreeMap::from([("vip".into(), json!({"level": 3}))]),
    }
}

fn client() -> Client {
    Client {
        platform: Some("ios".into()),
        app_version: Some("2.8.16".into()),
        channel: Some("appstore".into()),
    }
}

fn message() -> Message {
    Message {
        id: "message-1".into(),
        content: Content::text("hello"),
        converted_from: Some(ContentKind::Location),
    }
}

fn incoming() -> Incoming {
    Incoming {
        suggestions: vec!["opening hours".into()],
        ..Incoming::new(Sender::agent(agent()), Content::text("hi")).with_vendor_id("V-1")
    }
}

fn agent() -> Agent {
    Agent {
        id: Some("1001".into()),
        name: Some("小红".into()),
        portrait: Some("https://vendor.example/1001".into()),
    }
}

fn queue() -> Queue {
    Queue {
        position: 3,
        ahead: Some(2),
        eta_seconds: Some(90),
    }
}

fn request() -> HttpRequest {
    stamps().into_iter().fold(
        HttpRequest::post_json("https://vendor.example/send", &json!({"text": "hello"}))
            .with_header("X-Trace", "1"),
        |request, (_, stamp)| request.with_stamp(stamp),
    )
}

const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_042);
