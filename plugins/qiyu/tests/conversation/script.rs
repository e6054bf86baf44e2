//! One session at a desk, driven by steps.

use std::collections::VecDeque;

use kefu_plugin_api::{
    prelude::*,
    testing::{Harness, calls, json_callback},
};
use kefu_qiyu::QiyuAdapter;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Value, json};
use sha1::Sha1;

pub(crate) type QiyuHarness = Harness<QiyuAdapter>;

pub(crate) const SECRET: &str = "app-secret";

/// When the harness receives, in seconds.
pub(crate) const NOW: i64 = 1_767_225_600;

pub(crate) fn settings(more: Value) -> Value {
    let mut settings = json!({
        "base_url": "https://qiyu.example/openapi",
        "app_key": "app+key",
        "app_secret": SECRET,
    });
    let all = settings.as_object_mut().expect("it is an object");
    all.extend(more.as_object().expect("it is an object").clone());
    settings
}

/// An event with the visitor where the body names none, signed as the vendor
/// signs.
pub(crate) fn push(event: &str, mut body: Value) -> Callback {
    if body.is_object() && body.get("uid").is_none() {
        body["uid"] = "conversation-1".into();
    }
    signed(event, body.to_string().as_bytes(), &NOW.to_string(), SECRET)
}

pub(crate) fn signed(event: &str, body: &[u8], time: &str, secret: &str) -> Callback {
    let md5 = hex(&Md5::digest(body));
    let checksum = hex(&Sha1::digest(format!("{secret}{md5}{time}")));
    let mut callback = json_callback("", &Value::Null);
    callback.body = body.to_vec();
    callback.query = format!("eventType={event}&time={time}&checksum={checksum}");
    callback
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn opened() -> Value {
    json!({
        "type": "opened",
        "visitor": {"id": "u-1", "name": "Li Lei"},
        "client": {},
    })
}

pub(crate) fn says(id: &str, text: &str) -> Value {
    json!({
        "type": "from_visitor",
        "message": {"id": id, "content": {"type": "text", "text": text}},
    })
}

pub(crate) fn play(script: &str) {
    play_with(json!({}), script);
}

pub(crate) fn play_with(settings: Value, script: &str) {
    let steps: Vec<Step> = serde_json::from_str(script).expect("the script is JSON");
    let mut desk = Desk::with(settings);
    for step in steps {
        desk.step(&step.when, &step.then);
    }
}

#[derive(Deserialize)]
struct Step {
    #[serde(flatten)]
    when: Value,
    then: Value,
}

/// A harness and the calls that are still open.
pub(crate) struct Desk {
    pub(crate) harness: QiyuHarness,
    open: VecDeque<Call>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(json!({}))
    }

    pub(crate) fn with(more: Value) -> Self {
        let harness = Harness::open(settings(more)).expect("the settings are right");
        Self {
            harness,
            open: VecDeque::new(),
        }
    }

    /// A session that the robot has taken.
    pub(crate) fn in_robot() -> Self {
        let mut desk = Self::new();
        desk.take(&json!({"event": opened()}));
        let seat = json!({"code": 200, "staffType": 0, "sessionId": 101, "staffId": 9});
        desk.take(&json!({"answer": "applyStaff", "body": seat}));
        desk.take(&json!({"answer": "updateUInfo", "body": {"code": 200}}));
        assert_eq!(desk.harness.view.standing, SessionState::Robot);
        desk
    }

    /// A session that an agent has taken.
    pub(crate) fn in_human() -> Self {
        let mut desk = Self::in_robot();
        desk.take(&json!({"event": {"type": "human_requested"}}));
        desk.take(&json!({"answer": "applyStaff", "body": seated()}));
        assert_eq!(desk.harness.view.standing, SessionState::Human);
        desk
    }

    fn step(&mut self, when: &Value, then: &Value) {
        let effects = self.take(when);
        let expected = then.as_array().expect("`then` is a list");
        let found: Vec<Value> = effects
            .iter()
            .enumerate()
            .map(|(at, effect)| plain(effect, expected.get(at)))
            .collect();
        let found = Value::from(found);
        assert_eq!(
            &found, then,
            "\nafter {when}\nfound    {found}\nexpected {then}\n"
        );
    }

    /// Does what a step says.
    pub(crate) fn take(&mut self, when: &Value) -> Vec<Effect> {
        if let Some(event) = when.get("event") {
            let event = Event::deserialize(event).expect("an event of the contract");
            return self.kept(|harness| harness.handle(event));
        }
        if let Some(name) = when.get("push").and_then(Value::as_str) {
            let receipt = self.harness.receive(&push(name, when["body"].clone()));
            let receipt = receipt.expect("the event is accepted");
            assert_eq!((receipt.status, receipt.body.len()), (200, 0));
            let events = receipt.events;
            return events
                .into_iter()
                .flat_map(|received| self.kept(|harness| harness.told(received.event)))
                .collect();
        }
        let operation = when["answer"]
            .as_str()
            .expect("an event, a push or an answer");
        let body = match &when["body"] {
            Value::Null => String::new(),
            Value::String(raw) => raw.clone(),
            body => body.to_string(),
        };
        let status = when.get("status").and_then(Value::as_u64).unwrap_or(200) as u16;
        self.answer(operation, status, body.into_bytes())
    }

    /// The vendor's answer to the oldest open call of that operation.
    pub(crate) fn answer(&mut self, operation: &str, status: u16, body: Vec<u8>) -> Vec<Effect> {
        let response = HttpResponse {
            status,
            headers: Vec::new(),
            body,
        };
        self.finish(operation, CallResult::Answered { response })
    }

    /// The end of the oldest open call of that operation.
    pub(crate) fn finish(&mut self, operation: &str, result: CallResult) -> Vec<Effect> {
        let asked = |call: &Call| operation_of(call) == operation;
        let at = self
            .open
            .iter()
            .position(asked)
            .unwrap_or_else(|| panic!("no open call of {operation}"));
        let call = self.open.remove(at).expect("it was just found").id;
        self.kept(|harness| {
            harness.handle(Event::CallFinished {
                call,
                result,
                token_renewed: false,
            })
        })
    }

    fn kept(&mut self, turn: impl FnOnce(&mut QiyuHarness) -> Vec<Effect>) -> Vec<Effect> {
        let effects = turn(&mut self.harness);
        let open: Vec<_> = calls(&effects).into_iter().cloned().collect();
        for call in &open {
            let taken = self.open.iter().any(|other| other.id == call.id);
            assert!(!taken, "two open calls are named {}", call.id);
        }
        self.open.extend(open);
        effects
    }
}

/// What a script calls it: the last part of its path.
pub(crate) fn operation_of(call: &Call) -> &str {
    let path = call.request.url.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

/// An agent has the visitor, as the vendor answers.
pub(crate) fn seated() -> Value {
    json!({
        "code": 200, "staffType": 1, "sessionId": 102, "staffId": 7, "staffName": "小王",
        "evaluationModel": {"title": "模型一", "type": 3, "list": [
            {"name": "满意", "value": 100}, {"name": "一般", "value": 50}, {"name": "不满意", "value": 1},
        ]},
    })
}

/// The body of the only call among the effects.
pub(crate) fn body(effects: &[Effect]) -> Value {
    let calls = calls(effects);
    assert_eq!(calls.len(), 1, "one call among {effects:?}");
    serde_json::from_slice(&calls[0].request.body).expect("a call carries JSON")
}

/// An effect as a script writes it.
pub(crate) fn plain(effect: &Effect, expected: Option<&Value>) -> Value {
    if let Effect::Call { call } = effect {
        let body: Value = serde_json::from_slice(&call.request.body).expect("a call carries JSON");
        return json!({"call": operation_of(call), "body": body});
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
