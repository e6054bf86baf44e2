//! What an agent can do at the desk: accept, say, invite, transfer, recall, end.
//!
//! Owns the rules of each action. Does not know who clicked. Invariant: an
//! action that is refused changed nothing.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Author, Centre, EndReason, Happening, Happenings, Phase, fresh_id};
use crate::settings::{Agent, Settings};

/// An agent's action, as the control API and the desk page send it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Action {
    /// What to do; the contract's content types are actions too.
    pub(crate) action: String,
    /// Do it even if the session's phase does not allow it.
    #[serde(default)]
    pub(crate) force: bool,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// The ways of a vendor's agents.
#[derive(Debug)]
pub(crate) struct Trade {
    /// The contents that they can send.
    pub(crate) kinds: &'static [&'static str],
    /// A visitor whom nobody accepts keeps the session.
    pub(crate) keeps_unattended: bool,
}

/// Why an action was refused.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The visitor never called.
    Unknown,
    /// The session's phase does not allow it.
    Phase(Phase),
    /// The action, or a field of it, makes no sense.
    Invalid(String),
}

impl Action {
    fn text(&self, key: &str) -> Option<&str> {
        self.rest.get(key).and_then(Value::as_str)
    }
}

impl Centre {
    /// Carries out an agent's action, within the vendor's ways.
    pub(crate) fn act(
        &mut self,
        settings: &Settings,
        id: &str,
        action: &Action,
        trade: &Trade,
        out: &mut Happenings,
    ) -> Result<Value, Refused> {
        if self.known(id).is_none() && !action.force {
            return Err(Refused::Unknown);
        }
        match action.action.as_str() {
            "accept" => self.accept(settings, id, action, out),
            "say" | "text" => self.say(settings, id, action, "text", trade, out),
            "image" | "voice" | "video" | "file" | "location" | "rich" | "emoji" | "custom" => {
                self.say(settings, id, action, &action.action, trade, out)
            }
            "system" => self.notice(settings, id, action, out),
            "invite" => self.invite(id, action, out),
            "transfer" if action.rest.contains_key("group") => self.hand_on(id, action, trade, out),
            "transfer" => self.transfer(settings, id, action, out),
            "capabilities" => {
                out.push((id.to_owned(), Happening::Reconfigured));
                Ok(json!({}))
            }
            "recall" => self.recall(id, action, out),
            "end" => self.end(settings, id, action, out),
            "queue" => self.requeue(id, action, out),
            "no_agent" => self.give_up(id, action, trade, Happening::NoAgent, out),
            "queue_timeout" => self.give_up(id, action, trade, Happening::QueueTimeout, out),
            "typing" => {
                self.require(id, action, &[Phase::Human])?;
                out.push((id.to_owned(), Happening::Typing));
                Ok(json!({}))
            }
            other => Err(Refused::Invalid(format!(
                "action {other:?} is unknown; use accept, say, image, voice, video, file, location, rich, emoji, \
                 custom, system, invite, transfer, recall, end, queue, no_agent, queue_timeout, capabilities or typing"
            ))),
        }
    }

    fn require(&self, id: &str, action: &Action, phases: &[Phase]) -> Result<(), Refused> {
        let phase = self.known(id).map_or(Phase::New, |visitor| visitor.phase);
        if action.force || phases.contains(&phase) {
            Ok(())
        } else {
            Err(Refused::Phase(phase))
        }
    }

    fn accept(
        &mut self,
        settings: &Settings,
        id: &str,
        action: &Action,
        out: &mut Happenings,
    ) -> Result<Value, Refused> {
        // An agent may also take over from the robot, without being asked.
        self.require(
            id,
            action,
            &[Phase::Queued, Phase::Robot, Phase::Unattended],
        )?;
        let wanted = action.text("agent");
        let agent = match self.free_agent(settings, id, wanted) {
            Some(agent) => agent,
            None => named_agent(settings, wanted)?,
        };
        self.leave_queue(id, out);
        self.release(id);
        let greeting = self.connect(settings, id, &agent);
        let happening = Happening::Joined {
            agent: agent.clone(),
            greeting,
            direct: false,
        };
        out.push((id.to_owned(), happening));
        Ok(json!({"agent": agent}))
    }

    fn say(
        &mut self,
        settings: &Settings,
        id: &str,
        action: &Action,
        kind: &str,
        trade: &Trade,
        out: &mut Happenings,
    ) -> Result<Value, Refused> {
        if !trade.kinds.contains(&kind) {
            return Err(Refused::Invalid(format!(
                "agents of this vendor cannot send {kind}; they can send {}",
                trade.kinds.join(", ")
            )));
        }
        self.require(id, action, &[Phase::Human])?;
        let content = content(kind, &action.rest)?;
        let message = fresh_id();
        let visitor = self.visitor(id);
        visitor.write(settings.transcript(), Author::Agent, &message, &content);
        visitor.last_agent_message = Some(message.clone());
        let happening = Happening::Message {
            id: message.clone(),
            from: Author::Agent,
            agent: visitor.agent.clone(),
            content,
        };
        out.push((id.to_owned(), happening));
        Ok(json!({"message": message}))
    }

    fn notice(
        &mut self,
        settings: &Settings,
        id: &str,
        action: &Action,
        out: &mut Happenings,
    ) -> Result<Value, Refused> {
        let content = content("text", &action.rest)?;
        let message = fresh_id();
        let visitor = self.visitor(id);
        visitor.write(settings.transcript(), Author::System, &message, &content);
        let happening = Happening::Message {
            id: message.clone(),
            from: Author::System,
            agent: None,
            content,
        };
        out.push((id.to_owned(), happening));
        Ok(json!({"message": message}))
    }

    fn invite(
        &mut self,
        id: &str,
        action: &Action,
        out: &mut Happenings,
    ) -> Result<Value, Refused> {
        self.require(id, action, &[Phase::Human])?;
        self.visitor(id).invited = true;
        out.push((id.to_owned(), Happening::Invited));
        Ok(json!({}))
    }

    fn transfer(
        &mut self,
        settings: &Settings,
        id: &str,
        action: &Action,
        out: &mut Happenings,
    ) -> Result<Value, Refused> {
        self.require(id, action, &[Phase::Human])?;
        let from = self.visitor(id).agent.clone();
        let to = match action.text("agent") {
            Some(wanted) => named_agent(settings, Some(wanted))?,
            None => settings
                .human
                .agents
                .iter()
                .find(|agent| Some(&agent.id) != from.as_ref().map(|it| &it.id))
                .cloned()
                .ok_or_else(|| {
                    Refused::Invalid("there is no other agent to transfer to".to_owned())
                })?,
        };
        self.release(id);
        *self.load.entry(to.id.clone()).or_default() += 1;
        let visitor = self.visitor(id);
        visitor.agent = Some(to.clone());
        visitor.phase = Phase::Human;
        out.push((
            id.to_owned(),
            Happening::Transferred {
                from,
                to: to.clone(),
            },
        ));
        Ok(json!({"agent": to}))
    }

    /// Back into the queue, for another group.
    fn hand_on(
        &mut self,
        id: &str,
        action: &Action,
        trade: &Trade,
        out: &mut Happenings,
    ) -> Result<Value, Refused> {
        self.require(id, action, &[Phase::Human])?;
        if !trade.keeps_unattended {
            return Err(Refused::Invalid(
                "this vendor transfers to an agent, not to a group".to_owned(),
            ));
        }
        self.release(id);
        let group = action.text("group").map(str::to_owned);
        let visitor = self.visitor(id);
        visitor.group = group;
        visitor.phase = Phase::Queued;
        self.queue.push(id.to_owned());
        let position = self.queue.len();
        out.push((id.to_owned(), Happening::Requeued { position }));
        Ok(json!({"position": position}))
    }

    fn recall(
        &mut self,
        id: &str,
        action: &Action,
        out: &mut Happenings,
    ) -> Result<Value, Refused> {
        self.require(id, action, &[Phase::Human])?;
        let visitor = self.visitor(id);
        let message = action
            .text("message")
            .map(str::to_owned)
            .or_else(|| visitor.last_agent_message.clone())
            .ok_or_else(|| Refused::Invalid("there is no agent message to recall".to_owned()))?;
        if let Some(line) = visitor.lines.iter_mut().find(|line| line.id == message) {
            line.recalled = true;
        }
        out.push((
            id.to_owned(),
            Happening::Recalled {
                id: message.clone(),
            },
        ));
        Ok(json!({"message": message}))
    }

    fn end(
        &mut self,
        settings: &Settings,
        id: &str,
        action: &Action,
        out: &mut Happenings,
    ) -> Result<Value, Refused> {
        self.require(
            id,
            action,
            &[Phase::Robot, Phase::Queued, Phase::Human, Phase::Unattended],
        )?;
        let reason: EndReason = match action.rest.get("reason") {
            Some(reason) => serde_json::from_value(reason.clone()).map_err(|_| {
                Refused::Invalid(format!(
                    "reason {reason} is unknown; use agent, removed, blocked, idle, new_window or queue_timeout"
                ))
            })?,
            None => EndReason::Agent,
        };
        let rate = action
            .rest
            .get("rate")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let notice = json!({"type": "text", "text": format!("会话结束：{}", reason.name())});
        self.visitor(id)
            .write(settings.transcript(), Author::System, &fresh_id(), &notice);
        self.close(id, reason.name(), out);
        if rate {
            self.visitor(id).invited = true;
        }
        out.push((id.to_owned(), Happening::Ended { reason, rate }));
        Ok(json!({"reason": reason}))
    }

    fn requeue(
        &mut self,
        id: &str,
        action: &Action,
        out: &mut Happenings,
    ) -> Result<Value, Refused> {
        self.require(id, action, &[Phase::Queued])?;
        let wanted = action
            .rest
            .get("position")
            .and_then(Value::as_u64)
            .unwrap_or(1);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).max(1);
        if let Some(index) = self.queue.iter().position(|it| it == id) {
            let visitor = self.queue.remove(index);
            let place = (wanted - 1).min(self.queue.len());
            self.queue.insert(place, visitor);
        }
        // The number goes out as it was asked for, so that a test can show any.
        out.push((id.to_owned(), Happening::Queue { position: wanted }));
        Ok(json!({"position": wanted}))
    }

    fn give_up(
        &mut self,
        id: &str,
        action: &Action,
        trade: &Trade,
        happening: Happening,
        out: &mut Happenings,
    ) -> Result<Value, Refused> {
        self.require(id, action, &[Phase::Queued])?;
        self.leave_queue(id, out);
        if trade.keeps_unattended {
            self.visitor(id).phase = Phase::Unattended;
        } else {
            self.close(id, "queue_timeout", out);
        }
        out.push((id.to_owned(), happening));
        Ok(json!({}))
    }
}

fn named_agent(settings: &Settings, wanted: Option<&str>) -> Result<Agent, Refused> {
    let agents = &settings.human.agents;
    let found = match wanted {
        Some(id) => agents.iter().find(|agent| agent.id == id),
        None => agents.first(),
    };
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = agents.iter().map(|agent| agent.id.as_str()).collect();
        let asked = wanted.unwrap_or("(any)");
        Refused::Invalid(format!("no agent {asked}; agents are {}", known.join(", ")))
    })
}

/// The content of a message: the action's own fields, with the required ones checked.
fn content(kind: &str, fields: &Map<String, Value>) -> Result<Value, Refused> {
    let required: &[&str] = match kind {
        "text" => &["text"],
        "location" => &["latitude", "longitude", "label"],
        "rich" => &["title", "url"],
        "emoji" => &["code", "text"],
        "custom" => &["name", "payload", "fallback_text"],
        _ => &["url"],
    };
    if let Some(missing) = required.iter().find(|key| !fields.contains_key(**key)) {
        return Err(Refused::Invalid(format!("{kind} needs {missing:?}")));
    }
    let mut content = fields.clone();
    let defaults: &[(&str, Value)] = match kind {
        "voice" => &[("duration_ms", json!(1_000)), ("format", json!("wav"))],
        "video" => &[("duration_ms", json!(1_000))],
        "file" => &[("name", json!("文件")), ("size", json!(0))],
        "rich" => &[("summary", json!(""))],
        _ => &[],
    };
    for (key, value) in defaults {
        content.entry(*key).or_insert_with(|| value.clone());
    }
    content.insert("type".to_owned(), Value::from(kind));
    Ok(Value::Object(content))
}
