//! The course of a session: what the vendor announces, and what it does here.
//!
//! Owns which announcements move a session and in which order their effects
//! come. An announcement that comes too late to be true is noted and dropped.

use kefu_plugin_api::prelude::*;

use crate::{
    config::{Config, Leave},
    conversation::Turn,
    flavour::Flavour,
    limits::{self, CONFIG_BYTES, GREETING_CHARS},
    translate::{self, Told},
    wire::{Mode, Standing, Transferred, is_id},
};

impl<F: Flavour> Turn<'_, F> {
    /// What the vendor told, in a callback or in a reply.
    pub(crate) fn told(&mut self, told: Told) {
        // After the end only what was said still counts; it comes as late.
        let said = matches!(
            &told,
            Told::Neutral(
                ProviderEvent::Message { .. }
                    | ProviderEvent::Recalled { .. }
                    | ProviderEvent::Read { .. }
            )
        );
        if self.standing == SessionState::Ended && !said {
            return;
        }
        match told {
            // News of a queue that the visitor has left is no news.
            Told::Neutral(ProviderEvent::Queue { .. }) if self.standing != SessionState::Queued => {
            }
            Told::Neutral(event) => self.effects.extend(Effect::from_provider(event)),
            Told::Standing(standing) => self.stand(*standing),
            Told::Transferred(transferred) => self.transfer(transferred),
            Told::Invited(invited) => {
                let target = translate::target(&invited);
                self.effects.push(Effect::Invite {
                    target,
                    form: invited.form,
                });
            }
            Told::Ended(ended) => {
                if ended.evaluate {
                    self.effects.push(Effect::Invite {
                        target: EvaluationTarget::Human,
                        form: None,
                    });
                }
                self.close(translate::end_reason(&ended));
            }
            Told::Config(config) => self.configure(*config),
        }
    }

    /// Moves the session to where the vendor says it stands.
    pub(crate) fn stand(&mut self, mut standing: Standing) {
        if self.standing == SessionState::Ended {
            return;
        }
        standing.agent = standing.agent.map(limits::agent);
        self.name(standing.session_id);
        if let Some(config) = standing.config {
            self.configure(config);
        }
        let Some(mode) = standing.mode else { return };
        if let Some(reason) = self.overtaken(mode) {
            self.session.note(format!(
                "the vendor's announcement of a mode was ignored: {reason}"
            ));
            return;
        }
        let moved = self.move_to(mode, standing.agent.clone());
        if mode == Mode::Human
            && let Some(agent) = standing.agent
        {
            self.introduce(agent, moved);
        }
        if moved && mode == Mode::Queued {
            self.watch_queue();
        }
        if let (Mode::Queued, Some(queue)) = (mode, standing.queue) {
            self.effects.push(Effect::Queue { queue });
        }
        // A welcome repeated by a callback is one too many; in a reply it
        // answers what the visitor has just asked for.
        if moved || self.in_reply {
            self.greet(mode, standing.greeting);
        }
        if moved || standing.leave_message.is_some() {
            self.offer_leave_message(mode, standing.leave_message);
        }
    }

    /// Why an announced mode cannot be true any more, if it cannot.
    fn overtaken(&self, mode: Mode) -> Option<&'static str> {
        match (self.standing, mode) {
            (_, Mode::Robot) if self.session.state.had_human => {
                Some("there is no way back from a human to the robot")
            }
            // The agent's coming was announced by a callback while the reply
            // was still on its way.
            (SessionState::Human, Mode::Queued | Mode::Unattended) if self.in_reply => {
                Some("an agent came before the reply did")
            }
            _ => None,
        }
    }

    fn transfer(&mut self, transferred: Transferred) {
        self.name(transferred.new_session_id);
        let agent = limits::agent(transferred.to_agent);
        self.move_to(Mode::Human, Some(agent.clone()));
        self.session.state.agent = Some(agent.clone());
        self.effects.push(Effect::Agent {
            event: AgentChange::Transferred,
            agent,
        });
        self.greet(Mode::Human, transferred.greeting);
    }

    /// Whether this was a move.
    fn move_to(&mut self, mode: Mode, agent: Option<Agent>) -> bool {
        let to = mode.state();
        if self.standing == to {
            return false;
        }
        self.standing = to;
        let agent = agent.filter(|_| mode == Mode::Human);
        self.session.state.agent = None;
        self.session.state.had_human |= mode == Mode::Human;
        self.effects.push(Effect::SetState {
            state: to,
            agent,
            reason: None,
        });
        true
    }

    /// Tells the visitor of an agent who is new here.
    fn introduce(&mut self, agent: Agent, moved: bool) {
        let known = self.session.state.agent.replace(agent.clone());
        let event = match known {
            Some(known) if known.id == agent.id => return,
            Some(_) if !moved => AgentChange::Transferred,
            _ => AgentChange::Joined,
        };
        self.effects.push(Effect::Agent { event, agent });
    }

    /// The welcome of a mode is a message like any other.
    fn greet(&mut self, mode: Mode, greeting: Option<String>) {
        let Some(text) = greeting.filter(|text| !text.is_empty()) else {
            return;
        };
        let from = match mode {
            Mode::Robot => Sender {
                name: self.robot_name(),
                ..Sender::of(SenderKind::Robot)
            },
            Mode::Human => self
                .session
                .state
                .agent
                .clone()
                .map_or(Sender::of(SenderKind::Agent), Sender::agent),
            Mode::Queued | Mode::Unattended => Sender::of(SenderKind::System),
        };
        let (text, was_cut) = limits::cut(text, GREETING_CHARS);
        if was_cut {
            self.session
                .note(format!("a greeting was cut to {GREETING_CHARS} characters"));
        }
        self.effects
            .push(Effect::deliver(Incoming::new(from, Content::text(text))));
    }

    fn offer_leave_message(&mut self, mode: Mode, told: Option<Leave>) {
        let differs = told.is_some();
        let leave = told
            .or_else(|| self.config().leave_message)
            .unwrap_or_default();
        if leave.offers(mode) {
            let form = differs.then(|| leave.rules());
            self.effects.push(Effect::OfferLeaveMessage { form });
        }
    }

    fn name(&mut self, session_id: Option<String>) {
        let known = self.session.state.session_id.as_ref();
        let Some(id) = session_id.filter(|id| known != Some(id)) else {
            return;
        };
        if is_id(&id) {
            self.session.state.session_id = Some(id.clone());
            self.effects.push(Effect::Name { vendor_session: id });
        } else {
            self.session
                .note("a `session_id` that is no id of the protocol was ignored");
        }
    }

    pub(crate) fn configure(&mut self, newer: Config) {
        let mut config = self.session.state.config.clone();
        config.take(newer);
        // It is remembered, and so is everything else in the same state.
        let size = serde_json::to_vec(&config).map_or(usize::MAX, |json| json.len());
        if size > CONFIG_BYTES {
            self.session.note(format!(
                "a config of {size} bytes was ignored: at most {CONFIG_BYTES}"
            ));
            return;
        }
        self.session.state.config = config;
        let config = self.config();
        let capabilities = Some(Box::new(config.capabilities(F::unlisted)));
        self.effects.push(Effect::Capabilities {
            capabilities,
            config: Some(config.session_config()),
        });
    }

    /// Ends the session, unless it has ended.
    pub(crate) fn close(&mut self, reason: EndReason) {
        if self.standing != SessionState::Ended {
            self.standing = SessionState::Ended;
            self.effects.push(Effect::Close { reason });
        }
    }

    fn robot_name(&self) -> Option<String> {
        self.config().robot??.name
    }
}
