//! The operations of SDP/1: what each one answers in each mode.
//!
//! Owns the reading of `data` and the wording of replies. Invariant: a refusal
//! (`code` other than 0) changed nothing.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::events::{self, agent_object, config, inline, leave_message, queue, without_nulls};
use super::refusal;
use crate::centre::{Centre, Happenings, Phase, Reception, Visitor};
use crate::platform::{Platform, Reply};
use crate::robot::Transfer;
use crate::settings::Settings;

/// `code` and text of a refusal.
type Refusal = (u16, &'static str);
/// `data` and `events` of a reply.
type Done = (Value, Vec<Value>);

/// One operation of one visitor, under the call centre's lock.
struct Work<'a> {
    centre: &'a mut Centre,
    settings: &'a Settings,
    base_url: &'a str,
    id: &'a str,
    data: &'a Map<String, Value>,
    out: &'a mut Happenings,
}

pub(super) fn answer(
    platform: &Arc<Platform>,
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
    match operation {
        "health" => return done((json!({"status": "ok"}), Vec::new())),
        "capabilities" => {
            let data = json!({"version": "1.0", "optional": ["typing", "read"], "config": config(&settings, base_url, None)});
            return done((data, Vec::new()));
        }
        "groups.list" => {
            let groups = config(&settings, base_url, None)["groups"].take();
            return done((json!({"groups": groups}), Vec::new()));
        }
        _ => {}
    }
    let result = platform.change(|centre, settings, out| {
        let mut work = Work {
            centre,
            settings,
            base_url,
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

fn only(data: Value) -> Result<Done, Refusal> {
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
            "leave.submit" => Err((4103, "messages are left on the vendor's page")),
            _ => only(json!({})),
        }
    }

    fn visitor(&mut self) -> &mut Visitor {
        self.centre.visitor(self.id)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.data
            .get(key)
            .and_then(Value::as_str)
            .filter(|it| !it.is_empty())
    }

    fn open(&mut self) -> Result<Done, Refusal> {
        if self.text("channel_no").is_none() {
            return Err((4004, "channel_no is required by this vendor"));
        }
        if self.settings.blocked.iter().any(|it| it == self.id) {
            return Err((4204, "visitor is blocked"));
        }
        if self.centre.visitor(self.id).is_open() {
            self.visitor().present = true;
            let mut data = self.state();
            self.add_config(&mut data);
            return only(data);
        }
        let wants_human = self.text("prefer") == Some("human") || !self.settings.robot.enabled;
        let group = self.text("group_id").map(str::to_owned);
        let phase = if wants_human {
            Phase::Unattended
        } else {
            Phase::Robot
        };
        self.visitor().begin(phase);
        self.visitor().group = group;
        self.keep_profile();
        let mut data = if wants_human {
            let reception = self.reception();
            let (_, mut data) = self.worded(reception);
            // The reply of `session.open` names the mode; `result` is `session.to_human`'s.
            if let Some(data) = data.as_object_mut() {
                data.remove("result");
            }
            data
        } else {
            json!({"greeting": self.settings.robot.welcome})
        };
        let visitor = self.visitor();
        let (session, mode) = (visitor.session.clone(), mode(visitor.phase));
        if let Some(data) = data.as_object_mut() {
            data.insert("session_id".to_owned(), json!(session));
            data.insert("mode".to_owned(), json!(mode));
        }
        self.add_config(&mut data);
        only(data)
    }

    fn add_config(&mut self, data: &mut Value) {
        let (settings, base_url) = (self.settings, self.base_url);
        let config = config(settings, base_url, Some(self.visitor()));
        if let Some(data) = data.as_object_mut() {
            data.insert("config".to_owned(), config);
        }
    }

    fn keep_profile(&mut self) {
        let data = self.data;
        let visitor = self.visitor();
        for key in ["visitor", "context", "jiaxin", "channel_no"] {
            if let (Some(told), Some(profile)) = (data.get(key), visitor.profile.as_object_mut()) {
                match (
                    profile.get_mut(key).and_then(Value::as_object_mut),
                    told.as_object(),
                ) {
                    (Some(kept), Some(told)) => {
                        for (name, value) in told {
                            if value.is_null() {
                                kept.remove(name);
                            } else {
                                kept.insert(name.clone(), value.clone());
                            }
                        }
                    }
                    _ => drop(profile.insert(key.to_owned(), told.clone())),
                }
            }
        }
    }

    fn state(&mut self) -> Value {
        let position = self.centre.position(self.id);
        let visitor = self.visitor();
        if visitor.phase == Phase::Ended {
            let reason = visitor.end_reason.unwrap_or("agent");
            return json!({"session_id": visitor.session, "ended": true, "reason": reason});
        }
        without_nulls(json!({
            "session_id": visitor.session,
            "mode": mode(visitor.phase),
            "agent": visitor.agent.as_ref().map(agent_object),
            "queue": position.map(queue),
        }))
    }

    fn message(&mut self) -> Result<Done, Refusal> {
        let content = self.data.get("content").filter(|it| it.is_object());
        let content = content.ok_or((4004, "content is missing or no object"))?;
        let kind = content
            .get("type")
            .and_then(Value::as_str)
            .ok_or((4004, "content.type is missing"))?;
        let phase = self.visitor().phase;
        let carried = match phase {
            Phase::Robot => matches!(kind, "text" | "emoji"),
            Phase::Human => {
                matches!(kind, "text" | "image" | "voice" | "emoji")
                    || (kind == "location" && self.settings.human.location)
            }
            _ => return Err((4103, "no messages while waiting")),
        };
        if !carried {
            return Err((4301, "content kind not carried"));
        }
        let said = content.get("text").and_then(Value::as_str);
        if matches!(kind, "text" | "emoji") && said.is_none() {
            return Err((4004, "content.text is missing"));
        }
        self.visitor().present = true;
        if phase == Phase::Robot {
            return Ok(self.robot(said.unwrap_or_default()));
        }
        let message = self.centre.hear(self.settings, self.id, content, self.out);
        only(json!({"msg_id": message}))
    }

    /// The robot answers; at the keyword it hands over by itself.
    fn robot(&mut self, question: &str) -> Done {
        let (message, answer) = self.centre.ask_robot(self.settings, self.id, question);
        let suggestions = Some(answer.suggestions).filter(|it| !it.is_empty());
        let mut events = vec![inline(
            "message",
            json!({
                "msg_id": message,
                "from": {"kind": "robot", "name": self.settings.robot.name},
                "content": {"type": "text", "text": answer.text},
                "suggestions": suggestions,
            }),
        )];
        if answer.transfer == Transfer::Keyword {
            let reception = self.reception();
            let (_, mut data) = self.worded(reception);
            let visitor = self.visitor();
            let mode = mode(visitor.phase);
            if let Some(data) = data.as_object_mut() {
                data.remove("result");
                data.insert("mode".to_owned(), json!(mode));
            }
            events.push(inline(
                if mode == "unattended" {
                    "agent.unavailable"
                } else {
                    "session.mode"
                },
                data,
            ));
        }
        (json!({}), events)
    }

    fn reception(&mut self) -> Reception {
        let (data, id) = (self.data, self.id);
        let text = |key: &str| {
            data.get(key)
                .and_then(Value::as_str)
                .filter(|it| !it.is_empty())
        };
        let reception = self.centre.ask_human(
            self.settings,
            id,
            text("group_id"),
            text("agent_id"),
            self.out,
        );
        if matches!(reception, Reception::NoAgent) {
            self.visitor().phase = Phase::Unattended;
        }
        reception
    }

    /// `result` and `data` of a reception; None is a blocked visitor.
    fn worded(&mut self, reception: Reception) -> (Option<&'static str>, Value) {
        let (settings, base_url) = (self.settings, self.base_url);
        let leave = leave_message(settings, base_url, self.visitor());
        let (result, data) = match reception {
            Reception::Already(agent) => ("already", json!({"agent": agent_object(&agent)})),
            Reception::Queued(position) => (
                "queued",
                json!({"queue": queue(position), "greeting": events::QUEUED, "leave_message": leave}),
            ),
            Reception::Connected { agent, greeting } => (
                "connected",
                json!({"agent": agent_object(&agent), "greeting": greeting.map(|(_, text)| text)}),
            ),
            Reception::NoAgent => (
                "unattended",
                json!({"greeting": events::UNATTENDED, "leave_message": leave}),
            ),
            Reception::Blocked => return (None, json!({})),
        };
        let mut data = without_nulls(data);
        if let Some(data) = data.as_object_mut() {
            data.insert("result".to_owned(), json!(result));
        }
        (Some(result), data)
    }

    fn call_agent(&mut self) -> Result<Done, Refusal> {
        let reception = self.reception();
        match self.worded(reception) {
            (Some(_), data) => only(data),
            (None, _) => {
                self.centre.close(self.id, "blocked", self.out);
                Err((4204, "visitor is blocked"))
            }
        }
    }

    fn place(&mut self) -> Value {
        let mut state = self.state();
        if let Some(state) = state.as_object_mut() {
            state.remove("session_id");
            state.remove("agent");
        }
        state
    }

    fn cancel(&mut self) -> Value {
        if self.visitor().phase == Phase::Queued {
            self.centre.leave_queue(self.id, self.out);
            let robot = self.settings.robot.enabled;
            self.visitor().phase = if robot {
                Phase::Robot
            } else {
                Phase::Unattended
            };
        }
        self.place()
    }

    fn update(&mut self) -> Value {
        self.keep_profile();
        json!({})
    }

    /// The session stays, whatever the phase: only the agent ends it.
    fn leave(&mut self) -> Value {
        let visitor = self.visitor();
        visitor.present = false;
        json!({"ended": visitor.phase == Phase::Ended})
    }

    fn evaluate(&mut self) -> Result<Done, Refusal> {
        let data = self.data;
        if self.text("target") != Some("human") {
            return only(json!({"result": "not_allowed"}));
        }
        let visitor = self.visitor();
        if visitor.rated_human {
            return only(json!({"result": "already"}));
        }
        if !visitor.invited {
            return only(json!({"result": "not_allowed"}));
        }
        let stars = data.get("stars").and_then(Value::as_i64);
        if !stars.is_some_and(|it| (1..=5).contains(&it)) {
            return Err((4004, "stars is missing or not 1 to 5"));
        }
        visitor.invited = false;
        visitor.rated_human = true;
        let mut rating = data.clone();
        rating.insert("session".to_owned(), json!(visitor.session));
        visitor.ratings.push(Value::Object(rating));
        only(json!({"result": "ok"}))
    }
}

fn mode(phase: Phase) -> &'static str {
    match phase {
        Phase::Robot => "robot",
        Phase::Queued => "queued",
        Phase::Human => "human",
        Phase::New | Phase::Unattended | Phase::Ended => "unattended",
    }
}
