//! Who takes the session: one provider after the other is asked, while nothing
//! was exchanged.

use kefu_plugin_api::{
    capability::{EndReason, SessionState},
    descriptor::KeyedBy,
    event::Event,
};

use super::{Name, NameKey, Turn, timers::max_idle_ms};
use crate::{
    log::MoveReason,
    session::{TimerKey, conversation_id},
};

impl Turn<'_> {
    /// Asks the provider that the record names to take the session.
    pub(super) fn ask_provider(&mut self) {
        let Some(facts) = self.context.providers.facts(&self.record.provider) else {
            self.notes
                .push(format!("{}: not available", self.record.provider));
            return self.ask_next_provider();
        };
        if facts.descriptor.keyed_by == KeyedBy::Visitor {
            let providers = self.context.providers;
            if providers.has_other_session(&self.record.provider, &self.record) {
                self.notes.push(format!(
                    "{}: its vendor tells visitors apart and not conversations, and this one has another session open with it",
                    self.record.provider
                ));
                return self.ask_next_provider();
            }
            self.alone = true;
        } else {
            self.alone = false;
        }
        let record = &mut self.record;
        let max_idle = max_idle_ms(record, &facts);
        record.service.begin(self.context.now);
        record.allowed_fields = facts.visitor_fields.as_deref().map(<[String]>::to_vec);
        record.capabilities = facts.descriptor.capabilities.clone();
        record.conversation = conversation_id(
            &record.app,
            &record.desk,
            &record.visitor.id,
            &record.provider,
            facts.descriptor.keyed_by,
        );
        record
            .timers
            .insert(TimerKey::Idle, self.context.now.plus_ms(max_idle));
        self.names.push(Name {
            provider: record.provider.clone(),
            key: NameKey::Conversation(record.conversation.as_str().to_owned()),
        });
        let event = Event::Opened {
            visitor: record.shared_profile(record.visitor.clone()),
            client: record.client.clone(),
            group: record.group.clone(),
        };
        self.facts = Some(facts);
        self.follow_table();
        self.changed = true;
        self.tell(event);
    }

    /// The provider does not take the session. While the visitor is here and
    /// nothing was exchanged, the next one is asked.
    pub(super) fn handshake_failed(&mut self) {
        self.todo.clear();
        let provider = self.record.provider.clone();
        self.missed.not_taken.push(provider);
        if self.may_ask_another() {
            self.ask_next_provider();
        } else {
            self.end(EndReason::ProviderError);
        }
    }

    /// Whether the visitor is here and has seen nothing of this provider.
    fn may_ask_another(&self) -> bool {
        self.record.visitor_present && self.record.last_desk_message.is_none()
    }

    /// Whether another provider is asked if the handshake under way fails.
    pub(super) fn has_successor(&self) -> bool {
        self.record.state == SessionState::Opening
            && !self.record.fallbacks.is_empty()
            && self.may_ask_another()
    }

    /// Nobody took the session yet: turns to the next in line, or gives up.
    fn ask_next_provider(&mut self) {
        if self.record.fallbacks.is_empty() {
            return self.end(EndReason::ProviderError);
        }
        let next = self.record.fallbacks.remove(0);
        let refused = self.record.moves.handing_over;
        if self.record.is_shown() {
            self.take_back();
        }
        if refused {
            self.handover_refused();
        }
        self.pass_to(next, MoveReason::Failover);
    }
}
