//! What visitors lose and gain, by what is declared and what was told.
#![allow(clippy::unwrap_used, reason = "what cannot be built is a failed test")]

use kefu_core::{
    config::{Desk, NoLookup, check_main},
    difference::{
        Comparison, Difference, Effect, Language, Party, Practice, Side, Told, compare, differences,
    },
};
use kefu_plugin_api::{
    capability::{
        Capabilities, EmojiForm, EvaluationStart, Exit, HumanEvaluation, LeaveMessageKind, Level,
        SessionState,
    },
    descriptor::Descriptor,
    message::ContentKind,
};

/// One like 智齿: rates at exit, ends on leaving, location as text.
fn ends() -> Descriptor {
    let mut able = Capabilities::default()
        .both(ContentKind::Text, Level::Full)
        .human(ContentKind::Location, Level::Converted);
    able.exit = Exit::Ends;
    able.evaluation.human = Some(HumanEvaluation {
        stars: true,
        resolved: true,
        ..HumanEvaluation::default()
    });
    able.evaluation.by = vec![EvaluationStart::Agent, EvaluationStart::Exit];
    able.evaluation.after_seconds = 60;
    Descriptor::new("ends", "1.0.0")
        .with_capabilities(able)
        .decided_by_setting("/evaluation/after_seconds", "after")
}

/// One like 佳信: rates when invited, keeps the session, location if allowed.
fn keeps() -> Descriptor {
    let mut able = Capabilities::default().both(ContentKind::Text, Level::Full);
    able.exit = Exit::Keeps;
    able.emoji = EmojiForm::Text;
    able.evaluation.human = Some(HumanEvaluation {
        stars: true,
        ..HumanEvaluation::default()
    });
    able.evaluation.by = vec![EvaluationStart::Agent];
    able.leave_message.kind = LeaveMessageKind::Page;
    able.leave_message.when = vec![SessionState::Unattended];
    Descriptor::new("keeps", "1.0.0")
        .with_capabilities(able)
        .decided_by_vendor(&["/human/location", "/groups"])
}

fn side(descriptor: &Descriptor) -> Side<'_> {
    Side {
        descriptor,
        emoji_converted: false,
        told: &[],
    }
}

fn of<'a>(all: &'a [Difference], ability: &str) -> &'a Difference {
    all.iter()
        .find(|it| it.ability == ability)
        .unwrap_or_else(|| panic!("{ability} is not in {all:#?}"))
}

fn lines(all: &[Difference]) -> Vec<String> {
    all.iter().map(|it| it.line().en).collect()
}

#[test]
fn what_is_lost_changed_conditional_and_gained_is_told_in_this_order() {
    let (ends, keeps) = (ends(), keeps());
    assert_eq!(
        lines(&differences(side(&ends), side(&keeps))),
        [
            "loses  rating an agent: stars, whether it was solved → stars",
            "loses  an agent is rated: when the visitor leaves, when the agent invites → when the agent invites",
            "loses  agents' emoji: as Unicode → shown as text",
            "changes  the visitor leaves: the session ends at once → the session stays, and the agent may still write",
            "depends  human mode, location: as text → not carried (unless the vendor's answer says otherwise)",
            "depends  choosing a group: no → no (unless the vendor's answer says otherwise)",
            "gains  leaving a message: no → on the vendor's page",
        ]
    );
}

#[test]
fn the_way_back_names_the_same_abilities() {
    let (ends, keeps) = (ends(), keeps());
    let abilities = |all: Vec<Difference>| {
        let mut names: Vec<_> = all.into_iter().map(|it| it.ability).collect();
        names.sort();
        names
    };
    let back = differences(side(&keeps), side(&ends));
    assert_eq!(of(&back, "/exit").effect, Effect::Changes);
    assert_eq!(of(&back, "/evaluation/by").effect, Effect::Gains);
    assert_eq!(of(&back, "/leave_message").effect, Effect::Loses);
    assert_eq!(of(&back, "/human/location").effect, Effect::Depends);
    assert_eq!(
        abilities(back),
        abilities(differences(side(&ends), side(&keeps)))
    );
}

#[test]
fn a_provider_does_not_differ_from_itself() {
    for it in [ends(), keeps()] {
        assert_eq!(differences(side(&it), side(&it)), []);
    }
}

#[test]
fn both_languages_say_it() {
    let (ends, keeps) = (ends(), keeps());
    let all = differences(side(&ends), side(&keeps));
    assert_eq!(
        of(&all, "/human/location").line().zh,
        "视条件  人工模式·位置：转为文字 → 不支持（以厂商返回的条件为准）"
    );
}

#[test]
fn what_sessions_were_told_counts_for_more_than_what_is_declared() {
    let (ends, keeps) = (ends(), keeps());
    let allowed = keeps
        .capabilities
        .clone()
        .human(ContentKind::Location, Level::Full);
    let told = [(&allowed, 12)];
    let to = Side {
        told: &told,
        ..side(&keeps)
    };
    let all = differences(side(&ends), to);
    let location = of(&all, "/human/location");
    assert_eq!(location.effect, Effect::Gains);
    assert_eq!(location.to.seen_in, Some(12));
    assert!(
        all.iter().all(|it| it.ability != "/groups"),
        "none were given to anybody"
    );
}

#[test]
fn what_only_some_sessions_were_told_stays_a_condition() {
    let (ends, keeps) = (ends(), keeps());
    let plain = keeps.capabilities.clone();
    let allowed = plain.clone().human(ContentKind::Location, Level::Full);
    let told = [(&allowed, 3), (&plain, 9)];
    let to = Side {
        told: &told,
        ..side(&keeps)
    };
    let all = differences(side(&ends), to);
    let location = of(&all, "/human/location");
    assert_eq!(location.effect, Effect::Depends);
    assert_eq!(
        location.to.words().en,
        "not carried (in 9 of the last 12 sessions)"
    );
}

#[test]
fn a_table_makes_up_for_codes() {
    let (ends, keeps) = (ends(), keeps());
    let to = Side {
        emoji_converted: true,
        ..side(&keeps)
    };
    let all = differences(side(&ends), to);
    assert!(all.iter().all(|it| it.ability != "/emoji"), "{all:#?}");
}

#[test]
fn kinds_are_not_told_of_a_robot_that_is_not_there() {
    let (ends, mut keeps) = (ends(), keeps());
    keeps.capabilities.robot.clear();
    let all = differences(side(&ends), side(&keeps));
    assert_eq!(of(&all, "/robot").effect, Effect::Loses);
    assert!(all.iter().all(|it| !it.ability.starts_with("/robot/")));
}

fn desk(routes: &str) -> Desk {
    let text = format!(
        r#"
        [admin]
        token = "a-token-for-the-test"
        [apps.demo]
        secret = "a-secret-for-the-test"
        [desks.support]
        app = "demo"
        {routes}
        "#
    );
    let checked = check_main("kefu.toml", &text, &NoLookup).unwrap();
    let config = kefu_core::config::assemble(checked, vec![]).0;
    config.desk("support").unwrap().clone()
}

fn told(app_version: &str, capabilities: &Capabilities) -> Told {
    Told {
        app_version: app_version.into(),
        capabilities: capabilities.clone(),
        sessions: 4,
    }
}

fn titles(comparison: &Comparison) -> Vec<String> {
    let lines = comparison.lines(Language::En).into_iter();
    lines.filter(|line| line.ends_with("):")).collect()
}

#[test]
fn each_rule_on_versions_is_told_and_each_version_that_differs_from_its_rule() {
    let (ends, keeps) = (ends(), keeps());
    let desk = desk(
        r#"
        [[desks.support.routes]]
        provider = "zhichi"
        when = { app_version = ">=2" }
        [[desks.support.routes]]
        provider = "zhichi"
        when = { app_version = ">=2", platform = ["ios"] }
        [[desks.support.routes]]
        provider = "zhichi"
        "#,
    );
    let mut less = ends.capabilities.clone();
    less.evaluation.human = None;
    let from_told = [
        told("2.1", &ends.capabilities),
        told("2.2", &ends.capabilities),
        told("2.0", &less),
        told("", &ends.capabilities),
    ];
    let (zhichi, jiaxin) = ("zhichi".into(), "jiaxin".into());
    let from = Party {
        id: &zhichi,
        descriptor: &ends,
        emoji_converted: false,
        told: &from_told,
        seen: Practice::default(),
    };
    let to = Party {
        id: &jiaxin,
        descriptor: &keeps,
        emoji_converted: false,
        told: &[],
        seen: Practice {
            messages: 5,
            reads: 2,
            recalls: 0,
        },
    };
    let comparison = compare(&desk, from, to);
    assert_eq!(
        titles(&comparison)[..2],
        [
            "zhichi → jiaxin, versions of the app >=2 (as declared and seen in 12 sessions):",
            "zhichi → jiaxin, versions of the app 2.0 (as declared and seen in 4 sessions):",
        ]
    );
    let lost_by_some = &comparison.by_version[1].differences;
    let rating = of(lost_by_some, "/evaluation/human");
    assert_eq!(rating.effect, Effect::Gains, "they had none");
    let all = comparison
        .by_version
        .iter()
        .find(|it| it.app_version.is_none());
    assert_eq!(all.unwrap().sessions, 16);
    let lines = comparison.lines(Language::En);
    assert_eq!(
        lines[lines.len() - 2..],
        [
            "  read receipts: not known → seen 2 times",
            "  messages taken back by agents: not known → never seen",
        ]
    );
    let back = serde_json::to_value(&comparison).unwrap();
    let again: Comparison = serde_json::from_value(back).unwrap();
    assert_eq!(again, comparison);
}

#[test]
fn a_desk_without_a_route_to_the_vendor_is_compared_for_all_versions() {
    let (ends, keeps) = (ends(), keeps());
    let desk = desk("[[desks.support.routes]]\nprovider = \"other\"");
    let (zhichi, jiaxin) = ("zhichi".into(), "jiaxin".into());
    let party = |id, descriptor| Party {
        id,
        descriptor,
        emoji_converted: false,
        told: &[],
        seen: Practice {
            messages: 5,
            reads: 2,
            recalls: 0,
        },
    };
    let comparison = compare(&desk, party(&zhichi, &ends), party(&jiaxin, &keeps));
    let zh = comparison.lines(Language::Zh);
    assert_eq!(zh[0], "zhichi → jiaxin，所有应用版本（按声明）：");
    assert!(zh.iter().any(|line| line.starts_with("  失去  评价客服")));
    let same = compare(&desk, party(&zhichi, &ends), party(&jiaxin, &ends));
    assert_eq!(same.lines(Language::En)[1], "  no difference");
}
