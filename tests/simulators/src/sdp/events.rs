//! What is pushed: SDP/1 events, and the objects that replies share with them.
//!
//! Owns the wording of events, config, queue and agent objects. Invariant: an
//! event's `id` is its `webhook-id`, and stays the same on every try.

use bytes::Bytes;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::profile::{Field, Profile};
use crate::centre::{Author, EndReason, Happening, Visitor, fresh_id};
use crate::journal::stamp;
use crate::push::Push;
use crate::settings::{Agent, Settings};

/// What is said to a visitor who has to wait.
pub(super) const QUEUED: &str = "正在为您转接人工客服，请稍候。";
/// What is said when nobody is there.
pub(super) const UNATTENDED: &str = "当前没有客服在线，请留言。";

/// Who words events and the objects in them: a tenant with its settings.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a> {
    pub(super) profile: &'a Profile,
    pub(super) settings: &'a Settings,
    pub(super) account: &'a str,
    pub(super) base_url: &'a str,
}

impl Teller<'_> {
    /// The push for one happening; none when the reply already told.
    pub(super) fn word(self, visitor: &Visitor, happening: &Happening) -> Option<Push> {
        let (event, data) = match happening {
            Happening::Joined { direct: true, .. } => return None,
            Happening::Joined {
                agent, greeting, ..
            } => {
                let greeting = greeting.as_ref().map(|(_, text)| text);
                (
                    "session.mode",
                    json!({"mode": "human", "agent": agent_object(agent), "greeting": greeting}),
                )
            }
            Happening::Queue { position } => ("queue.update", json!({"queue": queue(*position)})),
            Happening::QueueTimeout => (
                "queue.timeout",
                json!({"leave_message": self.leave_message(visitor)}),
            ),
            Happening::NoAgent => (
                "agent.unavailable",
                json!({"greeting": UNATTENDED, "leave_message": self.leave_message(visitor)}),
            ),
            Happening::Message {
                id,
                from,
                agent,
                content,
            } => (
                "message",
                json!({"msg_id": id, "from": author(*from, agent.as_ref()), "content": content}),
            ),
            Happening::Recalled { id } => ("message.recalled", json!({"msg_id": id})),
            Happening::Transferred { from, to } => (
                "session.transferred",
                json!({"from_agent": from.as_ref().map(agent_object), "to_agent": agent_object(to)}),
            ),
            Happening::Invited => (
                "evaluate.invite",
                json!({"target": "human", "form": self.rating_form()}),
            ),
            Happening::Ended { reason, rate } => (
                "session.ended",
                json!({"reason": reason_name(*reason), "evaluate": rate}),
            ),
            Happening::Requeued { position } => (
                "session.mode",
                json!({
                    "mode": "queued",
                    "queue": queue(*position),
                    "greeting": QUEUED,
                    "leave_message": self.leave_message(visitor),
                }),
            ),
            Happening::Reconfigured => (
                "capabilities.changed",
                json!({"config": self.config(Some(visitor))}),
            ),
            Happening::Typing => ("typing", json!({"typing": true})),
        };
        let id = fresh_id();
        // Number 3 is an agent's; a visitor who waits again is told by name.
        let numbered = self.profile.numbers
            && self.settings.pushes.numbered
            && !matches!(happening, Happening::Requeued { .. });
        let name = if numbered { number(event) } else { event };
        let body = json!({
            "id": id,
            "ts": stamp(OffsetDateTime::now_utc()),
            "account": self.account,
            "visitor_id": visitor.id,
            "session_id": visitor.session,
            "event": name,
            "data": without_nulls(data),
        });
        Some(Push {
            id,
            visitor: visitor.id.clone(),
            event: event.to_owned(),
            body: Bytes::from(body.to_string()),
        })
    }

    /// How a message is left, for this visitor's group.
    pub(super) fn leave_message(self, visitor: &Visitor) -> Value {
        let offered = &self.settings.leave_message;
        if !offered.enabled {
            return json!({"kind": "none"});
        }
        if !self.profile.form.is_empty() {
            let fields: Vec<Value> = self.profile.form.iter().map(form_field).collect();
            return json!({"kind": "form", "when": ["unattended", "queued"], "fields": fields});
        }
        let group = visitor.group.as_deref().unwrap_or("service");
        let url = offered.url.replace("{group}", group);
        let url = if url.starts_with('/') {
            format!("{}{url}", self.base_url)
        } else {
            url
        };
        json!({"kind": "page", "when": ["unattended", "queued"], "url": url})
    }

    /// Five named levels.
    fn rating_form(self) -> Value {
        json!({
            "stars": true,
            "labels": self.settings.rating.labels,
            "resolved": false,
            "tags": self.settings.rating.tags,
            "comment": true,
        })
    }

    /// Whether visitors may start a rating.
    pub(super) fn self_rating(self) -> bool {
        self.profile.self_rating && self.settings.rating.by_visitor
    }

    /// What this visitor's session allows.
    pub(super) fn config(self, visitor: Option<&Visitor>) -> Value {
        let settings = self.settings;
        let mut human = vec!["text", "image", "voice", "emoji"];
        if settings.human.location {
            human.push("location");
        }
        let robot = settings
            .robot
            .enabled
            .then(|| json!({"name": settings.robot.name, "types": ["text", "emoji"]}));
        let online = !settings.human.no_agent;
        let groups: Vec<Value> = settings
            .groups
            .iter()
            .map(|group| json!({"id": group.id, "name": group.name, "online": online}))
            .collect();
        let by = if self.self_rating() {
            json!(["agent", "visitor"])
        } else {
            json!(["agent"])
        };
        let mut config = json!({
            "to_human": true,
            "exit": "keeps",
            "robot": robot,
            "human": {"types": human},
            "queued": {"messages": false},
            "unattended": {"messages": false},
            "evaluation": {"robot": "none", "human": self.rating_form(), "by": by, "after_seconds": 0},
            "emoji": "text",
            "groups": groups,
            "optional": ["typing", "read"],
        });
        if let (Some(config), Some(visitor)) = (config.as_object_mut(), visitor) {
            config.insert("leave_message".to_owned(), self.leave_message(visitor));
        }
        config
    }
}

/// An entry of a reply's `events`.
pub(super) fn inline(event: &str, data: Value) -> Value {
    json!({
        "id": fresh_id(),
        "ts": stamp(OffsetDateTime::now_utc()),
        "event": event,
        "data": without_nulls(data),
    })
}

/// Jiaxin's own number for an event, where it has one.
fn number(event: &'static str) -> &'static str {
    match event {
        "queue.update" => "2",
        "session.mode" => "3",
        "session.transferred" => "5",
        "session.ended" => "6",
        "message" => "7",
        "evaluate.invite" => "12",
        other => other,
    }
}

fn reason_name(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Agent | EndReason::Removed => "agent",
        EndReason::Blocked => "blocked",
        EndReason::Idle => "idle",
        EndReason::NewWindow => "transferred",
        EndReason::QueueTimeout => "queue_timeout",
    }
}

/// Drops keys whose value is null: absent and null differ in the protocol.
pub(super) fn without_nulls(mut data: Value) -> Value {
    if let Some(object) = data.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    data
}

pub(super) fn agent_object(agent: &Agent) -> Value {
    let portrait = Some(&agent.portrait).filter(|it| !it.is_empty());
    without_nulls(json!({"id": agent.id, "name": agent.name, "portrait": portrait}))
}

pub(super) fn queue(position: usize) -> Value {
    json!({"position": position, "ahead": position - 1, "eta_seconds": position * 30})
}

fn author(from: Author, agent: Option<&Agent>) -> Value {
    let mut object = agent.map_or_else(|| json!({}), agent_object);
    let kind = match from {
        Author::Robot => "robot",
        Author::System => "system",
        Author::Agent | Author::Visitor => "agent",
    };
    if let Some(object) = object.as_object_mut() {
        object.insert("kind".to_owned(), json!(kind));
    }
    object
}

fn form_field(field: &Field) -> Value {
    without_nulls(json!({
        "key": field.key,
        "label": field.label,
        "required": field.required,
        "multiline": field.multiline,
        "verify": field.verify,
        "max": field.max,
    }))
}
