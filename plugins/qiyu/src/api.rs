//! The vendor's JSON, in the vendor's names.
//!
//! Owns the shapes of requests, answers and events, and the meaning of the
//! result codes. Translates nothing. Invariant: reading is lenient where a
//! value is of a neighbouring type (numbers as text, absent or `null` fields),
//! and anything else is an error with a reason, never a guess.

use std::fmt;

use kefu_plugin_api::prelude::{HttpResponse, MessageStatus};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned},
};
use serde_json::Value;

/// `event/applyStaff`: asks for robot or agent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplyStaff<'a> {
    pub(crate) uid: &'a str,
    /// 0 the robot, 1 an agent.
    pub(crate) staff_type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) product_id: Option<&'a str>,
}

/// `message/send`: a text for robot, agent or the messages left.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Send<'a> {
    pub(crate) uid: &'a str,
    pub(crate) msg_type: &'static str,
    pub(crate) content: &'a str,
}

/// `event/queryQueueStatus`: about one visitor.
#[derive(Serialize)]
pub(crate) struct About<'a> {
    pub(crate) uid: &'a str,
}

/// `event/updateUInfo`: what is shown beside the conversation.
#[derive(Serialize)]
pub(crate) struct UpdateInfo<'a> {
    pub(crate) uid: &'a str,
    pub(crate) userinfo: Vec<Row<'a>>,
}

/// A row of it; those that the vendor knows have no label.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<usize>,
    pub(crate) key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<&'a str>,
    pub(crate) value: &'a str,
}

/// `event/evaluate`: a rating of one session.
#[derive(Serialize)]
pub(crate) struct Evaluate<'a> {
    pub(crate) uid: &'a str,
    #[serde(rename = "sessionId")]
    pub(crate) session_id: Value,
    pub(crate) evaluation: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remarks: Option<&'a str>,
}

/// Who has a visitor: in the answer to `applyStaff` and in session events.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Seat {
    #[serde(deserialize_with = "text")]
    pub(crate) uid: Option<String>,
    #[serde(deserialize_with = "id")]
    pub(crate) session_id: Option<String>,
    #[serde(deserialize_with = "id")]
    pub(crate) staff_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) staff_name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) staff_icon: Option<String>,
    /// 0 the robot, 1 an agent.
    #[serde(deserialize_with = "number")]
    pub(crate) staff_type: Option<i64>,
    /// A greeting, or why there is nobody.
    #[serde(deserialize_with = "text")]
    pub(crate) message: Option<String>,
    /// How many wait before the visitor.
    #[serde(deserialize_with = "number")]
    pub(crate) count: Option<i64>,
    #[serde(deserialize_with = "model")]
    pub(crate) evaluation_model: Vec<ModelEntry>,
    #[serde(deserialize_with = "number")]
    pub(crate) close_reason: Option<i64>,
    #[serde(deserialize_with = "id")]
    pub(crate) transfer_from: Option<String>,
}

/// A level of a rating.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ModelEntry {
    #[serde(deserialize_with = "text")]
    pub(crate) name: Option<String>,
    #[serde(deserialize_with = "number")]
    pub(crate) value: Option<i64>,
}

/// A `MSG` event.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Said {
    #[serde(deserialize_with = "text")]
    pub(crate) uid: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) msg_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) msg_type: Option<String>,
    pub(crate) content: Value,
    #[serde(deserialize_with = "id")]
    pub(crate) staff_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) staff_name: Option<String>,
    #[serde(deserialize_with = "number")]
    pub(crate) time_stamp: Option<i64>,
}

/// Result codes.
pub(crate) mod code {
    pub(crate) const OK: i64 = 200;
    pub(crate) const NOBODY: i64 = 14005;
    pub(crate) const QUEUE: i64 = 14006;
    pub(crate) const UNKNOWN_VISITOR: i64 = 14007;
    pub(crate) const NOBODY_AND_NO_LEAVING: i64 = 14010;
}

/// Reads an answer: its `code`, whatever it is, and the rest.
pub(crate) fn read<T: DeserializeOwned>(response: &HttpResponse) -> Result<(i64, T), Refusal> {
    let unreadable = |what: String| Refusal {
        kind: Kind::Unreadable(response.status),
        detail: format!("HTTP {} {what}", response.status),
    };
    let body: Option<Value> = response.json().ok().filter(Value::is_object);
    let body = body.ok_or_else(|| {
        let bytes = response.body.len();
        unreadable(format!("with {bytes} bytes that are not the vendor's JSON"))
    })?;
    let Some(code) = whole(&body["code"]) else {
        return Err(unreadable("without a `code`".to_owned()));
    };
    if code == code::OK && !response.is_success() {
        return Err(unreadable("that claims success in its body".to_owned()));
    }
    let rest = serde_json::from_value(body)
        .map_err(|_| unreadable("with fields of another shape".to_owned()))?;
    Ok((code, rest))
}

/// Whether a code is success.
pub(crate) fn accepted(code: i64) -> Result<(), Refusal> {
    match code {
        code::OK => Ok(()),
        _ => Err(Refusal::coded(code)),
    }
}

/// Reads a JSON object, and nothing else: left to itself, `serde` would take a
/// list for the fields in their order.
pub(crate) fn object<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    match value {
        Value::Object(_) => serde_json::from_value(value),
        _ => Err(de::Error::custom("it is no JSON object")),
    }
}

/// Why an answer is no success.
#[derive(Debug)]
pub(crate) struct Refusal {
    kind: Kind,
    detail: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// The vendor itself does not know what happened.
    Unclear,
    Refused,
    /// Not the vendor's JSON, under this HTTP status.
    Unreadable(u16),
}

impl Refusal {
    pub(crate) fn coded(code: i64) -> Self {
        let (kind, hint) = match code {
            14001 => (Kind::Refused, "unknown company, check `app_key`"),
            14002 => (Kind::Refused, "bad checksum, check `app_secret`"),
            14003 => (Kind::Refused, "bad time, check the clock"),
            14004 => (Kind::Refused, "a field is missing or wrong"),
            code::NOBODY => (Kind::Refused, "no agent is there"),
            code::QUEUE => (Kind::Refused, "the visitor has to wait"),
            code::UNKNOWN_VISITOR => (Kind::Refused, "the visitor has asked for nobody"),
            code::NOBODY_AND_NO_LEAVING => (
                Kind::Refused,
                "no agent is there, and leaving a message is off",
            ),
            14500 => (Kind::Unclear, "an error at the vendor"),
            14515 => (Kind::Refused, "the company may not use this interface"),
            _ => (Kind::Refused, "the vendor refused"),
        };
        Self {
            kind,
            detail: format!("{hint} ({code})"),
        }
    }

    /// What became of a message that was answered so.
    pub(crate) fn fate(&self) -> MessageStatus {
        match self.kind {
            Kind::Refused => MessageStatus::Failed,
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

/// Whether a text can serve as an id.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() <= ID_LIMIT && !text.chars().any(char::is_control)
}

/// Bytes in an id.
pub(crate) const ID_LIMIT: usize = 128;

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
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

/// A whole number, as number or as text; anything else counts as absent.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(whole(&Value::deserialize(deserializer)?))
}

/// The levels of a model; what is no level is left out.
fn model<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ModelEntry>, D::Error> {
    let model = Value::deserialize(deserializer)?;
    let list = model.get("list").and_then(Value::as_array);
    let read = |entry: &Value| object(entry.clone()).ok();
    Ok(list.into_iter().flatten().filter_map(read).collect())
}
