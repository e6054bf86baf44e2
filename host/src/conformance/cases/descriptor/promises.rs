//! The descriptor's promises, kept or not.
//!
//! A promise is kept if there is a session in which it is: the kit does not
//! know the vendor, so it asks in every session that it could bring about.

use std::collections::BTreeMap;

use kefu_plugin_api::{
    capability::{
        Capabilities, Evaluation, EvaluationTarget, Exit, Kinds, LeaveMessageKind, Level,
        RobotEvaluation, SessionState,
    },
    effect::Effect,
    event::Event,
    message::{Content, ContentKind, Message, MessageStatus},
    wire::{HandleInput, HandleOutput},
};

use super::{Bench, Verdict};
use crate::conformance::{
    cases::{rehearse, shown},
    corpus::{self, STANDINGS},
    subject::Adapter,
};

/// Sessions that are played to have some in every state.
const SESSIONS: u64 = 40;
/// Turns of each state that are asked in.
const EACH: usize = 12;

pub(super) fn check(bench: &Bench<'_>, adapter: &Adapter<'_>, verdict: &mut Verdict) {
    let stage = Stage::set(bench, adapter);
    let descriptor = bench.about().descriptor();
    let capabilities = &descriptor.capabilities;
    for (standing, kinds) in modes(capabilities) {
        for (&kind, &level) in kinds {
            if level > Level::Rejected && kind != ContentKind::Unknown {
                stage.carries(standing, kind, level, verdict);
            }
        }
    }
    stage.answers_visitors(capabilities, verdict);
    stage.rates(capabilities, verdict);
    stage.leaves(capabilities, verdict);
    for token in &descriptor.tokens {
        let input = corpus::provider_turn(Event::TokenNeeded {
            name: token.name.clone(),
        });
        let fetches = |output: &HandleOutput| matches!(&output.effects[..], [Effect::Call { .. }]);
        if !adapter.handle(&input).is_ok_and(|output| fetches(&output)) {
            verdict.fail_on(
                format!(
                    "declares token `{}`, and does not answer `token_needed` with one call",
                    token.name
                ),
                shown(&input),
            );
        }
    }
}

/// In which state which kinds are taken.
fn modes(capabilities: &Capabilities) -> Vec<(SessionState, &Kinds)> {
    let mut modes = vec![
        (SessionState::Robot, &capabilities.robot),
        (SessionState::Human, &capabilities.human),
    ];
    for &standing in &capabilities.messages_while {
        modes.push((standing, &capabilities.human));
    }
    modes
}

/// Sessions in every state.
struct Stage<'a> {
    adapter: &'a Adapter<'a>,
    turns: BTreeMap<SessionState, Vec<HandleInput>>,
}

impl<'a> Stage<'a> {
    fn set(bench: &Bench<'_>, adapter: &'a Adapter<'a>) -> Self {
        let mut turns: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let begun = adapter
            .handle(&corpus::turn(corpus::opened(), SessionState::Opening))
            .map(|output| output.state)
            .unwrap_or_default();
        for standing in STANDINGS {
            let mut input = corpus::turn(corpus::opened(), standing);
            turns.entry(standing).or_default().push(input.clone());
            input.state.clone_from(&begun);
            turns.entry(standing).or_default().push(input);
        }
        for input in rehearse(bench, adapter, SESSIONS) {
            let of_state = turns.entry(input.session.standing).or_default();
            if of_state.len() < EACH {
                of_state.push(input);
            }
        }
        Self { adapter, turns }
    }

    /// Whether the promise is kept in one of these states; the last input that
    /// was tried otherwise.
    fn kept(
        &self,
        standings: &[SessionState],
        event: &Event,
        keeps: impl Fn(&HandleInput, &HandleOutput) -> bool,
    ) -> Result<(), Option<Box<HandleInput>>> {
        let mut tried = None;
        for standing in standings {
            for base in self.turns.get(standing).into_iter().flatten() {
                let mut input = base.clone();
                input.event = event.clone();
                if let Ok(output) = self.adapter.handle(&input)
                    && keeps(&input, &output)
                {
                    return Ok(());
                }
                tried = Some(Box::new(input));
            }
        }
        Err(tried)
    }

    fn must(
        &self,
        promise: &str,
        standings: &[SessionState],
        event: &Event,
        keeps: impl Fn(&HandleInput, &HandleOutput) -> bool,
        verdict: &mut Verdict,
    ) {
        match self.kept(standings, event, keeps) {
            Ok(()) => {}
            Err(Some(input)) => verdict.fail_on(promise, shown(&input)),
            Err(None) => verdict.fail(promise),
        }
    }

    /// A kind that is carried leads somewhere, and what it says makes a
    /// difference.
    fn carries(
        &self,
        standing: SessionState,
        kind: ContentKind,
        level: Level,
        verdict: &mut Verdict,
    ) {
        let declared = match level {
            Level::Full => "full",
            _ => "converted",
        };
        let (kind_name, while_) = (kind.as_str(), standing.as_str());
        let versions = versions(kind, level);
        let Some((first, others)) = versions.split_first() else {
            return;
        };
        let converted = (level == Level::Converted).then_some(kind);
        let message = |content: &Content| Event::FromVisitor {
            message: Message {
                id: "message-1".into(),
                content: content.clone(),
                converted_from: converted,
            },
        };
        self.must(
            &format!("declares {kind_name} as {declared} while {while_}, and does nothing with it"),
            &[standing],
            &message(first),
            |_, output| takes(output),
            verdict,
        );
        for other in others {
            let differs = |input: &HandleInput, output: &HandleOutput| {
                let mut again = input.clone();
                again.event = message(other);
                takes(output)
                    && self
                        .adapter
                        .handle(&again)
                        .is_ok_and(|other| other.effects != output.effects)
            };
            self.must(
                &format!(
                    "declares {kind_name} as {declared} while {while_}, and loses part of what it says"
                ),
                &[standing],
                &message(first),
                differs,
                verdict,
            );
        }
    }

    fn answers_visitors(&self, capabilities: &Capabilities, verdict: &mut Verdict) {
        use SessionState::{Queued, Robot, Unattended};
        let anything = |_: &HandleInput, output: &HandleOutput| !output.effects.is_empty();
        if capabilities.to_human {
            self.must(
                "declares that a human can be asked for, and does nothing then",
                &[Robot, Queued, Unattended],
                &Event::HumanRequested { group: None },
                anything,
                verdict,
            );
        }
        let leave = &capabilities.leave_message;
        if leave.kind == LeaveMessageKind::Form {
            let fields = leave
                .fields
                .iter()
                .map(|field| (field.key.clone(), "13800000000".to_owned()))
                .collect();
            self.must(
                "declares a form for leaving a message, and does nothing with it",
                &leave.when,
                &Event::LeaveMessage { fields },
                anything,
                verdict,
            );
        }
    }

    fn rates(&self, capabilities: &Capabilities, verdict: &mut Verdict) {
        let rating = |target| Event::Evaluated {
            evaluation: Evaluation {
                target,
                resolved: Some(true),
                stars: Some(5),
                tags: Vec::new(),
                comment: None,
                invited: true,
            },
        };
        let anything = |_: &HandleInput, output: &HandleOutput| !output.effects.is_empty();
        if capabilities.evaluation.human.is_some() {
            self.must(
                "declares that an agent can be rated, and does nothing with a rating",
                &[SessionState::Human, SessionState::Ended],
                &rating(EvaluationTarget::Human),
                anything,
                verdict,
            );
        }
        if capabilities.evaluation.robot == RobotEvaluation::YesNo {
            self.must(
                "declares that the robot can be rated, and does nothing with a rating",
                &[SessionState::Robot],
                &rating(EvaluationTarget::Robot),
                anything,
                verdict,
            );
        }
    }

    fn leaves(&self, capabilities: &Capabilities, verdict: &mut Verdict) {
        let closes = |output: &HandleOutput| {
            let close = |effect: &Effect| matches!(effect, Effect::Close { .. });
            output.effects.iter().any(close)
        };
        let (promise, ends) = match capabilities.exit {
            Exit::Ends => (
                "declares that leaving ends a session, and does not close it in that turn",
                true,
            ),
            Exit::Keeps => (
                "declares that leaving keeps a session, and closes it",
                false,
            ),
        };
        self.must(
            promise,
            &[SessionState::Robot, SessionState::Human],
            &Event::Exited {},
            |_, output| closes(output) == ends,
            verdict,
        );
    }
}

/// Whether a message was taken: something is done, and it is not only told to
/// have failed.
fn takes(output: &HandleOutput) -> bool {
    let failed = |effect: &Effect| {
        matches!(
            effect,
            Effect::Status {
                status: MessageStatus::Failed,
                ..
            }
        )
    };
    !output.effects.is_empty() && !output.effects.iter().any(failed)
}

/// A content of that kind, then others that differ in one thing each which
/// must not be lost.
fn versions(kind: ContentKind, level: Level) -> Vec<Content> {
    let link = |name: &str| format!("https://media.example/{name}");
    if level < Level::Full {
        return vec![Content::text("one"), Content::text("another")];
    }
    let image = |name: &str| Content::Image {
        url: link(name),
        thumbnail: None,
        width: None,
        height: None,
    };
    let rich = |title: &str, url: &str| Content::Rich {
        title: title.into(),
        summary: "summary".into(),
        image_url: None,
        url: link(url),
    };
    let place = |latitude, label: &str| Content::Location {
        latitude,
        longitude: 116.4,
        label: label.into(),
    };
    let file = |url: &str, name: &str| Content::File {
        url: link(url),
        name: name.into(),
        size: 5,
    };
    let custom = |name: &str, sku: &str| Content::Custom {
        name: name.into(),
        payload: serde_json::json!({"sku": sku}),
        fallback_text: "a product".into(),
    };
    let voice = |name: &str| Content::Voice {
        url: link(name),
        duration_ms: 1_500,
        format: "mp3".into(),
    };
    let video = |name: &str| Content::Video {
        url: link(name),
        duration_ms: 9_000,
        thumbnail: None,
    };
    let emoji = |code: &str| Content::Emoji {
        code: code.into(),
        text: code.into(),
    };
    match kind {
        ContentKind::Image => vec![image("1.png"), image("2.png")],
        ContentKind::Voice => vec![voice("1.mp3"), voice("2.mp3")],
        ContentKind::Location => vec![place(39.9, "a"), place(40.1, "a"), place(39.9, "b")],
        ContentKind::Rich => vec![rich("a", "1"), rich("b", "1"), rich("a", "2")],
        ContentKind::Video => vec![video("1.mp4"), video("2.mp4")],
        ContentKind::File => vec![file("1", "a"), file("2", "a"), file("1", "b")],
        ContentKind::Emoji => vec![emoji("[smile]"), emoji("[cry]")],
        ContentKind::Custom => vec![custom("a", "1"), custom("b", "1"), custom("a", "2")],
        _ => vec![Content::text("one"), Content::text("another")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_versions_that_differ() {
        for kind in ContentKind::ALL {
            let versions = versions(kind, Level::Full);
            assert!(versions.len() > 1, "{kind:?}");
            assert!(versions.iter().all(|content| content.kind() == kind));
            let (first, others) = versions.split_first().expect("several");
            assert!(others.iter().all(|other| other != first), "{kind:?}");
        }
    }

    #[test]
    fn a_message_that_only_failed_was_not_taken() {
        let output = |effects| HandleOutput {
            effects,
            ..HandleOutput::default()
        };
        assert!(!takes(&output(Vec::new())));
        assert!(!takes(&output(vec![Effect::failed("m".into(), "no")])));
        assert!(takes(&output(vec![Effect::delivered("m".into())])));
    }
}
