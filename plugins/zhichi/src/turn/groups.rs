//! Which groups there are, and whether somebody is there, for apps that let
//! visitors choose.
//!
//! Owns the two questions and what their answers mean together. Invariant: the
//! app is told of groups once their agents are known, and a session without an
//! answer goes on as it is.

use kefu_plugin_api::prelude::{Effect, Group, SessionState};
use serde_json::{Value, json};

use super::Turn;
use crate::{
    api::{AgentEntry, GroupEntry},
    call::CallName,
};

impl Turn<'_> {
    pub(super) fn ask_for_groups(&mut self) {
        let call = CallName::Groups.with(self.account, &json!({}));
        self.effects.push(call.into());
    }

    pub(super) fn groups_listed(&mut self, entries: Vec<GroupEntry>) {
        let group = |entry: GroupEntry| {
            let id = entry.groupid?;
            Some(Group {
                name: entry.group_name.unwrap_or_else(|| id.clone()),
                id: id.into(),
                online: false,
            })
        };
        let groups = entries.into_iter().filter_map(group).take(GROUPS);
        self.session.state.groups = groups.collect();
        if !self.session.state.groups.is_empty() && self.standing != SessionState::Ended {
            let call = CallName::Agents.with(self.account, &json!({}));
            self.effects.push(call.into());
        }
    }

    pub(super) fn agents_listed(&mut self, agents: &[AgentEntry]) {
        let mut groups = std::mem::take(&mut self.session.state.groups);
        if groups.is_empty() || self.standing == SessionState::Ended {
            return;
        }
        for group in &mut groups {
            let there = |agent: &&AgentEntry| agent.agent_status.is_some_and(|it| it > 0);
            let works = |agent: &AgentEntry| works_in(&agent.groupid, group.id.as_str());
            group.online = agents.iter().filter(there).any(works);
        }
        let mut capabilities = self.account.capabilities.clone();
        capabilities.groups = groups;
        self.effects.push(Effect::Capabilities {
            capabilities: Some(Box::new(capabilities)),
            config: None,
        });
    }
}

/// Whether an agent's groups hold this one.
fn works_in(groups: &Value, group: &str) -> bool {
    match groups {
        Value::Null => true,
        Value::Array(all) => all.is_empty() || all.iter().any(|one| is(one, group)),
        Value::String(text) if text.trim().is_empty() => true,
        Value::String(text) => text.split([',', ';']).any(|one| one.trim() == group),
        one => is(one, group),
    }
}

fn is(value: &Value, id: &str) -> bool {
    match value {
        Value::String(text) => text == id,
        Value::Number(number) => number.to_string() == id,
        _ => false,
    }
}

/// Groups that are kept at most.
const GROUPS: usize = 100;
