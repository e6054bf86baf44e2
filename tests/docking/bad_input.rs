//! Events that are wrong in one place, derived from the document's own.
//!
//! Owns the table of what an event cannot do without. Every place of every
//! event in section 9 is left out, given another type and made enormous, at the
//! generic adapter and at both flavours; what each of them owes such an event is
//! in `testing::spoil`.

use kefu_jiaxin::Jiaxin;
use kefu_plugin_api::{
    http::Callback,
    testing::{Harness, spoil::check_callback},
};
use kefu_sdp::Plain;
use kefu_sdp_core::{
    Flavour, SdpAdapter,
    testing::{SECRET, Script, signed},
    wire::is_id,
};
use kefu_xiaoneng::Xiaoneng;
use serde_json::{Value, json};

use crate::{Book, EDITIONS};

/// What each event cannot do without.
fn needed(event: &str) -> &'static [&'static str] {
    match event {
        "message" => &[
            "/data/msg_id",
            "/data/from",
            "/data/from/kind",
            "/data/content",
            "/data/content/type",
            "/data/content/text",
        ],
        "message.recalled" => &["/data/msg_id"],
        "session.mode" => &["/data/mode"],
        "queue.update" => &["/data/queue", "/data/queue/position"],
        "session.transferred" => &["/data/to_agent"],
        "capabilities.changed" => &["/data/config"],
        _ => &[],
    }
}

/// What no envelope can do without; `ts` is for people and logs, and a session
/// is found by `visitor_id`.
const ENVELOPE: [&str; 4] = ["/id", "/account", "/visitor_id", "/event"];

#[test]
fn every_event_of_the_document_may_be_wrong_in_every_place() {
    let (edition, page) = EDITIONS[0];
    let events: Vec<Value> = Book::read(edition, page)
        .examples
        .into_iter()
        .filter(|((section, _), _)| section.starts_with("9."))
        .flat_map(|(_, values)| values)
        .collect();
    assert_eq!(events.len(), 12, "section 9 has an example of each event");
    let vendor = json!({"base_url": "https://v.example.com", "secret": SECRET});
    let with = |more: Value| {
        let mut settings = vendor.clone();
        for (key, value) in more.as_object().into_iter().flatten() {
            settings[key] = value.clone();
        }
        settings
    };
    let jiaxin = with(json!({"org": "acme", "app": "shop", "channel": "1"}));
    let xiaoneng = with(json!({"site_id": "acme/shop", "session_id": "s"}));
    for event in &events {
        tried::<Plain>(&with(json!({"account": "acme/shop"})), event);
        tried::<Jiaxin>(&jiaxin, event);
        tried::<Xiaoneng>(&xiaoneng, event);
    }
}

fn tried<F: Flavour>(settings: &Value, event: &Value) {
    let name = event["event"].as_str().expect("an event has a name");
    let own = needed(name);
    let data = (!own.is_empty()).then_some("/data");
    let needed: Vec<&str> = ENVELOPE.iter().chain(own).copied().chain(data).collect();
    let (tried, refused) = check_callback(|| in_human::<F>(settings), proven, event, &needed);
    assert!(
        refused >= needed.len() && refused < tried,
        "{} {name}",
        F::ID
    );
}

/// Signed, with the envelope's own id where that is one.
fn proven(body: &Value) -> Callback {
    let id = body["id"].as_str().filter(|id| is_id(id)).unwrap_or("E-1");
    let now = kefu_plugin_api::time::Timestamp::from_unix_ms(1_767_225_600_000);
    let bytes = body.to_string().into_bytes();
    signed(id, bytes, now, now.unix_seconds(), SECRET)
}

fn in_human<F: Flavour>(settings: &Value) -> Harness<SdpAdapter<F>> {
    let mut desk = Script::<F>::new(settings.clone(), "acme/shop");
    desk.harness.view.conversation = "v-7f3a".into();
    desk.take(&json!({"event": {"type": "opened", "visitor": {}, "client": {}}}));
    let data = json!({"session_id": "S-1001", "mode": "human", "agent": {"id": "a-12"}});
    desk.take(&json!({"answer": "session.open", "reply": {"code": 0, "data": data}}));
    desk.harness
}
