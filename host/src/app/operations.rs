//! Store, adapters, delivery and reloads, as operators see and command them.
//!
//! Owns the join of their answers into what the admin listener shows.
//! Deliberately decides nothing. Invariant: what visitors and agents said is in
//! no answer.

mod editing;
mod inspecting;
mod measuring;
mod migrating;

use std::{future::ready, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use kefu_core::{
    config::{Config, Desk},
    outbox::{DeadLetter, Letter},
    problem::{Problem, Slug},
    routing::RouteRequest,
};
use kefu_plugin_api::ids::{DeskId, ProviderId};
use serde_json::{Value, json};

use crate::{
    delivery::Delivery,
    edge::{Commanded, Operations, ProviderReport},
    figures::Figures,
    health::Health,
    migration::Migrations,
    plugin::{Availability, ProviderStatus, Registry, Slot, loader},
    push::Pushes,
    reload::{Cause, ReloadError, Reloader, Report, Why, catalogue},
    route::{self, Router},
    session::{Engine, VisitorKey, engine::replaying::no_letter},
    shadow::Shadows,
    store::{Again, Store},
    telemetry::Standing,
};

/// The running gateway, from outside.
pub(super) struct Overview {
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) store: Arc<dyn Store>,
    pub(super) registry: Arc<Registry>,
    pub(super) router: Arc<Router>,
    pub(super) delivery: Delivery,
    pub(super) engine: Engine,
    pub(super) pushes: Pushes,
    pub(super) migrations: Migrations,
    pub(super) shadows: Shadows,
    pub(super) reloader: Reloader,
    pub(super) figures: Figures,
    /// Where weights are written back to.
    pub(super) main_file: PathBuf,
    pub(super) health: Health,
}

impl Operations for Overview {
    fn check_store(&self) -> Result<(), String> {
        self.store
            .open_count()
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn providers(&self) -> Vec<ProviderReport> {
        let all = self.registry.describe_all();
        all.into_iter().map(|status| self.report(status)).collect()
    }

    fn takes_sessions(&self, provider: &ProviderId) -> bool {
        self.registry
            .availability(provider)
            .is_some_and(|availability| availability.takes_sessions())
    }

    fn plugins(&self) -> Result<Value, Problem> {
        let config = self.config.load();
        let serving = |provider: &ProviderId| {
            let generation = self.registry.current(provider)?;
            Some(generation.about().sha256().to_owned())
        };
        catalogue::list(&config, &serving)
            .map(|files| json!(files))
            .map_err(|error| {
                let dir = config.main.plugins.dir.display();
                let detail = format!("cannot read the plug-in folder {dir}: {error}");
                Problem::new(Slug::ProviderUnavailable, detail)
            })
    }

    fn mapped_copies(&self) -> u64 {
        loader::mapped_copies() as u64
    }

    fn reloads(&self, limit: usize) -> Vec<Value> {
        let reports = self.reloader.history(limit);
        reports.iter().map(|report| json!(report)).collect()
    }

    fn reload(&self, provider: Option<&ProviderId>) -> Commanded {
        self.command(match provider {
            Some(id) => Cause::Provider { id: id.clone() },
            None => Cause::Admin,
        })
    }

    fn roll_back(&self, provider: &ProviderId, generation: Option<u64>) -> Commanded {
        if let Err(problem) = self.slot(provider) {
            return Box::pin(ready(Err(problem)));
        }
        self.command(Cause::RollBack {
            provider: provider.clone(),
            generation,
            why: Why::Command,
        })
    }

    fn set_paused(&self, provider: &ProviderId, paused: bool) -> Result<(), Problem> {
        self.slot(provider)?.set_paused(paused);
        Ok(())
    }

    fn pushes(&self) -> Vec<Value> {
        let statuses = self.pushes.statuses();
        statuses.iter().map(|status| json!(status)).collect()
    }

    fn replay(&self, letter: &str) -> Commanded {
        let letter = match self.store.dead_letter(letter) {
            Ok(Some(letter)) => letter,
            Ok(None) => return Box::pin(ready(Err(no_letter(letter)))),
            Err(error) => {
                let detail = format!("cannot read the dead letter: {error}");
                let problem = Problem::new(Slug::StorageUnavailable, detail);
                return Box::pin(ready(Err(problem)));
            }
        };
        let (engine, pushes) = (self.engine.clone(), self.pushes.clone());
        Box::pin(async move {
            let shown = dead_letter(&letter);
            match (Pushes::lane_for(&letter), &letter.letter) {
                (Some(lane), Letter::Push { app, .. }) => {
                    if !pushes.is_routed(app) {
                        let detail = format!("app `{app}` has no routing to push to");
                        return Err(Problem::new(Slug::InvalidRequest, detail));
                    }
                    engine.unbury(&letter.id, Again::Push(lane.clone())).await?;
                    pushes.tell(&lane);
                }
                _ => engine.replay(letter).await?,
            }
            Ok(json!({"replayed": shown}))
        })
    }

    fn explain(&self, desk: &DeskId, request: &RouteRequest<'_>) -> Result<Value, Problem> {
        let config = self.config.load();
        let known = config
            .desk(desk.as_str())
            .ok_or_else(|| route::no_desk(desk))?;
        let decision = self.router.choose(known, request)?;
        let mut answer = json!(decision);
        answer["desk"] = json!(desk);
        answer["visitor"] = json!(request.visitor);
        answer["at"] = json!(request.at);
        if let Some(pinned) = self.pinned(known, request.visitor)? {
            answer["pinned"] = pinned;
        }
        Ok(answer)
    }

    fn dead_letters(&self, limit: usize) -> Result<Vec<Value>, Problem> {
        let letters = self.store.dead_letters(limit).map_err(|error| {
            let detail = format!("cannot read the dead letters: {error}");
            Problem::new(Slug::StorageUnavailable, detail)
        })?;
        Ok(letters.iter().map(dead_letter).collect())
    }
}

impl Overview {
    fn command(&self, cause: Cause) -> Commanded {
        let answer = self.reloader.reload(cause);
        Box::pin(async { told(answer.await) })
    }

    fn slot(&self, provider: &ProviderId) -> Result<Arc<Slot>, Problem> {
        self.registry.slot(provider).ok_or_else(|| {
            Problem::new(Slug::NotFound, format!("there is no provider `{provider}`"))
        })
    }

    /// The session that this visitor has open at the desk.
    fn pinned(&self, desk: &Desk, visitor: &str) -> Result<Option<Value>, Problem> {
        let who = VisitorKey {
            app: desk.app.clone(),
            visitor: visitor.to_owned(),
        };
        let unread = |error| {
            let detail = format!("cannot read the visitor's sessions: {error}");
            Problem::new(Slug::StorageUnavailable, detail)
        };
        let open = self.store.open_session(&who, &desk.id).map_err(unread)?;
        let Some(session) = open else {
            return Ok(None);
        };
        let record = self.store.record(&session).map_err(unread)?;
        Ok(record.map(|record| {
            json!({"session": record.id, "provider": record.provider, "state": record.state})
        }))
    }

    fn report(&self, status: ProviderStatus) -> ProviderReport {
        let id = status.id.clone();
        let mut report = json!(status);
        let delivery = self.delivery.status(&id);
        if let Value::Object(members) = &mut report {
            members.insert("health".into(), json!(self.health.finding(&id)));
            members.insert("breaker".into(), json!(delivery.breaker));
            members.insert("outbox".into(), json!(delivery.entries));
            members.insert("requests_under_way".into(), json!(delivery.under_way));
        }
        let standing = Standing {
            state: report["state"].as_str().unwrap_or_default().to_owned(),
            generation: status.current.as_ref().map(|current| current.generation),
            retained: status.retained.len() as u64,
            stuck_calls: status.stuck_calls,
            child_resident_bytes: status
                .process
                .as_ref()
                .and_then(|process| process.resident_bytes),
        };
        ProviderReport {
            id,
            works: status.availability.takes_sessions(),
            reason: reason(&status.availability),
            standing,
            report,
        }
    }
}

fn reason(availability: &Availability) -> Option<String> {
    match availability {
        Availability::Active => None,
        Availability::Paused => Some("an operator paused it".into()),
        Availability::Draining { .. } => {
            Some("no file describes it any more; it is drained".into())
        }
        Availability::Waiting { reason }
        | Availability::Failed { reason }
        | Availability::Quarantined { reason }
        | Availability::Stuck { reason } => Some(reason.clone()),
    }
}

fn told(answer: Result<Report, ReloadError>) -> Result<Value, Problem> {
    answer
        .map(|report| json!(report))
        .map_err(|error| match error {
            ReloadError::Stopping | ReloadError::Busy | ReloadError::Broken => {
                Problem::new(Slug::Overloaded, error.to_string())
            }
            ReloadError::NotWritten(problem) => *problem,
            ReloadError::NoSuchProvider(_) | ReloadError::NotRetained(_) => {
                Problem::new(Slug::NotFound, error.to_string())
            }
        })
}

/// What it is and whose, without what visitors and agents said.
fn dead_letter(letter: &DeadLetter) -> Value {
    let mut shown = json!({
        "id": letter.id,
        "session": letter.session,
        "at": letter.at,
        "reason": letter.reason,
        "type": match &letter.letter {
            Letter::Call { .. } => "call",
            Letter::Event { .. } => "event",
            Letter::Push { .. } => "push",
        },
    });
    match &letter.letter {
        Letter::Call { .. } | Letter::Event { .. } => shown["provider"] = json!(letter.provider),
        Letter::Push { app, seq, tries } => {
            shown["app"] = json!(app);
            shown["seq"] = json!(seq);
            shown["tries"] = json!(tries);
        }
    }
    shown
}
