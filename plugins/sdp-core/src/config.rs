//! What a session allows, as the vendor tells it (`docs/sdp.md`, section 7),
//! and what that means in the contract's words.
//!
//! Owns the merging of defaults with what was told, and the rule for kinds of
//! content that nobody listed. Decides nothing about a session.

use kefu_plugin_api::prelude::{
    Badge, Capabilities, ContentKind, EmojiForm, EvaluationRules, EvaluationStart, Exit, FormField,
    Group, HumanEvaluation, IdleReminders, LeaveMessageKind, LeaveMessageRules, Level, Notice,
    RobotEvaluation, SessionConfig,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::wire::Mode;

/// What a session allows. A key that is absent keeps its former value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whether a human can be asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_human: Option<bool>,
    /// What leaving does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// The robot; `null` if there is none.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub robot: Option<Option<Robot>>,
    /// What an agent takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human: Option<Human>,
    /// Whether messages are taken while queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<Waiting>,
    /// Whether messages are taken while nobody is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unattended: Option<Waiting>,
    /// Leaving a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave_message: Option<Leave>,
    /// Rating.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Evaluation>,
    /// What agents' emoji look like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emoji: Option<EmojiForm>,
    /// Skill groups to choose from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<Group>>,
    /// Profile keys that the vendor shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor_fields: Option<Vec<String>>,
    /// Optional operations that the vendor implements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<Vec<String>>,
    /// The company behind the desk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<Badge>,
    /// A notice bar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// Reminders when nobody says anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<IdleReminders>,
}

impl Config {
    /// Takes over every key that `newer` has.
    pub fn take(&mut self, newer: Self) {
        fn replace<T>(old: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *old = new;
            }
        }
        replace(&mut self.to_human, newer.to_human);
        replace(&mut self.exit, newer.exit);
        replace(&mut self.robot, newer.robot);
        replace(&mut self.human, newer.human);
        replace(&mut self.queued, newer.queued);
        replace(&mut self.unattended, newer.unattended);
        replace(&mut self.leave_message, newer.leave_message);
        replace(&mut self.evaluation, newer.evaluation);
        replace(&mut self.emoji, newer.emoji);
        replace(&mut self.groups, newer.groups);
        replace(&mut self.visitor_fields, newer.visitor_fields);
        replace(&mut self.optional, newer.optional);
        replace(&mut self.company, newer.company);
        replace(&mut self.notice, newer.notice);
        replace(&mut self.idle, newer.idle);
    }

    /// Whether the vendor implements an optional operation.
    pub fn implements(&self, op: &str) -> bool {
        self.optional.iter().flatten().any(|name| name == op)
    }

    /// The contract's words for it. `unlisted` says what becomes of a kind
    /// that neither the robot nor the agents list.
    pub fn capabilities(&self, unlisted: fn(ContentKind) -> Level) -> Capabilities {
        let waiting = [
            (Mode::Queued, self.queued),
            (Mode::Unattended, self.unattended),
        ];
        let evaluation = self.evaluation.clone().unwrap_or_default();
        let kinds = |listed: &[ContentKind]| {
            let level = |kind| {
                if listed.contains(&kind) {
                    Level::Full
                } else {
                    unlisted(kind)
                }
            };
            ContentKind::ALL
                .into_iter()
                .map(|kind| (kind, level(kind)))
                .collect()
        };
        Capabilities {
            robot: match &self.robot {
                Some(Some(robot)) => kinds(&robot.types),
                Some(None) => Default::default(),
                None => kinds(&Robot::default().types),
            },
            human: kinds(&self.human.clone().unwrap_or_default().types),
            to_human: self.to_human.unwrap_or(true),
            back_to_robot: false,
            groups: self.groups.clone().unwrap_or_default(),
            messages_while: waiting
                .into_iter()
                .filter(|(_, waiting)| waiting.is_some_and(|waiting| waiting.messages))
                .map(|(mode, _)| mode.state())
                .collect(),
            leave_message: self.leave_message.clone().unwrap_or_default().rules(),
            evaluation: EvaluationRules {
                robot: evaluation.robot,
                human: evaluation.human,
                robot_prompt: None,
                by: evaluation.by,
                after_seconds: evaluation.after_seconds,
            },
            exit: self.exit.unwrap_or(Exit::Keeps),
            // The protocol leaves it to the vendor to play what it takes.
            voice_formats: Vec::new(),
            emoji: self.emoji.unwrap_or_default(),
            visitor_fields: self.visitor_fields.clone().unwrap_or_default(),
        }
    }

    /// What an app shows around the session.
    pub fn session_config(&self) -> SessionConfig {
        let badge = |robot: &Robot| {
            let name = robot.name.clone()?;
            Some(Badge {
                name,
                icon: robot.icon.clone(),
            })
        };
        SessionConfig {
            company: self.company.clone(),
            robot: self.robot.as_ref().and_then(|robot| badge(robot.as_ref()?)),
            notice: self.notice.clone(),
            idle: self.idle.clone().unwrap_or_default(),
            blocked: false,
        }
    }
}

impl Leave {
    /// The contract's words for it.
    pub fn rules(self) -> LeaveMessageRules {
        LeaveMessageRules {
            kind: self.kind,
            when: self.when.into_iter().map(Mode::state).collect(),
            url: self.url,
            fields: self.fields,
        }
    }

    /// Whether there is something to offer in a mode. A page without an
    /// address is nothing.
    pub fn offers(&self, mode: Mode) -> bool {
        let reachable = match self.kind {
            LeaveMessageKind::None => false,
            LeaveMessageKind::Page => self.url.as_ref().is_some_and(|url| !url.is_empty()),
            LeaveMessageKind::Form => true,
        };
        reachable && self.when.contains(&mode)
    }
}

/// What plain SDP/1 does with a kind that is not listed: what can be told in
/// words is told in words, media is refused.
pub fn in_words(kind: ContentKind) -> Level {
    match kind {
        ContentKind::Custom | ContentKind::Rich | ContentKind::Location | ContentKind::Emoji => {
            Level::Converted
        }
        _ => Level::Rejected,
    }
}

/// The same, but nobody's whereabouts are put into words: location is carried
/// where the vendor lists it, and refused otherwise.
pub fn in_words_but_location(kind: ContentKind) -> Level {
    match kind {
        ContentKind::Location => Level::Rejected,
        kind => in_words(kind),
    }
}

/// The robot of a config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Robot {
    /// Name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Picture to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// What it takes.
    pub types: Vec<ContentKind>,
}

impl Default for Robot {
    fn default() -> Self {
        Self {
            name: None,
            icon: None,
            types: vec![ContentKind::Text],
        }
    }
}

/// The agents of a config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Human {
    /// What they take.
    pub types: Vec<ContentKind>,
}

impl Default for Human {
    fn default() -> Self {
        Self {
            types: vec![ContentKind::Text, ContentKind::Image],
        }
    }
}

/// A mode in which nobody reads yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// Whether messages are taken.
    pub messages: bool,
}

/// Leaving a message, as a config or an event tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Leave {
    /// Not at all, on a page, or in a form.
    pub kind: LeaveMessageKind,
    /// In which modes.
    pub when: Vec<Mode>,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FormField>,
}

impl Default for Leave {
    fn default() -> Self {
        Self {
            kind: LeaveMessageKind::None,
            when: vec![Mode::Unattended, Mode::Queued],
            url: None,
            fields: Vec::new(),
        }
    }
}

/// Rating, as a config tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Evaluation {
    /// Of the robot.
    pub robot: RobotEvaluation,
    /// Of the agent; absent if agents are not rated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human: Option<HumanEvaluation>,
    /// Who starts one.
    pub by: Vec<EvaluationStart>,
    /// Not earlier than so long after an agent came.
    pub after_seconds: u64,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self {
            robot: RobotEvaluation::None,
            human: None,
            by: vec![EvaluationStart::Agent],
            after_seconds: 0,
        }
    }
}

/// Tells `null` from absent.
fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use kefu_plugin_api::prelude::SessionState;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_that_is_absent_keeps_its_former_value() {
        let mut config = told(json!({"exit": "ends", "human": {"types": ["text", "file"]}}));
        config.take(told(json!({"human": {"types": ["text"]}})));
        let capabilities = config.capabilities(in_words);
        assert_eq!(capabilities.exit, Exit::Ends);
        assert_eq!(
            capabilities.level(SessionState::Human, ContentKind::File),
            Level::Rejected
        );
    }

    #[test]
    fn a_null_robot_means_that_there_is_none() {
        assert!(
            told(json!({"robot": null}))
                .capabilities(in_words)
                .robot
                .is_empty()
        );
        let silent = told(json!({})).capabilities(in_words);
        assert_eq!(
            silent.level(SessionState::Robot, ContentKind::Text),
            Level::Full
        );
    }

    #[test]
    fn an_unlisted_kind_is_told_in_words_or_refused() {
        let capabilities = told(json!({"human": {"types": ["text"]}})).capabilities(in_words);
        let level = |kind| capabilities.level(SessionState::Human, kind);
        assert_eq!(level(ContentKind::Rich), Level::Converted);
        assert_eq!(level(ContentKind::Voice), Level::Rejected);
    }

    #[test]
    fn a_kind_newer_than_this_reader_does_not_spoil_the_list() {
        let capabilities =
            told(json!({"human": {"types": ["text", "hologram"]}})).capabilities(in_words);
        assert_eq!(
            capabilities.level(SessionState::Human, ContentKind::Text),
            Level::Full
        );
    }

    #[test]
    fn messages_are_taken_while_waiting_only_where_the_vendor_says_so() {
        let capabilities = told(json!({"queued": {"messages": true}})).capabilities(in_words);
        assert_eq!(capabilities.messages_while, [SessionState::Queued]);
    }

    #[test]
    fn a_page_without_an_address_is_not_offered() {
        let leave: Leave = serde_json::from_value(json!({"kind": "page"})).unwrap();
        assert!(!leave.offers(Mode::Unattended));
        let leave: Leave =
            serde_json::from_value(json!({"kind": "page", "url": "https://v.example/l"})).unwrap();
        assert!(
            leave.offers(Mode::Unattended)
                && leave.offers(Mode::Queued)
                && !leave.offers(Mode::Human)
        );
    }

    #[test]
    fn the_config_of_the_document_can_be_read_and_written() {
        let page = include_str!("../../../docs/sdp.md");
        let section = page
            .split("## 7. Config")
            .nth(1)
            .expect("the document has a section 7");
        let example = section
            .split("```json")
            .nth(1)
            .and_then(|rest| rest.split("```").next())
            .unwrap();
        let config: Config = serde_json::from_str(example).unwrap();
        let again: Config = serde_json::from_value(serde_json::to_value(&config).unwrap()).unwrap();
        assert_eq!(config, again);
        assert_eq!(config.session_config().company.unwrap().name, "示例商城");
        assert!(config.implements("typing") && !config.implements("read"));
    }

    fn told(config: serde_json::Value) -> Config {
        serde_json::from_value(config).unwrap()
    }
}
