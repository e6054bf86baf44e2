//! One turn of one session: one input in, everything it causes out.
//!
//! A turn is built from the session's record and an input. It names the events
//! that the adapter has to see ([`Turn::next_call`]), takes the adapter's
//! effects ([`Turn::apply`]), and ends in an [`Outcome`]: the new record and
//! everything that must be written in the same commit. `rules` holds what
//! visitors may do in which state, `effects` what adapters may ask for.
//!
//! Deliberately does no I/O and reads no clock: `now` and the seed of
//! randomness are inputs, so that running a turn again is a value and not a
//! guess. Invariant: a turn that fails leaves nothing behind.

mod calls;
mod effects;
mod forms;
mod handshake;
mod journal;
mod moves;
mod rating;
mod rules;
mod timers;
mod values;
mod waiting;

use std::collections::VecDeque;

use kefu_plugin_api::{
    capability::{EndReason, Exit, SessionState},
    event::Event,
    ids::ProviderId,
    wire::{HandleInput, HandleOutput},
};

use self::journal::draw;
pub use self::values::{
    Context, Input, Name, NameKey, Outcome, ProviderFacts, Providers, Reply, Violation,
};
use crate::{log::LogEvent, outbox::OutboxEntry, problem::Problem, session::Record};

/// A turn under way.
pub struct Turn<'a> {
    context: Context<'a>,
    record: Record,
    facts: Option<ProviderFacts>,
    todo: VecDeque<Todo>,
    doing: Doing,
    media: Vec<String>,
    events: Vec<LogEvent>,
    calls: Vec<OutboxEntry>,
    finished: Vec<u64>,
    names: Vec<Name>,
    typing: bool,
    notes: Vec<String>,
    reply: Reply,
    renew_token: Option<String>,
    renewed_already: bool,
    drawn: u64,
    changed: bool,
}

/// An event that the adapter still has to see.
struct Todo {
    event: Event,
    after: Doing,
}

/// How far a turn had come before an adapter's answer was taken.
struct Checkpoint {
    record: Record,
    events: usize,
    calls: usize,
    names: usize,
}

/// What the adapter is doing, as far as something follows from it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Whatever it says.
    Anything,
    /// Reading the end of a call.
    Finish,
    /// Seeing the visitor off: where leaving ends sessions, it must end now.
    Exit,
    /// Being told that the session ends.
    Close(EndReason),
}

impl<'a> Turn<'a> {
    /// Begins a turn.
    ///
    /// # Errors
    /// The visitor's request is refused; nothing happened.
    pub fn begin(record: Record, input: Input, context: Context<'a>) -> Result<Self, Problem> {
        let facts = context.providers.facts(&record.provider);
        let mut turn = Self {
            context,
            record,
            facts,
            todo: VecDeque::new(),
            doing: Doing::Anything,
            media: Vec::new(),
            events: Vec::new(),
            calls: Vec::new(),
            finished: Vec::new(),
            names: Vec::new(),
            typing: false,
            notes: Vec::new(),
            reply: Reply::Accepted,
            renew_token: None,
            renewed_already: false,
            drawn: 0,
            changed: false,
        };
        match input {
            Input::Open => turn.ask_provider(),
            Input::Command(command) => turn.command(command)?,
            Input::Provider(event) => turn.tell(Event::FromProvider { event }),
            Input::Finished(finished) => turn.call_finished(finished),
            Input::Timers => turn.fire_timers(),
            Input::Close(reason) if !turn.record.is_over() => {
                turn.then(Event::Closing { reason }, Doing::Close(reason));
            }
            Input::Close(_) => {}
        }
        Ok(turn)
    }

    /// The provider whose adapter takes the next call.
    pub fn provider(&self) -> &ProviderId {
        &self.record.provider
    }

    /// What the adapter has to see next; `None` when the turn is complete.
    pub fn next_call(&mut self) -> Option<HandleInput> {
        let Todo { event, after } = self.todo.pop_front()?;
        self.doing = after;
        let callback_url = self.facts.as_ref().map_or("", |facts| &facts.callback_url);
        let seed = draw(self.context.seed, self.drawn);
        self.drawn += 1;
        Some(HandleInput {
            event,
            session: self.record.view(self.context.now, seed, callback_url),
            state: self.record.adapter_state.clone(),
            state_version: self.record.state_version.clone(),
        })
    }

    /// Takes what the adapter answered to [`next_call`](Self::next_call).
    ///
    /// # Errors
    /// It asked for something impossible; the turn must be dropped.
    pub fn apply(&mut self, output: HandleOutput) -> Result<(), Violation> {
        if self.record.adapter_state != output.state
            || self.record.state_version != output.state_version
        {
            self.record.adapter_state = output.state;
            self.record.state_version = output.state_version;
            self.changed = true;
        }
        self.notes.extend(output.notes);
        let asked = self.record.provider.clone();
        let before = self.checkpoint();
        if let Err(violation) = self.effects(output.effects) {
            self.go_back(before);
            return Err(violation);
        }
        match std::mem::replace(&mut self.doing, Doing::Anything) {
            Doing::Exit if self.record.capabilities.exit == Exit::Ends => {
                self.end(EndReason::Visitor);
            }
            Doing::Close(reason) => self.end(reason),
            Doing::Anything | Doing::Finish | Doing::Exit => {}
        }
        if asked == self.record.provider {
            self.release_waiting();
        }
        Ok(())
    }

    /// The adapter could not take the call: where the session is only opening,
    /// the next provider is asked.
    ///
    /// # Errors
    /// Anywhere else the turn must be dropped.
    pub fn adapter_failed(&mut self, detail: &str) -> Result<(), Violation> {
        if self.record.state != SessionState::Opening {
            return Err(Violation(detail.to_owned()));
        }
        self.notes
            .push(format!("{}: {detail}", self.record.provider));
        self.todo.clear();
        self.ask_next_provider();
        Ok(())
    }

    /// A session that is opening goes on to the next provider after a failure,
    /// without what the failed one had asked for. Elsewhere the whole turn is
    /// dropped, and nothing needs to be kept.
    fn checkpoint(&self) -> Option<Checkpoint> {
        (self.record.state == SessionState::Opening).then(|| Checkpoint {
            record: self.record.clone(),
            events: self.events.len(),
            calls: self.calls.len(),
            names: self.names.len(),
        })
    }

    fn go_back(&mut self, checkpoint: Option<Checkpoint>) {
        if let Some(Checkpoint {
            record,
            events,
            calls,
            names,
        }) = checkpoint
        {
            self.record = record;
            self.events.truncate(events);
            self.calls.truncate(calls);
            self.names.truncate(names);
        }
    }

    /// Leaves out whatever the adapter still had to see: the end of a call is
    /// settled without it after it has failed on it.
    pub fn skip_adapter(&mut self) {
        self.todo.clear();
    }

    /// Ends the turn. With `write` there is something to be written in any
    /// case, such as the key of the request.
    pub fn finish(mut self, write: bool) -> Outcome {
        let changed = write
            || self.changed
            || !self.events.is_empty()
            || !self.calls.is_empty()
            || !self.finished.is_empty();
        if changed {
            self.record.version += 1;
            self.record.active_at = self.context.now;
        }
        Outcome {
            record: self.record,
            events: self.events,
            calls: self.calls,
            finished: self.finished,
            names: self.names,
            typing: self.typing,
            notes: self.notes,
            reply: self.reply,
            renew_token: self.renew_token,
            changed,
        }
    }

    fn tell(&mut self, event: Event) {
        self.then(event, Doing::Anything);
    }

    fn then(&mut self, event: Event, after: Doing) {
        self.todo.push_back(Todo { event, after });
    }
}
