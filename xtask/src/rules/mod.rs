//! Rules about what the project depends on, from `cargo metadata`.
//!
//! Owns the rules; `.cargo/deny.toml` owns the lists and gives a reason for
//! every entry. Looks at what is compiled on this platform. Invariant: an
//! exception that nothing needs any more is an error too, so the lists cannot
//! outlive their reasons.

mod graph;
mod policy;
mod spdx;

use crate::cargo;
use anyhow::{Context, Result, bail};
use graph::{Graph, Package};
use policy::Policy;
use std::collections::{BTreeMap, BTreeSet};

/// Checks every rule and reports all violations at once.
pub(crate) fn check() -> Result<()> {
    let path = cargo::root().join(".cargo/deny.toml");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let policy = Policy::parse(&text).with_context(|| format!("reading {}", path.display()))?;
    let graph = Graph::from_metadata(cargo::metadata()?)?;
    let violations = violations(&policy, &graph);
    if !violations.is_empty() {
        bail!(
            "{} violations of .cargo/deny.toml\n  {}",
            violations.len(),
            violations.join("\n  ")
        );
    }
    crate::complain(&format!(
        "{} packages keep to the rules",
        graph.packages.len()
    ));
    Ok(())
}

fn violations(policy: &Policy, graph: &Graph) -> Vec<String> {
    [
        licences(policy, graph),
        banned(policy, graph),
        duplicates(policy, graph),
        sources(graph),
        downloads(policy, graph),
    ]
    .concat()
}

/// Every package may be used under licences of the list.
fn licences(policy: &Policy, graph: &Graph) -> Vec<String> {
    let mut unused: BTreeSet<&str> = policy
        .licence_exceptions
        .keys()
        .map(String::as_str)
        .collect();
    let mut wrong = Vec::new();
    for package in graph.packages.values() {
        let Some(expression) = &package.licence else {
            wrong.push(format!("{package} names no licence expression"));
            continue;
        };
        let extra = policy.licence_exceptions.get(&package.name);
        let allowed =
            |id: &str| policy.licences.contains(id) || extra.is_some_and(|ids| ids.contains(id));
        match spdx::satisfied(expression, &|id| policy.licences.contains(id)) {
            Ok(true) => continue,
            Ok(false) if spdx::satisfied(expression, &allowed) == Ok(true) => {
                unused.remove(package.name.as_str());
            }
            Ok(false) => wrong.push(format!(
                "{package} is licensed {expression:?}, which the list does not allow"
            )),
            Err(reason) => wrong.push(format!(
                "{package} has the licence {expression:?}: {reason}"
            )),
        }
    }
    wrong.extend(
        unused
            .iter()
            .map(|name| format!("the licence exception for {name} is not needed any more")),
    );
    wrong
}

/// No banned crate, or only below those that may have it.
fn banned(policy: &Policy, graph: &Graph) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in graph.packages.values() {
        let Some(ban) = policy.bans.get(&package.name) else {
            continue;
        };
        for parent in graph
            .parents(&package.id)
            .filter(|parent| !ban.wrappers.contains(&parent.name))
        {
            wrong.push(format!(
                "{package} is banned ({}), but {parent} depends on it",
                ban.reason
            ));
        }
    }
    wrong
}

/// One version of each crate.
fn duplicates(policy: &Policy, graph: &Graph) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in graph.packages.values() {
        versions.entry(&package.name).or_default().push(package);
    }
    let mut unused: BTreeSet<&str> = policy.skips.iter().map(String::as_str).collect();
    let mut wrong = Vec::new();
    for (name, mut packages) in versions
        .into_iter()
        .filter(|(_, packages)| packages.len() > 1)
    {
        packages.retain(|package| {
            let skip = policy
                .skips
                .iter()
                .find(|skip| matches_version(skip, package));
            if let Some(skip) = skip {
                unused.remove(skip.as_str());
            }
            skip.is_none()
        });
        if packages.len() > 1 {
            let versions: Vec<&str> = packages
                .iter()
                .map(|package| package.version.as_str())
                .collect();
            wrong.push(format!(
                "{name} comes in several versions: {}",
                versions.join(", ")
            ));
        }
    }
    wrong.extend(
        unused
            .iter()
            .map(|skip| format!("the exception for {skip} is not needed any more")),
    );
    wrong
}

/// Whether `name@1.2` names this package's version or a compatible start of it.
fn matches_version(skip: &str, package: &Package) -> bool {
    let Some((name, start)) = skip.split_once('@') else {
        return false;
    };
    let rest = package.version.strip_prefix(start);
    name == package.name && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Everything comes from the workspace or from the one default registry.
fn sources(graph: &Graph) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in graph.packages.values() {
        match &package.source {
            None if package.inside_workspace => {}
            None => wrong.push(format!(
                "{package} comes from a folder outside the workspace"
            )),
            Some(source) if source.starts_with("registry+") => {}
            Some(source) => wrong.push(format!(
                "{package} comes from {source}, not from the default registry"
            )),
        }
        for dependency in &package.from_other_registries {
            wrong.push(format!(
                "{package} takes {dependency} from another registry than the default one"
            ));
        }
    }
    wrong
}

/// Nothing that runs while compiling can reach the network.
fn downloads(policy: &Policy, graph: &Graph) -> Vec<String> {
    let mut wrong = Vec::new();
    for (builder, needed) in graph.run_while_compiling() {
        for id in needed {
            let package = &graph.packages[id];
            if let Some(reason) = policy.not_while_compiling.get(&package.name) {
                wrong.push(format!(
                    "{package} runs while {builder} is compiled, and it {reason}"
                ));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests;
