//! A session whose turns are run by hand, with an adapter made of closures.
//!
//! Owns the driver that stands in for the engine: it asks the core, lets the
//! closure answer, and keeps what was committed. What happened is told as short
//! lines, in order, so that a test states all of it and anything left over
//! fails.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "what cannot be built is a failed test")]

use std::{collections::BTreeMap, sync::Arc};

use kefu_core::{
    command::Command,
    log::{EvaluationResult, EventBody, LogEvent},
    outbox::Finished,
    problem::Problem,
    session::{Fallback, Opening, Record, session_id},
    turn::{Context, Input, Log, Outcome, ProviderFacts, Providers, Said, Turn},
};
use kefu_plugin_api::{
    capability::{
        Capabilities, EndReason, Evaluation, EvaluationStart, EvaluationTarget, Exit,
        HumanEvaluation, LeaveMessageKind, Level, RobotEvaluation, SessionState,
    },
    descriptor::Descriptor,
    effect::{Call, Effect},
    event::{CallResult, Client, Event, ProviderEvent, Visitor},
    http::{HttpRequest, HttpResponse},
    ids::{MessageId, ProviderId, SessionId},
    message::{Agent, Content, ContentKind, Incoming, Sender, SenderKind},
    time::Timestamp,
    wire::{HandleInput, HandleOutput},
};

/// What an adapter answers: effects, or a failure.
pub(crate) type Answer = Result<Vec<Effect>, String>;

/// The providers that take calls.
#[derive(Clone, Default)]
pub(crate) struct Desk(
    pub(crate) BTreeMap<ProviderId, ProviderFacts>,
    /// Providers with which the visitor has another session open.
    pub(crate) Vec<ProviderId>,
);

impl Desk {
    /// One provider, `first`, with these capabilities.
    pub(crate) fn of(capabilities: Capabilities) -> Self {
        Self::default().and("first", capabilities)
    }

    pub(crate) fn and(mut self, provider: &str, capabilities: Capabilities) -> Self {
        let facts = ProviderFacts {
            descriptor: Arc::new(
                Descriptor::new(provider, "1.0.0").with_capabilities(capabilities),
            ),
            max_idle_ms: DAY_MS,
            deadline_ms: 60_000,
            callback_url: format!("https://gateway.example/v1/callbacks/{provider}").into(),
            emoji: None,
            visitor_fields: None,
        };
        self.0.insert(provider.into(), facts);
        self
    }
}

impl Providers for Desk {
    fn facts(&self, provider: &ProviderId) -> Option<ProviderFacts> {
        self.0.get(provider).cloned()
    }

    fn has_other_session(&self, provider: &ProviderId, _: &Record) -> bool {
        self.1.contains(provider)
    }
}

/// The log as far as it was committed.
struct Written<'a>(&'a [LogEvent]);

impl Log for Written<'_> {
    fn said(&self, _: &SessionId, message: &MessageId) -> Option<Said> {
        let mut said = Said::default();
        for event in self.0 {
            match &event.body {
                EventBody::Message(logged) if logged.id == *message => said.seqs.push(event.seq),
                EventBody::Recalled { message: taken } => said.recalled |= taken == message,
                _ => {}
            }
        }
        (!said.seqs.is_empty()).then_some(said)
    }

    fn since(&self, _: &SessionId, after: u64) -> Vec<LogEvent> {
        let newer = self.0.iter().filter(|event| event.seq > after);
        newer.cloned().collect()
    }

    fn is_own_media(&self, url: &str) -> bool {
        url.starts_with("https://gateway.example/v1/media/")
    }
}

pub(crate) const DAY_MS: i64 = 24 * 3600 * 1000;

/// A session and its clock.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) desk: Desk,
    pub(crate) record: Record,
    pub(crate) log: Vec<LogEvent>,
    pub(crate) trace: Option<&'static str>,
    pub(crate) now: Timestamp,
    pub(crate) seed: u64,
}

impl Visit {
    /// A session that nobody was asked to take yet.
    pub(crate) fn new(desk: Desk, order: &[&str]) -> Self {
        let now = Timestamp::from_unix_ms(1_700_000_000_000);
        let record = Record::open(Opening {
            synthetic: false,
            id: session_id("app", "visitor", now, [7; 10]),
            app: "app".into(),
            desk: "desk".into(),
            visitor: Visitor {
                id: "visitor".into(),
                ..Visitor::default()
            },
            client: Client::default(),
            asked_group: None,
            order: order
                .iter()
                .map(|&provider| Fallback::new(provider, None))
                .collect(),
            now,
        });
        Self {
            desk,
            record: record.unwrap(),
            log: vec![],
            trace: None,
            now,
            seed: 1,
        }
    }

    /// A session at one provider that was opened and moved there. What it took
    /// to get there is not told.
    pub(crate) fn standing(capabilities: Capabilities, state: SessionState) -> Self {
        let mut visit = Self::new(Desk::of(capabilities), &["first"]);
        visit.does(Input::Open, |_| Ok(vec![]));
        if state == SessionState::Ended {
            visit.moves_to(SessionState::Human);
            visit.effects(vec![Effect::Close {
                reason: EndReason::QueueTimeout,
            }]);
        } else if state != SessionState::Opening {
            visit.moves_to(state);
        }
        visit
    }

    pub(crate) fn moves_to(&mut self, state: SessionState) -> Vec<String> {
        self.effects(vec![Effect::state(state)])
    }

    /// The adapter answers a word of the vendor with these effects.
    pub(crate) fn effects(&mut self, effects: Vec<Effect>) -> Vec<String> {
        let mut effects = Some(effects);
        self.does(told(), move |_| Ok(effects.take().unwrap_or_default()))
    }

    pub(crate) fn passes(&mut self, seconds: i64) {
        self.now = self.now.plus_ms(seconds * 1000);
    }

    /// Runs a turn that must succeed and gives all that happened.
    pub(crate) fn does(
        &mut self,
        input: Input,
        adapter: impl FnMut(&HandleInput) -> Answer,
    ) -> Vec<String> {
        self.run(input, adapter).unwrap().lines
    }

    pub(crate) fn command(&mut self, command: Command) -> Vec<String> {
        self.does(Input::Command(command), |_| Ok(vec![]))
    }

    pub(crate) fn refused(&mut self, command: Command) -> Problem {
        let before = self.record.clone();
        let refused = self.run(Input::Command(command), |_| Ok(vec![]));
        assert_eq!(before, self.record, "a refusal leaves nothing behind");
        match refused {
            Err(Stopped::Refused(problem)) => problem,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    /// The end of the oldest open call.
    pub(crate) fn answered(&mut self, adapter: impl FnMut(&HandleInput) -> Answer) -> Vec<String> {
        let number = self.record.open_calls.first().unwrap().number;
        self.does(
            finished(number, CallResult::Answered { response: ok() }),
            adapter,
        )
    }

    /// Runs a turn as the engine does. The session is as before if it fails.
    pub(crate) fn run(
        &mut self,
        input: Input,
        mut adapter: impl FnMut(&HandleInput) -> Answer,
    ) -> Result<Ran, Stopped> {
        self.seed += 1;
        let context = Context {
            now: self.now,
            seed: self.seed,
            providers: &self.desk,
            log: &Written(&self.log),
            trace: self.trace,
        };
        let mut turn =
            Turn::begin(self.record.clone(), input, context).map_err(Stopped::Refused)?;
        let mut lines = Vec::new();
        while let Some(input) = turn.next_call() {
            let provider = turn.provider().clone();
            lines.push(format!("told {provider} {}", brief_event(&input.event)));
            if !self.desk.0.contains_key(&provider) {
                turn.adapter_absent("absent")
                    .map_err(|violation| Stopped::Failed(violation.0))?;
                continue;
            }
            let failed = match adapter(&input) {
                Ok(effects) => turn
                    .apply(HandleOutput {
                        effects,
                        state: input.state,
                        state_version: input.state_version,
                        notes: vec![],
                    })
                    .err()
                    .map(|violation| violation.0),
                Err(detail) => Some(detail),
            };
            if let Some(detail) = failed {
                turn.adapter_failed(&detail)
                    .map_err(|violation| Stopped::Failed(violation.0))?;
            }
        }
        let outcome = turn.finish(false);
        if let Some(token) = &outcome.renew_token {
            return Err(Stopped::Renew(token.clone()));
        }
        lines.extend(outcome.events.iter().map(brief));
        lines.extend(
            outcome
                .calls
                .iter()
                .map(|call| format!("call {} {} {}", call.number, call.provider, call.call.id)),
        );
        lines.extend(outcome.finished.iter().map(|n| format!("finished {n}")));
        if outcome.typing {
            lines.push("typing".into());
        }
        if outcome.changed {
            self.log.extend(outcome.events.iter().cloned());
            self.record = outcome.record.clone();
        }
        Ok(Ran { outcome, lines })
    }
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) lines: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum Stopped {
    Refused(Problem),
    Failed(String),
    Renew(String),
}

/// A word of the vendor that means nothing by itself.
pub(crate) fn told() -> Input {
    Input::Provider {
        from: "first".into(),
        event: ProviderEvent::Other {
            name: "any".into(),
            data: serde_json::Value::Null,
        },
    }
}

pub(crate) fn finished(number: u64, result: CallResult) -> Input {
    Input::Finished(Finished {
        number,
        result,
        token_renewed: false,
        attempts: 1,
    })
}

pub(crate) fn ok() -> HttpResponse {
    HttpResponse {
        status: 200,
        headers: vec![],
        body: vec![],
    }
}

pub(crate) fn call(id: &str) -> Effect {
    Call::new(id, HttpRequest::get("https://vendor.example/")).into()
}

pub(crate) fn text(text: &str) -> Command {
    Command::Message {
        content: Content::text(text),
        media: vec![],
        converted_from: None,
    }
}

pub(crate) fn picture() -> Command {
    Command::Message {
        content: Content::Image {
            url: "https://app.example/1.png".into(),
            thumbnail: None,
            width: None,
            height: None,
        },
        media: vec!["m1".into()],
        converted_from: None,
    }
}

pub(crate) fn agent(id: &str) -> Agent {
    Agent {
        id: Some(id.into()),
        ..Agent::default()
    }
}

pub(crate) fn from_desk(kind: SenderKind, says: &str) -> Incoming {
    Incoming::new(Sender::of(kind), Content::text(says))
}

pub(crate) fn rates_agent(stars: u8) -> Command {
    Command::Evaluate {
        evaluation: Evaluation {
            target: EvaluationTarget::Human,
            resolved: None,
            stars: Some(stars),
            tags: vec![],
            comment: None,
            invited: false,
        },
    }
}

pub(crate) fn rates_robot() -> Command {
    Command::Evaluate {
        evaluation: Evaluation {
            target: EvaluationTarget::Robot,
            resolved: Some(true),
            stars: None,
            tags: vec![],
            comment: None,
            invited: false,
        },
    }
}

/// A provider that can do everything; leaving ends its sessions.
pub(crate) fn able() -> Capabilities {
    let mut able = Capabilities::default();
    for kind in ContentKind::ALL {
        able = able.both(kind, Level::Full);
    }
    able.to_human = true;
    able.messages_while = vec![SessionState::Queued, SessionState::Unattended];
    able.leave_message.kind = LeaveMessageKind::Form;
    able.leave_message.when = vec![SessionState::Queued, SessionState::Unattended];
    able.evaluation.robot = RobotEvaluation::YesNo;
    able.evaluation.human = Some(HumanEvaluation {
        stars: true,
        comment: true,
        ..HumanEvaluation::default()
    });
    able.evaluation.by = vec![EvaluationStart::Visitor, EvaluationStart::Agent];
    able.exit = Exit::Ends;
    able.visitor_fields = ["name", "portrait", "custom"].map(str::to_owned).to_vec();
    able
}

/// A provider that carries text and nothing else; leaving keeps its sessions.
pub(crate) fn unable() -> Capabilities {
    Capabilities {
        exit: Exit::Keeps,
        ..Capabilities::default()
    }
    .both(ContentKind::Text, Level::Full)
}

/// 智齿's way: a rating is asked for at exit, after a minute.
pub(crate) fn asks_at_exit() -> Capabilities {
    let mut able = able();
    able.evaluation.by = vec![EvaluationStart::Agent, EvaluationStart::Exit];
    able.evaluation.after_seconds = 60;
    able
}

fn brief_event(event: &Event) -> String {
    match event {
        Event::FromVisitor { message } => format!("from_visitor {}", message.content.to_text()),
        Event::HumanRequested { group: Some(group) } => format!("human_requested {group}"),
        Event::CallFinished { call, .. } => format!("call_finished {call}"),
        Event::Closing { reason } => format!("closing {}", reason.as_str()),
        Event::TimerFired { timer } => format!("timer_fired {timer}"),
        other => serde_json::to_value(other).unwrap()["type"]
            .as_str()
            .unwrap()
            .to_owned(),
    }
}

fn brief(event: &LogEvent) -> String {
    match &event.body {
        EventBody::Opened(card) => {
            format!("session.opened {} {}", card.provider, card.state.as_str())
        }
        EventBody::State(change) => {
            format!(
                "session.state {} {}",
                change.from.as_str(),
                change.to.as_str()
            )
        }
        EventBody::Capabilities(_) => "session.capabilities".into(),
        EventBody::Moved(moved) => format!(
            "session.moved {} {} {:?}",
            moved.from, moved.to, moved.reason
        )
        .to_lowercase(),
        EventBody::Ended { reason } => format!("session.ended {}", reason.as_str()),
        EventBody::Message(message) => format!("message {}", message.content.to_text()),
        EventBody::Status { status, .. } => format!("message.status {status:?}").to_lowercase(),
        EventBody::Recalled { .. } => "message.recalled".into(),
        EventBody::Queue(queue) => format!("queue {}", queue.position),
        EventBody::Agent { event, agent } => {
            let who = agent.id.as_deref().unwrap_or("?");
            format!("agent {event:?} {who}").to_lowercase()
        }
        EventBody::EvaluationInvited(invitation) => {
            let window = invitation.expires_at.map_or(String::new(), |at| {
                format!(" for {} s", at.since_ms(event.at) / 1000)
            });
            format!("evaluation.invited {:?}{window}", invitation.target).to_lowercase()
        }
        EventBody::EvaluationSubmitted(EvaluationResult::Declined { .. }) => {
            "evaluation.declined".into()
        }
        EventBody::EvaluationSubmitted(EvaluationResult::Rated(_)) => "evaluation.submitted".into(),
        EventBody::LeaveMessageOffered(_) => "leave_message.offered".into(),
        EventBody::LeaveMessageSubmitted { .. } => "leave_message.submitted".into(),
    }
}

/// The adapter asks for nothing.
pub(crate) fn nothing(_: &HandleInput) -> Answer {
    Ok(vec![])
}

/// 智齿's way: `comment` for a rating, `out` at exit.
pub(crate) fn zhichi(input: &HandleInput) -> Answer {
    Ok(match &input.event {
        Event::Evaluated { .. } => vec![call("comment")],
        Event::Exited {} => vec![
            call("out"),
            Effect::Close {
                reason: EndReason::Visitor,
            },
        ],
        _ => vec![],
    })
}

pub(crate) fn invitation() -> Effect {
    Effect::Invite {
        target: EvaluationTarget::Human,
        form: None,
    }
}

pub(crate) fn close(reason: EndReason) -> Effect {
    Effect::Close { reason }
}
