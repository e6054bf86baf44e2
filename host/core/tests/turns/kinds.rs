//! Every kind of content at every level in every state has one outcome, and
//! none of them is silence.

use kefu_core::{
    command::{Command, MAX_TEXT},
    log::EventBody,
    turn::Input,
};
use kefu_plugin_api::{
    capability::{Capabilities, Kinds, Level, SessionState},
    effect::Effect,
    event::Event,
    ids::MessageId,
    message::{Content, ContentKind, MessageStatus},
    wire::HandleInput,
};
use proptest::prelude::*;
use serde_json::json;

use crate::visit::{Answer, Stopped, Visit, able, told};

fn sample(kind: ContentKind) -> Content {
    let url = "https://app.example/1";
    serde_json::from_value(match kind {
        ContentKind::Text => json!({"type": "text", "text": "你好 😀"}),
        ContentKind::Image => json!({"type": "image", "url": url}),
        ContentKind::Voice => {
            json!({"type": "voice", "url": url, "duration_ms": 1_200, "format": "amr"})
        }
        ContentKind::Location => {
            json!({"type": "location", "latitude": 39.9, "longitude": 116.4, "label": "天安门"})
        }
        ContentKind::Rich => json!({"type": "rich", "title": "T", "summary": "S", "url": url}),
        ContentKind::Video => json!({"type": "video", "url": url, "duration_ms": 9}),
        ContentKind::File => json!({"type": "file", "url": url, "name": "a.pdf", "size": 3}),
        ContentKind::Emoji => json!({"type": "emoji", "code": "[smile]", "text": "[微笑]"}),
        _ => {
            json!({"type": "custom", "name": "goods", "payload": {"id": 7}, "fallback_text": "商品 7"})
        }
    })
    .unwrap()
}

fn says(content: Content) -> Command {
    Command::Message {
        content,
        media: vec![],
        converted_from: None,
    }
}

const LEVELS: [Level; 3] = [Level::Rejected, Level::Converted, Level::Full];
const STATES: [SessionState; 6] = [
    SessionState::Opening,
    SessionState::Robot,
    SessionState::Queued,
    SessionState::Human,
    SessionState::Unattended,
    SessionState::Ended,
];

fn kinds() -> impl Strategy<Value = Kinds> {
    prop::collection::vec(prop::sample::select(&LEVELS[..]), 9)
        .prop_map(|levels| ContentKind::ALL.into_iter().zip(levels).collect())
}

fn capabilities() -> impl Strategy<Value = Capabilities> {
    let waiting = prop::collection::vec(
        prop::sample::select(vec![SessionState::Queued, SessionState::Unattended]),
        0..3,
    );
    (kinds(), kinds(), waiting).prop_map(|(robot, human, messages_while)| Capabilities {
        robot,
        human,
        messages_while,
        ..able()
    })
}

/// What the adapter may be given in a state, if anything.
fn carried(capabilities: &Capabilities, state: SessionState, said: &Content) -> Option<Content> {
    let level = capabilities.level(state, said.kind());
    let text = capabilities.level(state, ContentKind::Text) > Level::Rejected;
    match level {
        Level::Full => Some(said.clone()),
        Level::Converted if said.kind() == ContentKind::Text => Some(said.clone()),
        Level::Converted if text => Some(Content::text(said.to_text())),
        Level::Converted | Level::Rejected => None,
    }
}

/// What an adapter was told, with its ids.
fn listen(told: &mut Vec<(MessageId, Content)>) -> impl FnMut(&HandleInput) -> Answer {
    |input| {
        if let Event::FromVisitor { message } = &input.event {
            told.push((message.id.clone(), message.content.clone()));
        }
        Ok(vec![])
    }
}

fn failed(visit: &Visit, id: &MessageId) -> bool {
    visit.log.iter().any(|event| {
        matches!(&event.body, EventBody::Status { message, status: MessageStatus::Failed, detail: Some(_) } if message == id)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_said_is_carried_or_refused_in_so_many_words(
        capabilities in capabilities(),
        state in prop::sample::select(&STATES[..]),
        kind in prop::sample::select(&ContentKind::ALL[..]),
    ) {
        let mut visit = Visit::standing(capabilities.clone(), state);
        let said = sample(kind);
        let mut heard = Vec::new();
        let events = visit.log.len();
        let ran = visit.run(Input::Command(says(said.clone())), listen(&mut heard));
        match ran {
            Err(Stopped::Refused(problem)) => {
                prop_assert!(heard.is_empty());
                prop_assert_eq!(visit.log.len(), events, "a refusal leaves nothing behind");
                let over = state == SessionState::Ended;
                let slug = if over { "session-ended" } else { "unsupported-by-provider" };
                prop_assert_eq!(problem.slug.as_str(), slug);
                prop_assert!(!problem.detail.is_empty());
                let lost = over || carried(&capabilities, state, &said).is_none();
                prop_assert!(lost, "refused although it is carried: {}", problem);
            }
            Ok(_) => {
                let EventBody::Message(logged) = &visit.log[events].body else {
                    return Err(TestCaseError::fail("it is not in the log"));
                };
                prop_assert_eq!(logged.converted_from.is_some(), logged.content != said);
                if state == SessionState::Opening {
                    prop_assert!(heard.is_empty());
                } else {
                    let expected = carried(&capabilities, state, &said);
                    prop_assert_eq!(heard.len(), 1);
                    prop_assert_eq!(Some(&heard[0].1), expected.as_ref());
                    prop_assert_eq!(&heard[0].0, &logged.id);
                    prop_assert_eq!(&heard[0].1, &logged.content);
                }
            }
            Err(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
        }
    }

    /// The vendor's answer may allow less, or lead elsewhere than was thought.
    #[test]
    fn what_waits_for_the_handshake_is_carried_in_the_end_or_fails_in_so_many_words(
        declared in capabilities(),
        returned in capabilities(),
        path in prop::collection::vec(prop::sample::select(&STATES[1..]), 1..4),
    ) {
        let mut visit = Visit::standing(declared, SessionState::Opening);
        let mut waiting = Vec::new();
        for kind in ContentKind::ALL {
            let before = visit.log.len();
            if visit.run(Input::Command(says(sample(kind))), |_| Ok(vec![])).is_ok()
                && let EventBody::Message(logged) = &visit.log[before].body
            {
                waiting.push(logged.id.clone());
            }
        }
        let mut heard = Vec::new();
        let mut standing = SessionState::Opening;
        let mut change = Some(Effect::Capabilities {
            capabilities: Some(Box::new(returned.clone())),
            config: None,
        });
        // Whatever happens on the way, it is over some day.
        for to in path.into_iter().chain([SessionState::Ended]) {
            let mut effects: Option<Vec<Effect>> = Some(change.take().into_iter().collect());
            if to == SessionState::Ended {
                let close = crate::visit::close(kefu_plugin_api::capability::EndReason::Agent);
                effects.as_mut().unwrap().push(close);
            } else if to != SessionState::Robot || !visit.record.had_human {
                effects.as_mut().unwrap().push(Effect::state(to));
            }
            let ran = visit.run(told(), |input| {
                if let Event::FromVisitor { message } = &input.event {
                    standing = input.session.standing;
                    heard.push((message.id.clone(), message.content.clone(), standing));
                }
                Ok(effects.take().unwrap_or_default())
            });
            prop_assert!(ran.is_ok());
        }
        prop_assert!(visit.record.waiting.is_empty());
        for (_, content, standing) in &heard {
            let level = returned.level(*standing, content.kind());
            prop_assert!(level > Level::Rejected, "{content:?} is not carried while {standing:?}");
        }
        for id in waiting {
            let told = heard.iter().filter(|(known, ..)| *known == id).count();
            let lost = failed(&visit, &id);
            prop_assert_eq!(told + usize::from(lost), 1, "once, one way or the other");
        }
    }
}

#[test]
fn a_message_that_was_carried_as_text_after_the_handshake_says_so_with_its_fate() {
    let capabilities = able().robot(ContentKind::Image, Level::Converted);
    let mut visit = Visit::standing(capabilities, SessionState::Opening);
    visit.command(says(sample(ContentKind::Image)));
    let EventBody::Message(logged) = &visit.log[0].body else {
        panic!("{:?}", visit.log)
    };
    let id = logged.id.clone();
    assert_eq!(logged.converted_from, None, "an agent would see it whole");
    visit.moves_to(SessionState::Robot);
    visit.effects(vec![Effect::delivered(id)]);
    let EventBody::Status { detail, .. } = &visit.log.last().unwrap().body else {
        panic!("{:?}", visit.log)
    };
    assert_eq!(detail.as_deref(), Some("image was carried as text"));
    assert!(visit.record.converted_late.is_empty());
}

#[test]
fn what_nobody_carries_whole_is_converted_before_it_waits() {
    let capabilities = able()
        .both(ContentKind::Custom, Level::Converted)
        .both(ContentKind::Emoji, Level::Converted);
    let mut visit = Visit::standing(capabilities, SessionState::Opening);
    assert_eq!(
        visit.command(says(sample(ContentKind::Custom))),
        ["message 商品 7"]
    );
    assert_eq!(
        visit.command(says(sample(ContentKind::Emoji))),
        ["message [微笑]"]
    );
    let EventBody::Message(logged) = &visit.log[0].body else {
        panic!("{:?}", visit.log)
    };
    assert_eq!(logged.converted_from, Some(ContentKind::Custom));
}

#[test]
fn content_that_is_too_long_as_text_is_refused_and_not_cut() {
    let capabilities = able().human(ContentKind::Rich, Level::Converted);
    let mut visit = Visit::standing(capabilities, SessionState::Human);
    let long = Content::Rich {
        title: "T".into(),
        summary: "长".repeat(MAX_TEXT),
        image_url: None,
        url: "https://app.example/1".into(),
    };
    let problem = visit.refused(says(long));
    assert_eq!(problem.slug.as_str(), "too-large");
    assert_eq!(problem.errors[0].pointer, "/content");
}

#[test]
fn an_adapter_that_fails_on_a_message_that_waited_loses_that_one_only() {
    let mut visit = Visit::standing(able(), SessionState::Opening);
    for word in ["one", "two", "three"] {
        visit.command(says(Content::text(word)));
    }
    let mut open = Some(vec![Effect::state(SessionState::Robot)]);
    let lines = visit.does(told(), |input| match &input.event {
        Event::FromVisitor { message } if message.content == Content::text("two") => {
            Err("panicked".into())
        }
        _ => Ok(open.take().unwrap_or_default()),
    });
    assert_eq!(
        lines,
        [
            "told first from_provider",
            "told first from_visitor one",
            "told first from_visitor two",
            "told first from_visitor three",
            "session.opened first robot",
            "session.state opening robot",
            "message.status failed",
        ]
    );
}
