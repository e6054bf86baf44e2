//! What turns mean for the numbers by which providers are compared.

use kefu_core::{
    command::Command,
    figures::{Seen, observe, open_question},
    turn::Input,
};
use kefu_plugin_api::{
    capability::{EndReason, Evaluation, EvaluationTarget, SessionState},
    effect::Effect,
    event::{CallResult, Event},
    message::{MessageStatus, SenderKind},
    time::Timestamp,
    wire::HandleInput,
};

use crate::visit::{
    Answer, Desk, Visit, able, call, close, finished, from_desk, nothing, text, told,
};

/// Runs a turn and tells what it means, as `provider what`.
fn sees(
    visit: &mut Visit,
    input: Input,
    adapter: impl FnMut(&HandleInput) -> Answer,
) -> Vec<String> {
    let before = visit.record.clone();
    let outcome = visit.run(input, adapter).unwrap().outcome;
    observe(&before, &outcome.record, &outcome.events, &outcome.missed)
        .into_iter()
        .map(|it| format!("{} {}", it.provider, brief(it.seen)))
        .collect()
}

fn brief(seen: Seen) -> String {
    match seen {
        Seen::Asked { .. } => "asked".into(),
        Seen::Answered { took, .. } => format!("answered after {} s", took.as_secs()),
        Seen::Unanswered { .. } => "unanswered".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// The adapter says nothing but these effects, to whatever it is told first.
fn says(effects: Vec<Effect>) -> impl FnMut(&HandleInput) -> Answer {
    let mut effects = Some(effects);
    move |_| Ok(effects.take().unwrap_or_default())
}

fn vendor(visit: &mut Visit, effects: Vec<Effect>) -> Vec<String> {
    sees(visit, told(), says(effects))
}

fn visitor(visit: &mut Visit, command: Command) -> Vec<String> {
    sees(visit, Input::Command(command), nothing)
}

fn desk_says(kind: SenderKind, words: &str) -> Effect {
    Effect::deliver(from_desk(kind, words))
}

fn status(status: MessageStatus) -> Effect {
    Effect::Status {
        message: "m".into(),
        status,
        detail: None,
    }
}

fn rating(stars: Option<u8>, resolved: Option<bool>) -> Command {
    Command::Evaluate {
        evaluation: Evaluation {
            target: EvaluationTarget::Human,
            resolved,
            stars,
            tags: vec![],
            comment: None,
            invited: false,
        },
    }
}

#[test]
fn an_opening_counts_when_the_vendor_takes_it() {
    let mut visit = Visit::new(Desk::of(able()), &["first"]);
    let none: [&str; 0] = [];
    assert_eq!(sees(&mut visit, Input::Open, nothing), none);
    let taken = vendor(&mut visit, vec![Effect::state(SessionState::Robot)]);
    assert_eq!(taken, ["first taken"]);
    let moved = vendor(&mut visit, vec![Effect::state(SessionState::Human)]);
    assert_eq!(moved, none);
    assert_eq!(
        vendor(&mut visit, vec![close(EndReason::Agent)]),
        ["first ended"]
    );
    assert_eq!(vendor(&mut visit, vec![close(EndReason::Agent)]), none);
}

#[test]
fn every_provider_that_did_not_take_the_session_is_told() {
    let desk = Desk::of(able()).and("second", able()).and("third", able());
    let mut visit = Visit::new(desk, &["first", "second", "third"]);
    let seen = sees(&mut visit, Input::Open, |input| {
        if input.session.provider.as_str() == "third" {
            return Ok(vec![Effect::state(SessionState::Human)]);
        }
        Err("no".into())
    });
    assert_eq!(seen, ["first nottaken", "second nottaken", "third taken"]);
}

#[test]
fn a_session_that_nobody_takes_failed_and_did_not_end() {
    let mut visit = Visit::new(Desk::of(able()), &["first"]);
    visit.does(Input::Open, nothing);
    visitor(&mut visit, text("hello"));
    let seen = vendor(&mut visit, vec![close(EndReason::ProviderError)]);
    assert_eq!(
        seen,
        ["first nottaken"],
        "nor did the message fail: it was never sent"
    );
}

#[test]
fn one_that_is_not_in_service_was_not_asked() {
    let desk = Desk::default().and("second", able());
    let mut visit = Visit::new(desk, &["first", "second"]);
    let seen = sees(
        &mut visit,
        Input::Open,
        says(vec![Effect::state(SessionState::Robot)]),
    );
    assert_eq!(seen, ["second taken"]);
}

#[test]
fn a_visitor_who_leaves_during_the_opening_decides_nothing() {
    let mut visit = Visit::standing(able(), SessionState::Opening);
    let seen = visitor(&mut visit, Command::Exit);
    assert_eq!(seen, [] as [&str; 0]);
}

#[test]
fn deliveries_count_by_what_became_of_them() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    for (fate, seen) in [
        (MessageStatus::Delivered, "first delivered"),
        (MessageStatus::Failed, "first failed"),
        (MessageStatus::Unknown, "first unknown"),
        (MessageStatus::Read, "first read"),
    ] {
        assert_eq!(vendor(&mut visit, vec![status(fate)]), [seen]);
    }
}

#[test]
fn a_message_that_is_taken_back_counts_once() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    let oops = from_desk(SenderKind::Agent, "oops").with_vendor_id("v1");
    vendor(&mut visit, vec![Effect::deliver(oops)]);
    let recall = || {
        vec![Effect::Recall {
            vendor_id: "v1".into(),
        }]
    };
    assert_eq!(vendor(&mut visit, recall()), ["first recalled"]);
    assert_eq!(vendor(&mut visit, recall()), [] as [&str; 0]);
}

#[test]
fn a_call_that_the_vendor_does_not_answer_counts_for_its_message() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    let sent = sees(&mut visit, Input::Command(text("hello")), |input| {
        let Event::FromVisitor { message } = &input.event else {
            return Ok(vec![]);
        };
        let Effect::Call { call } = call("send") else {
            unreachable!("it is a call");
        };
        let call = call.carrying(message.id.clone());
        Ok(vec![call.into()])
    });
    assert_eq!(sent, ["first asked"]);
    let number = visit.record.open_calls[0].number;
    let lost = CallResult::Unknown {
        detail: "no answer".into(),
    };
    let seen = sees(&mut visit, finished(number, lost), nothing);
    assert_eq!(seen, ["first unknown"]);
}

#[test]
fn the_first_question_gets_its_first_answer() {
    let mut visit = Visit::standing(able(), SessionState::Robot);
    let greeting = vec![desk_says(SenderKind::Robot, "welcome")];
    assert_eq!(vendor(&mut visit, greeting), [] as [&str; 0]);
    assert_eq!(visitor(&mut visit, text("hello")), ["first asked"]);
    let since = visit.now;
    assert_eq!(open_question(&visit.record), Some(since));
    visit.passes(3);
    assert_eq!(visitor(&mut visit, text("anybody?")), [] as [&str; 0]);
    let notice = vec![desk_says(SenderKind::System, "please wait")];
    assert_eq!(vendor(&mut visit, notice), [] as [&str; 0]);
    visit.passes(4);
    let answer = || vec![desk_says(SenderKind::Agent, "yes")];
    assert_eq!(vendor(&mut visit, answer()), ["first answered after 7 s"]);
    assert_eq!(open_question(&visit.record), None);
    assert_eq!(vendor(&mut visit, answer()), [] as [&str; 0]);
    let ended = vendor(&mut visit, vec![close(EndReason::Agent)]);
    assert_eq!(ended, ["first ended"]);
}

#[test]
fn a_question_asked_while_opening_waits_since_the_provider_was_asked() {
    let desk = Desk::of(able()).and("second", able());
    let mut visit = Visit::new(desk, &["first", "second"]);
    visit.does(Input::Open, nothing);
    assert_eq!(visitor(&mut visit, text("hello")), [] as [&str; 0]);
    visit.passes(10);
    let failed = vendor(&mut visit, vec![close(EndReason::ProviderError)]);
    assert_eq!(failed, ["first nottaken"]);
    visit.passes(2);
    let from_second = || Input::Provider {
        from: "second".into(),
        event: match told() {
            Input::Provider { event, .. } => event,
            _ => unreachable!("it is a word of the vendor"),
        },
    };
    let greets = vec![
        Effect::state(SessionState::Robot),
        desk_says(SenderKind::Robot, "welcome"),
    ];
    let seen = sees(&mut visit, from_second(), says(greets));
    assert_eq!(
        seen,
        ["second taken", "second asked"],
        "a greeting is no answer"
    );
    visit.passes(3);
    let answer = says(vec![desk_says(SenderKind::Robot, "yes")]);
    let seen = sees(&mut visit, from_second(), answer);
    assert_eq!(seen, ["second answered after 5 s"]);
}

#[test]
fn a_session_that_ends_without_an_answer_was_not_answered() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    visitor(&mut visit, text("hello"));
    let seen = vendor(&mut visit, vec![close(EndReason::Agent)]);
    assert_eq!(seen, ["first unanswered", "first ended"]);
    let late = vendor(&mut visit, vec![desk_says(SenderKind::Agent, "sorry")]);
    assert_eq!(late, [] as [&str; 0]);
}

#[test]
fn a_question_that_goes_elsewhere_was_not_answered_and_is_asked_there() {
    let mut visit = Visit::standing(able(), SessionState::Queued);
    let mut asked = visit.record.clone();
    asked.service.asked_at = Some(visit.now);
    visit.passes(30);
    let mut moved = asked.clone();
    moved.provider = "second".into();
    moved.service.begun_at = visit.now;
    moved.service.taken_at = Some(visit.now);
    let seen: Vec<_> = observe(&asked, &moved, &[], &Default::default())
        .into_iter()
        .map(|it| (it.provider.into_string(), it.seen))
        .collect();
    let unanswered = Seen::Unanswered {
        since: visit.now.plus_ms(-30_000),
    };
    let asked = Seen::Asked { since: visit.now };
    assert_eq!(
        seen,
        [
            ("second".into(), Seen::Taken),
            ("first".into(), unanswered),
            ("second".into(), asked)
        ]
    );
}

#[test]
fn what_became_of_messages_when_a_session_leaves_belongs_to_whom_it_leaves() {
    let mut visit = Visit::standing(able(), SessionState::Queued);
    let before = visit.record.clone();
    let lost = vec![status(MessageStatus::Unknown)];
    let outcome = visit.run(told(), says(lost)).unwrap().outcome;
    let mut moved = outcome.record;
    moved.provider = "second".into();
    moved.state = SessionState::Opening;
    moved.service = Default::default();
    let seen = observe(&before, &moved, &outcome.events, &outcome.missed);
    let seen: Vec<_> = seen
        .iter()
        .map(|it| (it.provider.as_str(), it.seen))
        .collect();
    assert_eq!(seen, [("first", Seen::Unknown)]);
    let mut over = moved.clone();
    over.state = SessionState::Ended;
    let ended = observe(&moved, &over, &[], &Default::default());
    assert_eq!(ended, [], "the second never had it");
}

#[test]
fn ratings_are_put_on_one_scale() {
    for (stars, resolved, expected) in [
        (Some(1), None, vec!["first rated(0)"]),
        (Some(4), None, vec!["first rated(75)"]),
        (Some(5), None, vec!["first rated(100)"]),
        (
            None,
            Some(false),
            vec!["first rated(0)", "first resolved(false)"],
        ),
        (
            Some(3),
            Some(true),
            vec!["first rated(50)", "first resolved(true)"],
        ),
        (None, None, vec![]),
    ] {
        let mut able = able();
        let form = able.evaluation.human.get_or_insert_default();
        (form.stars, form.resolved) = (true, true);
        able.evaluation
            .by
            .push(kefu_plugin_api::capability::EvaluationStart::Visitor);
        let mut visit = Visit::standing(able, SessionState::Human);
        let seen = visitor(&mut visit, rating(stars, resolved));
        assert_eq!(seen, expected, "{stars:?} {resolved:?}");
    }
}

#[test]
fn a_session_from_before_this_was_measured_has_no_question() {
    let mut visit = Visit::standing(able(), SessionState::Robot);
    visit.record.service = Default::default();
    assert_eq!(visitor(&mut visit, text("hello")), [] as [&str; 0]);
    assert_eq!(visit.record.service.begun_at, Timestamp::default());
    assert_eq!(open_question(&visit.record), None);
}
