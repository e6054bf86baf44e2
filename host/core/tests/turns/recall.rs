//! Messages that the desk takes back.

use kefu_core::command::Command;
use kefu_plugin_api::{capability::SessionState, effect::Effect, message::SenderKind};

use crate::visit::{Visit, able, close, from_desk, told};

fn says(visit: &mut Visit, vendor_id: &str) {
    let message = from_desk(SenderKind::Agent, vendor_id).with_vendor_id(vendor_id);
    visit.effects(vec![Effect::deliver(message)]);
}

fn recall(vendor_id: &str) -> Effect {
    Effect::Recall {
        vendor_id: vendor_id.into(),
    }
}

fn unread(visit: &Visit) -> u32 {
    visit.record.card().unread
}

#[test]
fn a_message_that_is_taken_back_need_not_be_read() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    says(&mut visit, "a");
    says(&mut visit, "b");
    assert_eq!(unread(&visit), 2);
    assert_eq!(visit.effects(vec![recall("a")])[1..], ["message.recalled"]);
    assert_eq!(unread(&visit), 1);
    // A vendor that repeats itself changes nothing.
    assert!(visit.effects(vec![recall("a")])[1..].is_empty());
    assert_eq!(unread(&visit), 1);
}

#[test]
fn a_message_that_was_read_is_taken_back_as_well() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    says(&mut visit, "a");
    let seq = visit.record.last_seq;
    visit.command(Command::Read { seq });
    assert_eq!(visit.effects(vec![recall("a")])[1..], ["message.recalled"]);
    assert_eq!(unread(&visit), 0);
}

#[test]
fn a_message_can_be_taken_back_in_the_turn_that_brings_it() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    let message = from_desk(SenderKind::Agent, "oops").with_vendor_id("a");
    let lines = visit.effects(vec![Effect::deliver(message), recall("a"), recall("a")]);
    assert_eq!(lines[1..], ["message oops", "message.recalled"]);
    assert_eq!(unread(&visit), 0);
}

#[test]
fn a_message_that_nobody_knows_is_counted_and_harms_nothing() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    says(&mut visit, "a");
    let ran = visit.run(told(), |_| Ok(vec![recall("of-another-session")]));
    let outcome = ran.unwrap().outcome;
    assert_eq!(outcome.unknown_recalls, 1);
    assert!(outcome.events.is_empty());
    assert_eq!(unread(&visit), 1);
}

#[test]
fn a_message_can_be_taken_back_after_the_end() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    says(&mut visit, "a");
    visit.effects(vec![close(kefu_plugin_api::capability::EndReason::Agent)]);
    assert_eq!(visit.effects(vec![recall("a")])[1..], ["message.recalled"]);
    assert_eq!(unread(&visit), 0);
}
