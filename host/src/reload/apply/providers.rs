//! Providers brought from the old configuration into the new one.
//!
//! Owns the order of the steps and their running side by side. Invariant: one
//! provider's failure, its panic included, is that provider's alone.

use std::{
    panic,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kefu_core::config::{Config, Provider};
use kefu_plugin_api::ids::ProviderId;

use super::{
    Applier, Found,
    files::{Looks, Tried},
};
use crate::reload::{
    plan::{Action, Plan},
    report::{Fate, OfProvider},
    target::{Failure, FailureKind, Live, Target},
};

impl Applier {
    /// Does what the plan says, and puts the new configuration in force.
    pub(super) fn carry_out(
        &mut self,
        plan: &Plan,
        running: &Config,
        new: &Config,
        found: &Found<'_>,
    ) -> Vec<OfProvider> {
        if plan.main != running.main {
            self.target.configure(&plan.main);
        }
        let steps: Vec<(Action, &Provider)> = plan
            .actions
            .iter()
            .filter_map(|(id, action)| Some((*action, new.providers.get(id)?)))
            .filter(|(action, _)| *action != Action::Keep)
            .collect();
        let mut told = side_by_side(self.target.as_ref(), &steps);
        let mut in_force = Config {
            main: plan.main.clone(),
            providers: new.providers.clone(),
        };
        for ((action, provider), told) in steps.iter().zip(&told) {
            if *action != Action::Reconfigure {
                self.note_tried(&running.main.plugins.dir, provider, told, found);
            }
            let lives_on = running.providers.get(&provider.id);
            if let (Fate::Failed | Fate::Waiting, Some(before), Some(_)) =
                (told.outcome, lives_on, self.target.serving(&provider.id))
            {
                let id = provider.id.clone();
                in_force.providers.insert(id, before.clone());
            }
        }
        // A provider that failed before and is kept lives on by what it served
        // with, too.
        for (id, action) in &plan.actions {
            if let (Action::Keep, Some(before)) = (action, running.providers.get(id)) {
                in_force.providers.insert(id.clone(), before.clone());
            }
        }
        if in_force != *running {
            self.config.store(Arc::new(in_force));
            self.target.in_force();
        }
        told.extend(self.retire(plan, running));
        told
    }

    fn retire(&self, plan: &Plan, running: &Config) -> Vec<OfProvider> {
        let gone = plan
            .actions
            .iter()
            .filter(|(_, action)| **action == Action::Retire);
        gone.map(|(id, action)| {
            let drain = running
                .providers
                .get(id)
                .map_or(Duration::ZERO, |it| it.drain);
            self.target.retire(id, Instant::now() + drain);
            plain(id, *action, Fate::Retired)
        })
        .collect()
    }

    fn note_tried(
        &mut self,
        dir: &Path,
        provider: &Provider,
        told: &OfProvider,
        found: &Found<'_>,
    ) {
        let before = self.tried.get(&provider.id);
        let sha256 = told
            .sha256
            .clone()
            .or_else(|| before.and_then(|tried| tried.sha256.clone()));
        let tried = Tried {
            looks: Looks::of(dir, provider, found.files),
            sha256,
            failed: told.outcome != Fate::Live,
        };
        self.tried.insert(provider.id.clone(), tried);
    }
}

/// Runs the steps, a few at a time: each waits for child processes mostly.
fn side_by_side(target: &dyn Target, steps: &[(Action, &Provider)]) -> Vec<OfProvider> {
    let mut told = Vec::with_capacity(steps.len());
    for few in steps.chunks(AT_A_TIME) {
        if let [(action, provider)] = few {
            told.push(step(target, *action, provider));
            continue;
        }
        thread::scope(|scope| {
            let running: Vec<_> = few
                .iter()
                .map(|(action, provider)| scope.spawn(move || step(target, *action, provider)))
                .collect();
            for (thread, (action, provider)) in running.into_iter().zip(few) {
                told.push(
                    thread
                        .join()
                        .unwrap_or_else(|_| crashed(&provider.id, *action)),
                );
            }
        });
    }
    told
}

fn step(target: &dyn Target, action: Action, provider: &Provider) -> OfProvider {
    let done = panic::catch_unwind(panic::AssertUnwindSafe(|| match action {
        Action::Reconfigure => {
            target.reconfigure(provider);
            plain(&provider.id, action, Fate::Reconfigured)
        }
        _ => {
            let mut told = told(&provider.id, action, target.bring_up(provider));
            // Only who serves nothing can be said to wait.
            if told.outcome == Fate::Waiting && target.serving(&provider.id).is_some() {
                told.outcome = Fate::Failed;
            }
            told
        }
    }));
    done.unwrap_or_else(|_| crashed(&provider.id, action))
}

/// What came of a step, for the report.
pub(super) fn told(id: &ProviderId, action: Action, done: Result<Live, Failure>) -> OfProvider {
    match done {
        Ok(live) => OfProvider {
            generation: Some(live.generation),
            sha256: Some(live.sha256),
            stages: live.stages,
            ..plain(id, action, Fate::Live)
        },
        Err(failure) => OfProvider {
            error: Some(failure.text),
            ..plain(
                id,
                action,
                match failure.kind {
                    FailureKind::Waiting => Fate::Waiting,
                    FailureKind::NotRetained | FailureKind::Refused => Fate::Failed,
                },
            )
        },
    }
}

fn crashed(id: &ProviderId, action: Action) -> OfProvider {
    OfProvider {
        error: Some("the gateway's own code panicked; the log has the place".to_owned()),
        ..plain(id, action, Fate::Failed)
    }
}

fn plain(id: &ProviderId, action: Action, outcome: Fate) -> OfProvider {
    OfProvider {
        id: id.clone(),
        action,
        outcome,
        generation: None,
        sha256: None,
        stages: Vec::new(),
        error: None,
    }
}

/// Providers that are brought up at the same time.
const AT_A_TIME: usize = 4;
