//! For tests of adapters: the vendor's side, and scripts of whole conversations.
//!
//! A script is a list of steps. `event` is an event of the contract, `answer`
//! the vendor's answer to the oldest open call of that operation, `callback` a
//! signed callback, `timer` one that rings, `unanswered` an operation whose
//! oldest open call is given up; `then` are the effects, all of them, in
//! order. A call is written `{"call": operation, "data": …}`. Of `capabilities`
//! only the keys that the script names are compared.

use std::collections::VecDeque;

use kefu_plugin_api::{
    prelude::*,
    testing::{Harness, calls},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Flavour, SdpAdapter, webhooks::Keys};

/// The secret of the protocol's own test vector.
pub const SECRET: &str = "whsec_a2VmdS1zZHAtdGVzdC1zZWNyZXQtMDAwMDAwMDAwMDE=";

/// One conversation: an open adapter, a session, the calls that are still open.
pub struct Script<F: Flavour> {
    /// The host.
    pub harness: Harness<SdpAdapter<F>>,
    /// The vendor's tenant, as callbacks name it.
    account: String,
    open: VecDeque<Call>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(flatten)]
    when: Value,
    then: Value,
}

impl<F: Flavour> Script<F> {
    /// Opens the adapter.
    ///
    /// # Panics
    /// If the settings are wrong.
    pub fn new(settings: Value, account: &str) -> Self {
        Self {
            harness: Harness::open(settings).expect("the settings are right"),
            account: account.to_owned(),
            open: VecDeque::new(),
        }
    }

    /// Plays a script to its end.
    ///
    /// # Panics
    /// At the first step with other effects than it names.
    pub fn play(&mut self, script: &str) {
        let steps: Vec<Step> = serde_json::from_str(script).expect("the script is JSON");
        for step in steps {
            self.step(&step.when, &step.then);
        }
    }

    /// Plays one step and compares its effects.
    ///
    /// # Panics
    /// If they are others.
    pub fn step(&mut self, when: &Value, then: &Value) {
        let effects = self.take(when);
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

    /// Plays one step.
    ///
    /// # Panics
    /// If it cannot be played.
    pub fn take(&mut self, when: &Value) -> Vec<Effect> {
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
                status: u16::try_from(status).expect("an HTTP status"),
                headers: Vec::new(),
                body,
            };
            return self.finish(op, CallResult::Answered { response });
        } else if let Some(op) = when["unanswered"].as_str() {
            let detail = "timed out".to_owned();
            return self.finish(op, CallResult::Unknown { detail });
        } else if let Some(timer) = when["timer"].as_str() {
            let timer = timer.into();
            self.harness.handle(Event::TimerFired { timer })
        } else {
            let receipt = self
                .receive(&when["callback"])
                .expect("the callback is accepted");
            receipt
                .events
                .into_iter()
                .flat_map(|received| self.harness.told(received.event))
                .collect()
        };
        self.open.extend(calls(&effects).into_iter().cloned());
        effects
    }

    /// Ends the oldest open call of an operation.
    ///
    /// # Panics
    /// If there is none.
    pub fn finish(&mut self, op: &str, result: CallResult) -> Vec<Effect> {
        let ours = |call: &Call| call.request.url.ends_with(&format!("/{op}"));
        let at = self.open.iter().position(ours);
        let call = at.and_then(|at| self.open.remove(at));
        let call = call.unwrap_or_else(|| panic!("no open call of {op}")).id;
        let effects = self.harness.handle(Event::CallFinished {
            call,
            result,
            token_renewed: false,
        });
        self.open.extend(calls(&effects).into_iter().cloned());
        effects
    }

    /// The body of the newest open call.
    ///
    /// # Panics
    /// If no call is open.
    pub fn newest_call(&self) -> Value {
        let call = self.open.back().expect("a call is open");
        serde_json::from_slice(&call.request.body).expect("a call carries JSON")
    }

    /// Gives a signed callback to the adapter; what `hook` leaves out of the
    /// envelope is filled in.
    ///
    /// # Errors
    /// The adapter's refusal.
    ///
    /// # Panics
    /// If `hook` is no object.
    pub fn receive(&self, hook: &Value) -> Result<Receipt, Reject> {
        let now = self.harness.view.now;
        let mut body = json!({
            "id": "E-1",
            "ts": now,
            "account": self.account,
            "visitor_id": self.harness.view.conversation,
            "session_id": "S-1001",
        });
        for (key, value) in hook.as_object().expect("a callback is an object") {
            body[key] = value.clone();
        }
        let id = body["id"].as_str().unwrap_or_default().to_owned();
        let body = body.to_string().into_bytes();
        self.harness
            .receive(&signed(&id, body, now, now.unix_seconds(), SECRET))
    }
}

/// Any bytes as a callback, signed at a moment with a secret.
///
/// # Panics
/// If the secret is none.
pub fn signed(
    id: &str,
    body: Vec<u8>,
    received_at: Timestamp,
    signed_at: i64,
    secret: &str,
) -> Callback {
    let keys = Keys::parse(&[Secret::from(secret)]).expect("the secret is well formed");
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", signed_at.to_string()),
        ("webhook-signature", keys.sign(id, signed_at, &body)),
    ];
    Callback {
        method: "POST".into(),
        path: String::new(),
        query: String::new(),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        body,
        peer: None,
        received_at,
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
