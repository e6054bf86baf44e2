//! What becomes of content that a vendor does not carry whole, as
//! `docs/content.md` has it: every example of both editions is sent.

use std::collections::BTreeSet;

use kefu_core::{command::Command, log::EventBody, turn::Input};
use kefu_plugin_api::{
    capability::{Level, SessionState},
    event::Event,
    message::{Content, ContentKind},
};

use crate::visit::{Visit, able, nothing};

const EDITIONS: [&str; 2] = [
    include_str!("../../../../docs/content.md"),
    include_str!("../../../../docs/content.zh-CN.md"),
];

#[test]
fn every_kind_that_is_converted_arrives_as_the_text_of_the_document() {
    for page in EDITIONS {
        let examples = examples(page);
        let kinds: BTreeSet<_> = examples.iter().map(|(content, _)| content.kind()).collect();
        let all = ContentKind::ALL
            .into_iter()
            .filter(|&kind| kind != ContentKind::Text);
        assert_eq!(kinds, all.collect(), "an example of every kind");
        for (content, text) in examples {
            let kind = content.kind();
            let expected = Content::text(text);
            for (state, level) in [
                (SessionState::Robot, "robot"),
                (SessionState::Human, "human"),
            ] {
                let (logged, told) = sent(content.clone(), state, Level::Converted);
                assert_eq!(logged, (expected.clone(), Some(kind)), "the log, {level}");
                assert_eq!(told, (expected.clone(), Some(kind)), "the adapter, {level}");
            }
        }
    }
}

#[test]
fn every_kind_that_is_carried_whole_arrives_as_it_was_sent() {
    for (content, _) in examples(EDITIONS[0]) {
        let (logged, told) = sent(content.clone(), SessionState::Human, Level::Full);
        assert_eq!(logged, (content.clone(), None));
        assert_eq!(told, (content, None));
    }
}

#[test]
fn every_kind_that_is_refused_leaves_nothing_behind() {
    for (content, _) in examples(EDITIONS[0]) {
        let kind = content.kind();
        for capabilities in [able().human(kind, Level::Rejected), {
            let mut silent = able();
            silent.human.remove(&kind);
            silent
        }] {
            let mut visit = Visit::standing(capabilities, SessionState::Human);
            let problem = visit.refused(message(content.clone()));
            assert_eq!(problem.slug.as_str(), "unsupported-by-provider");
            assert!(problem.detail.contains(kind.as_str()), "{}", problem.detail);
        }
    }
}

#[test]
fn a_line_with_nothing_in_it_is_left_out_of_a_card() {
    let card = Content::Rich {
        title: "订单 1024".into(),
        summary: String::new(),
        image_url: None,
        url: "https://shop.example/o/1024".into(),
    };
    assert_eq!(card.to_text(), "订单 1024\nhttps://shop.example/o/1024");
}

/// What is logged and what the adapter is given, each with the kind it had.
type Both = (
    (Content, Option<ContentKind>),
    (Content, Option<ContentKind>),
);

fn sent(content: Content, state: SessionState, level: Level) -> Both {
    let capabilities = able().both(content.kind(), level);
    let mut visit = Visit::standing(capabilities, state);
    let mut told = None;
    let ran = visit.run(Input::Command(message(content)), |input| {
        if let Event::FromVisitor { message } = &input.event {
            told = Some((message.content.clone(), message.converted_from));
        }
        nothing(input)
    });
    let ran = ran.unwrap();
    let EventBody::Message(logged) = &ran.outcome.events[0].body else {
        panic!("{:?}", ran.lines)
    };
    let logged = (logged.content.clone(), logged.converted_from);
    (logged, told.expect("the adapter is given it"))
}

fn message(content: Content) -> Command {
    Command::Message {
        content,
        media: Vec::new(),
        converted_from: None,
    }
}

/// Each content of the page with the text that stands behind it.
fn examples(page: &str) -> Vec<(Content, String)> {
    let mut blocks = page.split("```json\n").skip(1).map(|rest| {
        let (json, rest) = rest
            .split_once("\n```\n```text\n")
            .expect("a text behind each content");
        let (text, _) = rest.split_once("\n```").expect("the text ends");
        (
            serde_json::from_str(json).expect("a content"),
            text.to_owned(),
        )
    });
    let examples: Vec<_> = blocks.by_ref().collect();
    assert!(!examples.is_empty());
    examples
}
