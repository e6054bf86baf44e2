//! Events of the vendor: proof, form, repeats.

use kefu_plugin_api::prelude::*;
use serde_json::{Value, json};

use crate::script::{Desk, NOW, SECRET, push, signed};

fn message() -> Value {
    json!({"uid": "conversation-1", "msgId": "V-1", "msgType": "TEXT", "content": "您好", "staffId": 7, "timeStamp": 1})
}

fn receive(callback: &Callback) -> Result<Receipt, Reject> {
    Desk::new().harness.receive(callback)
}

fn unauthentic(callback: &Callback) {
    let refused = receive(callback);
    assert!(
        matches!(refused, Err(Reject::Unauthenticated { .. })),
        "{}: {refused:?}",
        callback.query
    );
    assert!(!format!("{refused:?}").contains(SECRET));
}

fn malformed(callback: &Callback) {
    let refused = receive(callback);
    assert!(
        matches!(refused, Err(Reject::Malformed { .. })),
        "{}: {refused:?}",
        String::from_utf8_lossy(&callback.body[..callback.body.len().min(80)])
    );
}

fn only(callback: &Callback) -> Received {
    let mut events = receive(callback).expect("it is accepted").events;
    assert_eq!(events.len(), 1);
    events.remove(0)
}

#[test]
fn an_event_is_answered_with_nothing_which_is_what_the_vendor_wants() {
    let receipt = receive(&push("MSG", message())).expect("it is accepted");
    assert_eq!((receipt.status, receipt.body), (200, Vec::new()));
}

#[test]
fn a_checksum_of_other_bytes_time_or_secret_is_refused() {
    let good = push("MSG", message());
    let mut body = good.clone();
    body.body.push(b' ');
    unauthentic(&body);
    let time = NOW.to_string();
    unauthentic(&signed("MSG", b"{}", &time, "another-secret"));
    unauthentic(&signed("MSG", b"{}", &time, ""));
    let mut query = good.clone();
    query.query = query.query.replace(&time, &(NOW + 1).to_string());
    unauthentic(&query);
    for broken in [
        String::new(),
        "eventType=MSG".to_owned(),
        format!("eventType=MSG&time={time}"),
        format!("eventType=MSG&time={time}&checksum="),
        good.query.to_uppercase(),
        format!("{}&time={time}", good.query),
        format!("{}&checksum=x", good.query),
    ] {
        let mut callback = good.clone();
        callback.query = broken;
        unauthentic(&callback);
    }
    let mut get = good;
    get.method = "GET".into();
    unauthentic(&get);
}

#[test]
fn a_checksum_is_valid_for_five_minutes_either_way() {
    for seconds in [NOW, NOW - 300, NOW + 300] {
        let body = message().to_string();
        assert!(
            receive(&signed(
                "MSG",
                body.as_bytes(),
                &seconds.to_string(),
                SECRET
            ))
            .is_ok()
        );
    }
    for time in [
        (NOW - 301).to_string(),
        (NOW + 301).to_string(),
        // Milliseconds are no seconds.
        format!("{NOW}000"),
        i64::MIN.to_string(),
        i64::MAX.to_string(),
        "soon".to_owned(),
        String::new(),
    ] {
        unauthentic(&signed(
            "MSG",
            message().to_string().as_bytes(),
            &time,
            SECRET,
        ));
    }
}

#[test]
fn an_unauthentic_event_is_refused_before_it_is_read() {
    let mut callback = push("MSG", message());
    callback.body = b"not json".to_vec();
    unauthentic(&callback);
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let time = NOW.to_string();
    for event in [
        "MSG",
        "SESSION_START",
        "SESSION_END",
        "EVA_INVITATION",
        "NEW",
    ] {
        for body in ["", "<html>", "[]", "null", "7", "{\"uid\"", "\u{feff}{}"] {
            malformed(&signed(event, body.as_bytes(), &time, SECRET));
        }
        malformed(&signed(event, &[b'['; 100_000], &time, SECRET));
    }
    let mut nameless = push("MSG", message());
    nameless.query = nameless.query.replace("eventType", "other");
    malformed(&nameless);
}

#[test]
fn a_missing_wrong_or_enormous_visitor_is_refused() {
    for uid in [
        Value::Null,
        json!(""),
        json!({}),
        json!(true),
        json!("u".repeat(129)),
        json!("a\nb"),
    ] {
        for event in [
            "MSG",
            "SESSION_START",
            "SESSION_END",
            "EVA_INVITATION",
            "USER_JOIN_QUEUE",
            "QUEUE_TIMEOUT",
        ] {
            let mut body = message();
            body["uid"] = uid.clone();
            let body = body.to_string();
            malformed(&signed(event, body.as_bytes(), &NOW.to_string(), SECRET));
        }
    }
}

#[test]
fn a_message_without_content_or_with_an_enormous_id_is_refused() {
    for content in [Value::Null, json!(""), json!("  ")] {
        let mut body = message();
        body["content"] = content;
        malformed(&push("MSG", body));
    }
    let mut body = message();
    body["msgId"] = json!("x".repeat(129));
    malformed(&push("MSG", body));
}

#[test]
fn whatever_a_message_claims_to_be_something_is_shown() {
    for kind in ["TEXT", "PICTURE", "AUDIO", "VIDEO", "FILE", "RICH", ""] {
        for content in [
            json!("javascript:alert(1)"),
            json!({"url": 7}),
            json!([1, 2]),
            json!({"url": "ftp://x"}),
            json!(42),
        ] {
            let body = json!({"msgType": kind, "content": content, "msgId": "V-1"});
            let received = only(&push("MSG", body));
            let ProviderEvent::Message { message } = received.event else {
                panic!("a message");
            };
            assert_eq!(
                message.content.kind(),
                ContentKind::Text,
                "{kind} {content}"
            );
        }
    }
    let body = json!({"msgType": "FILE", "content": {"url": "https://qiyu.example/f/%E5%8D%95.pdf", "name": "单.pdf", "size": 3}});
    let ProviderEvent::Message { message } = only(&push("MSG", body)).event else {
        panic!("a message");
    };
    let file = json!({"type": "file", "url": "https://qiyu.example/f/%E5%8D%95.pdf", "name": "单.pdf", "size": 3});
    assert_eq!(serde_json::to_value(message.content).expect("JSON"), file);
}

#[test]
fn a_repeat_is_recognised() {
    let key = |callback: &Callback| only(callback).dedupe;
    let keyed = |key: &str| Dedupe::Key { key: key.into() };
    assert_eq!(key(&push("MSG", message())), keyed("MSG:V-1"));
    let session = json!({"sessionId": 102});
    assert_eq!(
        key(&push("SESSION_START", session.clone())),
        keyed("SESSION_START:102")
    );
    assert_eq!(
        key(&push("SESSION_END", session.clone())),
        keyed("SESSION_END:102")
    );
    for (event, body) in [
        ("EVA_INVITATION", session),
        ("USER_JOIN_QUEUE", json!({"count": 1})),
        ("QUEUE_TIMEOUT", json!({})),
        ("SESSION_END", json!({})),
        ("MSG", json!({"content": "在", "timeStamp": 1})),
    ] {
        assert!(
            matches!(key(&push(event, body)), Dedupe::Body { .. }),
            "{event}"
        );
    }
    let nothing = push("MSG", json!({"content": "在"}));
    assert!(matches!(key(&nothing), Dedupe::Unkeyable { .. }));
}

#[test]
fn an_end_finds_its_own_session_and_a_start_the_visitors() {
    let body = json!({"sessionId": 102, "closeReason": 0});
    assert_eq!(
        only(&push("SESSION_END", body.clone()))
            .vendor_session
            .as_deref(),
        Some("102")
    );
    let start = only(&push("SESSION_START", body));
    assert_eq!(start.vendor_session, None);
    assert_eq!(start.conversation.as_str(), "conversation-1");
}

#[test]
fn an_event_that_is_newer_than_this_adapter_is_noted_and_answered() {
    let mut desk = Desk::in_human();
    assert_eq!(desk.take(&json!({"push": "STAFF_TYPING", "body": {}})), []);
    assert!(
        desk.harness
            .notes
            .iter()
            .any(|note| note.contains("STAFF_TYPING"))
    );
    let nobody = signed("CONFIG", b"{}", &NOW.to_string(), SECRET);
    assert_eq!(receive(&nobody).expect("it is accepted").events, []);
}

#[test]
fn an_enormous_event_of_many_levels_stays_small() {
    let levels: Vec<Value> = (0..10_000)
        .map(|value| json!({"name": "很".repeat(500), "value": value}))
        .collect();
    let mut desk = Desk::in_robot();
    let body = json!({"sessionId": 102, "staffId": 7, "staffName": "王".repeat(9_000), "evaluationModel": {"list": levels}});
    desk.take(&json!({"push": "SESSION_START", "body": body}));
    assert_eq!(desk.harness.view.standing, SessionState::Human);
    assert!(desk.harness.state_bytes().len() < 8 << 10);
}

#[test]
fn words_of_somebody_while_the_visitor_waits_lead_to_asking_who_it_is() {
    let mut desk = Desk::in_robot();
    desk.take(&json!({"event": {"type": "human_requested"}}));
    desk.take(&json!({"answer": "applyStaff", "body": {"code": 14006, "count": 1}}));
    let effects = desk.take(&json!({"push": "MSG", "body": message()}));
    assert!(matches!(
        effects.as_slice(),
        [Effect::Deliver { .. }, Effect::Call { .. }]
    ));
    // Once is enough.
    let effects = desk.take(&json!({"push": "MSG", "body": message()}));
    assert!(matches!(effects.as_slice(), [Effect::Deliver { .. }]));
    desk.take(&json!({"answer": "applyStaff", "body": crate::script::seated()}));
    assert_eq!(desk.harness.view.standing, SessionState::Human);
}
