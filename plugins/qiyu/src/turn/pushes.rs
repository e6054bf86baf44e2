//! What the vendor tells means for the session.
//!
//! Owns the moves that events ask for; answers use the same ones. Invariant: an
//! event that comes too late to be true moves nothing, and says so in a note.

use kefu_plugin_api::prelude::{
    Agent, AgentChange, Content, Effect, EndReason, EvaluationTarget, Incoming, ProviderEvent,
    Sender, SessionState,
};

use super::Turn;
use crate::{
    call::Wish,
    push::{Told, event},
};

impl Turn<'_> {
    /// What the vendor told in an event.
    pub(super) fn told(&mut self, told: ProviderEvent) {
        match told {
            ProviderEvent::Message { message } => self.heard(message),
            ProviderEvent::Other { name, data } if name == event::UNKNOWN => self
                .session
                .note(format!("event {data} was ignored: not known")),
            ProviderEvent::Other { name, data } => match serde_json::from_value(data) {
                Ok(_) if self.standing == SessionState::Ended => self
                    .session
                    .note(format!("{name} came after the end, ignored")),
                Ok(told) => self.moved(&name, told),
                Err(error) => self.session.note(format!("{name} cannot be read: {error}")),
            },
            other => self.effects.extend(Effect::from_provider(other)),
        }
    }

    /// The vendor's messages name somebody, and not whether it is the robot.
    fn heard(&mut self, mut message: Incoming) {
        if self.standing == SessionState::Robot {
            let Sender {
                id, name, portrait, ..
            } = message.from;
            message.from = self.robot(Agent { id, name, portrait });
        }
        self.deliver(message);
        // Somebody has the visitor, of whom no event told: only asking does.
        let waits = matches!(
            self.standing,
            SessionState::Queued | SessionState::Unattended
        );
        if waits && self.session.state.asking.is_none() {
            self.apply(Wish::Whoever);
        }
    }

    fn moved(&mut self, name: &str, told: Told) {
        match name {
            event::STARTED => self.joined(told),
            event::ENDED => self.ended(told),
            event::INVITED if self.standing == SessionState::Human => {
                self.effects.push(Effect::Invite {
                    target: EvaluationTarget::Human,
                    form: None,
                });
            }
            event::INVITED => self
                .session
                .note("an invitation to rate an agent came while there was none"),
            event::QUEUED if self.standing == SessionState::Human => self
                .session
                .note("news of the queue came after an agent had joined, ignored"),
            event::QUEUED => {
                let waits = self.standing == SessionState::Queued;
                self.queued(told.count);
                if !waits {
                    self.wait();
                }
            }
            event::TIMED_OUT if self.standing == SessionState::Queued => {
                self.close(EndReason::QueueTimeout);
            }
            _ => self
                .session
                .note(format!("{name} means nothing now, ignored")),
        }
    }

    /// An agent answers from now on.
    pub(super) fn joined(&mut self, told: Told) {
        self.name(told.session);
        self.allow(|state| state.grades = Some(told.grades));
        let agent = told.agent;
        if self.standing == SessionState::Human {
            let known = self.session.state.agent.as_ref();
            let known = known.and_then(|agent| agent.id.as_ref());
            if !told.transferred && (agent.id.is_none() || agent.id.as_ref() == known) {
                return;
            }
            self.session.state.agent = Some(agent.clone());
            self.effects.push(Effect::Agent {
                event: AgentChange::Transferred,
                agent: agent.clone(),
            });
        } else {
            self.session.state.agent = Some(agent.clone());
            let known = agent != Agent::default();
            self.stand(SessionState::Human, known.then(|| agent.clone()));
        }
        if let Some(text) = told.greeting {
            self.greet(Sender::agent(agent), &text);
        }
    }

    pub(super) fn greet(&mut self, from: Sender, text: &str) {
        self.deliver(Incoming::new(from, Content::text(text)));
    }

    fn ended(&mut self, told: Told) {
        if let (Some(ended), Some(current)) = (&told.session, self.session.vendor_session())
            && ended != current
        {
            return self
                .session
                .note("the end of an earlier session came late, ignored");
        }
        match told.reason {
            // The robot's part is over, or the agent's: another session goes on.
            Some(3 | 5) => self
                .session
                .note("the vendor ended a session and goes on in another one"),
            Some(2) => self.close(EndReason::Idle),
            // 0 closed by the agent, 4 the agent left; the robot ends none.
            _ => self.close(EndReason::Agent),
        }
    }
}
