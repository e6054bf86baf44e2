//! SDP's words ⇄ the contract's words, and nothing else.
//!
//! Owns which event of the vendor means what, and how a profile is split.
//! Knows no session: whether something may happen now is decided in
//! `conversation`. What cannot be read is an error that
//! names the key and never repeats what a person wrote.

use kefu_plugin_api::prelude::{EndReason, EvaluationTarget, Incoming, ProviderEvent, Visitor};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    config::Config,
    limits::{self, is_id},
    wire::{Detail, Ended, Invited, Mode, Said, Standing, Transferred},
};

/// An event of the vendor, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// What the contract has its own word for.
    Neutral(ProviderEvent),
    /// The session stands elsewhere now.
    Standing(Box<Standing>),
    /// Another agent has it.
    Transferred(Transferred),
    /// The visitor is invited to rate.
    Invited(Invited),
    /// The session is over.
    Ended(Ended),
    /// It allows more or less than before.
    Config(Box<Config>),
}

impl Told {
    /// Reads an event. `None`: one that this version does not know, or that
    /// means nothing.
    ///
    /// # Errors
    /// What is wrong with its data.
    pub fn read(name: &str, data: &Value) -> Result<Option<Self>, String> {
        let told = match name {
            "message" => Self::Neutral(message(shape(name, data)?)?),
            "message.recalled" => {
                let vendor_id = needed(name, "msg_id", detail(name, data)?.msg_id)?;
                identified(name, &vendor_id)?;
                Self::Neutral(ProviderEvent::Recalled { vendor_id })
            }
            "typing" => match detail(name, data)?.typing {
                Some(false) => return Ok(None),
                Some(true) | None => Self::Neutral(ProviderEvent::Typing {}),
            },
            "read" => {
                let message = detail(name, data)?.msg_id;
                message.iter().try_for_each(|id| identified(name, id))?;
                let message = message.map(Into::into);
                Self::Neutral(ProviderEvent::Read { message })
            }
            "queue.update" => {
                let queue = needed(name, "queue", detail(name, data)?.queue)?;
                Self::Neutral(ProviderEvent::Queue { queue })
            }
            "session.mode" => {
                let standing: Standing = shape(name, data)?;
                needed(name, "mode", standing.mode)?;
                Self::Standing(Box::new(standing))
            }
            "agent.unavailable" | "queue.timeout" => {
                let standing: Standing = shape(name, data)?;
                Self::Standing(Box::new(Standing {
                    mode: Some(Mode::Unattended),
                    ..standing
                }))
            }
            "session.transferred" => Self::Transferred(shape(name, data)?),
            "evaluate.invite" => Self::Invited(shape(name, data)?),
            "session.ended" => Self::Ended(shape(name, data)?),
            "capabilities.changed" => Self::Config(Box::new(needed(
                name,
                "config",
                detail(name, data)?.config,
            )?)),
            _ => return Ok(None),
        };
        Ok(Some(told))
    }

    /// The same event for the way from the callback to its session: what the
    /// contract has no word for travels as it came, already checked.
    pub fn into_provider_event(self, name: &str, data: Value) -> ProviderEvent {
        match self {
            Self::Neutral(event) => event,
            _ => ProviderEvent::Other {
                name: name.to_owned(),
                data,
            },
        }
    }
}

/// Whom an invitation is about; the agent unless it says otherwise.
pub fn target(invited: &Invited) -> EvaluationTarget {
    invited.target.unwrap_or(EvaluationTarget::Human)
}

/// Why a session ended. A reason that is not known is a fault of the vendor's.
pub fn end_reason(ended: &Ended) -> EndReason {
    let reason = json!(ended.reason.as_deref().unwrap_or_default());
    EndReason::deserialize(&reason).unwrap_or(EndReason::ProviderError)
}

/// A profile as SDP splits it: who the visitor is, and where from.
pub fn profile(visitor: &Visitor) -> (Map<String, Value>, Map<String, Value>) {
    let (mut context, mut who): (Map<_, _>, Map<_, _>) = visitor
        .fields
        .iter()
        .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
        .partition(|(key, _)| CONTEXT.contains(&key.as_str()));
    context.retain(|_, value| value != "");
    let mut put = |key: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            who.insert(key.to_owned(), value.into());
        }
    };
    put("id", Some(&visitor.id));
    put("name", visitor.name.as_deref());
    put("portrait_url", visitor.portrait.as_deref());
    if !visitor.custom.is_empty() {
        who.insert("custom".into(), json!(visitor.custom));
    }
    (who, context)
}

/// Every profile key that the protocol knows (`docs/sdp.md`, section 6).
pub const FIELDS: [&str; 26] = [
    "id",
    "name",
    "nick_name",
    "login_name",
    "portrait_url",
    "grade",
    "gender",
    "birthday",
    "age",
    "profession",
    "province",
    "city",
    "memo",
    "mobile_no",
    "email",
    "address",
    "qq",
    "weibo",
    "weixin",
    "page",
    "referrer",
    "enter_url",
    "skill_id",
    "list_url",
    "product_id",
    "define",
];

/// Everything that a vendor may make use of: every known key, and what the app
/// adds to them.
pub fn all_fields() -> Vec<String> {
    FIELDS
        .iter()
        .chain(&["custom"])
        .map(|&key| key.to_owned())
        .collect()
}

/// Profile keys that tell where a visitor comes from.
const CONTEXT: [&str; 7] = [
    "page",
    "referrer",
    "enter_url",
    "skill_id",
    "list_url",
    "product_id",
    "define",
];

fn message(said: Said) -> Result<ProviderEvent, String> {
    identified("message", &said.msg_id)?;
    limits::content(&said.content).map_err(|detail| format!("data of `message`: {detail}"))?;
    Ok(ProviderEvent::Message {
        message: Incoming {
            vendor_id: Some(said.msg_id),
            from: limits::sender(said.from),
            content: said.content,
            suggestions: limits::suggestions(said.suggestions),
        },
    })
}

fn detail(name: &str, data: &Value) -> Result<Detail, String> {
    shape(name, data)
}

fn needed<T>(name: &str, key: &str, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("data of `{name}`: `{key}` is missing"))
}

fn identified(name: &str, msg_id: &str) -> Result<(), String> {
    if is_id(msg_id) {
        return Ok(());
    }
    Err(format!(
        "data of `{name}`: `msg_id` must be 1 to {} visible ASCII characters",
        limits::ID_CHARS
    ))
}

fn shape<T: DeserializeOwned>(name: &str, data: &Value) -> Result<T, String> {
    let empty = Value::Object(Map::new());
    let data = if data.is_null() { &empty } else { data };
    if !data.is_object() {
        return Err(format!("data of `{name}`: `data` is no object"));
    }
    serde_path_to_error::deserialize(data)
        .map_err(|error| format!("data of `{name}`: {}", located(&error)))
}

/// A reading error with its place, and without the values it quotes.
pub fn located(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let (path, reason) = (error.path().to_string(), masked(error.inner()));
    match path.as_str() {
        // The whole is where a member is missing, which the reason names.
        "." => reason,
        _ => format!("`{}`: {reason}", limits::cut(path, MOST_REASON).0),
    }
}

/// A reading error without the values it quotes: they may be somebody's words.
pub fn masked(error: &serde_json::Error) -> String {
    let text = error.to_string().replace("\\\"", "");
    let parts = text
        .split('"')
        .enumerate()
        .map(|(at, part)| if at % 2 == 1 { "…" } else { part });
    limits::cut(parts.collect::<Vec<_>>().join("\""), MOST_REASON).0
}

/// Characters of a reason; it may name what the vendor wrote.
const MOST_REASON: usize = 100;

#[cfg(test)]
mod tests {
    use kefu_plugin_api::prelude::{Content, Sender, SenderKind};

    use super::*;

    #[test]
    fn an_event_newer_than_this_version_is_ignored() {
        assert_eq!(
            Told::read("agent.dancing", &json!({"style": "tango"})),
            Ok(None)
        );
    }

    #[test]
    fn a_kind_of_content_that_is_not_known_is_shown_as_its_fallback_text() {
        let told = Told::read(
            "message",
            &said(json!({"type": "hologram", "fallback_text": "全息"})),
        )
        .unwrap();
        assert_eq!(content_of(told), Content::text("全息"));
        let told = Told::read("message", &said(json!({"type": "hologram"}))).unwrap();
        assert!(matches!(content_of(told), Content::Text { text } if text.contains("不支持")));
    }

    #[test]
    fn data_of_a_wrong_shape_is_refused_without_repeating_it() {
        let cases = [
            (
                "message",
                json!({"msg_id": "1", "from": {"kind": "agent"}, "content": "我的\"密码\"是 secret"}),
            ),
            (
                "message",
                json!({"from": {"kind": "agent"}, "content": {"type": "text", "text": "x"}}),
            ),
            (
                "message",
                json!({"msg_id": "1", "content": {"type": "text", "text": "x"}}),
            ),
            ("message", said(json!({"type": "text", "text": ""}))),
            (
                "message",
                said(json!({"type": "text", "text": "长".repeat(8_001)})),
            ),
            ("message", said(json!({"type": "image"}))),
            ("message.recalled", json!({})),
            ("queue.update", json!({"queue": {"position": -1}})),
            ("queue.update", Value::Null),
            ("session.mode", json!({"mode": "asleep"})),
            ("session.mode", json!({})),
            ("session.transferred", json!({})),
            ("capabilities.changed", json!({})),
            ("session.ended", json!({"reason": 7})),
        ];
        for (name, data) in cases {
            let error = Told::read(name, &data).expect_err(name);
            assert!(error.starts_with("data of `"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_unknown_end_reason_is_a_fault_of_the_vendor() {
        let reason = |text: Option<&str>| {
            end_reason(&Ended {
                reason: text.map(Into::into),
                evaluate: false,
            })
        };
        assert_eq!(reason(Some("idle")), EndReason::Idle);
        assert_eq!(reason(Some("earthquake")), EndReason::ProviderError);
        assert_eq!(reason(None), EndReason::ProviderError);
    }

    #[test]
    fn a_profile_is_split_into_who_and_where_from() {
        let visitor = Visitor {
            id: "u-1".into(),
            name: Some("Li Lei".into()),
            fields: [("city", "北京"), ("page", "退货"), ("define", "{}")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ..Visitor::default()
        };
        let (who, context) = profile(&visitor);
        assert_eq!(
            Value::from(who),
            json!({"id": "u-1", "name": "Li Lei", "city": "北京"})
        );
        assert_eq!(
            Value::from(context),
            json!({"page": "退货", "define": "{}"})
        );
    }

    fn said(content: Value) -> Value {
        json!({"msg_id": "V-1", "from": {"kind": "agent"}, "content": content})
    }

    fn content_of(told: Option<Told>) -> Content {
        match told {
            Some(Told::Neutral(ProviderEvent::Message { message })) => {
                assert_eq!(message.from, Sender::of(SenderKind::Agent));
                message.content
            }
            other => panic!("not a message: {other:?}"),
        }
    }
}
