//! What the vendor's answers mean for the session.
//!
//! Owns the reading of result codes and what a refusal leads to. Invariant: an
//! answer that is late does not undo what an event has told meanwhile, and no
//! answer, however broken, fails the turn.

use kefu_plugin_api::prelude::{
    CallId, CallResult, EndReason, HttpResponse, MessageStatus, SessionState,
};
use serde_json::Value;

use super::Turn;
use crate::{
    api::{self, Refusal, Seat, code},
    call::{CallName, Piece, Wish},
    config::Reception,
    push::Told,
    translate,
};

impl Turn<'_> {
    pub(super) fn finished(&mut self, call: &CallId, result: CallResult) {
        let Some(name) = CallName::read(call) else {
            return;
        };
        match result {
            CallResult::Answered { response } => {
                if let Err(refusal) = self.answered(&name, &response) {
                    if let CallName::Send(piece) = &name {
                        self.refused(piece, &refusal);
                    }
                    self.failed(&name, &refusal.to_string());
                }
            }
            CallResult::NotSent { detail } | CallResult::Unknown { detail } => {
                // The host tells the fate of the message.
                if let CallName::Send(piece) = &name {
                    self.broke(piece);
                }
                self.failed(&name, &detail);
            }
            _ => self.failed(&name, "a result that is newer than this adapter"),
        }
    }

    fn answered(&mut self, name: &CallName, response: &HttpResponse) -> Result<(), Refusal> {
        match name {
            CallName::Apply(wish, serial) => {
                let (code, seat) = api::read::<Seat>(response)?;
                self.applied(*wish, *serial, code, seat)
            }
            CallName::Queue(_) => {
                let (code, seat) = api::read::<Seat>(response)?;
                api::accepted(code)?;
                self.placed(seat.count);
                Ok(())
            }
            CallName::Send(piece) => {
                api::read::<Value>(response).and_then(|(code, _)| api::accepted(code))?;
                self.sent(piece);
                Ok(())
            }
            CallName::Profile(_) | CallName::Rate(_) => {
                api::read::<Value>(response).and_then(|(code, _)| api::accepted(code))
            }
        }
    }

    fn applied(&mut self, wish: Wish, serial: u32, code: i64, seat: Seat) -> Result<(), Refusal> {
        self.wish_answered(serial);
        if self.standing == SessionState::Ended {
            return Ok(());
        }
        // Someone has joined meanwhile: what an event told is newer.
        if self.standing == SessionState::Human && code != code::OK {
            return Ok(());
        }
        let message = seat.message.clone();
        match code {
            code::OK => self.received(wish, seat),
            code::QUEUE => {
                self.queued(seat.count);
                if let Some(text) = message {
                    self.deliver(translate::notice(&text));
                }
                self.wait();
            }
            code::NOBODY | code::NOBODY_AND_NO_LEAVING if self.robot_stands_in() => {
                self.apply(Wish::Robot);
            }
            code::NOBODY => {
                self.allow(|state| state.leaving_is_off = false);
                self.stand(SessionState::Unattended, None);
                self.deliver(translate::notice(message.as_deref().unwrap_or(LEAVE)));
            }
            code::NOBODY_AND_NO_LEAVING => {
                if self.standing != SessionState::Robot {
                    self.allow(|state| state.leaving_is_off = true);
                    self.stand(SessionState::Unattended, None);
                }
                self.deliver(translate::notice(message.as_deref().unwrap_or(NOBODY)));
            }
            other => return Err(Refusal::coded(other)),
        }
        Ok(())
    }

    /// Whether the robot receives visitors whom no agent can receive.
    fn robot_stands_in(&self) -> bool {
        self.standing == SessionState::Opening && self.account.reception == Reception::HumanFirst
    }

    /// Robot or agent has the visitor.
    fn received(&mut self, wish: Wish, seat: Seat) {
        let human = match seat.staff_type {
            Some(kind) => kind != 0,
            None => wish == Wish::Human,
        };
        if human {
            return self.joined(seat.into());
        }
        if self.standing == SessionState::Human {
            return self
                .session
                .note("the vendor answered with the robot after an agent had joined, ignored");
        }
        let told = Told::from(seat);
        self.name(told.session);
        let greets = self.standing != SessionState::Robot;
        let stands_in = self.robot_stands_in();
        self.stand(SessionState::Robot, None);
        if stands_in {
            self.deliver(translate::notice(STANDS_IN));
        }
        if let (true, Some(text)) = (greets, told.greeting) {
            let robot = self.robot(told.agent);
            self.greet(robot, &text);
        } else if wish == Wish::Human && !stands_in {
            self.deliver(translate::notice(NOT_CONNECTED));
        }
    }

    /// The answer to a look at the queue; −1: somebody has the visitor.
    fn placed(&mut self, count: Option<i64>) {
        if self.standing != SessionState::Queued {
            return;
        }
        match count {
            // Who it is, and in which session, only this answer tells.
            Some(..0) => self.apply(Wish::Whoever),
            Some(ahead) => self.queued(Some(ahead)),
            None => self.session.note("queryQueueStatus told no `count`"),
        }
        self.wait();
    }

    fn sent(&mut self, piece: &Piece) {
        if piece.number < piece.of {
            return;
        }
        let broken = self.session.state.broken.take_if(|id| *id == piece.message);
        if broken.is_none() {
            self.status(piece, MessageStatus::Delivered, None);
        }
    }

    fn refused(&mut self, piece: &Piece, refusal: &Refusal) {
        if self.session.state.broken.as_ref() != Some(&piece.message) {
            self.status(piece, refusal.fate(), Some(refusal.to_string()));
        }
        self.broke(piece);
    }

    /// A message is told as lost once, and stays lost.
    fn broke(&mut self, piece: &Piece) {
        let broken = &mut self.session.state.broken;
        if piece.number < piece.of {
            *broken = Some(piece.message.clone());
        } else {
            broken.take_if(|id| *id == piece.message);
        }
    }

    /// The newest wish is no longer open; an older one has been replaced.
    fn wish_answered(&mut self, which: u32) {
        let open = &mut self.session.state.asking;
        *open = open.filter(|&serial| serial != which);
    }

    /// A call that led nowhere.
    fn failed(&mut self, name: &CallName, detail: &str) {
        self.session
            .note(format!("{} failed: {detail}", name.operation()));
        match name {
            CallName::Apply(wish, serial) => {
                self.wish_answered(*serial);
                match (self.standing, wish) {
                    (SessionState::Opening, _) => self.close(EndReason::ProviderError),
                    (SessionState::Human | SessionState::Ended, _) => {}
                    (_, Wish::Human) => self.deliver(translate::notice(NOT_CONNECTED)),
                    _ => {}
                }
            }
            CallName::Queue(_) => self.wait(),
            CallName::Send(_) | CallName::Profile(_) | CallName::Rate(_) => {}
        }
    }
}

const LEAVE: &str = "人工客服暂时不在线，您可以直接留言。No agent is available now; what you write is kept for them.";
const NOBODY: &str =
    "人工客服暂时不在线，请稍后再试。No agent is available now, please try again later.";
const STANDS_IN: &str =
    "人工客服暂时不在线，先由机器人为您服务。No agent is available now, the robot helps you first.";
const NOT_CONNECTED: &str =
    "转人工未成功，请稍后再试。No agent could be reached, please try again.";
