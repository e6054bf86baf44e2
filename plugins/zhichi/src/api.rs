//! The vendor's JSON, in the vendor's names.
//!
//! Owns the shapes of requests, answers and pushes of the v5 interface, and
//! the meaning of its result codes. Translates nothing. Invariant: reading is
//! lenient where the vendor's own clients disagree (numbers as text, absent or
//! `null` fields), and anything else is an error with a reason, never a guess.

use std::fmt;

use kefu_plugin_api::prelude::{HttpResponse, MessageStatus};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned},
};
use serde_json::Value;

/// `chat_connect`: asks for an agent.
#[derive(Serialize)]
pub(crate) struct ChatConnect<'a> {
    pub(crate) partnerid: &'a str,
    pub(crate) source: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channel_flag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_nick: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_img: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) groupid: Option<&'a str>,
}

/// `chat_send`: a message for the agent.
#[derive(Serialize)]
pub(crate) struct ChatSend<'a> {
    pub(crate) partnerid: &'a str,
    pub(crate) content: &'a str,
    pub(crate) msg_type: &'static str,
}

/// `robot_chat`: a question for the robot.
#[derive(Serialize)]
pub(crate) struct RobotChat<'a> {
    pub(crate) partnerid: &'a str,
    pub(crate) question: &'a str,
    /// 0 typed, 1 picked from what the robot suggested.
    pub(crate) question_flag: u8,
    /// The question again, or the entry's id if it was picked.
    pub(crate) request_text: &'a str,
    pub(crate) source: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) robot_flag: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channel_flag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_nick: Option<&'a str>,
}

/// `comment`: a rating.
#[derive(Serialize)]
pub(crate) struct Comment<'a> {
    pub(crate) partnerid: &'a str,
    /// 0 the robot, 1 an agent.
    pub(crate) r#type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) solved: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) score: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remark: Option<&'a str>,
    /// 0 invited, 1 of the visitor's own accord.
    pub(crate) comment_type: u8,
}

/// `out` and `query_session_status`: about one visitor.
#[derive(Serialize)]
pub(crate) struct About<'a> {
    pub(crate) partnerid: &'a str,
}

/// `get_robot_guide`: asks for the robot's greeting.
#[derive(Serialize)]
pub(crate) struct Guide {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) robot_flag: Option<u32>,
}

/// What a token call yields.
#[derive(Default, Deserialize)]
pub(crate) struct TokenItem {
    #[serde(default, deserialize_with = "text")]
    pub(crate) token: Option<String>,
    #[serde(default, deserialize_with = "number")]
    pub(crate) expires_in: Option<i64>,
}

/// What `chat_connect` yields.
#[derive(Default, Deserialize)]
pub(crate) struct ConnectItem {
    #[serde(default, deserialize_with = "number")]
    pub(crate) status: Option<i64>,
    #[serde(default, deserialize_with = "number")]
    pub(crate) count: Option<i64>,
    #[serde(default, deserialize_with = "id")]
    pub(crate) cid: Option<String>,
    #[serde(default, deserialize_with = "id")]
    pub(crate) agentid: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) agent_name: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) agent_face: Option<String>,
}

/// What `chat_send`, `comment`, `out` and `query_session_status` yield.
#[derive(Default, Deserialize)]
pub(crate) struct StatusItem {
    #[serde(default, deserialize_with = "number")]
    pub(crate) status: Option<i64>,
    #[serde(default, deserialize_with = "id")]
    pub(crate) cid: Option<String>,
}

/// What `robot_chat` yields.
#[derive(Default, Deserialize)]
pub(crate) struct RobotItem {
    #[serde(default, deserialize_with = "text")]
    pub(crate) answer: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) stripe: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub(crate) suggestions: Vec<Suggestion>,
    #[serde(default, deserialize_with = "number")]
    pub(crate) transfer_type: Option<i64>,
    #[serde(default, deserialize_with = "id")]
    pub(crate) cid: Option<String>,
    #[serde(default, deserialize_with = "id")]
    pub(crate) msgid: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub(crate) multi_response_info: Vec<MultiRound>,
}

/// An entry that the robot suggests, in an answer or in its greeting.
#[derive(Default, Deserialize)]
pub(crate) struct Suggestion {
    #[serde(default, deserialize_with = "text")]
    pub(crate) question: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) guide_question: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) guide_question_disname: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) docid: Option<String>,
}

/// One round of a dialogue in several rounds (多轮会话).
#[derive(Default, Deserialize)]
pub(crate) struct MultiRound {
    #[serde(default, deserialize_with = "text")]
    pub(crate) answer: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) answer_strip: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) remind_question: Option<String>,
    /// What may be answered, with commas between.
    #[serde(default, deserialize_with = "text")]
    pub(crate) input_content_list: Option<String>,
}

/// What `get_robot_guide` yields.
#[derive(Default, Deserialize)]
pub(crate) struct GuideItem {
    #[serde(default, deserialize_with = "text")]
    pub(crate) guide_strip: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub(crate) link_question_list: Vec<Suggestion>,
}

/// An entry of what `query_group` yields.
#[derive(Default, Deserialize)]
pub(crate) struct GroupEntry {
    #[serde(default, deserialize_with = "id")]
    pub(crate) groupid: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) group_name: Option<String>,
}

/// An entry of what `query_agent` yields.
#[derive(Default, Deserialize)]
pub(crate) struct AgentEntry {
    /// The groups of the agent: a list, one alone, or nothing for all.
    #[serde(default)]
    pub(crate) groupid: Value,
    /// 1 online; a busy one counts as there, too.
    #[serde(default, deserialize_with = "number")]
    pub(crate) agent_status: Option<i64>,
}

/// A push, as far as this adapter reads it.
#[derive(Default, Deserialize)]
pub(crate) struct Push {
    #[serde(default, deserialize_with = "number")]
    pub(crate) r#type: Option<i64>,
    #[serde(default, rename = "partnerId", deserialize_with = "text")]
    pub(crate) partner_id: Option<String>,
    #[serde(default, rename = "msgId", deserialize_with = "text")]
    pub(crate) msg_id: Option<String>,
    /// Of a recalled message, in the vendor's clients.
    #[serde(default, rename = "revokeMsgId", deserialize_with = "text")]
    pub(crate) revoke_msg_id: Option<String>,
    #[serde(default)]
    pub(crate) content: Value,
    #[serde(default, rename = "msgType", deserialize_with = "text")]
    pub(crate) msg_type: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) cid: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) aid: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) aname: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(crate) aface: Option<String>,
    #[serde(default, deserialize_with = "number")]
    pub(crate) ts: Option<i64>,
    #[serde(default, deserialize_with = "number")]
    pub(crate) count: Option<i64>,
    #[serde(default, deserialize_with = "number")]
    pub(crate) reason: Option<i64>,
    /// The reason under the name that the vendor's clients use.
    #[serde(default, deserialize_with = "number")]
    pub(crate) status: Option<i64>,
}

/// Types of pushes.
pub(crate) mod push {
    pub(crate) const CONNECTED: i64 = 200;
    pub(crate) const QUEUED: i64 = 201;
    pub(crate) const MESSAGE: i64 = 202;
    pub(crate) const ENDED: i64 = 204;
    pub(crate) const INVITED: i64 = 209;
    pub(crate) const TRANSFERRED: i64 = 210;
    pub(crate) const RECALLED: i64 = 211;
    pub(crate) const LOCKED: i64 = 213;
    pub(crate) const WARNING: i64 = 215;
    pub(crate) const CONFIRMED: i64 = 301;
}

/// Reads an answer: the envelope's code, then its `item`.
pub(crate) fn read<T: DeserializeOwned + Default>(response: &HttpResponse) -> Result<T, Refusal> {
    let unreadable = |what: &str| Refusal {
        kind: Kind::Unreadable(response.status),
        detail: format!("HTTP {} {what}", response.status),
    };
    let envelope: Envelope = response
        .json()
        .ok()
        .and_then(|body| object(body).ok())
        .ok_or_else(|| {
            unreadable(&format!(
                "with {} bytes that are not the vendor's JSON",
                response.body.len()
            ))
        })?;
    let Some(code) = envelope.ret_code else {
        return Err(unreadable("without a `ret_code`"));
    };
    // A number has lost its leading zeros.
    if code.trim_start_matches('0').is_empty() {
        if !response.is_success() {
            return Err(unreadable("that claims success in its body"));
        }
        return match envelope.item {
            Value::Null => Ok(T::default()),
            item => object(item).map_err(|_| unreadable("with an `item` of another shape")),
        };
    }
    Err(Refusal::coded(&code, envelope.ret_msg.as_deref()))
}

/// Reads an answer that holds a list, in `items`.
pub(crate) fn read_list<T: DeserializeOwned>(response: &HttpResponse) -> Result<Vec<T>, Refusal> {
    // The envelope is judged as ever; entries of other shapes are left out.
    read::<Ignored>(response)?;
    let body: Value = response.json().unwrap_or_default();
    let items = list(body.get("items").cloned().unwrap_or_default());
    Ok(items.unwrap_or_default())
}

/// An `item` that nobody reads.
#[derive(Default, Deserialize)]
struct Ignored {}

/// Reads a JSON object, and nothing else: left to itself, `serde` would take a
/// list for the fields in their order.
pub(crate) fn object<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    match value {
        Value::Object(_) => serde_json::from_value(value),
        _ => Err(de::Error::custom("it is no JSON object")),
    }
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default, deserialize_with = "text")]
    ret_code: Option<String>,
    #[serde(default, deserialize_with = "text")]
    ret_msg: Option<String>,
    #[serde(default)]
    item: Value,
}

/// Why an answer is no success.
#[derive(Debug)]
pub(crate) struct Refusal {
    kind: Kind,
    detail: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    TokenDead,
    /// The vendor itself does not know what happened.
    Unclear,
    Refused,
    /// Not the vendor's JSON, under this HTTP status.
    Unreadable(u16),
}

impl Refusal {
    fn coded(code: &str, message: Option<&str>) -> Self {
        let (kind, hint) = match code {
            "900001" | "900002" => (Kind::TokenDead, "the token is missing or has expired"),
            "900003" => (Kind::Refused, "bad signature, check `app_key`"),
            "900004" => (
                Kind::Refused,
                "the company has no interface set up, check `app_id` and `base_url`",
            ),
            "999999" => (Kind::Unclear, "unknown error at the vendor"),
            _ if code.len() == 6 && ("400001"..="400013").contains(&code) => {
                (Kind::Refused, "a parameter is missing or wrong")
            }
            _ => (Kind::Refused, "the vendor refused"),
        };
        let mut detail = format!("{} ({})", hint, short(code, 16));
        if let Some(message) = message {
            detail = format!("{detail}: {}", short(message, 200));
        }
        Self { kind, detail }
    }

    /// Whether a new token would help.
    pub(crate) fn token_is_dead(&self) -> bool {
        self.kind == Kind::TokenDead
    }

    /// Whether a call that may be repeated is worth repeating.
    pub(crate) fn is_unclear(&self) -> bool {
        self.kind == Kind::Unclear
    }

    /// What became of a message that was answered so.
    pub(crate) fn fate(&self) -> MessageStatus {
        match self.kind {
            Kind::TokenDead | Kind::Refused => MessageStatus::Failed,
            // Too busy, or refused by what stands before the vendor.
            Kind::Unreadable(429 | 503 | 300..=499) => MessageStatus::Failed,
            Kind::Unclear | Kind::Unreadable(_) => MessageStatus::Unknown,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// The front of a text, on one line.
pub(crate) fn short(text: &str, limit: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(limit)
        .collect()
}

/// A text; a number is written out, anything else counts as absent.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) if !text.trim().is_empty() => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// A text that can serve as an id; anything else counts as absent.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(text(deserializer)?.filter(|id| is_id(id)))
}

/// Whether a text can serve as an id.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() <= ID_LIMIT && !text.chars().any(char::is_control)
}

/// Bytes in an id.
pub(crate) const ID_LIMIT: usize = 128;

/// A whole number, as number or as text; anything else counts as absent.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

/// A list, or a single entry without one; entries of other shapes are left out.
fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let entries = match Value::deserialize(deserializer)? {
        Value::Array(entries) => entries,
        entry @ Value::Object(_) => vec![entry],
        _ => Vec::new(),
    };
    let read = |entry| object(entry).ok();
    Ok(entries.into_iter().filter_map(read).collect())
}
