//! One turn of one session: what an event does here, and what the vendor's
//! answers mean.
//!
//! Owns the course of a session: which announcements move it, in which order
//! their effects come, and what a refusal leads to. Invariant: it asks for no
//! move that the state machine forbids; an announcement that comes too late to
//! be true is noted and dropped.

use std::marker::PhantomData;

use kefu_plugin_api::prelude::{
    AdapterError, AgentChange, CallResult, Capabilities, Client, Content, Effect, EndReason,
    Evaluation, EvaluationTarget, Event, Exit, GroupId, HttpResponse, Incoming, Message,
    MessageStatus, ProviderEvent, Sender, SenderKind, Session, SessionState, Visitor,
};
use serde_json::{Map, Value, json};

use crate::{
    call::{CallName, Op, call},
    config::{Config, Leave},
    flavour::{Account, Arrival, Flavour},
    state::State,
    translate::{self, Told},
    wire::{Left, Mode, Reply, Standing, Transferred, code},
};

/// A turn under way.
pub(crate) struct Turn<'a, F> {
    account: &'a Account,
    session: &'a mut Session<State>,
    /// Where the session stands after the effects so far.
    standing: SessionState,
    effects: Vec<Effect>,
    flavour: PhantomData<F>,
}

impl<'a, F: Flavour> Turn<'a, F> {
    pub(crate) fn new(account: &'a Account, session: &'a mut Session<State>) -> Self {
        let standing = session.standing();
        Self {
            account,
            session,
            standing,
            effects: Vec::new(),
            flavour: PhantomData,
        }
    }

    /// Takes the event and says what to do.
    pub(crate) fn take(mut self, event: Event) -> Result<Vec<Effect>, AdapterError> {
        match event {
            Event::Opened {
                visitor,
                client,
                group,
            } => self.open(&visitor, &client, group),
            Event::FromVisitor { message } => self.send(message),
            Event::HumanRequested { group } => {
                let group = group
                    .map(GroupId::into_string)
                    .or_else(|| self.account.group.clone());
                let mut data = json!({"reason": "visitor"});
                put(&mut data, "group_id", group);
                self.call(Op::ToHuman, data);
            }
            Event::Evaluated { evaluation } => self.call(Op::Evaluate, rating(evaluation)),
            Event::LeaveMessage { fields } => {
                self.call(
                    Op::LeaveMessage,
                    json!({"fields": fields, "attachments": []}),
                );
            }
            Event::Exited {} => self.exit(),
            Event::Typing {} => self.optional(Op::Typing, json!({"typing": true})),
            Event::Read { message } => self.optional(Op::Read, json!({"up_to": message})),
            Event::ProfileChanged { visitor } => {
                let client = self.session.view().client.clone();
                let (data, _) = self.arrival(&visitor, &client);
                self.call(Op::Update, data);
            }
            Event::FromProvider { event } => self.from_provider(event)?,
            Event::CallFinished { call, result, .. } => {
                if let Some(name) = CallName::read(call.as_str()) {
                    self.finished(&name, result);
                }
            }
            Event::Closing { .. } => self.call(Op::Leave, json!({"semantics": "ends"})),
            _ => {}
        }
        Ok(self.effects)
    }

    fn open(&mut self, visitor: &Visitor, client: &Client, group: Option<GroupId>) {
        let (mut data, channel_no) = self.arrival(visitor, client);
        put(
            &mut data,
            "group_id",
            group
                .map(GroupId::into_string)
                .or_else(|| self.account.group.clone()),
        );
        put(&mut data, "channel_no", channel_no);
        put(&mut data, "prefer", Some("auto".to_owned()));
        self.call(Op::Open, data);
    }

    /// The profile in SDP's words and in the flavour's, and the channel number.
    fn arrival(&mut self, visitor: &Visitor, client: &Client) -> (Value, Option<String>) {
        let channel_no = F::channel_no(self.account, visitor, client);
        let (who, mut context) = translate::profile(visitor);
        for (key, value) in [
            ("platform", &client.platform),
            ("app_version", &client.app_version),
            ("channel", &client.channel),
        ] {
            if let Some(value) = value {
                context.insert(key.to_owned(), value.as_str().into());
            }
        }
        let mut data = json!({"visitor": who, "context": context});
        let arrival = Arrival {
            visitor_id: self.session.conversation().as_str(),
            visitor,
            channel_no: channel_no.as_deref(),
        };
        if let Some((key, words)) = F::vocabulary(self.account, &arrival) {
            data[key] = words;
        }
        (data, channel_no)
    }

    fn send(&mut self, message: Message) {
        let mut data =
            json!({"msg_id": message.id, "mode": self.standing, "content": message.content});
        put(
            &mut data,
            "converted_from",
            message.converted_from.map(|kind| kind.as_str().to_owned()),
        );
        let call = call(self.account, self.session, Op::Send, Some(message.id), data);
        self.effects.push(call.into());
    }

    fn exit(&mut self) {
        let semantics = match self.capabilities().exit {
            Exit::Ends => "ends",
            Exit::Keeps => "keeps",
        };
        self.call(Op::Leave, json!({"semantics": semantics}));
        if semantics == "ends" {
            self.close(EndReason::Visitor);
        }
    }

    fn optional(&mut self, op: Op, data: Value) {
        if self.config().implements(op.as_str()) {
            self.call(op, data);
        }
    }

    fn call(&mut self, op: Op, data: Value) {
        let call = call(self.account, self.session, op, None, data);
        self.effects.push(call.into());
    }

    fn from_provider(&mut self, event: ProviderEvent) -> Result<(), AdapterError> {
        match event {
            ProviderEvent::Other { name, data } => {
                // It was readable when it was received; a newer generation may
                // have been replaced by this one since.
                let told = Told::read(&name, &data).map_err(AdapterError::vendor)?;
                if let Some(told) = told {
                    self.told(told);
                }
            }
            event => self.told(Told::Neutral(event)),
        }
        Ok(())
    }

    /// What the vendor told, in a callback or in a reply.
    fn told(&mut self, told: Told) {
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
    fn stand(&mut self, standing: Standing) {
        self.name(standing.session_id);
        if let Some(config) = standing.config {
            self.configure(config);
        }
        let Some(mode) = standing.mode else { return };
        match (self.standing, mode) {
            (SessionState::Ended, _) => return,
            (SessionState::Human, Mode::Robot) => {
                self.session.note(
                    "the vendor announced the robot after a human; there is no way back, ignored",
                );
                return;
            }
            _ => {}
        }
        let moved = self.standing != mode.state();
        if moved {
            self.standing = mode.state();
            let agent = standing.agent.clone().filter(|_| mode == Mode::Human);
            self.effects.push(Effect::SetState {
                state: mode.state(),
                agent,
                reason: None,
            });
        }
        if mode == Mode::Human
            && let Some(agent) = standing.agent
        {
            let known = self.session.state.agent.replace(agent.clone());
            if !moved && known.is_some_and(|known| known.id != agent.id) {
                self.effects.push(Effect::Agent {
                    event: AgentChange::Transferred,
                    agent,
                });
            }
        }
        if let (Mode::Queued, Some(queue)) = (mode, standing.queue) {
            self.effects.push(Effect::Queue { queue });
        }
        self.greet(mode, standing.greeting);
        if moved || standing.leave_message.is_some() {
            self.offer_leave_message(mode, standing.leave_message);
        }
    }

    fn transfer(&mut self, transferred: Transferred) {
        if self.standing == SessionState::Ended {
            return;
        }
        self.name(transferred.new_session_id);
        let agent = transferred.to_agent;
        self.session.state.agent = Some(agent.clone());
        if self.standing != SessionState::Human {
            self.standing = SessionState::Human;
            let agent = Some(agent.clone());
            self.effects.push(Effect::SetState {
                state: SessionState::Human,
                agent,
                reason: None,
            });
        }
        self.effects.push(Effect::Agent {
            event: AgentChange::Transferred,
            agent,
        });
        self.greet(Mode::Human, transferred.greeting);
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
        if let Some(id) = session_id.filter(|id| self.session.state.session_id.as_ref() != Some(id))
        {
            self.session.state.session_id = Some(id.clone());
            self.effects.push(Effect::Name { vendor_session: id });
        }
    }

    fn configure(&mut self, newer: Config) {
        self.session.state.config.take(newer);
        let config = self.config();
        let capabilities = Some(Box::new(config.capabilities(F::unlisted)));
        self.effects.push(Effect::Capabilities {
            capabilities,
            config: Some(config.session_config()),
        });
    }

    fn close(&mut self, reason: EndReason) {
        if self.standing != SessionState::Ended {
            self.standing = SessionState::Ended;
            self.effects.push(Effect::Close { reason });
        }
    }

    /// What a finished call means.
    fn finished(&mut self, name: &CallName, result: CallResult) {
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
                self.failed(name, &detail)
            }
            _ => self.failed(name, "a result that is newer than this adapter"),
        }
    }

    fn answered(&mut self, name: &CallName, reply: Reply) {
        if reply.code != code::OK {
            self.refused(name, &reply);
            return;
        }
        if let Err(detail) = self.succeeded(name, &reply) {
            self.failed(name, &detail);
            return;
        }
        for event in reply.events {
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
                if standing.session_id.is_none() || standing.mode.is_none() {
                    return Err("data of the reply: `session_id` or `mode` is missing".to_owned());
                }
                // A callback may have overtaken the reply; what it said is newer.
                if self.standing != SessionState::Opening {
                    standing.mode = None;
                }
                self.stand(standing);
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
            Op::ToHuman if self.standing != SessionState::Ended => {
                let from = Sender::of(SenderKind::System);
                self.effects.push(Effect::deliver(Incoming::new(
                    from,
                    Content::text(NO_HUMAN),
                )));
            }
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

    fn config(&self) -> Config {
        let mut config = F::defaults();
        config.take(self.session.state.config.clone());
        config
    }

    fn capabilities(&self) -> Capabilities {
        self.config().capabilities(F::unlisted)
    }

    fn robot_name(&self) -> Option<String> {
        self.config().robot??.name
    }
}

/// Shown when a wish for a human could not even be put to the vendor.
const NO_HUMAN: &str =
    "转人工未成功，请稍后再试。No human agent could be reached, please try again.";

/// Reads the vendor's answer. The body's code wins over the status, which is
/// only the transport's summary of it.
fn reply(response: &HttpResponse) -> Result<Reply, String> {
    match response.json::<Reply>() {
        Ok(reply) if response.is_success() || reply.code != code::OK => Ok(reply),
        _ => Err(format!(
            "HTTP {} without a readable SDP reply",
            response.status
        )),
    }
}

fn rating(evaluation: Evaluation) -> Value {
    let mut data = json!({
        "target": evaluation.target,
        "origin": if evaluation.invited { "invited" } else { "self" },
    });
    let map: &mut Map<String, Value> = data.as_object_mut().expect("it was written as an object");
    map.extend(
        evaluation
            .resolved
            .map(|resolved| ("resolved".to_owned(), resolved.into())),
    );
    map.extend(
        evaluation
            .stars
            .map(|stars| ("stars".to_owned(), stars.into())),
    );
    map.extend(
        evaluation
            .comment
            .map(|comment| ("comment".to_owned(), comment.into())),
    );
    if !evaluation.tags.is_empty() {
        map.insert("tags".to_owned(), evaluation.tags.into());
    }
    data
}

fn put(data: &mut Value, key: &str, value: Option<String>) {
    if let Some(value) = value {
        data[key] = value.into();
    }
}
