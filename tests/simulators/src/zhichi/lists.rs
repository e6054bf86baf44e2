//! The calls about nobody: greeting, groups, agents, working hours, live figures.
//!
//! Owns their wording. Invariant: they change nothing.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::calls::{doc_id, number};
use super::success;
use crate::centre::Phase;
use crate::platform::{Platform, Reply};

pub(super) fn guide(platform: &Arc<Platform>, body: &Map<String, Value>) -> Reply {
    let settings = platform.settings();
    let questions: Vec<Value> = settings
        .robot
        .suggestions
        .iter()
        .enumerate()
        .map(|(index, question)| {
            json!({
                "docid": doc_id(index),
                "guide_question": question,
                "guide_question_disname": question,
                "match_flag": 3,
            })
        })
        .collect();
    success(
        "item",
        json!({
            "robot_flag": number(body, "robot_flag").unwrap_or(1),
            "guide_strip": settings.robot.welcome,
            "link_question_num": questions.len(),
            "link_question_list": questions,
        }),
    )
}

pub(super) fn groups(platform: &Arc<Platform>) -> Reply {
    let settings = platform.settings();
    let groups = settings
        .groups
        .iter()
        .map(|group| json!({"groupid": group.id, "group_name": group.name}));
    success("items", groups.collect())
}

pub(super) fn agents(platform: &Arc<Platform>) -> Reply {
    let settings = platform.settings();
    let agents = settings.human.agents.iter().map(|agent| {
        json!({
            "agentid": agent.id,
            "agent_name": agent.name,
            "agent_no": agent.id,
            "groupid": agent.groups,
            "agent_status": if settings.human.no_agent { "0" } else { "1" },
        })
    });
    success("items", agents.collect())
}

pub(super) fn is_work(platform: &Arc<Platform>) -> Reply {
    let work = !platform.settings().human.no_agent;
    success(
        "item",
        json!({"is_work": if work { "true" } else { "false" }}),
    )
}

pub(super) fn live_data(platform: &Arc<Platform>) -> Reply {
    let settings = platform.settings();
    let item = platform.look(|centre| {
        let count = |phase| {
            centre
                .all()
                .filter(|visitor| visitor.phase == phase)
                .count()
        };
        let agents: Vec<Value> = settings
            .human
            .agents
            .iter()
            .map(|agent| {
                let load = centre.load(&agent.id);
                json!({
                    "agentid": agent.id,
                    "agent_name": agent.name,
                    "agent_face": agent.portrait,
                    "groupid": agent.groups,
                    "count": load,
                    "max_count": agent.capacity,
                    "status": if load < agent.capacity { 1 } else { 2 },
                })
            })
            .collect();
        json!({
            "wait_user_size": centre.waiting(),
            "online_user_size": count(Phase::Human),
            "robot_user_size": count(Phase::Robot),
            "admin_size": if settings.human.no_agent { 0 } else { agents.len() },
            "admin_list": if settings.human.no_agent { Vec::new() } else { agents },
        })
    });
    success("item", item)
}
