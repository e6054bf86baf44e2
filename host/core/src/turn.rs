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
//!
//! What happens where a provider, a visitor and the clock meet:
//!
//! - **Opening.** Messages, a wish for a human and a changed profile wait for
//!   the handshake, then go to the vendor in this order: profile, messages,
//!   wish. Where the vendor queues the visitor and takes no messages meanwhile
//!   they wait on; where nobody is there they fail, so that the visitor can
//!   leave a message instead. The next provider is asked only while the visitor
//!   is here and has seen nothing of the one before.
//! - **Leaving.** The window for a rating opens where leaving ends sessions,
//!   an agent or a robot has served long enough or an invitation is open, and
//!   the visitor has neither rated nor declined. Whoever writes, asks for a
//!   human, leaves a message or opens the desk again has come back: the leaving
//!   is forgotten, the invitation stays until it lapses. Leaving twice a
//!   session that leaving keeps is leaving once.
//! - **Moving on.** Where another provider's humans take over, or the provider
//!   cannot serve one who waits, the session goes on at another with the same id
//!   and log; `moving` says how, and what becomes of what was said.
//! - **The end.** Only what was said still counts: messages, recalls and
//!   statuses are logged as late, every other wish of the adapter is noted and
//!   dropped, its timers are gone. An open invitation can be answered for as
//!   long as its window lasts. A session that the gateway ends invites nobody.
//! - **Timers** that are due at the same time are one turn. A timer on which the
//!   adapter fails costs neither the others nor the gateway's own: it is tried
//!   again after growing waits and given up in the end. While the adapter takes
//!   no calls its timers wait and the gateway's go on.
//! - **Emoji** are Unicode in everything that is kept. The vendor's codes stand
//!   outside: they are turned where an event goes to the adapter and where an
//!   effect comes from it, by the table as it is at that moment.
//! - **Idle** is a session in which neither the visitor nor the desk has done
//!   anything; an adapter's own timers do not keep it alive.

mod calls;
mod effects;
mod emoji;
mod failure;
mod forms;
mod handshake;
mod journal;
mod moves;
mod moving;
mod rating;
mod rules;
mod silence;
mod timers;
mod transcript;
mod values;
mod waiting;

use std::collections::{BTreeMap, VecDeque};

use kefu_plugin_api::{
    capability::{EndReason, Exit},
    event::Event,
    ids::{MessageId, ProviderId},
    wire::{HandleInput, HandleOutput},
};

pub use self::values::{
    Context, Input, Log, Missed, Name, NameKey, Outcome, ProviderFacts, Providers, Reply, Said,
    Violation,
};
use self::{journal::draw, moving::Moving, timers::Firing};
use crate::{log::LogEvent, outbox::OutboxEntry, problem::Problem, session::Record};

/// A turn under way.
pub struct Turn<'a> {
    context: Context<'a>,
    record: Record,
    facts: Option<ProviderFacts>,
    todo: VecDeque<Todo>,
    doing: Doing,
    firing: Option<Firing>,
    telling: Telling,
    /// Links of the vendor that could not be kept, and why.
    vendor_links: BTreeMap<String, String>,
    events: Vec<LogEvent>,
    calls: Vec<OutboxEntry>,
    finished: Vec<u64>,
    withdrawn: Vec<u64>,
    names: Vec<Name>,
    typing: bool,
    notes: Vec<String>,
    reply: Reply,
    renew_token: Option<String>,
    unknown_recalls: u32,
    missed: Missed,
    alone: bool,
    ending: Ending,
    /// Whether the session went on to another provider during an answer.
    moved_on: bool,
    /// A move that was decided.
    moving: Option<Moving>,
    /// Whether the old adapter is being told of it.
    leaving: bool,
    /// Whether visitor or desk did something.
    active: bool,
    drawn: u64,
    changed: bool,
}

/// The end of a call that the adapter is told.
#[derive(Default)]
struct Ending {
    answered: bool,
    token_renewed: bool,
    message: Option<MessageId>,
}

/// An event that the adapter still has to see.
struct Todo {
    event: Event,
    after: Doing,
    /// Media of the gateway that the event links to.
    media: Vec<String>,
    /// The trace that it belongs to, if not to that of the turn.
    trace: Option<String>,
}

/// What calls inherit from the event that the adapter is being told of.
#[derive(Default)]
struct Telling {
    message: Option<MessageId>,
    media: Vec<String>,
    trace: Option<String>,
    /// The number of the last call before it.
    last_entry: u64,
}

/// What the adapter is doing, as far as something follows from it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Whatever it says.
    Anything,
    /// Reading the end of a call.
    Finish,
    /// Being told of a message that waited for the handshake: where it fails on
    /// one, the session goes on without it.
    Held,
    /// Seeing the visitor off: where leaving ends sessions, it must end now.
    Exit,
    /// Being told that the session goes on elsewhere.
    Move,
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
            firing: None,
            telling: Telling::default(),
            vendor_links: BTreeMap::new(),
            events: Vec::new(),
            calls: Vec::new(),
            finished: Vec::new(),
            withdrawn: Vec::new(),
            names: Vec::new(),
            typing: false,
            notes: Vec::new(),
            reply: Reply::Accepted,
            renew_token: None,
            unknown_recalls: 0,
            missed: Missed::default(),
            alone: false,
            ending: Ending::default(),
            moved_on: false,
            moving: None,
            leaving: false,
            active: matches!(
                input,
                Input::Open | Input::Command(_) | Input::Provider { .. }
            ),
            drawn: 0,
            changed: false,
        };
        turn.follow_table();
        match input {
            Input::Open => turn.ask_provider(),
            Input::Command(command) => {
                turn.command(command)?;
                if turn.moving.is_some() {
                    turn.leave_provider();
                }
                turn.need_adapter()?;
            }
            Input::Provider { from, event } if from == turn.record.provider => {
                turn.tell(Event::FromProvider { event });
            }
            Input::Provider { from, .. } => {
                turn.active = false;
                turn.notes.push(format!(
                    "{from}: an event for a session that it did not take was dropped"
                ));
            }
            Input::Finished(finished) => turn.call_finished(finished),
            Input::Replay(entry) => turn.replay(*entry)?,
            Input::Timers => turn.fire_timers(),
            Input::Reopen { from, order } if from == turn.record.provider => turn.reopen(order),
            Input::Reopen { .. } => {}
            Input::Close(reason) if !turn.record.is_over() => {
                turn.then(Event::Closing { reason }, Doing::Close(reason));
            }
            Input::Close(_) => {}
        }
        Ok(turn)
    }

    /// Names links of the vendor that could not be fetched and kept, and why:
    /// a message that carries one says so.
    pub fn vendor_links(&mut self, links: BTreeMap<String, String>) {
        self.vendor_links = links;
    }

    /// The session as the turn has made it so far.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The provider whose adapter takes the next call.
    pub fn provider(&self) -> &ProviderId {
        &self.record.provider
    }

    /// What the adapter has to see next; `None` when the turn is complete.
    pub fn next_call(&mut self) -> Option<HandleInput> {
        let Todo {
            mut event,
            after,
            media,
            trace,
        } = loop {
            let next = self.todo.pop_front()?;
            if !self.comes_too_late(&next.event) && self.still_fires(&next.event) {
                break next;
            }
        };
        self.doing = after;
        let message = match &event {
            Event::FromVisitor { message } => Some(message.id.clone()),
            _ => None,
        };
        self.telling = Telling {
            message,
            media,
            trace,
            last_entry: self.record.last_entry,
        };
        self.in_codes(&mut event);
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
        let before = self.checkpoint();
        if self.record.adapter_state != output.state
            || self.record.state_version != output.state_version
        {
            self.record.adapter_state = output.state;
            self.record.state_version = output.state_version;
            self.changed = true;
        }
        self.notes.extend(output.notes);
        self.moved_on = false;
        if let Err(violation) = self.effects(output.effects) {
            self.go_back(before);
            return Err(violation);
        }
        self.hold_media();
        if let Some(firing) = self.firing.take() {
            self.record.timer_failures.remove(&firing.timer);
        }
        match std::mem::replace(&mut self.doing, Doing::Anything) {
            Doing::Move => {
                self.go_over();
                return Ok(());
            }
            Doing::Exit if self.record.capabilities.exit == Exit::Ends => {
                self.end(EndReason::Visitor);
            }
            Doing::Close(reason) => self.close(reason),
            Doing::Anything | Doing::Finish | Doing::Held | Doing::Exit => {}
        }
        if self.record.is_over() {
            self.moving = None;
        }
        if self.moving.is_some() {
            if !self.leaving {
                self.leave_provider();
            }
        } else if !self.moved_on {
            self.release_waiting();
        }
        Ok(())
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
        }
        if changed && self.active {
            self.record.active_at = self.context.now;
        }
        Outcome {
            record: self.record,
            events: self.events,
            calls: self.calls,
            finished: self.finished,
            withdrawn: self.withdrawn,
            names: self.names,
            typing: self.typing,
            notes: self.notes,
            reply: self.reply,
            renew_token: self.renew_token,
            unknown_recalls: self.unknown_recalls,
            missed: self.missed,
            alone: self.alone,
            changed,
        }
    }

    fn tell(&mut self, event: Event) {
        self.then(event, Doing::Anything);
    }

    fn then(&mut self, event: Event, after: Doing) {
        self.todo.push_back(Todo {
            event,
            after,
            media: Vec::new(),
            trace: None,
        });
    }
}
