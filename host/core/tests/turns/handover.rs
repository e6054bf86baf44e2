//! The robot of one provider, the humans of another.

use kefu_core::{command::Command, session::Handover, turn::Input};
use kefu_plugin_api::{
    capability::{AgentChange, EndReason, SessionState},
    effect::{Call, Effect},
    event::{CallResult, ProviderEvent},
    http::HttpRequest,
    message::SenderKind,
    wire::HandleInput,
};

use crate::visit::{
    Answer, Desk, Stopped, Visit, able, agent, call, finished, from_desk, ok, text, unable,
};

/// A robot at `first`, with the humans of `second`.
fn robot() -> Visit {
    let mut visit = opening();
    visit.does(Input::Open, |_| {
        Ok(vec![Effect::state(SessionState::Robot)])
    });
    visit
}

fn opening() -> Visit {
    let desk = Desk::of(able()).and("second", able());
    let mut visit = Visit::new(desk, &["first"]);
    visit.record.handover = Some(Handover {
        to: "second".into(),
        group: Some("g2".into()),
        groups: [("sales".to_owned(), "g7".to_owned())].into(),
    });
    visit
}

fn wish() -> Command {
    Command::Human { group: None }
}

/// An adapter that sends each message on.
pub(crate) fn sends(input: &HandleInput) -> Answer {
    use kefu_plugin_api::event::Event;
    Ok(match &input.event {
        Event::FromVisitor { message } => {
            let request = HttpRequest::get("https://vendor.example/");
            let name = format!("send {}", message.content.to_text());
            let call = Call::new(name, request).carrying(message.id.clone());
            vec![call.into()]
        }
        Event::Closing { .. } => vec![call("out")],
        _ => vec![],
    })
}

/// As [`sends`], and `second` takes sessions in this state.
pub(crate) fn takes(state: SessionState) -> impl FnMut(&HandleInput) -> Answer {
    use kefu_plugin_api::event::Event;
    move |input| match &input.event {
        Event::Opened { .. } if input.session.provider.as_str() == "second" => {
            Ok(vec![Effect::state(state)])
        }
        _ => sends(input),
    }
}

fn from(provider: &str) -> Input {
    Input::Provider {
        from: provider.into(),
        event: ProviderEvent::Typing {},
    }
}

fn answered(visit: &mut Visit, effects: Vec<Effect>) -> Vec<String> {
    let mut effects = Some(effects);
    visit.answered(|_| Ok(effects.take().unwrap_or_default()))
}

#[test]
fn a_wish_for_a_human_takes_the_session_to_the_provider_that_has_them() {
    let mut visit = robot();
    visit.does(Input::Command(text("你好")), sends);
    let status = |visit: &Visit| Effect::delivered(visit.log[2].body_message());
    let told = status(&visit);
    answered(&mut visit, vec![told]);
    visit.effects(vec![Effect::robot_says("您好")]);
    let before = visit.record.clone();
    let lines = visit.does(Input::Command(wish()), takes(SessionState::Queued));
    assert_eq!(
        lines,
        [
            "told first closing transferred",
            "told second opened",
            "told second from_visitor 【此前的对话】\n访客: 你好\n机器人: 您好",
            "session.moved first second handover",
            "session.state robot opening",
            "session.capabilities",
            "session.state opening queued",
            "call 2 first out",
            "call 3 second send 【此前的对话】\n访客: 你好\n机器人: 您好",
        ]
    );
    assert_eq!(visit.record.id, before.id);
    assert_eq!(visit.record.group, Some("g2".into()));
    assert_ne!(visit.record.conversation, before.conversation);
    assert_eq!(visit.record.card().provider.as_str(), "second");
    let numbers: Vec<_> = visit.log.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=visit.record.last_seq).collect::<Vec<_>>());
}

#[test]
fn what_the_old_vendor_says_late_is_dropped() {
    let mut visit = robot();
    visit.does(Input::Command(wish()), takes(SessionState::Queued));
    let late = visit.run(from("first"), |_| Ok(vec![Effect::robot_says("太晚了")]));
    let late = late.unwrap();
    assert!(late.lines.is_empty());
    assert_eq!(late.outcome.notes.len(), 1);
    let lines = visit.does(from("second"), |_| {
        Ok(vec![Effect::state(SessionState::Human)])
    });
    assert_eq!(
        lines,
        ["told second from_provider", "session.state queued human"]
    );
}

#[test]
fn a_robot_that_passes_the_visitor_on_hands_over_too() {
    let joined = Effect::Agent {
        event: AgentChange::Joined,
        agent: agent("7"),
    };
    for effect in [
        Effect::state(SessionState::Queued),
        Effect::state(SessionState::Human),
        Effect::state(SessionState::Unattended),
        joined,
    ] {
        let mut visit = robot();
        let mut said = Some(vec![
            Effect::robot_says("为您转接"),
            effect,
            Effect::robot_says("不该看到"),
        ]);
        let mut second = takes(SessionState::Human);
        let lines = visit.does(from("first"), |input| match said.take() {
            Some(effects) => Ok(effects),
            None => second(input),
        });
        assert_eq!(
            lines,
            [
                "told first from_provider",
                "told first closing transferred",
                "told second opened",
                "told second from_visitor 【此前的对话】\n机器人: 为您转接",
                "message 为您转接",
                "session.moved first second handover",
                "session.state robot opening",
                "session.capabilities",
                "session.state opening human",
                "call 1 first out",
                "call 2 second send 【此前的对话】\n机器人: 为您转接",
            ]
        );
    }
}

#[test]
fn a_robot_at_the_other_provider_hears_nothing_until_a_human_is_expected() {
    let mut visit = robot();
    let lines = visit.does(Input::Command(wish()), takes(SessionState::Robot));
    assert_eq!(lines[2], "told second human_requested g2");
    assert!(!lines.iter().any(|line| line.contains("from_visitor")));
    assert_eq!(visit.command(text("在吗")), ["message 在吗"]);
    let lines = visit.does(from("second"), |input| match input.session.standing {
        SessionState::Robot => Ok(vec![Effect::state(SessionState::Queued)]),
        _ => sends(input),
    });
    assert_eq!(lines[1], "told second from_visitor 在吗");
}

#[test]
fn what_is_held_for_a_human_who_does_not_come_goes_to_the_robot_in_the_end() {
    let mut visit = robot();
    visit.does(Input::Command(wish()), takes(SessionState::Robot));
    visit.command(text("在吗"));
    visit.passes(14);
    assert!(visit.does(Input::Timers, sends).is_empty());
    visit.passes(1);
    let lines = visit.does(Input::Timers, sends);
    assert_eq!(
        lines,
        ["told second from_visitor 在吗", "call 2 second send 在吗"]
    );
    assert_eq!(
        visit.does(Input::Command(text("?")), sends)[0],
        "told second from_visitor ?"
    );
}

#[test]
fn messages_that_were_not_settled_are_sent_once_to_the_next_provider() {
    let mut visit = robot();
    // One is delivered, one unknown, one under way, one held by the adapter.
    for words in ["一", "二", "三"] {
        visit.does(Input::Command(text(words)), sends);
    }
    let told = Effect::delivered(visit.log[2].body_message());
    answered(&mut visit, vec![told]);
    let unknown = CallResult::Unknown {
        detail: "no answer".into(),
    };
    visit.does(finished(2, unknown), |_| Ok(vec![]));
    visit.does(Input::Command(text("四")), |_| Ok(vec![]));
    let ran = visit
        .run(Input::Command(wish()), takes(SessionState::Human))
        .unwrap();
    let sent: Vec<_> = ran
        .lines
        .iter()
        .filter(|line| line.starts_with("call"))
        .collect();
    assert_eq!(
        sent,
        [
            "call 4 first out",
            "call 5 second send 【此前的对话】\n访客: 一\n访客: 二",
            "call 6 second send 三",
            "call 7 second send 四",
        ]
    );
    assert_eq!(
        ran.outcome.withdrawn,
        [3],
        "the entry under way is taken back"
    );
    assert_eq!(ran.outcome.finished, [3]);
    // It may have been on its way all the same: that changes nothing.
    let answer = CallResult::Answered { response: ok() };
    assert!(visit.does(finished(3, answer), |_| Ok(vec![])).is_empty());
    assert_eq!(visit.record.open_calls.len(), 3);
}

#[test]
fn what_waits_while_opening_goes_straight_to_the_humans() {
    let mut visit = opening();
    visit.does(Input::Open, |_| Ok(vec![]));
    visit.command(text("人工"));
    assert!(visit.command(wish()).is_empty());
    let mut opened = Some(vec![Effect::state(SessionState::Robot)]);
    let mut second = takes(SessionState::Human);
    let lines = visit.does(from("first"), |input| match opened.take() {
        Some(effects) => Ok(effects),
        None => second(input),
    });
    assert_eq!(
        lines,
        [
            "told first from_provider",
            "told first closing transferred",
            "told second opened",
            "told second from_visitor 人工",
            "session.opened first robot",
            "session.state opening robot",
            "session.moved first second handover",
            "session.state robot opening",
            "session.capabilities",
            "session.state opening human",
            "call 1 first out",
            "call 2 second send 人工",
        ]
    );
}

#[test]
fn a_refused_handover_goes_back_to_the_robot_which_does_not_hand_over_again() {
    let mut visit = robot();
    visit.effects(vec![Effect::robot_says("您好")]);
    visit.does(Input::Command(wish()), sends);
    assert_eq!(visit.record.state, SessionState::Opening);
    visit.command(text("在吗"));
    let lines = visit.does(from("second"), |input| {
        Ok(match input.session.provider.as_str() {
            "second" => vec![Effect::Close {
                reason: EndReason::ProviderError,
            }],
            _ if input.session.standing == SessionState::Opening => {
                vec![Effect::state(SessionState::Robot)]
            }
            _ => vec![],
        })
    });
    assert_eq!(
        lines,
        [
            "told second from_provider",
            "told first opened",
            "told first from_visitor 【此前的对话】\n机器人: 您好",
            "told first from_visitor 在吗",
            "message 暂时没有人工客服，请稍后再试。",
            "session.moved second first failover",
            "session.capabilities",
            "session.state opening robot",
        ]
    );
    // From now on the first vendor's own humans are asked.
    assert_eq!(visit.command(wish()), ["told first human_requested"]);
}

#[test]
fn a_vendor_that_a_session_comes_back_to_under_the_old_name_is_heard_again() {
    let named = || Effect::Name {
        vendor_session: "cid-1".into(),
    };
    let mut visit = robot();
    visit.effects(vec![named()]);
    visit.does(Input::Command(wish()), sends);
    let first = "first".into();
    assert!(visit.record.moves.has_left(&first, "cid-1"));
    visit.does(from("second"), |input| {
        Ok(match input.session.provider.as_str() {
            "second" => vec![Effect::Close {
                reason: EndReason::ProviderError,
            }],
            _ if input.session.standing == SessionState::Opening => {
                vec![named(), Effect::state(SessionState::Robot)]
            }
            _ => vec![],
        })
    });
    assert_eq!(visit.record.provider, first);
    assert!(!visit.record.moves.has_left(&first, "cid-1"));
}

#[test]
fn where_nobody_can_take_over_the_robot_goes_on_and_says_so() {
    let mut visit = robot();
    visit.desk.0.remove(&"second".into());
    let notice = ["message 暂时没有人工客服，请稍后再试。"];
    assert_eq!(visit.command(wish()), notice);
    assert_eq!(visit.record.state, SessionState::Robot);
    // The robot that passes the visitor on finds its own vendor's humans.
    let lines = visit.moves_to(SessionState::Queued);
    assert_eq!(
        lines,
        ["told first from_provider", "session.state robot queued"]
    );
    // The other provider is back.
    visit.desk = visit.desk.clone().and("second", able());
    let lines = visit.does(Input::Command(wish()), takes(SessionState::Human));
    assert_eq!(lines[0], "told first closing transferred");
    assert_eq!(visit.record.provider.as_str(), "second");
}

#[test]
fn an_english_visitor_is_told_in_english() {
    let mut visit = robot();
    visit
        .record
        .visitor
        .custom
        .insert("language".into(), "en-GB".into());
    visit.desk.0.remove(&"second".into());
    let notice = "message No agent is available at the moment. Please try again later.";
    assert_eq!(visit.command(wish()), [notice]);
}

#[test]
fn an_old_adapter_that_fails_or_is_absent_stops_no_move() {
    for absent in [false, true] {
        let mut visit = robot();
        visit.does(Input::Command(text("一")), sends);
        if absent {
            visit.desk.0.remove(&"first".into());
        }
        let mut second = takes(SessionState::Human);
        let lines = visit.does(Input::Command(wish()), |input| {
            match input.session.provider.as_str() {
                "first" => Err("panicked".into()),
                _ => second(input),
            }
        });
        assert!(lines.contains(&"session.moved first second handover".into()));
        assert!(lines.contains(&"call 2 second send 一".into()), "{lines:?}");
    }
}

#[test]
fn both_absent_ends_the_session_as_any_that_nobody_takes() {
    let mut visit = robot();
    visit.does(Input::Command(wish()), sends);
    visit.command(text("在吗"));
    visit.desk.0.clear();
    let lines = visit.does(from("second"), |_| unreachable!());
    assert_eq!(visit.record.state, SessionState::Ended, "{lines:?}");
    assert!(lines.contains(&"message.status failed".into()));
}

#[test]
fn every_state_is_handed_over_or_not_as_it_should_whether_the_other_takes_it_or_not() {
    /// What becomes of the session: where it is, and standing how.
    fn at(visit: &Visit) -> (&str, SessionState) {
        (visit.record.provider.as_str(), visit.record.state)
    }
    let all = [
        SessionState::Opening,
        SessionState::Robot,
        SessionState::Queued,
        SessionState::Human,
        SessionState::Unattended,
        SessionState::Ended,
    ];
    for state in all {
        for second in ["takes", "refuses", "absent"] {
            let standing = || {
                let mut visit = Visit::standing(able(), state);
                visit.record.handover = opening().record.handover;
                if second != "absent" {
                    visit.desk = visit.desk.clone().and("second", able());
                }
                visit
            };
            let answers = |input: &HandleInput| -> Answer {
                use kefu_plugin_api::event::Event;
                Ok(match (&input.event, input.session.provider.as_str()) {
                    (Event::Opened { .. }, "first") => vec![Effect::state(SessionState::Robot)],
                    (Event::Opened { .. }, _) if second == "takes" => {
                        vec![Effect::state(SessionState::Human)]
                    }
                    (Event::Opened { .. }, _) => vec![Effect::Close {
                        reason: EndReason::ProviderError,
                    }],
                    _ => vec![],
                })
            };
            let mut visit = standing();
            let asked = visit.run(Input::Command(wish()), answers);
            let expected = match (state, second) {
                (SessionState::Ended | SessionState::Human, _) => {
                    assert!(matches!(asked, Err(Stopped::Refused(_))));
                    ("first", state)
                }
                (SessionState::Opening, _) | (_, "absent") => ("first", state),
                (_, "takes") => ("second", SessionState::Human),
                _ => ("first", SessionState::Robot),
            };
            assert_eq!(
                at(&visit),
                expected,
                "asked by the visitor: {state:?}, {second}"
            );

            let mut visit = standing();
            let mut queued = Some(vec![Effect::state(SessionState::Queued)]);
            let _ = visit.run(from("first"), |input| match queued.take() {
                Some(effects) => Ok(effects),
                None => answers(input),
            });
            let from_robot = matches!(state, SessionState::Opening | SessionState::Robot);
            let expected = match (state, second) {
                (SessionState::Ended, _) => ("first", state),
                (_, "takes") if from_robot => ("second", SessionState::Human),
                (_, "refuses") if from_robot => ("first", SessionState::Robot),
                _ => ("first", SessionState::Queued),
            };
            assert_eq!(at(&visit), expected, "by the robot: {state:?}, {second}");
        }
    }
}

#[test]
fn the_fate_of_what_the_gateway_said_itself_is_in_no_log() {
    let mut visit = robot();
    visit.effects(vec![Effect::robot_says("您好")]);
    visit.does(Input::Command(wish()), takes(SessionState::Human));
    let context = visit.record.moves.contexts[0].clone();
    let logged = visit.log.len();
    let open = visit.record.open_calls[0].number;
    let lost = CallResult::NotSent {
        detail: "too long".into(),
    };
    visit.does(finished(open, lost), |_| Ok(vec![]));
    visit.does(from("second"), |_| {
        Ok(vec![Effect::delivered(context.clone())])
    });
    assert_eq!(visit.log.len(), logged);
}

#[test]
fn a_session_that_can_be_handed_over_shows_that_humans_can_be_asked_for() {
    let mut visit = Visit::new(Desk::of(unable()).and("second", able()), &["first"]);
    visit.record.handover = opening().record.handover;
    visit.does(Input::Open, |_| {
        Ok(vec![Effect::state(SessionState::Robot)])
    });
    assert!(visit.record.card().capabilities.to_human);
    visit.does(Input::Command(wish()), takes(SessionState::Human));
    assert_eq!(visit.record.provider.as_str(), "second");
    let said = from_desk(SenderKind::Agent, "我是人工");
    let lines = visit.does(from("second"), |_| Ok(vec![Effect::deliver(said.clone())]));
    assert_eq!(lines, ["told second from_provider", "message 我是人工"]);
}

#[test]
fn the_desks_groups_are_translated_for_whoever_takes_over() {
    let handover = opening().record.handover.unwrap();
    let group = |asked| {
        handover
            .vendor_group(asked)
            .map(|group| group.into_string())
    };
    assert_eq!(group(Some("sales")).as_deref(), Some("g7"));
    assert_eq!(group(Some("other")).as_deref(), Some("other"));
    assert_eq!(group(None).as_deref(), Some("g2"));
}

/// What tests ask of an entry of the log.
pub(crate) trait Logged {
    fn body_message(&self) -> kefu_plugin_api::ids::MessageId;
    fn is_opened(&self) -> bool;
}

impl Logged for kefu_core::log::LogEvent {
    fn body_message(&self) -> kefu_plugin_api::ids::MessageId {
        match &self.body {
            kefu_core::log::EventBody::Message(message) => message.id.clone(),
            other => panic!("no message: {other:?}"),
        }
    }

    fn is_opened(&self) -> bool {
        matches!(self.body, kefu_core::log::EventBody::Opened(_))
    }
}
