//! What sessions can do, by the settings and by what the vendor told.
//!
//! Owns the table of kinds and the rules of rating. Invariant: with default
//! settings and nothing told it is what the descriptor says.

use kefu_plugin_api::prelude::{
    Capabilities, ContentKind, EmojiForm, EvaluationRules, EvaluationStart, Exit, HumanEvaluation,
    Level, RobotEvaluation, SessionState,
};

use crate::{
    config::{Account, Reception},
    rating,
    state::State,
};

/// What sessions can do before a vendor's word.
pub(crate) fn by_default() -> Capabilities {
    let rules = EvaluationRules {
        robot: RobotEvaluation::None,
        robot_prompt: None,
        human: Some(HumanEvaluation {
            stars: true,
            labels: Vec::new(),
            resolved: false,
            tags: Vec::new(),
            comment: true,
        }),
        by: vec![EvaluationStart::Visitor, EvaluationStart::Agent],
        after_seconds: 0,
    };
    Capabilities {
        to_human: true,
        // With nobody there a message becomes one left (留言).
        messages_while: vec![SessionState::Unattended],
        evaluation: rules,
        exit: Exit::Keeps,
        emoji: EmojiForm::Text,
        visitor_fields: VISITOR_FIELDS.map(str::to_owned).to_vec(),
        ..Capabilities::default()
    }
    .both(ContentKind::Text, Level::Full)
    .both(ContentKind::Emoji, Level::Converted)
    // The vendor wants size and MD5 of a picture or a voice, which the
    // contract does not tell: they go as links.
    .human(ContentKind::Image, Level::Converted)
    .human(ContentKind::Voice, Level::Converted)
    .human(ContentKind::Video, Level::Converted)
    .human(ContentKind::Location, Level::Converted)
    .human(ContentKind::Rich, Level::Converted)
    .human(ContentKind::File, Level::Converted)
    .human(ContentKind::Custom, Level::Converted)
}

/// What sessions can do with these settings.
pub(crate) fn by_settings(reception: Reception) -> Capabilities {
    let mut capabilities = by_default();
    if reception == Reception::HumanOnly {
        capabilities.robot.clear();
    }
    if reception == Reception::RobotOnly {
        capabilities.to_human = false;
        capabilities.human.clear();
        capabilities.messages_while.clear();
        capabilities.evaluation = EvaluationRules::default();
    }
    capabilities
}

/// What this session can do, after what the vendor told about it.
pub(crate) fn of_session(account: &Account, state: &State) -> Capabilities {
    let mut capabilities = account.capabilities.clone();
    if state.leaving_is_off {
        capabilities.messages_while.clear();
    }
    if let (Some(grades), Some(form)) = (&state.grades, &mut capabilities.evaluation.human) {
        match rating::labels(grades) {
            Some(labels) => form.labels = labels,
            None => {
                capabilities.evaluation.human = None;
                capabilities.evaluation.by.clear();
            }
        }
    }
    capabilities
}

/// The profile fields that have a row of their own at the vendor.
pub(crate) const VISITOR_FIELDS: [&str; 12] = [
    "name",
    "mobile_no",
    "email",
    "gender",
    "birthday",
    "age",
    "profession",
    "province",
    "city",
    "address",
    "grade",
    "memo",
];
