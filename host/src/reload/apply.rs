//! One reload: from the files to what is in force.
//!
//! Owns what the files said last and which plug-in file was tried for whom.
//! Invariants: the main file counts whole or not at all; a provider that fails
//! keeps what it served with, settings included, and stops no other; new
//! sessions are routed to a provider only after it was brought up, and to none
//! that is being retired.

mod files;
mod providers;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use kefu_core::{
    config::{Config, ConfigError, Severity},
    problem::Problem,
};
use kefu_plugin_api::ids::ProviderId;

use self::files::Tried;
use super::{
    plan::{Action, Plan, plan},
    report::{Cause, Fate, History, OfProvider, Outcome, Report, Why},
    settle::Settled,
    target::{FailureKind, Target},
};
use crate::{
    config::{self, Fingerprint, LoadError, Look, Refused, Sources},
    telemetry::Metrics,
};

/// Brings files and commands into force.
pub(super) struct Applier {
    sources: Sources,
    /// What the files said last; what is in force may lag behind.
    wanted: Config,
    config: Arc<ArcSwap<Config>>,
    target: Arc<dyn Target>,
    metrics: Metrics,
    history: History,
    tried: BTreeMap<ProviderId, Tried>,
    /// What was wrong and what waited for a restart at the last reload.
    left: (Vec<ConfigError>, Vec<&'static str>),
}

/// What is known of the files when a reload begins.
pub(super) struct Found<'a> {
    /// Those that changed and are finished.
    pub(super) settled: &'a Settled,
    /// Those that somebody is still writing to.
    pub(super) unsettled: &'a BTreeSet<PathBuf>,
    /// All of them.
    pub(super) files: &'a Fingerprint,
}

impl Found<'_> {
    fn look(&self) -> Look<'_> {
        Look {
            unsettled: self.unsettled,
            files: self.files,
        }
    }
}

/// Why a command was not tried.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReloadError {
    /// The gateway stops.
    #[error("the gateway is stopping, so nothing is reloaded any more")]
    Stopping,
    /// Too many wait already.
    #[error(
        "many reloads wait for their turn already; GET /admin/v1/reloads shows what came of the last ones"
    )]
    Busy,
    /// The gateway's own code panicked on the way.
    #[error(
        "the reload came to no end; what it had not changed yet stays in force, and the log has the place"
    )]
    Broken,
    /// No file describes such a provider.
    #[error("no valid file in providers/ describes a provider `{0}`")]
    NoSuchProvider(ProviderId),
    /// There is nothing to go back to.
    #[error("{0}")]
    NotRetained(String),
    /// The file was not changed.
    #[error("{}", .0.detail)]
    NotWritten(Box<Problem>),
}

impl Applier {
    pub(super) fn new(
        sources: Sources,
        config: Arc<ArcSwap<Config>>,
        target: Arc<dyn Target>,
        metrics: Metrics,
        history: History,
    ) -> Self {
        let wanted = Config::clone(&config.load());
        let tried = files::at_start(&wanted, &sources, target.as_ref());
        Self {
            sources,
            wanted,
            config,
            target,
            metrics,
            history,
            tried,
            left: Default::default(),
        }
    }

    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(super) fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// Reads everything again and brings into force what differs. Beside the
    /// report comes what a refused main file referred to.
    pub(super) fn reload(
        &mut self,
        cause: &Cause,
        found: &Found<'_>,
        asked: Instant,
    ) -> Result<(Report, BTreeSet<PathBuf>), ReloadError> {
        let began = Instant::now();
        let loaded = match config::reload(&self.sources, found.look()) {
            Ok(loaded) => loaded,
            Err(refused) => return Ok(self.refuse(cause, *refused, began)),
        };
        let mut new = loaded.config;
        self.hold_back(&mut new, found.unsettled);
        if let Cause::Provider { id } = cause
            && !new.providers.contains_key(id)
        {
            return Err(ReloadError::NoSuchProvider(id.clone()));
        }
        let running = self.config.load_full();
        let known = self.look_at_files(&new, cause, found);
        let plan = plan(&running.main, &self.wanted, &new, &known);
        let mut report = begin(cause);
        report.problems = loaded.problems;
        report.changes.clone_from(&plan.changes);
        report.needs_restart.clone_from(&plan.needs_restart);
        report.providers = self.carry_out(&plan, &running, &new, found);
        report.outcome = self.outcome(&report, &plan);
        let since = match cause {
            Cause::Files => found.settled.closed,
            _ => Some(asked),
        };
        self.sources = loaded.sources;
        self.wanted = new;
        self.left = (report.problems.clone(), plan.needs_restart);
        self.finish(&mut report, began, since);
        Ok((report, BTreeSet::new()))
    }

    /// Goes back to an earlier generation.
    pub(super) fn roll_back(
        &mut self,
        cause: &Cause,
        provider: &ProviderId,
        generation: Option<u64>,
        why: &Why,
        asked: Instant,
    ) -> Result<Report, ReloadError> {
        let began = Instant::now();
        let done = self.target.roll_back(provider, generation, why.unfit());
        if let Err(failure) = &done
            && failure.kind == FailureKind::NotRetained
        {
            tracing::warn!(%provider, reason = failure.text, "no earlier generation to go back to");
            return Err(ReloadError::NotRetained(failure.text.clone()));
        }
        let mut report = begin(cause);
        if let Why::Automatic { fault, .. } = why {
            report.why = Some(fault.clone());
        }
        report.outcome = match &done {
            Ok(live) => {
                report.changes = vec![format!(
                    "providers.{provider}: back to an earlier plug-in, as generation {}",
                    live.generation
                )];
                self.metrics.rolled_back(provider, why.as_str());
                Outcome::Applied
            }
            Err(_) => Outcome::Refused,
        };
        report.providers = vec![providers::told(provider, Action::RollBack, done)];
        self.finish(&mut report, began, Some(asked));
        Ok(report)
    }

    /// Providers whose plug-in file somebody is still writing to stay as they
    /// are until it is finished.
    fn hold_back(&self, new: &mut Config, unsettled: &BTreeSet<PathBuf>) {
        let dir = &self.config.load().main.plugins.dir;
        let held: Vec<ProviderId> = new
            .providers
            .values()
            .filter(|provider| {
                let file = dir.join(&provider.plugin);
                unsettled.contains(&config::signature_of(&file)) || unsettled.contains(&file)
            })
            .map(|provider| provider.id.clone())
            .collect();
        for id in held {
            tracing::debug!(provider = %id, "its plug-in file is still being written");
            match self.wanted.providers.get(&id) {
                Some(before) => new.providers.insert(id, before.clone()),
                None => new.providers.remove(&id),
            };
        }
    }

    fn refuse(
        &mut self,
        cause: &Cause,
        refused: Refused,
        began: Instant,
    ) -> (Report, BTreeSet<PathBuf>) {
        let mut report = begin(cause);
        report.outcome = Outcome::Refused;
        match refused.error {
            LoadError::Wrong(errors) => report.problems = errors.0,
            error @ LoadError::Unreadable { .. } => report.error = Some(error.to_string()),
        }
        self.left = Default::default();
        self.finish(&mut report, began, None);
        (report, refused.references)
    }

    /// Whether anything took effect, and whether everything did.
    fn outcome(&self, report: &Report, plan: &Plan) -> Outcome {
        let any = |fate| report.providers.iter().any(|it| it.outcome == fate);
        let failed = any(Fate::Failed) || any(Fate::Waiting) && plan.changes.is_empty();
        let wrong = report
            .problems
            .iter()
            .any(|problem| problem.severity == Severity::Error);
        let took_effect = any(Fate::Live)
            || any(Fate::Reconfigured)
            || any(Fate::Retired)
            || !Self::changed_only_failed(report, plan);
        let restart = !plan.needs_restart.is_empty();
        if took_effect {
            let all = !failed && !wrong && !restart;
            return if all {
                Outcome::Applied
            } else {
                Outcome::Partly
            };
        }
        // What was said before is said again only to who asks.
        let asked = report.cause != Cause::Files;
        if failed || wrong && (asked || report.problems != self.left.0) {
            Outcome::Refused
        } else if restart && plan.needs_restart != self.left.1 {
            Outcome::Partly
        } else {
            Outcome::Unchanged
        }
    }

    /// Whether every change is one of a provider that failed.
    fn changed_only_failed(report: &Report, plan: &Plan) -> bool {
        let failed: Vec<String> = report
            .providers
            .iter()
            .filter(|provider| provider.outcome == Fate::Failed)
            .map(|provider| format!("providers.{}", provider.id))
            .collect();
        plan.changes.iter().all(|change| {
            failed.iter().any(|id| {
                change
                    .strip_prefix(id.as_str())
                    .is_some_and(|rest| rest.starts_with(['.', ':', ' ']))
            })
        })
    }

    /// Writes a reload down: history, numbers, log.
    fn finish(&self, report: &mut Report, began: Instant, since: Option<Instant>) {
        report.at = crate::clock::now();
        report.took_ms = millis(began.elapsed());
        let live = matches!(report.outcome, Outcome::Applied | Outcome::Partly)
            && !(report.changes.is_empty() && report.providers.is_empty());
        let took = since.filter(|_| live).map(|since| since.elapsed());
        if report.cause == Cause::Files {
            report.closed_to_live_ms = took.map(millis);
        }
        self.history.keep(report);
        if report.outcome == Outcome::Unchanged {
            tracing::debug!(cause = report.cause.as_str(), "nothing to reload");
            return;
        }
        self.metrics.reload_finished(report.outcome.as_str(), took);
        for stage in report.providers.iter().flat_map(|it| &it.stages) {
            self.metrics
                .reload_stage_finished(stage.stage.as_str(), stage.took);
        }
        log(report);
        self.target.tidy();
    }
}

fn begin(cause: &Cause) -> Report {
    Report {
        id: None,
        at: crate::clock::now(),
        cause: cause.clone(),
        why: None,
        outcome: Outcome::Unchanged,
        took_ms: 0,
        closed_to_live_ms: None,
        changes: Vec::new(),
        needs_restart: Vec::new(),
        problems: Vec::new(),
        error: None,
        providers: Vec::new(),
    }
}

fn log(report: &Report) {
    for problem in &report.problems {
        tracing::warn!(%problem, "configuration");
    }
    for provider in &report.providers {
        log_provider(provider);
    }
    tracing::info!(
        id = report.id,
        cause = report.cause.as_str(),
        why = report.why,
        outcome = report.outcome.as_str(),
        took_ms = report.took_ms,
        closed_to_live_ms = report.closed_to_live_ms,
        changes = report.changes.join(", "),
        needs_restart = report.needs_restart.join(", "),
        error = report.error,
        "reload"
    );
}

fn log_provider(provider: &OfProvider) {
    let (id, action) = (&provider.id, provider.action.as_str());
    match &provider.error {
        Some(error) => tracing::warn!(provider = %id, action, error, "provider not changed"),
        None => tracing::info!(
            provider = %id,
            action,
            generation = provider.generation,
            sha256 = provider.sha256,
            "provider changed"
        ),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
