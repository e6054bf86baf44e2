//! Visitors who wait at a provider that fails, and are taken to the next.

use kefu_core::{
    command::Command,
    session::{Fallback, MAX_MOVES},
    turn::Input,
};
use kefu_plugin_api::{capability::SessionState, effect::Effect};

use crate::{
    handover::{Logged, sends, takes},
    visit::{Desk, Visit, able, text, unable},
};

fn reopen(visit: &mut Visit, order: &[&str]) -> Vec<String> {
    let input = Input::Reopen {
        from: visit.record.provider.clone(),
        order: order.iter().map(|&to| Fallback::new(to, None)).collect(),
    };
    visit.does(input, takes(SessionState::Queued))
}

#[test]
fn every_state_of_a_session_is_reopened_or_stays_as_it_should() {
    for (state, moves) in [
        (SessionState::Opening, true),
        (SessionState::Robot, false),
        (SessionState::Queued, true),
        (SessionState::Human, false),
        (SessionState::Unattended, true),
        (SessionState::Ended, false),
    ] {
        for absent in [false, true] {
            let mut visit = Visit::standing(able(), state);
            visit.desk = visit.desk.clone().and("second", able());
            if absent {
                visit.desk.0.remove(&"first".into());
            }
            let lines = reopen(&mut visit, &["first", "second"]);
            assert_eq!(!lines.is_empty(), moves, "{state:?}");
            if moves {
                assert_eq!(visit.record.provider.as_str(), "second");
                assert_eq!(visit.record.state, SessionState::Queued);
            }
            let opened = visit.log.iter().filter(|event| event.is_opened()).count();
            assert!(opened <= 1, "{state:?}: opened once");
            let moved = lines
                .iter()
                .filter(|line| line.starts_with("session.moved"))
                .count();
            let shown = moves && state != SessionState::Opening;
            assert_eq!(moved, usize::from(shown), "{state:?}: {lines:?}");
        }
    }
}

#[test]
fn whoever_waits_is_taken_along_with_words_and_wish() {
    let mut visit = Visit::new(Desk::of(able()).and("second", able()), &["first"]);
    visit.does(Input::Open, |_| {
        Ok(vec![Effect::state(SessionState::Robot)])
    });
    visit.effects(vec![
        Effect::robot_says("您好"),
        Effect::state(SessionState::Queued),
    ]);
    visit.does(Input::Command(text("还在等")), sends);
    let lines = reopen(&mut visit, &["second"]);
    assert_eq!(
        lines,
        [
            "told first closing transferred",
            "told second opened",
            "told second from_visitor 【此前的对话】\n机器人: 您好",
            "told second from_visitor 还在等",
            "session.moved first second failover",
            "session.state queued opening",
            "session.capabilities",
            "session.state opening queued",
            "call 2 first out",
            "call 3 second send 【此前的对话】\n机器人: 您好",
            "call 4 second send 还在等",
            "finished 1",
        ]
    );
}

#[test]
fn a_session_does_not_go_to_and_fro_for_ever() {
    let desk = Desk::of(able()).and("second", able());
    let mut visit = Visit::new(desk, &["first"]);
    visit.does(Input::Open, |_| {
        Ok(vec![Effect::state(SessionState::Queued)])
    });
    for _ in 0..MAX_MOVES {
        let before = visit.record.provider.clone();
        let to = if before.as_str() == "first" {
            "second"
        } else {
            "first"
        };
        let input = Input::Reopen {
            from: before,
            order: vec![Fallback::new(to, None)],
        };
        visit.does(input, |_| Ok(vec![Effect::state(SessionState::Queued)]));
        assert_eq!(visit.record.provider.as_str(), to);
    }
    assert!(reopen(&mut visit, &["first"]).is_empty());
}

#[test]
fn a_second_word_of_the_same_failure_moves_nobody() {
    let desk = Desk::of(able()).and("second", able()).and("third", able());
    let mut visit = Visit::new(desk, &["first"]);
    visit.does(Input::Open, |_| {
        Ok(vec![Effect::state(SessionState::Queued)])
    });
    let input = Input::Reopen {
        from: "first".into(),
        order: vec![Fallback::new("second", None), Fallback::new("third", None)],
    };
    visit.does(input.clone(), takes(SessionState::Queued));
    assert!(visit.does(input, |_| unreachable!()).is_empty());
    assert_eq!(visit.record.provider.as_str(), "second");
}

#[test]
fn nobody_is_taken_elsewhere_who_has_left_or_has_met_an_agent() {
    let queued = || {
        let mut visit = Visit::standing(unable(), SessionState::Queued);
        visit.desk = visit.desk.clone().and("second", able());
        visit
    };
    let mut left = queued();
    left.command(Command::Exit);
    assert!(reopen(&mut left, &["second"]).is_empty());
    let mut met = queued();
    met.moves_to(SessionState::Human);
    met.moves_to(SessionState::Queued);
    assert!(reopen(&mut met, &["second"]).is_empty());
}
