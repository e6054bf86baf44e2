//! Pushes: from the vendor's words to neutral ones.
//!
//! Owns the reading of a push and how a repeat of it is recognised. Decides
//! nothing about a session. Documented is the body of type 202; that the other
//! types come in the same envelope, with `count` and `reason`, is assumed.
//! Invariant: an agent's words are never dropped; what cannot be shown as what
//! it claims to be is shown as text.

use kefu_plugin_api::prelude::{
    Agent, Content, Dedupe, EndReason, EvaluationTarget, Incoming, ProviderEvent, Received, Reject,
    Sender,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::{ID_LIMIT, Push, is_id, push, short};

/// What pushes 200, 201 and 210 tell: they may also name the session.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Moved {
    pub(crate) cid: Option<String>,
    pub(crate) agent: Agent,
    pub(crate) count: Option<i64>,
}

/// Names under which a session is told what has no neutral word.
pub(crate) mod told {
    pub(crate) const CONNECTED: &str = "connected";
    pub(crate) const QUEUED: &str = "queued";
    pub(crate) const TRANSFERRED: &str = "transferred";
    pub(crate) const UNKNOWN: &str = "unknown";
}

/// Reads a push; `None` for one that tells nothing.
///
/// # Errors
/// If it cannot be read, with the key that is wrong.
pub(crate) fn read(push: Push) -> Result<Option<Received>, Reject> {
    let kind = push
        .r#type
        .ok_or_else(|| Reject::malformed("`type` is missing or no number"))?;
    let partner = push.partner_id.as_deref();
    let partner = id("partnerId", partner)?
        .ok_or_else(|| Reject::malformed("`partnerId` is missing, empty or no text"))?
        .to_owned();
    id("msgId", push.msg_id.as_deref())?;
    id("revokeMsgId", push.revoke_msg_id.as_deref())?;
    let cid = id("cid", push.cid.as_deref())?.map(str::to_owned);
    let Some(event) = event(kind, &push)? else {
        return Ok(None);
    };
    Ok(Some(Received {
        conversation: partner.into(),
        vendor_session: cid,
        dedupe: dedupe(kind, &push),
        event,
    }))
}

fn event(kind: i64, push: &Push) -> Result<Option<ProviderEvent>, Reject> {
    Ok(Some(match kind {
        push::CONNECTED => moved(told::CONNECTED, push),
        push::QUEUED => moved(told::QUEUED, push),
        push::TRANSFERRED => moved(told::TRANSFERRED, push),
        push::MESSAGE => {
            let content = content(push)?;
            let message = Incoming {
                vendor_id: push.msg_id.clone(),
                ..Incoming::new(Sender::agent(agent(push)), content)
            };
            ProviderEvent::Message { message }
        }
        push::ENDED => ProviderEvent::Ended {
            reason: end_reason(push.reason.or(push.status)),
        },
        push::INVITED => ProviderEvent::EvaluationInvited {
            target: EvaluationTarget::Human,
            form: None,
        },
        push::RECALLED => {
            let id = push.revoke_msg_id.clone().or_else(|| push.msg_id.clone());
            let vendor_id =
                id.ok_or_else(|| Reject::malformed("`msgId` of the recalled message is missing"))?;
            ProviderEvent::Recalled { vendor_id }
        }
        push::WARNING => match &push.content {
            Value::String(text) if !text.trim().is_empty() => {
                ProviderEvent::Notice { text: text.clone() }
            }
            _ => return Ok(None),
        },
        push::LOCKED | push::CONFIRMED => return Ok(None),
        _ => ProviderEvent::Other {
            name: told::UNKNOWN.to_owned(),
            data: json!({"type": kind}),
        },
    }))
}

fn moved(name: &str, push: &Push) -> ProviderEvent {
    let moved = Moved {
        cid: push.cid.clone(),
        agent: agent(push),
        count: push.count,
    };
    ProviderEvent::Other {
        name: name.to_owned(),
        data: serde_json::to_value(moved).expect("it is made of plain values"),
    }
}

/// Who the vendor says is there.
fn agent(push: &Push) -> Agent {
    agent_of(&push.aid, &push.aname, &push.aface)
}

/// An agent from the vendor's three fields; what cannot be shown is left out.
pub(crate) fn agent_of(id: &Option<String>, name: &Option<String>, face: &Option<String>) -> Agent {
    Agent {
        id: id.as_deref().map(|id| short(id, ID_LIMIT)),
        name: name.as_deref().map(|name| short(name, NAME_LIMIT)),
        portrait: face.clone().filter(|url| is_link(url)),
    }
}

/// What an agent said.
fn content(push: &Push) -> Result<Content, Reject> {
    let text = match &push.content {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Number(number) => number.to_string(),
        // A file may come as an object around its address.
        other => match other.get("url").and_then(Value::as_str) {
            Some(url) => url.to_owned(),
            None => other.to_string(),
        },
    };
    if text.trim().is_empty() {
        return Err(Reject::malformed(
            "`content` of a message is missing or empty",
        ));
    }
    let kind = push.msg_type.as_deref().unwrap_or("text");
    if matches!(kind, "text" | "0") {
        return Ok(Content::Text { text });
    }
    if !is_link(&text) {
        return Ok(unknown_kind(kind, &push.content, text));
    }
    let url = text;
    Ok(match kind {
        "image" | "1" => Content::Image {
            url,
            thumbnail: None,
            width: None,
            height: None,
        },
        "voice" | "2" => Content::Voice {
            format: voice_format(&url).to_owned(),
            url,
            duration_ms: 0,
        },
        "video" | "3" => Content::Video {
            url,
            duration_ms: 0,
            thumbnail: None,
        },
        "file" | "4" => Content::File {
            name: file_name(&push.content, &url),
            size: file_size(&push.content),
            url,
        },
        _ => unknown_kind(kind, &push.content, url),
    })
}

/// A kind that is not one of the documented five, or does not hold what it
/// should: an app that knows it can show it, every other shows the text.
fn unknown_kind(kind: &str, content: &Value, text: String) -> Content {
    let whole = content.is_object() && content.to_string().len() <= PAYLOAD_LIMIT;
    match kind {
        "image" | "voice" | "video" | "file" | "1" | "2" | "3" | "4" => Content::Text { text },
        _ if whole && text.chars().count() <= FALLBACK_LIMIT => Content::Custom {
            name: format!("zhichi.{}", short(kind, 32)),
            payload: content.clone(),
            fallback_text: text,
        },
        _ => Content::Text { text },
    }
}

/// How a repeat of this push is recognised.
fn dedupe(kind: i64, push: &Push) -> Dedupe {
    if let Some(id) = push.revoke_msg_id.as_ref().or(push.msg_id.as_ref()) {
        return Dedupe::Key {
            key: format!("{kind}:{id}"),
        };
    }
    if let Some(ts) = push.ts {
        // Two pushes of one millisecond are still told apart by what they say.
        let said = json!([push.content, push.aid, push.count, push.reason, push.status]);
        let hash = fnv1a(said.to_string().as_bytes());
        return Dedupe::Key {
            key: format!("{kind}@{ts}:{hash:016x}"),
        };
    }
    match kind {
        push::MESSAGE | push::QUEUED => Dedupe::Unkeyable {
            reason: "the push has neither `msgId` nor `ts`, and saying the same twice is normal"
                .to_owned(),
        },
        _ => Dedupe::Body { within_seconds: 60 },
    }
}

/// The vendor's sub-reasons of the end of a session.
fn end_reason(reason: Option<i64>) -> EndReason {
    match reason {
        Some(3) => EndReason::Blocked,
        Some(4) => EndReason::Idle,
        // Opened anew in another window.
        Some(6) => EndReason::Transferred,
        Some(9) => EndReason::QueueTimeout,
        // 1 closed by an agent, 2 removed by one; a number that is not known
        // can only come from the vendor's side, too.
        _ => EndReason::Agent,
    }
}

fn id<'a>(key: &str, id: Option<&'a str>) -> Result<Option<&'a str>, Reject> {
    match id {
        Some(id) if !is_id(id) => Err(Reject::malformed(format!(
            "`{key}` must be at most {ID_LIMIT} bytes of visible text"
        ))),
        id => Ok(id),
    }
}

/// Whether a text is one address that an app may open.
pub(crate) fn is_link(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://"))
        && text.len() <= LINK_LIMIT
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// The vendor says mp3 or wav; the name may know better.
fn voice_format(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit('.').next().unwrap_or_default();
    ["wav", "amr", "aac", "webm", "ogg", "m4a"]
        .into_iter()
        .find(|known| ending.eq_ignore_ascii_case(known))
        .unwrap_or("mp3")
}

fn file_name(content: &Value, url: &str) -> String {
    let told = ["fileName", "name"]
        .into_iter()
        .find_map(|key| content.get(key).and_then(Value::as_str));
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let name = told.unwrap_or(last);
    if name.is_empty() {
        return "file".to_owned();
    }
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    short(&name, NAME_LIMIT)
}

fn file_size(content: &Value) -> u64 {
    ["fileSize", "size"]
        .into_iter()
        .find_map(|key| content.get(key).and_then(Value::as_u64))
        .unwrap_or(0)
}

/// FNV-1a: the same in every version, which the standard library's is not.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

const NAME_LIMIT: usize = 100;
const LINK_LIMIT: usize = 2_048;
const PAYLOAD_LIMIT: usize = 32 * 1_024;
const FALLBACK_LIMIT: usize = 8_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // Test vectors of the algorithm's authors.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn only_an_address_that_an_app_may_open_is_a_link() {
        assert!(is_link("https://img.example/a.png?x=1"));
        for text in [
            "",
            "javascript:alert(1)",
            "//img.example/a.png",
            "https://img.example/a b",
            "file:///etc/passwd",
        ] {
            assert!(!is_link(text), "{text}");
        }
        assert!(!is_link(&format!("https://{}", "a".repeat(LINK_LIMIT))));
    }
}
