//! What a changed configuration asks for.
//!
//! Owns the decision per provider, and which settings of the main file need a
//! restart. Pure: two configurations and what is known of the plug-in files go
//! in, a plan comes out. Invariants: equal configurations and equal files plan
//! nothing; a setting that needs a restart keeps the value it runs with, and
//! is named.

use std::collections::{BTreeMap, BTreeSet};

use kefu_core::config::{Changes, Config, Difference, Main, Trust, diff};
use kefu_plugin_api::ids::ProviderId;
use serde::Serialize;

/// What is done about one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing serves: load and open.
    BringUp,
    /// Something serves: a new generation takes its place.
    Replace,
    /// The same generation goes on by other budgets, hosts and times.
    Reconfigure,
    /// An operator's wish: an earlier generation takes its place.
    RollBack,
    /// It takes no new sessions, and ends with the last one.
    Retire,
    /// Nothing.
    Keep,
}

impl Action {
    /// The word in reports and in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BringUp => "bring_up",
            Self::Replace => "replace",
            Self::Reconfigure => "reconfigure",
            Self::RollBack => "roll_back",
            Self::Retire => "retire",
            Self::Keep => "keep",
        }
    }
}

/// What is known of a provider besides its settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// A generation serves.
    pub(super) serves: bool,
    /// What its file says was tried last and did not come into service.
    pub(super) failed: bool,
    /// Its plug-in file is another one than was tried last.
    pub(super) new_file: bool,
    /// It is to be tried again, whatever is the same.
    pub(super) again: bool,
}

/// What there is to do.
#[derive(Debug)]
pub(super) struct Plan {
    /// The main file as it can be lived by without a restart.
    pub(super) main: Main,
    /// Every provider of either configuration.
    pub(super) actions: BTreeMap<ProviderId, Action>,
    /// What changed and takes effect, in words.
    pub(super) changes: Vec<String>,
    /// What the files say and only a restart can bring into force.
    pub(super) needs_restart: Vec<&'static str>,
}

/// Plans the way from one configuration to the next. `running` is the main
/// file as it is lived by, `old` what the files said before.
pub(super) fn plan(
    running: &Main,
    old: &Config,
    new: &Config,
    known: &BTreeMap<ProviderId, Known>,
) -> Plan {
    let (main, needs_restart) = without_restart(running, new.main.clone());
    let changed = diff(old, new);
    let ids: BTreeSet<_> = old.providers.keys().chain(new.providers.keys()).collect();
    let actions: BTreeMap<_, _> = ids
        .into_iter()
        .map(|id| {
            let known = known.get(id).copied().unwrap_or_default();
            (id.clone(), action(id, &changed, new, known))
        })
        .collect();
    let changes = words(&changed, known, &needs_restart);
    Plan {
        main,
        actions,
        changes,
        needs_restart,
    }
}

fn action(id: &ProviderId, changed: &Changes, new: &Config, known: Known) -> Action {
    if !new.providers.contains_key(id) {
        return Action::Retire;
    }
    let keys = match changed.providers.get(id) {
        Some(Difference::Added) => return Action::BringUp,
        Some(Difference::Changed(keys)) => Some(keys),
        Some(Difference::Removed) | None => None,
    };
    let trust = &new.main.plugins.trust;
    let anew = known.new_file
        || known.again
        // Whatever kept it from serving may be what was changed.
        || known.failed && keys.is_some()
        || changed.keys.contains("plugins.trust")
        || keys.is_some_and(|keys| {
            keys.iter()
                .any(|key| OF_A_GENERATION.contains(key) || *key == "sha256" && *trust == Trust::Listed)
        });
    match (anew, known.serves, keys) {
        (true, true, _) => Action::Replace,
        (true, false, _) => Action::BringUp,
        (false, true, Some(_)) => Action::Reconfigure,
        (false, false, Some(_)) => Action::BringUp,
        (false, _, None) => Action::Keep,
    }
}

/// What a generation is made of; everything else it can be told later.
const OF_A_GENERATION: [&str; 4] = ["isolation", "limits.memory", "plugin", "settings"];

fn words(
    changed: &Changes,
    known: &BTreeMap<ProviderId, Known>,
    needs_restart: &[&'static str],
) -> Vec<String> {
    let mut words: Vec<String> = changed
        .keys
        .iter()
        .filter(|key| !needs_restart.contains(key))
        .map(|key| (*key).to_owned())
        .collect();
    describe(&mut words, "apps", &changed.apps);
    describe(&mut words, "desks", &changed.desks);
    describe(&mut words, "migrations", &changed.migrations);
    describe(&mut words, "providers", &changed.providers);
    for (id, _) in known.iter().filter(|(_, known)| known.new_file) {
        words.push(format!("providers.{id}: new plug-in file"));
    }
    words
}

fn describe<K: std::fmt::Display>(
    words: &mut Vec<String>,
    section: &str,
    entries: &BTreeMap<K, Difference>,
) {
    for (id, difference) in entries {
        match difference {
            Difference::Added => words.push(format!("{section}.{id} added")),
            Difference::Removed => words.push(format!("{section}.{id} removed")),
            Difference::Changed(keys) => {
                words.extend(keys.iter().map(|key| format!("{section}.{id}.{key}")));
            }
        }
    }
}

/// Puts back what cannot change while the gateway runs, and names it.
macro_rules! put_back {
    ($running:expr, $new:expr, [$($key:literal => $($part:ident).+),+ $(,)?]) => {{
        let mut names = Vec::new();
        $(if $new.$($part).+ != $running.$($part).+ {
            names.push($key);
            $new.$($part).+.clone_from(&$running.$($part).+);
        })+
        names
    }};
}

fn without_restart(running: &Main, mut new: Main) -> (Main, Vec<&'static str>) {
    let names = put_back!(running, new, [
        "server.listen" => server.listen,
        "server.public_url" => server.public_url,
        "admin.listen" => admin.listen,
        "store.url" => store.url,
        "store.session_cache" => store.session_cache,
        "plugins.dir" => plugins.dir,
        "plugins.copies" => plugins.copies,
        "media.dir" => media.dir,
        "media.store" => media.store,
        "media.signing_key" => media.signing_key,
        "limits.engine_threads" => limits.engine_threads,
        "limits.session_queue" => limits.session_queue,
        "log.format" => log.format,
    ]);
    (new, names)
}

#[cfg(test)]
mod tests;
