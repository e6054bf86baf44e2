//! What was said before, as one text for a provider that was not there.
//!
//! Owns its form and its bound. Pure: events come in, a text goes out.
//! Invariants: it is never longer than a message may be, the newest words are
//! kept, and it names nobody but by the name that the visitor was shown; who
//! the visitor is stays with the profile, which has rules of its own.

use std::collections::BTreeSet;

use kefu_plugin_api::{
    ids::MessageId,
    message::{Sender, SenderKind},
};

use crate::{
    command::MAX_TEXT,
    log::{EventBody, LogEvent, LoggedMessage},
    session::Record,
};

/// In whose words the gateway speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Chinese,
    English,
}

impl Language {
    /// That of the visitor, if the app has told it as the field `language` of
    /// the profile; else Chinese.
    pub(super) fn of(record: &Record) -> Self {
        let told = record.visitor.custom.get("language");
        let told = told.and_then(|told| told.as_str()).unwrap_or_default();
        let english = told
            .get(..2)
            .is_some_and(|two| two.eq_ignore_ascii_case("en"));
        if english {
            Self::English
        } else {
            Self::Chinese
        }
    }

    /// That nobody takes over.
    pub(super) const fn nobody_there(self) -> &'static str {
        match self {
            Self::Chinese => "暂时没有人工客服，请稍后再试。",
            Self::English => "No agent is available at the moment. Please try again later.",
        }
    }

    const fn heading(self) -> &'static str {
        match self {
            Self::Chinese => "【此前的对话】",
            Self::English => "[Earlier in this conversation]",
        }
    }

    fn name(self, sender: &Sender) -> String {
        let side = match (self, sender.kind) {
            (Self::Chinese, SenderKind::Visitor) => "访客",
            (Self::Chinese, SenderKind::Robot) => "机器人",
            (Self::Chinese, SenderKind::Agent) => "客服",
            (Self::Chinese, SenderKind::System) => "系统",
            (Self::English, SenderKind::Visitor) => "Visitor",
            (Self::English, SenderKind::Robot) => "Robot",
            (Self::English, SenderKind::Agent) => "Agent",
            (Self::English, SenderKind::System) => "System",
        };
        match &sender.name {
            Some(name) if sender.kind == SenderKind::Agent => format!("{side} {name}"),
            _ => side.to_owned(),
        }
    }
}

/// A text, and the links to media in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Transcript {
    pub(super) text: String,
    pub(super) links: Vec<String>,
}

/// What was said, but for messages that are sent by themselves; `None` if that
/// is nothing.
pub(super) fn transcript<'e>(
    events: impl DoubleEndedIterator<Item = &'e LogEvent> + Clone,
    sent_anew: &BTreeSet<MessageId>,
    language: Language,
) -> Option<Transcript> {
    let taken_back: BTreeSet<_> = events
        .clone()
        .filter_map(|event| match &event.body {
            EventBody::Recalled { message } => Some(message),
            _ => None,
        })
        .collect();
    let mut said = events.rev().filter_map(|event| match &event.body {
        EventBody::Message(message)
            if message.from.kind != SenderKind::System
                && !sent_anew.contains(&message.id)
                && !taken_back.contains(&message.id) =>
        {
            Some(message)
        }
        _ => None,
    });
    let heading = language.heading();
    // The heading, and the mark that something is left out.
    let mut left = MAX_TEXT - heading.chars().count() - 2;
    let (mut lines, mut links) = (Vec::new(), Vec::new());
    let mut whole = true;
    for message in said.by_ref() {
        let (line, fits) = line(message, language, left.saturating_sub(1));
        let length = line.chars().count() + 1;
        if length > left || (!fits && !lines.is_empty()) {
            whole = false;
            break;
        }
        left -= length;
        lines.push(line);
        let mut content = message.content.clone();
        links.extend(content.media_urls_mut().into_iter().map(|url| url.clone()));
    }
    if lines.is_empty() {
        return None;
    }
    let mut text = heading.to_owned();
    if !whole {
        text.push_str("\n…");
    }
    for line in lines.iter().rev() {
        text.push('\n');
        text.push_str(line);
    }
    links.sort_unstable();
    links.dedup();
    Some(Transcript { text, links })
}

/// Who said what, cut to so many characters. Whether it was whole.
fn line(message: &LoggedMessage, language: Language, most: usize) -> (String, bool) {
    let said = message.content.to_text();
    let line = format!("{}: {said}", language.name(&message.from));
    match line.char_indices().nth(most) {
        None => (line, true),
        Some(_) => {
            let mut cut: String = line.chars().take(most.saturating_sub(1)).collect();
            cut.push('…');
            (cut, false)
        }
    }
}

#[cfg(test)]
mod tests {
    use kefu_plugin_api::{message::Content, time::Timestamp};

    use super::*;

    fn said(id: &str, kind: SenderKind, text: &str) -> LogEvent {
        let from = Sender {
            name: Some("小王".into()),
            ..Sender::of(kind)
        };
        event(EventBody::Message(LoggedMessage {
            id: id.into(),
            from,
            content: Content::text(text),
            suggestions: vec![],
            converted_from: None,
            detail: None,
        }))
    }

    fn event(body: EventBody) -> LogEvent {
        LogEvent {
            seq: 1,
            id: "e".into(),
            session: "s".into(),
            body,
            at: Timestamp::default(),
        }
    }

    fn text_of(events: &[LogEvent], anew: &[&str], language: Language) -> Option<String> {
        let anew = anew.iter().map(|&id| id.into()).collect();
        transcript(events.iter(), &anew, language).map(|it| it.text)
    }

    #[test]
    fn it_says_who_said_what_and_names_agents_only() {
        let events = [
            said("1", SenderKind::Visitor, "你好"),
            said("2", SenderKind::Robot, "您好"),
            said("3", SenderKind::System, "请稍候"),
            said("4", SenderKind::Agent, "我是小王"),
        ];
        assert_eq!(
            text_of(&events, &[], Language::Chinese).as_deref(),
            Some("【此前的对话】\n访客: 你好\n机器人: 您好\n客服 小王: 我是小王")
        );
        assert_eq!(
            text_of(&events[..2], &[], Language::English).as_deref(),
            Some("[Earlier in this conversation]\nVisitor: 你好\nRobot: 您好")
        );
    }

    #[test]
    fn what_is_sent_anew_or_was_taken_back_is_left_out() {
        let events = [
            said("1", SenderKind::Visitor, "一"),
            said("2", SenderKind::Robot, "二"),
            event(EventBody::Recalled {
                message: "2".into(),
            }),
            said("3", SenderKind::Visitor, "三"),
        ];
        assert_eq!(
            text_of(&events, &["3"], Language::Chinese).as_deref(),
            Some("【此前的对话】\n访客: 一")
        );
        assert_eq!(text_of(&events, &["1", "3"], Language::Chinese), None);
        assert_eq!(text_of(&[], &[], Language::Chinese), None);
    }

    #[test]
    fn the_newest_words_are_kept_and_the_bound_is_never_passed() {
        for length in [1, 500, MAX_TEXT - 20, MAX_TEXT, MAX_TEXT + 5] {
            let word = "长".repeat(length);
            let events: Vec<_> = (0..40)
                .map(|n| said(&n.to_string(), SenderKind::Visitor, &format!("{n}{word}")))
                .collect();
            let text = text_of(&events, &[], Language::Chinese).expect("something was said");
            assert!(text.chars().count() <= MAX_TEXT, "{length}");
            assert!(text.contains("访客: 39"), "{length}: the newest is there");
            let all = length == 1;
            assert_eq!(text.contains("\n…\n"), !all, "{length}");
            assert_eq!(text.contains("访客: 0长"), all, "{length}");
        }
    }
}
