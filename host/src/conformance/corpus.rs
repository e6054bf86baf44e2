//! What an adapter is tried on: one of everything.
//!
//! Owns the inputs that every test starts from: each event in each state of a
//! session, callbacks, and what a vendor is known to send. Invariant: it is the
//! same at every run, so that a number names an input.

use kefu_plugin_api::{
    capability::SessionState,
    event::{CallResult, Client, Event, ProviderEvent, Visitor},
    http::{Callback, HttpResponse},
    ids::CallId,
    message::{Content, Message},
    session::{Scope, SessionView},
    testing::samples,
    time::Timestamp,
    wire::HandleInput,
};
use serde_json::{Value, json};

/// The moment of all inputs.
pub(super) const NOW: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

/// Every state of a session.
pub(super) const STANDINGS: [SessionState; 6] = [
    SessionState::Opening,
    SessionState::Robot,
    SessionState::Queued,
    SessionState::Human,
    SessionState::Unattended,
    SessionState::Ended,
];

/// A session's turn without a state.
pub(super) fn turn(event: Event, standing: SessionState) -> HandleInput {
    HandleInput {
        event,
        session: SessionView {
            vendor_session: None,
            standing,
            now: NOW,
            ..samples::view()
        },
        state: Vec::new(),
        state_version: String::new(),
    }
}

/// The same in the provider's own scope.
pub(super) fn provider_turn(event: Event) -> HandleInput {
    let session = SessionView {
        scope: Scope::Provider,
        provider: "conformance".into(),
        now: NOW,
        seed: 7,
        callback_url: samples::view().callback_url,
        ..SessionView::default()
    };
    HandleInput {
        session,
        ..turn(event, SessionState::Opening)
    }
}

/// A visitor comes.
pub(super) fn opened() -> Event {
    Event::Opened {
        visitor: Visitor {
            id: "visitor-1".into(),
            name: Some("小明".into()),
            ..Visitor::default()
        },
        client: Client::default(),
        group: None,
    }
}

/// A visitor says something.
pub(super) fn says(id: &str, content: Content) -> Event {
    Event::FromVisitor {
        message: Message {
            id: id.into(),
            content,
            converted_from: None,
        },
    }
}

/// A call ends with an answer.
pub(super) fn answered(call: CallId, status: u16, body: &[u8]) -> Event {
    Event::CallFinished {
        call,
        result: CallResult::Answered {
            response: HttpResponse {
                status,
                headers: vec![("content-type".into(), "application/json".into())],
                body: body.to_vec(),
            },
        },
        token_renewed: false,
    }
}

/// Every event that can happen, with every event of a vendor, every content
/// and every end of a call inside.
pub(super) fn events() -> Vec<Event> {
    let mut events: Vec<_> = samples::events().into_iter().map(|(_, it)| it).collect();
    for (_, event) in samples::provider_events() {
        events.push(Event::FromProvider { event });
    }
    for (_, content) in samples::contents() {
        events.push(says("message-1", content));
    }
    for (_, result) in samples::call_results() {
        events.push(Event::CallFinished {
            call: "send-1".into(),
            result,
            token_renewed: false,
        });
    }
    events
}

/// Events that an adapter does not know, in every form they can have.
pub(super) fn unknown_events() -> Vec<Event> {
    vec![
        Event::Unknown,
        Event::FromProvider {
            event: ProviderEvent::Unknown,
        },
    ]
}

/// A callback with nothing that proves it.
pub(super) fn bare(body: &[u8]) -> Callback {
    Callback {
        method: "POST".into(),
        path: String::new(),
        query: String::new(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_vec(),
        peer: None,
        received_at: NOW,
    }
}

/// JSON that a vendor might send: what was recorded, every object in it, and a
/// little of what is usual.
pub(super) fn payloads(recorded: &[Value]) -> Vec<Value> {
    let mut payloads = Vec::new();
    for value in recorded {
        collect_objects(value, &mut payloads);
    }
    payloads.truncate(MOST_PAYLOADS);
    payloads.extend([
        json!({}),
        json!({"chat": "c", "id": "1", "text": "hello"}),
        json!({"event": "message", "id": "1", "data": {"msg_id": "1"}}),
        json!({"code": 0, "msg": "ok", "data": {}}),
        json!({"ret_code": "000000", "ret_msg": "ok", "item": {}}),
        json!({"errcode": 0, "errmsg": "ok", "access_token": "t", "expires_in": 7200}),
    ]);
    payloads
}

const MOST_PAYLOADS: usize = 1_000;

fn collect_objects(value: &Value, into: &mut Vec<Value>) {
    match value {
        Value::Array(values) => {
            for value in values {
                collect_objects(value, into);
            }
        }
        Value::Object(fields) => {
            into.push(value.clone());
            for value in fields.values() {
                collect_objects(value, into);
            }
        }
        _ => {}
    }
}
