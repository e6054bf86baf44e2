//! A push as a form of RongCloud's message routing (全量消息路由).
//!
//! Owns the fields and which of its message types carries what. Knows no
//! signature. Invariant: every kind of content has a type that an existing
//! receiver can show or skip; nothing is left out silently.

use kefu_plugin_api::message::{Content, Sender, SenderKind};
use serde_json::{Map, Value, json};

use crate::{
    log::{EventBody, LogEvent, LoggedMessage},
    session::Record,
};

/// The fields of a form, in their order.
pub type Post = Vec<(&'static str, String)>;

/// The form of an event in this session's log; `None` for an event that is not
/// pushed.
pub fn post(record: &Record, event: &LogEvent, replayed: bool) -> Option<Post> {
    let said = said(record, event)?;
    let (visitor, desk) = (record.visitor.id.clone(), record.desk.to_string());
    let (from, to) = if said.by_visitor {
        (visitor, desk)
    } else {
        (desk, visitor)
    };
    let source = if said.by_visitor {
        platform(record.client.platform.as_deref().unwrap_or_default())
    } else {
        "Server"
    };
    let mut form = vec![
        ("fromUserId", from),
        ("toUserId", to),
        ("objectName", said.object),
        ("content", said.content.to_string()),
        ("channelType", "CUSTOMERSERVICE".to_owned()),
        ("msgTimestamp", event.at.unix_ms().to_string()),
        ("msgUID", said.uid),
        ("sensitiveType", "0".to_owned()),
        ("source", source.to_owned()),
    ];
    if replayed {
        form.push(("replayed", "true".to_owned()));
    }
    Some(form)
}

/// What is told, in RongCloud's words.
struct Said {
    by_visitor: bool,
    uid: String,
    object: String,
    content: Value,
}

fn said(record: &Record, event: &LogEvent) -> Option<Said> {
    match &event.body {
        EventBody::Message(message) => {
            let (object, content) = message_of(record, message);
            Some(Said {
                by_visitor: message.from.kind == SenderKind::Visitor,
                uid: message.id.to_string(),
                object,
                content,
            })
        }
        EventBody::Recalled { message } => Some(Said {
            by_visitor: false,
            uid: event.id.clone(),
            object: "RC:RcCmd".to_owned(),
            content: json!({
                "messageUId": message,
                "conversationType": CUSTOMER_SERVICE,
                "targetId": record.desk,
                "sentTime": event.at.unix_ms(),
            }),
        }),
        EventBody::LeaveMessageSubmitted { fields } => Some(Said {
            by_visitor: true,
            uid: event.id.clone(),
            object: "RC:CsLM".to_owned(),
            content: json!(fields),
        }),
        _ => None,
    }
}

fn message_of(record: &Record, message: &LoggedMessage) -> (String, Value) {
    let (object, mut content) = match &message.content {
        Content::Text { text } if message.from.kind == SenderKind::System => {
            ("RC:InfoNtf".to_owned(), json!({ "message": text }))
        }
        Content::Custom {
            name,
            payload,
            fallback_text,
        } => custom(name, payload, fallback_text),
        other => {
            let (object, content) = usual(other);
            (object.to_owned(), content)
        }
    };
    if let Value::Object(members) = &mut content {
        members.entry("user").or_insert_with(|| {
            let Sender {
                id, name, portrait, ..
            } = &message.from;
            let whose = match message.from.kind {
                SenderKind::Visitor => record.visitor.id.as_str(),
                _ => record.desk.as_str(),
            };
            // Native SDKs read `portrait`, the web widgets `icon`.
            json!({
                "id": id.as_deref().unwrap_or(whose),
                "name": name.as_deref().unwrap_or_default(),
                "portrait": portrait.as_deref().unwrap_or_default(),
                "icon": portrait.as_deref().unwrap_or_default(),
            })
        });
        if !message.suggestions.is_empty() {
            let extra = json!({ "suggestions": message.suggestions });
            members.entry("extra").or_insert(extra.to_string().into());
        }
    }
    (object, content)
}

/// Everything that has a type of its own at RongCloud.
fn usual(content: &Content) -> (&'static str, Value) {
    match content {
        // Thumbnails are pictures in Base64 there; the gateway has links.
        Content::Image { url, .. } => ("RC:ImgMsg", json!({ "content": "", "imageUri": url })),
        Content::Voice {
            url,
            duration_ms,
            format,
        } => (
            "RC:HQVCMsg",
            json!({ "remoteUrl": url, "localPath": "", "duration": seconds(*duration_ms), "type": format }),
        ),
        Content::Location {
            latitude,
            longitude,
            label,
        } => (
            "RC:LBSMsg",
            json!({ "content": "", "latitude": latitude, "longitude": longitude, "poi": label }),
        ),
        Content::Rich {
            title,
            summary,
            image_url,
            url,
        } => (
            "RC:ImgTextMsg",
            json!({ "title": title, "content": summary, "imageUri": image_url.as_deref().unwrap_or_default(), "url": url }),
        ),
        Content::Video {
            url, duration_ms, ..
        } => (
            "RC:SightMsg",
            json!({ "sightUrl": url, "content": "", "duration": seconds(*duration_ms) }),
        ),
        Content::File { url, name, size } => (
            "RC:FileMsg",
            json!({ "name": name, "size": size, "type": extension(name), "fileUrl": url }),
        ),
        Content::Emoji { code, text } => (
            "RC:TxtMsg",
            json!({ "content": text, "extra": json!({ "emoji": code }).to_string() }),
        ),
        other => ("RC:TxtMsg", json!({ "content": other.to_text() })),
    }
}

/// A type of the app's own keeps its name where RongCloud allows it: at most 32
/// characters, none of its own.
fn custom(name: &str, payload: &Value, fallback_text: &str) -> (String, Value) {
    let reserved = name
        .get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("RC:"));
    let fits = !name.is_empty() && name.chars().count() <= 32 && !reserved;
    let mut members = match payload {
        Value::Object(members) if fits => members.clone(),
        other => Map::from_iter([("payload".to_owned(), other.clone())]),
    };
    members
        .entry("fallbackText")
        .or_insert(fallback_text.into());
    if fits {
        return (name.to_owned(), members.into());
    }
    members.insert("name".to_owned(), name.into());
    ("kefu:custom".to_owned(), members.into())
}

fn seconds(ms: u64) -> u64 {
    ms.div_ceil(1000)
}

fn extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() && end.len() <= 10 => end,
        _ => "",
    }
}

/// The sender's platform in RongCloud's spelling.
fn platform(named: &str) -> &'static str {
    match named.to_ascii_lowercase().as_str() {
        "ios" => "iOS",
        "android" => "Android",
        "miniprogram" | "mini_program" | "mini-program" => "MiniProgram",
        "pc" | "windows" | "macos" | "linux" | "desktop" => "PC",
        _ => "Websocket",
    }
}

/// The number of its conversation type.
const CUSTOMER_SERVICE: u8 = 5;

#[cfg(test)]
mod tests {
    use kefu_plugin_api::{
        event::{Client, Visitor},
        message::Agent,
        time::Timestamp,
    };

    use super::*;
    use crate::session::{Fallback, Opening};

    fn record() -> Record {
        Record::open(Opening {
            synthetic: false,
            id: "s1".into(),
            app: "demo".into(),
            desk: "support".into(),
            visitor: Visitor {
                id: "lin".into(),
                name: Some("林".into()),
                ..Visitor::default()
            },
            client: Client {
                platform: Some("IOS".into()),
                ..Client::default()
            },
            asked_group: None,
            order: vec![Fallback::new("zhichi", None)],
            now: Timestamp::from_unix_ms(0),
        })
        .expect("somebody to ask")
    }

    fn field<'a>(form: &'a Post, name: &str) -> &'a str {
        let found = form.iter().find(|(key, _)| *key == name);
        found.map_or("", |(_, value)| value)
    }

    fn event(body: EventBody) -> LogEvent {
        LogEvent {
            seq: 4,
            id: "e4".into(),
            session: "s1".into(),
            body,
            at: Timestamp::from_unix_ms(1_700_000_000_123),
        }
    }

    fn message(from: Sender, content: Content) -> Post {
        let logged = LoggedMessage {
            id: "m1".into(),
            from,
            content,
            suggestions: Vec::new(),
            converted_from: None,
            detail: None,
        };
        post(&record(), &event(EventBody::Message(logged)), false).expect("it is pushed")
    }

    fn content(form: &Post) -> Value {
        let mut content: Value = serde_json::from_str(field(form, "content")).unwrap();
        content.as_object_mut().unwrap().remove("user");
        content
    }

    #[test]
    fn a_visitors_message_goes_to_the_desk_and_an_agents_to_the_visitor() {
        let form = message(
            Sender::of(SenderKind::Visitor),
            Content::text("如何退货？&=+"),
        );
        for (name, value) in [
            ("fromUserId", "lin"),
            ("toUserId", "support"),
            ("objectName", "RC:TxtMsg"),
            ("channelType", "CUSTOMERSERVICE"),
            ("msgTimestamp", "1700000000123"),
            ("msgUID", "m1"),
            ("sensitiveType", "0"),
            ("source", "iOS"),
            ("replayed", ""),
        ] {
            assert_eq!(field(&form, name), value, "{name}");
        }
        assert_eq!(content(&form), json!({ "content": "如何退货？&=+" }));
        let agent = Agent {
            id: Some("a7".into()),
            name: Some("小王".into()),
            portrait: Some("https://a.example/7.png".into()),
        };
        let form = message(Sender::agent(agent), Content::text("七天内可退"));
        assert_eq!(field(&form, "fromUserId"), "support");
        assert_eq!(field(&form, "toUserId"), "lin");
        assert_eq!(field(&form, "source"), "Server");
        let content: Value = serde_json::from_str(field(&form, "content")).unwrap();
        assert_eq!(
            content["user"],
            json!({ "id": "a7", "name": "小王", "portrait": "https://a.example/7.png", "icon": "https://a.example/7.png" })
        );
    }

    #[test]
    fn every_kind_of_content_has_its_type_and_its_members() {
        let url = || "https://m.example/1".to_owned();
        let voice = Content::Voice {
            url: url(),
            duration_ms: 2_001,
            format: "amr".into(),
        };
        let place = Content::Location {
            latitude: 39.9,
            longitude: 116.4,
            label: "天安门".into(),
        };
        let rich = Content::Rich {
            title: "鞋".into(),
            summary: "42 码".into(),
            image_url: None,
            url: url(),
        };
        let picture = Content::Image {
            url: url(),
            thumbnail: None,
            width: None,
            height: None,
        };
        let film = Content::Video {
            url: url(),
            duration_ms: 9_000,
            thumbnail: None,
        };
        let file = Content::File {
            url: url(),
            name: "发票.2023.pdf".into(),
            size: 7,
        };
        let emoji = Content::Emoji {
            code: "[haha]".into(),
            text: "[哈哈]".into(),
        };
        for (said, object, members) in [
            (
                picture,
                "RC:ImgMsg",
                json!({ "content": "", "imageUri": url() }),
            ),
            (
                voice,
                "RC:HQVCMsg",
                json!({ "remoteUrl": url(), "localPath": "", "duration": 3, "type": "amr" }),
            ),
            (
                place,
                "RC:LBSMsg",
                json!({ "content": "", "latitude": 39.9, "longitude": 116.4, "poi": "天安门" }),
            ),
            (
                rich,
                "RC:ImgTextMsg",
                json!({ "title": "鞋", "content": "42 码", "imageUri": "", "url": url() }),
            ),
            (
                film,
                "RC:SightMsg",
                json!({ "sightUrl": url(), "content": "", "duration": 9 }),
            ),
            (
                file,
                "RC:FileMsg",
                json!({ "name": "发票.2023.pdf", "size": 7, "type": "pdf", "fileUrl": url() }),
            ),
            (
                emoji,
                "RC:TxtMsg",
                json!({ "content": "[哈哈]", "extra": "{\"emoji\":\"[haha]\"}" }),
            ),
            (
                Content::Unknown,
                "RC:TxtMsg",
                json!({ "content": Content::Unknown.to_text() }),
            ),
        ] {
            let form = message(Sender::of(SenderKind::Visitor), said);
            assert_eq!(field(&form, "objectName"), object);
            assert_eq!(content(&form), members, "{object}");
        }
        let tip = message(Sender::of(SenderKind::System), Content::text("坐席已接入"));
        assert_eq!(field(&tip, "objectName"), "RC:InfoNtf");
        assert_eq!(content(&tip), json!({ "message": "坐席已接入" }));
    }

    #[test]
    fn a_type_of_the_apps_own_keeps_its_name_where_it_may() {
        let said = |name: &str, payload: Value| {
            let content = Content::Custom {
                name: name.into(),
                payload,
                fallback_text: "红鞋".into(),
            };
            message(Sender::of(SenderKind::Visitor), content)
        };
        let form = said("cs:product", json!({ "title": "红鞋", "extra": 1 }));
        assert_eq!(field(&form, "objectName"), "cs:product");
        assert_eq!(
            content(&form),
            json!({ "title": "红鞋", "extra": 1, "fallbackText": "红鞋" })
        );
        for name in ["rc:TxtMsg", "", "a-name-that-has-more-than-32-characters"] {
            let form = said(name, json!({ "sku": 42 }));
            assert_eq!(field(&form, "objectName"), "kefu:custom");
            assert_eq!(
                content(&form),
                json!({ "name": name, "payload": { "sku": 42 }, "fallbackText": "红鞋" })
            );
        }
        let form = said("cs:plain", json!([1, 2]));
        assert_eq!(
            content(&form),
            json!({ "payload": [1, 2], "fallbackText": "红鞋" })
        );
    }

    #[test]
    fn what_is_taken_back_names_the_message_as_it_was_pushed() {
        let recalled = EventBody::Recalled {
            message: "m1".into(),
        };
        let form = post(&record(), &event(recalled), false).unwrap();
        assert_eq!(field(&form, "objectName"), "RC:RcCmd");
        assert_eq!(field(&form, "fromUserId"), "support");
        assert_eq!(field(&form, "msgUID"), "e4");
        assert_eq!(
            content(&form),
            json!({ "messageUId": "m1", "conversationType": 5, "targetId": "support", "sentTime": 1_700_000_000_123_i64 })
        );
    }

    #[test]
    fn a_form_that_was_left_and_a_replay_are_marked_as_such() {
        let fields = [("tel".to_owned(), "13800000000".to_owned())].into();
        let left = event(EventBody::LeaveMessageSubmitted { fields });
        let form = post(&record(), &left, true).unwrap();
        assert_eq!(field(&form, "objectName"), "RC:CsLM");
        assert_eq!(field(&form, "fromUserId"), "lin");
        assert_eq!(field(&form, "replayed"), "true");
        assert_eq!(content(&form), json!({ "tel": "13800000000" }));
        let queue = EventBody::Ended {
            reason: kefu_plugin_api::capability::EndReason::Visitor,
        };
        assert!(post(&record(), &event(queue), false).is_none());
    }
}
