//! One turn of one session: what an event does here, and what the vendor's
//! answers mean.
//!
//! Owns the course of a session. Invariant: it asks for no move that the state
//! machine forbids (nothing leaves `human` but the end), and a message that was
//! taken from the visitor is sent, held until it is known to whom, or told as
//! failed.

mod answers;
mod groups;
mod pushes;

use kefu_plugin_api::prelude::{
    Agent, Content, Effect, EndReason, Evaluation, Event, GroupId, Incoming, Message, Sender,
    SenderKind, Session, SessionState, Visitor,
};

use crate::{
    api::{About, ChatConnect, Guide, RobotChat},
    call::{CallName, Try},
    config::{Account, default_capabilities},
    state::State,
    translate,
};

/// A turn under way.
pub(crate) struct Turn<'a> {
    account: &'a Account,
    session: &'a mut Session<State>,
    /// Where the session stands after the effects so far.
    standing: SessionState,
    effects: Vec<Effect>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(account: &'a Account, session: &'a mut Session<State>) -> Self {
        let standing = session.standing();
        Self {
            account,
            session,
            standing,
            effects: Vec::new(),
        }
    }

    /// Takes the event and says what to do.
    pub(crate) fn take(mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Opened { visitor, group, .. } => self.open(visitor, group),
            Event::FromVisitor { message } => self.say(message),
            Event::HumanRequested { group } => self.ask_for_agent(group),
            Event::Evaluated { evaluation } => self.rate(evaluation),
            Event::Exited {} => self.exit(),
            Event::ProfileChanged { visitor } => self.remember(visitor),
            Event::FromProvider { event } => self.told(event),
            Event::CallFinished {
                call,
                result,
                token_renewed,
            } => self.finished(&call, result, token_renewed),
            Event::Closing { .. } => self.leave_vendor(),
            // Leaving a message, typing and reading have no call at this vendor.
            _ => {}
        }
        self.settle_held();
        self.effects
    }

    fn open(&mut self, visitor: Visitor, group: Option<GroupId>) {
        self.remember(visitor);
        self.session.state.group = group.map(GroupId::into_string);
        let capabilities = &self.account.capabilities;
        let config = &self.account.session_config;
        if *capabilities != default_capabilities() || *config != Default::default() {
            self.effects.push(Effect::Capabilities {
                capabilities: Some(Box::new(capabilities.clone())),
                config: Some(config.clone()),
            });
        }
        if self.account.reception.opens_with_robot() {
            self.ask_for_greeting();
        } else {
            self.connect();
        }
        if self.account.ask_groups {
            self.ask_for_groups();
        }
    }

    fn remember(&mut self, visitor: Visitor) {
        self.session.state.name = visitor.name;
        self.session.state.portrait = visitor.portrait;
    }

    /// A message of the visitor, to whom it belongs now.
    fn say(&mut self, message: Message) {
        match self.standing {
            // The answer tells whether robot or agent shall get it.
            SessionState::Robot if self.session.state.connecting.is_some() => self.hold(message),
            SessionState::Robot => self.ask_robot(&message),
            SessionState::Human => self.send_to_agent(&message),
            _ => self.fail(
                &message,
                "the vendor takes no messages while nobody answers",
            ),
        }
    }

    fn hold(&mut self, message: Message) {
        let held = &mut self.session.state.held;
        let bytes: usize = held.iter().chain([&message]).map(size).sum();
        // The state has a limit of its own, but one message always fits.
        if held.len() < HELD_LIMIT && (held.is_empty() || bytes <= HELD_BYTES) {
            held.push(message);
        } else {
            self.fail(&message, "too many messages wait for the vendor's answer");
        }
    }

    fn ask_robot(&mut self, message: &Message) {
        let question = match &message.content {
            Content::Text { text } | Content::Emoji { text, .. } => text,
            other => {
                let detail = format!("the robot takes text, not {}", other.kind().as_str());
                return self.fail(message, &detail);
            }
        };
        let state = &self.session.state;
        let picked = |entry: &&crate::state::Suggested| {
            !entry.docid.is_empty() && (entry.shown == *question || entry.question == *question)
        };
        let picked = state.suggested.iter().find(picked);
        let question = picked.map_or(question, |entry| &entry.question);
        let body = RobotChat {
            partnerid: self.session.conversation().as_str(),
            question,
            question_flag: u8::from(picked.is_some()),
            request_text: picked.map_or(question, |entry| &entry.docid),
            source: self.account.source,
            robot_flag: self.account.robot_flag,
            channel_flag: self.account.channel_flag.as_deref(),
            user_nick: state.name.as_deref(),
        };
        let call = CallName::Ask(message.id.clone()).with(self.account, &body);
        self.effects.push(call.into());
    }

    fn send_to_agent(&mut self, message: &Message) {
        let partner = self.session.conversation().as_str();
        let sending = translate::for_agent(partner, &message.content);
        let name = match sending.degraded {
            false => CallName::Send(message.id.clone()),
            true => CallName::SendInWords(message.id.clone()),
        };
        let call = name.with(self.account, &sending.body());
        if sending.degraded {
            let kind = message.content.kind().as_str();
            self.session
                .note(format!("{kind} went as text: the vendor does not take it"));
        }
        self.effects.push(call.into());
    }

    fn ask_for_agent(&mut self, group: Option<GroupId>) {
        if matches!(self.standing, SessionState::Human | SessionState::Ended) {
            return;
        }
        if !self.account.reception.has_human() {
            return self.deliver(translate::notice(ROBOT_ONLY));
        }
        if let Some(group) = group {
            self.session.state.group = Some(group.into_string());
        }
        self.connect();
    }

    fn connect(&mut self) {
        let which = self.first_try();
        self.session.state.connecting = Some(which.serial);
        self.connect_as(which);
    }

    fn connect_as(&mut self, which: Try) {
        let state = &self.session.state;
        let body = ChatConnect {
            partnerid: self.session.conversation().as_str(),
            source: self.account.source,
            channel_flag: self.account.channel_flag.as_deref(),
            user_nick: state.name.as_deref(),
            user_img: state.portrait.as_deref(),
            groupid: state.group.as_deref().or(self.account.group.as_deref()),
        };
        let mut call = CallName::Connect(which).with(self.account, &body);
        if self.standing == SessionState::Opening {
            // Nobody serves the visitor yet: another provider may.
            call = call.within_ms(HANDSHAKE_DEADLINE_MS);
        }
        self.effects.push(call.into());
    }

    fn ask_for_greeting(&mut self) {
        let body = Guide {
            robot_flag: self.account.robot_flag,
        };
        let call = CallName::Guide.with(self.account, &body);
        self.effects.push(call.into());
    }

    fn rate(&mut self, evaluation: Evaluation) {
        self.session.state.rating = Some(evaluation);
        let which = self.first_try();
        self.rate_as(which);
    }

    fn rate_as(&mut self, which: Try) {
        let Some(evaluation) = &self.session.state.rating else {
            return;
        };
        let body = translate::rating(self.session.conversation().as_str(), evaluation);
        let call = CallName::Rate(which).with(self.account, &body);
        self.effects.push(call.into());
    }

    /// Leaving ends sessions here, at once. A rating has been sent before.
    fn exit(&mut self) {
        self.leave_vendor();
        self.close(EndReason::Visitor);
    }

    fn leave_vendor(&mut self) {
        if self.standing != SessionState::Ended {
            let which = self.first_try();
            self.about(CallName::Out(which));
        }
    }

    /// A call that needs nothing but the visitor.
    fn about(&mut self, name: CallName) {
        let body = About {
            partnerid: self.session.conversation().as_str(),
        };
        self.effects.push(name.with(self.account, &body).into());
    }

    fn deliver(&mut self, message: Incoming) {
        let id = message.vendor_id.clone();
        let pieces = translate::in_pieces(message);
        if let (Some(id), count @ 2..) = (id, pieces.len()) {
            let known = &mut self.session.state.pieces;
            known.insert(id, count as u32);
            while known.len() > PIECES_KNOWN {
                known.pop_first();
            }
        }
        self.effects.extend(pieces.into_iter().map(Effect::deliver));
    }

    fn name(&mut self, cid: Option<String>) {
        if let Some(vendor_session) = cid.filter(|id| self.session.vendor_session() != Some(id)) {
            self.effects.push(Effect::Name { vendor_session });
        }
    }

    fn stand(&mut self, state: SessionState, agent: Option<Agent>) {
        if self.standing != state {
            self.standing = state;
            self.effects.push(Effect::SetState {
                state,
                agent,
                reason: None,
            });
        }
    }

    fn close(&mut self, reason: EndReason) {
        if self.standing != SessionState::Ended {
            self.standing = SessionState::Ended;
            self.effects.push(Effect::Close { reason });
        }
    }

    fn fail(&mut self, message: &Message, detail: &str) {
        self.effects
            .push(Effect::failed(message.id.clone(), detail));
    }

    /// Sends what was held, once it is known to whom; what can no longer be
    /// sent is told as failed.
    fn settle_held(&mut self) {
        let waits = match self.standing {
            SessionState::Queued | SessionState::Opening => true,
            SessionState::Robot | SessionState::Unattended => {
                self.session.state.connecting.is_some()
            }
            SessionState::Human | SessionState::Ended => false,
        };
        if waits {
            return;
        }
        for message in std::mem::take(&mut self.session.state.held) {
            self.say(message);
        }
    }

    fn first_try(&mut self) -> Try {
        let state = &mut self.session.state;
        state.serial = state.serial.wrapping_add(1);
        Try {
            serial: state.serial,
            again: false,
        }
    }

    fn robot(&self) -> Sender {
        let badge = self.account.session_config.robot.as_ref();
        Sender {
            name: badge.map(|badge| badge.name.clone()),
            portrait: badge.and_then(|badge| badge.icon.clone()),
            ..Sender::of(SenderKind::Robot)
        }
    }
}

/// Messages that are held at most.
const HELD_LIMIT: usize = 200;

/// Bytes that they may have together, which the state can hold beside the rest.
const HELD_BYTES: usize = 32 << 10;

/// What a held message takes up, near enough.
fn size(message: &Message) -> usize {
    message.id.as_str().len() + message.content.to_text().len()
}

/// How long an agent is asked for while the session is not open.
const HANDSHAKE_DEADLINE_MS: u64 = 120_000;

/// Long messages whose pieces are remembered for a recall.
const PIECES_KNOWN: usize = 20;

const ROBOT_ONLY: &str = "本服务由机器人提供，没有人工客服。This desk is served by the robot only.";
