//! What holds whatever visitors, vendors and adapters do.

use std::collections::BTreeSet;

use kefu_core::{
    command::Command,
    log::EventBody,
    outbox::Finished,
    session::{Fallback, Handover, MAX_MOVES, Record},
    turn::{Input, Outcome},
};
use kefu_plugin_api::{
    capability::{AgentChange, EndReason, EvaluationTarget, Queue, SessionState},
    effect::{Call, Effect},
    event::{CallResult, Event, ProviderEvent},
    http::HttpRequest,
    message::{MessageStatus, SenderKind},
    wire::{HandleInput, decode, encode},
};
use proptest::{collection::vec, prelude::*};

use crate::visit::{
    Answer, Desk, Visit, able, agent, asks_at_exit, from_desk, ok, picture, rates_agent,
    rates_robot, text, unable,
};

/// One step: time passes, something comes, and the adapter answers this at
/// each of its calls in turn.
#[derive(Clone, Debug)]
struct Step {
    seconds: i64,
    input: Input,
    answers: Vec<Answer>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_happens_the_record_and_the_log_stay_sound(
        steps in vec(step(), 1..40),
        zhichi_like in any::<bool>(),
        hands_over in any::<bool>(),
    ) {
        let first = if zhichi_like { asks_at_exit() } else { able() };
        let desk = Desk::of(first).and("second", unable());
        let mut visit = Visit::new(desk, &["first", "second"]);
        visit.record.handover = hands_over.then(|| Handover {
            to: "second".into(),
            group: None,
            groups: Default::default(),
        });
        let mut entries = BTreeSet::new();
        let opens = Step { seconds: 0, input: Input::Open, answers: vec![] };
        for step in std::iter::once(opens).chain(steps) {
            visit.passes(step.seconds);
            let before = visit.record.clone();
            let mut again = visit.clone();
            let ran = run(&mut visit, &step);
            let repeated = run(&mut again, &step);
            prop_assert_eq!(format!("{ran:?}"), format!("{repeated:?}"));
            match ran {
                None => prop_assert_eq!(&before, &visit.record),
                Some(outcome) => sound(&before, &outcome, &mut entries)?,
            }
            let written: Record = decode(&encode(&visit.record).unwrap()).unwrap();
            prop_assert_eq!(&written, &visit.record);
        }
    }
}

fn run(visit: &mut Visit, step: &Step) -> Option<Outcome> {
    let mut answers = step.answers.iter().cloned();
    visit
        .run(step.input.clone(), |_| answers.next().unwrap_or(Ok(vec![])))
        .ok()
        .map(|ran| ran.outcome)
}

fn sound(
    before: &Record,
    outcome: &Outcome,
    entries: &mut BTreeSet<u64>,
) -> Result<(), TestCaseError> {
    let after = &outcome.record;
    let written = u64::from(outcome.changed);
    prop_assert_eq!(after.version, before.version + written);
    if !outcome.changed {
        prop_assert_eq!(after, before, "what changed is written");
    }
    let numbers: Vec<_> = outcome.events.iter().map(|event| event.seq).collect();
    let expected: Vec<_> = (before.last_seq + 1..=after.last_seq).collect();
    prop_assert_eq!(numbers, expected, "numbers have no gaps");
    for call in &outcome.calls {
        let newest = entries.last().copied().unwrap_or(0);
        prop_assert!(call.number > newest, "numbers of calls only grow");
        entries.insert(call.number);
    }
    if before.is_over() {
        prop_assert!(after.is_over(), "an end is final");
        prop_assert_eq!(after.end_reason, before.end_reason);
        prop_assert_eq!(after.ended_at, before.ended_at);
    }
    if after.is_over() {
        prop_assert!(after.waiting.is_empty(), "nothing waits for ever");
        prop_assert!(after.timers.len() <= 1);
        prop_assert!(!after.rating.exit_waits);
    }
    if before.had_human {
        prop_assert!(after.had_human);
        prop_assert_ne!(after.state, SessionState::Robot, "no way back to the robot");
    }
    prop_assert!(after.unread.len() <= 99);
    // There and back again within a turn is a move, too.
    let mut bodies = outcome.events.iter().map(|event| &event.body);
    let moved = bodies.any(|body| matches!(body, EventBody::Moved(_)));
    prop_assert!(
        after.state != SessionState::Opening || before.state == SessionState::Opening || moved
    );
    bound_to_one(before, outcome)
}

/// A session is at one provider at a time: what is asked for in a turn is
/// asked of the one that it had, then of the one that it has, and what the log
/// says of moves leads from the one to the other.
fn bound_to_one(before: &Record, outcome: &Outcome) -> Result<(), TestCaseError> {
    let after = &outcome.record;
    let mut at = before.provider.clone();
    for event in &outcome.events {
        if let EventBody::Moved(moved) = &event.body {
            prop_assert_eq!(&moved.from, &at);
            at = moved.to.clone();
        }
    }
    if before.is_shown() && !after.is_over() {
        prop_assert_eq!(&at, &after.provider, "the log says where the session is");
    }
    prop_assert!(after.moves.count <= MAX_MOVES);
    Ok(())
}

/// Where each message is that a visitor was told is accepted: sent (its call is
/// open), held by the adapter, waiting for a handshake, or settled.
fn each_in_one_place(visit: &Visit) -> Result<(), TestCaseError> {
    let mut settled = BTreeSet::new();
    for event in &visit.log {
        if let EventBody::Status {
            message, status, ..
        } = &event.body
            && *status != MessageStatus::Read
        {
            settled.insert(message.clone());
        }
    }
    let record = &visit.record;
    for event in &visit.log {
        let EventBody::Message(message) = &event.body else {
            continue;
        };
        if message.from.kind != SenderKind::Visitor {
            continue;
        }
        let open = record
            .open_calls
            .iter()
            .filter(|it| it.message.as_ref() == Some(&message.id));
        let places = [
            settled.contains(&message.id),
            open.count() > 0,
            record.held.contains(&message.id),
            record.waiting.iter().any(|one| one.id == message.id),
        ];
        let places = places.into_iter().filter(|is_there| *is_there).count();
        if record.is_over() {
            prop_assert!(places <= 1);
        } else {
            prop_assert_eq!(places, 1, "message {} of {:?}", message.id, record);
        }
    }
    Ok(())
}

/// An adapter that tells the fate of each message, whatever else it does: it
/// sends it, or holds it back until it hears something.
fn honest(input: &HandleInput, choice: u8) -> Vec<Effect> {
    match &input.event {
        Event::FromVisitor { message } if !choice.is_multiple_of(3) => {
            let request = HttpRequest::get("https://vendor.example/");
            let name = format!("s{}", message.id);
            vec![Call::new(name, request).carrying(message.id.clone()).into()]
        }
        Event::CallFinished {
            call,
            result: CallResult::Answered { .. },
            ..
        } => match call.as_str().strip_prefix('s') {
            Some(message) => vec![Effect::delivered(message.into())],
            None => vec![],
        },
        Event::Opened { .. } | Event::FromProvider { .. } | Event::HumanRequested { .. } => {
            match choice % 6 {
                0 => vec![],
                1 => vec![Effect::Close {
                    reason: EndReason::ProviderError,
                }],
                2 => vec![Effect::state(SessionState::Human)],
                3 => vec![Effect::state(SessionState::Queued)],
                4 => vec![Effect::state(SessionState::Unattended)],
                _ => vec![Effect::state(SessionState::Robot)],
            }
        }
        Event::Closing { .. } if choice.is_multiple_of(2) => {
            vec![Call::new("out", HttpRequest::get("https://vendor.example/")).into()]
        }
        _ => vec![],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_message_is_lost_or_sent_twice_however_often_a_session_moves(
        steps in vec((0..9_u8, any::<u8>(), any::<u8>()), 1..40),
        hands_over in any::<bool>(),
    ) {
        let desk = Desk::of(able()).and("second", able()).and("third", able());
        let mut visit = Visit::new(desk, &["first", "third"]);
        visit.record.handover = hands_over.then(|| Handover {
            to: "second".into(),
            group: None,
            groups: Default::default(),
        });
        let mut sent = BTreeSet::new();
        for (kind, choice, which) in std::iter::once((9, 5, 0)).chain(steps) {
            let before = visit.record.clone();
            let providers = ["first", "second", "third"];
            let input = match kind {
                0 | 1 => Input::Command(text("hello")),
                2 => Input::Command(Command::Human { group: None }),
                3 | 4 => Input::Provider {
                    from: before.provider.clone(),
                    event: ProviderEvent::Typing {},
                },
                5 => Input::Reopen {
                    from: before.provider.clone(),
                    order: providers.map(|to| Fallback::new(to, None)).to_vec(),
                },
                6 | 7 => {
                    let open = &before.open_calls;
                    let Some(call) = open.get(usize::from(which) % open.len().max(1)) else {
                        continue;
                    };
                    let detail = String::new();
                    let result = match choice % 4 {
                        0 => CallResult::NotSent { detail },
                        1 => CallResult::Unknown { detail },
                        _ => CallResult::Answered { response: ok() },
                    };
                    Input::Finished(Finished {
                        number: call.number,
                        result,
                        token_renewed: false,
                        attempts: 1,
                    })
                }
                8 => {
                    visit.passes(20);
                    Input::Timers
                }
                _ => Input::Open,
            };
            // Now and then a provider takes no calls.
            let all = visit.desk.clone();
            if which.is_multiple_of(7) {
                visit.desk.0.remove(&providers[usize::from(choice) % 3].into());
            }
            let mut turns = 0_u8;
            let ran = visit.run(input, |input| {
                turns += 1;
                // A table of its own for each call of the turn.
                Ok(honest(input, choice.wrapping_add(turns.wrapping_mul(which))))
            });
            visit.desk = all;
            let Ok(ran) = ran else { continue };
            bound_to_one(&before, &ran.outcome)?;
            for entry in &ran.outcome.calls {
                if let Some(message) = &entry.call.message {
                    let new = sent.insert((entry.provider.clone(), message.clone()));
                    // Back at a provider that has not confirmed it.
                    prop_assert!(new || before.moves.count > 0 || ran.outcome.record.moves.count > 0);
                }
            }
            each_in_one_place(&visit)?;
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        9 => vec(effect(), 0..5).prop_map(Ok),
        1 => Just(Err("panicked".to_owned())),
    ];
    (0..200_000_i64, input(), vec(answer, 0..4)).prop_map(|(seconds, input, answers)| Step {
        // Mostly seconds, sometimes days.
        seconds: if seconds % 5 == 0 {
            seconds
        } else {
            seconds % 90
        },
        input,
        answers,
    })
}

fn input() -> impl Strategy<Value = Input> {
    let from = prop_oneof![Just("first"), Just("second")];
    prop_oneof![
        6 => command().prop_map(Input::Command),
        6 => from.prop_map(|from| Input::Provider {
            from: from.into(),
            event: ProviderEvent::Typing {},
        }),
        4 => (1..20_u64, result(), any::<bool>()).prop_map(|(number, result, token_renewed)| {
            Input::Finished(Finished { number, result, token_renewed, attempts: 1 })
        }),
        2 => Just(Input::Timers),
        1 => Just(Input::Reopen {
            from: "first".into(),
            order: vec![Fallback::new("second", None)],
        }),
        1 => reason().prop_map(Input::Close),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(text("hello")),
        Just(picture()),
        Just(Command::Human { group: None }),
        Just(Command::Human {
            group: Some("g".into())
        }),
        Just(rates_agent(3)),
        Just(rates_robot()),
        Just(Command::DeclineEvaluation),
        Just(Command::LeaveMessage {
            fields: Default::default()
        }),
        Just(Command::Exit),
        Just(Command::Typing),
        (0..50_u64).prop_map(|seq| Command::Read { seq }),
        Just(Command::Profile {
            visitor: Default::default()
        }),
        Just(Command::Return),
    ]
}

fn result() -> impl Strategy<Value = CallResult> {
    let detail = || "detail".to_owned();
    prop_oneof![
        Just(CallResult::Answered { response: ok() }),
        Just(CallResult::NotSent { detail: detail() }),
        Just(CallResult::Unknown { detail: detail() }),
    ]
}

fn effect() -> impl Strategy<Value = Effect> {
    let target = prop_oneof![Just(EvaluationTarget::Robot), Just(EvaluationTarget::Human)];
    let change = prop_oneof![
        Just(AgentChange::Joined),
        Just(AgentChange::Left),
        Just(AgentChange::Transferred)
    ];
    prop_oneof![
        4 => state().prop_map(Effect::state),
        2 => (0..9_u8).prop_map(|id| {
            let request = HttpRequest::get("https://vendor.example/");
            Call::new(format!("c{id}"), request).carrying("m".into()).into()
        }),
        2 => Just(Effect::deliver(from_desk(SenderKind::Agent, "hi").with_vendor_id("v"))),
        1 => (1..9_u32).prop_map(|position| Effect::Queue {
            queue: Queue { position, ..Queue::default() },
        }),
        1 => (change, "[12]").prop_map(|(event, id)| Effect::Agent { event, agent: agent(&id) }),
        1 => target.prop_map(|target| Effect::Invite { target, form: None }),
        1 => Just(Effect::OfferLeaveMessage { form: None }),
        1 => any::<bool>().prop_map(|all| Effect::Capabilities {
            capabilities: Some(Box::new(if all { able() } else { unable() })),
            config: None,
        }),
        1 => Just(Effect::delivered("m".into())),
        1 => Just(Effect::Recall { vendor_id: "v".into() }),
        1 => Just(Effect::Typing {}),
        1 => (0..500_000_u64).prop_map(|after_ms| Effect::SetTimer { timer: "t".into(), after_ms }),
        1 => Just(Effect::CancelTimer { timer: "t".into() }),
        1 => "[ab]".prop_map(|vendor_session| Effect::Name { vendor_session }),
        1 => Just(Effect::TokenRejected { name: "t".into() }),
        1 => reason().prop_map(|reason| Effect::Close { reason }),
    ]
}

fn state() -> impl Strategy<Value = SessionState> {
    prop_oneof![
        1 => Just(SessionState::Opening),
        3 => Just(SessionState::Robot),
        3 => Just(SessionState::Queued),
        3 => Just(SessionState::Human),
        2 => Just(SessionState::Unattended),
        1 => Just(SessionState::Ended),
    ]
}

fn reason() -> impl Strategy<Value = EndReason> {
    prop_oneof![
        Just(EndReason::Agent),
        Just(EndReason::Visitor),
        Just(EndReason::Idle),
        Just(EndReason::ProviderError),
    ]
}
