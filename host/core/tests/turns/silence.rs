//! Reminders of whoever says nothing while an agent answers.

use kefu_core::{command::Command, log::EventBody, turn::Input};
use kefu_plugin_api::{
    capability::{
        AgentChange, EndReason, Exit, IdleReminder, IdleReminders, SessionConfig, SessionState,
    },
    effect::Effect,
    message::SenderKind,
    wire::{decode, encode},
};

use crate::visit::{Visit, able, agent, close, from_desk, nothing, text};

const VISITOR_S: u64 = 60;
const AGENT_S: u64 = 90;
const STILL_THERE: &str = "message 您还在吗？";
const PATIENCE: &str = "message 坐席正忙，请稍候。";

fn reminders(visitor: Option<u64>, agent: Option<u64>) -> Effect {
    let reminder = |after_seconds, text: &str| IdleReminder {
        after_seconds,
        text: text.trim_start_matches("message ").into(),
    };
    Effect::Capabilities {
        capabilities: None,
        config: Some(SessionConfig {
            idle: IdleReminders {
                visitor: visitor.map(|after| reminder(after, STILL_THERE)),
                agent: agent.map(|after| reminder(after, PATIENCE)),
            },
            ..SessionConfig::default()
        }),
    }
}

/// A session at a vendor that has both reminders, standing there.
fn watched(state: SessionState) -> Visit {
    let mut visit = Visit::standing(
        kefu_plugin_api::capability::Capabilities {
            exit: Exit::Keeps,
            ..able()
        },
        SessionState::Opening,
    );
    visit.effects(vec![reminders(Some(VISITOR_S), Some(AGENT_S))]);
    visit.moves_to(state);
    visit
}

/// Time passes, and the timers are looked at as often as they want.
fn waits(visit: &mut Visit, seconds: i64) -> Vec<String> {
    let until = visit.now.plus_ms(seconds * 1000);
    let mut lines = Vec::new();
    while let Some(due) = visit.record.next_due().filter(|due| *due <= until) {
        visit.now = due.max(visit.now);
        lines.extend(visit.does(Input::Timers, nothing));
    }
    visit.now = until;
    lines
}

fn says(visit: &mut Visit, who: SenderKind) {
    match who {
        SenderKind::Visitor => visit.command(text("hello")),
        who => visit.effects(vec![Effect::deliver(from_desk(who, "hi"))]),
    };
}

#[test]
fn a_silent_visitor_is_reminded_once_until_it_speaks() {
    let mut visit = watched(SessionState::Human);
    says(&mut visit, SenderKind::Agent);
    assert!(waits(&mut visit, 59).is_empty());
    assert_eq!(waits(&mut visit, 1), [STILL_THERE]);
    assert!(waits(&mut visit, 3600).is_empty());
    // The same silence goes on, whatever the agent says.
    says(&mut visit, SenderKind::Agent);
    assert!(waits(&mut visit, 3600).is_empty());
    says(&mut visit, SenderKind::Visitor);
    says(&mut visit, SenderKind::Agent);
    assert_eq!(waits(&mut visit, 60), [STILL_THERE]);
}

#[test]
fn each_word_of_the_agent_gives_the_visitor_the_whole_time() {
    let mut visit = watched(SessionState::Human);
    says(&mut visit, SenderKind::Agent);
    for _ in 0..5 {
        assert!(waits(&mut visit, 59).is_empty());
        says(&mut visit, SenderKind::Agent);
    }
    assert_eq!(waits(&mut visit, 60), [STILL_THERE]);
}

#[test]
fn an_agent_who_does_not_answer_is_excused_once_in_the_vendors_words() {
    let mut visit = watched(SessionState::Human);
    says(&mut visit, SenderKind::Agent);
    says(&mut visit, SenderKind::Visitor);
    // A visitor who goes on writing waits since the first time.
    assert!(waits(&mut visit, 45).is_empty());
    says(&mut visit, SenderKind::Visitor);
    assert!(waits(&mut visit, 44).is_empty());
    assert_eq!(waits(&mut visit, 1), [PATIENCE]);
    says(&mut visit, SenderKind::Visitor);
    assert!(waits(&mut visit, 3600).is_empty());
    says(&mut visit, SenderKind::Agent);
    says(&mut visit, SenderKind::Visitor);
    assert_eq!(waits(&mut visit, 90), [PATIENCE]);
}

#[test]
fn with_an_agents_arrival_it_is_the_turn_of_both() {
    let mut visit = watched(SessionState::Human);
    assert_eq!(waits(&mut visit, 3600), [STILL_THERE, PATIENCE]);
    let mut greeted = watched(SessionState::Queued);
    greeted.effects(vec![
        Effect::deliver(from_desk(SenderKind::Agent, "welcome")),
        Effect::state(SessionState::Human),
    ]);
    assert_eq!(waits(&mut greeted, 3600), [STILL_THERE]);
}

#[test]
fn another_agent_gets_the_whole_time() {
    let mut visit = watched(SessionState::Queued);
    visit.effects(vec![Effect::Agent {
        event: AgentChange::Joined,
        agent: agent("1"),
    }]);
    says(&mut visit, SenderKind::Agent);
    says(&mut visit, SenderKind::Visitor);
    assert!(waits(&mut visit, 80).is_empty());
    visit.effects(vec![Effect::Agent {
        event: AgentChange::Transferred,
        agent: agent("2"),
    }]);
    assert!(waits(&mut visit, 89).is_empty());
    assert_eq!(waits(&mut visit, 1), [PATIENCE]);
}

#[test]
fn nobody_is_reminded_while_no_agent_answers() {
    for state in [
        SessionState::Opening,
        SessionState::Robot,
        SessionState::Queued,
        SessionState::Unattended,
    ] {
        let mut visit = watched(SessionState::Opening);
        if state != SessionState::Opening {
            visit.moves_to(state);
        }
        says(&mut visit, SenderKind::Robot);
        says(&mut visit, SenderKind::Visitor);
        says(&mut visit, SenderKind::Agent);
        assert!(waits(&mut visit, 3600).is_empty(), "{state:?}");
    }
    let mut visit = watched(SessionState::Human);
    visit.moves_to(SessionState::Unattended);
    assert!(waits(&mut visit, 3600).is_empty());
}

#[test]
fn nobody_is_reminded_who_has_left_or_whose_session_is_over() {
    let mut left = watched(SessionState::Human);
    left.command(Command::Exit);
    says(&mut left, SenderKind::Agent);
    assert!(waits(&mut left, 3600).is_empty());
    // Who comes back can be reminded again.
    says(&mut left, SenderKind::Visitor);
    says(&mut left, SenderKind::Agent);
    assert_eq!(waits(&mut left, 3600), [STILL_THERE]);
    let mut over = watched(SessionState::Human);
    over.effects(vec![close(EndReason::QueueTimeout)]);
    says(&mut over, SenderKind::Agent);
    assert!(waits(&mut over, 3600).is_empty());
}

#[test]
fn a_reminder_is_the_platforms_and_counts_neither_as_unread_nor_as_life() {
    let mut visit = watched(SessionState::Human);
    says(&mut visit, SenderKind::Agent);
    let (unread, active) = (visit.record.unread.clone(), visit.record.active_at);
    visit.passes(VISITOR_S as i64);
    let ran = visit.run(Input::Timers, nothing).unwrap();
    let EventBody::Message(reminder) = &ran.outcome.events[0].body else {
        panic!("{:?}", ran.lines)
    };
    assert_eq!(reminder.from.kind, SenderKind::System);
    assert_eq!(visit.record.unread, unread);
    assert_eq!(visit.record.active_at, active);
}

#[test]
fn a_vendor_that_tells_nothing_reminds_by_itself() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    says(&mut visit, SenderKind::Agent);
    says(&mut visit, SenderKind::Visitor);
    assert!(waits(&mut visit, 3600).is_empty());
    let mut empty = Visit::standing(able(), SessionState::Opening);
    empty.effects(vec![reminders(Some(0), None)]);
    empty.moves_to(SessionState::Human);
    assert!(waits(&mut empty, 3600).is_empty());
}

#[test]
fn changed_reminders_hold_for_a_silence_that_is_under_way() {
    let mut visit = watched(SessionState::Human);
    says(&mut visit, SenderKind::Agent);
    assert!(waits(&mut visit, 20).is_empty());
    visit.effects(vec![reminders(Some(30), None)]);
    assert!(waits(&mut visit, 9).is_empty());
    assert_eq!(waits(&mut visit, 1), [STILL_THERE]);
    says(&mut visit, SenderKind::Visitor);
    says(&mut visit, SenderKind::Agent);
    visit.effects(vec![reminders(None, None)]);
    assert!(waits(&mut visit, 3600).is_empty());
    let mut longest = watched(SessionState::Human);
    longest.effects(vec![reminders(Some(u64::MAX), Some(u64::MAX))]);
    assert!(waits(&mut longest, 3600).is_empty());
}

#[test]
fn a_silence_is_written_with_the_record() {
    let mut visit = watched(SessionState::Human);
    says(&mut visit, SenderKind::Agent);
    visit.record = decode(&encode(&visit.record).unwrap()).unwrap();
    assert_eq!(waits(&mut visit, 60), [STILL_THERE]);
    visit.record = decode(&encode(&visit.record).unwrap()).unwrap();
    says(&mut visit, SenderKind::Agent);
    assert!(waits(&mut visit, 3600).is_empty());
}
