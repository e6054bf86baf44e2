//! Rating: the window at exit, the invitation by the vendor, the end.

use kefu_core::command::Command;
use kefu_core::turn::Input;
use kefu_plugin_api::capability::{EndReason, SessionState};

use crate::visit::{
    Visit, able, asks_at_exit, close, invitation, nothing, rates_agent, rates_robot, text, unable,
    zhichi,
};

#[test]
fn a_rating_at_exit_is_sent_before_out() {
    let mut visit = leaving();
    assert!(!visit.record.visitor_present);
    assert_eq!(
        visit.does(Input::Command(rates_agent(5)), zhichi),
        [
            "told first evaluated",
            "told first exited",
            "evaluation.submitted",
            "session.ended visitor",
            "call 1 first comment",
            "call 2 first out",
        ]
    );
    assert!(visit.record.timers.is_empty());
}

#[test]
fn a_declined_rating_at_exit_lets_the_visitor_out() {
    let mut visit = leaving();
    let lines = visit.does(Input::Command(Command::DeclineEvaluation), zhichi);
    assert_eq!(
        lines,
        [
            "told first exited",
            "evaluation.declined",
            "session.ended visitor",
            "call 1 first out"
        ]
    );
}

#[test]
fn a_second_exit_does_not_wait_for_the_rating() {
    let mut visit = leaving();
    assert_eq!(visit.does(Input::Command(Command::Exit), zhichi), OUT);
    assert_eq!(visit.refused(rates_agent(5)).slug.as_str(), "session-ended");
}

#[test]
fn the_window_for_a_rating_closes_by_itself() {
    let mut visit = leaving();
    visit.passes(299);
    assert!(visit.does(Input::Timers, zhichi).is_empty());
    visit.passes(1);
    assert_eq!(visit.does(Input::Timers, zhichi), OUT);
}

#[test]
fn whoever_writes_while_leaving_has_come_back() {
    for back in [
        text("wait"),
        Command::Return,
        Command::Human { group: None },
    ] {
        let mut visit = leaving();
        // Asking for a human is possible only without one.
        if matches!(back, Command::Human { .. }) {
            visit.moves_to(SessionState::Queued);
        }
        visit.does(Input::Command(back), nothing);
        assert!(visit.record.visitor_present);
        visit.passes(300);
        assert!(visit.does(Input::Timers, zhichi).is_empty());
        assert!(!visit.record.is_over());
        assert_eq!(
            visit.does(Input::Command(Command::Exit), zhichi),
            ["evaluation.invited human for 300 s"]
        );
    }
}

#[test]
fn a_visitor_who_came_back_can_still_rate_and_stays() {
    let mut visit = leaving();
    visit.does(Input::Command(text("wait")), nothing);
    assert_eq!(
        visit.does(Input::Command(rates_agent(5)), zhichi),
        [
            "told first evaluated",
            "evaluation.submitted",
            "call 1 first comment"
        ]
    );
    assert_eq!(
        visit.does(Input::Command(Command::Exit), zhichi),
        [
            "told first exited",
            "session.ended visitor",
            "call 2 first out"
        ]
    );
}

#[test]
fn nobody_is_asked_before_the_time_has_passed() {
    let mut visit = Visit::standing(asks_at_exit(), SessionState::Human);
    visit.passes(59);
    assert_eq!(visit.does(Input::Command(Command::Exit), zhichi), OUT);
}

#[test]
fn the_robot_is_rated_at_exit_where_no_agent_answered() {
    let mut visit = Visit::standing(asks_at_exit(), SessionState::Robot);
    visit.passes(60);
    assert_eq!(
        visit.does(Input::Command(Command::Exit), zhichi),
        ["evaluation.invited robot for 300 s"]
    );
    assert_eq!(visit.refused(rates_agent(5)).slug.as_str(), "not-invited");
    let lines = visit.does(Input::Command(rates_robot()), zhichi);
    assert_eq!(lines[..2], ["told first evaluated", "told first exited"]);
}

#[test]
fn whoever_has_rated_is_not_asked_again() {
    let mut visit = Visit::standing(asks_at_exit(), SessionState::Robot);
    visit.does(Input::Command(rates_robot()), nothing);
    assert_eq!(visit.refused(rates_robot()).slug.as_str(), "not-invited");
    visit.passes(60);
    assert_eq!(visit.does(Input::Command(Command::Exit), zhichi), OUT);
}

#[test]
fn whoever_declined_the_agent_is_not_asked_again_at_exit() {
    let mut visit = served();
    visit.effects(vec![invitation()]);
    visit.command(Command::DeclineEvaluation);
    assert_eq!(visit.does(Input::Command(Command::Exit), zhichi), OUT);
}

#[test]
fn an_invitation_that_is_open_is_asked_for_once_more_at_exit() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    assert_eq!(
        visit.effects(vec![invitation()]),
        ["told first from_provider", "evaluation.invited human"]
    );
    assert_eq!(
        visit.does(Input::Command(Command::Exit), zhichi),
        ["evaluation.invited human for 300 s"]
    );
}

#[test]
fn after_the_agent_ended_it_the_visitor_can_rate_for_a_while() {
    let mut visit = served();
    assert_eq!(
        visit.effects(vec![close(EndReason::Agent)]),
        [
            "told first from_provider",
            "evaluation.invited human for 300 s",
            "session.ended agent",
        ]
    );
    let mut late = visit.clone();
    assert_eq!(
        visit.does(Input::Command(rates_agent(4)), zhichi),
        [
            "told first evaluated",
            "evaluation.submitted",
            "call 1 first comment"
        ]
    );
    assert_eq!(visit.refused(rates_agent(4)).slug.as_str(), "session-ended");
    late.passes(300);
    assert!(late.does(Input::Timers, zhichi).is_empty());
    assert_eq!(late.refused(rates_agent(4)).slug.as_str(), "session-ended");
}

#[test]
fn the_agent_may_end_it_while_the_visitor_is_asked() {
    let mut visit = leaving();
    assert_eq!(
        visit.effects(vec![close(EndReason::Agent)]),
        ["told first from_provider", "session.ended agent"]
    );
    assert_eq!(
        visit.does(Input::Command(rates_agent(4)), zhichi),
        [
            "told first evaluated",
            "evaluation.submitted",
            "call 1 first comment"
        ]
    );
}

#[test]
fn an_end_for_any_other_reason_invites_nobody() {
    for reason in [
        EndReason::Idle,
        EndReason::Blocked,
        EndReason::ProviderError,
    ] {
        let mut visit = served();
        let ended = format!("session.ended {}", reason.as_str());
        assert_eq!(
            visit.effects(vec![close(reason)]),
            ["told first from_provider", ended.as_str()]
        );
    }
}

#[test]
fn what_the_form_does_not_ask_is_refused() {
    let mut visit = leaving();
    let Command::Evaluate { mut evaluation } = rates_agent(5) else {
        unreachable!()
    };
    evaluation.tags = vec!["kind".into()];
    let problem = visit.refused(Command::Evaluate { evaluation });
    assert_eq!(problem.slug.as_str(), "unsupported-by-provider");
    assert_eq!(problem.errors[0].pointer, "/tags");
}

#[test]
fn an_invitation_that_nobody_could_answer_is_not_shown() {
    for state in [SessionState::Opening, SessionState::Unattended] {
        let mut visit = Visit::standing(asks_at_exit(), state);
        assert_eq!(
            visit.effects(vec![invitation()]),
            ["told first from_provider"]
        );
    }
    let mut visit = Visit::standing(unable(), SessionState::Human);
    assert_eq!(
        visit.effects(vec![invitation()]),
        ["told first from_provider"]
    );
}

#[test]
fn a_session_that_the_gateway_closes_invites_nobody() {
    let mut visit = leaving();
    visit.does(Input::Close(EndReason::Idle), nothing);
    assert_eq!(visit.refused(rates_agent(5)).slug.as_str(), "session-ended");
    assert!(visit.record.timers.is_empty());
}

/// A session with an agent for two minutes.
fn served() -> Visit {
    let mut visit = Visit::standing(asks_at_exit(), SessionState::Human);
    visit.passes(120);
    visit
}

fn leaving() -> Visit {
    let mut visit = served();
    assert_eq!(
        visit.does(Input::Command(Command::Exit), zhichi),
        ["evaluation.invited human for 300 s"]
    );
    visit
}

/// What leaving without a rating is.
const OUT: [&str; 3] = [
    "told first exited",
    "session.ended visitor",
    "call 1 first out",
];
