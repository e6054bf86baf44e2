//! The course of an open session, its end, and what comes after.

use kefu_core::command::Command;
use kefu_core::log::EventBody;
use kefu_core::outbox::Finished;
use kefu_core::session::TimerKey;
use kefu_core::turn::{Input, NameKey};
use kefu_plugin_api::capability::{
    AgentChange, Capabilities, EndReason, Exit, Level, Queue, SessionState,
};
use kefu_plugin_api::effect::{Call, Effect};
use kefu_plugin_api::event::{CallResult, Event, ProviderEvent};
use kefu_plugin_api::http::HttpRequest;
use kefu_plugin_api::message::{Content, ContentKind, MessageStatus, SenderKind};
use kefu_plugin_api::wire::HandleInput;

use crate::visit::{
    Answer, DAY_MS, Stopped, Visit, able, agent, call, close, finished, from_desk, invitation,
    nothing, ok, picture, told, unable,
};

#[test]
fn what_was_said_after_the_end_is_logged_and_nothing_else() {
    let mut visit = Visit::standing(able(), SessionState::Ended);
    let said = from_desk(SenderKind::Agent, "late").with_vendor_id("v1");
    let lines = visit.effects(vec![
        Effect::deliver(said),
        Effect::Recall {
            vendor_id: "v1".into(),
        },
        Effect::delivered("m".into()),
        Effect::state(SessionState::Human),
        Effect::Agent {
            event: AgentChange::Joined,
            agent: agent("7"),
        },
        invitation(),
        Effect::OfferLeaveMessage { form: None },
        Effect::Queue {
            queue: Queue::default(),
        },
        Effect::SetTimer {
            timer: "t".into(),
            after_ms: 1,
        },
        Effect::Typing {},
        close(EndReason::Agent),
    ]);
    assert_eq!(
        lines,
        [
            "told first from_provider",
            "message late",
            "message.recalled",
            "message.status delivered",
        ]
    );
    assert_eq!(visit.record.state, SessionState::Ended);
    assert!(visit.record.timers.is_empty());
}

#[test]
fn a_recall_names_the_message_that_was_shown() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    let said = from_desk(SenderKind::Agent, "oops").with_vendor_id("v1");
    let recall = Effect::Recall {
        vendor_id: "v1".into(),
    };
    let mut effects = Some(vec![Effect::deliver(said), recall]);
    let ran = visit.run(told(), |_| Ok(effects.take().unwrap())).unwrap();
    let [shown, recalled] = &ran.outcome.events[..] else {
        panic!("{:?}", ran.lines)
    };
    let (EventBody::Message(shown), EventBody::Recalled { message }) =
        (&shown.body, &recalled.body)
    else {
        panic!("{:?}", ran.lines)
    };
    assert_eq!(shown.id, *message);
}

#[test]
fn unread_counts_what_the_desk_said_up_to_what_was_read() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    let says = |kind| Effect::deliver(from_desk(kind, "hello"));
    visit.effects(vec![
        says(SenderKind::Agent),
        says(SenderKind::Visitor),
        says(SenderKind::System),
    ]);
    assert_eq!(visit.record.card().unread, 2);
    let first = visit.record.unread[0];
    assert!(visit.command(Command::Read { seq: first }).is_empty());
    assert_eq!(visit.record.card().unread, 1);
    let seq = visit.record.last_seq;
    assert_eq!(visit.command(Command::Read { seq }), ["told first read"]);
    assert_eq!(visit.record.card().unread, 0);
    assert!(visit.command(Command::Read { seq }).is_empty());
    for _ in 0..120 {
        visit.effects(vec![says(SenderKind::Agent)]);
    }
    assert_eq!(visit.record.card().unread, 99);
}

#[test]
fn there_is_no_way_back_from_a_human_to_the_robot() {
    let mut promising = able();
    promising.back_to_robot = true;
    for through in [
        None,
        Some(SessionState::Queued),
        Some(SessionState::Unattended),
    ] {
        let mut visit = Visit::standing(promising.clone(), SessionState::Human);
        if let Some(state) = through {
            visit.moves_to(state);
        }
        violation(&mut visit, vec![Effect::state(SessionState::Robot)]);
    }
}

#[test]
fn a_fault_of_the_adapter_leaves_nothing_behind() {
    for effects in [
        vec![
            Effect::robot_says("hi"),
            Effect::state(SessionState::Opening),
        ],
        vec![Effect::state(SessionState::Ended)],
        vec![call("a"), call("a")],
        vec![Effect::Token {
            name: "t".into(),
            value: "secret".into(),
            expires_in_seconds: 1,
        }],
        vec![Effect::TokenRejected { name: "t".into() }],
        vec![Effect::Attempt {
            request: HttpRequest::get("https://vendor.example/"),
        }],
        vec![Effect::SetTimer {
            timer: "t".into(),
            after_ms: u64::MAX,
        }],
    ] {
        let mut visit = Visit::standing(able(), SessionState::Robot);
        violation(&mut visit, effects);
    }
}

#[test]
fn a_second_agent_is_told_however_the_vendor_words_it() {
    let mut visit = Visit::standing(able(), SessionState::Queued);
    let joins = |id| Effect::Agent {
        event: AgentChange::Joined,
        agent: agent(id),
    };
    let human = |id| Effect::SetState {
        state: SessionState::Human,
        agent: Some(agent(id)),
        reason: None,
    };
    assert_eq!(
        visit.effects(vec![joins("1")])[1..],
        ["session.state queued human", "agent joined 1"]
    );
    assert!(visit.effects(vec![human("1")])[1..].is_empty());
    assert_eq!(
        visit.effects(vec![human("2")])[1..],
        ["agent transferred 2"]
    );
    let left = |id| Effect::Agent {
        event: AgentChange::Left,
        agent: agent(id),
    };
    visit.effects(vec![left("1")]);
    assert_eq!(visit.record.agent, Some(agent("2")));
    visit.effects(vec![left("2")]);
    assert_eq!(visit.record.agent, None);
}

#[test]
fn news_of_a_queue_stops_when_an_agent_comes() {
    let mut visit = Visit::standing(able(), SessionState::Queued);
    let queue = |position| Effect::Queue {
        queue: Queue {
            position,
            ..Queue::default()
        },
    };
    assert_eq!(
        visit.effects(vec![queue(3), queue(3), queue(2)])[1..],
        ["queue 3", "queue 2"]
    );
    visit.moves_to(SessionState::Human);
    assert_eq!(visit.record.queue, None);
    assert!(visit.effects(vec![queue(1)])[1..].is_empty());
}

#[test]
fn a_rejected_token_keeps_the_call_and_changes_nothing() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    visit.effects(vec![call("send")]);
    let before = visit.record.clone();
    let rejects =
        |_: &HandleInput| -> Answer { Ok(vec![Effect::TokenRejected { name: "t".into() }]) };
    let answered = CallResult::Answered { response: ok() };
    let ran = visit.run(finished(1, answered.clone()), rejects);
    assert!(matches!(ran, Err(Stopped::Renew(name)) if name == "t"));
    assert_eq!(visit.record, before);
    let renewed = Input::Finished(Finished {
        number: 1,
        result: answered,
        token_renewed: true,
        attempts: 2,
    });
    assert!(matches!(
        visit.run(renewed, rejects),
        Err(Stopped::Failed(_))
    ));
    let lost = CallResult::NotSent {
        detail: "refused".into(),
    };
    assert!(matches!(
        visit.run(finished(1, lost), rejects),
        Err(Stopped::Failed(_))
    ));
}

#[test]
fn a_message_whose_call_got_no_answer_is_told_so_once() {
    for (result, status) in [
        (
            CallResult::NotSent {
                detail: "refused".into(),
            },
            MessageStatus::Failed,
        ),
        (
            CallResult::Unknown {
                detail: "timed out".into(),
            },
            MessageStatus::Unknown,
        ),
    ] {
        let mut visit = Visit::standing(able(), SessionState::Human);
        sends(&mut visit);
        let repeats = |_: &HandleInput| -> Answer {
            Ok(vec![Effect::Status {
                message: "m".into(),
                status,
                detail: None,
            }])
        };
        assert_eq!(
            visit.does(finished(1, result), repeats),
            [
                "told first call_finished send".to_owned(),
                format!("message.status {status:?}").to_lowercase(),
                "finished 1".to_owned(),
            ]
        );
    }
}

#[test]
fn a_session_in_which_nothing_happens_is_closed_as_idle() {
    let mut visit = Visit::standing(unable(), SessionState::Human);
    visit.passes(DAY_MS / 2000);
    visit.effects(vec![Effect::deliver(from_desk(
        SenderKind::Agent,
        "still there?",
    ))]);
    visit.passes(DAY_MS / 2000);
    assert!(visit.does(Input::Timers, nothing).is_empty());
    visit.passes(DAY_MS / 2000);
    assert_eq!(
        visit.does(Input::Timers, |_| Err("panicked".into())),
        ["told first closing idle", "session.ended idle"]
    );
}

#[test]
fn an_adapter_that_only_ticks_does_not_keep_a_session() {
    let mut visit = Visit::standing(unable(), SessionState::Human);
    let tick = || Effect::SetTimer {
        timer: "poll".into(),
        after_ms: 3_600_000,
    };
    visit.effects(vec![tick()]);
    for _ in 0..23 {
        visit.passes(3_600);
        let lines = visit.does(Input::Timers, |_| Ok(vec![tick()]));
        assert_eq!(lines, ["told first timer_fired poll"]);
    }
    visit.passes(3_600);
    let lines = visit.does(Input::Timers, nothing);
    assert!(
        lines.contains(&"session.ended idle".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn a_session_of_a_provider_that_is_gone_can_be_closed() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    visit.desk.0.clear();
    assert_eq!(
        visit.does(Input::Close(EndReason::ProviderError), nothing),
        [
            "told first closing provider_error",
            "session.ended provider_error"
        ]
    );
    assert!(
        visit
            .does(Input::Close(EndReason::Idle), nothing)
            .is_empty()
    );
}

#[test]
fn leaving_a_session_that_is_kept_is_told_once_until_the_visitor_returns() {
    let mut visit = Visit::standing(unable(), SessionState::Human);
    assert_eq!(visit.command(Command::Exit), ["told first exited"]);
    assert!(visit.command(Command::Exit).is_empty());
    visit.command(Command::Return);
    assert_eq!(visit.command(Command::Exit), ["told first exited"]);
}

#[test]
fn leaving_ends_the_session_even_if_the_adapter_forgets_it() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    assert_eq!(
        visit.command(Command::Exit),
        ["told first exited", "session.ended visitor"]
    );
}

#[test]
fn content_is_converted_where_the_provider_says_so_and_the_log_shows_it() {
    let capabilities = able().human(ContentKind::Image, Level::Converted);
    let mut visit = Visit::standing(capabilities, SessionState::Human);
    let ran = visit.run(Input::Command(picture()), nothing).unwrap();
    let EventBody::Message(message) = &ran.outcome.events[0].body else {
        panic!("{:?}", ran.lines)
    };
    assert_eq!(message.converted_from, Some(ContentKind::Image));
    assert!(matches!(message.content, Content::Text { .. }));
}

#[test]
fn an_offer_to_leave_a_message_holds_where_it_is_made() {
    let mut capabilities = able();
    capabilities.leave_message.when.clear();
    let mut visit = Visit::standing(capabilities, SessionState::Unattended);
    let leaves = || Command::LeaveMessage {
        fields: Default::default(),
    };
    assert_eq!(
        visit.refused(leaves()).slug.as_str(),
        "unsupported-by-provider"
    );
    let offer = || vec![Effect::OfferLeaveMessage { form: None }];
    assert_eq!(visit.effects(offer())[1..], ["leave_message.offered"]);
    assert_eq!(
        visit.command(leaves()),
        ["told first leave_message", "leave_message.submitted"]
    );
    visit.moves_to(SessionState::Human);
    assert!(visit.effects(offer())[1..].is_empty());
    let mut cannot = Visit::standing(unable(), SessionState::Unattended);
    assert!(cannot.effects(offer())[1..].is_empty());
}

#[test]
fn changed_capabilities_are_told_once_the_session_is_open() {
    let change = |exit| Effect::Capabilities {
        capabilities: Some(Box::new(Capabilities { exit, ..able() })),
        config: None,
    };
    let mut visit = Visit::standing(able(), SessionState::Opening);
    assert!(visit.effects(vec![change(Exit::Keeps)])[1..].is_empty());
    visit.moves_to(SessionState::Robot);
    assert!(visit.effects(vec![change(Exit::Keeps)])[1..].is_empty());
    assert_eq!(
        visit.effects(vec![change(Exit::Ends)])[1..],
        ["session.capabilities"]
    );
}

#[test]
fn the_vendors_own_id_becomes_a_name_of_the_session() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    let name = || Effect::Name {
        vendor_session: "cid-1".into(),
    };
    let ran = visit.run(told(), |_| Ok(vec![name(), name()])).unwrap();
    let keys: Vec<_> = ran.outcome.names.into_iter().map(|name| name.key).collect();
    assert_eq!(keys, [NameKey::Vendor("cid-1".into())]);
}

#[test]
fn timers_of_the_adapter_fire_once_and_can_be_replaced_and_forgotten() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    let set = |timer: &str, after_ms| Effect::SetTimer {
        timer: timer.into(),
        after_ms,
    };
    visit.effects(vec![set("a", 1_000), set("b", 1_000), set("a", 5_000)]);
    visit.effects(vec![Effect::CancelTimer { timer: "b".into() }]);
    visit.passes(4);
    assert!(visit.does(Input::Timers, nothing).is_empty());
    visit.passes(1);
    assert_eq!(
        visit.does(Input::Timers, nothing),
        ["told first timer_fired a"]
    );
    assert!(visit.does(Input::Timers, nothing).is_empty());
    let left: Vec<_> = visit.record.timers.keys().collect();
    assert_eq!(left, [&TimerKey::Idle]);
}

/// Lets the adapter ask for a call that carries the message `m`.
fn sends(visit: &mut Visit) {
    let request = HttpRequest::get("https://vendor.example/");
    let call = Call::new("send", request).carrying("m".into());
    visit.effects(vec![call.into()]);
}

fn violation(visit: &mut Visit, effects: Vec<Effect>) {
    let before = visit.record.clone();
    let mut effects = Some(effects);
    let ran = visit.run(told(), |_| Ok(effects.take().unwrap()));
    assert!(matches!(ran, Err(Stopped::Failed(_))), "{ran:?}");
    assert_eq!(visit.record, before);
}

/// An event of the vendor comes to the session in the words of the contract.
#[test]
fn an_event_of_the_vendor_reaches_the_adapter_as_it_is() {
    let mut visit = Visit::standing(able(), SessionState::Human);
    let event = ProviderEvent::Typing {};
    let input = Input::Provider {
        from: "first".into(),
        event: event.clone(),
    };
    let lines = visit.does(input, |input| {
        assert_eq!(
            input.event,
            Event::FromProvider {
                event: event.clone()
            }
        );
        Ok(Effect::from_provider(event.clone()))
    });
    assert_eq!(lines, ["told first from_provider", "typing"]);
}
