//! The settings: what each may hold, and what it changes.

use kefu_plugin_api::prelude::*;
use serde_json::{Value, json};

use crate::script::{Desk, ZhichiHarness, opened, settings};

fn refused(more: Value) -> OpenError {
    match ZhichiHarness::open(settings(more.clone())) {
        Ok(_) => panic!("{more} is refused"),
        Err(error) => error,
    }
}

/// Capabilities and config of a session that opens now.
fn opened_with(more: Value) -> (Capabilities, SessionConfig) {
    let effects = Desk::with(more).take(&json!({"event": opened()}));
    match effects.into_iter().next() {
        Some(Effect::Capabilities {
            capabilities: Some(capabilities),
            config: Some(config),
        }) => (*capabilities, config),
        other => panic!("capabilities first, not {other:?}"),
    }
}

#[test]
fn every_setting_that_cannot_be_used_is_named() {
    let long = "x".repeat(129);
    for (setting, value) in [
        ("app_id", json!("")),
        ("app_id", json!("my app")),
        ("app_key", json!("")),
        ("app_key", json!("a\nb")),
        ("base_url", json!("")),
        ("base_url", json!("www.sobot.com")),
        ("base_url", json!("ftp://www.sobot.com")),
        ("base_url", json!("https://")),
        ("base_url", json!("https:///api")),
        ("base_url", json!("https://:8080")),
        ("base_url", json!("https://a b")),
        ("base_url", json!("https://user@www.sobot.com")),
        ("base_url", json!("https://www.sobot.com/?a=1")),
        ("base_url", json!("https://www.sobot.com/#a")),
        ("chat_path", json!("api/chat/5/user")),
        ("chat_path", json!("//elsewhere.example/x")),
        ("robot_path", json!("/api/robot/5?x=1")),
        ("token_path", json!("")),
        ("token_header", json!("")),
        ("token_header", json!("to ken")),
        ("push_secret", json!("")),
        ("push_secret", json!("fifteen-letters")),
        ("push_secret", json!(long)),
        ("push_secret", json!("sixteen/letters/")),
        ("push_secret", json!("十六个字十六个字十六个字十六个字")),
        ("push_addresses", json!(["sobot.com"])),
        ("push_addresses", json!(["203.0.113.0/33"])),
        ("source", json!(100)),
        ("channel_flag", json!("")),
        ("group", json!(" ")),
        ("evaluation_tags", json!([""])),
        ("evaluation_tags", json!(["好,快"])),
        ("evaluation_after_seconds", json!(86_401)),
    ] {
        let error = refused(json!({setting: value}));
        assert_eq!(
            error.setting.as_deref(),
            Some(setting),
            "{setting} = {value}: {error}"
        );
        assert!(error.detail.contains("must"), "{error}");
    }
    for (more, setting) in [
        (json!({"company": {"name": ""}}), "company.name"),
        (json!({"robot": {"name": " "}}), "robot.name"),
        (json!({"notice": {"text": ""}}), "notice.text"),
        (
            json!({"idle_visitor": {"after_seconds": 0, "text": "在吗"}}),
            "idle_visitor.after_seconds",
        ),
        (
            json!({"idle_agent": {"after_seconds": 60, "text": ""}}),
            "idle_agent.text",
        ),
    ] {
        assert_eq!(refused(more).setting.as_deref(), Some(setting));
    }
}

#[test]
fn a_secret_that_cannot_be_used_is_not_shown() {
    let error = refused(json!({"push_secret": "hunter2"}));
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let error = refused(json!({"app_key": "hunter 2"}));
    assert!(!error.to_string().contains("hunter"), "{error}");
}

#[test]
fn keys_that_are_not_known_missing_or_of_another_type_are_refused_by_name() {
    for (more, word) in [
        (json!({"app_secret": "x"}), "app_secret"),
        (json!({"app_id": 7}), "app_id"),
        (json!({"reception": "anybody"}), "anybody"),
        (json!({"source": -1}), "source"),
        (json!({"robot_evaluation": "yes"}), "robot_evaluation"),
        (json!({"company": {"name": 7}}), "company.name"),
        (json!({"company": {"name": "a", "colour": "red"}}), "colour"),
        (json!({"idle_visitor": {"text": "a"}}), "after_seconds"),
    ] {
        let refusal = refused(more.clone()).to_string();
        assert!(refusal.contains(word), "{more}: {refusal}");
    }
    for missing in ["app_id", "app_key", "push_secret"] {
        let mut all = settings(json!({}));
        all.as_object_mut()
            .expect("it is an object")
            .remove(missing);
        match ZhichiHarness::open(all) {
            Ok(_) => panic!("{missing} is needed"),
            Err(error) => assert!(error.detail.contains(missing), "{error}"),
        }
    }
}

#[test]
fn addresses_are_joined_with_one_slash() {
    let more = json!({
        "base_url": "http://127.0.0.1:9000/sub//",
        "robot_path": "/robot/",
        "robot_flag": 3,
        "token_header": "Authorization",
        "token_prefix": "Bearer ",
    });
    let effects = Desk::with(more).take(&json!({"event": opened()}));
    let [Effect::Call { call }] = effects.as_slice() else {
        panic!("one call, not {effects:?}")
    };
    assert_eq!(
        call.request.url,
        "http://127.0.0.1:9000/sub/robot/get_robot_guide"
    );
    assert_eq!(call.request.body, br#"{"robot_flag":3}"#);
    assert_eq!(
        call.request.stamps,
        [Stamp::Token {
            name: "api".into(),
            place: Place::header("Authorization"),
            prefix: "Bearer ".into(),
        }]
    );
}

#[test]
fn an_account_with_default_settings_needs_no_change_of_capabilities() {
    let effects = Desk::new().take(&json!({"event": opened()}));
    assert!(
        matches!(effects.as_slice(), [Effect::Call { .. }]),
        "{effects:?}"
    );
}

#[test]
fn source_channel_and_group_go_with_the_calls() {
    let more = json!({"source": 4, "channel_flag": "7", "group": "G-9", "reception": "human_only"});
    let effects = Desk::with(more).take(&json!({"event": opened()}));
    let body = crate::script::body(&effects);
    assert_eq!(body["source"], 4);
    assert_eq!(body["channel_flag"], "7");
    assert_eq!(body["groupid"], "G-9");
}

#[test]
fn the_form_for_rating_an_agent_is_as_set() {
    let (capabilities, _) = opened_with(json!({
        "evaluation_stars": false,
        "evaluation_tags": ["回复及时"],
        "evaluation_comment": false,
        "evaluation_by_visitor": true,
        "evaluation_after_seconds": 0,
        "robot_evaluation": false,
    }));
    let rules = capabilities.evaluation;
    let form = HumanEvaluation {
        stars: false,
        labels: Vec::new(),
        resolved: true,
        tags: vec!["回复及时".into()],
        comment: false,
    };
    assert_eq!(rules.human, Some(form));
    assert_eq!(rules.robot, RobotEvaluation::None);
    assert_eq!(rules.robot_prompt, None);
    assert_eq!(rules.after_seconds, 0);
    let by = [
        EvaluationStart::Visitor,
        EvaluationStart::Agent,
        EvaluationStart::Exit,
    ];
    assert_eq!(rules.by, by);
}

#[test]
fn an_agent_about_whom_nothing_is_asked_cannot_be_rated() {
    let nothing = json!({"evaluation_stars": false, "evaluation_resolved": false});
    let rules = opened_with(nothing).0.evaluation;
    assert_eq!(rules.human, None);
    assert_eq!(rules.robot, RobotEvaluation::YesNo);
}

#[test]
fn who_receives_decides_what_can_be_sent_to_whom() {
    let (robot_only, _) = opened_with(json!({"reception": "robot_only"}));
    assert!(robot_only.human.is_empty() && !robot_only.to_human);
    assert_eq!(robot_only.evaluation.human, None);
    let (human_only, _) = opened_with(json!({"reception": "human_only"}));
    assert!(human_only.robot.is_empty() && human_only.to_human);
    assert_eq!(human_only.evaluation.robot, RobotEvaluation::None);
}

#[test]
fn what_the_app_shows_around_a_session_is_as_set() {
    let (_, config) = opened_with(json!({
        "company": {"name": "示例商城", "icon": "https://shop.example/i.png"},
        "robot": {"name": "小智"},
        "notice": {"text": "春节照常营业", "url": "https://shop.example/n"},
        "idle_visitor": {"after_seconds": 120, "text": "您还在吗？"},
        "idle_agent": {"after_seconds": 60, "text": "客服正在查询，请稍候"},
    }));
    assert_eq!(config.company.expect("it is set").name, "示例商城");
    assert_eq!(config.notice.expect("it is set").text, "春节照常营业");
    assert_eq!(config.idle.visitor.expect("it is set").after_seconds, 120);
    assert_eq!(config.idle.agent.expect("it is set").after_seconds, 60);
    assert_eq!(config.robot.expect("it is set").name, "小智");
    assert!(!config.blocked);
}

#[test]
fn the_robot_speaks_under_its_name() {
    let mut desk =
        Desk::with(json!({"robot": {"name": "小智", "icon": "https://shop.example/r.png"}}));
    desk.take(&json!({"event": opened()}));
    let effects = desk.take(&json!({"answer": "get_robot_guide", "item": {"guide_strip": "您好"}}));
    let Some(Effect::Deliver { message }) = effects.last() else {
        panic!("a greeting last, not {effects:?}")
    };
    assert_eq!(message.from.name.as_deref(), Some("小智"));
    assert_eq!(
        message.from.portrait.as_deref(),
        Some("https://shop.example/r.png")
    );
}

#[test]
fn every_setting_is_described() {
    let schema = serde_json::to_value(ZhichiHarness::descriptor().settings).expect("it is JSON");
    let properties = schema["properties"]
        .as_object()
        .expect("settings are an object");
    assert_eq!(schema["additionalProperties"], false);
    assert!(properties.len() > 20);
    for (name, property) in properties {
        assert!(property["description"].is_string(), "{name}");
    }
}
