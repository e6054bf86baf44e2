//! One turn of one session: what the visitor does, in SDP's words.
//!
//! Owns the requests. What the vendor announces is in [`course`](crate::course),
//! what its answers mean in [`answers`](crate::answers). Invariant of all
//! three: they ask for no move that the state machine forbids.

use std::marker::PhantomData;

use kefu_plugin_api::prelude::{
    AdapterError, Capabilities, Client, Effect, EndReason, Evaluation, Event, Exit, GroupId,
    Message, ProviderEvent, Session, SessionState, Visitor,
};
use serde_json::{Map, Value, json};

use crate::{
    call::{CallName, Op, call},
    config::Config,
    flavour::{Account, Arrival, Flavour},
    state::State,
    translate::{self, Told},
};

/// A turn under way.
pub(crate) struct Turn<'a, F> {
    pub(crate) account: &'a Account,
    pub(crate) session: &'a mut Session<State>,
    /// Where the session stands after the effects so far.
    pub(crate) standing: SessionState,
    pub(crate) effects: Vec<Effect>,
    /// Whether the vendor speaks in a reply, which a callback may overtake.
    pub(crate) in_reply: bool,
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
            in_reply: false,
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
            // Its id is the gateway's; the vendor would not know it.
            Event::Read { .. } => self.optional(Op::Read, json!({})),
            Event::ProfileChanged { visitor } => {
                let client = self.session.view().client.clone();
                let (data, _) = self.arrival(&visitor, &client);
                self.call(Op::Update, data);
            }
            Event::FromProvider { event } => self.take_told(event)?,
            Event::CallFinished { call, result, .. } => {
                if let Some(name) = CallName::read(call.as_str()) {
                    self.finished(&name, result);
                }
            }
            Event::TimerFired { timer } => self.rung(timer.as_str()),
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
        let visitor = &self.account.rules.shared(visitor);
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
        if semantics == "keeps" {
            self.stop_waiting();
        }
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

    pub(crate) fn call(&mut self, op: Op, data: Value) {
        let call = call(self.account, self.session, op, None, data);
        self.effects.push(call.into());
    }

    fn take_told(&mut self, event: ProviderEvent) -> Result<(), AdapterError> {
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

    /// What this session allows now.
    pub(crate) fn config(&self) -> Config {
        let mut config = F::defaults();
        config.take(self.account.rules.defaults.clone());
        config.take(self.session.state.config.clone());
        config
    }

    fn capabilities(&self) -> Capabilities {
        self.config().capabilities(F::unlisted)
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
