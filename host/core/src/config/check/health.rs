//! Checks of how a provider's vendor is watched.

use kefu_plugin_api::ids::DeskId;

use super::Checker;
use crate::{
    command::MAX_TEXT,
    config::{Canary, Expect, HealthRules, raw},
};

pub(super) fn rules(checker: &mut Checker, raw: raw::Health) -> HealthRules {
    let off = |time: &raw::Time| time.0 == "off";
    let connect_every = match raw.connect_every {
        Some(time) if off(&time) => None,
        time => Some(checker.duration("health.connect_every", time, "2s", "500ms", "5m")),
    };
    HealthRules { connect_every }
}

pub(super) fn canary(checker: &mut Checker, raw: raw::Canary) -> Canary {
    let choices = [
        ("any", Expect::Any),
        ("robot", Expect::Robot),
        ("human", Expect::Human),
    ];
    if let Some(desk) = &raw.desk {
        checker.id("canary.desk", desk, false);
    }
    Canary {
        every: checker.duration("canary.every", raw.every, "20s", "1s", "1d"),
        within: checker.duration("canary.within", raw.within, "15s", "500ms", "10m"),
        desk: raw.desk.map(DeskId::new),
        say: say(checker, raw.say),
        visitor: visitor(checker, raw.visitor),
        expect: checker.choice("canary.expect", raw.expect, &choices),
    }
}

fn say(checker: &mut Checker, raw: Option<String>) -> String {
    let right = "say a word that the desk answers, such as \"你好\"";
    let said = raw.unwrap_or_else(|| "你好".to_owned());
    if said.trim().is_empty() {
        checker.error("canary.say", "is empty", right);
    } else if said.chars().count() > MAX_TEXT {
        let problem = format!("is longer than a message may be: {MAX_TEXT} characters");
        checker.error("canary.say", problem, right);
    }
    said
}

fn visitor(checker: &mut Checker, raw: Option<String>) -> Option<String> {
    let visitor = raw?;
    let fits = (1..=MAX_VISITOR).contains(&visitor.len());
    if !fits || visitor.trim().is_empty() || visitor.chars().any(char::is_control) {
        checker.error(
            "canary.visitor",
            "is no id of a visitor",
            format!("use 1 to {MAX_VISITOR} bytes without line breaks, and an id that no user of the app has"),
        );
    }
    Some(visitor)
}

/// The bytes that a visitor's id may have.
const MAX_VISITOR: usize = 256;
