//! One turn of one session: what an event does here, and what the vendor's
//! answers mean.
//!
//! Owns the course of a session. Invariant: it asks for no move that the state
//! machine forbids (nothing leaves `human` but the end), and a message that was
//! taken from the visitor is sent or told as failed.

mod answers;
mod pushes;
mod queue;

use kefu_plugin_api::prelude::{
    Agent, Content, Effect, EndReason, Evaluation, EvaluationTarget, Event, GroupId, Incoming,
    Message, MessageStatus, Sender, SenderKind, Session, SessionState, Visitor,
};

use crate::{
    abilities,
    api::{ApplyStaff, Evaluate, Send, UpdateInfo},
    call::{CallName, Piece, Wish},
    config::{Account, Reception},
    rating,
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
            Event::Opened { visitor, group, .. } => self.open(&visitor, group),
            Event::FromVisitor { message } => self.say(&message),
            Event::HumanRequested { group } => self.ask_for_agent(group),
            Event::Evaluated { evaluation } => self.rate(&evaluation),
            Event::ProfileChanged { visitor } => self.introduce(&visitor),
            Event::FromProvider { event } => self.told(event),
            Event::CallFinished { call, result, .. } => self.finished(&call, result),
            Event::TimerFired { timer } if timer.as_str() == queue::TIMER => self.ask_for_place(),
            // The vendor has no call for leaving, ending, typing and reading.
            _ => {}
        }
        self.effects
    }

    fn open(&mut self, visitor: &Visitor, group: Option<GroupId>) {
        let capabilities = &self.account.capabilities;
        let config = &self.account.session_config;
        if *capabilities != abilities::by_default() || *config != Default::default() {
            self.effects.push(Effect::Capabilities {
                capabilities: Some(Box::new(capabilities.clone())),
                config: Some(config.clone()),
            });
        }
        self.choose(group);
        self.apply(match self.account.reception {
            Reception::HumanOnly | Reception::HumanFirst => Wish::Human,
            Reception::RobotFirst | Reception::RobotOnly => Wish::Robot,
        });
        self.introduce(visitor);
    }

    /// The group in the vendor's numbers.
    fn choose(&mut self, group: Option<GroupId>) {
        let Some(group) = group else {
            return;
        };
        match group.as_str().trim().parse() {
            Ok(number) => self.session.state.group = Some(number),
            Err(_) => self.session.note(format!(
                "group {:?} is no number, as this vendor's groups are; not asked for",
                crate::api::short(group.as_str(), 40)
            )),
        }
    }

    fn ask_for_agent(&mut self, group: Option<GroupId>) {
        if matches!(self.standing, SessionState::Human | SessionState::Ended) {
            return;
        }
        if self.account.reception == Reception::RobotOnly {
            return self.deliver(translate::notice(ROBOT_ONLY));
        }
        self.choose(group);
        self.apply(Wish::Human);
    }

    fn apply(&mut self, wish: Wish) {
        let serial = self.serial();
        self.session.state.asking = Some(serial);
        let group = self.session.state.group.or(self.account.group);
        let body = ApplyStaff {
            uid: self.session.conversation().as_str(),
            staff_type: u8::from(wish == Wish::Human),
            // A group is asked for before the robot, whatever else is said.
            group_id: group.filter(|_| wish == Wish::Human),
            device_type: self.session.view().client.platform.as_deref(),
            product_id: self.account.product_id.as_deref(),
        };
        let mut call = CallName::Apply(wish, serial).with(self.account, &body);
        if self.standing == SessionState::Opening {
            // Nobody serves the visitor yet: another provider may.
            call = call.within_ms(HANDSHAKE_DEADLINE_MS);
        }
        self.effects.push(call.into());
    }

    fn introduce(&mut self, visitor: &Visitor) {
        let userinfo = translate::rows(visitor);
        if userinfo.is_empty() || self.standing == SessionState::Ended {
            return;
        }
        let serial = self.serial();
        let uid = self.session.conversation().as_str();
        let call = CallName::Profile(serial).with(self.account, &UpdateInfo { uid, userinfo });
        self.effects.push(call.into());
    }

    /// A message of the visitor: the vendor knows who shall get it.
    fn say(&mut self, message: &Message) {
        let text = message.content.to_text();
        let detail = match (self.standing, &message.content) {
            (SessionState::Robot, Content::Text { .. } | Content::Emoji { .. }) => None,
            (SessionState::Robot, other) => Some(format!(
                "the robot takes text, not {}",
                other.kind().as_str()
            )),
            (SessionState::Human, _) => None,
            (SessionState::Unattended, _) if !self.session.state.leaving_is_off => None,
            _ => Some("the vendor takes no messages while nobody answers".to_owned()),
        };
        let detail = detail.or_else(|| {
            let empty = text.trim().is_empty();
            empty.then(|| "there is nothing in it that the vendor takes".to_owned())
        });
        if let Some(detail) = detail {
            let failed = Effect::failed(message.id.clone(), detail);
            return self.effects.push(failed);
        }
        let pieces = translate::pieces(&text);
        for (at, content) in pieces.iter().enumerate() {
            let body = Send {
                uid: self.session.conversation().as_str(),
                msg_type: "TEXT",
                content,
            };
            let name = CallName::Send(Piece {
                message: message.id.clone(),
                number: at + 1,
                of: pieces.len(),
            });
            self.effects.push(name.with(self.account, &body).into());
        }
    }

    fn rate(&mut self, evaluation: &Evaluation) {
        let state = &self.session.state;
        let grades = state.grades.as_deref().unwrap_or_default();
        let grade = evaluation
            .stars
            .filter(|_| evaluation.target == EvaluationTarget::Human)
            .and_then(|stars| rating::level(grades, stars));
        let (Some(grade), Some(session)) = (grade, self.session.vendor_session()) else {
            self.session
                .note("a rating was not sent: the vendor has told no session, or no levels");
            return self.deliver(translate::notice(NOT_RATED));
        };
        let body = Evaluate {
            uid: self.session.conversation().as_str(),
            // A number, unless the vendor itself wrote it otherwise.
            session_id: session
                .parse::<u64>()
                .map_or_else(|_| session.into(), Into::into),
            evaluation: grade.value,
            remarks: evaluation.comment.as_deref(),
        };
        let serial = self.session.state.serial.wrapping_add(1);
        let call = CallName::Rate(serial).with(self.account, &body);
        self.session.state.serial = serial;
        self.effects.push(call.into());
    }

    /// Tells the app again what it may do, once that differs.
    fn allow(&mut self, change: impl FnOnce(&mut State)) {
        let before = abilities::of_session(self.account, &self.session.state);
        change(&mut self.session.state);
        let after = abilities::of_session(self.account, &self.session.state);
        if before != after {
            self.effects.push(Effect::Capabilities {
                capabilities: Some(Box::new(after)),
                config: None,
            });
        }
    }

    fn deliver(&mut self, message: Incoming) {
        let pieces = translate::shown(message);
        self.effects.extend(pieces.into_iter().map(Effect::deliver));
    }

    fn name(&mut self, session: Option<String>) {
        let differs = |id: &String| self.session.vendor_session() != Some(id.as_str());
        if let Some(vendor_session) = session.filter(differs) {
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

    fn status(&mut self, piece: &Piece, status: MessageStatus, detail: Option<String>) {
        self.effects.push(Effect::Status {
            message: piece.message.clone(),
            status,
            detail,
        });
    }

    fn serial(&mut self) -> u32 {
        let state = &mut self.session.state;
        state.serial = state.serial.wrapping_add(1);
        state.serial
    }

    /// The robot, by the name that the vendor or the settings give it.
    fn robot(&self, told: Agent) -> Sender {
        let badge = self.account.session_config.robot.as_ref();
        Sender {
            kind: SenderKind::Robot,
            id: told.id,
            name: badge.map(|badge| badge.name.clone()).or(told.name),
            portrait: badge.and_then(|badge| badge.icon.clone()).or(told.portrait),
        }
    }
}

/// How long somebody is asked for while the session is not open.
const HANDSHAKE_DEADLINE_MS: u64 = 120_000;

const NOT_RATED: &str = "评价未能提交。The rating could not be handed on.";
const ROBOT_ONLY: &str = "本服务由机器人提供，没有人工客服。This desk is served by the robot only.";
