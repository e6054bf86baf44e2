//! Settings: what is refused, with what words, and what the schema tells.

use kefu_plugin_api::testing::Harness;
use kefu_qiyu::QiyuAdapter;
use serde_json::{Value, json};

use crate::script::{Desk, QiyuHarness, opened, settings};

fn refused(more: Value) -> (String, String) {
    let error = Harness::<QiyuAdapter>::open(settings(more))
        .err()
        .expect("it is refused");
    (error.setting.unwrap_or_default(), error.detail)
}

#[test]
fn a_setting_that_cannot_be_used_is_named() {
    for (setting, value) in [
        ("app_key", json!("")),
        ("app_key", json!("a b")),
        ("app_secret", json!("")),
        ("app_secret", json!("密")),
        ("base_url", json!("qiyukf.com")),
        ("base_url", json!("https://")),
        ("base_url", json!("https://u@qiyukf.com")),
        ("base_url", json!("https://qiyukf.com/?a=1")),
        ("group", json!(0)),
        ("product_id", json!(" ")),
        ("queue_poll_seconds", json!(4)),
        ("queue_poll_seconds", json!(601)),
        ("company.name", json!({"name": ""})),
        ("robot.name", json!({"name": " "})),
        ("notice.text", json!({"text": ""})),
    ] {
        let key = setting.split('.').next().expect("a key");
        let (found, detail) = refused(json!({key: value}));
        assert_eq!(found, setting);
        assert!(
            detail.contains("must") || detail.contains("is no"),
            "{detail}"
        );
    }
}

#[test]
fn wrong_types_and_unknown_keys_are_refused() {
    for more in [
        json!({"app_key": 7}),
        json!({"app_secret": null}),
        json!({"group": "vip"}),
        json!({"group": -1}),
        json!({"reception": "nobody"}),
        json!({"robots": {}}),
    ] {
        refused(more);
    }
    for missing in ["app_key", "app_secret"] {
        let mut whole = settings(json!({}));
        whole.as_object_mut().expect("an object").remove(missing);
        assert!(Harness::<QiyuAdapter>::open(whole).is_err(), "{missing}");
    }
}

#[test]
fn no_refusal_shows_the_secret() {
    let (_, detail) = refused(json!({"app_secret": "geheim nis"}));
    assert!(!detail.contains("geheim"), "{detail}");
}

#[test]
fn every_setting_is_described_in_two_languages() {
    let schema = serde_json::to_value(QiyuHarness::descriptor().settings).expect("JSON");
    let properties = schema["properties"].as_object().expect("properties");
    assert!(properties.len() >= 9);
    for (key, property) in properties {
        let words = property["description"].as_str().unwrap_or_default();
        let chinese = words
            .chars()
            .any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        assert!(chinese && words.is_ascii() != chinese, "{key}: {words}");
    }
    assert_eq!(schema["required"], json!(["app_key", "app_secret"]));
}

#[test]
fn what_the_app_shows_around_a_session_is_told_as_it_opens() {
    let mut desk = Desk::with(json!({
        "company": {"name": "示例公司"},
        "robot": {"name": "小七", "icon": "https://app.example/7.png"},
        "notice": {"text": "节日安排", "url": "https://app.example/n"},
    }));
    let effects = desk.take(&json!({"event": opened()}));
    let first = serde_json::to_value(&effects[0]).expect("JSON");
    assert_eq!(first["type"], "capabilities");
    assert_eq!(first["config"]["company"]["name"], "示例公司");
    assert_eq!(first["config"]["notice"]["text"], "节日安排");
    let seat = json!({"code": 200, "staffType": 0, "message": "您好", "staffName": "机器人"});
    let greeting = desk.take(&json!({"answer": "applyStaff", "body": seat}));
    let greeting = serde_json::to_value(&greeting[1]).expect("JSON");
    assert_eq!(greeting["message"]["from"]["name"], "小七");
}

#[test]
fn a_session_is_counted_under_device_and_product() {
    let mut desk = Desk::with(json!({"product_id": "com.example.app"}));
    desk.harness.view.client.platform = Some("ios".into());
    let effects = desk.take(&json!({"event": {"type": "opened", "visitor": {"id": "u"}, "client": {"platform": "ios"}}}));
    let body = crate::script::body(&effects);
    assert_eq!(body["deviceType"], "ios");
    assert_eq!(body["productId"], "com.example.app");
}
