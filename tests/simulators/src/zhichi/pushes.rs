//! What 智齿 pushes: the documented body of type 202, and the assumed ones.
//!
//! Owns the wording. The types other than 202 reuse its envelope with extra keys
//! (`count`, `reason`), which is an assumption; the README says so. Invariant:
//! every body carries `type`, `partnerId`, `cid` and `ts`.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::centre::{Author, EndReason, Happening, Visitor, fresh_id};
use crate::push::Push;
use crate::settings::{Agent, Settings};

/// The pushes for one happening; none when this vendor does not tell.
pub(super) fn word(settings: &Settings, visitor: &Visitor, happening: &Happening) -> Vec<Push> {
    let agent = visitor.agent.as_ref();
    match happening {
        Happening::Joined {
            agent,
            greeting,
            direct,
        } => {
            let mut pushes = Vec::new();
            if !direct || settings.human.push_direct_connect {
                pushes.push(push(visitor, 200, Some(agent), json!({})));
            }
            if let Some((id, text)) = greeting {
                let greeting = json!({"msgId": id, "content": text, "msgType": "text"});
                pushes.push(push(visitor, 202, Some(agent), greeting));
            }
            pushes
        }
        Happening::Queue { position } => vec![push(visitor, 201, None, json!({"count": position}))],
        Happening::Message {
            id,
            from,
            agent,
            content,
        } => {
            let agent = if *from == Author::Agent {
                agent.as_ref()
            } else {
                None
            };
            let kind = content
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or("text");
            let key = if kind == "text" { "text" } else { "url" };
            let body = json!({"msgId": id, "content": content.get(key), "msgType": kind});
            vec![push(visitor, 202, agent, body)]
        }
        Happening::Recalled { id } => vec![push(visitor, 211, agent, json!({"msgId": id}))],
        Happening::Transferred { to, .. } => vec![push(visitor, 210, Some(to), json!({}))],
        Happening::Invited => vec![push(visitor, 209, agent, json!({}))],
        Happening::Ended { reason, .. } => vec![push(
            visitor,
            204,
            None,
            json!({"reason": reason_number(*reason)}),
        )],
        // This vendor has no word for "nobody there": the wait is over, and so is the session.
        Happening::NoAgent | Happening::QueueTimeout => {
            vec![push(visitor, 204, None, json!({"reason": 9}))]
        }
        Happening::Typing | Happening::Requeued { .. } | Happening::Reconfigured => Vec::new(),
    }
}

fn reason_number(reason: EndReason) -> u8 {
    match reason {
        EndReason::Agent => 1,
        EndReason::Removed => 2,
        EndReason::Blocked => 3,
        EndReason::Idle => 4,
        EndReason::NewWindow => 6,
        EndReason::QueueTimeout => 9,
    }
}

fn push(visitor: &Visitor, kind: u16, agent: Option<&Agent>, extra: Value) -> Push {
    let now = OffsetDateTime::now_utc();
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
    put("type", json!(kind));
    put("sysNum", json!("demo"));
    put("partnerId", json!(visitor.id));
    put("uid", json!(visitor.vendor_id));
    put("cid", json!(visitor.session));
    put("ts", json!(milliseconds(now)));
    put("createChatTime", json!(milliseconds(visitor.opened_at)));
    if let Some(agent) = agent {
        put("aid", json!(agent.id));
        put("aname", json!(agent.name));
        put("aface", json!(agent.portrait));
    }
    if let Some(params) = visitor.profile.get("params") {
        put("params", params.clone());
    }
    if let Some(channel) = visitor.profile.get("channel_flag") {
        put("channelFlag", channel.clone());
    }
    if let Value::Object(extra) = extra {
        body.extend(extra);
    }
    Push {
        id: fresh_id(),
        visitor: visitor.id.clone(),
        event: kind.to_string(),
        body: Bytes::from(Value::Object(body).to_string()),
    }
}

fn milliseconds(at: OffsetDateTime) -> i128 {
    at.unix_timestamp_nanos() / 1_000_000
}
