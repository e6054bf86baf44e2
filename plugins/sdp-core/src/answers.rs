//! What the end of a call means: the vendor took it, refused it, or said
//! nothing that can be understood.
//!
//! Owns the fate of messages that were answered and the consequences of
//! refusals. The fate of a message that got no answer is told by the host.

use kefu_plugin_api::prelude::*;

use serde_json::json;

use crate::{
    call::{CallName, Op},
    config::Config,
    conversation::Turn,
    flavour::Flavour,
    limits::REPLY_EVENTS,
    translate::{self, Told},
    wire::{Detail, Ended, Left, Reply, Standing, code, is_id},
};

impl<F: Flavour> Turn<'_, F> {
    /// What a finished call means.
    pub(crate) fn finished(&mut self, name: &CallName, result: CallResult) {
        match result {
            CallResult::Answered { response } => match reply(&response) {
                Ok(reply) => self.answered(name, reply),
                Err(detail) => {
                    // A broken answer with a good status: it may well have been taken.
                    let status = if response.is_success() {
                        MessageStatus::Unknown
                    } else {
                        MessageStatus::Failed
                    };
                    self.tell_fate(name, status, &detail);
                    self.failed(name, &detail);
                }
            },
            // The host tells the fate of a message that got no answer.
            CallResult::NotSent { detail } | CallResult::Unknown { detail } => {
                self.failed(name, &detail);
                self.doubt(name.op);
            }
            _ => self.failed(name, "a result that is newer than this adapter"),
        }
    }

    fn answered(&mut self, name: &CallName, reply: Reply) {
        self.in_reply = true;
        if reply.code != code::OK {
            self.refused(name, &reply);
            return;
        }
        if let Err(detail) = self.succeeded(name, &reply) {
            self.failed(name, &detail);
            return;
        }
        let more = reply.events.len().saturating_sub(REPLY_EVENTS);
        if more > 0 {
            self.session.note(format!(
                "{more} events of a reply were dropped: at most {REPLY_EVENTS}"
            ));
        }
        for event in reply.events.into_iter().take(REPLY_EVENTS) {
            let (event_name, data) = F::event(event.event.into_text(), event.data);
            match Told::read(&event_name, &data) {
                Ok(Some(told)) => self.told(told),
                Ok(None) => {}
                Err(error) => self
                    .session
                    .note(format!("an event in a reply was dropped: {error}")),
            }
        }
    }

    fn succeeded(&mut self, name: &CallName, reply: &Reply) -> Result<(), String> {
        let shape =
            |error: serde_json::Error| format!("data of the reply: {}", translate::masked(&error));
        match name.op {
            Op::Open => {
                let mut standing: Standing = reply.data().map_err(shape)?;
                let named = standing.session_id.as_deref().is_some_and(is_id);
                if !named || standing.mode.is_none() {
                    return Err(
                        "data of the reply: `session_id` or `mode` is missing or no such thing"
                            .to_owned(),
                    );
                }
                // A callback may have overtaken the reply; what it said is newer.
                if self.standing != SessionState::Opening {
                    standing.mode = None;
                }
                let told = standing.config.clone();
                // What the operator decided differs from what every session of
                // this adapter allows, and nobody has told the app yet.
                if told.is_none() && self.account.rules.defaults != Config::default() {
                    standing.config = Some(Config::default());
                }
                self.stand(standing);
                self.ask_for_more(told);
            }
            Op::Send => self
                .effects
                .extend(name.message.clone().map(Effect::delivered)),
            Op::ToHuman => {
                let mut standing: Standing = reply.data().map_err(shape)?;
                let result = standing
                    .result
                    .ok_or("data of the reply: `result` is missing")?;
                standing.mode = Some(result.mode());
                self.stand(standing);
            }
            Op::Leave => {
                let left: Left = reply.data().map_err(shape)?;
                if left.ended {
                    self.close(EndReason::Visitor);
                }
            }
            Op::QueryQueue | Op::CancelQueue => {
                let standing: Standing = reply.data().map_err(shape)?;
                self.stand(standing);
                self.keep_watching(name.op);
            }
            Op::State => {
                let left: Left = reply.data().map_err(shape)?;
                if left.ended {
                    let ended: Ended = reply.data().map_err(shape)?;
                    self.close(translate::end_reason(&ended));
                } else {
                    let standing: Standing = reply.data().map_err(shape)?;
                    self.stand(standing);
                }
                self.session.state.doubts = 0;
            }
            Op::Groups | Op::Capabilities => {
                let of_account: Config = match name.op {
                    Op::Groups => reply.data(),
                    _ => reply
                        .data::<Detail>()
                        .map(|detail| detail.config.unwrap_or_default()),
                }
                .map_err(shape)?;
                self.learn(of_account);
            }
            Op::Health => self.call(Op::State, json!({})),
            Op::Evaluate | Op::LeaveMessage | Op::Update | Op::Typing | Op::Read => {}
        }
        Ok(())
    }

    /// The vendor said no.
    fn refused(&mut self, name: &CallName, reply: &Reply) {
        let detail = format!("code {}: {}", reply.code, reply.msg);
        self.tell_fate(name, MessageStatus::Failed, &detail);
        // What the session is at the vendor comes before what becomes of the call.
        match (name.op, reply.code) {
            (Op::Evaluate, _) => {}
            (op, _) if op.of_account() => {}
            (Op::Leave, code::UNKNOWN_SESSION | code::SESSION_ENDED) => {
                self.close(EndReason::Visitor)
            }
            (_, code::UNKNOWN_SESSION) => self.close(EndReason::ProviderError),
            (_, code::SESSION_ENDED) => self.close(EndReason::Idle),
            (_, code::BLOCKED) => self.close(EndReason::Blocked),
            _ => {}
        }
        self.failed(name, &detail);
    }

    /// A call that led nowhere.
    fn failed(&mut self, name: &CallName, detail: &str) {
        self.session
            .note(format!("{} failed: {detail}", name.op.as_str()));
        match name.op {
            Op::Open if self.standing == SessionState::Opening => {
                self.close(EndReason::ProviderError)
            }
            Op::ToHuman if !matches!(self.standing, SessionState::Human | SessionState::Ended) => {
                let from = Sender::of(SenderKind::System);
                self.effects.push(Effect::deliver(Incoming::new(
                    from,
                    Content::text(NO_HUMAN),
                )));
            }
            Op::QueryQueue => self.keep_watching(name.op),
            Op::Health => self.doubt_again(),
            _ => {}
        }
    }

    fn tell_fate(&mut self, name: &CallName, status: MessageStatus, detail: &str) {
        let detail = Some(detail.to_owned());
        let fate = name.message.clone().map(|message| Effect::Status {
            message,
            status,
            detail,
        });
        self.effects.extend(fate);
    }
}

/// Shown when a wish for a human could not even be put to the vendor.
const NO_HUMAN: &str =
    "转人工未成功，请稍后再试。No human agent could be reached, please try again.";

/// Reads the vendor's answer. The body's code wins over the status, which is
/// only the transport's summary of it.
pub(crate) fn reply(response: &HttpResponse) -> Result<Reply, String> {
    match response.json::<Reply>() {
        Ok(reply) if response.is_success() || reply.code != code::OK => Ok(reply),
        _ => Err(format!(
            "HTTP {} without a readable SDP reply",
            response.status
        )),
    }
}
