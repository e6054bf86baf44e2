//! Both ways between neutral messages and the vendor's.
//!
//! Owns what a visitor's content becomes at the vendor, the rows of a profile,
//! and what an event's content becomes here. Invariant: nothing is lost
//! silently: what the vendor has no kind for goes as text, and what is longer
//! than a message may be goes in several.

use kefu_plugin_api::prelude::{Content, Incoming, Sender, SenderKind, Visitor};
use serde_json::Value;

use crate::{
    abilities::VISITOR_FIELDS,
    api::{Row, short},
};

/// A text as one or more that the vendor takes.
pub(crate) fn pieces(text: &str) -> Vec<String> {
    in_pieces(text, SENT_LIMIT)
}

/// What is known of the visitor, in rows; empty if nothing is.
pub(crate) fn rows(visitor: &Visitor) -> Vec<Row<'_>> {
    let told = VISITOR_FIELDS.iter().filter_map(|&field| {
        let value = match field {
            "name" => visitor.name.as_ref(),
            field => visitor.fields.get(field),
        };
        value
            .filter(|value| !value.trim().is_empty())
            .map(|value| (field, value.as_str()))
    });
    let row = |(index, (field, value))| {
        // The vendor's own rows; everything else is a free one.
        let (key, label) = match field {
            "name" => ("real_name", None),
            "mobile_no" => ("mobile_phone", None),
            "email" => ("email", None),
            field => (field, Some(label(field))),
        };
        Row {
            index: label.is_some().then_some(index),
            key,
            label,
            value,
        }
    };
    told.enumerate().map(row).collect()
}

fn label(field: &str) -> &'static str {
    match field {
        "gender" => "性别",
        "birthday" => "生日",
        "age" => "年龄",
        "profession" => "职业",
        "province" => "省份",
        "city" => "城市",
        "address" => "地址",
        "grade" => "等级",
        _ => "备注",
    }
}

/// What somebody at the desk said.
pub(crate) fn content(kind: &str, content: &Value) -> Option<Content> {
    // The vendor's examples hold an object; its text is taken, too.
    let parsed = content
        .as_str()
        .filter(|_| kind != "TEXT")
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    let content = parsed.as_ref().unwrap_or(content);
    let link = content
        .get("url")
        .and_then(Value::as_str)
        .or_else(|| content.as_str())
        .filter(|url| is_link(url));
    let pixels = |key| {
        let number = content.get(key).and_then(Value::as_u64)?;
        u32::try_from(number).ok().filter(|&number| number > 0)
    };
    Some(match (kind, link) {
        ("PICTURE", Some(url)) => Content::Image {
            url: url.to_owned(),
            thumbnail: None,
            width: pixels("w"),
            height: pixels("h"),
        },
        ("AUDIO", Some(url)) => Content::Voice {
            url: url.to_owned(),
            duration_ms: content.get("dur").and_then(Value::as_u64).unwrap_or(0),
            format: voice_format(url).to_owned(),
        },
        ("TEXT", _) | (_, None) => Content::Text {
            text: plain(content)?,
        },
        (_, Some(url)) => Content::File {
            url: url.to_owned(),
            name: file_name(content, url),
            size: content.get("size").and_then(Value::as_u64).unwrap_or(0),
        },
    })
}

fn plain(content: &Value) -> Option<String> {
    let text = match content {
        Value::String(text) => text.clone(),
        Value::Null => return None,
        other => other.to_string(),
    };
    (!text.trim().is_empty()).then_some(text)
}

/// A notice of the platform.
pub(crate) fn notice(text: &str) -> Incoming {
    Incoming::new(Sender::of(SenderKind::System), Content::text(text))
}

/// A message as one or more that an app may be shown.
pub(crate) fn shown(message: Incoming) -> Vec<Incoming> {
    let Content::Text { text } = &message.content else {
        return vec![message];
    };
    let piece = |(at, text): (usize, String)| Incoming {
        vendor_id: match (&message.vendor_id, at) {
            (Some(id), at @ 1..) => Some(format!("{id}#{at}")),
            (id, _) => id.clone(),
        },
        content: Content::Text { text },
        ..message.clone()
    };
    let pieces = in_pieces(text, SHOWN_LIMIT);
    pieces.into_iter().enumerate().map(piece).collect()
}

fn in_pieces(text: &str, limit: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let pieces = letters.chunks(limit);
    pieces.map(|piece| piece.iter().collect()).collect()
}

/// Whether a text is one address that an app may open.
pub(crate) fn is_link(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://"))
        && text.len() <= LINK_LIMIT
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn path_of(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

fn voice_format(url: &str) -> &'static str {
    let ending = path_of(url).rsplit('.').next().unwrap_or_default();
    ["mp3", "wav", "aac", "webm", "ogg", "m4a"]
        .into_iter()
        .find(|known| ending.eq_ignore_ascii_case(known))
        .unwrap_or("amr")
}

fn file_name(content: &Value, url: &str) -> String {
    let told = content.get("name").and_then(Value::as_str);
    let last = path_of(url).rsplit('/').next().unwrap_or_default();
    match short(told.unwrap_or(last), NAME_LIMIT) {
        name if name.is_empty() => "file".to_owned(),
        name => name,
    }
}

/// Characters that the vendor takes in a text.
const SENT_LIMIT: usize = 4_000;
/// Characters that an app is shown in a text.
const SHOWN_LIMIT: usize = 8_000;
const LINK_LIMIT: usize = 2_048;
const NAME_LIMIT: usize = 100;
