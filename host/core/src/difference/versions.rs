//! Differences by version of the app.
//!
//! Owns which versions are told apart: those that the desk's routes to the
//! present vendor name, and those that sessions were seen with and that come to
//! something else. Deliberately asks nobody: what was seen is an input.

use kefu_plugin_api::{capability::Capabilities, descriptor::Descriptor, ids::ProviderId};
use serde::{Deserialize, Serialize};

use super::{Difference, Language, Side, Words, differences};
use crate::{config::Desk, routing::VersionRule};

/// One of the two providers.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// Its id.
    pub id: &'a ProviderId,
    /// What its adapter declares.
    pub descriptor: &'a Descriptor,
    /// Whether a table makes Unicode of its agents' emoticon codes.
    pub emoji_converted: bool,
    /// What its sessions were told lately.
    pub told: &'a [Told],
    /// What was seen of it at the desk lately.
    pub seen: Practice,
}

/// How often something was seen that no adapter declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Practice {
    /// Messages whose fate was told.
    pub messages: u64,
    /// Those of which the vendor told that they were read.
    pub reads: u64,
    /// Messages of agents that were taken back.
    pub recalls: u64,
}

/// Something that no adapter declares, and how often it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undeclared {
    /// What it is called.
    pub title: Words,
    /// How often it was seen of who serves now; absent where no messages went
    /// there, so that nothing can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Of who is to serve, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// What sessions of one version of an app were told that they can do.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The app's version; empty where it said none.
    pub app_version: String,
    /// What they can do.
    pub capabilities: Capabilities,
    /// How many were told so.
    pub sessions: u64,
}

/// Everything in which two providers differ for the visitors of a desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Who serves now.
    pub from: ProviderId,
    /// Who is to serve.
    pub to: ProviderId,
    /// By version of the app.
    pub by_version: Vec<OfVersion>,
    /// What is only known from what was seen.
    #[serde(default)]
    pub undeclared: Vec<Undeclared>,
}

/// What changes for the visitors with some versions of the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfVersion {
    /// Which: a rule of a route (`>=2.8.16`), or one version that was seen;
    /// absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// How many sessions with it were told what they can do, at both.
    pub sessions: u64,
    /// What changes, what is lost first.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// As lines to be read by people.
    pub fn lines(&self, language: Language) -> Vec<String> {
        let (from, to) = (&self.from, &self.to);
        let mut lines = Vec::new();
        for of_version in &self.by_version {
            let title = of_version.title(from, to);
            lines.push(title.in_language(language).to_owned());
            if of_version.differences.is_empty() {
                let none = Words::new("  没有差异", "  no difference");
                lines.push(none.in_language(language).to_owned());
            }
            for difference in &of_version.differences {
                let line = difference.line();
                lines.push(format!("  {}", line.in_language(language)));
            }
        }
        let rest = Words::new(
            "适配器不声明、只能从实际会话中看到的（正在输入不作统计）：",
            "What adapters do not declare, as it was seen (typing is not counted):",
        );
        lines.push(rest.in_language(language).to_owned());
        for undeclared in &self.undeclared {
            let line = undeclared.line();
            lines.push(format!("  {}", line.in_language(language)));
        }
        lines
    }
}

impl Undeclared {
    fn line(&self) -> Words {
        let times = |seen: Option<u64>| match seen {
            None => Words::new("未知", "not known"),
            Some(0) => Words::new("没有见到", "never seen"),
            Some(times) => Words::new(format!("见到 {times} 次"), format!("seen {times} times")),
        };
        let change = times(self.from).with(times(self.to), " → ", " → ");
        self.title.clone().with(change, "：", ": ")
    }
}

impl OfVersion {
    fn title(&self, from: &ProviderId, to: &ProviderId) -> Words {
        let (zh, en) = match &self.app_version {
            None => (
                "所有应用版本".to_owned(),
                "all versions of the app".to_owned(),
            ),
            Some(version) => (
                format!("应用版本 {version}"),
                format!("versions of the app {version}"),
            ),
        };
        let (seen_zh, seen_en) = match self.sessions {
            0 => ("按声明".to_owned(), "as declared".to_owned()),
            sessions => (
                format!("按声明和近期 {sessions} 个会话"),
                format!("as declared and seen in {sessions} sessions"),
            ),
        };
        Words::new(
            format!("{from} → {to}，{zh}（{seen_zh}）："),
            format!("{from} → {to}, {en} ({seen_en}):"),
        )
    }
}

/// Compares two providers for a desk's visitors: for each rule on the app's
/// version of the routes that lead to `from` now (for all versions, where one
/// has none), and for each version that was seen and comes to something else.
pub fn compare(desk: &Desk, from: Party<'_>, to: Party<'_>) -> Comparison {
    let mut by_version: Vec<OfVersion> = Vec::new();
    for rule in rules(desk, from.id) {
        let is_its = |version: &str| rule.is_none_or(|rule| rule.admits(Some(version)));
        let name = rule.map(ToString::to_string);
        let of_rule = of_versions(name, &from, &to, &is_its);
        let seen = versions(&from, &to, &is_its);
        let apart: Vec<_> = seen
            .into_iter()
            .map(|version| {
                let is_it = |other: &str| other == version;
                of_versions(Some(version.to_owned()), &from, &to, &is_it)
            })
            .filter(|of_one| !same(&of_one.differences, &of_rule.differences))
            .take(MAX_SEEN)
            .collect();
        by_version.push(of_rule);
        by_version.extend(apart);
    }
    Comparison {
        from: from.id.clone(),
        to: to.id.clone(),
        by_version,
        undeclared: undeclared(from.seen, to.seen),
    }
}

fn undeclared(from: Practice, to: Practice) -> Vec<Undeclared> {
    let times = |seen: Practice, times: u64| (seen.messages > 0).then_some(times);
    vec![
        Undeclared {
            title: Words::new("已读回执", "read receipts"),
            from: times(from, from.reads),
            to: times(to, to.reads),
        },
        Undeclared {
            title: Words::new("客服撤回消息", "messages taken back by agents"),
            from: times(from, from.recalls),
            to: times(to, to.recalls),
        },
    ]
}

/// How many versions of one rule are told apart.
const MAX_SEEN: usize = 8;

/// Whether the same changes for the same visitors; in how many sessions it was
/// seen does not count.
fn same(some: &[Difference], others: &[Difference]) -> bool {
    let told = |it: &Difference| {
        let value = (it.from.value.clone(), it.to.value.clone());
        (it.ability.clone(), it.effect, value)
    };
    some.iter().map(told).eq(others.iter().map(told))
}

/// The rules on the app's version of the routes that lead to a provider, each
/// once.
fn rules<'a>(desk: &'a Desk, provider: &ProviderId) -> Vec<Option<&'a VersionRule>> {
    let mut rules = Vec::new();
    for route in desk.routes.iter().filter(|it| it.provider == *provider) {
        let rule = route.when.app_version.as_ref();
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    if rules.is_empty() {
        rules.push(None);
    }
    rules
}

fn of_versions(
    app_version: Option<String>,
    from: &Party<'_>,
    to: &Party<'_>,
    is_its: &dyn Fn(&str) -> bool,
) -> OfVersion {
    let (from_told, to_told) = (told(from, is_its), told(to, is_its));
    let all = from_told.iter().chain(&to_told);
    let sessions = all.fold(0_u64, |sum, (_, sessions)| sum.saturating_add(*sessions));
    OfVersion {
        app_version,
        sessions,
        differences: differences(side(from, &from_told), side(to, &to_told)),
    }
}

fn told<'a>(party: &Party<'a>, is_its: &dyn Fn(&str) -> bool) -> Vec<(&'a Capabilities, u64)> {
    let its = party.told.iter().filter(|told| is_its(&told.app_version));
    its.map(|told| (&told.capabilities, told.sessions))
        .collect()
}

fn side<'a>(party: &Party<'a>, told: &'a [(&'a Capabilities, u64)]) -> Side<'a> {
    Side {
        descriptor: party.descriptor,
        emoji_converted: party.emoji_converted,
        told,
    }
}

/// The versions that sessions were seen with, each once, in order.
fn versions<'a>(from: &Party<'a>, to: &Party<'a>, is_its: &dyn Fn(&str) -> bool) -> Vec<&'a str> {
    let all = from.told.iter().chain(to.told);
    let mut seen: Vec<&str> = all
        .map(|told| told.app_version.as_str())
        .filter(|version| !version.is_empty() && is_its(version))
        .collect();
    seen.sort_unstable();
    seen.dedup();
    seen
}
