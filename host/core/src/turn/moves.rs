//! Moves of a session: the transitions that an adapter may ask for, and the
//! end.

use kefu_plugin_api::{
    capability::{AgentChange, Capabilities, EndReason, Queue, SessionConfig, SessionState},
    message::Agent,
};

use super::{Turn, Violation};
use crate::{
    log::{CapabilityChange, EventBody, StateChange},
    session::{HumanWish, TimerKey},
};

impl Turn<'_> {
    pub(super) fn set_state(
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
            if let (SessionState::Human, Some(agent)) = (to, agent) {
                self.same_state(agent);
            }
            return Ok(());
        }
        let back_to_robot = to == SessionState::Robot && self.record.had_human;
        if to == SessionState::Opening || back_to_robot {
            return Err(Violation(format!(
                "no way from {} to {}",
                from.as_str(),
                to.as_str()
            )));
        }
        if self.is_handed_over(to) {
            let wish = self.record.human_wanted.take();
            self.decide_handover(wish.unwrap_or(HumanWish { group: None }));
            return Ok(());
        }
        if to != SessionState::Robot {
            self.stop_holding();
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
        if to == SessionState::Human {
            self.begin_to_watch();
        } else {
            self.stop_watching();
        }
        if from == SessionState::Opening {
            self.record.fallbacks.clear();
            self.record.service.taken_at = Some(self.context.now);
            self.taken();
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

    /// A provider has taken the session. Apps are told that it is opened once;
    /// after a move, what is different now.
    fn taken(&mut self) {
        if self.record.moves.opened_before {
            let change = CapabilityChange {
                capabilities: Some(self.record.shown_capabilities()),
                config: Some(self.record.config.clone()),
            };
            self.log(EventBody::Capabilities(Box::new(change)));
        } else {
            let card = self.record.card();
            self.log(EventBody::Opened(Box::new(card)));
        }
        self.taken_again();
    }

    /// The session stands where it stood; the agent may be another.
    fn same_state(&mut self, agent: Agent) {
        let event = match &self.record.agent {
            Some(known) if *known == agent => return,
            Some(known) if known.id == agent.id => None,
            Some(_) => Some(AgentChange::Transferred),
            None => Some(AgentChange::Joined),
        };
        self.record.agent = Some(agent.clone());
        self.changed = true;
        if let Some(event) = event {
            self.agent_is_new();
            self.log(EventBody::Agent { event, agent });
        }
    }

    pub(super) fn agent(&mut self, event: AgentChange, agent: Agent) -> Result<(), Violation> {
        match event {
            AgentChange::Joined | AgentChange::Transferred => {
                if self.record.state != SessionState::Human {
                    self.set_state(SessionState::Human, Some(agent.clone()), None)?;
                    if self.moving.is_some() {
                        return Ok(());
                    }
                } else if self.record.agent.as_ref() != Some(&agent) {
                    self.agent_is_new();
                }
                self.record.agent = Some(agent.clone());
            }
            // One who was replaced before may leave late.
            AgentChange::Left => {
                let leaves = |known: &Agent| known.id == agent.id;
                if self.record.agent.as_ref().is_some_and(leaves) {
                    self.record.agent = None;
                }
            }
        }
        self.log(EventBody::Agent { event, agent });
        Ok(())
    }

    pub(super) fn queue(&mut self, queue: Queue) {
        if self.record.state == SessionState::Human {
            self.notes
                .push("news of a queue that the visitor has left was dropped".into());
        } else if self.record.queue != Some(queue) {
            self.record.queue = Some(queue);
            self.log(EventBody::Queue(queue));
        }
    }

    pub(super) fn capabilities(
        &mut self,
        capabilities: Option<Capabilities>,
        config: Option<SessionConfig>,
    ) {
        let capabilities = capabilities.filter(|new| *new != self.record.capabilities);
        let config = config.filter(|new| *new != self.record.config);
        if capabilities.is_none() && config.is_none() {
            return;
        }
        if let Some(new) = &capabilities {
            if new.leave_message != self.record.capabilities.leave_message {
                self.record.leave_form = None;
            }
            self.record.capabilities = new.clone();
        }
        if let Some(new) = &config {
            let other_reminders = new.idle != self.record.config.idle;
            self.record.config = new.clone();
            if other_reminders {
                self.watch_anew();
            }
        }
        self.changed = true;
        // Until the session is opened nobody has seen others.
        if self.record.state != SessionState::Opening {
            let capabilities = capabilities.map(|_| self.record.shown_capabilities());
            self.log(EventBody::Capabilities(Box::new(CapabilityChange {
                capabilities,
                config,
            })));
        }
    }

    /// The gateway ends the session, and invites nobody.
    pub(super) fn close(&mut self, reason: EndReason) {
        self.stop_waiting_for_rating();
        self.end(reason);
    }

    pub(super) fn end(&mut self, reason: EndReason) {
        if self.record.is_over() {
            return;
        }
        self.invite_at_end(reason);
        let record = &mut self.record;
        let window = record.rating.invited.is_some();
        record.state = SessionState::Ended;
        record.ended_at = Some(self.context.now);
        record.end_reason = Some(reason);
        record.config.blocked |= reason == EndReason::Blocked;
        record.silence = Default::default();
        record.queue = None;
        record.human_wanted = None;
        record.moves.holds_for_human = false;
        record.held.clear();
        record.profile_waits = false;
        record.rating.exit_waits = false;
        record
            .timers
            .retain(|key, _| window && *key == TimerKey::RatingWindow);
        record.timer_failures.clear();
        self.release_waiting();
        self.log(EventBody::Ended { reason });
    }
}
