//! Copies of sessions at another provider: what is tried when, and judged how.
#![allow(clippy::unwrap_used, reason = "what cannot be built is a failed test")]

use std::sync::Arc;

use kefu_core::{
    command::Command,
    session::{Fallback, Opening, Record},
    shadow::{Result as Came, Shadow, Try, Verdict},
    turn::{Context, Input, Log, ProviderFacts, Providers, Said, Turn},
};
use kefu_plugin_api::{
    capability::{Level, SessionState},
    descriptor::Descriptor,
    effect::{Call, Effect},
    event::{Client, Event, Visitor},
    http::HttpRequest,
    ids::{MessageId, ProviderId, SessionId},
    message::{Content, ContentKind, MessageStatus},
    time::Timestamp,
    wire::HandleOutput,
};

#[test]
fn what_is_said_before_anybody_took_the_session_is_tried_when_somebody_has() {
    let (mut shadow, opening) = pair();
    assert_eq!(shadow.follow(&opening, &opening, Some(say("1"))), []);
    assert_eq!(shadow.follow(&opening, &opening, Some(say("2"))), []);
    let robot = standing(&opening, SessionState::Robot);
    let tries = shadow.follow(&opening, &robot, None);
    let robot_tries = |text: &str| Try {
        state: SessionState::Robot,
        command: say(text),
    };
    assert_eq!(tries, [robot_tries("1"), robot_tries("2")]);
    assert_eq!(shadow.follow(&opening, &robot, None), [], "once");
}

#[test]
fn what_is_said_is_tried_where_the_session_stood_then() {
    let (mut shadow, opening) = pair();
    let robot = standing(&opening, SessionState::Robot);
    let human = standing(&opening, SessionState::Human);
    let tries = shadow.follow(&robot, &human, Some(say("1")));
    assert_eq!(tries[0].state, SessionState::Robot);
    assert_eq!(shadow.follow(&robot, &human, None), []);
}

#[test]
fn a_session_that_nobody_took_is_judged_by_nothing() {
    let (mut shadow, opening) = pair();
    shadow.follow(&opening, &opening, Some(say("1")));
    let ended = standing(&opening, SessionState::Ended);
    assert_eq!(shadow.follow(&opening, &ended, None), []);
    let robot = standing(&opening, SessionState::Robot);
    assert_eq!(shadow.follow(&opening, &robot, None), []);
}

#[test]
fn a_message_is_judged_by_kind_and_state_and_by_what_the_adapter_does() {
    let place = Content::Location {
        latitude: 1.0,
        longitude: 2.0,
        label: "here".into(),
    };
    let human = SessionState::Human;
    let of = |result: Came, kind: ContentKind, state, reason: Option<&str>| Verdict {
        what: "message",
        kind: Some(kind),
        state,
        result,
        reason: reason.map(str::to_owned),
    };
    let text = ContentKind::Text;
    assert_eq!(
        judge(human, say("x"), sends),
        of(Came::Full, text, human, None)
    );
    let location = ContentKind::Location;
    let converted = judge(human, message(place.clone()), sends);
    assert_eq!(
        converted,
        of(Came::Converted, location, human, Some("it goes as text"))
    );
    let rich = message(Content::Rich {
        title: "t".into(),
        summary: "s".into(),
        image_url: None,
        url: "https://a.example/".into(),
    });
    let refused = judge(human, rich, sends);
    assert_eq!(refused.result, Came::Refused);
    assert_eq!(
        refused.reason.as_deref(),
        Some("rich cannot be sent while the session is human")
    );
    let held = judge(human, say("x"), |_| vec![]);
    assert_eq!(held.result, Came::Held);
    let failed = judge(human, say("x"), |message| {
        vec![Effect::Status {
            message: message.clone(),
            status: MessageStatus::Failed,
            detail: Some("too long".into()),
        }]
    });
    assert_eq!(failed, of(Came::Failed, text, human, Some("too long")));
}

#[test]
fn what_the_real_provider_got_in_another_form_counts_as_what_the_visitor_sent() {
    let command = Command::Message {
        content: Content::text("(voice)"),
        media: vec![],
        converted_from: Some(ContentKind::Voice),
    };
    let verdict = judge(SessionState::Robot, command, sends);
    assert_eq!(verdict.kind, Some(ContentKind::Voice));
    assert_eq!(verdict.result, Came::Converted);
}

#[test]
fn a_copy_forgets_what_never_ends() {
    let (mut shadow, opening) = pair();
    let robot = standing(&opening, SessionState::Robot);
    for _ in 0..1_100 {
        shadow.mirror(&robot, SessionState::Robot);
        let mut turn = begin(&shadow, Input::Command(say("x"))).unwrap();
        let input = turn.next_call().unwrap();
        let Event::FromVisitor { message } = input.event else {
            panic!("{:?}", input.event);
        };
        let mut call = Call::new("always-the-same", HttpRequest::get("https://v.example/"));
        call.message = Some(message.id);
        let effects = vec![call.into()];
        turn.apply(output(effects)).unwrap();
        shadow.keep(turn.finish(false).record);
    }
    assert_eq!(shadow.record().open_calls.len(), 1);
}

/// The verdict on a command, with an adapter that answers each message so.
fn judge(
    state: SessionState,
    command: Command,
    answer: impl Fn(&MessageId) -> Vec<Effect>,
) -> Verdict {
    let (mut shadow, opening) = pair();
    let real = standing(&opening, state);
    let one = shadow.follow(&real, &real, Some(command)).remove(0);
    shadow.mirror(&real, one.state);
    let mut turn = match begin(&shadow, Input::Command(one.command.clone())) {
        Ok(turn) => turn,
        Err(problem) => return one.refused(&problem),
    };
    while let Some(input) = turn.next_call() {
        let Event::FromVisitor { message } = input.event else {
            panic!("{:?}", input.event);
        };
        turn.apply(output(answer(&message.id))).unwrap();
    }
    one.done(&turn.finish(false)).unwrap()
}

fn sends(message: &MessageId) -> Vec<Effect> {
    let mut call = Call::new("send", HttpRequest::get("https://v.example/"));
    call.message = Some(message.clone());
    vec![call.into()]
}

fn output(effects: Vec<Effect>) -> HandleOutput {
    HandleOutput {
        effects,
        state: vec![],
        state_version: "1".into(),
        notes: vec![],
    }
}

/// A copy whose adapter was told that it opens, and the real session.
fn pair() -> (Shadow, Record) {
    let real = Record::open(Opening {
        synthetic: false,
        id: "s".into(),
        app: "app".into(),
        desk: "desk".into(),
        visitor: Visitor {
            id: "v".into(),
            ..Visitor::default()
        },
        client: Client::default(),
        asked_group: None,
        order: vec![Fallback::new("old", None)],
        now: Timestamp::from_unix_ms(1),
    })
    .unwrap();
    let choice = Fallback::new("new", None);
    let mut shadow = Shadow::open(&real, choice).unwrap();
    let opened = begin(&shadow, Input::Open).unwrap().record().clone();
    shadow.keep(opened);
    (shadow, real)
}

fn standing(record: &Record, state: SessionState) -> Record {
    Record {
        state,
        ..record.clone()
    }
}

fn say(text: &str) -> Command {
    message(Content::text(text))
}

fn message(content: Content) -> Command {
    Command::Message {
        content,
        media: vec![],
        converted_from: None,
    }
}

fn begin(shadow: &Shadow, input: Input) -> Result<Turn<'static>, kefu_core::problem::Problem> {
    let context = Context {
        now: Timestamp::from_unix_ms(2),
        seed: 7,
        providers: &World,
        log: &World,
        trace: None,
    };
    Turn::begin(shadow.record().clone(), input, context)
}

struct World;

impl Providers for World {
    fn facts(&self, _: &ProviderId) -> Option<ProviderFacts> {
        let descriptor = Descriptor::new("new", "1.0.0")
            .supports(ContentKind::Text, Level::Full)
            .supports(ContentKind::Location, Level::Converted);
        Some(ProviderFacts {
            descriptor: Arc::new(descriptor),
            max_idle_ms: 1_000,
            deadline_ms: 1_000,
            callback_url: "".into(),
            emoji: None,
            visitor_fields: None,
        })
    }

    fn has_other_session(&self, _: &ProviderId, _: &Record) -> bool {
        false
    }
}

impl Log for World {
    fn said(&self, _: &SessionId, _: &MessageId) -> Option<Said> {
        None
    }

    fn since(&self, _: &SessionId, _: u64) -> Vec<kefu_core::log::LogEvent> {
        Vec::new()
    }

    fn is_own_media(&self, _: &str) -> bool {
        false
    }
}
