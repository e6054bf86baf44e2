//! What an adapter may ask for, and what becomes of it.
//!
//! One exhaustive match. What a session that is over cannot do any more is
//! noted and dropped, because a vendor's late word is nobody's fault; what no
//! session can do is a fault of the adapter.

use kefu_plugin_api::{
    capability::{AgentChange, EndReason, SessionState},
    effect::{Call, Effect},
    message::{Agent, Incoming, SenderKind},
};

use super::{Doing, Name, NameKey, Turn, Violation};
use crate::{
    log::{CapabilityChange, EventBody, LoggedMessage, StateChange},
    outbox::OutboxEntry,
    session::{OpenCall, TimerKey, desk_message_id},
};

/// How many timers an adapter may have in one session.
const MAX_TIMERS: usize = 32;
/// How many calls of one session may be open.
const MAX_OPEN_CALLS: usize = 1_000;
/// The longest timer: a year and a day.
const MAX_TIMER_MS: u64 = 366 * 24 * 3600 * 1000;
/// How many unread messages are counted.
const MAX_UNREAD: usize = 99;

impl Turn<'_> {
    pub(super) fn effects(&mut self, effects: Vec<Effect>) -> Result<(), Violation> {
        let alone = effects.len() == 1;
        for effect in effects {
            self.effect(effect, alone)?;
        }
        Ok(())
    }

    fn effect(&mut self, effect: Effect, alone: bool) -> Result<(), Violation> {
        if self.record.is_over() && moves_a_session(&effect) {
            self.notes
                .push("the session is over; a late change was dropped".into());
            return Ok(());
        }
        match effect {
            Effect::Call { call } => self.call(call)?,
            Effect::Deliver { message } => self.deliver(message),
            Effect::SetState {
                state,
                agent,
                reason,
            } => self.set_state(state, agent, reason)?,
            Effect::Queue { queue } => {
                if self.record.queue != Some(queue) {
                    self.record.queue = Some(queue);
                    self.log(EventBody::Queue(queue));
                }
            }
            Effect::Agent { event, agent } => self.agent(event, agent)?,
            Effect::Invite { target, form } => self.invite(target, form, false),
            Effect::OfferLeaveMessage { form } => {
                self.record.leave_form = form;
                let rules = self.leave_rules().clone();
                self.log(EventBody::LeaveMessageOffered(rules));
            }
            Effect::Capabilities {
                capabilities,
                config,
            } => self.capabilities(capabilities.map(|c| *c), config),
            Effect::Status {
                message,
                status,
                detail,
            } => {
                self.log(EventBody::Status {
                    message,
                    status,
                    detail,
                });
            }
            Effect::Recall { vendor_id } => {
                let message = desk_message_id(&self.record.id, &vendor_id);
                self.log(EventBody::Recalled { message });
            }
            Effect::Typing {} => self.typing = true,
            Effect::SetTimer { timer, after_ms } => self.set_timer(timer, after_ms)?,
            Effect::CancelTimer { timer } => {
                self.changed |= self
                    .record
                    .timers
                    .remove(&TimerKey::Adapter(timer))
                    .is_some();
            }
            Effect::Name { vendor_session } => self.name(vendor_session),
            Effect::Close {
                reason: EndReason::ProviderError,
            } if self.record.state == SessionState::Opening => {
                self.todo.clear();
                self.ask_next_provider();
            }
            Effect::Close { reason } => self.end(reason),
            Effect::TokenRejected { name } => self.token_rejected(name, alone)?,
            Effect::Token { .. } => {
                return Err(Violation("a token outside the provider's scope".into()));
            }
            Effect::Attempt { .. } => {
                return Err(Violation("an attempt that was not asked for".into()));
            }
            other => {
                return Err(Violation(format!(
                    "an effect that this gateway does not know: {other:?}"
                )));
            }
        }
        Ok(())
    }

    fn call(&mut self, call: Call) -> Result<(), Violation> {
        if self.record.open_calls.iter().any(|open| open.id == call.id) {
            return Err(Violation(format!(
                "a second call named `{}` while the first is open",
                call.id
            )));
        }
        if self.record.open_calls.len() >= MAX_OPEN_CALLS {
            return Err(Violation(format!(
                "more than {MAX_OPEN_CALLS} open calls in one session"
            )));
        }
        self.record.last_entry += 1;
        let number = self.record.last_entry;
        self.record.open_calls.push(OpenCall {
            id: call.id.clone(),
            number,
            message: call.message.clone(),
        });
        let longest = self
            .facts
            .as_ref()
            .map_or(i64::MAX, |facts| facts.deadline_ms);
        let deadline = call
            .deadline_ms
            .and_then(|ms| i64::try_from(ms).ok())
            .unwrap_or(longest);
        self.calls.push(OutboxEntry {
            session: self.record.id.clone(),
            number,
            provider: self.record.provider.clone(),
            call,
            created_at: self.context.now,
            deadline_at: self.context.now.plus_ms(deadline.min(longest)),
            media: self.media.clone(),
        });
        Ok(())
    }

    fn deliver(&mut self, message: Incoming) {
        let id = match &message.vendor_id {
            Some(vendor_id) => desk_message_id(&self.record.id, vendor_id),
            None => self.draw_uuid().into(),
        };
        let from_visitor = message.from.kind == SenderKind::Visitor;
        let seq = self.log(EventBody::Message(LoggedMessage {
            id: id.clone(),
            from: message.from,
            content: message.content,
            suggestions: message.suggestions,
            converted_from: None,
        }));
        if !from_visitor {
            self.record.last_desk_message = Some(id);
            self.record.unread.push(seq);
            let surplus = self.record.unread.len().saturating_sub(MAX_UNREAD);
            self.record.unread.drain(..surplus);
        }
    }

    fn set_state(
        &mut self,
        to: SessionState,
        agent: Option<Agent>,
        reason: Option<String>,
    ) -> Result<(), Violation> {
        let from = self.record.state;
        if to == SessionState::Ended {
            return Err(Violation(
                "a session ends by `close`, which says why".into(),
            ));
        }
        if from == to {
            if agent.is_some() && agent != self.record.agent {
                self.record.agent = agent;
                self.changed = true;
            }
            return Ok(());
        }
        let back_to_robot = to == SessionState::Robot && self.record.had_human;
        if to == SessionState::Opening || back_to_robot && !self.record.capabilities.back_to_robot {
            return Err(Violation(format!(
                "no way from {} to {}",
                from.as_str(),
                to.as_str()
            )));
        }
        let record = &mut self.record;
        record.state = to;
        if to == SessionState::Human {
            record.had_human = true;
            record.queue = None;
            record.agent = agent.or(record.agent.take());
        } else {
            record.agent = None;
        }
        if to != SessionState::Queued {
            record.queue = None;
        }
        if matches!(to, SessionState::Robot | SessionState::Human) {
            record.served_since.get_or_insert(self.context.now);
        }
        if from == SessionState::Opening {
            record.fallbacks.clear();
            let card = self.record.card();
            self.log(EventBody::Opened(Box::new(card)));
        }
        let change = StateChange {
            from,
            to,
            agent: self.record.agent.clone(),
            queue: self.record.queue,
            reason,
        };
        self.log(EventBody::State(change));
        Ok(())
    }

    fn agent(&mut self, event: AgentChange, agent: Agent) -> Result<(), Violation> {
        self.log(EventBody::Agent {
            event,
            agent: agent.clone(),
        });
        match event {
            AgentChange::Joined | AgentChange::Transferred
                if self.record.state != SessionState::Human =>
            {
                self.set_state(SessionState::Human, Some(agent), None)
            }
            AgentChange::Joined | AgentChange::Transferred => {
                self.record.agent = Some(agent);
                Ok(())
            }
            AgentChange::Left => {
                self.record.agent = None;
                Ok(())
            }
        }
    }

    fn capabilities(
        &mut self,
        capabilities: Option<kefu_plugin_api::capability::Capabilities>,
        config: Option<kefu_plugin_api::capability::SessionConfig>,
    ) {
        let capabilities = capabilities.filter(|new| *new != self.record.capabilities);
        let config = config.filter(|new| *new != self.record.config);
        if capabilities.is_none() && config.is_none() {
            return;
        }
        if let Some(new) = &capabilities {
            self.record.capabilities = new.clone();
        }
        if let Some(new) = &config {
            self.record.config = new.clone();
        }
        self.changed = true;
        // Until the session is opened nobody has seen others.
        if self.record.state != SessionState::Opening {
            self.log(EventBody::Capabilities(Box::new(CapabilityChange {
                capabilities,
                config,
            })));
        }
    }

    fn set_timer(
        &mut self,
        timer: kefu_plugin_api::ids::TimerId,
        after_ms: u64,
    ) -> Result<(), Violation> {
        let key = TimerKey::Adapter(timer);
        if after_ms > MAX_TIMER_MS {
            return Err(Violation(format!(
                "a timer of {after_ms} ms; at most {MAX_TIMER_MS}"
            )));
        }
        if self.record.timers.len() >= MAX_TIMERS && !self.record.timers.contains_key(&key) {
            return Err(Violation(format!(
                "more than {MAX_TIMERS} timers in one session"
            )));
        }
        // Bounded above, so the cast keeps it.
        self.record
            .timers
            .insert(key, self.context.now.plus_ms(after_ms as i64));
        self.changed = true;
        Ok(())
    }

    fn name(&mut self, vendor_session: String) {
        if self.record.vendor_session.as_ref() == Some(&vendor_session) {
            return;
        }
        self.names.push(Name {
            provider: self.record.provider.clone(),
            key: NameKey::Vendor(vendor_session.clone()),
        });
        self.record.vendor_session = Some(vendor_session);
        self.changed = true;
    }

    fn token_rejected(&mut self, name: String, alone: bool) -> Result<(), Violation> {
        if self.doing != Doing::Finish || !alone {
            return Err(Violation(format!(
                "token `{name}` rejected outside the answer to a finished call"
            )));
        }
        if self.renewed_already {
            return Err(Violation(format!(
                "token `{name}` rejected although it is new"
            )));
        }
        self.renew_token = Some(name);
        Ok(())
    }
}

/// Whether an effect belongs to a session that is still going on.
fn moves_a_session(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::SetState { .. }
            | Effect::Queue { .. }
            | Effect::Agent { .. }
            | Effect::Invite { .. }
            | Effect::OfferLeaveMessage { .. }
            | Effect::Capabilities { .. }
            | Effect::SetTimer { .. }
            | Effect::Close { .. }
            | Effect::Typing {}
    )
}
