//! What holds whatever visitors, vendors and adapters do.

use std::collections::BTreeSet;

use kefu_core::{
    command::Command,
    outbox::Finished,
    session::Record,
    turn::{Input, Outcome},
};
use kefu_plugin_api::{
    capability::{AgentChange, EndReason, EvaluationTarget, Queue, SessionState},
    effect::{Call, Effect},
    event::{CallResult, ProviderEvent},
    http::HttpRequest,
    message::SenderKind,
    wire::{decode, encode},
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
    ) {
        let first = if zhichi_like { asks_at_exit() } else { able() };
        let desk = Desk::of(first).and("second", unable());
        let mut visit = Visit::new(desk, &["first", "second"]);
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
    prop_assert!(after.state != SessionState::Opening || before.state == SessionState::Opening);
    Ok(())
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
