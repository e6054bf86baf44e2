//! Settings and proofs: which keys are in use, and who may call back.

#[path = "support/vendor.rs"]
mod vendor;

use kefu_plugin_api::{
    prelude::*,
    testing::{Harness, calls},
};
use kefu_sdp_core::testing::{SECRET, signed};
use kefu_xiaoneng::XiaonengAdapter;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);
const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn a_signed_callback_is_accepted_and_known_by_its_message() {
    let receipt = vendor::script()
        .receive(&json!({"event": "message", "data": said("您好")}))
        .unwrap();
    assert_eq!(receipt.status, 200);
    assert_eq!(
        receipt.events[0].dedupe,
        Dedupe::Key {
            key: "msg:V-1".into()
        }
    );
}

#[test]
fn a_callback_without_good_proof_is_refused_before_it_is_read() {
    let harness = Harness::<XiaonengAdapter>::open(vendor::settings()).unwrap();
    let now = NOW.unix_seconds();
    let body = || b"not even JSON".to_vec();
    let mut bare = signed("E-1", body(), NOW, now, SECRET);
    bare.headers.clear();
    let mut changed = signed("E-1", body(), NOW, now, SECRET);
    changed.body.push(b' ');
    for unproven in [
        bare,
        changed,
        signed("E-1", body(), NOW, now, OTHER),
        signed("E-1", body(), NOW, now - 301, SECRET),
        signed("E-1", body(), NOW, now + 301, SECRET),
    ] {
        let refused = harness.receive(&unproven);
        assert!(
            matches!(refused, Err(Reject::Unauthenticated { .. })),
            "{refused:?}"
        );
    }
    let refused = harness.receive(&signed("E-1", body(), NOW, now, SECRET));
    assert!(
        matches!(refused, Err(Reject::Malformed { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_callback_with_a_key_missing_or_of_the_wrong_type_is_malformed() {
    for wrong in [
        json!({"account": "somebody_else", "event": "message", "data": said("x")}),
        json!({"visitor_id": 7, "event": "message", "data": said("x")}),
        json!({"visitor_id": "", "event": "message", "data": said("x")}),
        json!({"visitor_id": "v".repeat(129), "event": "message", "data": said("x")}),
        json!({"session_id": "S 1", "event": "message", "data": said("x")}),
        json!({"event": null, "data": said("x")}),
        json!({"event": "message", "data": {"msg_id": "V-1"}}),
        json!({"event": "message", "data": []}),
        json!({"event": "queue.update", "data": {"queue": {"position": "first"}}}),
        json!({"event": "session.mode", "data": {"mode": 3}}),
    ] {
        let refused = vendor::script().receive(&wrong);
        assert!(
            matches!(refused, Err(Reject::Malformed { .. })),
            "{wrong}: {refused:?}"
        );
    }
}

#[test]
fn development_has_keys_and_addresses_of_its_own() {
    let mut settings = vendor::settings();
    settings["environment"] = json!("development");
    settings["dev_secret"] = json!(OTHER);
    settings["dev_base_url"] = json!("https://test.xiaoneng.example");
    settings["dev_site_id"] = json!("kf_1000");
    settings["dev_session_id"] = json!("kf_1000_1");
    let mut harness = Harness::<XiaonengAdapter>::open(settings).unwrap();
    let effects = harness.handle(opened());
    let [call] = calls(&effects)[..] else {
        panic!("{effects:?}")
    };
    let body: Value = serde_json::from_slice(&call.request.body).unwrap();
    assert_eq!(
        call.request.url,
        "https://test.xiaoneng.example/sdp/v1/session.open"
    );
    assert_eq!(
        call.request.stamps,
        [Stamp::StandardWebhooks {
            setting: "dev_secret".into()
        }]
    );
    assert_eq!(body["account"], "kf_1000");
    assert_eq!(body["data"]["group_id"], "kf_1000_1");
    assert_eq!(body["data"]["xiaoneng"]["siteid"], "kf_1000");
    let now = NOW.unix_seconds();
    let refused = harness.receive(&signed("E-1", b"{}".to_vec(), NOW, now, SECRET));
    assert!(
        matches!(refused, Err(Reject::Unauthenticated { .. })),
        "a production key is none here: {refused:?}"
    );
}

#[test]
fn every_address_that_is_called_is_declared() {
    let descriptor = Harness::<XiaonengAdapter>::descriptor();
    let setting = |setting: &str| HostSource::Setting {
        setting: setting.to_owned(),
    };
    assert_eq!(
        descriptor.hosts,
        [setting("base_url"), setting("dev_base_url")]
    );
    assert_eq!(descriptor.callback_authentication, "Standard Webhooks");
}

#[test]
fn settings_that_cannot_work_are_refused_by_their_names() {
    for (patch, setting) in [
        (json!({"base_url": "xiaoneng.example"}), "base_url"),
        (json!({"site_id": ""}), "site_id"),
        (json!({"site_id": "kf 9999"}), "site_id"),
        (json!({"session_id": ""}), "session_id"),
        (json!({"secret": "plain"}), "secret"),
        (json!({"secret": null}), "secrets"),
        (json!({"environment": "development"}), "dev_secret"),
        (
            json!({"environment": "development", "dev_secret": OTHER, "dev_base_url": "x"}),
            "dev_base_url",
        ),
        (
            json!({"environment": "development", "dev_secret": OTHER, "dev_site_id": ""}),
            "dev_site_id",
        ),
        (json!({"visitor_fields": ["shoe_size"]}), "visitor_fields"),
        (json!({"leave_message_fields": []}), "leave_message_fields"),
        (
            json!({"leave_message_fields": [{"key": "content", "label": "a"}, {"key": "content", "label": "b"}]}),
            "leave_message_fields",
        ),
        (
            json!({"leave_message_fields": [{"key": "content", "label": ""}]}),
            "leave_message_fields",
        ),
    ] {
        let mut settings = vendor::settings();
        for (key, value) in patch.as_object().unwrap() {
            settings[key] = value.clone();
        }
        let Err(error) = Harness::<XiaonengAdapter>::open(settings) else {
            panic!("{patch} was accepted")
        };
        assert_eq!(error.setting.as_deref(), Some(setting), "{patch}: {error}");
        assert!(!error.to_string().contains("plain"), "{error}");
    }
}

#[test]
fn a_profile_leaves_only_as_far_as_the_operator_allows() {
    let mut settings = vendor::settings();
    settings["visitor_fields"] = json!(["name"]);
    let mut harness = Harness::<XiaonengAdapter>::open(settings).unwrap();
    let effects = harness.handle(opened());
    let body: Value = serde_json::from_slice(&calls(&effects)[0].request.body).unwrap();
    assert_eq!(body["data"]["visitor"], json!({"name": "Li Lei"}));
    assert_eq!(body["data"]["context"], json!({}));
    assert_eq!(
        body["data"]["xiaoneng"],
        json!({"siteid": "kf_9999", "uname": "Li Lei"})
    );
}

fn opened() -> Event {
    serde_json::from_value(json!({
        "type": "opened", "client": {},
        "visitor": {"id": "u-1", "name": "Li Lei", "fields": {"mobile_no": "138", "page": "退货", "grade": "3"}, "custom": {"orderid": "7"}},
    }))
    .expect("an event of the contract")
}

fn said(text: &str) -> Value {
    json!({"msg_id": "V-1", "from": {"kind": "agent"}, "content": {"type": "text", "text": text}})
}
