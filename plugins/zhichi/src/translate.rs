//! Both ways between neutral messages and the vendor's.
//!
//! Owns what a visitor's content becomes at the vendor and what the robot's
//! answers become here. Pushes are read in `push`. Invariant: nothing is lost
//! silently: what the vendor has no kind for goes as text or link, and what is
//! longer than a message may be comes in several.

use kefu_plugin_api::prelude::{
    Content, Evaluation, EvaluationTarget, Incoming, Sender, SenderKind,
};

use crate::{
    api::{ChatSend, Comment, GuideItem, MultiRound, RobotItem, Suggestion},
    state::Suggested,
};

/// A visitor's content as the agent's side takes it: text, image, voice and
/// video by address; voice must be mp3 or wav.
pub(crate) fn for_agent<'a>(partnerid: &'a str, content: &'a Content) -> Sending<'a> {
    let (msg_type, content, degraded) = match content {
        Content::Text { text } => ("text", Said::Borrowed(text), false),
        Content::Image { url, .. } => ("image", Said::Borrowed(url), false),
        Content::Voice { url, format, .. } if is_playable(format) => {
            ("voice", Said::Borrowed(url), false)
        }
        Content::Video { url, .. } => ("video", Said::Borrowed(url), false),
        other => ("text", Said::Owned(other.to_text()), true),
    };
    Sending {
        partnerid,
        msg_type,
        content,
        degraded,
    }
}

type Said<'a> = std::borrow::Cow<'a, str>;

/// A message on its way to the agent.
pub(crate) struct Sending<'a> {
    partnerid: &'a str,
    msg_type: &'static str,
    content: Said<'a>,
    /// Whether it goes as text because the vendor has no such kind.
    pub(crate) degraded: bool,
}

impl Sending<'_> {
    pub(crate) fn body(&self) -> ChatSend<'_> {
        ChatSend {
            partnerid: self.partnerid,
            content: &self.content,
            msg_type: self.msg_type,
        }
    }
}

fn is_playable(format: &str) -> bool {
    ["mp3", "wav"]
        .iter()
        .any(|known| format.eq_ignore_ascii_case(known))
}

/// A rating in the vendor's numbers.
pub(crate) fn rating<'a>(partnerid: &'a str, evaluation: &'a Evaluation) -> Comment<'a> {
    Comment {
        partnerid,
        r#type: match evaluation.target {
            EvaluationTarget::Robot => 0,
            EvaluationTarget::Human => 1,
        },
        solved: evaluation.resolved.map(u8::from),
        score: evaluation.stars,
        tag: (!evaluation.tags.is_empty()).then(|| evaluation.tags.join(",")),
        remark: evaluation.comment.as_deref(),
        comment_type: u8::from(!evaluation.invited),
    }
}

/// The robot's answer, with what it suggests; `None` if it said nothing.
pub(crate) fn answer(robot: &Sender, item: RobotItem) -> (Option<Incoming>, Vec<Suggested>) {
    let round = item.multi_response_info.into_iter().next();
    let MultiRound {
        answer,
        answer_strip,
        remind_question,
        input_content_list,
    } = round.unwrap_or_default();
    let mut suggested: Vec<Suggested> = item
        .suggestions
        .into_iter()
        .filter_map(entry)
        .take(SUGGESTIONS)
        .collect();
    if suggested.is_empty() {
        suggested = choices(input_content_list.as_deref());
    }
    let said = item.answer.or(answer).or(answer_strip).or(remind_question);
    let lead = item.stripe.filter(|_| !suggested.is_empty());
    let text = match (said, lead) {
        (Some(said), Some(lead)) => Some(format!("{said}\n{lead}")),
        (said, lead) => said.or(lead),
    };
    let message = text.map(|text| Incoming {
        vendor_id: item.msgid,
        from: robot.clone(),
        content: Content::text(text),
        suggestions: shown(&suggested),
    });
    (message, suggested)
}

/// The robot's greeting; `None` if it has none.
pub(crate) fn greeting(robot: &Sender, item: GuideItem) -> (Option<Incoming>, Vec<Suggested>) {
    let suggested: Vec<Suggested> = item
        .link_question_list
        .into_iter()
        .filter_map(entry)
        .take(SUGGESTIONS)
        .collect();
    let lead = (!suggested.is_empty()).then(|| YOU_MAY_ASK.to_owned());
    let message = item.guide_strip.or(lead).map(|text| Incoming {
        suggestions: shown(&suggested),
        ..Incoming::new(robot.clone(), Content::text(text))
    });
    (message, suggested)
}

fn entry(from: Suggestion) -> Option<Suggested> {
    let question = from.question.or(from.guide_question);
    let shown = from.guide_question_disname.or_else(|| question.clone())?;
    Some(Suggested {
        question: question.unwrap_or_else(|| shown.clone()),
        docid: from.docid.unwrap_or_default(),
        shown,
    })
}

fn choices(list: Option<&str>) -> Vec<Suggested> {
    let texts = list.unwrap_or_default().split([',', '，']).map(str::trim);
    texts
        .filter(|text| !text.is_empty())
        .take(SUGGESTIONS)
        .map(|text| Suggested {
            shown: text.to_owned(),
            question: text.to_owned(),
            docid: String::new(),
        })
        .collect()
}

fn shown(suggested: &[Suggested]) -> Vec<String> {
    suggested.iter().map(|entry| entry.shown.clone()).collect()
}

/// A notice of the platform.
pub(crate) fn notice(text: &str) -> Incoming {
    Incoming::new(Sender::of(SenderKind::System), Content::text(text))
}

/// A message as one or more of at most [`TEXT_LIMIT`] characters. The pieces
/// have ids of their own, made by [`piece_id`].
pub(crate) fn in_pieces(message: Incoming) -> Vec<Incoming> {
    let Content::Text { text } = &message.content else {
        return vec![message];
    };
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= TEXT_LIMIT {
        return vec![message];
    }
    let pieces: Vec<String> = letters
        .chunks(TEXT_LIMIT)
        .map(|chunk| chunk.iter().collect())
        .collect();
    let last = pieces.len() - 1;
    let piece = |(at, text): (usize, String)| Incoming {
        vendor_id: message.vendor_id.as_deref().map(|id| piece_id(id, at)),
        from: message.from.clone(),
        content: Content::Text { text },
        suggestions: if at == last {
            message.suggestions.clone()
        } else {
            Vec::new()
        },
    };
    pieces.into_iter().enumerate().map(piece).collect()
}

/// The id of a piece, counted from 0; the first keeps the message's own.
pub(crate) fn piece_id(id: &str, at: usize) -> String {
    match at {
        0 => id.to_owned(),
        at => format!("{id}#{at}"),
    }
}

/// More than a visitor would read; the state stays small.
const SUGGESTIONS: usize = 20;

/// Characters in a text.
const TEXT_LIMIT: usize = 8_000;

const YOU_MAY_ASK: &str = "您可能想问：";
