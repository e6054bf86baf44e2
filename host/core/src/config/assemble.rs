//! The main file and the providers' files, put together.
//!
//! Owns the rules between files: ids are unique, routes lead somewhere, trust
//! has what it needs. Deliberately refuses no main file: a route to a provider
//! that is not there waits for it. Invariant: a provider's file can only take
//! out that provider.

use std::collections::BTreeMap;

use kefu_plugin_api::ids::ProviderId;

use super::{
    Config, ConfigError, Main, Provider, Severity, Trust,
    error::suggest,
    locate::{Places, child},
};

/// The settings of one file and where they stand in it.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedFile<T> {
    /// What the file says.
    pub settings: T,
    /// What is probably not meant, though it is valid.
    pub warnings: Vec<ConfigError>,
    /// Errors of what it names and can do without.
    pub(super) aside: Vec<ConfigError>,
    pub(super) file: String,
    pub(super) places: Places,
}

impl<T> CheckedFile<T> {
    /// The file, as the caller named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    fn problem(
        &self,
        severity: Severity,
        key: &str,
        problem: String,
        right: String,
    ) -> ConfigError {
        ConfigError::at(&self.file, &self.places, severity, key, problem, right)
    }
}

impl CheckedFile<Provider> {
    /// Goes on with the table of emoji that was right before, if the one that
    /// stands there now is wrong.
    pub fn keep_table_of(&mut self, before: &Self) {
        if !self.aside.is_empty() {
            self.settings.emoji.clone_from(&before.settings.emoji);
        }
    }
}

/// Joins the files. What comes back beside the configuration are all warnings
/// of the files, the errors of tables that are done without, and an error for
/// each provider that had to be left out.
pub fn assemble(
    main: CheckedFile<Main>,
    providers: Vec<CheckedFile<Provider>>,
) -> (Config, Vec<ConfigError>) {
    let mut problems = main.warnings.clone();
    let mut first_files: BTreeMap<ProviderId, String> = BTreeMap::new();
    let mut accepted = BTreeMap::new();
    let mut files = BTreeMap::new();
    for provider in providers {
        problems.extend(provider.warnings.iter().cloned());
        problems.extend(provider.aside.iter().cloned());
        let id = provider.settings.id.clone();
        if let Some(first) = first_files.get(&id) {
            let problem = format!("another file, {first}, describes a provider of this id");
            problems.push(provider.problem(
                Severity::Error,
                "id",
                problem,
                "give it another id".to_owned(),
            ));
            continue;
        }
        if main.settings.plugins.trust == Trust::Listed && provider.settings.sha256.is_empty() {
            let problem =
                "is missing, so its plug-in will not be loaded: only listed files are trusted"
                    .to_owned();
            let right = "add what `sha256sum` prints for the plug-in".to_owned();
            problems.push(provider.problem(Severity::Warning, "sha256", problem, right));
        }
        first_files.insert(id.clone(), provider.file.clone());
        files.insert(id.clone(), (provider.file, provider.places));
        accepted.insert(id, provider.settings);
    }
    problems.extend(waiting_routes(&main, &accepted));
    let config = Config {
        main: main.settings,
        providers: accepted,
    };
    problems.extend(lost_canaries(&config, &files));
    (config, problems)
}

/// A warning for every canary that has no desk to go to.
fn lost_canaries(
    config: &Config,
    files: &BTreeMap<ProviderId, (String, Places)>,
) -> Vec<ConfigError> {
    let lost =
        |provider: &&Provider| provider.canary.is_some() && config.canary_desk(provider).is_none();
    let warning = |provider: &Provider| {
        let (file, places) = files.get(&provider.id)?;
        let named = provider.canary.as_ref()?.desk.as_ref();
        let (key, problem) = match named {
            Some(_) => ("canary.desk", "names no desk, so there is no canary"),
            None => (
                "canary",
                "has no desk to go to: no route leads to this provider",
            ),
        };
        let right = suggest(
            named.map_or("", |desk| desk.as_str()),
            config.main.desks.keys().map(|desk| desk.as_str()),
        );
        let problem = problem.to_owned();
        Some(ConfigError::at(
            file,
            places,
            Severity::Warning,
            key,
            problem,
            right,
        ))
    };
    let providers = config.providers.values().filter(lost);
    providers.filter_map(warning).collect()
}

/// A warning for every route and every migration whose provider, or the one
/// that takes over, is not there.
fn waiting_routes(
    main: &CheckedFile<Main>,
    providers: &BTreeMap<ProviderId, Provider>,
) -> Vec<ConfigError> {
    let mut problems = Vec::new();
    let mut look = |key: String, provider: &ProviderId| {
        if providers.contains_key(provider) {
            return;
        }
        let problem = "is waiting: no valid file in providers/ describes this provider".to_owned();
        let right = suggest(provider.as_str(), providers.keys().map(ProviderId::as_str));
        problems.push(main.problem(Severity::Warning, &key, problem, right));
    };
    for (id, desk) in &main.settings.desks {
        for (index, route) in desk.routes.iter().enumerate() {
            let key = format!("desks.{id}.routes[{index}]");
            look(format!("{key}.provider"), &route.provider);
            if let Some(shadow) = &route.shadow {
                look(format!("{key}.shadow"), shadow);
            }
            if let Some(handover) = &route.handover {
                look(format!("{key}.handover.to"), &handover.to);
            }
        }
    }
    for (name, migration) in &main.settings.migrations {
        if providers.contains_key(&migration.to) {
            continue;
        }
        let key = format!("{}.to", child("migrations", name));
        let problem = "is waiting: no valid file in providers/ describes this provider, so the \
                       migration moves nobody"
            .to_owned();
        let right = suggest(
            migration.to.as_str(),
            providers.keys().map(ProviderId::as_str),
        );
        problems.push(main.problem(Severity::Warning, &key, problem, right));
    }
    problems
}
