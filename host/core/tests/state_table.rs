//! What each call of a visitor does in each state: one row per call and
//! provider, one cell per state. A cell holds the answer and, after it,
//! whatever the adapter is told.
#![allow(clippy::unwrap_used, reason = "what cannot be built is a failed test")]

mod visit;

use std::collections::BTreeMap;

use kefu_core::command::Command;
use kefu_plugin_api::{
    capability::{Capabilities, EvaluationTarget, Exit, Level, SessionState},
    effect::Effect,
    message::ContentKind,
};
use visit::{Stopped, Visit, able, picture, rates_agent, rates_robot, text, unable};

const STATES: [SessionState; 6] = [
    SessionState::Opening,
    SessionState::Robot,
    SessionState::Queued,
    SessionState::Human,
    SessionState::Unattended,
    SessionState::Ended,
];

/// Opening, robot, queued, human, unattended, ended.
type Cells = [&'static str; 6];

const ENDED: &str = "409 session-ended";
const NOT_INVITED: &str = "409 not-invited";
const UNSUPPORTED: &str = "422 unsupported-by-provider";
const SAID: &str = "202 from_visitor hello";
const ASKED: &str = "202 human_requested";
const RATED: &str = "202 evaluated";
const LEFT: &str = "202 leave_message";
const GONE: &str = "202 exited";

#[test]
fn messages_go_where_the_provider_takes_them() {
    row(
        able(),
        || text("hello"),
        ["202", SAID, SAID, SAID, SAID, ENDED],
    );
    row(
        unable(),
        || text("hello"),
        ["202", SAID, UNSUPPORTED, SAID, UNSUPPORTED, ENDED],
    );
}

#[test]
fn a_kind_that_is_carried_by_agents_only_is_refused_while_a_robot_answers() {
    let said = "202 from_visitor [图片 image] https://app.example/1.png";
    let only_agents = able().robot(ContentKind::Image, Level::Rejected);
    row(
        only_agents,
        picture,
        ["202", UNSUPPORTED, said, said, said, ENDED],
    );
    row(
        unable(),
        picture,
        [
            UNSUPPORTED,
            UNSUPPORTED,
            UNSUPPORTED,
            UNSUPPORTED,
            UNSUPPORTED,
            ENDED,
        ],
    );
}

#[test]
fn a_human_is_asked_for_where_there_is_one() {
    let wish = || Command::Human { group: None };
    row(
        able(),
        wish,
        ["202", ASKED, ASKED, "409 already-human", ASKED, ENDED],
    );
    row(
        unable(),
        wish,
        [
            UNSUPPORTED,
            UNSUPPORTED,
            UNSUPPORTED,
            "409 already-human",
            UNSUPPORTED,
            ENDED,
        ],
    );
}

#[test]
fn the_chosen_group_reaches_the_vendor() {
    let wish = || Command::Human {
        group: Some("g7".into()),
    };
    let asked = "202 human_requested g7";
    row(
        able(),
        wish,
        ["202", asked, asked, "409 already-human", asked, ENDED],
    );
}

#[test]
fn the_robot_is_rated_unasked_until_an_agent_comes() {
    row(
        able(),
        rates_robot,
        [NOT_INVITED, RATED, RATED, NOT_INVITED, NOT_INVITED, ENDED],
    );
    row(
        unable(),
        rates_robot,
        [
            NOT_INVITED,
            NOT_INVITED,
            NOT_INVITED,
            NOT_INVITED,
            NOT_INVITED,
            ENDED,
        ],
    );
}

#[test]
fn the_agent_is_rated_unasked_only_where_visitors_may_start() {
    let rates = || rates_agent(5);
    row(
        able(),
        rates,
        [
            NOT_INVITED,
            NOT_INVITED,
            NOT_INVITED,
            RATED,
            NOT_INVITED,
            ENDED,
        ],
    );
    for capabilities in [visit::asks_at_exit(), unable()] {
        row(
            capabilities,
            rates,
            [
                NOT_INVITED,
                NOT_INVITED,
                NOT_INVITED,
                NOT_INVITED,
                NOT_INVITED,
                ENDED,
            ],
        );
    }
}

#[test]
fn an_open_invitation_is_answered_wherever_somebody_serves_and_after_the_end() {
    let cells: [(Box<dyn Fn() -> Command>, Cells); 2] = [
        (
            Box::new(|| rates_agent(5)),
            [NOT_INVITED, RATED, RATED, RATED, NOT_INVITED, RATED],
        ),
        (
            Box::new(|| Command::DeclineEvaluation),
            [NOT_INVITED, "202", "202", "202", NOT_INVITED, "202"],
        ),
    ];
    for (command, cells) in cells {
        for (state, expected) in STATES.into_iter().zip(cells) {
            let mut visit = invited_while(state);
            assert_eq!(cell(&mut visit, command()), expected, "{state:?}");
        }
    }
}

#[test]
fn without_an_invitation_there_is_nothing_to_decline() {
    row(
        able(),
        || Command::DeclineEvaluation,
        [
            NOT_INVITED,
            NOT_INVITED,
            NOT_INVITED,
            NOT_INVITED,
            NOT_INVITED,
            ENDED,
        ],
    );
}

#[test]
fn a_message_is_left_while_nobody_answers() {
    let leaves = || Command::LeaveMessage {
        fields: BTreeMap::new(),
    };
    row(
        able(),
        leaves,
        [NOT_INVITED, UNSUPPORTED, LEFT, UNSUPPORTED, LEFT, ENDED],
    );
    row(
        unable(),
        leaves,
        [
            NOT_INVITED,
            UNSUPPORTED,
            UNSUPPORTED,
            UNSUPPORTED,
            UNSUPPORTED,
            ENDED,
        ],
    );
    let mut everywhere = able();
    everywhere.leave_message.when = STATES.to_vec();
    row(
        everywhere,
        leaves,
        [NOT_INVITED, UNSUPPORTED, LEFT, UNSUPPORTED, LEFT, ENDED],
    );
}

#[test]
fn leaving_is_always_possible() {
    for exit in [Exit::Ends, Exit::Keeps] {
        let capabilities = Capabilities { exit, ..able() };
        row(
            capabilities,
            || Command::Exit,
            [GONE, GONE, GONE, GONE, GONE, "202"],
        );
    }
}

#[test]
fn leaving_ends_or_keeps_the_session_as_the_provider_says() {
    for state in STATES {
        let ends = Visit::standing(able(), state);
        let keeps = Visit::standing(unable(), state);
        for (mut visit, after) in [(ends, SessionState::Ended), (keeps, state)] {
            visit.command(Command::Exit);
            assert_eq!(visit.record.state, after, "from {state:?}");
            let over = state == SessionState::Ended;
            assert_eq!(visit.record.visitor_present, over, "from {state:?}");
        }
    }
}

#[test]
fn while_nobody_is_there_the_refusal_shows_the_form() {
    let mut capabilities = able();
    capabilities.messages_while.clear();
    let mut visit = Visit::standing(capabilities, SessionState::Unattended);
    let (name, form) = visit.refused(text("hello")).extra.unwrap();
    assert_eq!(name, "leave_message");
    assert_eq!(form["kind"], "form");
}

#[test]
fn without_its_provider_only_what_needs_none_is_taken() {
    let unavailable = "503 provider-unavailable";
    for (command, cells) in [
        (
            text("hello"),
            [
                "202",
                unavailable,
                unavailable,
                unavailable,
                unavailable,
                ENDED,
            ],
        ),
        (
            Command::Exit,
            [
                unavailable,
                unavailable,
                unavailable,
                unavailable,
                unavailable,
                "202",
            ],
        ),
        (Command::Typing, ["202"; 6]),
        (Command::Read { seq: 9 }, ["202"; 6]),
        (Command::Return, ["202"; 6]),
    ] {
        for (state, expected) in STATES.into_iter().zip(cells) {
            let mut visit = Visit::standing(able(), state);
            visit.desk.0.clear();
            assert_eq!(
                cell(&mut visit, command.clone()),
                expected,
                "{state:?} {command:?}"
            );
        }
    }
}

/// Checks one row: the same call in every state.
fn row(capabilities: Capabilities, command: impl Fn() -> Command, cells: Cells) {
    for (state, expected) in STATES.into_iter().zip(cells) {
        let mut visit = Visit::standing(capabilities.clone(), state);
        assert_eq!(cell(&mut visit, command()), expected, "while {state:?}");
    }
}

fn cell(visit: &mut Visit, command: Command) -> String {
    let before = visit.record.clone();
    match visit.run(kefu_core::turn::Input::Command(command), |_| Ok(vec![])) {
        Ok(ran) => {
            let told = ran
                .lines
                .iter()
                .filter_map(|line| line.strip_prefix("told first "));
            std::iter::once("202")
                .chain(told)
                .collect::<Vec<_>>()
                .join(" ")
        }
        Err(Stopped::Refused(problem)) => {
            assert_eq!(before, visit.record, "a refusal leaves nothing behind");
            format!("{} {}", problem.slug.status(), problem.slug.as_str())
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// A session in which the vendor has invited to rate the agent, if it can be
/// invited in that state or on the way there.
fn invited_while(state: SessionState) -> Visit {
    let invites = || Effect::Invite {
        target: EvaluationTarget::Human,
        form: None,
    };
    let from = match state {
        SessionState::Unattended | SessionState::Ended => SessionState::Human,
        other => other,
    };
    let mut visit = Visit::standing(visit::asks_at_exit(), from);
    visit.effects(vec![invites()]);
    match state {
        SessionState::Unattended => drop(visit.moves_to(state)),
        SessionState::Ended => drop(visit.effects(vec![Effect::Close {
            reason: kefu_plugin_api::capability::EndReason::Idle,
        }])),
        _ => {}
    }
    visit
}
