//! Which channel number (渠道号) a visitor comes through.

#[path = "support/vendor.rs"]
#[allow(dead_code, reason = "no callback comes here")]
mod vendor;

use kefu_jiaxin::JiaxinAdapter;
use kefu_plugin_api::testing::{Harness, calls};
use serde_json::{Value, json};

#[test]
fn the_channel_follows_the_platform_of_the_app() {
    let table = json!({"web": "10001", "app": "10002", "iOS": "10003", "miniprogram": "10004"});
    for (platform, expected) in [
        (json!("web"), "10001"),
        (json!("WEB "), "10001"),
        (json!("android"), "10002"),
        (json!("Harmony"), "10002"),
        (json!("app"), "10002"),
        (json!("ios"), "10003"),
        (json!("miniprogram"), "10004"),
        (json!("windows"), "10009"),
        (json!(""), "10009"),
        (Value::Null, "10009"),
    ] {
        let client = json!({"platform": platform});
        assert_eq!(channel(&table, &client, &json!({})), expected, "{platform}");
    }
}

#[test]
fn a_number_that_the_visitor_brings_comes_before_the_table() {
    let table = json!({"web": "10001"});
    let web = |channel: &str| json!({"platform": "web", "channel": channel});
    assert_eq!(channel(&table, &web("20001"), &json!({})), "20001");
    assert_eq!(
        channel(&table, &web("search"), &json!({})),
        "10001",
        "no number"
    );
    let fields = json!({"referrer": "30001"});
    assert_eq!(channel(&table, &web("20001"), &fields), "30001");
    let fields = json!({"referrer": "https://a.example/"});
    assert_eq!(channel(&table, &web(""), &fields), "10001");
}

#[test]
fn without_a_table_all_come_through_one_channel() {
    let web = json!({"platform": "web"});
    assert_eq!(channel(&json!({}), &web, &json!({})), "10009");
}

/// The number that Jiaxin is told, once beside the profile and once in it.
fn channel(table: &Value, client: &Value, fields: &Value) -> String {
    let mut settings = vendor::settings();
    settings["channel"] = "10009".into();
    settings["channels"] = table.clone();
    let mut harness = Harness::<JiaxinAdapter>::open(settings).expect("the settings are right");
    let event =
        json!({"type": "opened", "visitor": {"id": "u-1", "fields": fields}, "client": client});
    let event = serde_json::from_value(event).expect("an event of the contract");
    let effects = harness.handle(event);
    let body = &calls(&effects)[0].request.body;
    let told: Value = serde_json::from_slice(body).expect("a call carries JSON");
    let number = &told["data"]["channel_no"];
    assert_eq!(told["data"]["jiaxin"]["appChannel"], *number, "{told}");
    number
        .as_str()
        .expect("Jiaxin requires a number")
        .to_owned()
}
