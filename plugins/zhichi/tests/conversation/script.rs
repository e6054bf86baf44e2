//! One session at a desk, driven by steps.

use std::collections::VecDeque;

use kefu_plugin_api::{
    prelude::*,
    testing::{Harness, calls, json_callback},
};
use kefu_zhichi::ZhichiAdapter;
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) type ZhichiHarness = Harness<ZhichiAdapter>;

pub(crate) const SECRET: &str = "0123456789abcdef-_XY";

pub(crate) fn settings(more: Value) -> Value {
    let mut settings = json!({
        "base_url": "https://zhichi.example",
        "app_id": "app+1",
        "app_key": "key",
        "push_secret": SECRET,
    });
    let all = settings.as_object_mut().expect("it is an object");
    all.extend(more.as_object().expect("it is an object").clone());
    settings
}

/// A push with the vendor's own fields where the body names none.
pub(crate) fn push(mut body: Value) -> Callback {
    if body["partnerId"].is_null() {
        body["partnerId"] = "conversation-1".into();
    }
    json_callback(&format!("/{SECRET}"), &body)
}

pub(crate) fn opened() -> Value {
    json!({
        "type": "opened",
        "visitor": {"id": "u-1", "name": "Li Lei", "portrait": "https://app.example/p.png"},
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
    pub(crate) harness: ZhichiHarness,
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
        desk.take(&json!({"answer": "get_robot_guide", "item": {}}));
        assert_eq!(desk.harness.view.standing, SessionState::Robot);
        desk
    }

    /// A session that an agent has taken.
    pub(crate) fn in_human() -> Self {
        let mut desk = Self::in_robot();
        desk.take(&json!({"event": {"type": "human_requested"}}));
        let item = json!({"status": 1, "cid": "C-1", "agentid": "A-1", "agent_name": "小王"});
        desk.take(&json!({"answer": "chat_connect", "item": item}));
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
        if let Some(body) = when.get("push") {
            let receipt = self.harness.receive(&push(body.clone()));
            let events = receipt.expect("the push is accepted").events;
            return events
                .into_iter()
                .flat_map(|received| self.kept(|harness| harness.told(received.event)))
                .collect();
        }
        let operation = when["answer"]
            .as_str()
            .expect("an event, a push or an answer");
        let body = match &when["body"] {
            Value::Null => {
                let item = &when["item"];
                json!({"ret_code": "000000", "ret_msg": "操作成功", "item": item}).to_string()
            }
            Value::String(raw) => raw.clone(),
            body => body.to_string(),
        };
        let status = when.get("status").and_then(Value::as_u64).unwrap_or(200) as u16;
        self.answer(operation, status, body.into_bytes(), false)
    }

    /// The vendor's answer to the oldest open call of that operation.
    pub(crate) fn answer(
        &mut self,
        operation: &str,
        status: u16,
        body: Vec<u8>,
        token_renewed: bool,
    ) -> Vec<Effect> {
        let response = HttpResponse {
            status,
            headers: Vec::new(),
            body,
        };
        self.finish(operation, CallResult::Answered { response }, token_renewed)
    }

    /// The end of the oldest open call of that operation.
    pub(crate) fn finish(
        &mut self,
        operation: &str,
        result: CallResult,
        token_renewed: bool,
    ) -> Vec<Effect> {
        let asked = |call: &Call| call.request.url.ends_with(&format!("/{operation}"));
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
                token_renewed,
            })
        })
    }

    fn kept(&mut self, turn: impl FnOnce(&mut ZhichiHarness) -> Vec<Effect>) -> Vec<Effect> {
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
        let operation = call.request.url.rsplit('/').next();
        return json!({"call": operation, "body": body});
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
