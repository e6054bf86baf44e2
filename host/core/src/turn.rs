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

mod effects;
mod rating;
mod rules;

use std::{collections::VecDeque, sync::Arc};

use kefu_plugin_api::{
    capability::{Capabilities, EndReason, SessionState},
    descriptor::Descriptor,
    event::{CallResult, Event, ProviderEvent},
    ids::{MessageId, ProviderId},
    message::{Content, Message, MessageStatus},
    time::Timestamp,
    wire::{HandleInput, HandleOutput},
};

use crate::{
    command::Command,
    log::{EventBody, LogEvent},
    outbox::{Finished, OutboxEntry},
    problem::{Problem, Slug},
    session::{Fallback, Record, TimerKey, Waiting, conversation_id},
};

/// What comes to a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// It was just created.
    Open,
    /// The visitor asks for something.
    Command(Command),
    /// The vendor told something.
    Provider(ProviderEvent),
    /// A call is over.
    Finished(Finished),
    /// It is time to look at the timers.
    Timers,
    /// The gateway ends it.
    Close(EndReason),
}

/// What a turn knows besides the session.
pub struct Context<'a> {
    /// Now.
    pub now: Timestamp,
    /// The turn's randomness.
    pub seed: u64,
    /// The providers that can take calls.
    pub providers: &'a dyn Providers,
}

/// What a turn asks about providers.
pub trait Providers {
    /// What is known of a provider; `None` if it cannot take calls now.
    fn facts(&self, provider: &ProviderId) -> Option<ProviderFacts>;
}

/// What a turn needs to know of a provider.
#[derive(Clone, Debug)]
pub struct ProviderFacts {
    /// What its adapter says about itself.
    pub descriptor: Arc<Descriptor>,
    /// How long a session may lie idle.
    pub max_idle_ms: i64,
    /// How long a call is tried, unless it says otherwise.
    pub deadline_ms: i64,
    /// Where the vendor calls back.
    pub callback_url: Arc<str>,
}

/// Everything that a turn caused.
#[derive(Debug)]
pub struct Outcome {
    /// The session as it is now.
    pub record: Record,
    /// New entries of its log.
    pub events: Vec<LogEvent>,
    /// New calls.
    pub calls: Vec<OutboxEntry>,
    /// Numbers of calls that are over.
    pub finished: Vec<u64>,
    /// Names under which callbacks shall find it.
    pub names: Vec<Name>,
    /// Whether somebody at the desk is typing.
    pub typing: bool,
    /// Lines for operators.
    pub notes: Vec<String>,
    /// What the visitor is answered.
    pub reply: Reply,
    /// The token that was not accepted: the call stays where it is and is
    /// repeated with a new one.
    pub renew_token: Option<String>,
    /// Whether there is anything to write.
    pub changed: bool,
}

/// A name under which a vendor's callbacks find a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Of which provider.
    pub provider: ProviderId,
    /// Whose name it is.
    pub key: NameKey,
}

/// Who gave a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameKey {
    /// The gateway: a conversation, whose newest session is meant.
    Conversation(String),
    /// The vendor: this session and no other.
    Vendor(String),
}

/// What a visitor is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It was taken.
    Accepted,
    /// It was taken as this entry of the log.
    Message {
        /// The message.
        id: MessageId,
        /// The entry.
        seq: u64,
    },
}

/// An adapter asked for something that the session does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the adapter asked for something impossible: {0}")]
pub struct Violation(pub String);

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
            Doing::Exit
                if self.record.capabilities.exit == kefu_plugin_api::capability::Exit::Ends =>
            {
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

    /// Asks the provider that the record names to take the session.
    fn ask_provider(&mut self) {
        let Some(facts) = self.context.providers.facts(&self.record.provider) else {
            self.notes
                .push(format!("{}: not available", self.record.provider));
            return self.ask_next_provider();
        };
        let record = &mut self.record;
        record.capabilities = facts.descriptor.capabilities.clone();
        record.conversation = conversation_id(
            &record.app,
            &record.desk,
            &record.visitor.id,
            &record.provider,
            facts.descriptor.keyed_by,
        );
        record
            .timers
            .insert(TimerKey::Idle, self.context.now.plus_ms(facts.max_idle_ms));
        self.names.push(Name {
            provider: record.provider.clone(),
            key: NameKey::Conversation(record.conversation.as_str().to_owned()),
        });
        let event = Event::Opened {
            visitor: record.visitor.clone(),
            client: record.client.clone(),
            group: record.group.clone(),
        };
        self.facts = Some(facts);
        self.changed = true;
        self.tell(event);
    }

    /// Nobody took the session yet: turns to the next in line, or gives up.
    fn ask_next_provider(&mut self) {
        if self.record.fallbacks.is_empty() {
            return self.end(EndReason::ProviderError);
        }
        let Fallback { provider, group } = self.record.fallbacks.remove(0);
        let record = &mut self.record;
        record.provider = provider;
        record.group = group;
        record.vendor_session = None;
        record.adapter_state.clear();
        record.state_version.clear();
        record.timers.clear();
        record.config = Default::default();
        // Calls to the provider before are left to end by themselves; their
        // ends belong to nobody now.
        record.open_calls.clear();
        self.ask_provider();
    }

    fn call_finished(&mut self, finished: Finished) {
        self.finished.push(finished.number);
        let open = self
            .record
            .open_calls
            .iter()
            .position(|call| call.number == finished.number);
        let Some(index) = open else { return };
        let call = self.record.open_calls.remove(index);
        let lost = match &finished.result {
            CallResult::NotSent { detail } => Some((MessageStatus::Failed, detail.clone())),
            CallResult::Unknown { detail } => Some((MessageStatus::Unknown, detail.clone())),
            _ => None,
        };
        if let (Some(message), Some((status, detail))) = (call.message, lost) {
            self.log(EventBody::Status {
                message,
                status,
                detail: Some(detail),
            });
        }
        self.renewed_already = finished.token_renewed;
        let Finished {
            result,
            token_renewed,
            ..
        } = finished;
        self.then(
            Event::CallFinished {
                call: call.id,
                result,
                token_renewed,
            },
            Doing::Finish,
        );
    }

    fn fire_timers(&mut self) {
        let now = self.context.now;
        let due: Vec<_> = self
            .record
            .timers
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            self.record.timers.remove(&key);
            self.changed = true;
            match key {
                TimerKey::RatingWindow => self.close_rating_window(),
                TimerKey::Idle => self.close_if_idle(),
                TimerKey::Adapter(timer) if !self.record.is_over() => {
                    self.tell(Event::TimerFired { timer });
                }
                TimerKey::Adapter(_) => {}
            }
        }
    }

    /// The idle timer is set once and looks back when it fires, so that no
    /// message has to move it.
    fn close_if_idle(&mut self) {
        let Some(facts) = &self.facts else {
            self.record
                .timers
                .insert(TimerKey::Idle, self.context.now.plus_ms(3_600_000));
            return;
        };
        let closes_at = self.record.active_at.plus_ms(facts.max_idle_ms);
        if self.record.is_over() {
        } else if closes_at > self.context.now {
            self.record.timers.insert(TimerKey::Idle, closes_at);
        } else {
            self.then(
                Event::Closing {
                    reason: EndReason::Idle,
                },
                Doing::Close(EndReason::Idle),
            );
        }
    }

    /// Hands the vendor what waited for it, as soon as it takes messages.
    fn release_waiting(&mut self) {
        let state = self.record.state;
        let takes = match state {
            SessionState::Robot | SessionState::Human => true,
            SessionState::Queued | SessionState::Unattended => {
                self.record.capabilities.messages_while.contains(&state)
            }
            SessionState::Opening => return,
            SessionState::Ended => {
                for Waiting { id, .. } in std::mem::take(&mut self.record.waiting) {
                    self.log(EventBody::Status {
                        message: id,
                        status: MessageStatus::Failed,
                        detail: Some("the session ended before the vendor took it".into()),
                    });
                }
                return;
            }
        };
        if takes {
            for Waiting { id, content } in std::mem::take(&mut self.record.waiting) {
                self.collect_media(&content);
                self.forward(id, content);
            }
        }
        if let Some(group) = self.record.human_wanted.take()
            && state != SessionState::Human
            && self.record.capabilities.to_human
        {
            self.tell(Event::HumanRequested { group });
        }
    }

    /// Gives a visitor's message to the adapter in the form that it can carry.
    fn forward(&mut self, id: MessageId, content: Content) {
        let kind = content.kind();
        match convert(&self.record.capabilities, self.record.state, content) {
            Ok((content, converted_from)) => {
                self.tell(Event::FromVisitor {
                    message: Message {
                        id,
                        content,
                        converted_from,
                    },
                });
            }
            Err(_) => {
                self.log(EventBody::Status {
                    message: id,
                    status: MessageStatus::Failed,
                    detail: Some(format!(
                        "the provider does not carry {} here",
                        kind.as_str()
                    )),
                });
            }
        }
    }

    /// Remembers the gateway's own media in a content, so that the calls of
    /// this turn may link to it.
    fn collect_media(&mut self, content: &Content) {
        let mut content = content.clone();
        self.media
            .extend(content.media_urls_mut().into_iter().map(|url| url.clone()));
    }

    fn end(&mut self, reason: EndReason) {
        if self.record.is_over() {
            return;
        }
        self.invite_at_end(reason);
        let record = &mut self.record;
        record.state = SessionState::Ended;
        record.ended_at = Some(self.context.now);
        record.end_reason = Some(reason);
        record.queue = None;
        record.human_wanted = None;
        record
            .timers
            .retain(|key, _| *key == TimerKey::RatingWindow);
        self.release_waiting();
        self.log(EventBody::Ended { reason });
    }

    fn tell(&mut self, event: Event) {
        self.then(event, Doing::Anything);
    }

    fn then(&mut self, event: Event, after: Doing) {
        self.todo.push_back(Todo { event, after });
    }

    fn log(&mut self, body: EventBody) -> u64 {
        self.record.last_seq += 1;
        let mut body = body;
        if let EventBody::Opened(card) = &mut body {
            card.last_seq = self.record.last_seq;
        }
        let id = self.draw_uuid();
        self.events.push(LogEvent {
            seq: self.record.last_seq,
            id,
            session: self.record.id.clone(),
            body,
            at: self.context.now,
        });
        self.record.last_seq
    }

    fn draw_uuid(&mut self) -> String {
        let millis = u64::try_from(self.context.now.unix_ms()).unwrap_or(0);
        let words = [
            draw(self.context.seed, self.drawn),
            draw(self.context.seed, self.drawn + 1),
        ];
        self.drawn += 2;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&words[0].to_be_bytes());
        random[8..].copy_from_slice(&words[1].to_be_bytes()[..2]);
        uuid::Builder::from_unix_timestamp_millis(millis, &random)
            .into_uuid()
            .to_string()
    }
}

/// Brings content into a form that is carried in this state.
///
/// # Errors
/// It is not carried at all.
fn convert(
    capabilities: &Capabilities,
    state: SessionState,
    content: Content,
) -> Result<(Content, Option<kefu_plugin_api::message::ContentKind>), Problem> {
    use kefu_plugin_api::capability::Level;

    let kind = content.kind();
    match capabilities.level(state, kind) {
        Level::Full => Ok((content, None)),
        Level::Converted => Ok((Content::text(content.to_text()), Some(kind))),
        Level::Rejected => Err(Problem::new(
            Slug::UnsupportedByProvider,
            format!(
                "{} cannot be sent while the session is {}",
                kind.as_str(),
                state.as_str()
            ),
        )),
    }
}

/// The `n`th number drawn from a seed.
fn draw(seed: u64, n: u64) -> u64 {
    let mut word = seed.wrapping_add((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
