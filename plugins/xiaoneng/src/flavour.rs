//! Xiaoneng's defaults: what a session allows where the vendor says nothing.
//!
//! Two abilities are off until the vendor's config turns them on: location, and
//! ratings that a visitor starts.

use kefu_plugin_api::prelude::{
    ContentKind, Descriptor, EmojiForm, EvaluationStart, Exit, HumanEvaluation, LeaveMessageKind,
    Level, OpenError, RobotEvaluation,
};
use kefu_sdp_core::{
    Account, Arrival, Flavour,
    config::{self, Config, Evaluation, Human, Leave, Robot},
    translate::all_fields,
    wire::Mode,
};
use serde_json::Value;

use crate::{form, settings::Settings, words};

/// The flavour `xiaoneng`.
#[derive(Debug)]
pub struct Xiaoneng;

impl Flavour for Xiaoneng {
    type Settings = Settings;

    const ID: &'static str = "xiaoneng";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ADDRESSES: &'static [&'static str] = &["base_url", "dev_base_url"];

    fn account(settings: Settings) -> Result<Account, OpenError> {
        settings.try_into()
    }

    fn defaults() -> Config {
        Config {
            to_human: Some(true),
            exit: Some(Exit::Keeps),
            robot: Some(Some(Robot {
                types: vec![ContentKind::Text, ContentKind::Emoji],
                ..Robot::default()
            })),
            human: Some(Human {
                types: HUMAN.into(),
            }),
            leave_message: Some(leave_message(form::fields())),
            evaluation: Some(Evaluation {
                robot: RobotEvaluation::None,
                human: Some(HumanEvaluation {
                    stars: true,
                    labels: LABELS.map(str::to_owned).into(),
                    ..HumanEvaluation::default()
                }),
                by: vec![EvaluationStart::Agent],
                after_seconds: 0,
            }),
            emoji: Some(EmojiForm::Text),
            visitor_fields: Some(all_fields()),
            ..Config::default()
        }
    }

    /// Nobody's whereabouts are put into words for a vendor that does not take
    /// locations.
    fn unlisted(kind: ContentKind) -> Level {
        config::in_words_but_location(kind)
    }

    fn conditional(descriptor: Descriptor) -> Descriptor {
        descriptor
            .decided_by_vendor(&[
                "/human/location",
                "/human/rich",
                "/human/video",
                "/human/file",
                "/human/custom",
                "/groups",
                "/evaluation/by/visitor",
            ])
            .decided_by_setting("/leave_message/fields", "leave_message_fields")
            .decided_by_setting("/visitor_fields", "visitor_fields")
    }

    fn vocabulary(account: &Account, arrival: &Arrival<'_>) -> Option<(&'static str, Value)> {
        Some(("xiaoneng", words::arrival(account, arrival)))
    }
}

/// The form of the app, offered while nobody is there or while queued.
pub(crate) fn leave_message(fields: Vec<kefu_plugin_api::prelude::FormField>) -> Leave {
    Leave {
        kind: LeaveMessageKind::Form,
        when: vec![Mode::Unattended, Mode::Queued],
        url: None,
        fields,
    }
}

/// What agents take.
const HUMAN: [ContentKind; 4] = [
    ContentKind::Text,
    ContentKind::Image,
    ContentKind::Voice,
    ContentKind::Emoji,
];

/// The five levels of a rating, worst first.
const LABELS: [&str; 5] = ["非常不满意", "不满意", "一般", "满意", "非常满意"];
