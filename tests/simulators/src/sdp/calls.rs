//! The operations of SDP/1: what each one answers in each mode.
//!
//! Owns the reading of `data` and the wording of replies. Invariant: a refusal
//! (`code` other than 0) changed nothing.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::events::{Teller, without_nulls};
use super::{Profile, refusal};
use crate::centre::{Centre, Happenings, Phase, Visitor};
use crate::platform::{Platform, Reply};
use crate::settings::Settings;

/// `code` and text of a refusal.
pub(super) type Refusal = (u16, &'static str);
/// `data` and `events` of a reply.
pub(super) type Done = (Value, Vec<Value>);

/// One operation of one visitor, under the call centre's lock.
pub(super) struct Work<'a> {
    pub(super) centre: &'a mut Centre,
    pub(super) settings: &'a Settings,
    pub(super) teller: Teller<'a>,
    pub(super) id: &'a str,
    pub(super) data: &'a Map<String, Value>,
    pub(super) out: &'a mut Happenings,
}

pub(super) fn answer(
    platform: &Arc<Platform>,
    profile: &Profile,
    base_url: &str,
    operation: &str,
    body: &Value,
) -> Reply {
    let empty = Map::new();
    let data = body
        .get("data")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let id = body
        .get("visitor_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let session = body.get("session_id").and_then(Value::as_str);
    let settings = platform.settings();
    let teller = Teller {
        profile,
        settings: &settings,
        account: "",
        base_url,
    };
    match operation {
        "health" => return done((json!({"status": "ok"}), Vec::new())),
        "capabilities" => {
            let data = json!({ "version": "1.0", "config": teller.config(None)});
            return done((data, Vec::new()));
        }
        "groups.list" => {
            let groups = teller.config(None)["groups"].take();
            return done((json!({"groups": groups}), Vec::new()));
        }
        _ => {}
    }
    let result = platform.change(|centre, settings, out| {
        let mut work = Work {
            centre,
            settings,
            teller: Teller { settings, ..teller },
            id,
            data,
            out,
        };
        work.carry_out(operation, session)
    });
    if platform.look(|centre| centre.known(id).is_some_and(|it| it.phase == Phase::Queued))
        && matches!(
            operation,
            "session.open" | "session.to_human" | "message.send"
        )
    {
        platform.accept_later(id);
    }
    match result {
        Ok(result) => done(result),
        Err((4004, text)) => refusal(StatusCode::BAD_REQUEST, 4004, text),
        Err((4005, text)) => refusal(StatusCode::NOT_FOUND, 4005, text),
        Err((code, text)) => refusal(StatusCode::OK, code, text),
    }
}

fn done((data, events): Done) -> Reply {
    let mut body = json!({"code": 0, "msg": "ok", "data": without_nulls(data)});
    if !events.is_empty()
        && let Some(body) = body.as_object_mut()
    {
        body.insert("events".to_owned(), Value::Array(events));
    }
    Reply::json(StatusCode::OK, &body)
}

pub(super) fn only(data: Value) -> Result<Done, Refusal> {
    Ok((data, Vec::new()))
}

impl Work<'_> {
    fn carry_out(&mut self, operation: &str, session: Option<&str>) -> Result<Done, Refusal> {
        match operation {
            "session.open" => return self.open(),
            "message.send" | "session.to_human" | "queue.query" | "queue.cancel"
            | "visitor.update" | "leave.submit" | "evaluate.submit" | "session.leave"
            | "session.state" | "typing" | "read" => {}
            _ => return Err((4005, "operation unknown")),
        }
        let visitor = self
            .centre
            .known(self.id)
            .filter(|it| it.phase != Phase::New);
        let visitor = visitor.ok_or((4101, "visitor unknown"))?;
        if session.is_some_and(|it| it != visitor.session) {
            return Err((4101, "session unknown"));
        }
        match operation {
            "session.state" => return only(self.state()),
            "session.leave" => return only(self.leave()),
            "evaluate.submit" => return self.evaluate(),
            _ if visitor.phase == Phase::Ended => return Err((4102, "session has ended")),
            _ => {}
        }
        match operation {
            "message.send" => self.message(),
            "session.to_human" => self.call_agent(),
            "queue.query" => only(self.place()),
            "queue.cancel" => only(self.cancel()),
            "visitor.update" => only(self.update()),
            "leave.submit" => self.leave_message(),
            _ => only(json!({})),
        }
    }

    pub(super) fn visitor(&mut self) -> &mut Visitor {
        self.centre.visitor(self.id)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.data
            .get(key)
            .and_then(Value::as_str)
            .filter(|it| !it.is_empty())
    }
}
