//! What may come in: authentic, ours, readable, known.

#[path = "support/vendor.rs"]
mod vendor;

use kefu_jiaxin::JiaxinAdapter;
use kefu_plugin_api::{prelude::*, testing::Harness};
use serde_json::{Value, json};
use vendor::{SECRET, callback, settings, sign};

const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);
const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn a_message_is_known_by_its_own_id() {
    let receipt = receive(&callback(&message("V-1", "您好"), NOW)).unwrap();
    let [received] = receipt.events.as_slice() else {
        panic!("one event")
    };
    assert_eq!(received.conversation, "conversation-1".into());
    assert_eq!(received.vendor_session.as_deref(), Some("S-1001"));
    assert_eq!(
        received.dedupe,
        Dedupe::Key {
            key: "msg:V-1".into()
        }
    );
    assert!(
        matches!(&received.event, ProviderEvent::Message { message } if message.content == Content::text("您好"))
    );
    assert_eq!(answer(&receipt), json!({"code": 0, "msg": "ok"}));
}

#[test]
fn any_other_event_is_known_by_its_webhook_id() {
    let hook = json!({"id": "E-77", "event": "message.recalled", "data": {"msg_id": "V-1"}});
    let receipt = receive(&callback(&hook, NOW)).unwrap();
    assert_eq!(
        receipt.events[0].dedupe,
        Dedupe::Key {
            key: "id:E-77".into()
        }
    );
}

#[test]
fn an_event_that_is_not_known_is_answered_and_ignored() {
    for name in ["agent.dancing", "1", "8", "99"] {
        let receipt = receive(&callback(&json!({"event": name, "data": {}}), NOW)).unwrap();
        assert_eq!((receipt.status, receipt.events.len()), (200, 0), "{name}");
        assert_eq!(answer(&receipt), json!({"code": 0, "msg": "ignored"}));
    }
}

#[test]
fn an_unsigned_callback_is_refused() {
    let mut bare = callback(&message("V-1", "x"), NOW);
    bare.headers.retain(|(name, _)| name != "webhook-signature");
    assert!(unauthenticated(&bare));
    bare.headers.clear();
    assert!(unauthenticated(&bare));
}

#[test]
fn a_callback_signed_with_another_secret_is_refused() {
    let body = callback(&message("V-1", "x"), NOW).body;
    assert!(unauthenticated(&sign(
        "E-1",
        body,
        NOW,
        NOW.unix_seconds(),
        OTHER
    )));
}

#[test]
fn a_callback_whose_body_was_changed_is_refused() {
    let mut changed = callback(&message("V-1", "x"), NOW);
    changed.body.push(b' ');
    assert!(unauthenticated(&changed));
}

#[test]
fn a_callback_older_than_five_minutes_is_refused() {
    let body = callback(&message("V-1", "x"), NOW).body;
    let at = |seconds| {
        sign(
            "E-1",
            body.clone(),
            NOW,
            NOW.unix_seconds() + seconds,
            SECRET,
        )
    };
    assert!(receive(&at(-300)).is_ok());
    assert!(unauthenticated(&at(-301)));
    assert!(unauthenticated(&at(301)));
}

#[test]
fn during_a_rotation_both_secrets_are_accepted() {
    let mut both = settings();
    both["secrets"] = json!([OTHER]);
    let harness = Harness::<JiaxinAdapter>::open(both).unwrap();
    let body = callback(&message("V-1", "x"), NOW).body;
    for secret in [SECRET, OTHER] {
        let signed = sign("E-1", body.clone(), NOW, NOW.unix_seconds(), secret);
        assert!(harness.receive(&signed).is_ok());
    }
}

#[test]
fn an_authentic_callback_that_cannot_be_read_is_malformed() {
    let signed = |id: &str, body: &str| {
        sign(
            id,
            body.as_bytes().to_vec(),
            NOW,
            NOW.unix_seconds(),
            SECRET,
        )
    };
    for body in [
        "",
        "null",
        "[]",
        "{",
        "<xml/>",
        r#"{"id":"E-1"}"#,
        "\u{feff}{}",
    ] {
        assert!(malformed(&signed("E-1", body)).is_some(), "{body}");
    }
    assert!(
        malformed(&sign(
            "E-1",
            vec![0xff, 0xfe],
            NOW,
            NOW.unix_seconds(),
            SECRET
        ))
        .is_some()
    );
}

#[test]
fn an_authentic_callback_with_a_wrong_envelope_is_malformed() {
    let cases = [
        (
            json!({"account": "acme/other", "event": "typing"}),
            "account",
        ),
        (json!({"visitor_id": "", "event": "typing"}), "visitor_id"),
        (
            json!({"visitor_id": "张三", "event": "typing"}),
            "visitor_id",
        ),
        (
            json!({"visitor_id": "v".repeat(129), "event": "typing"}),
            "visitor_id",
        ),
        (
            json!({"session_id": "a b", "event": "typing"}),
            "session_id",
        ),
        (json!({"event": ["typing"]}), "event"),
        (
            json!({"event": "session.mode", "data": {"mode": "asleep"}}),
            "session.mode",
        ),
        (json!({"event": "message", "data": {}}), "message"),
    ];
    for (hook, named) in cases {
        let detail = malformed(&callback(&hook, NOW)).unwrap_or_else(|| panic!("accepted: {hook}"));
        assert!(detail.contains(named) || named == "event", "{detail}");
    }
    let other_id = sign(
        "E-2",
        callback(&message("V-1", "x"), NOW).body,
        NOW,
        NOW.unix_seconds(),
        SECRET,
    );
    assert!(malformed(&other_id).is_some_and(|detail| detail.contains("webhook-id")));
}

#[test]
fn a_refusal_repeats_nothing_that_was_said() {
    let hook = json!({"event": "message", "data": {"msg_id": "V-1", "from": {"kind": "agent"}, "content": "银行卡密码"}});
    assert!(!malformed(&callback(&hook, NOW)).unwrap().contains("密码"));
}

#[test]
fn settings_that_cannot_work_are_named() {
    let cases = [
        ("base_url", json!("jiaxin.example"), "base_url"),
        ("base_url", json!("https://"), "base_url"),
        ("base_url", json!("https://jiaxin.example/?x=1"), "base_url"),
        ("secret", json!("hunter2-hunter2"), "secret"),
        ("secret", json!("whsec_c2hvcnQ="), "secret"),
        ("secret", Value::Null, "secrets"),
        ("org", json!(""), "org"),
        ("app", json!("a/b"), "app"),
        ("group", json!(""), "group"),
        ("channel", json!(""), "channel"),
        ("channel", json!("网页"), "channel"),
        ("channels", json!({"web": ""}), "channels.web"),
        ("channels", json!({"web": "官网"}), "channels.web"),
        (
            "channels",
            json!({"app": "12345678901234567"}),
            "channels.app",
        ),
        ("channels", json!({"": "10001"}), "channels"),
        (
            "channels",
            json!({"iOS": "10001", "ios": "10002"}),
            "channels.ios",
        ),
    ];
    for (key, value, named) in cases {
        let mut wrong = settings();
        wrong[key] = value;
        let error = Harness::<JiaxinAdapter>::open(wrong)
            .err()
            .unwrap_or_else(|| panic!("accepted: {key}"));
        assert_eq!(error.setting.as_deref(), Some(named), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn an_unknown_or_missing_setting_is_refused() {
    let mut unknown = settings();
    unknown["sekret"] = json!("x");
    let error = Harness::<JiaxinAdapter>::open(unknown)
        .err()
        .expect("an unknown key is an error");
    assert!(error.to_string().contains("sekret"), "{error}");
    let mut missing = settings();
    missing.as_object_mut().unwrap().remove("channel");
    let error = Harness::<JiaxinAdapter>::open(missing)
        .err()
        .expect("the channel number is required");
    assert!(error.to_string().contains("channel"), "{error}");
}

#[test]
fn a_table_of_channels_that_is_none_is_refused() {
    for wrong in [
        json!("10001"),
        json!(["10001"]),
        json!({"web": 10001}),
        json!({"web": null}),
    ] {
        let mut settings_of_it = settings();
        settings_of_it["channels"] = wrong.clone();
        let refused = Harness::<JiaxinAdapter>::open(settings_of_it).is_err();
        assert!(refused, "{wrong}");
    }
}

#[test]
fn the_descriptor_says_what_jiaxin_can_do() {
    let descriptor = Harness::<JiaxinAdapter>::descriptor();
    let level = |state, kind| descriptor.capabilities.level(state, kind);
    use ContentKind as Kind;
    use SessionState::{Human, Queued, Robot};
    for kind in [Kind::Text, Kind::Emoji] {
        assert_eq!(level(Robot, kind), Level::Full);
    }
    for kind in [
        Kind::Image,
        Kind::Voice,
        Kind::Location,
        Kind::Video,
        Kind::File,
    ] {
        assert_eq!(level(Robot, kind), Level::Rejected, "{kind:?}");
    }
    for kind in [Kind::Text, Kind::Image, Kind::Voice, Kind::Emoji] {
        assert_eq!(level(Human, kind), Level::Full, "{kind:?}");
    }
    for kind in [Kind::Location, Kind::Video, Kind::File] {
        assert_eq!(level(Human, kind), Level::Rejected, "{kind:?}");
    }
    for kind in [Kind::Rich, Kind::Custom] {
        assert_eq!(level(Human, kind), Level::Converted, "{kind:?}");
    }
    assert_eq!(level(Queued, Kind::Text), Level::Rejected);
    let capabilities = &descriptor.capabilities;
    assert_eq!(capabilities.exit, Exit::Keeps);
    assert_eq!(capabilities.emoji, EmojiForm::Text);
    assert_eq!(capabilities.evaluation.by, [EvaluationStart::Agent]);
    assert_eq!(capabilities.evaluation.robot, RobotEvaluation::None);
    assert_eq!(
        capabilities.evaluation.human.as_ref().unwrap().labels[4],
        "非常满意"
    );
    assert!(!capabilities.back_to_robot);
}

fn receive(callback: &Callback) -> Result<Receipt, Reject> {
    Harness::<JiaxinAdapter>::open(settings())
        .expect("the settings are right")
        .receive(callback)
}

fn unauthenticated(callback: &Callback) -> bool {
    matches!(receive(callback), Err(Reject::Unauthenticated { .. }))
}

fn malformed(callback: &Callback) -> Option<String> {
    match receive(callback) {
        Err(Reject::Malformed { detail }) => Some(detail),
        _ => None,
    }
}

fn answer(receipt: &Receipt) -> Value {
    serde_json::from_slice(&receipt.body).expect("the answer is JSON")
}

fn message(id: &str, text: &str) -> Value {
    json!({"event": "message", "data": {
        "msg_id": id, "from": {"kind": "agent", "name": "小王"}, "content": {"type": "text", "text": text},
    }})
}
