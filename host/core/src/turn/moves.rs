//! Moves of a session: the transitions that an adapter may ask for, and the
//! end.

use kefu_plugin_api::{
    capability::{AgentChange, Capabilities, EndReason, SessionConfig, SessionState},
    message::Agent,
};

use super::{Turn, Violation};
use crate::{
    log::{CapabilityChange, EventBody, StateChange},
    session::TimerKey,
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

    pub(super) fn agent(&mut self, event: AgentChange, agent: Agent) -> Result<(), Violation> {
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

    pub(super) fn end(&mut self, reason: EndReason) {
        if self.record.is_over() {
            return;
        }
        self.invite_at_end(reason);
        let record = &mut self.record;
        record.state = SessionState::Ended;
        record.ended_at = Some(self.context.now);
        record.end_reason = Some(reason);
        record.queue = None;
        record.human_wanted = None;
        record
            .timers
            .retain(|key, _| *key == TimerKey::RatingWindow);
        self.release_waiting();
        self.log(EventBody::Ended { reason });
    }
}
