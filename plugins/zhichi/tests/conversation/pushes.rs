//! Pushes: who may push, what each field may hold, how a repeat is recognised.

use std::net::SocketAddr;

use kefu_plugin_api::prelude::*;
use serde_json::{Value, json};

use crate::script::{Desk, SECRET, push};

fn message(fields: Value) -> Value {
    let mut body = json!({
        "type": 202,
        "partnerId": "conversation-1",
        "msgId": "V-1",
        "content": "您好",
        "msgType": "text",
        "aname": "小王",
    });
    let all = body.as_object_mut().expect("it is an object");
    for (key, value) in fields.as_object().expect("it is an object") {
        all.insert(key.clone(), value.clone());
    }
    body
}

fn receive(body: Value) -> Result<Receipt, Reject> {
    Desk::new().harness.receive(&push(body))
}

/// The only event of a push that is accepted.
fn received(body: Value) -> Received {
    let mut receipt = receive(body).expect("the push is accepted");
    assert_eq!(receipt.events.len(), 1);
    receipt.events.remove(0)
}

fn content(fields: Value) -> Content {
    match received(message(fields)).event {
        ProviderEvent::Message { message } => message.content,
        other => panic!("a message, not {other:?}"),
    }
}

fn malformed(body: Value) -> String {
    match receive(body.clone()) {
        Err(Reject::Malformed { detail }) => detail,
        other => panic!("{body} is malformed, not {other:?}"),
    }
}

#[test]
fn a_push_is_answered_in_the_vendors_words() {
    let receipt = receive(message(json!({}))).expect("the push is accepted");
    assert_eq!(receipt.status, 200);
    let body: Value = serde_json::from_slice(&receipt.body).expect("it is JSON");
    assert_eq!(body, json!({"ret_code": "000000", "ret_msg": "ok"}));
}

#[test]
fn a_push_finds_its_session_by_visitor_and_by_the_vendors_id() {
    let received = received(message(json!({"cid": "C-1"})));
    assert_eq!(received.conversation.as_str(), "conversation-1");
    assert_eq!(received.vendor_session.as_deref(), Some("C-1"));
}

#[test]
fn a_push_without_the_secret_is_refused() {
    let desk = Desk::new();
    for path in [
        String::new(),
        "/".into(),
        "/wrong".into(),
        format!("/{SECRET}x"),
        format!("/{}", &SECRET[1..]),
        format!("/{}", SECRET.to_uppercase()),
        format!("//{SECRET}"),
        format!("/{SECRET}/more"),
        format!("/more/{SECRET}"),
        SECRET.into(),
    ] {
        let mut callback = push(message(json!({})));
        callback.path = path.clone();
        // What a query or a header claims proves nothing.
        callback.query = format!("secret={SECRET}");
        let refused = desk.harness.receive(&callback);
        assert!(
            matches!(refused, Err(Reject::Unauthenticated { .. })),
            "{path}"
        );
        let text = format!("{refused:?}");
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[test]
fn an_unauthentic_push_is_refused_before_it_is_read() {
    let mut callback = push(json!({}));
    callback.path = "/wrong".into();
    callback.body = b"not json".to_vec();
    let refused = Desk::new().harness.receive(&callback);
    assert!(matches!(refused, Err(Reject::Unauthenticated { .. })));
}

#[test]
fn a_push_may_have_to_come_from_a_listed_address() {
    let desk = Desk::with(json!({"push_addresses": ["203.0.113.0/24", "2001:db8::1"]}));
    let from = |peer: Option<&str>| {
        let mut callback = push(message(json!({})));
        callback.peer = peer.map(|peer| peer.parse::<SocketAddr>().expect("an address").into());
        desk.harness.receive(&callback)
    };
    assert!(from(Some("203.0.113.9:4711")).is_ok());
    assert!(from(Some("[2001:db8::1]:4711")).is_ok());
    for peer in [Some("198.51.100.1:4711"), Some("[2001:db8::2]:4711"), None] {
        assert!(
            matches!(from(peer), Err(Reject::Unauthenticated { .. })),
            "{peer:?}"
        );
    }
}

#[test]
fn a_push_that_is_no_post_or_no_json_object_is_malformed() {
    let desk = Desk::new();
    let mut callback = push(message(json!({})));
    callback.method = "GET".into();
    assert_eq!(
        desk.harness.receive(&callback),
        Err(Reject::malformed("a push is a POST"))
    );
    for body in [
        "",
        "null",
        "[]",
        "7",
        "\"x\"",
        "{",
        "{\"type\": 202",
        "type=202&partnerId=x",
        "[202,\"conversation-1\",\"V-1\",null,\"hi\"]",
    ] {
        let mut callback = push(json!({}));
        callback.body = body.as_bytes().to_vec();
        let refused = desk.harness.receive(&callback);
        assert!(matches!(refused, Err(Reject::Malformed { .. })), "{body}");
    }
    let mut callback = push(json!({}));
    callback.body = vec![b'{'; 1 << 20];
    assert!(desk.harness.receive(&callback).is_err());
}

#[test]
fn a_push_names_its_type() {
    for kind in [
        json!(null),
        json!(""),
        json!("two"),
        json!(2.5),
        json!([202]),
        json!(true),
    ] {
        assert_eq!(
            malformed(message(json!({"type": kind}))),
            "`type` is missing or no number"
        );
    }
}

#[test]
fn a_push_names_its_visitor() {
    for partner in [json!(""), json!("  "), json!([]), json!({}), json!(true)] {
        let detail = malformed(message(json!({"partnerId": partner})));
        assert_eq!(detail, "`partnerId` is missing, empty or no text");
    }
    let mut callback = push(message(json!({})));
    let mut body = message(json!({}));
    body.as_object_mut()
        .expect("it is an object")
        .remove("partnerId");
    callback.body = body.to_string().into_bytes();
    assert!(matches!(
        Desk::new().harness.receive(&callback),
        Err(Reject::Malformed { .. })
    ));
    assert_eq!(
        received(message(json!({"partnerId": 42})))
            .conversation
            .as_str(),
        "42"
    );
}

#[test]
fn ids_that_are_too_long_or_not_visible_are_malformed() {
    for key in ["partnerId", "msgId", "revokeMsgId", "cid"] {
        for bad in ["x".repeat(129), "a\u{0}b".to_owned(), "a\nb".to_owned()] {
            let detail = malformed(message(json!({key: bad})));
            assert_eq!(
                detail,
                format!("`{key}` must be at most 128 bytes of visible text")
            );
        }
    }
}

#[test]
fn a_message_holds_something() {
    for content in [json!(null), json!(""), json!(" \n")] {
        let detail = malformed(message(json!({"content": content})));
        assert_eq!(detail, "`content` of a message is missing or empty");
    }
}

#[test]
fn what_only_decorates_may_be_missing_or_odd() {
    for odd in [
        json!(null),
        json!([]),
        json!({"a": 1}),
        json!(true),
        json!(""),
    ] {
        let body = message(
            json!({"aname": odd, "aface": odd, "aid": odd, "msgType": odd, "cid": odd, "ts": odd, "params": odd}),
        );
        let ProviderEvent::Message { message } = received(body).event else {
            panic!("a message")
        };
        assert_eq!(message.from, Sender::of(SenderKind::Agent));
        assert_eq!(message.content, Content::text("您好"));
    }
}

#[test]
fn an_enormous_name_is_cut_and_a_face_that_is_no_link_is_left_out() {
    for face in [
        "javascript:alert(1)".to_owned(),
        format!("https://{}", "x".repeat(4_000)),
    ] {
        let body = message(
            json!({"aname": "名".repeat(100_000), "aid": "7".repeat(100_000), "aface": face}),
        );
        let ProviderEvent::Message { message } = received(body).event else {
            panic!("a message")
        };
        assert_eq!(
            message.from.name.map(|name| name.chars().count()),
            Some(100)
        );
        assert_eq!(message.from.id.map(|id| id.len()), Some(128));
        assert_eq!(message.from.portrait, None);
    }
}

#[test]
fn every_kind_of_an_agents_message_is_shown_as_what_it_is() {
    let at = |name: &str| format!("https://img.example/{name}");
    let image = Content::Image {
        url: at("a.png"),
        thumbnail: None,
        width: None,
        height: None,
    };
    for kind in [json!("image"), json!("1"), json!(1)] {
        assert_eq!(
            content(json!({"msgType": kind, "content": at("a.png")})),
            image
        );
    }
    for (name, format) in [
        ("a.wav", "wav"),
        ("a.AMR?x=1", "amr"),
        ("a.mp3", "mp3"),
        ("a", "mp3"),
    ] {
        let voice = Content::Voice {
            url: at(name),
            duration_ms: 0,
            format: format.into(),
        };
        assert_eq!(
            content(json!({"msgType": "voice", "content": at(name)})),
            voice
        );
    }
    let video = Content::Video {
        url: at("a.mp4"),
        duration_ms: 0,
        thumbnail: None,
    };
    assert_eq!(
        content(json!({"msgType": "video", "content": at("a.mp4")})),
        video
    );
    let file = |name: &str, size| Content::File {
        url: at("%E8%A1%A8.pdf"),
        name: name.into(),
        size,
    };
    let url = at("%E8%A1%A8.pdf");
    assert_eq!(
        content(json!({"msgType": "file", "content": url})),
        file("表.pdf", 0)
    );
    let whole = json!({"url": url, "fileName": "报价.pdf", "fileSize": 12});
    assert_eq!(
        content(json!({"msgType": "file", "content": whole})),
        file("报价.pdf", 12)
    );
}

#[test]
fn what_cannot_be_shown_as_what_it_claims_to_be_is_shown_as_text() {
    for kind in ["image", "voice", "video", "file"] {
        let shown = content(json!({"msgType": kind, "content": "javascript:alert(1)"}));
        assert_eq!(shown, Content::text("javascript:alert(1)"));
    }
    assert_eq!(
        content(json!({"msgType": "card", "content": "一张卡片"})),
        Content::text("一张卡片")
    );
    assert_eq!(
        content(json!({"msgType": "text", "content": 42})),
        Content::text("42")
    );
    assert_eq!(
        content(json!({"content": {"a": 1}})),
        Content::text("{\"a\":1}")
    );
    let card = json!({"title": "手机", "url": "https://shop.example/1"});
    let custom = Content::Custom {
        name: "zhichi.card".into(),
        payload: card.clone(),
        fallback_text: "https://shop.example/1".into(),
    };
    assert_eq!(content(json!({"msgType": "card", "content": card})), custom);
    let huge = json!({"url": "x", "more": "y".repeat(40_000)});
    assert_eq!(
        content(json!({"msgType": "card", "content": huge})),
        Content::text("x")
    );
}

#[test]
fn every_reason_of_an_end_has_a_word() {
    for (reason, expected) in [
        (json!(1), EndReason::Agent),
        (json!(2), EndReason::Agent),
        (json!(3), EndReason::Blocked),
        (json!("4"), EndReason::Idle),
        (json!(6), EndReason::Transferred),
        (json!(9), EndReason::QueueTimeout),
        (json!(5), EndReason::Agent),
        (json!("soon"), EndReason::Agent),
        (json!(null), EndReason::Agent),
    ] {
        for key in ["reason", "status"] {
            let event = received(json!({"type": 204, key: reason})).event;
            assert_eq!(event, ProviderEvent::Ended { reason: expected }, "{reason}");
        }
    }
}

#[test]
fn a_blocked_visitor_is_told_so_before_the_end() {
    let mut desk = Desk::in_human();
    let effects = desk.take(&json!({"push": {"type": 204, "reason": 3}}));
    assert!(
        matches!(
            effects.as_slice(),
            [
                Effect::Capabilities { config: Some(config), .. },
                Effect::Close { reason: EndReason::Blocked },
            ] if config.blocked
        ),
        "{effects:?}"
    );
}

#[test]
fn a_recall_names_the_message() {
    for (fields, id) in [
        (json!({"msgId": "V-1"}), "V-1"),
        (json!({"revokeMsgId": "V-2", "msgId": "V-9"}), "V-2"),
    ] {
        let mut body = fields;
        body["type"] = 211.into();
        let recalled = ProviderEvent::Recalled {
            vendor_id: id.into(),
        };
        assert_eq!(received(body).event, recalled);
    }
    let detail = malformed(json!({"type": 211}));
    assert_eq!(detail, "`msgId` of the recalled message is missing");
}

#[test]
fn a_place_in_the_queue_that_makes_no_sense_is_left_out() {
    for count in [
        json!(null),
        json!("many"),
        json!([]),
        json!(1e30),
        json!(u64::MAX),
        json!(5_000_000_000_u64),
    ] {
        let mut desk = Desk::in_robot();
        let effects = desk.take(&json!({"push": {"type": 201, "count": count}}));
        assert_eq!(effects, [Effect::state(SessionState::Queued)], "{count}");
    }
    for count in [json!(0), json!(-3)] {
        let mut desk = Desk::in_robot();
        let effects = desk.take(&json!({"push": {"type": 201, "count": count}}));
        let first = Queue {
            position: 1,
            ahead: Some(0),
            eta_seconds: None,
        };
        assert_eq!(effects.last(), Some(&Effect::Queue { queue: first }));
    }
}

#[test]
fn a_type_that_is_not_known_is_accepted_and_noted() {
    let mut desk = Desk::in_human();
    for kind in [0, -1, 199, 203, 999_999] {
        assert_eq!(desk.take(&json!({"push": {"type": kind}})), []);
        let note = format!("a push of type {kind} was ignored: not known");
        assert_eq!(desk.harness.notes.last(), Some(&note));
    }
    for kind in [213, 301] {
        let receipt = receive(json!({"type": kind})).expect("the push is accepted");
        assert_eq!(receipt.events, []);
    }
}

#[test]
fn a_repeat_is_recognised_by_id_or_time_and_else_not_guessed() {
    let key = |body: Value| match received(body).dedupe {
        Dedupe::Key { key } => key,
        other => panic!("a key, not {other:?}"),
    };
    assert_eq!(key(message(json!({}))), "202:V-1");
    assert_eq!(key(json!({"type": 211, "msgId": "V-1"})), "211:V-1");
    let at = |content: &str| {
        message(json!({"msgId": null, "ts": 1_767_225_600_001_i64, "content": content}))
    };
    assert_eq!(key(at("您好")), key(at("您好")));
    assert_ne!(key(at("您好")), key(at("再见")));
    assert!(key(json!({"type": 204, "ts": "1767225600001"})).starts_with("204@1767225600001:"));
    let place = |count| key(json!({"type": 201, "ts": 1_767_225_600_001_i64, "count": count}));
    assert_eq!(place(2), place(2));
    assert_ne!(place(2), place(1));
    let unkeyable = received(message(json!({"msgId": null}))).dedupe;
    assert!(matches!(unkeyable, Dedupe::Unkeyable { .. }));
    let body = received(json!({"type": 204, "reason": 1})).dedupe;
    assert_eq!(body, Dedupe::Body { within_seconds: 60 });
}
