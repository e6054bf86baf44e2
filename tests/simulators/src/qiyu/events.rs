//! What 七鱼 tells: messages, starts, ends, invitations.
//!
//! Owns the wording. Invariant: every body carries `uid`, and an event about a
//! session its number.

use bytes::Bytes;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::sessions::Sessions;
use crate::centre::{Author, EndReason, Happening, Visitor, fresh_id};
use crate::push::Push;
use crate::settings::{Agent, Settings};

/// The robot's number among the staff.
pub(super) const ROBOT: u64 = 9_001;

/// The events for one happening; none when this vendor does not tell.
pub(super) fn word(
    sessions: &Sessions,
    settings: &Settings,
    visitor: &Visitor,
    happening: &Happening,
) -> Vec<Push> {
    let id = visitor.id.as_str();
    match happening {
        Happening::Joined {
            agent,
            greeting,
            direct,
        } => joined(sessions, settings, visitor, agent, greeting, *direct),
        Happening::Transferred { to, .. } => {
            let (old, new) = sessions.begin(id);
            let mut start = session(id, new, Some(to));
            start["transferFrom"] = json!(old);
            start["evaluationModel"] = model(settings);
            let mut end = session(id, old.unwrap_or(new), None);
            end["closeReason"] = json!(5);
            end["transferTo"] = json!(new);
            vec![
                push(id, "SESSION_END", end),
                push(id, "SESSION_START", start),
            ]
        }
        Happening::Message {
            id: message,
            from,
            agent,
            content,
        } => vec![said(settings, id, message, *from, agent.as_ref(), content)],
        Happening::Invited => {
            let number = sessions.newest(id).unwrap_or_default();
            let body = session(id, number, visitor.agent.as_ref());
            vec![push(id, "EVA_INVITATION", body)]
        }
        Happening::Ended {
            reason: EndReason::QueueTimeout,
            ..
        }
        | Happening::NoAgent
        | Happening::QueueTimeout => vec![push(id, "QUEUE_TIMEOUT", json!({"uid": id}))],
        Happening::Ended { reason, .. } => {
            let number = sessions.newest(id).unwrap_or_default();
            let mut body = session(id, number, None);
            body["closeReason"] = json!(match reason {
                EndReason::Idle => 2,
                EndReason::NewWindow => 4,
                _ => 0,
            });
            vec![push(id, "SESSION_END", body)]
        }
        // A place in the queue has to be asked for.
        Happening::Queue { .. }
        | Happening::Recalled { .. }
        | Happening::Requeued { .. }
        | Happening::Reconfigured
        | Happening::Typing => Vec::new(),
    }
}

/// Only where an agent began of its own accord does the vendor tell of it.
fn joined(
    sessions: &Sessions,
    settings: &Settings,
    visitor: &Visitor,
    agent: &Agent,
    greeting: &Option<(String, String)>,
    direct: bool,
) -> Vec<Push> {
    let id = visitor.id.as_str();
    let (old, new) = sessions.begin(id);
    let mut pushes = Vec::new();
    if let (true, Some(old)) = (visitor.met_robot, old) {
        let mut end = session(id, old, None);
        end["closeReason"] = json!(3);
        pushes.push(push(id, "SESSION_END", end));
    }
    let waited = visitor.queued_at > visitor.opened_at;
    if settings.human.push_direct_connect || !(direct || waited) {
        let mut start = session(id, new, Some(agent));
        start["message"] = json!(greeting.as_ref().map(|(_, text)| text));
        start["evaluationModel"] = model(settings);
        pushes.push(push(id, "SESSION_START", start));
    } else if let (false, Some((message, text))) = (direct, greeting) {
        let content = json!({"type": "text", "text": text});
        let (from, agent) = (Author::Agent, Some(agent));
        pushes.push(said(settings, id, message, from, agent, &content));
    }
    pushes
}

fn said(
    settings: &Settings,
    visitor: &str,
    message: &str,
    from: Author,
    agent: Option<&Agent>,
    content: &Value,
) -> Push {
    let url = content.get("url");
    let (kind, content) = match content.get("type").and_then(Value::as_str) {
        Some("image") => (
            "PICTURE",
            json!({"url": url, "size": 1_000, "md5": "0".repeat(32), "w": 32, "h": 32}),
        ),
        Some("voice") => (
            "AUDIO",
            json!({"url": url, "size": 1_000, "md5": "0".repeat(32), "dur": content.get("duration_ms")}),
        ),
        _ => ("TEXT", json!(content.get("text"))),
    };
    let (staff, name) = match (from, agent) {
        (Author::Robot, _) => (json!(ROBOT), settings.robot.name.as_str()),
        (_, Some(agent)) => (number(&agent.id), agent.name.as_str()),
        (_, None) => (json!(0), "系统"),
    };
    let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
    let body = json!({
        "uid": visitor, "msgId": message, "msgType": kind, "content": content,
        "staffId": staff, "staffName": name, "timeStamp": now,
    });
    push(visitor, "MSG", body)
}

/// Who has the visitor, as answers and events write it.
pub(super) fn session(visitor: &str, number: u64, agent: Option<&Agent>) -> Value {
    let mut body = json!({"code": 200, "uid": visitor, "sessionId": number});
    if let Some(agent) = agent {
        body["staffId"] = self::number(&agent.id);
        body["staffName"] = json!(agent.name);
        body["staffIcon"] = json!(agent.portrait);
        body["staffType"] = json!(1);
    }
    body
}

/// Staff have numbers; a test may name them otherwise.
fn number(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| json!(id), Value::from)
}

/// Five levels, best first, with the values that the vendor gives them.
pub(super) fn model(settings: &Settings) -> Value {
    let levels = settings.rating.labels.iter().zip(LEVELS).rev();
    let list: Vec<Value> = levels
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    json!({"title": "模型一", "note": "五级评价模型", "type": 5, "list": list})
}

/// The values of one to five stars.
pub(super) const LEVELS: [i64; 5] = [1, 25, 50, 75, 100];

fn push(visitor: &str, event: &str, body: Value) -> Push {
    Push {
        id: fresh_id(),
        visitor: visitor.to_owned(),
        event: event.to_owned(),
        body: Bytes::from(body.to_string()),
    }
}
