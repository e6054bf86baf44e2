//! What the vendor's answers mean for the session.
//!
//! Owns the reading of status numbers and what a refusal leads to. Invariant:
//! an answer that is late does not undo what a push has told meanwhile, and no
//! answer, however broken, fails the turn.

use kefu_plugin_api::prelude::{
    CallId, CallResult, Effect, EndReason, HttpResponse, MessageId, MessageStatus, SessionState,
};

use super::Turn;
use crate::{
    api::{self, ConnectItem, GuideItem, Refusal, RobotItem, StatusItem},
    auth,
    call::{CallName, Try},
    push::agent_of,
    translate,
};

impl Turn<'_> {
    pub(super) fn finished(&mut self, call: &CallId, result: CallResult, token_renewed: bool) {
        let Some(name) = CallName::read(call) else {
            return;
        };
        match result {
            CallResult::Answered { response } => {
                let Err(refusal) = self.answered(&name, &response) else {
                    return;
                };
                if refusal.token_is_dead() && !token_renewed {
                    // Must stand alone: the host repeats the call.
                    self.effects.push(Effect::TokenRejected {
                        name: auth::TOKEN.to_owned(),
                    });
                    return;
                }
                if refusal.is_unclear() && self.repeat(&name) {
                    return;
                }
                if let Some(message) = name.message() {
                    self.effects.push(Effect::Status {
                        message: message.clone(),
                        status: refusal.fate(),
                        detail: Some(refusal.to_string()),
                    });
                }
                self.failed(&name, &refusal.to_string());
            }
            // The host tells the fate of a message that got no answer.
            CallResult::NotSent { detail } | CallResult::Unknown { detail } => {
                self.failed(&name, &detail);
            }
            _ => self.failed(&name, "a result that is newer than this adapter"),
        }
    }

    fn answered(&mut self, name: &CallName, response: &HttpResponse) -> Result<(), Refusal> {
        match name {
            CallName::Guide => self.greeted(api::read(response)?),
            CallName::Groups => self.groups_listed(api::read_list(response)?),
            CallName::Agents => self.agents_listed(&api::read_list(response)?),
            CallName::Ask(message) => {
                let item = api::read(response)?;
                self.effects.push(Effect::delivered(message.clone()));
                self.robot_answered(item);
            }
            CallName::Connect(which) => self.connect_answered(*which, api::read(response)?),
            CallName::Standing(which) => self.standing_answered(*which, api::read(response)?),
            CallName::Send(message) => {
                self.send_answered(message, api::read(response)?, None);
            }
            CallName::SendInWords(message) => {
                self.send_answered(message, api::read(response)?, Some(IN_WORDS));
            }
            CallName::Rate(_) => {
                let item: StatusItem = api::read(response)?;
                match item.status {
                    Some(1) => {}
                    Some(0) => self.session.note("comment: the vendor did not take it"),
                    Some(2) => self.session.note("comment: it was rated before"),
                    Some(3) => self.session.note("comment: there was nothing to rate"),
                    other => self.session.note(format!("comment: {}", odd_status(other))),
                }
            }
            CallName::Out(_) => {
                let item: StatusItem = api::read(response)?;
                if item.status != Some(1) {
                    self.session
                        .note(format!("out: {}", odd_status(item.status)));
                }
            }
        }
        Ok(())
    }

    /// The greeting is welcome, not needed: the session opens without it.
    fn greeted(&mut self, item: GuideItem) {
        self.robot_takes_over();
        if self.standing == SessionState::Robot {
            let (message, suggested) = translate::greeting(&self.robot(), item);
            self.session.state.suggested = suggested;
            if let Some(message) = message {
                self.deliver(message);
            }
        }
    }

    fn robot_takes_over(&mut self) {
        if self.standing == SessionState::Opening {
            self.stand(SessionState::Robot, None);
        }
    }

    fn robot_answered(&mut self, mut item: RobotItem) {
        self.name(item.cid.take());
        let wants_agent = matches!(item.transfer_type, Some(1..=3));
        let (message, suggested) = translate::answer(&self.robot(), item);
        self.session.state.suggested = suggested;
        match message {
            Some(message) => self.deliver(message),
            None if !wants_agent => self.session.note("robot_chat: the answer holds no text"),
            None => {}
        }
        let free = self.standing == SessionState::Robot && self.session.state.connecting.is_none();
        if wants_agent && free && self.account.reception.has_human() {
            self.connect();
        }
    }

    fn connect_answered(&mut self, which: Try, item: ConnectItem) {
        self.wish_answered(which);
        if self.standing == SessionState::Ended {
            return;
        }
        self.name(item.cid);
        // A push has overtaken the answer; what it told is newer.
        if self.standing == SessionState::Human {
            return;
        }
        let agent = agent_of(&item.agentid, &item.agent_name, &item.agent_face);
        match item.status {
            Some(1 | 4) => self.joined(agent),
            Some(0) => self.queued(item.count),
            // A repeat: the vendor has taken the first one, and only it knows
            // what came of it.
            Some(-1) => {
                let which = self.first_try();
                self.session.state.connecting = Some(which.serial);
                self.about(CallName::Standing(which));
            }
            Some(2 | 7) => self.nobody_is_there(),
            Some(3) => self.ended(EndReason::Blocked),
            other => self.failed(&CallName::Connect(which), &odd_status(other)),
        }
    }

    /// No agent: the robot goes on where there is one.
    fn nobody_is_there(&mut self) {
        if !self.account.reception.has_robot() {
            self.stand(SessionState::Unattended, None);
            return self.deliver(translate::notice(NOBODY));
        }
        let greets = self.standing == SessionState::Opening;
        self.stand(SessionState::Robot, None);
        self.deliver(translate::notice(NO_AGENT));
        if greets {
            self.ask_for_greeting();
        }
    }

    /// The newest wish is no longer open; an older one has been replaced.
    fn wish_answered(&mut self, which: Try) {
        let open = &mut self.session.state.connecting;
        *open = open.filter(|&serial| serial != which.serial);
    }

    /// −2 queued, −1 robot, 0 nobody, 1 agent.
    fn standing_answered(&mut self, which: Try, item: StatusItem) {
        self.wish_answered(which);
        if self.standing == SessionState::Ended {
            return;
        }
        self.name(item.cid);
        match (item.status, self.standing) {
            (Some(1), _) => self.joined(Default::default()),
            (Some(0), SessionState::Human) => {
                self.session
                    .note("the vendor has no session any more, and told no end");
                self.close(EndReason::Agent);
            }
            // News of an agent is newer than this answer.
            (_, SessionState::Human) => {}
            (Some(-2), _) => self.queued(None),
            (Some(-1 | 0), _) => self.nobody_is_there(),
            (other, _) => self.failed(&CallName::Standing(which), &odd_status(other)),
        }
    }

    fn send_answered(&mut self, message: &MessageId, item: StatusItem, detail: Option<&str>) {
        let effect = match item.status {
            Some(1) => Effect::Status {
                message: message.clone(),
                status: MessageStatus::Delivered,
                detail: detail.map(str::to_owned),
            },
            Some(2) => Effect::failed(message.clone(), "no agent is connected at the vendor"),
            other => Effect::Status {
                message: message.clone(),
                status: MessageStatus::Unknown,
                detail: Some(format!("chat_send: {}", odd_status(other))),
            },
        };
        self.effects.push(effect);
        // The end was not told, or its push is still on the way.
        if item.status == Some(2) && self.standing == SessionState::Human {
            let which = self.first_try();
            self.about(CallName::Standing(which));
        }
    }

    /// Once more, for calls that may be; whether it was asked for.
    fn repeat(&mut self, name: &CallName) -> bool {
        let again = |which: &Try| {
            (!which.again).then_some(Try {
                again: true,
                ..*which
            })
        };
        match name {
            CallName::Connect(which) => again(which).map(|which| self.connect_as(which)),
            CallName::Rate(which) => again(which).map(|which| self.rate_as(which)),
            CallName::Out(which) => again(which).map(|which| self.about(CallName::Out(which))),
            CallName::Standing(which) => {
                again(which).map(|which| self.about(CallName::Standing(which)))
            }
            CallName::Guide
            | CallName::Groups
            | CallName::Agents
            | CallName::Ask(_)
            | CallName::Send(_)
            | CallName::SendInWords(_) => None,
        }
        .is_some()
    }

    /// A call that led nowhere.
    fn failed(&mut self, name: &CallName, detail: &str) {
        self.session
            .note(format!("{} failed: {detail}", name.operation()));
        match name {
            CallName::Guide => self.robot_takes_over(),
            CallName::Connect(which) | CallName::Standing(which) => {
                self.wish_answered(*which);
                match self.standing {
                    SessionState::Opening => self.close(EndReason::ProviderError),
                    SessionState::Human | SessionState::Ended => {}
                    _ => self.deliver(translate::notice(NOT_CONNECTED)),
                }
            }
            CallName::Groups
            | CallName::Agents
            | CallName::Ask(_)
            | CallName::Send(_)
            | CallName::SendInWords(_)
            | CallName::Rate(_)
            | CallName::Out(_) => {}
        }
    }
}

fn odd_status(status: Option<i64>) -> String {
    match status {
        Some(status) => format!("status {status} is not expected"),
        None => "the answer holds no `item.status`".to_owned(),
    }
}

const IN_WORDS: &str = "it went as text with a link: the vendor does not take it in this form";
const NOBODY: &str =
    "人工客服暂时不在线，请稍后再试。No agent is available now, please try again later.";
const NO_AGENT: &str =
    "人工客服暂时不在线，机器人继续为您服务。No agent is available now; the robot stays with you.";
const NOT_CONNECTED: &str =
    "转人工未成功，请稍后再试。No agent could be reached, please try again.";
