//! Scripts: events in, the full list of effects out.
//!
//! A script in `fixtures/` is a list of steps. `event` is an event of the
//! contract, `answer` the vendor's answer to the oldest open call of that
//! operation, `callback` a signed callback; `then` are the effects, all of
//! them, in order. A call is written `{"call": operation, "data": …}`. Of
//! `capabilities` only the keys that the script names are compared.

#[path = "support/vendor.rs"]
mod vendor;

use std::collections::VecDeque;

use kefu_jiaxin::JiaxinAdapter;
use kefu_plugin_api::{
    prelude::*,
    testing::{Harness, calls},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[test]
fn the_robot_comes_first_greets_and_answers() {
    play(include_str!("fixtures/robot_first.json"));
}

#[test]
fn a_visitor_waits_in_the_queue_until_an_agent_comes() {
    play(include_str!("fixtures/queue_then_human.json"));
}

#[test]
fn a_page_is_offered_while_nobody_is_there() {
    play(include_str!("fixtures/no_agent.json"));
}

#[test]
fn a_visitor_rates_when_an_agent_invites() {
    play(include_str!("fixtures/rating.json"));
}

#[test]
fn leaving_keeps_the_session_and_the_agent_may_still_write() {
    play(include_str!("fixtures/exit_keeps.json"));
}

#[test]
fn a_transfer_goes_on_in_the_same_session() {
    play(include_str!("fixtures/transfer.json"));
}

#[test]
fn a_refusal_costs_the_message_and_no_more() {
    play(include_str!("fixtures/refused_messages.json"));
}

#[test]
fn a_session_that_ended_at_the_vendor_ends_here() {
    play(include_str!("fixtures/ended_meanwhile.json"));
}

#[test]
fn a_blocked_visitor_gets_no_session() {
    play(include_str!("fixtures/blocked.json"));
}

#[test]
fn a_handshake_without_a_usable_answer_is_a_fault_of_the_provider() {
    for answer in [
        json!({"status": 200, "reply": {"code": 0, "data": {"mode": "robot"}}}),
        json!({"status": 200, "reply": {"code": 0, "data": {"session_id": "S-1", "mode": "asleep"}}}),
        json!({"status": 200, "reply": {"code": 4005, "msg": "what?"}}),
        json!({"status": 200, "reply": "<html>"}),
        json!({"status": 503, "reply": {"code": 0}}),
        json!({"status": 404, "reply": null}),
    ] {
        let mut desk = Script::new();
        desk.step(&json!({"event": opened()}), None);
        desk.step(
            &json!({"answer": "session.open", "status": answer["status"], "reply": answer["reply"]}),
            Some(&json!([{"type": "close", "reason": "provider_error"}])),
        );
    }
}

#[test]
fn a_handshake_is_given_up_while_a_visitor_still_waits() {
    let mut harness =
        Harness::<JiaxinAdapter>::open(vendor::settings()).expect("the settings are right");
    let opened = serde_json::from_value(opened()).expect("an event");
    let effects = harness.handle(opened);
    let [call] = calls(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(call.deadline_ms, Some(120_000));
}

#[test]
fn a_handshake_that_never_arrived_is_a_fault_of_the_provider() {
    for result in [
        CallResult::NotSent {
            detail: "connection refused".into(),
        },
        CallResult::Unknown {
            detail: "timed out".into(),
        },
    ] {
        let mut desk = Script::new();
        desk.step(&json!({"event": opened()}), None);
        let effects = desk.finish("session.open", result);
        assert_eq!(
            effects,
            [Effect::Close {
                reason: EndReason::ProviderError
            }]
        );
    }
}

#[test]
fn a_callback_that_overtakes_the_handshake_wins() {
    play(include_str!("fixtures/overtaken_handshake.json"));
}

#[test]
fn an_agent_who_comes_before_the_reply_stays() {
    play(include_str!("fixtures/overtaken_replies.json"));
}

#[test]
fn the_vendor_may_allow_more_during_a_session() {
    play(include_str!("fixtures/capabilities_changed.json"));
}

#[test]
fn events_may_be_named_by_jiaxins_numbers() {
    play(include_str!("fixtures/numbered_events.json"));
}

#[test]
fn a_message_without_an_answer_is_left_to_the_host() {
    for result in [
        CallResult::NotSent {
            detail: "connection refused".into(),
        },
        CallResult::Unknown {
            detail: "timed out".into(),
        },
    ] {
        let mut desk = Script::in_robot();
        desk.step(&json!({"event": visitor_says("在吗")}), None);
        assert_eq!(desk.finish("message.send", result), []);
    }
}

#[test]
fn every_call_is_repeatable_and_signed_and_named_alike_in_id_and_envelope() {
    let mut desk = Script::in_robot();
    let effects = desk.take(&json!({"event": visitor_says("在吗")}));
    let [Effect::Call { call }] = effects.as_slice() else {
        panic!("one call, not {effects:?}")
    };
    let body: Value = serde_json::from_slice(&call.request.body).unwrap();
    assert!(call.repeatable);
    assert_eq!(call.message, Some("m-1".into()));
    assert_eq!(body["id"], call.id.as_str());
    assert_eq!(body["account"], "acme/shop");
    assert_eq!(body["visitor_id"], "conversation-1");
    assert_eq!(body["session_id"], "S-1001");
    assert_eq!(
        call.request.url,
        "https://jiaxin.example/sdp/v1/message.send"
    );
    assert_eq!(
        call.request.stamps,
        [Stamp::StandardWebhooks {
            setting: "secret".into()
        }]
    );
}

#[test]
fn an_event_that_is_newer_than_this_adapter_is_ignored() {
    let mut desk = Script::in_robot();
    assert_eq!(desk.harness.handle(Event::Unknown), []);
    assert_eq!(desk.harness.told(ProviderEvent::Unknown), []);
    let newer = ProviderEvent::Other {
        name: "agent.dancing".into(),
        data: json!({}),
    };
    assert_eq!(desk.harness.told(newer), []);
}

#[test]
fn the_answer_to_a_foreign_call_is_ignored() {
    let mut desk = Script::in_robot();
    assert_eq!(
        desk.harness
            .answered("somebody-else", 200, &json!({"code": 0})),
        []
    );
}

#[test]
fn what_a_vendor_tells_at_length_never_outgrows_the_state() {
    let long = "好".repeat(100_000);
    let mut desk = Script::in_robot();
    let agent = json!({"id": long, "name": long, "portrait": long});
    for data in [
        json!({"result": "connected", "session_id": long, "agent": agent}),
        json!({"result": "connected", "config": {"notice": {"text": long}}}),
        json!({"result": "queued", "config": {"visitor_fields": [long]}}),
    ] {
        desk.take(&json!({"event": {"type": "human_requested"}}));
        let reply = json!({"code": 0, "msg": "ok", "data": data});
        desk.take(&json!({"answer": "session.to_human", "reply": reply}));
        assert!(desk.harness.state_bytes().len() < 64 << 10, "{reply}");
    }
    assert_eq!(desk.harness.view.vendor_session.as_deref(), Some("S-1001"));
}

#[test]
fn the_provider_itself_needs_nothing() {
    let desk = Script::new();
    let needed = desk
        .harness
        .handle_provider(Event::TokenNeeded { name: "any".into() });
    assert_eq!(needed, Ok(Vec::new()));
}

#[test]
fn a_state_of_another_version_is_understood() {
    for old in [
        json!(null),
        json!({}),
        json!({"session_id": "S-1", "added_later": {"x": [1]}}),
    ] {
        let mut desk = Script::new();
        desk.harness.view.standing = SessionState::Human;
        desk.harness
            .restore(kefu_plugin_api::wire::encode(&old).unwrap(), "0.0.1");
        assert_eq!(desk.take(&json!({"event": {"type": "exited"}})).len(), 1);
    }
}

#[test]
fn the_state_of_a_released_version_is_read_and_written_alike() {
    let golden: Value = kefu_plugin_api::wire::decode(include_bytes!("golden/0.1.0.bin")).unwrap();
    let mut desk = Script::in_robot();
    let told = json!({"mode": "human", "agent": golden["agent"], "config": golden["config"]});
    desk.take(&json!({"callback": {"event": "session.mode", "data": told}}));
    let written: Value = kefu_plugin_api::wire::decode(desk.harness.state_bytes()).unwrap();
    assert_eq!(written, golden);

    let mut later = Script::new();
    later.harness.view.standing = SessionState::Human;
    later
        .harness
        .restore(kefu_plugin_api::wire::encode(&golden).unwrap(), "0.1.0");
    let robot = json!({"callback": {"event": "session.mode", "data": {"mode": "robot"}}});
    assert_eq!(later.take(&robot), []);
    let read: Value = kefu_plugin_api::wire::decode(later.harness.state_bytes()).unwrap();
    assert_eq!(read, golden);
}

#[test]
fn the_same_turn_twice_gives_the_same_effects() {
    let turn = || Script::in_robot().take(&json!({"event": visitor_says("在吗")}));
    assert_eq!(turn(), turn());
}

/// A harness and the calls that are still open.
struct Script {
    harness: Harness<JiaxinAdapter>,
    open: VecDeque<Call>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(flatten)]
    when: Value,
    then: Value,
}

fn play(script: &str) {
    let steps: Vec<Step> = serde_json::from_str(script).expect("the script is JSON");
    let mut desk = Script::new();
    for step in steps {
        desk.step(&step.when, Some(&step.then));
    }
}

impl Script {
    fn new() -> Self {
        let harness = Harness::open(vendor::settings()).expect("the settings are right");
        Self {
            harness,
            open: VecDeque::new(),
        }
    }

    /// A session that the robot has taken.
    fn in_robot() -> Self {
        let mut desk = Self::new();
        desk.step(&json!({"event": opened()}), None);
        let reply =
            json!({"code": 0, "msg": "ok", "data": {"session_id": "S-1001", "mode": "robot"}});
        desk.step(&json!({"answer": "session.open", "reply": reply}), None);
        desk
    }

    fn step(&mut self, when: &Value, then: Option<&Value>) {
        let effects = self.take(when);
        let Some(then) = then else { return };
        let expected = then.as_array().expect("`then` is a list");
        let found: Vec<Value> = effects
            .iter()
            .enumerate()
            .map(|(at, effect)| plain(effect, expected.get(at)))
            .collect();
        let (found, then) = (Value::from(found), Value::from(expected.clone()));
        assert_eq!(
            found, then,
            "\nafter {when}\nfound    {found}\nexpected {then}\n"
        );
    }

    fn take(&mut self, when: &Value) -> Vec<Effect> {
        let effects = if let Some(event) = when.get("event") {
            self.harness
                .handle(Event::deserialize(event).expect("an event of the contract"))
        } else if let Some(op) = when["answer"].as_str() {
            let status = when.get("status").and_then(Value::as_u64).unwrap_or(200);
            let body = match &when["reply"] {
                Value::String(broken) => broken.clone().into_bytes(),
                reply => reply.to_string().into_bytes(),
            };
            let response = HttpResponse {
                status: status as u16,
                headers: Vec::new(),
                body,
            };
            return self.finish(op, CallResult::Answered { response });
        } else {
            let callback = vendor::callback(&when["callback"], self.harness.view.now);
            let receipt = self
                .harness
                .receive(&callback)
                .expect("the callback is accepted");
            receipt
                .events
                .into_iter()
                .flat_map(|received| self.harness.told(received.event))
                .collect()
        };
        self.keep_calls(&effects);
        effects
    }

    fn finish(&mut self, op: &str, result: CallResult) -> Vec<Effect> {
        let ours = |call: &Call| call.request.url.ends_with(&format!("/{op}"));
        let at = self
            .open
            .iter()
            .position(ours)
            .unwrap_or_else(|| panic!("no open call of {op}"));
        let call = self.open.remove(at).expect("it was just found").id;
        let effects = self.harness.handle(Event::CallFinished {
            call,
            result,
            token_renewed: false,
        });
        self.keep_calls(&effects);
        effects
    }

    fn keep_calls(&mut self, effects: &[Effect]) {
        self.open.extend(calls(effects).into_iter().cloned());
    }
}

/// An effect as a script writes it.
fn plain(effect: &Effect, expected: Option<&Value>) -> Value {
    if let Effect::Call { call } = effect {
        let body: Value = serde_json::from_slice(&call.request.body).expect("a call carries JSON");
        return json!({"call": body["op"], "data": body["data"]});
    }
    let mut value = serde_json::to_value(effect).expect("an effect can be written");
    if matches!(effect, Effect::Capabilities { .. })
        && let Some(expected) = expected
    {
        narrow(&mut value, expected);
    }
    value
}

/// Leaves only the keys that are expected.
fn narrow(value: &mut Value, expected: &Value) {
    if let (Value::Object(found), Value::Object(expected)) = (value, expected) {
        found.retain(|key, _| expected.contains_key(key));
        for (key, inner) in found {
            narrow(inner, &expected[key]);
        }
    }
}

fn opened() -> Value {
    json!({"type": "opened", "visitor": {"id": "u-1"}, "client": {}})
}

fn visitor_says(text: &str) -> Value {
    json!({"type": "from_visitor", "message": {"id": "m-1", "content": {"type": "text", "text": text}}})
}
