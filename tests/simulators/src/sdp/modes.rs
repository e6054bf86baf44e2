//! Operations that open a session, ask where it is, or move it.
//!
//! Owns their replies. Invariant: a mode is announced in a reply only when the
//! reply's own operation caused it.

use serde_json::{Value, json};

use super::calls::{Done, Refusal, Work, only};
use super::events::{self, agent_object, queue, without_nulls};
use crate::centre::{Phase, Reception};

impl Work<'_> {
    pub(super) fn open(&mut self) -> Result<Done, Refusal> {
        if self.teller.profile.needs_channel && self.text("channel_no").is_none() {
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

    pub(super) fn add_config(&mut self, data: &mut Value) {
        let teller = self.teller;
        let config = teller.config(Some(self.visitor()));
        if let Some(data) = data.as_object_mut() {
            data.insert("config".to_owned(), config);
        }
    }

    pub(super) fn state(&mut self) -> Value {
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

    pub(super) fn reception(&mut self) -> Reception {
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
    pub(super) fn worded(&mut self, reception: Reception) -> (Option<&'static str>, Value) {
        let teller = self.teller;
        let leave = teller.leave_message(self.visitor());
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

    pub(super) fn call_agent(&mut self) -> Result<Done, Refusal> {
        let reception = self.reception();
        match self.worded(reception) {
            (Some(_), data) => only(data),
            (None, _) => {
                self.centre.close(self.id, "blocked", self.out);
                Err((4204, "visitor is blocked"))
            }
        }
    }

    pub(super) fn place(&mut self) -> Value {
        let mut state = self.state();
        if let Some(state) = state.as_object_mut() {
            state.remove("session_id");
            state.remove("agent");
        }
        state
    }

    pub(super) fn cancel(&mut self) -> Value {
        if self.visitor().phase == Phase::Queued {
            self.centre.leave_queue(self.id, self.out);
            let robot = self.settings.robot.enabled && !self.visitor().met_human;
            self.visitor().phase = if robot {
                Phase::Robot
            } else {
                Phase::Unattended
            };
        }
        self.place()
    }

    /// The session stays, whatever its mode, unless the gateway itself closes it.
    pub(super) fn leave(&mut self) -> Value {
        if self.text("semantics") == Some("ends") {
            self.centre.close(self.id, "visitor", self.out);
        }
        let visitor = self.visitor();
        visitor.present = false;
        json!({"ended": visitor.phase == Phase::Ended})
    }
}

pub(super) fn mode(phase: Phase) -> &'static str {
    match phase {
        Phase::Robot => "robot",
        Phase::Queued => "queued",
        Phase::Human => "human",
        Phase::New | Phase::Unattended | Phase::Ended => "unattended",
    }
}
