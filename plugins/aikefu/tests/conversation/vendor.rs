//! Messages of the vendor: proof, form, repeats.

use kefu_plugin_api::prelude::*;
use serde_json::{Value, json};

use crate::script::{NOW, SECRET, open, push, set, signed};

fn text() -> Value {
    json!({"msgtype": "text", "text": {"content": "您好"}})
}

fn whole() -> String {
    json!({"fromuser": "kefu@app-key", "touser": "conversation-1@app-key", "msgtype": "text", "text": {"content": "您好"}}).to_string()
}

fn receive(callback: &Callback) -> Result<Receipt, Reject> {
    open(json!({})).receive(callback)
}

fn unauthentic(callback: &Callback) {
    let refused = receive(callback);
    let right = matches!(refused, Err(Reject::Unauthenticated { .. }));
    assert!(right, "{:?}: {refused:?}", callback.headers);
    assert!(!format!("{refused:?}").contains(SECRET));
}

fn malformed(callback: &Callback) {
    let refused = receive(callback);
    assert!(
        matches!(refused, Err(Reject::Malformed { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_message_is_answered_in_the_vendors_words() {
    let receipt = receive(&push(text())).expect("it is accepted");
    let body: Value = serde_json::from_slice(&receipt.body).expect("JSON");
    assert_eq!(body, json!({"errcode": 0, "errmsg": "ok"}));
    assert_eq!(receipt.events[0].conversation.as_str(), "conversation-1");
}

#[test]
fn a_wrong_missing_or_repeated_header_is_refused() {
    for name in ["rc-app-key", "rc-nonce", "rc-timestamp", "rc-signature"] {
        for value in ["", "x", &"x".repeat(200)] {
            let mut callback = push(text());
            set(&mut callback, name, value);
            unauthentic(&callback);
        }
        let mut missing = push(text());
        missing.headers.retain(|(key, _)| key != name);
        unauthentic(&missing);
        let mut twice = push(text());
        let header = twice.headers.iter().find(|(key, _)| key == name).cloned();
        twice.headers.extend(header);
        unauthentic(&twice);
    }
    let time = NOW.to_string();
    unauthentic(&signed(&whole(), "1", &time, "another"));
    unauthentic(&signed(&whole(), "1", &time, ""));
    let mut unread = signed("not json", "1", &time, "another");
    unread.path = "/elsewhere".into();
    unauthentic(&unread);
}

#[test]
fn a_time_counts_for_five_minutes_in_seconds_or_milliseconds() {
    for at in [NOW, NOW - 300, NOW + 300] {
        assert!(receive(&signed(&whole(), "1", &at.to_string(), SECRET)).is_ok());
        assert!(receive(&signed(&whole(), "1", &format!("{at}000"), SECRET)).is_ok());
    }
    for time in [
        (NOW - 301).to_string(),
        (NOW + 301).to_string(),
        format!("{}000", NOW - 301),
        format!("-{NOW}"),
        i64::MAX.to_string(),
        "soon".into(),
    ] {
        unauthentic(&signed(&whole(), "1", &time, SECRET));
    }
}

#[test]
fn a_signature_counts_once_whatever_comes_with_it() {
    let key = |body: &str, nonce: &str| {
        let callback = signed(body, nonce, &NOW.to_string(), SECRET);
        receive(&callback)
            .expect("it is accepted")
            .events
            .remove(0)
            .dedupe
    };
    let other = whole().replace("您好", "转账到这里");
    assert_eq!(key(&whole(), "1"), key(&other, "1"));
    assert_ne!(key(&whole(), "1"), key(&whole(), "2"));
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    for body in ["", "<html>", "[]", "null", "7", "{\"touser\"", "{}"] {
        malformed(&signed(body, "1", &NOW.to_string(), SECRET));
    }
    malformed(&signed(&"[".repeat(100_000), "1", &NOW.to_string(), SECRET));
    let mut get = push(text());
    get.method = "GET".into();
    malformed(&get);
    let mut elsewhere = push(text());
    elsewhere.path = "/message/recall.json".into();
    malformed(&elsewhere);
}

#[test]
fn every_field_may_be_missing_of_another_type_or_enormous() {
    let long = format!("{}@app-key", "u".repeat(129));
    for key in ["fromuser", "touser", "msgtype", "text"] {
        for value in [
            Value::Null,
            json!(7),
            json!(""),
            json!([]),
            json!("@app-key"),
            json!("x@other"),
            json!(long),
        ] {
            let mut body = text();
            body["fromuser"] = json!("kefu@app-key");
            body["touser"] = json!("conversation-1@app-key");
            body[key] = value;
            malformed(&signed(&body.to_string(), "1", &NOW.to_string(), SECRET));
        }
    }
    for body in [
        json!({"msgtype": "text", "text": {"content": " "}}),
        json!({"msgtype": "text", "text": {"content": {}}}),
        json!({"msgtype": "image", "image": {}}),
        json!({"msgtype": "news", "news": {"articles": []}}),
        json!({"msgtype": "news", "news": {"articles": [{}, 7]}}),
        json!({"msgtype": "video", "video": {"media_id": "x"}}),
    ] {
        malformed(&push(body));
    }
    for info in [
        Value::Null,
        json!(7),
        json!({"id": 7, "name": [], "headimgurl": "javascript:x"}),
    ] {
        let mut body = text();
        body["userinfo"] = info;
        assert!(receive(&push(body)).is_ok());
    }
}

#[test]
fn media_that_cannot_be_fetched_is_refused_in_the_vendors_code() {
    let image = json!({"msgtype": "image", "image": {"media_id": "M-1"}});
    let receipt = receive(&push(image)).expect("it is answered");
    let body: Value = serde_json::from_slice(&receipt.body).expect("JSON");
    assert_eq!(body["errcode"], 1002);
    assert_eq!(receipt.events, []);
}

#[test]
fn many_articles_and_words_longer_than_a_message_come_in_pieces() {
    let article = json!({"title": "t", "url": "https://a.example/"});
    let news = json!({"msgtype": "news", "news": {"articles": vec![article; 1_000]}});
    assert_eq!(
        receive(&push(news)).expect("it is accepted").events.len(),
        8
    );
    let long = json!({"msgtype": "text", "text": {"content": "长".repeat(16_001)}});
    let events = receive(&push(long)).expect("it is accepted").events;
    let lengths: Vec<usize> = events
        .iter()
        .map(|received| match &received.event {
            ProviderEvent::Message { message } => message.content.to_text().chars().count(),
            other => panic!("a message, not {other:?}"),
        })
        .collect();
    assert_eq!(lengths, [8_000, 8_000, 1]);
    assert_ne!(events[0].dedupe, events[1].dedupe);
}
