//! A harness for adapter tests: events in, effects out, through the real
//! encoding.
//!
//! It keeps one session as a host would: the state between turns as bytes, the
//! clock moved by hand, the standing followed from the effects. It performs
//! nothing.

pub mod samples;
pub mod spoil;

use serde_json::Value;

use crate::{
    abi::{Answer, Instances, shim},
    adapter::{Adapter, Receipt},
    capability::{AgentChange, SessionState},
    descriptor::Descriptor,
    effect::{Call, Effect},
    error::{AdapterError, OpenError, Reject},
    event::{CallResult, Event, ProviderEvent},
    http::{Callback, HttpResponse},
    ids::CallId,
    session::{Scope, SessionView},
    time::Timestamp,
    wire::{
        CONTRACT, HandleInput, HandleOutput, OpenInput, OpenOutput, ReceiveOutput, decode, encode,
    },
};

/// One open adapter with one session.
pub struct Harness<A: Adapter> {
    instances: Instances<A>,
    handle: u64,
    state: Vec<u8>,
    state_version: String,
    /// What the adapter is told about the session; change it freely.
    pub view: SessionView,
    /// Notes for operators of all turns so far.
    pub notes: Vec<String>,
}

impl<A: Adapter> Harness<A> {
    /// Opens the adapter with these settings.
    ///
    /// # Errors
    /// What the adapter says about them.
    pub fn open(settings: Value) -> Result<Self, OpenError> {
        let instances = Instances::new();
        let input = encode(&OpenInput {
            settings,
            host: CONTRACT,
        })
        .expect("settings can be written");
        match answer(shim::open::<A>(&instances, &input)).expect("opening does not panic") {
            OpenOutput::Refused { error } => Err(error),
            OpenOutput::Opened { handle } => Ok(Self {
                instances,
                handle,
                state: Vec::new(),
                state_version: String::new(),
                view: SessionView {
                    id: "session-1".into(),
                    provider: "provider".into(),
                    app: "demo".into(),
                    desk: "support".into(),
                    visitor: "visitor-1".into(),
                    conversation: "conversation-1".into(),
                    now: Timestamp::from_unix_ms(1_767_225_600_000),
                    seed: 1,
                    callback_url: "https://gateway.example/v1/callbacks/provider".into(),
                    ..SessionView::default()
                },
                notes: Vec::new(),
            }),
        }
    }

    /// The descriptor, as a host reads it.
    pub fn descriptor() -> Descriptor {
        answer(shim::describe::<A>()).expect("a descriptor can be read")
    }

    /// Runs the self-test that the host runs before a generation goes live.
    ///
    /// # Errors
    /// What is wrong.
    pub fn self_test(&self) -> Result<(), AdapterError> {
        raw(shim::self_test(&self.instances, self.handle)).map(drop)
    }

    /// One turn.
    ///
    /// # Panics
    /// If the turn fails; use [`try_handle`](Self::try_handle) where it should.
    pub fn handle(&mut self, event: Event) -> Vec<Effect> {
        self.try_handle(event).expect("the turn succeeds")
    }

    /// One turn that may fail. State and standing change only if it does not.
    ///
    /// # Errors
    /// What the adapter, or the guard around it, says.
    pub fn try_handle(&mut self, event: Event) -> Result<Vec<Effect>, AdapterError> {
        let input = encode(&HandleInput {
            event,
            session: self.view.clone(),
            state: self.state.clone(),
            state_version: self.state_version.clone(),
        })?;
        let output: HandleOutput = answer(shim::handle(&self.instances, self.handle, &input))?;
        self.state = output.state;
        self.state_version = output.state_version;
        self.notes.extend(output.notes);
        self.view.seed += 1;
        for effect in &output.effects {
            self.follow(effect);
        }
        Ok(output.effects)
    }

    /// One turn in the provider's own scope, without the session's state.
    ///
    /// # Errors
    /// What the adapter, or the guard around it, says.
    pub fn handle_provider(&self, event: Event) -> Result<Vec<Effect>, AdapterError> {
        let session = SessionView {
            scope: Scope::Provider,
            provider: self.view.provider.clone(),
            now: self.view.now,
            seed: self.view.seed,
            callback_url: self.view.callback_url.clone(),
            ..SessionView::default()
        };
        let input = HandleInput {
            event,
            session,
            state: Vec::new(),
            state_version: String::new(),
        };
        let output: HandleOutput =
            answer(shim::handle(&self.instances, self.handle, &encode(&input)?))?;
        Ok(output.effects)
    }

    /// The end of a call with an answer of the vendor.
    pub fn answered(&mut self, call: impl Into<CallId>, status: u16, body: &Value) -> Vec<Effect> {
        let response = HttpResponse {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
        };
        self.handle(Event::CallFinished {
            call: call.into(),
            result: CallResult::Answered { response },
            token_renewed: false,
        })
    }

    /// Something the vendor told.
    pub fn told(&mut self, event: ProviderEvent) -> Vec<Effect> {
        self.handle(Event::FromProvider { event })
    }

    /// Gives a callback to the adapter.
    ///
    /// # Errors
    /// The adapter's refusal.
    ///
    /// # Panics
    /// If the adapter panics.
    pub fn receive(&self, callback: &Callback) -> Result<Receipt, Reject> {
        let input = encode(callback).expect("a callback can be written");
        match answer(shim::receive(&self.instances, self.handle, &input))
            .expect("receive does not panic")
        {
            ReceiveOutput::Accepted { receipt } => Ok(receipt),
            ReceiveOutput::Rejected { reject } => Err(reject),
        }
    }

    /// Moves the clock.
    pub fn advance_ms(&mut self, ms: i64) {
        self.view.now = self.view.now.plus_ms(ms);
    }

    /// The session's state as bytes, for golden files.
    pub fn state_bytes(&self) -> &[u8] {
        &self.state
    }

    /// Goes on from a state written earlier.
    pub fn restore(&mut self, state: Vec<u8>, version: impl Into<String>) {
        self.state = state;
        self.state_version = version.into();
    }

    fn follow(&mut self, effect: &Effect) {
        match effect {
            Effect::SetState { state, .. } => self.view.standing = *state,
            Effect::Agent {
                event: AgentChange::Joined,
                ..
            } => self.view.standing = SessionState::Human,
            Effect::Close { .. } => self.view.standing = SessionState::Ended,
            Effect::Name { vendor_session } => {
                self.view.vendor_session = Some(vendor_session.clone())
            }
            _ => {}
        }
    }
}

/// The calls among the effects.
pub fn calls(effects: &[Effect]) -> Vec<&Call> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Call { call } => Some(call),
            _ => None,
        })
        .collect()
}

/// A JSON callback without headers, to be completed by the test.
pub fn json_callback(path: &str, body: &Value) -> Callback {
    Callback {
        method: "POST".into(),
        path: path.into(),
        query: String::new(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_string().into_bytes(),
        peer: None,
        received_at: Timestamp::from_unix_ms(1_767_225_600_000),
    }
}

fn answer<T: serde::de::DeserializeOwned>(answer: Answer) -> Result<T, AdapterError> {
    decode(&raw(answer)?)
}

fn raw(answer: Answer) -> Result<Vec<u8>, AdapterError> {
    answer
        .into_result()
        .map(Into::into)
        .map_err(|bytes| decode(&bytes).unwrap_or_else(|unreadable| unreadable))
}
