//! Scripts: events in, the full list of effects out.
//!
//! `fixtures/account.json` is a list of steps: `event` is an event of the
//! contract, `push` a message of the vendor, `answer` its answer to a message
//! of the visitor; `then` are the effects, all of them, in order.

#[path = "conversation/bad_input.rs"]
mod bad_input;
#[path = "conversation/script.rs"]
mod script;
#[path = "conversation/vendor.rs"]
mod vendor;

use kefu_plugin_api::{prelude::*, testing::calls};
use serde_json::{Value, json};

use script::{answer, form, open, play, settings, take};

fn says(id: &str, text: &str) -> Value {
    let content = json!({"type": "text", "text": text});
    json!({"event": {"type": "from_visitor", "message": {"id": id, "content": content}}})
}

#[test]
fn a_public_account_talks_with_a_visitor() {
    let settings = json!({"media_url": "https://aikefu.example/media/{media_id}"});
    play(settings, include_str!("fixtures/account.json"));
}

#[test]
fn a_message_is_routed_as_the_platform_routes_it_and_signed_at_each_attempt() {
    let mut harness = open(json!({}));
    harness.view.client.platform = Some("ios".into());
    let effects = take(&mut harness, &says("m-1", "在吗"));
    let call = calls(&effects)[0];
    assert_eq!(call.request.url, "https://aikefu.example/receive");
    assert!(call.repeatable);
    assert_eq!(call.message.as_ref().map(MessageId::as_str), Some("m-1"));
    assert_eq!(
        serde_json::to_value(&call.request.stamps).expect("stamps"),
        json!([
            {"type": "nonce", "place": {"type": "query", "name": "nonce"}},
            {"type": "time", "unit": "milliseconds", "place": {"type": "query", "name": "signTimestamp"}},
            {"type": "digest", "algorithm": "sha1", "encoding": "hex",
             "place": {"type": "query", "name": "signature"},
             "parts": [{"type": "secret", "setting": "app_secret"}, {"type": "nonce"}, {"type": "time", "unit": "milliseconds"}]},
        ])
    );
    let mut form = form(&effects);
    let uid = form["msgUID"].take();
    assert_eq!(uid.as_str().map(str::len), Some(32));
    assert_eq!(
        form,
        json!({
            "fromUserId": "conversation-1", "toUserId": "kefu", "objectName": "RC:TxtMsg",
            "content": {"content": "在吗", "user": {"id": "conversation-1"}},
            "channelType": "MC", "msgTimestamp": "1767225600000", "msgUID": null, "source": "iOS",
        })
    );
}

#[test]
fn a_voice_that_is_not_aac_goes_as_a_link_and_says_so() {
    let mut harness = open(json!({}));
    let voice = json!({"type": "voice", "url": "https://media.example/v.mp3", "duration_ms": 1, "format": "mp3"});
    let event = json!({"type": "from_visitor", "message": {"id": "m-1", "content": voice}});
    let form = form(&take(&mut harness, &json!({"event": event})));
    assert_eq!(form["objectName"], "RC:TxtMsg");
    assert!(
        form["content"]["content"]
            .as_str()
            .expect("text")
            .contains("v.mp3")
    );
    assert!(harness.notes[0].contains("voice"));
    let effects = harness.answered("send-in-words/m-1", 200, &json!({}));
    let [Effect::Status { status, detail, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(*status, MessageStatus::Delivered);
    assert!(detail.as_ref().is_some_and(|it| it.contains("as text")));
}

#[test]
fn what_the_vendor_answers_decides_the_fate_of_a_message() {
    use MessageStatus::{Delivered, Failed, Unknown};
    for (status, body, expected) in [
        (200, "ok", Delivered),
        (200, "", Delivered),
        (204, "", Delivered),
        (200, "{\"errcode\":0}", Delivered),
        (200, "{\"code\":200}", Delivered),
        (200, "[7]", Delivered),
        (200, "{\"errcode\":1002,\"errmsg\":\"x\"}", Failed),
        (200, "{\"code\":\"1004\"}", Failed),
        (200, " <html><body>502</body></html>", Unknown),
        (401, "{\"code\":1004}", Failed),
        (302, "", Failed),
        (404, "<html>", Failed),
        (500, "", Unknown),
        (502, "<html>", Unknown),
    ] {
        let mut harness = open(json!({}));
        take(&mut harness, &says("m-1", "在吗"));
        let effects = answer(&mut harness, "m-1", status, body.into());
        match effects.as_slice() {
            [
                Effect::Status {
                    message,
                    status: found,
                    ..
                },
            ] => {
                assert_eq!(
                    (message.as_str(), *found),
                    ("m-1", expected),
                    "{status} {body}"
                );
            }
            other => panic!("{status} {body}: {other:?}"),
        }
    }
}

#[test]
fn a_message_without_an_answer_is_left_to_the_host() {
    let mut harness = open(json!({}));
    let result = CallResult::Unknown {
        detail: "no answer".into(),
    };
    let effects = harness.handle(Event::CallFinished {
        call: "send/m-1".into(),
        result,
        token_renewed: false,
    });
    assert_eq!(effects, []);
    assert_eq!(harness.answered("newer/1", 200, &json!({})), []);
}

#[test]
fn what_the_vendor_has_no_word_for_is_ignored() {
    let mut harness = open(json!({}));
    for event in [
        json!({"type": "typing"}),
        json!({"type": "read", "message": "d-1"}),
        json!({"type": "leave_message", "fields": {}}),
        json!({"type": "evaluated", "evaluation": {"target": "human", "stars": 5}}),
        json!({"type": "human_requested"}),
        json!({"type": "closing", "reason": "idle"}),
        json!({"type": "something_newer"}),
    ] {
        assert_eq!(take(&mut harness, &json!({"event": event})), [], "{event}");
    }
}

#[test]
fn the_self_test_passes_and_the_descriptor_is_honest() {
    assert_eq!(open(json!({})).self_test(), Ok(()));
    let capabilities = script::AikefuHarness::descriptor().capabilities;
    assert!(capabilities.robot.is_empty() && !capabilities.to_human);
    for kind in ContentKind::ALL {
        let expected = match kind {
            ContentKind::Text | ContentKind::Image | ContentKind::Voice => Level::Full,
            _ => Level::Converted,
        };
        assert_eq!(
            capabilities.level(SessionState::Human, kind),
            expected,
            "{kind:?}"
        );
    }
    assert_eq!(capabilities.evaluation, EvaluationRules::default());
    assert_eq!(capabilities.leave_message, LeaveMessageRules::default());
    assert_eq!(capabilities.exit, Exit::Ends);
}

#[test]
fn a_setting_that_cannot_be_used_is_named() {
    for (setting, value) in [
        ("account_id", json!("")),
        ("app_key", json!("a b")),
        ("app_secret", json!("")),
        ("receive_url", json!("aikf.com/receive")),
        ("receive_url", json!("https://u@aikf.com/")),
        ("media_url", json!("https://aikf.com/media")),
        ("media_url", json!("{media_id}")),
        ("company.name", json!({"name": " "})),
        ("notice.text", json!({"text": ""})),
    ] {
        let key = setting.split('.').next().expect("a key");
        let refused = script::AikefuHarness::open(settings(json!({key: value}))).err();
        let error = refused.expect("it is refused");
        assert_eq!(error.setting.as_deref(), Some(setting));
        assert!(error.detail.contains("must"), "{}", error.detail);
    }
    for more in [
        json!({"app_secret": 7}),
        json!({"accounts": []}),
        json!({"receive_url": null}),
    ] {
        assert!(script::AikefuHarness::open(settings(more)).is_err());
    }
}

#[test]
fn every_setting_is_described_in_two_languages() {
    let schema = serde_json::to_value(script::AikefuHarness::descriptor().settings).expect("JSON");
    for (key, property) in schema["properties"].as_object().expect("properties") {
        let words = property["description"].as_str().unwrap_or_default();
        assert!(
            words
                .chars()
                .any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)),
            "{key}: {words}"
        );
    }
    assert_eq!(
        schema["required"],
        json!(["account_id", "app_key", "app_secret", "receive_url"])
    );
}

#[test]
fn company_and_notice_are_told_as_a_session_opens() {
    let mut harness = open(json!({"company": {"name": "示例"}, "notice": {"text": "节日"}}));
    let opened = json!({"type": "opened", "client": {}, "visitor": {"id": "u-1"}});
    let effects = take(&mut harness, &json!({"event": opened}));
    let told = serde_json::to_value(&effects[0]).expect("JSON");
    assert_eq!(told["config"]["company"]["name"], "示例");
    assert_eq!(effects[1], Effect::state(SessionState::Human));
}

#[test]
fn the_same_turn_twice_gives_the_same_effects() {
    let turn = || take(&mut open(json!({})), &says("m-1", "在吗"));
    assert_eq!(turn(), turn());
}

#[test]
fn the_state_of_any_version_is_read() {
    // The first one was written by 0.1.0.
    let golden = include_bytes!("golden/state-0.1.0.bin").to_vec();
    let other = |value: &Value| kefu_plugin_api::wire::encode(value).expect("it can be written");
    for (state, name) in [
        (golden, json!("Li Lei")),
        (other(&json!(null)), Value::Null),
        (
            other(&json!({"name": "Li Lei", "added_later": [1]})),
            json!("Li Lei"),
        ),
    ] {
        let mut harness = open(json!({}));
        harness.restore(state, "0.1.0");
        let form = form(&take(&mut harness, &says("m-1", "在吗")));
        assert_eq!(form["content"]["user"]["name"], name);
    }
}
