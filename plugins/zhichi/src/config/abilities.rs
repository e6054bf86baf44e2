//! What sessions can do, by the settings.
//!
//! Owns the table of kinds and the rules of rating. Invariant: with default
//! settings it is what the descriptor says.

use kefu_plugin_api::prelude::{
    Capabilities, ContentKind, Descriptor, EmojiForm, EvaluationRules, EvaluationStart, Exit,
    HumanEvaluation, Level, RobotEvaluation,
};

use super::{Settings, default};

/// What sessions can do with the default settings.
pub(crate) fn default_capabilities() -> Capabilities {
    let rules = EvaluationRules {
        robot: RobotEvaluation::YesNo,
        robot_prompt: Some(ROBOT_PROMPT.to_owned()),
        human: Some(HumanEvaluation {
            stars: true,
            labels: STAR_LABELS.map(str::to_owned).to_vec(),
            resolved: true,
            tags: Vec::new(),
            comment: true,
        }),
        by: vec![EvaluationStart::Agent, EvaluationStart::Exit],
        after_seconds: default::evaluation_after_seconds(),
    };
    Capabilities {
        to_human: true,
        evaluation: rules,
        exit: Exit::Ends,
        emoji: EmojiForm::Native,
        visitor_fields: vec!["name".to_owned(), "portrait".to_owned()],
        ..Capabilities::default()
    }
    .both(ContentKind::Text, Level::Full)
    .both(ContentKind::Emoji, Level::Converted)
    .human(ContentKind::Image, Level::Full)
    // Whole as mp3 and wav; any other format goes as a link, and says so.
    .human(ContentKind::Voice, Level::Full)
    .human(ContentKind::Video, Level::Full)
    .human(ContentKind::Location, Level::Converted)
    .human(ContentKind::Rich, Level::Converted)
    .human(ContentKind::File, Level::Converted)
    .human(ContentKind::Custom, Level::Converted)
    .voice_formats(&["mp3", "wav"])
}

/// Says which setting decides what.
pub(crate) fn conditional(descriptor: Descriptor) -> Descriptor {
    [
        ("/groups", "ask_groups"),
        ("/robot", "reception"),
        ("/human", "reception"),
        ("/to_human", "reception"),
        ("/evaluation/robot", "robot_evaluation"),
        ("/evaluation/human/stars", "evaluation_stars"),
        ("/evaluation/human/resolved", "evaluation_resolved"),
        ("/evaluation/human/tags", "evaluation_tags"),
        ("/evaluation/human/comment", "evaluation_comment"),
        ("/evaluation/by/visitor", "evaluation_by_visitor"),
        ("/evaluation/after_seconds", "evaluation_after_seconds"),
    ]
    .into_iter()
    .fold(descriptor, |descriptor, (part, setting)| {
        descriptor.decided_by_setting(part, setting)
    })
}

/// What sessions can do with these settings.
pub(super) fn capabilities(settings: &Settings) -> Capabilities {
    let mut capabilities = default_capabilities();
    let reception = settings.reception;
    capabilities.to_human = reception.has_human();
    if !reception.has_robot() {
        capabilities.robot.clear();
    }
    if !reception.has_human() {
        capabilities.human.clear();
    }
    let rules = &mut capabilities.evaluation;
    if !settings.robot_evaluation || !reception.has_robot() {
        rules.robot = RobotEvaluation::None;
        rules.robot_prompt = None;
    }
    if settings.evaluation_by_visitor {
        rules.by.insert(0, EvaluationStart::Visitor);
    }
    rules.after_seconds = settings.evaluation_after_seconds;
    let asks = settings.evaluation_stars || settings.evaluation_resolved;
    rules.human = (asks && reception.has_human()).then(|| HumanEvaluation {
        stars: settings.evaluation_stars,
        labels: if settings.evaluation_stars {
            STAR_LABELS.map(str::to_owned).to_vec()
        } else {
            Vec::new()
        },
        resolved: settings.evaluation_resolved,
        tags: settings.evaluation_tags.clone(),
        comment: settings.evaluation_comment,
    });
    if rules.human.is_none() {
        rules.by.clear();
    }
    capabilities
}

const ROBOT_PROMPT: &str = "机器人是否解决了您的问题？";
const STAR_LABELS: [&str; 5] = ["非常不满意", "不满意", "一般", "满意", "非常满意"];
