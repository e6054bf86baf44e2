//! Operations that say something: messages, profile, rating.
//!
//! Owns their replies. Invariant: a rating counts once per session, and only
//! while an invitation is open or visitors may start one.

use serde_json::{Value, json};

use super::calls::{Done, Refusal, Work, only};
use super::events::inline;
use super::modes::mode;
use crate::centre::{Phase, fresh_id};
use crate::robot::Transfer;

impl Work<'_> {
    pub(super) fn keep_profile(&mut self) {
        let (data, words) = (self.data, self.teller.profile.name);
        let visitor = self.visitor();
        for key in ["visitor", "context", words, "channel_no"] {
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

    pub(super) fn message(&mut self) -> Result<Done, Refusal> {
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
    pub(super) fn robot(&mut self, question: &str) -> Done {
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

    pub(super) fn update(&mut self) -> Value {
        self.keep_profile();
        json!({})
    }

    /// A message for later, in the app's form.
    pub(super) fn leave_message(&mut self) -> Result<Done, Refusal> {
        let form = self.teller.profile.form;
        if form.is_empty() {
            return Err((4103, "messages are left on the vendor's page"));
        }
        let waits = matches!(self.visitor().phase, Phase::Queued | Phase::Unattended);
        if !waits || !self.settings.leave_message.enabled {
            return Err((4103, "no message can be left now"));
        }
        let fields = self.data.get("fields").and_then(Value::as_object);
        let fields = fields.ok_or((4004, "fields is missing or no object"))?;
        for field in form {
            let value = match fields.get(field.key) {
                None => "",
                Some(value) => value.as_str().ok_or((4004, "a field is no text"))?,
            };
            if field.required && value.trim().is_empty() {
                return Err((4004, "a required field is missing or empty"));
            }
            if value.chars().count() > field.max {
                return Err((4004, "a field is too long"));
            }
        }
        let ticket = fresh_id();
        let mut kept = fields.clone();
        kept.insert("ticket_id".to_owned(), json!(ticket));
        self.visitor().tickets.push(Value::Object(kept));
        only(json!({"ticket_id": ticket}))
    }

    pub(super) fn evaluate(&mut self) -> Result<Done, Refusal> {
        let data = self.data;
        if self.text("target") != Some("human") {
            return only(json!({"result": "not_allowed"}));
        }
        let by_visitor = self.teller.self_rating();
        let visitor = self.visitor();
        if visitor.rated_human {
            return only(json!({"result": "already"}));
        }
        let of_own = by_visitor && visitor.phase == Phase::Human;
        if !visitor.invited && !of_own {
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
