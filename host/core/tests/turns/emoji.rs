//! Emoji: Unicode in everything that is kept and shown, the vendor's codes in
//! what goes out.

use std::sync::Arc;

use kefu_core::{
    command::Command,
    emoji::EmojiTable,
    log::EventBody,
    turn::{Input, Outcome},
};
use kefu_plugin_api::{
    capability::{Capabilities, EmojiForm, FormField, Notice, SessionConfig, SessionState},
    effect::Effect,
    event::Event,
    message::{Content, ContentKind, Incoming, SenderKind},
};

use crate::visit::{Desk, Visit, able, from_desk, text, told};

#[test]
fn what_a_visitor_says_is_kept_as_unicode_and_sent_as_codes() {
    let mut visit = at(EmojiForm::Text);
    let (kept, sent) = says(&mut visit, Content::text("好🙂🦄"));
    assert_eq!(kept, Content::text("好🙂🦄"));
    assert_eq!(sent, Some(Content::text("好[微笑]🦄")));
}

#[test]
fn a_vendor_that_reads_unicode_is_sent_no_codes() {
    let mut visit = at(EmojiForm::Native);
    let (_, sent) = says(&mut visit, Content::text("好🙂"));
    assert_eq!(sent, Some(Content::text("好🙂")));
    let heard = hears(&mut visit, agent("好[微笑]"));
    assert_eq!(heard.0, Content::text("好🙂"));
}

#[test]
fn every_text_that_people_read_goes_out_in_codes_and_comes_in_as_unicode() {
    let rows = [
        ["text", "text"].as_slice(),
        &["rich", "title", "summary"],
        &["location", "label"],
        &["custom", "fallback_text"],
    ];
    for row in rows {
        let content = |text: &str| -> Content {
            let mut json = serde_json::json!({
                "type": row[0], "url": "https://a.example/[微笑]", "latitude": 1.0, "longitude": 1.0,
                "name": "🙂[微笑]", "payload": {"a": "🙂[微笑]"}, "title": "", "summary": "",
            });
            for key in &row[1..] {
                json[key] = text.into();
            }
            serde_json::from_value(json).unwrap()
        };
        let mut visit = at(EmojiForm::Text);
        let (kept, sent) = says(&mut visit, content("🙂"));
        assert_eq!((kept, sent), (content("🙂"), Some(content("[微笑]"))));
        let incoming = Incoming {
            content: content("[微笑]"),
            ..agent("")
        };
        assert_eq!(hears(&mut visit, incoming).0, content("🙂"));
    }
}

#[test]
fn an_emoticon_with_a_unicode_form_is_a_text_and_one_without_keeps_its_own() {
    let mut visit = at(EmojiForm::Text);
    for (code, shown, heard) in [
        ("[微笑]", "", Content::text("🙂")),
        ("f14", "[微笑]", Content::text("🙂")),
        ("f99", "[彩虹马]", emoticon("f99", "[彩虹马]")),
        ("f98", "抱抱[微笑]", emoticon("f98", "抱抱🙂")),
    ] {
        let incoming = Incoming {
            content: emoticon(code, shown),
            ..agent("")
        };
        assert_eq!(hears(&mut visit, incoming).0, heard, "{code}");
    }
}

#[test]
fn an_emoji_that_an_app_sends_by_itself_goes_out_by_its_code() {
    let mut visit = at(EmojiForm::Text);
    let (kept, sent) = says(&mut visit, emoticon("🙂", "🙂"));
    assert_eq!(kept, emoticon("🙂", "🙂"));
    assert_eq!(sent, Some(emoticon("[微笑]", "[微笑]")));
}

#[test]
fn a_question_to_pick_comes_back_in_the_vendors_own_words() {
    let questions = ["查[微笑]", "查[笑]", "查🙂", "查"];
    let asks = || Incoming {
        suggestions: questions.map(str::to_owned).into(),
        ..agent("问")
    };
    let mut visit = at(EmojiForm::Text);
    let (_, shown) = hears(&mut visit, asks());
    assert_eq!(shown, ["查🙂", "查[笑]", "查🙂", "查"]);
    for (picked, own) in [(0, 0), (1, 1), (3, 3)] {
        let (_, sent) = says(&mut visit, Content::text(&shown[picked]));
        assert_eq!(sent, Some(Content::text(questions[own])));
    }
    let mut native = at(EmojiForm::Native);
    assert_eq!(hears(&mut native, asks()).1, questions);
}

#[test]
fn what_waited_for_the_handshake_goes_out_in_codes() {
    let mut visit = Visit::new(desk(EmojiForm::Text, Some(table())), &["first"]);
    visit.does(Input::Open, |_| Ok(vec![]));
    visit.command(text("早🙂"));
    let mut sent = Vec::new();
    visit.does(told(), |input| {
        sent.push(input.event.clone());
        let opened = matches!(input.event, Event::FromProvider { .. });
        Ok(if opened {
            vec![Effect::state(SessionState::Human)]
        } else {
            vec![]
        })
    });
    assert!(
        sent.iter().any(|event| is_said(event, "早[微笑]")),
        "{sent:?}"
    );
}

#[test]
fn a_left_message_goes_out_in_codes_where_its_field_has_room() {
    let mut able = able();
    able.emoji = EmojiForm::Text;
    able.leave_message.fields = vec![field("content", None), field("short", Some(3))];
    let mut visit = standing(able, SessionState::Unattended);
    let fields = [("content", "急🙂"), ("short", "急🙂")];
    let command = Command::LeaveMessage {
        fields: fields
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    };
    let mut left = None;
    let ran = visit.run(Input::Command(command), |input| {
        left = Some(input.event.clone());
        Ok(vec![])
    });
    let Some(Event::LeaveMessage { fields }) = left else {
        panic!("{left:?}")
    };
    assert_eq!(
        (&*fields["content"], &*fields["short"]),
        ("急[微笑]", "急🙂")
    );
    let submitted = ran
        .unwrap()
        .outcome
        .events
        .into_iter()
        .find_map(|event| match event.body {
            EventBody::LeaveMessageSubmitted { fields } => Some(fields),
            _ => None,
        });
    assert_eq!(submitted.unwrap()["content"], "急🙂");
}

#[test]
fn a_comment_on_a_rating_goes_out_in_codes() {
    let mut visit = at(EmojiForm::Text);
    let command = serde_json::json!({"target": "human", "stars": 5, "comment": "谢谢🙂"});
    let command = Command::Evaluate {
        evaluation: serde_json::from_value(command).unwrap(),
    };
    let mut comment = None;
    visit.does(Input::Command(command), |input| {
        if let Event::Evaluated { evaluation } = &input.event {
            comment.clone_from(&evaluation.comment);
        }
        Ok(vec![])
    });
    assert_eq!(comment.as_deref(), Some("谢谢[微笑]"));
}

#[test]
fn notices_prompts_and_reasons_of_the_vendor_come_in_as_unicode() {
    let mut visit = at(EmojiForm::Text);
    let mut capabilities = visit.record.capabilities.clone();
    capabilities.evaluation.robot_prompt = Some("解决了吗[微笑]".into());
    let config = SessionConfig {
        notice: Some(Notice {
            text: "欢迎[微笑]".into(),
            url: None,
        }),
        ..SessionConfig::default()
    };
    let effect = Effect::Capabilities {
        capabilities: Some(Box::new(capabilities)),
        config: Some(config),
    };
    visit.effects(vec![effect]);
    assert_eq!(visit.record.config.notice.as_ref().unwrap().text, "欢迎🙂");
    let prompt = visit.record.capabilities.evaluation.robot_prompt.as_deref();
    assert_eq!(prompt, Some("解决了吗🙂"));
}

#[test]
fn an_app_is_told_how_emoji_arrive_and_when_that_changes() {
    let mut visit = at(EmojiForm::Text);
    assert_eq!(visit.record.card().capabilities.emoji, EmojiForm::Native);
    assert_eq!(visit.record.capabilities.emoji, EmojiForm::Text);

    visit.desk = desk(EmojiForm::Text, None);
    let lines = visit.does(told(), |_| Ok(vec![]));
    assert_eq!(lines, ["told first from_provider", "session.capabilities"]);
    assert_eq!(visit.record.card().capabilities.emoji, EmojiForm::Text);
    let (_, sent) = says(&mut visit, Content::text("🙂"));
    assert_eq!(sent, Some(Content::text("🙂")));
    assert_eq!(
        hears(&mut visit, agent("[微笑]")).0,
        Content::text("[微笑]")
    );

    visit.desk = desk(EmojiForm::Text, Some(table()));
    let outcome = run(&mut visit, told(), vec![]);
    let told_now = outcome.events.iter().find_map(|event| match &event.body {
        EventBody::Capabilities(change) => change.capabilities.clone(),
        _ => None,
    });
    assert_eq!(told_now.unwrap().emoji, EmojiForm::Native);
    let lines = visit.does(told(), |_| Ok(vec![]));
    assert_eq!(lines, ["told first from_provider"], "told once");
}

#[test]
fn a_table_of_a_vendor_that_reads_unicode_is_no_news() {
    let mut visit = at(EmojiForm::Native);
    visit.desk = desk(EmojiForm::Native, None);
    let lines = visit.does(told(), |_| Ok(vec![]));
    assert_eq!(lines, ["told first from_provider"]);
}

#[test]
fn a_session_that_is_over_is_told_nothing_of_a_new_table() {
    let mut visit = Visit::standing(able(), SessionState::Ended);
    visit.desk = desk(EmojiForm::Text, Some(table()));
    let lines = visit.does(told(), |_| Ok(vec![]));
    assert_eq!(lines, ["told first from_provider"]);
}

fn table() -> Arc<EmojiTable> {
    let codes = [("[微笑]", "🙂"), ("[笑]", "🙂")];
    Arc::new(EmojiTable::new(codes, [("🙂", "[微笑]")]))
}

fn desk(form: EmojiForm, table: Option<Arc<EmojiTable>>) -> Desk {
    with_table(
        Capabilities {
            emoji: form,
            ..able()
        },
        table,
    )
}

fn with_table(capabilities: Capabilities, table: Option<Arc<EmojiTable>>) -> Desk {
    let mut desk = Desk::of(capabilities);
    for facts in desk.0.values_mut() {
        facts.emoji.clone_from(&table);
    }
    desk
}

/// A session with an agent, and a table.
fn at(form: EmojiForm) -> Visit {
    standing(
        Capabilities {
            emoji: form,
            ..able()
        },
        SessionState::Human,
    )
}

fn standing(capabilities: Capabilities, state: SessionState) -> Visit {
    let mut visit = Visit::new(with_table(capabilities, Some(table())), &["first"]);
    visit.does(Input::Open, |_| Ok(vec![]));
    visit.moves_to(state);
    visit
}

fn run(visit: &mut Visit, input: Input, effects: Vec<Effect>) -> Outcome {
    let mut effects = Some(effects);
    visit
        .run(input, |_| Ok(effects.take().unwrap_or_default()))
        .unwrap()
        .outcome
}

/// What is kept, and what the adapter sees, of what a visitor says.
fn says(visit: &mut Visit, content: Content) -> (Content, Option<Content>) {
    let command = Command::Message {
        content,
        media: vec![],
        converted_from: None,
    };
    let mut sent = None;
    let ran = visit.run(Input::Command(command), |input| {
        if let Event::FromVisitor { message } = &input.event {
            sent = Some(message.content.clone());
        }
        Ok(vec![])
    });
    (message(&ran.unwrap().outcome).0, sent)
}

/// What is kept of what the desk says.
fn hears(visit: &mut Visit, incoming: Incoming) -> (Content, Vec<String>) {
    message(&run(visit, told(), vec![Effect::deliver(incoming)]))
}

fn message(outcome: &Outcome) -> (Content, Vec<String>) {
    let logged = outcome.events.iter().find_map(|event| match &event.body {
        EventBody::Message(message) => Some(message.clone()),
        _ => None,
    });
    let logged = logged.unwrap();
    (logged.content, logged.suggestions)
}

fn agent(says: &str) -> Incoming {
    from_desk(SenderKind::Agent, says)
}

fn emoticon(code: &str, text: &str) -> Content {
    Content::Emoji {
        code: code.into(),
        text: text.into(),
    }
}

fn field(key: &str, max: Option<u32>) -> FormField {
    FormField {
        key: key.into(),
        max,
        label: key.into(),
        required: false,
        multiline: true,
        verify: None,
    }
}

fn is_said(event: &Event, text: &str) -> bool {
    matches!(event, Event::FromVisitor { message }
        if message.content.kind() == ContentKind::Text && message.content.to_text() == text)
}
