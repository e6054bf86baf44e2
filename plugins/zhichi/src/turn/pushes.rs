//! What the vendor tells means for the session.
//!
//! Owns the moves that pushes ask for; answers use the same ones. Invariant: a
//! push that comes too late to be true moves nothing, and says so in a note.

use kefu_plugin_api::prelude::{
    Agent, AgentChange, Effect, EndReason, ProviderEvent, Queue, SessionState,
};

use super::Turn;
use crate::{
    push::{Moved, told},
    translate,
};

impl Turn<'_> {
    /// What the vendor told in a push.
    pub(super) fn told(&mut self, event: ProviderEvent) {
        let late = self.standing == SessionState::Ended;
        match event {
            ProviderEvent::Message { message } => self.deliver(message),
            ProviderEvent::Recalled { vendor_id } => self.recall(&vendor_id),
            ProviderEvent::Notice { text } => self.deliver(translate::notice(&text)),
            ProviderEvent::Ended { .. } if late => self.session.note("a second end was ignored"),
            ProviderEvent::Ended { reason } => self.ended(reason),
            ProviderEvent::EvaluationInvited { target, form } => {
                if self.standing == SessionState::Human {
                    self.effects.push(Effect::Invite { target, form });
                } else {
                    self.session
                        .note("an invitation to rate an agent came while there was none");
                }
            }
            ProviderEvent::Other { name, data } if name == told::UNKNOWN => {
                self.session.note(format!(
                    "a push of type {} was ignored: not known",
                    data["type"]
                ));
            }
            ProviderEvent::Other { name, data } => match serde_json::from_value(data) {
                Ok(_) if late => self
                    .session
                    .note(format!("`{name}` came after the end, ignored")),
                Ok(moved) => self.moved(&name, moved),
                Err(error) => self
                    .session
                    .note(format!("`{name}` cannot be read: {error}")),
            },
            other => self.effects.extend(Effect::from_provider(other)),
        }
    }

    fn moved(&mut self, name: &str, moved: Moved) {
        // A late push of an earlier session must not rename this one.
        if self.session.vendor_session().is_none() || name == told::TRANSFERRED {
            self.name(moved.cid);
        }
        match name {
            told::CONNECTED => self.joined(moved.agent),
            told::TRANSFERRED if self.standing == SessionState::Human => {
                self.transferred(moved.agent);
            }
            told::TRANSFERRED => self.joined(moved.agent),
            told::QUEUED => self.queued(moved.count),
            _ => {}
        }
    }

    /// An agent answers from now on.
    pub(super) fn joined(&mut self, agent: Agent) {
        if self.standing == SessionState::Human {
            let known = self.session.state.agent.clone().unwrap_or_default();
            let differs = agent.id.is_some() && known.id.is_some() && agent.id != known.id;
            if differs {
                self.transferred(agent);
            }
            return;
        }
        self.session.state.agent = Some(agent.clone());
        let known = agent != Agent::default();
        self.stand(SessionState::Human, known.then_some(agent));
    }

    fn transferred(&mut self, agent: Agent) {
        self.session.state.agent = Some(agent.clone());
        self.effects.push(Effect::Agent {
            event: AgentChange::Transferred,
            agent,
        });
    }

    pub(super) fn queued(&mut self, count: Option<i64>) {
        if self.standing == SessionState::Human {
            return self
                .session
                .note("news of the queue came after an agent had joined, ignored");
        }
        self.stand(SessionState::Queued, None);
        let Some(position) = count.and_then(|count| u32::try_from(count.max(1)).ok()) else {
            return;
        };
        self.effects.push(Effect::Queue {
            queue: Queue {
                position,
                ahead: Some(position - 1),
                eta_seconds: None,
            },
        });
    }

    pub(super) fn ended(&mut self, reason: EndReason) {
        if reason == EndReason::Blocked {
            let mut config = self.account.session_config.clone();
            config.blocked = true;
            self.effects.push(Effect::Capabilities {
                capabilities: None,
                config: Some(config),
            });
        }
        self.close(reason);
    }

    fn recall(&mut self, id: &str) {
        let pieces = self.session.state.pieces.remove(id).unwrap_or(1);
        for at in 0..pieces as usize {
            self.effects.push(Effect::Recall {
                vendor_id: translate::piece_id(id, at),
            });
        }
    }
}
