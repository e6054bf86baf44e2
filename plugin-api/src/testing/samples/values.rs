//! What sessions, people, messages and capabilities are made of.

use std::collections::BTreeMap;

use serde_json::json;

use super::{NOW, Named};
use crate::{
    capability::{
        Badge, Capabilities, EmojiForm, EvaluationRules, EvaluationStart, Exit, FormField, Group,
        HumanEvaluation, IdleReminder, IdleReminders, LeaveMessageKind, LeaveMessageRules, Level,
        Notice, Queue, RobotEvaluation, SessionConfig, SessionState, Verify,
    },
    descriptor::{Descriptor, KeyedBy},
    event::{Client, Visitor},
    message::{Agent, Content, ContentKind, Incoming, Message, Sender},
    session::{Scope, SessionView},
};

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

/// An adapter whose capabilities depend on vendor and settings.
pub fn conditional_descriptor() -> Descriptor {
    descriptor()
        .decided_by_vendor(&["/human/location", "/evaluation/by/visitor"])
        .decided_by_setting("/evaluation/after_seconds", "rate_after_seconds")
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

pub(super) fn human_evaluation() -> HumanEvaluation {
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

pub(super) fn config() -> SessionConfig {
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

pub(super) fn visitor() -> Visitor {
    Visitor {
        id: "visitor-1".into(),
        name: Some("小明".into()),
        portrait: Some("https://app.example/p".into()),
        fields: BTreeMap::from([("nick_name".into(), "Ming".into())]),
        custom: BTreeMap::from([("vip".into(), json!({"level": 3}))]),
    }
}

pub(super) fn client() -> Client {
    Client {
        platform: Some("ios".into()),
        app_version: Some("2.8.16".into()),
        channel: Some("appstore".into()),
    }
}

pub(super) fn message() -> Message {
    Message {
        id: "message-1".into(),
        content: Content::text("hello"),
        converted_from: Some(ContentKind::Location),
    }
}

pub(super) fn incoming() -> Incoming {
    Incoming {
        suggestions: vec!["opening hours".into()],
        ..Incoming::new(Sender::agent(agent()), Content::text("hi")).with_vendor_id("V-1")
    }
}

pub(super) fn agent() -> Agent {
    Agent {
        id: Some("1001".into()),
        name: Some("小红".into()),
        portrait: Some("https://vendor.example/1001".into()),
    }
}

pub(super) fn queue() -> Queue {
    Queue {
        position: 3,
        ahead: Some(2),
        eta_seconds: Some(90),
    }
}
