//! Where a reload takes effect in a running gateway.
//!
//! Owns the join between the reloader, which knows files and causes, and the
//! parts that can change while they run. Deliberately decides nothing.

use std::{sync::Arc, time::Instant};

use kefu_core::config::{Main, Provider};
use kefu_plugin_api::ids::ProviderId;

use tokio::sync::watch;

use crate::{
    edge,
    media::Media,
    migration::Migrations,
    plugin::{BringUpError, BroughtUp, Registry},
    push::Pushes,
    reload::{Failure, FailureKind, Live, Target},
    telemetry,
};

/// The parts of a running gateway that changes reach.
pub(super) struct Running {
    pub(super) registry: Arc<Registry>,
    pub(super) limits: watch::Sender<edge::Limits>,
    pub(super) media: Media,
    pub(super) pushes: Pushes,
    pub(super) migrations: Migrations,
}

impl Target for Running {
    fn configure(&self, main: &Main) {
        self.registry
            .configure(&main.plugins, main.limits.call_timeout);
        self.limits
            .send_replace(edge::Limits::from(&main.server.limits));
        self.media.set_url_ttl(main.media.url_ttl);
        telemetry::change_level(main.log.level);
    }

    fn serving(&self, provider: &ProviderId) -> Option<String> {
        let generation = self.registry.current(provider)?;
        Some(generation.about().sha256().to_owned())
    }

    fn bring_up(&self, provider: &Provider) -> Result<Live, Failure> {
        self.registry
            .bring_up(provider.clone())
            .map(live)
            .map_err(|error| failure(&error))
    }

    fn reconfigure(&self, provider: &Provider) {
        self.registry.reconfigure(provider.clone());
    }

    fn retire(&self, provider: &ProviderId, until: Instant) {
        self.registry.retire(provider, until);
    }

    fn roll_back(
        &self,
        provider: &ProviderId,
        generation: Option<u64>,
        unfit: Option<u64>,
    ) -> Result<Live, Failure> {
        self.registry
            .roll_back(provider, generation, unfit)
            .map(live)
            .map_err(|error| failure(&error))
    }

    fn in_force(&self) {
        self.pushes.reconfigured();
        self.migrations.reconfigured();
    }

    fn tidy(&self) {
        self.registry.sweep_copies();
    }
}

fn live(up: BroughtUp) -> Live {
    Live {
        generation: up.generation.number(),
        sha256: up.generation.about().sha256().to_owned(),
        stages: up.stages,
    }
}

fn failure(error: &BringUpError) -> Failure {
    let kind = match error {
        BringUpError::NotRetained { .. } | BringUpError::Replaced { .. } => {
            FailureKind::NotRetained
        }
        error if error.is_waiting() => FailureKind::Waiting,
        _ => FailureKind::Refused,
    };
    Failure {
        text: error.to_string(),
        kind,
    }
}
