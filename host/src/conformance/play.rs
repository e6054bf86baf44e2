//! Sessions played through the gateway's own core.
//!
//! Owns a visitor, a vendor and a clock that do things in a drawn order; the
//! core decides what the adapter is asked, and whether what it answers is
//! possible. Deliberately sends nothing. Invariant: the adapter sees only what
//! a gateway could show it, so whatever the core does not allow is the
//! adapter's fault.

use std::{collections::BTreeMap, sync::Arc};

use kefu_core::{
    command::Command,
    log::LogEvent,
    outbox::{Finished, OutboxEntry},
    session::{Fallback, Opening, Record, session_id},
    turn::{Context, Input, Log, ProviderFacts, Providers, Said, Turn},
};
use kefu_plugin_api::{
    capability::{Evaluation, EvaluationTarget},
    descriptor::Descriptor,
    event::{CallResult, Client, ProviderEvent, Visitor},
    http::HttpResponse,
    ids::{MessageId, ProviderId, SessionId},
    message::Content,
    testing::samples,
    time::Timestamp,
    wire::{HandleInput, HandleOutput, ReceiveOutput},
};
use serde_json::Value;

use super::{corpus, door::Door, place::PROVIDER, random::Random, subject::Adapter};
use crate::plugin::Fault;

/// Why a play ended early.
#[derive(Debug)]
pub(super) enum Flaw {
    /// The adapter gave nothing usable.
    Fault(Fault, Box<HandleInput>),
    /// The adapter gave what no session allows.
    Violation(String, Box<HandleInput>),
}

/// One turn that was played.
pub(super) struct Played {
    pub(super) input: HandleInput,
    pub(super) output: HandleOutput,
}

/// One session under way.
pub(super) struct Play<'a> {
    adapter: &'a Adapter<'a>,
    door: Option<&'a Door>,
    payloads: &'a [Vec<u8>],
    facts: Facts,
    record: Record,
    open: Vec<OutboxEntry>,
    now: Timestamp,
    random: Random,
    /// Everything that was played so far.
    pub(super) turns: Vec<Played>,
}

struct Facts(ProviderFacts);

impl Providers for Facts {
    fn facts(&self, _: &ProviderId) -> Option<ProviderFacts> {
        Some(self.0.clone())
    }

    fn has_other_session(&self, _: &ProviderId, _: &Record) -> bool {
        false
    }
}

/// Nothing of the log is kept: whatever is taken back is not there.
struct NoLog;

impl Log for NoLog {
    fn said(&self, _: &SessionId, _: &MessageId) -> Option<Said> {
        None
    }

    fn since(&self, _: &SessionId, _: u64) -> Vec<LogEvent> {
        Vec::new()
    }

    fn is_own_media(&self, _: &str) -> bool {
        false
    }
}

impl<'a> Play<'a> {
    /// A session that was not opened yet.
    pub(super) fn new(
        adapter: &'a Adapter<'a>,
        descriptor: Arc<Descriptor>,
        door: Option<&'a Door>,
        payloads: &'a [Vec<u8>],
        mut random: Random,
    ) -> Self {
        let now = corpus::NOW;
        let visitor = samples::events()
            .into_iter()
            .find_map(|(_, event)| match event {
                kefu_plugin_api::event::Event::Opened { visitor, .. } => Some(visitor),
                _ => None,
            })
            .unwrap_or_default();
        let mut salt = [0; 10];
        for byte in &mut salt {
            *byte = u8::try_from(random.next() & 0xff).unwrap_or(0);
        }
        let record = Record::open(Opening {
            synthetic: false,
            id: session_id("demo", &visitor.id, now, salt),
            app: "demo".into(),
            desk: "support".into(),
            visitor,
            client: Client::default(),
            asked_group: None,
            order: vec![Fallback::new(PROVIDER, None)],
            now,
        })
        .expect("there is a provider to ask");
        Self {
            adapter,
            door,
            payloads,
            facts: Facts(ProviderFacts {
                descriptor,
                max_idle_ms: 7 * 24 * 3_600_000,
                visitor_fields: None,
                deadline_ms: 3_600_000,
                callback_url: samples::view().callback_url.into(),
                emoji: None,
            }),
            record,
            open: Vec::new(),
            now,
            random,
            turns: Vec::new(),
        }
    }

    /// Opens the session, then lets so many things happen.
    ///
    /// # Errors
    /// What the adapter did wrong.
    pub(super) fn run(&mut self, steps: usize) -> Result<(), Box<Flaw>> {
        self.step(Input::Open)?;
        for _ in 0..steps {
            let input = self.draw()?;
            if let Some(input) = input {
                self.step(input)?;
            }
        }
        Ok(())
    }

    /// What happens next.
    fn draw(&mut self) -> Result<Option<Input>, Box<Flaw>> {
        self.now = self
            .now
            .plus_ms(i64::try_from(self.random.below(90_000)).unwrap_or(0));
        Ok(match self.random.below(10) {
            0..=2 => Some(Input::Command(self.command())),
            3..=5 => self.finish_a_call(),
            6..=8 => return self.call_back(),
            _ if self.random.one_in(12) => {
                Some(Input::Close(kefu_plugin_api::capability::EndReason::Idle))
            }
            _ => {
                self.now = self.now.plus_ms(600_000);
                Some(Input::Timers)
            }
        })
    }

    fn command(&mut self) -> Command {
        let contents = samples::contents();
        match self.random.below(12) {
            0 => Command::Human { group: None },
            1 => Command::Evaluate {
                evaluation: Evaluation {
                    target: if self.random.one_in(2) {
                        EvaluationTarget::Human
                    } else {
                        EvaluationTarget::Robot
                    },
                    resolved: Some(true),
                    stars: None,
                    tags: Vec::new(),
                    comment: None,
                    invited: false,
                },
            },
            2 => Command::DeclineEvaluation,
            3 => Command::LeaveMessage {
                fields: BTreeMap::from([("phone".to_owned(), "13800000000".to_owned())]),
            },
            4 if self.random.one_in(3) => Command::Exit,
            5 => Command::Typing,
            6 => Command::Read {
                seq: self.record.last_seq,
            },
            7 => Command::Profile {
                visitor: Visitor {
                    name: Some("小红".into()),
                    ..Visitor::default()
                },
            },
            8 => Command::Return,
            _ => Command::Message {
                content: self
                    .random
                    .pick(&contents)
                    .map(|(_, content)| content.clone())
                    .filter(|content| *content != Content::Unknown)
                    .unwrap_or_else(|| Content::text("hello")),
                media: Vec::new(),
                converted_from: None,
            },
        }
    }

    fn finish_a_call(&mut self) -> Option<Input> {
        if self.open.is_empty() {
            return None;
        }
        let entry = self.open.remove(0);
        let token_renewed = self.random.one_in(3);
        let result = match self.random.below(10) {
            0 => CallResult::NotSent {
                detail: "connection refused".into(),
            },
            1 => CallResult::Unknown {
                detail: "no answer".into(),
            },
            _ => CallResult::Answered {
                response: HttpResponse {
                    status: *self
                        .random
                        .pick(&[200, 200, 200, 200, 400, 401, 500])
                        .unwrap_or(&200),
                    headers: Vec::new(),
                    body: self.random.pick(self.payloads).cloned().unwrap_or_default(),
                },
            },
        };
        Some(Input::Finished(Finished {
            number: entry.number,
            result,
            token_renewed,
            attempts: 1,
        }))
    }

    /// A callback for this session, and the first event that it brings.
    fn call_back(&mut self) -> Result<Option<Input>, Box<Flaw>> {
        let Some(door) = self.door else {
            return Ok(None);
        };
        let body = self.random.pick(self.payloads).cloned().unwrap_or_default();
        let body = addressed(&body, self.record.conversation.as_str());
        let received = self.adapter.receive(&door.pass(corpus::bare(&body)));
        let Ok(ReceiveOutput::Accepted { receipt }) = received else {
            return Ok(None);
        };
        let event = receipt.events.into_iter().next().map(|it| it.event);
        Ok(event
            .filter(|event| *event != ProviderEvent::Unknown)
            .map(|event| Input::Provider {
                from: PROVIDER.into(),
                event,
            }))
    }

    /// One turn, as a gateway runs it.
    ///
    /// # Errors
    /// What the adapter did wrong.
    pub(super) fn step(&mut self, input: Input) -> Result<(), Box<Flaw>> {
        let context = Context {
            now: self.now,
            seed: self.random.next(),
            providers: &self.facts,
            log: &NoLog,
            trace: None,
        };
        // What the visitor may not do now never reaches the adapter.
        let Ok(mut turn) = Turn::begin(self.record.clone(), input, context) else {
            return Ok(());
        };
        let mut played = Vec::new();
        while let Some(input) = turn.next_call() {
            let output = self
                .adapter
                .handle(&input)
                .map_err(|fault| Flaw::Fault(fault, Box::new(input.clone())));
            let output = match output {
                Ok(output) => output,
                // What the vendor says wrong fails a turn and is no flaw.
                Err(Flaw::Fault(fault, _)) if !fault.blames_adapter() => return Ok(()),
                Err(flaw) => return Err(Box::new(flaw)),
            };
            turn.apply(output.clone()).map_err(|violation| {
                Box::new(Flaw::Violation(violation.0, Box::new(input.clone())))
            })?;
            played.push(Played { input, output });
        }
        let outcome = turn.finish(false);
        self.turns.append(&mut played);
        if outcome.renew_token.is_some() {
            // Nothing of the turn is kept: the call is sent again.
            return Ok(());
        }
        self.record = outcome.record;
        self.open.extend(outcome.calls);
        Ok(())
    }
}

/// The payload with every text that could be the session's name replaced by
/// its name, so that it is about this session.
fn addressed(body: &[u8], conversation: &str) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return body.to_vec();
    };
    if let Some(table) = value.as_object_mut() {
        for key in [
            "chat",
            "conversation",
            "visitor_id",
            "partnerId",
            "partnerid",
        ] {
            if let Some(name) = table.get_mut(key) {
                *name = conversation.into();
            }
        }
    }
    value.to_string().into_bytes()
}
